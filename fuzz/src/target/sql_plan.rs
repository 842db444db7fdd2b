//! Planning: each stage of any statement that binds can be shown, and showing it changes nothing.
//!
//! What the plans are is not judged here. Next door: `engine::optimizer`, `sql_parse` for the step before.

use tailwater::internals::sql::parse_script;
use tailwater::{Database, Rows};

use super::sql_execute::{SCHEMA, settings};
use crate::choices::Choices;
use crate::rng::Rng;
use crate::{memory, sql_text};

/// Statements of one script that are planned.
const STATEMENTS_MAX: usize = 20;

/// Explains every statement of the input.
///
/// # Panics
/// If planning panics, has no code for its refusal, or leaves a trace.
pub fn run(input: &[u8]) {
    let script = String::from_utf8_lossy(input);
    let Ok(statements) = parse_script(&script) else {
        return;
    };
    let builder = Database::builder()
        .settings(settings())
        .without_background();
    let db = builder.memory().expect("memory is enough");
    db.exec(SCHEMA, ()).expect("the schema is right");
    let before = db.visible_lsn();
    for parsed in statements.iter().take(STATEMENTS_MAX) {
        let text = script.get(parsed.text_range.clone()).unwrap_or_default();
        // What explains already would be asked to explain itself, or to run.
        if text
            .trim_start()
            .get(..7)
            .is_some_and(|word| word.eq_ignore_ascii_case("explain"))
        {
            continue;
        }
        let explained = memory::bounded(|| {
            let rows = db.query(&format!("EXPLAIN {text}"), ());
            rows.and_then(Rows::collect_rows)
        });
        if let Err(error) = explained {
            let code = error.sqlstate();
            assert!(
                code.len() == 5 && !code.starts_with("XX"),
                "{error}: {text}"
            );
        }
    }
    assert_eq!(db.visible_lsn(), before, "a plan was carried out");
}

/// A script.
pub fn generate(rng: &mut Rng) -> Vec<u8> {
    sql_text::script(&mut Choices::new(&rng.bytes(300))).into_bytes()
}
