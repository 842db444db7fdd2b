//! One file of records against a database: each record under a deadline and a memory limit, and after every
//! statement each materialised view compared with its query.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use tailwater::{Database, Error, Outcome, Session, Settings};

use crate::record::{self, Expected, Record};
use crate::tally::Tally;
use crate::text::{Format, compare};

/// Longest time of a record. One that takes twice as long did not keep its deadline.
const RECORD_TIME_MAX: Duration = Duration::from_secs(10);

/// Limits under which one record cannot stall or fill the machine.
pub(crate) fn settings() -> Settings {
    Settings {
        statement_timeout: Some(RECORD_TIME_MAX),
        statement_memory_bytes_max: 256 << 20,
        transaction_memory_bytes_max: 256 << 20,
        statement_rows_max: 5_000_000,
        ..Settings::default()
    }
}

/// Runs a file. `name` is how it is called in what is told of it.
pub(crate) fn run_file(db: &Database, name: &str, text: &str, format: Format) -> Tally {
    let mut tally = Tally::default();
    let records = match record::parse(text) {
        Ok(records) => records,
        Err(problem) => {
            tally.broken.push(format!("{name}: {problem}"));
            return tally;
        }
    };
    let mut file = File {
        db,
        name,
        format,
        sessions: BTreeMap::new(),
        has_views: false,
    };
    for record in &records {
        if !file.run(record, &mut tally) {
            break;
        }
    }
    tally
}

struct File<'f> {
    db: &'f Database,
    name: &'f str,
    format: Format,
    sessions: BTreeMap<String, Session>,
    /// Whether a statement may have made a materialised view.
    has_views: bool,
}

/// Why a record does not pass, and what came instead.
struct Wrong {
    cause: String,
    came: String,
}

impl Wrong {
    fn new(cause: impl Into<String>, came: impl Into<String>) -> Self {
        Self {
            cause: cause.into(),
            came: came.into(),
        }
    }
}

impl File<'_> {
    /// False ends the file: the database may not be whole any more.
    fn run(&mut self, record: &Record, tally: &mut Tally) -> bool {
        let place = format!("{}:{}", self.name, record.line);
        let start = Instant::now();
        let session = self
            .sessions
            .entry(record.connection.clone())
            .or_insert_with(|| self.db.session());
        let ran = catch_unwind(AssertUnwindSafe(|| judge(session, record, self.format)));
        let took = start.elapsed();
        let flat = record.sql.replace('\n', " ");
        if took > RECORD_TIME_MAX * 2 {
            tally.broken.push(format!("{place}: {took:?} for {flat}"));
        }
        match ran {
            Err(_) => {
                tally.broken.push(format!("{place}: panic at {flat}"));
                return false;
            }
            Ok(Ok(())) => tally.passed += 1,
            Ok(Err(wrong)) => {
                let expected = match &record.expected {
                    Expected::Rows { lines, .. } => lines.join("\n"),
                    other => format!("{other:?}"),
                };
                let story = format!(
                    "{place}: {flat}\nexpected\n{expected}\ncame\n{}",
                    wrong.came
                );
                tally.fail(wrong.cause, story);
            }
        }
        self.has_views |= record.sql.to_ascii_lowercase().contains("materiali");
        if self.has_views && !matches!(record.expected, Expected::Rows { .. }) {
            self.check_views(&place, tally);
        }
        true
    }

    fn check_views(&self, place: &str, tally: &mut Tally) {
        for view in materialized_views(self.db) {
            match differences(self.db, &view) {
                Ok(0) => tally.views_checked += 1,
                Ok(count) => tally
                    .broken
                    .push(format!("{place}: {view} differs in {count} rows")),
                Err(error) => tally
                    .broken
                    .push(format!("{place}: {view} cannot be checked: {error}")),
            }
        }
    }
}

/// Names of all materialised views, as SQL writes them.
fn materialized_views(db: &Database) -> Vec<String> {
    let sql = "SELECT schema, name FROM tailwater.objects WHERE kind = 'materialized view' AND schema <> 'tailwater'";
    db.query(sql, ())
        .and_then(tailwater::Rows::collect_rows)
        .unwrap()
        .iter()
        .map(|row| {
            let (schema, name): (String, String) = (row.get(0).unwrap(), row.get(1).unwrap());
            format!("\"{schema}\".\"{}\"", name.replace('"', "\"\""))
        })
        .collect()
}

