//! `Pace`: how hard a checkpoint works while commits go on beside it.
//!
//! What it writes is synced piece by piece, so that no sync of a commit finds a long queue at the disk; and after each
//! burst of work it rests, so that processors and disk are free for commits in between. The less room memory has, the
//! shorter the rests; there are none while somebody waits for the checkpoint, and none where a scheduler takes its
//! steps, for a rest is time. Next door: `backend` and `checkpoint`, which ask for breath.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

/// How long is worked in one go, about: a commit may have to wait so long for a processor.
const BURST: Duration = Duration::from_micros(100);
/// Rest for each unit of work, where memory has all its room.
const REST_FOR_WORK: u32 = 4;
/// The longest rest.
const REST_MAX: Duration = Duration::from_millis(50);
/// All the room there is.
const ROOM_MAX: u32 = 1 << 10;

/// Says when to sync, and rests.
#[derive(Debug)]
pub(super) struct Pace {
    /// Bytes that are written between two syncs.
    sync_bytes: u64,
    unsynced: AtomicU64,
    rests: AtomicBool,
    /// How much room memory has, of `ROOM_MAX`.
    room: AtomicU32,
    /// Since when work goes on without a rest.
    begun: Mutex<Option<Instant>>,
    /// How many wait for the checkpoint.
    waiting: Mutex<u32>,
    changed: Condvar,
}

impl Pace {
    /// One that syncs after so many bytes and does not rest yet.
    pub(super) fn new(sync_bytes: u64) -> Self {
        Self {
            sync_bytes: sync_bytes.max(1),
            unsynced: AtomicU64::new(0),
            rests: AtomicBool::new(false),
            room: AtomicU32::new(ROOM_MAX),
            begun: Mutex::default(),
            waiting: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// For what nobody works beside: redb alone says when to sync, and there are no rests.
    pub(super) fn none() -> Arc<Self> {
        Arc::new(Self::new(u64::MAX))
    }

    /// From now on there are rests: commits go on beside.
    pub(super) fn begin_rests(&self) {
        self.rests.store(true, Ordering::Relaxed);
    }

    /// There are no rests any more, and the one under way is over.
    pub(super) fn end_rests(&self) {
        let _waiting = self.waiting.lock();
        self.rests.store(false, Ordering::Relaxed);
        self.changed.notify_all();
    }

    /// There are no rests as long as somebody waits.
    pub(super) fn hurry(&self) -> Hurry<'_> {
        *self.waiting.lock() += 1;
        self.changed.notify_all();
        Hurry(self)
    }

    /// Work begins, with so much memory in use between a soft and a hard limit.
    pub(super) fn begin(&self, used: usize, soft: usize, hard: usize) {
        let room = hard.saturating_sub(used).min(hard.saturating_sub(soft)) as u64;
        let of = hard.saturating_sub(soft).max(1) as u64;
        let room = room.saturating_mul(u64::from(ROOM_MAX)) / of;
        // At most `ROOM_MAX`.
        self.room.store(room as u32, Ordering::Relaxed);
        if self.rests.load(Ordering::Relaxed) {
            *self.begun.lock() = Some(Instant::now());
        }
    }

    /// So many bytes were written; says whether to sync now.
    pub(super) fn note_written(&self, bytes: u64) -> bool {
        let unsynced = self.unsynced.fetch_add(bytes, Ordering::Relaxed) + bytes;
        unsynced >= self.sync_bytes
    }

    /// All that was written is synced.
    pub(super) fn note_synced(&self) {
        self.unsynced.store(0, Ordering::Relaxed);
    }

    /// Rests, if enough was done since the last rest. Called often.
    pub(super) fn breathe(&self) {
        if !self.rests.load(Ordering::Relaxed) {
            return;
        }
        let now = Instant::now();
        let worked = now.duration_since(*self.begun.lock().get_or_insert(now));
        if worked < BURST {
            return;
        }
        let room = self.room.load(Ordering::Relaxed);
        let rest = (worked * REST_FOR_WORK * room / ROOM_MAX).min(REST_MAX);
        let until = now + rest;
        let mut waiting = self.waiting.lock();
        while *waiting == 0 && self.rests.load(Ordering::Relaxed) {
            if self.changed.wait_until(&mut waiting, until).timed_out() {
                break;
            }
        }
        drop(waiting);
        *self.begun.lock() = Some(Instant::now());
    }
}

/// Somebody waits for the checkpoint.
#[derive(Debug)]
pub(crate) struct Hurry<'a>(&'a Pace);

impl Drop for Hurry<'_> {
    fn drop(&mut self) {
        *self.0.waiting.lock() -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_is_synced_when_it_is_whole() {
        let pace = Pace::new(100);
        assert!(!pace.note_written(60));
        assert!(pace.note_written(40));
        assert!(pace.note_written(1));
        pace.note_synced();
        assert!(!pace.note_written(99));
    }

    #[test]
    fn rests_are_as_long_as_memory_has_room() {
        let pace = Pace::new(1);
        let room = |used| {
            pace.begin(used, 100, 300);
            pace.room.load(Ordering::Relaxed)
        };
        assert_eq!(
            (room(0), room(100), room(200)),
            (ROOM_MAX, ROOM_MAX, ROOM_MAX / 2)
        );
        assert_eq!((room(300), room(900)), (0, 0));
        pace.begin(5, 7, 7);
        assert_eq!(pace.room.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn nobody_rests_unless_told_to_nor_while_somebody_waits() {
        let pace = Pace::new(1);
        pace.breathe();
        assert!(pace.begun.lock().is_none(), "no clock was read");
        pace.begin_rests();
        let long_ago = Instant::now().checked_sub(Duration::from_secs(3_600));
        *pace.begun.lock() = long_ago;
        let hurry = pace.hurry();
        pace.breathe();
        assert_ne!(*pace.begun.lock(), long_ago, "it went on at once");
        drop(hurry);
        assert_eq!(*pace.waiting.lock(), 0);
        pace.end_rests();
        *pace.begun.lock() = None;
        pace.breathe();
        assert!(pace.begun.lock().is_none());
    }

    #[test]
    fn a_rest_ends_when_somebody_begins_to_wait() {
        let pace = Pace::new(1);
        pace.begin_rests();
        std::thread::scope(|scope| {
            let rests = scope.spawn(|| {
                for _ in 0..100 {
                    *pace.begun.lock() = Instant::now().checked_sub(Duration::from_secs(1));
                    pace.breathe();
                }
            });
            let hurry = pace.hurry();
            rests.join().unwrap();
            drop(hurry);
        });
    }
}
