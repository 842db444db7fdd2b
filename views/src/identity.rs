//! Identity of values: same kind, same content, same scale, same order of fields.
//!
//! Finer than equality: 1, 1.0 and numeric 1.00 are equal, but a view that shows one is changed by showing another.
//! Deltas are dropped only when before and after are identical. For order and grouping see proto's `compare`.

use tailwater_proto::Value;

/// Whether both rows show the same.
#[must_use]
pub fn rows_identical(a: &[Value], b: &[Value]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| values_identical(a, b))
}

/// Whether both values show the same.
#[must_use]
pub fn values_identical(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Null, Value::Null) => true,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Int(a), Value::Int(b)) => a == b,
        (Value::Real(a), Value::Real(b)) => a.to_bits() == b.to_bits(),
        (Value::Double(a), Value::Double(b)) => a.to_bits() == b.to_bits(),
        (Value::Numeric(a), Value::Numeric(b)) => {
            a.fractional_digit_count() == b.fractional_digit_count() && a == b
        }
        (Value::Date(a), Value::Date(b)) => a == b,
        (Value::Time(a), Value::Time(b))
        | (Value::Timestamp(a), Value::Timestamp(b))
        | (Value::TimestampTz(a), Value::TimestampTz(b)) => a == b,
        (Value::Interval(a), Value::Interval(b)) => {
            (a.months, a.days, a.micros) == (b.months, b.days, b.micros)
        }
        (Value::Uuid(a), Value::Uuid(b)) => a == b,
        (Value::Text(a), Value::Text(b)) => a == b,
        (Value::Bytes(a), Value::Bytes(b)) => a == b,
        (Value::Json(a), Value::Json(b)) => values_identical(a, b),
        (Value::Array(a), Value::Array(b)) => rows_identical(a, b),
        (Value::Document(a), Value::Document(b)) => {
            a.len() == b.len()
                && a.iter()
                    .zip(b.iter())
                    .all(|((a_name, a), (b_name, b))| a_name == b_name && values_identical(a, b))
        }
        _ => false,
    }
}
