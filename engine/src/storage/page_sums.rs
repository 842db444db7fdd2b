//! A checksum of every page of the storage file, kept beside it: redb keeps its own in its tree, and reads without them.
//!
//! Rot, a write that went astray and one that was lost are seen when the page is read, and not believed. redb never
//! writes over a page that its header reaches, so the sums of a checkpoint need not be right at the same moment as its
//! pages, only durable before its header: a sum that is ahead of the header is one of a free page. So another process,
//! too, may believe what it reads here, as long as the header is the one it knows. Next door: `backend`, which asks;
//! `header`, which guards what is rewritten in place.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tailwater_wal::vfs::{OpenMode, Vfs, VfsFile};
use tailwater_wal::{checksum, mutant};

use super::base::ROW_DAMAGED;
use super::error::StorageError;

/// What a sum is of: redb's pages are one or more of these.
pub(super) const BLOCK_BYTES: usize = 4096;
/// How a slot begins; persisted, see FORMAT.md.
const SLOT_MAGIC: [u8; 4] = *b"TWP1";
const SLOT_BYTES: usize = 4096;
/// Bytes of a slot before the sums: magic, checksum, number.
const SLOT_HEAD_BYTES: usize = 16;
/// Sums of a group: as many as a slot holds.
const SUMS: usize = (SLOT_BYTES - SLOT_HEAD_BYTES) / 4;
/// No page was found wrong.
const NONE: u64 = u64::MAX;

/// The sums of one storage file.
#[derive(Debug)]
pub(super) struct PageSums {
    state: Mutex<State>,
    /// Where a page was found wrong last.
    wrong_at: AtomicU64,
}

/// What the sums say of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// They are what was written.
    Right,
    /// They are not.
    Wrong,
    /// Of some of them nothing is known, and none is wrong.
    Unknown,
}

#[derive(Debug)]
struct State {
    file: Arc<dyn VfsFile>,
    groups: BTreeMap<u64, Group>,
    /// Groups with sums that are not durable yet.
    dirty: BTreeSet<u64>,
}

/// The sums of consecutive blocks.
#[derive(Debug)]
struct Group {
    /// Rises with every time it is written.
    number: u64,
    /// 0 where nothing is known.
    sums: Vec<u32>,
}

impl PageSums {
    /// Opens the sums of the storage file at `path`; where there are none, nothing is known of its pages.
    ///
    /// # Errors
    /// I/O.
    pub(super) fn open(vfs: &dyn Vfs, path: &Path) -> io::Result<Arc<Self>> {
        let beside = beside(path);
        let is_new = !vfs.exists(&beside)?;
        let file = vfs.open(&beside, OpenMode::Create)?;
        if is_new && let Some(dir) = beside.parent() {
            vfs.sync_dir(dir)?;
        }
        Ok(Arc::new(Self::of(file)))
    }

    /// Opens the sums of the storage file at `path` to look at them beside a writer; `None` where there are none.
    ///
    /// # Errors
    /// I/O.
    pub(super) fn attach(vfs: &dyn Vfs, path: &Path) -> io::Result<Option<Arc<Self>>> {
        let file = open_to_read(vfs, path)?;
        Ok(file.map(|file| Arc::new(Self::of(file))))
    }

    /// Forgets all that was read, and reads what stands beside the storage file at `path` now; `false` if nothing does.
    /// Nothing may have been noted.
    ///
    /// # Errors
    /// I/O.
    pub(super) fn attach_again(&self, vfs: &dyn Vfs, path: &Path) -> io::Result<bool> {
        let Some(file) = open_to_read(vfs, path)? else {
            return Ok(false);
        };
        *self.state.lock() = State::of(file);
        Ok(true)
    }

    fn of(file: Arc<dyn VfsFile>) -> Self {
        Self {
            state: Mutex::new(State::of(file)),
            wrong_at: AtomicU64::new(NONE),
        }
    }

    /// As [`open`](Self::open), for a storage file that is about to be made: nothing is known.
    ///
    /// # Errors
    /// I/O.
    pub(super) fn create(vfs: &dyn Vfs, path: &Path) -> io::Result<Arc<Self>> {
        remove(vfs, path)?;
        Self::open(vfs, path)
    }

    /// Notes what was written to the storage file. Nothing is durable before [`persist`](Self::persist).
    ///
    /// # Errors
    /// I/O.
    pub(super) fn note(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.state.lock();
        let mut at = offset - offset % BLOCK_BYTES as u64;
        let end = offset + data.len() as u64;
        while at < end {
            let block = at
                .checked_sub(offset)
                .and_then(|from| usize::try_from(from).ok())
                .and_then(|from| data.get(from..)?.get(..BLOCK_BYTES));
            // Of a part of a block it is not known what the whole is.
            state.set(at, block.map_or(0, sum))?;
            at += BLOCK_BYTES as u64;
        }
        Ok(())
    }

