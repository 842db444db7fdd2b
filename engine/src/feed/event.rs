//! What a subscription hands out, with rows as documents.

use std::sync::Arc;

use tailwater_proto::{Document, Key, Lsn};

/// One event of a feed. A new one begins with its snapshot, then there is one frame for each commit that changed
/// something selected.
///
/// ```
/// use std::collections::BTreeMap;
/// use tailwater::{Database, FeedEvent, FeedRequest};
///
/// # fn main() -> tailwater::Result<()> {
/// let db = Database::memory()?;
/// db.exec("CREATE TABLE t (id INT PRIMARY KEY, n INT); INSERT INTO t VALUES (1, 10), (2, 20)", ())?;
/// let feed = db.subscribe(FeedRequest::of("t"))?;
/// db.exec("UPDATE t SET n = 11 WHERE id = 1", ())?;
/// db.exec("DELETE FROM t WHERE id = 2", ())?;
///
/// let mut copy = BTreeMap::new();
/// for event in feed {
///     match event? {
///         FeedEvent::SnapshotBegin { .. } => copy.clear(),
///         FeedEvent::Snapshot { rows } => copy.extend(rows.into_iter().map(|row| (row.key, row.row))),
///         FeedEvent::Frame(frame) => {
///             for change in frame.changes {
///                 match change.after {
///                     Some(row) => copy.insert(change.key, row),
///                     None => copy.remove(&change.key),
///                 };
///             }
///             if frame.lsn == db.visible_lsn() {
///                 break;
///             }
///         }
///         FeedEvent::Reset { reason, .. } => panic!("begin anew: {reason}"),
///         _ => {}
///     }
/// }
/// let rows: Vec<i64> = copy.values().filter_map(|row| row.get("n")?.as_int()).collect();
/// assert_eq!(rows, [11]);
/// # Ok(())
/// # }
/// ```
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

/// What one commit changed, or a part of that where it is very much ([`more`](Self::more)). Never merged with another.
///
/// ```
/// use tailwater::{Database, FeedEvent, FeedRequest};
///
/// # fn main() -> tailwater::Result<()> {
/// let db = Database::memory()?;
/// db.exec("CREATE TABLE t (id INT PRIMARY KEY, at BIGINT)", ())?;
/// let mut feed = db.subscribe(FeedRequest::of("t").without_snapshot())?;
/// let committed = db.update(|tx| {
///     tx.exec("INSERT INTO t VALUES (1, 0)", ())?;
///     tx.exec("INSERT INTO t VALUES (2, 0)", ())?;
///     tx.exec("UPDATE t SET at = 9 WHERE id = 2", ())
/// })?;
/// let FeedEvent::Frame(frame) = feed.recv()? else { unreachable!() };
/// assert_eq!(frame.lsn, committed.lsn);
/// assert_eq!(frame.changes.len(), 2); // one transaction, one frame; a row comes once, as it is in the end
/// assert!(frame.durable && frame.commit_time_us > 0);
/// # Ok(())
/// # }
/// ```
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
    /// Further frames of the same commit follow: whoever wants all of it at once waits for the one that says no. Only
    /// commits of more than [`frame_bytes_max`](crate::FeedSettings::frame_bytes_max) bytes come in several frames.
    pub more: bool,
    /// Goes on after this commit; while [`more`](Self::more) of it follows it gives all of it again.
    pub token: String,
}

/// What happened to a row.
///
/// ```
/// use tailwater::{Database, FeedEvent, FeedOp, FeedRequest};
///
/// # fn main() -> tailwater::Result<()> {
/// let db = Database::memory()?;
/// db.exec("CREATE TABLE t (id INT PRIMARY KEY, n INT); INSERT INTO t VALUES (1, 10)", ())?;
/// let feed = db.subscribe(FeedRequest::of("t").filter("n > 5").without_snapshot())?;
/// db.exec("UPDATE t SET n = 7", ())?;
/// db.exec("UPDATE t SET n = 3", ())?; // still in the table, but for this subscriber it is gone
/// let ops = feed.take(2).map(|event| match event {
///     Ok(FeedEvent::Frame(frame)) => frame.changes[0].op,
///     other => panic!("{other:?}"),
/// });
/// assert_eq!(ops.collect::<Vec<_>>(), [FeedOp::Update, FeedOp::Delete]);
/// # Ok(())
/// # }
/// ```
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
    ///
    /// ```
    /// assert_eq!(tailwater::FeedOp::Delete.name(), "delete");
    /// ```
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
///
/// ```
/// use tailwater::{Database, FeedEvent, FeedRequest};
///
/// # fn main() -> tailwater::Result<()> {
/// let db = Database::memory()?;
/// db.exec("CREATE TABLE price (item TEXT PRIMARY KEY, cents INT); INSERT INTO price VALUES ('tea', 450)", ())?;
/// let mut feed = db.subscribe(FeedRequest::of("price").without_snapshot())?;
/// db.exec("UPDATE price SET cents = 480", ())?;
/// let FeedEvent::Frame(frame) = feed.recv()? else { unreachable!() };
/// let change = &frame.changes[0];
/// let cents = |image: &Option<tailwater::Document>| image.as_ref()?.get("cents")?.as_int();
/// assert_eq!(&*change.object, "price");
/// assert_eq!((cents(&change.before), cents(&change.after)), (Some(450), Some(480)));
/// # Ok(())
/// # }
/// ```
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
///
/// ```
/// use tailwater::{Database, FeedEvent, FeedRequest};
///
/// # fn main() -> tailwater::Result<()> {
/// let db = Database::memory()?;
/// db.exec("CREATE TABLE log; INSERT INTO log VALUES {level: 'warn', code: 7}", ())?; // no key declared
/// let mut feed = db.subscribe(FeedRequest::of("log"))?;
/// feed.recv()?; // the snapshot begins
/// let FeedEvent::Snapshot { rows } = feed.recv()? else { unreachable!() };
/// assert!(!rows[0].key.is_empty()); // every row has one all the same
/// assert_eq!(rows[0].row.get("code").and_then(|code| code.as_int()), Some(7));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct FeedRow {
    /// The row's key: opaque bytes, the same for the same row.
    pub key: Key,
    /// The row.
    pub row: Document,
}
