//! Checking a database: everything that is kept twice is compared, and everything that has a checksum is read.
//!
//! Log records, rows of the storage file, indexes against their tables, views against their queries, the catalog
//! against the storages. It goes on after the first damage, names each place, and mends nothing. Next door: `salvage`.

mod content;
mod log;
mod offline;
mod record;
mod report;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

pub(crate) use self::content::{describe_key, storage_name};
pub(crate) use self::offline::{no_database, open_over};
pub(crate) use self::record::RecordDecoder;
use self::report::Findings;
pub use self::report::{CheckOptions, CheckPart, CheckReport, Damage};
use crate::builder::Builder;
use crate::database::Database;
use crate::engine::Engine;
use crate::error::Result;
use crate::txn::Mode;

impl Database {
    /// Checks the database as it is now, while it is in use: as [`check_with`](Self::check_with) with the defaults.
    ///
    /// # Errors
    /// When the system refuses a read; damage is in the report.
    ///
    /// ```
    /// # fn main() -> tailwater::Result<()> {
    /// let db = tailwater::Database::memory()?;
    /// db.exec("CREATE TABLE t (id INT PRIMARY KEY, n INT); CREATE INDEX ON t (n);
    ///          CREATE MATERIALIZED VIEW s AS SELECT sum(n) AS s FROM t; INSERT INTO t VALUES (1, 10), (2, 20)", ())?;
    /// let report = db.check()?;
    /// assert!(report.is_clean(), "{report}");
    /// assert_eq!((report.entries, report.views), (2, 1));
    /// # Ok(())
    /// # }
    /// ```
    pub fn check(&self) -> Result<CheckReport> {
        self.check_with(&CheckOptions::default())
    }

    /// Checks the database as it is now, while it is in use: all records of the log, all rows of the storage file,
    /// and, as of one commit, indexes, constraints and views. Commits go on meanwhile.
    ///
    /// # Errors
    /// When the system refuses a read; damage is in the report.
    ///
    /// ```
    /// use tailwater::{CheckOptions, Database};
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// let db = Database::memory()?;
    /// db.exec("CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1)", ())?;
    /// let (send, steps) = std::sync::mpsc::channel();
    /// let options = CheckOptions::default().on_progress(move |step, _| send.send(step.to_owned()).unwrap_or_default());
    /// assert!(db.check_with(&options)?.is_clean());
    /// drop(options);
    /// assert!(steps.iter().any(|step| step == "table t"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn check_with(&self, options: &CheckOptions) -> Result<CheckReport> {
        let engine = self.engine();
        let mut findings = Findings::new(options);
        if !engine.settings.read_only {
            log::check(engine, &mut findings)?;
        }
        check_content(engine, &mut findings)?;
        Ok(findings.report)
    }
}

impl Builder {
    /// Checks the database in a folder without changing anything in it: what [`Database::check_with`] checks, as it
    /// would be after opening, on a damaged database too; with [`CheckOptions::deep`] every page of the storage file
    /// as well. While another process has it open, or the log has a transaction that the storage file has not and that is
    /// larger than [`transaction_memory_bytes_max`](crate::Settings::transaction_memory_bytes_max), rows, indexes and
    /// views are checked as of the last checkpoint; a note says so.
    ///
    /// # Errors
    /// When there is no database, or the system refuses a read; damage is in the report.
    ///
    /// ```
    /// use tailwater::{CheckOptions, Database};
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let path = dir.path().join("app.db");
    /// let db = Database::open(&path)?;
    /// db.exec("CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1)", ())?;
    /// db.close()?;
    /// let report = Database::builder().check(&path, &CheckOptions::default().deep())?;
    /// assert!(report.is_clean() && report.records == 2, "{report}");
    /// # Ok(())
    /// # }
    /// ```
    pub fn check(self, path: impl AsRef<Path>, options: &CheckOptions) -> Result<CheckReport> {
        offline::check(self, path.as_ref(), options)
    }
}

/// The storage file and, as of one snapshot, everything made of rows.
fn check_content(engine: &Arc<Engine>, findings: &mut Findings<'_>) -> Result<()> {
    let dropped = engine.store.dropped_storages();
    let txn = engine.begin(Mode::ReadOnly, &Arc::from(""))?;
    // It ends by itself, and a large database takes its time.
    _ = txn.snapshot.keep();
    findings.report.lsn = txn.lsn();
    content::check_storages(&txn, &dropped, findings)?;
    content::check_relations(&txn, findings)
}
