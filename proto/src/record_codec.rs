//! Records as bytes: a codec byte, presence flags, a bincode envelope and up to three sections of changes.
//!
//! Written once, these bytes are log record, feed frame and replication unit. Reading borrows: a record opens in
//! constant time, sections are skipped by their length, changes are decoded one by one. FORMAT.md §4.

use std::cell::Cell;
use std::sync::Arc;

use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use bincode::{BorrowDecode, Encode};

use crate::change::{Change, Record};
use crate::error::{DecodeError, EncodeError};
use crate::key::Key;
use crate::lsn::StorageId;
use crate::value_codec::Reader;

/// The codec of the envelope: bincode 2.0.1, variable-width integers, little-endian. Persisted, never renumber.
pub const CODEC_BINCODE: u8 = 1;

/// No record is larger.
const RECORD_BYTES_MAX: usize = u32::MAX as usize;
const BINCODE: Configuration<LittleEndian, Varint, Limit<RECORD_BYTES_MAX>> =
    bincode::config::standard().with_limit::<RECORD_BYTES_MAX>();

/// Codec byte, then presence flags.
pub(crate) const FLAGS_AT: usize = 1;
/// Before each section: its length in bytes, then its number of changes, both u32 little-endian.
pub(crate) const SECTION_HEAD: usize = 8;
/// Scratch buffers are given back to the allocator beyond this.
const SCRATCH_MAX: usize = 1 << 20;

/// A section of a record. Its place is the bit of its presence flag. Persisted, never renumber.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Section {
    /// Rows of tables and of the catalog.
    Base = 0,
    /// Rows of materialised views.
    Derived = 1,
    /// Index entries and operator state.
    State = 2,
}

impl Section {
    /// All sections in the order they stand in.
    pub const ALL: [Self; 3] = [Self::Base, Self::Derived, Self::State];

    pub(crate) const fn flag(self) -> u8 {
        1 << self as u8
    }
}

#[derive(Encode, BorrowDecode)]
pub(crate) struct Envelope<'b> {
    pub(crate) commit_time_us: i64,
    pub(crate) principal: &'b str,
}

/// What the bytes of a change are to bincode: the slow twin of `put_change` and `Changes::read`.
#[cfg(test)]
#[derive(Debug, PartialEq, Eq, Encode, BorrowDecode)]
struct WireChange<'b> {
    storage: u32,
    schema_version: u32,
    key: &'b [u8],
    before: Option<&'b [u8]>,
    after: Option<&'b [u8]>,
}

/// A [`Change`] whose bytes are someone else's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChangeRef<'b> {
    /// Which keyspace.
    pub storage: StorageId,
    /// The schema version of the storage's object.
    pub schema_version: u32,
    /// The row's key.
    pub key: &'b [u8],
    /// Encoded row before the commit.
    pub before: Option<&'b [u8]>,
    /// Encoded row after the commit.
    pub after: Option<&'b [u8]>,
}

impl ChangeRef<'_> {
    /// The change with bytes of its own.
    #[must_use]
    pub fn to_change(&self) -> Change {
        Change {
            storage: self.storage,
            schema_version: self.schema_version,
            key: Key::from(self.key),
            before: self.before.map(Arc::from),
            after: self.after.map(Arc::from),
        }
    }
}

impl<'b> From<&'b Change> for ChangeRef<'b> {
    fn from(change: &'b Change) -> Self {
        Self {
            storage: change.storage,
            schema_version: change.schema_version,
            key: &change.key,
            before: change.before.as_deref(),
            after: change.after.as_deref(),
        }
    }
}

/// What [`encode_record`] encodes: sections that are `None` are absent from the record, not empty.
#[derive(Clone, Copy, Debug, Default)]
pub struct RecordRef<'r> {
    /// Commit time in microseconds since 1970-01-01 UTC.
    pub commit_time_us: i64,
    /// Who committed; empty for the embedding program.
    pub principal: &'r str,
    /// Rows of tables and of the catalog.
    pub base: Option<&'r [Change]>,
    /// Rows of materialised views.
    pub derived: Option<&'r [Change]>,
    /// Index entries and operator state.
    pub state: Option<&'r [Change]>,
}

