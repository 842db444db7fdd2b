//! INTERVAL as text: PostgreSQL's own style and ISO 8601 durations, written and read.
//!
//! Months, days and microseconds stay apart; only fractions of a larger unit flow down into smaller ones, a month
//! being 30 days there, as PostgreSQL has it. Points in time are in `datetime`.

use std::fmt::{self, Write};

use crate::datetime::{DAY_US, HOUR_US, SECOND_US, write_fraction, write_time};
use crate::error::TextError;
use crate::sqlstate;
use crate::value::Interval;

/// As PostgreSQL prints it: `1 year 2 mons -3 days +04:05:06.789`.
impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        let mut after_negative = false;
        let parts = [
            (self.months / 12, "year"),
            (self.months % 12, "mon"),
            (self.days, "day"),
        ];
        for (count, unit) in parts {
            if count == 0 {
                continue;
            }
            let blank = if first { "" } else { " " };
            let sign = if after_negative && count > 0 { "+" } else { "" };
            let plural = if count == 1 { "" } else { "s" };
            write!(f, "{blank}{sign}{count} {unit}{plural}")?;
            first = false;
            after_negative = count < 0;
        }
        if first || self.micros != 0 {
            f.write_str(if first { "" } else { " " })?;
            f.write_str(match self.micros {
                ..0 => "-",
                _ if after_negative => "+",
                _ => "",
            })?;
            write_time(f, self.micros)?;
        }
        Ok(())
    }
}

/// The ISO 8601 duration: `P1Y2M-3DT4H5M6.789S`, `PT0S`.
pub(crate) fn write_iso(out: &mut impl Write, interval: &Interval) -> fmt::Result {
    if *interval == Interval::default() {
        return out.write_str("PT0S");
    }
    out.write_char('P')?;
    let days = [
        (interval.months / 12, 'Y'),
        (interval.months % 12, 'M'),
        (interval.days, 'D'),
    ];
    for (count, unit) in days {
        if count != 0 {
            write!(out, "{count}{unit}")?;
        }
    }
    if interval.micros == 0 {
        return Ok(());
    }
    out.write_char('T')?;
    let hours = interval.micros / HOUR_US;
    let minutes = interval.micros % HOUR_US / (60 * SECOND_US);
    let rest = interval.micros % (60 * SECOND_US);
    if hours != 0 {
        write!(out, "{hours}H")?;
    }
    if minutes != 0 {
        write!(out, "{minutes}M")?;
    }
    if rest != 0 {
        out.write_str(if rest < 0 { "-" } else { "" })?;
        write!(out, "{}", rest.unsigned_abs() / 1_000_000)?;
        write_fraction(out, rest.unsigned_abs() % 1_000_000)?;
        out.write_char('S')?;
    }
    Ok(())
}

/// Reads an interval: `1 year 2 mons`, `@ 3 days ago`, `1-2 3 04:05:06`, `P1Y2M3DT4H5M6S`; a bare number is seconds.
///
/// # Errors
/// `22007` for what is no interval, `22008` for one out of range.
pub fn parse_interval(text: &str) -> Result<Interval, TextError> {
    let parsed = match text.trim().strip_prefix(['P', 'p']) {
        Some(iso) => parse_iso(iso),
        None => parse_words(text),
    };
    parsed.and_then(Sum::finish).map_err(|fault| match fault {
        Fault::Syntax => TextError::new(
            sqlstate::INVALID_DATETIME_FORMAT,
            format!("invalid input syntax for type interval: \"{text}\""),
        ),
        Fault::Range => TextError::new(
            sqlstate::DATETIME_FIELD_OVERFLOW,
            format!("interval field value out of range: \"{text}\""),
        ),
    })
}

/// Why a text is no interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Syntax,
    Range,
}

/// A unit, as what one of it comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Months(i64),
    Days(i64),
    Micros(i64),
}

