//! `tailwater-capture`: the change feed, what runs on below the dam.
//!
//! Every committed record goes by here once. It is kept in a ring for readers a little behind, brought to the queues
//! of the subscriptions it concerns, and cut into frames on the subscribers' own threads. A commit never waits for
//! any of them. This room knows no SQL, decodes no row, opens no file and owns no thread.
//!
//! In the order it happens: [`Feed::push`] (`ring`) → [`Feed::publish`] (`router`, `routes`, `mailbox`) →
//! [`Subscription::recv`] (`catch_up`, `frame`) → [`Event`] with a [`Token`] to come back with → a [`Sink`].
//! The rules a client may rely on are in PROTOCOL.md. Next doors: `tailwater-wal` below, the engine above.
//!
//! ```
//! use std::path::Path;
//! use std::sync::{Arc, OnceLock, Weak};
//! use tailwater_capture::{Event, Feed, FeedSettings, Selection, Start, SubscribeRequest};
//! use tailwater_proto::{Change, Key, Lsn, Record, StorageId, encode_record};
//! use tailwater_wal::{Settings, Wal, vfs::MemoryVfs};
//!
//! // The log tells the feed what is durable; the feed reads the log, so the log knows it weakly.
//! let hook_feed: Arc<OnceLock<Weak<Feed>>> = Arc::default();
//! let hook = Box::new({
//!     let hook_feed = Arc::clone(&hook_feed);
//!     move |lsn| {
//!         if let Some(feed) = hook_feed.get().and_then(Weak::upgrade) {
//!             feed.publish(lsn, true);
//!         }
//!     }
//! });
//! let database_id = [7; 16];
//! let vfs = Arc::new(MemoryVfs::new());
//! let wal = Wal::create(vfs, Path::new("/log"), database_id, Settings::default(), hook)?;
//! let feed = Feed::new(FeedSettings::default(), database_id, wal.clone());
//! hook_feed.set(Arc::downgrade(&feed)).ok();
//!
//! let accounts = StorageId(1);
//! let request = SubscribeRequest::new(Selection::whole(accounts), Start::After(feed.published()));
//! let mut subscription = feed.subscribe(request)?;
//!
//! let (key, row): (Key, Arc<[u8]>) = (Key::from(&b"ann"[..]), Arc::from(&b"a row"[..]));
//! let change =
//!     Change { storage: accounts, schema_version: 1, key, before: None, after: Some(row) };
//! let record = encode_record((&Record { base: vec![change], ..Record::default() }).into())?;
//! feed.push(Lsn(1), record.clone());
//! wal.append(Lsn(1), record)?;
//! wal.ticket(Lsn(1)).wait()?;
//!
//! let Event::Frame(frame) = subscription.recv()? else { unreachable!() };
//! assert_eq!((frame.lsn, frame.durable, frame.changes.len()), (Lsn(1), true, 1));
//! println!("to be stored with its effect: {}", frame.token);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod base64url;
mod catch_up;
mod epoch;
pub mod error;
pub mod event;
pub mod feed;
mod frame;
mod interval;
pub mod log_tail;
mod long_record;
mod mailbox;
pub mod request;
mod ring;
mod router;
mod routes;
pub mod selection;
pub mod settings;
pub mod sink;
mod snapshot;
pub mod stream;
pub mod subscription;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
pub mod token;

pub use error::{BoxError, Error, LogError, Result};
pub use event::{Event, FeedChange, Frame, Op, ResetReason, SnapshotRow};
pub use feed::{Counters, Feed};
pub use log_tail::{LogCursor, LogTail, LoggedRecord};
pub use request::{LagPolicy, SnapshotRows, Start, SubscribeRequest};
pub use ring::Released;
pub use router::RoutingWork;
pub use selection::{Filter, RowPredicate, Selection};
pub use settings::FeedSettings;
pub use sink::{ChannelSink, Drained, JsonlSink, Sink, drain};
pub use stream::FrameStream;
pub use subscription::Subscription;
pub use token::{Expected, Token, TokenError};
