//! Modules installed: what is made, what is found fit, what stands in the way, and that all of it is one transaction.
#![cfg(feature = "modules")]
#![allow(clippy::unwrap_used)]

use tailwater::module::ModuleSource;
use tailwater::{Database, FeedRequest};

const CHAT: &str = r#"syntax = "proto3";
option go_package = "./chatpb";
package chatpb;

service ChatService {
  rpc JoinChannel(Channel) returns (stream Message) {}
  rpc SendMessage(stream Message) returns (MessageAck) {}
}
message Channel    { string name = 1; string senders_name = 2; }
message Message    { string sender = 1; Channel channel = 2; string message = 3; }
message MessageAck { string status = 1; }
"#;

fn source(text: &str) -> ModuleSource {
    ModuleSource::new("m.proto", text)
}

fn proto(body: &str) -> ModuleSource {
    source(&format!("syntax = \"proto3\"; package m;\n{body}"))
}

/// All objects, with the statements that make them.
fn objects(db: &Database) -> Vec<(String, String, Option<String>)> {
    let sql = "SELECT kind, name, sql FROM tailwater.objects ORDER BY kind, name";
    db.query(sql, ()).unwrap().rows_as().unwrap()
}

fn refused(db: &Database, source: &ModuleSource) -> String {
    let before = objects(db);
    let error = db.install_module(source).unwrap_err();
    assert_eq!(objects(db), before, "a refused module leaves no trace");
    format!("{} {}", error.sqlstate(), error.message())
}

#[test]
fn a_module_survives_a_restart_and_makes_itself_again() {
    let folder = tempfile::tempdir().unwrap();
    let db = Database::open(folder.path()).unwrap();
    db.install_module(&ModuleSource::new("chat.proto", CHAT))
        .unwrap();
    db.exec(
        "INSERT INTO message (sender, channel, message) VALUES ('ada', {name: 'tea'}, 'hello')",
        (),
    )
    .unwrap();
    let made = objects(&db);
    let module = made.iter().find(|(kind, ..)| kind == "module").unwrap();
    assert_eq!(module.1, "chatpb");
    drop(db);
    let db = Database::open(folder.path()).unwrap();
    assert_eq!(objects(&db), made);
    assert!(db.check().unwrap().damages.is_empty());

    // What `.dump` writes: tables first, then the module, which finds them.
    let copy = Database::memory().unwrap();
    for kind in ["table", "index", "module"] {
        for (_, _, sql) in made.iter().filter(|(own, ..)| own == kind) {
            copy.exec(sql.as_ref().unwrap(), ()).unwrap();
        }
    }
    assert_eq!(objects(&copy), made);
    // The same version again changes nothing.
    db.install_module(&ModuleSource::new("chat.proto", CHAT))
        .unwrap();
    assert_eq!(objects(&db), made);
}

#[test]
fn it_is_sql_like_the_rest() {
    let db = Database::memory().unwrap();
    let create = "MODULE IF NOT EXISTS chat.v1 AS $$syntax = \"proto3\"; import \"other.proto\"; message A { string id = 1; b.B b = 2; }$$
        IMPORT 'other.proto' AS 'syntax = \"proto3\"; package b; message B { int32 n = 1; }'";
    db.exec(&format!("CREATE {create}"), ()).unwrap();
    db.exec(&format!("CREATE {create}"), ()).unwrap();
    let again = db.exec("CREATE MODULE chat.v1 AS 'x'", ()).unwrap_err();
    assert_eq!((again.sqlstate(), again.position()), ("42710", Some(14)));
    let shown: String = db
        .query("SHOW CREATE MODULE chat.v1", ())
        .unwrap()
        .scalar()
        .unwrap();
    assert!(
        shown.starts_with("CREATE OR REPLACE MODULE chat.v1 FILE 'chat.v1.proto' AS $proto$syntax"),
        "{shown}"
    );
    db.exec("BEGIN; DROP MODULE chat.v1; ROLLBACK", ()).unwrap();
    db.exec("DROP MODULE chat.v1", ()).unwrap();
    assert_eq!(
        db.exec("DROP MODULE chat.v1", ()).unwrap_err().sqlstate(),
        "42704"
    );
    db.exec("DROP MODULE IF EXISTS chat.v1", ()).unwrap();
    db.exec("INSERT INTO a (id) VALUES ('its tables stay')", ())
        .unwrap();
    for (wrong, state) in [
        ("CREATE MODULE m AS 'syntax = \"proto3\"; messag'", "42601"),
        ("CREATE MODULE m AS 1", "42601"),
        ("CREATE MODULE AS 'x'", "42601"),
        ("CREATE MODULE m FILE AS 'x'", "42601"),
        ("ALTER MODULE m RENAME TO n", "42704"),
    ] {
        assert_eq!(db.exec(wrong, ()).unwrap_err().sqlstate(), state, "{wrong}");
    }
}

