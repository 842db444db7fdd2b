//! The ordered keyspaces of a database: a versioned memtable over redb, read through snapshots.
//!
//! It keeps bytes by (storage id, key, LSN) and never decodes them; it never writes the log, and only a
//! checkpoint writes redb. Layers, newest first: active generation, frozen generations, redb; they meet in
//! [`Scan`] and nowhere else. Bytes on disk: FORMAT.md beside this file. Next door: `txn`, `checkpoint`.

mod age;
mod apply;
mod backend;
mod base;
mod checkpoint;
mod compact;
mod conflict;
mod copy;
mod direct;
mod error;
mod file;
mod generation;
mod header;
mod history;
mod keyed;
mod live;
mod memtable;
mod pace;
mod page_sums;
mod scan;
mod scratch;
mod scrub;
mod snapshot;
mod store;
mod survey;
mod verify;

#[cfg(test)]
mod tests;

pub(crate) use checkpoint::{CheckpointReport, Progress};
pub(crate) use compact::{Compacted, Compacting};
pub(crate) use copy::copy_snapshot;
pub(crate) use direct::Direct;
pub(crate) use error::{Result, StorageError};
pub(crate) use file::Pages;
pub(crate) use page_sums::{remove as remove_page_sums, rename as rename_page_sums};
pub(crate) use scan::Scan;
pub(crate) use scratch::{Scratch, ScratchCursor, ScratchRoom, ScratchView};
pub use scrub::ScrubReport;
pub(crate) use snapshot::Snapshot;
pub use store::StoreSettings;
pub(crate) use store::{Store, Write};
pub(crate) use survey::Surveyed;
pub(crate) use verify::verify_pages;
