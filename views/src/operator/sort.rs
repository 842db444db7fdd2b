//! Sort: rows in order, by encoded keys that compare as bytes; equal rows keep the order they came in.
//! Under a limit only the rows that can still be returned are kept, in a heap. Memory is counted.

use std::collections::BinaryHeap;

use tailwater_proto::key_codec::{KeyOrder, encode_key_in};
use tailwater_proto::{Key, Row, Value};

use super::RowSource;
use crate::context::ExecContext;
use crate::error::Result;
use crate::memory::Reserved;
use crate::plan::SortKey;

pub(crate) struct SortSource {
    pub(crate) input: Box<dyn RowSource>,
    pub(crate) keys: Vec<SortKey>,
    /// Only so many rows are asked for.
    pub(crate) reach: Option<u64>,
    sorted: Option<std::vec::IntoIter<Sorted>>,
    memory: Reserved,
}

/// A row under its sort key and its number in the input.
#[derive(Debug)]
struct Sorted {
    key: Key,
    number: u64,
    row: Row,
}

impl PartialEq for Sorted {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Sorted {}

impl PartialOrd for Sorted {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Sorted {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key
            .cmp(&other.key)
            .then_with(|| self.number.cmp(&other.number))
    }
}

impl SortSource {
    pub(crate) fn new(
        input: Box<dyn RowSource>,
        keys: Vec<SortKey>,
        reach: Option<u64>,
        cx: &ExecContext,
    ) -> Self {
        Self {
            input,
            keys,
            reach,
            sorted: None,
            memory: Reserved::new(cx),
        }
    }

    fn sort_all(&mut self, cx: &ExecContext) -> Result<Vec<Sorted>> {
        let mut rows = Vec::new();
        while let Some(row) = self.input.next(cx)? {
            let key = sort_key(&self.keys, &row, cx)?;
            self.memory.grow_row(cx, key.len(), &row)?;
            rows.push(Sorted {
                key,
                number: rows.len() as u64,
                row,
            });
        }
        rows.sort_unstable();
        Ok(rows)
    }

    fn sort_first(&mut self, reach: u64, cx: &ExecContext) -> Result<Vec<Sorted>> {
        let mut heap: BinaryHeap<Sorted> = BinaryHeap::new();
        let mut number = 0;
        while let Some(row) = self.input.next(cx)? {
            let key = sort_key(&self.keys, &row, cx)?;
            number += 1;
            if heap.len() as u64 >= reach {
                match heap.peek_mut() {
                    Some(mut last) if key < last.key => {
                        self.memory.shrink_row(last.key.len(), &last.row);
                        self.memory.grow_row(cx, key.len(), &row)?;
                        *last = Sorted { key, number, row };
                    }
                    _ => {}
                }
            } else {
                self.memory.grow_row(cx, key.len(), &row)?;
                heap.push(Sorted { key, number, row });
            }
        }
        Ok(heap.into_sorted_vec())
    }
}

impl RowSource for SortSource {
    fn next(&mut self, cx: &ExecContext) -> Result<Option<Row>> {
        if self.sorted.is_none() {
            let rows = match self.reach {
                Some(0) => Vec::new(),
                Some(reach) => self.sort_first(reach, cx)?,
                None => self.sort_all(cx)?,
            };
            self.sorted = Some(rows.into_iter());
        }
        Ok(self
            .sorted
            .as_mut()
            .and_then(|rows| rows.next())
            .map(|sorted| sorted.row))
    }
}

/// The bytes by which a row is sorted.
pub(crate) fn sort_key(keys: &[SortKey], row: &[Value], cx: &ExecContext) -> Result<Key> {
    let mut bytes = Key::new();
    for key in keys {
        let value = key.expr.eval(row, cx)?;
        if key.nulls_first != key.descending {
            // Not where the encoding has NULLs: a byte before the part says on which side of all others it stands.
            bytes.push(u8::from(value.is_null() != key.nulls_first));
        }
        let order = if key.descending {
            KeyOrder::Descending
        } else {
            KeyOrder::Ascending
        };
        encode_key_in(&mut bytes, &value, order);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::Expr;

    #[test]
    fn nulls_stand_where_they_are_asked_for() {
        let cx = ExecContext::default();
        let values = [Value::Int(2), Value::Null, Value::Int(1)];
        for (descending, nulls_first, expected) in [
            (false, false, [2, 0, 1]),
            (false, true, [1, 2, 0]),
            (true, true, [1, 0, 2]),
            (true, false, [0, 2, 1]),
        ] {
            let keys = [SortKey {
                expr: Expr::Column(0),
                descending,
                nulls_first,
            }];
            let mut order = [0, 1, 2];
            order.sort_by_key(|n: &usize| {
                sort_key(&keys, std::slice::from_ref(&values[*n]), &cx).unwrap()
            });
            assert_eq!(
                order, expected,
                "descending {descending} first {nulls_first}"
            );
        }
    }
}
