//! Parts of dates, times and intervals: EXTRACT, date_part, date_trunc.

use bigdecimal::num_bigint::BigInt;
use tailwater_proto::{BigDecimal, Interval, Value, sqlstate};

use super::Function;
use super::Kind::{Double, Interval as Span, Numeric, Temporal, Text, Timestamp, TimestampTz};
use super::time::instant;
use crate::cast::type_name;
use crate::civil::{self, Civil, DAY_US, HOUR_US, MINUTE_US, SECOND_US};
use crate::context::ExecContext;
use crate::error::{Error, Result};
use crate::numeric;

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new(
        240,
        &["extract"],
        &[Text, Temporal],
        Numeric,
        "A part of a date, time or interval (`EXTRACT(part FROM x)`), exact.",
        (
            "extract('second', TIMESTAMP '2001-02-16 20:38:40.12')",
            "40.120000",
        ),
        extract,
    ),
    Function::new(
        241,
        &["date_part"],
        &[Text, Temporal],
        Double,
        "A part of a date, time or interval, as a double.",
        ("date_part('hour', TIMESTAMP '2001-02-16 20:38:40')", "20"),
        date_part,
    ),
    Function::new(
        242,
        &["date_trunc"],
        &[Text, Timestamp],
        Timestamp,
        "The timestamp with all parts below the named one cut off.",
        (
            "date_trunc('hour', TIMESTAMP '2001-02-16 20:38:40')",
            "2001-02-16 20:00:00",
        ),
        date_trunc,
    ),
    Function::new(
        243,
        &["date_trunc"],
        &[Text, TimestampTz],
        TimestampTz,
        "The point in time with all parts below the named one cut off.",
        (
            "date_trunc('week', TIMESTAMPTZ '2020-01-05 10:00:00+00')",
            "2019-12-30 00:00:00+00",
        ),
        date_trunc,
    ),
    Function::new(
        244,
        &["date_trunc"],
        &[Text, Span],
        Span,
        "The interval with all parts below the named one cut off.",
        (
            "date_trunc('hour', INTERVAL '2 days 3 hours 40 minutes')",
            "2 days 03:00:00",
        ),
        date_trunc,
    ),
];

/// What can be asked of a point in time or an interval.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Microseconds,
    Milliseconds,
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
    Decade,
    Century,
    Millennium,
    DayOfWeek,
    IsoDayOfWeek,
    DayOfYear,
    IsoYear,
    Julian,
    Epoch,
    Timezone,
}

impl Unit {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "microsecond" | "microseconds" | "us" | "usec" | "usecs" => Self::Microseconds,
            "millisecond" | "milliseconds" | "ms" | "msec" | "msecs" => Self::Milliseconds,
            "second" | "seconds" | "s" | "sec" | "secs" => Self::Second,
            "minute" | "minutes" | "m" | "min" | "mins" => Self::Minute,
            "hour" | "hours" | "h" | "hr" | "hrs" => Self::Hour,
            "day" | "days" | "d" => Self::Day,
            "week" | "weeks" | "w" => Self::Week,
            "month" | "months" | "mon" | "mons" => Self::Month,
            "quarter" | "qtr" => Self::Quarter,
            "year" | "years" | "y" | "yr" | "yrs" => Self::Year,
            "decade" | "decades" | "dec" | "decs" => Self::Decade,
            "century" | "centuries" | "c" | "cent" => Self::Century,
            "millennium" | "millennia" | "mil" | "mils" => Self::Millennium,
            "dow" => Self::DayOfWeek,
            "isodow" => Self::IsoDayOfWeek,
            "doy" => Self::DayOfYear,
            "isoyear" => Self::IsoYear,
            "julian" | "j" | "jd" => Self::Julian,
            "epoch" => Self::Epoch,
            "timezone" | "timezone_h" | "timezone_hour" | "timezone_m" | "timezone_minute" => {
                Self::Timezone
            }
            _ => return None,
        })
    }
}

