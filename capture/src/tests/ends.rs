//! How subscriptions end, how they sleep and wake, and what a frame says of durability.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use super::*;
use crate::{Error, ResetReason, SnapshotRow};

#[test]
fn a_closed_feed_gives_what_was_published_and_ends() {
    let mut dam = Dam::new(FeedSettings::default());
    let subscription = dam.after(0, whole(1));
    dam.commit(1, b"a");
    dam.commit(1, b"b");
    dam.feed.close();
    let lsns: Vec<_> = subscription
        .map(|event| frame(event.unwrap()).lsn.0)
        .collect();
    assert_eq!(lsns, [1, 2]);
    let request = SubscribeRequest::new(whole(1), Start::After(Lsn(0)));
    assert!(matches!(dam.feed.subscribe(request), Err(Error::Closed)));
}

#[test]
fn a_replaced_storage_resets_those_who_selected_it_after_their_frames() {
    let mut dam = Dam::new(FeedSettings::default());
    let (mut one, mut two) = (dam.after(0, whole(1)), dam.after(0, whole(2)));
    assert!(frames_now(&mut one).is_empty());
    dam.commit(1, b"a");
    dam.feed.reset(&[StorageId(1)], ResetReason::Replaced);
    assert_eq!(frame(one.recv().unwrap()).lsn, Lsn(1));
    assert!(matches!(
        one.recv().unwrap(),
        Event::Reset {
            reason: ResetReason::Replaced,
            ..
        }
    ));
    assert!(matches!(one.recv(), Err(Error::Closed)));
    assert!(frames_now(&mut two).is_empty());
}

#[test]
fn a_changed_policy_stops_what_is_queued() {
    let mut dam = Dam::new(FeedSettings::default());
    let mut subscription = dam.after(0, whole(1));
    assert!(frames_now(&mut subscription).is_empty());
    dam.commit(1, b"a");
    dam.feed.reset(&[StorageId(1)], ResetReason::PolicyChanged);
    assert!(matches!(
        subscription.recv().unwrap(),
        Event::Reset {
            reason: ResetReason::PolicyChanged,
            ..
        }
    ));
}

#[test]
fn nothing_is_fed_before_it_is_published_and_frames_say_whether_they_last() {
    let mut dam = Dam::new(FeedSettings::default());
    let mut subscription = dam.after(0, whole(1));
    let bytes = record(&[change(1, b"k", None, Some(b"row"))]);
    dam.feed.push(Lsn(1), Arc::clone(&bytes));
    dam.feed.push(Lsn(2), bytes);
    assert_eq!(subscription.try_recv().unwrap(), None);
    dam.feed.publish(Lsn(1), false);
    assert!(!frame(subscription.recv().unwrap()).durable);
    dam.feed.publish(Lsn(1), true);
    dam.feed.publish(Lsn(2), true);
    assert!(frame(subscription.recv().unwrap()).durable);
    dam.last = 2;
}

#[test]
fn a_snapshot_comes_first_in_batches_and_only_what_is_selected() {
    let mut dam = Dam::new(FeedSettings {
        snapshot_rows_max: 2,
        ..FeedSettings::default()
    });
    dam.commit(1, b"a");
    let rows = |storage, keys: &[&[u8]]| -> Vec<SnapshotRow> {
        keys.iter()
            .map(|k| (StorageId(storage), key(k), Arc::from(&b"row"[..])))
            .collect()
    };
    let mut given = rows(1, &[b"a", b"b", b"c"]);
    given.extend(rows(2, &[b"x"]));
    let start = Start::SnapshotThenDeltas {
        lsn: Lsn(1),
        rows: Box::new(given.into_iter()),
    };
    let mut subscription = dam
        .feed
        .subscribe(SubscribeRequest::new(whole(1), start))
        .unwrap();
    dam.commit(1, b"d");
    let mut events: Vec<Event> = Vec::new();
    while let Some(event) = subscription.try_recv().unwrap() {
        events.push(event);
    }
    let [begin, first, second, end, delta] = events.as_slice() else {
        panic!("{events:?}")
    };
    assert_eq!(*begin, Event::SnapshotBegin { lsn: Lsn(1) });
    assert_eq!(
        *first,
        Event::SnapshotRows {
            rows: rows(1, &[b"a", b"b"])
        }
    );
    assert_eq!(
        *second,
        Event::SnapshotRows {
            rows: rows(1, &[b"c"])
        }
    );
    assert!(matches!(end, Event::SnapshotEnd { lsn: Lsn(1), token } if token.lsn == Lsn(1)));
    assert_eq!(frame(delta.clone()).lsn, Lsn(2));
}

#[test]
fn a_start_ahead_of_the_feed_waits_for_it_and_repeats_nothing() {
    let mut dam = Dam::new(FeedSettings::default());
    let mut subscription = dam.after(2, whole(1));
    for _ in 0..2 {
        dam.commit(1, b"k");
        assert_eq!(subscription.try_recv().unwrap(), None);
        assert_eq!(subscription.progress(), None);
    }
    dam.commit(1, b"k");
    assert_eq!(frames_now(&mut subscription), [3]);
}

#[test]
fn a_damaged_record_is_reported_by_its_number() {
    let mut dam = Dam::new(FeedSettings::default());
    let mut subscription = dam.after(0, whole(1));
    dam.commit_bytes(Arc::from(&b"not a record"[..]));
    assert!(matches!(
        subscription.recv(),
        Err(Error::Record { lsn: Lsn(1), .. })
    ));
    assert!(matches!(subscription.recv(), Err(Error::Closed)));
}

#[test]
fn a_sleeper_is_woken_by_what_concerns_it() {
    let mut dam = Dam::new(FeedSettings::default());
    let mut subscription = dam.after(0, Selection::key(StorageId(1), key(b"mine")));
    let reader = std::thread::spawn(move || {
        loop {
            if let Event::Frame(frame) = subscription.recv().unwrap() {
                return frame.lsn;
            }
        }
    });
    dam.commit(1, b"other");
    dam.commit(1, b"mine");
    assert_eq!(reader.join().unwrap(), Lsn(2));
}

/// Counts how often it is called.
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_stream_is_pending_until_its_waker_is_called() {
    let mut dam = Dam::new(FeedSettings::default());
    let mut stream = dam.after(0, whole(1)).into_stream();
    let bell = Arc::new(Bell(AtomicUsize::new(0)));
    let waker = Waker::from(Arc::clone(&bell));
    let mut context = Context::from_waker(&waker);
    assert!(Pin::new(&mut stream).poll_next(&mut context).is_pending());
    dam.commit(2, b"other");
    assert_eq!(bell.0.load(Ordering::SeqCst), 0);
    dam.commit(1, b"mine");
    assert_eq!(bell.0.load(Ordering::SeqCst), 1);
    let Poll::Ready(Some(Ok(event))) = Pin::new(&mut stream).poll_next(&mut context) else {
        panic!("ready")
    };
    assert_eq!(frame(event).lsn, Lsn(2));
    assert!(Pin::new(&mut stream).poll_next(&mut context).is_pending());
    dam.feed.close();
    assert_eq!(bell.0.load(Ordering::SeqCst), 2);
    assert!(matches!(
        Pin::new(&mut stream).poll_next(&mut context),
        Poll::Ready(None)
    ));
    assert!(matches!(
        Pin::new(&mut stream).poll_next(&mut context),
        Poll::Ready(None)
    ));
}
