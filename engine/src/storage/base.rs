//! `Base`: the storage file as of one checkpoint, read through one redb transaction.
//!
//! Rows carry a checksum of value and place, checked on every read, since redb checks none; a panic of redb on
//! a damaged page becomes `Corrupted`. It never writes. Next door: `scan`, which lays the memtables over it.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::RwLock;
use redb::{
    ReadOnlyTable, ReadTransaction, ReadableTable, ReadableTableMetadata, TableDefinition,
    TableError, TableHandle,
};
use tailwater_proto::{Key, Lsn, StorageId};
use tailwater_wal::checksum;

use super::error::{Result, StorageError};
use super::memtable::{Cell, bound};
use super::page_sums::PageSums;
use super::scan::{BATCH_BYTES, range_is_empty};

/// Rows copied out of the file at first and at most.
const BATCH_FIRST: usize = 4;
const BATCH_MAX: usize = 256;

/// The only type of table in the file.
type Definition<'a> = TableDefinition<'a, &'static [u8], &'static [u8]>;
pub(super) type Table = ReadOnlyTable<&'static [u8], &'static [u8]>;
/// A table with rows.
struct Rows {
    rows: Table,
    /// Its greatest key: what lies beyond is answered without asking redb, and keys that ascend all do.
    last: Key,
}

/// An open table, or `None` where the file has none or an empty one.
type Handle = Option<Arc<Rows>>;

/// Layout of the file that this build writes; persisted, see FORMAT.md.
pub(super) const FORMAT: u32 = 1;
/// Names in the meta table that are ours; persisted.
pub(super) const META_FORMAT: &str = "storage_format";
pub(super) const META_APPLIED: &str = "applied_lsn";

/// The meta table.
pub(super) fn meta_definition() -> Definition<'static> {
    TableDefinition::new("meta")
}

/// The name of a storage's table; persisted.
pub(super) fn table_name(id: StorageId) -> String {
    format!("s{:08x}", id.0)
}

/// The storage a table is of; `None` for the meta table.
pub(super) fn table_storage(name: &str) -> Option<StorageId> {
    let digits = name.strip_prefix('s').filter(|digits| digits.len() == 8)?;
    u32::from_str_radix(digits, 16).ok().map(StorageId)
}

/// A storage's table.
pub(super) fn definition(name: &str) -> Definition<'_> {
    TableDefinition::new(name)
}

/// What is said of a row that is damaged while its page is not known to be.
pub(super) const ROW_DAMAGED: &str = "the row's checksum does not match";

/// Runs redb code, whose panics on damaged pages and errors become ours.
pub(super) fn guarded<T, E: Into<redb::Error>>(
    operation: impl FnOnce() -> std::result::Result<T, E>,
) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(operation)) {
        Ok(result) => result.map_err(|error| StorageError::from_redb(error.into())),
        Err(panic) => Err(StorageError::Corrupted {
            storage: None,
            key: None,
            detail: format!("redb panicked: {}", panic_text(&*panic)),
        }),
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("(no message)")
}

/// Checksum of a value and of the place where it belongs; persisted.
fn row_checksum(id: StorageId, key: &[u8], value: &[u8]) -> u32 {
    checksum(value) ^ checksum(key).rotate_left(16) ^ id.0.wrapping_mul(0x9E37_79B9)
}

/// Encodes a value as it stands in the file, into `row`.
pub(super) fn encode_row(id: StorageId, key: &[u8], value: &[u8], row: &mut Vec<u8>) {
    row.clear();
    row.extend_from_slice(&row_checksum(id, key, value).to_le_bytes());
    row.extend_from_slice(value);
}

/// Decodes and checks what [`encode_row`] wrote.
pub(super) fn decode_row(id: StorageId, key: &[u8], row: &[u8]) -> Result<Arc<[u8]>> {
    if let Some((crc, value)) = row.split_first_chunk()
        && u32::from_le_bytes(*crc) == row_checksum(id, key, value)
    {
        return Ok(Arc::from(value));
    }
    Err(StorageError::Corrupted {
        storage: Some(id),
        key: Some(Key::from(key)),
        detail: ROW_DAMAGED.to_owned(),
    })
}

/// One checkpoint's state of the file.
pub(super) struct Base {
    applied: Lsn,
    meta: BTreeMap<String, Vec<u8>>,
    /// Handles of tables that were asked for, ascending by id; dropped before the transaction.
    tables: RwLock<Vec<(StorageId, Handle)>>,
    transaction: ReadTransaction,
    /// Raised when a reader's checkpoint was replaced by another process.
    moved: Option<Arc<AtomicBool>>,
    sums: Option<Arc<PageSums>>,
}

