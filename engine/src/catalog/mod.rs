//! The catalog: what tables, indexes, views, sequences and modules there are, as plain data.
//!
//! Every object is one row of the catalog storage, so DDL goes through the log like any other write. A `Catalog` is
//! an immutable value: a transaction that changes it works on its own copy, a commit publishes the copy. The catalog
//! knows no SQL text beyond what it shows to users, and imports neither parser nor binder.

mod builtin;
mod codec;
mod index;
mod module;
mod names;
mod relation;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tailwater_proto::StorageId;

pub use self::codec::{decode_object, encode_object, object_key};
pub use self::index::{Index, IndexPart};
pub use self::module::{Module, ModuleRelation};
pub use self::names::ObjectName;
pub use self::relation::{
    Check, Column, Identity, KeyPart, NestedField, Relation, RelationKind, Sequence, ViewDefinition,
};

/// Storages that exist in every database. Persisted, never renumber.
pub mod system_storage {
    use tailwater_proto::StorageId;

    /// One row an object.
    pub const OBJECTS: StorageId = StorageId(1);
    /// Counters of sequences and row ids: object id to the last value given out.
    pub const SEQUENCES: StorageId = StorageId(2);
    /// Row errors of views: (view, node, input key, SQLSTATE).
    pub const VIEW_ERRORS: StorageId = StorageId(3);
    /// Calls made under an idempotency key: `tailwater.requests`.
    pub const REQUESTS: StorageId = StorageId(4);
    /// The first number for objects of users.
    pub const FIRST_USER: StorageId = StorageId(64);
}

/// The lasting number of an object. Never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectId(pub u32);

/// One object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Object {
    /// A table, a view or a materialised view.
    Relation(Arc<Relation>),
    /// An index of a table or materialised view.
    Index(Arc<Index>),
    /// A sequence.
    Sequence(Arc<Sequence>),
    /// A module.
    Module(Arc<Module>),
}

impl Object {
    /// Its number.
    #[must_use]
    pub fn id(&self) -> ObjectId {
        match self {
            Self::Relation(relation) => relation.id,
            Self::Index(index) => index.id,
            Self::Sequence(sequence) => sequence.id,
            Self::Module(module) => module.id,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &ObjectName {
        match self {
            Self::Relation(relation) => &relation.name,
            Self::Index(index) => &index.name,
            Self::Sequence(sequence) => &sequence.name,
            Self::Module(module) => &module.name,
        }
    }

    /// Whether it is in every database, without anybody having made it.
    #[must_use]
    pub fn is_builtin(&self) -> bool {
        match self {
            Self::Relation(relation) => relation.is_builtin(),
            Self::Index(_) | Self::Sequence(_) | Self::Module(_) => false,
        }
    }

    /// What it is, in words.
    #[must_use]
    pub fn kind_name(&self) -> &'static str {
        match self {
            Self::Relation(relation) => relation.kind.name(),
            Self::Index(_) => "index",
            Self::Sequence(_) => "sequence",
            Self::Module(_) => "module",
        }
    }
}

/// All objects at one LSN. Cheap to clone; changed copies share what did not change.
#[derive(Clone, Debug)]
pub struct Catalog {
    version: u64,
    next_id: u32,
    objects: BTreeMap<ObjectId, Object>,
    by_name: BTreeMap<ObjectName, ObjectId>,
    modules: BTreeMap<ObjectName, ObjectId>,
    /// Indexes of each relation, in order of creation.
    indexes: BTreeMap<ObjectId, Vec<ObjectId>>,
    by_storage: BTreeMap<StorageId, ObjectId>,
    /// Materialised views that read a storage directly, in order of creation.
    readers: BTreeMap<StorageId, Vec<ObjectId>>,
}

impl Default for Catalog {
    fn default() -> Self {
        let mut catalog = Self {
            version: 0,
            next_id: system_storage::FIRST_USER.0,
            objects: BTreeMap::new(),
            by_name: BTreeMap::new(),
            modules: BTreeMap::new(),
            indexes: BTreeMap::new(),
            by_storage: BTreeMap::new(),
            readers: BTreeMap::new(),
        };
        catalog.put(Object::Relation(Arc::new(builtin::view_errors())));
        catalog.put(Object::Relation(Arc::new(builtin::requests())));
        catalog
    }
}

impl Catalog {
    /// Grows with each change; plans are cached for one version.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// Takes the place of another one: no plan bound against that is good for this.
    pub fn succeed(&mut self, before: &Self) {
        self.version = self.version.max(before.version + 1);
    }

    /// A number for a new object or storage: both are drawn from one counter.
    pub fn allocate(&mut self) -> u32 {
        let id = self.next_id;
        self.next_id += 1;
        id
    }

    /// The next number that `allocate` would give.
    #[must_use]
    pub const fn next_id(&self) -> u32 {
        self.next_id
    }

    /// Makes sure that no number below `next_id` is given out again.
    pub fn reserve_below(&mut self, next_id: u32) {
        self.next_id = self.next_id.max(next_id);
    }

    /// The object of that name; modules have names of their own.
    #[must_use]
    pub fn find(&self, name: &ObjectName) -> Option<&Object> {
        self.by_name.get(name).and_then(|id| self.objects.get(id))
    }

    /// The object of that number.
    #[must_use]
    pub fn get(&self, id: ObjectId) -> Option<&Object> {
        self.objects.get(&id)
    }

