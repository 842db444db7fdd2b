//! `to_char` of dates, times and intervals, and `to_date` and `to_timestamp` of texts, by PostgreSQL's patterns.
//!
//! Patterns of numbers are in `to_char_number`. Letters that are no pattern, and what stands in double quotes, are
//! copied.

use tailwater_proto::{Value, sqlstate};

use super::Function;
use super::Kind::{Date, Number, Temporal, Text, TimestampTz};
use super::time::instant;
use super::to_char_number::to_char_number;
use crate::civil::{self, Civil, DAY_US, HOUR_US, MINUTE_US, SECOND_US};
use crate::context::ExecContext;
use crate::error::{Error, Result};

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new(
        260,
        &["to_char"],
        &[Temporal, Text],
        Text,
        "The date, time or interval as text by a pattern.",
        (
            "to_char(TIMESTAMP '2024-02-29 14:03:09', 'Dy, DD Mon YYYY HH12:MI:SS AM')",
            "Thu, 29 Feb 2024 02:03:09 PM",
        ),
        to_char,
    ),
    Function::new(
        261,
        &["to_char"],
        &[Number, Text],
        Text,
        "The number as text by a pattern.",
        ("to_char(1234567.891, 'FM9,999,999.00')", "1,234,567.89"),
        to_char_number,
    ),
    Function::new(
        262,
        &["to_date"],
        &[Text, Text],
        Date,
        "The date a text stands for by a pattern.",
        ("to_date('05 Dec 2000', 'DD Mon YYYY')", "2000-12-05"),
        to_date,
    ),
    Function::new(
        263,
        &["to_timestamp"],
        &[Text, Text],
        TimestampTz,
        "The point in time a text stands for by a pattern.",
        (
            "to_timestamp('2024-02-29 14:03', 'YYYY-MM-DD HH24:MI')",
            "2024-02-29 14:03:00+00",
        ),
        to_timestamp,
    ),
];

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];
const ROMAN: [&str; 12] = [
    "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII",
];

/// Patterns, longer ones before those they begin with.
const PATTERNS: &[&str] = &[
    "Y,YYY", "YYYY", "YYY", "YY", "Y", "IYYY", "IYY", "IY", "IDDD", "ID", "IW", "I", "MONTH",
    "Month", "month", "MON", "Mon", "mon", "MM", "MI", "MS", "DAY", "Day", "day", "DDD", "DD",
    "DY", "Dy", "dy", "D", "HH24", "HH12", "HH", "SSSSS", "SSSS", "SS", "US", "FF1", "FF2", "FF3",
    "FF4", "FF5", "FF6", "A.M.", "P.M.", "a.m.", "p.m.", "AM", "PM", "am", "pm", "WW", "W", "CC",
    "J", "Q", "RM", "rm", "TZH", "TZM", "TZ", "tz", "OF", "A.D.", "B.C.", "a.d.", "b.c.", "AD",
    "BC", "ad", "bc",
];

/// One piece of a format.
enum Piece<'f> {
    Pattern {
        name: &'static str,
        /// `FM` before it: no padding.
        bare: bool,
        /// `TH` or `th` behind it.
        ordinal: Option<bool>,
    },
    Copied(&'f str),
}

/// Text up to the closing quote, in pieces without the backslashes that quote the character behind each, and what is
/// left after it.
pub(super) fn quoted(text: &str) -> (Vec<&str>, &str) {
    let mut pieces = Vec::new();
    let (mut start, mut escaped) = (0, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '"' => {
                pieces.push(text.get(start..at).unwrap_or(""));
                return (pieces, text.get(at + 1..).unwrap_or(""));
            }
            '\\' => {
                pieces.push(text.get(start..at).unwrap_or(""));
                start = at + 1;
                escaped = true;
            }
            _ => {}
        }
    }
    pieces.push(text.get(start..).unwrap_or(""));
    (pieces, "")
}

