//! `Key`: a byte string ordered by its bytes, short ones kept inline; `KeyRange`: an interval of them.
//! What the bytes mean is the business of the key codec (`key_codec`); storages compare bytes only.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::ops::{Bound, Deref};

use smallvec::SmallVec;

/// Bytes kept without an allocation.
const INLINE: usize = 24;

/// An order-preserving encoded key: compared as bytes.
///
/// ```
/// use tailwater_proto::{Value, key_of};
///
/// let keys = [-5, 0, 3, 1_000].map(|n| key_of(&[Value::Int(n)]));
/// assert!(keys.is_sorted()); // as bytes in the order of the values
/// assert_eq!(key_of(&[Value::Int(3)]), key_of(&[Value::Double(3.0)]));
/// ```
#[derive(Default, PartialEq, Eq, Hash)]
pub struct Key(SmallVec<[u8; INLINE]>);

impl Key {
    /// The empty key: the only key of a group without group columns.
    ///
    /// ```
    /// assert!(tailwater_proto::Key::new().is_empty());
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self(SmallVec::new())
    }

    /// Appends bytes; encoders write through this.
    ///
    /// ```
    /// use tailwater_proto::Key;
    ///
    /// let mut key = Key::from(&b"ab"[..]);
    /// key.extend(b"cd");
    /// assert_eq!(&*key, b"abcd");
    /// ```
    #[inline]
    pub fn extend(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Appends one byte.
    ///
    /// ```
    /// let mut key = tailwater_proto::Key::new();
    /// key.push(0x2a);
    /// assert_eq!(format!("{key:?}"), "x'2a'");
    /// ```
    #[inline]
    pub fn push(&mut self, byte: u8) {
        self.0.push(byte);
    }

    /// Inverts all bits from byte `start` on: what sorted upwards sorts downwards.
    ///
    /// ```
    /// use tailwater_proto::Key;
    ///
    /// let mut key = Key::from(&[0x01, 0x00, 0xf0][..]);
    /// key.invert_from(1);
    /// assert_eq!(&*key, [0x01, 0xff, 0x0f]);
    /// ```
    #[inline]
    pub fn invert_from(&mut self, start: usize) {
        for byte in self.0.iter_mut().skip(start) {
            *byte = !*byte;
        }
    }

    /// Cuts the key to its first `len` bytes; longer than the key: no change.
    ///
    /// ```
    /// let mut key = tailwater_proto::Key::from(&b"prefix and more"[..]);
    /// key.truncate(6);
    /// assert_eq!(&*key, b"prefix");
    /// ```
    #[inline]
    pub fn truncate(&mut self, len: usize) {
        self.0.truncate(len);
    }

    /// The least key greater than every key that starts with this one,
    /// or `None` if there is no such key (all bytes 0xFF, or empty).
    ///
    /// ```
    /// use tailwater_proto::Key;
    ///
    /// let end = |bytes: &[u8]| Key::from(bytes).prefix_end();
    /// assert_eq!(end(&[1, 2]), Some(Key::from(&[1, 3][..])));
    /// assert_eq!(end(&[1, 0xff]), Some(Key::from(&[2][..])));
    /// assert_eq!(end(&[0xff]), None);
    /// ```
    #[must_use]
    pub fn prefix_end(&self) -> Option<Self> {
        let last = self.0.iter().rposition(|byte| *byte < u8::MAX)?;
        let (last, before) = self.0.get(..=last)?.split_last()?;
        let mut end = Self::from(before);
        end.push(last + 1);
        Some(end)
    }
}

impl Clone for Key {
    /// Copies the bytes at once; what would be derived copies them one by one.
    #[inline]
    fn clone(&self) -> Self {
        Self(SmallVec::from_slice(&self.0))
    }
}

impl Ord for Key {
    /// Byte order. The first eight bytes are compared as one number: they decide nearly always, and searching a map
    /// of keys is mostly comparing.
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        let (own, other) = (self.0.as_slice(), other.0.as_slice());
        if let (Some(first), Some(second)) = (own.first_chunk::<8>(), other.first_chunk::<8>())
            && first != second
        {
            return u64::from_be_bytes(*first).cmp(&u64::from_be_bytes(*second));
        }
        own.cmp(other)
    }
}

