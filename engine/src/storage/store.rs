//! [`Store`]: the door of the storage. Opening, applying commits, snapshots, bounds.
//!
//! Commits come in LSN order from the sequencer and are merged into memory at once; they become durable by the
//! log, not here. Nothing here decides what is visible: the engine says so. Next door: `checkpoint`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tailwater_proto::{Key, Lsn, StorageId};
use tailwater_wal::sync::atomic::{AtomicBool, AtomicIsize, Ordering};
use tailwater_wal::sync::{Apart, Lanes, Mutex, MutexGuard, RwLock, is_weakened, too_early};
use tailwater_wal::vfs::Vfs;

use super::age::Ages;
use super::apply::Apply;
use super::base::Base;
use super::checkpoint::UnderWay;
use super::compact::{Compactions, remove_unfinished};
use super::error::{Result, StorageError};
use super::file::{File, Pages, Reader, Writer, create, in_file, io};
use super::generation::{Generation, Root};
use super::history::History;
use super::live::Live;
use super::pace::{Hurry, Pace};
use super::snapshot::Snapshot;

/// Bytes of a page of the storage file.
const PAGE_BYTES: u64 = 4096;
/// The file is made longer by its own length, up to about this; where that leaves holes no space is taken.
const GROWTH_BYTES_MAX: u64 = 64 << 20;
/// What a checkpoint of nothing may need.
const CHECKPOINT_BYTES_MIN: u64 = 256 << 10;

/// How often attaching is tried while checkpoints come between.
const ATTACH_TRIES_MAX: u32 = 10;

/// One change of a commit: storage, key, new value or `None` for "deleted".
pub(crate) type Write = (StorageId, Key, Option<Arc<[u8]>>);

/// How much memory a store may use.
///
/// ```
/// let settings = tailwater::StoreSettings { cache_bytes: 256 << 20, ..Default::default() };
/// assert!(settings.memtable_soft_bytes < settings.memtable_hard_bytes); // a checkpoint first, then waiting
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreSettings {
    /// Pages of the storage file kept in memory, bytes. Default 64 MiB.
    pub cache_bytes: usize,
    /// Memtables beyond this ask for a checkpoint, bytes. Default 64 MiB.
    pub memtable_soft_bytes: usize,
    /// Memtables beyond this should hold new write transactions back, bytes. Default 256 MiB.
    pub memtable_hard_bytes: usize,
    /// Keys of checkpointed generations kept for conflict checks, bytes; the newest generation's always are.
    /// Default 16 MiB.
    pub history_bytes_max: usize,
    /// A storage file of less bytes is not written anew by itself, however empty it is. Default 64 MiB.
    pub compact_bytes_min: u64,
    /// Rows that one step of a checkpoint writes at most; between two steps it may be interrupted. Default 16,384.
    pub checkpoint_step_rows: u64,
    /// Bytes that a checkpoint writes between two syncs: the more, the longer a commit may wait for the disk; the less,
    /// the more commits do. Default 32 MiB.
    pub checkpoint_sync_bytes: u64,
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self {
            cache_bytes: 64 << 20,
            memtable_soft_bytes: 64 << 20,
            memtable_hard_bytes: 256 << 20,
            history_bytes_max: 16 << 20,
            compact_bytes_min: 64 << 20,
            checkpoint_step_rows: 16 << 10,
            checkpoint_sync_bytes: 32 << 20,
        }
    }
}

/// What a store holds, for `SHOW` and metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) struct StoreStats {
    /// Bytes of all memtables alive, those pinned by snapshots included, and of the conflict history.
    pub(crate) memory_bytes: usize,
    /// Bytes that the next checkpoint has to write, about.
    pub(crate) unwritten_bytes: usize,
    /// Generations not wholly in the storage file.
    pub(crate) generations: usize,
    /// Snapshots alive, clones not counted.
    pub(crate) snapshots: usize,
}

