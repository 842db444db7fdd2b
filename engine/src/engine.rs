//! `Engine`: the parts of one open database and how they hang together: log, store, feed, sequencer, catalog.
//!
//! A commit is sequenced in `commit`, becomes durable in the log, and is published here: catalog, rows and views
//! together, then the feed. After a failure of the log the engine is poisoned: it goes on answering reads of what is
//! visible and refuses everything else.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use tailwater_capture::{Feed, ResetReason};
use tailwater_proto::key_codec::decode_key;
use tailwater_proto::{Direction, KeyRange, Lsn, StorageId, Value, sqlstate};
use tailwater_views::{Counters, ExecContext, Reader};
use tailwater_wal::Wal;
use tailwater_wal::sync::{Lanes, Mutex, MutexGuard};
use tailwater_wal::vfs::{Vfs, VfsLock};

use crate::catalog::{Catalog, Relation};
use crate::checkpoint::Checkpointer;
use crate::clock::Clock;
use crate::commit::Sequencer;
use crate::error::{Error, ErrorKind, Result};
use crate::prepared::StatementCache;
use crate::recovery::RecoveryReport;
use crate::settings::Settings;
use crate::storage::{ScratchRoom, Snapshot, StorageError, Store};
use crate::txn::{Mode, Transaction};
use crate::visible::Visible;

/// The parts of one open database.
pub(crate) struct Engine {
    pub(crate) settings: Settings,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) store: Arc<Store>,
    pub(crate) wal: Arc<Wal>,
    pub(crate) feed: Arc<Feed>,
    pub(crate) sequencer: Mutex<Sequencer>,
    /// The catalog that is visible, and those that wait.
    pub(crate) visible: Visible<Catalog>,
    /// Held while a reading process goes over to another checkpoint.
    attaching: Mutex<()>,
    poisoned: OnceLock<String>,
    /// Shut down: the log takes nothing any more.
    pub(crate) closed: AtomicBool,
    row_ids: Mutex<BTreeMap<StorageId, i64>>,
    pub(crate) statements: StatementCache,
    pub(crate) checkpointer: Checkpointer,
    pub(crate) recovery: RecoveryReport,
    /// What maintaining views runs with; its counters say what that did since the database was opened.
    pub(crate) maintenance_context: ExecContext,
    /// The first number not given out, and the time of the last commit, for checkpoints.
    next_id: AtomicU32,
    commit_time_us: AtomicI64,
    /// A large commit that the log has and that is not shown yet; `u64::MAX`: there is none.
    pub(crate) withheld: AtomicU64,
    /// Where transactions put rows that they have no room for in memory.
    scratch: Lanes<Arc<ScratchRoom>>,
    pub(crate) commits: AtomicU64,
    pub(crate) admission_waits: AtomicU64,
    pub(crate) conflicts: AtomicU64,
    pub(crate) database_id: [u8; 16],
    pub(crate) vfs: Arc<dyn Vfs>,
    /// Where backups go: for a database in memory the operating system's.
    pub(crate) backup_vfs: Arc<dyn Vfs>,
    /// Held as long as the database is open; let go last.
    pub(crate) _lock: Box<dyn VfsLock>,
}

/// The way from the log's "durable" to the engine that exists only after the log has been recovered.
#[derive(Clone, Default)]
pub(crate) struct Publisher(Arc<OnceLock<Weak<Engine>>>);

impl Publisher {
    /// From now on, what becomes durable is published in this engine.
    pub(crate) fn attach(&self, engine: &Arc<Engine>) {
        // A second call would be an error of this crate; the first engine stays.
        let _ = self.0.set(Arc::downgrade(engine));
    }

    /// Called by the log, in order, when records up to `lsn` may be seen.
    pub(crate) fn publish(&self, lsn: Lsn) {
        if let Some(engine) = self.0.get().and_then(Weak::upgrade) {
            engine.publish(lsn);
        }
    }
}

/// What an engine is made of, handed over by `database::open`.
pub(crate) struct Parts {
    pub(crate) settings: Settings,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) store: Arc<Store>,
    pub(crate) wal: Arc<Wal>,
    pub(crate) feed: Arc<Feed>,
    pub(crate) tip: Lsn,
    pub(crate) commit_time_us: i64,
    pub(crate) catalog: Catalog,
    pub(crate) recovery: RecoveryReport,
    pub(crate) database_id: [u8; 16],
    pub(crate) vfs: Arc<dyn Vfs>,
    pub(crate) backup_vfs: Arc<dyn Vfs>,
    pub(crate) lock: Box<dyn VfsLock>,
    pub(crate) scratch: ScratchRoom,
    /// The counters recovery ran with, so that what it evaluated shows.
    pub(crate) counters: Arc<Counters>,
}

