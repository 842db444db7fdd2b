//! `SubscribeRequest`: what to hear, from where on, as whom, and what to do when too slow.
//! Plain data, but for the snapshot, which the engine gives as a lazy reader. Next door: `subscription`.

use std::fmt;
use std::sync::Arc;

use tailwater_proto::Lsn;

use crate::error::BoxError;
use crate::event::SnapshotRow;
use crate::selection::Selection;

/// The rows of a snapshot, read lazily on the subscriber's thread.
///
/// # Contract
/// Gives every row of the selected storages as of the position it stands for, each once; rows the filter or the
/// predicate leaves out may be given too, they are dropped.
pub trait SnapshotRows: Send {
    /// The next row; `None` at the end.
    ///
    /// # Errors
    /// The engine's own; they end the subscription.
    fn next(&mut self) -> Result<Option<SnapshotRow>, BoxError>;
}

impl<I: Iterator<Item = SnapshotRow> + Send> SnapshotRows for I {
    fn next(&mut self) -> Result<Option<SnapshotRow>, BoxError> {
        Ok(Iterator::next(self))
    }
}

/// Where a subscription begins.
pub enum Start {
    /// All rows as of `lsn`, then the deltas after it.
    SnapshotThenDeltas {
        /// The snapshot's position.
        lsn: Lsn,
        /// Its rows.
        rows: Box<dyn SnapshotRows>,
    },
    /// The deltas after a position, usually the one a token's check gave.
    After(Lsn),
}

impl fmt::Debug for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SnapshotThenDeltas { lsn, .. } => write!(f, "SnapshotThenDeltas({lsn})"),
            Self::After(lsn) => write!(f, "After({lsn})"),
        }
    }
}

/// What becomes of a subscriber whose queue overflows. Commits never wait for it either way.
///
/// ```
/// use tailwater_capture::LagPolicy;
///
/// assert_eq!(LagPolicy::default(), LagPolicy::CatchUp); // slow readers lose nothing unless they ask to
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum LagPolicy {
    /// It reads on from the ring, then from the log, and joins its queue again: no commit twice, none lost.
    #[default]
    CatchUp,
    /// It gets what was queued, then [`Error::Lagged`](crate::Error::Lagged) with the token to come back with.
    Disconnect,
}

/// A subscription to be made.
#[derive(Debug)]
pub struct SubscribeRequest {
    /// What to hear.
    pub selection: Selection,
    /// From where on.
    pub start: Start,
    /// As whom; part of the tokens. Empty for the embedding program.
    pub principal: Arc<str>,
    /// The version of what that principal may see; part of the tokens.
    pub policy_version: u64,
    /// The schema version of the selected objects as far as readers must start anew when it changes: a compatible
    /// change leaves it. Part of the tokens.
    pub schema_version: u32,
    /// What to do when too slow.
    pub lag: LagPolicy,
}

impl SubscribeRequest {
    /// A request of the embedding program, with every version zero.
    #[must_use]
    pub fn new(selection: Selection, start: Start) -> Self {
        Self {
            selection,
            start,
            principal: Arc::from(""),
            policy_version: 0,
            schema_version: 0,
            lag: LagPolicy::default(),
        }
    }
}
