//! Appends records to the group that fills, and leads groups to the disk: one write, one sync.
//!
//! Two locks, never held together with a sync in between: `queue` (what fills, who leads) is short; `output`
//! (the active segment) belongs to the leader. A failed write or sync poisons the log: everyone who waits gets
//! an error, nobody hangs, nothing is retried. Next door: `output`, `group`, `background`.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use tailwater_proto::Lsn;

use super::background::Signals;
use super::format::{BLOCK_BYTES, FrameHeader, FrameKind, frame_len};
use super::group::{Group, Promise, Ticket, Woken};
use super::output::Output;
use super::pool::{Pool, Purpose, Room};
use super::reserve::is_full;
use super::segment::Segment;
use super::slots::Slots;
use crate::error::{Error, Failure, Result};
use crate::mutant;
use crate::settings::{Settings, SyncMode};
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::{Condvar, Mutex, MutexGuard, RwLock, is_weakened, too_early};

/// Buffers that grew beyond this are given back to the allocator.
const BUFFER_BYTES_KEPT: usize = 4 << 20;

/// What records need beside their frames: the group being written and the one that fills are each padded to a block,
/// and a NOOP of a block may come before each.
const ROOM_MARGIN_BYTES: u64 = 4 * BLOCK_BYTES as u64;

/// Called with the last record of each group once it is acknowledged: in order, once per group, before anyone
/// who waits for the group is woken.
///
/// It may come as soon as `append` has been entered, from another thread: who publishes on it must have the
/// record's effects in place before appending, or publish the smaller of the two.
pub type DurableHook = Box<dyn Fn(Lsn) + Send + Sync>;

/// What the log's public face, its tickets, readers and threads share.
pub(crate) struct Log {
    pub(crate) dir: PathBuf,
    pub(crate) settings: Settings,
    pub(crate) pool: Pool,
    pub(crate) slots: Slots,
    pub(crate) signals: Signals,
    /// Retained segments, oldest first; the last one is being written.
    pub(crate) segments: RwLock<VecDeque<Arc<Segment>>>,
    pub(crate) output: Mutex<Output>,
    queue: Mutex<Queue>,
    /// A leader has finished.
    settled: Condvar,
    pub(crate) written: AtomicU64,
    pub(crate) durable: AtomicU64,
    /// Durable, and `on_durable` has returned (sync mode `commit` only).
    acknowledged: AtomicU64,
    /// What a later frame on disk says to be durable.
    pub(crate) confirmed: AtomicU64,
    /// Parts of a record that was given up may be the last thing written; a NOOP says so.
    pub(crate) owes_noop: AtomicBool,
    /// Bytes of frames appended and not written yet.
    pub(crate) unwritten: AtomicU64,
    /// Bytes left in the active segment: lowered before `unwritten` is.
    pub(crate) room: AtomicU64,
    /// How large what this log is kept for is, where that is known.
    pub(crate) database_bytes: AtomicU64,
    on_durable: DurableHook,
}

/// The group that fills, and who leads.
#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) buffer: Vec<u8>,
    /// The first record that begins in the buffer.
    pub(crate) begins: Option<Lsn>,
    /// The last record of which anything is in the buffer.
    pub(crate) touches: Option<Lsn>,
    /// A record ends in the buffer.
    pub(crate) completes: bool,
    /// A record in parts is under way.
    pub(crate) is_open: bool,
    /// Last record appended.
    pub(crate) appended: Lsn,
    group: Arc<Group>,
    /// Threads blocked on `group`; one of them will take the lead when it is handed over.
    waiters: usize,
    /// Whether a future waits for `group`.
    has_futures: bool,
    /// The group being written and its last record.
    in_flight: Option<(Lsn, Arc<Group>)>,
    leading: bool,
    /// Threads that wait for `settled`.
    watchers: usize,
    /// The other of the two buffers that take turns.
    idle_buffer: Vec<u8>,
    failure: Option<Arc<Failure>>,
    closed: bool,
}

/// What a leader is to do beyond writing the group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Intent {
    /// Sync if the mode is `commit`.
    AsSet,
    /// Sync in any mode.
    Sync,
    /// Add a NOOP that says what is durable, and sync.
    Confirm,
}

/// A group on its way to the disk.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) bytes: Vec<u8>,
    /// The first record that begins in it.
    pub(crate) begins: Option<Lsn>,
    /// The last record of which anything is in it.
    pub(crate) touches: Option<Lsn>,
    /// The last record that is whole, in it or before it.
    pub(crate) last: Lsn,
    /// A record ends in it.
    pub(crate) completes: bool,
    /// More of its last record follows.
    pub(crate) is_open: bool,
}

