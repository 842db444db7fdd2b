//! What a method does: as its option says, or as its form and its name tell.
//!
//! Next door: `request`, which finds the rows that are meant.

use prost_reflect::{FieldDescriptor, MessageDescriptor, MethodDescriptor};
use tailwater_proto::v1::method_options::Does;

use super::message::{self, Verb};
use super::name::quoted;
use super::plan::{Binding, CallKind, ColumnPlan, IndexPlan, MethodPlan, PrimaryKey, TablePlan};
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
    Ok(MethodPlan {
        path: path_of(method),
        kind,
        binding,
    })
}

/// `/package.Service/Method`, as gRPC has it.
pub(crate) fn path_of(method: &MethodDescriptor) -> String {
    let service = method.parent_service();
    format!("/{}/{}", service.full_name(), method.name())
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
        Does::Insert(_) if method.is_server_streaming() => {
            wrong("to insert, it has one answer".to_owned())
        }
        Does::Insert(name) => match tables.iter().find(|table| table.name == name) {
            Some(table) if table.view.is_some() => {
                wrong(format!("{name} is a view, and nobody writes one"))
            }
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

/// Why a method stays unbound, and what would bind it, if an option would.
struct Unclear {
    why: String,
    option: Option<String>,
}

impl Unclear {
    /// What a statement of this kind would bind.
    fn without(kind: &str, statement: &str, why: String) -> Self {
        let statement = statement.replace('\\', "\\\\").replace('"', "\\\"");
        let option = format!("option (tailwater.v1.bind) = {{ {kind}: \"{statement}\" }};");
        Self {
            why,
            option: Some(option),
        }
    }

    fn unbound(self) -> Binding {
        Binding::Unbound {
            why: self.why,
            option: self.option,
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
    let says = message::verb(method.name()).map(|(verb, _)| verb);
    let against = || {
        format!(
            "its name, {}, says something else than its form",
            method.name()
        )
    };
    match kind {
        CallKind::ServerStreaming => {
            let unclear = |why: String, tables: &[TablePlan]| {
                let from =
                    name_of(&output, tables).map_or_else(|_| "..".to_owned(), |name| quoted(&name));
                Unclear::without("subscribe", &format!("SELECT * FROM {from} WHERE .."), why)
            };
            if matches!(says, Some(Verb::Create | Verb::Update | Verb::Delete)) {
                return Err(unclear(against(), tables));
            }
            let sql = select(&input, &output, None, tables).map_err(|why| unclear(why, tables))?;
            Ok(Binding::Subscribe { sql })
        }
        CallKind::ClientStreaming => {
            let unclear = |why: String| Unclear::without("exec", "INSERT INTO ..", why);
            if matches!(
                says,
                Some(Verb::Update | Verb::Delete | Verb::Get | Verb::List)
            ) {
                return Err(unclear(against()));
            }
            let table = writable(&input, tables).map_err(unclear)?;
            Ok(Binding::Insert { table, field: None })
        }
        CallKind::Bidirectional => Err(Unclear {
            why: "what it answers each message with is not told, and no option tells it yet"
                .to_owned(),
            option: None,
        }),
        CallKind::Unary => unary(method, tables),
    }
}

fn unary(method: &MethodDescriptor, tables: &mut [TablePlan]) -> Result<Binding, Unclear> {
    let query = |why: String| Unclear::without("query", "SELECT ..", why);
    let name = method.name();
    let Some((verb, about)) = message::verb(name) else {
        let why = format!("{name} does not begin with Create, Get, List, Update or Delete");
        return Err(query(why));
    };
    let (input, output) = (method.input(), method.output());
    let Some((at, row)) = table_of(verb, about, &input, tables) else {
        return Err(query(format!("no table is of {about}")));
    };
    let statement = match verb {
        Verb::List | Verb::Get => ("query", "SELECT .."),
        Verb::Create => ("exec", "INSERT INTO .."),
        Verb::Update => ("exec", "UPDATE .."),
        Verb::Delete => ("exec", "DELETE FROM .."),
    };
    let unclear = |why: String| Unclear::without(statement.0, statement.1, why);
    answers(verb, &output, &row).map_err(unclear)?;
    if verb == Verb::List {
        let sql = select(&input, &row, Some(row.name()), tables).map_err(unclear)?;
        return Ok(Binding::Query { sql });
    }
    let table = tables
        .get(at)
        .ok_or_else(|| unclear(format!("no table is of {about}")))?;
    if verb == Verb::Get {
        let conditions = one_row(&input, &row, table).map_err(unclear)?;
        let sql = format!("SELECT * FROM {} WHERE {conditions}", quoted(&table.name));
        return Ok(Binding::Query { sql });
    }
    writable(&row, tables).map_err(unclear)?;
    match verb {
        Verb::Delete => {
            let conditions = one_row(&input, &row, table).map_err(unclear)?;
            let sql = format!("DELETE FROM {} WHERE {conditions}", quoted(&table.name));
            Ok(Binding::Exec { sql })
        }
        Verb::Update => {
            let field = row_field(&input, &row).map_err(unclear)?;
            let sql = update(table, field.as_deref()).map_err(unclear)?;
            Ok(Binding::Exec { sql })
        }
        Verb::Create | Verb::Get | Verb::List => {
            let field = row_field(&input, &row).map_err(unclear)?;
            Ok(Binding::Insert {
                table: table.name.clone(),
                field,
            })
        }
    }
}

/// The table whose message, one that stands within no other, a method's name is about.
fn table_of(
    verb: Verb,
    about: &str,
    input: &MessageDescriptor,
    tables: &[TablePlan],
) -> Option<(usize, MessageDescriptor)> {
    let pool = input.parent_pool();
    tables.iter().enumerate().find_map(|(at, table)| {
        let row = pool.get_message_by_name(&table.message)?;
        let is_named =
            row.name() == about || verb == Verb::List && message::is_plural(about, row.name());
        (is_named && row.parent_message().is_none()).then_some((at, row))
    })
}

/// Whether the answer of a method can be what its name says.
fn answers(verb: Verb, output: &MessageDescriptor, row: &MessageDescriptor) -> Result<(), String> {
    let is_row = output.full_name() == row.full_name();
    let rows: Vec<_> = output
        .fields()
        .filter(|field| request::is_of(field, row))
        .collect();
    let fits = match (verb, rows.as_slice()) {
        (Verb::List, [rows]) => rows.is_list(),
        (Verb::List, _) => false,
        (_, [one]) => !one.is_list(),
        (Verb::Get, _) => is_row,
        (_, _) => is_row || output.fields().len() == 0 || message::is_envelope(output),
    };
    match fits {
        true => Ok(()),
        false => Err(format!(
            "how {} is an answer to it is not told",
            output.name()
        )),
    }
}

/// The rows of a table that a request means, in the order of their key. The table gets an index for it.
fn select(
    input: &MessageDescriptor,
    row: &MessageDescriptor,
    about: Option<&str>,
    tables: &mut [TablePlan],
) -> Result<String, String> {
    name_of(row, tables)?;
    let conditions = request::conditions(input, row, about)?;
    let table = tables
        .iter_mut()
        .find(|table| table.message == row.full_name())
        .ok_or_else(|| format!("{} is no table", row.name()))?;
    let mut sql = format!("SELECT * FROM {}", quoted(&table.name));
    if !conditions.is_empty() {
        sql.push_str(" WHERE ");
        sql.push_str(&all_of(&conditions, &table.name));
    }
    let key = table.primary_key.columns().iter();
    let order: Vec<String> = key.map(|column| quoted(column)).collect();
    if !order.is_empty() {
        sql.push_str(" ORDER BY ");
        sql.push_str(&order.join(", "));
    }
    add_index(table, &conditions);
    Ok(sql)
}

/// The conditions that a row's key has what the request says.
fn one_row(
    input: &MessageDescriptor,
    row: &MessageDescriptor,
    table: &TablePlan,
) -> Result<String, String> {
    let conditions = match input.full_name() == row.full_name() {
        // Asked with a row of which the key is set.
        true => key_conditions(table),
        false => request::conditions(input, row, Some(row.name()))?,
    };
    let columns: Vec<&str> = conditions
        .iter()
        .map(|condition| condition.column.as_str())
        .collect();
    let keys = table.primary_key.columns();
    let is_key = matches!(table.primary_key, PrimaryKey::Columns(_))
        && !keys.is_empty()
        && keys.iter().all(|key| columns.contains(&key.as_str()));
    match is_key {
        true => Ok(all_of(&conditions, &table.name)),
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
    let is_row = |field: &FieldDescriptor| !field.is_list() && request::is_of(field, row);
    let field = input.fields().find(is_row);
    let field =
        field.ok_or_else(|| format!("{} does not hold one {}", input.name(), row.name()))?;
    match input
        .fields()
        .find(|other| other.number() != field.number())
    {
        None => Ok(Some(field.name().to_owned())),
        Some(other) => Err(format!(
            "what {} of {} is for is not told",
            other.name(),
            input.name()
        )),
    }
}

/// The conditions that a row's key is the request's.
fn key_conditions(table: &TablePlan) -> Vec<Condition> {
    let keys = table.columns.iter();
    let keys = keys.filter(|column| table.primary_key.columns().contains(&column.name));
    keys.map(|column| Condition {
        column: column.name.clone(),
        field: column.field.clone(),
    })
    .collect()
}

/// Gives the row of a key all values that the request says.
fn update(table: &TablePlan, field: Option<&str>) -> Result<String, String> {
    let keys = match &table.primary_key {
        PrimaryKey::Columns(keys) if !keys.is_empty() => keys,
        _ => return Err(format!("{} has no key to be found by", table.message)),
    };
    let assign = |column: &&ColumnPlan| match field {
        Some(field) => format!("{} = :{field}.{}", quoted(&column.name), column.field),
        None => format!("{} = :{}", quoted(&column.name), column.field),
    };
    let (keys, values): (Vec<&ColumnPlan>, Vec<&ColumnPlan>) = table
        .columns
        .iter()
        .partition(|column| keys.contains(&column.name));
    if values.is_empty() {
        return Err(format!("{} has nothing beside its key", table.message));
    }
    let values: Vec<String> = values.iter().map(assign).collect();
    let keys: Vec<String> = keys.iter().map(assign).collect();
    let name = quoted(&table.name);
    Ok(format!(
        "UPDATE {name} SET {} WHERE {}",
        values.join(", "),
        keys.join(" AND ")
    ))
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
    // In an index there is no way to say which of the two a path is that begins with the table's name.
    let is_hidden = conditions
        .iter()
        .any(|condition| condition.is_hidden_by(&table.name));
    if table.view.is_none() && !by_key && !is_there && !is_hidden {
        table.indexes.push(IndexPlan {
            name: table::index_name(&table.name, &columns),
            columns,
            is_unique: false,
        });
    }
}

fn all_of(conditions: &[Condition], table: &str) -> String {
    let conditions: Vec<String> = conditions
        .iter()
        .map(|condition| condition.sql(table))
        .collect();
    conditions.join(" AND ")
}

fn name_of(message: &MessageDescriptor, tables: &[TablePlan]) -> Result<String, String> {
    let table = tables
        .iter()
        .find(|table| table.message == message.full_name());
    table
        .map(|table| table.name.clone())
        .ok_or_else(|| format!("{} is no table of this module", message.name()))
}

/// The name of a message's table, if it may be written.
fn writable(message: &MessageDescriptor, tables: &[TablePlan]) -> Result<String, String> {
    let name = name_of(message, tables)?;
    match tables
        .iter()
        .any(|table| table.name == name && table.view.is_some())
    {
        true => Err(format!("{name} is a view, and nobody writes one")),
        false => Ok(name),
    }
}
