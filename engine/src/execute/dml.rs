//! INSERT, UPDATE and DELETE: all rows concerned are read first, then staged, so that a statement never sees its own
//! changes.

use std::collections::BTreeSet;
use std::sync::Arc;

use smallvec::SmallVec;
use tailwater_proto::{Document, Key, Row, Value, sqlstate};
use tailwater_views::{ExecContext, Expr};

use super::document::{conform, place, set_path, unset_path};
use super::query;
use super::sequence::next_value;
use crate::catalog::{Identity, Relation};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::sql::bound::{
    Assignment, BoundDelete, BoundInsert, BoundUpdate, InsertSource, OnConflict, Overriding,
    Returning,
};
use crate::table_writer::{Obstacle, TableWriter};
use crate::txn::Transaction;

/// What a statement did.
#[derive(Debug, Default)]
pub(crate) struct DmlResult {
    /// Rows inserted, updated or deleted.
    pub(crate) affected: u64,
    /// Rows of RETURNING, if there is one.
    pub(crate) returned: Vec<Row>,
    /// Keys that ON CONFLICT DO UPDATE may not change: this statement inserted or changed them.
    settled: BTreeSet<Key>,
}

impl DmlResult {
    fn count(
        &mut self,
        returning: Option<&Returning>,
        row: &[Value],
        cx: &ExecContext,
    ) -> Result<()> {
        self.affected += 1;
        if let Some(returning) = returning {
            let values: Result<Vec<Value>, _> = returning
                .exprs
                .iter()
                .map(|expr| expr.eval(row, cx))
                .collect();
            self.returned.push(values?.into());
        }
        Ok(())
    }
}

/// Runs an INSERT.
///
/// # Errors
/// Constraint violations, conversion errors, and whatever its query fails with.
pub(crate) fn insert(
    engine: &Engine,
    txn: &mut Transaction,
    bound: &BoundInsert,
    writer: &TableWriter,
    cx: &ExecContext,
) -> Result<DmlResult> {
    let mut result = DmlResult::default();
    match &bound.source {
        InsertSource::Values(rows) => {
            for exprs in rows {
                let given = exprs.iter().map(|expr| eval_given(expr, &[], cx));
                insert_row(engine, txn, bound, writer, given, &mut result, cx)?;
            }
        }
        InsertSource::Rows {
            plan,
            columns,
            drawn,
        } => {
            for source in query::open(txn, plan, cx)?.collect()? {
                let given = columns.iter().enumerate().map(|(place, expr)| {
                    let draws = drawn.iter().find(|(column, _)| *column == place);
                    match draws {
                        Some((_, draws)) if draws.test(&source, cx)? => Ok(None),
                        _ => eval_given(expr, &source, cx),
                    }
                });
                insert_row(engine, txn, bound, writer, given, &mut result, cx)?;
            }
        }
        InsertSource::Documents(documents) => {
            for expr in documents {
                let value = expr.eval(&[], cx)?;
                let document = as_document(&bound.table, &value)?;
                let mut given = place(&bound.table, document)?;
                identities(&bound.table, bound.overriding, &mut given)?;
                let given = given.into_iter().map(Ok);
                insert_row(engine, txn, bound, writer, given, &mut result, cx)?;
            }
        }
    }
    Ok(result)
}

/// What a document says of identity columns counts, is passed over or is refused, as for other rows.
fn identities(table: &Relation, overriding: Overriding, given: &mut [Option<Value>]) -> Result<()> {
    for (column, slot) in table.columns.iter().zip(given) {
        match (column.identity, overriding) {
            (None, _) | (Some(_), Overriding::System) => {}
            (Some(_), Overriding::User) => *slot = None,
            (Some(Identity::ByDefault), Overriding::Nothing) => {}
            (Some(Identity::Always), Overriding::Nothing) if slot.is_none() => {}
            (Some(Identity::Always), Overriding::Nothing) => {
                return Err(Error::statement(
                    sqlstate::GENERATED_ALWAYS,
                    format!(
                        "cannot insert a non-DEFAULT value into column \"{}\"",
                        column.name
                    ),
                )
                .on(table.name.to_string())
                .with_hint(
                    "it is GENERATED ALWAYS AS IDENTITY: leave it out, or say OVERRIDING SYSTEM VALUE",
                ));
            }
        }
    }
    Ok(())
}

/// What a row to be inserted says of one column; `None`: nothing.
fn eval_given(expr: &Option<Expr>, source: &[Value], cx: &ExecContext) -> Result<Option<Value>> {
    Ok(expr
        .as_ref()
        .map(|expr| expr.eval(source, cx))
        .transpose()?)
}

