//! A file system in memory: the twin of `os` for tests and for databases without a file.
//!
//! It keeps what is synced apart from what is not, so that a crash can be played, whole or sector by sector,
//! and it fails the n-th write or sync on request. It never touches the disk.
//! Next door: `content`, which holds one file's bytes; `log`, whose tests crash it at every point.

mod content;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use crate::sync::{Mutex, MutexGuard, RwLock};

use super::os::owner;
use super::{LockOutcome, Mapping, OpenMode, Vfs, VfsFile, VfsLock};
use content::Content;

pub use content::SECTOR_BYTES;

/// Something that was not yet synced when the machine crashed.
///
/// ```
/// use std::path::Path;
/// use tailwater_wal::vfs::{MemoryVfs, OpenMode, Pending, Vfs};
///
/// # fn main() -> std::io::Result<()> {
/// let vfs = MemoryVfs::new();
/// vfs.open(Path::new("f"), OpenMode::Create)?;
/// let mut asked = Vec::new();
/// let _ = vfs.crash_keeping(&mut |pending| {
///     if let Pending::Name { path } = pending {
///         asked.push(path.to_owned());
///     }
///     false
/// });
/// assert_eq!(asked, [Path::new("f")]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pending<'a> {
    /// A sector of [`SECTOR_BYTES`] at this offset of a file.
    Sector {
        /// The file.
        path: &'a Path,
        /// Byte offset, a multiple of [`SECTOR_BYTES`].
        offset: u64,
    },
    /// The new length of a file.
    Length {
        /// The file.
        path: &'a Path,
    },
    /// The creation, removal or renaming of a file.
    Name {
        /// The name it has now, or the one it lost.
        path: &'a Path,
    },
}

/// A tree of files in memory. Clones share it, until [`MemoryVfs::crash`] leaves the older ones behind.
///
/// ```
/// use std::path::Path;
/// use tailwater_wal::vfs::{MemoryVfs, OpenMode, Vfs};
///
/// # fn main() -> std::io::Result<()> {
/// let vfs = MemoryVfs::new();
/// let same = vfs.clone();
/// vfs.open(Path::new("f"), OpenMode::Create)?;
/// assert!(same.exists(Path::new("f"))?);
/// let next_boot = vfs.crash();
/// assert!(same.exists(Path::new("f")).is_err()); // the machine it belonged to is gone
/// assert!(!next_boot.exists(Path::new("f"))?); // nobody had synced the folder
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct MemoryVfs {
    disk: Arc<Disk>,
    /// Which boot of the machine this door belongs to.
    boot: u64,
}

#[derive(Debug)]
struct Disk {
    tree: Mutex<Tree>,
    /// Bytes all files together may hold.
    capacity_bytes: AtomicU64,
    used_bytes: AtomicU64,
    syncs: AtomicU64,
    /// Raised by a crash: handles of an earlier boot are dead.
    boot: AtomicU64,
    /// Calls that still succeed before one fails; negative: none will.
    writes_left: AtomicI64,
    syncs_left: AtomicI64,
}

impl Default for Disk {
    fn default() -> Self {
        Self {
            tree: Mutex::default(),
            capacity_bytes: AtomicU64::new(u64::MAX),
            used_bytes: AtomicU64::new(0),
            syncs: AtomicU64::new(0),
            boot: AtomicU64::new(0),
            writes_left: AtomicI64::new(-1),
            syncs_left: AtomicI64::new(-1),
        }
    }
}

#[derive(Debug, Default)]
struct Tree {
    names: BTreeMap<PathBuf, Arc<Node>>,
    /// What the names would be after a crash.
    names_synced: BTreeMap<PathBuf, Arc<Node>>,
    /// What has been done to names since.
    unsynced: Vec<NameChange>,
    dirs: BTreeSet<PathBuf>,
    /// Held locks and what their holder said; the number tells a lock from its successor.
    locks: BTreeMap<PathBuf, (u64, String)>,
    locks_taken: u64,
}

