//! ALTER TABLE leaves everything as if it had been written that way from the start.
//!
//! Found by reading dumps: a CHECK kept the old name of a renamed column, so that the statement kept with the table no
//! longer made it; a column added to an open table stood behind the undeclared fields; an index into a document kept the
//! old name of its column. And `tailwater.view_errors` was listed among the user's materialised views.
#![allow(clippy::unwrap_used)]

mod common;

use common::text;
use tailwater::{Database, Error};

fn sql_of(db: &Database, name: &str) -> String {
    let sql = format!("SELECT sql FROM tailwater.objects WHERE name = '{name}'");
    text(&mut db.session(), &sql)
}

fn refused(done: Result<tailwater::Done, Error>) -> (&'static str, Option<String>) {
    let error = done.unwrap_err();
    (error.sqlstate(), error.object().map(str::to_owned))
}

#[test]
fn a_check_follows_its_column_to_another_name() {
    let db = Database::memory().unwrap();
    db.exec(
        "CREATE TABLE t (id INT PRIMARY KEY, date INT, d (x INT, date INT),
           CONSTRAINT c CHECK (date > 0 AND t.date < 100 OR d.date = 7 OR 'date' = coalesce(date, 0)::text));
         CREATE INDEX i ON t (d.date, date DESC)",
        (),
    )
    .unwrap();
    db.exec("ALTER TABLE t RENAME COLUMN date TO \"The Day\"", ())
        .unwrap();
    let sql = sql_of(&db, "t");
    assert!(
        sql.contains(
            "CHECK (\"The Day\" > 0 AND t.\"The Day\" < 100 OR d.date = 7 OR 'date' = coalesce(\"The Day\", 0)::TEXT)"
        ),
        "{sql}"
    );
    db.exec("ALTER TABLE t RENAME COLUMN d TO doc", ()).unwrap();
    assert_eq!(
        sql_of(&db, "i"),
        "CREATE INDEX i ON t (doc.date, \"The Day\" DESC)"
    );
    // What is told makes the same table.
    let again = Database::memory().unwrap();
    again.exec(&sql_of(&db, "t"), ()).unwrap();
    again.exec(&sql_of(&db, "i"), ()).unwrap();
    for db in [&db, &again] {
        db.exec(
            "INSERT INTO t VALUES (1, 5, {x: 1, date: 0}), (2, 500, {x: 1, date: 7})",
            (),
        )
        .unwrap();
        let wrong = db.exec("INSERT INTO t VALUES (3, 500, {x: 1, date: 8})", ());
        assert_eq!(refused(wrong).0, "23514");
    }
}

#[test]
fn a_missing_column_is_missing_whatever_depends_on_the_table() {
    let db = Database::memory().unwrap();
    db.exec(
        "CREATE TABLE t (id INT PRIMARY KEY, v INT);
         CREATE MATERIALIZED VIEW w AS SELECT v, count(*) AS n FROM t GROUP BY v",
        (),
    )
    .unwrap();
    let of_t = Some("t".to_owned());
    let nope = db.exec("ALTER TABLE t RENAME COLUMN nope TO a", ());
    assert_eq!(refused(nope), ("42703", of_t.clone()));
    let taken = db.exec("ALTER TABLE t RENAME COLUMN id TO v", ());
    assert_eq!(refused(taken), ("42701", of_t.clone()));
    let needed = db.exec("ALTER TABLE t DROP COLUMN v", ());
    assert_eq!(refused(needed), ("2BP01", of_t));
}

#[test]
fn a_column_added_to_an_open_table_stands_before_its_other_fields() {
    let db = Database::memory().unwrap();
    db.exec(
        "CREATE TABLE p (k INT PRIMARY KEY, a INT, CHECK (extra <> 'bad'), ...);
         CREATE INDEX by_extra ON p (extra);
         INSERT INTO p VALUES {k: 1, a: 10, extra: 'x'}, {k: 2, extra: 'y'};
         CREATE MATERIALIZED VIEW n AS SELECT extra, count(*) AS n FROM p GROUP BY extra;
         ALTER TABLE p ADD COLUMN c TEXT DEFAULT 'new';
         ALTER TABLE p ADD COLUMN d INT",
        (),
    )
    .unwrap();
    let mut session = db.session();
    db.exec(
        "INSERT INTO p VALUES {k: 3, c: 'own', d: 4, extra: 'x', more: true}",
        (),
    )
    .unwrap();
    let columns: Vec<String> = db
        .query("SELECT * FROM p WHERE k = 3", ())
        .unwrap()
        .first()
        .unwrap()
        .unwrap()
        .columns()
        .iter()
        .map(|column| column.name.clone())
        .collect();
    assert_eq!(columns, ["k", "a", "c", "d", "extra", "more"]);
    assert_eq!(
        text(&mut session, "SELECT k, a, c, d, extra FROM p ORDER BY k"),
        "1|10|new|NULL|x\n2|NULL|new|NULL|y\n3|NULL|own|4|x"
    );
    assert_eq!(text(&mut session, "SELECT k FROM p WHERE extra = 'y'"), "2");
    assert_eq!(
        refused(db.exec("UPDATE p SET extra = 'bad'", ())).0,
        "23514"
    );
    assert_eq!(text(&mut session, "SELECT n FROM n WHERE extra = 'x'"), "2");
    assert!(text(&mut session, "CHECK VIEW n").contains("|0|"));
    let shown = text(&mut session, "SHOW COLUMNS FROM p");
    let last = shown.lines().last().unwrap();
    assert!(last.contains("..."), "{shown}");
    db.exec("DROP MATERIALIZED VIEW n; ALTER TABLE p DROP COLUMN a", ())
        .unwrap();
    assert_eq!(text(&mut session, "SELECT k FROM p WHERE extra = 'y'"), "2");
    assert_eq!(
        text(&mut session, "SELECT k, c, d, extra FROM p WHERE k = 3"),
        "3|own|4|x"
    );
}

#[test]
fn what_the_engine_keeps_for_itself_is_not_listed() {
    let db = Database::memory().unwrap();
    let mut session = db.session();
    for sql in [
        "SHOW MATERIALIZED VIEWS",
        "SHOW VIEWS",
        "SHOW TABLES",
        "SELECT name FROM tailwater.objects",
        "SELECT name FROM tailwater.columns",
    ] {
        assert_eq!(text(&mut session, sql), "", "{sql}");
    }
    assert_eq!(
        text(&mut session, "SELECT count(*) FROM tailwater.view_errors"),
        "0"
    );
    assert_eq!(
        refused(db.exec("DROP MATERIALIZED VIEW tailwater.view_errors", ())).0,
        "42809"
    );
}
