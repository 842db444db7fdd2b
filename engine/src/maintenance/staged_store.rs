//! `StagedStore`: both images around a commit as the operators see them: the snapshot before, and the same under the
//! rows staged so far. What operators put goes into the staged rows, as operator state.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

use tailwater_proto::{Key, KeyRange, StorageId};
use tailwater_views::store::Visit;
use tailwater_views::{Image, Result, StateStore};

use super::beneath::{Beneath, BeneathRows};
use crate::catalog::system_storage;
use crate::txn::{Section, Target, WriteSet, storage_error};

/// The images around a commit.
pub(crate) struct StagedStore<'c> {
    /// Before the commit.
    pub(crate) before: Beneath<'c>,
    /// Rows staged so far.
    pub(crate) writes: &'c mut WriteSet,
    /// Storages that count as empty before the commit: the sources of a view that is being filled.
    pub(crate) empty_before: BTreeSet<StorageId>,
    /// The storage and schema version of the view that is stepped: its rows are derived changes, all else is state.
    pub(crate) view: (StorageId, u32),
}

impl StagedStore<'_> {
    /// Stored rows under staged ones of which some have spilled.
    fn scan_spilled(
        &self,
        mut stored: BeneathRows<'_>,
        storage: StorageId,
        range: &KeyRange,
        visit: Visit<'_>,
    ) -> Result<()> {
        let mut staged = self.writes.all_in(storage, range).map_err(storage_error)?;
        let mut next_stored = stored.next()?;
        while let Some((key, row)) = staged.next().map_err(storage_error)? {
            while let Some((stored_key, image)) = next_stored.take_if(|(other, _)| *other <= key) {
                if stored_key < key && !visit(&stored_key, &image)? {
                    return Ok(());
                }
                next_stored = stored.next()?;
            }
            if let Some(image) = &row.after
                && !visit(&key, image)?
            {
                return Ok(());
            }
        }
        while let Some((key, image)) = next_stored {
            if !visit(&key, &image)? {
                return Ok(());
            }
            next_stored = stored.next()?;
        }
        Ok(())
    }
}

impl StateStore for StagedStore<'_> {
    fn get(&self, image: Image, storage: StorageId, key: &Key) -> Result<Option<Arc<[u8]>>> {
        match image {
            Image::Before if self.empty_before.contains(&storage) => return Ok(None),
            Image::Before => {}
            Image::After => {
                if let Some(staged) = self.writes.get(storage, key).map_err(storage_error)? {
                    return Ok(staged);
                }
            }
        }
        self.before.get(storage, key)
    }

    fn scan(
        &self,
        image: Image,
        storage: StorageId,
        range: KeyRange,
        visit: Visit<'_>,
    ) -> Result<()> {
        if image == Image::Before && self.empty_before.contains(&storage) {
            return Ok(());
        }
        let mut stored = self.before.scan(storage, range.clone())?;
        if image == Image::After && self.writes.has_spilled() {
            return self.scan_spilled(stored, storage, &range, visit);
        }
        let mut next_stored = stored.next()?;
        if image == Image::After
            && let Some(staged) = self.writes.rows_in(storage, &range)
        {
            for (key, row) in staged {
                while let Some((stored_key, image)) = &next_stored {
                    match (**stored_key).cmp(&**key) {
                        Ordering::Less => {
                            if !visit(stored_key, image)? {
                                return Ok(());
                            }
                            next_stored = stored.next()?;
                        }
                        Ordering::Equal => {
                            next_stored = stored.next()?;
                            break;
                        }
                        Ordering::Greater => break,
                    }
                }
                if let Some(image) = &row.after
                    && !visit(key, image)?
                {
                    return Ok(());
                }
            }
        }
        while let Some((key, image)) = &next_stored {
            if !visit(key, image)? {
                return Ok(());
            }
            next_stored = stored.next()?;
        }
        Ok(())
    }

    fn put(
        &mut self,
        storage: StorageId,
        key: Key,
        before: Option<Arc<[u8]>>,
        after: Option<Arc<[u8]>>,
    ) {
        let (view, schema_version) = self.view;
        let target = if storage == view {
            Target {
                storage,
                section: Section::Derived,
                schema_version,
            }
        } else if storage == system_storage::VIEW_ERRORS {
            Target {
                storage,
                section: Section::Derived,
                schema_version: 0,
            }
        } else {
            Target {
                storage,
                section: Section::State,
                schema_version: 0,
            }
        };
        self.writes.put(target, key, before, after);
    }
}