/// All keyed storages of one database.
pub(crate) struct Store {
    /// The layers as they are now, in each lane a copy: who reads counts himself in there and meets nobody. Before `file`,
    /// so that they go first.
    roots: Lanes<RwLock<Arc<Root>>>,
    pub(super) live: Arc<Live>,
    pub(super) ages: Ages,
    /// Held while a commit is merged, and for the moment in which the layers are replaced: those that it guards are those
    /// of `roots`, kept apart from what readers touch all the time.
    pub(super) gate: Apart<Mutex<Arc<Root>>>,
    /// The checkpoint or compaction under way: one at a time.
    pub(super) checkpointing: Mutex<UnderWay>,
    /// Storages to be removed, with the commit that dropped them.
    pub(super) dropped: Mutex<BTreeMap<StorageId, Lsn>>,
    pub(super) gauge: Arc<AtomicIsize>,
    pub(super) pace: Arc<Pace>,
    pub(super) settings: StoreSettings,
    pub(super) path: PathBuf,
    repaired: bool,
    /// A write failed, and the file could not be opened anew yet.
    pub(super) is_broken: AtomicBool,
    pub(super) compactions: Compactions,
    pub(super) file: File,
}

impl Store {
    /// Opens the storage file at `path`, made when there is none. The caller holds the database's lock.
    ///
    /// # Errors
    /// I/O, damage, or a file of a later version.
    pub(crate) fn open(vfs: Arc<dyn Vfs>, path: &Path, settings: StoreSettings) -> Result<Self> {
        let repaired = Arc::default();
        let open = || {
            if !vfs.exists(path).map_err(io)? {
                create(&*vfs, path)?;
            }
            remove_unfinished(&*vfs, path)?;
            let pace = Arc::new(Pace::new(settings.checkpoint_sync_bytes));
            let (cache, own) = (settings.cache_bytes, Arc::clone(&pace));
            let writer = Writer::open(&*vfs, path, cache, own, &repaired)?;
            let mut store = Self::with_file(File::Writer(writer), path, settings, pace)?;
            store.repaired = repaired.load(Ordering::Relaxed);
            Ok(store)
        };
        open().map_err(|error| in_file(error, path))
    }

    /// Attaches to the last checkpoint, even while another process has the file open for writing; the rows
    /// since then are in the log, and may be applied on top. Once the writer has made another checkpoint,
    /// reads of pages not yet in memory answer [`StorageError::CheckpointMoved`]: attach again.
    ///
    /// # Errors
    /// As [`Store::open`]; `CheckpointMoved` if a checkpoint was written meanwhile.
    pub(crate) fn open_read_only(
        vfs: Arc<dyn Vfs>,
        path: &Path,
        pages: Pages,
        settings: StoreSettings,
    ) -> Result<Self> {
        let open = || {
            let reader = Reader::open(Arc::clone(&vfs), path, pages, settings.cache_bytes)?;
            Self::with_file(File::Reader(Box::new(reader)), path, settings, Pace::none())
        };
        open().map_err(|error| in_file(error, path))
    }

    /// Goes over to the last checkpoint that another process has written, if there is a new one; snapshots of the one
    /// before may be refused from then on. Says whether there was. Does nothing on a store that writes itself.
    ///
    /// # Errors
    /// As [`Store::open_read_only`].
    pub(crate) fn reattach(&self) -> Result<bool> {
        let File::Reader(reader) = &self.file else {
            return Ok(false);
        };
        let mut tries = 0;
        let base = loop {
            tries += 1;
            match reader.reattach() {
                Ok(None) => return Ok(false),
                Ok(Some(base)) => break Arc::new(base),
                // Another checkpoint came between.
                Err(StorageError::CheckpointMoved) if tries < ATTACH_TRIES_MAX => {}
                Err(error) => return Err(in_file(error, &self.path)),
            }
        };
        let applied = base.applied();
        let history = Arc::new(History::new(applied));
        self.replace_root(|_| self.drained(base, history));
        self.live.advance_tip(applied);
        self.live.set_visible(applied);
        Ok(true)
    }

    fn with_file(
        file: File,
        path: &Path,
        settings: StoreSettings,
        pace: Arc<Pace>,
    ) -> Result<Self> {
        let base = file.base()?;
        let applied = base.applied();
        let gauge = Arc::new(AtomicIsize::new(0));
        let root = Arc::new(Root {
            active: Arc::new(Generation::new(Arc::clone(&gauge))),
            frozen: Vec::new(),
            base: Arc::new(base),
            history: Arc::new(History::new(applied)),
            live: Arc::new(Live::new(applied)),
        });
        Ok(Self {
            live: Arc::clone(&root.live),
            roots: Lanes::of(|| RwLock::new(Arc::new(Root::clone(&root)))),
            gate: Apart(Mutex::new(root)),
            ages: Ages::default(),
            checkpointing: Mutex::default(),
            dropped: Mutex::default(),
            gauge,
            pace,
            settings,
            path: path.to_owned(),
            repaired: false,
            is_broken: AtomicBool::new(false),
            compactions: Compactions::default(),
            file,
        })
    }

