//! Slots of the feed: what a consumer has not seen is kept while it is away, through checkpoints and restarts, up to a cap.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use tailwater::{Database, FeedEvent, FeedRequest, Settings, Subscription, params};
use tailwater_wal::vfs::MemoryVfs;

fn open(vfs: &MemoryVfs, slot_bytes_max: u64) -> Database {
    let mut settings = Settings::default();
    settings.wal.segment_bytes = 64 << 10;
    settings.wal.retain_age = Duration::ZERO;
    settings.wal.slot_bytes_max = slot_bytes_max;
    // Too little to go on from without the log.
    settings.feed.ring_bytes_max = 1;
    Database::builder()
        .vfs(Arc::new(vfs.clone()))
        .settings(settings)
        .without_background()
        .open("db")
        .unwrap()
}

fn insert(db: &Database, ids: std::ops::Range<i64>) {
    for id in ids {
        let row = params![id, "x".repeat(4_000)];
        db.exec("INSERT INTO t VALUES (?, ?)", row).unwrap();
    }
    db.checkpoint().unwrap();
}

fn events(feed: &mut Subscription) -> (usize, bool) {
    let (mut frames, mut is_reset) = (0, false);
    while !is_reset && let Some(event) = feed.try_recv().unwrap() {
        frames += usize::from(matches!(event, FeedEvent::Frame(_)));
        is_reset |= matches!(event, FeedEvent::Reset { .. });
    }
    (frames, is_reset)
}

fn state(db: &Database) -> String {
    let rows = db.query("SELECT state FROM tailwater.slots", ()).unwrap();
    rows.scalar::<String>().unwrap()
}

#[test]
fn a_consumer_that_was_away_misses_nothing_while_its_slot_is_active() {
    for (slot_bytes_max, is_kept) in [(1 << 30, true), (100 << 10, false)] {
        let vfs = MemoryVfs::new();
        let db = open(&vfs, slot_bytes_max);
        db.exec("CREATE TABLE t (id INT PRIMARY KEY, text TEXT)", ())
            .unwrap();
        let request = || FeedRequest::of("t").without_snapshot();
        let token = db.subscribe(request().slot("search")).unwrap().token();
        insert(&db, 0..100);
        assert_eq!(state(&db), if is_kept { "active" } else { "lost" });
        let vfs = vfs.crash();
        drop(db);
        let db = open(&vfs, slot_bytes_max);
        insert(&db, 100..200);
        let mut feed = db.subscribe(request().since(token)).unwrap();
        let (frames, is_reset) = events(&mut feed);
        assert_eq!((frames == 200, is_reset), (is_kept, !is_kept));
        if is_reset {
            feed = db.subscribe(request()).unwrap();
        }
        // What was dealt with is let go.
        let size = |db: &Database| {
            let sql = "SELECT held_bytes FROM tailwater.slots";
            db.query(sql, ()).unwrap().scalar::<i64>().unwrap()
        };
        let before = size(&db);
        db.advance_slot("search", &feed.token()).unwrap();
        assert_eq!(state(&db), "active");
        insert(&db, 200..201);
        assert!(!is_kept || size(&db) < before / 2, "{before}");
    }
}

#[test]
fn a_slot_without_a_fitting_name_or_token_is_refused() {
    let vfs = MemoryVfs::new();
    let db = open(&vfs, 1 << 30);
    db.exec("CREATE TABLE t (id INT PRIMARY KEY, text TEXT)", ())
        .unwrap();
    let refused = db
        .subscribe(FeedRequest::of("t").slot("No Name"))
        .unwrap_err();
    assert_eq!(refused.sqlstate(), "22023", "{refused}");
    let feed = db.subscribe(FeedRequest::of("t").slot("a")).unwrap();
    let other = Database::memory().unwrap();
    other.exec("CREATE TABLE t", ()).unwrap();
    let foreign = other.subscribe(FeedRequest::of("t")).unwrap().token();
    for token in ["", "nonsense", &foreign] {
        let refused = db.advance_slot("a", token).unwrap_err();
        assert_eq!(refused.sqlstate(), "22023", "{refused}");
    }
    assert!(db.advance_slot("a", &feed.token()).is_ok());
}
