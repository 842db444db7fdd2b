//! The one merge over the layers, and [`Scan`], a range read through it.
//!
//! Memtables are copied out in small growing batches, so no latch is held between rows; where layers hold the
//! same key the newest wins, and a deletion hides what lies below. It never looks past its snapshot's LSN.
//! Next door: `snapshot`, which opens scans; `checkpoint`, which drains frozen generations by the same merge.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::fmt;
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

use tailwater_proto::{Direction, Key, Lsn};

use tailwater_wal::mutant;

use super::base::BaseCursor;
use super::error::Result;
use super::memtable::{Cell, MemTable};
use super::snapshot::Snapshot;

/// Rows copied out of a memtable at first and at most.
const BATCH_FIRST: usize = 2;
const BATCH_MAX: usize = 256;
/// Rows looked at under one latch, for each wanted, where many are newer than the snapshot.
const LOOK_PER_ROW: usize = 8;

/// Reads a range of one memtable in batches.
pub(super) struct MemCursor {
    table: Arc<MemTable>,
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
        table: Arc<MemTable>,
        at: Lsn,
        lo: Bound<Key>,
        hi: Bound<Key>,
        reverse: bool,
    ) -> Self {
        Self {
            table,
            at,
            lo,
            hi,
            reverse,
            batch: VecDeque::new(),
            batch_rows: BATCH_FIRST,
            done: false,
        }
    }

    fn fill(&mut self) {
        while self.batch.is_empty() && !self.done {
            let (at, wanted) = (self.at, self.batch_rows);
            let batch = &mut self.batch;
            let mut looks_left = wanted * LOOK_PER_ROW;
            let mut stopped_at = None;
            self.table
                .visit(&self.lo, &self.hi, self.reverse, |key, versions| {
                    if let Some(version) = versions.at(at) {
                        batch.push_back((key.clone(), version.cell.clone()));
                    }
                    looks_left -= 1;
                    if batch.len() < wanted && looks_left > 0 {
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
    }
}

/// Whether no key lies between the bounds (a map refuses some such ranges).
fn range_is_empty(lo: &Bound<Key>, hi: &Bound<Key>) -> bool {
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
    fn fill(&mut self) -> Result<()> {
        match self {
            Self::Mem(cursor) => {
                cursor.fill();
                Ok(())
            }
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

    /// The next key with what the newest layer holds under it.
    pub(super) fn next(&mut self) -> Result<Option<(Key, Cell)>> {
        if let [layer] = self.layers.as_mut_slice() {
            layer.fill()?;
            return Ok(layer.take());
        }
        for layer in &mut self.layers {
            layer.fill()?;
        }
        let mut best: Option<(usize, &Key)> = None;
        for (at, layer) in self.layers.iter().enumerate() {
            if let Some(key) = layer.peek()
                && best.is_none_or(|(_, least)| self.order(key, least).is_lt())
            {
                best = Some((at, key));
            }
        }
        let Some((at, _)) = best else {
            return Ok(None);
        };
        let mut layers = self.layers.iter_mut().skip(at);
        let Some(cell) = layers.next().and_then(Layer::take) else {
            return Ok(None);
        };
        for older in layers {
            let shows = cell.1.is_none() && mutant::is("skip_tombstones_in_merge");
            if older.peek() == Some(&cell.0) && !shows {
                older.take();
            }
        }
        Ok(Some(cell))
    }

    fn order(&self, a: &Key, b: &Key) -> Ordering {
        if self.reverse { b.cmp(a) } else { a.cmp(b) }
    }
}

/// A range of one storage at a snapshot. Owns its snapshot; may be sent and kept.
pub(crate) struct Scan {
    merge: Merge,
    /// Keeps the versions being read.
    _snapshot: Snapshot,
}

impl Scan {
    pub(super) fn new(merge: Merge, snapshot: Snapshot) -> Self {
        Self {
            merge,
            _snapshot: snapshot,
        }
    }

    /// The next row, in the direction asked for; `None` at the end.
    ///
    /// # Errors
    /// Damage or I/O in the storage file; the scan is over then.
    pub(crate) fn next(&mut self) -> Result<Option<(Key, Arc<[u8]>)>> {
        loop {
            match self.merge.next() {
                Ok(Some((key, Some(value)))) => return Ok(Some((key, value))),
                Ok(Some((_, None))) => {}
                Ok(None) => return Ok(None),
                Err(error) => {
                    self.merge.layers.clear();
                    return Err(error);
                }
            }
        }
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
