//! The shell as its users meet it: statements and scripts in, rows, errors and exit codes out.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod common;

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use common::{TAILWATER, database, run, run_with};

const TWO_ROWS: &str = "CREATE TABLE t (id INT PRIMARY KEY, name TEXT);
INSERT INTO t VALUES (1, 'Ada'), (2, NULL);";

#[test]
fn every_mode_prints_the_same_rows() {
    let select = format!("{TWO_ROWS} SELECT * FROM t ORDER BY id;");
    for (mode, expected) in [
        (
            "table",
            " id | name\n----+------\n  1 | Ada\n  2 | NULL\n(2 rows)\n\n",
        ),
        ("csv", "id,name\r\n1,Ada\r\n2,\r\n"),
        (
            "json",
            "[{\"id\":1,\"name\":\"Ada\"},\n {\"id\":2,\"name\":null}]\n",
        ),
        ("list", "1|Ada\n2|\n"),
        ("line", "  id = 1\nname = Ada\n\n  id = 2\nname = \n"),
    ] {
        assert_eq!(
            run(&["--memory", "--mode", mode, "-c", &select]).ok(),
            expected
        );
        assert_eq!(run_with(&["--mode", mode], &select).ok(), expected);
    }
    let args = ["-m", "list", "--header", "--null-value", "-", "-c", &select];
    assert_eq!(run(&args).ok(), "id|name\n1|Ada\n2|-\n");
}

#[test]
fn rows_that_differ_in_their_columns_are_shown_under_all_of_them() {
    let sql = "CREATE TABLE d; INSERT INTO d VALUES {a: 1}; INSERT INTO d VALUES {b: 'x', a: 2}; SELECT * FROM d;";
    assert_eq!(run(&["-m", "csv", "-c", sql]).ok(), "a,b\r\n1,\r\n2,x\r\n");
    assert_eq!(
        run(&["-m", "json", "-c", sql]).ok(),
        "[{\"a\":1},\n {\"b\":\"x\",\"a\":2}]\n"
    );
}

