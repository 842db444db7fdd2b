//! Values as SQL text that gives the same value back: for `.dump`.
//!
//! A kind that a bare literal does not have is written with a cast; in a column of that type the cast is left out.

use std::fmt::Write;

use tailwater::{SqlType, Value};
use tailwater_proto::{Document, to_json, to_text};

/// Appends a value of a column of a declared type.
pub(crate) fn push_literal(sql: &mut String, value: &Value, ty: &SqlType) {
    match value {
        Value::Null => sql.push_str("NULL"),
        Value::Bool(truth) => sql.push_str(if *truth { "TRUE" } else { "FALSE" }),
        Value::Int(number) => push_display(sql, number),
        Value::Numeric(_) => {
            let text = to_text(value, ty).unwrap_or_default();
            match text.parse::<i64>() {
                // A bare whole number would come back as an integer.
                Ok(_) if *ty == SqlType::Any => push_cast(sql, &text, "numeric"),
                _ if !text.starts_with(|c: char| c.is_ascii_digit() || c == '-') => {
                    push_cast(sql, &text, "numeric");
                }
                _ => sql.push_str(&text),
            }
        }
        Value::Text(text) => push_quoted(sql, text.as_str()),
        Value::Document(document) => push_document(sql, document),
        Value::Array(elements) => {
            let element = match ty {
                SqlType::Array(element) => element,
                _ => &SqlType::Any,
            };
            sql.push('[');
            for (place, inner) in elements.iter().enumerate() {
                sql.push_str(if place > 0 { ", " } else { "" });
                push_literal(sql, inner, element);
            }
            sql.push(']');
        }
        Value::Json(inner) => push_typed(sql, &to_json(inner), "json", *ty == SqlType::Json),
        Value::Real(_) => push_typed(sql, &text_of(value), "real", false),
        Value::Double(_) => push_typed(
            sql,
            &text_of(value),
            "double precision",
            *ty == SqlType::Double,
        ),
        Value::Date(_) => push_typed(sql, &text_of(value), "date", *ty == SqlType::Date),
        Value::Time(_) => push_typed(sql, &text_of(value), "time", *ty == SqlType::Time),
        Value::Timestamp(_) => {
            push_typed(sql, &text_of(value), "timestamp", *ty == SqlType::Timestamp)
        }
        Value::TimestampTz(_) => {
            push_typed(
                sql,
                &text_of(value),
                "timestamptz",
                *ty == SqlType::TimestampTz,
            );
        }
        Value::Interval(_) => {
            push_typed(sql, &text_of(value), "interval", *ty == SqlType::Interval)
        }
        Value::Uuid(_) => push_typed(sql, &text_of(value), "uuid", *ty == SqlType::Uuid),
        Value::Bytes(_) => push_typed(sql, &text_of(value), "bytea", *ty == SqlType::Bytea),
    }
}

/// Appends a document literal.
pub(crate) fn push_document(sql: &mut String, document: &Document) {
    sql.push('{');
    for (place, (name, value)) in document.iter().enumerate() {
        sql.push_str(if place > 0 { ", " } else { "" });
        let _ = write!(sql, "\"{}\": ", name.as_str().replace('"', "\"\""));
        push_literal(sql, value, &SqlType::Any);
    }
    sql.push('}');
}

fn text_of(value: &Value) -> String {
    to_text(value, &SqlType::Any).unwrap_or_default()
}

fn push_display(sql: &mut String, value: impl std::fmt::Display) {
    // Writing to a String does not fail.
    let _ = write!(sql, "{value}");
}

fn push_quoted(sql: &mut String, text: &str) {
    sql.push('\'');
    sql.push_str(&text.replace('\'', "''"));
    sql.push('\'');
}

/// A quoted text, with its type unless the column says it.
fn push_typed(sql: &mut String, text: &str, ty: &str, is_known: bool) {
    match is_known {
        true => push_quoted(sql, text),
        false => push_cast(sql, text, ty),
    }
}

fn push_cast(sql: &mut String, text: &str, ty: &str) {
    sql.push_str("CAST(");
    push_quoted(sql, text);
    let _ = write!(sql, " AS {ty})");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_without_a_literal_are_cast() {
        let document = Document::from_iter([
            ("a b".into(), Value::Int(1)),
            (
                "x".into(),
                Value::array(vec![Value::Double(1.5), Value::text("it's")]),
            ),
        ]);
        let mut sql = String::new();
        push_document(&mut sql, &document);
        assert_eq!(
            sql,
            "{\"a b\": 1, \"x\": [CAST('1.5' AS double precision), 'it''s']}"
        );
        let mut sql = String::new();
        push_literal(&mut sql, &Value::Date(0), &SqlType::Date);
        assert_eq!(sql, "'1970-01-01'");
    }
}
