//! Ages: which snapshots there are and since when, so that what the old ones keep can be let go of.
//!
//! A snapshot that somebody forgot keeps versions, generations and pages of the storage file. It holds nothing itself: a
//! snapshot that is dropped leaves an empty place here for a while. It knows no clock. Next door: `snapshot`.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tailwater_wal::sync::atomic::{AtomicU64, Ordering};
use tailwater_wal::sync::{Lanes, Mutex};

use super::snapshot::{Reading, Snapshot};
use super::store::Store;

/// Places from which on it is worth while to look for empty ones.
const PLACES_MIN: usize = 64;

/// Snapshots by the time they were taken.
#[derive(Default)]
pub(super) struct Ages {
    places: Lanes<Mutex<Places>>,
    /// Snapshots that were let go of.
    too_old: AtomicU64,
}

#[derive(Default)]
struct Places {
    taken: Vec<(Duration, Weak<Reading>)>,
    /// So many, and empty ones are looked for.
    full_at: usize,
}

impl Ages {
    /// A snapshot was taken at this time.
    pub(super) fn note(&self, now: Duration, snapshot: &Snapshot) {
        let mut places = self.places.at(self.places.mine()).lock();
        if places.taken.len() >= places.full_at.max(PLACES_MIN) {
            places.taken.retain(|(_, of)| of.strong_count() > 0);
            // Twice as many: looking costs each of them little.
            places.full_at = places.taken.len() * 2;
        }
        places.taken.push((now, snapshot.reading()));
    }

    #[cfg(test)]
    pub(super) fn places(&self) -> usize {
        let lanes = self.places.all();
        lanes.map(|places| places.lock().taken.len()).sum()
    }

    fn before(&self, time: Duration) -> Vec<Arc<Reading>> {
        let mut old = Vec::new();
        for places in self.places.all() {
            places.lock().taken.retain(|(since, of)| {
                let is_old = *since < time;
                if is_old {
                    old.extend(of.upgrade());
                }
                !is_old && of.strong_count() > 0
            });
        }
        old
    }
}

impl Store {
    /// A snapshot was taken `now`: [`let_go_of_snapshots`](Self::let_go_of_snapshots) counts its age from here.
    pub(crate) fn age_from(&self, now: Duration, snapshot: &Snapshot) {
        self.ages.note(now, snapshot);
    }

    /// Lets go of what snapshots keep that were taken before `time`; they answer `SnapshotTooOld` from then on. Those that
    /// are kept, or have no age, stay. Says how many there were.
    pub(crate) fn let_go_of_snapshots(&self, time: Duration) -> u64 {
        let old = self.ages.before(time);
        let gone = old.iter().filter(|reading| reading.let_go()).count() as u64;
        self.ages.too_old.fetch_add(gone, Ordering::Relaxed);
        gone
    }

    /// Snapshots that were let go of since the store was opened.
    pub(crate) fn snapshots_too_old(&self) -> u64 {
        self.ages.too_old.load(Ordering::Relaxed)
    }
}
