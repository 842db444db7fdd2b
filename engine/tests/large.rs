//! Commits that are larger than the memory they are replayed, fed and (with a small `transaction_memory_bytes_max`) written
//! with. The twin is the same work with room for all of it.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use tailwater::{Builder, Database, FeedEvent, FeedRequest, Key, Settings, Value};
use tailwater_wal::vfs::{MemoryVfs, OpenMode, Vfs};

const SCHEMA: &str =
    "CREATE TABLE t (id INT PRIMARY KEY, g INT, v TEXT); CREATE INDEX t_g ON t (g);
    CREATE MATERIALIZED VIEW by_g AS SELECT g, count(*) AS n, min(v) AS least FROM t GROUP BY g";

fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.store.memtable_soft_bytes = 256 << 10;
    settings.feed.frame_bytes_max = 64 << 10;
    settings
}

fn builder(vfs: &MemoryVfs, settings: Settings) -> Builder {
    Database::builder()
        .settings(settings)
        .vfs(Arc::new(vfs.clone()))
        .without_background()
}

/// A disk with the same files.
fn copy(vfs: &MemoryVfs) -> MemoryVfs {
    let other = MemoryVfs::new();
    for dir in ["db", "db/log"].map(Path::new) {
        other.create_dir_all(dir).unwrap();
        for name in vfs.list(dir).unwrap() {
            let path = dir.join(name);
            let Ok(from) = vfs.open(&path, OpenMode::Read) else {
                continue; // a folder
            };
            let mut bytes = vec![0; usize::try_from(from.len().unwrap()).unwrap()];
            from.read_exact_at(&mut bytes, 0).unwrap();
            let to = other.open(&path, OpenMode::CreateNew).unwrap();
            to.write_all_at(&bytes, 0).unwrap();
            to.sync_data().unwrap();
        }
        other.sync_dir(dir).unwrap();
    }
    other
}

/// Everything there is, by one query each.
fn contents(db: &Database) -> Vec<Vec<Vec<Value>>> {
    [
        "SELECT * FROM t ORDER BY id",
        "SELECT * FROM by_g ORDER BY g",
        "SELECT id FROM t WHERE g = 3 ORDER BY id",
    ]
    .map(|sql| {
        let rows = db.query(sql, ()).unwrap();
        rows.map(|row| row.unwrap().values().to_vec()).collect()
    })
    .into()
}

/// Rows folded from the feed of a table, and the tokens handed out for whole commits.
#[derive(Default)]
struct Folded {
    rows: BTreeMap<Key, String>,
    frames: Vec<(u64, bool)>,
    token: String,
}

impl Folded {
    fn take(&mut self, feed: &mut tailwater::Subscription) {
        while let Some(event) = feed.try_recv().unwrap() {
            let FeedEvent::Frame(frame) = event else {
                continue;
            };
            assert!(!frame.changes.is_empty());
            for change in frame.changes {
                match change.after {
                    Some(row) => self.rows.insert(change.key, format!("{row:?}")),
                    None => self.rows.remove(&change.key),
                };
            }
            self.frames.push((frame.lsn.0, frame.more));
            self.token = frame.token;
        }
    }
}

fn snapshot(db: &Database, object: &str) -> BTreeMap<Key, String> {
    let mut feed = db.subscribe(FeedRequest::of(object)).unwrap();
    let mut rows = BTreeMap::new();
    loop {
        match feed.recv().unwrap() {
            FeedEvent::Snapshot { rows: some } => {
                rows.extend(
                    some.into_iter()
                        .map(|row| (row.key, format!("{:?}", row.row))),
                );
            }
            FeedEvent::SnapshotEnd { .. } => return rows,
            _ => {}
        }
    }
}

