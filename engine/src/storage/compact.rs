//! Compaction: the rows of the storage file in a new one, which takes its place.
//!
//! redb keeps the pages of deleted rows for later ones and gives few of them back. The copy is made from the last
//! checkpoint, step by step, while commits and reads go on; a checkpoint that cannot wait ends it, and it begins again
//! another time. It is whole and durable before it gets the name, so a crash leaves the one file or the other, with the
//! same content. Next door: `copy`.

use std::ffi::OsString;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use tailwater_proto::StorageId;
use tailwater_wal::vfs::Vfs;

use super::base::{Base, BaseCursor};
use super::checkpoint::STEP_BYTES;
use super::copy::{Copy, Limit};
use super::error::{Result, StorageError};
use super::file::{File, in_file, io};
use super::generation::Root;
use super::page_sums;
use super::store::Store;

/// Pages of the new file kept in memory meanwhile.
const CACHE_BYTES: usize = 16 << 20;
/// A compact file has such a part of the least that is compacted, beside rows, about.
const EMPTY_PART: u64 = 64;
/// More live bytes are not copied by themselves: checkpoints would wait too long.
const LIVE_BYTES_MAX: u64 = 1 << 30;
/// After so many compactions that came to nothing the pause before the next one does not get longer any more.
const VAIN_MAX: u32 = 6;
/// Rows at each end of a storage from which the length of the others is guessed.
const SAMPLE_ROWS: u64 = 64;
/// What a row takes in a page beside key and value.
const ROW_BYTES: u64 = 16;

/// What compactions have done.
#[derive(Debug, Default)]
pub(super) struct Compactions {
    /// How long the last one left the file.
    left_bytes: AtomicU64,
    /// The file has its new name, and nobody knows whether durably.
    unsure: AtomicBool,
    /// How often in a row one has come to nothing.
    vain: AtomicU32,
    /// So many times it is not worth while to look whether there should be one.
    looks_left: AtomicU32,
}

impl Compactions {
    /// Whether a crash may bring the file before the last compaction back: the log must keep what came after it.
    pub(super) fn is_unsure(&self) -> bool {
        self.unsure.load(Ordering::Acquire)
    }

    /// One has come to nothing: the next one waits, longer each time.
    fn note_vain(&self) {
        let vain = self.vain.fetch_add(1, Ordering::Relaxed).min(VAIN_MAX);
        self.looks_left.store(1 << vain, Ordering::Relaxed);
    }

    /// Whether it is too soon after one that has come to nothing. Called once a checkpoint.
    fn is_too_soon(&self) -> bool {
        let less = |left: u32| left.checked_sub(1);
        let (set, fetch) = (Ordering::Relaxed, Ordering::Relaxed);
        self.looks_left.fetch_update(set, fetch, less).is_ok()
    }
}

/// A compaction under way.
pub(super) struct Compaction {
    /// Where rows go, until all are there.
    copy: Option<Copy>,
    /// What is copied.
    base: Arc<Base>,
    /// Storages that are not copied yet, the next one last.
    storages: Vec<StorageId>,
    /// The one that is half copied.
    half: Option<(StorageId, BaseCursor)>,
    /// Bytes of the file that is to be replaced.
    before: u64,
    /// Bytes of the new file, once it is whole.
    after: u64,
}

/// How far a step of a compaction has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compacting {
    /// There is more to copy.
    UnderWay,
    /// The new file is in the place of the old one.
    Done(Compacted),
    /// A checkpoint came first.
    Gone,
}

/// What a compaction did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Compacted {
    /// Bytes of the file before.
    pub(crate) before: u64,
    /// Bytes of the file now.
    pub(crate) after: u64,
}

/// Under what name the new file is made.
pub(super) fn unfinished(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".compact");
    PathBuf::from(name)
}

/// Ends what a compaction that was interrupted has left.
pub(super) fn remove_unfinished(vfs: &dyn Vfs, path: &Path) -> Result<()> {
    page_sums::settle(vfs, &unfinished(path), path).map_err(io)
}

