//! Suites and hostile texts through a whole database: nothing may panic or overflow a 2 MiB stack, and why
//! statements of other products' suites are refused is printed.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tailwater::{Database, Outcome, Session};

fn suites() -> Option<PathBuf> {
    let folder = std::env::var_os("TAILWATER_SUITES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/suites"),
        PathBuf::from,
    );
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(
        std::env::var_os("CI").is_none(),
        "CI needs the suites folder"
    );
    eprintln!("no suites folder, nothing run");
    None
}

/// Runs one statement to its end.
fn run(session: &mut Session, sql: &str) -> tailwater::Result<()> {
    if let Outcome::Rows(rows) = session.execute(sql, ())? {
        rows.collect_rows()?;
    }
    Ok(())
}

/// Runs on a stack as small as a spawned thread's.
fn in_small_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    std::thread::Builder::new()
        .stack_size(2 << 20)
        .spawn(work)
        .unwrap()
        .join()
        .unwrap()
}

#[test]
fn fuzz_seeds_do_not_crash_a_database() {
    let Some(suites) = suites() else { return };
    let text = std::fs::read_to_string(suites.join("sql-fuzz/sqlite_seeds_2000.jsonl")).unwrap();
    in_small_thread(move || {
        let mut ran = 0;
        for line in text.lines() {
            let seed: serde_json::Value = serde_json::from_str(line).unwrap();
            let sql = seed
                .get("sql")
                .or_else(|| seed.get("latin1"))
                .unwrap()
                .as_str()
                .unwrap();
            let settings = tailwater::Settings {
                statement_rows_max: 10_000,
                statement_timeout: Some(std::time::Duration::from_secs(2)),
                ..tailwater::Settings::default()
            };
            let db = Database::builder().settings(settings).memory().unwrap();
            let mut session = db.session();
            for statement in sql.split(';') {
                ran += usize::from(run(&mut session, statement).is_ok());
            }
        }
        println!("sql-fuzz: {ran} statements ran");
    });
}

#[test]
fn deep_statements_do_not_overflow_the_stack() {
    in_small_thread(|| {
        let db = Database::memory().unwrap();
        db.exec("CREATE TABLE t (a INT PRIMARY KEY, b TEXT)", ())
            .unwrap();
        let nest = |open: &str, middle: &str, close: &str, depth: usize| {
            format!(
                "SELECT {}{middle}{} FROM t",
                open.repeat(depth),
                close.repeat(depth)
            )
        };
        for (sql, must_run) in [
            (nest("(", "a", ")", 40), true),
            (nest("abs(", "a", ")", 40), true),
            (nest("(SELECT ", "1", ")", 18), true),
            (nest("CASE WHEN a = 1 THEN ", "1", " END", 40), true),
            (nest("[", "a", "]", 40), true),
            (nest("{x: ", "a", "}", 40), true),
            (nest("- ", "a", "", 100), true),
            (format!("SELECT a{} FROM t", " + a".repeat(290)), true),
            (format!("SELECT b{} FROM t", " || b".repeat(290)), true),
            (
                format!("SELECT a FROM t WHERE a = 1{}", " OR a = 2".repeat(10_000)),
                true,
            ),
            (
                format!("SELECT a FROM t WHERE b IS NULL{}", " IS NULL".repeat(290)),
                true,
            ),
            (
                format!("SELECT a{} FROM t", "::BIGINT::INT".repeat(140)),
                true,
            ),
            (
                format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(490)),
                true,
            ),
            (format!("SELECT 1{}", " EXCEPT SELECT 1".repeat(20)), true),
            (format!("SELECT 1{}", " EXCEPT SELECT 1".repeat(400)), false),
            (
                format!(
                    "SELECT 1 FROM t WHERE {}1 = 1{}",
                    "a IN (SELECT a FROM t WHERE ".repeat(12),
                    ")".repeat(12)
                ),
                true,
            ),
            (format!("SELECT * FROM t t0{}", tables(60)), false),
        ] {
            let head: String = sql.chars().take(60).collect();
            let ran = db.query(&sql, ()).and_then(|rows| rows.collect_rows());
            match ran {
                Ok(_) => {}
                Err(error) => assert!(!must_run, "{head}: {error}"),
            }
        }
    });
}

fn tables(count: usize) -> String {
    (1..=count)
        .map(|n| format!(" JOIN t t{n} ON t{n}.a = t0.a"))
        .collect()
}

fn files(folder: &Path, out: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files(&path, out)
        } else {
            out.push(path)
        }
    }
}

/// Statements and queries of a file, and whether they are to succeed.
fn records(text: &str) -> Vec<(String, bool)> {
    let mut records = Vec::new();
    let mut lines = text.lines().peekable();
    let mut skipped = false;
    while let Some(line) = lines.next() {
        let bad = line.starts_with("statement error") || line.starts_with("query error");
        let good = !bad && (line.starts_with("statement ") || line.starts_with("query"));
        if !good && !bad || skipped {
            skipped = line.starts_with("onlyif") || line.starts_with("skipif postgresql");
            continue;
        }
        let mut sql = String::new();
        while let Some(line) = lines.next_if(|line| !line.is_empty() && !line.starts_with("----")) {
            sql.push_str(line);
            sql.push('\n');
        }
        records.push((sql, good));
    }
    records
}

#[test]
fn why_suites_are_refused() {
    let Some(suites) = suites() else { return };
    let only = std::env::var("TAILWATER_SUITE").ok();
    for (suite, at_least) in [
        ("risingwave", 78.0),
        ("risingwave-parts", 80.0),
        ("turso-matview", 99.0),
        ("turso-pg", 90.0),
    ] {
        if only.as_deref().is_some_and(|only| only != suite) {
            continue;
        }
        let mut paths = Vec::new();
        files(&suites.join(suite), &mut paths);
        let (mut good, mut all) = (0_usize, 0_usize);
        let mut reasons: BTreeMap<String, (usize, String)> = BTreeMap::new();
        for path in paths {
            let Ok(text) = std::fs::read_to_string(&path) else {
                continue;
            };
            let db = Database::memory().unwrap();
            let mut session = db.session();
            for (sql, _) in records(&text).into_iter().filter(|(_, good)| *good) {
                all += 1;
                match run(&mut session, &sql) {
                    Ok(_) => good += 1,
                    Err(error) => {
                        let reason = reasons
                            .entry(error.to_string().replace(char::is_numeric, ""))
                            .or_default();
                        reason.0 += 1;
                        reason.1 = sql;
                    }
                }
            }
        }
        let share = 100.0 * good as f64 / all as f64;
        println!("{suite}: {good} of {all} run ({share:.1}%)");
        let mut reasons: Vec<_> = reasons.into_iter().collect();
        reasons.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
        let shown = if only.is_some() { 60 } else { 5 };
        for (reason, (count, sql)) in reasons.into_iter().take(shown) {
            let head: String = sql.replace('\n', " ").chars().take(150).collect();
            println!("  {count} × {reason}\n      {head}");
        }
        assert!(
            share >= at_least,
            "{suite}: {share:.1}% is less than {at_least}%"
        );
    }
}
