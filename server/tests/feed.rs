//! The feed on standard output: what a program outside this project makes of it.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod common;

use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use common::{TAILWATER, database, run, run_with};
use prost::Message;
use tailwater_proto::v1;

const SCHEMA: &str = "CREATE TABLE t (id INT PRIMARY KEY, g TEXT, n INT);
CREATE MATERIALIZED VIEW v AS SELECT g, count(*) AS n, sum(n) AS s FROM t GROUP BY g;
INSERT INTO t VALUES (1, 'a', 1);";

#[test]
fn a_feed_is_a_snapshot_then_changes_and_goes_on_after_a_token() {
    let (_dir, db) = database();
    run_with(&[&db], SCHEMA).ok();
    let args = ["feed", &db, "v", "--with-sql", "-", "--no-follow"];
    let out = run_with(
        &args,
        "UPDATE t SET n = 5 WHERE id = 1;\nINSERT INTO t VALUES (2, 'b', 2);\n",
    )
    .ok();
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.len(), 5, "{out}");
    assert!(
        lines[0].starts_with("{\"snapshot_begin\":true,\"lsn\":"),
        "{out}"
    );
    assert!(
        lines[1].ends_with("\"row\":{\"g\":\"a\",\"n\":1,\"s\":1}}]}"),
        "{out}"
    );
    assert!(lines[2].starts_with("{\"snapshot_end\":true"), "{out}");
    assert!(lines[3].contains("\"op\":\"update\",\"before\":{\"g\":\"a\",\"n\":1,\"s\":1},\"after\":{\"g\":\"a\",\"n\":1,\"s\":5}"), "{out}");
    assert!(
        lines[4].contains("\"op\":\"insert\",\"after\":{\"g\":\"b\",\"n\":1,\"s\":2}"),
        "{out}"
    );
    let token = lines[3].rsplit('"').nth(1).unwrap();
    let rest = run(&["feed", &db, "v", "--since", token, "--no-follow"]).ok();
    assert_eq!(rest.lines().collect::<Vec<_>>(), lines[4..]);
    let some = run(&["feed", &db, "v", "--where", "s > 4", "--count", "2"]).ok();
    assert!(
        some.contains("\"s\":5") && !some.contains("\"s\":2"),
        "{some}"
    );
    let ran = run(&["feed", &db, "v", "--since", "nonsense"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("HINT:"), "{}", ran.err);
    assert!(
        run(&["feed", "/nowhere/at/all", "v"])
            .err
            .contains("there is no database")
    );
    let ran = run_with(&args, "INSERT INTO t VALUES (1, 'again', 0);\n");
    assert_eq!(ran.code, 1);
    assert!(
        ran.err.contains("stdin:1: ERROR:  ") && ran.err.contains("23505"),
        "{}",
        ran.err
    );
}

#[test]
fn messages_are_protobuf() {
    let (dir, db) = database();
    run_with(&[&db], SCHEMA).ok();
    let output = |args: &[&str]| {
        let output = Command::new(TAILWATER).args(args).output().unwrap();
        assert!(output.status.success());
        output.stdout
    };
    let one = output(&["feed", &db, "v", "--count", "1", "--format", "proto"]);
    let frame = v1::FeedFrame::decode(&*one).unwrap();
    assert!(matches!(
        frame.control,
        Some(v1::feed_frame::Control::SnapshotBegin(_))
    ));
    let all = output(&["feed", &db, "v", "--no-follow", "--format", "proto"]);
    let mut rest = &*all;
    let mut frames = Vec::new();
    while !rest.is_empty() {
        frames.push(v1::FeedFrame::decode_length_delimited(&mut rest).unwrap());
    }
    assert_eq!(frames.len(), 3);
    assert_eq!(frames[1].changes.len(), 1);
    assert!(!frames[2].token.is_empty());

    let files = dir.path().join("protos");
    let told = run(&["proto", "export", &files.display().to_string()]).ok();
    assert_eq!(told.lines().count(), 6);
    let text = std::fs::read_to_string(files.join("tailwater/v1/feed.proto")).unwrap();
    assert!(text.contains("message FeedFrame"));
    told_by_protoc(&files, &one);
}

/// What the real `protoc` makes of a frame. `PROTOC` names it, or it is looked for among the commands; where `PROTOC` is
/// set it must be there.
fn told_by_protoc(files: &Path, frame: &[u8]) {
    let named = std::env::var_os("PROTOC").filter(|name| !name.is_empty());
    let child = Command::new(named.as_deref().unwrap_or(OsStr::new("protoc")))
        .arg("--decode=tailwater.v1.FeedFrame")
        .arg(format!("-I{}", files.display()))
        .arg("tailwater/v1/feed.proto")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) if named.is_none() => {
            println!("skipped: protoc is not there ({error}); PROTOC can name it");
            return;
        }
        Err(error) => panic!("PROTOC: {error}"),
    };
    child.stdin.take().unwrap().write_all(frame).unwrap();
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    println!("protoc: {told}");
    assert!(told.contains("snapshot_begin {"), "{told}");
    assert!(told.contains("lsn: "), "{told}");
    // A field without a name in the schema would be a number.
    assert!(
        told.lines()
            .all(|line| !line.trim_start().starts_with(|c: char| c.is_ascii_digit())),
        "{told}"
    );
}

/// A consumer that knows nothing of this project keeps the last token and folds frames. The process is killed again
/// and again in the middle of everything; in the end the fold is the view and no commit was told twice.
#[test]
fn a_fold_of_a_feed_that_is_killed_again_and_again_is_the_view() {
    let (_dir, db) = database();
    let commits = std::env::var("TAILWATER_FOLD_COMMITS").unwrap_or_else(|_| {
        if cfg!(debug_assertions) {
            "10000".to_owned()
        } else {
            "100000".to_owned()
        }
    });
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fold.py");
    let output = Command::new("python3")
        .args([script, TAILWATER, &db, &commits, "20", "1"])
        .output();
    let Ok(output) = output else {
        println!("skipped: python3 is not there");
        return;
    };
    let told = String::from_utf8_lossy(&output.stdout);
    println!("{told}");
    assert!(
        output.status.success(),
        "{told}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        told.contains("20 kills") && told.contains("equal"),
        "{told}"
    );
}
