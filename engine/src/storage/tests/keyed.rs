//! `Keyed` beside a tree of the same keys, whatever order they come in.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};

use tailwater_proto::Key;

use super::super::keyed::Keyed;
use super::{Random, seeds};

fn key(number: u64) -> Key {
    Key::from(&number.to_be_bytes()[..])
}

fn bounds(bytes: &[u8]) -> [Bound<&[u8]>; 3] {
    [
        Bound::Unbounded,
        Bound::Included(bytes),
        Bound::Excluded(bytes),
    ]
}

/// What a walk comes by, at most so many.
fn walked(
    keyed: &Keyed<u64>,
    lo: Bound<&[u8]>,
    hi: Bound<&[u8]>,
    reverse: bool,
    limit: usize,
) -> Vec<(Key, u64)> {
    let mut out = Vec::new();
    keyed.visit(lo, hi, reverse, |key, value| {
        out.push((key.clone(), *value));
        match out.len() == limit {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    });
    out
}

#[test]
fn it_is_a_map_whatever_the_order() {
    for seed in seeds(60) {
        let mut random = Random::new(seed);
        let (mut keyed, mut twin) = (Keyed::default(), BTreeMap::new());
        // Keys out of order: none, few, many.
        let (astray, keys) = ([0, 20, 2][seed as usize % 3], 700);
        for step in 0..500_u64 {
            let number = match astray > 0 && random.one_in(astray) {
                true => random.below(keys),
                false => step,
            };
            let before = twin.get(&key(number)).copied();
            match keyed.insert_new(key(number), step) {
                None => {
                    assert_eq!(before, None, "seed {seed}, step {step}");
                    twin.insert(key(number), step);
                }
                Some((present, given)) => {
                    let seen = (Some(*present), given);
                    assert_eq!(seen, (before, step), "seed {seed}, step {step}");
                    *present = step;
                    twin.insert(key(number), step);
                }
            }
            assert_eq!(keyed.len(), twin.len(), "seed {seed}, step {step}");
            let other = key(random.below(keys));
            assert_eq!(
                keyed.get(&other),
                twin.get(&other),
                "seed {seed}, step {step}"
            );
        }
        for _ in 0..40 {
            let one = random.below(keys);
            let (lo, hi) = (key(one), key(one + 1 + random.below(300)));
            let limit = 1 + random.below(200) as usize;
            for from in bounds(&lo) {
                for to in bounds(&hi) {
                    let twins = || {
                        let range = twin.range::<[u8], _>((from, to));
                        range.map(|(key, value)| (key.clone(), *value))
                    };
                    let ascending: Vec<_> = twins().take(limit).collect();
                    let descending: Vec<_> = twins().rev().take(limit).collect();
                    assert_eq!(
                        walked(&keyed, from, to, false, limit),
                        ascending,
                        "seed {seed}"
                    );
                    assert_eq!(
                        walked(&keyed, from, to, true, limit),
                        descending,
                        "seed {seed}"
                    );
                }
            }
        }
    }
}
