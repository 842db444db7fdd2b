//! fjall as it is: a log and an LSM tree of keys and values as bytes, no SQL, no views. By itself it hands what is
//! written to the system and syncs nothing; each batch here names the durability that it is measured with.

use std::path::Path;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use tempfile::TempDir;

use super::locked_version;
use crate::workload::row::Row;
use crate::{Place, Result};

const FOLDER: &str = "peer.fjall";
const KEYSPACE: &str = "t";

/// An open database in a folder of its own.
pub struct Fjall {
    database: Database,
    rows: Keyspace,
    persist: PersistMode,
    folder: TempDir,
}

impl std::fmt::Debug for Fjall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fjall")
    }
}

fn open(path: &Path) -> Result<(Database, Keyspace)> {
    let database = Database::builder(path).open()?;
    let rows = database.keyspace(KEYSPACE, KeyspaceCreateOptions::default)?;
    Ok((database, rows))
}

impl Fjall {
    /// Opens a new one.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn open(place: &Place, persist: PersistMode) -> Result<Self> {
        let folder = place.folder()?;
        let (database, rows) = open(&folder.path().join(FOLDER))?;
        Ok(Self {
            database,
            rows,
            persist,
            folder,
        })
    }

    /// Name, version and sync setting.
    #[must_use]
    pub fn name(&self) -> String {
        let version = locked_version("fjall");
        match self.persist {
            PersistMode::Buffer => format!("fjall {version} Buffer, its default: no sync"),
            PersistMode::SyncData => format!("fjall {version} SyncData, not its default"),
            PersistMode::SyncAll => format!("fjall {version} SyncAll, not its default"),
        }
    }

    /// Inserts rows in one batch.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn insert(&self, rows: impl Iterator<Item = Row>) -> Result<()> {
        let mut batch = self.database.batch().durability(Some(self.persist));
        for row in rows {
            let mut value = [0; 16];
            let (g, v) = value.split_at_mut(8);
            g.copy_from_slice(&row.g.to_le_bytes());
            v.copy_from_slice(&row.v.to_le_bytes());
            batch.insert(&self.rows, row.id.to_be_bytes(), value);
        }
        Ok(batch.commit()?)
    }

    /// Writes what is in memory into tables.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn flush(&self) -> Result<()> {
        Ok(self.rows.rotate_memtable_and_wait()?)
    }

    /// The folder, whose files are as a crash would leave them now.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Opens a copy of it and reads `v` of a row.
    ///
    /// # Errors
    /// When the files are damaged, or the row is not there.
    pub fn reopen(folder: &Path, id: i64) -> Result<(Database, i64)> {
        let (database, rows) = open(&folder.join(FOLDER))?;
        let value = rows.get(id.to_be_bytes())?.ok_or("no such row")?;
        let (_, v) = value.split_at_checked(8).ok_or("a short row")?;
        Ok((database, i64::from_le_bytes(v.try_into()?)))
    }
}
