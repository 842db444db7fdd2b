//! What a method does: as its option says, or as its form and its name tell.
//!
//! Next door: `request`, which finds the rows that are meant.

use prost_reflect::{MessageDescriptor, MethodDescriptor};
use tailwater_proto::v1::method_options::Does;

use super::message::{self, Verb};
use super::name::quoted;
use super::plan::{Binding, CallKind, IndexPlan, MethodPlan, PrimaryKey, TablePlan};
use super::request::{self, Condition};
use super::{options, table};
use crate::error::{Error, Result};

/// The plan of a method; tables get the indexes that it reads by.
///
/// # Errors
/// `42P16` for options that name what is not there.
pub(super) fn of(method: &MethodDescriptor, tables: &mut [TablePlan]) -> Result<MethodPlan> {
    let kind = match (method.is_client_streaming(), method.is_server_streaming()) {
        (false, false) => CallKind::Unary,
        (false, true) => CallKind::ServerStreaming,
        (true, false) => CallKind::ClientStreaming,
        (true, true) => CallKind::Bidirectional,
    };
    let binding = match options::of_method(method).and_then(|said| said.does) {
        Some(said) => bound(method, kind, said, tables)?,
        None => inferred(method, kind, tables).unwrap_or_else(|unclear| unclear.unbound()),
    };
    let service = method.parent_service();
    Ok(MethodPlan {
        path: format!("/{}/{}", service.full_name(), method.name()),
        kind,
        binding,
    })
}

/// As the option says.
fn bound(
    method: &MethodDescriptor,
    kind: CallKind,
    said: Does,
    tables: &[TablePlan],
) -> Result<Binding> {
    let wrong = |what: String| {
        Err(Error::statement(
            "42P16",
            format!("{}: {what}", method.full_name()),
        ))
    };
    match said {
        Does::Subscribe(sql) => match kind {
            CallKind::ServerStreaming => Ok(Binding::Subscribe { sql }),
            _ => wrong("to subscribe, it has one request and returns a stream".to_owned()),
        },
        Does::Query(sql) => match kind {
            CallKind::Unary | CallKind::ServerStreaming => Ok(Binding::Query { sql }),
            _ => wrong("to query, it has one request".to_owned()),
        },
        Does::Exec(sql) => match kind {
            CallKind::Unary | CallKind::ClientStreaming => Ok(Binding::Exec { sql }),
            _ => wrong("to run a statement, it has one answer".to_owned()),
        },
        Does::Insert(name) => match tables.iter().find(|table| table.name == name) {
            Some(table) if table.message == method.input().full_name() => Ok(Binding::Insert {
                table: name,
                field: None,
            }),
            Some(table) => wrong(format!(
                "it receives {}, {name} has rows of {}",
                method.input().full_name(),
                table.message
            )),
            None => wrong(format!("no message of the module is the table {name}")),
        },
    }
}

/// Why a method stays unbound, and what would bind it.
struct Unclear {
    why: String,
    option: String,
}

impl Unclear {
    fn unbound(self) -> Binding {
        Binding::Unbound {
            why: self.why,
            option: format!("option (tailwater.v1.bind) = {{ {} }};", self.option),
        }
    }
}

/// As form and name tell.
fn inferred(
    method: &MethodDescriptor,
    kind: CallKind,
    tables: &mut [TablePlan],
) -> Result<Binding, Unclear> {
    let (input, output) = (method.input(), method.output());
    match kind {
        CallKind::ServerStreaming => {
            let selection = select(&input, &output, tables).map_err(|why| Unclear {
                why,
                option: format!(
                    "subscribe: \"SELECT * FROM {} WHERE ..\"",
                    table_or_dots(&output, tables)
                ),
            })?;
            Ok(Binding::Subscribe { sql: selection })
        }
        CallKind::ClientStreaming => Ok(Binding::Insert {
            table: name_of(&input, tables).map_err(|why| Unclear {
                why,
                option: "exec: \"INSERT INTO ..\"".to_owned(),
            })?,
            field: None,
        }),
        CallKind::Bidirectional => Err(Unclear {
            why: "what it answers each message with is not told by its form".to_owned(),
            option: "exec: \"..\"".to_owned(),
        }),
        CallKind::Unary => unary(method, tables),
    }
}

fn unary(method: &MethodDescriptor, tables: &mut [TablePlan]) -> Result<Binding, Unclear> {
    let unclear = |option: &'static str| {
        move |why: String| Unclear {
            why,
            option: option.to_owned(),
        }
    };
    let name = method.name();
    let Some((verb, about)) = message::verb(name) else {
        return Err(unclear("query: \"SELECT ..\"")(format!(
            "{name} does not begin with Create, Get, List, Update or Delete"
        )));
    };
    let table = tables.iter().position(|table| {
        let one = table.message.rsplit('.').next().unwrap_or_default();
        one == about || verb == Verb::List && message::is_plural(about, one)
    });
    let (input, pool) = (method.input(), method.input().parent_pool().clone());
    let row = table
        .and_then(|at| tables.get(at))
        .and_then(|table| pool.get_message_by_name(&table.message));
    let (Some(at), Some(row)) = (table, row) else {
        return Err(unclear("query: \"SELECT ..\"")(format!(
            "no table is of {about}"
        )));
    };
    match verb {
        Verb::List => {
            let sql = select(&input, &row, tables).map_err(unclear("query: \"SELECT ..\""))?;
            Ok(Binding::Query { sql })
        }
        Verb::Get => {
            let (table, conditions) =
                one_row(&input, &row, tables, at).map_err(unclear("query: \"SELECT ..\""))?;
            Ok(Binding::Query {
                sql: format!("SELECT * FROM {table} WHERE {conditions}"),
            })
        }
        Verb::Delete => {
            let (table, conditions) =
                one_row(&input, &row, tables, at).map_err(unclear("exec: \"DELETE FROM ..\""))?;
            Ok(Binding::Exec {
                sql: format!("DELETE FROM {table} WHERE {conditions}"),
            })
        }
        Verb::Create => {
            let field = row_field(&input, &row).map_err(unclear("exec: \"INSERT INTO ..\""))?;
            let table = tables
                .get(at)
                .map(|table| table.name.clone())
                .unwrap_or_default();
            Ok(Binding::Insert { table, field })
        }
        Verb::Update => {
            let field = row_field(&input, &row).map_err(unclear("exec: \"UPDATE ..\""))?;
            let sql = tables
                .get(at)
                .and_then(|table| update(table, field.as_deref()));
            let sql = sql.ok_or_else(|| {
                unclear("exec: \"UPDATE ..\"")(format!("{about} has no key to be found by"))
            })?;
            Ok(Binding::Exec { sql })
        }
    }
}

