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

use super::backend::{Header, ReaderBackend, Source, WriterBackend};
use super::base::{Base, guarded};
use super::checkpoint;
use super::error::{Result, StorageError};
use super::header::{self, HeaderCopies};
use super::pace::Pace;
use super::page_sums::PageSums;

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
                let transaction = handle.with(|database| guarded(|| database.begin_read()))?;
                let sums = Arc::clone(&handle.sums);
                Base::new(transaction, Some(Arc::clone(&handle.failed)), Some(sums))
            }),
            Self::Reader(reader) => reader.base(),
        }
    }

    /// How long the file is, if this process may make it longer; else 0.
    pub(super) fn len_to_grow(&self) -> u64 {
        match self {
            Self::Writer(writer) => writer.len(),
            Self::Reader(_) => 0,
        }
    }

    /// Closes it, telling how that went.
    #[cfg(test)]
    pub(super) fn close(self) -> Result<()> {
        match self {
            Self::Writer(writer) => match writer.current.into_inner().handle {
                Some(mut handle) => match handle.database.take() {
                    Some(database) => guarded(|| database.close()),
                    None => Ok(()),
                },
                None => Ok(()),
            },
            Self::Reader(reader) => guarded(|| reader.attached.into_inner().database.close()),
        }
    }
}

/// What of the storage file is looked at, beside the rows' own checksums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pages {
    /// Each page against its checksum.
    Checked,
    /// Pages as they are: for who wants all that can be read of a damaged file.
    AsTheyAre,
}

/// The storage file as a process that only reads has it open.
pub(super) struct Reader {
    vfs: Arc<dyn Vfs>,
    path: PathBuf,
    pages: Pages,
    cache_bytes: usize,
    attached: Mutex<Attached>,
}

/// The file as of one checkpoint.
struct Attached {
    database: ReadOnlyDatabase,
    sums: Option<Arc<PageSums>>,
    header: Header,
    moved: Arc<AtomicBool>,
}