impl Store {
    /// Writes the rows of the last checkpoint into a new file in the place of the old one. Checkpoints wait meanwhile;
    /// nobody else does.
    ///
    /// # Errors
    /// I/O, a full disk, damage: the old file stays. If only its new name may not be durable, checkpoints are refused
    /// with `NeedsReopen` from then on.
    pub(crate) fn compact(&self, vfs: &dyn Vfs) -> Result<Compacted> {
        let mut under_way = self.checkpointing.lock();
        while under_way.checkpoint.is_some() {
            self.step(&mut under_way.checkpoint)?;
        }
        loop {
            match self.copy_on(&mut under_way.compaction, vfs)? {
                Compacting::UnderWay => {}
                Compacting::Done(done) => return Ok(done),
                Compacting::Gone => under_way.compaction = Some(self.begin_copy(vfs)?),
            }
        }
    }

    /// Begins what [`compact`](Self::compact) does, to be gone on with by [`compaction_step`](Self::compaction_step).
    /// It counts for little: if a checkpoint has to write, or anything fails, it is given up.
    ///
    /// # Errors
    /// As `compact`.
    pub(crate) fn begin_compaction(&self, vfs: &dyn Vfs) -> Result<()> {
        let mut under_way = self.checkpointing.lock();
        if under_way.checkpoint.is_some() || under_way.compaction.is_some() {
            return Ok(());
        }
        let begun = self.begin_copy(vfs);
        under_way.compaction = Some(begun.inspect_err(|_| self.compactions.note_vain())?);
        Ok(())
    }

    /// Takes the next step of the compaction under way: a bounded number of rows, or its end.
    ///
    /// # Errors
    /// As `compact`; none is under way then.
    pub(crate) fn compaction_step(&self, vfs: &dyn Vfs) -> Result<Compacting> {
        let mut under_way = self.checkpointing.lock();
        let stepped = self.copy_on(&mut under_way.compaction, vfs);
        stepped.inspect_err(|_| self.compactions.note_vain())
    }

    /// Whether one is under way.
    pub(crate) fn is_compacting(&self) -> bool {
        self.checkpointing.lock().compaction.is_some()
    }

    /// Gives the compaction under way up, since a checkpoint cannot wait for it.
    pub(crate) fn give_compaction_up(&self, vfs: &dyn Vfs) {
        let mut under_way = self.checkpointing.lock();
        self.abandon(&mut under_way.compaction, vfs);
    }

    fn abandon(&self, compaction: &mut Option<Compaction>, vfs: &dyn Vfs) {
        if let Some(compaction) = compaction.take() {
            drop(compaction);
            self.compactions.note_vain();
            // If it stays it is removed when the next one begins, or at the next opening.
            let _ = remove_unfinished(vfs, &self.path);
        }
    }

    fn begin_copy(&self, vfs: &dyn Vfs) -> Result<Compaction> {
        let File::Writer(writer) = &self.file else {
            return Err(StorageError::ReadOnly);
        };
        if self.compactions.is_unsure() {
            return Err(StorageError::NeedsReopen);
        }
        if self.is_broken.load(Ordering::Acquire) {
            self.reopen(writer)?;
        }
        let path = unfinished(&self.path);
        remove_unfinished(vfs, &self.path).map_err(|error| in_file(error, &path))?;
        let base = Arc::clone(&self.root().base);
        let storages = base.storages()?.into_iter().rev().collect();
        let copy = Copy::begin(vfs, &path, CACHE_BYTES).inspect_err(|_| {
            let _ = remove_unfinished(vfs, &self.path);
        })?;
        Ok(Compaction {
            copy: Some(copy),
            base,
            storages,
            half: None,
            before: writer.len(),
            after: 0,
        })
    }

    /// Takes a step. What fails is not under way any more.
    fn copy_on(&self, compaction: &mut Option<Compaction>, vfs: &dyn Vfs) -> Result<Compacting> {
        let Some(mut at) = compaction.take() else {
            return Ok(Compacting::Gone);
        };
        let path = unfinished(&self.path);
        if !Arc::ptr_eq(&at.base, &self.root().base) {
            // The copy is of a state that was.
            self.abandon(&mut Some(at), vfs);
            return Ok(Compacting::Gone);
        }
        let limit = Limit {
            rows: self.settings.checkpoint_step_rows.max(1),
            bytes: STEP_BYTES,
        };
        let stepped = match at.copy_some(limit) {
            Ok(true) => {
                *compaction = Some(at);
                return Ok(Compacting::UnderWay);
            }
            Ok(false) => self.put_in_place(vfs, &path, &at),
            Err(error) => Err(error),
        };
        drop(at);
        if let (Ok(_), File::Writer(writer)) = (&stepped, &self.file) {
            writer.close_replaced();
        }
        stepped.map_err(|error| {
            // Where a crash may bring the old file back its checksums must stay.
            if !self.compactions.is_unsure() {
                let _ = remove_unfinished(vfs, &self.path);
            }
            in_file(error, &path)
        })
    }

