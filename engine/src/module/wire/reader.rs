//! `Reader`: bytes of the wire from the front: varints, fixed numbers, keys, lengths, and what is skipped.
//!
//! Nothing is indexed and nothing is allocated: a length counts for no more than the bytes that are there. It knows no
//! descriptors. Next door: `decode`.

use std::fmt;

use prost::encoding::{WireType, decode_varint};
use smallvec::SmallVec;

/// Messages, groups and entries of maps within each other; deeper ones are refused.
pub(super) const DEPTH_MAX: usize = 64;

/// The rest of some bytes.
#[derive(Debug)]
pub(super) struct Reader<'w> {
    rest: &'w [u8],
    /// Where the rest begins, in the whole message.
    at: usize,
}

/// The number of a field, and how its bytes are told apart from the next.
#[derive(Clone, Copy, Debug)]
pub(super) struct FieldKey {
    pub(super) number: u32,
    pub(super) wire_type: WireType,
}

/// What is wrong with the bytes, and where.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fault {
    pub(super) what: Wrong,
    pub(super) at: usize,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Wrong {
    /// Less is there than a length or a type says.
    Truncated {
        wanted: u64,
    },
    Varint,
    Key,
    WireType(WireType),
    GroupEnd,
    TooDeep,
    Utf8,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated { wanted } => {
                write!(f, "{wanted} more bytes are announced than there are")
            }
            Self::Varint => f.write_str("a varint does not end, or is beyond 64 bits"),
            Self::Key => f.write_str("no field has such a number or wire type"),
            Self::WireType(found) => write!(
                f,
                "the field is of another type than the wire type {}",
                *found as u8
            ),
            Self::GroupEnd => f.write_str("a group ends that was not begun, or does not end"),
            Self::TooDeep => write!(f, "messages are nested deeper than {DEPTH_MAX}"),
            Self::Utf8 => f.write_str("the text is not UTF-8"),
        }
    }
}

impl<'w> Reader<'w> {
    pub(super) const fn new(bytes: &'w [u8]) -> Self {
        Self { rest: bytes, at: 0 }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// A fault at the place that is read next.
    pub(super) const fn fault(&self, what: Wrong) -> Fault {
        Fault { what, at: self.at }
    }

    #[inline]
    pub(super) fn varint(&mut self) -> Result<u64, Fault> {
        if let Some((&byte, rest)) = self.rest.split_first()
            && byte < 0x80
        {
            self.rest = rest;
            self.at += 1;
            return Ok(byte.into());
        }
        let mut rest = self.rest;
        let value = decode_varint(&mut rest).map_err(|_| self.fault(Wrong::Varint))?;
        self.at += self.rest.len() - rest.len();
        self.rest = rest;
        Ok(value)
    }

    pub(super) fn key(&mut self) -> Result<FieldKey, Fault> {
        let wrong = self.fault(Wrong::Key);
        let key = u32::try_from(self.varint()?).map_err(|_| wrong)?;
        let wire_type = WireType::try_from(u64::from(key & 7)).map_err(|_| wrong)?;
        match key >> 3 {
            0 => Err(wrong),
            number => Ok(FieldKey { number, wire_type }),
        }
    }

    /// Four or eight bytes.
    pub(super) fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let Some((bytes, rest)) = self.rest.split_first_chunk::<N>() else {
            return Err(self.truncated(N as u64));
        };
        self.rest = rest;
        self.at += N;
        Ok(*bytes)
    }

