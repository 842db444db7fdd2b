//! The chat module, and its messages as a client has them.

#![allow(dead_code, reason = "each test file uses its part")]

use prost::Message;
use serde_json::{Value as Json, json};

use super::served::{Served, post};

pub(crate) const CHAT: &str = include_str!("../../examples/chat/chat.proto");
pub(crate) const JOIN: &str = "/chatpb.ChatService/JoinChannel";
pub(crate) const SEND: &str = "/chatpb.ChatService/SendMessage";

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Channel {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ChatMessage {
    #[prost(string, tag = "1")]
    pub(crate) sender: String,
    #[prost(message, tag = "2")]
    pub(crate) channel: Option<Channel>,
    #[prost(string, tag = "3")]
    pub(crate) message: String,
    /// What a client that asked for it finds.
    #[prost(string, tag = "536870911")]
    pub(crate) token: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Ack {
    #[prost(string, tag = "1")]
    pub(crate) status: String,
}

pub(crate) fn message(text: &str) -> ChatMessage {
    ChatMessage {
        sender: "ada".to_owned(),
        channel: Some(channel()),
        message: text.to_owned(),
        token: String::new(),
    }
}

pub(crate) fn channel() -> Channel {
    Channel {
        name: "tea".to_owned(),
    }
}

pub(crate) fn install(server: &Served, text: &str) -> Json {
    let request = json!({"text": {"file": "chat.proto", "texts": {"chat.proto": text}}});
    let answer = post(
        &server.http,
        "/tailwater.v1.ModuleService/Install",
        &[],
        &request.to_string(),
    );
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()
}
