//! `MemTable`: one storage's recent rows in memory, several versions of a key by LSN.
//!
//! Versions nobody can ask for are dropped as newer ones arrive (see `live`); the newest always stays, for it
//! is also the history that conflict checks read. It knows nothing of other layers. Next door: `generation`.

use std::collections::VecDeque;
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

use smallvec::{SmallVec, smallvec};
use tailwater_proto::{Key, KeyRange, Lsn};
use tailwater_wal::sync::atomic::{AtomicU64, Ordering};
use tailwater_wal::sync::{RwLock, RwLockWriteGuard, brief};

use super::keyed::Keyed;
use super::live::Live;

/// A value, or `None` for "deleted".
pub(super) type Cell = Option<Arc<[u8]>>;

/// Bytes an entry costs beside its key's and values' own: its slot, and its share of slots that are empty.
const ENTRY_BYTES: usize = size_of::<Key>() + size_of::<Versions>() + 16;
/// Bytes a key may have without an allocation of its own.
const KEY_INLINE: usize = 24;
/// Bytes an `Arc<[u8]>` costs beside its content.
const ARC_BYTES: usize = 16;
/// Versions of one key from which on the gaps between live snapshots are looked at.
const PRUNE_FROM: usize = 8;
/// Last changes a table remembers in their order.
const RECENT_MAX: usize = 4096;
/// Last changes that are looked through before a key is looked for.
const RECENT_FEW: usize = 32;

/// What a key held from `lsn` on.
#[derive(Debug)]
pub(super) struct Version {
    pub(super) lsn: Lsn,
    pub(super) cell: Cell,
}

/// Versions of one key, oldest first, never empty.
#[derive(Debug)]
pub(super) struct Versions(SmallVec<[Version; 1]>);

impl Versions {
    /// The version a snapshot at `lsn` sees.
    pub(super) fn at(&self, lsn: Lsn) -> Option<&Version> {
        self.0.iter().rev().find(|version| version.lsn <= lsn)
    }

    /// When the key was last written.
    pub(super) fn last(&self) -> Lsn {
        self.0.last().map_or(Lsn::ZERO, |version| version.lsn)
    }

    /// Adds the newest version and drops those nobody needs; returns the change in bytes.
    fn push(&mut self, Version { lsn, cell }: Version, floor: Lsn, live: &Live) -> isize {
        let mut bytes = cell_bytes(&cell);
        if let Some(last) = self.0.last_mut()
            && last.lsn == lsn
        {
            bytes -= cell_bytes(&last.cell);
            last.cell = cell;
            return bytes;
        }
        self.0.push(Version { lsn, cell });
        bytes += size_of::<Version>().cast_signed();
        let unneeded = self
            .0
            .iter()
            .rposition(|version| version.lsn <= floor)
            .unwrap_or(0);
        for version in self.0.drain(..unneeded) {
            bytes -= version_bytes(&version);
        }
        // Powers of two: where nothing can be dropped, the next look is as far away again.
        if self.0.len() >= PRUNE_FROM && self.0.len().is_power_of_two() {
            bytes -= self.prune(live);
        }
        bytes
    }

    /// Drops versions that fall between live snapshots; returns the bytes freed.
    fn prune(&mut self, live: &Live) -> isize {
        let mut freed = 0;
        let needs = live.needs();
        // Versions are visited newest first, each knowing when the next newer one took over.
        let mut until = Lsn::MAX;
        let mut kept: SmallVec<[Version; 1]> = SmallVec::with_capacity(self.0.len());
        for version in self.0.drain(..).rev() {
            let from = version.lsn;
            if needs.any_in(from, until) {
                kept.push(version);
            } else {
                freed += version_bytes(&version);
            }
            until = from;
        }
        kept.reverse();
        self.0 = kept;
        freed
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.0.len()
    }
}

fn cell_bytes(cell: &Cell) -> isize {
    cell.as_ref()
        .map_or(0, |value| value.len() + ARC_BYTES)
        .cast_signed()
}

