//! `to_char` of numbers by PostgreSQL's patterns: `9`, `0`, `.`, `D`, `,`, `G`, `S`, `MI`, `PL`, `SG`, `PR`, `$`,
//! `L`, `TH`, `FM`. Digits are rounded to those the pattern has; a number too large shows `#`.

use tailwater_proto::{Value, sqlstate};

use super::to_char::ordinal_suffix;
use crate::context::ExecContext;
use crate::error::{Error, Result};
use crate::expr;
use crate::numeric;

/// One element of a pattern.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Element<'f> {
    /// `9`, or `0`, which shows zeros too.
    Digit {
        zero: bool,
    },
    Point,
    Group,
    /// `S` at its place.
    Sign,
    /// `MI`: a minus or a blank.
    Minus,
    /// `PL`: a plus or a blank.
    Plus,
    /// `SG`: a plus or a minus.
    PlusMinus,
    /// `PR`: angle brackets around negative numbers.
    Brackets,
    Currency,
    Ordinal {
        upper: bool,
    },
    Copied(&'f str),
}

struct Format<'f> {
    elements: Vec<Element<'f>>,
    /// `FM`: no blanks and no zeros that say nothing.
    bare: bool,
}

const ELEMENTS: &[(&str, Element<'static>)] = &[
    ("MI", Element::Minus),
    ("PL", Element::Plus),
    ("SG", Element::PlusMinus),
    ("PR", Element::Brackets),
    ("TH", Element::Ordinal { upper: true }),
    ("th", Element::Ordinal { upper: false }),
    ("9", Element::Digit { zero: false }),
    ("0", Element::Digit { zero: true }),
    (".", Element::Point),
    ("D", Element::Point),
    (",", Element::Group),
    ("G", Element::Group),
    ("S", Element::Sign),
    ("L", Element::Currency),
    ("$", Element::Copied("$")),
];

fn parse(format: &str) -> Result<Format<'_>> {
    let mut elements = Vec::new();
    let mut bare = false;
    let mut rest = format;
    while let Some(first) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("FM") {
            (rest, bare) = (after, true);
            continue;
        }
        if let Some(quoted) = rest.strip_prefix('"') {
            let (text, after) = quoted.split_once('"').unwrap_or((quoted, ""));
            elements.push(Element::Copied(text));
            rest = after;
            continue;
        }
        if ["EEEE", "RN", "rn", "V"]
            .iter()
            .any(|name| rest.starts_with(name))
        {
            return Err(Error::row(
                sqlstate::FEATURE_NOT_SUPPORTED,
                "patterns EEEE, RN and V are not supported for numbers",
            ));
        }
        let found = ELEMENTS.iter().find(|(name, _)| {
            rest.get(..name.len()).is_some_and(|head| {
                head == *name || (*name != "th" && head.eq_ignore_ascii_case(name))
            })
        });
        if let Some((name, element)) = found {
            if *element == Element::Point && elements.contains(&Element::Point) {
                return Err(Error::row(
                    sqlstate::SYNTAX_ERROR,
                    "multiple decimal points",
                ));
            }
            elements.push(*element);
            rest = rest.get(name.len()..).unwrap_or("");
        } else {
            let (text, after) = rest.split_at(first.len_utf8());
            elements.push(Element::Copied(text));
            rest = after;
        }
    }
    Ok(Format { elements, bare })
}

pub(super) fn to_char_number(args: &[Value], _: &ExecContext) -> Result<Value> {
    let [number, Value::Text(format)] = args else {
        return Ok(Value::Null);
    };
    let Some(number) = expr::to_decimal(number) else {
        return Ok(Value::Null);
    };
    let format = parse(format)?;
    let point = format
        .elements
        .iter()
        .position(|element| *element == Element::Point)
        .unwrap_or(format.elements.len());
    let is_digit = |element: &&Element<'_>| matches!(element, Element::Digit { .. });
    let whole_places = format.elements.iter().take(point).filter(is_digit).count();
    let places = format.elements.iter().skip(point).filter(is_digit).count();
    let rounded = numeric::round(&number, i64::try_from(places).unwrap_or(0));
    let shown = rounded.abs().to_plain_string();
    let (whole, fraction) = shown.split_once('.').unwrap_or((&shown, ""));
    let whole = if whole == "0" { "" } else { whole };
    let digits = Digits {
        overflow: whole.len() > whole_places,
        whole: format!("{whole:>whole_places$}"),
        fraction,
        negative: rounded.sign() == bigdecimal::num_bigint::Sign::Minus,
    };
    Ok(Value::from(write(&format, &digits)))
}

