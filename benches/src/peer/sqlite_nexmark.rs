//! SQLite with Nexmark's tables, and triggers that keep a query's rows in a table.

use rusqlite::{Connection, params};
use tempfile::TempDir;

use super::sqlite::{Sync, connect};
use crate::workload::nexmark::{Event, bigint, insert_of};
use crate::{Place, Result};

const TABLES: &str = "
    CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT, email_address TEXT, credit_card TEXT, city TEXT,
        state TEXT, date_time INTEGER, extra TEXT);
    CREATE TABLE auction (id INTEGER PRIMARY KEY, item_name TEXT, description TEXT, initial_bid INTEGER,
        reserve INTEGER, date_time INTEGER, expires INTEGER, seller INTEGER, category INTEGER, extra TEXT);
    CREATE TABLE bid (auction INTEGER, bidder INTEGER, price INTEGER, channel TEXT, url TEXT, date_time INTEGER,
        extra TEXT)";

/// An open database in a folder of its own, without syncs.
#[derive(Debug)]
pub struct SqliteNexmark {
    connection: Connection,
    _folder: TempDir,
}

impl SqliteNexmark {
    /// Opens a new one with the triggers.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn open(place: &Place, triggers: &str) -> Result<Self> {
        let folder = place.folder()?;
        let connection = connect(&folder.path().join("peer.sqlite"), Sync::Off)?;
        connection.execute_batch(TABLES)?;
        connection.execute_batch(triggers)?;
        Ok(Self {
            connection,
            _folder: folder,
        })
    }

    /// Name, version, sync setting, and what it cannot do.
    #[must_use]
    pub fn name() -> String {
        format!(
            "SQLite {} WAL OFF, trigger (inserts only)",
            rusqlite::version()
        )
    }

    /// Inserts events in one transaction; times are milliseconds.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn insert(&mut self, events: &[Event]) -> Result<()> {
        let txn = self.connection.transaction()?;
        for event in events {
            let mut statement = txn.prepare_cached(insert_of(event))?;
            match event {
                Event::Person(person) => statement.execute(params![
                    bigint(person.id),
                    person.name,
                    person.email_address,
                    person.credit_card,
                    person.city,
                    person.state,
                    person.date_time.cast_signed(),
                    person.extra,
                ]),
                Event::Auction(auction) => statement.execute(params![
                    bigint(auction.id),
                    auction.item_name,
                    auction.description,
                    bigint(auction.initial_bid),
                    bigint(auction.reserve),
                    auction.date_time.cast_signed(),
                    auction.expires.cast_signed(),
                    bigint(auction.seller),
                    bigint(auction.category),
                    auction.extra,
                ]),
                Event::Bid(bid) => statement.execute(params![
                    bigint(bid.auction),
                    bigint(bid.bidder),
                    bigint(bid.price),
                    bid.channel,
                    bid.url,
                    bid.date_time.cast_signed(),
                    bid.extra,
                ]),
            }?;
        }
        txn.commit()?;
        Ok(())
    }

    /// Rows of a table.
    ///
    /// # Errors
    /// When there is no such table.
    pub fn rows_of(&self, table: &str) -> Result<u64> {
        let sql = format!("SELECT count(*) FROM {table}");
        Ok(self
            .connection
            .query_row(&sql, [], |row| row.get::<_, i64>(0))?
            .cast_unsigned())
    }
}
