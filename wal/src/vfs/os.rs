//! The file system of the operating system: the only module that touches `std::fs`.
//!
//! New files are readable by their owner only. It counts syncs and does nothing else of its own: no cache,
//! no retry of a failed sync. Next door: `memory`, its twin for tests and for databases without a file.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{LockOutcome, Mapping, OpenMode, Vfs, VfsFile, VfsLock};

/// Bytes of a lock file that are read to say who holds it.
const OWNER_BYTES_MAX: u64 = 512;

/// The operating system's files. Clones count their syncs together.
///
/// ```
/// use tailwater_wal::vfs::{OpenMode, OsVfs, Vfs};
///
/// # fn main() -> std::io::Result<()> {
/// # let dir = tempfile::tempdir()?;
/// let vfs = OsVfs::new();
/// vfs.open(&dir.path().join("f"), OpenMode::Create)?.write_all_at(b"abc", 0)?;
/// assert_eq!(std::fs::read(dir.path().join("f"))?, b"abc");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct OsVfs {
    syncs: Arc<AtomicU64>,
}

impl OsVfs {
    /// A door to the operating system's files.
    ///
    /// ```
    /// use tailwater_wal::vfs::{OsVfs, Vfs};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let vfs = OsVfs::new();
    /// vfs.sync_dir(&std::env::temp_dir())?;
    /// assert_eq!((vfs.clone().syncs(), OsVfs::new().syncs()), (1, 0)); // clones count together
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Vfs for OsVfs {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn VfsFile>> {
        let mut options = OpenOptions::new();
        options.read(true);
        match mode {
            OpenMode::Read => {}
            OpenMode::ReadWrite => _ = options.write(true),
            OpenMode::Create => _ = options.write(true).create(true).truncate(false),
            OpenMode::CreateNew => _ = options.write(true).create_new(true),
        }
        let file = private(&mut options).open(path)?;
        Ok(Arc::new(OsFile {
            file,
            syncs: Arc::clone(&self.syncs),
        }))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut missing = Vec::new();
        let mut at = Some(path);
        while let Some(dir) = at.filter(|dir| !dir.as_os_str().is_empty() && !dir.is_dir()) {
            missing.push(dir);
            at = dir.parent();
        }
        for dir in missing.into_iter().rev() {
            match private_dir(&mut DirBuilder::new()).create(dir) {
                Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
                _ => {}
            }
            if let Some(parent) = dir.parent() {
                self.sync_dir(parent)?;
            }
        }
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            if entry.file_type()?.is_file()
                && let Ok(name) = entry.file_name().into_string()
            {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        fs::exists(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.syncs.fetch_add(1, Ordering::Relaxed);
        sync_directory(if dir.as_os_str().is_empty() {
            Path::new(".")
        } else {
            dir
        })
    }

    fn free_bytes(&self, path: &Path) -> io::Result<Option<u64>> {
        free_bytes(path)
    }

    fn lock(&self, path: &Path) -> io::Result<LockOutcome> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = private(&mut options).open(path)?;
        match file.try_lock() {
            Ok(()) => {
                file.set_len(0)?;
                file.seek(SeekFrom::Start(0))?;
                file.write_all(owner().as_bytes())?;
                Ok(LockOutcome::Held(Box::new(OsLock { _file: file })))
            }
            Err(TryLockError::WouldBlock) => {
                let mut text = Vec::new();
                // Some systems refuse to read a locked file: then the holder stays unnamed.
                let read = file.take(OWNER_BYTES_MAX).read_to_end(&mut text);
                let owner = match read {
                    Ok(n) if n > 0 => String::from_utf8_lossy(&text).trim().to_owned(),
                    _ => "another process".to_owned(),
                };
                Ok(LockOutcome::Busy { owner })
            }
            Err(TryLockError::Error(e)) => Err(e),
        }
    }

    fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::Relaxed)
    }
}

/// What a holder writes into its lock file.
pub(super) fn owner() -> String {
    let command = std::env::args_os().next().unwrap_or_default();
    format!(
        "process {} {}\n",
        std::process::id(),
        command.to_string_lossy()
    )
}

#[derive(Debug)]
struct OsLock {
    /// The lock lives as long as this handle.
    _file: File,
}

impl VfsLock for OsLock {}

#[derive(Debug)]
struct OsFile {
    file: File,
    syncs: Arc<AtomicU64>,
}

