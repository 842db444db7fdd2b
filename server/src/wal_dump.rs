//! `tailwater wal dump`: what lies in the files of a log, on standard output.

use std::io::{BufWriter, Write, stdout};
use std::path::Path;
use std::sync::Arc;

use tailwater::vfs::OsVfs;
use tailwater::wal_dump;

use crate::args::DumpFormat;
use crate::failure::Failure;

/// Prints one line for each segment, frame and end.
///
/// # Errors
/// When the folder or a file of it cannot be read; what was found before is printed.
pub(crate) fn main(path: &Path, format: DumpFormat) -> Result<u8, Failure> {
    let mut out = BufWriter::new(stdout().lock());
    for line in wal_dump::open(Arc::new(OsVfs::new()), path)? {
        match format {
            DumpFormat::Json => writeln!(out, "{}", line?.to_json())?,
            DumpFormat::Text => writeln!(out, "{}", line?)?,
        }
    }
    out.flush()?;
    Ok(0)
}
