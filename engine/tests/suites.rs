//! Other projects' SQL suites, with their results compared: how many records of each pass, and why the others do not.
//!
//! Each suite has a floor, the records that passed when it was last looked at; fewer fail the test. What must never
//! happen fails it at once: a panic, a record that outlives its deadline, and a materialised view, whoever made it,
//! that is not its query after a statement. `TAILWATER_SUITE=name` runs one suite and prints every failure.
//! Next door: `suites/record.rs` (the format), `suites/runner.rs` (one file), `suites/text.rs` (rows as text),
//! `suites/chai.rs` (Chai's own format), `suites/tally.rs` (what became of it).
#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[path = "suites/chai.rs"]
mod chai;
mod common;
#[path = "suites/record.rs"]
mod record;
#[path = "suites/runner.rs"]
mod runner;
#[path = "suites/tally.rs"]
mod tally;
#[path = "suites/text.rs"]
mod text;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tailwater::{Database, Outcome};

use runner::{load_dump, run_file, settings};
use tally::Tally;
use text::Format;

/// Files run side by side.
const LANES: usize = 2;
/// How often views are compared with their queries in all suites.
const VIEWS_CHECKED_MIN: usize = 1_000;
/// Threads have the stack of a spawned thread, so that a deep statement shows here.
const STACK_BYTES: usize = 2 << 20;

/// A suite: its folder, how it is written, and how many of its records passed when this line was last changed.
struct Suite {
    name: &'static str,
    kind: Kind,
    passed_min: usize,
}

#[derive(Clone, Copy)]
enum Kind {
    Records(Format),
    /// Records over the tables of `_fixture.sql`.
    RecordsOverFixture,
    Chai,
}

const SUITES: &[Suite] = &[
    Suite {
        name: "sqlite",
        kind: Kind::Records(Format::Values),
        passed_min: 30437,
    },
    Suite {
        name: "postgres-regress",
        kind: Kind::RecordsOverFixture,
        passed_min: 3916,
    },
    Suite {
        name: "risingwave",
        kind: Kind::Records(Format::Rows),
        passed_min: 661,
    },
    Suite {
        name: "risingwave-parts",
        kind: Kind::Records(Format::Rows),
        passed_min: 1548,
    },
    Suite {
        name: "turso-matview",
        kind: Kind::Records(Format::Rows),
        passed_min: 343,
    },
    Suite {
        name: "turso-pg",
        kind: Kind::Records(Format::Rows),
        passed_min: 79,
    },
    Suite {
        name: "chai",
        kind: Kind::Chai,
        passed_min: 820,
    },
];

#[test]
fn suites_pass_as_they_did() {
    let folder = common::suites();
    let only = std::env::var("TAILWATER_SUITE").ok();
    let chosen: Vec<&Suite> = SUITES
        .iter()
        .filter(|suite| only.as_deref().is_none_or(|only| only == suite.name))
        .collect();
    let fixture = chosen
        .iter()
        .find(|suite| matches!(suite.kind, Kind::RecordsOverFixture))
        .map(|suite| Fixture::load(&folder.join(suite.name).join("_fixture.sql")));
    let mut jobs: Vec<(&Suite, PathBuf, u64)> = Vec::new();
    for suite in &chosen {
        let mut paths = Vec::new();
        files(&folder.join(suite.name), &mut paths);
        jobs.extend(paths.into_iter().map(|path| {
            let size = std::fs::metadata(&path).unwrap().len();
            (*suite, path, size)
        }));
    }
    jobs.sort_by_key(|(_, path, size)| (std::cmp::Reverse(*size), path.clone()));
    let tallies: Mutex<BTreeMap<&str, (Tally, Duration)>> = Mutex::default();
    let start = Instant::now();
    side_by_side(&jobs, |(suite, path, _)| {
        let text = std::fs::read_to_string(path).unwrap();
        let name = path.strip_prefix(&folder).unwrap().display().to_string();
        let start = Instant::now();
        let tally = match suite.kind {
            Kind::Records(format) => {
                let db = Database::builder().settings(settings()).memory().unwrap();
                run_file(&db, &name, &text, format)
            }
            Kind::RecordsOverFixture => {
                let (_dir, db) = fixture.as_ref().unwrap().copy();
                run_file(&db, &name, &text, Format::Rows)
            }
            Kind::Chai if name.contains("/expr/") => chai::run_expressions(&name, &text),
            Kind::Chai => chai::run_tests(&name, &text),
        };
        let mut tallies = tallies.lock();
        let entry = tallies.entry(suite.name).or_default();
        entry.0.add(tally);
        entry.1 += start.elapsed();
    });
    println!("suites ran in {:?}", start.elapsed());
    let (mut problems, mut views_checked) = (Vec::new(), 0);
    for suite in chosen {
        let (tally, took) = tallies.lock().remove(suite.name).unwrap_or_default();
        let causes_max = if only.is_some() { 150 } else { 8 };
        println!(
            "{} in {took:.1?}",
            tally.report(suite.name, causes_max, only.is_some())
        );
        if tally.passed < suite.passed_min {
            problems.push(format!(
                "{}: {} records pass, and {} did before",
                suite.name, tally.passed, suite.passed_min
            ));
        }
        problems.extend(tally.broken);
        views_checked += tally.views_checked;
    }
    // Without a comparison none could fail.
    assert!(
        only.is_some() || views_checked >= VIEWS_CHECKED_MIN,
        "{views_checked}"
    );
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Runs every job once, in a few threads.
fn side_by_side<T: Sync>(jobs: &[T], work: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..LANES {
            std::thread::Builder::new()
                .stack_size(STACK_BYTES)
                .spawn_scoped(scope, || {
                    while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                        work(job);
                    }
                })
                .unwrap();
        }
    });
}

