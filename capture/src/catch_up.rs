//! `CatchUp`: reads on by itself for a subscription that is not in step with its queue.
//!
//! From the ring while it reaches back far enough, else from the log, up to the seam where the queue takes over.
//! It gives every record in between once, in order, or says that the log let go of it. Next door: `feed`, `log_tail`.

use std::sync::Arc;

use tailwater_proto::Lsn;
use tailwater_wal::Piece;

use crate::error::{Error, LogError, Result};
use crate::feed::Feed;
use crate::log_tail::LogCursor;
use crate::ring::Entry;

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
    /// A part of the record: the next one, from its beginning on.
    Part {
        bytes: Vec<u8>,
        is_last: bool,
    },
    Released {
        oldest: Lsn,
    },
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
        if let Some(Entry::Here(record)) = from_ring {
            self.cursor = None;
            return Ok(Fetched::Record(record));
        }
        for _ in 0..LOOKS_MAX {
            if let Some(fetched) = self.fetch_logged(feed, after)? {
                return Ok(fetched);
            }
            if let Some(Entry::Here(record)) = feed.recent(wanted) {
                self.cursor = None;
                return Ok(Fetched::Record(record));
            }
        }
        Err(Error::Gap { lsn: wanted })
    }

    /// The next part of the record after `after`, of which one was fetched before.
    pub(crate) fn fetch_part(&mut self, feed: &Feed, after: Lsn) -> Result<Fetched> {
        match self.fetch_logged(feed, after)? {
            Some(fetched) => Ok(fetched),
            None => Err(Error::Gap { lsn: after.next() }),
        }
    }

    fn fetch_logged(&mut self, feed: &Feed, after: Lsn) -> Result<Option<Fetched>> {
        match self.read_log(feed, after) {
            Ok(fetched) => Ok(fetched),
            Err(LogError::Released { oldest }) => Ok(Some(Fetched::Released { oldest })),
            Err(LogError::Failed(source)) => Err(Error::Log {
                lsn: after.next(),
                source,
            }),
        }
    }

    fn read_log(&mut self, feed: &Feed, after: Lsn) -> Result<Option<Fetched>, LogError> {
        let cursor = match &mut self.cursor {
            Some(cursor) => cursor,
            closed => closed.insert(feed.log().read_after(after)?),
        };
        match cursor.next_piece(feed.settings().frame_bytes_max)? {
            Some((lsn, piece)) if lsn == after.next() => Ok(Some(match piece {
                Piece::Record(record) => {
                    feed.count_log_read();
                    Fetched::Record(record)
                }
                Piece::Part { bytes, is_last } => {
                    if is_last {
                        feed.count_log_read();
                    }
                    Fetched::Part { bytes, is_last }
                }
            })),
            Some(_) => Err(LogError::Released {
                oldest: feed.log().oldest(),
            }),
            None => Ok(None),
        }
    }
}