fn differences(db: &Database, view: &str) -> tailwater::Result<i64> {
    let row = db.query(&format!("CHECK VIEW {view}"), ())?.first()?;
    row.map_or(Ok(-1), |row| row.get("differences"))
}

/// Runs a record. In a transaction, one that should succeed and does not is taken back alone (as `psql` does with
/// ON_ERROR_ROLLBACK), so that one missing feature is not counted a hundred times.
fn judge(session: &mut Session, record: &Record, format: Format) -> Result<(), Wrong> {
    let guarded = !matches!(record.expected, Expected::Error(_))
        && session.in_transaction()
        && !is_about_transactions(&record.sql)
        && session.execute("SAVEPOINT suite_record", ()).is_ok();
    let judged = judge_unguarded(session, record, format);
    if guarded {
        let undo = "ROLLBACK TO SAVEPOINT suite_record; RELEASE SAVEPOINT suite_record";
        let keep = "RELEASE SAVEPOINT suite_record";
        let end = session.execute(if judged.is_ok() { keep } else { undo }, ());
        if end.is_err() {
            return Err(Wrong::new("a savepoint is lost", format!("{end:?}")));
        }
    }
    judged
}

/// Statements that a savepoint around them would be in the way of.
fn is_about_transactions(sql: &str) -> bool {
    let word = sql
        .split_whitespace()
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    [
        "begin",
        "start",
        "commit",
        "end",
        "abort",
        "rollback",
        "savepoint",
        "release",
        "declare",
        "fetch",
        "close",
        "move",
    ]
    .contains(&word.trim_end_matches(';'))
}

fn judge_unguarded(session: &mut Session, record: &Record, format: Format) -> Result<(), Wrong> {
    let ran = session
        .execute(&record.sql, ())
        .and_then(|outcome| match outcome {
            Outcome::Rows(rows) => Ok((Some(rows.collect_rows()?), 0)),
            Outcome::Done { rows, .. } => Ok((None, rows)),
            _ => Ok((None, 0)),
        });
    match (&record.expected, ran) {
        (Expected::Done(None), Ok(_)) => Ok(()),
        (Expected::Done(Some(count)), Ok((rows, changed))) => {
            let changed = rows.map_or(changed, |rows| rows.len() as u64);
            if changed == *count {
                return Ok(());
            }
            Err(Wrong::new(
                "wrong count",
                format!("{changed} and not {count} rows"),
            ))
        }
        (Expected::Rows { types, sort, lines }, Ok((rows, _))) => {
            compare(&rows.unwrap_or_default(), format, types, *sort, lines)
                .map_err(|found| Wrong::new("wrong result", found.join("\n")))
        }
        (Expected::Error(code), Ok(_)) => {
            let code = code.as_deref().unwrap_or("an error");
            Err(Wrong::new(format!("no error, {code} expected"), "success"))
        }
        (Expected::Error(None), Err(_)) => Ok(()),
        (Expected::Error(Some(code)), Err(error)) if error.sqlstate() == code => Ok(()),
        (Expected::Error(Some(code)), Err(error)) => {
            let cause = format!("{} instead of error {code}", describe(&error));
            Err(Wrong::new(cause, error.to_string()))
        }
        (_, Err(error)) => Err(Wrong::new(describe(&error), error.to_string())),
    }
}

fn describe(error: &Error) -> String {
    format!("{} {}", error.sqlstate(), error.message())
}

/// Statements of a dump, one after the other, whatever becomes of each; how many ran.
pub(crate) fn load_dump(db: &Database, dump: &Path) -> (usize, usize) {
    let text = std::fs::read_to_string(dump).unwrap();
    let (mut ran, mut all, mut sql) = (0, 0, String::new());
    for line in text.lines().filter(|line| !line.starts_with('\\')) {
        sql.push_str(line);
        sql.push('\n');
        if line.ends_with(';') {
            all += 1;
            ran += usize::from(db.exec(&sql, ()).is_ok());
            sql.clear();
        }
    }
    (ran, all)
}
