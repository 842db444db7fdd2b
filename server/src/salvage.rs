//! `tailwater salvage`: what is readable of a damaged database, as a new one.

use std::io::Write;

use tailwater::{Database, SalvageOptions};

use crate::args::SalvageArgs;
use crate::failure::Failure;
use crate::quiet::quiet_damaged_pages;

/// Salvages and prints what came over and what is lost.
///
/// # Errors
/// When there is no database, somebody has it open, or the target is not empty.
pub(crate) fn main(args: &SalvageArgs) -> Result<u8, Failure> {
    quiet_damaged_pages();
    let mut options = SalvageOptions::default();
    if args.past_holes {
        options = options.past_holes();
    }
    let report = Database::builder().salvage(&args.database, &args.new, &options)?;
    write!(std::io::stdout().lock(), "{report}")?;
    Ok(0)
}
