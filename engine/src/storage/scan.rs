//! The one merge over the layers, and [`Scan`], a range read through it.
//!
//! Layers are copied out in small growing batches, so no latch is held between rows and nothing of a layer is kept
//! between batches: a snapshot can be let go of under a scan. Where layers hold the same key the newest wins, and a
//! deletion hides what lies below. It never looks past its snapshot's LSN.
//! Next door: `snapshot`, which opens scans; `checkpoint`, which drains frozen generations by the same merge.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::fmt;
use std::ops::{Bound, ControlFlow};
use std::sync::{Arc, Weak};

use tailwater_proto::{Direction, Key, KeyRange, Lsn, StorageId};

use tailwater_wal::mutant;

use super::base::BaseCursor;
use super::error::{Result, StorageError};
use super::generation::Root;
use super::memtable::{Cell, MemTable};
use super::snapshot::Snapshot;

/// Rows copied out of a memtable at first and at most.
const BATCH_FIRST: usize = 2;
const BATCH_MAX: usize = 256;
/// Bytes of rows from which on a batch takes no more.
pub(super) const BATCH_BYTES: usize = 64 << 10;
/// Rows looked at under one latch, for each wanted, where many are newer than the snapshot.
const LOOK_PER_ROW: usize = 8;

/// Reads a range of one memtable in batches. Whoever asks for one sees to it that the table is there.
pub(super) struct MemCursor {
    table: Weak<MemTable>,
    at: Lsn,
    lo: Bound<Key>,
    hi: Bound<Key>,
    reverse: bool,
    batch: VecDeque<(Key, Cell)>,
    batch_rows: usize,
    done: bool,
}

impl MemCursor {
    /// Reads `lo..hi`, which must not be empty, as of `at`.
    pub(super) fn new(
        table: &Arc<MemTable>,
        at: Lsn,
        lo: Bound<Key>,
        hi: Bound<Key>,
        reverse: bool,
    ) -> Self {
        Self {
            table: Arc::downgrade(table),
            at,
            lo,
            hi,
            reverse,
            batch: VecDeque::new(),
            batch_rows: BATCH_FIRST,
            done: false,
        }
    }

    fn is_short(&self) -> bool {
        self.batch.is_empty() && !self.done
    }

    fn fill(&mut self) -> Result<()> {
        if !self.is_short() {
            return Ok(());
        }
        let Some(table) = self.table.upgrade() else {
            return Err(StorageError::SnapshotTooOld { lsn: self.at });
        };
        while self.is_short() {
            let (at, wanted) = (self.at, self.batch_rows);
            let batch = &mut self.batch;
            let mut looks_left = wanted * LOOK_PER_ROW;
            let mut bytes = 0;
            let mut stopped_at = None;
            table.visit(&self.lo, &self.hi, self.reverse, |key, versions| {
                if let Some(version) = versions.at(at) {
                    bytes += key.len() + version.cell.as_ref().map_or(0, |value| value.len());
                    batch.push_back((key.clone(), version.cell.clone()));
                }
                looks_left -= 1;
                if batch.len() < wanted && looks_left > 0 && bytes < BATCH_BYTES {
                    return ControlFlow::Continue(());
                }
                stopped_at = Some(key.clone());
                ControlFlow::Break(())
            });
            match stopped_at {
                None => self.done = true,
                Some(key) if self.reverse => self.hi = Bound::Excluded(key),
                Some(key) => self.lo = Bound::Excluded(key),
            }
            self.done |= range_is_empty(&self.lo, &self.hi);
            self.batch_rows = (wanted * 4).min(BATCH_MAX);
        }
        Ok(())
    }
}

/// Whether no key lies between the bounds (a map refuses some such ranges).
pub(super) fn range_is_empty(lo: &Bound<Key>, hi: &Bound<Key>) -> bool {
    match (lo, hi) {
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
        (Bound::Included(lo), Bound::Included(hi)) => lo > hi,
        (Bound::Included(lo) | Bound::Excluded(lo), Bound::Included(hi) | Bound::Excluded(hi)) => {
            lo >= hi
        }
    }
}

/// One layer of a merge.
pub(super) enum Layer {
    /// A generation's memtable.
    Mem(MemCursor),
    /// The storage file.
    Base(BaseCursor),
}

impl Layer {
    fn is_short(&self) -> bool {
        match self {
            Self::Mem(cursor) => cursor.is_short(),
            Self::Base(cursor) => cursor.is_short(),
        }
    }

    fn fill(&mut self) -> Result<()> {
        match self {
            Self::Mem(cursor) => cursor.fill(),
            Self::Base(cursor) => cursor.fill(),
        }
    }

    fn peek(&self) -> Option<&Key> {
        match self {
            Self::Mem(cursor) => cursor.batch.front().map(|(key, _)| key),
            Self::Base(cursor) => cursor.peek(),
        }
    }

    fn take(&mut self) -> Option<(Key, Cell)> {
        match self {
            Self::Mem(cursor) => cursor.batch.pop_front(),
            Self::Base(cursor) => cursor.take(),
        }
    }
}

