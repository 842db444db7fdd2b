//! Readers that follow the tail, across segments, past retention and through the lazy modes.
//!
//! Next door: `commit`.

use std::time::Duration;

use super::*;
use crate::error::Error;
use crate::log::reader::Reader;
use crate::settings::{SealedReads, SyncMode};
use crate::vfs::OsVfs;

fn drain(reader: &mut Reader) -> Vec<(Lsn, Vec<u8>)> {
    std::iter::from_fn(|| reader.next().unwrap())
        .map(|(lsn, b)| (lsn, b.to_vec()))
        .collect()
}

#[test]
fn a_reader_follows_the_tail_across_segments_and_sees_only_durable_records() {
    let vfs = MemoryVfs::new();
    let wal = create(&vfs, quiet());
    let mut reader = wal.reader(Lsn::ZERO).unwrap();
    assert!(reader.next().unwrap().is_none());
    commit(&wal, 1..=3, 100);
    assert_records(&drain(&mut reader), 1..=3);
    wal.append(Lsn(4), payload(4, 100)).unwrap();
    assert!(reader.next().unwrap().is_none(), "not durable yet");
    wal.flush().unwrap();
    assert_records(&drain(&mut reader), 4..=4);
    commit(&wal, 5..=100, 700);
    assert_records(&drain(&mut reader), 5..=100);
    assert_eq!(reader.position(), Lsn(100));
    for from in [0, 1, 14, 15, 16, 50, 99] {
        let mut reader = wal.reader(Lsn(from)).unwrap();
        assert_records(&drain(&mut reader), from + 1..=100);
    }
    let mut early = wal.reader(Lsn(105)).unwrap();
    commit(&wal, 101..=107, 10);
    assert_records(&drain(&mut early), 106..=107);
    wal.close().unwrap();
    assert!(matches!(reader.next(), Err(Error::Closed)));
}

#[test]
fn records_of_before_a_restart_are_read_on() {
    let vfs = MemoryVfs::new();
    let wal = create(&vfs, quiet());
    commit(&wal, 1..=40, 500);
    drop(wal);
    let found = recover(&vfs, quiet(), Lsn(40)).unwrap();
    commit(&found.wal, 41..=60, 500);
    for from in [0, 20, 39, 40, 45] {
        assert_records(
            &drain(&mut found.wal.reader(Lsn(from)).unwrap()),
            from + 1..=60,
        );
    }
}

#[test]
fn a_reader_overtaken_by_retention_is_told_and_one_inside_finishes_its_segment() {
    // More than a reader copies at once, so that it comes back to the file.
    let settings = Settings {
        segment_bytes: 256 << 10,
        retain_age: Duration::ZERO,
        ..quiet()
    };
    let vfs = MemoryVfs::new();
    let wal = create(&vfs, settings);
    commit(&wal, 1..=200, 100);
    let mut reader = wal.reader(Lsn::ZERO).unwrap();
    assert!(reader.next().unwrap().is_some());
    wal.release(Lsn(200)).unwrap();
    // New frames must not appear in the file under the reader.
    commit(&wal, 201..=400, 100);
    for lsn in 2..=63 {
        assert_eq!(reader.next().unwrap().unwrap().0, Lsn(lsn));
    }
    assert!(matches!(reader.next(), Err(Error::Released { .. })));
}

#[test]
fn retention_keeps_what_is_young_within_its_bytes() {
    let vfs = MemoryVfs::new();
    let wal = create(
        &vfs,
        Settings {
            retain_bytes_max: 200_000,
            ..quiet()
        },
    );
    commit(&wal, 1..=30, 100);
    wal.release(Lsn(30)).unwrap();
    assert_eq!(wal.first_retained_lsn(), Lsn(1));
    commit(&wal, 31..=300, 100);
    wal.release(Lsn(20)).unwrap();
    assert_eq!(
        wal.first_retained_lsn(),
        Lsn(16),
        "20 is not applied everywhere"
    );
    wal.release(Lsn(300)).unwrap();
    let kept = 300 - wal.first_retained_lsn().0;
    assert!((40..=65).contains(&kept), "{kept} groups of 4 KiB are kept");
}

