//! Trigonometric and hyperbolic functions, all on doubles.

use tailwater_proto::{Value, sqlstate};

use super::Function;
use super::Kind::Double;
use super::math::finite;
use crate::context::ExecContext;
use crate::error::{Error, Result};
use crate::expr;

/// Divided by and multiplied with, never inverted: 180 degrees are exactly pi radians both ways.
const RADIANS_PER_DEGREE: f64 = 0.017_453_292_519_943_295;

macro_rules! functions {
    ($($id:literal $names:expr, $doc:literal, $example:expr, $eval:expr;)*) => {
        pub(super) static FUNCTIONS: &[Function] = &[
            Function::new(150, &["pi"], &[], Double, "The ratio of a circle's circumference to its diameter.",
                ("pi()", "3.141592653589793"), |_, _| Ok(Value::Double(std::f64::consts::PI))),
            Function::new(151, &["atan2", "math.atan2"], &[Double, Double], Double,
                "The angle, in radians, of the point (second, first).", ("atan2(1, 0)", "1.5707963267948966"), atan2),
            $(Function::new($id, $names, &[Double], Double, $doc, $example, |args: &[Value], _: &ExecContext| {
                of_double(args, $eval)
            })),*
        ];
    };
}

functions! {
    152 &["degrees"], "Radians to degrees.", ("degrees(pi())", "180"), |x| finite(x / RADIANS_PER_DEGREE, x);
    153 &["radians"], "Degrees to radians.", ("radians(180)", "3.141592653589793"), |x| Ok(x * RADIANS_PER_DEGREE);
    154 &["sin"], "Sine of an angle in radians.", ("sin(0)", "0"), |x| angle(x, f64::sin);
    155 &["cos"], "Cosine of an angle in radians.", ("cos(0)", "1"), |x| angle(x, f64::cos);
    156 &["tan"], "Tangent of an angle in radians.", ("tan(0)", "0"), |x| angle(x, f64::tan);
    157 &["cot"], "Cotangent of an angle in radians.", ("round(cot(0.5) * 1000)", "1830"), |x| angle(x, |x| x.tan().recip());
    158 &["asin", "math.asin"], "Angle of a sine, in radians.", ("asin(1)", "1.5707963267948966"), |x| within_one(x, f64::asin);
    159 &["acos", "math.acos"], "Angle of a cosine, in radians.", ("acos(1)", "0"), |x| within_one(x, f64::acos);
    160 &["atan", "math.atan"], "Angle of a tangent, in radians.", ("atan(1)", "0.7853981633974483"), |x| Ok(x.atan());
    161 &["sinh"], "Hyperbolic sine.", ("sinh(0)", "0"), |x| Ok(x.sinh());
    162 &["cosh"], "Hyperbolic cosine.", ("cosh(0)", "1"), |x| Ok(x.cosh());
    163 &["tanh"], "Hyperbolic tangent.", ("tanh(0)", "0"), |x| Ok(x.tanh());
    164 &["asinh", "math.asinh"], "Inverse hyperbolic sine.", ("asinh(0)", "0"), |x| Ok(x.asinh());
    165 &["acosh", "math.acosh"], "Inverse hyperbolic cosine, of numbers from 1.", ("acosh(1)", "0"), |x| {
        if x < 1.0 { Err(out_of_range()) } else { Ok(x.acosh()) }
    };
    166 &["atanh"], "Inverse hyperbolic tangent, of numbers from -1 to 1.", ("atanh(0)", "0"), |x| within_one(x, f64::atanh);
}

pub(super) fn of_double(args: &[Value], function: fn(f64) -> Result<f64>) -> Result<Value> {
    match args.first().and_then(expr::to_double) {
        Some(x) => function(x).map(Value::Double),
        None => Ok(Value::Null),
    }
}

#[cold]
fn out_of_range() -> Error {
    Error::row(
        sqlstate::NUMERIC_VALUE_OUT_OF_RANGE,
        "input is out of range",
    )
}

pub(super) fn angle(x: f64, function: fn(f64) -> f64) -> Result<f64> {
    if x.is_infinite() {
        Err(out_of_range())
    } else {
        Ok(function(x))
    }
}

pub(super) fn within_one(x: f64, function: fn(f64) -> f64) -> Result<f64> {
    if x.abs() > 1.0 {
        Err(out_of_range())
    } else {
        Ok(function(x))
    }
}

fn atan2(args: &[Value], _: &ExecContext) -> Result<Value> {
    Ok(match args {
        [y, x] => match (expr::to_double(y), expr::to_double(x)) {
            (Some(y), Some(x)) => Value::Double(y.atan2(x)),
            _ => Value::Null,
        },
        _ => Value::Null,
    })
}
