//! `NumberSum`: the exact sum of numbers and intervals of any kinds, of which any can be taken back.
//!
//! Integers are summed in 128 bits; the rest appears with the first value that is none. Counts of each kind and of
//! each decimal scale decide the kind and scale of the result, so both shrink again when values leave.

use bigdecimal::num_bigint::BigInt;
use bigdecimal::num_traits::Zero;
use tailwater_proto::{BigDecimal, Interval, SqlType, Value, sqlstate};

use super::codec::{Reader, Writer, damaged};
use super::exact_double::ExactDouble;
use crate::error::{Error, Result};
use crate::numeric;

/// Scales a state may list: as many as NUMERIC has.
const SCALES_MAX: usize = 20_000;

/// A sum and the count of what went into it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NumberSum {
    ints: i128,
    int_count: i64,
    rest: Option<Box<Rest>>,
}

/// Everything but integers.
#[derive(Clone, Debug, Default, PartialEq)]
struct Rest {
    decimal: BigDecimal,
    /// How many decimals there are of each scale, ascending.
    scales: Vec<(i64, i64)>,
    doubles: ExactDouble,
    double_count: i64,
    real_count: i64,
    months: i128,
    days: i128,
    micros: i128,
    interval_count: i64,
}

impl NumberSum {
    /// Adds a value (`weight` 1) or takes it back (-1). What is neither number nor interval adds nothing.
    pub fn add(&mut self, value: &Value, weight: i64) {
        match value {
            Value::Int(number) => {
                self.ints += i128::from(*number) * i128::from(weight);
                self.int_count += weight;
            }
            Value::Numeric(number) => self.rest().add_decimal(number, weight),
            Value::Double(number) => {
                let rest = self.rest();
                rest.doubles.add(*number, weight);
                rest.double_count += weight;
            }
            Value::Real(number) => {
                let rest = self.rest();
                rest.doubles.add(f64::from(*number), weight);
                rest.real_count += weight;
            }
            Value::Interval(interval) => {
                let rest = self.rest();
                rest.months += i128::from(interval.months) * i128::from(weight);
                rest.days += i128::from(interval.days) * i128::from(weight);
                rest.micros += i128::from(interval.micros) * i128::from(weight);
                rest.interval_count += weight;
            }
            Value::Json(inner) if !inner.is_null() => self.add(inner, weight),
            Value::Null
            | Value::Bool(_)
            | Value::Date(_)
            | Value::Time(_)
            | Value::Timestamp(_)
            | Value::TimestampTz(_)
            | Value::Uuid(_)
            | Value::Text(_)
            | Value::Bytes(_)
            | Value::Json(_)
            | Value::Array(_)
            | Value::Document(_) => {}
        }
    }

    fn rest(&mut self) -> &mut Rest {
        self.rest.get_or_insert_default()
    }

    /// The sum, typed as PostgreSQL types it; NULL of nothing.
    ///
    /// # Errors
    /// `22003` if it does not fit its type.
    pub fn sum(&self, argument: &SqlType) -> Result<Value> {
        match self.kind(argument) {
            Kind::None => Ok(Value::Null),
            Kind::Int => match i64::try_from(self.ints) {
                Ok(sum) => Ok(Value::Int(sum)),
                // Only the value said that it is an integer: it grows into a double, as in arithmetic.
                Err(_) if !argument.is_integer() => Ok(Value::Double(self.total_double()?)),
                Err(_) => Err(out_of_range("bigint out of range")),
            },
            Kind::Numeric => Ok(Value::numeric(self.total_decimal())),
            Kind::Real => {
                let sum = self.total_double()?;
                #[expect(clippy::cast_possible_truncation, reason = "checked for overflow")]
                let real = sum as f32;
                if real.is_infinite() && sum.is_finite() {
                    return Err(out_of_range("value out of range: overflow"));
                }
                Ok(Value::Real(real))
            }
            Kind::Double => Ok(Value::Double(self.total_double()?)),
            Kind::Interval => self.interval(1),
        }
    }

    /// The mean, typed as PostgreSQL types it; NULL of nothing.
    ///
    /// # Errors
    /// `22003` if it does not fit its type.
    pub fn mean(&self, argument: &SqlType) -> Result<Value> {
        let count = self.count();
        match self.kind(argument) {
            Kind::None => Ok(Value::Null),
            Kind::Int if !argument.is_integer() => self.mean_double(count),
            Kind::Int | Kind::Numeric => {
                numeric::divide(&self.total_decimal(), &BigDecimal::from(count)).map(Value::numeric)
            }
            Kind::Real | Kind::Double => self.mean_double(count),
            Kind::Interval => self.interval(count),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "counts stay below 2^53")]
    fn mean_double(&self, count: i64) -> Result<Value> {
        Ok(Value::Double(self.total_double()? / count as f64))
    }

