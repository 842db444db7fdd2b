//! The feed over the real log: slow readers across segments, retention, lazy modes, and tokens across a restart.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use tailwater_capture::{
    Event, Expected, Feed, FeedSettings, ResetReason, Selection, Start, SubscribeRequest,
    Subscription, Token, TokenError,
};
use tailwater_proto::{Change, Key, Lsn, Record, StorageId, encode_record};
use tailwater_wal::sync::Mutex;
use tailwater_wal::vfs::MemoryVfs;
use tailwater_wal::{Background, Settings, SyncMode, Wal};

const DATABASE: [u8; 16] = [9; 16];
const STORAGE: StorageId = StorageId(1);

/// A log and its feed, wired as an engine wires them.
struct Line {
    wal: Arc<Wal>,
    feed: Arc<Feed>,
    sequencer: Mutex<Lsn>,
}

impl Line {
    fn open(vfs: &MemoryVfs, sync: SyncMode) -> Self {
        let cell: Arc<OnceLock<Weak<Feed>>> = Arc::default();
        let hook = Box::new({
            let cell = Arc::clone(&cell);
            move |lsn| {
                if let Some(feed) = cell.get().and_then(Weak::upgrade) {
                    feed.publish(lsn, sync == SyncMode::Commit);
                }
            }
        });
        let settings = Settings {
            segment_bytes: 64 << 10,
            retain_bytes_max: 0,
            retain_age: Duration::ZERO,
            background: Background::Caller,
            seed: Some(1),
            sync,
            ..Settings::default()
        };
        let (wal, report) = Wal::recover(
            Arc::new(vfs.clone()),
            Path::new("/log"),
            settings,
            DATABASE,
            Lsn::ZERO,
            &mut |_, _| Ok(()),
            hook,
        )
        .unwrap();
        let few = FeedSettings {
            ring_records_max: 16,
            queue_frames_max: 4,
            ..FeedSettings::default()
        };
        let feed = Feed::new(few, DATABASE, wal.clone());
        cell.set(Arc::downgrade(&feed)).unwrap();
        Self {
            wal,
            feed,
            sequencer: Mutex::new(report.last_lsn),
        }
    }

    /// Commits one row of about 100 bytes; returns its number before it is acknowledged.
    fn commit(&self) -> Lsn {
        let mut last = self.sequencer.lock();
        let lsn = last.next();
        let change = Change {
            storage: STORAGE,
            schema_version: 1,
            key: Key::from(&lsn.0.to_be_bytes()[..]),
            before: None,
            after: Some([7; 100].into()),
        };
        let record = Record {
            base: vec![change],
            ..Record::default()
        };
        let bytes = encode_record((&record).into()).unwrap();
        self.feed.push(lsn, Arc::clone(&bytes));
        self.wal.append(lsn, bytes).unwrap();
        *last = lsn;
        lsn
    }

    fn commit_and_wait(&self) -> Lsn {
        let lsn = self.commit();
        self.wal.ticket(lsn).wait().unwrap();
        lsn
    }

    fn after(&self, lsn: u64) -> Subscription {
        let request = SubscribeRequest::new(Selection::whole(STORAGE), Start::After(Lsn(lsn)));
        self.feed.subscribe(request).unwrap()
    }

    fn check(&self, token: &Token) -> Result<Lsn, TokenError> {
        let selection = Selection::whole(STORAGE);
        let expected = Expected {
            selection: &selection,
            schema_version: 0,
            principal: "",
            policy_version: 0,
        };
        token.check(&self.feed, &expected)
    }
}

fn frames_now(subscription: &mut Subscription) -> Vec<u64> {
    let mut lsns = Vec::new();
    while let Some(event) = subscription.try_recv().unwrap() {
        if let Event::Frame(frame) = event {
            lsns.push(frame.lsn.0);
        }
    }
    lsns
}

