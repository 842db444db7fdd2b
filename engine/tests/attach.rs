//! A process that only reads follows the writer's checkpoints.
//!
//! It used to stay with the checkpoint it had found at opening, and to fail with 40001 for ever once the writer had made
//! the next one.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;

use common::text;
use tailwater::{Builder, Database, params};
use tailwater_wal::vfs::{MemoryVfs, OsVfs, Vfs};

fn builder(vfs: &Arc<dyn Vfs>) -> Builder {
    Database::builder()
        .vfs(Arc::clone(vfs))
        .without_background()
}

fn follows(vfs: &Arc<dyn Vfs>, path: &std::path::Path) {
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
    follows(&vfs, std::path::Path::new("db"));
}

#[test]
fn a_reader_follows_the_checkpoints_on_disk() {
    let dir = tempfile::tempdir().unwrap();
    let vfs: Arc<dyn Vfs> = Arc::new(OsVfs::new());
    follows(&vfs, &dir.path().join("db"));
}
