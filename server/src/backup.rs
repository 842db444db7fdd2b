//! `tailwater backup` and `tailwater restore`: a database into a folder of its own, and back.

use tailwater::Database;

use crate::args::{BackupArgs, RestoreArgs};
use crate::failure::Failure;
use crate::progress::Watch;
use crate::quiet::quiet_damaged_pages;

/// Copies a database that this process has not open.
///
/// # Errors
/// When there is none, it is damaged, or the target is not empty.
pub(crate) fn backup(args: &BackupArgs) -> Result<u8, Failure> {
    quiet_damaged_pages();
    let watch = Watch::over("backup", &args.dir);
    let report = Database::builder().backup(&args.database, &args.dir)?;
    drop(watch);
    let of_checkpoint = match report.of_checkpoint {
        true => " (its last checkpoint: another process has the database open)",
        false => "",
    };
    println!("backup: {report}{of_checkpoint}");
    Ok(0)
}

/// Makes a database of a backup.
///
/// # Errors
/// When the backup is damaged, or the target is not empty.
pub(crate) fn restore(args: &RestoreArgs) -> Result<u8, Failure> {
    quiet_damaged_pages();
    let watch = Watch::over("restore", &args.dir);
    let report = Database::builder().restore(&args.backup, &args.dir)?;
    drop(watch);
    println!("restore: {report}");
    Ok(0)
}
