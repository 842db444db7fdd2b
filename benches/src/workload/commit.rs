//! One durable commit after the other, by one thread: one row each.

use std::time::Instant;

use redb::Durability;
use tailwater::SyncMode;

use super::ours::{Ours, View};
use super::row::Rows;
use super::twin::{BareFile, block};
use crate::peer;
use crate::{Contender, Field, Place, Result};

/// A lone durable commit: ours, the bare twin, redb, SQLite, fjall, Turso.
///
/// # Errors
/// When the disk fails.
pub fn lone(place: &Place) -> Result<Field> {
    let ours = Ours::open(place, SyncMode::Commit, View::None)?;
    let rows = Rows::default();
    let mut field = vec![Contender::new(Ours::name(SyncMode::Commit), move |n| {
        timed(n, || ours.insert_one(rows.one()))
    })];

    let mut bare = BareFile::open(place)?;
    let block = block();
    field.push(Contender::new(
        "bare twin: write 4 KiB, fdatasync",
        move |n| timed(n, || bare.commit(&block)),
    ));

    let redb = peer::redb::Redb::open(place, Durability::Immediate)?;
    let rows = Rows::default();
    field.push(Contender::new(redb.name(), move |n| {
        timed(n, || redb.insert(std::iter::once(rows.one())))
    }));

    #[cfg(feature = "peers")]
    {
        use peer::sqlite::{Sqlite, Sync, View};
        let sqlite = Sqlite::open(place, Sync::Full, View::None)?;
        let rows = Rows::default();
        field.push(Contender::new(sqlite.name(), move |n| {
            timed(n, || sqlite.insert_one(rows.one()))
        }));

        let fjall = peer::fjall::Fjall::open(place, fjall::PersistMode::SyncData)?;
        let rows = Rows::default();
        field.push(Contender::new(fjall.name(), move |n| {
            timed(n, || fjall.insert(std::iter::once(rows.one())))
        }));
    }
    #[cfg(feature = "turso")]
    {
        use peer::sqlite::{Sync, View};
        let mut turso = peer::turso::Turso::open(place, Sync::Full, View::None)?;
        let rows = Rows::default();
        field.push(Contender::new(turso.name(), move |n| {
            timed(n, || turso.insert_one(rows.one()))
        }));
    }
    Ok(field)
}

/// The seconds it takes to do something so many times.
pub(super) fn timed(times: u64, mut work: impl FnMut() -> Result<()>) -> Result<f64> {
    let begun = Instant::now();
    for _ in 0..times {
        work()?;
    }
    Ok(begun.elapsed().as_secs_f64())
}
