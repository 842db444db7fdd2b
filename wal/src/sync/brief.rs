//! Locks that are held for a moment at a time, by threads that all come for them: taken without a call of the system.
//!
//! parking_lot looks three times and then asks the scheduler, which costs more than the moment lasts. These look for about
//! as long as that would take, and only then wait as other locks do. They change no meaning. Next door: the locks.

use parking_lot::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::hint::spin_loop;

/// Looks before a thread waits: about a microsecond.
const LOOKS: usize = 100;

/// Takes the lock.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    look(|| mutex.try_lock()).unwrap_or_else(|| mutex.lock())
}

/// Takes the lock for reading.
pub fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    look(|| lock.try_read()).unwrap_or_else(|| lock.read())
}

/// Takes the lock for writing.
pub fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    look(|| lock.try_write()).unwrap_or_else(|| lock.write())
}

fn look<G>(mut take: impl FnMut() -> Option<G>) -> Option<G> {
    for _ in 0..LOOKS {
        let taken = take();
        if taken.is_some() {
            return taken;
        }
        spin_loop();
    }
    None
}
