//! JSON text to values and back: RFC 8259 to the letter, integers that fit as `Int`, other numbers as `Double`.
//!
//! Kinds JSON has no form for are written as text (bytes as base64, points in time as ISO 8601) and come back through
//! `value_from_json` where the type is known. Parsing is serde_json's; nesting ends at 127.

use std::collections::HashMap;
use std::fmt::{self, Write};
use std::sync::Arc;

use bigdecimal::num_traits::FromPrimitive;
use bigdecimal::{BigDecimal, ToPrimitive};
use ecow::EcoString;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::datetime::{Separator, write_date, write_time, write_timestamp};
use crate::document::Document;
use crate::error::TextError;
use crate::interval::write_iso;
use crate::sql_type::SqlType;
use crate::sqlstate;
use crate::text::{write_numeric, write_uuid};
use crate::text_input::{fit_numeric, parse_text};
use crate::value::Value;

/// Documents with more fields look names up instead of comparing them one by one.
const FIELDS_SCANNED_MAX: usize = 16;

/// Whether blanks follow colons and commas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonStyle {
    /// `{"a":1}`
    Compact,
    /// `{"a": 1}`, as PostgreSQL prints jsonb.
    Spaced,
}

/// The value of a JSON text: documents, arrays, text, BOOL, `Int`, `Double`, and `Null` for `null`.
/// Of fields of one name the last counts, in the place of the first.
///
/// # Errors
/// `22P02` for what is no JSON, saying where; `22003` for a number beyond double precision.
pub fn parse_json(text: &str) -> Result<Value, TextError> {
    parse_json_bytes(text.as_bytes())
}

/// As [`parse_json`], of bytes that must be UTF-8.
///
/// # Errors
/// As [`parse_json`].
pub fn parse_json_bytes(bytes: &[u8]) -> Result<Value, TextError> {
    let mut parser = serde_json::Deserializer::from_slice(bytes);
    JsonValue
        .deserialize(&mut parser)
        .and_then(|value| parser.end().map(|()| value))
        .map_err(|error| {
            let message = error.to_string();
            let sqlstate = if message.starts_with("number out of range") {
                sqlstate::NUMERIC_VALUE_OUT_OF_RANGE
            } else {
                sqlstate::INVALID_TEXT_REPRESENTATION
            };
            TextError::new(
                sqlstate,
                format!("invalid input syntax for type json: {message}"),
            )
        })
}

/// Reads any serde source of JSON's shape as a [`Value`].
#[derive(Clone, Copy, Debug)]
pub struct JsonValue;

impl<'de> DeserializeSeed<'de> for JsonValue {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<Value, D::Error> {
        source.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for JsonValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: de::Error>(self, truth: bool) -> Result<Value, E> {
        Ok(Value::Bool(truth))
    }

    fn visit_i64<E: de::Error>(self, n: i64) -> Result<Value, E> {
        Ok(Value::Int(n))
    }

    fn visit_u64<E: de::Error>(self, n: u64) -> Result<Value, E> {
        Ok(i64::try_from(n).map_or(Value::Double(n as f64), Value::Int))
    }

