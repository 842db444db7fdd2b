//! `tailwater-proto`: the vocabulary that crosses disk or wire.
//!
//! Values, their comparison, rows, keys, changes, records and the codecs of all of them. It does no I/O,
//! knows no clock and imports no other room. Bytes are described in FORMAT.md and never renumbered.

#![forbid(unsafe_code)]

pub mod change;
pub mod document;
pub mod key;
pub mod lsn;
pub mod row;
pub mod sql_type;
pub mod sqlstate;
pub mod value;

pub use bigdecimal::BigDecimal;
pub use change::{Change, Record};
pub use document::{Document, Path, PathStep};
pub use ecow::EcoString;
pub use key::{Direction, Key, KeyRange};
pub use lsn::{Lsn, StorageId};
pub use row::{ColumnId, Row};
pub use sql_type::SqlType;
pub use value::{Interval, Value};
