//! New versions of a module on filled tables: which follow from the one before, what they do to the rows, and why others are
//! refused. The rows of the table below are those of the rules in MODULES.md.
#![cfg(feature = "modules")]
#![allow(clippy::unwrap_used)]

mod versions;

use std::sync::atomic::{AtomicBool, Ordering};

use tailwater::module::ModuleSource;
use tailwater::{Database, FeedEvent, FeedRequest};
use versions::{FOLLOWS, REFUSED, module};

/// A message `Item` with a key and other fields.
fn item(fields: &str) -> ModuleSource {
    module(&format!("message Item {{ string id = 1; {fields} }}"))
}

fn rows(db: &Database) -> String {
    let rows = db.query("SELECT * FROM item ORDER BY id", ()).unwrap();
    let rows: Vec<String> = rows
        .map(|row| row.unwrap().to_document().to_string())
        .collect();
    rows.join(" ")
}

fn objects(db: &Database) -> Vec<(String, String, Option<String>)> {
    let sql = "SELECT kind, name, sql FROM tailwater.objects ORDER BY kind, name";
    db.query(sql, ()).unwrap().rows_as().unwrap()
}

#[test]
fn what_follows_keeps_the_rows() {
    for (what, before, row, after, expected) in FOLLOWS {
        let db = Database::memory().unwrap();
        db.install_module(&item(before)).unwrap();
        db.exec(&format!("INSERT INTO item VALUES {row}"), ())
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        let mut feed = db
            .subscribe(FeedRequest::of("item").without_snapshot())
            .unwrap();
        db.install_module(&item(after))
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(rows(&db), *expected, "{what}");
        // The tables are those of a database that never knew the version before.
        let fresh = Database::memory().unwrap();
        fresh.install_module(&item(after)).unwrap();
        let columns =
            "SELECT name, type, not_null, \"default\" FROM tailwater.columns ORDER BY name";
        let told = |db: &Database| -> Vec<(String, String, bool, Option<String>)> {
            db.query(columns, ()).unwrap().rows_as().unwrap()
        };
        assert_eq!(told(&db), told(&fresh), "{what}");
        let indexes = "SHOW INDEXES";
        let told = |db: &Database| -> Vec<(String, String, String, bool, bool)> {
            db.query(indexes, ()).unwrap().rows_as().unwrap()
        };
        assert_eq!(told(&db), told(&fresh), "{what}");
        while let Some(event) = feed.try_recv().unwrap() {
            assert!(!matches!(event, FeedEvent::Reset { .. }), "{what}");
        }
        assert!(db.check().unwrap().damages.is_empty(), "{what}");
    }
}

#[test]
fn what_does_not_follow_says_why_and_changes_nothing() {
    for (before, after, why) in REFUSED {
        let db = Database::memory().unwrap();
        db.install_module(&item(before)).unwrap();
        db.exec("INSERT INTO item (id) VALUES ('a')", ()).unwrap();
        let (objects_before, rows_before) = (objects(&db), rows(&db));
        match db.install_module(&item(after)) {
            Ok(_) => assert!(why.is_empty(), "{after}"),
            Err(error) => {
                let head = "the new version does not follow from the one that is installed: ";
                assert_eq!(
                    (error.sqlstate(), error.message()),
                    ("0A000", format!("{head}{why}").as_str())
                );
                assert_eq!((objects(&db), rows(&db)), (objects_before, rows_before));
            }
        }
    }
    // Rows that do not meet a new condition refuse it, too.
    let db = Database::memory().unwrap();
    db.install_module(&item("optional string s = 2; optional int32 n = 3;"))
        .unwrap();
    db.exec("INSERT INTO item VALUES {id: 'a', s: 'x', n: 1}", ())
        .unwrap();
    let error = db
        .install_module(&item("oneof either { string s = 2; int32 n = 3; }"))
        .unwrap_err();
    assert_eq!(error.sqlstate(), "23514");
}

