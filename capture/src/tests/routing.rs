//! What a commit costs: counted, so that it holds on any machine.

use tailwater_proto::KeyRange;

use super::*;
use crate::RoutingWork;

/// The work of one commit of three changes, one of which somebody listens to.
fn work_with(subscriptions: u32) -> RoutingWork {
    let mut dam = Dam::new(FeedSettings::default());
    let number = |n: u32| key(&n.to_be_bytes());
    let _subscriptions: Vec<_> = (0..subscriptions)
        .map(|n| match n % 3 {
            0 => dam.after(0, Selection::key(StorageId(1), number(n))),
            1 => dam.after(
                0,
                Selection::range(StorageId(1), KeyRange::prefix(number(n))),
            ),
            _ => dam.after(0, whole(2 + n)),
        })
        .collect();
    assert_eq!(dam.feed.counters().subscriptions, subscriptions as usize);
    let before = dam.feed.counters().routing;
    dam.commit_bytes(record(&[
        change(1, &0_u32.to_be_bytes(), None, Some(b"row")),
        change(1, &u32::MAX.to_be_bytes(), None, Some(b"row")),
        change(3, b"unheard", None, Some(b"row")),
    ]));
    let after = dam.feed.counters().routing;
    RoutingWork {
        commits: after.commits - before.commits,
        lookups: after.lookups - before.lookups,
        queued: after.queued - before.queued,
        overflows: after.overflows - before.overflows,
    }
}

#[test]
fn a_commit_costs_the_same_among_ten_and_among_a_hundred_thousand_keyed_subscriptions() {
    let few = work_with(10);
    assert_eq!(
        few,
        RoutingWork {
            commits: 1,
            lookups: 6,
            queued: 1,
            overflows: 0
        }
    );
    assert_eq!(work_with(100_000), few);
}

#[test]
fn without_subscriptions_nothing_is_routed_and_dropped_ones_leave_nothing_behind() {
    let mut dam = Dam::new(FeedSettings::default());
    drop(dam.after(0, whole(1)));
    drop(dam.after(0, Selection::key(StorageId(1), key(b"k"))));
    dam.commit(1, b"k");
    assert_eq!(dam.feed.counters().routing, RoutingWork::default());
    assert_eq!(dam.feed.counters().subscriptions, 0);
    assert_eq!(frames_now(&mut dam.after(0, whole(1))), [1]);
}

#[test]
fn a_commit_of_many_changes_is_one_entry_in_a_queue() {
    let mut dam = Dam::new(FeedSettings {
        queue_frames_max: 1,
        ..FeedSettings::default()
    });
    let mut subscription = dam.after(
        0,
        Selection::range(StorageId(1), KeyRange::prefix(key(b"a"))),
    );
    assert!(frames_now(&mut subscription).is_empty());
    let changes: Vec<_> = (0..9)
        .map(|n| change(1, &[b'a', n], None, Some(b"row")))
        .collect();
    dam.commit_bytes(record(&changes));
    assert_eq!(dam.feed.counters().routing.queued, 1);
    assert_eq!(frame(subscription.recv().unwrap()).changes.len(), 9);
}
