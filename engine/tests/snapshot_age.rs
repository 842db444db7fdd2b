//! Snapshots are bounded by age: what an old one keeps is let go although somebody still holds it, and reading on is
//! refused; nobody ever reads wrong rows.
//!
//! A cursor that was opened and forgotten kept the memory of every row written since, and no page of the storage file
//! that was freed after it could be used again: the file grew for as long as the cursor was there.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use common::text;
use tailwater::spawn::Stepped;
use tailwater::{Database, ErrorKind, FeedEvent, FeedRequest, ManualClock, Rows, params};
use tailwater_wal::vfs::{MemoryVfs, OpenMode, Vfs};

const AGE_MAX: Duration = Duration::from_secs(60);
const ROWS: i64 = 3000;

struct Aging {
    vfs: MemoryVfs,
    clock: Arc<ManualClock>,
    db: Database,
}

impl Aging {
    fn new(age_max: Option<Duration>) -> Self {
        let (vfs, clock) = (MemoryVfs::new(), Arc::new(ManualClock::at(0)));
        let db = Database::builder()
            .vfs(Arc::new(vfs.clone()))
            .clock(clock.clone())
            .snapshot_age_max(age_max)
            .without_background()
            .open("db")
            .unwrap();
        fill(&db);
        Self { vfs, clock, db }
    }

    /// So much time passes, and a checkpoint is made then.
    fn later(&self, by: Duration) {
        self.clock.advance(by);
        self.db.checkpoint().unwrap();
    }

    fn rewrite(&self) {
        let sql = "UPDATE t SET v = v + 1, text = repeat('after', 100)";
        self.db.exec(sql, ()).unwrap();
    }

    fn file_bytes(&self) -> u64 {
        let file = self.vfs.open(Path::new("db/data.redb"), OpenMode::Read);
        file.unwrap().len().unwrap()
    }
}

fn fill(db: &Database) {
    let table = "CREATE TABLE t (id INT PRIMARY KEY, v INT, text TEXT)";
    db.exec(table, ()).unwrap();
    let fill =
        "INSERT INTO t SELECT i, 0, repeat('before', 100) FROM generate_series(1, ?) AS s (i)";
    db.exec(fill, params![ROWS]).unwrap();
}

/// What a cursor still gives, which is the beginning of what there was, and the error it ends with.
fn drain(rows: &mut Rows, from: i64) -> (i64, Option<tailwater::Error>) {
    let mut next = from;
    loop {
        match rows.next_row() {
            Ok(Some(row)) => {
                assert_eq!(row.get::<i64>(0).unwrap(), next);
                assert_eq!(row.get::<i64>(1).unwrap(), 0, "as it was at the beginning");
                next += 1;
            }
            Ok(None) => return (next - 1, None),
            Err(error) => return (next - 1, Some(error)),
        }
    }
}

const CURSOR: &str = "SELECT id, v FROM t ORDER BY id";

#[test]
fn an_old_cursor_ends_with_an_error_and_never_with_wrong_rows() {
    for in_file in [false, true] {
        let aging = Aging::new(Some(AGE_MAX));
        if in_file {
            aging.db.checkpoint().unwrap();
        }
        let mut rows = aging.db.query(CURSOR, ()).unwrap();
        assert_eq!(rows.next_row().unwrap().unwrap().get::<i64>(0).unwrap(), 1);
        aging.rewrite();
        aging.later(AGE_MAX + Duration::from_secs(1));
        aging.rewrite();
        aging.rewrite();
        let (read, error) = drain(&mut rows, 2);
        let error = error.unwrap();
        assert!(read < ROWS, "{read}");
        assert_eq!(error.sqlstate(), "72000", "{error}");
        assert_eq!(error.kind(), ErrorKind::Stopped);
        assert!(error.message().contains("snapshot_age_max"), "{error}");
        assert!(rows.next_row().unwrap().is_none());
        let stats = aging.db.stats();
        assert_eq!((stats.snapshots, stats.snapshots_too_old), (0, 1));
        // Dropping it counts nothing twice.
        drop(rows);
        assert_eq!(aging.db.stats().snapshots, 0);
        let counter = "SELECT value FROM tailwater.stats WHERE name = 'snapshots_too_old'";
        assert_eq!(text(&mut aging.db.session(), counter), "1");
    }
}

#[test]
fn a_young_cursor_and_one_without_a_limit_read_to_the_end() {
    for (age_max, passes) in [
        (Some(AGE_MAX), AGE_MAX - Duration::from_secs(1)),
        (None, AGE_MAX * 1000),
    ] {
        let aging = Aging::new(age_max);
        aging.clock.advance(AGE_MAX * 5);
        let mut rows = aging.db.query(CURSOR, ()).unwrap();
        aging.rewrite();
        aging.later(passes);
        aging.rewrite();
        aging.later(Duration::ZERO);
        assert_eq!(aging.db.stats().snapshots, 1);
        assert!(matches!(drain(&mut rows, 1), (ROWS, None)));
        assert_eq!(aging.db.stats().snapshots_too_old, 0);
    }
}

