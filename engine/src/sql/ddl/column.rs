//! Columns of definitions: types, NOT NULL, nested fields. Constraints and defaults that need the whole table are
//! `table`'s.

use sqlparser::ast::DataType;
use tailwater_proto::{ColumnId, EcoString, Path, PathStep, SqlType, sqlstate};

use super::error;
use crate::catalog::{Column, NestedField, Relation};
use crate::sql::SqlResult;
use crate::sql::binder::names::fold;
use crate::sql::binder::types::sql_type;
use crate::sql::statement::{ColumnDef, ColumnOption, TableBody};

/// The column of a definition, with the relation's next column number; without default and constraints.
///
/// # Errors
/// 42704 for unknown types, 42701 for a field that stands twice, 42601 for NULL beside NOT NULL.
pub fn column(relation: &mut Relation, definition: &ColumnDef) -> SqlResult<Column> {
    let id = ColumnId(relation.next_column);
    relation.next_column += 1;
    let ty = declared_type(definition)?;
    let mut nested = Vec::new();
    if let Some(fields) = &definition.fields {
        nested_fields(fields, &mut Vec::new(), &mut nested)?;
    }
    Ok(Column {
        id,
        name: fold(&definition.name),
        ty,
        not_null: is_not_null(definition)?,
        default: None,
        default_sql: None,
        sequence: None,
        identity: None,
        hidden: false,
        nested,
    })
}

/// The type of a column or field; `Any` if it has none, `Document` if it has fields.
pub(super) fn declared_type(definition: &ColumnDef) -> SqlResult<SqlType> {
    match (&definition.data_type, &definition.fields) {
        (_, Some(_)) => Ok(SqlType::Document),
        (None, None) => Ok(SqlType::Any),
        (Some(name), None) => match serial(name) {
            Some(ty) => Ok(ty),
            None => sql_type(name).map_err(|mut failed| {
                failed.location = Some(definition.name.span.start);
                failed
            }),
        },
    }
}

/// SERIAL and its kin: a whole number that draws from a sequence of its own.
pub(super) fn serial(name: &DataType) -> Option<SqlType> {
    let DataType::Custom(name, _) = name else {
        return None;
    };
    match name.to_string().to_lowercase().as_str() {
        "smallserial" | "serial2" => Some(SqlType::Int2),
        "serial" | "serial4" => Some(SqlType::Int4),
        "bigserial" | "serial8" => Some(SqlType::Int8),
        _ => None,
    }
}

fn is_not_null(definition: &ColumnDef) -> SqlResult<bool> {
    let count = |wanted: &ColumnOption| {
        definition
            .options
            .iter()
            .filter(|option| *option == wanted)
            .count()
    };
    let (not_null, null) = (count(&ColumnOption::NotNull), count(&ColumnOption::Null));
    if not_null > 0 && null > 0 {
        return Err(error(
            sqlstate::SYNTAX_ERROR,
            format!(
                "conflicting NULL/NOT NULL declarations for column \"{}\"",
                definition.name.value
            ),
            definition.name.span,
        )
        .on(&definition.name.value));
    }
    Ok(not_null > 0)
}

/// Declared fields below a column, parents first.
fn nested_fields(
    body: &TableBody,
    above: &mut Vec<PathStep>,
    out: &mut Vec<NestedField>,
) -> SqlResult<()> {
    let mut names: Vec<EcoString> = Vec::with_capacity(body.columns.len());
    for field in &body.columns {
        let name = fold(&field.name);
        if names.contains(&name) {
            return Err(error(
                sqlstate::DUPLICATE_COLUMN,
                format!("field \"{name}\" specified more than once"),
                field.name.span,
            )
            .on(&name));
        }
        names.push(name.clone());
        above.push(PathStep::Field(name));
        out.push(NestedField {
            path: Path(above.clone()),
            ty: declared_type(field)?,
            not_null: is_not_null(field)?,
            open: body.open,
        });
        if let Some(fields) = &field.fields {
            nested_fields(fields, above, out)?;
        }
        above.pop();
    }
    Ok(())
}
