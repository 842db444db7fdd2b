//! Arithmetic: PostgreSQL's for declared types, Genji's where a type is known only from the value.
//!
//! The result type decides: integers are bounded by it, and under `Any` what cannot be computed is NULL and
//! integers overflow into doubles. Exact decimals are in `numeric`, dates and intervals in `temporal`.

use std::cmp::Ordering;

use tailwater_proto::{BigDecimal, SqlType, Value, sqlstate};

use super::{ArithmeticOp, temporal};
use crate::error::{Error, Result};
use crate::numeric;

/// `left op right`.
///
/// # Errors
/// `22003` when the result does not fit its type, `22012` for a division by zero, `2201F` for a power without a real
/// result, `22008` for dates out of range. Under `Any` none of them: the result is NULL.
#[inline]
pub(crate) fn binary(
    op: ArithmeticOp,
    left: &Value,
    right: &Value,
    result: &SqlType,
) -> Result<Value> {
    if let (Value::Int(a), Value::Int(b)) = (left, right) {
        match result {
            SqlType::Int8 => return int(op, *a, *b, result),
            SqlType::Int4 => return int(op, *a, *b, result).and_then(|sum| bounded(sum, result)),
            SqlType::Int2 => return int(op, *a, *b, result).and_then(|sum| bounded(sum, result)),
            _ => {}
        }
    }
    mixed(op, left, right, result)
}

#[inline]
fn bounded(value: Value, ty: &SqlType) -> Result<Value> {
    match (&value, ty) {
        (Value::Int(n), SqlType::Int4) if i32::try_from(*n).is_err() => Err(out_of_range(ty)),
        (Value::Int(n), SqlType::Int2) if i16::try_from(*n).is_err() => Err(out_of_range(ty)),
        _ => Ok(value),
    }
}

/// PostgreSQL's error for an integer or other number that does not fit `ty`.
#[cold]
pub(crate) fn out_of_range(ty: &SqlType) -> Error {
    Error::row(
        sqlstate::NUMERIC_VALUE_OUT_OF_RANGE,
        format!("{ty} out of range"),
    )
}

#[cold]
pub(crate) fn division_by_zero() -> Error {
    Error::row(sqlstate::DIVISION_BY_ZERO, "division by zero")
}

#[inline(never)]
fn mixed(op: ArithmeticOp, left: &Value, right: &Value, result: &SqlType) -> Result<Value> {
    if left.is_null() || right.is_null() {
        return Ok(Value::Null);
    }
    let dynamic = matches!(result, SqlType::Any | SqlType::Unknown);
    let computed = match Class::of(left, right, result) {
        Some(Class::Int(a, b)) if dynamic => return Ok(dynamic_int(op, a, b)),
        Some(Class::Double(a, b)) if dynamic => return Ok(dynamic_double(op, a, b)),
        Some(Class::Int(a, b)) => int(op, a, b, result).and_then(|value| bounded(value, result)),
        Some(Class::Real(a, b)) => real(op, a, b),
        Some(Class::Double(a, b)) => double(op, a, b).map(Value::Double),
        Some(Class::Numeric(a, b)) => decimal(op, &a, &b).map(Value::numeric),
        None => {
            temporal::binary(op, left, right).unwrap_or_else(|| Err(undefined(op, left, right)))
        }
    };
    match computed {
        Err(error) if dynamic && error.is_row_error() => Ok(Value::Null),
        other => other,
    }
}

#[cold]
fn undefined(op: ArithmeticOp, left: &Value, right: &Value) -> Error {
    Error::row(
        sqlstate::UNDEFINED_FUNCTION,
        format!(
            "operator does not exist: {} {} {}",
            left.kind_name(),
            op.symbol(),
            right.kind_name()
        ),
    )
}

/// Two numbers brought to one kind.
enum Class {
    Int(i64, i64),
    Real(f32, f32),
    Double(f64, f64),
    Numeric(BigDecimal, BigDecimal),
}

