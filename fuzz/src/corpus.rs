//! Inputs that others have found worth keeping: files of SQL texts, one JSON object a line with the text as `latin1`.
//!
//! The suites stand beside the repository or where `TAILWATER_SUITES` says; without them there is no corpus. It never
//! writes. Next door: `campaign`.

use std::path::{Path, PathBuf};

use tailwater_proto::parse_json;

/// The folder of the suites: what the environment says, else `shared/suites` beside the repository.
#[must_use]
pub fn suites() -> PathBuf {
    std::env::var_os("TAILWATER_SUITES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/suites"),
        PathBuf::from,
    )
}

/// The SQL texts of the suite `sql-fuzz`, in order; none if it is not there.
#[must_use]
pub fn sql() -> Vec<Vec<u8>> {
    let file = suites().join("sql-fuzz/sqlite_seeds_2000.jsonl");
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines().filter_map(sql_of_line).collect()
}

fn sql_of_line(line: &str) -> Option<Vec<u8>> {
    let object = parse_json(line).ok()?;
    let text = object.as_document()?.get("latin1")?.as_text()?;
    Some(text.as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_are_no_objects_are_passed_over() {
        assert_eq!(
            sql_of_line(r#"{"latin1": "SELECT 1"}"#),
            Some(b"SELECT 1".to_vec())
        );
        assert_eq!(sql_of_line("SELECT 1"), None);
    }
}
