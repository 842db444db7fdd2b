//! Whatever is put in, the answer is an error with a SQLSTATE that says what and where, and the committed rows are
//! the same before and after: malformed SQL, wrong types, missing tables, foreign and damaged files, a full disk.
//!
//! Next door: `bad_input/statements.rs` (the table of statements), `bad_input/denied.rs` (a disk that says no).
#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[path = "bad_input/denied.rs"]
mod denied;
#[path = "bad_input/statements.rs"]
mod statements;

mod common;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::{multiset, rows, text};
use denied::Denied;
use statements::STATEMENTS;
use tailwater::{Database, Error, ErrorKind, Session, Settings, WalSettings, params};
use tailwater_wal::vfs::{MemoryVfs, OpenMode, Vfs};

const SCHEMA: &str =
    "CREATE TABLE t (id INT PRIMARY KEY, v INT NOT NULL, c VARCHAR(3), d DATE, u UUID,
                          n NUMERIC(4,2), k INT CHECK (k > 0), m TEXT UNIQUE);
     CREATE TABLE loose (...);
     CREATE MATERIALIZED VIEW s AS SELECT count(*) AS n FROM t;
     INSERT INTO t VALUES (1, 1, 'abc', '2024-01-01', NULL, 1.5, 1, 'a');
     INSERT INTO loose VALUES {a: 1, b: [2]}";

/// All committed rows.
fn everything(session: &mut Session) -> Vec<Vec<Vec<u8>>> {
    ["t", "loose", "s"]
        .iter()
        .map(|table| multiset(session, &format!("SELECT * FROM {table}")).unwrap())
        .collect()
}

