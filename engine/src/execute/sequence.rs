//! Drawing from sequences. What is drawn is part of the transaction: rolled back with it, without gaps, and two
//! transactions that draw at once are put in order like any others that write one row.

use std::sync::Arc;

use tailwater_proto::key_codec::key_of;
use tailwater_proto::row_codec::{RowView, encode_row};
use tailwater_proto::{ColumnId, Key, Value, sqlstate};

use crate::catalog::{Catalog, Object, ObjectId, Sequence, system_storage};
use crate::error::{Error, Result};
use crate::txn::{Section, Target, Transaction};

/// The last value drawn. Persisted, never renumber.
const LAST: ColumnId = ColumnId(1);

const TARGET: Target = Target {
    storage: system_storage::SEQUENCES,
    section: Section::Base,
    schema_version: 0,
};

fn row_key(id: ObjectId) -> Key {
    key_of([&Value::Int(id.0.into())])
}

/// Draws the next value of a sequence.
///
/// # Errors
/// `2200H` at its end, unless it cycles.
pub(super) fn next_value(txn: &mut Transaction, id: ObjectId) -> Result<i64> {
    let sequence = find(&txn.catalog, id)?;
    let key = row_key(id);
    let stored = txn.get(system_storage::SEQUENCES, &key)?;
    let last = stored
        .as_deref()
        .map(|row| last_value(&sequence, row))
        .transpose()?;
    let next = match last {
        None => sequence.start,
        Some(last) => match last.checked_add(sequence.increment) {
            Some(next) if (sequence.min..=sequence.max).contains(&next) => next,
            _ if sequence.cycle && sequence.increment > 0 => sequence.min,
            _ if sequence.cycle => sequence.max,
            _ => {
                return Err(Error::data(
                    "2200H",
                    format!(
                        "nextval: reached the end of sequence \"{}\" ({last})",
                        sequence.name
                    ),
                )
                .on(sequence.name.to_string())
                .with_hint("create it with CYCLE or wider limits"));
            }
        },
    };
    let image = encode_row(0, [(LAST, &Value::Int(next))])
        .map_err(|error| Error::data(sqlstate::INTERNAL_ERROR, error.to_string()))?;
    txn.stage(TARGET, key, stored, Some(image))?;
    Ok(next)
}

/// Forgets what was drawn from a sequence: it is dropped, or begins anew.
pub(super) fn forget(txn: &mut Transaction, id: ObjectId) -> Result<()> {
    let key = row_key(id);
    if let Some(stored) = txn.get(system_storage::SEQUENCES, &key)? {
        txn.stage(TARGET, key, Some(stored), None)?;
    }
    Ok(())
}

fn find(catalog: &Catalog, id: ObjectId) -> Result<Arc<Sequence>> {
    match catalog.get(id) {
        Some(Object::Sequence(sequence)) => Ok(Arc::clone(sequence)),
        _ => Err(Error::corrupted(format!(
            "a column draws from sequence {}, which is gone",
            id.0
        ))),
    }
}

fn last_value(sequence: &Sequence, row: &[u8]) -> Result<i64> {
    let value = RowView::new(row).and_then(|row| row.get(LAST));
    match value {
        Ok(Some(Value::Int(last))) => Ok(last),
        _ => Err(Error::corrupted("the last value of a sequence is damaged")
            .on(sequence.name.to_string())),
    }
}
