//! Resume tokens: any text is one token or refused; a token that was read prints as the very text it was read from.
//!
//! Next door: `capture::token`.

use tailwater_capture::{Token, TokenError};
use tailwater_proto::Lsn;

use crate::choices::Choices;
use crate::memory;
use crate::rng::Rng;

/// Longest principal here: a token's text is bounded at 8 KiB, which this stays far below.
const PRINCIPAL_BYTES_MAX: usize = 100;

/// Reads the input, then prints the token it describes.
///
/// # Panics
/// If a token or its text do not come back, or a damaged one is taken.
pub fn run(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    if let Ok(token) = memory::bounded(|| text.parse::<Token>()) {
        assert_eq!(token.to_string(), text);
    }
    let choices = &mut Choices::new(input);
    let token = token(choices);
    let text = token.to_string();
    assert_eq!(text.parse(), Ok(token));
    let place = choices.word() as usize % text.len();
    let mut damaged = text.into_bytes();
    damaged[place] = if damaged[place] == b'A' { b'B' } else { b'A' };
    let damaged = String::from_utf8_lossy(&damaged).into_owned();
    assert_eq!(
        damaged.parse::<Token>(),
        Err(TokenError::Damaged),
        "{damaged}"
    );
}

fn token(choices: &mut Choices<'_>) -> Token {
    Token {
        database_id: std::array::from_fn(|_| choices.byte()),
        epoch: choices.word() as u32,
        lsn: Lsn(choices.word()),
        selection: choices.word(),
        schema_version: choices.word() as u32,
        policy_version: choices.word(),
        principal: String::from_utf8_lossy(choices.bytes(PRINCIPAL_BYTES_MAX)).into(),
    }
}

/// The text of a token.
pub fn generate(rng: &mut Rng) -> Vec<u8> {
    token(&mut Choices::new(&rng.bytes(160)))
        .to_string()
        .into_bytes()
}
