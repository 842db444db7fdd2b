//! Relations that exist in every database without a catalog row of their own.

use tailwater_proto::{ColumnId, SqlType};

use super::{Column, ObjectId, ObjectName, Relation, RelationKind, system_storage};

/// Columns of `tailwater.view_errors`. Persisted, never renumber.
const COLUMNS: [(&str, SqlType); 5] = [
    ("view", SqlType::Text),
    ("operator", SqlType::Int4),
    ("input_key", SqlType::Bytea),
    ("sqlstate", SqlType::Text),
    ("message", SqlType::Text),
];

/// The relation users query; it exists in every database.
pub(super) fn view_errors() -> Relation {
    Relation {
        id: ObjectId(system_storage::VIEW_ERRORS.0),
        name: ObjectName::in_schema("tailwater", "view_errors"),
        kind: RelationKind::MaterializedView,
        storage: system_storage::VIEW_ERRORS,
        schema_version: 0,
        columns: COLUMNS
            .iter()
            .zip(1..)
            .map(|((name, ty), id)| Column {
                id: ColumnId(id),
                name: (*name).into(),
                ty: ty.clone(),
                not_null: true,
                default: None,
                default_sql: None,
                sequence: None,
                identity: None,
                hidden: false,
                nested: Vec::new(),
            })
            .collect(),
        next_column: 6,
        primary_key: Vec::new(),
        checks: Vec::new(),
        view: None,
        sql: String::new(),
    }
}
