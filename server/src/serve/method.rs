//! `Method`: everything that can be called, in one shape: a path, two descriptors, and engine work over raw messages.
//!
//! The work is blocking and knows no protocol; front ends know methods and no work. Next door: `call`, which runs one on
//! behalf of the other, and `registry`, which holds them.

use std::sync::{Arc, OnceLock};
use std::task::{Context as TaskContext, Poll};

use prost::bytes::{BufMut, Bytes};
use prost_reflect::MessageDescriptor;
use tailwater::service::{AnswerTicket, Stored};

use super::context::Context;
use super::fault::Fault;
use super::scope::Scopes;

/// One message of an answer.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    /// It, encoded.
    pub(crate) bytes: Bytes,
    /// Where its stream goes on after it.
    pub(crate) token: Option<Arc<str>>,
    /// Which commit it tells of, or up to which, in a feed.
    pub(crate) position: Option<Position>,
    /// The feed ends with it, and begins anew.
    pub(crate) starts_over: bool,
    /// Its JSON once somebody needs it, where many get the same message.
    pub(crate) json: Option<Arc<OnceLock<Arc<str>>>>,
}

/// A place in a feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    /// The commit.
    pub(crate) lsn: u64,
    /// Further messages of the same commit follow.
    pub(crate) more: bool,
}

/// Messages that come together.
#[derive(Clone, Debug)]
pub(crate) enum Batch {
    /// One.
    One(Message),
    /// Some, for many streams.
    Shared(Arc<Chunk>),
}

impl Batch {
    /// They.
    pub(crate) fn messages(&self) -> &[Message] {
        match self {
            Self::One(message) => std::slice::from_ref(message),
            Self::Shared(chunk) => &chunk.messages,
        }
    }

    /// Where the stream goes on after them.
    pub(crate) fn token(&self) -> Option<&Arc<str>> {
        self.messages()
            .iter()
            .rev()
            .find_map(|message| message.token.as_ref())
    }
}

/// Messages that many streams send.
#[derive(Debug)]
pub(crate) struct Chunk {
    /// In order.
    pub(crate) messages: Vec<Message>,
    /// All of them as gRPC has them, one behind the other.
    pub(crate) framed: Bytes,
}

impl Chunk {
    /// Of messages that many get.
    pub(crate) fn new(messages: Vec<Message>) -> Self {
        let bytes = messages.iter().map(Message::framed_len).sum();
        let mut framed = Vec::with_capacity(bytes);
        for message in &messages {
            message.frame(&mut framed);
        }
        Self {
            messages,
            framed: framed.into(),
        }
    }
}

/// Bytes of what stands before a message in gRPC: that it is not compressed, and its length.
const FRAME_HEAD: usize = 5;

impl Message {
    /// The same, for many.
    pub(crate) fn shared(mut self) -> Self {
        self.json = Some(Arc::default());
        self
    }

    /// How long it is as gRPC has it.
    pub(crate) fn framed_len(&self) -> usize {
        FRAME_HEAD + self.bytes.len()
    }

    /// Appends it as gRPC has it.
    pub(crate) fn frame(&self, out: &mut impl BufMut) {
        out.put_u8(0);
        // Longer ones are refused where messages are made.
        out.put_u32(u32::try_from(self.bytes.len()).unwrap_or(u32::MAX));
        out.put_slice(&self.bytes);
    }
}

impl From<Vec<u8>> for Message {
    fn from(bytes: Vec<u8>) -> Self {
        Self {
            bytes: bytes.into(),
            token: None,
            position: None,
            starts_over: false,
            json: None,
        }
    }
}

/// Something that can be called.
pub(crate) struct Method {
    /// `/package.Service/Method`.
    pub(crate) path: String,
    /// What it takes.
    pub(crate) input: MessageDescriptor,
    /// What it answers.
    pub(crate) output: MessageDescriptor,
    /// What a caller has to be allowed for it to begin; `None`: not even a token is asked for. What its request asks for may
    /// need more.
    pub(crate) needs: Option<Scopes>,
    /// What it does.
    pub(crate) handler: Handler,
}

