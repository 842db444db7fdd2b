//! Mode table: columns under each other, numbers at the right, a count of rows at the end, as psql prints it.
//! Control characters are shown as escapes: a value never moves the cursor of a terminal.

use std::fmt::Write as _;
use std::io::Write;

use tailwater::{Column, SqlType, Value};
use tailwater_proto::to_text;

use super::is_right_aligned;
use crate::failure::Failure;

struct Cell {
    text: String,
    width: usize,
}

impl Cell {
    fn new(text: &str) -> Self {
        let text = escaped(text);
        Self {
            width: width(&text),
            text,
        }
    }
}

/// Writes a whole table.
pub(super) fn write(
    out: &mut impl Write,
    columns: &[Column],
    rows: &[Vec<Value>],
    null: &str,
    headers: bool,
) -> Result<(), Failure> {
    let head: Vec<Cell> = columns
        .iter()
        .map(|column| Cell::new(&column.name))
        .collect();
    let body: Vec<Vec<Cell>> = rows
        .iter()
        .map(|row| {
            let texts = columns
                .iter()
                .zip(row)
                .map(|(column, value)| to_text(value, &column.ty));
            texts
                .map(|text| Cell::new(text.as_deref().unwrap_or(null)))
                .collect()
        })
        .collect();
    let mut widths: Vec<usize> = match headers {
        true => head.iter().map(|cell| cell.width).collect(),
        false => vec![0; columns.len()],
    };
    for row in &body {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.width);
        }
    }
    let right: Vec<bool> = columns
        .iter()
        .enumerate()
        .map(|(place, column)| is_right_aligned(&column.ty) || holds_numbers(column, place, rows))
        .collect();
    if headers {
        write_head(out, &head, &widths)?;
    }
    for row in &body {
        let mut line = String::new();
        for (place, ((cell, width), right)) in row.iter().zip(&widths).zip(&right).enumerate() {
            line.push_str(if place > 0 { " | " } else { " " });
            let missing = width.saturating_sub(cell.width);
            let (before, after) = if *right { (missing, 0) } else { (0, missing) };
            // Writing to a String does not fail.
            let _ = write!(line, "{:before$}{}{:after$}", "", cell.text, "");
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    if headers {
        writeln!(
            out,
            "({} row{})\n",
            rows.len(),
            if rows.len() == 1 { "" } else { "s" }
        )?;
    }
    Ok(())
}

fn write_head(out: &mut impl Write, head: &[Cell], widths: &[usize]) -> Result<(), Failure> {
    let mut names = String::new();
    let mut rule = String::new();
    for (place, (cell, width)) in head.iter().zip(widths).enumerate() {
        let missing = width.saturating_sub(cell.width);
        let before = missing / 2;
        let after = missing - before;
        names.push_str(if place > 0 { "| " } else { " " });
        // Writing to a String does not fail.
        let _ = write!(names, "{:before$}{}{:after$} ", "", cell.text, "");
        rule.push_str(if place > 0 { "+" } else { "" });
        rule.extend(std::iter::repeat_n('-', width + 2));
    }
    writeln!(out, "{}", names.trim_end())?;
    writeln!(out, "{rule}")?;
    Ok(())
}

/// Whether a column without a declared type shows numbers only.
fn holds_numbers(column: &Column, place: usize, rows: &[Vec<Value>]) -> bool {
    let mut numbers = 0;
    column.ty == SqlType::Any
        && rows
            .iter()
            .filter_map(|row| row.get(place))
            .all(|value| match value {
                Value::Null => true,
                Value::Int(_) | Value::Real(_) | Value::Double(_) | Value::Numeric(_) => {
                    numbers += 1;
                    true
                }
                _ => false,
            })
        && numbers > 0
}

fn escaped(text: &str) -> String {
    if !text.contains(char::is_control) {
        return text.to_owned();
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            c if c.is_control() => {
                // Writing to a String does not fail.
                let _ = write!(escaped, "\\x{:02x}", u32::from(c));
            }
            c => escaped.push(c),
        }
    }
    escaped
}

/// Columns of a terminal that a text takes: none for combining marks, two for East Asian wide characters and emoji.
fn width(text: &str) -> usize {
    text.chars()
        .map(|c| match u32::from(c) {
            0..0x300 => 1,
            0x300..=0x36f | 0x200b..=0x200f | 0xfe00..=0xfe0f | 0x20d0..=0x20ff => 0,
            0x1100..=0x115f
            | 0x2e80..=0x303e
            | 0x3041..=0xa4cf
            | 0xac00..=0xd7a3
            | 0xf900..=0xfaff
            | 0xfe30..=0xfe6f
            | 0xff00..=0xff60
            | 0xffe0..=0xffe6
            | 0x1f300..=0x1f64f
            | 0x1f680..=0x1f6ff
            | 0x1f900..=0x1f9ff
            | 0x20000..=0x3fffd => 2,
            _ => 1,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_aligned() {
        let columns = [
            Column {
                name: "id".into(),
                ty: SqlType::Int4,
            },
            Column {
                name: "name".into(),
                ty: SqlType::Text,
            },
        ];
        let rows = [
            vec![Value::Int(1), Value::text("日本")],
            vec![Value::Int(200), Value::Null],
            vec![Value::Int(3), Value::text("a\n\x1b[2J")],
        ];
        let mut out = Vec::new();
        write(&mut out, &columns, &rows, "NULL", true).unwrap();
        let expected = " id  |    name\n-----+------------\n   1 | 日本\n 200 | NULL\n   3 | a\\n\\x1b[2J\n(3 rows)\n\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
