//! A follower that reads from the log while its segments are sealed, released and used again.
//!
//! Chance seldom makes a reader stand in just the segment that goes; here one always does. Next door: `random`.

use super::operation::Operation;
use super::random::{guarded, report};
use super::simulation::{Depth, Plan};
use super::tally::Tally;
use crate::rng::Rng;

/// Bytes of a row: more than a small ring holds.
const ROW_BYTES: usize = 2_500;

/// The plan of a seed: the settings and the pace come from it.
#[must_use]
pub fn plan(seed: u64) -> Plan {
    let rng = &mut Rng::of_part(seed, 4);
    let mut operations = vec![Operation::Ack, Operation::Ack];
    let mut row = 0;
    for round in 0..4 {
        for _ in 0..3 + rng.below(3) + round * 4 {
            operations.push(Operation::Large {
                table: 0,
                id: row,
                bytes: ROW_BYTES,
            });
            row += 1;
        }
        operations.push(match rng.below(3) {
            0 => Operation::Background {
                choice: rng.below(4),
            },
            _ => Operation::Ack,
        });
        if round > 0 {
            operations.push(Operation::Checkpoint);
        }
    }
    operations.push(Operation::Ack);
    Plan {
        // Of the seeds that keep little of the log.
        seed: seed.wrapping_mul(3).wrapping_add(1),
        before: vec![Operation::CreateTable { table: 0 }],
        operations,
        faults: Vec::new(),
        read_faults: Vec::new(),
        depth: Depth {
            points: if seed.is_multiple_of(2) { 6 } else { 40 },
            ways: 0,
            second: 0,
            restart: 0,
            recovery_steps_max: usize::MAX,
        },
    }
}

/// Plays the plan of a seed.
///
/// # Errors
/// What does not hold, with the workload.
pub fn run(seed: u64, tally: &mut Tally) -> Result<(), String> {
    let plan = plan(seed);
    tally.seeds += 1;
    tally.workloads.insert(plan.identity());
    guarded(&plan, tally)
        .map(drop)
        .map_err(|what| report(&(plan, what)))
}
