//! `AnswerTicket`: the promise of an answer, once what a call did is durable.
//!
//! Next door: `method`, whose calls give one; `crate::ticket`, which waits.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::write::Submitted;
use crate::error::Result;

/// A call whose commit is on its way to the disk. Wait for its answer, or await it: no runtime is needed. Dropping it takes
/// nothing back.
///
/// ```
/// use std::task::{Context, Poll, Waker};
/// use tailwater::module::ModuleSource;
///
/// # fn main() -> tailwater::Result<()> {
/// let db = tailwater::Database::memory()?;
/// let text = "syntax = \"proto3\"; message Item { string id = 1; } service S { rpc CreateItem(Item) returns (Item); }";
/// db.install_module(&ModuleSource::new("s.proto", text))?;
/// let services = tailwater::service::Services::new(&db).current()?;
/// let create = services.method("/S/CreateItem").unwrap();
/// let mut answer = std::pin::pin!(create.submit(&db, b"\x0a\x03tea", &Default::default())?); // `.await` it, or by hand:
/// let mut context = Context::from_waker(Waker::noop());
/// let answer = loop {
///     if let Poll::Ready(answer) = answer.as_mut().poll(&mut context) {
///         break answer?;
///     }
/// };
/// assert_eq!(answer, b"\x0a\x03tea");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "without waiting it is not known whether what the call did is durable"]
pub struct AnswerTicket(State);

#[derive(Debug)]
enum State {
    /// There is nothing to wait for. Empty once it was given.
    Ready(Vec<u8>),
    Written(Submitted),
}

impl AnswerTicket {
    pub(super) const fn ready(answer: Vec<u8>) -> Self {
        Self(State::Ready(answer))
    }

    pub(super) const fn written(submitted: Submitted) -> Self {
        Self(State::Written(submitted))
    }

    /// Waits until what the call did is durable and visible, and gives the answer.
    ///
    /// # Errors
    /// `CommitOutcomeUnknown` if the log fails meanwhile.
    ///
    /// ```
    /// # use tailwater::module::ModuleSource;
    /// # fn main() -> tailwater::Result<()> {
    /// # let db = tailwater::Database::memory()?;
    /// # let text = "syntax = \"proto3\"; message Item { string id = 1; } service S { rpc CreateItem(Item) returns (Item); }";
    /// # db.install_module(&ModuleSource::new("s.proto", text))?;
    /// let services = tailwater::service::Services::new(&db).current()?;
    /// let create = services.method("/S/CreateItem").unwrap();
    /// assert_eq!(create.submit(&db, b"\x0a\x03tea", &Default::default())?.wait()?, b"\x0a\x03tea");
    /// # Ok(())
    /// # }
    /// ```
    pub fn wait(self) -> Result<Vec<u8>> {
        let mut ticket = self;
        match std::mem::replace(&mut ticket.0, State::Ready(Vec::new())) {
            State::Ready(answer) => Ok(answer),
            State::Written(submitted) => {
                let Submitted { by, done, ticket } = submitted;
                let lsn = ticket.wait()?;
                Ok(by.does.answer(done, lsn))
            }
        }
    }
}

impl Drop for AnswerTicket {
    /// What the call did is seen soon, also if whoever called has gone.
    fn drop(&mut self) {
        if let State::Written(submitted) = &mut self.0 {
            submitted.ticket.press();
        }
    }
}

impl Future for AnswerTicket {
    type Output = Result<Vec<u8>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            State::Ready(answer) => Poll::Ready(Ok(std::mem::take(answer))),
            State::Written(submitted) => {
                let lsn = match Pin::new(&mut submitted.ticket).poll(context) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(lsn) => lsn?,
                };
                let done = std::mem::take(&mut submitted.done);
                Poll::Ready(Ok(submitted.by.does.answer(done, lsn)))
            }
        }
    }
}
