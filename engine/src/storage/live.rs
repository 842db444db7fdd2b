//! `Live`: which LSNs somebody reads, or may still begin to read.
//!
//! From it follows which versions must be kept: those seen at a registered LSN or at any LSN from the visible
//! one on. Who begins to read notes it in a lane of its own; what is kept follows from all of them. It holds no data and
//! never waits. Next door: `snapshot`, which registers; `memtable`, which asks.

use tailwater_proto::Lsn;
use tailwater_wal::sync::atomic::{AtomicU64, Ordering};
use tailwater_wal::sync::{Apart, Lane, Lanes, Mutex, MutexGuard, is_weakened, spin_loop};

#[cfg(test)]
use super::error::{Result, StorageError};

/// Registry of the LSNs being read.
#[derive(Debug)]
pub(super) struct Live {
    readers: Lanes<Mutex<Readers>>,
    marks: Apart<Marks>,
}

/// How far commits have come.
#[derive(Debug)]
struct Marks {
    /// Every LSN that is read or may be read is at or above it. Never sinks.
    floor: AtomicU64,
    /// Last commit applied completely.
    tip: AtomicU64,
    /// Last commit of which is known that it is applied and that the log has it.
    logged: AtomicU64,
    /// What `set_visible` was last told; may run ahead of `tip` for a moment.
    published: AtomicU64,
}

/// A reading that has begun: where, and in which lane that is noted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Begun {
    pub(super) lsn: Lsn,
    lane: Lane,
}

/// The LSNs being read, ascending, with how many read each.
#[derive(Debug, Default)]
struct Readers(Vec<(Lsn, usize)>);

/// What a version must be kept for; holds the registry still.
pub(super) struct Needs<'a> {
    readers: Vec<MutexGuard<'a, Readers>>,
    visible: Lsn,
}

impl Needs<'_> {
    /// Whether a version that was current at `from..until` may be asked for.
    pub(super) fn any_in(&self, from: Lsn, until: Lsn) -> bool {
        until > self.visible || self.readers.iter().any(|lane| lane.any_in(from, until))
    }
}

impl Live {
    /// Everything up to `applied` is there and visible.
    pub(super) fn new(applied: Lsn) -> Self {
        Self {
            readers: Lanes::default(),
            marks: Apart(Marks {
                floor: AtomicU64::new(applied.0),
                tip: AtomicU64::new(applied.0),
                logged: AtomicU64::new(applied.0),
                published: AtomicU64::new(applied.0),
            }),
        }
    }

    /// Versions older than the one current here are needed by nobody.
    pub(super) fn floor(&self) -> Lsn {
        Lsn(self.marks.floor.load(Ordering::Acquire))
    }

    /// Last commit applied.
    pub(super) fn tip(&self) -> Lsn {
        Lsn(self.marks.tip.load(Ordering::Acquire))
    }

    /// Last commit that may be shown to everyone.
    pub(super) fn visible(&self) -> Lsn {
        Lsn(self.marks.published.load(Ordering::Acquire)).min(self.tip())
    }

    /// Commit `lsn` has been applied completely.
    pub(super) fn advance_tip(&self, lsn: Lsn) {
        let before = self.marks.tip.swap(lsn.0, Ordering::AcqRel);
        if self.marks.published.load(Ordering::Acquire) > before {
            self.raise_floor();
        }
    }

    /// Commit `lsn` is there and may be shown from the moment on at which `show` has put it there: nobody begins to read
    /// in between.
    pub(super) fn leap(&self, lsn: Lsn, show: impl FnOnce()) {
        let readers = self.lock_all();
        show();
        self.marks.tip.store(lsn.0, Ordering::Release);
        self.marks.published.fetch_max(lsn.0, Ordering::AcqRel);
        drop(readers);
        self.raise_floor();
    }

    /// Commits up to `lsn` may be shown. An LSN below an earlier one changes nothing.
    pub(super) fn set_visible(&self, lsn: Lsn) {
        self.marks.published.fetch_max(lsn.0, Ordering::AcqRel);
        self.raise_floor();
    }

