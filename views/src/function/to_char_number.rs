//! `to_char` of numbers by PostgreSQL's patterns: `9`, `0`, `.`, `D`, `,`, `G`, `S`, `MI`, `PL`, `SG`, `PR`, `$`,
//! `L`, `TH`, `FM`. Digits are rounded to those the pattern has; a number too large shows `#`.

use bigdecimal::num_bigint::Sign;
use tailwater_proto::{BigDecimal, Value, sqlstate};

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
            let (texts, after) = super::to_char::quoted(quoted);
            for text in texts {
                elements.push(Element::Copied(text));
            }
            rest = after;
            continue;
        }
        // Outside of quotes a backslash means something before a quote only.
        if rest.starts_with("\\\"") {
            elements.push(Element::Copied("\""));
            rest = rest.get(2..).unwrap_or("");
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
                head == *name
                    || (!name.eq_ignore_ascii_case("th") && head.eq_ignore_ascii_case(name))
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

/// How the places of a format are filled for one number.
struct Layout<'n> {
    /// Places before the point.
    places: usize,
    /// Places behind the point.
    fraction_places: usize,
    /// Digits of the whole part; `#`s if there are too many.
    whole: Vec<char>,
    /// Digits of the fraction, those not shown left out.
    fraction: Vec<char>,
    /// The first place that shows zeros before the number.
    zeros_from: Option<usize>,
    /// The zero before the point is not shown: `.5`.
    hides_zero: bool,
    negative: bool,
    format: &'n Format<'n>,
}

impl<'n> Layout<'n> {
    fn new(format: &'n Format<'n>, number: &BigDecimal) -> Self {
        let is_digit = |element: &&Element<'_>| matches!(element, Element::Digit { .. });
        let is_zero = |element: &Element<'_>| *element == Element::Digit { zero: true };
        let point = format
            .elements
            .iter()
            .position(|element| *element == Element::Point)
            .unwrap_or(format.elements.len());
        let places = || format.elements.iter().filter(is_digit);
        let whole_places = format.elements.iter().take(point).filter(is_digit).count();
        let fraction_places = places().count() - whole_places;
        let zeros_from = places().take(whole_places).position(is_zero);
        // Behind the point the last `0` keeps all digits before it.
        let zeros_kept = places()
            .skip(whole_places)
            .collect::<Vec<_>>()
            .iter()
            .rposition(|element| is_zero(element))
            .map_or(0, |last| last + 1);
        let rounded = numeric::round(number, i64::try_from(fraction_places).unwrap_or(0));
        let shown = rounded.abs().to_plain_string();
        let (whole, fraction) = shown.split_once('.').unwrap_or((&shown, ""));
        let mut fraction: Vec<char> = fraction.chars().collect();
        let mut whole: Vec<char> = whole.chars().collect();
        if whole.len() > whole_places {
            whole = vec!['#'; whole_places];
            fraction = vec!['#'; fraction_places];
        }
        if format.bare {
            while fraction.len() > zeros_kept && fraction.last() == Some(&'0') {
                fraction.pop();
            }
        }
        let only_zero = whole == ['0'] && zeros_from.is_none() && fraction_places > 0;
        Self {
            places: whole_places,
            fraction_places,
            hides_zero: only_zero && !(format.bare && fraction.is_empty()),
            whole,
            fraction,
            zeros_from,
            negative: rounded.sign() == Sign::Minus,
            format,
        }
    }

    /// What a place before the point shows; `None`: a blank.
    fn whole_at(&self, place: usize) -> Option<char> {
        let blanks = self.places - self.whole.len();
        match place.checked_sub(blanks) {
            None => self
                .zeros_from
                .is_some_and(|first| place >= first)
                .then_some('0'),
            Some(0) if self.hides_zero => None,
            Some(digit) => self.whole.get(digit).copied(),
        }
    }

