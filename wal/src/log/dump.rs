//! Lists what lies in the files of a log: segments, frames, and where the frames end; then the slots and the reserve. For
//! `tailwater wal dump`.
//!
//! It only reads, takes no lock, and goes on to the next file where a file ends, so it works beside a writer and on
//! damage. It never judges: `recover` does; nor does it hold more of a payload than a piece. The lines of JSON are
//! described in FORMAT.md, from which `tests/dump.py` was written, and both print the same. Next door: `scan`.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tailwater_proto::Lsn;

use super::format::{
    BLOCK_BYTES, Epoch, FrameHeader, FrameKind, HeaderFault, SegmentHeader, parse_segment_name,
    seed,
};
use super::scan::{End, Passed, Scanner};
use super::slots::{self, Listed};
use super::{lines, reserve};
use crate::error::{Error, Result};
use crate::vfs::{OpenMode, Vfs};

/// One line of a dump: its [`to_json`](Self::to_json) and its [`Display`](std::fmt::Display) are a line each.
///
/// ```
/// use std::{path::Path, sync::Arc};
/// use tailwater_wal::{Dump, Dumped, EndReason, Lsn, Settings, Wal, vfs::MemoryVfs};
///
/// let vfs = Arc::new(MemoryVfs::new());
/// let wal = Wal::create(vfs.clone(), Path::new("log"), [7; 16], Settings::default(), Box::new(|_| ()))?;
/// wal.append(Lsn(1), b"hello".as_slice().into())?;
/// wal.flush()?;
/// let lines: Vec<Dumped> = Dump::open(vfs, Path::new("log"))?.collect::<Result<_, _>>()?;
/// assert!(matches!(&lines[0], Dumped::Segment(segment) if segment.epoch == 1));
/// assert!(matches!(&lines[1], Dumped::Frame(frame) if frame.lsn == Lsn(1)));
/// assert!(matches!(&lines[2], Dumped::End(end) if end.reason == EndReason::Clean));
/// # Ok::<(), tailwater_wal::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Dumped {
    /// A segment begins.
    Segment(DumpedSegment),
    /// A file with the name of a segment that cannot be read as one.
    Unreadable(DumpedFault),
    /// A frame of the segment named last.
    Frame(DumpedFrame),
    /// Here the frames of that segment end.
    End(DumpedEnd),
    /// A slot, behind all segments, by name.
    Slot {
        /// Its name.
        name: String,
        /// Its reader needs no records up to this one.
        lsn: Lsn,
        /// When that was written down, in ms since 1970.
        advanced_unix_ms: u64,
    },
    /// A file of slots that is none.
    UnreadableSlots {
        /// Bytes of the file.
        bytes: u64,
    },
    /// The reserve, last.
    Reserve {
        /// Bytes of the file.
        bytes: u64,
    },
}

/// The header of a segment.
///
/// ```
/// use std::{path::Path, sync::Arc};
/// use tailwater_wal::{Dump, Dumped, DumpedSegment, Lsn, Settings, Wal, vfs::MemoryVfs};
///
/// let vfs = Arc::new(MemoryVfs::new());
/// let wal = Wal::create(vfs.clone(), Path::new("log"), [7; 16], Settings::default(), Box::new(|_| ()))?;
/// wal.append(Lsn(1), b"hello".as_slice().into())?;
/// wal.flush()?;
/// let lines: Vec<Dumped> = Dump::open(vfs, Path::new("log"))?.collect::<Result<_, _>>()?;
/// let Dumped::Segment(segment) = &lines[0] else { unreachable!() };
/// let DumpedSegment { file, epoch, after_lsn, recycled, .. } = segment;
/// assert!(file.ends_with("00000001-0000000000000001.seg"));
/// assert_eq!((*epoch, *after_lsn, *recycled), (1, Lsn(0), false));
/// # Ok::<(), tailwater_wal::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DumpedSegment {
    /// The file.
    pub file: PathBuf,
    /// Bytes of the file.
    pub bytes: u64,
    /// The database it belongs to.
    pub database_id: [u8; 16],
    /// The epoch it was begun in.
    pub epoch: u32,
    /// Its place in the log.
    pub segment_no: u64,
    /// What its frames' checksums are seeded with.
    pub salt: u64,
    /// All its records have higher numbers.
    pub after_lsn: Lsn,
    /// When it was prepared, in ms since 1970.
    pub created_unix_ms: u64,
    /// The file held other frames before.
    pub recycled: bool,
    /// Its records may have been shown to somebody before they were durable.
    pub lazy: bool,
    /// The epochs up to this segment, oldest first.
    pub history: Vec<Epoch>,
}

