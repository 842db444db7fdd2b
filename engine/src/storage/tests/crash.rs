//! Crashes at random writes and syncs: the file is then exactly the state at its applied LSN, and that is the
//! one of the last finished checkpoint or of the one under way.

use super::*;

fn random_commit(random: &mut Random, twin: &mut Twin) -> Vec<Write> {
    let lsn = twin.tip().next();
    let mut writes = Vec::new();
    for _ in 0..random.below(30) {
        let id = StorageId(random.below(3) as u32);
        let value = (!random.one_in(3)).then(|| value(random));
        writes.push((id, key(random), value));
    }
    twin.apply(lsn, &writes);
    writes
}

fn assert_state(store: &Store, twin: &Twin) {
    let snapshot = store.snapshot_tip();
    assert_eq!(snapshot.lsn(), store.applied_lsn());
    for id in (0..3).map(StorageId) {
        assert_eq!(all(&snapshot, id), twin.rows(snapshot.lsn(), id), "{id}");
    }
}

#[test]
fn a_crash_leaves_exactly_the_last_checkpoint() {
    for seed in seeds(12) {
        let mut random = Random::new(seed);
        let mut vfs = new_vfs();
        let mut twin = Twin::new();
        let mut confirmed = Lsn::ZERO;
        for _ in 0..6 {
            // The machine dies at some write or sync of a checkpoint, and part of what was written stays.
            let store = open(&vfs);
            assert!(store.applied_lsn() >= confirmed);
            assert!(
                !store.was_repaired(),
                "a checkpoint leaves nothing to repair"
            );
            twin.cut(store.applied_lsn());
            assert_state(&store, &twin);
            for _ in 0..random.below(4) {
                let writes = random_commit(&mut random, &mut twin);
                store.apply(twin.tip(), writes);
                store.set_visible(twin.tip());
            }
            confirmed = store.checkpoint(twin.tip(), &[]).unwrap().applied;
            let writes = random_commit(&mut random, &mut twin);
            store.apply(twin.tip(), writes);
            store.set_visible(twin.tip());
            match random.below(3) {
                0 => vfs.fail_write_after(random.below(12) as u32),
                1 => vfs.fail_sync_after(random.below(2) as u32),
                _ => {}
            }
            if let Ok(report) = store.checkpoint(twin.tip(), &[]) {
                confirmed = report.applied;
            }
            vfs = vfs.crash_keeping(&mut |_| random.one_in(2));
            vfs.fail_write_after(u32::MAX);
            vfs.fail_sync_after(u32::MAX);
            drop(store);
        }
    }
}

#[test]
fn a_crash_while_the_file_is_made_leaves_none_or_a_whole_one() {
    for writes in 0..12 {
        for keep in [false, true] {
            let vfs = new_vfs();
            vfs.fail_write_after(writes);
            let store = Store::open(Arc::new(vfs.clone()), path(), settings());
            let vfs = vfs.crash_keeping(&mut |_| keep);
            vfs.fail_write_after(u32::MAX);
            drop(store);
            let store = open(&vfs);
            commit(&store, [put(1, "k", "v")]);
            store.checkpoint(Lsn(1), &[]).unwrap();
            drop(store);
            assert_eq!(open(&vfs).applied_lsn(), Lsn(1));
        }
    }
}

#[test]
fn a_full_disk_loses_nothing() {
    let vfs = new_vfs();
    let store = open(&vfs);
    let lsn = commit(&store, [put(1, "k", "v")]);
    store.checkpoint(lsn, &[]).unwrap();
    vfs.set_capacity_bytes(vfs.used_bytes());
    let large = || (0..400).map(|n| put(1, &format!("{n}"), &"x".repeat(20_000)));
    let lsn = commit(&store, large());
    let error = store.checkpoint(lsn, &[]).unwrap_err();
    assert_eq!(error.sqlstate(), "53100", "{error}");
    assert_eq!(store.applied_lsn(), Lsn(1));
    assert_eq!(
        all(&store.snapshot_tip(), StorageId(1)).len(),
        401,
        "memory still answers"
    );
    assert_eq!(
        store
            .snapshot_tip()
            .get(StorageId(1), &named("k"))
            .unwrap()
            .as_deref(),
        Some(&b"v"[..]),
        "and so does the file"
    );
    // A machine that goes down now finds what the last checkpoint left.
    let other = vfs.crash();
    other.set_capacity_bytes(u64::MAX);
    let crashed = open(&other);
    assert_eq!(crashed.applied_lsn(), Lsn(1));
    assert_eq!(all(&crashed.snapshot_tip(), StorageId(1)).len(), 1);
    let lsn = commit(&crashed, large());
    crashed.checkpoint(lsn, &[]).unwrap();
    drop(crashed);
    assert_eq!(all(&open(&other).snapshot_tip(), StorageId(1)).len(), 401);
}

/// redb takes nothing more after an error of the disk; the store used to pass that on until the database was reopened.
#[test]
fn a_checkpoint_that_failed_is_made_up_for_by_the_next_one() {
    for syncs in 0..12 {
        for writes in [true, false] {
            let vfs = new_vfs();
            let store = open(&vfs);
            let lsn = commit(&store, [put(1, "k", "v")]);
            store.checkpoint(lsn, &[]).unwrap();
            let lsn = commit(&store, (0..50).map(|n| put(1, &format!("{n}"), "x")));
            match writes {
                true => vfs.fail_write_after(syncs),
                false => vfs.fail_sync_after(syncs),
            }
            let failed = store.checkpoint(lsn, &[]).is_err();
            vfs.fail_write_after(u32::MAX);
            vfs.fail_sync_after(u32::MAX);
            assert_eq!(all(&store.snapshot_tip(), StorageId(1)).len(), 51);
            let lsn = commit(&store, [put(2, "more", "rows")]);
            let report = store.checkpoint(lsn, &[]).unwrap();
            assert_eq!(report.applied, lsn, "{syncs} {writes} {failed}");
            assert_eq!(all(&store.snapshot_tip(), StorageId(1)).len(), 51);
            assert_eq!(store.stats().generations, 1);
            drop(store);
            let store = open(&vfs.crash());
            assert_eq!(store.applied_lsn(), lsn);
            assert_eq!(all(&store.snapshot_tip(), StorageId(1)).len(), 51);
        }
    }
}