/// A decimal number: sign, whole part, and the fraction in millionths of millionths.
#[derive(Clone, Copy, Debug)]
struct Decimal {
    negative: bool,
    whole: i64,
    fraction: i64,
}

const FRACTION_ONE: i64 = 1_000_000_000_000;

impl Decimal {
    fn read(text: &str) -> Result<Self, Fault> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if (whole.is_empty() && fraction.is_empty()) || !all_digits(whole) || !all_digits(fraction)
        {
            return Err(Fault::Syntax);
        }
        let whole = match whole {
            "" => 0,
            digits => digits.parse().map_err(|_| Fault::Range)?,
        };
        let fraction = fraction
            .bytes()
            .chain(std::iter::repeat(b'0'))
            .take(12)
            .fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'));
        Ok(Self {
            negative,
            whole,
            fraction,
        })
    }
}

/// Months, days and microseconds summed up, wide enough not to overflow on the way.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    months: i128,
    days: i128,
    micros: i128,
}

impl Sum {
    fn add(&mut self, number: Decimal, unit: Unit) {
        let sign = if number.negative { -1 } else { 1 };
        let whole = i128::from(number.whole) * sign;
        let fraction = i128::from(number.fraction) * sign;
        let one = i128::from(FRACTION_ONE);
        match unit {
            Unit::Months(months) => {
                // Years and more round their fraction to months; a fraction of a month becomes days of 30 a month.
                self.months += whole * i128::from(months);
                if months > 1 {
                    self.months += round_divide(fraction * i128::from(months), one);
                } else {
                    self.add_days(fraction * 30);
                }
            }
            Unit::Days(days) => {
                self.days += whole * i128::from(days);
                self.add_days(fraction * i128::from(days));
            }
            Unit::Micros(micros) => {
                self.micros += whole * i128::from(micros);
                self.micros += round_divide(fraction * i128::from(micros), one);
            }
        }
    }

    /// Adds days given in parts of [`FRACTION_ONE`]: whole ones as days, the rest as microseconds.
    fn add_days(&mut self, parts: i128) {
        let one = i128::from(FRACTION_ONE);
        self.days += parts / one;
        self.micros += round_divide(parts % one * i128::from(DAY_US), one);
    }

    fn negate(&mut self) {
        self.months = -self.months;
        self.days = -self.days;
        self.micros = -self.micros;
    }

    fn finish(self) -> Result<Interval, Fault> {
        Ok(Interval {
            months: i32::try_from(self.months).map_err(|_| Fault::Range)?,
            days: i32::try_from(self.days).map_err(|_| Fault::Range)?,
            micros: i64::try_from(self.micros).map_err(|_| Fault::Range)?,
        })
    }
}

fn round_divide(number: i128, by: i128) -> i128 {
    let half = if number < 0 { -by / 2 } else { by / 2 };
    (number + half) / by
}

fn unit_of(word: &str) -> Option<Unit> {
    Some(match word.to_ascii_lowercase().as_str() {
        "millennium" | "millennia" | "mil" | "mils" => Unit::Months(12_000),
        "century" | "centuries" | "cent" | "c" => Unit::Months(1_200),
        "decade" | "decades" | "dec" | "decs" => Unit::Months(120),
        "year" | "years" | "yr" | "yrs" | "y" => Unit::Months(12),
        "month" | "months" | "mon" | "mons" => Unit::Months(1),
        "week" | "weeks" | "w" => Unit::Days(7),
        "day" | "days" | "d" => Unit::Days(1),
        "hour" | "hours" | "hr" | "hrs" | "h" => Unit::Micros(HOUR_US),
        "minute" | "minutes" | "min" | "mins" | "m" => Unit::Micros(60 * SECOND_US),
        "second" | "seconds" | "sec" | "secs" | "s" => Unit::Micros(SECOND_US),
        "millisecond" | "milliseconds" | "msec" | "msecs" | "msecond" | "mseconds" | "ms" => {
            Unit::Micros(1_000)
        }
        "microsecond" | "microseconds" | "usec" | "usecs" | "usecond" | "useconds" | "us" => {
            Unit::Micros(1)
        }
        _ => return None,
    })
}

