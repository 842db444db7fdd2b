//! Walks the frames of one segment file from front to back.
//!
//! It tells a frame from padding and from the place where frames end; whether that end is torn or damaged is for
//! `recover` to judge. It keeps a window of the file in memory, and a payload longer than that only if it is asked for it
//! as a whole. Next door: `recover`, `survey` and `dump`, which share it.

use std::io;
use std::sync::Arc;

use crc32fast::Hasher;
use tailwater_proto::Lsn;

use super::format::{BLOCK_BYTES, FRAME_BYTES, FRAMES_AT, FrameHeader, frame_len};
use crate::mutant;
use crate::vfs::VfsFile;

const WINDOW_BYTES: usize = 256 << 10;
/// The most bytes of a payload that are looked at together; more than a part of a record has, as logs are set.
pub(crate) const PIECE_BYTES: usize = 1 << 20;
const BLOCK: u64 = BLOCK_BYTES as u64;

/// What the scanner met.
pub(crate) enum Step<'a> {
    /// A frame whose header and payload are as they were written.
    Frame {
        header: FrameHeader,
        offset: u64,
        payload: &'a [u8],
    },
    /// No frame starts here.
    End(End),
}

/// As [`Step`], without the payload.
pub(crate) enum Passed {
    /// A frame whose header and payload are as they were written.
    Frame { header: FrameHeader, offset: u64 },
    /// No frame starts here.
    End(End),
}

/// The place where the frames end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) offset: u64,
    /// The header there is right, its payload is not.
    pub(crate) torn: Option<FrameHeader>,
}

/// What lies behind the place where the frames end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Remains {
    /// Blocks that begin with the header of a frame of this segment.
    pub(crate) groups: u64,
    /// The highest LSN that one of them calls durable.
    pub(crate) durable_lsn: Lsn,
    /// Whether the block at the end holds anything but zeros.
    pub(crate) written: bool,
    /// The record that the bytes there are of, if they are a frame with a wrong checksum.
    pub(crate) named: Lsn,
}

impl Remains {
    /// Whether something was begun at the end and not finished. In a recycled file a block of other bytes may be what it
    /// held before; but a block in which a group lies was written as a whole, its padding too, and the file never held a
    /// record that is still `expected`.
    pub(crate) fn is_torn(&self, end: End, recycled: bool, expected: Lsn) -> bool {
        let is_own = !recycled || !end.offset.is_multiple_of(BLOCK) || self.named >= expected;
        end.torn.is_some() || self.groups > 0 || (self.written && is_own)
    }
}

/// A walk through a segment.
#[derive(Debug)]
pub(crate) struct Scanner {
    file: Arc<dyn VfsFile>,
    seed: u32,
    file_len: u64,
    offset: u64,
    window: Vec<u8>,
    window_at: u64,
}

impl Scanner {
    pub(crate) fn new(file: Arc<dyn VfsFile>, seed: u32) -> io::Result<Self> {
        let file_len = file.len()?;
        Ok(Self {
            file,
            seed,
            file_len,
            offset: FRAMES_AT,
            window: Vec::new(),
            window_at: 0,
        })
    }

