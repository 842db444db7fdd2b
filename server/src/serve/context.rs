//! `Context`: what a call brings besides its messages: who calls, on which database, until when, from where in a stream.
//! Its `Cancel` stops the statement that is running when the client goes away. Next door: `call`, which makes one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::HeaderMap;
use tailwater::{CancelToken, Database, Session};
use tailwater_proto::sqlstate;
use tokio::time::Instant;

use super::fault::Fault;
use super::token::Caller;

/// What a call brings besides its messages.
#[derive(Clone)]
pub(crate) struct Context {
    /// The database, used for the caller.
    pub(crate) database: Database,
    /// Who calls, and what they may do.
    pub(crate) caller: Caller,
    /// Headers or metadata, as they came.
    pub(crate) metadata: Arc<HeaderMap>,
    /// Where a stream goes on, if the protocol said so: metadata `tailwater-token`, or `Last-Event-ID`.
    pub(crate) resume: Option<String>,
    /// When the caller gives up.
    pub(crate) deadline: Option<Instant>,
    /// Stops what runs.
    pub(crate) cancel: Cancel,
}

impl Context {
    /// A session whose statements stop when the call does.
    pub(crate) fn session(&self) -> Result<Session, Fault> {
        let session = self.database.session();
        self.cancel.watch(session.cancel_token())?;
        Ok(session)
    }
}

/// Stops the statement a call runs. Clones are one.
#[derive(Clone, Default)]
pub(crate) struct Cancel(Arc<State>);

#[derive(Default)]
struct State {
    is_cancelled: AtomicBool,
    running: Mutex<Option<CancelToken>>,
}

impl Cancel {
    /// A statement begins, which this token stops.
    fn watch(&self, token: CancelToken) -> Result<(), Fault> {
        let mut running = self
            .0
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *running = Some(token);
        drop(running);
        self.check()
    }

    /// Whether the call goes on.
    pub(crate) fn check(&self) -> Result<(), Fault> {
        match self.0.is_cancelled.load(Ordering::SeqCst) {
            true => Err(Fault::new(
                sqlstate::QUERY_CANCELED,
                "the call was cancelled",
            )),
            false => Ok(()),
        }
    }

    fn cancel(&self) {
        self.0.is_cancelled.store(true, Ordering::SeqCst);
        let running = self
            .0
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(token) = &*running {
            token.cancel();
        }
    }

    /// Cancels when it is dropped: kept by whoever waits for the call.
    pub(crate) fn on_drop(&self) -> CancelOnDrop {
        CancelOnDrop(self.clone())
    }
}

/// Cancels its call when it is dropped.
pub(crate) struct CancelOnDrop(Cancel);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_is_over_begins_nothing() {
        let database = Database::memory().unwrap();
        let context = Context {
            database,
            caller: Caller::everyone(),
            metadata: Arc::default(),
            resume: None,
            deadline: None,
            cancel: Cancel::default(),
        };
        assert!(context.session().is_ok());
        drop(context.cancel.on_drop());
        assert_eq!(context.session().err().unwrap().sqlstate(), "57014");
    }
}
