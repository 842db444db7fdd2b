//! Values from text, by declared type, with PostgreSQL's errors: what a client sends, a quoted literal, a CAST.
//!
//! Length and precision of a type are enforced as an assignment does (too long is an error, except blanks).
//! Points in time are read by `datetime_input`, intervals by `interval`, JSON by `json`.

use std::sync::Arc;

use bigdecimal::num_bigint::BigInt;
use bigdecimal::{BigDecimal, RoundingMode};

use crate::datetime_input::{parse_date, parse_time, parse_timestamp, parse_timestamptz};
use crate::error::TextError;
use crate::interval::parse_interval;
use crate::json::parse_json;
use crate::sql_type::SqlType;
use crate::sqlstate;
use crate::value::Value;
use crate::value_codec::DEPTH_MAX;

/// Digits PostgreSQL allows before and after the point of a numeric.
const NUMERIC_WHOLE_MAX: i64 = 131_072;
const NUMERIC_FRACTION_MAX: i64 = 16_383;

/// The value a text stands for as a value of a type. ANY and UNKNOWN keep it as text.
///
/// # Errors
/// `22P02`, `22007`, `22008`, `22003` or `22001`, worded as PostgreSQL does.
pub fn parse_text(text: &str, ty: &SqlType) -> Result<Value, TextError> {
    match ty {
        SqlType::Any | SqlType::Unknown | SqlType::Text => Ok(Value::text(text)),
        SqlType::Bool => parse_bool(text).map(Value::Bool),
        SqlType::Int2 => parse_int(text, ty, i16::MIN.into(), i16::MAX.into()),
        SqlType::Int4 => parse_int(text, ty, i32::MIN.into(), i32::MAX.into()),
        SqlType::Int8 => parse_int(text, ty, i64::MIN, i64::MAX),
        SqlType::Real => parse_real(text).map(Value::Real),
        SqlType::Double => parse_double(text).map(Value::Double),
        SqlType::Numeric(limits) => {
            let number = parse_numeric(text)?;
            match limits {
                Some((precision, scale)) => fit_numeric(&number, *precision, *scale),
                None => Ok(number),
            }
            .map(Value::numeric)
        }
        SqlType::Char(length) => fit_text(text.trim_end_matches(' '), *length, ty),
        SqlType::Varchar(None) => Ok(Value::text(text)),
        SqlType::Varchar(Some(length)) => fit_text(text, *length, ty),
        SqlType::Bytea => parse_bytea(text).map(Value::from),
        SqlType::Date => parse_date(text).map(Value::Date),
        SqlType::Time => parse_time(text).map(Value::Time),
        SqlType::Timestamp => parse_timestamp(text).map(Value::Timestamp),
        SqlType::TimestampTz => parse_timestamptz(text).map(Value::TimestampTz),
        SqlType::Interval => parse_interval(text).map(Value::Interval),
        SqlType::Uuid => parse_uuid(text).map(Value::Uuid),
        SqlType::Json => parse_json(text).map(|value| Value::Json(Arc::new(value))),
        SqlType::Array(element) => ArrayReader::read(text, element),
        SqlType::Document => match parse_json(text)? {
            document @ Value::Document(_) => Ok(document),
            _ => Err(invalid("document", text)),
        },
    }
}

fn invalid(name: &str, text: &str) -> TextError {
    TextError::new(
        sqlstate::INVALID_TEXT_REPRESENTATION,
        format!("invalid input syntax for type {name}: \"{text}\""),
    )
}

fn trimmed(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_ascii_whitespace() || c == '\x0B')
}

/// `true`, `yes`, `on`, `1` and their beginnings, in any case; and the contrary.
fn parse_bool(text: &str) -> Result<bool, TextError> {
    let word = trimmed(text).to_ascii_lowercase();
    let begins = |full: &str| !word.is_empty() && full.starts_with(&word);
    match word.as_str() {
        "1" | "on" => Ok(true),
        "0" | "off" | "of" => Ok(false),
        _ if begins("true") || begins("yes") => Ok(true),
        _ if begins("false") || begins("no") => Ok(false),
        _ => Err(invalid("boolean", text)),
    }
}

