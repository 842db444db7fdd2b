//! Opening a database, in this order: lock, storage file, log,
//! catalog, feed, background work.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::path::Path;
use std::sync::Arc;

use tailwater_capture::Feed;
use tailwater_proto::{Lsn, sqlstate};
use tailwater_views::Counters;
use tailwater_wal::vfs::{LockOutcome, MemoryVfs, OsVfs, Vfs, VfsLock};
use tailwater_wal::{Background, Wal};

use crate::builder::Builder;
use crate::clock::{Clock, SystemClock};
use crate::database::Database;
use crate::engine::{Engine, Parts, Publisher};
use crate::error::{Error, ErrorKind, Result};
use crate::recovery::{self, RecoveryReport};
use crate::replay::Replayed;
use crate::storage::{ScratchRoom, Store};

/// Names of the files in a database's folder.
pub(crate) mod file_name {
    pub(crate) const LOCK: &str = "LOCK";
    pub(crate) const STORAGE: &str = "data.redb";
    pub(crate) const LOG: &str = "log";
    /// The storage file of a copy that is not finished.
    pub(crate) const PARTIAL: &str = "data.redb.partial";
    /// The storage file of a database that is being made.
    pub(crate) const NEW: &str = "data.redb.new";
    /// Copies of the storage file's header.
    pub(crate) const HEADER: &str = "data.redb.header";
    /// Checksums of the storage file's pages.
    pub(crate) const SUMS: &str = "data.redb.sums";
}

impl Builder {
    /// Opens a database in memory.
    ///
    /// # Errors
    /// When the system gives no thread.
    ///
    /// ```
    /// use tailwater::{Builder, SyncMode};
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// let db = Builder::default().sync(SyncMode::Off).memory()?;
    /// assert_eq!(db.query("SELECT 6 * 7", ())?.scalar::<i64>()?, 42);
    /// # Ok(())
    /// # }
    /// ```
    pub fn memory(mut self) -> Result<Database> {
        let vfs = self.vfs.take().unwrap_or_else(|| {
            self.backup_vfs = Some(Arc::new(OsVfs::new()));
            Arc::new(MemoryVfs::new())
        });
        self.vfs(vfs).open("memory")
    }

    /// Opens the database in a folder, making it if it is not there.
    ///
    /// # Errors
    /// `55006` if another process has it open, `XX001` if acknowledged data is damaged, `58030` if the system says no.
    ///
    /// ```
    /// use tailwater::Builder;
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let path = dir.path().join("app.db");
    /// let db = Builder::default().open(&path)?;
    /// let error = Builder::default().open(&path).unwrap_err(); // a second time, while it is open
    /// assert_eq!(error.sqlstate(), "55006");
    /// drop(db);
    /// assert!(Builder::default().open(&path).is_ok());
    /// # Ok(())
    /// # }
    /// ```
    pub fn open(self, path: impl AsRef<Path>) -> Result<Database> {
        let path = path.as_ref();
        if self.settings.read_only {
            return self.attach(path);
        }
        let started = std::time::Instant::now();
        let vfs = self.vfs.unwrap_or_else(|| Arc::new(OsVfs::new()));
        let clock = self
            .clock
            .unwrap_or_else(|| Arc::new(SystemClock::default()));
        let storage_path = path.join(file_name::STORAGE);
        let is_new = || {
            vfs.exists(&storage_path)
                .map(|exists| !exists)
                .map_err(|error| Error::io(&storage_path, error))
        };
        // Before a lock is left behind in a folder that is somebody else's.
        if vfs.list(path).is_ok() && is_new()? {
            refuse_foreign(&*vfs, path)?;
        }
        let lock = lock(&*vfs, path)?;
        let is_new = is_new()?;
        if is_new {
            refuse_foreign(&*vfs, path)?;
        }
        let store = Arc::new(Store::open(
            Arc::clone(&vfs),
            &storage_path,
            self.settings.store.clone(),
        )?);
        let meta = match recovery::read_meta(&store)? {
            Some(meta) => meta,
            None if store.applied_lsn() == Lsn::ZERO => {
                let meta = recovery::Meta {
                    database_id: new_database_id(&*clock),
                    next_id: 0,
                    commit_time_us: 0,
                };
                store.checkpoint(Lsn::ZERO, &recovery::new_meta(meta.database_id, 0, 0))?;
                meta
            }
            None => {
                return Err(
                    Error::corrupted("the storage file has rows but no database id")
                        .on(storage_path.display().to_string()),
                );
            }
        };
        let counters = Arc::new(Counters::default());
        let report = RecoveryReport {
            applied_lsn: store.applied_lsn(),
            repaired: store.was_repaired(),
            ..RecoveryReport::default()
        };
        let publisher = Publisher::default();
        let hook = publisher.clone();
        let scratch = ScratchRoom::new(Arc::clone(&vfs), path, self.settings.scratch_cache_bytes());
        scratch.clear()?;
        let database_id = meta.database_id;
        let kept_max = store.memtable_share();
        let mut replayed = Replayed::new(&store, meta, report, kept_max);
        let (wal, found) = Wal::recover_in_parts(
            Arc::clone(&vfs),
            &path.join(file_name::LOG),
            self.settings.wal.clone(),
            database_id,
            store.applied_lsn(),
            &mut replayed,
            Box::new(move |lsn| hook.publish(lsn)),
        )
        .map_err(Error::of_log)?;
        let (meta, mut report) = replayed.into_found();
        let catalog = recovery::load_catalog(&store, meta.next_id)?;
        // What was dropped after the last checkpoint still has its space there.
        store.drop_unknown(&catalog.storages())?;
        let feed = Feed::new(
            self.settings.feed.clone(),
            meta.database_id,
            Arc::clone(&wal) as Arc<dyn tailwater_capture::LogTail>,
        );
        report.last_lsn = store.tip_lsn();
        report.rows_evaluated = counters
            .rows_evaluated
            .load(std::sync::atomic::Ordering::Relaxed);
        report.tail_cut = found
            .tail_cut
            .map(|cut| format!("lsn {} at {}:{}", cut.lsn, cut.file.display(), cut.offset));
        report.duration = started.elapsed();
        let engine = Arc::new(Engine::new(Parts {
            settings: self.settings,
            clock,
            tip: store.tip_lsn(),
            store,
            wal,
            feed,
            commit_time_us: meta.commit_time_us,
            catalog,
            recovery: report,
            database_id: meta.database_id,
            backup_vfs: self.backup_vfs.unwrap_or_else(|| Arc::clone(&vfs)),
            vfs,
            lock,
            counters,
            scratch,
        }));
        publisher.attach(&engine);
        if self.background == Background::Threads {
            engine.store.begin_rests();
        }
        if let Some(spawn) = self.background.spawn() {
            engine
                .checkpointer
                .start(&engine, spawn)
                .map_err(|error| Error::io(path, error))?;
        }
        Ok(Database::from_engine(engine))
    }

