//! Modules on a server that runs: installed over the wire, called over gRPC, by JSON, events and WebSockets, and again after it
//! was killed.

#![allow(clippy::unwrap_used)]

mod chat;
mod common;
mod served;

use chat::{Ack, CHAT, ChatMessage, JOIN, SEND, channel, install, message};
use common::{database, run};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value as Json, json};
use served::{Client, Events, Served, block_on, get, next, post, told};
use tokio_tungstenite::tungstenite::Message as Frame;
use tonic::Code;

#[test]
fn a_module_is_there_as_soon_as_it_is_installed() {
    let (_dir, db) = database();
    let server = Served::start(&db, &[]);
    block_on(async {
        let mut client = Client::of(&server.grpc).await;
        let before = client.gather::<Ack>(SEND, vec![message("a")]).await;
        assert_eq!(before.unwrap_err().code(), Code::Unimplemented);
        assert_eq!(install(&server, CHAT)["name"], "chatpb");
        let ack: Ack = client
            .gather(SEND, vec![message("a"), message("b"), message("b")])
            .await
            .unwrap();
        assert!(ack.status.starts_with("stored 3, lsn "), "{ack:?}");
        let mut stream = client.open(JOIN, channel()).await.unwrap();
        for text in ["a", "b", "b"] {
            let got: ChatMessage = next(&mut stream).await.unwrap().unwrap();
            assert_eq!((got.message.as_str(), got.token.as_str()), (text, ""));
        }
        client
            .gather::<Ack>(SEND, vec![message("c")])
            .await
            .unwrap();
        assert_eq!(
            next::<ChatMessage>(&mut stream)
                .await
                .unwrap()
                .unwrap()
                .message,
            "c"
        );
        // The newest, and with tokens for who asks.
        let mut asking = client
            .clone()
            .with("tailwater-limit", "1")
            .with("tailwater-tokens", "true");
        let mut newest = asking.open(JOIN, channel()).await.unwrap();
        let got: ChatMessage = next(&mut newest).await.unwrap().unwrap();
        assert_eq!(got.message, "c");
        client
            .gather::<Ack>(SEND, vec![message("d")])
            .await
            .unwrap();
        let mut resumed = client
            .clone()
            .with("tailwater-token", got.token)
            .open(JOIN, channel())
            .await
            .unwrap();
        assert_eq!(
            next::<ChatMessage>(&mut resumed)
                .await
                .unwrap()
                .unwrap()
                .message,
            "d"
        );
        let mut wrong = client.clone().with("tailwater-limit", "many");
        assert_eq!(
            told(
                &wrong.open(JOIN, channel()).await.unwrap_err(),
                "tailwater-sqlstate"
            ),
            "22023"
        );
        let mut wrong = client.clone().with("tailwater-token", "nonsense");
        assert_eq!(
            wrong.open(JOIN, channel()).await.unwrap_err().code(),
            Code::InvalidArgument
        );
    });
    let listed = post(&server.http, "/tailwater.v1.ModuleService/List", &[], "{}");
    assert_eq!(listed.json()["names"], json!(["chatpb"]));
    let got = post(
        &server.http,
        "/tailwater.v1.ModuleService/Get",
        &[],
        r#"{"name": "chatpb"}"#,
    );
    assert_eq!(got.json()["text"]["texts"]["chat.proto"], CHAT);
    let dropped = post(
        &server.http,
        "/tailwater.v1.ModuleService/Drop",
        &[],
        r#"{"name": "chatpb"}"#,
    );
    assert_eq!(dropped.status, 200, "{}", dropped.body);
    assert_eq!(
        get(
            &server.http,
            &format!("{JOIN}?name=tea"),
            &[("accept", "text/event-stream")]
        )
        .status,
        404
    );
}

#[test]
fn what_fails_says_how_much_is_stored_and_a_key_makes_it_safe_to_send_all_again() {
    let (_dir, db) = database();
    let server = Served::start(&db, &[]);
    let checked = CHAT
        .replace(
            "package chatpb;",
            "package chatpb; import \"tailwater/v1/options.proto\";",
        )
        .replace(
            "string message = 3;",
            "string message = 3 [(tailwater.v1.column) = { check: \"message <> 'no'\" }];",
        );
    install(&server, &checked);
    block_on(async {
        let mut client = Client::of(&server.grpc).await.with("idempotency-key", "k");
        let texts = |wrong: &str| {
            (0..300)
                .map(|n| message(if n == 250 { wrong } else { "yes" }))
                .collect::<Vec<_>>()
        };
        let status = client.gather::<Ack>(SEND, texts("no")).await.unwrap_err();
        assert_eq!(
            (status.code(), told(&status, "tailwater-sqlstate")),
            (Code::FailedPrecondition, "23514")
        );
        assert_eq!(told(&status, "tailwater-stored"), "250");
        assert!(!told(&status, "tailwater-lsn").is_empty());
        let ack: Ack = client.gather(SEND, texts("maybe")).await.unwrap();
        assert!(ack.status.starts_with("stored 300, lsn "), "{ack:?}");
    });
    let count = post(
        &server.http,
        "/tailwater.v1.QueryService/Query",
        &[],
        r#"{"sql": "SELECT count(*) FROM message"}"#,
    );
    assert_eq!(count.json()["rows"][0]["values"][0]["int"], "300");
}

