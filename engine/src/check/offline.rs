//! Checking a database that nobody has open, or of which only the last checkpoint may be read.
//!
//! It is opened over a file system whose changes are forgotten, so that recovery runs and nothing below changes. A
//! database that does not open is checked as far as its parts can be read, and one whose log has a transaction that
//! recovery could not keep in memory as its last checkpoint has it.

use std::path::Path;
use std::sync::Arc;

use tailwater_proto::sqlstate;
use tailwater_wal::Background;
use tailwater_wal::vfs::{LockOutcome, OsVfs, Vfs};

use super::report::{CheckOptions, CheckPart, CheckReport, Damage, Findings};
use super::{check_content, content, log};
use crate::builder::Builder;
use crate::catalog::Catalog;
use crate::error::{Error, ErrorKind, Result};
use crate::open::file_name;
use crate::overlay::Overlay;
use crate::storage::{Pages, Store, verify_pages};

/// How often the last checkpoint is attached to, while the writer goes on to the next.
const ATTACH_TRIES_MAX: u32 = 5;
/// Segment size of logs in an overlay.
const OVERLAY_SEGMENT_BYTES: u64 = 1 << 20;

pub(super) fn check(builder: Builder, path: &Path, options: &CheckOptions) -> Result<CheckReport> {
    let vfs = builder
        .vfs
        .clone()
        .unwrap_or_else(|| Arc::new(OsVfs::new()));
    let storage_path = path.join(file_name::STORAGE);
    let log_path = path.join(file_name::LOG);
    let has_storage = vfs.exists(&storage_path).unwrap_or(false);
    if !has_storage && !vfs.exists(&log_path).unwrap_or(false) {
        return Err(no_database(path));
    }
    // Where the lock cannot be made the folder cannot be written, and nobody writes it.
    let lock = vfs.lock(&path.join(file_name::LOCK));
    if let Ok(LockOutcome::Busy { owner }) = &lock {
        return check_attached(&builder.vfs(vfs), path, owner, options);
    }
    let mut findings = Findings::new(options);
    let mut long = None;
    if vfs.exists(&log_path).unwrap_or(false) {
        let bytes_max = builder.settings.transaction_memory_bytes_max;
        long = log::survey(&*vfs, &log_path, bytes_max, &mut findings)?;
    }
    if !has_storage {
        let message = format!("{} is not there", storage_path.display());
        findings.damage(Damage::new(CheckPart::StorageFile, message));
        return Ok(findings.report);
    }
    if options.deep {
        findings.progress("the pages of the storage file", 0);
        let overlay = Overlay::new(Arc::clone(&vfs));
        let cache_bytes = builder.settings.store.cache_bytes;
        if let Some(wrong) = verify_pages(&overlay, &storage_path, cache_bytes)? {
            findings.damage(Damage {
                file: Some(storage_path.clone()),
                ..Damage::new(CheckPart::StorageFile, wrong)
            });
        }
    }
    if let Some(long) = long
        && let Ok(database) = attach_over(&builder, &vfs, path, Pages::Checked)
        && database.visible_lsn() < long.lsn
    {
        // What recovery makes of it would be in memory.
        findings.note(format!(
            "the log has a transaction of {} MiB, lsn {}, that is not in the storage file yet: rows, indexes and views \
             were checked as of lsn {}; open the database once to have all of them checked",
            long.bytes >> 20,
            long.lsn,
            database.visible_lsn()
        ));
        check_content(database.engine(), &mut findings)?;
        return Ok(findings.report);
    }
    match open_over(&builder, &vfs, path) {
        Ok(database) => check_content(database.engine(), &mut findings)?,
        Err(error) => check_parts(&builder, &vfs, path, &error, &mut findings)?,
    }
    Ok(findings.report)
}

/// Opens a database so that nothing in its folder changes.
pub(crate) fn open_over(
    builder: &Builder,
    vfs: &Arc<dyn Vfs>,
    path: &Path,
) -> Result<crate::database::Database> {
    let mut builder = builder
        .clone()
        .vfs(Arc::new(Overlay::new(Arc::clone(vfs))))
        .without_background();
    let wal = &mut builder.settings.wal;
    wal.background = Background::Caller;
    wal.segment_bytes = wal.segment_bytes.min(OVERLAY_SEGMENT_BYTES);
    wal.spare_segments = 0;
    builder.settings.read_only = false;
    builder.open(path)
}

/// Attaches to the last checkpoint of a database that nobody has open, so that nothing in its folder changes.
fn attach_over(
    builder: &Builder,
    vfs: &Arc<dyn Vfs>,
    path: &Path,
    pages: Pages,
) -> Result<crate::database::Database> {
    let overlay = Arc::new(Overlay::new(Arc::clone(vfs)));
    let mut builder = builder.clone().vfs(overlay).read_only(true);
    builder.pages = pages;
    builder.open(path)
}

/// What can be checked of a database that does not open.
fn check_parts(
    builder: &Builder,
    vfs: &Arc<dyn Vfs>,
    path: &Path,
    error: &Error,
    findings: &mut Findings<'_>,
) -> Result<()> {
    if error.kind() == ErrorKind::Io {
        return Err(Error::new(error.kind(), error.sqlstate(), error.message()));
    }
    if findings.report.is_clean() {
        findings.damage(Damage {
            file: error.object().map(Into::into),
            ..Damage::new(CheckPart::StorageFile, error.message())
        });
    } else {
        findings.note(format!("the database does not open: {}", error.message()));
    }
    // Damage is named row by row where a page can be read all the same.
    if let Ok(database) = attach_over(builder, vfs, path, Pages::AsTheyAre) {
        findings.note(format!(
            "rows, indexes and views were checked as of the last checkpoint, lsn {}",
            database.visible_lsn()
        ));
        return check_content(database.engine(), findings);
    }
    let storage_path = path.join(file_name::STORAGE);
    let store = builder.settings.store.clone();
    let overlay = Arc::new(Overlay::new(Arc::clone(vfs)));
    match Store::open_read_only(overlay, &storage_path, Pages::AsTheyAre, store) {
        Ok(store) => {
            findings
                .note("the catalog cannot be read: tables, indexes and views were not compared");
            content::survey(&store.snapshot_visible(), &Catalog::default(), findings)
        }
        Err(error) => {
            let message = content::damage_text(error)?;
            findings.damage(Damage {
                file: Some(storage_path),
                ..Damage::new(CheckPart::StorageFile, message)
            });
            Ok(())
        }
    }
}

/// Checks the last checkpoint of a database that another process has open.
fn check_attached(
    builder: &Builder,
    path: &Path,
    owner: &str,
    options: &CheckOptions,
) -> Result<CheckReport> {
    let mut tries = 0;
    loop {
        tries += 1;
        let mut findings = Findings::new(options);
        let database = builder.clone().read_only(true).open(path)?;
        match check_content(database.engine(), &mut findings) {
            Ok(()) => {
                findings.note(format!(
                    "another process has the database open ({owner}): its log and what it did since its last checkpoint \
                     were not checked"
                ));
                return Ok(findings.report);
            }
            Err(error) if error.is_retryable() && tries < ATTACH_TRIES_MAX => {}
            Err(error) => return Err(error),
        }
    }
}

pub(crate) fn no_database(path: &Path) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        sqlstate::UNDEFINED_FILE,
        format!("there is no database in {}", path.display()),
    )
    .on(path.display().to_string())
    .with_hint("name the folder of the database")
}
