//! Values as bytes: any bytes are one value or refused; any value comes back with its kind, signs and digits.
//!
//! The bytes of a decoded value need not be those it was decoded from (there may be a shorter form), but they do not
//! change any more. Next door: `proto::value_codec`.

use tailwater_proto::{EncodeError, Value, decode_value, encode_value};

use super::assert_same;
use crate::choices::Choices;
use crate::rng::Rng;
use crate::{memory, value};

/// Decodes the input, then encodes the value it describes.
///
/// # Panics
/// If a value does not come back, or memory was taken on the word of a length.
pub fn run(input: &[u8]) {
    if let Ok(decoded) = memory::bounded(|| decode_value(input)) {
        comes_back(&decoded);
    }
    comes_back(&value::value(&mut Choices::new(input), 4));
}

fn comes_back(value: &Value) {
    let mut bytes = Vec::new();
    match encode_value(&mut bytes, value) {
        Ok(()) => {}
        Err(EncodeError::NumericScale) => return,
        Err(error) => panic!("{error}: {value:?}"),
    }
    let back = decode_value(&bytes).unwrap_or_else(|error| panic!("{error}: {value:?}"));
    assert_same(&back, value);
    let mut again = Vec::new();
    assert_eq!(encode_value(&mut again, &back), Ok(()));
    assert_eq!(again, bytes, "{value:?}");
}

/// The bytes of a value.
pub fn generate(rng: &mut Rng) -> Vec<u8> {
    let mut bytes = Vec::new();
    let value = value::value(&mut Choices::new(&rng.bytes(200)), 4);
    // What was appended before a refusal is as good an input as any.
    let _ = encode_value(&mut bytes, &value);
    bytes
}