    /// Forgets what lies beyond the storage file's new length.
    ///
    /// # Errors
    /// I/O.
    pub(super) fn cut(&self, len: u64) -> io::Result<()> {
        let mut state = self.state.lock();
        let first = len.div_ceil(BLOCK_BYTES as u64);
        let known = state.file.len()?.div_ceil(2 * SLOT_BYTES as u64);
        let loaded = state.groups.keys().next_back().map_or(0, |last| last + 1);
        for group in first / SUMS as u64..known.max(loaded) {
            let from = first.saturating_sub(group * SUMS as u64);
            let from = usize::try_from(from).unwrap_or(SUMS);
            let sums = &mut state.group(group)?.sums;
            sums.iter_mut().skip(from).for_each(|sum| *sum = 0);
            state.dirty.insert(group);
        }
        Ok(())
    }

    /// Makes durable what was noted. To be called before the header that reaches it is written.
    ///
    /// # Errors
    /// I/O; it is tried again the next time.
    pub(super) fn persist(&self) -> io::Result<()> {
        let mut state = self.state.lock();
        if state.dirty.is_empty() {
            return Ok(());
        }
        let State {
            file,
            groups,
            dirty,
        } = &mut *state;
        let mut due: Vec<(u64, &mut Group)> = groups
            .iter_mut()
            .filter(|(group, _)| dirty.contains(group))
            .map(|(group, sums)| (*group, sums))
            .collect();
        due.iter_mut().for_each(|(_, sums)| sums.number += 1);
        // One slot after the other, so that there is always a whole one, and then two that are the same.
        for slot in [0, 1] {
            for (group, sums) in &due {
                let at = (group * 2 + slot) * SLOT_BYTES as u64;
                file.write_all_at(&encode_slot(*group, slot, sums), at)?;
            }
            if !mutant::is("skip_page_sums_sync") {
                file.sync_data()?;
            }
        }
        dirty.clear();
        Ok(())
    }

    /// Whether bytes read from the storage file are those that were written, as far as that is known.
    ///
    /// # Errors
    /// I/O.
    pub(super) fn is_right(&self, offset: u64, data: &[u8]) -> io::Result<bool> {
        Ok(self.verdict(offset, data)? != Verdict::Wrong)
    }

    /// What is known of bytes read from the storage file.
    ///
    /// # Errors
    /// I/O.
    pub(super) fn verdict(&self, offset: u64, data: &[u8]) -> io::Result<Verdict> {
        if mutant::is("believe_any_page") || !offset.is_multiple_of(BLOCK_BYTES as u64) {
            return Ok(Verdict::Unknown);
        }
        let mut state = self.state.lock();
        let (mut at, mut verdict) = (offset, Verdict::Right);
        for block in data.chunks_exact(BLOCK_BYTES) {
            match state.get(at)? {
                0 => verdict = Verdict::Unknown,
                known if known != sum(block) => return Ok(Verdict::Wrong),
                _ => {}
            }
            at += BLOCK_BYTES as u64;
        }
        Ok(verdict)
    }

    /// Notes that a page is not what was written.
    pub(super) fn note_wrong(&self, offset: u64) {
        self.wrong_at.store(offset, Ordering::Release);
    }

    /// Says of damage that redb has met where it is.
    pub(super) fn explain(&self, mut error: StorageError) -> StorageError {
        let at = self.wrong_at.load(Ordering::Acquire);
        if let StorageError::Corrupted { detail, .. } = &mut error
            && at != NONE
            && detail != ROW_DAMAGED
        {
            *detail = format!("the page at byte {at} is not what was written there");
        }
        error
    }
}

impl State {
    fn of(file: Arc<dyn VfsFile>) -> Self {
        Self {
            file,
            groups: BTreeMap::new(),
            dirty: BTreeSet::new(),
        }
    }

    fn group(&mut self, group: u64) -> io::Result<&mut Group> {
        use std::collections::btree_map::Entry;
        Ok(match self.groups.entry(group) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(Group::read(&*self.file, group)?),
        })
    }

    fn get(&mut self, offset: u64) -> io::Result<u32> {
        let (group, at) = place(offset);
        let sums = &self.group(group)?.sums;
        Ok(sums.get(at).copied().unwrap_or(0))
    }

    fn set(&mut self, offset: u64, sum: u32) -> io::Result<()> {
        let (group, at) = place(offset);
        // What is rewritten in place has its own guard.
        let sum = if offset == 0 { 0 } else { sum };
        if let Some(known) = self.group(group)?.sums.get_mut(at) {
            *known = sum;
        }
        // Also if it stays the same: what a failed sync left in the caches may be gone from the disk.
        self.dirty.insert(group);
        Ok(())
    }
}

