//! Which types a field may change to: where every value that was written stays what it was.
//!
//! After Protobuf's own rules for updating messages, without those that lose values. Next door: `evolve`.

use super::name::quoted;
use super::plan::ColumnPlan;

/// What becomes of the values of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Nothing.
    None,
    /// The same in a wider type.
    Widen,
    /// The same, told in another way.
    Cast,
    /// Each becomes an array of itself.
    Wrap,
}

/// Kinds that may become others, with the same bytes on the wire.
const WIDENED: [(&str, &str, Change); 4] = [
    ("int32", "int64", Change::Widen),
    ("uint32", "uint64", Change::Widen),
    ("sint32", "sint64", Change::Widen),
    ("string", "bytes", Change::Cast),
];

/// What a column goes through; `None` if its field cannot become that.
pub(super) fn change(old: &ColumnPlan, new: &ColumnPlan) -> Option<Change> {
    let said = |column: &ColumnPlan| column.sql_type.clone();
    if old.kind == new.kind {
        return Some(match said(old) == said(new) {
            true => Change::None,
            // An option says another type: SQL's cast tells whether the values can be it.
            false => Change::Cast,
        });
    }
    // What has a name of its own may change it, and what an enum or message is made of; what it is here stays.
    let is_named = |kind: &str| kind.contains('.') || kind.starts_with(char::is_uppercase);
    if is_named(&old.kind) && is_named(&new.kind) && old.sql_type == new.sql_type {
        return Some(Change::None);
    }
    if new.kind == format!("repeated {}", old.kind) && new.sql_type == format!("{}[]", old.sql_type)
    {
        return Some(Change::Wrap);
    }
    let both = |(from, to, _): &&(&str, &str, Change)| {
        let (from_many, to_many) = (format!("repeated {from}"), format!("repeated {to}"));
        old.kind == *from && new.kind == *to || old.kind == from_many && new.kind == to_many
    };
    WIDENED.iter().find(both).map(|(_, _, change)| *change)
}

/// The statements that make arrays of the values of a column. One that was not set becomes an empty one.
pub(super) fn wrapped(table: &str, old: &ColumnPlan, new: &ColumnPlan) -> Vec<String> {
    let between = quoted(&format!("tailwater_{}", new.field_number));
    let (table, name) = (quoted(table), quoted(&new.name));
    let is_unset = match (&old.default, old.is_nullable) {
        (Some(zero), false) if !old.has_own_default => format!("{name} = {zero}"),
        _ => format!("{name} IS NULL"),
    };
    let mut column = new.clone();
    column.name = format!("tailwater_{}", new.field_number);
    vec![
        format!("ALTER TABLE {table} ADD COLUMN {};\n", column.sql()),
        format!("UPDATE {table} SET {between} = ARRAY[{name}] WHERE NOT ({is_unset});\n"),
        format!("ALTER TABLE {table} DROP COLUMN {name};\n"),
        format!("ALTER TABLE {table} RENAME COLUMN {between} TO {name};\n"),
    ]
}
