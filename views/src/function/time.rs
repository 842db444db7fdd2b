//! Functions that make and move dates, times and intervals. The clock is the transaction's; the zone is UTC.
//!
//! Parts of them are in `time_part`, their text by patterns in `to_char`.

use tailwater_proto::{Interval, Value, sqlstate};

use super::Kind::{
    Bool, Date, Double, Int4, Interval as Span, Temporal, Time, Timestamp, TimestampTz,
};
use super::{Function, Volatility};
use crate::civil::{self, Civil, DAY_US, HOUR_US, MINUTE_US};
use crate::context::ExecContext;
use crate::error::{Error, Result};
use crate::expr;

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new(
        200,
        &[
            "now",
            "current_timestamp",
            "transaction_timestamp",
            "statement_timestamp",
        ],
        &[],
        TimestampTz,
        "When the transaction began.",
        ("now()", "1970-01-01 00:00:00+00"),
        now,
    )
    .volatility(Volatility::Stable),
    Function::new(
        201,
        &["current_date"],
        &[],
        Date,
        "The day the transaction began.",
        ("current_date", "1970-01-01"),
        current_date,
    )
    .volatility(Volatility::Stable),
    Function::new(
        202,
        &["current_time", "localtime"],
        &[],
        Time,
        "The time of day the transaction began.",
        ("current_time", "00:00:00"),
        current_time,
    )
    .volatility(Volatility::Stable),
    Function::new(
        203,
        &["localtimestamp"],
        &[],
        Timestamp,
        "When the transaction began, without zone.",
        ("localtimestamp", "1970-01-01 00:00:00"),
        localtimestamp,
    )
    .volatility(Volatility::Stable),
    Function::new(
        204,
        &["age"],
        &[Timestamp, Timestamp],
        Span,
        "The time from the second to the first, in years, months and days.",
        (
            "age(TIMESTAMP '2001-04-10', TIMESTAMP '1957-06-13')",
            "43 years 9 mons 27 days",
        ),
        age,
    ),
    Function::new(
        205,
        &["age"],
        &[TimestampTz, TimestampTz],
        Span,
        "The time from the second to the first, in years, months and days.",
        (
            "age(TIMESTAMPTZ '2024-03-01 00:00:00+00', TIMESTAMPTZ '2024-02-28 12:00:00+00')",
            "1 day 12:00:00",
        ),
        age,
    ),
    Function::new(
        206,
        &["age"],
        &[Timestamp],
        Span,
        "The time from then to the day the transaction began.",
        ("age(TIMESTAMP '1969-01-01')", "1 year"),
        age_today,
    )
    .volatility(Volatility::Stable),
    Function::new(
        207,
        &["make_date"],
        &[Int4, Int4, Int4],
        Date,
        "The date of a year (negative: BC), month and day.",
        ("make_date(2013, 7, 15)", "2013-07-15"),
        make_date,
    ),
    Function::new(
        208,
        &["make_time"],
        &[Int4, Int4, Double],
        Time,
        "The time of an hour, minute and second.",
        ("make_time(8, 15, 23.5)", "08:15:23.5"),
        make_time,
    ),
    Function::new(
        209,
        &["make_timestamp"],
        &[Int4, Int4, Int4, Int4, Int4, Double],
        Timestamp,
        "The timestamp of year, month, day, hour, minute and second.",
        (
            "make_timestamp(2013, 7, 15, 8, 15, 23.5)",
            "2013-07-15 08:15:23.5",
        ),
        make_timestamp,
    ),
    Function::new(
        210,
        &["make_timestamptz"],
        &[Int4, Int4, Int4, Int4, Int4, Double],
        TimestampTz,
        "The point in time of year, month, day, hour, minute and second in UTC.",
        (
            "make_timestamptz(2013, 7, 15, 8, 15, 23.5)",
            "2013-07-15 08:15:23.5+00",
        ),
        make_timestamptz,
    ),
    Function::new(
        211,
        &["make_interval"],
        &[Int4, Int4, Int4, Int4, Int4, Int4, Double],
        Span,
        "The interval of years, months, weeks, days, hours, minutes and seconds.",
        ("make_interval(1, 2, 0, 3)", "1 year 2 mons 3 days"),
        make_interval,
    )
    .optional(7),
    Function::new(
        212,
        &["to_timestamp"],
        &[Double],
        TimestampTz,
        "The point in time so many seconds after 1970-01-01 00:00:00 UTC.",
        ("to_timestamp(1284352323.5)", "2010-09-13 04:32:03.5+00"),
        to_timestamp,
    ),
    Function::new(
        213,
        &["justify_hours"],
        &[Span],
        Span,
        "The interval with 24 hours counted as a day.",
        ("justify_hours(INTERVAL '50 hours')", "2 days 02:00:00"),
        justify_hours,
    ),
    Function::new(
        214,
        &["justify_days"],
        &[Span],
        Span,
        "The interval with 30 days counted as a month.",
        ("justify_days(INTERVAL '35 days')", "1 mon 5 days"),
        justify_days,
    ),
    Function::new(
        215,
        &["justify_interval"],
        &[Span],
        Span,
        "The interval with 24 hours counted as a day, 30 days as a month, all of one sign.",
        (
            "justify_interval(INTERVAL '1 mon -1 hour')",
            "29 days 23:00:00",
        ),
        justify_interval,
    ),
    Function::new(
        216,
        &["isfinite"],
        &[Temporal],
        Bool,
        "Whether the date or timestamp is not infinite.",
        ("isfinite(DATE '2024-02-29')", "true"),
        isfinite,
    ),
    Function::new(
        217,
        &["date_bin"],
        &[Span, Timestamp, Timestamp],
        Timestamp,
        "The start of the span of that length, counted from the third argument, in which the second lies.",
        (
            "date_bin(INTERVAL '15 minutes', TIMESTAMP '2020-02-11 15:44:17', TIMESTAMP '2001-01-01')",
            "2020-02-11 15:30:00",
        ),
        date_bin,
    ),
    Function::new(
        218,
        &["date_bin"],
        &[Span, TimestampTz, TimestampTz],
        TimestampTz,
        "The start of the span of that length, counted from the third argument, in which the second lies.",
        (
            "date_bin(INTERVAL '1 day', TIMESTAMPTZ '2020-02-11 15:44:17+00', TIMESTAMPTZ '2001-01-01 00:00:00+00')",
            "2020-02-11 00:00:00+00",
        ),
        date_bin,
    ),
];

