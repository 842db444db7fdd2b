//! `Calls`: runs a method for a front end: lets the caller in, puts the engine's work on threads of its own, keeps deadlines,
//! and counts how it ended. It knows no protocol: requests come and answers go as a stream of raw messages.
//! Next door: `stream`, which keeps a stream of answers going.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderMap;
use futures_util::{Stream, StreamExt};
use prost::bytes::Bytes;
use tailwater::Database;
use tailwater_proto::sqlstate;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::Instant;

use super::admission::Admission;
use super::context::{Cancel, Context};
use super::fault::Fault;
use super::handles::Handles;
use super::method::{Handler, Message, Method, OpenSink, Reply, Sink, Source, Unary};
use super::metrics::{Front, Metrics, Observed};
use super::modules::Modules;
use super::registry::{Live, Registry};
use super::stream::{Answers, Over, Pump};
use super::token::{Caller, Tokens};
use super::watched::watch;

/// Requests of a call, encoded.
pub(crate) type Requests = Pin<Box<dyn Stream<Item = Result<Bytes, Fault>> + Send>>;

/// Requests that are handed to the engine at once, if so many are there.
const REQUESTS_AT_ONCE: usize = 64;

/// How patient the server is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// A client that does not read for so long, while there is something to read, is cut.
    pub(crate) slow_client: Duration,
    /// An idle stream tells how far it is after so long.
    pub(crate) progress_after: Duration,
}

/// What a front end knows of a call.
pub(crate) struct Call {
    /// The protocol.
    pub(crate) front: Front,
    /// Headers or metadata.
    pub(crate) headers: HeaderMap,
    /// The other end.
    pub(crate) peer: Option<IpAddr>,
    /// Where a stream goes on.
    pub(crate) resume: Option<String>,
    /// When the caller gives up.
    pub(crate) deadline: Option<Instant>,
}

/// Runs methods.
pub(crate) struct Calls {
    pub(crate) database: Database,
    pub(crate) handles: Handles,
    pub(crate) registry: Arc<Live>,
    pub(crate) modules: Modules,
    pub(crate) tokens: Arc<Tokens>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) admission: Admission,
    pub(crate) patience: Patience,
    /// Becomes true when the server goes down.
    pub(crate) shutdown: watch::Receiver<bool>,
}

impl Calls {
    /// The methods of now.
    pub(crate) fn registry(&self) -> Arc<Registry> {
        if let Err(fault) = self.modules.refresh() {
            // Those there were go on.
            tracing::error!(%fault, "the methods of the modules cannot be had");
        }
        Arc::clone(&self.registry.borrow())
    }

    /// Runs a method. The answers are a stream whatever the kind; what goes wrong before the first of them is the error.
    pub(crate) async fn begin(
        self: &Arc<Self>,
        method: &Arc<Method>,
        call: Call,
        requests: Requests,
    ) -> Result<Answers, Fault> {
        let observed = self.metrics.begin(&method.path, call.front);
        let (context, permit) = match self.admit(method, call) {
            Ok(admitted) => admitted,
            Err(fault) => {
                observed.end(fault.code());
                return Err(fault);
            }
        };
        let run = Run {
            calls: Arc::clone(self),
            method: Arc::clone(method),
            context,
            permit,
        };
        match &method.handler {
            Handler::Unary(_) => run.single(observed, requests).await,
            Handler::ClientStreaming(_) => run.gather(observed, requests).await,
            Handler::ServerStreaming(_) => run.spread(observed, requests).await,
            Handler::Bidirectional(_) => run.converse(observed, requests).await,
        }
    }