impl PartialOrd for Key {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Deref for Key {
    type Target = [u8];
    #[inline]
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl Borrow<[u8]> for Key {
    #[inline]
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Key {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl From<&[u8]> for Key {
    #[inline]
    fn from(bytes: &[u8]) -> Self {
        Self(SmallVec::from_slice(bytes))
    }
}

impl From<Vec<u8>> for Key {
    fn from(bytes: Vec<u8>) -> Self {
        Self(SmallVec::from_vec(bytes))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("x'")?;
        for byte in self.iter() {
            write!(f, "{byte:02x}")?;
        }
        f.write_str("'")
    }
}

/// An interval of keys, in byte order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRange {
    /// Lower end.
    pub lo: Bound<Key>,
    /// Upper end.
    pub hi: Bound<Key>,
}

impl KeyRange {
    /// Every key.
    #[must_use]
    pub const fn all() -> Self {
        Self {
            lo: Bound::Unbounded,
            hi: Bound::Unbounded,
        }
    }

    /// Exactly one key.
    #[must_use]
    pub fn point(key: Key) -> Self {
        Self {
            lo: Bound::Included(key.clone()),
            hi: Bound::Included(key),
        }
    }

    /// Every key that starts with `prefix`.
    #[must_use]
    pub fn prefix(prefix: Key) -> Self {
        let hi = prefix
            .prefix_end()
            .map_or(Bound::Unbounded, Bound::Excluded);
        Self {
            lo: Bound::Included(prefix),
            hi,
        }
    }

    /// Whether `key` lies in the interval.
    #[must_use]
    pub fn contains(&self, key: &[u8]) -> bool {
        let above = match &self.lo {
            Bound::Unbounded => true,
            Bound::Included(lo) => key >= &**lo,
            Bound::Excluded(lo) => key > &**lo,
        };
        above
            && match &self.hi {
                Bound::Unbounded => true,
                Bound::Included(hi) => key <= &**hi,
                Bound::Excluded(hi) => key < &**hi,
            }
    }

    /// Whether no key can lie in the interval.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match (&self.lo, &self.hi) {
            (Bound::Included(lo), Bound::Included(hi)) => lo > hi,
            (
                Bound::Included(lo) | Bound::Excluded(lo),
                Bound::Included(hi) | Bound::Excluded(hi),
            ) => lo >= hi,
            (_, Bound::Excluded(hi)) => hi.is_empty(),
            _ => false,
        }
    }
}

/// The order in which a range is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum Direction {
    /// Ascending bytes.
    Forward,
    /// Descending bytes.
    Reverse,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_compare_and_equal_as_their_bytes() {
        let bytes: Vec<Vec<u8>> = (0..=10)
            .flat_map(|len| [vec![0; len], vec![255; len], vec![7; len]])
            .chain([
                b"abcdefgh".to_vec(),
                b"abcdefghi".to_vec(),
                b"abcdefg\0".to_vec(),
                b"abcdefg".to_vec(),
            ])
            .collect();
        for a in &bytes {
            let mut grown = Key::new();
            a.iter().for_each(|byte| grown.push(*byte));
            let mut inverted = Key::from(a.iter().map(|byte| !byte).collect::<Vec<u8>>());
            inverted.invert_from(0);
            let mut cut = Key::from([a, &b"more than there was"[..]].concat());
            cut.truncate(a.len());
            for key in [grown, inverted, cut] {
                for b in &bytes {
                    let other = Key::from(b.as_slice());
                    assert_eq!(key.cmp(&other), a.cmp(b), "{a:?} {b:?}");
                    assert_eq!(key == other, a == b, "{a:?} {b:?}");
                }
            }
        }
    }

    #[test]
    fn prefix_range_holds_the_prefix_and_what_starts_with_it() {
        let range = KeyRange::prefix(Key::from(&[1, 255][..]));
        for (key, inside) in [
            (&[1, 255][..], true),
            (&[1, 255, 255], true),
            (&[2], false),
            (&[1, 254], false),
        ] {
            assert_eq!(range.contains(key), inside, "{key:?}");
        }
        assert_eq!(KeyRange::prefix(Key::from(&[255][..])).hi, Bound::Unbounded);
    }
}
