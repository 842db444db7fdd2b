//! `IntervalTree`: intervals of keys that answer which of them hold a key, in the logarithm of their number.
//!
//! A treap ordered by lower ends, each node knowing the greatest upper end below it. Priorities come from the
//! owners' numbers, so the same subscriptions make the same tree. Next door: `routes`, which asks it.

use std::ops::Bound;

use tailwater_proto::{Key, KeyRange};

/// Where an interval begins: the key, and whether it is left out.
type Lower = (Key, bool);

/// Where an interval ends; later ends are greater.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Upper {
    /// At this key; the flag says whether it is taken in.
    At(Key, bool),
    Unbounded,
}

impl Upper {
    fn admits(&self, key: &[u8]) -> bool {
        match self {
            Self::At(end, true) => key <= &**end,
            Self::At(end, false) => key < &**end,
            Self::Unbounded => true,
        }
    }
}

struct Node<T> {
    lower: Lower,
    upper: Upper,
    owner: u64,
    priority: u64,
    /// The greatest upper end of this node and those below it.
    reach: Upper,
    value: T,
    left: Tree<T>,
    right: Tree<T>,
}

type Tree<T> = Option<Box<Node<T>>>;

impl<T> Node<T> {
    fn place(&self) -> (&Lower, u64) {
        (&self.lower, self.owner)
    }

    fn renew_reach(&mut self) {
        let below = [&self.left, &self.right]
            .into_iter()
            .flatten()
            .map(|node| &node.reach);
        let reach = below.chain([&self.upper]).max();
        if let Some(reach) = reach
            && *reach != self.reach
        {
            self.reach = reach.clone();
        }
    }
}

/// Intervals with their owners' numbers and a value each.
pub(crate) struct IntervalTree<T> {
    root: Tree<T>,
}

impl<T> Default for IntervalTree<T> {
    fn default() -> Self {
        Self { root: None }
    }
}

impl<T> IntervalTree<T> {
    pub(crate) const fn is_empty(&self) -> bool {
        self.root.is_none()
    }

    /// Adds an interval. An owner has no interval twice.
    pub(crate) fn insert(&mut self, range: &KeyRange, owner: u64, value: T) {
        let upper = match &range.hi {
            Bound::Unbounded => Upper::Unbounded,
            Bound::Included(key) => Upper::At(key.clone(), true),
            Bound::Excluded(key) => Upper::At(key.clone(), false),
        };
        let node = Node {
            lower: lower_of(range),
            reach: upper.clone(),
            upper,
            owner,
            priority: scatter(owner),
            value,
            left: None,
            right: None,
        };
        let (before, after) = split(self.root.take(), node.place());
        self.root = merge(merge(before, Some(Box::new(node))), after);
    }

    /// Takes an owner's interval out; says whether it was there.
    pub(crate) fn remove(&mut self, range: &KeyRange, owner: u64) -> bool {
        let lower = lower_of(range);
        let (before, rest) = split(self.root.take(), (&lower, owner));
        let (mut found, after) = match owner.checked_add(1) {
            Some(next) => split(rest, (&lower, next)),
            None => (rest, None),
        };
        let removed = found.take();
        self.root = merge(before, after);
        removed.is_some()
    }

    /// Calls `each` for every interval that holds `key`; returns how many nodes were looked at.
    pub(crate) fn stab<'t>(&'t self, key: &[u8], each: &mut impl FnMut(&'t T)) -> u64 {
        stab(&self.root, key, each)
    }
}

fn lower_of(range: &KeyRange) -> Lower {
    match &range.lo {
        Bound::Unbounded => (Key::new(), false),
        Bound::Included(key) => (key.clone(), false),
        Bound::Excluded(key) => (key.clone(), true),
    }
}

