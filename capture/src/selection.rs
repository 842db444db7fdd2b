//! `Selection`: which rows a subscriber wants, by storage, by key bytes and by an injected predicate.
//!
//! Key bytes route a commit to its subscribers without asking each; a predicate is asked on the subscriber's own
//! thread. Nothing here decodes a row: whoever gives the predicate does. Next door: `router`, `frame`.

use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

use tailwater_proto::{Key, KeyRange, StorageId};

use crate::error::{Error, Result};

/// Decides about one image of one row: a subscriber's WHERE, or the policy of its principal.
///
/// # Contract
/// Deterministic: the same bytes give the same answer for as long as the fingerprint is the same.
pub trait RowPredicate: Send + Sync {
    /// Whether the subscriber may see this image.
    fn matches(&self, storage: StorageId, key: &[u8], row: &[u8]) -> bool;

    /// A number that differs where the answers differ; part of resume tokens, so it must outlive the process.
    fn fingerprint(&self) -> u64;
}

/// Which keys of one selected storage; the other selected storages stay whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// Every key.
    All,
    /// One key.
    KeyEquals(StorageId, Key),
    /// An interval; those of [`KeyRange::prefix`] are routed as cheaply as equal keys.
    KeyRange(StorageId, KeyRange),
}

/// What a subscriber wants.
#[derive(Clone)]
pub struct Selection {
    /// Tables and views, at least one.
    pub storages: Vec<StorageId>,
    /// Narrows one of them by its key.
    pub filter: Filter,
    /// Narrows all of them by their rows, before and after: a row that begins to match is inserted, one that ceases
    /// to match deleted, and an image that does not match is never shown.
    pub predicate: Option<Arc<dyn RowPredicate>>,
}

impl fmt::Debug for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Selection")
            .field("storages", &self.storages)
            .field("filter", &self.filter)
            .field(
                "predicate",
                &self.predicate.as_ref().map(|p| p.fingerprint()),
            )
            .finish()
    }
}

impl Selection {
    /// Every row of one table or view.
    #[must_use]
    pub fn whole(storage: StorageId) -> Self {
        Self {
            storages: vec![storage],
            filter: Filter::All,
            predicate: None,
        }
    }

    /// One row.
    #[must_use]
    pub fn key(storage: StorageId, key: Key) -> Self {
        Self {
            storages: vec![storage],
            filter: Filter::KeyEquals(storage, key),
            predicate: None,
        }
    }

    /// The rows whose keys lie in an interval.
    #[must_use]
    pub fn range(storage: StorageId, range: KeyRange) -> Self {
        Self {
            storages: vec![storage],
            filter: Filter::KeyRange(storage, range),
            predicate: None,
        }
    }

    /// The same, narrowed by a predicate.
    #[must_use]
    pub fn with_predicate(mut self, predicate: Arc<dyn RowPredicate>) -> Self {
        self.predicate = Some(predicate);
        self
    }

    /// Sorted, without repetitions, and possible.
    pub(crate) fn checked(mut self) -> Result<Self> {
        self.storages.sort_unstable();
        self.storages.dedup();
        if self.storages.is_empty() {
            return Err(Error::EmptySelection);
        }
        match &self.filter {
            Filter::KeyEquals(storage, _) | Filter::KeyRange(storage, _)
                if self.storages.binary_search(storage).is_err() =>
            {
                Err(Error::FilterOutside { storage: *storage })
            }
            Filter::All | Filter::KeyEquals(..) | Filter::KeyRange(..) => Ok(self),
        }
    }

    /// Whether rows of this storage can be selected at all. The selection must be `checked`.
    pub(crate) fn has_storage(&self, storage: StorageId) -> bool {
        match self.storages.as_slice() {
            [only] => *only == storage,
            many => many.binary_search(&storage).is_ok(),
        }
    }

