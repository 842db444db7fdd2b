//! Backups: the state at one commit as a database folder of its own, taken while commits go on; and back.
//!
//! All storages are copied in order, as of one snapshot, into a fresh storage file beside the beginning of a log. The
//! storage file gets its name last, so a folder without it is no backup. It is the same database in a new epoch: feeds
//! resume up to the copied commit, and positions after it are known to be of another history. Next door: `check`.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::path::Path;
use std::sync::Arc;

use tailwater_proto::{Lsn, StorageId, sqlstate};
use tailwater_wal::vfs::{LockOutcome, OsVfs, Vfs};
use tailwater_wal::{Epoch, Wal};

use crate::builder::Builder;
use crate::catalog::RelationKind;
use crate::check::{CheckOptions, no_database, open_over};
use crate::database::Database;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::open::file_name;
use crate::recovery;
use crate::storage::{copy_snapshot, remove_page_sums, rename_page_sums};
use crate::txn::Mode;

/// Pages of the new file kept in memory.
const CACHE_BYTES: usize = 16 << 20;
/// How often the last checkpoint is attached to, while the writer goes on to the next.
const ATTACH_TRIES_MAX: u32 = 5;
/// Numbers of epochs left out at most, so that two copies of one database do not begin the same one.
const EPOCHS_SKIPPED_MAX: u64 = 1 << 16;

/// What a backup or a restored database holds.
///
/// ```
/// # fn main() -> tailwater::Result<()> {
/// # let dir = tempfile::tempdir().unwrap();
/// # let path = dir.path().join("backup");
/// let db = tailwater::Database::memory()?;
/// let last = db.exec("CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1), (2)", ())?.lsn;
/// let report = db.backup(&path)?;
/// assert_eq!((Some(report.lsn), report.rows), (last, 2));
/// assert!(report.to_string().starts_with("lsn 2, 2 rows, "), "{report}");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BackupReport {
    /// The last commit in it.
    pub lsn: Lsn,
    /// Rows of tables and materialised views.
    pub rows: u64,
    /// Bytes of the storage file.
    pub bytes: u64,
    /// It is the state of the last checkpoint, since another process has the database open.
    pub of_checkpoint: bool,
}

impl fmt::Display for BackupReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "lsn {}, {} rows, {} bytes",
            self.lsn, self.rows, self.bytes
        )
    }
}

impl Database {
    /// Copies what is visible now into the folder `dir`, which must be empty or not there. Commits and reads go on; the
    /// copy is durable when this returns. The folder is a database: open it, or [`restore`](Builder::restore) it.
    ///
    /// The backup of a database in memory is on the disk.
    ///
    /// # Errors
    /// `42710` when there is something in `dir`; I/O, of which nothing is left that could be opened.
    ///
    /// ```
    /// # fn main() -> tailwater::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let path = dir.path().join("backup");
    /// let db = tailwater::Database::memory()?;
    /// db.exec("CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1)", ())?;
    /// let report = db.backup(&path)?;
    /// db.exec("INSERT INTO t VALUES (2)", ())?; // after the backup
    ///
    /// let copy = tailwater::Database::open(&path)?;
    /// assert_eq!(copy.visible_lsn(), report.lsn);
    /// assert_eq!(copy.query("SELECT count(*) FROM t", ())?.scalar::<i64>()?, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn backup(&self, dir: impl AsRef<Path>) -> Result<BackupReport> {
        let engine = self.engine();
        copy(engine, &engine.backup_vfs, dir.as_ref())
    }
}

