//! Locks that no model checker looks into: for what is one step to everyone else, as a call of the file system is.
//!
//! Whoever holds one may not take a lock of the room above, nor wait. Next door: the locks of the sign above.

pub use parking_lot::{Mutex, MutexGuard, RwLock};
