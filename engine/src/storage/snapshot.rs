//! `Snapshot`: the whole store as of one LSN.
//!
//! It owns the layers it reads, so checkpoints pass it by, and it is registered as live, so the versions it
//! sees stay. It never sees a commit after its LSN and never waits. Next door: `scan`, for ranges.

use std::fmt;
use std::sync::Arc;

use tailwater_proto::{Direction, Key, KeyRange, Lsn, StorageId};

use super::base::{Base, BaseCursor};
use super::error::Result;
use super::generation::Root;
use super::live::Live;
use super::scan::{Layer, MemCursor, Merge, Scan, is_reverse};

/// All rows as of one LSN. Cloning is cheap; the last clone dropped releases the LSN.
#[derive(Clone)]
pub(crate) struct Snapshot(Arc<Reading>);

struct Reading {
    lsn: Lsn,
    root: Arc<Root>,
    live: Arc<Live>,
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.live.release(self.lsn);
    }
}

impl Snapshot {
    /// Takes over a registration of `lsn` in `live`.
    pub(super) fn new(lsn: Lsn, root: Arc<Root>, live: Arc<Live>) -> Self {
        Self(Arc::new(Reading { lsn, root, live }))
    }

    /// The LSN it reads at: every commit up to it, none after.
    #[must_use]
    pub(crate) fn lsn(&self) -> Lsn {
        self.0.lsn
    }

    /// The storage file as it reads it.
    pub(super) fn base(&self) -> &Base {
        &self.0.root.base
    }

    /// The value under `key`, or `None`.
    ///
    /// # Errors
    /// Damage or I/O in the storage file.
    pub(crate) fn get(&self, id: StorageId, key: &Key) -> Result<Option<Arc<[u8]>>> {
        let Reading { lsn, root, .. } = &*self.0;
        for generation in root.generations() {
            if let Some(Some(cell)) = generation.with(id, |table| table.get(key, *lsn)) {
                return Ok(cell);
            }
        }
        root.base.get(id, key)
    }

    /// Reads the rows of `range` in order. Nothing is read before the first row is asked for.
    #[must_use]
    pub(crate) fn scan(&self, id: StorageId, range: KeyRange, direction: Direction) -> Scan {
        let Reading { lsn, root, .. } = &*self.0;
        let reverse = is_reverse(direction);
        let mut layers = Vec::new();
        if !range.is_empty() {
            let KeyRange { lo, hi } = range;
            layers.extend(
                root.generations()
                    .filter_map(|generation| generation.table(id))
                    .filter(|table| table.first() <= *lsn)
                    .map(|table| {
                        let (lo, hi) = (lo.clone(), hi.clone());
                        Layer::Mem(MemCursor::new(table, *lsn, lo, hi, reverse))
                    }),
            );
            let base = Arc::clone(&root.base);
            layers.push(Layer::Base(BaseCursor::new(base, id, lo, hi, reverse)));
        }
        Scan::new(Merge::new(layers, reverse), self.clone())
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("lsn", &self.0.lsn)
            .finish_non_exhaustive()
    }
}
