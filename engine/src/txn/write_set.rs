//! `WriteSet`: the row images a transaction has staged, with the way back to each savepoint.
//!
//! Ordered by storage and key, so a commit walks it straight into the record. It never decodes a row. What goes beyond its
//! bound of memory spills (`spill`): rows in memory hide spilled ones. A failure there latches: [`WriteSet::check`] tells.

use std::iter::Peekable;
use std::ops::Bound;
use std::sync::Arc;

use tailwater_proto::record_codec::ChangeRef;
use tailwater_proto::{Direction, Key, KeyRange, StorageId};

use super::key_map::KeyMap;
use super::spill::{Spill, SpillCursor};
use crate::storage::{Result, ScratchRoom, StorageError};

/// What a staged row takes in memory beside its bytes, with its step back, about.
const ROW_BYTES: u64 = 192;

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

    /// Whether it is as if it never had been staged: there was nothing, and there is nothing.
    pub(super) const fn is_absent(&self) -> bool {
        self.before.is_none() && self.after.is_none()
    }
}

/// The staged rows of one storage.
#[derive(Clone, Debug)]
pub(crate) struct StagedStorage {
    pub(crate) section: Section,
    pub(crate) schema_version: u32,
    pub(crate) rows: KeyMap<Staged>,
}

/// A step back: what was staged of a key.
#[derive(Clone, Debug)]
pub(super) struct Undo {
    pub(super) storage: StorageId,
    pub(super) key: Key,
    pub(super) previous: Option<Staged>,
}

/// Where a storage's changes go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    pub(crate) storage: StorageId,
    pub(crate) section: Section,
    pub(crate) schema_version: u32,
}

/// A key and its row after the commit; `None`: deleted.
pub(super) type AfterImage = (Key, Option<Arc<[u8]>>);

/// A place in the history of a write set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark(u64);

/// The row images a transaction has staged.
#[derive(Clone, Debug, Default)]
pub(crate) struct WriteSet {
    /// Ascending by id: there are few. Those that have spilled stay, without rows.
    storages: Vec<(StorageId, StagedStorage)>,
    undo: Option<Vec<Undo>>,
    /// Bytes in memory, about.
    bytes: u64,
    version: u64,
    /// Where it spills beyond how many bytes; without, it never does.
    bound: Option<(Arc<ScratchRoom>, u64)>,
    spill: Option<Box<Spill>>,
    /// Why what was staged is not to be had any more.
    failure: Option<(std::io::ErrorKind, Arc<str>)>,
}

impl WriteSet {
    /// A write set that keeps about so many bytes in memory.
    pub(crate) fn bounded(room: Arc<ScratchRoom>, bytes_max: u64) -> Self {
        Self {
            bound: Some((room, bytes_max)),
            ..Self::default()
        }
    }

    /// It can go back to marks from now on.
    pub(crate) fn keep_marks(&mut self) {
        self.undo.get_or_insert_default();
    }

    /// Whether it can go back to a mark that is taken now.
    pub(crate) const fn keeps_marks(&self) -> bool {
        self.undo.is_some()
    }

    /// Whether nothing is staged.
    pub(crate) fn is_empty(&self) -> bool {
        self.spill.is_none()
            && self
                .storages
                .iter()
                .all(|(_, storage)| storage.rows.is_empty())
    }

    /// Whether not all of it is in memory.
    pub(crate) const fn has_spilled(&self) -> bool {
        self.spill.is_some()
    }

    /// Rows and bytes that went to a file, those that went several times too.
    pub(crate) fn spilled_size(&self) -> (u64, u64) {
        self.spill.as_ref().map_or((0, 0), |spill| spill.size())
    }

    /// An empty one with the same bound and without marks.
    pub(crate) fn like(&self) -> Self {
        Self {
            bound: self.bound.clone(),
            ..Self::default()
        }
    }

    /// Whether all that was staged can be had.
    ///
    /// # Errors
    /// What the scratch file failed with, once and for all.
    pub(crate) fn check(&self) -> Result<()> {
        match &self.failure {
            None => Ok(()),
            Some((kind, message)) => Err(StorageError::Io {
                path: None,
                source: std::io::Error::new(*kind, message.to_string()),
            }),
        }
    }

