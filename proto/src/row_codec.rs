//! Rows as bytes: values tagged by column id behind a directory, so that one column is read without the others.
//!
//! A column without an id in the row is absent (the schema's default or NULL is the reader's business); a stored
//! NULL is a value. Equal rows have equal bytes. Values inside are `value_codec`'s. FORMAT.md §3.

use std::cell::RefCell;
use std::sync::Arc;

use crate::error::{DecodeError, EncodeError};
use crate::row::ColumnId;
use crate::value::Value;
use crate::value_codec::{DEPTH_MAX, Reader, decode_value, encode_value, write_varint};

/// High bits of the first byte: the version of the row format. Persisted, never renumber.
const VERSION: u8 = 0x10;
const VERSION_MASK: u8 = 0xF0;
/// Low two bits: how wide an end in the directory is (1, 2 or 4 bytes).
const WIDTH_MASK: u8 = 0x03;
/// Column ids are consecutive; only the first is stored.
const DENSE: u8 = 0x04;
/// Column ids take four bytes each instead of one.
const WIDE_IDS: u8 = 0x08;

/// Scratch buffers are given back to the allocator beyond this.
const SCRATCH_MAX: usize = 1 << 20;

/// Scratch space for encoding rows: reuse one to encode without allocating.
#[derive(Debug, Default)]
pub struct RowEncoder {
    ids: Vec<u32>,
    ends: Vec<u32>,
    values: Vec<u8>,
    row: Vec<u8>,
}

impl RowEncoder {
    /// An encoder with empty scratch space.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The bytes of a row, valid until the next call. Columns come in ascending order of their ids.
    ///
    /// # Errors
    /// If a value has no stored form (see [`encode_value`]), the row is larger than 4 GiB, or ids do not ascend.
    pub fn encode<'v>(
        &mut self,
        schema_version: u32,
        columns: impl IntoIterator<Item = (ColumnId, &'v Value)>,
    ) -> Result<&[u8], EncodeError> {
        self.ids.clear();
        self.ends.clear();
        self.values.clear();
        for (id, value) in columns {
            if self.ids.last().is_some_and(|last| *last >= id.0) {
                return Err(EncodeError::ColumnOrder);
            }
            encode_value(&mut self.values, value)?;
            self.ids.push(id.0);
            self.ends
                .push(u32::try_from(self.values.len()).map_err(|_| EncodeError::TooLarge)?);
        }
        self.assemble(schema_version);
        Ok(&self.row)
    }

    fn assemble(&mut self, schema_version: u32) {
        let first = self.ids.first().copied().unwrap_or(0);
        let last = self.ids.last().copied().unwrap_or(0);
        let count = self.ids.len();
        let dense = count == 0 || (last - first) as usize == count - 1;
        let width = match self.values.len() {
            0..=0xFF => 0,
            0x100..=0xFFFF => 1,
            _ => 2,
        };
        let mut format = VERSION | width;
        if dense {
            format |= DENSE;
        } else if last > 0xFF {
            format |= WIDE_IDS;
        }
        let row = &mut self.row;
        row.clear();
        row.push(format);
        write_varint(row, schema_version.into());
        write_varint(row, count as u64);
        if dense {
            write_varint(row, first.into());
        } else if last > 0xFF {
            row.extend(self.ids.iter().flat_map(|id| id.to_le_bytes()));
        } else {
            row.extend(self.ids.iter().map(|id| *id as u8));
        }
        match width {
            0 => row.extend(self.ends.iter().map(|end| *end as u8)),
            1 => row.extend(self.ends.iter().flat_map(|end| (*end as u16).to_le_bytes())),
            _ => row.extend(self.ends.iter().flat_map(|end| end.to_le_bytes())),
        }
        row.extend_from_slice(&self.values);
    }

    fn trim(&mut self) {
        if self.values.capacity() > SCRATCH_MAX {
            *self = Self::default();
        }
    }
}

thread_local! {
    static SCRATCH: RefCell<RowEncoder> = RefCell::default();
}

/// The bytes of a row, in one allocation. Columns come in ascending order of their ids; absent ones are left out.
///
/// # Errors
/// As [`RowEncoder::encode`].
pub fn encode_row<'v>(
    schema_version: u32,
    columns: impl IntoIterator<Item = (ColumnId, &'v Value)>,
) -> Result<Arc<[u8]>, EncodeError> {
    // Taken out, not borrowed: `columns` may itself encode rows.
    let mut encoder = SCRATCH.take();
    let row = encoder.encode(schema_version, columns).map(Arc::from);
    encoder.trim();
    SCRATCH.set(encoder);
    row
}