    /// The storage file.
    #[must_use]
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes of the storage file, if this process writes it.
    #[must_use]
    pub(crate) fn file_bytes(&self) -> u64 {
        self.file.len_to_grow()
    }

    /// How many bytes the next checkpoint may need on the disk, at most, about: new pages for all rows, a copy of each
    /// page that a changed key may be in, and what the file grows by in one step.
    #[must_use]
    pub(crate) fn checkpoint_bytes(&self) -> u64 {
        let root = self.root();
        let keys: u64 = root
            .generations()
            .flat_map(|generation| generation.tables())
            .map(|(_, table)| table.keys())
            .sum();
        if keys == 0 && self.dropped.lock().is_empty() {
            return 0;
        }
        checkpoint_need(keys, self.unwritten_bytes() as u64, self.file.len_to_grow())
    }

    /// Closes the storage file; snapshots still alive answer `Closed` from then on. Dropping the store does
    /// the same without telling how it went.
    ///
    /// # Errors
    /// I/O.
    #[cfg(test)]
    pub(crate) fn close(self) -> Result<()> {
        let Self {
            roots, file, path, ..
        } = self;
        drop(roots);
        file.close().map_err(|error| in_file(error, &path))
    }

    /// The storage file holds exactly the commits up to here; recovery replays those after it.
    #[must_use]
    pub(crate) fn applied_lsn(&self) -> Lsn {
        self.roots.own().read().base.applied()
    }

    /// Whether opening had to read the whole file, since it was not left by a checkpoint or a clean close.
    #[must_use]
    pub(crate) fn was_repaired(&self) -> bool {
        self.repaired
    }

    /// The last commit applied, in memory or in the file.
    #[must_use]
    pub(crate) fn tip_lsn(&self) -> Lsn {
        self.live.tip()
    }

    /// The last commit that may be shown to everyone.
    #[must_use]
    pub(crate) fn visible_lsn(&self) -> Lsn {
        self.live.visible()
    }

    /// A value written with a checkpoint; the last checkpoint's.
    #[must_use]
    pub(crate) fn meta_get(&self, name: &str) -> Option<Vec<u8>> {
        self.roots.own().read().base.meta(name).map(<[u8]>::to_vec)
    }

    /// Merges commit `lsn` into memory. Called in LSN order, one at a time; cheapest with the writes of one
    /// storage side by side. The iterator runs under a latch and must not read this store.
    ///
    /// # Panics
    /// If `lsn` is not after the last one applied.
    pub(crate) fn apply(&self, lsn: Lsn, writes: impl IntoIterator<Item = Write>) {
        let mut apply = self.begin_apply(lsn);
        let mut writes = writes.into_iter().peekable();
        while let Some(id) = writes.peek().map(|(id, _, _)| *id) {
            let rows = std::iter::from_fn(|| writes.next_if(|(other, _, _)| *other == id));
            apply.rows(id, rows.map(|(_, key, cell)| (key, cell)));
        }
        apply.finish();
    }

