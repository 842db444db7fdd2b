//! Starts the clients there are on this machine, and says which are not.
//!
//! A client is a process; what it prints goes to the `room`. A missing one is skipped aloud, or a failure where
//! `TAILWATER_CLIENTS=all` says that all are there. Next door: `site`, for those that are pages.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;

use super::room::Room;
use super::served::{Served, eventually, post};

/// A program that is on this machine.
pub(crate) struct Found(String);

/// Looks for a program: what the variable names, or the first of the names that runs.
pub(crate) fn find(variable: &str, names: &[&str], arguments: &[&str]) -> Option<Found> {
    let named = std::env::var(variable).ok();
    let names: Vec<&str> = match &named {
        Some(name) => vec![name],
        None => names.to_vec(),
    };
    let runs = |name: &&&str| {
        let tried = Command::new(name)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        // A usage message is a program, too.
        tried.is_ok_and(|status| status.success() || arguments.is_empty())
    };
    let found = names.iter().find(runs);
    if found.is_none() {
        let line = format!(
            "skipped: no {} (.ci/clients installs it, {variable} names it)\n",
            variable.trim_start_matches("TAILWATER_").to_lowercase()
        );
        let all = std::env::var("TAILWATER_CLIENTS").is_ok_and(|which| which == "all");
        assert!(!all, "{line}");
        // Not eprintln!, of which nothing is seen when a test goes well.
        std::io::stderr().write_all(line.as_bytes()).unwrap();
    }
    found.map(|name| Found((*name).to_owned()))
}

/// A client's process, ended with the test.
pub(crate) struct Person(Child);

impl Person {
    fn start(command: &mut Command) -> Self {
        Self(command.stdin(Stdio::piped()).spawn().unwrap())
    }

    fn pipes(&mut self) -> (ChildStdin, std::io::Lines<BufReader<ChildStdout>>) {
        let lines = BufReader::new(self.0.stdout.take().unwrap()).lines();
        (self.0.stdin.take().unwrap(), lines)
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        // Politely first: a browser ends its own children.
        let pid = self.0.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        let began = std::time::Instant::now();
        while began.elapsed().as_secs() < 10 {
            if !matches!(self.0.try_wait(), Ok(None)) {
                return;
            }
            std::thread::yield_now();
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Go: generated code and grpc-go. One process watches, another is a middle tier that the test posts to, as a phone would.
pub(crate) fn go(chat_go: &Found, server: &Served, front: &str, room: &Arc<Room>) -> [Person; 2] {
    let mut command = Command::new(&chat_go.0);
    command.args(["-server", &server.grpc, "watch", "tea"]);
    let mut watches = Person::start(command.stdout(Stdio::piped()));
    let (stdin, lines) = watches.pipes();
    let to = Arc::clone(room);
    std::thread::spawn(move || {
        let _open = stdin;
        lines
            .map_while(Result::ok)
            .for_each(|line| to.saw("go", line));
    });
    let mut command = Command::new(&chat_go.0);
    command.args(["-server", &server.grpc, "serve", front]);
    let serves = Person::start(&mut command);
    eventually("chat-go serves", || {
        std::net::TcpStream::connect(front).is_ok()
    });
    let (to, front) = (Arc::clone(room), front.to_owned());
    std::thread::spawn(move || {
        let mut count = 0;
        loop {
            let key = format!("go-{count}");
            let body = serde_json::json!({"sender": "go", "message": count.to_string()});
            let headers = [("idempotency-key", key.as_str())];
            if count % 7 == 0 {
                // As if its answer had been lost.
                post(&front, "/channels/tea", &headers, &body.to_string());
            }
            // It tries again by itself while the server is away; what it gives up we try again.
            let said = post(&front, "/channels/tea", &headers, &body.to_string());
            match (said.status, said.body.starts_with("stored 1, lsn ")) {
                (200, true) => count += 1,
                (502, _) => continue,
                _ => return to.failed("go", &said.body),
            }
            if !to.sent("go", count) {
                return;
            }
        }
    });
    [watches, serves]
}

/// Python: grpcio, which has the descriptors from the server's reflection.
pub(crate) fn python(python: &Found, server: &Served, room: &Arc<Room>) -> Person {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/chat.py");
    let mut command = Command::new(&python.0);
    command.arg(script).arg(&server.grpc);
    let mut person = Person::start(command.stdout(Stdio::piped()));
    let (mut stdin, lines) = person.pipes();
    let room = Arc::clone(room);
    std::thread::spawn(move || {
        writeln!(stdin, "more").unwrap();
        for line in lines.map_while(Result::ok) {
            match line.split_once(' ') {
                Some(("seen", line)) => room.saw("python", line.to_owned()),
                Some(("sent", count)) => {
                    if room.sent("python", count.parse().unwrap()) {
                        writeln!(stdin, "more").unwrap();
                    }
                }
                _ => room.failed("python", &line),
            }
        }
    });
    person
}

/// Chromium: a page of another port than the server's. Headless it opens one page only, so each has a browser of its own.
pub(crate) fn chromium(
    chromium: &Found,
    server: &Served,
    site: &str,
    page: &str,
    profile: &Path,
) -> Person {
    let mut command = Command::new(&chromium.0);
    command
        .args(["--headless=new", "--no-sandbox", "--disable-gpu"])
        .args([
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-quic",
        ])
        .args(["--disable-background-networking", "--disable-sync"])
        .args(["--disable-component-update", "--disable-extensions"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(format!(
            "http://{site}/{page}.html?me={page}&server={}",
            server.http
        ));
    Person::start(command.stdout(Stdio::null()).stderr(Stdio::null()))
}
