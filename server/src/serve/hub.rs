//! `Hub`: one feed for all streams that follow the same. Who has caught up leaves its own feed and listens here, so a commit
//! is read and encoded once however many listen; who falls behind takes up a feed of its own again, after its last token.
//!
//! Nothing is lost or doubled at the change: see `Place::join`. What is kept for listeners is short, a slow one keeps nothing.
//! Those who are equally far send the very same bytes.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use tokio::task::AbortHandle;

use super::fault::Fault;
use super::method::{Batch, Chunk, Message, Polled};

/// Messages kept for listeners that are a little behind, if they are short.
const MESSAGES_MAX: usize = 1_024;
/// Bytes of those, unless one alone is longer.
const BYTES_MAX: usize = 256 << 10;
/// Messages that are sent before others have their turn.
const MESSAGES_AT_ONCE: usize = 256;
/// Bytes that are sent in one go, about: less than are kept, so that nobody falls behind by that alone.
const BYTES_AT_ONCE: usize = BYTES_MAX / 2;
/// Bytes of messages that a listener hears at once, unless one alone is longer.
const CHUNK_BYTES_MAX: usize = 32 << 10;
/// Chunks kept for those who are equally far.
const CHUNKS_MAX: usize = 32;

/// What everybody hears.
type Heard = Result<Message, Fault>;
/// What a listener hears at once.
type Batched = Result<Batch, Fault>;

/// The places where streams of the same shape meet. They go with the last stream.
#[derive(Default)]
pub(crate) struct Hubs(Mutex<HashMap<String, Weak<Place>>>);

impl Hubs {
    /// The place for streams of a shape: whatever decides on their messages, in words.
    pub(crate) fn place(&self, shape: String) -> Arc<Place> {
        let mut places = lock(&self.0);
        if let Some(place) = places.get(&shape).and_then(Weak::upgrade) {
            return place;
        }
        if places.len() == places.capacity() {
            places.retain(|_, place| place.strong_count() > 0);
        }
        let place = Arc::new(Place::default());
        places.insert(shape, Arc::downgrade(&place));
        place
    }
}

/// Where streams of one shape meet.
#[derive(Default)]
pub(crate) struct Place(Mutex<Option<Hub>>);

struct Hub {
    feed: Arc<Feed>,
    task: AbortHandle,
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The feed, and what was sent of it. Whoever locks both locks the source first, and sends before letting go of it.
struct Feed {
    source: Mutex<Box<dyn Polled>>,
    sent: Mutex<Sent>,
}

struct Sent {
    messages: VecDeque<Heard>,
    /// Bytes of them.
    bytes: usize,
    /// The number of the first of them.
    first: u64,
    /// Some of them together, by the number of their first.
    chunks: VecDeque<(u64, Arc<Chunk>)>,
    /// All up to this commit was sent.
    told: u64,
    /// A commit is being sent in parts.
    is_amid: bool,
    has_ended: bool,
    waiting: HashMap<u64, Waker>,
    listeners: u64,
}

impl Sent {
    /// The number of the next message.
    fn next(&self) -> u64 {
        self.first + self.messages.len() as u64
    }

    fn send(&mut self, heard: Heard) {
        match &heard {
            Ok(message) => {
                if let Some(position) = message.position {
                    self.is_amid = position.more;
                    if !position.more {
                        self.told = self.told.max(position.lsn);
                    }
                }
                self.has_ended |= message.starts_over;
            }
            Err(_) => self.has_ended = true,
        }
        self.bytes += bytes_of(&heard);
        self.messages.push_back(heard);
        while self.messages.len() > MESSAGES_MAX
            || (self.bytes > BYTES_MAX && self.messages.len() > 1)
        {
            let Some(gone) = self.messages.pop_front() else {
                break;
            };
            self.bytes -= bytes_of(&gone);
            self.first += 1;
        }
        let first = self.first;
        self.chunks.retain(|(from, _)| *from >= first);
    }

