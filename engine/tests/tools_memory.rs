//! Tools on a log with a record much larger than their memory: they took the record as a whole, and more.
//!
//! Each tool runs in a process of its own, so that its memory can be measured. The record lies in the log only, as a crash
//! leaves it that comes after the log has it and before the storage file.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use tailwater::vfs::OsVfs;
use tailwater::{Builder, CheckOptions, Database, SalvageOptions, Settings, params, wal_dump};
use tailwater_wal::SealedReads;

/// What a child process does, and where; without it the child's test has nothing to do.
const TOOL: &str = "TAILWATER_TOOL";
const FOLDER: &str = "TAILWATER_TOOL_FOLDER";

const ROWS: i64 = 17_000;
/// Rows of a statement.
const STATEMENT_ROWS: i64 = 1_000;
/// Bytes of a row's text: the record has 64 MiB.
const TEXT_BYTES: i64 = 4_096;
/// What a tool may take beyond what a process has: its budget, a few windows and what the allocator keeps.
const GROWTH_MIB_MAX: u64 = 40;

fn builder() -> Builder {
    let mut settings = Settings::default();
    settings.wal.retain_bytes_min = 256 << 20;
    // The system counts what is mapped.
    settings.wal.sealed_reads = SealedReads::Positioned;
    Database::builder()
        .settings(settings)
        .memory_budget(8 << 20)
}

/// The most memory this process ever had, MiB; `None` where the system does not say.
fn peak_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024)
}

/// Two databases in a folder: one that is whole, and one whose storage file does not have the long record yet.
fn make(folder: &Path) {
    let whole = folder.join("whole");
    let db = builder().open(&whole).unwrap();
    db.exec("CREATE TABLE t (id INT PRIMARY KEY, text TEXT)", ())
        .unwrap();
    db.close().unwrap();
    let crashed = folder.join("crashed");
    std::fs::create_dir_all(crashed.join("log")).unwrap();
    for file in std::fs::read_dir(&whole).unwrap() {
        let file = file.unwrap();
        if file.file_type().unwrap().is_file() {
            std::fs::copy(file.path(), crashed.join(file.file_name())).unwrap();
        }
    }
    let db = builder().open(&whole).unwrap();
    let mut session = db.session();
    session.execute("BEGIN", ()).unwrap();
    for from in (0..ROWS).step_by(usize::try_from(STATEMENT_ROWS).unwrap()) {
        let sql = "INSERT INTO t SELECT n, repeat('x', ?3) FROM generate_series(?1, ?2) AS s(n)";
        let upto = from + STATEMENT_ROWS - 1;
        session
            .execute(sql, params![from, upto, TEXT_BYTES])
            .unwrap();
    }
    session.execute("COMMIT", ()).unwrap();
    drop(session);
    db.close().unwrap();
    for file in std::fs::read_dir(whole.join("log")).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), crashed.join("log").join(file.file_name())).unwrap();
    }
}

fn run(tool: &str, path: &Path) {
    match tool {
        "make" => make(path),
        "check" => {
            let report = builder().check(path, &CheckOptions::default()).unwrap();
            assert!(report.is_clean() && report.records >= 2, "{report}");
            // What recovery makes of the record would be in memory.
            let is_replayed = path.ends_with("whole");
            assert_eq!(report.rows == ROWS as u64, is_replayed, "{report}");
            assert_eq!(report.notes.is_empty(), is_replayed, "{report}");
            println!("{report}");
        }
        "check an open one" => {
            let db = builder().open(path).unwrap();
            let report = db.check().unwrap();
            assert!(report.is_clean() && report.records >= 2, "{report}");
        }
        "salvage" => {
            let new = path.with_extension("new");
            let options = SalvageOptions::default();
            let report = builder().salvage(path, &new, &options).unwrap();
            assert_eq!(report.tables[0].rows, ROWS as u64, "{report}");
        }
        "dump" => {
            let lines = wal_dump::open(Arc::new(OsVfs::new()), path).unwrap();
            assert!(lines.map(Result::unwrap).count() > 200);
        }
        _ => panic!("{tool}"),
    }
}

/// The process that does the work, and says what it took.
#[test]
fn child() {
    let (Ok(tool), Some(folder)) = (std::env::var(TOOL), std::env::var_os(FOLDER)) else {
        return;
    };
    let before = peak_mib();
    run(&tool, &PathBuf::from(folder));
    let growth = peak_mib().zip(before).map(|(after, before)| after - before);
    println!("growth {}", growth.unwrap_or(0));
}

/// Runs a tool and says by how many MiB its memory grew.
fn growth_mib(tool: &str, folder: &Path) -> u64 {
    let out = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(TOOL, tool)
        .env(FOLDER, folder)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(out.status.success(), "{told}\n{out:?}");
    println!("{tool} {}: {told}", folder.display());
    let growth = told.lines().find_map(|line| line.strip_prefix("growth "));
    growth.unwrap().parse().unwrap()
}

#[test]
fn a_record_larger_than_memory_is_checked_salvaged_and_dumped() {
    let dir = tempfile::tempdir().unwrap();
    growth_mib("make", dir.path());
    let mut grown = Vec::new();
    for (name, tools) in [
        (
            "whole",
            &["check", "salvage", "dump", "check an open one"][..],
        ),
        ("crashed", &["check", "salvage", "dump"]),
    ] {
        for tool in tools {
            grown.push((name, *tool, growth_mib(tool, &dir.path().join(name))));
        }
    }
    println!("{grown:?}");
    assert!(
        grown.iter().all(|(_, _, growth)| *growth <= GROWTH_MIB_MAX),
        "{grown:?} MiB"
    );
}
