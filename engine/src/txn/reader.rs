//! How plans see storages: a snapshot, under what the transaction has staged itself. What is read is noted for the
//! commit's check. The merge of stored layers is the storage's; here only the transaction's own rows lie on top.

use std::ops::Bound;
use std::sync::Arc;

use tailwater_proto::{Direction, Key, KeyRange, StorageId};
use tailwater_views::{Cursor, Reader, Result};

use super::read_set::ReadSet;
use super::spill::SpillCursor;
use super::write_set::{AfterImage, Staged, WriteSet};
use crate::storage::{Scan, Snapshot, StorageError};

/// One consistent image: a snapshot and, on top, staged rows.
#[derive(Clone)]
pub(crate) struct TxnReader {
    pub(crate) snapshot: Snapshot,
    pub(crate) writes: Option<Arc<WriteSet>>,
    pub(crate) reads: Option<Arc<ReadSet>>,
}

impl TxnReader {
    /// The snapshot alone, with nothing noted: for read-only work.
    pub(crate) fn snapshot_only(snapshot: Snapshot) -> Self {
        Self {
            snapshot,
            writes: None,
            reads: None,
        }
    }
}

/// A storage error as the evaluator hands it on.
pub(crate) fn storage_error(error: StorageError) -> tailwater_views::Error {
    match error {
        StorageError::Corrupted { .. } => tailwater_views::Error::Corrupted {
            message: error.to_string(),
        },
        error => tailwater_views::Error::Storage {
            sqlstate: error.sqlstate(),
            message: error.to_string(),
        },
    }
}

impl Reader for TxnReader {
    fn get(&self, storage: StorageId, key: &Key) -> Result<Option<Arc<[u8]>>> {
        if let Some(writes) = &self.writes
            && let Some(staged) = writes.get(storage, key).map_err(storage_error)?
        {
            return Ok(staged);
        }
        if let Some(reads) = &self.reads {
            reads.add_point(storage, key);
        }
        self.snapshot.get(storage, key).map_err(storage_error)
    }

    fn scan(
        &self,
        storage: StorageId,
        range: KeyRange,
        direction: Direction,
    ) -> Result<Box<dyn Cursor>> {
        if let Some(reads) = &self.reads {
            reads.add_range(storage, &range);
        }
        let stored = self.snapshot.scan(storage, range.clone(), direction);
        let own = self
            .writes
            .as_ref()
            .filter(|writes| writes.touches(storage));
        Ok(match own {
            None => Box::new(StoredCursor(stored)),
            Some(writes) => Box::new(MergedCursor {
                stored,
                next_stored: None,
                stored_ended: false,
                spilled: writes
                    .spilled_range(storage, &range, direction)
                    .map_err(storage_error)?,
                next_spilled: None,
                writes: Arc::clone(writes),
                storage,
                rest: range,
                direction,
            }),
        })
    }
}

struct StoredCursor(Scan);

impl Cursor for StoredCursor {
    fn next(&mut self) -> Result<Option<(Key, Arc<[u8]>)>> {
        self.0.next().map_err(storage_error)
    }
}

/// Stored rows and staged rows in one order; a staged row hides the stored one of its key.
struct MergedCursor {
    stored: Scan,
    next_stored: Option<(Key, Arc<[u8]>)>,
    stored_ended: bool,
    spilled: Option<SpillCursor>,
    next_spilled: Option<(Key, Staged)>,
    writes: Arc<WriteSet>,
    storage: StorageId,
    /// What of the range the staged side has not given yet.
    rest: KeyRange,
    direction: Direction,
}

impl MergedCursor {
    fn peek_stored(&mut self) -> Result<Option<&Key>> {
        if self.next_stored.is_none() && !self.stored_ended {
            self.next_stored = self.stored.next().map_err(storage_error)?;
            self.stored_ended = self.next_stored.is_none();
        }
        Ok(self.next_stored.as_ref().map(|(key, _)| key))
    }

    fn peek_staged(&mut self) -> Result<Option<AfterImage>> {
        loop {
            let found: Option<(&Key, &Staged)> = match self.direction {
                Direction::Forward => self.writes.first(self.storage, &self.rest),
                Direction::Reverse => self.writes.last(self.storage, &self.rest),
            };
            let found = found.map(|(key, staged)| (key.clone(), staged.clone()));
            if self.spilled.is_none() {
                return Ok(found.map(|(key, staged)| (key, staged.after)));
            }
            let staged = self.least_staged(found)?;
            match staged {
                // Taken back: what is stored shows.
                Some((key, staged)) if staged.is_absent() => self.pass(key),
                staged => return Ok(staged.map(|(key, staged)| (key, staged.after))),
            }
        }
    }

    /// The next staged row, `found` in memory or spilled.
    fn least_staged(&mut self, found: Option<(Key, Staged)>) -> Result<Option<(Key, Staged)>> {
        if self.next_spilled.is_none()
            && let Some(spilled) = &mut self.spilled
        {
            self.next_spilled = spilled.next().map_err(storage_error)?;
        }
        Ok(match (found, &self.next_spilled) {
            (found, None) => found,
            (None, spilled) => spilled.clone(),
            (Some(found), Some((key, _))) => {
                let order = found.0.cmp(key);
                let spilled_first = match self.direction {
                    Direction::Forward => order.is_gt(),
                    Direction::Reverse => order.is_lt(),
                };
                if spilled_first {
                    self.next_spilled.clone()
                } else {
                    Some(found)
                }
            }
        })
    }

    fn pass(&mut self, key: Key) {
        if self
            .next_spilled
            .as_ref()
            .is_some_and(|(spilled, _)| *spilled == key)
        {
            self.next_spilled = None;
        }
        match self.direction {
            Direction::Forward => self.rest.lo = Bound::Excluded(key),
            Direction::Reverse => self.rest.hi = Bound::Excluded(key),
        }
    }
}

impl Cursor for MergedCursor {
    fn next(&mut self) -> Result<Option<(Key, Arc<[u8]>)>> {
        loop {
            let Some((staged_key, staged)) = self.peek_staged()? else {
                self.peek_stored()?;
                return Ok(self.next_stored.take());
            };
            let direction = self.direction;
            let stored_first = self.peek_stored()?.map(|stored| match direction {
                Direction::Forward => (**stored).cmp(&*staged_key),
                Direction::Reverse => (*staged_key).cmp(&**stored),
            });
            match stored_first {
                Some(std::cmp::Ordering::Less) => return Ok(self.next_stored.take()),
                Some(std::cmp::Ordering::Equal) => self.next_stored = None,
                Some(std::cmp::Ordering::Greater) | None => {}
            }
            self.pass(staged_key.clone());
            if let Some(image) = staged {
                return Ok(Some((staged_key, image)));
            }
        }
    }
}
