//! Methods of installed modules, called with bytes: the chat as its authors wrote it, and bound to the tables they had in mind.
#![cfg(feature = "modules")]
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use prost_reflect::prost::Message as _;
use prost_reflect::{DynamicMessage, MessageDescriptor, SerializeOptions};
use tailwater::module::ModuleSource;
use tailwater::service::{CallOptions, MessageStream, Method, ServiceSet, Services, TOKEN_FIELD};
use tailwater::{Database, Error};

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

/// The tables that the chat's authors wrote down.
const TABLES: &str = r#"
CREATE TABLE user (user_id CHAR(32), user_login VARCHAR(255), user_password CHAR(64), user_email VARCHAR(400), PRIMARY KEY (user_id));
CREATE TABLE chat_message (chat_message_id CHAR(32), chat_message_datetime DATETIME, chat_message_text TEXT,
                           chat_message_chat_id CHAR(32), chat_message_user_id CHAR(32), PRIMARY KEY (chat_message_id));
CREATE TABLE user_chat (user_chat_chat_id CHAR(32), user_chat_user_id CHAR(32), PRIMARY KEY (user_chat_chat_id, user_chat_user_id));
CREATE TABLE chat (chat_id CHAR(32), chat_topic VARCHAR(32), chat_password CHAR(64), user_chat_user_id CHAR(32), PRIMARY KEY (chat_id));
"#;

/// The chat, bound to those tables: the mismatch between the two closed.
const BOUND_CHAT: &str = include_str!("../../server/examples/chat/chat_tables.proto");

fn json(text: &str, of: &MessageDescriptor) -> Vec<u8> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    DynamicMessage::deserialize(of.clone(), &mut deserializer)
        .unwrap()
        .encode_to_vec()
}

fn text(bytes: &[u8], of: &MessageDescriptor) -> String {
    let message = DynamicMessage::decode(of.clone(), bytes).unwrap();
    let mut out = Vec::new();
    let mut serializer = serde_json::Serializer::new(&mut out);
    let options = SerializeOptions::new().use_proto_field_name(true);
    message
        .serialize_with_options(&mut serializer, &options)
        .unwrap();
    String::from_utf8(out).unwrap()
}

/// A database with modules, and calls of them as text.
struct House {
    db: Database,
    services: Services,
}

impl House {
    fn new(source: &str) -> Self {
        let db = Database::memory().unwrap();
        db.install_module(&ModuleSource::new("m.proto", source))
            .unwrap();
        Self::of(db)
    }

    fn of(db: Database) -> Self {
        let services = Services::new(&db);
        Self { db, services }
    }

    fn set(&self) -> Arc<ServiceSet> {
        self.services.current().unwrap()
    }

    fn method(&self, name: &str) -> Arc<Method> {
        let set = self.set();
        let found = set
            .methods()
            .find(|method| method.path().ends_with(&format!("/{name}")));
        Arc::clone(found.unwrap())
    }

    fn call_with(&self, name: &str, request: &str, options: &CallOptions) -> Result<String, Error> {
        let method = self.method(name);
        let answer = method.call(&self.db, &json(request, method.input()), options)?;
        Ok(text(&answer, method.output()))
    }

    fn call(&self, name: &str, request: &str) -> String {
        self.call_with(name, request, &CallOptions::default())
            .unwrap()
    }

    fn refused(&self, name: &str, request: &str) -> String {
        let error = self
            .call_with(name, request, &CallOptions::default())
            .unwrap_err();
        format!("{} {}", error.sqlstate(), error.message())
    }

    fn open(&self, name: &str, request: &str, options: &CallOptions) -> Follower {
        let method = self.method(name);
        let stream = method
            .open_stream(&self.db, &json(request, method.input()), options)
            .unwrap();
        Follower {
            output: method.output().clone(),
            stream,
            token: None,
        }
    }

