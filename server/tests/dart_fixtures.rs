//! The fixtures of the Dart client, played against a real server, which must answer as they say, and through a twin of
//! `lib/chat.dart`, which must ask and understand as they say: no Dart is compiled here.
//!
//! Tokens and log positions differ each time: in the fixtures they are `TOKEN` and `LSN`.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod common;
mod served;
#[path = "dart_fixtures/twin.rs"]
mod twin;

use std::io::BufRead;
use std::path::{Path, PathBuf};

use common::database;
use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};
use served::{Served, block_on, post, read_head, send};
use tokio_tungstenite::tungstenite::Message as Frame;
use twin::{EventReader, Message};

const CHAT: &str = include_str!("../examples/chat/chat.proto");

/// A call, what goes over the wire, and what comes of it.
#[derive(Deserialize)]
struct Fixture {
    call: Call,
    request: Request,
    answer: Answer,
    result: Outcome,
}

#[derive(Deserialize)]
struct Call {
    kind: String,
    channel: String,
    #[serde(default)]
    key: String,
    #[serde(default)]
    sender: String,
    #[serde(default)]
    texts: Vec<String>,
    #[serde(default)]
    limit: u32,
    #[serde(default)]
    token: String,
}

#[derive(Deserialize)]
struct Request {
    target: String,
    #[serde(default)]
    frames: Vec<String>,
    #[serde(default)]
    headers: Map<String, Json>,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    events: String,
    #[serde(default)]
    frames: Vec<String>,
    close: Option<u16>,
    #[serde(default)]
    reason: String,
}

#[derive(Deserialize)]
struct Outcome {
    #[serde(default)]
    messages: Vec<Message>,
    #[serde(default)]
    status: String,
    retry: Option<bool>,
}

fn fixtures() -> Vec<(PathBuf, Fixture)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/chat-dart/fixtures");
    let files = std::fs::read_dir(folder).unwrap();
    let mut paths: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "there are no fixtures");
    let read = |path: PathBuf| {
        let fixture = serde_json::from_str(&std::fs::read_to_string(&path).unwrap());
        let fixture = fixture.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        (path, fixture)
    };
    paths.into_iter().map(read).collect()
}

/// What differs each time: what follows a mark, as long as it is made of such characters.
fn part_after<'a>(text: &'a str, mark: &str, is_part: fn(char) -> bool) -> Option<&'a str> {
    let (_, rest) = text.split_once(mark)?;
    let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
    Some(&rest[..end])
}

fn token_in(text: &str) -> Option<&str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    part_after(text, "\"tailwater-token\":\"", is_part)
        .or_else(|| part_after(text, "\nid: ", is_part))
}

/// What a server said, with the words of the fixtures; the token is kept.
fn in_words(text: &str, token: &mut String) -> String {
    let mut text = text.to_owned();
    if let Some(found) = token_in(&text).map(str::to_owned) {
        assert!(found.len() > 20, "{found} is no token");
        text = text.replace(&found, "TOKEN");
        *token = found;
    }
    match part_after(&text, ", lsn ", |c| c.is_ascii_digit()).map(str::to_owned) {
        Some(lsn) if !lsn.is_empty() => text.replace(&format!(", lsn {lsn}"), ", lsn LSN"),
        _ => text,
    }
}

/// Reads as many events as a fixture has.
fn play_events(server: &Served, request: &Request, answer: &Answer, token: &mut String) {
    let said = |value: &Json| value.as_str().unwrap().replace("TOKEN", token);
    let headers: Vec<(String, String)> = request
        .headers
        .iter()
        .map(|(name, value)| (name.clone(), said(value)))
        .collect();
    let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (&**n, &**v)).collect();
    let mut reader = send(&server.http, "GET", &request.target, &headers, b"");
    let (status, head) = read_head(&mut reader);
    assert_eq!(status, 200, "{head}");
    let mut text = String::new();
    while text.matches("\n\n").count() < answer.events.matches("\n\n").count() {
        assert!(reader.read_line(&mut text).unwrap() > 0, "{text}");
    }
    assert_eq!(in_words(&text, token), answer.events);
}

