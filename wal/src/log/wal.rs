//! `Wal`: the public face of the log.
//!
//! It opens, appends, waits, reads, lets go and closes; the work is done next door. It never decodes a payload
//! and never holds a lock while the disk syncs, except the leader's own. Next door: `writer`, `recover`.

use std::path::Path;
use std::sync::Arc;

use tailwater_proto::Lsn;

use super::background;
use super::format::{Epoch, parse_segment_name};
use super::group::Ticket;
use super::parts::LargeRecord;
use super::pool::{Pool, Purpose};
use super::reader::Reader;
use super::recover::{OnRecord, RecoveryReport, Replay, Whole, recover};
use super::slots::Slot;
use super::writer::{DurableHook, Intent, Log};
use crate::error::{Error, Result};
use crate::settings::Settings;
use crate::vfs::Vfs;

/// Length of a segment that only says where a log begins.
const FIRST_SEGMENT_BYTES: u64 = 64 << 10;

/// A write-ahead log: opaque payloads, numbered 1, 2, 3 …, durable in that order.
///
/// # Contract
/// * One log has its directory for itself; the caller holds a lock on it.
/// * [`append`](Self::append) is called in LSN order, by one thread at a time; everything else from any thread.
/// * After a failed write or sync the log takes nothing more; what was durable can still be read.
///
/// # Example
/// ```
/// use std::{path::Path, sync::Arc};
/// use tailwater_wal::{Lsn, Settings, Wal, vfs::MemoryVfs};
///
/// let vfs = Arc::new(MemoryVfs::new());
/// let hook = Box::new(|_| ());
/// let wal = Wal::create(vfs.clone(), Path::new("/db"), [7; 16], Settings::default(), hook)?;
/// wal.append(Lsn(1), b"hello".as_slice().into())?;
/// wal.ticket(Lsn(1)).wait()?;
/// wal.close()?;
///
/// let mut seen = Vec::new();
/// let (wal, report) = Wal::recover(
///     vfs,
///     Path::new("/db"),
///     Settings::default(),
///     [7; 16],
///     Lsn::ZERO,
///     &mut |lsn, payload| {
///         seen.push((lsn, payload.to_vec()));
///         Ok(())
///     },
///     Box::new(|_| ()),
/// )?;
/// assert_eq!(seen, [(Lsn(1), b"hello".to_vec())]);
/// assert_eq!((report.last_lsn, report.tail_cut), (Lsn(1), None));
/// # drop(wal);
/// # Ok::<(), tailwater_wal::Error>(())
/// ```
#[derive(Debug)]
pub struct Wal {
    pub(super) log: Arc<Log>,
}

impl Wal {
    /// Begins a log in `dir`, which is made if it is missing. `on_durable` is told what is acknowledged.
    ///
    /// # Errors
    /// [`Error::Exists`] when the directory holds a log.
    pub fn create(
        vfs: Arc<dyn Vfs>,
        dir: &Path,
        database_id: [u8; 16],
        settings: Settings,
        on_durable: DurableHook,
    ) -> Result<Arc<Self>> {
        vfs.create_dir_all(dir)
            .map_err(|e| Error::io("make", dir, e))?;
        let names = vfs.list(dir).map_err(|e| Error::io("list", dir, e))?;
        if names.iter().any(|name| parse_segment_name(name).is_some()) {
            return Err(Error::Exists {
                dir: dir.to_owned(),
            });
        }
        let none = &mut |_: Lsn, _: &[u8]| Ok(());
        let opened = Self::recover(vfs, dir, settings, database_id, Lsn::ZERO, none, on_durable)?;
        Ok(opened.0)
    }

    /// Lays the beginning of a log into the empty directory `dir`, for a storage that holds everything up to `after`
    /// already: one segment, durable when this returns. [`recover`](Self::recover) goes on from there.
    ///
    /// # Errors
    /// [`Error::Exists`] when the directory holds a log.
    pub fn begin_at(
        vfs: Arc<dyn Vfs>,
        dir: &Path,
        database_id: [u8; 16],
        after: Lsn,
        history: Vec<Epoch>,
    ) -> Result<()> {
        vfs.create_dir_all(dir)
            .map_err(|e| Error::io("make", dir, e))?;
        let names = vfs.list(dir).map_err(|e| Error::io("list", dir, e))?;
        if names.iter().any(|name| parse_segment_name(name).is_some()) {
            return Err(Error::Exists {
                dir: dir.to_owned(),
            });
        }
        let settings = Settings {
            segment_bytes: FIRST_SEGMENT_BYTES,
            ..Settings::default()
        };
        let pool = Pool::new(vfs, dir, database_id, settings, 1, history);
        pool.take(after).map(drop)
    }

