//! A server of its own for a test, and clients that know the wire only.

#![allow(dead_code, reason = "each test file uses its part")]

#[path = "../../src/remote/raw.rs"]
mod raw;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use prost::Message;
use prost::bytes::Bytes;
use raw::Raw;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status, Streaming};

use super::common::TAILWATER;

/// How long a test waits for what has to come.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// A running server.
pub(crate) struct Served {
    child: Child,
    pub(crate) grpc: String,
    pub(crate) http: String,
}

impl Served {
    /// Serves a database on ports of its own.
    pub(crate) fn start(database: &str, more: &[&str]) -> Self {
        Self::start_at(database, "127.0.0.1:0", "127.0.0.1:0", more)
    }

    /// Serves a database where its clients know it.
    pub(crate) fn start_at(database: &str, grpc: &str, http: &str, more: &[&str]) -> Self {
        let mut child = Command::new(TAILWATER)
            .args(["serve", database, "--http", http])
            .args(match more.contains(&"--grpc") {
                true => vec![],
                false => vec!["--grpc", grpc],
            })
            .args(more)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut address = |name: &str| {
            let line = lines.next().expect("the server did not begin").unwrap();
            let address = line.strip_prefix(name).unwrap();
            address.strip_prefix(" listening on ").unwrap().to_owned()
        };
        Self {
            grpc: address("grpc"),
            http: address("http"),
            child,
        }
    }

    /// Kills it in the middle of everything.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop.
    pub(crate) fn terminate(&self) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-TERM", &pid]).status().unwrap();
        assert!(status.success());
    }

    /// Its exit code, once it has ended.
    pub(crate) fn wait(mut self) -> i32 {
        let code = self.child.wait().unwrap().code();
        code.unwrap_or(-1)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A value of the metrics.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let answer = get(&self.http, "/metrics", &[]);
        assert_eq!(answer.status, 200, "{}", answer.body);
        let line = answer
            .body
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name}\n{}", answer.body))
            .parse()
            .unwrap()
    }

    /// Waits until a value of the metrics is as it should be.
    pub(crate) fn wait_for_metric(&self, name: &str, is_right: impl Fn(f64) -> bool) {
        eventually(name, || is_right(self.metric(name)));
    }

    /// Runs a script by JSON.
    pub(crate) fn exec(&self, sql: &str) {
        let body = serde_json::json!({ "sql": sql }).to_string();
        let answer = post(&self.http, "/tailwater.v1.ExecService/Exec", &[], &body);
        assert_eq!(answer.status, 200, "{sql}: {}", answer.body);
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until something is so.
#[track_caller]
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < LONG, "{what} did not come about");
        std::thread::yield_now();
    }
}

/// Runs asynchronous work to its end.
pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async { tokio::time::timeout(LONG, work).await.expect("it hangs") })
}

/// An HTTP answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// A header, by its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (known, value) = line.split_once(':')?;
            known.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }
}

/// Sends a request of HTTP/1.0, which has no chunks, and returns the reader of its answer.
pub(crate) fn send(
    address: &str,
    verb: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> BufReader<TcpStream> {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(LONG)).unwrap();
    let mut head = format!(
        "{verb} {target} HTTP/1.0\r\ncontent-length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    socket.write_all(head.as_bytes()).unwrap();
    socket.write_all(body).unwrap();
    BufReader::new(socket)
}

/// Reads the head of an answer.
pub(crate) fn read_head(reader: &mut impl BufRead) -> (u16, String) {
    let mut head = String::new();
    loop {
        let mut line = String::new();
        assert!(
            reader.read_line(&mut line).unwrap() > 0,
            "no answer: {head}"
        );
        if line == "\r\n" {
            break;
        }
        head.push_str(&line);
    }
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head)
}

pub(crate) fn get(address: &str, target: &str, headers: &[(&str, &str)]) -> Answer {
    request(address, "GET", target, headers, b"")
}

/// Posts JSON.
pub(crate) fn post(address: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let json = [("content-type", "application/json")];
    let headers: Vec<_> = json.iter().chain(headers).copied().collect();
    request(address, "POST", target, &headers, body.as_bytes())
}

pub(crate) fn request(
    address: &str,
    verb: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    let mut reader = send(address, verb, target, headers, body);
    let (status, head) = read_head(&mut reader);
    let mut body = Vec::new();
    reader.read_to_end(&mut body).unwrap();
    Answer {
        status,
        head,
        body: String::from_utf8_lossy(&body).into_owned(),
    }
}

/// A server-sent event.
#[derive(Clone, Debug, Default)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) id: Option<String>,
    pub(crate) data: String,
}

impl Event {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.data).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// The events of a stream.
pub(crate) struct Events(BufReader<TcpStream>);

impl Events {
    pub(crate) fn open(address: &str, target: &str, headers: &[(&str, &str)]) -> Self {
        let accept = [("accept", "text/event-stream")];
        let headers: Vec<_> = accept.iter().chain(headers).copied().collect();
        let mut reader = send(address, "GET", target, &headers, b"");
        let (status, head) = read_head(&mut reader);
        assert_eq!(status, 200, "{head}");
        assert!(head.contains("text/event-stream"), "{head}");
        Self(reader)
    }
}

