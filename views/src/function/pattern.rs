//! Regular expressions: matching, replacing, counting, splitting.
//!
//! Patterns are of the `regex` crate: PostgreSQL's advanced ones without back references and look-around, and always
//! in linear time. Flags as in PostgreSQL: `g` all, `i` ignore case, `n` and `m` lines, `s` one line, `x` free spacing.

use std::cell::RefCell;

use regex::{Regex, RegexBuilder};
use tailwater_proto::{Value, sqlstate};

use super::Function;
use super::Kind::{Bool, Int4, Text, TextArray};
use super::string::counted;
use crate::context::ExecContext;
use crate::error::{Error, Result};

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new(80, &["regexp_like"], &[Text, Text, Text], Bool, "Whether the pattern matches anywhere.", ("regexp_like('Hello', 'l+')", "true"), regexp_like).optional(1),
    Function::new(81, &["regexp_replace"], &[Text, Text, Text, Text], Text, "The first match (flag `g`: each) replaced; `\\1` is the first group, `\\&` the whole match.", ("regexp_replace('foobarbaz', 'b(..)', 'X\\1Y', 'g')", "fooXarYXazY"), regexp_replace).optional(1),
    Function::new(82, &["regexp_match"], &[Text, Text, Text], TextArray, "The groups of the first match, or all of it if the pattern has none; NULL without a match.", ("regexp_match('foobarbequebaz', '(bar)(beque)')", "{bar,beque}"), regexp_match).optional(1),
    Function::new(83, &["regexp_count"], &[Text, Text], Int4, "How often the pattern matches.", ("regexp_count('ABCABC', 'BC')", "2"), regexp_count),
    Function::new(84, &["regexp_substr"], &[Text, Text], Text, "The first match; NULL without one.", ("regexp_substr('number 42', '[0-9]+')", "42"), regexp_substr),
    Function::new(85, &["regexp_split_to_array"], &[Text, Text, Text], TextArray, "The parts between matches.", ("regexp_split_to_array('a  b c', ' +')", "{a,b,c}"), regexp_split_to_array).optional(1),
    Function::new(86, &["substring"], &[Text, Text], Text, "The first group of the first match, or all of it if the pattern has none.", ("substring('Thomas', '...$')", "mas"), substring),
];

/// Compiled patterns kept for the next row, newest last.
const PATTERNS_KEPT: usize = 16;

thread_local! {
    static COMPILED: RefCell<Vec<(String, String, Regex)>> = const { RefCell::new(Vec::new()) };
}

/// The compiled pattern. A regex is a handle: clones share what is compiled.
fn compiled(pattern: &str, flags: &str) -> Result<Regex> {
    COMPILED.with_borrow_mut(|kept| {
        if let Some((_, _, regex)) = kept.iter().find(|(p, f, _)| p == pattern && f == flags) {
            return Ok(regex.clone());
        }
        let regex = compile(pattern, flags)?;
        if kept.len() >= PATTERNS_KEPT {
            kept.remove(0);
        }
        kept.push((pattern.to_owned(), flags.to_owned(), regex.clone()));
        Ok(regex)
    })
}

fn compile(pattern: &str, flags: &str) -> Result<Regex> {
    let mut builder = RegexBuilder::new(pattern);
    // PostgreSQL's dot matches line ends unless `n` is given.
    builder.dot_matches_new_line(true);
    for flag in flags.chars() {
        match flag {
            'g' | 's' | 't' | 'e' => {}
            'i' => {
                builder.case_insensitive(true);
            }
            'c' => {
                builder.case_insensitive(false);
            }
            'n' | 'm' => {
                builder.multi_line(true).dot_matches_new_line(false);
            }
            'w' => {
                builder.multi_line(true);
            }
            'p' => {
                builder.dot_matches_new_line(false);
            }
            'x' => {
                builder.ignore_whitespace(true);
            }
            other => {
                return Err(Error::row(
                    sqlstate::INVALID_PARAMETER_VALUE,
                    format!("invalid regular expression option: \"{other}\""),
                ));
            }
        }
    }
    builder.build().map_err(|error| {
        Error::row(
            sqlstate::INVALID_REGULAR_EXPRESSION,
            format!("invalid regular expression: {error}"),
        )
    })
}

