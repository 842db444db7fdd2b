//! Values from decisions, leaning towards those at which comparison and codecs are hard.
//!
//! The all-0 decision is NULL. Nesting is bounded by the caller's depth. Next door: the targets of the codecs.

use std::sync::Arc;

use tailwater_proto::{BigDecimal, ColumnId, Document, Interval, Value};

use crate::choices::Choices;

const DAY_US: i64 = 86_400_000_000;
const STRINGS: [&str; 10] = [
    "",
    "a",
    "ab",
    "a\0",
    "\0",
    "\u{1}",
    "é",
    "\u{10FFFF}",
    "\"\\",
    "null",
];
const DOUBLES: [f64; 12] = [
    0.0,
    -0.0,
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::MAX,
    f64::MIN,
    5e-324,
    f64::MIN_POSITIVE,
    0.1,
    1e22,
    9_007_199_254_740_993.0,
];

/// Any value, nested at most `depth` deep.
pub(crate) fn value(choices: &mut Choices<'_>, depth: u32) -> Value {
    let kinds = if depth == 0 { 16 } else { 20 };
    match choices.below(kinds) {
        0 => Value::Null,
        1 => Value::Bool(choices.below(2) == 1),
        2 | 3 => Value::Int(int(choices)),
        4 => Value::Double(double(choices)),
        5 => Value::Real(double(choices) as f32),
        6 | 7 => Value::numeric(numeric(choices)),
        8 => Value::Date(int(choices) as i32),
        9 => Value::Time(int(choices).rem_euclid(DAY_US + 1)),
        10 => Value::Timestamp(int(choices)),
        11 => Value::TimestampTz(int(choices)),
        12 => Value::Interval(interval(choices)),
        13 => Value::Uuid(std::array::from_fn(|_| choices.byte())),
        14 => Value::text(&text(choices)),
        15 => Value::from(choices.bytes(12)),
        16 => Value::Json(Arc::new(value(choices, depth - 1))),
        17 | 18 => {
            let len = choices.below(5);
            Value::array((0..len).map(|_| value(choices, depth - 1)).collect())
        }
        _ => {
            let mut document = Document::new();
            for _ in 0..choices.below(5) {
                document.set(text(choices), value(choices, depth - 1));
            }
            Value::document(document)
        }
    }
}

/// A number of any kind.
pub(crate) fn number(choices: &mut Choices<'_>) -> Value {
    match choices.below(4) {
        0 => Value::Int(int(choices)),
        1 => Value::Double(double(choices)),
        2 => Value::numeric(numeric(choices)),
        _ => Value::Real(double(choices) as f32),
    }
}

/// Values under ascending column ids, as a row has them.
pub(crate) fn columns(choices: &mut Choices<'_>) -> Vec<(ColumnId, Value)> {
    let mut id = 0;
    let columns = (0..choices.below(9)).map(|_| {
        id += 1 + choices.pick(&[0, 0, 0, 1, 250, 70_000]);
        (ColumnId(id), value(choices, 3))
    });
    columns.collect()
}

/// Any integer, those around powers of two and ten more often.
pub(crate) fn int(choices: &mut Choices<'_>) -> i64 {
    match choices.below(4) {
        0 => i64::from(choices.byte()),
        1 => (1_i64 << choices.below(64)).wrapping_add(choices.below(5) as i64 - 2),
        2 => 10_i64.pow(choices.below(19) as u32).wrapping_neg() + choices.below(3) as i64 - 1,
        _ => choices.word() as i64,
    }
}

fn double(choices: &mut Choices<'_>) -> f64 {
    match choices.below(4) {
        0 => choices.pick(&DOUBLES),
        1 => int(choices) as f64,
        2 => int(choices) as f64 / choices.pick(&[2.0, 10.0, 3.0]),
        _ => f64::from_bits(choices.word()),
    }
}

fn numeric(choices: &mut Choices<'_>) -> BigDecimal {
    let digits = i128::from(int(choices));
    let digits = match choices.below(3) {
        0 => digits,
        1 => digits * i128::from(int(choices)),
        _ => digits * 10_i128.pow(choices.below(18) as u32),
    };
    let scale = match choices.below(8) {
        7 => i64::from(choices.byte()) * 3 - 380,
        small => small as i64 * 3 - 6,
    };
    BigDecimal::new(digits.into(), scale)
}

fn interval(choices: &mut Choices<'_>) -> Interval {
    let days = [0, 1, 30, -30, 365, i32::MAX, i32::MIN];
    Interval {
        months: match choices.below(2) {
            0 => choices.below(5) as i32 - 2,
            _ => int(choices) as i32,
        },
        days: choices.pick(&days),
        micros: match choices.below(3) {
            0 => 0,
            1 => DAY_US * (choices.below(60) as i64 - 30),
            _ => int(choices),
        },
    }
}

fn text(choices: &mut Choices<'_>) -> String {
    match choices.below(4) {
        3 => String::from_utf8_lossy(choices.bytes(20)).into_owned(),
        pieces => (0..pieces).map(|_| choices.pick(&STRINGS)).collect(),
    }
}
