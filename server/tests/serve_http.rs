//! The server as browsers and `curl` meet it: JSON, server-sent events, WebSockets, gRPC-Web, CORS.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod common;
mod served;

use std::collections::BTreeMap;
use std::io::Read;
use std::time::Duration;

use common::database;
use futures_util::{SinkExt, StreamExt};
use prost::Message;
use served::{
    Client, Events, LONG, Served, block_on, get, next, post, read_head, request, send, told,
};
use tailwater_proto::v1;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tonic::Code;

const QUERY: &str = "/tailwater.v1.QueryService/Query";
const SUBSCRIBE: &str = "/tailwater.v1.SubscribeService/Subscribe";
const FOLLOW_T: &str = "/tailwater.v1.SubscribeService/Subscribe?object=t";
const OPEN_STREAMS: &str = "tailwater_open_streams";

#[test]
fn json_is_answered_with_json_and_errors_have_codes() {
    let (_dir, db) = database();
    let server = Served::start(&db, &["--message-bytes-max", "64KiB"]);
    server.exec("CREATE TABLE t (id BIGINT PRIMARY KEY, name TEXT); INSERT INTO t VALUES (9007199254740993, 'a')");
    let ask = |body: &str| post(&server.http, QUERY, &[], body);
    let answer = ask(
        r#"{"sql": "SELECT * FROM t WHERE name = $n", "namedParameters": {"n": {"text": "a"}}}"#,
    );
    assert_eq!(answer.status, 200, "{}", answer.body);
    let json = answer.json();
    assert_eq!(json["columns"][0]["name"], "id");
    assert_eq!(json["rows"][0]["values"][0]["int"], "9007199254740993");

    let answer = ask(r#"{"sql": "SELECT 1 +"}"#);
    assert_eq!(
        (answer.status, &answer.json()["sqlstate"]),
        (400, &"42601".into())
    );
    assert_eq!(answer.json()["code"], "INVALID_ARGUMENT");
    assert_eq!(answer.json()["position"], 10);
    let answer = ask(r#"{"sql": "DELETE FROM t"}"#);
    assert_eq!(
        (answer.status, &answer.json()["sqlstate"]),
        (501, &"0A000".into())
    );
    let answer = ask(r#"{"sql": "SELECT count(*) FROM t"}"#);
    assert_eq!(
        answer.json()["rows"][0]["values"][0]["int"],
        "1",
        "it was run"
    );
    assert_eq!(ask(r#"{"sql": "SELECT * FROM u"}"#).status, 404);
    assert_eq!(ask(r#"{"sq": "SELECT 1"}"#).json()["sqlstate"], "22P03");
    assert_eq!(ask("{").status, 400);
    let deep = format!(
        "{{\"parameters\": [{}",
        "{\"array\":{\"elements\":[".repeat(10_000)
    );
    assert_eq!(ask(&deep).status, 413);
    let deep = format!(
        "{{\"parameters\": [{}",
        "{\"array\":{\"elements\":[".repeat(1_000)
    );
    assert_eq!(ask(&deep).status, 400);

    let plain = [("content-type", "text/plain")];
    let answer = request(
        &server.http,
        "POST",
        QUERY,
        &plain,
        b"{\"sql\": \"SELECT 1\"}",
    );
    assert_eq!(answer.status, 400, "{}", answer.body);
    assert_eq!(post(&server.http, "/a.B/C", &[], "{}").status, 404);
    let answer = get(&server.http, QUERY, &[]);
    assert_eq!(
        (answer.status, answer.header("allow")),
        (405, Some("POST, GET"))
    );
    let answer = post(&server.http, SUBSCRIBE, &[], r#"{"object": "t"}"#);
    assert!(answer.body.contains("text/event-stream"), "{}", answer.body);
    let answer = post(
        &server.http,
        "/tailwater.v1.ExecService/ExecEach",
        &[],
        "{}",
    );
    assert!(answer.body.contains("WebSocket"), "{}", answer.body);
    let slow = r#"{"sql": "SELECT count(*) FROM generate_series(1, 1000000000) AS s (i)"}"#;
    let answer = post(&server.http, QUERY, &[("grpc-timeout", "100m")], slow);
    assert_eq!(
        (answer.status, &answer.json()["code"]),
        (504, &"DEADLINE_EXCEEDED".into())
    );
    assert_eq!(get(&server.http, "/healthz", &[]).body, "ok\n");
    // The address for gRPC takes nothing else.
    assert_eq!(
        request(&server.grpc, "GET", "/healthz", &[], b"").status,
        400
    );
}

/// Puts the rows of an event's changes under their ids, each of which must be new.
fn take_in(seen: &mut BTreeMap<String, usize>, json: &serde_json::Value) {
    for change in json["changes"].as_array().into_iter().flatten() {
        assert_eq!(change["operation"], "OPERATION_INSERT");
        let id = change["after"]["values"][0]["int"].as_str().unwrap();
        *seen.entry(id.to_owned()).or_default() += 1;
    }
}

/// What a browser does: it follows, keeps the id of the last event, and comes back with it. The server is killed again and
/// again between a commit and the next look; in the end each row was seen once.
#[test]
fn events_are_seen_once_though_the_server_is_killed() {
    let (_dir, db) = database();
    let server = Served::start(&db, &[]);
    server.exec("CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (0)");
    let mut seen = BTreeMap::new();
    let mut last_id: Option<String> = None;
    let mut written = 1;
    let mut server = Some(server);
    for round in 0..6 {
        let running = server.take().unwrap_or_else(|| Served::start(&db, &[]));
        let id = last_id.clone().unwrap_or_default();
        let headers = [("last-event-id", id.as_str())];
        let headers = if last_id.is_some() { &headers[..] } else { &[] };
        let mut events = Events::open(&running.http, FOLLOW_T, headers);
        // Some are read while they are written, some after the kill.
        for _ in 0..10 + round {
            running.exec(&format!("INSERT INTO t VALUES ({written})"));
            written += 1;
        }
        for event in events.by_ref().take(5 + round) {
            take_in(&mut seen, &event.json());
            last_id = event.id.or(last_id);
        }
        running.kill();
        if round % 2 == 0 {
            // What was on the wire still counts.
            for event in events {
                take_in(&mut seen, &event.json());
                last_id = event.id.or(last_id);
            }
        }
    }
    let server = Served::start(&db, &[]);
    let id = last_id.unwrap();
    let mut events = Events::open(&server.http, FOLLOW_T, &[("last-event-id", &id)]);
    while seen.len() < written {
        take_in(&mut seen, &events.next().unwrap().json());
    }
    assert_eq!(seen.len(), written);
    assert!(seen.values().all(|times| *times == 1), "{seen:?}");
}

#[test]
fn a_stream_of_rows_ends_and_an_error_is_an_event() {
    let (_dir, db) = database();
    let server = Served::start(&db, &[]);
    let stream = "/tailwater.v1.QueryService/QueryStream?sql=";
    let sql = "SELECT+i+FROM+generate_series(1,3)+AS+s(i)";
    let events: Vec<_> = Events::open(&server.http, &format!("{stream}{sql}"), &[]).collect();
    assert_eq!(events.len(), 2, "{events:?}");
    assert_eq!(events[0].json()["rows"].as_array().unwrap().len(), 3);
    assert_eq!(events[1].name, "end");
    let sql = "SELECT+1/(5000-i)+FROM+generate_series(1,9000)+AS+s(i)";
    let events: Vec<_> = Events::open(&server.http, &format!("{stream}{sql}"), &[]).collect();
    let last = events.last().unwrap();
    assert_eq!(
        (&*last.name, &last.json()["sqlstate"]),
        ("error", &"22012".into())
    );
    // What is wrong from the beginning has a status.
    let accept = [("accept", "text/event-stream")];
    let answer = get(
        &server.http,
        "/tailwater.v1.SubscribeService/Subscribe?object=no",
        &accept,
    );
    assert_eq!(
        (answer.status, &answer.json()["sqlstate"]),
        (404, &"42P01".into())
    );
    let answer = get(
        &server.http,
        "/tailwater.v1.SubscribeService/Subscribe?objekt=t",
        &accept,
    );
    assert_eq!(answer.status, 400);
}

#[test]
fn a_server_that_goes_down_says_where_to_go_on() {
    let (_dir, db) = database();
    let server = Served::start(&db, &[]);
    server.exec("CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1)");
    let mut events = Events::open(&server.http, FOLLOW_T, &[]);
    let end = events
        .by_ref()
        .find(|event| event.data.contains("snapshotEnd"))
        .unwrap();
    let token = block_on(async {
        let mut client = Client::of(&server.grpc).await;
        let request = v1::SubscribeRequest {
            of: Some(v1::subscribe_request::Of::Object("t".into())),
            skip_snapshot: true,
            ..v1::SubscribeRequest::default()
        };
        let mut stream = client.open(SUBSCRIBE, request).await.unwrap();
        server.exec("INSERT INTO t VALUES (2)");
        let frame: v1::FeedFrame = next(&mut stream).await.unwrap().unwrap();
        // Nothing of t: the streams learn of it only when they end.
        server.exec("CREATE TABLE u (id INT PRIMARY KEY)");
        server.terminate();
        let progress: v1::FeedFrame = next(&mut stream).await.unwrap().unwrap();
        assert!(progress.lsn > frame.lsn, "{progress:?}");
        let status = next::<v1::FeedFrame>(&mut stream).await.unwrap_err();
        assert_eq!(
            (status.code(), told(&status, "tailwater-sqlstate")),
            (Code::Unavailable, "57P01")
        );
        assert_eq!(told(&status, "tailwater-token").as_bytes(), progress.token);
        told(&status, "tailwater-token").to_owned()
    });
    let rest: Vec<_> = events.collect();
    let last = rest.last().unwrap();
    assert_eq!(
        (&*last.name, &last.json()["sqlstate"]),
        ("error", &"57P01".into())
    );
    assert_eq!(last.id.as_deref(), last.json()["token"].as_str());
    assert_ne!(last.id, end.id);
    assert_eq!(server.wait(), 0);

    let server = Served::start(&db, &[]);
    server.exec("INSERT INTO t VALUES (3)");
    for token in [token, last.id.clone().unwrap()] {
        let mut events = Events::open(&server.http, FOLLOW_T, &[("last-event-id", &token)]);
        let mut seen = BTreeMap::new();
        take_in(&mut seen, &events.next().unwrap().json());
        assert_eq!(seen.keys().collect::<Vec<_>>(), ["3"]);
    }
}

#[test]
fn a_statement_under_way_is_answered_before_the_server_ends() {
    let (_dir, db) = database();
    let server = Served::start(&db, &[]);
    let body = r#"{"sql": "SELECT count(*) FROM generate_series(1, 300000) AS s (i)"}"#;
    let json = [("content-type", "application/json")];
    let mut reader = send(&server.http, "POST", QUERY, &json, body.as_bytes());
    server.terminate();
    // It was accepted or it was not; if it was, it is answered.
    let mut answer = String::new();
    let _ = reader.read_to_string(&mut answer);
    assert!(
        answer.is_empty() || answer.contains("300000") || answer.contains("57P01"),
        "{answer}"
    );
    assert_eq!(server.wait(), 0);
}

/// A client that reads nothing is cut in time, holds no commit up, and loses nothing: what it missed comes after its token.
#[test]
fn a_client_that_does_not_read_is_cut_and_goes_on_later() {
    let (_dir, db) = database();
    let server = Served::start(&db, &["--slow-client", "500ms"]);
    server.exec("CREATE TABLE t (id INT PRIMARY KEY, x TEXT)");
    let target = format!("{FOLLOW_T}&skip_before=true");
    let mut reader = send(
        &server.http,
        "GET",
        &target,
        &[("accept", "text/event-stream")],
        b"",
    );
    let (status, _) = read_head(&mut reader);
    assert_eq!(status, 200);
    let rows = 400;
    for id in 0..rows {
        server.exec(&format!("INSERT INTO t VALUES ({id}, repeat('x', 50000))"));
    }
    server.wait_for_metric("tailwater_slow_streams_cut_total", |cut| cut == 1.0);
    server.wait_for_metric(OPEN_STREAMS, |open| open == 0.0);
    // What was on the way can still be read, or the connection is gone: both end.
    let mut text = Vec::new();
    let _ = reader.read_to_end(&mut text);
    let text = String::from_utf8_lossy(&text);
    let mut seen = BTreeMap::new();
    let mut last_id = None;
    for block in text
        .split_inclusive("\n\n")
        .filter(|block| block.ends_with("\n\n"))
    {
        let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
        if field("event: ") == Some("error") {
            assert!(block.contains("57P05"), "{block}");
            continue;
        }
        if let Some(data) = field("data: ") {
            take_in(&mut seen, &serde_json::from_str(data).unwrap());
            last_id = field("id: ").map(str::to_owned).or(last_id);
        }
    }
    assert!(
        seen.len() < rows,
        "{} of {rows} fitted into the sockets",
        seen.len()
    );
    let mut events = Events::open(
        &server.http,
        &target,
        &[("last-event-id", &last_id.unwrap())],
    );
    while seen.len() < rows {
        take_in(&mut seen, &events.next().unwrap().json());
    }
    assert!(seen.values().all(|times| *times == 1));
}

/// Bytes of memory a process has.
fn resident(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().trim_end_matches(" kB").parse::<u64>().ok()? << 10)
}

#[test]
fn many_clients_that_do_not_read_cost_little_memory() {
    const CLIENTS: u64 = 200;
    let (_dir, db) = database();
    let server = Served::start(&db, &["--slow-client", "60s"]);
    server.exec("CREATE TABLE t (id INT PRIMARY KEY, x TEXT)");
    let Some(before) = resident(server.pid()) else {
        println!("skipped: the system does not tell a process's memory");
        return;
    };
    let accept = [("accept", "text/event-stream")];
    let open = |_| send(&server.http, "GET", FOLLOW_T, &accept, b"");
    let clients: Vec<_> = (0..CLIENTS).map(open).collect();
    server.wait_for_metric(OPEN_STREAMS, |open| open == CLIENTS as f64);
    // More than the sockets of a client take.
    for id in 0..200 {
        server.exec(&format!("INSERT INTO t VALUES ({id}, repeat('x', 50000))"));
    }
    let after = resident(server.pid()).unwrap();
    // The rows themselves, in memory and in the feed, and what each client has waiting.
    let rows = 3 * 200 * 50_000;
    let grown = after.saturating_sub(before + rows) / CLIENTS;
    println!("{} KiB a client", grown >> 10);
    assert!(grown < 400 << 10, "{grown} bytes a client");
    assert_eq!(server.metric(OPEN_STREAMS), CLIENTS as f64);
    drop(clients);
    server.wait_for_metric(OPEN_STREAMS, |open| open == 0.0);
}

type Socket =
    tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

async fn websocket(server: &Served, target: &str) -> Socket {
    let url = format!("ws://{}{target}", server.http);
    tokio_tungstenite::connect_async(url).await.unwrap().0
}

async fn say(socket: &mut Socket, sql: &str) {
    let text = serde_json::json!({ "sql": sql }).to_string();
    socket.send(Frame::Text(text.into())).await.unwrap();
}

async fn hear(socket: &mut Socket) -> serde_json::Value {
    loop {
        match socket.next().await.unwrap().unwrap() {
            Frame::Text(text) => return serde_json::from_str(&text).unwrap(),
            Frame::Ping(_) | Frame::Pong(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

async fn hear_close(socket: &mut Socket) -> (u16, String) {
    loop {
        match socket.next().await.unwrap().unwrap() {
            Frame::Close(Some(close)) => return (close.code.into(), close.reason.to_string()),
            Frame::Ping(_) | Frame::Pong(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_websocket_takes_all_kinds_of_call() {
    let (_dir, db) = database();
    let server = Served::start(&db, &["--message-bytes-max", "64KiB"]);
    server.exec("CREATE TABLE t (id INT PRIMARY KEY)");
    block_on(async {
        // Many requests, one answer; then the end of requests by an empty frame.
        let mut socket = websocket(&server, "/tailwater.v1.ExecService/ExecEach").await;
        for id in 0..50 {
            say(&mut socket, &format!("INSERT INTO t VALUES ({id})")).await;
        }
        socket.send(Frame::Text("".into())).await.unwrap();
        let done = hear(&mut socket).await;
        assert_eq!(
            (&done["requests"], &done["rowsAffected"]),
            (&"50".into(), &"50".into())
        );
        assert_eq!(hear_close(&mut socket).await, (1_000, String::new()));

        // Both ways.
        let mut socket = websocket(&server, "/tailwater.v1.ExecService/Session").await;
        say(&mut socket, "BEGIN").await;
        assert_eq!(hear(&mut socket).await["tag"], "BEGIN");
        say(&mut socket, "DELETE FROM t WHERE id < 25").await;
        assert_eq!(hear(&mut socket).await["rowsAffected"], "25");
        say(&mut socket, "SELEKT").await;
        assert_eq!(hear(&mut socket).await["error"]["sqlstate"], "42601");
        socket.close(None).await.unwrap();
        server.wait_for_metric(OPEN_STREAMS, |open| open == 0.0);

        // One request, many answers, as Protobuf.
        let mut socket = websocket(&server, SUBSCRIBE).await;
        let request = v1::SubscribeRequest {
            of: Some(v1::subscribe_request::Of::Object("t".into())),
            ..v1::SubscribeRequest::default()
        };
        socket
            .send(Frame::Binary(request.encode_to_vec().into()))
            .await
            .unwrap();
        let mut rows = 0;
        while rows < 50 {
            let Frame::Binary(bytes) = socket.next().await.unwrap().unwrap() else {
                continue;
            };
            rows += v1::FeedFrame::decode(bytes).unwrap().changes.len();
        }
        assert_eq!(rows, 50);
        drop(socket);
        server.wait_for_metric(OPEN_STREAMS, |open| open == 0.0);

        // One request, one answer; and what is wrong is the close code.
        let mut socket = websocket(&server, QUERY).await;
        say(&mut socket, "SELECT 1").await;
        assert_eq!(hear(&mut socket).await["rows"][0]["values"][0]["int"], "1");
        assert_eq!(hear_close(&mut socket).await.0, 1_000);
        let mut socket = websocket(&server, QUERY).await;
        say(&mut socket, "SELECT * FROM nothing").await;
        let (code, reason) = hear_close(&mut socket).await;
        assert_eq!(code, 4_005);
        assert!(reason.starts_with("42P01 relation"), "{reason}");
        let mut socket = websocket(&server, QUERY).await;
        socket.send(Frame::Text("{\"sq".into())).await.unwrap();
        assert_eq!(hear_close(&mut socket).await.0, 4_003);
        let mut socket = websocket(&server, QUERY).await;
        let long = "x".repeat(200_000);
        let _ = socket.send(Frame::Text(long.into())).await;
        while let Some(Ok(frame)) = socket.next().await {
            assert!(!frame.is_text());
        }

        let mut socket = websocket(&server, SUBSCRIBE).await;
        socket
            .send(Frame::Text("{\"object\": \"t\"}".into()))
            .await
            .unwrap();
        while hear(&mut socket).await["snapshotEnd"].is_null() {}
        server.terminate();
        let (code, reason) = tokio::time::timeout(LONG, hear_close(&mut socket))
            .await
            .unwrap();
        assert_eq!(code, 4_014);
        assert!(reason.starts_with("57P01"), "{reason}");
    });
    assert_eq!(server.wait(), 0);
}

/// The frames of a gRPC-Web answer: a flag, a length, and so many bytes each.
fn web_frames(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    while let [flag, a, b, c, d, rest @ ..] = bytes {
        let len = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        frames.push((*flag, rest[..len].to_vec()));
        bytes = &rest[len..];
    }
    frames
}

#[test]
fn a_page_of_an_allowed_origin_calls_by_grpc_web() {
    let (_dir, db) = database();
    let page = "https://app.example";
    let server = Served::start(&db, &["--allow-origin", page]);
    let request_of = |sql: &str| {
        let message = v1::QueryRequest {
            sql: sql.into(),
            ..v1::QueryRequest::default()
        };
        let message = message.encode_to_vec();
        let mut body = vec![0];
        body.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
        body.extend(message);
        body
    };
    for address in [&server.grpc, &server.http] {
        let preflight = [
            ("origin", page),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "content-type,x-grpc-web"),
        ];
        let answer = request(address, "OPTIONS", QUERY, &preflight, b"");
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("access-control-allow-origin"), Some(page));
        assert!(
            answer
                .header("access-control-allow-headers")
                .unwrap()
                .contains("x-grpc-web")
        );
        let strange = [
            ("origin", "https://evil.example"),
            ("access-control-request-method", "POST"),
        ];
        let answer = request(address, "OPTIONS", QUERY, &strange, b"");
        assert_eq!(answer.header("access-control-allow-origin"), None);

        let headers = [
            ("content-type", "application/grpc-web+proto"),
            ("origin", page),
        ];
        let ask = |sql: &str| {
            let mut reader = send(address, "POST", QUERY, &headers, &request_of(sql));
            let (status, head) = read_head(&mut reader);
            assert_eq!(status, 200, "{head}");
            assert!(
                head.to_lowercase()
                    .contains("access-control-allow-origin: https://app.example"),
                "{head}"
            );
            let mut body = Vec::new();
            reader.read_to_end(&mut body).unwrap();
            (head, web_frames(&body))
        };
        let (_, frames) = ask("SELECT 42");
        let answer = v1::QueryResponse::decode(&*frames[0].1).unwrap();
        assert_eq!(answer.rows.len(), 1);
        let (flag, trailers) = frames.last().unwrap();
        assert_eq!(flag & 0x80, 0x80);
        assert!(String::from_utf8_lossy(trailers).contains("grpc-status:0"));
        let (head, frames) = ask("SELECT * FROM nothing");
        let trailers: Vec<u8> = frames.into_iter().flat_map(|(_, bytes)| bytes).collect();
        let told = format!("{head}{}", String::from_utf8_lossy(&trailers)).replace(": ", ":");
        assert!(
            told.contains("grpc-status:5") && told.contains("tailwater-sqlstate:42P01"),
            "{told}"
        );
    }
}

#[test]
fn pages_of_strangers_are_refused() {
    let (_dir, db) = database();
    let server = Served::start(&db, &[]);
    // A name that somebody made point here.
    let answer = get(&server.http, "/healthz", &[("host", "evil.example:8080")]);
    assert_eq!(answer.status, 403, "{}", answer.body);
    assert_eq!(
        get(&server.http, "/healthz", &[("host", "localhost:8080")]).status,
        200
    );
    block_on(async {
        let url = format!("ws://{}{QUERY}", server.http);
        let mut strange = url.clone().into_client_request().unwrap();
        strange
            .headers_mut()
            .insert("origin", "https://evil.example".parse().unwrap());
        assert!(tokio_tungstenite::connect_async(strange).await.is_err());
        let mut own = url.into_client_request().unwrap();
        let origin = format!("http://{}", server.http);
        own.headers_mut().insert("origin", origin.parse().unwrap());
        assert!(tokio_tungstenite::connect_async(own).await.is_ok());
    });
}

/// Requests that do not come, and bytes that are no protocol, cost their connection and nothing else.
#[test]
fn who_sends_nothing_or_nonsense_is_let_go_of() {
    use std::io::Write;
    let (_dir, db) = database();
    let server = Served::start(&db, &["--slow-client", "300ms", "--calls-max", "1"]);
    let head = format!(
        "POST {QUERY} HTTP/1.0\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n{{"
    );
    let mut socket = std::net::TcpStream::connect(&server.http).unwrap();
    socket.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert!(
        answer.starts_with("HTTP/1.0 408") && answer.contains("57P05"),
        "{answer}"
    );
    block_on(async {
        // It opens the only call there may be, and sends no request.
        let mut client = Client::of(&server.grpc).await;
        let (requests, receiver) = tokio::sync::mpsc::unbounded_channel();
        let opened = client.converse(QUERY, receiver).await;
        let status = match opened {
            Ok(mut stream) => next::<v1::QueryResponse>(&mut stream).await.unwrap_err(),
            Err(status) => status,
        };
        assert_eq!(told(&status, "tailwater-sqlstate"), "57P05");
        drop(requests);
        let mut socket = websocket(&server, QUERY).await;
        say(&mut socket, "SELECT 1").await;
        assert_eq!(hear(&mut socket).await["rows"][0]["values"][0]["int"], "1");
    });
    // The seed is the whole run.
    let mut seed: u64 = 20_261_130;
    println!("seed {seed}");
    for round in 0..200_u32 {
        let address = if round % 2 == 0 {
            &server.grpc
        } else {
            &server.http
        };
        let mut socket = std::net::TcpStream::connect(address).unwrap();
        let mut bytes = match round % 4 {
            0 | 1 => b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
            2 => Vec::new(),
            _ => b"GET /tailwater.v1.SubscribeService/Subscribe?".to_vec(),
        };
        for _ in 0..300 {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            bytes.push(seed.to_le_bytes()[0]);
        }
        let _ = socket.write_all(&bytes);
        let _ = socket.shutdown(std::net::Shutdown::Write);
        let _ = socket.read_to_end(&mut Vec::new());
    }
    assert_eq!(get(&server.http, "/healthz", &[]).body, "ok\n");
    server.wait_for_metric("tailwater_connections", |open| open == 1.0);
}

#[test]
fn a_head_that_never_ends_is_given_up_without_holding_others_up() {
    let (_dir, db) = database();
    let server = Served::start(&db, &["--connections-max", "3"]);
    let idle: Vec<_> = (0..3)
        .map(|_| std::net::TcpStream::connect(&server.http).unwrap())
        .collect();
    // The fourth is closed at once, until there is room.
    let mut socket = std::net::TcpStream::connect(&server.http).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    assert_eq!(socket.read(&mut [0; 1]).unwrap_or(0), 0);
    drop(idle);
    served::eventually("room", || {
        std::panic::catch_unwind(|| get(&server.http, "/healthz", &[]).status == 200)
            .unwrap_or(false)
    });
}