    fn admit(&self, method: &Method, call: Call) -> Result<(Context, OwnedSemaphorePermit), Fault> {
        if *self.shutdown.borrow() {
            return Err(Fault::shutting_down());
        }
        let caller = match method.needs {
            Some(scopes) => {
                let caller = self.tokens.caller(&call.headers)?;
                caller.scopes.allow(scopes)?;
                caller
            }
            None => Caller::everyone(),
        };
        let who = match (&*caller.name, call.peer) {
            ("", Some(peer)) => peer.to_string(),
            (name, _) => name.to_owned(),
        };
        let permit = self.admission.call(&who)?;
        let context = Context {
            database: self.handles.of(&caller.name),
            caller,
            metadata: Arc::new(call.headers),
            resume: call.resume,
            deadline: call.deadline,
            cancel: Cancel::default(),
        };
        Ok((context, permit))
    }

    /// Runs blocking work on a thread for it.
    pub(crate) async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let permit = self.admission.worker().await?;
        let working = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work()
        });
        working.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a call ended by a panic");
            Err(Fault::new(
                sqlstate::INTERNAL_ERROR,
                "the call ended by a bug of the server",
            ))
        })
    }
}

/// A call that was let in.
struct Run {
    calls: Arc<Calls>,
    method: Arc<Method>,
    context: Context,
    permit: OwnedSemaphorePermit,
}

impl Run {
    /// One request, one answer.
    async fn single(self, observed: Observed, requests: Requests) -> Result<Answers, Fault> {
        let deadline = self.context.deadline;
        let answering = async {
            let request = only(requests, self.calls.patience.slow_client).await?;
            let _stop = self.context.cancel.on_drop();
            let (method, context) = (Arc::clone(&self.method), self.context.clone());
            let work = move || unary(&method)?(&context, &request);
            match self.calls.work(work).await? {
                Reply::Now(answer) => Ok(answer),
                // No thread waits for the disk.
                Reply::Later(answer) => Ok(answer.await?),
            }
        };
        finish(observed, until(deadline, answering).await)
    }

    /// Many requests, one answer.
    async fn gather(self, observed: Observed, requests: Requests) -> Result<Answers, Fault> {
        let deadline = self.context.deadline;
        let answering = async {
            let _stop = self.context.cancel.on_drop();
            let (method, context) = (Arc::clone(&self.method), self.context.clone());
            let mut sink = self
                .calls
                .work(move || open_sink(&method)?(&context))
                .await?;
            let mut shutdown = self.calls.shutdown.clone();
            let mut batches = requests.ready_chunks(REQUESTS_AT_ONCE);
            loop {
                let batch = tokio::select! {
                    biased;
                    _ = shutdown.wait_for(|is_down| *is_down) => None,
                    batch = batches.next() => Some(batch),
                };
                let batch = match batch {
                    Some(Some(batch)) => batch,
                    Some(None) => break,
                    None => {
                        let told = move || Err(with_stored(&mut *sink, Fault::shutting_down()));
                        return self.calls.work(told).await;
                    }
                };
                let work = move || {
                    for request in batch {
                        let taken = request.and_then(|request| sink.push(&request));
                        taken.map_err(|fault| with_stored(&mut *sink, fault))?;
                    }
                    Ok(sink)
                };
                sink = self.calls.work(work).await?;
            }
            self.calls.work(move || sink.finish()).await
        };
        finish(observed, until(deadline, answering).await)
    }

    /// One request, many answers.
    async fn spread(self, observed: Observed, requests: Requests) -> Result<Answers, Fault> {
        let opening = async {
            let request = only(requests, self.calls.patience.slow_client).await?;
            let (method, context) = (Arc::clone(&self.method), self.context.clone());
            let stop = self.context.cancel.on_drop();
            let work = move || match &method.handler {
                Handler::ServerStreaming(open) => open(&context, &request),
                _ => Err(mistaken(&method)),
            };
            Ok((self.calls.work(work).await?, stop))
        };
        let (source, stop) = match until(self.context.deadline, opening).await {
            Ok(opened) => opened,
            Err(fault) => {
                observed.end(fault.code());
                return Err(fault);
            }
        };
        match source {
            Source::Polled(source) => {
                let over = self.over();
                let resume = self.context.resume;
                let (watching, reader) =
                    watch(&self.calls, over, resume, observed, self.permit, source);
                tokio::spawn(async move {
                    let _stop = stop;
                    watching.await;
                });
                Ok(Answers::Watched(reader))
            }
            Source::Pulled(source) => {
                let (pump, answers) = self.pump(observed);
                tokio::spawn(async move {
                    let _stop = stop;
                    pump.pour(source).await;
                });
                Ok(answers)
            }
        }
    }

