//! Roots, exponentials, logarithms and powers of exact decimals, correct to the last digit shown.
//!
//! Computed in fixed point with spare digits, then rounded to the scale PostgreSQL chooses. Each input is bounded
//! before any long computation, so no argument makes one run for long.

use bigdecimal::num_bigint::BigInt;
use bigdecimal::num_traits::{Signed, ToPrimitive, Zero};
use tailwater_proto::{BigDecimal, sqlstate};

use super::{
    GROUP_DIGITS, SCALE_MAX, SIGNIFICANT_DIGITS_MIN, WHOLE_DIGITS_MAX, complex_power,
    divide_rounded, exponent, overflow, parts, pow10, round, scale, subtract, to_double,
    weight_and_first, zero_to_negative_power,
};
use crate::error::{Error, Result};

/// Digits computed beyond those shown.
const SPARE_DIGITS: i64 = 12;
/// The largest argument of `exp`: beyond it results are too long (as in PostgreSQL).
const EXP_MAX: f64 = 6000.0;
const LOG10_E: f64 = std::f64::consts::LOG10_E;

/// A number times 10 to the `digits`.
struct Fixed {
    digits: i64,
}

impl Fixed {
    fn of(&self, n: &BigDecimal) -> BigInt {
        parts(&round(n, self.digits)).0.into_owned()
    }

    fn one(&self) -> BigInt {
        pow10(self.digits)
    }

    fn multiply(&self, a: &BigInt, b: &BigInt) -> BigInt {
        divide_rounded(&(a * b), &self.one())
    }

    fn divide(&self, a: &BigInt, b: &BigInt) -> BigInt {
        divide_rounded(&(a * self.one()), b)
    }

    /// e to the `x`: halved until small, a Taylor series, squared back.
    fn exp(&self, x: &BigInt) -> BigInt {
        let halvings =
            u64::try_from(i128::from(x.bits()) - i128::from(self.one().bits()) + 6).unwrap_or(0);
        let small = x >> halvings;
        let mut term = self.one();
        let mut sum = self.one();
        let mut n = 1_u32;
        loop {
            term = self.multiply(&term, &small) / n;
            if term.is_zero() {
                break;
            }
            sum += &term;
            n += 1;
        }
        for _ in 0..halvings {
            sum = self.multiply(&sum, &sum);
        }
        sum
    }

    /// The natural logarithm of `x`, which lies between 0.1 and 10: Halley's iteration on `exp`, three times the
    /// digits each round, from a double.
    fn ln(&self, x: &BigInt) -> BigInt {
        let near = to_double(&BigDecimal::new(x.clone(), self.digits)).ln();
        let mut y = super::from_double(near).map_or_else(BigInt::default, |near| self.of(&near));
        let mut correct = 14;
        while correct < self.digits {
            let e = self.exp(&y);
            y += self.divide(&((x - &e) << 1_u8), &(x + &e));
            correct *= 3;
        }
        y
    }
}

fn clamp_scale(scale: i64) -> i64 {
    scale.clamp(0, SCALE_MAX)
}

/// `x` as a whole count, towards zero.
#[expect(clippy::cast_possible_truncation, reason = "saturates; NaN is 0")]
const fn whole(x: f64) -> i64 {
    x as i64
}

/// Square root.
///
/// # Errors
/// `2201F` for negative numbers.
pub fn sqrt(n: &BigDecimal) -> Result<BigDecimal> {
    let (digits, from) = parts(n);
    if digits.is_negative() {
        return Err(Error::row(
            sqlstate::INVALID_ARGUMENT_FOR_POWER_FUNCTION,
            "cannot take square root of a negative number",
        ));
    }
    let (weight, _) = weight_and_first(n);
    let whole_digits = if weight >= 0 {
        weight * GROUP_DIGITS / 2 + 1
    } else {
        1 - (1 - weight * GROUP_DIGITS) / 2
    };
    let result = clamp_scale((SIGNIFICANT_DIGITS_MIN - whole_digits).max(from));
    // floor(sqrt(n * 10^(2 * (result + 1)))), whose last digit decides the rounding.
    let shift = 2 * (result + 1) - from;
    let scaled = if shift >= 0 {
        &*digits * pow10(shift)
    } else {
        &*digits / pow10(-shift)
    };
    let root = divide_rounded(&scaled.sqrt(), &BigInt::from(10));
    Ok(BigDecimal::new(root, result))
}

