//! `cast`: a value as another type, by PostgreSQL's rules for values; which casts may be written is in `coerce`.
//!
//! Text is read and written by `tailwater_proto::text`. There is one time zone, UTC.

use std::sync::Arc;

use tailwater_proto::{
    BigDecimal, EcoString, SqlType, TextError, Value, parse_json, parse_text, sqlstate,
};

use crate::civil::{self, DAY_US};
use crate::coerce::base;
use crate::error::{Error, Result};
use crate::expr::CastMode;
use crate::numeric;

/// The value as type `to`. NULL stays NULL, `Any` changes nothing.
///
/// # Errors
/// `42846` where there is no such cast, `22P02`, `22007`, `22008` for text that is no value of the type, `22003`
/// for numbers out of its range, `22001` for text too long on assignment.
pub fn cast(value: &Value, to: &SqlType, mode: CastMode) -> Result<Value> {
    if value.is_null() {
        return Ok(Value::Null);
    }
    match (value, to) {
        (_, SqlType::Any | SqlType::Unknown)
        | (Value::Bool(_), SqlType::Bool)
        | (Value::Int(_), SqlType::Int8)
        | (Value::Double(_), SqlType::Double)
        | (Value::Real(_), SqlType::Real)
        | (Value::Numeric(_), SqlType::Numeric(None))
        | (Value::Text(_), SqlType::Text | SqlType::Varchar(None))
        | (Value::Bytes(_), SqlType::Bytea)
        | (Value::Date(_), SqlType::Date)
        | (Value::Time(_), SqlType::Time)
        | (Value::Timestamp(_), SqlType::Timestamp)
        | (Value::TimestampTz(_), SqlType::TimestampTz)
        | (Value::Interval(_), SqlType::Interval)
        | (Value::Uuid(_), SqlType::Uuid)
        | (Value::Json(_), SqlType::Json)
        | (Value::Document(_), SqlType::Document) => Ok(value.clone()),
        (_, SqlType::Text | SqlType::Varchar(None)) => Ok(Value::Text(text_of(value))),
        (_, SqlType::Char(length)) => fit_text(text_of(value), *length, to, mode)
            .map(|text| Value::text(text.trim_end_matches(' '))),
        (_, SqlType::Varchar(Some(length))) => {
            fit_text(text_of(value), *length, to, mode).map(Value::Text)
        }
        (Value::Text(text), _) => from_text(text, to, mode),
        (_, SqlType::Bool) => to_bool(value, to),
        (_, SqlType::Int2 | SqlType::Int4 | SqlType::Int8) => to_int(value, to),
        (_, SqlType::Real) => to_real(value, to),
        (_, SqlType::Double) => to_double(value, to),
        (_, SqlType::Numeric(limits)) => to_numeric(value, *limits, to),
        (_, SqlType::Json) => to_json(value, to),
        (_, SqlType::Array(element)) => to_array(value, element, to, mode),
        (_, SqlType::Document) => match value.unwrap_json() {
            Value::Document(document) => Ok(Value::Document(Arc::clone(document))),
            _ => Err(no_cast(value, to)),
        },
        (
            _,
            SqlType::Date
            | SqlType::Time
            | SqlType::Timestamp
            | SqlType::TimestampTz
            | SqlType::Interval,
        ) => to_temporal(value, to),
        (_, SqlType::Bytea | SqlType::Uuid) => Err(no_cast(value, to)),
    }
}

/// The value as TEXT: booleans in full, everything else as it is shown.
#[must_use]
pub fn text_of(value: &Value) -> EcoString {
    match value {
        Value::Text(text) => text.clone(),
        Value::Bool(truth) => EcoString::from(if *truth { "true" } else { "false" }),
        other => ecow::eco_format!("{other}"),
    }
}

fn from_text(text: &str, to: &SqlType, mode: CastMode) -> Result<Value> {
    match to {
        // Arrays of documents and schemaless columns are written as JSON, PostgreSQL's arrays in braces.
        SqlType::Array(element) if text.trim_start().starts_with('[') => {
            let json = parse_json(text).map_err(text_error)?;
            to_array(&json, element, to, mode)
        }
        _ => parse_text(text, to).map_err(text_error),
    }
}

/// What reading a text said, as an error of the row it stands in.
pub(crate) fn text_error(error: TextError) -> Error {
    Error::row(error.sqlstate, error.message)
}

/// Text cut to `length` characters; on assignment only blanks may be lost.
fn fit_text(text: EcoString, length: u32, to: &SqlType, mode: CastMode) -> Result<EcoString> {
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if text.len() <= length {
        return Ok(text);
    }
    let Some((end, _)) = text.char_indices().nth(length) else {
        return Ok(text);
    };
    let (kept, cut) = text.split_at(end);
    if mode != CastMode::Explicit && !cut.chars().all(|character| character == ' ') {
        return Err(Error::row(
            sqlstate::STRING_DATA_RIGHT_TRUNCATION,
            format!("value too long for type {to}"),
        ));
    }
    Ok(EcoString::from(kept))
}

#[cold]
fn no_cast(value: &Value, to: &SqlType) -> Error {
    if let Value::Json(inner) = value {
        return Error::row(
            sqlstate::INVALID_PARAMETER_VALUE,
            format!("cannot cast json {} to type {to}", inner.kind_name()),
        );
    }
    Error::row(
        sqlstate::CANNOT_COERCE,
        format!("cannot cast type {} to {}", type_name(value), base(to)),
    )
}

/// PostgreSQL's name of the type a value is of.
#[must_use]
pub fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "unknown",
        Value::Double(_) => "double precision",
        Value::Time(_) => "time without time zone",
        Value::Timestamp(_) => "timestamp without time zone",
        Value::TimestampTz(_) => "timestamp with time zone",
        Value::Bytes(_) => "bytea",
        other => other.kind_name(),
    }
}

