//! `Literal`: a constant in an expression, stored in plans as the hex of its value codec bytes.
//!
//! Two literals are equal if their bytes are: `1` and `1.0` are equal values, but not the same constant.

use std::fmt::Write;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tailwater_proto::{EncodeError, Value, decode_value, encode_value};

/// A constant.
#[derive(Clone, Debug)]
pub struct Literal(pub Value);

impl Literal {
    fn bytes(&self) -> Result<Vec<u8>, EncodeError> {
        let mut bytes = Vec::new();
        encode_value(&mut bytes, &self.0)?;
        Ok(bytes)
    }
}

impl PartialEq for Literal {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Value::Int(a), Value::Int(b)) => a == b,
            (Value::Text(a), Value::Text(b)) => a == b,
            // What has no bytes cannot be stored in a plan either and is like nothing else.
            _ => match (self.bytes(), other.bytes()) {
                (Ok(a), Ok(b)) => a == b,
                _ => false,
            },
        }
    }
}

impl Serialize for Literal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let bytes = self.bytes().map_err(serde::ser::Error::custom)?;
        let mut hex = String::with_capacity(bytes.len() * 2);
        for byte in bytes {
            write!(hex, "{byte:02x}").map_err(serde::ser::Error::custom)?;
        }
        serializer.serialize_str(&hex)
    }
}

impl<'de> Deserialize<'de> for Literal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let hex = String::deserialize(deserializer)?;
        let bytes = bytes_of(&hex).ok_or_else(|| {
            serde::de::Error::custom("a literal of a plan is not hexadecimal bytes")
        })?;
        decode_value(&bytes)
            .map(Self)
            .map_err(serde::de::Error::custom)
    }
}

fn bytes_of(hex: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(hex.len() / 2);
    let mut digits = hex.chars().map(|digit| digit.to_digit(16));
    while let Some(high) = digits.next() {
        bytes.push(u8::try_from(high? * 16 + digits.next()??).ok()?);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_told_apart_by_kind() {
        let int = Literal(Value::Int(1));
        assert_eq!(int, Literal(Value::Int(1)));
        assert_ne!(int, Literal(Value::Double(1.0)));
        assert_eq!(Literal(Value::Null), Literal(Value::Null));
        assert_ne!(
            Literal(Value::array(vec![Value::Int(1)])),
            Literal(Value::array(vec![Value::Double(1.0)]))
        );
    }

    #[test]
    fn hex_is_read_back() {
        assert_eq!(bytes_of("00fF10"), Some(vec![0, 255, 16]));
        assert_eq!(bytes_of("0"), None);
        assert_eq!(bytes_of("zz"), None);
    }
}
