//! Lists every frame of a log directory, for `tailwater wal dump` and for looking at damage.
//!
//! It only reads, takes no lock, and goes on to the next file where a file ends. It never judges: `recover`
//! does. Next door: `scan`.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tailwater_proto::Lsn;

use super::format::{BLOCK_BYTES, FrameKind, SegmentHeader, parse_segment_name, seed};
use super::scan::{Scanner, Step};
use crate::error::{Error, Result};
use crate::vfs::{OpenMode, Vfs};

/// One frame as it lies in a file.
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
}

/// An iterator over all frames, oldest segment first.
#[derive(Debug)]
pub struct Dump {
    vfs: Arc<dyn Vfs>,
    files: VecDeque<PathBuf>,
    current: Option<(PathBuf, Scanner)>,
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
            .filter_map(|name| Some((parse_segment_name(&name)?.1, dir.join(&name))))
            .collect();
        segments.sort_unstable();
        let files = segments.into_iter().map(|(_, path)| path).collect();
        Ok(Self {
            vfs,
            files,
            current: None,
        })
    }

    fn open_next(&mut self, path: PathBuf) -> Result<()> {
        let opened = self.vfs.open(&path, OpenMode::Read).and_then(|file| {
            let mut block = vec![0; BLOCK_BYTES];
            file.read_exact_at(&mut block, 0)?;
            Ok((block, file))
        });
        let (block, file) = opened.map_err(|e| Error::io("read", &path, e))?;
        let header = SegmentHeader::decode(&block).map_err(|_| Error::Damaged {
            file: path.clone(),
            offset: 0,
            lsn: Lsn::ZERO,
            reason: "the segment header is wrong or of a newer version",
        })?;
        let scanner = Scanner::new(file, seed(header.salt));
        self.current = Some((
            path.clone(),
            scanner.map_err(|e| Error::io("read", &path, e))?,
        ));
        Ok(())
    }
}

impl Iterator for Dump {
    type Item = Result<DumpedFrame>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Some((path, scanner)) = &mut self.current else {
                let path = self.files.pop_front()?;
                if let Err(error) = self.open_next(path) {
                    return Some(Err(error));
                }
                continue;
            };
            let failed = match scanner.step() {
                Ok(Step::Frame { header, offset, .. }) => {
                    return Some(Ok(DumpedFrame {
                        file: path.clone(),
                        offset,
                        kind: header.kind,
                        lsn: header.lsn,
                        durable_lsn: header.durable_lsn,
                        len: header.len,
                        codec: header.codec,
                    }));
                }
                Ok(Step::End(_)) => None,
                Err(e) => Some(Error::io("read", path.as_path(), e)),
            };
            self.current = None;
            if let Some(error) = failed {
                return Some(Err(error));
            }
        }
    }
}