    /// Begins to merge commit `lsn` into memory, as [`apply`](Self::apply) does.
    ///
    /// # Panics
    /// If `lsn` is not after the last one applied.
    pub(crate) fn begin_apply(&self, lsn: Lsn) -> Apply<'_> {
        let gate = self.lock_gate();
        let tip = self.live.tip();
        assert!(lsn > tip, "commit {lsn} applied after {tip}");
        Apply::new(lsn, &self.live, gate)
    }

    /// Commits up to `lsn` may be shown: [`Store::snapshot_visible`] reads there, versions only older
    /// snapshots would need are dropped, and checkpoints may go so far. May be called before `apply(lsn)` has
    /// returned; takes effect then.
    pub(crate) fn set_visible(&self, lsn: Lsn) {
        self.live.set_visible(lsn);
    }

    /// The state at the visible LSN: for reads.
    #[must_use]
    pub(crate) fn snapshot_visible(&self) -> Snapshot {
        let mut early = too_early("take the layers before registering", || self.layers());
        let now = || early.take().unwrap_or_else(|| self.layers());
        let (begun, root) = self.live.register_visible_with(now);
        Snapshot::new(begun, root)
    }

    /// The log has commit `lsn`, which has been applied: transactions that also write may begin with it.
    pub(crate) fn note_logged(&self, lsn: Lsn) {
        self.live.advance_logged(lsn);
    }

    /// The state at the last commit that the log has, visible or not: for transactions that also write, whoever else
    /// commits just now.
    #[must_use]
    pub(crate) fn snapshot_logged(&self) -> Snapshot {
        let (begun, root) = self.live.register_logged_with(|| self.layers());
        Snapshot::new(begun, root)
    }

    /// The state at the last commit applied: for who holds the sequencer.
    #[must_use]
    pub(crate) fn snapshot_tip(&self) -> Snapshot {
        let (begun, root) = self.live.register_tip_with(|| self.layers());
        Snapshot::new(begun, root)
    }

    /// The state at `lsn`: from the visible LSN to the last applied, or where another snapshot still reads.
    ///
    /// # Errors
    /// `SnapshotReleased` if it is older than that, `SnapshotAhead` if it is not applied yet.
    #[cfg(test)]
    pub(crate) fn snapshot(&self, lsn: Lsn) -> Result<Snapshot> {
        let (begun, root) = self.live.register_with(lsn, || self.layers())?;
        Ok(Snapshot::new(begun, root))
    }

    /// Commit `lsn` dropped a storage: the first checkpoint that covers it frees the space. Snapshots before
    /// it go on reading. The id must not be used again.
    pub(crate) fn drop_storage(&self, id: StorageId, lsn: Lsn) {
        self.dropped.lock().insert(id, lsn);
    }

    /// Storages that are dropped and may still be in the file.
    #[must_use]
    pub(crate) fn dropped_storages(&self) -> BTreeSet<StorageId> {
        self.dropped.lock().keys().copied().collect()
    }

    /// Drops all storages, in the file and in memory, that are not among `known`: after a crash nobody remembers which
    /// ones were dropped since the last checkpoint. To be called when all of the log is applied. Says how many there
    /// were.
    ///
    /// # Errors
    /// When the storage file cannot be read.
    pub(crate) fn drop_unknown(&self, known: &BTreeSet<StorageId>) -> Result<usize> {
        let root = self.root();
        let mut found = root.base.storages()?;
        for generation in root.generations() {
            found.extend(generation.tables().into_iter().map(|(id, _)| id));
        }
        let tip = self.tip_lsn();
        let mut dropped = self.dropped.lock();
        let before = dropped.len();
        dropped.extend(found.difference(known).map(|id| (*id, tip)));
        Ok(dropped.len() - before)
    }

    /// Bytes of memory held for rows not yet (or no longer only) in the file, about.
    #[must_use]
    pub(crate) fn memory_bytes(&self) -> usize {
        let generations = usize::try_from(self.gauge.load(Ordering::Relaxed)).unwrap_or(0);
        generations + self.roots.own().read().history.bytes()
    }

    /// Whether the memtables have passed the soft limit.
    #[must_use]
    pub(crate) fn needs_checkpoint(&self) -> bool {
        self.has_unwritten(self.settings.memtable_soft_bytes)
    }

    /// From now on checkpoints leave processors and disk to commits now and then. For where threads do the work: it
    /// takes time.
    pub(crate) fn begin_rests(&self) {
        self.pace.begin_rests();
    }

    /// Checkpoints do not rest any more.
    pub(crate) fn end_rests(&self) {
        self.pace.end_rests();
    }

    /// Checkpoints do not rest while this is held: somebody waits for one.
    pub(crate) fn hurry(&self) -> Hurry<'_> {
        self.pace.hurry()
    }

    /// Bytes of one commit that fit into the memtables well.
    #[must_use]
    pub(crate) fn memtable_share(&self) -> usize {
        self.settings.memtable_soft_bytes / 4
    }

    /// Whether the memtables have passed the hard limit: new write transactions should wait for a checkpoint.
    #[must_use]
    pub(crate) fn is_full(&self) -> bool {
        self.has_unwritten(self.settings.memtable_hard_bytes)
    }

    /// Whether the memtables are so near the hard limit that a checkpoint cannot wait.
    #[must_use]
    pub(crate) fn is_nearly_full(&self) -> bool {
        let StoreSettings {
            memtable_soft_bytes: soft,
            memtable_hard_bytes: hard,
            ..
        } = self.settings;
        self.unwritten_bytes() >= soft + hard.saturating_sub(soft) / 2
    }

    /// About how many rows a storage has: keys changed since the last checkpoint may count twice. For choosing plans.
    #[must_use]
    pub(crate) fn rows_estimate(&self, id: StorageId) -> u64 {
        let root = self.root();
        let changed: u64 = root
            .generations()
            .filter_map(|generation| generation.with(id, |t| t.keys()))
            .sum();
        changed + root.base.rows(id).unwrap_or(0)
    }

    /// What the store holds.
    #[must_use]
    pub(crate) fn stats(&self) -> StoreStats {
        // One after the other: who begins to read notes that first and takes the layers then.
        let root = self.roots.own().read();
        let generations = root.generations().count();
        let early = too_early("count readers with the layers held", || self.live.count());
        drop(root);
        StoreStats {
            memory_bytes: self.memory_bytes(),
            unwritten_bytes: self.unwritten_bytes(),
            generations,
            snapshots: early.unwrap_or_else(|| self.live.count()),
        }
    }

    /// Whether the next checkpoint has so many bytes to write. Every commit asks, so it takes no lock while all memtables
    /// alive, of which those are some, hold less.
    fn has_unwritten(&self, bytes: usize) -> bool {
        let alive = usize::try_from(self.gauge.load(Ordering::Relaxed)).unwrap_or(0);
        alive >= bytes && self.unwritten_bytes() >= bytes
    }

    pub(super) fn unwritten_bytes(&self) -> usize {
        let root = self.roots.own().read();
        root.generations()
            .map(|generation| generation.bytes())
            .sum()
    }

    /// The layers as they are now.
    pub(super) fn root(&self) -> Arc<Root> {
        Arc::clone(&self.roots.own().read())
    }

    /// Layers with everything in the file and nothing in memory.
    pub(super) fn drained(&self, base: Arc<Base>, history: Arc<History>) -> Root {
        Root {
            active: Arc::new(Generation::new(Arc::clone(&self.gauge))),
            frozen: Vec::new(),
            base,
            history,
            live: Arc::clone(&self.live),
        }
    }

    /// The layers as they are now, and how far the file in them goes.
    fn layers(&self) -> (Lsn, Arc<Root>) {
        let root = self.root();
        (root.base.applied(), root)
    }

    /// The layers, which nobody replaces meanwhile.
    pub(super) fn lock_gate(&self) -> MutexGuard<'_, Arc<Root>> {
        let mut gate = self.gate.lock();
        if is_weakened("freeze amid a commit") {
            *gate = self.root();
        }
        gate
    }

    /// Replaces the layers by what `next` makes of them, when no commit is being merged.
    pub(super) fn replace_root(&self, next: impl FnOnce(&Root) -> Root) {
        let mut gate = self.lock_gate();
        let before = self.replace_root_at(&mut gate, next);
        drop(gate);
        // Outside the locks: freeing a generation takes as long as it is large.
        drop(before);
    }

    /// From now on it is what readers find: in some lanes sooner than in others, so no commit is merged meanwhile.
    pub(super) fn show_root(&self, root: &Root) {
        if is_weakened("show the layers in one lane") {
            *self.roots.own().write() = Arc::new(root.clone());
            return;
        }
        for lane in self.roots.all() {
            *lane.write() = Arc::new(root.clone());
        }
    }

    /// As [`replace_root`](Self::replace_root), by who holds the gate; returns what was there before.
    pub(super) fn replace_root_at(
        &self,
        gate: &mut Arc<Root>,
        next: impl FnOnce(&Root) -> Root,
    ) -> Arc<Root> {
        let next = Arc::new(next(gate));
        self.show_root(&next);
        std::mem::replace(gate, next)
    }
}

/// Bytes of disk that writing so many keys and bytes of rows into a file of length `file` may need.
pub(super) fn checkpoint_need(keys: u64, rows: u64, file: u64) -> u64 {
    let copied = keys.saturating_mul(PAGE_BYTES).min(file);
    rows.saturating_mul(2) + copied + file.min(GROWTH_BYTES_MAX) + CHECKPOINT_BYTES_MIN
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("path", &self.path)
            .field("applied", &self.applied_lsn())
            .field("tip", &self.tip_lsn())
            .finish_non_exhaustive()
    }
}
