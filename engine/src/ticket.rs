//! `Ticket`: the promise that a commit, whose place in the order is fixed, becomes durable and visible.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tailwater_proto::Lsn;

use crate::engine::Engine;
use crate::error::Result;

/// A commit that is on its way to the disk. Wait for it, or await it: no runtime is needed.
/// Dropping a ticket takes nothing back.
#[must_use = "without waiting it is not known whether the commit is durable"]
pub struct Ticket {
    engine: Arc<Engine>,
    lsn: Lsn,
    inner: tailwater_wal::Ticket,
}

impl std::fmt::Debug for Ticket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ticket")
            .field("lsn", &self.lsn)
            .finish_non_exhaustive()
    }
}

impl Ticket {
    pub(crate) fn new(engine: &Arc<Engine>, lsn: Lsn) -> Self {
        Self {
            inner: engine.wal.ticket(lsn),
            engine: Arc::clone(engine),
            lsn,
        }
    }

    /// The number of the commit.
    #[must_use]
    pub const fn lsn(&self) -> Lsn {
        self.lsn
    }

    /// Whether it is durable and visible now.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.engine.store.visible_lsn() >= self.lsn
    }

    /// Waits until it is durable and visible; the first to wait does the writing for all.
    ///
    /// # Errors
    /// `CommitOutcomeUnknown` if the log fails meanwhile.
    pub fn wait(self) -> Result<Lsn> {
        self.inner
            .wait()
            .map_err(|error| self.engine.poison(&error))?;
        Ok(self.lsn)
    }
}

impl Future for Ticket {
    type Output = Result<Lsn>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let lsn = self.lsn;
        match Pin::new(&mut self.inner).poll(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(())) => Poll::Ready(Ok(lsn)),
            Poll::Ready(Err(error)) => Poll::Ready(Err(self.engine.poison(&error))),
        }
    }
}
