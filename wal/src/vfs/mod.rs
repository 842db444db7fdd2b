//! The only door to the file system: two traits, with the operating system, memory or a simulated disk behind them.
//!
//! Everything that Tailwater keeps on disk (log, storage file, lock file) goes through a [`Vfs`], so that a
//! test can crash it at any point. It never interprets a byte. Only [`os`] touches `std::fs`, and only
//! [`mapping`] holds `unsafe`. Next door: `log`, which writes segments through it.

pub mod mapping;
pub mod memory;
pub mod os;
pub mod simulated;

use std::fmt::Debug;
use std::io;
use std::path::Path;
use std::sync::Arc;

pub use mapping::Mapping;
pub use memory::{Fate, MemoryVfs, Pending, SyncFailure};
pub use os::OsVfs;
pub use simulated::{Fault, ReadFault, SimulatedVfs, Step, StepKind, Watcher};

/// How a file is opened.
///
/// ```
/// use std::io;
/// use std::path::Path;
/// use tailwater_wal::vfs::{MemoryVfs, OpenMode, Vfs};
///
/// # fn main() -> std::io::Result<()> {
/// let (vfs, name) = (MemoryVfs::new(), Path::new("f"));
/// assert_eq!(vfs.open(name, OpenMode::Read).unwrap_err().kind(), io::ErrorKind::NotFound);
/// vfs.open(name, OpenMode::Create)?;
/// assert_eq!(vfs.open(name, OpenMode::CreateNew).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// An existing file, for reading.
    Read,
    /// An existing file, for reading and writing.
    ReadWrite,
    /// Reading and writing; the file is created when there is none and never truncated.
    Create,
    /// Reading and writing; it is an error (`AlreadyExists`) when the file is there.
    CreateNew,
}

/// What came of asking for a lock.
///
/// ```
/// use std::path::Path;
/// use tailwater_wal::vfs::{LockOutcome, MemoryVfs, Vfs};
///
/// # fn main() -> std::io::Result<()> {
/// let vfs = MemoryVfs::new();
/// let held = vfs.lock(Path::new("LOCK"))?;
/// match vfs.lock(Path::new("LOCK"))? {
///     LockOutcome::Busy { owner } => assert!(owner.contains(&std::process::id().to_string())),
///     LockOutcome::Held(_) => unreachable!("one holder at a time"),
/// }
/// drop(held);
/// assert!(matches!(vfs.lock(Path::new("LOCK"))?, LockOutcome::Held(_)));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub enum LockOutcome {
    /// The lock is ours until this value is dropped.
    Held(Box<dyn VfsLock>),
    /// Someone else holds it.
    Busy {
        /// What the holder wrote into the lock file: process id and command.
        owner: String,
    },
}

/// A held lock; dropping it releases the lock.
///
/// ```
/// use tailwater_wal::vfs::{LockOutcome, VfsLock};
///
/// /// A lock for a file system that nobody else can reach.
/// #[derive(Debug)]
/// struct Alone;
/// impl VfsLock for Alone {}
/// assert!(matches!(LockOutcome::Held(Box::new(Alone)), LockOutcome::Held(_)));
/// ```
pub trait VfsLock: Send + Sync + Debug {}