/// e to the `n`.
///
/// # Errors
/// `22003` from 6000 on.
pub fn exp(n: &BigDecimal) -> Result<BigDecimal> {
    exp_at_least(n, scale(n))
}

fn exp_at_least(n: &BigDecimal, scale_min: i64) -> Result<BigDecimal> {
    let near = to_double(n);
    if near >= EXP_MAX {
        return Err(overflow());
    }
    let weight = whole(near * LOG10_E);
    let result = clamp_scale((SIGNIFICANT_DIGITS_MIN - weight).max(scale_min));
    if near <= -EXP_MAX {
        return Ok(BigDecimal::new(BigInt::default(), result));
    }
    let fixed = Fixed {
        digits: result + weight.max(0) + SPARE_DIGITS,
    };
    let value = BigDecimal::new(fixed.exp(&fixed.of(n)), fixed.digits);
    Ok(round(&value, result))
}

/// Natural logarithm.
///
/// # Errors
/// `2201E` for zero and negative numbers.
pub fn ln(n: &BigDecimal) -> Result<BigDecimal> {
    let weight = ln_weight(n)?;
    let result = clamp_scale((SIGNIFICANT_DIGITS_MIN - weight).max(scale(n)));
    Ok(round(&ln_digits(n, result + SPARE_DIGITS), result))
}

/// The logarithm of `number` to `base`.
///
/// # Errors
/// `2201E` for zero and negative numbers, `22012` for base 1.
pub fn log(base: &BigDecimal, number: &BigDecimal) -> Result<BigDecimal> {
    let base_weight = ln_weight(base)?;
    let weight = ln_weight(number)? - base_weight;
    let result = clamp_scale(
        (SIGNIFICANT_DIGITS_MIN - weight)
            .max(scale(base))
            .max(scale(number)),
    );
    // The quotient is right to `result` digits if both have that many beyond the base's leading zeros.
    let digits = result + SPARE_DIGITS + 2 * base_weight.abs() + weight.abs();
    let denominator = ln_digits(base, digits);
    if parts(&denominator).0.is_zero() {
        return Err(super::division_by_zero());
    }
    Ok(super::divide_to(
        &ln_digits(number, digits),
        &denominator,
        result,
    ))
}

/// The logarithm of a positive number to `digits` behind the point.
fn ln_digits(n: &BigDecimal, digits: i64) -> BigDecimal {
    let exponent = exponent(n).unwrap_or(0);
    // Numbers near 1 are taken as they are: 0.99 as 9.9 / 10 would cancel digits.
    let exponent = if exponent == -1 { 0 } else { exponent };
    let fixed = Fixed {
        digits: digits + SPARE_DIGITS,
    };
    let (unscaled, scale) = parts(n);
    let mantissa = if scale + exponent >= 0 {
        BigDecimal::new(unscaled.into_owned(), scale + exponent)
    } else {
        BigDecimal::new(unscaled.into_owned() * pow10(-scale - exponent), 0)
    };
    let mut value = fixed.ln(&fixed.of(&mantissa));
    if exponent != 0 {
        value += fixed.ln(&(fixed.one() * 10)) * exponent;
    }
    BigDecimal::new(value, fixed.digits)
}

/// The decimal exponent of the logarithm, as PostgreSQL estimates it.
fn ln_weight(n: &BigDecimal) -> Result<i64> {
    let digits = parts(n).0;
    if digits.is_zero() {
        return Err(Error::row(
            sqlstate::INVALID_ARGUMENT_FOR_LOG,
            "cannot take logarithm of zero",
        ));
    }
    if digits.is_negative() {
        return Err(Error::row(
            sqlstate::INVALID_ARGUMENT_FOR_LOG,
            "cannot take logarithm of a negative number",
        ));
    }
    let tenths = |count: i64| BigDecimal::new(BigInt::from(count), 1);
    if *n >= tenths(9) && *n <= tenths(11) {
        return Ok(exponent(&subtract(n, &tenths(10))).unwrap_or(0));
    }
    Ok(whole(
        log10_of(n).abs().log10() + std::f64::consts::LN_10.log10(),
    ))
}