#[test]
fn texts_of_any_kind_stand_between_dollars() {
    for comment in [
        "",
        "$",
        "$proto$",
        "$$ $proto1$ $proto$",
        "it's ü",
        "$proto",
        "\\",
    ] {
        let text = format!("syntax = \"proto3\"; message A {{ string id = 1; }} //{comment}");
        let db = Database::memory().unwrap();
        db.install_module(&source(&text)).unwrap();
        let sql = objects(&db)
            .into_iter()
            .find(|(kind, ..)| kind == "module")
            .unwrap()
            .2
            .unwrap();
        let copy = Database::memory().unwrap();
        copy.exec(&sql, ()).unwrap();
        assert_eq!(objects(&copy), objects(&db), "{comment}");
    }
}

#[test]
fn what_a_module_stands_on_stays_as_it_is() {
    let db = Database::memory().unwrap();
    db.install_module(&proto("message Item { string id = 1; int64 cents = 2; }"))
        .unwrap();
    for wrong in [
        "DROP TABLE item",
        "ALTER TABLE item RENAME TO things",
        "ALTER TABLE item RENAME COLUMN cents TO price",
        "ALTER TABLE item DROP COLUMN cents",
        "ALTER TABLE item ALTER COLUMN cents TYPE NUMERIC",
    ] {
        let error = db.exec(wrong, ()).unwrap_err();
        assert_eq!(error.sqlstate(), "2BP01", "{wrong}");
        assert!(
            error
                .message()
                .ends_with("because module \"m\" depends on it"),
            "{error}"
        );
    }
    // What is beside it is free.
    db.exec(
        "ALTER TABLE item ADD COLUMN note TEXT; ALTER TABLE item RENAME COLUMN note TO remark",
        (),
    )
    .unwrap();
    db.exec(
        "ALTER TABLE item DROP COLUMN remark; CREATE INDEX by_cents ON item (cents)",
        (),
    )
    .unwrap();
    db.exec("DROP TABLE item CASCADE", ()).unwrap();
    assert_eq!(objects(&db), []);
}

#[test]
fn tables_that_are_there_are_taken_if_they_fit() {
    let message = "message Item { string id = 1; int32 cents = 2; }";
    for (table, expected) in [
        (
            "CREATE TABLE item (id CHAR(32) PRIMARY KEY, cents BIGINT, more TEXT)",
            "",
        ),
        ("CREATE TABLE item (id TEXT PRIMARY KEY, ...)", ""),
        (
            "CREATE TABLE item (id TEXT PRIMARY KEY)",
            "42P07 table \"item\" is there already and cannot hold rows of m.Item: it has no column cents",
        ),
        (
            "CREATE TABLE item (id TEXT PRIMARY KEY, cents TEXT)",
            "42P07 table \"item\" is there already and cannot hold rows of m.Item: its column cents is text, the field cents wants integer",
        ),
        (
            "CREATE TABLE item (id TEXT, cents INT PRIMARY KEY)",
            "42P07 table \"item\" is there already and cannot hold rows of m.Item: its primary key is (cents), the module wants (id)",
        ),
        (
            "CREATE TABLE x (id TEXT PRIMARY KEY, cents INT); CREATE MATERIALIZED VIEW item AS SELECT * FROM x",
            "42P07 materialized view \"item\" is there already and cannot hold rows of m.Item: the module wants a table",
        ),
    ] {
        let db = Database::memory().unwrap();
        db.exec(table, ()).unwrap();
        if expected.is_empty() {
            db.install_module(&proto(message)).unwrap();
        } else {
            assert_eq!(refused(&db, &proto(message)), expected);
        }
    }
}

