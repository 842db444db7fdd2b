//! `Builder`: the settings and components of a database that is about to be opened. It opens nothing itself.
//! Next door: `open`, which does, and `settings`, where the numbers are explained.

use std::sync::Arc;
use std::time::Duration;

use tailwater_capture::FeedSettings;
use tailwater_wal::spawn::Spawn;
use tailwater_wal::vfs::Vfs;
use tailwater_wal::{Background, SyncMode};

use crate::clock::Clock;
use crate::settings::Settings;
use crate::storage::{Pages, StoreSettings};

/// Opens databases: settings are plain data, components (file system, clock) are injected.
///
/// ```
/// # fn main() -> tailwater::Result<()> {
/// use tailwater::{Database, SyncMode};
///
/// let db = Database::builder().sync(SyncMode::Off).statement_memory(64 << 20).memory()?;
/// assert!(db.exec("CREATE TABLE t", ())?.lsn.is_some()); // committed, but not waited for
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Builder {
    pub(crate) settings: Settings,
    pub(crate) vfs: Option<Arc<dyn Vfs>>,
    pub(crate) backup_vfs: Option<Arc<dyn Vfs>>,
    pub(crate) clock: Option<Arc<dyn Clock>>,
    pub(crate) background: Background,
    /// How a process that only reads takes the storage file.
    pub(crate) pages: Pages,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            settings: Settings::default(),
            vfs: None,
            backup_vfs: None,
            clock: None,
            background: Background::Threads,
            pages: Pages::Checked,
        }
    }
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl Builder {
    /// All settings at once.
    ///
    /// ```
    /// use tailwater::{Builder, Settings};
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// let settings = Settings { statement_rows_max: 2, ..Settings::default() };
    /// let db = Builder::default().settings(settings).memory()?;
    /// db.exec("CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1), (2), (3)", ())?;
    /// let error = db.query("SELECT * FROM t", ())?.collect_rows().unwrap_err();
    /// assert_eq!(error.kind(), tailwater::ErrorKind::Stopped);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// When a commit counts as done. Default: `SyncMode::Commit`, when it is on the disk.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tailwater::{Database, SyncMode};
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// let every_50_ms = SyncMode::Interval(Duration::from_millis(50));
    /// let db = Database::builder().sync(every_50_ms).memory()?;
    /// let lsn = db.exec("CREATE TABLE t", ())?.lsn; // returns before the disk is done
    /// assert_eq!(lsn, Some(db.visible_lsn()));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn sync(mut self, mode: SyncMode) -> Self {
        self.settings.wal.sync = mode;
        self
    }

    /// Memtable and page cache.
    ///
    /// ```
    /// use tailwater::{Database, StoreSettings, params};
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// let small = StoreSettings { cache_bytes: 1 << 20, memtable_soft_bytes: 1 << 20, ..StoreSettings::default() };
    /// let db = Database::builder().store(small).memory()?;
    /// db.exec("CREATE TABLE t (id INT PRIMARY KEY)", ())?;
    /// db.update(|tx| (1..=1000).try_for_each(|id| tx.exec("INSERT INTO t VALUES (?)", params![id]).map(drop)))?;
    /// assert_eq!(db.query("SELECT count(*) FROM t", ())?.scalar::<i64>()?, 1_000);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn store(mut self, settings: StoreSettings) -> Self {
        self.settings.store = settings;
        self
    }

    /// Ring and queues of the change feed.
    ///
    /// ```
    /// use tailwater::{Database, FeedEvent, FeedRequest, FeedSettings};
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// let db = Database::builder()
    ///     .feed(FeedSettings { snapshot_rows_max: 2, ..FeedSettings::default() })
    ///     .memory()?;
    /// db.exec("CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1), (2), (3)", ())?;
    /// let snapshot: Vec<FeedEvent> = db.subscribe(FeedRequest::of("t"))?.take(4).collect::<Result<_, _>>()?;
    /// assert!(matches!(&snapshot[1], FeedEvent::Snapshot { rows } if rows.len() == 2)); // begin, 2, 1, end
    /// assert!(matches!(&snapshot[2], FeedEvent::Snapshot { rows } if rows.len() == 1));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn feed(mut self, settings: FeedSettings) -> Self {
        self.settings.feed = settings;
        self
    }

    /// Longest time a statement may take.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tailwater::{Database, params};
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// let db = Database::builder().statement_timeout(Duration::ZERO).memory()?;
    /// db.exec("CREATE TABLE t (id INT PRIMARY KEY)", ())?;
    /// db.update(|tx| (1..=1000).try_for_each(|id| tx.exec("INSERT INTO t VALUES (?)", params![id]).map(drop)))?;
    /// let error = db.query("SELECT count(*) FROM t", ()).and_then(|rows| rows.scalar::<i64>()).unwrap_err();
    /// assert_eq!((error.kind(), error.sqlstate()), (tailwater::ErrorKind::Stopped, "57014"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn statement_timeout(mut self, timeout: Duration) -> Self {
        self.settings.statement_timeout = Some(timeout);
        self
    }

    /// How long a transaction, a cursor or rows that are being read may go on reading the state they began with; `None`
    /// for as long as they like. Default: 5 minutes. What old ones keep, in memory and in the storage file, is let go
    /// by and by and at checkpoints; reading on answers `72000`. Backups and checks take the time they need.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::time::Duration;
    /// use tailwater::{Database, ManualClock};
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// let clock = Arc::new(ManualClock::at(0));
    /// let db = Database::builder().clock(clock.clone()).snapshot_age_max(Duration::from_secs(60)).memory()?;
    /// db.exec("CREATE TABLE t (id INT PRIMARY KEY)", ())?;
    /// let mut forgotten = db.session();
    /// forgotten.execute("BEGIN; SELECT count(*) FROM t", ())?;
    /// clock.advance(Duration::from_secs(61));
    /// db.checkpoint()?;
    /// let error = forgotten.execute("SELECT count(*) FROM t", ()).unwrap_err();
    /// assert_eq!(error.sqlstate(), "72000"); // snapshot too old
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn snapshot_age_max(mut self, age: impl Into<Option<Duration>>) -> Self {
        self.settings.snapshot_age_max = age.into();
        self
    }

    /// Bytes that sorts, hash tables and distinct sets of one statement may hold.
    ///
    /// ```
    /// use tailwater::{Database, params};
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// let db = Database::builder().statement_memory(8 << 10).memory()?;
    /// db.exec("CREATE TABLE t (id INT PRIMARY KEY)", ())?;
    /// db.update(|tx| (1..=1000).try_for_each(|id| tx.exec("INSERT INTO t VALUES (?)", params![id]).map(drop)))?;
    /// let sorted = db.query("SELECT id FROM t ORDER BY -id", ());
    /// let error = sorted.and_then(|rows| rows.collect_rows()).unwrap_err();
    /// assert_eq!(error.sqlstate(), "53200");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn statement_memory(mut self, bytes: u64) -> Self {
        self.settings.statement_memory_bytes_max = bytes;
        self
    }

    /// Bytes of memory for the database as a whole, divided among memtables, page cache, the feed's ring, the log's
    /// buffer, and what one transaction and one statement may hold; `SELECT * FROM tailwater.memory` shows the shares.
    /// Replaces those settings. Rows that a program has been given are its own, and so are many statements at a time.
    ///
    /// ```
    /// # fn main() -> tailwater::Result<()> {
    /// let db = tailwater::Database::builder().memory_budget(64 << 20).memory()?;
    /// let limit = "SELECT limit_bytes FROM tailwater.memory WHERE part = 'memtables'";
    /// assert_eq!(db.query(limit, ())?.scalar::<i64>()?, 24 << 20);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn memory_budget(mut self, bytes: u64) -> Self {
        self.settings.divide_memory(bytes);
        self
    }

    /// Rows one statement may read.
    ///
    /// ```
    /// use tailwater::{Database, params};
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// let db = Database::builder().statement_rows(10).memory()?;
    /// db.exec("CREATE TABLE t (id INT PRIMARY KEY)", ())?;
    /// db.update(|tx| (1..=100).try_for_each(|id| tx.exec("INSERT INTO t VALUES (?)", params![id]).map(drop)))?;
    /// assert_eq!(db.query("SELECT id FROM t WHERE id = 70", ())?.scalar::<i64>()?, 70); // by its key: one row
    /// assert!(db.query("SELECT max(id + 0) FROM t", ()).and_then(|rows| rows.scalar::<i64>()).is_err());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn statement_rows(mut self, rows: u64) -> Self {
        self.settings.statement_rows_max = rows;
        self
    }

    /// The file system. Default: the operating system's.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use tailwater::{Database, vfs::MemoryVfs};
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// let full = MemoryVfs::with_capacity_bytes(100);
    /// let error = Database::builder().vfs(Arc::new(full)).open("app").unwrap_err();
    /// assert_eq!(error.sqlstate(), "53100"); // disk full
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn vfs(mut self, vfs: Arc<dyn Vfs>) -> Self {
        self.vfs = Some(vfs);
        self
    }

    /// The clock. Default: the system's.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::time::Duration;
    /// use tailwater::{Database, ManualClock};
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// let clock = Arc::new(ManualClock::at(0));
    /// let db = Database::builder().clock(clock.clone()).memory()?;
    /// clock.advance(Duration::from_secs(90));
    /// let now: String = db.query("SELECT CAST(now() AS TEXT)", ())?.scalar()?;
    /// assert_eq!(now, "1970-01-01 00:01:30+00");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Without a thread of its own the database takes checkpoints only when `Database::checkpoint` is called.
    ///
    /// ```
    /// use tailwater::Database;
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// let db = Database::builder().without_background().memory()?;
    /// db.exec("CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1)", ())?;
    /// assert!(db.stats().memory_bytes > 0); // until someone says:
    /// db.checkpoint()?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn without_background(mut self) -> Self {
        self.background = Background::Caller;
        self
    }

    /// What runs the work nobody waits for: preparing the log's segments, flushing it when idle, checkpoints. Default: a
    /// thread for each. A test with a scheduler of its own decides what happens when, and every run of it is the same.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use tailwater::{Database, spawn::Stepped};
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// let scheduler = Stepped::default();
    /// let db = Database::builder().spawn(Arc::new(scheduler.clone())).memory()?;
    /// db.exec("CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1)", ())?;
    /// let before = db.stats().memory_bytes;
    /// (0..100).for_each(|choice| assert!(scheduler.run(choice))); // time passes, a checkpoint among other things
    /// assert!(db.stats().memory_bytes < before);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn spawn(mut self, spawn: Arc<dyn Spawn>) -> Self {
        self.settings.wal.background = Background::Spawn(Arc::clone(&spawn));
        self.background = Background::Spawn(spawn);
        self
    }

    /// Attaches to the state of the last checkpoint, whoever else has the database open: it takes no lock, reads no
    /// log and changes nothing; every write is refused with `25006`. Each statement outside a transaction sees the last
    /// checkpoint there is when it begins. A transaction stays with the one it began with; once the writer has made
    /// another, its reads may fail with `40001`: begin again.
    ///
    /// ```
    /// # fn main() -> tailwater::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let path = dir.path().join("app.db");
    /// let db = tailwater::Database::open(&path)?;
    /// db.exec("CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1)", ())?;
    /// db.checkpoint()?;
    /// let reader = tailwater::Database::builder().read_only(true).open(&path)?;
    /// assert_eq!(reader.query("SELECT count(*) FROM t", ())?.scalar::<i64>()?, 1);
    /// assert_eq!(reader.exec("DELETE FROM t", ()).unwrap_err().sqlstate(), "25006");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn read_only(mut self, read_only: bool) -> Self {
        self.settings.read_only = read_only;
        self
    }
}