    /// Opens the storage file as the last checkpoint left it, with an empty log in memory beside it.
    fn attach(self, path: &Path) -> Result<Database> {
        let started = std::time::Instant::now();
        let vfs = self.vfs.unwrap_or_else(|| Arc::new(OsVfs::new()));
        let storage_path = path.join(file_name::STORAGE);
        if !vfs
            .exists(&storage_path)
            .map_err(|error| Error::io(&storage_path, error))?
        {
            return Err(Error::new(
                ErrorKind::Unavailable,
                sqlstate::UNDEFINED_FILE,
                format!("there is no database in {}", path.display()),
            )
            .on(path.display().to_string())
            .with_hint("check the path; reading only makes no new database"));
        }
        let settings = self.settings.store.clone();
        let store = Store::open_read_only(Arc::clone(&vfs), &storage_path, self.pages, settings)?;
        let meta = recovery::read_meta(&store)?.ok_or_else(|| {
            Error::new(
                ErrorKind::Unavailable,
                sqlstate::OBJECT_IN_USE,
                "the database has no checkpoint yet that could be read",
            )
            .on(storage_path.display().to_string())
            .with_hint("wait until its writer has made one: CHECKPOINT, or closing it")
        })?;
        let scratch: Arc<dyn Vfs> = Arc::new(MemoryVfs::new());
        let lock = lock(&*scratch, path)?;
        let (wal, _) = Wal::recover(
            Arc::clone(&scratch),
            &path.join(file_name::LOG),
            self.settings.wal.clone(),
            meta.database_id,
            // What the storage holds is not asked of this log: nothing is ever read from it or written to it.
            Lsn::ZERO,
            &mut |_, _| Ok(()),
            Box::new(|_| {}),
        )
        .map_err(Error::of_log)?;
        let catalog = recovery::load_catalog(&store, meta.next_id)?;
        let feed = Feed::new(
            self.settings.feed.clone(),
            meta.database_id,
            Arc::clone(&wal) as Arc<dyn tailwater_capture::LogTail>,
        );
        let report = RecoveryReport {
            applied_lsn: store.applied_lsn(),
            last_lsn: store.tip_lsn(),
            duration: started.elapsed(),
            ..RecoveryReport::default()
        };
        let room = ScratchRoom::new(scratch, path, self.settings.scratch_cache_bytes());
        let engine = Engine::new(Parts {
            settings: self.settings,
            clock: self
                .clock
                .unwrap_or_else(|| Arc::new(SystemClock::default())),
            tip: store.tip_lsn(),
            store: Arc::new(store),
            wal,
            feed,
            commit_time_us: meta.commit_time_us,
            catalog,
            recovery: report,
            database_id: meta.database_id,
            backup_vfs: Arc::clone(&vfs),
            vfs,
            lock,
            counters: Arc::default(),
            scratch: room,
        });
        Ok(Database::from_engine(Arc::new(engine)))
    }
}