    /// Begins to read at the visible LSN, in the layers that `capture` takes, which says how far the file in them goes; it
    /// runs before anything can be released.
    pub(super) fn register_visible_with<T>(&self, capture: impl FnMut() -> (Lsn, T)) -> (Begun, T) {
        self.register(|| self.visible(), capture)
    }

    /// The log has commit `lsn`, which has been applied.
    pub(super) fn advance_logged(&self, lsn: Lsn) {
        self.marks.logged.store(lsn.0, Ordering::Release);
    }

    /// Begins to read at the last commit that the log has.
    pub(super) fn register_logged_with<T>(&self, capture: impl FnMut() -> (Lsn, T)) -> (Begun, T) {
        let logged = || {
            // What is visible the log has, too, though it may not have been said yet; versions before it may be gone.
            let logged = Lsn(self.marks.logged.load(Ordering::Acquire));
            if is_weakened("begin before what is visible") {
                logged
            } else {
                logged.max(self.visible())
            }
        };
        self.register(logged, capture)
    }

    /// Begins to read at the last commit applied.
    pub(super) fn register_tip_with<T>(&self, capture: impl FnMut() -> (Lsn, T)) -> (Begun, T) {
        self.register(|| self.tip(), capture)
    }

    /// Begins to read at what `at` says, which is never before the visible LSN. Who raises the floor has looked at that
    /// before looking into this lane: so either the reading is seen there, or it begins at or above the new floor. What was
    /// visible a moment ago may be in the file by now, together with what came after it: then it looks again.
    fn register<T>(
        &self,
        at: impl Fn() -> Lsn,
        mut capture: impl FnMut() -> (Lsn, T),
    ) -> (Begun, T) {
        let lane = self.readers.mine();
        loop {
            let mut readers = self.readers.at(lane).lock();
            let lsn = at();
            let takes_any = is_weakened("read in a file that goes further");
            let (applied, captured) = capture();
            if applied <= lsn || takes_any {
                readers.add(lsn);
                return (Begun { lsn, lane }, captured);
            }
            drop(readers);
            spin_loop();
        }
    }

    /// Begins to read at `lsn`, which must be visible, later, or already read by someone. `capture` says up
    /// to where older states are gone.
    #[cfg(test)]
    pub(super) fn register_with<T>(
        &self,
        lsn: Lsn,
        capture: impl FnOnce() -> (Lsn, T),
    ) -> Result<(Begun, T)> {
        let mut all = self.lock_all();
        let (visible, tip) = (self.visible(), self.tip());
        if lsn > tip {
            return Err(StorageError::SnapshotAhead { lsn, tip });
        }
        let (applied, captured) = capture();
        let is_held = all.iter().any(|readers| readers.holds(lsn));
        let known = lsn >= visible || (is_held && lsn >= applied);
        if !known {
            return Err(StorageError::SnapshotReleased {
                lsn,
                oldest: visible,
            });
        }
        let lane = self.readers.first();
        if let Some(readers) = all.first_mut() {
            readers.add(lsn);
        }
        Ok((Begun { lsn, lane }, captured))
    }

    /// Ends a reading.
    pub(super) fn release(&self, begun: Begun) {
        self.readers.at(begun.lane).lock().remove(begun.lsn);
        // If others go on there it changes nothing, and what is beyond the floor does not hold it back.
        if begun.lsn == self.floor() && begun.lsn < self.visible() {
            self.raise_floor();
        }
    }

    /// What versions must be kept for, at this moment.
    pub(super) fn needs(&self) -> Needs<'_> {
        let readers = self.lock_all();
        Needs {
            visible: self.visible(),
            readers,
        }
    }

    /// How many readings there are.
    pub(super) fn count(&self) -> usize {
        let lanes = self.readers.all();
        lanes
            .flat_map(|lane| lane.lock().0.clone())
            .map(|(_, count)| count)
            .sum()
    }

    fn lock_all(&self) -> Vec<MutexGuard<'_, Readers>> {
        self.readers.all().map(Mutex::lock).collect()
    }

    fn raise_floor(&self) {
        // First of all, see `register`.
        let visible = self.visible();
        let mut floor = visible;
        for lane in self.readers.all() {
            let readers = lane.lock();
            let oldest = readers.0.first();
            if let Some((lsn, _)) = oldest.filter(|_| !is_weakened("let go of what is read")) {
                floor = floor.min(*lsn);
            }
        }
        self.marks.floor.fetch_max(floor.0, Ordering::AcqRel);
    }
}