#[test]
fn an_error_names_its_place_and_ends_the_script() {
    let script = "SELECT 1;\n-- a note\nSELECT 2,\n  nothing FROM nowhere;\nSELECT 3;\n";
    let ran = run_with(&["-m", "list"], script);
    assert_eq!((ran.code, &*ran.out), (1, "1\n"));
    assert!(ran.err.starts_with("stdin:3: ERROR:  "), "{}", ran.err);
    assert!(
        ran.err.contains("(SQLSTATE 42P01)") && ran.err.contains("\nLINE 4: "),
        "{}",
        ran.err
    );
    let ran = run_with(&["-m", "list", "--keep-going"], script);
    assert_eq!((ran.code, &*ran.out), (3, "1\n3\n"));
    let ran = run(&["-c", "SELEC 1"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.err.contains("LINE 1: SELEC 1\n        ^\n"),
        "{}",
        ran.err
    );
    assert_eq!(run(&["--mode", "xml"]).code, 2);
}

#[test]
fn transactions_span_statements_and_cursors_follow_a_view() {
    let script = "CREATE TABLE t (id INT PRIMARY KEY, g TEXT, n INT);
CREATE MATERIALIZED VIEW v AS SELECT g, sum(n) AS s FROM t GROUP BY g;
INSERT INTO t VALUES (1, 'a', 1);
BEGIN; DECLARE c CURSOR FOR TAIL v; FETCH ALL c; COMMIT;
BEGIN; INSERT INTO t VALUES (2, 'b', 5); ROLLBACK;
SELECT count(*) FROM t;
";
    assert_eq!(run_with(&["-m", "list"], script).ok(), "|snapshot|a|1\n1\n");
    let ran = run_with(
        &["-m", "list"],
        "BEGIN; CREATE TABLE x (a INT PRIMARY KEY);\n",
    );
    assert!(ran.err.contains("rolled back"), "{}", ran.err);
}

#[test]
fn dot_commands_show_what_there_is() {
    let (_dir, db) = database();
    let script = format!(
        "{TWO_ROWS}
CREATE INDEX by_name ON t (name);
CREATE MATERIALIZED VIEW v AS SELECT name, count(*) AS n FROM t GROUP BY name;
.tables
.views
.indexes t
.schema t
.check
.nullvalue none
.mode list
SELECT * FROM t ORDER BY id;
.nonsense
"
    );
    let ran = run_with(&[&db], &script);
    assert_eq!(ran.code, 1);
    let expected = "t\nv\nby_name\nCREATE TABLE t (id INT PRIMARY KEY, name TEXT);\nCREATE INDEX by_name ON t (name);\nv: 2 rows, 0 differences\n1|Ada\n2|none\n";
    assert_eq!(ran.out, expected);
    assert!(
        ran.err.contains("there is no command .nonsense"),
        "{}",
        ran.err
    );
}

#[test]
fn a_dump_makes_everything_again() {
    let (dir, db) = database();
    let script = "CREATE TABLE kinds (id INT PRIMARY KEY, b BOOLEAN, n NUMERIC(10,2), d DOUBLE PRECISION, s TEXT,
  day DATE, at TIMESTAMP, tz TIMESTAMPTZ, u UUID, raw BYTEA, j JSON, a INT[]);
INSERT INTO kinds VALUES (1, TRUE, 1.50, 0.1, 'it''s;
two lines', '2024-02-29', '2024-02-29 12:34:56.789', '2024-02-29 12:34:56+02', '6f1f3a86-0000-4000-8000-000000000001',
 '\\x00ff', '{\"a\": [1, null]}', ARRAY[1, 2]);
INSERT INTO kinds (id) VALUES (2);
CREATE TABLE docs;
INSERT INTO docs VALUES {a: 1, \"b c\": {x: [1, 'two', NULL], y: 2.5}};
CREATE TABLE \"Order\" (id INT PRIMARY KEY, \"User Name\" TEXT DEFAULT 'nobody');
INSERT INTO \"Order\" (id) VALUES (7);
CREATE TABLE numbered (id INT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v TEXT);
INSERT INTO numbered (v) VALUES ('x'), ('y');
CREATE INDEX by_day ON kinds (day DESC);
CREATE VIEW plain AS SELECT id FROM kinds WHERE b;
CREATE MATERIALIZED VIEW live AS SELECT s, count(*) AS n FROM kinds GROUP BY s;
";
    run_with(&[&db], script).ok();
    let dump = run(&[&db, "-c", ".dump"]).ok();
    let file = dir.path().join("dump.sql");
    std::fs::write(&file, &dump).unwrap();
    let copy = dir.path().join("copy.db").display().to_string();
    run(&[&copy, "-c", &format!(".read {}", file.display())]).ok();
    assert_eq!(run(&[&copy, "-c", ".dump"]).ok(), dump);
    for table in ["kinds", "docs", "\"Order\"", "numbered", "live"] {
        let select = format!("SELECT * FROM {table}");
        let args = |db| vec![db, "-m", "json", "-c", &*select];
        assert_eq!(run(&args(&*copy)).ok(), run(&args(&*db)).ok());
    }
    assert!(
        run(&[&db, "-c", ".dump nothing"])
            .err
            .contains("nothing called nothing")
    );
}

/// A dump said nothing of sequences: restored, they began anew, and the next row collided with one that was there.
#[test]
fn restored_sequences_go_on() {
    let script = "CREATE SEQUENCE s INCREMENT -1;
CREATE TABLE t (id SERIAL PRIMARY KEY, k INT DEFAULT nextval('s'));
CREATE TABLE \"Of g\" (id INT GENERATED ALWAYS AS IDENTITY (START WITH 5 INCREMENT BY 5) PRIMARY KEY, x INT);
CREATE TABLE unused (id SERIAL);
INSERT INTO t DEFAULT VALUES; INSERT INTO t DEFAULT VALUES;
INSERT INTO \"Of g\" (x) VALUES (1), (2);
ALTER TABLE t RENAME TO \"T 2\";
.dump
";
    let dump = run_with(&[], script).ok();
    assert_eq!(dump.matches("RESTART WITH").count(), 3, "{dump}");
    assert_eq!(run_with(&[], &format!("{dump}.dump\n")).ok(), dump);
    let new = "INSERT INTO \"T 2\" DEFAULT VALUES RETURNING *;\nINSERT INTO \"Of g\" (x) VALUES (3) RETURNING *;\n";
    let ran = run_with(&["-m", "list"], &format!("{dump}{new}"));
    assert_eq!(ran.ok(), "3|-3\n15|3\n");
}

#[test]
fn a_dump_shows_what_alter_made_of_a_table() {
    let script =
        "CREATE TABLE t (id INT, a TEXT UNIQUE, d (x INT NOT NULL, ...), PRIMARY KEY (id DESC));
CREATE INDEX by_a ON t (a);
CREATE TABLE p (k INT PRIMARY KEY, ...);
ALTER TABLE t ADD COLUMN b INT DEFAULT 5;
ALTER TABLE t RENAME COLUMN a TO \"The A\";
ALTER TABLE t RENAME TO tt;
ALTER TABLE p ADD COLUMN c TEXT;
ALTER INDEX by_a RENAME TO by_the_a;
CREATE MATERIALIZED VIEW v AS SELECT b, count(*) AS n FROM tt GROUP BY b;
ALTER MATERIALIZED VIEW v RENAME TO w;
INSERT INTO tt VALUES (1, 'x', {x: 1, y: 2}, 3);
INSERT INTO p VALUES {k: 1, c: 'c'};
.dump
";
    let dump = run_with(&[], script).ok();
    assert!(dump.contains("CREATE TABLE tt ("), "{dump}");
    assert!(
        dump.contains("CREATE INDEX by_the_a ON tt (\"The A\");"),
        "{dump}"
    );
    assert!(
        dump.contains("CREATE MATERIALIZED VIEW w (b, n) AS SELECT b"),
        "{dump}"
    );
    let again = run_with(&[], &format!("{dump}.dump\n")).ok();
    assert_eq!(again, dump);
}

#[test]
fn files_are_imported_into_tables() {
    let (dir, db) = database();
    let csv = dir.path().join("people.csv");
    std::fs::write(&csv, "Id,name,zip\r\n1,\"Ada, \"\"L\"\"\",01234\r\n2,,\r\n").unwrap();
    let import = format!(".import {} people", csv.display());
    let select = "SELECT \"Id\", name, zip FROM people ORDER BY 1";
    assert_eq!(
        run(&[&db, "-m", "list", "-c", &import, "-c", select]).ok(),
        "1|Ada, \"L\"|01234\n2||\n"
    );
    let into = "CREATE TABLE typed (id INT PRIMARY KEY, name TEXT, zip TEXT NOT NULL)";
    let import = format!(".import --csv {} typed", csv.display());
    let ran = run(&[&db, "-c", into, "-c", &import]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.err.contains("people.csv:3: ") && ran.err.contains("23502"),
        "{}",
        ran.err
    );
    assert_eq!(
        run(&[&db, "-m", "list", "-c", "SELECT count(*) FROM typed"]).ok(),
        "0\n"
    );
    let json = dir.path().join("docs.ndjson");
    std::fs::write(&json, "{\"a\": 1}\n\n{\"a\": 2, \"b\": {\"c\": [true]}}\n").unwrap();
    let import = format!(".import {} docs", json.display());
    let out = run(&[&db, "-m", "json", "-c", &import, "-c", "SELECT * FROM docs"]).ok();
    assert_eq!(out, "[{\"a\":1},\n {\"a\":2,\"b\":{\"c\":[true]}}]\n");
    std::fs::write(&json, "{\"a\": 1}\n{oops\n").unwrap();
    let ran = run(&[&db, "-c", &import]);
    assert!(ran.err.contains("docs.ndjson:2: not JSON"), "{}", ran.err);
}

/// A file with semicolons between its fields became a table of one column, an empty one no table without a word, and a
/// record that was refused left an empty table behind.
#[test]
fn files_that_are_not_what_they_seem_leave_nothing() {
    let (dir, db) = database();
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let semicolons = write("semicolons.csv", "a;b\n1;\"2;3\"\n");
    let import = |options: &str, file: &str, table: &str| {
        let command = format!(".import {options} {file} {table}");
        run(&[&db, "-c", &command])
    };
    let ran = import("", &semicolons, "one");
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("say '--separator=;'"), "{}", ran.err);
    let ran = import("", &write("empty.csv", ""), "two");
    assert!(ran.err.contains("empty.csv is empty"), "{}", ran.err);
    let ran = import("", &write("short.csv", "a,b\n1,2\n3\n"), "three");
    assert!(
        ran.err.contains("NOTE: nothing was imported"),
        "{}",
        ran.err
    );
    let ran = import("", &write("bad.ndjson", "{\"a\": 1}\n{oops\n"), "four");
    assert!(
        ran.err.contains("NOTE: nothing was imported"),
        "{}",
        ran.err
    );
    assert_eq!(run(&[&db, "-c", ".tables"]).ok(), "");
    import("--separator=;", &semicolons, "five").ok();
    import("", &write("tabs.tsv", "a\tb\n4\tx, y\n"), "six").ok();
    let select = "SELECT * FROM five; SELECT * FROM six";
    assert_eq!(
        run(&[&db, "-m", "list", "-c", select]).ok(),
        "1|2;3\n4|x, y\n"
    );
}

