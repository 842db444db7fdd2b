//! Values as PostgreSQL's text: what a client sees, byte for byte, under DateStyle ISO, IntervalStyle postgres, UTC.
//!
//! Documents and JSON print as jsonb does, fields in the order given. Reading text back is `text_input`'s; JSON
//! proper is `json`'s.

use std::fmt::{self, Write};

use bigdecimal::BigDecimal;
use bigdecimal::num_bigint::Sign;

use crate::datetime::{Separator, write_date, write_time, write_timestamp};
use crate::json::{JsonStyle, write_json};
use crate::sql_type::SqlType;
use crate::value::Value;
use crate::value_codec::NUMERIC_SCALE_MAX;

/// PostgreSQL's text of the value; SQL NULL as `NULL`.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("NULL"),
            Self::Bool(truth) => f.write_str(if *truth { "t" } else { "f" }),
            Self::Int(n) => write!(f, "{n}"),
            Self::Real(x) => write_float(f, format_args!("{x:e}"), f64::from(*x), 6),
            Self::Double(x) => write_float(f, format_args!("{x:e}"), *x, 15),
            Self::Numeric(d) => write_numeric(f, d),
            Self::Date(days) => write_date(f, *days),
            Self::Time(micros) => write_time(f, *micros),
            Self::Timestamp(micros) => write_timestamp(f, *micros, Separator::Blank, None),
            Self::TimestampTz(micros) => write_timestamp(f, *micros, Separator::Blank, Some(())),
            Self::Interval(interval) => write!(f, "{interval}"),
            Self::Uuid(bytes) => write_uuid(f, bytes),
            Self::Text(text) => f.write_str(text),
            Self::Bytes(bytes) => {
                f.write_str("\\x")?;
                bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
            Self::Json(inner) => write_json(f, inner, JsonStyle::Spaced),
            Self::Array(elements) => write_array(f, elements, &SqlType::Any),
            Self::Document(_) => write_json(f, self, JsonStyle::Spaced),
        }
    }
}

impl fmt::Display for crate::document::Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::json::write_document(f, self, JsonStyle::Spaced)
    }
}

/// PostgreSQL's text of a value of a declared type, or `None` for SQL NULL. CHAR(n) comes with its blanks.
#[must_use]
pub fn to_text(value: &Value, ty: &SqlType) -> Option<String> {
    if value.is_null() {
        return None;
    }
    let mut text = String::new();
    // Writing to a String does not fail.
    let _ = write_as(&mut text, value, ty);
    Some(text)
}

fn write_as(out: &mut impl Write, value: &Value, ty: &SqlType) -> fmt::Result {
    match (value, ty) {
        (Value::Text(text), SqlType::Char(length)) => {
            out.write_str(text)?;
            let missing = (*length as usize).saturating_sub(text.chars().count());
            (0..missing).try_for_each(|_| out.write_char(' '))
        }
        (Value::Array(elements), SqlType::Array(element)) => write_array(out, elements, element),
        (value, _) => write!(out, "{value}"),
    }
}

/// Shortest digits that read back the same, in PostgreSQL's shape: an exponent below 1e-4 and from `10^places` on.
fn write_float(
    out: &mut impl Write,
    scientific: fmt::Arguments<'_>,
    x: f64,
    places: i32,
) -> fmt::Result {
    if x.is_nan() {
        return out.write_str("NaN");
    }
    if x.is_infinite() {
        return out.write_str(if x > 0.0 { "Infinity" } else { "-Infinity" });
    }
    let mut shortest = Stack::default();
    shortest.write_fmt(scientific)?;
    let text = shortest.as_str();
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if exponent < -4 || exponent >= places {
        let sign = if exponent < 0 { '-' } else { '+' };
        return write!(out, "{mantissa}e{sign}{:02}", exponent.unsigned_abs());
    }
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    out.write_str(sign)?;
    let mut digits = mantissa.bytes().filter(u8::is_ascii_digit).map(char::from);
    if exponent < 0 {
        out.write_str("0.")?;
        (1..-exponent).try_for_each(|_| out.write_char('0'))?;
    } else {
        (0..=exponent).try_for_each(|_| out.write_char(digits.next().unwrap_or('0')))?;
        match digits.next() {
            Some(digit) => write!(out, ".{digit}")?,
            None => return Ok(()),
        }
    }
    digits.try_for_each(|digit| out.write_char(digit))
}

/// Text on the stack: the longest shortest double has 24 bytes.
#[derive(Default)]
struct Stack {
    bytes: [u8; 32],
    len: usize,
}

impl Stack {
    fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..self.len).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }
}