#[test]
fn browsers_chat_by_events_and_websockets_through_a_crash() {
    let (_dir, db) = database();
    let server = Served::start(&db, &[]);
    install(&server, CHAT);
    let send = |server: &Served, texts: &[&str]| {
        let url = format!(
            "ws://{}{SEND}?idempotency-key={}",
            server.http,
            texts.join("-")
        );
        let texts: Vec<String> = texts
            .iter()
            .map(|text| {
                json!({"sender": "bob", "channel": {"name": "tea"}, "message": text}).to_string()
            })
            .collect();
        block_on(async move {
            let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
            for text in texts {
                socket.send(Frame::Text(text.into())).await.unwrap();
            }
            socket.send(Frame::Text("".into())).await.unwrap();
            let answer = socket.next().await.unwrap().unwrap();
            let answer: Json = serde_json::from_str(answer.to_text().unwrap()).unwrap();
            assert!(
                answer["status"].as_str().unwrap().starts_with("stored "),
                "{answer}"
            );
        });
    };
    send(&server, &["one", "two"]);
    send(&server, &["one", "two"]); // the page was not sure
    let target = format!("{JOIN}?name=tea&tailwater-limit=10");
    let mut events = Events::open(&server.http, &target, &[]);
    assert_eq!(events.next().unwrap().json()["message"], "one");
    send(&server, &["three"]);
    let two = events.next().unwrap();
    assert_eq!(two.json()["message"], "two");
    server.kill();
    assert_eq!(
        events
            .next()
            .map(|event| event.json()["message"].clone())
            .into_iter()
            .filter(|text| *text != "three")
            .count(),
        0
    );

    let server = Served::start(&db, &[]);
    let last = two.id.unwrap();
    let mut events = Events::open(&server.http, &target, &[("last-event-id", &last)]);
    assert_eq!(events.next().unwrap().json()["message"], "three");
    send(&server, &["four"]);
    assert_eq!(events.next().unwrap().json()["message"], "four");
}

#[test]
fn the_command_installs_on_a_server_that_runs() {
    let (dir, db) = database();
    let server = Served::start(&db, &[]);
    let file = dir.path().join("chat.proto");
    std::fs::write(&file, CHAT).unwrap();
    let file = file.display().to_string();
    let said = run(&["module", "install", &file, "--server", &server.grpc]).ok();
    assert!(
        said.starts_with("module chatpb installed\ntable message of chatpb.Message\n"),
        "{said}"
    );
    assert_eq!(
        run(&["module", "list", "--server", &server.grpc]).ok(),
        "chatpb\n"
    );
    let named = run(&[
        "module",
        "install",
        &file,
        "--server",
        &server.grpc,
        "--name",
        "other",
    ]);
    assert!(
        named.code == 1 && named.err.contains("is module \"chatpb\"'s already"),
        "{named:?}"
    );
    block_on(async {
        let mut client = Client::of(&server.grpc).await;
        client
            .gather::<Ack>(SEND, vec![message("a")])
            .await
            .unwrap();
    });
    run(&["module", "drop", "chatpb", "--server", &server.grpc]).ok();
    assert_eq!(run(&["module", "list", "--server", &server.grpc]).ok(), "");
    assert_eq!(run(&["module", "list"]).code, 2);
}

