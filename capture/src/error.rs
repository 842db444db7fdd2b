//! What can go wrong between a commit and its subscriber: `Error`, `LogError`, `BoxError`.
//!
//! A reader that fell out of the log's retention is not an error but an `Event::Reset`; a token that does not fit
//! is a `TokenError`. Next door: `log_tail`, whose failures arrive here.

use std::error::Error as StdError;
use std::fmt;

use tailwater_proto::{DecodeError, Lsn, StorageId};

use crate::token::Token;

/// An error of a room this one does not know: the engine's, the log's.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a subscription gives nothing more. After any of them it is over.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The feed was closed and everything published before was handed out, or the subscription ended before.
    Closed,
    /// The subscriber was too slow for its queue and asked to be cut off ([`LagPolicy::Disconnect`](crate::LagPolicy)).
    /// Subscribe again with the token.
    Lagged {
        /// Where it stopped.
        token: Token,
    },
    /// The log could not be read.
    Log {
        /// The record that was wanted.
        lsn: Lsn,
        /// The log's own words.
        source: BoxError,
    },
    /// A published record is neither in memory nor in the log, though the log's retention covers it.
    Gap {
        /// The record that was wanted.
        lsn: Lsn,
    },
    /// A record's bytes are damaged.
    Record {
        /// Its number.
        lsn: Lsn,
        /// Where and how.
        source: DecodeError,
    },
    /// The snapshot could not be read on.
    Snapshot {
        /// The snapshot's position.
        lsn: Lsn,
        /// The engine's own words.
        source: BoxError,
    },
    /// A sink failed.
    Sink {
        /// The sink's own words.
        source: BoxError,
        /// Continues after what the sink had flushed; `None` if that was nothing.
        token: Option<Token>,
    },
    /// A selection of no storage.
    EmptySelection,
    /// A filter over a storage that is not selected.
    FilterOutside {
        /// The storage it filters.
        storage: StorageId,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the feed is closed"),
            Self::Lagged { token } => write!(
                f,
                "the subscriber fell behind at lsn {} and was cut off as it asked; subscribe again with its token",
                token.lsn
            ),
            Self::Log { lsn, source } => {
                write!(f, "reading lsn {lsn} from the log failed: {source}")
            }
            Self::Gap { lsn } => write!(
                f,
                "lsn {lsn} was published but is neither in memory nor in the log; take a new snapshot and check the log"
            ),
            Self::Record { lsn, source } => {
                write!(f, "the record of lsn {lsn} is damaged: {source}")
            }
            Self::Snapshot { lsn, source } => {
                write!(
                    f,
                    "reading the snapshot at lsn {lsn} failed: {source}; subscribe again"
                )
            }
            Self::Sink { source, token } => {
                write!(f, "the sink failed: {source}; ")?;
                match token {
                    Some(token) => write!(f, "drain again after lsn {}", token.lsn),
                    None => f.write_str("drain again from the start"),
                }
            }
            Self::EmptySelection => {
                f.write_str("a subscription must select at least one table or view")
            }
            Self::FilterOutside { storage } => {
                write!(
                    f,
                    "the filter is over storage {storage}, which is not among the selected ones"
                )
            }
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Log { source, .. }
            | Self::Snapshot { source, .. }
            | Self::Sink { source, .. } => Some(&**source),
            Self::Record { source, .. } => Some(source),
            Self::Closed
            | Self::Lagged { .. }
            | Self::Gap { .. }
            | Self::EmptySelection
            | Self::FilterOutside { .. } => None,
        }
    }
}

/// Why a log gives no record.
#[derive(Debug)]
pub enum LogError {
    /// Records after the wanted position are no longer kept; those after `oldest` are.
    Released {
        /// The least position from which the log can be read.
        oldest: Lsn,
    },
    /// Anything else, in the log's own words.
    Failed(BoxError),
}
