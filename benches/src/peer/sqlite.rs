//! SQLite by rusqlite: WAL mode, prepared statements, and a trigger that keeps a summary table for a view.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, params};
use tempfile::TempDir;

use crate::workload::row::Row;
use crate::{Place, Result};

/// `PRAGMA synchronous`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// Every commit is synced.
    Full,
    /// None is.
    Off,
}

/// What keeps the groups up to date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// There is no view.
    None,
    /// A trigger adds each new row to its group in a summary table.
    Trigger,
}

/// An open database in a folder of its own.
#[derive(Debug)]
pub struct Sqlite {
    connection: Connection,
    sync: Sync,
    view: View,
    folder: TempDir,
}

const FILE: &str = "peer.sqlite";
const INSERT: &str = "INSERT INTO t VALUES (?1, ?2, ?3)";

pub(crate) fn connect(path: &Path, sync: Sync) -> Result<Connection> {
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    let setting = match sync {
        Sync::Full => "FULL",
        Sync::Off => "OFF",
    };
    connection.pragma_update(None, "synchronous", setting)?;
    Ok(connection)
}

impl Sqlite {
    /// Opens a new one.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn open(place: &Place, sync: Sync, view: View) -> Result<Self> {
        let folder = place.folder()?;
        let connection = connect(&folder.path().join(FILE), sync)?;
        connection.execute_batch(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, g INTEGER NOT NULL, v INTEGER NOT NULL)",
        )?;
        if view == View::Trigger {
            connection.execute_batch(
                "CREATE TABLE by_g (g INTEGER PRIMARY KEY, n INTEGER NOT NULL, s INTEGER NOT NULL);
                 CREATE TRIGGER keep AFTER INSERT ON t BEGIN
                     INSERT INTO by_g VALUES (new.g, 1, new.v)
                     ON CONFLICT (g) DO UPDATE SET n = n + 1, s = s + excluded.s;
                 END",
            )?;
        }
        Ok(Self {
            connection,
            sync,
            view,
            folder,
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
            View::Trigger => ", trigger",
        };
        format!("SQLite {} WAL {sync}{view}", rusqlite::version())
    }

    /// Inserts one row as a transaction of its own.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn insert_one(&self, row: Row) -> Result<()> {
        let mut statement = self.connection.prepare_cached(INSERT)?;
        statement.execute(params![row.id, row.g, row.v])?;
        Ok(())
    }

    /// Inserts rows in one transaction.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn insert(&mut self, rows: impl Iterator<Item = Row>) -> Result<()> {
        let txn = self.connection.transaction()?;
        {
            let mut statement = txn.prepare_cached(INSERT)?;
            for row in rows {
                statement.execute(params![row.id, row.g, row.v])?;
            }
        }
        txn.commit()?;
        Ok(())
    }

    /// Reads `v` of a row by a prepared statement.
    ///
    /// # Errors
    /// When the row is not there.
    pub fn read(&self, id: i64) -> Result<i64> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT v FROM t WHERE id = ?1")?;
        Ok(statement.query_row([id], |row| row.get(0))?)
    }

    /// Keeps all that is committed in the log from now on.
    ///
    /// # Errors
    /// When the setting is refused.
    pub fn keep_log(&self) -> Result<()> {
        Ok(self
            .connection
            .pragma_update(None, "wal_autocheckpoint", 0)?)
    }

    /// The files as a crash would leave them now, copied into another folder.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn copy_files(&self, to: &Path) -> Result<()> {
        for file in [FILE.to_owned(), format!("{FILE}-wal")] {
            std::fs::copy(self.folder.path().join(&file), to.join(&file))?;
        }
        Ok(())
    }

    /// Opens such a copy and returns a group's sum, which needs the log.
    ///
    /// # Errors
    /// When the files are damaged.
    pub fn reopen(folder: &Path) -> Result<(Connection, i64)> {
        let path: PathBuf = folder.join(FILE);
        let connection = connect(&path, Sync::Full)?;
        let sum = connection.query_row("SELECT s FROM by_g WHERE g = 7", [], |row| row.get(0))?;
        Ok((connection, sum))
    }
}