#[test]
fn bad_statements_say_what_and_where_and_change_nothing() {
    let db = Database::memory().unwrap();
    db.exec(SCHEMA, ()).unwrap();
    let mut session = db.session();
    let before = everything(&mut session);
    let lsn = db.visible_lsn();
    let mut wrong = Vec::new();
    for (marked, sqlstate, object) in STATEMENTS {
        let position = marked.find('^');
        assert!(position.is_some(), "{marked}");
        let sql = marked.replacen('^', "", 1);
        // As a statement of its own, after another one in a script, and inside a transaction.
        let script = format!("SELECT 1; {sql}");
        for (shape, text, offset) in [("alone", &sql, 0), ("in a script", &script, 10)] {
            let position = position.map(|at| at + offset);
            match rows_of(&mut session, text) {
                Ok(()) => wrong.push(format!("{sql}: worked {shape}")),
                Err(error) => {
                    let found = (error.sqlstate(), error.position(), error.object());
                    let object = Some(*object).filter(|name| !name.is_empty());
                    if found != (*sqlstate, position, object) {
                        wrong.push(format!("{sql}: {shape}: {found:?}: {error}"));
                    }
                    assert!(!error.message().is_empty());
                }
            }
            assert!(!session.in_transaction(), "{sql}");
        }
        if !sql.starts_with("COMMIT") && !sql.starts_with("ROLLBACK") {
            session.execute("BEGIN", ()).unwrap();
            session
                .execute("INSERT INTO t (id, v) VALUES (77, 1)", ())
                .unwrap();
            assert!(rows_of(&mut session, &sql).is_err(), "{sql}");
            session.execute("ROLLBACK", ()).unwrap();
        }
        assert_eq!(everything(&mut session), before, "{sql}");
        assert_eq!(db.visible_lsn(), lsn, "{sql}");
    }
    println!("{} bad statements", STATEMENTS.len());
    assert!(STATEMENTS.len() >= 110);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Errors that show only when a row is read used to have no place at all: not when the statement came out of the cache,
/// not in a transaction's closure, not in a ticket.
#[test]
fn late_errors_have_a_place_on_every_way_in() {
    let db = Database::memory().unwrap();
    db.exec(SCHEMA, ()).unwrap();
    let mut session = db.session();
    let (read, write) = ("SELECT 1 / (v - 1) FROM t", "UPDATE t SET v = 1 / (v - 1)");
    for round in 0..2 {
        let place = |error: Error| {
            (
                error.sqlstate(),
                error.position(),
                error.object().map(str::to_owned),
            )
        };
        let (by_read, by_write) = (
            ("22012", Some(0), None),
            ("22012", Some(0), Some("t".to_owned())),
        );
        let error = db
            .query(read, ())
            .and_then(|rows| rows.collect_rows().map(drop));
        assert_eq!(place(error.unwrap_err()), by_read, "round {round}");
        let error = db.view(|snap| snap.query(read, ())?.collect_rows().map(drop));
        assert_eq!(place(error.unwrap_err()), by_read);
        assert_eq!(place(rows_of(&mut session, read).unwrap_err()), by_read);
        assert_eq!(place(session.execute(write, ()).unwrap_err()), by_write);
        assert_eq!(
            place(db.update(|tx| tx.exec(write, ()).map(drop)).unwrap_err()),
            by_write
        );
        assert_eq!(place(db.submit(write, ()).map(drop).unwrap_err()), by_write);
        let script = format!("SELECT 1;  {read}");
        let error = rows_of(&mut session, &script).unwrap_err();
        assert_eq!(error.position(), Some(11));
    }
}

/// `x IN (SELECT …)` in a view used to be refused as "LEFT JOIN", at the first byte of the statement.
#[test]
fn refused_constructs_of_views_are_called_what_their_author_calls_them() {
    let db = Database::memory().unwrap();
    db.exec(SCHEMA, ()).unwrap();
    db.exec("CREATE VIEW plain AS SELECT id FROM t LIMIT 3", ())
        .unwrap();
    for (query, name, place) in [
        (
            "SELECT id FROM t WHERE k IN (SELECT k FROM t) OR id = 1",
            "IN (SELECT …)",
            25,
        ),
        (
            "SELECT a.id FROM t a LEFT JOIN t b ON a.id = b.v",
            "LEFT JOIN",
            21,
        ),
        (
            "SELECT a.id FROM t a RIGHT JOIN t b ON a.id = b.v",
            "RIGHT JOIN",
            21,
        ),
        (
            "SELECT id FROM t WHERE v > (SELECT avg(b.v) FROM t b WHERE b.k = t.k)",
            "a subquery as a value",
            27,
        ),
        // Out of the text of another view: at the query that reads it.
        ("SELECT id FROM plain", "LIMIT", 0),
    ] {
        let head = "CREATE MATERIALIZED VIEW b AS ";
        let error = db.exec(&format!("{head}{query}"), ()).unwrap_err();
        let expected = format!("{name} cannot be maintained in a materialized view");
        assert_eq!(error.message(), expected);
        assert_eq!(error.position(), Some(head.len() + place), "{query}");
    }
}

fn rows_of(session: &mut Session, sql: &str) -> Result<(), Error> {
    match session.execute(sql, ())? {
        tailwater::Outcome::Rows(mut rows) => rows.try_for_each(|row| row.map(drop)),
        _ => Ok(()),
    }
}

#[test]
fn hostile_texts_end_in_errors_and_change_nothing() {
    let db = Database::memory().unwrap();
    db.exec(SCHEMA, ()).unwrap();
    let mut session = db.session();
    let before = everything(&mut session);
    let deep = |open: &str, close: &str, n: usize| {
        format!("SELECT {}1{}", open.repeat(n), close.repeat(n))
    };
    for sql in [
        deep("(", ")", 100_000),
        deep("NOT ", "", 100_000),
        deep("-", "", 50_001),
        deep("[", "]", 100_000),
        deep("CASE WHEN true THEN ", " END", 20_000),
        format!(
            "SELECT * FROM {}t{}",
            "(SELECT * FROM ".repeat(5_000),
            ") x".repeat(5_000)
        ),
        "\0".to_owned(),
        "SELECT '\0".to_owned(),
        "\u{feff}\u{202e}SELECT".to_owned(),
        "/* /* */".to_owned(),
        "$a$ $b$".to_owned(),
        "INSERT INTO t VALUES".to_owned(),
    ] {
        let head: String = sql.chars().take(40).collect();
        let error = match session.execute(&sql, ()) {
            Ok(outcome) => panic!("{head} worked: {outcome:?}"),
            Err(error) => error,
        };
        assert!(
            matches!(error.sqlstate(), "42601" | "54001" | "54000" | "22021"),
            "{head}: {error}"
        );
        assert!(error.position().is_some_and(|at| at <= sql.len()), "{head}");
        assert_eq!(everything(&mut session), before, "{head}");
    }
}

#[test]
fn bad_parameters_are_refused() {
    let db = Database::memory().unwrap();
    db.exec(SCHEMA, ()).unwrap();
    let mut session = db.session();
    let before = everything(&mut session);
    let insert = "INSERT INTO t (id, v) VALUES (?, ?)";
    for (error, sqlstate) in [
        (session.execute(insert, params![2]).unwrap_err(), "42P02"),
        (
            session.execute(insert, params![2, "x"]).unwrap_err(),
            "22P02",
        ),
        (
            session.execute(insert, params!["1e", 1]).unwrap_err(),
            "22P02",
        ),
        (
            session.execute(insert, params![i64::MAX, 1]).unwrap_err(),
            "22003",
        ),
        (
            session.execute(insert, params![2, 1, 3]).unwrap_err(),
            "42P02",
        ),
        (
            session
                .execute("SELECT $nope", params! {"other": 1})
                .unwrap_err(),
            "42P02",
        ),
    ] {
        assert_eq!(error.sqlstate(), sqlstate, "{error}");
    }
    assert_eq!(everything(&mut session), before);
}

/// `params![id, v, forgotten]` for `VALUES (?, ?)` used to work and to drop the third value without a word. A value
/// that a single statement does not take is refused, on every way in; the statements of a script share what is given.
#[test]
fn values_that_a_statement_does_not_take_are_refused() {
    let db = Database::memory().unwrap();
    db.exec(SCHEMA, ()).unwrap();
    let mut session = db.session();
    let before = everything(&mut session);
    let insert = "INSERT INTO t (id, v) VALUES (?, ?)";
    let told = |error: Error, taken: &str| {
        assert_eq!(error.sqlstate(), "42P02", "{error}");
        let expected = format!("the statement takes {taken} were given");
        assert_eq!(error.message(), expected);
    };
    let three = || params![2, 1, 3];
    // The second round meets the statement in the cache.
    for _ in 0..2 {
        told(
            session.execute(insert, three()).unwrap_err(),
            "2 parameters, 3",
        );
        told(db.exec(insert, three()).unwrap_err(), "2 parameters, 3");
        told(
            db.submit(insert, three()).map(drop).unwrap_err(),
            "2 parameters, 3",
        );
        let error = db.update(|tx| tx.exec(insert, three()).map(drop));
        told(error.unwrap_err(), "2 parameters, 3");
        let error = db.view(|snap| snap.query("SELECT ?", params![1, 2]).map(drop));
        told(error.unwrap_err(), "1 parameter, 2");
        told(
            db.query("SELECT 1", params![1]).map(drop).unwrap_err(),
            "no parameters, 1",
        );
        for sql in [
            "EXPLAIN SELECT 1",
            "EXPLAIN CREATE MATERIALIZED VIEW w AS SELECT id FROM t",
            "CREATE TABLE other (id INT)",
            "BEGIN",
            "SHOW TABLES",
            "CHECK VIEW s",
            "CHECKPOINT",
            "TAIL s",
            "DROP TABLE loose",
        ] {
            told(
                session.execute(sql, params![7]).unwrap_err(),
                "no parameters, 1",
            );
        }
        told(
            session
                .execute("TAIL s SINCE ?", params!["x", 1])
                .unwrap_err(),
            "1 parameter, 2",
        );
        assert_eq!(everything(&mut session), before);
        db.exec(insert, params![2, 1]).unwrap();
        db.exec("DELETE FROM t WHERE id = ?", params![2]).unwrap();
    }
    session
        .execute(
            "INSERT INTO t (id, v) VALUES ($1, $2); DELETE FROM t WHERE id = $1",
            params![2, 1],
        )
        .unwrap();
    assert_eq!(everything(&mut session), before);
}

/// A closed database on a disk in memory, the rows it has, and the paths of its files.
struct OnDisk {
    vfs: MemoryVfs,
    rows: Vec<Vec<Vec<u8>>>,
}

const FOLDER: &str = "db";

impl OnDisk {
    /// Acknowledged rows in the log only.
    fn crashed() -> Self {
        let vfs = MemoryVfs::new();
        let db = open(&vfs).unwrap();
        db.exec(SCHEMA, ()).unwrap();
        for id in 10..40 {
            db.exec("INSERT INTO t (id, v) VALUES (?, 1)", params![id])
                .unwrap();
        }
        let rows = everything(&mut db.session());
        Self {
            vfs: vfs.crash(),
            rows,
        }
    }

    fn file(&self, folder: &str, ending: &str) -> PathBuf {
        let folder = Path::new(FOLDER).join(folder);
        let names = self.vfs.list(&folder).unwrap();
        let name = names.iter().find(|name| name.ends_with(ending));
        folder.join(name.unwrap_or_else(|| panic!("no {ending} in {names:?}")))
    }

    /// The segment that holds the first record.
    fn segment(&self) -> PathBuf {
        self.file("log", ".seg")
    }

    fn read(&self, path: &Path) -> Vec<u8> {
        let file = self.vfs.open(path, OpenMode::Read).unwrap();
        let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
        file.read_exact_at(&mut bytes, 0).unwrap();
        bytes
    }

    fn write(&self, path: &Path, bytes: &[u8]) {
        let file = self.vfs.open(path, OpenMode::Create).unwrap();
        file.set_len(bytes.len() as u64).unwrap();
        file.write_all_at(bytes, 0).unwrap();
        file.sync_data().unwrap();
        self.vfs.sync_dir(path.parent().unwrap()).unwrap();
    }

    /// Opening fails so; with the file as it was, all rows are there.
    fn refuses(&self, what: &str, path: &Path, damaged: Option<&[u8]>, sqlstates: &[&str]) {
        let whole = self.read(path);
        match damaged {
            Some(bytes) => self.write(path, bytes),
            None => self.vfs.remove(path).unwrap(),
        }
        let error = match open(&self.vfs) {
            Ok(db) => panic!("{what}: opened; {:?}", db.recovery()),
            Err(error) => error,
        };
        println!("{what}: {error}");
        assert!(sqlstates.contains(&error.sqlstate()), "{what}: {error}");
        let blamed = format!("{error} {}", error.object().unwrap_or_default());
        assert!(blamed.contains(FOLDER), "{what}: no file named: {blamed}");
        self.write(path, &whole);
        let db = open(&self.vfs).unwrap_or_else(|error| panic!("{what}, mended: {error}"));
        assert_eq!(everything(&mut db.session()), self.rows, "{what}");
    }
}

fn open(vfs: &MemoryVfs) -> Result<Database, Error> {
    Database::builder()
        .vfs(Arc::new(vfs.clone()))
        .without_background()
        .open(FOLDER)
}

/// Where the first frame's payload is: behind the header block and the frame's own header.
const FIRST_PAYLOAD: usize = 4096 + 32;

#[test]
fn a_log_with_a_wrong_byte_in_the_confirmed_range_is_refused() {
    let disk = OnDisk::crashed();
    let path = disk.segment();
    let mut bytes = disk.read(&path);
    bytes[FIRST_PAYLOAD + 5] ^= 0x40;
    disk.refuses("wrong byte", &path, Some(&bytes), &["XX001"]);
}

#[test]
fn a_log_cut_in_the_confirmed_range_is_refused() {
    let disk = OnDisk::crashed();
    let path = disk.segment();
    let bytes = disk.read(&path);
    // The middle is gone, what was written after it is not.
    let mut holed = bytes.clone();
    holed[4096..8192].fill(0);
    disk.refuses("hole", &path, Some(&holed), &["XX001"]);
}

#[test]
fn a_log_of_a_newer_version_is_refused() {
    let disk = OnDisk::crashed();
    let path = disk.segment();
    let mut bytes = disk.read(&path);
    bytes[8..12].copy_from_slice(&9_u32.to_le_bytes());
    bytes[72..76].fill(0);
    let crc = tailwater_wal::checksum(&bytes[..4096]);
    bytes[72..76].copy_from_slice(&crc.to_le_bytes());
    disk.refuses("newer version", &path, Some(&bytes), &["0A000"]);
}

#[test]
fn a_log_of_another_database_is_refused() {
    let (disk, other) = (OnDisk::crashed(), OnDisk::crashed());
    let path = disk.segment();
    let foreign = other.read(&other.segment());
    disk.refuses("foreign log", &path, Some(&foreign), &["42809"]);
}

#[test]
fn a_storage_file_that_is_missing_or_is_something_else_is_refused() {
    let disk = OnDisk::crashed();
    let path = Path::new(FOLDER).join("data.redb");
    disk.refuses("no storage file", &path, None, &["XX001"]);
    let disk = OnDisk::crashed();
    disk.refuses(
        "text for a storage file",
        &path,
        Some(&b"Dear diary, ".repeat(4000)),
        &["XX001"],
    );
    let disk = OnDisk::crashed();
    let whole = disk.read(&path);
    disk.refuses(
        "half a storage file",
        &path,
        Some(&whole[..whole.len() / 2]),
        &["XX001"],
    );
}

#[test]
fn folders_that_are_no_databases_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("notes.txt");
    std::fs::write(&file, "mine").unwrap();
    let error = Database::open(&file).unwrap_err();
    assert_eq!(error.sqlstate(), "42809", "{error}");
    assert_eq!(error.object(), Some(&*file.display().to_string()));
    let error = Database::open(dir.path()).unwrap_err();
    assert_eq!(error.sqlstate(), "42809", "{error}");
    assert_eq!(error.object(), Some(&*dir.path().display().to_string()));
    let error = Database::open(file.join("below")).unwrap_err();
    assert!(
        matches!(error.sqlstate(), "42809" | "58P01" | "58030"),
        "{error}"
    );
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
}

