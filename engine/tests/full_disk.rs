//! A full disk: rows can be deleted, tables dropped, a checkpoint taken and the database closed and opened, all with the
//! reserve; other commits answer 53100 until there is room, which those make.
//!
//! All of them used to be refused alike, so that only somebody else could make room.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tailwater::{Database, Settings, params};
use tailwater_wal::vfs::{MemoryVfs, OpenMode, Vfs};

const RESERVE: &str = "db/log/reserve";

fn open(vfs: &MemoryVfs) -> tailwater::Result<Database> {
    let mut settings = Settings::default();
    settings.wal.segment_bytes = 256 << 10;
    settings.wal.retain_age = Duration::ZERO;
    settings.wal.reserve_bytes = 8 << 20;
    Database::builder()
        .vfs(Arc::new(vfs.clone()))
        .settings(settings)
        .open("db")
}

/// A database on a disk that somebody else has filled to the last byte, and how many rows it has.
fn filled() -> (MemoryVfs, Database, i64) {
    let vfs = MemoryVfs::with_capacity_bytes(64 << 20);
    let db = open(&vfs).unwrap();
    db.exec(
        "CREATE TABLE t (id INT PRIMARY KEY, text TEXT);
         CREATE MATERIALIZED VIEW v AS SELECT id % 10 AS g, count(*) AS n FROM t GROUP BY id % 10",
        (),
    )
    .unwrap();
    let text = "x".repeat(1_000);
    let mut rows = 0;
    let insert = |id: i64| db.exec("INSERT INTO t VALUES (?, ?)", params![id, &*text]);
    while rows < 300 {
        insert(rows).unwrap();
        rows += 1;
    }
    // A thread makes the reserve, while there is room.
    let reserve = || vfs.open(Path::new(RESERVE), OpenMode::Read)?.len();
    while reserve().unwrap_or(0) < 8 << 20 {
        std::thread::yield_now();
    }
    db.checkpoint().unwrap();
    vfs.set_capacity_bytes(vfs.used_bytes());
    let error = loop {
        match insert(rows) {
            Ok(_) => rows += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(error.sqlstate(), "53100", "{error}");
    println!("{rows} rows");
    (vfs, db, rows)
}

fn count(db: &Database) -> i64 {
    let counted = db.query("SELECT count(*) FROM t", ()).unwrap();
    let counted = counted.scalar::<i64>().unwrap();
    let viewed = db.query("SELECT sum(n) FROM v", ()).unwrap();
    assert_eq!(viewed.scalar::<i64>().unwrap(), counted);
    counted
}

#[test]
fn deleting_makes_room_on_a_full_disk() {
    let (vfs, db, mut rows) = filled();
    let insert = |id: i64| db.exec("INSERT INTO t VALUES (?, 'short')", params![id]);
    for id in 0..20 {
        let refused = insert(-1).unwrap_err();
        assert_eq!(refused.sqlstate(), "53100", "{refused}");
        db.exec("DELETE FROM t WHERE id = ?", params![id]).unwrap();
    }
    rows -= 20;
    assert_eq!(count(&db), rows);
    rows -= db.exec("DELETE FROM t WHERE id < 200", ()).unwrap().rows as i64;
    assert_eq!(count(&db), rows);
    db.exec("DROP MATERIALIZED VIEW v; DROP TABLE t", ())
        .unwrap();
    db.checkpoint().unwrap();
    // What the log and the storage file gave back is still less than a reserve, so that is all that may be done.
    let refused = db.exec("CREATE TABLE u (id INT PRIMARY KEY)", ());
    assert!(refused.is_ok() || refused.unwrap_err().sqlstate() == "53100");
    vfs.set_capacity_bytes(vfs.used_bytes() + (9 << 20));
    db.exec("CREATE TABLE t (id INT PRIMARY KEY, text TEXT)", ())
        .unwrap();
    insert(-1).unwrap();
    drop(db);
    let db = open(&vfs.crash()).unwrap();
    let left = db.query("SELECT count(*) FROM t", ()).unwrap();
    assert_eq!(left.scalar::<i64>().unwrap(), 1);
}

#[test]
fn a_checkpoint_on_a_full_disk_takes_the_reserve() {
    let (vfs, db, rows) = filled();
    assert!(db.exec("INSERT INTO t VALUES (-1, 'short')", ()).is_err());
    db.checkpoint().unwrap();
    assert!(!vfs.exists(Path::new(RESERVE)).unwrap());
    db.exec("DELETE FROM t WHERE id < 100", ()).unwrap();
    db.checkpoint().unwrap();
    assert_eq!(count(&db), rows - 100);
    let crashed = vfs.crash();
    drop(db);
    crashed.set_capacity_bytes(u64::MAX);
    let db = open(&crashed).unwrap();
    assert_eq!(count(&db), rows - 100);
}

#[test]
fn a_full_disk_is_closed_and_opened() {
    for clean in [true, false] {
        let (mut vfs, mut db, mut rows) = filled();
        let capacity = vfs.used_bytes();
        for id in 0..4 {
            vfs.set_capacity_bytes(capacity);
            if clean {
                db.close().unwrap();
            } else {
                let crashed = vfs.crash();
                drop(db);
                vfs = crashed;
                vfs.set_capacity_bytes(capacity);
            }
            db = open(&vfs).unwrap();
            assert_eq!(count(&db), rows);
            db.exec("DELETE FROM t WHERE id = ?", params![id]).unwrap();
            rows -= 1;
        }
        println!("{rows} rows");
        vfs.set_capacity_bytes(u64::MAX);
        db.exec("INSERT INTO t VALUES (-1, 'there is room')", ())
            .unwrap();
        assert_eq!(count(&db), rows + 1);
    }
}
