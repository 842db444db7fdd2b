//! `Apart` and `Lanes`: things that threads touch all the time, laid out so that processors do not take them from each other.
//!
//! A processor writes to memory by taking a line of 64 bytes, or a pair of them, from the others. So what one thread writes
//! at each step must not lie beside what others read, and what each thread notes for itself need not be one thing for
//! all. They change no meaning: who wants to know everything looks at every lane. Next door: the locks they hold.

use std::ops::{Deref, DerefMut};

/// Lanes there are: of a few more threads some share one, and wait for each other as they would without.
#[cfg(not(shuttle))]
const LANES: usize = 8;
/// Enough to meet in one and to be apart, and few schedules.
#[cfg(shuttle)]
const LANES: usize = 2;

/// Something that shares no line of memory with its neighbours.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Apart<T>(pub T);

impl<T> Deref for Apart<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Apart<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

/// Something that is there several times; a thread has its own, as long as there are few threads.
#[derive(Debug, Default)]
pub struct Lanes<T>([Apart<T>; LANES]);

/// One of the lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lane(u8);

impl<T> Lanes<T> {
    /// One for each lane.
    pub fn of(mut make: impl FnMut() -> T) -> Self {
        Self(std::array::from_fn(|_| Apart(make())))
    }

    /// What is there in this thread's lane.
    #[must_use]
    pub fn own(&self) -> &T {
        self.at(self.mine())
    }

    /// This thread's lane.
    #[must_use]
    pub fn mine(&self) -> Lane {
        Lane((number() % LANES) as u8)
    }

    /// The lane that `all` begins with.
    #[must_use]
    pub const fn first(&self) -> Lane {
        Lane(0)
    }

    /// What is there in a lane.
    #[must_use]
    pub fn at(&self, lane: Lane) -> &T {
        let [first, ..] = &self.0;
        self.0.get(usize::from(lane.0)).unwrap_or(first)
    }

    /// What is there in every lane, in the one order in which locks of several may be taken.
    pub fn all(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|lane| &lane.0)
    }
}

/// This thread's number.
#[cfg(not(shuttle))]
fn number() -> usize {
    use std::sync::atomic::{AtomicUsize, Ordering};

    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: usize = NEXT.fetch_add(1, Ordering::Relaxed);
    }
    // While a thread ends it may have none any more.
    NUMBER.try_with(|number| *number).unwrap_or_default()
}

/// This thread's number, as the schedule has it.
#[cfg(shuttle)]
fn number() -> usize {
    use std::hash::{DefaultHasher, Hash, Hasher};

    let mut hasher = DefaultHasher::new();
    shuttle::thread::current().id().hash(&mut hasher);
    hasher.finish() as usize
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use super::*;
    use crate::sync::Mutex;

    #[test]
    fn a_thread_stays_in_its_lane_and_all_of_them_are_seen() {
        let lanes: Lanes<Mutex<u32>> = Lanes::default();
        std::thread::scope(|scope| {
            for _ in 0..3 * LANES {
                scope.spawn(|| {
                    let lane = lanes.mine();
                    for _ in 0..100 {
                        assert_eq!(lanes.mine(), lane);
                        *lanes.at(lane).lock() += 1;
                    }
                });
            }
        });
        let counts: Vec<u32> = lanes.all().map(|count| *count.lock()).collect();
        assert_eq!(counts.iter().sum::<u32>(), 3 * LANES as u32 * 100);
        assert!(
            counts.iter().filter(|count| **count > 0).count() > 1,
            "{counts:?}"
        );
    }

    #[test]
    fn neighbours_share_no_line() {
        assert_eq!(align_of::<Apart<u8>>(), 128);
        assert_eq!(size_of::<Lanes<u8>>(), LANES * 128);
    }
}
