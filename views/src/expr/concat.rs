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
        (Value::Array(left), Value::Array(right)) => joined(left, right),
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
            let joined = match (left.unwrap_json(), right.unwrap_json()) {
                (left @ Value::Document(_), right @ Value::Document(_)) => concat(left, right)?,
                (left, right) => Value::array([json_elements(left), json_elements(right)].concat()),
            };
            Value::Json(joined.into())
        }
        (Value::Text(left), right) => Value::Text(left.clone() + text_of(right).as_str()),
        (left, Value::Text(right)) => Value::Text(text_of(left) + right.as_str()),
        _ => Value::Null,
    })
}

/// Both arrays as one; an array of one dimension less is an element of the other, as in PostgreSQL.
pub(crate) fn joined(left: &[Value], right: &[Value]) -> Value {
    let (of_left, of_right) = (dimensions(left), dimensions(right));
    if left.is_empty() || right.is_empty() || of_left == of_right {
        return Value::Array(left.iter().chain(right).cloned().collect());
    }
    let as_element = |array: &[Value]| vec![Value::Array(array.into())];
    Value::Array(if of_left == of_right + 1 {
        left.iter().cloned().chain(as_element(right)).collect()
    } else if of_right == of_left + 1 {
        as_element(left)
            .into_iter()
            .chain(right.iter().cloned())
            .collect()
    } else {
        left.iter().chain(right).cloned().collect()
    })
}

/// How deep arrays stand in arrays, by the first of each.
fn dimensions(array: &[Value]) -> usize {
    match array.first() {
        Some(Value::Array(inner)) => 1 + dimensions(inner),
        _ => 1,
    }
}

/// The elements of a JSON array; anything else is the one element of an array.
fn json_elements(value: &Value) -> Vec<Value> {
    match value {
        Value::Array(elements) => elements.to_vec(),
        Value::Json(null) => vec![(**null).clone()],
        other => vec![other.clone()],
    }
}
