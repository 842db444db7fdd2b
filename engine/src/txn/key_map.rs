//! `KeyMap`: an ordered map that costs next to nothing as long as keys come in ascending order, or are few.
//!
//! Most transactions change a few rows, or write rows in the order of their keys: those lie in a vector. A key that comes
//! out of order when there are many makes a tree of it. It knows nothing of what it holds. Next door: `write_set`.

use std::collections::{BTreeMap, btree_map};
use std::ops::Bound;
use std::slice;
use std::vec;

use tailwater_proto::Key;

/// So many keys may come in any order.
const FEW: usize = 16;

/// Values by key.
#[derive(Clone, Debug)]
pub(crate) enum KeyMap<V> {
    /// Ascending.
    Run(Vec<(Key, V)>),
    /// In any order, and many.
    Tree(BTreeMap<Key, V>),
}

impl<V> Default for KeyMap<V> {
    fn default() -> Self {
        Self::Run(Vec::new())
    }
}

impl<V> KeyMap<V> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Run(run) => run.len(),
            Self::Tree(tree) => tree.len(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn contains_key(&self, key: &Key) -> bool {
        self.get(key).is_some()
    }

    pub(super) fn get(&self, key: &Key) -> Option<&V> {
        match self {
            Self::Run(run) => {
                let place = place_of(run, key).ok()?;
                run.get(place).map(|(_, value)| value)
            }
            Self::Tree(tree) => {
                // Keys that ascend are looked for past the end.
                let is_beyond = tree.last_key_value().is_none_or(|(last, _)| key > last);
                if is_beyond { None } else { tree.get(key) }
            }
        }
    }

    /// Puts a value under a key that has none; else gives it back, with the one there is.
    pub(super) fn insert_new(&mut self, key: Key, value: V) -> Option<(&mut V, V)> {
        self.grow(&key);
        match self {
            Self::Run(run) => match place_of(run, &key) {
                Err(place) => {
                    run.insert(place, (key, value));
                    None
                }
                Ok(place) => run.get_mut(place).map(|(_, present)| (present, value)),
            },
            Self::Tree(tree) => match tree.entry(key) {
                btree_map::Entry::Vacant(vacant) => {
                    vacant.insert(value);
                    None
                }
                btree_map::Entry::Occupied(occupied) => Some((occupied.into_mut(), value)),
            },
        }
    }

    /// Puts a value under a key, instead of what was there.
    pub(super) fn insert(&mut self, key: Key, value: V) {
        if let Some((present, value)) = self.insert_new(key, value) {
            *present = value;
        }
    }

    pub(super) fn remove(&mut self, key: &Key) {
        self.grow(key);
        match self {
            Self::Run(run) => {
                if let Ok(place) = place_of(run, key) {
                    run.remove(place);
                }
            }
            Self::Tree(tree) => {
                tree.remove(key);
            }
        }
    }

    /// The keys between two bounds, which must be in order.
    pub(super) fn range(&self, lo: Bound<&[u8]>, hi: Bound<&[u8]>) -> Iter<'_, V> {
        match self {
            Self::Run(run) => {
                let from = match lo {
                    Bound::Unbounded => 0,
                    Bound::Included(lo) => run.partition_point(|(key, _)| **key < *lo),
                    Bound::Excluded(lo) => run.partition_point(|(key, _)| **key <= *lo),
                };
                let to = match hi {
                    Bound::Unbounded => run.len(),
                    Bound::Included(hi) => run.partition_point(|(key, _)| **key <= *hi),
                    Bound::Excluded(hi) => run.partition_point(|(key, _)| **key < *hi),
                };
                Iter::Run(run.get(from..to).unwrap_or_default().iter())
            }
            Self::Tree(tree) => Iter::Tree(tree.range::<[u8], _>((lo, hi))),
        }
    }

    /// All keys.
    pub(crate) fn iter(&self) -> Iter<'_, V> {
        self.range(Bound::Unbounded, Bound::Unbounded)
    }

    /// Makes a tree of it if many keys may have to move for a change at this one.
    fn grow(&mut self, key: &Key) {
        if let Self::Run(run) = self
            && run.len() > FEW
            && run.last().is_some_and(|(last, _)| key < last)
        {
            *self = Self::Tree(std::mem::take(run).into_iter().collect());
        }
    }
}

