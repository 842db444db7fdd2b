//! Field plans against prost-reflect's dynamic messages: random messages, random damage, and what each rule says.

mod everything;
mod hostile;
mod known;
mod random;
mod rules;
mod tables;
mod twin;
mod twins;

use prost_reflect::MessageDescriptor;
use tailwater_proto::Value;

use super::{Absent, FieldColumn, RowDecoder, RowEncoder};
use crate::error::Result;

/// All fields of a message as a row, and back.
struct Rows {
    decoder: RowDecoder,
    encoder: RowEncoder,
}

impl Rows {
    fn new(message: &MessageDescriptor) -> Self {
        let numbers: Vec<u32> = message.fields().map(|field| field.number()).collect();
        let column = |number: &u32| FieldColumn {
            number: *number,
            absent: Absent::Null,
        };
        let columns: Vec<_> = numbers.iter().map(column).collect();
        let numbers: Vec<_> = numbers.into_iter().map(Some).collect();
        Self {
            decoder: RowDecoder::new(message, &columns).unwrap(),
            encoder: RowEncoder::new(message, &numbers).unwrap(),
        }
    }

    fn decode(&self, wire: &[u8]) -> Result<Vec<Value>> {
        let mut values = Vec::new();
        self.decoder.decode(wire, &mut values, &mut Vec::new())?;
        Ok(values)
    }

    fn encode(&self, values: &[Value]) -> Result<Vec<u8>> {
        let mut wire = Vec::new();
        self.encoder.encode(values, &mut wire)?;
        Ok(wire)
    }
}

/// Kinds and signs of zero, too, which `==` does not look at; the order of fields it may change, as a map has none.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Document(left), Value::Document(right)) => {
            let in_right = |(name, value): (_, &Value)| {
                let name: &tailwater_proto::EcoString = name;
                right.get(name).is_some_and(|other| same(value, other))
            };
            left.len() == right.len() && left.iter().all(in_right)
        }
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .zip(right.iter())
                    .all(|(left, right)| same(left, right))
        }
        (Value::Json(left), Value::Json(right)) => same(left, right),
        (Value::Double(left), Value::Double(right)) => left.to_bits() == right.to_bits(),
        (Value::Real(left), Value::Real(right)) => left.to_bits() == right.to_bits(),
        (left, right) => left.kind_name() == right.kind_name() && left == right,
    }
}

/// # Panics
/// If two rows differ, with the first column that does.
fn assert_same_rows(left: &[Value], right: &[Value], message: &MessageDescriptor, what: &str) {
    assert_eq!(left.len(), right.len(), "{what}");
    for ((left, right), field) in left.iter().zip(right).zip(message.fields()) {
        assert!(
            same(left, right),
            "{what}: {}: {left:?} is not {right:?}",
            field.name()
        );
    }
}
