//! A survey reads on behind damage and names it; of a whole log it says what recovery says.
//!
//! Next door: `damage`, where recovery refuses the same logs.

use super::*;
use crate::log::format::{BLOCK_BYTES, FRAMES_AT, FrameKind, SegmentHeader, seed};
use crate::log::scan::{PIECE_BYTES, Passed, Scanner};
use crate::log::survey::{Survey, survey};

fn surveyed(vfs: &MemoryVfs) -> (Survey, Vec<(Lsn, Vec<u8>)>) {
    let mut records = Vec::new();
    let mut ended = true;
    let survey = survey(vfs, Path::new(DIR), &mut |piece| {
        assert_eq!(piece.at == 0, ended, "pieces follow each other");
        assert!(piece.bytes.len() <= PIECE_BYTES);
        if piece.at == 0 {
            records.push((piece.lsn, Vec::new()));
        }
        let (lsn, bytes) = records.last_mut().unwrap();
        assert_eq!((*lsn, bytes.len() as u64), (piece.lsn, piece.at));
        bytes.extend_from_slice(piece.bytes);
        ended = piece.is_last;
    });
    assert!(ended, "none of a record that is not whole");
    (survey.unwrap(), records)
}

/// `n` records in as many groups, over several segments if they are long.
fn closed_log(n: u64, len: usize) -> MemoryVfs {
    let vfs = MemoryVfs::new();
    let wal = create(&vfs, quiet());
    commit(&wal, 1..=n, len);
    wal.close().unwrap();
    vfs
}

fn flip(vfs: &MemoryVfs, path: &Path, offset: u64) {
    let file = open(vfs, path);
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).unwrap();
    file.write_all_at(&[byte[0] ^ 0x40], offset).unwrap();
}

#[test]
fn a_whole_log_has_no_faults_and_all_records() {
    let vfs = closed_log(60, 3000);
    let (survey, records) = surveyed(&vfs);
    assert_records(&records, 1..=60);
    assert!(survey.segments > 2, "{survey:?}");
    assert_eq!((survey.faults.len(), &survey.tail), (0, &None));
    assert_eq!(survey.database_id, Some(ID));
    assert_eq!((survey.first_lsn, survey.last_lsn), (Some(Lsn(1)), Lsn(60)));
}

#[test]
fn a_flipped_byte_costs_one_record_and_is_named() {
    let closed = closed_log(10, 100);
    for record in [1, 5, 10] {
        let group = FRAMES_AT + (record - 1) * BLOCK_BYTES as u64;
        for at in 0..132 {
            let vfs = copy(&closed);
            flip(&vfs, &segment_path(1), group + at);
            let (survey, records) = surveyed(&vfs);
            let found: Vec<u64> = records.iter().map(|(lsn, _)| lsn.0).collect();
            let left: Vec<u64> = (1..=10).filter(|lsn| *lsn != record).collect();
            assert_eq!(found, left, "record {record}, byte {at}");
            let [fault] = survey.faults.as_slice() else {
                panic!("record {record}, byte {at}: {survey:?}");
            };
            assert_eq!((&fault.file, fault.offset), (&segment_path(1), group));
            assert_eq!(
                fault.missing.is_none(),
                record == 1,
                "nothing says what was first"
            );
        }
    }
}

#[test]
fn a_lost_segment_and_a_wrong_header_are_named() {
    let closed = closed_log(60, 3000);
    let vfs = copy(&closed);
    vfs.remove(&segment_path(2)).unwrap();
    let (survey, records) = surveyed(&vfs);
    let (first, last) = survey.faults[0].missing.unwrap();
    assert_eq!(records.len() as u64, 60 - (last.0 - first.0 + 1));
    assert_eq!(survey.faults.len(), 1);

    let vfs = copy(&closed);
    flip(&vfs, &segment_path(2), 50);
    let (survey, _) = surveyed(&vfs);
    assert_eq!(survey.faults[0].file, segment_path(2));
    assert_eq!(survey.faults[0].missing, Some((first, last)));
}

