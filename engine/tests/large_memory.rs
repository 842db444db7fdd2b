//! A transaction many times larger than the memory budget: loaded, killed while it commits, opened, and loaded to the end.
//!
//! The work is done by a process of its own, so that its memory can be measured and it can be killed.
//! `TAILWATER_LARGE_ROWS=5000000` is the run at full size, with a budget of 256 MiB, best in release.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod common;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use common::number_from_env;
use tailwater::{Database, params};

/// Where the child process finds its database; without it the child's test has nothing to do.
const CHILD: &str = "TAILWATER_LARGE_CHILD";
const ROWS: &str = "TAILWATER_LARGE_ROWS";
const ROWS_SMALL: u64 = 30_000;
/// Rows of a statement.
const STATEMENT_ROWS: i64 = 10_000;

fn rows_loaded() -> i64 {
    i64::try_from(number_from_env(ROWS, ROWS_SMALL)).unwrap()
}

fn budget() -> u64 {
    if number_from_env(ROWS, ROWS_SMALL) == ROWS_SMALL {
        8 << 20
    } else {
        256 << 20
    }
}

/// The most memory this process ever had, MiB; 0 where the system does not say.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}

/// The process that does the work, and says how far it is.
#[test]
fn child() {
    let Some(path) = std::env::var_os(CHILD) else {
        return;
    };
    let start = Instant::now();
    let db = Database::builder()
        .memory_budget(budget())
        .open(Path::new(&path))
        .unwrap();
    println!("opened in {:?}, {} MiB", start.elapsed(), peak_mib());
    db.exec(
        "CREATE TABLE IF NOT EXISTS sale (id INT PRIMARY KEY, item INT, note TEXT);
         CREATE INDEX IF NOT EXISTS sale_item ON sale (item)",
        (),
    )
    .unwrap();
    let rows = rows_loaded();
    let count = || -> i64 {
        let counted = db.query("SELECT count(*) FROM sale", ());
        counted.unwrap().scalar().unwrap()
    };
    let found = count();
    println!("found {found}");
    assert!(found == 0 || found == rows, "{found} rows");
    if found == 0 {
        let start = Instant::now();
        let mut session = db.session();
        session.execute("BEGIN", ()).unwrap();
        for from in (0..rows).step_by(usize::try_from(STATEMENT_ROWS).unwrap()) {
            let upto = (from + STATEMENT_ROWS).min(rows) - 1;
            session
                .execute(
                    "INSERT INTO sale SELECT n, (n % 1000) * 7919 % 1000, 'note of sale number ' || n
                     FROM generate_series(?1, ?2) AS s(n)",
                    params![from, upto],
                )
                .unwrap();
        }
        println!("staged in {:?}, {} MiB", start.elapsed(), peak_mib());
        let start = Instant::now();
        println!("now");
        session.execute("COMMIT", ()).unwrap();
        println!("committed in {:?}, {} MiB", start.elapsed(), peak_mib());
        assert_eq!(count(), rows);
    }
    println!("peak {}", peak_mib());
    println!("done");
    // Until it is killed: nobody writes to its standard input.
    std::io::stdin().lines().for_each(drop);
}

fn spawn(path: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(CHILD, path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Reads what the child says up to a word, then kills it.
fn killed_at(mut child: Child, word: &str) -> Vec<String> {
    let mut told = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        // The harness writes the name of the test in front of the first line.
        let is_over = line.ends_with(word);
        told.push(line);
        if is_over {
            break;
        }
    }
    child.kill().unwrap();
    assert!(!child.wait().unwrap().success(), "{told:?}");
    assert!(
        told.last().is_some_and(|line| line.ends_with(word)),
        "{told:?}"
    );
    told
}

#[test]
fn a_transaction_larger_than_memory_is_all_there_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    println!("{:?}", killed_at(spawn(&path), "now"));
    let told = killed_at(spawn(&path), "done");
    println!("{told:?}");
    let again = killed_at(spawn(&path), "done");
    println!("{again:?}");
    assert!(
        again.contains(&format!("found {}", rows_loaded())),
        "{again:?}"
    );
    let names = std::fs::read_dir(&path).unwrap();
    let mut names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(names.all(|name| !name.starts_with("scratch-")));
    if budget() > 8 << 20 {
        let peak = told
            .iter()
            .find_map(|line| line.strip_prefix("peak ")?.parse::<u64>().ok());
        assert!(peak.unwrap() <= 320, "{told:?}");
    }
}
