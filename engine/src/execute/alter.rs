//! ALTER TABLE and RENAME: the relation changes, and rows only where their stored form must.

use std::sync::Arc;

use sqlparser::ast::Spanned;
use tailwater_proto::{Direction, KeyRange, SqlType, Value, sqlstate};
use tailwater_views::cast::cast;
use tailwater_views::expr::CastMode;
use tailwater_views::{ExecContext, Expr, Reader};

use super::ddl::{add_index, depends, remove_index};
use super::definition;
use super::rename::{readers, tell};
use super::run::{Ran, Surroundings};
use crate::catalog::{Check, Column, Index, Object, ObjectName, Relation, Sequence};
use crate::error::{Error, Result};
use crate::sql::binder::bind_expr;
use crate::sql::binder::names::{fold, object_name};
use crate::sql::binder::types::sql_type;
use crate::sql::ddl;
use crate::sql::keywords::quoted;
use crate::sql::retell::{NewName, Renamed};
use crate::sql::statement::{
    AlterAction, AlterTable, ColumnDef, ColumnOption, Ident, Parsed, Rename, TableConstraint,
};
use crate::sql::{parse_condition, rename_column};
use crate::system::SystemTables;
use crate::table_writer::TableWriter;
use crate::txn::Transaction;

/// Runs ALTER TABLE.
///
/// # Errors
/// Names that are taken or missing, views that depend on what would change, rows that do not fit.
pub(super) fn alter_table(
    around: &Surroundings<'_>,
    txn: &mut Transaction,
    parsed: &Parsed,
    alter: &AlterTable,
) -> Result<Ran> {
    let mut name = object_name(&alter.name);
    let exists = txn
        .catalog
        .relation(&name)
        .is_some_and(|relation| relation.is_table());
    if !exists && alter.if_exists {
        return Ok(Ran::Count("ALTER TABLE", 0));
    }
    for action in &alter.actions {
        let table = super::ddl::table(txn, &name)
            .map_err(|error| error.at(parsed.offset_of(alter.name.span())))?;
        super::ddl::refuse_builtin(&table)?;
        super::module::refuse_alter(txn, &table, action)?;
        let change = Change {
            around,
            parsed,
            table,
        };
        match action {
            AlterAction::RenameTable(to) => name = change.rename_table(txn, to)?,
            AlterAction::RenameColumn(from, to) => change.rename_column(txn, from, to)?,
            AlterAction::AddColumn {
                if_not_exists,
                column,
            } => {
                change.add_column(txn, column, *if_not_exists)?;
            }
            AlterAction::DropColumn {
                name, if_exists, ..
            } => {
                change.drop_column(txn, name, *if_exists)?;
            }
            AlterAction::AddConstraint(constraint) => change.add_constraint(txn, constraint)?,
            AlterAction::DropConstraint {
                name, if_exists, ..
            } => {
                change.drop_constraint(txn, name, *if_exists)?;
            }
            AlterAction::SetType {
                name,
                data_type,
                using: None,
            } => {
                change.set_type(txn, name, &sql_type(data_type)?)?;
            }
            AlterAction::SetDefault(name, expr) => change.set_default(txn, name, Some(expr))?,
            AlterAction::DropDefault(name) => change.set_default(txn, name, None)?,
            AlterAction::Restart(name, next) => change.restart(txn, name, *next)?,
            AlterAction::SetNotNull(name) => {
                change.set_not_null(txn, name, Nullability::NotNull)?
            }
            AlterAction::DropNotNull(name) => change.set_not_null(txn, name, Nullability::Null)?,
            AlterAction::RenameConstraint(..)
            | AlterAction::SetType { using: Some(_), .. }
            | AlterAction::SetOptions(_) => {
                return Err(Error::statement(
                    sqlstate::FEATURE_NOT_SUPPORTED,
                    "this form of ALTER TABLE is not supported",
                )
                .with_hint("make a new table, INSERT … SELECT, DROP the old one and RENAME"));
            }
        }
    }
    let is_only_data = |action: &AlterAction| matches!(action, AlterAction::Restart(..));
    if !alter.actions.iter().all(is_only_data) {
        retell(txn, &name)?;
    }
    Ok(Ran::Count("ALTER TABLE", 0))
}