/// A file that should be a segment.
///
/// ```
/// use std::{path::Path, sync::Arc};
/// use tailwater_wal::vfs::{MemoryVfs, OpenMode, Vfs};
/// use tailwater_wal::{Dump, Dumped, DumpedFault, SegmentFault};
///
/// let vfs = MemoryVfs::new();
/// vfs.create_dir_all(Path::new("log")).unwrap();
/// vfs.open(Path::new("log/00000001-0000000000000001.seg"), OpenMode::Create).unwrap();
/// let Some(Ok(Dumped::Unreadable(fault))) = Dump::open(Arc::new(vfs), Path::new("log"))?.next() else { unreachable!() };
/// let DumpedFault { bytes, reason, .. } = fault;
/// assert_eq!((bytes, reason), (0, SegmentFault::Short));
/// # Ok::<(), tailwater_wal::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DumpedFault {
    /// The file.
    pub file: PathBuf,
    /// Bytes of the file.
    pub bytes: u64,
    /// What is wrong.
    pub reason: SegmentFault,
}

/// Why a file is not read as a segment.
///
/// ```
/// use tailwater_wal::SegmentFault;
///
/// assert_eq!(SegmentFault::NewerVersion.name(), "newer_version");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SegmentFault {
    /// It was taken back by the writer before it could be opened.
    Gone,
    /// It is shorter than a header.
    Short,
    /// The header's checksum or fields are wrong.
    Header,
    /// Written by a newer version.
    NewerVersion,
}

/// A frame as it lies in a file.
///
/// ```
/// use std::{path::Path, sync::Arc};
/// use tailwater_wal::{Dump, Dumped, DumpedFrame, FrameKind, Lsn, Settings, Wal, vfs::MemoryVfs};
///
/// let vfs = Arc::new(MemoryVfs::new());
/// let wal = Wal::create(vfs.clone(), Path::new("log"), [7; 16], Settings::default(), Box::new(|_| ()))?;
/// wal.append(Lsn(1), b"hello".as_slice().into())?;
/// wal.flush()?;
/// let lines: Vec<Dumped> = Dump::open(vfs, Path::new("log"))?.collect::<Result<_, _>>()?;
/// let Dumped::Frame(frame) = &lines[1] else { unreachable!() };
/// let DumpedFrame { offset, kind, lsn, len, crc_ok, .. } = frame;
/// assert_eq!((*offset, *kind, *lsn, *len), (4096, FrameKind::Record, Lsn(1), 5));
/// assert!(crc_ok);
/// # Ok::<(), tailwater_wal::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DumpedFrame {
    /// The segment file.
    pub file: PathBuf,
    /// Where the frame begins.
    pub offset: u64,
    /// What it is.
    pub kind: FrameKind,
    /// Its record; for a NOOP the last one before it.
    pub lsn: Lsn,
    /// What was known to be durable when it was written.
    pub durable_lsn: Lsn,
    /// Bytes of its payload.
    pub len: u32,
    /// Encoding of its payload.
    pub codec: u8,
    /// The checksum its payload should have.
    pub payload_crc: u32,
    /// Whether it has; a frame that has not is the last one of its segment.
    pub crc_ok: bool,
}

/// Where the frames of a segment end.
///
/// ```
/// use std::{path::Path, sync::Arc};
/// use tailwater_wal::{Dump, Dumped, DumpedEnd, EndReason, Lsn, Settings, Wal, vfs::MemoryVfs};
///
/// let vfs = Arc::new(MemoryVfs::new());
/// let wal = Wal::create(vfs.clone(), Path::new("log"), [7; 16], Settings::default(), Box::new(|_| ()))?;
/// wal.append(Lsn(1), b"hello".as_slice().into())?;
/// wal.flush()?;
/// let lines: Vec<Dumped> = Dump::open(vfs, Path::new("log"))?.collect::<Result<_, _>>()?;
/// let Dumped::End(end) = &lines[2] else { unreachable!() };
/// let DumpedEnd { offset, reason, groups_behind, .. } = end;
/// assert_eq!((*offset, *reason, *groups_behind), (8192, EndReason::Clean, 0));
/// # Ok::<(), tailwater_wal::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DumpedEnd {
    /// The segment file.
    pub file: PathBuf,
    /// Where the next frame would begin.
    pub offset: u64,
    /// Why they end.
    pub reason: EndReason,
    /// Blocks behind that begin with the header of a frame of this segment.
    pub groups_behind: u64,
    /// The highest LSN that one of those calls durable; 0 if there is none.
    pub durable_lsn_behind: Lsn,
}

