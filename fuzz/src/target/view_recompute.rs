//! Three views over two tables and any history of changes: after each commit the views are what their queries say.
//!
//! The slow twin is twofold: `CHECK VIEW`, which fills a view anew through the same operators, and the view's query,
//! which goes through the optimizer. At the end the database is opened again. Next door: `engine::maintenance`.

use std::sync::Arc;

use tailwater::{Database, Session};
use tailwater_wal::vfs::MemoryVfs;

use super::sql_execute::{assert_views_hold, rows_of, settings};
use crate::choices::Choices;
use crate::rng::Rng;

const SCHEMA: &str = "
    CREATE TABLE t (id INT PRIMARY KEY, g TEXT, v INT, w DOUBLE PRECISION, d DOCUMENT);
    CREATE TABLE u (g TEXT PRIMARY KEY, name TEXT, v INT);
    INSERT INTO t VALUES (1, 'a', 1, 0.5, {k: 1}), (2, NULL, 0, NULL, NULL), (3, 'a', NULL, 'NaN', {k: 'x'});
    INSERT INTO u VALUES ('a', 'Ada', 1)";

/// Queries to make views of; an input takes three. The second one of a pair reads the view `v0`.
const QUERIES: &[&str] = &[
    "SELECT g, count(*) AS n, count(v) AS c, sum(v) AS s, min(v) AS lo, max(v) AS hi, avg(v) AS a FROM t GROUP BY g",
    "SELECT t.id, u.name, t.v + u.v AS s FROM t JOIN u ON u.g = t.g",
    "SELECT DISTINCT g, v FROM t",
    "SELECT id, v, 100 / v AS q FROM t",
    "SELECT a.id AS x, b.id AS y FROM t a JOIN t b ON a.g = b.g AND a.id < b.id",
    "SELECT g FROM t UNION ALL SELECT g FROM u",
    "SELECT g, v FROM t UNION SELECT g, v FROM u",
    "SELECT sum(w) AS s, min(w) AS lo, max(w) AS hi, avg(w) AS a, count(DISTINCT g) AS n FROM t",
    "SELECT u.name, count(*) AS n, sum(100 / t.v) AS s FROM t, u WHERE t.g = u.g AND t.v <> 3 GROUP BY u.name",
    "SELECT id, d.k AS k, coalesce(g, 'none') AS g FROM t WHERE v > 0 OR w IS NULL",
    "SELECT d.k AS k, count(*) AS n, max(id) AS last FROM t GROUP BY d.k HAVING count(*) > 1",
    "SELECT g, v, count(*) AS n FROM t WHERE id % 2 = 0 GROUP BY g, v",
    "SELECT t.id, u.v FROM t JOIN u ON t.v = u.v WHERE u.name LIKE 'A%'",
    "SELECT * FROM t WHERE g IN ('a', 'b')",
    "SELECT * FROM v0 WHERE n > 1",
    "SELECT count(*) AS rows FROM v0",
];
const VIEWS: [&str; 3] = ["v0", "v1", "v2"];
/// Statements of one history.
const STATEMENTS_MAX: usize = 30;

/// Plays the history that the input describes.
///
/// # Panics
/// If a view differs from its query, before or after the database is opened again.
pub fn run(input: &[u8]) {
    let choices = &mut Choices::new(input);
    let vfs = Arc::new(MemoryVfs::new());
    let db = open(&vfs);
    db.exec(SCHEMA, ()).expect("the schema is right");
    let mut queries = Vec::new();
    for view in VIEWS {
        let query = choices.pick(QUERIES);
        let sql = format!("CREATE MATERIALIZED VIEW {view} AS {query}");
        match db.exec(&sql, ()) {
            Ok(_) => queries.push((view, query)),
            // A query over a view that is not there or has no such column, or that views cannot hold.
            Err(error) => assert!(
                ["42P01", "42703", "0A000"].contains(&error.sqlstate()),
                "{error}: {sql}"
            ),
        }
    }
    let mut session = db.session();
    let mut history = Vec::new();
    for _ in 0..STATEMENTS_MAX {
        if choices.is_empty() {
            break;
        }
        let sql = change(choices);
        play(&mut session, &sql);
        history.push(sql);
        if !session.in_transaction() {
            assert_equal(&db, &queries, &history);
        }
    }
    if session.in_transaction() {
        play(&mut session, "COMMIT");
    }
    drop(session);
    if choices.below(2) == 1 {
        db.checkpoint().expect("memory is enough");
    }
    let shown: Vec<_> = VIEWS
        .map(|view| rows_of(&db, &format!("SELECT * FROM {view}")))
        .into();
    db.close().expect("memory is enough");
    let db = open(&vfs);
    let again: Vec<_> = VIEWS
        .map(|view| rows_of(&db, &format!("SELECT * FROM {view}")))
        .into();
    assert_eq!(again, shown, "after reopening, {history:?}");
    assert_equal(&db, &queries, &history);
}

