//! Crashes at chosen places: torn groups at every byte, recycled files, epochs, many restarts.
//!
//! Next door: `twin`, which crashes at random ones; `damage`, where nothing has crashed.

use std::path::Path;

use super::*;
use crate::error::Error;
use crate::log::format::{BLOCK_BYTES, FRAMES_AT};
use crate::settings::SyncMode;
use crate::vfs::Pending;

#[test]
fn a_clean_close_and_a_crash_both_give_everything_back() {
    for clean in [true, false] {
        let vfs = MemoryVfs::new();
        let wal = create(&vfs, quiet());
        let last = few(300, 12);
        commit(&wal, 1..=last, 300);
        let vfs = if clean {
            wal.close().unwrap();
            vfs
        } else {
            vfs.crash()
        };
        drop(wal);
        let found = recover(&vfs, quiet(), Lsn(7)).unwrap();
        assert_records(&found.records, 8..=last);
        assert_eq!(found.report.tail_cut, None);
        assert_eq!(found.report.bytes, (last - 7) * 300);
        commit(&found.wal, last + 1..=last + 2, 10);
    }
}

#[test]
fn records_of_any_size_come_back() {
    let vfs = MemoryVfs::new();
    let wal = create(&vfs, quiet());
    let sizes = [0, 1, 7, 8, 9, 4055, 4064, 4065, 61_000, 65_536, 300_000, 5];
    for (lsn, size) in (1..).zip(sizes) {
        commit(&wal, lsn..=lsn, size);
    }
    drop(wal);
    let found = recover(&vfs.crash(), quiet(), Lsn::ZERO).unwrap();
    assert_records(&found.records, 1..=12);
    let found: Vec<usize> = found.records.iter().map(|(_, bytes)| bytes.len()).collect();
    assert_eq!(found, sizes);
}

/// The last group is cut at every byte: either the whole of it is there or none of a record, never damage.
#[test]
fn a_tail_torn_at_every_byte_is_cut() {
    let vfs = MemoryVfs::new();
    let wal = create(&vfs, quiet());
    commit(&wal, 1..=5, 100);
    for lsn in 6..=9 {
        wal.append(Lsn(lsn), payload(lsn, 50)).unwrap();
    }
    wal.ticket(Lsn(9)).wait().unwrap();
    let group_at = FRAMES_AT + 5 * BLOCK_BYTES as u64;
    let path = segment_path(1);
    let vfs = vfs.crash();
    drop(wal);
    let mut group = vec![0; BLOCK_BYTES];
    open(&vfs, &path)
        .read_exact_at(&mut group, group_at)
        .unwrap();
    let frames = 4 * (32 + 56);
    for kept in 0..=frames + 8 {
        let vfs = copy(&vfs);
        let mut torn = group.clone();
        torn[kept..].fill(0);
        open(&vfs, &path).write_all_at(&torn, group_at).unwrap();
        let found = recover(&vfs, quiet(), Lsn::ZERO).unwrap();
        // A frame whose last bytes are padding is whole without them.
        let whole = torn
            .chunks(88)
            .zip(group.chunks(88))
            .take(4)
            .take_while(|(a, b)| a == b);
        let last = 5 + whole.count() as u64;
        assert_records(&found.records, 1..=last);
        let is_torn = torn[(last as usize - 5) * 88..]
            .iter()
            .any(|byte| *byte != 0);
        assert_eq!(found.report.tail_cut.is_some(), is_torn, "kept {kept}");
        let cut_at = found.report.tail_cut.as_ref().map(|cut| cut.offset);
        let len = open(&vfs, &path).len().unwrap();
        assert!(
            cut_at.is_none_or(|cut_at| cut_at == len),
            "what was cut is gone from the file"
        );
        // The log goes on behind the cut, and what was cut does not come back.
        commit(&found.wal, last + 1..=last + 3, 20);
        drop(found);
        let again = recover(&vfs.crash(), quiet(), Lsn::ZERO).unwrap();
        assert_records(&again.records, 1..=last + 3);
        assert_eq!(again.records.last().unwrap().1.len(), 20);
    }
}

