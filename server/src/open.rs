//! Opening the database the command line names.

use std::path::Path;

use tailwater::{Database, SyncMode};

use crate::failure::Failure;

/// What may be done with a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Everything; nobody else may have it open.
    Write,
    /// Reading, as of the last checkpoint, whoever else has it open.
    Read,
}

/// Opens a database; without a path, one in memory. It uses about as many bytes of memory as are given.
///
/// # Errors
/// When another process has it open, it is damaged, or the system says no.
pub(crate) fn open(
    path: Option<&Path>,
    access: Access,
    sync: SyncMode,
    memory: Option<u64>,
) -> Result<Database, Failure> {
    let mut builder = Database::builder().sync(sync);
    if let Some(bytes) = memory {
        builder = builder.memory_budget(bytes);
    }
    Ok(match (path, access) {
        (None, _) => builder.memory()?,
        (Some(path), Access::Write) => builder.open(path)?,
        (Some(path), Access::Read) => builder.read_only(true).open(path)?,
    })
}
