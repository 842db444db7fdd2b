//! `tailwater module check` as its users meet it, and the options of modules as protoc reads them.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod common;

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use common::{database, run};

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

const ANNOTATED: &str = r#"syntax = "proto3";
import "tailwater/v1/options.proto";
import "shared/point.proto";
service Places {
  rpc Near(Point) returns (stream Place) {
    option (tailwater.v1.bind) = { subscribe: "SELECT * FROM places WHERE at.x = :x" };
  }
  rpc Guess(Place) returns (Place);
}
message Place {
  option (tailwater.v1.table) = { name: "places" index: { columns: ["at.x", "at.y"] } };
  string id = 1;
  Point at = 2;
  string note = 3 [(tailwater.v1.column) = { default: "'none'" check: "length(note) < 100" }];
}
"#;

fn write(dir: &Path, name: &str, text: &str) -> String {
    let path = dir.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[test]
fn a_module_is_shown_before_anything_is_done() {
    let (dir, db) = database();
    let chat = write(dir.path(), "chat.proto", CHAT);
    let shown = run(&["module", "check", &chat]).ok();
    for line in [
        "table message of chatpb.Message: JoinChannel sends a stream of it",
        "rpc /chatpb.ChatService/JoinChannel streams SELECT * FROM message WHERE channel.name = :name ORDER BY seq",
        "rpc /chatpb.ChatService/SendMessage stores each message in message",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line}\n{shown}");
    }
    // What it shows runs.
    let sql = shown.split_once("\n\n").unwrap().1;
    let text =
        "INSERT INTO message (sender, channel, message) VALUES ('ada', {name: 'rust'}, 'hello')";
    let select = "SELECT message FROM message WHERE channel.name = 'rust' ORDER BY seq";
    let said = run(&[&db, "--mode", "list", "-c", sql, "-c", text, "-c", select]).ok();
    assert_eq!(said.trim(), "hello");
}

#[test]
fn what_is_unbound_and_what_is_wrong_is_told_by_the_exit_code() {
    let dir = tempfile::tempdir().unwrap();
    let places = write(dir.path(), "places.proto", ANNOTATED);
    let missing = run(&["module", "check", &places]);
    assert_eq!(missing.code, 1, "{missing:?}");
    assert!(
        missing
            .err
            .contains("places.proto:3:1: import 'shared/point.proto' not found"),
        "{missing:?}"
    );
    let include = dir.path().join("include");
    write(
        &include,
        "shared/point.proto",
        "syntax = \"proto3\"; message Point { double x = 1; double y = 2; }",
    );
    let found = run(&[
        "module",
        "check",
        &places,
        "-I",
        &include.display().to_string(),
    ]);
    assert_eq!(found.code, 3, "{found:?}");
    assert!(
        found
            .out
            .contains("rpc /Places/Guess unbound: Guess does not begin with"),
        "{found:?}"
    );
    assert!(
        found
            .out
            .contains("CREATE INDEX places_at_x_at_y_idx ON places (at.x, at.y)")
    );
    let nothing = run(&["module", "check", "nothing.proto"]);
    assert!(
        nothing.code == 1 && nothing.err.contains("reading nothing.proto"),
        "{nothing:?}"
    );
}

/// `PROTOC` names it, or it is looked for among the commands; where `PROTOC` is set it must be there.
#[test]
fn protoc_reads_the_options() {
    let dir = tempfile::tempdir().unwrap();
    let files = dir.path().join("protos");
    run(&["proto", "export", &files.display().to_string()]).ok();
    write(&files, "places.proto", ANNOTATED);
    write(
        &files,
        "shared/point.proto",
        "syntax = \"proto3\"; message Point { double x = 1; double y = 2; }",
    );
    let named = std::env::var_os("PROTOC").filter(|name| !name.is_empty());
    let output = Command::new(named.as_deref().unwrap_or(OsStr::new("protoc")))
        .arg(format!("-I{}", files.display()))
        .arg(format!("-o{}", dir.path().join("set.pb").display()))
        .arg("places.proto")
        .output();
    match output {
        Ok(output) => assert!(output.status.success(), "{output:?}"),
        Err(error) if named.is_none() => {
            println!("skipped: protoc is not there ({error}); PROTOC can name it")
        }
        Err(error) => panic!("PROTOC: {error}"),
    }
}

/// What it was refused with.
fn refused(args: &[&str]) -> String {
    let ran = run(args);
    assert_eq!(ran.code, 1, "{ran:?}");
    ran.err
}

const SHOP: [&str; 2] = [
    "syntax = \"proto3\"; package shop.v1; message Item { string id = 1; int32 cents = 2; }",
    "syntax = \"proto3\"; package shop.v1; message Item { string id = 1; int32 price = 2; repeated string tags = 3; }",
];