impl Class {
    /// The kind the operation is done in: the result's if that is declared, else the wider operand's.
    fn of(left: &Value, right: &Value, result: &SqlType) -> Option<Self> {
        use Value::{Int, Numeric, Real};
        let decimals = || Some(Self::Numeric(to_decimal(left)?, to_decimal(right)?));
        let doubles = || Some(Self::Double(to_double(left)?, to_double(right)?));
        match (left, right, result) {
            (Int(_) | Numeric(_), Int(_) | Numeric(_), SqlType::Numeric(_)) => decimals(),
            (_, _, SqlType::Double) => doubles(),
            (Int(a), Int(b), _) => Some(Self::Int(*a, *b)),
            (Real(a), Real(b), _) => Some(Self::Real(*a, *b)),
            (Int(_) | Numeric(_), Int(_) | Numeric(_), _) => decimals(),
            _ => doubles(),
        }
    }
}

/// The number as a double; `None` for other kinds.
pub(crate) fn to_double(value: &Value) -> Option<f64> {
    match value {
        #[expect(clippy::cast_precision_loss, reason = "as PostgreSQL's int8 to float8")]
        Value::Int(n) => Some(*n as f64),
        Value::Real(x) => Some(f64::from(*x)),
        Value::Double(x) => Some(*x),
        Value::Numeric(n) => Some(numeric::to_double(n)),
        _ => None,
    }
}

/// The number as an exact decimal; `None` for other kinds, NaN and infinities.
pub(crate) fn to_decimal(value: &Value) -> Option<BigDecimal> {
    match value {
        Value::Int(n) => Some(BigDecimal::from(*n)),
        Value::Numeric(n) => Some((**n).clone()),
        Value::Real(x) => numeric::from_real(*x),
        Value::Double(x) => numeric::from_double(*x),
        _ => None,
    }
}

#[inline]
fn int(op: ArithmeticOp, a: i64, b: i64, result: &SqlType) -> Result<Value> {
    let checked = match op {
        ArithmeticOp::Add => a.checked_add(b),
        ArithmeticOp::Subtract => a.checked_sub(b),
        ArithmeticOp::Multiply => a.checked_mul(b),
        ArithmeticOp::Divide | ArithmeticOp::Modulo if b == 0 => return Err(division_by_zero()),
        ArithmeticOp::Divide => a.checked_div(b),
        ArithmeticOp::Modulo => Some(a.wrapping_rem(b)),
        ArithmeticOp::Power => u32::try_from(b).ok().and_then(|b| a.checked_pow(b)),
        ArithmeticOp::BitAnd => Some(a & b),
        ArithmeticOp::BitOr => Some(a | b),
        ArithmeticOp::BitXor => Some(a ^ b),
        ArithmeticOp::ShiftLeft | ArithmeticOp::ShiftRight => Some(shift(op, a, b, result)),
    };
    checked.map(Value::Int).ok_or_else(|| out_of_range(result))
}

/// Shifts within the width of the type; the count wraps at the width, as on PostgreSQL's platforms.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "bits beyond the width are shifted out, the count wraps"
)]
fn shift(op: ArithmeticOp, a: i64, b: i64, result: &SqlType) -> i64 {
    let left = op == ArithmeticOp::ShiftLeft;
    match (result, left) {
        // SMALLINT is shifted as an int, then cut.
        (SqlType::Int2, true) => i64::from((a as i32).wrapping_shl(b as u32) as i16),
        (SqlType::Int4, true) => i64::from((a as i32).wrapping_shl(b as u32)),
        (SqlType::Int2 | SqlType::Int4, false) => i64::from((a as i32).wrapping_shr(b as u32)),
        (_, true) => a.wrapping_shl(b as u32),
        (_, false) => a.wrapping_shr(b as u32),
    }
}

/// Genji's integers: what overflows becomes a double, a division by zero NULL.
fn dynamic_int(op: ArithmeticOp, a: i64, b: i64) -> Value {
    if let Ok(value) = int(op, a, b, &SqlType::Int8) {
        return value;
    }
    match (to_double(&Value::Int(a)), to_double(&Value::Int(b))) {
        (Some(a), Some(b)) => dynamic_double(op, a, b),
        _ => Value::Null,
    }
}

