//! Check, backup and restore as their users meet them.

#![allow(clippy::unwrap_used)]

mod common;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use common::{TAILWATER, database, run};

const SETUP: &str = "CREATE TABLE t (id INT PRIMARY KEY, text TEXT); CREATE INDEX ON t (text);
    CREATE MATERIALIZED VIEW n AS SELECT count(*) AS n FROM t;
    INSERT INTO t SELECT i, 'text number ' || CAST(i AS TEXT) FROM generate_series(1, 100) AS s (i)";

#[test]
fn a_clean_database_is_called_so() {
    let (_dir, path) = database();
    run(&[&path, "-c", SETUP]).ok();
    let out = run(&["check", &path, "--deep"]).ok();
    assert_eq!(
        out,
        "check: lsn 4, 4 log records, 101 rows, 100 index entries, 1 views: clean\n"
    );
    let out = run(&["check", &path, "--mode", "json"]).ok();
    assert!(out.starts_with("{\"clean\":true,\"lsn\":4,"), "{out}");
    let nothing = run(&["check", "nothing here"]);
    assert!(
        nothing.code == 1 && nothing.err.contains("there is no database in nothing here"),
        "{nothing:?}"
    );
}

/// Breaks the row of `t` whose key is 42, and its entry in the index.
fn damage(path: &str) {
    let file = format!("{path}/data.redb");
    let mut bytes = std::fs::read(&file).unwrap();
    let needle = b"text number 42";
    // Behind the key of the index stands the row.
    let at: Vec<_> = (0..bytes.len() - needle.len())
        .filter(|at| bytes[*at..].starts_with(needle))
        .collect();
    for at in at {
        bytes[at + 1] ^= 1;
    }
    std::fs::write(&file, &bytes).unwrap();
}

#[test]
fn salvage_says_by_its_exit_code_whether_something_is_lost() {
    let (_dir, path) = database();
    run(&[&path, "-c", SETUP]).ok();
    let new = |name: &str| format!("{path}.{name}");
    let out = run(&["salvage", &path, &new("whole"), "--json"]).ok();
    assert!(out.starts_with("{\"whole\":true,\"lsn\":4,"), "{out}");
    assert!(
        out.contains("\"tables\":[{\"table\":\"t\",\"rows\":100}],\"lost\":[],"),
        "{out}"
    );

    damage(&path);
    std::fs::remove_dir_all(format!("{path}/log")).unwrap();
    let ran = run(&["salvage", &path, &new("text")]);
    assert!(
        ran.code == 3 && ran.out.contains("salvaged: table t, 99 rows\n"),
        "{ran:?}"
    );
    let ran = run(&["salvage", &path, &new("json"), "-m", "json"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(
        ran.out.starts_with("{\"whole\":false,")
            && ran.out.contains("\"object\":\"table t\",\"key\":\"42\""),
        "{ran:?}"
    );
    let ran = run(&["salvage", "nothing here", &new("nothing")]);
    assert!(ran.code == 1 && ran.out.is_empty(), "{ran:?}");
}

#[test]
fn a_damaged_database_is_called_so_with_the_place() {
    let (_dir, path) = database();
    run(&[&path, "-c", SETUP]).ok();
    damage(&path);
    let ran = run(&["check", &path]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(
        ran.out
            .contains("damaged: rows, table t, key 42: the row's checksum does not match\n"),
        "{ran:?}"
    );
    let ran = run(&["check", "-m", "json", &path]);
    assert!(
        ran.code == 1 && ran.out.contains("\"object\":\"table t\",\"key\":\"42\""),
        "{ran:?}"
    );
    let ran = run(&["restore", &path, &format!("{path}.new")]);
    assert!(
        ran.code == 1 && ran.err.contains("the backup is damaged"),
        "{ran:?}"
    );
}

#[test]
fn a_backup_is_restored() {
    let (_dir, path) = database();
    let (backup, restored) = (format!("{path}.backup"), format!("{path}.restored"));
    run(&[&path, "-c", SETUP]).ok();
    let out = run(&["backup", &path, &backup]).ok();
    assert!(out.starts_with("backup: lsn 4, 101 rows, "), "{out}");
    let out = run(&["restore", &backup, &restored]).ok();
    assert!(out.starts_with("restore: lsn 4, 101 rows, "), "{out}");
    assert_eq!(
        run(&[&restored, "-m", "list", "-c", "SELECT n FROM n"]).ok(),
        "100\n"
    );
    let again = run(&["restore", &backup, &restored]);
    assert!(
        again.code == 1 && again.err.contains("is not empty"),
        "{again:?}"
    );
}

#[test]
fn a_database_in_use_is_copied_from_within_and_from_outside() {
    let (_dir, path) = database();
    let (inside, outside) = (format!("{path}.inside"), format!("{path}.outside"));
    run(&[&path, "-c", SETUP]).ok();
    let mut feed = Command::new(TAILWATER)
        .args(["feed", &path, "n"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut lines = BufReader::new(feed.stdout.take().unwrap());
    lines.read_line(&mut line).unwrap();
    // Now it has the database open.
    let out = run(&["backup", &path, &outside]).ok();
    assert!(
        out.starts_with("backup: lsn 4, 101 rows, ") && out.contains("its last checkpoint"),
        "{out}"
    );
    let ran = run(&["check", &path]);
    assert!(
        ran.code == 0
            && ran
                .out
                .contains("note: another process has the database open"),
        "{ran:?}"
    );
    feed.kill().unwrap();
    feed.wait().unwrap();

    let insert = "INSERT INTO t VALUES (1000, 'one more')";
    let out = run(&[&path, "-c", insert, "-c", &format!(".backup {inside}")]).ok();
    assert!(out.contains("backup: lsn 5, 102 rows, "), "{out}");
    assert_eq!(
        run(&[&inside, "-m", "list", "-c", "SELECT n FROM n"]).ok(),
        "101\n"
    );
}
