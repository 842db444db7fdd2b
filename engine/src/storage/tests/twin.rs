//! Random commits, snapshots, half-read scans, checkpoints and reopenings against the twin.

use super::*;
use crate::storage::StorageError;
use crate::storage::conflict::Changed;

/// A scan read half, and what is still to come.
struct Half {
    scan: Scan,
    left: std::vec::IntoIter<(Key, Arc<[u8]>)>,
}

struct Run {
    random: Random,
    vfs: MemoryVfs,
    store: Store,
    twin: Twin,
    /// What the engine would know.
    durable: Lsn,
    opened: Lsn,
    held: Vec<Snapshot>,
    halves: Vec<Half>,
    next_id: u32,
    ids: Vec<StorageId>,
}

impl Run {
    fn new(seed: u64) -> Self {
        let vfs = new_vfs();
        let store = open(&vfs);
        Self {
            random: Random::new(seed),
            vfs,
            store,
            twin: Twin::new(),
            durable: Lsn::ZERO,
            opened: Lsn::ZERO,
            held: Vec::new(),
            halves: Vec::new(),
            next_id: 3,
            ids: vec![StorageId(1), StorageId(2)],
        }
    }

    fn id(&mut self) -> StorageId {
        let at = self.random.below(self.ids.len() as u64) as usize;
        self.ids[at]
    }

    fn between(&mut self, from: Lsn, to: Lsn) -> Lsn {
        Lsn(from.0 + self.random.below(to.0 - from.0 + 1))
    }

    fn step(&mut self) {
        match self.random.below(100) {
            0..40 => self.commit(),
            40..50 => {
                let lsn = self.between(self.durable, self.twin.tip());
                self.durable = lsn;
            }
            50..60 => {
                let lsn = self.between(self.store.visible_lsn(), self.twin.tip());
                self.store.set_visible(lsn);
            }
            60..68 => self.hold(),
            68..73 if !self.held.is_empty() => {
                let at = self.random.below(self.held.len() as u64) as usize;
                self.held.swap_remove(at);
            }
            73..85 => self.check(),
            85..90 => self.go_on_scanning(),
            90..96 => self.checkpoint(),
            96..98 => self.check_conflicts(),
            98 => self.drop_storage(),
            _ if self.random.one_in(4) => self.reopen(),
            _ => {}
        }
    }

    fn commit(&mut self) {
        let lsn = self.twin.tip().next();
        let many = if self.random.one_in(10) { 600 } else { 6 };
        let mut writes = Vec::new();
        for _ in 0..self.random.below(many) {
            let id = self.id();
            let value = match self.random.one_in(3) {
                true => None,
                false => Some(value(&mut self.random)),
            };
            writes.push((id, key(&mut self.random), value));
        }
        self.twin.apply(lsn, &writes);
        self.store.apply(lsn, writes);
    }

    fn hold(&mut self) {
        let snapshot = match self.random.below(3) {
            0 => self.store.snapshot_visible(),
            1 => self.store.snapshot_tip(),
            _ => {
                let lsn = self.between(Lsn::ZERO, self.twin.tip().next());
                match self.store.snapshot(lsn) {
                    Ok(snapshot) => {
                        assert_eq!(snapshot.lsn(), lsn);
                        snapshot
                    }
                    Err(StorageError::SnapshotAhead { .. }) => {
                        assert!(lsn > self.twin.tip());
                        return;
                    }
                    Err(StorageError::SnapshotReleased { oldest, .. }) => {
                        assert!(lsn < oldest && oldest == self.store.visible_lsn());
                        return;
                    }
                    Err(error) => panic!("{error}"),
                }
            }
        };
        self.held.push(snapshot.clone());
    }

    fn any_snapshot(&mut self) -> Snapshot {
        match self.random.below(self.held.len() as u64 + 2) as usize {
            0 => self.store.snapshot_visible(),
            1 => self.store.snapshot_tip(),
            at => self.held[at - 2].clone(),
        }
    }