impl<'r> From<&'r Record> for RecordRef<'r> {
    fn from(record: &'r Record) -> Self {
        Self {
            commit_time_us: record.commit_time_us,
            principal: &record.principal,
            base: Some(&record.base),
            derived: Some(&record.derived),
            state: Some(&record.state),
        }
    }
}

thread_local! {
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// The bytes of a record, in one allocation.
///
/// # Errors
/// If they would be more than 4 GiB.
pub fn encode_record(record: RecordRef<'_>) -> Result<Arc<[u8]>, EncodeError> {
    let mut encoder = RecordEncoder::new(record.commit_time_us, record.principal)?;
    let sections = [record.base, record.derived, record.state];
    for (section, changes) in Section::ALL.into_iter().zip(sections) {
        if let Some(changes) = changes {
            encoder.section(section);
            for change in changes {
                encoder.change(ChangeRef::from(change))?;
            }
        }
    }
    Ok(Arc::from(encoder.finish()?))
}

/// Encodes a record change by change, for callers whose changes are not in slices.
#[derive(Debug)]
pub struct RecordEncoder {
    bytes: Vec<u8>,
    /// Where the head of the open section is, and how many changes it has.
    open: Option<(usize, u32)>,
}

impl RecordEncoder {
    /// Begins a record.
    ///
    /// # Errors
    /// If the principal is longer than 4 GiB.
    pub fn new(commit_time_us: i64, principal: &str) -> Result<Self, EncodeError> {
        let mut bytes = SCRATCH.take();
        bytes.clear();
        bytes.extend([CODEC_BINCODE, 0]);
        let mut encoder = Self { bytes, open: None };
        put_envelope(&mut encoder.bytes, commit_time_us, principal)?;
        Ok(encoder)
    }

    /// Opens a section; changes that follow belong to it. Sections come in the order of [`Section::ALL`].
    ///
    /// # Panics
    /// If the section, or one after it, was opened before.
    pub fn section(&mut self, section: Section) {
        self.close();
        if let Some(flags) = self.bytes.get_mut(FLAGS_AT) {
            assert!(
                *flags < section.flag(),
                "sections of a record are written once and in order"
            );
            *flags |= section.flag();
        }
        self.open = Some((self.bytes.len(), 0));
        self.bytes.extend([0; SECTION_HEAD]);
    }

    /// Appends a change to the open section.
    ///
    /// # Errors
    /// If the record becomes larger than 4 GiB.
    ///
    /// # Panics
    /// If no section is open, or the change has neither image.
    pub fn change(&mut self, change: ChangeRef<'_>) -> Result<(), EncodeError> {
        assert!(
            change.before.is_some() || change.after.is_some(),
            "a change has an image"
        );
        match &mut self.open {
            Some((_, count)) => *count = count.checked_add(1).ok_or(EncodeError::TooLarge)?,
            None => panic!("a change stands in a section"),
        }
        put_change(&mut self.bytes, change);
        if self.bytes.len() > RECORD_BYTES_MAX {
            return Err(EncodeError::TooLarge);
        }
        Ok(())
    }

    /// The bytes of the record.
    ///
    /// # Errors
    /// If they are more than 4 GiB.
    pub fn finish(&mut self) -> Result<&[u8], EncodeError> {
        self.close();
        if self.bytes.len() > RECORD_BYTES_MAX {
            return Err(EncodeError::TooLarge);
        }
        Ok(&self.bytes)
    }

    fn close(&mut self) {
        if let Some((head, count)) = self.open.take()
            && let Some(len) = self.bytes.len().checked_sub(head + SECTION_HEAD)
            && let Some(head) = self.bytes.get_mut(head..head + SECTION_HEAD)
        {
            // A section beyond 4 GiB is refused by `finish`.
            let len = u32::try_from(len).unwrap_or(u32::MAX);
            head.copy_from_slice(&(u64::from(len) | u64::from(count) << 32).to_le_bytes());
        }
    }
}

impl Drop for RecordEncoder {
    /// The next record is written where this one was.
    fn drop(&mut self) {
        if self.bytes.capacity() <= SCRATCH_MAX {
            SCRATCH.set(std::mem::take(&mut self.bytes));
        }
    }
}

/// Appends a change as bincode writes it: two integers, then lengths and bytes, options behind 00 or 01.
pub fn put_change(out: &mut Vec<u8>, change: ChangeRef<'_>) {
    put_varint(out, change.storage.0.into());
    put_varint(out, change.schema_version.into());
    put_varint(out, change.key.len() as u64);
    out.extend_from_slice(change.key);
    for image in [change.before, change.after] {
        match image {
            None => out.push(0),
            Some(image) => {
                out.push(1);
                put_varint(out, image.len() as u64);
                out.extend_from_slice(image);
            }
        }
    }
}

/// Bytes that [`put_change`] appends.
pub(crate) fn change_len(change: ChangeRef<'_>) -> usize {
    let bytes_len = |bytes: &[u8]| varint_len(bytes.len() as u64) + bytes.len();
    let image_len = |image: Option<&[u8]>| 1 + image.map_or(0, bytes_len);
    varint_len(change.storage.0.into())
        + varint_len(change.schema_version.into())
        + bytes_len(change.key)
        + image_len(change.before)
        + image_len(change.after)
}

/// Appends what [`take_envelope`] reads.
pub(crate) fn put_envelope(
    out: &mut Vec<u8>,
    commit_time_us: i64,
    principal: &str,
) -> Result<(), EncodeError> {
    let envelope = Envelope {
        commit_time_us,
        principal,
    };
    bincode::encode_into_writer(envelope, Appender(out), BINCODE).map_err(|_| EncodeError::TooLarge)
}

/// Sets a record's commit time where it stands, if it takes as many bytes as the one before: as all do from an hour after
/// the beginning of 1970 on. Says whether.
#[must_use]
pub fn set_commit_time(record: &mut [u8], commit_time_us: i64) -> bool {
    let Some((width, rest)) = record
        .get_mut(FLAGS_AT + 1..)
        .and_then(<[u8]>::split_first_mut)
    else {
        return false;
    };
    let zigzag = ((commit_time_us << 1) ^ (commit_time_us >> 63)).cast_unsigned();
    let is_wide = *width == 253 && varint_len(zigzag) == 9;
    match rest.first_chunk_mut::<8>() {
        Some(bytes) if is_wide => *bytes = zigzag.to_le_bytes(),
        _ => return false,
    }
    true
}

const fn varint_len(n: u64) -> usize {
    match n {
        0..251 => 1,
        251..0x1_0000 => 3,
        0x1_0000..0x1_0000_0000 => 5,
        _ => 9,
    }
}

/// Bincode's integers: below 251 one byte; else a byte for the width, then 2, 4 or 8 bytes.
#[inline]
fn put_varint(out: &mut Vec<u8>, n: u64) {
    if n < 251 {
        out.push(n as u8);
    } else if let Ok(n) = u16::try_from(n) {
        out.push(251);
        out.extend_from_slice(&n.to_le_bytes());
    } else if let Ok(n) = u32::try_from(n) {
        out.push(252);
        out.extend_from_slice(&n.to_le_bytes());
    } else {
        out.push(253);
        out.extend_from_slice(&n.to_le_bytes());
    }
}

struct Appender<'v>(&'v mut Vec<u8>);