    /// Whether this key is selected, its storage being so.
    pub(crate) fn has_key(&self, storage: StorageId, key: &[u8]) -> bool {
        match &self.filter {
            Filter::KeyEquals(filtered, wanted) if *filtered == storage => &**wanted == key,
            Filter::KeyRange(filtered, range) if *filtered == storage => range.contains(key),
            Filter::All | Filter::KeyEquals(..) | Filter::KeyRange(..) => true,
        }
    }

    /// Whether this image, its key being selected, may be shown.
    pub(crate) fn shows(&self, storage: StorageId, key: &[u8], row: &[u8]) -> bool {
        self.predicate
            .as_ref()
            .is_none_or(|predicate| predicate.matches(storage, key, row))
    }

    /// A number that differs where the selection differs: FNV-1a 64 of the bytes PROTOCOL.md lists. Part of resume
    /// tokens; never changes for the same selection.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let mut storages = self.storages.clone();
        storages.sort_unstable();
        storages.dedup();
        let mut hash = Fnv::new();
        hash.number(storages.len() as u64);
        for storage in storages {
            hash.number(storage.0.into());
        }
        match &self.filter {
            Filter::All => hash.number(0),
            Filter::KeyEquals(storage, key) => {
                hash.number(1);
                hash.number(storage.0.into());
                hash.text(key);
            }
            Filter::KeyRange(storage, range) => {
                hash.number(2);
                hash.number(storage.0.into());
                for bound in [&range.lo, &range.hi] {
                    match bound {
                        Bound::Unbounded => hash.number(0),
                        Bound::Included(key) => {
                            hash.number(1);
                            hash.text(key);
                        }
                        Bound::Excluded(key) => {
                            hash.number(2);
                            hash.text(key);
                        }
                    }
                }
            }
        }
        match &self.predicate {
            None => hash.number(0),
            Some(predicate) => {
                hash.number(1);
                hash.number(predicate.fingerprint());
            }
        }
        hash.0
    }
}

/// FNV-1a, 64 bits. Persisted in tokens, never changes.
struct Fnv(u64);

impl Fnv {
    const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    fn number(&mut self, number: u64) {
        self.bytes(&number.to_be_bytes());
    }

    fn text(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.bytes(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_lasting_and_differ_where_selections_differ() {
        let key = Key::from(&[1, 2][..]);
        let range = KeyRange {
            lo: Bound::Included(key.clone()),
            hi: Bound::Unbounded,
        };
        let open = KeyRange {
            lo: Bound::Excluded(key.clone()),
            hi: Bound::Unbounded,
        };
        let prints = [
            Selection::whole(StorageId(1)).fingerprint(),
            Selection::whole(StorageId(2)).fingerprint(),
            Selection::key(StorageId(1), key).fingerprint(),
            Selection::range(StorageId(1), range).fingerprint(),
            Selection::range(StorageId(1), open).fingerprint(),
        ];
        for (i, a) in prints.iter().enumerate() {
            for b in &prints[i + 1..] {
                assert_ne!(a, b);
            }
        }
        // Persisted in tokens: this number stands in PROTOCOL.md.
        assert_eq!(prints[0], 0x428a_62ed_df69_e945, "{:#018x}", prints[0]);
    }

    #[test]
    fn order_and_repetition_of_storages_make_no_difference() {
        let of = |ids: &[u32]| Selection {
            storages: ids.iter().copied().map(StorageId).collect(),
            filter: Filter::All,
            predicate: None,
        };
        assert_eq!(of(&[3, 1, 3]).fingerprint(), of(&[1, 3]).fingerprint());
    }

    #[test]
    fn impossible_selections_are_refused() {
        let none = Selection {
            storages: vec![],
            filter: Filter::All,
            predicate: None,
        };
        assert!(matches!(none.checked(), Err(Error::EmptySelection)));
        let outside = Selection {
            storages: vec![StorageId(1)],
            filter: Filter::KeyEquals(StorageId(2), Key::new()),
            predicate: None,
        };
        assert!(matches!(
            outside.checked(),
            Err(Error::FilterOutside {
                storage: StorageId(2)
            })
        ));
    }
}
