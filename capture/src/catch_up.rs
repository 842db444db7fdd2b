//! `CatchUp`: reads on by itself for a subscription that is not in step with its queue.
//!
//! From the ring while it reaches back far enough, else from the log, up to the seam where the queue takes over.
//! It gives every record in between once, in order, or says that the log let go of it. Next door: `feed`, `log_tail`.

use std::sync::Arc;

use tailwater_proto::Lsn;

use crate::error::{Error, LogError, Result};
use crate::feed::Feed;
use crate::log_tail::LogCursor;

/// A record leaves the ring only when the log has it, so that one more look finds it; a few more for luck would hide
/// a log that breaks its contract.
const LOOKS_MAX: usize = 3;

pub(crate) struct CatchUp {
    /// The seam: the queue begins after it.
    pub(crate) upto: Lsn,
    cursor: Option<Box<dyn LogCursor>>,
}

pub(crate) enum Fetched {
    Record(Arc<[u8]>),
    Released { oldest: Lsn },
}

impl CatchUp {
    pub(crate) const fn new(upto: Lsn) -> Self {
        Self { upto, cursor: None }
    }

    /// The record after `after`, which must have been published.
    pub(crate) fn fetch(&mut self, feed: &Feed, after: Lsn) -> Result<Fetched> {
        let wanted = after.next();
        let from_ring = match self.cursor {
            None => feed.recent(wanted),
            Some(_) => feed.recent_settled(wanted),
        };
        if let Some(record) = from_ring {
            self.cursor = None;
            return Ok(Fetched::Record(record));
        }
        for _ in 0..LOOKS_MAX {
            match self.fetch_logged(feed, after) {
                Ok(Some(record)) => return Ok(Fetched::Record(record)),
                Ok(None) => {}
                Err(LogError::Released { oldest }) => return Ok(Fetched::Released { oldest }),
                Err(LogError::Failed(source)) => {
                    return Err(Error::Log {
                        lsn: wanted,
                        source,
                    });
                }
            }
            if let Some(record) = feed.recent(wanted) {
                self.cursor = None;
                return Ok(Fetched::Record(record));
            }
        }
        Err(Error::Gap { lsn: wanted })
    }

    fn fetch_logged(&mut self, feed: &Feed, after: Lsn) -> Result<Option<Arc<[u8]>>, LogError> {
        let cursor = match &mut self.cursor {
            Some(cursor) => cursor,
            closed => closed.insert(feed.log().read_after(after)?),
        };
        match cursor.next()? {
            Some((lsn, record)) if lsn == after.next() => {
                feed.count_log_read();
                Ok(Some(record))
            }
            Some(_) => Err(LogError::Released {
                oldest: feed.log().oldest(),
            }),
            None => Ok(None),
        }
    }
}
