//! redb as it is: keys and values as bytes, no SQL, no views. The floor of what a store below us costs.

use redb::{Database, Durability, ReadableDatabase, TableDefinition};
use tempfile::TempDir;

use super::locked_version;
use crate::workload::row::Row;
use crate::{Place, Result};

const TABLE: TableDefinition<'static, i64, (i64, i64)> = TableDefinition::new("t");

/// An open database in a folder of its own.
pub struct Redb {
    database: Database,
    durability: Durability,
    _folder: TempDir,
}

impl std::fmt::Debug for Redb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Redb")
    }
}

impl Redb {
    /// Opens a new one.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn open(place: &Place, durability: Durability) -> Result<Self> {
        let folder = place.folder()?;
        let database = Database::create(folder.path().join("peer.redb"))?;
        let own = Self {
            database,
            durability,
            _folder: folder,
        };
        own.insert(std::iter::empty())?;
        Ok(own)
    }

    /// Name, version and sync setting.
    #[must_use]
    pub fn name(&self) -> String {
        let sync = match self.durability {
            Durability::None => "None",
            _ => "Immediate",
        };
        format!("redb {} {sync}", locked_version("redb"))
    }

    /// Inserts rows in one transaction.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn insert(&self, rows: impl Iterator<Item = Row>) -> Result<()> {
        let mut txn = self.database.begin_write()?;
        txn.set_durability(self.durability)?;
        {
            let mut table = txn.open_table(TABLE)?;
            for row in rows {
                table.insert(row.id, (row.g, row.v))?;
            }
        }
        txn.commit()?;
        Ok(())
    }

    /// Reads `v` of a row, in a transaction of its own.
    ///
    /// # Errors
    /// When the row is not there.
    pub fn read(&self, id: i64) -> Result<i64> {
        let table = self.database.begin_read()?.open_table(TABLE)?;
        let found = table.get(id)?.ok_or("no such row")?;
        Ok(found.value().1)
    }
}
