//! Order-preserving key bytes: the bytes of two values compare as `Value::cmp_total` compares the values.
//!
//! Every part tells its own end, so parts may be joined and compare as tuples, descending parts (all bits flipped)
//! among them. Equal values of different kinds give equal bytes, so the kind is not kept: rows keep it. FORMAT.md §2.

use std::sync::Arc;

use ecow::EcoString;
use smallvec::SmallVec;

use crate::compare::{DAY_US, INSTANT_MAX, INSTANT_MIN, class, instant_of, sorted_fields};
use crate::document::Document;
use crate::error::DecodeError;
use crate::key::Key;
use crate::number::{Digits, EXACT_INT_MAX, Number, floor_of_int};
use crate::value::{Interval, Value};
use crate::value_codec::DEPTH_MAX;

/// After the eight bytes of a number: it is that double. Persisted, never renumber.
const EXACT: u8 = 0;
/// After the eight bytes of a number: it lies above that double, and its digits follow.
const DIGITS: u8 = 1;
/// Decimal exponents of less magnitude take two bytes.
const EXPONENT_SHORT: u64 = 0x7FF0;

/// Which way a part of a key is ordered.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize,
)]
pub enum KeyOrder {
    /// Least value first.
    #[default]
    Ascending,
    /// Greatest value first: all bits flipped.
    Descending,
}

impl KeyOrder {
    const fn mask(self) -> u8 {
        match self {
            Self::Ascending => 0,
            Self::Descending => 0xFF,
        }
    }
}

/// Appends one ascending part.
pub fn encode_key(key: &mut Key, value: &Value) {
    match value {
        Value::Int(n) => encode_int(key, *n),
        Value::Text(text) => encode_bytes(key, class::TEXT, text.as_bytes()),
        other => encode_any(key, other),
    }
}

/// Appends one descending part.
pub fn encode_key_desc(key: &mut Key, value: &Value) {
    let start = key.len();
    encode_key(key, value);
    key.invert_from(start);
}

/// Appends one part of the given order.
pub fn encode_key_in(key: &mut Key, value: &Value, order: KeyOrder) {
    match order {
        KeyOrder::Ascending => encode_key(key, value),
        KeyOrder::Descending => encode_key_desc(key, value),
    }
}

/// The ascending parts of the values, joined.
pub fn key_of<'v>(values: impl IntoIterator<Item = &'v Value>) -> Key {
    let mut key = Key::new();
    for value in values {
        encode_key(&mut key, value);
    }
    key
}

/// How many bytes the first part of `bytes` takes.
///
/// # Errors
/// If `bytes` do not begin with a whole part of that order.
pub fn key_part_len(bytes: &[u8], order: KeyOrder) -> Result<usize, DecodeError> {
    let mut reader = PartReader::new(bytes, order);
    reader.skip(DEPTH_MAX)?;
    Ok(reader.at)
}

/// The value of a key of one ascending part; see [`decode_key_part`].
///
/// # Errors
/// If `bytes` are not exactly one ascending part.
pub fn decode_key(bytes: &[u8]) -> Result<Value, DecodeError> {
    let (value, len) = decode_key_part(bytes, KeyOrder::Ascending)?;
    if len < bytes.len() {
        return Err(DecodeError::Trailing { offset: len });
    }
    Ok(value)
}

/// A value equal to the one whose part `bytes` begin with, and how many bytes the part takes.
///
/// Equal, not identical: numbers come back as `Int` if whole and fitting, else `Double` if exact, else `Numeric`
/// without trailing zeros; DATE, TIMESTAMP and TIMESTAMPTZ as `TimestampTz` (as `Date` beyond its range); intervals
/// as days and microseconds (months only where days overflow); documents sorted by name; JSON as what it holds.
///
/// # Errors
/// If `bytes` do not begin with a whole part of that order.
pub fn decode_key_part(bytes: &[u8], order: KeyOrder) -> Result<(Value, usize), DecodeError> {
    let mut reader = PartReader::new(bytes, order);
    let value = reader.value(DEPTH_MAX)?;
    Ok((value, reader.at))
}

