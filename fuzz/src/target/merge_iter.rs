//! Reading through the layers: memtables over the storage file give what one ordered map would.
//!
//! Writes, deletions, publications, checkpoints and snapshots in any order; every snapshot, as long as it is held, reads
//! the state of its commit: by key, forwards and backwards, whole and by range. Next door: `engine::storage`, by the back
//! door `internals::storage`.

use std::collections::BTreeMap;
use std::ops::Bound;

use tailwater::Key;
use tailwater::internals::storage::{Layers, Reading};
use tailwater_proto::{KeyRange, StorageId};

use crate::choices::Choices;
use crate::rng::Rng;

/// Operations of one input.
const OPERATIONS_MAX: usize = 80;
/// Snapshots held at once.
const HELD_MAX: usize = 4;

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;
type State = [Rows; 2];

/// Plays the input.
///
/// # Panics
/// If a snapshot reads something else than the state of its commit.
pub fn run(input: &[u8]) {
    let choices = &mut Choices::new(input);
    let layers = Layers::in_memory().expect("memory takes it");
    let mut states: Vec<State> = vec![State::default()];
    let mut visible = 0;
    let mut held: Vec<Reading> = Vec::new();
    for _ in 0..OPERATIONS_MAX {
        if choices.is_empty() {
            break;
        }
        match choices.below(8) {
            0..=2 => {
                let lsn = states.len();
                let mut state = states[lsn - 1].clone();
                let writes = writes(choices, &mut state);
                layers.apply(lsn as u64, writes);
                states.push(state);
            }
            3 => {
                visible = states.len() - 1;
                layers.publish(visible as u64);
            }
            4 => {
                layers.checkpoint(visible as u64).expect("memory takes it");
            }
            5 => {
                if held.len() == HELD_MAX {
                    held.remove(choices.below(HELD_MAX));
                }
                held.push(match choices.below(2) {
                    0 => layers.visible(),
                    _ => layers.tip(),
                });
            }
            _ => {
                let now = layers.visible();
                assert_eq!(now.lsn() as usize, visible);
                let reading = held.get(choices.below(held.len() + 1)).unwrap_or(&now);
                let state = &states[reading.lsn() as usize];
                check(choices, reading, state);
            }
        }
    }
    for reading in &held {
        for (storage, rows) in states[reading.lsn() as usize].iter().enumerate() {
            assert_eq!(scan(reading, storage, KeyRange::all(), false), pairs(rows));
        }
    }
}

fn id(storage: usize) -> StorageId {
    StorageId(storage as u32 + 1)
}

/// Few keys, some of which are prefixes of others.
fn key(choices: &mut Choices<'_>) -> Vec<u8> {
    let len = choices.below(3);
    (0..len).map(|_| choices.pick(&[0, 1, 2, 0xFF])).collect()
}

/// Some cells for both storages, side by side.
fn writes(choices: &mut Choices<'_>, state: &mut State) -> Vec<(StorageId, Key, Option<Vec<u8>>)> {
    let mut writes = Vec::new();
    for (storage, rows) in state.iter_mut().enumerate() {
        let mut changed = BTreeMap::new();
        for _ in 0..choices.below(6) {
            let value = (choices.below(3) > 0).then(|| choices.bytes(20).to_vec());
            changed.insert(key(choices), value);
        }
        for (key, value) in changed {
            match &value {
                Some(value) => rows.insert(key.clone(), value.clone()),
                None => rows.remove(&key),
            };
            writes.push((id(storage), Key::from(key.as_slice()), value));
        }
    }
    writes
}

fn pairs(rows: &Rows) -> Vec<(Vec<u8>, Vec<u8>)> {
    rows.iter()
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

fn scan(
    reading: &Reading,
    storage: usize,
    range: KeyRange,
    reverse: bool,
) -> Vec<(Vec<u8>, Vec<u8>)> {
    let rows = reading.scan(id(storage), range, reverse);
    rows.expect("nothing is damaged")
}

fn check(choices: &mut Choices<'_>, reading: &Reading, state: &State) {
    let storage = choices.below(2);
    let rows = &state[storage];
    let sought = key(choices);
    let found = reading.get(id(storage), &Key::from(sought.as_slice()));
    assert_eq!(
        found.expect("nothing is damaged"),
        rows.get(&sought).cloned()
    );
    let bound = |choices: &mut Choices<'_>| match choices.below(3) {
        0 => Bound::Unbounded,
        1 => Bound::Included(key(choices)),
        _ => Bound::Excluded(key(choices)),
    };
    let (lo, hi) = (bound(choices), bound(choices));
    let within = |key: &[u8]| {
        let above = match &lo {
            Bound::Unbounded => true,
            Bound::Included(lo) => key >= lo.as_slice(),
            Bound::Excluded(lo) => key > lo.as_slice(),
        };
        above
            && match &hi {
                Bound::Unbounded => true,
                Bound::Included(hi) => key <= hi.as_slice(),
                Bound::Excluded(hi) => key < hi.as_slice(),
            }
    };
    let mut expected = pairs(rows);
    expected.retain(|(key, _)| within(key));
    let as_key = |bound: &Bound<Vec<u8>>| bound.as_ref().map(|key| Key::from(key.as_slice()));
    let range = KeyRange {
        lo: as_key(&lo),
        hi: as_key(&hi),
    };
    assert_eq!(
        scan(reading, storage, range.clone(), false),
        expected,
        "{range:?}"
    );
    expected.reverse();
    assert_eq!(
        scan(reading, storage, range.clone(), true),
        expected,
        "{range:?} backwards"
    );
}

/// Decisions.
pub fn generate(rng: &mut Rng) -> Vec<u8> {
    rng.bytes(500)
}
