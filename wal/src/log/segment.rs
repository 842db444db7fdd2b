//! One segment file: its header, how far it is filled, and how to read it.
//!
//! It never writes frames (the writer does) and never reads past what the writer has published.
//! A sealed segment may be read through a map; whoever recycles the file drops the segment first.
//! Next door: `pool`, which makes segments; `reader` and `scan`, which read them.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use tailwater_proto::Lsn;

use super::format::{self, FRAMES_AT, SegmentHeader};
use crate::error::{Error, Result};
use crate::settings::SealedReads;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::{Mutex, OnceLock};
use crate::vfs::{Mapping, VfsFile};

/// Bytes between two entries of a segment's index.
const INDEX_STEP_BYTES: u64 = 64 << 10;

/// A segment that is or was written.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<dyn VfsFile>,
    pub(crate) header: SegmentHeader,
    /// Seed of the frames' header checksums.
    pub(crate) seed: u32,
    /// Bytes of the file when it was prepared.
    pub(crate) capacity: u64,
    /// The first record that begins here and the last one of which anything is here, 0 as long as there is none.
    first_lsn: AtomicU64,
    last_lsn: AtomicU64,
    /// Where the published frames end.
    end: AtomicU64,
    sealed: AtomicBool,
    sealed_unix_ms: AtomicU64,
    /// (first record that begins in a group, the group's offset), one about every 64 KiB.
    index: Mutex<Vec<(Lsn, u64)>>,
    map: OnceLock<Option<Mapping>>,
}

impl Segment {
    pub(crate) fn new(
        path: PathBuf,
        file: Arc<dyn VfsFile>,
        header: SegmentHeader,
        capacity: u64,
    ) -> Self {
        Self {
            path,
            file,
            seed: format::seed(header.salt),
            header,
            capacity,
            first_lsn: AtomicU64::new(0),
            last_lsn: AtomicU64::new(0),
            end: AtomicU64::new(FRAMES_AT),
            sealed: AtomicBool::new(false),
            sealed_unix_ms: AtomicU64::new(0),
            index: Mutex::default(),
            map: OnceLock::new(),
        }
    }

    /// The first record that begins here, if there is one. It may end in a later segment.
    pub(crate) fn first_lsn(&self) -> Option<Lsn> {
        Some(Lsn(self.first_lsn.load(Ordering::Acquire))).filter(|lsn| *lsn > Lsn::ZERO)
    }

    /// The last record of which anything is here, if there is one. It may have begun in an earlier segment, and it may
    /// not be whole yet.
    pub(crate) fn last_lsn(&self) -> Option<Lsn> {
        Some(Lsn(self.last_lsn.load(Ordering::Acquire))).filter(|lsn| *lsn > Lsn::ZERO)
    }

    /// Whether a recovery finds its place in the log from this segment on, when `last` is the record before it.
    pub(crate) fn shows_its_place(&self, last: Lsn, durable: Lsn) -> bool {
        let first = self.first_lsn().or(self.last_lsn());
        self.header.after_lsn >= last || first.is_some_and(|first| first <= durable)
    }

    /// Where the published frames end.
    pub(crate) fn end(&self) -> u64 {
        self.end.load(Ordering::Acquire)
    }

    /// Publishes a group that was written at `offset`: the first record that begins in it, the last one of which
    /// anything is in it.
    pub(crate) fn publish(&self, first: Option<Lsn>, last: Option<Lsn>, offset: u64, end: u64) {
        if let Some(first) = first {
            let mut index = self.index.lock();
            if index
                .last()
                .is_none_or(|(_, at)| offset >= at + INDEX_STEP_BYTES)
            {
                index.push((first, offset));
            }
            drop(index);
            if self.first_lsn.load(Ordering::Relaxed) == 0 {
                self.first_lsn.store(first.0, Ordering::Release);
            }
        }
        if let Some(last) = last {
            self.last_lsn.store(last.0, Ordering::Release);
        }
        self.publish_end(end);
    }

    /// Says where the frames end.
    pub(crate) fn publish_end(&self, end: u64) {
        self.end.store(end, Ordering::Release);
    }

    /// Says that nothing more will be written.
    pub(crate) fn seal(&self, now_unix_ms: u64) {
        self.sealed_unix_ms.store(now_unix_ms, Ordering::Relaxed);
        self.sealed.store(true, Ordering::Release);
    }

    pub(crate) fn sealed_unix_ms(&self) -> u64 {
        self.sealed_unix_ms.load(Ordering::Relaxed)
    }

    /// An offset at or before the frame of `lsn`.
    pub(crate) fn offset_before(&self, lsn: Lsn) -> u64 {
        let index = self.index.lock();
        let after = index.partition_point(|(first, _)| *first <= lsn);
        let found = after.checked_sub(1).and_then(|at| index.get(at));
        found.map_or(FRAMES_AT, |(_, offset)| *offset)
    }

    /// Reads published bytes.
    pub(crate) fn read_exact_at(
        &self,
        buf: &mut [u8],
        offset: u64,
        reads: SealedReads,
    ) -> Result<()> {
        if reads == SealedReads::Mapped && self.sealed.load(Ordering::Acquire) {
            // A file that cannot be mapped is read; the map is an optimisation.
            let map = self.map.get_or_init(|| self.file.map().ok().flatten());
            if let Some(map) = map
                && map.read_at(buf, offset) == buf.len()
            {
                return Ok(());
            }
        }
        self.file
            .read_exact_at(buf, offset)
            .map_err(|e| self.failed("read", e))
    }

    pub(crate) fn failed(&self, what: &'static str, source: io::Error) -> Error {
        Error::io(what, &self.path, source)
    }

    /// Damage in this segment.
    pub(crate) fn damaged(&self, offset: u64, lsn: Lsn, reason: &'static str) -> Error {
        Error::Damaged {
            file: self.path.clone(),
            offset,
            lsn,
            reason,
        }
    }
}
