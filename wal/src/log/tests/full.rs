//! A full disk: asked before each append, the log refuses in time and goes on when there is room again.
//!
//! A log on a full disk used to find out while it wrote a group: it was poisoned, and commits ended in "outcome
//! unknown" that could have been refused.
#![allow(clippy::print_stdout)]

use std::io::ErrorKind;
use std::thread;

use super::*;
use crate::error::Error;
use crate::settings::SyncMode;

fn refused(error: &Error) -> bool {
    matches!(error, Error::Io(failure) if failure.source.kind() == ErrorKind::StorageFull)
}

/// Appends if there is room; says whether there was.
fn append(wal: &Wal, lsn: u64, len: usize) -> bool {
    match wal.ensure_room(len) {
        Ok(()) => {
            wal.append(Lsn(lsn), payload(lsn, len)).unwrap();
            true
        }
        Err(error) => {
            assert!(refused(&error), "{error}");
            false
        }
    }
}

#[test]
fn a_full_disk_refuses_and_is_forgotten_when_there_is_room() {
    let vfs = MemoryVfs::new();
    let wal = create(&vfs, quiet());
    vfs.set_capacity_bytes(vfs.used_bytes());
    let mut last = 0;
    while append(&wal, last + 1, 1000) {
        last += 1;
        wal.ticket(Lsn(last)).wait().unwrap();
    }
    // Not a byte was wasted beyond what the next group could have needed.
    assert!(last >= 9, "{last}");
    for _ in 0..3 {
        assert!(!append(&wal, last + 1, 1000));
    }
    assert_eq!(wal.durable_lsn(), Lsn(last));
    vfs.set_capacity_bytes(u64::MAX);
    assert!(append(&wal, last + 1, 1000));
    wal.ticket(Lsn(last + 1)).wait().unwrap();
    wal.close().unwrap();
    let found = recover(&vfs, quiet(), Lsn::ZERO).unwrap();
    assert_records(&found.records, 1..=last + 1);
}

#[test]
fn little_room_makes_a_short_segment() {
    let vfs = MemoryVfs::new();
    let wal = create(&vfs, quiet());
    vfs.set_capacity_bytes(vfs.used_bytes() + (40 << 10));
    let mut last = 0;
    while append(&wal, last + 1, 1000) {
        last += 1;
        wal.ticket(Lsn(last)).wait().unwrap();
    }
    assert!(last > 15, "{last}: more than the first segment holds");
    assert!(vfs.used_bytes() > 64 << 10);
}

#[test]
fn a_record_larger_than_a_segment_has_its_room_before_it_is_appended() {
    let vfs = MemoryVfs::new();
    let wal = create(&vfs, quiet());
    let large = 300 << 10;
    vfs.set_capacity_bytes(vfs.used_bytes() + (200 << 10));
    assert!(!append(&wal, 1, large));
    vfs.set_capacity_bytes(vfs.used_bytes() + (400 << 10));
    assert!(append(&wal, 1, large));
    // Nothing is asked of the disk after the answer.
    vfs.set_capacity_bytes(0);
    wal.ticket(Lsn(1)).wait().unwrap();
    vfs.set_capacity_bytes(u64::MAX);
    assert!(append(&wal, 2, 10));
    wal.close().unwrap();
    let found = recover(&vfs, quiet(), Lsn::ZERO).unwrap();
    assert_records(&found.records, 1..=2);
}

/// Each segment of the log, its bytes.
fn segment_lens(vfs: &MemoryVfs) -> Vec<u64> {
    let names = vfs.list(Path::new(DIR)).unwrap();
    let segments = names.iter().filter(|name| name.ends_with(".seg"));
    segments
        .map(|name| open(vfs, &Path::new(DIR).join(name)).len().unwrap())
        .collect()
}