    fn count(&self) -> i64 {
        self.int_count
            + self.rest.as_ref().map_or(0, |rest| {
                rest.decimal_count() + rest.double_count + rest.real_count + rest.interval_count
            })
    }

    /// The kind of the sum: the declared one, else the widest of the values there are.
    fn kind(&self, argument: &SqlType) -> Kind {
        if self.count() == 0 {
            return Kind::None;
        }
        let found = match &self.rest {
            None => Kind::Int,
            Some(rest) => {
                let exact = self.int_count + rest.decimal_count();
                if rest.double_count > 0 || (rest.real_count > 0 && exact > 0) {
                    Kind::Double
                } else if rest.real_count > 0 {
                    Kind::Real
                } else if rest.decimal_count() > 0 {
                    Kind::Numeric
                } else if self.int_count > 0 {
                    Kind::Int
                } else {
                    Kind::Interval
                }
            }
        };
        match (argument, found) {
            (SqlType::Int8 | SqlType::Numeric(_), Kind::Int) => Kind::Numeric,
            (SqlType::Double, Kind::Int | Kind::Numeric | Kind::Real) => Kind::Double,
            (SqlType::Real, Kind::Int | Kind::Numeric | Kind::Double) => Kind::Real,
            _ => found,
        }
    }

    fn total_decimal(&self) -> BigDecimal {
        let whole = match i64::try_from(self.ints) {
            Ok(small) => BigDecimal::from(small),
            Err(_) => BigDecimal::from(BigInt::from(self.ints)),
        };
        match &self.rest {
            None => whole,
            Some(rest) => (whole + &rest.decimal).with_scale(rest.scale_max()),
        }
    }

    /// Everything there is as one double, rounded once (decimals twice).
    fn total_double(&self) -> Result<f64> {
        let mut total = self
            .rest
            .as_ref()
            .map(|rest| rest.doubles.clone())
            .unwrap_or_default();
        total.add_whole(self.ints);
        if let Some(rest) = &self.rest
            && !rest.decimal.is_zero()
        {
            total.add(numeric::to_double(&rest.decimal), 1);
        }
        if total.overflows() {
            return Err(out_of_range("value out of range: overflow"));
        }
        Ok(total.to_f64())
    }

    /// The intervals' sum divided by `count`, fractions of months and days going down as PostgreSQL has them.
    fn interval(&self, count: i64) -> Result<Value> {
        let Some(rest) = &self.rest else {
            return Ok(Value::Null);
        };
        let count = i128::from(count.max(1));
        let months = rest.months / count;
        let days_scaled = rest.days + (rest.months % count) * 30;
        let days = days_scaled / count;
        let micros_scaled = rest.micros + (days_scaled % count) * 86_400_000_000;
        let micros = round_half_even(micros_scaled, count);
        let parts = (
            i32::try_from(months),
            i32::try_from(days),
            i64::try_from(micros),
        );
        match parts {
            (Ok(months), Ok(days), Ok(micros)) => Ok(Value::Interval(Interval {
                months,
                days,
                micros,
            })),
            _ => Err(Error::row(
                sqlstate::DATETIME_FIELD_OVERFLOW,
                "interval out of range",
            )),
        }
    }

    /// Appends the state bytes.
    pub(crate) fn encode(&self, out: &mut Writer<'_>) {
        out.wide_int(self.ints);
        out.int(self.int_count);
        let rest = self.rest.as_ref().filter(|rest| rest.is_needed());
        let Some(rest) = rest else {
            out.byte(0);
            return;
        };
        out.byte(1);
        out.decimal(&rest.decimal.with_scale(rest.scale_max()));
        out.uint(rest.scales.len() as u64);
        for (scale, count) in &rest.scales {
            out.int(*scale);
            out.int(*count);
        }
        rest.doubles.encode(out);
        out.int(rest.double_count);
        out.int(rest.real_count);
        out.wide_int(rest.months);
        out.wide_int(rest.days);
        out.wide_int(rest.micros);
        out.int(rest.interval_count);
    }

    /// Reads the state bytes.
    pub(crate) fn decode(input: &mut Reader<'_>) -> Result<Self> {
        let (ints, int_count) = (input.wide_int()?, input.int()?);
        let rest = match input.byte()? {
            0 => None,
            1 => Some(Box::new(Rest::decode(input)?)),
            _ => return Err(damaged()),
        };
        Ok(Self {
            ints,
            int_count,
            rest,
        })
    }
}

impl Rest {
    fn add_decimal(&mut self, number: &BigDecimal, weight: i64) {
        if weight < 0 {
            self.decimal -= number;
        } else {
            self.decimal += number;
        }
        let scale = numeric::scale(number);
        match self.scales.binary_search_by_key(&scale, |entry| entry.0) {
            Ok(place) => {
                if let Some(entry) = self.scales.get_mut(place) {
                    entry.1 += weight;
                    if entry.1 == 0 {
                        self.scales.remove(place);
                    }
                }
            }
            Err(place) => self.scales.insert(place, (scale, weight)),
        }
    }

