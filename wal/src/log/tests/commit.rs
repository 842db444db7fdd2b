//! Many threads commit: they share syncs, are told in order, and all hear of a failure.
//!
//! Next door: `tail`.

use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Barrier, mpsc};
use std::task::{Context, Poll, Wake};
use std::thread;

use super::*;
use crate::error::Error;
use crate::sync::Mutex;
use crate::vfs::OsVfs;

fn threaded() -> Settings {
    Settings {
        background: Background::Threads,
        ..quiet()
    }
}

/// Takes the next number and appends under one lock, as the engine's sequencer does.
fn sequence(wal: &Wal, last: &Mutex<u64>) -> Result<Lsn> {
    let mut last = last.lock();
    wal.append(Lsn(*last + 1), payload(*last + 1, 64))?;
    *last += 1;
    Ok(Lsn(*last))
}

#[test]
fn many_writers_share_syncs_and_the_hook_comes_in_order_before_the_waiters() {
    let dir = tempfile::tempdir().unwrap();
    let vfs = Arc::new(OsVfs::new());
    let visible = Arc::new(AtomicU64::new(0));
    let groups = Arc::new(AtomicU64::new(0));
    let (published, counted) = (Arc::clone(&visible), Arc::clone(&groups));
    let hook = Box::new(move |lsn: Lsn| {
        let before = published.swap(lsn.0, Ordering::SeqCst);
        assert!(before < lsn.0, "{before} then {lsn}");
        counted.fetch_add(1, Ordering::SeqCst);
    });
    let wal = Wal::create(vfs.clone(), dir.path(), ID, threaded(), hook).unwrap();
    let (threads, each) = (64, 20);
    let last = Mutex::new(0);
    let barrier = Barrier::new(threads);
    let before = vfs.syncs();
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                barrier.wait();
                for _ in 0..each {
                    let lsn = sequence(&wal, &last).unwrap();
                    wal.ticket(lsn).wait().unwrap();
                    assert!(visible.load(Ordering::SeqCst) >= lsn.0);
                }
            });
        }
    });
    let commits = (threads * each) as u64;
    let syncs = vfs.syncs() - before;
    assert!(syncs < commits / 4, "{syncs} syncs for {commits} commits");
    assert_eq!(visible.load(Ordering::SeqCst), commits);
    assert!(groups.load(Ordering::SeqCst) <= syncs);
}

#[test]
fn a_lone_commit_is_one_sync_and_a_batch_of_tickets_too() {
    let vfs = MemoryVfs::new();
    let wal = create(&vfs, quiet());
    let before = vfs.syncs();
    commit(&wal, 1..=1, 100);
    assert_eq!(vfs.syncs(), before + 1);
    for lsn in 2..=10 {
        wal.append(Lsn(lsn), payload(lsn, 100)).unwrap();
    }
    let tickets: Vec<_> = (2..=10).map(|lsn| wal.ticket(Lsn(lsn))).collect();
    for ticket in tickets {
        ticket.wait().unwrap();
    }
    assert_eq!(vfs.syncs(), before + 2);
}

/// Whoever does not wait loses nothing.
#[test]
fn dropped_tickets_become_durable_with_a_flush_or_a_close() {
    for close in [false, true] {
        let vfs = MemoryVfs::new();
        let wal = create(&vfs, quiet());
        for lsn in 1..=5 {
            wal.append(Lsn(lsn), payload(lsn, 10)).unwrap();
            drop(wal.ticket(Lsn(lsn)));
        }
        if close { wal.close() } else { wal.flush() }.unwrap();
        let vfs = vfs.crash();
        assert_records(&recover(&vfs, quiet(), Lsn::ZERO).unwrap().records, 1..=5);
    }
}

struct Unpark(thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on(future: impl Future<Output = Result<()>>) -> Result<()> {
    let mut future = pin!(future);
    let waker = Arc::new(Unpark(thread::current())).into();
    let mut context = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(outcome) => return outcome,
            Poll::Pending => thread::park(),
        }
    }
}

#[test]
fn tickets_are_futures_beside_blocked_waiters() {
    let (threads, commits) = (few(8, 4), few(100, 2));
    for settings in [quiet(), threaded()] {
        let vfs = MemoryVfs::new();
        let wal = create(&vfs, settings);
        let last = Mutex::new(0);
        thread::scope(|scope| {
            for number in 0..threads {
                let (wal, last) = (&wal, &last);
                scope.spawn(move || {
                    for _ in 0..commits {
                        let lsn = sequence(wal, last).unwrap();
                        let ticket = wal.ticket(lsn);
                        if number % 2 == 0 {
                            block_on(ticket)
                        } else {
                            ticket.wait()
                        }
                        .unwrap();
                        assert!(wal.durable_lsn() >= lsn);
                    }
                });
            }
        });
        let last = threads * commits;
        assert_eq!(wal.durable_lsn(), Lsn(last));
        let late = {
            wal.append(Lsn(last + 1), payload(801, 5)).unwrap();
            wal.ticket(Lsn(last + 1))
        };
        wal.close().unwrap();
        block_on(late).unwrap();
        assert!(matches!(
            wal.append(Lsn(last + 2), payload(1, 1)),
            Err(Error::Closed)
        ));
    }
}

