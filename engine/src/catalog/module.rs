//! `Module`: the text of a `.proto`, what was made of it when it was installed, and the tables it stands on.
//!
//! The catalog keeps it and looks into neither text nor plan: recovery needs no compiler. Next door: `crate::module`,
//! which reads them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tailwater_proto::ColumnId;

use super::{ObjectId, ObjectName};

/// A module.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Module {
    /// Its number.
    pub id: ObjectId,
    /// Its name. Modules have a namespace of their own: a table may be called the same.
    pub name: ObjectName,
    /// The name of its file.
    pub root: String,
    /// The texts of its file and of those that it imports, by name.
    pub files: BTreeMap<String, String>,
    /// What was made of it, as JSON: how its methods behave does not change when the rules of inference do.
    pub plan: String,
    /// The tables and views that its messages are rows of.
    pub relations: Vec<ModuleRelation>,
    /// The statement that made it, as users see it.
    pub sql: String,
}

/// A table or view that a message of a module is a row of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModuleRelation {
    /// Which.
    pub relation: ObjectId,
    /// The columns that fields stand for.
    pub columns: Vec<ColumnId>,
}

impl Module {
    /// What of a relation it stands on.
    #[must_use]
    pub fn stands_on(&self, relation: ObjectId) -> Option<&ModuleRelation> {
        self.relations.iter().find(|used| used.relation == relation)
    }
}
