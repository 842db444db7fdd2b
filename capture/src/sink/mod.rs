//! `Sink`: where a subscription can be drained to, and `drain`, which does it.
//!
//! A sink is given every event in order and told when to make them last; only then is a token worth keeping.
//! Next door: `channel` and `jsonl`, the two sinks of this room; the network's are in the server.

mod channel;
mod jsonl;

pub use channel::ChannelSink;
pub use jsonl::JsonlSink;

use crate::error::{BoxError, Error, Result};
use crate::event::{Event, ResetReason};
use crate::subscription::Subscription;
use crate::token::Token;

/// Takes a feed's events.
///
/// # Contract
/// Events come in order. After `flush` everything delivered lasts as long as the sink's own promise says; a drain
/// that is begun again with the token of that moment delivers nothing twice before it and leaves nothing out.
pub trait Sink: Send {
    /// Takes one event; may wait for room.
    ///
    /// # Errors
    /// The sink's own; they end the drain.
    fn deliver(&mut self, event: Event) -> Result<(), BoxError>;

    /// Makes what was delivered last.
    ///
    /// # Errors
    /// The sink's own; they end the drain.
    fn flush(&mut self) -> Result<(), BoxError>;
}

/// How a drain ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Continues after the last event that was flushed; `None` if there was none with a token.
    pub token: Option<Token>,
    /// Set if the feed ended with a `Reset`, which was delivered: begin anew with a snapshot.
    pub reset: Option<ResetReason>,
}

/// Delivers a subscription's events until its feed is closed or reset. Flushes whenever there is nothing to deliver
/// for the moment, so the token is that of a quiet moment and batches grow under load.
///
/// # Errors
/// [`Error::Sink`] with the token of the last flush, or the subscription's own.
pub fn drain(subscription: &mut Subscription, sink: &mut dyn Sink) -> Result<Drained> {
    let mut flushed: Option<Token> = None;
    let mut delivered: Option<Token> = None;
    loop {
        let event = match subscription.try_recv() {
            Ok(None) => {
                flush(sink, &mut flushed, &mut delivered)?;
                subscription.recv()
            }
            Ok(Some(event)) => Ok(event),
            Err(error) => Err(error),
        };
        match event {
            Ok(event) => {
                let token = event.token().cloned();
                let reset = if let Event::Reset { reason, .. } = &event {
                    Some(*reason)
                } else {
                    None
                };
                sink.deliver(event).map_err(|source| Error::Sink {
                    source,
                    token: flushed.clone(),
                })?;
                delivered = token.or(delivered);
                if reset.is_some() {
                    flush(sink, &mut flushed, &mut delivered)?;
                    return Ok(Drained {
                        token: flushed,
                        reset,
                    });
                }
            }
            Err(Error::Closed) => {
                flush(sink, &mut flushed, &mut delivered)?;
                return Ok(Drained {
                    token: flushed,
                    reset: None,
                });
            }
            Err(error) => {
                flush(sink, &mut flushed, &mut delivered)?;
                return Err(error);
            }
        }
    }
}

fn flush(
    sink: &mut dyn Sink,
    flushed: &mut Option<Token>,
    delivered: &mut Option<Token>,
) -> Result<()> {
    sink.flush().map_err(|source| Error::Sink {
        source,
        token: flushed.clone(),
    })?;
    if delivered.is_some() {
        *flushed = delivered.take();
    }
    Ok(())
}