#[test]
fn a_group_that_lost_any_of_its_sectors_is_cut_at_the_hole() {
    for lost in 0..8 {
        let vfs = MemoryVfs::new();
        let wal = create(
            &vfs,
            Settings {
                sync: SyncMode::Off,
                ..quiet()
            },
        );
        for lsn in 1..=20 {
            wal.append(Lsn(lsn), payload(lsn, 150)).unwrap();
        }
        wal.ticket(Lsn(20)).wait().unwrap();
        assert_eq!(
            wal.reader(Lsn::ZERO).unwrap().next().unwrap().unwrap().0,
            Lsn(1)
        );
        assert_eq!((wal.written_lsn(), wal.durable_lsn()), (Lsn(20), Lsn::ZERO));
        let mut sector = 0;
        let vfs = vfs.crash_keeping(&mut |pending| {
            let is_sector = matches!(pending, Pending::Sector { .. });
            sector += u32::from(is_sector);
            is_sector && sector != lost + 1
        });
        drop(wal);
        let found = recover(&vfs, quiet(), Lsn::ZERO).unwrap();
        let last = found.report.last_lsn.0;
        assert_records(&found.records, 1..=last);
        assert_eq!(found.report.tail_cut.is_some(), last < 20);
    }
}

#[test]
fn records_of_a_recycled_file_never_come_back() {
    let settings = Settings {
        retain_age: std::time::Duration::ZERO,
        ..quiet()
    };
    let vfs = MemoryVfs::new();
    let wal = create(&vfs, settings.clone());
    let mut last = 0;
    for _ in 0..12 {
        commit(&wal, last + 1..=last + 20, 300);
        last += 20;
        wal.release(Lsn(last)).unwrap();
    }
    let names = vfs.list(Path::new(DIR)).unwrap();
    assert!(names.len() <= 4, "files are reused: {names:?}");
    let first = wal.first_retained_lsn().0;
    assert!(first > 200, "{first}");
    assert!(matches!(wal.reader(Lsn(3)), Err(Error::Released { oldest }) if oldest.0 == first));
    drop(wal);
    for _ in 0..30 {
        let found = recover(&vfs, settings.clone(), Lsn(last)).unwrap();
        assert_eq!(
            (found.report.last_lsn, found.report.records),
            (Lsn(last), 0)
        );
        assert_eq!(found.report.tail_cut, None);
        commit(&found.wal, last + 1..=last + 5, 300);
        last += 5;
        found.wal.release(Lsn(last)).unwrap();
    }
}

/// The log of a storage that has applied everything may hold no record at all; it still knows its place.
#[test]
fn an_empty_log_knows_where_it_stands() {
    let settings = Settings {
        retain_age: std::time::Duration::ZERO,
        ..quiet()
    };
    let mut vfs = MemoryVfs::new();
    let wal = create(&vfs, settings.clone());
    commit(&wal, 1..=9, 10);
    drop(wal);
    for _ in 0..4 {
        let found = recover(&vfs, settings.clone(), Lsn(9)).unwrap();
        found.wal.release(Lsn(9)).unwrap();
        assert_eq!(found.wal.first_retained_lsn(), Lsn(10));
        vfs = vfs.crash();
    }
    let gap = recover(&copy(&vfs), settings.clone(), Lsn(8))
        .err()
        .unwrap();
    assert!(
        matches!(
            gap,
            Error::Gap {
                applied: Lsn(8),
                found: Lsn(10)
            }
        ),
        "{gap}"
    );
    let lost = recover(&copy(&vfs), settings.clone(), Lsn(10))
        .err()
        .unwrap();
    assert!(
        matches!(
            lost,
            Error::Lost {
                applied: Lsn(10),
                last: Lsn(9)
            }
        ),
        "{lost}"
    );
    let found = recover(&vfs, settings, Lsn(9)).unwrap();
    commit(&found.wal, 10..=10, 5);
}

