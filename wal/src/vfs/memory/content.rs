//! The bytes of one file in memory, and what they were when it was last synced.
//!
//! Blocks of zeros are not stored, so that zero-filled log segments cost nothing until they are written.
//! It knows no names and no other file. Next door: `memory`, the tree of files.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::Pending;

/// The unit in which a simulated disk keeps or loses an unsynced write.
pub const SECTOR_BYTES: u64 = 512;

const BLOCK_BYTES: usize = 4096;

type Block = [u8; BLOCK_BYTES];

/// One file's bytes.
#[derive(Debug, Default)]
pub(super) struct Content {
    /// `None` is a block of zeros.
    blocks: Vec<Option<Arc<Block>>>,
    len: u64,
    /// For each block changed since the last sync, what it was then.
    before: BTreeMap<usize, Option<Arc<Block>>>,
    len_synced: u64,
    /// No name stands for it any more.
    unlinked: bool,
}

impl Content {
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    pub(super) fn is_linked(&self) -> bool {
        !self.unlinked
    }

    /// Notes that no name is left; returns the bytes that are freed by it.
    pub(super) fn unlink(&mut self) -> u64 {
        self.unlinked = true;
        self.len
    }

    pub(super) fn read_at(&self, buf: &mut [u8], offset: u64) -> usize {
        let left = usize::try_from(self.len.saturating_sub(offset)).unwrap_or(usize::MAX);
        let count = left.min(buf.len());
        let mut done = 0;
        while done < count {
            let (index, within) = position(offset + done as u64);
            let step = (BLOCK_BYTES - within).min(count - done);
            let Some(to) = buf.get_mut(done..done + step) else {
                break;
            };
            match self
                .blocks
                .get(index)
                .and_then(|block| block.as_deref()?.get(within..within + step))
            {
                Some(from) => to.copy_from_slice(from),
                None => to.fill(0),
            }
            done += step;
        }
        count
    }

    /// Overwrites bytes; the file is long enough.
    pub(super) fn write_at(&mut self, buf: &[u8], offset: u64) {
        let mut done = 0;
        while let Some(rest) = buf.get(done..).filter(|rest| !rest.is_empty()) {
            let (index, within) = position(offset + done as u64);
            let step = (BLOCK_BYTES - within).min(rest.len());
            if let Some(bytes) = rest.get(..step) {
                self.write_block(index, within, bytes);
            }
            done += step;
        }
    }

    fn write_block(&mut self, index: usize, within: usize, bytes: &[u8]) {
        let Some(slot) = self.blocks.get_mut(index) else {
            return;
        };
        if slot.is_none() && bytes.iter().all(|byte| *byte == 0) {
            return;
        }
        self.before.entry(index).or_insert_with(|| slot.clone());
        let block = Arc::make_mut(slot.get_or_insert_with(|| Arc::new([0; BLOCK_BYTES])));
        if let Some(to) = block.get_mut(within..within + bytes.len()) {
            to.copy_from_slice(bytes);
        }
    }

    pub(super) fn set_len(&mut self, len: u64) {
        let count = usize::try_from(len.div_ceil(BLOCK_BYTES as u64)).unwrap_or(usize::MAX);
        if len < self.len {
            for index in count..self.blocks.len() {
                let old = self.blocks.get_mut(index).and_then(Option::take);
                self.before.entry(index).or_insert(old);
            }
            let (index, within) = position(len);
            if within > 0 {
                self.write_block(index, within, &[0; BLOCK_BYTES][within..]);
            }
        }
        self.blocks.resize(count, None);
        self.len = len;
    }

    pub(super) fn sync(&mut self) {
        self.before.clear();
        self.len_synced = self.len;
    }

    /// Goes back to what was synced, except for what `keep` says had reached the disk.
    pub(super) fn crash(&mut self, path: &Path, keep: &mut dyn FnMut(Pending<'_>) -> bool) {
        if self.len != self.len_synced && !keep(Pending::Length { path }) {
            let count = self.len_synced.div_ceil(BLOCK_BYTES as u64);
            self.blocks
                .resize(usize::try_from(count).unwrap_or(usize::MAX), None);
            self.len = self.len_synced;
        }
        for (index, before) in std::mem::take(&mut self.before) {
            let Some(slot) = self.blocks.get_mut(index) else {
                continue;
            };
            let (now, then) = (slot.take(), before);
            let mut block = then.as_deref().copied().unwrap_or([0; BLOCK_BYTES]);
            let fresh = now.as_deref().copied().unwrap_or([0; BLOCK_BYTES]);
            let sectors = block.chunks_mut(SECTOR_BYTES as usize);
            for (at, (old, new)) in sectors.zip(fresh.chunks(SECTOR_BYTES as usize)).enumerate() {
                let offset = (index * BLOCK_BYTES) as u64 + at as u64 * SECTOR_BYTES;
                if old != new && keep(Pending::Sector { path, offset }) {
                    old.copy_from_slice(new);
                }
            }
            *slot = Some(Arc::new(block));
        }
        self.sync();
        self.unlinked = false;
    }
}

fn position(offset: u64) -> (usize, usize) {
    let block = offset / BLOCK_BYTES as u64;
    // The remainder is below 4096, and a file in memory has fewer blocks than `usize` counts.
    (
        usize::try_from(block).unwrap_or(usize::MAX),
        (offset % BLOCK_BYTES as u64) as usize,
    )
}
