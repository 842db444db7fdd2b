//! `SubscribeService`: a table or view as a stream of frames: a snapshot, then every commit that changes it, each once.
//!
//! The feed is the engine's; here its events become messages with their tokens, and after a `Reset` the stream goes on with a
//! new snapshot by itself. Streams that follow the same share one feed at its head (`following`). Nothing waits: it is polled.

use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use prost::Message as _;
use tailwater::{Column, Database, FeedEvent, FeedRequest, FeedStream, SqlType};
use tailwater_proto::{sqlstate, v1};

use super::rows::value;
use super::{Service, Shared, streaming};
use crate::feed::proto::FrameEncoder;
use crate::literal::push_literal;
use crate::names::quoted;
use crate::serve::context::Context;
use crate::serve::fault::Fault;
use crate::serve::following::{At, Following, Own, Shape, Since};
use crate::serve::hub::Hubs;
use crate::serve::method::{Batch, Message, Polled, Position, Source};
use crate::serve::scope::Scopes;
use crate::serve::token;

pub(super) fn add(service: &mut Service, shared: &Shared) -> Result<(), Fault> {
    let hubs = Arc::clone(&shared.hubs);
    let subscribe = streaming(move |context, request| {
        let following = begin(&hubs, context, request)?;
        Ok(Source::Polled(Box::new(following)))
    });
    let path = "/tailwater.v1.SubscribeService/Subscribe";
    service.add(path, Some(Scopes::SUBSCRIBE), subscribe)
}

/// What is followed, and how it is shown.
struct Frames {
    database: Database,
    /// From the beginning.
    anew: FeedRequest,
    columns: Vec<Column>,
    skip_before: bool,
}

fn begin(
    hubs: &Arc<Hubs>,
    context: &Context,
    request: v1::SubscribeRequest,
) -> Result<Following<Frames>, Fault> {
    let token = match request.token.is_empty() {
        false => Some(String::from_utf8_lossy(&request.token).into_owned()),
        true => context.resume.clone(),
    };
    let (skip_snapshot, skip_before) = (request.skip_snapshot, request.skip_before);
    let anew = wanted(context, request)?;
    let mut frames = Frames {
        database: context.database.clone(),
        anew,
        columns: Vec::new(),
        skip_before,
    };
    let own = frames.open(match &token {
        Some(token) => Since::Token(token),
        None if skip_snapshot => Since::Now,
        None => Since::Beginning,
    })?;
    frames.become_like(&own);
    let words = frames.words(&context.caller.name);
    Ok(Following::new(hubs, words, frames, own))
}

impl Frames {
    /// What decides on the messages, in words.
    fn words(&self, principal: &str) -> String {
        let Self {
            anew,
            columns,
            skip_before,
            ..
        } = self;
        format!("{principal:?} {anew:?} {columns:?} {skip_before}")
    }
}

impl Shape for Frames {
    type Own = OwnFrames;

    fn open(&self, since: Since<'_>) -> Result<OwnFrames, Fault> {
        let anew = self.anew.clone();
        let feed = self.database.subscribe(match since {
            Since::Beginning => anew,
            Since::Token(token) => anew.since(token),
            Since::Now => anew.without_snapshot(),
        })?;
        let columns = feed.columns();
        Ok(OwnFrames {
            encoder: FrameEncoder::new(&columns, false),
            stream: feed.into_stream(),
            columns,
            skip_before: self.skip_before,
        })
    }

    fn visible_lsn(&self) -> u64 {
        self.database.visible_lsn().0
    }

    fn is_like(&self, own: &OwnFrames) -> bool {
        own.columns == self.columns
    }

    fn become_like(&mut self, own: &OwnFrames) {
        self.columns.clone_from(&own.columns);
    }
}

/// A feed of the engine, as messages.
struct OwnFrames {
    stream: FeedStream,
    encoder: FrameEncoder,
    columns: Vec<Column>,
    skip_before: bool,
}

impl OwnFrames {
    fn message(&mut self, event: FeedEvent) -> Option<Message> {
        let starts_over = matches!(event, FeedEvent::Reset { .. });
        let mut frame = self.encoder.frame(event)?;
        if self.skip_before {
            for change in &mut frame.changes {
                change.before = None;
            }
        }
        let token = String::from_utf8_lossy(&frame.token);
        let token = (!token.is_empty()).then(|| Arc::from(&*token));
        // Rows of a snapshot have no token: there is no going on from them.
        let position = token.as_ref().map(|_| Position {
            lsn: frame.lsn,
            more: frame.more,
        });
        Some(Message {
            bytes: frame.encode_to_vec().into(),
            token,
            position,
            starts_over,
            json: None,
        })
    }
}

impl Own for OwnFrames {
    fn may_join(&self) -> bool {
        self.encoder.are_columns_told()
    }

    fn reached(&mut self) -> Option<At> {
        let progress = self.progress()?;
        Some((progress.position?.lsn, progress.token?))
    }
}

impl Polled for OwnFrames {
    fn poll_next(&mut self, context: &mut TaskContext<'_>) -> Poll<Option<Result<Batch, Fault>>> {
        loop {
            let event = match self.stream.poll_next(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error.into()))),
                Poll::Ready(Some(Ok(event))) => event,
            };
            if let Some(message) = self.message(event) {
                return Poll::Ready(Some(Ok(Batch::One(message))));
            }
        }
    }

    fn progress(&mut self) -> Option<Message> {
        let event = self.stream.progress()?;
        self.message(event)
    }
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
