//! DDL: objects into the catalog, and what follows for rows: filled indexes, filled views, freed storages.
//!
//! What a statement means is settled by `sql::ddl`; here it is done, inside the transaction like any other write.

use std::collections::BTreeSet;

use sqlparser::ast::Spanned;
use sqlparser::tokenizer::Span;
use tailwater_proto::{Direction, KeyRange, sqlstate};
use tailwater_views::{Dataflow, ExecContext, Reader};

use super::alter;
use super::load;
use super::module;
use super::run::{Ran, Surroundings};
use super::sequence;
use crate::catalog::{
    Catalog, Index, Object, ObjectId, ObjectName, Relation, RelationKind, Sequence, ViewDefinition,
};
use crate::error::{Error, Result};
use crate::maintenance::{self, Compiled};
use crate::optimizer::optimize_view;
use crate::sql::binder::names::{module_name, object_name};
use crate::sql::bound::BoundView;
use crate::sql::construct;
use crate::sql::ddl;
use crate::sql::statement::{
    CreateIndex, CreateSequence, CreateTable, CreateView, Drop, ObjectKind, Parsed, Statement,
    Truncate,
};
use crate::system::SystemTables;
use crate::table_writer::TableWriter;
use crate::txn::Transaction;

/// Runs a DDL statement.
///
/// # Errors
/// Names that are taken or missing, objects that others need, and what filling an index or a view fails with.
pub(crate) fn execute_ddl(
    around: &Surroundings<'_>,
    txn: &mut Transaction,
    sql: &str,
    parsed: &Parsed,
) -> Result<Ran> {
    match &parsed.statement {
        Statement::CreateTable(create) => create_table(around, txn, sql, parsed, create),
        Statement::CreateIndex(create) => create_index(around, txn, sql, parsed, create),
        Statement::CreateSequence(create) => create_sequence(txn, sql, parsed, create),
        Statement::AlterSequence(change) => sequence::alter(txn, change)
            .map_err(|error| error.at(parsed.offset_of(change.name.span()))),
        Statement::CreateView(create) => create_view(around, txn, sql, parsed, create),
        Statement::CreateModule(create) => module::create(around, txn, parsed, create),
        Statement::Drop(drop) => drop_objects(txn, parsed, drop),
        Statement::AlterTable(change) => alter::alter_table(around, txn, parsed, change),
        Statement::Rename(rename) => alter::rename(around, txn, parsed, rename)
            .map_err(|error| error.at(parsed.offset_of(rename.name.span()))),
        Statement::Truncate(truncate) => truncate_tables(txn, parsed, truncate),
        Statement::Refresh(name) => refresh(txn, &object_name(name))
            .map_err(|error| error.at(parsed.offset_of(name.span()))),
        Statement::Reindex(name) => reindex(txn, name.as_ref().map(object_name).as_ref()),
        _ => Err(Error::statement(
            sqlstate::FEATURE_NOT_SUPPORTED,
            format!("{} is not supported", first_words(sql)),
        )
        .at(parsed.text_range.start)),
    }
}

/// The words a statement begins with, for messages.
fn first_words(sql: &str) -> String {
    sql.split_whitespace()
        .take(2)
        .collect::<Vec<_>>()
        .join(" ")
        .to_uppercase()
}

/// Refuses a name that is taken; `Ok(false)` if it is and IF NOT EXISTS says that is fine.
fn is_free(
    txn: &Transaction,
    name: &ObjectName,
    position: usize,
    if_not_exists: bool,
) -> Result<bool> {
    match txn.catalog.find(name) {
        None => Ok(true),
        Some(_) if if_not_exists => Ok(false),
        Some(object) => Err(Error::statement(
            sqlstate::DUPLICATE_TABLE,
            format!("relation \"{name}\" already exists"),
        )
        .at(position)
        .on(name.to_string())
        .with_hint(format!(
            "it is a {}: choose another name or DROP it",
            object.kind_name()
        ))),
    }
}

