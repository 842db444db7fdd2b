//! `FrameStream`: a subscription polled by an asynchronous program, without a runtime of its own.
//!
//! Polling never sleeps; a subscriber that is behind reads the ring or the log on the polling thread, a bounded
//! number of records at a time. Feature `stream` implements `futures_core::Stream`. Next door: `subscription`.

use std::pin::Pin;
use std::task::{Context, Poll};

use crate::error::{Error, Result};
use crate::event::Event;
use crate::subscription::Subscription;

/// The events of a subscription. Ends after the first error; a closed feed ends it quietly.
#[derive(Debug)]
pub struct FrameStream {
    subscription: Subscription,
    ended: bool,
}

impl FrameStream {
    pub(crate) const fn new(subscription: Subscription) -> Self {
        Self {
            subscription,
            ended: false,
        }
    }

    /// The next event, or `Pending` until the waker is called.
    pub fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Event>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        loop {
            match self.subscription.step() {
                Ok(Some(event)) => return Poll::Ready(Some(Ok(event))),
                Ok(None) if self.subscription.mailbox().register(context.waker()) => {
                    return Poll::Pending;
                }
                Ok(None) => {}
                Err(error) => {
                    self.ended = true;
                    return Poll::Ready(match error {
                        Error::Closed => None,
                        error => Some(Err(error)),
                    });
                }
            }
        }
    }

    /// How far it has come: see [`Subscription::progress`]. For a timer of the program's own.
    pub fn progress(&mut self) -> Option<Event> {
        self.subscription.progress()
    }

    /// The subscription itself.
    #[must_use]
    pub fn into_inner(self) -> Subscription {
        self.subscription
    }
}

#[cfg(feature = "stream")]
impl futures_core::Stream for FrameStream {
    type Item = Result<Event>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Self::poll_next(self, context)
    }
}