type Node = RwLock<Content>;

/// A change of names, which a crash takes back or leaves as a whole.
#[derive(Debug)]
struct NameChange {
    /// The name that is gone.
    from: Option<PathBuf>,
    /// The name that stands for the file now.
    to: Option<PathBuf>,
    node: Arc<Node>,
}

impl NameChange {
    fn path(&self) -> &Path {
        self.to
            .as_deref()
            .or(self.from.as_deref())
            .unwrap_or(Path::new(""))
    }

    fn is_in(&self, dir: &Path) -> bool {
        self.from
            .iter()
            .chain(&self.to)
            .any(|path| path.parent() == Some(dir))
    }

    fn apply(self, names: &mut BTreeMap<PathBuf, Arc<Node>>) {
        if let Some(from) = &self.from
            && names
                .get(from)
                .is_some_and(|node| Arc::ptr_eq(node, &self.node))
        {
            names.remove(from);
        }
        if let Some(to) = self.to {
            names.insert(to, self.node);
        }
    }
}

impl MemoryVfs {
    /// An empty tree without a limit.
    ///
    /// ```
    /// use tailwater_wal::vfs::MemoryVfs;
    ///
    /// assert_eq!(MemoryVfs::new().used_bytes(), 0);
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty tree that answers `StorageFull` beyond `bytes`.
    ///
    /// ```
    /// use std::path::Path;
    /// use tailwater_wal::vfs::{MemoryVfs, OpenMode, Vfs};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let file = MemoryVfs::with_capacity_bytes(2).open(Path::new("f"), OpenMode::Create)?;
    /// assert!(file.write_all_at(b"ab", 0).is_ok());
    /// assert_eq!(file.write_all_at(b"c", 2).unwrap_err().kind(), std::io::ErrorKind::StorageFull);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_capacity_bytes(bytes: u64) -> Self {
        let vfs = Self::default();
        vfs.set_capacity_bytes(bytes);
        vfs
    }

    /// Changes how many bytes all files together may hold; what is there stays.
    ///
    /// ```
    /// use std::path::Path;
    /// use tailwater_wal::vfs::{MemoryVfs, OpenMode, Vfs};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let vfs = MemoryVfs::with_capacity_bytes(0);
    /// let file = vfs.open(Path::new("f"), OpenMode::Create)?;
    /// assert!(file.write_all_at(b"a", 0).is_err());
    /// vfs.set_capacity_bytes(1 << 20); // someone has made room
    /// assert!(file.write_all_at(b"a", 0).is_ok());
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_capacity_bytes(&self, bytes: u64) {
        self.disk.capacity_bytes.store(bytes, Ordering::Relaxed);
    }

    /// Bytes that all files together hold.
    ///
    /// ```
    /// use std::path::Path;
    /// use tailwater_wal::vfs::{MemoryVfs, OpenMode, Vfs};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let vfs = MemoryVfs::new();
    /// vfs.open(Path::new("f"), OpenMode::Create)?.set_len(4096)?;
    /// assert_eq!(vfs.used_bytes(), 4096);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        self.disk.used_bytes.load(Ordering::Relaxed)
    }

    /// Lets `count` more writes succeed, then one fail.
    ///
    /// ```
    /// use std::path::Path;
    /// use tailwater_wal::vfs::{MemoryVfs, OpenMode, Vfs};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let vfs = MemoryVfs::new();
    /// let file = vfs.open(Path::new("f"), OpenMode::Create)?;
    /// vfs.fail_write_after(1);
    /// let writes: Vec<bool> = (0..3).map(|at| file.write_all_at(b"x", at).is_ok()).collect();
    /// assert_eq!(writes, [true, false, true]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn fail_write_after(&self, count: u32) {
        self.disk
            .writes_left
            .store(i64::from(count), Ordering::Relaxed);
    }

    /// Lets `count` more syncs (of files or directories) succeed, then one fail.
    ///
    /// ```
    /// use std::path::Path;
    /// use tailwater_wal::vfs::{MemoryVfs, OpenMode, Vfs};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let vfs = MemoryVfs::new();
    /// let file = vfs.open(Path::new("f"), OpenMode::Create)?;
    /// vfs.fail_sync_after(0);
    /// assert!(vfs.sync_dir(Path::new("")).is_err());
    /// assert!(file.sync_data().is_ok());
    /// # Ok(())
    /// # }
    /// ```
    pub fn fail_sync_after(&self, count: u32) {
        self.disk
            .syncs_left
            .store(i64::from(count), Ordering::Relaxed);
    }

    /// Crashes the machine: all that was not synced is lost and locks are free. Returns the door of the next
    /// boot; this one, its clones and its open files are dead and answer errors.
    ///
    /// ```
    /// use std::path::Path;
    /// use tailwater_wal::vfs::{LockOutcome, MemoryVfs, Vfs};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let vfs = MemoryVfs::new();
    /// let _held = vfs.lock(Path::new("LOCK"))?;
    /// let next_boot = vfs.crash();
    /// assert!(matches!(next_boot.lock(Path::new("LOCK"))?, LockOutcome::Held(_))); // nobody is left to hold it
    /// # Ok(())
    /// # }
    /// ```
    #[must_use = "the door that crashed is dead; go on with the one returned"]
    pub fn crash(&self) -> Self {
        self.crash_keeping(&mut |_| false)
    }

    /// Crashes the machine; `keep` says for each unsynced sector, length and name whether it had reached the
    /// disk all the same, so that torn and reordered writes can be played.
    ///
    /// ```
    /// use std::path::Path;
    /// use tailwater_wal::vfs::{MemoryVfs, OpenMode, Pending, Vfs};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let vfs = MemoryVfs::new();
    /// let file = vfs.open(Path::new("f"), OpenMode::Create)?;
    /// file.write_all_at(b"abc", 0)?;
    /// // Name and length reached the disk, the bytes did not: a torn write.
    /// let after = vfs.crash_keeping(&mut |pending| !matches!(pending, Pending::Sector { .. }));
    /// let mut bytes = [b'?'; 3];
    /// after.open(Path::new("f"), OpenMode::Read)?.read_exact_at(&mut bytes, 0)?;
    /// assert_eq!(&bytes, b"\0\0\0");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use = "the door that crashed is dead; go on with the one returned"]
    pub fn crash_keeping(&self, keep: &mut dyn FnMut(Pending<'_>) -> bool) -> Self {
        let mut tree = self.disk.tree.lock();
        let boot = self.disk.boot.fetch_add(1, Ordering::SeqCst) + 1;
        tree.locks.clear();
        for (path, node) in &tree.names {
            node.write().crash(path, keep);
        }
        // A file that has lost its name may come back under an older one.
        for (path, node) in &tree.names_synced {
            node.write().crash(path, keep);
        }
        for change in std::mem::take(&mut tree.unsynced) {
            change.node.write().crash(change.path(), keep);
            if keep(Pending::Name {
                path: change.path(),
            }) {
                change.apply(&mut tree.names_synced);
            }
        }
        tree.names = tree.names_synced.clone();
        let used = tree.names.values().map(|node| node.read().len()).sum();
        self.disk.used_bytes.store(used, Ordering::Relaxed);
        drop(tree);
        Self {
            disk: Arc::clone(&self.disk),
            boot,
        }
    }

    /// The tree, unless this door has crashed.
    fn tree(&self) -> io::Result<MutexGuard<'_, Tree>> {
        let tree = self.disk.tree.lock();
        self.disk.check_alive(self.boot)?;
        Ok(tree)
    }
}