    /// Opens the log in `dir`, after a crash or a clean close, and delivers every record after `applied`, in
    /// order, before it returns. An empty directory is a new log.
    ///
    /// # Errors
    /// [`Error::Damaged`] when confirmed records cannot be read, [`Error::Lost`] and [`Error::Gap`] when records
    /// are missing, [`Error::Foreign`] for another database's files, [`Error::Replay`] when `on_record` refuses
    /// one. Records delivered before an error are to be dropped.
    pub fn recover(
        vfs: Arc<dyn Vfs>,
        dir: &Path,
        settings: Settings,
        database_id: [u8; 16],
        applied: Lsn,
        on_record: OnRecord<'_>,
        on_durable: DurableHook,
    ) -> Result<(Arc<Self>, RecoveryReport)> {
        let mut whole = Whole {
            on_record,
            bytes: Vec::new(),
        };
        Self::recover_in_parts(
            vfs,
            dir,
            settings,
            database_id,
            applied,
            &mut whole,
            on_durable,
        )
    }

    /// As [`recover`](Self::recover), without putting records together that are in parts.
    ///
    /// # Errors
    /// As those of [`recover`](Self::recover).
    pub fn recover_in_parts(
        vfs: Arc<dyn Vfs>,
        dir: &Path,
        settings: Settings,
        database_id: [u8; 16],
        applied: Lsn,
        replay: &mut dyn Replay,
        on_durable: DurableHook,
    ) -> Result<(Arc<Self>, RecoveryReport)> {
        vfs.create_dir_all(dir)
            .map_err(|e| Error::io("make", dir, e))?;
        let (log, report) = recover(vfs, dir, settings, database_id, applied, replay, on_durable)?;
        let log = Arc::new(log);
        background::start(&log)?;
        Ok((Arc::new(Self { log }), report))
    }

