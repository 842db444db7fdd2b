//! Conflict checks across checkpoints: what the bounded history must still know, and what it may not claim.

use super::*;
use crate::storage::conflict::Changed;

#[test]
fn changes_are_known_after_their_checkpoint() {
    let store = open(&new_vfs());
    let first = commit(&store, [put(1, "a", "1"), put(2, "z", "1")]);
    let second = commit(&store, [put(1, "b", "1")]);
    store.checkpoint(second, &[]).unwrap();
    commit(&store, [put(3, "c", "1")]);
    for lsn in [Lsn::ZERO, first, second] {
        let changed =
            |key: &[u8]| store.changed_after(StorageId(1), &Key::from(key), lsn) == Changed::Yes;
        assert_eq!(changed(b"a"), lsn < first);
        assert_eq!(changed(b"b"), lsn < second);
        assert_eq!(
            store.storage_changed_after(StorageId(1), lsn) == Changed::Yes,
            lsn < second
        );
        let range = KeyRange::prefix(Key::from(&b"b"[..]));
        assert_eq!(
            store.range_changed_after(StorageId(1), &range, lsn) == Changed::Yes,
            lsn < second
        );
    }
    assert_eq!(
        store.changed_after(StorageId(2), &named("y"), Lsn::ZERO),
        Changed::No
    );
}

#[test]
fn forgotten_changes_are_unknown_only_for_their_storage() {
    let mut settings = settings();
    settings.history_bytes_max = 0;
    let store = Store::open(Arc::new(new_vfs()), path(), settings).unwrap();
    let first = commit(&store, [put(1, "a", "1")]);
    store.checkpoint(first, &[]).unwrap();
    assert_eq!(
        store.changed_after(StorageId(1), &named("a"), Lsn::ZERO),
        Changed::Yes
    );
    let second = commit(&store, [put(2, "a", "1")]);
    store.checkpoint(second, &[]).unwrap();
    assert_eq!(
        store.changed_after(StorageId(1), &named("x"), Lsn::ZERO),
        Changed::Unknown
    );
    assert_eq!(
        store.changed_after(StorageId(1), &named("a"), first),
        Changed::No
    );
    assert_eq!(
        store.changed_after(StorageId(2), &named("a"), first),
        Changed::Yes
    );
    assert_eq!(
        store.changed_after(StorageId(2), &named("x"), Lsn::ZERO),
        Changed::No
    );
    assert!(Changed::Unknown.conflicts() && !Changed::No.conflicts());
}

#[test]
fn nothing_is_known_of_the_time_before_opening() {
    let vfs = new_vfs();
    let store = open(&vfs);
    let lsn = commit(&store, [put(1, "a", "1")]);
    store.checkpoint(lsn, &[]).unwrap();
    store.close().unwrap();
    let store = open(&vfs);
    assert_eq!(
        store.changed_after(StorageId(1), &named("a"), Lsn::ZERO),
        Changed::Unknown
    );
    assert_eq!(
        store.changed_after(StorageId(1), &named("a"), lsn),
        Changed::No
    );
}

#[test]
fn ranges_are_checked_beyond_the_remembered_last_changes() {
    let store = open(&new_vfs());
    let first = commit(&store, [put(1, "a", "1")]);
    let second = commit(&store, (0..10_000).map(|n| put(1, &format!("n{n}"), "1")));
    let third = commit(&store, [put(1, "z", "1")]);
    let changed = |prefix: &str, lsn| {
        let range = KeyRange::prefix(Key::from(prefix.as_bytes()));
        store.range_changed_after(StorageId(1), &range, lsn)
    };
    assert_eq!(changed("a", Lsn::ZERO), Changed::Yes);
    assert_eq!(changed("a", first), Changed::No);
    assert_eq!(changed("n77", first), Changed::Yes);
    assert_eq!(changed("n77", second), Changed::No);
    assert_eq!(changed("z", second), Changed::Yes);
    assert_eq!(changed("", third), Changed::No);
}
