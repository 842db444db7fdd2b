//! Backups of a database under load hold exactly the state of the commit they name; a backup that was interrupted is
//! none.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::Rng;
use tailwater::{CheckOptions, Database, FeedEvent, FeedRequest, params};
use tailwater_wal::vfs::{MemoryVfs, OpenMode, Vfs};

fn open_at(vfs: &MemoryVfs, path: &str) -> tailwater::Result<Database> {
    let builder = Database::builder().vfs(Arc::new(vfs.clone()));
    builder.without_background().open(path)
}

const SETUP: &str = "CREATE TABLE t (id INT PRIMARY KEY, n INT, text TEXT);
    CREATE INDEX by_n ON t (n);
    CREATE MATERIALIZED VIEW sums AS SELECT n % 7 AS g, count(*) AS c, sum(n) AS s FROM t GROUP BY n % 7";

type Rows = BTreeMap<i64, i64>;

fn rows(db: &Database) -> Rows {
    let rows = db.query("SELECT id, n FROM t", ()).unwrap();
    rows.map(|row| {
        let row = row.unwrap();
        (row.get(0).unwrap(), row.get(1).unwrap())
    })
    .collect()
}

/// One change of one key and the commit that made it.
type Change = (u64, i64, Option<i64>);

fn state_at(history: &[Change], lsn: u64) -> Rows {
    let mut rows = Rows::new();
    for (_, id, n) in history.iter().filter(|(at, _, _)| *at <= lsn) {
        match n {
            Some(n) => rows.insert(*id, *n),
            None => rows.remove(id),
        };
    }
    rows
}

fn write(db: &Database, rng: &mut Rng, history: &mut Vec<Change>) {
    let id = rng.between(0, 300);
    let n = (!rng.percent(25)).then(|| rng.between(0, 1000));
    let lsn = match n {
        Some(n) => {
            let upsert =
                "INSERT INTO t VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET n = excluded.n";
            db.exec(upsert, params![id, n, "some text".repeat(10)])
                .unwrap()
                .lsn
        }
        None => {
            db.exec("DELETE FROM t WHERE id = ?", params![id])
                .unwrap()
                .lsn
        }
    };
    history.push((lsn.unwrap().0, id, n));
}

#[test]
fn backups_under_load_hold_the_state_of_the_commit_they_name() {
    for seed in [1, std::process::id().into()] {
        eprintln!("seed {seed}");
        let vfs = MemoryVfs::new();
        let db = Database::builder()
            .vfs(Arc::new(vfs.clone()))
            .open("db")
            .unwrap();
        db.exec(SETUP, ()).unwrap();
        let stop = AtomicBool::new(false);
        let (mut history, backups) = std::thread::scope(|scope| {
            let writers: Vec<_> = (0..3)
                .map(|writer| {
                    let (db, stop) = (&db, &stop);
                    scope.spawn(move || {
                        let mut rng = Rng(seed * 10 + writer);
                        let mut history = Vec::new();
                        while !stop.load(Ordering::Relaxed) {
                            write(db, &mut rng, &mut history);
                        }
                        history
                    })
                })
                .collect();
            let mut backups = Vec::new();
            for n in 0..20 {
                if n % 4 == 3 {
                    db.checkpoint().unwrap();
                }
                let dir = format!("backup{n}");
                let report = db.backup(&dir).unwrap();
                backups.push((dir, report));
            }
            stop.store(true, Ordering::Relaxed);
            let mut history = Vec::new();
            for writer in writers {
                history.extend(writer.join().unwrap());
            }
            (history, backups)
        });
        history.sort_unstable();
        for (n, (dir, report)) in backups.into_iter().enumerate() {
            let restored = format!("restored{n}");
            let builder = Database::builder().vfs(Arc::new(vfs.clone()));
            let again = builder.restore(&dir, &restored).unwrap();
            assert_eq!((again.lsn, again.rows), (report.lsn, report.rows));
            for path in [&dir, &restored] {
                let copy = open_at(&vfs, path).unwrap();
                assert_eq!(copy.visible_lsn(), report.lsn, "seed {seed}");
                assert_eq!(
                    rows(&copy),
                    state_at(&history, report.lsn.0),
                    "seed {seed}, {path}"
                );
                let checked = copy.check().unwrap();
                assert!(checked.is_clean() && checked.views == 1, "{checked}");
                // It goes on from there.
                let lsn = copy
                    .exec("INSERT INTO t VALUES (1000, 1, 'x')", ())
                    .unwrap()
                    .lsn;
                assert_eq!(lsn, Some(report.lsn.next()));
            }
        }
    }
}

fn filled(vfs: &MemoryVfs) -> Database {
    let db = open_at(vfs, "db").unwrap();
    db.exec(SETUP, ()).unwrap();
    let (mut rng, mut history) = (Rng(1), Vec::new());
    for n in 0..60 {
        write(&db, &mut rng, &mut history);
        if n == 30 {
            db.checkpoint().unwrap();
        }
    }
    db
}

