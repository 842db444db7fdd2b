//! Random workloads: a seed chooses operations, settings, faults and crashes.
//!
//! One in three has a disk that fails. What is found is shrunk before it is shown. Next door: `simulation`.

use std::time::{Duration, Instant};

use tailwater_wal::vfs::{Fault, ReadFault, SyncFailure};

use super::operation::{Operation, View};
use super::panics;
use super::simulation::{Depth, Plan, Played, play};
use super::tally::Tally;
use crate::rng::Rng;

/// Operations of a workload, at most.
const OPERATIONS_MAX: usize = 60;
/// Steps of a workload that are crashed after, about: a workload may take ten times the steps of another, and is not ten
/// times as telling.
const POINTS: u64 = 16;
/// Steps of a recovery that are crashed after, at most.
const RECOVERY_STEPS_MAX: usize = 12;
/// How long shrinking may take.
const SHRINKING_MAX: Duration = Duration::from_secs(8);

/// The plan of a seed.
#[must_use]
pub fn plan(seed: u64) -> Plan {
    let rng = &mut Rng::new(seed);
    let before = match rng.below(8) {
        0 => Vec::new(),
        _ => vec![
            Operation::CreateTable { table: 0 },
            Operation::CreateIndex { table: 0 },
            Operation::CreateView(View::Groups(0)),
        ],
    };
    let count = 5 + rng.below(OPERATIONS_MAX);
    let operations = (0..count).map(|_| Operation::random(rng)).collect();
    let (mut faults, mut read_faults) = (Vec::new(), Vec::new());
    match rng.below(6) {
        0 | 1 => faults.push((1 + rng.below(count * 4) as u64, fault(rng))),
        2 => read_faults.push((
            1 + rng.below(count * 4) as u64,
            ReadFault::ALL[rng.below(3)],
        )),
        _ => {}
    }
    Plan {
        seed,
        before,
        operations,
        faults,
        read_faults,
        depth: Depth {
            points: 1,
            ways: 1,
            second: 24,
            restart: 6,
            recovery_steps_max: RECOVERY_STEPS_MAX,
        },
    }
}

fn fault(rng: &mut Rng) -> Fault {
    match rng.below(8) {
        0 => Fault::Error,
        1 => Fault::Short,
        2 => Fault::NoSpace,
        n => Fault::Sync(SyncFailure::ALL[n % 3]),
    }
}

/// Plays the workload of a seed.
///
/// # Errors
/// What does not hold, with the seed and the workload, shrunk.
pub fn run(seed: u64, tally: &mut Tally) -> Result<(), String> {
    let mut plan = plan(seed);
    tally.seeds += 1;
    tally.workloads.insert(plan.identity());
    tally.faults += (plan.faults.len() + plan.read_faults.len()) as u64;
    // Once without a crash, to know how many steps there are.
    plan.depth.points = usize::MAX;
    let played = guarded(&plan, &mut Tally::default()).and_then(|played| {
        plan.depth.points = usize::try_from(played.steps / POINTS).unwrap_or(usize::MAX);
        guarded(&plan, tally)
    });
    match played {
        Ok(_) => Ok(()),
        Err(what) => Err(report(&shrunk(plan, &what))),
    }
}

/// Plays a plan; a panic is an error like any other.
///
/// # Errors
/// What does not hold.
pub fn guarded(plan: &Plan, tally: &mut Tally) -> Result<Played, String> {
    panics::caught(|| play(plan, tally))
}

/// A plan that still fails, with fewer operations, and how it fails.
fn shrunk(plan: Plan, what: &str) -> (Plan, String) {
    let mut best = (plan, what.to_owned());
    // Every point is tried, so that leaving something out does not hide the failure by another draw; if that finds it.
    let thorough = Plan {
        depth: Depth {
            points: 1,
            ways: 2,
            second: 0,
            restart: 2,
            recovery_steps_max: usize::MAX,
        },
        ..best.0.clone()
    };
    if let Err(what) = guarded(&thorough, &mut Tally::default()) {
        best = (thorough, what);
    }
    let started = Instant::now();
    let mut piece = best.0.operations.len().div_ceil(2);
    while piece > 0 {
        let mut at = 0;
        while at < best.0.operations.len() && started.elapsed() < SHRINKING_MAX {
            let mut candidate = best.0.clone();
            let end = (at + piece).min(candidate.operations.len());
            candidate.operations.drain(at..end);
            match guarded(&candidate, &mut Tally::default()) {
                Err(what) => best = (candidate, what),
                Ok(_) => at += piece,
            }
        }
        piece /= 2;
    }
    best
}

/// What somebody needs to see it again.
#[must_use]
pub fn report((plan, what): &(Plan, String)) -> String {
    use std::fmt::Write as _;
    let mut text = format!("violation: {what}\n  seed {}\n", plan.seed);
    for operation in &plan.before {
        // Writing to a string does not fail.
        let _ = writeln!(text, "  {operation};");
    }
    let _ = writeln!(text, "  -- crashes from here on");
    for operation in &plan.operations {
        let _ = writeln!(text, "  {operation};");
    }
    for (step, fault) in &plan.faults {
        let _ = writeln!(text, "  -- at step {step}: {fault:?}");
    }
    for (read, fault) in &plan.read_faults {
        let _ = writeln!(text, "  -- at read {read}: {fault:?}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_the_whole_run() {
        for seed in 0..12 {
            let plan = plan(seed);
            let traces = [0, 1].map(|_| guarded(&plan, &mut Tally::default()).unwrap());
            assert_eq!(traces[0], traces[1], "seed {seed}");
        }
    }
}
