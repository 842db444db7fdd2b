//! The end of the log on disk: the active segment, how far it is filled, and the step to the next one.
//!
//! Only the leader of a group is here. A group never spans two segments, and the next segment gets its first
//! frame only when the one before is synced, so frames of a later segment prove those of an earlier one.
//! Next door: `pool`, where segments come from.

use std::sync::Arc;

use super::format::{BLOCK_BYTES, FRAMES_AT, FrameHeader, FrameKind, seal};
use super::pool::now_unix_ms;
use super::segment::Segment;
use super::writer::{Batch, Intent, Log};
use crate::error::{Error, Failure};
use crate::mutant;
use crate::settings::SyncMode;
use crate::sync::atomic::Ordering;
use crate::sync::{is_weakened, too_early};

/// Where groups are written.
#[derive(Debug)]
pub(crate) struct Output {
    active: Arc<Segment>,
    offset: u64,
    /// Something is written and not synced.
    unsynced: bool,
    /// The next segment has been asked for.
    asked: bool,
}

impl Output {
    /// Output into a segment without frames.
    pub(crate) fn new(active: Arc<Segment>) -> Self {
        Self {
            active,
            offset: FRAMES_AT,
            unsynced: false,
            asked: false,
        }
    }

    /// Bytes that can be written without asking the file system for more.
    pub(crate) fn bytes_left(&self) -> u64 {
        self.active.capacity.saturating_sub(self.offset)
    }

    /// Writes a group, and syncs as the mode and the intent say.
    pub(crate) fn write(
        &mut self,
        log: &Log,
        batch: &mut Batch,
        intent: Intent,
    ) -> Result<(), Arc<Failure>> {
        let durable = log.durable_lsn();
        if intent == Intent::Confirm && !batch.is_open && self.has_room_for_noop(log, batch) {
            let noop = FrameHeader {
                len: 0,
                payload_crc: crate::checksum(&[]),
                kind: FrameKind::Noop,
                codec: 0,
                lsn: batch.last,
                durable_lsn: durable,
            };
            noop.encode(&[], &mut batch.bytes);
        }
        if !batch.bytes.is_empty() {
            self.write_frames(log, batch)?;
        }
        // Parts of a record that is not whole are nothing anyone waits for.
        let is_due = log.settings.sync == SyncMode::Commit && batch.completes;
        let sync = intent != Intent::AsSet || is_due;
        if sync && !is_weakened("acknowledge before the sync") && !mutant::is("skip_group_sync") {
            self.sync()?;
        }
        _ = too_early("say durable before it can be read", || {
            log.durable.store(batch.last.0, Ordering::Release);
        });
        if !batch.bytes.is_empty() {
            let end = self.offset + batch.bytes.len() as u64;
            self.active
                .publish(batch.begins, batch.touches, self.offset, end);
            self.offset = end;
            log.room.store(self.bytes_left(), Ordering::Release);
        }
        log.written.store(batch.last.0, Ordering::Release);
        if sync {
            log.durable.store(batch.last.0, Ordering::Release);
            if !batch.bytes.is_empty() {
                log.confirmed.store(durable.0, Ordering::Relaxed);
            }
        }
        if !self.asked && self.offset >= self.active.capacity / 2 {
            self.asked = true;
            log.signals.prepare();
        }
        Ok(())
    }

    /// A NOOP must not be what fills the disk: without room it waits for the next one.
    fn has_room_for_noop(&self, log: &Log, batch: &Batch) -> bool {
        let needed = batch.bytes.len() as u64 + 2 * BLOCK_BYTES as u64;
        needed <= self.bytes_left() || log.pool.fits_next(needed)
    }

    fn write_frames(&mut self, log: &Log, batch: &mut Batch) -> Result<(), Arc<Failure>> {
        // A group larger than a segment gets a longer one for itself; if nobody has made room, it makes this one longer.
        let len = (batch.bytes.len() as u64).next_multiple_of(BLOCK_BYTES as u64);
        let is_full = self.offset.saturating_add(len) > self.active.capacity;
        if is_full && (self.offset > FRAMES_AT || log.pool.fits_next(len)) {
            self.next_segment(log)?;
        }
        seal(&mut batch.bytes, self.active.seed, log.durable_lsn());
        self.unsynced = true;
        let written = self.active.file.write_all_at(&batch.bytes, self.offset);
        written.map_err(|source| self.failed("write", source))
    }

    /// Syncs the active segment.
    fn sync(&mut self) -> Result<(), Arc<Failure>> {
        if self.unsynced {
            let mut synced = self.active.file.sync_data();
            if synced.is_err() && mutant::is("retry_failed_sync") {
                synced = self.active.file.sync_data();
            }
            synced.map_err(|source| self.failed("sync", source))?;
            self.unsynced = false;
        }
        Ok(())
    }

    /// Seals the active segment and goes on with the next one.
    pub(crate) fn next_segment(&mut self, log: &Log) -> Result<(), Arc<Failure>> {
        let written = log.written_lsn();
        self.sync()?;
        log.durable.store(written.0, Ordering::Release);
        let next = log.pool.take(written).map_err(|error| match error {
            Error::Io(failure) => failure,
            other => self.failed("replace", std::io::Error::other(other.to_string())),
        })?;
        self.active.seal(now_unix_ms());
        log.pool.note_used(self.active.end());
        log.segments.write().push_back(Arc::clone(&next));
        self.active = next;
        self.offset = FRAMES_AT;
        self.asked = false;
        log.room.store(self.bytes_left(), Ordering::Release);
        Ok(())
    }

    fn failed(&self, what: &'static str, source: std::io::Error) -> Arc<Failure> {
        Arc::new(Failure {
            what,
            path: self.active.path.clone(),
            source,
        })
    }
}
