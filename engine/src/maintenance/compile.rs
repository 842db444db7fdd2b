//! From the plan of a materialised view to its dataflow: the operators are chosen by `views`, storages and indexes are
//! given out here. Indexes that joins need and nobody has made yet are made for maintenance and shared between views.

use std::collections::BTreeSet;

use tailwater_proto::{ColumnId, StorageId};
use tailwater_views::compile::{
    ArrangementFound, StorageAllocator, Unsupported, compile as compile_plan,
};
use tailwater_views::dataflow::KeyPart;
use tailwater_views::plan::IndexAccess;
use tailwater_views::{Dataflow, Expr, Plan};

use crate::catalog::{Catalog, Index, IndexPart, Object, ObjectId, ObjectName, Relation};

/// A compiled view.
pub(crate) struct Compiled {
    /// The maintenance plan.
    pub(crate) dataflow: Dataflow,
    /// Storages of operator state.
    pub(crate) state: Vec<StorageId>,
    /// Indexes to be made.
    pub(crate) indexes: Vec<Index>,
    /// All indexes joins go through, new and old.
    pub(crate) used_indexes: Vec<ObjectId>,
}

/// Compiles the plan of a view. Numbers are drawn from `catalog`, which is the caller's copy.
///
/// # Errors
/// The first construct that cannot be maintained, as the plan has it.
pub(crate) fn compile(catalog: &mut Catalog, plan: &Plan) -> Result<Compiled, Unsupported> {
    let mut allocator = Allocator {
        catalog,
        state: Vec::new(),
        indexes: Vec::new(),
        used: BTreeSet::new(),
    };
    let dataflow = compile_plan(plan, &mut allocator)?;
    Ok(Compiled {
        dataflow,
        state: allocator.state,
        indexes: allocator.indexes,
        used_indexes: allocator.used.into_iter().collect(),
    })
}

struct Allocator<'c> {
    catalog: &'c mut Catalog,
    state: Vec<StorageId>,
    indexes: Vec<Index>,
    used: BTreeSet<ObjectId>,
}

impl StorageAllocator for Allocator<'_> {
    fn allocate(&mut self) -> StorageId {
        let storage = StorageId(self.catalog.allocate());
        self.state.push(storage);
        storage
    }

    fn arrangement(&mut self, source: StorageId, columns: &[ColumnId]) -> Option<ArrangementFound> {
        let relation = std::sync::Arc::clone(self.catalog.relation_of_storage(source)?);
        let primary = leading(
            relation
                .primary_key
                .iter()
                .map(|part| (&part.expr, part.descending)),
            &relation,
            columns,
        );
        if primary.len() == columns.len() {
            return Some(ArrangementFound::Primary { prefix: primary });
        }
        let found = self
            .catalog
            .indexes_of(relation.id)
            .map(|index| {
                let parts = index.parts.iter().map(|part| (&part.expr, part.descending));
                ((**index).clone(), leading(parts, &relation, columns))
            })
            .find(|(_, prefix)| prefix.len() == columns.len());
        let (index, prefix) = match found {
            Some(found) => found,
            None => self.maintenance_index(&relation, columns)?,
        };
        self.used.insert(index.id);
        Some(ArrangementFound::Index {
            index: IndexAccess {
                storage: index.storage,
                parts: index.parts.len(),
            },
            descending: index.parts.iter().map(|part| part.descending).collect(),
            prefix,
        })
    }
}

/// Which of the asked columns the leading parts of a key are, until the first part that is none of them.
fn leading<'k>(
    parts: impl Iterator<Item = (&'k Expr, bool)>,
    relation: &Relation,
    columns: &[ColumnId],
) -> Vec<KeyPart> {
    let mut prefix: Vec<KeyPart> = Vec::new();
    for (expr, descending) in parts {
        let Expr::Column(position) = expr else { break };
        let id = relation.columns.get(*position).map(|column| column.id);
        let Some(key) = columns.iter().position(|column| Some(*column) == id) else {
            break;
        };
        if prefix.iter().any(|part| part.key == key) {
            break;
        }
        prefix.push(KeyPart { key, descending });
    }
    prefix
}

impl Allocator<'_> {
    /// A new index on exactly these columns, used by joins and free for queries too.
    fn maintenance_index(
        &mut self,
        relation: &Relation,
        columns: &[ColumnId],
    ) -> Option<(Index, Vec<KeyPart>)> {
        let mut parts = Vec::with_capacity(columns.len());
        for id in columns {
            let position = relation
                .columns
                .iter()
                .position(|column| column.id == *id)?;
            let text = relation.columns.get(position)?.name.to_string();
            parts.push(IndexPart {
                expr: Expr::Column(position),
                text,
                descending: false,
            });
        }
        let id = ObjectId(self.catalog.allocate());
        let storage = StorageId(self.catalog.allocate());
        let names: Vec<&str> = parts.iter().map(|part| part.text.as_str()).collect();
        let index = Index {
            id,
            name: ObjectName::in_schema(
                "tailwater",
                format!("{}_{}_{}", relation.name.name, names.join("_"), id.0),
            ),
            relation: relation.id,
            storage,
            unique: false,
            for_maintenance: true,
            parts,
            sql: String::new(),
        };
        self.catalog.put(Object::Index(index.clone().into()));
        self.indexes.push(index.clone());
        let prefix = (0..columns.len())
            .map(|key| KeyPart {
                key,
                descending: false,
            })
            .collect();
        Some((index, prefix))
    }
}
