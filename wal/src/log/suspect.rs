//! After a sync that failed: what the system shows of a file may never reach the disk, and no later sync will say so.
//!
//! Linux takes the pages of a failed sync for written. A process that is started again on the same machine would read them,
//! sync without an error, show their records, and lose them when the power goes. So a failed sync leaves a mark (in the same
//! caches: if those go, so do the pages), and a recovery that finds it copies the newest segments to new files before
//! it believes them. In place they must not be written: they hold acknowledged records. Next door: `recover`.

use std::io;
use std::path::Path;

use super::format::parse_segment_name;
use crate::error::{Error, Result};
use crate::vfs::{OpenMode, Vfs};

const MARK: &str = "suspect";
const COPY: &str = "suspect.copy";
/// The segment that was written when the sync failed, and one that may have been begun behind it.
const SEGMENTS: usize = 2;
const CHUNK_BYTES: usize = 1 << 20;

/// Leaves the mark, if the file system lets us: if not, it takes nothing else either.
pub(crate) fn mark(vfs: &dyn Vfs, dir: &Path) {
    _ = vfs.open(&dir.join(MARK), OpenMode::Create);
}

/// Makes sure that what is read of the newest segments is on the disk, if there is a mark; takes it away then.
pub(crate) fn settle(vfs: &dyn Vfs, dir: &Path, names: &[String]) -> Result<()> {
    if !names.iter().any(|name| name == MARK) {
        return Ok(());
    }
    let mut segments: Vec<_> = names
        .iter()
        .filter_map(|name| Some((parse_segment_name(name)?.1, name)))
        .collect();
    segments.sort_unstable();
    for (_, name) in segments.iter().rev().take(SEGMENTS) {
        let path = dir.join(name);
        rewrite(vfs, dir, &path).map_err(|e| Error::io("write anew", &path, e))?;
    }
    let mark = dir.join(MARK);
    vfs.remove(&mark)
        .and_then(|()| vfs.sync_dir(dir))
        .map_err(|e| Error::io("remove", &mark, e))
}

/// Replaces a file by a durable copy of itself.
fn rewrite(vfs: &dyn Vfs, dir: &Path, path: &Path) -> io::Result<()> {
    let from = vfs.open(path, OpenMode::Read)?;
    let copy = dir.join(COPY);
    let to = vfs.open(&copy, OpenMode::Create)?;
    let len = from.len()?;
    to.set_len(len)?;
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut at = 0;
    while at < len {
        let left = usize::try_from(len - at).unwrap_or(usize::MAX);
        let Some(bytes) = chunk.get_mut(..left.min(CHUNK_BYTES)) else {
            break;
        };
        from.read_exact_at(bytes, at)?;
        to.write_all_at(bytes, at)?;
        at += bytes.len() as u64;
    }
    to.sync_data()?;
    vfs.rename(&copy, path)?;
    vfs.sync_dir(dir)
}