    fn fail(&mut self, error: &StorageError) {
        let kind = match error {
            StorageError::Io { source, .. } => source.kind(),
            _ => std::io::ErrorKind::Other,
        };
        let message = format!("rows of a large transaction could not be kept: {error}");
        self.failure.get_or_insert_with(|| (kind, message.into()));
        // It is given up, and tries no more.
        self.bound = None;
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
        self.bytes += length(&after) + length(&before) + key.len() as u64 + ROW_BYTES;
        if self.spill.is_some() {
            self.put_over_spilled(target, key, before, after);
        } else {
            self.put_in_memory(target, key, before, after, None);
        }
        if let Some((_, bytes_max)) = &self.bound
            && self.bytes > *bytes_max
        {
            self.spill();
        }
    }

    /// As `put`, where there may be a row beneath.
    fn put_over_spilled(
        &mut self,
        target: Target,
        key: Key,
        before: Option<Arc<[u8]>>,
        after: Option<Arc<[u8]>>,
    ) {
        let in_memory = self.storage(target.storage);
        let is_in_memory = in_memory.is_some_and(|staged| staged.rows.contains_key(&key));
        let beneath = match &self.spill {
            Some(spill) if !is_in_memory => spill.get(target.storage, &key),
            _ => Ok(None),
        };
        let beneath = beneath.unwrap_or_else(|error| {
            self.fail(&error);
            None
        });
        let before = match &beneath {
            Some(staged) => staged.before.clone(),
            None => before,
        };
        self.put_in_memory(target, key, before, after, beneath);
    }

    /// Stages a row in memory; `previous`: what was staged of the key and is not in memory.
    fn put_in_memory(
        &mut self,
        target: Target,
        key: Key,
        before: Option<Arc<[u8]>>,
        after: Option<Arc<[u8]>>,
        previous: Option<Staged>,
    ) {
        let storage = storage_for_write(&mut self.storages, target);
        storage.schema_version = target.schema_version;
        if let Some(undo) = &mut self.undo {
            undo.push(Undo {
                storage: target.storage,
                key: key.clone(),
                previous,
            });
        }
        if let Some((staged, given)) = storage.rows.insert_new(key, Staged { before, after }) {
            if let Some(step) = self.undo.as_mut().and_then(|undo| undo.last_mut()) {
                step.previous = Some(staged.clone());
            }
            if staged.is_absent() {
                staged.before = given.before;
            }
            staged.after = given.after;
        }
    }

    /// Lets all rows go to a file.
    fn spill(&mut self) {
        let Some((room, _)) = &self.bound else {
            return;
        };
        let spill = match self.spill.take() {
            Some(spill) => Ok(spill),
            None => Spill::new(room).map(Box::new),
        };
        let spilled = spill.and_then(|mut spill| {
            let taken = spill.take_in(&mut self.storages, self.undo.as_mut());
            self.spill = Some(spill);
            taken
        });
        self.bytes = 0;
        if let Err(error) = spilled {
            self.fail(&error);
        }
    }

    /// The staged image of a key: `None` if the key is not staged, `Some(None)` if it is staged as deleted.
    ///
    /// # Errors
    /// When spilled rows cannot be read.
    pub(crate) fn get(&self, storage: StorageId, key: &Key) -> Result<Option<Option<Arc<[u8]>>>> {
        let Some(staged) = self.storage(storage) else {
            return Ok(None);
        };
        match (staged.rows.get(key), &self.spill) {
            (Some(staged), Some(_)) if staged.is_absent() => Ok(None),
            (Some(staged), _) => Ok(Some(staged.after.clone())),
            (None, None) => Ok(None),
            (None, Some(spill)) => {
                self.check()?;
                Ok(spill.get(storage, key)?.map(|staged| staged.after))
            }
        }
    }

    /// Whether anything of that storage is staged.
    pub(crate) fn touches(&self, storage: StorageId) -> bool {
        self.storage(storage)
            .is_some_and(|staged| !staged.rows.is_empty())
            || self
                .spill
                .as_ref()
                .is_some_and(|spill| spill.touches(storage))
    }

    /// The spilled rows of a range, to be read beside those in memory, which hide them; `None` if nothing has spilled.
    ///
    /// # Errors
    /// When they cannot be read.
    pub(super) fn spilled_range(
        &self,
        storage: StorageId,
        range: &KeyRange,
        direction: Direction,
    ) -> Result<Option<SpillCursor>> {
        let Some(spill) = &self.spill else {
            return Ok(None);
        };
        self.check()?;
        spill.range(storage, range, direction).map(Some)
    }

