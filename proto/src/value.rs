//! `Value`: one datum of a row, a document or an array.
//!
//! The kind of a value is its storage class; the declared `SqlType` of a column stands above it. Equality and
//! order over all kinds are in `compare`; text and JSON forms in `text` and `json`; bytes in the codecs.

use std::sync::Arc;

use bigdecimal::BigDecimal;
use ecow::EcoString;

use crate::document::Document;

/// One datum. 24 bytes; clones share what is large.
///
/// Integers of every declared width are `Int`; CHAR, VARCHAR and TEXT are `Text` (CHAR without its padding).
///
/// ```
/// use tailwater_proto::Value;
///
/// let row = [Value::from(7), Value::from("Ada"), Value::from(None::<bool>)];
/// assert_eq!(row.map(|value| value.kind_name()), ["integer", "text", "null"]);
/// assert_eq!(Value::Int(2), Value::Double(2.0)); // one order over all numbers
/// ```
#[derive(Clone, Debug, Default)]
pub enum Value {
    /// SQL NULL.
    #[default]
    Null,
    /// BOOL.
    Bool(bool),
    /// INT2, INT4, INT8 and integers of no declared type.
    Int(i64),
    /// REAL: IEEE 754 binary32.
    Real(f32),
    /// DOUBLE PRECISION: IEEE 754 binary64.
    Double(f64),
    /// NUMERIC: an exact decimal of any length.
    Numeric(Arc<BigDecimal>),
    /// DATE: days since 1970-01-01, proleptic Gregorian.
    Date(i32),
    /// TIME: microseconds since midnight.
    Time(i64),
    /// TIMESTAMP: microseconds since 1970-01-01 00:00:00 of no stated zone.
    Timestamp(i64),
    /// TIMESTAMPTZ: microseconds since 1970-01-01 00:00:00 UTC.
    TimestampTz(i64),
    /// INTERVAL.
    Interval(Interval),
    /// UUID, big-endian bytes.
    Uuid([u8; 16]),
    /// TEXT, VARCHAR, CHAR: valid UTF-8.
    Text(EcoString),
    /// BYTEA.
    Bytes(Arc<[u8]>),
    /// JSON: any JSON value, whose `null` is not SQL NULL.
    Json(Arc<Value>),
    /// ARRAY: elements of any kinds.
    Array(Arc<[Value]>),
    /// DOCUMENT: fields in the order they were given.
    Document(Arc<Document>),
}

/// INTERVAL: three counts that no calendar-free rule can fold into each other.
///
/// ```
/// use tailwater_proto::{Interval, Value};
///
/// let month = Interval { months: 1, ..Interval::default() };
/// let days = Interval { days: 30, ..Interval::default() };
/// assert_ne!(month, days); // as stored,
/// assert_eq!(Value::from(month), Value::from(days)); // but alike to SQL's `=`
/// assert_eq!(month.to_string(), "1 mon");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Interval {
    /// Months, years included.
    pub months: i32,
    /// Days, weeks included.
    pub days: i32,
    /// Microseconds, hours included.
    pub micros: i64,
}

