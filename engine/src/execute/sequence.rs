//! Drawing from sequences. What is drawn is part of the transaction: rolled back with it, without gaps, and two
//! transactions that draw at once are put in order like any others that write one row.

use std::sync::Arc;

use tailwater_proto::key_codec::key_of;
use tailwater_proto::row_codec::{RowView, encode_row};
use tailwater_proto::{ColumnId, Key, Row, Value, sqlstate};

use crate::catalog::{Catalog, Object, ObjectId, Sequence, system_storage};
use crate::error::{Error, Result};
use crate::execute::Ran;
use crate::sql::binder::names::object_name;
use crate::sql::statement::{AlterSequence, SequenceOptions};
use crate::txn::{Section, Target, Transaction};

/// The last value drawn. Persisted, never renumber.
const LAST: ColumnId = ColumnId(1);

/// The value to be drawn next, in place of the last one, after RESTART. Persisted, never renumber.
const NEXT: ColumnId = ColumnId(2);

const TARGET: Target = Target {
    storage: system_storage::SEQUENCES,
    section: Section::Base,
    schema_version: 0,
};

fn row_key(id: ObjectId) -> Key {
    key_of([&Value::Int(id.0.into())])
}

/// Where a sequence stands.
#[derive(Clone, Copy)]
enum Position {
    /// Nothing was drawn: the start is next.
    Start,
    /// This value was the last one.
    Last(i64),
    /// This value is next.
    Next(i64),
}

impl Position {
    /// The value to be drawn next; `None` at the end.
    fn next(self, sequence: &Sequence) -> Option<i64> {
        match self {
            Self::Start => Some(sequence.start),
            Self::Next(next) => Some(next),
            Self::Last(last) => match last.checked_add(sequence.increment) {
                Some(next) if (sequence.min..=sequence.max).contains(&next) => Some(next),
                _ if sequence.cycle && sequence.increment > 0 => Some(sequence.min),
                _ if sequence.cycle => Some(sequence.max),
                _ => None,
            },
        }
    }

    fn last(self) -> Option<i64> {
        match self {
            Self::Last(last) => Some(last),
            Self::Start | Self::Next(_) => None,
        }
    }
}

/// Draws the next value of a sequence.
///
/// # Errors
/// `2200H` at its end, unless it cycles.
pub(super) fn next_value(txn: &mut Transaction, id: ObjectId) -> Result<i64> {
    let sequence = find(&txn.catalog, id)?;
    let stored = txn.get(system_storage::SEQUENCES, &row_key(id))?;
    let position = position(&sequence, stored.as_deref())?;
    let Some(next) = position.next(&sequence) else {
        return Err(Error::data(
            "2200H",
            format!(
                "nextval: reached the end of sequence \"{}\" ({})",
                sequence.name,
                position.last().unwrap_or(sequence.start)
            ),
        )
        .on(sequence.name.to_string())
        .with_hint("create it with CYCLE or wider limits"));
    };
    put(txn, id, stored, LAST, next)?;
    Ok(next)
}

/// Sets a sequence so that this value, or else its start, is drawn next.
///
/// # Errors
/// `22023` for a value outside its limits.
pub(super) fn restart(txn: &mut Transaction, sequence: &Sequence, next: Option<i64>) -> Result<()> {
    let Some(next) = next else {
        return forget(txn, sequence.id);
    };
    let (min, max) = (sequence.min, sequence.max);
    if !(min..=max).contains(&next) {
        return Err(Error::statement(
            sqlstate::INVALID_PARAMETER_VALUE,
            format!(
                "RESTART value ({next}) must lie between MINVALUE ({min}) and MAXVALUE ({max})"
            ),
        )
        .on(sequence.name.to_string()));
    }
    let stored = txn.get(system_storage::SEQUENCES, &row_key(sequence.id))?;
    put(txn, sequence.id, stored, NEXT, next)
}

/// Runs ALTER SEQUENCE.
///
/// # Errors
/// `0A000` for anything but RESTART.
pub(super) fn alter(txn: &mut Transaction, change: &AlterSequence) -> Result<Ran> {
    let name = object_name(&change.name);
    let Some(sequence) = txn.catalog.sequence(&name).cloned() else {
        if change.if_exists {
            return Ok(Ran::Count("ALTER SEQUENCE", 0));
        }
        return Err(Error::statement(
            sqlstate::UNDEFINED_TABLE,
            format!("sequence \"{name}\" does not exist"),
        )
        .on(name.to_string())
        .with_hint("SHOW SEQUENCES lists those there are"));
    };
    let others = SequenceOptions {
        restart: None,
        ..change.options.clone()
    };
    match change.options.restart {
        Some(next) if others == SequenceOptions::default() => restart(txn, &sequence, next)?,
        _ => {
            return Err(Error::statement(
                sqlstate::FEATURE_NOT_SUPPORTED,
                "ALTER SEQUENCE with anything but RESTART is not supported",
            )
            .on(name.to_string())
            .with_hint(
                "CREATE another sequence and SET DEFAULT nextval('…') where it is drawn from",
            ));
        }
    }
    Ok(Ran::Count("ALTER SEQUENCE", 0))
}

/// A sequence as SHOW SEQUENCES has it: what draws from it by its own right, where it stands, its options.
///
/// # Errors
/// When what is stored of it is damaged.
pub(super) fn described(txn: &Transaction, sequence: &Sequence) -> Result<Row> {
    let stored = txn.get(system_storage::SEQUENCES, &row_key(sequence.id))?;
    let position = position(sequence, stored.as_deref())?;
    let owner = sequence.owner.and_then(|id| match txn.catalog.get(id) {
        Some(Object::Relation(relation)) => Some(relation),
        _ => None,
    });
    let column = owner.and_then(|table| {
        let mut columns = table.columns.iter();
        columns.find(|column| column.sequence == Some(sequence.id))
    });
    let number = |value: Option<i64>| value.map_or(Value::Null, Value::Int);
    let row = vec![
        Value::text(&sequence.name.to_string()),
        owner.map_or(Value::Null, |table| Value::text(&table.name.to_string())),
        column.map_or(Value::Null, |column| Value::Text(column.name.clone())),
        number(position.last()),
        number(position.next(sequence)),
        Value::Int(sequence.start),
        Value::Int(sequence.increment),
        Value::Int(sequence.min),
        Value::Int(sequence.max),
        Value::Bool(sequence.cycle),
    ];
    Ok(row.into())
}

fn put(
    txn: &mut Transaction,
    id: ObjectId,
    stored: Option<Arc<[u8]>>,
    column: ColumnId,
    value: i64,
) -> Result<()> {
    let image = encode_row(0, [(column, &Value::Int(value))])
        .map_err(|error| Error::data(sqlstate::INTERNAL_ERROR, error.to_string()))?;
    txn.stage(TARGET, row_key(id), stored, Some(image))
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

fn position(sequence: &Sequence, stored: Option<&[u8]>) -> Result<Position> {
    let Some(stored) = stored else {
        return Ok(Position::Start);
    };
    let read = RowView::new(stored).and_then(|row| Ok((row.get(LAST)?, row.get(NEXT)?)));
    match read {
        Ok((Some(Value::Int(last)), None)) => Ok(Position::Last(last)),
        Ok((None, Some(Value::Int(next)))) => Ok(Position::Next(next)),
        _ => {
            Err(Error::corrupted("the position of a sequence is damaged")
                .on(sequence.name.to_string()))
        }
    }
}
