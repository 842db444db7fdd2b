//! Scripts run against a small database in memory: each statement succeeds, or fails with a code and leaves no trace.
//!
//! Statements have limits of time, memory and rows, and must keep them. What they answer is not judged here, except
//! that views still equal their queries at the end. Next door: `view_recompute`, and `engine::session`.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use tailwater::Clock;
use tailwater::internals::sql::parse_script;
use tailwater::{Database, Error, Outcome, Session, Settings, SyncMode};
use tailwater_wal::Background;

use crate::choices::Choices;
use crate::rng::Rng;
use crate::{memory, sql_text};

pub(super) const SCHEMA: &str = "
    CREATE TABLE t (a INT PRIMARY KEY, b TEXT, c DOUBLE PRECISION, d NUMERIC(10, 2), e TIMESTAMP, f BOOL);
    CREATE TABLE u (x BIGINT PRIMARY KEY, y INT, z DOCUMENT);
    CREATE TABLE docs;
    CREATE INDEX ON t (b);
    CREATE MATERIALIZED VIEW mv AS SELECT b, count(*) AS n, sum(a) AS s, max(c) AS m FROM t GROUP BY b;
    CREATE VIEW pv AS SELECT t.a, u.z.k AS k FROM t JOIN u ON t.a = u.y;
    INSERT INTO t VALUES (1, 'a', 0.5, 1.25, '2024-02-29 12:00:00', true), (2, 'b', -1, NULL, NULL, NULL),
        (3, 'a', 'NaN', 99999999.99, '1970-01-01 00:00:00', false), (-4, NULL, 'Infinity', 0, NULL, true);
    INSERT INTO u VALUES (1, 1, {k: 1, l: [1, 2]}), (2, 3, {k: 'x'}), (9223372036854775807, NULL, NULL);
    INSERT INTO docs VALUES {k: 1, l: {m: [1]}}, {k: 'one'}, {}";
const TABLES: [&str; 4] = ["t", "u", "docs", "mv"];

const TIMEOUT: Duration = Duration::from_millis(300);
/// Far beyond the timeout, because machines that fuzz are busy.
const ENDED_WITHIN: Duration = Duration::from_secs(20);
const MEMORY_BYTES_MAX: u64 = 16 << 20;
const ROWS_MAX: u64 = 200_000;
/// Rows of one result that are looked at.
const ROWS_TAKEN: usize = 2_000;
/// Statements of one script that are run.
const STATEMENTS_MAX: usize = 40;

/// Days that pass by the number of times they are asked for, deadlines by the real time.
struct Steps(AtomicI64, Instant);

impl Clock for Steps {
    fn now_us(&self) -> i64 {
        self.0.fetch_add(1_000, Ordering::Relaxed)
    }

    fn monotonic(&self) -> Duration {
        self.1.elapsed()
    }
}

/// A small database without threads of its own.
pub(super) fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.wal.background = Background::Caller;
    settings.wal.segment_bytes = 64 << 10;
    settings.wal.sync = SyncMode::Commit;
    settings.store.cache_bytes = 1 << 20;
    settings.statement_timeout = Some(TIMEOUT);
    settings.statement_memory_bytes_max = MEMORY_BYTES_MAX;
    settings.transaction_memory_bytes_max = MEMORY_BYTES_MAX;
    settings.statement_rows_max = ROWS_MAX;
    settings
}

/// Runs the input as a script.
///
/// # Panics
/// If a failed statement left a trace or had no code, a limit was passed, or a view is wrong.
pub fn run(input: &[u8]) {
    drop(play(input));
}

