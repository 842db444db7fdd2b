//! Checkpoints: what is durable in the log is written into the storage file, and log segments nobody needs are let go.
//!
//! A checkpoint is a number of steps; who takes them (a thread of the database, a simulator's scheduler, a statement) is
//! not its business. It never holds up commits or reads.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tailwater_proto::sqlstate;
use tailwater_wal::spawn::{Call, Next, Spawn, Task, Worker};

use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::storage::{CheckpointReport, Compacted, Compacting, Progress};

/// Longest time a writer waits for memory.
const ADMISSION_TIMEOUT: Duration = Duration::from_secs(30);

/// How often snapshots are looked at while one grows too old.
const LOOKS_PER_AGE: u32 = 4;

/// Steps that somebody who waits takes himself before he gives up, where no thread takes any.
const ASSISTED_STEPS_MAX: u32 = 1 << 20;

/// Asks for checkpoints and waits for them.
#[derive(Default)]
pub(crate) struct Checkpointer {
    worker: OnceLock<Arc<dyn Worker>>,
    /// One is wanted before the interval is over.
    requested: AtomicBool,
    /// Checkpoints that have ended, well or not.
    ended: Mutex<u64>,
    changed: Condvar,
    /// The last checkpoint was not begun: the disk was too full for it.
    starved: AtomicBool,
}

impl Checkpointer {
    /// Whether the last checkpoint was not begun since the disk was too full.
    pub(crate) fn is_starved(&self) -> bool {
        self.starved.load(Ordering::Acquire)
    }

    /// Asks for a checkpoint soon.
    pub(crate) fn request(&self) {
        if !self.requested.swap(true, Ordering::SeqCst)
            && let Some(worker) = self.worker.get()
        {
            worker.wake();
        }
    }

    /// Waits until a condition that checkpoints bring about holds; `false` if it does not in time.
    pub(crate) fn wait_until(&self, holds: impl Fn() -> bool) -> bool {
        let assist = || self.worker.get().is_some_and(|worker| worker.assist());
        for _ in 0..ASSISTED_STEPS_MAX {
            if holds() {
                return true;
            }
            if !assist() {
                break;
            }
        }
        let mut ended = self.ended.lock();
        loop {
            if holds() {
                return true;
            }
            if self
                .changed
                .wait_for(&mut ended, ADMISSION_TIMEOUT)
                .timed_out()
            {
                return holds();
            }
        }
    }

