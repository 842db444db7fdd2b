//! Compaction: the rows of the storage file in a new one, which takes its place.
//!
//! redb keeps the pages of deleted rows for later ones and gives few of them back. The copy is made from the last
//! checkpoint while commits and reads go on; checkpoints wait. It is whole and durable before it gets the name, so a
//! crash leaves the one file or the other, with the same content. Next door: `copy`.

use std::ffi::OsString;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tailwater_proto::StorageId;
use tailwater_wal::vfs::{OpenMode, Vfs};

use super::base::{Base, BaseCursor};
use super::copy::{Stopped, write_copy};
use super::error::{Result, StorageError};
use super::file::{File, in_file, io};
use super::generation::Root;
use super::store::Store;

/// Pages of the new file kept in memory meanwhile.
const CACHE_BYTES: usize = 16 << 20;
/// A smaller file is not compacted by itself.
const FILE_BYTES_MIN: u64 = 64 << 20;
/// More live bytes are not copied by themselves: checkpoints would wait too long.
const LIVE_BYTES_MAX: u64 = 1 << 30;
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
}

impl Compactions {
    /// Whether a crash may bring the file before the last compaction back: the log must keep what came after it.
    pub(super) fn is_unsure(&self) -> bool {
        self.unsure.load(Ordering::Acquire)
    }
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
fn unfinished(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".compact");
    PathBuf::from(name)
}

/// Removes what a compaction that was interrupted has left.
pub(super) fn remove_unfinished(vfs: &dyn Vfs, path: &Path) -> Result<()> {
    let path = unfinished(path);
    if vfs.exists(&path).map_err(io)? {
        vfs.remove(&path).map_err(io)?;
    }
    Ok(())
}

impl Store {
    /// Writes the rows of the last checkpoint into a new file in the place of the old one. Checkpoints wait meanwhile;
    /// nobody else does.
    ///
    /// # Errors
    /// I/O, a full disk, damage: the old file stays. If only its new name may not be durable, checkpoints are refused
    /// with `NeedsReopen` from then on.
    pub(crate) fn compact(&self, vfs: &dyn Vfs) -> Result<Compacted> {
        let File::Writer(writer) = &self.file else {
            return Err(StorageError::ReadOnly);
        };
        let mut under_way = self.checkpointing.lock();
        while under_way.is_some() {
            self.step(&mut under_way)?;
        }
        if self.compactions.is_unsure() {
            return Err(StorageError::NeedsReopen);
        }
        if self.is_broken.load(Ordering::Acquire) {
            self.reopen(writer)?;
        }
        let before = writer.len();
        let base = Arc::clone(&self.root().base);
        let path = unfinished(&self.path);
        remove_unfinished(vfs, &self.path).map_err(|error| in_file(error, &path))?;
        let copied = self.copy_base(vfs, &path, &base);
        let replacement = copied.and_then(|after| {
            let file = vfs.open(&path, OpenMode::ReadWrite).map_err(io)?;
            let replacement = writer.open_other(file)?;
            // From here on it is only a matter of the name.
            vfs.rename(&path, &self.path).map_err(io)?;
            Ok((after, replacement))
        });
        let (after, replacement) = match replacement {
            Ok(done) => done,
            Err(error) => {
                // If it stays it is removed at the next opening.
                let _ = vfs.remove(&path);
                return Err(in_file(error, &path));
            }
        };
        let dir = self.path.parent().unwrap_or(Path::new(""));
        let named = vfs.sync_dir(dir);
        if named.is_err() {
            self.compactions.unsure.store(true, Ordering::Release);
        }
        writer.replace(replacement);
        let base = Arc::new(self.file.base()?);
        self.replace_root(|root| Root {
            base,
            ..Root::clone(root)
        });
        drop(under_way);
        writer.close_replaced();
        self.compactions.left_bytes.store(after, Ordering::Release);
        named.map_err(|error| in_file(io(error), dir))?;
        Ok(Compacted { before, after })
    }

    fn copy_base(&self, vfs: &dyn Vfs, path: &Path, base: &Arc<Base>) -> Result<u64> {
        let storages = base.storages()?;
        let meta = base.engine_meta();
        let copied = write_copy(vfs, path, CACHE_BYTES, base.applied(), &meta, &mut |copy| {
            for id in &storages {
                let mut rows = all_rows(base, *id, false);
                copy.storage(*id, &mut || {
                    rows.fill()?;
                    let row = rows.take();
                    Ok(row.and_then(|(key, value)| Some((key, value?))))
                })?;
            }
            Ok::<_, Stopped>(())
        })?;
        Ok(copied.bytes)
    }

    /// Whether the file is much longer than what it holds, about, and a compaction would soon be done.
    pub(crate) fn is_sparse(&self) -> bool {
        let File::Writer(writer) = &self.file else {
            return false;
        };
        writer.close_replaced();
        let len = writer.len();
        let left = self.compactions.left_bytes.load(Ordering::Acquire);
        if len < FILE_BYTES_MIN || len < left + left / 2 || self.compactions.is_unsure() {
            return false;
        }
        // What cannot be read is nothing to be copied by itself.
        let live = self.live_bytes().unwrap_or(u64::MAX);
        live <= LIVE_BYTES_MAX && len > live * 5 / 2
    }

    /// About how many bytes a compact file of the last checkpoint would have: rows are counted, and as long as those at
    /// both ends of their storage.
    fn live_bytes(&self) -> Result<u64> {
        let base = Arc::clone(&self.root().base);
        let mut live = FILE_BYTES_MIN / 64;
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

fn all_rows(base: &Arc<Base>, id: StorageId, reverse: bool) -> BaseCursor {
    let (lo, hi) = (Bound::Unbounded, Bound::Unbounded);
    BaseCursor::new(Arc::clone(base), id, lo, hi, reverse)
}
