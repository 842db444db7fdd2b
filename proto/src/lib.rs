//! `tailwater-proto`: the vocabulary that crosses disk or wire.
//!
//! Values, their comparison, rows, keys, changes, records and the codecs of all of them. It does no I/O,
//! knows no clock and imports no other room. Bytes are described in FORMAT.md and never renumbered.

pub mod key;
pub mod lsn;

pub use key::{Direction, Key, KeyRange};
pub use lsn::{Lsn, StorageId};
