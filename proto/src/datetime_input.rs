//! DATE, TIME, TIMESTAMP and TIMESTAMPTZ from text, in the forms PostgreSQL reads under DateStyle ISO, MDY.
//!
//! A text is cut into fields (dates, clocks, zones, words) that may stand in any sensible order. It knows no present:
//! `now` and `today` are for the evaluator, which has a clock. The calendar is in `datetime`.

use crate::datetime::{
    DATE_MAX, DATE_MIN, DAY_US, HOUR_US, SECOND_US, TIMESTAMP_MAX, TIMESTAMP_MIN, days_in_month,
    days_of_civil,
};
use crate::error::TextError;
use crate::sqlstate;

/// DATE: days since 1970-01-01.
///
/// # Errors
/// `22007` for what is no date, `22008` for one that does not exist or is out of range.
pub fn parse_date(text: &str) -> Result<i32, TextError> {
    let point = Fields::read(text).map_err(|fault| fault.error("date", text))?;
    match point {
        Point::Infinity => Ok(i32::MAX),
        Point::MinusInfinity => Ok(i32::MIN),
        Point::Civil { days: None, .. } => Err(Fault::Syntax.error("date", text)),
        Point::Civil {
            days: Some(days), ..
        } => match i32::try_from(days) {
            Ok(days) if (DATE_MIN..=DATE_MAX).contains(&days) => Ok(days),
            _ => Err(out_of_range("date", text)),
        },
    }
}

/// TIME: microseconds since midnight, up to 24:00:00. A date or zone beside it is passed over.
///
/// # Errors
/// `22007` for what is no time, `22008` for one that does not exist.
pub fn parse_time(text: &str) -> Result<i64, TextError> {
    match Fields::read(text).map_err(|fault| fault.error("time", text))? {
        Point::Civil {
            clock: Some(clock), ..
        } => Ok(clock),
        _ => Err(Fault::Syntax.error("time", text)),
    }
}

/// TIMESTAMP: microseconds since 1970-01-01 00:00:00. A zone beside it is passed over.
///
/// # Errors
/// `22007` for what is no timestamp, `22008` for one that does not exist or is out of range.
pub fn parse_timestamp(text: &str) -> Result<i64, TextError> {
    instant(text, "timestamp", |_| 0)
}

/// TIMESTAMPTZ: microseconds since 1970-01-01 00:00:00 UTC. Without a zone it is read as UTC.
///
/// # Errors
/// `22007` for what is no timestamp, `22008` for one that does not exist or is out of range.
pub fn parse_timestamptz(text: &str) -> Result<i64, TextError> {
    instant(text, "timestamp with time zone", |zone| zone)
}

fn instant(text: &str, name: &str, zone_us: impl Fn(i64) -> i64) -> Result<i64, TextError> {
    match Fields::read(text).map_err(|fault| fault.error(name, text))? {
        Point::Infinity => Ok(i64::MAX),
        Point::MinusInfinity => Ok(i64::MIN),
        Point::Civil { days: None, .. } => Err(Fault::Syntax.error(name, text)),
        Point::Civil {
            days: Some(days),
            clock,
            zone,
        } => {
            let micros = i128::from(days) * i128::from(DAY_US)
                + i128::from(clock.unwrap_or(0) - zone_us(zone.unwrap_or(0)));
            match i64::try_from(micros) {
                Ok(micros) if (TIMESTAMP_MIN..=TIMESTAMP_MAX).contains(&micros) => Ok(micros),
                _ => Err(out_of_range("timestamp", text)),
            }
        }
    }
}

fn out_of_range(name: &str, text: &str) -> TextError {
    TextError::new(
        sqlstate::DATETIME_FIELD_OVERFLOW,
        format!("{name} out of range: \"{text}\""),
    )
}

/// Why a text is no point in time.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Fault {
    Syntax,
    Field,
    Displacement,
    Zone(String),
}

