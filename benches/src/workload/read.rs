//! Reading one column of one row by its key, through a prepared statement, keys in no order.

use redb::Durability;
use tailwater::SyncMode;

use super::commit::timed;
use super::ours::{Ours, View};
use super::row::{Row, Rows};
use crate::peer;
use crate::{Contender, Field, Place, Result};

/// Rows in the table.
const ROWS: u64 = 100_000;

/// Keys in no order, each with what the row holds.
#[derive(Default)]
struct Keys(i64);

impl Keys {
    fn next(&mut self) -> Row {
        self.0 += 1;
        Row::numbered(self.0.wrapping_mul(48_271).rem_euclid(ROWS.cast_signed()))
    }
}

fn check(row: Row, read: i64) -> Result<()> {
    if read == row.v {
        Ok(())
    } else {
        Err(format!("the row {} holds {}, {read} was read", row.id, row.v).into())
    }
}

/// From the storage file, after a checkpoint.
///
/// # Errors
/// When the disk fails.
pub fn stored(place: &Place) -> Result<Field> {
    let ours = filled(place)?;
    ours.database.checkpoint()?;
    field(place, ours)
}

/// From the memtable, before the first checkpoint.
///
/// # Errors
/// When the disk fails.
pub fn fresh(place: &Place) -> Result<Field> {
    let ours = filled(place)?;
    field(place, ours)
}

fn filled(place: &Place) -> Result<Ours> {
    let ours = Ours::open(place, SyncMode::Off, View::None)?;
    let rows = Rows::default();
    for _ in 0..ROWS / 1_000 {
        ours.insert(rows.some(1_000))?;
    }
    Ok(ours)
}

fn field(place: &Place, ours: Ours) -> Result<Field> {
    let mut keys = Keys::default();
    let mut field = vec![Contender::new(Ours::name(SyncMode::Off), move |n| {
        timed(n, || {
            let row = keys.next();
            check(row, ours.read(row.id)?)
        })
    })];

    let redb = peer::redb::Redb::open(place, Durability::Immediate)?;
    redb.insert(Rows::default().some(ROWS))?;
    let mut keys = Keys::default();
    field.push(Contender::new(redb.name(), move |n| {
        timed(n, || {
            let row = keys.next();
            check(row, redb.read(row.id)?)
        })
    }));

    #[cfg(feature = "peers")]
    {
        use peer::sqlite::{Sqlite, Sync, View};
        let mut sqlite = Sqlite::open(place, Sync::Off, View::None)?;
        sqlite.insert(Rows::default().some(ROWS))?;
        let mut keys = Keys::default();
        field.push(Contender::new(sqlite.name(), move |n| {
            timed(n, || {
                let row = keys.next();
                check(row, sqlite.read(row.id)?)
            })
        }));
    }
    Ok(field)
}
