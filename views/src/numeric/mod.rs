//! Exact decimals with PostgreSQL's NUMERIC rules: which scale a result has and how it is rounded.
//!
//! Every result has a scale of 0 or more; halves are rounded away from zero. Roots, logarithms and powers are in
//! `elementary`. Values of one number with different scales are equal but print differently, so scales matter.

use std::borrow::Cow;
use std::cmp::Ordering;

use bigdecimal::num_bigint::{BigInt, Sign};
use bigdecimal::num_traits::{Signed, ToPrimitive, Zero};
use tailwater_proto::text_input::fit_numeric;
use tailwater_proto::{BigDecimal, sqlstate};

use crate::cast::text_error;
use crate::error::{Error, Result};

mod elementary;

pub use self::elementary::{exp, ln, log, power, sqrt};

/// Significant digits a division, root or logarithm gives at least.
const SIGNIFICANT_DIGITS_MIN: i64 = 16;
/// Decimal digits of one of PostgreSQL's base-10000 digits: its scales are chosen in steps of these.
const GROUP_DIGITS: i64 = 4;
/// The largest scale a computed result is given.
const SCALE_MAX: i64 = 1000;
/// The largest scale there is.
const STORED_SCALE_MAX: i64 = 16_383;
/// Digits before the decimal point.
const WHOLE_DIGITS_MAX: i64 = 131_072;

/// Unscaled digits and a scale of 0 or more.
fn parts(n: &BigDecimal) -> (Cow<'_, BigInt>, i64) {
    let (digits, scale) = n.as_bigint_and_scale();
    if scale >= 0 {
        (digits, scale)
    } else {
        (Cow::Owned(&*digits * pow10(-scale)), 0)
    }
}

/// 10 to the `exponent`; 1 for negative exponents.
fn pow10(exponent: i64) -> BigInt {
    match u32::try_from(exponent) {
        Ok(small @ 0..=18) => BigInt::from(10_u64.pow(small)),
        Ok(exponent) => BigInt::from(10).pow(exponent),
        Err(_) => BigInt::from(1),
    }
}

/// How many digits are displayed behind the point.
#[must_use]
pub fn scale(n: &BigDecimal) -> i64 {
    n.as_bigint_and_scale().1.max(0)
}

/// Digits of the integer, 1 for zero.
fn digit_count(digits: &BigInt) -> i64 {
    match digits.magnitude().to_u128() {
        Some(small) => i64::from(small.checked_ilog10().unwrap_or(0)) + 1,
        None => i64::try_from(digits.magnitude().to_string().len()).unwrap_or(i64::MAX),
    }
}

/// The decimal exponent of the first digit: 0 for 1 to 9.99, -1 for 0.1; `None` for zero.
fn exponent(n: &BigDecimal) -> Option<i64> {
    let (digits, scale) = n.as_bigint_and_scale();
    (!digits.is_zero()).then(|| digit_count(&digits) - 1 - scale)
}

/// PostgreSQL's weight (exponent of the first base-10000 digit) and that digit; both 0 for zero.
fn weight_and_first(n: &BigDecimal) -> (i64, i64) {
    let Some(exponent) = exponent(n) else {
        return (0, 0);
    };
    let weight = exponent.div_euclid(GROUP_DIGITS);
    let (digits, scale) = n.as_bigint_and_scale();
    // First digit = floor(|n| / 10000^weight).
    let shift = -scale - weight * GROUP_DIGITS;
    let magnitude = digits.abs();
    let first = if shift >= 0 {
        magnitude * pow10(shift)
    } else {
        magnitude / pow10(-shift)
    };
    (weight, first.to_i64().unwrap_or(0))
}

/// `numerator / denominator` with halves away from zero. The denominator is not zero.
fn divide_rounded(numerator: &BigInt, denominator: &BigInt) -> BigInt {
    let quotient = numerator / denominator;
    let rest = numerator - &quotient * denominator;
    if (rest.abs() << 1_u8) >= denominator.abs() {
        let away = if (numerator.sign() == Sign::Minus) == (denominator.sign() == Sign::Minus) {
            1
        } else {
            -1
        };
        quotient + away
    } else {
        quotient
    }
}