/// The statements kept with a table and its indexes make them as they are now.
pub(super) fn retell(txn: &mut Transaction, name: &ObjectName) -> Result<()> {
    let table = super::ddl::table(txn, name)?;
    let sql = definition::table_sql(&txn.catalog, &table);
    let mut relation = (*table).clone();
    relation.sql = sql;
    let text = |expr: &Expr, text: &str| definition::part_sql(&table, expr, text, false);
    for part in &mut relation.primary_key {
        part.text = text(&part.expr, &part.text);
    }
    let told = txn.catalog.indexes_of(table.id).map(|index| {
        let mut index = (**index).clone();
        for part in &mut index.parts {
            part.text = text(&part.expr, &part.text);
        }
        if !index.sql.is_empty() {
            index.sql = definition::index_sql(&table, &index);
        }
        index
    });
    let indexes: Vec<Index> = told.collect();
    txn.put_object(relation.id, Some(Object::Relation(relation.into())))?;
    for index in indexes {
        txn.put_object(index.id, Some(Object::Index(index.into())))?;
    }
    Ok(())
}

/// Runs ALTER VIEW, INDEX or SEQUENCE … RENAME TO.
///
/// # Errors
/// Names that are taken or missing.
pub(super) fn rename(
    around: &Surroundings<'_>,
    txn: &mut Transaction,
    parsed: &Parsed,
    rename: &Rename,
) -> Result<Ran> {
    let name = object_name(&rename.name);
    let Some(object) = txn.catalog.find(&name).cloned() else {
        if rename.if_exists {
            return Ok(Ran::Count("ALTER", 0));
        }
        return Err(Error::statement(
            sqlstate::UNDEFINED_OBJECT,
            format!("\"{name}\" does not exist"),
        )
        .on(name.to_string()));
    };
    let to = new_name(txn, parsed, &name, &rename.to)?;
    let object = match object {
        Object::Relation(relation) => {
            super::ddl::refuse_builtin(&relation)?;
            if let Some(module) = super::module::standing_on(txn, relation.id) {
                let kind = relation.kind.name();
                return Err(super::module::needs(&module, "rename", kind, &name));
            }
            return rename_view(around, txn, &relation, to);
        }
        Object::Index(index) => {
            let mut index = (*index).clone();
            index.name = to;
            if let Some(Object::Relation(relation)) = txn.catalog.get(index.relation)
                && !index.sql.is_empty()
            {
                index.sql = definition::index_sql(relation, &index);
            }
            Object::Index(index.into())
        }
        Object::Sequence(sequence) => {
            let mut sequence = (*sequence).clone();
            sequence.name = to;
            if !sequence.sql.is_empty() {
                sequence.sql = definition::sequence_sql(&sequence);
            }
            rename_in_defaults(txn, &sequence)?;
            Object::Sequence(sequence.into())
        }
        Object::Module(_) => unreachable!("no name of a relation is that of a module"),
    };
    txn.put_object(object.id(), Some(object))?;
    Ok(Ran::Count("ALTER", 0))
}

fn rename_view(
    around: &Surroundings<'_>,
    txn: &mut Transaction,
    relation: &Relation,
    to: ObjectName,
) -> Result<Ran> {
    let readers = readers(around, txn, relation.id)?;
    let renamed = Renamed {
        relation: relation.id,
        name: relation.name.clone(),
        to: NewName::Relation(to.clone()),
    };
    let mut relation = relation.clone();
    relation.name = to;
    if let Some(sql) = definition::view_sql(&relation) {
        relation.sql = sql;
    }
    txn.put_object(relation.id, Some(Object::Relation(relation.into())))?;
    tell(around, txn, readers, &renamed)?;
    Ok(Ran::Count("ALTER", 0))
}

/// Columns that draw from a sequence name it in their default, and so do the statements kept with their tables.
fn rename_in_defaults(txn: &mut Transaction, sequence: &Sequence) -> Result<()> {
    let draws =
        |column: &Column| column.sequence == Some(sequence.id) && column.default_sql.is_some();
    let tables: Vec<Arc<Relation>> = txn
        .catalog
        .relations()
        .filter(|relation| relation.columns.iter().any(draws))
        .cloned()
        .collect();
    for table in tables {
        let mut table = (*table).clone();
        for column in table.columns.iter_mut().filter(|column| draws(column)) {
            column.default_sql = Some(definition::draw_sql(&sequence.name));
        }
        let name = table.name.clone();
        txn.put_object(table.id, Some(Object::Relation(table.into())))?;
        retell(txn, &name)?;
    }
    Ok(())
}