/// A file system, or a part of one.
///
/// # Contract
/// * A file's *content* survives a crash once [`VfsFile::sync_data`] has returned; its *name* (creation, rename,
///   removal) once [`Vfs::sync_dir`] of its directory has. Until then either may be kept or lost.
/// * Directories made by [`Vfs::create_dir_all`] survive once it has returned.
/// * A sync that failed must not be retried: nothing is known about the writes before it.
///
/// ```
/// use std::path::Path;
/// use tailwater_wal::vfs::{MemoryVfs, OpenMode, Vfs};
///
/// # fn main() -> std::io::Result<()> {
/// let vfs = MemoryVfs::new();
/// vfs.create_dir_all(Path::new("d"))?;
/// let file = vfs.open(Path::new("d/note"), OpenMode::Create)?;
/// file.write_all_at(b"kept", 0)?;
/// file.sync_data()?; // its content
/// vfs.sync_dir(Path::new("d"))?; // its name
/// vfs.open(Path::new("d/lost"), OpenMode::Create)?;
/// assert_eq!(vfs.crash().list(Path::new("d"))?, ["note"]);
/// # Ok(())
/// # }
/// ```
pub trait Vfs: Send + Sync + Debug + 'static {
    /// Opens a file.
    ///
    /// ```
    /// use std::path::Path;
    /// use tailwater_wal::vfs::{MemoryVfs, OpenMode, Vfs};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let vfs = MemoryVfs::new();
    /// vfs.open(Path::new("f"), OpenMode::Create)?.write_all_at(b"abc", 0)?;
    /// assert_eq!(vfs.open(Path::new("f"), OpenMode::Create)?.len()?, 3); // never truncated
    /// # Ok(())
    /// # }
    /// ```
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn VfsFile>>;
    /// Makes a directory and those above it that are missing, durably.
    ///
    /// ```
    /// use std::path::Path;
    /// use tailwater_wal::vfs::{MemoryVfs, Vfs};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let vfs = MemoryVfs::new();
    /// vfs.create_dir_all(Path::new("a/b/c"))?;
    /// assert!(vfs.crash().exists(Path::new("a/b"))?); // durable at once
    /// # Ok(())
    /// # }
    /// ```
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Gives a file another name, replacing what had it. Open handles stay valid.
    ///
    /// ```
    /// use std::path::Path;
    /// use tailwater_wal::vfs::{MemoryVfs, OpenMode, Vfs};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let vfs = MemoryVfs::new();
    /// let file = vfs.open(Path::new("next"), OpenMode::Create)?;
    /// vfs.rename(Path::new("next"), Path::new("current"))?;
    /// file.write_all_at(b"!", 0)?; // the handle stays valid
    /// assert_eq!(vfs.open(Path::new("current"), OpenMode::Read)?.len()?, 1);
    /// # Ok(())
    /// # }
    /// ```
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file. Open handles stay valid.
    ///
    /// ```
    /// use std::path::Path;
    /// use tailwater_wal::vfs::{MemoryVfs, OpenMode, Vfs};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let vfs = MemoryVfs::new();
    /// vfs.open(Path::new("f"), OpenMode::Create)?;
    /// vfs.remove(Path::new("f"))?;
    /// assert!(!vfs.exists(Path::new("f"))?);
    /// # Ok(())
    /// # }
    /// ```
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// The names of the files directly in `dir`, sorted, without its directories.
    ///
    /// ```
    /// use std::path::Path;
    /// use tailwater_wal::vfs::{MemoryVfs, OpenMode, Vfs};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let vfs = MemoryVfs::new();
    /// vfs.create_dir_all(Path::new("d/inner"))?;
    /// for name in ["d/b", "d/a", "d/inner/c"] {
    ///     vfs.open(Path::new(name), OpenMode::Create)?;
    /// }
    /// assert_eq!(vfs.list(Path::new("d"))?, ["a", "b"]);
    /// # Ok(())
    /// # }
    /// ```
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// Whether a file or directory has this name.
    ///
    /// ```
    /// use std::path::Path;
    /// use tailwater_wal::vfs::{OsVfs, Vfs};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// assert!(OsVfs::new().exists(&std::env::temp_dir())?);
    /// assert!(!OsVfs::new().exists(Path::new("no such file here"))?);
    /// # Ok(())
    /// # }
    /// ```
    fn exists(&self, path: &Path) -> io::Result<bool>;
    /// Makes the names in `dir` durable.
    ///
    /// ```
    /// use std::path::Path;
    /// use tailwater_wal::vfs::{MemoryVfs, OpenMode, Vfs};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let vfs = MemoryVfs::new();
    /// vfs.open(Path::new("f"), OpenMode::Create)?;
    /// assert!(!vfs.crash().exists(Path::new("f"))?);
    ///
    /// let vfs = MemoryVfs::new();
    /// vfs.open(Path::new("f"), OpenMode::Create)?;
    /// vfs.sync_dir(Path::new(""))?;
    /// assert!(vfs.crash().exists(Path::new("f"))?);
    /// # Ok(())
    /// # }
    /// ```
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Bytes that may still be written below `path`, where the system tells.
    ///
    /// ```
    /// use std::path::Path;
    /// use tailwater_wal::vfs::{MemoryVfs, Vfs};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let vfs = MemoryVfs::with_capacity_bytes(4096);
    /// assert_eq!(vfs.free_bytes(Path::new(""))?, Some(4096));
    /// # Ok(())
    /// # }
    /// ```
    fn free_bytes(&self, path: &Path) -> io::Result<Option<u64>>;
    /// Tries to take the exclusive lock that `path` stands for; never waits.
    ///
    /// ```
    /// use std::path::Path;
    /// use tailwater_wal::vfs::{LockOutcome, MemoryVfs, Vfs};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let vfs = MemoryVfs::new();
    /// let _held = vfs.lock(Path::new("a"))?;
    /// assert!(matches!(vfs.lock(Path::new("a"))?, LockOutcome::Busy { .. })); // at once
    /// assert!(matches!(vfs.lock(Path::new("b"))?, LockOutcome::Held(_)));
    /// # Ok(())
    /// # }
    /// ```
    fn lock(&self, path: &Path) -> io::Result<LockOutcome>;
    /// How many syncs of files and directories have been asked for, for measuring.
    ///
    /// ```
    /// use std::path::Path;
    /// use tailwater_wal::vfs::{MemoryVfs, OpenMode, Vfs};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let vfs = MemoryVfs::new();
    /// let file = vfs.open(Path::new("f"), OpenMode::Create)?;
    /// file.sync_data()?;
    /// vfs.sync_dir(Path::new(""))?;
    /// assert_eq!(vfs.syncs(), 2);
    /// # Ok(())
    /// # }
    /// ```
    fn syncs(&self) -> u64;
}