fn now(_: &[Value], cx: &ExecContext) -> Result<Value> {
    Ok(Value::TimestampTz(cx.now_us))
}

fn current_date(_: &[Value], cx: &ExecContext) -> Result<Value> {
    Ok(Value::Date(civil::day_of(cx.now_us)))
}

fn current_time(_: &[Value], cx: &ExecContext) -> Result<Value> {
    Ok(Value::Time(cx.now_us.rem_euclid(DAY_US)))
}

fn localtimestamp(_: &[Value], cx: &ExecContext) -> Result<Value> {
    Ok(Value::Timestamp(cx.now_us))
}

/// Microseconds of a finite point in time.
pub(super) fn instant(value: &Value) -> Result<Option<i64>> {
    let micros = match value {
        Value::Timestamp(micros) | Value::TimestampTz(micros) => *micros,
        Value::Date(days) => civil::midnight(*days)?,
        _ => return Ok(None),
    };
    Ok((micros != i64::MAX && micros != i64::MIN).then_some(micros))
}

fn age(args: &[Value], _: &ExecContext) -> Result<Value> {
    let [later, earlier] = args else {
        return Ok(Value::Null);
    };
    match (instant(later)?, instant(earlier)?) {
        (Some(later), Some(earlier)) => Ok(Value::Interval(elapsed(later, earlier))),
        _ => Ok(Value::Null),
    }
}

fn age_today(args: &[Value], cx: &ExecContext) -> Result<Value> {
    let today = civil::midnight(civil::day_of(cx.now_us))?;
    match args {
        [earlier] => match instant(earlier)? {
            Some(earlier) => Ok(Value::Interval(elapsed(today, earlier))),
            None => Ok(Value::Null),
        },
        _ => Ok(Value::Null),
    }
}

/// Years, months, days and time between two points; a borrowed month is as long as the earlier point's.
fn elapsed(later: i64, earlier: i64) -> Interval {
    if later < earlier {
        let span = elapsed(earlier, later);
        return Interval {
            months: -span.months,
            days: -span.days,
            micros: -span.micros,
        };
    }
    let (to, from) = (
        Civil::of_days(later.div_euclid(DAY_US)),
        Civil::of_days(earlier.div_euclid(DAY_US)),
    );
    let mut micros = later.rem_euclid(DAY_US) - earlier.rem_euclid(DAY_US);
    let mut days = to.day - from.day;
    let mut months = (to.year - from.year) * 12 + to.month - from.month;
    if micros < 0 {
        micros += DAY_US;
        days -= 1;
    }
    if days < 0 {
        days += civil::days_in_month(from.year, from.month);
        months -= 1;
    }
    Interval {
        months: i32::try_from(months).unwrap_or(i32::MAX),
        days: i32::try_from(days).unwrap_or(i32::MAX),
        micros,
    }
}

