//! Records in parts: the twin is the same log with parts so long that there are none.
//!
//! A record counts with its last part, wherever the log is cut, whatever segments lie between, and whoever crashes.
//! Next door: `crash`, `full`.

use std::time::Duration;

use super::*;
use crate::error::Error;
use crate::log::format::{BLOCK_BYTES, FrameKind};
use crate::log::reader::Piece;
use crate::settings::SyncMode;

const TINY: usize = BLOCK_BYTES;

fn parts_of(chunk_bytes: usize) -> Settings {
    Settings {
        segment_bytes: 32 << 10,
        group_bytes_max: 10_000,
        chunk_bytes,
        ..quiet()
    }
}

fn kinds(vfs: &MemoryVfs) -> Vec<FrameKind> {
    frames(vfs).into_iter().map(|frame| frame.kind).collect()
}

fn read_all(wal: &Wal, after: u64) -> Vec<(Lsn, Vec<u8>)> {
    let mut reader = wal.reader(Lsn(after)).unwrap();
    std::iter::from_fn(|| reader.next().unwrap())
        .map(|(lsn, bytes)| (lsn, bytes.to_vec()))
        .collect()
}

#[test]
fn parts_give_the_records_that_whole_frames_give() {
    let sizes = [
        0, 1, 4095, 4096, 4097, 8191, 8192, 8193, 100, 70_000, 5, 200_000, 30_000,
    ];
    let mut found = Vec::new();
    for chunk_bytes in [TINY, 5000, usize::MAX] {
        for clean in [true, false] {
            let vfs = MemoryVfs::new();
            let wal = create(&vfs, parts_of(chunk_bytes));
            for (lsn, size) in (1..).zip(sizes) {
                commit(&wal, lsn..=lsn, size);
            }
            assert_records(&read_all(&wal, 0), 1..=13);
            for after in 1..13 {
                assert_records(&read_all(&wal, after), after + 1..=13);
            }
            let vfs = if clean {
                wal.close().unwrap();
                vfs
            } else {
                vfs.crash()
            };
            drop(wal);
            let has_parts = kinds(&vfs).contains(&FrameKind::Begin);
            assert_eq!(has_parts, chunk_bytes < usize::MAX);
            for applied in [0, 9, 12, 13] {
                let vfs = copy(&vfs);
                let recovered = recover(&vfs, parts_of(chunk_bytes), Lsn(applied)).unwrap();
                assert_records(&recovered.records, applied + 1..=13);
                assert_eq!(recovered.report.tail_cut, None);
                assert_records(&read_all(&recovered.wal, 0), 1..=13);
            }
            let recovered = recover(&vfs, parts_of(chunk_bytes), Lsn::ZERO).unwrap();
            found.push(recovered.records);
        }
    }
    assert!(found.windows(2).all(|pair| pair[0] == pair[1]));
}

/// One write or sync after the other fails, and the machine goes down: in both logs the records are a prefix that holds
/// all that was acknowledged, and both go on.
#[test]
fn a_crash_at_any_write_leaves_a_prefix() {
    let sizes = [10, 9_000, 20, 50_000, 4_097, 30_000, 100_000, 7];
    for chunk_bytes in [TINY, usize::MAX] {
        for step in 0..60 {
            for (fails_sync, dice) in [(false, 0), (false, 2), (true, 3), (true, 1)] {
                let mut rng = Rng(step.into());
                let vfs = MemoryVfs::new();
                let wal = create(&vfs, parts_of(chunk_bytes));
                if fails_sync {
                    vfs.fail_sync_after(step);
                } else {
                    vfs.fail_write_after(step);
                }
                let mut acknowledged = 0;
                for (lsn, size) in (1..).zip(sizes) {
                    let appended = wal.append(Lsn(lsn), payload(lsn, size));
                    if appended.is_err() || wal.ticket(Lsn(lsn)).wait().is_err() {
                        break;
                    }
                    acknowledged = lsn;
                }
                let crashed = vfs.crash_keeping(&mut |_| dice > 0 && rng.below(dice) == 0);
                crashed.fail_sync_after(u32::MAX);
                crashed.fail_write_after(u32::MAX);
                drop(wal);
                let mut disk = crashed;
                // And again in the midst of recovery, at each of its first steps.
                for again in 0..4 {
                    if again % 2 == 0 {
                        disk.fail_sync_after(again);
                    } else {
                        disk.fail_write_after(again);
                    }
                    let ran = recover(&disk, parts_of(chunk_bytes), Lsn::ZERO);
                    let next = disk.crash_keeping(&mut |_| rng.below(2) == 0);
                    next.fail_sync_after(u32::MAX);
                    next.fail_write_after(u32::MAX);
                    drop(ran);
                    disk = next;
                }
                let what = format!("chunk {chunk_bytes} step {step} sync {fails_sync} dice {dice}");
                let found = recover(&disk, parts_of(chunk_bytes), Lsn::ZERO)
                    .unwrap_or_else(|error| panic!("{what}: {error}"));
                let last = found.report.last_lsn.0;
                assert!(last >= acknowledged, "{what}: {last} < {acknowledged}");
                assert_records(&found.records, 1..=last);
                commit(&found.wal, last + 1..=last + 2, 20_000);
                drop(found);
                let found = recover(&disk.crash(), parts_of(chunk_bytes), Lsn(last)).unwrap();
                assert_records(&found.records, last + 1..=last + 2);
            }
        }
    }
}

