//! Tailwater: an embedded document and SQL database whose materialised views keep themselves up to date and whose
//! changes, of tables and of views, go to whoever listens.
//!
//! There is no server to run: a program opens a folder, or nothing but memory, and speaks SQL, PostgreSQL's dialect
//! with documents. A transaction that commits is one record of the write-ahead log with one number, its [`Lsn`]; the
//! record also holds what the transaction did to every materialised view. So tables and views move together, nothing
//! is recomputed after a restart, and the same records are the change feed: a snapshot, then one frame for each
//! commit, resumable after any of them.
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use tailwater::{Database, FeedEvent, FeedRequest, params, ser};
//!
//! #[derive(Serialize)]
//! struct Order { id: i64, cust: String, items: Vec<Item> }
//! #[derive(Serialize)]
//! struct Item { name: String, cents: i64 }
//! #[derive(Deserialize, Debug, PartialEq)]
//! struct Count { cust: String, n: i64 }
//!
//! # fn main() -> tailwater::Result<()> {
//! let db = Database::memory()?; // or Database::open("app.db")
//! db.exec("CREATE TABLE orders", ())?; // no columns declared: any document is a row
//! db.exec("CREATE MATERIALIZED VIEW by_cust AS SELECT cust, count(*) AS n FROM orders GROUP BY cust", ())?;
//! let mut feed = db.subscribe(FeedRequest::of("by_cust").without_snapshot())?;
//!
//! let order = Order {
//!     id: 1,
//!     cust: "ada".into(),
//!     items: vec![Item { name: "tea".into(), cents: 450 }],
//! };
//! db.exec("INSERT INTO orders VALUES ?", params![ser(&order)])?;
//! let cents: i64 = db.query("SELECT items[0].cents FROM orders WHERE id = ?", params![1])?.scalar()?;
//! assert_eq!(cents, 450);
//!
//! let expected = Count { cust: "ada".into(), n: 1 };
//! let counts: Vec<Count> = db.query("SELECT * FROM by_cust", ())?.rows_as()?;
//! assert_eq!(counts, [expected]);
//! loop {
//!     if let FeedEvent::Frame(frame) = feed.recv()? {
//!         assert_eq!(frame.changes[0].after_as::<Count>()?.as_ref(), counts.first());
//!         break;
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # What there is
//!
//! * [`Database`], cloned freely between threads: [`exec`](Database::exec) and [`query`](Database::query) run SQL;
//!   [`update`](Database::update) is a transaction that runs again when another one was first,
//!   [`view`](Database::view) reads one snapshot; [`submit`](Database::submit) returns a [`Ticket`] before the disk
//!   is done, so that one thread keeps many commits under way. [`Session`] is for BEGIN, COMMIT and cursors.
//! * Rows: [`Rows`] one at a time, [`ResultRow::get`] by column, or whole as your own types with
//!   [`rows_as`](Rows::rows_as); parameters with [`params!`], a struct as a document with [`ser`].
//! * The feed: [`Database::subscribe`] with a [`FeedRequest`] follows a table or view, as an iterator or a stream;
//!   every [`FeedEvent`] that ends something comes with a token, and a request [`since`](FeedRequest::since) a token
//!   goes on right after it.
//! * [`migrate`] applies a folder of plain SQL files; [`Builder`] has the settings and takes other clocks and file
//!   systems; [`Error`] says what went wrong, where and how to mend it, with PostgreSQL's code.
//!
//! Transactions are serializable and nobody blocks anybody: of two that cannot both be right the later one fails with
//! an error for which [`is_retryable`](Error::is_retryable) holds, and `update` deals with it. A statement that fails
//! leaves no trace.
//!
//! # Where to read on
//!
//! In the order of a commit: `session` takes text, `sql` parses and binds it, `optimizer` chooses how to read,
//! `execute` runs it against a transaction of `txn`; `commit` gives it its place in the order and steps the views by
//! way of `maintenance`; the log, the room `wal`, makes it durable; `engine` publishes it, to readers and by way of
//! the room `capture` to `feed`. `storage` holds rows in memory over a file that `checkpoint` writes; `recovery` brings
//! both back. Values are the room `proto`'s, expressions and operators the room `views`'.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod access;
mod backup;
mod builder;
mod catalog;
mod check;
mod checkpoint;
mod clock;
mod commit;
mod cursor;
mod database;
mod desk;
mod engine;
mod error;
mod execute;
mod explain;
mod feed;
mod handle;
mod index_entry;
#[doc(hidden)]
pub mod internals;
mod large;
mod maintenance;
mod migrate;
#[cfg(feature = "modules")]
pub mod module;
mod names;
mod open;
mod optimizer;
mod overlay;
mod params;
mod prepared;
mod recovery;
mod replay;
mod rows;
mod salvage;
mod serde_value;
#[cfg(feature = "modules")]
pub mod service;
mod session;
mod settings;
mod sql;
mod storage;
mod system;
mod table_writer;
mod ticket;
mod to_value;
mod tx;
mod txn;
mod typed;
mod visible;
pub mod wal_dump;

