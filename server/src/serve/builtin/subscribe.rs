//! `SubscribeService`: a table or view as a stream of frames: a snapshot, then every commit that changes it, each once.
//!
//! The feed is the engine's; here its events become messages with their tokens, and after a `Reset` the stream goes on with a
//! new snapshot by itself. Streams that follow the same share one feed at its head (`hub`). Nothing waits: it is polled.

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
use crate::serve::hub::{Hubs, Listener, Place, Sound};
use crate::serve::method::{Message, Polled, Position, Source};
use crate::serve::scope::Scopes;
use crate::serve::token;

pub(super) fn add(service: &mut Service, shared: &Shared) -> Result<(), Fault> {
    let hubs = Arc::clone(&shared.hubs);
    let subscribe = streaming(move |context, request| {
        let following = Following::begin(&hubs, context, request)?;
        Ok(Source::Polled(Box::new(following)))
    });
    let path = "/tailwater.v1.SubscribeService/Subscribe";
    service.add(path, Some(Scopes::SUBSCRIBE), subscribe)
}

/// What is followed, and how it is shown.
#[derive(Clone)]
struct Shape {
    database: Database,
    /// From the beginning.
    anew: FeedRequest,
    columns: Vec<Column>,
    skip_before: bool,
}

/// A feed as messages.
struct Following {
    hubs: Arc<Hubs>,
    shape: Shape,
    place: Arc<Place>,
    line: Line,
    /// Where it stands: the last commit it has all of, and the token for it.
    at: Option<(u64, String)>,
}

/// Where the messages come from.
enum Line {
    /// From a feed of its own.
    Own(Own),
    /// From the one that all of this shape share.
    Shared(Listener),
    /// From nowhere just now: after a `Reset` or behind the others.
    None,
}

impl Following {
    fn begin(
        hubs: &Arc<Hubs>,
        context: &Context,
        request: v1::SubscribeRequest,
    ) -> Result<Self, Fault> {
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
        let mut shape = Shape {
            database: context.database.clone(),
            anew,
            columns: Vec::new(),
            skip_before,
        };
        let own = shape.open(first)?;
        shape.columns.clone_from(&own.columns);
        Ok(Self {
            place: hubs.place(shape.words(&context.caller.name)),
            hubs: Arc::clone(hubs),
            shape,
            line: Line::Own(own),
            at: None,
        })
    }

    /// Takes note of a message that is handed out.
    fn told(&mut self, message: &Message) {
        if let (Some(position), Some(token)) = (message.position, &message.token)
            && !position.more
        {
            self.at = Some((position.lsn, token.clone()));
        }
        if message.starts_over {
            self.at = None;
            self.line = Line::None;
        }
    }

    /// A feed of its own again: after what it has, or from the beginning.
    fn reopen(&mut self) -> Result<(), Fault> {
        let wanted = match &self.at {
            Some((_, token)) => self.shape.anew.clone().since(token),
            None => self.shape.anew.clone(),
        };
        let own = self.shape.open(wanted)?;
        if own.columns != self.shape.columns {
            // The others of its shape are not its like any more.
            self.shape.columns.clone_from(&own.columns);
            self.place = self.hubs.place(format!("alone {:p}", self));
        }
        self.line = Line::Own(own);
        Ok(())
    }

    /// Leaves its own feed for the shared one, if it has caught up and others are there.
    fn join(&mut self) -> bool {
        let Line::Own(own) = &mut self.line else {
            return false;
        };
        if Arc::strong_count(&self.place) < 2 || !own.encoder.are_columns_told() {
            return false;
        }
        if let Some(progress) = own.progress() {
            self.told(&progress);
        }
        let Some((at, _)) = &self.at else {
            return false;
        };
        let shape = &self.shape;
        let listener = self.place.join(*at, || {
            let own = shape.open(shape.anew.clone().without_snapshot())?;
            // Asked after: nothing up to here is missing between the two.
            let told = shape.database.visible_lsn().0;
            match own.columns == shape.columns {
                true => Ok((Box::new(own) as Box<dyn Polled>, told)),
                false => Err(Fault::new(sqlstate::INTERNAL_ERROR, "other columns")),
            }
        });
        let joined = listener.is_some();
        if let Some(listener) = listener {
            self.line = Line::Shared(listener);
        }
        joined
    }
}

impl Polled for Following {
    fn poll_next(&mut self, context: &mut TaskContext<'_>) -> Poll<Option<Result<Message, Fault>>> {
        loop {
            let told = match &mut self.line {
                Line::None => match self.reopen() {
                    Ok(()) => continue,
                    Err(fault) => Some(Err(fault)),
                },
                Line::Own(own) => match own.poll_next(context) {
                    Poll::Ready(told) => told,
                    Poll::Pending if self.join() => continue,
                    Poll::Pending => return Poll::Pending,
                },
                Line::Shared(listener) => match listener.poll_next(context) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Sound::Heard(told)) => Some(told),
                    Poll::Ready(Sound::Behind) => {
                        self.line = Line::None;
                        continue;
                    }
                },
            };
            if let Some(Ok(message)) = &told {
                self.told(message);
            }
            return Poll::Ready(told);
        }
    }

    fn progress(&mut self) -> Option<Message> {
        let message = match &mut self.line {
            Line::Own(own) => own.progress(),
            Line::Shared(listener) => listener.progress(),
            Line::None => None,
        }?;
        self.told(&message);
        Some(message)
    }
}

impl Shape {
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

    fn open(&self, wanted: FeedRequest) -> Result<Own, Fault> {
        let feed = self.database.subscribe(wanted)?;
        let columns = feed.columns();
        Ok(Own {
            encoder: FrameEncoder::new(&columns, false),
            stream: feed.into_stream(),
            columns,
            skip_before: self.skip_before,
        })
    }
}

/// A feed of the engine, as messages.
struct Own {
    stream: FeedStream,
    encoder: FrameEncoder,
    columns: Vec<Column>,
    skip_before: bool,
}

impl Own {
    fn message(&mut self, event: FeedEvent) -> Option<Message> {
        let starts_over = matches!(event, FeedEvent::Reset { .. });
        let mut frame = self.encoder.frame(event)?;
        if self.skip_before {
            for change in &mut frame.changes {
                change.before = None;
            }
        }
        let token = String::from_utf8_lossy(&frame.token).into_owned();
        let token = Some(token).filter(|token| !token.is_empty());
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

impl Polled for Own {
    fn poll_next(&mut self, context: &mut TaskContext<'_>) -> Poll<Option<Result<Message, Fault>>> {
        loop {
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