#[test]
fn the_memory_that_an_old_cursor_kept_is_let_go() {
    let aging = Aging::new(Some(AGE_MAX));
    let kept = aging.db.query(CURSOR, ()).unwrap();
    aging.db.checkpoint().unwrap();
    let held = aging.db.stats().memory_bytes;
    assert!(held > 2 << 20, "all rows in memory, for the cursor: {held}");
    aging.later(AGE_MAX * 2);
    let left = aging.db.stats().memory_bytes;
    // What is left is keys, for conflict checks.
    assert!(left < held / 4, "{held} to {left}");
    drop(kept);
    // And versions of a row that is written again and again.
    let kept = aging.db.query(CURSOR, ()).unwrap();
    aging.later(AGE_MAX * 2);
    let before = aging.db.stats().memory_bytes;
    for _ in 0..5 {
        aging.rewrite();
    }
    let versions = aging.db.stats().memory_bytes - before;
    assert!(versions < 5 << 20, "one version a row: {versions}");
    drop(kept);
}

#[test]
fn the_pages_that_an_old_cursor_kept_are_used_again() {
    let grown = |age_max| {
        let aging = Aging::new(age_max);
        aging.db.checkpoint().unwrap();
        let rows = aging.db.query(CURSOR, ()).unwrap();
        aging.later(AGE_MAX * 2);
        for _ in 0..12 {
            aging.rewrite();
            aging.later(Duration::ZERO);
        }
        let bytes = aging.file_bytes();
        drop(rows);
        bytes
    };
    let (pinned, let_go) = (grown(None), grown(Some(AGE_MAX)));
    assert!(pinned > let_go * 2, "{pinned} against {let_go}");
}

#[test]
fn an_old_transaction_reads_no_more_and_may_still_commit() {
    let aging = Aging::new(Some(AGE_MAX));
    let (mut reads, mut writes) = (aging.db.session(), aging.db.session());
    for session in [&mut reads, &mut writes] {
        session.execute("BEGIN", ()).unwrap();
        let sql = "UPDATE t SET v = 9 WHERE id = 1";
        session.execute(sql, ()).unwrap();
    }
    aging.later(AGE_MAX * 2);
    let error = reads
        .execute("SELECT v FROM t WHERE id = 2", ())
        .unwrap_err();
    // Not one to be tried again: it would take as long again.
    assert_eq!((error.sqlstate(), error.is_retryable()), ("72000", false));
    let error = reads.execute("SELECT 1", ()).unwrap_err();
    assert_eq!(error.sqlstate(), "25P02");
    reads.execute("ROLLBACK", ()).unwrap();
    assert_eq!(text(&mut reads, "SELECT v FROM t WHERE id = 1"), "0");

    writes.execute("COMMIT", ()).unwrap();
    assert_eq!(text(&mut reads, "SELECT v FROM t WHERE id = 1"), "9");

    // Unless somebody else was first, however old that is.
    writes
        .execute("BEGIN; UPDATE t SET v = v + 1 WHERE id = 1", ())
        .unwrap();
    aging
        .db
        .exec("UPDATE t SET v = 100 WHERE id = 1", ())
        .unwrap();
    aging.later(AGE_MAX * 2);
    aging.later(AGE_MAX * 2);
    let error = writes.execute("COMMIT", ()).unwrap_err();
    assert_eq!(error.sqlstate(), "40001");
    assert_eq!(text(&mut reads, "SELECT v FROM t WHERE id = 1"), "100");
}

#[test]
fn a_subscriber_that_is_too_slow_for_its_snapshot_is_told() {
    let aging = Aging::new(Some(AGE_MAX));
    let mut feed = aging.db.subscribe(FeedRequest::of("t")).unwrap();
    assert!(matches!(
        feed.recv().unwrap(),
        FeedEvent::SnapshotBegin { .. }
    ));
    aging.later(AGE_MAX * 2);
    let error = loop {
        match feed.recv() {
            Ok(FeedEvent::Snapshot { .. }) => {}
            Ok(other) => panic!("{other:?}"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.sqlstate(), "72000", "{error}");
    assert_eq!(aging.db.stats().snapshots, 0);
}

#[test]
fn the_background_task_looks_at_ages_without_being_asked() {
    let (clock, scheduler) = (Arc::new(ManualClock::at(0)), Stepped::default());
    let db = Database::builder()
        .clock(clock.clone())
        .spawn(Arc::new(scheduler.clone()))
        .memory()
        .unwrap();
    fill(&db);
    let mut rows = db.query(CURSOR, ()).unwrap();
    clock.advance(Duration::from_secs(4 * 60));
    (0..200).for_each(|choice| assert!(scheduler.run(choice)));
    assert_eq!(db.stats().snapshots_too_old, 0, "5 minutes are the default");
    clock.advance(Duration::from_secs(61));
    (0..200).for_each(|choice| assert!(scheduler.run(choice)));
    assert_eq!(db.stats().snapshots_too_old, 1);
    assert_eq!(drain(&mut rows, 1).1.unwrap().sqlstate(), "72000");
}