impl bincode::enc::write::Writer for Appender<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> Result<(), bincode::error::EncodeError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

/// A record read in place.
#[derive(Clone, Copy, Debug)]
pub struct RecordView<'b> {
    commit_time_us: i64,
    principal: &'b str,
    sections: [Option<SectionView<'b>>; 3],
}

impl<'b> RecordView<'b> {
    /// Opens the bytes of a record: reads its envelope and where its sections are.
    ///
    /// # Errors
    /// If the envelope is damaged or of an unknown codec. Damage inside sections is found when they are read.
    pub fn decode(bytes: &'b [u8]) -> Result<Self, DecodeError> {
        let (codec, flags) = match bytes {
            [codec, flags, ..] => (*codec, *flags),
            _ => {
                return Err(DecodeError::Truncated {
                    offset: bytes.len(),
                    expected: "the codec and flags of a record",
                });
            }
        };
        if codec != CODEC_BINCODE {
            return Err(DecodeError::UnknownVersion {
                offset: 0,
                found: codec,
                expected: "record codec",
            });
        }
        if flags > 7 {
            return Err(DecodeError::UnknownVersion {
                offset: FLAGS_AT,
                found: flags,
                expected: "set of record flags",
            });
        }
        let mut at = FLAGS_AT + 1;
        let envelope = take_envelope(bytes, &mut at)?;
        let mut sections = [None; 3];
        for (section, slot) in Section::ALL.into_iter().zip(&mut sections) {
            if flags & section.flag() != 0 {
                *slot = Some(SectionView::open(bytes, &mut at)?);
            }
        }
        if at < bytes.len() {
            return Err(DecodeError::Trailing { offset: at });
        }
        Ok(Self {
            commit_time_us: envelope.commit_time_us,
            principal: envelope.principal,
            sections,
        })
    }

