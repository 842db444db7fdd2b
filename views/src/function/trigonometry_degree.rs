//! Trigonometric functions of angles in degrees. As PostgreSQL's they are exact where the result is: `sind(30)` is 0.5.
//!
//! Each is scaled so that its value at one angle is right to the last bit: the sine at 30, the cosine at 60, the tangent
//! at 45 degrees.

use tailwater_proto::Value;

use super::Function;
use super::Kind::Double;
use super::trigonometry::{angle, of_double, within_one};
use crate::context::ExecContext;
use crate::error::Result;
use crate::expr;

macro_rules! functions {
    ($($id:literal $names:expr, $doc:literal, $example:expr, $eval:expr;)*) => {
        pub(super) static FUNCTIONS: &[Function] = &[
            Function::new(177, &["atan2d"], &[Double, Double], Double,
                "The angle, in degrees, of the point (second, first).", ("atan2d(1, 0)", "90"), atan2d),
            $(Function::new($id, $names, &[Double], Double, $doc, $example, |args: &[Value], _: &ExecContext| {
                of_double(args, $eval)
            })),*
        ];
    };
}

functions! {
    170 &["sind"], "Sine of an angle in degrees.", ("sind(30)", "0.5"), |x| angle(x, sind);
    171 &["cosd"], "Cosine of an angle in degrees.", ("cosd(60)", "0.5"), |x| angle(x, cosd);
    172 &["tand"], "Tangent of an angle in degrees.", ("tand(45)", "1"), |x| angle(x, tand);
    173 &["cotd"], "Cotangent of an angle in degrees.", ("cotd(45)", "1"), |x| angle(x, cotd);
    174 &["asind"], "Angle of a sine, in degrees.", ("asind(0.5)", "30"), |x| within_one(x, asind);
    175 &["acosd"], "Angle of a cosine, in degrees.", ("acosd(0.5)", "60"), |x| within_one(x, acosd);
    176 &["atand"], "Angle of a tangent, in degrees.", ("atand(1)", "45"), |x| Ok(arc_tangent(x.atan()));
}

fn radians(degrees: f64) -> f64 {
    degrees.to_radians()
}

/// An angle as one between 0 and 90 degrees, whether it lay below 0 (or above 180), and whether beyond 90.
fn first_quadrant(x: f64) -> (f64, bool, bool) {
    let x = x % 360.0;
    let (x, below) = if x < 0.0 { (-x, true) } else { (x, false) };
    let (x, below) = if x > 180.0 {
        (360.0 - x, !below)
    } else {
        (x, below)
    };
    if x > 90.0 {
        (180.0 - x, below, true)
    } else {
        (x, below, false)
    }
}

fn signed(value: f64, negative: bool) -> f64 {
    // No negative zero.
    if value == 0.0 {
        0.0
    } else if negative {
        -value
    } else {
        value
    }
}

fn sine_to_30(x: f64) -> f64 {
    radians(x).sin() / radians(30.0).sin() / 2.0
}

fn cosine_to_60(x: f64) -> f64 {
    1.0 - (1.0 - radians(x).cos()) / (1.0 - radians(60.0).cos()) / 2.0
}

fn sine_to_90(x: f64) -> f64 {
    if x <= 30.0 {
        sine_to_30(x)
    } else {
        cosine_to_60(90.0 - x)
    }
}

fn cosine_to_90(x: f64) -> f64 {
    if x <= 60.0 {
        cosine_to_60(x)
    } else {
        sine_to_30(90.0 - x)
    }
}

fn sind(x: f64) -> f64 {
    let (x, below, _) = first_quadrant(x);
    signed(sine_to_90(x), below)
}

fn cosd(x: f64) -> f64 {
    let (x, _, beyond) = first_quadrant(x);
    signed(cosine_to_90(x), beyond)
}

fn tand(x: f64) -> f64 {
    let (x, below, beyond) = first_quadrant(x);
    let at_45 = sine_to_90(45.0) / cosine_to_90(45.0);
    signed(sine_to_90(x) / cosine_to_90(x) / at_45, below != beyond)
}

fn cotd(x: f64) -> f64 {
    let (x, below, beyond) = first_quadrant(x);
    let at_45 = cosine_to_90(45.0) / sine_to_90(45.0);
    signed(cosine_to_90(x) / sine_to_90(x) / at_45, below != beyond)
}

fn asin_to_one(x: f64) -> f64 {
    if x <= 0.5 {
        x.asin() / 0.5_f64.asin() * 30.0
    } else {
        90.0 - x.acos() / 0.5_f64.acos() * 60.0
    }
}

fn asind(x: f64) -> f64 {
    if x < 0.0 {
        -asin_to_one(-x)
    } else {
        asin_to_one(x)
    }
}

fn acosd(x: f64) -> f64 {
    if x < 0.0 {
        90.0 + asin_to_one(-x)
    } else if x <= 0.5 {
        90.0 - x.asin() / 0.5_f64.asin() * 30.0
    } else {
        x.acos() / 0.5_f64.acos() * 60.0
    }
}

fn arc_tangent(radians: f64) -> f64 {
    radians / 1.0_f64.atan() * 45.0
}

fn atan2d(args: &[Value], _: &ExecContext) -> Result<Value> {
    Ok(match args {
        [y, x] => match (expr::to_double(y), expr::to_double(x)) {
            (Some(y), Some(x)) => Value::Double(arc_tangent(y.atan2(x))),
            _ => Value::Null,
        },
        _ => Value::Null,
    })
}