/// Sends and reads frames, and the end if the fixture has one.
fn play_socket(server: &Served, request: &Request, answer: &Answer, token: &mut String) {
    let target = request.target.replace("TOKEN", token);
    let url = format!("ws://{}{target}", server.http);
    block_on(async {
        let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
        for frame in &request.frames {
            socket.send(Frame::Text(frame.into())).await.unwrap();
        }
        for expected in &answer.frames {
            let frame = socket.next().await.unwrap().unwrap();
            assert_eq!(&in_words(frame.to_text().unwrap(), token), expected);
        }
        if let Some(code) = answer.close {
            let Frame::Close(Some(close)) = socket.next().await.unwrap().unwrap() else {
                panic!("it does not end");
            };
            assert_eq!(
                (u16::from(close.code), close.reason.as_str()),
                (code, answer.reason.as_str())
            );
        }
    });
}

#[test]
fn the_server_answers_as_the_fixtures_say() {
    let (_dir, db) = database();
    let server = Served::start(&db, &[]);
    let module = json!({"text": {"file": "chat.proto", "texts": {"chat.proto": CHAT}}});
    let path = "/tailwater.v1.ModuleService/Install";
    assert_eq!(
        post(&server.http, path, &[], &module.to_string()).status,
        200
    );
    let mut token = String::new();
    for (path, fixture) in fixtures() {
        println!("{}", path.display());
        match &*fixture.call.kind {
            "events" => play_events(&server, &fixture.request, &fixture.answer, &mut token),
            _ => play_socket(&server, &fixture.request, &fixture.answer, &mut token),
        }
    }
}

#[test]
fn the_twin_asks_and_understands_as_the_fixtures_say() {
    for (
        path,
        Fixture {
            call,
            request,
            answer,
            result,
        },
    ) in fixtures()
    {
        println!("{}", path.display());
        let (target, frames) = match &*call.kind {
            "send" => (
                twin::send_target(&call.key),
                twin::send_frames(&call.sender, &call.channel, &call.texts),
            ),
            "socket" => (
                twin::socket_target(call.limit, &call.token),
                vec![twin::join_frame(&call.channel)],
            ),
            "events" => (twin::events_target(&call.channel, call.limit), Vec::new()),
            kind => panic!("there is no call {kind}"),
        };
        assert_eq!((target, frames), (request.target, request.frames));
        match &*call.kind {
            "send" => assert_eq!(twin::status_of(&answer.frames[0]), result.status),
            "socket" => {
                let read = |frame: &String| Message::from_json(frame, "");
                let messages: Vec<Message> = answer.frames.iter().map(read).collect();
                assert_eq!(messages, result.messages);
            }
            _ => {
                // Whatever pieces the network makes of it; the text has characters of two bytes.
                let characters: Vec<char> = answer.events.chars().collect();
                for size in 1..=characters.len() {
                    let mut reader = EventReader::default();
                    let pieces = characters.chunks(size).map(String::from_iter);
                    let messages: Vec<Message> = pieces
                        .flat_map(|piece| reader.add(&piece).unwrap())
                        .collect();
                    assert_eq!(messages, result.messages, "in pieces of {size}");
                }
            }
        }
        if let Some(code) = answer.close {
            assert_eq!(Some(twin::is_worth_a_retry(Some(code))), result.retry);
        }
    }
}

#[test]
fn an_event_error_is_a_refusal() {
    let mut reader = EventReader::default();
    let text = "event: error\ndata: {\"sqlstate\":\"57P01\"}\nid: T\n\n";
    assert_eq!(reader.add(text).unwrap_err(), "{\"sqlstate\":\"57P01\"}");
}