    /// Commit time in microseconds since 1970-01-01 UTC.
    #[must_use]
    pub const fn commit_time_us(&self) -> i64 {
        self.commit_time_us
    }

    /// Who committed; empty for the embedding program.
    #[must_use]
    pub const fn principal(&self) -> &'b str {
        self.principal
    }

    /// A section, if the record has it.
    #[must_use]
    pub const fn section(&self, section: Section) -> Option<SectionView<'b>> {
        let [base, derived, state] = self.sections;
        match section {
            Section::Base => base,
            Section::Derived => derived,
            Section::State => state,
        }
    }

    /// The changes of a section; none if it is absent.
    #[must_use]
    pub fn changes(&self, section: Section) -> Changes<'b> {
        self.section(section)
            .map_or_else(Changes::none, |section| section.iter())
    }

    /// The record with bytes of its own; absent sections come out empty.
    ///
    /// # Errors
    /// If a change is damaged.
    pub fn to_record(&self) -> Result<Record, DecodeError> {
        let owned = |section| {
            self.changes(section)
                .map(|change| change.map(|change| change.to_change()))
                .collect::<Result<Vec<Change>, DecodeError>>()
        };
        Ok(Record {
            commit_time_us: self.commit_time_us,
            principal: self.principal.to_owned(),
            base: owned(Section::Base)?,
            derived: owned(Section::Derived)?,
            state: owned(Section::State)?,
        })
    }
}

/// One section of a record read in place.
#[derive(Clone, Copy, Debug)]
pub struct SectionView<'b> {
    bytes: &'b [u8],
    count: u32,
    base: usize,
}

impl<'b> SectionView<'b> {
    fn open(record: &'b [u8], at: &mut usize) -> Result<Self, DecodeError> {
        let expected = "a section of a record";
        let truncated = DecodeError::Truncated {
            offset: *at,
            expected,
        };
        let rest = record.get(*at..).ok_or(truncated)?;
        let (head, rest) = rest.split_first_chunk::<SECTION_HEAD>().ok_or(truncated)?;
        let head = u64::from_le_bytes(*head);
        let (len, count) = (head as u32, (head >> 32) as u32);
        let bytes = usize::try_from(len)
            .ok()
            .and_then(|len| rest.get(..len))
            .ok_or(truncated)?;
        let base = *at + SECTION_HEAD;
        *at = base + bytes.len();
        Ok(Self { bytes, count, base })
    }

    /// How many changes the section says it has.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether it has none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Its changes in order.
    #[must_use]
    pub const fn iter(&self) -> Changes<'b> {
        Changes {
            bytes: self.bytes,
            at: 0,
            left: self.count,
            base: self.base,
        }
    }
}

impl<'b> IntoIterator for SectionView<'b> {
    type Item = Result<ChangeRef<'b>, DecodeError>;
    type IntoIter = Changes<'b>;
    fn into_iter(self) -> Changes<'b> {
        self.iter()
    }
}

/// The changes of a section, decoded one by one; ends after the first damaged one.
#[derive(Clone, Debug)]
pub struct Changes<'b> {
    bytes: &'b [u8],
    at: usize,
    left: u32,
    base: usize,
}

impl<'b> Changes<'b> {
    const fn none() -> Self {
        Self {
            bytes: &[],
            at: 0,
            left: 0,
            base: 0,
        }
    }

