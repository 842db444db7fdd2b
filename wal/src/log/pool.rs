//! Has the next segment ready before the writer needs it, and takes old files back.
//!
//! Filling a file with zeros is slow and done without a lock; turning such a file into a segment is one small
//! write and two syncs. The order is always: header, sync, name, sync of the directory, and only then frames.
//! So a file with a segment's name has a whole header, or is damaged. Next door: `segment`, `retention`.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tailwater_proto::Lsn;

use super::format::{self, BLOCK_BYTES, Epoch, FRAMES_AT, SegmentHeader};
use super::reserve::{Reserve, is_full};
use super::segment::Segment;
use crate::error::{Error, Result};
use crate::mutant;
use crate::settings::{Settings, SyncMode};
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Mutex, is_weakened};
use crate::vfs::{OpenMode, Vfs, VfsFile};

/// Bytes of a segment that is needed at once, with nothing prepared, and of one in a log that is hardly written.
const SHORT_SEGMENT_BYTES: u64 = 1 << 20;
/// Segments of a log that is written little become so many times smaller at a time.
const SHRINK: u64 = 4;
/// Zeros that are written between two syncs: small, so that commits meanwhile do not wait behind them.
const ZERO_CHUNK_BYTES: usize = 1 << 20;

/// Where segments come from and go to.
#[derive(Debug)]
pub(crate) struct Pool {
    vfs: Arc<dyn Vfs>,
    dir: PathBuf,
    database_id: [u8; 16],
    settings: Settings,
    pub(crate) reserve: Reserve,
    state: Mutex<State>,
    /// Bytes for frames in the segment that `take` would give without asking the file system for more.
    next_bytes: AtomicU64,
    /// Bytes of frames in segments that are full.
    used: AtomicU64,
}

/// What room is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Anything.
    Any,
    /// Giving room back.
    Free,
}

/// Room for frames that are not written yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Room {
    /// Their bytes.
    pub(crate) bytes: u64,
    /// How they may lie in several segments, if they may.
    pub(crate) groups: Option<Groups>,
}

/// Groups of frames, none of which spans two segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Groups {
    /// The most bytes that come first, with all that waits.
    pub(crate) first: u64,
    /// The most bytes of each of the others: so much may be left over in a segment.
    pub(crate) other: u64,
}

impl Groups {
    /// The shortest segment that can hold some of them.
    fn segment_bytes_min(self) -> u64 {
        FRAMES_AT.saturating_add(self.first.max(self.other.saturating_mul(2)))
    }

    /// Bytes of frames that are sure to find room in a segment.
    fn room_in(self, segment_bytes: u64) -> u64 {
        if segment_bytes < self.segment_bytes_min() {
            return 0;
        }
        segment_bytes - FRAMES_AT - self.other
    }

    /// The shortest segment with so much room.
    fn segment_bytes_for(self, room: u64) -> u64 {
        let bytes = room.saturating_add(FRAMES_AT).saturating_add(self.other);
        let bytes = bytes.max(self.segment_bytes_min());
        bytes.next_multiple_of(BLOCK_BYTES as u64)
    }
}

#[derive(Debug)]
struct State {
    /// Numbers are never used twice, in any epoch.
    next_segment_no: u64,
    next_spare_no: u64,
    /// Oldest first, never empty.
    history: Vec<Epoch>,
    ready: Option<Arc<Segment>>,
    spares: VecDeque<Spare>,
    /// Bytes that segments are prepared with: more where many are used, less where few are.
    bytes: u64,
    /// Where the log stood when that was looked at last.
    position: u64,
    /// A segment that could not be taken back: as long as its name may be there, none behind it may go.
    half_gone: Option<PathBuf>,
    /// So many of the segments to come, the one that is ready first, are room for a record that was agreed to.
    promised: usize,
}

#[derive(Clone, Copy, Debug)]
struct Spare {
    number: u64,
    bytes: u64,
    recycled: bool,
}

