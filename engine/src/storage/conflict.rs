//! Conflict checks: has something changed since a transaction read it?
//!
//! The memtables are the history, and `history` holds what left them. A check answers from memory only, never
//! from the storage file, so it is fit for the sequencer. Next door: `txn`, which keeps the read set.

use tailwater_proto::{Key, KeyRange, Lsn, StorageId};

use super::store::Store;

/// Whether something changed after an LSN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Changed {
    /// It did not.
    No,
    /// It did.
    Yes,
    /// That LSN is older than the history kept; take it for a conflict.
    Unknown,
}

impl Changed {
    /// Whether a transaction that read before must begin again.
    #[must_use]
    pub(crate) fn conflicts(self) -> bool {
        self != Self::No
    }
}

impl Store {
    /// Whether `key` was written (or deleted) by a commit after `lsn`.
    pub(crate) fn changed_after(&self, id: StorageId, key: &Key, lsn: Lsn) -> Changed {
        let root = self.lock_gate();
        let in_memory = root.generations().any(|generation| {
            generation.with(id, |table| {
                table.last() > lsn && table.key_changed_after(key, lsn)
            }) == Some(true)
        });
        let changed = in_memory || root.history.key_changed_after(id, key, lsn);
        answer(changed, root.history.known_after(id), lsn)
    }

    /// Whether any key of `range` was written by a commit after `lsn`: constant time if the storage was not
    /// written since, else as long as what was written since, or, where that is much, as the range in memory.
    pub(crate) fn range_changed_after(&self, id: StorageId, range: &KeyRange, lsn: Lsn) -> Changed {
        let root = self.lock_gate();
        let in_memory = root.generations().any(|generation| {
            generation.with(id, |table| {
                table.last() > lsn && table.range_changed_after(range, lsn)
            }) == Some(true)
        });
        let changed = in_memory || root.history.range_changed_after(id, range, lsn);
        answer(changed, root.history.known_after(id), lsn)
    }

    /// Whether the storage was written by a commit after `lsn`; constant time.
    pub(crate) fn storage_changed_after(&self, id: StorageId, lsn: Lsn) -> Changed {
        let root = self.lock_gate();
        let in_memory = root
            .generations()
            .any(|generation| generation.with(id, |table| table.last() > lsn) == Some(true));
        let changed = in_memory || root.history.storage_changed_after(id, lsn);
        answer(changed, root.history.known_after(id), lsn)
    }
}

fn answer(changed: bool, known_after: Lsn, lsn: Lsn) -> Changed {
    if changed {
        Changed::Yes
    } else if lsn >= known_after {
        Changed::No
    } else {
        Changed::Unknown
    }
}
