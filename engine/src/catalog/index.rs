//! `Index`: an ordered set of (indexed values, primary key) kept beside a table or view.

use serde::{Deserialize, Serialize};
use tailwater_proto::StorageId;
use tailwater_views::Expr;

use super::{ObjectId, ObjectName};

/// An index of a table or materialised view.
///
/// An entry's key is the encoded parts followed by the row's primary key; it has no value. Entries are logged as
/// state, so recovery puts them back without evaluating anything.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Index {
    /// Its number.
    pub id: ObjectId,
    /// Its name.
    pub name: ObjectName,
    /// The table or view it belongs to.
    pub relation: ObjectId,
    /// Where its entries are.
    pub storage: StorageId,
    /// Whether two rows may not agree in all parts (rows with a NULL part never agree).
    pub unique: bool,
    /// Made for maintaining views, not by a user: shared between views, dropped with the last one.
    pub for_maintenance: bool,
    /// The parts, the first weighs most.
    pub parts: Vec<IndexPart>,
    /// The statement that made it, as users see it; empty for constraints and maintenance.
    pub sql: String,
}

/// One part of an index.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IndexPart {
    /// What is indexed, over the relation's row layout: a column or a path into one.
    pub expr: Expr,
    /// Its text, for messages and EXPLAIN: `a.b[0]`.
    pub text: String,
    /// DESC.
    pub descending: bool,
}