    fn read(&mut self) -> Result<ChangeRef<'b>, DecodeError> {
        let mut reader = Reader::new(self.bytes);
        reader.at = self.at;
        let change = Self::read_from(&mut reader).map_err(|error| error.at(self.base))?;
        if change.before.is_none() && change.after.is_none() {
            return Err(DecodeError::Invalid {
                offset: self.base + self.at,
                expected: "a change with an image",
            });
        }
        self.at = reader.at;
        Ok(change)
    }

    pub(crate) fn read_from(reader: &mut Reader<'b>) -> Result<ChangeRef<'b>, DecodeError> {
        let storage = take_u32(reader, "the storage id of a change")?;
        let schema_version = take_u32(reader, "the schema version of a change")?;
        let key = take_bytes(reader, "the key of a change")?;
        let before = take_image(reader, "the image before a change")?;
        let after = take_image(reader, "the image after a change")?;
        Ok(ChangeRef {
            storage: StorageId(storage),
            schema_version,
            key,
            before,
            after,
        })
    }
}

#[inline]
fn take_varint(reader: &mut Reader<'_>, expected: &'static str) -> Result<u64, DecodeError> {
    Ok(match reader.byte(expected)? {
        251 => u16::from_le_bytes(reader.take(expected)?).into(),
        252 => u32::from_le_bytes(reader.take(expected)?).into(),
        253 => u64::from_le_bytes(reader.take(expected)?),
        254.. => {
            return Err(DecodeError::Invalid {
                offset: reader.at - 1,
                expected,
            });
        }
        small => small.into(),
    })
}

fn take_u32(reader: &mut Reader<'_>, expected: &'static str) -> Result<u32, DecodeError> {
    let offset = reader.at;
    u32::try_from(take_varint(reader, expected)?)
        .map_err(|_| DecodeError::Invalid { offset, expected })
}

fn take_bytes<'b>(
    reader: &mut Reader<'b>,
    expected: &'static str,
) -> Result<&'b [u8], DecodeError> {
    let len = usize::try_from(take_varint(reader, expected)?).unwrap_or(usize::MAX);
    reader.slice(len, expected)
}

fn take_image<'b>(
    reader: &mut Reader<'b>,
    expected: &'static str,
) -> Result<Option<&'b [u8]>, DecodeError> {
    match reader.byte(expected)? {
        0 => Ok(None),
        1 => take_bytes(reader, expected).map(Some),
        _ => Err(DecodeError::Invalid {
            offset: reader.at - 1,
            expected,
        }),
    }
}

impl<'b> Iterator for Changes<'b> {
    type Item = Result<ChangeRef<'b>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            if self.at < self.bytes.len() {
                let offset = self.base + self.at;
                self.at = self.bytes.len();
                return Some(Err(DecodeError::Trailing { offset }));
            }
            return None;
        }
        self.left -= 1;
        let change = self.read();
        if change.is_err() {
            self.left = 0;
            self.at = self.bytes.len();
        }
        Some(change)
    }
}

