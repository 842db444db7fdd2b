//! `File`: the storage file as this process has it open, to write it alone or to read what a writer left.
//!
//! redb sees it through our own file door; after a failure it is opened anew in place. What is in it is the business of
//! `base` and `checkpoint`. Next door: `store`, which owns it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use redb::{Builder, ConcurrencyMode, Database, ReadOnlyDatabase, ReadableDatabase};
use tailwater_wal::vfs::{OpenMode, Vfs, VfsFile};

use super::backend::{Header, ReaderBackend, WriterBackend};
use super::base::{Base, guarded};
use super::checkpoint;
use super::error::{Result, StorageError};

/// The open storage file.
pub(super) enum File {
    Writer(Writer),
    Reader(Box<Reader>),
}

impl File {
    /// What the last checkpoint left.
    pub(super) fn base(&self) -> Result<Base> {
        match self {
            Self::Writer(writer) => writer.with(|handle| {
                let transaction = guarded(|| handle.database.begin_read())?;
                Base::new(transaction, Some(Arc::clone(&handle.failed)))
            }),
            Self::Reader(reader) => reader.base(),
        }
    }

    /// How long the file is, if this process may make it longer; else 0.
    pub(super) fn len_to_grow(&self) -> u64 {
        match self {
            Self::Writer(writer) => writer.file.len().unwrap_or(0),
            Self::Reader(_) => 0,
        }
    }

    /// Closes it, telling how that went.
    #[cfg(test)]
    pub(super) fn close(self) -> Result<()> {
        match self {
            Self::Writer(writer) => match writer.handle.into_inner() {
                Some(handle) => guarded(|| handle.database.close()),
                None => Ok(()),
            },
            Self::Reader(reader) => guarded(|| reader.attached.into_inner().database.close()),
        }
    }
}

/// The storage file as a process that only reads has it open.
pub(super) struct Reader {
    file: Arc<dyn VfsFile>,
    cache_bytes: usize,
    attached: Mutex<Attached>,
}

/// The file as of one checkpoint.
struct Attached {
    database: ReadOnlyDatabase,
    header: Header,
    moved: Arc<AtomicBool>,
}

impl Reader {
    pub(super) fn open(file: Arc<dyn VfsFile>, cache_bytes: usize) -> Result<Self> {
        let attached = Mutex::new(Attached::new(&file, cache_bytes)?);
        Ok(Self {
            file,
            cache_bytes,
            attached,
        })
    }

    fn base(&self) -> Result<Base> {
        self.attached.lock().base()
    }

    /// Attaches to the checkpoint that is there now; `None` if it is still the one known.
    pub(super) fn reattach(&self) -> Result<Option<Base>> {
        let mut attached = self.attached.lock();
        let now = Header::read(&*self.file).map_err(io)?;
        if now == attached.header && !attached.moved.load(Ordering::Acquire) {
            return Ok(None);
        }
        let next = Attached::new(&self.file, self.cache_bytes)?;
        let base = next.base()?;
        *attached = next;
        Ok(Some(base))
    }
}

impl Attached {
    fn new(file: &Arc<dyn VfsFile>, cache_bytes: usize) -> Result<Self> {
        let moved = Arc::new(AtomicBool::new(false));
        let open = || {
            let (backend, header) =
                ReaderBackend::attach(Arc::clone(file), Arc::clone(&moved)).map_err(io)?;
            let database = guarded(|| {
                Builder::new()
                    .set_cache_size(cache_bytes)
                    .set_concurrency_mode(ConcurrencyMode::SingleWriter)
                    .open_read_only_with_backend(backend)
            })?;
            Ok((database, header))
        };
        let opened = open();
        let (database, header) = opened.map_err(|error| Self::told(&moved, error))?;
        Ok(Self {
            database,
            header,
            moved,
        })
    }

    fn base(&self) -> Result<Base> {
        guarded(|| self.database.begin_read())
            .and_then(|transaction| Base::new(transaction, Some(Arc::clone(&self.moved))))
            .map_err(|error| Self::told(&self.moved, error))
    }

