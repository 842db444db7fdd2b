//! EXPLAIN, SHOW and CHECK VIEW: statements about statements and objects.

use std::sync::Arc;

use tailwater_proto::{Row, SqlType, Value, sqlstate};
use tailwater_views::plan::Field;
use tailwater_views::{ExecContext, function};

use super::run::{Ran, Surroundings, prepare, run_bound};
use crate::catalog::{Object, ObjectName, Relation, RelationKind};
use crate::error::{Error, Result};
use crate::explain;
use crate::maintenance;
use crate::sql::binder::names::{module_name, object_name};
use crate::sql::bound::{BoundStatement, InsertSource};
use crate::sql::statement::{self, Explain, ObjectKind, Parsed, Show, Statement};
use crate::system::columns_of;
use crate::txn::Transaction;

fn fields(columns: &[(&str, SqlType)]) -> Arc<[Field]> {
    columns
        .iter()
        .map(|(name, ty)| Field {
            name: (*name).into(),
            ty: ty.clone(),
            spread: false,
        })
        .collect()
}

fn lines(name: &str, text: &str) -> Ran {
    let rows = text
        .lines()
        .map(|line| Row::from(vec![Value::text(line)]))
        .collect();
    Ran::Collected(fields(&[(name, SqlType::Text)]), rows)
}

/// EXPLAIN: the plan as a tree; with ANALYZE the statement is run and what it read is told.
pub(super) fn explain(
    around: &Surroundings<'_>,
    txn: &mut Transaction,
    sql: &str,
    parsed: &Parsed,
    explain: &Explain,
) -> Result<Ran> {
    if let Statement::CreateView(view) = &explain.statement {
        around.parameters.refuse_more_than(0)?;
        let dataflow = super::ddl::plan_view(around, txn, parsed, view)?;
        return Ok(lines("QUERY PLAN", &explain::explain_dataflow(&dataflow)));
    }
    let inner = Parsed {
        statement: explain.statement.clone(),
        text_range: parsed.text_range.clone(),
        question_marks: parsed.question_marks.clone(),
        source: Arc::clone(&parsed.source),
    };
    let prepared = prepare(around.engine, txn, sql, &inner)?;
    let taken = prepared.bound.parameters().len();
    around.parameters.refuse_more_than(taken)?;
    let mut text = match &prepared.bound {
        BoundStatement::Query(bound) => explain::explain(&bound.plan, &txn.catalog),
        BoundStatement::Insert(bound) => {
            let below = match &bound.source {
                InsertSource::Rows { plan, .. } => explain::explain(plan, &txn.catalog),
                InsertSource::Values(rows) => format!("{}\n", explain::values_text(rows.len())),
                InsertSource::Documents(documents) => format!("Documents ({})\n", documents.len()),
            };
            under(&format!("Insert on {}", bound.table.name), &below)
        }
        BoundStatement::Update(bound) => under(
            &format!("Update on {}", bound.table.name),
            &explain::explain(&bound.scan, &txn.catalog),
        ),
        BoundStatement::Delete(bound) => under(
            &format!("Delete on {}", bound.table.name),
            &explain::explain(&bound.scan, &txn.catalog),
        ),
    };
    if explain.analyze {
        let ran = run_bound(around, txn, &prepared)?;
        let (rows, read) = match ran {
            Ran::Rows(_, mut source) => {
                let mut rows = 0_u64;
                while source.next_row()?.is_some() {
                    rows += 1;
                }
                (rows, source.rows_read())
            }
            Ran::Collected(_, rows) => (rows.len() as u64, 0),
            Ran::Count(_, rows) => (rows, 0),
        };
        if !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(&format!("rows: {rows}\nrows_read: {read}\n"));
    }
    Ok(lines("QUERY PLAN", &text))
}

/// A plan under the statement it feeds.
fn under(head: &str, below: &str) -> String {
    let mut text = format!("{head}\n");
    for line in below.lines() {
        text.push_str(&format!("  {line}\n"));
    }
    text
}