/// The number with `scale` digits behind the point (negative: zeros before it), halves away from zero.
#[must_use]
pub fn round(n: &BigDecimal, scale: i64) -> BigDecimal {
    rescale(n, scale, divide_rounded)
}

/// The number cut to `scale` digits behind the point (negative: zeros before it).
#[must_use]
pub fn truncate(n: &BigDecimal, scale: i64) -> BigDecimal {
    rescale(n, scale, |numerator, denominator| numerator / denominator)
}

fn rescale(n: &BigDecimal, scale: i64, divide: impl Fn(&BigInt, &BigInt) -> BigInt) -> BigDecimal {
    let scale = scale.clamp(-WHOLE_DIGITS_MAX, STORED_SCALE_MAX);
    let (digits, from) = parts(n);
    if scale >= from {
        return BigDecimal::new(&*digits * pow10(scale - from), scale);
    }
    let cut = divide(&digits, &pow10(from - scale));
    if scale >= 0 {
        BigDecimal::new(cut, scale)
    } else {
        BigDecimal::new(cut * pow10(-scale), 0)
    }
}

/// The greatest whole number not above.
#[must_use]
pub fn floor(n: &BigDecimal) -> BigDecimal {
    let cut = truncate(n, 0);
    if cut > *n {
        cut - BigDecimal::from(1)
    } else {
        cut
    }
}

/// The least whole number not below.
#[must_use]
pub fn ceil(n: &BigDecimal) -> BigDecimal {
    let cut = truncate(n, 0);
    if cut < *n {
        cut + BigDecimal::from(1)
    } else {
        cut
    }
}

/// Sum, with the larger scale.
#[must_use]
pub fn add(a: &BigDecimal, b: &BigDecimal) -> BigDecimal {
    let (a, b, scale) = aligned(a, b);
    BigDecimal::new(&*a + &*b, scale)
}

/// Difference, with the larger scale.
#[must_use]
pub fn subtract(a: &BigDecimal, b: &BigDecimal) -> BigDecimal {
    let (a, b, scale) = aligned(a, b);
    BigDecimal::new(&*a - &*b, scale)
}

/// Digits of both at the larger scale.
fn aligned<'n>(a: &'n BigDecimal, b: &'n BigDecimal) -> (Cow<'n, BigInt>, Cow<'n, BigInt>, i64) {
    let ((a, a_scale), (b, b_scale)) = (parts(a), parts(b));
    match a_scale.cmp(&b_scale) {
        Ordering::Equal => (a, b, a_scale),
        Ordering::Less => (Cow::Owned(&*a * pow10(b_scale - a_scale)), b, b_scale),
        Ordering::Greater => {
            let b = Cow::Owned(&*b * pow10(a_scale - b_scale));
            (a, b, a_scale)
        }
    }
}

/// Product, exact: the scales add up.
///
/// # Errors
/// `22003` beyond 131,072 digits before the point.
pub fn multiply(a: &BigDecimal, b: &BigDecimal) -> Result<BigDecimal> {
    let ((a, a_scale), (b, b_scale)) = (parts(a), parts(b));
    let product = BigDecimal::new(&*a * &*b, a_scale + b_scale);
    if a_scale + b_scale > STORED_SCALE_MAX {
        return checked(round(&product, STORED_SCALE_MAX));
    }
    checked(product)
}

/// Quotient with at least 16 significant digits and the scale PostgreSQL chooses.
///
/// # Errors
/// `22012` for a zero divisor, `22003` beyond 131,072 digits before the point.
pub fn divide(a: &BigDecimal, b: &BigDecimal) -> Result<BigDecimal> {
    if parts(b).0.is_zero() {
        return Err(division_by_zero());
    }
    let (a_weight, a_first) = weight_and_first(a);
    let (b_weight, b_first) = weight_and_first(b);
    let weight = a_weight - b_weight - i64::from(a_first <= b_first);
    let result = (SIGNIFICANT_DIGITS_MIN - weight * GROUP_DIGITS)
        .max(scale(a))
        .max(scale(b))
        .clamp(0, SCALE_MAX);
    checked(divide_to(a, b, result))
}

