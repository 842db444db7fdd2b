//! What a subscriber receives: `Event`, and in it `Frame`, one commit as far as it is selected.
//!
//! Rows are bytes of the row codec; this room never decodes one.
//! Next door: `frame`, which cuts frames out of records; PROTOCOL.md says what may follow what.

use std::fmt;
use std::sync::Arc;

use tailwater_proto::{EcoString, Key, Lsn, StorageId};

use crate::token::Token;

/// A row of a snapshot: storage, key, encoded row.
pub type SnapshotRow = (StorageId, Key, Arc<[u8]>);

/// One thing a subscription says. See PROTOCOL.md for the order in which they come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A snapshot begins: the selected rows as of `lsn` follow.
    SnapshotBegin {
        /// The snapshot's position.
        lsn: Lsn,
    },
    /// Some rows of the snapshot; never empty.
    SnapshotRows {
        /// In the order the snapshot gives them.
        rows: Vec<SnapshotRow>,
    },
    /// The snapshot is complete; the deltas after `lsn` follow.
    SnapshotEnd {
        /// The snapshot's position.
        lsn: Lsn,
        /// Continues with the first delta.
        token: Token,
    },
    /// One commit.
    Frame(Frame),
    /// Nothing selected happened up to and including `lsn`, beyond what was handed out.
    Progress {
        /// The position reached.
        lsn: Lsn,
        /// Continues after it.
        token: Token,
    },
    /// The deltas cannot be continued without a gap: take a new snapshot. The last event of its subscription.
    Reset {
        /// Why.
        reason: ResetReason,
        /// The least position from which the log can still be read.
        oldest: Lsn,
    },
}

impl Event {
    /// The token that continues after this event, if it is one that may be stored.
    #[must_use]
    pub const fn token(&self) -> Option<&Token> {
        match self {
            Self::SnapshotEnd { token, .. } | Self::Progress { token, .. } => Some(token),
            Self::Frame(frame) => Some(&frame.token),
            Self::SnapshotBegin { .. } | Self::SnapshotRows { .. } | Self::Reset { .. } => None,
        }
    }
}

/// Why a subscription has to begin anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ResetReason {
    /// The log no longer keeps what comes next.
    Released,
    /// A selected table or view was dropped, rewritten or rebuilt under another storage.
    Replaced,
    /// What the principal may see has changed.
    PolicyChanged,
}

impl fmt::Display for ResetReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Released => "released",
            Self::Replaced => "replaced",
            Self::PolicyChanged => "policy_changed",
        })
    }
}

/// One commit as far as it is selected, or a part of one that is very long. Never empty, never merged with another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The commit.
    pub lsn: Lsn,
    /// Commit time in microseconds since 1970-01-01 UTC; never less than an earlier frame's.
    pub commit_time_us: i64,
    /// Whether no crash can take the commit back.
    pub durable: bool,
    /// Who committed; empty for the embedding program.
    pub principal: EcoString,
    /// In the order of the record: tables before views, then by storage and key.
    pub changes: Vec<FeedChange>,
    /// Further frames of the same commit follow: this is not all of it.
    pub more: bool,
    /// Continues after this commit; with [`more`](Self::more) it continues before it, and gives all of it again.
    pub token: Token,
}

/// One row of a selected table or view, before and after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedChange {
    /// Which table or view.
    pub storage: StorageId,
    /// The schema version its images were written under.
    pub schema_version: u32,
    /// What happened, as this subscriber sees it.
    pub op: Op,
    /// The row's key.
    pub key: Key,
    /// The row before; present in updates and deletes.
    pub before: Option<Arc<[u8]>>,
    /// The row after; present in inserts and updates.
    pub after: Option<Arc<[u8]>>,
}

/// What happened to a row. A row that enters a subscriber's selection is inserted, one that leaves it deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// There was no such row.
    Insert,
    /// The row has other contents.
    Update,
    /// There is no such row any more.
    Delete,
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Delete => "delete",
        })
    }
}
