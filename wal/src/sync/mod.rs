//! The one place through which this room (and rooms above it) take their locks, atomics and wakings.
//!
//! Everything that blocks imports from here, so that a model checker can be put in its place: built with `--cfg shuttle`
//! these are shuttle's, and `model` runs the very code of the rooms under schedules it chooses. parking_lot's locks do
//! not poison: whoever needs poisoning keeps it as explicit state. Next door: `log`, which uses them for group commit.

#[cfg(not(shuttle))]
pub mod brief;
mod lanes;
#[cfg(shuttle)]
pub mod model;
#[cfg(shuttle)]
mod modelled;
pub mod plain;

pub use lanes::{Apart, Lane, Lanes};
#[cfg(shuttle)]
pub use modelled::brief;

#[cfg(not(shuttle))]
pub use std::sync::atomic;
#[cfg(not(shuttle))]
pub use std::thread;

#[cfg(not(shuttle))]
pub use parking_lot::{Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};

#[cfg(not(shuttle))]
pub use std::hint::spin_loop;

#[cfg(not(shuttle))]
pub(crate) use std::sync::OnceLock;

#[cfg(shuttle)]
pub(crate) use modelled::OnceLock;
/// What `look` sees before it is time, if the named thing is to be done wrong. Never, but in a model that must notice.
#[cfg(not(shuttle))]
#[must_use]
#[inline(always)]
pub fn too_early<T>(_name: &str, _look: impl FnOnce() -> T) -> Option<T> {
    None
}

#[cfg(shuttle)]
pub use modelled::{
    Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard, spin_loop,
};
#[cfg(shuttle)]
pub use shuttle::sync::atomic;
#[cfg(shuttle)]
pub use shuttle::thread;

/// Whether the code around it is to do the named thing wrong. Never, but in a model that must notice.
#[cfg(not(shuttle))]
#[must_use]
#[inline(always)]
pub const fn is_weakened(_name: &str) -> bool {
    false
}

#[cfg(shuttle)]
pub use model::{is_weakened, too_early};