    fn send(
        &self,
        name: &str,
        messages: &[&str],
        options: &CallOptions,
    ) -> Result<String, (Error, u64)> {
        let method = self.method(name);
        let mut sink = method.open_sink(&self.db, options).unwrap();
        for message in messages {
            if let Err(error) = sink.push(&json(message, method.input())) {
                return Err((error, sink.stored().unwrap().count));
            }
        }
        Ok(text(&sink.finish().unwrap(), method.output()))
    }
}

struct Follower {
    output: MessageDescriptor,
    stream: MessageStream,
    token: Option<String>,
}

impl Follower {
    /// What there is now.
    fn now(&mut self) -> Vec<String> {
        let mut seen = Vec::new();
        while let Some(item) = self.stream.try_recv().unwrap() {
            self.token = item.token.or(self.token.take());
            seen.extend(item.message.map(|message| text(&message, &self.output)));
        }
        seen
    }
}

fn options() -> CallOptions {
    CallOptions::default()
}

#[test]
fn people_of_one_channel_see_each_other() {
    let chat = House::new(CHAT);
    let mut ada = chat.open(
        "JoinChannel",
        r#"{"name": "tea", "senders_name": "ada"}"#,
        &options(),
    );
    let mut bob = chat.open(
        "JoinChannel",
        r#"{"name": "tea", "senders_name": "bob"}"#,
        &options(),
    );
    let mut eve = chat.open("JoinChannel", r#"{"name": "war"}"#, &options());
    let ack = chat
        .send(
            "SendMessage",
            &[
                r#"{"sender": "ada", "channel": {"name": "tea", "senders_name": "ada"}, "message": "hello"}"#,
                r#"{"sender": "bob", "channel": {"name": "tea", "senders_name": "bob"}, "message": "hello"}"#,
                r#"{"sender": "bob", "channel": {"name": "tea", "senders_name": "bob"}, "message": "hello"}"#,
            ],
            &options(),
        )
        .unwrap();
    assert_eq!(
        ack,
        format!(
            r#"{{"status":"stored 3, lsn {}"}}"#,
            chat.db.visible_lsn().0
        )
    );
    let expected = [
        r#"{"sender":"ada","channel":{"name":"tea","senders_name":"ada"},"message":"hello"}"#,
        r#"{"sender":"bob","channel":{"name":"tea","senders_name":"bob"},"message":"hello"}"#,
        r#"{"sender":"bob","channel":{"name":"tea","senders_name":"bob"},"message":"hello"}"#,
    ];
    assert_eq!(ada.now(), expected); // two equal texts arrive twice
    assert_eq!(bob.now(), expected);
    assert!(eve.now().is_empty());
    // Who comes later sees what there is, in the order it came: the newest, as many as he asks for.
    let mut late = chat.open("JoinChannel", r#"{"name": "tea"}"#, &options());
    assert_eq!(late.now(), expected);
    let two = CallOptions {
        limit: Some(2),
        ..options()
    };
    assert_eq!(
        chat.open("JoinChannel", r#"{"name": "tea"}"#, &two).now(),
        expected[1..]
    );
    let none = CallOptions {
        limit: Some(0),
        ..options()
    };
    let mut none = chat.open("JoinChannel", r#"{"name": "tea"}"#, &none);
    assert!(none.now().is_empty() && none.token.is_some());
}

#[test]
fn a_stream_goes_on_behind_its_token() {
    let folder = tempfile::tempdir().unwrap();
    let mut chat = House::of(Database::open(folder.path()).unwrap());
    chat.db
        .install_module(&ModuleSource::new("m.proto", CHAT))
        .unwrap();
    let mut seed = 0x51ed_u64;
    let mut random = |below: u64| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    let (mut sent, mut seen, mut token) = (Vec::new(), Vec::new(), None);
    for round in 0..60 {
        let wanted = CallOptions {
            since: token.clone(),
            with_tokens: true,
            ..options()
        };
        let mut reader = chat.open("JoinChannel", r#"{"name": "tea"}"#, &wanted);
        // What it has taken when it goes away is what it has a token for.
        let mut pending = Vec::new();
        for number in 0..random(6) {
            let channel = if random(3) == 0 { "war" } else { "tea" };
            let message = format!(
                r#"{{"sender":"x","channel":{{"name":"{channel}"}},"message":"{round}.{number}"}}"#
            );
            chat.send("SendMessage", &[&message], &options()).unwrap();
            if channel == "tea" {
                sent.push(message);
            }
            for _ in 0..random(3) {
                let Some(item) = reader.stream.try_recv().unwrap() else {
                    break;
                };
                if let Some(bytes) = &item.message {
                    let carried =
                        DynamicMessage::decode(reader.output.clone(), bytes.as_slice()).unwrap();
                    let carried = carried
                        .unknown_fields()
                        .find(|field| field.number() == TOKEN_FIELD);
                    assert_eq!(carried.is_some(), item.token.is_some());
                    pending.push(text(bytes, &reader.output));
                }
                if item.token.is_some() {
                    seen.append(&mut pending);
                    token = item.token;
                }
            }
        }
        drop(reader);
        if random(5) == 0 {
            drop(chat);
            chat = House::of(Database::open(folder.path()).unwrap());
        }
    }
    let wanted = CallOptions {
        since: token,
        ..options()
    };
    seen.extend(
        chat.open("JoinChannel", r#"{"name": "tea"}"#, &wanted)
            .now(),
    );
    assert_eq!(seen, sent, "seed 0x51ed");
}

#[test]
fn a_call_under_a_key_is_done_once() {
    let chat = House::new(CHAT);
    let keyed = CallOptions {
        idempotency_key: Some("k1".into()),
        ..options()
    };
    let messages: Vec<String> = (0..3)
        .map(|n| format!(r#"{{"sender":"a","channel":{{"name":"tea"}},"message":"{n}"}}"#))
        .collect();
    let messages: Vec<&str> = messages.iter().map(String::as_str).collect();
    chat.send("SendMessage", &messages[..2], &keyed).unwrap();
    let again = chat.send("SendMessage", &messages, &keyed).unwrap(); // sent again from the start, and further
    assert!(again.starts_with(r#"{"status":"stored 3, lsn "#), "{again}");
    let mut reader = chat.open("JoinChannel", r#"{"name": "tea"}"#, &options());
    assert_eq!(reader.now(), messages);
    let other = CallOptions {
        idempotency_key: Some("k2".into()),
        ..options()
    };
    chat.send("SendMessage", &messages[..1], &other).unwrap();
    assert_eq!(reader.now(), messages[..1]);
    let long = CallOptions {
        idempotency_key: Some("k".repeat(600)),
        ..options()
    };
    let (error, stored) = chat.send("SendMessage", &messages[..1], &long).unwrap_err();
    assert_eq!((error.sqlstate(), stored), ("22023", 0));
    // The keys are rows: readable, deletable, and nobody's to change.
    let count = "SELECT count(*) FROM tailwater.requests";
    assert_eq!(
        chat.db.query(count, ()).unwrap().scalar::<i64>().unwrap(),
        4
    );
    for wrong in [
        "DROP TABLE tailwater.requests",
        "ALTER TABLE tailwater.requests DROP COLUMN at",
    ] {
        assert_eq!(chat.db.exec(wrong, ()).unwrap_err().sqlstate(), "42501");
    }
    chat.db.exec("DELETE FROM tailwater.requests", ()).unwrap();
    assert!(chat.db.check().unwrap().damages.is_empty());
}

#[test]
fn when_a_message_fails_those_before_it_are_stored() {
    let source = CHAT.replace(
        "string message = 3;",
        "string message = 3 [(tailwater.v1.column) = { check: \"message <> 'no'\" }];",
    );
    let chat = House::new(&source.replace(
        "package chatpb;",
        "package chatpb; import \"tailwater/v1/options.proto\";",
    ));
    let message =
        |text: &str| format!(r#"{{"sender":"a","channel":{{"name":"tea"}},"message":"{text}"}}"#);
    let messages: Vec<String> = (0..400)
        .map(|n| message(if n == 250 { "no" } else { "yes" }))
        .collect();
    let messages: Vec<&str> = messages.iter().map(String::as_str).collect();
    let (error, stored) = chat.send("SendMessage", &messages, &options()).unwrap_err();
    assert_eq!((error.sqlstate(), stored), ("23514", 250));
    let count: i64 = chat
        .db
        .query("SELECT count(*) FROM message", ())
        .unwrap()
        .scalar()
        .unwrap();
    assert_eq!(count, 250);
}

#[test]
fn the_chat_is_bound_to_the_tables_its_authors_had() {
    let db = Database::memory().unwrap();
    db.exec(TABLES, ()).unwrap();
    db.exec(
        "INSERT INTO user VALUES ('u1', 'ada', 'x', 'ada@example.com'), ('u2', 'bob', 'y', 'bob@example.com');
         INSERT INTO chat VALUES ('c1', 'tea', '', 'u1'), ('c2', 'war', '', 'u2')",
        (),
    )
    .unwrap();
    db.install_module(&ModuleSource::new("chat_tables.proto", BOUND_CHAT))
        .unwrap();
    let chat = House::of(db);
    let mut ada = chat.open(
        "JoinChannel",
        r#"{"name": "tea", "senders_name": "ada"}"#,
        &options(),
    );
    let hello = [
        r#"{"sender":"ada","channel":{"name":"tea"},"message":"hello"}"#,
        r#"{"sender":"bob","channel":{"name":"war"},"message":"elsewhere"}"#,
        r#"{"sender":"bob","channel":{"name":"tea"},"message":"hello"}"#,
    ];
    let ack = chat.send("SendMessage", &hello, &options()).unwrap();
    assert!(ack.starts_with(r#"{"status":"stored 3, lsn "#), "{ack}");
    assert_eq!(ada.now(), [hello[0], hello[2]]);
    // Nobody called eve, and no such channel: nothing is stored, and that is said.
    let ack = chat
        .send(
            "SendMessage",
            &[r#"{"sender":"eve","channel":{"name":"tea"},"message":"?"}"#],
            &options(),
        )
        .unwrap();
    assert!(ack.starts_with(r#"{"status":"stored 0, lsn "#), "{ack}");
    let stored: Vec<(String, String)> = chat
        .db
        .query("SELECT chat_message_text, chat_message_user_id FROM chat_message WHERE chat_message_chat_id = 'c1'", ())
        .unwrap()
        .rows_as()
        .unwrap();
    let users: Vec<&str> = stored.iter().map(|(_, user)| user.trim()).collect();
    assert!(
        users.contains(&"u1") && users.contains(&"u2") && users.len() == 2,
        "{stored:?}"
    );
    assert_eq!(
        chat.open("JoinChannel", r#"{"name": "war"}"#, &options())
            .now(),
        [hello[1]]
    );
}

const SHOP: &str = r#"syntax = "proto3"; package shop; import "tailwater/v1/options.proto";
service Shop {
  rpc CreateItem(Item) returns (Item);
  rpc GetItem(GetItemRequest) returns (Item);
  rpc ListItems(ListItemsRequest) returns (ListItemsResponse);
  rpc UpdateItem(Item) returns (Item);
  rpc DeleteItem(GetItemRequest) returns (Done);
  rpc Sum(GetItemRequest) returns (Total) { option (tailwater.v1.bind) = { query: "SELECT count(*) AS items, sum(cents) AS cents FROM item WHERE shelf = :id" }; }
  rpc Read(ListItemsRequest) returns (stream Item) { option (tailwater.v1.bind) = { query: "SELECT * FROM item WHERE shelf = :shelf ORDER BY id DESC" }; }
  rpc Dear(Price) returns (stream Total) { option (tailwater.v1.bind) = { subscribe: "SELECT cents, 1 AS items FROM item WHERE cents >= :least.cents AND upper(shelf) <> 'NONE'" }; }
  rpc Guess(Price) returns (Item);
}
message Item { string id = 1; string shelf = 2; int64 cents = 3; repeated string tags = 4;
  string made = 5 [(tailwater.v1.column) = { default: "'by ' || upper('us')" }]; }
message GetItemRequest { string id = 1; }
message ListItemsRequest { string shelf = 1; }
message ListItemsResponse { repeated Item items = 1; }
message Total { int64 items = 1; int64 cents = 2; }
message Price { Total least = 1; }
message Done {}
"#;

#[test]
fn methods_do_what_they_are_called() {
    let shop = House::new(SHOP);
    let mut dear = shop.open("Dear", r#"{"least": {"cents": 100}}"#, &options());
    assert_eq!(
        shop.call(
            "CreateItem",
            r#"{"id": "tea", "shelf": "a", "cents": 450, "tags": ["hot", "wet"]}"#
        ),
        r#"{"id":"tea","shelf":"a","cents":"450","tags":["hot","wet"],"made":"by US"}"#
    );
    shop.call(
        "CreateItem",
        r#"{"id": "salt", "shelf": "a", "cents": 90, "made": "elsewhere"}"#,
    );
    assert_eq!(
        shop.call("GetItem", r#"{"id": "salt"}"#),
        r#"{"id":"salt","shelf":"a","cents":"90","made":"elsewhere"}"#
    );
    assert_eq!(
        shop.refused("GetItem", r#"{"id": "oil"}"#),
        "P0002 there is no such row"
    );
    assert!(
        shop.refused("CreateItem", r#"{"id": "tea"}"#)
            .starts_with("23505 ")
    );
    let listed = shop.call("ListItems", r#"{"shelf": "a"}"#);
    assert!(
        listed.starts_with(r#"{"items":[{"id":"salt""#) && listed.contains(r#"{"id":"tea""#),
        "{listed}"
    );
    assert_eq!(shop.call("ListItems", r#"{"shelf": "z"}"#), "{}");
    assert_eq!(
        shop.call("UpdateItem", r#"{"id": "salt", "shelf": "b", "cents": 95}"#),
        r#"{"id":"salt","shelf":"b","cents":"95"}"#
    );
    assert_eq!(
        shop.refused("UpdateItem", r#"{"id": "oil"}"#),
        "P0002 there is no such row"
    );
    assert_eq!(
        shop.call("Sum", r#"{"id": "a"}"#),
        r#"{"items":"1","cents":"450"}"#
    );
    assert_eq!(shop.call("Sum", r#"{"id": "z"}"#), "{}"); // none, and no sum: Protobuf leaves both out
    let mut read = shop.open("Read", r#"{"shelf": "a"}"#, &options());
    assert_eq!(read.now().len(), 1);
    assert_eq!(dear.now(), [r#"{"items":"1","cents":"450"}"#]);
    assert_eq!(shop.call("DeleteItem", r#"{"id": "tea"}"#), "{}");
    shop.call(
        "CreateItem",
        r#"{"id": "gold", "shelf": "none", "cents": 9000}"#,
    );
    assert!(dear.now().is_empty());
    assert!(
        shop.refused("Guess", "{}")
            .starts_with("0A000 /shop.Shop/Guess is not bound: ")
    );
    assert_eq!(
        shop.refused("Read", "{}"),
        "0A000 /shop.Shop/Read is not called with one message, one answer"
    );
    let once = CallOptions {
        idempotency_key: Some("k".into()),
        ..options()
    };
    for _ in 0..2 {
        let made = shop
            .call_with("CreateItem", r#"{"id": "oil", "shelf": "a"}"#, &once)
            .unwrap();
        assert_eq!(made, r#"{"id":"oil","shelf":"a","made":"by US"}"#);
    }
    let error = shop
        .call_with("DeleteItem", r#"{"id": "oil"}"#, &once)
        .unwrap_err();
    assert_eq!(
        error.message(),
        "the idempotency key was used for /shop.Shop/CreateItem"
    );
}

#[test]
fn what_cannot_be_followed_says_what_to_do() {
    for (sql, why) in [
        (
            "SELECT * FROM item LIMIT 3",
            "it has a LIMIT: the caller says how many rows he begins with",
        ),
        (
            "SELECT shelf, count(*) AS cents FROM item GROUP BY shelf",
            "it groups rows",
        ),
        (
            "SELECT a.* FROM item AS a JOIN item AS b ON a.id = b.shelf",
            "it joins",
        ),
        (
            "SELECT id FROM item UNION ALL SELECT shelf FROM item",
            "it unites rows",
        ),
        ("SELECT 1 AS cents", "it reads no table"),
        (
            "SELECT * FROM item WHERE made < now()::text",
            "it depends on more than the row",
        ),
    ] {
        let source = format!(
            "syntax = \"proto3\"; package m; import \"tailwater/v1/options.proto\";
             service S {{ rpc Follow(Of) returns (stream Item) {{ option (tailwater.v1.bind) = {{ subscribe: \"{sql}\" }}; }} }}
             message Of {{}} message Item {{ string id = 1; string shelf = 2; int64 cents = 3; string made = 4; }}"
        );
        let db = Database::memory().unwrap();
        let error = db
            .install_module(&ModuleSource::new("m.proto", source))
            .unwrap_err();
        assert_eq!(
            error.message(),
            format!("/m.S/Follow: the query cannot be followed: {why}")
        );
    }
}

/// A service with one method over items, bound by an option.
fn bound(method: &str, option: &str) -> String {
    format!(
        "syntax = \"proto3\"; package m; import \"tailwater/v1/options.proto\";
         service S {{ rpc {method} {{ option (tailwater.v1.bind) = {{ {option} }}; }} rpc Put(stream Item) returns (Of); }}
         message Of {{ string name = 1; }} message Item {{ string id = 1; string shelf = 2; int64 cents = 3; }}"
    )
}

#[test]
fn bindings_that_do_not_fit_their_messages_are_refused() {
    for (method, option, why) in [
        (
            "Get(Of) returns (Item)",
            "query: \"SELECT * FROM item WHERE id = :nmae\"",
            "42703 /m.S/Get: ",
        ),
        (
            "Get(Of) returns (Item)",
            "query: \"SELECT count(*) AS n FROM item\"",
            "42804 /m.S/Get: none of the columns n is a field of m.Item",
        ),
        (
            "Get(Of) returns (Item)",
            "query: \"DELETE FROM item RETURNING *\"",
            "0A000 /m.S/Get: it is to read and does not",
        ),
        (
            "Get(Of) returns (Item)",
            "query: \"SELECT * FROM itm\"",
            "42P01 /m.S/Get: ",
        ),
    ] {
        let db = Database::memory().unwrap();
        let error = db
            .install_module(&ModuleSource::new("m.proto", bound(method, option)))
            .unwrap_err();
        let told = format!("{} {}", error.sqlstate(), error.message());
        assert!(told.starts_with(why), "{told}");
    }
}

#[test]
fn what_a_request_says_is_told_of_each_row_and_descending_orders_begin_with_the_newest() {
    let option = "subscribe: \"SELECT id, :name AS shelf, cents FROM item ORDER BY cents DESC\"";
    let house = House::new(&bound("Follow(Of) returns (stream Item)", option));
    let put = |id: &str, cents: i64| {
        let values = tailwater::params![id, cents];
        house
            .db
            .exec("INSERT INTO item (id, cents) VALUES (?, ?)", values)
            .unwrap();
    };
    for n in 1..=5 {
        put(&n.to_string(), n);
    }
    let two = CallOptions {
        limit: Some(2),
        ..options()
    };
    let mut stream = house.open("Follow", r#"{"name": "x"}"#, &two);
    assert_eq!(
        stream.now(),
        [
            r#"{"id":"5","shelf":"x","cents":"5"}"#,
            r#"{"id":"4","shelf":"x","cents":"4"}"#
        ]
    );
    put("6", 6);
    assert_eq!(stream.now(), [r#"{"id":"6","shelf":"x","cents":"6"}"#]);
    // More than there can be is as many as there are.
    let all = CallOptions {
        limit: Some(u64::MAX),
        ..options()
    };
    assert_eq!(house.open("Follow", "{}", &all).now().len(), 6);
}

#[test]
fn a_key_is_for_the_same_messages() {
    let chat = House::new(CHAT);
    let keyed = CallOptions {
        idempotency_key: Some("k".into()),
        ..options()
    };
    let message =
        |text: &str| format!(r#"{{"sender":"a","channel":{{"name":"tea"}},"message":"{text}"}}"#);
    chat.send("SendMessage", &[&message("1"), &message("2")], &keyed)
        .unwrap();
    // Only the second again: it would be taken for the first.
    let (error, stored) = chat
        .send("SendMessage", &[&message("2")], &keyed)
        .unwrap_err();
    assert_eq!((error.sqlstate(), stored), ("22023", 0));
    assert_eq!(
        error.message(),
        "the idempotency key was used for another message"
    );
}

#[test]
fn nothing_is_stored_behind_a_message_that_failed() {
    let house = House::new(
        "syntax = \"proto3\"; package m; service S { rpc Put(stream Item) returns (Of); } message Of {} message Item { string id = 1; }",
    );
    let put = house.method("Put");
    let mut sink = put.open_sink(&house.db, &options()).unwrap();
    sink.push(b"\x0a\x01a").unwrap();
    assert_eq!(sink.push(b"\x0a\x01a").unwrap_err().sqlstate(), "23505");
    assert_eq!(sink.push(b"\x0a\x01b").unwrap_err().sqlstate(), "25P02");
    assert_eq!(sink.stored().unwrap().count, 1);
}

#[test]
fn open_streams_go_on_through_new_versions() {
    let version = |message: &str| {
        ModuleSource::new(
            "m.proto",
            format!(
                "{}{message}",
                CHAT.split("message Message ").next().unwrap()
            ),
        )
    };
    let one = "message Message { string sender = 1; Channel channel = 2; string message = 3; } message MessageAck { string status = 1; }";
    let two = "message Message { string author = 1; Channel channel = 2; string message = 3; int64 likes = 4; } message MessageAck { string status = 1; }";
    let db = Database::memory().unwrap();
    db.install_module(&version(one)).unwrap();
    let chat = House::of(db);
    let mut reader = chat.open("JoinChannel", r#"{"name": "tea"}"#, &options());
    chat.send(
        "SendMessage",
        &[r#"{"sender":"ada","channel":{"name":"tea"},"message":"one"}"#],
        &options(),
    )
    .unwrap();
    let method = chat.method("SendMessage");
    chat.db.install_module(&version(two)).unwrap();
    chat.send(
        "SendMessage",
        &[r#"{"author":"ada","channel":{"name":"tea"},"message":"two","likes":"3"}"#],
        &options(),
    )
    .unwrap();
    // A caller that knows the version before is served by the new one.
    let mut sink = method.open_sink(&chat.db, &options()).unwrap();
    sink.push(&json(
        r#"{"sender":"ada","channel":{"name":"tea"},"message":"three"}"#,
        method.input(),
    ))
    .unwrap();
    sink.finish().unwrap();
    // The reader goes by the fields it knows: their names are not on the wire.
    assert_eq!(
        reader.now(),
        [
            r#"{"sender":"ada","channel":{"name":"tea"},"message":"one"}"#,
            r#"{"sender":"ada","channel":{"name":"tea"},"message":"two"}"#,
            r#"{"sender":"ada","channel":{"name":"tea"},"message":"three"}"#
        ]
    );
    let mut new = chat.open("JoinChannel", r#"{"name": "tea"}"#, &options());
    assert_eq!(
        new.now(),
        [
            r#"{"author":"ada","channel":{"name":"tea"},"message":"one"}"#,
            r#"{"author":"ada","channel":{"name":"tea"},"message":"two","likes":"3"}"#,
            r#"{"author":"ada","channel":{"name":"tea"},"message":"three"}"#
        ]
    );
}