fn new_name(
    txn: &Transaction,
    parsed: &Parsed,
    old: &ObjectName,
    ident: &Ident,
) -> Result<ObjectName> {
    let to = ObjectName::in_schema(old.schema.as_str(), fold(ident).as_str());
    match txn.catalog.find(&to) {
        None => Ok(to),
        Some(_) => Err(Error::statement(
            sqlstate::DUPLICATE_TABLE,
            format!("relation \"{to}\" already exists"),
        )
        .at(parsed.offset_of(ident.span))
        .on(to.to_string())),
    }
}

/// Views keep the text of their query, which names what they read.
fn refuse_dependents(txn: &Transaction, relation: &Arc<Relation>) -> Result<()> {
    let dependent = txn.catalog.relations().find(|other| {
        other
            .view
            .as_ref()
            .is_some_and(|view| view.depends_on.contains(&relation.id))
    });
    match dependent {
        None => Ok(()),
        Some(view) => Err(
            depends("change", &Object::Relation(Arc::clone(relation)), view)
                .with_hint("drop the view first and create it again after"),
        ),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Nullability {
    Null,
    NotNull,
}

/// One change of one table.
struct Change<'a> {
    around: &'a Surroundings<'a>,
    parsed: &'a Parsed,
    table: Arc<Relation>,
}

impl Change<'_> {
    fn position(&self, ident: &Ident) -> Result<usize> {
        let name = fold(ident);
        self.table
            .column(&name)
            .map(|(position, _)| position)
            .ok_or_else(|| {
                Error::statement(
                    sqlstate::UNDEFINED_COLUMN,
                    format!(
                        "column \"{name}\" of relation \"{}\" does not exist",
                        self.table.name
                    ),
                )
                .at(self.parsed.offset_of(ident.span))
                .on(self.table.name.to_string())
            })
    }

    fn store(&self, txn: &mut Transaction, mut relation: Relation) -> Result<Arc<Relation>> {
        relation.schema_version += 1;
        let relation = Arc::new(relation);
        txn.put_object(relation.id, Some(Object::Relation(Arc::clone(&relation))))?;
        Ok(relation)
    }

    fn rename_table(&self, txn: &mut Transaction, to: &Ident) -> Result<ObjectName> {
        let to = new_name(txn, self.parsed, &self.table.name, to)?;
        let readers = readers(self.around, txn, self.table.id)?;
        let renamed = self.renamed(NewName::Relation(to.clone()));
        let mut relation = (*self.table).clone();
        relation.name = to.clone();
        self.store(txn, relation)?;
        tell(self.around, txn, readers, &renamed)?;
        Ok(to)
    }

    fn rename_column(&self, txn: &mut Transaction, from: &Ident, to: &Ident) -> Result<()> {
        let position = self.position(from)?;
        self.refuse_taken(to)?;
        let readers = readers(self.around, txn, self.table.id)?;
        let from = fold(from);
        let to = fold(to);
        let shown = self.table.columns.iter().take(position + 1);
        let shown = shown.filter(|column| !column.hidden && !column.is_rest());
        let renamed = self.renamed(NewName::Column {
            columns: shown.map(|column| column.name.clone()).collect(),
            from: from.clone(),
            to: to.clone(),
        });
        let mut relation = (*self.table).clone();
        if let Some(column) = relation.columns.get_mut(position) {
            column.name = to.clone();
        }
        for place in 0..relation.checks.len() {
            self.retell_check(txn, &mut relation, place, &from, &to)?;
        }
        self.store(txn, relation)?;
        tell(self.around, txn, readers, &renamed)
    }

    fn renamed(&self, to: NewName) -> Renamed {
        Renamed {
            relation: self.table.id,
            name: self.table.name.clone(),
            to,
        }
    }

    /// A CHECK says what it said, with the column's new name.
    fn retell_check(
        &self,
        txn: &Transaction,
        relation: &mut Relation,
        place: usize,
        from: &str,
        to: &str,
    ) -> Result<()> {
        let Some(check) = self.table.checks.get(place) else {
            return Ok(());
        };
        let to = quoted(to);
        let sql = rename_column(&check.sql, &self.table.name.name, from, &to);
        let system = SystemTables::new(self.around.engine, &txn.catalog);
        let again = parse_condition(&sql).and_then(|condition| {
            bind_expr(
                &txn.catalog,
                Some(relation),
                &condition,
                Some(&SqlType::Bool),
                &system,
            )
        });
        if again.is_ok_and(|(expr, _)| expr == check.expr) {
            if let Some(slot) = relation.checks.get_mut(place) {
                slot.sql = sql;
            }
            return Ok(());
        }
        Err(Error::statement(
            sqlstate::FEATURE_NOT_SUPPORTED,
            format!("the new name cannot be told in CHECK ({})", check.sql),
        )
        .on(check.name.clone())
        .with_hint("drop the constraint, rename the column and add the constraint again"))
    }

    fn refuse_taken(&self, ident: &Ident) -> Result<()> {
        let name = fold(ident);
        if self.table.column(&name).is_some() {
            return Err(Error::statement(
                sqlstate::DUPLICATE_COLUMN,
                format!(
                    "column \"{name}\" of relation \"{}\" already exists",
                    self.table.name
                ),
            )
            .at(self.parsed.offset_of(ident.span))
            .on(self.table.name.to_string()));
        }
        Ok(())
    }

    /// The column comes last in the row layout, but for the column of undeclared fields.
    fn add_column(
        &self,
        txn: &mut Transaction,
        definition: &ColumnDef,
        if_not_exists: bool,
    ) -> Result<()> {
        if if_not_exists && self.table.column(&fold(&definition.name)).is_some() {
            return Ok(());
        }
        self.refuse_taken(&definition.name)?;
        let mut relation = (*self.table).clone();
        let mut column = ddl::column(&mut relation, definition)?;
        for option in &definition.options {
            match option {
                ColumnOption::NotNull | ColumnOption::Null | ColumnOption::Collate(_) => {}
                ColumnOption::Default(expr) => {
                    let system = SystemTables::new(self.around.engine, &txn.catalog);
                    let (bound, _) = bind_expr(&txn.catalog, None, expr, Some(&column.ty), &system)
                        .map_err(|error| error.located(&self.parsed.source))?;
                    column.default = Some(bound);
                    column.default_sql = Some(expr.to_string());
                }
                _ => {
                    return Err(Error::statement(
                        sqlstate::FEATURE_NOT_SUPPORTED,
                        "ADD COLUMN takes NOT NULL and DEFAULT only",
                    )
                    .with_hint("add the constraint in a statement of its own"));
                }
            }
        }
        let default = column.default.clone();
        let not_null = column.not_null;
        let readers = readers(self.around, txn, self.table.id)?;
        let renamed = self.renamed(NewName::Added(column.name.clone()));
        let place = relation.rest().unwrap_or(relation.columns.len());
        relation.columns.insert(place, column);
        let moved = |position: usize| position + usize::from(position >= place);
        let relation = self.store_moved(txn, relation, &moved)?;
        tell(self.around, txn, readers, &renamed)?;
        if default.is_none() && !not_null {
            return Ok(());
        }
        self.rewrite(txn, &relation, &mut |row, cx| {
            if let (Some(slot), Some(default)) = (row.get_mut(place), &default) {
                *slot = default.eval(&[], cx)?;
            }
            Ok(())
        })
    }

    fn drop_column(&self, txn: &mut Transaction, name: &Ident, if_exists: bool) -> Result<()> {
        if if_exists && self.table.column(&fold(name)).is_none() {
            return Ok(());
        }
        let dropped = self.position(name)?;
        refuse_dependents(txn, &self.table)?;
        if self
            .table
            .primary_key
            .iter()
            .any(|part| part.expr.columns().contains(&dropped))
        {
            return Err(Error::statement(
                sqlstate::DEPENDENT_OBJECTS_STILL_EXIST,
                format!("column \"{}\" is part of the primary key", name.value),
            )
            .on(self.table.name.to_string()));
        }
        let moved = |position: usize| {
            if position > dropped {
                position - 1
            } else {
                position
            }
        };
        let mut relation = (*self.table).clone();
        relation.columns.remove(dropped);
        relation
            .checks
            .retain(|check| !check.expr.columns().contains(&dropped));
        let indexes: Vec<Arc<Index>> = txn.catalog.indexes_of(relation.id).cloned().collect();
        for index in indexes {
            let mut parts = index.parts.iter();
            if parts.any(|part| part.expr.columns().contains(&dropped)) {
                remove_index(txn, &index)?;
            }
        }
        self.store_moved(txn, relation, &moved).map(drop)
    }

    /// Stores a relation whose columns have other places now, and what is bound to the places.
    fn store_moved(
        &self,
        txn: &mut Transaction,
        mut relation: Relation,
        moved: &dyn Fn(usize) -> usize,
    ) -> Result<Arc<Relation>> {
        for check in &mut relation.checks {
            check.expr.map_columns(moved);
        }
        for part in &mut relation.primary_key {
            part.expr.map_columns(moved);
        }
        let indexes: Vec<Arc<Index>> = txn.catalog.indexes_of(relation.id).cloned().collect();
        let relation = self.store(txn, relation)?;
        for index in indexes {
            let mut index = (*index).clone();
            for part in &mut index.parts {
                part.expr.map_columns(moved);
            }
            txn.put_object(index.id, Some(Object::Index(index.into())))?;
        }
        Ok(relation)
    }

    fn add_constraint(&self, txn: &mut Transaction, constraint: &TableConstraint) -> Result<()> {
        let catalog = Arc::clone(&txn.catalog);
        let system = SystemTables::new(self.around.engine, &catalog);
        match constraint {
            TableConstraint::Check { name, expr } => {
                let bool = SqlType::Bool;
                let (bound, _) =
                    bind_expr(&catalog, Some(&self.table), expr, Some(&bool), &system)
            .map_err(|error| error.located(&self.parsed.source))?;
                let name = name.as_ref().map_or_else(
                    || format!("{}_check{}", self.table.name.name, self.table.checks.len()),
                    |name| name.value.clone(),
                );
                let mut relation = (*self.table).clone();
                relation.checks.push(Check { name, expr: bound, sql: expr.to_string() });
                let relation = self.store(txn, relation)?;
                self.rewrite(txn, &relation, &mut |_, _| Ok(()))
            }
            TableConstraint::Unique { name, columns, nulls_equal: false } => {
                let parts = ddl::index_parts(&catalog, &self.table, columns, &system)
            .map_err(|error| error.located(&self.parsed.source))?;
                let mut copy = (*catalog).clone();
                let name = name.as_ref().map(|name| name.value.clone());
                add_index(txn, ddl::new_index(&mut copy, &self.table, name, true, parts))
            }
            TableConstraint::PrimaryKey { .. }
            | TableConstraint::Unique { .. }
            | TableConstraint::ForeignKey { .. } => Err(Error::statement(
                sqlstate::FEATURE_NOT_SUPPORTED,
                "ALTER TABLE can add CHECK and UNIQUE constraints only",
            )
            .with_hint("name the PRIMARY KEY in CREATE TABLE; foreign keys are not checked and so not accepted")),
        }
    }

    fn drop_constraint(&self, txn: &mut Transaction, name: &Ident, if_exists: bool) -> Result<()> {
        let name = &name.value;
        let index = txn
            .catalog
            .indexes_of(self.table.id)
            .find(|index| index.name.name == *name)
            .cloned();
        if let Some(index) = index {
            return remove_index(txn, &index);
        }
        let mut relation = (*self.table).clone();
        relation.checks.retain(|check| check.name != *name);
        if relation.checks.len() == self.table.checks.len() {
            if if_exists {
                return Ok(());
            }
            return Err(Error::statement(
                sqlstate::UNDEFINED_OBJECT,
                format!(
                    "constraint \"{name}\" of relation \"{}\" does not exist",
                    self.table.name
                ),
            )
            .on(self.table.name.to_string()));
        }
        self.store(txn, relation).map(drop)
    }

    fn set_type(&self, txn: &mut Transaction, name: &Ident, ty: &SqlType) -> Result<()> {
        let position = self.position(name)?;
        refuse_dependents(txn, &self.table)?;
        let mut relation = (*self.table).clone();
        if let Some(column) = relation.columns.get_mut(position) {
            column.ty = ty.clone();
            column.default = column.default.take().map(|default| Expr::Cast {
                expr: Box::new(default),
                to: ty.clone(),
                mode: CastMode::Assignment,
            });
        }
        let relation = self.store(txn, relation)?;
        self.rewrite(txn, &relation, &mut |row, _| {
            if let Some(slot) = row.get_mut(position) {
                *slot = cast(slot, ty, CastMode::Assignment)?;
            }
            Ok(())
        })
    }

    fn set_default(
        &self,
        txn: &mut Transaction,
        name: &Ident,
        expr: Option<&sqlparser::ast::Expr>,
    ) -> Result<()> {
        let position = self.position(name)?;
        let column = self.table.columns.get(position);
        if column.is_some_and(|column| column.identity.is_some()) {
            return Err(Error::statement(
                sqlstate::SYNTAX_ERROR,
                format!(
                    "column \"{}\" of relation \"{}\" is an identity column",
                    name.value, self.table.name
                ),
            )
            .at(self.parsed.offset_of(name.span))
            .on(self.table.name.to_string())
            .with_hint("it has its sequence in place of a default"));
        }
        let mut relation = (*self.table).clone();
        let catalog = Arc::clone(&txn.catalog);
        let system = SystemTables::new(self.around.engine, &catalog);
        if let Some(column) = relation.columns.get_mut(position) {
            column.sequence = expr
                .and_then(|expr| ddl::drawn_sequence(&catalog, expr, name.span))
                .transpose()
                .map_err(|error| error.located(&self.parsed.source))?;
            column.default = match expr {
                Some(expr) if column.sequence.is_none() => Some(
                    bind_expr(&catalog, None, expr, Some(&column.ty), &system)
                        .map_err(|error| error.located(&self.parsed.source))?
                        .0,
                ),
                _ => None,
            };
            column.default_sql = expr.map(ToString::to_string);
        }
        self.store(txn, relation).map(drop)
    }

    fn restart(&self, txn: &mut Transaction, name: &Ident, next: Option<i64>) -> Result<()> {
        let position = self.position(name)?;
        let drawn = self
            .table
            .columns
            .get(position)
            .and_then(|c| c.sequence)
            .and_then(|id| txn.catalog.get(id));
        match drawn {
            Some(Object::Sequence(sequence)) if sequence.owner == Some(self.table.id) => {
                let sequence = Arc::clone(sequence);
                super::sequence::restart(txn, &sequence, next)
            }
            _ => Err(Error::statement(
                sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!(
                    "column \"{}\" of relation \"{}\" is not an identity column",
                    name.value, self.table.name
                ),
            )
            .on(self.table.name.to_string())
            .with_hint("a sequence of its own name is restarted by ALTER SEQUENCE … RESTART")),
        }
        .map_err(|error| error.at(self.parsed.offset_of(name.span)))
    }

    fn set_not_null(&self, txn: &mut Transaction, name: &Ident, to: Nullability) -> Result<()> {
        let position = self.position(name)?;
        let is_key = self
            .table
            .primary_key
            .iter()
            .any(|part| part.expr == Expr::Column(position));
        if to == Nullability::Null && is_key {
            return Err(Error::statement(
                sqlstate::INVALID_TABLE_DEFINITION,
                format!("column \"{}\" is in a primary key", name.value),
            )
            .on(self.table.name.to_string()));
        }
        let mut relation = (*self.table).clone();
        if let Some(column) = relation.columns.get_mut(position) {
            column.not_null = to == Nullability::NotNull;
        }
        let relation = self.store(txn, relation)?;
        if to == Nullability::Null {
            return Ok(());
        }
        self.rewrite(txn, &relation, &mut |_, _| Ok(()))
    }

    /// Runs a change over every row of the table and checks its constraints.
    fn rewrite(
        &self,
        txn: &mut Transaction,
        relation: &Arc<Relation>,
        change: &mut dyn FnMut(&mut Vec<Value>, &ExecContext) -> Result<()>,
    ) -> Result<()> {
        let cx = ExecContext {
            now_us: txn.now_us,
            cancel: self.around.cancel.clone(),
            ..ExecContext::default()
        };
        let writer = TableWriter::new(&txn.catalog, relation);
        let reader = txn.reader();
        let mut rows = reader.scan(relation.storage, KeyRange::all(), Direction::Forward)?;
        while let Some((key, image)) = rows.next()? {
            let old = writer.decode(&image)?;
            let mut new = old.to_vec();
            change(&mut new, &cx)?;
            writer.check(&new, &cx)?;
            let new_key = writer.key(&new, &cx)?;
            if new_key == key {
                writer.put(txn, key, Some((&old, image)), &new, &cx)?;
            } else {
                writer.delete(txn, key, (&old, image), &cx)?;
                writer.put(txn, new_key, None, &new, &cx)?;
            }
        }
        Ok(())
    }
}
