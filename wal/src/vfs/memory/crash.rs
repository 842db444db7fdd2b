//! What a crash leaves of a file system in memory, and how a sync fails.
//!
//! Everything that was not synced (sectors, lengths, names) meets a fate of its own, which the caller chooses: so writes
//! are torn, reordered and lost as on a real disk. Next door: `content`, where a file's old bytes are kept.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use super::{Disk, MemoryVfs, NameChange, Node, Tree};
use crate::sync::plain::Mutex;

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
    /// A sector of [`SECTOR_BYTES`](super::SECTOR_BYTES) at this offset of a file.
    Sector {
        /// The file.
        path: &'a Path,
        /// Byte offset, a multiple of [`SECTOR_BYTES`](super::SECTOR_BYTES).
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

/// What a crash made of something that was not yet synced.
///
/// ```
/// use std::path::Path;
/// use tailwater_wal::vfs::{Fate, MemoryVfs, OpenMode, Pending, Vfs};
///
/// # fn main() -> std::io::Result<()> {
/// let vfs = MemoryVfs::new();
/// vfs.open(Path::new("f"), OpenMode::Create)?.write_all_at(&[7; 512], 0)?;
/// let after = vfs.crash_with(&mut |pending| match pending {
///     Pending::Sector { .. } => Fate::Garbage(1), // the power went while it was written
///     _ => Fate::Kept,
/// });
/// let mut bytes = [0; 512];
/// after.open(Path::new("f"), OpenMode::Read)?.read_exact_at(&mut bytes, 0)?;
/// assert!(bytes != [7; 512] && bytes != [0; 512]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It had reached the disk.
    Kept,
    /// It had not: all is as it was when it was last synced.
    Lost,
    /// A sector: what was written before the last write to it had reached the disk, the last write had not.
    Old,
    /// A sector: it is all zeros.
    Zero,
    /// A sector: it is noise, which the number chooses.
    Garbage(u64),
}

/// What becomes of unsynced bytes when a sync fails.
///
/// ```
/// use tailwater_wal::vfs::SyncFailure;
///
/// assert_eq!(SyncFailure::ALL.len(), 3);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncFailure {
    /// Reads show them, the system takes them for written, and no later sync writes them (ext4, XFS).
    Clean,
    /// They are gone at once: reads show what is on the disk (btrfs).
    Reverted,
    /// Nothing: the next sync writes them.
    Transient,
}

impl SyncFailure {
    /// All of them.
    ///
    /// ```
    /// use tailwater_wal::vfs::SyncFailure;
    ///
    /// assert!(SyncFailure::ALL.contains(&SyncFailure::Clean));
    /// ```
    pub const ALL: [Self; 3] = [Self::Clean, Self::Reverted, Self::Transient];
}

impl MemoryVfs {
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
        self.crash_with(&mut |pending| match keep(pending) {
            true => Fate::Kept,
            false => Fate::Lost,
        })
    }

    /// Crashes the machine; `fate` says for each unsynced sector, length and name what has become of it. It is asked in
    /// the order of paths and offsets, so that a seed gives the same crash again.
    ///
    /// ```
    /// use std::path::Path;
    /// use tailwater_wal::vfs::{Fate, MemoryVfs, OpenMode, Pending, Vfs};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let vfs = MemoryVfs::new();
    /// let file = vfs.open(Path::new("f"), OpenMode::Create)?;
    /// file.write_all_at(b"one", 0)?;
    /// file.write_all_at(b"two", 0)?;
    /// let after = vfs.crash_with(&mut |pending| match pending {
    ///     Pending::Sector { .. } => Fate::Old, // the second write came too late
    ///     _ => Fate::Kept,
    /// });
    /// let mut bytes = [b'?'; 3];
    /// after.open(Path::new("f"), OpenMode::Read)?.read_exact_at(&mut bytes, 0)?;
    /// assert_eq!(&bytes, b"one");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use = "the door that crashed is dead; go on with the one returned"]
    pub fn crash_with(&self, fate: &mut dyn FnMut(Pending<'_>) -> Fate) -> Self {
        let mut tree = self.disk.tree.lock();
        let boot = self.disk.boot.fetch_add(1, Ordering::SeqCst) + 1;
        tree.locks.clear();
        for (path, node) in &tree.names {
            node.write().crash(path, fate);
        }
        // A file that has lost its name may come back under an older one.
        for (path, node) in &tree.names_synced {
            node.write().crash(path, fate);
        }
        for change in std::mem::take(&mut tree.unsynced) {
            change.node.write().crash(change.path(), fate);
            let path = change.path();
            if fate(Pending::Name { path }) == Fate::Kept {
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

    /// A hash of all names, lengths and bytes, synced or not: two disks with the same one are the same.
    ///
    /// ```
    /// use std::path::Path;
    /// use tailwater_wal::vfs::{MemoryVfs, OpenMode, Vfs};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let vfs = MemoryVfs::new();
    /// let before = vfs.content_hash();
    /// vfs.open(Path::new("f"), OpenMode::Create)?.set_len(1)?;
    /// assert_ne!(vfs.content_hash(), before);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn content_hash(&self) -> u64 {
        let tree = self.disk.tree.lock();
        let mut hasher = DefaultHasher::new();
        for (path, node) in &tree.names {
            path.hash(&mut hasher);
            node.read().hash(&mut hasher);
        }
        hasher.finish()
    }

    /// Another machine whose disk is in the same state, with all that is not synced yet; it shares no locks and no
    /// faults, and what happens to one does not show in the other.
    ///
    /// ```
    /// use std::path::Path;
    /// use tailwater_wal::vfs::{MemoryVfs, OpenMode, Vfs};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let vfs = MemoryVfs::new();
    /// let file = vfs.open(Path::new("f"), OpenMode::Create)?;
    /// file.write_all_at(b"a", 0)?;
    /// let twin = vfs.image();
    /// file.write_all_at(b"b", 1)?;
    /// assert_eq!(twin.open(Path::new("f"), OpenMode::Read)?.len()?, 1);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn image(&self) -> Self {
        let tree = self.disk.tree.lock();
        let mut copies: HashMap<*const Node, Arc<Node>> = HashMap::new();
        let mut copy = |node: &Arc<Node>| {
            let known = copies.entry(Arc::as_ptr(node));
            Arc::clone(known.or_insert_with(|| Arc::new(Node::new(node.read().clone()))))
        };
        let mut named = |names: &std::collections::BTreeMap<_, _>| {
            let copied = names
                .iter()
                .map(|(path, node)| (std::path::PathBuf::clone(path), copy(node)));
            copied.collect()
        };
        let names = named(&tree.names);
        let names_synced = named(&tree.names_synced);
        let unsynced = tree.unsynced.iter().map(|change| NameChange {
            from: change.from.clone(),
            to: change.to.clone(),
            node: copy(&change.node),
        });
        let tree = Tree {
            names,
            names_synced,
            unsynced: unsynced.collect(),
            dirs: tree.dirs.clone(),
            ..Tree::default()
        };
        let disk = Disk {
            tree: Mutex::new(tree),
            capacity_bytes: AtomicU64::new(self.disk.capacity_bytes.load(Ordering::Relaxed)),
            used_bytes: AtomicU64::new(self.disk.used_bytes.load(Ordering::Relaxed)),
            syncs: AtomicU64::new(0),
            boot: AtomicU64::new(0),
            writes_left: AtomicI64::new(-1),
            syncs_left: AtomicI64::new(-1),
        };
        Self {
            disk: Arc::new(disk),
            boot: 0,
        }
    }
}
