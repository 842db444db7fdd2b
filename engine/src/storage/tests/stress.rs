//! Readers, the writer and checkpoints at once: every snapshot stays a whole commit.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::*;

const KEYS: u64 = 64;

/// Moves an amount from one account to another: the sum over both storages never changes.
fn transfer(random: &mut Random, balances: &mut [u64; KEYS as usize]) -> [Write; 2] {
    let from = random.below(KEYS) as usize;
    let to = (from + 1 + random.below(KEYS - 1) as usize) % KEYS as usize;
    let amount = random.below(balances[from] + 1);
    balances[from] -= amount;
    balances[to] += amount;
    [from, to].map(|at| account(at, balances[at]))
}

fn account(at: usize, balance: u64) -> Write {
    let key = Key::from(&(at as u32).to_be_bytes()[..]);
    let value = Arc::from(&balance.to_le_bytes()[..]);
    (StorageId(at as u32 % 2), key, Some(value))
}

fn sum(snapshot: &Snapshot, direction: Direction) -> (usize, u64) {
    let mut sum = (0, 0);
    for id in [0, 1].map(StorageId) {
        for (_, value) in collect(snapshot.scan(id, KeyRange::all(), direction)) {
            sum.0 += 1;
            sum.1 += u64::from_le_bytes(value[..].try_into().unwrap());
        }
    }
    sum
}

#[test]
fn readers_see_whole_commits_beside_a_writer_and_checkpoints() {
    let store = &open(&new_vfs());
    let total = KEYS * 1000;
    commit(store, (0..KEYS as usize).map(|at| account(at, 1000)));
    let (done, checks, checkpoints) = (
        &AtomicBool::new(false),
        &AtomicU64::new(0),
        &AtomicU64::new(0),
    );
    std::thread::scope(|scope| {
        for reader in 0..3 {
            scope.spawn(move || {
                let mut random = Random::new(100 + reader);
                let mut held = Vec::new();
                let mut last = Lsn::ZERO;
                while !done.load(Ordering::Relaxed) || checks.load(Ordering::Relaxed) < 200 {
                    let snapshot = match random.one_in(2) {
                        true => store.snapshot_tip(),
                        false => store.snapshot_visible(),
                    };
                    last = last.max(store.visible_lsn());
                    assert!(store.visible_lsn() >= last);
                    let direction = direction(&mut random);
                    let found = sum(&snapshot, direction);
                    assert_eq!(found, (KEYS as usize, total), "at {}", snapshot.lsn());
                    if random.one_in(4) {
                        held.push(snapshot);
                    }
                    if held.len() > 5 {
                        let at = random.below(held.len() as u64) as usize;
                        let snapshot: Snapshot = held.swap_remove(at);
                        assert_eq!(sum(&snapshot, direction).1, total);
                    }
                    checks.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) || checkpoints.load(Ordering::Relaxed) < 5 {
                store.checkpoint(store.tip_lsn(), &[]).unwrap();
                checkpoints.fetch_add(1, Ordering::Relaxed);
            }
        });
        let mut random = Random::new(1);
        let mut balances = [1000; KEYS as usize];
        for _ in 0..20_000 {
            let lsn = store.tip_lsn().next();
            store.apply(lsn, transfer(&mut random, &mut balances));
            if random.one_in(8) {
                store.set_visible(lsn);
            }
        }
        store.set_visible(store.tip_lsn());
        done.store(true, Ordering::Relaxed);
    });
    store.checkpoint(store.tip_lsn(), &[]).unwrap();
    let stats = store.stats();
    assert_eq!(
        (stats.snapshots, stats.unwritten_bytes, stats.generations),
        (0, 0, 1)
    );
    assert_eq!(sum(&store.snapshot_visible(), Direction::Forward).1, total);
}
