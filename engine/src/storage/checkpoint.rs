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
use tailwater_wal::mutant;
use tailwater_wal::sync::{is_weakened, too_early};

use super::base::{
    FORMAT, META_APPLIED, META_FORMAT, definition, encode_row, guarded, meta_definition, table_name,
};
use super::compact::Compaction;
use super::error::{Result, StorageError};
use super::file::{File, Writer, in_file};
use super::generation::{Generation, Root};
use super::history::History;
use super::pace::Pace;
use super::scan::{Layer, MemCursor, Merge};
use super::store::Store;

/// What one step writes at most, about, bytes of rows. Small, so that a step is soon over; large beside what it costs to find
/// the place again.
pub(super) const STEP_BYTES: u64 = 1 << 20;

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

/// How far a step of a checkpoint has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// There is more to write.
    UnderWay,
    /// It is in the file.
    Done(CheckpointReport),
}

impl Store {
    /// Writes generations that lie wholly at or before `durable` (and the visible LSN) to the storage file, with
    /// `meta`, which replaces values of the same names and keeps the others. The generation being written to
    /// is frozen first; where its last commit is not durable yet, it is `pending` and the next call writes it.
    /// Ends another checkpoint under way first; holds nobody else up. Does nothing if there is nothing new.
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
        let under_way = &mut self.checkpointing.lock().checkpoint;
        while under_way.is_some() {
            self.step(under_way)?;
        }
        self.begin(under_way, durable, meta)?;
        loop {
            if let Progress::Done(report) = self.step(under_way)? {
                return Ok(report);
            }
        }
    }

    /// Takes the next step of a checkpoint: a bounded number of rows, or its end. If none is under way it begins one as
    /// [`checkpoint`](Self::checkpoint) does, asking `begin` for what is durable and the `meta`.
    ///
    /// # Errors
    /// As [`checkpoint`](Self::checkpoint); none is under way then.
    pub(crate) fn checkpoint_step<E: From<StorageError>>(
        &self,
        begin: impl FnOnce() -> std::result::Result<(Lsn, Vec<(&'static str, Vec<u8>)>), E>,
    ) -> std::result::Result<Progress, E> {
        let under_way = &mut self.checkpointing.lock().checkpoint;
        if under_way.is_none() {
            let (durable, meta) = begin()?;
            self.begin(under_way, durable, &meta)?;
        }
        Ok(self.step(under_way)?)
    }

    /// Freezes what is to be written and begins the file's transaction; leaves `None` if there is nothing new.
    fn begin(
        &self,
        under_way: &mut Option<Checkpoint>,
        durable: Lsn,
        meta: &[(&str, Vec<u8>)],
    ) -> Result<()> {
        let File::Writer(writer) = &self.file else {
            return Err(StorageError::ReadOnly);
        };
        if let Some((name, _)) = meta
            .iter()
            .find(|(name, _)| [META_APPLIED, META_FORMAT].contains(name))
        {
            return Err(StorageError::ReservedName((*name).to_owned()));
        }
        if self.compactions.is_unsure() {
            return Err(StorageError::NeedsReopen);
        }
        if self.is_broken.load(Ordering::Acquire) {
            self.reopen(writer)?;
        }
        let limit = match mutant::is("checkpoint_ahead_of_log") {
            true => self.live.tip(),
            false => durable.min(self.live.visible()),
        };
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
        let report = CheckpointReport {
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
        let is_new = applied != before || !gone.is_empty() || !meta.iter().all(known);
        let transaction = match is_new {
            true => Some(self.attempt(|| writer.with(|handle| handle.with(Transaction::begin)))?),
            false => None,
        };
        let drain = Drain::new(ready, applied, gone);
        let meta = meta
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()));
        *under_way = Some(Checkpoint {
            transaction,
            drain,
            meta: meta.collect(),
            pending,
            report,
        });
        Ok(())
    }

    /// Takes a step of the checkpoint under way. After a failure of the file it is opened anew.
    pub(super) fn step(&self, under_way: &mut Option<Checkpoint>) -> Result<Progress> {
        let File::Writer(writer) = &self.file else {
            return Err(StorageError::ReadOnly);
        };
        let (soft, hard) = (
            self.settings.memtable_soft_bytes,
            self.settings.memtable_hard_bytes,
        );
        self.pace.begin(self.unwritten_bytes(), soft, hard);
        let stepped = self.try_step(under_way);
        if self.is_broken.load(Ordering::Acquire) {
            // If it does not work now, the next checkpoint tries again.
            let _ = self.reopen(writer);
        }
        stepped
    }

    fn try_step(&self, under_way: &mut Option<Checkpoint>) -> Result<Progress> {
        let Some(mut checkpoint) = under_way.take() else {
            return Ok(Progress::Done(CheckpointReport::default()));
        };
        let Some(transaction) = &checkpoint.transaction else {
            return Ok(Progress::Done(checkpoint.report));
        };
        let (drain, report) = (&mut checkpoint.drain, &mut checkpoint.report);
        let rows_max = self.settings.checkpoint_step_rows;
        let pace = &self.pace;
        let drained =
            self.attempt(|| transaction.with(|t| drain.step(t, report, rows_max, pace)))?;
        if !drained {
            *under_way = Some(checkpoint);
            return Ok(Progress::UnderWay);
        }
        let Checkpoint {
            transaction,
            drain,
            meta,
            pending,
            report,
        } = checkpoint;
        if let Some(transaction) = transaction {
            self.attempt(|| {
                transaction.with(|t| write_meta(t, drain.applied, &meta))?;
                transaction.commit()
            })?;
        }
        self.publish(&drain, pending)?;
        Ok(Progress::Done(report))
    }

    /// Does something with the file, noting a failure after which it is of no use.
    pub(super) fn attempt<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        work().map_err(|error| {
            if error.breaks_file() {
                self.is_broken.store(true, Ordering::Release);
            }
            let error = match &self.file {
                File::Writer(writer) => writer.explain(error),
                File::Reader(_) => error,
            };
            in_file(error, &self.path)
        })
    }

    /// Reads and writes through a new handle of the file, since the old one is of no use after an error.
    pub(super) fn reopen(&self, writer: &Writer) -> Result<()> {
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
        let applied = base.applied();
        let next = |root: &Root| Root {
            frozen,
            base,
            history,
            ..root.clone()
        };
        if applied > self.live.tip() {
            // A large commit had come as far as the file: nobody begins to read before it any more.
            let mut gate = self.lock_gate();
            let mut before = None;
            self.live.leap(applied, || {
                before = Some(self.replace_root_at(&mut gate, next))
            });
        } else {
            self.replace_root(next);
        }
        self.is_broken.store(false, Ordering::Release);
        Ok(())
    }

    /// Ends the active generation, so that later commits go to a new one; not while an earlier one still
    /// waits for `limit` to reach its end.
    fn freeze(&self, limit: Lsn) {
        let next = |root: &Root| {
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
                ..root.clone()
            }
        };
        if is_weakened("freeze amid a commit") {
            self.show_root(&next(&self.root()));
        } else {
            self.replace_root(next);
        }
    }

    /// Puts what the file now holds in the place of the generations it came from.
    fn publish(&self, drain: &Drain, pending: Vec<Arc<Generation>>) -> Result<()> {
        let Drain {
            ready,
            applied,
            gone,
            ..
        } = drain;
        let base = Arc::new(self.file.base()?);
        assert_eq!(base.applied(), *applied, "the file holds what was written");
        let mut history = History::clone(&self.root().history);
        for generation in ready.iter().rev() {
            history = history.with(generation, self.settings.history_bytes_max);
        }
        for id in gone {
            history.forget_storage(*id);
        }
        let history = Arc::new(history);
        _ = too_early("drop what was frozen before the file shows it", || {
            self.replace_root(|root| Root {
                frozen: pending.clone(),
                ..root.clone()
            });
        });
        self.replace_root(|root| Root {
            frozen: if mutant::is("drop_pending_generation") {
                Vec::new()
            } else {
                pending
            },
            base,
            history,
            ..root.clone()
        });
        self.dropped.lock().retain(|id, _| !gone.contains(id));
        Ok(())
    }
}