/// One segment as long as the record used to be made for it, which was of no use to anybody after it.
#[test]
fn a_long_record_has_its_room_in_segments_that_are_not_longer_than_others() {
    // Chunks, groups, segments; in the second case a quarter of each segment is left over.
    let many = (4 << 10, 8 << 10, 64 << 10);
    let few = (64 << 10, 200 << 10, 1 << 20);
    for ((chunk_bytes, group_bytes_max, segment_bytes), waiting) in
        [(many, 0), (many, 20 << 10), (few, 0), (few, 300 << 10)]
    {
        let vfs = MemoryVfs::new();
        let settings = Settings {
            chunk_bytes,
            group_bytes_max,
            segment_bytes,
            ..quiet()
        };
        let wal = create(&vfs, settings.clone());
        let long = 8 * usize::try_from(segment_bytes).unwrap();
        let before = vfs.used_bytes();
        for too_little in [0, long as u64 / 2, long as u64] {
            vfs.set_capacity_bytes(before + too_little);
            assert!(!append(&wal, 1, long), "{too_little}");
            assert_eq!(vfs.used_bytes(), before, "nothing is left of it");
        }
        let (mut last, mut capacity) = (0, before + 8 * long as u64);
        vfs.set_capacity_bytes(capacity);
        if waiting > 0 {
            last += 1;
            assert!(append(&wal, last, waiting));
        }
        last += 1;
        wal.ensure_room(long).unwrap();
        // Room that was agreed to is nobody else's, and enough.
        vfs.set_capacity_bytes(0);
        wal.yield_spares().unwrap();
        wal.ensure_room(long).unwrap();
        wal.append(Lsn(last), payload(last, long)).unwrap();
        wal.ticket(Lsn(last)).wait().unwrap();
        assert_eq!(segment_lens(&vfs).into_iter().max(), Some(segment_bytes));
        // Again, with what is left over from it.
        capacity += 2 * long as u64;
        vfs.set_capacity_bytes(capacity);
        last += 1;
        assert!(append(&wal, last, long));
        vfs.set_capacity_bytes(u64::MAX);
        wal.close().unwrap();
        drop(wal);
        let found = recover(&vfs.crash(), settings, Lsn::ZERO).unwrap();
        assert_records(&found.records, 1..=last);
    }
}

#[test]
fn spares_make_way_but_never_the_next_segment() {
    let vfs = MemoryVfs::new();
    let wal = create(&vfs, quiet());
    wal.prepare().unwrap();
    let before = vfs.used_bytes();
    assert_eq!(wal.yield_spares().unwrap(), 64 << 10);
    assert_eq!(vfs.used_bytes(), before - (64 << 10));
    assert_eq!(wal.yield_spares().unwrap(), 0);
    vfs.set_capacity_bytes(vfs.used_bytes());
    commit(&wal, 1..=25, 1000);
    assert_eq!(
        wal.headroom_bytes() / (4 << 10),
        5,
        "25 groups of a block in 30"
    );
}

/// Without a reserve a full disk stayed full: what would have made room needed some first.
#[test]
fn the_reserve_is_for_what_makes_room_again() {
    let settings = Settings {
        reserve_bytes: 512 << 10,
        ..quiet()
    };
    let reserve = Path::new(DIR).join("reserve");
    let vfs = MemoryVfs::new();
    let wal = create(&vfs, settings.clone());
    vfs.set_capacity_bytes(1 << 20);
    wal.prepare().unwrap();
    assert_eq!(wal.reserve_bytes(), 0, "little room is not made less");
    vfs.set_capacity_bytes(4 << 20);
    wal.prepare().unwrap();
    assert_eq!(wal.reserve_bytes(), 512 << 10);
    let mut last = 0;
    let fill = |last: &mut u64| {
        while append(&wal, *last + 1, 3000) {
            *last += 1;
            wal.ticket(Lsn(*last)).wait().unwrap();
        }
    };
    fill(&mut last);
    assert!(last > 300, "{last}");
    assert_eq!(wal.reserve_bytes(), 512 << 10, "nobody else takes it");
    // On this disk the log is opened again, and takes what is there.
    let reopened = recover(&copy_full(&vfs), settings.clone(), Lsn(last)).unwrap();
    assert_eq!(reopened.report.last_lsn, Lsn(last));
    drop(reopened);
    for _ in 0..50 {
        wal.ensure_room_to_free(3000).unwrap();
        last += 1;
        wal.append(Lsn(last), payload(last, 3000)).unwrap();
        wal.ticket(Lsn(last)).wait().unwrap();
        assert!(!append(&wal, last + 1, 10), "it is not for this");
    }
    assert!(!vfs.exists(&reserve).unwrap());
    // It ends as well.
    let mut more = 0;
    while wal.ensure_room_to_free(3000).is_ok() {
        last += 1;
        more += 1;
        wal.append(Lsn(last), payload(last, 3000)).unwrap();
        wal.ticket(Lsn(last)).wait().unwrap();
    }
    assert!(more > 30 && more < 200, "{more}");
    // There is room again: first for everybody, then for another reserve.
    vfs.set_capacity_bytes(5 << 20);
    fill(&mut last);
    vfs.set_capacity_bytes(16 << 20);
    wal.prepare().unwrap();
    assert_eq!(wal.reserve_bytes(), 512 << 10);
    assert!(append(&wal, last + 1, 10));
    assert_eq!(wal.spend_reserve().unwrap(), 512 << 10);
    wal.close().unwrap();
    drop(wal);
    let found = recover(&vfs.crash(), settings, Lsn::ZERO).unwrap();
    assert_records(&found.records, 1..=last + 1);
}

