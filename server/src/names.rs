//! Names as SQL text: bare where that is safe, quoted where it is not.

pub(crate) use tailwater::internals::sql::keywords::quoted;

/// A name with its schema, which is left out if it is the default one.
pub(crate) fn qualified(schema: &str, name: &str) -> String {
    match schema {
        "public" => quoted(name),
        schema => format!("{}.{}", quoted(schema), quoted(name)),
    }
}

/// A module's name, which may have several words with dots between them.
pub(crate) fn module(name: &str) -> String {
    let words: Vec<String> = name.split('.').map(quoted).collect();
    words.join(".")
}

/// The statement that lists the names of modules.
pub(crate) const LIST_MODULES: &str =
    "SELECT name FROM tailwater.objects WHERE kind = 'module' ORDER BY name";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_schema_is_left_out() {
        assert_eq!(qualified("public", "t"), "t");
        assert_eq!(qualified("S", "t"), "\"S\".t");
    }
}