/// What is done with the file, a step at a time.
#[derive(Default)]
pub(super) struct UnderWay {
    pub(super) checkpoint: Option<Checkpoint>,
    /// Of use only until the next checkpoint has written something.
    pub(super) compaction: Option<Compaction>,
}

/// A checkpoint under way.
pub(super) struct Checkpoint {
    /// Not there when there is nothing to write.
    transaction: Option<Transaction>,
    drain: Drain,
    meta: Vec<(String, Vec<u8>)>,
    pending: Vec<Arc<Generation>>,
    report: CheckpointReport,
}

/// A redb transaction that will be durable, with all that opening after a crash needs. Dropping one takes it back.
pub(super) struct Transaction(Option<WriteTransaction>);

impl Transaction {
    pub(super) fn begin(database: &Database) -> Result<Self> {
        guarded(|| {
            let mut transaction = database.begin_write()?;
            transaction.set_durability(Durability::Immediate)?;
            transaction.set_quick_repair(true);
            Ok::<_, redb::Error>(Self(Some(transaction)))
        })
    }

    /// Does something in it.
    pub(super) fn with<T>(
        &self,
        work: impl FnOnce(&WriteTransaction) -> std::result::Result<T, redb::Error>,
    ) -> Result<T> {
        match &self.0 {
            Some(transaction) => guarded(|| work(transaction)),
            None => Err(StorageError::NeedsReopen),
        }
    }

    pub(super) fn commit(mut self) -> Result<()> {
        match self.0.take() {
            Some(transaction) => guarded(|| transaction.commit()),
            None => Err(StorageError::NeedsReopen),
        }
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        // On a damaged file redb panics here as well; whoever dropped it has an error to tell already.
        let _ = guarded(|| {
            drop(self.0.take());
            Ok::<_, redb::Error>(())
        });
    }
}

