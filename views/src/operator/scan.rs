//! Scan: rows of a table or view, by primary key or through an index; stepped, the source of every dataflow.
//!
//! It decodes only the columns asked for, and counts every row fetched. A change that leaves those columns as they
//! were ends here. Ranges are made in `bounds`.

use std::ops::Bound;
use std::sync::Arc;

use tailwater_proto::key_codec::key_part_len;
use tailwater_proto::row_codec::RowView;
use tailwater_proto::{ColumnId, Direction, Key, KeyRange, Row, StorageId, Value};

use super::RowSource;
use super::bounds::{key_range, normalise, order_of};
use crate::context::ExecContext;
use crate::error::{Error, Result};
use crate::identity::rows_identical;
use crate::plan::{Access, IndexAccess, KeyBounds, Scan};
use crate::step::RawDelta;
use crate::store::{Cursor, Reader};
use crate::zset::{Delta, ZSet};

/// Rows of one storage, decoded or with their keys and bytes.
pub struct ScanSource {
    reader: Arc<dyn Reader>,
    storage: StorageId,
    columns: Box<[ColumnId]>,
    index: Option<IndexAccess>,
    descending: Box<[bool]>,
    bounds: Option<Box<[KeyBounds]>>,
    /// Whether the bounds name one whole primary key: at most one row, found without a cursor.
    is_point: bool,
    direction: Direction,
    /// Ranges still to be read, the next one last.
    ranges: Vec<KeyRange>,
    cursor: Option<Box<dyn Cursor>>,
    scratch: Vec<Value>,
}

impl ScanSource {
    /// A scan whose bounds refer to no row, ready to be read.
    ///
    /// # Errors
    /// When a bound fails to evaluate.
    pub fn open(scan: &Scan, reader: Arc<dyn Reader>, cx: &ExecContext) -> Result<Self> {
        let mut source = Self::new(scan, reader);
        source.reset(&[], cx)?;
        Ok(source)
    }

    /// A scan that is read only after `reset`.
    pub(crate) fn new(scan: &Scan, reader: Arc<dyn Reader>) -> Self {
        let (index, descending, bounds, direction) = match &scan.access {
            Access::All(direction) => (None, Box::<[bool]>::default(), None, *direction),
            Access::Ranges {
                index,
                descending,
                ranges,
                direction,
                ..
            } => (
                *index,
                descending.as_slice().into(),
                Some(Box::<[KeyBounds]>::from(ranges.as_slice())),
                *direction,
            ),
        };
        let is_point = match bounds.as_deref() {
            Some([only]) => index.is_none() && names_one_key(only, &descending),
            _ => false,
        };
        Self {
            reader,
            is_point,
            storage: scan.storage,
            columns: scan.columns.as_slice().into(),
            index,
            descending,
            bounds,
            direction,
            ranges: Vec::new(),
            cursor: None,
            scratch: Vec::new(),
        }
    }

    /// Starts again, with bounds evaluated on `outer`.
    pub(crate) fn reset(&mut self, outer: &[Value], cx: &ExecContext) -> Result<()> {
        self.cursor = None;
        self.ranges.clear();
        match &self.bounds {
            None => self.ranges.push(KeyRange::all()),
            Some(bounds) => {
                for bound in bounds {
                    self.ranges
                        .extend(key_range(bound, &self.descending, outer, cx)?);
                }
            }
        }
        normalise(&mut self.ranges);
        if self.direction == Direction::Forward {
            self.ranges.reverse();
        }
        Ok(())
    }