fn encode_any(key: &mut Key, value: &Value) {
    let value = value.unwrap_json();
    match value {
        Value::Null => key.push(class::NULL),
        Value::Json(_) => key.push(class::JSON_NULL),
        Value::Bool(false) => key.push(class::FALSE),
        Value::Bool(true) => key.push(class::TRUE),
        Value::Int(n) => encode_int(key, *n),
        Value::Real(x) => encode_double(key, f64::from(*x)),
        Value::Double(x) => encode_double(key, *x),
        Value::Numeric(d) => encode_number(key, Number::Numeric(d)),
        Value::Date(_) | Value::Timestamp(_) | Value::TimestampTz(_) => {
            encode_instant(key, instant_of(value).unwrap_or(INSTANT_MAX));
        }
        Value::Time(micros) => {
            key.push(class::TIME);
            key.extend(&sortable_i64(*micros));
        }
        Value::Interval(interval) => encode_span(key, interval.span_us()),
        Value::Uuid(bytes) => {
            key.push(class::UUID);
            key.extend(bytes);
        }
        Value::Text(text) => encode_bytes(key, class::TEXT, text.as_bytes()),
        Value::Bytes(bytes) => encode_bytes(key, class::BYTES, bytes),
        Value::Array(elements) => {
            key.push(class::ARRAY);
            for element in elements.iter() {
                encode_key(key, element);
            }
            key.push(class::END);
        }
        Value::Document(document) => {
            key.push(class::DOCUMENT);
            for (name, field) in sorted_fields(document) {
                encode_bytes(key, class::TEXT, name.as_bytes());
                encode_key(key, field);
            }
            key.push(class::END);
        }
    }
}

fn encode_int(key: &mut Key, n: i64) {
    if n.unsigned_abs() <= EXACT_INT_MAX {
        encode_double(key, n as f64);
    } else {
        encode_large_int(key, n);
    }
}

/// What [`encode_number`] makes of an integer beyond 2^53, without collecting its digits first: such are many ids.
fn encode_large_int(key: &mut Key, n: i64) {
    let (floor, exact) = floor_of_int(n);
    if exact {
        return encode_double(key, floor);
    }
    let mut rest = n.unsigned_abs();
    let exponent = i64::from(rest.ilog10()) + 1;
    while rest.is_multiple_of(10) {
        rest /= 10;
    }
    let count = rest.ilog10() + 1;
    let mut half = count % 2 == 1;
    let mut pairs = [0; 10];
    let pairs = pairs.get_mut(..count.div_ceil(2) as usize);
    let pairs = pairs.unwrap_or_default();
    for pair in pairs.iter_mut().rev() {
        // An odd last digit stands for the tens.
        let by = if half { 10 } else { 100 };
        *pair = (rest % by) as u8 * if half { 10 } else { 1 } + 1;
        rest /= by;
        half = false;
    }
    key.push(class::NUMBER);
    key.extend(&order_bits(floor).to_be_bytes());
    key.push(DIGITS);
    let start = key.len();
    encode_exponent(key, exponent);
    key.extend(pairs);
    key.push(class::END);
    if n < 0 {
        key.invert_from(start);
    }
}

/// Class, order bits, exact: ten bytes, appended at once.
fn encode_double(key: &mut Key, x: f64) {
    let mut part = [EXACT; 10];
    let [head, bits @ .., _] = &mut part;
    *head = class::NUMBER;
    *bits = order_bits(x).to_be_bytes();
    key.extend(&part);
}

#[inline(never)]
fn encode_number(key: &mut Key, number: Number<'_>) {
    let (floor, exact) = number.floor();
    if exact {
        return encode_double(key, floor);
    }
    key.push(class::NUMBER);
    key.extend(&order_bits(floor).to_be_bytes());
    key.push(DIGITS);
    let digits = number.digits();
    let start = key.len();
    encode_exponent(key, digits.exponent);
    for pair in digits.digits.chunks(2) {
        let (tens, ones) = match pair {
            [tens, ones] => (*tens, *ones),
            [tens] => (*tens, 0),
            _ => (0, 0),
        };
        key.push(tens * 10 + ones + 1);
    }
    key.push(class::END);
    if digits.negative {
        key.invert_from(start);
    }
}

fn encode_exponent(key: &mut Key, exponent: i64) {
    match u16::try_from(exponent.saturating_add(0x8000)) {
        Ok(short) if exponent.unsigned_abs() < EXPONENT_SHORT => key.extend(&short.to_be_bytes()),
        _ => {
            key.extend(if exponent < 0 { &[0; 2] } else { &[0xFF; 2] });
            key.extend(&sortable_i64(exponent));
        }
    }
}

