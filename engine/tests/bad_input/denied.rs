//! A disk whose folders may not be read.

use std::io;
use std::path::Path;
use std::sync::Arc;

use tailwater_wal::vfs::{LockOutcome, MemoryVfs, OpenMode, Vfs, VfsFile};

/// Says "permission denied" whenever a file is to be opened, locked or listed.
#[derive(Debug)]
pub(crate) struct Denied(pub(crate) MemoryVfs);

fn denied<T>() -> io::Result<T> {
    Err(io::ErrorKind::PermissionDenied.into())
}

impl Vfs for Denied {
    fn open(&self, _: &Path, _: OpenMode) -> io::Result<Arc<dyn VfsFile>> {
        denied()
    }
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.0.create_dir_all(path)
    }
    fn rename(&self, _: &Path, _: &Path) -> io::Result<()> {
        denied()
    }
    fn remove(&self, _: &Path) -> io::Result<()> {
        denied()
    }
    fn list(&self, _: &Path) -> io::Result<Vec<String>> {
        denied()
    }
    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.0.exists(path)
    }
    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        denied()
    }
    fn free_bytes(&self, path: &Path) -> io::Result<Option<u64>> {
        self.0.free_bytes(path)
    }
    fn lock(&self, _: &Path) -> io::Result<LockOutcome> {
        denied()
    }
    fn syncs(&self) -> u64 {
        self.0.syncs()
    }
}
