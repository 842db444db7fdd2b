//! `Ticket`: the promise that a commit, whose place in the order is fixed, becomes durable and visible.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tailwater_proto::Lsn;

use crate::desk::Desk;
use crate::error::Result;

/// A commit that is on its way to the disk. Wait for it, or await it: no runtime is needed.
/// Dropping a ticket takes nothing back.
///
/// ```
/// use std::task::{Context, Poll, Waker};
/// use tailwater::Database;
///
/// # fn main() -> tailwater::Result<()> {
/// let db = Database::memory()?;
/// let mut ticket = std::pin::pin!(db.submit("CREATE TABLE t", ())?); // `.await` it, or by hand:
/// let mut context = Context::from_waker(Waker::noop());
/// let lsn = loop {
///     if let Poll::Ready(lsn) = ticket.as_mut().poll(&mut context) {
///         break lsn?;
///     }
/// };
/// assert_eq!(lsn, db.visible_lsn());
/// # Ok(())
/// # }
/// ```
#[must_use = "without waiting it is not known whether the commit is durable"]
pub struct Ticket {
    /// Where the commit was made.
    desk: Arc<Desk>,
    lsn: Lsn,
    /// The log's, from the first time on that it is polled.
    polled: Option<tailwater_wal::Ticket>,
}

impl std::fmt::Debug for Ticket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ticket")
            .field("lsn", &self.lsn)
            .finish_non_exhaustive()
    }
}

impl Ticket {
    pub(crate) fn new(desk: &Arc<Desk>, lsn: Lsn) -> Self {
        Self {
            desk: Arc::clone(desk),
            lsn,
            polled: None,
        }
    }

    /// The number of the commit.
    ///
    /// ```
    /// # fn main() -> tailwater::Result<()> {
    /// let db = tailwater::Database::memory()?;
    /// let first = db.submit("CREATE TABLE a", ())?;
    /// let second = db.submit("CREATE TABLE b", ())?;
    /// assert_eq!(first.lsn().next(), second.lsn()); // the order is fixed before anything is durable
    /// # second.wait()?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn lsn(&self) -> Lsn {
        self.lsn
    }

    /// Whether it is durable and visible now.
    ///
    /// ```
    /// # fn main() -> tailwater::Result<()> {
    /// let db = tailwater::Database::memory()?;
    /// let first = db.submit("CREATE TABLE a", ())?;
    /// db.submit("CREATE TABLE b", ())?.wait()?;
    /// assert!(first.is_done()); // a later commit is never durable before an earlier one
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.desk.engine.store.visible_lsn() >= self.lsn
    }

    /// Sees to it that somebody makes it durable soon, though nobody waits.
    #[cfg(feature = "modules")]
    pub(crate) fn press(&mut self) {
        _ = Pin::new(self).poll(&mut Context::from_waker(std::task::Waker::noop()));
    }

    /// Waits until it is durable and visible; the first to wait does the writing for all.
    ///
    /// # Errors
    /// `CommitOutcomeUnknown` if the log fails meanwhile.
    ///
    /// ```
    /// # fn main() -> tailwater::Result<()> {
    /// let db = tailwater::Database::memory()?;
    /// let lsn = db.submit("CREATE TABLE t", ())?.wait()?;
    /// assert!(db.visible_lsn() >= lsn);
    /// # Ok(())
    /// # }
    /// ```
    pub fn wait(self) -> Result<Lsn> {
        self.desk.engine.wait(self.lsn)?;
        Ok(self.lsn)
    }
}

impl Future for Ticket {
    type Output = Result<Lsn>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let lsn = self.lsn;
        // As `wait` has it: what is visible was acknowledged, whatever became of the log since.
        if self.is_done() {
            return Poll::Ready(Ok(lsn));
        }
        let this = &mut *self;
        let polled = this
            .polled
            .get_or_insert_with(|| this.desk.engine.wal.ticket(lsn));
        match Pin::new(polled).poll(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(())) => Poll::Ready(Ok(lsn)),
            Poll::Ready(Err(error)) => Poll::Ready(Err(self.desk.engine.poison(&error))),
        }
    }
}
