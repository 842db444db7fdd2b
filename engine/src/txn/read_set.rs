//! `ReadSet`: what a transaction has read, so that a commit can tell whether it would read the same again.

use parking_lot::Mutex;
use smallvec::SmallVec;
use tailwater_proto::{Key, KeyRange, Lsn, StorageId};

use crate::storage::Store;

/// Reads of one storage kept apart; beyond, the whole storage counts as read.
const READS_PER_STORAGE_MAX: usize = 4096;

#[derive(Debug, Default)]
struct Reads {
    points: SmallVec<[Key; 1]>,
    ranges: Vec<KeyRange>,
    everything: bool,
}

/// The keys, ranges and storages a transaction has read. One key takes no allocation.
#[derive(Debug, Default)]
pub(crate) struct ReadSet(Mutex<Storages>);

/// What was read of each storage, ascending: there are few.
#[derive(Debug, Default)]
struct Storages(SmallVec<[(StorageId, Reads); 1]>);

impl ReadSet {
    /// A key was looked up, whether or not there was a row.
    pub(crate) fn add_point(&self, storage: StorageId, key: &Key) {
        let mut all = self.0.lock();
        let reads = all.of(storage);
        if reads.everything || reads.points.last().is_some_and(|last| last == key) {
            return;
        }
        reads.points.push(key.clone());
        reads.bound();
    }

    /// A range was read, perhaps only in part.
    pub(crate) fn add_range(&self, storage: StorageId, range: &KeyRange) {
        let mut all = self.0.lock();
        let reads = all.of(storage);
        if !reads.everything {
            reads.ranges.push(range.clone());
            reads.bound();
        }
    }

    /// The first storage of which something read was changed after `lsn`, if there is one.
    pub(crate) fn overtaken(&self, store: &Store, lsn: Lsn) -> Option<StorageId> {
        let all = self.0.lock();
        all.0.iter().find_map(|(storage, reads)| {
            // Of much that was read nothing need be looked at if the storage is as it was; a single key is its own answer.
            let is_much = reads.everything || reads.points.len() + reads.ranges.len() > 1;
            if is_much && !store.storage_changed_after(*storage, lsn).conflicts() {
                return None;
            }
            let overtaken = reads.everything
                || reads
                    .points
                    .iter()
                    .any(|key| store.changed_after(*storage, key, lsn).conflicts())
                || reads
                    .ranges
                    .iter()
                    .any(|range| store.range_changed_after(*storage, range, lsn).conflicts());
            overtaken.then_some(*storage)
        })
    }
}

impl Storages {
    fn of(&mut self, storage: StorageId) -> &mut Reads {
        let found = self.0.binary_search_by_key(&storage, |(id, _)| *id);
        let place = found.unwrap_or_else(|place| {
            self.0.insert(place, (storage, Reads::default()));
            place
        });
        match self.0.get_mut(place) {
            Some((_, reads)) => reads,
            None => unreachable!("the storage was found or put there"),
        }
    }
}

impl Reads {
    fn bound(&mut self) {
        if self.points.len() + self.ranges.len() > READS_PER_STORAGE_MAX {
            *self = Self {
                everything: true,
                ..Self::default()
            };
        }
    }
}
