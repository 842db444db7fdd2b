//! `Direct`: a commit too large for memory on its way into the storage file, in one transaction with its LSN.
//!
//! Everything before it is in the file already and nothing in memory, so the file is never ahead of a commit or without one.
//! Until it is committed a crash, or dropping it, leaves nothing of it. Readers go on; checkpoints wait. It is the caller who
//! makes the log durable first. Next door: `checkpoint`, which writes what fits into memory.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use redb::{ReadableTable, WriteTransaction};
use tailwater_proto::{Key, Lsn, StorageId};
use tailwater_wal::sync::MutexGuard;

use super::base::{definition, encode_row, table_name};
use super::checkpoint::{Transaction, UnderWay, write_meta};
use super::error::{Result, StorageError};
use super::file::File;
use super::history::History;
use super::memtable::Cell;
use super::store::{Store, checkpoint_need};

/// Bytes and rows that are kept before they are written.
const BATCH_BYTES: usize = 1 << 20;
const BATCH_ROWS: usize = 8 << 10;

/// A large commit that is being written.
pub(crate) struct Direct<'s> {
    store: &'s Store,
    lsn: Lsn,
    /// There until it is committed.
    transaction: Option<Transaction>,
    /// Rows of one storage that are not written yet.
    batch: Vec<(Key, Cell)>,
    batch_of: StorageId,
    batch_bytes: usize,
    storages: BTreeSet<StorageId>,
    /// No checkpoint begins meanwhile.
    _alone: MutexGuard<'s, UnderWay>,
}

impl Store {
    /// Begins to write commit `lsn` into the file. The caller has made a checkpoint of all commits before it.
    ///
    /// # Errors
    /// I/O or damage; `ReadOnly` on an attached store.
    ///
    /// # Panics
    /// If `lsn` is not after the last commit applied, or commits before it are not in the file.
    pub(crate) fn begin_direct(&self, lsn: Lsn) -> Result<Direct<'_>> {
        let File::Writer(writer) = &self.file else {
            return Err(StorageError::ReadOnly);
        };
        let mut alone = self.checkpointing.lock();
        while alone.checkpoint.is_some() {
            self.step(&mut alone.checkpoint)?;
        }
        if self.compactions.is_unsure() {
            return Err(StorageError::NeedsReopen);
        }
        let (root, tip) = (self.root(), self.tip_lsn());
        let is_drained = root.frozen.is_empty() && root.active.last() == Lsn::ZERO;
        assert!(lsn > tip, "commit {lsn} applied after {tip}");
        assert!(is_drained, "all commits before {lsn} are in the file");
        if self.is_broken.load(Ordering::Acquire) {
            self.reopen(writer)?;
        }
        let transaction = self.attempt(|| writer.with(|handle| handle.with(Transaction::begin)))?;
        Ok(Direct {
            store: self,
            lsn,
            transaction: Some(transaction),
            batch: Vec::new(),
            batch_of: StorageId(0),
            batch_bytes: 0,
            storages: BTreeSet::new(),
            _alone: alone,
        })
    }

    /// How many bytes a commit of so many rows and bytes may need on the disk, at most, about.
    #[must_use]
    pub(crate) fn direct_bytes(&self, rows: u64, bytes: u64) -> u64 {
        checkpoint_need(rows, bytes, self.file.len_to_grow())
    }
}

