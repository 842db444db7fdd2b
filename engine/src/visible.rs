//! `Visible`: the catalog that goes with the rows everyone may see, and those that wait behind it.
//!
//! A catalog is shown just before the rows of its commit; who reads takes rows first and looks again if the catalog is
//! newer. So nobody meets rows of a table that its catalog does not know. It never waits for a disk, and knows nothing
//! of what is in a catalog. Next door: `storage`, which has the rows; `engine`, which publishes.

use std::collections::VecDeque;
use std::sync::Arc;

use tailwater_proto::{Lsn, StorageId};
use tailwater_wal::sync::{RwLock, is_weakened, spin_loop, too_early};

use crate::storage::{Snapshot, Store};

/// The visible catalog and those that are sequenced but not visible yet.
pub(crate) struct Visible<C>(RwLock<Catalogs<C>>);

struct Catalogs<C> {
    /// With the LSN of its last change.
    shown: (Lsn, Arc<C>),
    sequenced: VecDeque<Sequenced<C>>,
}

/// A catalog that becomes visible with its commit.
struct Sequenced<C> {
    lsn: Lsn,
    catalog: Arc<C>,
    /// Storages that are no more.
    dropped: Vec<StorageId>,
}

impl<C> Visible<C> {
    /// Shows the catalog as of `lsn`.
    pub(crate) fn new(lsn: Lsn, catalog: Arc<C>) -> Self {
        Self(RwLock::new(Catalogs {
            shown: (lsn, catalog),
            sequenced: VecDeque::new(),
        }))
    }

    /// Takes in the catalog that commit `lsn` made; called in order, before the commit can be published.
    pub(crate) fn sequence(&self, lsn: Lsn, catalog: Arc<C>, dropped: Vec<StorageId>) {
        self.0.write().sequenced.push_back(Sequenced {
            lsn,
            catalog,
            dropped,
        });
    }

    /// Shows rows and catalogs up to `upto`; returns the storages that are no more.
    pub(crate) fn publish(&self, upto: Lsn, store: &Store) -> Vec<StorageId> {
        _ = too_early("show rows before their catalog", || {
            store.set_visible(upto);
        });
        let mut dropped = Vec::new();
        let is_due = |catalogs: &Catalogs<C>| {
            let next = catalogs.sequenced.front();
            next.is_some_and(|next| next.lsn <= upto)
        };
        // Hardly ever: who only looks holds nobody up.
        if is_due(&self.0.read()) {
            let mut catalogs = self.0.write();
            while is_due(&catalogs)
                && let Some(mut next) = catalogs.sequenced.pop_front()
            {
                dropped.append(&mut next.dropped);
                catalogs.shown = (next.lsn, next.catalog);
            }
        }
        store.set_visible(upto);
        dropped
    }

    /// What is visible now: rows and the catalog that goes with them.
    pub(crate) fn read(&self, store: &Store) -> (Snapshot, Arc<C>) {
        loop {
            let snapshot = store.snapshot_visible();
            let (changed, catalog) = &self.0.read().shown;
            // The catalog is published just before the rows: between the two, look again.
            if *changed <= snapshot.lsn() || is_weakened("take any catalog") {
                return (snapshot, Arc::clone(catalog));
            }
            spin_loop();
        }
    }

    /// What a transaction that writes begins with: rows as of the last commit that the log has, visible or not, and the
    /// catalog that goes with them.
    pub(crate) fn read_logged(&self, store: &Store) -> (Snapshot, Arc<C>) {
        loop {
            let snapshot = store.snapshot_logged();
            if let Some(catalog) = self.at(snapshot.lsn()) {
                return (snapshot, catalog);
            }
            // What is visible has gone on meanwhile.
            spin_loop();
        }
    }

    /// The catalog as of a commit that is visible or not yet; `None`: it is of the past.
    fn at(&self, lsn: Lsn) -> Option<Arc<C>> {
        let catalogs = self.0.read();
        let mut waiting = catalogs.sequenced.iter().rev();
        if let Some(of) = waiting.find(|of| of.lsn <= lsn) {
            return Some(Arc::clone(&of.catalog));
        }
        let (changed, catalog) = &catalogs.shown;
        (*changed <= lsn || is_weakened("take any catalog")).then(|| Arc::clone(catalog))
    }

    /// Looks into the visible catalog for a moment.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&C) -> T) -> T {
        look(&self.0.read().shown.1)
    }

    /// The visible catalog alone.
    pub(crate) fn catalog(&self) -> Arc<C> {
        self.change().1
    }

    /// The visible catalog with the commit that made it.
    pub(crate) fn change(&self) -> (Lsn, Arc<C>) {
        let (lsn, catalog) = &self.0.read().shown;
        (*lsn, Arc::clone(catalog))
    }

    /// Shows another catalog as of `lsn`, made from the one shown.
    pub(crate) fn replace(&self, lsn: Lsn, next: impl FnOnce(&C) -> C) {
        let shown = &mut self.0.write().shown;
        let next = next(&shown.1);
        *shown = (lsn, Arc::new(next));
    }
}
