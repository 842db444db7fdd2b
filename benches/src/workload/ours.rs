//! `Ours`: a Tailwater database on the disk with the common table, with or without the view.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tailwater::{Database, SyncMode, Ticket, params};
use tempfile::TempDir;

use super::row::Row;
use crate::{Place, Result};

/// Whether the table has the view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// No.
    None,
    /// Count and sum of each group.
    Groups,
}

/// How rows get in.
pub const INSERT: &str = "INSERT INTO t VALUES (?, ?, ?)";

/// An open database in a folder of its own. Clones are handles on the same one.
#[derive(Clone, Debug)]
pub struct Ours {
    /// The database.
    pub database: Database,
    folder: Arc<TempDir>,
}

impl Ours {
    /// Opens a new one with the standard settings, but for the sync mode.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn open(place: &Place, sync: SyncMode, view: View) -> Result<Self> {
        let ours = Self::in_folder(place, |path| Database::builder().sync(sync).open(path))?;
        make_tables(&ours.database, view)?;
        Ok(ours)
    }

    /// A new one in a folder of its own, opened as the caller likes.
    pub(super) fn in_folder(
        place: &Place,
        open: impl FnOnce(&Path) -> tailwater::Result<Database>,
    ) -> Result<Self> {
        let folder = Arc::new(place.folder()?);
        let database = open(&folder.path().join("db"))?;
        Ok(Self { database, folder })
    }

    /// The database's folder.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("db")
    }

    /// Name, version and sync setting.
    #[must_use]
    pub fn name(sync: SyncMode) -> String {
        format!("Tailwater {} {sync:?}", env!("CARGO_PKG_VERSION"))
    }

    /// Inserts one row as a transaction of its own and waits for what the sync mode promises.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn insert_one(&self, row: Row) -> Result<()> {
        self.database.exec(INSERT, params![row.id, row.g, row.v])?;
        Ok(())
    }

    /// Inserts one row and returns the promise that it will be durable.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn submit_one(&self, row: Row) -> Result<Ticket> {
        Ok(self
            .database
            .submit(INSERT, params![row.id, row.g, row.v])?)
    }

    /// Inserts rows in one transaction, a prepared statement for each row.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn insert(&self, rows: impl Iterator<Item = Row> + Clone) -> Result<()> {
        self.database.update(|tx| {
            for row in rows.clone() {
                tx.exec(INSERT, params![row.id, row.g, row.v])?;
            }
            Ok(())
        })?;
        Ok(())
    }

    /// Reads `v` of a row through SQL.
    ///
    /// # Errors
    /// When the row is not there.
    pub fn read(&self, id: i64) -> Result<i64> {
        Ok(self
            .database
            .query("SELECT v FROM t WHERE id = ?", params![id])?
            .scalar()?)
    }
}

/// Makes the common table, and the view over it.
///
/// # Errors
/// When the disk fails.
pub fn make_tables(database: &Database, view: View) -> Result<()> {
    database.exec(
        "CREATE TABLE t (id BIGINT PRIMARY KEY, g BIGINT NOT NULL, v BIGINT NOT NULL)",
        (),
    )?;
    if view == View::Groups {
        database.exec(
            "CREATE MATERIALIZED VIEW by_g AS
             SELECT g, count(*) AS n, sum(v) AS s FROM t GROUP BY g",
            (),
        )?;
    }
    Ok(())
}
