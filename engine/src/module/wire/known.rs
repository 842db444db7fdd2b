//! Google's well-known types, written from the values of SQL that stand for them.
//!
//! Next door: `finish`, the way back; `encode`, which asks.

use prost::encoding::{WireType, encode_key, encode_varint};
use tailwater_proto::datetime::{DAY_US, SECOND_US};
use tailwater_proto::{Interval, JsonStyle, Value, sqlstate, write_json};

use super::encode::{Encoder, Failed};
use super::finish::{DURATION_SECONDS_MAX, TIMESTAMP_SECONDS};
use super::plan::MessagePlan;
use super::scalar::{Misfit, mismatch};
use super::shape::{Shape, json};

impl Encoder<'_> {
    /// The body of a message of a known shape.
    pub(super) fn known(
        self,
        shape: Shape,
        message: &MessagePlan,
        value: &Value,
        out: &mut Vec<u8>,
        depth: usize,
    ) -> Result<(), Failed> {
        match shape {
            Shape::Timestamp => {
                moment(timestamp_us(value)?, out);
                Ok(())
            }
            Shape::Duration => {
                moment(duration_us(value)?, out);
                Ok(())
            }
            Shape::Json(_) => self.json(message, value, out, depth),
            Shape::Struct => match value.unwrap_json() {
                Value::Document(_) => self.only_field(message, value, out, depth),
                other => Err(mismatch(other, "google.protobuf.Struct").into()),
            },
            Shape::JsonList(_) => match value.unwrap_json() {
                Value::Array(_) => self.only_field(message, value, out, depth),
                other => Err(mismatch(other, "google.protobuf.ListValue").into()),
            },
            Shape::Wrapper | Shape::FieldMask | Shape::Document | Shape::MapEntry => {
                self.only_field(message, value, out, depth)
            }
        }
    }

    fn only_field(
        self,
        message: &MessagePlan,
        value: &Value,
        out: &mut Vec<u8>,
        depth: usize,
    ) -> Result<(), Failed> {
        match message.fields.first() {
            Some(field) => Ok(self.field(message, field, value, out, depth)?),
            None => Ok(()),
        }
    }

    /// One arm, by what the value is. What JSON has no form for is text, as everywhere.
    fn json(
        self,
        message: &MessagePlan,
        value: &Value,
        out: &mut Vec<u8>,
        depth: usize,
    ) -> Result<(), Failed> {
        let text;
        let (number, value) = match value.unwrap_json() {
            Value::Null | Value::Json(_) => {
                encode_key(json::NULL, WireType::Varint, out);
                encode_varint(0, out);
                return Ok(());
            }
            value @ Value::Bool(_) => (json::BOOL, value),
            value @ (Value::Int(_) | Value::Real(_) | Value::Double(_) | Value::Numeric(_)) => {
                (json::NUMBER, value)
            }
            value @ Value::Text(_) => (json::TEXT, value),
            value @ Value::Document(_) => (json::STRUCT, value),
            value @ Value::Array(_) => (json::LIST, value),
            value @ (Value::Date(_)
            | Value::Time(_)
            | Value::Timestamp(_)
            | Value::TimestampTz(_)
            | Value::Interval(_)
            | Value::Uuid(_)
            | Value::Bytes(_)) => {
                text = as_json_text(value);
                (json::TEXT, &text)
            }
        };
        let field = message
            .find(number, 0)
            .and_then(|place| message.fields.get(place));
        match field {
            Some(field) => Ok(self.field(message, field, value, out, depth)?),
            None => Ok(()),
        }
    }
}

/// The text that stands for a value in JSON, without its quotes.
fn as_json_text(value: &Value) -> Value {
    let mut text = String::new();
    // Writing to a String does not fail; these kinds have no quotes or escapes within.
    _ = write_json(&mut text, value, JsonStyle::Compact);
    Value::text(text.trim_matches('"'))
}

/// Seconds and nanoseconds, of one sign for durations; for points in time nanoseconds count forwards.
fn moment((seconds, nanos): (i64, i64), out: &mut Vec<u8>) {
    for (number, part) in [(1, seconds), (2, nanos)] {
        if part != 0 {
            encode_key(number, WireType::Varint, out);
            encode_varint(part as u64, out);
        }
    }
}

fn timestamp_us(value: &Value) -> Result<(i64, i64), Misfit> {
    let micros = match value {
        Value::TimestampTz(micros) | Value::Timestamp(micros) => Some(*micros),
        Value::Date(days) => i64::from(*days).checked_mul(DAY_US),
        other => return Err(mismatch(other, "google.protobuf.Timestamp")),
    };
    micros
        .map(|micros| {
            (
                micros.div_euclid(SECOND_US),
                micros.rem_euclid(SECOND_US) * 1000,
            )
        })
        .filter(|(seconds, _)| TIMESTAMP_SECONDS.contains(seconds))
        .ok_or_else(|| out_of_range(value, "a Timestamp lies in the years 1 to 9999"))
}

/// Days are of 24 hours; months have no length.
fn duration_us(value: &Value) -> Result<(i64, i64), Misfit> {
    let interval = match value {
        Value::Interval(interval) => interval,
        other => return Err(mismatch(other, "google.protobuf.Duration")),
    };
    let Interval {
        months: 0,
        days,
        micros,
    } = interval
    else {
        return Err(out_of_range(
            value,
            "a Duration has no months, whose lengths differ",
        ));
    };
    i64::from(*days)
        .checked_mul(DAY_US)
        .and_then(|days| days.checked_add(*micros))
        .map(|micros| (micros / SECOND_US, micros % SECOND_US * 1000))
        .filter(|(seconds, _)| (-DURATION_SECONDS_MAX..=DURATION_SECONDS_MAX).contains(seconds))
        .ok_or_else(|| out_of_range(value, "a Duration is at most 10,000 years"))
}

fn out_of_range(value: &Value, why: &str) -> Misfit {
    Misfit {
        sqlstate: sqlstate::DATETIME_FIELD_OVERFLOW,
        what: format!("{value} is out of range: {why}"),
    }
}
