//! `Relation`: a table, a view or a materialised view, with its columns; `Sequence`.

use serde::{Deserialize, Serialize};
use tailwater_proto::{ColumnId, EcoString, SqlType, StorageId};
use tailwater_views::plan::SortKey;
use tailwater_views::{Dataflow, Expr};

use super::{ObjectId, ObjectName};

/// What a relation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RelationKind {
    /// Rows written by users.
    Table,
    /// A named query, read anew each time.
    View,
    /// A query kept up to date by commits.
    MaterializedView,
}

impl RelationKind {
    /// In words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::View => "view",
            Self::MaterializedView => "materialized view",
        }
    }
}

/// A table, a view or a materialised view.
///
/// Its *row layout* is the sequence of its columns, hidden ones included; a `rest` column, if there is one, is last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Relation {
    /// Its number.
    pub id: ObjectId,
    /// Its name.
    pub name: ObjectName,
    /// What it is.
    pub kind: RelationKind,
    /// Where its rows are (unused by plain views).
    pub storage: StorageId,
    /// Grows with each change of its columns; stands in every logged change.
    pub schema_version: u32,
    /// Columns in the row layout's order.
    pub columns: Vec<Column>,
    /// The next column number; numbers are never reused.
    pub next_column: u32,
    /// Primary key: positions in `columns`, or paths below them. Never empty for tables; views have none.
    pub primary_key: Vec<KeyPart>,
    /// CHECK constraints.
    pub checks: Vec<Check>,
    /// The query, for views.
    pub view: Option<ViewDefinition>,
    /// The statement that made it, as users see it.
    pub sql: String,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// Its lasting number within the relation.
    pub id: ColumnId,
    /// Its name.
    pub name: EcoString,
    /// Declared type; `Any` if undeclared.
    pub ty: SqlType,
    /// NOT NULL.
    pub not_null: bool,
    /// DEFAULT, over no columns, already cast to the column's type.
    pub default: Option<Expr>,
    /// Text of DEFAULT.
    pub default_sql: Option<String>,
    /// The sequence DEFAULT draws from (`NEXT VALUE FOR s`); the row id counter for a hidden row id column.
    pub sequence: Option<ObjectId>,
    /// GENERATED … AS IDENTITY: who may give it a value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
    /// Not shown by `*` nor found by name: the row id of a table without a primary key.
    pub hidden: bool,
    /// Declared fields inside a document column: (path below the column, type, NOT NULL).
    pub nested: Vec<NestedField>,
}

/// Who gives an identity column its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Identity {
    /// ALWAYS: its sequence, unless a statement says OVERRIDING SYSTEM VALUE.
    Always,
    /// BY DEFAULT: its sequence, where a statement gives none.
    ByDefault,
}

/// A declared field inside a document column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NestedField {
    /// The way from the column to the field.
    pub path: tailwater_proto::Path,
    /// Declared type; `Any` if undeclared.
    pub ty: SqlType,
    /// NOT NULL.
    pub not_null: bool,
    /// Whether the document that holds the field may have fields that are not declared (`...`).
    pub open: bool,
}

/// One part of a primary key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeyPart {
    /// What is keyed, over the row layout: a column or a path into one.
    pub expr: Expr,
    /// Its text.
    pub text: String,
    /// DESC.
    pub descending: bool,
}

/// A CHECK constraint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// Its name.
    pub name: String,
    /// Over the row layout; must not be FALSE.
    pub expr: Expr,
    /// Its text.
    pub sql: String,
}

/// The query of a view.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ViewDefinition {
    /// The SELECT, as written.
    pub query: String,
    /// The compiled maintenance plan; `None` for plain views.
    pub dataflow: Option<Dataflow>,
    /// Storages of tables and views it reads directly.
    pub sources: Vec<StorageId>,
    /// Objects it reads directly, for dependencies.
    pub depends_on: Vec<ObjectId>,
    /// Storages of operator state.
    pub state: Vec<StorageId>,
    /// Maintenance indexes it uses.
    pub indexes: Vec<ObjectId>,
    /// Default read order (its ORDER BY), over the view's columns.
    pub order: Vec<SortKey>,
    /// `WITH (on_error = 'reject')`: a row error refuses the write.
    pub reject_errors: bool,
}

impl Relation {
    /// The column of that name, with its position in the row layout.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<(usize, &Column)> {
        self.columns
            .iter()
            .enumerate()
            .find(|(_, column)| column.name == name && !column.hidden && !column.is_rest())
    }

    /// The position of the column that takes undeclared fields, if the relation is schemaless or partial.
    #[must_use]
    pub fn rest(&self) -> Option<usize> {
        self.columns.iter().position(Column::is_rest)
    }

    /// Whether users write into it.
    #[must_use]
    pub const fn is_table(&self) -> bool {
        matches!(self.kind, RelationKind::Table)
    }

    /// Column numbers in the row layout's order.
    #[must_use]
    pub fn layout(&self) -> Vec<ColumnId> {
        self.columns.iter().map(|column| column.id).collect()
    }

    /// Whether it is in every database, like `tailwater.view_errors`.
    #[must_use]
    pub fn is_builtin(&self) -> bool {
        self.storage < super::system_storage::FIRST_USER
    }

    /// Storages of operator state, if it is a materialised view.
    pub fn state_storages(&self) -> impl Iterator<Item = StorageId> {
        self.view.iter().flat_map(|view| view.state.iter().copied())
    }

    /// The storages whose changes change it, if it is a materialised view.
    #[must_use]
    pub fn maintained_from(&self) -> &[StorageId] {
        match (&self.kind, &self.view) {
            (RelationKind::MaterializedView, Some(view)) => &view.sources,
            _ => &[],
        }
    }

    /// Whether the table's key is a hidden row id.
    #[must_use]
    pub fn row_id(&self) -> Option<usize> {
        self.columns.iter().position(|column| column.hidden)
    }
}

impl Column {
    /// Whether it takes the fields that have no column of their own.
    #[must_use]
    pub fn is_rest(&self) -> bool {
        self.id == ColumnId::REST
    }
}

/// A sequence of integers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sequence {
    /// Its number.
    pub id: ObjectId,
    /// Its name.
    pub name: ObjectName,
    /// Step, not 0.
    pub increment: i64,
    /// Least value.
    pub min: i64,
    /// Greatest value.
    pub max: i64,
    /// First value.
    pub start: i64,
    /// Whether it begins again at the other end.
    pub cycle: bool,
    /// The table it belongs to and is dropped with.
    pub owner: Option<ObjectId>,
    /// The statement that made it, as users see it.
    pub sql: String,
}
