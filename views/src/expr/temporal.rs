//! Arithmetic on dates, times, points in time and intervals, and the types it has.
//!
//! There is one time zone, UTC, so TIMESTAMPTZ moves as TIMESTAMP does.

use tailwater_proto::{Interval, SqlType, Value, sqlstate};

use super::{ArithmeticOp, arithmetic};
use crate::civil::{self, DAY_US};
use crate::error::{Error, Result};

/// `left op right` if one of them is a date, time or interval; `None` if there is no such operator.
pub(crate) fn binary(op: ArithmeticOp, left: &Value, right: &Value) -> Option<Result<Value>> {
    match op {
        ArithmeticOp::Add => add(left, right).or_else(|| add(right, left)),
        ArithmeticOp::Subtract => subtract(left, right),
        ArithmeticOp::Multiply => multiply(left, right).or_else(|| multiply(right, left)),
        ArithmeticOp::Divide => {
            let Value::Interval(span) = left else {
                return None;
            };
            let divisor = arithmetic::to_double(right)?;
            Some(if divisor == 0.0 {
                Err(arithmetic::division_by_zero())
            } else {
                scaled(*span, |part| part / divisor).map(Value::Interval)
            })
        }
        ArithmeticOp::Modulo
        | ArithmeticOp::Power
        | ArithmeticOp::BitAnd
        | ArithmeticOp::BitOr
        | ArithmeticOp::BitXor
        | ArithmeticOp::ShiftLeft
        | ArithmeticOp::ShiftRight => None,
    }
}

fn add(left: &Value, right: &Value) -> Option<Result<Value>> {
    Some(match (left, right) {
        (Value::Date(days), Value::Int(count)) => plus_days(*days, *count).map(Value::Date),
        (Value::Date(days), Value::Interval(span)) => civil::midnight(*days)
            .and_then(|micros| civil::plus_interval(micros, *span))
            .map(Value::Timestamp),
        (Value::Date(days), Value::Time(time)) => civil::midnight(*days)
            .and_then(|micros| civil::plus_interval(micros, micros_only(*time)))
            .map(Value::Timestamp),
        (Value::Timestamp(micros), Value::Interval(span)) => {
            civil::plus_interval(*micros, *span).map(Value::Timestamp)
        }
        (Value::TimestampTz(micros), Value::Interval(span)) => {
            civil::plus_interval(*micros, *span).map(Value::TimestampTz)
        }
        (Value::Time(time), Value::Interval(span)) => Ok(Value::Time(wrapped(*time, *span))),
        (Value::Interval(a), Value::Interval(b)) => sum(*a, *b).map(Value::Interval),
        _ => return None,
    })
}

fn subtract(left: &Value, right: &Value) -> Option<Result<Value>> {
    Some(match (left, right) {
        (Value::Date(days), Value::Int(count)) => count
            .checked_neg()
            .ok_or_else(|| Error::row(sqlstate::DATETIME_FIELD_OVERFLOW, "date out of range"))
            .and_then(|count| plus_days(*days, count))
            .map(Value::Date),
        (Value::Date(a), Value::Date(b)) => {
            if [a, b]
                .iter()
                .any(|days| matches!(**days, i32::MAX | i32::MIN))
            {
                Err(Error::row(
                    sqlstate::DATETIME_FIELD_OVERFLOW,
                    "cannot subtract infinite dates",
                ))
            } else {
                Ok(Value::Int(i64::from(*a) - i64::from(*b)))
            }
        }
        (
            Value::Timestamp(_) | Value::TimestampTz(_) | Value::Date(_),
            Value::Timestamp(_) | Value::TimestampTz(_) | Value::Date(_),
        ) => difference(left, right).map(Value::Interval),
        (Value::Time(a), Value::Time(b)) => Ok(Value::Interval(micros_only(a - b))),
        (Value::Date(days), Value::Time(time)) => civil::midnight(*days)
            .and_then(|micros| civil::plus_interval(micros, micros_only(-time)))
            .map(Value::Timestamp),
        (_, Value::Interval(span)) => match negate(*span) {
            Ok(back) => return add(left, &Value::Interval(back)),
            Err(error) => Err(error),
        },
        _ => return None,
    })
}

