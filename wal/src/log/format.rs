//! Bytes of a segment: its header block and the frames behind it. Persisted, never renumber; see FORMAT.md.
//!
//! Pure encoding and decoding: it opens no file and decides nothing about damage. No byte is trusted before its
//! checksum. Next door: `scan`, which walks the frames.

use crate::mutant;
use crc32fast::Hasher;
use tailwater_proto::Lsn;

/// The unit to which groups are padded, and the size of the header block.
pub(crate) const BLOCK_BYTES: usize = 4096;
/// Offset of the first frame.
pub(crate) const FRAMES_AT: u64 = BLOCK_BYTES as u64;
/// Bytes of a frame before its payload.
pub(crate) const FRAME_BYTES: usize = 32;
/// The longest payload of one frame.
pub(crate) const PAYLOAD_BYTES_MAX: usize = 1 << 30;
/// Bytes before a part of a record in its frame's payload: where in the record it begins.
pub(crate) const PART_BYTES: usize = 8;

const MAGIC: [u8; 8] = *b"TWLOG\r\n\x1a";
const FORMAT_VERSION: u32 = 1;
const FLAG_RECYCLED: u32 = 1;
const FLAG_LAZY: u32 = 2;
const CRC_AT: usize = 72;
const HISTORY_AT: usize = 80;
const EPOCH_BYTES: usize = 16;
const EPOCHS_MAX: usize = (BLOCK_BYTES - HISTORY_AT) / EPOCH_BYTES;

/// One reign over the log: its number and the first record written under it.
///
/// ```
/// use tailwater_wal::{Epoch, Lsn};
///
/// let promoted = Epoch { number: 2, first_lsn: Lsn(42) };
/// assert!(promoted.number > 1 && promoted.first_lsn > Lsn(41)); // record 41 was the last of epoch 1
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epoch {
    /// Counts up by one with each promotion, from 1.
    pub number: u32,
    /// The first record of this epoch.
    pub first_lsn: Lsn,
}

/// The header block of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) database_id: [u8; 16],
    pub(crate) epoch: u32,
    pub(crate) segment_no: u64,
    pub(crate) salt: u64,
    /// Durable when the segment was prepared: all its records are later ones.
    pub(crate) after_lsn: Lsn,
    pub(crate) created_unix_ms: u64,
    /// The file held other frames before.
    pub(crate) recycled: bool,
    /// Its records may have been shown to somebody before they were durable.
    pub(crate) lazy: bool,
    /// Oldest first; the newest is `epoch`.
    pub(crate) history: Vec<Epoch>,
}

/// Why a header block was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderFault {
    Damaged,
    NewerVersion,
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let skipped = self.history.len().saturating_sub(EPOCHS_MAX);
        let history = self.history.get(skipped..).unwrap_or_default();
        let mut out = Vec::with_capacity(BLOCK_BYTES);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        let recycled = if self.recycled { FLAG_RECYCLED } else { 0 };
        let flags = recycled | if self.lazy { FLAG_LAZY } else { 0 };
        out.extend_from_slice(&flags.to_le_bytes());
        out.extend_from_slice(&self.database_id);
        out.extend_from_slice(&self.epoch.to_le_bytes());
        out.extend_from_slice(&(history.len() as u32).to_le_bytes());
        for word in [
            self.segment_no,
            self.salt,
            self.after_lsn.0,
            self.created_unix_ms,
            0,
        ] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        for epoch in history {
            out.extend_from_slice(&u64::from(epoch.number).to_le_bytes());
            out.extend_from_slice(&epoch.first_lsn.0.to_le_bytes());
        }
        out.resize(BLOCK_BYTES, 0);
        let crc = crate::checksum(&out);
        if let Some(field) = out.get_mut(CRC_AT..CRC_AT + 4) {
            field.copy_from_slice(&crc.to_le_bytes());
        }
        out
    }

    pub(crate) fn decode(block: &[u8]) -> Result<Self, HeaderFault> {
        let mut copy = block.to_vec();
        let (Some(field), true) = (copy.get_mut(CRC_AT..CRC_AT + 4), block.starts_with(&MAGIC))
        else {
            return Err(HeaderFault::Damaged);
        };
        field.fill(0);
        if crate::checksum(&copy) != u32_at(block, CRC_AT) {
            return Err(HeaderFault::Damaged);
        }
        if u32_at(block, 8) != FORMAT_VERSION {
            return Err(HeaderFault::NewerVersion);
        }
        let count = u32_at(block, 36) as usize;
        let entries = block
            .get(HISTORY_AT..)
            .unwrap_or_default()
            .chunks_exact(EPOCH_BYTES);
        let history = entries.take(count).map(|entry| Epoch {
            number: u32_at(entry, 0),
            first_lsn: Lsn(u64_at(entry, 8)),
        });
        let mut database_id = [0; 16];
        database_id.copy_from_slice(block.get(16..32).ok_or(HeaderFault::Damaged)?);
        let header = Self {
            database_id,
            epoch: u32_at(block, 32),
            segment_no: u64_at(block, 40),
            salt: u64_at(block, 48),
            after_lsn: Lsn(u64_at(block, 56)),
            created_unix_ms: u64_at(block, 64),
            recycled: u32_at(block, 12) & FLAG_RECYCLED != 0,
            lazy: u32_at(block, 12) & FLAG_LAZY != 0,
            history: history.collect(),
        };
        if header.is_possible() {
            Ok(header)
        } else {
            Err(HeaderFault::Damaged)
        }
    }

    /// Whether a log can have come so far and agrees about its epoch: what follows counts on from these numbers.
    fn is_possible(&self) -> bool {
        self.history.last().map_or(1, |epoch| epoch.number) == self.epoch
            && self.segment_no < u64::MAX
            && self.after_lsn < Lsn::MAX
    }
}

