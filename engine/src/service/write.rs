//! Methods that write: a message is a row that is stored, or the parameters of a statement.
//!
//! Each message is a transaction of its own. Next door: `sink`, which takes many; `requests`, which remembers calls.

use std::borrow::Cow;
use std::sync::Arc;

use prost_reflect::MessageDescriptor;
use tailwater_proto::{Lsn, Value};

use super::method::{Action, Form};
use super::query::{no_row, refuse_too_long};
use super::requests::{self, Request};
use super::versions::{Current, Home};
use crate::database::Database;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::execute;
use crate::module::wire::{AckEncoder, FieldColumn, ParameterDecoder, RowDecoder};
use crate::module::{Answer, BoundStatement, CallKind, ColumnPlan, TablePlan};
use crate::params::Parameters;
use crate::sql::keywords::quoted;
use crate::sql::parser::parse_one;
use crate::ticket::Ticket;
use crate::tx::Tx;
use crate::txn::Transaction;

/// What a message does, and what is said of it.
#[derive(Debug)]
pub(super) struct Write {
    home: Arc<Home>,
    statement: Statement,
    answer: WriteAnswer,
}

#[derive(Debug)]
enum Statement {
    Insert(Insert),
    Exec {
        sql: String,
        parameters: ParameterDecoder,
    },
}

#[derive(Debug)]
enum WriteAnswer {
    /// How many, and in which commit.
    Ack(AckEncoder),
    /// The row that was written.
    Row(Answer),
}

/// A message whose commit is on its way.
#[derive(Debug)]
pub(super) struct Submitted {
    /// What stored it: the method as it was then.
    pub(super) by: Current<Write>,
    pub(super) done: Done,
    pub(super) ticket: Ticket,
}

/// What a message did.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) rows: u64,
    /// The answer, if that is the row.
    pub(super) answer: Option<Vec<u8>>,
}

impl Write {
    /// Stores the message, or the message in one of its fields, in a table.
    pub(super) fn insert(table: &str, field: Option<&str>, form: &Form<'_>) -> Result<Self> {
        let mut tables = form.plan.tables.iter();
        let planned = tables.find(|planned| planned.name == table);
        let planned = planned.ok_or_else(|| {
            Error::statement("42P01", format!("no message is the table \"{table}\""))
        })?;
        let answers_row = answers_row(form);
        let insert = Insert::new(planned, field, form.input, answers_row)?;
        let answer = match answers_row {
            true => WriteAnswer::Row(Answer::new(form.output, &names(planned), form.plan)?),
            false => WriteAnswer::Ack(AckEncoder::new(form.output)),
        };
        Ok(Self {
            home: Arc::clone(form.home),
            statement: Statement::Insert(insert),
            answer,
        })
    }

    /// Runs a statement with fields of the message as parameters.
    pub(super) fn statement(
        engine: &Arc<Engine>,
        txn: &Transaction,
        sql: &str,
        form: &Form<'_>,
    ) -> Result<Self> {
        let bound = BoundStatement::new(sql)?;
        let mut sql = bound.sql;
        let columns = |sql: &str| -> Result<Option<Vec<String>>> {
            Ok(execute::prepare(engine, txn, sql, &parse_one(sql)?)?.columns())
        };
        let mut returned = columns(&sql)?;
        if returned.is_none() && answers_row(form) {
            sql = format!("{}\nRETURNING *", sql.trim_end_matches([';', ' ', '\n']));
            returned = columns(&sql)?;
        }
        let answer = match returned {
            Some(columns) if form.method.kind == CallKind::Unary => {
                WriteAnswer::Row(Answer::new(form.output, &columns, form.plan)?)
            }
            _ => WriteAnswer::Ack(AckEncoder::new(form.output)),
        };
        Ok(Self {
            home: Arc::clone(form.home),
            statement: Statement::Exec {
                sql,
                parameters: ParameterDecoder::new(form.input, &bound.fields)?,
            },
            answer,
        })
    }

