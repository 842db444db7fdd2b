//! `Keyed`: values by key, in order, made for keys that mostly ascend.
//!
//! A key beyond all others is put at the end of a run, which costs next to nothing; one that comes later than its place goes
//! into a tree beside it. Who walks over them walks over both at once. It knows nothing of what it holds. Next door:
//! `memtable`.

use std::cmp::Ordering;
use std::collections::{BTreeMap, btree_map};
use std::ops::{Bound, ControlFlow};

use tailwater_proto::Key;

/// Keys that lie together: a run grows by as many, and what it has does not move then.
const CHUNK: usize = 128;

/// Values by key.
#[derive(Debug)]
pub(super) struct Keyed<V> {
    run: Run<V>,
    tree: BTreeMap<Key, V>,
}

impl<V> Default for Keyed<V> {
    fn default() -> Self {
        Self {
            run: Run {
                chunks: Vec::new(),
                firsts: Vec::new(),
            },
            tree: BTreeMap::new(),
        }
    }
}

impl<V> Keyed<V> {
    pub(super) fn len(&self) -> usize {
        self.run.len() + self.tree.len()
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<&V> {
        if self.run.ends_before(key) {
            return None;
        }
        self.run.get(key).or_else(|| self.tree.get(key))
    }

    /// Puts a value under a key that has none; else gives it back, with the one there is.
    pub(super) fn insert_new(&mut self, key: Key, value: V) -> Option<(&mut V, V)> {
        if self.run.ends_before(&key) {
            self.run.push(key, value);
            return None;
        }
        if let Some(present) = self.run.get_mut(&key) {
            return Some((present, value));
        }
        match self.tree.entry(key) {
            btree_map::Entry::Vacant(vacant) => {
                vacant.insert(value);
                None
            }
            btree_map::Entry::Occupied(occupied) => Some((occupied.into_mut(), value)),
        }
    }

    /// Calls `visit` with all between two bounds, which must be in order, from the end in reading direction, until it says
    /// stop.
    pub(super) fn visit(
        &self,
        lo: Bound<&[u8]>,
        hi: Bound<&[u8]>,
        reverse: bool,
        mut visit: impl FnMut(&Key, &V) -> ControlFlow<()>,
    ) {
        let mut run = self.run.range(lo, hi);
        let mut tree = self.tree.range::<[u8], _>((lo, hi));
        let mut from_run = || if reverse { run.next_back() } else { run.next() };
        let mut from_tree = || {
            if reverse {
                tree.next_back()
            } else {
                tree.next()
            }
        };
        let (mut of_run, mut of_tree) = (from_run(), from_tree());
        loop {
            let is_runs_turn = match (of_run, of_tree) {
                (None, None) => return,
                (Some(_), None) => true,
                (None, Some(_)) => false,
                (Some((one, _)), Some((other, _))) => (one.cmp(other) == Ordering::Less) != reverse,
            };
            let next = match is_runs_turn {
                true => std::mem::replace(&mut of_run, from_run()),
                false => std::mem::replace(&mut of_tree, from_tree()),
            };
            if let Some((key, value)) = next
                && visit(key, value).is_break()
            {
                return;
            }
        }
    }
}

/// Ascending keys with their values.
#[derive(Debug)]
struct Run<V> {
    /// Full, but for the last.
    chunks: Vec<Vec<(Key, V)>>,
    /// The first key of each chunk, side by side for those that look for one.
    firsts: Vec<Key>,
}

/// Where in a run: the chunk, and the place in it.
type Place = (usize, usize);

impl<V> Run<V> {
    fn len(&self) -> usize {
        let last = self.chunks.last();
        last.map_or(0, |last| (self.chunks.len() - 1) * CHUNK + last.len())
    }

    /// Whether all its keys are less.
    fn ends_before(&self, key: &[u8]) -> bool {
        let last = self.chunks.last().and_then(|chunk| chunk.last());
        last.is_none_or(|(last, _)| **last < *key)
    }

    /// `key` is greater than all there are.
    fn push(&mut self, key: Key, value: V) {
        match self.chunks.last_mut() {
            Some(chunk) if chunk.len() < CHUNK => chunk.push((key, value)),
            first_or_full => {
                // A storage of few keys takes little; one of many grows by whole chunks.
                let room = if first_or_full.is_none() { 4 } else { CHUNK };
                let mut chunk = Vec::with_capacity(room);
                self.firsts.push(key.clone());
                chunk.push((key, value));
                self.chunks.push(chunk);
            }
        }
    }

    /// The place of the first key that is not `before` what is looked for.
    fn place(&self, before: impl Fn(&[u8]) -> bool) -> Place {
        let begun = self.firsts.partition_point(|first| before(first));
        let Some(at) = begun.checked_sub(1) else {
            return (0, 0);
        };
        let chunk = self.chunks.get(at).map(Vec::as_slice).unwrap_or_default();
        match chunk.partition_point(|(key, _)| before(key)) {
            end if end == chunk.len() => (begun, 0),
            in_chunk => (at, in_chunk),
        }
    }

    fn at(&self, (chunk, at): Place) -> Option<(&Key, &V)> {
        let (key, value) = self.chunks.get(chunk)?.get(at)?;
        Some((key, value))
    }

    fn get(&self, key: &[u8]) -> Option<&V> {
        let found = self.at(self.place(|other| other < key));
        found
            .filter(|(found, _)| ***found == *key)
            .map(|(_, value)| value)
    }

    fn get_mut(&mut self, key: &[u8]) -> Option<&mut V> {
        let (chunk, at) = self.place(|other| other < key);
        let (found, value) = self.chunks.get_mut(chunk)?.get_mut(at)?;
        (**found == *key).then_some(value)
    }

    fn range(&self, lo: Bound<&[u8]>, hi: Bound<&[u8]>) -> Range<'_, V> {
        let end = (self.chunks.len(), 0);
        Range {
            run: self,
            next: match lo {
                Bound::Unbounded => (0, 0),
                Bound::Included(lo) => self.place(|key| key < lo),
                Bound::Excluded(lo) => self.place(|key| key <= lo),
            },
            end: match hi {
                Bound::Unbounded => end,
                Bound::Included(hi) => self.place(|key| key <= hi),
                Bound::Excluded(hi) => self.place(|key| key < hi),
            },
        }
    }
}

/// A part of a run that was not walked over yet.
struct Range<'r, V> {
    run: &'r Run<V>,
    next: Place,
    end: Place,
}

impl<'r, V> Iterator for Range<'r, V> {
    type Item = (&'r Key, &'r V);

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.end {
            return None;
        }
        let (chunk, at) = self.next;
        let item = self.run.at(self.next);
        let is_last = self
            .run
            .chunks
            .get(chunk)
            .is_none_or(|chunk| at + 1 >= chunk.len());
        self.next = if is_last {
            (chunk + 1, 0)
        } else {
            (chunk, at + 1)
        };
        item
    }
}

impl<V> DoubleEndedIterator for Range<'_, V> {
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.next >= self.end {
            return None;
        }
        self.end = match self.end {
            (chunk, 0) => {
                let before = self.run.chunks.get(chunk - 1);
                (chunk - 1, before.map_or(0, |chunk| chunk.len() - 1))
            }
            (chunk, at) => (chunk, at - 1),
        };
        self.run.at(self.end)
    }
}