fn to_bool(value: &Value, to: &SqlType) -> Result<Value> {
    match value.unwrap_json() {
        Value::Bool(truth) => Ok(Value::Bool(*truth)),
        Value::Int(n) => Ok(Value::Bool(*n != 0)),
        _ => Err(no_cast(value, to)),
    }
}

fn to_int(value: &Value, to: &SqlType) -> Result<Value> {
    let whole = match value.unwrap_json() {
        Value::Int(n) => Some(*n),
        Value::Bool(truth) => Some(i64::from(*truth)),
        Value::Real(x) => whole_double(f64::from(*x)),
        Value::Double(x) => whole_double(*x),
        Value::Numeric(n) => numeric::to_int(n),
        _ => return Err(no_cast(value, to)),
    };
    let fits = |n: &i64| match to {
        SqlType::Int2 => i16::try_from(*n).is_ok(),
        SqlType::Int4 => i32::try_from(*n).is_ok(),
        _ => true,
    };
    whole.filter(fits).map(Value::Int).ok_or_else(|| {
        Error::row(
            sqlstate::NUMERIC_VALUE_OUT_OF_RANGE,
            format!("{to} out of range"),
        )
    })
}

/// The nearest whole number, halves to even, if it is an `i64`.
fn whole_double(x: f64) -> Option<i64> {
    let rounded = x.round_ties_even();
    #[expect(clippy::cast_possible_truncation, reason = "checked")]
    (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0)
        .contains(&rounded)
        .then_some(rounded as i64)
}

fn number(value: &Value, to: &SqlType) -> Result<f64> {
    crate::expr::to_double(value.unwrap_json()).ok_or_else(|| no_cast(value, to))
}

fn to_double(value: &Value, to: &SqlType) -> Result<Value> {
    let x = number(value, to)?;
    if x.is_infinite() && matches!(value, Value::Numeric(_)) {
        return Err(crate::expr::overflow());
    }
    Ok(Value::Double(x))
}

fn to_real(value: &Value, to: &SqlType) -> Result<Value> {
    let wide = number(value, to)?;
    #[expect(clippy::cast_possible_truncation, reason = "rounds; checked below")]
    let narrow = wide as f32;
    if narrow.is_infinite() && (wide.is_finite() || matches!(value, Value::Numeric(_))) {
        return Err(crate::expr::overflow());
    }
    if narrow == 0.0 && wide != 0.0 {
        return Err(crate::expr::underflow());
    }
    Ok(Value::Real(narrow))
}

fn to_numeric(value: &Value, limits: Option<(u16, i16)>, to: &SqlType) -> Result<Value> {
    let exact = match value.unwrap_json() {
        Value::Int(n) => Some(BigDecimal::from(*n)),
        Value::Numeric(n) => Some((**n).clone()),
        Value::Real(x) => numeric::from_real(*x),
        Value::Double(x) => numeric::from_double(*x),
        _ => return Err(no_cast(value, to)),
    };
    let exact = exact.ok_or_else(|| {
        Error::row(
            sqlstate::FEATURE_NOT_SUPPORTED,
            "cannot convert NaN or infinity to numeric",
        )
    })?;
    Ok(Value::numeric(match limits {
        None => exact,
        Some((precision, scale)) => numeric::fit(&exact, precision, scale)?,
    }))
}

fn to_json(value: &Value, to: &SqlType) -> Result<Value> {
    match value {
        Value::Bool(_)
        | Value::Int(_)
        | Value::Real(_)
        | Value::Double(_)
        | Value::Numeric(_)
        | Value::Array(_)
        | Value::Document(_) => Ok(Value::Json(Arc::new(value.clone()))),
        _ => Err(no_cast(value, to)),
    }
}

fn to_array(value: &Value, element: &SqlType, to: &SqlType, mode: CastMode) -> Result<Value> {
    let Value::Array(elements) = value.unwrap_json() else {
        return Err(no_cast(value, to));
    };
    if *element == SqlType::Any {
        return Ok(Value::Array(Arc::clone(elements)));
    }
    // PostgreSQL's arrays have any number of dimensions under one type.
    let cast_one = |inner: &Value| match inner {
        Value::Array(_) if !matches!(element, SqlType::Array(_)) => cast(inner, to, mode),
        _ => cast(inner, element, mode),
    };
    elements
        .iter()
        .map(cast_one)
        .collect::<Result<_>>()
        .map(Value::Array)
}

fn to_temporal(value: &Value, to: &SqlType) -> Result<Value> {
    Ok(match (value, to) {
        (Value::Timestamp(micros) | Value::TimestampTz(micros), SqlType::Date) => {
            Value::Date(civil::day_of(*micros))
        }
        (Value::Date(days), SqlType::Timestamp) => Value::Timestamp(civil::midnight(*days)?),
        (Value::Date(days), SqlType::TimestampTz) => Value::TimestampTz(civil::midnight(*days)?),
        (Value::Timestamp(micros), SqlType::TimestampTz) => Value::TimestampTz(*micros),
        (Value::TimestampTz(micros), SqlType::Timestamp) => Value::Timestamp(*micros),
        (Value::Timestamp(micros) | Value::TimestampTz(micros), SqlType::Time) => {
            if *micros == i64::MAX || *micros == i64::MIN {
                Value::Null
            } else {
                Value::Time(micros.rem_euclid(DAY_US))
            }
        }
        (Value::Interval(span), SqlType::Time) => Value::Time(span.micros.rem_euclid(DAY_US)),
        (Value::Time(micros), SqlType::Interval) => Value::Interval(tailwater_proto::Interval {
            micros: *micros,
            ..Default::default()
        }),
        _ => return Err(no_cast(value, to)),
    })
}