    /// Whether it answers with rows, other than the one it was sent.
    pub(super) const fn shows_rows(&self) -> bool {
        matches!(
            (&self.statement, &self.answer),
            (Statement::Exec { .. }, WriteAnswer::Row(_))
        )
    }

    /// Does what a message says; its commit is on its way then.
    pub(super) fn submit(
        self: &Arc<Self>,
        db: &Database,
        request: &[u8],
        key: Option<&str>,
    ) -> Result<Submitted> {
        let desk = db.desk();
        let engine = &desk.engine;
        let once = key
            .map(|key| Request::new(db, &self.home.path, key, request))
            .transpose()?;
        let ((by, done), lsn) = engine.retry(&desk.principal, |txn| {
            let by = self.home.current(self, txn, Action::write)?;
            if by.does.shows_rows() && !self.shows_rows() {
                // Whoever was let in to write may not read.
                let what = format!("{} answers with rows now", self.home.path);
                return Err(Error::statement("0A000", what).with_hint("call it again"));
            }
            let done = by.does.run(engine, txn, request, once.as_ref())?;
            Ok((by, done))
        })?;
        let ticket = Ticket::new(desk, lsn);
        Ok(Submitted { by, done, ticket })
    }

    /// What is said of one message.
    pub(super) fn answer(&self, done: Done, lsn: Lsn) -> Vec<u8> {
        done.answer
            .unwrap_or_else(|| self.acknowledge(done.rows, lsn))
    }

    /// The answer that says how many, and in which commit.
    pub(super) fn acknowledge(&self, rows: u64, lsn: Lsn) -> Vec<u8> {
        let mut out = Vec::new();
        if let WriteAnswer::Ack(ack) = &self.answer {
            ack.encode(rows, lsn.0, &mut out);
        }
        out
    }

    fn run(
        &self,
        engine: &Arc<Engine>,
        txn: &mut Transaction,
        request: &[u8],
        once: Option<&Request>,
    ) -> Result<Done> {
        let (sql, values) = self.statement_of(request)?;
        let tx = &mut Tx::new(engine, txn);
        match once {
            Some(once) => requests::once(tx, once, |tx| self.run_now(tx, &sql, values)),
            None => self.run_now(tx, &sql, values),
        }
    }

    fn run_now(&self, tx: &mut Tx<'_>, sql: &str, values: Vec<Value>) -> Result<Done> {
        let parameters = Parameters::positional(values);
        let WriteAnswer::Row(answer) = &self.answer else {
            let rows = tx.exec(sql, parameters)?.rows;
            return Ok(Done { rows, answer: None });
        };
        let mut rows = tx.query(sql, parameters)?;
        let (mut count, mut out) = (0, Vec::new());
        while let Some(row) = rows.next_row()? {
            count += 1;
            if count == 1 || answer.is_list() {
                answer.encode(row.values(), &mut out)?;
                refuse_too_long(&out)?;
            }
        }
        if count == 0 && !answer.is_list() {
            return Err(no_row());
        }
        Ok(Done {
            rows: count,
            answer: Some(out),
        })
    }

    fn statement_of(&self, request: &[u8]) -> Result<(Cow<'_, str>, Vec<Value>)> {
        let mut values = Vec::new();
        match &self.statement {
            Statement::Insert(insert) => insert.statement_of(request),
            Statement::Exec { sql, parameters } => {
                parameters.decode(request, &mut values)?;
                Ok((Cow::Borrowed(sql), values))
            }
        }
    }
}

/// Whether an answer is a row, or has one, or a list of them. That to many messages only counts them.
fn answers_row(form: &Form<'_>) -> bool {
    let is_row = |name: &str| form.plan.tables.iter().any(|table| table.message == name);
    let is_of_rows = |field: prost_reflect::FieldDescriptor| match field.kind() {
        prost_reflect::Kind::Message(row) => !field.is_map() && is_row(row.full_name()),
        _ => false,
    };
    let output = form.output;
    form.method.kind == CallKind::Unary
        && (is_row(output.full_name()) || output.fields().any(is_of_rows))
}

fn names(table: &TablePlan) -> Vec<String> {
    let columns = table.columns.iter();
    columns.map(|column| column.name.clone()).collect()
}