#[test]
fn scripts_of_psql_are_understood() {
    let script = "DROP DATABASE IF EXISTS shop;\nCREATE DATABASE shop;\n\\c shop;\nSELECT 1;\n\\q\nSELECT 2;\n";
    let ran = run_with(&["-m", "list"], script);
    assert_eq!(ran.out, "1\n");
    assert_eq!(ran.err.matches("NOTE: ").count(), 3, "{}", ran.err);
    ran.ok();
}

/// The sample database everybody has, as it stands: what its script asks for beyond us is reported and left out.
#[test]
fn chinook_is_loaded() {
    let suites =
        std::env::var("TAILWATER_SUITES").unwrap_or_else(|_| "../../shared/suites".to_owned());
    let path = std::path::Path::new(&suites).join("chinook/Chinook_PostgreSql.sql");
    let Ok(script) = std::fs::read_to_string(&path) else {
        println!("skipped: {} is not there", path.display());
        return;
    };
    let (_dir, db) = database();
    let ran = run_with(&["--keep-going", &db], &script);
    let refused = ran.err.matches("ERROR:  ").count();
    assert_eq!(ran.code, 3, "{}", ran.err);
    assert_eq!(
        refused,
        ran.err.matches("(SQLSTATE 0A000)").count(),
        "{}",
        ran.err
    );
    assert_eq!(refused, 11, "foreign keys only\n{}", ran.err);
    let count = "SELECT count(*) FROM track; SELECT count(*) FROM playlist_track; SELECT sum(total) FROM invoice;";
    assert_eq!(
        run(&[&db, "-m", "list", "-c", count]).ok(),
        "3503\n8715\n2328.60\n"
    );
}

