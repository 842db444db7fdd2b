//! What a subscription hands out, with rows as documents.

use std::sync::Arc;

use tailwater_proto::{Document, Key, Lsn};

/// One event of a feed. A new one begins with its snapshot, then there is one frame for each commit that changed
/// something selected.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum FeedEvent {
    /// The rows as of this commit follow.
    SnapshotBegin {
        /// The commit.
        lsn: Lsn,
    },
    /// Some rows of the snapshot.
    Snapshot {
        /// The rows, in the order of their keys.
        rows: Vec<FeedRow>,
    },
    /// The snapshot is complete; changes follow.
    SnapshotEnd {
        /// The commit.
        lsn: Lsn,
        /// Goes on with the first change after the snapshot.
        token: String,
    },
    /// What one commit changed.
    Frame(Frame),
    /// Nothing selected changed up to this commit.
    Progress {
        /// The commit.
        lsn: Lsn,
        /// Goes on after it.
        token: String,
    },
    /// The changes cannot be given without a gap: forget the rows and subscribe anew. The last event.
    Reset {
        /// Why: `released`, `replaced`, `policy_changed`.
        reason: String,
        /// The oldest commit after which changes are still kept.
        oldest: Lsn,
    },
}

/// What one commit changed. Never split, never merged with another.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The commit.
    pub lsn: Lsn,
    /// Commit time in microseconds since 1970-01-01 UTC.
    pub commit_time_us: i64,
    /// Whether no crash can take it back.
    pub durable: bool,
    /// The changed rows.
    pub changes: Vec<FeedChange>,
    /// Goes on after this frame.
    pub token: String,
}

/// What happened to a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FeedOp {
    /// It is new.
    Insert,
    /// It has other values.
    Update,
    /// It is gone.
    Delete,
}

impl FeedOp {
    /// `insert`, `update` or `delete`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

/// One changed row.
#[derive(Clone, Debug)]
pub struct FeedChange {
    /// The table or view.
    pub object: Arc<str>,
    /// What happened.
    pub op: FeedOp,
    /// The row's key: opaque bytes, the same for the same row.
    pub key: Key,
    /// The row before; present for updates and deletes.
    pub before: Option<Document>,
    /// The row after; present for inserts and updates.
    pub after: Option<Document>,
}

/// One row of a snapshot.
#[derive(Clone, Debug)]
pub struct FeedRow {
    /// The row's key: opaque bytes, the same for the same row.
    pub key: Key,
    /// The row.
    pub row: Document,
}