/// A commit of some megabytes, some small ones, another large one that changes the first.
fn fill(db: &Database) {
    db.exec(SCHEMA, ()).unwrap();
    db.exec("INSERT INTO t VALUES (-1, 3, 'first')", ())
        .unwrap();
    db.exec(
        "INSERT INTO t SELECT n, n % 7, 'value number ' || n FROM generate_series(1, 12000) AS s(n)",
        (),
    )
    .unwrap();
    db.exec("UPDATE t SET v = 'small' WHERE id = 5", ())
        .unwrap();
    db.update(|tx| {
        tx.exec("UPDATE t SET v = v || '!', g = g + 1 WHERE id > 3000", ())?;
        tx.exec("DELETE FROM t WHERE id % 5 = 0", ())
    })
    .unwrap();
    db.exec("INSERT INTO t VALUES (-2, 3, 'last')", ()).unwrap();
}

#[test]
fn a_long_record_is_replayed_without_room_for_it() {
    let vfs = MemoryVfs::new();
    let db = builder(&vfs, Settings::default()).open("db").unwrap();
    fill(&db);
    let expected = contents(&db);
    let crashed = vfs.crash();
    drop(db);

    let roomy = builder(&copy(&crashed), Settings::default())
        .open("db")
        .unwrap();
    let db = builder(&crashed, settings()).open("db").unwrap();
    assert_eq!(db.recovery().records, roomy.recovery().records);
    assert_eq!(db.recovery().rows, roomy.recovery().rows);
    assert_eq!(db.recovery().bytes, roomy.recovery().bytes);
    assert!(db.recovery().bytes > 2 << 20, "{:?}", db.recovery());
    assert_eq!(contents(&db), expected);
    assert_eq!(contents(&roomy), expected);
    // It goes on, and a second crash finds nothing to replay but what came since.
    db.exec("INSERT INTO t VALUES (20000, 1, 'after')", ())
        .unwrap();
    let expected = contents(&db);
    let crashed = crashed.crash();
    drop(db);
    let db = builder(&crashed, settings()).open("db").unwrap();
    assert_eq!(contents(&db), expected);
    assert!(db.recovery().bytes < 2 << 20, "{:?}", db.recovery());
}

#[test]
fn a_crash_at_any_write_of_replaying_a_long_record_is_harmless() {
    let vfs = MemoryVfs::new();
    let db = builder(&vfs, Settings::default()).open("db").unwrap();
    db.exec(SCHEMA, ()).unwrap();
    db.exec(
        "INSERT INTO t SELECT n, n % 7, 'value number ' || n FROM generate_series(1, 1500) AS s(n)",
        (),
    )
    .unwrap();
    let expected = contents(&db);
    let crashed = vfs.crash();
    drop(db);
    let mut small = settings();
    small.store.memtable_soft_bytes = 16 << 10;
    for step in (0..).step_by(11) {
        let disk = copy(&crashed);
        disk.fail_write_after(step);
        let failed = builder(&disk, small.clone()).open("db").is_err();
        disk.fail_write_after(u32::MAX);
        let db = builder(&disk.crash(), small.clone()).open("db").unwrap();
        assert_eq!(contents(&db), expected, "step {step}");
        if !failed {
            assert!(step > 20, "{step}");
            return;
        }
    }
}

