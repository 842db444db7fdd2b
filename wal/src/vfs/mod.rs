//! The only door to the file system: two traits, the operating system behind one, memory behind the other.
//!
//! Everything that Tailwater keeps on disk (log, storage file, lock file) goes through a [`Vfs`], so that a
//! test can crash it at any point. It never interprets a byte. Only [`os`] touches `std::fs`, and only
//! [`mapping`] holds `unsafe`. Next door: `log`, which writes segments through it.

pub mod mapping;
pub mod memory;
pub mod os;

use std::fmt::Debug;
use std::io;
use std::path::Path;
use std::sync::Arc;

pub use mapping::Mapping;
pub use memory::{MemoryVfs, Pending};
pub use os::OsVfs;

/// How a file is opened.
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
pub trait VfsLock: Send + Sync + Debug {}

/// A file system, or a part of one.
///
/// # Contract
/// * A file's *content* survives a crash once [`VfsFile::sync_data`] has returned; its *name* (creation, rename,
///   removal) once [`Vfs::sync_dir`] of its directory has. Until then either may be kept or lost.
/// * Directories made by [`Vfs::create_dir_all`] survive once it has returned.
/// * A sync that failed must not be retried: nothing is known about the writes before it.
pub trait Vfs: Send + Sync + Debug + 'static {
    /// Opens a file.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn VfsFile>>;
    /// Makes a directory and those above it that are missing, durably.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Gives a file another name, replacing what had it. Open handles stay valid.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file. Open handles stay valid.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// The names of the files directly in `dir`, sorted, without its directories.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// Whether a file or directory has this name.
    fn exists(&self, path: &Path) -> io::Result<bool>;
    /// Makes the names in `dir` durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Bytes that may still be written below `path`, where the system tells.
    fn free_bytes(&self, path: &Path) -> io::Result<Option<u64>>;
    /// Tries to take the exclusive lock that `path` stands for; never waits.
    fn lock(&self, path: &Path) -> io::Result<LockOutcome>;
    /// How many syncs of files and directories have been asked for, for measuring.
    fn syncs(&self) -> u64;
}

/// An open file. All methods take `&self` and may be called from several threads at once.
pub trait VfsFile: Send + Sync + Debug {
    /// Length in bytes.
    fn len(&self) -> io::Result<u64>;

    /// Whether the file holds no bytes.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Cuts the file, or fills it up with zeros.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Reads up to `buf.len()` bytes from `offset`; 0 means the end of the file.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Fills `buf` from `offset` or fails with `UnexpectedEof`.
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
    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()>;

    /// Makes content and length durable.
    fn sync_data(&self) -> io::Result<()>;

    /// Maps the file into memory for reading; `None` where this file system cannot.
    ///
    /// Only for files that nobody will write to, cut or recycle as long as the mapping lives
    /// (sealed log segments): see [`mapping`].
    fn map(&self) -> io::Result<Option<Mapping>>;
}
