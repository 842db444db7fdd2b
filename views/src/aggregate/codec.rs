//! Bytes of operator state: variable-length integers, zig-zag for signed ones, and length-prefixed values.
//!
//! State bytes are persisted (views/FORMAT.md): the order and meaning of fields change only with an operator's version.

use bigdecimal::num_bigint::BigInt;
use tailwater_proto::value_codec::{decode_value, encode_value};
use tailwater_proto::{BigDecimal, Value};

use crate::error::{Error, Result};

/// Appends fields to a buffer.
pub(crate) struct Writer<'b> {
    out: &'b mut Vec<u8>,
}

impl<'b> Writer<'b> {
    pub(crate) fn new(out: &'b mut Vec<u8>) -> Self {
        Self { out }
    }

    pub(crate) fn byte(&mut self, byte: u8) {
        self.out.push(byte);
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    #[expect(clippy::cast_possible_truncation, reason = "seven bits at a time")]
    pub(crate) fn uint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.out.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.out.push(number as u8);
    }

    pub(crate) fn int(&mut self, number: i64) {
        self.uint(((number << 1) ^ (number >> 63)).cast_unsigned());
    }

    #[expect(clippy::cast_possible_truncation, reason = "seven bits at a time")]
    pub(crate) fn wide_int(&mut self, number: i128) {
        let mut number = ((number << 1) ^ (number >> 127)).cast_unsigned();
        while number >= 0x80 {
            self.out.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.out.push(number as u8);
    }

    pub(crate) fn run(&mut self, bytes: &[u8]) {
        self.uint(bytes.len() as u64);
        self.bytes(bytes);
    }

    pub(crate) fn value(&mut self, value: &Value) -> Result<()> {
        let mut bytes = Vec::with_capacity(16);
        encode_value(&mut bytes, value).map_err(too_large)?;
        self.run(&bytes);
        Ok(())
    }

    pub(crate) fn decimal(&mut self, decimal: &BigDecimal) {
        let (digits, scale) = decimal.as_bigint_and_exponent();
        self.int(scale);
        self.run(&digits.to_signed_bytes_le());
    }
}

/// What a value that the codec refuses (nested too deep) is reported as: the row's fault.
pub(crate) fn too_large(error: tailwater_proto::error::EncodeError) -> Error {
    Error::row(error.sqlstate(), error.to_string())
}

/// Reads fields back.
pub(crate) struct Reader<'b> {
    rest: &'b [u8],
}

impl<'b> Reader<'b> {
    pub(crate) fn new(bytes: &'b [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn byte(&mut self) -> Result<u8> {
        let (byte, rest) = self.rest.split_first().ok_or_else(damaged)?;
        self.rest = rest;
        Ok(*byte)
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Result<&'b [u8]> {
        let (bytes, rest) = self.rest.split_at_checked(len).ok_or_else(damaged)?;
        self.rest = rest;
        Ok(bytes)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or_else(damaged)?;
        self.rest = rest;
        Ok(*bytes)
    }

    pub(crate) fn uint(&mut self) -> Result<u64> {
        // Most are small, and 128 bits at a time are slow.
        match self.rest.split_first() {
            Some((byte, rest)) if *byte < 0x80 => {
                self.rest = rest;
                Ok(u64::from(*byte))
            }
            _ => u64::try_from(self.wide_uint()?).map_err(|_| damaged()),
        }
    }

    pub(crate) fn int(&mut self) -> Result<i64> {
        let number = self.uint()?;
        Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    pub(crate) fn wide_int(&mut self) -> Result<i128> {
        // Up to 63 bits: what nearly all sums have.
        let mut short = 0_u64;
        for (place, byte) in self.rest.iter().take(9).enumerate() {
            short |= u64::from(byte & 0x7f) << (7 * place);
            if *byte < 0x80 {
                self.rest = self.rest.get(place + 1..).unwrap_or_default();
                return Ok(i128::from(
                    (short >> 1).cast_signed() ^ -(short & 1).cast_signed(),
                ));
            }
        }
        let number = self.wide_uint()?;
        Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    fn wide_uint(&mut self) -> Result<u128> {
        let (mut number, mut shift) = (0_u128, 0);
        loop {
            let byte = self.byte()?;
            if shift > 126 || (shift == 126 && byte > 3) {
                return Err(damaged());
            }
            number |= u128::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
            shift += 7;
        }
    }

    pub(crate) fn len_up_to(&mut self, most: usize) -> Result<usize> {
        let len = usize::try_from(self.uint()?).map_err(|_| damaged())?;
        if len > most {
            return Err(damaged());
        }
        Ok(len)
    }

    pub(crate) fn run(&mut self) -> Result<&'b [u8]> {
        let len = usize::try_from(self.uint()?).map_err(|_| damaged())?;
        self.bytes(len)
    }

    pub(crate) fn value(&mut self) -> Result<Value> {
        decode_value(self.run()?).map_err(|_| damaged())
    }

    pub(crate) fn decimal(&mut self) -> Result<BigDecimal> {
        let scale = self.int()?;
        Ok(BigDecimal::new(
            BigInt::from_signed_bytes_le(self.run()?),
            scale,
        ))
    }
}

/// State bytes that do not decode; the caller adds which storage and key.
pub(crate) fn damaged() -> Error {
    Error::Corrupted {
        message: "operator state does not decode".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_come_back() {
        let mut bytes = Vec::new();
        let mut out = Writer::new(&mut bytes);
        let ints = [0, 1, -1, 63, 64, -65, i64::MAX, i64::MIN];
        let wides = [i128::MAX, i128::MIN, 0, -1, 1 << 70];
        ints.iter().for_each(|n| out.int(*n));
        wides.iter().for_each(|n| out.wide_int(*n));
        let decimal: BigDecimal = "-123.4500".parse().unwrap();
        out.decimal(&decimal);
        out.value(&Value::text("a")).unwrap();
        let mut input = Reader::new(&bytes);
        ints.iter()
            .for_each(|n| assert_eq!(input.int().unwrap(), *n));
        wides
            .iter()
            .for_each(|n| assert_eq!(input.wide_int().unwrap(), *n));
        let back = input.decimal().unwrap();
        assert_eq!(
            back.as_bigint_and_exponent(),
            decimal.as_bigint_and_exponent()
        );
        assert_eq!(input.value().unwrap().as_text(), Some("a"));
        assert!(input.is_empty());
    }

    #[test]
    fn damaged_bytes_are_an_error() {
        for bytes in [&[][..], &[0x80], &[0xff; 30], &[5, 1, 2]] {
            assert!(Reader::new(bytes).run().is_err(), "{bytes:?}");
        }
    }
}
