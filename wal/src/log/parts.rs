//! Appends a record in parts: one that is long, or that is still being produced.
//!
//! Each part is a frame with a checksum of its own; the record counts once its last part is there. What waits is
//! written out at every mebibyte, so the log holds no second copy of a long record. A record that is given up leaves its
//! parts behind, which whatever comes next makes void. Next door: `assembly`, which puts parts together again.

use std::sync::Arc;

use tailwater_proto::Lsn;

use super::format::{
    BLOCK_BYTES, FrameHeader, FrameKind, PART_BYTES, PAYLOAD_BYTES_MAX, frame_len, part_crc,
};
use super::group::Ticket;
use super::pool::{Groups, Purpose};
use super::writer::{Intent, Log};
use crate::error::{Error, Result};
use crate::sync::atomic::Ordering;

/// Bytes of parts that wait before they are written.
const PARTS_BYTES_MAX: usize = 1 << 20;

impl Log {
    /// Bytes of a part.
    pub(crate) fn chunk_bytes(&self) -> usize {
        let longest = PAYLOAD_BYTES_MAX - PART_BYTES;
        self.settings.chunk_bytes.clamp(BLOCK_BYTES, longest)
    }

    /// The most bytes that a record of `len` takes: any part may end a group, before which a NOOP may come.
    pub(crate) fn frames_len(&self, len: usize) -> u64 {
        let chunk = self.chunk_bytes();
        if len <= chunk {
            return frame_len(len) as u64;
        }
        let overhead = frame_len(PART_BYTES) + 8 + 2 * BLOCK_BYTES;
        let parts = len.div_ceil(chunk) as u64;
        (len as u64).saturating_add(parts.saturating_mul(overhead as u64))
    }

    /// The groups in which a record in parts is written, behind what is unwritten.
    pub(crate) fn groups_of_parts(&self, unwritten: u64) -> Groups {
        // What waits before a part is added, the part, and a block each for a NOOP and for padding.
        let longest = self.waiting_bytes_max() + frame_len(PART_BYTES + self.chunk_bytes());
        let other = (longest + 2 * BLOCK_BYTES) as u64;
        Groups {
            first: unwritten.saturating_add(other),
            other,
        }
    }

    /// Bytes of parts that wait before they are written.
    fn waiting_bytes_max(&self) -> usize {
        self.settings.group_bytes_max.min(PARTS_BYTES_MAX)
    }

    /// Appends a payload that is longer than a part.
    pub(crate) fn append_parts(&self, lsn: Lsn, payload: &[u8]) -> Result<()> {
        if payload.len() > PAYLOAD_BYTES_MAX {
            return Err(Error::TooLarge {
                len: payload.len(),
                max: PAYLOAD_BYTES_MAX,
            });
        }
        self.open_record(lsn)?;
        let mut at = 0;
        for part in payload.chunks(self.chunk_bytes()) {
            let end = at + part.len();
            let kind = match at {
                _ if end == payload.len() => FrameKind::Commit,
                0 => FrameKind::Begin,
                _ => FrameKind::Chunk,
            };
            if let Err(error) = self.append_part(lsn, kind, at as u64, part) {
                self.give_up();
                return Err(error);
            }
            at = end;
        }
        self.pool.keep_promise();
        Ok(())
    }

    fn open_record(&self, lsn: Lsn) -> Result<()> {
        let mut queue = self.lock_queue();
        queue.check()?;
        queue.assert_next(lsn);
        queue.is_open = true;
        Ok(())
    }

    fn give_up(&self) {
        self.lock_queue().is_open = false;
        self.owes_noop.store(true, Ordering::Relaxed);
    }

    /// Puts a part of the record under way into the group that fills, or the whole record.
    fn append_part(&self, lsn: Lsn, kind: FrameKind, at: u64, part: &[u8]) -> Result<()> {
        let is_whole = kind == FrameKind::Record;
        let len = part.len() + if is_whole { 0 } else { PART_BYTES };
        let frame = FrameHeader {
            len: len as u32,
            payload_crc: if is_whole {
                crate::checksum(part)
            } else {
                part_crc(at, part)
            },
            kind,
            codec: self.settings.payload_codec,
            lsn,
            durable_lsn: Lsn::ZERO,
        };
        let waiting_max = self.waiting_bytes_max();
        let mut queue = self.lock_queue();
        queue.check()?;
        while queue.buffer.len() >= waiting_max {
            queue = self
                .lead_or_watch(queue, Intent::AsSet)
                .map_err(|error| match error {
                    // It is known: a record without its last part does not count.
                    Error::CommitOutcomeUnknown(failure) => Error::Poisoned(failure),
                    other => other,
                })?;
            queue.check()?;
        }
        if is_whole {
            frame.encode(part, &mut queue.buffer);
        } else {
            frame.encode_part(at, part, &mut queue.buffer);
        }
        let bytes = frame_len(len) as u64;
        self.unwritten.fetch_add(bytes, Ordering::Release);
        queue.touches = Some(lsn);
        if matches!(kind, FrameKind::Record | FrameKind::Begin) {
            queue.begins.get_or_insert(lsn);
        }
        let is_last = matches!(kind, FrameKind::Record | FrameKind::Commit);
        if is_last {
            queue.is_open = false;
            queue.complete(lsn);
        }
        drop(queue);
        if is_last {
            self.acknowledge_lazily(lsn);
        }
        Ok(())
    }
}

