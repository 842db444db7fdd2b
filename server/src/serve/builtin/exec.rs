//! `ExecService`: statements that change something: one text, or one a request with many on their way to the disk.
//! Next door: `session`, which keeps a transaction over many requests.

use std::collections::VecDeque;

use prost::Message as _;
use tailwater::{Outcome, Ticket};
use tailwater_proto::{sqlstate, v1};

use super::rows::parameters;
use super::{Service, Shared, session, unary};
use crate::serve::context::Context;
use crate::serve::fault::Fault;
use crate::serve::method::{Handler, Sink};
use crate::serve::scope::Scopes;

pub(super) fn add(service: &mut Service, shared: &Shared) -> Result<(), Fault> {
    let own = shared.clone();
    let exec = unary(move |context, request| exec(&own, context, request));
    service.add("/tailwater.v1.ExecService/Exec", Some(Scopes::NONE), exec)?;
    let own = shared.clone();
    let each = Handler::ClientStreaming(Box::new(move |context| {
        Ok(Box::new(Each {
            shared: own.clone(),
            context: context.clone(),
            outstanding: VecDeque::new(),
            done: v1::ExecResponse::default(),
        }))
    }));
    service.add(
        "/tailwater.v1.ExecService/ExecEach",
        Some(Scopes::NONE),
        each,
    )?;
    session::add(service, shared)
}

fn exec(
    shared: &Shared,
    context: &Context,
    request: v1::ExecRequest,
) -> Result<v1::ExecResponse, Fault> {
    let touched = shared.statements.allow(context, &request.sql)?;
    let parameters = parameters(request.parameters, request.named_parameters)?;
    let mut session = context.session()?;
    let outcome = session.execute(&request.sql, parameters);
    touched.done(&shared.tokens)?;
    let (rows_affected, lsn) = match outcome? {
        Outcome::Done { rows, lsn, .. } => (rows, lsn),
        Outcome::Rows(mut rows) => {
            let mut count = 0;
            while rows.next_row()?.is_some() {
                count += 1;
            }
            (count, rows.lsn())
        }
        _ => {
            return Err(Fault::new(
                sqlstate::FEATURE_NOT_SUPPORTED,
                "Exec does not follow a table or view",
            )
            .with_hint("call tailwater.v1.SubscribeService/Subscribe"));
        }
    };
    if session.in_transaction() {
        return Err(Fault::new(
            sqlstate::ACTIVE_SQL_TRANSACTION,
            "the script began a transaction and did not end it: it was rolled back",
        )
        .with_hint("add COMMIT, or use ExecService/Session"));
    }
    Ok(v1::ExecResponse {
        rows_affected,
        lsn: lsn.map_or(0, |lsn| lsn.0),
        requests: 1,
    })
}

/// Commits that are sequenced and not yet durable.
const OUTSTANDING_MAX: usize = 512;

/// Statements that each are a commit.
struct Each {
    shared: Shared,
    context: Context,
    outstanding: VecDeque<Ticket>,
    done: v1::ExecResponse,
}

impl Sink for Each {
    fn push(&mut self, request: &[u8]) -> Result<(), Fault> {
        match self.run(request) {
            Ok(()) => Ok(()),
            Err(fault) => {
                // What is done stays done: the error is told when that is durable.
                self.settle(0)?;
                Err(fault.within(format!("request {}", self.done.requests + 1)))
            }
        }
    }

    fn finish(mut self: Box<Self>) -> Result<Vec<u8>, Fault> {
        self.settle(0)?;
        Ok(self.done.encode_to_vec())
    }
}

impl Each {
    fn run(&mut self, request: &[u8]) -> Result<(), Fault> {
        self.context.cancel.check()?;
        let request = v1::ExecRequest::decode(request)?;
        let touched = self.shared.statements.allow(&self.context, &request.sql)?;
        let parameters = parameters(request.parameters, request.named_parameters)?;
        let database = &self.context.database;
        let (done, ticket) =
            database.submit_update(|tx| tx.exec(&request.sql, parameters.clone()))?;
        touched.done(&self.shared.tokens)?;
        self.outstanding.push_back(ticket);
        self.done.requests += 1;
        self.done.rows_affected += done.rows;
        if self.outstanding.len() >= OUTSTANDING_MAX {
            // The first waits for a sync; the others of its half are durable by then.
            self.settle(OUTSTANDING_MAX / 2)?;
        }
        Ok(())
    }

    /// Waits until so many are outstanding at most.
    fn settle(&mut self, left: usize) -> Result<(), Fault> {
        while self.outstanding.len() > left {
            if let Some(ticket) = self.outstanding.pop_front() {
                let lsn = ticket.wait()?;
                self.done.lsn = self.done.lsn.max(lsn.0);
            }
        }
        Ok(())
    }
}
