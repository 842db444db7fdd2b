//! New versions of a module while it is used: streams that are open go on, whoever sends sends on, and no row is told twice,
//! not at all, or with another field's value.
#![cfg(feature = "modules")]
#![allow(clippy::unwrap_used)]

mod versions;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use tailwater::module::ModuleSource;
use tailwater::service::{CallOptions, MessageStream, Method, Services};
use tailwater::{Database, FeedEvent, FeedRequest};
use versions::{FOLLOWS, REFUSED, module};

/// Messages that each writer stores before and after a new version comes, at least.
const MESSAGES: u64 = 25;
const PATIENCE: Duration = Duration::from_secs(60);

/// A message with a service around it.
fn served(fields: &str) -> ModuleSource {
    module(&format!(
        "message Item {{ string id = 1; {fields} }} message Of {{}} message Done {{ int64 count = 1; }}
         service S {{ rpc Follow(Of) returns (stream Item); rpc Send(stream Item) returns (Done);
                      rpc CreateItem(Item) returns (Item); rpc GetItem(Key) returns (Item); }}
         message Key {{ string id = 1; }}"
    ))
}

fn method(services: &Services, name: &str) -> Arc<Method> {
    let set = services.current().unwrap();
    Arc::clone(set.method(&format!("/m.S/{name}")).unwrap())
}

/// The message of a row with another id; `id` is the first field and short.
fn with_id(message: &[u8], id: &str) -> Vec<u8> {
    let (length, rest) = message[1..].split_first().unwrap();
    assert_eq!(message[0], 0x0a);
    let mut renamed = vec![0x0a, id.len() as u8];
    renamed.extend_from_slice(id.as_bytes());
    renamed.extend_from_slice(&rest[usize::from(*length)..]);
    renamed
}

fn id_of(message: &[u8]) -> String {
    let length = usize::from(message[1]);
    String::from_utf8(message[2..2 + length].to_vec()).unwrap()
}

/// Tells writers to stop, also when a test fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Stores messages of the version before until it is told to stop, telling of each; says how many.
fn write(done: &AtomicBool, told: Sender<()>, mut store: impl FnMut(u64)) -> u64 {
    let mut written = 0;
    while !done.load(Ordering::Relaxed) {
        store(written);
        written += 1;
        _ = told.send(());
    }
    written
}

/// Until each writer has stored some more.
fn wait_for(writers: &[Receiver<()>; 2], what: &str) {
    for writer in writers {
        _ = writer.try_iter().count();
        for _ in 0..MESSAGES {
            let told = writer.recv_timeout(PATIENCE);
            told.unwrap_or_else(|error| panic!("{what}: a writer does not get on: {error}"));
        }
    }
}

/// Takes messages until all of `ids` were told, each once.
fn told_once(stream: &mut MessageStream, mut ids: BTreeSet<String>, what: &str) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    while !ids.is_empty() {
        let item = stream
            .recv()
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        let Some(message) = item.unwrap().message else {
            continue;
        };
        let id = id_of(&message);
        assert!(
            ids.remove(&id),
            "{what}: {id} is told twice, or was never stored"
        );
        messages.push(message);
    }
    messages
}

