//! Commits that were fed and then lost by a crash are never mistaken for those that get their numbers afterwards.
//!
//! In sync modes `interval` and `off` a commit is fed before it is durable. A database of such a mode that crashed and was
//! opened in mode `commit` went on in the same epoch: the next commits took the numbers of the lost ones, and a resume
//! token of a lost one was accepted as if its holder had seen the new ones.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tailwater::{
    Database, Document, FeedEvent, FeedOp, FeedRequest, FromValue, Subscription, SyncMode, params,
};
use tailwater_wal::vfs::MemoryVfs;

const MODES: [SyncMode; 3] = [
    SyncMode::Commit,
    SyncMode::Interval(Duration::from_secs(3600)),
    SyncMode::Off,
];

fn open(vfs: &MemoryVfs, sync: SyncMode) -> Database {
    Database::builder()
        .vfs(Arc::new(vfs.clone()))
        .sync(sync)
        .without_background()
        .open("db")
        .unwrap()
}

fn fields(row: &Document) -> (i64, String) {
    (
        FromValue::from_value(row.get("id").unwrap()).unwrap(),
        FromValue::from_value(row.get("v").unwrap()).unwrap(),
    )
}

/// What a consumer has made of the feed, and where it was.
#[derive(Clone, Default)]
struct Consumer {
    rows: BTreeMap<i64, String>,
    token: Option<String>,
}

impl Consumer {
    fn subscribe(&mut self, db: &Database) -> Subscription {
        if let Some(token) = &self.token {
            match db.subscribe(FeedRequest::of("t").since(token)) {
                Ok(feed) => return feed,
                Err(error) => {
                    assert_eq!(error.sqlstate(), "22023", "{error}");
                    self.rows.clear();
                }
            }
        }
        db.subscribe(FeedRequest::of("t")).unwrap()
    }

    fn take_all(&mut self, feed: &mut Subscription) {
        while let Some(event) = feed.try_recv().unwrap() {
            match event {
                FeedEvent::Snapshot { rows } => {
                    for row in rows {
                        let (id, v) = fields(&row.row);
                        self.rows.insert(id, v);
                    }
                }
                FeedEvent::Frame(frame) => {
                    for change in &frame.changes {
                        let row = change.after.as_ref().or(change.before.as_ref()).unwrap();
                        let (id, v) = fields(row);
                        if change.op == FeedOp::Delete {
                            self.rows.remove(&id);
                        } else {
                            self.rows.insert(id, v);
                        }
                    }
                }
                FeedEvent::Reset { .. } => self.rows.clear(),
                _ => {}
            }
        }
        self.token = Some(feed.token());
    }
}

fn rows_of(db: &Database) -> BTreeMap<i64, String> {
    let rows = db.query("SELECT id, v FROM t", ()).unwrap();
    rows.map(|row| row.unwrap())
        .map(|row| (row.get("id").unwrap(), row.get("v").unwrap()))
        .collect()
}

/// Any number of lives, each in some mode and ended by a crash or a clean close: every token ever handed out either
/// leads to the rows there are, or is refused.
fn lives(modes: &[SyncMode], crashes: &[bool]) {
    let mut vfs = MemoryVfs::new();
    let mut consumers = vec![Consumer::default()];
    open(&vfs, SyncMode::Commit)
        .exec("CREATE TABLE t (id INT PRIMARY KEY, v TEXT)", ())
        .unwrap();
    for (life, (mode, crash)) in modes.iter().zip(crashes).enumerate() {
        let db = open(&vfs, *mode);
        // Some come back at once, the others when the lost numbers have been given out again.
        let known = consumers.len();
        let mut feeds: Vec<Subscription> = consumers
            .iter_mut()
            .step_by(2)
            .map(|consumer| consumer.subscribe(&db))
            .collect();
        for n in 0..4 {
            // The same number of commits in each life, so that lost numbers are taken again.
            db.exec(
                "INSERT INTO t VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET v = excluded.v",
                params![n, format!("life {life}, {n}")],
            )
            .unwrap();
            for (consumer, feed) in consumers.iter_mut().step_by(2).zip(&mut feeds) {
                consumer.take_all(feed);
            }
            // One that stays behind, so that there are tokens from everywhere.
            let left = consumers.first().unwrap().clone();
            let place = consumers.len();
            consumers.push(left);
            if place.is_multiple_of(2) {
                feeds.push(consumers.last_mut().unwrap().subscribe(&db));
            }
        }
        for consumer in consumers.iter_mut().take(known).skip(1).step_by(2) {
            let mut feed = consumer.subscribe(&db);
            consumer.take_all(&mut feed);
        }
        for consumer in consumers.iter().take(known) {
            assert_eq!(
                consumer.rows,
                rows_of(&db),
                "{modes:?} {crashes:?} life {life}"
            );
        }
        drop(feeds);
        if *crash {
            vfs = vfs.crash();
        }
        drop(db);
    }
}

#[test]
fn a_token_of_a_lost_commit_is_refused_whatever_the_mode_at_reopening() {
    for before in MODES {
        for after in MODES {
            for last in MODES {
                for crashes in [[true, true, true], [true, false, true], [false, true, true]] {
                    lives(&[before, after, last], &crashes);
                }
            }
        }
    }
}

#[test]
fn a_crash_right_after_the_reopening_changes_nothing() {
    let vfs = MemoryVfs::new();
    let db = open(&vfs, SyncMode::Off);
    db.exec("CREATE TABLE t (id INT PRIMARY KEY, v TEXT)", ())
        .unwrap();
    db.checkpoint().unwrap();
    db.close().unwrap();
    let db = open(&vfs, SyncMode::Off);
    let mut consumer = Consumer::default();
    let mut feed = consumer.subscribe(&db);
    db.exec("INSERT INTO t VALUES (1, 'lost')", ()).unwrap();
    consumer.take_all(&mut feed);
    assert_eq!(consumer.rows.len(), 1);
    let mut vfs = vfs.crash();
    for _ in 0..3 {
        // Nothing is written in these lives.
        let db = open(&vfs, SyncMode::Commit);
        assert!(rows_of(&db).is_empty());
        vfs = vfs.crash();
    }
    let db = open(&vfs, SyncMode::Commit);
    db.exec("INSERT INTO t VALUES (2, 'kept')", ()).unwrap();
    db.exec("INSERT INTO t VALUES (3, 'kept')", ()).unwrap();
    let error = db
        .subscribe(FeedRequest::of("t").since(consumer.token.unwrap()))
        .unwrap_err();
    assert_eq!(error.sqlstate(), "22023", "{error}");
    assert!(error.message().contains("taken back"), "{error}");
}

#[test]
fn a_clean_close_in_mode_commit_keeps_the_epoch() {
    let vfs = MemoryVfs::new();
    open(&vfs, SyncMode::Commit)
        .exec("CREATE TABLE t (id INT PRIMARY KEY, v TEXT)", ())
        .unwrap();
    let mut consumer = Consumer::default();
    for n in 0..5 {
        let db = open(&vfs, SyncMode::Commit);
        let mut feed = match &consumer.token {
            None => consumer.subscribe(&db),
            Some(token) => db.subscribe(FeedRequest::of("t").since(token)).unwrap(),
        };
        db.exec("INSERT INTO t VALUES (?, 'x')", params![n])
            .unwrap();
        consumer.take_all(&mut feed);
        assert_eq!(consumer.rows, rows_of(&db));
    }
}
