//! The n-th call fails, for every n: one workload that does a bit of everything, once for each step and each fault.
//!
//! Next door: `random`, where chance chooses the step.

use tailwater_wal::vfs::{Fault, ReadFault, SyncFailure};

use super::operation::{Operation, View};
use super::random::{guarded, report};
use super::simulation::{Depth, Plan};
use super::tally::Tally;

/// Faults that are tried at each step.
const FAULTS: [Fault; 7] = [
    Fault::Sync(SyncFailure::Clean),
    Fault::Sync(SyncFailure::Reverted),
    Fault::Sync(SyncFailure::Transient),
    Fault::Error,
    Fault::Short,
    Fault::NoSpace,
    Fault::PowerOff,
];
/// Steps that the workload takes, more than enough.
const STEPS_MAX: u64 = 220;
/// Reads after which faults are tried.
const READS_MAX: u64 = 120;

/// How many runs there are.
#[must_use]
pub fn count() -> usize {
    (STEPS_MAX * FAULTS.len() as u64 + READS_MAX * 2) as usize
}

/// The plan of a number.
#[must_use]
pub fn plan(number: usize) -> Plan {
    let insert = |id, group| Operation::Insert {
        table: 0,
        id,
        group,
        n: 55 + id,
    };
    let mut operations = vec![insert(1, 1), insert(2, 1), Operation::Ack, insert(3, 2)];
    operations.extend([
        Operation::Submit {
            table: 0,
            id: 4,
            group: 2,
            n: 1,
        },
        Operation::Submit {
            table: 0,
            id: 5,
            group: 2,
            n: 1,
        },
        Operation::Checkpoint,
        Operation::Wait,
        Operation::Delete { table: 0, id: 2 },
        Operation::Large {
            table: 0,
            id: 7,
            bytes: 18_000,
        },
        insert(8, 3),
        // Commits while a checkpoint is under way.
        Operation::Background { choice: 0 },
        insert(9, 3),
        Operation::Background { choice: 0 },
        Operation::Large {
            table: 0,
            id: 10,
            bytes: 18_000,
        },
        Operation::Background { choice: 0 },
        insert(11, 1),
        Operation::Background { choice: 0 },
        Operation::Ack,
        Operation::Update {
            table: 0,
            id: 1,
            add: 3,
        },
        insert(12, 3),
        Operation::Checkpoint,
    ]);
    let steps = STEPS_MAX as usize * FAULTS.len();
    let (mut faults, mut read_faults) = (Vec::new(), Vec::new());
    match number.checked_sub(steps) {
        None => faults.push((
            (number / FAULTS.len() + 1) as u64,
            FAULTS[number % FAULTS.len()],
        )),
        Some(read) => read_faults.push(((read / 2 + 1) as u64, ReadFault::ALL[read % 2])),
    }
    Plan {
        // Settings that keep little of the log, and others.
        seed: (number / FAULTS.len()) as u64 % 8,
        before: vec![
            Operation::CreateTable { table: 0 },
            Operation::CreateIndex { table: 0 },
            Operation::CreateView(View::Groups(0)),
        ],
        operations,
        faults,
        read_faults,
        depth: Depth {
            points: 12,
            ways: 0,
            second: 0,
            restart: 0,
            recovery_steps_max: usize::MAX,
        },
    }
}

/// Plays the run of a number.
///
/// # Errors
/// What does not hold, with the workload.
pub fn run(number: usize, tally: &mut Tally) -> Result<(), String> {
    let plan = plan(number);
    tally.faults += 1;
    tally.workloads.insert(plan.identity());
    guarded(&plan, tally)
        .map(drop)
        .map_err(|what| report(&(plan, what)))
}