#[test]
fn a_module_is_installed_changed_and_dropped() {
    let (dir, db) = database();
    let [one, two] = SHOP.map(|text| write(dir.path(), &format!("{}.proto", text.len()), text));
    let shown = run(&["module", "install", &one, "--db", &db]).ok();
    assert_eq!(
        shown,
        "module shop.v1 installed\ntable item of shop.v1.Item\n"
    );
    run(&[&db, "-c", "INSERT INTO item VALUES ('tea', 450)"]).ok();
    assert_eq!(run(&["module", "list", "--db", &db]).ok(), "shop.v1\n");
    let before = run(&[&db, "-c", ".dump"]).ok();
    run(&["module", "install", &two, "--db", &db]).ok();
    let refused = refused(&["module", "install", &one, "--db", &db]);
    assert!(
        refused.contains("shop.v1.Item.tags is gone, and its number 3 and name are not reserved"),
        "{refused}"
    );
    run(&[
        "module",
        "install",
        &one,
        "--db",
        &db,
        "--drop",
        "item.tags",
    ])
    .ok();
    assert_eq!(run(&[&db, "-c", ".dump"]).ok(), before);

    // The dump makes the same database.
    let script = write(dir.path(), "dump.sql", &before);
    let copy = dir.path().join("copy").display().to_string();
    run(&[&copy, "-f", &script]).ok();
    assert_eq!(run(&[&copy, "-c", ".dump"]).ok(), before);

    assert_eq!(
        run(&["module", "drop", "shop.v1", "--db", &db]).ok(),
        "module shop.v1 dropped; its tables stay\n"
    );
    assert_eq!(run(&["module", "list", "--db", &db]).ok(), "");
    assert!(
        run(&[&db, "-c", "SELECT id FROM item"])
            .ok()
            .contains("tea")
    );
}

#[test]
fn two_versions_make_a_pair_of_migrations() {
    let (dir, db) = database();
    let [one, two] = SHOP.map(|text| write(dir.path(), &format!("{}.proto", text.len()), text));
    let wider = write(
        dir.path(),
        "wider.proto",
        &SHOP[1].replace("int32", "int64"),
    );
    let shown = run(&["module", "diff", &one, &wider]).ok();
    assert_eq!(
        shown,
        "ALTER TABLE item RENAME COLUMN cents TO price;\nALTER TABLE item ALTER COLUMN price DROP DEFAULT;\n\
         ALTER TABLE item ALTER COLUMN price TYPE BIGINT;\nALTER TABLE item ALTER COLUMN price SET DEFAULT 0;\n\
         ALTER TABLE item ADD COLUMN tags TEXT[] NOT NULL DEFAULT '{}';\n"
    );
    let migrations = dir.path().join("migrations");
    write(
        &migrations,
        "0006_other.up.sql",
        "CREATE TABLE other (id INT PRIMARY KEY);\n",
    );
    write(&migrations, "0006_other.down.sql", "DROP TABLE other;\n");
    // A narrower type does not follow: the file says that it cannot be undone.
    let folder = migrations.display().to_string();
    let files = run(&["module", "diff", &one, &wider, "--dir", &folder]).ok();
    let [up, down] = files.lines().collect::<Vec<_>>()[..] else {
        panic!("{files}")
    };
    let down = std::fs::read_to_string(down).unwrap();
    assert!(
        down.starts_with("-- It cannot be undone: ")
            && down.contains("was int64 and would be int32"),
        "{down}"
    );
    assert!(
        std::fs::read_to_string(up)
            .unwrap()
            .contains("CREATE OR REPLACE MODULE shop.v1")
    );
    let files = run(&["module", "diff", &one, &two, "--dir", &folder]).ok();
    let files: Vec<&str> = files.lines().collect();
    assert!(
        files[0].ends_with("/0008_shop_v1.up.sql") && files[1].ends_with("/0008_shop_v1.down.sql"),
        "{files:?}"
    );

    run(&["module", "install", &one, "--db", &db]).ok();
    run(&[&db, "-c", "INSERT INTO item VALUES ('tea', 450)"]).ok();
    let before = run(&[&db, "-c", ".dump"]).ok();
    run(&[&db, "-f", files[0]]).ok();
    let after = run(&[&db, "-c", ".dump"]).ok();
    assert!(after.contains("('tea', 450, [])"), "{after}");
    run(&[&db, "-f", files[1]]).ok();
    assert_eq!(run(&[&db, "-c", ".dump"]).ok(), before);
    run(&[&db, "-f", files[0]]).ok();
    assert_eq!(run(&[&db, "-c", ".dump"]).ok(), after);
}