/// The tables PostgreSQL's tests share, loaded once and copied for each file.
struct Fixture {
    dir: tempfile::TempDir,
}

impl Fixture {
    fn load(dump: &Path) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let db = Database::builder()
            .settings(settings())
            .open(dir.path().join("db"))
            .unwrap();
        let (ran, all) = load_dump(&db, dump);
        println!("fixture: {ran} of {all} statements ran");
        db.checkpoint().unwrap();
        db.close().unwrap();
        Self { dir }
    }

    fn copy(&self) -> (tempfile::TempDir, Database) {
        let dir = tempfile::tempdir().unwrap();
        let to = dir.path().join("db");
        copy(&self.dir.path().join("db"), &to);
        let mut settings = settings();
        settings.wal.sync = tailwater::SyncMode::Off;
        let db = Database::builder().settings(settings).open(to).unwrap();
        (dir, db)
    }
}

fn copy(from: &Path, to: &Path) {
    if !from.is_dir() {
        std::fs::copy(from, to).unwrap();
        return;
    }
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        copy(&entry.path(), &to.join(entry.file_name()));
    }
}

/// Files of records below a folder.
fn files(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let extension = path
            .extension()
            .and_then(|ext| ext.to_str())
            .unwrap_or_default();
        let hidden = path.file_name().unwrap().to_string_lossy().starts_with('_');
        if path.is_dir() {
            files(&path, out);
        } else if ["slt", "test", "sql"].contains(&extension) && !hidden {
            out.push(path);
        }
    }
}

/// Texts that were found to be hard on another database: no panic, no overflow of a small stack, nothing without end.
#[test]
fn fuzz_seeds_do_not_crash_a_database() {
    let path = common::suites().join("sql-fuzz/sqlite_seeds_2000.jsonl");
    let text = std::fs::read_to_string(path).unwrap();
    let seeds: Vec<&str> = text.lines().collect();
    let (ran, all) = (AtomicUsize::new(0), AtomicUsize::new(0));
    side_by_side(&seeds, |line| {
        let seed: serde_json::Value = serde_json::from_str(line).unwrap();
        let sql = seed.get("sql").or_else(|| seed.get("latin1")).unwrap();
        let settings = tailwater::Settings {
            statement_rows_max: 10_000,
            statement_timeout: Some(Duration::from_secs(2)),
            ..settings()
        };
        let db = Database::builder().settings(settings).memory().unwrap();
        let mut session = db.session();
        for statement in sql.as_str().unwrap().split(';') {
            let start = Instant::now();
            let outcome = session
                .execute(statement, ())
                .and_then(|outcome| match outcome {
                    Outcome::Rows(rows) => rows.collect_rows().map(|_| ()),
                    _ => Ok(()),
                });
            all.fetch_add(1, Ordering::Relaxed);
            ran.fetch_add(usize::from(outcome.is_ok()), Ordering::Relaxed);
            let took = start.elapsed();
            assert!(took < Duration::from_secs(10), "{took:?} for {statement}");
        }
    });
    println!("sql-fuzz: {ran:?} of {all:?} statements ran, none crashed");
}
