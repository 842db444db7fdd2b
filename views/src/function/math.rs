//! Functions on numbers: rounding, signs, roots, powers, logarithms, divisors.
//!
//! NUMERIC stays exact; every other number is computed as a double, as PostgreSQL does for integers too.
//! Trigonometry is in `trigonometry`.

use bigdecimal::num_bigint::BigInt;
use bigdecimal::num_traits::{Signed, ToPrimitive};
use tailwater_proto::{BigDecimal, SqlType, Value, sqlstate};

use super::Kind::{self, Double, Exact, Floating, Int4, Number, Numeric};
use super::{Function, Volatility};
use crate::context::ExecContext;
use crate::error::{Error, Result};
use crate::expr::{self, ArithmeticOp};
use crate::numeric;

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new(
        100,
        &["abs", "math.abs"],
        &[Number],
        Number,
        "The number without its sign.",
        ("abs(-17.4)", "17.4"),
        abs,
    ),
    Function::new(
        101,
        &["ceil", "ceiling", "math.ceil"],
        &[Floating],
        Floating,
        "The least whole number not below.",
        ("ceil(-42.8)", "-42"),
        ceil,
    ),
    Function::new(
        102,
        &["floor", "math.floor"],
        &[Floating],
        Floating,
        "The greatest whole number not above.",
        ("floor(-42.8)", "-43"),
        floor,
    ),
    Function::new(
        103,
        &["round"],
        &[Floating],
        Floating,
        "The nearest whole number: halves away from zero for NUMERIC, to even for doubles.",
        ("round(42.5)", "43"),
        round,
    ),
    Function::new(
        104,
        &["round"],
        &[Numeric, Int4],
        Numeric,
        "The number with so many digits behind the point; negative: zeros before it.",
        ("round(1234.567, -2)", "1200"),
        round_to,
    ),
    Function::new(
        105,
        &["trunc"],
        &[Floating],
        Floating,
        "The number without its fraction.",
        ("trunc(-42.8)", "-42"),
        trunc,
    ),
    Function::new(
        106,
        &["trunc"],
        &[Numeric, Int4],
        Numeric,
        "The number cut to so many digits behind the point.",
        ("trunc(42.4382, 2)", "42.43"),
        trunc_to,
    ),
    Function::new(
        107,
        &["sign"],
        &[Floating],
        Floating,
        "-1, 0 or 1.",
        ("sign(-8.4)", "-1"),
        sign,
    ),
    Function::new(
        108,
        &["sqrt", "math.sqrt"],
        &[Floating],
        Floating,
        "Square root.",
        ("sqrt(2.0)", "1.414213562373095"),
        sqrt,
    ),
    Function::new(
        109,
        &["cbrt"],
        &[Double],
        Double,
        "Cube root.",
        ("cbrt(64)", "4"),
        cbrt,
    ),
    Function::new(
        110,
        &["exp"],
        &[Floating],
        Floating,
        "e to the power of the number.",
        ("exp(1.0)", "2.7182818284590452"),
        exp,
    ),
    Function::new(
        111,
        &["ln"],
        &[Floating],
        Floating,
        "Natural logarithm.",
        ("ln(2.0)", "0.6931471805599453"),
        ln,
    ),
    Function::new(
        112,
        &["log", "log10"],
        &[Floating],
        Floating,
        "Logarithm to base 10.",
        ("log(100)", "2"),
        log10,
    ),
    Function::new(
        113,
        &["log"],
        &[Numeric, Numeric],
        Numeric,
        "Logarithm of the second number to the base of the first.",
        ("log(2.0, 64.0)", "6.0000000000000000"),
        log,
    ),
    Function::new(
        114,
        &["power", "pow"],
        &[Double, Double],
        Double,
        "The first number to the power of the second.",
        ("power(9, 3)", "729"),
        power,
    ),
    Function::new(
        115,
        &["power", "pow"],
        &[Numeric, Numeric],
        Numeric,
        "The first number to the power of the second.",
        ("power(2.0, 0.5)", "1.4142135623730950"),
        power,
    ),
    Function::new(
        116,
        &["mod"],
        &[Exact, Exact],
        Exact,
        "Remainder of the division, with the sign of the first number.",
        ("mod(9, 4)", "1"),
        modulo,
    ),
    Function::new(
        117,
        &["div"],
        &[Numeric, Numeric],
        Numeric,
        "The quotient without its fraction.",
        ("div(9, 4)", "2"),
        div,
    ),
    Function::new(
        118,
        &["gcd"],
        &[Exact, Exact],
        Exact,
        "Greatest common divisor.",
        ("gcd(1071, 462)", "21"),
        gcd,
    ),
    Function::new(
        119,
        &["lcm"],
        &[Exact, Exact],
        Exact,
        "Least common multiple.",
        ("lcm(1071, 462)", "23562"),
        lcm,
    ),
    Function::new(
        120,
        &["factorial"],
        &[Kind::Int8],
        Numeric,
        "The product of the whole numbers up to this one.",
        ("factorial(5)", "120"),
        factorial,
    ),
    Function::new(
        121,
        &["scale"],
        &[Numeric],
        Int4,
        "How many digits are displayed behind the point.",
        ("scale(8.4100)", "4"),
        scale,
    ),
    Function::new(
        122,
        &["min_scale"],
        &[Numeric],
        Int4,
        "How many digits behind the point the number needs.",
        ("min_scale(8.4100)", "2"),
        min_scale,
    ),
    Function::new(
        123,
        &["trim_scale"],
        &[Numeric],
        Numeric,
        "The number without zeros at its end.",
        ("trim_scale(8.4100)", "8.41"),
        trim_scale,
    ),
    Function::new(
        124,
        &["width_bucket"],
        &[Double, Double, Double, Int4],
        Int4,
        "Which of so many equal parts of a range the number lies in; 0 below, one more above.",
        ("width_bucket(5.35, 0.024, 10.06, 5)", "3"),
        width_bucket,
    ),
    Function::new(
        125,
        &["random", "math.random"],
        &[],
        Double,
        "Another number from 0 to below 1 each time.",
        ("random() < 1", "true"),
        random,
    )
    .volatility(Volatility::Volatile),
];

