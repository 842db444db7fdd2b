//! Checkpoints: what memory holds goes to the storage file, in one redb transaction with its LSN.
//!
//! Freeze, write sorted, commit durably, swap the layers; commits, reads and scans go on all the while. Only
//! whole generations are written, once all of theirs is durable and visible: so the file never runs ahead of
//! the log, and versions within a generation may be dropped without a thought for the file. Next door: `base`.

use std::collections::BTreeSet;
use std::io;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use redb::{Database, Durability, ReadableTable, WriteTransaction};
use tailwater_proto::{Key, Lsn, StorageId};

use super::base::{
    FORMAT, META_APPLIED, META_FORMAT, definition, encode_row, guarded, meta_definition, table_name,
};
use super::error::{Result, StorageError};
use super::file::{File, Writer, in_file};
use super::generation::{Generation, Root};
use super::history::History;
use super::scan::{Layer, MemCursor, Merge};
use super::store::Store;

/// What a checkpoint did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) struct CheckpointReport {
    /// The storage file now holds exactly the commits up to here; the log before it may go.
    pub(crate) applied: Lsn,
    /// Memory is frozen up to here and waits for it to be durable and visible: another checkpoint then will
    /// write it. `None`: there was nothing that had to wait.
    pub(crate) pending: Option<Lsn>,
    /// Rows inserted or replaced.
    pub(crate) rows_written: u64,
    /// Rows deleted; keys that were never in the file included.
    pub(crate) rows_deleted: u64,
    /// Bytes of keys and values written.
    pub(crate) bytes_written: u64,
    /// Storages whose rows were freed.
    pub(crate) storages_dropped: u64,
}

impl Store {
    /// Writes generations that lie wholly at or before `durable` (and the visible LSN) to the storage file, with
    /// `meta`, which replaces values of the same names and keeps the others. The generation being written to
    /// is frozen first; where its last commit is not durable yet, it is `pending` and the next call writes it.
    /// Waits for another checkpoint under way; holds nobody else up. Does nothing if there is nothing new.
    ///
    /// # Errors
    /// I/O or damage: the layers stay as they were and nothing is lost. The file is opened anew then, which whoever is
    /// reading from it at that moment meets as `CheckpointMoved`.
    /// `ReservedName` if `meta` uses a name of the storage's own; `ReadOnly` on an attached store.
    pub(crate) fn checkpoint(
        &self,
        durable: Lsn,
        meta: &[(&str, Vec<u8>)],
    ) -> Result<CheckpointReport> {
        let File::Writer(writer) = &self.file else {
            return Err(StorageError::ReadOnly);
        };
        if let Some((name, _)) = meta
            .iter()
            .find(|(name, _)| [META_APPLIED, META_FORMAT].contains(name))
        {
            return Err(StorageError::ReservedName((*name).to_owned()));
        }
        let _one_at_a_time = self.checkpointing.lock();
        if self.is_broken.load(Ordering::Acquire) {
            self.reopen(writer)?;
        }
        let limit = durable.min(self.live.visible());
        self.freeze(limit);
        let root = self.root();
        let (ready, pending): (Vec<_>, Vec<_>) = root
            .frozen
            .iter()
            .cloned()
            .partition(|generation| generation.last() <= limit);
        let before = root.base.applied();
        let applied = ready
            .first()
            .map_or(before, |generation| generation.last().max(before));
        let mut report = CheckpointReport {
            applied,
            pending: pending.first().map(|generation| generation.last()),
            ..CheckpointReport::default()
        };
        let gone: BTreeSet<StorageId> = {
            let dropped = self.dropped.lock();
            let due = dropped.iter().filter(|(_, lsn)| **lsn <= applied);
            due.map(|(id, _)| *id).collect()
        };
        let known = |(name, value): &(&str, Vec<u8>)| root.base.meta(name) == Some(value);
        if applied == before && gone.is_empty() && meta.iter().all(known) {
            return Ok(report);
        }
        let drain = Drain {
            ready: &ready,
            applied,
            gone: &gone,
        };
        let committed = writer.with(|handle| {
            commit(&handle.database, |transaction| {
                drain.write(transaction, &mut report)?;
                write_meta(transaction, applied, meta)
            })
        });
        if let Err(error) = committed {
            if error.breaks_file() {
                self.is_broken.store(true, Ordering::Release);
                // If it does not work now, the next checkpoint tries again.
                let _ = self.reopen(writer);
            }
            return Err(in_file(error, &self.path));
        }
        self.publish(applied, &ready, pending, &gone)?;
        Ok(report)
    }

