//! Nexmark, the benchmark of streams: people, auctions and bids come in, a thousand events a transaction, without
//! syncs, by one thread, and one query is a materialised view. What is told is events a second, so above all what the
//! rows cost; beside it stands the same without a view. Making the events is not timed.
//! `stream` makes the events, `query` has the queries. That every result is right is what `tests/nexmark.rs` shows.

mod query;
mod stream;

use std::time::Instant;

use tailwater::{Database, Parameters, SyncMode};

pub use self::query::{QUERIES, Query, numbered};
pub use self::stream::{Event, Stream, bigint, insert_of, values_of};
use super::ours::Ours;
use crate::{Contender, Field, Place, Result};

/// Events in a transaction.
pub const EVENTS: u64 = 1_000;

/// The tables, as the benchmark has them.
pub const SCHEMA: [&str; 3] = [
    "CREATE TABLE person (id BIGINT PRIMARY KEY, name VARCHAR, email_address VARCHAR, credit_card VARCHAR,
     city VARCHAR, state VARCHAR, date_time TIMESTAMP, extra VARCHAR)",
    "CREATE TABLE auction (id BIGINT PRIMARY KEY, item_name VARCHAR, description VARCHAR, initial_bid BIGINT,
     reserve BIGINT, date_time TIMESTAMP, expires TIMESTAMP, seller BIGINT, category BIGINT, extra VARCHAR)",
    "CREATE TABLE bid (auction BIGINT, bidder BIGINT, price BIGINT, channel VARCHAR, url VARCHAR,
     date_time TIMESTAMP, extra VARCHAR)",
];

/// The query of that number as a view, while events come in.
///
/// # Errors
/// When the disk fails, or there is no such query.
pub fn field<const NUMBER: u8>(place: &Place) -> Result<Field> {
    let query = numbered(NUMBER).ok_or_else(|| format!("there is no q{NUMBER}"))?;
    let ours = open(place, Some(query))?;
    let bare = open(place, None)?;
    let bare_name = format!("bare twin: {}, no view", Ours::name(SyncMode::Off));
    let mut field = vec![
        contender(Ours::name(SyncMode::Off), inserting(ours)),
        contender(bare_name, inserting(bare)),
    ];
    add_sqlite(&mut field, place, query)?;
    add_differential(&mut field, query);
    Ok(field)
}

fn open(place: &Place, query: Option<&Query>) -> Result<Ours> {
    let ours = Ours::in_folder(place, |path| {
        Database::builder().sync(SyncMode::Off).open(path)
    })?;
    for table in SCHEMA {
        ours.database.exec(table, ())?;
    }
    if let Some(Query { number, sql, .. }) = query {
        ours.database
            .exec(&format!("CREATE MATERIALIZED VIEW q{number} AS {sql}"), ())?;
    }
    Ok(ours)
}

/// Owns all of `ours`: its folder goes with it.
fn inserting(ours: Ours) -> impl FnMut(&[Event]) -> Result<()> {
    move |events| {
        let ours = &ours;
        insert_all(&ours.database, events)
    }
}

/// Inserts events in one transaction, a prepared statement for each.
///
/// # Errors
/// When the disk fails.
pub fn insert_all(database: &Database, events: &[Event]) -> Result<()> {
    database.update(|tx| {
        for event in events {
            tx.exec(insert_of(event), Parameters::positional(values_of(event)))?;
        }
        Ok(())
    })?;
    Ok(())
}

/// One that takes transactions of the stream, each contender with a stream of its own.
fn contender(
    name: impl Into<String>,
    mut insert: impl FnMut(&[Event]) -> Result<()> + 'static,
) -> Contender {
    of_stream(name, move |events| {
        let begun = Instant::now();
        insert(&events)?;
        Ok(begun.elapsed().as_secs_f64())
    })
}

/// The same for one that looks at the clock itself.
fn of_stream(
    name: impl Into<String>,
    mut seconds_for: impl FnMut(Vec<Event>) -> Result<f64> + 'static,
) -> Contender {
    let mut stream = Stream::default();
    Contender::new(name, move |transactions| {
        (0..transactions)
            .map(|_| seconds_for(stream.batch(EVENTS as usize)))
            .sum()
    })
}

#[cfg(feature = "peers")]
fn add_sqlite(field: &mut Field, place: &Place, query: &Query) -> Result<()> {
    use crate::peer::sqlite_nexmark::SqliteNexmark;
    if let Some(triggers) = query.sqlite {
        let mut sqlite = SqliteNexmark::open(place, triggers)?;
        field.push(contender(SqliteNexmark::name(), move |events| {
            sqlite.insert(events)
        }));
    }
    Ok(())
}

#[cfg(not(feature = "peers"))]
fn add_sqlite(_: &mut Field, _: &Place, _: &Query) -> Result<()> {
    Ok(())
}

#[cfg(feature = "differential")]
fn add_differential(field: &mut Field, query: &Query) {
    use crate::peer::differential_nexmark::{Dataflow, DifferentialNexmark};
    let dataflow = match query.number {
        1 => Dataflow::Q1,
        3 => Dataflow::Q3,
        20 => Dataflow::Q20,
        _ => return,
    };
    let worker = DifferentialNexmark::start(dataflow);
    field.push(of_stream(DifferentialNexmark::name(), move |events| {
        worker.insert(events)
    }));
}

#[cfg(not(feature = "differential"))]
const fn add_differential(_: &mut Field, _: &Query) {}
