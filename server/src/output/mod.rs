//! `Printer`: rows into text, one mode a file. It streams where it can: only a table, whose columns must be as wide
//! as their widest value, and rows that differ in their columns are collected first.

mod csv;
mod list;
mod table;

use std::io::Write;

use clap::ValueEnum;
use tailwater::{Column, ResultRow, Rows, SqlType, Value};
use tailwater_proto::{JsonStyle, to_text, write_json};

use crate::failure::Failure;
use crate::interrupt;

/// How rows are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// Columns under each other, as psql does.
    Table,
    /// RFC 4180: names first, NULL is nothing, an empty text is "".
    Csv,
    /// An array of objects for each result.
    Json,
    /// Values between `|`.
    List,
    /// A line for each value.
    Line,
}

impl Mode {
    /// Its name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Csv => "csv",
            Self::Json => "json",
            Self::List => "list",
            Self::Line => "line",
        }
    }
}

/// Prints rows.
pub(crate) struct Printer {
    out: Box<dyn Write>,
    /// The mode.
    pub(crate) mode: Mode,
    /// Whether names of columns come first; `None`: as the mode likes.
    pub(crate) headers: Option<bool>,
    /// What NULL looks like; `None`: as the mode likes.
    pub(crate) null_text: Option<String>,
}

/// Rows of one result that have been brought to the same columns.
struct Grid {
    columns: Vec<Column>,
    rows: Vec<Vec<Value>>,
}

impl Printer {
    /// Prints to `out`.
    pub(crate) fn new(out: Box<dyn Write>, mode: Mode) -> Self {
        Self {
            out,
            mode,
            headers: None,
            null_text: None,
        }
    }

    /// Prints to another place from now on.
    pub(crate) fn redirect(&mut self, out: Box<dyn Write>) -> Result<(), Failure> {
        self.out.flush()?;
        self.out = out;
        Ok(())
    }

    /// A line that is not a row.
    pub(crate) fn line(&mut self, text: &str) -> Result<(), Failure> {
        writeln!(self.out, "{text}")?;
        Ok(())
    }

    /// Text as it stands.
    pub(crate) fn raw(&mut self, text: &str) -> Result<(), Failure> {
        self.out.write_all(text.as_bytes())?;
        Ok(())
    }

    /// Hands what was printed to the system.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        self.out.flush()?;
        Ok(())
    }

    fn has_headers(&self) -> bool {
        self.headers
            .unwrap_or(matches!(self.mode, Mode::Table | Mode::Csv))
    }

    fn null(&self) -> &str {
        match (&self.null_text, self.mode) {
            (Some(text), _) => text,
            (None, Mode::Table) => "NULL",
            (None, _) => "",
        }
    }

    /// Prints all rows of a result.
    ///
    /// # Errors
    /// What reading a row fails with; rows before it may have been printed.
    pub(crate) fn rows(&mut self, mut rows: Rows) -> Result<(), Failure> {
        match self.mode {
            Mode::Json => return self.json(rows),
            Mode::Line => return self.lines(rows),
            Mode::Table => {}
            Mode::Csv | Mode::List => {
                if !rows.has_open_columns() {
                    let columns = rows.columns().to_vec();
                    self.head(&columns)?;
                    while let Some(row) = next(&mut rows)? {
                        self.row(&columns, row.values())?;
                    }
                    return Ok(());
                }
            }
        }
        self.grid(&Grid::collect(rows)?)
    }

    /// Prints rows that are there already.
    ///
    /// # Errors
    /// When nobody reads it.
    pub(crate) fn collected(
        &mut self,
        columns: Vec<Column>,
        rows: Vec<Vec<Value>>,
    ) -> Result<(), Failure> {
        let grid = Grid { columns, rows };
        match self.mode {
            Mode::Json => {
                let mut text = String::from("[");
                for (place, row) in grid.rows.iter().enumerate() {
                    text.push_str(if place > 0 { ",\n " } else { "" });
                    push_object(&mut text, grid.columns.iter().map(|c| c.name.as_str()), row);
                }
                text.push_str("]\n");
                self.raw(&text)
            }
            Mode::Line => {
                for (place, row) in grid.rows.iter().enumerate() {
                    if place > 0 {
                        self.line("")?;
                    }
                    self.line_of_each(&grid.columns, row)?;
                }
                Ok(())
            }
            Mode::Table | Mode::Csv | Mode::List => self.grid(&grid),
        }
    }

    fn grid(&mut self, grid: &Grid) -> Result<(), Failure> {
        if self.mode == Mode::Table {
            let null = self.null().to_owned();
            let headers = self.has_headers();
            return table::write(&mut self.out, &grid.columns, &grid.rows, &null, headers);
        }
        self.head(&grid.columns)?;
        for row in &grid.rows {
            self.row(&grid.columns, row)?;
        }
        Ok(())
    }

    /// The names of columns of rows that are printed one by one.
    pub(crate) fn head(&mut self, columns: &[Column]) -> Result<(), Failure> {
        if !self.has_headers() {
            return Ok(());
        }
        let names: Vec<Option<String>> = columns
            .iter()
            .map(|column| Some(column.name.clone()))
            .collect();
        self.cells(&names)
    }

    /// One row among rows that are printed one by one.
    pub(crate) fn row(&mut self, columns: &[Column], values: &[Value]) -> Result<(), Failure> {
        let cells: Vec<Option<String>> = columns
            .iter()
            .zip(values)
            .map(|(column, value)| to_text(value, &column.ty))
            .collect();
        self.cells(&cells)
    }

    fn cells(&mut self, cells: &[Option<String>]) -> Result<(), Failure> {
        let null = self.null().to_owned();
        match self.mode {
            Mode::Csv => csv::write_record(&mut self.out, cells, &null),
            Mode::Table | Mode::List | Mode::Line | Mode::Json => {
                list::write_record(&mut self.out, cells, &null)
            }
        }
    }

    fn json(&mut self, mut rows: Rows) -> Result<(), Failure> {
        let mut text = String::from("[");
        let mut first = true;
        while let Some(row) = next(&mut rows)? {
            text.push_str(if first { "" } else { ",\n " });
            first = false;
            push_object(
                &mut text,
                row.columns().iter().map(|c| c.name.as_str()),
                row.values(),
            );
            self.raw(&text)?;
            text.clear();
        }
        text.push_str("]\n");
        self.raw(&text)
    }

    fn lines(&mut self, mut rows: Rows) -> Result<(), Failure> {
        let mut first = true;
        while let Some(row) = next(&mut rows)? {
            if !first {
                self.line("")?;
            }
            first = false;
            self.line_of_each(row.columns(), row.values())?;
        }
        Ok(())
    }

    /// A row, a line for each value.
    fn line_of_each(&mut self, columns: &[Column], values: &[Value]) -> Result<(), Failure> {
        let null = self.null().to_owned();
        let widths = columns.iter().map(|c| c.name.chars().count());
        let width = widths.max().unwrap_or(0);
        for (column, value) in columns.iter().zip(values) {
            let text = to_text(value, &column.ty).unwrap_or_else(|| null.clone());
            writeln!(self.out, "{:>width$} = {text}", column.name)?;
        }
        Ok(())
    }
}

