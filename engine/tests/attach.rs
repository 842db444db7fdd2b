//! A process that only reads follows the writer's checkpoints.
//!
//! It used to stay with the checkpoint it had found at opening, and to fail with 40001 for ever once the writer had made
//! the next one.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;
use std::sync::Arc;

use common::text;
use tailwater::{Builder, Database, params};
use tailwater_wal::vfs::{MemoryVfs, OpenMode, OsVfs, Vfs};

fn builder(vfs: &Arc<dyn Vfs>) -> Builder {
    Database::builder()
        .vfs(Arc::clone(vfs))
        .without_background()
}

fn follows(vfs: &Arc<dyn Vfs>, path: &Path) {
    let db = builder(vfs).open(path).unwrap();
    db.exec(
        "CREATE TABLE t (id INT PRIMARY KEY, v TEXT);
         CREATE MATERIALIZED VIEW n AS SELECT count(*) AS n FROM t",
        (),
    )
    .unwrap();
    db.checkpoint().unwrap();
    let reader = builder(vfs).read_only(true).open(path).unwrap();
    let mut session = reader.session();
    let filler = "x".repeat(300);
    for round in 1..6 {
        for n in 0..200 {
            db.exec(
                "INSERT INTO t VALUES (?, ?)",
                params![round * 1000 + n, &*filler],
            )
            .unwrap();
        }
        let before = (round - 1) * 200;
        assert_eq!(
            text(&mut session, "SELECT n FROM n"),
            before.to_string(),
            "no checkpoint yet"
        );
        db.checkpoint().unwrap();
        // The same session, the same text, from the cache of plans.
        assert_eq!(
            text(&mut session, "SELECT n FROM n"),
            (round * 200).to_string()
        );
        assert_eq!(
            text(&mut session, "SELECT count(*) FROM t WHERE v <> ''"),
            (round * 200).to_string()
        );
        // A table takes the place of another: as many objects as before, other ones.
        let old = format!("x{}", round - 1);
        db.exec(&format!("DROP TABLE IF EXISTS {old}; CREATE TABLE x{round} (id INT); INSERT INTO x{round} VALUES ({round})"), ())
            .unwrap();
        db.exec("DROP TABLE IF EXISTS same", ()).unwrap();
        let columns = ["a INT, b INT", "b INT, a INT"][round % 2];
        db.exec(
            &format!("CREATE TABLE same ({columns}); INSERT INTO same (a, b) VALUES (1, 2)"),
            (),
        )
        .unwrap();
        db.checkpoint().unwrap();
        assert_eq!(
            text(&mut session, &format!("SELECT id FROM x{round}")),
            round.to_string()
        );
        assert_eq!(text(&mut session, "SELECT a, b FROM same"), "1|2");
        let gone = reader.query(&format!("SELECT * FROM {old}"), ());
        assert_eq!(gone.map(drop).unwrap_err().sqlstate(), "42P01");
        assert_eq!(
            reader.exec("DELETE FROM t", ()).unwrap_err().sqlstate(),
            "25006"
        );
    }
    // A transaction stays where it began: it reads that, or is told to begin again.
    session.execute("BEGIN", ()).unwrap();
    assert_eq!(text(&mut session, "SELECT n FROM n"), "1000");
    db.exec("DELETE FROM t", ()).unwrap();
    db.checkpoint().unwrap();
    match session
        .execute("SELECT count(*) FROM t", ())
        .and_then(|outcome| match outcome {
            tailwater::Outcome::Rows(rows) => rows.scalar::<i64>(),
            other => panic!("{other:?}"),
        }) {
        Ok(count) => assert_eq!(count, 1000),
        Err(error) => assert_eq!(error.sqlstate(), "40001", "{error}"),
    }
    session.execute("ROLLBACK", ()).unwrap();
    assert_eq!(text(&mut session, "SELECT n FROM n"), "0");
    db.exec("INSERT INTO t VALUES (1, 'last')", ()).unwrap();
    drop(db);
    assert_eq!(
        text(&mut session, "SELECT v FROM t"),
        "last",
        "closing makes a checkpoint"
    );
}

#[test]
fn a_reader_follows_the_checkpoints_in_memory() {
    let vfs: Arc<dyn Vfs> = Arc::new(MemoryVfs::new());
    follows(&vfs, Path::new("db"));
}

#[test]
fn a_reader_follows_the_checkpoints_on_disk() {
    let dir = tempfile::tempdir().unwrap();
    let vfs: Arc<dyn Vfs> = Arc::new(OsVfs::new());
    follows(&vfs, &dir.path().join("db"));
}

/// A reader used to look at the checksums of rows only: a bit in a key, or in a page of redb's own, could hide rows.
#[test]
fn a_flipped_bit_is_refused_by_a_reader_and_hides_no_row() {
    let disk = MemoryVfs::new();
    let vfs: Arc<dyn Vfs> = Arc::new(disk.clone());
    let db = builder(&vfs).open("db").unwrap();
    db.exec("CREATE TABLE t (name TEXT PRIMARY KEY)", ())
        .unwrap();
    db.exec(
        "INSERT INTO t SELECT 'name number ' || n FROM generate_series(1000, 1999) AS s(n)",
        (),
    )
    .unwrap();
    db.checkpoint().unwrap();
    drop(db);
    let file = disk
        .open(Path::new("db/data.redb"), OpenMode::ReadWrite)
        .unwrap();
    let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
    file.read_exact_at(&mut bytes, 0).unwrap();
    let needle = b"name number 1500";
    let places = bytes.windows(needle.len()).enumerate();
    for (at, _) in places.filter(|(_, bytes)| *bytes == needle) {
        let at = at + needle.len() - 1;
        file.write_all_at(&[bytes[at] ^ 1], at as u64).unwrap();
    }
    let refused = |error: &tailwater::Error| {
        let is_named = error.to_string().contains("is not what was written there");
        assert!(error.sqlstate() == "XX001" && is_named, "{error}");
    };
    // With debug assertions redb reads every page as it opens the file.
    let reader = match builder(&vfs).read_only(true).open("db") {
        Ok(reader) => reader,
        Err(error) => return refused(&error),
    };
    let mut found = 0;
    for n in 1000..2000 {
        let sql = "SELECT count(*) FROM t WHERE name = ?";
        let name = format!("name number {n}");
        match reader
            .query(sql, params![name])
            .and_then(|rows| rows.scalar::<i64>())
        {
            Ok(count) => {
                assert_eq!(count, 1, "{n}");
                found += 1;
            }
            Err(error) => refused(&error),
        }
    }
    assert!((1..1000).contains(&found), "{found}");
}
