//! `Overlay`: a file system whose changes stay in memory, over one that is only read.
//!
//! A database opened over it recovers, checkpoints and reads as it would, and leaves the folder below untouched: so a
//! damaged or a foreign database can be looked at. Nothing is durable, and its locks exclude nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::RwLock;
use tailwater_wal::vfs::{LockOutcome, Mapping, OpenMode, Vfs, VfsFile, VfsLock};

const PAGE: u64 = 4096;
const PAGE_BYTES: usize = 4096;

/// See the module.
#[derive(Debug)]
pub(crate) struct Overlay {
    below: Arc<dyn Vfs>,
    names: RwLock<BTreeMap<PathBuf, Name>>,
    dirs: RwLock<BTreeSet<PathBuf>>,
}

/// What became of a name.
#[derive(Clone, Debug)]
enum Name {
    File(Arc<OverlayFile>),
    Removed,
}

impl Overlay {
    pub(crate) fn new(below: Arc<dyn Vfs>) -> Self {
        Self {
            below,
            names: RwLock::default(),
            dirs: RwLock::default(),
        }
    }

    /// The file of that name, taken over from below if need be.
    fn find(&self, path: &Path) -> io::Result<Option<Arc<OverlayFile>>> {
        match self.names.read().get(path) {
            Some(Name::File(file)) => return Ok(Some(Arc::clone(file))),
            Some(Name::Removed) => return Ok(None),
            None => {}
        }
        match self.below.open(path, OpenMode::Read) {
            Ok(below) => {
                let file = Arc::new(OverlayFile::over(below)?);
                let name = Name::File(Arc::clone(&file));
                self.names.write().insert(path.to_owned(), name);
                Ok(Some(file))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn take(&self, path: &Path) -> io::Result<Arc<OverlayFile>> {
        self.find(path)?
            .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }
}

impl Vfs for Overlay {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn VfsFile>> {
        let found = self.find(path)?;
        let file = match (found, mode) {
            (Some(_), OpenMode::CreateNew) => return Err(io::ErrorKind::AlreadyExists.into()),
            (Some(file), _) => file,
            (None, OpenMode::Read | OpenMode::ReadWrite) => {
                return Err(io::ErrorKind::NotFound.into());
            }
            (None, OpenMode::Create | OpenMode::CreateNew) => {
                let file = Arc::new(OverlayFile::default());
                let name = Name::File(Arc::clone(&file));
                self.names.write().insert(path.to_owned(), name);
                file
            }
        };
        Ok(file)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut dirs = self.dirs.write();
        dirs.extend(path.ancestors().map(Path::to_owned));
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let file = self.take(from)?;
        let mut names = self.names.write();
        names.insert(from.to_owned(), Name::Removed);
        names.insert(to.to_owned(), Name::File(file));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.take(path)?;
        self.names.write().insert(path.to_owned(), Name::Removed);
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut found: BTreeSet<String> = match self.below.list(dir) {
            Ok(names) => names.into_iter().collect(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if !self.dirs.read().contains(dir) {
                    return Err(error);
                }
                BTreeSet::new()
            }
            Err(error) => return Err(error),
        };
        for (path, name) in &*self.names.read() {
            if path.parent() != Some(dir) {
                continue;
            }
            let Some(text) = path.file_name().and_then(|text| text.to_str()) else {
                continue;
            };
            match name {
                Name::File(_) => found.insert(text.to_owned()),
                Name::Removed => found.remove(text),
            };
        }
        Ok(found.into_iter().collect())
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        if self.dirs.read().contains(path) {
            return Ok(true);
        }
        match self.names.read().get(path) {
            Some(Name::File(_)) => Ok(true),
            Some(Name::Removed) => Ok(false),
            None => self.below.exists(path),
        }
    }

    fn sync_dir(&self, _dir: &Path) -> io::Result<()> {
        Ok(())
    }

    fn free_bytes(&self, _path: &Path) -> io::Result<Option<u64>> {
        Ok(None)
    }

    fn lock(&self, _path: &Path) -> io::Result<LockOutcome> {
        Ok(LockOutcome::Held(Box::new(Unlocked)))
    }

    fn syncs(&self) -> u64 {
        0
    }
}

/// A lock on what nobody else can see.
#[derive(Debug)]
struct Unlocked;

impl VfsLock for Unlocked {}

/// A file whose changed pages are in memory.
#[derive(Debug, Default)]
struct OverlayFile {
    below: Option<Arc<dyn VfsFile>>,
    content: RwLock<Content>,
}

#[derive(Debug, Default)]
struct Content {
    len: u64,
    /// How much of the file below still shows through.
    below_len: u64,
    /// Changed pages by number; one that is missing and not below is zero.
    pages: BTreeMap<u64, Box<[u8]>>,
}

impl OverlayFile {
    fn over(below: Arc<dyn VfsFile>) -> io::Result<Self> {
        let len = below.len()?;
        Ok(Self {
            below: Some(below),
            content: RwLock::new(Content {
                len,
                below_len: len,
                pages: BTreeMap::new(),
            }),
        })
    }

    /// Copies a page from below, zeros where there is none.
    fn page_below(&self, content: &Content, page: u64, out: &mut [u8]) -> io::Result<()> {
        out.fill(0);
        let start = page * PAGE;
        let there = content.below_len.saturating_sub(start).min(PAGE);
        let there = usize::try_from(there).unwrap_or(0);
        match (&self.below, out.get_mut(..there)) {
            (Some(below), Some(out)) if there > 0 => below.read_exact_at(out, start),
            _ => Ok(()),
        }
    }
}

impl VfsFile for OverlayFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.content.read().len)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut content = self.content.write();
        if len < content.len {
            // What is cut off must not come back when the file grows again.
            content.below_len = content.below_len.min(len);
            let page = len / PAGE;
            let _cut = content.pages.split_off(&len.div_ceil(PAGE));
            let within = usize::try_from(len % PAGE).unwrap_or(0);
            if let Some(rest) = content
                .pages
                .get_mut(&page)
                .and_then(|p| p.get_mut(within..))
            {
                rest.fill(0);
            }
        }
        content.len = len;
        Ok(())
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let content = self.content.read();
        let within = usize::try_from(offset % PAGE).unwrap_or(0);
        let left = usize::try_from(content.len.saturating_sub(offset)).unwrap_or(usize::MAX);
        let wanted = buf.len().min(PAGE_BYTES - within).min(left);
        let Some(out) = buf.get_mut(..wanted) else {
            return Ok(0);
        };
        let page = offset / PAGE;
        match content.pages.get(&page) {
            Some(bytes) => {
                for (to, from) in out.iter_mut().zip(bytes.iter().skip(within)) {
                    *to = *from;
                }
            }
            None => {
                let mut bytes = [0; PAGE_BYTES];
                self.page_below(&content, page, &mut bytes)?;
                for (to, from) in out.iter_mut().zip(bytes.iter().skip(within)) {
                    *to = *from;
                }
            }
        }
        Ok(wanted)
    }

