//! `Snapshot`: the whole store as of one LSN.
//!
//! It keeps the layers it reads, so checkpoints pass it by, and it is registered as live, so the versions it sees
//! stay: until it is let go of, or too old (`age`), and then it reads nothing at all. It never sees a commit after its
//! LSN and never waits. Next door: `scan`, for ranges.

use std::fmt;
use std::sync::{Arc, Weak};

use tailwater_proto::{Direction, Key, KeyRange, Lsn, StorageId};
use tailwater_wal::sync::atomic::{AtomicBool, Ordering};
use tailwater_wal::sync::{RwLock, too_early};

use super::base::Base;
use super::error::{Result, StorageError};
use super::generation::Root;
use super::live::Begun;
use super::scan::{Scan, is_reverse};

/// All rows as of one LSN. Cloning is cheap; the last clone dropped releases the LSN.
#[derive(Clone)]
pub(crate) struct Snapshot(Arc<Reading>);

/// What the clones of a snapshot share.
pub(super) struct Reading {
    begun: Begun,
    /// Until it is too old. Held for reading by whoever reads, so that nothing goes while it is read.
    layers: RwLock<Option<Arc<Root>>>,
    /// It does not grow too old.
    is_kept: AtomicBool,
}

impl Reading {
    /// Lets go of all it reads, unless it is kept; says whether there was something.
    pub(super) fn let_go(&self) -> bool {
        let early = too_early("let versions go before who reads them is told", || {
            if let Some(root) = &*self.layers.read() {
                root.live.release(self.begun);
            }
        });
        let root = {
            let mut layers = self.layers.write();
            if self.is_kept.load(Ordering::Acquire) {
                return false;
            }
            layers.take()
        };
        // Versions go only now that nobody reads them any more. Freeing the layers takes as long as they are large.
        if let Some(root) = &root
            && early.is_none()
        {
            root.live.release(self.begun);
        }
        root.is_some()
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        if let Some(root) = self.layers.get_mut().take() {
            root.live.release(self.begun);
        }
    }
}

impl Snapshot {
    /// Takes over a reading that has begun in these layers.
    pub(super) fn new(begun: Begun, root: Arc<Root>) -> Self {
        Self(Arc::new(Reading {
            begun,
            layers: RwLock::new(Some(root)),
            is_kept: AtomicBool::new(false),
        }))
    }

    /// What is there as long as a clone of it is.
    pub(super) fn reading(&self) -> Weak<Reading> {
        Arc::downgrade(&self.0)
    }

    /// The LSN it reads at: every commit up to it, none after.
    #[must_use]
    pub(crate) fn lsn(&self) -> Lsn {
        self.0.begun.lsn
    }

    /// From now on it does not grow too old; says whether it can still be read.
    #[must_use]
    pub(crate) fn keep(&self) -> bool {
        let layers = self.0.layers.read();
        self.0.is_kept.store(true, Ordering::Release);
        layers.is_some()
    }

    /// Reads in its layers, which stay meanwhile: for a moment.
    pub(super) fn with<T>(&self, read: impl FnOnce(&Root) -> Result<T>) -> Result<T> {
        match &*self.0.layers.read() {
            Some(root) => read(root),
            None => Err(StorageError::SnapshotTooOld { lsn: self.lsn() }),
        }
    }

    /// The storage file as it reads it, for as long as that is wanted.
    pub(super) fn base(&self) -> Result<Arc<Base>> {
        self.with(|root| Ok(Arc::clone(&root.base)))
    }

    /// The value under `key`, or `None`.
    ///
    /// # Errors
    /// Damage or I/O in the storage file, `SnapshotTooOld`.
    pub(crate) fn get(&self, id: StorageId, key: &Key) -> Result<Option<Arc<[u8]>>> {
        let at = self.lsn();
        self.with(|root| {
            for generation in root.generations() {
                if let Some(Some(cell)) = generation.with(id, |table| table.get(key, at)) {
                    return Ok(cell);
                }
            }
            root.base.get(id, key)
        })
    }

    /// Reads the rows of `range` in order. Nothing is read before the first row is asked for.
    #[must_use]
    pub(crate) fn scan(&self, id: StorageId, range: KeyRange, direction: Direction) -> Scan {
        Scan::new(self.clone(), id, range, is_reverse(direction))
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("lsn", &self.lsn())
            .finish_non_exhaustive()
    }
}
