//! Tests of the storage as a whole, against a twin that keeps the full state at every LSN.
//! Random tests print their seed; the same seed is the same run.

mod age;
mod attach;
mod conflict;
mod crash;
mod damage;
mod keyed;
#[cfg(shuttle)]
mod models;
mod stress;
mod twin;

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;

use tailwater_proto::{Direction, Key, KeyRange, Lsn, StorageId};
use tailwater_wal::vfs::MemoryVfs;

use super::store::Write;
use super::{Scan, Snapshot, Store, StoreSettings};

/// A small, fast, repeatable source of numbers (xorshift64*).
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        eprintln!("seed {seed}");
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, end: u64) -> u64 {
        (self.next() >> 11) % end
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// A fixed seed each test runs with, and one nobody has run before.
fn seeds(fixed: u64) -> impl Iterator<Item = u64> {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    (1..=fixed).chain([now.as_nanos() as u64])
}

/// One storage's rows.
type Rows = BTreeMap<Key, Arc<[u8]>>;
/// All rows.
type State = BTreeMap<StorageId, Rows>;

/// The slow twin: every state there ever was.
struct Twin {
    states: BTreeMap<Lsn, State>,
    changes: Vec<(Lsn, StorageId, Key)>,
}

impl Twin {
    fn new() -> Self {
        Self {
            states: BTreeMap::from([(Lsn::ZERO, State::new())]),
            changes: Vec::new(),
        }
    }

    fn tip(&self) -> Lsn {
        *self.states.keys().next_back().unwrap()
    }

    fn apply(&mut self, lsn: Lsn, writes: &[Write]) {
        let mut state = self.states[&self.tip()].clone();
        for (id, key, value) in writes {
            let rows = state.entry(*id).or_default();
            match value {
                Some(value) => rows.insert(key.clone(), Arc::clone(value)),
                None => rows.remove(key),
            };
            self.changes.push((lsn, *id, key.clone()));
        }
        self.states.insert(lsn, state);
    }

    /// Takes back what came after `lsn`.
    fn cut(&mut self, lsn: Lsn) {
        self.states.retain(|at, _| *at <= lsn);
        self.changes.retain(|(at, ..)| *at <= lsn);
    }

    fn rows(&self, lsn: Lsn, id: StorageId) -> Rows {
        self.states[&lsn].get(&id).cloned().unwrap_or_default()
    }
}

fn key(random: &mut Random) -> Key {
    match random.below(40) {
        0 => Key::new(),
        1 => Key::from(vec![0xFF; 3]),
        2 => Key::from(vec![7; 40]),
        3 => Key::from(vec![7; 41]),
        n => Key::from(&[(n / 8) as u8, (n % 8) as u8][..]),
    }
}

fn value(random: &mut Random) -> Arc<[u8]> {
    let len = match random.below(20) {
        0 => 0,
        1 => 5000,
        n => n as usize,
    };
    vec![random.next() as u8; len].into()
}

fn range(random: &mut Random) -> KeyRange {
    let mut bound = || {
        let key = key(random);
        match random.below(3) {
            0 => Bound::Unbounded,
            1 => Bound::Included(key),
            _ => Bound::Excluded(key),
        }
    };
    KeyRange {
        lo: bound(),
        hi: bound(),
    }
}

fn direction(random: &mut Random) -> Direction {
    match random.one_in(2) {
        true => Direction::Forward,
        false => Direction::Reverse,
    }
}

fn expected(rows: &Rows, range: &KeyRange, direction: Direction) -> Vec<(Key, Arc<[u8]>)> {
    let mut rows: Vec<_> = rows
        .iter()
        .filter(|(key, _)| range.contains(key))
        .map(|(key, value)| (key.clone(), Arc::clone(value)))
        .collect();
    if direction == Direction::Reverse {
        rows.reverse();
    }
    rows
}

fn collect(scan: Scan) -> Vec<(Key, Arc<[u8]>)> {
    scan.map(Result::unwrap).collect()
}

fn all(snapshot: &Snapshot, id: StorageId) -> Rows {
    collect(snapshot.scan(id, KeyRange::all(), Direction::Forward))
        .into_iter()
        .collect()
}

fn named(key: &str) -> Key {
    Key::from(key.as_bytes())
}

fn put(id: u32, key: &str, value: &str) -> Write {
    (
        StorageId(id),
        Key::from(key.as_bytes()),
        Some(Arc::from(value.as_bytes())),
    )
}

fn delete(id: u32, key: &str) -> Write {
    (StorageId(id), Key::from(key.as_bytes()), None)
}

/// Applies a commit, at once durable and visible.
fn commit(store: &Store, writes: impl IntoIterator<Item = Write>) -> Lsn {
    let lsn = store.tip_lsn().next();
    store.apply(lsn, writes);
    store.set_visible(lsn);
    lsn
}

fn path() -> &'static Path {
    Path::new("/db/data.redb")
}

fn settings() -> StoreSettings {
    StoreSettings {
        cache_bytes: 1 << 20,
        ..StoreSettings::default()
    }
}

fn new_vfs() -> MemoryVfs {
    use tailwater_wal::vfs::Vfs;
    let vfs = MemoryVfs::new();
    vfs.create_dir_all(path().parent().unwrap()).unwrap();
    vfs
}

fn open(vfs: &MemoryVfs) -> Store {
    Store::open(Arc::new(vfs.clone()), path(), settings()).unwrap()
}
