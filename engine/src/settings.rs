//! `Settings`: everything about a database that can be set, as plain data with its defaults.

use std::time::Duration;

use tailwater_capture::FeedSettings;
use tailwater_wal::Settings as WalSettings;

use crate::storage::StoreSettings;

/// Settings of one open database. Not persisted: each opening may use others.
///
/// ```
/// use std::time::Duration;
/// use tailwater::{Database, Settings, SyncMode};
///
/// # fn main() -> tailwater::Result<()> {
/// let mut settings = Settings::default();
/// assert_eq!(settings.wal.sync, SyncMode::Commit); // nothing acknowledged is lost, unless you say otherwise
/// settings.checkpoint_interval = Duration::from_secs(5);
/// settings.feed.ring_bytes_max = 8 << 20;
/// settings.transaction_memory_bytes_max = 16 << 20;
/// let db = Database::builder().settings(settings).memory()?;
/// assert_eq!(db.query("SELECT 1", ())?.scalar::<i64>()?, 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Settings {
    /// The log: segment size, sync mode, retention.
    pub wal: WalSettings,
    /// Memtable and page cache.
    pub store: StoreSettings,
    /// Ring and queues of the change feed.
    pub feed: FeedSettings,
    /// Longest time between two checkpoints while there are changes. Default: 30 s.
    pub checkpoint_interval: Duration,
    /// How long a transaction, a cursor or rows that are being read may go on reading the state they began with. Then what
    /// that takes in memory and in the storage file is let go, within a quarter of this or at the next checkpoint, and
    /// reading on answers `72000`. A transaction that only has to commit still can. `None`: for ever. Default: 5 min.
    pub snapshot_age_max: Option<Duration>,
    /// Prepared statements kept in the cache. Default: 512.
    pub statement_cache: usize,
    /// Longest time a statement may take. Default: none.
    pub statement_timeout: Option<Duration>,
    /// Bytes that sorts, hash tables and distinct sets of one statement may hold. Default: 256 MiB.
    pub statement_memory_bytes_max: u64,
    /// Rows one statement may read. Default: no limit.
    pub statement_rows_max: u64,
    /// How often `Database::update` and single statements try again after a conflict before they hold the sequencer; those
    /// that change the schema hold it at once then. Default: 8.
    pub conflict_retries: u32,
    /// Bytes of staged rows that one transaction keeps in memory; what goes beyond is kept in a file in the database's
    /// folder until it commits. Default: 64 MiB.
    pub transaction_memory_bytes_max: u64,
    /// Reads the state of the last checkpoint, whoever else has the database open, and writes nothing. Default: false.
    pub read_only: bool,
}

impl Settings {
    /// Least memory a database is given.
    const BUDGET_BYTES_MIN: u64 = 8 << 20;

    /// Divides one number of bytes among all that holds memory: about the shares the defaults have.
    pub(crate) fn divide_memory(&mut self, bytes: u64) {
        let bytes = bytes.max(Self::BUDGET_BYTES_MIN);
        let share = |part: u64, of: u64| bytes / of * part;
        let count = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        // A checkpoint writes one memtable while the next one fills.
        self.store.memtable_soft_bytes = count(share(1, 8));
        self.store.memtable_hard_bytes = count(share(3, 8));
        self.store.cache_bytes = count(share(1, 8));
        self.store.history_bytes_max = count(share(1, 32));
        self.feed.ring_bytes_max = count(share(1, 16));
        self.feed.frame_bytes_max = count(share(1, 64)).min(self.feed.frame_bytes_max);
        self.wal.group_bytes_max = count(share(1, 32));
        self.statement_memory_bytes_max = share(1, 4);
        self.transaction_memory_bytes_max = share(1, 8);
    }
}

impl Settings {
    /// Bytes of pages that the file of a transaction with too many rows keeps in memory.
    pub(crate) fn scratch_cache_bytes(&self) -> usize {
        let share = self.transaction_memory_bytes_max / 4;
        usize::try_from(share.clamp(1 << 20, 16 << 20)).unwrap_or(16 << 20)
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            wal: WalSettings::default(),
            store: StoreSettings::default(),
            feed: FeedSettings::default(),
            checkpoint_interval: Duration::from_secs(30),
            snapshot_age_max: Some(Duration::from_secs(5 * 60)),
            statement_cache: 512,
            statement_timeout: None,
            statement_memory_bytes_max: 256 << 20,
            statement_rows_max: u64::MAX,
            conflict_retries: 8,
            transaction_memory_bytes_max: 64 << 20,
            read_only: false,
        }
    }
}
