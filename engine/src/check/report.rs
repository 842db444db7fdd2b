//! `CheckReport`: what a check has read and found; `Damage`: one place that is not as it should be.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use tailwater_proto::{Lsn, StorageId};

/// Damages listed unless told otherwise.
const DAMAGES_MAX: usize = 1000;

/// Called with what is being checked and how many rows or records of it have been.
type OnProgress = Arc<dyn Fn(&str, u64) + Send + Sync>;

/// How thorough a check is, and how it tells.
///
/// ```
/// let options = tailwater::CheckOptions::default().deep().damages_max(10);
/// assert!(options.deep && options.damages_max == 10);
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct CheckOptions {
    /// Also verifies every page of the storage file, where nobody has it open. Default: no.
    pub deep: bool,
    /// Damages listed; more are only counted. Default: 1,000.
    pub damages_max: usize,
    on_progress: Option<OnProgress>,
}

impl Default for CheckOptions {
    fn default() -> Self {
        Self {
            deep: false,
            damages_max: DAMAGES_MAX,
            on_progress: None,
        }
    }
}

impl fmt::Debug for CheckOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CheckOptions")
            .field("deep", &self.deep)
            .field("damages_max", &self.damages_max)
            .finish_non_exhaustive()
    }
}

impl CheckOptions {
    /// Also verifies every page of the storage file, where nobody has it open.
    ///
    /// ```
    /// assert!(tailwater::CheckOptions::default().deep().deep);
    /// ```
    #[must_use]
    pub fn deep(mut self) -> Self {
        self.deep = true;
        self
    }

    /// Lists so many damages at most.
    ///
    /// ```
    /// assert_eq!(tailwater::CheckOptions::default().damages_max(1).damages_max, 1);
    /// ```
    #[must_use]
    pub fn damages_max(mut self, damages: usize) -> Self {
        self.damages_max = damages;
        self
    }

    /// Calls `tell` now and then with what is being checked and how many rows or records of it have been.
    ///
    /// ```
    /// use std::sync::{Arc, atomic::{AtomicU64, Ordering}};
    /// use tailwater::{CheckOptions, Database};
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// let calls = Arc::new(AtomicU64::new(0));
    /// let told = Arc::clone(&calls);
    /// let options = CheckOptions::default().on_progress(move |_, _| { told.fetch_add(1, Ordering::Relaxed); });
    /// let db = Database::memory()?;
    /// db.exec("CREATE TABLE t (id INT PRIMARY KEY)", ())?;
    /// db.check_with(&options)?;
    /// assert!(calls.load(Ordering::Relaxed) > 0);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn on_progress(mut self, tell: impl Fn(&str, u64) + Send + Sync + 'static) -> Self {
        self.on_progress = Some(Arc::new(tell));
        self
    }
}

/// What a check has read and found.
///
/// ```
/// # fn main() -> tailwater::Result<()> {
/// let db = tailwater::Database::memory()?;
/// db.exec("CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1), (2)", ())?;
/// let report = db.check()?;
/// assert_eq!(report.rows, 2);
/// assert!(report.to_string().ends_with("clean\n"), "{report}");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckReport {
    /// The commit as of which rows, indexes and views were checked.
    pub lsn: Lsn,
    /// Records of the log.
    pub records: u64,
    /// Rows of tables and views.
    pub rows: u64,
    /// Entries of indexes.
    pub entries: u64,
    /// Materialised views compared with their queries.
    pub views: u64,
    /// What was found, in the order it was.
    pub damages: Vec<Damage>,
    /// How many more there were than are listed.
    pub damages_unlisted: u64,
    /// What was not checked, and why; what is unusual and no damage.
    pub notes: Vec<String>,
}

impl CheckReport {
    /// Whether nothing is damaged.
    ///
    /// ```
    /// # fn main() -> tailwater::Result<()> {
    /// assert!(tailwater::Database::memory()?.check()?.is_clean());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.damages.is_empty() && self.damages_unlisted == 0
    }
}

impl fmt::Display for CheckReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for damage in &self.damages {
            writeln!(f, "damaged: {damage}")?;
        }
        if self.damages_unlisted > 0 {
            writeln!(f, "damaged: {} more places", self.damages_unlisted)?;
        }
        for note in &self.notes {
            writeln!(f, "note: {note}")?;
        }
        let Self {
            lsn,
            records,
            rows,
            entries,
            views,
            ..
        } = self;
        write!(
            f,
            "check: lsn {lsn}, {records} log records, {rows} rows, {entries} index entries, {views} views: "
        )?;
        match self.damages.len() as u64 + self.damages_unlisted {
            0 => writeln!(f, "clean"),
            1 => writeln!(f, "1 damage"),
            n => writeln!(f, "{n} damages"),
        }
    }
}

