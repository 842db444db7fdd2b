//! The proleptic Gregorian calendar over days and microseconds counted from 1970-01-01, as PostgreSQL bounds it.
//!
//! Dates run from 4714-11-24 BC to 5874897-12-31, points in time to the end of what 64 bits hold (the year 294247).
//! The least and the greatest number of either kind are the infinities and never calendar dates.

use tailwater_proto::datetime::{self, DATE_MAX, DATE_MIN, TIMESTAMP_MIN};
use tailwater_proto::{Interval, sqlstate};

use crate::error::{Error, Result};

/// Microseconds of a second.
pub const SECOND_US: i64 = 1_000_000;
/// Microseconds of a minute.
pub const MINUTE_US: i64 = 60 * SECOND_US;
/// Microseconds of an hour.
pub const HOUR_US: i64 = 60 * MINUTE_US;
/// Microseconds of a day.
pub const DAY_US: i64 = 24 * HOUR_US;
/// A date taken apart. Years before 1 count down from 0 (1 BC).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    /// Year.
    pub year: i64,
    /// Month, 1 to 12.
    pub month: i64,
    /// Day of the month, 1 to 31.
    pub day: i64,
}

impl Civil {
    /// The date of a count of days since 1970-01-01.
    #[must_use]
    pub const fn of_days(days: i64) -> Self {
        let (year, month, day) = datetime::civil_of_days(days);
        Self {
            year,
            month: month as i64,
            day: day as i64,
        }
    }

    /// The count of days since 1970-01-01. Days beyond the month's end run on into the next.
    #[must_use]
    pub const fn days(self) -> i64 {
        datetime::days_of_civil(self.year, self.month, self.day)
    }

    /// The same day so many months later, or the last day of that month where it is shorter.
    #[must_use]
    pub const fn plus_months(self, months: i64) -> Self {
        Self::of_days(datetime::add_months(self.days(), months))
    }

    /// Whether there is such a day.
    #[must_use]
    pub fn is_valid(self) -> bool {
        self.month >= 1
            && self.month <= 12
            && self.day >= 1
            && self.day <= days_in_month(self.year, self.month)
    }

    /// Day of the year, from 1.
    #[must_use]
    pub const fn day_of_year(self) -> i64 {
        let first = Self {
            year: self.year,
            month: 1,
            day: 1,
        };
        self.days() - first.days() + 1
    }

    /// ISO 8601 year and week.
    #[must_use]
    pub const fn iso_week(self) -> (i64, i64) {
        // The week belongs to the year its Thursday lies in.
        let days = self.days();
        let thursday = days - (weekday(days) + 6).rem_euclid(7) + 3;
        let year = Self::of_days(thursday).year;
        (year, (Self::of_days(thursday).day_of_year() - 1) / 7 + 1)
    }
}

/// Day of the week, 0 for Sunday.
#[must_use]
pub const fn weekday(days: i64) -> i64 {
    (days + 4).rem_euclid(7)
}

/// How many days the month has, 0 outside 1 to 12.
#[must_use]
pub fn days_in_month(year: i64, month: i64) -> i64 {
    u8::try_from(month).map_or(0, |month| datetime::days_in_month(year, month).into())
}

/// The days of a DATE.
///
/// # Errors
/// `22008` outside the calendar.
pub fn date(days: i64) -> Result<i32> {
    match i32::try_from(days) {
        Ok(days) if (DATE_MIN..=DATE_MAX).contains(&days) => Ok(days),
        _ => Err(Error::row(
            sqlstate::DATETIME_FIELD_OVERFLOW,
            "date out of range",
        )),
    }
}

/// The microseconds of a TIMESTAMP.
///
/// # Errors
/// `22008` outside the calendar.
pub fn timestamp(micros: i128) -> Result<i64> {
    match i64::try_from(micros) {
        Ok(micros) if micros >= TIMESTAMP_MIN && micros != i64::MAX => Ok(micros),
        _ => Err(timestamp_out_of_range()),
    }
}

/// PostgreSQL's `22008` for points in time.
#[cold]
pub(crate) fn timestamp_out_of_range() -> Error {
    Error::row(sqlstate::DATETIME_FIELD_OVERFLOW, "timestamp out of range")
}

/// A point in time moved by an interval: months first, then days, then microseconds. Infinities stay.
///
/// # Errors
/// `22008` outside the calendar.
pub fn plus_interval(micros: i64, span: Interval) -> Result<i64> {
    if micros == i64::MAX || micros == i64::MIN {
        return Ok(micros);
    }
    let (mut days, time) = (micros.div_euclid(DAY_US), micros.rem_euclid(DAY_US));
    if span.months != 0 {
        days = Civil::of_days(days)
            .plus_months(i64::from(span.months))
            .days();
    }
    days += i64::from(span.days);
    let whole = i128::from(days) * i128::from(DAY_US);
    timestamp(whole + i128::from(time) + i128::from(span.micros))
}

/// The point in time at which a day begins. Infinities stay.
///
/// # Errors
/// `22008` for days beyond the range of points in time.
pub fn midnight(days: i32) -> Result<i64> {
    match days {
        i32::MAX => Ok(i64::MAX),
        i32::MIN => Ok(i64::MIN),
        _ => i64::from(days)
            .checked_mul(DAY_US)
            .filter(|micros| *micros != i64::MAX)
            .ok_or_else(|| {
                Error::row(
                    sqlstate::DATETIME_FIELD_OVERFLOW,
                    "date out of range for timestamp",
                )
            }),
    }
}

/// The day of a point in time. Infinities stay.
#[must_use]
pub fn day_of(micros: i64) -> i32 {
    match micros {
        i64::MAX => i32::MAX,
        i64::MIN => i32::MIN,
        _ => i32::try_from(micros.div_euclid(DAY_US)).unwrap_or(i32::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_dates_turn_into_each_other() {
        for days in (-3_000_000..3_000_000).step_by(37) {
            let civil = Civil::of_days(days);
            assert!(civil.is_valid(), "{days}: {civil:?}");
            assert_eq!(civil.days(), days);
            let next = Civil::of_days(days + 1);
            assert!(next.day == civil.day + 1 || next.day == 1);
        }
        let epoch = Civil::of_days(0);
        assert_eq!((epoch.year, epoch.month, epoch.day), (1970, 1, 1));
        let first = Civil::of_days(DATE_MIN.into());
        assert_eq!((first.year, first.month, first.day), (-4713, 11, 24));
    }

    #[test]
    fn months_end_where_they_end() {
        let january = Civil {
            year: 2024,
            month: 1,
            day: 31,
        };
        assert_eq!(january.plus_months(1).day, 29);
        assert_eq!(january.plus_months(13).day, 28);
        assert_eq!(january.plus_months(-2).month, 11);
    }

    #[test]
    fn weeks_are_isos() {
        let week = |year, month, day| Civil { year, month, day }.iso_week();
        assert_eq!(week(2005, 1, 1), (2004, 53));
        assert_eq!(week(2006, 1, 2), (2006, 1));
        assert_eq!(week(2008, 12, 30), (2009, 1));
        assert_eq!(weekday(0), 4);
    }
}
