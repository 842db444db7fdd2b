//! A message becomes a table: its columns, its key, its conditions.
//!
//! Next door: `column`, one field; `message`, which says what is a table at all.

use std::collections::BTreeSet;

use prost_reflect::MessageDescriptor;
use tailwater_proto::v1::TableOptions;

use super::name::{quoted, snake_case};
use super::plan::{CheckPlan, ColumnPlan, IndexPlan, PrimaryKey, ReservedPlan, TablePlan};
use super::{column, message, options};
use crate::error::{Error, Result};

/// Names of a column that counts rows, the first that is free.
const SEQUENCES: [&str; 3] = ["seq", "row_seq", "tailwater_seq"];

/// The table of a message.
///
/// # Errors
/// `42P16` for options that name what is not there.
pub(super) fn of(message: &MessageDescriptor, why: &str) -> Result<TablePlan> {
    let said = options::of_message(message).unwrap_or_default();
    let columns: Vec<ColumnPlan> = message.fields().map(|field| column::of(&field)).collect();
    if columns.is_empty() {
        return Err(wrong(message, "it has no fields, and a table has columns"));
    }
    for (at, column) in columns.iter().enumerate() {
        let mut earlier = columns.iter().take(at);
        if let Some(earlier) = earlier.find(|earlier| earlier.name == column.name) {
            let both = format!(
                "its fields {} and {} would both be the column {}",
                earlier.field, column.field, column.name
            );
            return Err(wrong(message, &both));
        }
    }
    let name = match said.name.is_empty() {
        true => snake_case(message.name()),
        false => said.name.clone(),
    };
    if !said.view.is_empty() {
        return view(message, &said, columns, name, why);
    }
    Ok(TablePlan {
        message: message.full_name().to_owned(),
        primary_key: primary_key(message, &said, &columns)?,
        indexes: indexes(message, &said, &columns, &name)?,
        view: None,
        why: why.to_owned(),
        checks: checks(message, &said, &name),
        reserved: reserved(message),
        name,
        columns,
    })
}

/// The conditions that options say, and that of each `oneof` one arm is set at most. Their names are what tells them apart
/// when the module changes.
fn checks(message: &MessageDescriptor, said: &TableOptions, table: &str) -> Vec<CheckPlan> {
    let named = |name: String, condition: String| CheckPlan {
        name: format!("{table}_{name}check"),
        condition,
    };
    let mut checks = Vec::new();
    for field in message.fields() {
        if let Some(condition) = column::check(&field) {
            checks.push(named(format!("{}_", column::of(&field).name), condition));
        }
    }
    for (condition, number) in said.check.iter().zip(1..) {
        checks.push(named(format!("{number}_"), condition.clone()));
    }
    for oneof in message.oneofs().filter(|oneof| !oneof.is_synthetic()) {
        let arms: Vec<String> = oneof
            .fields()
            .map(|field| quoted(&column::of(&field).name))
            .collect();
        let condition = format!("num_nonnulls({}) <= 1", arms.join(", "));
        checks.push(named(format!("{}_", oneof.name()), condition));
    }
    // A `oneof` may be called as a column is, or as a number.
    let mut taken = BTreeSet::new();
    for check in &mut checks {
        let wanted = check.name.clone();
        let mut number = 0;
        while !taken.insert(check.name.clone()) {
            number += 1;
            check.name = format!("{wanted}{number}");
        }
    }
    checks
}

/// What no field may have any more.
fn reserved(message: &MessageDescriptor) -> ReservedPlan {
    let ranges = message.reserved_ranges();
    ReservedPlan {
        numbers: ranges
            .map(|range| (range.start, range.end.saturating_sub(1)))
            .collect(),
        names: message.reserved_names().map(str::to_owned).collect(),
    }
}

