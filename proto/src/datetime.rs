//! The calendar: days and microseconds to civil fields and back, and PostgreSQL's ISO text of points in time.
//!
//! Proleptic Gregorian over all 32 bits of days, far beyond what calendar libraries span, which is why it is ours
//! (algorithms: Howard Hinnant, "chrono-compatible low-level date algorithms"). Reading text is `datetime_input`'s.

use std::fmt::{self, Write};

/// Microseconds of a second, an hour and a day.
pub const SECOND_US: i64 = 1_000_000;
/// Microseconds of an hour.
pub const HOUR_US: i64 = 3_600 * SECOND_US;
/// Microseconds of a day.
pub const DAY_US: i64 = 24 * HOUR_US;

/// The first day PostgreSQL knows: 4714-11-24 BC, Julian day 0.
pub const DATE_MIN: i32 = -2_440_588;
/// The last day PostgreSQL knows: 5874897-12-31.
pub const DATE_MAX: i32 = 2_145_042_905;
/// The first microsecond of a timestamp: 4714-11-24 BC.
pub const TIMESTAMP_MIN: i64 = DATE_MIN as i64 * DAY_US;
/// The last microsecond of a timestamp, in January 294247; PostgreSQL, counting from 2000, goes on to 294276.
pub const TIMESTAMP_MAX: i64 = i64::MAX - 1;

/// Days since 1970-01-01 of a civil date; year 0 is 1 BC. Months and days may lie outside their ranges: days count on.
#[must_use]
pub const fn days_of_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The civil date (year, month 1-12, day 1-31) of days since 1970-01-01; year 0 is 1 BC.
#[must_use]
pub const fn civil_of_days(days: i64) -> (i64, u8, u8) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * shifted_month + 2) / 5 + 1) as u8;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    } as u8;
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

/// How many days a month has; 0 for a month outside 1-12.
#[must_use]
pub const fn days_in_month(year: i64, month: u8) -> u8 {
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 0,
    }
}

/// Adds months to a civil day, the day cut to the length of the month it comes to. Days since 1970-01-01.
#[must_use]
pub const fn add_months(days: i64, months: i64) -> i64 {
    let (year, month, day) = civil_of_days(days);
    let total = year * 12 + month as i64 - 1 + months;
    let year = total.div_euclid(12);
    let month = (total.rem_euclid(12) + 1) as u8;
    let last = days_in_month(year, month);
    let day = if day > last { last } else { day };
    days_of_civil(year, month as i64, day as i64)
}

/// Between date and time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Separator {
    /// As PostgreSQL prints: a blank, offsets as `+00`.
    Blank,
    /// As ISO 8601, RFC 3339 and JSON have it: `T`, offsets as `+00:00`.
    T,
}

/// A date as `2024-02-29` or `0044-03-15 BC`; the ends of the range as the infinities.
pub(crate) fn write_date(out: &mut impl Write, days: i32) -> fmt::Result {
    match days {
        i32::MAX => out.write_str("infinity"),
        i32::MIN => out.write_str("-infinity"),
        _ => {
            let before_christ = write_civil(out, days.into())?;
            write_era(out, before_christ)
        }
    }
}

/// A timestamp in its ISO form, with its offset if it has a zone (always UTC).
pub(crate) fn write_timestamp(
    out: &mut impl Write,
    micros: i64,
    separator: Separator,
    zone: Option<()>,
) -> fmt::Result {
    match micros {
        i64::MAX => return out.write_str("infinity"),
        i64::MIN => return out.write_str("-infinity"),
        _ => {}
    }
    let before_christ = write_civil(out, micros.div_euclid(DAY_US))?;
    out.write_char(match separator {
        Separator::Blank => ' ',
        Separator::T => 'T',
    })?;
    write_time(out, micros.rem_euclid(DAY_US))?;
    if zone.is_some() {
        out.write_str(match separator {
            Separator::Blank => "+00",
            Separator::T => "+00:00",
        })?;
    }
    write_era(out, before_christ)
}

/// A time of day, or the clock part of an interval: `04:05:06.789`.
pub(crate) fn write_time(out: &mut impl Write, micros: i64) -> fmt::Result {
    let micros = micros.unsigned_abs();
    let seconds = micros / 1_000_000;
    write!(
        out,
        "{:02}:{:02}:{:02}",
        seconds / 3_600,
        seconds / 60 % 60,
        seconds % 60
    )?;
    write_fraction(out, micros % 1_000_000)
}

/// Millionths as a decimal fraction without trailing zeros; nothing for none.
pub(crate) fn write_fraction(out: &mut impl Write, millionths: u64) -> fmt::Result {
    if millionths == 0 {
        return Ok(());
    }
    let (mut digits, mut width) = (millionths, 6);
    while digits % 10 == 0 {
        digits /= 10;
        width -= 1;
    }
    write!(out, ".{digits:0width$}")
}

/// Writes year, month and day; tells whether the year is before Christ and still wants its mark.
fn write_civil(out: &mut impl Write, days: i64) -> Result<bool, fmt::Error> {
    let (year, month, day) = civil_of_days(days);
    let before_christ = year <= 0;
    let shown = if before_christ { 1 - year } else { year };
    write!(out, "{shown:04}-{month:02}-{day:02}")?;
    Ok(before_christ)
}

fn write_era(out: &mut impl Write, before_christ: bool) -> fmt::Result {
    out.write_str(if before_christ { " BC" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn civil_days_go_there_and_back_over_eight_hundred_years() {
        let mut expected = (1600, 1u8, 1u8);
        for days in days_of_civil(1600, 1, 1)..days_of_civil(2400, 1, 1) {
            assert_eq!(civil_of_days(days), expected);
            let (year, month, day) = expected;
            assert_eq!(days_of_civil(year, month.into(), day.into()), days);
            expected = if day < days_in_month(year, month) {
                (year, month, day + 1)
            } else if month < 12 {
                (year, month + 1, 1)
            } else {
                (year + 1, 1, 1)
            };
        }
        assert_eq!(days_of_civil(-4713, 11, 24), i64::from(DATE_MIN));
        assert_eq!(days_of_civil(5_874_897, 12, 31), i64::from(DATE_MAX));
        assert_eq!(civil_of_days(TIMESTAMP_MAX / DAY_US), (294_247, 1, 10));
        assert_eq!(civil_of_days(i32::MIN.into()), (-5_877_641, 6, 23));
        assert_eq!(
            add_months(days_of_civil(2024, 1, 31), 1),
            days_of_civil(2024, 2, 29)
        );
        assert_eq!(
            add_months(days_of_civil(2024, 3, 31), -13),
            days_of_civil(2023, 2, 28)
        );
    }
}
