//! A read-only memory map of a file that no longer changes: the one place of Tailwater with `unsafe`.
//!
//! It never hands out a reference into the map: bytes are copied out first and checked afterwards, so a page
//! that changes under us can be wrong bytes, found by a checksum, but not a wrong reference.
//! Next door: `log::segment`, which drops every map of a segment before it recycles the file.

use std::fs::File;
use std::io;

use memmap2::Mmap;

/// The bytes of a sealed file, mapped.
///
/// ```
/// use tailwater_wal::vfs::{OpenMode, OsVfs, Vfs};
///
/// # fn main() -> std::io::Result<()> {
/// # let dir = tempfile::tempdir()?;
/// let file = OsVfs::new().open(&dir.path().join("sealed"), OpenMode::Create)?;
/// file.write_all_at(b"sealed", 0)?;
/// if let Some(mapping) = file.map()? {
///     let mut copy = [0; 4];
///     assert_eq!(mapping.read_at(&mut copy, 2), 4);
///     assert_eq!(&copy, b"aled");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Mapping {
    map: Mmap,
}

impl Mapping {
    /// Maps the whole of `file`.
    ///
    /// The caller keeps the file as it is (no write, cut or recycling) while the mapping lives.
    pub(super) fn of_file(file: &File) -> io::Result<Self> {
        #[expect(
            unsafe_code,
            reason = "mapping a file is unsafe in Rust because the file may change"
        )]
        // SAFETY: only sealed log segments are mapped. The directory lock keeps other processes of ours out,
        // and the log recycles or cuts a segment only when no mapping of it is left. No reference into the
        // map leaves this module; `read_at` copies.
        let map = unsafe { Mmap::map(file)? };
        Ok(Self { map })
    }

    /// Length in bytes.
    ///
    /// ```
    /// use tailwater_wal::vfs::{OpenMode, OsVfs, Vfs};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # let dir = tempfile::tempdir()?;
    /// let file = OsVfs::new().open(&dir.path().join("f"), OpenMode::Create)?;
    /// file.set_len(10)?;
    /// assert_eq!(file.map()?.map(|mapping| mapping.len()), Some(10));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn len(&self) -> u64 {
        self.map.len() as u64
    }

    /// Whether nothing is mapped.
    ///
    /// ```
    /// use tailwater_wal::vfs::{OpenMode, OsVfs, Vfs};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # let dir = tempfile::tempdir()?;
    /// let file = OsVfs::new().open(&dir.path().join("f"), OpenMode::Create)?;
    /// file.set_len(1)?;
    /// assert!(file.map()?.is_some_and(|mapping| !mapping.is_empty()));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// Copies up to `buf.len()` bytes from `offset`; returns how many there were.
    ///
    /// ```
    /// use tailwater_wal::vfs::{OpenMode, OsVfs, Vfs};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # let dir = tempfile::tempdir()?;
    /// let file = OsVfs::new().open(&dir.path().join("f"), OpenMode::Create)?;
    /// file.write_all_at(b"abc", 0)?;
    /// let mapping = file.map()?.unwrap();
    /// let mut buf = [0; 8];
    /// assert_eq!((mapping.read_at(&mut buf, 1), mapping.read_at(&mut buf, 99)), (2, 0));
    /// # Ok(())
    /// # }
    /// ```
    pub fn read_at(&self, buf: &mut [u8], offset: u64) -> usize {
        let Some(rest) = usize::try_from(offset)
            .ok()
            .and_then(|at| self.map.get(at..))
        else {
            return 0;
        };
        let count = rest.len().min(buf.len());
        if let (Some(to), Some(from)) = (buf.get_mut(..count), rest.get(..count)) {
            to.copy_from_slice(from);
        }
        count
    }
}
