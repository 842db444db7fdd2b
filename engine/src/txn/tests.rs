//! A write set that spills nearly everything, against a twin that is a map and whose marks are copies of it.
//! The seed is in every message; the same seed is the same run.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use tailwater_proto::{Direction, Key, KeyRange, StorageId};
use tailwater_wal::vfs::{MemoryVfs, Vfs};

use super::{Section, Staged, Target, WriteSet};
use crate::storage::ScratchRoom;

pub(super) struct Rng(pub(super) u64);

impl Rng {
    pub(super) fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 9) % n
    }
}

type Image = Option<Arc<[u8]>>;
type Rows = BTreeMap<(StorageId, Key), (Image, Image)>;

fn key(n: u64) -> Key {
    Key::from(&n.to_be_bytes()[6..])
}

fn target(storage: StorageId) -> Target {
    Target {
        storage,
        section: Section::Base,
        schema_version: 1,
    }
}

/// What lies beneath the transaction: every third key.
fn stored(n: u64) -> Image {
    n.is_multiple_of(3).then(|| Arc::from(n.to_le_bytes()))
}

/// The image of a key as the transaction sees it.
fn seen(twin: &Rows, storage: StorageId, n: u64) -> Image {
    match twin.get(&(storage, key(n))) {
        Some((_, after)) => after.clone(),
        None => stored(n),
    }
}

fn assert_same(writes: &WriteSet, twin: &Rows, rng: &mut Rng, what: &str) {
    for storage in [StorageId(70), StorageId(71)] {
        for n in 0..60 {
            let found = match writes.get(storage, &key(n)).unwrap() {
                Some(image) => image,
                None => stored(n),
            };
            assert_eq!(found, seen(twin, storage, n), "{what}: {storage:?} {n}");
        }
        let (lo, hi) = (rng.below(60), rng.below(60));
        let range = KeyRange {
            lo: std::ops::Bound::Included(key(lo.min(hi))),
            hi: std::ops::Bound::Excluded(key(lo.max(hi) + 1)),
        };
        for range in [KeyRange::all(), range] {
            let mut rows = writes.all_in(storage, &range).unwrap();
            let mut found = Vec::new();
            while let Some((key, row)) = rows.next().unwrap() {
                if row.is_changed() {
                    found.push((key, (row.before, row.after)));
                }
            }
            let expected: Vec<_> = twin
                .iter()
                .filter(|((of, key), row)| *of == storage && range.contains(key) && row.0 != row.1)
                .map(|((_, key), row)| (key.clone(), row.clone()))
                .collect();
            assert_eq!(found, expected, "{what}: {storage:?}");
        }
    }
}

#[test]
fn a_write_set_that_spills_is_a_map() {
    for seed in 1..60 {
        let vfs = MemoryVfs::new();
        vfs.create_dir_all(Path::new("db")).unwrap();
        let room = ScratchRoom::new(Arc::new(vfs.clone()), Path::new("db"), 1 << 20);
        let mut rng = Rng(seed * 7919);
        let bytes_max = [0, 500, 3_000][rng.below(3) as usize];
        let mut writes = WriteSet::bounded(Arc::new(room), bytes_max);
        writes.keep_marks();
        let mut twin = Rows::new();
        let mut marks = Vec::new();
        let mut earlier: Option<(WriteSet, Rows)> = None;
        for step in 0..150 {
            let what = format!("seed {seed} step {step}");
            match rng.below(12) {
                0 => marks.push((writes.mark(), twin.clone())),
                1 if !marks.is_empty() => {
                    let at = rng.below(marks.len() as u64) as usize;
                    let (mark, was) = marks[at].clone();
                    marks.truncate(at + 1);
                    writes.rollback_to(mark);
                    twin = was;
                    assert_same(&writes, &twin, &mut rng, &what);
                }
                2 if marks.is_empty() => writes.forget_marks_so_far(),
                3 if rng.below(4) == 0 => marks.clear(),
                4 => earlier = Some((writes.clone(), twin.clone())),
                5 => assert_same(&writes, &twin, &mut rng, &what),
                _ => {
                    let storage = StorageId(70 + rng.below(2) as u32);
                    let n = rng.below(60);
                    let before = seen(&twin, storage, n);
                    let after: Image = match rng.below(3) {
                        0 => None,
                        _ => Some(vec![rng.below(200) as u8; rng.below(90) as usize].into()),
                    };
                    if before.is_none() && after.is_none() {
                        continue;
                    }
                    writes.put(target(storage), key(n), before, after.clone());
                    let row = twin.entry((storage, key(n)));
                    row.or_insert_with(|| (stored(n), None)).1 = after;
                }
            }
            writes.check().unwrap();
        }
        assert_same(&writes, &twin, &mut rng, &format!("seed {seed}"));
        // What was copied before is as it was.
        if let Some((writes, twin)) = earlier {
            assert_same(&writes, &twin, &mut rng, &format!("seed {seed}, a copy"));
        }
        if bytes_max == 0 {
            assert!(writes.has_spilled());
        }
        let mut same = writes.like();
        for of in writes.targets().collect::<Vec<_>>() {
            let mut rows = writes.all_in(of.storage, &KeyRange::all()).unwrap();
            while let Some((key, Staged { before, after })) = rows.next().unwrap() {
                same.put(of, key, before, after);
            }
        }
        assert_same(&same, &twin, &mut rng, &format!("seed {seed}, taken over"));
        drop((writes, same));
        let left = vfs.list(Path::new("db")).unwrap();
        assert!(left.is_empty(), "seed {seed}: {left:?}");
    }
}

#[test]
fn a_scratch_file_that_fails_fails_the_set_for_good() {
    for step in 0..40 {
        let vfs = MemoryVfs::new();
        vfs.create_dir_all(Path::new("db")).unwrap();
        let room = ScratchRoom::new(Arc::new(vfs.clone()), Path::new("db"), 1 << 20);
        let mut writes = WriteSet::bounded(Arc::new(room), 2_000);
        writes.keep_marks();
        vfs.fail_write_after(step);
        let mut failed = false;
        for n in 0..600 {
            let image = Some(Arc::from([7; 50]));
            writes.put(target(StorageId(70)), key(n), None, image.clone());
            if writes.check().is_err() {
                failed = true;
                break;
            }
            assert_eq!(writes.get(StorageId(70), &key(n)).unwrap(), Some(image));
        }
        if failed {
            let read = writes.spilled_range(StorageId(70), &KeyRange::all(), Direction::Forward);
            assert!(read.is_err() || !writes.has_spilled(), "step {step}");
            vfs.fail_write_after(u32::MAX);
            assert!(writes.check().is_err(), "step {step}: it stays failed");
        }
    }
}