/// Applies one of two functions: to doubles or to exact decimals. Integers of no declared type stay integers where
/// `integers` says what they become.
fn floating(
    args: &[Value],
    integers: Option<fn(i64) -> i64>,
    double: fn(f64) -> Result<f64>,
    decimal: fn(&BigDecimal) -> Result<BigDecimal>,
) -> Result<Value> {
    let [number] = args else {
        return Ok(Value::Null);
    };
    match (number, integers) {
        (Value::Numeric(number), _) => decimal(number).map(Value::numeric),
        (Value::Int(number), Some(whole)) => Ok(Value::Int(whole(*number))),
        (other, _) => match expr::to_double(other) {
            Some(number) => double(number).map(Value::Double),
            None => Ok(Value::Null),
        },
    }
}

fn abs(args: &[Value], _: &ExecContext) -> Result<Value> {
    Ok(match args {
        [Value::Int(number)] => match number.checked_abs() {
            Some(positive) => Value::Int(positive),
            None => return Err(expr::out_of_range(&SqlType::Int8)),
        },
        [Value::Real(number)] => Value::Real(number.abs()),
        [Value::Double(number)] => Value::Double(number.abs()),
        [Value::Numeric(number)] => Value::numeric(number.abs()),
        _ => Value::Null,
    })
}

fn ceil(args: &[Value], _: &ExecContext) -> Result<Value> {
    floating(
        args,
        Some(|n| n),
        |x| Ok(x.ceil()),
        |n| Ok(numeric::ceil(n)),
    )
}

fn floor(args: &[Value], _: &ExecContext) -> Result<Value> {
    floating(
        args,
        Some(|n| n),
        |x| Ok(x.floor()),
        |n| Ok(numeric::floor(n)),
    )
}

fn round(args: &[Value], _: &ExecContext) -> Result<Value> {
    floating(
        args,
        Some(|n| n),
        |x| Ok(x.round_ties_even()),
        |n| Ok(numeric::round(n, 0)),
    )
}

fn trunc(args: &[Value], _: &ExecContext) -> Result<Value> {
    floating(
        args,
        Some(|n| n),
        |x| Ok(x.trunc()),
        |n| Ok(numeric::truncate(n, 0)),
    )
}

fn sign(args: &[Value], _: &ExecContext) -> Result<Value> {
    floating(
        args,
        Some(i64::signum),
        |x| {
            Ok(if x == 0.0 || x.is_nan() {
                x
            } else {
                x.signum()
            })
        },
        |n| {
            Ok(BigDecimal::from(match n.sign() {
                bigdecimal::num_bigint::Sign::Minus => -1,
                bigdecimal::num_bigint::Sign::NoSign => 0,
                bigdecimal::num_bigint::Sign::Plus => 1,
            }))
        },
    )
}

fn to_digits(args: &[Value], cut: fn(&BigDecimal, i64) -> BigDecimal) -> Result<Value> {
    let [number, Value::Int(digits)] = args else {
        return Ok(Value::Null);
    };
    Ok(match (number, expr::to_decimal(number)) {
        // A double of no declared type stays one.
        (Value::Double(_) | Value::Real(_), Some(exact)) => {
            Value::Double(numeric::to_double(&cut(&exact, *digits)))
        }
        (_, Some(exact)) => Value::numeric(cut(&exact, *digits)),
        _ => Value::Null,
    })
}