#[test]
fn a_database_that_is_open_is_locked_and_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let db = Database::open(&path).unwrap();
    db.exec(SCHEMA, ()).unwrap();
    let error = Database::open(&path).unwrap_err();
    assert_eq!(
        (error.sqlstate(), error.kind()),
        ("55006", ErrorKind::Unavailable)
    );
    assert_eq!(error.object(), Some(&*path.display().to_string()));
    db.exec("INSERT INTO t (id, v) VALUES (2, 2)", ()).unwrap();
    drop(db);
    let db = Database::open(&path).unwrap();
    assert_eq!(text(&mut db.session(), "SELECT n FROM s"), "2");
}

#[test]
fn a_folder_that_may_not_be_read_is_refused() {
    let disk = OnDisk::crashed();
    let error = Database::builder()
        .vfs(Arc::new(Denied(disk.vfs.clone())))
        .open(FOLDER)
        .unwrap_err();
    assert_eq!((error.sqlstate(), error.kind()), ("42501", ErrorKind::Io));
    assert!(error.object().unwrap().contains(FOLDER));
    let db = open(&disk.vfs).unwrap();
    assert_eq!(everything(&mut db.session()), disk.rows);
}

/// A full disk used to poison the log: the commit that met it ended in "outcome unknown", and nothing was written again
/// until the database was reopened, however much room there was.
#[test]
fn a_full_disk_is_an_answer_and_heals_when_there_is_room() {
    let vfs = MemoryVfs::new();
    let db = Database::builder()
        .vfs(Arc::new(vfs.clone()))
        .settings(Settings {
            wal: WalSettings {
                segment_bytes: 1 << 20,
                ..WalSettings::default()
            },
            ..Settings::default()
        })
        .without_background()
        .open(FOLDER)
        .unwrap();
    db.exec(SCHEMA, ()).unwrap();
    let mut session = db.session();
    let mut acknowledged = Vec::new();
    let blob = "x".repeat(20_000);
    for round in 0..3_i64 {
        vfs.set_capacity_bytes(vfs.used_bytes() + (256 << 10));
        let mut error = None;
        for id in round * 10_000..(round + 1) * 10_000 {
            let row = params![id + 100, &*blob];
            match session.execute("INSERT INTO loose VALUES {id: ?, text: ?}", row) {
                Ok(_) => acknowledged.push(id + 100),
                Err(failed) => {
                    error = Some(failed);
                    break;
                }
            }
        }
        let error = error.unwrap();
        println!("{} rows, then {error}", acknowledged.len());
        assert_eq!((error.sqlstate(), error.kind()), ("53100", ErrorKind::Io));
        assert!(error.hint().is_some());
        assert_eq!(ids(&mut session), acknowledged, "readers go on");
        // Inside a transaction the commit says so, and the transaction is gone.
        session.execute("BEGIN", ()).unwrap();
        session
            .execute("INSERT INTO loose VALUES {id: 7, text: ?}", params![&*blob])
            .unwrap();
        let error = session.execute("COMMIT", ()).unwrap_err();
        assert_eq!(error.sqlstate(), "53100");
        assert!(!session.in_transaction());
        // A checkpoint that may fill the disk is not begun; it loses nothing.
        vfs.set_capacity_bytes(vfs.used_bytes());
        let error = db.checkpoint().unwrap_err();
        assert_eq!(error.sqlstate(), "53100", "{error}");
        assert_eq!(ids(&mut session), acknowledged);
        // The same handle writes again as soon as there is room.
        vfs.set_capacity_bytes(u64::MAX);
        session
            .execute("INSERT INTO loose VALUES {id: ?}", params![round + 50])
            .unwrap();
        db.checkpoint().unwrap();
    }
    // Full once more, and then the machine goes down.
    vfs.set_capacity_bytes(vfs.used_bytes());
    let large = session.execute(
        "INSERT INTO loose VALUES {id: 6, text: ?}",
        params!["y".repeat(3 << 20)],
    );
    assert_eq!(large.unwrap_err().sqlstate(), "53100");
    let crashed = vfs.crash();
    crashed.set_capacity_bytes(u64::MAX);
    let db = open(&crashed).unwrap();
    assert_eq!(ids(&mut db.session()), acknowledged);
    assert_eq!(
        text(
            &mut db.session(),
            "SELECT count(*) FROM loose WHERE id >= 50 AND id < 53"
        ),
        "3"
    );
    db.exec("INSERT INTO t (id, v) VALUES (5000, 1)", ())
        .unwrap();
}