fn create_table(
    around: &Surroundings<'_>,
    txn: &mut Transaction,
    sql: &str,
    parsed: &Parsed,
    create: &CreateTable,
) -> Result<Ran> {
    let name = object_name(&create.name);
    let position = parsed.offset_of(create.name.span());
    if !is_free(txn, &name, position, create.if_not_exists)? {
        return Ok(Ran::Count("CREATE TABLE", 0));
    }
    let system = SystemTables::new(around.engine, &txn.catalog);
    let mut catalog = (*txn.catalog).clone();
    let objects = ddl::create_table(&mut catalog, create, &system)
        .map_err(|error| error.located(&parsed.source))?;
    for object in objects {
        let object = match object {
            Object::Relation(relation) => {
                let mut relation = (*relation).clone();
                sql.clone_into(&mut relation.sql);
                Object::Relation(relation.into())
            }
            object => object,
        };
        txn.put_object(object.id(), Some(object))?;
    }
    let Some(query) = create.query.as_ref().filter(|_| create.with_data) else {
        return Ok(Ran::Count("CREATE TABLE", 0));
    };
    load::fill_from_query(around, txn, &name, query, &parsed.source)
        .map(|rows| Ran::Count("SELECT", rows))
}

fn create_index(
    around: &Surroundings<'_>,
    txn: &mut Transaction,
    sql: &str,
    parsed: &Parsed,
    create: &CreateIndex,
) -> Result<Ran> {
    let mut catalog = (*txn.catalog).clone();
    let system = SystemTables::new(around.engine, &txn.catalog);
    let mut index = ddl::create_index(&mut catalog, create, &system)
        .map_err(|error| error.located(&parsed.source))?;
    let position = create.name.as_ref().map_or(Span::empty(), Spanned::span);
    if !is_free(
        txn,
        &index.name,
        parsed.offset_of(position),
        create.if_not_exists,
    )? {
        return Ok(Ran::Count("CREATE INDEX", 0));
    }
    sql.clone_into(&mut index.sql);
    add_index(txn, index)?;
    Ok(Ran::Count("CREATE INDEX", 0))
}

fn create_sequence(
    txn: &mut Transaction,
    sql: &str,
    parsed: &Parsed,
    create: &CreateSequence,
) -> Result<Ran> {
    let position = parsed.offset_of(create.name.span());
    if is_free(
        txn,
        &object_name(&create.name),
        position,
        create.if_not_exists,
    )? {
        let mut catalog = (*txn.catalog).clone();
        let mut sequence = ddl::create_sequence(&mut catalog, create)
            .map_err(|error| error.located(&parsed.source))?;
        sql.clone_into(&mut sequence.sql);
        txn.put_object(sequence.id, Some(Object::Sequence(sequence.into())))?;
    }
    Ok(Ran::Count("CREATE SEQUENCE", 0))
}

/// Puts an index into the catalog and fills it from the rows there are.
pub(super) fn add_index(txn: &mut Transaction, index: Index) -> Result<()> {
    let relation = match txn.catalog.get(index.relation) {
        Some(Object::Relation(relation)) => std::sync::Arc::clone(relation),
        _ => {
            return Err(Error::statement(
                sqlstate::UNDEFINED_TABLE,
                format!("the relation of index \"{}\" does not exist", index.name),
            ));
        }
    };
    txn.put_object(index.id, Some(Object::Index(index.clone().into())))?;
    load::fill_index(txn, &relation, &index)
}

/// Puts an object into the catalog as it was in another database; an index is filled, and a materialised view will be
/// by the commit.
///
/// # Errors
/// `23505` if two rows agree in a unique index.
pub(crate) fn add_object(txn: &mut Transaction, object: Object) -> Result<()> {
    match object {
        Object::Index(index) => add_index(txn, Index::clone(&index)),
        Object::Relation(relation) if relation.kind == RelationKind::MaterializedView => {
            txn.created.insert(relation.id);
            txn.put_object(relation.id, Some(Object::Relation(relation)))
        }
        other => txn.put_object(other.id(), Some(other)),
    }
}

/// Compiles the query of a materialised view, without making anything: for EXPLAIN.
pub(super) fn plan_view(
    around: &Surroundings<'_>,
    txn: &Transaction,
    parsed: &Parsed,
    create: &CreateView,
) -> Result<Dataflow> {
    let mut catalog = (*txn.catalog).clone();
    let bound = bind_view(around, txn, parsed, create)?;
    Ok(compile_view(&mut catalog, parsed, create, &bound)?.dataflow)
}

