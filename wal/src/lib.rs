//! `tailwater-wal`: the write-ahead log, and the only door to the file system.
//!
//! The log keeps opaque payloads in the order of their `Lsn`, durably, and gives them back after a crash.
//! It never decodes a payload and knows nothing of SQL, views or the network.
//! Bytes on disk are described in FORMAT.md. Next door: `vfs`, the file system behind two traits.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod sync;
pub mod vfs;

/// The checksum used everywhere on disk: CRC-32 (IEEE 802.3) of `bytes`.
#[must_use]
pub fn checksum(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}