#[test]
fn a_long_commit_comes_in_bounded_frames_from_ring_and_log_alike() {
    let vfs = MemoryVfs::new();
    let mut late_settings = settings();
    late_settings.feed.ring_bytes_max = 1;
    for settings in [settings(), late_settings] {
        let db = builder(&vfs, settings).open("db").unwrap();
        if db.query("SELECT * FROM t", ()).is_ok() {
            db.exec("DROP MATERIALIZED VIEW by_g", ()).unwrap();
            db.exec("DROP TABLE t", ()).unwrap();
        }
        db.exec(SCHEMA, ()).unwrap();
        let begin = db.subscribe(FeedRequest::of("t")).unwrap().token();
        let mut feed = db
            .subscribe(FeedRequest::of("t").without_snapshot())
            .unwrap();
        let start = feed.token();
        assert_eq!(begin, start);
        db.exec(
            "INSERT INTO t SELECT n, n % 7, 'value number ' || n FROM generate_series(1, 6000) AS s(n)",
            (),
        )
        .unwrap();
        db.exec("UPDATE t SET v = 'x' WHERE id < 3000", ()).unwrap();
        db.exec("DELETE FROM t WHERE id = 1", ()).unwrap();
        let mut folded = Folded::default();
        folded.take(&mut feed);
        assert_eq!(folded.rows, snapshot(&db, "t"));
        assert!(folded.frames.len() > 8, "{:?}", folded.frames);
        // The last frame of each commit, and no other, says that it is the last.
        for pair in folded.frames.windows(2) {
            assert_eq!(pair[0].1, pair[0].0 == pair[1].0, "{:?}", folded.frames);
        }
        // Coming back in the midst of it gives all of it again.
        let mut broken_off = Folded::default();
        let mut feed = db.subscribe(FeedRequest::of("t").since(&start)).unwrap();
        let FeedEvent::Frame(frame) = feed.recv().unwrap() else {
            unreachable!()
        };
        assert!(frame.more);
        assert_eq!(frame.token, start);
        assert_eq!(feed.token(), start);
        drop(feed);
        let mut feed = db
            .subscribe(FeedRequest::of("t").since(&frame.token))
            .unwrap();
        broken_off.take(&mut feed);
        assert_eq!(broken_off.rows, folded.rows);
        assert_eq!(broken_off.token, folded.token);
    }
}

/// With next to no memory for a transaction, so that nearly everything spills.
fn tight() -> Settings {
    let mut settings = settings();
    settings.transaction_memory_bytes_max = 20_000;
    settings
}

fn rows_of(db: &Database, sql: &str) -> Vec<Vec<Value>> {
    let rows = db.query(sql, ()).unwrap();
    rows.map(|row| row.unwrap().values().to_vec()).collect()
}

#[test]
fn a_transaction_that_spills_is_as_one_that_does_not() {
    let (vfs, roomy_vfs) = (MemoryVfs::new(), MemoryVfs::new());
    let db = builder(&vfs, tight()).open("db").unwrap();
    let roomy = builder(&roomy_vfs, Settings::default()).open("db").unwrap();
    fill(&db);
    fill(&roomy);
    assert_eq!(contents(&db), contents(&roomy));
    assert_eq!(
        rows_of(&db, "CHECK VIEW by_g"),
        rows_of(&roomy, "CHECK VIEW by_g")
    );
    assert!(
        !left_behind(&vfs),
        "scratch files are gone with their transactions"
    );
    let expected = contents(&db);
    let crashed = vfs.crash();
    drop(db);
    let db = builder(&crashed, tight()).open("db").unwrap();
    assert_eq!(contents(&db), expected);
}

fn left_behind(vfs: &MemoryVfs) -> bool {
    let names = vfs.list(Path::new("db")).unwrap();
    names.iter().any(|name| name.starts_with("scratch-"))
}

