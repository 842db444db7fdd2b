//! `Rows` and `ResultRow`: what a query returns. Rows are owned and come from a snapshot: dropping them early or
//! keeping them long is harmless to everybody else.

use std::sync::{Arc, OnceLock};

use tailwater_proto::{Document, Lsn, Row, SqlType, Value, sqlstate};
use tailwater_views::plan::Field;

use crate::error::{Error, Result};
use crate::execute::Source;
use crate::to_value::FromValue;

/// A column of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type; `SqlType::Any` where only the value tells.
    pub ty: SqlType,
}

enum Rest {
    Streaming(Box<Source>),
    Collected(std::vec::IntoIter<Row>),
    Ended,
}

/// The rows of a result, one at a time.
///
/// ```
/// use tailwater::Database;
///
/// # fn main() -> tailwater::Result<()> {
/// let db = Database::memory()?;
/// db.exec("CREATE TABLE t (id INT PRIMARY KEY, name TEXT)", ())?;
/// db.exec("INSERT INTO t VALUES (1, 'Ada'), (2, 'Grace')", ())?;
/// for row in db.query("SELECT id, name FROM t ORDER BY id", ())? {
///     let row = row?;
///     println!("{} {}", row.get::<i64>("id")?, row.get::<String>(1)?);
/// }
/// # Ok(())
/// # }
/// ```
pub struct Rows {
    fields: Arc<[Field]>,
    /// Made when they are first asked for: a scalar needs none.
    columns: OnceLock<Arc<[Column]>>,
    rest: Rest,
    lsn: Option<Lsn>,
}

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows")
            .field("columns", &self.columns())
            .finish_non_exhaustive()
    }
}

impl Rows {
    pub(crate) fn streaming(fields: Arc<[Field]>, source: Source) -> Self {
        Self::new(fields, Rest::Streaming(Box::new(source)), None)
    }

    pub(crate) fn collected(fields: Arc<[Field]>, rows: Vec<Row>, lsn: Option<Lsn>) -> Self {
        Self::new(fields, Rest::Collected(rows.into_iter()), lsn)
    }

    fn new(fields: Arc<[Field]>, rest: Rest, lsn: Option<Lsn>) -> Self {
        Self {
            fields,
            columns: OnceLock::new(),
            rest,
            lsn,
        }
    }

    fn shared_columns(&self) -> &Arc<[Column]> {
        self.columns.get_or_init(|| {
            self.fields
                .iter()
                .map(|field| Column {
                    name: field.name.to_string(),
                    ty: field.ty.clone(),
                })
                .collect()
        })
    }