/// Compiles the query of a materialised view; what cannot be maintained is named as it is written, and where.
fn compile_view(
    catalog: &mut Catalog,
    parsed: &Parsed,
    create: &CreateView,
    bound: &BoundView,
) -> Result<Compiled> {
    maintenance::compile(catalog, &bound.plan).map_err(|mut refused| {
        let start = create.query_range.start;
        let text = parsed.source.get(create.query_range.clone());
        let found = construct::find(text.unwrap_or_default(), &refused.construct);
        let position = found.map_or(start, |found| {
            refused.construct = found.name;
            start + found.position
        });
        let hint = if refused.construct.starts_with("function ") {
            "its value changes without any row changing: use it when reading the view"
        } else {
            "a plain CREATE VIEW can hold it: it is evaluated when it is read"
        };
        Error::statement(sqlstate::FEATURE_NOT_SUPPORTED, refused.to_string())
            .at(position)
            .on(object_name(&create.name).to_string())
            .with_hint(hint)
    })
}

fn bind_view(
    around: &Surroundings<'_>,
    txn: &Transaction,
    parsed: &Parsed,
    create: &CreateView,
) -> Result<BoundView> {
    let system = SystemTables::new(around.engine, &txn.catalog);
    let mut bound = ddl::bind_view(&txn.catalog, create, &system)
        .map_err(|error| error.located(&parsed.source))?;
    let naive = std::mem::replace(
        &mut bound.plan,
        tailwater_views::Plan::Values {
            rows: Vec::new(),
            fields: Vec::new(),
        },
    );
    bound.plan = optimize_view(naive, &txn.catalog);
    Ok(bound)
}

fn create_view(
    around: &Surroundings<'_>,
    txn: &mut Transaction,
    sql: &str,
    parsed: &Parsed,
    create: &CreateView,
) -> Result<Ran> {
    let tag = if create.materialized {
        "CREATE MATERIALIZED VIEW"
    } else {
        "CREATE VIEW"
    };
    let name = object_name(&create.name);
    let position = parsed.offset_of(create.name.span());
    if create.or_replace && txn.catalog.find(&name).is_some() {
        let kind = if create.materialized {
            ObjectKind::MaterializedView
        } else {
            ObjectKind::View
        };
        drop_one(txn, kind, &name, false)?;
    } else if !is_free(txn, &name, position, create.if_not_exists)? {
        return Ok(Ran::Count(tag, 0));
    }
    let bound = bind_view(around, txn, parsed, create)?;
    let mut catalog = (*txn.catalog).clone();
    let mut relation = ddl::view_relation(&mut catalog, create, &bound, &create.query.to_string())
        .map_err(|error| error.located(&parsed.source))?;
    sql.clone_into(&mut relation.sql);
    if create.materialized {
        let compiled = compile_view(&mut catalog, parsed, create, &bound)?;
        for index in &compiled.indexes {
            add_index(txn, index.clone())?;
        }
        if let Some(view) = &mut relation.view {
            view.sources = compiled.dataflow.sources();
            view.state = compiled.state;
            view.indexes = compiled.used_indexes;
            view.dataflow = Some(compiled.dataflow);
        }
        txn.created.insert(relation.id);
    }
    txn.put_object(relation.id, Some(Object::Relation(relation.into())))?;
    Ok(Ran::Count(tag, 0))
}

fn drop_objects(txn: &mut Transaction, parsed: &Parsed, drop: &Drop) -> Result<Ran> {
    for sql_name in &drop.names {
        let name = match drop.kind {
            ObjectKind::Module => module_name(sql_name),
            _ => object_name(sql_name),
        };
        if find(txn, drop.kind, &name).is_none() && drop.if_exists {
            continue;
        }
        drop_one(txn, drop.kind, &name, drop.cascade)
            .map_err(|error| error.at(parsed.offset_of(sql_name.span())))?;
    }
    Ok(Ran::Count(
        match drop.kind {
            ObjectKind::Table => "DROP TABLE",
            ObjectKind::View => "DROP VIEW",
            ObjectKind::MaterializedView => "DROP MATERIALIZED VIEW",
            ObjectKind::Index => "DROP INDEX",
            ObjectKind::Sequence => "DROP SEQUENCE",
            ObjectKind::Module => "DROP MODULE",
        },
        0,
    ))
}

