//! `SubscribeService`: a table or view as a stream of frames: a snapshot, then every commit that changes it, each once.
//!
//! The feed is the engine's; here its events become messages with their tokens, and after a `Reset` the stream goes on with a
//! new snapshot by itself. Nothing waits here: the stream is polled.

use std::task::{Context as TaskContext, Poll};

use prost::Message as _;
use tailwater::{Database, FeedEvent, FeedRequest, FeedStream, SqlType, Subscription};
use tailwater_proto::{sqlstate, v1};

use super::rows::value;
use super::{Service, Shared, streaming};
use crate::feed::proto::FrameEncoder;
use crate::literal::push_literal;
use crate::names::quoted;
use crate::serve::context::Context;
use crate::serve::fault::Fault;
use crate::serve::method::{Message, Polled, Source};
use crate::serve::scope::Scopes;
use crate::serve::token;

pub(super) fn add(service: &mut Service, _: &Shared) -> Result<(), Fault> {
    let subscribe = streaming(|context, request| {
        let following = Following::begin(context, request)?;
        Ok(Source::Polled(Box::new(following)))
    });
    let path = "/tailwater.v1.SubscribeService/Subscribe";
    service.add(path, Some(Scopes::SUBSCRIBE), subscribe)
}

/// A feed as messages.
struct Following {
    database: Database,
    /// What is followed, from the beginning.
    anew: FeedRequest,
    stream: FeedStream,
    encoder: FrameEncoder,
    skip_before: bool,
    /// The stream ended by a `Reset` and begins again.
    starts_over: bool,
}

impl Following {
    fn begin(context: &Context, request: v1::SubscribeRequest) -> Result<Self, Fault> {
        let token = match request.token.is_empty() {
            false => Some(String::from_utf8_lossy(&request.token).into_owned()),
            true => context.resume.clone(),
        };
        let (skip_snapshot, skip_before) = (request.skip_snapshot, request.skip_before);
        let anew = wanted(context, request)?;
        let first = match token {
            Some(token) => anew.clone().since(token),
            None if skip_snapshot => anew.clone().without_snapshot(),
            None => anew.clone(),
        };
        let feed = context.database.subscribe(first)?;
        Ok(Self {
            encoder: encoder(&feed),
            stream: feed.into_stream(),
            database: context.database.clone(),
            anew,
            skip_before,
            starts_over: false,
        })
    }

    fn message(&mut self, event: FeedEvent) -> Option<Message> {
        self.starts_over = matches!(event, FeedEvent::Reset { .. });
        let mut frame = self.encoder.frame(event)?;
        if self.skip_before {
            for change in &mut frame.changes {
                change.before = None;
            }
        }
        let token = String::from_utf8_lossy(&frame.token).into_owned();
        Some(Message {
            bytes: frame.encode_to_vec().into(),
            token: Some(token).filter(|token| !token.is_empty()),
        })
    }
}

impl Polled for Following {
    fn poll_next(&mut self, context: &mut TaskContext<'_>) -> Poll<Option<Result<Message, Fault>>> {
        loop {
            if std::mem::take(&mut self.starts_over) {
                match self.database.subscribe(self.anew.clone()) {
                    Ok(feed) => {
                        self.encoder = encoder(&feed);
                        self.stream = feed.into_stream();
                    }
                    Err(error) => return Poll::Ready(Some(Err(error.into()))),
                }
            }
            let event = match self.stream.poll_next(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error.into()))),
                Poll::Ready(Some(Ok(event))) => event,
            };
            if let Some(message) = self.message(event) {
                return Poll::Ready(Some(Ok(message)));
            }
        }
    }

    fn progress(&mut self) -> Option<Message> {
        let event = self.stream.progress()?;
        self.message(event)
    }
}

fn encoder(feed: &Subscription) -> FrameEncoder {
    FrameEncoder::new(&feed.columns(), false)
}

/// What a request follows, from the beginning.
fn wanted(context: &Context, request: v1::SubscribeRequest) -> Result<FeedRequest, Fault> {
    use v1::subscribe_request::Of;
    let unsupported = |what: &str, hint: &str| {
        Fault::new(
            sqlstate::FEATURE_NOT_SUPPORTED,
            format!("{what} is not supported"),
        )
        .with_hint(hint)
    };
    let object = match request.of {
        Some(Of::Object(object)) => object,
        Some(Of::Query(_)) => {
            return Err(unsupported(
                "following a query",
                "make it a materialized view and follow the view",
            ));
        }
        None => {
            return Err(Fault::new(
                sqlstate::INVALID_PARAMETER_VALUE,
                "the request does not say what to follow",
            )
            .with_hint("set `object` to the name of a table or materialized view"));
        }
    };
    if request.key_prefix.is_some() {
        return Err(unsupported("key_prefix", "use `equals` or `where`"));
    }
    if request.merge {
        return Err(unsupported("merge", "each commit is a frame of its own"));
    }
    // A name in whatever spelling contains the name.
    let names_tokens = |text: &str| text.to_lowercase().contains(token::TABLE);
    if names_tokens(&object) || names_tokens(&request.r#where) {
        context.caller.scopes.allow(Scopes::ADMIN)?;
    }
    let mut conditions = Vec::new();
    for (name, message) in request.equals {
        let value = value(message)?;
        let mut condition = quoted(&name);
        if value.is_null() {
            condition.push_str(" IS NULL");
        } else {
            condition.push_str(" = ");
            push_literal(&mut condition, &value, &SqlType::Any);
        }
        conditions.push(condition);
    }
    // In an order of their own: the same selection gives the same condition, and tokens are good for it.
    conditions.sort();
    if !request.r#where.trim().is_empty() {
        conditions.push(format!("({}\n)", request.r#where));
    }
    let wanted = FeedRequest::of(object);
    Ok(match conditions.is_empty() {
        true => wanted,
        false => wanted.filter(conditions.join(" AND ")),
    })
}