/// How the ids of a row are stored.
#[derive(Clone, Copy, Debug)]
enum Ids<'b> {
    Dense(u32),
    Narrow(&'b [u8]),
    Wide(&'b [[u8; 4]]),
}

/// How the ends of the values are stored.
#[derive(Clone, Copy, Debug)]
enum Ends<'b> {
    One(&'b [u8]),
    Two(&'b [[u8; 2]]),
    Four(&'b [[u8; 4]]),
}

impl Ends<'_> {
    fn get(self, place: usize) -> Option<usize> {
        match self {
            Self::One(ends) => ends.get(place).map(|end| usize::from(*end)),
            Self::Two(ends) => ends.get(place).map(|end| u16::from_le_bytes(*end).into()),
            Self::Four(ends) => ends
                .get(place)
                .and_then(|end| usize::try_from(u32::from_le_bytes(*end)).ok()),
        }
    }
}

/// A row read in place. Opening it reads the directory only; values are decoded when asked for.
#[derive(Clone, Copy, Debug)]
pub struct RowView<'b> {
    schema_version: u32,
    count: usize,
    ids: Ids<'b>,
    ends: Ends<'b>,
    values: &'b [u8],
    /// Where `values` begin in the row, for errors.
    base: usize,
}

impl<'b> RowView<'b> {
    /// Opens the bytes of a row.
    ///
    /// # Errors
    /// If the directory is damaged or of an unknown version. Damage inside values is found when they are read.
    pub fn new(bytes: &'b [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let format = reader.byte("the format of a row")?;
        if format & VERSION_MASK != VERSION {
            return Err(DecodeError::UnknownVersion {
                offset: 0,
                found: format >> 4,
                expected: "row format",
            });
        }
        let schema_version = narrow(&mut reader, "the schema version of a row")?;
        let expected = "the number of columns of a row";
        let count = narrow(&mut reader, expected)? as usize;
        let ids = match (format & DENSE != 0, format & WIDE_IDS != 0) {
            (true, _) => Ids::Dense(narrow(&mut reader, "the first column id of a row")?),
            (false, false) => Ids::Narrow(reader.slice(count, "the column ids of a row")?),
            (false, true) => Ids::Wide(reader.chunks(count, "the column ids of a row")?),
        };
        let expected = "the directory of a row";
        let ends = match format & WIDTH_MASK {
            0 => Ends::One(reader.slice(count, expected)?),
            1 => Ends::Two(reader.chunks(count, expected)?),
            2 => Ends::Four(reader.chunks(count, expected)?),
            _ => {
                return Err(DecodeError::Invalid {
                    offset: 0,
                    expected: "the format of a row",
                });
            }
        };
        let base = reader.at;
        let values = bytes.get(base..).unwrap_or_default();
        let len = match count.checked_sub(1) {
            Some(last) => ends.get(last).unwrap_or(usize::MAX),
            None => 0,
        };
        match values.len().cmp(&len) {
            std::cmp::Ordering::Equal => {}
            std::cmp::Ordering::Less => {
                return Err(DecodeError::Truncated {
                    offset: bytes.len(),
                    expected: "the values of a row",
                });
            }
            std::cmp::Ordering::Greater => {
                return Err(DecodeError::Trailing { offset: base + len });
            }
        }
        Ok(Self {
            schema_version,
            count,
            ids,
            ends,
            values,
            base,
        })
    }

    /// The schema version under which the row was written.
    #[must_use]
    pub const fn schema_version(&self) -> u32 {
        self.schema_version
    }

    /// How many columns are stored.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether no column is stored.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The value of a column; `None`: it is absent.
    ///
    /// # Errors
    /// If the value's bytes are damaged.
    pub fn get(&self, id: ColumnId) -> Result<Option<Value>, DecodeError> {
        self.position(id)
            .map(|place| self.value_at(place))
            .transpose()
    }

    /// The encoded value of a column (`value_codec`), to be compared or copied as bytes; `None`: it is absent.
    ///
    /// # Errors
    /// If the directory is damaged.
    pub fn get_raw(&self, id: ColumnId) -> Result<Option<&'b [u8]>, DecodeError> {
        self.position(id)
            .map(|place| self.slot(place).map(|(_, bytes)| bytes))
            .transpose()
    }

    /// Appends the values of the wanted columns in the order wanted, `Null` for absent ones.
    /// Fastest where the wanted ids are the stored ones in their order.
    ///
    /// # Errors
    /// If a wanted value's bytes are damaged; `out` then holds those before it.
    pub fn project(&self, wanted: &[ColumnId], out: &mut Vec<Value>) -> Result<(), DecodeError> {
        out.reserve(wanted.len());
        let mut next = self.project_leading(wanted, out)?;
        let wanted = wanted.get(next..).unwrap_or_default();
        for id in wanted {
            let place = if self.id_at(next) == Some(id.0) {
                Some(next)
            } else {
                self.position(*id)
            };
            out.push(match place {
                Some(place) => {
                    next = place + 1;
                    self.value_at(place)?
                }
                None => Value::Null,
            });
        }
        Ok(())
    }

    /// Appends the first wanted columns for as long as they are the stored ones, reading straight on; how many.
    fn project_leading(
        &self,
        wanted: &[ColumnId],
        out: &mut Vec<Value>,
    ) -> Result<usize, DecodeError> {
        let mut reader = Reader::new(self.values);
        for (place, id) in wanted.iter().enumerate() {
            if self.id_at(place) != Some(id.0) {
                return Ok(place);
            }
            let value = reader
                .value(DEPTH_MAX)
                .map_err(|error| error.at(self.base))?;
            if self.ends.get(place) != Some(reader.at) {
                return Err(DecodeError::Invalid {
                    offset: self.base,
                    expected: "a directory of a row that agrees with its values",
                });
            }
            out.push(value);
        }
        Ok(wanted.len())
    }

    /// Columns in ascending order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = Result<(ColumnId, Value), DecodeError>> + use<'b> {
        let row = *self;
        (0..row.count).map(move |place| {
            let id = ColumnId(row.id_at(place).unwrap_or(u32::MAX));
            Ok((id, row.value_at(place)?))
        })
    }

    fn id_at(&self, place: usize) -> Option<u32> {
        match self.ids {
            Ids::Dense(first) if place < self.count => {
                first.checked_add(u32::try_from(place).ok()?)
            }
            Ids::Dense(_) => None,
            Ids::Narrow(ids) => ids.get(place).map(|id| u32::from(*id)),
            Ids::Wide(ids) => ids.get(place).map(|id| u32::from_le_bytes(*id)),
        }
    }

    fn position(&self, id: ColumnId) -> Option<usize> {
        match self.ids {
            Ids::Dense(first) => {
                let place = id.0.checked_sub(first)? as usize;
                (place < self.count).then_some(place)
            }
            Ids::Narrow(ids) => ids.binary_search(&u8::try_from(id.0).ok()?).ok(),
            Ids::Wide(ids) => ids
                .binary_search_by_key(&id.0, |stored| u32::from_le_bytes(*stored))
                .ok(),
        }
    }

    /// Where a value begins in the row, and its bytes.
    fn slot(&self, place: usize) -> Result<(usize, &'b [u8]), DecodeError> {
        let start = match place.checked_sub(1) {
            Some(before) => self.ends.get(before),
            None => Some(0),
        };
        if let (Some(start), Some(end)) = (start, self.ends.get(place))
            && let Some(slot) = self.values.get(start..end)
        {
            return Ok((start, slot));
        }
        Err(DecodeError::Invalid {
            offset: self.base,
            expected: "an ascending directory of a row",
        })
    }

    #[inline]
    fn value_at(&self, place: usize) -> Result<Value, DecodeError> {
        let (start, slot) = self.slot(place)?;
        decode_value(slot).map_err(|error| error.at(self.base.saturating_add(start)))
    }
}

