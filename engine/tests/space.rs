//! What is dropped gives its space back, also over a crash.
//!
//! A checkpoint wrote a table; the table was dropped; before the next checkpoint the machine crashed. Only the memory of
//! the dead process had known that the storage was to be freed, so the table's pages stayed in the file for ever.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use common::text;
use redb::backends::InMemoryBackend;
use redb::{ReadableDatabase, StorageBackend, TableHandle};
use tailwater::{Database, StoreSettings};
use tailwater_wal::vfs::{MemoryVfs, OpenMode, Vfs};

fn open(vfs: &MemoryVfs) -> Database {
    Database::builder()
        .vfs(Arc::new(vfs.clone()))
        .without_background()
        .open("db")
        .unwrap()
}

/// The tables in the storage file of a closed database.
fn tables(vfs: &MemoryVfs) -> BTreeSet<String> {
    let file = vfs.open(Path::new("db/data.redb"), OpenMode::Read).unwrap();
    let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
    file.read_exact_at(&mut bytes, 0).unwrap();
    let copy = InMemoryBackend::new();
    copy.set_len(bytes.len() as u64).unwrap();
    copy.write(0, &bytes).unwrap();
    let database = redb::Builder::new().create_with_backend(copy).unwrap();
    let transaction = database.begin_read().unwrap();
    let tables = transaction.list_tables().unwrap();
    tables.map(|table| table.name().to_owned()).collect()
}

/// The tables that a script leaves without a crash.
fn tables_of(script: &str) -> BTreeSet<String> {
    let vfs = MemoryVfs::new();
    let db = open(&vfs);
    db.exec(script, ()).unwrap();
    db.close().unwrap();
    tables(&vfs)
}

const KEPT: &str = "CREATE TABLE kept (id INT PRIMARY KEY, v INT);
     CREATE INDEX ON kept (v);
     CREATE SEQUENCE numbers;
     CREATE MATERIALIZED VIEW sums AS SELECT v, sum(id) AS s, min(id) AS m FROM kept GROUP BY v;
     CREATE MATERIALIZED VIEW pairs AS SELECT a.id AS x, b.id AS y FROM kept a JOIN kept b ON a.v = b.v;
     INSERT INTO kept VALUES (1, 1), (2, 1), (3, 2)";

const GONE: &str = "CREATE TABLE gone (id INT PRIMARY KEY, v INT UNIQUE);
     CREATE INDEX ON gone (v, id);
     CREATE MATERIALIZED VIEW of_gone AS SELECT v % 2 AS v, min(id) AS m FROM gone GROUP BY v % 2;
     CREATE MATERIALIZED VIEW of_kept AS SELECT DISTINCT v FROM kept;
     CREATE INDEX extra ON kept (v, id);
     INSERT INTO gone VALUES (1, 1), (2, 2), (3, 3)";

const DROP: &str = "DROP TABLE gone CASCADE; DROP MATERIALIZED VIEW of_kept; DROP INDEX extra";

/// What was dropped before the crash is gone after the next checkpoint, and nothing else is.
fn swept(before: impl FnOnce(&Database)) {
    let expected = tables_of(KEPT);
    let vfs = MemoryVfs::new();
    let db = open(&vfs);
    db.exec(KEPT, ()).unwrap();
    before(&db);
    let vfs = vfs.crash();
    let db = open(&vfs);
    db.checkpoint().unwrap();
    let mut session = db.session();
    assert_eq!(
        text(&mut session, "SELECT v, s, m FROM sums ORDER BY v"),
        "1|3|1\n2|3|3"
    );
    assert_eq!(text(&mut session, "SELECT count(*) FROM pairs"), "5");
    for view in ["sums", "pairs"] {
        assert!(text(&mut session, &format!("CHECK VIEW {view}")).contains("|0|"));
    }
    drop(session);
    drop(db);
    assert_eq!(tables(&vfs), expected);
    // And all that stayed is whole.
    let db = open(&vfs);
    db.exec("INSERT INTO kept VALUES (4, 2)", ()).unwrap();
    assert_eq!(
        text(&mut db.session(), "SELECT s FROM sums WHERE v = 2"),
        "7"
    );
}

#[test]
fn a_table_in_the_last_checkpoint_that_was_dropped_before_the_crash_is_freed() {
    swept(|db| {
        db.exec(GONE, ()).unwrap();
        db.checkpoint().unwrap();
        db.exec(DROP, ()).unwrap();
    });
}

#[test]
fn a_table_that_came_and_went_since_the_last_checkpoint_leaves_nothing() {
    swept(|db| {
        db.checkpoint().unwrap();
        db.exec(GONE, ()).unwrap();
        db.exec(DROP, ()).unwrap();
    });
}

#[test]
fn what_a_transaction_made_and_dropped_leaves_nothing() {
    swept(|db| {
        db.exec(&format!("BEGIN; {GONE}; {DROP}; COMMIT"), ())
            .unwrap();
    });
}

/// Recovery with little memory makes checkpoints of its own: nothing but the drop is left to be written then.
#[test]
fn a_drop_that_is_all_there_is_to_write_is_written() {
    let vfs = MemoryVfs::new();
    let db = open(&vfs);
    db.exec(KEPT, ()).unwrap();
    db.checkpoint().unwrap();
    let expected = tables_of(KEPT);
    db.exec(GONE, ()).unwrap();
    db.checkpoint().unwrap();
    db.exec(DROP, ()).unwrap();
    let vfs = vfs.crash();
    let db = Database::builder()
        .vfs(Arc::new(vfs.clone()))
        .without_background()
        .store(StoreSettings {
            memtable_soft_bytes: 1,
            ..StoreSettings::default()
        })
        .open("db")
        .unwrap();
    db.checkpoint().unwrap();
    drop(db);
    assert_eq!(tables(&vfs), expected);
}
