//! `Kind`: the type a function takes or returns, where one row stands for several types.

use tailwater_proto::SqlType;

/// The type a function takes or returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the first ones are named by their SQL types")]
pub enum Kind {
    Bool,
    Int4,
    Int8,
    Double,
    Numeric,
    Text,
    Bytea,
    Date,
    Time,
    Timestamp,
    TimestampTz,
    Interval,
    Uuid,
    Json,
    TextArray,
    /// Any type; the result's is known only from the value.
    Any,
    /// Any number, kept as it is; as a result: the type of the first argument that is one.
    Number,
    /// INT2, INT4, INT8 or NUMERIC: all arguments of this kind are brought to one of these, which is also the result's.
    Exact,
    /// NUMERIC, kept as it is; every other number becomes DOUBLE PRECISION.
    Floating,
    /// DATE, TIMESTAMP or TIMESTAMPTZ, kept as it is.
    Instant,
    /// DATE, TIME, TIMESTAMP, TIMESTAMPTZ or INTERVAL, kept as it is.
    Temporal,
    /// All arguments of this kind are brought to one type, which is also the result's.
    Same,
    /// An array of anything; as a result: the type of the first argument that is one.
    Array,
    /// An element of the array among the arguments.
    Element,
    /// A document or JSON.
    Document,
}

impl Kind {
    /// The one type this kind stands for; `None` if it stands for several.
    #[must_use]
    pub fn sql_type(self) -> Option<SqlType> {
        Some(match self {
            Self::Bool => SqlType::Bool,
            Self::Int4 => SqlType::Int4,
            Self::Int8 => SqlType::Int8,
            Self::Double => SqlType::Double,
            Self::Numeric => SqlType::Numeric(None),
            Self::Text => SqlType::Text,
            Self::Bytea => SqlType::Bytea,
            Self::Date => SqlType::Date,
            Self::Time => SqlType::Time,
            Self::Timestamp => SqlType::Timestamp,
            Self::TimestampTz => SqlType::TimestampTz,
            Self::Interval => SqlType::Interval,
            Self::Uuid => SqlType::Uuid,
            Self::Json => SqlType::Json,
            Self::TextArray => SqlType::Array(Box::new(SqlType::Text)),
            Self::Any
            | Self::Number
            | Self::Exact
            | Self::Floating
            | Self::Instant
            | Self::Temporal
            | Self::Same
            | Self::Array
            | Self::Element
            | Self::Document => return None,
        })
    }

    /// The name in a manual's signature.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Any => "any".to_owned(),
            Self::Number => "number".to_owned(),
            Self::Exact => "integer or numeric".to_owned(),
            Self::Floating => "double precision or numeric".to_owned(),
            Self::Instant => "date or timestamp".to_owned(),
            Self::Temporal => "date, time, timestamp or interval".to_owned(),
            Self::Same => "same type".to_owned(),
            Self::Array => "array".to_owned(),
            Self::Element => "element".to_owned(),
            Self::Document => "document or json".to_owned(),
            one => one.sql_type().map_or_else(String::new, |ty| ty.to_string()),
        }
    }
}

impl std::fmt::Display for Kind {
    /// As signatures show it: the SQL type, or the kind in lower case.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = match self {
            Self::Int4 => "integer".to_owned(),
            Self::Int8 => "bigint".to_owned(),
            Self::Double => "double precision".to_owned(),
            Self::TextArray => "text[]".to_owned(),
            other => format!("{other:?}").to_lowercase(),
        };
        f.write_str(&name)
    }
}