/// Quotient with a given scale, halves away from zero. The divisor is not zero.
fn divide_to(a: &BigDecimal, b: &BigDecimal, scale: i64) -> BigDecimal {
    let ((a, a_scale), (b, b_scale)) = (parts(a), parts(b));
    let shift = scale + b_scale - a_scale;
    let quotient = if shift >= 0 {
        divide_rounded(&(&*a * pow10(shift)), &b)
    } else {
        divide_rounded(&a, &(&*b * pow10(-shift)))
    };
    BigDecimal::new(quotient, scale)
}

/// Remainder of the division cut to a whole number: it has the dividend's sign.
///
/// # Errors
/// `22012` for a zero divisor.
pub fn modulo(a: &BigDecimal, b: &BigDecimal) -> Result<BigDecimal> {
    let (a, b, scale) = aligned(a, b);
    if b.is_zero() {
        return Err(division_by_zero());
    }
    Ok(BigDecimal::new(&*a % &*b, scale))
}

/// The number as NUMERIC(precision, scale) stores it.
///
/// # Errors
/// `22003` if there are more than `precision - scale` digits before the point.
pub fn fit(n: &BigDecimal, precision: u16, scale: i16) -> Result<BigDecimal> {
    fit_numeric(n, precision, scale).map_err(text_error)
}

/// The number itself if PostgreSQL's format holds it.
fn checked(n: BigDecimal) -> Result<BigDecimal> {
    // A bit is less than a third of a digit, so short numbers are let through without counting digits.
    let (digits, scale) = n.as_bigint_and_scale();
    let bits = i64::try_from(digits.bits()).unwrap_or(i64::MAX);
    if bits / 3 - scale < WHOLE_DIGITS_MAX
        || exponent(&n).is_none_or(|exponent| exponent < WHOLE_DIGITS_MAX)
    {
        drop(digits);
        return Ok(n);
    }
    Err(overflow())
}

#[cold]
fn overflow() -> Error {
    Error::row(
        sqlstate::NUMERIC_VALUE_OUT_OF_RANGE,
        "value overflows numeric format",
    )
}

#[cold]
fn division_by_zero() -> Error {
    Error::row(sqlstate::DIVISION_BY_ZERO, "division by zero")
}

/// PostgreSQL's `2201F` for `0 ^ -1`.
#[cold]
pub(crate) fn zero_to_negative_power() -> Error {
    Error::row(
        sqlstate::INVALID_ARGUMENT_FOR_POWER_FUNCTION,
        "zero raised to a negative power is undefined",
    )
}

/// PostgreSQL's `2201F` for `(-1) ^ 0.5`.
#[cold]
pub(crate) fn complex_power() -> Error {
    Error::row(
        sqlstate::INVALID_ARGUMENT_FOR_POWER_FUNCTION,
        "a negative number raised to a non-integer power yields a complex result",
    )
}

/// The nearest double.
#[must_use]
pub fn to_double(n: &BigDecimal) -> f64 {
    const EXACT_MAX: u64 = 1 << 53;
    let (digits, scale) = n.as_bigint_and_scale();
    if let (Some(digits), Ok(scale @ 0..=22)) = (digits.to_i64(), i32::try_from(scale))
        && digits.unsigned_abs() <= EXACT_MAX
    {
        // Both are exact doubles, so the division rounds once.
        #[expect(clippy::cast_precision_loss, reason = "at most 2^53")]
        return digits as f64 / 10_f64.powi(scale);
    }
    format!("{digits}e{}", -scale).parse().unwrap_or(f64::NAN)
}

/// The decimal a double stands for, to its 15 sure digits; `None` for NaN and infinities.
#[must_use]
pub fn from_double(x: f64) -> Option<BigDecimal> {
    from_scientific(&format!("{x:.14e}"), x.is_finite())
}

