//! Values as bytes that keep their kind exactly: one tag, then what the kind needs; each value tells its own end.
//!
//! Nothing is allocated on the word of a length that the bytes present do not bear out, nesting is bounded, and no
//! byte string makes it panic. `row_codec` joins values to rows; keys have their own bytes (`key_codec`). FORMAT.md §1.

use std::sync::Arc;

use bigdecimal::BigDecimal;
use bigdecimal::num_bigint::BigInt;
use bigdecimal::num_traits::ToPrimitive;
use ecow::EcoString;

use crate::document::Document;
use crate::error::{DecodeError, EncodeError};
use crate::value::{Interval, Value};

/// How deep arrays, documents and JSON may be nested in a stored value.
pub const DEPTH_MAX: usize = 128;

/// The greatest magnitude of a stored NUMERIC's scale (digits after the point, or zeros before it).
pub const NUMERIC_SCALE_MAX: u64 = 1 << 18;

/// Tags of values. Persisted: never renumber, never reuse.
mod tag {
    pub(super) const NULL: u8 = 0x00;
    pub(super) const FALSE: u8 = 0x01;
    pub(super) const TRUE: u8 = 0x02;
    pub(super) const INT_8: u8 = 0x03;
    pub(super) const INT_16: u8 = 0x04;
    pub(super) const INT_32: u8 = 0x05;
    pub(super) const INT_64: u8 = 0x06;
    pub(super) const REAL: u8 = 0x07;
    pub(super) const DOUBLE: u8 = 0x08;
    pub(super) const NUMERIC: u8 = 0x09;
    pub(super) const TEXT: u8 = 0x0A;
    pub(super) const BYTES: u8 = 0x0B;
    pub(super) const DATE: u8 = 0x0C;
    pub(super) const TIME: u8 = 0x0D;
    pub(super) const TIMESTAMP: u8 = 0x0E;
    pub(super) const TIMESTAMPTZ: u8 = 0x0F;
    pub(super) const INTERVAL: u8 = 0x10;
    pub(super) const UUID: u8 = 0x11;
    pub(super) const JSON: u8 = 0x12;
    pub(super) const ARRAY: u8 = 0x13;
    pub(super) const DOCUMENT: u8 = 0x14;
}

/// Appends the bytes of a value.
///
/// # Errors
/// If it is nested deeper than [`DEPTH_MAX`], or a NUMERIC's scale is beyond [`NUMERIC_SCALE_MAX`]; what was
/// appended is then of no use.
pub fn encode_value(out: &mut Vec<u8>, value: &Value) -> Result<(), EncodeError> {
    encode_nested(out, value, DEPTH_MAX)
}

/// The value whose bytes `bytes` are.
///
/// # Errors
/// If they are not exactly one value.
pub fn decode_value(bytes: &[u8]) -> Result<Value, DecodeError> {
    let mut reader = Reader::new(bytes);
    let value = reader.value(DEPTH_MAX)?;
    if reader.at < bytes.len() {
        return Err(DecodeError::Trailing { offset: reader.at });
    }
    Ok(value)
}

fn encode_nested(out: &mut Vec<u8>, value: &Value, depth: usize) -> Result<(), EncodeError> {
    match value {
        Value::Null => out.push(tag::NULL),
        Value::Bool(false) => out.push(tag::FALSE),
        Value::Bool(true) => out.push(tag::TRUE),
        Value::Int(n) => encode_int(out, *n),
        Value::Real(x) => fixed(out, tag::REAL, x.to_le_bytes()),
        Value::Double(x) => fixed(out, tag::DOUBLE, x.to_le_bytes()),
        Value::Numeric(d) => return encode_numeric(out, d),
        Value::Text(text) => encode_bytes(out, tag::TEXT, text.as_bytes()),
        Value::Bytes(bytes) => encode_bytes(out, tag::BYTES, bytes),
        Value::Date(days) => fixed(out, tag::DATE, days.to_le_bytes()),
        Value::Time(micros) => fixed(out, tag::TIME, micros.to_le_bytes()),
        Value::Timestamp(micros) => fixed(out, tag::TIMESTAMP, micros.to_le_bytes()),
        Value::TimestampTz(micros) => fixed(out, tag::TIMESTAMPTZ, micros.to_le_bytes()),
        Value::Interval(interval) => {
            fixed(out, tag::INTERVAL, interval.months.to_le_bytes());
            out.extend_from_slice(&interval.days.to_le_bytes());
            out.extend_from_slice(&interval.micros.to_le_bytes());
        }
        Value::Uuid(bytes) => fixed(out, tag::UUID, *bytes),
        Value::Json(inner) => {
            out.push(tag::JSON);
            encode_nested(out, inner, shallower(depth)?)?;
        }
        Value::Array(elements) => {
            let depth = shallower(depth)?;
            out.push(tag::ARRAY);
            write_varint(out, elements.len() as u64);
            for element in elements.iter() {
                encode_nested(out, element, depth)?;
            }
        }
        Value::Document(document) => {
            let depth = shallower(depth)?;
            out.push(tag::DOCUMENT);
            write_varint(out, document.len() as u64);
            for (name, field) in document.iter() {
                write_varint(out, name.len() as u64);
                out.extend_from_slice(name.as_bytes());
                encode_nested(out, field, depth)?;
            }
        }
    }
    Ok(())
}

