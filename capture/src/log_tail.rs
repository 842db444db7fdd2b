//! `LogTail`: the log as the feed sees it, an ordered run of records that can be read from any kept position.
//!
//! The feed reads it only for subscribers too slow for the ring, or that come back after a while.
//! Two implementors: `Wal`, here, and the tests' log in memory. Next door: `catch_up`, which reads it.

use std::sync::Arc;

use tailwater_proto::Lsn;
use tailwater_wal::{Piece, Reader, Wal};

use crate::error::LogError;

/// A log of records with dense numbers.
///
/// # Contract
/// Every record in (`oldest`, `newest`] can be read. `newest` never falls and costs no more than an atomic load: it
/// is asked for every commit. A record the log cannot give back yet is kept in the ring, however large that grows.
pub trait LogTail: Send + Sync {
    /// The epochs, ascending, each with its first commit.
    fn epoch_history(&self) -> Vec<(u32, Lsn)>;

    /// Records after this position can be read.
    fn oldest(&self) -> Lsn;

    /// Records up to this one can be read.
    fn newest(&self) -> Lsn;

    /// A cursor whose first record is the one after `lsn`.
    ///
    /// # Errors
    /// [`LogError::Released`] if that one is no longer kept.
    fn read_after(&self, lsn: Lsn) -> Result<Box<dyn LogCursor>, LogError>;
}

/// A record and its number.
pub type LoggedRecord = (Lsn, Arc<[u8]>);

/// Reads a log onwards.
pub trait LogCursor: Send {
    /// The next record; `None` at the end of the log, where it may be asked again.
    ///
    /// # Errors
    /// [`LogError::Released`] if the log let go of what comes next.
    fn next(&mut self) -> Result<Option<LoggedRecord>, LogError>;

    /// The next record, or the next part of one that is longer than `whole_bytes_max`, if the log can give it in parts.
    /// A part of a record is given only when all of it can be.
    ///
    /// # Errors
    /// As those of [`next`](Self::next).
    fn next_piece(&mut self, whole_bytes_max: usize) -> Result<Option<(Lsn, Piece)>, LogError> {
        let _ = whole_bytes_max;
        Ok(self
            .next()?
            .map(|(lsn, record)| (lsn, Piece::Record(record))))
    }
}

impl LogTail for Wal {
    fn epoch_history(&self) -> Vec<(u32, Lsn)> {
        let epochs = Self::epoch_history(self).into_iter();
        epochs
            .map(|epoch| (epoch.number, epoch.first_lsn))
            .collect()
    }

    fn oldest(&self) -> Lsn {
        before(self.first_retained_lsn())
    }

    fn newest(&self) -> Lsn {
        self.readable_lsn()
    }

    fn read_after(&self, lsn: Lsn) -> Result<Box<dyn LogCursor>, LogError> {
        Ok(Box::new(self.reader(lsn)?))
    }
}

impl LogCursor for Reader {
    fn next(&mut self) -> Result<Option<LoggedRecord>, LogError> {
        Ok(Self::next(self)?)
    }

    fn next_piece(&mut self, whole_bytes_max: usize) -> Result<Option<(Lsn, Piece)>, LogError> {
        Ok(Self::next_piece(self, whole_bytes_max)?)
    }
}

impl From<tailwater_wal::Error> for LogError {
    fn from(error: tailwater_wal::Error) -> Self {
        match error {
            // The log names the oldest record it has, the feed the position before it.
            tailwater_wal::Error::Released { oldest } => Self::Released {
                oldest: before(oldest),
            },
            other => Self::Failed(other.into()),
        }
    }
}

const fn before(lsn: Lsn) -> Lsn {
    Lsn(lsn.0.saturating_sub(1))
}
