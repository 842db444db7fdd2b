//! A simulated disk: a file system in memory on which every step is counted, watched and can be made to go wrong.
//!
//! A step is a call that changes something: a write, a length, a sync, a name. Steps and reads are numbered from 1 in
//! the order they happen, so that with one thread a number names the same call in every run. A fault is planned for a
//! number; a watcher sees the disk after every step and may take an image of it, which it can crash as often as it
//! likes. It decides nothing by chance: whoever plans the faults holds the seed. Next door: `memory`, the disk itself.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::memory::{MemoryFile, MemoryVfs};
use super::{LockOutcome, Mapping, OpenMode, Pending, SyncFailure, Vfs, VfsFile};
use crate::sync::plain::Mutex;
use crate::vfs::Fate;

/// How far a misdirected write or read is off, bytes.
const ASTRAY_BYTES: u64 = 4096;

/// What goes wrong at a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The power goes: this call and all after it fail.
    PowerOff,
    /// The call fails and changes nothing (EIO). A sync fails as [`SyncFailure::Transient`].
    Error,
    /// A write: half of it is written, then it fails (EIO). Else as `Error`.
    Short,
    /// A write, a length or a new file: there is no room (ENOSPC). Else as `Error`.
    NoSpace,
    /// The next write, at this step or later: it succeeds, but lands 4 KiB further on.
    Misdirected,
    /// The next sync of a file, at this step or later, fails in this way.
    Sync(SyncFailure),
}

/// What goes wrong with a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadFault {
    /// It fails (EIO).
    Error,
    /// It is interrupted by a signal (EINTR): the caller reads again.
    Interrupted,
    /// Fewer bytes come than were asked for, but one at least.
    Short,
    /// One bit is wrong.
    BitFlip,
    /// The bytes are those of a place 4 KiB further on.
    Misdirected,
}

impl ReadFault {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Error,
        Self::Interrupted,
        Self::Short,
        Self::BitFlip,
        Self::Misdirected,
    ];
}

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepKind {
    /// A new file.
    Create,
    /// Bytes written.
    Write {
        /// Where.
        offset: u64,
        /// How many.
        len: usize,
    },
    /// A new length.
    SetLen(u64),
    /// A file made durable.
    Sync,
    /// The names in a directory made durable.
    SyncDir,
    /// A file renamed; the step's path is its new name.
    Rename,
    /// A file removed.
    Remove,
}

/// A step that was taken.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// Its number, from 1.
    pub number: u64,
    /// What it did.
    pub kind: StepKind,
    /// To which file or directory.
    pub path: &'a Path,
}

/// Sees each step once it is taken, and the disk after it. It must not use the simulated disk itself.
pub type Watcher = Box<dyn FnMut(Step<'_>, &MemoryVfs) + Send>;

/// A simulated disk. Clones share it.
///
/// ```
/// use std::path::Path;
/// use tailwater_wal::vfs::{Fault, MemoryVfs, OpenMode, SimulatedVfs, Vfs};
///
/// # fn main() -> std::io::Result<()> {
/// let disk = SimulatedVfs::new(MemoryVfs::new());
/// let file = disk.open(Path::new("f"), OpenMode::Create)?; // step 1
/// disk.plan(3, Fault::Short);
/// file.write_all_at(b"abcd", 0)?;
/// assert!(file.write_all_at(b"efgh", 4).is_err());
/// assert_eq!((file.len()?, disk.steps()), (6, 3));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SimulatedVfs {
    memory: MemoryVfs,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    steps: u64,
    reads: u64,
    faults: BTreeMap<u64, Fault>,
    read_faults: BTreeMap<u64, ReadFault>,
    has_power: bool,
    watcher: Option<Watcher>,
    /// A hash of all steps, to tell whether two runs are the same.
    trace: u64,
}

