//! What can go wrong with the log: what, where, and how to mend it.
//!
//! Damage is told from a torn tail; a commit whose outcome nobody knows is never called aborted.
//! Next door: `log`, which returns these; `engine`, which wraps them into its superset.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use tailwater_proto::Lsn;

/// Result of this room.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An input or output that failed: what was tried on which file.
#[derive(Debug)]
pub struct Failure {
    /// What was tried, such as "sync".
    pub what: &'static str,
    /// On which file or directory.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "cannot {} {}: {}",
            self.what,
            self.path.display(),
            self.source
        )
    }
}

/// An error of the log.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The file system refused something.
    Io(Arc<Failure>),
    /// Bytes that had been confirmed as durable are wrong. Nothing was cut.
    Damaged {
        /// The segment file.
        file: PathBuf,
        /// Where in it.
        offset: u64,
        /// The first record that cannot be read.
        lsn: Lsn,
        /// What is wrong there.
        reason: &'static str,
    },
    /// The storage has applied more than the log holds: files are missing or belong elsewhere.
    Lost {
        /// What the storage has applied.
        applied: Lsn,
        /// The last record of the log.
        last: Lsn,
    },
    /// Records between the applied state and the log are missing.
    Gap {
        /// What the storage has applied.
        applied: Lsn,
        /// The first record of the log after it.
        found: Lsn,
    },
    /// The segment belongs to another database.
    Foreign {
        /// The segment file.
        file: PathBuf,
    },
    /// Written by a newer version of this library.
    Unsupported {
        /// The segment file.
        file: PathBuf,
        /// What is not known here.
        what: &'static str,
    },
    /// `create` found a log in the directory.
    Exists {
        /// The directory.
        dir: PathBuf,
    },
    /// The record is out of retention.
    Released {
        /// The oldest record that can still be read.
        oldest: Lsn,
    },
    /// There is no slot of that name.
    UnknownSlot {
        /// The name.
        name: String,
    },
    /// A slot may not be called so.
    SlotName {
        /// The name.
        name: String,
    },
    /// The file with the slots cannot be read.
    DamagedSlots {
        /// The file.
        file: PathBuf,
    },
    /// A payload longer than a frame can say.
    TooLarge {
        /// Its length in bytes.
        len: usize,
        /// The longest allowed.
        max: usize,
    },
    /// Writing or syncing failed under way: after a restart the commit may be there or not.
    CommitOutcomeUnknown(Arc<Failure>),
    /// An earlier write or sync failed; the log takes nothing more until it is recovered.
    Poisoned(Arc<Failure>),
    /// The log has been closed.
    Closed,
    /// Whoever received the records during recovery refused one.
    Replay {
        /// The record refused.
        lsn: Lsn,
        /// Why.
        source: Box<dyn StdError + Send + Sync>,
    },
}

impl Error {
    pub(crate) fn io(what: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::Io(Arc::new(Failure {
            what,
            path: path.into(),
            source,
        }))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(failure) => failure.fmt(f),
            Self::Damaged {
                file,
                offset,
                lsn,
                reason,
            } => write!(
                f,
                "the log is damaged: {reason} in {} at byte {offset}, record {lsn} was confirmed as durable; \
                 restore the file from a replica or a backup",
                file.display()
            ),
            Self::Lost { applied, last } => write!(
                f,
                "the log ends at record {last}, but the storage has applied {applied}; \
                 put the missing log files back"
            ),
            Self::Gap { applied, found } => write!(
                f,
                "the log goes on at record {found}, but the storage has applied only {applied}; \
                 put the missing log files or the newer storage file back"
            ),
            Self::Foreign { file } => write!(
                f,
                "{} belongs to another database; move it out of this directory",
                file.display()
            ),
            Self::Unsupported { file, what } => write!(
                f,
                "{} was written by a newer version ({what}); open it with that version",
                file.display()
            ),
            Self::Exists { dir } => write!(
                f,
                "{} already holds a log; open it instead of creating it",
                dir.display()
            ),
            Self::Released { oldest } => write!(
                f,
                "the record is out of retention, the oldest one kept is {oldest}; start from a snapshot"
            ),
            Self::UnknownSlot { name } => {
                write!(f, "there is no slot \"{name}\"; make it first")
            }
            Self::SlotName { name } => write!(
                f,
                "a slot cannot be called \"{name}\"; its name has 1 to 63 of the characters a-z, 0-9, _ and -"
            ),
            Self::DamagedSlots { file } => write!(
                f,
                "the slots in {} cannot be read; put the file back, or remove it to go on without slots: \
                 then their readers start from a snapshot",
                file.display()
            ),
            Self::TooLarge { len, max } => {
                write!(
                    f,
                    "a record of {len} bytes is over the limit of {max}; write it in parts"
                )
            }
            Self::CommitOutcomeUnknown(cause) => write!(
                f,
                "it is unknown whether the commit will survive: {cause}; reopen the database and look"
            ),
            Self::Poisoned(cause) => {
                write!(
                    f,
                    "the log stopped after an error: {cause}; reopen the database"
                )
            }
            Self::Closed => f.write_str("the log is closed"),
            Self::Replay { lsn, source } => {
                write!(
                    f,
                    "record {lsn} could not be applied during recovery: {source}"
                )
            }
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Io(failure) | Self::CommitOutcomeUnknown(failure) | Self::Poisoned(failure) => {
                Some(&failure.source)
            }
            Self::Replay { source, .. } => Some(source.as_ref()),
            _ => None,
        }
    }
}