fn version_bytes(version: &Version) -> isize {
    size_of::<Version>().cast_signed() + cell_bytes(&version.cell)
}

/// The ordered rows of a memtable, and its last changes in the order they came.
#[derive(Debug, Default)]
pub(super) struct Rows {
    keyed: Keyed<Versions>,
    /// Every change after `recent_after`, oldest first: a range check of a short transaction looks at what
    /// was written since, not at all that lies in the range.
    recent: VecDeque<(Lsn, Key)>,
    recent_after: Lsn,
}

impl Rows {
    fn note_change(&mut self, lsn: Lsn, key: Key) {
        if self.recent.len() >= RECENT_MAX
            && let Some((oldest, _)) = self.recent.pop_front()
        {
            self.recent_after = oldest;
        }
        self.recent.push_back((lsn, key));
    }

    fn key_changed_after(&self, key: &Key, lsn: Lsn) -> bool {
        // A short transaction has little behind its back: that is seen sooner than the key is found.
        if lsn >= self.recent_after {
            for (at, other) in self.recent.iter().rev().take(RECENT_FEW) {
                if *at <= lsn {
                    return false;
                }
                if other == key {
                    return true;
                }
            }
        }
        let versions = self.keyed.get(key);
        versions.is_some_and(|versions| versions.last() > lsn)
    }

    fn changed_after(&self, range: &KeyRange, lsn: Lsn) -> bool {
        if lsn >= self.recent_after {
            let since = self.recent.iter().rev();
            return since
                .take_while(|(at, _)| *at > lsn)
                .any(|(_, key)| range.contains(key));
        }
        let mut is_changed = false;
        if !range.is_empty() {
            let (lo, hi) = (bound(&range.lo), bound(&range.hi));
            self.keyed.visit(lo, hi, false, |_, versions| {
                is_changed = versions.last() > lsn;
                match is_changed {
                    true => ControlFlow::Break(()),
                    false => ControlFlow::Continue(()),
                }
            });
        }
        is_changed
    }
}

/// One storage in one generation.
#[derive(Debug)]
pub(super) struct MemTable {
    rows: RwLock<Rows>,
    first: Lsn,
    last: AtomicU64,
}

impl MemTable {
    /// An empty table whose first write comes at `first`.
    pub(super) fn new(first: Lsn) -> Self {
        Self {
            rows: RwLock::default(),
            first,
            last: AtomicU64::new(first.0),
        }
    }

    /// No version is older: a snapshot before it need not look.
    pub(super) fn first(&self) -> Lsn {
        self.first
    }

    /// When the table was last written.
    pub(super) fn last(&self) -> Lsn {
        Lsn(self.last.load(Ordering::Acquire))
    }

    /// Opens the table for writes at `lsn`.
    pub(super) fn write(&self, lsn: Lsn) -> RwLockWriteGuard<'_, Rows> {
        let rows = brief::write(&self.rows);
        self.last.store(lsn.0, Ordering::Release);
        rows
    }

    /// What a snapshot at `lsn` sees under `key`; outer `None`: nothing in this layer.
    pub(super) fn get(&self, key: &Key, lsn: Lsn) -> Option<Cell> {
        if self.first > lsn {
            return None;
        }
        let rows = brief::read(&self.rows);
        Some(rows.keyed.get(key)?.at(lsn)?.cell.clone())
    }

    /// Whether `key` was written after `lsn`.
    pub(super) fn key_changed_after(&self, key: &Key, lsn: Lsn) -> bool {
        brief::read(&self.rows).key_changed_after(key, lsn)
    }

    /// Whether any key of a range was written after `lsn`.
    pub(super) fn range_changed_after(&self, range: &KeyRange, lsn: Lsn) -> bool {
        brief::read(&self.rows).changed_after(range, lsn)
    }

    /// Every key and when it was last written, in order.
    pub(super) fn key_lasts(&self) -> Box<[(Key, Lsn)]> {
        let rows = brief::read(&self.rows);
        let mut lasts = Vec::with_capacity(rows.keyed.len());
        let (lo, hi) = (Bound::Unbounded, Bound::Unbounded);
        rows.keyed.visit(lo, hi, false, |key, versions| {
            lasts.push((key.clone(), versions.last()));
            ControlFlow::Continue(())
        });
        lasts.into()
    }

    /// How many keys have versions here, deleted ones included.
    pub(super) fn keys(&self) -> u64 {
        brief::read(&self.rows).keyed.len() as u64
    }

    /// Calls `visit` with the rows of a range, from its end in reading direction, until it says stop; the
    /// latch is held meanwhile.
    pub(super) fn visit(
        &self,
        lo: &Bound<Key>,
        hi: &Bound<Key>,
        reverse: bool,
        visit: impl FnMut(&Key, &Versions) -> ControlFlow<()>,
    ) {
        let rows = brief::read(&self.rows);
        rows.keyed.visit(bound(lo), bound(hi), reverse, visit);
    }
}