    fn write_all_at(&self, mut buf: &[u8], mut offset: u64) -> io::Result<()> {
        let mut content = self.content.write();
        while !buf.is_empty() {
            let page = offset / PAGE;
            let within = usize::try_from(offset % PAGE).unwrap_or(0);
            let (now, rest) = buf.split_at(buf.len().min(PAGE_BYTES - within));
            let is_new_zero = !content.pages.contains_key(&page)
                && page * PAGE >= content.below_len
                && now.iter().all(|byte| *byte == 0);
            if !is_new_zero {
                if !content.pages.contains_key(&page) {
                    let mut bytes = vec![0; PAGE_BYTES].into_boxed_slice();
                    self.page_below(&content, page, &mut bytes)?;
                    content.pages.insert(page, bytes);
                }
                let bytes = content.pages.get_mut(&page);
                if let Some(to) = bytes.and_then(|b| b.get_mut(within..within + now.len())) {
                    to.copy_from_slice(now);
                }
            }
            offset += now.len() as u64;
            buf = rest;
        }
        content.len = content.len.max(offset);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn map(&self) -> io::Result<Option<Mapping>> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tailwater_wal::vfs::MemoryVfs;

    /// Random operations on the overlay and on a plain file system that began alike; the one below never changes.
    #[test]
    fn an_overlay_does_what_a_file_does_and_leaves_what_is_below() {
        for seed in 0..40_u64 {
            let mut state = seed;
            let mut below_n = |n: u64| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695);
                (state >> 33) % n
            };
            let (below, twin) = (MemoryVfs::new(), MemoryVfs::new());
            let names = [Path::new("d/a"), Path::new("d/b"), Path::new("d/c")];
            for vfs in [&below, &twin] {
                vfs.create_dir_all(Path::new("d")).unwrap();
                let file = vfs.open(names[0], OpenMode::Create).unwrap();
                file.write_all_at(&[7; 10_000], 0).unwrap();
            }
            let over = Overlay::new(Arc::new(below.clone()));
            for _ in 0..60 {
                let (name, other) = (names[below_n(3) as usize], names[below_n(3) as usize]);
                let (what, at, len) = (below_n(6), below_n(20_000), below_n(9_000));
                let byte = below_n(3) as u8;
                let run = |vfs: &dyn Vfs| -> io::Result<Vec<u8>> {
                    match what {
                        0 => vfs.rename(name, other).map(|()| Vec::new()),
                        1 if at.is_multiple_of(3) => vfs.remove(name).map(|()| Vec::new()),
                        2 => {
                            let file = vfs.open(name, OpenMode::ReadWrite)?;
                            file.set_len(at).map(|()| Vec::new())
                        }
                        3 | 4 => {
                            let file = vfs.open(name, OpenMode::Create)?;
                            file.write_all_at(&vec![byte; len as usize], at)?;
                            Ok(Vec::new())
                        }
                        _ => {
                            let file = vfs.open(name, OpenMode::Read)?;
                            let mut bytes = vec![0; file.len()? as usize];
                            file.read_exact_at(&mut bytes, 0)?;
                            Ok(bytes)
                        }
                    }
                };
                let (ours, theirs) = (run(&over), run(&twin));
                let kinds = (
                    ours.as_ref().map_err(io::Error::kind),
                    theirs.as_ref().map_err(io::Error::kind),
                );
                assert_eq!(kinds.0, kinds.1, "seed {seed}");
                let dir = Path::new("d");
                assert_eq!(
                    over.list(dir).unwrap(),
                    twin.list(dir).unwrap(),
                    "seed {seed}"
                );
            }
            let file = below.open(names[0], OpenMode::Read).unwrap();
            let mut bytes = vec![0; 10_000];
            file.read_exact_at(&mut bytes, 0).unwrap();
            assert!(file.len().unwrap() == 10_000 && bytes.iter().all(|byte| *byte == 7));
        }
    }
}