    /// Puts a record into the group that fills. It is buffered only; see [`ticket`](Self::ticket).
    ///
    /// When more than [`Settings::group_bytes_max`] waits, it writes that out first. A payload longer than
    /// [`Settings::chunk_bytes`] goes in parts, which are written out as they become many.
    ///
    /// # Errors
    /// [`Error::Poisoned`], [`Error::Closed`], [`Error::TooLarge`]; the record is not in the log then.
    ///
    /// # Panics
    /// When `lsn` is not the one after the last.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "the payload is shared with the feed"
    )]
    pub fn append(&self, lsn: Lsn, payload: Arc<[u8]>) -> Result<()> {
        self.log.append(lsn, &payload)
    }

    /// Begins a record that is produced bit by bit. Nothing else is appended before it is committed or dropped.
    ///
    /// # Errors
    /// [`Error::Poisoned`], [`Error::Closed`].
    ///
    /// # Panics
    /// When `lsn` is not the one after the last, or another such record is under way.
    pub fn begin_large(&self, lsn: Lsn) -> Result<LargeRecord> {
        LargeRecord::begin(Arc::clone(&self.log), lsn)
    }

    /// What to wait for until the record is acknowledged.
    ///
    /// # Panics
    /// When the record has not been appended.
    pub fn ticket(&self, lsn: Lsn) -> Ticket {
        self.log.ticket(lsn)
    }

    /// Blocks until the record is acknowledged, as the [`Ticket`] of it would: for who waits at once.
    ///
    /// # Errors
    /// [`Error::CommitOutcomeUnknown`] when writing or syncing failed.
    ///
    /// # Panics
    /// When the record has not been appended.
    pub fn wait(&self, lsn: Lsn) -> Result<()> {
        self.log.wait(lsn)
    }

    /// The last record written to the file, synced or not.
    #[must_use]
    pub fn written_lsn(&self) -> Lsn {
        self.log.written_lsn()
    }

    /// The last record that is written and synced.
    #[must_use]
    pub fn durable_lsn(&self) -> Lsn {
        self.log.durable_lsn()
    }

    /// The last record a [`Reader`] gives: durable in sync mode `commit`, else written.
    #[must_use]
    pub fn readable_lsn(&self) -> Lsn {
        self.log.readable_lsn()
    }

    /// The present epoch.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.log
            .pool
            .history()
            .last()
            .map_or(1, |epoch| epoch.number)
    }

    /// All epochs and their first records, oldest first.
    #[must_use]
    pub fn epoch_history(&self) -> Vec<Epoch> {
        self.log.pool.history()
    }

    /// Begins the next epoch behind all that is appended, and returns its number. Durable when it returns.
    ///
    /// # Errors
    /// When writing fails; the log takes nothing more then.
    ///
    /// # Panics
    /// While a record in parts is under way.
    pub fn begin_epoch(&self) -> Result<u32> {
        self.log.begin_epoch()
    }

    /// The oldest record that can be read; the next one to come when none is left.
    #[must_use]
    pub fn first_retained_lsn(&self) -> Lsn {
        self.log.first_retained_lsn()
    }

    /// Reads the records after `from_after`, also those that are still to come.
    ///
    /// # Errors
    /// [`Error::Released`] when the next record is out of retention.
    pub fn reader(&self, from_after: Lsn) -> Result<Reader> {
        Reader::new(Arc::clone(&self.log), from_after)
    }

    /// Tells how many bytes the storage has for which this log is kept: of a small one less is retained for the feed, from
    /// the next [`release`](Self::release) on. As long as nobody tells, it counts as large.
    pub fn note_size(&self, bytes: u64) {
        self.log
            .database_bytes
            .store(bytes, std::sync::atomic::Ordering::Relaxed);
    }

    /// Says that the storage holds everything up to `applied`, durably: segments before it that are out of
    /// retention are reused or removed.
    ///
    /// # Errors
    /// When the file system refuses; what was released stays released.
    pub fn release(&self, applied: Lsn) -> Result<()> {
        self.log.release(applied)
    }

    /// The slot of that name, made if there is none: at what is durable and acknowledged now, so that a snapshot read
    /// afterwards has all that the log may let go of.
    /// The log keeps what follows a slot, as long as [`Settings::slot_bytes_max`] and [`Settings::slot_age`] allow.
    /// Durable when it returns.
    ///
    /// # Errors
    /// [`Error::SlotName`] for a name that is none, [`Error::Io`] when the file system refuses.
    pub fn slot(&self, name: &str) -> Result<Slot> {
        self.log.slot(name)
    }

    /// Says that the reader of a slot has no need of the records up to `lsn` any more, and returns the slot as it
    /// stands. It goes no further than what is durable, and never back. This is cheap, for it is written down only before
    /// segments go because of it: after a crash the slot may stand further back.
    ///
    /// # Errors
    /// [`Error::UnknownSlot`]; [`Error::Io`] when it had been lost and the file system refuses.
    pub fn advance_slot(&self, name: &str, lsn: Lsn) -> Result<Slot> {
        self.log.advance_slot(name, lsn)
    }

    /// Removes a slot, durably. Says whether there was one.
    ///
    /// # Errors
    /// When the file system refuses; the slot is still there then.
    pub fn drop_slot(&self, name: &str) -> Result<bool> {
        self.log.drop_slot(name)
    }

    /// All slots, by name.
    #[must_use]
    pub fn slots(&self) -> Vec<Slot> {
        self.log.list_slots()
    }

    /// Makes sure that a record of `len` bytes, appended next, finds room on the disk, with all that was appended before
    /// it. To be called before each [`append`](Self::append), by the same thread: then a full disk is an answer to a
    /// commit that nobody has been told of, and never a log that stops. Mostly a comparison of numbers; asks the file
    /// system only when the prepared segments do not do.
    ///
    /// # Errors
    /// [`Error::Io`], of kind `StorageFull` when the disk is full; the log goes on, and there is nothing to undo.
    pub fn ensure_room(&self, len: usize) -> Result<()> {
        self.log.ensure_room(len, Purpose::Any)
    }

    /// As [`ensure_room`](Self::ensure_room), for a record that lets something go: on a full disk the reserve
    /// ([`Settings::reserve_bytes`]) is given up for it. From then on `ensure_room` refuses until there is as much room again.
    ///
    /// # Errors
    /// As `ensure_room`, when the reserve does not do either.
    pub fn ensure_room_to_free(&self, len: usize) -> Result<()> {
        self.log.ensure_room(len, Purpose::Free)
    }

    /// Bytes of the reserve, if there is one.
    #[must_use]
    pub fn reserve_bytes(&self) -> u64 {
        self.log.pool.reserve.held()
    }

    /// Gives the reserve up, for who needs its room to give more of it back: a checkpoint on a full disk. Returns its
    /// bytes.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn spend_reserve(&self) -> Result<u64> {
        self.log.pool.reserve.spend()
    }

    /// Removes prepared files beyond the next segment, for who needs the space to give more of it back: a checkpoint on
    /// a full disk. Returns their bytes. They are made again when the disk has room.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn yield_spares(&self) -> Result<u64> {
        self.log.pool.yield_spares()
    }

    /// Bytes that can be written before the file system is asked for more.
    #[must_use]
    pub fn headroom_bytes(&self) -> u64 {
        self.log.output.lock().bytes_left() + self.log.pool.prepared_bytes()
    }

    /// Prepares the next segment and the spares now, as a background thread would.
    ///
    /// # Errors
    /// When the file system refuses, for instance because the disk is full; the log goes on.
    pub fn prepare(&self) -> Result<()> {
        self.log.pool.prepare(|| self.log.durable_lsn())
    }

    /// Writes and syncs everything appended so far, in any mode.
    ///
    /// # Errors
    /// [`Error::Poisoned`] or [`Error::CommitOutcomeUnknown`].
    pub fn flush(&self) -> Result<()> {
        self.log.flush(Intent::Sync)
    }

    /// Refuses further appends, makes everything durable, confirms it with a NOOP and stops the threads.
    /// Closing twice does nothing.
    ///
    /// # Errors
    /// [`Error::Poisoned`] or [`Error::CommitOutcomeUnknown`]; the log is closed all the same.
    pub fn close(&self) -> Result<()> {
        if !self.log.close() {
            return Ok(());
        }
        background::stop(&self.log);
        // Without it a slot stands where it was written down last, which is harmless.
        _ = self.log.slots.save();
        self.log.flush(Intent::Sync)?;
        self.log.confirm_if_needed()
    }
}

impl Drop for Wal {
    /// Closes the log. An error cannot be told here: whoever must know calls [`Wal::close`].
    fn drop(&mut self) {
        _ = self.close();
    }
}