#[test]
fn a_failed_sync_reaches_every_waiter_and_stops_the_log() {
    for after in 0..few(6, 1) as u32 {
        let vfs = MemoryVfs::new();
        let wal = create(&vfs, threaded());
        vfs.fail_sync_after(after);
        let last = Mutex::new(0);
        let acknowledged = AtomicU64::new(0);
        thread::scope(|scope| {
            for number in 0..few(16, 4) {
                let (wal, last, acknowledged) = (&wal, &last, &acknowledged);
                scope.spawn(move || {
                    loop {
                        let lsn = match sequence(wal, last) {
                            Ok(lsn) => lsn,
                            Err(error) => {
                                assert!(matches!(error, Error::Poisoned(_)), "{error}");
                                return;
                            }
                        };
                        let ticket = wal.ticket(lsn);
                        match if number % 2 == 0 {
                            block_on(ticket)
                        } else {
                            ticket.wait()
                        } {
                            Ok(()) => _ = acknowledged.fetch_max(lsn.0, Ordering::SeqCst),
                            Err(Error::CommitOutcomeUnknown(_)) => {}
                            Err(other) => panic!("{other}"),
                        }
                    }
                });
            }
        });
        let acknowledged = acknowledged.into_inner();
        assert_eq!(wal.durable_lsn().0, acknowledged);
        assert!(matches!(wal.flush(), Err(Error::Poisoned(_))));
        assert!(wal.begin_epoch().is_err());
        let mut reader = wal.reader(Lsn::ZERO).unwrap();
        let readable = std::iter::from_fn(|| reader.next().unwrap()).count() as u64;
        assert_eq!(readable, acknowledged, "what was durable stays readable");
        assert!(wal.close().is_err());
        let found = recover(&vfs.crash(), quiet(), Lsn::ZERO).unwrap();
        assert!(found.report.last_lsn.0 >= acknowledged);
    }
}

#[test]
fn a_failed_write_poisons_too() {
    let vfs = MemoryVfs::new();
    let wal = create(&vfs, quiet());
    commit(&wal, 1..=2, 10);
    wal.append(Lsn(3), payload(3, 10)).unwrap();
    let (ticket, unwaited) = (wal.ticket(Lsn(3)), wal.ticket(Lsn(3)));
    vfs.fail_write_after(0);
    assert!(matches!(ticket.wait(), Err(Error::CommitOutcomeUnknown(_))));
    assert!(matches!(
        unwaited.wait(),
        Err(Error::CommitOutcomeUnknown(_))
    ));
    assert!(matches!(
        wal.ticket(Lsn(3)).wait(),
        Err(Error::CommitOutcomeUnknown(_))
    ));
    wal.ticket(Lsn(2)).wait().unwrap();
}

#[test]
fn a_panicking_hook_leaves_nobody_waiting() {
    let vfs = MemoryVfs::new();
    let hook = Box::new(|_: Lsn| panic!("a hook may have a bug"));
    let wal = Wal::create(Arc::new(vfs), Path::new(DIR), ID, quiet(), hook).unwrap();
    for lsn in 1..=2 {
        wal.append(Lsn(lsn), payload(lsn, 10)).unwrap();
    }
    let tickets = [wal.ticket(Lsn(1)), wal.ticket(Lsn(2))];
    let (told, tell) = mpsc::channel();
    thread::scope(|scope| {
        for ticket in tickets {
            let told = told.clone();
            scope.spawn(move || {
                let waited =
                    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| ticket.wait()));
                told.send(!matches!(waited, Ok(Ok(())))).unwrap();
            });
        }
    });
    assert!(tell.recv().unwrap() && tell.recv().unwrap());
}

#[test]
fn a_full_buffer_is_written_out_by_the_append() {
    let vfs = MemoryVfs::new();
    let wal = create(
        &vfs,
        Settings {
            group_bytes_max: 10_000,
            ..quiet()
        },
    );
    for lsn in 1..=100 {
        wal.append(Lsn(lsn), payload(lsn, 1000)).unwrap();
    }
    assert!(wal.durable_lsn() > Lsn(80));
    assert!(matches!(
        wal.append(Lsn(101), vec![0; (1 << 30) + 1].into()),
        Err(Error::TooLarge { .. })
    ));
}

#[test]
fn headroom_tells_what_can_be_written_without_more_disk() {
    let vfs = MemoryVfs::new();
    let wal = create(&vfs, quiet());
    assert_eq!(wal.headroom_bytes(), 60 << 10);
    wal.prepare().unwrap();
    assert_eq!(wal.headroom_bytes(), (60 << 10) + 2 * (64 << 10));
    vfs.set_capacity_bytes(vfs.used_bytes());
    commit(&wal, 1..=15, 100);
    let before = vfs.used_bytes();
    commit(&wal, 16..=45, 100);
    assert_eq!(vfs.used_bytes(), before);
    assert_eq!(wal.headroom_bytes(), 0);
    wal.append(Lsn(46), payload(46, 10)).unwrap();
    assert!(wal.ticket(Lsn(46)).wait().is_err());
    vfs.set_capacity_bytes(u64::MAX);
    drop(wal);
    assert_records(&recover(&vfs, quiet(), Lsn::ZERO).unwrap().records, 1..=45);
}