    /// The error, unless it comes from a checkpoint that was written meanwhile.
    fn told(moved: &AtomicBool, error: StorageError) -> StorageError {
        match moved.load(Ordering::Acquire) {
            true => StorageError::CheckpointMoved,
            false => error,
        }
    }
}

/// The storage file as its only writer has it open.
pub(super) struct Writer {
    file: Arc<dyn VfsFile>,
    cache_bytes: usize,
    /// `None` after it could not be opened again.
    handle: Mutex<Option<Handle>>,
}

/// redb's handle of the file.
pub(super) struct Handle {
    pub(super) database: Database,
    /// A write or sync failed: redb refuses everything from then on.
    failed: Arc<AtomicBool>,
}

impl Writer {
    pub(super) fn open(
        file: Arc<dyn VfsFile>,
        cache_bytes: usize,
        repaired: &Arc<AtomicBool>,
    ) -> Result<Self> {
        let handle = Handle::open(&file, cache_bytes, repaired)?;
        Ok(Self {
            file,
            cache_bytes,
            handle: Mutex::new(Some(handle)),
        })
    }

    pub(super) fn with<T>(&self, work: impl FnOnce(&Handle) -> Result<T>) -> Result<T> {
        match &*self.handle.lock() {
            Some(handle) => work(handle),
            None => Err(StorageError::NeedsReopen),
        }
    }

    /// Opens the file anew after a failed read or write, from which redb does not recover by itself. What still reads
    /// through the old handle is refused with `CheckpointMoved`.
    pub(super) fn reopen(&self) -> Result<()> {
        let mut handle = self.handle.lock();
        // Two handles must never be there at once.
        if let Some(old) = handle.take() {
            old.failed.store(true, Ordering::Release);
        }
        *handle = Some(Handle::open(&self.file, self.cache_bytes, &Arc::default())?);
        Ok(())
    }
}

impl Handle {
    fn open(
        file: &Arc<dyn VfsFile>,
        cache_bytes: usize,
        repaired: &Arc<AtomicBool>,
    ) -> Result<Self> {
        let failed = Arc::new(AtomicBool::new(false));
        let backend = WriterBackend::new(Arc::clone(file), Arc::clone(&failed));
        let mut builder = Builder::new();
        builder.set_cache_size(cache_bytes);
        let repairing = Arc::clone(repaired);
        builder.set_repair_callback(move |_| repairing.store(true, Ordering::Relaxed));
        let database = guarded(|| builder.create_with_backend(backend))?;
        Ok(Self { database, failed })
    }
}

/// Makes a storage file under another name first, so that a crash leaves a whole one or none.
pub(super) fn create(vfs: &dyn Vfs, path: &Path) -> Result<()> {
    let mut name = OsString::from(path);
    name.push(".new");
    let new = PathBuf::from(name);
    if vfs.exists(&new).map_err(io)? {
        vfs.remove(&new).map_err(io)?;
    }
    let file = vfs.open(&new, OpenMode::CreateNew).map_err(io)?;
    let database =
        guarded(|| Builder::new().create_with_backend(WriterBackend::new(file, Arc::default())))?;
    checkpoint::format(&database)?;
    guarded(|| database.close())?;
    vfs.rename(&new, path).map_err(io)?;
    if let Some(dir) = path.parent() {
        vfs.sync_dir(dir).map_err(io)?;
    }
    Ok(())
}

/// An I/O error of a file that is not named yet.
pub(super) fn io(source: std::io::Error) -> StorageError {
    StorageError::Io { path: None, source }
}

/// Names the file in an I/O error.
pub(super) fn in_file(error: StorageError, path: &Path) -> StorageError {
    match error {
        StorageError::Io { path: None, source } => StorageError::Io {
            path: Some(path.to_owned()),
            source,
        },
        other => other,
    }
}