fn unrecognized(name: &str, value: &Value) -> Error {
    Error::row(
        sqlstate::INVALID_PARAMETER_VALUE,
        format!(
            "unit \"{name}\" not recognized for type {}",
            type_name(value)
        ),
    )
}

fn unsupported(name: &str, value: &Value) -> Error {
    Error::row(
        sqlstate::FEATURE_NOT_SUPPORTED,
        format!(
            "unit \"{name}\" not supported for type {}",
            type_name(value)
        ),
    )
}

/// An exact part: digits and how many of them stand behind the point.
struct Part(i128, i64);

impl Part {
    fn whole(count: i64) -> Self {
        Self(count.into(), 0)
    }
}

fn extract(args: &[Value], _: &ExecContext) -> Result<Value> {
    let [Value::Text(name), value] = args else {
        return Ok(Value::Null);
    };
    let (unit, name) = unit_of(name, value)?;
    if unit == Unit::Julian
        && let Some(julian) = julian(value)?
    {
        return Ok(Value::numeric(julian));
    }
    Ok(
        part(unit, &name, value)?.map_or(Value::Null, |Part(digits, scale)| {
            Value::numeric(BigDecimal::new(BigInt::from(digits), scale))
        }),
    )
}

#[expect(clippy::cast_precision_loss, reason = "the result is a double")]
fn date_part(args: &[Value], _: &ExecContext) -> Result<Value> {
    let [Value::Text(name), value] = args else {
        return Ok(Value::Null);
    };
    // date_part takes a date for its midnight, EXTRACT does not.
    let moment;
    let value = match value {
        Value::Date(days) => {
            moment = Value::Timestamp(civil::midnight(*days)?);
            &moment
        }
        other => other,
    };
    let (unit, name) = unit_of(name, value)?;
    if unit == Unit::Julian
        && let Some(julian) = julian(value)?
    {
        return Ok(Value::Double(numeric::to_double(&julian)));
    }
    Ok(
        part(unit, &name, value)?.map_or(Value::Null, |Part(digits, scale)| {
            let divisor = 10_f64.powi(i32::try_from(scale).unwrap_or(0));
            Value::Double(digits as f64 / divisor)
        }),
    )
}

fn unit_of(name: &str, value: &Value) -> Result<(Unit, String)> {
    let name = name.to_lowercase();
    match Unit::named(&name) {
        Some(unit) => Ok((unit, name)),
        None => Err(unrecognized(&name, value)),
    }
}

fn part(unit: Unit, name: &str, value: &Value) -> Result<Option<Part>> {
    match value {
        Value::Date(_) | Value::Timestamp(_) | Value::TimestampTz(_) => {
            let Some(micros) = instant(value)? else {
                return Ok(None);
            };
            let is_date = matches!(value, Value::Date(_));
            let (days, time) = (micros.div_euclid(DAY_US), micros.rem_euclid(DAY_US));
            if unit == Unit::Epoch {
                return Ok(Some(if is_date {
                    Part::whole(micros / SECOND_US)
                } else {
                    Part(micros.into(), 6)
                }));
            }
            if unit == Unit::Timezone && matches!(value, Value::TimestampTz(_)) {
                return Ok(Some(Part::whole(0)));
            }
            date_field(unit, days)
                .map(Part::whole)
                .or_else(|| {
                    if is_date {
                        None
                    } else {
                        time_field(unit, time)
                    }
                })
                .ok_or_else(|| unsupported(name, value))
                .map(Some)
        }
        Value::Time(micros) => match unit {
            Unit::Epoch => Ok(Some(Part((*micros).into(), 6))),
            _ => time_field(unit, *micros)
                .ok_or_else(|| unsupported(name, value))
                .map(Some),
        },
        Value::Interval(span) => span_field(unit, *span)
            .ok_or_else(|| unsupported(name, value))
            .map(Some),
        _ => Ok(None),
    }
}