    /// Reads and writes through a new handle of the file, since the old one is of no use after an error.
    fn reopen(&self, writer: &Writer) -> Result<()> {
        writer.reopen()?;
        let base = Arc::new(self.file.base()?);
        // The failed checkpoint may have come as far as the file.
        let (held, frozen): (Vec<_>, Vec<_>) = {
            let frozen = self.root().frozen.clone();
            let held = |generation: &Arc<Generation>| generation.last() <= base.applied();
            frozen.into_iter().partition(held)
        };
        let mut history = History::clone(&self.root().history);
        for generation in held.iter().rev() {
            history = history.with(generation, self.settings.history_bytes_max);
        }
        let history = Arc::new(history);
        self.replace_root(|root| Root {
            active: Arc::clone(&root.active),
            frozen,
            base,
            history,
        });
        self.is_broken.store(false, Ordering::Release);
        Ok(())
    }

    /// Ends the active generation, so that later commits go to a new one; not while an earlier one still
    /// waits for `limit` to reach its end.
    fn freeze(&self, limit: Lsn) {
        let _gate = self.gate.lock();
        self.replace_root(|root| {
            let waits = root
                .frozen
                .iter()
                .any(|generation| generation.last() > limit);
            if waits || root.active.last() == Lsn::ZERO {
                return root.clone();
            }
            let mut frozen = vec![Arc::clone(&root.active)];
            frozen.extend(root.frozen.iter().cloned());
            Root {
                active: Arc::new(Generation::new(Arc::clone(&self.gauge))),
                frozen,
                base: Arc::clone(&root.base),
                history: Arc::clone(&root.history),
            }
        });
    }

    /// Puts what the file now holds in the place of the generations it came from.
    fn publish(
        &self,
        applied: Lsn,
        ready: &[Arc<Generation>],
        pending: Vec<Arc<Generation>>,
        gone: &BTreeSet<StorageId>,
    ) -> Result<()> {
        let base = Arc::new(self.file.base()?);
        assert_eq!(base.applied(), applied, "the file holds what was written");
        let mut history = History::clone(&self.root().history);
        for generation in ready.iter().rev() {
            history = history.with(generation, self.settings.history_bytes_max);
        }
        for id in gone {
            history.forget_storage(*id);
        }
        let history = Arc::new(history);
        self.replace_root(|root| Root {
            active: Arc::clone(&root.active),
            frozen: pending,
            base,
            history,
        });
        self.dropped.lock().retain(|id, _| !gone.contains(id));
        Ok(())
    }
}

/// Runs one redb transaction, durable, with all that opening after a crash needs.
fn commit(
    database: &Database,
    write: impl FnOnce(&WriteTransaction) -> std::result::Result<(), redb::Error>,
) -> Result<()> {
    guarded(|| {
        let mut transaction = database.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        transaction.set_quick_repair(true);
        write(&transaction)?;
        transaction.commit()?;
        Ok::<_, redb::Error>(())
    })
}

/// Makes the first checkpoint of a new file: nothing, in our format.
pub(super) fn format(database: &Database) -> Result<()> {
    commit(database, |transaction| {
        write_meta(transaction, Lsn::ZERO, &[])
    })
}

/// Whole generations on their way to the file.
struct Drain<'a> {
    /// Newest first.
    ready: &'a [Arc<Generation>],
    /// The last commit in them.
    applied: Lsn,
    gone: &'a BTreeSet<StorageId>,
}

