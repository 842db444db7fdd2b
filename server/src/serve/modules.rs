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
use super::following::{At, Following, Own, Shape, Since};
use super::hub::Hubs;
use super::method::{
    Batch, Handler, Message, Method, Polled, Position, Pulled, Reply, Sink, Source,
};
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
            registry.add_method(method(own, &self.shared.hubs));
        }
        self.shared.registry.send_replace(Arc::new(registry));
        *shown = Some(set);
        Ok(())
    }
}

/// A method of a module as the server's.
fn method(own: &Arc<tailwater::service::Method>, hubs: &Arc<Hubs>) -> Method {
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
        handler: handler(Arc::clone(own), Arc::clone(hubs)),
    }
}

fn handler(own: Arc<tailwater::service::Method>, hubs: Arc<Hubs>) -> Handler {
    match own.kind() {
        CallKind::Unary => Handler::Unary(Box::new(move |context, request| {
            let answer = own.submit(&context.database, request, &options(context)?)?;
            Ok(Reply::Later(answer))
        })),
        CallKind::ServerStreaming => Handler::ServerStreaming(Box::new(move |context, request| {
            let options = options(context)?;
            if own.follows() {
                let following = Followed::begin(&hubs, &own, context, request, options)?;
                return Ok(Source::Polled(Box::new(following)));
            }
            let stream = own.open_stream(&context.database, request, &options)?;
            Ok(Source::Pulled(Box::new(Messages::from(stream))))
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

/// A call that follows, as all who make it get it.
struct Followed {
    method: Arc<tailwater::service::Method>,
    database: Database,
    request: Vec<u8>,
    options: CallOptions,
    /// Which rows it follows: a new version of the module may mean others.
    selection: Option<u64>,
}

impl Followed {
    fn begin(
        hubs: &Arc<Hubs>,
        method: &Arc<tailwater::service::Method>,
        context: &Context,
        request: &[u8],
        options: CallOptions,
    ) -> Result<Following<Self>, Fault> {
        let stream = method.open_stream(&context.database, request, &options)?;
        // A method that was replaced is another one, also under the same path.
        let words = format!(
            "{:p} {:?} {request:?} {}",
            Arc::as_ptr(method),
            context.caller.name,
            options.with_tokens
        );
        let followed = Self {
            method: Arc::clone(method),
            database: context.database.clone(),
            request: request.to_vec(),
            options,
            selection: stream.selection(),
        };
        let own = Messages::from(stream);
        Ok(Following::new(hubs, words, followed, own))
    }
}

impl Shape for Followed {
    type Own = Messages;

    fn open(&self, since: Since<'_>) -> Result<Messages, Fault> {
        let mut options = self.options.clone();
        (options.since, options.limit) = match since {
            Since::Beginning => (None, options.limit),
            Since::Token(token) => (Some(token.to_owned()), None),
            Since::Now => (None, Some(0)),
        };
        let stream = self
            .method
            .open_stream(&self.database, &self.request, &options)?;
        Ok(Messages::from(stream))
    }

    fn visible_lsn(&self) -> u64 {
        self.database.visible_lsn().0
    }

    fn is_like(&self, own: &Messages) -> bool {
        own.stream.selection() == self.selection
    }

    fn become_like(&mut self, own: &Messages) {
        self.selection = own.stream.selection();
    }
}

/// The answers of a stream.
struct Messages {
    stream: MessageStream,
    /// How far it came without a message.
    reached: Option<At>,
}

impl From<MessageStream> for Messages {
    fn from(stream: MessageStream) -> Self {
        Self {
            stream,
            reached: None,
        }
    }
}

impl Messages {
    /// A message, if the item has one.
    fn message(&mut self, item: StreamItem) -> Option<Message> {
        let token: Option<Arc<str>> = item.token.map(Arc::from);
        let Some(bytes) = item.message else {
            self.reached = token.map(|token| (item.lsn.0, token));
            return None;
        };
        self.reached = None;
        Some(Message {
            position: Some(Position {
                lsn: item.lsn.0,
                more: token.is_none(),
            }),
            token,
            ..Message::from(bytes)
        })
    }
}

impl Own for Messages {
    fn may_join(&self) -> bool {
        true
    }

    fn reached(&mut self) -> Option<At> {
        if let Some(item) = self.stream.progress() {
            self.message(item);
        }
        self.reached.take()
    }
}

impl Polled for Messages {
    fn poll_next(&mut self, context: &mut TaskContext<'_>) -> Poll<Option<Result<Batch, Fault>>> {
        loop {
            let item = match self.stream.poll_next(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error.into()))),
                Poll::Ready(Some(Ok(item))) => item,
            };
            if let Some(message) = self.message(item) {
                return Poll::Ready(Some(Ok(Batch::One(message))));
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
        let item = self.stream.recv()?;
        Ok(item.and_then(|item| self.message(item)))
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