/// The pieces of a format, in order.
fn pieces(format: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = format;
    let mut bare = false;
    while let Some(first) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("FM") {
            (rest, bare) = (after, true);
            continue;
        }
        if let Some(after) = rest.strip_prefix("TM").or_else(|| rest.strip_prefix("FX")) {
            rest = after;
            continue;
        }
        if let Some(quoted) = rest.strip_prefix('"') {
            let (texts, after) = super::to_char::quoted(quoted);
            for text in texts {
                pieces.push(Piece::Copied(text));
            }
            rest = after;
            continue;
        }
        // Outside of quotes a backslash means something before a quote only.
        if rest.starts_with("\\\"") {
            pieces.push(Piece::Copied("\""));
            rest = rest.get(2..).unwrap_or("");
            continue;
        }
        // Patterns of digits may be written in any case, names show theirs.
        let found = PATTERNS.iter().find(|name| {
            rest.starts_with(**name)
                || (!is_cased(name)
                    && rest
                        .get(..name.len())
                        .is_some_and(|head| head.eq_ignore_ascii_case(name)))
        });
        if let Some(name) = found {
            rest = rest.get(name.len()..).unwrap_or("");
            let ordinal = [("TH", true), ("th", false)]
                .into_iter()
                .find(|(suffix, _)| rest.starts_with(suffix));
            if ordinal.is_some() {
                rest = rest.get(2..).unwrap_or("");
            }
            pieces.push(Piece::Pattern {
                name,
                bare,
                ordinal: ordinal.map(|(_, upper)| upper),
            });
            bare = false;
        } else {
            let (text, after) = rest.split_at(first.len_utf8());
            pieces.push(Piece::Copied(text));
            rest = after;
        }
    }
    pieces
}

/// Whether the case of the pattern is the case of what it shows.
fn is_cased(name: &str) -> bool {
    matches!(
        name.to_ascii_uppercase().as_str(),
        "MONTH"
            | "MON"
            | "DAY"
            | "DY"
            | "RM"
            | "TZ"
            | "AM"
            | "PM"
            | "A.M."
            | "P.M."
            | "AD"
            | "BC"
            | "A.D."
            | "B.C."
    )
}

/// What patterns show: a calendar date (of intervals: their counts) and a time of day.
struct Moment {
    civil: Civil,
    days: i64,
    /// Microseconds since midnight; of intervals any number.
    time: i64,
    is_span: bool,
    /// A point in time of a known zone.
    is_zoned: bool,
}

fn to_char(args: &[Value], _: &ExecContext) -> Result<Value> {
    let [value, Value::Text(format)] = args else {
        return Ok(Value::Null);
    };
    let moment = match value {
        Value::Interval(span) => Moment {
            civil: Civil {
                year: i64::from(span.months / 12),
                month: i64::from(span.months % 12),
                day: i64::from(span.days),
            },
            days: i64::from(span.days),
            time: span.micros,
            is_span: true,
            is_zoned: false,
        },
        Value::Time(micros) => Moment {
            civil: Civil {
                year: 0,
                month: 0,
                day: 0,
            },
            days: 0,
            time: *micros,
            is_span: true,
            is_zoned: false,
        },
        Value::Int(_) | Value::Real(_) | Value::Double(_) | Value::Numeric(_) => {
            return to_char_number(args, &ExecContext::default());
        }
        _ => {
            let Some(micros) = instant(value)? else {
                return Ok(Value::Null);
            };
            let days = micros.div_euclid(DAY_US);
            Moment {
                civil: Civil::of_days(days),
                days,
                time: micros.rem_euclid(DAY_US),
                is_span: false,
                is_zoned: matches!(value, Value::TimestampTz(_)),
            }
        }
    };
    let mut text = String::new();
    for piece in pieces(format) {
        match piece {
            Piece::Copied(copied) => text.push_str(copied),
            Piece::Pattern {
                name,
                bare,
                ordinal,
            } => {
                let shown = shown(name, bare, &moment);
                text.push_str(&shown);
                if let Some(upper) = ordinal {
                    let suffix = ordinal_suffix(&shown);
                    text.push_str(&if upper {
                        suffix.to_uppercase()
                    } else {
                        suffix.to_owned()
                    });
                }
            }
        }
    }
    Ok(Value::from(text))
}

/// `st`, `nd`, `rd` or `th` for a number.
pub(super) fn ordinal_suffix(number: &str) -> &'static str {
    let mut digits = number.chars().rev();
    let (last, tens) = (digits.next(), digits.next());
    match (tens, last) {
        (Some('1'), _) => "th",
        (_, Some('1')) => "st",
        (_, Some('2')) => "nd",
        (_, Some('3')) => "rd",
        _ => "th",
    }
}

/// A number with zeros before it, unless `bare`.
fn digits(number: i64, width: usize, bare: bool) -> String {
    if bare {
        return number.to_string();
    }
    let sign = if number < 0 { "-" } else { "" };
    format!("{sign}{:0width$}", number.unsigned_abs())
}