/// The Julian day, with the time as its fraction.
fn julian(value: &Value) -> Result<Option<BigDecimal>> {
    const UNIX_EPOCH: i64 = 2_440_588;
    let Some(micros) = instant(value)? else {
        return Ok(None);
    };
    let day = BigDecimal::from(micros.div_euclid(DAY_US) + UNIX_EPOCH);
    if matches!(value, Value::Date(_)) {
        return Ok(Some(day));
    }
    let time = BigDecimal::from(micros.rem_euclid(DAY_US));
    let fraction = numeric::divide(&time, &BigDecimal::from(DAY_US))?;
    Ok(Some(numeric::add(&day, &fraction)))
}

/// Years as people count them: there is no year 0, 1 BC is -1.
const fn shown_year(year: i64) -> i64 {
    if year > 0 { year } else { year - 1 }
}

/// The decade, century or millennium a year belongs to, as PostgreSQL counts them.
const fn decade(year: i64) -> i64 {
    year.div_euclid(10)
}

const fn century(year: i64) -> i64 {
    if year > 0 {
        (year + 99) / 100
    } else {
        -((99 - (year - 1)) / 100)
    }
}

const fn millennium(year: i64) -> i64 {
    if year > 0 {
        (year + 999) / 1000
    } else {
        -((999 - (year - 1)) / 1000)
    }
}

fn date_field(unit: Unit, days: i64) -> Option<i64> {
    let civil = Civil::of_days(days);
    Some(match unit {
        Unit::Day => civil.day,
        Unit::Week => civil.iso_week().1,
        Unit::Month => civil.month,
        Unit::Quarter => (civil.month + 2) / 3,
        Unit::Year => shown_year(civil.year),
        Unit::Decade => decade(civil.year),
        Unit::Century => century(civil.year),
        Unit::Millennium => millennium(civil.year),
        Unit::DayOfWeek => civil::weekday(days),
        Unit::IsoDayOfWeek => (civil::weekday(days) + 6) % 7 + 1,
        Unit::DayOfYear => civil.day_of_year(),
        Unit::IsoYear => shown_year(civil.iso_week().0),
        Unit::Microseconds
        | Unit::Milliseconds
        | Unit::Second
        | Unit::Minute
        | Unit::Hour
        | Unit::Julian
        | Unit::Epoch
        | Unit::Timezone => return None,
    })
}

fn time_field(unit: Unit, micros: i64) -> Option<Part> {
    let below_minute = micros % MINUTE_US;
    Some(match unit {
        Unit::Microseconds => Part::whole(below_minute),
        Unit::Milliseconds => Part(below_minute.into(), 3),
        Unit::Second => Part(below_minute.into(), 6),
        Unit::Minute => Part::whole(micros / MINUTE_US % 60),
        Unit::Hour => Part::whole(micros / HOUR_US),
        _ => return None,
    })
}

fn span_field(unit: Unit, span: Interval) -> Option<Part> {
    let (months, days) = (i64::from(span.months), i64::from(span.days));
    let years = months / 12;
    Some(match unit {
        Unit::Day => Part::whole(days),
        Unit::Month => Part::whole(months % 12),
        Unit::Quarter => Part::whole(months % 12 / 3 + 1),
        Unit::Year => Part::whole(years),
        Unit::Decade => Part::whole(years / 10),
        Unit::Century => Part::whole(years / 100),
        Unit::Millennium => Part::whole(years / 1000),
        Unit::Epoch => {
            // A year of 365.25 days, a month of 30.
            let seconds = i128::from(years) * 31_557_600
                + (i128::from(months % 12) * 30 + i128::from(days)) * 86_400;
            Part(seconds * i128::from(SECOND_US) + i128::from(span.micros), 6)
        }
        other => return time_field(other, span.micros),
    })
}

