//! Filling what is derived from rows that are there: an index, a table made from a query.

use std::sync::Arc;

use tailwater_proto::row_codec::RowView;
use tailwater_proto::{Direction, Key, KeyRange, Value, sqlstate};
use tailwater_views::{ExecContext, Reader};

use super::run::{Ran, Surroundings};
use crate::catalog::{Index, ObjectName, Relation};
use crate::error::{Error, Result};
use crate::index_entry::{index_entry, index_prefix, index_target};
use crate::sql::statement::{
    Insert, InsertSource, ObjectName as SqlName, Parsed, Query, Statement,
};
use crate::txn::{Target, Transaction};

/// Puts an entry for each row of a relation into an index.
///
/// # Errors
/// `23505` if two rows agree in a unique index.
pub(super) fn fill_index(
    txn: &mut Transaction,
    relation: &Arc<Relation>,
    index: &Index,
) -> Result<()> {
    let cx = ExecContext::default();
    let layout = relation.layout();
    let target = index_target(index);
    let mut last_prefix: Option<Key> = None;
    let mut entries = Vec::new();
    let reader = txn.reader();
    let mut rows = reader.scan(relation.storage, KeyRange::all(), Direction::Forward)?;
    while let Some((key, image)) = rows.next()? {
        let mut values: Vec<Value> = Vec::with_capacity(layout.len());
        RowView::new(&image)
            .and_then(|view| view.project(&layout, &mut values))
            .map_err(|error| Error::corrupted(error.to_string()).on(relation.name.to_string()))?;
        let (prefix, has_null) = index_prefix(index, &values, &cx)?;
        entries.push((
            index_entry(index, &values, &key, &cx)?,
            (!has_null).then_some(prefix),
        ));
    }
    if index.unique {
        entries.sort_unstable();
    }
    for (entry, prefix) in entries {
        if index.unique && prefix.is_some() {
            if prefix == last_prefix {
                return Err(Error::data(
                    sqlstate::UNIQUE_VIOLATION,
                    format!(
                        "could not create unique index \"{}\": two rows agree in it",
                        index.name
                    ),
                )
                .on(relation.name.to_string())
                .with_hint("find them with GROUP BY … HAVING count(*) > 1"));
            }
            last_prefix = prefix;
        }
        let before = txn.snapshot.get(index.storage, &entry)?;
        txn.stage(target, entry, before, Some(Arc::from([])))?;
    }
    Ok(())
}

/// Stages that the rows of a range are no more.
pub(super) fn delete_range(txn: &mut Transaction, target: Target, range: KeyRange) -> Result<()> {
    let reader = txn.reader();
    let mut rows = reader.scan(target.storage, range, Direction::Forward)?;
    let mut staged = Vec::new();
    while let Some((key, image)) = rows.next()? {
        staged.push((key, image));
    }
    for (key, image) in staged {
        txn.stage(target, key, Some(image), None)?;
    }
    Ok(())
}

/// Inserts the rows of a query into a table that was just made.
pub(super) fn fill_from_query(
    around: &Surroundings<'_>,
    txn: &mut Transaction,
    table: &ObjectName,
    query: &Query,
    source: &Arc<str>,
) -> Result<u64> {
    use sqlparser::ast::{Ident, ObjectNamePart};
    let part = |text: &str| ObjectNamePart::Identifier(Ident::with_quote('"', text));
    let mut name = vec![part(&table.name)];
    if !table.is_default_schema() {
        name.insert(0, part(&table.schema));
    }
    let parsed = Parsed {
        statement: Statement::Insert(Box::new(Insert {
            with: None,
            table: SqlName(name),
            alias: None,
            columns: Vec::new(),
            overriding_system: None,
            source: InsertSource::Query(Box::new(query.clone())),
            on_conflict: None,
            returning: None,
        })),
        text_range: 0..0,
        question_marks: Vec::new(),
        source: Arc::clone(source),
    };
    // A text no user writes, so that the plan is never taken for that of another statement.
    let sql = format!("CREATE TABLE AS {table} {}", txn.catalog.version());
    match super::run::run(around, txn, &sql, &parsed)? {
        Ran::Count(_, rows) => Ok(rows),
        Ran::Rows(..) | Ran::Collected(..) => Ok(0),
    }
}
