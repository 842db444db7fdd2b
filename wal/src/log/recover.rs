//! Finds the end of the log after a crash and delivers what the storage has not applied.
//!
//! Damage in what was confirmed (by a later frame, a later segment or the storage) is an error that names file
//! and byte; an unconfirmed tail is cut and reported. Nothing is changed before the whole log has been read; only what is
//! read is made durable first. Then a fresh segment is opened, in a new epoch if anything may be gone that was shown to
//! somebody. Next door: `settle`, `scan`.

use std::collections::VecDeque;
use std::error::Error as StdError;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tailwater_proto::Lsn;

use super::assembly::Assembly;
use super::format::{
    BLOCK_BYTES, Epoch, FRAMES_AT, FrameHeader, FrameKind, HeaderFault, SegmentHeader, frame_len,
    parse_segment_name, split_part,
};
use super::output::Output;
use super::pool::{Pool, now_unix_ms};
use super::scan::{End, Remains, Scanner, Step};
use super::segment::Segment;
use super::settle;
use super::slots::Slots;
use super::writer::{DurableHook, Log};
use crate::error::{Error, Result};
use crate::mutant;
use crate::settings::Settings;
use crate::vfs::{OpenMode, Vfs};

/// What a recovery found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoveryReport {
    /// Records delivered.
    pub records: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
    /// The last record of the log, delivered or not.
    pub last_lsn: Lsn,
    /// What was cut off behind it.
    pub tail_cut: Option<TailCut>,
    /// The epoch in which the log goes on.
    pub epoch: u32,
}

/// An unconfirmed tail that was cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TailCut {
    /// The first record that is gone, if it ever was one.
    pub lsn: Lsn,
    /// The segment file.
    pub file: PathBuf,
    /// From where on.
    pub offset: u64,
}

/// Receives the records, in order.
pub type OnRecord<'a> =
    &'a mut dyn FnMut(Lsn, &[u8]) -> std::result::Result<(), Box<dyn StdError + Send + Sync>>;

/// Why whoever replays refuses a record.
pub type Refusal = Box<dyn StdError + Send + Sync>;

/// Receives the records, in order, those in parts part by part: nothing long needs to be in memory.
///
/// # Contract
/// Parts of one record follow each other, from byte 0 on; they count once `complete` says so. A record, or a part from
/// byte 0 on, makes parts before it void that were not completed, and so does the end of the log.
pub trait Replay {
    /// A record that is not in parts.
    ///
    /// # Errors
    /// When it cannot be applied: recovery fails with [`Error::Replay`].
    fn record(&mut self, lsn: Lsn, payload: &[u8]) -> std::result::Result<(), Refusal>;

    /// The bytes of a record from `at` on.
    ///
    /// # Errors
    /// As [`record`](Self::record).
    fn part(&mut self, lsn: Lsn, at: u64, bytes: &[u8]) -> std::result::Result<(), Refusal>;

    /// The parts given are the record.
    ///
    /// # Errors
    /// As [`record`](Self::record).
    fn complete(&mut self, lsn: Lsn) -> std::result::Result<(), Refusal>;
}

/// Gives records in parts as a whole.
pub(crate) struct Whole<'a> {
    pub(crate) on_record: OnRecord<'a>,
    pub(crate) bytes: Vec<u8>,
}