/// What part of a database is damaged.
///
/// ```
/// assert_eq!(tailwater::CheckPart::Index.name(), "index");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CheckPart {
    /// Segments and records of the log.
    Log,
    /// The storage file as a whole, or its pages.
    StorageFile,
    /// What tables, indexes and views there are.
    Catalog,
    /// Rows.
    Rows,
    /// An index and its table.
    Index,
    /// A materialised view and its query.
    View,
}

impl CheckPart {
    /// Its name.
    ///
    /// ```
    /// assert_eq!(tailwater::CheckPart::StorageFile.name(), "storage file");
    /// ```
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::StorageFile => "storage file",
            Self::Catalog => "catalog",
            Self::Rows => "rows",
            Self::Index => "index",
            Self::View => "view",
        }
    }
}

/// One place that is not as it should be.
///
/// ```
/// use tailwater::{CheckOptions, Database, vfs::{MemoryVfs, OpenMode, Vfs}};
/// use std::{path::Path, sync::Arc};
///
/// # fn main() -> tailwater::Result<()> {
/// let disk = MemoryVfs::new();
/// let db = Database::builder().vfs(Arc::new(disk.clone())).open("app")?;
/// db.exec("CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1)", ())?;
/// db.close()?;
/// let segment = disk.list(Path::new("app/log")).unwrap().into_iter().find(|name| name.ends_with(".seg")).unwrap();
/// let file = disk.open(&Path::new("app/log").join(segment), OpenMode::ReadWrite).unwrap();
/// file.write_all_at(b"!", 4096 + 40).unwrap(); // in the middle of the first record
///
/// let report = Database::builder().vfs(Arc::new(disk)).check("app", &CheckOptions::default())?;
/// let damage = &report.damages[0];
/// assert_eq!((damage.part, damage.offset), (tailwater::CheckPart::Log, Some(4096)), "{report}");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Damage {
    /// What part of the database.
    pub part: CheckPart,
    /// The table, index or view.
    pub object: Option<String>,
    /// The row's key, or the last one before the place.
    pub key: Option<String>,
    /// The record of the log.
    pub lsn: Option<Lsn>,
    /// The file.
    pub file: Option<PathBuf>,
    /// Where in the file.
    pub offset: Option<u64>,
    /// What is wrong.
    pub message: String,
}

impl Damage {
    pub(crate) fn new(part: CheckPart, message: impl Into<String>) -> Self {
        Self {
            part,
            object: None,
            key: None,
            lsn: None,
            file: None,
            offset: None,
            message: message.into(),
        }
    }

    pub(crate) fn of(mut self, object: impl Into<String>) -> Self {
        self.object = Some(object.into());
        self
    }

    pub(crate) fn at_key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.part.name())?;
        if let Some(object) = &self.object {
            write!(f, ", {object}")?;
        }
        if let Some(key) = &self.key {
            write!(f, ", key {key}")?;
        }
        if let Some(lsn) = self.lsn {
            write!(f, ", lsn {lsn}")?;
        }
        if let Some(file) = &self.file {
            write!(f, ", {}", file.display())?;
        }
        if let Some(offset) = self.offset {
            write!(f, " at byte {offset}")?;
        }
        write!(f, ": {}", self.message)
    }
}

/// Collects what a check finds.
pub(super) struct Findings<'o> {
    pub(super) report: CheckReport,
    pub(super) options: &'o CheckOptions,
    /// Storages whose rows cannot all be read: what is made of them is not compared.
    pub(super) unreadable: BTreeSet<StorageId>,
}

/// Rows between two calls of `on_progress`.
const PROGRESS_EVERY: u64 = 4096;

impl<'o> Findings<'o> {
    pub(super) fn new(options: &'o CheckOptions) -> Self {
        Self {
            report: CheckReport::default(),
            options,
            unreadable: BTreeSet::new(),
        }
    }

    pub(super) fn damage(&mut self, damage: Damage) {
        if self.report.damages.len() < self.options.damages_max {
            self.report.damages.push(damage);
        } else {
            self.report.damages_unlisted += 1;
        }
    }

    pub(super) fn note(&mut self, note: impl Into<String>) {
        self.report.notes.push(note.into());
    }

    /// So many rows of `step` have been looked at.
    pub(super) fn progress(&self, step: &str, done: u64) {
        if let Some(tell) = &self.options.on_progress
            && done.is_multiple_of(PROGRESS_EVERY)
        {
            tell(step, done);
        }
    }
}
