//! Functions that join, format, quote and encode texts.

use std::fmt::Write;

use tailwater_proto::{EcoString, Value, sqlstate};

use super::Function;
use super::Kind::{Any, Array, Bytea, Int4, Int8, Text, TextArray};
use super::string::{TEXT_BYTES_MAX, too_long};
use crate::cast::text_of;
use crate::context::ExecContext;
use crate::error::{Error, Result};
use crate::reserved::is_reserved;

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new(50, &["concat"], &[Any], Text, "All arguments as one text, NULLs left out.", ("concat('a', NULL, 1, TRUE)", "a1t"), concat).variadic().with_nulls(),
    Function::new(51, &["concat_ws"], &[Text, Any], Text, "All arguments but the first as one text with the first between them, NULLs left out.", ("concat_ws('-', 'a', NULL, 'b')", "a-b"), concat_ws).variadic().with_nulls(),
    Function::new(52, &["format"], &[Text, Any], Text, "The text with `%s` (as it is), `%I` (as a name), `%L` (as a literal) replaced by the arguments, `%%` by `%`.", ("format('%s = %L', 'a', 'b''c')", "a = 'b''c'"), format_text).optional(1).variadic().with_nulls(),
    Function::new(53, &["to_hex"], &[Int8], Text, "The number in hexadecimal digits.", ("to_hex(255)", "ff"), to_hex),
    Function::new(54, &["to_hex"], &[Int4], Text, "The number in hexadecimal digits.", ("to_hex(CAST(-1 AS INT4))", "ffffffff"), to_hex_of_int4),
    Function::new(55, &["quote_literal"], &[Text], Text, "The text as an SQL literal.", ("quote_literal('O''Reilly')", "'O''Reilly'"), quote_literal),
    Function::new(56, &["quote_nullable"], &[Text], Text, "The text as an SQL literal, NULL as the word.", ("quote_nullable(NULL)", "NULL"), quote_nullable).with_nulls(),
    Function::new(57, &["quote_ident"], &[Text], Text, "The text as an SQL name, quoted where it must be.", ("quote_ident('Foo bar')", "\"Foo bar\""), quote_ident),
    Function::new(58, &["encode"], &[Bytea, Text], Text, "A byte string as text: `hex`, `base64` or `escape`.", ("encode(CAST('\\x617364' AS BYTEA), 'base64')", "YXNk"), encode),
    Function::new(59, &["decode"], &[Text, Text], Bytea, "The byte string a text in `hex`, `base64` or `escape` stands for.", ("decode('YXNk', 'base64')", "\\x617364"), decode),
    Function::new(60, &["string_to_array"], &[Text, Text, Text], TextArray, "The parts between delimiters; parts equal to the third argument become NULL; no delimiter: single characters.", ("string_to_array('a,b,c', ',')", "{a,b,c}"), string_to_array).optional(1).with_nulls(),
    Function::new(61, &["array_to_string"], &[Array, Text, Text], Text, "The elements as one text with the second argument between them; NULLs as the third, or left out.", ("array_to_string(ARRAY[1, NULL, 3], ',', '*')", "1,*,3"), array_to_string).optional(1),
];

/// A value as output shows it: `t` and `f` for booleans.
fn shown(value: &Value) -> EcoString {
    match value {
        Value::Bool(truth) => EcoString::from(if *truth { "t" } else { "f" }),
        other => text_of(other),
    }
}

fn joined<'v>(values: impl Iterator<Item = &'v Value>, between: &str) -> Result<Value> {
    let mut text = EcoString::new();
    for (place, value) in values.filter(|value| !value.is_null()).enumerate() {
        if place > 0 {
            text.push_str(between);
        }
        match value {
            Value::Text(part) => text.push_str(part),
            other => text.push_str(&shown(other)),
        }
        if text.len() > TEXT_BYTES_MAX {
            return Err(too_long());
        }
    }
    Ok(Value::Text(text))
}

fn concat(args: &[Value], _: &ExecContext) -> Result<Value> {
    joined(args.iter(), "")
}

fn concat_ws(args: &[Value], _: &ExecContext) -> Result<Value> {
    match args {
        [Value::Text(between), values @ ..] => joined(values.iter(), between),
        _ => Ok(Value::Null),
    }
}

fn format_error(message: &str) -> Error {
    Error::row(sqlstate::INVALID_PARAMETER_VALUE, message)
}

