//! The storage without a database around it, for who tests it from outside: commits in, snapshots out.
//!
//! It adds nothing of its own: every call is the storage's. Next door: `crate::storage`.

use std::path::Path;
use std::sync::Arc;

use tailwater_proto::{Direction, Key, KeyRange, Lsn, StorageId};
use tailwater_wal::vfs::MemoryVfs;

use crate::error::{Error, Result};
use crate::storage::{Snapshot, Store, StoreSettings};

/// Memtables over a storage file in memory.
pub struct Layers(Store);

/// The state as of one commit.
pub struct Reading(Snapshot);

impl Layers {
    /// An empty storage.
    ///
    /// # Errors
    /// Never, as long as there is memory.
    pub fn in_memory() -> Result<Self> {
        let vfs = Arc::new(MemoryVfs::new());
        let opened = Store::open(vfs, Path::new("data"), StoreSettings::default());
        opened.map(Self).map_err(Error::from)
    }

    /// Merges the next commit; `None` deletes.
    pub fn apply(&self, lsn: u64, writes: Vec<(StorageId, Key, Option<Vec<u8>>)>) {
        let writes = writes
            .into_iter()
            .map(|(id, key, cell)| (id, key, cell.map(Arc::from)));
        self.0.apply(Lsn(lsn), writes);
    }

    /// Makes commits visible.
    pub fn publish(&self, upto: u64) {
        self.0.set_visible(Lsn(upto));
    }

    /// Writes what is durable to the file.
    ///
    /// # Errors
    /// I/O.
    pub fn checkpoint(&self, durable: u64) -> Result<()> {
        self.0
            .checkpoint(Lsn(durable), &[])
            .map(drop)
            .map_err(Error::from)
    }

    /// What everyone sees.
    #[must_use]
    pub fn visible(&self) -> Reading {
        Reading(self.0.snapshot_visible())
    }

    /// What the next commit stands on.
    #[must_use]
    pub fn tip(&self) -> Reading {
        Reading(self.0.snapshot_tip())
    }
}

impl Reading {
    /// The commit.
    #[must_use]
    pub fn lsn(&self) -> u64 {
        self.0.lsn().0
    }

    /// One row.
    ///
    /// # Errors
    /// Damage.
    pub fn get(&self, id: StorageId, key: &Key) -> Result<Option<Vec<u8>>> {
        let found = self.0.get(id, key).map_err(Error::from)?;
        Ok(found.map(|value| value.to_vec()))
    }

    /// The rows of a range.
    ///
    /// # Errors
    /// Damage.
    pub fn scan(
        &self,
        id: StorageId,
        range: KeyRange,
        reverse: bool,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let direction = if reverse {
            Direction::Reverse
        } else {
            Direction::Forward
        };
        let rows = self.0.scan(id, range, direction);
        rows.map(|row| {
            row.map(|(key, value)| (key.to_vec(), value.to_vec()))
                .map_err(Error::from)
        })
        .collect()
    }
}
