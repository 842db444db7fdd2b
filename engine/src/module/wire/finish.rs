//! Slots into values: what a message comes to when all of it has been read.
//!
//! A document names all fields that have no presence, at zero too, and of the others those that are set. Next door: `decode`,
//! which fills the slots.

use std::sync::Arc;

use tailwater_proto::datetime::SECOND_US;
use tailwater_proto::{Document, Interval, Value, sqlstate};

use super::decode::{Decoder, Slot};
use super::plan::{FieldPlan, MessagePlan, Presence};
use super::shape::{Marked, Shape, json};
use crate::error::{Error, Result};

/// Seconds of the first and the last point in time that Protobuf has: the years 1 to 9999.
pub(super) const TIMESTAMP_SECONDS: std::ops::RangeInclusive<i64> =
    -62_135_596_800..=253_402_300_799;
/// The longest duration that Protobuf has, 10,000 years, in seconds.
pub(super) const DURATION_SECONDS_MAX: i64 = 315_576_000_000;
pub(super) const NANOS_MAX: i64 = 999_999_999;

impl Decoder<'_> {
    /// The value of a field; `None` if it is not set.
    pub(super) fn field_value(&self, field: &FieldPlan, slot: Slot) -> Result<Option<Value>> {
        use super::plan::FieldKind;
        Ok(Some(match slot {
            Slot::Unset => return Ok(None),
            Slot::Value(value) => value,
            Slot::List(list) => Value::array(list),
            Slot::Map(map) => Value::document(map.into_document()),
            Slot::Message(slots) => match field.kind {
                FieldKind::Message(inner) | FieldKind::Group(inner) => {
                    self.value_of(self.plan.message(inner), slots)?
                }
                FieldKind::Scalar(_) => return Ok(None),
            },
        }))
    }

    /// The value of a message.
    pub(super) fn value_of(&self, message: &MessagePlan, slots: Box<[Slot]>) -> Result<Value> {
        let mark = |marked, value| match marked {
            Marked::AsJson => Value::Json(Arc::new(value)),
            Marked::Not => value,
        };
        match message.shape {
            Shape::Document | Shape::MapEntry => self.document(message, slots),
            Shape::Timestamp => {
                let (seconds, nanos) = self.seconds(message, slots)?;
                timestamp(message, seconds, nanos)
            }
            Shape::Duration => {
                let (seconds, nanos) = self.seconds(message, slots)?;
                duration(message, seconds, nanos)
            }
            Shape::Wrapper | Shape::FieldMask | Shape::Struct => self.only_field(message, slots),
            Shape::JsonList(marked) => Ok(mark(marked, self.only_field(message, slots)?)),
            Shape::Json(marked) => Ok(mark(marked, self.json(message, slots)?)),
        }
    }

    fn document(&self, message: &MessagePlan, slots: Box<[Slot]>) -> Result<Value> {
        let mut document = Vec::with_capacity(message.fields.len());
        let mut slots = slots;
        for (field, slot) in message.fields.iter().zip(&mut slots) {
            // Most fields are single values, and moved once.
            if let Slot::Value(value) = slot {
                document.push((field.name.clone(), std::mem::take(value)));
                continue;
            }
            let slot = std::mem::replace(slot, Slot::Unset);
            let value = match (self.field_value(field, slot)?, field.presence) {
                (Some(value), _) => value,
                (None, Presence::Implicit) => field.default.clone(),
                (None, Presence::Explicit) => continue,
            };
            document.push((field.name.clone(), value));
        }
        Ok(Value::document(document.into_iter().collect::<Document>()))
    }

    fn only_field(&self, message: &MessagePlan, slots: Box<[Slot]>) -> Result<Value> {
        let mut fields = message.fields.iter().zip(slots);
        let Some((field, slot)) = fields.next() else {
            return Ok(Value::Null);
        };
        let value = self.field_value(field, slot)?;
        Ok(value.unwrap_or_else(|| field.default.clone()))
    }

    /// The arm that is set; `null` if there is none.
    fn json(&self, message: &MessagePlan, slots: Box<[Slot]>) -> Result<Value> {
        for (field, slot) in message.fields.iter().zip(slots) {
            if let Some(value) = self.field_value(field, slot)? {
                return Ok(match field.number {
                    json::NULL => Value::Null,
                    _ => value,
                });
            }
        }
        Ok(Value::Null)
    }

    fn seconds(&self, message: &MessagePlan, slots: Box<[Slot]>) -> Result<(i64, i64)> {
        let mut numbers = [0; 2];
        for ((number, field), slot) in numbers.iter_mut().zip(&message.fields).zip(slots) {
            if let Some(Value::Int(found)) = self.field_value(field, slot)? {
                *number = found;
            }
        }
        Ok(numbers.into())
    }
}

/// What is less than a microsecond is cut off, towards the past.
fn timestamp(message: &MessagePlan, seconds: i64, nanos: i64) -> Result<Value> {
    let is_valid = TIMESTAMP_SECONDS.contains(&seconds) && (0..=NANOS_MAX).contains(&nanos);
    match is_valid {
        true => Ok(Value::TimestampTz(seconds * SECOND_US + nanos / 1000)),
        false => Err(out_of_range(message, seconds, nanos)
            .with_hint("seconds lie in the years 1 to 9999, nanos between 0 and 999999999")),
    }
}

/// What is less than a microsecond is cut off, towards zero.
fn duration(message: &MessagePlan, seconds: i64, nanos: i64) -> Result<Value> {
    let is_valid = (-DURATION_SECONDS_MAX..=DURATION_SECONDS_MAX).contains(&seconds)
        && (-NANOS_MAX..=NANOS_MAX).contains(&nanos)
        && seconds.signum() * nanos.signum() >= 0;
    match is_valid {
        true => Ok(Value::Interval(Interval {
            micros: seconds * SECOND_US + nanos / 1000,
            ..Interval::default()
        })),
        false => Err(out_of_range(message, seconds, nanos).with_hint(
            "at most 10,000 years, nanos of less than a second and of the sign of seconds",
        )),
    }
}

fn out_of_range(message: &MessagePlan, seconds: i64, nanos: i64) -> Error {
    let what = format!(
        "{}: {seconds} seconds and {nanos} nanos are out of range",
        message.name
    );
    Error::data(sqlstate::DATETIME_FIELD_OVERFLOW, what)
}