impl VfsFile for OsFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        read_file_at(&self.file, buf, offset)
    }

    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        write_file_at(&self.file, buf, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.syncs.fetch_add(1, Ordering::Relaxed);
        self.file.sync_data()
    }

    fn map(&self) -> io::Result<Option<Mapping>> {
        // Mapping an empty file is an error on most systems; there is nothing to read in it.
        // Miri maps no files: there the log is read as where no map can be had.
        if cfg!(miri) || self.len()? == 0 {
            return Ok(None);
        }
        Mapping::of_file(&self.file).map(Some)
    }
}

#[cfg(unix)]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600)
}

#[cfg(unix)]
fn private_dir(builder: &mut DirBuilder) -> &mut DirBuilder {
    std::os::unix::fs::DirBuilderExt::mode(builder, 0o700)
}

#[cfg(unix)]
fn read_file_at(file: &File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buf, offset)
}

#[cfg(unix)]
fn write_file_at(file: &File, buf: &[u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, buf, offset)
}

#[cfg(unix)]
fn sync_directory(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

#[cfg(unix)]
fn free_bytes(path: &Path) -> io::Result<Option<u64>> {
    let stat = rustix::fs::statvfs(path)?;
    Ok(Some(stat.f_bavail.saturating_mul(stat.f_frsize)))
}

#[cfg(not(unix))]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

#[cfg(not(unix))]
fn private_dir(builder: &mut DirBuilder) -> &mut DirBuilder {
    builder
}

#[cfg(windows)]
fn read_file_at(file: &File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buf, offset)
}

#[cfg(windows)]
fn write_file_at(file: &File, mut buf: &[u8], mut offset: u64) -> io::Result<()> {
    while !buf.is_empty() {
        let n = std::os::windows::fs::FileExt::seek_write(file, buf, offset)?;
        if n == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        buf = buf.get(n..).unwrap_or_default();
        offset += n as u64;
    }
    Ok(())
}

/// Directories cannot be synced here; the file system's own journal keeps names.
#[cfg(not(unix))]
fn sync_directory(_dir: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(not(unix))]
fn free_bytes(_path: &Path) -> io::Result<Option<u64>> {
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_written_read_cut_renamed_and_removed() {
        let dir = tempfile::tempdir().unwrap();
        let vfs = OsVfs::new();
        let deep = dir.path().join("a/b");
        vfs.create_dir_all(&deep).unwrap();
        vfs.create_dir_all(&deep).unwrap();
        let path = deep.join("x");
        let file = vfs.open(&path, OpenMode::CreateNew).unwrap();
        assert!(vfs.open(&path, OpenMode::CreateNew).is_err());
        file.write_all_at(b"hello", 3).unwrap();
        assert_eq!(file.len().unwrap(), 8);
        let mut buf = [9; 5];
        file.read_exact_at(&mut buf, 1).unwrap();
        assert_eq!(&buf, b"\0\0hel");
        assert!(file.read_exact_at(&mut buf, 4).is_err());
        let before = vfs.syncs();
        file.sync_data().unwrap();
        vfs.sync_dir(&deep).unwrap();
        assert_eq!(vfs.syncs() - before, 2);
        let map = file.map().unwrap().unwrap();
        assert_eq!(map.read_at(&mut buf, 6), 2);
        assert_eq!(&buf[..2], b"lo");
        assert_eq!(map.read_at(&mut buf, 99), 0);
        drop(map);
        vfs.rename(&path, &deep.join("y")).unwrap();
        assert_eq!(vfs.list(&deep).unwrap(), ["y"]);
        assert!(!vfs.exists(&path).unwrap());
        vfs.remove(&deep.join("y")).unwrap();
        assert!(vfs.list(&deep).unwrap().is_empty());
        #[cfg(unix)]
        assert!(vfs.free_bytes(&deep).unwrap().unwrap() > 0);
    }

    #[test]
    fn a_lock_is_exclusive_and_names_its_owner() {
        let dir = tempfile::tempdir().unwrap();
        let vfs = OsVfs::new();
        let path = dir.path().join("lock");
        let LockOutcome::Held(held) = vfs.lock(&path).unwrap() else {
            panic!("free")
        };
        let LockOutcome::Busy { owner } = vfs.lock(&path).unwrap() else {
            panic!("taken")
        };
        assert!(owner.contains(&std::process::id().to_string()), "{owner}");
        drop(held);
        assert!(matches!(vfs.lock(&path).unwrap(), LockOutcome::Held(_)));
    }
}
