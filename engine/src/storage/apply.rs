//! `Apply`: one commit on its way into memory, storage by storage.
//!
//! Its rows can be read one by one as they arrive, its LSN not before it is finished. Whoever applies holds the gate;
//! nothing here can fail. Next door: `memtable`, which takes the rows.

use std::sync::Arc;

use tailwater_proto::{Key, Lsn, StorageId};
use tailwater_wal::sync::MutexGuard;

use super::generation::Generation;
use super::live::Live;
use super::memtable::{Cell, put};

/// Rows merged under one latch, so that readers of the same storage get their turn.
const LATCH_ROWS: usize = 512;

/// A commit that is being merged into memory.
pub(crate) struct Apply<'s> {
    lsn: Lsn,
    active: Arc<Generation>,
    live: &'s Live,
    floor: Lsn,
    bytes: isize,
    _gate: MutexGuard<'s, ()>,
}

impl<'s> Apply<'s> {
    pub(super) fn new(
        lsn: Lsn,
        active: Arc<Generation>,
        live: &'s Live,
        gate: MutexGuard<'s, ()>,
    ) -> Self {
        Self {
            lsn,
            active,
            live,
            floor: live.floor(),
            bytes: 0,
            _gate: gate,
        }
    }

    /// Merges rows of one storage. The iterator runs under a latch and must not read the store.
    pub(crate) fn rows(&mut self, id: StorageId, rows: impl Iterator<Item = (Key, Cell)>) {
        let mut rows = rows.peekable();
        if rows.peek().is_none() {
            return;
        }
        let table = self.active.table_for_write(id, self.lsn);
        while rows.peek().is_some() {
            let mut latched = table.write(self.lsn);
            for (key, cell) in rows.by_ref().take(LATCH_ROWS) {
                self.bytes += put(&mut latched, key, self.lsn, cell, self.floor, self.live);
            }
        }
    }

    /// The commit is whole.
    pub(crate) fn finish(self) {
        self.active.note(self.lsn, self.bytes);
        self.live.advance_tip(self.lsn);
    }
}