fn stab<'t, T>(tree: &'t Tree<T>, key: &[u8], each: &mut impl FnMut(&'t T)) -> u64 {
    let Some(node) = tree else { return 0 };
    if !node.reach.admits(key) {
        return 1;
    }
    let mut looked_at = 1 + stab(&node.left, key, each);
    let (lower, left_out) = &node.lower;
    if key > &**lower || (!left_out && key == &**lower) {
        if node.upper.admits(key) {
            each(&node.value);
        }
        looked_at += stab(&node.right, key, each);
    }
    looked_at
}

/// What lies before `place`, and the rest.
fn split<T>(tree: Tree<T>, place: (&Lower, u64)) -> (Tree<T>, Tree<T>) {
    let Some(mut node) = tree else {
        return (None, None);
    };
    if node.place() < place {
        let (before, after) = split(node.right.take(), place);
        node.right = before;
        node.renew_reach();
        (Some(node), after)
    } else {
        let (before, after) = split(node.left.take(), place);
        node.left = after;
        node.renew_reach();
        (before, Some(node))
    }
}

/// One tree of two, everything in `a` lying before everything in `b`.
fn merge<T>(a: Tree<T>, b: Tree<T>) -> Tree<T> {
    match (a, b) {
        (None, tree) | (tree, None) => tree,
        (Some(mut a), Some(mut b)) => {
            if a.priority >= b.priority {
                a.right = merge(a.right.take(), Some(b));
                a.renew_reach();
                Some(a)
            } else {
                b.left = merge(Some(a), b.left.take());
                b.renew_reach();
                Some(b)
            }
        }
    }
}

/// A number that looks random (the finalizer of splitmix64).
const fn scatter(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Rng, seeds};

    fn bound(rng: &mut Rng) -> Bound<Key> {
        let key = Key::from(&[rng.below(12) as u8, rng.below(3) as u8][..1 + rng.below(2)]);
        match rng.below(4) {
            0 => Bound::Unbounded,
            1 => Bound::Excluded(key),
            _ => Bound::Included(key),
        }
    }

    #[test]
    fn it_answers_as_a_list_does() {
        for seed in seeds(20) {
            let mut rng = Rng(seed);
            let mut tree = IntervalTree::default();
            let mut list: Vec<(KeyRange, u64)> = Vec::new();
            for owner in 0..400 {
                if rng.below(3) > 0 || list.is_empty() {
                    let range = KeyRange {
                        lo: bound(&mut rng),
                        hi: bound(&mut rng),
                    };
                    tree.insert(&range, owner, owner);
                    list.push((range, owner));
                } else {
                    let (range, gone) = list.swap_remove(rng.below(list.len()));
                    assert!(tree.remove(&range, gone), "seed {seed}");
                    assert!(!tree.remove(&range, gone), "seed {seed}");
                }
                let key = [rng.below(13) as u8, rng.below(3) as u8];
                let key = &key[..1 + rng.below(2)];
                let mut found = Vec::new();
                tree.stab(key, &mut |owner| found.push(*owner));
                found.sort_unstable();
                let mut expected: Vec<u64> = list
                    .iter()
                    .filter(|(range, _)| range.contains(key))
                    .map(|(_, owner)| *owner)
                    .collect();
                expected.sort_unstable();
                assert_eq!(found, expected, "seed {seed}, key {key:?}");
            }
        }
    }

    #[test]
    fn a_key_in_few_of_many_intervals_is_found_soon() {
        let mut tree = IntervalTree::default();
        for owner in 0..50_000_u64 {
            let key = |n: u64| Key::from(&n.to_be_bytes()[..]);
            let range = KeyRange {
                lo: Bound::Included(key(owner * 10)),
                hi: Bound::Excluded(key(owner * 10 + 10)),
            };
            tree.insert(&range, owner, owner);
        }
        let mut found = Vec::new();
        let looked_at = tree.stab(&123_456_u64.to_be_bytes(), &mut |owner| found.push(*owner));
        assert_eq!(found, [12_345]);
        assert!(looked_at < 200, "{looked_at}");
    }
}
