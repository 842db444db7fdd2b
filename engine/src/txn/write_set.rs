//! `WriteSet`: the row images a transaction has staged, with the way back to each savepoint.
//!
//! Ordered by storage and key, so a commit walks it straight into the record. It never decodes a row.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Bound;
use std::sync::Arc;

use tailwater_proto::record_codec::ChangeRef;
use tailwater_proto::{Key, KeyRange, StorageId};

/// The section of the record a storage's changes belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    /// Tables, catalog.
    Base,
    /// Materialised views and their errors.
    Derived,
    /// Index entries and operator state.
    State,
}

/// One staged row: as it was before the transaction, and as it will be.
#[derive(Clone, Debug)]
pub(crate) struct Staged {
    pub(crate) before: Option<Arc<[u8]>>,
    pub(crate) after: Option<Arc<[u8]>>,
}

impl Staged {
    /// Whether it does not end as it began.
    pub(crate) fn is_changed(&self) -> bool {
        self.before != self.after
    }
}

/// The staged rows of one storage.
#[derive(Clone, Debug)]
pub(crate) struct StagedStorage {
    pub(crate) section: Section,
    pub(crate) schema_version: u32,
    pub(crate) rows: BTreeMap<Key, Staged>,
}

#[derive(Clone, Debug)]
struct Undo {
    storage: StorageId,
    key: Key,
    previous: Option<Staged>,
}

/// Where a storage's changes go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    pub(crate) storage: StorageId,
    pub(crate) section: Section,
    pub(crate) schema_version: u32,
}

/// A key and its row after the commit; `None`: deleted.
type AfterImage = (Key, Option<Arc<[u8]>>);

/// A place in the history of a write set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark(usize);

/// The row images a transaction has staged.
#[derive(Clone, Debug, Default)]
pub(crate) struct WriteSet {
    /// Ascending by id: there are few.
    storages: Vec<(StorageId, StagedStorage)>,
    undo: Option<Vec<Undo>>,
    bytes: u64,
    version: u64,
}

impl WriteSet {
    /// A write set that can go back to marks.
    pub(crate) fn with_marks() -> Self {
        Self {
            undo: Some(Vec::new()),
            ..Self::default()
        }
    }

    /// Whether nothing is staged.
    pub(crate) fn is_empty(&self) -> bool {
        self.storages
            .iter()
            .all(|(_, storage)| storage.rows.is_empty())
    }

    /// Bytes of all images staged.
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Grows with each change: tells whether what was derived from the set is still good.
    pub(crate) const fn version(&self) -> u64 {
        self.version
    }

    /// Stages a row. `before` is the image beneath the transaction; it counts only the first time a key is staged.
    pub(crate) fn put(
        &mut self,
        target: Target,
        key: Key,
        before: Option<Arc<[u8]>>,
        after: Option<Arc<[u8]>>,
    ) {
        self.version += 1;
        let length =
            |image: &Option<Arc<[u8]>>| image.as_ref().map_or(0, |bytes| bytes.len() as u64);
        self.bytes += length(&after) + length(&before) + key.len() as u64;
        let storage = storage_for_write(&mut self.storages, target);
        storage.schema_version = target.schema_version;
        match storage.rows.entry(key) {
            Entry::Vacant(vacant) => {
                if let Some(undo) = &mut self.undo {
                    undo.push(Undo {
                        storage: target.storage,
                        key: vacant.key().clone(),
                        previous: None,
                    });
                }
                vacant.insert(Staged { before, after });
            }
            Entry::Occupied(mut occupied) => {
                if let Some(undo) = &mut self.undo {
                    undo.push(Undo {
                        storage: target.storage,
                        key: occupied.key().clone(),
                        previous: Some(occupied.get().clone()),
                    });
                }
                occupied.get_mut().after = after;
            }
        }
    }

    /// The staged image of a key: `None` if the key is not staged, `Some(None)` if it is staged as deleted.
    pub(crate) fn get(&self, storage: StorageId, key: &Key) -> Option<Option<&Arc<[u8]>>> {
        let rows = &self.storage(storage)?.rows;
        // Keys that ascend are looked for past the end.
        let (last, _) = rows.last_key_value()?;
        if key > last {
            return None;
        }
        let staged = rows.get(key)?;
        Some(staged.after.as_ref())
    }

    /// Whether anything of that storage is staged.
    pub(crate) fn touches(&self, storage: StorageId) -> bool {
        self.storage(storage)
            .is_some_and(|staged| !staged.rows.is_empty())
    }

    /// The first staged key of a range, in ascending order, with its image.
    pub(crate) fn first(&self, storage: StorageId, range: &KeyRange) -> Option<(&Key, &Staged)> {
        self.rows_in(storage, range)?.next()
    }

    /// The last staged key of a range, in ascending order, with its image.
    pub(crate) fn last(&self, storage: StorageId, range: &KeyRange) -> Option<(&Key, &Staged)> {
        self.rows_in(storage, range)?.next_back()
    }

    /// The staged keys of a range, in ascending order.
    pub(crate) fn rows_in(
        &self,
        storage: StorageId,
        range: &KeyRange,
    ) -> Option<impl DoubleEndedIterator<Item = (&Key, &Staged)>> {
        if range.is_empty() {
            return None;
        }
        let rows = &self.storage(storage)?.rows;
        let bounds: (Bound<&[u8]>, Bound<&[u8]>) = (as_slice(&range.lo), as_slice(&range.hi));
        Some(rows.range::<[u8], _>(bounds))
    }