fn time_out_of_range(hour: i64, minute: i64, second: f64) -> Error {
    Error::row(
        sqlstate::DATETIME_FIELD_OVERFLOW,
        format!("time field value out of range: {hour}:{minute:02}:{second:02}"),
    )
}

fn date_of(year: i64, month: i64, day: i64) -> Result<i32> {
    let refused = || {
        Error::row(
            sqlstate::DATETIME_FIELD_OVERFLOW,
            format!("date field value out of range: {year}-{month:02}-{day:02}"),
        )
    };
    // There is no year 0: 1 BC is year -1 here, and 0 in the calendar.
    let civil = match year {
        0 => return Err(refused()),
        year if year < 0 => Civil {
            year: year + 1,
            month,
            day,
        },
        year => Civil { year, month, day },
    };
    if civil.is_valid() {
        civil::date(civil.days())
    } else {
        Err(refused())
    }
}

fn time_of(hour: i64, minute: i64, second: f64) -> Result<i64> {
    if !(0..=24).contains(&hour) || !(0..60).contains(&minute) || !(0.0..=60.0).contains(&second) {
        return Err(time_out_of_range(hour, minute, second));
    }
    #[expect(clippy::cast_possible_truncation, reason = "0 to 60 million")]
    let micros = (second * 1e6).round_ties_even() as i64;
    let whole = hour * HOUR_US + minute * MINUTE_US + micros;
    if whole <= DAY_US {
        Ok(whole)
    } else {
        Err(time_out_of_range(hour, minute, second))
    }
}

fn make_date(args: &[Value], _: &ExecContext) -> Result<Value> {
    match args {
        [Value::Int(year), Value::Int(month), Value::Int(day)] => {
            date_of(*year, *month, *day).map(Value::Date)
        }
        _ => Ok(Value::Null),
    }
}

fn make_time(args: &[Value], _: &ExecContext) -> Result<Value> {
    match args {
        [Value::Int(hour), Value::Int(minute), second] => match expr::to_double(second) {
            Some(second) => time_of(*hour, *minute, second).map(Value::Time),
            None => Ok(Value::Null),
        },
        _ => Ok(Value::Null),
    }
}

fn made_timestamp(args: &[Value]) -> Result<Option<i64>> {
    let [
        Value::Int(year),
        Value::Int(month),
        Value::Int(day),
        Value::Int(hour),
        Value::Int(minute),
        second,
    ] = args
    else {
        return Ok(None);
    };
    let Some(second) = expr::to_double(second) else {
        return Ok(None);
    };
    let midnight = civil::midnight(date_of(*year, *month, *day)?)?;
    let time = time_of(*hour, *minute, second)?;
    civil::timestamp(i128::from(midnight) + i128::from(time)).map(Some)
}

fn make_timestamp(args: &[Value], _: &ExecContext) -> Result<Value> {
    Ok(made_timestamp(args)?.map_or(Value::Null, Value::Timestamp))
}

fn make_timestamptz(args: &[Value], _: &ExecContext) -> Result<Value> {
    Ok(made_timestamp(args)?.map_or(Value::Null, Value::TimestampTz))
}

fn make_interval(args: &[Value], _: &ExecContext) -> Result<Value> {
    let whole = |place: usize| match args.get(place) {
        None => Some(0),
        Some(value) => value.as_int(),
    };
    let second = match args.get(6) {
        None => Some(0.0),
        Some(value) => expr::to_double(value),
    };
    let (
        Some(years),
        Some(months),
        Some(weeks),
        Some(days),
        Some(hours),
        Some(minutes),
        Some(second),
    ) = (
        whole(0),
        whole(1),
        whole(2),
        whole(3),
        whole(4),
        whole(5),
        second,
    )
    else {
        return Ok(Value::Null);
    };
    let out_of_range = || Error::row(sqlstate::DATETIME_FIELD_OVERFLOW, "interval out of range");
    let narrow = |count: i128| i32::try_from(count).map_err(|_| out_of_range());
    if !second.is_finite() || second.abs() > 9e12 {
        return Err(out_of_range());
    }
    #[expect(clippy::cast_possible_truncation, reason = "at most 9e18")]
    let micros = i128::from(hours) * i128::from(HOUR_US)
        + i128::from(minutes) * i128::from(MINUTE_US)
        + i128::from((second * 1e6).round_ties_even() as i64);
    Ok(Value::Interval(Interval {
        months: narrow(i128::from(years) * 12 + i128::from(months))?,
        days: narrow(i128::from(weeks) * 7 + i128::from(days))?,
        micros: i64::try_from(micros).map_err(|_| out_of_range())?,
    }))
}