impl Log {
    /// A log whose records up to `last` are durable and whose next one goes to `output`.
    pub(crate) fn new(
        dir: PathBuf,
        settings: Settings,
        pool: Pool,
        slots: Slots,
        segments: VecDeque<Arc<Segment>>,
        output: Output,
        last: Lsn,
        on_durable: DurableHook,
    ) -> Self {
        let room = AtomicU64::new(output.bytes_left());
        let queue = Queue {
            buffer: Vec::new(),
            begins: None,
            touches: None,
            completes: false,
            is_open: false,
            appended: last,
            group: Arc::default(),
            waiters: 0,
            has_futures: false,
            in_flight: None,
            leading: false,
            watchers: 0,
            idle_buffer: Vec::new(),
            failure: None,
            closed: false,
        };
        Self {
            dir,
            settings,
            pool,
            slots,
            signals: Signals::default(),
            segments: RwLock::new(segments),
            output: Mutex::new(output),
            queue: Mutex::new(queue),
            settled: Condvar::new(),
            written: AtomicU64::new(last.0),
            durable: AtomicU64::new(last.0),
            acknowledged: AtomicU64::new(last.0),
            confirmed: AtomicU64::new(last.0),
            owes_noop: AtomicBool::new(false),
            unwritten: AtomicU64::new(0),
            room,
            database_bytes: AtomicU64::new(u64::MAX),
            on_durable,
        }
    }