/// The digits to show, the whole part with blanks before it.
struct Digits<'n> {
    whole: String,
    fraction: &'n str,
    negative: bool,
    overflow: bool,
}

fn write(format: &Format<'_>, digits: &Digits<'_>) -> String {
    let elements = &format.elements;
    let explicit_sign = elements.iter().any(|element| {
        matches!(
            element,
            Element::Sign | Element::Minus | Element::Plus | Element::PlusMinus | Element::Brackets
        )
    });
    let point = elements
        .iter()
        .position(|element| *element == Element::Point);
    let zeros_from = elements
        .iter()
        .take(point.unwrap_or(elements.len()))
        .position(|element| *element == Element::Digit { zero: true });
    let zeros_to = elements
        .iter()
        .rposition(|element| *element == Element::Digit { zero: true });
    let mut text = String::new();
    let mut whole = digits.whole.chars();
    let mut fraction = digits.fraction.chars();
    // Where the number begins: a sign goes before it.
    let mut start = None;
    let mut behind_point = false;
    for (place, element) in elements.iter().enumerate() {
        match element {
            Element::Digit { .. } if digits.overflow => {
                start.get_or_insert(text.len());
                text.push('#');
            }
            Element::Digit { .. } if behind_point => {
                let digit = fraction.next().unwrap_or('0');
                let silent = format.bare
                    && zeros_to.is_none_or(|last| place > last)
                    && digit == '0'
                    && fraction.clone().all(|rest| rest == '0');
                if !silent {
                    text.push(digit);
                }
            }
            Element::Digit { .. } => {
                let digit = whole.next().unwrap_or(' ');
                let zero = zeros_from.is_some_and(|first| place >= first);
                match digit {
                    ' ' if zero => {
                        start.get_or_insert(text.len());
                        text.push('0');
                    }
                    ' ' => {
                        if !format.bare {
                            text.push(' ');
                        }
                    }
                    digit => {
                        start.get_or_insert(text.len());
                        text.push(digit);
                    }
                }
            }
            Element::Point => {
                behind_point = true;
                // 0.5 by `9.9` has its zero where nothing else stands before the point.
                if start.is_none() && digits.fraction.is_empty() && text.ends_with(' ') {
                    text.pop();
                    text.push('0');
                }
                start.get_or_insert(text.len());
                text.push('.');
            }
            Element::Group => {
                if start.is_some() {
                    text.push(',');
                } else if !format.bare {
                    text.push(' ');
                }
            }
            Element::Sign | Element::PlusMinus => {
                text.push(if digits.negative { '-' } else { '+' });
            }
            Element::Minus => match (digits.negative, format.bare) {
                (true, _) => text.push('-'),
                (false, false) => text.push(' '),
                (false, true) => {}
            },
            Element::Plus => match (digits.negative, format.bare) {
                (false, _) => text.push('+'),
                (true, false) => text.push(' '),
                (true, true) => {}
            },
            Element::Brackets => {
                let from = start.unwrap_or(0);
                if digits.negative {
                    text.insert(from, '<');
                    text.push('>');
                } else if !format.bare {
                    text.insert(0, ' ');
                    text.push(' ');
                }
            }
            Element::Currency => text.push(' '),
            Element::Ordinal { upper } => {
                if !digits.negative && digits.fraction.is_empty() {
                    let suffix = ordinal_suffix(&digits.whole);
                    text.push_str(&if *upper {
                        suffix.to_uppercase()
                    } else {
                        suffix.to_owned()
                    });
                }
            }
            Element::Copied(copied) => text.push_str(copied),
        }
    }
    // Without digits a zero stands in the last place before the point.
    if start.is_none() {
        if text.ends_with(' ') {
            text.pop();
        }
        start = Some(text.len());
        text.push('0');
    }
    if !explicit_sign {
        let from = start.unwrap_or(0);
        if digits.negative {
            text.insert(from, '-');
        } else if !format.bare {
            text.insert(0, ' ');
        }
    }
    text
}