impl SimulatedVfs {
    /// Puts a disk under simulation.
    #[must_use]
    pub fn new(memory: MemoryVfs) -> Self {
        let state = State {
            has_power: true,
            ..State::default()
        };
        Self {
            memory,
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// Makes step `number` go wrong.
    pub fn plan(&self, number: u64, fault: Fault) {
        self.state.lock().faults.insert(number, fault);
    }

    /// Makes read `number` go wrong.
    pub fn plan_read(&self, number: u64, fault: ReadFault) {
        self.state.lock().read_faults.insert(number, fault);
    }

    /// Lets nothing go wrong any more that has not yet.
    pub fn clear_faults(&self) {
        let mut state = self.state.lock();
        state.faults.clear();
        state.read_faults.clear();
    }

    /// Shows every step from now on to `watcher`.
    pub fn watch(&self, watcher: Watcher) {
        self.state.lock().watcher = Some(watcher);
    }

    /// Shows no step any more, and drops the watcher.
    pub fn unwatch(&self) {
        let watcher = self.state.lock().watcher.take();
        drop(watcher);
    }

    /// Steps taken, those that failed included.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.state.lock().steps
    }

    /// Reads made, those that failed included.
    #[must_use]
    pub fn reads(&self) -> u64 {
        self.state.lock().reads
    }

    /// A hash of what all steps did, where and in which order.
    #[must_use]
    pub fn trace(&self) -> u64 {
        self.state.lock().trace
    }

    /// Whether the power is on.
    #[must_use]
    pub fn has_power(&self) -> bool {
        self.state.lock().has_power
    }

    /// The disk as it is.
    #[must_use]
    pub fn memory(&self) -> &MemoryVfs {
        &self.memory
    }

    /// Crashes the machine as [`MemoryVfs::crash_with`] does; the next boot is simulated as well, without faults.
    #[must_use = "the machine that crashed is dead; go on with the one returned"]
    pub fn crash_with(&self, fate: &mut dyn FnMut(Pending<'_>) -> Fate) -> Self {
        self.state.lock().has_power = false;
        Self::new(self.memory.crash_with(fate))
    }

    /// Takes a step: counts it, lets it happen or go wrong, and shows it.
    fn step<T>(
        &self,
        kind: StepKind,
        path: &Path,
        happen: impl FnOnce(Option<Fault>) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut state = self.state.lock();
        if !state.has_power {
            return Err(no_power());
        }
        state.steps += 1;
        let number = state.steps;
        state.note(kind, path);
        let fault = state.fault_of(number, kind);
        if fault == Some(Fault::PowerOff) {
            state.has_power = false;
            return Err(no_power());
        }
        let happened = happen(fault);
        if let Some(watcher) = &mut state.watcher {
            watcher(Step { number, kind, path }, &self.memory);
        }
        happened
    }
}

impl State {
    /// The fault that is due at a step.
    fn fault_of(&mut self, number: u64, kind: StepKind) -> Option<Fault> {
        let waits = |fault: &Fault| match fault {
            Fault::Sync(_) => kind != StepKind::Sync,
            Fault::Misdirected => !matches!(kind, StepKind::Write { .. }),
            _ => false,
        };
        let due = self
            .faults
            .range(..=number)
            .find(|(_, fault)| !waits(fault));
        let at = *due?.0;
        self.faults.remove(&at)
    }

    fn note(&mut self, kind: StepKind, path: &Path) {
        let (code, first, second) = match kind {
            StepKind::Create => (1, 0, 0),
            StepKind::Write { offset, len } => (2, offset, len as u64),
            StepKind::SetLen(len) => (3, len, 0),
            StepKind::Sync => (4, 0, 0),
            StepKind::SyncDir => (5, 0, 0),
            StepKind::Rename => (6, 0, 0),
            StepKind::Remove => (7, 0, 0),
        };
        for word in [code, first, second] {
            self.mix(word);
        }
        for byte in path.as_os_str().as_encoded_bytes() {
            self.mix(u64::from(*byte));
        }
    }

    /// FNV-1a by words.
    fn mix(&mut self, word: u64) {
        self.trace = (self.trace ^ word).wrapping_mul(0x0000_0100_0000_01b3) ^ 0xcbf2_9ce4;
    }
}

fn no_power() -> io::Error {
    io::Error::other("the power is off")
}

/// What a fault answers to a call that it does not know how to spoil better.
fn refuse(fault: Option<Fault>) -> io::Result<()> {
    match fault {
        None | Some(Fault::Misdirected) => Ok(()),
        Some(Fault::NoSpace) => Err(io::ErrorKind::StorageFull.into()),
        Some(_) => Err(io::Error::other("injected fault")),
    }
}

impl Vfs for SimulatedVfs {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn VfsFile>> {
        let makes = matches!(mode, OpenMode::Create | OpenMode::CreateNew)
            && !self.memory.exists(path).unwrap_or(true);
        let open = || self.memory.open_file(path, mode);
        let file = if makes {
            self.step(StepKind::Create, path, |fault| {
                refuse(fault).and_then(|()| open())
            })?
        } else if self.has_power() {
            open()?
        } else {
            return Err(no_power());
        };
        Ok(Arc::new(SimulatedFile {
            file,
            path: path.to_owned(),
            disk: self.clone(),
        }))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        if !self.has_power() {
            return Err(no_power());
        }
        self.memory.create_dir_all(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step(StepKind::Rename, to, |fault| {
            refuse(fault).and_then(|()| self.memory.rename(from, to))
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.step(StepKind::Remove, path, |fault| {
            refuse(fault).and_then(|()| self.memory.remove(path))
        })
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        if !self.has_power() {
            return Err(no_power());
        }
        self.memory.list(dir)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        if !self.has_power() {
            return Err(no_power());
        }
        self.memory.exists(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.step(StepKind::SyncDir, dir, |fault| {
            refuse(fault).and_then(|()| self.memory.sync_dir(dir))
        })
    }

    fn free_bytes(&self, path: &Path) -> io::Result<Option<u64>> {
        self.memory.free_bytes(path)
    }

    fn lock(&self, path: &Path) -> io::Result<LockOutcome> {
        if !self.has_power() {
            return Err(no_power());
        }
        self.memory.lock(path)
    }

    fn syncs(&self) -> u64 {
        self.memory.syncs()
    }
}

/// An open file of a simulated disk.
struct SimulatedFile {
    file: Arc<MemoryFile>,
    path: PathBuf,
    disk: SimulatedVfs,
}

impl VfsFile for SimulatedFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.step(StepKind::SetLen(len), &self.path, |fault| {
            refuse(fault).and_then(|()| self.file.set_len(len))
        })
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let fault = {
            let mut state = self.disk.state.lock();
            if !state.has_power {
                return Err(no_power());
            }
            state.reads += 1;
            let number = state.reads;
            state.read_faults.remove(&number)
        };
        match fault {
            None => self.file.read_at(buf, offset),
            Some(ReadFault::Error) => Err(io::Error::other("injected fault: read")),
            Some(ReadFault::Interrupted) => Err(io::ErrorKind::Interrupted.into()),
            Some(ReadFault::Short) => {
                let half = buf.len().div_ceil(2);
                self.file
                    .read_at(buf.get_mut(..half).unwrap_or_default(), offset)
            }
            Some(ReadFault::BitFlip) => {
                let read = self.file.read_at(buf, offset)?;
                if let Some(byte) = buf.get_mut(read / 2) {
                    *byte ^= 1 << (offset % 8);
                }
                Ok(read)
            }
            Some(ReadFault::Misdirected) => {
                let read = self.file.read_at(buf, offset)?;
                // As many bytes as there should be, but from elsewhere.
                let mut astray = vec![0; read];
                self.file.read_at(&mut astray, offset + ASTRAY_BYTES)?;
                if let Some(buf) = buf.get_mut(..read) {
                    buf.copy_from_slice(&astray);
                }
                Ok(read)
            }
        }
    }

    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        let kind = StepKind::Write {
            offset,
            len: buf.len(),
        };
        self.disk.step(kind, &self.path, |fault| match fault {
            Some(Fault::Misdirected) => self.file.write_all_at(buf, offset + ASTRAY_BYTES),
            Some(Fault::Short) => {
                let half = buf.get(..buf.len() / 2).unwrap_or_default();
                self.file.write_all_at(half, offset)?;
                refuse(fault)
            }
            fault => refuse(fault).and_then(|()| self.file.write_all_at(buf, offset)),
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk
            .step(StepKind::Sync, &self.path, |fault| match fault {
                Some(Fault::Sync(failure)) => Err(self.file.fail_sync(failure)),
                fault => refuse(fault).and_then(|()| self.file.sync_data()),
            })
    }

    fn map(&self) -> io::Result<Option<Mapping>> {
        Ok(None)
    }
}

impl fmt::Debug for SimulatedVfs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.lock();
        f.debug_struct("SimulatedVfs")
            .field("steps", &state.steps)
            .field("reads", &state.reads)
            .field("has_power", &state.has_power)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for SimulatedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimulatedFile")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::plain::Mutex as SharedMutex;

    fn disk() -> (SimulatedVfs, Arc<dyn VfsFile>) {
        let disk = SimulatedVfs::new(MemoryVfs::new());
        let file = disk.open(Path::new("f"), OpenMode::Create).unwrap();
        disk.sync_dir(Path::new("")).unwrap();
        (disk, file)
    }

    fn after_crash(disk: &SimulatedVfs) -> Vec<u8> {
        let memory = disk.memory().image().crash();
        let file = memory.open(Path::new("f"), OpenMode::Read).unwrap();
        let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
        file.read_exact_at(&mut bytes, 0).unwrap();
        bytes
    }

    #[test]
    fn a_watcher_sees_every_step_and_images_are_worlds_of_their_own() {
        let (disk, file) = disk();
        let lengths = Arc::new(SharedMutex::new(Vec::new()));
        let seen = Arc::clone(&lengths);
        disk.watch(Box::new(move |step, memory| {
            let image = memory.image();
            let crashed = image.crash_keeping(&mut |_| true);
            let len = crashed
                .open(Path::new("f"), OpenMode::Read)
                .unwrap()
                .len()
                .unwrap();
            seen.lock().push((step.number, len));
        }));
        file.write_all_at(&[1; 10], 0).unwrap();
        file.sync_data().unwrap();
        file.write_all_at(&[2; 10], 10).unwrap();
        disk.unwatch();
        assert_eq!(*lengths.lock(), [(3, 10), (4, 10), (5, 20)]);
        assert_eq!(after_crash(&disk), [1; 10], "the disk itself never crashed");
    }

    #[test]
    fn a_failed_sync_leaves_the_bytes_in_each_of_three_ways() {
        for failure in SyncFailure::ALL {
            let (disk, file) = disk();
            file.write_all_at(b"old", 0).unwrap();
            file.sync_data().unwrap();
            file.write_all_at(b"new", 0).unwrap();
            disk.plan(disk.steps() + 1, Fault::Sync(failure));
            assert!(file.sync_data().is_err());
            let mut seen = [0; 3];
            file.read_exact_at(&mut seen, 0).unwrap();
            // Retried, as nobody should: it says that all is well.
            file.sync_data().unwrap();
            let kept = after_crash(&disk);
            let (seen, kept) = (&seen[..], kept.as_slice());
            match failure {
                SyncFailure::Clean => assert_eq!((seen, kept), (&b"new"[..], &b"old"[..])),
                SyncFailure::Reverted => assert_eq!((seen, kept), (&b"old"[..], &b"old"[..])),
                SyncFailure::Transient => assert_eq!((seen, kept), (&b"new"[..], &b"new"[..])),
            }
            // Written again, they are written.
            file.write_all_at(b"end", 0).unwrap();
            file.sync_data().unwrap();
            assert_eq!(after_crash(&disk), b"end");
        }
    }

    #[test]
    fn power_off_ends_everything_until_the_next_boot() {
        let (disk, file) = disk();
        file.write_all_at(b"kept", 0).unwrap();
        file.sync_data().unwrap();
        disk.plan(disk.steps() + 2, Fault::PowerOff);
        file.write_all_at(b"lost", 0).unwrap();
        assert!(file.sync_data().is_err());
        assert!(file.read_at(&mut [0], 0).is_err() && disk.list(Path::new("")).is_err());
        let next = disk.crash_with(&mut |_| Fate::Lost);
        let file = next.open(Path::new("f"), OpenMode::Read).unwrap();
        let mut bytes = [0; 4];
        file.read_exact_at(&mut bytes, 0).unwrap();
        assert_eq!(&bytes, b"kept");
    }

    #[test]
    fn reads_and_writes_go_wrong_as_planned() {
        let (disk, file) = disk();
        file.write_all_at(&[7; 16384], 0).unwrap();
        file.write_all_at(&[8; 4096], 4096).unwrap();
        let mut buf = [0; 4096];
        for fault in ReadFault::ALL {
            disk.plan_read(disk.reads() + 1, fault);
            let read = file.read_exact_at(&mut buf, 0);
            match fault {
                ReadFault::Error => assert!(read.is_err()),
                ReadFault::Interrupted | ReadFault::Short => assert_eq!(buf, [7; 4096]),
                ReadFault::BitFlip => {
                    assert_eq!(buf.iter().filter(|byte| **byte != 7).count(), 1);
                }
                ReadFault::Misdirected => assert_eq!(buf, [8; 4096]),
            }
        }
        disk.plan(disk.steps() + 1, Fault::Misdirected);
        file.write_all_at(&[9; 8], 0).unwrap();
        file.read_exact_at(&mut buf, 4096).unwrap();
        assert_eq!(buf[..9], [9, 9, 9, 9, 9, 9, 9, 9, 8]);
        disk.plan(disk.steps() + 1, Fault::NoSpace);
        let full = file.write_all_at(&[9; 8], 0).unwrap_err();
        assert_eq!(full.kind(), io::ErrorKind::StorageFull);
    }
}
