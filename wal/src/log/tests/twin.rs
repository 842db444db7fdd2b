//! The log against its slow twin, a list, over random operations and crashes. The seed is the whole run.
//!
//! After every crash the log must be a prefix of what was appended that holds all that was acknowledged; sectors,
//! lengths and names that were not synced survive or not as the dice fall. Next door: `crash`.

use std::time::Duration;

use super::*;
use crate::settings::SyncMode;

struct Twin {
    /// Everything appended in this life and those before, by LSN - 1.
    records: Vec<Vec<u8>>,
    acknowledged: usize,
    applied: u64,
}

fn run(seed: u64) {
    let rng = &mut Rng(seed);
    let sync = match rng.below(3) {
        0 => SyncMode::Off,
        _ => SyncMode::Commit,
    };
    let settings = Settings {
        segment_bytes: 16 << 10 << rng.below(3),
        sync,
        group_bytes_max: 1 << (8 + rng.below(8)),
        chunk_bytes: 4096 << rng.below(4),
        retain_bytes_max: rng.below(100_000),
        retain_age: if rng.below(2) == 0 {
            Duration::ZERO
        } else {
            Duration::MAX
        },
        seed: Some(seed),
        ..quiet()
    };
    let mut vfs = MemoryVfs::new();
    let mut wal = create(&vfs, settings.clone());
    let mut twin = Twin {
        records: Vec::new(),
        acknowledged: 0,
        applied: 0,
    };
    for _ in 0..6 {
        for _ in 0..rng.below(60) {
            step(rng, &wal, &mut twin);
        }
        let clean = rng.below(4) == 0;
        if clean {
            wal.close().unwrap();
            twin.acknowledged = twin.records.len();
        }
        let keep_one_in = 1 + rng.below(4);
        let next = vfs.crash_keeping(&mut |_| keep_one_in < 4 && rng.below(keep_one_in) == 0);
        drop(wal);
        vfs = next;
        if rng.below(3) == 0 {
            vfs = crash_in_recovery(rng, &vfs, &settings, &twin);
        }
        let found = recover(&vfs, settings.clone(), Lsn(twin.applied)).unwrap();
        let last = usize::try_from(found.report.last_lsn.0).unwrap();
        assert!(last >= twin.acknowledged, "{last} < {}", twin.acknowledged);
        assert!(last <= twin.records.len());
        let delivered: Vec<u64> = found.records.iter().map(|(lsn, _)| lsn.0).collect();
        assert_eq!(
            delivered,
            (twin.applied + 1..=last as u64).collect::<Vec<_>>()
        );
        for (lsn, bytes) in &found.records {
            assert_eq!(bytes, &twin.records[lsn.0 as usize - 1], "record {lsn}");
        }
        twin.records.truncate(last);
        twin.acknowledged = last;
        wal = found.wal;
        check_reader(&wal, &twin);
    }
}

fn step(rng: &mut Rng, wal: &Wal, twin: &mut Twin) {
    match rng.below(12) {
        0..=5 => {
            let lsn = twin.records.len() as u64 + 1;
            let len = match rng.below(10) {
                0 => rng.below(60_000),
                _ => rng.below(300),
            };
            let bytes: Vec<u8> = (0..len).map(|_| rng.next() as u8).collect();
            wal.append(Lsn(lsn), bytes.clone().into()).unwrap();
            twin.records.push(bytes);
        }
        6 => {
            let lsn = twin.records.len() as u64 + 1;
            let mut record = wal.begin_large(Lsn(lsn)).unwrap();
            let mut bytes = Vec::new();
            for _ in 0..rng.below(20) {
                let part: Vec<u8> = (0..rng.below(3_000)).map(|_| rng.next() as u8).collect();
                record.write(&part).unwrap();
                bytes.extend(part);
                if rng.below(10) == 0 {
                    wal.flush().unwrap();
                }
            }
            if rng.below(3) > 0 {
                _ = record.commit().unwrap();
                twin.records.push(bytes);
            }
        }
        7 | 8 if !twin.records.is_empty() => {
            wal.ticket(Lsn(1 + rng.below(twin.records.len() as u64)))
                .wait()
                .unwrap();
        }
        9 => wal.flush().unwrap(),
        10 => {
            twin.applied += rng.below(wal.durable_lsn().0 - twin.applied + 1);
            wal.release(Lsn(twin.applied)).unwrap();
        }
        11 if rng.below(4) == 0 => {
            let epoch = wal.begin_epoch().unwrap();
            assert_eq!(wal.epoch(), epoch);
        }
        11 => wal.prepare().unwrap(),
        _ => {}
    }
    twin.acknowledged = twin.acknowledged.max(wal.durable_lsn().0 as usize);
}

/// Recovers, and crashes again in the midst of it; a second recovery must not mind.
fn crash_in_recovery(
    rng: &mut Rng,
    vfs: &MemoryVfs,
    settings: &Settings,
    twin: &Twin,
) -> MemoryVfs {
    if rng.below(2) == 0 {
        vfs.fail_sync_after(rng.below(4) as u32);
    } else {
        vfs.fail_write_after(rng.below(4) as u32);
    }
    let first = recover(vfs, settings.clone(), Lsn(twin.applied));
    let next = vfs.crash_keeping(&mut |_| rng.below(2) == 0);
    next.fail_sync_after(u32::MAX);
    next.fail_write_after(u32::MAX);
    drop(first);
    next
}

fn check_reader(wal: &Wal, twin: &Twin) {
    let oldest = wal.first_retained_lsn();
    let mut reader = wal.reader(Lsn(oldest.0 - 1)).unwrap();
    let mut lsn = oldest.0;
    while let Some((found, bytes)) = reader.next().unwrap() {
        assert_eq!(found, Lsn(lsn));
        assert_eq!(*bytes, *twin.records[lsn as usize - 1]);
        lsn += 1;
    }
    assert_eq!(lsn, twin.records.len() as u64 + 1);
}

#[test]
fn random_operations_and_crashes_give_a_prefix_with_all_that_was_acknowledged() {
    for seed in 0..400 {
        let ran = std::panic::catch_unwind(|| run(seed));
        assert!(ran.is_ok(), "seed {seed}");
    }
}