#[test]
fn a_slow_reader_goes_through_many_segments_and_comes_back_to_its_queue() {
    let line = Line::open(&MemoryVfs::new(), SyncMode::Commit);
    let mut subscription = line.after(0);
    for _ in 0..300 {
        line.commit_and_wait(); // each group is padded to 4 KiB: 300 of them fill many segments
    }
    assert_eq!(frames_now(&mut subscription), (1..=300).collect::<Vec<_>>());
    assert!(line.feed.counters().log_reads > 200);
    line.commit_and_wait();
    assert_eq!(frames_now(&mut subscription), [301]);
}

#[test]
fn writers_in_groups_and_a_reader_with_a_short_queue_agree() {
    let line = Line::open(&MemoryVfs::new(), SyncMode::Commit);
    let mut subscription = line.after(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..250 {
                    line.commit_and_wait();
                }
            });
        }
        let mut expected = 1;
        while expected <= 1_000 {
            match subscription.recv().unwrap() {
                Event::Frame(frame) => {
                    assert_eq!(frame.lsn, Lsn(expected));
                    assert!(frame.durable);
                    expected += 1;
                }
                other => assert!(matches!(other, Event::Progress { .. }), "{other:?}"),
            }
        }
    });
}

#[test]
fn out_of_retention_is_a_reset_that_names_where_deltas_begin() {
    let line = Line::open(&MemoryVfs::new(), SyncMode::Commit);
    let mut subscription = line.after(0);
    for _ in 0..100 {
        line.commit_and_wait();
    }
    line.wal.release(Lsn(100)).unwrap();
    let Event::Reset {
        reason: ResetReason::Released,
        oldest,
    } = subscription.recv().unwrap()
    else {
        panic!("a reset")
    };
    assert_eq!(oldest, Lsn(line.wal.first_retained_lsn().0 - 1));
    assert_eq!(
        frames_now(&mut line.after(oldest.0)),
        (oldest.0 + 1..=100).collect::<Vec<_>>()
    );
}

#[test]
fn lazy_modes_feed_what_is_not_durable_and_say_so() {
    let line = Line::open(&MemoryVfs::new(), SyncMode::Off);
    let mut subscription = line.after(0);
    for _ in 0..100 {
        line.commit(); // far beyond the ring, while nothing was written yet
    }
    let mut lsns = Vec::new();
    while let Some(Event::Frame(frame)) = subscription.try_recv().unwrap() {
        assert!(!frame.durable);
        lsns.push(frame.lsn.0);
    }
    assert_eq!(lsns, (1..=100).collect::<Vec<_>>());
}

#[test]
fn a_token_goes_on_after_a_restart_and_is_refused_when_a_crash_took_its_commit_back() {
    let vfs = MemoryVfs::new();
    let line = Line::open(&vfs, SyncMode::Off);
    let mut subscription = line.after(0);
    for _ in 0..3 {
        line.commit();
    }
    line.wal.flush().unwrap();
    line.commit();
    line.commit();
    let mut tokens = Vec::new();
    while let Some(Event::Frame(frame)) = subscription.try_recv().unwrap() {
        tokens.push(frame.token.to_string().parse::<Token>().unwrap());
    }
    assert_eq!(tokens.len(), 5);
    let crashed = vfs.crash();
    drop((subscription, line));

    let line = Line::open(&crashed, SyncMode::Off);
    let kept = line.feed.published();
    assert_eq!(kept, Lsn(3));
    // What was lost was not confirmed: its numbers mean something else from here on, which the log knows by itself.
    for _ in 0..4 {
        line.commit();
    }
    assert_eq!(line.check(&tokens[1]), Ok(Lsn(2)));
    assert_eq!(line.check(&tokens[2]), Ok(Lsn(3)));
    assert_eq!(
        line.check(&tokens[3]),
        Err(TokenError::Forked { at: Lsn(4) })
    );
    let mut subscription = line.after(2);
    assert_eq!(frames_now(&mut subscription), [3, 4, 5, 6, 7]);
    assert_eq!(subscription.token().epoch, tokens[0].epoch + 1);
}
