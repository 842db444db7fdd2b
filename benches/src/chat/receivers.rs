//! `Receivers`: a thousand listeners on some tens of connections, which count what they hear and do nothing else: so that the
//! server is what is measured, they speak just enough HTTP/2 for that, and never ask it to hold anything back.
//!
//! It is no client for anybody: it knows one request and looks at no header. Next door: `client`, who speaks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{Channel, JOIN, framed};
use crate::Result;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GO_AWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const FRAME_HEAD: usize = 9;
/// The most a window may be.
const WINDOW_MAX: u32 = (1 << 31) - 1;
/// The window of a connection to begin with.
const WINDOW_FIRST: u32 = 65_535;
/// Longer than anything that is measured.
const LONG: Duration = Duration::from_secs(120);

/// What all have heard.
#[derive(Debug, Default)]
struct Heard {
    answered: AtomicU64,
    messages: AtomicU64,
    ended: AtomicU64,
    changed: Notify,
}

/// Listeners.
#[derive(Debug)]
pub struct Receivers {
    streams: u64,
    heard: Arc<Heard>,
    listening: Vec<JoinHandle<()>>,
}

impl Receivers {
    /// Joins a channel with so many streams on so many connections, and waits until all are in.
    ///
    /// # Errors
    /// When they do not come in.
    pub async fn join(
        address: &str,
        channel: &str,
        streams: u64,
        connections: u64,
    ) -> Result<Self> {
        let mut all = Self {
            streams,
            heard: Arc::default(),
            listening: Vec::new(),
        };
        for connection in 0..connections {
            let share = streams / connections + u64::from(connection < streams % connections);
            let socket = ask(address, channel, share, WINDOW_MAX).await?;
            let heard = Arc::clone(&all.heard);
            all.listening.push(tokio::spawn(async move {
                let mut listener = Listener::new(share, Arc::clone(&heard));
                // However it ends, somebody waits for it.
                let _ = listener.listen(socket).await;
                heard.ended.fetch_add(1, Ordering::SeqCst);
                heard.changed.notify_waiters();
            }));
        }
        all.until("join", |heard| {
            heard.answered.load(Ordering::SeqCst) >= streams
        })
        .await?;
        Ok(all)
    }

    /// How many messages all have heard together.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.heard.messages.load(Ordering::SeqCst)
    }

    /// Waits until every stream has heard so many more than all had when there were `before`.
    ///
    /// # Errors
    /// When a stream ends, or they do not come.
    pub async fn hear(&self, before: u64, messages: u64) -> Result<()> {
        let all = before + messages * self.streams;
        self.until("hear", |heard| heard.messages.load(Ordering::SeqCst) >= all)
            .await
    }

    async fn until(&self, what: &str, is_so: impl Fn(&Heard) -> bool) -> Result<()> {
        let waiting = async {
            loop {
                let changed = self.heard.changed.notified();
                if is_so(&self.heard) {
                    return Ok(());
                }
                if self.heard.ended.load(Ordering::SeqCst) > 0 {
                    return Err("a connection or stream ended".to_owned());
                }
                changed.await;
            }
        };
        match timeout(LONG, waiting).await {
            Ok(done) => Ok(done?),
            Err(_) => Err(format!("listeners did not {what} in time: {:?}", self.heard).into()),
        }
    }
}

impl Drop for Receivers {
    fn drop(&mut self) {
        for listening in &self.listening {
            listening.abort();
        }
    }
}

/// Joins a channel with so many streams on one connection, which nobody reads from, with the windows that everybody begins with.
///
/// # Errors
/// When nobody listens there.
pub async fn join_deaf(address: &str, channel: &str, streams: u64) -> Result<TcpStream> {
    ask(address, channel, streams, WINDOW_FIRST).await
}

/// Connects and asks for streams.
async fn ask(address: &str, channel: &str, streams: u64, window: u32) -> Result<TcpStream> {
    let mut socket = TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    let mut out = PREFACE.to_vec();
    let mut initial_window = vec![0, 4];
    initial_window.extend(window.to_be_bytes());
    frame(&mut out, SETTINGS, 0, 0, &initial_window);
    if window > WINDOW_FIRST {
        let more = (window - WINDOW_FIRST).to_be_bytes();
        frame(&mut out, WINDOW_UPDATE, 0, 0, &more);
    }
    let head = head(address, JOIN);
    let body = framed(&Channel {
        name: channel.to_owned(),
        senders_name: "bob".to_owned(),
    });
    for stream in (1..).step_by(2).take(usize::try_from(streams)?) {
        frame(&mut out, HEADERS, END_HEADERS, stream, &head);
        frame(&mut out, DATA, END_STREAM, stream, &body);
    }
    socket.write_all(&out).await?;
    Ok(socket)
}