impl Disk {
    /// Takes `more` bytes from the budget.
    fn reserve(&self, more: u64) -> io::Result<()> {
        let capacity = self.capacity_bytes.load(Ordering::Relaxed);
        self.used_bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                used.checked_add(more).filter(|used| *used <= capacity)
            })
            .map(drop)
            .map_err(|_| io::ErrorKind::StorageFull.into())
    }

    /// Called with the tree or a node locked, so that nothing slips in behind a crash.
    fn check_alive(&self, boot: u64) -> io::Result<()> {
        if self.boot.load(Ordering::SeqCst) == boot {
            return Ok(());
        }
        Err(io::Error::other(
            "the machine this handle belonged to has crashed",
        ))
    }

    fn give_back(&self, bytes: u64) {
        self.used_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn count_sync(&self) -> io::Result<()> {
        self.syncs.fetch_add(1, Ordering::Relaxed);
        count_down(&self.syncs_left, "injected fault: sync")
    }
}

fn count_down(left: &AtomicI64, what: &'static str) -> io::Result<()> {
    if left.load(Ordering::Relaxed) < 0 {
        return Ok(());
    }
    match left.fetch_sub(1, Ordering::Relaxed) {
        0 => Err(io::Error::other(what)),
        _ => Ok(()),
    }
}

