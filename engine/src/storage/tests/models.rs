//! The store's own code under chosen schedules: commits, publication, checkpoints and snapshots meet at the root.
//!
//! However they interleave, a snapshot is one commit's state, whole, for as long as it lives, and goes with its catalog.
//! Each model has weakened twins, which it must report. Built with `--cfg shuttle` only; `.ci/models` runs them.
//! Next door: `tailwater_wal::sync::model`.

use std::time::Duration;

use tailwater_wal::sync::atomic::{AtomicU64, Ordering};
use tailwater_wal::sync::model::{explore, must_notice, pause, spawn, yield_now};

use super::*;
use crate::visible::Visible;

/// Schedules of each kind that a model runs, and that a weakened one has to be noticed in.
const SCHEDULES: usize = 400;
/// Commits of one run. Each writes its number under all keys.
const LAST: u64 = 4;
const STORAGES: [StorageId; 2] = [StorageId(1), StorageId(2)];

/// `TAILWATER_SEED`, or one that nobody has run before.
fn seed() -> u64 {
    let given = std::env::var("TAILWATER_SEED").ok();
    let given = given.map(|text| text.parse().unwrap());
    let seed = given.unwrap_or_else(|| seeds(0).next().unwrap());
    eprintln!("TAILWATER_SEED={seed}");
    seed
}

fn key(name: u8) -> Key {
    Key::from(&[name][..])
}

fn number(lsn: Lsn) -> Arc<[u8]> {
    Arc::from(&lsn.0.to_le_bytes()[..])
}

/// Two keys in each of two storages; every second commit deletes and rewrites in turn.
fn writes(lsn: Lsn) -> Vec<Write> {
    let keys = STORAGES
        .iter()
        .flat_map(|id| [(*id, key(1)), (*id, key(2))]);
    let value = |name: &Key| (lsn.0 % 2 == 1 || *name == key(1)).then(|| number(lsn));
    keys.map(|(id, name)| {
        let cell = value(&name);
        (id, name, cell)
    })
    .collect()
}

/// That a snapshot is its commit's state, by both ways of reading.
fn assert_whole(snapshot: &Snapshot) {
    let lsn = snapshot.lsn();
    let expected = if lsn == Lsn::ZERO {
        Vec::new()
    } else {
        writes(lsn)
    };
    for id in STORAGES {
        let rows = expected.iter().filter(|(at, _, _)| *at == id);
        let rows: Vec<(Key, Arc<[u8]>)> = rows
            .filter_map(|(_, key, cell)| Some((key.clone(), cell.clone()?)))
            .collect();
        for name in [key(1), key(2)] {
            let row = rows.iter().find(|(key, _)| *key == name);
            let found = snapshot.get(id, &name).unwrap();
            assert_eq!(
                found,
                row.map(|(_, value)| Arc::clone(value)),
                "{id:?} at {lsn}"
            );
        }
        for direction in [Direction::Forward, Direction::Reverse] {
            let scan = snapshot.scan(id, KeyRange::all(), direction);
            let mut found: Vec<_> = scan.map(|row| row.unwrap()).collect();
            if direction == Direction::Reverse {
                found.reverse();
            }
            assert_eq!(found, rows, "{id:?} at {lsn}");
        }
    }
}

/// A store, its catalogs (each is the number of the commit that made it), and how far is sequenced.
struct Line {
    store: Store,
    visible: Visible<u64>,
    sequenced: AtomicU64,
}

impl Line {
    fn new() -> Arc<Self> {
        let vfs = Arc::new(MemoryVfs::new());
        let store = Store::open(vfs, Path::new("data"), StoreSettings::default()).unwrap();
        Arc::new(Self {
            store,
            visible: Visible::new(Lsn::ZERO, Arc::new(0)),
            sequenced: AtomicU64::new(0),
        })
    }