/// An open file. All methods take `&self` and may be called from several threads at once.
///
/// ```
/// use std::path::Path;
/// use tailwater_wal::vfs::{MemoryVfs, OpenMode, Vfs, VfsFile};
///
/// # fn main() -> std::io::Result<()> {
/// fn append(file: &dyn VfsFile, bytes: &[u8]) -> std::io::Result<()> {
///     file.write_all_at(bytes, file.len()?)?;
///     file.sync_data()
/// }
///
/// let file = MemoryVfs::new().open(Path::new("f"), OpenMode::Create)?;
/// append(&*file, b"one ")?;
/// append(&*file, b"two")?;
/// let mut text = [0; 7];
/// file.read_exact_at(&mut text, 0)?;
/// assert_eq!(&text, b"one two");
/// # Ok(())
/// # }
/// ```
pub trait VfsFile: Send + Sync + Debug {
    /// Length in bytes.
    ///
    /// ```
    /// use std::path::Path;
    /// use tailwater_wal::vfs::{MemoryVfs, OpenMode, Vfs};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let file = MemoryVfs::new().open(Path::new("f"), OpenMode::Create)?;
    /// file.write_all_at(b"x", 9)?;
    /// assert_eq!(file.len()?, 10); // the nine before it are zeros
    /// # Ok(())
    /// # }
    /// ```
    fn len(&self) -> io::Result<u64>;

