//! Copies: all rows of one state in a storage file of their own, written in order and in one piece.
//!
//! The copy is durable when it is done, and closed; until it is renamed it is nobody's. Next door: `checkpoint`, which
//! writes changes into the file that is in use.

use std::collections::BTreeSet;
use std::io;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;

use redb::Builder;
use tailwater_proto::{Direction, Key, KeyRange, Lsn, StorageId};
use tailwater_wal::vfs::{OpenMode, Vfs};

use super::backend::WriterBackend;
use super::base::{definition, encode_row, guarded, table_name};
use super::checkpoint::{Transaction, write_meta};
use super::error::{Result, StorageError};
use super::file::{in_file, io as io_error};
use super::snapshot::Snapshot;

/// What a copy holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CopyReport {
    /// Rows of all storages.
    pub(crate) rows: u64,
    /// Bytes of the file.
    pub(crate) bytes: u64,
}

/// The rows of one storage, ascending.
pub(super) type CopyRows<'r> = &'r mut dyn FnMut() -> Result<Option<(Key, Arc<[u8]>)>>;

/// Writes the rows of a snapshot's storages into a new file at `path`, which must not be there; `rows_of` is told how
/// many each had.
///
/// # Errors
/// What reading the snapshot fails with; I/O of the new file, which is of no use then.
pub(crate) fn copy_snapshot(
    vfs: &dyn Vfs,
    path: &Path,
    cache_bytes: usize,
    snapshot: &Snapshot,
    storages: &BTreeSet<StorageId>,
    meta: &[(&str, Vec<u8>)],
    rows_of: &mut dyn FnMut(StorageId, u64),
) -> Result<CopyReport> {
    write_copy(vfs, path, cache_bytes, snapshot.lsn(), meta, &mut |copy| {
        for id in storages {
            let mut scan = snapshot.scan(*id, KeyRange::all(), Direction::Forward);
            rows_of(*id, copy.storage(*id, &mut || scan.next())?);
        }
        Ok(())
    })
}

/// A copy that is being written.
pub(super) struct Copy<'t> {
    transaction: &'t redb::WriteTransaction,
    rows: u64,
}

/// What writing a copy stopped at.
pub(super) enum Stopped {
    Reading(StorageError),
    Writing(redb::Error),
}

impl From<StorageError> for Stopped {
    fn from(error: StorageError) -> Self {
        Self::Reading(error)
    }
}

fn writing(error: impl Into<redb::Error>) -> Stopped {
    Stopped::Writing(error.into())
}

impl Copy<'_> {
    /// Writes all rows of one storage; says how many.
    pub(super) fn storage(
        &mut self,
        id: StorageId,
        next: CopyRows<'_>,
    ) -> std::result::Result<u64, Stopped> {
        let Some(mut row) = next()? else {
            return Ok(0);
        };
        let name = table_name(id);
        let mut table = self
            .transaction
            .open_table(definition(&name))
            .map_err(writing)?;
        let unbounded = Bound::<&[u8]>::Unbounded;
        let mut end = table.upper_bound_mut(unbounded).map_err(writing)?;
        let mut encoded = Vec::new();
        let mut rows = 0;
        loop {
            let (key, value) = &row;
            encode_row(id, key, value, &mut encoded);
            end.insert_before(&**key, encoded.as_slice())
                .map_err(writing)?;
            rows += 1;
            match next()? {
                Some(another) => row = another,
                None => break,
            }
        }
        end.close().map_err(writing)?;
        self.rows += rows;
        Ok(rows)
    }
}

/// Writes a new file that holds exactly the commits up to `applied`.
pub(super) fn write_copy(
    vfs: &dyn Vfs,
    path: &Path,
    cache_bytes: usize,
    applied: Lsn,
    meta: &[(&str, Vec<u8>)],
    work: &mut dyn FnMut(&mut Copy<'_>) -> std::result::Result<(), Stopped>,
) -> Result<CopyReport> {
    let file = vfs
        .open(path, OpenMode::CreateNew)
        .map_err(|error| in_file(io_error(error), path))?;
    // From now on a crash leaves something to be seen.
    if let Some(dir) = path.parent() {
        vfs.sync_dir(dir)
            .map_err(|error| in_file(io_error(error), dir))?;
    }
    let mut report = CopyReport::default();
    let mut stopped = None;
    let backend = WriterBackend::new(Arc::clone(&file), None, Arc::default());
    let meta: Vec<(String, Vec<u8>)> = meta
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect();
    let opened = guarded(|| {
        Builder::new()
            .set_cache_size(cache_bytes)
            .create_with_backend(backend)
    });
    let written = opened.and_then(|database| {
        let transaction = Transaction::begin(&database)?;
        transaction.with(|transaction| {
            let mut copy = Copy {
                transaction,
                rows: 0,
            };
            match work(&mut copy) {
                Ok(()) => report.rows = copy.rows,
                Err(Stopped::Writing(error)) => return Err(error),
                Err(Stopped::Reading(error)) => {
                    stopped = Some(error);
                    return Err(io::Error::other("what is copied cannot be read").into());
                }
            }
            write_meta(transaction, applied, &meta)
        })?;
        transaction.commit()?;
        guarded(|| database.close())
    });
    if let Some(error) = stopped {
        return Err(error);
    }
    let finished =
        written.and_then(|()| file.sync_data().and_then(|()| file.len()).map_err(io_error));
    report.bytes = finished.map_err(|error| in_file(error, path))?;
    Ok(report)
}
