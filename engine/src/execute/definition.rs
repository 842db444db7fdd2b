//! The statement that would make a table or an index as it is now: after ALTER the one that made it no longer would.

use std::fmt::Write;

use tailwater_proto::{Path, PathStep, SqlType};
use tailwater_views::Expr;

use crate::catalog::{
    Catalog, Column, Identity, Index, NestedField, Object, ObjectName, Relation, RelationKind,
    Sequence,
};
use crate::sql::keywords::quoted;

/// CREATE TABLE, constraints included; other indexes have statements of their own.
pub(super) fn table_sql(catalog: &Catalog, table: &Relation) -> String {
    let mut items: Vec<String> = table
        .columns
        .iter()
        .filter(|column| !column.hidden && !column.is_rest())
        .map(|column| column_sql(catalog, column))
        .collect();
    if table.row_id().is_none() && !table.primary_key.is_empty() {
        let parts = table.primary_key.iter();
        let parts = parts.map(|part| part_sql(table, &part.expr, &part.text, part.descending));
        items.push(format!(
            "PRIMARY KEY ({})",
            parts.collect::<Vec<_>>().join(", ")
        ));
    }
    for index in catalog.indexes_of(table.id) {
        if index.unique && index.sql.is_empty() && !index.for_maintenance {
            let name = quoted(&index.name.name);
            items.push(format!(
                "CONSTRAINT {name} UNIQUE ({})",
                index_parts(table, index)
            ));
        }
    }
    for check in &table.checks {
        items.push(format!(
            "CONSTRAINT {} CHECK ({})",
            quoted(&check.name),
            check.sql
        ));
    }
    let is_open = table.rest().is_some();
    if is_open && items.is_empty() {
        return format!("CREATE TABLE {}", name_sql(&table.name));
    }
    if is_open {
        items.push("...".to_owned());
    }
    format!(
        "CREATE TABLE {} ({})",
        name_sql(&table.name),
        items.join(", ")
    )
}

/// CREATE INDEX.
pub(super) fn index_sql(table: &Relation, index: &Index) -> String {
    let unique = if index.unique { "UNIQUE " } else { "" };
    format!(
        "CREATE {unique}INDEX {} ON {} ({})",
        quoted(&index.name.name),
        name_sql(&table.name),
        index_parts(table, index)
    )
}

/// CREATE VIEW, plain or materialised.
pub(super) fn view_sql(view: &Relation) -> Option<String> {
    let definition = view.view.as_ref()?;
    let kind = match view.kind {
        RelationKind::Table => return None,
        RelationKind::View => "VIEW",
        RelationKind::MaterializedView => "MATERIALIZED VIEW",
    };
    // Names of columns that only the rows know cannot be listed, and stand last.
    let columns = view.columns.iter();
    let columns = columns.filter(|column| !column.hidden && !column.is_rest());
    let names: Vec<String> = columns.map(|column| quoted(&column.name)).collect();
    let list = match names.as_slice() {
        [] => String::new(),
        names => format!(" ({})", names.join(", ")),
    };
    let options = if definition.reject_errors {
        " WITH (on_error = 'reject')"
    } else {
        ""
    };
    let (name, query) = (name_sql(&view.name), &definition.query);
    Some(format!("CREATE {kind} {name}{list}{options} AS {query}"))
}

fn index_parts(table: &Relation, index: &Index) -> String {
    let parts = index.parts.iter();
    let parts = parts.map(|part| part_sql(table, &part.expr, &part.text, part.descending));
    parts.collect::<Vec<_>>().join(", ")
}

/// A part of a key; a column by the name it has now.
pub(super) fn part_sql(table: &Relation, expr: &Expr, text: &str, descending: bool) -> String {
    let (base, path) = match expr {
        Expr::Path { base, path } => (&**base, Some(path)),
        column => (column, None),
    };
    let column = match base {
        Expr::Column(position) => table.columns.get(*position),
        _ => None,
    };
    let mut sql = match column {
        Some(column) if !column.is_rest() => {
            let mut sql = quoted(&column.name);
            for step in path.into_iter().flat_map(|path| &path.0) {
                // Writing to a String does not fail.
                let _ = match step {
                    PathStep::Field(name) => write!(sql, ".{}", quoted(name)),
                    PathStep::Index(index) => write!(sql, "[{index}]"),
                };
            }
            sql
        }
        _ => text.to_owned(),
    };
    sql.push_str(if descending { " DESC" } else { "" });
    sql
}