impl Builder {
    /// Copies the database in the folder `path`, which is not opened by this process, into the folder `dir`, as
    /// [`Database::backup`] does. While another process has it open, the state of its last checkpoint is copied, and the
    /// report says so. Nothing below `path` changes.
    ///
    /// # Errors
    /// When there is no database in `path` or it is damaged; as [`Database::backup`].
    ///
    /// ```
    /// # fn main() -> tailwater::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let (path, copy) = (dir.path().join("app.db"), dir.path().join("backup"));
    /// use tailwater::Database;
    ///
    /// let db = Database::open(&path)?;
    /// db.exec("CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1)", ())?;
    /// db.close()?;
    /// let report = Database::builder().backup(&path, &copy)?;
    /// assert!(report.rows == 1 && !report.of_checkpoint);
    /// # Ok(())
    /// # }
    /// ```
    pub fn backup(self, path: impl AsRef<Path>, dir: impl AsRef<Path>) -> Result<BackupReport> {
        let (path, dir) = (path.as_ref(), dir.as_ref());
        let vfs = self.vfs.clone().unwrap_or_else(|| Arc::new(OsVfs::new()));
        if !vfs.exists(&path.join(file_name::STORAGE)).unwrap_or(false) {
            return Err(no_database(path));
        }
        let lock = vfs.lock(&path.join(file_name::LOCK));
        if !matches!(lock, Ok(LockOutcome::Busy { .. })) {
            let database = open_over(&self, &vfs, path)?;
            return copy(database.engine(), &vfs, dir);
        }
        let mut tries = 0;
        loop {
            tries += 1;
            let database = self.clone().read_only(true).open(path)?;
            match copy(database.engine(), &vfs, dir) {
                Ok(report) => {
                    return Ok(BackupReport {
                        of_checkpoint: true,
                        ..report
                    });
                }
                Err(error) if error.is_retryable() && tries < ATTACH_TRIES_MAX => {}
                Err(error) if error.is_retryable() => {
                    return Err(error.with_hint(
                        "the writer makes checkpoints faster than they can be copied: back up from within its process",
                    ));
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Makes a database in the folder `dir`, which must be empty or not there, of the backup in the folder `backup`,
    /// which is read and checked as a whole first, every page of it, and not changed.
    ///
    /// # Errors
    /// `XX001` when anything in the backup is damaged, naming it; as [`Database::backup`].
    ///
    /// ```
    /// # fn main() -> tailwater::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let (copy, path) = (dir.path().join("backup"), dir.path().join("app.db"));
    /// use tailwater::Database;
    ///
    /// let db = Database::memory()?;
    /// db.exec("CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1)", ())?;
    /// let backup = db.backup(&copy)?;
    /// let restored = Database::builder().restore(&copy, &path)?;
    /// assert_eq!((restored.lsn, restored.rows), (backup.lsn, 1));
    /// assert_eq!(Database::open(&path)?.query("SELECT id FROM t", ())?.scalar::<i64>()?, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn restore(self, backup: impl AsRef<Path>, dir: impl AsRef<Path>) -> Result<BackupReport> {
        let (backup, dir) = (backup.as_ref(), dir.as_ref());
        let vfs = self.vfs.clone().unwrap_or_else(|| Arc::new(OsVfs::new()));
        refuse_full(&*vfs, dir)?;
        let report = self
            .clone()
            .vfs(Arc::clone(&vfs))
            .check(backup, &CheckOptions::default().deep())?;
        if let Some(damage) = report.damages.first() {
            return Err(Error::corrupted(format!("the backup is damaged: {damage}"))
                .on(backup.display().to_string())
                .with_hint("take another backup; check lists all damage, salvage extracts what is readable"));
        }
        let lock = vfs.lock(&backup.join(file_name::LOCK));
        if let Ok(LockOutcome::Busy { owner }) = &lock {
            return Err(Error::new(
                ErrorKind::Unavailable,
                sqlstate::OBJECT_IN_USE,
                format!("the backup is open in another process: {owner}"),
            )
            .on(backup.display().to_string())
            .with_hint("close it there, or make a backup of it"));
        }
        let database = open_over(&self, &vfs, backup)?;
        copy(database.engine(), &vfs, dir)
    }
}

/// Copies what an engine shows into a folder.
fn copy(engine: &Arc<Engine>, vfs: &Arc<dyn Vfs>, dir: &Path) -> Result<BackupReport> {
    refuse_full(&**vfs, dir)?;
    vfs.create_dir_all(dir)
        .map_err(|error| Error::io(dir, error))?;
    let lock_path = dir.join(file_name::LOCK);
    let lock = vfs
        .lock(&lock_path)
        .map_err(|error| Error::io(&lock_path, error))?;
    if matches!(lock, LockOutcome::Busy { .. }) {
        return Err(in_use(dir));
    }
    let copied = copy_locked(engine, vfs, dir);
    if copied.is_err() {
        clear(&**vfs, dir);
    }
    copied
}

fn copy_locked(engine: &Arc<Engine>, vfs: &Arc<dyn Vfs>, dir: &Path) -> Result<BackupReport> {
    let txn = engine.begin(Mode::ReadOnly, &Arc::from(""))?;
    // It ends by itself, and a large database takes its time.
    _ = txn.snapshot.keep();
    // What was given out since the snapshot stays given out.
    let meta = recovery::meta(engine);
    let lsn = txn.lsn();
    let counted = |id: StorageId| {
        let relation = txn.catalog.relation_of_storage(id);
        relation.is_some_and(|r| r.kind != RelationKind::View && !r.is_builtin())
    };
    let mut rows = 0;
    let partial = dir.join(file_name::PARTIAL);
    let report = copy_snapshot(
        &**vfs,
        &partial,
        CACHE_BYTES,
        &txn.snapshot,
        &txn.catalog.storages(),
        &meta,
        &mut |id, n| rows += if counted(id) { n } else { 0 },
    )?;
    let log_dir = dir.join(file_name::LOG);
    let history = next_history(engine, lsn)?;
    Wal::begin_at(Arc::clone(vfs), &log_dir, engine.database_id, lsn, history)
        .map_err(Error::of_log)?;
    vfs.sync_dir(dir).map_err(|error| Error::io(dir, error))?;
    let storage = dir.join(file_name::STORAGE);
    rename_page_sums(&**vfs, &partial, &storage)
        .and_then(|()| vfs.rename(&partial, &storage))
        .and_then(|()| vfs.sync_dir(dir))
        .map_err(|error| Error::io(&storage, error))?;
    Ok(BackupReport {
        lsn,
        rows,
        bytes: report.bytes,
        of_checkpoint: false,
    })
}

/// The epochs of a copy: those of the database up to the copied commit, and one of its own.
fn next_history(engine: &Engine, lsn: Lsn) -> Result<Vec<Epoch>> {
    let mut history = if engine.settings.read_only {
        let folder = engine.store.path().parent().unwrap_or(Path::new(""));
        tailwater_wal::epoch_history(&*engine.vfs, &folder.join(file_name::LOG))
            .map_err(Error::of_log)?
    } else {
        engine.wal.epoch_history()
    };
    history.retain(|epoch| epoch.first_lsn <= lsn);
    let last = history.last().map_or(0, |epoch| epoch.number);
    if history.is_empty() {
        history.push(Epoch {
            number: 1,
            first_lsn: Lsn(1),
        });
    }
    let skipped = RandomState::new().hash_one(engine.database_id) % EPOCHS_SKIPPED_MAX;
    let number = last.max(1) + 1 + u32::try_from(skipped).unwrap_or(0);
    history.push(Epoch {
        number,
        first_lsn: lsn.next(),
    });
    Ok(history)
}

/// Refuses a folder that holds anything but a lock file.
pub(crate) fn refuse_full(vfs: &dyn Vfs, dir: &Path) -> Result<()> {
    let names = match vfs.list(dir) {
        Ok(names) => names,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::io(dir, error)),
    };
    let log = dir.join(file_name::LOG);
    let has_log = vfs.list(&log).is_ok_and(|names| !names.is_empty());
    if !has_log && names.iter().all(|name| name == file_name::LOCK) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Unavailable,
        sqlstate::DUPLICATE_OBJECT,
        format!("{} is not empty", dir.display()),
    )
    .on(dir.display().to_string())
    .with_hint("name an empty folder or one that is not there yet"))
}

fn in_use(dir: &Path) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        sqlstate::OBJECT_IN_USE,
        format!("{} is being written by another process", dir.display()),
    )
    .on(dir.display().to_string())
    .with_hint("name another folder")
}

/// Removes what a copy that failed has made, as far as the system lets it; the file that marks it as unfinished last.
fn clear(vfs: &dyn Vfs, dir: &Path) {
    let _ = vfs.remove(&dir.join(file_name::STORAGE));
    let _ = vfs.sync_dir(dir);
    let log = dir.join(file_name::LOG);
    for name in vfs.list(&log).unwrap_or_default() {
        let _ = vfs.remove(&log.join(name));
    }
    let _ = vfs.sync_dir(&log);
    let _ = remove_page_sums(vfs, &dir.join(file_name::STORAGE));
    let _ = remove_page_sums(vfs, &dir.join(file_name::PARTIAL));
    let _ = vfs.remove(&dir.join(file_name::PARTIAL));
    let _ = vfs.sync_dir(dir);
}
