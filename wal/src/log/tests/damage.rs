//! Bytes that change where nothing may change: every flipped byte of a confirmed record is an error.
//!
//! Next door: `crash`, where what is lost was never confirmed.

use super::*;
use crate::error::Error;
use crate::log::format::{BLOCK_BYTES, FRAMES_AT, FrameKind, SegmentHeader};

/// Ten records in ten groups, closed, then some byte is changed.
fn closed_log() -> MemoryVfs {
    let vfs = MemoryVfs::new();
    let wal = create(&vfs, quiet());
    commit(&wal, 1..=10, 100);
    wal.close().unwrap();
    vfs
}

fn flip(vfs: &MemoryVfs, segment_no: u64, offset: u64) {
    let file = open(vfs, &segment_path(segment_no));
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).unwrap();
    file.write_all_at(&[byte[0] ^ 0x40], offset).unwrap();
}

#[test]
fn every_flipped_byte_of_a_confirmed_record_is_reported_with_its_place() {
    let closed = closed_log();
    for record in [1, 5, 10] {
        let group = FRAMES_AT + (record - 1) * BLOCK_BYTES as u64;
        for at in 0..132 {
            let vfs = copy(&closed);
            flip(&vfs, 1, group + at);
            match recover(&vfs, quiet(), Lsn::ZERO).err() {
                Some(Error::Damaged {
                    file, offset, lsn, ..
                }) => {
                    assert_eq!((file, offset, lsn.0), (segment_path(1), group, record));
                }
                other => panic!("record {record}, byte {at}: {other:?}"),
            }
        }
    }
}

#[test]
fn every_flipped_byte_of_a_segment_header_is_reported() {
    let closed = closed_log();
    for at in 0..200 {
        let vfs = copy(&closed);
        flip(&vfs, 1, at);
        let error = recover(&vfs, quiet(), Lsn::ZERO).err().unwrap();
        assert!(matches!(error, Error::Damaged { offset: 0, .. }), "{error}");
    }
}

/// Found by the fuzz target `wal_recover`. Behind an empty segment such records were taken, the empty one was recycled,
/// and the next recovery refused the log it had accepted.
#[test]
fn records_that_were_durable_before_their_segment_was_prepared_are_damage() {
    let vfs = closed_log();
    let file = open(&vfs, &segment_path(1));
    let mut block = vec![0; BLOCK_BYTES];
    file.read_exact_at(&mut block, 0).unwrap();
    let mut header = SegmentHeader::decode(&block).unwrap();
    header.after_lsn = Lsn(5);
    file.write_all_at(&header.encode(), 0).unwrap();
    header.after_lsn = Lsn::ZERO;
    header.segment_no = 0;
    header.salt += 1;
    let empty = vfs.open(&segment_path(0), OpenMode::CreateNew).unwrap();
    empty.write_all_at(&header.encode(), 0).unwrap();
    let error = recover(&vfs, quiet(), Lsn::ZERO).err().unwrap();
    assert!(
        matches!(error, Error::Damaged { lsn: Lsn(1), .. }),
        "{error}"
    );
}

/// Without the NOOP of a clean close nothing says that the newest group was acknowledged, except the storage.
#[test]
fn the_newest_group_is_cut_unless_the_storage_has_it() {
    let vfs = MemoryVfs::new();
    let wal = create(&vfs, quiet());
    commit(&wal, 1..=10, 100);
    let vfs = vfs.crash();
    drop(wal);
    flip(&vfs, 1, FRAMES_AT + 9 * BLOCK_BYTES as u64 + 50);
    let error = recover(&copy(&vfs), quiet(), Lsn(10)).err().unwrap();
    assert!(
        matches!(error, Error::Damaged { lsn: Lsn(10), .. }),
        "{error}"
    );
    let found = recover(&vfs, quiet(), Lsn(9)).unwrap();
    let cut = found.report.tail_cut.unwrap();
    assert_eq!((cut.lsn, cut.file), (Lsn(10), segment_path(1)));
    assert_eq!(cut.offset, FRAMES_AT + 9 * BLOCK_BYTES as u64);
}

#[test]
fn damage_at_the_end_of_a_sealed_segment_is_reported() {
    let vfs = MemoryVfs::new();
    let wal = create(&vfs, quiet());
    commit(&wal, 1..=20, 100);
    let vfs = vfs.crash();
    drop(wal);
    // 15 groups fit behind the header of 64 KiB; 16 to 20 are in the second segment.
    flip(&vfs, 1, FRAMES_AT + 14 * BLOCK_BYTES as u64 + 60);
    let error = recover(&vfs, quiet(), Lsn::ZERO).err().unwrap();
    assert!(
        matches!(error, Error::Damaged { lsn: Lsn(15), .. }),
        "{error}"
    );
    // The beginning of the last segment: its later groups tell.
    flip(&vfs, 1, FRAMES_AT + 14 * BLOCK_BYTES as u64 + 60);
    flip(&vfs, 2, FRAMES_AT + 4);
    let error = recover(&vfs, quiet(), Lsn::ZERO).err().unwrap();
    assert!(
        matches!(error, Error::Damaged { lsn: Lsn(16), .. }),
        "{error}"
    );
}

#[test]
fn a_missing_segment_is_reported() {
    let vfs = MemoryVfs::new();
    let wal = create(&vfs, quiet());
    commit(&wal, 1..=50, 100);
    wal.close().unwrap();
    for (segment_no, expect_gap) in [(1, true), (2, false)] {
        let vfs = copy(&vfs);
        vfs.remove(&segment_path(segment_no)).unwrap();
        let error = recover(&vfs, quiet(), Lsn::ZERO).err().unwrap();
        assert_eq!(matches!(error, Error::Gap { .. }), expect_gap, "{error}");
        assert_eq!(
            matches!(error, Error::Damaged { .. }),
            !expect_gap,
            "{error}"
        );
    }
    vfs.remove(&segment_path(4)).unwrap();
    let error = recover(&vfs, quiet(), Lsn(50)).err().unwrap();
    assert!(
        matches!(
            error,
            Error::Lost {
                applied: Lsn(50),
                last: Lsn(45)
            }
        ),
        "{error}"
    );
}

#[test]
fn damage_leaves_every_file_as_it_was() {
    let vfs = closed_log();
    flip(&vfs, 1, FRAMES_AT + 50);
    let before = all_bytes(&vfs);
    assert!(recover(&vfs, quiet(), Lsn::ZERO).is_err());
    assert_eq!(all_bytes(&vfs), before);
}

fn all_bytes(vfs: &MemoryVfs) -> Vec<(String, Vec<u8>)> {
    let dir = Path::new(DIR);
    let names = vfs.list(dir).unwrap();
    let read = |name: &String| {
        let file = open(vfs, &dir.join(name));
        let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
        file.read_exact_at(&mut bytes, 0).unwrap();
        bytes
    };
    names
        .into_iter()
        .map(|name| (name.clone(), read(&name)))
        .collect()
}

#[test]
fn a_dump_lists_every_frame() {
    let vfs = closed_log();
    let frames = frames(&vfs);
    let listed: Vec<_> = frames
        .iter()
        .map(|f| (f.kind, f.lsn.0, f.durable_lsn.0, f.len))
        .collect();
    let mut expected: Vec<_> = (1..=10)
        .map(|n| (FrameKind::Record, n, n - 1, 100))
        .collect();
    expected.push((FrameKind::Noop, 10, 10, 0));
    assert_eq!(listed, expected);
    assert_eq!(frames[1].offset, FRAMES_AT + BLOCK_BYTES as u64);
}