#[test]
fn whoever_follows_and_sends_goes_on_through_each_change() {
    for (what, before, row, after, _) in FOLLOWS {
        let folder = tempfile::tempdir().unwrap();
        let db = Database::open(folder.path()).unwrap();
        db.install_module(&served(before)).unwrap();
        db.exec(&format!("INSERT INTO item VALUES {row}"), ())
            .unwrap();
        let services = Services::new(&db);
        let options = CallOptions::default();
        let get = method(&services, "GetItem");
        let sample = get.call(&db, b"\x0a\x01a", &options).unwrap();

        let follow = method(&services, "Follow");
        let mut stream = follow.open_stream(&db, b"", &options).unwrap();
        let mut feed = db
            .subscribe(FeedRequest::of("item").without_snapshot())
            .unwrap();
        let mut sink = method(&services, "Send").open_sink(&db, &options).unwrap();
        let create = method(&services, "CreateItem");
        let done = AtomicBool::new(false);
        let ((to_sent, from_sender), (to_created, from_caller)) = (channel(), channel());
        let writers = [from_sender, from_caller];
        let (sent, created) = std::thread::scope(|scope| {
            let sender = scope.spawn(|| {
                let sent = write(&done, to_sent, |n| {
                    let pushed = sink.push(&with_id(&sample, &format!("s{n}")));
                    pushed.unwrap_or_else(|error| panic!("{what}: {error}"));
                });
                assert_eq!(sink.stored().unwrap().count, sent);
                sent
            });
            let caller = scope.spawn(|| {
                write(&done, to_created, |n| {
                    let called = create.call(&db, &with_id(&sample, &format!("u{n}")), &options);
                    called.unwrap_or_else(|error| panic!("{what}: {error}"));
                })
            });
            let stop = Stop(&done);
            wait_for(&writers, what);
            let installed = db.install_module(&served(after));
            wait_for(&writers, what);
            drop(stop);
            let both = (sender.join().unwrap(), caller.join().unwrap());
            installed.unwrap_or_else(|error| panic!("{what}: {error}"));
            both
        });

        // What is stored is the same for all, whoever stored it and when.
        let mut rows = db.query("SELECT * FROM item WHERE id <> 'b'", ()).unwrap();
        let (mut values, mut count) = (BTreeSet::new(), 0);
        while let Some(row) = rows.next_row().unwrap() {
            let mut document = row.to_document();
            document.remove("id");
            values.insert(document.to_string());
            count += 1;
        }
        assert_eq!(count, 1 + sent + created, "{what}");
        // What is not sent is nothing from the version on that says `optional`, and zero within a message that gets a field more.
        let kinds = 1 + usize::from(["optional", "another message"].contains(what));
        assert_eq!(values.len(), kinds, "{what}: {values:?}");

        let ids = (0..sent).map(|n| format!("s{n}"));
        let ids = ids.chain((0..created).map(|n| format!("u{n}")));
        let mut first: BTreeSet<String> = ["a".to_owned()].into();
        if row.contains("'b'") {
            first.insert("b".to_owned());
        }
        let messages = told_once(&mut stream, first.into_iter().chain(ids).collect(), what);
        for message in messages.iter().filter(|message| id_of(message) != "b") {
            let is_whole = message.starts_with(&with_id(&sample, &id_of(message)));
            assert!(is_whole || *what == "reserved", "{what}: {message:?}");
        }
        // Nothing else comes but what is stored now, by whoever knows the new version; who knows the old one reads it.
        let get = method(&services, "GetItem");
        let now = get.call(&db, b"\x0a\x01a", &options).unwrap();
        let create = method(&services, "CreateItem");
        create.call(&db, &with_id(&now, "z"), &options).unwrap();
        assert_eq!(
            told_once(&mut stream, ["z".to_owned()].into(), what),
            [with_id(&now, "z")]
        );

        while let Some(event) = feed.try_recv().unwrap() {
            assert!(!matches!(event, FeedEvent::Reset { .. }), "{what}");
        }
        assert!(db.check().unwrap().damages.is_empty(), "{what}");
    }
}

#[test]
fn what_is_refused_stops_nobody() {
    for (before, after, why) in REFUSED.iter().filter(|(_, _, why)| !why.is_empty()) {
        let db = Database::memory().unwrap();
        db.install_module(&served(before)).unwrap();
        let services = Services::new(&db);
        let options = CallOptions::default();
        let mut stream = method(&services, "Follow")
            .open_stream(&db, b"", &options)
            .unwrap();
        let mut sink = method(&services, "Send").open_sink(&db, &options).unwrap();
        let done = AtomicBool::new(false);
        let (to_sent, from_sender) = channel();
        let (to_created, from_caller) = channel();
        let writers = [from_sender, from_caller];
        let create = method(&services, "CreateItem");
        let (sent, created) = std::thread::scope(|scope| {
            let sender = scope.spawn(|| {
                write(&done, to_sent, |n| {
                    sink.push(&with_id(b"\x0a\x01a", &format!("s{n}"))).unwrap();
                })
            });
            let caller = scope.spawn(|| {
                write(&done, to_created, |n| {
                    let message = with_id(b"\x0a\x01a", &format!("u{n}"));
                    create.call(&db, &message, &options).unwrap();
                })
            });
            let stop = Stop(&done);
            wait_for(&writers, why);
            let refused = db.install_module(&served(after));
            wait_for(&writers, why);
            drop(stop);
            let both = (sender.join().unwrap(), caller.join().unwrap());
            let error = refused.expect_err(why);
            assert!(error.message().ends_with(why), "{error}");
            both
        });
        sink.finish().unwrap();
        let ids = (0..sent).map(|n| format!("s{n}"));
        let ids = ids.chain((0..created).map(|n| format!("u{n}")));
        told_once(&mut stream, ids.collect(), why);
        let count: i64 = db
            .query("SELECT count(*) FROM item", ())
            .unwrap()
            .scalar()
            .unwrap();
        assert_eq!(count.unsigned_abs(), sent + created, "{why}");
    }
}

