//! `Generation`: the memtables between two checkpoints; `Root`: the layers a snapshot reads, as one value.
//!
//! Only the newest generation is written, and only by `Store::apply`; a frozen one never changes again. A root
//! is replaced as a whole and never edited. Next door: `checkpoint`, which freezes and replaces.

use std::sync::Arc;

use tailwater_proto::{Lsn, StorageId};
use tailwater_wal::sync::atomic::{AtomicIsize, AtomicU64, Ordering};
use tailwater_wal::sync::{Lanes, RwLock, is_weakened};

use super::base::Base;
use super::history::History;
use super::live::Live;
use super::memtable::MemTable;

/// Memtables by storage id, ascending.
type Tables = Vec<(StorageId, Arc<MemTable>)>;

/// The rows written between two freezes.
#[derive(Debug)]
pub(super) struct Generation {
    /// In each lane the same.
    tables: Lanes<RwLock<Tables>>,
    bytes: AtomicIsize,
    last: AtomicU64,
    /// Bytes of all generations alive, those pinned by old snapshots included.
    gauge: Arc<AtomicIsize>,
}

impl Generation {
    pub(super) fn new(gauge: Arc<AtomicIsize>) -> Self {
        Self {
            tables: Lanes::default(),
            bytes: AtomicIsize::new(0),
            last: AtomicU64::new(0),
            gauge,
        }
    }

    /// Runs `read` on a storage's table, if it has one here.
    pub(super) fn with<T>(&self, id: StorageId, read: impl FnOnce(&MemTable) -> T) -> Option<T> {
        let tables = self.tables.own().read();
        let at = tables.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        tables.get(at).map(|(_, table)| read(table))
    }

    /// A storage's table, if it has one here.
    pub(super) fn table(&self, id: StorageId) -> Option<Arc<MemTable>> {
        let tables = self.tables.own().read();
        let at = tables.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        tables.get(at).map(|(_, table)| Arc::clone(table))
    }

    /// Runs `write` on a storage's table, made when there is none; `lsn` is the commit that writes.
    pub(super) fn with_for_write(&self, id: StorageId, lsn: Lsn, write: impl FnOnce(&MemTable)) {
        let tables = self.tables.own().read();
        if let Ok(at) = tables.binary_search_by_key(&id, |(id, _)| *id) {
            if let Some((_, table)) = tables.get(at) {
                write(table);
            }
            return;
        }
        drop(tables);
        let table = Arc::new(MemTable::new(lsn));
        let show = |tables: &RwLock<Tables>| {
            let mut tables = tables.write();
            let at = tables.partition_point(|(other, _)| *other < id);
            debug_assert!(tables.get(at).is_none_or(|(other, _)| *other != id));
            tables.insert(at, (id, Arc::clone(&table)));
        };
        if is_weakened("show a table in one lane") {
            show(self.tables.own());
        } else {
            self.tables.all().for_each(show);
        }
        write(&table);
    }

    /// All tables, by storage id.
    pub(super) fn tables(&self) -> Tables {
        self.tables.own().read().clone()
    }

    /// Notes a commit that changed the size by `bytes`.
    pub(super) fn note(&self, lsn: Lsn, bytes: isize) {
        self.last.store(lsn.0, Ordering::Release);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.gauge.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Last commit noted; zero: none.
    pub(super) fn last(&self) -> Lsn {
        Lsn(self.last.load(Ordering::Acquire))
    }

    /// Bytes held, about.
    pub(super) fn bytes(&self) -> usize {
        usize::try_from(self.bytes.load(Ordering::Relaxed)).unwrap_or(0)
    }
}

impl Drop for Generation {
    fn drop(&mut self) {
        self.gauge
            .fetch_sub(self.bytes.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

/// The layers as of one moment. Each lane of threads counts references to one of its own, in a line of memory of its own.
#[derive(Clone, Debug)]
#[repr(align(128))]
pub(super) struct Root {
    /// The generation being written.
    pub(super) active: Arc<Generation>,
    /// Generations not yet wholly in `base`, newest first.
    pub(super) frozen: Vec<Arc<Generation>>,
    /// The storage file as of its last checkpoint.
    pub(super) base: Arc<Base>,
    /// When keys of earlier generations changed.
    pub(super) history: Arc<History>,
    /// Who reads these layers, and others of the store.
    pub(super) live: Arc<Live>,
}

impl Root {
    /// The generations, newest first.
    pub(super) fn generations(&self) -> impl Iterator<Item = &Arc<Generation>> {
        std::iter::once(&self.active).chain(&self.frozen)
    }
}
