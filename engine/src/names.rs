//! Names given as plain text by the API (not inside a statement) into names of objects.

use tailwater_proto::sqlstate;

use crate::catalog::{Catalog, ObjectName};
use crate::error::{Error, Result};

/// The object a text names: `t`, `schema.t`, `"Quoted"`; as it stands if there is one of exactly that name.
///
/// # Errors
/// `42601` for a text that is no name.
pub(crate) fn resolve(catalog: &Catalog, text: &str) -> Result<ObjectName> {
    let exact = ObjectName::new(text);
    if catalog.find(&exact).is_some() {
        return Ok(exact);
    }
    let mut parts = Vec::new();
    let mut rest = text.trim();
    loop {
        let (part, after) = if let Some(quoted) = rest.strip_prefix('"') {
            let end = quoted.find('"').ok_or_else(|| no_name(text))?;
            (
                quoted.get(..end).unwrap_or_default().to_owned(),
                quoted.get(end + 1..).unwrap_or_default(),
            )
        } else {
            let end = rest.find('.').unwrap_or(rest.len());
            (
                rest.get(..end).unwrap_or_default().to_lowercase(),
                rest.get(end..).unwrap_or_default(),
            )
        };
        if part.is_empty() {
            return Err(no_name(text));
        }
        parts.push(part);
        match after.strip_prefix('.') {
            Some(next) => rest = next,
            None if after.is_empty() => break,
            None => return Err(no_name(text)),
        }
    }
    match parts.as_slice() {
        [name] => Ok(ObjectName::new(name.as_str())),
        [schema, name] => Ok(ObjectName::in_schema(schema.as_str(), name.as_str())),
        _ => Err(no_name(text)),
    }
}

fn no_name(text: &str) -> Error {
    Error::statement(
        sqlstate::SYNTAX_ERROR,
        format!("\"{text}\" is not the name of a table or view"),
    )
    .with_hint("write name, schema.name or \"Quoted Name\"")
}
