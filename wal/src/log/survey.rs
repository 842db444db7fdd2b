//! Reads all that can be read of a log, whatever state it is in, and says where it cannot.
//!
//! It goes on behind damage, where the next whole frame begins, and tells damage from an unconfirmed tail by the
//! rules of `recover`. A record is given piece by piece, and only once it is known to be whole: one in parts is read a
//! second time then. It takes no lock and writes nothing: the log must not be in use. Next door: `scan`.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tailwater_proto::Lsn;

use super::format::{
    BLOCK_BYTES, Epoch, FRAMES_AT, FrameHeader, FrameKind, HeaderFault, PART_BYTES, SegmentHeader,
    can_end, parse_segment_name, seed, split_part,
};
use super::recover::TailCut;
use super::scan::{Passed, Scanner};
use crate::error::{Error, Result};
use crate::vfs::{OpenMode, Vfs, VfsFile};

/// What a survey found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// The database the segments belong to; `None` without a readable segment.
    pub database_id: Option<[u8; 16]>,
    /// The epochs the newest readable segment names, oldest first.
    pub history: Vec<Epoch>,
    /// Segment files, unreadable ones included.
    pub segments: u64,
    /// Records delivered.
    pub records: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
    /// The first record delivered.
    pub first_lsn: Option<Lsn>,
    /// The last record delivered; without any, the one that segments say comes before.
    pub last_lsn: Lsn,
    /// What is damaged, in order.
    pub faults: Vec<Fault>,
    /// A tail that was never confirmed: recovery would cut it.
    pub tail: Option<TailCut>,
}

/// A place where the log cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The segment file.
    pub file: PathBuf,
    /// Where in it.
    pub offset: u64,
    /// The record expected there.
    pub lsn: Lsn,
    /// The records that are gone because of it, first and last.
    pub missing: Option<(Lsn, Lsn)>,
    /// What is wrong.
    pub reason: &'static str,
}

/// Bytes of a record as a survey delivers it: all of it, or a piece of one that is long.
///
/// The pieces of a record follow each other, from byte 0 on, and it is whole: none is of a record that was given up.
#[derive(Clone, Copy, Debug)]
pub struct SurveyedPiece<'a> {
    /// Its number.
    pub lsn: Lsn,
    /// Where in the record the bytes begin.
    pub at: u64,
    /// The bytes, a mebibyte at most.
    pub bytes: &'a [u8],
    /// Whether the record ends with them.
    pub is_last: bool,
    /// The segment file in which the record begins.
    pub file: &'a Path,
    /// Where its frame begins there.
    pub offset: u64,
    /// Faults met before it: its predecessors may be missing.
    pub faults_before: usize,
}

/// Reads every record of the log in `dir` that can be read, oldest first, those that are long piece by piece: nothing of
/// them needs to be in memory.
///
/// # Errors
/// When the file system refuses; damage is in the survey.
pub fn survey(
    vfs: &dyn Vfs,
    dir: &Path,
    on_piece: &mut dyn FnMut(SurveyedPiece<'_>),
) -> Result<Survey> {
    let names = vfs.list(dir).map_err(|e| Error::io("list", dir, e))?;
    let mut files: Vec<_> = names
        .iter()
        .filter_map(|name| Some((parse_segment_name(name)?, dir.join(name))))
        .collect();
    files.sort_unstable_by_key(|((_, number), _)| *number);
    let mut walk = Walk {
        vfs,
        survey: Survey::default(),
        expected: None,
        confirmed: Lsn::ZERO,
        place: None,
        holes: Vec::new(),
        segment: 0,
        last_with_records: 0,
        is_written: false,
        open: None,
        on_piece,
    };
    for (name, path) in files {
        walk.survey.segments += 1;
        walk.segment += 1;
        walk.segment(name, &path)?;
    }
    Ok(walk.finish())
}

/// The epochs of the log in `dir`, as the newest segment that can be read names them; empty without one. The log may be
/// in use.
///
/// # Errors
/// When the file system refuses.
pub fn epoch_history(vfs: &dyn Vfs, dir: &Path) -> Result<Vec<Epoch>> {
    let names = vfs.list(dir).map_err(|e| Error::io("list", dir, e))?;
    let mut segments: Vec<_> = names
        .iter()
        .filter_map(|name| Some((parse_segment_name(name)?.1, name)))
        .collect();
    segments.sort_unstable();
    for (_, name) in segments.into_iter().rev() {
        let path = dir.join(name);
        // It may have been released meanwhile.
        if let Ok(Some((block, _))) = open(vfs, &path)
            && let Ok(header) = SegmentHeader::decode(&block)
        {
            return Ok(header.history);
        }
    }
    Ok(Vec::new())
}

struct Walk<'w> {
    vfs: &'w dyn Vfs,
    survey: Survey,
    /// The record to come; `None` until something says.
    expected: Option<Lsn>,
    /// The highest LSN that anything says to be durable.
    confirmed: Lsn,
    /// Where frames ended last.
    place: Option<(PathBuf, u64)>,
    /// The segment of each fault.
    holes: Vec<u64>,
    segment: u64,
    last_with_records: u64,
    /// Something is behind the last frame.
    is_written: bool,
    /// The record whose parts are being read.
    open: Option<Open>,
    on_piece: &'w mut dyn FnMut(SurveyedPiece<'_>),
}