    /// Gives the new file the name of the old one.
    fn put_in_place(&self, vfs: &dyn Vfs, path: &Path, done: &Compaction) -> Result<Compacting> {
        let File::Writer(writer) = &self.file else {
            return Err(StorageError::ReadOnly);
        };
        let replacement = writer.open_other(vfs, path)?;
        // From here on it is only a matter of the name.
        vfs.rename(path, &self.path).map_err(io)?;
        let dir = self.path.parent().unwrap_or(Path::new(""));
        let named = vfs.sync_dir(dir);
        if named.is_err() {
            self.compactions.unsure.store(true, Ordering::Release);
        } else {
            // If they cannot be renamed now they are before they are needed under their name.
            let _ = page_sums::rename(vfs, path, &self.path);
        }
        writer.replace(replacement);
        let base = Arc::new(self.file.base()?);
        self.replace_root(|root| Root {
            base,
            ..Root::clone(root)
        });
        let (before, after) = (done.before, done.after);
        self.compactions.left_bytes.store(after, Ordering::Release);
        self.compactions.vain.store(0, Ordering::Relaxed);
        named.map_err(|error| in_file(io(error), dir))?;
        Ok(Compacting::Done(Compacted { before, after }))
    }

    /// If the file is much longer than what it holds, and a compaction would soon be done: how many bytes that would write,
    /// about.
    pub(crate) fn compactable_bytes(&self) -> Option<u64> {
        let File::Writer(writer) = &self.file else {
            return None;
        };
        writer.close_replaced();
        if self.compactions.is_too_soon() {
            return None;
        }
        let len = writer.len();
        let left = self.compactions.left_bytes.load(Ordering::Acquire);
        if len < self.settings.compact_bytes_min
            || len < left + left / 2
            || self.compactions.is_unsure()
        {
            return None;
        }
        // What cannot be read is nothing to be copied by itself.
        let live = self.live_bytes().ok()?;
        (live <= LIVE_BYTES_MAX && len > live * 5 / 2).then_some(live)
    }

    /// About how many bytes a compact file of the last checkpoint would have: rows are counted, and as long as those at
    /// both ends of their storage.
    fn live_bytes(&self) -> Result<u64> {
        let base = Arc::clone(&self.root().base);
        let mut live = self.settings.compact_bytes_min / EMPTY_PART;
        for id in base.storages()? {
            let rows = base.rows(id)?;
            let (mut bytes, mut sampled) = (0_u64, 0_u64);
            for reverse in [false, true] {
                let mut cursor = all_rows(&base, id, reverse);
                for _ in 0..SAMPLE_ROWS {
                    cursor.fill()?;
                    let Some((key, value)) = cursor.take() else {
                        break;
                    };
                    bytes += key.len() as u64 + value.map_or(0, |v| v.len() as u64) + ROW_BYTES;
                    sampled += 1;
                }
            }
            live += rows * bytes.checked_div(sampled).unwrap_or(0);
        }
        Ok(live)
    }
}

impl Compaction {
    /// Copies some rows, or makes the copy durable; `false`: that was done before.
    fn copy_some(&mut self, limit: Limit) -> Result<bool> {
        let Some(copy) = &mut self.copy else {
            return Ok(false);
        };
        let half = match self.half.take() {
            Some(half) => Some(half),
            None => {
                let next = self.storages.pop();
                next.map(|id| (id, all_rows(&self.base, id, false)))
            }
        };
        if let Some((id, mut rows)) = half {
            let mut next = || {
                rows.fill()?;
                let row = rows.take();
                Ok(row.and_then(|(key, value)| Some((key, value?))))
            };
            if !copy.append(id, &mut next, limit)?.is_end {
                self.half = Some((id, rows));
            }
            return Ok(true);
        }
        if let Some(copy) = self.copy.take() {
            self.after = copy.finish(self.base.applied(), &self.base.engine_meta())?;
        }
        Ok(true)
    }
}

fn all_rows(base: &Arc<Base>, id: StorageId, reverse: bool) -> BaseCursor {
    let (lo, hi) = (Bound::Unbounded, Bound::Unbounded);
    BaseCursor::new(base, id, lo, hi, reverse)
}