impl Write for Stack {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len + text.len();
        let room = self.bytes.get_mut(self.len..end).ok_or(fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

/// All digits and as many zeros as the scale says; beyond what can be stored, with an exponent.
pub(crate) fn write_numeric(out: &mut impl Write, d: &BigDecimal) -> fmt::Result {
    let (integer, scale) = d.as_bigint_and_scale();
    let sign = if integer.sign() == Sign::Minus {
        "-"
    } else {
        ""
    };
    let magnitude = integer.magnitude();
    if scale == 0 {
        return write!(out, "{sign}{magnitude}");
    }
    if scale.unsigned_abs() > NUMERIC_SCALE_MAX {
        return write!(out, "{sign}{magnitude}e{}", -i128::from(scale));
    }
    let digits = magnitude.to_string();
    if scale < 0 {
        write!(out, "{sign}{digits}")?;
        let zeros = if digits == "0" {
            0
        } else {
            scale.unsigned_abs()
        };
        return (0..zeros).try_for_each(|_| out.write_char('0'));
    }
    let scale = usize::try_from(scale).unwrap_or(usize::MAX);
    match digits.len().checked_sub(scale) {
        None | Some(0) => write!(out, "{sign}0.{digits:0>scale$}"),
        Some(point) => {
            let (whole, fraction) = digits.split_at(point);
            write!(out, "{sign}{whole}.{fraction}")
        }
    }
}

/// Eight, four, four, four and twelve hexadecimal digits.
pub(crate) fn write_uuid(out: &mut impl Write, bytes: &[u8; 16]) -> fmt::Result {
    for (place, byte) in bytes.iter().enumerate() {
        let hyphen = if matches!(place, 4 | 6 | 8 | 10) {
            "-"
        } else {
            ""
        };
        write!(out, "{hyphen}{byte:02x}")?;
    }
    Ok(())
}

/// `{1,NULL,"a b"}`; inner arrays as dimensions.
fn write_array(out: &mut impl Write, elements: &[Value], element_type: &SqlType) -> fmt::Result {
    out.write_char('{')?;
    for (place, element) in elements.iter().enumerate() {
        if place > 0 {
            out.write_char(',')?;
        }
        match element {
            Value::Null => out.write_str("NULL")?,
            Value::Array(inner) => write_array(out, inner, element_type)?,
            Value::Bool(_)
            | Value::Int(_)
            | Value::Real(_)
            | Value::Double(_)
            | Value::Numeric(_)
            | Value::Date(_)
            | Value::Uuid(_) => write!(out, "{element}")?,
            _ => {
                let mut text = String::new();
                write_as(&mut text, element, element_type)?;
                write_element(out, &text)?;
            }
        }
    }
    out.write_char('}')
}

fn write_element(out: &mut impl Write, text: &str) -> fmt::Result {
    let special = |c: char| {
        matches!(c, '{' | '}' | '"' | '\\' | ',') || c.is_ascii_whitespace() || c == '\x0B'
    };
    let bare = !text.is_empty() && !text.eq_ignore_ascii_case("null") && !text.contains(special);
    if bare {
        return out.write_str(text);
    }
    out.write_char('"')?;
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.write_char('\\')?;
        }
        out.write_char(c)?;
    }
    out.write_char('"')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Document;

    #[test]
    fn values_print_as_postgresql_prints_them() {
        let document =
            Document::from_iter([("b".into(), Value::Int(1)), ("a".into(), Value::Null)]);
        for (value, text) in [
            (Value::Bool(true), "t"),
            (Value::Double(1e20), "1e+20"),
            (Value::Double(1e15), "1e+15"),
            (Value::Double(123_456_789_012_345.0), "123456789012345"),
            (Value::Double(0.1), "0.1"),
            (Value::Double(-0.0001), "-0.0001"),
            (Value::Double(0.00001), "1e-05"),
            (Value::Double(-0.0), "-0"),
            (Value::Double(1.5), "1.5"),
            (Value::Double(100.0), "100"),
            (
                Value::Double(1.234_567_890_123_456_8e17),
                "1.2345678901234568e+17",
            ),
            (Value::Double(1e-300), "1e-300"),
            (Value::Double(f64::NAN), "NaN"),
            (Value::Double(f64::NEG_INFINITY), "-Infinity"),
            (Value::Real(0.1), "0.1"),
            (Value::Real(1e6), "1e+06"),
            (Value::Real(123_456.0), "123456"),
            (Value::numeric("1.50".parse().unwrap()), "1.50"),
            (Value::numeric("-0.001".parse().unwrap()), "-0.001"),
            (Value::numeric("0.00".parse().unwrap()), "0.00"),
            (Value::numeric("1e3".parse().unwrap()), "1000"),
            (Value::Bytes((&[0u8, 255][..]).into()), "\\x00ff"),
            (Value::Timestamp(0), "1970-01-01 00:00:00"),
            (Value::TimestampTz(-1), "1969-12-31 23:59:59.999999+00"),
            (
                Value::Uuid([0xAB; 16]),
                "abababab-abab-abab-abab-abababababab",
            ),
            (
                Value::array(vec![
                    1.into(),
                    Value::Null,
                    "a b".into(),
                    "".into(),
                    "null".into(),
                    "x\"y".into(),
                ]),
                r#"{1,NULL,"a b","","null","x\"y"}"#,
            ),
            (
                Value::array(vec![Value::array(vec![1.into()]), Value::array(vec![])]),
                "{{1},{}}",
            ),
            (Value::document(document), r#"{"b": 1, "a": null}"#),
        ] {
            assert_eq!(value.to_string(), text);
        }
        assert_eq!(
            to_text(&"ab".into(), &SqlType::Char(4)).as_deref(),
            Some("ab  ")
        );
        assert_eq!(to_text(&Value::Null, &SqlType::Text), None);
    }
}
