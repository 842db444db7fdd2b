//! `Answers`, the end of a call that a front end reads from, and `Pump`, which keeps a stream of blocking work going.
//!
//! Two messages of a pump wait at most. A client that does not read is cut, one that goes away is noticed at once, and whatever
//! ends a stream says with which token it goes on. No thread is held while nothing happens. Next door: `watched`, for feeds.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use futures_util::{Stream, StreamExt};
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};
use tonic::Code;

use super::call::{Calls, Requests};
use super::fault::{Fault, TOO_SLOW, UNAUTHENTICATED};
use super::method::{Batch, Dialogue, Message, Pulled};
use super::metrics::{Observed, Sent};
use super::token::{Caller, Tokens};
use super::watched::Reader;

/// Messages that wait for a client to read them.
const MESSAGES_MAX: usize = 2;

/// The answers of a call; after the last, why it ended if it did not end well.
pub(crate) enum Answers {
    /// One that is there.
    One(Option<Message>),
    /// As many as come.
    Many {
        messages: mpsc::Receiver<Message>,
        ending: Arc<OnceLock<Fault>>,
        has_ended: bool,
    },
    /// As many as come, which are asked for here.
    Watched(Reader),
    /// Some that are there, and the rest.
    Begun(VecDeque<Message>, Box<Self>),
}

impl Answers {
    /// An answer of one message.
    pub(crate) const fn one(message: Message) -> Self {
        Self::One(Some(message))
    }

    /// These come next.
    fn put_back(&mut self, messages: VecDeque<Message>) {
        if messages.is_empty() {
            return;
        }
        if let Self::Begun(begun, _) = self {
            // It was empty: that is when more are asked for.
            *begun = messages;
            return;
        }
        let rest = std::mem::replace(self, Self::One(None));
        *self = Self::Begun(messages, Box::new(rest));
    }

    /// The next of them, as they come.
    pub(crate) fn poll_batch(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Batch, Fault>>> {
        match self {
            Self::One(message) => Poll::Ready(message.take().map(|one| Ok(Batch::One(one)))),
            Self::Many {
                messages,
                ending,
                has_ended,
            } => messages.poll_recv(context).map(|message| match message {
                Some(message) => Some(Ok(Batch::One(message))),
                None if *has_ended => None,
                None => {
                    *has_ended = true;
                    ending.get().cloned().map(Err)
                }
            }),
            Self::Watched(reader) => reader.poll_next(context),
            Self::Begun(begun, rest) => match begun.pop_front() {
                Some(message) => Poll::Ready(Some(Ok(Batch::One(message)))),
                None => rest.poll_batch(context),
            },
        }
    }
}

impl Stream for Answers {
    type Item = Result<Message, Fault>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let batch = match std::task::ready!(self.poll_batch(context)) {
            Some(Ok(batch)) => batch,
            Some(Err(fault)) => return Poll::Ready(Some(Err(fault))),
            None => return Poll::Ready(None),
        };
        let message = match batch {
            Batch::One(message) => Some(message),
            Batch::Shared(chunk) => {
                let mut messages: VecDeque<_> = chunk.messages.iter().cloned().collect();
                let first = messages.pop_front();
                self.put_back(messages);
                first
            }
        };
        match message {
            Some(message) => Poll::Ready(Some(Ok(message))),
            None => self.poll_next(context),
        }
    }
}

/// How a stream ended.
pub(crate) enum Ended {
    /// There is nothing more.
    Done,
    /// The client went away.
    Left,
    /// Something happened.
    Fault(Fault),
}

/// What ends a stream from outside.
pub(crate) struct Over {
    pub(crate) shutdown: watch::Receiver<bool>,
    pub(crate) tokens: Arc<Tokens>,
    /// Whose token must stay good; `None` where none is asked for.
    pub(crate) caller: Option<Caller>,
    pub(crate) deadline: Option<Instant>,
}

