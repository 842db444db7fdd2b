//! `QueryService`: a statement that brings rows, whole or as a stream of some rows each.
//! `Statements` says, for it and `exec`, whether the caller may run a text.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use prost::Message as _;
use tailwater::{Access, Outcome};
use tailwater_proto::{sqlstate, v1};

use super::rows::{Batches, parameters};
use super::{Service, Shared, streaming, unary};
use crate::serve::context::Context;
use crate::serve::fault::Fault;
use crate::serve::method::{Message, Pulled, Source};
use crate::serve::scope::Scopes;
use crate::serve::token;

pub(super) fn add(service: &mut Service, shared: &Shared) -> Result<(), Fault> {
    let own = shared.clone();
    let query = unary(move |context, request| query(&own, context, request));
    service.add(
        "/tailwater.v1.QueryService/Query",
        Some(Scopes::NONE),
        query,
    )?;
    let own = shared.clone();
    let stream = streaming(move |context, request| {
        let batches = rows(&own, context, request)?;
        Ok(Source::Pulled(Box::new(Answers {
            columns: Some(batches.columns()),
            batches: Some(batches),
        })))
    });
    service.add(
        "/tailwater.v1.QueryService/QueryStream",
        Some(Scopes::NONE),
        stream,
    )
}

fn query(
    shared: &Shared,
    context: &Context,
    request: v1::QueryRequest,
) -> Result<v1::QueryResponse, Fault> {
    let batches = rows(shared, context, request)?;
    Ok(v1::QueryResponse {
        columns: batches.columns(),
        lsn: batches.lsn(),
        rows: batches.all(shared.message_bytes_max)?,
    })
}

fn rows(shared: &Shared, context: &Context, request: v1::QueryRequest) -> Result<Batches, Fault> {
    let touched = shared.statements.allow(context, &request.sql)?;
    // Before it is run, not after.
    touched.demand_rows()?;
    let parameters = parameters(request.parameters, request.named_parameters)?;
    let outcome = context.session()?.execute(&request.sql, parameters)?;
    touched.done(&shared.tokens)?;
    match outcome {
        Outcome::Rows(rows) => Ok(Batches::of(rows)),
        _ => Err(no_rows()),
    }
}

fn no_rows() -> Fault {
    Fault::new(
        sqlstate::FEATURE_NOT_SUPPORTED,
        "the statement returns no rows, and was not run",
    )
    .with_hint("call tailwater.v1.ExecService/Exec, or add RETURNING; a feed is tailwater.v1.SubscribeService")
}

/// Rows, some a message.
struct Answers {
    columns: Option<Vec<v1::Column>>,
    batches: Option<Batches>,
}

impl Pulled for Answers {
    fn pull(&mut self) -> Result<Option<Message>, Fault> {
        let Some(batches) = &mut self.batches else {
            return Ok(None);
        };
        let batch = batches.next()?;
        let response = v1::QueryResponse {
            columns: self.columns.take().unwrap_or_default(),
            rows: batch.rows,
            lsn: batches.lsn(),
        };
        if batch.is_last {
            self.batches = None;
        }
        Ok(Some(response.encode_to_vec().into()))
    }
}

/// Texts whose needs are remembered, and how long one of them may be.
const TEXTS_MAX: usize = 1_024;
const TEXT_BYTES_MAX: usize = 4_096;

/// What texts of SQL need, for those that come again and again.
#[derive(Default)]
pub(crate) struct Statements(Mutex<HashMap<String, Needed>>);

#[derive(Clone, Copy)]
struct Needed {
    scopes: Scopes,
    touches_tokens: bool,
    brings_rows: bool,
}

impl Statements {
    /// Refuses a text the caller may not run.
    pub(super) fn allow(&self, context: &Context, sql: &str) -> Result<Touched, Fault> {
        let known = {
            let texts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            texts.get(sql).copied()
        };
        let needed = match known {
            Some(needed) => needed,
            None => self.learn(sql)?,
        };
        context.caller.scopes.allow(needed.scopes)?;
        Ok(Touched {
            tokens: needed.touches_tokens,
            brings_rows: needed.brings_rows,
        })
    }

    fn learn(&self, sql: &str) -> Result<Needed, Fault> {
        let access = Access::of(sql)?;
        let needed = Needed {
            scopes: Scopes::of_access(&access),
            touches_tokens: access.mentions(token::TABLE),
            brings_rows: access.brings_rows,
        };
        if sql.len() <= TEXT_BYTES_MAX {
            let mut texts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if texts.len() >= TEXTS_MAX {
                texts.clear();
            }
            texts.insert(sql.to_owned(), needed);
        }
        Ok(needed)
    }
}

/// What a text touches that the server itself keeps in memory.
#[must_use]
pub(super) struct Touched {
    tokens: bool,
    brings_rows: bool,
}

impl Touched {
    /// Whether it names the table of access tokens.
    pub(super) const fn tokens(&self) -> bool {
        self.tokens
    }

    /// Refuses a text that brings no rows.
    fn demand_rows(&self) -> Result<(), Fault> {
        match self.brings_rows {
            true => Ok(()),
            false => Err(no_rows()),
        }
    }

    /// The text has run.
    pub(super) fn done(self, tokens: &Arc<token::Tokens>) -> Result<(), Fault> {
        match self.tokens {
            true => tokens.reload(),
            false => Ok(()),
        }
    }
}