fn parse_int(text: &str, ty: &SqlType, min: i64, max: i64) -> Result<Value, TextError> {
    let number = trimmed(text);
    let digits = number.strip_prefix(['+', '-']).unwrap_or(number);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(invalid(&ty.to_string(), text));
    }
    match number.parse::<i64>() {
        Ok(n) if (min..=max).contains(&n) => Ok(Value::Int(n)),
        _ => Err(TextError::new(
            sqlstate::NUMERIC_VALUE_OUT_OF_RANGE,
            format!("value \"{text}\" is out of range for type {ty}"),
        )),
    }
}

fn parse_real(text: &str) -> Result<f32, TextError> {
    let number = float_text(text, "real")?;
    let x: f32 = number.parse().map_err(|_| invalid("real", text))?;
    let named = !number.contains(|c: char| c.is_ascii_digit());
    if !named && (x.is_infinite() || (x == 0.0 && !is_zero(number))) {
        return Err(float_range(text, "real"));
    }
    Ok(x)
}

fn parse_double(text: &str) -> Result<f64, TextError> {
    let number = float_text(text, "double precision")?;
    let x: f64 = number
        .parse()
        .map_err(|_| invalid("double precision", text))?;
    let named = !number.contains(|c: char| c.is_ascii_digit());
    if !named && (x.is_infinite() || (x == 0.0 && !is_zero(number))) {
        return Err(float_range(text, "double precision"));
    }
    Ok(x)
}

fn float_range(text: &str, name: &str) -> TextError {
    TextError::new(
        sqlstate::NUMERIC_VALUE_OUT_OF_RANGE,
        format!("\"{text}\" is out of range for type {name}"),
    )
}

/// What Rust and PostgreSQL both read as a float; `inf`, `infinity`, `nan` in any case belong to it.
fn float_text<'t>(text: &'t str, name: &str) -> Result<&'t str, TextError> {
    let number = trimmed(text);
    let bare = number.strip_prefix(['+', '-']).unwrap_or(number);
    let known = bare.eq_ignore_ascii_case("nan") && bare.len() == number.len()
        || bare.eq_ignore_ascii_case("inf")
        || bare.eq_ignore_ascii_case("infinity")
        || bare.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    if known {
        Ok(number)
    } else {
        Err(invalid(name, text))
    }
}

/// Whether all digits of the mantissa are 0.
fn is_zero(number: &str) -> bool {
    number
        .split(['e', 'E'])
        .next()
        .is_some_and(|mantissa| !mantissa.contains(|c: char| matches!(c, '1'..='9')))
}

/// A decimal as written: `1.50` keeps its scale of 2.
fn parse_numeric(text: &str) -> Result<BigDecimal, TextError> {
    let number = trimmed(text);
    let wrong = || invalid("numeric", text);
    let overflow = || {
        TextError::new(
            sqlstate::NUMERIC_VALUE_OUT_OF_RANGE,
            "value overflows numeric format",
        )
    };
    let (negative, unsigned) = match number.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, number.strip_prefix('+').unwrap_or(number)),
    };
    let named = ["nan", "inf", "infinity"];
    if named.iter().any(|name| unsigned.eq_ignore_ascii_case(name)) {
        return Err(TextError::new(
            sqlstate::FEATURE_NOT_SUPPORTED,
            format!("numeric \"{number}\" is not supported: use double precision"),
        ));
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => {
            let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(wrong());
            }
            (mantissa, exponent.parse::<i32>().map_err(|_| overflow())?)
        }
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = [whole, fraction].concat();
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let significant = digits.trim_start_matches('0');
    let scale = i64::try_from(fraction.len()).unwrap_or(i64::MAX) - i64::from(exponent);
    let whole_digits = i64::try_from(significant.len()).unwrap_or(i64::MAX) - scale;
    if !significant.is_empty() && (whole_digits > NUMERIC_WHOLE_MAX) || scale > NUMERIC_FRACTION_MAX
    {
        return Err(overflow());
    }
    if significant.is_empty() {
        return Ok(BigDecimal::new(BigInt::from(0), scale.max(0)));
    }
    let magnitude = BigInt::parse_bytes(significant.as_bytes(), 10).ok_or_else(wrong)?;
    let exact = BigDecimal::new(if negative { -magnitude } else { magnitude }, scale);
    Ok(if scale < 0 {
        exact.with_scale(0)
    } else {
        exact
    })
}

