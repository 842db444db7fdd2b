//! `Mailbox`: the bounded queue between the feed and one subscription, and the door at which the latter sleeps.
//!
//! Holds numbers of commits, no bytes. When it is full it marks its owner as behind instead of growing or waiting:
//! the owner then reads on by itself. A sleeping owner costs nothing. Next door: `router`, `subscription`.

use std::collections::VecDeque;
use std::task::Waker;
use std::time::Instant;

use tailwater_proto::Lsn;
use tailwater_wal::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tailwater_wal::sync::{Condvar, Mutex, MutexGuard, is_weakened};

use crate::event::ResetReason;

pub(crate) struct Mailbox {
    /// The last commit offered: several changes of one commit make one entry. Written under the router's lock only.
    offered: AtomicU64,
    /// What is queued may not be handed out any more.
    revoked: AtomicBool,
    state: Mutex<State>,
    ready: Condvar,
}

struct State {
    queue: VecDeque<Lsn>,
    behind: bool,
    end: Option<End>,
    parked: bool,
    waker: Option<Waker>,
}

/// Why nothing more will come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Closed,
    Reset(ResetReason),
}

/// What became of an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offer {
    Queued,
    /// The queue was full: from this commit on the owner is behind.
    Overflowed,
    /// The owner is behind or gone and reads for itself.
    Ignored,
    /// The same commit again.
    Repeated,
}

/// What the owner finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    Lsn(Lsn),
    /// Nothing queued, and later commits were not queued either.
    Behind,
    End(End),
    Empty,
}

impl Mailbox {
    pub(crate) fn new() -> Self {
        Self {
            offered: AtomicU64::new(0),
            revoked: AtomicBool::new(false),
            state: Mutex::new(State {
                queue: VecDeque::new(),
                behind: false,
                end: None,
                parked: false,
                waker: None,
            }),
            ready: Condvar::new(),
        }
    }

    /// Queues a commit and wakes the owner, or marks it as behind. Called in the order of commits, under the router's
    /// lock; never waits for the owner.
    pub(crate) fn offer(&self, lsn: Lsn, frames_max: usize) -> Offer {
        if self.offered.swap(lsn.0, Ordering::Relaxed) == lsn.0 {
            return Offer::Repeated;
        }
        let mut state = self.state.lock();
        if state.behind || state.end.is_some() {
            return Offer::Ignored;
        }
        let offer = if state.queue.len() < frames_max {
            state.queue.push_back(lsn);
            Offer::Queued
        } else {
            state.behind = true;
            Offer::Overflowed
        };
        self.wake(state);
        offer
    }

    /// Ends the subscription once what is queued has been taken; if `revoked`, at once. The first end counts.
    pub(crate) fn end(&self, end: End) {
        let mut state = self.state.lock();
        if state.end.is_none() {
            state.end = Some(end);
        }
        if end == End::Reset(ResetReason::PolicyChanged) {
            state.end = Some(end);
            self.revoked.store(true, Ordering::Release);
        }
        self.wake(state);
    }