/// After a crash with any part of the unsynced kept: where recovery opens the log, a survey finds the same records
/// before any fault, none of which is damage.
#[test]
fn what_recovery_takes_a_survey_takes() {
    for seed in 0..300 {
        let mut rng = Rng(seed);
        let vfs = MemoryVfs::new();
        let settings = Settings {
            chunk_bytes: [2048, 256 << 10][(seed % 2) as usize],
            ..quiet()
        };
        let wal = create(&vfs, settings);
        let n = 1 + rng.next() % 40;
        for lsn in 1..=n {
            wal.append(Lsn(lsn), payload(lsn, (rng.next() % 9000) as usize))
                .unwrap();
            if rng.next().is_multiple_of(3) {
                wal.ticket(Lsn(lsn)).wait().unwrap();
            }
        }
        let mut kept = Rng(seed + 1000);
        let crashed = vfs.crash_keeping(&mut |_| kept.next().is_multiple_of(2));
        drop(wal);
        let before = copy(&crashed);
        let (survey, surveyed) = surveyed(&before);
        let recovered = recover(&crashed, quiet(), Lsn::ZERO).unwrap();
        assert_eq!(survey.faults, [], "seed {seed}");
        let n = recovered.records.len();
        assert_eq!(surveyed[..n], recovered.records, "seed {seed}");
        assert_eq!(
            survey.tail.is_some(),
            recovered.report.tail_cut.is_some(),
            "seed {seed}"
        );
    }
}

/// A record larger than memory used to be put together before it was given, and a frame was read whole for its checksum.
#[test]
fn a_long_record_is_given_in_pieces_and_only_if_it_is_whole() {
    for chunk_bytes in [8 << 20, 256 << 10, 4096] {
        let vfs = MemoryVfs::new();
        let settings = Settings {
            segment_bytes: 3 << 20,
            chunk_bytes,
            ..quiet()
        };
        let wal = create(&vfs, settings.clone());
        let long = payload(1, 9 << 20);
        let mut given_up = wal.begin_large(Lsn(1)).unwrap();
        given_up.write(&long[..5 << 20]).unwrap();
        drop(given_up);
        for (lsn, bytes) in [(1, &long), (2, &payload(2, 10)), (3, &payload(3, 2 << 20))] {
            wal.append(Lsn(lsn), Arc::clone(bytes)).unwrap();
            wal.flush().unwrap();
        }
        wal.close().unwrap();
        let (survey, records) = surveyed(&vfs);
        assert_records(&records, 1..=3);
        assert_eq!((survey.faults.len(), &survey.tail), (0, &None));
        assert_eq!((survey.records, survey.bytes), (3, (11 << 20) + 10));

        // A byte in the middle of it costs all of it.
        let is_middle = |frame: &&DumpedFrame| {
            let is_part = matches!(frame.kind, FrameKind::Chunk | FrameKind::Commit);
            is_part && frame.lsn == Lsn(1)
        };
        let all = frames(&vfs);
        let frame = all.iter().rfind(is_middle).unwrap();
        flip(&vfs, &frame.file, frame.offset + 1000);
        let (survey, records) = surveyed(&vfs);
        assert_records(&records, 2..=3);
        assert_eq!(survey.faults.len(), 1, "{survey:?}");
    }
}

#[test]
fn a_frame_is_looked_at_in_pieces() {
    let vfs = MemoryVfs::new();
    let settings = Settings {
        segment_bytes: 32 << 20,
        chunk_bytes: 20 << 20,
        ..quiet()
    };
    let wal = create(&vfs, settings);
    commit(&wal, 1..=1, 17 << 20);
    wal.close().unwrap();
    let file = open(&vfs, &segment_path(1));
    let mut block = vec![0; BLOCK_BYTES];
    file.read_exact_at(&mut block, 0).unwrap();
    let header = SegmentHeader::decode(&block).unwrap();
    let mut scanner = Scanner::new(file, seed(header.salt)).unwrap();
    let passed = scanner.pass().unwrap();
    assert!(matches!(passed, Passed::Frame { header, .. } if header.len == 17 << 20));
    assert!(scanner.window_bytes() <= PIECE_BYTES);
    // In the last piece.
    flip(&vfs, &segment_path(1), FRAMES_AT + (17 << 20));
    let [frame] = &*frames(&vfs) else {
        panic!("one record");
    };
    assert!(!frame.crc_ok);
}