/// SHOW.
pub(super) fn show(around: &Surroundings<'_>, txn: &Transaction, show: &Show) -> Result<Ran> {
    let catalog = &txn.catalog;
    let relations = |keep: &dyn Fn(&Relation) -> bool| {
        let rows = catalog
            .relations()
            .filter(|relation| !relation.is_builtin() && keep(relation))
            .map(|relation| vec![Value::text(&relation.name.to_string())].into())
            .collect();
        Ran::Collected(fields(&[("name", SqlType::Text)]), rows)
    };
    Ok(match show {
        Show::Functions => functions(),
        Show::Tables => relations(&|relation| relation.is_table()),
        Show::Views { materialized } => relations(&|relation| match relation.kind {
            RelationKind::Table => false,
            RelationKind::View => !materialized,
            RelationKind::MaterializedView => true,
        }),
        Show::Indexes(of) => {
            let of = of.as_ref().map(|name| find(txn, name)).transpose()?;
            let rows = catalog
                .objects()
                .filter_map(|object| match object {
                    Object::Index(index) => Some(index),
                    Object::Relation(_) | Object::Sequence(_) | Object::Module(_) => None,
                })
                .filter(|index| of.as_ref().is_none_or(|of| of.id == index.relation))
                .map(|index| {
                    let parts: Vec<&str> = index.parts.iter().map(|p| p.text.as_str()).collect();
                    let relation = catalog.get(index.relation);
                    vec![
                        Value::text(&index.name.to_string()),
                        relation.map_or(Value::Null, |of| Value::text(&of.name().to_string())),
                        Value::text(&parts.join(", ")),
                        Value::Bool(index.unique),
                        Value::Bool(index.for_maintenance),
                    ]
                    .into()
                })
                .collect();
            let columns = [
                ("name", SqlType::Text),
                ("relation", SqlType::Text),
                ("parts", SqlType::Text),
                ("unique", SqlType::Bool),
                ("for_maintenance", SqlType::Bool),
            ];
            Ran::Collected(fields(&columns), rows)
        }
        Show::Sequences => {
            let sequences = catalog.objects().filter_map(|object| match object {
                Object::Sequence(sequence) => Some(sequence),
                Object::Relation(_) | Object::Index(_) | Object::Module(_) => None,
            });
            let rows = sequences.map(|sequence| super::sequence::described(txn, sequence));
            let columns = [
                ("name", SqlType::Text),
                ("relation", SqlType::Text),
                ("column", SqlType::Text),
                ("last_value", SqlType::Int8),
                ("next_value", SqlType::Int8),
                ("start", SqlType::Int8),
                ("increment", SqlType::Int8),
                ("min", SqlType::Int8),
                ("max", SqlType::Int8),
                ("cycle", SqlType::Bool),
            ];
            Ran::Collected(fields(&columns), rows.collect::<Result<_>>()?)
        }
        Show::Columns(name) => {
            let relation = find(txn, name)?;
            let columns = [
                ("relation", SqlType::Text),
                ("position", SqlType::Int4),
                ("name", SqlType::Text),
                ("type", SqlType::Text),
                ("type_oid", SqlType::Int8),
                ("not_null", SqlType::Bool),
                ("default", SqlType::Text),
            ];
            let rows = columns_of(&relation).into_iter().map(Row::from).collect();
            Ran::Collected(fields(&columns), rows)
        }
        Show::Create(kind, name) => {
            let (name, object) = match kind {
                ObjectKind::Module => {
                    let name = module_name(name);
                    let module = catalog.module(&name).cloned().map(Object::Module);
                    (name, module)
                }
                _ => {
                    let name = object_name(name);
                    let object = catalog.find(&name).cloned();
                    (name, object)
                }
            };
            let object = object.ok_or_else(|| missing(*kind, &name))?;
            let sql = match &object {
                Object::Relation(relation) => &relation.sql,
                Object::Index(index) => &index.sql,
                Object::Sequence(sequence) => &sequence.sql,
                Object::Module(module) => &module.sql,
            };
            lines("sql", sql)
        }
        Show::All => {
            let settings = [("server_version", version()), ("sync", sync_mode(around))];
            let rows = settings
                .into_iter()
                .map(|(name, value)| vec![Value::text(name), Value::Text(value.into())].into())
                .collect();
            Ran::Collected(
                fields(&[("name", SqlType::Text), ("setting", SqlType::Text)]),
                rows,
            )
        }
        Show::Setting(name) => {
            let value = match name.as_str() {
                "server_version" => version(),
                "sync" => sync_mode(around),
                "timezone" => "UTC".to_owned(),
                "transaction_isolation" => "serializable".to_owned(),
                _ => {
                    return Err(Error::statement(
                        sqlstate::UNDEFINED_OBJECT,
                        format!("unrecognized configuration parameter \"{name}\""),
                    )
                    .on(name.clone())
                    .with_hint("SHOW ALL lists what can be shown"));
                }
            };
            Ran::Collected(
                fields(&[(name, SqlType::Text)]),
                vec![vec![Value::Text(value.into())].into()],
            )
        }
    })
}

fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

fn sync_mode(around: &Surroundings<'_>) -> String {
    use tailwater_wal::SyncMode;
    match around.engine.settings.wal.sync {
        SyncMode::Commit => "commit".to_owned(),
        SyncMode::Interval(every) => format!("interval({} ms)", every.as_millis()),
        SyncMode::Off => "off".to_owned(),
    }
}

fn functions() -> Ran {
    let columns = [
        ("name", SqlType::Text),
        ("signature", SqlType::Text),
        ("volatility", SqlType::Text),
        ("doc", SqlType::Text),
        ("example", SqlType::Text),
    ];
    let rows = function::all()
        .map(|function| {
            vec![
                Value::text(function.names.first().copied().unwrap_or_default()),
                Value::text(&signature(function)),
                Value::text(&format!("{:?}", function.volatility).to_lowercase()),
                Value::text(function.doc),
                Value::text(&format!("{} → {}", function.example.0, function.example.1)),
            ]
            .into()
        })
        .collect();
    Ran::Collected(fields(&columns), rows)
}

/// `name(kind, kind, …)`, with the result.
fn signature(function: &function::Function) -> String {
    let arguments: Vec<String> = function.arguments.iter().map(ToString::to_string).collect();
    let more = if function.variadic { ", …" } else { "" };
    format!(
        "{}({}{more}) → {}",
        function.name(),
        arguments.join(", "),
        function.result
    )
}

fn missing(kind: ObjectKind, name: &ObjectName) -> Error {
    let (code, word) = super::ddl::kind_words(kind);
    Error::statement(code, format!("{word} \"{name}\" does not exist")).on(name.to_string())
}

fn find(txn: &Transaction, name: &statement::ObjectName) -> Result<Arc<Relation>> {
    let name = object_name(name);
    txn.catalog
        .relation(&name)
        .cloned()
        .ok_or_else(|| missing(ObjectKind::Table, &name))
}

/// ANALYZE: what the optimizer needs to know is asked of the storage when it is needed, so that names are looked up and
/// nothing else is to do.
pub(super) fn analyze(txn: &Transaction, names: &[statement::ObjectName]) -> Result<Ran> {
    for name in names {
        find(txn, name)?;
    }
    Ok(Ran::Count("ANALYZE", 0))
}

/// CHECK VIEW: fills the view anew from what it reads, in memory, and compares each row with what is stored.
pub(super) fn check_view(
    around: &Surroundings<'_>,
    txn: &mut Transaction,
    name: &statement::ObjectName,
) -> Result<Ran> {
    let relation = find(txn, name)?;
    if relation.kind != RelationKind::MaterializedView || relation.view.is_none() {
        return Err(Error::statement(
            sqlstate::WRONG_OBJECT_TYPE,
            format!("\"{}\" is not a materialized view", relation.name),
        )
        .on(relation.name.to_string()));
    }
    let cx = ExecContext {
        cancel: around.cancel.clone(),
        ..ExecContext::default()
    };
    let found = maintenance::compare(&txn.catalog, &relation, &txn.snapshot, &cx)?;
    let columns = [
        ("view", SqlType::Text),
        ("rows", SqlType::Int8),
        ("differences", SqlType::Int8),
        ("first_difference", SqlType::Text),
    ];
    let row = vec![
        Value::text(&relation.name.to_string()),
        Value::Int(i64::try_from(found.rows).unwrap_or(i64::MAX)),
        Value::Int(i64::try_from(found.differences.len()).unwrap_or(i64::MAX)),
        found
            .differences
            .first()
            .map_or(Value::Null, |(key, difference)| {
                Value::text(&format!("the row {key:?} {}", difference.name()))
            }),
    ];
    Ok(Ran::Collected(fields(&columns), vec![row.into()]))
}