/// A copy of a disk that is full too.
fn copy_full(vfs: &MemoryVfs) -> MemoryVfs {
    let other = copy(vfs);
    other.set_capacity_bytes(other.used_bytes());
    other
}

/// Any mix of sizes, groups, modes and space: what `ensure_room` agreed to is written, whatever the disk says later.
#[test]
fn what_was_agreed_to_is_written() {
    for seed in 1..=200 {
        let mut rng = Rng(seed);
        let vfs = MemoryVfs::new();
        let sync = match rng.below(3) {
            0 => SyncMode::Off,
            1 => SyncMode::Interval(std::time::Duration::from_secs(3600)),
            _ => SyncMode::Commit,
        };
        let settings = Settings {
            sync,
            spare_segments: rng.below(3) as usize,
            group_bytes_max: 1 << (10 + rng.below(10)),
            chunk_bytes: 4096 << rng.below(8),
            reserve_bytes: rng.below(3) * (100 << 10),
            ..quiet()
        };
        let wal = create(&vfs, settings.clone());
        let (mut last, mut refusals) = (0, 0);
        for _ in 0..300 {
            match rng.below(14) {
                12 => drop(wal.spend_reserve()),
                13 => {
                    let len = rng.below(3000) as usize;
                    if wal.ensure_room_to_free(len).is_ok() {
                        last += 1;
                        wal.append(Lsn(last), payload(last, len)).unwrap();
                    }
                }
                0 => vfs.set_capacity_bytes(u64::MAX),
                1 => vfs.set_capacity_bytes(vfs.used_bytes() + rng.below(200 << 10)),
                2 => vfs.set_capacity_bytes(0),
                3 => drop(wal.prepare()),
                4 => drop(wal.yield_spares()),
                5 => wal.flush().unwrap(),
                6 => wal.release(wal.durable_lsn()).unwrap(),
                _ => {
                    let len = match rng.below(10) {
                        0 => rng.below(150 << 10),
                        1..4 => rng.below(20 << 10),
                        _ => rng.below(500),
                    };
                    if append(&wal, last + 1, len as usize) {
                        last += 1;
                    } else {
                        refusals += 1;
                    }
                    if rng.below(4) == 0 {
                        let waited = wal.ticket(Lsn(last)).wait();
                        waited.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
                    }
                }
            }
        }
        wal.flush()
            .unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        wal.close()
            .unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        drop(wal);
        vfs.set_capacity_bytes(u64::MAX);
        let found = recover(&vfs, settings, Lsn::ZERO).unwrap();
        assert_eq!(
            found.report.last_lsn,
            Lsn(last),
            "seed {seed}, {refusals} refusals"
        );
    }
}

/// The leader writes, and a NOOP may come between, while the next record is asked for.
#[test]
fn writers_with_threads_behind_them_meet_a_full_disk_unharmed() {
    for seed in 1..=8 {
        println!("seed {seed}");
        let vfs = MemoryVfs::new();
        let settings = Settings {
            background: Background::Threads,
            confirm_after: std::time::Duration::from_millis(1),
            ..quiet()
        };
        let wal = create(&vfs, settings.clone());
        let rng = std::sync::Mutex::new((Rng(seed), 0_u64));
        let acknowledged = std::sync::atomic::AtomicU64::new(0);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..300 {
                        let mut state = rng.lock().unwrap();
                        let (rng, last) = &mut *state;
                        match rng.below(20) {
                            0 => vfs.set_capacity_bytes(u64::MAX),
                            1 => vfs.set_capacity_bytes(vfs.used_bytes() + rng.below(100 << 10)),
                            _ => {}
                        }
                        let len = rng.below(3000) as usize;
                        if !append(&wal, *last + 1, len) {
                            continue;
                        }
                        *last += 1;
                        let lsn = Lsn(*last);
                        drop(state);
                        wal.ticket(lsn).wait().unwrap();
                        acknowledged.fetch_max(lsn.0, std::sync::atomic::Ordering::Relaxed);
                    }
                });
            }
        });
        wal.close().unwrap();
        drop(wal);
        vfs.set_capacity_bytes(u64::MAX);
        let found = recover(&vfs.crash(), settings, Lsn::ZERO).unwrap();
        assert_eq!(found.report.last_lsn.0, acknowledged.into_inner());
    }
}
