//! The work nobody waits for: preparing segments, flushing for futures and intervals, confirming when idle.
//!
//! Two threads, woken by signals. They decide nothing that a caller could not do itself; without them
//! (`Background::Caller`) the log works the same. Next door: `writer`, `pool`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tailwater_proto::Lsn;

use super::writer::{Intent, Log};
use crate::error::{Error, Result};
use crate::settings::{Background, Settings, SyncMode};
use crate::sync::{Condvar, Mutex};

/// How soon buffered records are written in sync mode `off`.
const OFF_WRITE_PERIOD: Duration = Duration::from_millis(100);

/// What the threads wait for.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    state: Mutex<State>,
    flusher: Condvar,
    preparer: Condvar,
    /// The flusher's clock runs: something was written or appended.
    armed: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    flush: bool,
    prepare: bool,
    stop: bool,
}

enum Work {
    Futures,
    Tick,
    Stop,
}

impl Signals {
    /// A future waits for a leader.
    pub(crate) fn flush(&self) {
        self.state.lock().flush = true;
        self.flusher.notify_one();
    }

    /// The next segment will be needed soon.
    pub(crate) fn prepare(&self) {
        self.state.lock().prepare = true;
        self.preparer.notify_one();
    }

    /// Something was appended or written: the flusher looks at it one period later.
    pub(crate) fn arm(&self) {
        if !self.armed.load(Ordering::Relaxed) && !self.armed.swap(true, Ordering::SeqCst) {
            drop(self.state.lock());
            self.flusher.notify_one();
        }
    }

    pub(crate) fn stop(&self) {
        self.state.lock().stop = true;
        self.flusher.notify_all();
        self.preparer.notify_all();
    }

    fn next_work(&self, period: Duration, tick_at: &mut Option<Instant>) -> Work {
        let mut state = self.state.lock();
        loop {
            if state.stop {
                return Work::Stop;
            }
            if std::mem::take(&mut state.flush) {
                return Work::Futures;
            }
            if !self.armed.load(Ordering::SeqCst) {
                *tick_at = None;
                self.flusher.wait(&mut state);
                continue;
            }
            let at = *tick_at.get_or_insert_with(|| Instant::now() + period);
            if self.flusher.wait_until(&mut state, at).timed_out() {
                *tick_at = None;
                return Work::Tick;
            }
        }
    }

    fn wait_for_prepare(&self) -> bool {
        let mut state = self.state.lock();
        while !state.stop && !state.prepare {
            self.preparer.wait(&mut state);
        }
        state.prepare = false;
        !state.stop
    }
}

/// Starts the threads that the settings ask for.
pub(crate) fn start(log: &Arc<Log>) -> Result<Vec<JoinHandle<()>>> {
    if log.settings.background == Background::Caller {
        return Ok(Vec::new());
    }
    let mut threads = Vec::new();
    for (name, run) in [
        ("wal-flush", run_flusher as fn(&Log)),
        ("wal-prepare", run_preparer),
    ] {
        let shared = Arc::clone(log);
        let started = thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || run(&shared));
        match started {
            Ok(thread) => threads.push(thread),
            Err(e) => {
                stop(log, threads);
                return Err(Error::io("start a thread for", &log.dir, e));
            }
        }
    }
    Ok(threads)
}

/// Stops the threads and waits for them, except for the one it runs on.
pub(crate) fn stop(log: &Log, threads: Vec<JoinHandle<()>>) {
    log.signals.stop();
    for thread in threads {
        if thread.thread().id() != thread::current().id() {
            // A panic there has poisoned the log already.
            _ = thread.join();
        }
    }
}

fn period(settings: &Settings) -> Duration {
    match settings.sync {
        SyncMode::Commit => settings.confirm_after,
        SyncMode::Interval(period) => period,
        SyncMode::Off => OFF_WRITE_PERIOD,
    }
}

fn run_flusher(log: &Log) {
    let period = period(&log.settings);
    let mut tick_at = None;
    let mut seen = Lsn::ZERO;
    loop {
        match log.signals.next_work(period, &mut tick_at) {
            Work::Stop => return,
            Work::Futures => while log.lead_for_futures() {},
            // A failure poisons the log; whoever waits or comes next is told.
            Work::Tick if tick(log, &mut seen).is_err() => {
                log.signals.armed.store(false, Ordering::SeqCst);
            }
            Work::Tick => {}
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

fn run_preparer(log: &Log) {
    while log.signals.wait_for_prepare() {
        // A full disk shows when the segment is needed: `Wal::ensure_room` tells before anything is appended.
        _ = log.pool.prepare(|| log.durable_lsn());
    }
}