fn round_to(args: &[Value], _: &ExecContext) -> Result<Value> {
    to_digits(args, numeric::round)
}

fn trunc_to(args: &[Value], _: &ExecContext) -> Result<Value> {
    to_digits(args, numeric::truncate)
}

/// The double, unless it left the range its argument was in.
pub(super) fn finite(x: f64, argument: f64) -> Result<f64> {
    if x.is_infinite() && argument.is_finite() {
        Err(expr::overflow())
    } else {
        Ok(x)
    }
}

fn sqrt(args: &[Value], _: &ExecContext) -> Result<Value> {
    floating(
        args,
        None,
        |x| {
            if x < 0.0 {
                Err(Error::row(
                    sqlstate::INVALID_ARGUMENT_FOR_POWER_FUNCTION,
                    "cannot take square root of a negative number",
                ))
            } else {
                Ok(x.sqrt())
            }
        },
        numeric::sqrt,
    )
}

fn cbrt(args: &[Value], _: &ExecContext) -> Result<Value> {
    Ok(args
        .first()
        .and_then(expr::to_double)
        .map_or(Value::Null, |x| Value::Double(x.cbrt())))
}

fn exp(args: &[Value], _: &ExecContext) -> Result<Value> {
    let double = |x: f64| {
        let power = x.exp();
        if power == 0.0 && x.is_finite() {
            return Err(expr::underflow());
        }
        finite(power, x)
    };
    floating(args, None, double, numeric::exp)
}

fn logarithm(x: f64, log: fn(f64) -> f64) -> Result<f64> {
    let refused = |message| Err(Error::row(sqlstate::INVALID_ARGUMENT_FOR_LOG, message));
    if x == 0.0 {
        refused("cannot take logarithm of zero")
    } else if x < 0.0 {
        refused("cannot take logarithm of a negative number")
    } else {
        Ok(log(x))
    }
}

fn ln(args: &[Value], _: &ExecContext) -> Result<Value> {
    floating(args, None, |x| logarithm(x, f64::ln), numeric::ln)
}

fn log10(args: &[Value], _: &ExecContext) -> Result<Value> {
    floating(
        args,
        None,
        |x| logarithm(x, f64::log10),
        |n| numeric::log(&BigDecimal::from(10), n),
    )
}

fn decimals(args: &[Value]) -> Option<(BigDecimal, BigDecimal)> {
    match args {
        [a, b] => Some((expr::to_decimal(a)?, expr::to_decimal(b)?)),
        _ => None,
    }
}

fn log(args: &[Value], _: &ExecContext) -> Result<Value> {
    match decimals(args) {
        Some((base, number)) => numeric::log(&base, &number).map(Value::numeric),
        None => Ok(Value::Null),
    }
}

fn power(args: &[Value], _: &ExecContext) -> Result<Value> {
    let [base, exponent] = args else {
        return Ok(Value::Null);
    };
    let exact = |value: &Value| matches!(value, Value::Int(_) | Value::Numeric(_));
    let decimal = exact(base)
        && exact(exponent)
        && [base, exponent]
            .iter()
            .any(|value| matches!(value, Value::Numeric(_)));
    let result = if decimal {
        SqlType::Numeric(None)
    } else {
        SqlType::Double
    };
    if expr::to_double(base).is_none() || expr::to_double(exponent).is_none() {
        return Ok(Value::Null);
    }
    expr::arithmetic(ArithmeticOp::Power, base, exponent, &result)
}

fn modulo(args: &[Value], _: &ExecContext) -> Result<Value> {
    match args {
        [Value::Int(_), Value::Int(0)] => Err(expr::division_by_zero()),
        [Value::Int(a), Value::Int(b)] => Ok(Value::Int(a.wrapping_rem(*b))),
        [a, b] if is_float(a) || is_float(b) => {
            expr::arithmetic(ArithmeticOp::Modulo, a, b, &SqlType::Any)
        }
        _ => match decimals(args) {
            Some((a, b)) => numeric::modulo(&a, &b).map(Value::numeric),
            None => Ok(Value::Null),
        },
    }
}

const fn is_float(value: &Value) -> bool {
    matches!(value, Value::Real(_) | Value::Double(_))
}

fn div(args: &[Value], _: &ExecContext) -> Result<Value> {
    let Some((a, b)) = decimals(args) else {
        return Ok(Value::Null);
    };
    // (a - a mod b) / b is whole, so no digit of it is rounded.
    let whole = numeric::subtract(&a, &numeric::modulo(&a, &b)?);
    Ok(Value::numeric(numeric::round(
        &numeric::divide(&whole, &b)?,
        0,
    )))
}

/// Both numbers as integers times 10 to the minus `scale`.
fn common_scale(a: &BigDecimal, b: &BigDecimal) -> (BigInt, BigInt, i64) {
    let scale = numeric::scale(a).max(numeric::scale(b));
    let digits = |n: &BigDecimal| numeric::round(n, scale).into_bigint_and_scale().0;
    (digits(a), digits(b), scale)
}