fn find(txn: &Transaction, kind: ObjectKind, name: &ObjectName) -> Option<Object> {
    match kind {
        ObjectKind::Module => txn.catalog.module(name).cloned().map(Object::Module),
        _ => txn.catalog.find(name).cloned(),
    }
}

fn drop_one(
    txn: &mut Transaction,
    kind: ObjectKind,
    name: &ObjectName,
    cascade: bool,
) -> Result<()> {
    let object = find(txn, kind, name);
    let is_kind = |object: &Object| match (kind, object) {
        (ObjectKind::Table, Object::Relation(relation)) => relation.is_table(),
        (ObjectKind::View, Object::Relation(relation)) => relation.kind == RelationKind::View,
        (ObjectKind::MaterializedView, Object::Relation(relation)) => {
            relation.kind == RelationKind::MaterializedView && relation.view.is_some()
        }
        (ObjectKind::Index, Object::Index(_))
        | (ObjectKind::Sequence, Object::Sequence(_))
        | (ObjectKind::Module, Object::Module(_)) => true,
        _ => false,
    };
    match object {
        Some(object) if is_kind(&object) => remove(txn, &object, cascade),
        Some(object) => Err(Error::statement(
            sqlstate::WRONG_OBJECT_TYPE,
            format!("\"{name}\" is a {}", object.kind_name()),
        )
        .on(name.to_string())
        .with_hint(format!("use DROP {}", object.kind_name().to_uppercase()))),
        None => {
            let (code, word) = kind_words(kind);
            Err(
                Error::statement(code, format!("{word} \"{name}\" does not exist"))
                    .on(name.to_string())
                    .with_hint("add IF EXISTS if that is fine"),
            )
        }
    }
}

/// What a kind is called, and the SQLSTATE for one that is not there.
pub(super) const fn kind_words(kind: ObjectKind) -> (&'static str, &'static str) {
    match kind {
        ObjectKind::Table => (sqlstate::UNDEFINED_TABLE, "table"),
        ObjectKind::View => (sqlstate::UNDEFINED_TABLE, "view"),
        ObjectKind::MaterializedView => (sqlstate::UNDEFINED_TABLE, "materialized view"),
        ObjectKind::Index => (sqlstate::UNDEFINED_OBJECT, "index"),
        ObjectKind::Sequence => (sqlstate::UNDEFINED_OBJECT, "sequence"),
        ObjectKind::Module => (sqlstate::UNDEFINED_OBJECT, "module"),
    }
}

/// Refuses to change what is in every database.
pub(super) fn refuse_builtin(relation: &Relation) -> Result<()> {
    if !relation.is_builtin() {
        return Ok(());
    }
    Err(Error::statement(
        sqlstate::INSUFFICIENT_PRIVILEGE,
        format!("\"{}\" is part of the database itself", relation.name),
    )
    .on(relation.name.to_string())
    .with_hint("its rows can be read and deleted, its form cannot be changed"))
}

/// Takes an object out, with what belongs to it; what depends on it only under CASCADE.
fn remove(txn: &mut Transaction, object: &Object, cascade: bool) -> Result<()> {
    match object {
        Object::Relation(relation) => remove_relation(txn, relation, cascade),
        Object::Index(index) => {
            let needed_by = txn.catalog.relations().find(|relation| {
                relation
                    .view
                    .as_ref()
                    .is_some_and(|view| view.indexes.contains(&index.id))
            });
            if let Some(view) = needed_by {
                let view = std::sync::Arc::clone(view);
                if !cascade {
                    return Err(depends("drop", object, &view));
                }
                remove_relation(txn, &view, true)?;
            }
            remove_index(txn, index)
        }
        Object::Sequence(sequence) => remove_sequence(txn, sequence, cascade),
        // Its tables stay: they hold data, and others may read them.
        Object::Module(module) => txn.put_object(module.id, None),
    }
}