fn multiply(left: &Value, right: &Value) -> Option<Result<Value>> {
    let Value::Interval(span) = left else {
        return None;
    };
    let factor = arithmetic::to_double(right)?;
    Some(scaled(*span, |part| part * factor).map(Value::Interval))
}

fn plus_days(days: i32, count: i64) -> Result<i32> {
    if matches!(days, i32::MAX | i32::MIN) {
        return Ok(days);
    }
    civil::date(i64::from(days).saturating_add(count))
}

const fn micros_only(micros: i64) -> Interval {
    Interval {
        months: 0,
        days: 0,
        micros,
    }
}

/// A time of day moved by the part of an interval below days, round the clock.
#[expect(clippy::cast_possible_truncation, reason = "less than a day")]
const fn wrapped(time: i64, span: Interval) -> i64 {
    (time as i128 + span.micros as i128).rem_euclid(DAY_US as i128) as i64
}

/// The time between two points, in days of 24 hours and microseconds.
///
/// # Errors
/// `22008` if one is infinite or the difference does not fit.
pub(crate) fn difference(left: &Value, right: &Value) -> Result<Interval> {
    let (Some(a), Some(b)) = (instant(left)?, instant(right)?) else {
        return Err(Error::row(
            sqlstate::DATETIME_FIELD_OVERFLOW,
            "cannot subtract infinite timestamps",
        ));
    };
    let micros = a.checked_sub(b).ok_or_else(interval_out_of_range)?;
    Ok(Interval {
        months: 0,
        days: i32::try_from(micros / DAY_US).map_err(|_| interval_out_of_range())?,
        micros: micros % DAY_US,
    })
}

/// Microseconds of a point in time; `None` for infinities and other kinds.
fn instant(value: &Value) -> Result<Option<i64>> {
    let micros = match value {
        Value::Timestamp(micros) | Value::TimestampTz(micros) => *micros,
        Value::Date(days) => civil::midnight(*days)?,
        _ => return Ok(None),
    };
    Ok((micros != i64::MAX && micros != i64::MIN).then_some(micros))
}

#[cold]
fn interval_out_of_range() -> Error {
    Error::row(sqlstate::DATETIME_FIELD_OVERFLOW, "interval out of range")
}

fn sum(a: Interval, b: Interval) -> Result<Interval> {
    let parts = || {
        Some(Interval {
            months: a.months.checked_add(b.months)?,
            days: a.days.checked_add(b.days)?,
            micros: a.micros.checked_add(b.micros)?,
        })
    };
    parts().ok_or_else(interval_out_of_range)
}

/// The interval the other way.
///
/// # Errors
/// `22008` if a part has no negative.
pub(crate) fn negate(span: Interval) -> Result<Interval> {
    let parts = || {
        Some(Interval {
            months: span.months.checked_neg()?,
            days: span.days.checked_neg()?,
            micros: span.micros.checked_neg()?,
        })
    };
    parts().ok_or_else(interval_out_of_range)
}