impl Iterator for Events {
    type Item = Event;

    /// The next event with data; `None` when the connection ends or breaks.
    fn next(&mut self) -> Option<Event> {
        let mut event = Event::default();
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).unwrap_or(0) == 0 {
                return None;
            }
            let line = line.trim_end_matches('\n');
            if line.is_empty() && !event.data.is_empty() {
                return Some(event);
            }
            match line.split_once(": ") {
                Some(("event", name)) => event.name = name.to_owned(),
                Some(("id", id)) => event.id = Some(id.to_owned()),
                Some(("data", data)) => event.data.push_str(data),
                _ => {}
            }
        }
    }
}

/// A gRPC client that knows paths and bytes.
#[derive(Clone)]
pub(crate) struct Client {
    grpc: tonic::client::Grpc<Channel>,
    pub(crate) metadata: Vec<(&'static str, String)>,
    pub(crate) timeout: Option<Duration>,
}

impl Client {
    pub(crate) async fn of(address: &str) -> Self {
        let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
        Self::by(endpoint.connect().await.unwrap())
    }

    /// Over a connection that is there.
    pub(crate) async fn over<S>(socket: S) -> Self
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
    {
        let mut socket = Some(socket);
        let connector = tower::service_fn(move |_| {
            let socket = socket
                .take()
                .ok_or_else(|| std::io::Error::other("only one"));
            std::future::ready(socket.map(hyper_util::rt::TokioIo::new))
        });
        let endpoint = Endpoint::from_static("http://localhost");
        Self::by(endpoint.connect_with_connector(connector).await.unwrap())
    }

    fn by(channel: Channel) -> Self {
        Self {
            grpc: tonic::client::Grpc::new(channel).max_decoding_message_size(64 << 20),
            metadata: Vec::new(),
            timeout: None,
        }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.metadata.push((name, value.into()));
        self
    }

    fn request<T>(&self, body: T) -> Request<T> {
        let mut request = Request::new(body);
        for (name, value) in &self.metadata {
            request.metadata_mut().insert(*name, value.parse().unwrap());
        }
        if let Some(timeout) = self.timeout {
            request.set_timeout(timeout);
        }
        request
    }

    /// One request, one answer.
    pub(crate) async fn unary<O: Message + Default>(
        &mut self,
        path: &str,
        request: impl Message,
    ) -> Result<O, Status> {
        self.grpc.ready().await.unwrap();
        let request = self.request(Bytes::from(request.encode_to_vec()));
        let answer = self.grpc.unary(request, path.parse().unwrap(), Raw).await?;
        Ok(O::decode(answer.into_inner()).unwrap())
    }

    /// One request, many answers.
    pub(crate) async fn open(
        &mut self,
        path: &str,
        request: impl Message,
    ) -> Result<Streaming<Bytes>, Status> {
        self.grpc.ready().await.unwrap();
        let request = self.request(Bytes::from(request.encode_to_vec()));
        let answer = self
            .grpc
            .server_streaming(request, path.parse().unwrap(), Raw)
            .await?;
        Ok(answer.into_inner())
    }

    /// Many requests, one answer.
    pub(crate) async fn gather<O: Message + Default>(
        &mut self,
        path: &str,
        requests: Vec<impl Message>,
    ) -> Result<O, Status> {
        self.grpc.ready().await.unwrap();
        let requests: Vec<Bytes> = requests
            .iter()
            .map(|request| request.encode_to_vec().into())
            .collect();
        let request = self.request(futures_util::stream::iter(requests));
        let answer = self
            .grpc
            .client_streaming(request, path.parse().unwrap(), Raw)
            .await?;
        Ok(O::decode(answer.into_inner()).unwrap())
    }

    /// Many requests, many answers.
    pub(crate) async fn converse(
        &mut self,
        path: &str,
        requests: tokio::sync::mpsc::UnboundedReceiver<Vec<u8>>,
    ) -> Result<Streaming<Bytes>, Status> {
        self.grpc.ready().await.unwrap();
        let requests = futures_util::stream::unfold(requests, |mut requests| async {
            Some((Bytes::from(requests.recv().await?), requests))
        });
        let request = self.request(requests);
        let answer = self
            .grpc
            .streaming(request, path.parse().unwrap(), Raw)
            .await?;
        Ok(answer.into_inner())
    }
}

/// The next message of a stream.
pub(crate) async fn next<O: Message + Default>(
    stream: &mut Streaming<Bytes>,
) -> Result<Option<O>, Status> {
    let message = stream.message().await?;
    Ok(message.map(|bytes| O::decode(bytes).unwrap()))
}

/// What a status says beside its code.
pub(crate) fn told<'a>(status: &'a Status, name: &str) -> &'a str {
    status
        .metadata()
        .get(name)
        .map_or("", |value| value.to_str().unwrap())
}
