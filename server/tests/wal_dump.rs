//! `tailwater wal dump` of real databases, beside a writer and after a crash, and the reader in plain Python beside it.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::{database, run, run_with};

/// The log's segment files, oldest first.
fn segments(db: &str) -> Vec<PathBuf> {
    let files = std::fs::read_dir(Path::new(db).join("log")).unwrap();
    let mut files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|end| end == "seg"));
    files.sort();
    files
}

/// What both readers print, which must be the same.
fn dump(db: &str) -> String {
    let printed = run(&["wal", "dump", db]).ok();
    let reader = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wal/tests/dump.py");
    match Command::new("python3").arg(reader).arg(db).output() {
        Err(error) => println!("skipped: there is no python3: {error}"),
        Ok(output) => {
            assert!(output.status.success(), "{output:?}");
            assert_eq!(printed, String::from_utf8(output.stdout).unwrap());
        }
    }
    printed
}

#[test]
fn a_database_and_its_log_folder_are_dumped() {
    let (_dir, db) = database();
    run_with(&[&db], "CREATE TABLE t (id INT); INSERT INTO t VALUES (1);").ok();
    let printed = dump(&db);
    assert_eq!(run(&["wal", "dump", &format!("{db}/log")]).ok(), printed);
    let lines: Vec<&str> = printed.lines().collect();
    assert!(
        lines[0].starts_with("{\"segment\":\"00000001-0000000000000001.seg\""),
        "{printed}"
    );
    assert!(
        lines[1].starts_with("{\"offset\":4096,\"kind\":\"record\",\"lsn\":1,"),
        "{printed}"
    );
    assert!(
        lines.contains(
            &"{\"end\":16384,\"reason\":\"clean\",\"groups_behind\":0,\"durable_lsn_behind\":0}"
        ),
        "{printed}"
    );
    let text = run(&["wal", "dump", &db, "--format", "text"]).ok();
    assert_eq!(text.lines().count(), lines.len());
    assert!(text.contains("4096  record  lsn 1  durable 0"), "{text}");
    let ran = run(&["wal", "dump", "/nowhere/at/all"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("58P01"), "{}", ran.err);
}

#[test]
fn a_log_is_dumped_beside_its_writer_and_torn_anywhere() {
    let (_dir, db) = database();
    let writer = tailwater::Database::open(&db).unwrap();
    writer.exec("CREATE TABLE t (id INT, x TEXT)", ()).unwrap();
    for id in 0..20 {
        let text = "x".repeat(id * 300);
        let values = tailwater::params![id as i64, text];
        writer.exec("INSERT INTO t VALUES (?, ?)", values).unwrap();
    }
    let long = tailwater::params![99, "long".repeat(200_000)];
    writer.exec("INSERT INTO t VALUES (?, ?)", long).unwrap();
    // By one reader only: the writer's threads prepare the next segment meanwhile.
    let seen = run(&["wal", "dump", &db]).ok();
    let count = |kind: &str| seen.matches(&format!("\"kind\":\"{kind}\"")).count();
    let kinds = ["record", "begin", "chunk", "commit"].map(count);
    assert_eq!(kinds, [21, 1, 2, 1], "{seen}");
    drop(writer);
    let whole = dump(&db);
    let path = segments(&db).remove(0);
    let bytes = std::fs::read(&path).unwrap();
    let end = whole.find("{\"end\":").unwrap() + "{\"end\":".len();
    let end: usize = whole[end..].split(',').next().unwrap().parse().unwrap();
    let seed = u64::from(std::process::id());
    println!("seed {seed}");
    let mut random = seed | 1;
    let mut reasons = std::collections::BTreeSet::new();
    for turn in 0..24 {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let place = 4096 + (random >> 33) as usize % (end - 4096);
        let mut torn = bytes.clone();
        match turn % 3 {
            0 => torn.truncate(place),
            1 => torn[place..].fill(0),
            _ => torn[place] ^= 1 << (random % 8),
        }
        std::fs::write(&path, &torn).unwrap();
        let printed = dump(&db);
        let reason = printed.split("\"reason\":\"").nth(1).unwrap();
        reasons.insert(reason.split('"').next().unwrap().to_owned());
    }
    assert!(reasons.contains("torn_payload"), "{reasons:?}");
}
