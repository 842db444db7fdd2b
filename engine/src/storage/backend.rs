//! redb's view of the file system: its `StorageBackend` over a [`VfsFile`], for the writer and for a reader
//! of another process. Neither takes redb's own locks: the database's lock file excludes a second writer.
//! A reader never trusts a page before it has seen that no checkpoint was written meanwhile, and never calls one wrong
//! before.

use std::io;
use std::ops::Bound;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tailwater_wal::mutant;
use tailwater_wal::vfs::{OpenMode, Vfs, VfsFile};

use super::compact::unfinished;
use super::header::HeaderCopies;
use super::pace::Pace;
use super::page_sums::{PageSums, Verdict};

/// Bytes of redb's header that change whenever a checkpoint is committed.
const HEADER_BYTES: usize = 320;
/// Where redb keeps its flags, and the flag "a writer has the file open or died".
const FLAGS_AT: usize = 9;
const FLAG_UNCLEAN: u8 = 2;
/// No page of redb's begins with this byte.
const NO_PAGE: u8 = 0xFF;
/// How often a reader looks at a page that is not what its sums say.
const LOOKS: u32 = 3;

/// The writer's backend.
#[derive(Debug)]
pub(super) struct WriterBackend {
    file: Arc<dyn VfsFile>,
    /// Where each header is kept before it is written; a file that is being made has none.
    copies: Option<Arc<HeaderCopies>>,
    /// What its pages are checked against; there are none where redb does all checking itself.
    sums: Option<Arc<PageSums>>,
    /// Raised by the first failure, after which redb answers everything with an error.
    failed: Arc<AtomicBool>,
    pace: Arc<Pace>,
}

impl WriterBackend {
    pub(super) fn new(
        file: Arc<dyn VfsFile>,
        copies: Option<Arc<HeaderCopies>>,
        sums: Option<Arc<PageSums>>,
        failed: Arc<AtomicBool>,
        pace: Arc<Pace>,
    ) -> Self {
        Self {
            file,
            copies,
            sums,
            failed,
            pace,
        }
    }

    /// What must be durable before a header is written.
    fn before_header(&self, header: &[u8]) -> io::Result<()> {
        if let Some(sums) = &self.sums
            && !mutant::is("page_sums_after_header")
        {
            sums.persist()?;
        }
        match &self.copies {
            Some(copies) if !mutant::is("no_header_copy") => copies.keep(header),
            _ => Ok(()),
        }
    }

    fn note<T>(&self, done: io::Result<T>) -> io::Result<T> {
        if done.is_err() {
            self.failed.store(true, Ordering::Release);
        }
        done
    }
}

impl redb::StorageBackend for WriterBackend {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(out, offset)?;
        let Some(sums) = &self.sums else {
            return Ok(());
        };
        if sums.is_right(offset, out)? {
            return Ok(());
        }
        // What went wrong on the way may be right the next time.
        self.file.read_exact_at(out, offset)?;
        if !sums.is_right(offset, out)? {
            sums.note_wrong(offset);
            // An error would make redb refuse all other pages, too; a page that is none it refuses by itself.
            out.fill(NO_PAGE);
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let cut = match &self.sums {
            Some(sums) => sums.cut(len),
            None => Ok(()),
        };
        self.note(cut.and_then(|()| self.file.set_len(len)))
    }

    fn sync_data(&self) -> io::Result<()> {
        if mutant::is("skip_storage_sync") {
            return Ok(());
        }
        self.note(self.file.sync_data())?;
        self.pace.note_synced();
        self.pace.breathe();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let write = || {
            if offset == 0 {
                self.before_header(data)?;
            }
            self.file.write_all_at(data, offset)?;
            match &self.sums {
                Some(sums) if offset == 0 && mutant::is("page_sums_after_header") => sums.persist(),
                Some(sums) => sums.note(offset, data),
                None => Ok(()),
            }
        };
        self.note(write())?;
        // Sooner than redb asks: pages are only trusted once the header names them, and the header comes last.
        match self.pace.note_written(data.len() as u64) {
            true => self.sync_data(),
            false => {
                self.pace.breathe();
                Ok(())
            }
        }
    }
}

/// What changes in the file with every checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header([u8; HEADER_BYTES]);

impl Header {
    pub(super) fn read(file: &dyn VfsFile) -> io::Result<Self> {
        let mut bytes = [0; HEADER_BYTES];
        file.read_exact_at(&mut bytes, 0)?;
        Ok(Self(bytes))
    }
}

