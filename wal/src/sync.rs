//! The one place through which this room (and rooms above it) take their locks.
//!
//! Everything that blocks imports from here, so that a model checker can be put in its place by changing this
//! file alone. parking_lot's locks do not poison: whoever needs poisoning keeps it as explicit state.
//! Next door: `log`, which uses them for group commit.

pub use parking_lot::{Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};
