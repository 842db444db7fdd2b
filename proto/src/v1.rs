//! `tailwater.v1`: the Protobuf messages, as Rust structs, and values to and from them.
//!
//! Described in `proto/tailwater/v1/*.proto`, compiled by build.rs. Messages only: services are bound by `server`.

use std::sync::Arc;

use crate::document::Document as Fields;
use crate::error::TextError;
use crate::sql_type::SqlType;
use crate::sqlstate;
use crate::text_input::parse_text;
use crate::value::Value as Datum;

#[allow(
    clippy::all,
    missing_docs,
    unreachable_pub,
    reason = "generated from the .proto files"
)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/tailwater.v1.rs"));
}

pub use generated::*;

/// The descriptor set of all messages and services above, for reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] =
    include_bytes!(concat!(env!("OUT_DIR"), "/tailwater.v1.bin"));

/// The text of the files above under the paths they import each other by, for other languages' compilers.
pub const PROTO_FILES: &[(&str, &str)] = &[
    (
        "tailwater/v1/value.proto",
        include_str!("../proto/tailwater/v1/value.proto"),
    ),
    (
        "tailwater/v1/change.proto",
        include_str!("../proto/tailwater/v1/change.proto"),
    ),
    (
        "tailwater/v1/feed.proto",
        include_str!("../proto/tailwater/v1/feed.proto"),
    ),
    (
        "tailwater/v1/file.proto",
        include_str!("../proto/tailwater/v1/file.proto"),
    ),
    (
        "tailwater/v1/options.proto",
        include_str!("../proto/tailwater/v1/options.proto"),
    ),
    (
        "tailwater/v1/service.proto",
        include_str!("../proto/tailwater/v1/service.proto"),
    ),
];

impl From<&Datum> for Value {
    fn from(datum: &Datum) -> Self {
        use value::Kind;
        let kind = match datum {
            Datum::Null => Kind::Null(NullValue::Unspecified.into()),
            Datum::Bool(truth) => Kind::Bool(*truth),
            Datum::Int(n) => Kind::Int(*n),
            Datum::Real(x) => Kind::Real(*x),
            Datum::Double(x) => Kind::Double(*x),
            Datum::Numeric(_) => Kind::Numeric(datum.to_string()),
            Datum::Date(days) => Kind::DateDays(*days),
            Datum::Time(micros) => Kind::TimeUs(*micros),
            Datum::Timestamp(micros) => Kind::TimestampUs(*micros),
            Datum::TimestampTz(micros) => Kind::TimestamptzUs(*micros),
            Datum::Interval(interval) => Kind::Interval(Interval {
                months: interval.months,
                days: interval.days,
                micros: interval.micros,
            }),
            Datum::Uuid(bytes) => Kind::Uuid(bytes.to_vec()),
            Datum::Text(text) => Kind::Text(text.to_string()),
            Datum::Bytes(bytes) => Kind::Bytes(bytes.to_vec()),
            Datum::Json(inner) => Kind::Json(Box::new(Self::from(&**inner))),
            Datum::Array(elements) => Kind::Array(Array {
                elements: elements.iter().map(Self::from).collect(),
            }),
            Datum::Document(document) => Kind::Document(document.as_ref().into()),
        };
        Self { kind: Some(kind) }
    }
}

impl From<&Fields> for Document {
    fn from(document: &Fields) -> Self {
        let field = |(name, value): (&crate::EcoString, &Datum)| Field {
            name: name.to_string(),
            value: Some(value.into()),
        };
        Self {
            fields: document.iter().map(field).collect(),
        }
    }
}

impl Row {
    /// The message of a row.
    #[must_use]
    pub fn of(values: &[Datum]) -> Self {
        Self {
            values: values.iter().map(Value::from).collect(),
        }
    }
}

/// A message's value, of which text, UUID and NUMERIC may be malformed: `22P02`, `22003`.
impl TryFrom<Value> for Datum {
    type Error = TextError;

    fn try_from(message: Value) -> Result<Self, TextError> {
        use value::Kind;
        Ok(match message.kind {
            None | Some(Kind::Null(_)) => Self::Null,
            Some(Kind::Bool(truth)) => Self::Bool(truth),
            Some(Kind::Int(n)) => Self::Int(n),
            Some(Kind::Real(x)) => Self::Real(x),
            Some(Kind::Double(x)) => Self::Double(x),
            Some(Kind::Numeric(text)) => parse_text(&text, &SqlType::Numeric(None))?,
            Some(Kind::DateDays(days)) => Self::Date(days),
            Some(Kind::TimeUs(micros)) => Self::Time(micros),
            Some(Kind::TimestampUs(micros)) => Self::Timestamp(micros),
            Some(Kind::TimestamptzUs(micros)) => Self::TimestampTz(micros),
            Some(Kind::Interval(interval)) => Self::Interval(crate::value::Interval {
                months: interval.months,
                days: interval.days,
                micros: interval.micros,
            }),
            Some(Kind::Uuid(bytes)) => match <[u8; 16]>::try_from(bytes) {
                Ok(bytes) => Self::Uuid(bytes),
                Err(bytes) => {
                    return Err(TextError::new(
                        sqlstate::INVALID_TEXT_REPRESENTATION,
                        format!("a UUID has 16 bytes, not {}", bytes.len()),
                    ));
                }
            },
            Some(Kind::Text(text)) => Self::Text(text.into()),
            Some(Kind::Bytes(bytes)) => Self::Bytes(bytes.into()),
            Some(Kind::Json(inner)) => Self::Json(Arc::new(Self::try_from(*inner)?)),
            Some(Kind::Array(array)) => Self::array(
                array
                    .elements
                    .into_iter()
                    .map(Self::try_from)
                    .collect::<Result<_, _>>()?,
            ),
            Some(Kind::Document(document)) => Self::document(document.try_into()?),
        })
    }
}

impl TryFrom<Document> for Fields {
    type Error = TextError;

    fn try_from(message: Document) -> Result<Self, TextError> {
        message
            .fields
            .into_iter()
            .map(|field| {
                let value = field.value.unwrap_or_default();
                Ok((field.name.into(), Datum::try_from(value)?))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost::Message;

    #[test]
    fn values_travel_as_messages() {
        let document = Fields::from_iter([
            ("a".into(), Datum::Null),
            ("b".into(), Datum::Json(Arc::new(Datum::Null))),
        ]);
        for datum in [
            Datum::Null,
            Datum::Int(i64::MIN),
            Datum::Double(-0.0),
            Datum::numeric("-1.50".parse().unwrap()),
            Datum::Date(i32::MIN),
            Datum::Uuid([9; 16]),
            Datum::Interval(crate::value::Interval {
                months: -1,
                days: 1,
                micros: -1,
            }),
            Datum::array(vec![Datum::document(document), Datum::array(vec![])]),
        ] {
            let bytes = Value::from(&datum).encode_to_vec();
            let back = Datum::try_from(Value::decode(&bytes[..]).unwrap()).unwrap();
            assert_eq!(format!("{back:?}"), format!("{datum:?}"));
        }
        let short = Value {
            kind: Some(value::Kind::Uuid(vec![1])),
        };
        assert!(Datum::try_from(short).is_err());
    }
}
