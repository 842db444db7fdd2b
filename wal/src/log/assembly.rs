//! Puts a record in parts together again, for recovery and for readers.
//!
//! It trusts no length: it grows by what was read. Parts follow each other; whatever comes between makes those before it
//! void, for their record was given up. Next door: `parts`, which writes them.

use tailwater_proto::Lsn;

use super::format::{FrameHeader, FrameKind, split_part};

/// A record of which some parts have been read.
#[derive(Debug)]
pub(crate) struct Assembly {
    pub(crate) lsn: Lsn,
    codec: u8,
    /// Bytes of the parts so far.
    len: u64,
    /// What they hold; nothing if it is more than is wanted.
    bytes: Option<Vec<u8>>,
    bytes_max: usize,
}

impl Assembly {
    /// Begins a record with its first part, to keep `bytes_max` bytes at most; `None` if that is no first part.
    pub(crate) fn begin(header: &FrameHeader, payload: &[u8], bytes_max: usize) -> Option<Self> {
        let (0, part) = split_part(payload)? else {
            return None;
        };
        (header.kind == FrameKind::Begin).then(|| Self {
            lsn: header.lsn,
            codec: header.codec,
            len: part.len() as u64,
            bytes: (part.len() <= bytes_max).then(|| part.to_vec()),
            bytes_max,
        })
    }

    /// Goes on with a record whose beginning is gone, and which nobody wants therefore.
    pub(crate) fn resume(header: &FrameHeader, payload: &[u8]) -> Option<Self> {
        let (at, _) = split_part(payload)?;
        Some(Self {
            lsn: header.lsn,
            codec: header.codec,
            len: at,
            bytes: None,
            bytes_max: 0,
        })
    }

    /// Whether the frame holds the next part.
    pub(crate) fn continues(&self, header: &FrameHeader, payload: &[u8]) -> bool {
        let is_later = matches!(header.kind, FrameKind::Chunk | FrameKind::Commit);
        let is_same = (header.lsn, header.codec) == (self.lsn, self.codec);
        is_later && is_same && split_part(payload).is_some_and(|(at, _)| at == self.len)
    }

    /// Takes the part that continues it.
    pub(crate) fn add(&mut self, payload: &[u8]) {
        let Some((_, part)) = split_part(payload) else {
            return;
        };
        self.len += part.len() as u64;
        let kept = self.bytes.take();
        if let Some(mut bytes) = kept.filter(|kept| kept.len() + part.len() <= self.bytes_max) {
            bytes.extend_from_slice(part);
            self.bytes = Some(bytes);
        }
    }

    /// How many bytes there are so far.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// The bytes so far, if they are not more than wanted.
    pub(crate) fn into_bytes(self) -> Option<Vec<u8>> {
        self.bytes
    }
}
