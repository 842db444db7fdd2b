//! A group of records that become durable together, and the ticket with which a caller waits for one.
//!
//! The first waiter leads: it writes and syncs on its own thread while the next group fills. When it is done it asks a
//! waiter of that next group to lead, who lets those go first that bring more. There is no timer, and a waiter never gives up.
//! Next door: `writer`, which does the leading.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
#[cfg(not(shuttle))]
use std::time::{Duration, Instant};

use tailwater_proto::Lsn;

use super::writer::Log;
use crate::error::{Error, Failure, Result};
use crate::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use crate::sync::{Condvar, Mutex, is_weakened, spin_loop};

/// A group that has not grown for so long is taken as it is: others commit in a few microseconds, if they do at all.
#[cfg(not(shuttle))]
const PAUSE_MAX: Duration = Duration::from_micros(4);
/// A group that grows is let grow for so long: a part of what a sync takes.
#[cfg(not(shuttle))]
const GROWTH_MAX: Duration = Duration::from_micros(60);

const WAITING: u8 = 0;
const DURABLE: u8 = 1;
const FAILED: u8 = 2;

/// Records that are written and synced together.
#[derive(Debug, Default)]
pub(crate) struct Group {
    outcome: AtomicU8,
    /// A leader has it: nothing is added any more.
    is_closed: AtomicBool,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    failure: Option<Arc<Failure>>,
    /// One waiter is asked to lead; of so many.
    asked_of: Option<usize>,
    wakers: Vec<Waker>,
}

/// What a blocked waiter was woken for.
pub(crate) enum Woken {
    /// The group is settled.
    Settled(Result<()>),
    /// The waiter shall lead, if nobody does; so many waited when it was asked.
    Asked(usize),
}

impl Group {
    /// How it ended, if it has.
    pub(crate) fn outcome(&self) -> Option<Result<()>> {
        match self.outcome.load(Ordering::Acquire) {
            WAITING => None,
            DURABLE => Some(Ok(())),
            _ => Some(self.state.lock().failure()),
        }
    }

    /// Nothing is added from now on.
    pub(crate) fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
    }

    /// Comes back when nothing more is added, for the moment: `size` stays the same. Whoever was acknowledged just now is
    /// about to add the next record, and one sync for all is sooner done than two.
    #[cfg(not(shuttle))]
    pub(crate) fn let_grow(&self, size: impl Fn() -> u64) {
        let begun = Instant::now();
        let (mut seen, mut changed) = (size(), begun);
        // Who yields may be away for long if others have something to compute: so it looks again and again.
        while !self.is_closed.load(Ordering::Acquire) {
            spin_loop();
            let (size, now) = (size(), Instant::now());
            if size != seen {
                (seen, changed) = (size, now);
            }
            if now - changed >= PAUSE_MAX || now - begun >= GROWTH_MAX {
                return;
            }
        }
    }

    /// The same where there is no time: it comes back when the schedule likes.
    #[cfg(shuttle)]
    pub(crate) fn let_grow(&self, _: impl Fn() -> u64) {
        if !self.is_closed.load(Ordering::Acquire) {
            spin_loop();
        }
    }

    /// Settles the group and wakes everyone.
    pub(crate) fn settle(&self, failure: Option<Arc<Failure>>) {
        let mut state = self.state.lock();
        let outcome = if failure.is_some() { FAILED } else { DURABLE };
        state.failure = failure;
        self.outcome.store(outcome, Ordering::Release);
        let wakers = std::mem::take(&mut state.wakers);
        drop(state);
        if !is_weakened("settle a group without a notice") {
            self.changed.notify_all();
        }
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Asks one of so many waiters to lead: at least one, unless the group is led already.
    pub(crate) fn ask_to_lead(&self, waiters: usize) {
        self.state.lock().asked_of = Some(waiters);
        self.changed.notify_one();
    }

    /// Blocks until the group is settled or this waiter is asked to lead.
    pub(crate) fn block(&self) -> Woken {
        let mut state = self.state.lock();
        loop {
            if self.outcome.load(Ordering::Relaxed) != WAITING {
                return Woken::Settled(state.failure());
            }
            if let Some(waiters) = state.asked_of.take() {
                return Woken::Asked(waiters);
            }
            self.changed.wait(&mut state);
        }
    }

    /// Keeps the waker until the group is settled; `None` when it is.
    fn register(&self, waker: &Waker) -> Option<()> {
        let mut state = self.state.lock();
        if self.outcome.load(Ordering::Relaxed) != WAITING {
            return None;
        }
        if !state.wakers.iter().any(|known| known.will_wake(waker)) {
            state.wakers.push(waker.clone());
        }
        Some(())
    }

    /// Wakes all futures, so that one of them leads.
    pub(crate) fn wake_futures(&self) {
        let wakers = std::mem::take(&mut self.state.lock().wakers);
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl State {
    fn failure(&self) -> Result<()> {
        self.failure
            .clone()
            .map_or(Ok(()), |failure| Err(Error::CommitOutcomeUnknown(failure)))
    }
}

/// The promise that a record will be acknowledged: wait for it, or poll it as a future.
///
/// Dropping it is fine: the record is written with others or at the latest by a flush.
#[derive(Debug)]
#[must_use = "the commit is acknowledged only when its ticket has been waited for"]
pub struct Ticket {
    log: Arc<Log>,
    lsn: Lsn,
    group: Promise,
}

#[derive(Debug)]
pub(crate) enum Promise {
    /// Acknowledged already.
    Kept,
    /// When this group is settled.
    Group(Arc<Group>),
    /// Never: the log had failed.
    Broken(Arc<Failure>),
}

impl Ticket {
    pub(crate) fn new(log: Arc<Log>, lsn: Lsn, group: Promise) -> Self {
        Self { log, lsn, group }
    }

    /// The record this ticket is for.
    #[must_use]
    pub fn lsn(&self) -> Lsn {
        self.lsn
    }

    /// Whether the record is written and synced, whatever the mode.
    #[must_use]
    pub fn is_durable(&self) -> bool {
        self.lsn <= self.log.durable_lsn()
    }

    /// Blocks until the record is acknowledged: durable in sync mode `commit`, at once in the others.
    ///
    /// # Errors
    /// [`Error::CommitOutcomeUnknown`] when writing or syncing failed.
    pub fn wait(self) -> Result<()> {
        let group = match &self.group {
            Promise::Kept => return Ok(()),
            Promise::Broken(failure) => return Err(Error::CommitOutcomeUnknown(failure.clone())),
            Promise::Group(group) => group,
        };
        if let Some(outcome) = group.outcome() {
            return outcome;
        }
        self.log.lead_or_join(self.log.lock_queue(), group)
    }
}

impl Future for Ticket {
    type Output = Result<()>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let group = match &self.group {
            Promise::Kept => return Poll::Ready(Ok(())),
            Promise::Broken(failure) => {
                return Poll::Ready(Err(Error::CommitOutcomeUnknown(failure.clone())));
            }
            Promise::Group(group) => group,
        };
        if group.register(context.waker()).is_some() {
            self.log.ask_for_leader(group);
        }
        // In `Background::Caller` asking may have settled it here and now.
        group.outcome().map_or(Poll::Pending, Poll::Ready)
    }
}