#[test]
fn what_has_spilled_is_read_changed_and_taken_back_like_the_rest() {
    let vfs = MemoryVfs::new();
    let db = builder(&vfs, tight()).open("db").unwrap();
    let twin = Database::memory().unwrap();
    let steps: &[&str] = &[
        "BEGIN",
        "INSERT INTO t SELECT n * 2, n % 5, 'row ' || n FROM generate_series(1, 900) AS s(n)",
        "SELECT count(*), min(id), max(v) FROM t",
        "SELECT * FROM t WHERE id BETWEEN 100 AND 130 ORDER BY id DESC",
        "SELECT id FROM t ORDER BY v, id LIMIT 7",
        "SELECT id FROM t WHERE g = 2 ORDER BY id DESC LIMIT 5",
        "SAVEPOINT a",
        "UPDATE t SET v = 'changed ' || id, g = 1 WHERE id % 6 = 0",
        "DELETE FROM t WHERE id % 10 = 0",
        "INSERT INTO t SELECT n * 2 + 1, 9, 'odd' FROM generate_series(1, 700) AS s(n)",
        "SELECT count(*), sum(id) FROM t",
        "SELECT * FROM by_g ORDER BY g",
        "SAVEPOINT b",
        "DELETE FROM t",
        "SELECT count(*) FROM t",
        "SELECT * FROM by_g",
        "ROLLBACK TO SAVEPOINT b",
        "SELECT g, count(*) FROM t GROUP BY g ORDER BY g",
        "ROLLBACK TO SAVEPOINT a",
        "SELECT count(*), sum(id), max(v) FROM t",
        "SELECT * FROM by_g ORDER BY g",
        "INSERT INTO t VALUES (77, 7, 'one'), (2, 7, 'there already')",
    ];
    let rest: &[&str] = &[
        "BEGIN",
        "INSERT INTO t SELECT n * 2, n % 5, 'row ' || n FROM generate_series(1, 900) AS s(n)",
        "UPDATE t SET id = id + 10000 WHERE id % 4 = 0",
        "SELECT * FROM t ORDER BY id DESC LIMIT 3",
        "COMMIT",
        "SELECT * FROM by_g ORDER BY g",
        "SELECT * FROM t WHERE g = 2 ORDER BY id",
        "BEGIN",
        "INSERT INTO t SELECT n, 3, 'gone' FROM generate_series(100000, 101000) AS s(n)",
        "ROLLBACK",
        "SELECT count(*) FROM t",
        "CREATE TABLE u (id INT PRIMARY KEY, t INT)",
        "CREATE MATERIALIZED VIEW joined AS SELECT u.id, t.v, t.g FROM u JOIN t ON u.t = t.id",
        "CREATE MATERIALIZED VIEW over_joined AS SELECT g, count(*) AS n FROM joined GROUP BY g",
        "BEGIN",
        "INSERT INTO u SELECT n, n * 2 FROM generate_series(1, 3000) AS s(n)",
        "UPDATE t SET g = g + 10 WHERE id < 900",
        "INSERT INTO t SELECT n * 2, 4, 'late' FROM generate_series(1000, 2500) AS s(n) WHERE n * 2 NOT IN (SELECT id FROM t)",
        "CREATE MATERIALIZED VIEW made AS SELECT g, max(id) AS top FROM joined GROUP BY g",
        "CREATE INDEX t_v ON t (v)",
        "SELECT * FROM over_joined ORDER BY g",
        "COMMIT",
        "SELECT * FROM over_joined ORDER BY g",
        "SELECT * FROM made ORDER BY g",
        "SELECT id FROM t WHERE v = 'late' ORDER BY id LIMIT 4",
        "TRUNCATE t",
        "SELECT * FROM by_g",
        "SELECT * FROM over_joined",
    ];
    let (mut session, mut slow) = (db.session(), twin.session());
    let mut run = |sql: &str| {
        let one = |session: &mut tailwater::Session| match session.execute(sql, ()) {
            Ok(tailwater::Outcome::Rows(rows)) => {
                format!(
                    "{:?}",
                    rows.map(|row| row.unwrap().values().to_vec())
                        .collect::<Vec<_>>()
                )
            }
            Ok(_) => "done".to_owned(),
            Err(error) => format!("{} {error}", error.sqlstate()),
        };
        let (fast, slow) = (one(&mut session), one(&mut slow));
        assert_eq!(fast, slow, "{sql}");
    };
    for sql in SCHEMA.split(';') {
        run(sql);
    }
    for sql in steps {
        run(sql);
    }
    run("ROLLBACK");
    for sql in rest {
        run(sql);
    }
    for view in ["by_g", "joined", "over_joined", "made"] {
        run(&format!("CHECK VIEW {view}"));
    }
    drop(session);
    assert!(!left_behind(&vfs));
    assert!(db.check().unwrap().is_clean());
}