    fn check(&mut self) {
        let snapshot = self.any_snapshot();
        let id = self.id();
        let rows = self.twin.rows(snapshot.lsn(), id);
        for _ in 0..4 {
            let key = key(&mut self.random);
            let found = snapshot.get(id, &key).unwrap();
            assert_eq!(found, rows.get(&key).cloned(), "{id} {key:?}");
        }
        let (range, direction) = (range(&mut self.random), direction(&mut self.random));
        let expected = expected(&rows, &range, direction);
        let scan = snapshot.scan(id, range.clone(), direction);
        if self.random.one_in(2) {
            let left = expected.into_iter();
            self.halves.push(Half { scan, left });
        } else {
            assert_eq!(collect(scan), expected, "{id} {range:?} {direction:?}");
        }
    }

    fn go_on_scanning(&mut self) {
        let rows = self.random.below(20);
        for half in &mut self.halves {
            for _ in 0..rows {
                assert_eq!(half.scan.next().unwrap(), half.left.next());
            }
        }
        self.halves.retain(|half| half.left.len() > 0);
    }

    fn checkpoint(&mut self) {
        let before = self.store.applied_lsn();
        let name = self.twin.tip().to_string().into_bytes();
        let meta = [("engine.note", name.clone())];
        let report = self.store.checkpoint(self.durable, &meta).unwrap();
        let limit = self.durable.min(self.store.visible_lsn());
        assert!(report.applied >= before && report.applied <= limit.max(before));
        assert_eq!(self.store.applied_lsn(), report.applied);
        assert_eq!(report.pending.is_none(), limit == self.twin.tip());
        if limit == self.twin.tip() {
            assert_eq!(report.applied, limit, "nothing has to wait");
        }
        assert_eq!(self.store.meta_get("engine.note"), Some(name));
        assert!(self.store.stats().generations <= 2);
    }

    fn check_conflicts(&mut self) {
        let id = self.id();
        let lsn = self.between(Lsn::ZERO, self.twin.tip());
        let (key, range) = (key(&mut self.random), range(&mut self.random));
        let changed = |test: &dyn Fn(&Key) -> bool| {
            let mut changes = self.twin.changes.iter();
            changes.any(|(at, other, key)| *at > lsn && *other == id && test(key))
        };
        let answers = [
            (
                self.store.changed_after(id, &key, lsn),
                changed(&|k| *k == key),
            ),
            (
                self.store.range_changed_after(id, &range, lsn),
                changed(&|k| range.contains(k)),
            ),
            (
                self.store.storage_changed_after(id, lsn),
                changed(&|_| true),
            ),
        ];
        for (answer, expected) in answers {
            match answer {
                Changed::Yes => assert!(expected, "{id} after {lsn}"),
                Changed::No => assert!(!expected, "{id} after {lsn}"),
                Changed::Unknown => assert!(lsn < self.opened, "{id} after {lsn}"),
            }
        }
    }

    fn drop_storage(&mut self) {
        let lsn = self.twin.tip().next();
        let at = self.random.below(self.ids.len() as u64) as usize;
        let id = std::mem::replace(&mut self.ids[at], StorageId(self.next_id));
        self.next_id += 1;
        self.twin.apply(lsn, &[]);
        self.store.apply(lsn, []);
        self.store.drop_storage(id, lsn);
    }

    fn reopen(&mut self) {
        let applied = self.store.applied_lsn();
        self.held.clear();
        self.halves.clear();
        // The old store must be gone before the file is opened again.
        let placeholder = Store::open(Arc::new(new_vfs()), path(), settings()).unwrap();
        std::mem::replace(&mut self.store, placeholder)
            .close()
            .unwrap();
        self.store = open(&self.vfs);
        assert_eq!(self.store.applied_lsn(), applied);
        self.twin.cut(applied);
        (self.durable, self.opened) = (applied, applied);
        let snapshot = self.store.snapshot_tip();
        for id in self.ids.clone() {
            assert_eq!(all(&snapshot, id), self.twin.rows(applied, id), "{id}");
        }
    }
}

