//! shuttle's locks with parking_lot's manners, for models only.
//!
//! They give guards without a `Result`, and waiting takes a guard by reference. Time does not exist: a wait with an end
//! ends whenever the schedule says so. Next door: `model`, which runs schedules.

use std::ops::{Deref, DerefMut};
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use shuttle::rand::Rng as _;
use shuttle::sync as inner;

pub use inner::{RwLockReadGuard, RwLockWriteGuard};

/// As parking_lot's.
#[derive(Debug, Default)]
pub struct Mutex<T>(inner::Mutex<T>);

/// As parking_lot's.
#[derive(Debug)]
pub struct MutexGuard<'a, T> {
    mutex: &'a Mutex<T>,
    /// Given away only while its owner waits.
    held: Option<inner::MutexGuard<'a, T>>,
}

impl<T> Mutex<T> {
    /// A lock around a value.
    pub fn new(value: T) -> Self {
        Self(inner::Mutex::new(value))
    }

    /// Waits for the lock.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        MutexGuard {
            mutex: self,
            held: Some(held),
        }
    }

    /// The value, once nobody else has the lock.
    pub fn into_inner(self) -> T {
        let value = self.0.into_inner();
        value.unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        match &self.held {
            Some(held) => held,
            None => unreachable!("nobody looks through a guard while its owner waits"),
        }
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        match &mut self.held {
            Some(held) => held,
            None => unreachable!("nobody looks through a guard while its owner waits"),
        }
    }
}

/// As parking_lot's.
#[derive(Debug, Default)]
pub struct RwLock<T>(inner::RwLock<T>);

impl<T> RwLock<T> {
    /// A lock around a value.
    pub fn new(value: T) -> Self {
        Self(inner::RwLock::new(value))
    }

    /// Waits until nobody writes.
    pub fn read(&self) -> RwLockReadGuard<'_, T> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The value, which nobody else can see.
    pub fn get_mut(&mut self) -> &mut T {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until nobody reads or writes.
    pub fn write(&self) -> RwLockWriteGuard<'_, T> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As parking_lot's.
#[derive(Debug, Default)]
pub struct Condvar(inner::Condvar);

/// How a wait with an end came out.
#[derive(Clone, Copy, Debug)]
pub struct WaitTimeoutResult(bool);

impl WaitTimeoutResult {
    /// Whether its time was up.
    #[must_use]
    pub const fn timed_out(self) -> bool {
        self.0
    }
}

impl Condvar {
    /// Nobody waits.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Waits for a notice.
    pub fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
        if let Some(held) = guard.held.take() {
            let again = self.0.wait(held).unwrap_or_else(PoisonError::into_inner);
            guard.held = Some(again);
        }
    }

    /// Waits for nothing in particular: comes back when the schedule likes, with its time up or not.
    pub fn wait_until<T>(&self, guard: &mut MutexGuard<'_, T>, _: Instant) -> WaitTimeoutResult {
        self.come_back(guard)
    }

    /// As [`wait_until`](Self::wait_until).
    pub fn wait_for<T>(&self, guard: &mut MutexGuard<'_, T>, _: Duration) -> WaitTimeoutResult {
        self.come_back(guard)
    }

    fn come_back<T>(&self, guard: &mut MutexGuard<'_, T>) -> WaitTimeoutResult {
        guard.held = None;
        spin_loop();
        let again = guard.mutex.0.lock();
        guard.held = Some(again.unwrap_or_else(PoisonError::into_inner));
        WaitTimeoutResult(shuttle::rand::thread_rng().gen_bool(0.5))
    }

    /// Wakes one of those who wait.
    pub fn notify_one(&self) {
        self.0.notify_one();
    }

    /// Wakes all who wait.
    pub fn notify_all(&self) {
        self.0.notify_all();
    }
}

/// Locks that are looked for before they are waited for: to a schedule that is the same.
pub mod brief {
    use super::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};

    /// Takes the lock.
    pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock()
    }

    /// Takes the lock for reading.
    pub fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
        lock.read()
    }

    /// Takes the lock for writing.
    pub fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
        lock.write()
    }
}

/// As the standard library's, but its making is a lock that schedules know of.
#[derive(Debug)]
pub(crate) struct OnceLock<T> {
    value: std::sync::OnceLock<T>,
    making: Mutex<()>,
}

impl<T> OnceLock<T> {
    pub(crate) fn new() -> Self {
        Self {
            value: std::sync::OnceLock::new(),
            making: Mutex::new(()),
        }
    }

    pub(crate) fn get_or_init(&self, make: impl FnOnce() -> T) -> &T {
        let _making = self.making.lock();
        if let Some(made) = self.value.get() {
            return made;
        }
        let made = make();
        self.value.get_or_init(|| made)
    }
}

/// Lets others run.
pub fn spin_loop() {
    shuttle::thread::yield_now();
}
