//! System relations: what the engine knows about itself, as rows. One row of the table below is one relation.
//!
//! They are made when a statement is bound, so statements over them are not cached.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tailwater_proto::{SqlType, Value};
use tailwater_views::plan::Field;

use crate::catalog::{Catalog, Object, Relation, RelationKind};
use crate::engine::Engine;
use crate::sql::binder::SystemRelations;

/// A system relation.
struct SystemRelation {
    schema: &'static str,
    name: &'static str,
    columns: &'static [(&'static str, SqlType)],
    rows: fn(&SystemTables<'_>) -> Vec<Vec<Value>>,
}

/// All of them.
const RELATIONS: &[SystemRelation] = &[
    SystemRelation {
        schema: "tailwater",
        name: "recovery",
        columns: &[
            ("applied_lsn", SqlType::Int8),
            ("last_lsn", SqlType::Int8),
            ("records", SqlType::Int8),
            ("rows", SqlType::Int8),
            ("bytes", SqlType::Int8),
            ("rows_evaluated", SqlType::Int8),
            ("tail_cut", SqlType::Text),
            ("duration_us", SqlType::Int8),
        ],
        rows: recovery,
    },
    SystemRelation {
        schema: "tailwater",
        name: "objects",
        columns: &[
            ("id", SqlType::Int8),
            ("schema", SqlType::Text),
            ("name", SqlType::Text),
            ("kind", SqlType::Text),
            ("relation", SqlType::Text),
            ("storage", SqlType::Int8),
            ("sql", SqlType::Text),
        ],
        rows: objects,
    },
    SystemRelation {
        schema: "tailwater",
        name: "columns",
        columns: &[
            ("relation", SqlType::Text),
            ("position", SqlType::Int4),
            ("name", SqlType::Text),
            ("type", SqlType::Text),
            ("type_oid", SqlType::Int8),
            ("not_null", SqlType::Bool),
            ("default", SqlType::Text),
        ],
        rows: columns,
    },
    SystemRelation {
        schema: "tailwater",
        name: "slots",
        columns: &[
            ("name", SqlType::Text),
            ("lsn", SqlType::Int8),
            ("state", SqlType::Text),
            ("held_bytes", SqlType::Int8),
            ("advanced_unix_ms", SqlType::Int8),
        ],
        rows: slots,
    },
    SystemRelation {
        schema: "tailwater",
        name: "memory",
        columns: &[
            ("part", SqlType::Text),
            ("used_bytes", SqlType::Int8),
            ("limit_bytes", SqlType::Int8),
        ],
        rows: memory,
    },
    SystemRelation {
        schema: "tailwater",
        name: "stats",
        columns: &[("name", SqlType::Text), ("value", SqlType::Int8)],
        rows: stats,
    },
];

/// System relations of one engine, as one statement sees them.
pub(crate) struct SystemTables<'s> {
    engine: &'s Arc<Engine>,
    catalog: &'s Catalog,
}

impl<'s> SystemTables<'s> {
    pub(crate) fn new(engine: &'s Arc<Engine>, catalog: &'s Catalog) -> Self {
        Self { engine, catalog }
    }
}

impl SystemRelations for SystemTables<'_> {
    fn relation(&self, schema: &str, name: &str) -> Option<(Vec<Field>, Vec<Vec<Value>>)> {
        let relation = RELATIONS
            .iter()
            .find(|r| r.schema == schema && r.name == name)?;
        let fields = relation
            .columns
            .iter()
            .map(|(name, ty)| Field {
                name: (*name).into(),
                ty: ty.clone(),
                spread: false,
            })
            .collect();
        Some((fields, (relation.rows)(self)))
    }
}

fn number(value: u64) -> Value {
    Value::Int(i64::try_from(value).unwrap_or(i64::MAX))
}

fn recovery(system: &SystemTables<'_>) -> Vec<Vec<Value>> {
    let report = &system.engine.recovery;
    vec![vec![
        number(report.applied_lsn.0),
        number(report.last_lsn.0),
        number(report.records),
        number(report.rows),
        number(report.bytes),
        number(report.rows_evaluated),
        report.tail_cut.as_deref().map_or(Value::Null, Value::text),
        number(u64::try_from(report.duration.as_micros()).unwrap_or(u64::MAX)),
    ]]
}