impl Vfs for MemoryVfs {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn VfsFile>> {
        let mut tree = self.tree()?;
        let node = match (tree.names.get(path), mode) {
            (Some(_), OpenMode::CreateNew) => return Err(io::ErrorKind::AlreadyExists.into()),
            (Some(node), _) => Arc::clone(node),
            (None, OpenMode::Read | OpenMode::ReadWrite) => {
                return Err(io::ErrorKind::NotFound.into());
            }
            (None, OpenMode::Create | OpenMode::CreateNew) => {
                let parent = path.parent().unwrap_or(Path::new(""));
                if !parent.as_os_str().is_empty() && !tree.dirs.contains(parent) {
                    return Err(io::ErrorKind::NotFound.into());
                }
                let node = Arc::new(Node::default());
                tree.names.insert(path.to_owned(), Arc::clone(&node));
                let to = Some(path.to_owned());
                tree.unsynced.push(NameChange {
                    from: None,
                    to,
                    node: Arc::clone(&node),
                });
                node
            }
        };
        Ok(Arc::new(MemoryFile {
            node,
            boot: self.boot,
            disk: Arc::clone(&self.disk),
            writable: mode != OpenMode::Read,
        }))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut tree = self.tree()?;
        for dir in path.ancestors() {
            tree.dirs.insert(dir.to_owned());
        }
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut tree = self.tree()?;
        let node = tree.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        let change = NameChange {
            from: Some(from.to_owned()),
            to: Some(to.to_owned()),
            node: Arc::clone(&node),
        };
        tree.unsynced.push(change);
        if let Some(replaced) = tree.names.insert(to.to_owned(), node) {
            self.disk.give_back(replaced.write().unlink());
        }
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut tree = self.tree()?;
        let node = tree.names.remove(path).ok_or(io::ErrorKind::NotFound)?;
        self.disk.give_back(node.write().unlink());
        tree.unsynced.push(NameChange {
            from: Some(path.to_owned()),
            to: None,
            node,
        });
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let tree = self.tree()?;
        if !tree.dirs.contains(dir) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let files = tree.names.keys().filter(|path| path.parent() == Some(dir));
        Ok(files
            .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
            .collect())
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        let tree = self.tree()?;
        Ok(tree.names.contains_key(path) || tree.dirs.contains(path))
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut tree = self.tree()?;
        self.disk.count_sync()?;
        let changes = std::mem::take(&mut tree.unsynced);
        let (done, rest): (Vec<_>, Vec<_>) =
            changes.into_iter().partition(|change| change.is_in(dir));
        tree.unsynced = rest;
        for change in done {
            change.apply(&mut tree.names_synced);
        }
        Ok(())
    }

    fn free_bytes(&self, _path: &Path) -> io::Result<Option<u64>> {
        Ok(match self.disk.capacity_bytes.load(Ordering::Relaxed) {
            u64::MAX => None,
            capacity => Some(capacity.saturating_sub(self.used_bytes())),
        })
    }

