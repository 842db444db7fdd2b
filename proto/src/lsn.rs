//! `Lsn`: the number of a committed transaction, and `StorageId`: the number of a keyed storage.
//! Both are persisted as fixed or variable width integers and never renumbered or reused.

use std::fmt;

/// Log sequence number: the dense number of one committed transaction (1, 2, 3 …).
/// Zero stands for "before the first commit".
///
/// ```
/// use tailwater_proto::Lsn;
///
/// assert!(Lsn(7) < Lsn(10));
/// assert_eq!(Lsn(7).to_string(), "7");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lsn(pub u64);

impl Lsn {
    /// Before the first commit.
    ///
    /// ```
    /// use tailwater_proto::Lsn;
    ///
    /// assert_eq!(Lsn::ZERO.next(), Lsn(1)); // the first commit
    /// ```
    pub const ZERO: Self = Self(0);
    /// Later than every commit there can be.
    ///
    /// ```
    /// use tailwater_proto::Lsn;
    ///
    /// let oldest = [Lsn(9), Lsn(4)].into_iter().fold(Lsn::MAX, Ord::min);
    /// assert_eq!(oldest, Lsn(4));
    /// ```
    pub const MAX: Self = Self(u64::MAX);

    /// The number after this one.
    ///
    /// # Panics
    /// At 2^64 - 1, which no log reaches.
    ///
    /// ```
    /// use tailwater_proto::Lsn;
    ///
    /// assert_eq!(Lsn(41).next(), Lsn(42));
    /// ```
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number of one ordered keyspace: a table, an index, a view or the state of an operator.
/// Numbers are never reused: TRUNCATE, rewrite and rebuild take a new one.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct StorageId(pub u32);

impl fmt::Display for StorageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