#[test]
fn lazy_modes_acknowledge_at_once_and_readers_see_what_is_acknowledged() {
    for sync in [SyncMode::Off, SyncMode::Interval(Duration::from_secs(3600))] {
        let vfs = MemoryVfs::new();
        let wal = create(&vfs, Settings { sync, ..quiet() });
        let before = vfs.syncs();
        for lsn in 1..=100 {
            wal.append(Lsn(lsn), payload(lsn, 20)).unwrap();
            wal.ticket(Lsn(lsn)).wait().unwrap();
        }
        assert_eq!(vfs.syncs(), before);
        assert_records(&drain(&mut wal.reader(Lsn(2)).unwrap()), 3..=100);
        assert!(!wal.ticket(Lsn(100)).is_durable());
        wal.flush().unwrap();
        assert!(wal.ticket(Lsn(100)).is_durable());
        assert_eq!(vfs.syncs(), before + 1);
        let vfs = vfs.crash();
        drop(wal);
        assert_records(&recover(&vfs, quiet(), Lsn::ZERO).unwrap().records, 1..=100);
    }
}

#[test]
fn an_interval_is_kept_by_the_log_itself() {
    let sync = SyncMode::Interval(Duration::from_millis(1));
    let settings = Settings {
        sync,
        background: Background::Threads,
        ..quiet()
    };
    let wal = create(&MemoryVfs::new(), settings);
    for lsn in 1..=3 {
        wal.append(Lsn(lsn), payload(lsn, 20)).unwrap();
        while !wal.ticket(Lsn(lsn)).is_durable() {
            std::thread::yield_now();
        }
    }
}

#[test]
fn an_idle_moment_confirms_the_newest_record() {
    let confirm_after = Duration::from_millis(1);
    let settings = Settings {
        confirm_after,
        background: Background::Threads,
        ..quiet()
    };
    let vfs = MemoryVfs::new();
    let wal = create(&vfs, settings);
    for lsn in 1..=3 {
        commit(&wal, lsn..=lsn, 10);
        let confirmed = || {
            let durable = frames(&vfs).into_iter().map(|frame| frame.durable_lsn);
            durable.max().unwrap_or(Lsn::ZERO)
        };
        while confirmed() < Lsn(lsn) {
            std::thread::yield_now();
        }
    }
}

#[test]
fn sealed_segments_are_read_through_maps_and_without() {
    for sealed_reads in [SealedReads::Mapped, SealedReads::Positioned] {
        let dir = tempfile::tempdir().unwrap();
        let settings = Settings {
            sealed_reads,
            retain_age: Duration::ZERO,
            ..quiet()
        };
        let vfs = Arc::new(OsVfs::new());
        let hook = Box::new(|_| ());
        let wal = Wal::create(vfs.clone(), dir.path(), ID, settings.clone(), hook).unwrap();
        commit(&wal, 1..=60, 300);
        let mut reader = wal.reader(Lsn::ZERO).unwrap();
        assert!(reader.next().unwrap().is_some());
        assert_records(&drain(&mut wal.reader(Lsn::ZERO).unwrap()), 1..=60);
        wal.release(Lsn(60)).unwrap();
        commit(&wal, 61..=120, 300);
        assert_eq!(reader.next().unwrap().unwrap().0, Lsn(2));
        drop(reader);
        wal.close().unwrap();
        drop(wal);
        let mut seen = 0;
        let on_record = &mut |lsn: Lsn, _: &[u8]| {
            seen = lsn.0;
            Ok(())
        };
        let hook = Box::new(|_| ());
        Wal::recover(vfs, dir.path(), settings, ID, Lsn(60), on_record, hook).unwrap();
        assert_eq!(seen, 120);
    }
}