    pub(crate) fn lock_queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock()
    }

    pub(crate) fn durable_lsn(&self) -> Lsn {
        Lsn(self.durable.load(Ordering::Acquire))
    }

    pub(crate) fn acknowledged(&self) -> Lsn {
        Lsn(self.acknowledged.load(Ordering::Acquire))
    }

    pub(crate) fn written_lsn(&self) -> Lsn {
        Lsn(self.written.load(Ordering::Acquire))
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.queue.lock().closed
    }

    /// The last record that may be read: durable in sync mode `commit`, else written.
    pub(crate) fn readable_lsn(&self) -> Lsn {
        match self.settings.sync {
            SyncMode::Commit => self.durable_lsn(),
            SyncMode::Interval(_) | SyncMode::Off => self.written_lsn(),
        }
    }

    /// Makes sure that a record of `len` bytes, appended next, will find room on the disk, with all that is appended
    /// already. Asks the file system for more only when it must.
    pub(crate) fn ensure_room(&self, len: usize, purpose: Purpose) -> Result<()> {
        let new = self.frames_len(len).saturating_add(ROOM_MARGIN_BYTES);
        // In this order: a group that is written in between counts twice rather than not at all.
        let unwritten = self.unwritten.load(Ordering::Acquire);
        let needed = unwritten.saturating_add(new);
        if purpose == Purpose::Any && self.pool.reserve.is_owed() {
            self.pool.settle_debt(needed)?;
            self.signals.prepare();
        }
        if needed <= self.room.load(Ordering::Acquire) || self.pool.fits_next(needed) {
            return Ok(());
        }
        let room = Room {
            bytes: needed,
            groups: (len > self.chunk_bytes()).then(|| self.groups_of_parts(unwritten)),
        };
        let made = self.pool.make_room(room, self.durable_lsn(), purpose);
        match made {
            Err(error) if purpose == Purpose::Free && is_full(&error) => {
                if self.pool.reserve.spend()? == 0 {
                    return Err(error);
                }
                self.pool.make_room(room, self.durable_lsn(), purpose)
            }
            made => made,
        }
    }

    pub(crate) fn append(&self, lsn: Lsn, payload: &[u8]) -> Result<()> {
        if payload.len() > self.chunk_bytes() {
            return self.append_parts(lsn, payload);
        }
        let frame = FrameHeader {
            len: payload.len() as u32,
            payload_crc: crate::checksum(payload),
            kind: FrameKind::Record,
            codec: self.settings.payload_codec,
            lsn,
            durable_lsn: Lsn::ZERO,
        };
        let mut queue = self.queue.lock();
        queue.check()?;
        while queue.buffer.len() >= self.settings.group_bytes_max {
            queue = self.lead_or_watch(queue, Intent::AsSet)?;
            queue.check()?;
        }
        queue.assert_next(lsn);
        frame.encode(payload, &mut queue.buffer);
        let bytes = frame_len(payload.len()) as u64;
        self.unwritten.fetch_add(bytes, Ordering::Release);
        queue.begins.get_or_insert(lsn);
        queue.complete(lsn);
        drop(queue);
        self.acknowledge_lazily(lsn);
        Ok(())
    }

    /// In the lazy modes a record is acknowledged once it is appended.
    pub(crate) fn acknowledge_lazily(&self, lsn: Lsn) {
        if self.settings.sync != SyncMode::Commit {
            (self.on_durable)(lsn);
            self.signals.arm();
        }
    }

    pub(crate) fn ticket(self: &Arc<Self>, lsn: Lsn) -> Ticket {
        let queue = self.queue.lock();
        assert!(
            lsn <= queue.appended,
            "a ticket is for a record that has been appended"
        );
        let promise = self.promise(&queue, lsn);
        drop(queue);
        Ticket::new(Arc::clone(self), lsn, promise)
    }

    /// What becomes of a record that has been appended.
    fn promise(&self, queue: &Queue, lsn: Lsn) -> Promise {
        match (&queue.failure, &queue.in_flight) {
            _ if lsn <= self.acknowledged() || mutant::is("acknowledge_at_once") => Promise::Kept,
            (Some(failure), _) => Promise::Broken(Arc::clone(failure)),
            _ if self.settings.sync != SyncMode::Commit => Promise::Kept,
            (None, Some((last, group))) if lsn <= *last => Promise::Group(Arc::clone(group)),
            (None, _) => Promise::Group(Arc::clone(&queue.group)),
        }
    }

    /// Waits as a ticket taken now would, and takes the queue once instead of twice.
    pub(crate) fn wait(&self, lsn: Lsn) -> Result<()> {
        if lsn <= self.acknowledged() {
            return Ok(());
        }
        let queue = self.queue.lock();
        if lsn > queue.appended {
            // A record that the log has refused to take.
            queue.check()?;
        }
        assert!(
            lsn <= queue.appended,
            "who waits waits for a record that has been appended"
        );
        match self.promise(&queue, lsn) {
            Promise::Kept => Ok(()),
            Promise::Broken(failure) => Err(Error::CommitOutcomeUnknown(failure)),
            Promise::Group(group) => self.lead_or_join(queue, &group),
        }
    }

    /// For a thread that waits for `group`: leads it if nobody leads, else blocks.
    pub(crate) fn lead_or_join(
        &self,
        mut queue: MutexGuard<'_, Queue>,
        group: &Arc<Group>,
    ) -> Result<()> {
        if Arc::ptr_eq(group, &queue.group) {
            debug_assert!(
                queue.failure.is_none(),
                "a failure settles the group that fills"
            );
            if !queue.leading {
                queue.leading = true;
                return self.lead(queue, Intent::AsSet);
            }
            queue.waiters += 1;
        }
        drop(queue);
        loop {
            match group.block() {
                Woken::Settled(outcome) => return outcome,
                Woken::Asked(1) => group.let_grow(|| self.unwritten.load(Ordering::Relaxed)),
                // Where many threads wait the processors have others to run, and they come in by themselves.
                Woken::Asked(_) => {}
            }
            let mut queue = self.queue.lock();
            // Whoever came to wait meanwhile may have led it.
            if Arc::ptr_eq(group, &queue.group) && !queue.leading {
                queue.leading = true;
                return self.lead(queue, Intent::AsSet);
            }
        }
    }

    /// For a future that waits for `group` and must not block.
    pub(crate) fn ask_for_leader(&self, group: &Arc<Group>) {
        let mut queue = self.queue.lock();
        if !Arc::ptr_eq(group, &queue.group) {
            return;
        }
        queue.has_futures = true;
        if queue.leading {
            return;
        }
        if self.has_flusher(&queue) {
            self.signals.flush();
        } else {
            queue.leading = true;
            // How it ended is in the group.
            _ = self.lead(queue, Intent::AsSet);
        }
    }

    /// Leads a group that futures wait for, if there is one and nobody leads. Says whether it did.
    pub(crate) fn lead_for_futures(&self) -> bool {
        let mut queue = self.queue.lock();
        if queue.leading || !queue.has_futures || queue.failure.is_some() {
            return false;
        }
        queue.leading = true;
        self.lead(queue, Intent::AsSet).is_ok()
    }

    /// Writes what is buffered (a no-op when nothing is) as `intent` says, and waits for whoever leads.
    pub(crate) fn flush(&self, intent: Intent) -> Result<()> {
        let mut queue = self.queue.lock();
        queue.check_failure()?;
        let target = queue.appended;
        loop {
            let reached = match (self.settings.sync, intent) {
                (SyncMode::Commit, _) => self.acknowledged(),
                (_, Intent::AsSet) => self.written_lsn(),
                (_, Intent::Sync | Intent::Confirm) => self.durable_lsn(),
            };
            if reached >= target {
                return Ok(());
            }
            queue = self.lead_or_watch(queue, intent)?;
        }
    }

    /// Writes a NOOP that confirms what is durable, with all that is buffered before it.
    pub(crate) fn confirm(&self) -> Result<()> {
        let mut queue = self.queue.lock();
        loop {
            queue.check_failure()?;
            if !queue.leading {
                queue.leading = true;
                return self.lead(queue, Intent::Confirm);
            }
            queue = self.watch(queue);
        }
    }

    /// Confirms what no later frame has confirmed yet.
    pub(crate) fn confirm_if_needed(&self) -> Result<()> {
        if self.owes_noop.swap(false, Ordering::Relaxed) || self.is_unconfirmed() {
            self.confirm()?;
        }
        Ok(())
    }

    fn is_unconfirmed(&self) -> bool {
        self.confirmed.load(Ordering::Relaxed) < self.durable_lsn().0
    }

    /// Begins an epoch behind all that is appended.
    pub(crate) fn begin_epoch(&self) -> Result<u32> {
        let mut queue = self.queue.lock();
        loop {
            queue.check()?;
            assert!(!queue.is_open, "an epoch begins between records");
            if !queue.leading && queue.buffer.is_empty() {
                break;
            }
            queue = self.lead_or_watch(queue, Intent::Sync)?;
        }
        // Whoever leads next waits for the output; nothing of the old epoch is left to be written.
        let mut output = self.output.lock();
        let first_lsn = queue.appended.next();
        drop(queue);
        let number = self.pool.begin_epoch(first_lsn)?;
        let begun = output.next_segment(self);
        drop(output);
        begun.map(|()| number).map_err(|failure| {
            self.poison(Arc::clone(&failure));
            Error::Poisoned(failure)
        })
    }

    /// Refuses appends from now on, and gives a record up of which parts are missing. Says whether it did not before.
    pub(crate) fn close(&self) -> bool {
        let mut queue = self.queue.lock();
        if std::mem::take(&mut queue.is_open) {
            self.owes_noop.store(true, Ordering::Relaxed);
        }
        !std::mem::replace(&mut queue.closed, true)
    }

    /// Whether records wait that the mode wants written or synced by now.
    pub(crate) fn has_pending(&self) -> bool {
        let queue = self.queue.lock();
        let reached = match self.settings.sync {
            SyncMode::Commit => {
                return self.is_unconfirmed();
            }
            SyncMode::Interval(_) => self.durable_lsn(),
            SyncMode::Off => self.written_lsn(),
        };
        queue.failure.is_none() && reached < queue.appended
    }

    fn has_flusher(&self, queue: &Queue) -> bool {
        !queue.closed && self.settings.background.spawn().is_some()
    }

    pub(crate) fn lead_or_watch<'a>(
        &'a self,
        mut queue: MutexGuard<'a, Queue>,
        intent: Intent,
    ) -> Result<MutexGuard<'a, Queue>> {
        if queue.leading {
            queue = self.watch(queue);
        } else {
            queue.leading = true;
            self.lead(queue, intent)?;
            queue = self.queue.lock();
        }
        queue.check_failure()?;
        Ok(queue)
    }

    fn watch<'a>(&'a self, mut queue: MutexGuard<'a, Queue>) -> MutexGuard<'a, Queue> {
        queue.watchers += 1;
        self.settled.wait(&mut queue);
        queue.watchers -= 1;
        queue
    }

    /// Takes the group that fills to the disk. The caller has set `leading`.
    pub(crate) fn lead(&self, mut queue: MutexGuard<'_, Queue>, intent: Intent) -> Result<()> {
        debug_assert!(queue.leading);
        let leading = Leading { log: self };
        let group = std::mem::take(&mut queue.group);
        group.close();
        let completes = std::mem::take(&mut queue.completes);
        let unwritten = queue.buffer.len() as u64;
        let empty = std::mem::take(&mut queue.idle_buffer);
        let bytes = std::mem::replace(&mut queue.buffer, empty);
        let mut batch = Batch {
            bytes,
            begins: queue.begins.take(),
            touches: queue.touches.take(),
            last: queue.appended,
            completes,
            is_open: queue.is_open,
        };
        queue.in_flight = Some((batch.last, Arc::clone(&group)));
        queue.waiters = 0;
        queue.has_futures = false;
        drop(queue);

        if completes && mutant::is("publish_before_durable") {
            (self.on_durable)(batch.last);
        }
        if let Err(failure) = self.output.lock().write(self, &mut batch, intent) {
            std::mem::forget(leading);
            self.poison(Arc::clone(&failure));
            return Err(Error::CommitOutcomeUnknown(failure));
        }
        self.unwritten.fetch_sub(unwritten, Ordering::Release);
        if completes && self.settings.sync == SyncMode::Commit {
            _ = too_early("acknowledge before the hook", || {
                self.acknowledged.store(batch.last.0, Ordering::Release);
            });
            (self.on_durable)(batch.last);
            self.acknowledged.store(batch.last.0, Ordering::Release);
        }
        std::mem::forget(leading);
        self.pass_on(batch.bytes);
        group.settle(None);
        Ok(())
    }

    /// Gives the lead up, and asks a waiter of the next group, if there is one, to take it.
    fn pass_on(&self, mut buffer: Vec<u8>) {
        let mut queue = self.queue.lock();
        queue.in_flight = None;
        if buffer.capacity() <= BUFFER_BYTES_KEPT {
            buffer.clear();
            queue.idle_buffer = buffer;
        }
        let watched = queue.watchers > 0;
        let next = Arc::clone(&queue.group);
        let (waiters, has_futures) = (queue.waiters, queue.has_futures);
        let has_flusher = self.has_flusher(&queue);
        queue.leading = false;
        drop(queue);
        if waiters > 0 && !is_weakened("forget to ask for a leader") {
            next.ask_to_lead(waiters);
        } else if has_futures && has_flusher {
            self.signals.flush();
        } else if has_futures {
            next.wake_futures();
        }
        if watched {
            self.settled.notify_all();
        }
        self.signals.arm();
    }

    /// After a failed write or sync: nothing more is taken, and everyone who waits is told.
    pub(crate) fn poison(&self, failure: Arc<Failure>) {
        let mut queue = self.queue.lock();
        let failure = Arc::clone(queue.failure.get_or_insert(failure));
        queue.leading = false;
        let in_flight = queue.in_flight.take();
        let filling = std::mem::take(&mut queue.group);
        queue.waiters = 0;
        drop(queue);
        for group in in_flight
            .into_iter()
            .map(|(_, group)| group)
            .chain([filling])
        {
            group.settle(Some(Arc::clone(&failure)));
        }
        if !is_weakened("forget who watches after a failure") {
            self.settled.notify_all();
        }
    }
}