impl Replay for Whole<'_> {
    fn record(&mut self, lsn: Lsn, payload: &[u8]) -> std::result::Result<(), Refusal> {
        (self.on_record)(lsn, payload)
    }

    fn part(&mut self, _: Lsn, at: u64, bytes: &[u8]) -> std::result::Result<(), Refusal> {
        if at == 0 {
            self.bytes.clear();
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn complete(&mut self, lsn: Lsn) -> std::result::Result<(), Refusal> {
        (self.on_record)(lsn, &std::mem::take(&mut self.bytes))
    }
}

pub(crate) fn recover(
    vfs: Arc<dyn Vfs>,
    dir: &Path,
    settings: Settings,
    database_id: [u8; 16],
    applied: Lsn,
    replay: &mut dyn Replay,
    on_durable: DurableHook,
) -> Result<(Log, RecoveryReport)> {
    let names = vfs.list(dir).map_err(|e| Error::io("list", dir, e))?;
    let slots = Slots::load(Arc::clone(&vfs), dir)?;
    let segments = open_segments(vfs.as_ref(), dir, &names, database_id)?;
    let next_segment_no = segments
        .last()
        .map_or(1, |s| s.header.segment_no.saturating_add(1));
    let history = segments
        .last()
        .map_or_else(Vec::new, |s| s.header.history.clone());
    let mut history = if history.is_empty() {
        first_epoch()
    } else {
        history
    };
    let was_lazy = segments.last().is_some_and(|segment| segment.header.lazy);

    if !mutant::is("trust_unsynced_tail") {
        settle::tail(&segments)?;
    }
    let mut walk = Walk::new(applied, &settings, replay);
    for number in 0..segments.len() {
        walk.segment(&segments, number)?;
    }
    let tail_cut = walk.judge_tail(&segments)?;
    let last_lsn = walk.last_lsn();
    if was_lazy || tail_cut.is_some() {
        // Records may be gone that somebody was shown: who got as far must not take those that get their numbers now
        // for them. The fresh segment says so from its first byte on; until it is there, the old one does.
        history.push(Epoch {
            number: history.last().map_or(1, |epoch| epoch.number) + 1,
            first_lsn: last_lsn.next(),
        });
    }
    let epoch = history.last().map_or(1, |epoch| epoch.number);
    slots.clamp(last_lsn);
    let report = RecoveryReport {
        records: walk.records,
        bytes: walk.bytes,
        last_lsn,
        tail_cut,
        epoch,
    };
    let end = walk.tail.first().map(|part| walk.cut_at(part));

    let (mut kept, empty): (Vec<_>, Vec<_>) = segments
        .into_iter()
        .partition(|segment| segment.last_lsn().is_some());
    let pool = Pool::new(
        vfs,
        dir,
        database_id,
        settings.clone(),
        next_segment_no,
        history,
    );
    pool.adopt(&names)?;
    let active = pool.take(last_lsn)?;
    // Only now: an empty segment may have been the one that told where the log stands. Newest first, and before the cut:
    // else, after a crash in between, parts of a record would stand there without those before them.
    for segment in empty.into_iter().rev() {
        pool.recycle(Arc::new(segment))?;
    }
    if let (Some(last), Some(end)) = (kept.last(), end) {
        last.publish_end(end.min(last.end()));
        let cut = last.file.set_len(end).and_then(|()| last.file.sync_data());
        cut.map_err(|e| last.failed("cut", e))?;
    }
    seal_all(&mut kept);
    let mut retained: VecDeque<_> = kept.into_iter().map(Arc::new).collect();
    retained.push_back(Arc::clone(&active));
    let output = Output::new(active);
    let log = Log::new(
        dir.to_owned(),
        settings,
        pool,
        slots,
        retained,
        output,
        last_lsn,
        on_durable,
    );
    Ok((log, report))
}

fn first_epoch() -> Vec<Epoch> {
    vec![Epoch {
        number: 1,
        first_lsn: Lsn(1),
    }]
}

/// A segment is as old as its successor's beginning.
fn seal_all(segments: &mut [Segment]) {
    let mut sealed_at = now_unix_ms();
    for segment in segments.iter_mut().rev() {
        segment.seal(sealed_at);
        sealed_at = segment.header.created_unix_ms;
    }
}

fn open_segments(
    vfs: &dyn Vfs,
    dir: &Path,
    names: &[String],
    database_id: [u8; 16],
) -> Result<Vec<Segment>> {
    let mut segments = Vec::new();
    for name in names {
        let Some((epoch, number)) = parse_segment_name(name) else {
            continue;
        };
        let segment = open_segment(vfs, dir.join(name), database_id)?;
        if (segment.header.epoch, segment.header.segment_no) != (epoch, number) {
            return Err(segment.damaged(0, Lsn::ZERO, "the header belongs to another file"));
        }
        segments.push(segment);
    }
    segments.sort_unstable_by_key(|segment| segment.header.segment_no);
    for pair in segments.windows(2) {
        if let [before, after] = pair
            && before.header.epoch > after.header.epoch
        {
            return Err(after.damaged(0, Lsn::ZERO, "an older epoch follows a newer one"));
        }
    }
    Ok(segments)
}

fn open_segment(vfs: &dyn Vfs, path: PathBuf, database_id: [u8; 16]) -> Result<Segment> {
    let opened = vfs
        .open(&path, OpenMode::ReadWrite)
        .and_then(|file| Ok((file.len()?, file)));
    let (len, file) = opened.map_err(|e| Error::io("open", &path, e))?;
    let damaged = |path: PathBuf| Error::Damaged {
        file: path,
        offset: 0,
        lsn: Lsn::ZERO,
        reason: "the segment header is wrong",
    };
    if len < FRAMES_AT {
        return Err(damaged(path));
    }
    let mut block = vec![0; BLOCK_BYTES];
    file.read_exact_at(&mut block, 0)
        .map_err(|e| Error::io("read", &path, e))?;
    match SegmentHeader::decode(&block) {
        Err(HeaderFault::Damaged) => Err(damaged(path)),
        Err(HeaderFault::NewerVersion) => Err(Error::Unsupported {
            file: path,
            what: "the format of the segment",
        }),
        Ok(header) if header.database_id != database_id => Err(Error::Foreign { file: path }),
        Ok(header) => Ok(Segment::new(path, file, header, len)),
    }
}

/// The walk over all segments.
struct Walk<'a> {
    applied: Lsn,
    payload_codec: u8,
    replay: &'a mut dyn Replay,
    /// The record to come; `None` before the first segment.
    expected: Option<Lsn>,
    /// The highest LSN that anything says to be durable.
    confirmed: Lsn,
    records: u64,
    bytes: u64,
    /// A record has been read, whether it was applied or not.
    has_records: bool,
    /// The record of which the last part is still to come.
    open: Option<Open>,
    /// Where the last segment with records ends, and the segments without any behind it.
    tail: Vec<TailPart>,
}

