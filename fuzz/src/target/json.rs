//! JSON: any bytes are read or refused; what was read is written, compactly or with blanks, so that it reads the same.
//!
//! Values of all kinds are written as JSON, whatever they hold. Next door: `proto::json`.

use tailwater_proto::json::parse_json_bytes;
use tailwater_proto::{JsonStyle, parse_json, to_json, write_json};

use super::assert_same;
use crate::choices::Choices;
use crate::rng::Rng;
use crate::{memory, value};

/// Pieces of JSON texts.
pub const WORDS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "null",
    "true",
    "false",
    "\\u0000",
    "\\ud83d\\ude00",
    "\\ud83d",
    "\"a\":",
    "1e308",
    "-0",
    "0.1",
    "1e-400",
    "18446744073709551615",
    "9223372036854775808",
    "123456789012345678901234567890",
    "4.9406564584124654e-324",
    "[[[[[[[[[[[[[[[[",
];

/// Reads the input, then writes the value it describes.
///
/// # Panics
/// If what is written does not read the same.
pub fn run(input: &[u8]) {
    if let Ok(read) = memory::bounded(|| parse_json_bytes(input)) {
        for style in [JsonStyle::Compact, JsonStyle::Spaced] {
            let mut text = String::new();
            write_json(&mut text, &read, style).expect("writing to a String does not fail");
            let back = parse_json(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
            assert_same(&back, &read);
        }
    }
    let value = value::value(&mut Choices::new(input), 4);
    let text = to_json(&value);
    match parse_json(&text) {
        Ok(back) => assert_eq!(
            to_json(&parse_json(&to_json(&back)).expect("it was written before")),
            to_json(&back)
        ),
        Err(error) => assert_eq!(error.sqlstate, "22003", "{error}: {text}"),
    }
}

/// The JSON of a value, or pieces of JSON in any order.
pub fn generate(rng: &mut Rng) -> Vec<u8> {
    if rng.below(3) == 0 {
        let words = (0..rng.below(20)).map(|_| WORDS[rng.below(WORDS.len())]);
        return words.collect::<String>().into_bytes();
    }
    to_json(&value::value(&mut Choices::new(&rng.bytes(200)), 4)).into_bytes()
}
