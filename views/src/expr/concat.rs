//! `||`: what it joins, by the kinds of its operands.

use tailwater_proto::{EcoString, Value};

use crate::cast::text_of;
use crate::error::Result;

/// `left || right`: texts (a text with anything takes the other's text), byte strings, arrays, an array and an
/// element, documents (fields of the right replace the left's). Other kinds give NULL; so does NULL, except beside
/// an array, which stays as it is.
///
/// # Errors
/// None today; the signature is that of every operator.
pub(crate) fn concat(left: &Value, right: &Value) -> Result<Value> {
    Ok(match (left, right) {
        (Value::Array(array), Value::Null) | (Value::Null, Value::Array(array)) => {
            Value::Array(array.clone())
        }
        (Value::Null, _) | (_, Value::Null) => Value::Null,
        (Value::Text(left), Value::Text(right)) => {
            let mut joined = EcoString::with_capacity(left.len() + right.len());
            joined.push_str(left);
            joined.push_str(right);
            Value::Text(joined)
        }
        (Value::Bytes(left), Value::Bytes(right)) => {
            Value::Bytes([&**left, &**right].concat().into())
        }
        (Value::Array(left), Value::Array(right)) => {
            Value::Array(left.iter().chain(right.iter()).cloned().collect())
        }
        (Value::Array(left), right) => Value::Array(left.iter().chain([right]).cloned().collect()),
        (left, Value::Array(right)) => {
            Value::Array([left].into_iter().chain(right.iter()).cloned().collect())
        }
        (Value::Document(left), Value::Document(right)) => {
            let mut merged = (**left).clone();
            for (name, value) in right.iter() {
                merged.set(name.clone(), value.clone());
            }
            Value::document(merged)
        }
        (Value::Json(left), Value::Json(right)) => {
            let (left, right) = (left.unwrap_json(), right.unwrap_json());
            match concat(left, right)? {
                Value::Null => Value::Null,
                joined => Value::Json(joined.into()),
            }
        }
        (Value::Text(left), right) => Value::Text(left.clone() + text_of(right).as_str()),
        (left, Value::Text(right)) => Value::Text(text_of(left) + right.as_str()),
        _ => Value::Null,
    })
}