/// The view of a message. Its query says what its rows are: a key it has only if the option says so.
fn view(
    message: &MessageDescriptor,
    said: &TableOptions,
    columns: Vec<ColumnPlan>,
    name: String,
    why: &str,
) -> Result<TablePlan> {
    for key in &said.primary_key {
        find(message, &columns, key)?;
    }
    let indexes = indexes(message, said, &columns, &name)?;
    let is_unique = indexes.iter().any(|index| index.is_unique);
    let is_checked = message
        .fields()
        .any(|field| column::check(&field).is_some());
    if is_unique || is_checked || !said.check.is_empty() {
        return Err(wrong(
            message,
            "a view has no unique index and no check: its query says what its rows are",
        ));
    }
    Ok(TablePlan {
        message: message.full_name().to_owned(),
        primary_key: PrimaryKey::Columns(said.primary_key.clone()),
        indexes,
        view: Some(said.view.clone()),
        why: why.to_owned(),
        name,
        columns,
        checks: Vec::new(),
        reserved: reserved(message),
    })
}

fn primary_key(
    message: &MessageDescriptor,
    said: &TableOptions,
    columns: &[ColumnPlan],
) -> Result<PrimaryKey> {
    if !said.primary_key.is_empty() {
        for name in &said.primary_key {
            find(message, columns, name)?;
        }
        return Ok(PrimaryKey::Columns(said.primary_key.clone()));
    }
    if let Some(key) = message::row_key(message) {
        return Ok(PrimaryKey::Columns(vec![column::of(&key).name]));
    }
    let is_free = |name: &&&str| columns.iter().all(|column| column.name != ***name);
    SEQUENCES
        .iter()
        .find(is_free)
        .map(|name| PrimaryKey::Sequence((*name).to_owned()))
        .ok_or_else(|| {
            wrong(message, "it has no key")
                .with_hint("name its columns: option (tailwater.v1.table) = { primary_key: [..] };")
        })
}

fn indexes(
    message: &MessageDescriptor,
    said: &TableOptions,
    columns: &[ColumnPlan],
    table: &str,
) -> Result<Vec<IndexPlan>> {
    let index = |index: &tailwater_proto::v1::IndexOptions| {
        if index.columns.is_empty() {
            return Err(wrong(message, "an index has no columns"));
        }
        for path in &index.columns {
            find(message, columns, path.split('.').next().unwrap_or_default())?;
        }
        Ok(IndexPlan {
            name: match index.name.is_empty() {
                true => index_name(table, &index.columns),
                false => index.name.clone(),
            },
            columns: index.columns.clone(),
            is_unique: index.unique,
        })
    };
    said.index.iter().map(index).collect()
}

/// Gives indexes that nobody has named, and whose names are taken, others.
///
/// # Errors
/// `42P07` for two that an option names alike.
pub(super) fn name_indexes(tables: &mut [TablePlan]) -> Result<()> {
    let mut taken: BTreeSet<String> = tables.iter().map(|table| table.name.clone()).collect();
    // Those that options name come first.
    for generated in [false, true] {
        for table in tables.iter_mut() {
            let name = table.name.clone();
            for index in &mut table.indexes {
                if (index.name == index_name(&name, &index.columns)) != generated {
                    continue;
                }
                let wanted = index.name.clone();
                let mut number = 0;
                while !taken.insert(index.name.clone()) {
                    if !generated {
                        return Err(Error::statement(
                            "42P07",
                            format!("{}: the name {wanted} of its index is taken", table.message),
                        ));
                    }
                    number += 1;
                    index.name = format!("{wanted}{number}");
                }
            }
        }
    }
    Ok(())
}

/// The name of an index nobody has named.
pub(super) fn index_name(table: &str, columns: &[String]) -> String {
    let columns: Vec<String> = columns.iter().map(|path| path.replace('.', "_")).collect();
    format!("{table}_{}_idx", columns.join("_"))
}

fn find(message: &MessageDescriptor, columns: &[ColumnPlan], name: &str) -> Result<()> {
    if columns.iter().any(|column| column.name == name) {
        return Ok(());
    }
    let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    Err(wrong(message, &format!("it has no column {name}"))
        .with_hint(format!("its columns are {}", names.join(", "))))
}

fn wrong(message: &MessageDescriptor, what: &str) -> Error {
    Error::statement("42P16", format!("{}: {what}", message.full_name()))
}