/// An empty segment may be all that tells where the log stands: a crash at any point of a recovery must not lose it.
#[test]
fn a_crash_at_any_point_of_a_recovery_is_recovered_from() {
    let settings = Settings {
        retain_age: std::time::Duration::ZERO,
        ..quiet()
    };
    let vfs = MemoryVfs::new();
    let wal = create(&vfs, settings.clone());
    commit(&wal, 1..=9, 10);
    drop(wal);
    let released = recover(&vfs, settings.clone(), Lsn(9)).unwrap();
    released.wal.release(Lsn(9)).unwrap();
    drop(released);
    for calls in 0..12 {
        for (fails_sync, keeps) in [(true, true), (true, false), (false, true), (false, false)] {
            let vfs = copy(&vfs);
            if fails_sync {
                vfs.fail_sync_after(calls)
            } else {
                vfs.fail_write_after(calls)
            }
            let first = recover(&vfs, settings.clone(), Lsn(9));
            let vfs = vfs.crash_keeping(&mut |_| keeps);
            drop(first);
            vfs.fail_sync_after(u32::MAX);
            vfs.fail_write_after(u32::MAX);
            let found = recover(&vfs, settings.clone(), Lsn(9)).unwrap();
            assert_eq!(found.report.last_lsn, Lsn(9));
            commit(&found.wal, 10..=11, 10);
            drop(found);
            assert_records(
                &recover(&vfs, settings.clone(), Lsn(9)).unwrap().records,
                10..=11,
            );
        }
    }
}

/// A storage had applied 38 and the log released it. The active segment had been prepared at 36, and its own first
/// records were not synced when the machine crashed: the log took 37 for the next record and called 38 damaged.
#[test]
fn a_segment_is_not_released_before_the_next_one_shows_where_the_log_stands() {
    let settings = Settings {
        sync: SyncMode::Off,
        retain_age: std::time::Duration::ZERO,
        group_bytes_max: 1,
        ..quiet()
    };
    let vfs = MemoryVfs::new();
    let wal = create(&vfs, settings.clone());
    wal.prepare().unwrap();
    for lsn in 1..=20 {
        wal.append(Lsn(lsn), payload(lsn, 10)).unwrap();
    }
    let durable = wal.durable_lsn();
    assert!(durable > Lsn::ZERO && durable < Lsn(19), "{durable}");
    wal.release(durable).unwrap();
    let vfs = vfs.crash();
    drop(wal);
    let found = recover(&vfs, settings, durable).unwrap();
    assert_eq!(
        (found.report.last_lsn, found.report.tail_cut),
        (durable, None)
    );
}

#[test]
fn an_epoch_begins_behind_what_is_appended_and_stays() {
    let vfs = MemoryVfs::new();
    let wal = create(&vfs, quiet());
    commit(&wal, 1..=3, 10);
    wal.append(Lsn(4), payload(4, 10)).unwrap();
    assert_eq!(wal.begin_epoch().unwrap(), 2);
    assert_eq!(wal.durable_lsn(), Lsn(4));
    commit(&wal, 5..=6, 10);
    let vfs = vfs.crash();
    drop(wal);
    for _ in 0..3 {
        let found = recover(&vfs, quiet(), Lsn::ZERO).unwrap();
        assert_records(&found.records, 1..=6);
        assert_eq!(found.report.epoch, 2);
        let history = found.wal.epoch_history();
        let history: Vec<_> = history.iter().map(|e| (e.number, e.first_lsn.0)).collect();
        assert_eq!(history, [(1, 1), (2, 5)]);
    }
}

#[test]
fn a_second_log_in_the_directory_is_refused() {
    let vfs = MemoryVfs::new();
    drop(create(&vfs, quiet()));
    let dir = Path::new(DIR);
    let second = Wal::create(Arc::new(vfs.clone()), dir, ID, quiet(), Box::new(|_| ()));
    assert!(matches!(second, Err(Error::Exists { .. })));
    let ignore = &mut |_: Lsn, _: &[u8]| Ok(());
    let other = Wal::recover(
        Arc::new(vfs),
        dir,
        quiet(),
        [0; 16],
        Lsn::ZERO,
        ignore,
        Box::new(|_| ()),
    );
    assert!(matches!(other, Err(Error::Foreign { .. })));
}

#[test]
fn a_full_disk_during_creation_leaves_no_log_and_can_be_tried_again() {
    let vfs = MemoryVfs::with_capacity_bytes(10_000);
    let dir = Path::new(DIR);
    let full = Wal::create(Arc::new(vfs.clone()), dir, ID, quiet(), Box::new(|_| ())).unwrap_err();
    assert!(full.to_string().contains("cannot fill"), "{full}");
    vfs.set_capacity_bytes(u64::MAX);
    commit(&create(&vfs, quiet()), 1..=3, 10);
}