    /// The sign that stands before the number's first character, as the format wants it.
    fn sign(&self) -> Option<char> {
        let has = |element| self.format.elements.contains(&element);
        if has(Element::Minus) || has(Element::PlusMinus) {
            return None;
        }
        if has(Element::Sign) {
            return (!self.sign_is_last()).then_some(if self.negative { '-' } else { '+' });
        }
        match (self.negative, self.format.bare) {
            (true, _) if has(Element::Brackets) => Some('<'),
            (true, _) => Some('-'),
            (false, false) => Some(' '),
            (false, true) => None,
        }
    }

    /// Whether `S` stands behind all places.
    fn sign_is_last(&self) -> bool {
        let elements = &self.format.elements;
        let sign = elements
            .iter()
            .position(|element| *element == Element::Sign);
        let digit = elements
            .iter()
            .position(|element| matches!(element, Element::Digit { .. } | Element::Point));
        sign > digit
    }

    /// What stands behind the last place: a sign or a closing bracket.
    fn end(&self) -> Option<char> {
        let has = |element| self.format.elements.contains(&element);
        if has(Element::Sign) && self.sign_is_last() {
            return Some(if self.negative { '-' } else { '+' });
        }
        if !has(Element::Brackets) {
            return None;
        }
        match (self.negative, self.format.bare) {
            (true, _) => Some('>'),
            (false, false) => Some(' '),
            (false, true) => None,
        }
    }

    fn write(&self) -> String {
        let mut text = String::new();
        let mut sign = self.sign();
        let mut place = 0;
        let mut behind_point = false;
        // Whether the last place showed a digit: a group separator follows only one.
        let mut inside = false;
        let last = self
            .format
            .elements
            .iter()
            .rposition(|element| matches!(element, Element::Digit { .. } | Element::Point));
        let blank = |text: &mut String| {
            if !self.format.bare {
                text.push(' ');
            }
        };
        for (index, element) in self.format.elements.iter().enumerate() {
            match element {
                Element::Digit { .. } => {
                    let shown = if behind_point {
                        self.fraction.get(place - self.places).copied()
                    } else {
                        self.whole_at(place)
                    };
                    place += 1;
                    inside = shown.is_some();
                    match shown {
                        Some(digit) => {
                            text.extend(sign.take());
                            text.push(digit);
                        }
                        None if behind_point => {}
                        None => blank(&mut text),
                    }
                }
                Element::Point => {
                    behind_point = true;
                    inside = false;
                    text.extend(sign.take());
                    text.push('.');
                }
                Element::Group if inside => text.push(','),
                Element::Group | Element::Currency => blank(&mut text),
                Element::PlusMinus => text.push(if self.negative { '-' } else { '+' }),
                Element::Minus if self.negative => text.push('-'),
                Element::Plus if !self.negative => text.push('+'),
                Element::Minus | Element::Plus => blank(&mut text),
                Element::Ordinal { upper } => text.push_str(&self.ordinal(*upper)),
                Element::Sign | Element::Brackets => {}
                Element::Copied(copied) => text.push_str(copied),
            }
            if last == Some(index) {
                text.extend(self.end());
            }
        }
        text
    }

    /// `st`, `nd`, `rd`, `th` behind whole numbers that are not negative.
    fn ordinal(&self, upper: bool) -> String {
        if self.negative || self.fraction_places > 0 || self.whole.contains(&'#') {
            return String::new();
        }
        let number: String = self.whole.iter().collect();
        let suffix = ordinal_suffix(&number);
        if upper {
            suffix.to_uppercase()
        } else {
            suffix.to_owned()
        }
    }
}

pub(super) fn to_char_number(args: &[Value], _: &ExecContext) -> Result<Value> {
    let [number, Value::Text(format)] = args else {
        return Ok(Value::Null);
    };
    let Some(number) = expr::to_decimal(number) else {
        return Ok(Value::Null);
    };
    let format = parse(format)?;
    Ok(Value::from(Layout::new(&format, &number).write()))
}
