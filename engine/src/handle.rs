//! `Handle`: what keeps a database open, and for whom it is used. Databases and sessions share handles; the database is
//! closed with the last of them. It says nothing of SQL. Next door: `desk`, at which its threads work.

use std::sync::{Arc, OnceLock};

use tailwater_wal::sync::Lanes;

use crate::desk::Desk;
use crate::engine::Engine;

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
            Arc::new(Desk::new(
                Arc::clone(&self.engine),
                Arc::from(&*self.principal),
            ))
        })
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