#[test]
fn a_method_that_is_gone_ends_who_sends_and_leaves_who_follows() {
    let db = Database::memory().unwrap();
    db.install_module(&served("int32 n = 2;")).unwrap();
    let services = Services::new(&db);
    let options = CallOptions::default();
    let mut stream = method(&services, "Follow")
        .open_stream(&db, b"", &options)
        .unwrap();
    let mut sink = method(&services, "Send").open_sink(&db, &options).unwrap();
    let create = method(&services, "CreateItem");
    sink.push(b"\x0a\x01a\x10\x01").unwrap();

    let without = module(
        "message Item { string id = 1; int32 n = 2; } message Of {}
         service S { rpc Follow(Of) returns (stream Item); rpc ListItems(Of) returns (Items); }
         message Items { repeated Item items = 1; }",
    );
    db.install_module(&without).unwrap();
    let error = sink.push(b"\x0a\x01b\x10\x01").unwrap_err();
    assert_eq!(
        (error.sqlstate(), error.message()),
        (
            "0A000",
            "/m.S/Send is not there any more, or another method"
        )
    );
    assert_eq!(sink.stored().unwrap().count, 1);
    let error = create.call(&db, b"\x0a\x01b", &options).unwrap_err();
    assert_eq!(error.sqlstate(), "0A000");
    told_once(&mut stream, ["a".to_owned()].into(), "it follows on");

    db.exec("DROP MODULE m", ()).unwrap();
    db.exec("INSERT INTO item VALUES ('c', 3)", ()).unwrap();
    told_once(&mut stream, ["c".to_owned()].into(), "it follows on");
}

#[test]
fn a_stream_keeps_to_the_rows_it_was_asked_for() {
    let of = |query: &str, field: &str| {
        module(&format!(
            "message Item {{ string id = 1; int32 {field} = 2; string place = 3; }} message Of {{ int32 n = 1; }}
             service S {{ rpc Follow(Of) returns (stream Item) {{ option (tailwater.v1.bind) = {{ subscribe: \"{query}\" }}; }} }}"
        ))
    };
    let db = Database::memory().unwrap();
    db.install_module(&of("SELECT * FROM item WHERE n = :n", "n"))
        .unwrap();
    let services = Services::new(&db);
    let options = CallOptions::default();
    let mut stream = method(&services, "Follow")
        .open_stream(&db, b"\x08\x07", &options)
        .unwrap();
    let add = |column: &str, id: &str, n: i64| {
        let sql = format!("INSERT INTO item (id, {column}, place) VALUES (?, ?, 'Ulm')");
        db.exec(&sql, tailwater::params![id, n]).unwrap();
    };
    let mut told = |id: &str| told_once(&mut stream, [id.to_owned()].into(), id).remove(0);
    add("n", "a", 7);
    add("n", "other", 8);
    assert_eq!(told("a"), b"\x0a\x01a\x10\x07\x1a\x03Ulm");
    // Renamed: it means the same rows, and tells what the new version tells.
    db.install_module(&of("SELECT id, count FROM item WHERE count = :n", "count"))
        .unwrap();
    add("count", "b", 7);
    add("count", "others", 8);
    assert_eq!(told("b"), b"\x0a\x01b\x10\x07");
    // Other rows: who began before still gets those he asked for, as he was told last.
    db.install_module(&of("SELECT * FROM item WHERE count < :n", "count"))
        .unwrap();
    add("count", "c", 7);
    add("count", "less", 6);
    assert_eq!(told("c"), b"\x0a\x01c\x10\x07");
}

#[test]
fn a_stream_ends_when_the_database_is_closed() {
    let db = Database::memory().unwrap();
    db.install_module(&served("int32 n = 2;")).unwrap();
    let services = Services::new(&db);
    let follow = method(&services, "Follow");
    let mut stream = follow
        .open_stream(&db, b"", &CallOptions::default())
        .unwrap();
    assert!(stream.recv().unwrap().unwrap().message.is_none());
    let waiting = std::thread::spawn(move || {
        let end = stream.recv();
        (stream, end)
    });
    drop(services);
    drop(db);
    let (_stream, end) = waiting.join().unwrap();
    assert!(end.unwrap().is_none());
    drop(follow);
}

/// A view of a module stays what its text makes: a dump of the database can be run again.
#[test]
fn a_view_of_a_module_does_not_come_to_have_another_text() {
    let with_view = |fields: &str| {
        module(&format!(
            "message Item {{ string id = 1; {fields} }}
             message All {{ option (tailwater.v1.table) = {{ view: \"SELECT * FROM item\" }}; string id = 1; {fields} }}"
        ))
    };
    let db = Database::memory().unwrap();
    db.install_module(&with_view("int32 n = 2;")).unwrap();
    let error = db
        .exec("ALTER TABLE item ADD COLUMN extra INT", ())
        .unwrap_err();
    assert_eq!(
        (error.sqlstate(), error.message()),
        (
            "0A000",
            "by its text module \"m\" would make another materialized view \"all\""
        )
    );
    db.install_module(&with_view("int32 n = 2; int32 more = 3;"))
        .unwrap();
    db.exec("INSERT INTO item VALUES ('a', 1, 2)", ()).unwrap();
    let more: i64 = db
        .query("SELECT more FROM \"all\"", ())
        .unwrap()
        .scalar()
        .unwrap();
    assert_eq!(more, 2);
}
