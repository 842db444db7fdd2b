//! Measures the feed against its bare twin: commit → subscriber beside one channel hop, and what `push` and `publish`
//! cost without subscriptions and among 100,000 keyed ones.
//!
//! `cargo run --release -p tailwater-capture --example hop`
#![expect(clippy::print_stdout, reason = "it is what the example is for")]
#![expect(clippy::unwrap_used, reason = "a measurement that fails shall stop")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use tailwater_capture::{
    Event, Feed, FeedSettings, LogCursor, LogError, LogTail, Selection, Start, SubscribeRequest,
};
use tailwater_proto::{Change, Key, Lsn, Record, StorageId, encode_record};
use tailwater_wal::sync::Mutex;

/// A log that could give back everything, and is never asked to.
struct Unread;

impl LogTail for Unread {
    fn epoch_history(&self) -> Vec<(u32, Lsn)> {
        vec![(1, Lsn(1))]
    }
    fn oldest(&self) -> Lsn {
        Lsn::ZERO
    }
    fn newest(&self) -> Lsn {
        Lsn::ZERO
    }
    fn read_after(&self, lsn: Lsn) -> Result<Box<dyn LogCursor>, LogError> {
        Err(LogError::Released { oldest: lsn.next() })
    }
}

const STORAGE: StorageId = StorageId(1);
const HOPS: usize = 2_000;

fn record(number: u64) -> Arc<[u8]> {
    let change = Change {
        storage: STORAGE,
        schema_version: 1,
        key: Key::from(&number.to_be_bytes()[..]),
        before: None,
        after: Some([7; 120].into()),
    };
    encode_record(
        (&Record {
            base: vec![change],
            ..Record::default()
        })
            .into(),
    )
    .unwrap()
}

fn feed() -> Arc<Feed> {
    Feed::new(FeedSettings::default(), [0; 16], Arc::new(Unread))
}

/// Lets a receiver fall asleep before the next hop, as between commits that wait for a disk. Sleeps itself, so that
/// on a small machine the receiver is not kept from its core.
fn pause() {
    std::thread::sleep(Duration::from_micros(150));
}

/// One hop by itself: the sending thread hands over an instant, the receiving one says how long it took.
struct Hops(Vec<u64>);

impl Hops {
    fn percentile(&mut self, percent: usize) -> u64 {
        self.0.sort_unstable();
        self.0
            .get(self.0.len() * percent / 100)
            .copied()
            .unwrap_or_default()
    }
}

/// Bare channels and the feed, one hop each in turn, so that all meet the same weather.
fn hops() -> (Hops, Hops) {
    let (sender, receiver) = crossbeam_channel::bounded::<(Instant, Arc<[u8]>)>(1_024);
    let channel_reader = std::thread::spawn(move || {
        Hops(
            receiver
                .iter()
                .map(|(sent, _)| sent.elapsed().as_nanos() as u64)
                .collect(),
        )
    });

    let feed = feed();
    let request = SubscribeRequest::new(Selection::whole(STORAGE), Start::After(Lsn::ZERO));
    let mut subscription = feed.subscribe(request).unwrap();
    let sent_at = Arc::new(Mutex::new(Instant::now()));
    let feed_reader = std::thread::spawn({
        let sent_at = Arc::clone(&sent_at);
        move || {
            let mut hops = Vec::with_capacity(HOPS);
            while hops.len() < HOPS {
                if let Event::Frame(frame) = subscription.recv().unwrap() {
                    let received = Instant::now();
                    assert_eq!(frame.changes.len(), 1);
                    hops.push((received - *sent_at.lock()).as_nanos() as u64);
                }
            }
            Hops(hops)
        }
    });
    for number in 1..=HOPS as u64 {
        let record = record(number);
        feed.push(Lsn(number), Arc::clone(&record));
        pause();
        sender.send((Instant::now(), record)).unwrap();
        pause();
        *sent_at.lock() = Instant::now();
        feed.publish(Lsn(number), true);
    }
    drop(sender);
    (channel_reader.join().unwrap(), feed_reader.join().unwrap())
}

/// Nanoseconds for one push and one publish among so many keyed subscriptions, none of them concerned.
fn commit_cost(subscriptions: u64) -> u64 {
    const COMMITS: u64 = 50_000;
    let feed = feed();
    let sleeping: Vec<_> = (0..subscriptions)
        .map(|number| {
            let key = Key::from(&(u64::MAX - number).to_be_bytes()[..]);
            let request =
                SubscribeRequest::new(Selection::key(STORAGE, key), Start::After(Lsn::ZERO));
            feed.subscribe(request).unwrap()
        })
        .collect();
    let record = record(1);
    let begun = Instant::now();
    for number in 1..=COMMITS {
        feed.push(Lsn(number), Arc::clone(&record));
        feed.publish(Lsn(number), true);
    }
    let cost = begun.elapsed().as_nanos() as u64 / COMMITS;
    assert_eq!(sleeping.len() as u64, subscriptions);
    cost
}

fn main() {
    for round in 1..=3 {
        let (mut bare, mut fed) = hops();
        for (name, percent) in [("p50", 50), ("p99", 99)] {
            let (bare, fed) = (bare.percentile(percent), fed.percentile(percent));
            let ratio = fed as f64 / bare as f64;
            println!("round {round} {name}: channel {bare} ns, feed {fed} ns, {ratio:.2} x");
        }
    }
    for subscriptions in [0, 1, 1_000, 100_000] {
        println!(
            "push + publish among {subscriptions}: {} ns",
            commit_cost(subscriptions)
        );
    }
}
