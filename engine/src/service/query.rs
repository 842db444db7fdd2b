//! Methods that answer with the rows of a query.

use std::sync::Arc;

use super::method::{Action, Form};
use super::versions::Home;
use crate::database::Database;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::execute;
use crate::module::wire::ParameterDecoder;
use crate::module::{Answer, BoundStatement};
use crate::params::Parameters;
use crate::rows::Rows;
use crate::sql::parser::parse_one;
use crate::tx::Tx;
use crate::txn::{Mode, Transaction};

/// Bytes of an answer to one call.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// A query with the fields of a request as parameters.
#[derive(Debug)]
pub(super) struct Query {
    sql: String,
    parameters: ParameterDecoder,
    answer: Arc<Answer>,
    home: Arc<Home>,
}

/// The rows of a query as messages.
#[derive(Debug)]
pub(super) struct RowMessages {
    rows: Rows,
    answer: Arc<Answer>,
}

impl Query {
    pub(super) fn new(
        engine: &Arc<Engine>,
        txn: &Transaction,
        sql: &str,
        form: &Form<'_>,
    ) -> Result<Self> {
        let bound = BoundStatement::new(sql)?;
        let prepared = execute::prepare(engine, txn, &bound.sql, &parse_one(&bound.sql)?)?;
        if !prepared.is_query() {
            return Err(Error::statement(
                "0A000",
                "a query only reads: use exec for it",
            ));
        }
        let columns = prepared.columns().unwrap_or_default();
        Ok(Self {
            parameters: ParameterDecoder::new(form.input, &bound.fields)?,
            answer: Answer::new(form.output, &columns, form.plan)?.into(),
            sql: bound.sql,
            home: Arc::clone(form.home),
        })
    }

    /// The rows that a request means, and what they are answered with, as of now.
    pub(super) fn rows(self: &Arc<Self>, db: &Database, request: &[u8]) -> Result<RowMessages> {
        let engine = db.engine();
        let mut txn = engine.begin(Mode::ReadOnly, db.principal())?;
        let now = self.home.current(self, &txn, Action::query)?.does;
        let mut values = Vec::new();
        now.parameters.decode(request, &mut values)?;
        let mut tx = Tx::new(engine, &mut txn);
        Ok(RowMessages {
            rows: tx.query(&now.sql, Parameters::positional(values))?,
            answer: Arc::clone(&now.answer),
        })
    }

    /// The answer to one call: all rows, where the message has a list for them, else the first.
    pub(super) fn answer(self: &Arc<Self>, db: &Database, request: &[u8]) -> Result<Vec<u8>> {
        let RowMessages { mut rows, answer } = self.rows(db, request)?;
        let mut out = Vec::new();
        let mut is_empty = true;
        while let Some(row) = rows.next_row()? {
            is_empty = false;
            answer.encode(row.values(), &mut out)?;
            refuse_too_long(&out)?;
            if !answer.is_list() {
                break;
            }
        }
        match is_empty && !answer.is_list() {
            true => Err(no_row()),
            false => Ok(out),
        }
    }
}

impl RowMessages {
    /// The next message; `None` behind the last one.
    pub(super) fn next(&mut self) -> Result<Option<Vec<u8>>> {
        let Some(row) = self.rows.next_row()? else {
            return Ok(None);
        };
        let mut out = Vec::new();
        self.answer.encode(row.values(), &mut out)?;
        Ok(Some(out))
    }
}

/// Refuses an answer that is too long for one message.
pub(super) fn refuse_too_long(answer: &[u8]) -> Result<()> {
    if answer.len() <= ANSWER_BYTES_MAX {
        return Ok(());
    }
    Err(Error::statement(
        "54000",
        format!("the answer has more than {ANSWER_BYTES_MAX} bytes"),
    )
    .with_hint("ask for fewer rows, or let the method return a stream"))
}

/// What a call is answered with that means a row which is not there.
pub(super) fn no_row() -> Error {
    Error::data("P0002", "there is no such row")
}