/// Writes one cell; returns the change in bytes.
pub(super) fn put(
    rows: &mut Rows,
    key: Key,
    lsn: Lsn,
    cell: Cell,
    floor: Lsn,
    live: &Live,
) -> isize {
    rows.note_change(lsn, key.clone());
    let key_bytes = match key.len() {
        ..=KEY_INLINE => 0,
        allocated => allocated,
    };
    let bytes = (ENTRY_BYTES + key_bytes).cast_signed() + cell_bytes(&cell);
    let first = Versions(smallvec![Version { lsn, cell }]);
    match rows.keyed.insert_new(key, first) {
        None => bytes,
        Some((present, Versions(mut new))) => new
            .pop()
            .map_or(0, |version| present.push(version, floor, live)),
    }
}

/// A bound over a key as a bound over its bytes.
pub(super) fn bound(bound: &Bound<Key>) -> Bound<&[u8]> {
    bound.as_ref().map(|key| &**key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(byte: u8) -> Cell {
        Some(Arc::from(&[byte][..]))
    }

    #[test]
    fn hot_key_keeps_only_versions_that_live_snapshots_need() {
        let live = Live::new(Lsn(0));
        let mut rows = Rows::default();
        let key = Key::from(&b"k"[..]);
        put(
            &mut rows,
            key.clone(),
            Lsn(1),
            value(1),
            live.floor(),
            &live,
        );
        live.advance_tip(Lsn(1));
        live.set_visible(Lsn(1));
        let begun = live.register_visible_with(|| (Lsn::ZERO, ())).0;
        let held = begun.lsn;
        assert_eq!(held, Lsn(1));
        let mut bytes = 0;
        for lsn in 2..10_000 {
            bytes += put(
                &mut rows,
                key.clone(),
                Lsn(lsn),
                value(2),
                live.floor(),
                &live,
            );
            live.advance_tip(Lsn(lsn));
            live.set_visible(Lsn(lsn));
        }
        let versions = rows.keyed.get(&key).unwrap();
        assert!(versions.len() <= PRUNE_FROM, "{}", versions.len());
        assert_eq!(versions.at(held).unwrap().cell, value(1));
        assert!(bytes < 1000, "{bytes}");

        live.release(begun);
        put(
            &mut rows,
            key.clone(),
            Lsn(10_000),
            value(3),
            live.floor(),
            &live,
        );
        assert_eq!(rows.keyed.get(&key).unwrap().len(), 2);
    }

    #[test]
    fn second_write_at_one_lsn_replaces_the_first() {
        let live = Live::new(Lsn(0));
        let mut rows = Rows::default();
        let key = Key::from(&b"k"[..]);
        put(&mut rows, key.clone(), Lsn(1), value(1), Lsn(0), &live);
        assert_eq!(
            put(&mut rows, key.clone(), Lsn(1), value(2), Lsn(0), &live),
            0
        );
        let versions = rows.keyed.get(&key).unwrap();
        assert_eq!(
            (versions.len(), versions.at(Lsn(1)).unwrap().cell.clone()),
            (1, value(2))
        );
    }
}
