//! `Beneath`: the image beneath the rows being stepped: a snapshot and, where a commit is stepped in slices, what the slices
//! before have staged. It reads and stages nothing. Next door: `staged_store`, which lays the staged rows over it.

use std::sync::Arc;

use tailwater_proto::{Direction, Key, KeyRange, StorageId};
use tailwater_views::Result;

use crate::storage::{Scan, Snapshot};
use crate::txn::{Staged, StagedRows, WriteSet, storage_error};

/// The image beneath the rows being stepped.
#[derive(Clone, Copy)]
pub(crate) struct Beneath<'c> {
    pub(crate) snapshot: &'c Snapshot,
    /// What earlier slices of the same commit have staged.
    pub(crate) earlier: Option<&'c WriteSet>,
}

impl<'c> Beneath<'c> {
    /// The image of a snapshot.
    pub(crate) const fn snapshot(snapshot: &'c Snapshot) -> Self {
        Self {
            snapshot,
            earlier: None,
        }
    }

    /// The row under a key.
    pub(super) fn get(&self, storage: StorageId, key: &Key) -> Result<Option<Arc<[u8]>>> {
        if let Some(earlier) = self.earlier
            && let Some(staged) = earlier.get(storage, key).map_err(storage_error)?
        {
            return Ok(staged);
        }
        self.snapshot.get(storage, key).map_err(storage_error)
    }

    /// The rows of a range, ascending.
    pub(super) fn scan(&self, storage: StorageId, range: KeyRange) -> Result<BeneathRows<'c>> {
        let earlier = match self.earlier.filter(|earlier| earlier.touches(storage)) {
            None => None,
            Some(earlier) => Some(earlier.all_in(storage, &range).map_err(storage_error)?),
        };
        Ok(BeneathRows {
            stored: self.snapshot.scan(storage, range, Direction::Forward),
            earlier,
            next_stored: None,
            next_earlier: None,
        })
    }
}

/// Rows of a range, ascending.
pub(super) struct BeneathRows<'c> {
    stored: Scan,
    earlier: Option<StagedRows<'c>>,
    next_stored: Option<(Key, Arc<[u8]>)>,
    next_earlier: Option<(Key, Staged)>,
}

impl BeneathRows<'_> {
    pub(super) fn next(&mut self) -> Result<Option<(Key, Arc<[u8]>)>> {
        loop {
            if self.next_stored.is_none() {
                self.next_stored = self.stored.next().map_err(storage_error)?;
            }
            let Some(earlier) = &mut self.earlier else {
                return Ok(self.next_stored.take());
            };
            if self.next_earlier.is_none() {
                self.next_earlier = earlier.next().map_err(storage_error)?;
            }
            let Some((key, staged)) = self.next_earlier.take() else {
                self.earlier = None;
                continue;
            };
            match &self.next_stored {
                Some((stored, _)) if *stored < key => {
                    self.next_earlier = Some((key, staged));
                    return Ok(self.next_stored.take());
                }
                Some((stored, _)) if *stored == key => self.next_stored = None,
                _ => {}
            }
            if let Some(image) = staged.after {
                return Ok(Some((key, image)));
            }
        }
    }
}
