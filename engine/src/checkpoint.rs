//! Checkpoints: what is durable in the log is written into the storage file, and log segments nobody needs are let go.
//!
//! A checkpoint is one step; who takes it (a thread of the database, a test, a statement) is not its business. It
//! never holds up commits or reads.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tailwater_proto::sqlstate;

use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::storage::CheckpointReport;

/// Longest time a writer waits for memory.
const ADMISSION_TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Default)]
struct State {
    requested: bool,
    stopping: bool,
    done: u64,
    thread: Option<JoinHandle<()>>,
}

/// Asks for checkpoints and waits for them.
#[derive(Default)]
pub(crate) struct Checkpointer {
    state: Mutex<State>,
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
        let mut state = self.state.lock();
        if !state.requested {
            state.requested = true;
            self.changed.notify_all();
        }
    }

    /// Waits until a condition that checkpoints bring about holds; `false` if it does not in time.
    pub(crate) fn wait_until(&self, holds: impl Fn() -> bool) -> bool {
        let mut state = self.state.lock();
        loop {
            if holds() {
                return true;
            }
            if self
                .changed
                .wait_for(&mut state, ADMISSION_TIMEOUT)
                .timed_out()
            {
                return holds();
            }
        }
    }

    /// Starts the thread that takes checkpoints when asked to, and from time to time.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn start(&self, engine: &Arc<Engine>) -> std::io::Result<()> {
        let weak = Arc::downgrade(engine);
        let interval = engine.settings.checkpoint_interval;
        let thread = std::thread::Builder::new()
            .name("tailwater-checkpoint".to_owned())
            .spawn(move || run(&weak, interval))?;
        self.state.lock().thread = Some(thread);
        Ok(())
    }

    /// Stops the thread and waits for it, unless it is the thread that calls.
    pub(crate) fn stop(&self) {
        let thread = {
            let mut state = self.state.lock();
            state.stopping = true;
            self.changed.notify_all();
            state.thread.take()
        };
        if let Some(thread) = thread
            && thread.thread().id() != std::thread::current().id()
        {
            // A panic of the thread has been printed by the runtime; there is nothing to add.
            let _ = thread.join();
        }
    }
}

/// How long the thread sleeps at most before it looks whether the database is still there.
const NAP: Duration = Duration::from_millis(200);

fn run(engine: &Weak<Engine>, interval: Duration) {
    let mut since_last = Duration::ZERO;
    loop {
        let Some(engine) = engine.upgrade() else {
            return;
        };
        let checkpointer = &engine.checkpointer;
        let due = {
            let mut state = checkpointer.state.lock();
            if !state.requested && !state.stopping {
                let nap = NAP.min(interval);
                checkpointer.changed.wait_for(&mut state, nap);
                since_last += nap;
            }
            if state.stopping {
                return;
            }
            std::mem::take(&mut state.requested) || since_last >= interval
        };
        if due {
            since_last = Duration::ZERO;
            // A failure latches in the store and shows at the next commit or read that needs it.
            let _ = engine.checkpoint();
            let mut state = checkpointer.state.lock();
            state.done += 1;
            checkpointer.changed.notify_all();
        }
    }
}

impl Engine {
    /// Writes what is durable into the storage file and releases the log up to there.
    ///
    /// # Errors
    /// I/O and a full disk; the log still has everything then.
    pub(crate) fn checkpoint(&self) -> Result<CheckpointReport> {
        self.ensure_room()?;
        let durable = self.wal.durable_lsn();
        let meta = crate::recovery::meta(self);
        let report = self.store.checkpoint(durable, &meta)?;
        self.wal
            .release(self.store.applied_lsn())
            .map_err(log_failed)?;
        Ok(report)
    }

    /// Does not begin a checkpoint that may fill the disk: the storage file would take nothing more until it is opened
    /// again. If need be the log's spare files make way, for a checkpoint is what lets its old segments go.
    fn ensure_room(&self) -> Result<()> {
        let path = self.store.path();
        let needed = self.store.checkpoint_bytes();
        let free = || self.vfs.free_bytes(path).ok().flatten();
        let mut left = free();
        if left.is_some_and(|left| left < needed) {
            self.wal.yield_spares().map_err(log_failed)?;
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
