//! `SalvageReport`: what came over and what is lost.

use std::fmt;

use tailwater_proto::Lsn;

use crate::check::Damage;

/// How far a salvage goes.
///
/// ```
/// assert!(!tailwater::SalvageOptions::default().past_holes);
/// assert!(tailwater::SalvageOptions::default().past_holes().past_holes);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SalvageOptions {
    /// Also applies records of the log behind ones that cannot be read: rows may then be of no state there ever was.
    /// Default: no.
    pub past_holes: bool,
}

impl SalvageOptions {
    /// Also applies records of the log behind ones that cannot be read.
    ///
    /// ```
    /// assert!(tailwater::SalvageOptions::default().past_holes().past_holes);
    /// ```
    #[must_use]
    pub fn past_holes(mut self) -> Self {
        self.past_holes = true;
        self
    }
}

/// What came over and what is lost.
///
/// ```
/// use std::sync::Arc;
/// use tailwater::{Database, SalvageOptions, vfs::MemoryVfs};
///
/// # fn main() -> tailwater::Result<()> {
/// let disk = MemoryVfs::new();
/// let db = Database::builder().vfs(Arc::new(disk.clone())).open("app")?;
/// db.exec("CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1)", ())?;
/// db.close()?;
/// let report = Database::builder().vfs(Arc::new(disk)).salvage("app", "new", &SalvageOptions::default())?;
/// assert!(report.lost.is_empty(), "{report}"); // it was not damaged
/// assert!(report.to_string().starts_with("salvaged: table t, 1 rows\n"), "{report}");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SalvageReport {
    /// The last commit whose changes are in the new database.
    pub lsn: Lsn,
    /// The commit as of which the storage file was; zero if it could not be read.
    pub applied_lsn: Lsn,
    /// Tables, in the order they were made.
    pub tables: Vec<SalvagedTable>,
    /// What could not be read: rows, stretches between two keys, records of the log. What the log still had of rows in
    /// such a stretch came over from there.
    pub lost: Vec<Damage>,
    /// What else there is to know.
    pub notes: Vec<String>,
}

impl fmt::Display for SalvageReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for table in &self.tables {
            writeln!(f, "salvaged: {table}")?;
        }
        for lost in &self.lost {
            writeln!(f, "lost: {lost}")?;
        }
        for note in &self.notes {
            writeln!(f, "note: {note}")?;
        }
        let rows: u64 = self.tables.iter().map(|table| table.rows).sum();
        let (tables, lost) = (self.tables.len(), self.lost.len());
        writeln!(
            f,
            "salvage: lsn {}, {rows} rows of {tables} tables, {lost} losses",
            self.lsn
        )
    }
}

/// A table that came over.
///
/// ```
/// # fn main() -> tailwater::Result<()> {
/// use std::sync::Arc;
/// use tailwater::{Database, SalvageOptions, vfs::MemoryVfs};
/// let disk = MemoryVfs::new();
/// let db = Database::builder().vfs(Arc::new(disk.clone())).open("app")?;
/// db.exec("CREATE TABLE t (id INT PRIMARY KEY)", ())?;
/// db.close()?;
/// let report = Database::builder().vfs(Arc::new(disk)).salvage("app", "new", &SalvageOptions::default())?;
/// assert_eq!(report.tables[0].to_string(), "table t, 0 rows");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SalvagedTable {
    /// Its name.
    pub name: String,
    /// Rows of it in the new database.
    pub rows: u64,
}

impl fmt::Display for SalvagedTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "table {}, {} rows", self.name, self.rows)
    }
}
