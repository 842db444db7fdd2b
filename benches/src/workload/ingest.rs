//! 1,000 rows in each transaction, no view, no sync.

use redb::Durability;
use tailwater::SyncMode;

use super::commit::timed;
use super::ours::{Ours, View};
use super::row::Rows;
use crate::peer;
use crate::{Contender, Field, Place, Result};

/// Rows in each transaction.
pub const ROWS: u64 = 1_000;

/// Ours, redb, SQLite, fjall, Turso.
///
/// # Errors
/// When the disk fails.
pub fn thousand(place: &Place) -> Result<Field> {
    let ours = Ours::open(place, SyncMode::Off, View::None)?;
    let rows = Rows::default();
    let mut field = vec![Contender::new(Ours::name(SyncMode::Off), move |n| {
        timed(n, || ours.insert(rows.some(ROWS)))
    })];

    let redb = peer::redb::Redb::open(place, Durability::None)?;
    let rows = Rows::default();
    field.push(Contender::new(redb.name(), move |n| {
        timed(n, || redb.insert(rows.some(ROWS)))
    }));

    #[cfg(feature = "peers")]
    {
        use peer::sqlite::{Sqlite, Sync, View};
        let mut sqlite = Sqlite::open(place, Sync::Off, View::None)?;
        let rows = Rows::default();
        field.push(Contender::new(sqlite.name(), move |n| {
            timed(n, || sqlite.insert(rows.some(ROWS)))
        }));

        let fjall = peer::fjall::Fjall::open(place, fjall::PersistMode::Buffer)?;
        let rows = Rows::default();
        field.push(Contender::new(fjall.name(), move |n| {
            timed(n, || fjall.insert(rows.some(ROWS)))
        }));
    }
    #[cfg(feature = "turso")]
    {
        use peer::sqlite::{Sync, View};
        let mut turso = peer::turso::Turso::open(place, Sync::Off, View::None)?;
        let rows = Rows::default();
        field.push(Contender::new(turso.name(), move |n| {
            timed(n, || turso.insert(rows.some(ROWS)))
        }));
    }
    Ok(field)
}