    /// All storages with staged rows, ascending.
    pub(crate) fn storages(&self) -> impl Iterator<Item = (StorageId, &StagedStorage)> {
        self.storages
            .iter()
            .filter(|(_, staged)| !staged.rows.is_empty())
            .map(|(id, s)| (*id, s))
    }

    /// The images after the commit, storage by storage; rows that end as they began are left out.
    pub(crate) fn into_images(
        self,
    ) -> impl Iterator<Item = (StorageId, impl Iterator<Item = AfterImage>)> {
        self.storages.into_iter().map(|(storage, staged)| {
            let changed = staged.rows.into_iter().filter(|(_, row)| row.is_changed());
            (storage, changed.map(|(key, row)| (key, row.after)))
        })
    }

    /// Visits what the set changes in one section of the record, in its order; rows that end as they began are left
    /// out.
    ///
    /// # Errors
    /// What `visit` returns.
    pub(crate) fn for_each_change<E>(
        &self,
        section: Section,
        mut visit: impl FnMut(ChangeRef<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        for (storage, staged) in &self.storages {
            if staged.section != section {
                continue;
            }
            for (key, row) in staged.rows.iter().filter(|(_, row)| row.is_changed()) {
                visit(ChangeRef {
                    storage: *storage,
                    schema_version: staged.schema_version,
                    key,
                    before: row.before.as_deref(),
                    after: row.after.as_deref(),
                })?;
            }
        }
        Ok(())
    }

    /// The staged rows of one storage.
    pub(crate) fn storage(&self, storage: StorageId) -> Option<&StagedStorage> {
        let place = place_of(&self.storages, storage).ok()?;
        self.storages.get(place).map(|(_, staged)| staged)
    }

    /// Nobody goes back any more: what is staged from now on is not noted for it.
    pub(crate) fn forget_marks(&mut self) {
        self.undo = None;
    }

    /// Here and now.
    pub(crate) fn mark(&self) -> Mark {
        Mark(self.undo.as_ref().map_or(0, Vec::len))
    }

    /// Takes back all that was staged after the mark.
    ///
    /// # Panics
    /// If the set was made without marks: the caller's error.
    pub(crate) fn rollback_to(&mut self, mark: Mark) {
        self.version += 1;
        let Some(undo) = &mut self.undo else {
            unreachable!("marks are taken of write sets that keep them");
        };
        while undo.len() > mark.0 {
            let Some(step) = undo.pop() else { break };
            let place = place_of(&self.storages, step.storage).ok();
            let Some((_, storage)) = place.and_then(|place| self.storages.get_mut(place)) else {
                continue;
            };
            match step.previous {
                Some(previous) => {
                    storage.rows.insert(step.key, previous);
                }
                None => {
                    storage.rows.remove(&step.key);
                }
            }
        }
    }
}

fn place_of(storages: &[(StorageId, StagedStorage)], storage: StorageId) -> Result<usize, usize> {
    storages.binary_search_by_key(&storage, |(id, _)| *id)
}

fn storage_for_write(
    storages: &mut Vec<(StorageId, StagedStorage)>,
    target: Target,
) -> &mut StagedStorage {
    let place = place_of(storages, target.storage).unwrap_or_else(|place| {
        let staged = StagedStorage {
            section: target.section,
            schema_version: target.schema_version,
            rows: BTreeMap::new(),
        };
        storages.insert(place, (target.storage, staged));
        place
    });
    match storages.get_mut(place) {
        Some((_, staged)) => staged,
        None => unreachable!("the storage was found or put there"),
    }
}

/// The bound as the map wants it.
fn as_slice(bound: &Bound<Key>) -> Bound<&[u8]> {
    match bound {
        Bound::Included(key) => Bound::Included(key),
        Bound::Excluded(key) => Bound::Excluded(key),
        Bound::Unbounded => Bound::Unbounded,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: Target = Target {
        storage: StorageId(70),
        section: Section::Base,
        schema_version: 1,
    };

    fn bytes(text: &str) -> Option<Arc<[u8]>> {
        Some(Arc::from(text.as_bytes()))
    }

    #[test]
    fn rollback_brings_back_what_stood_at_the_mark() {
        let mut writes = WriteSet::with_marks();
        writes.put(TARGET, Key::from(&b"a"[..]), None, bytes("1"));
        let mark = writes.mark();
        writes.put(TARGET, Key::from(&b"a"[..]), None, None);
        writes.put(TARGET, Key::from(&b"b"[..]), bytes("old"), bytes("2"));
        writes.rollback_to(mark);
        assert_eq!(
            writes.get(StorageId(70), &Key::from(&b"a"[..])),
            Some(bytes("1").as_ref())
        );
        assert_eq!(writes.get(StorageId(70), &Key::from(&b"b"[..])), None);
    }

    #[test]
    fn the_first_before_image_counts() {
        let mut writes = WriteSet::default();
        writes.put(TARGET, Key::from(&b"a"[..]), bytes("0"), bytes("1"));
        writes.put(TARGET, Key::from(&b"a"[..]), bytes("1"), bytes("2"));
        let staged = writes
            .storage(StorageId(70))
            .unwrap()
            .rows
            .values()
            .next()
            .unwrap();
        assert_eq!(
            (staged.before.clone(), staged.after.clone()),
            (bytes("0"), bytes("2"))
        );
    }
}