    /// The messages from a number on that are there now, not too many: the same for all who ask for them.
    fn chunk(&mut self, from: u64) -> Option<Arc<Chunk>> {
        if let Some((_, chunk)) = self.chunks.iter().rev().find(|(number, _)| *number == from) {
            return Some(Arc::clone(chunk));
        }
        let place = usize::try_from(from.checked_sub(self.first)?).ok()?;
        let (mut messages, mut bytes) = (Vec::new(), 0);
        for heard in self.messages.range(place..) {
            let Ok(message) = heard else { break };
            bytes += message.framed_len();
            if bytes > CHUNK_BYTES_MAX && !messages.is_empty() {
                break;
            }
            messages.push(message.clone());
        }
        let chunk = Arc::new(Chunk::new(messages));
        if self.chunks.len() == CHUNKS_MAX {
            self.chunks.pop_front();
        }
        self.chunks.push_back((from, Arc::clone(&chunk)));
        Some(chunk)
    }
}

/// Wakes who waits, without keeping the others from what was sent.
fn wake(mut sent: MutexGuard<'_, Sent>) {
    let waiting = std::mem::take(&mut sent.waiting);
    drop(sent);
    for (_, waker) in waiting {
        waker.wake();
    }
}

fn bytes_of(heard: &Heard) -> usize {
    heard.as_ref().map_or(0, Message::framed_len)
}

impl Feed {
    /// Sends what there is to send, some messages at a time.
    fn poll(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut source = lock(&self.source);
        let (mut news, mut is_pending, mut has_ended) = (Vec::new(), false, false);
        let mut bytes = 0;
        while news.len() < MESSAGES_AT_ONCE && bytes < BYTES_AT_ONCE {
            match source.poll_next(context) {
                Poll::Pending => {
                    is_pending = true;
                    break;
                }
                Poll::Ready(None) => {
                    has_ended = true;
                    break;
                }
                Poll::Ready(Some(Ok(batch))) => {
                    let messages = batch.messages().iter();
                    bytes += messages.clone().map(Message::framed_len).sum::<usize>();
                    news.extend(messages.map(|message| Ok(message.clone().shared())));
                    if batch.messages().iter().any(|message| message.starts_over) {
                        break;
                    }
                }
                Poll::Ready(Some(Err(fault))) => {
                    news.push(Err(fault));
                    break;
                }
            }
        }
        if news.is_empty() && !has_ended {
            return Poll::Pending;
        }
        let mut sent = lock(&self.sent);
        for heard in news {
            sent.send(heard);
        }
        sent.has_ended |= has_ended;
        let has_ended = sent.has_ended;
        wake(sent);
        if has_ended {
            return Poll::Ready(());
        }
        if !is_pending {
            // Others have their turn.
            context.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

impl Place {
    /// Begins to listen, at a feed that `open` makes if there is none: what happens from now on, and up to which commit it
    /// has nothing to tell. `at`: the stream has everything up to this commit. `None`: not now.
    ///
    /// Joining is under the lock that sending is under. So what was sent before is at most `told`, which the stream has,
    /// and what is sent after is heard; of that, the stream leaves out what is at most `at`.
    pub(crate) fn join(
        self: &Arc<Self>,
        at: u64,
        open: impl FnOnce() -> Result<(Box<dyn Polled>, u64), Fault>,
    ) -> Option<Listener> {
        // Alone one has one's own feed.
        if Arc::strong_count(self) < 2 {
            return None;
        }
        let mut hub = lock(&self.0);
        if hub
            .as_ref()
            .is_none_or(|hub| lock(&hub.feed.sent).has_ended)
        {
            let (source, told) = open().ok()?;
            *hub = Some(start(source, told));
        }
        let feed = Arc::clone(&hub.as_ref()?.feed);
        let mut sent = lock(&feed.sent);
        if sent.told > at || sent.is_amid || sent.has_ended {
            return None;
        }
        sent.listeners += 1;
        let (number, next) = (sent.listeners, sent.next());
        drop(sent);
        Some(Listener {
            feed,
            number,
            next,
            at,
        })
    }
}

fn start(source: Box<dyn Polled>, told: u64) -> Hub {
    let feed = Arc::new(Feed {
        source: Mutex::new(source),
        sent: Mutex::new(Sent {
            messages: VecDeque::new(),
            bytes: 0,
            first: 0,
            chunks: VecDeque::new(),
            told,
            is_amid: false,
            has_ended: false,
            waiting: HashMap::new(),
            listeners: 0,
        }),
    });
    let following = Arc::clone(&feed);
    let task = tokio::spawn(std::future::poll_fn(move |context| following.poll(context)));
    Hub {
        feed,
        task: task.abort_handle(),
    }
}

/// A stream at a hub.
pub(crate) struct Listener {
    feed: Arc<Feed>,
    number: u64,
    /// The message it hears next.
    next: u64,
    /// The stream has everything up to here.
    at: u64,
}

/// What a listener hears.
pub(crate) enum Sound {
    /// The next messages.
    Heard(Batched),
    /// It did not keep up, or the hub is gone: a feed of its own is needed, after the last token.
    Behind,
}

impl Listener {
    /// The next sound, or `Pending` until there is one.
    pub(crate) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Sound> {
        let mut sent = lock(&self.feed.sent);
        loop {
            let Some(place) = self.next.checked_sub(sent.first) else {
                return Poll::Ready(Sound::Behind);
            };
            let place = usize::try_from(place).unwrap_or(usize::MAX);
            match sent.messages.get(place) {
                None if sent.has_ended => return Poll::Ready(Sound::Behind),
                None => {
                    sent.waiting.insert(self.number, context.waker().clone());
                    return Poll::Pending;
                }
                Some(Err(fault)) => {
                    self.next += 1;
                    return Poll::Ready(Sound::Heard(Err(fault.clone())));
                }
                Some(Ok(message)) if has(self.at, message) => self.next += 1,
                Some(Ok(_)) => {
                    let Some(chunk) = sent.chunk(self.next) else {
                        return Poll::Ready(Sound::Behind);
                    };
                    self.next += chunk.messages.len() as u64;
                    return Poll::Ready(Sound::Heard(Ok(Batch::Shared(chunk))));
                }
            }
        }
    }

    /// What is to be heard just now, or else how far the feed is, which everybody is told then.
    pub(crate) fn progress(&mut self) -> Option<Message> {
        let mut source = lock(&self.feed.source);
        let mut sent = lock(&self.feed.sent);
        while self.next < sent.next() {
            // Perhaps another listener has asked just before.
            let place = usize::try_from(self.next.checked_sub(sent.first)?).ok()?;
            let message = sent.messages.get(place)?.as_ref().ok()?;
            self.next += 1;
            if !has(self.at, message) {
                return Some(message.clone());
            }
        }
        if sent.is_amid || sent.has_ended {
            return None;
        }
        let progress = source.progress()?;
        self.next += 1;
        sent.send(Ok(progress.clone()));
        wake(sent);
        (!has(self.at, &progress)).then_some(progress)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        lock(&self.feed.sent).waiting.remove(&self.number);
    }
}

/// Whether a stream that has everything up to a commit has this.
fn has(at: u64, message: &Message) -> bool {
    message.position.is_some_and(|position| position.lsn <= at)
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::method::Position;

    /// A feed whose messages a test hands out.
    struct Script(Arc<Mutex<VecDeque<Message>>>);

    /// A feed that has come further without a message.
    struct Further(Option<Message>);

    impl Polled for Further {
        fn poll_next(&mut self, _: &mut Context<'_>) -> Poll<Option<Batched>> {
            Poll::Pending
        }

        fn progress(&mut self) -> Option<Message> {
            self.0.take()
        }
    }

    impl Polled for Script {
        fn poll_next(&mut self, _: &mut Context<'_>) -> Poll<Option<Batched>> {
            match lock(&self.0).pop_front() {
                Some(message) => Poll::Ready(Some(Ok(Batch::One(message)))),
                None => Poll::Pending,
            }
        }

        fn progress(&mut self) -> Option<Message> {
            None
        }
    }

    fn message(lsn: u64, more: bool) -> Message {
        Message {
            position: Some(Position { lsn, more }),
            ..Message::from(Vec::new())
        }
    }

    /// LSNs a listener hears until there is nothing more; `Err` if it is behind.
    fn hear(listener: &mut Listener) -> Result<Vec<u64>, Vec<u64>> {
        let mut heard = Vec::new();
        loop {
            match listener.poll_next(&mut Context::from_waker(Waker::noop())) {
                Poll::Pending => return Ok(heard),
                Poll::Ready(Sound::Behind) => return Err(heard),
                Poll::Ready(Sound::Heard(batch)) => {
                    let batch = batch.unwrap();
                    let positions = batch
                        .messages()
                        .iter()
                        .filter_map(|message| message.position);
                    heard.extend(positions.map(|position| position.lsn));
                }
            }
        }
    }

    #[test]
    fn whoever_asks_is_told_how_far_the_feed_is() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async {
            let further = || {
                Ok((
                    Box::new(Further(Some(message(8, false)))) as Box<dyn Polled>,
                    5,
                ))
            };
            let hubs = Hubs::default();
            let (place, _other) = (hubs.place("t".into()), hubs.place("t".into()));
            let mut listeners = [5, 5, 7, 8].map(|at| place.join(at, further).unwrap());
            let told = listeners.each_mut().map(|listener| {
                let told = listener.progress()?;
                told.position.map(|position| position.lsn)
            });
            assert_eq!(told, [Some(8), Some(8), Some(8), None]);
            for listener in &mut listeners {
                assert!(listener.progress().is_none(), "it is told");
                assert_eq!(hear(listener), Ok(Vec::new()));
            }
        });
    }

    #[test]
    fn who_joins_hears_what_it_has_not_and_who_lags_is_told() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async {
            let script = Arc::new(Mutex::new(VecDeque::new()));
            let open = || Ok((Box::new(Script(Arc::clone(&script))) as Box<dyn Polled>, 5));
            let hubs = Hubs::default();
            let place = hubs.place("t".into());
            assert!(place.join(9, open).is_none(), "alone");
            let _other = hubs.place("t".into());
            assert!(place.join(4, open).is_none(), "the hub begins after 5");
            let mut ahead = place.join(7, open).unwrap();
            let mut level = place.join(5, open).unwrap();
            let feed = Arc::clone(&ahead.feed);
            let poll = || feed.poll(&mut Context::from_waker(Waker::noop()));
            lock(&script).extend([message(6, false), message(7, false), message(8, true)]);
            assert!(poll().is_pending());
            assert!(place.join(8, open).is_none(), "in the middle of a commit");
            lock(&script).extend([message(8, false), message(9, false)]);
            assert!(poll().is_pending());
            assert_eq!(hear(&mut ahead), Ok(vec![8, 8, 9]));
            assert_eq!(hear(&mut level), Ok(vec![6, 7, 8, 8, 9]));
            assert!(place.join(8, open).is_none(), "9 was told");
            for lsn in 10..10 + 2 * MESSAGES_MAX as u64 {
                lock(&script).push_back(message(lsn, false));
                assert!(poll().is_pending());
                assert_eq!(hear(&mut ahead), Ok(vec![lsn]));
            }
            assert_eq!(hear(&mut level), Err(vec![]));
            let reset = Message {
                starts_over: true,
                ..message(0, false)
            };
            lock(&script).push_back(reset);
            assert!(poll().is_ready());
            assert!(hear(&mut ahead).is_err());
            assert!(place.join(99, open).is_some(), "another hub begins");
        });
    }
}
