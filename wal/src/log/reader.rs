//! Reads records from the log, from any retained one to the tail, and follows the tail when asked again.
//!
//! It sees only what may be seen: durable records in sync mode `commit`, written ones else. A long record it gives in
//! parts to whoever asks for that: it looks for its end first, so no part is ever of a record that was given up. It holds its
//! segment, never a lock, between two calls, and checks every record on a copy. Next door: `capture`, whose
//! slow subscribers read here.

use std::sync::Arc;

use tailwater_proto::Lsn;

use super::assembly::Assembly;
use super::format::{
    BLOCK_BYTES, FRAME_BYTES, FRAMES_AT, FrameHeader, FrameKind, frame_len, split_part,
};
use super::segment::Segment;
use super::writer::{Intent, Log};
use crate::error::{Error, Result};
use crate::settings::SyncMode;

/// A place in the log that moves forward.
#[derive(Debug)]
pub struct Reader {
    log: Arc<Log>,
    /// The record to deliver next.
    next: Lsn,
    place: Option<Place>,
    /// A copy of the segment's bytes from `window_at` on.
    window: Vec<u8>,
    window_at: u64,
    /// The record to deliver, as far as its parts have been read.
    open: Option<Assembly>,
    /// Where that begins.
    begun: Option<Place>,
    /// Bytes of the record to deliver that have been given out: its parts are all there.
    given: Option<u64>,
}

/// A record, or a part of one that is longer than asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// The whole record.
    Record(Arc<[u8]>),
    /// Its next bytes, from byte 0 on.
    Part {
        /// The bytes.
        bytes: Vec<u8>,
        /// Whether the record ends with them.
        is_last: bool,
    },
}

#[derive(Clone, Debug)]
struct Place {
    segment: Arc<Segment>,
    offset: u64,
}

impl Reader {
    pub(crate) fn new(log: Arc<Log>, from_after: Lsn) -> Result<Self> {
        let next = from_after.next();
        let mut reader = Self {
            log,
            next,
            place: None,
            window: Vec::new(),
            window_at: 0,
            open: None,
            begun: None,
            given: None,
        };
        let oldest = reader.log.first_retained_lsn();
        if next < oldest {
            return Err(Error::Released { oldest });
        }
        reader.place = reader.find()?;
        Ok(reader)
    }

    /// The last record delivered, or the one the reader was told to start after.
    #[must_use]
    pub fn position(&self) -> Lsn {
        Lsn(self.next.0 - 1)
    }