#[test]
fn options_hold_for_tables_that_were_there() {
    let db = Database::memory().unwrap();
    db.exec("CREATE TABLE item (id TEXT PRIMARY KEY, cents INT, unit TEXT); INSERT INTO item VALUES ('tea', 450, 'kg')", ())
        .unwrap();
    let annotated = proto(
        "import \"tailwater/v1/options.proto\"; message Item { option (tailwater.v1.table) = { index: { columns: [\"cents\"] } check: \"cents < 1000\" };
         string id = 1; int32 cents = 2; string unit = 3 [(tailwater.v1.column) = { default: \"'g'\" }]; }",
    );
    db.install_module(&annotated).unwrap();
    db.exec("INSERT INTO item (id, cents) VALUES ('salt', 90)", ())
        .unwrap();
    let unit: String = db
        .query("SELECT unit FROM item WHERE id = 'salt'", ())
        .unwrap()
        .scalar()
        .unwrap();
    assert_eq!(unit, "g");
    let dear = db
        .exec("INSERT INTO item VALUES ('gold', 1000, 'g')", ())
        .unwrap_err();
    assert_eq!(dear.sqlstate(), "23514");
    assert!(
        objects(&db)
            .iter()
            .any(|(kind, name, _)| kind == "index" && name == "item_cents_idx")
    );
    let before = objects(&db);
    db.install_module(&annotated).unwrap();
    assert_eq!(objects(&db), before);
}

#[test]
fn other_objects_of_the_same_names_are_not_believed() {
    let indexed = "import \"tailwater/v1/options.proto\"; message Item { option (tailwater.v1.table) = { index: { name: \"by_code\" columns: [\"code\"] unique: true } };
        string id = 1; string code = 2; }";
    let viewed = "import \"tailwater/v1/options.proto\"; message Item { string id = 1; string code = 2; }
        message Codes { option (tailwater.v1.table) = { view: \"SELECT code FROM item\" }; string code = 1; }";
    for (module, before, expected) in [
        (
            indexed,
            "CREATE INDEX by_code ON item (code)",
            "42P07 \"by_code\" is there already, and is another index",
        ),
        (
            indexed,
            "CREATE TABLE by_code (id INT)",
            "42P07 \"by_code\" is there already, and is another index",
        ),
        (
            viewed,
            "CREATE MATERIALIZED VIEW codes AS SELECT id AS code FROM item",
            "42P07 \"codes\" is there already, and has another query",
        ),
        (indexed, "CREATE UNIQUE INDEX by_code ON item (code)", ""),
        (
            viewed,
            "CREATE MATERIALIZED VIEW codes AS SELECT code FROM item",
            "",
        ),
    ] {
        let db = Database::memory().unwrap();
        db.exec("CREATE TABLE item (id TEXT PRIMARY KEY, code TEXT)", ())
            .unwrap();
        db.exec(before, ()).unwrap();
        match expected {
            "" => _ = db.install_module(&proto(module)).unwrap(),
            _ => assert_eq!(refused(&db, &proto(module)), expected),
        }
    }
}

#[test]
fn two_files_of_one_package_are_two_modules() {
    let db = Database::memory().unwrap();
    db.install_module(&ModuleSource::new(
        "users.proto",
        "syntax = \"proto3\"; package acme; message User { string id = 1; }",
    ))
    .unwrap();
    let orders = ModuleSource::new(
        "orders.proto",
        "syntax = \"proto3\"; package acme; message Order { string id = 1; }",
    );
    assert_eq!(
        refused(&db, &orders),
        "42710 module \"acme\" was installed from users.proto, and orders.proto has none of its messages and services"
    );
    db.exec(&orders.sql("acme_orders"), ()).unwrap();
    // Both stand on one table: what either needs stays.
    let more = ModuleSource::new("more.proto", "syntax = \"proto3\"; package more; import \"tailwater/v1/options.proto\";
        message U { option (tailwater.v1.table) = { name: \"user\" }; string id = 1; string mail = 2; }");
    db.exec(
        "ALTER TABLE user ADD COLUMN mail TEXT NOT NULL DEFAULT ''",
        (),
    )
    .unwrap();
    db.install_module(&more).unwrap();
    assert_eq!(
        db.exec("ALTER TABLE user DROP COLUMN mail", ())
            .unwrap_err()
            .sqlstate(),
        "2BP01"
    );
}

#[test]
fn a_method_is_one_modules() {
    let db = Database::memory().unwrap();
    let service = "service S { rpc Send(stream Item) returns (Done); } message Item { string id = 1; } message Done {}";
    db.exec(&proto(service).sql("one"), ()).unwrap();
    let error = db.exec(&proto(service).sql("two"), ()).unwrap_err();
    assert_eq!(
        error.message(),
        "method /m.S/Send is module \"one\"'s already"
    );
}

#[test]
fn bindings_that_could_never_run_are_refused() {
    let db = Database::memory().unwrap();
    let with = |sql: &str| {
        proto(&format!(
            "import \"tailwater/v1/options.proto\"; message Item {{ string id = 1; }} message Of {{ string id = 1; }}
             service S {{ rpc Put(stream Item) returns (Of); rpc Find(Of) returns (Item) {{ option (tailwater.v1.bind) = {{ query: \"{sql}\" }}; }} }}"
        ))
    };
    assert_eq!(
        refused(&db, &with("SELECT nam FROM item WHERE id = :id")),
        "42703 /m.S/Find: column \"nam\" does not exist, in SELECT nam FROM item WHERE id = :id"
    );
    assert!(refused(&db, &with("SELEKT")).starts_with("42601 /m.S/Find: "));
    db.install_module(&with("SELECT id FROM item WHERE id = :id"))
        .unwrap();
}

#[test]
fn a_new_version_is_one_commit_and_open_feeds_go_on() {
    let db = Database::memory().unwrap();
    db.install_module(&proto("message Item { string id = 1; int32 cents = 2; }"))
        .unwrap();
    let mut feed = db
        .subscribe(FeedRequest::of("item").without_snapshot())
        .unwrap();
    db.exec("INSERT INTO item VALUES ('tea', 450)", ()).unwrap();
    let lsn = db.visible_lsn();
    db.install_module(&proto(
        "message Item { string id = 1; int32 price = 2; string unit = 3; }",
    ))
    .unwrap();
    assert_eq!(db.visible_lsn(), lsn.next());
    db.exec("INSERT INTO item VALUES ('salt', 90, 'kg')", ())
        .unwrap();
    let mut seen = Vec::new();
    while let Some(event) = feed.try_recv().unwrap() {
        match event {
            tailwater::FeedEvent::Frame(frame) => {
                seen.extend(
                    frame
                        .changes
                        .iter()
                        .map(|c| c.after.clone().unwrap_or_default().to_string()),
                );
            }
            tailwater::FeedEvent::Progress { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(seen.first().unwrap(), "{\"id\": \"tea\", \"cents\": 450}");
    assert_eq!(
        seen.last().unwrap(),
        "{\"id\": \"salt\", \"price\": 90, \"unit\": \"kg\"}"
    );
}