impl Fault {
    fn error(self, name: &str, text: &str) -> TextError {
        match self {
            Self::Syntax => TextError::new(
                sqlstate::INVALID_DATETIME_FORMAT,
                format!("invalid input syntax for type {name}: \"{text}\""),
            ),
            Self::Field => TextError::new(
                sqlstate::DATETIME_FIELD_OVERFLOW,
                format!("date/time field value out of range: \"{text}\""),
            ),
            Self::Displacement => TextError::new(
                "22009",
                format!("time zone displacement out of range: \"{text}\""),
            ),
            Self::Zone(zone) => TextError::new(
                sqlstate::INVALID_PARAMETER_VALUE,
                format!("time zone \"{zone}\" not recognized"),
            ),
        }
    }
}

/// What a text says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Point {
    Infinity,
    MinusInfinity,
    /// Days since 1970-01-01, microseconds since midnight, microseconds east of UTC.
    Civil {
        days: Option<i64>,
        clock: Option<i64>,
        zone: Option<i64>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HalfDay {
    Am,
    Pm,
}

/// A number of a date: its value and how many digits it was written with.
type Digits = (i64, usize);

/// The fields found so far.
#[derive(Clone, Debug, Default)]
struct Fields {
    numbers: Vec<Digits>,
    month: Option<u8>,
    /// How many numbers stood before the month's name.
    before_month: usize,
    days: Option<i64>,
    clock: Option<i64>,
    zone: Option<i64>,
    half_day: Option<HalfDay>,
    before_christ: bool,
}

impl Fields {
    fn read(text: &str) -> Result<Point, Fault> {
        let trimmed = text.trim();
        match trimmed.to_ascii_lowercase().as_str() {
            "infinity" | "+infinity" => return Ok(Point::Infinity),
            "-infinity" => return Ok(Point::MinusInfinity),
            "" => return Err(Fault::Syntax),
            _ => {}
        }
        if !trimmed.is_ascii() || trimmed.len() > 128 {
            return Err(Fault::Syntax);
        }
        let mut fields = Self {
            // Known before the year is made of its digits, which mostly stand before the mark.
            before_christ: trimmed
                .split(|c: char| !c.is_ascii_alphabetic())
                .any(|word| word.eq_ignore_ascii_case("bc")),
            ..Self::default()
        };
        let mut rest = trimmed;
        while let Some(head) = rest.bytes().next() {
            rest = match head {
                b' ' | b'\t' | b'\n' | b'\r' | b',' => rest.get(1..).unwrap_or_default(),
                b'0'..=b'9' => fields.number(rest)?,
                b'+' | b'-' => fields.offset(rest)?,
                _ if head.is_ascii_alphabetic() => fields.word(rest)?,
                _ => return Err(Fault::Syntax),
            };
        }
        fields.finish()
    }

    /// A run that begins with a digit: a clock, a date, or one number.
    fn number<'t>(&mut self, text: &'t str) -> Result<&'t str, Fault> {
        let (digits, after) = split_while(text, |c| c.is_ascii_digit());
        match after.bytes().next() {
            Some(b':') => {
                let (clock, after) =
                    split_while(text, |c| c.is_ascii_digit() || c == ':' || c == '.');
                self.set_clock(clock)?;
                Ok(after)
            }
            Some(separator @ (b'-' | b'/' | b'.')) if !self.has_date() => {
                self.date(text, char::from(separator))
            }
            Some(b'.') if digits.len() == 6 => {
                let (clock, after) = split_while(text, |c| c.is_ascii_digit() || c == '.');
                self.set_compact_clock(clock)?;
                Ok(after)
            }
            _ => {
                let whole_date = self.days.is_some();
                match digits.len() {
                    8 if !self.has_date() => {
                        self.numbers = vec![
                            slice_digits(digits, 0, 4)?,
                            slice_digits(digits, 4, 6)?,
                            slice_digits(digits, 6, 8)?,
                        ];
                        self.close_date()?;
                    }
                    4 | 6 if whole_date && self.clock.is_none() => {
                        self.set_compact_clock(digits)?
                    }
                    6 if !self.has_date() => {
                        self.numbers = vec![
                            slice_digits(digits, 0, 2)?,
                            slice_digits(digits, 2, 4)?,
                            slice_digits(digits, 4, 6)?,
                        ];
                        self.set_days(self.numbers[..].to_vec(), Order::YearFirst)?;
                    }
                    1..=7 if !whole_date && self.numbers.len() < 3 => {
                        self.numbers.push((parse_digits(digits)?, digits.len()));
                    }
                    _ => return Err(Fault::Syntax),
                }
                Ok(after)
            }
        }
    }

    fn has_date(&self) -> bool {
        self.days.is_some() || !self.numbers.is_empty()
    }

    /// `2024-02-29`, `2/29/2024`, `29-Feb-2024`, `2024.060`: fields joined by one separator.
    fn date<'t>(&mut self, text: &'t str, separator: char) -> Result<&'t str, Fault> {
        let mut rest = text;
        let mut parts = usize::from(self.month.is_some());
        loop {
            let (digits, after_digits) = split_while(rest, |c| c.is_ascii_digit());
            if digits.is_empty() {
                let (name, after_name) = split_while(rest, |c| c.is_ascii_alphabetic());
                self.set_month(month_of(name).ok_or(Fault::Syntax)?)?;
                rest = after_name;
            } else {
                self.numbers.push((parse_digits(digits)?, digits.len()));
                rest = after_digits;
            }
            parts += 1;
            match rest.strip_prefix(separator) {
                Some(after) if parts < 3 => rest = after,
                _ => break,
            }
        }
        if parts == 2
            && self.month.is_none()
            && let [(year, _), (day, 3)] = *self.numbers
        {
            let last = if days_in_month(year, 2) == 29 {
                366
            } else {
                365
            };
            if day < 1 || day > last {
                return Err(Fault::Field);
            }
            self.numbers.clear();
            self.days = Some(days_of_civil(year, 1, 1) + day - 1);
            return Ok(rest);
        }
        if parts < 3 {
            return Err(Fault::Syntax);
        }
        self.close_date()?;
        Ok(rest)
    }

    fn set_month(&mut self, month: u8) -> Result<(), Fault> {
        if self.month.is_some() || self.days.is_some() {
            return Err(Fault::Syntax);
        }
        self.month = Some(month);
        self.before_month = self.numbers.len();
        Ok(())
    }

    /// Makes days of the numbers and the month found.
    fn close_date(&mut self) -> Result<(), Fault> {
        let numbers = std::mem::take(&mut self.numbers);
        match (self.month.take(), numbers.as_slice()) {
            (Some(month), [first, second]) => {
                let month = (i64::from(month), 2);
                let numbers = if first.1 >= 3 {
                    vec![*first, month, *second]
                } else {
                    vec![*second, month, *first]
                };
                self.set_days(numbers, Order::YearFirst)
            }
            (None, [first, _, _]) if first.1 >= 3 => self.set_days(numbers, Order::YearFirst),
            (None, [_, _, _]) => self.set_days(numbers, Order::MonthFirst),
            _ => Err(Fault::Syntax),
        }
    }

    fn set_days(&mut self, numbers: Vec<Digits>, order: Order) -> Result<(), Fault> {
        let &[first, second, third] = numbers.as_slice() else {
            return Err(Fault::Syntax);
        };
        let (year, month, day) = match order {
            Order::YearFirst => (first, second.0, third.0),
            Order::MonthFirst => (third, first.0, second.0),
        };
        self.numbers.clear();
        let year = match year {
            (0, _) => return Err(Fault::Field),
            (year, _) if self.before_christ => 1 - year,
            (year, ..=2) if year < 70 => year + 2000,
            (year, ..=2) => year + 1900,
            (year, _) => year,
        };
        let month = u8::try_from(month).map_err(|_| Fault::Field)?;
        if day < 1 || day > days_in_month(year, month).into() {
            return Err(Fault::Field);
        }
        self.days = Some(days_of_civil(year, month.into(), day));
        Ok(())
    }

    /// `+02`, `-08:00`, `+0530`, `+05:30:15`.
    fn offset<'t>(&mut self, text: &'t str) -> Result<&'t str, Fault> {
        let (sign, digits) = text.split_at(1);
        let (digits, after) = split_while(digits, |c| c.is_ascii_digit() || c == ':');
        if self.clock.is_none() && self.days.is_none() || digits.is_empty() {
            return Err(Fault::Syntax);
        }
        let fields: Vec<&str> = if digits.contains(':') {
            digits.split(':').collect()
        } else {
            let at = match digits.len() {
                1 | 2 => digits.len(),
                3 => 1,
                _ => 2,
            };
            let (hours, minutes) = digits.split_at(at);
            match minutes {
                "" => vec![hours],
                _ if minutes.len() == 4 => {
                    let (minutes, seconds) = minutes.split_at(2);
                    vec![hours, minutes, seconds]
                }
                _ => vec![hours, minutes],
            }
        };
        let mut micros = 0;
        let mut unit = HOUR_US;
        if fields.len() > 3 {
            return Err(Fault::Syntax);
        }
        for (place, field) in fields.iter().enumerate() {
            let number = parse_digits(field)?;
            if number > if place == 0 { 15 } else { 59 } {
                return Err(Fault::Displacement);
            }
            micros += number * unit;
            unit /= 60;
        }
        self.set_zone(if sign == "-" { -micros } else { micros })?;
        Ok(after)
    }

    fn set_zone(&mut self, micros: i64) -> Result<(), Fault> {
        // `UTC+3` style and `Z` after an offset are not read.
        if self.zone.replace(micros).is_some() {
            return Err(Fault::Syntax);
        }
        Ok(())
    }

    fn word<'t>(&mut self, text: &'t str) -> Result<&'t str, Fault> {
        let (word, after) = split_while(text, |c| c.is_ascii_alphabetic() || c == '_');
        let lower = word.to_ascii_lowercase();
        if let Some(month) = month_of(&lower) {
            self.set_month(month)?;
            // `Jan-08-1999`, `Jan 8, 1999`
            return Ok(after.strip_prefix(['-', '/', '.']).unwrap_or(after));
        }
        match lower.as_str() {
            "t" if self.days.is_some() && self.clock.is_none() => {}
            "am" => self.half_day = Some(HalfDay::Am),
            "pm" => self.half_day = Some(HalfDay::Pm),
            "bc" | "ad" | "at" | "on" => {}
            "epoch" if !self.has_date() => {
                self.days = Some(0);
                self.clock = Some(0);
                self.zone = Some(0);
            }
            "allballs" if self.clock.is_none() => {
                self.clock = Some(0);
                self.zone = Some(0);
            }
            "j" if !self.has_date() => {
                let (digits, after) = split_while(after, |c| c.is_ascii_digit());
                self.days = Some(parse_digits(digits)? - 2_440_588);
                return Ok(after);
            }
            _ if is_weekday(&lower) => {}
            _ => {
                // A name like `America/New_York` is one word, and none this build has rules for.
                if after.starts_with('/') {
                    let (name, _) = split_while(text, |c| !c.is_whitespace());
                    return Err(Fault::Zone(name.to_owned()));
                }
                match zone_hours(&lower) {
                    Some(hours) => self.set_zone((hours * HOUR_US as f64) as i64)?,
                    None => return Err(Fault::Syntax),
                }
            }
        }
        Ok(after)
    }

    /// `04:05`, `04:05:06.789`.
    fn set_clock(&mut self, text: &str) -> Result<(), Fault> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let mut fields = whole.split(':').map(parse_digits);
        let hours = fields.next().transpose()?.ok_or(Fault::Syntax)?;
        let minutes = fields.next().transpose()?.ok_or(Fault::Syntax)?;
        let seconds = fields.next().transpose()?;
        if fields.next().is_some() || (seconds.is_none() && !fraction.is_empty()) {
            return Err(Fault::Syntax);
        }
        self.put_clock(hours, minutes, seconds.unwrap_or(0), fraction)
    }

    /// `0405`, `040506`, `040506.789`.
    fn set_compact_clock(&mut self, text: &str) -> Result<(), Fault> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let hours = slice_digits(whole, 0, 2)?.0;
        let minutes = slice_digits(whole, 2, 4)?.0;
        let seconds = match whole.len() {
            6 => slice_digits(whole, 4, 6)?.0,
            _ => 0,
        };
        self.put_clock(hours, minutes, seconds, fraction)
    }

    fn put_clock(
        &mut self,
        hours: i64,
        minutes: i64,
        seconds: i64,
        fraction: &str,
    ) -> Result<(), Fault> {
        if self.clock.is_some() || fraction.contains(['.', ':']) {
            return Err(Fault::Syntax);
        }
        let mut micros = 0;
        for place in 0..6 {
            let digit = fraction.as_bytes().get(place).map_or(0, |byte| byte - b'0');
            micros = micros * 10 + i64::from(digit);
        }
        if fraction
            .as_bytes()
            .get(6)
            .is_some_and(|digit| *digit >= b'5')
        {
            micros += 1;
        }
        if hours > 24 || minutes > 59 || seconds > 60 {
            return Err(Fault::Field);
        }
        let clock = hours * HOUR_US + (minutes * 60 + seconds) * SECOND_US + micros;
        if clock > DAY_US {
            return Err(Fault::Field);
        }
        self.clock = Some(clock);
        Ok(())
    }

    fn finish(mut self) -> Result<Point, Fault> {
        if self.days.is_none() && (self.month.is_some() || !self.numbers.is_empty()) {
            self.close_date()?;
        }
        if let (Some(half), Some(clock)) = (self.half_day, self.clock) {
            let hour = clock / HOUR_US;
            if hour > 12 {
                return Err(Fault::Field);
            }
            self.clock = Some(match (half, hour) {
                (HalfDay::Am, 12) => clock - 12 * HOUR_US,
                (HalfDay::Pm, ..12) => clock + 12 * HOUR_US,
                _ => clock,
            });
        } else if self.half_day.is_some() {
            return Err(Fault::Syntax);
        }
        Ok(Point::Civil {
            days: self.days,
            clock: self.clock,
            zone: self.zone,
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    YearFirst,
    MonthFirst,
}

fn split_while(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !belongs(c)).unwrap_or(text.len()))
}

