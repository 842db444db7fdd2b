//! `Watched`: a stream that whoever sends it polls itself, so that a message is on nobody's way twice; and the task that watches
//! over it, which sleeps unless something is the matter.
//!
//! The watcher cuts a client that does not read, speaks up for a stream that is idle, and ends one from outside. Nothing is kept
//! for a client but what the watcher put aside to find out whether there is anything to read. Next door: `stream`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::{Instant, sleep};
use tonic::Code;

use super::call::{Calls, Patience};
use super::fault::{Fault, TOO_SLOW};
use super::method::{Batch, Polled};
use super::metrics::{Observed, Sent};
use super::stream::{Ended, Over};

/// What reader and watcher share.
struct Slot {
    /// Gone once it has ended.
    source: Option<Box<dyn Polled>>,
    /// What the watcher found, for the reader.
    aside: Option<Batch>,
    /// Whoever reads and has nothing to read.
    reader: Option<Waker>,
    /// The token that came with the last message that was read, or that the stream began with.
    token: Option<Arc<str>>,
    /// Why it ended, if not well.
    ending: Option<Fault>,
    /// How often something was read.
    reads: u64,
}

impl Slot {
    /// Ends the stream; what was put aside comes before the end.
    fn end(&mut self, fault: Fault) {
        self.source = None;
        let aside = self.aside.as_ref().and_then(Batch::token);
        let token = aside.or(self.token.as_ref()).cloned();
        self.ending = Some(fault.with_token(token));
    }
}

/// The end that is read from.
pub(crate) struct Reader {
    slot: Arc<Mutex<Slot>>,
    sent: Sent,
    /// Tells how it ended; dropped before, that the client left.
    end: Option<oneshot::Sender<Code>>,
}

impl Reader {
    /// The next messages; after the last, why it ended if it did not end well.
    pub(crate) fn poll_next(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Batch, Fault>>> {
        // One that always has something lets others have their turn.
        let turn = std::task::ready!(tokio::task::coop::poll_proceed(context));
        let mut slot = lock(&self.slot);
        let told = match (slot.aside.take(), &mut slot.source) {
            (Some(batch), _) => Some(Ok(batch)),
            (None, None) => slot.ending.take().map(Err),
            (None, Some(source)) => match source.poll_next(context) {
                Poll::Ready(told) => told,
                Poll::Pending => {
                    match &mut slot.reader {
                        Some(reader) if reader.will_wake(context.waker()) => {}
                        reader => *reader = Some(context.waker().clone()),
                    }
                    return Poll::Pending;
                }
            },
        };
        turn.made_progress();
        slot.reader = None;
        slot.reads += 1;
        let told = match told {
            Some(Ok(batch)) => {
                if let Some(token) = batch.token() {
                    slot.token = Some(Arc::clone(token));
                }
                self.sent.add(batch.messages().len());
                return Poll::Ready(Some(Ok(batch)));
            }
            Some(Err(fault)) => Some(Err(fault.with_token(slot.token.clone()))),
            None => None,
        };
        slot.source = None;
        drop(slot);
        if let Some(end) = self.end.take() {
            let code = match &told {
                Some(Err(fault)) => fault.code(),
                _ => Code::Ok,
            };
            // The watcher may have ended it, and be gone.
            let _ = end.send(code);
        }
        Poll::Ready(told)
    }
}

/// A stream to be watched, and the end it is read from.
pub(crate) fn watch(
    calls: &Arc<Calls>,
    over: Over,
    token: Option<String>,
    mut observed: Observed,
    permit: OwnedSemaphorePermit,
    source: Box<dyn Polled>,
) -> (impl Future<Output = ()> + Send + use<>, Reader) {
    observed.streams();
    let slot = Arc::new(Mutex::new(Slot {
        source: Some(source),
        aside: None,
        reader: None,
        token: token.map(Arc::from),
        ending: None,
        reads: 0,
    }));
    let (end, ended) = oneshot::channel();
    let reader = Reader {
        slot: Arc::clone(&slot),
        sent: observed.sent(),
        end: Some(end),
    };
    let calls = Arc::clone(calls);
    let watching = async move {
        let _permit = permit;
        let code = Watcher::new(slot, calls).run(over, ended).await;
        observed.end(code);
    };
    (watching, reader)
}

struct Watcher {
    slot: Arc<Mutex<Slot>>,
    calls: Arc<Calls>,
    /// What was read when it last looked.
    reads: u64,
    /// Since when there is something that nobody reads.
    stuck: Option<Instant>,
    /// Since when there is nothing to read.
    idle: Option<Instant>,
}

impl Watcher {
    const fn new(slot: Arc<Mutex<Slot>>, calls: Arc<Calls>) -> Self {
        Self {
            slot,
            calls,
            reads: 0,
            stuck: None,
            idle: None,
        }
    }