/// The parts of one record lie in several segments. Wherever what is written ends, nothing of the record comes back, and
/// a second crash at any step of the recovery finds no damage.
#[test]
fn a_record_over_several_segments_is_whole_or_gone() {
    let lazy = Settings {
        sync: SyncMode::Off,
        ..parts_of(TINY)
    };
    let vfs = MemoryVfs::new();
    let wal = create(&vfs, lazy.clone());
    commit(&wal, 1..=2, 100);
    wal.flush().unwrap();
    let mut record = wal.begin_large(Lsn(3)).unwrap();
    record.write(&payload(3, 90_000)).unwrap();
    let written = copy(&vfs);
    drop((record, wal));
    let parts = frames(&written);
    let files: std::collections::BTreeSet<_> = parts.iter().map(|part| &part.file).collect();
    assert!(files.len() >= 3, "{files:?}");
    assert!(!kinds(&written).contains(&FrameKind::Commit));
    let last_file = files.into_iter().next_back().unwrap().clone();
    for part in &parts {
        if part.file != last_file {
            continue;
        }
        for zeroed in [true, false] {
            let vfs = copy(&written);
            let file = open(&vfs, &part.file);
            if zeroed {
                let len = file.len().unwrap() - part.offset;
                let zeros = vec![0; usize::try_from(len).unwrap()];
                file.write_all_at(&zeros, part.offset).unwrap();
            }
            for step in 0..12 {
                for (fails_sync, keeps) in
                    [(true, true), (true, false), (false, true), (false, false)]
                {
                    let vfs = copy(&vfs);
                    if fails_sync {
                        vfs.fail_sync_after(step);
                    } else {
                        vfs.fail_write_after(step);
                    }
                    let first = recover(&vfs, lazy.clone(), Lsn(1));
                    let next = vfs.crash_keeping(&mut |_| keeps);
                    next.fail_sync_after(u32::MAX);
                    next.fail_write_after(u32::MAX);
                    drop(first);
                    let found = recover(&next, lazy.clone(), Lsn(1)).unwrap();
                    assert_records(&found.records, 2..=2);
                    commit(&found.wal, 3..=3, 40_000);
                    found.wal.close().unwrap();
                    drop(found);
                    let found = recover(&next, lazy.clone(), Lsn(1)).unwrap();
                    assert_records(&found.records, 2..=3);
                    assert_eq!(found.records[1].1.len(), 40_000);
                }
            }
        }
    }
    // A part that is missing before one in a later segment is damage: that segment was begun on synced ground.
    let first_parts: Vec<_> = parts
        .iter()
        .filter(|part| part.lsn == Lsn(3) && part.file != last_file)
        .collect();
    for part in first_parts {
        let vfs = copy(&written);
        let file = open(&vfs, &part.file);
        file.write_all_at(&[1], part.offset + 40).unwrap();
        let error = recover(&vfs, lazy.clone(), Lsn(1)).err().unwrap();
        let Error::Damaged {
            file, offset, lsn, ..
        } = error
        else {
            panic!("{error}")
        };
        assert_eq!(
            (file, offset, lsn),
            (part.file.clone(), part.offset, Lsn(3))
        );
    }
}

#[test]
fn a_flipped_byte_in_a_confirmed_part_is_damage() {
    let vfs = MemoryVfs::new();
    let wal = create(&vfs, parts_of(TINY));
    commit(&wal, 1..=1, 50_000);
    commit(&wal, 2..=2, 10);
    wal.close().unwrap();
    drop(wal);
    let parts = frames(&vfs);
    for part in parts.iter().filter(|part| part.lsn == Lsn(1)) {
        for place in [0, 5, 12, 20, 32, 39, 40, 31 + u64::from(part.len)] {
            let vfs = copy(&vfs);
            let file = open(&vfs, &part.file);
            let mut byte = [0];
            let at = part.offset + place;
            file.read_exact_at(&mut byte, at).unwrap();
            file.write_all_at(&[byte[0] ^ 0x10], at).unwrap();
            let found = recover(&vfs, parts_of(TINY), Lsn::ZERO);
            assert!(
                matches!(found, Err(Error::Damaged { .. })),
                "{part:?} byte {place}"
            );
        }
    }
}