fn format_text(args: &[Value], _: &ExecContext) -> Result<Value> {
    let [Value::Text(pattern), values @ ..] = args else {
        return Ok(Value::Null);
    };
    let mut values = values.iter();
    let mut text = EcoString::new();
    let mut rest = pattern.chars();
    while let Some(character) = rest.next() {
        if character != '%' {
            text.push(character);
            continue;
        }
        let kind = match rest.next() {
            Some('%') => {
                text.push('%');
                continue;
            }
            Some(kind @ ('s' | 'I' | 'L')) => kind,
            Some(other) => {
                return Err(format_error(&format!(
                    "unrecognized format() type specifier \"{other}\""
                )));
            }
            None => return Err(format_error("unterminated format() type specifier")),
        };
        let value = values
            .next()
            .ok_or_else(|| format_error("too few arguments for format()"))?;
        match (kind, value) {
            ('s', Value::Null) => {}
            ('L', Value::Null) => text.push_str("NULL"),
            ('I', Value::Null) => {
                return Err(Error::row(
                    sqlstate::NULL_VALUE_NOT_ALLOWED,
                    "null values cannot be formatted as an SQL identifier",
                ));
            }
            ('I', value) => text.push_str(&identifier(&shown(value))),
            ('L', value) => text.push_str(&literal(&shown(value))),
            (_, value) => text.push_str(&shown(value)),
        }
    }
    Ok(Value::Text(text))
}

fn to_hex(args: &[Value], _: &ExecContext) -> Result<Value> {
    Ok(match args {
        [Value::Int(number)] => Value::from(format!("{number:x}")),
        _ => Value::Null,
    })
}

fn to_hex_of_int4(args: &[Value], cx: &ExecContext) -> Result<Value> {
    match args {
        [Value::Int(number)] => match i32::try_from(*number) {
            Ok(number) => Ok(Value::from(format!("{number:x}"))),
            Err(_) => to_hex(args, cx),
        },
        _ => Ok(Value::Null),
    }
}

fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if quoted.contains('\\') {
        format!("E'{}'", quoted.replace('\\', "\\\\"))
    } else {
        format!("'{quoted}'")
    }
}

fn identifier(text: &str) -> String {
    let mut characters = text.chars();
    let plain = characters
        .next()
        .is_some_and(|first| first.is_ascii_lowercase() || first == '_')
        && characters.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if plain && !is_reserved(text) {
        text.to_owned()
    } else {
        format!("\"{}\"", text.replace('"', "\"\""))
    }
}

fn quote_literal(args: &[Value], _: &ExecContext) -> Result<Value> {
    Ok(args
        .first()
        .map_or(Value::Null, |value| Value::from(literal(&shown(value)))))
}

fn quote_nullable(args: &[Value], cx: &ExecContext) -> Result<Value> {
    match args {
        [Value::Null] => Ok(Value::text("NULL")),
        _ => quote_literal(args, cx),
    }
}

fn quote_ident(args: &[Value], _: &ExecContext) -> Result<Value> {
    Ok(match args {
        [Value::Text(text)] => Value::from(identifier(text)),
        _ => Value::Null,
    })
}

fn unknown_encoding(name: &str) -> Error {
    Error::row(
        sqlstate::INVALID_PARAMETER_VALUE,
        format!("unrecognized encoding: \"{name}\""),
    )
}

fn encode(args: &[Value], _: &ExecContext) -> Result<Value> {
    let [Value::Bytes(bytes), Value::Text(encoding)] = args else {
        return Ok(Value::Null);
    };
    let text = match encoding.to_lowercase().as_str() {
        "hex" => bytes.iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        }),
        "base64" => base64(bytes),
        "escape" => bytes.iter().fold(String::new(), |mut text, byte| {
            match byte {
                b'\\' => text.push_str("\\\\"),
                0 | 128.. => {
                    let _ = write!(text, "\\{byte:03o}");
                }
                other => text.push(char::from(*other)),
            }
            text
        }),
        _ => return Err(unknown_encoding(encoding)),
    };
    Ok(Value::from(text))
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// RFC 2045's alphabet, broken after 76 characters as PostgreSQL does.
fn base64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (group, chunk) in bytes.chunks(3).enumerate() {
        if group > 0 && group % 19 == 0 {
            text.push('\n');
        }
        let bits = chunk
            .iter()
            .chain([&0, &0])
            .take(3)
            .fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
        for place in 0..4_usize {
            let digit = bits >> (18 - 6 * place) & 63;
            let letter = usize::try_from(digit)
                .ok()
                .and_then(|digit| BASE64.get(digit));
            match letter {
                Some(letter) if place <= chunk.len() => text.push(char::from(*letter)),
                _ => text.push('='),
            }
        }
    }
    text
}

