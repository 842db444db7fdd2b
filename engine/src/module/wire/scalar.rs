//! `Scalar`: a field that is no message: from the wire to a value and back, one at a time.
//!
//! What is written has been found to fit: a number beyond its type is an error, never cut. Next door: `decode` and `encode`.

use std::borrow::Cow;
use std::sync::Arc;

use prost::encoding::WireType;
use prost::encoding::encode_varint;
use prost_reflect::{Kind, Syntax};
use tailwater_proto::{BigDecimal, EcoString, SqlType, Value, sqlstate, to_text};

use super::reader::{Fault, Reader, Wrong};

/// The type of a field that is no message.
#[derive(Clone, Debug)]
pub(super) enum Scalar {
    Double,
    Float,
    Int32,
    Int64,
    Uint32,
    Uint64,
    Sint32,
    Sint64,
    Fixed32,
    Fixed64,
    Sfixed32,
    Sfixed64,
    Bool,
    Text,
    Bytes,
    /// Any number may come.
    OpenEnum,
    /// Only these numbers are values, sorted; others are as if they had not been sent.
    ClosedEnum(Arc<[i32]>),
}

/// A value as the wire has it, without its key.
#[derive(Debug)]
pub(super) enum Wire<'v> {
    Varint(u64),
    Fixed32([u8; 4]),
    Fixed64([u8; 8]),
    Delimited(Cow<'v, [u8]>),
}

/// Why a value is not written: an SQLSTATE and what is the matter.
#[derive(Debug)]
pub(super) struct Misfit {
    pub(super) sqlstate: &'static str,
    pub(super) what: String,
}

impl Scalar {
    /// # Panics
    /// For a message.
    pub(super) fn of(kind: &Kind) -> Self {
        match kind {
            Kind::Double => Self::Double,
            Kind::Float => Self::Float,
            Kind::Int32 => Self::Int32,
            Kind::Int64 => Self::Int64,
            Kind::Uint32 => Self::Uint32,
            Kind::Uint64 => Self::Uint64,
            Kind::Sint32 => Self::Sint32,
            Kind::Sint64 => Self::Sint64,
            Kind::Fixed32 => Self::Fixed32,
            Kind::Fixed64 => Self::Fixed64,
            Kind::Sfixed32 => Self::Sfixed32,
            Kind::Sfixed64 => Self::Sfixed64,
            Kind::Bool => Self::Bool,
            Kind::String => Self::Text,
            Kind::Bytes => Self::Bytes,
            Kind::Enum(of) if of.parent_file().syntax() == Syntax::Proto2 => {
                let mut numbers: Vec<i32> = of.values().map(|value| value.number()).collect();
                numbers.sort_unstable();
                Self::ClosedEnum(numbers.into())
            }
            Kind::Enum(_) => Self::OpenEnum,
            Kind::Message(_) => unreachable!("a message is no scalar"),
        }
    }

    pub(super) const fn wire_type(&self) -> WireType {
        match self {
            Self::Double | Self::Fixed64 | Self::Sfixed64 => WireType::SixtyFourBit,
            Self::Float | Self::Fixed32 | Self::Sfixed32 => WireType::ThirtyTwoBit,
            Self::Text | Self::Bytes => WireType::LengthDelimited,
            Self::Int32
            | Self::Int64
            | Self::Uint32
            | Self::Uint64
            | Self::Sint32
            | Self::Sint64
            | Self::Bool
            | Self::OpenEnum
            | Self::ClosedEnum(_) => WireType::Varint,
        }
    }

    pub(super) fn is_packable(&self) -> bool {
        self.wire_type() != WireType::LengthDelimited
    }