impl Pool {
    pub(crate) fn new(
        vfs: Arc<dyn Vfs>,
        dir: &Path,
        database_id: [u8; 16],
        settings: Settings,
        next_segment_no: u64,
        history: Vec<Epoch>,
    ) -> Self {
        let state = State {
            next_segment_no,
            next_spare_no: 0,
            history,
            ready: None,
            spares: VecDeque::new(),
            bytes: match settings.background.spawn() {
                Some(_) => SHORT_SEGMENT_BYTES.min(settings.segment_bytes),
                // Whoever needs one makes it himself: the fewer the better.
                None => settings.segment_bytes,
            },
            position: 0,
            half_gone: None,
            promised: 0,
        };
        Self {
            reserve: Reserve::new(Arc::clone(&vfs), dir, settings.reserve_bytes),
            vfs,
            dir: dir.to_owned(),
            database_id,
            settings,
            state: Mutex::new(state),
            next_bytes: AtomicU64::new(0),
            used: AtomicU64::new(0),
        }
    }

    /// A segment is full with so many bytes.
    pub(crate) fn note_used(&self, bytes: u64) {
        self.used.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Bytes of frames in segments that are full.
    pub(crate) fn used_bytes(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Says from time to time where the log stands. Where it hardly moves, what is prepared for it becomes smaller, by and
    /// by; says whether something is to be prepared anew.
    pub(crate) fn note_position(&self, position: u64) -> bool {
        if self.settings.background.spawn().is_none() {
            return false;
        }
        let mut state = self.state.lock();
        let moved = position.saturating_sub(std::mem::replace(&mut state.position, position));
        let enough = moved.next_power_of_two().clamp(
            SHORT_SEGMENT_BYTES,
            self.settings.segment_bytes.max(SHORT_SEGMENT_BYTES),
        );
        let bytes = (state.bytes / SHRINK)
            .max(enough)
            .min(self.settings.segment_bytes);
        if bytes >= state.bytes || state.promised > 0 {
            return false;
        }
        state.bytes = bytes;
        // If it cannot be removed it is only larger than it need be.
        _ = self.remove_large(&mut state);
        self.note_next(&state);
        true
    }

    /// Removes what is prepared and larger than segments are to be now.
    fn remove_large(&self, state: &mut State) -> Result<()> {
        let spares = std::mem::take(&mut state.spares);
        let (large, kept): (VecDeque<_>, VecDeque<_>) = spares
            .into_iter()
            .partition(|spare| spare.bytes > state.bytes);
        state.spares = kept;
        for spare in large {
            self.remove(&self.dir.join(format::spare_name(spare.number)))?;
        }
        if let Some(ready) = state.ready.take_if(|ready| ready.capacity > state.bytes) {
            let path = ready.path.clone();
            self.give_back(state, ready)
                .inspect_err(|_| state.half_gone = Some(path))?;
        }
        Ok(())
    }

    /// Tells what comes next; called whenever that changes, under the lock.
    fn note_next(&self, state: &State) {
        let ready = state.ready.as_ref().map(|segment| segment.capacity);
        let next = ready.or_else(|| state.spares.front().map(|spare| spare.bytes));
        let bytes = next.unwrap_or(0).saturating_sub(FRAMES_AT);
        self.next_bytes.store(bytes, Ordering::Release);
    }

    /// Whether so many bytes of frames fit into the next segment as it stands ready.
    pub(crate) fn fits_next(&self, bytes: u64) -> bool {
        bytes <= self.next_bytes.load(Ordering::Acquire)
    }

    /// Makes room for frames: in the next segment, a new file, if need be a small one; or, for a long record, in as many as
    /// it takes, so that none is longer than a segment. All of it is there before anything is appended: who appends a
    /// record has told others of it by then, and could not take it back. What is owed to the reserve is left alone, unless
    /// the room is for that.
    pub(crate) fn make_room(&self, room: Room, durable: Lsn, purpose: Purpose) -> Result<()> {
        let mut state = self.state.lock();
        if self.fits_next(room.bytes) {
            return Ok(());
        }
        let owed = match purpose {
            Purpose::Any => self.reserve.owed(),
            Purpose::Free => 0,
        };
        let least = room
            .bytes
            .saturating_add(FRAMES_AT)
            .next_multiple_of(BLOCK_BYTES as u64);
        let longest = self.settings.segment_bytes;
        // A segment that cannot hold the groups is made longer: it is no use to have several of them.
        let divided = room
            .groups
            .filter(|groups| least > longest && longest >= groups.segment_bytes_min());
        if let Some(groups) = divided {
            return self.make_divided_room(&mut state, room.bytes, groups, durable, owed);
        }
        let usual = self.bytes_at_once();
        let number = state.next_spare_no;
        state.next_spare_no += 1;
        let wanted = least.max(usual);
        let made = match self.fill_if_free(number, wanted, owed) {
            Err(_) if wanted > least => self.fill_if_free(number, least, owed).map(|()| least),
            made => made.map(|()| wanted),
        }?;
        let spare = Spare {
            number,
            bytes: made,
            recycled: false,
        };
        self.make_next(&mut state, 0, vec![spare], durable)
    }

    /// Makes room for groups of so many bytes in several segments, with those that stand ready for it.
    fn make_divided_room(
        &self,
        state: &mut State,
        bytes: u64,
        groups: Groups,
        durable: Lsn,
        owed: u64,
    ) -> Result<()> {
        let longest = self.settings.segment_bytes;
        let ready = state.ready.as_ref().map(|segment| segment.capacity);
        let ready_room = ready.map_or(0, |bytes| groups.room_in(bytes));
        let prefix = state
            .spares
            .iter()
            .map(|spare| groups.room_in(spare.bytes))
            .take_while(|room| *room > 0);
        let (mut kept, mut room) = (0, ready_room);
        for of_spare in prefix {
            if room >= bytes {
                break;
            }
            room += of_spare;
            kept += 1;
        }
        let mut lens = Vec::new();
        while room < bytes {
            let len = groups.segment_bytes_for(bytes - room).min(longest);
            room += groups.room_in(len);
            lens.push(len);
        }
        let total = lens.iter().fold(owed, |sum, len| sum.saturating_add(*len));
        if self.free_bytes().is_some_and(|free| free < total) {
            return Err(self.full(state.next_spare_no));
        }
        let mut made = Vec::new();
        for bytes in lens {
            let number = state.next_spare_no;
            state.next_spare_no += 1;
            if let Err(error) = self.fill(number, bytes) {
                for spare in made {
                    let Spare { number, .. } = spare;
                    _ = self.vfs.remove(&self.dir.join(format::spare_name(number)));
                }
                return Err(error);
            }
            made.push(Spare {
                number,
                bytes,
                recycled: false,
            });
        }
        let promised = kept + made.len() + usize::from(ready_room > 0);
        if ready_room > 0 {
            for (at, spare) in made.into_iter().enumerate() {
                state.spares.insert(kept + at, spare);
            }
        } else {
            self.make_next(state, kept, made, durable)?;
        }
        state.promised = promised;
        Ok(())
    }

    /// Puts new spare files behind the first `kept`, and makes the first one of all the next segment, instead of the one
    /// that is ready.
    fn make_next(
        &self,
        state: &mut State,
        kept: usize,
        made: Vec<Spare>,
        durable: Lsn,
    ) -> Result<()> {
        let ready = state.ready.take();
        let given = ready.map_or(Ok(()), |ready| self.give_back(state, ready));
        for (at, spare) in made.into_iter().enumerate() {
            state.spares.insert(kept + at, spare);
        }
        let made = given.and_then(|()| self.make(state, durable));
        let made = made.map(|segment| state.ready = Some(segment));
        self.note_next(state);
        made
    }

    /// The record that room was made for has been appended.
    pub(crate) fn keep_promise(&self) {
        self.state.lock().promised = 0;
    }

    /// Bytes of a segment that somebody waits for. If nobody prepares the next one, it may as well be a whole one.
    fn bytes_at_once(&self) -> u64 {
        match self.settings.background.spawn() {
            Some(_) => SHORT_SEGMENT_BYTES.min(self.settings.segment_bytes),
            None => self.settings.segment_bytes,
        }
    }

    /// As `fill`, but refuses at once where the file system says that there is no room, with `kept` bytes left over.
    fn fill_if_free(&self, number: u64, bytes: u64, kept: u64) -> Result<()> {
        if self
            .free_bytes()
            .is_some_and(|free| free < bytes.saturating_add(kept))
        {
            return Err(self.full(number));
        }
        self.fill(number, bytes)
    }

    fn free_bytes(&self) -> Option<u64> {
        self.vfs.free_bytes(&self.dir).ok().flatten()
    }

    fn full(&self, number: u64) -> Error {
        let path = self.dir.join(format::spare_name(number));
        Error::io("fill", path, ErrorKind::StorageFull.into())
    }

    /// Looks whether there is as much room again as the reserve had, and so many bytes.
    ///
    /// # Errors
    /// When there is not.
    pub(crate) fn settle_debt(&self, bytes: u64) -> Result<()> {
        let needed = self.reserve.owed().saturating_add(bytes);
        let prepared = self.prepared_bytes();
        if self
            .free_bytes()
            .is_some_and(|free| free.saturating_add(prepared) < needed)
        {
            return Err(self.full(self.state.lock().next_spare_no));
        }
        self.reserve.forgive();
        Ok(())
    }

    /// Removes spare files beyond the next segment, for somebody who needs their space more. Says how many bytes.
    pub(crate) fn yield_spares(&self) -> Result<u64> {
        let mut state = self.state.lock();
        let is_ready = usize::from(state.ready.is_some());
        let kept = state.promised.max(1) - is_ready;
        let mut bytes = 0;
        while state.spares.len() > kept
            && let Some(spare) = state.spares.pop_back()
        {
            self.remove(&self.dir.join(format::spare_name(spare.number)))?;
            bytes += spare.bytes;
        }
        Ok(bytes)
    }

    /// Takes over the reserve and the spare files found in the directory; removes those of another size.
    pub(crate) fn adopt(&self, names: &[String]) -> Result<()> {
        self.reserve.adopt(names)?;
        if names
            .iter()
            .any(|name| format::parse_spare_name(name).is_some())
        {
            // Before a spare's header is overwritten, the segment's name it had must be gone for good: whoever renamed it
            // may have failed to see to that.
            self.sync_dir()?;
        }
        let mut state = self.state.lock();
        for (name, number) in names
            .iter()
            .filter_map(|n| Some((n, format::parse_spare_name(n)?)))
        {
            state.next_spare_no = state.next_spare_no.max(number + 1);
            let path = self.dir.join(name);
            let file = self.vfs.open(&path, OpenMode::Read);
            let len = file
                .and_then(|file| file.len())
                .map_err(|e| Error::io("open", &path, e))?;
            let most = self.settings.segment_bytes;
            let least = SHORT_SEGMENT_BYTES.min(most);
            if (least..=most).contains(&len) && !self.enough(&state) {
                state.bytes = state.bytes.max(len);
                // What it held is not known any more.
                state.spares.push_back(Spare {
                    number,
                    bytes: len,
                    recycled: true,
                });
            } else {
                self.remove(&path)?;
            }
        }
        self.note_next(&state);
        Ok(())
    }

    fn enough(&self, state: &State) -> bool {
        state.spares.len() >= self.settings.spare_segments + usize::from(state.ready.is_none())
    }

    pub(crate) fn history(&self) -> Vec<Epoch> {
        self.state.lock().history.clone()
    }

    /// Bytes that are prepared and wait.
    pub(crate) fn prepared_bytes(&self) -> u64 {
        let state = self.state.lock();
        let ready = state.ready.as_ref().map_or(0, |segment| segment.capacity);
        ready + state.spares.iter().map(|spare| spare.bytes).sum::<u64>()
    }

    /// The segment to go on with: prepared, or made now. All records up to `after_lsn` are durable.
    pub(crate) fn take(&self, after_lsn: Lsn) -> Result<Arc<Segment>> {
        let mut state = self.state.lock();
        state.bytes = (state.bytes * 2).min(self.settings.segment_bytes);
        state.promised = state.promised.saturating_sub(1);
        if let Some(ready) = state.ready.take() {
            self.note_next(&state);
            return Ok(ready);
        }
        if state.spares.is_empty() {
            let bytes = self.bytes_at_once();
            let number = state.next_spare_no;
            state.next_spare_no += 1;
            match self.fill(number, bytes) {
                // Whoever needs one here has no other way.
                Err(error) if is_full(&error) && self.reserve.spend()? > 0 => {
                    self.fill(number, bytes)?;
                }
                filled => filled?,
            }
            state.spares.push_back(Spare {
                number,
                bytes,
                recycled: false,
            });
        }
        let made = self.make(&mut state, after_lsn);
        self.note_next(&state);
        made
    }

    /// Fills spare files and makes the next segment ready, then the reserve. `durable` tells what is durable by then.
    pub(crate) fn prepare(&self, durable: impl Fn() -> Lsn) -> Result<()> {
        self.prepare_next(durable)?;
        // The log goes on without one, and the next time it is tried again.
        _ = self.reserve.refill();
        Ok(())
    }

    fn prepare_next(&self, durable: impl Fn() -> Lsn) -> Result<()> {
        loop {
            let mut state = self.state.lock();
            if self.enough(&state) {
                if state.ready.is_none() {
                    state.ready = Some(self.make(&mut state, durable())?);
                    self.note_next(&state);
                }
                return Ok(());
            }
            let number = state.next_spare_no;
            state.next_spare_no += 1;
            let bytes = state.bytes;
            drop(state);
            self.fill_if_free(number, bytes, self.reserve.owed())?;
            let mut state = self.state.lock();
            state.spares.push_back(Spare {
                number,
                bytes,
                recycled: false,
            });
            self.note_next(&state);
        }
    }

    /// Begins an epoch: segments prepared under the old one go back.
    pub(crate) fn begin_epoch(&self, first_lsn: Lsn) -> Result<u32> {
        let mut state = self.state.lock();
        let number = state.history.last().map_or(0, |epoch| epoch.number) + 1;
        state.history.push(Epoch { number, first_lsn });
        if let Some(ready) = state.ready.take() {
            self.give_back(&mut state, ready)?;
        }
        self.note_next(&state);
        Ok(number)
    }

    /// Takes a segment back that nobody needs. A file that someone still reads is removed, not reused.
    pub(crate) fn recycle(&self, segment: Arc<Segment>) -> Result<()> {
        let mut state = self.state.lock();
        let path = segment.path.clone();
        let given = self.give_back(&mut state, segment);
        if given.is_err() {
            state.half_gone = Some(path);
        }
        self.note_next(&state);
        given
    }

    /// Tries again to remove a segment that could not be taken back. To be called before the next one is.
    pub(crate) fn finish_recycling(&self) -> Result<()> {
        let mut state = self.state.lock();
        let Some(path) = &state.half_gone else {
            return Ok(());
        };
        let is_there = self.vfs.exists(path);
        match is_there.map_err(|e| Error::io("look for", path, e))? {
            true => self.remove(path)?,
            false => self.sync_dir()?,
        }
        state.half_gone = None;
        Ok(())
    }

    fn give_back(&self, state: &mut State, segment: Arc<Segment>) -> Result<()> {
        let path = segment.path.clone();
        let is_read = Arc::strong_count(&segment) > 1;
        if is_read
            && (is_weakened("recycle a segment that is read") || mutant::is("recycle_what_is_read"))
        {
            return self.reuse(state, &path, state.bytes);
        }
        // With the last reference goes the map of the file, if there was one.
        let unread = Arc::into_inner(segment);
        let len = match &unread {
            Some(segment) => segment
                .file
                .len()
                .map_err(|e| segment.failed("measure", e))?,
            None => 0,
        };
        drop(unread);
        if len != state.bytes || self.enough(state) {
            return self.remove(&path);
        }
        self.reuse(state, &path, len)
    }

    fn reuse(&self, state: &mut State, path: &Path, len: u64) -> Result<()> {
        let number = state.next_spare_no;
        state.next_spare_no += 1;
        let spare = self.dir.join(format::spare_name(number));
        self.vfs
            .rename(path, &spare)
            .map_err(|e| Error::io("rename", path, e))?;
        // Before its header is overwritten the old name must be gone for good.
        self.sync_dir()?;
        state.spares.push_back(Spare {
            number,
            bytes: len,
            recycled: true,
        });
        Ok(())
    }

    fn remove(&self, path: &Path) -> Result<()> {
        self.vfs
            .remove(path)
            .map_err(|e| Error::io("remove", path, e))?;
        self.sync_dir()
    }

    pub(crate) fn sync_dir(&self) -> Result<()> {
        self.vfs
            .sync_dir(&self.dir)
            .map_err(|e| Error::io("sync", &self.dir, e))
    }

    /// Makes a file of zeros that really occupies its bytes.
    fn fill(&self, number: u64, bytes: u64) -> Result<()> {
        let path = self.dir.join(format::spare_name(number));
        let filled = self
            .vfs
            .open(&path, OpenMode::CreateNew)
            .and_then(|file| zero(file.as_ref(), bytes));
        filled.map_err(|e| {
            // On a full disk the half file would only stand in the way.
            _ = self.vfs.remove(&path);
            Error::io("fill", &path, e)
        })
    }

    /// Makes a spare file the next segment.
    fn make(&self, state: &mut State, after_lsn: Lsn) -> Result<Arc<Segment>> {
        let Some(spare) = state.spares.pop_front() else {
            let source = ErrorKind::NotFound.into();
            return Err(Error::io("find a spare segment in", &self.dir, source));
        };
        let epoch = state.history.last().map_or(1, |epoch| epoch.number);
        let segment_no = state.next_segment_no;
        state.next_segment_no += 1;
        let header = SegmentHeader {
            database_id: self.database_id,
            epoch,
            segment_no,
            salt: self.salt(segment_no),
            after_lsn,
            created_unix_ms: now_unix_ms(),
            recycled: spare.recycled,
            lazy: self.settings.sync != SyncMode::Commit,
            history: state.history.clone(),
        };
        let from = self.dir.join(format::spare_name(spare.number));
        let to = self.dir.join(format::segment_name(epoch, segment_no));
        let made = self.vfs.open(&from, OpenMode::ReadWrite).and_then(|file| {
            file.write_all_at(&header.encode(), 0)?;
            if !mutant::is("skip_segment_header_sync") {
                file.sync_data()?;
            }
            self.vfs.rename(&from, &to)?;
            Ok((file.len()?, file))
        });
        let made = made.map_err(|e| Error::io("prepare", &to, e));
        let made = made.and_then(|made| match mutant::is("skip_segment_name_sync") {
            true => Ok(made),
            false => self.sync_dir().map(|()| made),
        });
        let (capacity, file) = made.inspect_err(|_| {
            // The log goes on without it: an empty segment left behind would look, once those before it are released,
            // like one whose records are lost.
            _ = self
                .vfs
                .remove(&to)
                .and_then(|()| self.vfs.sync_dir(&self.dir));
        })?;
        Ok(Arc::new(Segment::new(to, file, header, capacity)))
    }

    /// Never the same for two segments, so that old frames in a recycled file are not taken for new ones.
    fn salt(&self, segment_no: u64) -> u64 {
        match self.settings.seed {
            Some(seed) => mix(seed ^ mix(segment_no)),
            None => RandomState::new().hash_one((segment_no, now_unix_ms())),
        }
    }
}

pub(crate) fn zero(file: &dyn VfsFile, bytes: u64) -> std::io::Result<()> {
    let chunk =
        vec![0; usize::try_from(bytes).map_or(ZERO_CHUNK_BYTES, |all| all.min(ZERO_CHUNK_BYTES))];
    let mut at = 0;
    while at < bytes {
        let step = usize::try_from(bytes - at)
            .unwrap_or(usize::MAX)
            .min(chunk.len());
        file.write_all_at(chunk.get(..step).unwrap_or_default(), at)?;
        file.sync_data()?;
        at += step as u64;
    }
    debug_assert!(bytes >= FRAMES_AT, "a segment holds at least its header");
    Ok(())
}

/// SplitMix64's finisher.
fn mix(word: u64) -> u64 {
    let word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

pub(crate) fn now_unix_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
