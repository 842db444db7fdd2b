//! The log's own code under chosen schedules: group commit, failure, the tail, recycling, the flusher's clock.
//!
//! Each model has weakened twins, which it must report: a model that notices nothing is worth nothing. Built with
//! `--cfg shuttle` only; `.ci/models` runs them. Next door: `crate::sync::model`.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::AtomicU64 as PlainU64;
use std::time::Duration;

use super::*;
use crate::error::Error;
use crate::settings::SyncMode;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::model::{block_on, explore, must_notice, pause, spawn, yield_now};

/// Schedules of each kind that a model runs, and that a weakened one has to be noticed in.
const SCHEDULES: usize = 1_500;

/// `TAILWATER_SEED`, or one that nobody has run before.
fn seed() -> u64 {
    let given = std::env::var("TAILWATER_SEED").ok();
    let given = given.and_then(|text| text.parse().ok());
    let seed = given.unwrap_or_else(|| RandomState::new().hash_one(0) >> 1);
    eprintln!("TAILWATER_SEED={seed}");
    seed
}

/// Segments of two groups, gone as soon as they may go.
fn tiny() -> Settings {
    Settings {
        segment_bytes: 12 << 10,
        retain_bytes_max: 0,
        retain_age: Duration::ZERO,
        ..quiet()
    }
}

/// A log, the last number appended, and the last record its hook was told of (no step of any schedule).
struct Line {
    vfs: MemoryVfs,
    wal: Arc<Wal>,
    appended: Mutex<u64>,
    told: Arc<PlainU64>,
}

impl Line {
    fn new(settings: Settings) -> Arc<Self> {
        let (vfs, told) = (MemoryVfs::new(), Arc::new(PlainU64::new(0)));
        let hears = Arc::clone(&told);
        let hook = Box::new(move |lsn: Lsn| {
            // A pause: the engine's hook takes locks.
            yield_now();
            let before = hears.swap(lsn.0, Ordering::SeqCst);
            assert!(before < lsn.0, "told of {before}, then of {lsn}");
        });
        let wal = Wal::create(Arc::new(vfs.clone()), Path::new(DIR), ID, settings, hook).unwrap();
        Arc::new(Self {
            vfs,
            wal,
            appended: Mutex::new(0),
            told,
        })
    }

    fn append(&self) -> Result<Lsn> {
        let mut appended = self.appended.lock();
        self.wal
            .append(Lsn(*appended + 1), payload(*appended + 1, 64))?;
        *appended += 1;
        Ok(Lsn(*appended))
    }

    fn assert_acknowledged(&self, lsn: Lsn) {
        assert!(self.wal.durable_lsn() >= lsn, "{lsn} is not durable");
        assert!(self.told.load(Ordering::SeqCst) >= lsn.0, "{lsn} not told");
    }

    /// What is there after a loss of power.
    fn crashed(&self, settings: Settings) -> Vec<(Lsn, Vec<u8>)> {
        let found = recover(&self.vfs.crash(), settings, Lsn::ZERO);
        found.unwrap().records
    }
}

/// Threads and a future commit; then the power fails.
fn group_commit() {
    let line = Line::new(quiet());
    let writers: Vec<_> = (0..3)
        .map(|writer| {
            let line = Arc::clone(&line);
            spawn(move || {
                for _ in 0..2 {
                    let lsn = line.append().unwrap();
                    pause();
                    let ticket = line.wal.ticket(lsn);
                    if writer == 0 {
                        block_on(ticket).unwrap();
                    } else {
                        ticket.wait().unwrap();
                    }
                    line.assert_acknowledged(lsn);
                }
            })
        })
        .collect();
    for writer in writers {
        writer.join().unwrap();
    }
    assert_records(&line.crashed(quiet()), 1..=6);
}

#[test]
fn every_waiter_is_told_and_what_it_was_told_is_there() {
    explore(seed(), SCHEDULES, group_commit);
}

#[test]
fn group_commit_notices() {
    for weakened in [
        "settle a group without a notice",
        "forget to ask for a leader",
        "acknowledge before the hook",
        "acknowledge before the sync",
    ] {
        must_notice(weakened, seed(), SCHEDULES, group_commit);
    }
}

/// A sync fails while others wait, flush and begin an epoch: nobody hangs, and nobody was told too much.
fn a_failed_sync() {
    let line = Line::new(quiet());
    line.vfs.fail_sync_after(1);
    let acknowledged = Arc::new(PlainU64::new(0));
    let mut threads: Vec<_> = (0..2)
        .map(|_| {
            let (line, acknowledged) = (Arc::clone(&line), Arc::clone(&acknowledged));
            spawn(move || {
                while let Ok(lsn) = line.append() {
                    if line.wal.ticket(lsn).wait().is_err() {
                        break;
                    }
                    line.assert_acknowledged(lsn);
                    acknowledged.fetch_max(lsn.0, Ordering::SeqCst);
                }
            })
        })
        .collect();
    let flushes = Arc::clone(&line);
    threads.push(spawn(move || {
        while flushes.wal.flush().is_ok() && flushes.append().is_ok() {}
    }));
    for thread in threads {
        thread.join().unwrap();
    }
    assert!(line.append().is_err(), "a log that failed takes nothing");
    let records = line.crashed(quiet());
    assert!(records.len() as u64 >= acknowledged.load(Ordering::SeqCst));
    assert_records(&records, 1..=records.len() as u64);
}

