//! Functions on text: case, length, trimming, cutting, padding, searching. Positions count characters from 1.
//!
//! Joining, quoting and encoding are in `string_form`, regular expressions in `pattern`.

use tailwater_proto::{EcoString, Value, sqlstate};

use super::Function;
use super::Kind::{Any, Bool, Bytea, Int4, Text};
use crate::context::ExecContext;
use crate::error::{Error, Result};

/// The longest text a function makes, in bytes.
pub(super) const TEXT_BYTES_MAX: usize = 256 << 20;

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new(
        1,
        &["lower", "strings.lower"],
        &[Text],
        Text,
        "The text in lower case.",
        ("lower('HeLLo')", "hello"),
        lower,
    ),
    Function::new(
        2,
        &["upper", "strings.upper"],
        &[Text],
        Text,
        "The text in upper case.",
        ("upper('HeLLo')", "HELLO"),
        upper,
    ),
    Function::new(
        3,
        &["length", "char_length", "character_length"],
        &[Text],
        Int4,
        "How many characters the text has.",
        ("length('Jürgen')", "6"),
        length,
    ),
    Function::new(
        4,
        &["length"],
        &[Bytea],
        Int4,
        "How many bytes the byte string has.",
        (r"length(CAST('\xff00' AS BYTEA))", "2"),
        length,
    ),
    Function::new(
        5,
        &["octet_length"],
        &[Text],
        Int4,
        "How many bytes the text has.",
        ("octet_length('Jürgen')", "7"),
        octet_length,
    ),
    Function::new(
        6,
        &["octet_length"],
        &[Bytea],
        Int4,
        "How many bytes the byte string has.",
        (r"octet_length(CAST('\xff' AS BYTEA))", "1"),
        octet_length,
    ),
    Function::new(
        7,
        &["bit_length"],
        &[Text],
        Int4,
        "How many bits the text has.",
        ("bit_length('Jürgen')", "56"),
        bit_length,
    ),
    Function::new(
        8,
        &["len"],
        &[Any],
        Int4,
        "The length of a text, byte string, array or document; NULL for other kinds.",
        ("len('abc')", "3"),
        len,
    ),
    Function::new(
        9,
        &["btrim", "trim", "strings.trim"],
        &[Text, Text],
        Text,
        "The text without the given characters (blanks) at both ends.",
        ("btrim('xyabcx', 'xy')", "abc"),
        btrim,
    )
    .optional(1),
    Function::new(
        10,
        &["ltrim", "strings.ltrim"],
        &[Text, Text],
        Text,
        "The text without the given characters (blanks) at its start.",
        ("ltrim('  abc')", "abc"),
        ltrim,
    )
    .optional(1),
    Function::new(
        11,
        &["rtrim", "strings.rtrim"],
        &[Text, Text],
        Text,
        "The text without the given characters (blanks) at its end.",
        ("rtrim('abcxx', 'x')", "abc"),
        rtrim,
    )
    .optional(1),
    Function::new(
        12,
        &["substr", "substring"],
        &[Text, Int4, Int4],
        Text,
        "The text from a position on, at most so many characters.",
        ("substr('alphabet', 3, 2)", "ph"),
        substr,
    )
    .optional(1),
    Function::new(
        13,
        &["substr", "substring"],
        &[Bytea, Int4, Int4],
        Bytea,
        "The bytes from a position on, at most so many.",
        (r"substr(CAST('\x010203' AS BYTEA), 2, 1)", r"\x02"),
        substr_bytes,
    )
    .optional(1),
    Function::new(
        14,
        &["left"],
        &[Text, Int4],
        Text,
        "The first n characters; for negative n all but the last -n.",
        ("left('abcde', -2)", "abc"),
        left,
    ),
    Function::new(
        15,
        &["right"],
        &[Text, Int4],
        Text,
        "The last n characters; for negative n all but the first -n.",
        ("right('abcde', 2)", "de"),
        right,
    ),
    Function::new(
        16,
        &["repeat"],
        &[Text, Int4],
        Text,
        "The text so many times.",
        ("repeat('Pg', 3)", "PgPgPg"),
        repeat,
    ),
    Function::new(
        17,
        &["replace"],
        &[Text, Text, Text],
        Text,
        "The text with each occurrence of the second argument replaced by the third.",
        ("replace('abcabc', 'b', 'x')", "axcaxc"),
        replace,
    ),
    Function::new(
        18,
        &["reverse"],
        &[Text],
        Text,
        "The characters in reverse order.",
        ("reverse('abc')", "cba"),
        reverse,
    ),
    Function::new(
        19,
        &["lpad"],
        &[Text, Int4, Text],
        Text,
        "The text filled up at its start, or cut, to a length.",
        ("lpad('hi', 5, 'xy')", "xyxhi"),
        lpad,
    )
    .optional(1),
    Function::new(
        20,
        &["rpad"],
        &[Text, Int4, Text],
        Text,
        "The text filled up at its end, or cut, to a length.",
        ("rpad('hi', 5, 'xy')", "hixyx"),
        rpad,
    )
    .optional(1),
    Function::new(
        21,
        &["split_part"],
        &[Text, Text, Int4],
        Text,
        "The n-th part between delimiters; negative n count from the end.",
        ("split_part('a,b,c', ',', -1)", "c"),
        split_part,
    ),
    Function::new(
        22,
        &["strpos", "instr"],
        &[Text, Text],
        Int4,
        "Where the second text begins in the first, 0 if nowhere.",
        ("strpos('high', 'ig')", "2"),
        strpos,
    ),
    Function::new(
        23,
        &["position"],
        &[Text, Text],
        Int4,
        "Where the first text begins in the second (`POSITION(a IN b)`), 0 if nowhere.",
        ("position('ig', 'high')", "2"),
        position,
    ),
    Function::new(
        24,
        &["initcap"],
        &[Text],
        Text,
        "Each word with its first letter in upper case, the others in lower case.",
        ("initcap('hi THOMAS')", "Hi Thomas"),
        initcap,
    ),
    Function::new(
        25,
        &["ascii"],
        &[Text],
        Int4,
        "The number of the first character, 0 for the empty text.",
        ("ascii('x')", "120"),
        ascii,
    ),
    Function::new(
        26,
        &["chr"],
        &[Int4],
        Text,
        "The character of a number.",
        ("chr(65)", "A"),
        chr,
    ),
    Function::new(
        27,
        &["starts_with"],
        &[Text, Text],
        Bool,
        "Whether the text begins with the second one.",
        ("starts_with('alphabet', 'alph')", "true"),
        starts_with,
    ),
    Function::new(
        28,
        &["ends_with"],
        &[Text, Text],
        Bool,
        "Whether the text ends with the second one.",
        ("ends_with('alphabet', 'bet')", "true"),
        ends_with,
    ),
    Function::new(
        29,
        &["contains"],
        &[Text, Text],
        Bool,
        "Whether the second text stands in the first.",
        ("contains('alphabet', 'hab')", "true"),
        contains,
    ),
    Function::new(
        30,
        &["translate"],
        &[Text, Text, Text],
        Text,
        "Each character of the second text replaced by the one at its place in the third, or dropped.",
        ("translate('12345', '143', 'ax')", "a2x5"),
        translate,
    ),
    Function::new(
        31,
        &["overlay"],
        &[Text, Text, Int4, Int4],
        Text,
        "The second text put over the first from a position on, in place of so many characters.",
        ("overlay('Txxxxas', 'hom', 2, 4)", "Thomas"),
        overlay,
    )
    .optional(1),
];

