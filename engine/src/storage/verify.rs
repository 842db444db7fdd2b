//! redb's own verification: the checksum of every page of the storage file, and its list of free pages.
//!
//! It may mend what it finds, so the file is opened through a file system whose changes are forgotten. Next door:
//! `survey`, which reads rows.

use std::path::Path;
use std::sync::Arc;

use redb::Builder;
use tailwater_wal::vfs::{OpenMode, Vfs};

use super::backend::WriterBackend;
use super::base::guarded;
use super::error::Result;
use super::file::{in_file, io};
use super::pace::Pace;

/// Verifies every page of the file at `path`. Says what is wrong, if anything is. `vfs` must be one that forgets.
///
/// # Errors
/// When the system refuses a read.
pub(crate) fn verify_pages(
    vfs: &dyn Vfs,
    path: &Path,
    cache_bytes: usize,
) -> Result<Option<String>> {
    let file = vfs
        .open(path, OpenMode::ReadWrite)
        .map_err(|error| in_file(io(error), path))?;
    let verified = guarded(|| {
        let file = Arc::clone(&file);
        let backend = WriterBackend::new(file, None, None, Arc::default(), Pace::none());
        let mut database = Builder::new()
            .set_cache_size(cache_bytes)
            .create_with_backend(backend)?;
        let verified = database.check_integrity()?;
        Ok::<_, redb::Error>(verified)
    });
    match verified {
        Ok(true) => Ok(None),
        Ok(false) => Ok(Some(
            "pages are not what was written: redb would go back to an earlier state".to_owned(),
        )),
        Err(super::StorageError::Io { path: None, source })
            if source.kind() != std::io::ErrorKind::InvalidData =>
        {
            Err(in_file(io(source), path))
        }
        Err(error) => Ok(Some(error.to_string())),
    }
}
