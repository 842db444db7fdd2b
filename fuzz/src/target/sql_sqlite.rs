//! Queries on the common subset of SQL, by us and by SQLite: the same rows, in the same order where one is asked for.
//!
//! The input decides rows of two tables and some queries: joins, aggregates, subqueries, CASE, set operations, ORDER BY.
//! Left out, since the dialects differ by design: division by zero, overflow, bare NULL literals, LIKE's letter case,
//! truth as a number, comparisons between types. Next door: `sqlite_text`, which makes the statements.

use rusqlite::Connection;
use rusqlite::types::ValueRef;
use tailwater::{Database, Rows, Value};
use tailwater_proto::sqlstate;

use super::sql_execute::settings;
use crate::choices::Choices;
use crate::rng::Rng;
use crate::sqlite_text::{self, Query};

/// Queries of one input.
const QUERIES_MAX: usize = 6;

/// Asks both.
///
/// # Panics
/// If they differ, or one of them refuses.
pub fn run(input: &[u8]) {
    let choices = &mut Choices::new(input);
    let builder = Database::builder()
        .settings(settings())
        .without_background();
    let ours = builder.memory().expect("memory is enough");
    let theirs = Connection::open_in_memory().expect("memory is enough");
    let setup = sqlite_text::setup(choices);
    ours.exec(&setup, ())
        .unwrap_or_else(|error| panic!("{error}: {setup}"));
    theirs
        .execute_batch(&setup)
        .unwrap_or_else(|error| panic!("SQLite: {error}: {setup}"));
    for _ in 0..QUERIES_MAX {
        let query = sqlite_text::query(choices);
        let mut found = match asked(&ours, &query.text) {
            // What is not there says so by name; it is no difference.
            Err(error) if error.sqlstate() == sqlstate::FEATURE_NOT_SUPPORTED => continue,
            asked => asked.unwrap_or_else(|error| panic!("{error}: {setup}; {}", query.text)),
        };
        let mut expected = asked_sqlite(&theirs, &query)
            .unwrap_or_else(|error| panic!("SQLite: {error}: {}", query.text));
        if !query.is_ordered {
            found.sort_unstable();
            expected.sort_unstable();
        }
        assert_eq!(found, expected, "ours, SQLite's: {setup}; {}", query.text);
        if choices.is_empty() {
            break;
        }
    }
}

fn asked(db: &Database, text: &str) -> Result<Vec<String>, tailwater::Error> {
    let rows = db.query(text, ()).and_then(Rows::collect_rows)?;
    Ok(rows
        .iter()
        .map(|row| line(row.values().iter().map(shown)))
        .collect())
}

fn asked_sqlite(connection: &Connection, query: &Query) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare(&query.text)?;
    let columns = statement.column_count();
    let mut rows = statement.query(())?;
    let mut lines = Vec::new();
    while let Some(row) = rows.next()? {
        let values: rusqlite::Result<Vec<String>> = (0..columns)
            .map(|column| row.get_ref(column).map(shown_sqlite))
            .collect();
        lines.push(line(values?.into_iter()));
    }
    Ok(lines)
}

fn line(values: impl Iterator<Item = String>) -> String {
    values.collect::<Vec<_>>().join(" | ")
}

/// Numbers by what they are worth, truth as SQLite has it.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Bool(truth) => number(f64::from(u8::from(*truth))),
        Value::Text(text) => format!("{text:?}"),
        other => number(other.to_string().parse().expect("it is a number")),
    }
}

fn shown_sqlite(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "NULL".to_owned(),
        ValueRef::Integer(n) => number(n as f64),
        ValueRef::Real(n) => number(n),
        ValueRef::Text(text) => format!("{:?}", String::from_utf8_lossy(text)),
        ValueRef::Blob(_) => unreachable!("no query makes one"),
    }
}

fn number(n: f64) -> String {
    // There is one zero.
    format!("{:?}", n + 0.0)
}

/// Decisions.
pub fn generate(rng: &mut Rng) -> Vec<u8> {
    rng.bytes(400)
}