/// Where a key is in a run, or where it would be: mostly behind the last one.
fn place_of<V>(run: &[(Key, V)], key: &Key) -> Result<usize, usize> {
    match run.last() {
        Some((last, _)) if last >= key => run.binary_search_by(|(other, _)| other.cmp(key)),
        _ => Err(run.len()),
    }
}

/// Keys with their values, ascending.
pub(crate) enum Iter<'m, V> {
    /// Of a run.
    Run(slice::Iter<'m, (Key, V)>),
    /// Of a tree.
    Tree(btree_map::Range<'m, Key, V>),
}

impl<'m, V> Iterator for Iter<'m, V> {
    type Item = (&'m Key, &'m V);

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Run(run) => run.next().map(|(key, value)| (key, value)),
            Self::Tree(tree) => tree.next(),
        }
    }
}

impl<V> DoubleEndedIterator for Iter<'_, V> {
    fn next_back(&mut self) -> Option<Self::Item> {
        match self {
            Self::Run(run) => run.next_back().map(|(key, value)| (key, value)),
            Self::Tree(tree) => tree.next_back(),
        }
    }
}

/// As [`Iter`], with everything taken along.
pub(crate) enum IntoIter<V> {
    /// Of a run.
    Run(vec::IntoIter<(Key, V)>),
    /// Of a tree.
    Tree(btree_map::IntoIter<Key, V>),
}

impl<V> Iterator for IntoIter<V> {
    type Item = (Key, V);

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Run(run) => run.next(),
            Self::Tree(tree) => tree.next(),
        }
    }
}

impl<V> IntoIterator for KeyMap<V> {
    type Item = (Key, V);
    type IntoIter = IntoIter<V>;

    fn into_iter(self) -> IntoIter<V> {
        match self {
            Self::Run(run) => IntoIter::Run(run.into_iter()),
            Self::Tree(tree) => IntoIter::Tree(tree.into_iter()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Rng;
    use super::*;

    /// The twin: a tree from the beginning.
    fn assert_same(map: &KeyMap<u64>, twin: &BTreeMap<Key, u64>, rng: &mut Rng) {
        assert_eq!(map.len(), twin.len());
        assert!(map.iter().eq(twin.iter()));
        assert!(map.clone().into_iter().eq(twin.clone()));
        let (one, other) = (key(rng.below(80)), key(rng.below(80)));
        let (lo, hi) = if one < other {
            (one, other)
        } else {
            (other, one)
        };
        assert_eq!(map.get(&lo), twin.get(&lo));
        let bounds = |bytes| {
            [
                Bound::Unbounded,
                Bound::Included(bytes),
                Bound::Excluded(bytes),
            ]
        };
        for from in bounds(&*lo) {
            for to in bounds(&*hi) {
                if lo == hi && !matches!((from, to), (Bound::Included(_), Bound::Included(_))) {
                    continue;
                }
                let found = map.range(from, to);
                assert!(found.eq(twin.range::<[u8], _>((from, to))));
                let found = map.range(from, to).rev();
                assert!(found.eq(twin.range::<[u8], _>((from, to)).rev()));
            }
        }
    }

    fn key(number: u64) -> Key {
        Key::from(&number.to_be_bytes()[..])
    }

    #[test]
    fn it_is_a_map_whatever_the_order() {
        for seed in 1..200 {
            let mut rng = Rng(seed * 104_729);
            let (mut map, mut twin) = (KeyMap::default(), BTreeMap::new());
            let is_ascending = seed % 2 == 0;
            for step in 0..60 {
                let number = match is_ascending && rng.below(20) > 0 {
                    true => step,
                    false => rng.below(80),
                };
                match rng.below(6) {
                    0 => {
                        map.remove(&key(number));
                        twin.remove(&key(number));
                    }
                    1 => {
                        map.insert(key(number), step);
                        twin.insert(key(number), step);
                    }
                    _ => match map.insert_new(key(number), step) {
                        None => assert_eq!(twin.insert(key(number), step), None),
                        Some((present, given)) => {
                            assert_eq!((Some(&*present), given), (twin.get(&key(number)), step));
                        }
                    },
                }
                assert_same(&map, &twin, &mut rng);
            }
        }
    }
}
