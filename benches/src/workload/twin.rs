//! The bare twins of durable commits: write 4 KiB and sync, and nothing else; alone, and in groups with a leader.
//! The file is written full beforehand, as our log's segments are, so that a sync never waits for the file's length.

use std::fs::File;
use std::os::unix::fs::FileExt;

use parking_lot::{Condvar, Mutex};
use tempfile::TempDir;

use crate::{Place, Result};

const BLOCK: usize = 4_096;
const FILE_BYTES: u64 = 32 << 20;

/// A file that was written full, and where the next block goes.
#[derive(Debug)]
pub struct BareFile {
    file: File,
    next: u64,
    _folder: TempDir,
}

impl BareFile {
    /// Prepares one.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn open(place: &Place) -> Result<Self> {
        let folder = place.folder()?;
        let file = File::options()
            .create_new(true)
            .read(true)
            .write(true)
            .open(folder.path().join("bare"))?;
        let zeros = vec![0; 1 << 20];
        for offset in (0..FILE_BYTES).step_by(zeros.len()) {
            file.write_all_at(&zeros, offset)?;
        }
        file.sync_all()?;
        Ok(Self {
            file,
            next: 0,
            _folder: folder,
        })
    }

    /// Writes whole blocks and syncs them.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn commit(&mut self, blocks: &[u8]) -> Result<()> {
        let length = blocks.len() as u64;
        if self.next + length > FILE_BYTES {
            self.next = 0;
        }
        self.file.write_all_at(blocks, self.next)?;
        self.file.sync_data()?;
        self.next += length;
        Ok(())
    }
}

/// One block, not of zeros.
#[must_use]
pub fn block() -> Vec<u8> {
    vec![0x5a; BLOCK]
}

/// Group commit and nothing else: whoever waits first writes and syncs what all have put in by then.
#[derive(Debug)]
pub struct BareGroup {
    state: Mutex<State>,
    synced: Condvar,
}

#[derive(Debug)]
struct State {
    /// `None` while a leader is writing.
    file: Option<BareFile>,
    filling: Vec<u8>,
    /// The buffer that is not being filled.
    spare: Vec<u8>,
    appended: u64,
    durable: u64,
}

impl BareGroup {
    /// Prepares a file for it.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn open(place: &Place) -> Result<Self> {
        Ok(Self {
            state: Mutex::new(State {
                file: Some(BareFile::open(place)?),
                filling: Vec::new(),
                spare: Vec::new(),
                appended: 0,
                durable: 0,
            }),
            synced: Condvar::new(),
        })
    }

    /// Puts a record in and returns its number.
    pub fn append(&self, record: &[u8]) -> u64 {
        let mut state = self.state.lock();
        state.filling.extend_from_slice(record);
        state.appended += 1;
        state.appended
    }

    /// Waits until that record is durable, leading the next group if nobody does.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn wait(&self, number: u64) -> Result<()> {
        let mut state = self.state.lock();
        while state.durable < number {
            let Some(mut file) = state.file.take() else {
                self.synced.wait(&mut state);
                continue;
            };
            let spare = std::mem::take(&mut state.spare);
            let mut group = std::mem::replace(&mut state.filling, spare);
            let last = state.appended;
            drop(state);
            group.resize(group.len().next_multiple_of(BLOCK), 0);
            let done = file.commit(&group);
            group.clear();
            state = self.state.lock();
            state.file = Some(file);
            state.spare = group;
            state.durable = last;
            self.synced.notify_all();
            done?;
        }
        Ok(())
    }
}
