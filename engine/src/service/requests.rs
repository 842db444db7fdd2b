//! Calls that were made under an idempotency key: whoever calls again is told what the first call was told.
//!
//! A call and its row in `tailwater.requests` are one transaction. Rows stay until somebody deletes them, by SQL. Next door:
//! `write`.

use tailwater_proto::{Value, sqlstate};

use super::write::Done;
use crate::database::Database;
use crate::error::{Error, Result};
use crate::feed::fingerprint;
use crate::params::Parameters;
use crate::tx::Tx;

/// Bytes of a key.
const KEY_BYTES_MAX: usize = 512;

/// A call under a key.
#[derive(Debug)]
pub(super) struct Request {
    /// Of one principal: what others call under the same key is another call.
    key: String,
    method: String,
    /// What the message says, in short.
    message: i64,
}

impl Request {
    /// # Errors
    /// `22023` for a key that is too long.
    pub(super) fn new(db: &Database, method: &str, key: &str, message: &[u8]) -> Result<Self> {
        if key.is_empty() || key.len() > KEY_BYTES_MAX {
            return Err(Error::statement(
                sqlstate::INVALID_PARAMETER_VALUE,
                format!(
                    "an idempotency key has 1 to {KEY_BYTES_MAX} bytes, this has {}",
                    key.len()
                ),
            ));
        }
        Ok(Self {
            key: format!("{}:{}/{key}", db.principal().len(), db.principal()),
            method: method.to_owned(),
            message: fingerprint(message).cast_signed(),
        })
    }
}

/// Does the work, unless it was done under the key before.
///
/// # Errors
/// `22023` if another method was called under the key, or with another message.
pub(super) fn once(
    tx: &mut Tx<'_>,
    request: &Request,
    work: impl FnOnce(&mut Tx<'_>) -> Result<Done>,
) -> Result<Done> {
    let key = Value::text(&request.key);
    let before = tx
        .query(
            "SELECT method, message, rows, answer FROM tailwater.requests WHERE key = $1",
            Parameters::positional(vec![key.clone()]),
        )?
        .first()?;
    if let Some(before) = before {
        if before.get::<String>("method")? != request.method {
            return Err(Error::statement(
                sqlstate::INVALID_PARAMETER_VALUE,
                format!(
                    "the idempotency key was used for {}",
                    before.get::<String>("method")?
                ),
            )
            .with_hint("choose a new key for each call"));
        }
        if before.get::<i64>("message")? != request.message {
            return Err(Error::statement(
                sqlstate::INVALID_PARAMETER_VALUE,
                "the idempotency key was used for another message",
            )
            .with_hint("send the same messages in the same order under one key, and choose a new key for others"));
        }
        let rows: i64 = before.get("rows")?;
        return Ok(Done {
            rows: rows.unsigned_abs(),
            answer: before.get("answer")?,
        });
    }
    let done = work(tx)?;
    let values = vec![
        key,
        Value::text(&request.method),
        Value::Int(request.message),
        Value::Int(i64::try_from(done.rows).unwrap_or(i64::MAX)),
        done.answer
            .as_deref()
            .map_or(Value::Null, |answer| Value::Bytes(answer.into())),
    ];
    tx.exec(
        "INSERT INTO tailwater.requests (key, method, message, at, rows, answer) VALUES ($1, $2, $3, now(), $4, $5)",
        Parameters::positional(values),
    )?;
    Ok(done)
}