    /// The columns. Over a schemaless table `*` is one column here and many in each row: see `ResultRow::columns`.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        self.shared_columns()
    }

    /// The commit of the statement, if it was one (INSERT … RETURNING).
    #[must_use]
    pub const fn lsn(&self) -> Option<Lsn> {
        self.lsn
    }

    /// Whether rows can differ in their columns.
    #[must_use]
    pub fn has_open_columns(&self) -> bool {
        self.fields.iter().any(|field| field.spread)
    }

    pub(crate) fn fields(&self) -> Arc<[Field]> {
        Arc::clone(&self.fields)
    }

    /// The next row.
    ///
    /// # Errors
    /// When an expression fails on a row, a limit is reached, or the storage fails.
    pub fn next_row(&mut self) -> Result<Option<ResultRow>> {
        Ok(self.next_raw()?.map(|row| self.present(row)))
    }

    /// The next row by the fields, open documents in one piece.
    pub(crate) fn next_raw(&mut self) -> Result<Option<Row>> {
        let row = match &mut self.rest {
            Rest::Ended => None,
            Rest::Collected(rows) => rows.next(),
            Rest::Streaming(source) => match source.next_row() {
                Ok(row) => row,
                Err(error) => {
                    self.rest = Rest::Ended;
                    return Err(error);
                }
            },
        };
        if row.is_none() {
            self.rest = Rest::Ended;
        }
        Ok(row)
    }

    /// All rows that are left.
    ///
    /// # Errors
    /// As `next_row`.
    pub fn collect_rows(mut self) -> Result<Vec<ResultRow>> {
        let mut rows = Vec::new();
        while let Some(row) = self.next_row()? {
            rows.push(row);
        }
        Ok(rows)
    }

    /// The first row.
    ///
    /// # Errors
    /// As `next_row`.
    pub fn first(mut self) -> Result<Option<ResultRow>> {
        self.next_row()
    }

    /// The first column of the first row.
    ///
    /// # Errors
    /// `02000` if there is no row; `42804` if the value is of another kind.
    pub fn scalar<T: FromValue>(mut self) -> Result<T> {
        match self.next_raw()? {
            Some(row) if self.has_open_columns() => self.present(row).get(0),
            Some(row) => T::from_value(row.first().unwrap_or(&Value::Null)),
            None => Err(Error::data("02000", "the query returned no row")
                .with_hint("use first(), which returns None then")),
        }
    }

    /// Puts the fields of open documents in the places of their columns.
    fn present(&self, row: Row) -> ResultRow {
        if !self.has_open_columns() {
            return ResultRow {
                columns: Arc::clone(self.shared_columns()),
                values: row,
            };
        }
        let mut columns = Vec::new();
        let mut values = Vec::new();
        for ((field, column), value) in self
            .fields
            .iter()
            .zip(self.columns().iter())
            .zip(row.iter())
        {
            match (field.spread, value) {
                (true, Value::Document(document)) => {
                    for (name, value) in document.iter() {
                        columns.push(Column {
                            name: name.to_string(),
                            ty: SqlType::Any,
                        });
                        values.push(value.clone());
                    }
                }
                (true, _) => {}
                (false, value) => {
                    columns.push(column.clone());
                    values.push(value.clone());
                }
            }
        }
        ResultRow {
            columns: columns.into(),
            values: values.into(),
        }
    }
}

impl Iterator for Rows {
    type Item = Result<ResultRow>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_row().transpose()
    }
}

/// One row of a result.
#[derive(Clone, Debug)]
pub struct ResultRow {
    columns: Arc<[Column]>,
    values: Row,
}

impl ResultRow {
    /// Its columns.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Its values, one for each column.
    #[must_use]
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// A value by name or position, as a Rust type.
    ///
    /// # Errors
    /// `42703` if there is no such column; `42804` if the value is of another kind.
    pub fn get<T: FromValue>(&self, column: impl ColumnIndex) -> Result<T> {
        let place = column.position(&self.columns).ok_or_else(|| {
            let names: Vec<&str> = self.columns.iter().map(|c| c.name.as_str()).collect();
            Error::statement(
                sqlstate::UNDEFINED_COLUMN,
                format!("the row has no column {}", column.describe()),
            )
            .with_hint(format!("its columns are {}", names.join(", ")))
        })?;
        T::from_value(self.values.get(place).unwrap_or(&Value::Null))
    }

    /// The row as a document: column names to values, in order.
    #[must_use]
    pub fn to_document(&self) -> Document {
        self.columns
            .iter()
            .zip(self.values.iter())
            .map(|(column, value)| (column.name.as_str().into(), value.clone()))
            .collect()
    }
}

/// A column by name or by position.
pub trait ColumnIndex {
    /// Its place.
    fn position(&self, columns: &[Column]) -> Option<usize>;
    /// Its text in errors.
    fn describe(&self) -> String;
}

impl ColumnIndex for usize {
    fn position(&self, columns: &[Column]) -> Option<usize> {
        (*self < columns.len()).then_some(*self)
    }
    fn describe(&self) -> String {
        format!("number {self}")
    }
}

impl ColumnIndex for &str {
    fn position(&self, columns: &[Column]) -> Option<usize> {
        columns.iter().position(|column| column.name == *self)
    }
    fn describe(&self) -> String {
        format!("\"{self}\"")
    }
}