    /// Watches until the stream ends, and returns how.
    async fn run(mut self, over: Over, mut ended: oneshot::Receiver<Code>) -> Code {
        let never = std::future::pending();
        let mut over = std::pin::pin!(over.wait(never));
        let Patience {
            slow_client,
            progress_after,
        } = self.calls.patience;
        let pause = (slow_client.min(progress_after) / 4).max(Duration::from_millis(1));
        loop {
            tokio::select! {
                biased;
                code = &mut ended => {
                    lock(&self.slot).source = None;
                    return code.unwrap_or(Code::Cancelled);
                }
                outcome = &mut over => return self.end(match outcome {
                    Ended::Fault(fault) => fault,
                    Ended::Done | Ended::Left => Fault::shutting_down(),
                }),
                () = sleep(pause) => {}
            }
            if let Some(fault) = self.look(slow_client, progress_after) {
                return self.end(fault);
            }
        }
    }

    /// Looks at the stream; returns why it has to end, if so.
    fn look(&mut self, slow_client: Duration, progress_after: Duration) -> Option<Fault> {
        let slot = Arc::clone(&self.slot);
        let mut locked = lock(&slot);
        let slot = &mut *locked;
        let now = Instant::now();
        if std::mem::replace(&mut self.reads, slot.reads) != slot.reads {
            (self.stuck, self.idle) = (None, None);
        }
        let source = slot.source.as_mut()?;
        if slot.reader.is_some() {
            self.stuck = None;
            let idle = *self.idle.get_or_insert(now);
            if now.duration_since(idle) >= progress_after {
                self.idle = None;
                if let Some(progress) = source.progress() {
                    slot.aside = Some(Batch::One(progress));
                    wake(locked);
                }
            }
            return None;
        }
        self.idle = None;
        if slot.aside.is_none() {
            // Whoever reads is not waiting for it, so nobody has to be woken.
            match source.poll_next(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(Some(Ok(batch))) => slot.aside = Some(batch),
                Poll::Ready(Some(Err(fault))) => return Some(fault),
                Poll::Ready(None) => slot.source = None,
                Poll::Pending => {
                    self.stuck = None;
                    return None;
                }
            }
        }
        let stuck = *self.stuck.get_or_insert(now);
        (now.duration_since(stuck) >= slow_client).then(|| {
            self.calls.metrics.cut();
            Fault::new(TOO_SLOW, "the client did not read for too long")
                .with_hint("go on after the last token; --slow-client is the bound")
        })
    }

    fn end(&self, fault: Fault) -> Code {
        let code = fault.code();
        let mut slot = lock(&self.slot);
        if slot.aside.is_none()
            && let Some(progress) = slot.source.as_mut().and_then(|source| source.progress())
        {
            // How far the stream came without a word.
            slot.aside = Some(Batch::One(progress));
        }
        slot.end(fault);
        wake(slot);
        code
    }
}

/// Wakes whoever reads.
fn wake(mut slot: MutexGuard<'_, Slot>) {
    let reader = slot.reader.take();
    drop(slot);
    if let Some(reader) = reader {
        reader.wake();
    }
}

fn lock(slot: &Mutex<Slot>) -> MutexGuard<'_, Slot> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}
