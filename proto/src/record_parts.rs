//! Records that are nowhere as a whole: written piece by piece, and read part by part, wherever the parts are cut.
//!
//! The bytes are those of `record_codec`, whose encoder and decoder are the twins of these. What is kept is one change and
//! what of it has not come yet. No length is trusted: memory grows only by bytes that were given.

use crate::error::{DecodeError, EncodeError};
use crate::record_codec::{
    CODEC_BINCODE, ChangeRef, Changes, FLAGS_AT, SECTION_HEAD, Section, change_len, put_envelope,
    take_envelope,
};
use crate::value_codec::Reader;

/// What a section will hold: counted first, for its head stands before it.
///
/// ```
/// use tailwater_proto::record_parts::{SectionTotals, put_head, put_section};
/// use tailwater_proto::{ChangeRef, RecordView, Section, StorageId, record_codec::put_change};
///
/// let change = ChangeRef {
///     storage: StorageId(70),
///     schema_version: 1,
///     key: b"k",
///     before: None,
///     after: Some(b"row"),
/// };
/// let mut totals = SectionTotals::default();
/// totals.add(change)?;
///
/// let mut bytes = Vec::new(); // in pieces as long as one likes
/// put_head(&mut bytes, 1_700_000_000_000_000, "ann", &[Section::State])?;
/// put_section(&mut bytes, totals);
/// put_change(&mut bytes, change);
/// let record = RecordView::decode(&bytes).unwrap();
/// assert_eq!(record.changes(Section::State).next(), Some(Ok(change)));
/// # Ok::<(), tailwater_proto::EncodeError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SectionTotals {
    bytes: u32,
    changes: u32,
}

impl SectionTotals {
    /// Counts a change.
    ///
    /// # Errors
    /// If the section becomes larger than 4 GiB.
    pub fn add(&mut self, change: ChangeRef<'_>) -> Result<(), EncodeError> {
        let len = u32::try_from(change_len(change)).map_err(|_| EncodeError::TooLarge)?;
        self.bytes = self.bytes.checked_add(len).ok_or(EncodeError::TooLarge)?;
        self.changes = self.changes.checked_add(1).ok_or(EncodeError::TooLarge)?;
        Ok(())
    }

    /// Bytes of the changes.
    #[must_use]
    pub const fn bytes(self) -> u32 {
        self.bytes
    }

    /// How many changes there are.
    #[must_use]
    pub const fn changes(self) -> u32 {
        self.changes
    }
}

/// Appends what a record begins with. Its sections follow, in this order, each head before its changes.
///
/// # Errors
/// If the principal is longer than 4 GiB.
pub fn put_head(
    out: &mut Vec<u8>,
    commit_time_us: i64,
    principal: &str,
    sections: &[Section],
) -> Result<(), EncodeError> {
    let flags = sections
        .iter()
        .fold(0, |flags, section| flags | section.flag());
    out.extend([CODEC_BINCODE, flags]);
    put_envelope(out, commit_time_us, principal)
}

/// Appends the head of a section.
pub fn put_section(out: &mut Vec<u8>, totals: SectionTotals) {
    out.extend_from_slice(&totals.bytes.to_le_bytes());
    out.extend_from_slice(&totals.changes.to_le_bytes());
}

/// Reads the changes of a record from its parts.
///
/// ```
/// use tailwater_proto::record_parts::RecordParts;
/// use tailwater_proto::{Record, Change, Key, Section, StorageId, encode_record};
///
/// let change = Change {
///     storage: StorageId(70),
///     schema_version: 1,
///     key: Key::from(&b"k"[..]),
///     before: None,
///     after: Some(b"row".as_slice().into()),
/// };
/// let record = Record { base: vec![change.clone(); 9], ..Record::default() };
/// let bytes = encode_record((&record).into())?;
///
/// let (mut parts, mut found) = (RecordParts::new(), Vec::new());
/// for part in bytes.chunks(7) {
///     parts.push(part);
///     while let Some((section, change)) = parts.next().unwrap() {
///         assert_eq!(section, Section::Base);
///         found.push(change.to_change());
///     }
/// }
/// parts.finish().unwrap();
/// assert_eq!(found, record.base);
/// # Ok::<(), tailwater_proto::EncodeError>(())
/// ```
#[derive(Debug, Default)]
pub struct RecordParts {
    /// What was given and is not read yet, behind what is read.
    bytes: Vec<u8>,
    at: usize,
    /// Bytes of the record before `bytes`.
    before: usize,
    head: Option<Head>,
    /// How many of [`Section::ALL`] are behind us, or begun.
    sections_seen: usize,
    open: Option<Open>,
}

#[derive(Debug)]
struct Head {
    flags: u8,
    commit_time_us: i64,
    principal: String,
}