/// A record of which some parts have been met.
#[derive(Clone, Debug)]
struct Open {
    lsn: Lsn,
    codec: u8,
    /// Bytes of the parts so far.
    len: u64,
    /// The segments with parts of it, in order, each with the seed of its checksums.
    segments: Vec<(PathBuf, u32)>,
    /// Where the first of those parts begins.
    offset: u64,
    /// Whether that is the record's beginning; if not it may have been released.
    is_whole: bool,
}

impl Open {
    /// Whether the frame, whose part begins at byte `at`, holds the next part.
    fn continues(&self, header: &FrameHeader, at: Option<u64>) -> bool {
        let is_later = matches!(header.kind, FrameKind::Chunk | FrameKind::Commit);
        is_later && (header.lsn, header.codec) == (self.lsn, self.codec) && at == Some(self.len)
    }

    /// Takes the part that continues it.
    fn add(&mut self, header: &FrameHeader, segment: &Place<'_>) {
        self.len += u64::from(header.len).saturating_sub(PART_BYTES as u64);
        if self
            .segments
            .last()
            .is_none_or(|(path, _)| path != segment.path)
        {
            self.segments.push((segment.path.to_owned(), segment.seed));
        }
    }
}

/// A frame's place.
#[derive(Clone, Copy, Debug)]
struct Place<'p> {
    path: &'p Path,
    seed: u32,
    offset: u64,
}