/// The refusal to do something to an object that a view needs as it is.
pub(super) fn depends(what: &str, object: &Object, view: &Relation) -> Error {
    Error::statement(
        sqlstate::DEPENDENT_OBJECTS_STILL_EXIST,
        format!(
            "cannot {what} {} \"{}\" because {} \"{}\" depends on it",
            object.kind_name(),
            object.name(),
            view.kind.name(),
            view.name
        ),
    )
    .on(object.name().to_string())
    .with_hint("DROP … CASCADE drops what depends on it too")
}

pub(super) fn remove_index(txn: &mut Transaction, index: &Index) -> Result<()> {
    txn.dropped.push(index.storage);
    txn.put_object(index.id, None)
}

fn remove_sequence(txn: &mut Transaction, sequence: &Sequence, cascade: bool) -> Result<()> {
    let drawn_by = txn
        .catalog
        .relations()
        .find(|relation| {
            relation
                .columns
                .iter()
                .any(|c| c.sequence == Some(sequence.id))
        })
        .cloned();
    if let Some(table) = drawn_by {
        if !cascade {
            return Err(depends(
                "drop",
                &Object::Sequence(sequence.clone().into()),
                &table,
            ));
        }
        let mut table = (*table).clone();
        for column in table
            .columns
            .iter_mut()
            .filter(|c| c.sequence == Some(sequence.id))
        {
            column.sequence = None;
            column.identity = None;
        }
        txn.put_object(table.id, Some(Object::Relation(table.into())))?;
    }
    sequence::forget(txn, sequence.id)?;
    txn.put_object(sequence.id, None)
}

fn remove_relation(txn: &mut Transaction, relation: &Relation, cascade: bool) -> Result<()> {
    refuse_builtin(relation)?;
    let dependents: Vec<_> = txn
        .catalog
        .relations()
        .filter(|other| {
            other
                .view
                .as_ref()
                .is_some_and(|view| view.depends_on.contains(&relation.id))
        })
        .cloned()
        .collect();
    for dependent in dependents {
        if !cascade {
            let object = Object::Relation(relation.clone().into());
            return Err(depends("drop", &object, &dependent));
        }
        // An earlier one in the list may have taken it along.
        if txn.catalog.get(dependent.id).is_some() {
            remove_relation(txn, &dependent, true)?;
        }
    }
    while let Some(module) = module::standing_on(txn, relation.id) {
        if !cascade {
            return Err(module::needs(
                &module,
                "drop",
                relation.kind.name(),
                &relation.name,
            ));
        }
        txn.put_object(module.id, None)?;
    }
    let indexes: Vec<_> = txn.catalog.indexes_of(relation.id).cloned().collect();
    for index in indexes {
        remove_index(txn, &index)?;
    }
    if let Some(view) = &relation.view {
        clear_errors(txn, relation)?;
        txn.dropped.extend(view.state.iter().copied());
        txn.created.remove(&relation.id);
    }
    let owned: Vec<_> = txn
        .catalog
        .objects()
        .filter_map(|object| match object {
            Object::Sequence(sequence) if sequence.owner == Some(relation.id) => Some(sequence.id),
            _ => None,
        })
        .collect();
    for id in owned {
        sequence::forget(txn, id)?;
        txn.put_object(id, None)?;
    }
    if relation.kind != RelationKind::View {
        txn.dropped.push(relation.storage);
    }
    txn.put_object(relation.id, None)?;
    remove_unused_maintenance_indexes(txn, relation.view.as_ref())
}

/// The errors of a view that goes leave with it.
fn clear_errors(txn: &mut Transaction, relation: &Relation) -> Result<()> {
    let range = KeyRange::prefix(maintenance::error_key_prefix(relation));
    load::delete_range(txn, maintenance::error_target(), range)
}

/// Maintenance indexes that only this view used.
fn remove_unused_maintenance_indexes(
    txn: &mut Transaction,
    view: Option<&ViewDefinition>,
) -> Result<()> {
    let used: BTreeSet<ObjectId> = txn
        .catalog
        .relations()
        .filter_map(|relation| relation.view.as_ref())
        .flat_map(|view| view.indexes.iter().copied())
        .collect();
    for id in view.into_iter().flat_map(|view| &view.indexes) {
        if used.contains(id) {
            continue;
        }
        if let Some(Object::Index(index)) = txn.catalog.get(*id).cloned()
            && index.for_maintenance
        {
            remove_index(txn, &index)?;
        }
    }
    Ok(())
}

