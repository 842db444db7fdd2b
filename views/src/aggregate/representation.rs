//! `Representation`: which of several equal rows stands for all of them.
//!
//! 1, 1.0 and numeric 1.00 are one group, one distinct value, one minimum; the one shown is the one whose
//! representation is least, so it depends neither on the order of rows nor on history. Key bytes do not keep the
//! kind of a value (proto's `key_codec`): the representation is what they lose, empty for kinds that lose nothing.

use tailwater_proto::Value;
use tailwater_proto::key_codec::{KeyOrder, decode_key_part};
use tailwater_proto::value_codec::{decode_value, encode_value};

use super::codec::{Reader, Writer, damaged, too_large};
use crate::error::Result;

/// What key bytes lose of a row, compared as bytes: the least one is shown. Empty if they lose nothing.
pub(crate) type Representation = Vec<u8>;

/// Marks of a value within a representation.
const FROM_KEY: u8 = 0;
const ENCODED: u8 = 1;

/// Whether a value is wholly known from its part of a key.
const fn lies_in_key(value: &Value) -> bool {
    match value {
        Value::Null
        | Value::Bool(_)
        | Value::Int(_)
        | Value::Time(_)
        | Value::Uuid(_)
        | Value::Text(_)
        | Value::Bytes(_) => true,
        Value::Real(_)
        | Value::Double(_)
        | Value::Numeric(_)
        | Value::Date(_)
        | Value::Timestamp(_)
        | Value::TimestampTz(_)
        | Value::Interval(_)
        | Value::Json(_)
        | Value::Array(_)
        | Value::Document(_) => false,
    }
}

/// Writes the representation of `row`, replacing what `out` holds.
///
/// # Errors
/// When a value is nested too deep to be encoded.
pub(crate) fn represent(out: &mut Representation, row: &[Value]) -> Result<()> {
    out.clear();
    if row.iter().all(lies_in_key) {
        return Ok(());
    }
    for value in row {
        if lies_in_key(value) {
            out.push(FROM_KEY);
        } else {
            out.push(ENCODED);
            Writer::new(out).value(value)?;
        }
    }
    Ok(())
}

/// Appends the row of a key and a representation.
pub(crate) fn row_of(key: &[u8], representation: &[u8], row: &mut Vec<Value>) -> Result<()> {
    let mut key = key;
    let mut input = Reader::new(representation);
    while !key.is_empty() {
        let (value, len) = decode_key_part(key, KeyOrder::Ascending).map_err(|_| damaged())?;
        key = key.get(len..).ok_or_else(damaged)?;
        row.push(if representation.is_empty() || input.byte()? == FROM_KEY {
            value
        } else {
            input.value()?
        });
    }
    Ok(())
}

/// Appends the representation of one value, whose end is the end of the bytes.
pub(crate) fn represent_value(out: &mut Vec<u8>, value: &Value) -> Result<()> {
    if lies_in_key(value) {
        return Ok(());
    }
    encode_value(out, value).map_err(too_large)
}

/// The value of a key part and its representation.
pub(crate) fn value_of(part: &[u8], order: KeyOrder, representation: &[u8]) -> Result<Value> {
    if representation.is_empty() {
        let (value, _) = decode_key_part(part, order).map_err(|_| damaged())?;
        Ok(value)
    } else {
        decode_value(representation).map_err(|_| damaged())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::rows_identical;
    use tailwater_proto::key_codec::key_of;

    #[test]
    fn key_and_representation_give_the_row_back() {
        let rows = [
            vec![],
            vec![Value::Int(i64::MIN), Value::text("a\0b"), Value::Null],
            vec![
                Value::Double(1.0),
                Value::Int(1),
                Value::Real(-0.0),
                Value::numeric("1.00".parse().unwrap()),
                Value::Date(7),
                Value::Timestamp(5),
                Value::TimestampTz(5),
                Value::Time(9),
                Value::Uuid([7; 16]),
                Value::Bool(true),
                Value::from(vec![1_u8, 0, 2]),
                Value::array(vec![Value::Double(2.0), Value::Null]),
            ],
        ];
        for row in rows {
            let mut representation = vec![9];
            represent(&mut representation, &row).unwrap();
            let mut back = Vec::new();
            row_of(&key_of(&row), &representation, &mut back).unwrap();
            assert!(rows_identical(&back, &row), "{row:?} became {back:?}");
        }
    }
}
