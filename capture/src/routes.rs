//! `Routes`: the subscriptions of one storage, found by the key of a change without asking each of them.
//!
//! Whole-storage ones in a list, equal keys and key prefixes by hash, other intervals in a tree. The cost of a change
//! depends on how many subscriptions it concerns, not on how many there are. Next door: `router`, `interval`.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use tailwater_proto::{Key, KeyRange};

use crate::interval::IntervalTree;
use crate::mailbox::Mailbox;

/// How the keys of one storage are narrowed for one subscription.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Narrowing<'s> {
    Whole,
    Key(&'s Key),
    Range(&'s KeyRange),
}

/// A narrowing, by the structure that finds it.
enum Place<'s> {
    Whole,
    Exact(&'s Key),
    Prefix(&'s Key),
    Interval(&'s KeyRange),
    Nowhere,
}

impl<'s> Place<'s> {
    fn of(narrowing: Narrowing<'s>) -> Self {
        let range = match narrowing {
            Narrowing::Whole => return Self::Whole,
            Narrowing::Key(key) => return Self::Exact(key),
            Narrowing::Range(range) => range,
        };
        if range.is_empty() {
            return Self::Nowhere;
        }
        match (&range.lo, &range.hi) {
            (Bound::Unbounded, Bound::Unbounded) => Self::Whole,
            (Bound::Included(lo), Bound::Included(hi)) if lo == hi => Self::Exact(lo),
            (Bound::Included(lo), Bound::Excluded(hi)) if lo.prefix_end().as_ref() == Some(hi) => {
                Self::Prefix(lo)
            }
            _ => Self::Interval(range),
        }
    }
}

/// A subscription's number and mailbox.
type Target = (u64, Arc<Mailbox>);

#[derive(Default)]
pub(crate) struct Routes {
    whole: Vec<Target>,
    exact: HashMap<Key, Vec<Target>>,
    prefixes: HashMap<Key, Vec<Target>>,
    /// How many different prefixes there are of each length.
    prefix_lengths: BTreeMap<usize, usize>,
    intervals: IntervalTree<Arc<Mailbox>>,
}

impl Routes {
    pub(crate) fn insert(&mut self, narrowing: Narrowing<'_>, owner: u64, mailbox: &Arc<Mailbox>) {
        let target = (owner, Arc::clone(mailbox));
        match Place::of(narrowing) {
            Place::Whole => self.whole.push(target),
            Place::Exact(key) => self.exact.entry(key.clone()).or_default().push(target),
            Place::Prefix(prefix) => {
                let targets = self.prefixes.entry(prefix.clone()).or_insert_with(|| {
                    *self.prefix_lengths.entry(prefix.len()).or_default() += 1;
                    Vec::new()
                });
                targets.push(target);
            }
            Place::Interval(range) => self.intervals.insert(range, owner, target.1),
            Place::Nowhere => {}
        }
    }

    pub(crate) fn remove(&mut self, narrowing: Narrowing<'_>, owner: u64) {
        match Place::of(narrowing) {
            Place::Whole => drop_target(&mut self.whole, owner),
            Place::Exact(key) => drop_from(&mut self.exact, key, owner),
            Place::Prefix(prefix) => {
                let before = self.prefixes.len();
                drop_from(&mut self.prefixes, prefix, owner);
                if self.prefixes.len() < before
                    && let Some(count) = self.prefix_lengths.get_mut(&prefix.len())
                {
                    *count -= 1;
                    if *count == 0 {
                        self.prefix_lengths.remove(&prefix.len());
                    }
                }
            }
            Place::Interval(range) => {
                self.intervals.remove(range, owner);
            }
            Place::Nowhere => {}
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.whole.is_empty() && !self.has_keyed()
    }

    /// Whether the key of a change matters.
    pub(crate) fn has_keyed(&self) -> bool {
        !(self.exact.is_empty() && self.prefixes.is_empty() && self.intervals.is_empty())
    }

    /// The subscriptions every change concerns.
    pub(crate) fn whole(&self) -> impl Iterator<Item = &Arc<Mailbox>> {
        self.whole.iter().map(|(_, mailbox)| mailbox)
    }

    /// Calls `each` for every other subscription a change of `key` concerns; returns how many places were looked at.
    pub(crate) fn keyed<'r>(&'r self, key: &[u8], mut each: impl FnMut(&'r Arc<Mailbox>)) -> u64 {
        let mut looked_at = 0;
        if !self.exact.is_empty() {
            looked_at += 1;
            for (_, mailbox) in self.exact.get(key).into_iter().flatten() {
                each(mailbox);
            }
        }
        for (len, _) in self.prefix_lengths.range(..=key.len()) {
            looked_at += 1;
            let targets = key.get(..*len).and_then(|prefix| self.prefixes.get(prefix));
            for (_, mailbox) in targets.into_iter().flatten() {
                each(mailbox);
            }
        }
        looked_at + self.intervals.stab(key, &mut each)
    }
}

fn drop_from(targets: &mut HashMap<Key, Vec<Target>>, key: &Key, owner: u64) {
    if let Some(of_key) = targets.get_mut(key) {
        drop_target(of_key, owner);
        if of_key.is_empty() {
            targets.remove(key);
        }
    }
}

fn drop_target(targets: &mut Vec<Target>, owner: u64) {
    if let Some(at) = targets.iter().position(|(number, _)| *number == owner) {
        targets.swap_remove(at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Rng, seeds};

    fn random_range(rng: &mut Rng) -> KeyRange {
        let mut key =
            || Key::from(&[[0, 1, 254, 255][rng.below(4)], rng.below(4) as u8][..rng.below(3)]);
        let (a, b) = (key(), key());
        match rng.below(5) {
            0 => KeyRange::all(),
            1 => KeyRange::point(a),
            2 => KeyRange::prefix(a),
            3 => KeyRange {
                lo: Bound::Included(a),
                hi: Bound::Excluded(b),
            },
            _ => KeyRange {
                lo: Bound::Excluded(a),
                hi: Bound::Unbounded,
            },
        }
    }

    #[test]
    fn a_key_finds_those_whose_range_holds_it_and_no_others() {
        for seed in seeds(20) {
            let mut rng = Rng(seed);
            let mut routes = Routes::default();
            let mut list: Vec<(KeyRange, Arc<Mailbox>, u64)> = Vec::new();
            for owner in 0..200 {
                if rng.below(3) == 0 && !list.is_empty() {
                    let (range, _, owner) = list.swap_remove(rng.below(list.len()));
                    routes.remove(Narrowing::Range(&range), owner);
                } else {
                    let (range, mailbox) = (random_range(&mut rng), Arc::new(Mailbox::new()));
                    routes.insert(Narrowing::Range(&range), owner, &mailbox);
                    list.push((range, mailbox, owner));
                }
                let key = [[0, 1, 254, 255][rng.below(4)], rng.below(4) as u8, 0];
                let key = &key[..rng.below(4)];
                let mut found: Vec<_> = routes.whole().map(Arc::as_ptr).collect();
                routes.keyed(key, |mailbox| found.push(Arc::as_ptr(mailbox)));
                found.sort_unstable();
                let mut expected: Vec<_> = list
                    .iter()
                    .filter(|(range, ..)| range.contains(key))
                    .map(|(_, mailbox, _)| Arc::as_ptr(mailbox))
                    .collect();
                expected.sort_unstable();
                assert_eq!(found, expected, "seed {seed}, key {key:?}");
            }
            for (range, _, owner) in list {
                routes.remove(Narrowing::Range(&range), owner);
            }
            assert!(
                routes.is_empty() && routes.prefix_lengths.is_empty(),
                "seed {seed}"
            );
        }
    }
}
