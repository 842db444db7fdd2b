//! `ChannelSink`: hands events to another thread of the program through a bounded channel.
//! Waits when the channel is full, on the draining thread, never on a committing one. Next door: `sink`.

use crossbeam_channel::{Receiver, Sender, bounded};

use super::Sink;
use crate::error::BoxError;
use crate::event::Event;

/// Sends events into a channel.
#[derive(Debug)]
pub struct ChannelSink(Sender<Event>);

impl ChannelSink {
    /// A sink and the end its events come out at, with room for `events_max` of them in between.
    #[must_use]
    pub fn new(events_max: usize) -> (Self, Receiver<Event>) {
        let (sender, receiver) = bounded(events_max);
        (Self(sender), receiver)
    }
}

impl Sink for ChannelSink {
    fn deliver(&mut self, event: Event) -> Result<(), BoxError> {
        self.0
            .send(event)
            .map_err(|_| "the channel's receiver is gone".into())
    }

    /// Nothing: what is in the channel lasts as long as the program.
    fn flush(&mut self) -> Result<(), BoxError> {
        Ok(())
    }
}
