//! `Following`: a stream that follows something: by a feed of its own until it has caught up, then by the one that all of its
//! shape share, and by its own again when it falls behind, after the last token. It never tells anything twice, nor leaves it out.
//! Next door: `hub`, which shares; `builtin::subscribe` and `modules`, which say what is followed.

use std::sync::Arc;
use std::task::{Context, Poll};

use super::fault::Fault;
use super::hub::{Hubs, Listener, Place, Sound};
use super::method::{Batch, Chunk, Message, Polled};

/// From where a feed begins.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Since<'t> {
    /// From what is there.
    Beginning,
    /// After this.
    Token(&'t str),
    /// With what comes.
    Now,
}

/// A place in a feed: the last commit that all is told of, and the token to go on after it.
pub(crate) type At = (u64, Arc<str>);

/// # Contract
/// What two streams of the same shape are told of a commit is the same.
pub(crate) trait Shape: Send + 'static {
    /// A feed of one stream.
    type Own: Own;

    /// A feed of its own.
    fn open(&self, since: Since<'_>) -> Result<Self::Own, Fault>;
    /// The commit that is visible now.
    fn visible_lsn(&self) -> u64;
    /// Whether what this feed tells is what the others of this shape are told.
    fn is_like(&self, own: &Self::Own) -> bool;
    /// From now on others are told what this feed tells.
    fn become_like(&mut self, own: &Self::Own);
}

/// The feed of one stream.
pub(crate) trait Own: Polled + 'static {
    /// Whether it has told what those who come later to a shared feed are not told.
    fn may_join(&self) -> bool;
    /// How far it has come, if that is further than what it told last.
    fn reached(&mut self) -> Option<At>;
}

/// A stream that follows.
pub(crate) struct Following<S: Shape> {
    hubs: Arc<Hubs>,
    shape: S,
    place: Arc<Place>,
    line: Line<S::Own>,
    at: Option<At>,
    /// Messages that were told of the commit after that.
    amid: usize,
    /// So many more of its messages were told before.
    to_skip: usize,
}

/// Where the messages come from.
enum Line<O> {
    Own(O),
    Shared(Listener),
    /// From nowhere just now: after a `Reset` or behind the others.
    None,
}

impl<S: Shape> Following<S> {
    /// Begins with a feed that was opened. `words` are all that decides on the messages.
    pub(crate) fn new(hubs: &Arc<Hubs>, words: String, shape: S, own: S::Own) -> Self {
        Self {
            place: hubs.place(words),
            hubs: Arc::clone(hubs),
            shape,
            line: Line::Own(own),
            at: None,
            amid: 0,
            to_skip: 0,
        }
    }

    /// Takes note of messages that are handed out.
    fn told(&mut self, messages: &[Message]) {
        for message in messages {
            match (message.position, &message.token) {
                (Some(position), _) if position.more => self.amid += 1,
                (Some(position), Some(token)) => {
                    self.at = Some((position.lsn, Arc::clone(token)));
                    self.amid = 0;
                }
                _ => {}
            }
            if message.starts_over {
                (self.at, self.amid) = (None, 0);
                self.line = Line::None;
            }
        }
    }

    /// A feed of its own again: after what it has, or from the beginning.
    fn reopen(&mut self) -> Result<(), Fault> {
        let own = self.shape.open(match &self.at {
            Some((_, token)) => Since::Token(token),
            None => Since::Beginning,
        })?;
        if !self.shape.is_like(&own) {
            self.shape.become_like(&own);
            self.place = self.hubs.place(format!("alone {self:p}"));
        }
        self.line = Line::Own(own);
        self.to_skip = std::mem::take(&mut self.amid);
        Ok(())
    }

    /// What of a batch was not told before it fell behind amid a commit.
    fn untold(&mut self, batch: Batch) -> Option<Batch> {
        let messages = batch.messages();
        let skipped = self.to_skip.min(messages.len());
        if skipped == 0 {
            return Some(batch);
        }
        self.to_skip -= skipped;
        let (before, rest) = messages.split_at(skipped);
        let rest = match rest {
            [] => None,
            [one] => Some(Batch::One(one.clone())),
            more => Some(Batch::Shared(Arc::new(Chunk::new(more.to_vec())))),
        };
        self.told(before);
        rest
    }

    /// Leaves its own feed for the shared one, if it has caught up and others are there.
    fn join(&mut self) -> bool {
        let Line::Own(own) = &mut self.line else {
            return false;
        };
        if Arc::strong_count(&self.place) < 2 || !own.may_join() || self.amid > 0 {
            return false;
        }
        if let Some(at) = own.reached() {
            self.at = Some(at);
        }
        let Some((at, _)) = &self.at else {
            return false;
        };
        let shape = &self.shape;
        let listener = self.place.join(*at, || {
            let own = shape.open(Since::Now)?;
            // Asked after: nothing up to here is missing between the two.
            let told = shape.visible_lsn();
            match shape.is_like(&own) {
                true => Ok((Box::new(own) as Box<dyn Polled>, told)),
                false => Err(Fault::new(
                    tailwater_proto::sqlstate::INTERNAL_ERROR,
                    "it has become something else",
                )),
            }
        });
        let joined = listener.is_some();
        if let Some(listener) = listener {
            self.line = Line::Shared(listener);
        }
        joined
    }
}

impl<S: Shape> Polled for Following<S> {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Batch, Fault>>> {
        loop {
            let told = match &mut self.line {
                Line::None => match self.reopen() {
                    Ok(()) => continue,
                    Err(fault) => Some(Err(fault)),
                },
                Line::Own(own) => match own.poll_next(context) {
                    Poll::Ready(told) => told,
                    Poll::Pending if self.join() => continue,
                    Poll::Pending => return Poll::Pending,
                },
                Line::Shared(listener) => match listener.poll_next(context) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Sound::Heard(told)) => Some(told),
                    Poll::Ready(Sound::Behind) => {
                        self.line = Line::None;
                        continue;
                    }
                },
            };
            let told = match told {
                Some(Ok(batch)) => match self.untold(batch) {
                    Some(batch) => {
                        self.told(batch.messages());
                        Some(Ok(batch))
                    }
                    None => continue,
                },
                told => told,
            };
            return Poll::Ready(told);
        }
    }

    fn progress(&mut self) -> Option<Message> {
        let message = match &mut self.line {
            Line::Own(own) => own.progress(),
            Line::Shared(listener) => listener.progress(),
            Line::None => None,
        }?;
        self.told(std::slice::from_ref(&message));
        Some(message)
    }
}
