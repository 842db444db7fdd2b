//! Tests of the room as a whole: `seam` against a model, `lag`, `tokens`, `routing`, `ends` and `sinks` by example.

mod ends;
mod lag;
#[cfg(shuttle)]
mod models;
mod routing;
mod seam;
mod sinks;
mod tokens;

use std::sync::Arc;

use tailwater_proto::{Key, Lsn, StorageId};

use crate::testing::{TestLog, change, record};
use crate::{Event, Feed, FeedSettings, Frame, Selection, Start, SubscribeRequest, Subscription};

const DATABASE: [u8; 16] = *b"sixteen letters.";

/// A feed over a log in memory, and the commit line in front of it.
struct Dam {
    log: TestLog,
    feed: Arc<Feed>,
    last: u64,
}

impl Dam {
    fn new(settings: FeedSettings) -> Self {
        let log = TestLog::new(&[(1, 1)]);
        let feed = Feed::new(settings, DATABASE, Arc::new(log.clone()));
        Self { log, feed, last: 0 }
    }

    fn commit_bytes(&mut self, bytes: Arc<[u8]>) -> Lsn {
        self.last += 1;
        self.feed.push(Lsn(self.last), Arc::clone(&bytes));
        self.log.append(bytes);
        self.feed.publish(Lsn(self.last), true);
        Lsn(self.last)
    }

    /// Inserts a row.
    fn commit(&mut self, storage: u32, key: &[u8]) -> Lsn {
        self.commit_bytes(record(&[change(storage, key, None, Some(b"row"))]))
    }

    fn after(&self, lsn: u64, selection: Selection) -> Subscription {
        self.feed
            .subscribe(SubscribeRequest::new(selection, Start::After(Lsn(lsn))))
            .unwrap()
    }
}

fn whole(storage: u32) -> Selection {
    Selection::whole(StorageId(storage))
}

fn key(bytes: &[u8]) -> Key {
    Key::from(bytes)
}

fn frame(event: Event) -> Frame {
    match event {
        Event::Frame(frame) => frame,
        other => panic!("a frame expected, found {other:?}"),
    }
}

/// The numbers of the frames there are now.
fn frames_now(subscription: &mut Subscription) -> Vec<u64> {
    let mut lsns = Vec::new();
    while let Some(event) = subscription.try_recv().unwrap() {
        if let Event::Frame(frame) = event {
            lsns.push(frame.lsn.0);
        }
    }
    lsns
}