    /// The relation of that name.
    #[must_use]
    pub fn relation(&self, name: &ObjectName) -> Option<&Arc<Relation>> {
        match self.find(name)? {
            Object::Relation(relation) => Some(relation),
            Object::Index(_) | Object::Sequence(_) | Object::Module(_) => None,
        }
    }

    /// The relation whose rows are in that storage.
    #[must_use]
    pub fn relation_of_storage(&self, storage: StorageId) -> Option<&Arc<Relation>> {
        match self
            .by_storage
            .get(&storage)
            .and_then(|id| self.objects.get(id))?
        {
            Object::Relation(relation) => Some(relation),
            Object::Index(_) | Object::Sequence(_) | Object::Module(_) => None,
        }
    }

    /// All storages there are, those of the system included. A storage that is none of them is of an object that is gone.
    #[must_use]
    pub fn storages(&self) -> BTreeSet<StorageId> {
        let mut storages: BTreeSet<StorageId> = [
            system_storage::OBJECTS,
            system_storage::SEQUENCES,
            system_storage::VIEW_ERRORS,
            system_storage::REQUESTS,
        ]
        .into();
        for object in self.objects.values() {
            match object {
                Object::Relation(relation) => {
                    storages.insert(relation.storage);
                    storages.extend(relation.state_storages());
                }
                Object::Index(index) => {
                    storages.insert(index.storage);
                }
                Object::Sequence(_) | Object::Module(_) => {}
            }
        }
        storages
    }

    /// The sequence of that name.
    #[must_use]
    pub fn sequence(&self, name: &ObjectName) -> Option<&Arc<Sequence>> {
        match self.find(name)? {
            Object::Sequence(sequence) => Some(sequence),
            Object::Relation(_) | Object::Index(_) | Object::Module(_) => None,
        }
    }

    /// The indexes of a relation, in order of creation.
    pub fn indexes_of(&self, relation: ObjectId) -> impl Iterator<Item = &Arc<Index>> {
        self.indexes
            .get(&relation)
            .into_iter()
            .flatten()
            .filter_map(|id| match self.objects.get(id)? {
                Object::Index(index) => Some(index),
                Object::Relation(_) | Object::Sequence(_) | Object::Module(_) => None,
            })
    }

    /// All objects in order of creation.
    pub fn objects(&self) -> impl Iterator<Item = &Object> {
        self.objects.values()
    }

    /// All relations in order of creation.
    pub fn relations(&self) -> impl Iterator<Item = &Arc<Relation>> {
        self.objects.values().filter_map(|object| match object {
            Object::Relation(relation) => Some(relation),
            Object::Index(_) | Object::Sequence(_) | Object::Module(_) => None,
        })
    }

    /// The module of that name.
    #[must_use]
    pub fn module(&self, name: &ObjectName) -> Option<&Arc<Module>> {
        match self.objects.get(self.modules.get(name)?)? {
            Object::Module(module) => Some(module),
            Object::Relation(_) | Object::Index(_) | Object::Sequence(_) => None,
        }
    }

    /// All modules in the order of their names.
    pub fn modules(&self) -> impl Iterator<Item = &Arc<Module>> {
        self.modules.keys().filter_map(|name| self.module(name))
    }

    fn names_of(&mut self, object: &Object) -> &mut BTreeMap<ObjectName, ObjectId> {
        match object {
            Object::Module(_) => &mut self.modules,
            Object::Relation(_) | Object::Index(_) | Object::Sequence(_) => &mut self.by_name,
        }
    }

    /// Adds an object, or replaces the one of its number.
    pub fn put(&mut self, object: Object) {
        let id = object.id();
        self.remove(id);
        self.reserve_below(id.0 + 1);
        self.names_of(&object).insert(object.name().clone(), id);
        match &object {
            Object::Relation(relation) => {
                self.by_storage.insert(relation.storage, id);
                for source in relation.maintained_from() {
                    let readers = self.readers.entry(*source).or_default();
                    readers.push(id);
                    readers.sort_unstable();
                }
                self.reserve_below(relation.storage.0 + 1);
                for storage in relation.state_storages() {
                    self.reserve_below(storage.0 + 1);
                }
            }
            Object::Index(index) => {
                let of_relation = self.indexes.entry(index.relation).or_default();
                of_relation.push(id);
                of_relation.sort_unstable();
                self.reserve_below(index.storage.0 + 1);
            }
            Object::Sequence(_) | Object::Module(_) => {}
        }
        self.objects.insert(id, object);
        self.version += 1;
    }

    /// Takes an object out; without one of that number nothing happens.
    pub fn remove(&mut self, id: ObjectId) -> Option<Object> {
        let object = self.objects.remove(&id)?;
        let names = self.names_of(&object);
        if names.get(object.name()) == Some(&id) {
            names.remove(object.name());
        }
        match &object {
            Object::Relation(relation) => {
                self.by_storage.remove(&relation.storage);
                for source in relation.maintained_from() {
                    if let Some(readers) = self.readers.get_mut(source) {
                        readers.retain(|other| *other != id);
                    }
                }
            }
            Object::Index(index) => {
                if let Some(of_relation) = self.indexes.get_mut(&index.relation) {
                    of_relation.retain(|other| *other != id);
                }
            }
            Object::Sequence(_) | Object::Module(_) => {}
        }
        self.version += 1;
        Some(object)
    }

    /// Numbers of the materialised views that read the storage directly, in order of creation: a view is created
    /// after what it reads, so this is an order in which views can be maintained.
    #[must_use]
    pub fn views_reading(&self, storage: StorageId) -> &[ObjectId] {
        self.readers.get(&storage).map_or(&[], Vec::as_slice)
    }
}