impl Group {
    /// The newest whole slot of a group; where there is none, nothing is known.
    fn read(file: &dyn VfsFile, group: u64) -> io::Result<Self> {
        let mut newest = Self {
            number: 0,
            sums: vec![0; SUMS],
        };
        for slot in [0, 1] {
            let mut bytes = vec![0; SLOT_BYTES];
            match file.read_exact_at(&mut bytes, (group * 2 + slot) * SLOT_BYTES as u64) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => continue,
                Err(error) => return Err(error),
            }
            if let Some(found) = decode_slot(group, slot, &bytes)
                && found.number > newest.number
            {
                newest = found;
            }
        }
        Ok(newest)
    }
}

/// The group of a block and its place there.
fn place(offset: u64) -> (u64, usize) {
    let block = offset / BLOCK_BYTES as u64;
    // Less than SUMS, which fits.
    (block / SUMS as u64, (block % SUMS as u64) as usize)
}

/// The sum of a block; never 0, which says that none is known.
fn sum(block: &[u8]) -> u32 {
    checksum(block).max(1)
}

/// The checksum of a slot covers its place, so that one that went astray is none.
fn slot_checksum(group: u64, slot: u64, body: &[u8]) -> u32 {
    let mut place = group.to_le_bytes().to_vec();
    place.extend_from_slice(&slot.to_le_bytes());
    checksum(&place).rotate_left(16) ^ checksum(body)
}

fn encode_slot(group: u64, slot: u64, sums: &Group) -> Vec<u8> {
    let mut body = Vec::with_capacity(SLOT_BYTES);
    body.extend_from_slice(&sums.number.to_le_bytes());
    for sum in &sums.sums {
        body.extend_from_slice(&sum.to_le_bytes());
    }
    let mut bytes = SLOT_MAGIC.to_vec();
    bytes.extend_from_slice(&slot_checksum(group, slot, &body).to_le_bytes());
    bytes.append(&mut body);
    bytes
}

fn decode_slot(group: u64, slot: u64, bytes: &[u8]) -> Option<Group> {
    let rest = bytes.strip_prefix(&SLOT_MAGIC)?;
    let (crc, body) = rest.split_first_chunk()?;
    let (number, sums) = body.split_first_chunk()?;
    let is_right = u32::from_le_bytes(*crc) == slot_checksum(group, slot, body);
    let (sums, _) = sums.as_chunks();
    is_right.then(|| Group {
        number: u64::from_le_bytes(*number),
        sums: sums.iter().map(|sum| u32::from_le_bytes(*sum)).collect(),
    })
}

/// The file with the sums of the storage file at `path`, if there is one.
fn open_to_read(vfs: &dyn Vfs, path: &Path) -> io::Result<Option<Arc<dyn VfsFile>>> {
    match vfs.open(&beside(path), OpenMode::Read) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        opened => opened.map(Some),
    }
}

/// Where the sums of a storage file are.
pub(super) fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".sums");
    PathBuf::from(name)
}

/// Removes the sums of a storage file that is not there, or is about to go; durably.
///
/// # Errors
/// I/O.
pub(crate) fn remove(vfs: &dyn Vfs, path: &Path) -> io::Result<()> {
    let sums = beside(path);
    if vfs.exists(&sums)? {
        vfs.remove(&sums)?;
        vfs.sync_dir(sums.parent().unwrap_or(Path::new("")))?;
    }
    Ok(())
}

/// Gives the sums of the file that was made at `from` to the one at `to`. A storage file that replaces another is renamed,
/// durably, first; one that is new is renamed after.
///
/// # Errors
/// I/O.
pub(crate) fn rename(vfs: &dyn Vfs, from: &Path, to: &Path) -> io::Result<()> {
    let (from, to) = (beside(from), beside(to));
    if vfs.exists(&from)? {
        vfs.rename(&from, &to)?;
        vfs.sync_dir(to.parent().unwrap_or(Path::new("")))?;
    }
    Ok(())
}

/// Ends the replacement of the storage file at `path` by the one made at `made` where it was interrupted: if that has not
/// got its name it goes, and else its sums take theirs.
///
/// # Errors
/// I/O.
pub(super) fn settle(vfs: &dyn Vfs, made: &Path, path: &Path) -> io::Result<()> {
    if !vfs.exists(made)? {
        return rename(vfs, made, path);
    }
    // The other way round, a crash would leave sums without their file, as one in the middle of the renaming does.
    remove(vfs, made)?;
    vfs.remove(made)
}