pub use self::access::Access;
pub use self::backup::BackupReport;
pub use self::builder::Builder;
pub use self::check::{CheckOptions, CheckPart, CheckReport, Damage};
pub use self::clock::{Clock, ManualClock, SystemClock};
pub use self::database::{Database, Stats};
pub use self::error::{Error, ErrorKind, Result};
pub use self::feed::{
    FeedChange, FeedEvent, FeedOp, FeedRequest, FeedRow, FeedStream, Frame, Subscription,
};
pub use self::migrate::{MigrationReport, migrate, migrate_from};
pub use self::params::{Parameters, Params};
pub use self::recovery::RecoveryReport;
pub use self::rows::{Column, ColumnIndex, ResultRow, Rows};
pub use self::salvage::{SalvageOptions, SalvageReport, SalvagedTable};
pub use self::serde_value::{Ser, SerdeError, from_value, ser};
pub use self::session::{Outcome, Session};
pub use self::settings::Settings;
pub use self::storage::{ScrubReport, StoreSettings};
pub use self::ticket::Ticket;
pub use self::to_value::{FromValue, ToValue};
pub use self::tx::{Committed, Done, Tx};
pub use tailwater_capture::{FeedSettings, LagPolicy};
pub use tailwater_proto::{
    BigDecimal, Document, EcoString, Interval, Key, Lsn, Path, PathStep, SqlType, Value,
};
pub use tailwater_views::CancelToken;
pub use tailwater_wal::{Background, SealedReads, Settings as WalSettings, SyncMode};

/// The file system a database lives in, behind traits: the operating system's, one in memory that can be made to
/// fail and to crash, or your own. [`Builder::vfs`] takes it.
///
/// ```
/// use std::sync::Arc;
/// use tailwater::{Database, vfs::MemoryVfs};
///
/// # fn main() -> tailwater::Result<()> {
/// let disk = MemoryVfs::new();
/// let db = Database::builder().vfs(Arc::new(disk.clone())).open("shop")?;
/// db.exec("CREATE TABLE orders (id INT PRIMARY KEY); INSERT INTO orders VALUES (1)", ())?;
///
/// let disk = disk.crash(); // the machine loses its power; what was acknowledged is there afterwards
/// let db = Database::builder().vfs(Arc::new(disk)).open("shop")?;
/// assert_eq!(db.query("SELECT count(*) FROM orders", ())?.scalar::<i64>()?, 1);
/// # Ok(())
/// # }
/// ```
pub mod vfs {
    pub use tailwater_wal::vfs::{
        Fate, LockOutcome, Mapping, MemoryVfs, OpenMode, OsVfs, Pending, SyncFailure, Vfs, VfsFile,
        VfsLock,
    };
}

/// Who runs the work nobody waits for: threads, or a scheduler that a test steps. [`Builder::spawn`] takes it.
///
/// ```
/// use tailwater::spawn::{Next, Spawn, Threads};
///
/// /// Counts to ten without holding anybody up.
/// struct Ten(u32);
/// impl tailwater::spawn::Task for Ten {
///     fn step(&mut self, _: tailwater::spawn::Call) -> Next {
///         self.0 += 1;
///         if self.0 < 10 { Next::Now } else { Next::Never }
///     }
/// }
/// let worker = Threads.spawn("ten", Next::Now, Box::new(Ten(0))).unwrap();
/// worker.stop();
/// assert!(!worker.assist()); // it had a thread of its own
/// ```
pub mod spawn {
    pub use tailwater_wal::spawn::{Call, Next, Spawn, Stepped, Task, Threads, Worker};
}
