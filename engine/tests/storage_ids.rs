//! Numbers of storages are never given out twice, not even over a crash.
//!
//! A random view test met "index entry leads to no row": a view had been dropped and the machine crashed before the
//! next checkpoint. Opening counted on from the largest number in the catalog, which had forgotten the dropped view, so
//! that the next index was given the number of an old one and found the old one's entries in its storage.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;

use common::text;
use tailwater::Database;
use tailwater_wal::vfs::MemoryVfs;

fn open(vfs: &MemoryVfs) -> Database {
    Database::builder()
        .vfs(Arc::new(vfs.clone()))
        .without_background()
        .open("db")
        .unwrap()
}

/// Runs the first script, crashes, runs the second, and asks.
fn over_a_crash(before: &str, after: &str, query: &str) -> String {
    let vfs = MemoryVfs::new();
    let db = open(&vfs);
    db.exec(before, ()).unwrap();
    let vfs = vfs.crash();
    let db = open(&vfs);
    db.exec(after, ()).unwrap();
    let answer = text(&mut db.session(), query);
    // What the next opening finds is the same.
    let again = open(&vfs.crash());
    assert_eq!(text(&mut again.session(), query), answer);
    answer
}

#[test]
fn rows_of_a_dropped_table_do_not_come_back_in_the_next_one() {
    let answer = over_a_crash(
        "CREATE TABLE a (id INT PRIMARY KEY); INSERT INTO a VALUES (1), (2); DROP TABLE a",
        "CREATE TABLE b (id INT PRIMARY KEY)",
        "SELECT count(*) FROM b",
    );
    assert_eq!(answer, "0");
}

#[test]
fn entries_of_a_dropped_index_do_not_come_back_in_the_next_one() {
    let answer = over_a_crash(
        "CREATE TABLE t (id INT PRIMARY KEY, v INT, w INT); INSERT INTO t VALUES (1, 7, 0), (2, 8, 0);
         CREATE INDEX ON t (v); DROP INDEX t_v_idx; DELETE FROM t WHERE id = 1",
        "CREATE INDEX ON t (w)",
        "SELECT count(*) FROM t WHERE w >= 0",
    );
    assert_eq!(answer, "1");
}

#[test]
fn a_dropped_view_leaves_nothing_to_the_next_one() {
    let answer = over_a_crash(
        "CREATE TABLE t (id INT PRIMARY KEY, g INT); INSERT INTO t VALUES (1, 1), (2, 2);
         CREATE MATERIALIZED VIEW v AS SELECT g, count(*) AS n FROM t GROUP BY g; DROP MATERIALIZED VIEW v",
        "CREATE MATERIALIZED VIEW w AS SELECT id % 2 AS g, sum(g) AS n FROM t GROUP BY id % 2;
         UPDATE t SET g = g + 1",
        "SELECT g, n FROM w ORDER BY g",
    );
    assert_eq!(answer, "0|3\n1|2");
}

#[test]
fn what_a_transaction_made_and_dropped_is_not_taken_up_either() {
    let answer = over_a_crash(
        "CREATE TABLE t (id INT PRIMARY KEY); BEGIN; CREATE TABLE a (id INT PRIMARY KEY);
         INSERT INTO a VALUES (1), (2); DROP TABLE a; INSERT INTO t VALUES (5); COMMIT",
        "CREATE TABLE b (id INT PRIMARY KEY); CREATE INDEX ON b (id)",
        "SELECT count(*) FROM b WHERE id > 0",
    );
    assert_eq!(answer, "0");
}
