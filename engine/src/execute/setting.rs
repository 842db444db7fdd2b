//! SET: settings that would change what statements answer must keep the value we have; others are accepted and do
//! nothing, because drivers and dumps set many of them for products that need them.

use sqlparser::ast::{Expr, Value};
use tailwater_proto::sqlstate;

use crate::error::{Error, Result};
use crate::sql::statement::Set;

/// A setting whose value shows in answers, and the values that say what we do anyway, in lower case.
const FIXED: &[(&str, &[&str])] = &[
    (
        "timezone",
        &[
            "utc",
            "gmt",
            "z",
            "zulu",
            "universal",
            "etc/utc",
            "etc/gmt",
            "0",
            "local",
        ],
    ),
    (
        "datestyle",
        &["iso", "mdy", "us", "iso, mdy", "iso, us", "iso,mdy"],
    ),
    ("intervalstyle", &["postgres"]),
    ("bytea_output", &["hex"]),
    ("standard_conforming_strings", &["on", "true", "1"]),
    ("extra_float_digits", &["1", "2", "3"]),
    ("default_transaction_read_only", &["off", "false", "0"]),
    ("statement_timeout", &["0"]),
];

/// Whether a setting may have the values it is given.
///
/// # Errors
/// When the values would change what statements answer: better none than another answer than was asked for.
pub(crate) fn check(set: &Set) -> Result<()> {
    let Some((_, ours)) = FIXED.iter().find(|(name, _)| *name == set.name) else {
        return Ok(());
    };
    for value in &set.values {
        let text = text(value);
        if !ours.contains(&text.to_lowercase().as_str()) {
            return Err(Error::statement(
                sqlstate::FEATURE_NOT_SUPPORTED,
                format!(
                    "the value {text} of the parameter \"{}\" is not supported",
                    set.name
                ),
            )
            .with_hint(format!("what there is: {}", ours.join(", "))));
        }
    }
    Ok(())
}

/// A word, text or number without its quotes.
fn text(value: &Expr) -> String {
    match value {
        Expr::Identifier(word) => word.value.clone(),
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => text.clone(),
            other => other.to_string(),
        },
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use crate::Database;

    #[test]
    fn what_would_change_answers_is_refused() {
        let db = Database::memory().unwrap();
        for (sql, code) in [
            ("SET timezone TO 'UTC'", None),
            ("SET TIME ZONE 'utc'", None),
            ("SET TIME ZONE DEFAULT", None),
            ("SET TIME ZONE 'Europe/Berlin'", Some("0A000")),
            ("SET timezone = -8", Some("0A000")),
            ("SET datestyle TO ISO, MDY", None),
            ("SET DateStyle = 'ISO, DMY'", Some("0A000")),
            ("SET extra_float_digits = 0", Some("0A000")),
            ("SET extra_float_digits = 3", None),
            ("SET statement_timeout = '2s'", Some("0A000")),
            ("SET enable_seqscan = off", None),
            ("SET application_name = 'x'", None),
        ] {
            let answer = db.exec(sql, ());
            assert_eq!(answer.err().map(|error| error.sqlstate()), code, "{sql}");
        }
    }
}