fn parse_digits(text: &str) -> Result<i64, Fault> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Fault::Syntax);
    }
    text.parse::<i32>().map(i64::from).map_err(|_| Fault::Field)
}

fn slice_digits(text: &str, start: usize, end: usize) -> Result<Digits, Fault> {
    let digits = text.get(start..end).ok_or(Fault::Syntax)?;
    Ok((parse_digits(digits)?, digits.len()))
}

fn month_of(name: &str) -> Option<u8> {
    const NAMES: [&str; 12] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    let name = name.to_ascii_lowercase();
    if name == "sept" {
        return Some(9);
    }
    (1..)
        .zip(NAMES)
        .find_map(|(number, full)| (name == full || full.get(..3) == Some(&name)).then_some(number))
}

fn is_weekday(name: &str) -> bool {
    const NAMES: [&str; 7] = [
        "sunday",
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
    ];
    NAMES
        .iter()
        .any(|full| full.starts_with(name) && (name.len() == 3 || name.len() == full.len()))
        || matches!(name, "tues" | "weds" | "thur" | "thurs")
}

/// Hours east of UTC of PostgreSQL's default abbreviations in common use.
fn zone_hours(name: &str) -> Option<f64> {
    Some(match name {
        "z" | "zulu" | "utc" | "ut" | "uct" | "gmt" | "wet" => 0.0,
        "bst" | "cet" | "west" | "met" => 1.0,
        "cest" | "eet" | "sast" | "mest" => 2.0,
        "eest" | "msk" => 3.0,
        "ist" => 2.0,
        "cct" | "hkt" => 8.0,
        "jst" | "kst" => 9.0,
        "aest" => 10.0,
        "aedt" => 11.0,
        "nzst" => 12.0,
        "nzdt" => 13.0,
        "ndt" => -2.5,
        "nst" => -3.5,
        "adt" => -3.0,
        "ast" | "edt" => -4.0,
        "est" | "cdt" => -5.0,
        "cst" | "mdt" => -6.0,
        "mst" | "pdt" => -7.0,
        "pst" | "akdt" => -8.0,
        "akst" => -9.0,
        "hst" => -10.0,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datetime::{Separator, write_date, write_timestamp};

    #[test]
    fn dates_are_read_in_their_many_forms() {
        for (input, output) in [
            ("1999-01-08", "1999-01-08"),
            ("January 8, 1999", "1999-01-08"),
            ("1999-Jan-08", "1999-01-08"),
            ("08-Jan-1999", "1999-01-08"),
            ("Jan-08-1999", "1999-01-08"),
            ("19990108", "1999-01-08"),
            ("990108", "1999-01-08"),
            ("1/8/1999", "1999-01-08"),
            ("1/18/69", "2069-01-18"),
            ("1/18/70", "1970-01-18"),
            ("J2451187", "1999-01-08"),
            ("1999.008", "1999-01-08"),
            ("January 8, 99 BC", "0099-01-08 BC"),
            ("0044-03-15 BC", "0044-03-15 BC"),
            ("2024-02-29", "2024-02-29"),
            ("epoch", "1970-01-01"),
            ("infinity", "infinity"),
            ("-infinity", "-infinity"),
            ("5874897-12-31", "5874897-12-31"),
            ("2001-02-03 04:05:06", "2001-02-03"),
            ("Mon Feb 10 17:32:01 1997 PST", "1997-02-10"),
        ] {
            let mut text = String::new();
            write_date(&mut text, parse_date(input).unwrap()).unwrap();
            assert_eq!(text, output, "{input}");
        }
        for (input, sqlstate) in [
            ("1997-02-29", "22008"),
            ("2024-13-01", "22008"),
            ("0000-01-01", "22008"),
            ("5874898-01-01", "22008"),
            ("garbage", "22007"),
            ("", "22007"),
            ("1999", "22007"),
            ("12:00", "22007"),
            ("é", "22007"),
        ] {
            assert_eq!(parse_date(input).unwrap_err().sqlstate, sqlstate, "{input}");
        }
    }

    #[test]
    fn timestamps_are_read_with_and_without_zones() {
        for (input, output) in [
            ("2001-02-16 20:38:40", "2001-02-16 20:38:40+00"),
            ("2001-02-16T20:38:40Z", "2001-02-16 20:38:40+00"),
            (
                "2001-02-16T20:38:40.123456+01:00",
                "2001-02-16 19:38:40.123456+00",
            ),
            (
                "2001-02-16 20:38:40.1234567-08",
                "2001-02-17 04:38:40.123457+00",
            ),
            ("2001-02-16 20:38 PST", "2001-02-17 04:38:00+00"),
            ("20010216T203840", "2001-02-16 20:38:40+00"),
            ("Feb 10 5:32PM 1997", "1997-02-10 17:32:00+00"),
            ("1997-01-02 12:00 AM", "1997-01-02 00:00:00+00"),
            ("1997-01-02 24:00:00", "1997-01-03 00:00:00+00"),
            ("1997-01-02 23:59:60", "1997-01-03 00:00:00+00"),
            ("Mon Feb 10 17:32:01.5 1997", "1997-02-10 17:32:01.5+00"),
            ("2001-02-16", "2001-02-16 00:00:00+00"),
            ("0097-02-16 17:32:01 BC", "0097-02-16 17:32:01+00 BC"),
            ("infinity", "infinity"),
        ] {
            let mut text = String::new();
            let micros = parse_timestamptz(input).unwrap_or_else(|e| panic!("{input}: {e}"));
            write_timestamp(&mut text, micros, Separator::Blank, Some(())).unwrap();
            assert_eq!(text, output, "{input}");
        }
        assert_eq!(
            parse_timestamp("2001-02-16 20:38:40-08"),
            parse_timestamp("2001-02-16 20:38:40")
        );
        for (input, sqlstate) in [
            ("2001-02-16 25:00:00", "22008"),
            ("2001-02-16 20:38:40 America/New_York", "22023"),
            ("2001-02-16 20:38:40+99", "22009"),
            ("300000-01-01", "22008"),
            ("2001-02-16 nonsense", "22007"),
        ] {
            assert_eq!(
                parse_timestamptz(input).unwrap_err().sqlstate,
                sqlstate,
                "{input}"
            );
        }
        assert_eq!(parse_time("04:05:06.789"), Ok(14_706_789_000));
        assert_eq!(parse_time("04:05 PM"), Ok(57_900_000_000));
        assert_eq!(parse_time("24:00"), Ok(DAY_US));
        assert_eq!(parse_time("25:00").unwrap_err().sqlstate, "22008");
    }
}
