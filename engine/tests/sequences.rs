//! Sequences: what is drawn belongs to the transaction that draws it.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use tailwater::{Database, params};
use tailwater_wal::vfs::MemoryVfs;

fn ids(db: &Database) -> Vec<i64> {
    let rows = db.query("SELECT id FROM t ORDER BY id", ()).unwrap();
    rows.map(|row| row.unwrap().get(0).unwrap()).collect()
}

#[test]
fn defaults_draw_and_roll_back() {
    let db = Database::memory().unwrap();
    db.exec("CREATE SEQUENCE s START 10 INCREMENT 5", ())
        .unwrap();
    db.exec(
        "CREATE TABLE t (id INT PRIMARY KEY DEFAULT NEXT VALUE FOR s, v TEXT)",
        (),
    )
    .unwrap();
    db.exec("INSERT INTO t (v) VALUES ('a'), ('b')", ())
        .unwrap();
    db.exec("BEGIN; INSERT INTO t (v) VALUES ('c'); ROLLBACK", ())
        .unwrap();
    db.exec("INSERT INTO t (v) VALUES ('d')", ()).unwrap();
    assert_eq!(ids(&db), [10, 15, 20]);
    let refused = db.exec("DROP SEQUENCE s", ()).unwrap_err();
    assert_eq!(refused.sqlstate(), "2BP01");
}

#[test]
fn the_end_is_an_error_and_cycles_begin_again() {
    let db = Database::memory().unwrap();
    db.exec(
        "CREATE SEQUENCE s MAXVALUE 2; CREATE SEQUENCE c MAXVALUE 2 CYCLE",
        (),
    )
    .unwrap();
    db.exec(
        "CREATE TABLE t (id INT PRIMARY KEY DEFAULT NEXT VALUE FOR s)",
        (),
    )
    .unwrap();
    db.exec(
        "CREATE TABLE u (k INT PRIMARY KEY, id INT DEFAULT NEXT VALUE FOR c)",
        (),
    )
    .unwrap();
    db.exec(
        "INSERT INTO t DEFAULT VALUES; INSERT INTO t DEFAULT VALUES",
        (),
    )
    .unwrap();
    assert_eq!(
        db.exec("INSERT INTO t DEFAULT VALUES", ())
            .unwrap_err()
            .sqlstate(),
        "2200H"
    );
    assert_eq!(ids(&db), [1, 2]);
    for k in 0..3 {
        db.exec("INSERT INTO u (k) VALUES (?)", params![k]).unwrap();
    }
    assert_eq!(
        db.query("SELECT id FROM u WHERE k = 2", ())
            .unwrap()
            .scalar::<i64>()
            .unwrap(),
        1
    );
}

#[test]
fn serial_columns_go_on_after_reopening_and_under_threads() {
    let vfs = Arc::new(MemoryVfs::new());
    for round in 1..=2_i64 {
        let db = Database::builder()
            .vfs(Arc::clone(&vfs) as _)
            .open("db")
            .unwrap();
        db.exec(
            "CREATE TABLE IF NOT EXISTS t (id SERIAL PRIMARY KEY, v INT)",
            (),
        )
        .unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for v in 0..10 {
                        db.exec("INSERT INTO t (v) VALUES (?)", params![v]).unwrap();
                    }
                });
            }
        });
        assert_eq!(ids(&db), (1..=round * 40).collect::<Vec<_>>());
    }
}