fn open(vfs: &Arc<MemoryVfs>) -> Database {
    let mut settings = settings();
    settings.statement_timeout = None;
    Database::builder()
        .settings(settings)
        .vfs(Arc::clone(vfs) as _)
        .without_background()
        .memory()
        .expect("memory is enough")
}

/// Constraints, conversions and transactions that have failed may refuse a statement; nothing else may.
fn play(session: &mut Session, sql: &str) {
    if let Err(error) = session.execute(sql, ()) {
        let expected = [
            "23505", "22003", "25P02", "25P01", "25001", "3B001", "21000",
        ];
        assert!(expected.contains(&error.sqlstate()), "{error}: {sql}");
    }
}

fn assert_equal(db: &Database, queries: &[(&str, &str)], history: &[String]) {
    for (view, query) in queries {
        assert_views_hold(db, view);
        let stored = rows_of(db, &format!("SELECT * FROM {view}"));
        // A row error fails the query, while the view lists it and stays readable.
        if let Ok(fresh) = rows_of(db, query) {
            assert_eq!(stored, Ok(fresh), "{view}: {query}: {history:?}");
        }
    }
}

fn change(choices: &mut Choices<'_>) -> String {
    let id = choices.below(9);
    match choices.below(16) {
        0..=3 => {
            let conflict = choices.pick(&[
                "",
                "",
                " ON CONFLICT DO NOTHING",
                " ON CONFLICT (id) DO UPDATE SET v = 5, g = 'c'",
            ]);
            let rows: Vec<String> = (0..=choices.below(3))
                .map(|more| row(choices, id + more))
                .collect();
            format!("INSERT INTO t VALUES {}{conflict}", rows.join(", "))
        }
        4 => format!(
            "INSERT INTO u VALUES ({}, {}, {}) ON CONFLICT (g) DO UPDATE SET v = 2, name = 'Again'",
            choices.pick(&["'a'", "'b'", "'c'"]),
            choices.pick(&["'Ada'", "'Bea'", "NULL"]),
            number(choices)
        ),
        5 | 6 => format!("UPDATE t SET v = {} WHERE id >= {id}", number(choices)),
        7 => format!(
            "UPDATE t SET g = {}, w = {} WHERE id = {id}",
            group(choices),
            double(choices)
        ),
        8 => format!(
            "UPDATE t SET id = id + {} WHERE id > {id}",
            1 + choices.below(3)
        ),
        9 => format!(
            "UPDATE u SET name = 'A' || name, v = {} WHERE g <> {}",
            number(choices),
            group(choices)
        ),
        10 => format!("DELETE FROM t WHERE id = {id} OR v = {}", number(choices)),
        11 => choices
            .pick(&[
                "DELETE FROM u WHERE g = 'a'",
                "DELETE FROM u",
                "DELETE FROM t",
                "TRUNCATE t",
            ])
            .to_owned(),
        12 => format!(
            "UPDATE t SET d = {{k: {}}} WHERE id <= {id}",
            number(choices)
        ),
        13 => "BEGIN".to_owned(),
        14 => choices.pick(&["COMMIT", "ROLLBACK", "COMMIT"]).to_owned(),
        _ => choices
            .pick(&[
                "SAVEPOINT s",
                "ROLLBACK TO s",
                "RELEASE s",
                "INSERT INTO t SELECT id + 20, g, v, w, d FROM t",
            ])
            .to_owned(),
    }
}

fn row(choices: &mut Choices<'_>, id: usize) -> String {
    let document = choices.pick(&["NULL", "{k: 1}", "{k: 'x'}", "{}", "{k: [1]}"]);
    let (group, number, double) = (group(choices), number(choices), double(choices));
    format!("({id}, {group}, {number}, {double}, {document})")
}

fn group(choices: &mut Choices<'_>) -> &'static str {
    choices.pick(&["NULL", "'a'", "'b'", "'c'", "''"])
}

fn number(choices: &mut Choices<'_>) -> &'static str {
    choices.pick(&["0", "1", "2", "3", "-1", "NULL", "2147483647"])
}

fn double(choices: &mut Choices<'_>) -> &'static str {
    choices.pick(&[
        "0",
        "0.1",
        "-0.0",
        "'NaN'",
        "'Infinity'",
        "'-Infinity'",
        "1e308",
        "1e-300",
        "NULL",
        "0.2",
    ])
}

/// A history.
pub fn generate(rng: &mut Rng) -> Vec<u8> {
    rng.bytes(160)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_query_but_those_over_views_can_be_a_view() {
        let db = open(&Arc::new(MemoryVfs::new()));
        db.exec(SCHEMA, ()).unwrap();
        for (number, query) in QUERIES.iter().enumerate() {
            let sql = format!("CREATE MATERIALIZED VIEW v{number} AS {query}");
            if let Err(error) = db.exec(&sql, ()) {
                panic!("{error}: {sql}");
            }
            assert_views_hold(&db, &format!("v{number}"));
        }
    }
}
