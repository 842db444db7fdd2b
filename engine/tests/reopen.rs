//! After a crash nothing is evaluated: tables and views come out of the storage file and the log as they went in.
//!
//! A process of its own loads rows, makes three views (groups, a join, a view on a view), has a checkpoint written, does
//! a thousand more commits and is killed. `TAILWATER_REOPEN_ROWS=1000000` is the run at full size, best in release.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod common;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::number_from_env;
use tailwater::{Database, Settings, params};

/// Where the child process finds its database; without it the child's test has nothing to do.
const CHILD: &str = "TAILWATER_REOPEN_CHILD";
const ROWS: &str = "TAILWATER_REOPEN_ROWS";
const COMMITS: i64 = 1_000;
const VIEWS: [&str; 3] = ["by_item", "named", "by_kind"];

fn rows_loaded() -> i64 {
    i64::try_from(number_from_env(ROWS, 20_000)).unwrap()
}

fn open(path: &Path) -> Database {
    let settings = Settings {
        // The only checkpoint is the one that is asked for.
        checkpoint_interval: Duration::from_secs(24 * 3600),
        statement_memory_bytes_max: 8 << 30,
        ..Settings::default()
    };
    Database::builder().settings(settings).open(path).unwrap()
}

fn load(db: &Database) {
    db.exec(
        "CREATE TABLE item (id INT PRIMARY KEY, kind TEXT);
         CREATE TABLE sale (id INT PRIMARY KEY, item INT, amount INT);
         CREATE MATERIALIZED VIEW by_item AS
             SELECT item, count(*) AS n, sum(amount) AS total FROM sale GROUP BY item;
         CREATE MATERIALIZED VIEW named AS
             SELECT s.id, i.kind, s.amount FROM sale s JOIN item i ON s.item = i.id;
         CREATE MATERIALIZED VIEW by_kind AS
             SELECT kind, count(*) AS n, min(amount) AS low, max(amount) AS high FROM named GROUP BY kind;
         INSERT INTO sale VALUES (1, 0, 7)",
        (),
    )
    .unwrap();
    for id in 0..100 {
        db.exec(
            "INSERT INTO item VALUES (?, ?)",
            params![id, format!("kind {}", id % 9)],
        )
        .unwrap();
    }
    let mut rows = 1;
    while rows < rows_loaded() {
        let more = rows.min(rows_loaded() - rows).min(50_000);
        db.exec(
            "INSERT INTO sale SELECT id + ?1, (id * 31 + ?1) % 100, (id * 7919 + ?1) % 1000
             FROM sale WHERE id <= ?2",
            params![rows, more],
        )
        .unwrap();
        rows += more;
    }
}

/// The process that is killed.
#[test]
fn child() {
    let Some(path) = std::env::var_os(CHILD) else {
        return;
    };
    let db = open(Path::new(&path));
    let start = Instant::now();
    load(&db);
    println!("loaded in {:?}", start.elapsed());
    db.checkpoint().unwrap();
    let start = Instant::now();
    for n in 0..COMMITS {
        match n % 3 {
            0 => db.exec(
                "INSERT INTO sale VALUES (?, ?, 5)",
                params![-1 - n, n % 100],
            ),
            1 => db.exec(
                "UPDATE sale SET amount = amount + 1, item = ? WHERE id = ?",
                params![n % 100, n],
            ),
            _ => db.exec("DELETE FROM sale WHERE id = ?", params![n]),
        }
        .unwrap();
    }
    println!("{COMMITS} commits in {:?}", start.elapsed());
    println!("now");
    // Until it is killed: nobody writes to its standard input.
    std::io::stdin().lines().for_each(drop);
}

#[test]
fn nothing_is_evaluated_after_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(CHILD, &path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        // The harness writes the name of the test in front of the first line.
        if line.ends_with("now") {
            break;
        }
        told.push(line);
    }
    // SIGKILL.
    child.kill().unwrap();
    let status = child.wait().unwrap();
    assert!(!status.success(), "{told:?}");

    let start = Instant::now();
    let db = open(&path);
    let reopened = start.elapsed();
    let number = |sql: &str| -> i64 { db.query(sql, ()).unwrap().scalar().unwrap() };
    assert_eq!(number("SELECT rows_evaluated FROM tailwater.recovery"), 0);
    assert_eq!(number("SELECT records FROM tailwater.recovery"), COMMITS);
    let inserted = (COMMITS + 2) / 3;
    let deleted = COMMITS / 3;
    assert_eq!(
        number("SELECT count(*) FROM sale"),
        rows_loaded() + inserted - deleted
    );
    assert_eq!(
        number("SELECT count(*) FROM sale WHERE id < 0 AND amount = 5"),
        inserted
    );
    for view in VIEWS {
        assert_eq!(check(&db, view), 0, "{view}");
    }
    // The check itself evaluates, so it can tell: rows that are evaluated are counted.
    db.exec("UPDATE sale SET amount = 0 WHERE id < 0", ())
        .unwrap();
    for view in VIEWS {
        assert_eq!(check(&db, view), 0, "{view}");
    }
    let views: Vec<i64> = VIEWS
        .iter()
        .map(|view| number(&format!("SELECT count(*) FROM {view}")))
        .collect();
    println!(
        "{} rows, views of {views:?} rows: {}; reopened in {reopened:?}, 0 rows evaluated",
        rows_loaded(),
        told.iter()
            .filter(|line| line.contains(" in "))
            .cloned()
            .collect::<Vec<_>>()
            .join(", "),
    );
}

fn check(db: &Database, view: &str) -> i64 {
    let row = db
        .query(&format!("CHECK VIEW {view}"), ())
        .unwrap()
        .first()
        .unwrap()
        .unwrap();
    row.get("differences").unwrap()
}