impl Base {
    /// Reads the meta table and stands ready for the rest.
    pub(super) fn new(
        transaction: ReadTransaction,
        moved: Option<Arc<AtomicBool>>,
        sums: Option<Arc<PageSums>>,
    ) -> Result<Self> {
        let mut base = Self {
            applied: Lsn::ZERO,
            meta: BTreeMap::new(),
            tables: RwLock::default(),
            transaction,
            moved,
            sums,
        };
        base.meta = base.guarded(|| read_meta(&base.transaction))?;
        base.applied = Lsn(base.number(META_APPLIED)?.map_or(0, u64::from_le_bytes));
        let found = base.number(META_FORMAT)?.map_or(FORMAT, u32::from_le_bytes);
        if found > FORMAT {
            return Err(StorageError::FormatUnknown {
                found,
                known: FORMAT,
            });
        }
        Ok(base)
    }

    /// The file holds exactly the commits up to here.
    pub(super) fn applied(&self) -> Lsn {
        self.applied
    }

    /// A value of the meta table.
    pub(super) fn meta(&self, name: &str) -> Option<&[u8]> {
        self.meta.get(name).map(Vec::as_slice)
    }

    /// All values of the meta table but the storage's own.
    pub(super) fn engine_meta(&self) -> Vec<(&str, Vec<u8>)> {
        let own = [META_APPLIED, META_FORMAT];
        let meta = self
            .meta
            .iter()
            .map(|(name, value)| (name.as_str(), value.clone()));
        meta.filter(|(name, _)| !own.contains(name)).collect()
    }

    fn number<const N: usize>(&self, name: &str) -> Result<Option<[u8; N]>> {
        self.meta(name)
            .map(|bytes| {
                bytes.try_into().map_err(|_| StorageError::Corrupted {
                    storage: None,
                    key: None,
                    detail: format!("meta {name:?} has {} bytes, not {N}", bytes.len()),
                })
            })
            .transpose()
    }

    pub(super) fn guarded<T, E: Into<redb::Error>>(
        &self,
        operation: impl FnOnce() -> std::result::Result<T, E>,
    ) -> Result<T> {
        guarded(operation).map_err(|error| match &self.moved {
            Some(moved) if moved.load(Ordering::Acquire) => StorageError::CheckpointMoved,
            _ => match &self.sums {
                Some(sums) => sums.explain(error),
                None => error,
            },
        })
    }

    fn table(&self, id: StorageId) -> Result<Handle> {
        let known = |tables: &[(StorageId, Handle)]| {
            let at = tables.binary_search_by_key(&id, |(id, _)| *id).ok()?;
            tables.get(at).map(|(_, table)| table.clone())
        };
        if let Some(table) = known(&self.tables.read()) {
            return Ok(table);
        }
        let name = table_name(id);
        let table = self
            .guarded(|| match self.transaction.open_table(definition(&name)) {
                Ok(rows) => {
                    let last = rows.last()?.map(|(key, _)| Key::from(key.value()));
                    Ok(last.map(|last| Arc::new(Rows { rows, last })))
                }
                Err(TableError::TableDoesNotExist(_)) => Ok(None),
                Err(error) => Err(error),
            })
            .map_err(|error| error.at(id, None))?;
        let mut tables = self.tables.write();
        if let Some(table) = known(&tables) {
            return Ok(table);
        }
        let at = tables.partition_point(|(other, _)| *other < id);
        tables.insert(at, (id, table.clone()));
        Ok(table)
    }

    /// A table of its own, opened without looking into it.
    pub(super) fn raw_table(&self, id: StorageId) -> Result<Option<Table>> {
        let name = table_name(id);
        self.guarded(|| match self.transaction.open_table(definition(&name)) {
            Ok(table) => Ok(Some(table)),
            Err(TableError::TableDoesNotExist(_)) => Ok(None),
            Err(error) => Err(error),
        })
    }

    /// The storages that have a table, ascending.
    pub(super) fn storages(&self) -> Result<BTreeSet<StorageId>> {
        self.guarded(|| {
            let tables = self.transaction.list_tables()?;
            Ok::<_, redb::StorageError>(
                tables
                    .filter_map(|table| table_storage(table.name()))
                    .collect(),
            )
        })
    }

    /// How many rows a storage has here.
    pub(super) fn rows(&self, id: StorageId) -> Result<u64> {
        match self.table(id)? {
            None => Ok(0),
            Some(table) => self
                .guarded(|| table.rows.len())
                .map_err(|error: StorageError| error.at(id, None)),
        }
    }

    /// The value under `key`.
    pub(super) fn get(&self, id: StorageId, key: &Key) -> Result<Cell> {
        let Some(table) = self.table(id)?.filter(|table| *key <= table.last) else {
            return Ok(None);
        };
        self.guarded(|| {
            let row = table.rows.get_owned(&**key)?;
            Ok::<_, redb::StorageError>(row.map(|row| decode_row(id, key, row.value())))
        })
        .map_err(|error| error.at(id, Some(key)))?
        .transpose()
    }
}

impl fmt::Debug for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Base")
            .field("applied", &self.applied)
            .finish_non_exhaustive()
    }
}

