//! A transaction: a snapshot, what it has read, what it has staged, and the catalog as it sees it.
//!
//! Nothing is locked: a commit checks whether anything read has changed since. The sequencer (`commit`) is the next
//! door; a transaction never writes to the log or the store itself.

mod key_map;
mod read_set;
mod reader;
mod spill;
mod write_set;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;

use tailwater_proto::{Key, KeyRange, Lsn, StorageId};
use tailwater_views::{CancelToken, Counters, ExecContext, Reader};

pub(crate) use self::read_set::ReadSet;
pub(crate) use self::reader::{TxnReader, storage_error};
use self::write_set::Mark;
pub(crate) use self::write_set::{Section, Staged, StagedRows, Target, WriteSet};
use crate::catalog::{Catalog, Object, ObjectId, encode_object, object_key, system_storage};
use crate::error::{Error, Result};
use crate::storage::{ScratchRoom, Snapshot};

/// What a transaction may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Reads at the visible LSN, notes nothing, cannot write.
    ReadOnly,
    /// Reads the sequenced tip, notes what it reads, may write.
    ReadWrite,
}

/// A transaction that is under way.
pub(crate) struct Transaction {
    pub(crate) mode: Mode,
    pub(crate) snapshot: Snapshot,
    pub(crate) catalog: Arc<Catalog>,
    /// The catalog's version when the transaction began.
    pub(crate) catalog_version: u64,
    pub(crate) writes: Arc<WriteSet>,
    pub(crate) reads: Arc<ReadSet>,
    /// What `now()` returns: microseconds since 1970-01-01 UTC.
    pub(crate) now_us: i64,
    pub(crate) principal: Arc<str>,
    /// Storages of dropped objects: deleted after the commit.
    pub(crate) dropped: Vec<StorageId>,
    /// Materialised views created here: filled at the commit.
    pub(crate) created: BTreeSet<ObjectId>,
    /// The write set with the views' changes that follow from it, for reads of views: (version, set).
    pub(crate) with_views: Option<(u64, Arc<WriteSet>)>,
    /// The surroundings of a statement for the same principal, to be used again: a transaction may be a thousand small
    /// statements.
    pub(crate) spare_context: Option<ExecContext>,
}

/// A place in a transaction to which it can go back.
pub(crate) struct Savepoint {
    mark: Mark,
    catalog: Arc<Catalog>,
    dropped: usize,
    created: BTreeSet<ObjectId>,
}

impl Transaction {
    pub(crate) fn new(
        mode: Mode,
        snapshot: Snapshot,
        catalog: Arc<Catalog>,
        now_us: i64,
        principal: Arc<str>,
        room: Arc<ScratchRoom>,
        bytes_max: u64,
    ) -> Self {
        Self {
            mode,
            snapshot,
            catalog_version: catalog.version(),
            catalog,
            writes: Arc::new(WriteSet::bounded(room, bytes_max)),
            reads: Arc::default(),
            now_us,
            principal,
            dropped: Vec::new(),
            created: BTreeSet::new(),
            with_views: None,
            spare_context: None,
        }
    }

    /// Surroundings for the next statement: of this transaction, with nothing counted yet.
    pub(crate) fn take_context(&mut self, cancel: &CancelToken) -> ExecContext {
        if let Some(mut cx) = self.spare_context.take()
            // Rows that are still being read go on counting in theirs.
            && let Some(counters) = Arc::get_mut(&mut cx.counters)
        {
            *counters = Counters::default();
            cx.cancel = cancel.clone();
            cx.now_us = self.now_us;
            return cx;
        }
        ExecContext {
            cancel: cancel.clone(),
            deadline: None,
            memory_bytes_max: u64::MAX,
            rows_max: u64::MAX,
            now_us: self.now_us,
            principal: Arc::clone(&self.principal),
            parameters: Arc::from([]),
            entropy: None,
            counters: Arc::default(),
        }
    }

    /// The LSN it reads at.
    pub(crate) fn lsn(&self) -> Lsn {
        self.snapshot.lsn()
    }