/// Every write and every sync of a backup fails once, and the machine crashes there, keeping any part of what was not
/// synced: what is left is the whole backup or does not open as anything but an empty folder's new database.
#[test]
fn a_backup_that_was_interrupted_anywhere_is_none() {
    for sync in [false, true] {
        let mut done = false;
        for step in 0..2000 {
            let vfs = MemoryVfs::new();
            let db = filled(&vfs);
            let expected = rows(&db);
            match sync {
                true => vfs.fail_sync_after(step),
                false => vfs.fail_write_after(step),
            }
            let taken = db.backup("backup");
            done = taken.is_ok();
            vfs.fail_sync_after(u32::MAX);
            vfs.fail_write_after(u32::MAX);
            let mut rng = Rng(step.into());
            let crashed = match step % 3 {
                0 => vfs.crash(),
                1 => vfs.crash_keeping(&mut |_| true),
                _ => vfs.crash_keeping(&mut |_| rng.percent(50)),
            };
            drop(db);
            let there = crashed.exists(Path::new("backup/data.redb")).unwrap();
            assert!(there || taken.is_err(), "step {step}");
            match open_at(&crashed, "backup") {
                Ok(copy) if there => {
                    assert_eq!(rows(&copy), expected, "step {step}");
                    assert!(copy.check().unwrap().is_clean(), "step {step}");
                }
                // The folder was empty: it is a new database's.
                Ok(copy) => assert_eq!(copy.visible_lsn().0, 0, "step {step}"),
                Err(error) => assert!(taken.is_err(), "step {step}: {error}"),
            }
            if done {
                break;
            }
        }
        assert!(done);
    }
}

#[test]
fn feeds_resume_up_to_the_copied_commit_and_not_behind_it() {
    let vfs = MemoryVfs::new();
    let db = filled(&vfs);
    let token_of = |db: &Database, sql: &str| {
        let mut feed = db
            .subscribe(FeedRequest::of("t").without_snapshot())
            .unwrap();
        db.exec(sql, ()).unwrap();
        loop {
            if let FeedEvent::Frame(frame) = feed.recv().unwrap() {
                return frame.token.clone();
            }
        }
    };
    let before = token_of(&db, "INSERT INTO t VALUES (500, 1, 'before')");
    db.backup("backup").unwrap();
    let after = token_of(&db, "INSERT INTO t VALUES (501, 1, 'after')");
    let copy = open_at(&vfs, "backup").unwrap();
    for id in 600..610 {
        copy.exec(
            "INSERT INTO t VALUES (?, 2, 'another history')",
            params![id],
        )
        .unwrap();
    }
    let mut feed = copy.subscribe(FeedRequest::of("t").since(before)).unwrap();
    let event = feed.recv().unwrap();
    assert!(matches!(event, FeedEvent::Frame(frame) if frame.changes.len() == 1));
    let refused = |db: &Database, token: String| {
        let error = db.subscribe(FeedRequest::of("t").since(token)).unwrap_err();
        assert_eq!(error.sqlstate(), "22023", "{error}");
        error.message().to_owned()
    };
    assert!(refused(&copy, after).contains("history went another way"));
    // And the other way round.
    refused(
        &db,
        token_of(&copy, "INSERT INTO t VALUES (700, 1, 'theirs')"),
    );
}

#[test]
fn what_cannot_be_restored_is_refused() {
    let vfs = MemoryVfs::new();
    let db = filled(&vfs);
    db.backup("backup").unwrap();
    let full = db.backup("backup").unwrap_err();
    assert_eq!(full.sqlstate(), "42710");
    let builder = || Database::builder().vfs(Arc::new(vfs.clone()));
    assert_eq!(
        builder().restore("backup", "db").unwrap_err().sqlstate(),
        "42710"
    );
    assert_eq!(
        builder().restore("nothing", "new").unwrap_err().sqlstate(),
        "58P01"
    );
    assert_eq!(
        builder().backup("nothing", "new").unwrap_err().sqlstate(),
        "58P01"
    );

    let file = vfs
        .open(Path::new("backup/data.redb"), OpenMode::ReadWrite)
        .unwrap();
    let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
    file.read_exact_at(&mut bytes, 0).unwrap();
    let at = bytes
        .windows(9)
        .position(|window| window == b"some text")
        .unwrap();
    file.write_all_at(b"S", at as u64).unwrap();
    let damaged = builder().restore("backup", "new").unwrap_err();
    assert_eq!(damaged.sqlstate(), "XX001", "{damaged}");
    assert!(!vfs.exists(Path::new("new/data.redb")).unwrap());
}

#[test]
fn from_outside_the_last_checkpoint_is_copied() {
    let vfs = MemoryVfs::new();
    let db = filled(&vfs);
    db.checkpoint().unwrap();
    let expected = rows(&db);
    db.exec("INSERT INTO t VALUES (900, 1, 'after the checkpoint')", ())
        .unwrap();
    let builder = || Database::builder().vfs(Arc::new(vfs.clone()));
    let report = builder().backup("db", "outside").unwrap();
    assert!(report.of_checkpoint);
    let copy = open_at(&vfs, "outside").unwrap();
    assert_eq!((copy.visible_lsn(), rows(&copy)), (report.lsn, expected));
    db.close().unwrap();
    let report = builder().backup("db", "closed").unwrap();
    assert!(!report.of_checkpoint);
    let copy = open_at(&vfs, "closed").unwrap();
    assert!(rows(&copy).contains_key(&900));
    assert!(
        builder()
            .check("closed", &CheckOptions::default())
            .unwrap()
            .is_clean()
    );
}