#[test]
fn unary_methods_are_json_over_http() {
    let (_dir, db) = database();
    let server = Served::start(&db, &[]);
    install(
        &server,
        "syntax = \"proto3\"; package shop; service Shop { rpc CreateItem(Item) returns (Item); rpc GetItem(Item) returns (Item); rpc Guess(Item) returns (Item); }
         message Item { string id = 1; int64 cents = 2; }",
    );
    let call =
        |method: &str, body: &str| post(&server.http, &format!("/shop.Shop/{method}"), &[], body);
    assert_eq!(
        call("CreateItem", r#"{"id": "tea", "cents": "450"}"#).json(),
        json!({"id": "tea", "cents": "450"})
    );
    assert_eq!(call("GetItem", r#"{"id": "tea"}"#).json()["cents"], "450");
    assert_eq!(call("GetItem", r#"{"id": "oil"}"#).status, 404);
    assert_eq!(call("CreateItem", r#"{"id": "tea"}"#).status, 409);
    let unbound = call("Guess", "{}");
    assert_eq!(unbound.status, 501);
    assert!(
        unbound.json()["hint"]
            .as_str()
            .unwrap()
            .contains("(tailwater.v1.bind)"),
        "{}",
        unbound.body
    );
}

#[test]
fn scopes_hold_for_methods_of_modules() {
    let (dir, db) = database();
    let chat = dir.path().join("chat.proto");
    std::fs::write(&chat, CHAT).unwrap();
    run(&[
        "module",
        "install",
        &chat.display().to_string(),
        "--db",
        &db,
    ])
    .ok();
    let token = |scope: &str| {
        let made = run(&[
            "token", "create", "--db", &db, "--scope", scope, "--name", scope,
        ])
        .ok();
        made.split_whitespace()
            .find(|word| word.starts_with("twt_"))
            .unwrap()
            .to_owned()
    };
    let (writes, follows) = (token("write"), token("subscribe"));
    let server = Served::start(&db, &[]);
    block_on(async {
        let bearer = |token: &str| ("authorization", format!("Bearer {token}"));
        let client = Client::of(&server.grpc).await;
        let (name, value) = bearer(&writes);
        let mut writer = client.clone().with(name, value);
        let (name, value) = bearer(&follows);
        let mut follower = client.clone().with(name, value);
        writer
            .gather::<Ack>(SEND, vec![message("a")])
            .await
            .unwrap();
        assert_eq!(
            writer.open(JOIN, channel()).await.unwrap_err().code(),
            Code::PermissionDenied
        );
        let mut stream = follower.open(JOIN, channel()).await.unwrap();
        assert_eq!(
            next::<ChatMessage>(&mut stream)
                .await
                .unwrap()
                .unwrap()
                .message,
            "a"
        );
        let refused = follower
            .gather::<Ack>(SEND, vec![message("b")])
            .await
            .unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied);
        let mut nobody = client;
        assert_eq!(
            nobody.open(JOIN, channel()).await.unwrap_err().code(),
            Code::Unauthenticated
        );
    });
    let install = post(
        &server.http,
        "/tailwater.v1.ModuleService/Install",
        &[("authorization", &format!("Bearer {writes}"))],
        "{}",
    );
    assert_eq!(install.status, 403);
}

/// Two listeners of one channel share a feed. One that lags falls out of it in the middle of a commit, and goes on where it was.
#[test]
fn a_commit_larger_than_what_is_kept_is_told_once_to_all() {
    const ROWS: usize = 3_000;
    let (_dir, db) = database();
    let server = Served::start(&db, &[]);
    install(&server, CHAT);
    block_on(async {
        let mut client = Client::of(&server.grpc).await;
        let mut streams = Vec::new();
        for _ in 0..2 {
            streams.push(client.open(JOIN, channel()).await.unwrap());
        }
        // Each has caught up, and hears what comes with the other.
        for text in ["one", "two", "three"] {
            let ack: Ack = client.gather(SEND, vec![message(text)]).await.unwrap();
            assert!(ack.status.starts_with("stored 1, lsn "), "{ack:?}");
            for stream in &mut streams {
                let got: ChatMessage = next(stream).await.unwrap().unwrap();
                assert_eq!(got.message, text);
            }
        }
        server.exec(&format!(
            "INSERT INTO message (sender, channel, message)
             SELECT 'ada', {{name: 'tea'}}, n || repeat('.', 1000) FROM generate_series(1, {ROWS}) AS s(n)"
        ));
        let [slow, fast] = &mut streams[..] else {
            unreachable!()
        };
        for stream in [fast, slow] {
            for n in 1..=ROWS {
                let got: ChatMessage = next(stream).await.unwrap().unwrap();
                let number = got.message.trim_end_matches('.');
                assert_eq!(number, n.to_string());
            }
        }
        let ack: Ack = client.gather(SEND, vec![message("last")]).await.unwrap();
        assert!(ack.status.starts_with("stored 1, lsn "), "{ack:?}");
        for stream in &mut streams {
            let got: ChatMessage = next(stream).await.unwrap().unwrap();
            assert_eq!(got.message, "last");
        }
    });
}