/// One request, one answer.
pub(crate) type Unary = dyn Fn(&Context, &[u8]) -> Result<Reply, Fault> + Send + Sync;
/// One request, many answers.
pub(crate) type OpenSource = dyn Fn(&Context, &[u8]) -> Result<Source, Fault> + Send + Sync;
/// Many requests, one answer.
pub(crate) type OpenSink = dyn Fn(&Context) -> Result<Box<dyn Sink>, Fault> + Send + Sync;
/// Many requests, many answers.
pub(crate) type OpenDialogue = dyn Fn(&Context) -> Result<Box<dyn Dialogue>, Fault> + Send + Sync;

/// The answer to a call.
pub(crate) enum Reply {
    /// It.
    Now(Vec<u8>),
    /// Once what the call did is durable.
    Later(AnswerTicket),
}

/// What a method does, by its kind of call.
pub(crate) enum Handler {
    /// One request, one answer.
    Unary(Box<Unary>),
    /// One request, many answers.
    ServerStreaming(Box<OpenSource>),
    /// Many requests, one answer.
    ClientStreaming(Box<OpenSink>),
    /// Many requests, many answers.
    Bidirectional(Box<OpenDialogue>),
}

impl Handler {
    /// Whether it takes many requests.
    pub(crate) const fn streams_requests(&self) -> bool {
        matches!(self, Self::ClientStreaming(_) | Self::Bidirectional(_))
    }

    /// Whether it gives many answers.
    pub(crate) const fn streams_answers(&self) -> bool {
        matches!(self, Self::ServerStreaming(_) | Self::Bidirectional(_))
    }
}

/// Where the answers of a stream come from.
pub(crate) enum Source {
    /// They wake whoever polls, and polling does not wait: feeds.
    Polled(Box<dyn Polled>),
    /// They are fetched, which may take a while, and come one after the other: rows.
    Pulled(Box<dyn Pulled>),
}

/// # Contract
/// Polling never sleeps. After an error or the end nothing is polled.
pub(crate) trait Polled: Send {
    /// The next messages, or `Pending` until the waker is called.
    fn poll_next(&mut self, context: &mut TaskContext<'_>) -> Poll<Option<Result<Batch, Fault>>>;
    /// A message that says how far the stream has come while there was nothing to say.
    fn progress(&mut self) -> Option<Message>;
}

/// Blocking work that gives one message at a time.
pub(crate) trait Pulled: Send {
    /// The next message; `None` at the end.
    fn pull(&mut self) -> Result<Option<Message>, Fault>;
}

/// Blocking work that takes one message at a time.
pub(crate) trait Sink: Send {
    /// Takes a request.
    fn push(&mut self, request: &[u8]) -> Result<(), Fault>;
    /// What is done and durable, for who counts it: told with what a call fails with.
    fn stored(&mut self) -> Result<Option<Stored>, Fault> {
        Ok(None)
    }
    /// There are no more requests: the answer. Dropped without it, the client went away.
    fn finish(self: Box<Self>) -> Result<Vec<u8>, Fault>;
}

/// Blocking work that takes a request and gives its answers before it takes the next.
pub(crate) trait Dialogue: Pulled {
    /// Takes a request; `pull` gives its answers, then `None`.
    fn push(&mut self, request: &[u8]) -> Result<(), Fault>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_say_which_side_streams() {
        let unary = Handler::Unary(Box::new(|_, _| Ok(Reply::Now(Vec::new()))));
        assert!(!unary.streams_requests() && !unary.streams_answers());
        let source = Handler::ServerStreaming(Box::new(|_, _| Err(Fault::shutting_down())));
        assert!(!source.streams_requests() && source.streams_answers());
    }
}
