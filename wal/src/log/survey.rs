//! Reads all that can be read of a log, whatever state it is in, and says where it cannot.
//!
//! It goes on behind damage, where the next whole frame begins, and tells damage from an unconfirmed tail by the
//! rules of `recover`. It takes no lock and writes nothing: the log must not be in use. Next door: `scan`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tailwater_proto::Lsn;

use super::assembly::Assembly;
use super::format::{
    BLOCK_BYTES, Epoch, FrameHeader, FrameKind, HeaderFault, SegmentHeader, parse_segment_name,
    seed,
};
use super::recover::TailCut;
use super::scan::{Scanner, Step};
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

/// A record as a survey delivers it.
#[derive(Clone, Copy, Debug)]
pub struct SurveyedRecord<'a> {
    /// Its number.
    pub lsn: Lsn,
    /// What it holds.
    pub payload: &'a [u8],
    /// The segment file.
    pub file: &'a Path,
    /// Where its frame begins.
    pub offset: u64,
    /// Faults met before it: its predecessors may be missing.
    pub faults_before: usize,
}

/// Reads every record of the log in `dir` that can be read, oldest first.
///
/// # Errors
/// When the file system refuses; damage is in the survey.
pub fn survey(
    vfs: &dyn Vfs,
    dir: &Path,
    on_record: &mut dyn FnMut(SurveyedRecord<'_>),
) -> Result<Survey> {
    let names = vfs.list(dir).map_err(|e| Error::io("list", dir, e))?;
    let mut files: Vec<_> = names
        .iter()
        .filter_map(|name| Some((parse_segment_name(name)?, dir.join(name))))
        .collect();
    files.sort_unstable_by_key(|((_, number), _)| *number);
    let mut walk = Walk {
        survey: Survey::default(),
        expected: None,
        confirmed: Lsn::ZERO,
        place: None,
        holes: Vec::new(),
        segment: 0,
        last_with_records: 0,
        is_written: false,
        open: None,
        on_record,
    };
    for (name, path) in files {
        walk.survey.segments += 1;
        walk.segment += 1;
        walk.segment(vfs, name, &path)?;
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
    /// The record whose parts are being read, and where it begins.
    open: Option<(Assembly, PathBuf, u64)>,
    on_record: &'w mut dyn FnMut(SurveyedRecord<'_>),
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

    fn segment(&mut self, vfs: &dyn Vfs, name: (u32, u64), path: &Path) -> Result<()> {
        let opened = open(vfs, path).map_err(|e| Error::io("read", path, e))?;
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
        let scanner = Scanner::new(file, seed(header.salt));
        scanner
            .and_then(|scanner| self.frames(path, scanner, header.recycled))
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

    fn frames(&mut self, path: &Path, mut scanner: Scanner, recycled: bool) -> std::io::Result<()> {
        loop {
            match scanner.step()? {
                Step::Frame {
                    header,
                    offset,
                    payload,
                } => self.frame(path, &header, offset, payload),
                Step::End(end) => {
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

    fn frame(&mut self, path: &Path, header: &FrameHeader, offset: u64, payload: &[u8]) {
        self.confirmed = self.confirmed.max(header.durable_lsn);
        self.is_written = false;
        let open = self.open.take();
        match (header.kind, open) {
            (FrameKind::Noop, _) => {}
            (FrameKind::Record, _) => self.record(path, header.lsn, offset, payload),
            (FrameKind::Begin, _) => {
                self.open = Assembly::begin(header, payload, usize::MAX)
                    .map(|assembly| (assembly, path.to_owned(), offset));
            }
            (FrameKind::Chunk | FrameKind::Commit, Some((mut assembly, file, from)))
                if assembly.continues(header, payload) =>
            {
                assembly.add(payload);
                self.open = Some((assembly, file, from));
            }
            (FrameKind::Chunk | FrameKind::Commit, _) if self.expected.is_none() => {
                // Its beginning may have been released.
                self.open = Assembly::resume(header, payload).map(|mut assembly| {
                    assembly.add(payload);
                    (assembly, path.to_owned(), offset)
                });
            }
            // Its beginning cannot be read, which the next record tells.
            (FrameKind::Chunk | FrameKind::Commit, _) => {}
        }
        if header.kind == FrameKind::Commit
            && let Some((assembly, file, from)) = self.open.take()
        {
            match assembly.into_bytes() {
                Some(bytes) => self.record(&file, header.lsn, from, &bytes),
                None => self.expected = Some(header.lsn.next()),
            }
        }
    }

    fn record(&mut self, path: &Path, lsn: Lsn, offset: u64, payload: &[u8]) {
        if let Some(expected) = self.expected
            && lsn != expected
        {
            if lsn < expected {
                let place = (path.to_owned(), offset);
                return self.fault(place, None, "a record is out of order");
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
        self.survey.bytes += payload.len() as u64;
        self.expected = Some(lsn.next());
        self.last_with_records = self.segment;
        (self.on_record)(SurveyedRecord {
            lsn,
            payload,
            file: path,
            offset,
            faults_before: self.survey.faults.len(),
        });
    }

    /// Tells an unconfirmed tail from damage.
    fn finish(mut self) -> Survey {
        if let Some((_, file, offset)) = self.open.take() {
            // Parts of a record that has no end.
            self.is_written = true;
            self.place = Some((file, offset));
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

/// The header's block and the file.
type Opened = (Vec<u8>, Arc<dyn VfsFile>);

/// Opens a segment; `None` if it is shorter than its header.
fn open(vfs: &dyn Vfs, path: &Path) -> std::io::Result<Option<Opened>> {
    let file = vfs.open(path, OpenMode::Read)?;
    if file.len()? < BLOCK_BYTES as u64 {
        return Ok(None);
    }
    let mut block = vec![0; BLOCK_BYTES];
    file.read_exact_at(&mut block, 0)?;
    Ok(Some((block, file)))
}