impl Over {
    /// Waits for one of those things.
    pub(crate) async fn wait(mut self, left: impl Future<Output = ()>) -> Ended {
        let mut changes = self.tokens.changes();
        let (tokens, caller) = (self.tokens, self.caller);
        let revoked = async {
            let is_good = || caller.as_ref().is_none_or(|caller| tokens.is_good(caller));
            while is_good() {
                if changes.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        let deadline = async {
            match self.deadline {
                Some(deadline) => sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = left => Ended::Left,
            _ = self.shutdown.wait_for(|is_down| *is_down) => Ended::Fault(Fault::shutting_down()),
            () = deadline => Ended::Fault(Fault::deadline()),
            () = revoked => Ended::Fault(Fault::new(UNAUTHENTICATED, "the access token was revoked")),
        }
    }
}

/// What ends a stream from outside, while it is waited for.
type Waiting = Pin<Box<dyn Future<Output = Ended> + Send>>;

/// Keeps a stream going.
pub(crate) struct Pump {
    calls: Arc<Calls>,
    messages: mpsc::Sender<Message>,
    ending: Arc<OnceLock<Fault>>,
    over: Waiting,
    /// The token that came with the last message, or that the stream began with.
    token: Option<Arc<str>>,
    observed: Observed,
    sent: Sent,
    _permit: OwnedSemaphorePermit,
}

impl Pump {
    /// A pump, and where what it pumps is read.
    pub(crate) fn new(
        calls: Arc<Calls>,
        over: Over,
        token: Option<String>,
        mut observed: Observed,
        permit: OwnedSemaphorePermit,
    ) -> (Self, Answers) {
        observed.streams();
        let sent = observed.sent();
        let (messages, receiver) = mpsc::channel(MESSAGES_MAX);
        let ending = Arc::new(OnceLock::new());
        let answers = Answers::Many {
            messages: receiver,
            ending: Arc::clone(&ending),
            has_ended: false,
        };
        let over: Waiting = Box::pin({
            let messages = messages.clone();
            over.wait(async move { messages.closed().await })
        });
        let pump = Self {
            calls,
            messages,
            ending,
            over,
            token: token.map(Arc::from),
            observed,
            sent,
            _permit: permit,
        };
        (pump, answers)
    }

    /// Sends everything blocking work has.
    pub(crate) async fn pour(mut self, source: Box<dyn Pulled>) {
        let mut pulling = Pulling::new(source);
        let ended = loop {
            if let Err(ended) = self.step(&mut pulling).await {
                break ended;
            }
        };
        drop(pulling);
        self.end(ended);
    }

    /// Answers each request before the next is read.
    pub(crate) async fn converse(mut self, dialogue: Box<dyn Dialogue>, mut requests: Requests) {
        let mut talking = Some(dialogue);
        let ended = loop {
            let request = tokio::select! {
                biased;
                ended = &mut self.over => break ended,
                request = requests.next() => request,
            };
            let request = match request {
                None => break Ended::Done,
                Some(Err(fault)) => break Ended::Fault(fault),
                Some(Ok(request)) => request,
            };
            let Some(mut dialogue) = talking.take() else {
                break Ended::Done;
            };
            let taken = self.calls.work(move || {
                dialogue.push(&request)?;
                Ok(dialogue)
            });
            let dialogue = match taken.await {
                Ok(dialogue) => dialogue,
                Err(fault) => break Ended::Fault(fault),
            };
            let mut pulling = Pulling::new(Answering(dialogue));
            let answered = loop {
                if let Err(ended) = self.step(&mut pulling).await {
                    break ended;
                }
            };
            match (answered, pulling.source) {
                (Ended::Done, Some(Answering(dialogue))) => talking = Some(dialogue),
                (ended, _) => break ended,
            }
        };
        self.end(ended);
    }

    /// Sends one message of blocking work.
    async fn step<P: Pulled + 'static>(&mut self, pulling: &mut Pulling<P>) -> Result<(), Ended> {
        let pulled = tokio::select! {
            biased;
            ended = &mut self.over => return Err(ended),
            pulled = pulling.next(&self.calls) => pulled,
        };
        match pulled {
            Ok(Some(message)) => self.send(message).await,
            Ok(None) => Err(Ended::Done),
            Err(fault) => Err(Ended::Fault(fault)),
        }
    }

    async fn send(&mut self, message: Message) -> Result<(), Ended> {
        let token = message.token.clone();
        let slow_client = self.calls.patience.slow_client;
        let sent = tokio::select! {
            biased;
            sent = timeout(slow_client, self.messages.send(message)) => sent,
            ended = &mut self.over => return Err(ended),
        };
        match sent {
            Ok(Ok(())) => {
                self.token = token.or(self.token.take());
                self.sent.add(1);
                Ok(())
            }
            Ok(Err(_)) => Err(Ended::Left),
            Err(_) => {
                self.calls.metrics.cut();
                Err(Ended::Fault(
                    Fault::new(TOO_SLOW, "the client did not read for too long")
                        .with_hint("go on after the last token; --slow-client is the bound"),
                ))
            }
        }
    }

    fn end(self, ended: Ended) {
        let code = match ended {
            Ended::Done => Code::Ok,
            Ended::Left => Code::Cancelled,
            Ended::Fault(fault) => {
                let code = fault.code();
                // Set before the channel closes, which is when it is looked at.
                let _ = self.ending.set(fault.with_token(self.token));
                code
            }
        };
        self.observed.end(code);
    }
}

/// Work that comes back with what it gave.
type Step<P> = (P, Result<Option<Message>, Fault>);

/// Blocking work that gives one message after the other; waiting for it may be given up and taken up again.
struct Pulling<P> {
    source: Option<P>,
    running: Option<JoinHandle<Option<Step<P>>>>,
}

impl<P: Pulled + 'static> Pulling<P> {
    fn new(source: P) -> Self {
        Self {
            source: Some(source),
            running: None,
        }
    }

    async fn next(&mut self, calls: &Arc<Calls>) -> Result<Option<Message>, Fault> {
        if let Some(mut source) = self.source.take() {
            let calls = Arc::clone(calls);
            self.running = Some(tokio::spawn(async move {
                let pulled = calls.work(move || {
                    let pulled = source.pull();
                    Ok((source, pulled))
                });
                pulled.await.ok()
            }));
        }
        let Some(running) = &mut self.running else {
            return Ok(None);
        };
        let pulled = running.await;
        self.running = None;
        match pulled {
            Ok(Some((source, pulled))) => {
                self.source = Some(source);
                pulled
            }
            _ => Err(Fault::new(
                tailwater_proto::sqlstate::INTERNAL_ERROR,
                "the stream ended by a bug of the server",
            )),
        }
    }
}

impl Pulled for Box<dyn Pulled> {
    fn pull(&mut self) -> Result<Option<Message>, Fault> {
        (**self).pull()
    }
}

/// A dialogue while it answers.
struct Answering(Box<dyn Dialogue>);

impl Pulled for Answering {
    fn pull(&mut self) -> Result<Option<Message>, Fault> {
        self.0.pull()
    }
}
