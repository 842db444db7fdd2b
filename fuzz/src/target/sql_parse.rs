//! The parser: any text is statements or an error at a place in it; each statement's text parses alone.
//!
//! Nothing is bound or run. Next door: `sql_execute`, and `engine::sql`.

use tailwater::internals::sql::{complete_prefix, parse_one, parse_script};

use crate::choices::Choices;
use crate::rng::Rng;
use crate::{memory, sql_text};

/// Parses, walks and drops.
///
/// # Panics
/// If a place is outside of the text or between two bytes of a character, or a statement depends on its script.
pub fn run(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let _ = complete_prefix(&text);
    match memory::bounded(|| parse_script(&text)) {
        Ok(statements) => {
            let mut end = 0;
            for parsed in &statements {
                let range = parsed.text_range.clone();
                assert!(end <= range.start && range.start <= range.end, "{range:?}");
                end = range.end;
                let alone = text.get(range).expect("the range is one of the text");
                assert!(!format!("{parsed:?}").is_empty());
                if let Err(error) = parse_one(alone) {
                    panic!("not without its script: {error}: {alone}");
                }
            }
        }
        Err(error) => {
            let place = error.position.expect("errors of the parser have a place");
            assert!(text.is_char_boundary(place), "{place}: {error}");
            assert_eq!(error.sqlstate.len(), 5, "{error}");
            assert!(!error.to_string().is_empty());
        }
    }
}

/// A script.
pub fn generate(rng: &mut Rng) -> Vec<u8> {
    sql_text::script(&mut Choices::new(&rng.bytes(300))).into_bytes()
}
