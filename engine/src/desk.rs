//! `Desk`: what the threads of one lane work at, and where a statement that is a transaction of its own runs.
//!
//! Next door: `handle`, which lays desks out; `execute`, which runs what lies on them.

use std::sync::Arc;

use parking_lot::Mutex;
use tailwater_proto::Value;
use tailwater_views::{CancelToken, ExecContext};

use crate::engine::Engine;
use crate::error::Result;
use crate::execute::{self, Ran, Surroundings};
use crate::params::Parameters;
use crate::prepared::Prepared;
use crate::sql::parser::parse_one;
use crate::txn::Transaction;

/// A statement whose text has more bytes is not kept at a desk.
const TEXT_BYTES_MAX: usize = 4 << 10;
/// Surroundings with more parameters are not kept at a desk.
const PARAMETERS_MAX: usize = 64;

/// What the threads of one lane work at. What they count references of at each transaction is here once for each lane, so
/// that threads do not wait for each other's counts.
#[repr(align(128))]
pub(crate) struct Desk {
    pub(crate) engine: Arc<Engine>,
    /// A copy.
    pub(crate) principal: Arc<str>,
    /// Of statements that nobody can cancel.
    uncancelled: CancelToken,
    /// The statement that ran last: many threads run one again and again.
    last: Mutex<Option<Arc<Prepared>>>,
    /// The surroundings of such a statement, to be used again.
    spare: Mutex<Option<ExecContext>>,
}

impl Desk {
    /// An empty one. `principal`: a copy of its own.
    pub(crate) fn new(engine: Arc<Engine>, principal: Arc<str>) -> Self {
        Self {
            engine,
            principal,
            uncancelled: CancelToken::default(),
            last: Mutex::default(),
            spare: Mutex::default(),
        }
    }

    /// The statement of that text, if it was prepared against that version: the one that lies here or another one. To be
    /// put back once it has run.
    pub(crate) fn take(&self, sql: &str, plan_version: Option<u64>) -> Option<Arc<Prepared>> {
        let mut last = self.last.lock();
        let is_it = |last: &mut Arc<Prepared>| last.is_of(sql, plan_version);
        let found = last.take_if(is_it);
        drop(last);
        found.or_else(|| self.engine.statements.get_for(sql, plan_version))
    }

    /// It lies here from now on, unless its text is long.
    pub(crate) fn put_back(&self, prepared: Arc<Prepared>) {
        if prepared.text_bytes() > TEXT_BYTES_MAX {
            return;
        }
        let before = self.last.lock().replace(prepared);
        drop(before);
    }

    /// Runs one statement, which nobody can cancel, in a transaction that is all for it.
    pub(crate) fn run(
        &self,
        txn: &mut Transaction,
        sql: &str,
        parameters: &Parameters,
    ) -> Result<Ran> {
        let around = Surroundings {
            engine: &self.engine,
            cancel: &self.uncancelled,
            parameters,
        };
        let Some(prepared) = self.take(sql, txn.plan_version()) else {
            return execute::run(&around, txn, sql, &parse_one(sql)?);
        };
        txn.spare_context = self.spare.lock().take();
        let ran = execute::run_prepared(&around, txn, &prepared);
        self.put_back(prepared);
        // What it was given may be large or many, and is not kept until the next statement.
        if let Some(mut cx) = txn.spare_context.take()
            && cx.parameters.len() <= PARAMETERS_MAX
            && let Some(parameters) = Arc::get_mut(&mut cx.parameters)
        {
            parameters.fill(Value::Null);
            let before = self.spare.lock().replace(cx);
            drop(before);
        }
        ran
    }
}