impl Value {
    /// A text value.
    ///
    /// ```
    /// use tailwater_proto::Value;
    ///
    /// assert_eq!(Value::text("Ada").as_text(), Some("Ada"));
    /// ```
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::Text(EcoString::from(text))
    }

    /// A numeric value.
    ///
    /// ```
    /// use tailwater_proto::{BigDecimal, Value};
    ///
    /// let exact: BigDecimal = "0.10".parse().unwrap();
    /// assert_eq!(Value::numeric(exact).to_string(), "0.10"); // its zeros too
    /// ```
    #[must_use]
    pub fn numeric(number: BigDecimal) -> Self {
        Self::Numeric(Arc::new(number))
    }

    /// An array value.
    ///
    /// ```
    /// use tailwater_proto::Value;
    ///
    /// let mixed = Value::array(vec![Value::Int(1), Value::text("one"), Value::Null]);
    /// assert_eq!(mixed.to_string(), "{1,one,NULL}"); // as PostgreSQL prints arrays
    /// ```
    #[must_use]
    pub fn array(elements: Vec<Self>) -> Self {
        Self::Array(elements.into())
    }

    /// A document value.
    ///
    /// ```
    /// use tailwater_proto::{Document, Value};
    ///
    /// let mut person = Document::new();
    /// person.set("name", Value::text("Ada"));
    /// assert_eq!(Value::document(person).to_string(), r#"{"name": "Ada"}"#);
    /// ```
    #[must_use]
    pub fn document(document: Document) -> Self {
        Self::Document(Arc::new(document))
    }

    /// Whether this is SQL NULL.
    ///
    /// ```
    /// use tailwater_proto::parse_json;
    ///
    /// assert!(parse_json("[null]").unwrap().as_array().unwrap()[0].is_null());
    /// ```
    #[must_use]
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The truth of a condition: `Some` for BOOL, `None` for NULL and every other kind.
    ///
    /// ```
    /// use tailwater_proto::Value;
    ///
    /// assert_eq!(Value::Bool(true).as_bool(), Some(true));
    /// assert_eq!(Value::Int(1).as_bool(), None); // numbers are no truths
    /// ```
    #[must_use]
    pub const fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(truth) => Some(*truth),
            _ => None,
        }
    }

    /// The integer, if this is one.
    ///
    /// ```
    /// use tailwater_proto::Value;
    ///
    /// assert_eq!(Value::Int(3).as_int(), Some(3));
    /// assert_eq!(Value::Double(3.0).as_int(), None); // equal, but of another kind
    /// ```
    #[must_use]
    pub const fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            _ => None,
        }
    }

    /// The text, if this is one.
    ///
    /// ```
    /// use tailwater_proto::Value;
    ///
    /// let greeting = Value::from("hello".to_owned());
    /// assert_eq!(greeting.as_text().map(str::len), Some(5));
    /// ```
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The document, if this is one.
    ///
    /// ```
    /// use tailwater_proto::parse_json;
    ///
    /// let order = parse_json(r#"{"id": 7, "paid": true}"#).unwrap();
    /// assert_eq!(order.as_document().unwrap().len(), 2);
    /// ```
    #[must_use]
    pub fn as_document(&self) -> Option<&Document> {
        match self {
            Self::Document(document) => Some(document),
            _ => None,
        }
    }

    /// The elements, if this is an array.
    ///
    /// ```
    /// use tailwater_proto::{Value, parse_json};
    ///
    /// let tags = parse_json(r#"["new", "gift"]"#).unwrap();
    /// assert_eq!(tags.as_array().and_then(|tags| tags.last()?.as_text()), Some("gift"));
    /// ```
    #[must_use]
    pub fn as_array(&self) -> Option<&[Self]> {
        match self {
            Self::Array(elements) => Some(elements),
            _ => None,
        }
    }

    /// The name of the kind, as `typeof` prints it.
    ///
    /// ```
    /// use tailwater_proto::Value;
    ///
    /// assert_eq!(Value::Bytes([1, 2][..].into()).kind_name(), "blob");
    /// ```
    #[must_use]
    pub const fn kind_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Int(_) => "integer",
            Self::Real(_) => "real",
            Self::Double(_) => "double",
            Self::Numeric(_) => "numeric",
            Self::Date(_) => "date",
            Self::Time(_) => "time",
            Self::Timestamp(_) => "timestamp",
            Self::TimestampTz(_) => "timestamptz",
            Self::Interval(_) => "interval",
            Self::Uuid(_) => "uuid",
            Self::Text(_) => "text",
            Self::Bytes(_) => "blob",
            Self::Json(_) => "json",
            Self::Array(_) => "array",
            Self::Document(_) => "document",
        }
    }
}

macro_rules! value_from {
    ($($from:ty => |$name:ident| $value:expr;)*) => {$(
        impl From<$from> for Value {
            fn from($name: $from) -> Self {
                $value
            }
        }
    )*};
}

value_from! {
    bool => |b| Self::Bool(b);
    i16 => |n| Self::Int(n.into());
    i32 => |n| Self::Int(n.into());
    i64 => |n| Self::Int(n);
    u8 => |n| Self::Int(n.into());
    u16 => |n| Self::Int(n.into());
    u32 => |n| Self::Int(n.into());
    f32 => |n| Self::Real(n);
    f64 => |n| Self::Double(n);
    &str => |s| Self::text(s);
    String => |s| Self::Text(s.into());
    EcoString => |s| Self::Text(s);
    &[u8] => |b| Self::Bytes(b.into());
    Vec<u8> => |b| Self::Bytes(b.into());
    BigDecimal => |n| Self::numeric(n);
    Interval => |i| Self::Interval(i);
    Document => |d| Self::document(d);
    Vec<Value> => |v| Self::array(v);
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}