#[test]
fn views_that_read_a_table_follow_its_changes() {
    let db = Database::memory().unwrap();
    let with_view = |fields: &str, query: &str| {
        module(&format!(
            "message Item {{ string id = 1; {fields} }}
             message Count {{ option (tailwater.v1.table) = {{ view: \"{query}\" index: {{ columns: [\"n\"] }} }}; int32 n = 1; int64 items = 2; }}"
        ))
    };
    db.install_module(&with_view(
        "int32 n = 2;",
        "SELECT n, count(*) AS items FROM item GROUP BY n",
    ))
    .unwrap();
    db.exec("CREATE MATERIALIZED VIEW total AS SELECT sum(items) AS items FROM count; CREATE VIEW ids AS SELECT id FROM item", ()).unwrap();
    db.exec(
        "INSERT INTO item VALUES {id: 'a', n: 1}, {id: 'b', n: 1}",
        (),
    )
    .unwrap();
    // Widened: nobody's text changes.
    db.install_module(&with_view(
        "int64 n = 2;",
        "SELECT n, count(*) AS items FROM item GROUP BY n",
    ))
    .unwrap();
    db.exec("INSERT INTO item VALUES {id: 'c', n: 5000000000}", ())
        .unwrap();
    let count = |sql: &str| -> i64 { db.query(sql, ()).unwrap().scalar().unwrap() };
    assert_eq!(
        (
            count("SELECT items FROM total"),
            count("SELECT items FROM count WHERE n = 1")
        ),
        (3, 2)
    );
    // Renamed: the module's own view says the new name, and the view of a user never named it.
    db.install_module(&with_view(
        "int64 k = 2;",
        "SELECT k AS n, count(*) AS items FROM item GROUP BY k",
    ))
    .unwrap();
    assert_eq!(
        (
            count("SELECT items FROM total"),
            count("SELECT count(*) FROM ids")
        ),
        (3, 3)
    );
    // A user's view that names what goes refuses it by its name; one that names what has another name does not.
    db.exec(
        "CREATE MATERIALIZED VIEW big AS SELECT id FROM item WHERE k > 10",
        (),
    )
    .unwrap();
    db.install_module(&with_view(
        "int64 m = 2;",
        "SELECT m AS n, count(*) AS items FROM item GROUP BY m",
    ))
    .unwrap();
    assert_eq!(count("SELECT count(*) FROM big"), 1);
    let before = objects(&db);
    let error = db
        .install_module(&with_view(
            "reserved 2; reserved \"m\";",
            "SELECT 0 AS n, count(*) AS items FROM item",
        ))
        .unwrap_err();
    assert_eq!(
        (error.sqlstate(), error.message()),
        (
            "42703",
            "column \"m\" does not exist, in CREATE MATERIALIZED VIEW big (id) AS SELECT id FROM item WHERE m > 10;"
        )
    );
    assert_eq!(objects(&db), before);
    assert!(db.check().unwrap().damages.is_empty());
}

#[test]
fn indexes_and_checks_follow_their_fields() {
    let unique = "option (tailwater.v1.table) = { index: { name: \"only\" columns: [\"code\"] unique: true } };";
    let twice = |db: &Database, column: &str| -> String {
        let insert = |id: &str| {
            db.exec(
                &format!("INSERT INTO item (id, {column}) VALUES ('{id}', 7)"),
                (),
            )
        };
        insert("x").unwrap();
        insert("y").unwrap_err().sqlstate().to_owned()
    };
    // The column is another one, of the same name.
    let db = Database::memory().unwrap();
    db.install_module(&item(&format!("{unique} string code = 2;")))
        .unwrap();
    db.install_module(&item(&format!("{unique} int64 code = 3;")).dropping("item.code"))
        .unwrap();
    assert_eq!(twice(&db, "code"), "23505");
    // The name went to another column.
    let db = Database::memory().unwrap();
    db.install_module(&item(&format!("{unique} int32 code = 2;")))
        .unwrap();
    db.install_module(&item(&format!(
        "{unique} int32 old_code = 2; int32 code = 3;"
    )))
    .unwrap();
    assert_eq!(twice(&db, "code"), "23505");
    // Names exchanged: the condition is about the names.
    let db = Database::memory().unwrap();
    let checked = "option (tailwater.v1.table) = { check: \"n >= k\" };";
    db.install_module(&item(&format!("{checked} int32 n = 2; int32 k = 3;")))
        .unwrap();
    db.install_module(&item(&format!("{checked} int32 k = 2; int32 n = 3;")))
        .unwrap();
    db.exec("INSERT INTO item (id, n, k) VALUES ('a', 2, 1)", ())
        .unwrap();
    assert_eq!(
        db.exec("INSERT INTO item (id, n, k) VALUES ('b', 1, 2)", ())
            .unwrap_err()
            .sqlstate(),
        "23514"
    );
}

#[test]
fn views_with_quoted_names_and_views_in_any_order_come_back() {
    let version = |field: &str, counted: &str| {
        module(&format!(
            "message Item {{ string id = 1; int32 {field} = 2; }}
             message Big {{ option (tailwater.v1.table) = {{ name: \"Big Ones\" view: \"SELECT n FROM base\" }}; int32 n = 1; }}
             message Base {{ option (tailwater.v1.table) = {{ view: \"SELECT {counted} AS n FROM item\" }}; int32 n = 1; }}"
        ))
    };
    let db = Database::memory().unwrap();
    // Made in the order that works, then told in the other.
    db.exec("CREATE TABLE item (id TEXT PRIMARY KEY, k INT); CREATE MATERIALIZED VIEW base AS SELECT k AS n FROM item; CREATE MATERIALIZED VIEW \"Big Ones\" AS SELECT n FROM base; CREATE VIEW \"Ids\" AS SELECT id FROM item", ())
        .unwrap();
    db.install_module(&version("k", "k")).unwrap();
    db.install_module(&version("k", "k + 1")).unwrap();
    db.install_module(&version("renamed", "renamed + 1"))
        .unwrap();
    db.exec("INSERT INTO item VALUES ('a', 4)", ()).unwrap();
    let n: i64 = db
        .query(
            "SELECT n FROM \"Big Ones\" WHERE EXISTS (SELECT 1 FROM \"Ids\")",
            (),
        )
        .unwrap()
        .scalar()
        .unwrap();
    assert_eq!(n, 5);
}

#[test]
fn up_down_and_up_again_is_the_same() {
    let db = Database::memory().unwrap();
    let (one, two) = (
        item("int32 n = 2; string s = 3;"),
        item(
            "int32 count = 2; string s = 3; repeated string tags = 4; oneof price { int64 cents = 5; string asked = 6; }",
        ),
    );
    db.install_module(&one).unwrap();
    db.exec("INSERT INTO item VALUES {id: 'a', n: 1, s: 'x'}", ())
        .unwrap();
    db.install_module(&two).unwrap();
    let up = (objects(&db), rows(&db));
    let down = ["item.tags", "item.cents", "item.asked"]
        .iter()
        .fold(one, |one, column| one.dropping(*column));
    db.install_module(&down).unwrap();
    assert_eq!(rows(&db), r#"{"id": "a", "n": 1, "s": "x"}"#);
    db.install_module(&two).unwrap();
    assert_eq!((objects(&db), rows(&db)), up);
}

#[test]
fn writers_go_on_while_versions_come() {
    let folder = tempfile::tempdir().unwrap();
    let db = Database::open(folder.path()).unwrap();
    db.install_module(&item("int32 n = 2;")).unwrap();
    let mut feed = db
        .subscribe(FeedRequest::of("item").without_snapshot())
        .unwrap();
    let done = AtomicBool::new(false);
    let written = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut written = 0_i64;
            while !done.load(Ordering::Relaxed) {
                let sql = "INSERT INTO item (id) VALUES (?)";
                match db.exec(sql, tailwater::params![format!("{written:06}")]) {
                    Ok(_) => written += 1,
                    Err(error) => assert!(error.is_retryable(), "{error}"),
                }
            }
            written
        });
        for version in 3..20 {
            let fields: String = (3..=version)
                .map(|n| format!("int64 f{n}_{} = {n};", version % 2))
                .collect();
            db.install_module(&item(&format!("int64 n = 2; {fields}")))
                .unwrap();
        }
        done.store(true, Ordering::Relaxed);
        writer.join().unwrap()
    });
    let count: i64 = db
        .query("SELECT count(*) FROM item WHERE f3_1 = 0 AND f19_1 = 0", ())
        .unwrap()
        .scalar()
        .unwrap();
    assert_eq!(count, written);
    let mut seen = 0;
    while let Some(event) = feed.try_recv().unwrap() {
        match event {
            FeedEvent::Frame(frame) => {
                let is_new =
                    |change: &&tailwater::FeedChange| change.op == tailwater::FeedOp::Insert;
                seen += frame.changes.iter().filter(is_new).count();
            }
            FeedEvent::Reset { reason, .. } => panic!("{reason}"),
            _ => {}
        }
    }
    assert_eq!(i64::try_from(seen).unwrap(), written);
}

/// The key was compared by the words it was made with: another name of its field was refused, and so was a field whose
/// name must be quoted.
#[test]
fn a_field_of_the_key_gets_another_name() {
    let version = |key: &str| {
        module(&format!(
            "message Item {{ option (tailwater.v1.table) = {{ primary_key: [\"{key}\"] index: {{ columns: [\"{key}\", \"n\"] }} }};
             string {key} = 1; int32 n = 2; }}"
        ))
    };
    let db = Database::memory().unwrap();
    db.install_module(&version("id")).unwrap();
    db.exec("INSERT INTO item VALUES ('a', 1)", ()).unwrap();
    for key in ["code", "order", "id"] {
        db.install_module(&version(key)).unwrap();
        let fresh = Database::memory().unwrap();
        fresh.install_module(&version(key)).unwrap();
        assert_eq!(objects(&db), objects(&fresh));
        let told = |db: &Database| -> Vec<(String, String, String, bool, bool)> {
            db.query("SHOW INDEXES", ()).unwrap().rows_as().unwrap()
        };
        assert_eq!(told(&db), told(&fresh));
    }
    let again = db.exec("INSERT INTO item VALUES ('a', 2)", ());
    assert_eq!(again.unwrap_err().sqlstate(), "23505");
}
