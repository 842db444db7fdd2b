//! `Modules`: the methods of installed modules, beside those that every server has. They are there with the commit that
//! installs a module, without a restart; calls that are under way go on as they began.
//!
//! What a method does is the engine's: here its metadata becomes options, and its streams the server's. Next door: `builtin`.

use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context as TaskContext, Poll};

use axum::http::HeaderMap;
use tailwater::Database;
use tailwater::module::CallKind;
use tailwater::service::{
    CallOptions, MessageSink, MessageStream, ServiceSet, Services, Stored, StreamItem,
};
use tailwater_proto::sqlstate;

use super::builtin::{self, Shared};
use super::context::Context;
use super::fault::Fault;
use super::method::{Handler, Message, Method, Polled, Pulled, Sink, Source};
use super::scope::Scopes;

/// How many of the rows there are a stream begins with.
pub(crate) const LIMIT: &str = "tailwater-limit";
/// `true`: messages carry their tokens.
pub(crate) const TOKENS: &str = "tailwater-tokens";
/// A call that writes does so once under this.
pub(crate) const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// Keeps the registry as the catalog is.
pub(crate) struct Modules {
    services: Services,
    shared: Shared,
    shown: Mutex<Option<Arc<ServiceSet>>>,
}

impl Modules {
    pub(crate) fn new(database: &Database, shared: &Shared) -> Self {
        Self {
            services: Services::new(database),
            shared: shared.clone(),
            shown: Mutex::default(),
        }
    }

    /// Shows the methods there are now. It costs next to nothing while the catalog stays the same.
    pub(crate) fn refresh(&self) -> Result<(), Fault> {
        // Held from here on: who looked earlier must not show an older set later.
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let set = self.services.current()?;
        if shown.as_ref().is_some_and(|shown| Arc::ptr_eq(shown, &set)) {
            return Ok(());
        }
        for (module, error) in set.damaged() {
            tracing::error!(module, %error, "the methods of a module cannot be had");
        }
        let mut registry = builtin::registry(&self.shared)?;
        for module in set.modules() {
            registry.add(module.pool().clone(), Vec::new());
        }
        for own in set.methods() {
            registry.add_method(method(own));
        }
        self.shared.registry.send_replace(Arc::new(registry));
        *shown = Some(set);
        Ok(())
    }
}

/// A method of a module as the server's.
fn method(own: &Arc<tailwater::service::Method>) -> Method {
    let asked = [
        (own.reads(), Scopes::READ),
        (own.writes(), Scopes::WRITE),
        (own.follows(), Scopes::SUBSCRIBE),
    ];
    let asked = asked.into_iter().filter(|(asked, _)| *asked);
    Method {
        path: own.path().to_owned(),
        input: own.input().clone(),
        output: own.output().clone(),
        needs: Some(asked.fold(Scopes::NONE, |all, (_, scope)| all | scope)),
        handler: handler(Arc::clone(own)),
    }
}

fn handler(own: Arc<tailwater::service::Method>) -> Handler {
    match own.kind() {
        CallKind::Unary => Handler::Unary(Box::new(move |context, request| {
            Ok(own.call(&context.database, request, &options(context)?)?)
        })),
        CallKind::ServerStreaming => Handler::ServerStreaming(Box::new(move |context, request| {
            let stream = own.open_stream(&context.database, request, &options(context)?)?;
            Ok(match own.follows() {
                true => Source::Polled(Box::new(Messages(stream))),
                false => Source::Pulled(Box::new(Messages(stream))),
            })
        })),
        CallKind::ClientStreaming => Handler::ClientStreaming(Box::new(move |context| {
            let sink = own.open_sink(&context.database, &options(context)?)?;
            Ok(Box::new(Stores(sink)))
        })),
        CallKind::Bidirectional => Handler::Bidirectional(Box::new(move |context| {
            // It is bound to nothing yet, whatever the module: the engine says so.
            match own.open_sink(&context.database, &options(context)?) {
                Err(error) => Err(error.into()),
                Ok(_) => Err(Fault::wrong_kind(format!("{} has no answers", own.path()))),
            }
        })),
    }
}

/// What the metadata says.
fn options(context: &Context) -> Result<CallOptions, Fault> {
    let metadata = &context.metadata;
    Ok(CallOptions {
        limit: said(metadata, LIMIT)?,
        since: context.resume.clone(),
        with_tokens: said(metadata, TOKENS)?.unwrap_or(false),
        idempotency_key: said(metadata, IDEMPOTENCY_KEY)?,
    })
}

/// Whether a caller wants to see the tokens of its messages; what is no such word the call itself refuses.
pub(crate) fn asks_for_tokens(metadata: &HeaderMap) -> bool {
    said(metadata, TOKENS).ok().flatten().unwrap_or(false)
}

fn said<T: FromStr>(metadata: &HeaderMap, name: &str) -> Result<Option<T>, Fault> {
    let Some(value) = metadata.get(name) else {
        return Ok(None);
    };
    let value = value
        .to_str()
        .ok()
        .and_then(|text| text.trim().parse().ok());
    match value {
        Some(value) => Ok(Some(value)),
        None => Err(Fault::new(
            sqlstate::INVALID_PARAMETER_VALUE,
            format!("the metadata {name} has a value that it cannot have"),
        )
        .with_hint(
            "tailwater-limit: 100, tailwater-tokens: true, idempotency-key: any plain text",
        )),
    }
}

/// The answers of a stream.
struct Messages(MessageStream);

/// A message, if the item has one.
fn message(item: StreamItem) -> Option<Message> {
    Some(Message {
        token: item.token,
        ..Message::from(item.message?)
    })
}

impl Polled for Messages {
    fn poll_next(&mut self, context: &mut TaskContext<'_>) -> Poll<Option<Result<Message, Fault>>> {
        loop {
            let item = match self.0.poll_next(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error.into()))),
                Poll::Ready(Some(Ok(item))) => item,
            };
            if let Some(message) = message(item) {
                return Poll::Ready(Some(Ok(message)));
            }
        }
    }

    /// A plain message has no place for it.
    fn progress(&mut self) -> Option<Message> {
        None
    }
}

impl Pulled for Messages {
    fn pull(&mut self) -> Result<Option<Message>, Fault> {
        Ok(self.0.recv()?.and_then(message))
    }
}

/// The messages of a caller.
struct Stores(MessageSink);

impl Sink for Stores {
    fn push(&mut self, request: &[u8]) -> Result<(), Fault> {
        Ok(self.0.push(request)?)
    }

    fn stored(&mut self) -> Result<Option<Stored>, Fault> {
        Ok(Some(self.0.stored()?))
    }

    fn finish(self: Box<Self>) -> Result<Vec<u8>, Fault> {
        Ok(self.0.finish()?)
    }
}