fn column_sql(catalog: &Catalog, column: &Column) -> String {
    let mut sql = quoted(&column.name);
    let owned = match column.sequence.and_then(|id| catalog.get(id)) {
        Some(Object::Sequence(sequence)) if sequence.owner.is_some() => Some(sequence),
        _ => None,
    };
    match (owned, column.identity) {
        (Some(sequence), Some(identity)) => {
            push_type(&mut sql, &column.ty, &column.nested, &Path(Vec::new()));
            let when = match identity {
                Identity::Always => "ALWAYS",
                Identity::ByDefault => "BY DEFAULT",
            };
            // Writing to a String does not fail.
            let _ = write!(sql, " GENERATED {when} AS IDENTITY");
            let options = sequence_options(sequence, &column.ty);
            if !options.is_empty() {
                let _ = write!(sql, " ({})", options.join(" "));
            }
            return sql;
        }
        (Some(_), None) => sql.push_str(match column.ty {
            SqlType::Int2 => " SMALLSERIAL",
            SqlType::Int4 => " SERIAL",
            _ => " BIGSERIAL",
        }),
        (None, _) => push_type(&mut sql, &column.ty, &column.nested, &Path(Vec::new())),
    }
    if column.not_null && owned.is_none() {
        sql.push_str(" NOT NULL");
    }
    if let Some(default) = &column.default_sql {
        // Writing to a String does not fail.
        let _ = write!(sql, " DEFAULT {default}");
    }
    sql
}

/// CREATE SEQUENCE.
pub(super) fn sequence_sql(sequence: &Sequence) -> String {
    let mut words = vec![format!("CREATE SEQUENCE {}", name_sql(&sequence.name))];
    words.extend(sequence_options(sequence, &SqlType::Int8));
    words.join(" ")
}

/// The default of a column that draws from a sequence.
pub(super) fn draw_sql(sequence: &ObjectName) -> String {
    format!("nextval('{}')", name_sql(sequence).replace('\'', "''"))
}

/// Options of a sequence of that type, where they are not the usual ones.
fn sequence_options(sequence: &Sequence, ty: &SqlType) -> Vec<String> {
    let (low, high) = match ty {
        SqlType::Int2 => (i64::from(i16::MIN), i64::from(i16::MAX)),
        SqlType::Int4 => (i64::from(i32::MIN), i64::from(i32::MAX)),
        _ => (i64::MIN, i64::MAX),
    };
    let is_up = sequence.increment > 0;
    let (min, max) = if is_up { (1, high) } else { (low, -1) };
    let start = if is_up { sequence.min } else { sequence.max };
    let mut options = Vec::new();
    for (words, value, usual) in [
        ("START WITH", sequence.start, start),
        ("INCREMENT BY", sequence.increment, 1),
        ("MINVALUE", sequence.min, min),
        ("MAXVALUE", sequence.max, max),
    ] {
        if value != usual {
            options.push(format!("{words} {value}"));
        }
    }
    if sequence.cycle {
        options.push("CYCLE".to_owned());
    }
    options
}

/// Appends a type: nothing if undeclared, the fields of a document if they are declared.
fn push_type(sql: &mut String, ty: &SqlType, nested: &[NestedField], above: &Path) {
    let below = above.0.len() + 1;
    let fields: Vec<&NestedField> = nested
        .iter()
        .filter(|field| field.path.0.len() == below && field.path.0.starts_with(&above.0))
        .collect();
    if fields.is_empty() {
        if *ty != SqlType::Any {
            // Writing to a String does not fail.
            let _ = write!(sql, " {ty}");
        }
        return;
    }
    let mut items = Vec::with_capacity(fields.len() + 1);
    for field in &fields {
        let Some(PathStep::Field(name)) = field.path.0.last() else {
            continue;
        };
        let mut item = quoted(name);
        push_type(&mut item, &field.ty, nested, &field.path);
        item.push_str(if field.not_null { " NOT NULL" } else { "" });
        items.push(item);
    }
    if fields.iter().any(|field| field.open) {
        items.push("...".to_owned());
    }
    let _ = write!(sql, " ({})", items.join(", "));
}

pub(super) fn name_sql(name: &ObjectName) -> String {
    if name.is_default_schema() {
        quoted(&name.name)
    } else {
        format!("{}.{}", quoted(&name.schema), quoted(&name.name))
    }
}