    /// Starts the task that takes checkpoints when asked to, and from time to time.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn start(&self, engine: &Arc<Engine>, spawn: &dyn Spawn) -> std::io::Result<()> {
        let interval = engine.settings.checkpoint_interval;
        let age_max = engine.settings.snapshot_age_max;
        let period = age_max.map_or(interval, |age_max| interval.min(age_max / LOOKS_PER_AGE));
        let task = Checkpoints {
            engine: Arc::downgrade(engine),
            interval,
            period,
            waited: Duration::ZERO,
            under_way: false,
        };
        let worker = spawn.spawn("tailwater-checkpoint", Next::After(period), Box::new(task))?;
        // Called once for an engine.
        let _ = self.worker.set(worker);
        Ok(())
    }

    /// Ends the task. A checkpoint under way stays as far as it has come, for the next one to end.
    pub(crate) fn stop(&self) {
        if let Some(worker) = self.worker.get() {
            worker.stop();
        }
    }

    /// Tells who waits that a checkpoint has ended.
    fn note_end(&self) {
        *self.ended.lock() += 1;
        self.changed.notify_all();
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Takes checkpoints, step by step, and lets go of snapshots that are too old.
struct Checkpoints {
    engine: Weak<Engine>,
    /// Between two checkpoints at most.
    interval: Duration,
    /// Between two looks at the snapshots.
    period: Duration,
    /// Since the last checkpoint, by periods.
    waited: Duration,
    under_way: bool,
}

impl Task for Checkpoints {
    fn step(&mut self, call: Call) -> Next {
        let Some(engine) = self.engine.upgrade() else {
            return Next::Never;
        };
        let checkpointer = &engine.checkpointer;
        if !self.under_way {
            engine.let_go_of_old_snapshots();
            let requested = checkpointer.requested.swap(false, Ordering::SeqCst);
            if call == Call::Elapsed {
                self.waited += self.period;
            }
            if !requested && self.waited < self.interval {
                return Next::After(self.period);
            }
            self.waited = Duration::ZERO;
        }
        // A failure latches in the store and shows at the next commit or read that needs it.
        self.under_way = matches!(engine.checkpoint_step(), Ok(Progress::UnderWay));
        if self.under_way {
            return Next::Now;
        }
        checkpointer.note_end();
        match checkpointer.requested.load(Ordering::SeqCst) {
            true => Next::Now,
            false => Next::After(self.period),
        }
    }
}

impl Engine {
    /// Writes what is durable into the storage file and releases the log up to there.
    ///
    /// # Errors
    /// I/O and a full disk; the log still has everything then.
    pub(crate) fn checkpoint(&self) -> Result<CheckpointReport> {
        self.let_go_of_old_snapshots();
        let mut report = self.checkpoint_durable()?;
        if report.pending.is_some() {
            // Commits were under way: what was committed before this was called lies behind them.
            self.wal.flush().map_err(|error| self.poison(&error))?;
            report = self.checkpoint_durable()?;
        }
        self.release()?;
        self.compact_if_sparse()?;
        Ok(report)
    }

    fn checkpoint_durable(&self) -> Result<CheckpointReport> {
        self.ensure_room()?;
        let durable = self.wal.durable_lsn();
        let meta = crate::recovery::meta(self);
        Ok(self.store.checkpoint(durable, &meta)?)
    }

    /// Writes what is durable into the storage file and the file anew, without the space of what was deleted.
    ///
    /// # Errors
    /// I/O and a full disk; the file is as it was then.
    pub(crate) fn compact(&self) -> Result<Compacted> {
        self.checkpoint()?;
        let compacted = self.store.compact(&*self.vfs)?;
        // For a smaller database less of the log is retained.
        self.release()?;
        Ok(compacted)
    }

    /// Compacts a file that is mostly empty. It is no matter if that does not work now.
    fn compact_if_sparse(&self) -> Result<()> {
        if self.wants_compaction() && self.store.compact(&*self.vfs).is_ok() {
            self.release()?;
        }
        Ok(())
    }

    /// Takes the next step of a checkpoint, beginning one if none is under way; or of a compaction behind it, for as long
    /// as no checkpoint is urgent.
    fn checkpoint_step(&self) -> Result<Progress> {
        if self.store.is_compacting() {
            if !self.store.is_nearly_full() {
                return self.compaction_step();
            }
            self.store.give_compaction_up(&*self.vfs);
        }
        let progress = self.store.checkpoint_step(|| {
            self.ensure_room()?;
            Ok::<_, Error>((self.wal.durable_lsn(), crate::recovery::meta(self)))
        })?;
        if let Progress::Done(_) = progress {
            self.release()?;
            if self.wants_compaction() && self.store.begin_compaction(&*self.vfs).is_ok() {
                return Ok(Progress::UnderWay);
            }
        }
        Ok(progress)
    }

    /// Whether the file is mostly empty, and there is plenty of room for another one beside it.
    fn wants_compaction(&self) -> bool {
        let free = || self.vfs.free_bytes(self.store.path()).ok().flatten();
        self.store
            .compactable_bytes()
            .is_some_and(|bytes| free().is_none_or(|free| free / 2 > bytes))
    }

    /// Takes the next step of a compaction. It is no matter if that does not work now.
    fn compaction_step(&self) -> Result<Progress> {
        match self.store.compaction_step(&*self.vfs) {
            Ok(Compacting::UnderWay) => return Ok(Progress::UnderWay),
            Ok(Compacting::Done(_)) => self.release()?,
            Ok(Compacting::Gone) | Err(_) => {}
        }
        Ok(Progress::Done(CheckpointReport::default()))
    }

    /// Lets go of the log that the storage file has taken over.
    fn release(&self) -> Result<()> {
        self.wal.note_size(self.store.file_bytes());
        self.wal
            .release(self.store.applied_lsn())
            .map_err(log_failed)
    }

    /// Does not begin a checkpoint that may fill the disk: the storage file would take nothing more until it is opened
    /// again. If need be the log's spare files and its reserve make way, for a checkpoint is what lets its old segments go.
    pub(crate) fn ensure_room(&self) -> Result<()> {
        self.ensure_room_of(self.store.checkpoint_bytes())
    }

    /// As `ensure_room`, for so many bytes.
    pub(crate) fn ensure_room_of(&self, needed: u64) -> Result<()> {
        let path = self.store.path();
        let free = || self.vfs.free_bytes(path).ok().flatten();
        let mut left = free();
        if left.is_some_and(|left| left < needed) {
            self.wal.yield_spares().map_err(log_failed)?;
            left = free();
        }
        if left.is_some_and(|left| left < needed && left + self.wal.reserve_bytes() >= needed) {
            self.wal.spend_reserve().map_err(log_failed)?;
            left = free();
        }
        let starved = left.filter(|left| *left < needed);
        self.checkpointer
            .starved
            .store(starved.is_some(), Ordering::Release);
        let Some(left) = starved else {
            return Ok(());
        };
        Err(Error::new(
            ErrorKind::Io,
            sqlstate::DISK_FULL,
            format!("the disk has {left} bytes left, the checkpoint may need {needed}"),
        )
        .on(path.display().to_string())
        .with_hint(
            "free some space; the log has everything, and the next checkpoint comes by itself",
        ))
    }
}

fn log_failed(error: tailwater_wal::Error) -> Error {
    Error::new(ErrorKind::Io, sqlstate::IO_ERROR, error.to_string()).because(error)
}