fn ids(session: &mut Session) -> Vec<i64> {
    let sql = "SELECT id FROM loose WHERE id >= 100 ORDER BY id";
    let rows = rows(session, sql, ()).unwrap();
    rows.iter()
        .map(|row| tailwater::FromValue::from_value(&row[0]).unwrap())
        .collect()
}

/// Writers and the threads of the database, on a disk that is full every now and then.
#[test]
fn writers_on_a_disk_that_comes_and_goes_lose_nothing() {
    let vfs = MemoryVfs::new();
    let mut settings = Settings::default();
    settings.wal.segment_bytes = 256 << 10;
    settings.wal.retain_bytes_max = 0;
    settings.store.memtable_soft_bytes = 100 << 10;
    settings.store.memtable_hard_bytes = 1 << 30;
    let db = Database::builder()
        .vfs(Arc::new(vfs.clone()))
        .settings(settings)
        .open(FOLDER)
        .unwrap();
    db.exec(SCHEMA, ()).unwrap();
    let blob = "x".repeat(5_000);
    let (mut acknowledged, mut refused) = (Vec::new(), 0);
    for id in 100..1_100_i64 {
        match id % 200 {
            50 => vfs.set_capacity_bytes(vfs.used_bytes() + (100 << 10)),
            150 => vfs.set_capacity_bytes(u64::MAX),
            _ => {}
        }
        let insert = || {
            let sql = "INSERT INTO loose VALUES {id: ?, text: ?}";
            db.exec(sql, params![id, &*blob])
        };
        // The storage file may be opened anew at this moment.
        let mut done = insert();
        while done.as_ref().is_err_and(Error::is_retryable) {
            done = insert();
        }
        match done {
            Ok(_) => acknowledged.push(id),
            Err(error) => {
                assert_eq!(error.sqlstate(), "53100", "{error}");
                refused += 1;
            }
        }
    }
    println!("{} rows, {refused} refused", acknowledged.len());
    assert!(refused > 0);
    vfs.set_capacity_bytes(u64::MAX);
    db.checkpoint().unwrap();
    assert_eq!(ids(&mut db.session()), acknowledged);
    drop(db);
    let db = open(&vfs.crash()).unwrap();
    assert_eq!(ids(&mut db.session()), acknowledged);
}