/// Genji's doubles: infinities are results, a division by zero NULL.
fn dynamic_double(op: ArithmeticOp, a: f64, b: f64) -> Value {
    Value::Double(match op {
        ArithmeticOp::Add => a + b,
        ArithmeticOp::Subtract => a - b,
        ArithmeticOp::Multiply => a * b,
        ArithmeticOp::Divide | ArithmeticOp::Modulo if b == 0.0 => return Value::Null,
        ArithmeticOp::Divide => a / b,
        ArithmeticOp::Modulo => a % b,
        ArithmeticOp::Power => match power(a, b) {
            Ok(power) => power,
            Err(_) => return Value::Null,
        },
        ArithmeticOp::BitAnd
        | ArithmeticOp::BitOr
        | ArithmeticOp::BitXor
        | ArithmeticOp::ShiftLeft
        | ArithmeticOp::ShiftRight => return Value::Null,
    })
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "REAL arithmetic rounds once, from the exact-enough double"
)]
fn real(op: ArithmeticOp, a: f32, b: f32) -> Result<Value> {
    let wide = double(op, f64::from(a), f64::from(b))?;
    let narrow = wide as f32;
    if narrow.is_infinite() && a.is_finite() && b.is_finite() {
        return Err(overflow());
    }
    if narrow == 0.0 && wide != 0.0 {
        return Err(underflow());
    }
    Ok(Value::Real(narrow))
}

pub(crate) fn double(op: ArithmeticOp, a: f64, b: f64) -> Result<f64> {
    let value = match op {
        ArithmeticOp::Add => a + b,
        ArithmeticOp::Subtract => a - b,
        ArithmeticOp::Multiply => a * b,
        ArithmeticOp::Divide | ArithmeticOp::Modulo if b == 0.0 && !a.is_nan() => {
            return Err(division_by_zero());
        }
        ArithmeticOp::Divide => a / b,
        ArithmeticOp::Modulo => a % b,
        ArithmeticOp::Power => power(a, b)?,
        ArithmeticOp::BitAnd
        | ArithmeticOp::BitOr
        | ArithmeticOp::BitXor
        | ArithmeticOp::ShiftLeft
        | ArithmeticOp::ShiftRight => {
            return Err(undefined(op, &Value::Double(a), &Value::Double(b)));
        }
    };
    if value.is_infinite() && a.is_finite() && b.is_finite() {
        return Err(overflow());
    }
    let vanished = value == 0.0
        && match op {
            ArithmeticOp::Multiply => a != 0.0 && b != 0.0,
            ArithmeticOp::Divide | ArithmeticOp::Power => {
                a != 0.0 && a.is_finite() && b.is_finite()
            }
            _ => false,
        };
    if vanished {
        return Err(underflow());
    }
    Ok(value)
}

/// PostgreSQL's error for a floating-point result too large for its type.
#[cold]
pub(crate) fn overflow() -> Error {
    Error::row(
        sqlstate::NUMERIC_VALUE_OUT_OF_RANGE,
        "value out of range: overflow",
    )
}

/// PostgreSQL's error for a floating-point result too small for its type.
#[cold]
pub(crate) fn underflow() -> Error {
    Error::row(
        sqlstate::NUMERIC_VALUE_OUT_OF_RANGE,
        "value out of range: underflow",
    )
}

fn power(base: f64, exponent: f64) -> Result<f64> {
    if base == 0.0 && exponent < 0.0 {
        return Err(numeric::zero_to_negative_power());
    }
    if base < 0.0 && exponent.is_finite() && exponent.fract() != 0.0 {
        return Err(numeric::complex_power());
    }
    Ok(base.powf(exponent))
}

fn decimal(op: ArithmeticOp, a: &BigDecimal, b: &BigDecimal) -> Result<BigDecimal> {
    match op {
        ArithmeticOp::Add => Ok(numeric::add(a, b)),
        ArithmeticOp::Subtract => Ok(numeric::subtract(a, b)),
        ArithmeticOp::Multiply => numeric::multiply(a, b),
        ArithmeticOp::Divide => numeric::divide(a, b),
        ArithmeticOp::Modulo => numeric::modulo(a, b),
        ArithmeticOp::Power => numeric::power(a, b),
        ArithmeticOp::BitAnd
        | ArithmeticOp::BitOr
        | ArithmeticOp::BitXor
        | ArithmeticOp::ShiftLeft
        | ArithmeticOp::ShiftRight => Err(undefined(
            op,
            &Value::numeric(a.clone()),
            &Value::numeric(b.clone()),
        )),
    }
}