/// A name in the case of its pattern, filled up to `width` unless `bare`.
fn cased(name: &str, pattern: &str, width: usize, bare: bool) -> String {
    let mut letters = pattern.chars();
    let upper = |letter: Option<char>| letter.is_some_and(char::is_uppercase);
    let (first, second) = (upper(letters.next()), upper(letters.next()));
    let name = match (first, second) {
        (true, true) => name.to_uppercase(),
        (true, false) => name.to_owned(),
        _ => name.to_lowercase(),
    };
    if bare { name } else { format!("{name:width$}") }
}

fn named(names: &[&'static str], place: i64) -> &'static str {
    usize::try_from(place)
        .ok()
        .and_then(|place| names.get(place))
        .copied()
        .unwrap_or("")
}

fn short(name: &str) -> &str {
    name.get(..3).unwrap_or(name)
}

fn shown(name: &str, bare: bool, moment: &Moment) -> String {
    let Moment {
        civil, days, time, ..
    } = moment;
    let year = if moment.is_span || civil.year > 0 {
        civil.year
    } else {
        1 - civil.year
    };
    let hour = time / HOUR_US;
    let fraction = (time % SECOND_US).abs();
    let weekday = civil::weekday(*days);
    let iso = || {
        let (year, week) = civil.iso_week();
        (if year > 0 { year } else { 1 - year }, week)
    };
    let number = |number: i64, width: usize| digits(number, width, bare);
    match name {
        "Y,YYY" => format!("{},{:03}", year / 1000, year % 1000),
        "YYYY" => number(year, 4),
        "YYY" => number(year % 1000, 3),
        "YY" => number(year % 100, 2),
        "Y" => number(year % 10, 1),
        "IYYY" => number(iso().0, 4),
        "IYY" => number(iso().0 % 1000, 3),
        "IY" => number(iso().0 % 100, 2),
        "I" => number(iso().0 % 10, 1),
        "MONTH" | "Month" | "month" => cased(named(&MONTHS, civil.month - 1), name, 9, bare),
        "MON" | "Mon" | "mon" => cased(short(named(&MONTHS, civil.month - 1)), name, 3, bare),
        "MM" => number(civil.month, 2),
        "RM" | "rm" => {
            let numeral = named(&ROMAN, civil.month - 1);
            let numeral = if name == "RM" {
                numeral.to_owned()
            } else {
                numeral.to_lowercase()
            };
            if bare {
                numeral
            } else {
                format!("{numeral:4}")
            }
        }
        "DAY" | "Day" | "day" => cased(named(&DAYS, weekday), name, 9, bare),
        "DY" | "Dy" | "dy" => cased(short(named(&DAYS, weekday)), name, 3, bare),
        "DDD" if moment.is_span => number(*days, 3),
        "DDD" => number(civil.day_of_year(), 3),
        "IDDD" => number((iso().1 - 1) * 7 + (weekday + 6) % 7 + 1, 3),
        "DD" => number(civil.day, 2),
        "D" => number(weekday + 1, 1),
        "ID" => number((weekday + 6) % 7 + 1, 1),
        "HH24" => number(hour, 2),
        "HH12" | "HH" => number(
            match hour % 12 {
                0 => 12,
                hour => hour,
            },
            2,
        ),
        "MI" => number(time / MINUTE_US % 60, 2),
        "SS" => number(time / SECOND_US % 60, 2),
        "SSSS" | "SSSSS" => number(time / SECOND_US, 1),
        "MS" => number(fraction / 1_000, 3),
        "US" => number(fraction, 6),
        "FF1" => digits(fraction / 100_000, 1, false),
        "FF2" => digits(fraction / 10_000, 2, false),
        "FF3" => digits(fraction / 1_000, 3, false),
        "FF4" => digits(fraction / 100, 4, false),
        "FF5" => digits(fraction / 10, 5, false),
        "FF6" => digits(fraction, 6, false),
        "AM" | "PM" => half(hour, "AM", "PM"),
        "am" | "pm" => half(hour, "am", "pm"),
        "A.M." | "P.M." => half(hour, "A.M.", "P.M."),
        "a.m." | "p.m." => half(hour, "a.m.", "p.m."),
        "WW" => number((civil.day_of_year() - 1) / 7 + 1, 2),
        "W" => number((civil.day - 1) / 7 + 1, 1),
        "IW" => number(iso().1, 2),
        "CC" if civil.year > 0 || moment.is_span => number((year + 99) / 100, 2),
        "CC" => number(-((year + 99) / 100), 2),
        "J" => number(days + 2_440_588, 1),
        "Q" => number((civil.month - 1) / 3 + 1, 1),
        "TZ" if moment.is_zoned => "UTC".to_owned(),
        "tz" if moment.is_zoned => "utc".to_owned(),
        "TZH" | "OF" => "+00".to_owned(),
        "TZM" => "00".to_owned(),
        "AD" | "BC" => era(civil, "AD", "BC"),
        "ad" | "bc" => era(civil, "ad", "bc"),
        "A.D." | "B.C." => era(civil, "A.D.", "B.C."),
        "a.d." | "b.c." => era(civil, "a.d.", "b.c."),
        _ => String::new(),
    }
}

fn half(hour: i64, before: &str, after: &str) -> String {
    (if hour % 24 < 12 { before } else { after }).to_owned()
}

fn era(civil: &Civil, after: &str, before: &str) -> String {
    (if civil.year > 0 { after } else { before }).to_owned()
}

/// What a text said of a point in time.
struct Read {
    year: i64,
    month: i64,
    day: i64,
    day_of_year: Option<i64>,
    hour: i64,
    minute: i64,
    second: i64,
    micros: i64,
    afternoon: Option<bool>,
    before_christ: bool,
}

fn to_date(args: &[Value], _: &ExecContext) -> Result<Value> {
    match args {
        [Value::Text(text), Value::Text(format)] => {
            read(text, format).map(|micros| Value::Date(civil::day_of(micros)))
        }
        _ => Ok(Value::Null),
    }
}

fn to_timestamp(args: &[Value], _: &ExecContext) -> Result<Value> {
    match args {
        [Value::Text(text), Value::Text(format)] => read(text, format).map(Value::TimestampTz),
        _ => Ok(Value::Null),
    }
}

/// Reads the text by the pattern, leniently about separators, as PostgreSQL does.
fn read(text: &str, format: &str) -> Result<i64> {
    let mut found = Read {
        year: 1,
        month: 1,
        day: 1,
        day_of_year: None,
        hour: 0,
        minute: 0,
        second: 0,
        micros: 0,
        afternoon: None,
        before_christ: false,
    };
    let pieces = pieces(format);
    let mut rest = text.trim_start();
    for (place, piece) in pieces.iter().enumerate() {
        match piece {
            Piece::Copied(copied) => {
                for wanted in copied.chars() {
                    let separator = |c: char| !c.is_alphanumeric();
                    rest = if separator(wanted) {
                        rest.trim_start_matches(|c: char| separator(c) && c != '-' && c != '+')
                            .strip_prefix(wanted)
                            .unwrap_or_else(|| rest.trim_start_matches(separator))
                    } else {
                        let mut after = rest.chars();
                        after.next();
                        after.as_str()
                    };
                }
            }
            Piece::Pattern { name, .. } => {
                // Digits run on to the next separator unless a pattern of digits follows at once.
                let packed = matches!(pieces.get(place + 1), Some(Piece::Pattern { .. }));
                rest = read_pattern(name, packed, rest.trim_start(), text, &mut found)?;
            }
        }
        if rest.is_empty() {
            break;
        }
    }
    composed(&found, text)
}

fn invalid(text: &str, name: &str) -> Error {
    Error::row(
        sqlstate::INVALID_DATETIME_FORMAT,
        format!("invalid value \"{text}\" for \"{name}\""),
    )
}

/// Reads one pattern off the text and gives back what follows.
fn read_pattern<'t>(
    name: &str,
    packed: bool,
    rest: &'t str,
    text: &str,
    found: &mut Read,
) -> Result<&'t str> {
    let number = |width: usize| -> Result<(i64, usize, &'t str)> {
        let length = rest
            .bytes()
            .take(width)
            .take_while(u8::is_ascii_digit)
            .count();
        let (number, after) = rest.split_at(length);
        let number = number
            .parse()
            .map_err(|_| invalid(rest.get(..width).unwrap_or(rest), name))?;
        Ok((number, length, after))
    };
    let free = |width: usize| if packed { width } else { 9 };
    let mut field = |slot: fn(&mut Read) -> &mut i64, width: usize| -> Result<&'t str> {
        let (value, _, after) = number(width)?;
        *slot(found) = value;
        Ok(after)
    };
    match name {
        "YYYY" | "IYYY" => field(|read| &mut read.year, free(4)),
        "YYY" | "YY" | "Y" => {
            let (year, _, after) = number(free(name.len()))?;
            // The year nearest to 2020.
            found.year = match year {
                0..70 => year + 2000,
                70..100 => year + 1900,
                100..520 => year + 2000,
                520..1000 => year + 1000,
                _ => year,
            };
            Ok(after)
        }
        "MM" => field(|read| &mut read.month, 2),
        "DD" => field(|read| &mut read.day, 2),
        "DDD" => {
            let (day, _, after) = number(3)?;
            found.day_of_year = Some(day);
            Ok(after)
        }
        "HH24" | "HH12" | "HH" => field(|read| &mut read.hour, 2),
        "MI" => field(|read| &mut read.minute, 2),
        "SS" => field(|read| &mut read.second, 2),
        "MS" | "US" | "FF1" | "FF2" | "FF3" | "FF4" | "FF5" | "FF6" => {
            let width = if name == "MS" { 3 } else { 6 };
            let (fraction, length, after) = number(width)?;
            // Digits of a fraction: `.5` is half a second in every pattern.
            let places = u32::try_from(6 - length.min(6)).unwrap_or(0);
            found.micros = fraction * 10_i64.pow(places);
            Ok(after)
        }
        "MONTH" | "Month" | "month" | "MON" | "Mon" | "mon" => {
            let (place, after) = read_name(rest, &MONTHS).ok_or_else(|| invalid(rest, name))?;
            found.month = place + 1;
            Ok(after)
        }
        "DAY" | "Day" | "day" | "DY" | "Dy" | "dy" => {
            let (_, after) = read_name(rest, &DAYS).ok_or_else(|| invalid(rest, name))?;
            Ok(after)
        }
        "AM" | "PM" | "am" | "pm" | "A.M." | "P.M." | "a.m." | "p.m." => {
            let head = rest
                .get(..name.len())
                .unwrap_or("")
                .to_lowercase()
                .replace('.', "");
            found.afternoon = match head.as_str() {
                "am" => Some(false),
                "pm" => Some(true),
                _ => return Err(invalid(rest, name)),
            };
            Ok(rest.get(name.len()..).unwrap_or(""))
        }
        "AD" | "BC" | "ad" | "bc" | "A.D." | "B.C." | "a.d." | "b.c." => {
            found.before_christ = rest.to_lowercase().starts_with('b');
            Ok(rest.get(name.len()..).unwrap_or(""))
        }
        _ => Err(Error::row(
            sqlstate::FEATURE_NOT_SUPPORTED,
            format!("the pattern \"{name}\" can be shown but not read (in \"{text}\")"),
        )),
    }
}