#[test]
fn a_failing_sync_leaves_the_outcome_open_and_stops_writes() {
    for write in [true, false] {
        let vfs = MemoryVfs::new();
        let db = open(&vfs).unwrap();
        db.exec(SCHEMA, ()).unwrap();
        let mut session = db.session();
        let before = everything(&mut session);
        if write {
            vfs.fail_write_after(0);
        } else {
            vfs.fail_sync_after(0);
        }
        let error = session
            .execute("INSERT INTO t (id, v) VALUES (2, 2)", ())
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CommitOutcomeUnknown, "{error}");
        assert_eq!(error.sqlstate(), "40003");
        let error = session
            .execute("INSERT INTO t (id, v) VALUES (3, 3)", ())
            .unwrap_err();
        assert_eq!(
            (error.kind(), error.sqlstate()),
            (ErrorKind::Unavailable, "58030")
        );
        assert!(error.hint().is_some());
        assert_eq!(everything(&mut session), before, "readers go on");
        drop(session);
        drop(db);
        let db = open(&vfs.crash()).unwrap();
        let n = text(&mut db.session(), "SELECT count(*) FROM t WHERE id = 3");
        assert_eq!(n, "0", "what was refused is not there");
        assert_eq!(
            text(&mut db.session(), "SELECT count(*) FROM t WHERE id = 1"),
            "1"
        );
        assert!(text(&mut db.session(), "CHECK VIEW s").contains("|0|"));
    }
}