impl Engine {
    /// Makes everything durable, writes it into the storage file and stops background work.
    ///
    /// # Errors
    /// When the log or the storage file cannot be written.
    pub(crate) fn shut_down(&self) -> Result<()> {
        self.store.end_rests();
        self.checkpointer.stop();
        self.feed.close();
        // What a compaction under way has made is of no use to anybody else.
        self.store.give_compaction_up(&*self.vfs);
        if self.check_poisoned().is_err() {
            return Ok(());
        }
        self.wal.flush().map_err(|error| self.poison(&error))?;
        // On a full disk the log has what the storage file has not: nothing is wrong.
        let written = match self.checkpoint() {
            Err(error) if error.sqlstate() == sqlstate::DISK_FULL => Ok(()),
            written => written.map(drop),
        };
        self.closed
            .store(true, std::sync::atomic::Ordering::Release);
        match self.wal.close() {
            Ok(()) | Err(tailwater_wal::Error::Closed) => written,
            Err(error) => written.and(Err(self.poison(&error))),
        }
    }
}

/// Takes the database's lock, making its folder if it is not there.
fn lock(vfs: &dyn Vfs, path: &Path) -> Result<Box<dyn VfsLock>> {
    // The operating system tells a file from a folder only when something in it is asked for.
    let refused = |at: &Path, error: std::io::Error| match error.kind() {
        std::io::ErrorKind::AlreadyExists | std::io::ErrorKind::NotADirectory => Error::new(
            ErrorKind::Unavailable,
            sqlstate::WRONG_OBJECT_TYPE,
            format!(
                "{} is a file: a Tailwater database is a folder",
                path.display()
            ),
        )
        .on(path.display().to_string())
        .with_hint("name the folder; to load SQL from a file use the shell's .read"),
        _ => Error::io(at, error),
    };
    vfs.create_dir_all(path)
        .map_err(|error| refused(path, error))?;
    let lock_path = path.join(file_name::LOCK);
    match vfs
        .lock(&lock_path)
        .map_err(|error| refused(&lock_path, error))?
    {
        LockOutcome::Held(lock) => Ok(lock),
        LockOutcome::Busy { owner } => Err(Error::new(
            ErrorKind::Unavailable,
            sqlstate::OBJECT_IN_USE,
            format!("the database is open in another process: {owner}"),
        )
        .on(path.display().to_string())
        .with_hint("close it there, or attach read-only to the last checkpoint with --readonly")),
    }
}

/// Refuses to make a database in a folder that holds something else.
fn refuse_foreign(vfs: &dyn Vfs, path: &Path) -> Result<()> {
    let names = vfs.list(path).map_err(|error| Error::io(path, error))?;
    if names.iter().any(|name| name == file_name::PARTIAL) {
        return Err(Error::new(
            ErrorKind::Unavailable,
            sqlstate::WRONG_OBJECT_TYPE,
            format!("{} holds a copy that was not finished", path.display()),
        )
        .on(path.display().to_string())
        .with_hint("remove the folder and take the backup again"));
    }
    // A database that was being made when the machine crashed is made again.
    let ours = [
        file_name::LOCK,
        file_name::LOG,
        file_name::NEW,
        file_name::HEADER,
        file_name::SUMS,
    ];
    let foreign = names.iter().find(|name| !ours.contains(&name.as_str()));
    if let Some(foreign) = foreign {
        return Err(Error::new(
            ErrorKind::Unavailable,
            sqlstate::WRONG_OBJECT_TYPE,
            format!(
                "{} is not a Tailwater database: it holds \"{foreign}\"",
                path.display()
            ),
        )
        .on(path.display().to_string())
        .with_hint("name an empty folder or one that is not there yet"));
    }
    let log = path.join(file_name::LOG);
    let has_log = vfs.exists(&log).unwrap_or(false)
        && vfs
            .list(&log)
            .map_err(|error| Error::io(&log, error))?
            .iter()
            .any(|f| f.ends_with(".seg"));
    if has_log {
        return Err(Error::corrupted(format!(
            "{} has a log but no {}",
            path.display(),
            file_name::STORAGE
        ))
        .on(path.display().to_string())
        .with_hint("put the storage file back where the log is, or restore a backup"));
    }
    Ok(())
}

/// A number that no other database has: time, process and the randomness the system gives every hash map.
pub(crate) fn new_database_id(clock: &dyn Clock) -> [u8; 16] {
    let mut id = [0; 16];
    for half in id.chunks_exact_mut(8) {
        let mut hasher = RandomState::new().build_hasher();
        hasher.write_i64(clock.now_us());
        hasher.write_u32(std::process::id());
        half.copy_from_slice(&hasher.finish().to_le_bytes());
    }
    id
}