pub(crate) fn take_envelope<'b>(
    bytes: &'b [u8],
    at: &mut usize,
) -> Result<Envelope<'b>, DecodeError> {
    let expected = "the envelope of a record";
    let rest = bytes.get(*at..).unwrap_or_default();
    match bincode::borrow_decode_from_slice(rest, BINCODE) {
        Ok((envelope, len)) => {
            *at += len;
            Ok(envelope)
        }
        Err(bincode::error::DecodeError::UnexpectedEnd { .. }) => Err(DecodeError::Truncated {
            offset: bytes.len(),
            expected,
        }),
        Err(_) => Err(DecodeError::Invalid {
            offset: *at,
            expected,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(storage: u32, before: Option<&[u8]>, after: Option<&[u8]>) -> Change {
        Change {
            storage: StorageId(storage),
            schema_version: 3,
            key: Key::from(&[1, 2, 3][..]),
            before: before.map(Arc::from),
            after: after.map(Arc::from),
        }
    }

    fn sample() -> Record {
        Record {
            commit_time_us: 1_700_000_000_000_000,
            principal: "ann".into(),
            base: vec![
                change(1, None, Some(b"row")),
                change(300, Some(b"old"), Some(&[7; 300])),
            ],
            derived: vec![],
            state: vec![change(70_000, Some(b""), None)],
        }
    }

    #[test]
    fn a_time_set_in_place_is_the_time_encoded() {
        let encoded = |commit_time_us| {
            let record = sample();
            encode_record(RecordRef {
                commit_time_us,
                ..RecordRef::from(&record)
            })
            .unwrap()
        };
        // An hour is 3.6e9 us: from 2^31 on, and before -2^31, a time takes eight bytes.
        let wide = [1 << 31, 1_700_000_000_000_000, i64::MAX, i64::MIN];
        let narrow = [0, 1, -1, 70_000, (1 << 31) - 1];
        for from in wide.into_iter().chain(narrow) {
            for to in wide.into_iter().chain(narrow) {
                let mut bytes = encoded(from).to_vec();
                if set_commit_time(&mut bytes, to) {
                    assert_eq!(bytes, *encoded(to), "{from} to {to}");
                } else {
                    assert_eq!(bytes, *encoded(from), "{from} to {to}");
                    assert!(narrow.contains(&from) || narrow.contains(&to));
                }
            }
        }
        assert!(!set_commit_time(&mut [], 1 << 40));
        assert!(!set_commit_time(&mut [CODEC_BINCODE, 0, 253, 1], 1 << 40));
    }

    #[test]
    fn records_come_back_and_sections_may_be_absent() {
        let record = sample();
        let bytes = encode_record(RecordRef::from(&record)).unwrap();
        let view = RecordView::decode(&bytes).unwrap();
        assert_eq!(view.to_record().unwrap(), record);
        assert_eq!(view.section(Section::Derived).unwrap().len(), 0);

        let only_base = RecordRef {
            derived: None,
            state: None,
            ..RecordRef::from(&record)
        };
        let bytes = encode_record(only_base).unwrap();
        let view = RecordView::decode(&bytes).unwrap();
        assert!(view.section(Section::State).is_none());
        assert_eq!(view.changes(Section::State).count(), 0);
        assert_eq!(view.changes(Section::Base).count(), 2);
    }

    #[test]
    fn changes_are_what_bincode_makes_of_them() {
        let lens = [0, 1, 250, 251, 252, 65_535, 65_536];
        for (place, len) in lens.into_iter().enumerate() {
            let image = vec![7; len];
            let number = [0, 250, 251, 65_535, 65_536, u32::MAX, 1][place];
            let wire = WireChange {
                storage: number,
                schema_version: number,
                key: &image,
                before: (len % 2 == 0).then_some(&image),
                after: (len != 250).then_some(&image),
            };
            let change = ChangeRef {
                storage: StorageId(wire.storage),
                schema_version: wire.schema_version,
                key: wire.key,
                before: wire.before,
                after: wire.after,
            };
            let slow = bincode::encode_to_vec(&wire, BINCODE).unwrap();
            let mut fast = Vec::new();
            put_change(&mut fast, change);
            assert!(fast == slow, "length {len}");
            assert_eq!(Changes::read_from(&mut Reader::new(&slow)), Ok(change));
            let read: (WireChange<'_>, usize) =
                bincode::borrow_decode_from_slice(&fast, BINCODE).unwrap();
            assert_eq!(read, (wire, fast.len()));
        }
    }

    #[test]
    fn a_record_cut_anywhere_is_an_error() {
        let bytes = encode_record(RecordRef::from(&sample())).unwrap();
        for len in 0..bytes.len() {
            let whole = RecordView::decode(&bytes[..len]).and_then(|view| view.to_record());
            assert!(whole.is_err(), "cut to {len}");
        }
    }

    #[test]
    fn damage_never_panics_and_never_loops() {
        let bytes = encode_record(RecordRef::from(&sample())).unwrap();
        for place in 0..bytes.len() {
            for flip in 1..=255 {
                let mut damaged = bytes.to_vec();
                damaged[place] ^= flip;
                if let Ok(view) = RecordView::decode(&damaged) {
                    for section in Section::ALL {
                        assert!(view.changes(section).count() <= bytes.len());
                    }
                }
            }
        }
    }
}
