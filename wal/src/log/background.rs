//! The work nobody waits for: preparing segments, flushing for futures and intervals, confirming when idle.
//!
//! Two tasks, woken by signals. They decide nothing that a caller could not do itself; without them
//! (`Background::Caller`) the log works the same. Next door: `writer`, `pool`; below: `spawn`, which runs them.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tailwater_proto::Lsn;

use super::writer::{Intent, Log};
use crate::error::{Error, Result};
use crate::settings::{Settings, SyncMode};
use crate::spawn::{Call, Next, Task, Worker};
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::is_weakened;

/// How soon buffered records are written in sync mode `off`.
const OFF_WRITE_PERIOD: Duration = Duration::from_millis(100);

/// What the tasks wait for.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    workers: OnceLock<Workers>,
    /// A future waits for a leader.
    flush: AtomicBool,
    /// The flusher's clock runs: something was written or appended.
    armed: AtomicBool,
}

#[derive(Debug)]
struct Workers {
    flusher: Arc<dyn Worker>,
    preparer: Arc<dyn Worker>,
}

impl Signals {
    /// A future waits for a leader.
    pub(crate) fn flush(&self) {
        self.flush.store(true, Ordering::SeqCst);
        self.wake_flusher();
    }

    /// The next segment will be needed soon.
    pub(crate) fn prepare(&self) {
        if let Some(workers) = self.workers.get() {
            workers.preparer.wake();
        }
    }

    /// Something was appended or written: the flusher looks at it one period later.
    pub(crate) fn arm(&self) {
        let is_new =
            !self.armed.load(Ordering::Relaxed) && !self.armed.swap(true, Ordering::SeqCst);
        if is_new && !is_weakened("arm without waking") {
            self.wake_flusher();
        }
    }

    fn wake_flusher(&self) {
        if let Some(workers) = self.workers.get() {
            workers.flusher.wake();
        }
    }
}

/// Starts the tasks, if the settings name somebody who runs them.
pub(crate) fn start(log: &Arc<Log>) -> Result<()> {
    let Some(spawn) = log.settings.background.spawn() else {
        return Ok(());
    };
    let failed = |e| Error::io("start a thread for", &log.dir, e);
    let flusher = Flusher {
        log: Arc::clone(log),
        period: period(&log.settings),
        seen: Lsn::ZERO,
    };
    let flusher = spawn
        .spawn("wal-flush", Next::WhenWoken, Box::new(flusher))
        .map_err(failed)?;
    let preparer = Preparer {
        log: Arc::clone(log),
    };
    let preparer = spawn.spawn("wal-prepare", Next::WhenWoken, Box::new(preparer));
    let preparer = preparer.map_err(|e| {
        flusher.stop();
        failed(e)
    })?;
    // Called once for a log.
    _ = log.signals.workers.set(Workers { flusher, preparer });
    Ok(())
}

/// Stops the tasks and waits for their steps under way, except for the one it is called from.
pub(crate) fn stop(log: &Log) {
    if let Some(workers) = log.signals.workers.get() {
        workers.flusher.stop();
        workers.preparer.stop();
    }
}

fn period(settings: &Settings) -> Duration {
    match settings.sync {
        SyncMode::Commit => settings.confirm_after,
        SyncMode::Interval(period) => period,
        SyncMode::Off => OFF_WRITE_PERIOD,
    }
}

/// Leads for futures, and looks after what waits one period after it came.
struct Flusher {
    log: Arc<Log>,
    period: Duration,
    /// What was durable a period ago.
    seen: Lsn,
}

impl Task for Flusher {
    fn step(&mut self, call: Call) -> Next {
        let signals = &self.log.signals;
        if signals.flush.swap(false, Ordering::SeqCst) {
            while self.log.lead_for_futures() {}
        }
        if call == Call::Elapsed && tick(&self.log, &mut self.seen).is_err() {
            // A failure poisons the log; whoever waits or comes next is told.
            signals.armed.store(false, Ordering::SeqCst);
        }
        match signals.armed.load(Ordering::SeqCst) {
            true => Next::After(self.period),
            false => Next::WhenWoken,
        }
    }
}

fn tick(log: &Log, seen: &mut Lsn) -> Result<()> {
    match log.settings.sync {
        SyncMode::Commit => {
            let durable = log.durable_lsn();
            let is_quiet = std::mem::replace(seen, durable) == durable;
            if !is_quiet {
                return Ok(());
            }
            if log.has_pending() {
                log.confirm()?;
            }
        }
        SyncMode::Interval(_) => log.flush(Intent::Sync)?,
        SyncMode::Off => log.flush(Intent::AsSet)?,
    }
    // Whoever appends after this store arms again; whoever appended before it is seen here.
    log.signals.armed.store(false, Ordering::SeqCst);
    if log.has_pending() {
        log.signals.armed.store(true, Ordering::SeqCst);
    }
    Ok(())
}

/// Has the next segment ready.
struct Preparer {
    log: Arc<Log>,
}

impl Task for Preparer {
    fn step(&mut self, _: Call) -> Next {
        // A full disk shows when the segment is needed: `Wal::ensure_room` tells before anything is appended.
        _ = self.log.pool.prepare(|| self.log.durable_lsn());
        Next::WhenWoken
    }
}