/// PostgreSQL's words, and the SQL standard's `1-2 3 4:05:06`.
fn parse_words(text: &str) -> Result<Sum, Fault> {
    let mut sum = Sum::default();
    let mut rest = text.trim();
    rest = rest.strip_prefix('@').unwrap_or(rest).trim_start();
    if rest.is_empty() {
        return Err(Fault::Syntax);
    }
    let mut ago = false;
    while !rest.is_empty() {
        if ago {
            return Err(Fault::Syntax);
        }
        let number_end = rest
            .find(|c: char| !matches!(c, '0'..='9' | '.' | ':' | '+' | '-'))
            .unwrap_or(rest.len());
        let (number, after) = rest.split_at(number_end);
        if number.is_empty() {
            let (word, after) = split_word(rest);
            ago = word.eq_ignore_ascii_case("ago");
            if !ago {
                return Err(Fault::Syntax);
            }
            rest = after.trim_start();
            continue;
        }
        rest = after.trim_start();
        if number.contains(':') {
            add_clock(&mut sum, number)?;
            continue;
        }
        if number.get(1..).is_some_and(|tail| tail.contains('-')) {
            add_year_month(&mut sum, number)?;
            continue;
        }
        let number = Decimal::read(number)?;
        let (word, after) = split_word(rest);
        let unit = match word {
            // `1 04:05:06`: a bare number before a clock is days; at the end it is seconds.
            "" if rest.contains(':') => Unit::Days(1),
            "" if rest.is_empty() => Unit::Micros(SECOND_US),
            word if word.eq_ignore_ascii_case("ago") => {
                sum.add(number, Unit::Micros(SECOND_US));
                continue;
            }
            word => unit_of(word).ok_or(Fault::Syntax)?,
        };
        sum.add(number, unit);
        rest = after.trim_start();
    }
    if ago {
        sum.negate();
    }
    Ok(sum)
}

fn split_word(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !c.is_ascii_alphabetic())
        .unwrap_or(text.len());
    text.split_at(end)
}

/// `[-]H:MM[:SS[.f]]`, or `MM:SS.f`.
fn add_clock(sum: &mut Sum, clock: &str) -> Result<(), Fault> {
    let (negative, digits) = match clock.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, clock.strip_prefix('+').unwrap_or(clock)),
    };
    let mut fields = digits.split(':');
    let (first, second, third) = (fields.next(), fields.next(), fields.next());
    if fields.next().is_some() {
        return Err(Fault::Syntax);
    }
    let (hours, minutes, seconds) = match (first, second, third) {
        (Some(hours), Some(minutes), Some(seconds)) => (hours, minutes, seconds),
        (Some(minutes), Some(seconds), None) if seconds.contains('.') => ("0", minutes, seconds),
        (Some(hours), Some(minutes), None) => (hours, minutes, "0"),
        _ => return Err(Fault::Syntax),
    };
    let read = |text: &str, unit: i64| {
        if text.starts_with(['-', '+']) {
            return Err(Fault::Syntax);
        }
        let number = Decimal::read(text)?;
        if unit < HOUR_US && number.whole >= 60 && (number.whole > 60 || unit > SECOND_US) {
            return Err(Fault::Range);
        }
        Ok(Decimal { negative, ..number })
    };
    for (text, unit) in [
        (hours, HOUR_US),
        (minutes, 60 * SECOND_US),
        (seconds, SECOND_US),
    ] {
        sum.add(read(text, unit)?, Unit::Micros(unit));
    }
    Ok(())
}