fn objects(system: &SystemTables<'_>) -> Vec<Vec<Value>> {
    system
        .catalog
        .objects()
        .filter(|object| !object.is_builtin())
        .map(|object| {
            let (relation, storage, sql) = match object {
                Object::Relation(relation) => (
                    Value::Null,
                    if relation.kind == RelationKind::View {
                        Value::Null
                    } else {
                        Value::Int(relation.storage.0.into())
                    },
                    relation.sql.as_str(),
                ),
                Object::Index(index) => (
                    system
                        .catalog
                        .get(index.relation)
                        .map_or(Value::Null, |of| Value::text(&of.name().to_string())),
                    Value::Int(index.storage.0.into()),
                    index.sql.as_str(),
                ),
                Object::Sequence(sequence) => (Value::Null, Value::Null, sequence.sql.as_str()),
                Object::Module(module) => (Value::Null, Value::Null, module.sql.as_str()),
            };
            vec![
                Value::Int(object.id().0.into()),
                Value::text(&object.name().schema),
                Value::text(&object.name().name),
                Value::text(object.kind_name()),
                relation,
                storage,
                if sql.is_empty() {
                    Value::Null
                } else {
                    Value::text(sql)
                },
            ]
        })
        .collect()
}

fn columns(system: &SystemTables<'_>) -> Vec<Vec<Value>> {
    system
        .catalog
        .relations()
        .filter(|relation| !relation.is_builtin())
        .flat_map(|relation| columns_of(relation))
        .collect()
}

/// The columns of one relation, as `tailwater.columns` shows them.
pub(crate) fn columns_of(relation: &Relation) -> Vec<Vec<Value>> {
    relation
        .columns
        .iter()
        .filter(|column| !column.hidden)
        .zip(1_i64..)
        .map(|(column, position)| {
            vec![
                Value::text(&relation.name.to_string()),
                Value::Int(position),
                if column.is_rest() {
                    Value::text("...")
                } else {
                    Value::Text(column.name.clone())
                },
                Value::text(&column.ty.to_string()),
                Value::Int(column.ty.oid().into()),
                Value::Bool(column.not_null),
                column
                    .default_sql
                    .as_deref()
                    .map_or(Value::Null, Value::text),
            ]
        })
        .collect()
}

fn slots(system: &SystemTables<'_>) -> Vec<Vec<Value>> {
    let slots = system.engine.wal.slots();
    slots
        .into_iter()
        .map(|slot| {
            vec![
                Value::text(&slot.name),
                number(slot.lsn.0),
                Value::text(slot.state.name()),
                number(slot.held_bytes),
                number(slot.advanced_unix_ms),
            ]
        })
        .collect()
}

fn stats(system: &SystemTables<'_>) -> Vec<Vec<Value>> {
    let engine = system.engine;
    let store = engine.store.stats();
    let figures = [
        ("commits", engine.commit_count()),
        ("conflicts", engine.conflicts.load(Ordering::Relaxed)),
        (
            "admission_waits",
            engine.admission_waits.load(Ordering::Relaxed),
        ),
        ("visible_lsn", engine.store.visible_lsn().0),
        ("durable_lsn", engine.wal.durable_lsn().0),
        ("applied_lsn", engine.store.applied_lsn().0),
        ("memory_bytes", store.memory_bytes as u64),
        ("unwritten_bytes", store.unwritten_bytes as u64),
        ("snapshots", store.snapshots as u64),
        ("snapshots_too_old", engine.store.snapshots_too_old()),
        (
            "rows_evaluated_by_views",
            engine
                .maintenance_context
                .counters
                .rows_evaluated
                .load(Ordering::Relaxed),
        ),
    ];
    figures
        .iter()
        .map(|(name, value)| vec![Value::text(name), number(*value)])
        .collect()
}

/// Where memory goes; nothing is known of the use of parts that are counted for each statement, or by a library.
fn memory(system: &SystemTables<'_>) -> Vec<Vec<Value>> {
    let engine = system.engine;
    let settings = &engine.settings;
    let memtables = engine.store.memory_bytes() as u64;
    let ring = engine.feed.ring_bytes() as u64;
    let parts = [
        (
            "memtables",
            Some(memtables),
            settings.store.memtable_hard_bytes as u64,
        ),
        ("page cache", None, settings.store.cache_bytes as u64),
        ("feed ring", Some(ring), settings.feed.ring_bytes_max as u64),
        ("log buffer", None, settings.wal.group_bytes_max as u64),
        ("a transaction", None, settings.transaction_memory_bytes_max),
        ("a statement", None, settings.statement_memory_bytes_max),
    ];
    parts
        .into_iter()
        .map(|(part, used, limit)| {
            vec![
                Value::text(part),
                used.map_or(Value::Null, number),
                number(limit),
            ]
        })
        .collect()
}