/// A count as INT4.
pub(super) fn counted(count: usize) -> Result<Value> {
    i64::try_from(count).map(Value::Int).map_err(|_| too_long())
}

/// PostgreSQL's `54000` for results beyond all bounds.
#[cold]
pub(super) fn too_long() -> Error {
    Error::row(
        sqlstate::PROGRAM_LIMIT_EXCEEDED,
        format!(
            "requested length too large: texts made by functions have at most {TEXT_BYTES_MAX} bytes"
        ),
    )
}

fn of_text(args: &[Value], make: impl Fn(&str) -> EcoString) -> Result<Value> {
    Ok(match args {
        [Value::Text(text)] => Value::Text(make(text)),
        _ => Value::Null,
    })
}

fn lower(args: &[Value], _: &ExecContext) -> Result<Value> {
    of_text(args, |text| text.to_lowercase().into())
}

fn upper(args: &[Value], _: &ExecContext) -> Result<Value> {
    of_text(args, |text| text.to_uppercase().into())
}

fn reverse(args: &[Value], _: &ExecContext) -> Result<Value> {
    of_text(args, |text| text.chars().rev().collect())
}

fn initcap(args: &[Value], _: &ExecContext) -> Result<Value> {
    of_text(args, |text| {
        let mut capped = EcoString::with_capacity(text.len());
        let mut inside = false;
        for character in text.chars() {
            if inside {
                capped.extend(character.to_lowercase());
            } else {
                capped.extend(character.to_uppercase());
            }
            inside = character.is_alphanumeric();
        }
        capped
    })
}