    fn wake(&self, mut state: MutexGuard<'_, State>) {
        let parked = std::mem::take(&mut state.parked);
        let waker = state.waker.take();
        drop(state);
        if is_weakened("offer without waking") {
            return;
        }
        if parked {
            self.ready.notify_one();
        }
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// The end, if it may not wait for what is queued.
    pub(crate) fn revoked(&self) -> Option<End> {
        if self.revoked.load(Ordering::Acquire) {
            self.ended()
        } else {
            None
        }
    }

    /// The end, if there is one, whatever is queued.
    pub(crate) fn ended(&self) -> Option<End> {
        self.state.lock().end
    }

    pub(crate) fn take(&self) -> Taken {
        let mut state = self.state.lock();
        match state.queue.pop_front() {
            Some(lsn) => Taken::Lsn(lsn),
            None if state.behind => Taken::Behind,
            None => state.end.map_or(Taken::Empty, Taken::End),
        }
    }

    /// Begins anew with an empty queue. Called under the router's lock, so that the owner knows which commit will be
    /// the first to be offered again.
    pub(crate) fn rejoin(&self) {
        let mut state = self.state.lock();
        state.queue.clear();
        state.behind = false;
    }

    /// Whether there is nothing to be taken now.
    pub(crate) fn is_empty(&self) -> bool {
        self.state.lock().is_empty()
    }

    /// Sleeps until there is something to be taken; `false` if `deadline` passes first.
    pub(crate) fn wait(&self, deadline: Option<Instant>) -> bool {
        let mut state = self.state.lock();
        while state.is_empty() {
            state.parked = true;
            match deadline {
                None => self.ready.wait(&mut state),
                Some(deadline) => {
                    if self.ready.wait_until(&mut state, deadline).timed_out() {
                        state.parked = false;
                        return !state.is_empty();
                    }
                }
            }
        }
        true
    }

    /// Leaves a waker to be called when there is something to be taken; `false` if there already is.
    pub(crate) fn register(&self, waker: &Waker) -> bool {
        let is_blind = is_weakened("leave a waker without a look");
        let mut state = self.state.lock();
        if !state.is_empty() && !is_blind {
            return false;
        }
        match &mut state.waker {
            Some(left) if left.will_wake(waker) => {}
            left => *left = Some(waker.clone()),
        }
        true
    }
}

impl State {
    fn is_empty(&self) -> bool {
        self.queue.is_empty() && !self.behind && self.end.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overflow_keeps_what_is_queued_and_nothing_after() {
        let mailbox = Mailbox::new();
        assert_eq!(mailbox.offer(Lsn(1), 2), Offer::Queued);
        assert_eq!(mailbox.offer(Lsn(1), 2), Offer::Repeated);
        assert_eq!(mailbox.offer(Lsn(3), 2), Offer::Queued);
        assert_eq!(mailbox.offer(Lsn(4), 2), Offer::Overflowed);
        assert_eq!(mailbox.take(), Taken::Lsn(Lsn(1)));
        assert_eq!(mailbox.offer(Lsn(5), 2), Offer::Ignored);
        assert_eq!(mailbox.take(), Taken::Lsn(Lsn(3)));
        assert_eq!(mailbox.take(), Taken::Behind);
        mailbox.rejoin();
        assert_eq!(mailbox.take(), Taken::Empty);
        assert_eq!(mailbox.offer(Lsn(6), 2), Offer::Queued);
        assert_eq!(mailbox.take(), Taken::Lsn(Lsn(6)));
    }

    #[test]
    fn an_end_waits_for_the_queue_unless_it_revokes() {
        let mailbox = Mailbox::new();
        mailbox.offer(Lsn(1), 8);
        mailbox.end(End::Closed);
        assert_eq!(mailbox.revoked(), None);
        assert_eq!(mailbox.offer(Lsn(2), 8), Offer::Ignored);
        assert_eq!(mailbox.take(), Taken::Lsn(Lsn(1)));
        assert_eq!(mailbox.take(), Taken::End(End::Closed));
        mailbox.end(End::Reset(ResetReason::PolicyChanged));
        assert_eq!(
            mailbox.revoked(),
            Some(End::Reset(ResetReason::PolicyChanged))
        );
    }

    #[test]
    fn a_waiter_is_woken_and_a_deadline_passes() {
        let mailbox = std::sync::Arc::new(Mailbox::new());
        assert!(!mailbox.wait(Some(Instant::now())));
        let sleeper = std::thread::spawn({
            let mailbox = std::sync::Arc::clone(&mailbox);
            move || (mailbox.wait(None), mailbox.take())
        });
        mailbox.offer(Lsn(9), 8);
        assert_eq!(sleeper.join().unwrap(), (true, Taken::Lsn(Lsn(9))));
    }
}