/// What became of each statement: nothing, or the code it failed with.
fn play(input: &[u8]) -> Vec<Option<&'static str>> {
    let script = String::from_utf8_lossy(input);
    let Ok(statements) = parse_script(&script) else {
        return Vec::new();
    };
    let mut codes = Vec::new();
    let start = AtomicI64::new(1_700_000_000_000_000);
    let db = Database::builder()
        .settings(settings())
        .clock(std::sync::Arc::new(Steps(start, Instant::now())))
        .without_background()
        .memory()
        .expect("memory is enough");
    db.exec(SCHEMA, ()).expect("the schema is right");
    let mut session = db.session();
    for parsed in statements.iter().take(STATEMENTS_MAX) {
        let text = script.get(parsed.text_range.clone()).unwrap_or_default();
        let before = (session.in_transaction(), db.visible_lsn());
        let rows = committed(&db);
        let began = Instant::now();
        let outcome = memory::bounded(|| execute(&mut session, text));
        let elapsed = began.elapsed();
        assert!(elapsed < ENDED_WITHIN, "{elapsed:?} for {text}");
        codes.push(outcome.as_ref().err().map(Error::sqlstate));
        if let Err(error) = outcome {
            assert_has_code(&error, text);
            assert_eq!(
                (before.1, rows),
                (db.visible_lsn(), committed(&db)),
                "{error}: {text}"
            );
            assert_eq!(session.in_transaction(), before.0, "{error}: {text}");
        }
    }
    drop(session);
    assert_views_hold(&db, "mv");
    codes
}

fn execute(session: &mut Session, text: &str) -> Result<(), Error> {
    if let Outcome::Rows(rows) = session.execute(text, ())? {
        for row in rows.take(ROWS_TAKEN) {
            let shown: Vec<String> = row?.values().iter().map(ToString::to_string).collect();
            drop(shown);
        }
    }
    Ok(())
}

fn assert_has_code(error: &Error, text: &str) {
    let code = error.sqlstate();
    let plain = code
        .bytes()
        .all(|b| b.is_ascii_digit() || b.is_ascii_uppercase());
    assert!(code.len() == 5 && plain, "{code}: {text}");
    assert!(!code.starts_with("XX"), "{error}: {text}");
    assert!(!error.message().is_empty(), "{text}");
    if let Some(place) = error.position() {
        assert!(text.is_char_boundary(place), "{place}: {error}: {text}");
    }
}

/// What anyone can see.
fn committed(db: &Database) -> Vec<Result<Vec<String>, &'static str>> {
    TABLES
        .map(|table| rows_of(db, &format!("SELECT * FROM {table}")))
        .into()
}

/// The rows of a query as text, sorted; or the code it fails with.
pub(super) fn rows_of(db: &Database, sql: &str) -> Result<Vec<String>, &'static str> {
    let rows = db.query(sql, ()).and_then(tailwater::Rows::collect_rows);
    let rows = rows.map_err(|error| error.sqlstate())?;
    let mut lines: Vec<String> = rows
        .iter()
        .map(|row| format!("{:?}", row.values()))
        .collect();
    lines.sort_unstable();
    Ok(lines)
}

/// Insists that CHECK VIEW finds nothing, if there is such a view.
pub(super) fn assert_views_hold(db: &Database, view: &str) {
    let checked = db.query(&format!("CHECK VIEW {view}"), ());
    let first = match checked.and_then(tailwater::Rows::first) {
        Ok(first) => first.expect("CHECK VIEW answers with one row"),
        Err(error) => {
            let missing = ["42P01", "42809"];
            assert!(missing.contains(&error.sqlstate()), "{error}");
            return;
        }
    };
    let differences: i64 = first.get("differences").expect("it counts them");
    assert_eq!(differences, 0, "{:?}", first.values());
}

/// A script.
pub fn generate(rng: &mut Rng) -> Vec<u8> {
    sql_text::script(&mut Choices::new(&rng.bytes(300))).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A target whose inputs all fail early would hold forever.
    #[test]
    fn generated_scripts_get_far() {
        let mut rng = Rng::new(1);
        let codes: Vec<_> = (0..150).flat_map(|_| play(&generate(&mut rng))).collect();
        let done = codes.iter().filter(|code| code.is_none()).count();
        let mut counts = std::collections::BTreeMap::new();
        for code in &codes {
            *counts.entry(*code).or_insert(0) += 1;
        }
        assert!(codes.len() > 150, "{counts:?}");
        assert!(done * 5 > codes.len(), "{counts:?}");
    }
}
