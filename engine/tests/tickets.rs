//! A ticket tells the same whether it is waited for or awaited, whatever becomes of the log meanwhile.
//!
//! In the lazy modes a commit is acknowledged when it is in memory. A ticket that was first looked at after the log had
//! failed said "unknown" when it was awaited, and that all was well when it was waited for.
#![allow(clippy::unwrap_used)]

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use tailwater::{Database, ErrorKind, SyncMode, Ticket};
use tailwater_wal::vfs::MemoryVfs;

fn open(vfs: &MemoryVfs, sync: SyncMode) -> Database {
    let db = Database::builder()
        .vfs(Arc::new(vfs.clone()))
        .sync(sync)
        .without_background()
        .open("db")
        .unwrap();
    db.exec("CREATE TABLE t (id INT PRIMARY KEY)", ()).unwrap();
    db
}

fn awaited(ticket: Ticket) -> tailwater::Result<u64> {
    let mut ticket = pin!(ticket);
    match ticket
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(done) => done.map(|lsn| lsn.0),
        Poll::Pending => panic!("without background work a ticket leads at the first poll"),
    }
}

#[test]
fn what_was_acknowledged_stays_so_when_the_log_fails() {
    let vfs = MemoryVfs::new();
    let db = open(&vfs, SyncMode::Off);
    let tickets = [1, 2].map(|id| {
        db.submit(&format!("INSERT INTO t VALUES ({id})"), ())
            .unwrap()
    });
    vfs.fail_sync_after(0);
    assert!(db.close().is_err(), "what is buffered is not durable");
    let [waited, polled] = tickets;
    assert_eq!(waited.wait().unwrap().0, 2);
    assert_eq!(awaited(polled).unwrap(), 3);
}

#[test]
fn what_was_not_acknowledged_is_unknown_when_the_log_fails() {
    let vfs = MemoryVfs::new();
    let db = open(&vfs, SyncMode::Commit);
    let tickets = [1, 2].map(|id| {
        db.submit(&format!("INSERT INTO t VALUES ({id})"), ())
            .unwrap()
    });
    vfs.fail_sync_after(0);
    let [waited, polled] = tickets;
    let kinds =
        [waited.wait().map(|lsn| lsn.0), awaited(polled)].map(|done| done.unwrap_err().kind());
    assert_eq!(kinds, [ErrorKind::CommitOutcomeUnknown; 2]);
}