fn shallower(depth: usize) -> Result<usize, EncodeError> {
    depth.checked_sub(1).ok_or(EncodeError::TooDeep)
}

fn fixed<const N: usize>(out: &mut Vec<u8>, tag: u8, bytes: [u8; N]) {
    out.push(tag);
    out.extend_from_slice(&bytes);
}

/// The least of four widths, so that equal integers have equal bytes.
fn encode_int(out: &mut Vec<u8>, n: i64) {
    if let Ok(n) = i8::try_from(n) {
        fixed(out, tag::INT_8, n.to_le_bytes());
    } else if let Ok(n) = i16::try_from(n) {
        fixed(out, tag::INT_16, n.to_le_bytes());
    } else if let Ok(n) = i32::try_from(n) {
        fixed(out, tag::INT_32, n.to_le_bytes());
    } else {
        fixed(out, tag::INT_64, n.to_le_bytes());
    }
}

fn encode_bytes(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    out.push(tag);
    write_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Scale (zigzag), length, then the unscaled integer: two's complement, little-endian, of least length.
fn encode_numeric(out: &mut Vec<u8>, d: &BigDecimal) -> Result<(), EncodeError> {
    let (integer, scale) = d.as_bigint_and_scale();
    if scale.unsigned_abs() > NUMERIC_SCALE_MAX {
        return Err(EncodeError::NumericScale);
    }
    out.push(tag::NUMERIC);
    write_varint(out, ((scale << 1) ^ (scale >> 63)) as u64);
    if let Some(n) = integer.to_i128() {
        let bytes = n.to_le_bytes();
        let sign_bits = if n < 0 {
            n.leading_ones()
        } else {
            n.leading_zeros()
        };
        let len = 16 - ((sign_bits.saturating_sub(1)) / 8) as usize;
        out.push(len as u8);
        out.extend_from_slice(bytes.get(..len).unwrap_or(&bytes));
    } else {
        let bytes = integer.to_signed_bytes_le();
        write_varint(out, bytes.len() as u64);
        out.extend_from_slice(&bytes);
    }
    Ok(())
}

/// Appends an unsigned LEB128 number of least length.
pub(crate) fn write_varint(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

/// Reads values and their parts from the front of bytes; never past their end.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'b> {
    bytes: &'b [u8],
    pub(crate) at: usize,
}

impl<'b> Reader<'b> {
    pub(crate) const fn new(bytes: &'b [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    const fn truncated(&self, expected: &'static str) -> DecodeError {
        DecodeError::Truncated {
            offset: self.at,
            expected,
        }
    }

    const fn invalid(offset: usize, expected: &'static str) -> DecodeError {
        DecodeError::Invalid { offset, expected }
    }

    #[inline]
    pub(crate) fn byte(&mut self, expected: &'static str) -> Result<u8, DecodeError> {
        match self.bytes.get(self.at) {
            Some(byte) => {
                self.at += 1;
                Ok(*byte)
            }
            None => Err(self.truncated(expected)),
        }
    }

    #[inline]
    pub(crate) fn take<const N: usize>(
        &mut self,
        expected: &'static str,
    ) -> Result<[u8; N], DecodeError> {
        match self.bytes.get(self.at..).and_then(<[u8]>::first_chunk::<N>) {
            Some(chunk) => {
                self.at += N;
                Ok(*chunk)
            }
            None => Err(self.truncated(expected)),
        }
    }

    #[inline]
    pub(crate) fn slice(
        &mut self,
        len: usize,
        expected: &'static str,
    ) -> Result<&'b [u8], DecodeError> {
        let end = self.at.checked_add(len);
        match end.and_then(|end| self.bytes.get(self.at..end)) {
            Some(slice) => {
                self.at += len;
                Ok(slice)
            }
            None => Err(self.truncated(expected)),
        }
    }

    /// `count` pieces of `N` bytes.
    pub(crate) fn chunks<const N: usize>(
        &mut self,
        count: usize,
        expected: &'static str,
    ) -> Result<&'b [[u8; N]], DecodeError> {
        let len = count.checked_mul(N).ok_or(self.truncated(expected))?;
        Ok(self.slice(len, expected)?.as_chunks::<N>().0)
    }

    #[inline]
    pub(crate) fn varint(&mut self, expected: &'static str) -> Result<u64, DecodeError> {
        let first = self.byte(expected)?;
        if first < 0x80 {
            return Ok(u64::from(first));
        }
        self.long_varint(first, expected)
    }

    fn long_varint(&mut self, first: u8, expected: &'static str) -> Result<u64, DecodeError> {
        let offset = self.at - 1;
        let mut number = u64::from(first & 0x7F);
        for shift in (7..64).step_by(7) {
            let byte = self.byte(expected)?;
            let bits = u64::from(byte & 0x7F);
            if shift == 63 && bits > 1 {
                break;
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(Self::invalid(offset, expected))
    }

    /// A length of things that take at least one byte each, so no more than there are bytes.
    fn count(&mut self, expected: &'static str) -> Result<usize, DecodeError> {
        let offset = self.at;
        let count = self.varint(expected)?;
        match usize::try_from(count) {
            Ok(count) if count <= self.bytes.len().saturating_sub(self.at) => Ok(count),
            _ => Err(DecodeError::Truncated { offset, expected }),
        }
    }

    fn text(&mut self, expected: &'static str) -> Result<&'b str, DecodeError> {
        let len = self.count(expected)?;
        let offset = self.at;
        let bytes = self.slice(len, expected)?;
        std::str::from_utf8(bytes)
            .map_err(|damage| Self::invalid(offset + damage.valid_up_to(), "UTF-8 text"))
    }

    #[inline]
    pub(crate) fn value(&mut self, depth: usize) -> Result<Value, DecodeError> {
        let offset = self.at;
        Ok(match self.byte("the tag of a value")? {
            tag::NULL => Value::Null,
            tag::FALSE => Value::Bool(false),
            tag::TRUE => Value::Bool(true),
            tag::INT_8 => Value::Int(i8::from_le_bytes(self.take("an integer")?).into()),
            tag::INT_16 => Value::Int(i16::from_le_bytes(self.take("an integer")?).into()),
            tag::INT_32 => Value::Int(i32::from_le_bytes(self.take("an integer")?).into()),
            tag::INT_64 => Value::Int(i64::from_le_bytes(self.take("an integer")?)),
            tag::REAL => Value::Real(f32::from_le_bytes(self.take("a real")?)),
            tag::DOUBLE => Value::Double(f64::from_le_bytes(self.take("a double")?)),
            tag::TEXT => Value::Text(EcoString::from(self.text("a text")?)),
            tag::DATE => Value::Date(i32::from_le_bytes(self.take("a date")?)),
            tag::TIME => Value::Time(i64::from_le_bytes(self.take("a time")?)),
            tag::TIMESTAMP => Value::Timestamp(i64::from_le_bytes(self.take("a timestamp")?)),
            tag::TIMESTAMPTZ => Value::TimestampTz(i64::from_le_bytes(self.take("a timestamptz")?)),
            tag::UUID => Value::Uuid(self.take("a UUID")?),
            tag => self.large_value(tag, offset, depth)?,
        })
    }

    #[inline(never)]
    fn large_value(&mut self, tag: u8, offset: usize, depth: usize) -> Result<Value, DecodeError> {
        let inner_depth = depth.checked_sub(1).ok_or(DecodeError::TooDeep { offset });
        Ok(match tag {
            tag::NUMERIC => self.numeric()?,
            tag::BYTES => {
                let len = self.count("a byte string")?;
                Value::Bytes(self.slice(len, "a byte string")?.into())
            }
            tag::INTERVAL => Value::Interval(Interval {
                months: i32::from_le_bytes(self.take("the months of an interval")?),
                days: i32::from_le_bytes(self.take("the days of an interval")?),
                micros: i64::from_le_bytes(self.take("the microseconds of an interval")?),
            }),
            tag::JSON => Value::Json(Arc::new(self.value(inner_depth?)?)),
            tag::ARRAY => {
                let depth = inner_depth?;
                let count = self.count("the length of an array")?;
                // Values are 24 times as large as their least bytes: grow with what is really read.
                let mut elements = Vec::with_capacity(count.min(1024));
                for _ in 0..count {
                    elements.push(self.value(depth)?);
                }
                Value::array(elements)
            }
            tag::DOCUMENT => {
                let depth = inner_depth?;
                let count = self.count("the length of a document")?;
                let mut document = Document::new();
                for _ in 0..count {
                    let name = EcoString::from(self.text("the name of a field")?);
                    document.push(name, self.value(depth)?);
                }
                Value::document(document)
            }
            _ => {
                return Err(DecodeError::UnknownVersion {
                    offset,
                    found: tag,
                    expected: "value tag",
                });
            }
        })
    }

    fn numeric(&mut self) -> Result<Value, DecodeError> {
        let offset = self.at;
        let zigzag = self.varint("the scale of a numeric")?;
        let scale = (zigzag >> 1) as i64 ^ -((zigzag & 1) as i64);
        if scale.unsigned_abs() > NUMERIC_SCALE_MAX {
            return Err(Self::invalid(offset, "the scale of a numeric"));
        }
        let len = self.count("the integer of a numeric")?;
        let bytes = self.slice(len, "the integer of a numeric")?;
        let integer = match bytes {
            [.., last] if len <= 16 => {
                let fill = if *last >= 0x80 { 0xFF } else { 0 };
                let mut wide = [fill; 16];
                for (to, from) in wide.iter_mut().zip(bytes) {
                    *to = *from;
                }
                BigInt::from(i128::from_le_bytes(wide))
            }
            _ => BigInt::from_signed_bytes_le(bytes),
        };
        Ok(Value::numeric(BigDecimal::new(integer, scale)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(value: &Value) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode_value(&mut bytes, value).unwrap();
        let back = decode_value(&bytes).unwrap();
        assert_eq!(format!("{back:?}"), format!("{value:?}"));
        bytes
    }

    #[test]
    fn kinds_come_back_exactly() {
        for n in [
            0,
            1,
            -1,
            127,
            -128,
            128,
            -129,
            32_767,
            32_768,
            1 << 31,
            i64::MIN,
            i64::MAX,
        ] {
            round_trip(&Value::Int(n));
        }
        for text in [
            "0",
            "0.00",
            "-1.50",
            "1e30",
            "-170141183460469231731687303715884105728",
            "170141183460469231731687303715884105728",
            "127",
            "128",
            "-128",
            "-129",
            "1e-300",
        ] {
            round_trip(&Value::numeric(text.parse().unwrap()));
        }
        round_trip(&Value::Double(f64::NAN));
        round_trip(&Value::Double(-0.0));
        round_trip(&Value::Interval(Interval {
            months: -1,
            days: 2,
            micros: -3,
        }));
        round_trip(&Value::Json(Arc::new(Value::array(vec![
            Value::Null,
            "x".into(),
        ]))));
    }

    #[test]
    fn nesting_ends_at_its_limit_on_both_sides() {
        let nest =
            |depth: usize| (0..depth).fold(Value::Null, |inner, _| Value::array(vec![inner]));
        round_trip(&nest(DEPTH_MAX));
        let mut bytes = Vec::new();
        assert_eq!(
            encode_value(&mut bytes, &nest(DEPTH_MAX + 1)),
            Err(EncodeError::TooDeep)
        );
        let mut deep = [tag::ARRAY, 1].repeat(DEPTH_MAX + 1);
        deep.push(tag::NULL);
        assert_eq!(
            decode_value(&deep),
            Err(DecodeError::TooDeep {
                offset: 2 * DEPTH_MAX
            })
        );
    }

    #[test]
    fn a_length_beyond_the_bytes_is_truncation() {
        for tag in [tag::TEXT, tag::BYTES, tag::ARRAY, tag::DOCUMENT] {
            let bytes = [
                tag, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01,
            ];
            assert!(matches!(
                decode_value(&bytes),
                Err(DecodeError::Truncated { offset: 1, .. })
            ));
        }
    }
}