fn encode_instant(key: &mut Key, micros: i128) {
    let mut part = [0; 10];
    let [head, bytes @ ..] = &mut part;
    *head = class::INSTANT;
    let [.., a, b, c, d, e, f, g, h, i] = (micros - INSTANT_MIN).to_be_bytes();
    *bytes = [a, b, c, d, e, f, g, h, i];
    key.extend(&part);
}

fn encode_span(key: &mut Key, micros: i128) {
    let [.., a, b, c, d, e, f, g, h, i, j] = (micros + (1 << 79)).to_be_bytes();
    key.push(class::INTERVAL);
    key.extend(&[a, b, c, d, e, f, g, h, i, j]);
}

/// Class, the bytes with 00 as 00 FF, then 00 00.
fn encode_bytes(key: &mut Key, class: u8, bytes: &[u8]) {
    key.push(class);
    if bytes.contains(&0) {
        for run in bytes.split_inclusive(|byte| *byte == 0) {
            key.extend(run);
            if run.last() == Some(&0) {
                key.push(0xFF);
            }
        }
    } else {
        key.extend(bytes);
    }
    key.extend(&[0, 0]);
}

/// Bits of a double that compare as unsigned as the doubles do; -0 as 0, one NaN above infinity.
fn order_bits(x: f64) -> u64 {
    let bits = if x.is_nan() {
        f64::NAN.to_bits() & !(1 << 63)
    } else {
        (x + 0.0).to_bits()
    };
    bits ^ (((bits as i64 >> 63) as u64) | (1 << 63))
}

fn double_of_order_bits(bits: u64) -> f64 {
    let mask = if bits >> 63 == 1 { 1 << 63 } else { u64::MAX };
    f64::from_bits(bits ^ mask)
}

fn sortable_i64(n: i64) -> [u8; 8] {
    ((n as u64) ^ (1 << 63)).to_be_bytes()
}

fn int_of_sortable(bytes: [u8; 8]) -> i64 {
    (u64::from_be_bytes(bytes) ^ (1 << 63)) as i64
}

/// Reads parts; every byte passes through the mask of its order.
struct PartReader<'k> {
    bytes: &'k [u8],
    at: usize,
    mask: u8,
}

impl<'k> PartReader<'k> {
    const fn new(bytes: &'k [u8], order: KeyOrder) -> Self {
        Self {
            bytes,
            at: 0,
            mask: order.mask(),
        }
    }