fn frame(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, body: &[u8]) {
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes();
    out.extend(&length[1..]);
    out.extend([kind, flags]);
    out.extend(stream.to_be_bytes());
    out.extend(body);
}

/// The headers of a call, each as it is, in no table.
fn head(authority: &str, path: &str) -> Vec<u8> {
    const LITERAL: u8 = 0;
    let mut out = Vec::new();
    for (name, value) in [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", authority),
        (":path", path),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
    ] {
        out.push(LITERAL);
        for text in [name, value] {
            debug_assert!(text.len() < 127, "a length of one byte");
            out.push(u8::try_from(text.len()).unwrap_or(0));
            out.extend(text.bytes());
        }
    }
    out
}

/// How far a stream is in the message that comes.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    /// Bytes there are of flag and length.
    prefix: usize,
    /// The length, as far as it is known.
    length: u32,
    /// Bytes of the message that are still to come.
    left: usize,
}

impl Place {
    /// Goes on by some bytes; returns how many messages end in them.
    fn pass(&mut self, mut bytes: &[u8]) -> u64 {
        let mut ended = 0;
        while !bytes.is_empty() {
            if self.prefix < 5 {
                if let Some((first, rest)) = bytes.split_first() {
                    self.length = self.length << 8 | u32::from(*first);
                    self.prefix += 1;
                    bytes = rest;
                }
                if self.prefix < 5 {
                    continue;
                }
                self.left = self.length as usize;
            }
            let passed = self.left.min(bytes.len());
            bytes = bytes.get(passed..).unwrap_or_default();
            self.left -= passed;
            if self.left == 0 {
                ended += 1;
                *self = Self::default();
            }
        }
        ended
    }
}

/// The streams of one connection.
struct Listener {
    places: Vec<Place>,
    has_headers: Vec<bool>,
    heard: Arc<Heard>,
}

impl Listener {
    fn new(streams: u64, heard: Arc<Heard>) -> Self {
        let streams = usize::try_from(streams).unwrap_or(0);
        Self {
            places: vec![Place::default(); streams],
            has_headers: vec![false; streams],
            heard,
        }
    }

    async fn listen(&mut self, mut socket: TcpStream) -> Result<()> {
        let mut bytes = Vec::with_capacity(1 << 20);
        loop {
            if socket.read_buf(&mut bytes).await? == 0 {
                return Err("the server closed the connection".into());
            }
            let mut out = Vec::new();
            let taken = self.take(&bytes, &mut out)?;
            bytes.drain(..taken);
            if !out.is_empty() {
                socket.write_all(&out).await?;
            }
        }
    }

    /// Takes the frames that are whole; returns how many bytes that was.
    fn take(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<usize> {
        let (mut taken, mut messages, mut answered) = (0, 0, 0);
        while let Some((head, rest)) = bytes
            .get(taken..)
            .and_then(|rest| rest.split_first_chunk::<FRAME_HEAD>())
        {
            let [a, b, c, kind, flags, stream @ ..] = *head;
            let length = u32::from_be_bytes([0, a, b, c]) as usize;
            let Some(body) = rest.get(..length) else {
                break;
            };
            taken += FRAME_HEAD + length;
            let at = u32::from_be_bytes(stream) as usize / 2;
            match kind {
                DATA => {
                    let place = self.places.get_mut(at).ok_or("no such stream")?;
                    messages += place.pass(body);
                }
                HEADERS => {
                    let has = self.has_headers.get_mut(at).ok_or("no such stream")?;
                    if std::mem::replace(has, true) || flags & END_STREAM != 0 {
                        return Err(format!("a stream ended: {body:?}").into());
                    }
                    answered += 1;
                }
                SETTINGS if flags & ACK == 0 => frame(out, SETTINGS, ACK, 0, &[]),
                PING if flags & ACK == 0 => frame(out, PING, ACK, 0, body),
                GO_AWAY => return Err("the server goes away".into()),
                _ => {}
            }
        }
        if messages + answered > 0 {
            self.heard.messages.fetch_add(messages, Ordering::SeqCst);
            self.heard.answered.fetch_add(answered, Ordering::SeqCst);
            self.heard.changed.notify_waiters();
        }
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_counted_however_they_are_cut() {
        let one = framed(&super::super::message("a"));
        let empty = framed(&Channel::default());
        let all = [&one[..], &empty[..], &one[..]].concat();
        for cut in 0..all.len() {
            let mut place = Place::default();
            let (front, back) = all.split_at(cut);
            assert_eq!(place.pass(front) + place.pass(back), 3, "cut at {cut}");
        }
    }
}
