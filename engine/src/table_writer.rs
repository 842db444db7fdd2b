//! `TableWriter`: stages rows of one table: defaults are in place, constraints hold, index entries follow the rows.
//!
//! It is the only place where rows of tables are staged, whoever writes them: INSERT, UPDATE, DELETE, loads.

use std::sync::Arc;

use smallvec::SmallVec;
use tailwater_proto::key_codec::{encode_key, encode_key_desc};
use tailwater_proto::row_codec::{RowView, encode_row};
use tailwater_proto::{ColumnId, Key, KeyRange, Row, Value, sqlstate};
use tailwater_views::ExecContext;

use crate::catalog::{Catalog, Index, Relation};
use crate::error::{Error, Result};
use crate::index_entry::{index_entry, index_prefix, index_target};
use crate::txn::{Section, Target, Transaction};

/// Stages rows of one table. Good for one version of the catalog.
#[derive(Debug)]
pub(crate) struct TableWriter {
    table: Arc<Relation>,
    indexes: Vec<Arc<Index>>,
    layout: SmallVec<[ColumnId; 16]>,
    /// Positions in the layout by ascending column number: the order in which rows are stored.
    stored_order: SmallVec<[usize; 8]>,
    target: Target,
}

/// A row that stands in the way of an insert.
#[derive(Debug)]
pub(crate) struct Obstacle {
    /// Its key.
    pub(crate) key: Key,
    /// The primary key's or index's name.
    pub(crate) constraint: String,
    /// The index it was found by; `None`: the primary key.
    pub(crate) index: Option<Arc<Index>>,
}

impl TableWriter {
    pub(crate) fn new(catalog: &Catalog, table: &Arc<Relation>) -> Self {
        let layout: SmallVec<[ColumnId; 16]> = table.columns.iter().map(|c| c.id).collect();
        let mut stored_order: SmallVec<[usize; 8]> = (0..layout.len()).collect();
        stored_order.sort_unstable_by_key(|position| layout.get(*position));
        Self {
            indexes: catalog.indexes_of(table.id).cloned().collect(),
            layout,
            stored_order,
            target: Target {
                storage: table.storage,
                section: Section::Base,
                schema_version: table.schema_version,
            },
            table: Arc::clone(table),
        }
    }

    pub(crate) fn table(&self) -> &Arc<Relation> {
        &self.table
    }

    /// The key of a row in the table's layout.
    ///
    /// # Errors
    /// `23502` if a part of the primary key is NULL.
    pub(crate) fn key(&self, row: &[Value], cx: &ExecContext) -> Result<Key> {
        let mut key = Key::new();
        for part in &self.table.primary_key {
            let value = part.expr.eval_ref(row, cx)?;
            if value.is_null() {
                return Err(self.null_violation(&part.text));
            }
            if part.descending {
                encode_key_desc(&mut key, &value);
            } else {
                encode_key(&mut key, &value);
            }
        }
        Ok(key)
    }

    /// Decodes a stored row into the table's layout.
    pub(crate) fn decode(&self, bytes: &[u8]) -> Result<Row> {
        let mut values = Vec::with_capacity(self.layout.len());
        RowView::new(bytes)
            .and_then(|view| view.project(&self.layout, &mut values))
            .map_err(|error| Error::corrupted(error.to_string()).on(self.table.name.to_string()))?;
        Ok(values.into())
    }

    /// Checks NOT NULL, declared nested fields and CHECK.
    ///
    /// # Errors
    /// `23502`, `23514`, or what a CHECK's expression fails with.
    pub(crate) fn check(&self, row: &[Value], cx: &ExecContext) -> Result<()> {
        for (column, value) in self.table.columns.iter().zip(row) {
            if column.not_null && value.is_null() {
                return Err(self.null_violation(&column.name));
            }
        }
        for check in &self.table.checks {
            if check.expr.eval(row, cx)?.as_bool() == Some(false) {
                return Err(Error::data(
                    sqlstate::CHECK_VIOLATION,
                    format!(
                        "new row for relation \"{}\" violates check constraint \"{}\"",
                        self.table.name, check.name
                    ),
                )
                .on(self.table.name.to_string())
                .with_hint(format!("the row must satisfy {}", check.sql)));
            }
        }
        Ok(())
    }

    /// Finds a row that an insert of `row` would collide with.
    pub(crate) fn obstacle(
        &self,
        txn: &Transaction,
        key: &Key,
        row: &[Value],
        cx: &ExecContext,
    ) -> Result<Option<Obstacle>> {
        if txn.get(self.table.storage, key)?.is_some() {
            return Ok(Some(Obstacle {
                key: key.clone(),
                constraint: format!("{}_pkey", self.table.name.name),
                index: None,
            }));
        }
        for index in self.indexes.iter().filter(|index| index.unique) {
            if let Some(other) = self.same_in_unique(txn, index, key, row, cx)? {
                return Ok(Some(Obstacle {
                    key: other,
                    constraint: index.name.name.clone(),
                    index: Some(Arc::clone(index)),
                }));
            }
        }
        Ok(None)
    }

