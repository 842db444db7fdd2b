//! `tailwater salvage`: what is readable of a damaged database, as a new one.

use std::io::Write;

use tailwater::{Database, SalvageOptions, SalvageReport, Value};
use tailwater_proto::to_json;

use crate::args::{ReportMode, SalvageArgs};
use crate::check::{damage, number, object};
use crate::failure::Failure;
use crate::progress::Watch;
use crate::quiet::quiet_damaged_pages;

/// What the process ends with when something is lost: as the shell, when it went on behind statements that failed.
const LOST: u8 = 3;

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
    let watch = Watch::over("salvage", &args.new);
    let report = Database::builder().salvage(&args.database, &args.new, &options)?;
    drop(watch);
    let mut out = std::io::stdout().lock();
    match args.mode {
        ReportMode::Text if !args.json => write!(out, "{report}")?,
        ReportMode::Text | ReportMode::Json => {
            writeln!(out, "{}", to_json(&as_value(&report)))?;
        }
    }
    Ok(if report.lost.is_empty() { 0 } else { LOST })
}

fn as_value(report: &SalvageReport) -> Value {
    let tables = report.tables.iter().map(|table| {
        object([
            ("table", Value::text(&table.name)),
            ("rows", number(table.rows)),
        ])
    });
    let notes = report.notes.iter().map(|note| Value::text(note));
    object([
        ("whole", Value::Bool(report.lost.is_empty())),
        ("lsn", number(report.lsn.0)),
        ("applied_lsn", number(report.applied_lsn.0)),
        ("tables", Value::from(tables.collect::<Vec<_>>())),
        (
            "lost",
            Value::from(report.lost.iter().map(damage).collect::<Vec<_>>()),
        ),
        ("notes", Value::from(notes.collect::<Vec<_>>())),
    ])
}