/// Rounds to a declared scale, half away from zero, and holds it against the declared precision.
///
/// # Errors
/// `22003` if more digits stand before the point than the precision leaves.
pub fn fit_numeric(
    number: &BigDecimal,
    precision: u16,
    scale: i16,
) -> Result<BigDecimal, TextError> {
    let mut rounded = number.with_scale_round(scale.into(), RoundingMode::HalfUp);
    let (integer, _) = rounded.as_bigint_and_scale();
    let limit = BigInt::from(10).pow(precision.into());
    if integer.magnitude() >= limit.magnitude() {
        return Err(TextError::new(
            sqlstate::NUMERIC_VALUE_OUT_OF_RANGE,
            "numeric field overflow",
        ));
    }
    if scale < 0 {
        rounded = rounded.with_scale(0);
    }
    Ok(rounded)
}

/// Text of at most `length` characters; more are an error unless they are blanks, which go.
fn fit_text(text: &str, length: u32, ty: &SqlType) -> Result<Value, TextError> {
    let length = length as usize;
    match text.char_indices().nth(length) {
        None => Ok(Value::text(text)),
        Some((end, _)) => {
            let (kept, cut) = text.split_at(end);
            if cut.bytes().all(|byte| byte == b' ') {
                return Ok(Value::text(kept));
            }
            Err(TextError::new(
                sqlstate::STRING_DATA_RIGHT_TRUNCATION,
                format!("value too long for type {ty}"),
            ))
        }
    }
}

/// `\x00ff`, or the older form with `\\` and `\ooo`.
fn parse_bytea(text: &str) -> Result<Vec<u8>, TextError> {
    if let Some(digits) = text.strip_prefix("\\x") {
        return parse_hex(digits);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    loop {
        rest = match rest {
            [] => return Ok(bytes),
            [b'\\', b'\\', after @ ..] => {
                bytes.push(b'\\');
                after
            }
            [
                b'\\',
                a @ b'0'..=b'3',
                b @ b'0'..=b'7',
                c @ b'0'..=b'7',
                after @ ..,
            ] => {
                bytes.push(((a - b'0') << 6) | ((b - b'0') << 3) | (c - b'0'));
                after
            }
            [b'\\', ..] => {
                return Err(TextError::new(
                    sqlstate::INVALID_TEXT_REPRESENTATION,
                    "invalid input syntax for type bytea",
                ));
            }
            [byte, after @ ..] => {
                bytes.push(*byte);
                after
            }
        };
    }
}

fn parse_hex(digits: &str) -> Result<Vec<u8>, TextError> {
    let mut bytes = Vec::with_capacity(digits.len() / 2);
    let mut high = None;
    for c in digits.chars() {
        if c.is_ascii_whitespace() && high.is_none() {
            continue;
        }
        let digit = c.to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let digit = digit.ok_or_else(|| {
            TextError::new(
                sqlstate::INVALID_PARAMETER_VALUE,
                format!("invalid hexadecimal digit: \"{c}\""),
            )
        })?;
        match high.take() {
            None => high = Some(digit << 4),
            Some(high) => bytes.push(high | digit),
        }
    }
    if high.is_some() {
        return Err(TextError::new(
            sqlstate::INVALID_PARAMETER_VALUE,
            "invalid hexadecimal data: odd number of digits",
        ));
    }
    Ok(bytes)
}

/// 32 hexadecimal digits, hyphens after any group of four, braces around it all if wanted.
fn parse_uuid(text: &str) -> Result<[u8; 16], TextError> {
    let wrong = || invalid("uuid", text);
    let inner = match text.strip_prefix('{') {
        Some(rest) => rest.strip_suffix('}').ok_or_else(wrong)?,
        None => text,
    };
    let mut number: u128 = 0;
    let mut count = 0;
    let mut hyphen = false;
    for c in inner.chars() {
        if c == '-' && count > 0 && count < 32 && count % 4 == 0 && !hyphen {
            hyphen = true;
            continue;
        }
        let digit = c.to_digit(16).ok_or_else(wrong)?;
        if count == 32 {
            return Err(wrong());
        }
        number = (number << 4) | u128::from(digit);
        count += 1;
        hyphen = false;
    }
    if count != 32 || hyphen {
        return Err(wrong());
    }
    Ok(number.to_be_bytes())
}

/// Reads `{1,NULL,"a b",{…}}`.
struct ArrayReader<'t> {
    text: &'t str,
    rest: std::iter::Peekable<std::str::Chars<'t>>,
    element: &'t SqlType,
}

