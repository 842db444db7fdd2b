//! Inputs as text: two hexadecimal digits a byte, as failures are printed and given back.
//!
//! Strict: anything else is refused. Next door: the program `fuzz`.

use std::fmt::Write;

/// The text of an input.
#[must_use]
pub fn print(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The input of a text; `None` if it is not hexadecimal.
#[must_use]
pub fn parse(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let byte = |pair: &[u8; 2]| Some(digit(pair[0])? << 4 | digit(pair[1])?);
    pairs.iter().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_come_back() {
        let input: Vec<u8> = (0..=255).collect();
        assert_eq!(parse(&print(&input)), Some(input));
        assert_eq!((parse("0"), parse("0g")), (None, None));
    }
}
