//! Documents into rows: fields go to their columns, the others to the column for the rest, declared nested fields get
//! their types.

use std::sync::Arc;

use tailwater_proto::{Document, PathStep, Value, sqlstate};
use tailwater_views::cast::cast;
use tailwater_views::expr::CastMode;

use crate::catalog::{Column, NestedField, Relation};
use crate::error::{Error, Result};

/// The row of a document, in the table's layout; `None` for columns the document does not name.
///
/// # Errors
/// `42703` if a strict table has no column for a field; `22P02` and the like if a value does not fit its column.
pub(crate) fn place(table: &Relation, document: &Document) -> Result<Vec<Option<Value>>> {
    let mut row: Vec<Option<Value>> = vec![None; table.columns.len()];
    let mut rest = Document::new();
    for (name, value) in document.iter() {
        match table.column(name) {
            Some((position, column)) => {
                if let Some(slot) = row.get_mut(position) {
                    *slot = Some(cast(value, &column.ty, CastMode::Assignment)?);
                }
            }
            None => rest.set(name.clone(), value.clone()),
        }
    }
    match table.rest().and_then(|position| row.get_mut(position)) {
        Some(slot) => *slot = Some(Value::document(rest)),
        None => {
            if let Some((name, _)) = rest.iter().next() {
                return Err(Error::statement(
                    sqlstate::UNDEFINED_COLUMN,
                    format!("table \"{}\" has no field \"{name}\"", table.name),
                )
                .on(table.name.to_string())
                .with_hint(
                    "add the column, or declare the table with `...` to keep other fields",
                ));
            }
        }
    }
    Ok(row)
}

/// Gives the declared fields inside a document column their types and checks that they are there.
///
/// # Errors
/// `23502` for a missing NOT NULL field, `42703` for an undeclared one in a closed document, conversion errors.
pub(crate) fn conform(table: &Relation, column: &Column, value: &mut Value) -> Result<()> {
    if value.is_null() {
        return Ok(());
    }
    column
        .nested
        .iter()
        .try_for_each(|field| conform_field(table, column, field, value))
}

fn conform_field(
    table: &Relation,
    column: &Column,
    field: &NestedField,
    value: &mut Value,
) -> Result<()> {
    let Some((last, parents)) = field.path.0.split_last() else {
        return Ok(());
    };
    let PathStep::Field(name) = last else {
        return Ok(());
    };
    let mut place = value;
    for step in parents {
        let (PathStep::Field(parent), Value::Document(document)) = (step, place) else {
            return Ok(());
        };
        match Arc::make_mut(document).get_mut(parent) {
            Some(inner) => place = inner,
            None => return Ok(()),
        }
    }
    let whole = || format!("{}.{}", column.name, field.path);
    let Value::Document(document) = place else {
        return Ok(());
    };
    match Arc::make_mut(document).get_mut(name) {
        Some(slot) if !slot.is_null() => {
            *slot = cast(slot, &field.ty, CastMode::Assignment)?;
            Ok(())
        }
        _ if field.not_null => Err(Error::data(
            sqlstate::NOT_NULL_VIOLATION,
            format!(
                "null value in field \"{}\" of relation \"{}\" violates not-null constraint",
                whole(),
                table.name
            ),
        )
        .on(table.name.to_string())),
        _ => Ok(()),
    }
}

/// Sets the value a path leads to, making documents on the way where there is nothing.
/// A path through something else than documents and arrays, or past an array's end, changes nothing.
pub(crate) fn set_path(root: &mut Value, steps: &[PathStep], value: Value) {
    let Some((step, below)) = steps.split_first() else {
        *root = value;
        return;
    };
    match step {
        PathStep::Field(name) => {
            if root.is_null() {
                *root = Value::document(Document::new());
            }
            if let Value::Document(document) = root {
                let document = Arc::make_mut(document);
                if document.get(name).is_none() {
                    document.push(name.clone(), Value::Null);
                }
                if let Some(slot) = document.get_mut(name) {
                    set_path(slot, below, value);
                }
            }
        }
        PathStep::Index(index) => {
            if let Value::Array(elements) = root
                && let Ok(index) = usize::try_from(*index)
                && index < elements.len()
            {
                let mut changed = elements.to_vec();
                if let Some(slot) = changed.get_mut(index) {
                    set_path(slot, below, value);
                }
                *elements = changed.into();
            }
        }
    }
}

/// Takes the field a path leads to out of its document.
pub(crate) fn unset_path(root: &mut Value, steps: &[PathStep]) {
    match (steps, root) {
        ([PathStep::Field(name)], Value::Document(document)) => {
            Arc::make_mut(document).remove(name);
        }
        ([PathStep::Field(name), below @ ..], Value::Document(document)) => {
            if let Some(slot) = Arc::make_mut(document).get_mut(name) {
                unset_path(slot, below);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use tailwater_proto::EcoString;

    use super::*;

    fn field(name: &str) -> PathStep {
        PathStep::Field(EcoString::from(name))
    }

    #[test]
    fn setting_a_path_makes_documents_on_the_way() {
        let mut value = Value::Null;
        set_path(&mut value, &[field("a"), field("b")], Value::Int(1));
        assert_eq!(
            tailwater_proto::Path(vec![field("a"), field("b")]).find(&value),
            Some(&Value::Int(1))
        );
        unset_path(&mut value, &[field("a"), field("b")]);
        assert_eq!(
            tailwater_proto::Path(vec![field("a"), field("b")]).find(&value),
            None
        );
    }

    #[test]
    fn setting_past_an_arrays_end_changes_nothing() {
        let mut value = Value::array(vec![Value::Int(1)]);
        set_path(&mut value, &[PathStep::Index(3)], Value::Int(2));
        assert_eq!(value, Value::array(vec![Value::Int(1)]));
    }
}