/// Text, compiled pattern and flags; `None` for other kinds.
fn subject<'v>(
    args: &'v [Value],
    flags: Option<&'v Value>,
) -> Result<Option<(&'v str, Regex, &'v str)>> {
    let [Value::Text(text), Value::Text(pattern), ..] = args else {
        return Ok(None);
    };
    let flags = match flags {
        None => "",
        Some(Value::Text(flags)) => flags.as_str(),
        Some(_) => return Ok(None),
    };
    Ok(Some((text, compiled(pattern, flags)?, flags)))
}

fn regexp_like(args: &[Value], _: &ExecContext) -> Result<Value> {
    let found = subject(args, args.get(2))?;
    Ok(found.map_or(Value::Null, |(text, regex, _)| {
        Value::Bool(regex.is_match(text))
    }))
}

fn regexp_count(args: &[Value], _: &ExecContext) -> Result<Value> {
    match subject(args, None)? {
        Some((text, regex, _)) => counted(regex.find_iter(text).count()),
        None => Ok(Value::Null),
    }
}

fn regexp_substr(args: &[Value], _: &ExecContext) -> Result<Value> {
    Ok(subject(args, None)?
        .and_then(|(text, regex, _)| Some(Value::text(regex.find(text)?.as_str())))
        .unwrap_or_default())
}

fn regexp_replace(args: &[Value], _: &ExecContext) -> Result<Value> {
    let (Some((text, regex, flags)), Some(Value::Text(replacement))) =
        (subject(args, args.get(3))?, args.get(2))
    else {
        return Ok(Value::Null);
    };
    let replacer = |captures: &regex::Captures<'_>| expanded(replacement, captures);
    let replaced = if flags.contains('g') {
        regex.replace_all(text, replacer)
    } else {
        regex.replace(text, replacer)
    };
    Ok(Value::text(&replaced))
}

/// The replacement with `\1` to `\9` and `\&` filled in.
fn expanded(replacement: &str, captures: &regex::Captures<'_>) -> String {
    let mut text = String::with_capacity(replacement.len());
    let group = |place: u32| {
        let place = usize::try_from(place).ok()?;
        captures.get(place).map(|group| group.as_str())
    };
    let mut rest = replacement.chars();
    while let Some(character) = rest.next() {
        if character != '\\' {
            text.push(character);
            continue;
        }
        match rest.next() {
            Some('&') => text.push_str(group(0).unwrap_or("")),
            Some(digit @ '1'..='9') => {
                text.push_str(digit.to_digit(10).and_then(group).unwrap_or(""));
            }
            Some('\\') | None => text.push('\\'),
            Some(other) => {
                text.push('\\');
                text.push(other);
            }
        }
    }
    text
}

/// The groups of the first match, the whole match if there are none.
fn groups(text: &str, regex: &Regex) -> Option<Vec<Value>> {
    let captures = regex.captures(text)?;
    let skipped = usize::from(captures.len() > 1);
    Some(
        captures
            .iter()
            .skip(skipped)
            .map(|group| group.map_or(Value::Null, |group| Value::text(group.as_str())))
            .collect(),
    )
}

fn regexp_match(args: &[Value], _: &ExecContext) -> Result<Value> {
    Ok(subject(args, args.get(2))?
        .and_then(|(text, regex, _)| groups(text, &regex))
        .map_or(Value::Null, Value::array))
}

fn substring(args: &[Value], _: &ExecContext) -> Result<Value> {
    Ok(subject(args, None)?
        .and_then(|(text, regex, _)| groups(text, &regex)?.into_iter().next())
        .unwrap_or_default())
}

fn regexp_split_to_array(args: &[Value], _: &ExecContext) -> Result<Value> {
    Ok(
        subject(args, args.get(2))?.map_or(Value::Null, |(text, regex, _)| {
            Value::array(regex.split(text).map(Value::text).collect())
        }),
    )
}
