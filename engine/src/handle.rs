//! `Handle`: what keeps a database open. Databases and sessions share one; the database is closed with the last of
//! them. It says nothing of SQL.

use std::sync::Arc;

use crate::engine::Engine;

/// An engine that runs until this is dropped, and for whom it is used.
pub(crate) struct Handle {
    pub(crate) engine: Arc<Engine>,
    pub(crate) principal: Arc<str>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        // A failure here is met again, and reported, when the database is opened the next time.
        let _ = self.engine.shut_down();
    }
}
