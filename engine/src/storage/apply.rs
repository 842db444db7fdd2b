//! `Apply`: one commit on its way into memory, storage by storage.
//!
//! Its rows can be read one by one as they arrive, its LSN not before it is finished. Whoever applies holds the gate;
//! nothing here can fail. Next door: `memtable`, which takes the rows.

use std::sync::Arc;

use tailwater_proto::{Key, Lsn, StorageId};
use tailwater_wal::sync::MutexGuard;

use super::generation::Root;
use super::live::Live;
use super::memtable::{Cell, put};

/// Rows merged under one latch, so that readers of the same storage get their turn.
const LATCH_ROWS: usize = 512;

/// A commit that is being merged into memory.
pub(crate) struct Apply<'s> {
    lsn: Lsn,
    live: &'s Live,
    floor: Lsn,
    bytes: isize,
    /// What it holds cannot be replaced meanwhile.
    gate: MutexGuard<'s, Arc<Root>>,
}

impl<'s> Apply<'s> {
    pub(super) fn new(lsn: Lsn, live: &'s Live, gate: MutexGuard<'s, Arc<Root>>) -> Self {
        Self {
            lsn,
            live,
            floor: live.floor(),
            bytes: 0,
            gate,
        }
    }

    /// Merges rows of one storage. The iterator runs under a latch and must not read the store.
    pub(crate) fn rows(&mut self, id: StorageId, rows: impl Iterator<Item = (Key, Cell)>) {
        let mut rows = rows.peekable();
        if rows.peek().is_none() {
            return;
        }
        let (lsn, floor, live, bytes) = (self.lsn, self.floor, self.live, &mut self.bytes);
        self.gate.active.with_for_write(id, lsn, |table| {
            while rows.peek().is_some() {
                let mut latched = table.write(lsn);
                for (key, cell) in rows.by_ref().take(LATCH_ROWS) {
                    *bytes += put(&mut latched, key, lsn, cell, floor, live);
                }
            }
        });
    }

    /// The commit is whole.
    pub(crate) fn finish(self) {
        self.gate.active.note(self.lsn, self.bytes);
        self.live.advance_tip(self.lsn);
    }
}
