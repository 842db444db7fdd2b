//! `SqlType`: the declared type of a column or expression: name, PostgreSQL OID and type modifier, above a storage class.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A declared SQL type. Serialised by variant name in stored plans: names are never changed.
///
/// ```
/// use tailwater_proto::SqlType;
///
/// let prices = SqlType::Array(Box::new(SqlType::Numeric(Some((10, 2)))));
/// assert_eq!(prices.to_string(), "numeric(10,2)[]");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SqlType {
    /// Known only when the value is seen: undeclared columns, document fields.
    Any,
    /// The type of a bare NULL or of an untyped literal or parameter, before its context decides.
    Unknown,
    /// BOOL.
    Bool,
    /// INT2, SMALLINT.
    Int2,
    /// INT4, INTEGER.
    Int4,
    /// INT8, BIGINT.
    Int8,
    /// REAL, FLOAT4.
    Real,
    /// DOUBLE PRECISION, FLOAT8.
    Double,
    /// NUMERIC, with (precision, scale) if declared.
    Numeric(Option<(u16, i16)>),
    /// TEXT.
    Text,
    /// CHAR(n): blank-padded when shown.
    Char(u32),
    /// VARCHAR, with its length in characters if declared.
    Varchar(Option<u32>),
    /// BYTEA, BLOB.
    Bytea,
    /// DATE.
    Date,
    /// TIME without time zone.
    Time,
    /// TIMESTAMP without time zone, DATETIME.
    Timestamp,
    /// TIMESTAMP with time zone.
    TimestampTz,
    /// INTERVAL.
    Interval,
    /// UUID.
    Uuid,
    /// JSON, JSONB.
    Json,
    /// ARRAY of elements of a type.
    Array(Box<SqlType>),
    /// DOCUMENT: named fields.
    Document,
}

impl SqlType {
    /// The number PostgreSQL clients know the type by (`pg_type.oid`); DOCUMENT travels as jsonb, ANY as text.
    ///
    /// ```
    /// use tailwater_proto::SqlType;
    ///
    /// assert_eq!((SqlType::Int4.oid(), SqlType::Array(Box::new(SqlType::Int4)).oid()), (23, 1007));
    /// ```
    #[must_use]
    pub fn oid(&self) -> u32 {
        match self {
            Self::Any | Self::Text => 25,
            Self::Unknown => 705,
            Self::Bool => 16,
            Self::Int2 => 21,
            Self::Int4 => 23,
            Self::Int8 => 20,
            Self::Real => 700,
            Self::Double => 701,
            Self::Numeric(_) => 1700,
            Self::Char(_) => 1042,
            Self::Varchar(_) => 1043,
            Self::Bytea => 17,
            Self::Date => 1082,
            Self::Time => 1083,
            Self::Timestamp => 1114,
            Self::TimestampTz => 1184,
            Self::Interval => 1186,
            Self::Uuid => 2950,
            Self::Json | Self::Document => 3802,
            Self::Array(element) => match **element {
                Self::Bool => 1000,
                Self::Int2 => 1005,
                Self::Int4 => 1007,
                Self::Int8 => 1016,
                Self::Real => 1021,
                Self::Double => 1022,
                Self::Numeric(_) => 1231,
                Self::Char(_) => 1014,
                Self::Varchar(_) => 1015,
                Self::Bytea => 1001,
                Self::Date => 1182,
                Self::Time => 1183,
                Self::Timestamp => 1115,
                Self::TimestampTz => 1185,
                Self::Interval => 1187,
                Self::Uuid => 2951,
                Self::Json | Self::Document => 3807,
                Self::Any | Self::Unknown | Self::Text | Self::Array(_) => 1009,
            },
        }
    }

    /// PostgreSQL's type modifier (`pg_attribute.atttypmod`), -1 for none.
    ///
    /// ```
    /// use tailwater_proto::SqlType;
    ///
    /// assert_eq!(SqlType::Varchar(Some(20)).typmod(), 24); // PostgreSQL adds four
    /// assert_eq!(SqlType::Text.typmod(), -1);
    /// ```
    #[must_use]
    pub fn typmod(&self) -> i32 {
        match self {
            Self::Numeric(Some((precision, scale))) => {
                ((i32::from(*precision) << 16) | (i32::from(*scale) & 0x7ff)) + 4
            }
            Self::Char(length) | Self::Varchar(Some(length)) => {
                i32::try_from(*length).unwrap_or(i32::MAX - 4) + 4
            }
            _ => -1,
        }
    }

    /// Whether values of the type are numbers.
    ///
    /// ```
    /// use tailwater_proto::SqlType;
    ///
    /// assert!(SqlType::Real.is_numeric() && !SqlType::Interval.is_numeric());
    /// ```
    #[must_use]
    pub const fn is_numeric(&self) -> bool {
        matches!(
            self,
            Self::Int2 | Self::Int4 | Self::Int8 | Self::Real | Self::Double | Self::Numeric(_)
        )
    }

    /// Whether values of the type are whole numbers.
    ///
    /// ```
    /// use tailwater_proto::SqlType;
    ///
    /// assert!(SqlType::Int8.is_integer() && !SqlType::Numeric(Some((5, 0))).is_integer());
    /// ```
    #[must_use]
    pub const fn is_integer(&self) -> bool {
        matches!(self, Self::Int2 | Self::Int4 | Self::Int8)
    }

    /// Whether values of the type are character strings.
    ///
    /// ```
    /// use tailwater_proto::SqlType;
    ///
    /// assert!(SqlType::Char(3).is_text() && !SqlType::Uuid.is_text());
    /// ```
    #[must_use]
    pub const fn is_text(&self) -> bool {
        matches!(self, Self::Text | Self::Char(_) | Self::Varchar(_))
    }
}

impl fmt::Display for SqlType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::Unknown => f.write_str("unknown"),
            Self::Bool => f.write_str("boolean"),
            Self::Int2 => f.write_str("smallint"),
            Self::Int4 => f.write_str("integer"),
            Self::Int8 => f.write_str("bigint"),
            Self::Real => f.write_str("real"),
            Self::Double => f.write_str("double precision"),
            Self::Numeric(None) => f.write_str("numeric"),
            Self::Numeric(Some((precision, scale))) => write!(f, "numeric({precision},{scale})"),
            Self::Text => f.write_str("text"),
            Self::Char(length) => write!(f, "character({length})"),
            Self::Varchar(None) => f.write_str("character varying"),
            Self::Varchar(Some(length)) => write!(f, "character varying({length})"),
            Self::Bytea => f.write_str("bytea"),
            Self::Date => f.write_str("date"),
            Self::Time => f.write_str("time without time zone"),
            Self::Timestamp => f.write_str("timestamp without time zone"),
            Self::TimestampTz => f.write_str("timestamp with time zone"),
            Self::Interval => f.write_str("interval"),
            Self::Uuid => f.write_str("uuid"),
            Self::Json => f.write_str("json"),
            Self::Array(element) => write!(f, "{element}[]"),
            Self::Document => f.write_str("document"),
        }
    }
}
