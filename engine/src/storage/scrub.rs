//! Scrubbing: every row of the storage file is read and its checksum checked, while all else goes on.
//!
//! It finds damage before a reader does. It reads one checkpoint's state, never memory, and mends nothing.
//! Next door: `base`, which checks single rows as they are read.

use std::ops::Bound;
use std::sync::Arc;

use super::base::BaseCursor;
use super::error::Result;
use super::store::Store;

/// What a scrub has read without finding damage.
///
/// ```
/// use tailwater::{Database, params};
///
/// # fn main() -> tailwater::Result<()> {
/// let db = Database::builder().without_background().memory()?;
/// db.exec("CREATE TABLE t (id INT PRIMARY KEY)", ())?;
/// db.update(|tx| (1..=100).try_for_each(|id| tx.exec("INSERT INTO t VALUES (?)", params![id]).map(drop)))?;
/// let in_memory = db.scrub()?; // only what a checkpoint has written is read
/// db.checkpoint()?;
/// let on_disk = db.scrub()?;
/// assert!(on_disk.rows >= in_memory.rows + 100 && on_disk.bytes > in_memory.bytes);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScrubReport {
    /// Storages.
    pub storages: u64,
    /// Rows.
    pub rows: u64,
    /// Bytes of keys and values.
    pub bytes: u64,
}

impl Store {
    /// Reads all of the storage file as of the last checkpoint.
    ///
    /// # Errors
    /// The first damage found, naming storage and key; I/O.
    pub(crate) fn scrub(&self) -> Result<ScrubReport> {
        let base = Arc::clone(&self.root().base);
        let mut report = ScrubReport::default();
        for id in base.storages()? {
            report.storages += 1;
            let (lo, hi) = (Bound::Unbounded, Bound::Unbounded);
            let mut rows = BaseCursor::new(&base, id, lo, hi, false);
            loop {
                rows.fill()?;
                let Some((key, value)) = rows.take() else {
                    break;
                };
                report.rows += 1;
                report.bytes += (key.len() + value.map_or(0, |value| value.len())) as u64;
            }
        }
        Ok(report)
    }
}
