//! `Handle`: what keeps a database open, and for whom it is used. Databases and sessions share handles; the database is
//! closed with the last of them. `Desk`: what threads work at, and where a lone statement runs.

use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use tailwater_proto::Value;
use tailwater_views::{CancelToken, ExecContext};
use tailwater_wal::sync::Lanes;

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

/// An engine that runs until the last handle on it is dropped, and for whom it is used.
pub(crate) struct Handle {
    pub(crate) engine: Arc<Engine>,
    pub(crate) principal: Arc<str>,
    /// Laid out for those lanes that have come.
    desks: Lanes<OnceLock<Arc<Desk>>>,
    open: Arc<Open>,
}

impl Handle {
    /// The first handle of an engine: for the program that embeds it.
    pub(crate) fn new(engine: Arc<Engine>) -> Self {
        Self {
            open: Arc::new(Open(Arc::clone(&engine))),
            engine,
            principal: Arc::from(""),
            desks: Lanes::default(),
        }
    }

    /// The same database, used for somebody else.
    pub(crate) fn for_principal(&self, principal: &str) -> Self {
        Self {
            engine: Arc::clone(&self.engine),
            principal: Arc::from(principal),
            desks: Lanes::default(),
            open: Arc::clone(&self.open),
        }
    }

    /// What this thread works at.
    pub(crate) fn desk(&self) -> &Arc<Desk> {
        self.desks.own().get_or_init(|| {
            Arc::new(Desk {
                engine: Arc::clone(&self.engine),
                principal: Arc::from(&*self.principal),
                uncancelled: CancelToken::default(),
                last: Mutex::default(),
                spare: Mutex::default(),
            })
        })
    }
}

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

/// Shared by all handles of an engine.
struct Open(Arc<Engine>);

impl Drop for Open {
    fn drop(&mut self) {
        // A failure here is met again, and reported, when the database is opened the next time.
        let _ = self.0.shut_down();
    }
}
