//! Readers that are too slow: for their queue, for the ring, for the log.

use super::*;
use crate::{Error, LagPolicy, ResetReason};

fn small() -> FeedSettings {
    FeedSettings {
        ring_records_max: 8,
        queue_frames_max: 2,
        scan_records_max: 5,
        ..FeedSettings::default()
    }
}

#[test]
fn a_laggard_reads_from_the_ring_then_from_the_log_and_joins_its_queue_again() {
    let mut dam = Dam::new(small());
    let mut subscription = dam.after(0, whole(1));
    assert!(frames_now(&mut subscription).is_empty());
    for _ in 0..6 {
        dam.commit(1, b"k");
    }
    assert_eq!(frames_now(&mut subscription), [1, 2, 3, 4, 5, 6]);
    assert_eq!(dam.feed.counters().routing.overflows, 1);
    assert_eq!(dam.feed.counters().log_reads, 0);
    for _ in 0..50 {
        dam.commit(1, b"k");
    }
    assert_eq!(frames_now(&mut subscription), (7..=56).collect::<Vec<_>>());
    let log_reads = dam.feed.counters().log_reads;
    assert!((42..50).contains(&log_reads), "{log_reads}");
    dam.commit(1, b"k");
    assert_eq!(frames_now(&mut subscription), [57]);
    assert_eq!(dam.feed.counters().log_reads, log_reads);
}

#[test]
fn a_laggard_beyond_the_log_is_told_to_begin_anew() {
    let mut dam = Dam::new(small());
    let mut subscription = dam.after(0, whole(1));
    for _ in 0..40 {
        dam.commit(1, b"k");
    }
    dam.log.release(20);
    let event = loop {
        match subscription.try_recv().unwrap().unwrap() {
            Event::Frame(frame) => assert!(frame.lsn < Lsn(3), "{frame:?}"),
            other => break other,
        }
    };
    assert_eq!(
        event,
        Event::Reset {
            reason: ResetReason::Released,
            oldest: Lsn(20)
        }
    );
    assert!(matches!(subscription.try_recv(), Err(Error::Closed)));
    assert_eq!(dam.feed.counters().subscriptions, 0);

    let mut late = dam.after(19, whole(1));
    assert!(matches!(
        late.recv().unwrap(),
        Event::Reset {
            oldest: Lsn(20),
            ..
        }
    ));
    assert_eq!(
        frames_now(&mut dam.after(20, whole(1))),
        (21..=40).collect::<Vec<_>>()
    );
}

#[test]
fn the_ring_keeps_what_the_log_cannot_give_back_yet() {
    let mut dam = Dam::new(small());
    let mut subscription = dam.after(0, whole(1));
    let bytes = record(&[change(1, b"k", None, Some(b"row"))]);
    for lsn in 1..=30 {
        dam.feed.push(Lsn(lsn), Arc::clone(&bytes));
        dam.feed.publish(Lsn(lsn), false);
    }
    assert_eq!(frames_now(&mut subscription), (1..=30).collect::<Vec<_>>());
    for _ in 1..=30 {
        dam.log.append(Arc::clone(&bytes));
    }
    dam.last = 30;
    dam.commit(1, b"k");
    assert!(dam.feed.recent(Lsn(23)).is_none());
    assert!(dam.feed.recent(Lsn(24)).is_some());
}

#[test]
fn whoever_asks_for_it_is_cut_off_with_a_token() {
    let mut dam = Dam::new(small());
    let request = SubscribeRequest {
        lag: LagPolicy::Disconnect,
        ..SubscribeRequest::new(whole(1), Start::After(Lsn(0)))
    };
    let mut subscription = dam.feed.subscribe(request).unwrap();
    assert!(frames_now(&mut subscription).is_empty());
    for _ in 0..4 {
        dam.commit(1, b"k");
    }
    assert_eq!(frame(subscription.recv().unwrap()).lsn, Lsn(1));
    assert_eq!(frame(subscription.recv().unwrap()).lsn, Lsn(2));
    let Err(Error::Lagged { token }) = subscription.recv() else {
        panic!("cut off")
    };
    assert_eq!(token.lsn, Lsn(2));
    assert!(matches!(subscription.recv(), Err(Error::Closed)));
}

#[test]
fn a_long_stretch_of_nothing_gives_progress() {
    let mut dam = Dam::new(small());
    for _ in 0..12 {
        dam.commit(2, b"k");
    }
    let mut subscription = dam.after(0, whole(1));
    let mut lsns = Vec::new();
    while let Some(event) = subscription.try_recv().unwrap() {
        let Event::Progress { lsn, token } = event else {
            panic!("{event:?}")
        };
        assert_eq!(token.lsn, lsn);
        lsns.push(lsn.0);
    }
    assert_eq!(lsns, [5, 10]);
    assert!(matches!(
        subscription.progress(),
        Some(Event::Progress { lsn: Lsn(12), .. })
    ));
    assert_eq!(subscription.progress(), None);
    dam.commit(2, b"k");
    let idle = subscription
        .recv_timeout(std::time::Duration::ZERO)
        .unwrap();
    assert_eq!(idle, None);
    assert!(matches!(
        subscription.progress(),
        Some(Event::Progress { lsn: Lsn(13), .. })
    ));
}