#[test]
fn others_read_on_conflict_and_are_fed_while_a_large_commit_goes_by() {
    let vfs = MemoryVfs::new();
    let db = builder(&vfs, tight()).open("db").unwrap();
    db.exec(SCHEMA, ()).unwrap();
    db.exec("INSERT INTO t VALUES (-5, 1, 'a'), (-6, 1, 'b')", ())
        .unwrap();
    let mut tables = db
        .subscribe(FeedRequest::of("t").without_snapshot())
        .unwrap();
    let mut views = db
        .subscribe(FeedRequest::of("by_g").without_snapshot())
        .unwrap();
    let mut before = db.session();
    before.execute("BEGIN", ()).unwrap();
    let read = "SELECT count(*) FROM t";
    let count = |session: &mut tailwater::Session| match session.execute(read, ()).unwrap() {
        tailwater::Outcome::Rows(rows) => rows.scalar::<i64>().unwrap(),
        other => panic!("{other:?}"),
    };
    assert_eq!(count(&mut before), 2);
    let mut elsewhere = db.session();
    elsewhere
        .execute("BEGIN; CREATE TABLE other (id INT PRIMARY KEY)", ())
        .unwrap();
    elsewhere.execute("ROLLBACK", ()).unwrap();

    let committed = db
        .exec(
            "INSERT INTO t SELECT n, n % 3, 'v' FROM generate_series(1, 2000) AS s(n)",
            (),
        )
        .unwrap();
    // A snapshot from before stays what it was; writing on it is a conflict.
    assert_eq!(count(&mut before), 2);
    before
        .execute("INSERT INTO t VALUES (-7, 1, 'late')", ())
        .unwrap();
    assert_eq!(
        before.execute("COMMIT", ()).unwrap_err().sqlstate(),
        "40001"
    );
    assert_eq!(db.visible_lsn(), committed.lsn.unwrap());
    db.exec("UPDATE t SET v = 'w' WHERE id = 1999", ()).unwrap();

    for (feed, object) in [(&mut tables, "t"), (&mut views, "by_g")] {
        let mut folded = Folded::default();
        let mut start = BTreeMap::new();
        let first = snapshot(&db, object);
        folded.take(feed);
        // What was there before the subscription and did not change.
        start.extend(
            first
                .iter()
                .filter(|(key, _)| !folded.rows.contains_key(*key)),
        );
        assert_eq!(start.len(), if object == "t" { 2 } else { 0 });
        assert_eq!(folded.rows.len() + start.len(), first.len());
        assert!(
            folded
                .rows
                .iter()
                .all(|(key, row)| first.get(key) == Some(row))
        );
        assert!(folded.frames.windows(2).all(|pair| pair[0].0 <= pair[1].0));
    }
}

#[test]
fn a_failing_or_full_disk_leaves_all_of_it_or_nothing() {
    let vfs = MemoryVfs::new();
    let db = builder(&vfs, tight()).open("db").unwrap();
    db.exec(SCHEMA, ()).unwrap();
    db.exec("INSERT INTO t VALUES (1, 1, 'first')", ()).unwrap();
    let before = contents(&db);
    let base = vfs.crash();
    drop(db);
    let work = "INSERT INTO t SELECT n, n % 3, 'value ' || n FROM generate_series(2, 400) AS s(n)";
    let mut after = None;
    for fails_sync in [false, true] {
        for step in 0.. {
            let disk = copy(&base);
            let db = builder(&disk, tight()).open("db").unwrap();
            if fails_sync {
                disk.fail_sync_after(step);
            } else {
                disk.fail_write_after(step * 9);
            }
            let done = db.exec(work, ());
            disk.fail_write_after(u32::MAX);
            disk.fail_sync_after(u32::MAX);
            let crashed = disk.crash();
            drop(db);
            let db = builder(&crashed, tight()).open("db").unwrap();
            let found = contents(&db);
            match &done {
                Ok(_) => assert!(found != before, "step {step}"),
                Err(error) if error.kind() == tailwater::ErrorKind::CommitOutcomeUnknown => {}
                Err(error) => assert!(found == before, "step {step}: {error}"),
            }
            if found != before {
                let after = after.get_or_insert_with(|| found.clone());
                assert!(found == *after, "step {step}");
            }
            if done.is_ok() {
                assert!(step > 3, "{step}");
                break;
            }
        }
    }
}