/// Makes the first checkpoint of a new file: nothing, in our format.
pub(super) fn format(database: &Database) -> Result<()> {
    let transaction = Transaction::begin(database)?;
    transaction.with(|transaction| write_meta(transaction, Lsn::ZERO, &[]))?;
    transaction.commit()
}

/// Whole generations on their way to the file.
struct Drain {
    /// Newest first.
    ready: Vec<Arc<Generation>>,
    /// The last commit in them.
    applied: Lsn,
    /// Storages that are no more.
    gone: BTreeSet<StorageId>,
    /// Storages of `gone` whose tables are still there.
    to_drop: Vec<StorageId>,
    /// Storages that are not written yet, the next one last.
    to_write: Vec<StorageId>,
    /// The rows of the one that is half written, with the row to go on with.
    half: Option<(Rows, Row)>,
}

impl Drain {
    fn new(ready: Vec<Arc<Generation>>, applied: Lsn, gone: BTreeSet<StorageId>) -> Self {
        let ids: BTreeSet<StorageId> = ready
            .iter()
            .flat_map(|generation| generation.tables())
            .map(|(id, _)| id)
            .filter(|id| !gone.contains(id))
            .collect();
        Self {
            to_drop: gone.iter().copied().collect(),
            to_write: ids.into_iter().rev().collect(),
            ready,
            applied,
            gone,
            half: None,
        }
    }

    /// Writes some rows; says whether those were the last.
    fn step(
        &mut self,
        transaction: &WriteTransaction,
        report: &mut CheckpointReport,
        rows_max: u64,
        pace: &Pace,
    ) -> std::result::Result<bool, redb::Error> {
        if let Some(id) = self.to_drop.pop() {
            if transaction.delete_table(definition(&table_name(id)))? {
                report.storages_dropped += 1;
            }
            return Ok(false);
        }
        let bytes_max = report.bytes_written + STEP_BYTES;
        let rows_max = report.rows_written + report.rows_deleted + rows_max.max(1);
        let is_enough = |report: &CheckpointReport| {
            pace.breathe();
            report.bytes_written >= bytes_max
                || report.rows_written + report.rows_deleted >= rows_max
        };
        loop {
            if is_enough(report) {
                return Ok(false);
            }
            let half = match self.half.take() {
                Some(half) => half,
                None => {
                    let Some(id) = self.to_write.pop() else {
                        return Ok(true);
                    };
                    let mut rows = self.rows(id);
                    match rows.next()? {
                        Some(row) => (rows, row),
                        None => continue,
                    }
                }
            };
            self.half = write_rows(transaction, half, report, is_enough)?;
        }
    }

    fn rows(&self, id: StorageId) -> Rows {
        let layers = self
            .ready
            .iter()
            .filter_map(|generation| generation.table(id))
            .map(|table| {
                let (lo, hi) = (Bound::Unbounded, Bound::Unbounded);
                Layer::Mem(MemCursor::new(&table, self.applied, lo, hi, false))
            });
        Rows {
            id,
            merge: Merge::new(layers.collect(), false),
            row: Vec::new(),
        }
    }
}

/// Writes rows of one storage, from `row` on, until it is enough; returns what is left.
fn write_rows(
    transaction: &WriteTransaction,
    (mut rows, mut row): (Rows, Row),
    report: &mut CheckpointReport,
    is_enough: impl Fn(&CheckpointReport) -> bool,
) -> std::result::Result<Option<(Rows, Row)>, redb::Error> {
    let name = table_name(rows.id);
    let mut table = transaction.open_table(definition(&name))?;
    let last = table.last()?.map(|(key, _)| Key::from(key.value()));
    // Among the keys the file has: one by one.
    while last.as_ref().is_some_and(|last| row.0 <= *last) {
        if is_enough(report) {
            return Ok(Some((rows, row)));
        }
        match rows.encode(&row, report) {
            Some(value) => drop(table.insert(&*row.0, value)?),
            None if mutant::is("skip_tombstones_in_checkpoint") => {}
            None => drop(table.remove(&*row.0)?),
        }
        let Some(next) = rows.next()? else {
            return Ok(None);
        };
        row = next;
    }
    // Beyond them: appended in runs, several times faster.
    let mut end = table.upper_bound_mut(Bound::<&[u8]>::Unbounded)?;
    loop {
        if is_enough(report) {
            end.close()?;
            return Ok(Some((rows, row)));
        }
        if let Some(value) = rows.encode(&row, report) {
            end.insert_before(&*row.0, value)?;
        }
        let Some(next) = rows.next()? else {
            end.close()?;
            return Ok(None);
        };
        row = next;
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

pub(super) fn write_meta(
    transaction: &WriteTransaction,
    applied: Lsn,
    meta: &[(String, Vec<u8>)],
) -> std::result::Result<(), redb::Error> {
    let mut table = transaction.open_table(meta_definition())?;
    table.insert(META_FORMAT.as_bytes(), &FORMAT.to_le_bytes()[..])?;
    table.insert(META_APPLIED.as_bytes(), &applied.0.to_le_bytes()[..])?;
    for (name, value) in meta {
        table.insert(name.as_bytes(), value.as_slice())?;
    }
    Ok(())
}
