//! Makes durable what a recovery is about to read: it may be only in a cache, since a process has ended and the machine
//! has not.
//!
//! That comes before anybody is told of it, and so before a checkpoint or the next segment's header can say that it is.
//! A sync alone would not do. Linux takes the pages of a sync that failed for written, and whoever opens the file later is
//! not told; the process that was told may have been killed in just that moment. So what no frame confirms is written
//! once more, byte for byte, to the same places. Next door: `recover`.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use tailwater_proto::Lsn;

use super::format::BLOCK_BYTES;
use super::scan::{Scanner, Step};
use super::segment::Segment;
use crate::error::Result;
use crate::mutant;
use crate::vfs::VfsFile;

const CHUNK_BYTES: usize = 1 << 20;

/// Settles the newest segments, back to the newest with a frame: what is older was synced before that was begun.
pub(crate) fn tail(segments: &[Segment]) -> Result<()> {
    for segment in segments.iter().rev() {
        let (has_frames, unconfirmed) =
            unconfirmed(segment).map_err(|e| segment.failed("read", e))?;
        if !mutant::is("believe_failed_sync") {
            write_again(segment.file.as_ref(), unconfirmed)
                .map_err(|e| segment.failed("write again", e))?;
        }
        segment
            .file
            .sync_data()
            .map_err(|e| segment.failed("sync", e))?;
        if has_frames {
            break;
        }
    }
    Ok(())
}

/// Whether a segment has frames, and the blocks of those that no other frame calls durable.
fn unconfirmed(segment: &Segment) -> io::Result<(bool, Range<u64>)> {
    let mut scanner = Scanner::new(Arc::clone(&segment.file), segment.seed)?;
    let mut durable = segment.header.after_lsn;
    let mut pending: VecDeque<(Lsn, u64)> = VecDeque::new();
    let mut has_frames = false;
    let end = loop {
        match scanner.step()? {
            Step::End(end) => break end.offset,
            Step::Frame { header, offset, .. } => {
                has_frames = true;
                durable = durable.max(header.durable_lsn);
                while pending.front().is_some_and(|(lsn, _)| *lsn <= durable) {
                    pending.pop_front();
                }
                if header.lsn > durable && pending.back().is_none_or(|(lsn, _)| *lsn < header.lsn) {
                    pending.push_back((header.lsn, offset));
                }
            }
        }
    };
    let begin = pending.front().map_or(end, |(_, offset)| *offset);
    let block = BLOCK_BYTES as u64;
    let end = end.next_multiple_of(block).min(segment.file.len()?);
    Ok((has_frames, begin / block * block..end))
}

fn write_again(file: &dyn VfsFile, range: Range<u64>) -> io::Result<()> {
    let mut chunk = Vec::new();
    let mut at = range.start;
    while at < range.end {
        let left = usize::try_from(range.end - at).unwrap_or(usize::MAX);
        chunk.resize(left.min(CHUNK_BYTES), 0);
        file.read_exact_at(&mut chunk, at)?;
        file.write_all_at(&chunk, at)?;
        at += chunk.len() as u64;
    }
    Ok(())
}
