//! Numbers and truth values as text, until the text forms of all types are read by `tailwater_proto`.

use tailwater_proto::{SqlType, TextError, Value, sqlstate};

pub(crate) fn parse_text(text: &str, ty: &SqlType) -> Result<Value, TextError> {
    let trimmed = text.trim();
    let value = match ty {
        SqlType::Bool => match trimmed.to_ascii_lowercase().as_str() {
            "t" | "true" | "y" | "yes" | "on" | "1" => Some(Value::Bool(true)),
            "f" | "false" | "n" | "no" | "off" | "0" => Some(Value::Bool(false)),
            _ => None,
        },
        SqlType::Int2 | SqlType::Int4 | SqlType::Int8 => trimmed.parse().ok().map(Value::Int),
        SqlType::Double => trimmed.parse().ok().map(Value::Double),
        SqlType::Real => trimmed.parse().ok().map(Value::Real),
        SqlType::Numeric(_) => trimmed.parse().ok().map(Value::numeric),
        _ => {
            return Err(TextError::new(
                sqlstate::FEATURE_NOT_SUPPORTED,
                format!("text cannot be read as {ty} yet"),
            ));
        }
    };
    value.ok_or_else(|| {
        TextError::new(
            sqlstate::INVALID_TEXT_REPRESENTATION,
            format!("invalid input syntax for type {ty}: \"{text}\""),
        )
    })
}

pub(crate) fn to_text(value: &Value, _: &SqlType) -> String {
    match value {
        Value::Int(n) => n.to_string(),
        Value::Double(x) => x.to_string(),
        Value::Real(x) => x.to_string(),
        Value::Numeric(n) => n.to_plain_string(),
        other => format!("{other:?}"),
    }
}

pub(crate) mod json {
    use super::*;

    pub(crate) fn to_json(value: &Value) -> String {
        to_text(value, &SqlType::Any)
    }

    pub(crate) fn from_json(text: &str) -> Result<Value, TextError> {
        parse_text(text, &SqlType::Json)
    }
}