fn to_timestamp(args: &[Value], _: &ExecContext) -> Result<Value> {
    let Some(seconds) = args.first().and_then(expr::to_double) else {
        return Ok(Value::Null);
    };
    if seconds.is_nan() {
        return Err(Error::row(
            sqlstate::DATETIME_FIELD_OVERFLOW,
            "timestamp cannot be NaN",
        ));
    }
    if seconds.is_infinite() {
        let end = if seconds > 0.0 { i64::MAX } else { i64::MIN };
        return Ok(Value::TimestampTz(end));
    }
    if seconds.abs() > 1e13 {
        return Err(civil::timestamp_out_of_range());
    }
    #[expect(clippy::cast_possible_truncation, reason = "at most 1e19 in 128 bits")]
    let micros = (seconds * 1e6).round_ties_even() as i128;
    civil::timestamp(micros).map(Value::TimestampTz)
}

/// Moves whole `unit`s of the smaller part into the larger one and gives both one sign.
fn carried(larger: i64, smaller: i64, unit: i64) -> (i64, i64) {
    let (mut larger, mut smaller) = (larger + smaller / unit, smaller % unit);
    if larger > 0 && smaller < 0 {
        larger -= 1;
        smaller += unit;
    } else if larger < 0 && smaller > 0 {
        larger += 1;
        smaller -= unit;
    }
    (larger, smaller)
}

fn justified(args: &[Value], justify: fn(i64, i64, i64) -> (i64, i64, i64)) -> Result<Value> {
    let [Value::Interval(span)] = args else {
        return Ok(Value::Null);
    };
    let (months, days, micros) = justify(span.months.into(), span.days.into(), span.micros);
    let narrow = |count: i64| {
        i32::try_from(count)
            .map_err(|_| Error::row(sqlstate::DATETIME_FIELD_OVERFLOW, "interval out of range"))
    };
    Ok(Value::Interval(Interval {
        months: narrow(months)?,
        days: narrow(days)?,
        micros,
    }))
}

fn justify_hours(args: &[Value], _: &ExecContext) -> Result<Value> {
    justified(args, |months, days, micros| {
        let (days, micros) = carried(days, micros, DAY_US);
        (months, days, micros)
    })
}

fn justify_days(args: &[Value], _: &ExecContext) -> Result<Value> {
    justified(args, |months, days, micros| {
        let (months, days) = carried(months, days, 30);
        (months, days, micros)
    })
}

fn justify_interval(args: &[Value], _: &ExecContext) -> Result<Value> {
    justified(args, |months, days, micros| {
        let mut days = days + micros / DAY_US;
        let mut micros = micros % DAY_US;
        let mut months = months + days / 30;
        days %= 30;
        if months > 0 && (days < 0 || (days == 0 && micros < 0)) {
            days += 30;
            months -= 1;
        } else if months < 0 && (days > 0 || (days == 0 && micros > 0)) {
            days -= 30;
            months += 1;
        }
        if days > 0 && micros < 0 {
            micros += DAY_US;
            days -= 1;
        } else if days < 0 && micros > 0 {
            micros -= DAY_US;
            days += 1;
        }
        (months, days, micros)
    })
}

fn isfinite(args: &[Value], _: &ExecContext) -> Result<Value> {
    Ok(match args {
        [Value::Date(days)] => Value::Bool(!matches!(*days, i32::MAX | i32::MIN)),
        [Value::Timestamp(micros) | Value::TimestampTz(micros)] => {
            Value::Bool(!matches!(*micros, i64::MAX | i64::MIN))
        }
        [Value::Interval(_) | Value::Time(_)] => Value::Bool(true),
        _ => Value::Null,
    })
}

fn date_bin(args: &[Value], _: &ExecContext) -> Result<Value> {
    let [Value::Interval(stride), source, origin] = args else {
        return Ok(Value::Null);
    };
    let refused = |sqlstate, message| Err(Error::row(sqlstate, message));
    if stride.months != 0 {
        return refused(
            sqlstate::FEATURE_NOT_SUPPORTED,
            "timestamps cannot be binned into intervals containing months or years",
        );
    }
    let width = i128::from(stride.days) * i128::from(DAY_US) + i128::from(stride.micros);
    if width <= 0 {
        return refused(
            sqlstate::DATETIME_FIELD_OVERFLOW,
            "stride must be greater than zero",
        );
    }
    let (Some(at), Some(from)) = (instant(source)?, instant(origin)?) else {
        return Ok(source.clone());
    };
    let distance = i128::from(at) - i128::from(from);
    let start = i128::from(from) + distance.div_euclid(width) * width;
    Ok(match (source, civil::timestamp(start)?) {
        (Value::TimestampTz(_), start) => Value::TimestampTz(start),
        (_, start) => Value::Timestamp(start),
    })
}