    fn lock(&self, path: &Path) -> io::Result<LockOutcome> {
        let mut tree = self.tree()?;
        if let Some((_, owner)) = tree.locks.get(path) {
            return Ok(LockOutcome::Busy {
                owner: owner.clone(),
            });
        }
        tree.locks_taken += 1;
        let number = tree.locks_taken;
        tree.locks
            .insert(path.to_owned(), (number, owner().trim().to_owned()));
        let lock = MemoryLock {
            disk: Arc::clone(&self.disk),
            path: path.to_owned(),
            number,
        };
        Ok(LockOutcome::Held(Box::new(lock)))
    }

    fn syncs(&self) -> u64 {
        self.disk.syncs.load(Ordering::Relaxed)
    }
}

#[derive(Debug)]
struct MemoryLock {
    disk: Arc<Disk>,
    path: PathBuf,
    number: u64,
}

impl VfsLock for MemoryLock {}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        let mut tree = self.disk.tree.lock();
        if tree
            .locks
            .get(&self.path)
            .is_some_and(|(number, _)| *number == self.number)
        {
            tree.locks.remove(&self.path);
        }
    }
}

#[derive(Debug)]
struct MemoryFile {
    node: Arc<Node>,
    disk: Arc<Disk>,
    boot: u64,
    writable: bool,
}

impl MemoryFile {
    fn resize(&self, content: &mut Content, len: u64) -> io::Result<()> {
        let old = content.len();
        if !content.is_linked() {
            // Nobody counts the bytes of a file without a name.
        } else if len > old {
            self.disk.reserve(len - old)?;
        } else {
            self.disk.give_back(old - len);
        }
        content.set_len(len);
        Ok(())
    }

    fn check_writable(&self) -> io::Result<()> {
        if self.writable {
            Ok(())
        } else {
            Err(io::ErrorKind::PermissionDenied.into())
        }
    }
}

impl VfsFile for MemoryFile {
    fn len(&self) -> io::Result<u64> {
        let content = self.node.read();
        self.disk.check_alive(self.boot)?;
        Ok(content.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.check_writable()?;
        let mut content = self.node.write();
        self.disk.check_alive(self.boot)?;
        self.resize(&mut content, len)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let content = self.node.read();
        self.disk.check_alive(self.boot)?;
        Ok(content.read_at(buf, offset))
    }

    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        self.check_writable()?;
        let mut content = self.node.write();
        self.disk.check_alive(self.boot)?;
        count_down(&self.disk.writes_left, "injected fault: write")?;
        let end = offset
            .checked_add(buf.len() as u64)
            .ok_or(io::ErrorKind::FileTooLarge)?;
        if end > content.len() {
            self.resize(&mut content, end)?;
        }
        content.write_at(buf, offset);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut content = self.node.write();
        self.disk.check_alive(self.boot)?;
        self.disk.count_sync()?;
        content.sync();
        Ok(())
    }

    fn map(&self) -> io::Result<Option<Mapping>> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(vfs: &MemoryVfs, path: &str) -> Vec<u8> {
        let file = vfs.open(Path::new(path), OpenMode::Read).unwrap();
        let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
        file.read_exact_at(&mut bytes, 0).unwrap();
        bytes
    }

    fn disk_with(path: &str, bytes: &[u8]) -> (MemoryVfs, Arc<dyn VfsFile>) {
        let vfs = MemoryVfs::new();
        vfs.create_dir_all(Path::new("/d")).unwrap();
        let file = vfs.open(Path::new(path), OpenMode::CreateNew).unwrap();
        file.write_all_at(bytes, 0).unwrap();
        file.sync_data().unwrap();
        vfs.sync_dir(Path::new("/d")).unwrap();
        (vfs, file)
    }