#[test]
fn a_failed_sync_reaches_everyone() {
    explore(seed(), SCHEDULES, a_failed_sync);
}

#[test]
fn a_failed_sync_notices() {
    must_notice(
        "settle a group without a notice",
        seed(),
        SCHEDULES,
        a_failed_sync,
    );
    must_notice(
        "forget who watches after a failure",
        seed(),
        SCHEDULES,
        a_failed_sync,
    );
}

/// A reader follows the tail over several segments and epochs while they are written: nothing is missing.
fn tail() {
    const LAST: u64 = 5;
    let line = Line::new(tiny());
    let writes = Arc::clone(&line);
    let writer = spawn(move || {
        for lsn in 1..=LAST {
            if lsn == 3 {
                writes.wal.begin_epoch().unwrap();
            }
            assert_eq!(writes.append().unwrap(), Lsn(lsn));
            writes.wal.ticket(Lsn(lsn)).wait().unwrap();
        }
    });
    let mut reader = line.wal.reader(Lsn::ZERO).unwrap();
    let mut expected = 1;
    while expected <= LAST {
        match reader.next().unwrap() {
            None => yield_now(),
            Some((lsn, bytes)) => {
                assert_eq!((lsn, bytes), (Lsn(expected), payload(expected, 64)));
                expected += 1;
            }
        }
    }
    writer.join().unwrap();
}

#[test]
fn the_tail_is_followed_without_a_gap() {
    explore(seed(), SCHEDULES, tail);
}

#[test]
fn the_tail_notices() {
    must_notice("say durable before it can be read", seed(), SCHEDULES, tail);
}

/// Segments are let go of and their files used again under readers: each record that comes is the right one.
fn recycling() {
    const LAST: u64 = 8;
    let line = Line::new(tiny());
    let done = Arc::new(AtomicBool::new(false));
    let (writes, ends) = (Arc::clone(&line), Arc::clone(&done));
    let writer = spawn(move || {
        for lsn in 1..=LAST {
            writes.append().unwrap();
            writes.wal.ticket(Lsn(lsn)).wait().unwrap();
            writes.wal.release(Lsn(lsn)).unwrap();
        }
        ends.store(true, Ordering::SeqCst);
    });
    let mut reader = line.wal.reader(Lsn::ZERO).unwrap();
    loop {
        pause();
        let was_done = done.load(Ordering::SeqCst);
        let after = reader.position();
        match reader.next() {
            Ok(Some((lsn, bytes))) => {
                assert_eq!((lsn, bytes), (after.next(), payload(lsn.0, 64)));
            }
            Ok(None) if was_done => break,
            Ok(None) => yield_now(),
            // Overtaken: on with what there is.
            Err(Error::Released { oldest }) => {
                assert!(oldest > after, "{oldest} is there, and {after} was read");
                reader = match line.wal.reader(Lsn(oldest.0 - 1)) {
                    Err(Error::Released { .. }) => continue,
                    opened => opened.unwrap(),
                };
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(reader.position(), Lsn(LAST));
    writer.join().unwrap();
}

#[test]
fn a_recycled_segment_is_nobodys() {
    explore(seed(), SCHEDULES, recycling);
}

#[test]
fn recycling_notices() {
    must_notice(
        "recycle a segment that is read",
        seed(),
        SCHEDULES,
        recycling,
    );
}

/// A lazy log writes what was appended without being asked: who appends wakes the flusher, which looks a period later.
fn flusher() {
    let settings = Settings {
        sync: SyncMode::Off,
        background: Background::Threads,
        ..quiet()
    };
    let line = Line::new(settings);
    for _ in 0..2 {
        let lsn = line.append().unwrap();
        while line.wal.written_lsn() < lsn {
            yield_now();
        }
    }
    line.wal.close().unwrap();
}

#[test]
fn nothing_lies_unwritten_while_the_flusher_sleeps() {
    explore(seed(), SCHEDULES, flusher);
}

/// Futures only: the flusher leads for them, or they hang. Segments are prepared meanwhile.
fn futures() {
    let settings = Settings {
        background: Background::Threads,
        ..tiny()
    };
    let line = Line::new(settings.clone());
    let writers: Vec<_> = (0..2)
        .map(|_| {
            let line = Arc::clone(&line);
            spawn(move || {
                for _ in 0..2 {
                    let lsn = line.append().unwrap();
                    block_on(line.wal.ticket(lsn)).unwrap();
                    line.assert_acknowledged(lsn);
                }
            })
        })
        .collect();
    for writer in writers {
        writer.join().unwrap();
    }
    line.wal.close().unwrap();
    assert_records(&line.crashed(tiny()), 1..=4);
}

#[test]
fn futures_are_led_by_the_flusher() {
    explore(seed(), SCHEDULES, futures);
}

#[test]
fn the_flusher_notices() {
    must_notice("arm without waking", seed(), SCHEDULES, flusher);
    must_notice("forget who was woken", seed(), SCHEDULES, flusher);
    must_notice("forget who was woken", seed(), SCHEDULES, futures);
}