fn date_trunc(args: &[Value], _: &ExecContext) -> Result<Value> {
    let [Value::Text(name), value] = args else {
        return Ok(Value::Null);
    };
    let (unit, name) = unit_of(name, value)?;
    if let Value::Interval(span) = value {
        let cut = truncated_span(unit, *span).ok_or_else(|| refused(unit, &name, value))?;
        return Ok(Value::Interval(cut));
    }
    let Some(micros) = instant(value)? else {
        return Ok(match value {
            Value::Timestamp(_) | Value::TimestampTz(_) => value.clone(),
            _ => Value::Null,
        });
    };
    let cut = truncated(unit, micros).ok_or_else(|| refused(unit, &name, value))?;
    let cut = civil::timestamp(cut.into())?;
    Ok(match value {
        Value::TimestampTz(_) => Value::TimestampTz(cut),
        _ => Value::Timestamp(cut),
    })
}

/// Why a unit is not one to cut at: PostgreSQL knows some only as parts.
fn refused(unit: Unit, name: &str, value: &Value) -> Error {
    match unit {
        Unit::Week | Unit::Timezone => unsupported(name, value),
        _ => unrecognized(name, value),
    }
}

fn truncated(unit: Unit, micros: i64) -> Option<i64> {
    let down_to = |unit: i64| micros - micros.rem_euclid(unit);
    let days = micros.div_euclid(DAY_US);
    let civil = Civil::of_days(days);
    let first = |year, month| {
        Civil {
            year,
            month,
            day: 1,
        }
        .days()
        .checked_mul(DAY_US)
    };
    match unit {
        Unit::Microseconds => Some(micros),
        Unit::Milliseconds => Some(down_to(1_000)),
        Unit::Second => Some(down_to(SECOND_US)),
        Unit::Minute => Some(down_to(MINUTE_US)),
        Unit::Hour => Some(down_to(HOUR_US)),
        Unit::Day => Some(down_to(DAY_US)),
        Unit::Week => (days - (civil::weekday(days) + 6) % 7).checked_mul(DAY_US),
        Unit::Month => first(civil.year, civil.month),
        Unit::Quarter => first(civil.year, (civil.month - 1) / 3 * 3 + 1),
        Unit::Year => first(civil.year, 1),
        Unit::Decade => first(civil.year.div_euclid(10) * 10, 1),
        Unit::Century => first((civil.year - 1).div_euclid(100) * 100 + 1, 1),
        Unit::Millennium => first((civil.year - 1).div_euclid(1000) * 1000 + 1, 1),
        Unit::DayOfWeek
        | Unit::IsoDayOfWeek
        | Unit::DayOfYear
        | Unit::IsoYear
        | Unit::Julian
        | Unit::Epoch
        | Unit::Timezone => None,
    }
}

fn truncated_span(unit: Unit, span: Interval) -> Option<Interval> {
    let months = |unit: i32| Interval {
        months: span.months / unit * unit,
        ..Interval::default()
    };
    let micros = |unit: i64| Interval {
        micros: span.micros / unit * unit,
        ..span
    };
    Some(match unit {
        Unit::Microseconds => span,
        Unit::Milliseconds => micros(1_000),
        Unit::Second => micros(SECOND_US),
        Unit::Minute => micros(MINUTE_US),
        Unit::Hour => micros(HOUR_US),
        Unit::Day => Interval { micros: 0, ..span },
        Unit::Month => months(1),
        Unit::Quarter => months(3),
        Unit::Year => months(12),
        Unit::Decade => months(120),
        Unit::Century => months(1_200),
        Unit::Millennium => months(12_000),
        Unit::Week
        | Unit::DayOfWeek
        | Unit::IsoDayOfWeek
        | Unit::DayOfYear
        | Unit::IsoYear
        | Unit::Julian
        | Unit::Epoch
        | Unit::Timezone => return None,
    })
}
