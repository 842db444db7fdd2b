//! Turso: SQLite's file format and SQL in Rust, with materialised views that are experimental and must be asked for.
//! Its interface is async; a thread that waits stands in for a runtime.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use tempfile::TempDir;
use turso::{Builder, Connection, Statement};

use super::locked_version;
use super::sqlite::{Sync, View};
use crate::workload::row::Row;
use crate::{Place, Result};

/// An open database in a folder of its own.
pub struct Turso {
    connection: Connection,
    insert: Statement,
    sync: Sync,
    view: View,
    _database: turso::Database,
    _folder: TempDir,
}

impl std::fmt::Debug for Turso {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Turso")
    }
}

impl Turso {
    /// Opens a new one; its view is a materialised one, not a trigger.
    ///
    /// # Errors
    /// When the disk fails, or it refuses the view.
    pub fn open(place: &Place, sync: Sync, view: View) -> Result<Self> {
        let folder = place.folder()?;
        let path = folder.path().join("peer.turso");
        let path = path.to_str().ok_or("the folder's name is not UTF-8")?;
        let views = view == View::Trigger;
        let opening = Builder::new_local(path).experimental_materialized_views(views);
        let database = wait(opening.build())?;
        let connection = database.connect()?;
        let setting = match sync {
            Sync::Full => "FULL",
            Sync::Off => "OFF",
        };
        // It answers with a row.
        wait(connection.pragma_update("synchronous", setting))?;
        wait(connection.execute(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, g INTEGER NOT NULL, v INTEGER NOT NULL)",
            (),
        ))?;
        if views {
            wait(connection.execute(
                "CREATE MATERIALIZED VIEW by_g AS
                 SELECT g, count(*) AS n, sum(v) AS s FROM t GROUP BY g",
                (),
            ))?;
        }
        let insert = wait(connection.prepare("INSERT INTO t VALUES (?1, ?2, ?3)"))?;
        Ok(Self {
            connection,
            insert,
            sync,
            view,
            _database: database,
            _folder: folder,
        })
    }

    /// Name, version and sync setting.
    #[must_use]
    pub fn name(&self) -> String {
        let sync = match self.sync {
            Sync::Full => "FULL",
            Sync::Off => "OFF",
        };
        let view = match self.view {
            View::None => "",
            View::Trigger => ", experimental view",
        };
        format!("Turso {} WAL {sync}{view}", locked_version("turso"))
    }

    /// Inserts one row as a transaction of its own.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn insert_one(&mut self, row: Row) -> Result<()> {
        wait(self.insert.execute([row.id, row.g, row.v]))?;
        Ok(())
    }

    /// Inserts rows in one transaction.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn insert(&mut self, rows: impl Iterator<Item = Row>) -> Result<()> {
        wait(self.connection.execute("BEGIN", ()))?;
        for row in rows {
            self.insert_one(row)?;
        }
        wait(self.connection.execute("COMMIT", ()))?;
        Ok(())
    }
}

/// Wakes a thread that is parked.
struct Parked(Thread);

impl Wake for Parked {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Polls a future on this thread until it is done.
fn wait<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Parked(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(done) => return done,
            Poll::Pending => std::thread::park(),
        }
    }
}