impl Grid {
    /// All rows, under the union of their columns in the order in which they are first seen.
    fn collect(mut rows: Rows) -> Result<Self, Failure> {
        let mut columns: Vec<Column> = Vec::new();
        let mut collected = Vec::new();
        if !rows.has_open_columns() {
            columns = rows.columns().to_vec();
            while let Some(row) = next(&mut rows)? {
                collected.push(row.values().to_vec());
            }
            return Ok(Self {
                columns,
                rows: collected,
            });
        }
        while let Some(row) = next(&mut rows)? {
            let mut values = vec![Value::Null; columns.len()];
            let mut taken = vec![false; columns.len()];
            for (column, value) in row.columns().iter().zip(row.values()) {
                let free = columns
                    .iter()
                    .zip(&taken)
                    .position(|(own, taken)| !taken && own.name == column.name);
                match free.and_then(|place| values.get_mut(place).zip(taken.get_mut(place))) {
                    Some((place, taken)) => {
                        *place = value.clone();
                        *taken = true;
                    }
                    None => {
                        columns.push(column.clone());
                        values.push(value.clone());
                        taken.push(true);
                    }
                }
            }
            collected.push(values);
        }
        for row in &mut collected {
            row.resize(columns.len(), Value::Null);
        }
        Ok(Self {
            columns,
            rows: collected,
        })
    }
}

/// The next row, unless Ctrl-C says that it is enough.
fn next(rows: &mut Rows) -> Result<Option<ResultRow>, Failure> {
    if interrupt::is_set() {
        return Err(Failure::Interrupted);
    }
    Ok(rows.next_row()?)
}

/// Appends a JSON object.
pub(crate) fn push_object<'n>(
    text: &mut String,
    names: impl Iterator<Item = &'n str>,
    values: &[Value],
) {
    text.push('{');
    for (place, (name, value)) in names.zip(values).enumerate() {
        if place > 0 {
            text.push(',');
        }
        push_json(text, &Value::text(name));
        text.push(':');
        push_json(text, value);
    }
    text.push('}');
}

/// Appends a value as JSON.
pub(crate) fn push_json(text: &mut String, value: &Value) {
    // Writing to a String does not fail.
    let _ = write_json(text, value, JsonStyle::Compact);
}

/// Whether a column's values stand at the right.
fn is_right_aligned(ty: &SqlType) -> bool {
    ty.is_numeric()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_keep_the_order_of_columns() {
        let mut text = String::new();
        push_object(
            &mut text,
            ["b", "a\""].into_iter(),
            &[Value::Int(1), Value::text("x\n")],
        );
        assert_eq!(text, r#"{"b":1,"a\"":"x\n"}"#);
    }
}