    /// As a `.proto` says it.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Double => "double",
            Self::Float => "float",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Uint32 => "uint32",
            Self::Uint64 => "uint64",
            Self::Sint32 => "sint32",
            Self::Sint64 => "sint64",
            Self::Fixed32 => "fixed32",
            Self::Fixed64 => "fixed64",
            Self::Sfixed32 => "sfixed32",
            Self::Sfixed64 => "sfixed64",
            Self::Bool => "bool",
            Self::Text => "string",
            Self::Bytes => "bytes",
            Self::OpenEnum | Self::ClosedEnum(_) => "enum",
        }
    }

    /// The next value; `None` for a number that a closed enum does not have. Varints beyond 32 bits lose the upper ones, as
    /// Protobuf says.
    pub(super) fn read(&self, reader: &mut Reader<'_>) -> Result<Option<Value>, Fault> {
        Ok(Some(match self {
            Self::Double => Value::Double(f64::from_le_bytes(reader.fixed()?)),
            Self::Float => Value::Real(f32::from_le_bytes(reader.fixed()?)),
            Self::Int32 | Self::OpenEnum => Value::from(reader.varint()? as i32),
            Self::Int64 => Value::Int(reader.varint()? as i64),
            Self::Uint32 => Value::from(reader.varint()? as u32),
            Self::Uint64 => Value::numeric(reader.varint()?.into()),
            Self::Sint32 => {
                let zigzag = reader.varint()? as u32;
                Value::from((zigzag >> 1) as i32 ^ -((zigzag & 1) as i32))
            }
            Self::Sint64 => {
                let zigzag = reader.varint()?;
                Value::Int((zigzag >> 1) as i64 ^ -((zigzag & 1) as i64))
            }
            Self::Fixed32 => Value::from(u32::from_le_bytes(reader.fixed()?)),
            Self::Fixed64 => Value::numeric(u64::from_le_bytes(reader.fixed()?).into()),
            Self::Sfixed32 => Value::from(i32::from_le_bytes(reader.fixed()?)),
            Self::Sfixed64 => Value::Int(i64::from_le_bytes(reader.fixed()?)),
            Self::Bool => Value::Bool(reader.varint()? != 0),
            Self::Text => {
                let start = reader.fault(Wrong::Utf8);
                let text = std::str::from_utf8(reader.delimited()?).map_err(|_| start)?;
                Value::Text(EcoString::from(text))
            }
            Self::Bytes => Value::Bytes(reader.delimited()?.into()),
            Self::ClosedEnum(numbers) => {
                let number = reader.varint()? as i32;
                let is_known = numbers.binary_search(&number).is_ok();
                return Ok(is_known.then(|| Value::from(number)));
            }
        }))
    }

    /// A value, not NULL, as it is written.
    ///
    /// # Errors
    /// `42804` for one of another kind, `22003` for a number out of range, `22023` for one that a closed enum does not have.
    pub(super) fn wire<'v>(&self, value: &'v Value) -> Result<Wire<'v>, Misfit> {
        Ok(match self {
            Self::Double => Wire::Fixed64(self.double(value)?.to_le_bytes()),
            Self::Float => Wire::Fixed32(self.float(value)?.to_le_bytes()),
            Self::Int32 | Self::OpenEnum => {
                Wire::Varint(i64::from(self.integer::<i32>(value)?) as u64)
            }
            Self::Int64 => Wire::Varint(self.integer::<i64>(value)? as u64),
            Self::Uint32 => Wire::Varint(self.integer::<u32>(value)?.into()),
            Self::Uint64 => Wire::Varint(self.integer::<u64>(value)?),
            Self::Sint32 => {
                let number = self.integer::<i32>(value)?;
                Wire::Varint(((number << 1) ^ (number >> 31)) as u32 as u64)
            }
            Self::Sint64 => {
                let number = self.integer::<i64>(value)?;
                Wire::Varint(((number << 1) ^ (number >> 63)) as u64)
            }
            Self::Fixed32 => Wire::Fixed32(self.integer::<u32>(value)?.to_le_bytes()),
            Self::Fixed64 => Wire::Fixed64(self.integer::<u64>(value)?.to_le_bytes()),
            Self::Sfixed32 => Wire::Fixed32(self.integer::<i32>(value)?.to_le_bytes()),
            Self::Sfixed64 => Wire::Fixed64(self.integer::<i64>(value)?.to_le_bytes()),
            Self::Bool => match value {
                Value::Bool(truth) => Wire::Varint((*truth).into()),
                _ => return Err(self.mismatch(value)),
            },
            Self::Text => self.text(value)?,
            Self::Bytes => match value {
                Value::Bytes(bytes) => Wire::Delimited(Cow::Borrowed(bytes)),
                _ => return Err(self.mismatch(value)),
            },
            Self::ClosedEnum(numbers) => {
                let number = self.integer::<i32>(value)?;
                if numbers.binary_search(&number).is_err() {
                    return Err(Misfit {
                        sqlstate: sqlstate::INVALID_PARAMETER_VALUE,
                        what: format!("the enum has no value {number}"),
                    });
                }
                Wire::Varint(i64::from(number) as u64)
            }
        })
    }

    /// A whole number, whatever kind of exact number it is.
    fn integer<T: TryFrom<i128>>(&self, value: &Value) -> Result<T, Misfit> {
        let whole = match value {
            Value::Int(number) => Some(i128::from(*number)),
            Value::Numeric(number) => whole(number),
            _ => return Err(self.mismatch(value)),
        };
        whole
            .and_then(|number| T::try_from(number).ok())
            .ok_or_else(|| self.out_of_range(value))
    }

    fn double(&self, value: &Value) -> Result<f64, Misfit> {
        match value {
            Value::Double(number) => Ok(*number),
            Value::Real(number) => Ok((*number).into()),
            Value::Int(number) => Ok(*number as f64),
            Value::Numeric(number) => {
                // The text has every digit, and parsing rounds once.
                let number = number.to_scientific_notation().parse();
                number
                    .ok()
                    .filter(|number: &f64| number.is_finite())
                    .ok_or_else(|| self.out_of_range(value))
            }
            _ => Err(self.mismatch(value)),
        }
    }

    fn float(&self, value: &Value) -> Result<f32, Misfit> {
        let number = match value {
            Value::Real(number) => return Ok(*number),
            Value::Int(number) => *number as f32,
            _ => {
                let double = self.double(value)?;
                if !double.is_finite() {
                    return Ok(double as f32);
                }
                double as f32
            }
        };
        match number.is_finite() {
            true => Ok(number),
            false => Err(self.out_of_range(value)),
        }
    }

    /// Text, or the text of what has one: a column may be of a narrower type than its field.
    fn text<'v>(&self, value: &'v Value) -> Result<Wire<'v>, Misfit> {
        match value {
            Value::Text(text) => Ok(Wire::Delimited(Cow::Borrowed(text.as_bytes()))),
            Value::Bytes(_) | Value::Array(_) | Value::Document(_) | Value::Null => {
                Err(self.mismatch(value))
            }
            other => {
                let text = to_text(other, &SqlType::Any).unwrap_or_default();
                Ok(Wire::Delimited(Cow::Owned(text.into_bytes())))
            }
        }
    }

    fn out_of_range(&self, value: &Value) -> Misfit {
        Misfit {
            sqlstate: sqlstate::NUMERIC_VALUE_OUT_OF_RANGE,
            what: format!("{} is no {}", short(value), self.name()),
        }
    }

    fn mismatch(&self, value: &Value) -> Misfit {
        mismatch(value, self.name())
    }
}