fn as_document<'v>(table: &Relation, value: &'v Value) -> Result<&'v Document> {
    value.unwrap_json().as_document().ok_or_else(|| {
        Error::statement(
            sqlstate::DATATYPE_MISMATCH,
            format!(
                "a row of \"{}\" must be a document, not {}",
                table.name,
                value.kind_name()
            ),
        )
        .with_hint("write VALUES {field: value}, or bind a struct, a map or a document to VALUES ?")
    })
}

/// Values of a row that is on its way into the table: few columns take no allocation.
type RowValues = SmallVec<[Value; 8]>;

fn insert_row(
    engine: &Engine,
    txn: &mut Transaction,
    bound: &BoundInsert,
    writer: &TableWriter,
    given: impl Iterator<Item = Result<Option<Value>>>,
    result: &mut DmlResult,
    cx: &ExecContext,
) -> Result<()> {
    let mut row = RowValues::new();
    complete(engine, txn, writer.table(), given, &mut row, cx)?;
    writer.check(&row, cx)?;
    let key = writer.key(&row, cx)?;
    let Some(obstacle) = writer.obstacle(txn, &key, &row, cx)? else {
        if matches!(bound.conflict, OnConflict::DoUpdate { .. }) {
            result.settled.insert(key.clone());
        }
        writer.put(txn, key, None, &row, cx)?;
        return result.count(bound.returning.as_ref(), &row, cx);
    };
    match &bound.conflict {
        OnConflict::Error => Err(writer.obstacle_error(&obstacle)),
        OnConflict::DoNothing { target } => {
            if is_target(target.as_deref(), &obstacle) {
                Ok(())
            } else {
                Err(writer.obstacle_error(&obstacle))
            }
        }
        OnConflict::DoReplace => {
            let mut blocking = Some(obstacle);
            while let Some(obstacle) = blocking {
                let (old, image) = stored(txn, writer, &obstacle.key)?;
                writer.delete(txn, obstacle.key, (&old, image), cx)?;
                blocking = writer.obstacle(txn, &key, &row, cx)?;
            }
            writer.put(txn, key, None, &row, cx)?;
            result.count(bound.returning.as_ref(), &row, cx)
        }
        OnConflict::DoUpdate {
            target,
            assignments,
            filter,
        } => {
            if !is_target(target.as_deref(), &obstacle) {
                return Err(writer.obstacle_error(&obstacle));
            }
            if result.settled.contains(&obstacle.key) {
                return Err(Error::data(
                    sqlstate::CARDINALITY_VIOLATION,
                    "ON CONFLICT DO UPDATE command cannot affect row a second time",
                )
                .on(bound.table.name.to_string())
                .with_hint("no two of the rows to insert may conflict with the same row, or with each other"));
            }
            let (old, image) = stored(txn, writer, &obstacle.key)?;
            // Assignments and filter see the stored row, then the row that was to be inserted.
            let both: Vec<Value> = old.iter().chain(&row).cloned().collect();
            if let Some(filter) = filter
                && !filter.test(&both, cx)?
            {
                return Ok(());
            }
            let new = assign(writer.table(), &old, &both, assignments, cx)?;
            result.settled.insert(obstacle.key.clone());
            result.settled.insert(writer.key(&new, cx)?);
            replace(txn, writer, obstacle.key, (&old, image), &new, cx)?;
            result.count(bound.returning.as_ref(), &new, cx)
        }
    }
}

fn is_target(target: Option<&[crate::catalog::ObjectId]>, obstacle: &Obstacle) -> bool {
    let Some(target) = target else { return true };
    match &obstacle.index {
        Some(index) => target.contains(&index.id),
        // An empty list names the primary key.
        None => target.is_empty(),
    }
}

/// Fills in defaults and the row id, and gives nested fields their types.
fn complete(
    engine: &Engine,
    txn: &mut Transaction,
    table: &Arc<Relation>,
    given: impl Iterator<Item = Result<Option<Value>>>,
    row: &mut RowValues,
    cx: &ExecContext,
) -> Result<()> {
    for (column, value) in table.columns.iter().zip(given) {
        let mut value = match (value?, &column.default, column.sequence) {
            (Some(value), ..) => value,
            (None, _, Some(sequence)) => Value::Int(next_value(txn, sequence)?),
            (None, ..) if column.hidden => Value::Int(engine.next_row_id(txn, table)?),
            (None, Some(default), None) => default.eval(&[], cx)?,
            (None, None, None) if column.is_rest() => Value::document(Document::new()),
            (None, None, None) => Value::Null,
        };
        conform(table, column, &mut value)?;
        row.push(value);
    }
    Ok(())
}

fn stored(txn: &Transaction, writer: &TableWriter, key: &Key) -> Result<(Row, Arc<[u8]>)> {
    let image = txn.get(writer.table().storage, key)?.ok_or_else(|| {
        Error::corrupted(format!(
            "an index points to the key {key:?}, which has no row"
        ))
        .on(writer.table().name.to_string())
        .with_hint("REINDEX the table")
    })?;
    Ok((writer.decode(&image)?, image))
}

