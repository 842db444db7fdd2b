//! `Change`: one row of one storage before and after a commit; `Record`: everything one commit did.
//!
//! A record is encoded once (`record_codec`); its bytes are the log record, the log tail, the feed frame and
//! the unit of replication. It does not hold its `Lsn`: the log's frame and the ring carry that beside it.

use std::sync::Arc;

use crate::key::Key;
use crate::lsn::StorageId;

/// One row of one storage, before and after. Never both absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which keyspace.
    pub storage: StorageId,
    /// The schema version of the storage's object under which `after` (or, deleted, `before`) was written.
    pub schema_version: u32,
    /// The row's key.
    pub key: Key,
    /// Encoded row before the commit; `None`: there was none.
    pub before: Option<Arc<[u8]>>,
    /// Encoded row after the commit; `None`: it was deleted.
    pub after: Option<Arc<[u8]>>,
}

/// Everything one committed transaction did, in three sections of full images.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Commit time in microseconds since 1970-01-01 UTC; never less than an earlier record's.
    pub commit_time_us: i64,
    /// Who committed, as the session's principal names itself; empty for the embedding program.
    pub principal: String,
    /// Rows of tables and of the catalog, ordered by storage and key.
    pub base: Vec<Change>,
    /// Rows of materialised views, ordered by storage and key.
    pub derived: Vec<Change>,
    /// Index entries and operator state, ordered by storage and key.
    pub state: Vec<Change>,
}
