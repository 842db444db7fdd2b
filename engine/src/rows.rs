//! `Rows` and `ResultRow`: what a query returns. Rows are owned and come from a snapshot: dropping them early or
//! keeping them long is harmless to everybody else.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use tailwater_proto::{Document, Lsn, Row, SqlType, Value, sqlstate};
use tailwater_views::plan::Field;

use crate::error::{Error, Result};
use crate::execute::Source;
use crate::to_value::FromValue;

/// A column of a result.
///
/// ```
/// use tailwater::{Database, SqlType};
///
/// # fn main() -> tailwater::Result<()> {
/// let db = Database::memory()?;
/// let rows = db.query("SELECT 1.50 AS price, 'tea' AS item", ())?;
/// let header: Vec<String> = rows.columns().iter().map(|c| format!("{} {}", c.name, c.ty)).collect();
/// assert_eq!(header, ["price numeric", "item text"]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type; `SqlType::Any` where only the value tells.
    pub ty: SqlType,
}

enum Rest {
    Streaming(Box<Source>),
    /// The first row was read to see whether there is one to be had; what fails later fails the transaction.
    Started(Option<Row>, Box<Source>, Arc<AtomicBool>),
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
/// let mut lines = Vec::new();
/// for row in db.query("SELECT id, name FROM t ORDER BY id", ())? {
///     let row = row?;
///     lines.push(format!("{} {}", row.get::<i64>("id")?, row.get::<String>(1)?));
/// }
/// assert_eq!(lines, ["1 Ada", "2 Grace"]);
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

    /// The same rows with the first one read, of a transaction that `failed` tells of.
    ///
    /// # Errors
    /// What reading the first row fails with.
    pub(crate) fn started(mut self, failed: &Arc<AtomicBool>) -> Result<Self> {
        self.rest = match self.rest {
            Rest::Streaming(mut source) => match source.next_row()? {
                Some(first) => Rest::Started(Some(first), source, Arc::clone(failed)),
                None => Rest::Ended,
            },
            there => there,
        };
        Ok(self)
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
    ///
    /// ```
    /// # fn main() -> tailwater::Result<()> {
    /// let db = tailwater::Database::memory()?;
    /// db.exec("CREATE TABLE t (id INT PRIMARY KEY, name TEXT)", ())?;
    /// let rows = db.query("SELECT *, id + 1 AS next FROM t", ())?; // known without any row
    /// let names: Vec<&str> = rows.columns().iter().map(|column| column.name.as_str()).collect();
    /// assert_eq!(names, ["id", "name", "next"]);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        self.shared_columns()
    }

