//! Compaction gives space back, changes nothing, holds nobody up, and may be interrupted anywhere.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::Rng;
use tailwater::{CheckOptions, Database, params};
use tailwater_wal::vfs::{MemoryVfs, OpenMode, Vfs};

fn open(vfs: &MemoryVfs) -> Database {
    let builder = Database::builder().vfs(Arc::new(vfs.clone()));
    builder.without_background().open("db").unwrap()
}

fn file_bytes(vfs: &MemoryVfs) -> u64 {
    let file = vfs.open(Path::new("db/data.redb"), OpenMode::Read).unwrap();
    file.len().unwrap()
}

fn ids(db: &Database) -> Vec<i64> {
    let rows = db.query("SELECT id FROM t ORDER BY id", ()).unwrap();
    rows.map(|row| row.unwrap().get(0).unwrap()).collect()
}

/// A table of which nine rows in ten are deleted, with an index and a view.
fn thinned(vfs: &MemoryVfs, rows: i64) -> Database {
    let db = open(vfs);
    db.exec(
        "CREATE TABLE t (id INT PRIMARY KEY, n INT, text TEXT); CREATE INDEX by_n ON t (n);
         CREATE MATERIALIZED VIEW sums AS SELECT n, count(*) AS c FROM t GROUP BY n",
        (),
    )
    .unwrap();
    let fill =
        "INSERT INTO t SELECT i, i % 5, repeat('text', 200) FROM generate_series(1, ?) AS s (i)";
    db.exec(fill, params![rows]).unwrap();
    db.checkpoint().unwrap();
    db.exec("DELETE FROM t WHERE id % 10 <> 0", ()).unwrap();
    db
}

#[test]
fn what_was_deleted_gives_its_space_back() {
    let vfs = MemoryVfs::new();
    let db = thinned(&vfs, 10_000);
    let expected = ids(&db);
    let mut pinned = db.session();
    pinned.execute("BEGIN READ ONLY", ()).unwrap();
    let count = |session: &mut tailwater::Session| {
        common::rows(session, "SELECT count(*) FROM t", ()).unwrap()
    };
    let seen = count(&mut pinned);
    let (before, after) = db.compact().unwrap();
    assert!(before > 8 << 20 && after < 4 << 20, "{before} to {after}");
    assert_eq!(file_bytes(&vfs), after);
    // Who was reading goes on.
    assert_eq!(count(&mut pinned), seen);
    pinned.execute("COMMIT", ()).unwrap();
    assert_eq!(ids(&db), expected);
    db.exec("INSERT INTO t VALUES (5, 5, 'after')", ()).unwrap();
    db.exec("VACUUM", ()).unwrap();
    let crashed = vfs.crash();
    drop(db);
    let db = open(&crashed);
    assert_eq!(ids(&db).len(), expected.len() + 1);
    let report = db.check().unwrap();
    assert!(report.is_clean(), "{report}");
}

#[test]
fn a_mostly_empty_file_is_compacted_by_itself() {
    let vfs = MemoryVfs::new();
    let db = thinned(&vfs, 100_000);
    assert!(file_bytes(&vfs) > 64 << 20, "{}", file_bytes(&vfs));
    db.checkpoint().unwrap();
    let after = file_bytes(&vfs);
    assert!(after < 20 << 20, "{after}");
    assert_eq!(ids(&db).len(), 10_000);
}

#[test]
fn another_process_goes_over_to_the_new_file() {
    let vfs = MemoryVfs::new();
    let db = thinned(&vfs, 2000);
    db.checkpoint().unwrap();
    let reader = Database::builder()
        .vfs(Arc::new(vfs.clone()))
        .read_only(true)
        .open("db")
        .unwrap();
    assert_eq!(ids(&reader).len(), 200);
    db.compact().unwrap();
    db.exec("INSERT INTO t VALUES (1, 1, 'new')", ()).unwrap();
    db.checkpoint().unwrap();
    assert_eq!(ids(&reader).len(), 201);
}

#[test]
fn commits_go_on_while_a_file_is_compacted() {
    let vfs = MemoryVfs::new();
    let db = thinned(&vfs, 3000);
    let stop = AtomicBool::new(false);
    let written = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut id = 10_000;
            while !stop.load(Ordering::Relaxed) {
                db.exec("INSERT INTO t VALUES (?, 1, 'meanwhile')", params![id])
                    .unwrap();
                id += 1;
            }
            id - 10_000
        });
        for _ in 0..10 {
            db.compact().unwrap();
        }
        stop.store(true, Ordering::Relaxed);
        writer.join().unwrap()
    });
    assert_eq!(ids(&db).len() as i64, 300 + written);
    assert!(db.check().unwrap().is_clean());
    drop(db);
    let db = open(&vfs);
    assert_eq!(ids(&db).len() as i64, 300 + written);
}

/// Every write and every sync of a compaction fails once; the database goes on or says that it must be opened again, and
/// after a crash there, keeping any part of what was not synced, it opens with all that was committed.
#[test]
fn a_compaction_that_was_interrupted_anywhere_changes_nothing() {
    for sync in [false, true] {
        let mut done = false;
        for step in 0..500 {
            let vfs = MemoryVfs::new();
            let db = thinned(&vfs, 300);
            db.checkpoint().unwrap();
            let mut expected = ids(&db);
            match sync {
                true => vfs.fail_sync_after(step),
                false => vfs.fail_write_after(step),
            }
            done = db.compact().is_ok();
            vfs.fail_sync_after(u32::MAX);
            vfs.fail_write_after(u32::MAX);
            assert_eq!(ids(&db), expected, "step {step}");
            // What comes after must not be lost either, whichever file a crash leaves.
            if db
                .exec("INSERT INTO t VALUES (9999, 1, 'after')", ())
                .is_ok()
            {
                expected.push(9999);
            }
            let _ = db.checkpoint();
            let mut rng = Rng(step.into());
            let crashed = match step % 3 {
                0 => vfs.crash(),
                1 => vfs.crash_keeping(&mut |_| true),
                _ => vfs.crash_keeping(&mut |_| rng.percent(50)),
            };
            drop(db);
            let report = Database::builder()
                .vfs(Arc::new(crashed.clone()))
                .check("db", &CheckOptions::default().deep())
                .unwrap();
            assert!(report.is_clean(), "step {step}\n{report}");
            assert_eq!(ids(&open(&crashed)), expected, "step {step}");
            assert!(!crashed.exists(Path::new("db/data.redb.compact")).unwrap());
            if done {
                break;
            }
        }
        assert!(done);
    }
}