#[test]
fn every_snapshot_shows_its_lsn_whatever_happens_since() {
    for seed in seeds(40) {
        let mut run = Run::new(seed);
        for _ in 0..400 {
            run.step();
        }
        for snapshot in std::mem::take(&mut run.held) {
            for id in [1, 2].map(StorageId).into_iter().chain(run.ids.clone()) {
                let rows = run.twin.rows(snapshot.lsn(), id);
                let dropped = !run.ids.contains(&id);
                if !dropped {
                    assert_eq!(all(&snapshot, id), rows, "{id} at {}", snapshot.lsn());
                }
            }
        }
        run.halves.clear();
        assert_eq!(run.store.stats().snapshots, 0);
    }
}

#[test]
fn tombstones_hide_rows_of_the_file_in_both_directions() {
    let store = open(&new_vfs());
    let lsn = commit(&store, ["a", "b", "c", "d"].map(|key| put(1, key, "old")));
    store.checkpoint(lsn, &[]).unwrap();
    let before = store.snapshot_visible();
    commit(&store, [delete(1, "a"), delete(1, "c"), put(1, "d", "new")]);
    let after = store.snapshot_visible();
    let keys = |snapshot: &Snapshot, direction| -> Vec<String> {
        collect(snapshot.scan(StorageId(1), KeyRange::all(), direction))
            .into_iter()
            .map(|(key, value)| {
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                format!("{}={}", text(&key), text(&value))
            })
            .collect()
    };
    assert_eq!(keys(&after, Direction::Forward), ["b=old", "d=new"]);
    assert_eq!(keys(&after, Direction::Reverse), ["d=new", "b=old"]);
    assert_eq!(
        keys(&before, Direction::Forward),
        ["a=old", "b=old", "c=old", "d=old"]
    );
    let lsn = store.tip_lsn();
    let report = store.checkpoint(lsn, &[]).unwrap();
    assert_eq!((report.rows_written, report.rows_deleted), (1, 2));
    assert_eq!(keys(&after, Direction::Reverse), ["d=new", "b=old"]);
    assert_eq!(keys(&before, Direction::Reverse).len(), 4);
    assert_eq!(
        keys(&store.snapshot_visible(), Direction::Forward),
        ["b=old", "d=new"]
    );
}

#[test]
fn a_checkpoint_writes_only_what_is_durable_and_visible() {
    let vfs = new_vfs();
    let store = open(&vfs);
    let apply = |lsn: u64| {
        let text = lsn.to_string();
        store.apply(Lsn(lsn), [put(1, "k", &text), put(1, &text, "")]);
    };
    let value = |snapshot: Snapshot| snapshot.get(StorageId(1), &named("k")).unwrap().unwrap();
    (1..=4).for_each(apply);
    store.set_visible(Lsn(3));
    let report = store.checkpoint(Lsn(4), &[]).unwrap();
    assert_eq!((report.applied, report.pending), (Lsn(0), Some(Lsn(4))));
    assert_eq!(&*value(store.snapshot_tip()), b"4");
    assert_eq!(&*value(store.snapshot_visible()), b"3");
    apply(5);
    store.set_visible(Lsn(5));
    let report = store.checkpoint(Lsn(3), &[]).unwrap();
    assert_eq!((report.applied, report.pending), (Lsn(0), Some(Lsn(4))));
    let report = store.checkpoint(Lsn(4), &[]).unwrap();
    assert_eq!((report.applied, report.pending), (Lsn(4), Some(Lsn(5))));
    assert_eq!(report.rows_written, 5);
    assert_eq!(&*value(store.snapshot_tip()), b"5");
    store.close().unwrap();
    let store = open(&vfs);
    assert_eq!(store.applied_lsn(), Lsn(4));
    assert_eq!(
        &*store
            .snapshot_tip()
            .get(StorageId(1), &named("k"))
            .unwrap()
            .unwrap(),
        b"4"
    );
    assert_eq!(
        store.snapshot_tip().get(StorageId(1), &named("5")).unwrap(),
        None
    );
}