/// `-value`.
///
/// # Errors
/// `22003` for the least integer of a declared type; under `Any` that becomes a double, and what has no negative
/// is NULL.
pub(crate) fn negate(value: &Value, result: &SqlType) -> Result<Value> {
    let dynamic = matches!(result, SqlType::Any | SqlType::Unknown);
    match value {
        Value::Null => Ok(Value::Null),
        Value::Int(n) => match n.checked_neg() {
            Some(negative) => bounded(Value::Int(negative), result),
            None if dynamic => Ok(Value::Double(9_223_372_036_854_775_808.0)),
            None => Err(out_of_range(result)),
        },
        Value::Real(x) => Ok(Value::Real(-x)),
        Value::Double(x) => Ok(Value::Double(-x)),
        Value::Numeric(n) => Ok(Value::numeric(-&**n)),
        Value::Interval(span) => match temporal::negate(*span) {
            Err(_) if dynamic => Ok(Value::Null),
            other => other.map(Value::Interval),
        },
        _ if dynamic => Ok(Value::Null),
        other => Err(Error::row(
            sqlstate::UNDEFINED_FUNCTION,
            format!("operator does not exist: - {}", other.kind_name()),
        )),
    }
}

/// What binding needs to know of an operator: its result, and what an operand of no type yet is to become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Typing {
    /// Type of the result.
    pub result: SqlType,
    /// What the left operand is converted to before; `None`: it stays.
    pub left: Option<SqlType>,
    /// What the right operand is converted to before; `None`: it stays.
    pub right: Option<SqlType>,
}

impl ArithmeticOp {
    /// The operator as PostgreSQL writes it.
    #[must_use]
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Modulo => "%",
            Self::Power => "^",
            Self::BitAnd => "&",
            Self::BitOr => "|",
            Self::BitXor => "#",
            Self::ShiftLeft => "<<",
            Self::ShiftRight => ">>",
        }
    }

    const fn is_bitwise(self) -> bool {
        matches!(
            self,
            Self::BitAnd | Self::BitOr | Self::BitXor | Self::ShiftLeft | Self::ShiftRight
        )
    }

    /// The types of `left op right`; `None`: there is no such operator (PostgreSQL's 42883).
    ///
    /// `Any` on a side makes the result `Any`; `Unknown` takes the type that fits the other side.
    #[must_use]
    pub fn typing(self, left: &SqlType, right: &SqlType) -> Option<Typing> {
        let plain = |result| {
            Some(Typing {
                result,
                left: None,
                right: None,
            })
        };
        match (left, right) {
            (SqlType::Unknown, SqlType::Unknown) | (SqlType::Any, _) | (_, SqlType::Any) => {
                plain(SqlType::Any)
            }
            (SqlType::Unknown, known) => {
                let guess = temporal::guess(self, known, true);
                let found = self.typing(&guess, known)?;
                Some(Typing {
                    left: Some(guess),
                    ..found
                })
            }
            (known, SqlType::Unknown) => {
                let guess = temporal::guess(self, known, false);
                let found = self.typing(known, &guess)?;
                Some(Typing {
                    right: Some(guess),
                    ..found
                })
            }
            (left, right) if left.is_numeric() && right.is_numeric() => {
                self.number_result(left, right).and_then(plain)
            }
            _ => temporal::result_type(self, left, right).and_then(plain),
        }
    }

    fn number_result(self, left: &SqlType, right: &SqlType) -> Option<SqlType> {
        let integers = left.is_integer() && right.is_integer();
        match self {
            _ if self.is_bitwise() && !integers => None,
            // The count is an INTEGER, as in PostgreSQL.
            Self::ShiftLeft | Self::ShiftRight => (*right != SqlType::Int8).then(|| left.clone()),
            Self::Power if integers => Some(SqlType::Double),
            _ if integers => Some(if width(left).cmp(&width(right)) == Ordering::Less {
                right.clone()
            } else {
                left.clone()
            }),
            Self::Power if *left == SqlType::Real || *right == SqlType::Real => {
                Some(SqlType::Double)
            }
            _ => Some(match (left, right) {
                (SqlType::Real, SqlType::Real) => SqlType::Real,
                (SqlType::Real | SqlType::Double, _) | (_, SqlType::Real | SqlType::Double) => {
                    SqlType::Double
                }
                _ => SqlType::Numeric(None),
            }),
        }
    }
}

const fn width(ty: &SqlType) -> u8 {
    match ty {
        SqlType::Int2 => 2,
        SqlType::Int4 => 4,
        _ => 8,
    }
}