/// Segments in which no record begins must neither stay for ever nor be all that is left without the log knowing.
#[test]
fn segments_in_the_midst_of_a_record_are_released() {
    let settings = Settings {
        retain_age: Duration::ZERO,
        ..parts_of(TINY)
    };
    let vfs = MemoryVfs::new();
    let wal = create(&vfs, settings.clone());
    let mut last = 0;
    for _ in 0..6 {
        commit(&wal, last + 1..=last + 1, 150_000);
        commit(&wal, last + 2..=last + 2, 10);
        last += 2;
        let oldest = wal.first_retained_lsn();
        wal.release(Lsn(last - 1)).unwrap();
        assert!(wal.first_retained_lsn() > oldest);
        assert_records(&read_all(&wal, last - 1), last..=last);
        for applied in [last - 1, last] {
            let found = recover(&copy(&vfs), settings.clone(), Lsn(applied)).unwrap();
            assert_eq!(found.report.last_lsn, Lsn(last));
            assert_eq!(found.report.tail_cut, None);
        }
    }
    let names = vfs.list(Path::new(DIR)).unwrap();
    assert!(names.len() <= 5, "{names:?}");
    // Every set of files that a crash can leave while they go, oldest first.
    commit(&wal, last + 1..=last + 1, 150_000);
    drop(wal);
    let segments: Vec<String> = vfs
        .list(Path::new(DIR))
        .unwrap()
        .into_iter()
        .filter(|name| name.ends_with(".seg"))
        .collect();
    assert!(segments.len() >= 5, "{segments:?}");
    let mut gaps = 0;
    for gone in 1..segments.len() - 1 {
        let vfs = copy(&vfs);
        for name in &segments[..gone] {
            vfs.remove(&Path::new(DIR).join(name)).unwrap();
        }
        let found = recover(&vfs, settings.clone(), Lsn(last + 1)).unwrap();
        assert_eq!(found.report.last_lsn, Lsn(last + 1));
        let oldest = found.wal.first_retained_lsn();
        let has_begin = oldest <= Lsn(last + 1);
        let reader = found.wal.reader(Lsn(last));
        let is_released = matches!(reader, Err(Error::Released { .. }));
        assert_eq!(is_released, !has_begin, "the rest of a record is none");
        commit(&found.wal, last + 2..=last + 2, 10);
        let again = recover(&copy(&vfs), settings.clone(), Lsn(last));
        assert_eq!(again.is_ok(), has_begin);
        gaps += u32::from(matches!(again, Err(Error::Gap { .. })));
    }
    assert!(gaps >= 3, "{gaps}");
}

#[test]
fn a_record_is_streamed_and_may_be_given_up() {
    for clean in [true, false] {
        let vfs = MemoryVfs::new();
        let wal = create(&vfs, parts_of(TINY));
        commit(&wal, 1..=1, 10);
        for given_up in [0, 4096, 50_000] {
            let mut record = wal.begin_large(Lsn(2)).unwrap();
            record.write(&payload(9, given_up)).unwrap();
            record.abort();
        }
        let mut record = wal.begin_large(Lsn(2)).unwrap();
        for part in payload(2, 77_777).chunks(1_111) {
            record.write(part).unwrap();
        }
        assert_eq!(record.lsn(), Lsn(2));
        let ticket = record.commit().unwrap();
        assert!(!ticket.is_durable());
        ticket.wait().unwrap();
        let mut short = wal.begin_large(Lsn(3)).unwrap();
        short.write(&payload(3, 100)).unwrap();
        short.commit().unwrap().wait().unwrap();
        assert_records(&read_all(&wal, 0), 1..=3);
        let mut lost = wal.begin_large(Lsn(4)).unwrap();
        lost.write(&payload(4, 60_000)).unwrap();
        let vfs = if clean {
            drop(lost);
            wal.close().unwrap();
            vfs
        } else {
            let crashed = vfs.crash();
            drop(lost);
            crashed
        };
        drop(wal);
        let found = recover(&vfs, parts_of(TINY), Lsn::ZERO).unwrap();
        assert_records(&found.records, 1..=3);
        let cut = found.report.tail_cut.clone();
        assert!(!clean || cut.is_none(), "a record given up is no loss");
        commit(&found.wal, 4..=5, 10_000);
        assert_records(&read_all(&found.wal, 0), 1..=5);
        drop(found);
        let found = recover(&vfs.crash(), parts_of(TINY), Lsn(2)).unwrap();
        assert_records(&found.records, 3..=5);
    }
}