/// What a frame is. Persisted, never renumber.
///
/// ```
/// use tailwater_wal::FrameKind;
///
/// assert_eq!(FrameKind::Commit as u8, 5); // as it is on disk
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameKind {
    /// A whole record.
    Record = 1,
    /// No record: says again what is durable.
    Noop = 2,
    /// The first part of a record in parts.
    Begin = 3,
    /// A middle part.
    Chunk = 4,
    /// The last part, which makes the record count.
    Commit = 5,
}

impl FrameKind {
    fn decode(byte: u8) -> Option<Self> {
        [
            Self::Record,
            Self::Noop,
            Self::Begin,
            Self::Chunk,
            Self::Commit,
        ]
        .into_iter()
        .find(|kind| *kind as u8 == byte)
    }
}

/// A frame without its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    pub(crate) len: u32,
    pub(crate) payload_crc: u32,
    pub(crate) kind: FrameKind,
    pub(crate) codec: u8,
    pub(crate) lsn: Lsn,
    pub(crate) durable_lsn: Lsn,
}

impl FrameHeader {
    /// Appends the frame to a group. Its durable LSN and header checksum are put in by [`seal`].
    pub(crate) fn encode(&self, payload: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        out.reserve(frame_len(payload.len()));
        self.encode_head(out);
        out.extend_from_slice(payload);
        out.resize(start + frame_len(payload.len()), 0);
    }

    /// As [`encode`](Self::encode), for a part of a record that begins at byte `at` of it.
    pub(crate) fn encode_part(&self, at: u64, part: &[u8], out: &mut Vec<u8>) {
        let end = out.len() + frame_len(PART_BYTES + part.len());
        out.reserve(frame_len(PART_BYTES + part.len()));
        self.encode_head(out);
        out.extend_from_slice(&at.to_le_bytes());
        out.extend_from_slice(part);
        out.resize(end, 0);
    }

    fn encode_head(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.len.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&self.payload_crc.to_le_bytes());
        out.extend_from_slice(&[self.kind as u8, self.codec, 0, 0]);
        out.extend_from_slice(&self.lsn.0.to_le_bytes());
        out.extend_from_slice(&self.durable_lsn.0.to_le_bytes());
    }

    /// The record that a frame is of whose checksum is wrong, by what of it may still be right: its LSN, or the one it
    /// confirms, which is before it.
    pub(crate) fn named(bytes: &[u8; FRAME_BYTES]) -> Lsn {
        let confirmed = match FrameKind::decode(bytes[12]) {
            Some(FrameKind::Noop) => 0,
            _ => u64_at(bytes, 24).saturating_add(1),
        };
        Lsn(u64_at(bytes, 16).max(confirmed))
    }

    /// Reads a frame header written into a segment with this seed; `None` when it is not one.
    pub(crate) fn decode(bytes: &[u8; FRAME_BYTES], seed: u32) -> Option<Self> {
        let kind = FrameKind::decode(bytes[12])?;
        let len = u32_at(bytes, 0);
        let lsn = Lsn(u64_at(bytes, 16));
        let is_possible = len as usize <= PAYLOAD_BYTES_MAX && lsn < Lsn::MAX;
        if !is_possible || header_crc(bytes, seed) != u32_at(bytes, 4) {
            return None;
        }
        Some(Self {
            len,
            payload_crc: u32_at(bytes, 8),
            kind,
            codec: bytes[13],
            lsn,
            durable_lsn: Lsn(u64_at(bytes, 24)),
        })
    }
}

