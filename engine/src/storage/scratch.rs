//! `Scratch`: staged rows that a transaction has no room for in memory, in a file of its own that is never synced.
//!
//! It lies in the database's folder and is removed with its transaction, or when the database is opened next: nothing of it
//! is ever needed after a crash. It keeps opaque bytes by storage and key, and a stack of notes. Each write makes a new
//! [`ScratchView`]; older ones stay as they are. Next door: `txn`, which says what the bytes mean.

use std::fmt;
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use redb::{
    Builder, Database, OwnedRange, ReadableDatabase, ReadableTable, TableHandle, WriteTransaction,
};
use tailwater_proto::{Direction, Key, KeyRange, StorageId};
use tailwater_wal::vfs::{OpenMode, Vfs, VfsFile};

use super::base::{Table, definition, guarded, table_name, table_storage};
use super::error::{Result, StorageError};
use super::file::{in_file, io as io_error};
use super::memtable::bound;

/// What the names of such files begin with.
const NAME_PREFIX: &str = "scratch-";
/// The table of notes.
const NOTES: &str = "notes";

/// Where transactions put what they have no room for. Clones are the same room; each lane of threads counts references to
/// one of its own, in a line of memory of its own.
#[derive(Clone)]
#[repr(align(128))]
pub(crate) struct ScratchRoom {
    vfs: Arc<dyn Vfs>,
    dir: PathBuf,
    cache_bytes: usize,
    next: Arc<AtomicU64>,
}

impl ScratchRoom {
    /// Room in the folder `dir`; each file keeps so many bytes of its pages in memory.
    pub(crate) fn new(vfs: Arc<dyn Vfs>, dir: &Path, cache_bytes: usize) -> Self {
        Self {
            vfs,
            dir: dir.to_owned(),
            cache_bytes,
            next: Arc::new(AtomicU64::new(1)),
        }
    }

    /// Removes what a process that ended has left.
    ///
    /// # Errors
    /// When the file system refuses.
    pub(crate) fn clear(&self) -> Result<()> {
        let names = self.vfs.list(&self.dir).map_err(io_error)?;
        for name in names.iter().filter(|name| name.starts_with(NAME_PREFIX)) {
            let path = self.dir.join(name);
            self.vfs
                .remove(&path)
                .map_err(|error| in_file(io_error(error), &path))?;
        }
        Ok(())
    }

    /// Makes an empty file.
    ///
    /// # Errors
    /// When the file system refuses.
    pub(crate) fn make(&self) -> Result<Scratch> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let path = self.dir.join(format!("{NAME_PREFIX}{number}.redb"));
        let made = || {
            let file = self
                .vfs
                .open(&path, OpenMode::CreateNew)
                .map_err(io_error)?;
            let cache_bytes = self.cache_bytes;
            guarded(|| {
                Builder::new()
                    .set_cache_size(cache_bytes)
                    .create_with_backend(Unsynced(file))
            })
        };
        let database = made().inspect_err(|_| drop(self.vfs.remove(&path)));
        let database = database.map_err(|error| in_file(error, &path))?;
        Ok(Scratch {
            database: Some(database),
            vfs: Arc::clone(&self.vfs),
            path,
        })
    }
}

impl fmt::Debug for ScratchRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScratchRoom")
            .field("dir", &self.dir)
            .finish_non_exhaustive()
    }
}

/// A file without syncs, for what no crash has to leave.
#[derive(Debug)]
struct Unsynced(Arc<dyn VfsFile>);

impl redb::StorageBackend for Unsynced {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(out, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write_all_at(data, offset)
    }
}

/// One such file; dropping it removes it.
pub(crate) struct Scratch {
    /// There until it is dropped.
    database: Option<Database>,
    vfs: Arc<dyn Vfs>,
    path: PathBuf,
}

