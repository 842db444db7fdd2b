//! What was deleted gives its space back: the folder as a whole, log included, is soon at most twice the live rows.
//!
//! The storage file alone was small again, and beside it lay 342 MiB of log: 256 for feeds that nobody had, and files
//! prepared for a load that was over.
//!
//! `TAILWATER_FOLDER_BYTES=1073741824` runs it at 1 GiB, with default settings and a folder of the operating system.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;

use tailwater::{Database, FeedEvent, FeedRequest, Settings, params};
use tailwater_wal::vfs::{MemoryVfs, OpenMode, OsVfs, Vfs};

/// Bytes of text in a row.
const TEXT_BYTES: i64 = 1000;
/// Checkpoints after which the space must be back.
const CHECKPOINTS_MAX: u32 = 8;

fn open(vfs: &Arc<dyn Vfs>, path: &Path, settings: Settings) -> Database {
    let builder = Database::builder().vfs(Arc::clone(vfs)).settings(settings);
    builder.open(path).unwrap()
}

/// The default settings, for a database that is so many times smaller.
fn smaller(by: u64) -> Settings {
    let mut settings = Settings::default();
    let less = |bytes: &mut u64| *bytes = (*bytes / by).next_multiple_of(4096);
    less(&mut settings.wal.segment_bytes);
    less(&mut settings.wal.retain_bytes_max);
    less(&mut settings.wal.retain_bytes_min);
    less(&mut settings.wal.reserve_bytes);
    less(&mut settings.store.compact_bytes_min);
    settings.store.memtable_soft_bytes /= usize::try_from(by).unwrap();
    settings.store.memtable_hard_bytes /= usize::try_from(by).unwrap();
    settings
}

/// Files of a database and their bytes.
fn files_below(vfs: &dyn Vfs, path: &Path) -> Vec<(String, u64)> {
    let mut files = Vec::new();
    for (dir, prefix) in [(path.to_owned(), ""), (path.join("log"), "log/")] {
        for name in vfs.list(&dir).unwrap() {
            if let Ok(file) = vfs.open(&dir.join(&name), OpenMode::Read)
                && let Ok(len) = file.len()
                && name != "log"
            {
                files.push((format!("{prefix}{name}"), len));
            }
        }
    }
    files
}

/// Fills a table, deletes nine rows in ten, and compares what is left with what lies on the disk.
fn thin_out(vfs: &Arc<dyn Vfs>, path: &Path, settings: Settings, bytes: i64) {
    let batch = bytes / TEXT_BYTES / 100;
    let db = open(vfs, path, settings);
    let table = "CREATE TABLE t (id INT PRIMARY KEY, text TEXT)";
    db.exec(table, ()).unwrap();
    let token = db
        .subscribe(FeedRequest::of("t").without_snapshot())
        .unwrap()
        .token();
    let rows = bytes / TEXT_BYTES;
    for from in (1..=rows).step_by(batch as usize) {
        let sql = "INSERT INTO t SELECT i, repeat('x', ?) FROM generate_series(?, ?) AS s (i)";
        let to = rows.min(from + batch - 1);
        db.exec(sql, params![TEXT_BYTES, from, to]).unwrap();
    }
    db.checkpoint().unwrap();
    for from in (1..=rows).step_by(batch as usize) {
        let sql = "DELETE FROM t WHERE id % 10 <> 0 AND id BETWEEN ? AND ?";
        db.exec(sql, params![from, from + batch - 1]).unwrap();
    }
    let live = "SELECT CAST(sum(length(text) + 8) AS BIGINT) FROM t";
    let live = db.query(live, ()).unwrap().scalar::<i64>().unwrap();
    assert!(live >= bytes / 10, "{live}");
    // A compaction may be under way in the background.
    let (mut files, mut ratio, mut total) = (Vec::new(), f64::MAX, 0);
    for checkpoints in 1..=CHECKPOINTS_MAX {
        db.checkpoint().unwrap();
        files = files_below(&**vfs, path);
        total = files.iter().map(|(_, bytes)| bytes).sum::<u64>();
        ratio = total as f64 / live as f64;
        if ratio <= 2.0 {
            eprintln!("after {checkpoints} checkpoints:");
            break;
        }
    }
    eprintln!("live rows {live} bytes, folder {total} bytes: {ratio:.2} times");
    for (name, bytes) in &files {
        eprintln!("  {bytes:>12} {name}");
    }
    assert!(ratio <= 2.0, "{ratio:.2}: {files:?}");

    // A feed from before all that is told that the log has not got it any more.
    let mut feed = db.subscribe(FeedRequest::of("t").since(token)).unwrap();
    assert!(matches!(feed.recv().unwrap(), FeedEvent::Reset { .. }));
    drop(feed);
    db.close().unwrap();
    let db = open(vfs, path, Settings::default());
    let count = "SELECT count(*) FROM t";
    assert_eq!(
        db.query(count, ()).unwrap().scalar::<i64>().unwrap(),
        rows / 10
    );
    db.close().unwrap();
}

#[test]
fn what_was_deleted_gives_its_space_back_log_included() {
    if let Ok(bytes) = std::env::var("TAILWATER_FOLDER_BYTES") {
        let dir = tempfile::tempdir_in(std::env::var("TMPDIR").unwrap_or("/tmp".into())).unwrap();
        let vfs: Arc<dyn Vfs> = Arc::new(OsVfs::new());
        let path = dir.path().join("db");
        thin_out(&vfs, &path, Settings::default(), bytes.parse().unwrap());
        return;
    }
    let vfs: Arc<dyn Vfs> = Arc::new(MemoryVfs::new());
    thin_out(&vfs, Path::new("db"), smaller(16), 96 << 20);
}

/// The log of a small database is retained for feeds all the same, up to `retain_bytes_min`.
#[test]
fn a_feed_of_a_small_database_resumes_over_many_times_its_size() {
    let vfs: Arc<dyn Vfs> = Arc::new(MemoryVfs::new());
    let db = open(&vfs, Path::new("db"), smaller(16));
    let table = "CREATE TABLE t (id INT PRIMARY KEY, text TEXT); INSERT INTO t VALUES (1, '')";
    db.exec(table, ()).unwrap();
    let request = || FeedRequest::of("t").without_snapshot();
    let token = db.subscribe(request()).unwrap().token();
    for round in 0..30 {
        let sql = "UPDATE t SET text = repeat(?, 8000)";
        db.exec(sql, params![format!("{}", round % 10)]).unwrap();
    }
    for _ in 0..3 {
        db.checkpoint().unwrap();
    }
    let mut feed = db.subscribe(request().since(token)).unwrap();
    for _ in 0..30 {
        let event = feed.recv().unwrap();
        assert!(matches!(event, FeedEvent::Frame(_)), "{event:?}");
    }
}