/// Each part scaled; what is left of months runs into days of a 30-day month, of days into hours, as in PostgreSQL.
fn scaled(span: Interval, scale: impl Fn(f64) -> f64) -> Result<Interval> {
    const SECONDS_PER_DAY: f64 = 86_400.0;
    const MICROS_PER_SECOND: f64 = 1e6;
    let to_microseconds = |x: f64| (x * MICROS_PER_SECOND).round_ties_even() / MICROS_PER_SECOND;
    let months = scale(f64::from(span.months));
    let days = scale(f64::from(span.days));
    let month_rest = to_microseconds((months - months.trunc()) * 30.0);
    let mut second_rest =
        to_microseconds((days - days.trunc() + month_rest - month_rest.trunc()) * SECONDS_PER_DAY);
    let mut whole_days = days.trunc() + month_rest.trunc();
    if second_rest.abs() >= SECONDS_PER_DAY {
        let carried = (second_rest / SECONDS_PER_DAY).trunc();
        whole_days += carried;
        second_rest -= carried * SECONDS_PER_DAY;
    }
    #[expect(clippy::cast_precision_loss, reason = "PostgreSQL scales in doubles")]
    let micros = (scale(span.micros as f64) + second_rest * MICROS_PER_SECOND).round_ties_even();
    Ok(Interval {
        months: within_i32(months.trunc())?,
        days: within_i32(whole_days)?,
        micros: within_i64(micros)?,
    })
}

#[expect(clippy::cast_possible_truncation, reason = "checked")]
fn within_i32(x: f64) -> Result<i32> {
    if x >= f64::from(i32::MIN) && x <= f64::from(i32::MAX) {
        Ok(x as i32)
    } else {
        Err(interval_out_of_range())
    }
}

#[expect(clippy::cast_possible_truncation, reason = "checked")]
fn within_i64(x: f64) -> Result<i64> {
    if (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&x) {
        Ok(x as i64)
    } else {
        Err(interval_out_of_range())
    }
}

/// The type of `left op right` for declared types of which one is a date, time or interval.
pub(crate) fn result_type(op: ArithmeticOp, left: &SqlType, right: &SqlType) -> Option<SqlType> {
    use SqlType::{Date, Interval, Time, Timestamp, TimestampTz};
    match op {
        ArithmeticOp::Add => sum_type(left, right).or_else(|| sum_type(right, left)),
        ArithmeticOp::Subtract => match (left, right) {
            (Date, right) if right.is_integer() => Some(Date),
            (Date, Date) => Some(SqlType::Int4),
            (Date | Timestamp | TimestampTz, Date | Timestamp | TimestampTz) | (Time, Time) => {
                Some(Interval)
            }
            (Date, Time) => Some(Timestamp),
            (_, Interval) => sum_type(left, right),
            _ => None,
        },
        ArithmeticOp::Multiply => match (left, right) {
            (Interval, number) | (number, Interval) if number.is_numeric() => Some(Interval),
            _ => None,
        },
        ArithmeticOp::Divide => (*left == Interval && right.is_numeric()).then_some(Interval),
        ArithmeticOp::Modulo
        | ArithmeticOp::Power
        | ArithmeticOp::BitAnd
        | ArithmeticOp::BitOr
        | ArithmeticOp::BitXor
        | ArithmeticOp::ShiftLeft
        | ArithmeticOp::ShiftRight => None,
    }
}

fn sum_type(left: &SqlType, right: &SqlType) -> Option<SqlType> {
    use SqlType::{Date, Interval, Time, Timestamp, TimestampTz};
    match (left, right) {
        (Date, right) if right.is_integer() => Some(Date),
        (Date, Interval | Time) => Some(Timestamp),
        (Timestamp | TimestampTz | Time | Interval, Interval) => Some(left.clone()),
        _ => None,
    }
}

/// What an untyped literal beside `known` is taken for; `left`: it is the left operand.
pub(crate) fn guess(op: ArithmeticOp, known: &SqlType, left: bool) -> SqlType {
    match (op, known) {
        (
            ArithmeticOp::Add,
            SqlType::Date | SqlType::Time | SqlType::Timestamp | SqlType::TimestampTz,
        ) => SqlType::Interval,
        (ArithmeticOp::Subtract, SqlType::Interval) if left => SqlType::TimestampTz,
        (ArithmeticOp::Multiply | ArithmeticOp::Divide, SqlType::Interval) => SqlType::Double,
        (_, ty) if ty.is_numeric() => match ty {
            SqlType::Numeric(_) => SqlType::Numeric(None),
            other => other.clone(),
        },
        (_, other) => other.clone(),
    }
}
