//! Salvage of databases damaged anywhere: never a panic, no row that was never written, nothing lost unsaid.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::{Rng, number_from_env};
use tailwater::{CheckPart, Database, SalvageOptions, SalvageReport, Settings, params};
use tailwater_wal::vfs::{MemoryVfs, OpenMode, Vfs};

/// Files by path.
type Files = Vec<(PathBuf, Vec<u8>)>;

/// Which records of the log are kept.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Log {
    All,
    AfterCheckpoint,
}

const TABLES: [&str; 2] = ["a", "b"];

fn text(table: &str, id: i64, version: i64) -> String {
    format!("{table} row {id:05} version {version} {}", "x".repeat(60))
}

/// A thousand rows of two tables in the storage file, five hundred more and changes of others in the log only.
fn filled(log: Log) -> Files {
    let vfs = MemoryVfs::new();
    let mut settings = Settings::default();
    settings.wal.segment_bytes = 64 << 10;
    if log == Log::AfterCheckpoint {
        settings.wal.retain_bytes_max = 0;
    }
    let builder = Database::builder()
        .settings(settings)
        .vfs(Arc::new(vfs.clone()));
    let db = builder.without_background().open("db").unwrap();
    for table in TABLES {
        let sql = format!(
            "CREATE TABLE {table} (id INT PRIMARY KEY, text TEXT UNIQUE); CREATE INDEX {table}_i ON {table} (id, text);
             CREATE MATERIALIZED VIEW {table}_n AS SELECT count(*) AS n FROM {table}"
        );
        db.exec(&sql, ()).unwrap();
    }
    let run = |sql: &str, ids: Vec<i64>, version: i64| {
        for chunk in ids.chunks(25) {
            let work = |tx: &mut tailwater::Tx<'_>| {
                for id in chunk {
                    for table in TABLES {
                        tx.exec(
                            &sql.replace("TABLE", table),
                            params![*id, text(table, *id, version)],
                        )?;
                    }
                }
                Ok(())
            };
            db.update(work).unwrap();
        }
    };
    let insert = "INSERT INTO TABLE VALUES (?, ?)";
    run(insert, (0..1000).collect(), 1);
    db.checkpoint().unwrap();
    run(insert, (1000..1500).collect(), 1);
    run(
        "UPDATE TABLE SET text = ?2 WHERE id = ?1",
        (0..1500).step_by(10).collect(),
        2,
    );
    let crashed = vfs.crash();
    drop(db);
    files(&crashed)
}

fn files(vfs: &MemoryVfs) -> Files {
    let mut files = Vec::new();
    for dir in ["db", "db/log"] {
        for name in vfs.list(Path::new(dir)).unwrap() {
            if name.ends_with(".spare") || name == "LOCK" {
                continue;
            }
            let path = Path::new(dir).join(name);
            let file = vfs.open(&path, OpenMode::Read).unwrap();
            let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
            file.read_exact_at(&mut bytes, 0).unwrap();
            files.push((path, bytes));
        }
    }
    files
}

fn disk_of(files: &Files) -> MemoryVfs {
    let vfs = MemoryVfs::new();
    vfs.create_dir_all(Path::new("db/log")).unwrap();
    for (path, bytes) in files {
        let file = vfs.open(path, OpenMode::Create).unwrap();
        file.write_all_at(bytes, 0).unwrap();
    }
    vfs
}

fn storage(files: &mut Files) -> &mut Vec<u8> {
    let found = files
        .iter_mut()
        .find(|(path, _)| path.ends_with("data.redb"));
    &mut found.unwrap().1
}

fn place(bytes: &[u8], needle: &str) -> Option<usize> {
    bytes
        .windows(needle.len())
        .position(|window| window == needle.as_bytes())
}

type Rows = BTreeMap<i64, String>;

/// Salvages and reads what came over; whatever it is, it is sound.
fn salvage(
    files: &Files,
    options: &SalvageOptions,
) -> (SalvageReport, BTreeMap<&'static str, Rows>) {
    let vfs = disk_of(files);
    let builder = || {
        Database::builder()
            .vfs(Arc::new(vfs.clone()))
            .without_background()
    };
    let report = builder().salvage("db", "new", options).unwrap();
    let db = builder().open("new").unwrap();
    let checked = db.check().unwrap();
    assert!(checked.is_clean(), "{checked}\n{report}");
    let mut tables = BTreeMap::new();
    for table in TABLES {
        let Ok(rows) = db.query(&format!("SELECT id, text FROM {table}"), ()) else {
            continue;
        };
        let rows: Rows = rows
            .map(|row| {
                let row = row.unwrap();
                (row.get(0).unwrap(), row.get(1).unwrap())
            })
            .collect();
        for (id, found) in &rows {
            let written = [text(table, *id, 1), text(table, *id, 2)];
            assert!(
                (0..1500).contains(id) && written.contains(found),
                "{table} {id}: {found}"
            );
        }
        tables.insert(table, rows);
    }
    (report, tables)
}

fn whole(table: &str) -> Rows {
    (0..1500)
        .map(|id| (id, text(table, id, if id % 10 == 0 { 2 } else { 1 })))
        .collect()
}

fn defaults() -> SalvageOptions {
    SalvageOptions::default()
}

#[test]
fn of_a_whole_database_everything_comes_over() {
    for log in [Log::All, Log::AfterCheckpoint] {
        let (report, tables) = salvage(&filled(log), &defaults());
        assert!(
            report.lost.is_empty() && report.notes.is_empty(),
            "{report}"
        );
        for table in TABLES {
            assert!(tables[table] == whole(table));
        }
    }
}

