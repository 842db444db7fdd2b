//! Real clients in one chat: a Go process by generated code, Python by reflection, two pages of another port in Chromium by
//! server-sent events and WebSockets. All send while the server is killed three times; each sees each message once.
//!
//! `.ci/clients` installs what is needed; what is not there is skipped aloud. The rooms: `people`, `site`, `room`.

#![allow(clippy::unwrap_used)]

mod common;
mod served;

#[path = "clients/people.rs"]
mod people;
#[path = "clients/room.rs"]
mod room;
#[path = "clients/site.rs"]
mod site;

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{database, run};
use prost::Message;
use room::Room;
use serde_json::json;
use served::{Client, Served, block_on, post};

const CHAT: &str = include_str!("../examples/chat/chat.proto");
/// How often the server is killed.
const KILLS: usize = 3;
/// Messages each sender has acknowledged between two of those, and before and after them.
const MESSAGES_BETWEEN_KILLS: usize = 30;
/// How long everybody may take for that; a browser waits a second before it comes again.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone, PartialEq, Message)]
struct Channel {
    #[prost(string, tag = "1")]
    name: String,
}

#[derive(Clone, PartialEq, Message)]
struct ChatMessage {
    #[prost(string, tag = "1")]
    sender: String,
    #[prost(message, tag = "2")]
    channel: Option<Channel>,
    #[prost(string, tag = "3")]
    message: String,
}

/// Ports that nobody has, below those that the system gives to connecting sockets: while the server is away, a client that
/// connects to such a port may be given it as its own, reach itself, and keep the server from coming back.
fn free_ports<const N: usize>() -> [String; N] {
    let begin = 20_000 + u16::try_from(std::process::id() % 10_000).unwrap();
    let mut held = (begin..32_000)
        .chain(20_000..begin)
        .filter_map(|port| TcpListener::bind(("127.0.0.1", port)).ok())
        .take(N)
        .collect::<Vec<_>>()
        .into_iter();
    std::array::from_fn(|_| held.next().unwrap().local_addr().unwrap().to_string())
}

fn install(server: &Served) {
    let request = json!({"text": {"file": "chat.proto", "texts": {"chat.proto": CHAT}}});
    let path = "/tailwater.v1.ModuleService/Install";
    let answer = post(&server.http, path, &[], &request.to_string());
    assert_eq!(answer.status, 200, "{}", answer.body);
}

/// Says one more thing, after everybody.
fn say_end(server: &Served) {
    let message = ChatMessage {
        sender: "test".to_owned(),
        channel: Some(Channel {
            name: "tea".to_owned(),
        }),
        message: "end".to_owned(),
    };
    block_on(async {
        let mut client = Client::of(&server.grpc).await;
        let path = "/chatpb.ChatService/SendMessage";
        client.gather::<Channel>(path, vec![message]).await.unwrap();
    });
}

/// The table, as lines in the order of arrival.
fn table(server: &Served) -> Vec<String> {
    let request = json!({"sql": "SELECT sender, message FROM message ORDER BY seq"}).to_string();
    let answer = post(
        &server.http,
        "/tailwater.v1.QueryService/Query",
        &[],
        &request,
    );
    assert_eq!(answer.status, 200, "{}", answer.body);
    let rows = answer.json()["rows"].as_array().unwrap().clone();
    let line = |row: &serde_json::Value| {
        let text = |at: usize| row["values"][at]["text"].as_str().unwrap().to_owned();
        format!("{}: {}", text(0), text(1))
    };
    rows.iter().map(line).collect()
}

#[test]
fn everybody_sees_each_message_once_while_the_server_is_killed() {
    let chat_go = people::find("TAILWATER_CHAT_GO", &[], &[]);
    let python = people::find(
        "TAILWATER_PYTHON",
        &["python3"],
        &["-c", "import grpc_reflection.v1alpha"],
    );
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let chromium = people::find("TAILWATER_CHROMIUM", &names, &["--version"]);

    let began = Instant::now();
    let (dir, db) = database();
    let room = Arc::new(Room::default());
    let site = site::serve(&room);
    let [grpc, http, front] = free_ports();
    let origin = format!("http://{site}");
    let start = || Served::start_at(&db, &grpc, &http, &["--allow-origin", &origin]);
    let mut server = start();
    install(&server);

    let (mut names, mut persons) = (Vec::new(), Vec::new());
    if let Some(chat_go) = &chat_go {
        names.push("go");
        persons.extend(people::go(chat_go, &server, &front, &room));
    }
    if let Some(python) = &python {
        names.push("python");
        persons.push(people::python(python, &server, &room));
    }
    if let Some(chromium) = &chromium {
        for page in ["events", "socket"] {
            names.push(page);
            let profile = dir.path().join(page);
            persons.push(people::chromium(chromium, &server, &site, page, &profile));
        }
    }
    if names.is_empty() {
        return;
    }

    // Everybody talks; each has a word acknowledged before, between and after the kills.
    let mut before = BTreeMap::new();
    for kill in 0..=KILLS {
        let what = format!("each has sent {MESSAGES_BETWEEN_KILLS} more after {kill} kills");
        before = room.wait(&what, PATIENCE, |told| {
            let has_sent = |name: &&str| {
                let sent = told.sent.get(*name).copied().unwrap_or_default();
                let before = before.get(*name).copied().unwrap_or_default();
                sent >= before + MESSAGES_BETWEEN_KILLS
            };
            names.iter().all(has_sent).then(|| told.sent.clone())
        });
        if kill < KILLS {
            server.kill();
            server = start();
        }
    }
    room.enough();
    let sent = room.wait("all are quiet", PATIENCE, |told| {
        let is_quiet = names
            .iter()
            .all(|name| told.quiet.iter().any(|one| one == name));
        is_quiet.then(|| told.sent.clone())
    });
    say_end(&server);

    let table = table(&server);
    let seen = room.wait("all have seen the end", PATIENCE, |told| {
        let has_seen = |name: &&str| {
            let last = told.seen.get(*name).and_then(|lines| lines.last());
            last.is_some_and(|line| line == "test: end")
        };
        names.iter().all(has_seen).then(|| told.seen.clone())
    });
    for (name, lines) in &seen {
        assert_eq!(lines, &table, "what {name} saw is not what there is");
    }
    let mut wanted: Vec<String> = sent
        .iter()
        .flat_map(|(name, count)| (0..*count).map(move |n| format!("{name}: {n}")))
        .chain(["test: end".to_owned()])
        .collect();
    let mut there = table.clone();
    wanted.sort();
    there.sort();
    assert_eq!(there, wanted, "what is there is not what was sent");
    drop(persons);
    server.kill();
    run(&["check", &db]).ok();
    let readers = seen.len();
    println!(
        "{} messages of {sent:?} seen once by each of {readers} readers through {KILLS} kills in {:?}",
        table.len(),
        began.elapsed()
    );
}