/// Where in its record a part begins, and the part; `None` if the payload is none.
pub(crate) fn split_part(payload: &[u8]) -> Option<(u64, &[u8])> {
    let (at, part) = payload.split_first_chunk()?;
    let at = u64::from_le_bytes(*at);
    can_end(at, part.len() as u64).then_some((at, part))
}

/// Whether a part of that length can begin there: no record has more bytes than can be counted.
pub(crate) const fn can_end(at: u64, len: u64) -> bool {
    at.checked_add(len).is_some()
}

/// The checksum of a part's payload.
pub(crate) fn part_crc(at: u64, part: &[u8]) -> u32 {
    let mut hasher = Hasher::new();
    hasher.update(&at.to_le_bytes());
    hasher.update(part);
    hasher.finalize()
}

/// Bytes that a frame with a payload of `len` takes: a multiple of 8.
pub(crate) fn frame_len(len: usize) -> usize {
    FRAME_BYTES + len.next_multiple_of(8)
}

/// The seed of header checksums in a segment with this salt.
pub(crate) fn seed(salt: u64) -> u32 {
    let salt = if mutant::is("accept_any_salt") {
        0
    } else {
        salt
    };
    crate::checksum(&salt.to_le_bytes())
}

/// Puts the durable LSN and the checksums into the frames of a group and pads it to whole blocks.
pub(crate) fn seal(group: &mut Vec<u8>, seed: u32, durable_lsn: Lsn) {
    let mut rest = group.as_mut_slice();
    while let Some((head, tail)) = rest.split_first_chunk_mut::<FRAME_BYTES>() {
        head[24..].copy_from_slice(&durable_lsn.0.to_le_bytes());
        let crc = header_crc(head, seed);
        head[4..8].copy_from_slice(&crc.to_le_bytes());
        let payload = frame_len(u32_at(head, 0) as usize) - FRAME_BYTES;
        rest = tail.get_mut(payload..).unwrap_or_default();
    }
    if !mutant::is("unpadded_groups") {
        group.resize(group.len().next_multiple_of(BLOCK_BYTES), 0);
    }
}

fn header_crc(bytes: &[u8; FRAME_BYTES], seed: u32) -> u32 {
    let mut hasher = Hasher::new_with_initial(seed);
    hasher.update(&bytes[..4]);
    hasher.update(&bytes[8..]);
    hasher.finalize()
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let field = bytes.get(at..).and_then(|rest| rest.first_chunk());
    field.map_or(0, |field| u32::from_le_bytes(*field))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let field = bytes.get(at..).and_then(|rest| rest.first_chunk());
    field.map_or(0, |field| u64::from_le_bytes(*field))
}

/// The name of a segment's file.
pub(crate) fn segment_name(epoch: u32, segment_no: u64) -> String {
    format!("{epoch:08x}-{segment_no:016x}.seg")
}

/// Epoch and number from a segment's file name; `None` for other files.
pub(crate) fn parse_segment_name(name: &str) -> Option<(u32, u64)> {
    let (epoch, number) = name.strip_suffix(".seg")?.split_once('-')?;
    let parsed = (
        u32::from_str_radix(epoch, 16).ok()?,
        u64::from_str_radix(number, 16).ok()?,
    );
    (segment_name(parsed.0, parsed.1) == name).then_some(parsed)
}

/// The name of a prepared file that is not a segment yet.
pub(crate) fn spare_name(number: u64) -> String {
    format!("{number:016x}.spare")
}

