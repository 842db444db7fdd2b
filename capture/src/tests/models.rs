//! The feed's own code under chosen schedules: sequencer, publisher and subscribers meet at ring, router and mailboxes.
//!
//! However they interleave, each subscriber hears each commit that concerns it once and in order, and sleeps only when
//! there is nothing for it. Each model has weakened twins, which it must report. Built with `--cfg shuttle` only;
//! `.ci/models` runs them. Next door: `tailwater_wal::sync::model`.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use tailwater_wal::sync::atomic::{AtomicU64, Ordering};
use tailwater_wal::sync::model::{JoinHandle, block_on, explore, must_notice, spawn, yield_now};

use super::*;
use crate::Error;
use crate::testing::seeds;

/// Schedules of each kind that a model runs, and that a weakened one has to be noticed in.
const SCHEDULES: usize = 1_000;
/// Commits of one run; every third one concerns nobody.
const LAST: u64 = 6;

fn seed() -> u64 {
    seeds(1).into_iter().next().unwrap()
}

/// So small that a subscriber falls out of its queue and out of the ring; only events end a sleep.
fn tight() -> FeedSettings {
    FeedSettings {
        ring_records_max: 1,
        queue_frames_max: 1,
        progress_after: Duration::MAX,
        ..FeedSettings::default()
    }
}

fn concerns(lsn: u64) -> bool {
    !lsn.is_multiple_of(3)
}

/// A feed whose commits come from two threads: one sequences and logs, the other publishes what is logged.
struct River {
    feed: Arc<Feed>,
    /// How many commits come.
    last: u64,
    threads: Vec<JoinHandle<()>>,
}

impl River {
    fn new(last: u64) -> Self {
        let log = TestLog::new(&[(1, 1)]);
        let feed = Feed::new(tight(), DATABASE, Arc::new(log.clone()));
        let logged = Arc::new(AtomicU64::new(0));
        let (pushes, appended) = (Arc::clone(&feed), Arc::clone(&logged));
        let sequencer = spawn(move || {
            for lsn in 1..=last {
                let storage = if concerns(lsn) { 1 } else { 2 };
                let bytes = record(&[change(storage, b"k", None, Some(b"row"))]);
                pushes.push(Lsn(lsn), Arc::clone(&bytes));
                log.append(bytes);
                appended.store(lsn, Ordering::SeqCst);
            }
        });
        let publishes = Arc::clone(&feed);
        let publisher = spawn(move || {
            let mut published = 0;
            while published < last {
                let upto = logged.load(Ordering::SeqCst);
                if upto == published {
                    yield_now();
                } else {
                    publishes.publish(Lsn(upto), true);
                    published = upto;
                }
            }
        });
        Self {
            feed,
            last,
            threads: vec![sequencer, publisher],
        }
    }

    /// A subscriber on a thread of its own.
    fn subscriber(&mut self, hear: fn(Subscription, u64, &mut Vec<u64>)) {
        let (feed, last) = (Arc::clone(&self.feed), self.last);
        self.threads.push(spawn(move || {
            let request = SubscribeRequest::new(whole(1), Start::After(Lsn::ZERO));
            let mut heard = Vec::new();
            hear(feed.subscribe(request).unwrap(), last, &mut heard);
            assert_eq!(
                heard,
                (1..=last).filter(|lsn| concerns(*lsn)).collect::<Vec<_>>()
            );
        }));
    }

    fn end(self) {
        for thread in self.threads {
            thread.join().unwrap();
        }
    }
}

/// Whether it heard the last commit that concerns it.
fn heard_all(heard: &[u64], last: u64) -> bool {
    heard.last().copied() == (1..=last).rfind(|lsn| concerns(*lsn))
}

fn sleeps(mut subscription: Subscription, last: u64, heard: &mut Vec<u64>) {
    while !heard_all(heard, last) {
        if let Event::Frame(frame) = subscription.recv().unwrap() {
            heard.push(frame.lsn.0);
        }
    }
}

fn is_polled(subscription: Subscription, last: u64, heard: &mut Vec<u64>) {
    let mut stream = subscription.into_stream();
    block_on(async {
        while !heard_all(heard, last) {
            let event = poll_fn(|context| Pin::new(&mut stream).poll_next(context)).await;
            if let Event::Frame(frame) = event.unwrap().unwrap() {
                heard.push(frame.lsn.0);
            }
        }
    });
}

/// Looks in from time to time, and takes the position it is told for true.
fn looks_in(mut subscription: Subscription, last: u64, heard: &mut Vec<u64>) {
    let mut position = 0;
    while position < last {
        match subscription.try_recv().unwrap() {
            Some(Event::Frame(frame)) => {
                assert!(frame.lsn.0 > position, "told of {position} before");
                heard.push(frame.lsn.0);
                position = frame.lsn.0;
            }
            Some(_) => {}
            None => match subscription.progress() {
                Some(Event::Progress { lsn, .. }) => position = lsn.0,
                _ => yield_now(),
            },
        }
    }
}

fn sleepers() {
    let mut river = River::new(LAST);
    river.subscriber(sleeps);
    river.subscriber(is_polled);
    river.end();
}

/// One commit, after which nothing wakes anyone any more.
fn the_last_commit() {
    let mut river = River::new(1);
    river.subscriber(sleeps);
    river.subscriber(is_polled);
    river.end();
}

fn onlookers() {
    let mut river = River::new(LAST);
    river.subscriber(looks_in);
    river.end();
}

#[test]
fn whoever_sleeps_is_woken_for_each_commit_once() {
    explore(seed(), SCHEDULES, sleepers);
    explore(seed(), SCHEDULES, the_last_commit);
}

#[test]
fn a_position_is_never_ahead_of_what_was_heard() {
    explore(seed(), SCHEDULES, onlookers);
}

#[test]
fn sleepers_notice() {
    for weakened in [
        "learn the seam before joining",
        "rejoin behind the router's back",
        "let go of what nobody has seen",
    ] {
        must_notice(weakened, seed(), SCHEDULES, sleepers);
    }
    for weakened in ["offer without waking", "leave a waker without a look"] {
        must_notice(weakened, seed(), SCHEDULES, the_last_commit);
    }
}

#[test]
fn onlookers_notice() {
    must_notice("publish before routing", seed(), SCHEDULES, onlookers);
}

/// The feed is closed under a sleeper: it hears a prefix of what was published, then the end.
fn closing() {
    let river = River::new(LAST);
    let feed = Arc::clone(&river.feed);
    let request = SubscribeRequest::new(whole(1), Start::After(Lsn::ZERO));
    let mut subscription = feed.subscribe(request).unwrap();
    let sleeper = spawn(move || {
        let mut heard = Vec::new();
        loop {
            match subscription.recv() {
                Ok(Event::Frame(frame)) => heard.push(frame.lsn.0),
                Ok(_) => {}
                Err(Error::Closed) => break,
                Err(error) => panic!("{error}"),
            }
        }
        let all = (1..=LAST).filter(|lsn| concerns(*lsn));
        assert!(all.take(heard.len()).eq(heard));
    });
    feed.close();
    sleeper.join().unwrap();
    river.end();
}

#[test]
fn a_closed_feed_wakes_whoever_sleeps() {
    explore(seed(), SCHEDULES, closing);
    must_notice("offer without waking", seed(), SCHEDULES, closing);
}
