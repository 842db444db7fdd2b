//! `tailwater`: an embedded document and SQL database whose write-ahead log maintains materialised views and feeds
//! every change of them.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod catalog;
mod checkpoint;
pub mod clock;
mod commit;
mod cursor;
mod database;
mod engine;
pub mod error;
mod execute;
pub mod explain;
mod feed;
mod maintenance;
mod names;
mod open;
pub mod optimizer;
mod params;
mod prepared;
mod recovery;
mod rows;
pub mod serde_value;
mod session;
mod settings;
pub mod sql;
pub mod storage;
mod system;
mod ticket;
mod to_value;
mod txn;

pub use self::database::{Committed, Database, Done, Stats, Tx};
pub use self::error::{Error, ErrorKind, Result};
pub use self::feed::{
    FeedChange, FeedEvent, FeedOp, FeedRequest, FeedRow, FeedStream, Frame, Subscription,
};
pub use self::open::Builder;
pub use self::params::{Parameters, Params};
pub use self::recovery::RecoveryReport;
pub use self::rows::{Column, ColumnIndex, ResultRow, Rows};
pub use self::session::{Outcome, Session};
pub use self::settings::Settings;
pub use self::ticket::Ticket;
pub use self::to_value::{FromValue, ToValue};
pub use tailwater_capture::{FeedSettings, LagPolicy};
pub use tailwater_proto::{Document, Interval, Lsn, SqlType, Value};
pub use tailwater_views::CancelToken;
pub use tailwater_wal::{Settings as WalSettings, SyncMode};
