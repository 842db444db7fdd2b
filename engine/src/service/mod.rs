//! Services: the methods of installed modules, called with the bytes of messages and answering with bytes.
//!
//! `services` finds them, `method` is one of them; `write`, `query` and `follow` are what it does, at the version that
//! `versions` knows. It
//! knows no sockets and no threads; whoever does, calls it: the room `server`. Next door: `module`, which says what a method does.
//!
//! ```
//! use tailwater::Database;
//! use tailwater::module::ModuleSource;
//! use tailwater::service::{CallOptions, Services};
//!
//! # fn main() -> tailwater::Result<()> {
//! let db = Database::memory()?;
//! db.install_module(&ModuleSource::new("note.proto", r#"
//!     syntax = "proto3";
//!     service Notes { rpc Follow(Topic) returns (stream Note); rpc Write(stream Note) returns (Done); }
//!     message Topic { string id = 1; }
//!     message Note { string topic_id = 1; string text = 2; }
//!     message Done { int64 count = 1; }"#))?;
//! let services = Services::new(&db).current()?;
//! let options = CallOptions::default();
//!
//! let mut sink = services.method("/Notes/Write").unwrap().open_sink(&db, &options)?;
//! sink.push(b"\x0a\x03tea\x12\x05hello")?; // topic_id, text
//! assert_eq!(sink.finish()?, b"\x08\x01"); // one is stored
//!
//! let mut notes = services.method("/Notes/Follow").unwrap().open_stream(&db, b"\x0a\x03tea", &options)?;
//! assert_eq!(notes.recv()?.unwrap().message.as_deref(), Some(&b"\x0a\x03tea\x12\x05hello"[..]));
//! # Ok(())
//! # }
//! ```

mod answer_ticket;
mod follow;
mod method;
mod options;
mod query;
mod requests;
mod services;
mod sink;
mod stream;
mod versions;
mod write;

pub use prost_reflect::{DescriptorPool, FileDescriptor, MessageDescriptor};

pub use self::answer_ticket::AnswerTicket;
pub use self::method::Method;
pub use self::options::CallOptions;
pub use self::services::{ServiceModule, ServiceSet, Services};
pub use self::sink::{MessageSink, Stored};
pub use self::stream::{MessageStream, StreamItem, TOKEN_FIELD};
