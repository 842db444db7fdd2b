//! Rows, feed changes and parameters as the program's own types: `Rows::rows_as`, `ResultRow::to`,
//! `FeedChange::after_as`, and `ser`, which binds a struct as a document.
//!
//! The reading and writing is `serde_value`'s; here it meets statements, and its errors become the crate's.

use serde::de::{Deserialize, DeserializeOwned};
use serde::ser::Serialize;
use tailwater_proto::{Document, Value, sqlstate};

use crate::error::{Error, Result};
use crate::feed::{FeedChange, FeedRow};
use crate::rows::{ResultRow, Rows};
use crate::serde_value::{Ser, SerdeError, from_document, from_row, to_value};
use crate::to_value::ToValue;

impl From<SerdeError> for Error {
    fn from(error: SerdeError) -> Self {
        Self::statement(sqlstate::DATATYPE_MISMATCH, error.to_string()).because(error)
    }
}

/// What could not be read, with the ways to mend it.
fn unreadable(error: SerdeError) -> Error {
    Error::from(error).with_hint(
        "change the field's type (Option takes NULL), or cast or rename the column in SQL",
    )
}

impl<T: Serialize> ToValue for Ser<T> {
    /// The document (or whatever serde makes of it).
    ///
    /// # Errors
    /// `42804`, with the path of the field that has no SQL form.
    ///
    /// ```
    /// use serde::Serialize;
    /// use tailwater::{Database, params, ser};
    ///
    /// #[derive(Serialize)]
    /// struct Order { id: i64, items: Vec<&'static str> }
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// let db = Database::memory()?;
    /// db.exec("CREATE TABLE orders", ())?;
    /// db.exec("INSERT INTO orders VALUES ?", params![ser(&Order { id: 7, items: vec!["tea", "salt"] })])?;
    /// let second: String = db.query("SELECT items[1] FROM orders WHERE id = 7", ())?.scalar()?;
    /// assert_eq!(second, "salt");
    /// # Ok(())
    /// # }
    /// ```
    fn to_value(&self) -> Result<Value> {
        to_value(&self.0).map_err(|error| {
            Error::from(error).with_hint("give the type a Serialize that writes what SQL can hold")
        })
    }
}

impl Rows {
    /// All rows that are left, each as a Rust type: structs and maps take columns by name (columns they do not know are
    /// passed over), tuples and sequences by position and all of them, plain types the only column. Values are read as
    /// by [`from_value`](crate::from_value).
    ///
    /// # Errors
    /// As [`Rows::next_row`]; `42804` with the path of the field that does not fit.
    ///
    /// ```
    /// use tailwater::Database;
    ///
    /// #[derive(serde::Deserialize, Debug, PartialEq)]
    /// struct Person { id: i64, name: Option<String> }
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// let db = Database::memory()?;
    /// db.exec("CREATE TABLE person (id INT PRIMARY KEY, name TEXT)", ())?;
    /// db.exec("INSERT INTO person VALUES (1, 'Ada'), (2, NULL)", ())?;
    /// let people: Vec<Person> = db.query("SELECT * FROM person ORDER BY id", ())?.rows_as()?;
    /// assert_eq!(people[1], Person { id: 2, name: None });
    /// let ids: Vec<i64> = db.query("SELECT id FROM person ORDER BY id", ())?.rows_as()?;
    /// assert_eq!(ids, [1, 2]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn rows_as<T: DeserializeOwned>(mut self) -> Result<Vec<T>> {
        let mut read = Vec::new();
        while let Some(row) = self.next_row()? {
            read.push(row.to()?);
        }
        Ok(read)
    }

    /// The first row as a Rust type, or `None` if there is none; the rest is not read.
    ///
    /// # Errors
    /// As [`Rows::rows_as`].
    ///
    /// ```
    /// # fn main() -> tailwater::Result<()> {
    /// # let db = tailwater::Database::memory()?;
    /// # db.exec("CREATE TABLE person (id INT PRIMARY KEY, name TEXT)", ())?;
    /// # db.exec("INSERT INTO person VALUES (1, 'Ada')", ())?;
    /// let first: Option<(i64, String)> = db.query("SELECT id, name FROM person", ())?.first_as()?;
    /// assert_eq!(first, Some((1, "Ada".to_owned())));
    /// # Ok(())
    /// # }
    /// ```
    pub fn first_as<T: DeserializeOwned>(mut self) -> Result<Option<T>> {
        match self.next_row()? {
            Some(row) => row.to().map(Some),
            None => Ok(None),
        }
    }
}

impl ResultRow {
    /// The row as a Rust type, which may borrow text and bytes from it. See [`Rows::rows_as`] for how it is read.
    ///
    /// # Errors
    /// `42804` with the path of the column and field that does not fit.
    ///
    /// ```
    /// #[derive(serde::Deserialize)]
    /// struct Person<'r> { name: &'r str }
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// # let db = tailwater::Database::memory()?;
    /// # db.exec("CREATE TABLE person (id INT PRIMARY KEY, name TEXT)", ())?;
    /// # db.exec("INSERT INTO person VALUES (1, 'Ada')", ())?;
    /// for row in db.query("SELECT * FROM person", ())? {
    ///     let row = row?;
    ///     let person: Person = row.to()?;
    ///     assert_eq!(person.name, "Ada");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn to<'r, T: Deserialize<'r>>(&'r self) -> Result<T> {
        let names = self.columns().iter().map(|column| column.name.as_str());
        from_row(names, self.values()).map_err(unreadable)
    }
}

