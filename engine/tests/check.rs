//! `check` on damaged databases: every place is named, nothing is a panic, and nothing below changes.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::Rng;
use tailwater::{CheckOptions, CheckPart, CheckReport, Database, params};
use tailwater_wal::vfs::{MemoryVfs, OpenMode, Vfs};

fn open(vfs: &MemoryVfs) -> Database {
    Database::builder()
        .vfs(Arc::new(vfs.clone()))
        .without_background()
        .open("db")
        .unwrap()
}

fn check(vfs: &MemoryVfs, options: &CheckOptions) -> CheckReport {
    let builder = Database::builder().vfs(Arc::new(vfs.clone()));
    builder.check("db", options).unwrap()
}

fn deep() -> CheckOptions {
    CheckOptions::default().deep()
}

/// Two tables with an index and a view each; half of the rows in the storage file only, half in the log only.
fn filled() -> MemoryVfs {
    let vfs = MemoryVfs::new();
    let db = open(&vfs);
    for table in ["a", "b"] {
        let sql = format!(
            "CREATE TABLE {table} (id INT PRIMARY KEY, text TEXT); CREATE INDEX {table}_text ON {table} (text);
             CREATE MATERIALIZED VIEW {table}_n AS SELECT count(*) AS n FROM {table}"
        );
        db.exec(&sql, ()).unwrap();
    }
    let insert = |ids: std::ops::Range<i64>| {
        for chunk in ids.collect::<Vec<_>>().chunks(50) {
            db.update(|tx| {
                for id in chunk {
                    for table in ["a", "b"] {
                        let sql = format!("INSERT INTO {table} VALUES (?, ?)");
                        tx.exec(
                            &sql,
                            params![
                                *id,
                                format!("{table} row number {id:05} {}", "x".repeat(60))
                            ],
                        )?;
                    }
                }
                Ok(())
            })
            .unwrap();
        }
    };
    insert(0..1000);
    db.checkpoint().unwrap();
    insert(1000..1500);
    let crashed = vfs.crash();
    drop(db);
    crashed
}

fn files(vfs: &MemoryVfs) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for dir in ["db", "db/log"] {
        for name in vfs.list(Path::new(dir)).unwrap() {
            let path = Path::new(dir).join(name);
            let file = vfs.open(&path, OpenMode::Read).unwrap();
            let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
            file.read_exact_at(&mut bytes, 0).unwrap();
            files.push((path, bytes));
        }
    }
    files
}

fn disk_of(files: &[(PathBuf, Vec<u8>)]) -> MemoryVfs {
    let vfs = MemoryVfs::new();
    vfs.create_dir_all(Path::new("db/log")).unwrap();
    for (path, bytes) in files {
        let file = vfs.open(path, OpenMode::Create).unwrap();
        file.write_all_at(bytes, 0).unwrap();
    }
    vfs
}

fn storage(files: &mut [(PathBuf, Vec<u8>)]) -> &mut Vec<u8> {
    let found = files
        .iter_mut()
        .find(|(path, _)| path.ends_with("data.redb"));
    &mut found.unwrap().1
}

fn places(bytes: &[u8], needle: &str) -> Vec<usize> {
    let windows = bytes.windows(needle.len()).enumerate();
    windows
        .filter(|(_, window)| *window == needle.as_bytes())
        .map(|(at, _)| at)
        .collect()
}

#[test]
fn a_crashed_database_is_clean_and_stays_as_it_is() {
    let vfs = filled();
    let before = files(&vfs);
    let report = check(&vfs, &deep());
    assert!(report.is_clean(), "{report}");
    assert_eq!(
        (report.rows, report.entries, report.views),
        (3002, 3000, 2),
        "{report}"
    );
    let after: Vec<_> = files(&vfs)
        .into_iter()
        .filter(|(path, _)| !path.ends_with("LOCK"))
        .collect();
    let before: Vec<_> = before
        .into_iter()
        .filter(|(path, _)| !path.ends_with("LOCK"))
        .collect();
    assert!(before == after);
    // What was checked is what opens.
    let db = open(&vfs);
    assert_eq!(
        db.query("SELECT n FROM b_n", ())
            .unwrap()
            .scalar::<i64>()
            .unwrap(),
        1500
    );
}

