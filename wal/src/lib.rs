//! `tailwater-wal`: the write-ahead log, and the only door to the file system.
//!
//! The log keeps opaque payloads in the order of their `Lsn`, durably, and gives them back after a crash.
//! It never decodes a payload and knows nothing of SQL, views or the network.
//! Bytes on disk are described in FORMAT.md. Next door: `vfs`, the file system behind two traits.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod error;
mod log;
#[doc(hidden)]
pub mod mutant;
mod settings;
pub mod spawn;
pub mod sync;
pub mod vfs;

pub use error::{Error, Failure, Result};
pub use log::dump::{
    Dump, Dumped, DumpedEnd, DumpedFault, DumpedFrame, DumpedSegment, EndReason, SegmentFault,
};
pub use log::format::{Epoch, FrameKind};
pub use log::group::Ticket;
pub use log::parts::LargeRecord;
pub use log::reader::{Piece, Reader};
pub use log::recover::{OnRecord, RecoveryReport, Refusal, Replay, TailCut};
pub use log::slots::{Slot, SlotState};
pub use log::survey::{Fault, Survey, SurveyedPiece, epoch_history, survey};
pub use log::wal::Wal;
pub use log::writer::DurableHook;
pub use settings::{Background, SealedReads, Settings, SyncMode};
pub use tailwater_proto::Lsn;

/// Whether there is nothing but zeros in `bytes`. Block by block: each is one comparison, for Miri as well.
pub(crate) fn is_zero(bytes: &[u8]) -> bool {
    const ZEROS: [u8; 4096] = [0; 4096];
    bytes
        .chunks(ZEROS.len())
        .all(|block| ZEROS.get(..block.len()) == Some(block))
}

/// The checksum used everywhere on disk: CRC-32 (IEEE 802.3) of `bytes`.
#[must_use]
pub fn checksum(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}
