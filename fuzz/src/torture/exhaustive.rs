//! Every workload of up to three transactions over a small alphabet, crashed at every step.
//!
//! Small and exhaustive finds what large and random misses. Workloads share their beginnings: only the last operation
//! of each is crashed in, since its prefix is a workload of its own. Next door: `random`.

use super::operation::{Operation, View};
use super::random::{guarded, report};
use super::simulation::{Depth, Plan};
use super::tally::Tally;

/// The operations workloads are made of.
#[must_use]
pub fn alphabet() -> Vec<Operation> {
    vec![
        Operation::Insert {
            table: 0,
            id: 3,
            group: 1,
            n: 70,
        },
        Operation::Update {
            table: 0,
            id: 1,
            add: 5,
        },
        Operation::Move {
            table: 0,
            from: 1,
            to: 9,
        },
        Operation::Delete { table: 0, id: 1 },
        Operation::MultiRow {
            table: 0,
            first: 2,
            count: 4,
            group: 2,
        },
        Operation::Large {
            table: 0,
            id: 5,
            bytes: 20_000,
        },
        Operation::Submit {
            table: 0,
            id: 6,
            group: 1,
            n: 1,
        },
        Operation::Conflict { table: 0, id: 1 },
        Operation::Checkpoint,
        Operation::CreateView(View::Big(0)),
        Operation::Truncate { table: 0 },
        Operation::Restart,
    ]
}

/// All workloads of one to three operations, the short ones first.
#[must_use]
pub fn workloads() -> Vec<Vec<Operation>> {
    let alphabet = alphabet();
    let mut all: Vec<Vec<Operation>> = Vec::new();
    let mut longest: Vec<Vec<Operation>> = vec![Vec::new()];
    for _ in 0..3 {
        longest = longest
            .iter()
            .flat_map(|before| {
                alphabet.iter().map(move |last| {
                    let mut workload = before.clone();
                    workload.push(last.clone());
                    workload
                })
            })
            .collect();
        all.extend(longest.iter().cloned());
    }
    all
}

/// The plan of a workload.
#[must_use]
pub fn plan(workload: &[Operation], number: usize) -> Plan {
    let mut before = vec![
        Operation::CreateTable { table: 0 },
        Operation::CreateIndex { table: 0 },
        Operation::CreateView(View::Groups(0)),
        Operation::Insert {
            table: 0,
            id: 1,
            group: 1,
            n: 10,
        },
        Operation::Ack,
    ];
    let (last, earlier) = workload
        .split_last()
        .map_or((Vec::new(), workload), |(last, earlier)| {
            (vec![last.clone()], earlier)
        });
    before.extend(earlier.iter().cloned());
    // Submitted commits are waited for where they can be crashed.
    let mut operations = last;
    operations.push(Operation::Wait);
    Plan {
        seed: number as u64,
        before,
        operations,
        faults: Vec::new(),
        read_faults: Vec::new(),
        depth: Depth {
            points: 1,
            ways: match workload.len() {
                1 => 3,
                2 => 2,
                _ => 1,
            },
            second: match workload.len() {
                1 => 16,
                2 => 80,
                _ => 300,
            },
            restart: match workload.len() {
                1 => 6,
                2 => 12,
                _ => 24,
            },
            recovery_steps_max: usize::MAX,
        },
    }
}

/// Plays the workload of a number.
///
/// # Errors
/// What does not hold, with the workload.
pub fn run(workload: &[Operation], number: usize, tally: &mut Tally) -> Result<(), String> {
    let plan = plan(workload, number);
    tally.workloads.insert(plan.identity());
    guarded(&plan, tally)
        .map(drop)
        .map_err(|what| report(&(plan, what)))
}