/// A record in parts that is being read.
struct Open {
    assembly: Assembly,
    /// Where it begins: the segment's place in the list, the offset there. `None` when that has been released.
    begin: Option<(usize, u64)>,
    /// The segments with parts of it, as places in the list.
    segments: Vec<usize>,
}

/// A record that is whole.
enum Delivery<'p> {
    Record(&'p [u8]),
    /// Its parts have been handed out: so many bytes.
    Parts(u64),
    /// Its beginning has been released.
    Remains,
}

struct TailPart {
    /// The segment's place in the list.
    number: usize,
    /// The record of which it has parts.
    parts_of: Option<Lsn>,
    scanner: Scanner,
    end: End,
    path: PathBuf,
    recycled: bool,
}

impl<'a> Walk<'a> {
    fn new(applied: Lsn, settings: &Settings, replay: &'a mut dyn Replay) -> Self {
        Self {
            applied,
            payload_codec: settings.payload_codec,
            replay,
            expected: None,
            confirmed: Lsn::ZERO,
            records: 0,
            bytes: 0,
            has_records: false,
            open: None,
            tail: Vec::new(),
        }
    }

    fn expected(&self) -> Lsn {
        self.expected.unwrap_or(Lsn(1))
    }

    fn last_lsn(&self) -> Lsn {
        Lsn(self.expected().0.saturating_sub(1))
    }

    fn segment(&mut self, segments: &[Segment], number: usize) -> Result<()> {
        let Some(segment) = segments.get(number) else {
            return Ok(());
        };
        self.confirmed = self.confirmed.max(segment.header.after_lsn);
        let file = Arc::clone(&segment.file);
        let scanner = Scanner::new(file, segment.seed);
        let mut scanner = scanner.map_err(|e| segment.failed("read", e))?;
        let (mut is_first, mut parts_of) = (true, None);
        let end = loop {
            match scanner.step().map_err(|e| segment.failed("read", e))? {
                Step::End(end) => break end,
                Step::Frame {
                    header,
                    offset,
                    payload,
                } => {
                    let after = offset + frame_len(payload.len()) as u64;
                    if header.kind == FrameKind::Noop {
                        // Nothing of a record is under way when one is written.
                        self.open = None;
                        segment.publish_end(after);
                    } else if self.fits(segment, &header, payload, is_first)? {
                        if header.codec > self.payload_codec {
                            return Err(unsupported(segment, "the encoding of a record"));
                        }
                        is_first = false;
                        if header.kind != FrameKind::Record {
                            parts_of = Some(header.lsn);
                        }
                        self.take(segments, number, &header, offset, payload)?;
                        segment.publish_end(after);
                    } else {
                        break End {
                            offset,
                            torn: Some(header),
                        };
                    }
                    self.confirmed = self.confirmed.max(header.durable_lsn);
                }
            }
        };
        if self.expected.is_none() {
            // No segment before it, no record in it: it tells where the log stands.
            self.expected = Some(segment.header.after_lsn.next());
        }
        if segment.last_lsn().is_some() {
            // Parts of a record that was given up stay where parts of it in a later segment follow them.
            for part in self.tail.drain(..) {
                let kept = segments.get(part.number);
                if let Some(kept) = kept.filter(|kept| kept.last_lsn().is_none()) {
                    kept.publish(None, part.parts_of, FRAMES_AT, part.end.offset);
                }
            }
        }
        self.tail.push(TailPart {
            number,
            parts_of,
            scanner,
            end,
            path: segment.path.clone(),
            recycled: segment.header.recycled,
        });
        Ok(())
    }

