//! Relations that exist in every database without a catalog row of their own.

use tailwater_proto::{ColumnId, SqlType, StorageId};
use tailwater_views::Expr;

use super::{Column, KeyPart, ObjectId, ObjectName, Relation, RelationKind, system_storage};

/// Columns of `tailwater.view_errors`. Persisted, never renumber.
const VIEW_ERRORS: [(&str, SqlType); 5] = [
    ("view", SqlType::Text),
    ("operator", SqlType::Int4),
    ("input_key", SqlType::Bytea),
    ("sqlstate", SqlType::Text),
    ("message", SqlType::Text),
];

/// Columns of `tailwater.requests`. Persisted, never renumber.
const REQUESTS: [(&str, SqlType); 6] = [
    ("key", SqlType::Text),
    ("method", SqlType::Text),
    ("message", SqlType::Int8),
    ("at", SqlType::TimestampTz),
    ("rows", SqlType::Int8),
    ("answer", SqlType::Bytea),
];

/// Rows that views could not make; the engine writes them.
pub(super) fn view_errors() -> Relation {
    relation(
        system_storage::VIEW_ERRORS,
        "view_errors",
        RelationKind::MaterializedView,
        &VIEW_ERRORS,
    )
}

/// Calls that were made under a key: a table that users may read, and delete from.
pub(super) fn requests() -> Relation {
    let mut requests = relation(
        system_storage::REQUESTS,
        "requests",
        RelationKind::Table,
        &REQUESTS,
    );
    requests.primary_key = vec![KeyPart {
        expr: Expr::Column(0),
        text: "key".to_owned(),
        descending: false,
    }];
    if let Some(answer) = requests.columns.last_mut() {
        answer.not_null = false;
    }
    requests
}

fn relation(
    storage: StorageId,
    name: &str,
    kind: RelationKind,
    columns: &[(&str, SqlType)],
) -> Relation {
    Relation {
        id: ObjectId(storage.0),
        name: ObjectName::in_schema("tailwater", name),
        kind,
        storage,
        schema_version: 0,
        columns: columns
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
        next_column: 32,
        primary_key: Vec::new(),
        checks: Vec::new(),
        view: None,
        sql: String::new(),
    }
}
