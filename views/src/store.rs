//! `Reader` and `StateStore`: how operators see keyed storages, without knowing what keeps them.
//!
//! A reader is one consistent image. A state store is the pair of images around a commit, with the overlay into
//! which a step writes; the engine drops that overlay if the commit fails.

use std::sync::Arc;

use tailwater_proto::{Direction, Key, KeyRange, StorageId};

use crate::error::Result;

/// Rows of a scan, one at a time, owned: no latch is held between two calls.
pub trait Cursor: Send {
    /// The next key and its bytes, or `None` at the end.
    ///
    /// # Errors
    /// When the storage fails or is damaged.
    fn next(&mut self) -> Result<Option<(Key, Arc<[u8]>)>>;
}

/// One consistent image of every storage.
pub trait Reader: Send + Sync {
    /// The bytes under a key.
    ///
    /// # Errors
    /// When the storage fails or is damaged.
    fn get(&self, storage: StorageId, key: &Key) -> Result<Option<Arc<[u8]>>>;

    /// The rows of a range, in the asked order.
    ///
    /// # Errors
    /// When the storage fails or is damaged.
    fn scan(
        &self,
        storage: StorageId,
        range: KeyRange,
        direction: Direction,
    ) -> Result<Box<dyn Cursor>>;
}

/// Which side of the commit is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Image {
    /// As it was before the commit.
    Before,
    /// As it will be after the commit, as far as it has been staged.
    After,
}

/// What is called with each key and its bytes; `false` ends the scan.
pub type Visit<'v> = &'v mut dyn FnMut(&[u8], &Arc<[u8]>) -> Result<bool>;

/// Both images around a commit, and the overlay a step writes into.
///
/// # Contract
/// `Before` never changes during a step. `After` shows every write staged so far, base rows included.
pub trait StateStore {
    /// The bytes under a key in one image.
    ///
    /// # Errors
    /// When the storage fails or is damaged.
    fn get(&self, image: Image, storage: StorageId, key: &Key) -> Result<Option<Arc<[u8]>>>;

    /// The rows of a range of one image, in ascending order of keys, until `visit` returns `false`.
    ///
    /// # Errors
    /// When the storage fails or is damaged, or what `visit` returns.
    fn scan(
        &self,
        image: Image,
        storage: StorageId,
        range: KeyRange,
        visit: Visit<'_>,
    ) -> Result<()>;

    /// Stages a change of operator state. `before` is what the caller read from `After` (usually equal to `Before`).
    fn put(
        &mut self,
        storage: StorageId,
        key: Key,
        before: Option<Arc<[u8]>>,
        after: Option<Arc<[u8]>>,
    );
}