impl Drain<'_> {
    fn write(
        &self,
        transaction: &WriteTransaction,
        report: &mut CheckpointReport,
    ) -> std::result::Result<(), redb::Error> {
        for id in self.gone {
            if transaction.delete_table(definition(&table_name(*id)))? {
                report.storages_dropped += 1;
            }
        }
        let ids: BTreeSet<StorageId> = self
            .ready
            .iter()
            .flat_map(|generation| generation.tables())
            .map(|(id, _)| id)
            .filter(|id| !self.gone.contains(id))
            .collect();
        for id in ids {
            self.write_storage(transaction, id, report)?;
        }
        Ok(())
    }

    fn rows(&self, id: StorageId) -> Rows {
        let layers = self
            .ready
            .iter()
            .filter_map(|generation| generation.table(id))
            .map(|table| {
                let (lo, hi) = (Bound::Unbounded, Bound::Unbounded);
                Layer::Mem(MemCursor::new(table, self.applied, lo, hi, false))
            });
        Rows {
            id,
            merge: Merge::new(layers.collect(), false),
            row: Vec::new(),
        }
    }

    fn write_storage(
        &self,
        transaction: &WriteTransaction,
        id: StorageId,
        report: &mut CheckpointReport,
    ) -> std::result::Result<(), redb::Error> {
        let mut rows = self.rows(id);
        let Some(mut key) = rows.next()? else {
            return Ok(());
        };
        let name = table_name(id);
        let mut table = transaction.open_table(definition(&name))?;
        let last = table.last()?.map(|(key, _)| Key::from(key.value()));
        // Among the keys the file has: one by one.
        while last.as_ref().is_some_and(|last| key.0 <= *last) {
            match rows.encode(&key, report) {
                Some(row) => drop(table.insert(&*key.0, row)?),
                None => drop(table.remove(&*key.0)?),
            }
            let Some(next) = rows.next()? else {
                return Ok(());
            };
            key = next;
        }
        // Beyond them: appended in runs, several times faster.
        let mut end = table.upper_bound_mut(Bound::<&[u8]>::Unbounded)?;
        loop {
            if let Some(row) = rows.encode(&key, report) {
                end.insert_before(&*key.0, row)?;
            }
            let Some(next) = rows.next()? else {
                break;
            };
            key = next;
        }
        end.close()?;
        Ok(())
    }
}

/// A key with its new value or `None` for "deleted".
type Row = (Key, Option<Arc<[u8]>>);

/// The rows of one storage to be written, ascending.
struct Rows {
    id: StorageId,
    merge: Merge,
    /// The encoded value, its allocation reused.
    row: Vec<u8>,
}

impl Rows {
    fn next(&mut self) -> std::result::Result<Option<Row>, redb::Error> {
        self.merge
            .next()
            .map_err(|error| io::Error::other(error).into())
    }

    /// The row as it stands in the file, or `None` if it is to be deleted; counted in `report`.
    fn encode(&mut self, (key, cell): &Row, report: &mut CheckpointReport) -> Option<&[u8]> {
        let Some(value) = cell else {
            report.rows_deleted += 1;
            return None;
        };
        encode_row(self.id, key, value, &mut self.row);
        report.rows_written += 1;
        report.bytes_written += (key.len() + self.row.len()) as u64;
        Some(&self.row)
    }
}

fn write_meta(
    transaction: &WriteTransaction,
    applied: Lsn,
    meta: &[(&str, Vec<u8>)],
) -> std::result::Result<(), redb::Error> {
    let mut table = transaction.open_table(meta_definition())?;
    table.insert(META_FORMAT.as_bytes(), &FORMAT.to_le_bytes()[..])?;
    table.insert(META_APPLIED.as_bytes(), &applied.0.to_le_bytes()[..])?;
    for (name, value) in meta {
        table.insert(name.as_bytes(), value.as_slice())?;
    }
    Ok(())
}