impl Engine {
    pub(crate) fn new(parts: Parts) -> Self {
        let catalog = Arc::new(parts.catalog);
        Self {
            next_id: AtomicU32::new(catalog.next_id()),
            commit_time_us: AtomicI64::new(parts.commit_time_us),
            withheld: AtomicU64::new(u64::MAX),
            scratch: Lanes::of(|| Arc::new(parts.scratch.clone())),
            statements: StatementCache::new(parts.settings.statement_cache),
            settings: parts.settings,
            clock: parts.clock,
            store: parts.store,
            wal: parts.wal,
            feed: parts.feed,
            sequencer: Mutex::new(Sequencer {
                tip: parts.tip,
                commit_time_us: parts.commit_time_us,
                catalog: Arc::clone(&catalog),
            }),
            visible: Visible::new(parts.tip, catalog),
            attaching: Mutex::default(),
            poisoned: OnceLock::new(),
            closed: AtomicBool::new(false),
            row_ids: Mutex::default(),
            checkpointer: Checkpointer::default(),
            recovery: parts.recovery,
            maintenance_context: ExecContext {
                counters: parts.counters,
                ..ExecContext::default()
            },
            commits: AtomicU64::new(0),
            admission_waits: AtomicU64::new(0),
            conflicts: AtomicU64::new(0),
            database_id: parts.database_id,
            vfs: parts.vfs,
            backup_vfs: parts.backup_vfs,
            _lock: parts.lock,
        }
    }

    /// Begins a transaction.
    ///
    /// # Errors
    /// When the database is closed, or the engine is poisoned and the transaction could write.
    pub(crate) fn begin(&self, mode: Mode, principal: &Arc<str>) -> Result<Transaction> {
        let (snapshot, catalog) = match mode {
            Mode::ReadOnly => {
                self.check_closed()?;
                // Between going over to another checkpoint and reading its catalog nobody begins.
                let _attached = self.attached_anew()?;
                self.visible.read(&self.store)
            }
            Mode::ReadWrite => {
                self.check_poisoned()?;
                // Not by the sequencer, which others hold most of the time when there are many.
                self.visible.read_logged(&self.store)
            }
        };
        Ok(self.begin_at(mode, snapshot, catalog, principal))
    }