/// The name, or its first three letters, the text begins with: its place and what follows.
fn read_name<'t>(rest: &'t str, names: &[&str]) -> Option<(i64, &'t str)> {
    let begins = |name: &str| {
        rest.get(..name.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(name))
    };
    for (place, name) in names.iter().enumerate() {
        let length = if begins(name) {
            name.len()
        } else if begins(short(name)) {
            3
        } else {
            continue;
        };
        return Some((i64::try_from(place).ok()?, rest.get(length..)?));
    }
    None
}

fn composed(found: &Read, text: &str) -> Result<i64> {
    let out_of_range = || {
        Error::row(
            sqlstate::DATETIME_FIELD_OVERFLOW,
            format!("date/time field value out of range: \"{text}\""),
        )
    };
    let hour = match found.afternoon {
        Some(_) if !(1..=12).contains(&found.hour) => {
            return Err(Error::row(
                sqlstate::INVALID_DATETIME_FORMAT,
                format!("hour \"{}\" is invalid for the 12-hour clock", found.hour),
            ));
        }
        Some(afternoon) => found.hour % 12 + if afternoon { 12 } else { 0 },
        None => found.hour,
    };
    let year = if found.before_christ {
        1 - found.year
    } else {
        found.year
    };
    let civil = Civil {
        year,
        month: found.month,
        day: found.day,
    };
    let days = match found.day_of_year {
        Some(day) if (1..=366).contains(&day) => {
            Civil {
                year,
                month: 1,
                day: 1,
            }
            .days()
                + day
                - 1
        }
        None if civil.is_valid() => civil.days(),
        _ => return Err(out_of_range()),
    };
    if !(0..24).contains(&hour)
        || !(0..60).contains(&found.minute)
        || !(0..60).contains(&found.second)
    {
        return Err(out_of_range());
    }
    let time = hour * HOUR_US + found.minute * MINUTE_US + found.second * SECOND_US + found.micros;
    let days = civil::date(days)?;
    civil::timestamp(i128::from(days) * i128::from(DAY_US) + i128::from(time))
}