/// The decimal a real stands for, to its 6 sure digits; `None` for NaN and infinities.
#[must_use]
pub fn from_real(x: f32) -> Option<BigDecimal> {
    from_scientific(&format!("{x:.5e}"), x.is_finite())
}

fn from_scientific(text: &str, finite: bool) -> Option<BigDecimal> {
    let shortest = finite
        .then(|| text.parse::<BigDecimal>().ok())??
        .normalized();
    let (digits, scale) = parts(&shortest);
    Some(BigDecimal::new(digits.into_owned(), scale))
}

/// The nearest whole number, halves away from zero, if it is an `i64`.
#[must_use]
pub fn to_int(n: &BigDecimal) -> Option<i64> {
    parts(&round(n, 0)).0.to_i64()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn n(text: &str) -> BigDecimal {
        text.parse().unwrap()
    }

    fn shown(n: &BigDecimal) -> String {
        n.to_plain_string()
    }

    #[test]
    fn quotients_have_postgresql_scales() {
        for (a, b, expected) in [
            ("1", "3", "0.33333333333333333333"),
            ("10", "3", "3.3333333333333333"),
            ("2", "1", "2.0000000000000000"),
            ("1", "2", "0.50000000000000000000"),
            ("100000", "3", "33333.333333333333"),
            (
                "1.00000000000000000000001",
                "1",
                "1.00000000000000000000001",
            ),
            ("0", "5", "0.00000000000000000000"),
            ("-7", "2", "-3.5000000000000000"),
            ("1", "30000000", "0.000000033333333333333333"),
        ] {
            assert_eq!(shown(&divide(&n(a), &n(b)).unwrap()), expected, "{a} / {b}");
        }
        assert_eq!(
            divide(&n("1"), &n("0.00")).unwrap_err().sqlstate(),
            sqlstate::DIVISION_BY_ZERO
        );
    }

    #[test]
    fn halves_round_away_from_zero() {
        for (text, scale, expected) in [
            ("0.5", 0, "1"),
            ("-0.5", 0, "-1"),
            ("2.45", 1, "2.5"),
            ("-2.45", 1, "-2.5"),
            ("1234", -2, "1200"),
            ("1250", -2, "1300"),
            ("1", 3, "1.000"),
            ("49", -2, "0"),
        ] {
            assert_eq!(shown(&round(&n(text), scale)), expected);
        }
        assert_eq!(shown(&truncate(&n("-1.99"), 0)), "-1");
        assert_eq!(shown(&floor(&n("-1.01"))), "-2");
        assert_eq!(shown(&ceil(&n("1.01"))), "2");
    }

    #[test]
    fn sums_and_products_keep_scales() {
        assert_eq!(shown(&add(&n("0.00"), &n("1"))), "1.00");
        assert_eq!(shown(&subtract(&n("1"), &n("0.50"))), "0.50");
        assert_eq!(shown(&multiply(&n("1.10"), &n("2.0")).unwrap()), "2.200");
        assert_eq!(shown(&modulo(&n("-7.5"), &n("2")).unwrap()), "-1.5");
    }

    #[test]
    fn declared_precision_is_a_bound() {
        assert_eq!(shown(&fit(&n("99.994"), 4, 2).unwrap()), "99.99");
        assert!(fit(&n("99.995"), 4, 2).is_err());
        assert!(fit(&n("0.9995"), 3, 3).is_err());
        assert_eq!(shown(&fit(&n("0"), 3, 3).unwrap()), "0.000");
        assert_eq!(shown(&fit(&n("12345"), 3, -2).unwrap()), "12300");
    }

    #[test]
    fn doubles_turn_into_their_sure_digits() {
        assert_eq!(shown(&from_double(0.1).unwrap()), "0.1");
        assert_eq!(shown(&from_double(1e20).unwrap()), "100000000000000000000");
        assert_eq!(shown(&from_real(0.1).unwrap()), "0.1");
        assert!(from_double(f64::NAN).is_none());
        assert!((to_double(&n("0.1")) - 0.1).abs() < f64::EPSILON);
    }
}