/// A record that is written while it is produced, so that it is nowhere in memory as a whole.
///
/// It counts once it is [committed](Self::commit). Dropped before, it is given up; its number is the next record's then.
/// Nothing else is appended meanwhile. Who reads it, recovery too, still gets it as a whole.
///
/// # Example
/// ```
/// use std::{path::Path, sync::Arc};
/// use tailwater_wal::{Lsn, Settings, Wal, vfs::MemoryVfs};
///
/// let hook = Box::new(|_| ());
/// let vfs = Arc::new(MemoryVfs::new());
/// let wal = Wal::create(vfs, Path::new("/db"), [7; 16], Settings::default(), hook)?;
/// let mut record = wal.begin_large(Lsn(1))?;
/// for part in 0..100 {
///     record.write(&[part; 10_000])?;
/// }
/// record.commit()?.wait()?;
/// let (lsn, payload) = wal.reader(Lsn::ZERO)?.next()?.unwrap();
/// assert_eq!((lsn, payload.len()), (Lsn(1), 1_000_000));
/// # Ok::<(), tailwater_wal::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "a record counts only once it is committed"]
pub struct LargeRecord {
    log: Arc<Log>,
    lsn: Lsn,
    /// Bytes that are on their way.
    at: u64,
    /// The next part, as far as it is known.
    part: Vec<u8>,
    is_done: bool,
}

impl LargeRecord {
    pub(crate) fn begin(log: Arc<Log>, lsn: Lsn) -> Result<Self> {
        log.open_record(lsn)?;
        Ok(Self {
            log,
            lsn,
            at: 0,
            part: Vec::new(),
            is_done: false,
        })
    }

    /// Its number.
    #[must_use]
    pub fn lsn(&self) -> Lsn {
        self.lsn
    }

    /// Adds bytes to the record. It makes sure of room on the disk by itself.
    ///
    /// # Errors
    /// [`Error::Io`] when the disk has no room: the bytes are not in the record then, only those before it may be; give it
    /// up, the log goes on. [`Error::Poisoned`] and [`Error::Closed`]: it cannot be committed any more.
    pub fn write(&mut self, mut bytes: &[u8]) -> Result<()> {
        let chunk = self.log.chunk_bytes();
        while !bytes.is_empty() {
            if self.part.len() == chunk {
                let kind = if self.at == 0 {
                    FrameKind::Begin
                } else {
                    FrameKind::Chunk
                };
                self.put(kind)?;
            }
            let room = chunk - self.part.len();
            let (fits, rest) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
            self.part.extend_from_slice(fits);
            bytes = rest;
        }
        Ok(())
    }

    /// Writes the last part: the record is appended, as by [`Wal::append`](crate::Wal::append).
    ///
    /// # Errors
    /// As those of [`write`](Self::write); the record is given up then.
    pub fn commit(mut self) -> Result<Ticket> {
        let kind = if self.at == 0 {
            FrameKind::Record
        } else {
            FrameKind::Commit
        };
        self.put(kind)?;
        self.is_done = true;
        Ok(self.log.ticket(self.lsn))
    }

    /// Gives the record up, as dropping it does.
    pub fn abort(self) {
        drop(self);
    }

    fn put(&mut self, kind: FrameKind) -> Result<()> {
        let len = self.part.len() + PART_BYTES;
        self.log.ensure_room(len, Purpose::Any)?;
        self.log.append_part(self.lsn, kind, self.at, &self.part)?;
        self.at += self.part.len() as u64;
        self.part.clear();
        Ok(())
    }
}

impl Drop for LargeRecord {
    fn drop(&mut self) {
        if !self.is_done {
            self.log.give_up();
        }
    }
}