/// Two shells on one database: the second learns who has it, and may look at the last checkpoint.
#[test]
fn a_database_in_use_says_by_whom_and_can_be_read() {
    let (_dir, db) = database();
    let mut first = Command::new(TAILWATER)
        .args([&db, "-m", "list"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = first.stdin.take().unwrap();
    stdin
        .write_all(
            format!("{TWO_ROWS} CHECKPOINT; INSERT INTO t VALUES (3, 'late'); SELECT 'ready';\n")
                .as_bytes(),
        )
        .unwrap();
    let mut lines = BufReader::new(first.stdout.take().unwrap());
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");

    let ran = run(&[&db, "-c", "SELECT 1"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.err.contains(&format!("process {}", first.id())),
        "{}",
        ran.err
    );
    assert!(
        ran.err.contains("HINT:") && ran.err.contains("--readonly"),
        "{}",
        ran.err
    );

    let ran = run(&[
        "--readonly",
        &db,
        "-m",
        "list",
        "-c",
        "BEGIN; SELECT count(*) FROM t; COMMIT",
    ]);
    assert!(ran.err.contains("as of the last checkpoint"), "{}", ran.err);
    assert_eq!(ran.ok(), "2\n");
    let ran = run(&["--readonly", &db, "-c", "DELETE FROM t"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("25006"), "{}", ran.err);

    drop(stdin);
    assert!(first.wait().unwrap().success());
    assert_eq!(
        run(&[&db, "-m", "list", "-c", "SELECT count(*) FROM t"]).ok(),
        "3\n"
    );
    assert_eq!(
        run(&["--readonly", "/nowhere/at/all", "-c", "SELECT 1"]).code,
        1
    );
}
