//! Placeholder sign, replaced by the first commit of the room.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod catalog;
pub mod explain;
pub mod optimizer;
pub mod serde_value;
pub mod sql;
pub mod storage;