impl Direct<'_> {
    /// Writes a row, or deletes it. Cheapest storage by storage, with ascending keys.
    ///
    /// # Errors
    /// I/O or damage: to be dropped then.
    pub(crate) fn put(&mut self, id: StorageId, key: Key, cell: Cell) -> Result<()> {
        let is_full = self.batch_bytes >= BATCH_BYTES || self.batch.len() >= BATCH_ROWS;
        if is_full || (id != self.batch_of && !self.batch.is_empty()) {
            self.write_batch()?;
        }
        self.batch_of = id;
        self.batch_bytes += key.len() + cell.as_ref().map_or(0, |value| value.len());
        self.batch.push((key, cell));
        Ok(())
    }

    fn write_batch(&mut self) -> Result<()> {
        let id = self.batch_of;
        let batch = std::mem::take(&mut self.batch);
        self.batch_bytes = 0;
        self.storages.insert(id);
        let transaction = self.transaction.as_ref().ok_or(StorageError::NeedsReopen)?;
        self.store
            .attempt(|| transaction.with(|t| write_rows(t, id, batch)))
    }

    /// Makes the commit durable in the file, with `meta`, and shows it: rows, conflicts, LSN at one moment. `before` is
    /// called just before that.
    ///
    /// # Errors
    /// I/O: whether it is in the file is known only after the database was opened again.
    pub(crate) fn commit(mut self, meta: &[(&str, Vec<u8>)], before: impl FnOnce()) -> Result<()> {
        if !self.batch.is_empty() {
            self.write_batch()?;
        }
        let transaction = self.transaction.take().ok_or(StorageError::NeedsReopen)?;
        let meta: Vec<(String, Vec<u8>)> = meta
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect();
        self.store.attempt(|| {
            transaction.with(|t| write_meta(t, self.lsn, &meta))?;
            transaction.commit()
        })?;
        self.store.show_direct(self.lsn, &self.storages, before)
    }
}

impl Drop for Direct<'_> {
    /// After a failure the file is opened anew, once nothing holds the old handle.
    fn drop(&mut self) {
        drop(self.transaction.take());
        if let File::Writer(writer) = &self.store.file
            && self.store.is_broken.load(Ordering::Acquire)
        {
            // If it does not work now, the next checkpoint tries again.
            _ = self.store.reopen(writer);
        }
    }
}

impl Store {
    /// Puts the file as it is now in the place of the layers, with commit `lsn`, which changed `storages`.
    fn show_direct(
        &self,
        lsn: Lsn,
        storages: &BTreeSet<StorageId>,
        before: impl FnOnce(),
    ) -> Result<()> {
        let base = Arc::new(self.file.base()?);
        assert_eq!(base.applied(), lsn, "the file holds what was written");
        let mut history = History::clone(&self.root().history);
        history.forget_until(lsn, storages);
        let history = Arc::new(history);
        let mut gate = self.lock_gate();
        before();
        self.live.leap(lsn, || {
            // Next to nothing is freed with it: there are no rows in memory.
            self.replace_root_at(&mut gate, |_| self.drained(base, history));
        });
        Ok(())
    }
}

/// Writes ascending rows of one storage.
fn write_rows(
    transaction: &WriteTransaction,
    id: StorageId,
    batch: Vec<(Key, Cell)>,
) -> std::result::Result<(), redb::Error> {
    let name = table_name(id);
    let mut table = transaction.open_table(definition(&name))?;
    let last = table.last()?.map(|(key, _)| Key::from(key.value()));
    let is_known = |key: &Key| last.as_ref().is_some_and(|last| key <= last);
    let is_sorted = batch.is_sorted_by(|(a, _), (b, _)| a < b);
    let mut row = Vec::new();
    let mut rows = batch.into_iter().peekable();
    // Among the keys the file has: one by one.
    while let Some((key, cell)) = rows.next_if(|(key, _)| !is_sorted || is_known(key)) {
        match cell {
            Some(value) => {
                encode_row(id, &key, &value, &mut row);
                table.insert(&*key, &*row)?;
            }
            None => drop(table.remove(&*key)?),
        }
    }
    if rows.peek().is_none() {
        return Ok(());
    }
    // Beyond them: appended in runs, several times faster.
    let mut end = table.upper_bound_mut(Bound::<&[u8]>::Unbounded)?;
    for (key, cell) in rows {
        if let Some(value) = cell {
            encode_row(id, &key, &value, &mut row);
            end.insert_before(&*key, &*row)?;
        }
    }
    end.close()?;
    Ok(())
}