    fn decimal_count(&self) -> i64 {
        self.scales.iter().map(|(_, count)| count).sum()
    }

    fn scale_max(&self) -> i64 {
        self.scales.last().map_or(0, |(scale, _)| *scale)
    }

    /// Whether anything but integers is in the sum.
    fn is_needed(&self) -> bool {
        !self.scales.is_empty()
            || self.double_count != 0
            || self.real_count != 0
            || self.interval_count != 0
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self> {
        let decimal = input.decimal()?;
        let mut scales = Vec::new();
        for _ in 0..input.len_up_to(SCALES_MAX)? {
            scales.push((input.int()?, input.int()?));
        }
        Ok(Self {
            decimal,
            scales,
            doubles: ExactDouble::decode(input)?,
            double_count: input.int()?,
            real_count: input.int()?,
            months: input.wide_int()?,
            days: input.wide_int()?,
            micros: input.wide_int()?,
            interval_count: input.int()?,
        })
    }
}

/// The kind of a sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    None,
    Int,
    Numeric,
    Real,
    Double,
    Interval,
}

fn round_half_even(number: i128, divisor: i128) -> i128 {
    let (quotient, remainder) = (number / divisor, number % divisor);
    let twice = remainder.abs() * 2;
    if twice > divisor || (twice == divisor && quotient % 2 != 0) {
        quotient + number.signum()
    } else {
        quotient
    }
}

fn out_of_range(message: &str) -> Error {
    Error::row(sqlstate::NUMERIC_VALUE_OUT_OF_RANGE, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum_of(values: &[Value]) -> NumberSum {
        let mut sum = NumberSum::default();
        values.iter().for_each(|value| sum.add(value, 1));
        sum
    }

    fn decimal(text: &str) -> Value {
        Value::numeric(text.parse().unwrap())
    }

    #[test]
    fn sums_are_typed_as_postgresql_types_them() {
        let ints = [Value::Int(i64::MAX), Value::Int(1)];
        let debug = |value: Result<Value>| match value {
            Ok(Value::Numeric(number)) => format!("numeric {}", number.to_plain_string()),
            Ok(value) => format!("{value:?}"),
            Err(error) => error.to_string(),
        };
        for (values, ty, sum, mean) in [
            (
                &ints[..],
                SqlType::Int8,
                "numeric 9223372036854775808",
                "numeric 4611686018427387904",
            ),
            (
                &ints[..],
                SqlType::Int4,
                "bigint out of range",
                "numeric 4611686018427387904",
            ),
            (
                &ints[..],
                SqlType::Any,
                "Double(9.223372036854776e18)",
                "Double(4.611686018427388e18)",
            ),
            (
                &[Value::Int(1), Value::Int(2)][..],
                SqlType::Int4,
                "Int(3)",
                "numeric 1.5000000000000000",
            ),
            (
                &[Value::Int(1), decimal("2.50")][..],
                SqlType::Any,
                "numeric 3.50",
                "numeric 1.7500000000000000",
            ),
            (
                &[Value::Int(1), Value::Double(0.5)][..],
                SqlType::Any,
                "Double(1.5)",
                "Double(0.75)",
            ),
            (
                &[Value::Real(0.5)][..],
                SqlType::Real,
                "Real(0.5)",
                "Double(0.5)",
            ),
            (&[Value::text("x")][..], SqlType::Any, "Null", "Null"),
            (&[][..], SqlType::Int8, "Null", "Null"),
        ] {
            let total = sum_of(values);
            assert_eq!(debug(total.sum(&ty)), sum, "sum of {values:?}");
            assert_eq!(debug(total.mean(&ty)), mean, "mean of {values:?}");
        }
    }

    #[test]
    fn kind_and_scale_shrink_when_values_leave() {
        let mut sum = sum_of(&[
            Value::Int(1),
            decimal("0.125"),
            decimal("0.5"),
            Value::Double(1e300),
        ]);
        sum.add(&Value::Double(1e300), -1);
        sum.add(&decimal("0.125"), -1);
        let Value::Numeric(total) = sum.sum(&SqlType::Any).unwrap() else {
            panic!("not numeric");
        };
        assert_eq!(total.to_plain_string(), "1.5");
        let mut bytes = Vec::new();
        sum.encode(&mut Writer::new(&mut bytes));
        let back = NumberSum::decode(&mut Reader::new(&bytes)).unwrap();
        let mut again = Vec::new();
        back.encode(&mut Writer::new(&mut again));
        assert_eq!(bytes, again);
        sum.add(&decimal("0.5"), -1);
        let mut plain = Vec::new();
        sum.encode(&mut Writer::new(&mut plain));
        let mut expected = Vec::new();
        sum_of(&[Value::Int(1)]).encode(&mut Writer::new(&mut expected));
        assert_eq!(plain, expected);
    }
}
