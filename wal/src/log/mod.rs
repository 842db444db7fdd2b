//! The log: one sequence of opaque payloads, numbered by `Lsn`, kept in segment files.
//!
//! In the order it happens: `wal` is the face, `writer` appends and groups (`parts` what is long), `group` lets callers wait, `pool` has the next segment
//! ready, `scan` reads a segment, `recover` finds the end after a crash, `reader` follows the tail.
//! It never decodes a payload. The bytes are in FORMAT.md; next door below: `vfs`.

mod assembly;
mod background;
pub(crate) mod dump;
pub(crate) mod format;
pub(crate) mod group;
mod lines;
mod output;
pub(crate) mod parts;
mod pool;
pub(crate) mod reader;
pub(crate) mod recover;
mod reserve;
mod retention;
mod scan;
mod segment;
mod settle;
pub(crate) mod slots;
pub(crate) mod survey;
#[cfg(test)]
mod tests;
pub(crate) mod wal;
pub(crate) mod writer;
