//! A survey reads on behind damage and names it; of a whole log it says what recovery says.
//!
//! Next door: `damage`, where recovery refuses the same logs.

use super::*;
use crate::log::format::{BLOCK_BYTES, FRAMES_AT};
use crate::log::survey::{Survey, survey};

fn surveyed(vfs: &MemoryVfs) -> (Survey, Vec<(Lsn, Vec<u8>)>) {
    let mut records = Vec::new();
    let survey = survey(vfs, Path::new(DIR), &mut |record| {
        records.push((record.lsn, record.payload.to_vec()));
    });
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