fn decode(args: &[Value], _: &ExecContext) -> Result<Value> {
    let [Value::Text(text), Value::Text(encoding)] = args else {
        return Ok(Value::Null);
    };
    match encoding.to_lowercase().as_str() {
        "hex" => unhex(text),
        "base64" => unbase64(text),
        "escape" => unescape(text),
        _ => Err(unknown_encoding(encoding)),
    }
    .map(Value::from)
}

fn unhex(text: &str) -> Result<Vec<u8>> {
    let digits = text
        .chars()
        .filter(|character| !character.is_ascii_whitespace())
        .map(|character| {
            character
                .to_digit(16)
                .ok_or_else(|| format_error(&format!("invalid hexadecimal digit: \"{character}\"")))
        })
        .collect::<Result<Vec<_>>>()?;
    digits
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => {
                u8::try_from(high * 16 + low).map_err(|_| format_error("invalid hexadecimal data"))
            }
            _ => Err(format_error(
                "invalid hexadecimal data: odd number of digits",
            )),
        })
        .collect()
}

fn unbase64(text: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0_u32, 0_u32);
    for character in text
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace() && *byte != b'=')
    {
        let digit = BASE64
            .iter()
            .position(|letter| *letter == character)
            .ok_or_else(|| {
                format_error(&format!(
                    "invalid symbol \"{}\" found while decoding base64 sequence",
                    char::from(character)
                ))
            })?;
        bits = bits << 6 | u32::try_from(digit).unwrap_or(0);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).unwrap_or(0));
        }
    }
    if count >= 6 {
        return Err(format_error("invalid base64 end sequence"));
    }
    Ok(bytes)
}

fn unescape(text: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        match rest.next() {
            Some(b'\\') => bytes.push(b'\\'),
            Some(first @ b'0'..=b'3') => {
                let octal = [Some(first), rest.next(), rest.next()]
                    .into_iter()
                    .try_fold(0_u32, |octal, digit| {
                        Some(octal * 8 + char::from(digit?).to_digit(8)?)
                    });
                let byte = octal.and_then(|octal| u8::try_from(octal).ok());
                bytes.push(byte.ok_or_else(|| format_error("invalid escape sequence in bytea"))?);
            }
            _ => return Err(format_error("invalid escape sequence in bytea")),
        }
    }
    Ok(bytes)
}

fn string_to_array(args: &[Value], _: &ExecContext) -> Result<Value> {
    let (text, delimiter, null) = match args {
        [Value::Text(text), delimiter] => (text, delimiter, None),
        [Value::Text(text), delimiter, null] => (text, delimiter, null.as_text()),
        _ => return Ok(Value::Null),
    };
    let part = |part: &str| {
        if Some(part) == null {
            Value::Null
        } else {
            Value::text(part)
        }
    };
    Ok(Value::array(match delimiter {
        _ if text.is_empty() => Vec::new(),
        Value::Null => text
            .chars()
            .map(|c| part(c.encode_utf8(&mut [0; 4])))
            .collect(),
        Value::Text(delimiter) if delimiter.is_empty() => vec![part(text)],
        Value::Text(delimiter) => text.split(delimiter.as_str()).map(part).collect(),
        _ => return Ok(Value::Null),
    }))
}

fn array_to_string(args: &[Value], _: &ExecContext) -> Result<Value> {
    let (elements, between, null) = match args {
        [Value::Array(elements), Value::Text(between)] => (elements, between, None),
        [Value::Array(elements), Value::Text(between), null] => (elements, between, Some(null)),
        _ => return Ok(Value::Null),
    };
    let mut flat = Vec::new();
    flatten(elements, &mut flat);
    joined(
        flat.into_iter().map(|value| match (value, null) {
            (Value::Null, Some(null)) => null,
            _ => value,
        }),
        between,
    )
}

/// The elements of nested arrays one after another.
fn flatten<'v>(elements: &'v [Value], flat: &mut Vec<&'v Value>) {
    for element in elements {
        match element {
            Value::Array(inner) => flatten(inner, flat),
            other => flat.push(other),
        }
    }
}