impl FeedChange {
    /// The row before the change as a Rust type; `None` for an insert.
    ///
    /// # Errors
    /// `42804` with the path of the field that does not fit.
    ///
    /// ```
    /// use tailwater::{Database, FeedEvent, FeedRequest};
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// let db = Database::memory()?;
    /// db.exec("CREATE TABLE stock (item TEXT PRIMARY KEY, n INT); INSERT INTO stock VALUES ('tea', 5)", ())?;
    /// let mut feed = db.subscribe(FeedRequest::of("stock").without_snapshot())?;
    /// db.exec("DELETE FROM stock", ())?;
    /// let FeedEvent::Frame(frame) = feed.recv()? else { unreachable!() };
    /// assert_eq!(frame.changes[0].before_as::<(&str, i64)>()?, Some(("tea", 5)));
    /// assert_eq!(frame.changes[0].after_as::<(&str, i64)>()?, None);
    /// # Ok(())
    /// # }
    /// ```
    pub fn before_as<'r, T: Deserialize<'r>>(&'r self) -> Result<Option<T>> {
        image_as(self.before.as_ref())
    }

    /// The row after the change as a Rust type; `None` for a delete.
    ///
    /// # Errors
    /// `42804` with the path of the field that does not fit.
    ///
    /// ```
    /// use tailwater::{Database, FeedEvent, FeedRequest};
    ///
    /// #[derive(serde::Deserialize, Debug, PartialEq)]
    /// struct Total { cust: String, s: i64 }
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// let db = Database::memory()?;
    /// db.exec("CREATE TABLE orders (id INT PRIMARY KEY, cust TEXT, total INT)", ())?;
    /// db.exec("CREATE MATERIALIZED VIEW by_cust AS SELECT cust, sum(total) AS s FROM orders GROUP BY cust", ())?;
    /// let mut feed = db.subscribe(FeedRequest::of("by_cust").without_snapshot())?;
    /// db.exec("INSERT INTO orders VALUES (1, 'ada', 30), (2, 'ada', 12)", ())?;
    /// loop {
    ///     if let FeedEvent::Frame(frame) = feed.recv()? {
    ///         let total: Option<Total> = frame.changes[0].after_as()?;
    ///         assert_eq!(total, Some(Total { cust: "ada".into(), s: 42 }));
    ///         break;
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn after_as<'r, T: Deserialize<'r>>(&'r self) -> Result<Option<T>> {
        image_as(self.after.as_ref())
    }
}

impl FeedRow {
    /// The row as a Rust type.
    ///
    /// # Errors
    /// `42804` with the path of the field that does not fit.
    ///
    /// ```
    /// use tailwater::{Database, FeedEvent, FeedRequest};
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// #[derive(serde::Deserialize)]
    /// struct Person { name: String, born: Option<i32> }
    ///
    /// let db = Database::memory()?;
    /// db.exec("CREATE TABLE person; INSERT INTO person VALUES {name: 'Ada', born: 1815}", ())?;
    /// for event in db.subscribe(FeedRequest::of("person"))?.take(2) {
    ///     if let FeedEvent::Snapshot { rows } = event? {
    ///         let ada: Person = rows[0].to()?;
    ///         assert_eq!((ada.name.as_str(), ada.born), ("Ada", Some(1815)));
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn to<'r, T: Deserialize<'r>>(&'r self) -> Result<T> {
        from_document(&self.row).map_err(unreadable)
    }
}

fn image_as<'r, T: Deserialize<'r>>(image: Option<&'r Document>) -> Result<Option<T>> {
    image.map(from_document).transpose().map_err(unreadable)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use crate::{Database, params, ser};

    #[test]
    fn what_does_not_fit_is_named_with_its_path() {
        #[derive(Deserialize, Debug)]
        struct Order {
            #[serde(rename = "items")]
            _items: Vec<Item>,
        }
        #[derive(Deserialize, Debug)]
        struct Item {
            #[serde(rename = "price")]
            _price: i64,
        }
        let db = Database::memory().unwrap();
        db.exec("CREATE TABLE t", ()).unwrap();
        let order = serde_json::json!({"items": [{"price": 1}, {"price": 1.5}]});
        db.exec("INSERT INTO t VALUES ?", params![ser(&order)])
            .unwrap();
        let error = db
            .query("SELECT * FROM t", ())
            .unwrap()
            .rows_as::<Order>()
            .unwrap_err();
        assert_eq!(error.sqlstate(), "42804");
        assert_eq!(
            error.message(),
            "items[1].price: invalid value: floating point `1.5`, expected i64"
        );
        assert!(error.hint().is_some());
        let bad = std::collections::BTreeMap::from([(Some(vec![1]), 2)]);
        let error = db
            .exec("INSERT INTO t VALUES ?", params![ser(&bad)])
            .unwrap_err();
        assert_eq!(error.sqlstate(), "42804");
        assert!(error.message().contains("key of a map"), "{error}");
    }
}
