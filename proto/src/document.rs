//! `Document`: named fields in the order they were given, and `Path`: the way to a value inside one.

use std::fmt;

use ecow::EcoString;
use serde::{Deserialize, Serialize};

use crate::value::Value;

/// Named values. Order is kept; a name may stand twice only in query results, never in what is stored.
///
/// ```
/// use tailwater_proto::{Document, Value};
///
/// let order: Document = [("id".into(), Value::Int(7)), ("paid".into(), Value::Bool(true))].into_iter().collect();
/// let names: Vec<&str> = order.iter().map(|(name, _)| name.as_str()).collect();
/// assert_eq!(names, ["id", "paid"]);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Document(Vec<(EcoString, Value)>);

impl Document {
    /// A document without fields.
    ///
    /// ```
    /// use tailwater_proto::{Document, Value};
    ///
    /// assert_eq!(Value::from(Document::new()).to_string(), "{}");
    /// ```
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// The value of the first field of that name.
    ///
    /// ```
    /// use tailwater_proto::{Document, Value};
    ///
    /// let mut person = Document::new();
    /// person.set("name", Value::text("Ada"));
    /// assert_eq!(person.get("name"), Some(&Value::text("Ada")));
    /// assert_eq!(person.get("Name"), None);
    /// ```
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0
            .iter()
            .find(|(field, _)| field == name)
            .map(|(_, value)| value)
    }

    /// The value of the first field of that name, to be changed.
    ///
    /// ```
    /// use tailwater_proto::{Document, Value};
    ///
    /// let mut counter = Document::new();
    /// counter.set("n", Value::Int(1));
    /// if let Some(Value::Int(n)) = counter.get_mut("n") {
    ///     *n += 41;
    /// }
    /// assert_eq!(counter.get("n"), Some(&Value::Int(42)));
    /// ```
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Value> {
        self.0
            .iter_mut()
            .find(|(field, _)| field == name)
            .map(|(_, value)| value)
    }

    /// Sets a field: in its place if there is one of that name, else at the end.
    ///
    /// ```
    /// use tailwater_proto::{Document, Value};
    ///
    /// let mut order = Document::new();
    /// order.set("id", Value::Int(7));
    /// order.set("state", Value::text("open"));
    /// order.set("id", Value::Int(8)); // in its place
    /// assert_eq!(Value::from(order).to_string(), r#"{"id": 8, "state": "open"}"#);
    /// ```
    pub fn set(&mut self, name: impl Into<EcoString>, value: Value) {
        let name = name.into();
        match self.get_mut(&name) {
            Some(slot) => *slot = value,
            None => self.0.push((name, value)),
        }
    }

    /// Appends a field without looking for one of that name.
    ///
    /// ```
    /// use tailwater_proto::{Document, Value};
    ///
    /// let mut row = Document::new(); // SELECT 1 AS x, 2 AS x
    /// row.push("x", Value::Int(1));
    /// row.push("x", Value::Int(2));
    /// assert_eq!((row.len(), row.get("x")), (2, Some(&Value::Int(1))));
    /// ```
    pub fn push(&mut self, name: impl Into<EcoString>, value: Value) {
        self.0.push((name.into(), value));
    }

    /// Takes the first field of that name out.
    ///
    /// ```
    /// use tailwater_proto::{Document, Value};
    ///
    /// let mut order = Document::new();
    /// order.set("note", Value::text("ring twice"));
    /// assert_eq!(order.remove("note"), Some(Value::text("ring twice")));
    /// assert_eq!(order.remove("note"), None);
    /// ```
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        let place = self.0.iter().position(|(field, _)| field == name)?;
        Some(self.0.remove(place).1)
    }

    /// Fields in order.
    ///
    /// ```
    /// use tailwater_proto::parse_json;
    ///
    /// let cart = parse_json(r#"{"tea": 2, "salt": 1}"#).unwrap();
    /// let pieces: i64 = cart.as_document().unwrap().iter().filter_map(|(_, n)| n.as_int()).sum();
    /// assert_eq!(pieces, 3);
    /// ```
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&EcoString, &Value)> {
        self.0.iter().map(|(name, value)| (name, value))
    }

    /// How many fields there are.
    ///
    /// ```
    /// use tailwater_proto::parse_json;
    ///
    /// let document = parse_json(r#"{"a": {"b": 1, "c": 2}}"#).unwrap();
    /// assert_eq!(document.as_document().unwrap().len(), 1); // not counted into the depth
    /// ```
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no field.
    ///
    /// ```
    /// assert!(tailwater_proto::Document::new().is_empty());
    /// ```
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(EcoString, Value)> for Document {
    fn from_iter<I: IntoIterator<Item = (EcoString, Value)>>(fields: I) -> Self {
        Self(fields.into_iter().collect())
    }
}

impl IntoIterator for Document {
    type Item = (EcoString, Value);
    type IntoIter = std::vec::IntoIter<Self::Item>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// One step of a path.
///
/// ```
/// use tailwater_proto::{Path, PathStep};
///
/// let steps = vec![PathStep::Field("items".into()), PathStep::Index(0)];
/// assert_eq!(Path(steps).to_string(), "items[0]");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum PathStep {
    /// `.name`
    Field(EcoString),
    /// `[n]`, counted from 0; negative and too large indexes find nothing.
    Index(i64),
}

/// A way into a nested value, such as `a.b[0]`.
///
/// ```
/// use tailwater_proto::{Path, PathStep};
///
/// let mut way = Path::default();
/// way.0.push(PathStep::Field("address".into()));
/// way.0.push(PathStep::Field("city".into()));
/// assert_eq!(way.to_string(), "address.city");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Path(pub Vec<PathStep>);

impl Path {
    /// The value the path leads to, or `None` where it leads nowhere (SQL reads NULL there).
    ///
    /// ```
    /// use tailwater_proto::{Path, PathStep, parse_json};
    ///
    /// let order = parse_json(r#"{"items": [{"price": 5}]}"#).unwrap();
    /// let price = |n| {
    ///     let steps = vec![PathStep::Field("items".into()), PathStep::Index(n), PathStep::Field("price".into())];
    ///     Path(steps).find(&order).and_then(|price| price.as_int())
    /// };
    /// assert_eq!((price(0), price(1), price(-1)), (Some(5), None, None));
    /// ```
    #[must_use]
    pub fn find<'v>(&self, root: &'v Value) -> Option<&'v Value> {
        let mut place = root;
        for step in &self.0 {
            if let Value::Json(inner) = place {
                place = inner;
            }
            place = match (step, place) {
                (PathStep::Field(name), Value::Document(document)) => document.get(name)?,
                (PathStep::Index(index), Value::Array(elements)) => {
                    elements.get(usize::try_from(*index).ok()?)?
                }
                _ => return None,
            };
        }
        Some(place)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, step) in self.0.iter().enumerate() {
            match step {
                PathStep::Field(name) if place == 0 => f.write_str(name)?,
                PathStep::Field(name) => write!(f, ".{name}")?,
                PathStep::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}