/// A section that is being read.
#[derive(Clone, Copy, Debug)]
struct Open {
    section: Section,
    /// Changes still to come, and their bytes.
    changes: u32,
    bytes: u32,
}

/// What comes next, as far as its bytes are there.
enum Found {
    Change(Section),
    Passed,
    Wanting,
    End,
}

impl RecordParts {
    /// Nothing has been read yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes of the record.
    pub fn push(&mut self, part: &[u8]) {
        self.bytes.drain(..self.at);
        self.before += self.at;
        self.at = 0;
        self.bytes.extend_from_slice(part);
    }

    /// Commit time in microseconds since 1970-01-01 UTC; `None` before the head is whole.
    #[must_use]
    pub fn commit_time_us(&self) -> Option<i64> {
        self.head.as_ref().map(|head| head.commit_time_us)
    }

    /// Who committed; empty before the head is whole.
    #[must_use]
    pub fn principal(&self) -> &str {
        self.head.as_ref().map_or("", |head| &head.principal)
    }

    /// The next change and its section; `None` if the bytes for it are not there: at the end of the record, or before
    /// more is pushed.
    ///
    /// # Errors
    /// If the record is damaged; the rest of it is of no use then.
    #[expect(
        clippy::should_implement_trait,
        reason = "what is given is borrowed, and the end is not the end"
    )]
    pub fn next(&mut self) -> Result<Option<(Section, ChangeRef<'_>)>, DecodeError> {
        loop {
            let from = self.at;
            match self.step()? {
                Found::Passed => {}
                Found::Wanting | Found::End => return Ok(None),
                Found::Change(section) => {
                    let bytes = self.bytes.get(from..self.at).unwrap_or_default();
                    let change = Changes::read_from(&mut Reader::new(bytes))?;
                    return Ok(Some((section, change)));
                }
            }
        }
    }

    /// Says that no more bytes come.
    ///
    /// # Errors
    /// If the record is not whole, or has bytes behind its end.
    pub fn finish(&mut self) -> Result<(), DecodeError> {
        let at_end = matches!(self.step()?, Found::End);
        let offset = self.before + self.at;
        if !at_end {
            return Err(DecodeError::Truncated {
                offset: self.before + self.bytes.len(),
                expected: "the rest of a record",
            });
        }
        if self.at < self.bytes.len() {
            return Err(DecodeError::Trailing { offset });
        }
        Ok(())
    }

    fn step(&mut self) -> Result<Found, DecodeError> {
        let offset = self.before + self.at;
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let Some(head) = &self.head else {
            return self.take_head();
        };
        let Some(open) = &mut self.open else {
            let Some(section) = Section::ALL.get(self.sections_seen).copied() else {
                return if rest.is_empty() {
                    Ok(Found::End)
                } else {
                    Err(DecodeError::Trailing { offset })
                };
            };
            if head.flags & section.flag() == 0 {
                self.sections_seen += 1;
                return Ok(Found::Passed);
            }
            let Some(head) = rest.first_chunk::<SECTION_HEAD>() else {
                return Ok(Found::Wanting);
            };
            let head = u64::from_le_bytes(*head);
            self.open = Some(Open {
                section,
                bytes: head as u32,
                changes: (head >> 32) as u32,
            });
            self.at += SECTION_HEAD;
            self.sections_seen += 1;
            return Ok(Found::Passed);
        };
        if open.changes == 0 {
            if open.bytes > 0 {
                return Err(DecodeError::Trailing { offset });
            }
            self.open = None;
            return Ok(Found::Passed);
        }
        let bytes = usize::try_from(open.bytes).unwrap_or(usize::MAX);
        let is_all = rest.len() >= bytes;
        let mut reader = Reader::new(rest.get(..bytes).unwrap_or(rest));
        let change = match Changes::read_from(&mut reader) {
            Err(DecodeError::Truncated { .. }) if !is_all => return Ok(Found::Wanting),
            Err(error) => return Err(error.at(offset)),
            Ok(change) => change,
        };
        if change.before.is_none() && change.after.is_none() {
            return Err(DecodeError::Invalid {
                offset,
                expected: "a change with an image",
            });
        }
        open.changes -= 1;
        // No more than `bytes` were read.
        open.bytes -= reader.at as u32;
        self.at += reader.at;
        Ok(Found::Change(open.section))
    }

    fn take_head(&mut self) -> Result<Found, DecodeError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let [codec, flags, ..] = *rest else {
            return Ok(Found::Wanting);
        };
        if codec != CODEC_BINCODE {
            return Err(DecodeError::UnknownVersion {
                offset: 0,
                found: codec,
                expected: "record codec",
            });
        }
        if flags > 7 {
            return Err(DecodeError::UnknownVersion {
                offset: FLAGS_AT,
                found: flags,
                expected: "set of record flags",
            });
        }
        let mut at = FLAGS_AT + 1;
        let envelope = match take_envelope(rest, &mut at) {
            Err(DecodeError::Truncated { .. }) => return Ok(Found::Wanting),
            envelope => envelope?,
        };
        self.head = Some(Head {
            flags,
            commit_time_us: envelope.commit_time_us,
            principal: envelope.principal.to_owned(),
        });
        self.at += at;
        Ok(Found::Passed)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::change::{Change, Record};
    use crate::key::Key;
    use crate::lsn::StorageId;
    use crate::record_codec::{RecordRef, RecordView, encode_record, put_change};

    /// Xorshift; the seed is in every message.
    struct Rng(u64);

    impl Rng {
        fn below(&mut self, n: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            usize::try_from(self.0 >> 11).unwrap() % n
        }
    }

    fn bytes(rng: &mut Rng) -> Arc<[u8]> {
        let len = [0, 1, 5, 250, 251, 300, 2_000][rng.below(7)];
        (0..len).map(|at| at as u8).collect()
    }

    fn change(rng: &mut Rng) -> Change {
        let (before, after) = [(true, false), (false, true), (true, true)][rng.below(3)];
        Change {
            storage: StorageId([1, 250, 251, 70_000][rng.below(4)]),
            schema_version: 3,
            key: Key::from(&*bytes(rng)),
            before: before.then(|| bytes(rng)),
            after: after.then(|| bytes(rng)),
        }
    }

    fn record(rng: &mut Rng) -> Record {
        let mut changes = || (0..rng.below(9)).map(|_| change(rng)).collect();
        Record {
            commit_time_us: -7,
            principal: "ann".into(),
            base: changes(),
            derived: changes(),
            state: changes(),
        }
    }

    /// All changes, the record given in parts of random lengths.
    fn in_parts(rng: &mut Rng, mut rest: &[u8]) -> Result<(i64, [Vec<Change>; 3]), DecodeError> {
        let mut parts = RecordParts::new();
        let mut found = [Vec::new(), Vec::new(), Vec::new()];
        loop {
            while let Some((section, change)) = parts.next()? {
                found[section as usize].push(change.to_change());
            }
            if rest.is_empty() {
                parts.finish()?;
                return Ok((parts.commit_time_us().unwrap(), found));
            }
            let len = 1 + rng.below(rest.len().min(700));
            parts.push(&rest[..len]);
            rest = &rest[len..];
        }
    }

    #[test]
    fn parts_say_what_the_whole_record_says() {
        for seed in 1..400 {
            let mut rng = Rng(seed);
            let record = record(&mut rng);
            let sections = RecordRef {
                base: (rng.below(4) > 0).then_some(&*record.base),
                derived: (rng.below(4) > 0).then_some(&*record.derived),
                ..RecordRef::from(&record)
            };
            let whole = encode_record(sections).unwrap();
            let expected = RecordView::decode(&whole).unwrap().to_record().unwrap();
            let (time, [base, derived, state]) = in_parts(&mut rng, &whole).unwrap();
            assert_eq!((time, &base), (-7, &expected.base), "seed {seed}");
            assert_eq!(derived, expected.derived, "seed {seed}");
            assert_eq!(state, expected.state, "seed {seed}");
        }
    }

    #[test]
    fn pieces_are_the_bytes_of_the_whole_record() {
        for seed in 1..200 {
            let mut rng = Rng(seed);
            let record = record(&mut rng);
            let whole = encode_record(RecordRef::from(&record)).unwrap();
            let mut pieces = Vec::new();
            put_head(&mut pieces, -7, "ann", &Section::ALL).unwrap();
            for changes in [&record.base, &record.derived, &record.state] {
                let mut totals = SectionTotals::default();
                for change in changes {
                    totals.add(change.into()).unwrap();
                }
                put_section(&mut pieces, totals);
                for change in changes {
                    put_change(&mut pieces, change.into());
                }
            }
            assert!(pieces == *whole, "seed {seed}");
        }
    }

    #[test]
    fn damage_is_what_the_whole_decoder_says_it_is() {
        let mut rng = Rng(77);
        let record = record(&mut rng);
        let whole = encode_record(RecordRef::from(&record)).unwrap();
        for at in 0..whole.len() {
            let cut = in_parts(&mut rng, &whole[..at]);
            assert!(cut.is_err(), "cut to {at}");
        }
        for at in 0..whole.len().min(2_000) {
            let mut damaged = whole.to_vec();
            damaged[at] ^= 1 << rng.below(8);
            let slow = RecordView::decode(&damaged).and_then(|view| view.to_record());
            let fast = in_parts(&mut rng, &damaged);
            assert_eq!(fast.is_err(), slow.is_err(), "byte {at}");
        }
    }
}