/// A reader attached to the last checkpoint while another process may write the next one.
///
/// redb's pages are copied on write: those of checkpoint n stay as they are until checkpoint n+1 is in the
/// header. So a page read is good if the header read *after* it still is the one read at the start; if not,
/// the read fails and `moved` is raised. The header itself is served from the copy taken at the start, with
/// the flag "a writer has it open" cleared (redb would want to repair the file).
///
/// The same holds for the pages' sums: those of checkpoint n are durable before its header, and stay as long as it does.
#[derive(Debug)]
pub(super) struct ReaderBackend {
    source: Source,
    /// What its pages are checked against, if there is anything.
    sums: Option<Arc<PageSums>>,
    /// Header as found.
    seen: Header,
    /// Header as served.
    served: [u8; HEADER_BYTES],
    moved: Arc<AtomicBool>,
}

/// The storage file of a reader, and where it was found.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) vfs: Arc<dyn Vfs>,
    pub(super) path: PathBuf,
    pub(super) file: Arc<dyn VfsFile>,
}

impl ReaderBackend {
    /// Attaches to what the header names now; the header comes along.
    pub(super) fn attach(
        source: Source,
        sums: Option<Arc<PageSums>>,
        moved: Arc<AtomicBool>,
    ) -> io::Result<(Self, Header)> {
        let seen = Header::read(&*source.file)?;
        let mut served = seen.0;
        if let Some(flags) = served.get_mut(FLAGS_AT) {
            *flags &= !FLAG_UNCLEAN;
        }
        let backend = Self {
            source,
            sums,
            seen,
            served,
            moved,
        };
        Ok((backend, seen))
    }

    /// Fails if `file` is not, or not any more, as of the checkpoint attached to.
    fn check_unmoved(&self, file: &dyn VfsFile) -> io::Result<()> {
        if Header::read(file)? == self.seen {
            return Ok(());
        }
        self.moved.store(true, Ordering::Release);
        Err(io::Error::other("a later checkpoint replaced this one"))
    }

    fn read_unmoved(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let read = self.source.file.read_exact_at(out, offset);
        self.check_unmoved(&*self.source.file)?;
        read
    }

    /// Whether a page that looks wrong is, as long as the checkpoint is the one attached to.
    fn is_wrong(&self, sums: &PageSums, offset: u64, out: &mut [u8]) -> io::Result<bool> {
        let Source { vfs, path, file } = &self.source;
        let (vfs, making) = (&**vfs, unfinished(path));
        // Each time, a compaction may put another file with other sums in the place of these in between.
        for _ in 0..LOOKS {
            // What went wrong on the way may be right the next time.
            self.read_unmoved(offset, out)?;
            // A file that was compacted gets its sums after its name. Those of one that is still being made, with which
            // it has nothing in common, know nothing of this page: no other reader may meet them.
            if let Some(made) = PageSums::attach(vfs, &making)?
                && made.verdict(offset, out)? == Verdict::Right
            {
                return Ok(false);
            }
            if !sums.attach_again(vfs, path)? || sums.is_right(offset, out)? {
                return Ok(false);
            }
            // The sums may have been ahead of the page, or of another file.
            self.check_unmoved(&**file)?;
            match vfs.open(path, OpenMode::Read) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                named => self.check_unmoved(&*named?)?,
            }
        }
        Ok(true)
    }
}

impl redb::StorageBackend for ReaderBackend {
    fn len(&self) -> io::Result<u64> {
        self.source.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.read_unmoved(offset, out)?;
        if let Some(sums) = &self.sums
            && !sums.is_right(offset, out)?
            && self.is_wrong(sums, offset, out)?
        {
            sums.note_wrong(offset);
            // As the writer does it.
            out.fill(NO_PAGE);
        }
        if let Some(served) = usize::try_from(offset)
            .ok()
            .and_then(|offset| self.served.get(offset..))
        {
            for (out, served) in out.iter_mut().zip(served) {
                *out = *served;
            }
        }
        Ok(())
    }

    fn set_len(&self, _len: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync_data(&self) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn write(&self, _offset: u64, _data: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    // Locks are granted without being taken: the header check above does their work.
    fn try_lock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<bool, redb::BackendError> {
        Ok(true)
    }

    fn try_lock_shared_range(
        &self,
        _: Bound<u64>,
        _: Bound<u64>,
    ) -> Result<bool, redb::BackendError> {
        Ok(true)
    }

    fn lock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<(), redb::BackendError> {
        Ok(())
    }

    fn lock_shared_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<(), redb::BackendError> {
        Ok(())
    }

    fn unlock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<(), redb::BackendError> {
        Ok(())
    }

    fn query_lock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<bool, redb::BackendError> {
        Ok(false)
    }
}
