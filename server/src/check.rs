//! `tailwater check`: reads everything a database has and prints each place that is damaged.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;

use indicatif::{ProgressBar, ProgressStyle};
use tailwater::{CheckOptions, CheckReport, Damage, Database, Document, Value};
use tailwater_proto::to_json;

use crate::args::{CheckArgs, ReportMode};
use crate::failure::Failure;
use crate::quiet::quiet_damaged_pages;

/// What the process ends with when something is damaged.
const DAMAGED: u8 = 1;

/// Checks a database and prints the report.
///
/// # Errors
/// When there is no database there, or the system says no.
pub(crate) fn main(args: &CheckArgs) -> Result<u8, Failure> {
    quiet_damaged_pages();
    let mut options = CheckOptions::default();
    if args.deep {
        options = options.deep();
    }
    if std::io::stderr().is_terminal() {
        let bar = Mutex::new(spinner());
        options = options.on_progress(move |step, done| {
            if let Ok(bar) = bar.lock() {
                bar.set_message(step.to_owned());
                bar.set_position(done);
            }
        });
    }
    let report = Database::builder().check(&args.database, &options)?;
    // The bar goes before the report comes.
    drop(options);
    let mut out = std::io::stdout().lock();
    match args.mode {
        ReportMode::Text => write!(out, "{report}")?,
        ReportMode::Json => writeln!(out, "{}", to_json(&as_value(&report)))?,
    }
    Ok(if report.is_clean() { 0 } else { DAMAGED })
}

fn spinner() -> ProgressBar {
    let bar = ProgressBar::no_length();
    match ProgressStyle::with_template("{spinner} {msg} {human_pos}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// An object of named values.
pub(crate) fn object<'f>(fields: impl IntoIterator<Item = (&'f str, Value)>) -> Value {
    let fields = fields.into_iter().map(|(name, value)| (name.into(), value));
    Value::from(fields.collect::<Document>())
}

/// A count.
pub(crate) fn number(count: u64) -> Value {
    Value::Int(i64::try_from(count).unwrap_or(i64::MAX))
}

fn as_value(report: &CheckReport) -> Value {
    object([
        ("clean", Value::Bool(report.is_clean())),
        ("lsn", number(report.lsn.0)),
        ("log_records", number(report.records)),
        ("rows", number(report.rows)),
        ("index_entries", number(report.entries)),
        ("views", number(report.views)),
        (
            "damages",
            Value::from(report.damages.iter().map(damage).collect::<Vec<_>>()),
        ),
        ("damages_unlisted", number(report.damages_unlisted)),
        (
            "notes",
            Value::from(
                report
                    .notes
                    .iter()
                    .map(|note| Value::text(note))
                    .collect::<Vec<_>>(),
            ),
        ),
    ])
}

/// A place that is damaged.
pub(crate) fn damage(damage: &Damage) -> Value {
    let text = |text: &Option<String>| text.as_deref().map_or(Value::Null, Value::text);
    let file = damage.file.as_ref().map(|file| file.display().to_string());
    object([
        ("part", Value::text(damage.part.name())),
        ("object", text(&damage.object)),
        ("key", text(&damage.key)),
        ("lsn", damage.lsn.map_or(Value::Null, |lsn| number(lsn.0))),
        ("file", text(&file)),
        ("offset", damage.offset.map_or(Value::Null, number)),
        ("message", Value::text(&damage.message)),
    ])
}
