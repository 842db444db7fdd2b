//! Copies: all rows of one state in a storage file of their own, written in order and in one piece.
//!
//! The copy is durable when it is done, and closed; until it is renamed it is nobody's. Next door: `checkpoint`, which
//! writes changes into the file that is in use.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::{Builder, Database};
use tailwater_proto::{Direction, Key, KeyRange, Lsn, StorageId};
use tailwater_wal::vfs::{OpenMode, Vfs, VfsFile};

use super::backend::WriterBackend;
use super::base::{definition, encode_row, guarded, table_name};
use super::checkpoint::{Transaction, write_meta};
use super::error::{Result, StorageError};
use super::file::{in_file, io as io_error};
use super::pace::Pace;
use super::page_sums::PageSums;
use super::snapshot::Snapshot;

/// What a copy holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CopyReport {
    /// Rows of all storages.
    pub(crate) rows: u64,
    /// Bytes of the file.
    pub(crate) bytes: u64,
}

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
    let mut copy = Copy::begin(vfs, path, cache_bytes)?;
    for id in storages {
        let mut scan = snapshot.scan(*id, KeyRange::all(), Direction::Forward);
        rows_of(
            *id,
            copy.append(*id, &mut || scan.next(), Limit::NONE)?.rows,
        );
    }
    let rows = copy.rows;
    let bytes = copy.finish(snapshot.lsn(), meta)?;
    Ok(CopyReport { rows, bytes })
}

/// A file that is so many halves of what was written into it has too much that is empty.
const SLACK: u64 = 3;

/// In a smaller file that is no matter.
const SLACK_BYTES_MIN: u64 = 4 << 20;

/// A key with its value.
type Row = (Key, Arc<[u8]>);

/// Where an append stops, unless it is at the end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    pub(super) rows: u64,
    pub(super) bytes: u64,
}

impl Limit {
    /// Nowhere else.
    pub(super) const NONE: Self = Self {
        rows: u64::MAX,
        bytes: u64::MAX,
    };
}

/// What an append did.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Appended {
    pub(super) rows: u64,
    pub(super) bytes: u64,
    /// There was nothing more to come.
    pub(super) is_end: bool,
}

/// A copy that is being written. Dropping one leaves a file that is of no use.
pub(super) struct Copy {
    path: PathBuf,
    file: Arc<dyn VfsFile>,
    /// There until it is finished; the transaction goes first.
    transaction: Option<Transaction>,
    database: Option<Database>,
    rows: u64,
    /// Bytes of keys and values.
    bytes: u64,
}

impl Copy {
    /// Makes a new file at `path`, where none may be.
    pub(super) fn begin(vfs: &dyn Vfs, path: &Path, cache_bytes: usize) -> Result<Self> {
        let file = vfs
            .open(path, OpenMode::CreateNew)
            .map_err(|error| in_file(io_error(error), path))?;
        // From now on a crash leaves something to be seen.
        if let Some(dir) = path.parent() {
            vfs.sync_dir(dir)
                .map_err(|error| in_file(io_error(error), dir))?;
        }
        let mut copy = Self {
            path: path.to_owned(),
            file: Arc::clone(&file),
            transaction: None,
            database: None,
            rows: 0,
            bytes: 0,
        };
        let sums = PageSums::create(vfs, path).map_err(|error| in_file(io_error(error), path))?;
        let backend = WriterBackend::new(file, None, Some(sums), Arc::default(), Pace::none());
        let opened = guarded(|| {
            Builder::new()
                .set_cache_size(cache_bytes)
                .create_with_backend(backend)
        });
        let database = copy.database.insert(copy_failed(opened, path)?);
        let transaction = Transaction::begin(database);
        copy.transaction = Some(copy_failed(transaction, path)?);
        Ok(copy)
    }

    /// Writes rows of one storage behind those it has; they come in ascending order.
    ///
    /// # Errors
    /// What `next` fails with; I/O of the new file.
    pub(super) fn append(
        &mut self,
        id: StorageId,
        next: &mut dyn FnMut() -> Result<Option<Row>>,
        limit: Limit,
    ) -> Result<Appended> {
        let Some(transaction) = &self.transaction else {
            return Err(StorageError::NeedsReopen);
        };
        let mut appended = Appended::default();
        let Some(mut row) = next()? else {
            appended.is_end = true;
            return Ok(appended);
        };
        let mut unread = None;
        let written = transaction.with(|transaction| {
            let name = table_name(id);
            let mut table = transaction.open_table(definition(&name))?;
            let mut end = table.upper_bound_mut(Bound::<&[u8]>::Unbounded)?;
            let mut encoded = Vec::new();
            loop {
                let (key, value) = &row;
                encode_row(id, key, value, &mut encoded);
                end.insert_before(&**key, encoded.as_slice())?;
                appended.rows += 1;
                appended.bytes += (key.len() + encoded.len()) as u64;
                if appended.rows >= limit.rows || appended.bytes >= limit.bytes {
                    break;
                }
                match next() {
                    Ok(Some(another)) => row = another,
                    Ok(None) => {
                        appended.is_end = true;
                        break;
                    }
                    Err(error) => {
                        unread = Some(error);
                        break;
                    }
                }
            }
            end.close()?;
            Ok(())
        });
        if let Some(error) = unread {
            return Err(error);
        }
        copy_failed(written, &self.path)?;
        self.rows += appended.rows;
        self.bytes += appended.bytes;
        Ok(appended)
    }

    /// Makes the copy durable, as one that holds exactly the commits up to `applied`, and closes it. Says how long it is.
    pub(super) fn finish(mut self, applied: Lsn, meta: &[(&str, Vec<u8>)]) -> Result<u64> {
        let meta: Vec<(String, Vec<u8>)> = meta
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect();
        let finished = self.try_finish(applied, &meta);
        copy_failed(finished, &self.path)
    }

    fn try_finish(&mut self, applied: Lsn, meta: &[(String, Vec<u8>)]) -> Result<u64> {
        let (Some(transaction), Some(mut database)) =
            (self.transaction.take(), self.database.take())
        else {
            return Err(StorageError::NeedsReopen);
        };
        transaction.with(|transaction| write_meta(transaction, applied, meta))?;
        transaction.commit()?;
        // redb makes a file longer by doubling it: a small one may be half empty.
        let len = self.file.len().map_err(io_error)?;
        if len > SLACK_BYTES_MIN && len > self.bytes.saturating_mul(SLACK) / 2 {
            guarded(|| database.compact())?;
        }
        guarded(|| database.close())?;
        self.file
            .sync_data()
            .and_then(|()| self.file.len())
            .map_err(io_error)
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        drop(self.transaction.take());
        // After an error of the disk redb may panic while it closes; nobody needs this file.
        let _ = guarded(|| {
            drop(self.database.take());
            Ok::<_, redb::Error>(())
        });
    }
}

fn copy_failed<T>(done: Result<T>, path: &Path) -> Result<T> {
    done.map_err(|error| in_file(error, path))
}