    /// Every second commit makes a catalog.
    fn sequence_all(&self) {
        for lsn in 1..=LAST {
            let mut apply = self.store.begin_apply(Lsn(lsn));
            for id in STORAGES {
                let rows = writes(Lsn(lsn)).into_iter().filter(|(at, _, _)| *at == id);
                apply.rows(id, rows.map(|(_, key, cell)| (key, cell)));
                pause();
            }
            apply.finish();
            if lsn % 2 == 0 {
                self.visible.sequence(Lsn(lsn), Arc::new(lsn), Vec::new());
            }
            // The log has it, and publishes it when it likes: nobody waits until that is noted.
            self.sequenced.store(lsn, Ordering::SeqCst);
            pause();
            self.store.note_logged(Lsn(lsn));
        }
    }

    /// All of them at once, to their ends.
    fn play<const N: usize>(self: &Arc<Self>, roles: [fn(&Self); N]) {
        let threads = roles.map(|role| {
            let line = Arc::clone(self);
            spawn(move || role(&line))
        });
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
    }

    fn publish_all(&self) {
        let mut published = 0;
        while published < LAST {
            let upto = self.sequenced.load(Ordering::SeqCst);
            if upto == published {
                yield_now();
            } else {
                self.visible.publish(Lsn(upto), &self.store);
                published = upto;
            }
        }
    }
}

/// Commits, publication, checkpoints and readers at once.
fn snapshots() {
    let line = Line::new();
    let roles: [fn(&Line); 4] = [
        Line::sequence_all,
        Line::publish_all,
        |line| {
            for _ in 0..3 {
                pause();
                let durable = Lsn(line.sequenced.load(Ordering::SeqCst));
                let report = line.store.checkpoint(durable, &[]).unwrap();
                assert!(report.applied <= line.store.visible_lsn());
            }
        },
        |line| {
            let mut last = Lsn::ZERO;
            while last < Lsn(LAST) {
                let snapshot = line.store.snapshot_visible();
                assert!(snapshot.lsn() >= last);
                last = snapshot.lsn();
                assert_whole(&snapshot);
                pause();
                assert_whole(&snapshot);
                assert_whole(&line.store.snapshot_tip());
                yield_now();
            }
        },
    ];
    line.play(roles);
    let snapshot = line.store.snapshot_visible();
    assert_eq!(snapshot.lsn(), Lsn(LAST));
    assert_whole(&snapshot);
}

#[test]
fn a_snapshot_is_one_commits_state_while_it_lives() {
    explore(seed(), SCHEDULES, snapshots);
}

#[test]
fn snapshots_notice() {
    for weakened in [
        "take the layers before registering",
        "read in a file that goes further",
        "drop what was frozen before the file shows it",
        "freeze amid a commit",
        "show the layers in one lane",
        "show a table in one lane",
    ] {
        must_notice(weakened, seed(), SCHEDULES, snapshots);
    }
}

/// Commits that are visible at once, and a reader that stays behind.
fn held() {
    let line = Line::new();
    let writes_on = Arc::clone(&line);
    let writer = spawn(move || {
        for lsn in 1..=LAST {
            writes_on.store.apply(Lsn(lsn), writes(Lsn(lsn)));
            writes_on.store.set_visible(Lsn(lsn));
        }
    });
    for _ in 0..2 {
        let snapshot = line.store.snapshot_visible();
        let clone = snapshot.clone();
        assert_whole(&snapshot);
        drop(snapshot);
        pause();
        assert_whole(&clone);
    }
    writer.join().unwrap();
}

#[test]
fn what_is_read_stays() {
    explore(seed(), SCHEDULES, held);
    must_notice("let go of what is read", seed(), SCHEDULES, held);
}

/// That a snapshot, which may be let go of meanwhile, gives nothing but its commit's state.
fn assert_never_wrong(snapshot: &Snapshot) {
    let lsn = snapshot.lsn();
    let expected = match lsn {
        Lsn::ZERO => Vec::new(),
        lsn => writes(lsn),
    };
    for id in STORAGES {
        let rows = expected.iter().filter(|(at, _, _)| *at == id);
        let rows: Vec<(Key, Arc<[u8]>)> = rows
            .filter_map(|(_, key, cell)| Some((key.clone(), cell.clone()?)))
            .collect();
        for name in [key(1), key(2)] {
            if let Ok(found) = snapshot.get(id, &name) {
                let row = rows.iter().find(|(key, _)| *key == name);
                let row = row.map(|(_, value)| Arc::clone(value));
                assert_eq!(found, row, "{id:?} at {lsn}");
            }
        }
        let mut expected = rows.into_iter();
        for found in snapshot.scan(id, KeyRange::all(), Direction::Forward) {
            match found {
                Ok(row) => assert_eq!(Some(row), expected.next(), "{id:?} at {lsn}"),
                Err(error) => {
                    assert_eq!(error.sqlstate(), "72000");
                    expected = Vec::new().into_iter();
                }
            }
        }
        assert_eq!(expected.next(), None, "{id:?} at {lsn}");
    }
}