    /// A length, and what it is the length of.
    pub(super) fn delimited(&mut self) -> Result<&'w [u8], Fault> {
        let len = self.varint()?;
        self.take(len)
    }

    /// As `delimited`, to be read on.
    pub(super) fn within(&mut self) -> Result<Self, Fault> {
        let rest = self.delimited()?;
        let at = self.at - rest.len();
        Ok(Self { rest, at })
    }

    fn take(&mut self, len: u64) -> Result<&'w [u8], Fault> {
        let found = usize::try_from(len)
            .ok()
            .and_then(|len| self.rest.split_at_checked(len));
        let Some((taken, rest)) = found else {
            return Err(self.truncated(len));
        };
        self.rest = rest;
        self.at += taken.len();
        Ok(taken)
    }

    fn truncated(&self, wanted: u64) -> Fault {
        let wanted = wanted.saturating_sub(self.rest.len() as u64);
        self.fault(Wrong::Truncated { wanted })
    }

    /// Skips a field that nobody knows, whose key has been read; groups as a whole. `depth` is how deep it stands.
    pub(super) fn skip(&mut self, key: FieldKey, depth: usize) -> Result<(), Fault> {
        let mut groups: SmallVec<[u32; 4]> = SmallVec::new();
        let mut key = key;
        loop {
            match key.wire_type {
                WireType::Varint => _ = self.varint()?,
                WireType::SixtyFourBit => _ = self.take(8)?,
                WireType::ThirtyTwoBit => _ = self.take(4)?,
                WireType::LengthDelimited => _ = self.delimited()?,
                WireType::StartGroup => {
                    if depth + groups.len() >= DEPTH_MAX {
                        return Err(self.fault(Wrong::TooDeep));
                    }
                    groups.push(key.number);
                }
                WireType::EndGroup => {
                    if groups.pop() != Some(key.number) {
                        return Err(self.fault(Wrong::GroupEnd));
                    }
                }
            }
            if groups.is_empty() {
                return Ok(());
            }
            if self.is_empty() {
                return Err(self.fault(Wrong::GroupEnd));
            }
            key = self.key()?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
        let mut reader = Reader::new(bytes);
        reader.varint().ok().map(|value| (value, reader.at))
    }

    #[test]
    fn varints_end_within_ten_bytes_and_64_bits() {
        assert_eq!(varint(&[0x96, 0x01, 7]), Some((150, 2)));
        let mut longest = [0xFF; 10];
        longest[9] = 1;
        assert_eq!(varint(&longest), Some((u64::MAX, 10)));
        // Zero, said in ten bytes.
        let mut zero = [0x80; 10];
        zero[9] = 0;
        assert_eq!(varint(&zero), Some((0, 10)));
        longest[9] = 2;
        assert_eq!(varint(&longest), None);
        assert_eq!(varint(&[0x80; 11]), None);
        for len in 0..10 {
            assert_eq!(varint(&[0x80; 10][..len]), None, "{len}");
        }
    }

    #[test]
    fn a_length_beyond_the_end_is_refused_where_it_stands() {
        let mut reader = Reader::new(&[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1, 7]);
        let fault = reader.delimited().unwrap_err();
        assert_eq!(fault.at, 10);
        assert!(matches!(fault.what, Wrong::Truncated { wanted } if wanted == u64::MAX - 1));
        assert!(Reader::new(&[1, 2, 3]).fixed::<4>().is_err());
    }

    #[test]
    fn groups_are_skipped_whole_and_not_too_deep() {
        let skip = |bytes: &[u8], depth| {
            let mut reader = Reader::new(bytes);
            let key = reader.key().map_err(|fault| fault.what)?;
            reader.skip(key, depth).map_err(|fault| fault.what)?;
            Ok::<usize, Wrong>(reader.rest.len())
        };
        // 1 { 2: 5; 3 { } } and one byte more.
        assert!(matches!(
            skip(&[0x0B, 0x10, 5, 0x1B, 0x1C, 0x0C, 9], 0),
            Ok(1)
        ));
        assert!(matches!(skip(&[0x0B, 0x14], 0), Err(Wrong::GroupEnd)));
        assert!(matches!(skip(&[0x0B, 0x10, 5], 0), Err(Wrong::GroupEnd)));
        assert!(matches!(skip(&[0x0C], 0), Err(Wrong::GroupEnd)));
        let deep = |levels| [vec![0x0B; levels], vec![0x0C; levels]].concat();
        assert!(matches!(skip(&deep(64), 0), Ok(0)));
        assert!(matches!(skip(&deep(65), 0), Err(Wrong::TooDeep)));
        assert!(matches!(skip(&deep(60), 5), Err(Wrong::TooDeep)));
        assert!(matches!(skip(&deep(1_000_000), 0), Err(Wrong::TooDeep)));
    }

    #[test]
    fn keys_have_a_number_and_a_wire_type() {
        let key = |bytes: &[u8]| Reader::new(bytes).key().is_ok();
        assert!(key(&[0x08]));
        assert!(!key(&[0x00]), "the number 0");
        assert!(!key(&[0x0E]) && !key(&[0x0F]), "wire types 6 and 7");
        assert!(key(&[0xF8, 0xFF, 0xFF, 0xFF, 0x0F]), "2^29 - 1");
        assert!(!key(&[0x80, 0x80, 0x80, 0x80, 0x10]), "beyond 32 bits");
    }
}