/// The decimal logarithm of a positive number, roughly; numbers beyond the doubles included.
#[expect(clippy::cast_precision_loss, reason = "an estimate")]
fn log10_of(n: &BigDecimal) -> f64 {
    let (digits, scale) = parts(n);
    let count = super::digit_count(&digits);
    let dropped = (count - 17).max(0);
    let leading = (digits.abs() / pow10(dropped)).to_f64().unwrap_or(1.0);
    leading.log10() + (dropped - scale) as f64
}

/// `base` to the `power`.
///
/// # Errors
/// `2201F` for zero to a negative power and for roots of negative numbers, `22003` for what is too long.
pub fn power(base: &BigDecimal, power: &BigDecimal) -> Result<BigDecimal> {
    let negative = parts(base).0.is_negative();
    let zero = parts(base).0.is_zero();
    let whole_power = power.is_integer();
    if zero && parts(power).0.is_negative() {
        return Err(zero_to_negative_power());
    }
    if negative && !whole_power {
        return Err(complex_power());
    }
    if whole_power && let Some(count) = parts(&round(power, 0)).0.to_i32() {
        return whole_power_of(base, count, scale(power));
    }
    if zero {
        return Ok(BigDecimal::new(BigInt::default(), SIGNIFICANT_DIGITS_MIN));
    }
    // |base|^power = e^(power * ln |base|); a whole power this large is even or odd by its last digit.
    let estimate = to_double(power) * log10_of(&base.abs());
    if estimate * std::f64::consts::LN_10 >= EXP_MAX {
        return Err(overflow());
    }
    let scale_min = scale(base).max(scale(power));
    if estimate * std::f64::consts::LN_10 <= -EXP_MAX {
        return Ok(BigDecimal::new(BigInt::default(), SCALE_MAX));
    }
    let result = clamp_scale((SIGNIFICANT_DIGITS_MIN - whole(estimate)).max(scale_min));
    let power_digits = exponent(power).unwrap_or(0).max(0);
    let digits = result + whole(estimate).max(0) + power_digits + 2 * SPARE_DIGITS;
    let logarithm = round(
        &super::multiply(&ln_digits(&base.abs(), digits), power)?,
        digits,
    );
    let magnitude = round(&exp_at_least(&logarithm, result + SPARE_DIGITS)?, result);
    let odd =
        whole_power && (parts(&round(power, 0)).0.as_ref() & BigInt::from(1)) == BigInt::from(1);
    Ok(if negative && odd {
        -magnitude
    } else {
        magnitude
    })
}

/// A power with a whole exponent, by squaring with as many digits as the result needs.
fn whole_power_of(base: &BigDecimal, power: i32, power_scale: i64) -> Result<BigDecimal> {
    let weight = if parts(base).0.is_zero() {
        0.0
    } else {
        f64::from(power) * log10_of(&base.abs())
    };
    #[expect(clippy::cast_precision_loss, reason = "a bound")]
    if weight > WHOLE_DIGITS_MAX as f64 {
        return Err(overflow());
    }
    #[expect(clippy::cast_precision_loss, reason = "a bound")]
    if weight + 1.0 < -(SCALE_MAX as f64) {
        return Ok(BigDecimal::new(BigInt::default(), SCALE_MAX));
    }
    let result = clamp_scale(
        (SIGNIFICANT_DIGITS_MIN - whole(weight))
            .max(scale(base))
            .max(power_scale),
    );
    if parts(base).0.is_zero() {
        let value = i64::from(power == 0);
        return Ok(round(&BigDecimal::from(value), result));
    }
    let significant = result + whole(weight).max(0) + 2 * SPARE_DIGITS;
    let mut square = base.clone();
    let mut product = BigDecimal::from(1);
    let mut bits = power.unsigned_abs();
    while bits != 0 {
        if bits & 1 == 1 {
            product = significant_digits(&product * &square, significant);
        }
        bits >>= 1;
        if bits != 0 {
            square = significant_digits(&square * &square, significant);
        }
    }
    if power < 0 {
        return Ok(super::divide_to(&BigDecimal::from(1), &product, result));
    }
    super::checked(round(&product, result))
}

/// The number to so many digits from its first; its scale may become negative in between.
fn significant_digits(n: BigDecimal, digits: i64) -> BigDecimal {
    let (unscaled, scale) = n.into_bigint_and_scale();
    let dropped = super::digit_count(&unscaled) - digits;
    if dropped <= 0 {
        return BigDecimal::new(unscaled, scale);
    }
    BigDecimal::new(divide_rounded(&unscaled, &pow10(dropped)), scale - dropped)
}
