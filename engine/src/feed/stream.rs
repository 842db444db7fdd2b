//! `FeedStream`: a subscription that is polled instead of waited for, with rows as documents.
//!
//! The waiting and waking are `capture`'s; nothing here knows a runtime. Next door: `decode`, which turns bytes into rows.

use super::decode::Decoder;
use super::event::FeedEvent;
use super::feed_error;
use crate::error::Result;

/// A subscription as a stream: poll it from any executor.
///
/// ```
/// use std::task::{Context, Waker};
/// use tailwater::{Database, FeedRequest, FeedStream};
///
/// # fn main() -> tailwater::Result<()> {
/// /// How many events an idle feed still has.
/// fn drain(stream: &mut FeedStream) -> usize {
///     let mut context = Context::from_waker(Waker::noop());
///     std::iter::from_fn(|| stream.poll_next(&mut context).is_ready().then_some(())).count()
/// }
///
/// let db = Database::memory()?;
/// db.exec("CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1)", ())?;
/// let mut stream = db.subscribe(FeedRequest::of("t"))?.into_stream();
/// assert_eq!(drain(&mut stream), 3); // the beginning of the snapshot, its row, its end
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct FeedStream {
    inner: tailwater_capture::FrameStream,
    decoder: Decoder,
}

impl FeedStream {
    pub(super) fn new(inner: tailwater_capture::Subscription, decoder: Decoder) -> Self {
        Self {
            inner: inner.into_stream(),
            decoder,
        }
    }

    /// How far an idle stream has come, if that is further than what it told last: an event `Progress`, for a timer of the
    /// program's own.
    ///
    /// ```
    /// use std::task::{Context, Waker};
    /// use tailwater::{Database, FeedEvent, FeedRequest};
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// let db = Database::memory()?;
    /// db.exec("CREATE TABLE t (id INT PRIMARY KEY); CREATE TABLE u (id INT PRIMARY KEY)", ())?;
    /// let mut stream = db.subscribe(FeedRequest::of("t").without_snapshot())?.into_stream();
    /// let done = db.exec("INSERT INTO u VALUES (1)", ())?; // nothing that is followed
    /// assert!(stream.poll_next(&mut Context::from_waker(Waker::noop())).is_pending());
    /// let Some(FeedEvent::Progress { lsn, .. }) = stream.progress() else { unreachable!() };
    /// assert_eq!(Some(lsn), done.lsn);
    /// assert!(stream.progress().is_none()); // it is told
    /// # Ok(())
    /// # }
    /// ```
    pub fn progress(&mut self) -> Option<FeedEvent> {
        let event = self.inner.progress()?;
        self.decoder.event(event).ok()
    }

    /// The next event, or `Pending` until the waker is called; `None` once the database is closed.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicBool, Ordering};
    /// use std::task::{Context, Wake, Waker};
    /// use tailwater::{Database, FeedRequest};
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// struct Flag(AtomicBool);
    /// impl Wake for Flag {
    ///     fn wake(self: Arc<Self>) {
    ///         self.0.store(true, Ordering::Relaxed);
    ///     }
    /// }
    ///
    /// let db = Database::memory()?;
    /// db.exec("CREATE TABLE t (id INT PRIMARY KEY)", ())?;
    /// let mut stream = db.subscribe(FeedRequest::of("t").without_snapshot())?.into_stream();
    /// let flag = Arc::new(Flag(AtomicBool::new(false)));
    /// let waker = Waker::from(Arc::clone(&flag));
    /// assert!(stream.poll_next(&mut Context::from_waker(&waker)).is_pending());
    /// db.exec("INSERT INTO t VALUES (1)", ())?;
    /// assert!(flag.0.load(Ordering::Relaxed)); // the commit woke it
    /// assert!(stream.poll_next(&mut Context::from_waker(&waker)).is_ready());
    /// # Ok(())
    /// # }
    /// ```
    pub fn poll_next(
        &mut self,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<FeedEvent>>> {
        std::pin::Pin::new(&mut self.inner)
            .poll_next(context)
            .map(|event| {
                event.map(|event| match event {
                    Ok(event) => self.decoder.event(event),
                    Err(error) => Err(feed_error(error)),
                })
            })
    }
}

#[cfg(feature = "stream")]
impl futures_core::Stream for FeedStream {
    type Item = Result<FeedEvent>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        Self::poll_next(&mut self, context)
    }
}