    /// The error an obstacle is, if the statement does not say what to do about it.
    pub(crate) fn obstacle_error(&self, obstacle: &Obstacle) -> Error {
        Error::data(
            sqlstate::UNIQUE_VIOLATION,
            format!(
                "duplicate key value violates unique constraint \"{}\"",
                obstacle.constraint
            ),
        )
        .on(self.table.name.to_string())
        .with_hint("use ON CONFLICT to say what shall happen to rows that are already there")
    }

    /// Stages a row under its key: a new one, or (`before` present) another image of one that is there.
    /// Constraints have been checked, except uniqueness of changed rows.
    pub(crate) fn put(
        &self,
        txn: &mut Transaction,
        key: Key,
        before: Option<(&Row, Arc<[u8]>)>,
        row: &[Value],
        cx: &ExecContext,
    ) -> Result<()> {
        let columns = self
            .stored_order
            .iter()
            .filter_map(|position| Some((*self.layout.get(*position)?, row.get(*position)?)));
        let image = encode_row(self.table.schema_version, columns).map_err(|error| {
            Error::data(sqlstate::PROGRAM_LIMIT_EXCEEDED, error.to_string())
                .on(self.table.name.to_string())
        })?;
        let old_row = before.as_ref().map(|(row, _)| &***row);
        for index in &self.indexes {
            self.move_entry(txn, index, &key, old_row, Some(row), cx)?;
        }
        txn.stage(
            self.target,
            key,
            before.map(|(_, bytes)| bytes),
            Some(image),
        )?;
        Ok(())
    }

    /// Stages that a row is no more.
    pub(crate) fn delete(
        &self,
        txn: &mut Transaction,
        key: Key,
        before: (&Row, Arc<[u8]>),
        cx: &ExecContext,
    ) -> Result<()> {
        for index in &self.indexes {
            self.move_entry(txn, index, &key, Some(before.0), None, cx)?;
        }
        txn.stage(self.target, key, Some(before.1), None)?;
        Ok(())
    }

    /// The other row that agrees with this one in a unique index, if there is one.
    pub(crate) fn same_in_unique(
        &self,
        txn: &Transaction,
        index: &Index,
        key: &Key,
        row: &[Value],
        cx: &ExecContext,
    ) -> Result<Option<Key>> {
        let (prefix, has_null) = index_prefix(index, row, cx)?;
        if has_null {
            return Ok(None);
        }
        let parts_len = prefix.len();
        let mut own = prefix.clone();
        own.extend(key);
        let entry = txn.first_in(index.storage, KeyRange::prefix(prefix.clone()))?;
        let entry = match entry {
            Some(entry) if entry == own => {
                let after_own = KeyRange {
                    lo: std::ops::Bound::Excluded(own),
                    hi: KeyRange::prefix(prefix).hi,
                };
                txn.first_in(index.storage, after_own)?
            }
            entry => entry,
        };
        Ok(entry.map(|entry| Key::from(entry.get(parts_len..).unwrap_or_default())))
    }

    /// Checks that a changed row agrees with no other in a unique index.
    pub(crate) fn check_unique(
        &self,
        txn: &Transaction,
        key: &Key,
        row: &[Value],
        cx: &ExecContext,
    ) -> Result<()> {
        for index in self.indexes.iter().filter(|index| index.unique) {
            if let Some(other) = self.same_in_unique(txn, index, key, row, cx)? {
                return Err(self.obstacle_error(&Obstacle {
                    key: other,
                    constraint: index.name.name.clone(),
                    index: None,
                }));
            }
        }
        Ok(())
    }

    fn move_entry(
        &self,
        txn: &mut Transaction,
        index: &Index,
        key: &Key,
        old: Option<&[Value]>,
        new: Option<&[Value]>,
        cx: &ExecContext,
    ) -> Result<()> {
        let old_entry = old
            .map(|row| index_entry(index, row, key, cx))
            .transpose()?;
        let new_entry = new
            .map(|row| index_entry(index, row, key, cx))
            .transpose()?;
        if old_entry == new_entry {
            return Ok(());
        }
        let target = index_target(index);
        let present = || Some(Arc::<[u8]>::from([]));
        if let Some(entry) = old_entry {
            txn.stage(target, entry, present(), None)?;
        }
        if let Some(entry) = new_entry {
            let before = txn.snapshot.get(index.storage, &entry)?;
            txn.stage(target, entry, before, present())?;
        }
        Ok(())
    }

    fn null_violation(&self, column: &str) -> Error {
        Error::data(
            sqlstate::NOT_NULL_VIOLATION,
            format!(
                "null value in column \"{column}\" of relation \"{}\" violates not-null constraint",
                self.table.name
            ),
        )
        .on(self.table.name.to_string())
    }
}