    /// Whether the file holds no bytes.
    ///
    /// ```
    /// use std::path::Path;
    /// use tailwater_wal::vfs::{MemoryVfs, OpenMode, Vfs};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let file = MemoryVfs::new().open(Path::new("f"), OpenMode::Create)?;
    /// assert!(file.is_empty()?);
    /// # Ok(())
    /// # }
    /// ```
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Cuts the file, or fills it up with zeros.
    ///
    /// ```
    /// use std::path::Path;
    /// use tailwater_wal::vfs::{MemoryVfs, OpenMode, Vfs};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let file = MemoryVfs::new().open(Path::new("f"), OpenMode::Create)?;
    /// file.write_all_at(b"abc", 0)?;
    /// file.set_len(1)?;
    /// file.set_len(3)?;
    /// let mut bytes = [b'?'; 3];
    /// file.read_exact_at(&mut bytes, 0)?;
    /// assert_eq!(&bytes, b"a\0\0");
    /// # Ok(())
    /// # }
    /// ```
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Reads up to `buf.len()` bytes from `offset`; 0 means the end of the file.
    ///
    /// ```
    /// use std::path::Path;
    /// use tailwater_wal::vfs::{MemoryVfs, OpenMode, Vfs};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let file = MemoryVfs::new().open(Path::new("f"), OpenMode::Create)?;
    /// file.write_all_at(b"abc", 0)?;
    /// let mut buf = [0; 8];
    /// assert_eq!(file.read_at(&mut buf, 1)?, 2);
    /// assert_eq!(&buf[..2], b"bc");
    /// assert_eq!(file.read_at(&mut buf, 3)?, 0); // the end
    /// # Ok(())
    /// # }
    /// ```
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Fills `buf` from `offset` or fails with `UnexpectedEof`.
    ///
    /// ```
    /// use std::path::Path;
    /// use tailwater_wal::vfs::{MemoryVfs, OpenMode, Vfs};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let file = MemoryVfs::new().open(Path::new("f"), OpenMode::Create)?;
    /// file.write_all_at(b"abc", 0)?;
    /// let short = file.read_exact_at(&mut [0; 4], 0).unwrap_err();
    /// assert_eq!(short.kind(), std::io::ErrorKind::UnexpectedEof);
    /// # Ok(())
    /// # }
    /// ```
    fn read_exact_at(&self, mut buf: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !buf.is_empty() {
            match self.read_at(buf, offset) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(n) => {
                    buf = buf.get_mut(n..).unwrap_or_default();
                    offset += n as u64;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// Writes all of `buf` at `offset`, extending the file where needed.
    ///
    /// ```
    /// use std::path::Path;
    /// use tailwater_wal::vfs::{MemoryVfs, OpenMode, Vfs};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let vfs = MemoryVfs::with_capacity_bytes(4);
    /// let file = vfs.open(Path::new("f"), OpenMode::Create)?;
    /// file.write_all_at(b"abcd", 0)?;
    /// assert_eq!(file.write_all_at(b"e", 4).unwrap_err().kind(), std::io::ErrorKind::StorageFull);
    /// # Ok(())
    /// # }
    /// ```
    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()>;

    /// Makes content and length durable.
    ///
    /// ```
    /// use std::path::Path;
    /// use tailwater_wal::vfs::{MemoryVfs, OpenMode, Vfs};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let vfs = MemoryVfs::new();
    /// let file = vfs.open(Path::new("f"), OpenMode::Create)?;
    /// vfs.sync_dir(Path::new(""))?;
    /// file.write_all_at(b"kept", 0)?;
    /// file.sync_data()?;
    /// file.write_all_at(b"lost", 4)?;
    /// assert_eq!(vfs.crash().open(Path::new("f"), OpenMode::Read)?.len()?, 4);
    /// # Ok(())
    /// # }
    /// ```
    fn sync_data(&self) -> io::Result<()>;

    /// Maps the file into memory for reading; `None` where this file system cannot.
    ///
    /// Only for files that nobody will write to, cut or recycle as long as the mapping lives
    /// (sealed log segments): see [`mapping`].
    ///
    /// ```
    /// use std::path::Path;
    /// use tailwater_wal::vfs::{MemoryVfs, OpenMode, Vfs};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let file = MemoryVfs::new().open(Path::new("f"), OpenMode::Create)?;
    /// assert!(file.map()?.is_none()); // memory needs no map: readers use `read_at`
    /// # Ok(())
    /// # }
    /// ```
    fn map(&self) -> io::Result<Option<Mapping>>;
}