impl<'t> ArrayReader<'t> {
    fn read(text: &'t str, element: &'t SqlType) -> Result<Value, TextError> {
        let mut literal = trimmed(text);
        if literal.starts_with('[') {
            // Bounds such as `[1:3]={…}`: our arrays have none.
            literal = match literal.split_once('=') {
                Some((_, after)) => trimmed(after),
                None => literal,
            };
        }
        let mut reader = Self {
            text,
            rest: literal.chars().peekable(),
            element,
        };
        let value = reader.array(DEPTH_MAX)?;
        match reader.rest.next() {
            None => Ok(value),
            Some(_) => Err(reader.malformed()),
        }
    }

    fn malformed(&self) -> TextError {
        TextError::new(
            sqlstate::INVALID_TEXT_REPRESENTATION,
            format!("malformed array literal: \"{}\"", self.text),
        )
    }

    fn blanks(&mut self) {
        while self.rest.next_if(char::is_ascii_whitespace).is_some() {}
    }

    fn array(&mut self, depth: usize) -> Result<Value, TextError> {
        let depth = depth.checked_sub(1).ok_or_else(|| self.malformed())?;
        if self.rest.next() != Some('{') {
            return Err(self.malformed());
        }
        let mut elements = Vec::new();
        self.blanks();
        if self.rest.next_if_eq(&'}').is_some() {
            return Ok(Value::array(elements));
        }
        loop {
            self.blanks();
            elements.push(match self.rest.peek() {
                Some('{') => self.array(depth)?,
                Some('"') => self.quoted()?,
                _ => self.bare()?,
            });
            self.blanks();
            match self.rest.next() {
                Some(',') => {}
                Some('}') => return Ok(Value::array(elements)),
                _ => return Err(self.malformed()),
            }
        }
    }

    fn quoted(&mut self) -> Result<Value, TextError> {
        self.rest.next();
        let mut text = String::new();
        loop {
            match self.rest.next() {
                Some('"') => return parse_text(&text, self.element),
                Some('\\') => text.push(self.rest.next().ok_or_else(|| self.malformed())?),
                Some(c) => text.push(c),
                None => return Err(self.malformed()),
            }
        }
    }