#[cfg(test)]
mod tests {
    use tailwater_wal::vfs::{Fate, MemoryVfs};

    use super::*;

    const PATH: &str = "data";

    fn page(byte: u8) -> Vec<u8> {
        vec![byte; BLOCK_BYTES]
    }

    fn offset(block: u64) -> u64 {
        block * BLOCK_BYTES as u64
    }

    #[test]
    fn what_was_written_is_right_and_nothing_else() {
        let vfs = MemoryVfs::new();
        let sums = PageSums::open(&vfs, Path::new(PATH)).unwrap();
        let far = SUMS as u64 * 3 + 7;
        for block in [1, 2, far] {
            sums.note(offset(block), &page(block as u8)).unwrap();
        }
        sums.persist().unwrap();
        for sums in [sums, PageSums::open(&vfs, Path::new(PATH)).unwrap()] {
            for block in [1, 2, far] {
                let at = offset(block);
                assert!(sums.is_right(at, &page(block as u8)).unwrap());
                assert!(!sums.is_right(at, &page(9)).unwrap(), "block {block}");
            }
            let two = [page(1), page(2)].concat();
            assert!(sums.is_right(offset(1), &two).unwrap());
            assert!(
                !sums
                    .is_right(offset(1), &[page(1), page(3)].concat())
                    .unwrap()
            );
            assert!(sums.is_right(offset(5), &page(77)).unwrap(), "not known");
        }
    }

    #[test]
    fn what_is_cut_off_or_half_written_is_not_known() {
        let vfs = MemoryVfs::new();
        let sums = PageSums::open(&vfs, Path::new(PATH)).unwrap();
        sums.note(offset(0), &page(1)).unwrap();
        for block in 1..5 {
            sums.note(offset(block), &page(1)).unwrap();
        }
        sums.note(offset(2) + 8, &[7; 8]).unwrap();
        sums.cut(offset(4)).unwrap();
        let known: Vec<bool> = (0..5)
            .map(|block| !sums.is_right(offset(block), &page(9)).unwrap())
            .collect();
        assert_eq!(known, [false, true, false, true, false]);
    }

    #[test]
    fn a_slot_is_lost_without_a_loss() {
        let vfs = MemoryVfs::new();
        let sums = PageSums::open(&vfs, Path::new(PATH)).unwrap();
        for version in 1..4 {
            sums.note(offset(1), &page(version)).unwrap();
            sums.persist().unwrap();
            for slot in [0, 1] {
                let image = vfs.image();
                let file = image
                    .open(&beside(Path::new(PATH)), OpenMode::ReadWrite)
                    .unwrap();
                file.write_all_at(&[0xAA; 512], slot * SLOT_BYTES as u64)
                    .unwrap();
                let sums = PageSums::open(&image, Path::new(PATH)).unwrap();
                assert!(!sums.is_right(offset(1), &page(9)).unwrap());
                assert!(sums.is_right(offset(1), &page(version)).unwrap());
            }
        }
    }

    #[test]
    fn a_slot_at_the_place_of_another_is_none() {
        let group = Group {
            number: 3,
            sums: vec![7; SUMS],
        };
        let bytes = encode_slot(4, 1, &group);
        assert!(decode_slot(4, 1, &bytes).is_some());
        assert!(decode_slot(4, 0, &bytes).is_none());
        assert!(decode_slot(5, 1, &bytes).is_none());
    }

    #[test]
    fn an_interrupted_replacement_is_ended_one_way_or_the_other() {
        let (made, path) = (Path::new("data.compact"), Path::new(PATH));
        for is_named in [false, true] {
            let vfs = MemoryVfs::new();
            let make = |path: &Path, byte| {
                vfs.open(path, OpenMode::Create).unwrap();
                let sums = PageSums::create(&vfs, path).unwrap();
                sums.note(offset(1), &page(byte)).unwrap();
                sums.persist().unwrap();
            };
            make(path, 1);
            make(made, 2);
            vfs.sync_dir(Path::new("")).unwrap();
            if is_named {
                vfs.rename(made, path).unwrap();
                vfs.sync_dir(Path::new("")).unwrap();
            }
            let crashed = vfs.crash_with(&mut |_| Fate::Lost);
            settle(&crashed, made, path).unwrap();
            let sums = PageSums::open(&crashed, path).unwrap();
            assert_eq!(sums.is_right(offset(1), &page(2)).unwrap(), is_named);
            assert_eq!(sums.is_right(offset(1), &page(1)).unwrap(), !is_named);
            assert!(!crashed.exists(made).unwrap() && !crashed.exists(&beside(made)).unwrap());
        }
    }
}