/// A message, or the one in its field, as a row.
#[derive(Debug)]
struct Insert {
    table: String,
    columns: Vec<ColumnPlan>,
    decoder: RowDecoder,
    /// The number of the field that the row is in.
    field: Option<u32>,
    returning: String,
    /// With all columns.
    sql: String,
}

impl Insert {
    fn new(
        table: &TablePlan,
        field: Option<&str>,
        input: &MessageDescriptor,
        answers_row: bool,
    ) -> Result<Self> {
        let within = match field {
            None => None,
            Some(name) => Some(input.get_field_by_name(name).ok_or_else(|| {
                Error::statement(
                    "42703",
                    format!("{} has no field {name}", input.full_name()),
                )
            })?),
        };
        let row = match within.as_ref().map(prost_reflect::FieldDescriptor::kind) {
            Some(prost_reflect::Kind::Message(row)) => row,
            _ => input.clone(),
        };
        let fields: Vec<FieldColumn> = table.columns.iter().map(FieldColumn::from).collect();
        let returning = match answers_row {
            true => {
                let columns: Vec<String> = names(table).iter().map(|name| quoted(name)).collect();
                format!(" RETURNING {}", columns.join(", "))
            }
            false => String::new(),
        };
        let mut insert = Self {
            table: quoted(&table.name),
            columns: table.columns.clone(),
            decoder: RowDecoder::new(&row, &fields)?,
            field: within.map(|field| field.number()),
            returning,
            sql: String::new(),
        };
        insert.sql = insert.sql_without(&[]);
        Ok(insert)
    }

    /// The statement for rows that have defaults in these places.
    fn sql_without(&self, left_out: &[usize]) -> String {
        let columns: Vec<String> = (self.columns.iter().enumerate())
            .filter(|(at, _)| !left_out.contains(at))
            .map(|(_, column)| quoted(&column.name))
            .collect();
        if columns.is_empty() {
            return format!(
                "INSERT INTO {} DEFAULT VALUES{}",
                self.table, self.returning
            );
        }
        let places: Vec<String> = (1..=columns.len()).map(|n| format!("${n}")).collect();
        format!(
            "INSERT INTO {} ({}) VALUES ({}){}",
            self.table,
            columns.join(", "),
            places.join(", "),
            self.returning
        )
    }

    fn statement_of(&self, request: &[u8]) -> Result<(Cow<'_, str>, Vec<Value>)> {
        let row = match self.field {
            Some(number) => Cow::Owned(within(request, number)?),
            None => Cow::Borrowed(request),
        };
        let (mut values, mut absent) = (Vec::new(), Vec::new());
        self.decoder.decode(&row, &mut values, &mut absent)?;
        let has_own = |at: &usize| {
            let column = self.columns.get(*at);
            column.is_some_and(|column| column.has_own_default)
        };
        absent.retain(has_own);
        if absent.is_empty() {
            return Ok((Cow::Borrowed(&self.sql), values));
        }
        for at in absent.iter().rev() {
            values.remove(*at);
        }
        Ok((Cow::Owned(self.sql_without(&absent)), values))
    }
}

/// The bytes of the message in a field. Parts that came one by one are one message, as Protobuf has it.
fn within(request: &[u8], number: u32) -> Result<Vec<u8>> {
    use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
    let wrong = |error: prost::DecodeError| Error::data("22P03", error.to_string());
    let mut rest = request;
    let mut body = Vec::new();
    while !rest.is_empty() {
        let (tag, kind) = decode_key(&mut rest).map_err(wrong)?;
        if tag != number || kind != WireType::LengthDelimited {
            skip_field(kind, tag, &mut rest, DecodeContext::default()).map_err(wrong)?;
            continue;
        }
        let length = decode_varint(&mut rest).map_err(wrong)?;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let Some((part, behind)) = rest.split_at_checked(length) else {
            return Err(Error::data("22P03", "the message ends within a field"));
        };
        body.extend_from_slice(part);
        rest = behind;
    }
    Ok(body)
}