fn read_meta(
    transaction: &ReadTransaction,
) -> std::result::Result<BTreeMap<String, Vec<u8>>, redb::Error> {
    let mut meta = BTreeMap::new();
    let table = match transaction.open_table(meta_definition()) {
        Ok(table) => table,
        Err(TableError::TableDoesNotExist(_)) => return Ok(meta),
        Err(error) => return Err(error.into()),
    };
    for row in table.iter()? {
        let (name, value) = row?;
        let name = String::from_utf8_lossy(name.value()).into_owned();
        meta.insert(name, value.value().to_vec());
    }
    Ok(meta)
}

/// Reads a range of one storage of a [`Base`] in batches. Whoever asks for one sees to it that the base is there.
pub(super) struct BaseCursor {
    base: Weak<Base>,
    applied: Lsn,
    id: StorageId,
    lo: Bound<Key>,
    hi: Bound<Key>,
    reverse: bool,
    batch: VecDeque<(Key, Arc<[u8]>)>,
    batch_rows: usize,
    /// What reading met behind the batch.
    failed: Option<StorageError>,
    done: bool,
}

impl BaseCursor {
    /// Reads `lo..hi`, which must not be empty; nothing is read yet.
    pub(super) fn new(
        base: &Arc<Base>,
        id: StorageId,
        lo: Bound<Key>,
        hi: Bound<Key>,
        reverse: bool,
    ) -> Self {
        Self {
            base: Arc::downgrade(base),
            applied: base.applied,
            id,
            lo,
            hi,
            reverse,
            batch: VecDeque::new(),
            batch_rows: BATCH_FIRST,
            failed: None,
            done: false,
        }
    }

    /// Whether the next row, if there is one, is still to be read.
    pub(super) fn is_short(&self) -> bool {
        self.batch.is_empty() && !self.done
    }

    /// Makes sure that the next row, if there is one, can be peeked at.
    pub(super) fn fill(&mut self) -> Result<()> {
        if !self.is_short() {
            return Ok(());
        }
        let read = match self.failed.take() {
            Some(error) => Err(error),
            None => self.read_batch(),
        };
        if let Err(error) = read {
            // What was read before the damage comes before it.
            if self.batch.is_empty() {
                self.done = true;
                return Err(error);
            }
            self.failed = Some(error);
        }
        Ok(())
    }

    fn read_batch(&mut self) -> Result<()> {
        let Some(base) = self.base.upgrade() else {
            return Err(StorageError::SnapshotTooOld { lsn: self.applied });
        };
        let Some(table) = base.table(self.id)? else {
            self.done = true;
            return Ok(());
        };
        let (id, reverse, wanted) = (self.id, self.reverse, self.batch_rows);
        let (batch, done) = (&mut self.batch, &mut self.done);
        let (lo, hi) = (&self.lo, &self.hi);
        let read = base.guarded(|| {
            let mut rows = table.rows.range::<&[u8]>((bound(lo), bound(hi)))?;
            let mut bytes = 0;
            while batch.len() < wanted && bytes < BATCH_BYTES {
                let row = if reverse {
                    rows.next_back()
                } else {
                    rows.next()
                };
                let Some((key, row)) = row.transpose()? else {
                    *done = true;
                    break;
                };
                let key = Key::from(key.value());
                match decode_row(id, &key, row.value()) {
                    Ok(value) => {
                        bytes += key.len() + value.len();
                        batch.push_back((key, value));
                    }
                    Err(error) => return Ok(Err(error)),
                }
            }
            Ok::<_, redb::StorageError>(Ok(()))
        });
        // What lies behind it is read next; damage is named by what lies before it.
        let before = match &mut self.lo {
            _ if self.reverse => &mut self.hi,
            lo => lo,
        };
        if let Some((last, _)) = self.batch.back() {
            *before = Bound::Excluded(last.clone());
        }
        let before = match before {
            Bound::Excluded(key) => Some(key.clone()),
            Bound::Included(_) | Bound::Unbounded => None,
        };
        self.done |= range_is_empty(&self.lo, &self.hi);
        self.batch_rows = (wanted * 8).min(BATCH_MAX);
        let read = read.and_then(|read| read);
        if read.is_err() {
            self.done = false;
        }
        read.map_err(|error| error.at(id, before.as_deref()))
    }

    /// The key of the next row.
    pub(super) fn peek(&self) -> Option<&Key> {
        self.batch.front().map(|(key, _)| key)
    }

    /// The next row.
    pub(super) fn take(&mut self) -> Option<(Key, Cell)> {
        let (key, value) = self.batch.pop_front()?;
        Some((key, Some(value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_damaged_if_value_key_or_storage_differ() {
        let mut row = Vec::new();
        encode_row(StorageId(7), b"key", b"value", &mut row);
        assert_eq!(&*decode_row(StorageId(7), b"key", &row).unwrap(), b"value");
        assert!(decode_row(StorageId(8), b"key", &row).is_err());
        assert!(decode_row(StorageId(7), b"kex", &row).is_err());
        for at in 0..row.len() {
            let mut damaged = row.clone();
            damaged[at] ^= 1;
            assert!(
                decode_row(StorageId(7), b"key", &damaged).is_err(),
                "byte {at}"
            );
        }
        assert!(decode_row(StorageId(7), b"key", &[1, 2]).is_err());
    }
}