    fn bare(&mut self) -> Result<Value, TextError> {
        let mut text = String::new();
        let mut escaped = false;
        while let Some(c) = self.rest.next_if(|c| !matches!(c, ',' | '{' | '}' | '"')) {
            if c == '\\' {
                escaped = true;
                text.push(self.rest.next().ok_or_else(|| self.malformed())?);
            } else {
                text.push(c);
            }
        }
        let text = trimmed(&text);
        if text.is_empty() {
            return Err(self.malformed());
        }
        if !escaped && text.eq_ignore_ascii_case("null") {
            return Ok(Value::Null);
        }
        parse_text(text, self.element)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_what_postgresql_makes_of_them() {
        let int_array = SqlType::Array(Box::new(SqlType::Int4));
        let text_array = SqlType::Array(Box::new(SqlType::Text));
        let money = SqlType::Numeric(Some((5, 2)));
        for (text, ty, output) in [
            (" yes ", &SqlType::Bool, "t"),
            ("FA", &SqlType::Bool, "f"),
            (" -32768 ", &SqlType::Int2, "-32768"),
            (
                "+9223372036854775807",
                &SqlType::Int8,
                "9223372036854775807",
            ),
            ("1e20", &SqlType::Double, "1e+20"),
            ("-inf", &SqlType::Double, "-Infinity"),
            (".5", &SqlType::Real, "0.5"),
            ("1.50", &SqlType::Numeric(None), "1.50"),
            ("1.5e3", &SqlType::Numeric(None), "1500"),
            ("15e-3", &SqlType::Numeric(None), "0.015"),
            ("0e-3", &SqlType::Numeric(None), "0.000"),
            ("123.455", &money, "123.46"),
            ("-123.455", &money, "-123.46"),
            ("ab  ", &SqlType::Char(3), "ab"),
            ("abc   ", &SqlType::Varchar(Some(4)), "abc "),
            ("\\x00FF", &SqlType::Bytea, "\\x00ff"),
            ("a\\\\b\\001", &SqlType::Bytea, "\\x615c6201"),
            (
                "{a0eebc999c0b4ef8bb6d6bb9bd380a11}",
                &SqlType::Uuid,
                "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
            ),
            ("{1, 2,NULL}", &int_array, "{1,2,NULL}"),
            ("{{1},{2}}", &int_array, "{{1},{2}}"),
            ("{}", &int_array, "{}"),
            ("[1:2]={1,2}", &int_array, "{1,2}"),
            (
                r#"{"a b", c\d,"NULL",null}"#,
                &text_array,
                r#"{"a b",cd,"NULL",NULL}"#,
            ),
            (r#"{"a":[1,2.50]}"#, &SqlType::Json, r#"{"a": [1, 2.5]}"#),
        ] {
            let value = parse_text(text, ty).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(value.to_string(), output, "{text}");
        }
    }

    #[test]
    fn errors_are_worded_as_postgresql_words_them() {
        for (text, ty, sqlstate, message) in [
            (
                "maybe",
                SqlType::Bool,
                "22P02",
                "invalid input syntax for type boolean: \"maybe\"",
            ),
            (
                "",
                SqlType::Int4,
                "22P02",
                "invalid input syntax for type integer: \"\"",
            ),
            (
                "0x1",
                SqlType::Int4,
                "22P02",
                "invalid input syntax for type integer: \"0x1\"",
            ),
            (
                "32768",
                SqlType::Int2,
                "22003",
                "value \"32768\" is out of range for type smallint",
            ),
            (
                "1e400",
                SqlType::Double,
                "22003",
                "\"1e400\" is out of range for type double precision",
            ),
            (
                "1e-400",
                SqlType::Double,
                "22003",
                "\"1e-400\" is out of range for type double precision",
            ),
            (
                "1e40",
                SqlType::Real,
                "22003",
                "\"1e40\" is out of range for type real",
            ),
            (
                "1e",
                SqlType::Numeric(None),
                "22P02",
                "invalid input syntax for type numeric: \"1e\"",
            ),
            (
                "1e999999",
                SqlType::Numeric(None),
                "22003",
                "value overflows numeric format",
            ),
            (
                "999.995",
                SqlType::Numeric(Some((5, 2))),
                "22003",
                "numeric field overflow",
            ),
            (
                "abcd",
                SqlType::Char(3),
                "22001",
                "value too long for type character(3)",
            ),
            (
                "abcd",
                SqlType::Varchar(Some(3)),
                "22001",
                "value too long for type character varying(3)",
            ),
            (
                "\\xabc",
                SqlType::Bytea,
                "22023",
                "invalid hexadecimal data: odd number of digits",
            ),
            (
                "a-",
                SqlType::Uuid,
                "22P02",
                "invalid input syntax for type uuid: \"a-\"",
            ),
            (
                "{1,",
                SqlType::Array(Box::new(SqlType::Int4)),
                "22P02",
                "malformed array literal: \"{1,\"",
            ),
            (
                "2024-13-01",
                SqlType::Date,
                "22008",
                "date/time field value out of range: \"2024-13-01\"",
            ),
            (
                "soon",
                SqlType::Timestamp,
                "22007",
                "invalid input syntax for type timestamp: \"soon\"",
            ),
        ] {
            let error = parse_text(text, &ty).unwrap_err();
            assert_eq!(
                (error.sqlstate, error.message.as_str()),
                (sqlstate, message)
            );
        }
    }
}