impl Queue {
    /// # Panics
    /// Unless `lsn` comes next.
    pub(crate) fn assert_next(&self, lsn: Lsn) {
        assert_eq!(
            lsn,
            self.appended.next(),
            "records are appended in order, without gaps"
        );
        assert!(
            !self.is_open,
            "nothing is appended while a record in parts is under way"
        );
    }

    /// Notes that the record is whole.
    pub(crate) fn complete(&mut self, lsn: Lsn) {
        self.touches = Some(lsn);
        self.completes = true;
        self.appended = lsn;
    }

    /// Whether records may be appended.
    pub(crate) fn check(&self) -> Result<()> {
        self.check_failure()?;
        if self.closed {
            Err(Error::Closed)
        } else {
            Ok(())
        }
    }

    /// Whether the log may be written.
    fn check_failure(&self) -> Result<()> {
        self.failure
            .as_ref()
            .map_or(Ok(()), |cause| Err(Error::Poisoned(Arc::clone(cause))))
    }
}

/// Poisons the log when a leader unwinds, so that nobody waits for it.
struct Leading<'a> {
    log: &'a Log,
}

impl Drop for Leading<'_> {
    fn drop(&mut self) {
        let source = io::Error::other("the thread that wrote the log panicked");
        let path = self.log.dir.clone();
        self.log.poison(Arc::new(Failure {
            what: "write to",
            path,
            source,
        }));
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log")
            .field("dir", &self.dir)
            .field("written", &self.written)
            .field("durable", &self.durable)
            .finish_non_exhaustive()
    }
}
