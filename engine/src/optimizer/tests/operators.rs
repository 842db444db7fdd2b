//! The same tables as keyed bytes, and the plans run by the real operators.

use std::collections::BTreeMap;
use std::sync::Arc;

use tailwater_proto::key_codec::{KeyOrder, encode_key_in};
use tailwater_proto::row_codec::encode_row;
use tailwater_proto::{ColumnId, Direction, Key, KeyRange, StorageId, Value};
use tailwater_views::plan_eval::open;
use tailwater_views::{Cursor, Error, ExecContext, Expr, Plan, Reader};

use super::evaluate::{Data, Rows};

/// Storages in memory.
#[derive(Default)]
pub(super) struct Bytes(BTreeMap<StorageId, BTreeMap<Key, Arc<[u8]>>>);

/// What is left of a scan, the next row last.
struct Left(Vec<(Key, Arc<[u8]>)>);

impl Cursor for Left {
    fn next(&mut self) -> Result<Option<(Key, Arc<[u8]>)>, Error> {
        Ok(self.0.pop())
    }
}

impl Reader for Bytes {
    fn get(&self, storage: StorageId, key: &Key) -> Result<Option<Arc<[u8]>>, Error> {
        Ok(self.0.get(&storage).and_then(|rows| rows.get(key)).cloned())
    }

    fn scan(
        &self,
        storage: StorageId,
        range: KeyRange,
        direction: Direction,
    ) -> Result<Box<dyn Cursor>, Error> {
        let rows = self.0.get(&storage).into_iter().flatten();
        let mut rows: Vec<_> = rows
            .filter(|(key, _)| range.contains(key))
            .map(|(key, bytes)| (key.clone(), Arc::clone(bytes)))
            .collect();
        if direction == Direction::Forward {
            rows.reverse();
        }
        Ok(Box::new(Left(rows)))
    }
}

impl Bytes {
    /// The tables with their indexes.
    pub(super) fn of(data: &Data<'_>) -> Self {
        let mut bytes = Self::default();
        for (storage, rows) in &data.tables {
            let relation = data.catalog.relation_of_storage(*storage).unwrap();
            for row in rows {
                let part = |key: &mut Key, expr: &Expr, descending: bool| {
                    let order = if descending {
                        KeyOrder::Descending
                    } else {
                        KeyOrder::Ascending
                    };
                    encode_key_in(key, &expr.eval(row, &data.cx).unwrap(), order);
                };
                let mut primary = Key::new();
                for key_part in &relation.primary_key {
                    part(&mut primary, &key_part.expr, key_part.descending);
                }
                let columns: Vec<(ColumnId, &Value)> =
                    relation.layout().into_iter().zip(row).collect();
                let encoded = encode_row(1, columns).unwrap();
                bytes.put(*storage, primary.clone(), encoded);
                for index in data.catalog.indexes_of(relation.id) {
                    let mut entry = Key::new();
                    for index_part in &index.parts {
                        part(&mut entry, &index_part.expr, index_part.descending);
                    }
                    entry.extend(&primary);
                    bytes.put(index.storage, entry, Arc::from([]));
                }
            }
        }
        bytes
    }

    fn put(&mut self, storage: StorageId, key: Key, bytes: Arc<[u8]>) {
        self.0.entry(storage).or_default().insert(key, bytes);
    }
}

/// All rows of the plan.
pub(super) fn run(plan: &Plan, reader: &Arc<Bytes>, cx: &ExecContext) -> Result<Rows, Error> {
    let reader: Arc<dyn Reader> = Arc::<Bytes>::clone(reader);
    let mut source = open(plan, reader, cx)?;
    let mut rows = Vec::new();
    while let Some(row) = source.next(cx)? {
        rows.push(row.to_vec());
    }
    Ok(rows)
}