    /// All staged keys of a range, in ascending order, wherever they are.
    ///
    /// # Errors
    /// When spilled rows cannot be read.
    pub(crate) fn all_in(&self, storage: StorageId, range: &KeyRange) -> Result<StagedRows<'_>> {
        Ok(StagedRows::new(
            self.rows_in(storage, range),
            self.spilled_range(storage, range, Direction::Forward)?,
        ))
    }

    /// Where the changes of each storage go, ascending by storage.
    pub(crate) fn targets(&self) -> impl Iterator<Item = Target> {
        self.storages.iter().map(|(storage, staged)| Target {
            storage: *storage,
            section: staged.section,
            schema_version: staged.schema_version,
        })
    }

    /// Takes over what another one changes, as if it had been staged here.
    pub(crate) fn absorb(&mut self, other: Self) {
        for (storage, staged) in other.storages {
            let target = Target {
                storage,
                section: staged.section,
                schema_version: staged.schema_version,
            };
            for (key, row) in staged.rows {
                if row.is_changed() {
                    self.put(target, key, row.before, row.after);
                }
            }
        }
    }

    /// The first key of a range staged in memory, in ascending order, with its image.
    pub(crate) fn first(&self, storage: StorageId, range: &KeyRange) -> Option<(&Key, &Staged)> {
        self.rows_in(storage, range)?.next()
    }

    /// The last key of a range staged in memory, in ascending order, with its image.
    pub(crate) fn last(&self, storage: StorageId, range: &KeyRange) -> Option<(&Key, &Staged)> {
        self.rows_in(storage, range)?.next_back()
    }

    /// The keys of a range staged in memory, in ascending order.
    pub(crate) fn rows_in<'w>(
        &'w self,
        storage: StorageId,
        range: &KeyRange,
    ) -> Option<impl DoubleEndedIterator<Item = (&'w Key, &'w Staged)> + use<'w>> {
        if range.is_empty() {
            return None;
        }
        let rows = &self.storage(storage)?.rows;
        Some(rows.range(as_slice(&range.lo), as_slice(&range.hi)))
    }

    /// All storages with rows staged in memory, ascending.
    pub(crate) fn storages(&self) -> impl Iterator<Item = (StorageId, &StagedStorage)> {
        self.storages
            .iter()
            .filter(|(_, staged)| !staged.rows.is_empty())
            .map(|(id, s)| (*id, s))
    }

    /// The images after the commit, storage by storage, of a set that has not spilled; rows that end as they began are left out.
    pub(crate) fn into_images(
        self,
    ) -> impl Iterator<Item = (StorageId, impl Iterator<Item = AfterImage>)> {
        self.storages.into_iter().map(|(storage, staged)| {
            let changed = staged.rows.into_iter().filter(|(_, row)| row.is_changed());
            (storage, changed.map(|(key, row)| (key, row.after)))
        })
    }

    /// Visits what a set that has not spilled changes in one section of the record, in its order; rows that end as they began are left
    /// out.
    ///
    /// # Errors
    /// What `visit` returns.
    pub(crate) fn for_each_change<E>(
        &self,
        section: Section,
        mut visit: impl FnMut(ChangeRef<'_>) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
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

    /// The rows of one storage staged in memory.
    pub(crate) fn storage(&self, storage: StorageId) -> Option<&StagedStorage> {
        let place = place_of(&self.storages, storage).ok()?;
        self.storages.get(place).map(|(_, staged)| staged)
    }

    /// Nobody goes back any more: what is staged from now on is not noted for it.
    pub(crate) fn forget_marks(&mut self) {
        self.undo = None;
    }

    /// Nobody goes back to marks taken so far.
    pub(crate) fn forget_marks_so_far(&mut self) {
        if let Some(undo) = &mut self.undo {
            undo.clear();
        }
        if let Some(spill) = &mut self.spill {
            spill.forget_notes();
        }
    }

    /// Here and now.
    pub(crate) fn mark(&self) -> Mark {
        let in_memory = self.undo.as_ref().map_or(0, |undo| undo.len() as u64);
        Mark(self.spilled_notes() + in_memory)
    }

    fn spilled_notes(&self) -> u64 {
        self.spill.as_ref().map_or(0, |spill| spill.notes())
    }

    /// Takes back all that was staged after the mark.
    ///
    /// # Panics
    /// If the set was made without marks: the caller's error.
    pub(crate) fn rollback_to(&mut self, mark: Mark) {
        self.version += 1;
        let spilled = self.spilled_notes();
        let Some(undo) = &mut self.undo else {
            unreachable!("marks are taken of write sets that keep them");
        };
        let kept = usize::try_from(mark.0.saturating_sub(spilled)).unwrap_or(usize::MAX);
        let steps = undo.split_off(kept.min(undo.len()));
        self.take_back(steps.into_iter().rev());
        while self.spilled_notes() > mark.0
            && let Some(spill) = &mut self.spill
        {
            match spill.pop_notes(mark.0) {
                Ok(steps) => self.take_back_spilled(steps),
                Err(error) => return self.fail(&error),
            }
        }
    }

    /// Takes back, the last first, what was staged since rows spilled the last time.
    fn take_back(&mut self, steps: impl Iterator<Item = Undo>) {
        for step in steps {
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

    /// Takes back, the last first, what was staged before rows spilled: what is spilled is hidden by what was there.
    fn take_back_spilled(&mut self, steps: Vec<Undo>) {
        for step in steps {
            let absent = Staged {
                before: None,
                after: None,
            };
            let row = step.previous.unwrap_or(absent);
            let place = place_of(&self.storages, step.storage).ok();
            let storage = place.and_then(|place| self.storages.get_mut(place));
            if let Some((_, storage)) = storage {
                storage.rows.insert(step.key, row);
                self.bytes += ROW_BYTES;
            }
        }
        if let Some((_, bytes_max)) = &self.bound
            && self.bytes > *bytes_max
        {
            self.spill();
        }
    }
}

/// Staged rows of a range, those in memory and those that have spilled, in one order.
pub(crate) struct StagedRows<'w> {
    memory: Peekable<Box<dyn Iterator<Item = (&'w Key, &'w Staged)> + 'w>>,
    spilled: Option<SpillCursor>,
    head: Option<(Key, Staged)>,
}

impl<'w> StagedRows<'w> {
    fn new(
        memory: Option<impl Iterator<Item = (&'w Key, &'w Staged)> + 'w>,
        spilled: Option<SpillCursor>,
    ) -> Self {
        let memory: Box<dyn Iterator<Item = _>> = Box::new(memory.into_iter().flatten());
        Self {
            memory: memory.peekable(),
            spilled,
            head: None,
        }
    }

    /// The next row.
    ///
    /// # Errors
    /// When a spilled row cannot be read.
    pub(crate) fn next(&mut self) -> Result<Option<(Key, Staged)>> {
        loop {
            if self.head.is_none()
                && let Some(spilled) = &mut self.spilled
            {
                self.head = spilled.next()?;
                if self.head.is_none() {
                    self.spilled = None;
                }
            }
            let Some((key, row)) = self.memory.peek() else {
                return Ok(self.head.take());
            };
            match &self.head {
                Some((spilled, _)) if spilled < *key => return Ok(self.head.take()),
                Some((spilled, _)) if spilled == *key => self.head = None,
                _ => {}
            }
            let found = ((*key).clone(), (*row).clone());
            self.memory.next();
            if !found.1.is_absent() {
                return Ok(Some(found));
            }
        }
    }
}

fn place_of(
    storages: &[(StorageId, StagedStorage)],
    storage: StorageId,
) -> std::result::Result<usize, usize> {
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
            rows: KeyMap::default(),
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
        let mut writes = WriteSet::default();
        writes.keep_marks();
        writes.put(TARGET, Key::from(&b"a"[..]), None, bytes("1"));
        let mark = writes.mark();
        writes.put(TARGET, Key::from(&b"a"[..]), None, None);
        writes.put(TARGET, Key::from(&b"b"[..]), bytes("old"), bytes("2"));
        writes.rollback_to(mark);
        assert_eq!(
            writes.get(StorageId(70), &Key::from(&b"a"[..])).unwrap(),
            Some(bytes("1"))
        );
        let beyond = writes.get(StorageId(70), &Key::from(&b"b"[..])).unwrap();
        assert_eq!(beyond, None);
    }

    #[test]
    fn the_first_before_image_counts() {
        let mut writes = WriteSet::default();
        writes.put(TARGET, Key::from(&b"a"[..]), bytes("0"), bytes("1"));
        writes.put(TARGET, Key::from(&b"a"[..]), bytes("1"), bytes("2"));
        let rows = &writes.storage(StorageId(70)).unwrap().rows;
        let (_, staged) = rows.iter().next().unwrap();
        assert_eq!(
            (staged.before.clone(), staged.after.clone()),
            (bytes("0"), bytes("2"))
        );
    }
}
