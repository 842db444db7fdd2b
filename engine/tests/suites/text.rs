//! Rows as the text that suites expect: PostgreSQL's, or the three formats of SQLite's corpus.

use tailwater::{ResultRow, Value};
use tailwater_proto::text::to_text;

use crate::record::Sort;

/// How a suite writes rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// One row a line, PostgreSQL's text.
    Rows,
    /// One value a line, by the letter of its column; more than eight values are a hash.
    Values,
}

/// Whether rows are what is expected; if not, how they look.
pub(crate) fn compare(
    rows: &[ResultRow],
    format: Format,
    types: &str,
    sort: Sort,
    expected: &[String],
) -> Result<(), Vec<String>> {
    let mut cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| match format {
            Format::Rows => row_of(row),
            Format::Values => row
                .values()
                .iter()
                .zip(types.chars().chain(std::iter::repeat('T')))
                .map(|(value, letter)| sqlite_text(value, letter))
                .collect(),
        })
        .collect();
    match sort {
        Sort::AsTheyCome => {}
        Sort::Rows => cells.sort_unstable(),
        Sort::Values => {
            cells = cells.into_iter().flatten().map(|cell| vec![cell]).collect();
            cells.sort_unstable();
        }
    }
    let (found, expected) = match format {
        Format::Values => {
            let values: Vec<String> = cells.into_iter().flatten().collect();
            let hashed = expected
                .first()
                .is_some_and(|line| line.contains(" values hashing to "));
            (
                if hashed { vec![hash(&values)] } else { values },
                expected.to_vec(),
            )
        }
        Format::Rows => {
            let lines: Vec<String> = cells
                .iter()
                .flat_map(|row| row.join(" ").split('\n').map(one_blank).collect::<Vec<_>>())
                .collect();
            (lines, expected.iter().map(|line| one_blank(line)).collect())
        }
    };
    if found == expected {
        return Ok(());
    }
    // A value of several lines is torn apart by sorting.
    if sort == Sort::Rows && format == Format::Rows {
        let sorted = |lines: &[String]| {
            let mut lines = lines.to_vec();
            lines.sort_unstable();
            lines
        };
        if sorted(&found) == sorted(&expected) {
            return Ok(());
        }
    }
    Err(found)
}

fn row_of(row: &ResultRow) -> Vec<String> {
    row.values()
        .iter()
        .zip(row.columns())
        .map(|(value, column)| match to_text(value, &column.ty) {
            None => "NULL".to_owned(),
            Some(text) if text.is_empty() => "(empty)".to_owned(),
            Some(text) => text,
        })
        .collect()
}

/// Runs of blanks are one: columns are set apart by one and cannot be told from it.
fn one_blank(line: &str) -> String {
    line.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

fn sqlite_text(value: &Value, letter: char) -> String {
    let number = || match value {
        Value::Bool(truth) => Some(f64::from(u8::from(*truth))),
        value => value.to_string().parse::<f64>().ok(),
    };
    match (value, letter) {
        (Value::Null, _) => "NULL".to_owned(),
        (Value::Int(n), 'I') => n.to_string(),
        (_, 'I') => format!("{:.0}", number().unwrap_or(0.0).trunc()),
        (_, 'R') => format!("{:.3}", number().unwrap_or(0.0)),
        (value, _) => match value.to_string() {
            text if text.is_empty() => "(empty)".to_owned(),
            text => text.replace(|c: char| c.is_ascii_control(), "@"),
        },
    }
}

fn hash(values: &[String]) -> String {
    let mut text = values.join("\n");
    text.push('\n');
    format!(
        "{} values hashing to {:x}",
        values.len(),
        md5::compute(text)
    )
}
