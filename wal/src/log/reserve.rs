//! A file that only stands for room on the disk: given up on a full disk, for what makes room again.
//!
//! Commits that delete, a checkpoint and an opening need some bytes before they give any back. Once it is spent, other
//! commits are refused until there is as much room again: else they would take what those were left. It is made when the
//! disk has plenty of room, off the commit path. Next door: `pool`.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::pool::zero;
use crate::error::{Error, Result};
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::vfs::{OpenMode, Vfs};

const FILE: &str = "reserve";
/// The reserve is made when the disk has so many times its bytes.
const PLENTY: u64 = 4;

/// The reserve of a log.
#[derive(Debug)]
pub(crate) struct Reserve {
    vfs: Arc<dyn Vfs>,
    dir: PathBuf,
    /// What it should be.
    wanted: u64,
    /// What it is.
    held: AtomicU64,
    /// It was spent, and there has not been as much room since.
    is_owed: AtomicBool,
    /// Held while the file is made or removed.
    busy: Mutex<()>,
}

impl Reserve {
    pub(crate) fn new(vfs: Arc<dyn Vfs>, dir: &Path, wanted: u64) -> Self {
        Self {
            vfs,
            dir: dir.to_owned(),
            wanted,
            held: AtomicU64::new(0),
            is_owed: AtomicBool::new(false),
            busy: Mutex::new(()),
        }
    }

    fn path(&self) -> PathBuf {
        self.dir.join(FILE)
    }

    /// Takes over the file found in the directory, or removes it if it is of another size.
    pub(crate) fn adopt(&self, names: &[String]) -> Result<()> {
        if !names.iter().any(|name| name == FILE) {
            return Ok(());
        }
        let path = self.path();
        let file = self.vfs.open(&path, OpenMode::Read);
        let len = file
            .and_then(|file| file.len())
            .map_err(|e| Error::io("open", &path, e))?;
        self.held.store(len, Ordering::Release);
        if len != self.wanted || len == 0 {
            self.spend()?;
            self.is_owed.store(false, Ordering::Release);
        }
        Ok(())
    }

    /// Its bytes.
    pub(crate) fn held(&self) -> u64 {
        self.held.load(Ordering::Acquire)
    }

    /// Whether it was spent, and the room is not there again as far as anybody has looked.
    pub(crate) fn is_owed(&self) -> bool {
        self.is_owed.load(Ordering::Relaxed)
    }

    /// Bytes of the disk that are not for everybody.
    pub(crate) fn owed(&self) -> u64 {
        if self.is_owed() { self.wanted } else { 0 }
    }

    /// The room is there again.
    pub(crate) fn forgive(&self) {
        self.is_owed.store(false, Ordering::Release);
    }

    /// Makes it if the disk has plenty of room.
    pub(crate) fn refill(&self) -> Result<()> {
        if self.held() > 0 || self.wanted == 0 {
            return Ok(());
        }
        let busy = self.busy.lock();
        let free = self.vfs.free_bytes(&self.dir).ok().flatten();
        let is_plenty = free.is_some_and(|free| free / PLENTY >= self.wanted);
        if self.held() > 0 || !is_plenty {
            return Ok(());
        }
        let path = self.path();
        let filled = self
            .vfs
            .open(&path, OpenMode::Create)
            .and_then(|file| zero(file.as_ref(), self.wanted))
            .and_then(|()| self.vfs.sync_dir(&self.dir));
        if let Err(e) = filled {
            _ = self.vfs.remove(&path);
            return Err(Error::io("fill", &path, e));
        }
        self.held.store(self.wanted, Ordering::Release);
        self.forgive();
        drop(busy);
        Ok(())
    }

    /// Gives it up; says how many bytes that were.
    pub(crate) fn spend(&self) -> Result<u64> {
        let busy = self.busy.lock();
        let held = self.held();
        if held > 0 {
            let path = self.path();
            let removed: io::Result<()> = self.vfs.remove(&path);
            removed
                .and_then(|()| self.vfs.sync_dir(&self.dir))
                .map_err(|e| Error::io("remove", &path, e))?;
            self.held.store(0, Ordering::Release);
            self.is_owed.store(true, Ordering::Release);
        }
        drop(busy);
        Ok(held)
    }
}

/// Bytes of the reserve in a directory, if there is one.
pub(crate) fn found(vfs: &dyn Vfs, dir: &Path) -> Result<Option<u64>> {
    let path = dir.join(FILE);
    match vfs.open(&path, OpenMode::Read) {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        opened => opened
            .and_then(|file| file.len())
            .map(Some)
            .map_err(|e| Error::io("open", &path, e)),
    }
}

/// Whether a failure is that of a full disk.
pub(crate) fn is_full(error: &Error) -> bool {
    let kinds = [ErrorKind::StorageFull, ErrorKind::QuotaExceeded];
    matches!(error, Error::Io(failure) if kinds.contains(&failure.source.kind()))
}