/// Layers as one ordered stream of cells, deletions included.
pub(super) struct Merge {
    /// Newest first.
    layers: Vec<Layer>,
    reverse: bool,
}

impl Merge {
    /// Merges layers given newest first, all reading in the same direction.
    pub(super) fn new(layers: Vec<Layer>, reverse: bool) -> Self {
        Self { layers, reverse }
    }

    /// The layers of a range of one storage, as `root` has them, for who reads at `at`.
    fn of(root: &Root, at: Lsn, id: StorageId, range: KeyRange, reverse: bool) -> Self {
        let mut layers = Vec::new();
        if !range.is_empty() {
            let KeyRange { lo, hi } = range;
            layers.extend(
                root.generations()
                    .filter_map(|generation| generation.table(id))
                    .filter(|table| table.first() <= at)
                    .map(|table| {
                        let (lo, hi) = (lo.clone(), hi.clone());
                        Layer::Mem(MemCursor::new(&table, at, lo, hi, reverse))
                    }),
            );
            layers.push(Layer::Base(BaseCursor::new(
                &root.base, id, lo, hi, reverse,
            )));
        }
        Self::new(layers, reverse)
    }

    /// Whether a layer has to be read before the next key is known.
    fn is_short(&self) -> bool {
        self.layers.iter().any(Layer::is_short)
    }

    /// Reads on in layers of which nothing is left.
    fn fill(&mut self) -> Result<()> {
        self.layers.iter_mut().try_for_each(Layer::fill)
    }

    /// The next key with what the newest layer holds under it.
    pub(super) fn next(&mut self) -> Result<Option<(Key, Cell)>> {
        self.fill()?;
        Ok(self.take())
    }

    /// The next key of what has been read.
    fn take(&mut self) -> Option<(Key, Cell)> {
        if let [layer] = self.layers.as_mut_slice() {
            return layer.take();
        }
        let mut best: Option<(usize, &Key)> = None;
        for (at, layer) in self.layers.iter().enumerate() {
            if let Some(key) = layer.peek()
                && best.is_none_or(|(_, least)| self.order(key, least).is_lt())
            {
                best = Some((at, key));
            }
        }
        let (at, _) = best?;
        let mut layers = self.layers.iter_mut().skip(at);
        let cell = layers.next().and_then(Layer::take)?;
        for older in layers {
            let shows = cell.1.is_none() && mutant::is("skip_tombstones_in_merge");
            if older.peek() == Some(&cell.0) && !shows {
                older.take();
            }
        }
        Some(cell)
    }

    fn order(&self, a: &Key, b: &Key) -> Ordering {
        if self.reverse { b.cmp(a) } else { a.cmp(b) }
    }
}

/// A range of one storage at a snapshot. May be sent and kept; it keeps the snapshot alive, and of its layers nothing.
pub(crate) struct Scan {
    /// What is to be read, until the first row was asked for.
    start: Option<(StorageId, KeyRange)>,
    merge: Merge,
    snapshot: Snapshot,
}

impl Scan {
    pub(super) fn new(snapshot: Snapshot, id: StorageId, range: KeyRange, reverse: bool) -> Self {
        Self {
            start: Some((id, range)),
            merge: Merge::new(Vec::new(), reverse),
            snapshot,
        }
    }

    /// The next row, in the direction asked for; `None` at the end.
    ///
    /// # Errors
    /// Damage or I/O in the storage file, `SnapshotTooOld`; the scan is over then.
    pub(crate) fn next(&mut self) -> Result<Option<(Key, Arc<[u8]>)>> {
        loop {
            if (self.start.is_some() || self.merge.is_short())
                && let Err(error) = self.fill()
            {
                self.start = None;
                self.merge.layers.clear();
                return Err(error);
            }
            match self.merge.take() {
                Some((key, Some(value))) => return Ok(Some((key, value))),
                Some((_, None)) => {}
                None => return Ok(None),
            }
        }
    }

    /// Reads the next batch of each layer that needs one, while the snapshot is held.
    fn fill(&mut self) -> Result<()> {
        let (merge, start, at) = (&mut self.merge, &mut self.start, self.snapshot.lsn());
        self.snapshot.with(|root| {
            if let Some((id, range)) = start.take() {
                *merge = Merge::of(root, at, id, range, merge.reverse);
            }
            merge.fill()
        })
    }
}

impl Iterator for Scan {
    type Item = Result<(Key, Arc<[u8]>)>;

    fn next(&mut self) -> Option<Self::Item> {
        Self::next(self).transpose()
    }
}

impl fmt::Debug for Scan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scan")
            .field("layers", &self.merge.layers.len())
            .finish_non_exhaustive()
    }
}

/// Whether a direction is the descending one.
pub(super) fn is_reverse(direction: Direction) -> bool {
    match direction {
        Direction::Forward => false,
        Direction::Reverse => true,
    }
}