fn divisor(mut a: BigInt, mut b: BigInt) -> BigInt {
    while b != BigInt::ZERO {
        (a, b) = (b.clone(), a % b);
    }
    a.abs()
}

fn exact_result(args: &[Value], digits: BigInt, scale: i64) -> Result<Value> {
    match args {
        [Value::Int(_), Value::Int(_)] => digits
            .to_i64()
            .map(Value::Int)
            .ok_or_else(|| expr::out_of_range(&SqlType::Int8)),
        _ => Ok(Value::numeric(BigDecimal::new(digits, scale))),
    }
}

fn gcd(args: &[Value], _: &ExecContext) -> Result<Value> {
    let Some((a, b)) = decimals(args) else {
        return Ok(Value::Null);
    };
    let (a, b, scale) = common_scale(&a, &b);
    exact_result(args, divisor(a, b), scale)
}

fn lcm(args: &[Value], _: &ExecContext) -> Result<Value> {
    let Some((a, b)) = decimals(args) else {
        return Ok(Value::Null);
    };
    let (a, b, scale) = common_scale(&a, &b);
    if a == BigInt::ZERO || b == BigInt::ZERO {
        return exact_result(args, BigInt::ZERO, scale);
    }
    let shared = divisor(a.clone(), b.clone());
    exact_result(args, (a / shared * b).abs(), scale)
}

/// The largest argument whose factorial NUMERIC holds.
const FACTORIAL_MAX: i64 = 32_177;

fn factorial(args: &[Value], _: &ExecContext) -> Result<Value> {
    let [Value::Int(number)] = args else {
        return Ok(Value::Null);
    };
    if *number < 0 || *number > FACTORIAL_MAX {
        let message = if *number < 0 {
            "factorial of a negative number is undefined"
        } else {
            "value overflows numeric format"
        };
        return Err(Error::row(sqlstate::NUMERIC_VALUE_OUT_OF_RANGE, message));
    }
    let product = (2..=*number).fold(BigInt::from(1), |product, factor| product * factor);
    Ok(Value::numeric(BigDecimal::new(product, 0)))
}

fn of_decimal(args: &[Value], make: fn(&BigDecimal) -> Value) -> Result<Value> {
    Ok(args
        .first()
        .and_then(expr::to_decimal)
        .map_or(Value::Null, |number| make(&number)))
}

fn scale(args: &[Value], _: &ExecContext) -> Result<Value> {
    of_decimal(args, |number| Value::Int(numeric::scale(number)))
}

fn min_scale(args: &[Value], _: &ExecContext) -> Result<Value> {
    of_decimal(args, |number| {
        Value::Int(numeric::scale(&number.normalized()))
    })
}

fn trim_scale(args: &[Value], _: &ExecContext) -> Result<Value> {
    of_decimal(args, |number| {
        let scale = numeric::scale(&number.normalized());
        Value::numeric(numeric::round(number, scale))
    })
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "floor of a number from 0 to the count"
)]
fn width_bucket(args: &[Value], _: &ExecContext) -> Result<Value> {
    let [operand, low, high, Value::Int(count)] = args else {
        return Ok(Value::Null);
    };
    let (Some(operand), Some(low), Some(high)) = (
        expr::to_double(operand),
        expr::to_double(low),
        expr::to_double(high),
    ) else {
        return Ok(Value::Null);
    };
    let refused = |message| {
        Err(Error::row(
            sqlstate::INVALID_ARGUMENT_FOR_WIDTH_BUCKET_FUNCTION,
            message,
        ))
    };
    if *count <= 0 {
        return refused("count must be greater than zero");
    }
    if operand.is_nan() || low.is_nan() || high.is_nan() {
        return refused("operand, lower bound, and upper bound cannot be NaN");
    }
    if low.is_infinite() || high.is_infinite() {
        return refused("lower and upper bounds must be finite");
    }
    if low == high {
        return refused("lower bound cannot equal upper bound");
    }
    #[expect(clippy::cast_precision_loss, reason = "INT4")]
    let parts = *count as f64;
    // Of a falling range the upper bound comes first.
    let place = (operand - low) / (high - low);
    Ok(Value::Int(if place < 0.0 {
        0
    } else if place >= 1.0 {
        count + 1
    } else {
        (place * parts).floor() as i64 + 1
    }))
}

/// A number from 0 to below 1, of 53 random bits.
#[expect(clippy::cast_precision_loss, reason = "53 bits")]
fn random(_: &[Value], cx: &ExecContext) -> Result<Value> {
    Ok(Value::Double(
        (cx.random_bits() >> 11) as f64 / (1_u64 << 53) as f64,
    ))
}
