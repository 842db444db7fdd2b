//! Rows and values of SQL as messages, some at a time: what `query` and `session` send.

use std::collections::HashMap;

use prost::Message as _;
use tailwater::{Column, Parameters, Rows, Value};
use tailwater_proto::{sqlstate, v1};

use crate::serve::fault::Fault;

/// Rows of one message of a stream, and the bytes after which it is sent before it has so many.
const ROWS_MAX: usize = 1_024;
const BYTES_MAX: usize = 128 << 10;

/// The parameters of a statement.
pub(super) fn parameters(
    positional: Vec<v1::Value>,
    named: HashMap<String, v1::Value>,
) -> Result<Parameters, Fault> {
    if named.is_empty() {
        let values = positional.into_iter().map(value);
        return Ok(Parameters::positional(values.collect::<Result<_, _>>()?));
    }
    if !positional.is_empty() {
        return Err(Fault::new(
            sqlstate::UNDEFINED_PARAMETER,
            "parameters are given by position and by name",
        )
        .with_hint("give all of them by position, or all by name"));
    }
    let named = named
        .into_iter()
        .map(|(name, message)| Ok((name, value(message)?)));
    Ok(Parameters::named(named.collect::<Result<_, Fault>>()?))
}

/// A value of a message.
pub(super) fn value(message: v1::Value) -> Result<Value, Fault> {
    Value::try_from(message).map_err(|error| Fault::new(error.sqlstate, error.to_string()))
}

/// Columns as messages.
pub(super) fn columns(columns: &[Column]) -> Vec<v1::Column> {
    let column = |column: &Column| v1::Column {
        name: column.name.clone(),
        r#type: column.ty.to_string(),
        type_oid: column.ty.oid(),
        key: false,
    };
    columns.iter().map(column).collect()
}

/// Rows that are read and sent batch after batch.
pub(super) struct Batches {
    rows: Rows,
    columns: Vec<Column>,
    bytes: usize,
}

/// One batch.
pub(super) struct Batch {
    pub(super) rows: Vec<v1::Row>,
    /// Nothing follows.
    pub(super) is_last: bool,
}

impl Batches {
    pub(super) fn of(rows: Rows) -> Self {
        Self {
            columns: rows.columns().to_vec(),
            rows,
            bytes: 0,
        }
    }

    pub(super) fn columns(&self) -> Vec<v1::Column> {
        columns(&self.columns)
    }

    /// The commit of a statement that returned rows.
    pub(super) fn lsn(&self) -> u64 {
        self.rows.lsn().map_or(0, |lsn| lsn.0)
    }

    /// The next rows.
    pub(super) fn next(&mut self) -> Result<Batch, Fault> {
        let mut batch = Vec::new();
        self.bytes = 0;
        while batch.len() < ROWS_MAX && self.bytes < BYTES_MAX {
            match self.row()? {
                Some(row) => batch.push(row),
                None => {
                    return Ok(Batch {
                        rows: batch,
                        is_last: true,
                    });
                }
            }
        }
        Ok(Batch {
            rows: batch,
            is_last: false,
        })
    }

    /// All rows, if they have at most so many bytes.
    pub(super) fn all(mut self, bytes_max: usize) -> Result<Vec<v1::Row>, Fault> {
        let mut all = Vec::new();
        while let Some(row) = self.row()? {
            if self.bytes > bytes_max {
                return Err(Fault::new(
                    sqlstate::PROGRAM_LIMIT_EXCEEDED,
                    format!("the rows have more than {bytes_max} bytes, the most of one message"),
                )
                .with_hint("use QueryStream, or a LIMIT"));
            }
            all.push(row);
        }
        Ok(all)
    }

    fn row(&mut self) -> Result<Option<v1::Row>, Fault> {
        let Some(row) = self.rows.next_row()? else {
            return Ok(None);
        };
        let values = match row.columns() == self.columns {
            true => v1::Row::of(row.values()),
            // The fields of an open document, in the places of the columns that were told.
            false => v1::Row::of(&crate::feed::json::fields_of(
                &self.columns,
                &row.to_document(),
            )),
        };
        self.bytes = self.bytes.saturating_add(values.encoded_len());
        Ok(Some(values))
    }
}
