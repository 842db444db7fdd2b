//! The bytes of one file in memory, and what they were when it was last synced.
//!
//! Blocks of zeros are not stored, so that zero-filled log segments cost nothing until they are written.
//! It knows no names and no other file. Next door: `memory`, the tree of files.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::path::Path;
use std::sync::Arc;

use super::{Fate, Pending, SyncFailure};

/// The unit in which a simulated disk keeps or loses an unsynced write.
pub const SECTOR_BYTES: u64 = 512;

const BLOCK_BYTES: usize = 4096;

type Block = [u8; BLOCK_BYTES];

/// One file's bytes.
#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    /// `None` is a block of zeros.
    blocks: Vec<Option<Arc<Block>>>,
    len: u64,
    /// The blocks changed since the last sync.
    dirty: BTreeMap<usize, Dirty>,
    /// Blocks that a failed sync has taken for written: no later sync writes them.
    forgotten: BTreeMap<usize, Dirty>,
    len_synced: u64,
    /// No name stands for it any more.
    unlinked: bool,
}

/// What a changed block was before.
#[derive(Clone, Debug)]
struct Dirty {
    /// What is on the disk.
    synced: Option<Arc<Block>>,
    /// What it was before the last write to it.
    previous: Option<Arc<Block>>,
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
        if slot.is_none() && crate::is_zero(bytes) {
            return;
        }
        let forgotten = self.forgotten.remove(&index);
        let dirty = self.dirty.entry(index).or_insert_with(|| Dirty {
            synced: forgotten.map_or_else(|| slot.clone(), |dirty| dirty.synced),
            previous: None,
        });
        dirty.previous.clone_from(slot);
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
                let forgotten = self.forgotten.remove(&index);
                let dirty = self.dirty.entry(index).or_insert_with(|| Dirty {
                    synced: forgotten.map_or_else(|| old.clone(), |dirty| dirty.synced),
                    previous: None,
                });
                dirty.previous = old;
            }
            let (index, within) = position(len);
            if within > 0 {
                self.write_block(index, within, &[0; BLOCK_BYTES][within..]);
            }
        }
        self.blocks.resize(count, None);
        self.len = len;
    }

    /// Adds length and bytes to a hash, the bytes as checksums.
    pub(super) fn hash(&self, hasher: &mut impl Hasher) {
        self.len.hash(hasher);
        for (index, block) in self.blocks.iter().enumerate() {
            if let Some(block) = block {
                (index, crate::checksum(&**block)).hash(hasher);
            }
        }
    }

    pub(super) fn sync(&mut self) {
        self.dirty.clear();
        self.len_synced = self.len;
    }

    /// Notes that a sync has failed.
    pub(super) fn fail_sync(&mut self, failure: SyncFailure) {
        match failure {
            SyncFailure::Transient => {}
            SyncFailure::Clean => self.forgotten.append(&mut self.dirty),
            SyncFailure::Reverted => {
                for (index, dirty) in std::mem::take(&mut self.dirty) {
                    if let Some(slot) = self.blocks.get_mut(index) {
                        *slot = dirty.synced;
                    }
                }
            }
        }
    }

    /// Goes back to what was synced, except where `fate` has it otherwise.
    pub(super) fn crash(&mut self, path: &Path, fate: &mut dyn FnMut(Pending<'_>) -> Fate) {
        if self.len != self.len_synced && fate(Pending::Length { path }) != Fate::Kept {
            let count = self.len_synced.div_ceil(BLOCK_BYTES as u64);
            self.blocks
                .resize(usize::try_from(count).unwrap_or(usize::MAX), None);
            self.len = self.len_synced;
        }
        let mut changed = std::mem::take(&mut self.forgotten);
        changed.append(&mut self.dirty);
        for (index, dirty) in changed {
            let Some(slot) = self.blocks.get_mut(index) else {
                continue;
            };
            let fresh = bytes_of(slot.as_ref());
            let previous = bytes_of(dirty.previous.as_ref());
            let mut block = bytes_of(dirty.synced.as_ref());
            for at in 0..BLOCK_BYTES / SECTOR_BYTES as usize {
                let range = at * SECTOR_BYTES as usize..(at + 1) * SECTOR_BYTES as usize;
                let offset = (index * BLOCK_BYTES + range.start) as u64;
                let (Some(old), Some(new), Some(previous)) = (
                    block.get_mut(range.clone()),
                    fresh.get(range.clone()),
                    previous.get(range),
                ) else {
                    continue;
                };
                if *old == *new {
                    continue;
                }
                match fate(Pending::Sector { path, offset }) {
                    Fate::Kept => old.copy_from_slice(new),
                    Fate::Lost => {}
                    Fate::Old => old.copy_from_slice(previous),
                    Fate::Zero => old.fill(0),
                    Fate::Garbage(seed) => fill_with_noise(old, seed),
                }
            }
            *slot = Some(Arc::new(block));
        }
        self.sync();
        self.unlinked = false;
    }
}

fn bytes_of(block: Option<&Arc<Block>>) -> Block {
    block.map_or([0; BLOCK_BYTES], |block| **block)
}

fn fill_with_noise(sector: &mut [u8], seed: u64) {
    let mut word = seed | 1;
    for bytes in sector.chunks_mut(8) {
        // Xorshift: any noise will do that is the same for a seed.
        word ^= word << 13;
        word ^= word >> 7;
        word ^= word << 17;
        for (byte, noise) in bytes.iter_mut().zip(word.to_le_bytes()) {
            *byte = noise;
        }
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