fn length(args: &[Value], _: &ExecContext) -> Result<Value> {
    match args {
        [Value::Text(text)] => counted(text.chars().count()),
        [Value::Bytes(bytes)] => counted(bytes.len()),
        _ => Ok(Value::Null),
    }
}

fn octet_length(args: &[Value], _: &ExecContext) -> Result<Value> {
    match args {
        [Value::Text(text)] => counted(text.len()),
        [Value::Bytes(bytes)] => counted(bytes.len()),
        _ => Ok(Value::Null),
    }
}

fn bit_length(args: &[Value], cx: &ExecContext) -> Result<Value> {
    Ok(match octet_length(args, cx)? {
        Value::Int(bytes) => Value::Int(bytes * 8),
        other => other,
    })
}

fn len(args: &[Value], cx: &ExecContext) -> Result<Value> {
    match args.first().map(Value::unwrap_json) {
        Some(Value::Array(elements)) => counted(elements.len()),
        Some(Value::Document(document)) => counted(document.len()),
        _ => length(args, cx),
    }
}

/// The text and the characters to trim, blanks if none are given.
fn trimmed(args: &[Value], trim: fn(&str, &dyn Fn(char) -> bool) -> EcoString) -> Result<Value> {
    Ok(match args {
        [Value::Text(text)] => Value::Text(trim(text, &|character| character == ' ')),
        [Value::Text(text), Value::Text(set)] => {
            Value::Text(trim(text, &|character| set.contains(character)))
        }
        _ => Value::Null,
    })
}

fn btrim(args: &[Value], _: &ExecContext) -> Result<Value> {
    trimmed(args, |text, set| text.trim_matches(set).into())
}

fn ltrim(args: &[Value], _: &ExecContext) -> Result<Value> {
    trimmed(args, |text, set| text.trim_start_matches(set).into())
}

fn rtrim(args: &[Value], _: &ExecContext) -> Result<Value> {
    trimmed(args, |text, set| text.trim_end_matches(set).into())
}

/// How many units to skip and to take for a position from 1 and a length; positions before 1 use up length.
fn window(start: i64, length: Option<i64>) -> Result<(usize, usize)> {
    let skipped = usize::try_from(start.saturating_sub(1)).unwrap_or(0);
    let Some(length) = length else {
        return Ok((skipped, usize::MAX));
    };
    if length < 0 {
        return Err(Error::row(
            sqlstate::SUBSTRING_ERROR,
            "negative substring length not allowed",
        ));
    }
    let end = start.saturating_add(length).max(1);
    Ok((skipped, usize::try_from(end - start.max(1)).unwrap_or(0)))
}

/// The characters from `skipped` on, at most `taken`.
fn slice(text: &str, skipped: usize, taken: usize) -> &str {
    let mut rest = text.chars();
    if skipped > 0 && rest.nth(skipped - 1).is_none() {
        return "";
    }
    let from = rest.as_str();
    let end = from
        .char_indices()
        .nth(taken)
        .map_or(from.len(), |(end, _)| end);
    from.get(..end).unwrap_or(from)
}

fn substr(args: &[Value], _: &ExecContext) -> Result<Value> {
    let (text, (skipped, taken)) = match args {
        [Value::Text(text), Value::Int(start)] => (text, window(*start, None)?),
        [Value::Text(text), Value::Int(start), Value::Int(length)] => {
            (text, window(*start, Some(*length))?)
        }
        _ => return Ok(Value::Null),
    };
    Ok(Value::text(slice(text, skipped, taken)))
}

