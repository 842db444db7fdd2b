//! `Row`: the rows everybody writes: a key that ascends, one of 1,000 groups, a number.

/// Groups there are.
pub const GROUPS: i64 = 1_000;

/// One row of the table `t (id, g, v)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The primary key.
    pub id: i64,
    /// The group.
    pub g: i64,
    /// The number that is summed.
    pub v: i64,
}

impl Row {
    /// The row of that number. Neighbours are in groups far from each other.
    #[must_use]
    pub const fn numbered(id: i64) -> Self {
        Self {
            id,
            g: id.wrapping_mul(7_919).rem_euclid(GROUPS),
            v: id % 100,
        }
    }
}

/// Hands out rows that nobody had before.
#[derive(Debug, Default)]
pub struct Rows(std::sync::atomic::AtomicI64);

impl Rows {
    /// The next row.
    pub fn one(&self) -> Row {
        Row::numbered(self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
    }

    /// The next rows, in order.
    pub fn some(&self, count: u64) -> impl Iterator<Item = Row> + Clone {
        let count = count.cast_signed();
        let first = self
            .0
            .fetch_add(count, std::sync::atomic::Ordering::Relaxed);
        (first..first.saturating_add(count)).map(Row::numbered)
    }
}