/// The number from a spare file's name; `None` for other files.
pub(crate) fn parse_spare_name(name: &str) -> Option<u64> {
    let number = u64::from_str_radix(name.strip_suffix(".spare")?, 16).ok()?;
    (spare_name(number) == name).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> SegmentHeader {
        let history = vec![
            Epoch {
                number: 1,
                first_lsn: Lsn(1),
            },
            Epoch {
                number: 2,
                first_lsn: Lsn(77),
            },
        ];
        SegmentHeader {
            database_id: *b"0123456789abcdef",
            epoch: 2,
            segment_no: 3,
            salt: 0x1122_3344_5566_7788,
            after_lsn: Lsn(80),
            created_unix_ms: 5,
            recycled: true,
            lazy: false,
            history,
        }
    }

    #[test]
    fn a_segment_header_is_read_back_and_every_flipped_bit_is_seen() {
        let bytes = header().encode();
        assert_eq!(bytes.len(), BLOCK_BYTES);
        assert_eq!(SegmentHeader::decode(&bytes).unwrap(), header());
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(
                SegmentHeader::decode(&bad),
                Err(HeaderFault::Damaged),
                "bit {bit}"
            );
        }
        assert_eq!(
            SegmentHeader::decode(&bytes[..100]),
            Err(HeaderFault::Damaged)
        );
    }

    /// Found by the fuzz target `wal_recover`: checksums were right, so recovery went on from numbers with no next one,
    /// or opened a segment under the history's epoch, 0, which the recovery after that refused.
    #[test]
    fn numbers_that_no_log_can_have_are_damage_though_the_checksum_is_right() {
        let impossible: [fn(&mut SegmentHeader); 4] = [
            |header| header.epoch = 3,
            |header| header.history.clear(),
            |header| header.segment_no = u64::MAX,
            |header| header.after_lsn = Lsn::MAX,
        ];
        for change in impossible {
            let mut header = header();
            change(&mut header);
            let read = SegmentHeader::decode(&header.encode());
            assert_eq!(read, Err(HeaderFault::Damaged), "{header:?}");
        }
        let last = FrameHeader {
            len: 0,
            payload_crc: crate::checksum(b""),
            kind: FrameKind::Record,
            codec: 1,
            lsn: Lsn::MAX,
            durable_lsn: Lsn::ZERO,
        };
        let mut group = Vec::new();
        last.encode(b"", &mut group);
        seal(&mut group, seed(1), Lsn(7));
        let head = group.first_chunk().unwrap();
        assert_eq!(FrameHeader::decode(head, seed(1)), None);
    }

    #[test]
    fn a_long_history_keeps_its_newest_epochs() {
        let mut header = header();
        header.epoch = 400;
        header.history = (1..=400)
            .map(|n| Epoch {
                number: n,
                first_lsn: Lsn(n.into()),
            })
            .collect();
        let read = SegmentHeader::decode(&header.encode()).unwrap();
        assert_eq!(read.history.len(), EPOCHS_MAX);
        assert_eq!(read.history.last().unwrap().number, 400);
    }

    #[test]
    fn a_frame_is_bound_to_its_segment_and_its_payload_is_not() {
        let payload = b"hello world";
        let frame = FrameHeader {
            len: payload.len() as u32,
            payload_crc: crate::checksum(payload),
            kind: FrameKind::Record,
            codec: 1,
            lsn: Lsn(9),
            durable_lsn: Lsn::ZERO,
        };
        let mut group = Vec::new();
        frame.encode(payload, &mut group);
        frame.encode(payload, &mut group);
        assert_eq!(group.len(), 2 * frame_len(payload.len()));
        seal(&mut group, seed(1), Lsn(7));
        assert_eq!(group.len(), BLOCK_BYTES);
        let head = group.first_chunk().unwrap();
        let read = FrameHeader::decode(head, seed(1)).unwrap();
        assert_eq!(
            read,
            FrameHeader {
                durable_lsn: Lsn(7),
                ..frame
            }
        );
        assert_eq!(FrameHeader::decode(head, seed(2)), None);
        for bit in 0..FRAME_BYTES * 8 {
            let mut bad = *head;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(FrameHeader::decode(&bad, seed(1)), None, "bit {bit}");
        }
    }

    #[test]
    fn names_are_parsed_strictly() {
        assert_eq!(parse_segment_name(&segment_name(2, 77)), Some((2, 77)));
        assert_eq!(parse_segment_name("2-77.seg"), None);
        assert_eq!(parse_segment_name("00000002-000000000000004D.seg"), None);
        assert_eq!(parse_spare_name(&spare_name(5)), Some(5));
        assert_eq!(parse_spare_name("x.spare"), None);
    }
}