impl Reader {
    pub(super) fn open(
        vfs: Arc<dyn Vfs>,
        path: &Path,
        pages: Pages,
        cache_bytes: usize,
    ) -> Result<Self> {
        let file = vfs.open(path, OpenMode::Read).map_err(io)?;
        let source = Source {
            vfs: Arc::clone(&vfs),
            path: path.to_owned(),
            file,
        };
        let attached = Mutex::new(Attached::new(source, pages, cache_bytes)?);
        Ok(Self {
            vfs,
            path: path.to_owned(),
            pages,
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
        // Under its name, for the writer may have put another file in its place.
        let source = Source {
            vfs: Arc::clone(&self.vfs),
            path: self.path.clone(),
            file: self.vfs.open(&self.path, OpenMode::Read).map_err(io)?,
        };
        let now = Header::read(&*source.file).map_err(io)?;
        if now == attached.header && !attached.moved.load(Ordering::Acquire) {
            return Ok(None);
        }
        let next = Attached::new(source, self.pages, self.cache_bytes)?;
        let base = next.base()?;
        *attached = next;
        Ok(Some(base))
    }
}

impl Attached {
    fn new(source: Source, pages: Pages, cache_bytes: usize) -> Result<Self> {
        let moved = Arc::new(AtomicBool::new(false));
        let sums = match pages {
            Pages::Checked => PageSums::attach(&*source.vfs, &source.path).map_err(io)?,
            Pages::AsTheyAre => None,
        };
        let open = || {
            let (backend, header) =
                ReaderBackend::attach(source, sums.clone(), Arc::clone(&moved)).map_err(io)?;
            let database = guarded(|| {
                Builder::new()
                    .set_cache_size(cache_bytes)
                    .set_concurrency_mode(ConcurrencyMode::SingleWriter)
                    .open_read_only_with_backend(backend)
            })?;
            Ok((database, header))
        };
        let opened = open();
        let (database, header) =
            opened.map_err(|error| Self::told(&moved, sums.as_deref(), error))?;
        Ok(Self {
            database,
            sums,
            header,
            moved,
        })
    }

    fn base(&self) -> Result<Base> {
        let (moved, sums) = (Arc::clone(&self.moved), self.sums.clone());
        guarded(|| self.database.begin_read())
            .and_then(|transaction| Base::new(transaction, Some(moved), sums))
            .map_err(|error| Self::told(&self.moved, self.sums.as_deref(), error))
    }

    /// The error, unless it comes from a checkpoint that was written meanwhile.
    fn told(moved: &AtomicBool, sums: Option<&PageSums>, error: StorageError) -> StorageError {
        match (moved.load(Ordering::Acquire), sums) {
            (true, _) => StorageError::CheckpointMoved,
            (false, Some(sums)) => sums.explain(error),
            (false, None) => error,
        }
    }
}

/// The storage file as its only writer has it open.
pub(super) struct Writer {
    copies: Arc<HeaderCopies>,
    pace: Arc<Pace>,
    cache_bytes: usize,
    current: Mutex<Current>,
}

/// The file that is written now.
struct Current {
    file: Arc<dyn VfsFile>,
    sums: Arc<PageSums>,
    /// `None` after it could not be opened again.
    handle: Option<Handle>,
    /// Handles of files that this one has replaced, as long as somebody reads through them.
    replaced: Vec<Handle>,
}

/// redb's handle of the file.
pub(super) struct Handle {
    /// There until this is dropped.
    database: Option<Database>,
    /// A write or sync failed: redb refuses everything from then on.
    failed: Arc<AtomicBool>,
    sums: Arc<PageSums>,
}

impl Writer {
    pub(super) fn open(
        vfs: &dyn Vfs,
        path: &Path,
        cache_bytes: usize,
        pace: Arc<Pace>,
        repaired: &Arc<AtomicBool>,
    ) -> Result<Self> {
        let copies = HeaderCopies::open(vfs, path).map_err(io)?;
        let file = vfs.open(path, OpenMode::ReadWrite).map_err(io)?;
        let sums = PageSums::open(vfs, path).map_err(io)?;
        let handle = Handle::open(&file, &copies, &sums, cache_bytes, &pace, repaired)?;
        Ok(Self {
            copies,
            pace,
            cache_bytes,
            current: Mutex::new(Current {
                file,
                sums,
                handle: Some(handle),
                replaced: Vec::new(),
            }),
        })
    }

    pub(super) fn with<T>(&self, work: impl FnOnce(&Handle) -> Result<T>) -> Result<T> {
        match &self.current.lock().handle {
            Some(handle) => work(handle),
            None => Err(StorageError::NeedsReopen),
        }
    }

    /// Says of damage that redb has met where it is.
    pub(super) fn explain(&self, error: StorageError) -> StorageError {
        self.current.lock().sums.explain(error)
    }

    /// How long the file is.
    pub(super) fn len(&self) -> u64 {
        self.current.lock().file.len().unwrap_or(0)
    }

    /// Opens the file anew after a failed read or write, from which redb does not recover by itself. What still reads
    /// through the old handle is refused with `CheckpointMoved`.
    pub(super) fn reopen(&self) -> Result<()> {
        let mut current = self.current.lock();
        // Two handles must never be there at once.
        if let Some(old) = current.handle.take() {
            old.failed.store(true, Ordering::Release);
        }
        let opened = Handle::open(
            &current.file,
            &self.copies,
            &current.sums,
            self.cache_bytes,
            &self.pace,
            &Arc::default(),
        );
        current.handle = Some(opened?);
        Ok(())
    }

    /// Opens another file, to be written in the place of this one once [`replace`](Self::replace) is told so.
    pub(super) fn open_other(&self, vfs: &dyn Vfs, path: &Path) -> Result<Replacement> {
        let file = vfs.open(path, OpenMode::ReadWrite).map_err(io)?;
        let sums = PageSums::open(vfs, path).map_err(io)?;
        let handle = Handle::open(
            &file,
            &self.copies,
            &sums,
            self.cache_bytes,
            &self.pace,
            &Arc::default(),
        )?;
        Ok(Replacement { file, sums, handle })
    }

    /// Writes and reads another file from now on; who reads this one goes on.
    pub(super) fn replace(&self, with: Replacement) {
        let mut current = self.current.lock();
        current.file = with.file;
        current.sums = with.sums;
        if let Some(old) = current.handle.replace(with.handle) {
            current.replaced.push(old);
        }
    }

    /// Closes files that were replaced and are not read any more.
    pub(super) fn close_replaced(&self) {
        let mut current = self.current.lock();
        let replaced = std::mem::take(&mut current.replaced);
        let (read, done): (Vec<_>, Vec<_>) = replaced.into_iter().partition(Handle::is_read);
        current.replaced = read;
        drop(current);
        drop(done);
    }
}

/// A file about to take the place of another.
pub(super) struct Replacement {
    file: Arc<dyn VfsFile>,
    sums: Arc<PageSums>,
    handle: Handle,
}

impl Handle {
    /// Whether a `Base` reads through it: each shares the flag with the handle and its backend.
    fn is_read(&self) -> bool {
        Arc::strong_count(&self.failed) > 2
    }

    fn open(
        file: &Arc<dyn VfsFile>,
        copies: &Arc<HeaderCopies>,
        sums: &Arc<PageSums>,
        cache_bytes: usize,
        pace: &Arc<Pace>,
        repaired: &Arc<AtomicBool>,
    ) -> Result<Self> {
        let failed = Arc::new(AtomicBool::new(false));
        let copies = Some(Arc::clone(copies));
        let backend = WriterBackend::new(
            Arc::clone(file),
            copies,
            Some(Arc::clone(sums)),
            Arc::clone(&failed),
            Arc::clone(pace),
        );
        let mut builder = Builder::new();
        builder.set_cache_size(cache_bytes);
        let repairing = Arc::clone(repaired);
        builder.set_repair_callback(move |_| repairing.store(true, Ordering::Relaxed));
        let database = guarded(|| builder.create_with_backend(backend))
            .map_err(|error| sums.explain(error))?;
        Ok(Self {
            database: Some(database),
            failed,
            sums: Arc::clone(sums),
        })
    }

    /// Does something with the file.
    pub(super) fn with<T>(&self, work: impl FnOnce(&Database) -> Result<T>) -> Result<T> {
        match &self.database {
            Some(database) => work(database),
            None => Err(StorageError::NeedsReopen),
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // On a damaged file redb panics while it closes, too. What must be durable was committed before.
        let _ = guarded(|| {
            drop(self.database.take());
            Ok::<_, redb::Error>(())
        });
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
    // Copies of the header of a file that is no more must not be taken for this one's.
    let copies = header::beside(path);
    if vfs.exists(&copies).map_err(io)? {
        vfs.remove(&copies).map_err(io)?;
    }
    let file = vfs.open(&new, OpenMode::CreateNew).map_err(io)?;
    // They have their name already: there is no other file yet that they could be of.
    let sums = PageSums::create(vfs, path).map_err(io)?;
    let database = guarded(|| {
        let backend = WriterBackend::new(file, None, Some(sums), Arc::default(), Pace::none());
        Builder::new().create_with_backend(backend)
    })?;
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
