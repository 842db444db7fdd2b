//! `Handle`: what keeps a database open, and for whom it is used. Databases and sessions share handles; the database is
//! closed with the last of them. It says nothing of SQL.

use std::sync::Arc;

use crate::engine::Engine;

/// An engine that runs until the last handle on it is dropped, and for whom it is used.
pub(crate) struct Handle {
    pub(crate) engine: Arc<Engine>,
    pub(crate) principal: Arc<str>,
    open: Arc<Open>,
}

impl Handle {
    /// The first handle of an engine: for the program that embeds it.
    pub(crate) fn new(engine: Arc<Engine>) -> Self {
        Self {
            open: Arc::new(Open(Arc::clone(&engine))),
            engine,
            principal: Arc::from(""),
        }
    }

    /// The same database, used for somebody else.
    pub(crate) fn for_principal(&self, principal: &str) -> Self {
        Self {
            engine: Arc::clone(&self.engine),
            principal: Arc::from(principal),
            open: Arc::clone(&self.open),
        }
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