#[test]
fn a_log_closes_and_confirms_while_a_record_is_under_way() {
    let vfs = MemoryVfs::new();
    let wal = create(&vfs, parts_of(TINY));
    commit(&wal, 1..=1, 10);
    let mut record = wal.begin_large(Lsn(2)).unwrap();
    record.write(&payload(2, 30_000)).unwrap();
    wal.log.confirm().unwrap();
    record.write(&payload(2, 30_000)).unwrap();
    assert!(
        !kinds(&vfs).contains(&FrameKind::Noop),
        "it would make the parts before it void"
    );
    wal.close().unwrap();
    assert!(matches!(record.write(&[0; 9000]), Err(Error::Closed)));
    assert!(matches!(record.commit(), Err(Error::Closed)));
    drop(wal);
    let found = recover(&vfs, parts_of(TINY), Lsn::ZERO).unwrap();
    assert_records(&found.records, 1..=1);
    assert_eq!(found.report.tail_cut, None);
}

#[test]
fn a_full_disk_stops_a_streamed_record_and_nothing_else() {
    let vfs = MemoryVfs::new();
    let wal = create(&vfs, parts_of(TINY));
    commit(&wal, 1..=1, 10);
    vfs.set_capacity_bytes(vfs.used_bytes() + (100 << 10));
    let mut record = wal.begin_large(Lsn(2)).unwrap();
    let bytes = payload(2, 1000);
    let error = loop {
        if let Err(error) = record.write(&bytes) {
            break error;
        }
    };
    assert!(error.to_string().contains("cannot fill"), "{error}");
    record.abort();
    vfs.set_capacity_bytes(u64::MAX);
    commit(&wal, 2..=3, 50_000);
    drop(wal);
    let found = recover(&vfs.crash(), parts_of(TINY), Lsn::ZERO).unwrap();
    assert_records(&found.records, 1..=3);
}

#[test]
fn a_long_record_is_never_in_the_log_as_a_whole() {
    let vfs = MemoryVfs::new();
    let settings = Settings {
        segment_bytes: 4 << 20,
        ..quiet()
    };
    let wal = create(&vfs, settings.clone());
    let large = payload(1, 9 << 20);
    wal.append(Lsn(1), Arc::clone(&large)).unwrap();
    let waiting = wal.log.unwritten.load(std::sync::atomic::Ordering::Relaxed);
    assert!(waiting < 2 << 20, "{waiting} bytes wait");
    wal.ticket(Lsn(1)).wait().unwrap();
    let longest = frames(&vfs).into_iter().map(|frame| frame.len).max();
    assert_eq!(longest, Some((256 << 10) + 8));
    let lengths = wal.log.segments.read();
    let longest = lengths.iter().map(|segment| segment.file.len().unwrap());
    assert_eq!(
        longest.max(),
        Some(4 << 20),
        "segments stay as long as they are"
    );
    drop(lengths);
    let (_, read) = wal.reader(Lsn::ZERO).unwrap().next().unwrap().unwrap();
    assert_eq!(read, large);
}

/// Long records come part by part, never a part of one that was given up, and short ones whole; folded they are what a
/// reader of whole records gives.
#[test]
fn pieces_are_the_records_whatever_was_given_up_between_them() {
    for seed in 1..20 {
        let mut rng = Rng(seed);
        let vfs = MemoryVfs::new();
        let wal = create(&vfs, parts_of(TINY));
        for lsn in 1..=12 {
            while rng.below(3) == 0 {
                let mut record = wal.begin_large(Lsn(lsn)).unwrap();
                record
                    .write(&payload(99, 1 + rng.below(60_000) as usize))
                    .unwrap();
                if rng.below(2) == 0 {
                    wal.flush().unwrap();
                }
            }
            commit(
                &wal,
                lsn..=lsn,
                [10, 4_096, 9_000, 50_000][rng.below(4) as usize],
            );
        }
        for bytes_max in [0, 5_000, 20_000, usize::MAX] {
            let mut reader = wal.reader(Lsn::ZERO).unwrap();
            let (mut records, mut begun) = (Vec::new(), Vec::new());
            while let Some((lsn, piece)) = reader.next_piece(bytes_max).unwrap() {
                let (bytes, is_last) = match piece {
                    Piece::Record(record) => (record.to_vec(), true),
                    Piece::Part { bytes, is_last } => (bytes, is_last),
                };
                assert!(bytes.len() <= bytes_max.max(TINY), "seed {seed}");
                begun.extend(bytes);
                if is_last {
                    records.push((lsn, std::mem::take(&mut begun)));
                }
            }
            assert_records(&records, 1..=12);
            assert!(begun.is_empty(), "seed {seed}");
        }
    }
}
