//! What can go wrong while rows are kept or read: what, where, how to mend.
//! It never hides damage as absence. Next door: the engine's superset error, which wraps this one.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;

use tailwater_proto::{Key, Lsn, StorageId, sqlstate};

/// Result of a storage operation.
pub(crate) type Result<T> = std::result::Result<T, StorageError>;

/// Why a storage operation failed.
#[derive(Debug)]
#[non_exhaustive]
pub(crate) enum StorageError {
    /// Bytes read from the storage file are not what was written.
    Corrupted {
        /// The storage being read, where known.
        storage: Option<StorageId>,
        /// The key being read, or the last one before the damage, where known.
        key: Option<Key>,
        /// What was found.
        detail: String,
    },
    /// The file system refused an operation on the storage file.
    Io {
        /// The file, where known.
        path: Option<PathBuf>,
        /// What it said.
        source: io::Error,
    },
    /// An earlier I/O error made the storage file unusable until it is opened again.
    NeedsReopen,
    /// The store was closed while something still read from it.
    Closed,
    /// The storage file was written by a later version.
    FormatUnknown {
        /// Version in the file.
        found: u32,
        /// Latest version this build reads.
        known: u32,
    },
    /// The state at this LSN is no longer kept.
    #[cfg(test)]
    SnapshotReleased {
        /// The LSN asked for.
        lsn: Lsn,
        /// The oldest LSN that can be had.
        oldest: Lsn,
    },
    /// The state at this LSN is not there yet.
    #[cfg(test)]
    SnapshotAhead {
        /// The LSN asked for.
        lsn: Lsn,
        /// The last commit applied.
        tip: Lsn,
    },
    /// The snapshot was let go of since it had been there for too long.
    SnapshotTooOld {
        /// The LSN it read at.
        lsn: Lsn,
    },
    /// What was being read is not there any more: another process wrote a checkpoint, or the file had to be opened anew
    /// after an error of the disk. A new snapshot reads on.
    CheckpointMoved,
    /// A store opened for reading was asked to write.
    ReadOnly,
    /// A name in the meta table that belongs to the storage itself.
    ReservedName(String),
    /// A key with its value beyond what a row may hold (3 GiB).
    TooLarge {
        /// Bytes of the value, or of key and value together.
        bytes: usize,
    },
    /// redb said something that none of the above covers.
    Redb(Box<redb::Error>),
}

impl StorageError {
    /// Sorts redb's errors into ours.
    pub(super) fn from_redb(error: redb::Error) -> Self {
        match error {
            redb::Error::Corrupted(detail) => Self::Corrupted {
                storage: None,
                key: None,
                detail,
            },
            redb::Error::Io(source) => Self::Io { path: None, source },
            redb::Error::PreviousIo => Self::NeedsReopen,
            redb::Error::DatabaseClosed => Self::Closed,
            redb::Error::ValueTooLarge(bytes) => Self::TooLarge { bytes },
            other => Self::Redb(Box::new(other)),
        }
    }

    /// Adds the place to damage whose place is not known yet.
    #[must_use]
    pub(super) fn at(mut self, id: StorageId, at: Option<&[u8]>) -> Self {
        if let Self::Corrupted { storage, key, .. } = &mut self {
            storage.get_or_insert(id);
            if key.is_none() {
                *key = at.map(Key::from);
            }
        }
        self
    }

    /// Whether the handle of the file is of no use after it.
    pub(super) const fn breaks_file(&self) -> bool {
        matches!(self, Self::Io { .. } | Self::NeedsReopen)
    }

    /// The SQLSTATE a client sees.
    #[must_use]
    pub(crate) fn sqlstate(&self) -> &'static str {
        match self {
            Self::Corrupted { .. } => "XX001",
            Self::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => "53100",
            // What redb says of a file that is not its own.
            Self::Io { source, .. } if source.kind() == io::ErrorKind::InvalidData => "XX001",
            Self::Io { .. } | Self::NeedsReopen | Self::Closed => "58030",
            Self::FormatUnknown { .. } => "0A000",
            #[cfg(test)]
            Self::SnapshotReleased { .. } => "40001",
            Self::SnapshotTooOld { .. } => sqlstate::SNAPSHOT_TOO_OLD,
            Self::CheckpointMoved => "40001",
            Self::ReadOnly => "25006",
            Self::ReservedName(_) => "42939",
            Self::TooLarge { .. } => "54000",
            #[cfg(test)]
            Self::SnapshotAhead { .. } => "XX000",
            Self::Redb(_) => "XX000",
        }
    }
}

impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Corrupted {
                storage,
                key,
                detail,
            } => {
                f.write_str("the storage file is damaged")?;
                if let Some(storage) = storage {
                    write!(f, " in storage {storage}")?;
                }
                if let Some(key) = key {
                    write!(f, " at key {key:?}")?;
                }
                write!(f, ": {detail}; restore it from a replica or a backup")
            }
            Self::Io { path, source } => {
                f.write_str("the storage file")?;
                if let Some(path) = path {
                    write!(f, " {}", path.display())?;
                }
                write!(f, " could not be read or written: {source}")
            }
            Self::NeedsReopen => f.write_str(
                "an earlier I/O error made the storage file unusable; close the database and open it again",
            ),
            Self::Closed => f.write_str("the store is closed; open the database again"),
            Self::FormatUnknown { found, known } => write!(
                f,
                "the storage file has format {found}, this build reads up to {known}; use a later version"
            ),
            #[cfg(test)]
            Self::SnapshotReleased { lsn, oldest } => write!(
                f,
                "the state at LSN {lsn} is no longer kept (oldest: {oldest}); begin again at a later one"
            ),
            #[cfg(test)]
            Self::SnapshotAhead { lsn, tip } => {
                write!(f, "the state at LSN {lsn} is not there yet (last: {tip})")
            }
            Self::SnapshotTooOld { lsn } => write!(
                f,
                "snapshot too old: what was read as of LSN {lsn} is no longer kept, for it was being read for longer than \
                 snapshot_age_max; read it again in less time, or raise that setting"
            ),
            Self::CheckpointMoved => f.write_str(
                "the storage file was replaced while it was read: by a checkpoint of another process, or after an error of \
                 the disk; read again",
            ),
            Self::ReadOnly => f.write_str("the store was opened for reading only"),
            Self::ReservedName(name) => {
                write!(f, "the meta name {name:?} belongs to the storage; choose another")
            }
            Self::TooLarge { bytes } => write!(
                f,
                "a row of {bytes} bytes is too large for the storage file; keep large values in chunks"
            ),
            Self::Redb(error) => write!(f, "the storage file: {error}"),
        }
    }
}

impl Error for StorageError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Redb(error) => Some(error),
            _ => None,
        }
    }
}