    fn rest(&self) -> &'k [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    fn peek(&self, expected: &'static str) -> Result<u8, DecodeError> {
        match self.bytes.get(self.at) {
            Some(byte) => Ok(byte ^ self.mask),
            None => Err(DecodeError::Truncated {
                offset: self.at,
                expected,
            }),
        }
    }

    fn byte(&mut self, expected: &'static str) -> Result<u8, DecodeError> {
        let byte = self.peek(expected)?;
        self.at += 1;
        Ok(byte)
    }

    fn take<const N: usize>(&mut self, expected: &'static str) -> Result<[u8; N], DecodeError> {
        let Some(raw) = self.rest().first_chunk::<N>() else {
            return Err(DecodeError::Truncated {
                offset: self.bytes.len(),
                expected,
            });
        };
        self.at += N;
        Ok(raw.map(|byte| byte ^ self.mask))
    }

    const fn invalid(&self, expected: &'static str) -> DecodeError {
        DecodeError::Invalid {
            offset: self.at.saturating_sub(1),
            expected,
        }
    }

    /// Passes over escaped bytes and their end.
    fn skip_bytes(&mut self) -> Result<(), DecodeError> {
        loop {
            let zero = self.rest().iter().position(|byte| byte ^ self.mask == 0);
            let Some(zero) = zero else {
                return Err(DecodeError::Truncated {
                    offset: self.bytes.len(),
                    expected: "the end 00 00 of a string in a key",
                });
            };
            self.at += zero + 1;
            match self.byte("the byte after 00 in a string in a key")? {
                0 => return Ok(()),
                0xFF => {}
                _ => return Err(self.invalid("00 or FF after 00 in a string in a key")),
            }
        }
    }

    fn string(&mut self) -> Result<SmallVec<[u8; 64]>, DecodeError> {
        let start = self.at;
        self.skip_bytes()?;
        let escaped = self.bytes.get(start..self.at - 2).unwrap_or_default();
        let mut string = SmallVec::with_capacity(escaped.len());
        let mut after_zero = false;
        for byte in escaped {
            let byte = byte ^ self.mask;
            if !after_zero {
                string.push(byte);
            }
            after_zero = byte == 0 && !after_zero;
        }
        Ok(string)
    }

    fn text(&mut self) -> Result<EcoString, DecodeError> {
        let start = self.at;
        let string = self.string()?;
        match std::str::from_utf8(&string) {
            Ok(text) => Ok(text.into()),
            Err(_) => Err(DecodeError::Invalid {
                offset: start,
                expected: "UTF-8 text in a key",
            }),
        }
    }

    fn digits(&mut self, negative: bool) -> Result<Digits, DecodeError> {
        let flip = if negative { 0xFF } else { 0 };
        let [high, low] = self.take::<2>("a decimal exponent")?.map(|b| b ^ flip);
        let exponent = match i64::from(u16::from_be_bytes([high, low])) - 0x8000 {
            short if short.unsigned_abs() < EXPONENT_SHORT => short,
            _ => int_of_sortable(self.take::<8>("a long decimal exponent")?.map(|b| b ^ flip)),
        };
        let mut digits = SmallVec::new();
        loop {
            match self.byte("a pair of decimal digits")? ^ flip {
                class::END => break,
                pair @ 1..=100 => digits.extend([(pair - 1) / 10, (pair - 1) % 10]),
                _ => return Err(self.invalid("a pair of decimal digits")),
            }
        }
        if digits.last() == Some(&0) {
            digits.pop();
        }
        Ok(Digits {
            negative,
            exponent,
            digits,
        })
    }

    /// The double of a number, and whether digits follow.
    fn double(&mut self) -> Result<(f64, bool), DecodeError> {
        let bits = u64::from_be_bytes(self.take::<8>("the order bits of a number")?);
        match self.byte("the flag of a number")? {
            EXACT => Ok((double_of_order_bits(bits), false)),
            DIGITS => Ok((double_of_order_bits(bits), true)),
            _ => Err(self.invalid("the flag of a number (0 or 1)")),
        }
    }

    fn skip(&mut self, depth: usize) -> Result<(), DecodeError> {
        let offset = self.at;
        match self.byte("the class of a key part")? {
            class::FALSE | class::TRUE | class::NULL | class::JSON_NULL => Ok(()),
            class::NUMBER => {
                if let (floor, true) = self.double()? {
                    self.digits(floor.is_sign_negative())?;
                }
                Ok(())
            }
            class::INSTANT => self.take::<9>("a point in time").map(drop),
            class::TIME => self.take::<8>("a time").map(drop),
            class::INTERVAL => self.take::<10>("an interval").map(drop),
            class::UUID => self.take::<16>("a UUID").map(drop),
            class::TEXT | class::BYTES => self.skip_bytes(),
            class::ARRAY | class::DOCUMENT => {
                let depth = deeper(depth, offset)?;
                while self.peek("an element or the end")? != class::END {
                    self.skip(depth)?;
                }
                self.at += 1;
                Ok(())
            }
            _ => Err(self.invalid("the class of a key part")),
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value, DecodeError> {
        let offset = self.at;
        Ok(match self.byte("the class of a key part")? {
            class::FALSE => Value::Bool(false),
            class::TRUE => Value::Bool(true),
            class::NULL => Value::Null,
            class::JSON_NULL => Value::Json(Arc::new(Value::Null)),
            class::NUMBER => match self.double()? {
                (x, false) => Number::Double(x)
                    .to_int()
                    .map_or(Value::Double(x), Value::Int),
                (floor, true) => {
                    let digits = self.digits(floor.is_sign_negative())?;
                    match digits.to_int() {
                        Some(n) => Value::Int(n),
                        None => Value::numeric(digits.to_numeric()),
                    }
                }
            },
            class::INSTANT => {
                let [a, b, c, d, e, f, g, h, i] = self.take::<9>("a point in time")?;
                let raw = [0, 0, 0, 0, 0, 0, 0, a, b, c, d, e, f, g, h, i];
                instant_value(i128::from_be_bytes(raw) + INSTANT_MIN)
                    .ok_or(self.invalid("a point in time"))?
            }
            class::TIME => Value::Time(int_of_sortable(self.take::<8>("a time")?)),
            class::INTERVAL => {
                let [a, b, c, d, e, f, g, h, i, j] = self.take::<10>("an interval")?;
                let raw = [0, 0, 0, 0, 0, 0, a, b, c, d, e, f, g, h, i, j];
                span_value(i128::from_be_bytes(raw) - (1 << 79))
                    .ok_or(self.invalid("an interval"))?
            }
            class::UUID => Value::Uuid(self.take::<16>("a UUID")?),
            class::TEXT => Value::Text(self.text()?),
            class::BYTES => Value::Bytes(self.string()?.as_slice().into()),
            class::ARRAY => {
                let depth = deeper(depth, offset)?;
                let mut elements = Vec::new();
                while self.peek("an element or the end of an array")? != class::END {
                    elements.push(self.value(depth)?);
                }
                self.at += 1;
                Value::array(elements)
            }
            class::DOCUMENT => {
                let depth = deeper(depth, offset)?;
                let mut document = Document::new();
                loop {
                    match self.byte("a field or the end of a document")? {
                        class::END => break Value::document(document),
                        class::TEXT => {
                            let name = self.text()?;
                            document.push(name, self.value(depth)?);
                        }
                        _ => return Err(self.invalid("the name of a field")),
                    }
                }
            }
            _ => return Err(self.invalid("the class of a key part")),
        })
    }
}

const fn deeper(depth: usize, offset: usize) -> Result<usize, DecodeError> {
    match depth.checked_sub(1) {
        Some(depth) => Ok(depth),
        None => Err(DecodeError::TooDeep { offset }),
    }
}

fn instant_value(micros: i128) -> Option<Value> {
    match micros {
        INSTANT_MAX => Some(Value::TimestampTz(i64::MAX)),
        INSTANT_MIN => Some(Value::TimestampTz(i64::MIN)),
        _ => match i64::try_from(micros) {
            Ok(micros) => Some(Value::TimestampTz(micros)),
            Err(_) if micros % DAY_US == 0 => i32::try_from(micros / DAY_US).ok().map(Value::Date),
            Err(_) => None,
        },
    }
}

/// Days and the rest of a day; where days overflow, months of 30 days hold what they can, microseconds the last.
fn span_value(span: i128) -> Option<Value> {
    let whole_days = span / DAY_US;
    let mut micros = span % DAY_US;
    let (mut months, mut days) = (0, whole_days);
    if i32::try_from(days).is_err() {
        months = (whole_days / 30).clamp(i32::MIN.into(), i32::MAX.into());
        let left = whole_days - months * 30;
        days = left.clamp(i32::MIN.into(), i32::MAX.into());
        micros += (left - days) * DAY_US;
    }
    Some(Value::Interval(Interval {
        months: i32::try_from(months).ok()?,
        days: i32::try_from(days).ok()?,
        micros: i64::try_from(micros).ok()?,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_integers_are_encoded_as_their_digits_are() {
        let mut n = 1i64 << 53;
        for step in 1..20_000i64 {
            n = n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(step);
            let rounded = n / 10i64.pow(step as u32 % 18) * 10i64.pow(step as u32 % 18);
            for n in [n, -n, rounded, n >> 8, i64::MAX - step, i64::MIN + step] {
                if n.unsigned_abs() <= EXACT_INT_MAX {
                    continue;
                }
                let (mut fast, mut slow) = (Key::new(), Key::new());
                encode_large_int(&mut fast, n);
                encode_number(&mut slow, Number::Int(n));
                assert_eq!(fast, slow, "{n}");
            }
        }
    }

    #[test]
    fn parts_tell_their_end_in_both_orders() {
        let values = [
            Value::Null,
            Value::Int(7),
            Value::Int(i64::MAX),
            Value::Double(-0.3),
            Value::numeric("-12345678901234567890.12345".parse().unwrap()),
            Value::numeric("0.1".parse().unwrap()),
            Value::text("a\0b"),
            Value::Bytes((&[0u8, 0, 255][..]).into()),
            Value::array(vec![Value::text(""), Value::array(vec![]), Value::Null]),
            Value::document(Document::from_iter([("x\0".into(), Value::Bool(true))])),
            Value::Interval(Interval {
                months: i32::MAX,
                days: i32::MAX,
                micros: i64::MAX,
            }),
            Value::Interval(Interval {
                months: i32::MIN,
                days: i32::MIN,
                micros: i64::MIN,
            }),
        ];
        for order in [KeyOrder::Ascending, KeyOrder::Descending] {
            for value in &values {
                let mut key = Key::new();
                encode_key_in(&mut key, value, order);
                let len = key.len();
                encode_key_in(&mut key, &Value::text("next"), order);
                assert_eq!(key_part_len(&key, order), Ok(len), "{value:?}");
                let (back, read) = decode_key_part(&key, order).unwrap();
                assert_eq!((&back, read), (value, len), "{value:?}");
            }
        }
    }
}
