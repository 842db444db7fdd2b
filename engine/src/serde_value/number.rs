//! Numbers of any kind as the Rust number that was asked for.
//!
//! Integers are exact or an error: 3.0 is read as 3, 3.5 is not. A floating-point number gets every integer it can
//! hold exactly, and of fractions the nearest: `avg` of whole numbers has more digits than any double.

use std::str::FromStr;

use serde::de::{self, Unexpected, Visitor};
use tailwater_proto::{BigDecimal, Value};

use super::error::{Result, SerdeError};

/// 2^127, the first double beyond `i128`.
const TWO_POW_127: f64 = 170_141_183_460_469_231_731_687_303_715_884_105_728.0;

/// A whole number, in the first of these types that holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whole {
    I64(i64),
    U64(u64),
    I128(i128),
    U128(u128),
}

impl Whole {
    fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Int(n) => Some(Self::I64(*n)),
            Value::Real(x) => Self::of_double(f64::from(*x)),
            Value::Double(x) => Self::of_double(*x),
            Value::Numeric(d) if d.is_integer() => {
                let (digits, _) = d.with_scale(0).into_bigint_and_exponent();
                match i128::try_from(&digits) {
                    Ok(n) => Some(Self::of_i128(n)),
                    Err(_) => u128::try_from(&digits).ok().map(Self::U128),
                }
            }
            _ => None,
        }
    }

    fn of_double(x: f64) -> Option<Self> {
        let whole = x.fract() == 0.0 && (-TWO_POW_127..TWO_POW_127).contains(&x);
        #[expect(clippy::cast_possible_truncation, reason = "whole and within i128")]
        whole.then(|| Self::of_i128(x as i128))
    }

    fn of_i128(n: i128) -> Self {
        i64::try_from(n)
            .map(Self::I64)
            .or_else(|_| u64::try_from(n).map(Self::U64))
            .unwrap_or(Self::I128(n))
    }

    fn visit<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self {
            Self::I64(n) => visitor.visit_i64(n),
            Self::U64(n) => visitor.visit_u64(n),
            Self::I128(n) => visitor.visit_i128(n),
            Self::U128(n) => visitor.visit_u128(n),
        }
    }
}

/// Reads an integer, which the visitor checks against its own range.
pub(super) fn visit_integer<'de, V: Visitor<'de>>(value: &Value, visitor: V) -> Result<V::Value> {
    match Whole::of(value) {
        Some(whole) => whole.visit(visitor),
        None => Err(invalid(value, &visitor)),
    }
}

/// Reads a double.
pub(super) fn visit_f64<'de, V: Visitor<'de>>(value: &Value, visitor: V) -> Result<V::Value> {
    #[expect(clippy::cast_precision_loss, reason = "looked at by `exact`")]
    match value {
        Value::Int(n) if exact(*n, *n as f64) => visitor.visit_f64(*n as f64),
        Value::Real(x) => visitor.visit_f32(*x),
        Value::Double(x) => visitor.visit_f64(*x),
        Value::Numeric(_) => match nearest(value) {
            Some(x) => visitor.visit_f64(x),
            None => Err(invalid(value, &visitor)),
        },
        _ => Err(invalid(value, &visitor)),
    }
}

/// Reads a 32-bit float.
pub(super) fn visit_f32<'de, V: Visitor<'de>>(value: &Value, visitor: V) -> Result<V::Value> {
    #[expect(clippy::cast_precision_loss, reason = "looked at by `exact`")]
    #[expect(clippy::cast_possible_truncation, reason = "a float was asked for")]
    match value {
        Value::Int(n) if exact(*n, f64::from(*n as f32)) => visitor.visit_f32(*n as f32),
        Value::Real(x) => visitor.visit_f32(*x),
        Value::Double(x) if !x.is_finite() || (*x as f32).is_finite() => {
            visitor.visit_f32(*x as f32)
        }
        Value::Numeric(_) => match nearest(value) {
            Some(x) if (x as f32).is_finite() => visitor.visit_f32(x as f32),
            _ => Err(invalid(value, &visitor)),
        },
        _ => Err(invalid(value, &visitor)),
    }
}

/// Reads a NUMERIC where any type will do, without losing a digit: as an integer, else as a double that prints the
/// same digits, else as text.
pub(super) fn visit_numeric<'de, V: Visitor<'de>>(
    value: &Value,
    number: &BigDecimal,
    visitor: V,
) -> Result<V::Value> {
    if let Some(whole @ (Whole::I64(_) | Whole::U64(_))) = Whole::of(value) {
        return whole.visit(visitor);
    }
    match nearest(value) {
        Some(x)
            if BigDecimal::from_str(&format!("{x:?}")).is_ok_and(|digits| digits == *number) =>
        {
            visitor.visit_f64(x)
        }
        _ => visitor.visit_string(value.to_string()),
    }
}

/// Whether a double is that integer. Compared as `i128`, for 2^63 is no `i64`.
#[expect(clippy::cast_possible_truncation, reason = "it came from an i64")]
fn exact(n: i64, x: f64) -> bool {
    x as i128 == i128::from(n)
}

/// The nearest finite double of a NUMERIC.
fn nearest(value: &Value) -> Option<f64> {
    let x: f64 = value.to_string().parse().ok()?;
    x.is_finite().then_some(x)
}

/// A number that does not fit the type, or no number at all.
fn invalid(value: &Value, expected: &dyn de::Expected) -> SerdeError {
    match value {
        Value::Int(n) => de::Error::invalid_value(Unexpected::Signed(*n), expected),
        Value::Real(x) => de::Error::invalid_value(Unexpected::Float(f64::from(*x)), expected),
        Value::Double(x) => de::Error::invalid_value(Unexpected::Float(*x), expected),
        Value::Numeric(_) => {
            de::Error::invalid_value(Unexpected::Other(&format!("numeric `{value}`")), expected)
        }
        _ => super::de::mismatch(value, expected),
    }
}
