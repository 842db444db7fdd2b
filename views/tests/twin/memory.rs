//! Storages in memory, as operators see them: both images around a commit, and one image for SELECT.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use tailwater_proto::{Direction, Key, KeyRange, StorageId};
use tailwater_views::store::Visit;
use tailwater_views::{Cursor, Image, Reader, Result, StateStore};

pub(crate) type Rows = BTreeMap<Key, Arc<[u8]>>;

/// One image of every storage.
#[derive(Clone, Debug, Default)]
pub(crate) struct Storages(pub(crate) BTreeMap<StorageId, Rows>);

impl Storages {
    pub(crate) fn rows(&self, storage: StorageId) -> impl Iterator<Item = (&Key, &Arc<[u8]>)> {
        self.0.get(&storage).into_iter().flatten()
    }

    pub(crate) fn set(&mut self, storage: StorageId, key: Key, bytes: Option<Arc<[u8]>>) {
        let rows = self.0.entry(storage).or_default();
        match bytes {
            Some(bytes) => rows.insert(key, bytes),
            None => rows.remove(&key),
        };
    }

    fn range(&self, storage: StorageId, range: &KeyRange) -> Vec<(Key, Arc<[u8]>)> {
        if range.is_empty() {
            return Vec::new();
        }
        let bounds: (Bound<Key>, Bound<Key>) = (range.lo.clone(), range.hi.clone());
        self.0.get(&storage).map_or_else(Vec::new, |rows| {
            rows.range(bounds)
                .map(|(key, bytes)| (key.clone(), Arc::clone(bytes)))
                .collect()
        })
    }
}

struct Listed(std::vec::IntoIter<(Key, Arc<[u8]>)>);

impl Cursor for Listed {
    fn next(&mut self) -> Result<Option<(Key, Arc<[u8]>)>> {
        Ok(self.0.next())
    }
}

impl Reader for Storages {
    fn get(&self, storage: StorageId, key: &Key) -> Result<Option<Arc<[u8]>>> {
        Ok(self.0.get(&storage).and_then(|rows| rows.get(key)).cloned())
    }

    fn scan(
        &self,
        storage: StorageId,
        range: KeyRange,
        direction: Direction,
    ) -> Result<Box<dyn Cursor>> {
        let mut rows = self.range(storage, &range);
        if direction == Direction::Reverse {
            rows.reverse();
        }
        Ok(Box::new(Listed(rows.into_iter())))
    }
}

/// Both images around a commit.
#[derive(Clone, Debug, Default)]
pub(crate) struct Commit {
    pub(crate) before: Storages,
    pub(crate) after: Storages,
}

impl Commit {
    pub(crate) fn finish(&mut self) {
        self.before = self.after.clone();
    }

    const fn image(&self, image: Image) -> &Storages {
        match image {
            Image::Before => &self.before,
            Image::After => &self.after,
        }
    }
}

impl StateStore for Commit {
    fn get(&self, image: Image, storage: StorageId, key: &Key) -> Result<Option<Arc<[u8]>>> {
        Reader::get(self.image(image), storage, key)
    }

    fn scan(
        &self,
        image: Image,
        storage: StorageId,
        range: KeyRange,
        visit: Visit<'_>,
    ) -> Result<()> {
        for (key, bytes) in self.image(image).range(storage, &range) {
            if !visit(&key, &bytes)? {
                break;
            }
        }
        Ok(())
    }

    fn put(
        &mut self,
        storage: StorageId,
        key: Key,
        before: Option<Arc<[u8]>>,
        after: Option<Arc<[u8]>>,
    ) {
        let held = Reader::get(&self.after, storage, &key).unwrap();
        assert_eq!(held, before, "put over something else at {storage} {key:?}");
        self.after.set(storage, key, after);
    }
}