impl Walk<'_> {
    fn expected(&self) -> Lsn {
        self.expected.unwrap_or(Lsn(1))
    }

    fn fault(&mut self, place: (PathBuf, u64), missing: Option<(Lsn, Lsn)>, reason: &'static str) {
        let (file, offset) = place;
        self.holes.push(self.segment);
        self.survey.faults.push(Fault {
            file,
            offset,
            lsn: self.expected(),
            missing,
            reason,
        });
    }

    fn segment(&mut self, name: (u32, u64), path: &Path) -> Result<()> {
        let opened = open(self.vfs, path).map_err(|e| Error::io("read", path, e))?;
        let Some((header, file)) = self.header(name, path, opened) else {
            return Ok(());
        };
        self.confirmed = self.confirmed.max(header.after_lsn);
        self.survey.database_id = Some(header.database_id);
        if !header.history.is_empty() {
            self.survey.history = header.history;
        }
        if self.expected.is_none() && header.after_lsn > Lsn::ZERO {
            // What comes before may have been released; what comes next is a record after it.
            self.survey.last_lsn = header.after_lsn;
        }
        let seed = seed(header.salt);
        let scanner = Scanner::new(file, seed);
        scanner
            .and_then(|scanner| self.frames(path, seed, scanner, header.recycled))
            .map_err(|e| Error::io("read", path, e))?;
        // No segment before it, no record in it: it tells where the log stands.
        self.expected.get_or_insert(header.after_lsn.next());
        Ok(())
    }

    fn header(
        &mut self,
        name: (u32, u64),
        path: &Path,
        opened: Option<Opened>,
    ) -> Option<(SegmentHeader, Arc<dyn VfsFile>)> {
        let decoded = opened.map(|(block, file)| (SegmentHeader::decode(&block), file));
        let reason = match decoded {
            Some((Ok(header), file)) => {
                if (header.epoch, header.segment_no) != name {
                    "the header belongs to another file"
                } else if self
                    .survey
                    .database_id
                    .is_some_and(|id| id != header.database_id)
                {
                    "the segment belongs to another database"
                } else {
                    return Some((header, file));
                }
            }
            Some((Err(HeaderFault::NewerVersion), _)) => "the segment is of a newer version",
            Some((Err(HeaderFault::Damaged), _)) | None => "the segment header is wrong",
        };
        self.fault((path.to_owned(), 0), None, reason);
        None
    }

    fn frames(
        &mut self,
        path: &Path,
        seed: u32,
        mut scanner: Scanner,
        recycled: bool,
    ) -> io::Result<()> {
        loop {
            match scanner.pass()? {
                Passed::Frame { header, offset } => {
                    let place = Place { path, seed, offset };
                    self.frame(&mut scanner, place, &header)?;
                }
                Passed::End(end) => {
                    let remains = scanner.remains(end)?;
                    self.confirmed = self.confirmed.max(remains.durable_lsn);
                    self.place = Some((path.to_owned(), end.offset));
                    self.is_written = remains.groups > 0 || (remains.written && !recycled);
                    let noted = self.survey.faults.len();
                    if !scanner.resume_behind(end)? {
                        return Ok(());
                    }
                    if noted == self.survey.faults.len() {
                        let reason = "bytes between records are not what was written";
                        self.fault((path.to_owned(), end.offset), None, reason);
                    }
                }
            }
        }
    }

    fn frame(
        &mut self,
        scanner: &mut Scanner,
        place: Place<'_>,
        header: &FrameHeader,
    ) -> io::Result<()> {
        self.confirmed = self.confirmed.max(header.durable_lsn);
        self.is_written = false;
        let open = self.open.take();
        if header.kind == FrameKind::Noop {
            return Ok(());
        }
        if header.kind == FrameKind::Record {
            if self.note_record(place, header.lsn, u64::from(header.len)) {
                self.give(scanner, place, header, None)?;
            }
            return Ok(());
        }
        let at = part_at(scanner, place.offset, header)?;
        let begun = |from| Open {
            lsn: header.lsn,
            codec: header.codec,
            len: from,
            segments: Vec::new(),
            offset: place.offset,
            is_whole: header.kind == FrameKind::Begin,
        };
        let open = match (header.kind, open) {
            (FrameKind::Begin, _) => at.filter(|at| *at == 0).map(begun),
            (_, Some(open)) if open.continues(header, at) => Some(open),
            // Its beginning may have been released.
            _ if self.expected.is_none() => at.map(begun),
            // Its beginning cannot be read, which the next record tells.
            _ => None,
        };
        let Some(mut open) = open else {
            return Ok(());
        };
        open.add(header, &place);
        if header.kind != FrameKind::Commit {
            self.open = Some(open);
        } else if !open.is_whole {
            self.expected = Some(header.lsn.next());
        } else if let Some((path, seed)) = open.segments.first() {
            let (path, seed, offset) = (&**path, *seed, open.offset);
            if self.note_record(Place { path, seed, offset }, open.lsn, open.len) {
                self.give_parts(&open)?;
            }
        }
        Ok(())
    }

    /// Takes note of a whole record; says whether it is to be given.
    fn note_record(&mut self, place: Place<'_>, lsn: Lsn, len: u64) -> bool {
        let Place { path, offset, .. } = place;
        if let Some(expected) = self.expected
            && lsn != expected
        {
            if lsn < expected {
                let place = (path.to_owned(), offset);
                self.fault(place, None, "a record is out of order");
                return false;
            }
            let missing = Some((expected, Lsn(lsn.0 - 1)));
            match self.survey.faults.last_mut() {
                // The hole was met already; now it is known how large it is.
                Some(fault) if fault.lsn == expected && fault.missing.is_none() => {
                    fault.missing = missing;
                    fault.reason = "records cannot be read";
                }
                _ => {
                    let place = self.place.clone();
                    let place = place.unwrap_or_else(|| (path.to_owned(), offset));
                    self.fault(place, missing, "records are missing");
                }
            }
        }
        self.survey.first_lsn.get_or_insert(lsn);
        self.survey.last_lsn = lsn;
        self.survey.records += 1;
        self.survey.bytes += len;
        self.expected = Some(lsn.next());
        self.last_with_records = self.segment;
        true
    }

    /// Gives the payload of a frame, piece by piece: a record, or the part of the record `of` that begins at its byte `at`.
    fn give(
        &mut self,
        scanner: &mut Scanner,
        place: Place<'_>,
        header: &FrameHeader,
        of: Option<(Place<'_>, u64)>,
    ) -> io::Result<()> {
        let ends = matches!(header.kind, FrameKind::Record | FrameKind::Commit);
        let (begin, at) = of.unwrap_or((place, 0));
        let head = if of.is_some() { PART_BYTES } else { 0 };
        let mut from = head;
        loop {
            let bytes = scanner.piece(place.offset, header, from)?;
            let next = from + bytes.len();
            let is_over = bytes.is_empty() || next >= header.len as usize;
            (self.on_piece)(SurveyedPiece {
                lsn: header.lsn,
                at: at + (from - head) as u64,
                bytes,
                is_last: ends && is_over,
                file: begin.path,
                offset: begin.offset,
                faults_before: self.survey.faults.len(),
            });
            if is_over {
                return Ok(());
            }
            from = next;
        }
    }

    /// Reads a record in parts once more, from its beginning, and gives it.
    fn give_parts(&mut self, open: &Open) -> io::Result<()> {
        let mut given = 0;
        let mut begin = None;
        for (path, seed) in &open.segments {
            let file = self.vfs.open(path, OpenMode::Read)?;
            let mut scanner = Scanner::new(file, *seed)?;
            scanner.go_to(if begin.is_none() {
                open.offset
            } else {
                FRAMES_AT
            });
            loop {
                let (header, offset) = match scanner.pass()? {
                    Passed::Frame { header, offset } => (header, offset),
                    Passed::End(end) if scanner.resume_behind(end)? => continue,
                    Passed::End(_) => break,
                };
                let (path, seed) = (&**path, *seed);
                let place = Place { path, seed, offset };
                let at = part_at(&mut scanner, offset, &header)?;
                if header.lsn != open.lsn || at != Some(given) {
                    return Err(changed());
                }
                let begin = *begin.get_or_insert(place);
                self.give(&mut scanner, place, &header, Some((begin, given)))?;
                given += u64::from(header.len).saturating_sub(PART_BYTES as u64);
                if header.kind == FrameKind::Commit {
                    return Ok(());
                }
            }
        }
        Err(changed())
    }

    /// Tells an unconfirmed tail from damage.
    fn finish(mut self) -> Survey {
        if let Some(open) = self.open.take() {
            // Parts of a record that has no end.
            self.is_written = true;
            let file = open.segments.into_iter().next();
            self.place = file.map(|(file, _)| (file, open.offset)).or(self.place);
        }
        let expected = self.expected();
        let last_with_records = self.last_with_records;
        let confirmed = self.confirmed;
        let torn = self
            .survey
            .faults
            .iter()
            .zip(&self.holes)
            .position(|(fault, segment)| {
                fault.offset > 0 && fault.lsn > confirmed && *segment >= last_with_records
            });
        if let Some(torn) = torn {
            let faults = self.survey.faults.split_off(torn);
            self.survey.tail = faults.into_iter().next().map(|fault| TailCut {
                lsn: fault.lsn,
                file: fault.file,
                offset: fault.offset,
            });
            return self.survey;
        }
        let Some((file, offset)) = self.place.clone() else {
            return self.survey;
        };
        if confirmed >= expected {
            let reason = "records cannot be read that a later place confirms";
            let missing = Some((expected, confirmed));
            match self.survey.faults.last_mut() {
                Some(fault) if fault.lsn == expected && fault.missing.is_none() => {
                    fault.missing = missing;
                    fault.reason = reason;
                }
                _ => self.fault((file, offset), missing, reason),
            }
        } else if self.is_written {
            self.survey.tail = Some(TailCut {
                lsn: expected,
                file,
                offset,
            });
        }
        self.survey
    }
}

/// Where in its record the part in the frame at `offset` begins; `None` if it is none.
fn part_at(scanner: &mut Scanner, offset: u64, header: &FrameHeader) -> io::Result<Option<u64>> {
    let head = scanner.piece(offset, header, 0)?;
    let at = split_part(head).map(|(at, _)| at);
    Ok(at.filter(|at| can_end(*at, u64::from(header.len))))
}

/// What was read a moment ago is not there any more.
fn changed() -> io::Error {
    io::Error::other("the log was changed while it was read")
}

/// The header's block and the file.
type Opened = (Vec<u8>, Arc<dyn VfsFile>);

/// Opens a segment; `None` if it is shorter than its header.
fn open(vfs: &dyn Vfs, path: &Path) -> io::Result<Option<Opened>> {
    let file = vfs.open(path, OpenMode::Read)?;
    if file.len()? < BLOCK_BYTES as u64 {
        return Ok(None);
    }
    let mut block = vec![0; BLOCK_BYTES];
    file.read_exact_at(&mut block, 0)?;
    Ok(Some((block, file)))
}
