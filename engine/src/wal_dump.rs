//! `wal_dump`: what lies in the files of a database's log, line by line, for looking at one from outside.
//!
//! It only reads: beside a process that has the database open, and on a log that cannot be opened any more. It judges
//! nothing. Next door: the room `wal`, whose FORMAT.md describes the bytes.
//!
//! ```
//! use std::{path::Path, sync::Arc};
//! use tailwater::{Database, vfs::MemoryVfs, wal_dump};
//!
//! # fn main() -> tailwater::Result<()> {
//! let disk = Arc::new(MemoryVfs::new());
//! Database::builder().vfs(disk.clone()).open("shop")?.exec("CREATE TABLE orders (id INT PRIMARY KEY)", ())?;
//! let mut records = 0;
//! for line in wal_dump::open(disk, Path::new("shop"))? {
//!     if let wal_dump::Dumped::Frame(frame) = line? {
//!         records += u32::from(frame.kind == wal_dump::FrameKind::Record);
//!     }
//! }
//! assert_eq!(records, 1);
//! # Ok(())
//! # }
//! ```

use std::path::Path;
use std::sync::Arc;

use tailwater_wal::vfs::Vfs;
use tailwater_wal::{Dump, Error as WalError};

use crate::error::{Error, Result};
use crate::open::file_name;

pub use tailwater_wal::{
    Dumped, DumpedEnd, DumpedFault, DumpedFrame, DumpedSegment, EndReason, Epoch, FrameKind,
    SegmentFault,
};

/// Looks at the log of the database in a folder, or at a folder of segments itself.
///
/// # Errors
/// `58P01` if there is no such folder, `58030` if the system refuses it.
///
/// ```
/// use std::{path::Path, sync::Arc};
/// use tailwater::{Database, vfs::MemoryVfs, wal_dump};
///
/// # fn main() -> tailwater::Result<()> {
/// let disk = Arc::new(MemoryVfs::new());
/// let db = Database::builder().vfs(disk.clone()).open("shop")?;
/// db.exec("CREATE TABLE orders (id INT PRIMARY KEY)", ())?;
/// let frames = wal_dump::open(disk.clone(), Path::new("shop"))?.count();
/// assert_eq!(frames, wal_dump::open(disk, Path::new("shop/log"))?.count());
/// assert!(frames > 2); // a segment, a record, the end
/// # Ok(())
/// # }
/// ```
pub fn open(vfs: Arc<dyn Vfs>, path: &Path) -> Result<WalDump> {
    let inside = path.join(file_name::LOG);
    let is_database = vfs.list(&inside).is_ok();
    let dir = if is_database { &inside } else { path };
    let inner = Dump::open(vfs, dir).map_err(Error::of_log)?;
    Ok(WalDump { inner })
}

/// The lines of a dump, oldest segment first.
///
/// ```
/// use std::{path::Path, sync::Arc};
/// use tailwater::{Database, vfs::MemoryVfs, wal_dump};
///
/// # fn main() -> tailwater::Result<()> {
/// let disk = Arc::new(MemoryVfs::new());
/// let db = Database::builder().vfs(disk.clone()).open("shop")?;
/// let mut dump: wal_dump::WalDump = wal_dump::open(disk, Path::new("shop"))?;
/// assert!(dump.next().unwrap()?.to_string().starts_with("segment 00000001-"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct WalDump {
    inner: Dump,
}

impl Iterator for WalDump {
    type Item = Result<Dumped>;

    fn next(&mut self) -> Option<Self::Item> {
        let line: std::result::Result<Dumped, WalError> = self.inner.next()?;
        Some(line.map_err(Error::of_log))
    }
}