impl Readers {
    #[cfg(test)]
    fn holds(&self, lsn: Lsn) -> bool {
        self.0.binary_search_by_key(&lsn, |(lsn, _)| *lsn).is_ok()
    }

    /// Whether somebody reads at one of `from..until`.
    fn any_in(&self, from: Lsn, until: Lsn) -> bool {
        let at = self.0.partition_point(|(lsn, _)| *lsn < from);
        self.0.get(at).is_some_and(|(lsn, _)| *lsn < until)
    }

    fn add(&mut self, lsn: Lsn) {
        match self.0.binary_search_by_key(&lsn, |(lsn, _)| *lsn) {
            Ok(at) => {
                if let Some((_, count)) = self.0.get_mut(at) {
                    *count += 1;
                }
            }
            Err(at) => self.0.insert(at, (lsn, 1)),
        }
    }

    fn remove(&mut self, lsn: Lsn) {
        if let Ok(at) = self.0.binary_search_by_key(&lsn, |(lsn, _)| *lsn)
            && let Some((_, count)) = self.0.get_mut(at)
        {
            *count -= 1;
            if *count == 0 {
                self.0.remove(at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floor_is_the_oldest_reading_or_the_visible_lsn() {
        let live = Live::new(Lsn(5));
        live.advance_tip(Lsn(6));
        assert_eq!((live.floor(), live.visible()), (Lsn(5), Lsn(5)));
        live.set_visible(Lsn(9));
        assert_eq!(
            (live.floor(), live.visible()),
            (Lsn(6), Lsn(6)),
            "visible never passes the tip"
        );
        let held = live.register_visible_with(|| (Lsn(5), ())).0;
        live.advance_tip(Lsn(7));
        live.advance_tip(Lsn(10));
        assert_eq!((live.floor(), live.visible()), (Lsn(6), Lsn(9)));
        live.release(held);
        assert_eq!(live.floor(), Lsn(9));
    }

    #[test]
    fn who_begins_while_the_file_goes_further_looks_again() {
        let live = Live::new(Lsn(5));
        let mut asked = 0;
        let (begun, ()) = live.register_tip_with(|| {
            asked += 1;
            // A commit and a checkpoint come between looking at the LSN and taking the layers.
            live.marks.tip.store(6, Ordering::Release);
            (Lsn(6), ())
        });
        assert_eq!((begun.lsn, asked, live.count()), (Lsn(6), 2, 1));
    }

    #[test]
    fn a_released_state_cannot_be_read_again() {
        let live = Live::new(Lsn(5));
        for lsn in 6..=10 {
            live.advance_tip(Lsn(lsn));
        }
        live.set_visible(Lsn(8));
        assert!(live.register_with(Lsn(9), || (Lsn(0), ())).is_ok());
        let error = live.register_with(Lsn(7), || (Lsn(0), ())).unwrap_err();
        assert!(matches!(
            error,
            StorageError::SnapshotReleased { oldest: Lsn(8), .. }
        ));
        let error = live.register_with(Lsn(11), || (Lsn(0), ())).unwrap_err();
        assert!(matches!(
            error,
            StorageError::SnapshotAhead { tip: Lsn(10), .. }
        ));
        live.set_visible(Lsn(10));
        assert!(
            live.register_with(Lsn(9), || (Lsn(9), ())).is_ok(),
            "still read by someone"
        );
        assert!(
            live.register_with(Lsn(9), || (Lsn(10), ())).is_err(),
            "but gone from its layers"
        );
    }
}