/// Whether a value that was read is Protobuf's zero. Minus zero is not.
pub(super) fn is_zero(value: &Value) -> bool {
    match value {
        Value::Bool(truth) => !truth,
        Value::Int(number) => *number == 0,
        Value::Real(number) => number.to_bits() == 0,
        Value::Double(number) => number.to_bits() == 0,
        Value::Numeric(number) => {
            u64::try_from(number.as_bigint_and_scale().0.as_ref()).is_ok_and(|digits| digits == 0)
        }
        Value::Text(text) => text.is_empty(),
        Value::Bytes(bytes) => bytes.is_empty(),
        _ => false,
    }
}

/// The name that a key of a map has in a document.
pub(super) fn key_name(key: Value) -> EcoString {
    match key {
        Value::Text(text) => text,
        // As JSON has it, and not as SQL prints it.
        Value::Bool(truth) => EcoString::from(if truth { "true" } else { "false" }),
        number => EcoString::from(number.to_string()),
    }
}

/// A value of a kind that a field does not have.
pub(super) fn mismatch(value: &Value, wanted: &str) -> Misfit {
    Misfit {
        sqlstate: sqlstate::DATATYPE_MISMATCH,
        what: format!("{} cannot be sent as {wanted}", value.kind_name()),
    }
}

/// The beginning of a number's text.
fn short(value: &Value) -> String {
    let text = match value {
        // An exponent is not written out.
        Value::Numeric(number) if number.as_bigint_and_scale().1.unsigned_abs() > 40 => {
            number.to_scientific_notation()
        }
        other => other.to_string(),
    };
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// The integer that a NUMERIC is, if it is one, and not beyond all that a field can have.
fn whole(number: &BigDecimal) -> Option<i128> {
    const DIGITS_MAX: i64 = 30;
    let (digits, scale) = number.as_bigint_and_scale();
    if scale == 0 {
        return i128::try_from(digits.as_ref()).ok();
    }
    // An exponent is not written out before it is known to be small.
    let integer_digits = i64::try_from(number.digits()).ok()?.checked_sub(scale)?;
    if integer_digits > DIGITS_MAX {
        return None;
    }
    let whole = number.with_scale(0);
    if whole != *number {
        return None;
    }
    i128::try_from(whole.as_bigint_and_scale().0.as_ref()).ok()
}

impl Wire<'_> {
    /// Whether it is what a field without presence has that is not sent. Minus zero is not.
    pub(super) fn is_zero(&self) -> bool {
        match self {
            Self::Varint(number) => *number == 0,
            Self::Fixed32(bytes) => *bytes == [0; 4],
            Self::Fixed64(bytes) => *bytes == [0; 8],
            Self::Delimited(bytes) => bytes.is_empty(),
        }
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Varint(number) => encode_varint(*number, out),
            Self::Fixed32(bytes) => out.extend_from_slice(bytes),
            Self::Fixed64(bytes) => out.extend_from_slice(bytes),
            Self::Delimited(bytes) => {
                encode_varint(bytes.len() as u64, out);
                out.extend_from_slice(bytes);
            }
        }
    }
}