#[test]
fn a_damaged_row_is_lost_alone_or_comes_back_from_the_log() {
    for log in [Log::All, Log::AfterCheckpoint] {
        let mut files = filled(log);
        let bytes = storage(&mut files);
        // Every copy of it: redb's free pages have older ones.
        while let Some(at) = place(bytes, "b row 00017") {
            bytes[at] ^= 1;
        }
        let (report, mut tables) = salvage(&files, &defaults());
        assert!(tables["a"] == whole("a"));
        let rows = tables.get_mut("b").unwrap();
        match log {
            Log::All => {}
            Log::AfterCheckpoint => {
                assert!(rows.insert(17, text("b", 17, 1)).is_none(), "{report}");
                let named = |lost: &tailwater::Damage| {
                    lost.object.as_deref() == Some("table b") && lost.key.as_deref() == Some("17")
                };
                assert!(report.lost.iter().any(named), "{report}");
            }
        }
        assert!(*rows == whole("b"), "{report}");
    }
}

#[test]
fn a_destroyed_page_costs_the_rows_on_it() {
    let mut files = filled(Log::AfterCheckpoint);
    let bytes = storage(&mut files);
    while let Some(at) = place(bytes, "b row 00501") {
        let page = at / 4096 * 4096;
        bytes[page..page + 4096].fill(0xA5);
    }
    let (report, tables) = salvage(&files, &defaults());
    assert!(tables["a"] == whole("a"), "{report}");
    let missing = 1500 - tables["b"].len();
    assert!(missing > 0 && missing < 150, "{missing} rows\n{report}");
    let named = |lost: &tailwater::Damage| lost.object.as_deref() == Some("table b");
    assert!(report.lost.iter().any(named), "{report}");
}

#[test]
fn without_a_storage_file_the_log_is_what_there_is() {
    let mut files = filled(Log::All);
    files.retain(|(path, _)| !path.ends_with("data.redb"));
    let (report, tables) = salvage(&files, &defaults());
    for table in TABLES {
        assert!(tables[table] == whole(table), "{report}");
    }
    let mut files = filled(Log::AfterCheckpoint);
    files.retain(|(path, _)| !path.ends_with("data.redb"));
    let (report, tables) = salvage(&files, &defaults());
    assert!(
        tables.is_empty() && report.lost.iter().any(|lost| lost.part == CheckPart::Log),
        "{report}"
    );
}

#[test]
fn records_behind_a_hole_are_applied_only_if_told_so() {
    let mut files = filled(Log::AfterCheckpoint);
    let hole = files
        .iter_mut()
        .filter(|(path, _)| path.extension().is_some_and(|e| e == "seg"))
        .find_map(|(_, bytes)| place(bytes, "a row 01212").map(|at| (bytes, at)));
    let (bytes, at) = hole.unwrap();
    bytes[at] ^= 1;
    let (report, tables) = salvage(&files, &defaults());
    assert_eq!(
        (tables["a"].len(), tables["b"].len()),
        (1200, 1200),
        "{report}"
    );
    assert_eq!(report.lost.len(), 2, "{report}");
    let (report, tables) = salvage(&files, &defaults().past_holes());
    // The commit of 25 rows is gone, of which one in ten was changed later and comes as it was then.
    assert!((1475..=1478).contains(&tables["a"].len()), "{report}");
    assert_eq!(report.lost.len(), 1, "{report}");
}

#[test]
fn any_damage_is_survived() {
    let all = [filled(Log::All), filled(Log::AfterCheckpoint)];
    let seeds = number_from_env("TAILWATER_SALVAGE_SEEDS", 40);
    for seed in 0..seeds {
        let mut rng = Rng(seed);
        let mut files = all[rng.below(2)].clone();
        let mut log_is_cut = false;
        for _ in 0..=rng.below(3) {
            let at_file = rng.below(files.len());
            let newest = files.iter().map(|(path, _)| path).max().cloned();
            let (path, bytes) = &mut files[at_file];
            if bytes.is_empty() {
                continue;
            }
            // Nothing need be left that knows of the last records.
            log_is_cut |= newest.as_ref() == Some(path);
            let at = rng.below(bytes.len());
            match rng.below(5) {
                0 => {
                    bytes.truncate(at);
                    // Nothing need be left that knows of the records behind.
                    log_is_cut |= path.extension().is_some_and(|e| e == "seg");
                }
                1 => {
                    let end = (at + 4096).min(bytes.len());
                    bytes[at..end].fill(0);
                }
                _ => {
                    for _ in 0..=rng.below(30) {
                        let at = rng.below(bytes.len());
                        bytes[at] ^= 1 << rng.below(8);
                    }
                }
            }
        }
        eprintln!("seed {seed}");
        let options = if rng.percent(30) {
            defaults().past_holes()
        } else {
            defaults()
        };
        let (report, tables) = salvage(&files, &options);
        let general = |lost: &tailwater::Damage| {
            lost.object.is_none() || lost.object.as_deref() == Some("the catalog")
        };
        if log_is_cut || report.lost.iter().any(general) {
            continue;
        }
        for table in TABLES {
            let name = format!("table {table}");
            if !report
                .lost
                .iter()
                .any(|lost| lost.object.as_ref() == Some(&name))
            {
                assert!(
                    tables.get(table) == Some(&whole(table)),
                    "seed {seed}, {table}\n{report}"
                );
            }
        }
    }
}