/// Runs an UPDATE.
///
/// # Errors
/// Constraint violations, conversion errors, and whatever its expressions fail with.
pub(crate) fn update(
    txn: &mut Transaction,
    bound: &BoundUpdate,
    writer: &TableWriter,
    cx: &ExecContext,
) -> Result<DmlResult> {
    let mut result = DmlResult::default();
    let mut changed = Vec::new();
    let width = bound.table.columns.len();
    let mut seen = BTreeSet::new();
    for read in query::open(txn, &bound.scan, cx)?.collect()? {
        // What stands behind the table's own columns is only for assignments to read; such rows may repeat.
        let old: Row = match read.get(..width) {
            Some(own) if own.len() < read.len() => own.to_vec().into(),
            _ => read.clone(),
        };
        let key = writer.key(&old, cx)?;
        if old.len() < read.len() && !seen.insert(key.clone()) {
            continue;
        }
        let new = assign(&bound.table, &old, &read, &bound.assignments, cx)?;
        changed.push((key, old, new));
    }
    // Rows that get another key leave first: `SET id = id + 1` must not collide with itself.
    let mut moved = Vec::new();
    for (key, old, new) in changed {
        let new_key = writer.key(&new, cx)?;
        let image = image_of(txn, writer, &key)?;
        if new_key == key {
            writer.check(&new, cx)?;
            writer.put(txn, key.clone(), Some((&old, image)), &new, cx)?;
            moved.push((key, new, true));
        } else {
            writer.delete(txn, key, (&old, image), cx)?;
            moved.push((new_key, new, false));
        }
    }
    for (key, new, in_place) in moved {
        if in_place {
            writer.check_unique(txn, &key, &new, cx)?;
        } else {
            insert_moved(txn, writer, key, &new, cx)?;
        }
        result.count(bound.returning.as_ref(), &new, cx)?;
    }
    Ok(result)
}

fn image_of(txn: &Transaction, writer: &TableWriter, key: &Key) -> Result<Arc<[u8]>> {
    txn.get(writer.table().storage, key)?.ok_or_else(|| {
        Error::corrupted(format!("the row just read under {key:?} is gone"))
            .on(writer.table().name.to_string())
    })
}

fn insert_moved(
    txn: &mut Transaction,
    writer: &TableWriter,
    key: Key,
    new: &[Value],
    cx: &ExecContext,
) -> Result<()> {
    writer.check(new, cx)?;
    if let Some(obstacle) = writer.obstacle(txn, &key, new, cx)? {
        return Err(writer.obstacle_error(&obstacle));
    }
    writer.put(txn, key, None, new, cx)
}

/// Replaces one stored row by another, under the same key or a new one.
fn replace(
    txn: &mut Transaction,
    writer: &TableWriter,
    key: Key,
    old: (&Row, Arc<[u8]>),
    new: &[Value],
    cx: &ExecContext,
) -> Result<()> {
    let new_key = writer.key(new, cx)?;
    if new_key == key {
        writer.check(new, cx)?;
        writer.check_unique(txn, &key, new, cx)?;
        writer.put(txn, key, Some(old), new, cx)
    } else {
        writer.delete(txn, key, old, cx)?;
        insert_moved(txn, writer, new_key, new, cx)
    }
}

/// The row after the assignments, which see `input` (the row before, and more in ON CONFLICT).
fn assign(
    table: &Relation,
    old: &[Value],
    input: &[Value],
    assignments: &[Assignment],
    cx: &ExecContext,
) -> Result<Vec<Value>> {
    let mut row = old.to_vec();
    for assignment in assignments {
        let (Some(slot), Some(column)) = (
            row.get_mut(assignment.column),
            table.columns.get(assignment.column),
        ) else {
            continue;
        };
        if assignment.unset {
            if assignment.path.0.is_empty() {
                *slot = Value::Null;
            } else {
                unset_path(slot, &assignment.path.0);
            }
        } else {
            set_path(slot, &assignment.path.0, assignment.value.eval(input, cx)?);
        }
        conform(table, column, slot)?;
    }
    Ok(row)
}

/// Runs a DELETE.
///
/// # Errors
/// Whatever its expressions fail with.
pub(crate) fn delete(
    txn: &mut Transaction,
    bound: &BoundDelete,
    writer: &TableWriter,
    cx: &ExecContext,
) -> Result<DmlResult> {
    let mut result = DmlResult::default();
    for old in query::open(txn, &bound.scan, cx)?.collect()? {
        let key = writer.key(&old, cx)?;
        let image = image_of(txn, writer, &key)?;
        writer.delete(txn, key, (&old, image), cx)?;
        result.count(bound.returning.as_ref(), &old, cx)?;
    }
    Ok(result)
}