#[test]
fn flipped_rows_are_all_named_with_table_and_key() {
    let mut files = files(&filled());
    let bytes = storage(&mut files);
    for id in [17, 500, 999] {
        for at in places(bytes, &format!("b row number {id:05}")) {
            bytes[at + 3] ^= 1;
        }
    }
    let report = check(&disk_of(&files), &CheckOptions::default());
    let mut named: Vec<_> = report
        .damages
        .iter()
        .filter(|damage| damage.object.as_deref() == Some("table b"))
        .filter_map(|damage| damage.key.as_deref())
        .collect();
    named.dedup();
    assert_eq!(named, ["17", "500", "999"], "{report}");
    let other = |damage: &&tailwater::Damage| damage.object.as_deref() == Some("table a");
    assert_eq!(report.damages.iter().filter(other).count(), 0, "{report}");
    let report = check(&disk_of(&files), &deep());
    let file = Some(PathBuf::from("db/data.redb"));
    assert!(
        report
            .damages
            .iter()
            .any(|damage| damage.part == CheckPart::StorageFile && damage.file == file)
    );
}

#[test]
fn flipped_records_of_the_log_are_all_named_with_their_lsn() {
    let mut files = files(&filled());
    let (path, bytes) = files
        .iter_mut()
        .find(|(path, _)| path.extension().is_some_and(|e| e == "seg"))
        .unwrap();
    let path = path.clone();
    let mut damaged = Vec::new();
    for id in [1075, 1275] {
        let at = places(bytes, &format!("a row number {id:05}"))[0];
        bytes[at] ^= 1;
        damaged.push(at as u64);
    }
    let report = check(&disk_of(&files), &CheckOptions::default());
    let log: Vec<_> = report
        .damages
        .iter()
        .filter(|damage| damage.part == CheckPart::Log)
        .collect();
    assert_eq!(log.len(), 2, "{report}");
    for (damage, at) in log.iter().zip(damaged) {
        assert_eq!(damage.file.as_ref(), Some(&path));
        assert!(
            damage.lsn.is_some()
                && damage
                    .offset
                    .is_some_and(|offset| offset <= at && at < offset + (64 << 10))
        );
    }
    assert!(
        report
            .notes
            .iter()
            .any(|note| note.contains("as of the last checkpoint")),
        "{report}"
    );
}

/// Any byte of any file: a report, not a panic; and a database that opens and answers wrongly is never called clean.
#[test]
fn any_flipped_byte_is_survived() {
    let whole = files(&filled());
    for seed in 0..60 {
        let mut rng = Rng(seed);
        let mut files = whole.clone();
        let at_file = rng.below(files.len());
        for _ in 0..=rng.below(20) {
            let (_, bytes) = &mut files[at_file];
            if !bytes.is_empty() {
                let at = rng.below(bytes.len());
                bytes[at] ^= 1 << rng.below(8);
            }
        }
        let disk = disk_of(&files);
        let report = check(&disk, &deep());
        if report.is_clean() {
            let db = open(&disk);
            for table in ["a", "b"] {
                let n: i64 = db
                    .query(&format!("SELECT count(text) FROM {table}"), ())
                    .unwrap()
                    .scalar()
                    .unwrap();
                assert_eq!(n, 1500, "seed {seed}\n{report}");
            }
        }
    }
}

#[test]
fn a_database_in_use_is_checked_as_it_is_and_from_outside_as_of_its_checkpoint() {
    let vfs = MemoryVfs::new();
    let db = open(&vfs);
    db.exec(
        "CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1)",
        (),
    )
    .unwrap();
    db.checkpoint().unwrap();
    db.exec("INSERT INTO t VALUES (2)", ()).unwrap();
    let inside = db.check().unwrap();
    assert!(
        inside.is_clean() && inside.rows == 2 && inside.records == 3,
        "{inside}"
    );
    let outside = check(&vfs, &deep());
    assert!(outside.is_clean() && outside.rows == 1, "{outside}");
    assert!(
        outside.notes[0].contains("another process has the database open"),
        "{outside}"
    );

    let nowhere = Database::builder()
        .vfs(Arc::new(vfs))
        .check("nowhere", &deep());
    assert_eq!(nowhere.unwrap_err().sqlstate(), "58P01");
}