    /// Many requests, many answers.
    async fn converse(self, observed: Observed, requests: Requests) -> Result<Answers, Fault> {
        let stop = self.context.cancel.on_drop();
        let (method, context) = (Arc::clone(&self.method), self.context.clone());
        let opening = self.calls.work(move || match &method.handler {
            Handler::Bidirectional(open) => open(&context),
            _ => Err(mistaken(&method)),
        });
        let dialogue = match until(self.context.deadline, opening).await {
            Ok(dialogue) => dialogue,
            Err(fault) => {
                observed.end(fault.code());
                return Err(fault);
            }
        };
        let (pump, answers) = self.pump(observed);
        tokio::spawn(async move {
            let _stop = stop;
            pump.converse(dialogue, requests).await;
        });
        Ok(answers)
    }

    /// What ends it from outside.
    fn over(&self) -> Over {
        Over {
            shutdown: self.calls.shutdown.clone(),
            tokens: Arc::clone(&self.calls.tokens),
            caller: self.method.needs.map(|_| self.context.caller.clone()),
            deadline: self.context.deadline,
        }
    }

    fn pump(self, observed: Observed) -> (Pump, Answers) {
        let over = self.over();
        Pump::new(self.calls, over, self.context.resume, observed, self.permit)
    }
}

/// A failure of a call that takes many requests, with what of them is done.
fn with_stored(sink: &mut dyn Sink, fault: Fault) -> Fault {
    match sink.stored() {
        Ok(Some(stored)) => fault.with_stored(stored),
        Ok(None) => fault,
        Err(worse) => worse,
    }
}

fn unary(method: &Method) -> Result<&Unary, Fault> {
    match &method.handler {
        Handler::Unary(answer) => Ok(answer),
        _ => Err(mistaken(method)),
    }
}

fn open_sink(method: &Method) -> Result<&OpenSink, Fault> {
    match &method.handler {
        Handler::ClientStreaming(open) => Ok(open),
        _ => Err(mistaken(method)),
    }
}

fn mistaken(method: &Method) -> Fault {
    Fault::wrong_kind(format!("{} is another kind of call", method.path))
}

/// The one request of a call that takes one. Who begins a call and sends nothing does not keep its place.
async fn only(mut requests: Requests, patience: Duration) -> Result<Bytes, Fault> {
    let wrong = |message: &str| Fault::malformed(&message);
    let reading = async {
        let request = requests.next().await;
        let request = request.ok_or_else(|| wrong("there is no request"))??;
        match requests.next().await {
            None => Ok(request),
            Some(_) => Err(wrong("there is more than one request")),
        }
    };
    let read = tokio::time::timeout(patience, reading).await;
    read.unwrap_or_else(|_| Err(Fault::late_request()))
}

/// Work that is given up at a deadline.
async fn until<T>(
    deadline: Option<Instant>,
    work: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    match deadline {
        Some(deadline) => tokio::time::timeout_at(deadline, work)
            .await
            .unwrap_or_else(|_| Err(Fault::deadline())),
        None => work.await,
    }
}

fn finish(observed: Observed, answer: Result<Vec<u8>, Fault>) -> Result<Answers, Fault> {
    let code = answer
        .as_ref()
        .map_or_else(Fault::code, |_| tonic::Code::Ok);
    observed.end(code);
    answer.map(|bytes| Answers::one(Message::from(bytes)))
}
