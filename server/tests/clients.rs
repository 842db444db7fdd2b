//! Real clients in one chat: a Go process by generated code, Python by reflection, two pages of another port in Chromium by
//! server-sent events and WebSockets. All send while the server is killed three times, some calls twice under their key; each
//! sees each message once.
//!
//! `.ci/clients` installs what is needed; what is not there is skipped aloud. The rooms: `people`, `site`, `room`.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

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
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{database, run};
use people::{Found, Person};
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

/// The clients that are on this machine.
struct Clients {
    chat_go: Option<Found>,
    python: Option<Found>,
    chromium: Option<Found>,
}

impl Clients {
    fn find() -> Self {
        let reflects = ["-c", "import grpc_reflection.v1alpha"];
        let browsers = ["chromium", "chromium-browser", "google-chrome"];
        Self {
            chat_go: people::find("TAILWATER_CHAT_GO", &[], &[]),
            python: people::find("TAILWATER_PYTHON", &["python3"], &reflects),
            chromium: people::find("TAILWATER_CHROMIUM", &browsers, &["--version"]),
        }
    }

    /// Starts them all; what each is called.
    fn start(
        &self,
        server: &Served,
        site: &str,
        room: &Arc<Room>,
        folder: &Path,
    ) -> (Vec<&'static str>, Vec<Person>) {
        let (mut names, mut persons) = (Vec::new(), Vec::new());
        if let Some(chat_go) = &self.chat_go {
            let [front] = free_ports();
            names.push("go");
            persons.extend(people::go(chat_go, server, &front, room));
        }
        if let Some(python) = &self.python {
            names.push("python");
            persons.push(people::python(python, server, room));
        }
        if let Some(chromium) = &self.chromium {
            for page in ["events", "socket"] {
                names.push(page);
                let profile = folder.join(page);
                persons.push(people::chromium(chromium, server, site, page, &profile));
            }
        }
        (names, persons)
    }
}

/// Waits until each sender has more acknowledged than before, and returns how many.
fn talk(
    room: &Room,
    names: &[&str],
    before: &BTreeMap<String, usize>,
    what: &str,
) -> BTreeMap<String, usize> {
    room.wait(what, PATIENCE, |told| {
        let of = |counts: &BTreeMap<String, usize>, name| counts.get(name).copied().unwrap_or(0);
        names
            .iter()
            .all(|name| of(&told.sent, *name) >= of(before, *name) + MESSAGES_BETWEEN_KILLS)
            .then(|| told.sent.clone())
    })
}

/// Each reader has seen the table, and the table is what the senders had acknowledged.
fn compare(table: &[String], sent: &BTreeMap<String, usize>, seen: &BTreeMap<String, Vec<String>>) {
    for (name, lines) in seen {
        let differs = lines.iter().zip(table).position(|(saw, is)| saw != is);
        assert!(
            lines == table,
            "{name} saw {} lines of {}; the first other one is {differs:?}: {:?}",
            lines.len(),
            table.len(),
            differs.map(|at| (&lines[at], &table[at]))
        );
    }
    let numbered = |(name, count): (&String, &usize)| -> Vec<String> {
        (0..*count).map(|n| format!("{name}: {n}")).collect()
    };
    let mut wanted: Vec<String> = sent.iter().flat_map(numbered).collect();
    wanted.push("test: end".to_owned());
    let mut there = table.to_vec();
    wanted.sort();
    there.sort();
    let differs = there.iter().zip(&wanted).find(|(is, sent)| is != sent);
    assert!(
        there == wanted,
        "{} messages are there, {} were sent; the first that differ are {differs:?}",
        there.len(),
        wanted.len()
    );
}

#[test]
fn everybody_sees_each_message_once_while_the_server_is_killed() {
    let clients = Clients::find();
    let began = Instant::now();
    let (dir, db) = database();
    let room = Arc::new(Room::default());
    let site = site::serve(&room);
    let [grpc, http] = free_ports();
    let origin = format!("http://{site}");
    let start = || Served::start_at(&db, &grpc, &http, &["--allow-origin", &origin]);
    let mut server = start();
    install(&server);
    let (names, persons) = clients.start(&server, &site, &room, dir.path());

    // Everybody talks; each has a word acknowledged before, between and after the kills.
    let mut sent = BTreeMap::new();
    for kill in 0..=KILLS {
        if kill > 0 {
            server.kill();
            server = start();
        }
        let what = format!("each sends {MESSAGES_BETWEEN_KILLS} more after {kill} kills");
        sent = talk(&room, &names, &sent, &what);
    }
    room.enough();
    let sent = room.wait("all are quiet", PATIENCE, |told| {
        let is_quiet = |name: &&str| told.quiet.iter().any(|quiet| quiet == name);
        names.iter().all(is_quiet).then(|| told.sent.clone())
    });
    say_end(&server);

    let seen = room.wait("all have seen the end", PATIENCE, |told| {
        let has_seen = |name: &&str| {
            let last = told.seen.get(*name).and_then(|lines| lines.last());
            last.is_some_and(|line| line == "test: end")
        };
        names.iter().all(has_seen).then(|| told.seen.clone())
    });
    let table = table(&server);
    compare(&table, &sent, &seen);
    drop(persons);
    server.kill();
    run(&["check", &db]).ok();
    println!(
        "{} messages, {sent:?}, seen once by each of {} readers through {KILLS} kills in {:?}",
        table.len(),
        seen.len(),
        began.elapsed()
    );
}
