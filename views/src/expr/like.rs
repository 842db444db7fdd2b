//! LIKE and ILIKE: `%` is any run of characters, `_` is one. No backtracking beyond the last `%`, so the time is at
//! most text times pattern and no pattern makes it explode.

use tailwater_proto::{Value, sqlstate};

use crate::error::{Error, Result};

/// `value LIKE pattern [ESCAPE escape]`; `None` is unknown: an operand is NULL or not a text.
///
/// # Errors
/// `22025` if the pattern ends in its escape character, or the escape is longer than one character.
pub(crate) fn like(
    value: &Value,
    pattern: &Value,
    escape: Option<&Value>,
    case_insensitive: bool,
) -> Result<Option<bool>> {
    let escape = match escape {
        None => Some('\\'),
        Some(Value::Text(text)) => one_character(text)?,
        Some(_) => return Ok(None),
    };
    let (Value::Text(value), Value::Text(pattern)) = (value, pattern) else {
        return Ok(None);
    };
    if case_insensitive {
        matches(&value.to_lowercase(), &pattern.to_lowercase(), escape).map(Some)
    } else {
        matches(value, pattern, escape).map(Some)
    }
}

fn one_character(text: &str) -> Result<Option<char>> {
    let mut characters = text.chars();
    match (characters.next(), characters.next()) {
        (escape, None) => Ok(escape),
        _ => Err(Error::Row {
            sqlstate: sqlstate::INVALID_ESCAPE_SEQUENCE,
            message: "invalid escape string".to_owned(),
            hint: Some("Escape string must be empty or one character."),
        }),
    }
}

/// What stands at the head of a pattern.
enum Head {
    End,
    AnyRun,
    AnyOne,
    Exactly(char),
}

/// The head of `pattern` and what follows it.
fn head(pattern: &str, escape: Option<char>) -> Result<(Head, &str)> {
    let mut rest = pattern.chars();
    let head = match rest.next() {
        None => Head::End,
        Some(first) if Some(first) == escape => match rest.next() {
            Some(escaped) => Head::Exactly(escaped),
            None => {
                return Err(Error::row(
                    sqlstate::INVALID_ESCAPE_SEQUENCE,
                    "LIKE pattern must not end with escape character",
                ));
            }
        },
        Some('%') => Head::AnyRun,
        Some('_') => Head::AnyOne,
        Some(exact) => Head::Exactly(exact),
    };
    Ok((head, rest.as_str()))
}

/// Whether the whole text fits the pattern. On a mismatch the last `%` takes one character more.
fn matches(text: &str, pattern: &str, escape: Option<char>) -> Result<bool> {
    let (mut text, mut pattern) = (text, pattern);
    let mut retry: Option<(&str, &str)> = None;
    loop {
        let (step, after) = head(pattern, escape)?;
        let mut rest = text.chars();
        let fits = match (step, rest.next()) {
            (Head::AnyRun, _) => {
                retry = Some((text, after));
                pattern = after;
                continue;
            }
            (Head::End, None) => return Ok(true),
            (Head::AnyOne, Some(_)) => true,
            (Head::Exactly(wanted), Some(found)) => wanted == found,
            // The text is used up: a longer run for an earlier `%` leaves even less of it.
            (Head::AnyOne | Head::Exactly(_), None) => return Ok(false),
            (Head::End, Some(_)) => false,
        };
        if fits {
            text = rest.as_str();
            pattern = after;
            continue;
        }
        let Some((from, resume)) = retry else {
            return Ok(false);
        };
        let mut skipped = from.chars();
        if skipped.next().is_none() {
            return Ok(false);
        }
        retry = Some((skipped.as_str(), resume));
        text = skipped.as_str();
        pattern = resume;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str, pattern: &str) -> bool {
        matches(text, pattern, Some('\\')).unwrap()
    }

    #[test]
    fn patterns_match_as_in_postgresql() {
        for (text, pattern, expected) in [
            ("", "", true),
            ("", "%", true),
            ("", "_", false),
            ("abc", "abc", true),
            ("abc", "a%", true),
            ("abc", "%c", true),
            ("abc", "%b%", true),
            ("abc", "_b_", true),
            ("abc", "__", false),
            ("abc", "a%%c", true),
            ("abcbc", "a%bc", true),
            ("abcbd", "a%bc", false),
            ("a%c", r"a\%c", true),
            ("abc", r"a\%c", false),
            ("a_c", r"a\_c", true),
            ("äöü", "ä_ü", true),
            ("äöü", "___", true),
            ("hawkeye", "h%", true),
            ("indio", "in_o", false),
            ("foo\nbar", "f%r", true),
        ] {
            assert_eq!(answer(text, pattern), expected, "{text:?} LIKE {pattern:?}");
        }
    }

    #[test]
    fn escapes_are_one_character_and_never_last() {
        assert_eq!(
            matches("a", r"%\", Some('\\')).unwrap_err().sqlstate(),
            sqlstate::INVALID_ESCAPE_SEQUENCE
        );
        let two = like(&"a".into(), &"a".into(), Some(&"ab".into()), false);
        assert_eq!(
            two.unwrap_err().sqlstate(),
            sqlstate::INVALID_ESCAPE_SEQUENCE
        );
        let none = like(&r"a\b".into(), &r"a\b".into(), Some(&"".into()), false);
        assert_eq!(none, Ok(Some(true)));
        let other = like(&"10%".into(), &"10#%".into(), Some(&"#".into()), false);
        assert_eq!(other, Ok(Some(true)));
    }

    #[test]
    fn ilike_ignores_case_and_other_kinds_are_unknown() {
        assert_eq!(
            like(&"HeLLo".into(), &"h%O".into(), None, true),
            Ok(Some(true))
        );
        assert_eq!(like(&1i64.into(), &"1".into(), None, false), Ok(None));
        assert_eq!(like(&Value::Null, &"1".into(), None, false), Ok(None));
    }
}