impl Scratch {
    /// Changes rows and notes, all or, after an error, none. What there is then.
    ///
    /// # Errors
    /// When the file system refuses: the file is of no use any more.
    pub(crate) fn write(
        &self,
        work: impl FnOnce(&ScratchWriter<'_>) -> std::result::Result<(), redb::Error>,
    ) -> Result<ScratchView> {
        let Some(database) = &self.database else {
            return Err(StorageError::Closed);
        };
        guarded(|| {
            let transaction = database.begin_write()?;
            work(&ScratchWriter(&transaction))?;
            transaction.commit()?;
            view(database)
        })
        .map_err(|error| in_file(error, &self.path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // After an error redb may panic while it closes.
        let _ = guarded(|| {
            drop(self.database.take());
            Ok::<_, redb::Error>(())
        });
        // If it does not work now, the next opening removes it.
        let _ = self.vfs.remove(&self.path);
    }
}

impl fmt::Debug for Scratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scratch")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// A change of a [`Scratch`] under way.
pub(crate) struct ScratchWriter<'t>(&'t WriteTransaction);

impl ScratchWriter<'_> {
    /// Puts rows of one storage, ascending by key, or (`None`) takes them out.
    pub(crate) fn rows<'r>(
        &self,
        id: StorageId,
        rows: impl Iterator<Item = (&'r Key, Option<Vec<u8>>)>,
    ) -> std::result::Result<(), redb::Error> {
        let name = table_name(id);
        let mut table = self.0.open_table(definition(&name))?;
        let last = table.last()?.map(|(key, _)| Key::from(key.value()));
        let mut rows = rows.peekable();
        while let Some((key, row)) =
            rows.next_if(|(key, _)| last.as_ref().is_some_and(|last| *key <= last))
        {
            match row {
                Some(row) => drop(table.insert(&**key, &*row)?),
                None => drop(table.remove(&**key)?),
            }
        }
        let mut end = table.upper_bound_mut(Bound::<&[u8]>::Unbounded)?;
        for (key, row) in rows {
            if let Some(row) = row {
                end.insert_before(&**key, &*row)?;
            }
        }
        end.close()?;
        Ok(())
    }

    /// Puts notes on the stack, which is `from` high.
    pub(crate) fn push_notes(
        &self,
        from: u64,
        notes: impl Iterator<Item = Vec<u8>>,
    ) -> std::result::Result<(), redb::Error> {
        let mut table = self.0.open_table(definition(NOTES))?;
        for (number, note) in (from..).zip(notes) {
            table.insert(&number.to_be_bytes()[..], &*note)?;
        }
        Ok(())
    }
}

/// What a [`Scratch`] held at one moment.
pub(crate) struct ScratchView {
    tables: Vec<(StorageId, Table, Key)>,
    notes: Option<Table>,
}

fn view(database: &Database) -> std::result::Result<ScratchView, redb::Error> {
    let transaction = database.begin_read()?;
    let (mut tables, mut notes) = (Vec::new(), None);
    let ids: Vec<Option<StorageId>> = transaction
        .list_tables()?
        .map(|table| table_storage(table.name()))
        .collect();
    for id in ids {
        let Some(id) = id else {
            notes = Some(transaction.open_table(definition(NOTES))?);
            continue;
        };
        let table = transaction.open_table(definition(&table_name(id)))?;
        let last = table.last()?.map(|(key, _)| Key::from(key.value()));
        if let Some(last) = last {
            tables.push((id, table, last));
        }
    }
    tables.sort_unstable_by_key(|(id, _, _)| *id);
    Ok(ScratchView { tables, notes })
}

impl ScratchView {
    fn table(&self, id: StorageId) -> Option<&(StorageId, Table, Key)> {
        let at = self.tables.binary_search_by_key(&id, |(id, _, _)| *id).ok();
        at.and_then(|at| self.tables.get(at))
    }

    /// Whether there is a row of that storage.
    pub(crate) fn touches(&self, id: StorageId) -> bool {
        self.table(id).is_some()
    }

    /// What `read` makes of the row under a key, if there is one.
    ///
    /// # Errors
    /// When the file system refuses.
    pub(crate) fn get<T>(
        &self,
        id: StorageId,
        key: &Key,
        read: impl FnOnce(&[u8]) -> T,
    ) -> Result<Option<T>> {
        // Keys that ascend are answered without a search.
        let Some((_, table, _)) = self.table(id).filter(|(_, _, last)| key <= last) else {
            return Ok(None);
        };
        guarded(|| {
            let row = table.get_owned(&**key)?;
            Ok::<_, redb::StorageError>(row.map(|row| read(row.value())))
        })
    }

    /// The rows of a range, in order.
    ///
    /// # Errors
    /// When the file system refuses.
    pub(crate) fn range(
        &self,
        id: StorageId,
        range: &KeyRange,
        direction: Direction,
    ) -> Result<ScratchCursor> {
        let rows = match self.table(id).filter(|_| !range.is_empty()) {
            None => None,
            Some((_, table, _)) => Some(Box::new(guarded(|| {
                table.range_owned::<&[u8]>((bound(&range.lo), bound(&range.hi)))
            })?)),
        };
        Ok(ScratchCursor { rows, direction })
    }

    /// What `read` makes of the notes from number `from` to below `upto`, the last first.
    ///
    /// # Errors
    /// When the file system refuses.
    pub(crate) fn notes<T>(
        &self,
        from: u64,
        upto: u64,
        mut read: impl FnMut(&[u8]) -> T,
    ) -> Result<Vec<T>> {
        let Some(table) = self.notes.as_ref().filter(|_| from < upto) else {
            return Ok(Vec::new());
        };
        let (from, upto) = (from.to_be_bytes(), upto.to_be_bytes());
        guarded(|| {
            let notes = table.range(&from[..]..&upto[..])?.rev();
            notes
                .map(|note| note.map(|(_, note)| read(note.value())))
                .collect::<std::result::Result<_, redb::StorageError>>()
        })
    }
}

impl fmt::Debug for ScratchView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScratchView")
            .field("storages", &self.tables.len())
            .finish_non_exhaustive()
    }
}

/// Reads a range of a [`ScratchView`], which it keeps.
pub(crate) struct ScratchCursor {
    rows: Option<Box<OwnedRange<&'static [u8], &'static [u8]>>>,
    direction: Direction,
}

impl ScratchCursor {
    /// The next key, with what `read` makes of its row.
    ///
    /// # Errors
    /// When the file system refuses.
    pub(crate) fn next<T>(&mut self, read: impl FnOnce(&[u8]) -> T) -> Result<Option<(Key, T)>> {
        let Some(rows) = &mut self.rows else {
            return Ok(None);
        };
        let direction = self.direction;
        guarded(|| {
            let row = match direction {
                Direction::Forward => rows.next(),
                Direction::Reverse => rows.next_back(),
            };
            let row = row.transpose()?;
            Ok::<_, redb::StorageError>(
                row.map(|(key, row)| (Key::from(key.value()), read(row.value()))),
            )
        })
    }
}