/// `[-]Y-M`.
fn add_year_month(sum: &mut Sum, text: &str) -> Result<(), Fault> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (years, months) = digits.split_once('-').ok_or(Fault::Syntax)?;
    let (years, months) = (Decimal::read(years)?, Decimal::read(months)?);
    if years.fraction != 0 || months.fraction != 0 || months.negative {
        return Err(Fault::Syntax);
    }
    if months.whole >= 12 {
        return Err(Fault::Range);
    }
    sum.add(Decimal { negative, ..years }, Unit::Months(12));
    sum.add(Decimal { negative, ..months }, Unit::Months(1));
    Ok(())
}

/// The part of an ISO 8601 duration after its `P`.
fn parse_iso(text: &str) -> Result<Sum, Fault> {
    let mut sum = Sum::default();
    let mut rest = text.trim_end();
    let mut in_time = false;
    let mut fields = 0;
    while let Some(head) = rest.chars().next() {
        if matches!(head, 'T' | 't') && !in_time {
            in_time = true;
            rest = rest.get(1..).unwrap_or_default();
            continue;
        }
        let end = rest
            .find(|c: char| !matches!(c, '0'..='9' | '.' | '+' | '-'))
            .ok_or(Fault::Syntax)?;
        let (number, after) = rest.split_at(end);
        let mut letters = after.chars();
        let unit = match (letters.next().map(|c| c.to_ascii_uppercase()), in_time) {
            (Some('Y'), false) => Unit::Months(12),
            (Some('M'), false) => Unit::Months(1),
            (Some('W'), false) => Unit::Days(7),
            (Some('D'), false) => Unit::Days(1),
            (Some('H'), true) => Unit::Micros(HOUR_US),
            (Some('M'), true) => Unit::Micros(60 * SECOND_US),
            (Some('S'), true) => Unit::Micros(SECOND_US),
            _ => return Err(Fault::Syntax),
        };
        sum.add(Decimal::read(number)?, unit);
        rest = letters.as_str();
        fields += 1;
    }
    if fields == 0 {
        return Err(Fault::Syntax);
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_read_and_print_as_postgresql_does() {
        for (input, output) in [
            (
                "1 year 2 mons 3 days 04:05:06.789",
                "1 year 2 mons 3 days 04:05:06.789",
            ),
            ("@ 1 minute", "00:01:00"),
            ("1.5 weeks", "10 days 12:00:00"),
            ("1.5 months", "1 mon 15 days"),
            ("1.5 years", "1 year 6 mons"),
            ("-1 days +02:03:00", "-1 days +02:03:00"),
            ("1 day ago", "-1 days"),
            ("6 years -2 mons", "5 years 10 mons"),
            ("-1 year +2 days", "-1 years +2 days"),
            ("1-2", "1 year 2 mons"),
            ("-1-2", "-1 years -2 mons"),
            ("1 12:30:00", "1 day 12:30:00"),
            ("5", "00:00:05"),
            ("-23:59:59.999999", "-23:59:59.999999"),
            ("100 hours", "100:00:00"),
            ("P1Y2M3DT4H5M6S", "1 year 2 mons 3 days 04:05:06"),
            ("P-1D", "-1 days"),
            ("0", "00:00:00"),
            ("1 month 15 days", "1 mon 15 days"),
            ("30:15.5", "00:30:15.5"),
            ("1d2h", "1 day 02:00:00"),
        ] {
            let interval = parse_interval(input).unwrap();
            assert_eq!(interval.to_string(), output, "{input}");
            let mut iso = String::new();
            write_iso(&mut iso, &interval).unwrap();
            assert_eq!(parse_interval(&iso), Ok(interval), "{iso}");
        }
        for (input, sqlstate) in [
            ("", "22007"),
            ("badly formatted interval", "22007"),
            ("@ 30 eons ago", "22007"),
            ("P", "22007"),
            ("178957000 years", "22008"),
            ("1:70", "22008"),
        ] {
            assert_eq!(
                parse_interval(input).unwrap_err().sqlstate,
                sqlstate,
                "{input}"
            );
        }
    }
}