    /// In a database that is open for reading only: goes over to the writer's last checkpoint, if there is a new one.
    fn attached_anew(&self) -> Result<Option<MutexGuard<'_, ()>>> {
        if !self.settings.read_only {
            return Ok(None);
        }
        let guard = self.attaching.lock();
        if self.store.reattach()? {
            let next_id = crate::recovery::read_meta(&self.store)?.map_or(0, |meta| meta.next_id);
            let mut catalog = crate::recovery::load_catalog(&self.store, next_id)?;
            self.visible.replace(self.store.visible_lsn(), |shown| {
                catalog.succeed(shown);
                catalog
            });
        }
        Ok(Some(guard))
    }

    /// Begins a transaction that writes, by a caller that holds the sequencer.
    pub(crate) fn begin_locked(&self, sequencer: &Sequencer, principal: &Arc<str>) -> Transaction {
        let (snapshot, catalog) = (self.store.snapshot_tip(), Arc::clone(&sequencer.catalog));
        self.begin_at(Mode::ReadWrite, snapshot, catalog, principal)
    }

    /// Begins a transaction over an image and the catalog that goes with it.
    fn begin_at(
        &self,
        mode: Mode,
        snapshot: Snapshot,
        catalog: Arc<Catalog>,
        principal: &Arc<str>,
    ) -> Transaction {
        self.note_age(&snapshot);
        Transaction::new(
            mode,
            snapshot,
            catalog,
            self.clock.now_us(),
            Arc::clone(principal),
            Arc::clone(self.scratch.own()),
            self.settings.transaction_memory_bytes_max,
        )
    }

    /// A snapshot was taken just now. It may be read for as long as the settings say.
    fn note_age(&self, snapshot: &Snapshot) {
        if self.settings.snapshot_age_max.is_some() {
            self.store.age_from(self.clock.monotonic(), snapshot);
        }
    }

    /// Lets go of what snapshots keep that are too old.
    pub(crate) fn let_go_of_old_snapshots(&self) {
        let Some(age_max) = self.settings.snapshot_age_max else {
            return;
        };
        if let Some(time) = self.clock.monotonic().checked_sub(age_max) {
            self.store.let_go_of_snapshots(time);
        }
    }

    /// The version of the visible catalog.
    pub(crate) fn visible_catalog_version(&self) -> u64 {
        self.visible.look(Catalog::version)
    }

    /// The visible catalog with the commit that made it.
    #[cfg(feature = "modules")]
    pub(crate) fn visible_catalog_change(&self) -> (Lsn, Arc<Catalog>) {
        self.visible.change()
    }

    /// The visible catalog.
    pub(crate) fn visible_catalog(&self) -> Arc<Catalog> {
        self.visible.catalog()
    }

    /// Waits until `lsn` is durable (or, in the other sync modes, as safe as the mode promises) and visible.
    ///
    /// # Errors
    /// `CommitOutcomeUnknown` if the log fails meanwhile.
    pub(crate) fn wait(&self, lsn: Lsn) -> Result<()> {
        if self.store.visible_lsn() >= lsn {
            return Ok(());
        }
        self.wal.wait(lsn).map_err(|error| self.poison(&error))
    }

    /// Makes everything up to `lsn` visible and delivers it to subscribers.
    fn publish(&self, lsn: Lsn) {
        // A large commit is in the log before it can be read; it is shown by who commits it.
        let withheld = self.withheld.load(Ordering::SeqCst);
        let lsn = Lsn(lsn.0.min(withheld.saturating_sub(1)));
        let dropped = self.visible.publish(lsn, &self.store);
        self.publish_to_feed(lsn, &dropped);
    }

    /// Delivers what is visible up to `lsn` to subscribers; `dropped`: storages that are no more.
    pub(crate) fn publish_to_feed(&self, lsn: Lsn, dropped: &[StorageId]) {
        self.feed.publish(lsn, self.wal.durable_lsn() >= lsn);
        if !dropped.is_empty() {
            self.feed.reset(dropped, ResetReason::Replaced);
        }
        if self.store.needs_checkpoint() {
            self.checkpointer.request();
        }
    }

    /// Notes what checkpoints write beside the rows.
    pub(crate) fn note_sequenced(&self, catalog: &Catalog, commit_time_us: i64) {
        self.next_id.fetch_max(catalog.next_id(), Ordering::AcqRel);
        self.note_commit_time(commit_time_us);
    }

    /// Notes the time of the last commit, which never falls.
    pub(crate) fn note_commit_time(&self, commit_time_us: i64) {
        self.commit_time_us.store(commit_time_us, Ordering::Release);
    }

    /// The first number not given out, and the time of the last commit.
    pub(crate) fn sequenced(&self) -> (u32, i64) {
        (
            self.next_id.load(Ordering::Acquire),
            self.commit_time_us.load(Ordering::Acquire),
        )
    }

    /// Marks the engine as poisoned since the storage file did not take a commit that the log has.
    pub(crate) fn poison_after_log(&self, lsn: Lsn, error: &StorageError) -> Error {
        let _ = self.poisoned.set(error.to_string());
        Error::new(
            ErrorKind::CommitOutcomeUnknown,
            sqlstate::STATEMENT_COMPLETION_UNKNOWN,
            format!("commit {lsn} is in the log, but the storage file did not take it: {error}"),
        )
        .with_hint("mend the disk and open the database again: it takes the commit from the log")
    }

    /// Marks the engine as poisoned by a failure of the log, and says what that means for this commit.
    pub(crate) fn poison(&self, error: &tailwater_wal::Error) -> Error {
        let _ = self.poisoned.set(error.to_string());
        Error::new(
            ErrorKind::CommitOutcomeUnknown,
            sqlstate::STATEMENT_COMPLETION_UNKNOWN,
            format!("the log failed while the commit was written: {error}"),
        )
        .with_hint("the commit may or may not be there after the database is opened again: look before you retry")
    }

    /// Refuses everything after the database was closed.
    fn check_closed(&self) -> Result<()> {
        if !self.closed.load(Ordering::Acquire) {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Unavailable,
            sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE,
            "the database is closed",
        )
        .with_hint("open it again; Database::close ends it for every handle"))
    }

    /// Refuses work that needs the log after the log has failed or was closed.
    pub(crate) fn check_poisoned(&self) -> Result<()> {
        if self.settings.read_only {
            return Err(Error::new(
                ErrorKind::Unavailable,
                sqlstate::READ_ONLY_SQL_TRANSACTION,
                "the database is open for reading only",
            )
            .with_hint(
                "open it without read_only (--readonly) to write; one process at a time can",
            ));
        }
        match self.poisoned.get() {
            None => self.check_closed(),
            Some(why) => Err(Error::new(
                ErrorKind::Unavailable,
                sqlstate::IO_ERROR,
                format!("the database takes no writes since its log failed: {why}"),
            )
            .with_hint("close it, mend the disk and open it again")),
        }
    }

    /// The next row id of a table without a primary key. Ids given to transactions that fail are left out.
    pub(crate) fn next_row_id(&self, txn: &Transaction, table: &Relation) -> Result<i64> {
        if let Some(last) = self.row_ids.lock().get_mut(&table.storage) {
            *last += 1;
            return Ok(*last);
        }
        let mut newest = txn
            .reader()
            .scan(table.storage, KeyRange::all(), Direction::Reverse)?;
        let stored = match newest.next()? {
            None => 0,
            Some((key, _)) => match decode_key(&key) {
                Ok(Value::Int(id)) => id,
                _ => {
                    return Err(Error::corrupted(format!("{key:?} is not a row id"))
                        .on(table.name.to_string()));
                }
            },
        };
        let mut row_ids = self.row_ids.lock();
        let last = row_ids.entry(table.storage).or_insert(stored);
        *last += 1;
        Ok(*last)
    }

    /// Transactions committed since the database was opened.
    pub(crate) fn commit_count(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }
}

impl crate::optimizer::Statistics for Engine {
    fn rows(&self, storage: StorageId) -> u64 {
        self.store.rows_estimate(storage)
    }
}