    fn visit_f64<E: de::Error>(self, x: f64) -> Result<Value, E> {
        Ok(Value::Double(x))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut source: A) -> Result<Value, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = source.next_element_seed(Self)? {
            elements.push(element);
        }
        Ok(Value::array(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut source: A) -> Result<Value, A::Error> {
        let mut fields: Vec<(EcoString, Value)> = Vec::new();
        let mut places: HashMap<EcoString, usize> = HashMap::new();
        while let Some(name) = source.next_key::<String>()? {
            let name = EcoString::from(name);
            let value = source.next_value_seed(Self)?;
            let place = if fields.len() <= FIELDS_SCANNED_MAX {
                fields.iter().position(|(field, _)| *field == name)
            } else {
                if places.is_empty() {
                    places = fields
                        .iter()
                        .map(|(name, _)| name.clone())
                        .zip(0..)
                        .collect();
                }
                let next = fields.len();
                let place = *places.entry(name.clone()).or_insert(next);
                (place < next).then_some(place)
            };
            match place.and_then(|place| fields.get_mut(place)) {
                Some((_, old)) => *old = value,
                None => fields.push((name, value)),
            }
        }
        Ok(Value::document(fields.into_iter().collect()))
    }
}

/// The JSON text of a value, compact.
#[must_use]
pub fn to_json(value: &Value) -> String {
    let mut text = String::new();
    // Writing to a String does not fail.
    let _ = write_json(&mut text, value, JsonStyle::Compact);
    text
}

/// Writes a value as JSON: NUMERIC with all its digits; bytes as base64; NaN and infinities, dates, times (RFC 3339),
/// intervals (ISO 8601) and UUIDs as strings.
///
/// # Errors
/// If writing fails.
pub fn write_json(out: &mut impl Write, value: &Value, style: JsonStyle) -> fmt::Result {
    match value {
        Value::Null => out.write_str("null"),
        Value::Bool(truth) => write!(out, "{truth}"),
        Value::Int(n) => write!(out, "{n}"),
        Value::Real(x) if x.is_finite() => write!(out, "{x:?}"),
        Value::Double(x) if x.is_finite() => write!(out, "{x:?}"),
        Value::Real(_) | Value::Double(_) => write!(out, "\"{value}\""),
        Value::Numeric(d) => write_numeric(out, d),
        Value::Date(days) => quoted(out, |out| write_date(out, *days)),
        Value::Time(micros) => quoted(out, |out| write_time(out, *micros)),
        Value::Timestamp(micros) => {
            quoted(out, |out| write_timestamp(out, *micros, Separator::T, None))
        }
        Value::TimestampTz(micros) => quoted(out, |out| {
            write_timestamp(out, *micros, Separator::T, Some(()))
        }),
        Value::Interval(interval) => quoted(out, |out| write_iso(out, interval)),
        Value::Uuid(bytes) => quoted(out, |out| write_uuid(out, bytes)),
        Value::Text(text) => write_string(out, text),
        Value::Bytes(bytes) => quoted(out, |out| write_base64(out, bytes)),
        Value::Json(inner) => write_json(out, inner, style),
        Value::Array(elements) => {
            out.write_char('[')?;
            for (place, element) in elements.iter().enumerate() {
                write_comma(out, place, style)?;
                write_json(out, element, style)?;
            }
            out.write_char(']')
        }
        Value::Document(document) => write_document(out, document, style),
    }
}

/// Writes a document as a JSON object.
pub(crate) fn write_document(
    out: &mut impl Write,
    document: &Document,
    style: JsonStyle,
) -> fmt::Result {
    out.write_char('{')?;
    for (place, (name, field)) in document.iter().enumerate() {
        write_comma(out, place, style)?;
        write_string(out, name)?;
        out.write_str(match style {
            JsonStyle::Compact => ":",
            JsonStyle::Spaced => ": ",
        })?;
        write_json(out, field, style)?;
    }
    out.write_char('}')
}

fn write_comma(out: &mut impl Write, place: usize, style: JsonStyle) -> fmt::Result {
    out.write_str(match (place, style) {
        (0, _) => "",
        (_, JsonStyle::Compact) => ",",
        (_, JsonStyle::Spaced) => ", ",
    })
}

fn quoted<W: Write>(out: &mut W, write: impl FnOnce(&mut W) -> fmt::Result) -> fmt::Result {
    out.write_char('"')?;
    write(out)?;
    out.write_char('"')
}

fn write_string(out: &mut impl Write, text: &str) -> fmt::Result {
    out.write_char('"')?;
    let mut start = 0;
    for (place, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0x08 => "\\b",
            0x0C => "\\f",
            0x00..=0x1F => "",
            _ => continue,
        };
        out.write_str(text.get(start..place).unwrap_or_default())?;
        match escape {
            "" => write!(out, "\\u{byte:04x}")?,
            escape => out.write_str(escape)?,
        }
        start = place + 1;
    }
    out.write_str(text.get(start..).unwrap_or_default())?;
    out.write_char('"')
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Writes bytes as base64 (RFC 4648 §4, padded).
///
/// # Errors
/// If writing fails.
pub fn write_base64(out: &mut impl Write, bytes: &[u8]) -> fmt::Result {
    for group in bytes.chunks(3) {
        let at = |place: usize| u32::from(group.get(place).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for place in 0..4 {
            let six = (bits >> (18 - 6 * place)) & 63;
            let digit = BASE64.get(six as usize).copied().unwrap_or(b'=');
            out.write_char(if place <= group.len() {
                digit.into()
            } else {
                '='
            })?;
        }
    }
    Ok(())
}

/// The bytes of a base64 text, in the standard or the URL-safe alphabet, padded or not; `None` if it is not one.
#[must_use]
pub fn parse_base64(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=');
    if text.len() - digits.len() > 2 || digits.len() % 4 == 1 {
        return None;
    }
    let mut bytes = Vec::with_capacity(digits.len() / 4 * 3 + 2);
    let (mut bits, mut count) = (0u32, 0);
    for digit in digits.bytes() {
        let six = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(six);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    (bits == 0).then_some(bytes)
}

/// What a JSON value is as a value of a type: strings read as text of it (bytes as base64), numbers widened exactly.
///
/// # Errors
/// `22P02` where JSON's kind does not fit the type; else what reading the text gives.
pub fn value_from_json(value: Value, ty: &SqlType) -> Result<Value, TextError> {
    Ok(match (ty, value) {
        (_, Value::Null) => Value::Null,
        (SqlType::Any | SqlType::Unknown, value) => value,
        (SqlType::Json, value @ Value::Json(_)) => value,
        (SqlType::Json, value) => Value::Json(Arc::new(value)),
        (SqlType::Bytea, Value::Text(text)) => match parse_base64(&text) {
            Some(bytes) => Value::from(bytes),
            None => return Err(unfit("base64 text", ty)),
        },
        (ty, Value::Text(text)) => parse_text(&text, ty)?,
        (SqlType::Bool, value @ Value::Bool(_)) => value,
        (SqlType::Document, value @ Value::Document(_)) => value,
        (SqlType::Array(element), Value::Array(elements)) => Value::array(
            elements
                .iter()
                .map(|inner| value_from_json(inner.clone(), element))
                .collect::<Result<_, _>>()?,
        ),
        (SqlType::Int2 | SqlType::Int4 | SqlType::Int8, Value::Int(n)) => {
            parse_text(&n.to_string(), ty)?
        }
        (SqlType::Int2 | SqlType::Int4 | SqlType::Int8, Value::Double(x)) if x.trunc() == x => {
            parse_text(&format!("{x:.0}"), ty)?
        }
        (SqlType::Real, Value::Int(n)) => Value::Real(n as f32),
        (SqlType::Real, Value::Double(x)) => Value::Real(x as f32),
        (SqlType::Double, Value::Int(n)) => Value::Double(n as f64),
        (SqlType::Double, value @ Value::Double(_)) => value,
        (SqlType::Double, Value::Numeric(d)) => Value::Double(d.to_f64().unwrap_or(f64::NAN)),
        (SqlType::Numeric(limits), Value::Int(n)) => fitted(&BigDecimal::from(n), *limits)?,
        (SqlType::Numeric(limits), Value::Double(x)) => {
            // The shortest digits, which are what stood in the JSON text.
            let number = format!("{x:?}")
                .parse()
                .ok()
                .or_else(|| BigDecimal::from_f64(x));
            fitted(&number.ok_or_else(|| unfit("number", ty))?, *limits)?
        }
        (ty, value) => return Err(unfit(value.kind_name(), ty)),
    })
}

fn fitted(number: &BigDecimal, limits: Option<(u16, i16)>) -> Result<Value, TextError> {
    Ok(Value::numeric(match limits {
        Some((precision, scale)) => fit_numeric(number, precision, scale)?,
        None => number.clone(),
    }))
}

fn unfit(found: &str, ty: &SqlType) -> TextError {
    TextError::new(
        sqlstate::INVALID_TEXT_REPRESENTATION,
        format!("invalid input for type {ty}: a JSON {found} does not fit"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_what_they_are() {
        for (text, value) in [
            ("9223372036854775807", Value::Int(i64::MAX)),
            (
                "9223372036854775808",
                Value::Double(9_223_372_036_854_775_808.0),
            ),
            ("1.0", Value::Double(1.0)),
            ("1e2", Value::Double(100.0)),
            ("0.1", Value::Double(0.1)),
            ("8.41e21", Value::Double(8.41e21)),
            (
                "2.225073858507201e-308",
                Value::Double(2.225_073_858_507_201e-308),
            ),
        ] {
            let parsed = parse_json(text).unwrap();
            assert_eq!(format!("{parsed:?}"), format!("{value:?}"));
            let again = parse_json(&to_json(&parsed)).unwrap();
            assert_eq!(format!("{again:?}"), format!("{value:?}"));
        }
    }

    #[test]
    fn the_last_of_equal_names_counts_however_many_there_are() {
        let mut text = String::from("{");
        for n in 0..100 {
            text.push_str(&format!("\"f{}\":{n},", n % 40));
        }
        text.push_str("\"f0\":0}");
        let Value::Document(document) = parse_json(&text).unwrap() else {
            panic!("not a document");
        };
        assert_eq!(document.len(), 40);
        assert_eq!(document.get("f19"), Some(&Value::Int(99)));
        assert_eq!(document.get("f0"), Some(&Value::Int(0)));
    }

    #[test]
    fn base64_goes_there_and_back() {
        for (bytes, text) in [
            (&b""[..], ""),
            (b"f", "Zg=="),
            (b"fo", "Zm8="),
            (b"foo", "Zm9v"),
            (b"\xFB\xFF", "+/8="),
        ] {
            let mut written = String::new();
            write_base64(&mut written, bytes).unwrap();
            assert_eq!(written, text);
            assert_eq!(parse_base64(text).as_deref(), Some(bytes));
        }
        assert_eq!(parse_base64("-_8").as_deref(), Some(&b"\xFB\xFF"[..]));
        assert_eq!(parse_base64("Z"), None);
        assert_eq!(parse_base64("Zh=="), None);
    }

    #[test]
    fn kinds_json_lacks_come_back_by_their_type() {
        for (value, ty) in [
            (Value::from(vec![0u8, 255]), SqlType::Bytea),
            (Value::Date(-1), SqlType::Date),
            (Value::Timestamp(1_500_000), SqlType::Timestamp),
            (Value::TimestampTz(-1_500_000), SqlType::TimestampTz),
            (Value::Uuid([7; 16]), SqlType::Uuid),
            (
                Value::numeric("12.25".parse().unwrap()),
                SqlType::Numeric(None),
            ),
            (Value::Double(f64::INFINITY), SqlType::Double),
        ] {
            let parsed = parse_json(&to_json(&value)).unwrap();
            let back = value_from_json(parsed, &ty).unwrap();
            assert_eq!(format!("{back:?}"), format!("{value:?}"));
        }
        assert!(value_from_json(Value::Bool(true), &SqlType::Int4).is_err());
    }
}