/// Why frames end.
///
/// ```
/// use tailwater_wal::EndReason;
///
/// assert_eq!(EndReason::TornPayload.name(), "torn_payload");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndReason {
    /// Nothing more was written, as far as the file shows.
    Clean,
    /// Something else than a frame's header, or frames go on behind.
    TornHeader,
    /// The header of a frame whose payload is wrong or not there.
    TornPayload,
    /// The writer took the file back while it was read.
    Gone,
}

/// An iterator over what lies in a log, oldest segment first.
///
/// ```
/// use std::{path::Path, sync::Arc};
/// use tailwater_wal::{Dump, Lsn, Settings, Wal, vfs::MemoryVfs};
///
/// let vfs = Arc::new(MemoryVfs::new());
/// let wal = Wal::create(vfs.clone(), Path::new("log"), [7; 16], Settings::default(), Box::new(|_| ()))?;
/// wal.append(Lsn(1), b"hello".as_slice().into())?;
/// wal.flush()?;
/// assert_eq!(Dump::open(vfs, Path::new("log"))?.count(), 3); // a segment, a frame, the end of the frames
/// # Ok::<(), tailwater_wal::Error>(())
/// ```
#[derive(Debug)]
pub struct Dump {
    vfs: Arc<dyn Vfs>,
    dir: PathBuf,
    files: VecDeque<PathBuf>,
    current: Option<Current>,
    /// What comes behind the segments, once that is known.
    last: Option<VecDeque<Dumped>>,
}

#[derive(Debug)]
struct Current {
    path: PathBuf,
    /// Its header block as it was when it was opened.
    block: Vec<u8>,
    recycled: bool,
    /// The record that comes next.
    expected: Lsn,
    scanner: Scanner,
    /// Where the frames end, once that is known and the frame there has been given.
    end: Option<End>,
}

impl Dump {
    /// Lists the segments of a directory.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn open(vfs: Arc<dyn Vfs>, dir: &Path) -> Result<Self> {
        let names = vfs.list(dir).map_err(|e| Error::io("list", dir, e))?;
        let mut segments: Vec<_> = names
            .into_iter()
            .filter_map(|name| {
                let (epoch, segment_no) = parse_segment_name(&name)?;
                Some((segment_no, epoch, dir.join(&name)))
            })
            .collect();
        segments.sort_unstable();
        let files = segments.into_iter().map(|(_, _, path)| path).collect();
        Ok(Self {
            vfs,
            dir: dir.to_owned(),
            files,
            current: None,
            last: None,
        })
    }

    /// The slots and the reserve, as they are now.
    fn read_last(&self) -> Result<VecDeque<Dumped>> {
        let mut last = VecDeque::new();
        match slots::listed(self.vfs.as_ref(), &self.dir)? {
            Listed::None => {}
            Listed::Unreadable { bytes } => last.push_back(Dumped::UnreadableSlots { bytes }),
            Listed::Slots(slots) => {
                last.extend(
                    slots
                        .into_iter()
                        .map(|(name, lsn, advanced_unix_ms)| Dumped::Slot {
                            name,
                            lsn,
                            advanced_unix_ms,
                        }),
                );
            }
        }
        let bytes = reserve::found(self.vfs.as_ref(), &self.dir)?;
        last.extend(bytes.map(|bytes| Dumped::Reserve { bytes }));
        Ok(last)
    }

    fn open_next(&mut self, path: PathBuf) -> io::Result<Dumped> {
        let unreadable = |file, bytes, reason| {
            Ok(Dumped::Unreadable(DumpedFault {
                file,
                bytes,
                reason,
            }))
        };
        let file = match self.vfs.open(&path, OpenMode::Read) {
            Err(e) if e.kind() == ErrorKind::NotFound => {
                return unreadable(path, 0, SegmentFault::Gone);
            }
            opened => opened?,
        };
        let bytes = file.len()?;
        if bytes < BLOCK_BYTES as u64 {
            return unreadable(path, bytes, SegmentFault::Short);
        }
        let mut block = vec![0; BLOCK_BYTES];
        file.read_exact_at(&mut block, 0)?;
        let header = match SegmentHeader::decode(&block) {
            Err(HeaderFault::Damaged) => return unreadable(path, bytes, SegmentFault::Header),
            Err(HeaderFault::NewerVersion) => {
                return unreadable(path, bytes, SegmentFault::NewerVersion);
            }
            Ok(header) => header,
        };
        self.current = Some(Current {
            path: path.clone(),
            block,
            recycled: header.recycled,
            expected: header.after_lsn.next(),
            scanner: Scanner::new(file, seed(header.salt))?,
            end: None,
        });
        Ok(Dumped::Segment(DumpedSegment {
            file: path,
            bytes,
            database_id: header.database_id,
            epoch: header.epoch,
            segment_no: header.segment_no,
            salt: header.salt,
            after_lsn: header.after_lsn,
            created_unix_ms: header.created_unix_ms,
            recycled: header.recycled,
            lazy: header.lazy,
            history: header.history,
        }))
    }
}

