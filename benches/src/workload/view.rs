//! Keeping `SELECT g, count(*), sum(v) … GROUP BY g` over 1,000 groups while rows come in, without syncs: one row a
//! transaction, a thousand, and what the view alone costs among forty thousand.

use tailwater::SyncMode;

use super::commit::timed;
use super::ours::{Ours, View};
use super::row::Rows;
use crate::{Contender, Field, Place, Result};

/// Rows in a transaction of a thousand.
pub const THOUSAND: u64 = 1_000;
/// Rows in a transaction of many.
pub const MANY: u64 = 40_000;

/// Transactions of one row.
///
/// # Errors
/// When the disk fails.
pub fn one(place: &Place) -> Result<Field> {
    let ours = Ours::open(place, SyncMode::Off, View::Groups)?;
    let rows = Rows::default();
    let mut field = vec![Contender::new(Ours::name(SyncMode::Off), move |n| {
        timed(n, || ours.insert_one(rows.one()))
    })];

    #[cfg(feature = "peers")]
    {
        use crate::peer::sqlite::{Sqlite, Sync, View};
        let sqlite = Sqlite::open(place, Sync::Off, View::Trigger)?;
        let rows = Rows::default();
        field.push(Contender::new(sqlite.name(), move |n| {
            timed(n, || sqlite.insert_one(rows.one()))
        }));
    }
    #[cfg(feature = "turso")]
    {
        use crate::peer::sqlite::{Sync, View};
        let mut turso = crate::peer::turso::Turso::open(place, Sync::Off, View::Trigger)?;
        let rows = Rows::default();
        field.push(Contender::new(turso.name(), move |n| {
            timed(n, || turso.insert_one(rows.one()))
        }));
    }
    add_differential(&mut field, 1);
    add_bare_commit(&mut field, place)?;
    Ok(field)
}

/// Transactions of a thousand rows.
///
/// # Errors
/// When the disk fails.
pub fn thousand(place: &Place) -> Result<Field> {
    let ours = Ours::open(place, SyncMode::Off, View::Groups)?;
    let rows = Rows::default();
    let mut field = vec![Contender::new(Ours::name(SyncMode::Off), move |n| {
        timed(n, || ours.insert(rows.some(THOUSAND)))
    })];

    #[cfg(feature = "peers")]
    {
        use crate::peer::sqlite::{Sqlite, Sync, View};
        let mut sqlite = Sqlite::open(place, Sync::Off, View::Trigger)?;
        let rows = Rows::default();
        field.push(Contender::new(sqlite.name(), move |n| {
            timed(n, || sqlite.insert(rows.some(THOUSAND)))
        }));
    }
    #[cfg(feature = "turso")]
    {
        use crate::peer::sqlite::{Sync, View};
        let mut turso = crate::peer::turso::Turso::open(place, Sync::Off, View::Trigger)?;
        let rows = Rows::default();
        field.push(Contender::new(turso.name(), move |n| {
            timed(n, || turso.insert(rows.some(THOUSAND)))
        }));
    }
    add_differential(&mut field, THOUSAND);
    Ok(field)
}

/// Transactions of many rows, with the view less without it.
///
/// # Errors
/// When the disk fails.
pub fn cost_alone(place: &Place) -> Result<Field> {
    let with = Ours::open(place, SyncMode::Off, View::Groups)?;
    let without = Ours::open(place, SyncMode::Off, View::None)?;
    let (more, less) = (Rows::default(), Rows::default());
    let mut field = vec![Contender::new(Ours::name(SyncMode::Off), move |n| {
        let less = timed(n, || without.insert(less.some(MANY)))?;
        Ok(timed(n, || with.insert(more.some(MANY)))? - less)
    })];

    #[cfg(feature = "peers")]
    {
        use crate::peer::sqlite::{Sqlite, Sync, View};
        let mut with = Sqlite::open(place, Sync::Off, View::Trigger)?;
        let mut without = Sqlite::open(place, Sync::Off, View::None)?;
        let (more, less) = (Rows::default(), Rows::default());
        field.push(Contender::new(with.name(), move |n| {
            let less = timed(n, || without.insert(less.some(MANY)))?;
            Ok(timed(n, || with.insert(more.some(MANY)))? - less)
        }));
    }
    add_differential(&mut field, MANY);
    Ok(field)
}

#[cfg(feature = "differential")]
fn add_differential(field: &mut Field, rows: u64) {
    use crate::peer::differential::Differential;
    let worker = Differential::start();
    field.push(Contender::new(Differential::name(), move |n| {
        worker.insert(n, rows)
    }));
}

#[cfg(not(feature = "differential"))]
const fn add_differential(_: &mut Field, _: u64) {}

/// The same commit without the view: what of the figure is not the view's.
fn add_bare_commit(field: &mut Field, place: &Place) -> Result<()> {
    let ours = Ours::open(place, SyncMode::Off, View::None)?;
    let rows = Rows::default();
    let name = format!("{}, no view", Ours::name(SyncMode::Off));
    field.push(Contender::new(name, move |n| {
        timed(n, || ours.insert_one(rows.one()))
    }));
    Ok(())
}
