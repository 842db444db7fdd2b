//! Snapshots that grow too old: what they keep goes, and they never answer wrong.

use std::time::Duration;

use super::*;

const ROWS: u32 = 1000;

fn at(second: u64) -> Duration {
    Duration::from_secs(second)
}

/// A store whose rows lie half in the file and half in memory.
fn filled() -> Store {
    let store = open(&new_vfs());
    let row = |n: u32| put(1, &format!("{n:06}"), "value");
    let lsn = commit(&store, (0..ROWS).step_by(2).map(row));
    store.checkpoint(lsn, &[]).unwrap();
    commit(&store, (1..ROWS).step_by(2).map(row));
    store
}

#[test]
fn a_scan_that_is_let_go_gives_the_rest_of_its_batch_and_then_an_error() {
    for direction in [Direction::Forward, Direction::Reverse] {
        for read_before in [0, 1, 10, 700, ROWS as usize] {
            let store = filled();
            let snapshot = store.snapshot_visible();
            store.age_from(at(0), &snapshot);
            let mut expected: Vec<_> = all(&snapshot, StorageId(1)).into_iter().collect();
            if direction == Direction::Reverse {
                expected.reverse();
            }
            let mut scan = snapshot.scan(StorageId(1), KeyRange::all(), direction);
            let mut found: Vec<_> = scan
                .by_ref()
                .take(read_before)
                .map(Result::unwrap)
                .collect();
            assert_eq!(store.let_go_of_snapshots(at(1)), 1);
            assert_eq!(store.let_go_of_snapshots(at(1)), 0);
            assert_eq!(store.stats().snapshots, 0);
            commit(&store, (0..ROWS).map(|n| put(1, &format!("{n:06}"), "new")));
            let error = scan.by_ref().find_map(|row| match row {
                Ok(row) => {
                    found.push(row);
                    None
                }
                Err(error) => Some(error),
            });
            assert_eq!(found, expected[..found.len()]);
            match error {
                Some(error) => assert_eq!(error.sqlstate(), "72000", "{error}"),
                None => assert_eq!(found.len(), expected.len()),
            }
            assert!(scan.next().unwrap().is_none());
            let get = snapshot.get(StorageId(1), &named("000001"));
            assert_eq!(get.unwrap_err().sqlstate(), "72000");
            let error = snapshot
                .scan(StorageId(1), KeyRange::all(), direction)
                .next();
            assert_eq!(error.unwrap_err().sqlstate(), "72000");
        }
    }
}

#[test]
fn only_what_is_too_old_and_not_kept_goes() {
    let store = filled();
    let [old, kept, young, ageless] = [(); 4].map(|()| store.snapshot_visible());
    store.age_from(at(1), &old);
    store.age_from(at(1), &kept);
    store.age_from(at(2), &young);
    assert!(kept.keep());
    assert_eq!(store.let_go_of_snapshots(at(2)), 1);
    assert!(!old.keep());
    for snapshot in [&kept, &young, &ageless] {
        assert_eq!(all(snapshot, StorageId(1)).len(), ROWS as usize);
    }
    drop((old, kept, young, ageless));
    assert_eq!((store.stats().snapshots, store.snapshots_too_old()), (0, 1));
}

#[test]
fn many_short_snapshots_leave_no_places_behind() {
    let store = filled();
    let long = store.snapshot_visible();
    store.age_from(at(0), &long);
    for _ in 0..10_000 {
        let short = store.snapshot_visible();
        store.age_from(at(1), &short);
    }
    assert!(store.ages.places() <= 64, "{}", store.ages.places());
    assert_eq!(store.let_go_of_snapshots(at(1)), 1);
    assert!(long.get(StorageId(1), &named("000001")).is_err());
}