impl Current {
    /// The next frame; `None` when there is no more.
    fn frame(&mut self) -> io::Result<Option<DumpedFrame>> {
        if self.end.is_some() {
            return Ok(None);
        }
        let path = &self.path;
        let dumped = |header: FrameHeader, offset, crc_ok| DumpedFrame {
            file: path.clone(),
            offset,
            kind: header.kind,
            lsn: header.lsn,
            durable_lsn: header.durable_lsn,
            len: header.len,
            codec: header.codec,
            payload_crc: header.payload_crc,
            crc_ok,
        };
        Ok(match self.scanner.pass()? {
            Passed::Frame { header, offset } => {
                if matches!(header.kind, FrameKind::Record | FrameKind::Commit) {
                    self.expected = self.expected.max(header.lsn.next());
                }
                Some(dumped(header, offset, true))
            }
            Passed::End(end) => {
                self.end = Some(end);
                end.torn.map(|header| dumped(header, end.offset, false))
            }
        })
    }

    fn end(mut self, vfs: &dyn Vfs) -> io::Result<DumpedEnd> {
        let end = self.end.unwrap_or(End {
            offset: BLOCK_BYTES as u64,
            torn: None,
        });
        let remains = self.scanner.remains(end)?;
        let reason = if !self.is_there(vfs)? {
            EndReason::Gone
        } else if end.torn.is_some() {
            EndReason::TornPayload
        } else if remains.is_torn(end, self.recycled, self.expected) {
            EndReason::TornHeader
        } else {
            EndReason::Clean
        };
        Ok(DumpedEnd {
            file: self.path,
            offset: end.offset,
            reason,
            groups_behind: remains.groups,
            durable_lsn_behind: remains.durable_lsn,
        })
    }

    /// Whether the name still stands for the segment that was read.
    fn is_there(&self, vfs: &dyn Vfs) -> io::Result<bool> {
        let file = match vfs.open(&self.path, OpenMode::Read) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(false),
            opened => opened?,
        };
        let mut block = vec![0; BLOCK_BYTES];
        let read = file.read_at(&mut block, 0)?;
        Ok(block.get(..read) == Some(&self.block))
    }
}

impl Iterator for Dump {
    type Item = Result<Dumped>;

    fn next(&mut self) -> Option<Self::Item> {
        let Some(mut current) = self.current.take() else {
            let Some(path) = self.files.pop_front() else {
                if self.last.is_none() {
                    match self.read_last() {
                        Ok(last) => self.last = Some(last),
                        Err(error) => {
                            self.last = Some(VecDeque::new());
                            return Some(Err(error));
                        }
                    }
                }
                return self.last.as_mut()?.pop_front().map(Ok);
            };
            let opened = self.open_next(path.clone());
            return Some(opened.map_err(|e| Error::io("read", path, e)));
        };
        let path = current.path.clone();
        let line = match current.frame() {
            Ok(Some(frame)) => {
                self.current = Some(current);
                Ok(Dumped::Frame(frame))
            }
            Ok(None) => current.end(self.vfs.as_ref()).map(Dumped::End),
            Err(error) => Err(error),
        };
        Some(line.map_err(|e| Error::io("read", path, e)))
    }
}

impl Dumped {
    /// The line of JSON that FORMAT.md describes, without its end of line.
    ///
    /// ```
    /// use std::{path::Path, sync::Arc};
    /// use tailwater_wal::{Dump, Dumped, Lsn, Settings, Wal, vfs::MemoryVfs};
    ///
    /// let vfs = Arc::new(MemoryVfs::new());
    /// let wal = Wal::create(vfs.clone(), Path::new("log"), [7; 16], Settings::default(), Box::new(|_| ()))?;
    /// wal.append(Lsn(1), b"hello".as_slice().into())?;
    /// wal.flush()?;
    /// let lines: Vec<Dumped> = Dump::open(vfs, Path::new("log"))?.collect::<Result<_, _>>()?;
    /// let expected = r#"{"offset":4096,"kind":"record","lsn":1,"durable_lsn":0,"len":5,"codec":1,"payload_crc":"3610a686","crc_ok":true}"#;
    /// assert_eq!(lines[1].to_json(), expected);
    /// # Ok::<(), tailwater_wal::Error>(())
    /// ```
    #[must_use]
    pub fn to_json(&self) -> String {
        lines::json(self)
    }
}