/// The rows of a table that a request means, in the order of their key. The table gets an index for it.
fn select(
    input: &MessageDescriptor,
    row: &MessageDescriptor,
    tables: &mut [TablePlan],
) -> Result<String, String> {
    name_of(row, tables)?;
    let conditions = request::conditions(input, row)?;
    let Some(table) = tables
        .iter_mut()
        .find(|table| table.message == row.full_name())
    else {
        return Err(format!("{} is no table", row.name()));
    };
    let order: Vec<String> = table
        .primary_key
        .columns()
        .iter()
        .map(|column| quoted(column))
        .collect();
    let name = quoted(&table.name);
    let sql = match conditions.is_empty() {
        true => format!("SELECT * FROM {name} ORDER BY {}", order.join(", ")),
        false => format!(
            "SELECT * FROM {name} WHERE {} ORDER BY {}",
            all_of(&conditions),
            order.join(", ")
        ),
    };
    add_index(table, &conditions);
    Ok(sql)
}

/// The table, and the conditions that its key has what the request says.
fn one_row(
    input: &MessageDescriptor,
    row: &MessageDescriptor,
    tables: &[TablePlan],
    at: usize,
) -> Result<(String, String), String> {
    let table = tables.get(at).ok_or("no such table")?;
    let conditions = match input.full_name() == row.full_name() {
        // Asked with a row of which the key is set.
        true => table
            .primary_key
            .columns()
            .iter()
            .map(|column| Condition {
                column: column.clone(),
                field: column.clone(),
            })
            .collect(),
        false => request::conditions(input, row)?,
    };
    let columns: Vec<&str> = conditions
        .iter()
        .map(|condition| condition.column.as_str())
        .collect();
    let is_key = matches!(table.primary_key, PrimaryKey::Columns(_))
        && table
            .primary_key
            .columns()
            .iter()
            .all(|key| columns.contains(&key.as_str()));
    match is_key {
        true => Ok((quoted(&table.name), all_of(&conditions))),
        false => Err(format!(
            "{} does not say the key of {}",
            input.name(),
            row.name()
        )),
    }
}

/// The field of a request that is the row; `None`: the request is.
fn row_field(input: &MessageDescriptor, row: &MessageDescriptor) -> Result<Option<String>, String> {
    if input.full_name() == row.full_name() {
        return Ok(None);
    }
    let fields: Vec<_> = input
        .fields()
        .filter(|field| !field.is_list() && request::is_of(field, row))
        .collect();
    match fields.as_slice() {
        [field] => Ok(Some(field.name().to_owned())),
        _ => Err(format!("{} does not hold one {}", input.name(), row.name())),
    }
}

/// Gives the row of a key all values that the request says.
fn update(table: &TablePlan, field: Option<&str>) -> Option<String> {
    let PrimaryKey::Columns(keys) = &table.primary_key else {
        return None;
    };
    let parameter = |column: &String| match field {
        Some(field) => format!("{} = :{field}.{column}", quoted(column)),
        None => format!("{} = :{column}", quoted(column)),
    };
    let values = table
        .columns
        .iter()
        .map(|column| &column.name)
        .filter(|name| !keys.contains(name));
    let values: Vec<String> = values.map(parameter).collect();
    let keys: Vec<String> = keys.iter().map(parameter).collect();
    (!values.is_empty()).then(|| {
        format!(
            "UPDATE {} SET {} WHERE {}",
            quoted(&table.name),
            values.join(", "),
            keys.join(" AND ")
        )
    })
}

fn add_index(table: &mut TablePlan, conditions: &[Condition]) {
    let columns: Vec<String> = conditions
        .iter()
        .map(|condition| condition.column.clone())
        .collect();
    let by_key = table.primary_key.columns().starts_with(&columns);
    let is_there = table
        .indexes
        .iter()
        .any(|index| index.columns.starts_with(&columns));
    if table.view.is_none() && !by_key && !is_there {
        table.indexes.push(IndexPlan {
            name: table::index_name(&table.name, &columns),
            columns,
            is_unique: false,
        });
    }
}

fn all_of(conditions: &[Condition]) -> String {
    let conditions: Vec<String> = conditions.iter().map(Condition::sql).collect();
    conditions.join(" AND ")
}

fn name_of(message: &MessageDescriptor, tables: &[TablePlan]) -> Result<String, String> {
    let table = tables
        .iter()
        .find(|table| table.message == message.full_name());
    table
        .map(|table| table.name.clone())
        .ok_or_else(|| format!("{} is no table", message.name()))
}

fn table_or_dots(message: &MessageDescriptor, tables: &[TablePlan]) -> String {
    name_of(message, tables).unwrap_or_else(|_| "..".to_owned())
}