fn substr_bytes(args: &[Value], _: &ExecContext) -> Result<Value> {
    let (bytes, (skipped, taken)) = match args {
        [Value::Bytes(bytes), Value::Int(start)] => (bytes, window(*start, None)?),
        [Value::Bytes(bytes), Value::Int(start), Value::Int(length)] => {
            (bytes, window(*start, Some(*length))?)
        }
        _ => return Ok(Value::Null),
    };
    Ok(Value::Bytes(
        bytes.iter().skip(skipped).take(taken).copied().collect(),
    ))
}

/// Where the first `count` characters end, or all but the last `-count`.
fn head_length(text: &str, count: i64) -> usize {
    if count >= 0 {
        return usize::try_from(count).unwrap_or(usize::MAX);
    }
    let dropped = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    text.chars().count().saturating_sub(dropped)
}

fn left(args: &[Value], _: &ExecContext) -> Result<Value> {
    Ok(match args {
        [Value::Text(text), Value::Int(count)] => {
            Value::text(slice(text, 0, head_length(text, *count)))
        }
        _ => Value::Null,
    })
}

fn right(args: &[Value], _: &ExecContext) -> Result<Value> {
    Ok(match args {
        [Value::Text(text), Value::Int(count)] => {
            let skipped = head_length(text, count.saturating_neg());
            let skipped = if *count == 0 { usize::MAX } else { skipped };
            Value::text(slice(text, skipped, usize::MAX))
        }
        _ => Value::Null,
    })
}

fn repeat(args: &[Value], _: &ExecContext) -> Result<Value> {
    let [Value::Text(text), Value::Int(count)] = args else {
        return Ok(Value::Null);
    };
    let count = usize::try_from(*count).unwrap_or(0);
    match text.len().checked_mul(count) {
        Some(length) if length <= TEXT_BYTES_MAX => Ok(Value::Text(text.repeat(count))),
        _ => Err(too_long()),
    }
}

fn replace(args: &[Value], _: &ExecContext) -> Result<Value> {
    let [Value::Text(text), Value::Text(from), Value::Text(to)] = args else {
        return Ok(Value::Null);
    };
    if from.is_empty() {
        return Ok(Value::Text(text.clone()));
    }
    let found = text.matches(from.as_str()).count();
    let grown = found.saturating_mul(to.len().saturating_sub(from.len()));
    if grown.saturating_add(text.len()) > TEXT_BYTES_MAX {
        return Err(too_long());
    }
    Ok(Value::Text(text.replace(from.as_str(), to)))
}

/// The text cut to a length, and the filling it lacks.
fn padding(args: &[Value]) -> Result<Option<(&str, String)>> {
    let (text, length, fill) = match args {
        [Value::Text(text), Value::Int(length)] => (text, *length, " "),
        [Value::Text(text), Value::Int(length), Value::Text(fill)] => {
            (text, *length, fill.as_str())
        }
        _ => return Ok(None),
    };
    let length = usize::try_from(length).unwrap_or(0);
    let cut = slice(text, 0, length);
    let missing = length - cut.chars().count();
    if missing.saturating_mul(4) > TEXT_BYTES_MAX {
        return Err(too_long());
    }
    Ok(Some((cut, fill.chars().cycle().take(missing).collect())))
}

fn lpad(args: &[Value], _: &ExecContext) -> Result<Value> {
    Ok(padding(args)?.map_or(Value::Null, |(text, fill)| Value::from(fill + text)))
}

fn rpad(args: &[Value], _: &ExecContext) -> Result<Value> {
    Ok(padding(args)?.map_or(Value::Null, |(text, fill)| {
        Value::from(text.to_owned() + &fill)
    }))
}

fn split_part(args: &[Value], _: &ExecContext) -> Result<Value> {
    let [Value::Text(text), Value::Text(delimiter), Value::Int(part)] = args else {
        return Ok(Value::Null);
    };
    let place = usize::try_from(part.unsigned_abs()).unwrap_or(usize::MAX);
    let Some(place) = place.checked_sub(1) else {
        return Err(Error::row(
            sqlstate::INVALID_PARAMETER_VALUE,
            "field position must not be zero",
        ));
    };
    let found = if delimiter.is_empty() {
        (place == 0).then_some(text.as_str())
    } else if *part > 0 {
        text.split(delimiter.as_str()).nth(place)
    } else {
        // From the end, but with delimiters found from the start, as for positive places.
        let parts: Vec<&str> = text.split(delimiter.as_str()).collect();
        parts.into_iter().rev().nth(place)
    };
    Ok(Value::text(found.unwrap_or("")))
}

