//! A file system in memory: the twin of `os` for tests and for databases without a file.
//!
//! It keeps what is synced apart from what is not, so that a crash can be played, whole or sector by sector,
//! and it fails the n-th write or sync on request. It never touches the disk.
//! Next door: `content`, which holds one file's bytes; `log`, whose tests crash it at every point.

mod content;
mod crash;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use crate::sync::plain::{Mutex, MutexGuard, RwLock};

use super::os::owner;
use super::{LockOutcome, Mapping, OpenMode, Vfs, VfsFile, VfsLock};
use content::Content;

pub use content::SECTOR_BYTES;
pub use crash::{Fate, Pending, SyncFailure};

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

impl MemoryVfs {
    /// As [`Vfs::open`], for who plays with faults of the file.
    pub(super) fn open_file(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<MemoryFile>> {
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
}

impl Vfs for MemoryVfs {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn VfsFile>> {
        self.open_file(path, mode)
            .map(|file| file as Arc<dyn VfsFile>)
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

/// An open file.
#[derive(Debug)]
pub(super) struct MemoryFile {
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

    /// A sync that fails.
    pub(super) fn fail_sync(&self, failure: SyncFailure) -> io::Error {
        let mut content = self.node.write();
        if let Err(error) = self.disk.check_alive(self.boot) {
            return error;
        }
        content.fail_sync(failure);
        io::Error::other("injected fault: sync")
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
