//! The functions of `lib/chat.dart` that make and read what goes over the wire, one for one, in Rust.
//!
//! Whoever changes one changes the other. Next door: the fixtures, which both are held to.

use serde::Deserialize;
use serde_json::{Value as Json, json};

const JOIN: &str = "/chatpb.ChatService/JoinChannel";
const SEND: &str = "/chatpb.ChatService/SendMessage";
const WORTH_A_RETRY: [u16; 4] = [2, 10, 13, 14];

#[derive(Debug, Deserialize, PartialEq)]
pub(crate) struct Message {
    pub(crate) sender: String,
    pub(crate) text: String,
    pub(crate) token: String,
}

impl Message {
    /// Reads an answer; `id` is the token where it stands beside the JSON.
    pub(crate) fn from_json(json: &str, id: &str) -> Self {
        let fields: Json = serde_json::from_str(json).unwrap();
        let field = |name: &str| fields[name].as_str().map(str::to_owned);
        Self {
            sender: field("sender").unwrap_or_default(),
            text: field("message").unwrap_or_default(),
            token: field("tailwater-token").unwrap_or_else(|| id.to_owned()),
        }
    }
}

pub(crate) fn events_target(channel: &str, limit: u32) -> String {
    format!("{JOIN}?name={channel}&tailwater-limit={limit}")
}

pub(crate) fn socket_target(limit: u32, token: &str) -> String {
    let since = match token {
        "" => String::new(),
        token => format!("&tailwater-token={token}"),
    };
    format!("{JOIN}?tailwater-limit={limit}&tailwater-tokens=true{since}")
}

pub(crate) fn send_target(key: &str) -> String {
    format!("{SEND}?idempotency-key={key}")
}

pub(crate) fn join_frame(channel: &str) -> String {
    json!({ "name": channel }).to_string()
}

pub(crate) fn send_frames(sender: &str, channel: &str, texts: &[String]) -> Vec<String> {
    let quoted = |text: &str| Json::from(text).to_string();
    let (sender, channel) = (quoted(sender), join_frame(channel));
    let frame = |text: &String| {
        let text = quoted(text);
        format!("{{\"sender\":{sender},\"channel\":{channel},\"message\":{text}}}")
    };
    let end = std::iter::once(String::new());
    texts.iter().map(frame).chain(end).collect()
}

pub(crate) fn status_of(frame: &str) -> String {
    let fields: Json = serde_json::from_str(frame).unwrap();
    fields["status"].as_str().unwrap().to_owned()
}

pub(crate) fn is_worth_a_retry(code: Option<u16>) -> bool {
    code.is_none_or(|code| code < 4_000 || WORTH_A_RETRY.contains(&(code - 4_000)))
}

/// Reads server-sent events from text in pieces of any size.
#[derive(Default)]
pub(crate) struct EventReader {
    rest: String,
    name: String,
    data: Vec<String>,
    id: String,
}

impl EventReader {
    /// The messages that are whole with this piece, or the data of an error.
    pub(crate) fn add(&mut self, piece: &str) -> Result<Vec<Message>, String> {
        let mut messages = Vec::new();
        self.rest.push_str(piece);
        while let Some((line, rest)) = self.rest.split_once('\n') {
            let line = line.to_owned();
            self.rest = rest.to_owned();
            if line.is_empty() {
                let (name, id) = (std::mem::take(&mut self.name), std::mem::take(&mut self.id));
                let data = std::mem::take(&mut self.data).join("\n");
                match &*name {
                    "error" => return Err(data),
                    "" if !data.is_empty() => messages.push(Message::from_json(&data, &id)),
                    _ => {}
                }
                continue;
            }
            match line.split_once(": ") {
                Some(("event", value)) => self.name = value.to_owned(),
                Some(("data", value)) => self.data.push(value.to_owned()),
                Some(("id", value)) => self.id = value.to_owned(),
                _ => {}
            }
        }
        Ok(messages)
    }
}
