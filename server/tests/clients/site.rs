//! The web server that the pages come from, on a port that is not the database's, and to which they tell what they see.
//!
//! It knows three files and three things to be told. Next door: `room`, which keeps them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use super::room::Room;

const FILES: [(&str, &str, &str); 3] = [
    ("/events.html", "text/html", include_str!("events.html")),
    ("/socket.html", "text/html", include_str!("socket.html")),
    ("/page.js", "text/javascript", include_str!("page.js")),
];
/// A page tells of less.
const BODY_BYTES_MAX: usize = 1 << 20;

/// Serves the pages until the test ends, and returns where.
pub(crate) fn serve(room: &Arc<Room>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let room = Arc::clone(room);
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let room = Arc::clone(&room);
            // A browser opens connections ahead of need, and says nothing on them.
            std::thread::spawn(move || answer(&room, socket));
        }
    });
    address
}

/// One request, one answer; a connection that breaks needs none.
fn answer(room: &Room, socket: TcpStream) -> Option<()> {
    let mut reader = BufReader::new(socket);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let target = line.split(' ').nth(1)?.to_owned();
    let mut length = 0;
    loop {
        line.clear();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let Some((name, value)) = line.split_once(':') else {
            break;
        };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; BODY_BYTES_MAX.min(length)];
    reader.read_exact(&mut body).ok()?;
    let (status, kind, answer) = match target.split_once("?who=") {
        Some((path, who)) => told(room, path, who, &String::from_utf8_lossy(&body)),
        None => file(&target),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{answer}",
        answer.len()
    );
    reader.into_inner().write_all(head.as_bytes()).ok()
}

type Answered = (&'static str, &'static str, &'static str);

fn file(target: &str) -> Answered {
    let path = target.split('?').next().unwrap_or_default();
    let found = FILES.iter().find(|(name, ..)| *name == path);
    found.map_or(("404 Not Found", "text/plain", ""), |(_, kind, text)| {
        ("200 OK", kind, text)
    })
}

fn told(room: &Room, path: &str, who: &str, body: &str) -> Answered {
    let mut answer = "";
    match (path, body.parse(), serde_json::from_str(body)) {
        ("/seen", _, Ok(Seen { at, lines })) => room.saw_from(who, at, lines),
        ("/sent", Ok(count), _) => {
            answer = if room.sent(who, count) {
                "more"
            } else {
                "enough"
            };
        }
        _ => room.failed(who, body),
    }
    ("200 OK", "text/plain", answer)
}

#[derive(serde::Deserialize)]
struct Seen {
    at: usize,
    lines: Vec<String>,
}