    /// The version of the catalog under which plans may be kept and found; `None` once the transaction has changed
    /// its own catalog: another transaction may come to the same version by other changes.
    pub(crate) fn plan_version(&self) -> Option<u64> {
        let version = self.catalog.version();
        (version == self.catalog_version).then_some(version)
    }

    /// The image statements read: the snapshot under the staged rows.
    pub(crate) fn reader(&self) -> TxnReader {
        match self.mode {
            Mode::ReadOnly => TxnReader::snapshot_only(self.snapshot.clone()),
            Mode::ReadWrite => TxnReader {
                snapshot: self.snapshot.clone(),
                writes: (!self.writes.is_empty()).then(|| Arc::clone(&self.writes)),
                reads: Some(Arc::clone(&self.reads)),
            },
        }
    }

    /// The staged image of a key, or the stored one; noted as read.
    pub(crate) fn get(&self, storage: StorageId, key: &Key) -> Result<Option<Arc<[u8]>>> {
        if let Some(staged) = self.writes.get(storage, key)? {
            return Ok(staged);
        }
        self.reads.add_point(storage, key);
        Ok(self.snapshot.get(storage, key)?)
    }

    /// The first row of a range, staged rows included; noted as read.
    pub(crate) fn first_in(&self, storage: StorageId, range: KeyRange) -> Result<Option<Key>> {
        let mut cursor = self
            .reader()
            .scan(storage, range, tailwater_proto::Direction::Forward)?;
        Ok(cursor.next()?.map(|(key, _)| key))
    }

    /// Stages a row.
    ///
    /// # Errors
    /// When the rows there is no room for in memory cannot be written: the transaction can only be rolled back then.
    pub(crate) fn stage(
        &mut self,
        target: Target,
        key: Key,
        before: Option<Arc<[u8]>>,
        after: Option<Arc<[u8]>>,
    ) -> Result<()> {
        let writes = Arc::make_mut(&mut self.writes);
        writes.put(target, key, before, after);
        Ok(writes.check()?)
    }

    /// The rows staged so far, to be changed.
    fn writes_mut(&mut self) -> &mut WriteSet {
        Arc::make_mut(&mut self.writes)
    }

    /// Adds, changes or (`after` absent) drops an object, in the catalog and as a catalog row.
    pub(crate) fn put_object(&mut self, id: ObjectId, after: Option<Object>) -> Result<()> {
        let key = object_key(id);
        let before = match self.writes.get(system_storage::OBJECTS, &key)? {
            Some(_) => None,
            None => self.snapshot.get(system_storage::OBJECTS, &key)?,
        };
        let image = match &after {
            Some(object) => Some(encode_object(object).map_err(|why| {
                Error::corrupted(format!("object {} cannot be stored: {why}", object.name()))
            })?),
            None => None,
        };
        let target = Target {
            storage: system_storage::OBJECTS,
            section: Section::Base,
            schema_version: 0,
        };
        self.stage(target, key, before, image)?;
        let catalog = Arc::make_mut(&mut self.catalog);
        match after {
            Some(object) => catalog.put(object),
            None => {
                catalog.remove(id);
            }
        }
        Ok(())
    }

    /// No savepoint taken so far will be gone back to.
    pub(crate) fn release_savepoints(&mut self) {
        // Rows that are still being read keep the set as it is.
        if let Some(writes) = Arc::get_mut(&mut self.writes) {
            writes.forget_marks_so_far();
        }
    }

    /// Here and now.
    pub(crate) fn savepoint(&mut self) -> Savepoint {
        // A transaction of one statement never goes back to a place in it: only from the first savepoint on is noted how.
        if !self.writes.keeps_marks() {
            self.writes_mut().keep_marks();
        }
        Savepoint {
            mark: self.writes.mark(),
            catalog: Arc::clone(&self.catalog),
            dropped: self.dropped.len(),
            created: self.created.clone(),
        }
    }

    /// Takes back all that was done after the savepoint.
    pub(crate) fn rollback_to(&mut self, savepoint: &Savepoint) {
        if self.writes.mark() != savepoint.mark {
            self.writes_mut().rollback_to(savepoint.mark);
        }
        self.catalog = Arc::clone(&savepoint.catalog);
        self.dropped.truncate(savepoint.dropped);
        self.created.clone_from(&savepoint.created);
    }
}