    /// The next row's primary key and bytes.
    ///
    /// # Errors
    /// When the storage fails or is damaged, or a limit of the context is reached.
    pub fn next_raw(&mut self, cx: &ExecContext) -> Result<Option<(Key, Arc<[u8]>)>> {
        loop {
            let Some(cursor) = &mut self.cursor else {
                let Some(range) = self.ranges.pop() else {
                    return Ok(None);
                };
                if self.is_point
                    && let Bound::Included(key) = range.lo
                {
                    let found = self.reader.get(self.storage, &key)?;
                    if found.is_some() {
                        cx.count_row_read()?;
                    }
                    return Ok(found.map(|bytes| (key, bytes)));
                }
                let storage = self.index.map_or(self.storage, |index| index.storage);
                self.cursor = Some(self.reader.scan(storage, range, self.direction)?);
                continue;
            };
            let Some((key, bytes)) = cursor.next()? else {
                self.cursor = None;
                continue;
            };
            cx.count_row_read()?;
            let Some(index) = self.index else {
                return Ok(Some((key, bytes)));
            };
            let primary = Key::from(entry_primary_key(index, &self.descending, &key)?);
            let Some(bytes) = self.reader.get(self.storage, &primary)? else {
                return Err(dangling_entry(index.storage, &key));
            };
            return Ok(Some((primary, bytes)));
        }
    }

    /// The next row, borrowed until the next call.
    pub(crate) fn next_values(&mut self, cx: &ExecContext) -> Result<Option<&mut Vec<Value>>> {
        let Some((key, bytes)) = self.next_raw(cx)? else {
            return Ok(None);
        };
        decode_columns(self.storage, &key, &bytes, &self.columns, &mut self.scratch)?;
        Ok(Some(&mut self.scratch))
    }
}

impl RowSource for ScanSource {
    fn next(&mut self, cx: &ExecContext) -> Result<Option<Row>> {
        Ok(self
            .next_values(cx)?
            .map(|values| values.drain(..).collect()))
    }
}

/// Whether bounds on the primary key fix every part of it.
fn names_one_key(bounds: &KeyBounds, descending: &[bool]) -> bool {
    !descending.is_empty()
        && bounds.equal.len() == descending.len()
        && bounds.lower.is_none()
        && bounds.upper.is_none()
}

/// The primary key in an index entry.
pub(crate) fn entry_primary_key<'k>(
    index: IndexAccess,
    descending: &[bool],
    entry: &'k [u8],
) -> Result<&'k [u8]> {
    let mut rest = entry;
    for place in 0..index.parts {
        let tail = key_part_len(rest, order_of(descending, place))
            .ok()
            .and_then(|len| rest.get(len..));
        rest = tail.ok_or_else(|| Error::Corrupted {
            message: format!(
                "index storage {}: entry {:?} has no part {place}",
                index.storage,
                Key::from(entry)
            ),
        })?;
    }
    Ok(rest)
}

/// What a dangling index entry is reported as.
pub(crate) fn dangling_entry(index: StorageId, entry: &Key) -> Error {
    Error::Corrupted {
        message: format!("index storage {index}: entry {entry:?} leads to no row"),
    }
}

/// Decodes the asked columns into `values`, replacing what it holds; absent columns are NULL.
pub(crate) fn decode_columns(
    storage: StorageId,
    key: &Key,
    bytes: &[u8],
    columns: &[ColumnId],
    values: &mut Vec<Value>,
) -> Result<()> {
    values.clear();
    RowView::new(bytes)
        .and_then(|view| view.project(columns, values))
        .map_err(|error| Error::Corrupted {
            message: format!("storage {storage}: row {key:?}: {error}"),
        })
}

/// The changes of a source: rows whose asked columns are as they were are left out.
pub(crate) fn step(storage: StorageId, columns: &[ColumnId], changes: &[RawDelta]) -> Result<ZSet> {
    let mut output = ZSet::with_capacity(changes.len());
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for change in changes {
        let row = |bytes: &Option<Arc<[u8]>>, values: &mut Vec<Value>| -> Result<bool> {
            match bytes {
                None => Ok(false),
                Some(bytes) => {
                    decode_columns(storage, &change.key, bytes, columns, values).map(|()| true)
                }
            }
        };
        let was = row(&change.before, &mut before)?;
        let is = row(&change.after, &mut after)?;
        if was == is && (!was || rows_identical(&before, &after)) {
            continue;
        }
        output.push(Delta {
            key: change.key.clone(),
            before: was.then(|| before.drain(..).collect()),
            after: is.then(|| after.drain(..).collect()),
        });
    }
    Ok(output)
}