    #[test]
    fn a_crash_loses_unsynced_bytes_lengths_and_names() {
        let (vfs, file) = disk_with("/d/a", b"hello");
        file.write_all_at(b"J", 0).unwrap();
        file.write_all_at(&[7; 9000], 5).unwrap();
        vfs.open(Path::new("/d/b"), OpenMode::Create).unwrap();
        vfs.rename(Path::new("/d/a"), Path::new("/d/c")).unwrap();
        assert_eq!(vfs.list(Path::new("/d")).unwrap(), ["b", "c"]);
        assert_eq!(vfs.used_bytes(), 9005);
        let dead = vfs.clone();
        let vfs = vfs.crash();
        assert_eq!(vfs.list(Path::new("/d")).unwrap(), ["a"]);
        assert_eq!(read(&vfs, "/d/a"), b"hello");
        assert_eq!(vfs.used_bytes(), 5);
        assert!(
            file.write_all_at(b"x", 0).is_err(),
            "handles of the dead machine are dead"
        );
        assert!(
            dead.remove(Path::new("/d/a")).is_err(),
            "and so is its door"
        );
    }

    #[test]
    fn a_crash_may_keep_chosen_sectors() {
        let (vfs, file) = disk_with("/d/a", &[1; 2048]);
        file.write_all_at(&[2; 2048], 0).unwrap();
        let vfs = vfs
            .crash_keeping(&mut |pending| matches!(pending, Pending::Sector { offset: 512, .. }));
        let bytes = read(&vfs, "/d/a");
        assert_eq!(bytes.iter().position(|b| *b == 2), Some(512));
        assert_eq!(bytes.iter().filter(|b| **b == 2).count(), 512);
    }

    #[test]
    fn cutting_and_growing_shows_zeros_and_a_crash_brings_the_old_bytes_back() {
        let (vfs, file) = disk_with("/d/a", &[1; 6000]);
        file.set_len(100).unwrap();
        file.set_len(6000).unwrap();
        let bytes = read(&vfs, "/d/a");
        assert_eq!(bytes.iter().filter(|b| **b == 1).count(), 100);
        let vfs = vfs.crash();
        assert_eq!(read(&vfs, "/d/a"), [1; 6000]);
    }

    #[test]
    fn a_full_disk_says_so_and_frees_what_is_removed() {
        let vfs = MemoryVfs::with_capacity_bytes(100);
        let file = vfs.open(Path::new("a"), OpenMode::Create).unwrap();
        file.write_all_at(&[1; 60], 0).unwrap();
        let other = vfs.open(Path::new("b"), OpenMode::Create).unwrap();
        let full = other.write_all_at(&[1; 60], 0).unwrap_err();
        assert_eq!(full.kind(), io::ErrorKind::StorageFull);
        assert_eq!(vfs.free_bytes(Path::new("")).unwrap(), Some(40));
        vfs.remove(Path::new("a")).unwrap();
        other.write_all_at(&[1; 60], 0).unwrap();
        file.write_all_at(&[1; 600], 0).unwrap();
        assert_eq!(vfs.used_bytes(), 60);
    }

    #[test]
    fn faults_hit_the_call_they_were_set_for() {
        let (vfs, file) = disk_with("/d/a", b"");
        vfs.fail_sync_after(1);
        file.sync_data().unwrap();
        assert!(file.sync_data().is_err());
        file.sync_data().unwrap();
        vfs.fail_write_after(0);
        assert!(file.write_all_at(b"x", 0).is_err());
        file.write_all_at(b"x", 0).unwrap();
    }

    #[test]
    fn a_lock_is_exclusive_until_dropped_or_crashed() {
        let vfs = MemoryVfs::new();
        let path = Path::new("lock");
        let LockOutcome::Held(first) = vfs.lock(path).unwrap() else {
            panic!("free")
        };
        assert!(matches!(vfs.lock(path).unwrap(), LockOutcome::Busy { .. }));
        let vfs = vfs.crash();
        let LockOutcome::Held(second) = vfs.lock(path).unwrap() else {
            panic!("free")
        };
        drop(first);
        assert!(matches!(vfs.lock(path).unwrap(), LockOutcome::Busy { .. }));
        drop(second);
        assert!(matches!(vfs.lock(path).unwrap(), LockOutcome::Held(_)));
    }
}
