//! Names: folding as SQL folds them, objects of the catalog, and "did you mean". Knows no types.

use sqlparser::ast::{Ident, ObjectName as SqlName, ObjectNamePart};
use tailwater_proto::EcoString;

use crate::catalog::{Catalog, ObjectName, Relation};

/// A name as it is compared: lower case unless quoted.
pub fn fold(ident: &Ident) -> EcoString {
    if ident.quote_style.is_some() {
        EcoString::from(ident.value.as_str())
    } else {
        EcoString::from(ident.value.to_lowercase())
    }
}

/// The parts of a dotted name, folded.
pub fn fold_parts(name: &SqlName) -> Vec<EcoString> {
    name.0
        .iter()
        .map(|part| match part {
            ObjectNamePart::Identifier(ident) => fold(ident),
            other => EcoString::from(other.to_string()),
        })
        .collect()
}

/// The catalog's name for `name` or `schema.name`; parts before those are the database's and are left out.
pub fn object_name(name: &SqlName) -> ObjectName {
    let parts = fold_parts(name);
    match parts.as_slice() {
        [.., schema, name] => ObjectName::in_schema(schema.as_str(), name.as_str()),
        [name] => ObjectName::new(name.as_str()),
        [] => ObjectName::new(""),
    }
}

/// The catalog's name for a module: its words with the dots between them, like the package that it is of.
pub fn module_name(name: &SqlName) -> ObjectName {
    ObjectName::new(fold_parts(name).join("."))
}

/// The candidate nearest to `name`, if it is near enough to be meant.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (name.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .filter(|candidate| !candidate.is_empty() && *candidate != name)
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Edits between two names, of which only the first 64 characters count.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().take(64).flat_map(char::to_lowercase).collect();
    let b: Vec<char> = b.chars().take(64).flat_map(char::to_lowercase).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (to, cell) in b.iter().zip(row.iter_mut().skip(1)) {
            let above = *cell;
            left = (left + 1)
                .min(above + 1)
                .min(diagonal + usize::from(from != to));
            diagonal = above;
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

/// A relation whose name is near.
pub fn nearest_relation(catalog: &Catalog, name: &ObjectName) -> Option<String> {
    let names: Vec<&Relation> = catalog.relations().map(|relation| &**relation).collect();
    nearest(
        &name.name,
        names.iter().map(|relation| relation.name.name.as_str()),
    )
    .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted() {
        for (a, b, edits) in [
            ("", "", 0),
            ("abc", "", 3),
            ("chat", "chats", 1),
            ("user_id", "usr_id", 1),
            ("kitten", "sitting", 3),
            ("Ünal", "ünal", 0),
        ] {
            assert_eq!(distance(a, b), edits, "{a} {b}");
            assert_eq!(distance(b, a), edits, "{b} {a}");
        }
        assert_eq!(nearest("custmer", ["order", "customer"]), Some("customer"));
        assert_eq!(nearest("x", ["order", "customer"]), None);
    }
}