fn place_of(text: &str, wanted: &str) -> Result<Value> {
    match text.find(wanted) {
        Some(at) => counted(text.get(..at).unwrap_or("").chars().count() + 1),
        None => Ok(Value::Int(0)),
    }
}

fn strpos(args: &[Value], _: &ExecContext) -> Result<Value> {
    match args {
        [Value::Text(text), Value::Text(wanted)] => place_of(text, wanted),
        _ => Ok(Value::Null),
    }
}

fn position(args: &[Value], _: &ExecContext) -> Result<Value> {
    match args {
        [Value::Text(wanted), Value::Text(text)] => place_of(text, wanted),
        _ => Ok(Value::Null),
    }
}

fn ascii(args: &[Value], _: &ExecContext) -> Result<Value> {
    Ok(match args {
        [Value::Text(text)] => Value::Int(
            text.chars()
                .next()
                .map_or(0, |first| i64::from(u32::from(first))),
        ),
        _ => Value::Null,
    })
}

fn chr(args: &[Value], _: &ExecContext) -> Result<Value> {
    let [Value::Int(number)] = args else {
        return Ok(Value::Null);
    };
    if *number < 0 {
        return Err(Error::row(
            sqlstate::INVALID_PARAMETER_VALUE,
            "character number must be positive",
        ));
    }
    if *number == 0 {
        return Err(Error::row(
            sqlstate::PROGRAM_LIMIT_EXCEEDED,
            "null character not permitted",
        ));
    }
    let character = u32::try_from(*number).ok().and_then(char::from_u32);
    character
        .map(|character| Value::Text(EcoString::from(character)))
        .ok_or_else(|| {
            Error::row(
                sqlstate::PROGRAM_LIMIT_EXCEEDED,
                format!("requested character not valid for encoding: {number}"),
            )
        })
}

fn of_two(args: &[Value], holds: fn(&str, &str) -> bool) -> Result<Value> {
    Ok(match args {
        [Value::Text(text), Value::Text(part)] => Value::Bool(holds(text, part)),
        _ => Value::Null,
    })
}

fn starts_with(args: &[Value], _: &ExecContext) -> Result<Value> {
    of_two(args, |text, part| text.starts_with(part))
}

fn ends_with(args: &[Value], _: &ExecContext) -> Result<Value> {
    of_two(args, |text, part| text.ends_with(part))
}

fn contains(args: &[Value], _: &ExecContext) -> Result<Value> {
    of_two(args, |text, part| text.contains(part))
}

fn translate(args: &[Value], _: &ExecContext) -> Result<Value> {
    let [Value::Text(text), Value::Text(from), Value::Text(to)] = args else {
        return Ok(Value::Null);
    };
    let translated = text.chars().filter_map(|character| {
        match from.chars().position(|wanted| wanted == character) {
            Some(place) => to.chars().nth(place),
            None => Some(character),
        }
    });
    Ok(Value::Text(translated.collect()))
}

fn overlay(args: &[Value], _: &ExecContext) -> Result<Value> {
    let (text, new, start, length) = match args {
        [Value::Text(text), Value::Text(new), Value::Int(start)] => {
            (text, new, *start, new.chars().count())
        }
        [
            Value::Text(text),
            Value::Text(new),
            Value::Int(start),
            Value::Int(length),
        ] => (text, new, *start, usize::try_from(*length).unwrap_or(0)),
        _ => return Ok(Value::Null),
    };
    let Some(before) = usize::try_from(start)
        .ok()
        .and_then(|start| start.checked_sub(1))
    else {
        return Err(Error::row(
            sqlstate::SUBSTRING_ERROR,
            "negative substring length not allowed",
        ));
    };
    let after = before.saturating_add(length);
    Ok(Value::from(
        slice(text, 0, before).to_owned() + new + slice(text, after, usize::MAX),
    ))
}
