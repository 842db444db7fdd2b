//! Names as SQL text: bare where that is safe, quoted where it is not.

use tailwater::internals::sql::keywords::is_reserved;

/// A name as it can stand in a statement.
pub(crate) fn quoted(name: &str) -> String {
    let is_plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && !is_reserved(name);
    if is_plain {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

/// A name with its schema, which is left out if it is the default one.
pub(crate) fn qualified(schema: &str, name: &str) -> String {
    match schema {
        "public" => quoted(name),
        schema => format!("{}.{}", quoted(schema), quoted(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_where_they_must_be() {
        assert_eq!(quoted("user"), "user");
        assert_eq!(quoted("Order Line"), "\"Order Line\"");
        assert_eq!(quoted("select"), "\"select\"");
        assert_eq!(quoted("a\"b"), "\"a\"\"b\"");
        assert_eq!(qualified("public", "t"), "t");
        assert_eq!(qualified("S", "t"), "\"S\".t");
    }
}