    /// Whether the frame goes on where the one before ended. `is_first`: nothing but NOOPs before it in its segment.
    fn fits(
        &mut self,
        segment: &Segment,
        header: &FrameHeader,
        payload: &[u8],
        is_first: bool,
    ) -> Result<bool> {
        let lsn = header.lsn;
        if lsn <= segment.header.after_lsn && is_first {
            return Err(segment.damaged(FRAMES_AT, lsn, "the first record is out of order"));
        }
        let is_next = self.expected.is_none_or(|expected| expected == lsn);
        let fits = match (header.kind, &self.open) {
            (FrameKind::Record, _) => is_next,
            (FrameKind::Begin, _) => is_next && Assembly::begin(header, payload, 0).is_some(),
            (_, Some(open)) => open.assembly.continues(header, payload),
            // The beginning has been released with the segment it was in.
            (_, None) => self.expected.is_none() && Assembly::resume(header, payload).is_some(),
        };
        if fits || !is_first || self.expected.is_none() {
            return Ok(fits);
        }
        // A later segment is begun only when all before it is durable.
        let expected = self.expected();
        match self.damaged_place()? {
            Some(part) => Err(Error::Damaged {
                file: part.path.clone(),
                offset: part.end.offset,
                lsn: expected,
                reason: "records that a later segment builds on cannot be read",
            }),
            None => Err(segment.damaged(FRAMES_AT, lsn, "the first record is out of order")),
        }
    }

    /// Takes a record, or a part of one, that fits.
    fn take(
        &mut self,
        segments: &[Segment],
        number: usize,
        header: &FrameHeader,
        offset: u64,
        payload: &[u8],
    ) -> Result<()> {
        let lsn = header.lsn;
        let open = self.open.take();
        let begins = matches!(header.kind, FrameKind::Record | FrameKind::Begin);
        self.expected = Some(lsn);
        match (header.kind, open) {
            (FrameKind::Record, _) => {
                publish(segments, number, Some(lsn), lsn, offset);
                return self.deliver(lsn, Delivery::Record(payload));
            }
            (FrameKind::Begin, _) => {
                self.give_part(lsn, payload)?;
                self.open = Assembly::begin(header, payload, 0).map(|assembly| Open {
                    assembly,
                    begin: Some((number, offset)),
                    segments: vec![number],
                });
            }
            (_, None) => {
                self.open = Assembly::resume(header, payload).map(|assembly| Open {
                    assembly,
                    begin: None,
                    segments: vec![number],
                });
            }
            (_, open) => self.open = open,
        }
        if begins {
            return Ok(());
        }
        let Some(mut open) = self.open.take() else {
            return Ok(());
        };
        if open.begin.is_some() {
            self.give_part(lsn, payload)?;
        }
        open.assembly.add(payload);
        if open.segments.last() != Some(&number) {
            open.segments.push(number);
        }
        if header.kind != FrameKind::Commit {
            self.open = Some(open);
            return Ok(());
        }
        for place in open.segments {
            let begin = open.begin.filter(|(begun_in, _)| *begun_in == place);
            let offset = begin.map_or(FRAMES_AT, |(_, offset)| offset);
            publish(segments, place, begin.map(|_| lsn), lsn, offset);
        }
        let delivery = match open.begin {
            Some(_) => Delivery::Parts(open.assembly.len()),
            None => Delivery::Remains,
        };
        self.deliver(lsn, delivery)
    }

    /// Hands out a part, if the storage has not applied its record.
    fn give_part(&mut self, lsn: Lsn, payload: &[u8]) -> Result<()> {
        match split_part(payload) {
            Some((at, part)) if lsn > self.applied => self
                .replay
                .part(lsn, at, part)
                .map_err(|source| Error::Replay { lsn, source }),
            _ => Ok(()),
        }
    }

