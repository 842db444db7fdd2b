//! `History`: when keys changed in generations that are already in the storage file.
//!
//! It keeps keys and LSNs, never values, and so much of it as its bound allows; of what is forgotten it still
//! knows each storage's last change. Next door: `conflict`, which asks it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use tailwater_proto::{Key, KeyRange, Lsn, StorageId};

use super::generation::Generation;

/// The changes of one storage in one generation.
#[derive(Debug)]
struct Changes {
    /// Each key with its last change, ascending by key.
    keys: Box<[(Key, Lsn)]>,
    last: Lsn,
}

/// The changes of one generation.
#[derive(Debug)]
struct Epoch {
    storages: BTreeMap<StorageId, Changes>,
    bytes: usize,
}

/// Changes of checkpointed generations, newest first.
#[derive(Clone, Debug)]
pub(super) struct History {
    epochs: VecDeque<Arc<Epoch>>,
    /// Last change of each storage in epochs that were forgotten.
    forgotten: BTreeMap<StorageId, Lsn>,
    /// Where the store was opened: of what came before nothing is known.
    opened: Lsn,
}

impl History {
    /// Knows nothing of what came before `opened`.
    pub(super) fn new(opened: Lsn) -> Self {
        Self {
            epochs: VecDeque::new(),
            forgotten: BTreeMap::new(),
            opened,
        }
    }

    /// This history with a generation more, and without the oldest beyond `bytes_max`; the newest stays.
    #[must_use]
    pub(super) fn with(&self, generation: &Generation, bytes_max: usize) -> Self {
        let mut next = self.clone();
        next.epochs.push_front(Arc::new(Epoch::of(generation)));
        while next.epochs.len() > 1 && next.bytes() > bytes_max {
            let Some(oldest) = next.epochs.pop_back() else {
                break;
            };
            for (id, changes) in &oldest.storages {
                let last = next.forgotten.entry(*id).or_insert(Lsn::ZERO);
                *last = changes.last.max(*last);
            }
        }
        next
    }

    /// Commit `lsn` changed keys of these storages that are not told: whoever read of them before must take it that it
    /// changed what they read.
    pub(super) fn forget_until(&mut self, lsn: Lsn, storages: &BTreeSet<StorageId>) {
        for id in storages {
            let last = self.forgotten.entry(*id).or_insert(Lsn::ZERO);
            *last = lsn.max(*last);
        }
    }

    /// Drops what is known of a storage that is gone.
    pub(super) fn forget_storage(&mut self, id: StorageId) {
        self.forgotten.remove(&id);
    }

    /// Bytes held, about.
    pub(super) fn bytes(&self) -> usize {
        self.epochs.iter().map(|epoch| epoch.bytes).sum()
    }

    /// Changes of this storage at or before this LSN may be unknown.
    pub(super) fn known_after(&self, id: StorageId) -> Lsn {
        self.forgotten
            .get(&id)
            .map_or(self.opened, |last| self.opened.max(*last))
    }

    /// Whether a known change of `id` after `lsn` satisfies `test`, which sees keys ascending.
    fn any(&self, id: StorageId, lsn: Lsn, test: impl Fn(&[(Key, Lsn)]) -> bool) -> bool {
        self.epochs
            .iter()
            .filter_map(|epoch| epoch.storages.get(&id))
            .any(|changes| changes.last > lsn && test(&changes.keys))
    }

    /// Whether the storage is known to have changed after `lsn`.
    pub(super) fn storage_changed_after(&self, id: StorageId, lsn: Lsn) -> bool {
        self.any(id, lsn, |_| true)
    }

    /// Whether the key is known to have changed after `lsn`.
    pub(super) fn key_changed_after(&self, id: StorageId, key: &Key, lsn: Lsn) -> bool {
        self.any(id, lsn, |keys| {
            keys.binary_search_by(|(other, _)| (**other).cmp(key))
                .ok()
                .and_then(|at| keys.get(at))
                .is_some_and(|(_, last)| *last > lsn)
        })
    }

    /// Whether a key of the range is known to have changed after `lsn`.
    pub(super) fn range_changed_after(&self, id: StorageId, range: &KeyRange, lsn: Lsn) -> bool {
        self.any(id, lsn, |keys| {
            let from = keys.partition_point(|(key, _)| match &range.lo {
                Bound::Unbounded => false,
                Bound::Included(lo) => key < lo,
                Bound::Excluded(lo) => key <= lo,
            });
            keys.iter()
                .skip(from)
                .take_while(|(key, _)| match &range.hi {
                    Bound::Unbounded => true,
                    Bound::Included(hi) => key <= hi,
                    Bound::Excluded(hi) => key < hi,
                })
                .any(|(_, last)| *last > lsn)
        })
    }
}

impl Epoch {
    fn of(generation: &Generation) -> Self {
        let mut bytes = 0;
        let mut storages = BTreeMap::new();
        for (id, table) in generation.tables() {
            let keys = table.key_lasts();
            bytes += keys
                .iter()
                .map(|(key, _)| size_of::<(Key, Lsn)>() + key.len())
                .sum::<usize>();
            storages.insert(
                id,
                Changes {
                    keys,
                    last: table.last(),
                },
            );
        }
        Self { storages, bytes }
    }
}