fn narrow(reader: &mut Reader<'_>, expected: &'static str) -> Result<u32, DecodeError> {
    let offset = reader.at;
    u32::try_from(reader.varint(expected)?).map_err(|_| DecodeError::Invalid { offset, expected })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(values: &[(u32, Value)]) -> impl Iterator<Item = (ColumnId, &Value)> {
        values.iter().map(|(id, value)| (ColumnId(*id), value))
    }

    #[test]
    fn one_column_is_read_through_the_directory() {
        for stride in [1, 3, 1000] {
            for text_len in [0, 100, 300, 70_000] {
                let stored: Vec<(u32, Value)> = (0..7u32)
                    .map(|n| {
                        let value = match n {
                            0 => Value::Null,
                            1 => "x".repeat(text_len).into(),
                            n => Value::Int(i64::from(n) << (8 * n)),
                        };
                        (2 + n * stride, value)
                    })
                    .collect();
                let row = encode_row(9, columns(&stored)).unwrap();
                let view = RowView::new(&row).unwrap();
                assert_eq!((view.schema_version(), view.len()), (9, 7));
                for (id, value) in &stored {
                    assert_eq!(view.get(ColumnId(*id)).unwrap().as_ref(), Some(value));
                }
                assert!(view.get(ColumnId(1)).unwrap().is_none());
                assert!(view.get(ColumnId(7_000)).unwrap().is_none());
                let wanted = [ColumnId(2), ColumnId(1), ColumnId(2 + 6 * stride)];
                let mut out = Vec::new();
                view.project(&wanted, &mut out).unwrap();
                assert_eq!(out, [Value::Null, Value::Null, Value::Int(6 << 48)]);
                let all: Result<Vec<_>, _> = view.iter().collect();
                assert_eq!(all.unwrap().len(), 7);
            }
        }
    }

    #[test]
    fn rows_refuse_what_they_cannot_hold() {
        let twice = [(3, Value::Null), (3, Value::Null)];
        assert_eq!(
            encode_row(1, columns(&twice)),
            Err(EncodeError::ColumnOrder)
        );
        let deep = (0..=DEPTH_MAX).fold(Value::Null, |inner, _| Value::array(vec![inner]));
        assert_eq!(
            encode_row(1, columns(&[(1, deep)])),
            Err(EncodeError::TooDeep)
        );
        let empty = encode_row(1, columns(&[])).unwrap();
        assert!(RowView::new(&empty).unwrap().is_empty());
        let row = encode_row(1, columns(&[(1, "text".into())])).unwrap();
        for len in 0..row.len() {
            assert!(RowView::new(&row[..len]).is_err(), "cut to {len}");
        }
    }
}