    /// A record is whole.
    fn deliver(&mut self, lsn: Lsn, delivery: Delivery<'_>) -> Result<()> {
        self.expected = Some(lsn.next());
        // The first record decides, not what is left of one before it, which may have been given up.
        let first = match delivery {
            Delivery::Record(_) | Delivery::Parts(_) => lsn,
            Delivery::Remains => lsn.next(),
        };
        if !self.has_records && lsn > self.applied && first > self.applied.next() {
            return Err(Error::Gap {
                applied: self.applied,
                found: first,
            });
        }
        self.has_records = true;
        if lsn <= self.applied {
            return Ok(());
        }
        let (bytes, applied) = match delivery {
            Delivery::Record(payload) => (payload.len() as u64, self.replay.record(lsn, payload)),
            Delivery::Parts(len) => (len, self.replay.complete(lsn)),
            Delivery::Remains => return Ok(()),
        };
        applied.map_err(|source| Error::Replay { lsn, source })?;
        self.records += 1;
        self.bytes += bytes;
        Ok(())
    }

    /// Where something cannot be read: behind the last frame of a record, at the first place that looks torn.
    fn damaged_place(&mut self) -> Result<Option<&TailPart>> {
        let last = self.tail.iter().rposition(|part| part.parts_of.is_some());
        let last = last.unwrap_or(0);
        let mut found = last;
        let expected = self.expected();
        for (place, part) in self.tail.iter_mut().enumerate().skip(last) {
            let remains = part.scanner.remains(part.end);
            let remains = remains.map_err(|e| Error::io("read", part.path.as_path(), e))?;
            if remains.is_torn(part.end, part.recycled, expected) {
                found = place;
                break;
            }
        }
        Ok(self.tail.get(found))
    }

    /// Where a file is cut: before a record that is not whole.
    fn cut_at(&self, part: &TailPart) -> u64 {
        match self.open.as_ref().and_then(|open| open.begin) {
            Some((number, offset)) if number == part.number => offset,
            _ => part.end.offset,
        }
    }

    /// Tells a torn tail from damage.
    fn judge_tail(&mut self, segments: &[Segment]) -> Result<Option<TailCut>> {
        let mut was_torn = false;
        let expected = self.expected();
        for part in &mut self.tail {
            let remains: Remains = part
                .scanner
                .remains(part.end)
                .map_err(|e| Error::io("read", part.path.as_path(), e))?;
            let torn = part.end.torn.map_or(Lsn::ZERO, |torn| torn.durable_lsn);
            self.confirmed = self.confirmed.max(remains.durable_lsn).max(torn);
            was_torn |= remains.is_torn(part.end, part.recycled, expected);
        }
        was_torn |= self.open.is_some();
        if self.tail.is_empty() {
            return self.judge_empty().map(|()| None);
        }
        let reason = if mutant::is("cut_what_was_confirmed") {
            None
        } else if self.confirmed >= expected {
            Some("a record cannot be read that a later frame confirms")
        } else if self.applied < expected {
            None
        } else if was_torn {
            Some("a record cannot be read that the storage has applied")
        } else {
            return Err(Error::Lost {
                applied: self.applied,
                last: self.last_lsn(),
            });
        };
        if let (Some(reason), Some(part)) = (reason, self.damaged_place()?) {
            return Err(Error::Damaged {
                file: part.path.clone(),
                offset: part.end.offset,
                lsn: expected,
                reason,
            });
        }
        let has_records = segments.iter().any(|segment| segment.last_lsn().is_some());
        if !has_records && self.last_lsn() > self.applied {
            return Err(Error::Gap {
                applied: self.applied,
                found: expected,
            });
        }
        let begin = self.open.as_ref().and_then(|open| open.begin);
        let begin = begin.and_then(|(number, offset)| Some((segments.get(number)?, offset)));
        let place = match begin {
            Some((segment, offset)) => Some((&segment.path, offset)),
            None => self.tail.first().map(|part| (&part.path, part.end.offset)),
        };
        let cut = place.map(|(file, offset)| TailCut {
            lsn: expected,
            file: file.clone(),
            offset,
        });
        Ok(cut.filter(|_| was_torn))
    }

    /// There is no segment at all: a new database, or a lost log.
    fn judge_empty(&self) -> Result<()> {
        if self.applied > Lsn::ZERO {
            return Err(Error::Lost {
                applied: self.applied,
                last: Lsn::ZERO,
            });
        }
        Ok(())
    }
}

/// Says that there is something of a record in a segment, and whether it begins there.
fn publish(segments: &[Segment], number: usize, first: Option<Lsn>, last: Lsn, offset: u64) {
    if let Some(segment) = segments.get(number) {
        segment.publish(first, Some(last), offset, segment.end().max(offset));
    }
}

fn unsupported(segment: &Segment, what: &'static str) -> Error {
    Error::Unsupported {
        file: segment.path.clone(),
        what,
    }
}