    /// The next record, `None` at the tail.
    ///
    /// # Errors
    /// As those of [`next_piece`](Self::next_piece).
    ///
    /// # Panics
    /// When a record has been given in part: its rest comes from [`next_piece`](Self::next_piece).
    #[expect(
        clippy::should_implement_trait,
        reason = "a tail has no end, and errors are not items"
    )]
    pub fn next(&mut self) -> Result<Option<(Lsn, Arc<[u8]>)>> {
        assert!(self.given.is_none(), "a record that was begun is read on");
        match self.next_piece(usize::MAX)? {
            Some((lsn, Piece::Record(record))) => Ok(Some((lsn, record))),
            Some((_, Piece::Part { .. })) | None => Ok(None),
        }
    }

    /// The next record, or, if that is longer than `whole_bytes_max` and lies in parts, the next part of it; `None` at
    /// the tail.
    ///
    /// # Errors
    /// [`Error::Released`] when retention has overtaken the reader, [`Error::Damaged`] for a record that is not
    /// what was written, [`Error::Closed`] when the log is closed.
    pub fn next_piece(&mut self, whole_bytes_max: usize) -> Result<Option<(Lsn, Piece)>> {
        if self.next > self.log.readable_lsn() && !self.bring_out()? {
            return Ok(None);
        }
        if self.log.is_closed() {
            return Err(Error::Closed);
        }
        loop {
            let Some(place) = &self.place else {
                self.place = self.find()?;
                if self.place.is_none() {
                    return Err(Error::Released {
                        oldest: self.log.first_retained_lsn(),
                    });
                }
                continue;
            };
            let (offset, end) = (place.offset, place.segment.end());
            if offset >= end {
                // The record is readable, so it is in a later segment, or goes on in the next one.
                self.place = match (&self.open, self.given) {
                    (Some(_), _) | (_, Some(_)) => {
                        Some(self.find_next(place.segment.header.segment_no)?)
                    }
                    (None, None) => None,
                };
                continue;
            }
            if let Some(found) = self.read_frame(offset, end, whole_bytes_max)? {
                return Ok(Some(found));
            }
        }
    }

    /// In the lazy modes writes out what is acknowledged and still buffered. Says whether that helps.
    fn bring_out(&mut self) -> Result<bool> {
        if self.log.settings.sync == SyncMode::Commit {
            return Ok(false);
        }
        match self.log.flush(Intent::AsSet) {
            // What was written before the failure can still be read; there is no more.
            Err(Error::Poisoned(_)) => Ok(false),
            Err(other) => Err(other),
            Ok(()) => Ok(self.next <= self.log.readable_lsn()),
        }
    }

    /// The segment and offset from where `next` is found; `None` when it is not written yet.
    fn find(&mut self) -> Result<Option<Place>> {
        self.window.clear();
        let segments = self.log.segments.read();
        let holding = segments.iter().rev().find(|segment| {
            segment.first_lsn().is_some_and(|first| first <= self.next)
                && segment.last_lsn().is_some_and(|last| last >= self.next)
        });
        Ok(holding.map(|segment| Place {
            offset: segment.offset_before(self.next).max(FRAMES_AT),
            segment: Arc::clone(segment),
        }))
    }

    /// The beginning of the segment after this one, where a record goes on.
    fn find_next(&mut self, segment_no: u64) -> Result<Place> {
        self.window.clear();
        let segments = self.log.segments.read();
        let mut later = segments
            .iter()
            .filter(|segment| segment.header.segment_no > segment_no);
        let next = later.next().map(Arc::clone);
        drop(segments);
        next.map(|segment| Place {
            offset: FRAMES_AT,
            segment,
        })
        .ok_or_else(|| Error::Released {
            oldest: self.log.first_retained_lsn(),
        })
    }

    /// Steps over the frame at `offset`; returns the record wanted when that ends here.
    fn read_frame(
        &mut self,
        offset: u64,
        end: u64,
        whole_bytes_max: usize,
    ) -> Result<Option<(Lsn, Piece)>> {
        let Some(segment) = self.place.as_ref().map(|place| Arc::clone(&place.segment)) else {
            return Ok(None);
        };
        let head = self.window(&segment, offset, FRAME_BYTES, end)?;
        let head = head.and_then(|bytes| bytes.first_chunk());
        let Some(header) = head.and_then(|head| FrameHeader::decode(head, segment.seed)) else {
            // Published bytes hold frames or the padding behind a group.
            let boundary = offset.next_multiple_of(BLOCK_BYTES as u64);
            if boundary == offset {
                return Err(segment.damaged(offset, self.next, "no frame"));
            }
            self.step_to(boundary);
            return Ok(None);
        };
        let len = header.len as usize;
        self.step_to(offset + frame_len(len) as u64);
        let (mut open, given) = (self.open.take(), self.given);
        if header.kind == FrameKind::Noop || header.lsn < self.next {
            return Ok(None);
        }
        if header.lsn > self.next {
            return Err(self.missing(&segment, offset, "a record is missing"));
        }
        let wrong = |lsn| Err(segment.damaged(offset, lsn, "a payload has a wrong checksum"));
        let payload = self.window(&segment, offset + FRAME_BYTES as u64, len, end)?;
        let Some(payload) = payload.filter(|bytes| crate::checksum(bytes) == header.payload_crc)
        else {
            return wrong(header.lsn);
        };
        if let Some(given) = given {
            let Some((_, part)) = split_part(payload).filter(|(at, _)| *at == given) else {
                return Err(self.missing(&segment, offset, "a part of a record is missing"));
            };
            let piece = Piece::Part {
                bytes: part.to_vec(),
                is_last: header.kind == FrameKind::Commit,
            };
            let given = given + part.len() as u64;
            self.given = Some(given);
            if header.kind == FrameKind::Commit {
                self.given = None;
                self.next = header.lsn.next();
            }
            return Ok(Some((header.lsn, piece)));
        }
        let record = match header.kind {
            FrameKind::Record => Arc::from(payload),
            FrameKind::Begin => {
                self.open = Assembly::begin(&header, payload, whole_bytes_max);
                self.begun = Some(Place { segment, offset });
                return Ok(None);
            }
            // Without what it continues it is of a record that was given up.
            _ => {
                let Some(mut assembly) = open.take_if(|open| open.continues(&header, payload))
                else {
                    return Ok(None);
                };
                assembly.add(payload);
                if header.kind != FrameKind::Commit {
                    self.open = Some(assembly);
                    return Ok(None);
                }
                let Some(bytes) = assembly.into_bytes() else {
                    // It is all there, and too long: from its beginning, part by part.
                    self.place = self.begun.take();
                    self.given = Some(0);
                    self.window.clear();
                    return Ok(None);
                };
                Arc::from(bytes)
            }
        };
        self.next = header.lsn.next();
        Ok(Some((header.lsn, Piece::Record(record))))
    }

    /// Retention has overtaken the reader, or there is damage.
    fn missing(&self, segment: &Segment, offset: u64, reason: &'static str) -> Error {
        let oldest = self.log.first_retained_lsn();
        if self.next < oldest {
            return Error::Released { oldest };
        }
        segment.damaged(offset, self.next, reason)
    }

    fn step_to(&mut self, offset: u64) {
        if let Some(place) = &mut self.place {
            place.offset = offset;
        }
    }

    /// A copy of published bytes, `None` past the published end.
    fn window(
        &mut self,
        segment: &Segment,
        offset: u64,
        len: usize,
        end: u64,
    ) -> Result<Option<&[u8]>> {
        if offset.checked_add(len as u64).is_none_or(|to| to > end) {
            return Ok(None);
        }
        let window_end = self.window_at + self.window.len() as u64;
        if offset < self.window_at || offset + len as u64 > window_end {
            let left = usize::try_from(end - offset).unwrap_or(usize::MAX);
            let wanted = len.max(self.log.settings.read_window_bytes);
            self.window.resize(wanted.min(left), 0);
            self.window_at = offset;
            let read =
                segment.read_exact_at(&mut self.window, offset, self.log.settings.sealed_reads);
            if let Err(error) = read {
                self.window.clear();
                return Err(error);
            }
        }
        let from = usize::try_from(offset - self.window_at).unwrap_or(usize::MAX);
        Ok(self.window.get(from..).and_then(|rest| rest.get(..len)))
    }
}