    /// The commit of the statement, if it was one (INSERT … RETURNING).
    ///
    /// ```
    /// # fn main() -> tailwater::Result<()> {
    /// let db = tailwater::Database::memory()?;
    /// db.exec("CREATE TABLE t (id INT PRIMARY KEY)", ())?;
    /// let rows = db.query("INSERT INTO t VALUES (1) RETURNING id", ())?;
    /// assert_eq!(rows.lsn(), Some(db.visible_lsn()));
    /// assert_eq!(db.query("SELECT id FROM t", ())?.lsn(), None);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn lsn(&self) -> Option<Lsn> {
        self.lsn
    }

    /// Whether rows can differ in their columns.
    ///
    /// ```
    /// # fn main() -> tailwater::Result<()> {
    /// let db = tailwater::Database::memory()?;
    /// db.exec("CREATE TABLE strict (id INT PRIMARY KEY); CREATE TABLE open", ())?;
    /// assert!(!db.query("SELECT * FROM strict", ())?.has_open_columns());
    /// assert!(db.query("SELECT * FROM open", ())?.has_open_columns());
    /// # Ok(())
    /// # }
    /// ```
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
    ///
    /// ```
    /// # fn main() -> tailwater::Result<()> {
    /// let db = tailwater::Database::memory()?;
    /// db.exec("CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (-1), (0), (1)", ())?;
    /// let mut rows = db.query("SELECT 10 / id AS q FROM t", ())?;
    /// let mut read = 0;
    /// let error = loop {
    ///     match rows.next_row() {
    ///         Ok(Some(_)) => read += 1,
    ///         Ok(None) => unreachable!("10 / 0"),
    ///         Err(error) => break error,
    ///     }
    /// };
    /// assert_eq!((read, error.sqlstate()), (1, "22012"));
    /// assert!(rows.next_row()?.is_none()); // after an error there is nothing more
    /// # Ok(())
    /// # }
    /// ```
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
            Rest::Started(first @ Some(_), ..) => first.take(),
            Rest::Started(None, source, failed) => match source.next_row() {
                Ok(row) => row,
                Err(error) => {
                    failed.store(true, Ordering::Relaxed);
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
    ///
    /// ```
    /// # fn main() -> tailwater::Result<()> {
    /// let db = tailwater::Database::memory()?;
    /// let rows = db.query("SELECT * FROM (VALUES (1, 'a'), (2, 'b')) AS t(id, name)", ())?.collect_rows()?;
    /// assert_eq!(rows.len(), 2);
    /// assert_eq!(rows[1].get::<String>("name")?, "b");
    /// # Ok(())
    /// # }
    /// ```
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
    ///
    /// ```
    /// # fn main() -> tailwater::Result<()> {
    /// let db = tailwater::Database::memory()?;
    /// db.exec("CREATE TABLE t (id INT PRIMARY KEY)", ())?;
    /// assert!(db.query("SELECT id FROM t WHERE id = 1", ())?.first()?.is_none());
    /// db.exec("INSERT INTO t VALUES (1)", ())?;
    /// assert_eq!(db.query("SELECT id FROM t WHERE id = 1", ())?.first()?.unwrap().get::<i64>(0)?, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn first(mut self) -> Result<Option<ResultRow>> {
        self.next_row()
    }

    /// The first column of the first row.
    ///
    /// # Errors
    /// `02000` if there is no row; `42804` if the value is of another kind.
    ///
    /// ```
    /// # fn main() -> tailwater::Result<()> {
    /// let db = tailwater::Database::memory()?;
    /// let largest: Option<i64> = db.query("SELECT max(x) FROM (VALUES (3), (5)) AS t(x)", ())?.scalar()?;
    /// assert_eq!(largest, Some(5));
    /// let nothing = db.query("SELECT 1 WHERE false", ())?.scalar::<i64>();
    /// assert_eq!(nothing.unwrap_err().sqlstate(), "02000");
    /// # Ok(())
    /// # }
    /// ```
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
///
/// ```
/// # fn main() -> tailwater::Result<()> {
/// let db = tailwater::Database::memory()?;
/// db.exec("CREATE TABLE log; INSERT INTO log VALUES {at: 1, level: 'warn'}, {at: 2, code: 7}", ())?;
/// let rows = db.query("SELECT * FROM log ORDER BY at", ())?.collect_rows()?;
/// drop(db); // rows are owned
/// assert_eq!(rows[0].get::<String>("level")?, "warn");
/// assert_eq!(rows[1].get::<i64>("code")?, 7); // documents: each row has columns of its own
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ResultRow {
    columns: Arc<[Column]>,
    values: Row,
}

impl ResultRow {
    /// Its columns.
    ///
    /// ```
    /// # fn main() -> tailwater::Result<()> {
    /// let db = tailwater::Database::memory()?;
    /// db.exec("CREATE TABLE log; INSERT INTO log VALUES {at: 2, code: 7}", ())?;
    /// let row = db.query("SELECT * FROM log", ())?.first()?.unwrap();
    /// assert_eq!(row.columns().iter().map(|column| &*column.name).collect::<Vec<_>>(), ["at", "code"]);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Its values, one for each column.
    ///
    /// ```
    /// use tailwater::{Database, Value};
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// let row = Database::memory()?.query("SELECT 1, NULL, 'x'", ())?.first()?.unwrap();
    /// assert_eq!(row.values(), [Value::Int(1), Value::Null, Value::text("x")]);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// A value by name or position, as a Rust type.
    ///
    /// # Errors
    /// `42703` if there is no such column; `42804` if the value is of another kind.
    ///
    /// ```
    /// # fn main() -> tailwater::Result<()> {
    /// let db = tailwater::Database::memory()?;
    /// let row = db.query("SELECT 7 AS id, NULL AS name", ())?.first()?.unwrap();
    /// assert_eq!((row.get::<i64>("id")?, row.get::<i64>(0)?), (7, 7));
    /// assert_eq!(row.get::<Option<String>>("name")?, None);
    /// assert_eq!(row.get::<String>("name").unwrap_err().sqlstate(), "42804"); // NULL is no text
    /// assert_eq!(row.get::<i64>("di").unwrap_err().hint(), Some("its columns are id, name"));
    /// # Ok(())
    /// # }
    /// ```
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
    ///
    /// ```
    /// # fn main() -> tailwater::Result<()> {
    /// let db = tailwater::Database::memory()?;
    /// let row = db.query("SELECT 7 AS id, [1, 2] AS parts", ())?.first()?.unwrap();
    /// let document = tailwater::Value::from(row.to_document());
    /// assert_eq!(document.to_string(), r#"{"id": 7, "parts": [1, 2]}"#);
    /// # Ok(())
    /// # }
    /// ```
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
///
/// ```
/// use tailwater::{Column, ColumnIndex, Database};
///
/// # fn main() -> tailwater::Result<()> {
/// /// The last column, whatever its name.
/// struct Last;
/// impl ColumnIndex for Last {
///     fn position(&self, columns: &[Column]) -> Option<usize> {
///         columns.len().checked_sub(1)
///     }
///     fn describe(&self) -> String {
///         "last".into()
///     }
/// }
///
/// let row = Database::memory()?.query("SELECT 1 AS a, 2 AS b", ())?.first()?.unwrap();
/// assert_eq!(row.get::<i64>(Last)?, 2);
/// # Ok(())
/// # }
/// ```
pub trait ColumnIndex {
    /// Its place.
    ///
    /// ```
    /// use tailwater::{ColumnIndex, Database};
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// let db = Database::memory()?;
    /// let rows = db.query("SELECT 1 AS a, 2 AS b", ())?;
    /// assert_eq!("b".position(rows.columns()), Some(1));
    /// assert_eq!(2.position(rows.columns()), None);
    /// # Ok(())
    /// # }
    /// ```
    fn position(&self, columns: &[Column]) -> Option<usize>;
    /// Its text in errors.
    ///
    /// ```
    /// use tailwater::ColumnIndex;
    ///
    /// assert_eq!(("b".describe(), 2.describe()), ("\"b\"".into(), "number 2".into()));
    /// ```
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