/// Once a checkpoint could cut a generation at the durable LSN. In the sync modes where commits are visible
/// before they are durable, the version to be written had then already been dropped for a newer visible one,
/// and the file silently kept an older row.
#[test]
fn a_visible_version_does_not_displace_the_durable_one() {
    let vfs = new_vfs();
    let store = open(&vfs);
    for lsn in 1..=20 {
        store.apply(Lsn(lsn), [put(1, "k", &lsn.to_string())]);
        store.set_visible(Lsn(lsn));
        let applied = store.checkpoint(Lsn(lsn / 2), &[]).unwrap().applied;
        assert!(applied <= Lsn(lsn / 2));
    }
    let applied = store.applied_lsn();
    assert!(applied > Lsn::ZERO);
    let vfs = vfs.crash();
    drop(store);
    let value = open(&vfs)
        .snapshot_tip()
        .get(StorageId(1), &named("k"))
        .unwrap();
    assert_eq!(&*value.unwrap(), applied.to_string().as_bytes());
}

#[test]
fn commits_without_rows_move_the_applied_lsn_too() {
    let store = open(&new_vfs());
    commit(&store, []);
    let lsn = commit(&store, []);
    assert_eq!(store.checkpoint(lsn, &[]).unwrap().applied, lsn);
}

#[test]
fn memory_returns_after_checkpoints_and_snapshots() {
    let store = open(&new_vfs());
    let many = |from: u32| (from..from + 1000).map(|n| put(1, &n.to_string(), &"x".repeat(100)));
    commit(&store, many(0));
    let held = store.snapshot_visible();
    let full = store.memory_bytes();
    assert!(full > 150_000, "{full}");
    store.checkpoint(store.tip_lsn(), &[]).unwrap();
    assert_eq!(store.stats().unwritten_bytes, 0);
    assert!(
        store.memory_bytes() >= full,
        "the snapshot pins its generation"
    );
    drop(held);
    assert!(
        store.memory_bytes() < full / 2,
        "only keys are left, as history"
    );
    let mut settings = settings();
    settings.memtable_soft_bytes = 1 << 16;
    settings.memtable_hard_bytes = 1 << 18;
    let store = Store::open(Arc::new(new_vfs()), path(), settings).unwrap();
    assert!(!store.needs_checkpoint());
    commit(&store, many(0).take(500));
    assert!(store.needs_checkpoint() && !store.is_full());
    commit(&store, many(5000));
    assert!(store.is_full());
    store.checkpoint(store.tip_lsn(), &[]).unwrap();
    assert!(!store.needs_checkpoint());
}

#[test]
fn a_dropped_storage_is_freed_once_its_drop_is_durable() {
    let store = open(&new_vfs());
    commit(&store, [put(1, "k", "v"), put(2, "k", "v")]);
    store.checkpoint(Lsn(1), &[]).unwrap();
    let before = store.snapshot_visible();
    let lsn = commit(&store, [put(3, "k", "v")]);
    store.drop_storage(StorageId(1), lsn);
    assert_eq!(
        store
            .checkpoint(Lsn(1), &[("x", vec![])])
            .unwrap()
            .storages_dropped,
        0
    );
    assert_eq!(store.checkpoint(lsn, &[]).unwrap().storages_dropped, 1);
    assert_eq!(all(&store.snapshot_visible(), StorageId(1)).len(), 0);
    assert_eq!(all(&store.snapshot_visible(), StorageId(2)).len(), 1);
    assert_eq!(all(&before, StorageId(1)).len(), 1);
}

#[test]
fn names_of_the_storage_itself_are_reserved() {
    let store = open(&new_vfs());
    let error = store.checkpoint(Lsn(0), &[("applied_lsn", vec![])]);
    assert!(matches!(error, Err(StorageError::ReservedName(_))));
}

#[test]
fn snapshots_of_a_closed_store_say_so() {
    let vfs = new_vfs();
    let store = open(&vfs);
    commit(&store, [put(1, "k", "v")]);
    store.checkpoint(Lsn(1), &[]).unwrap();
    let snapshot = store.snapshot_visible();
    store.close().unwrap();
    let error = snapshot.get(StorageId(1), &named("k")).unwrap_err();
    assert!(matches!(error, StorageError::Closed), "{error}");
    assert_eq!(open(&vfs).applied_lsn(), Lsn(1));
}