/// Commits that are visible at once, a reader that stays behind, and somebody who says that it is too old.
fn aged() {
    let line = Line::new();
    let writes_on = Arc::clone(&line);
    let writer = spawn(move || {
        for lsn in 1..=LAST {
            writes_on.store.apply(Lsn(lsn), writes(Lsn(lsn)));
            writes_on.store.set_visible(Lsn(lsn));
        }
    });
    let ages = Arc::clone(&line);
    let ager = spawn(move || {
        for _ in 0..2 {
            pause();
            ages.store.let_go_of_snapshots(Duration::MAX);
        }
    });
    for _ in 0..2 {
        let snapshot = line.store.snapshot_visible();
        line.store.age_from(Duration::ZERO, &snapshot);
        assert_never_wrong(&snapshot);
        pause();
        assert_never_wrong(&snapshot);
    }
    writer.join().unwrap();
    ager.join().unwrap();
    assert_eq!(line.store.stats().snapshots, 0);
}

#[test]
fn what_is_too_old_is_refused_and_never_wrong() {
    explore(seed(), SCHEDULES, aged);
    let weakened = "let versions go before who reads them is told";
    must_notice(weakened, seed(), SCHEDULES, aged);
}

/// How somebody begins to read: rows with their catalog.
type Begin = fn(&Visible<u64>, &Store) -> (Snapshot, Arc<u64>);

/// Until the last commit is there.
fn read_on(line: &Line, begin: Begin) {
    let mut last = Lsn::ZERO;
    while last < Lsn(LAST) {
        let (snapshot, catalog) = begin(&line.visible, &line.store);
        assert!(snapshot.lsn() >= last);
        last = snapshot.lsn();
        yield_now();
        let newest = snapshot.lsn().0 / 2 * 2;
        assert_eq!(*catalog, newest, "the catalog at {}", snapshot.lsn());
        assert_whole(&snapshot);
    }
}

/// Readers and those who will write take rows and catalog while both are published.
fn catalogs() {
    let line = Line::new();
    let roles: [fn(&Line); 4] = [
        Line::sequence_all,
        Line::publish_all,
        |line| read_on(line, Visible::read),
        |line| read_on(line, Visible::read_logged),
    ];
    line.play(roles);
}

#[test]
fn rows_go_with_their_catalog() {
    explore(seed(), SCHEDULES, catalogs);
}

#[test]
fn catalogs_notice() {
    must_notice(
        "show rows before their catalog",
        seed(),
        SCHEDULES,
        catalogs,
    );
    must_notice("take any catalog", seed(), SCHEDULES, catalogs);
    must_notice("begin before what is visible", seed(), SCHEDULES, catalogs);
}

/// A commit straight into the file, who begins to read, and who counts them.
fn counted() {
    let line = Line::new();
    let roles: [fn(&Line); 3] = [
        |line| {
            let mut direct = line.store.begin_direct(Lsn(1)).unwrap();
            for (id, key, cell) in writes(Lsn(1)) {
                direct.put(id, key, cell).unwrap();
            }
            direct.commit(&[], pause).unwrap();
        },
        |line| {
            for _ in 0..3 {
                assert_whole(&line.store.snapshot_tip());
                yield_now();
            }
        },
        |line| {
            for _ in 0..3 {
                let stats = line.store.stats();
                assert!(stats.snapshots <= 1 && stats.generations == 1);
                yield_now();
            }
        },
    ];
    line.play(roles);
    assert_whole(&line.store.snapshot_visible());
}

#[test]
fn who_counts_readers_holds_nobody_up() {
    explore(seed(), SCHEDULES, counted);
    must_notice(
        "count readers with the layers held",
        seed(),
        SCHEDULES,
        counted,
    );
}