    /// The next frame, or the place where there is none.
    pub(crate) fn step(&mut self) -> io::Result<Step<'_>> {
        Ok(match self.pass()? {
            Passed::End(end) => Step::End(end),
            Passed::Frame { header, offset } => Step::Frame {
                header,
                offset,
                // Read already, unless it is very long: this only borrows the window again.
                payload: self
                    .bytes(offset + FRAME_BYTES as u64, header.len as usize)?
                    .unwrap_or_default(),
            },
        })
    }

    /// As [`step`](Self::step); however long the payload is, only pieces of it are in memory.
    pub(crate) fn pass(&mut self) -> io::Result<Passed> {
        loop {
            let offset = self.offset;
            let seed = self.seed;
            let head: Option<&[u8; FRAME_BYTES]> = self
                .bytes(offset, FRAME_BYTES)?
                .and_then(|bytes| bytes.first_chunk());
            let Some(header) = head.and_then(|head| FrameHeader::decode(head, seed)) else {
                if !offset.is_multiple_of(BLOCK) && self.is_padding(offset)? {
                    self.offset = offset.next_multiple_of(BLOCK);
                    continue;
                }
                return Ok(Passed::End(End { offset, torn: None }));
            };
            let found = self.payload_crc(offset, &header)?;
            if found != Some(header.payload_crc)
                && !(found.is_some() && mutant::is("skip_payload_checksum"))
            {
                return Ok(Passed::End(End {
                    offset,
                    torn: Some(header),
                }));
            }
            self.offset = offset + frame_len(header.len as usize) as u64;
            return Ok(Passed::Frame { header, offset });
        }
    }

    /// Goes on at `offset`, where a frame begins.
    pub(crate) fn go_to(&mut self, offset: u64) {
        self.offset = offset;
    }

    /// Bytes of the payload of the frame at `offset`, as many as are looked at together, from byte `from` of it on.
    pub(crate) fn piece(
        &mut self,
        offset: u64,
        header: &FrameHeader,
        from: usize,
    ) -> io::Result<&[u8]> {
        let len = (header.len as usize).saturating_sub(from).min(PIECE_BYTES);
        let at = offset + (FRAME_BYTES + from) as u64;
        Ok(self.bytes(at, len)?.unwrap_or_default())
    }

    /// The checksum of the payload of the frame at `offset`; `None` if the file ends before it does.
    fn payload_crc(&mut self, offset: u64, header: &FrameHeader) -> io::Result<Option<u32>> {
        let end = offset + FRAME_BYTES as u64 + u64::from(header.len);
        if end > self.file_len {
            return Ok(None);
        }
        let (mut hasher, mut from) = (Hasher::new(), 0);
        while from < header.len as usize {
            let piece = self.piece(offset, header, from)?;
            if piece.is_empty() {
                return Ok(None);
            }
            hasher.update(piece);
            from += piece.len();
        }
        Ok(Some(hasher.finalize()))
    }

    /// Looks behind the end for groups of this segment. Every group starts at a block.
    pub(crate) fn remains(&mut self, end: End) -> io::Result<Remains> {
        let mut remains = Remains::default();
        let block_left = BLOCK - end.offset % BLOCK;
        let block_left = block_left.min(self.file_len.saturating_sub(end.offset));
        let here = self.bytes(end.offset, usize::try_from(block_left).unwrap_or(0))?;
        remains.written = here.is_some_and(|bytes| !crate::is_zero(bytes));
        let head = here.and_then(|bytes| bytes.first_chunk());
        remains.named = head.map_or(Lsn::ZERO, FrameHeader::named);
        let seed = self.seed;
        let mut at = end.offset.next_multiple_of(BLOCK);
        while let Some(bytes) = self.bytes(at, FRAME_BYTES)? {
            let head = bytes.first_chunk();
            if at > end.offset
                && let Some(header) = head.and_then(|h| FrameHeader::decode(h, seed))
            {
                remains.groups += 1;
                remains.durable_lsn = remains.durable_lsn.max(header.durable_lsn);
            }
            at += BLOCK;
        }
        Ok(remains)
    }

    /// Goes on behind the end, where the next group begins with a whole frame; `false` if there is none.
    pub(crate) fn resume_behind(&mut self, end: End) -> io::Result<bool> {
        let seed = self.seed;
        let mut at = (end.offset + 1).next_multiple_of(BLOCK);
        while let Some(bytes) = self.bytes(at, FRAME_BYTES)? {
            if let Some(header) = bytes
                .first_chunk()
                .and_then(|h| FrameHeader::decode(h, seed))
                && self.payload_crc(at, &header)? == Some(header.payload_crc)
            {
                self.offset = at;
                return Ok(true);
            }
            at += BLOCK;
        }
        Ok(false)
    }

    /// Bytes of the file that are kept.
    #[cfg(test)]
    pub(crate) fn window_bytes(&self) -> usize {
        self.window.capacity()
    }

    fn is_padding(&mut self, offset: u64) -> io::Result<bool> {
        let left = offset
            .next_multiple_of(BLOCK)
            .min(self.file_len)
            .saturating_sub(offset);
        let left = usize::try_from(left).unwrap_or(0);
        Ok(self.bytes(offset, left)?.is_some_and(crate::is_zero))
    }

    /// Bytes of the file, `None` when it ends before.
    fn bytes(&mut self, offset: u64, len: usize) -> io::Result<Option<&[u8]>> {
        if offset
            .checked_add(len as u64)
            .is_none_or(|end| end > self.file_len)
        {
            return Ok(None);
        }
        let window_end = self.window_at + self.window.len() as u64;
        if offset < self.window_at || offset + len as u64 > window_end {
            let left = usize::try_from(self.file_len - offset).unwrap_or(usize::MAX);
            self.window.resize(len.max(WINDOW_BYTES).min(left), 0);
            self.window_at = offset;
            if let Err(e) = self.file.read_exact_at(&mut self.window, offset) {
                self.window.clear();
                return Err(e);
            }
        }
        let from = usize::try_from(offset - self.window_at).unwrap_or(usize::MAX);
        Ok(self.window.get(from..).and_then(|rest| rest.get(..len)))
    }
}