/// The table of that name; views are read-only.
pub(super) fn table(txn: &Transaction, name: &ObjectName) -> Result<std::sync::Arc<Relation>> {
    match txn.catalog.relation(name) {
        Some(relation) if relation.is_table() => Ok(std::sync::Arc::clone(relation)),
        Some(relation) => Err(maintenance::read_only(relation)),
        None => Err(Error::statement(
            sqlstate::UNDEFINED_TABLE,
            format!("relation \"{name}\" does not exist"),
        )
        .on(name.to_string())),
    }
}

fn truncate_tables(txn: &mut Transaction, parsed: &Parsed, truncate: &Truncate) -> Result<Ran> {
    let cx = ExecContext::default();
    for name in &truncate.names {
        let table = table(txn, &object_name(name))
            .map_err(|error| error.at(parsed.offset_of(name.span())))?;
        let writer = TableWriter::new(&txn.catalog, &table);
        let reader = txn.reader();
        let mut rows = reader.scan(table.storage, KeyRange::all(), Direction::Forward)?;
        while let Some((key, image)) = rows.next()? {
            let row = writer.decode(&image)?;
            writer.delete(txn, key, (&row, image), &cx)?;
        }
        if truncate.restart_identity {
            let drawn = table.columns.iter().filter_map(|column| column.sequence);
            for id in drawn {
                let is_own = matches!(
                    txn.catalog.get(id),
                    Some(Object::Sequence(sequence)) if sequence.owner == Some(table.id)
                );
                if is_own {
                    sequence::forget(txn, id)?;
                }
            }
        }
    }
    Ok(Ran::Count("TRUNCATE TABLE", 0))
}

/// Fills a view anew: what is right stays as it is, what is not is put right.
fn refresh(txn: &mut Transaction, name: &ObjectName) -> Result<Ran> {
    let relation = txn.catalog.relation(name).cloned().ok_or_else(|| {
        Error::statement(
            sqlstate::UNDEFINED_TABLE,
            format!("materialized view \"{name}\" does not exist"),
        )
        .on(name.to_string())
    })?;
    if relation.kind != RelationKind::MaterializedView || relation.view.is_none() {
        return Err(Error::statement(
            sqlstate::WRONG_OBJECT_TYPE,
            format!("\"{name}\" is not a materialized view"),
        )
        .on(name.to_string()));
    }
    // A change of the catalog row, so that the commit fills the view at its own place in the order.
    txn.put_object(
        relation.id,
        Some(Object::Relation(std::sync::Arc::clone(&relation))),
    )?;
    txn.created.insert(relation.id);
    Ok(Ran::Count("REFRESH MATERIALIZED VIEW", 0))
}

fn reindex(txn: &mut Transaction, name: Option<&ObjectName>) -> Result<Ran> {
    let relations: Vec<_> = match name {
        None => txn.catalog.relations().cloned().collect(),
        Some(name) => match txn.catalog.find(name) {
            Some(Object::Relation(relation)) => vec![std::sync::Arc::clone(relation)],
            Some(Object::Index(index)) => match txn.catalog.get(index.relation) {
                Some(Object::Relation(relation)) => vec![std::sync::Arc::clone(relation)],
                _ => Vec::new(),
            },
            _ => {
                return Err(Error::statement(
                    sqlstate::UNDEFINED_OBJECT,
                    format!("table or index \"{name}\" does not exist"),
                )
                .on(name.to_string()));
            }
        },
    };
    for relation in relations {
        let indexes: Vec<_> = txn.catalog.indexes_of(relation.id).cloned().collect();
        for index in indexes {
            load::delete_range(
                txn,
                crate::index_entry::index_target(&index),
                KeyRange::all(),
            )?;
            load::fill_index(txn, &relation, &index)?;
        }
    }
    Ok(Ran::Count("REINDEX", 0))
}
