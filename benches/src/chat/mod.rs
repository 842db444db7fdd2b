//! A chat behind gRPC, as `chat.proto` has it: what `tailwater serve` makes of it, and the same by hand with tonic over SQLite.
//! Both run as processes of their own and are asked by the same clients over loopback.
//! It never measures. Doors: `process` starts servers, `service` and `store` are the peer, `client` and `receivers` ask.

pub mod client;
pub mod process;
pub mod receivers;
pub mod service;
pub mod store;

/// The module that `tailwater serve` is given.
pub const PROTO: &str = include_str!("chat.proto");
/// One message, one answer.
pub const CREATE: &str = "/chat.ChatService/CreateMessage";
/// Many messages, one answer.
pub const SEND: &str = "/chat.ChatService/SendMessage";
/// A channel's messages, those to come included.
pub const JOIN: &str = "/chat.ChatService/JoinChannel";

/// Where messages go.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Channel {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Who is there.
    #[prost(string, tag = "2")]
    pub senders_name: String,
}

/// What somebody says.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ChatMessage {
    /// Who.
    #[prost(string, tag = "1")]
    pub sender: String,
    /// Where.
    #[prost(message, optional, tag = "2")]
    pub channel: Option<Channel>,
    /// What.
    #[prost(string, tag = "3")]
    pub message: String,
}

/// That it is stored.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct MessageAck {
    /// In words.
    #[prost(string, tag = "1")]
    pub status: String,
}

/// A message of the usual length.
#[must_use]
pub fn message(channel: &str) -> ChatMessage {
    ChatMessage {
        sender: "ada".to_owned(),
        channel: Some(Channel {
            name: channel.to_owned(),
            senders_name: "ada".to_owned(),
        }),
        message: "The quick brown fox jumps over the lazy dog.".to_owned(),
    }
}

/// A message as gRPC has it: not compressed, its length, its bytes.
#[must_use]
pub fn framed(message: &impl prost::Message) -> Vec<u8> {
    let body = message.encode_to_vec();
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    let mut framed = vec![0];
    framed.extend(length.to_be_bytes());
    framed.extend(body);
    framed
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost::Message as _;

    #[test]
    fn a_frame_says_how_long_it_is() {
        let framed = framed(&message("a"));
        let length = message("a").encoded_len();
        assert_eq!(framed.len(), 5 + length);
        assert_eq!(framed[..5], [0, 0, 0, 0, length as u8]);
    }
}
