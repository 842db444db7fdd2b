//! Bytes that go wrong on their way: a write that lands elsewhere, a read that comes from elsewhere or has a wrong bit.
//!
//! The disk says that all is well. What the database shows, then and after it was opened again, is right or refused; what
//! it has acknowledged is there, or it says that it is not. Next door: `damage`, for bytes that rot at rest.

use std::collections::BTreeMap;
use std::sync::Arc;

use tailwater::spawn::Stepped;
use tailwater::{Database, ErrorKind};
use tailwater_wal::vfs::{Fate, Fault, MemoryVfs, ReadFault, SimulatedVfs};

use super::honest::{refusal, shows};
use super::model::{Expected, State};
use super::operation::{Operation, View};
use super::panics;
use super::recovered::open;
use super::tally::Tally;
use crate::rng::Rng;

/// Runs with a fault each that one seed stands for.
const RUNS: usize = 8;
/// Operations of a workload, at most.
const OPERATIONS_MAX: usize = 50;

/// What goes wrong, and when.
#[derive(Clone, Copy, Debug)]
enum Astray {
    Write(u64),
    Read(u64, ReadFault),
}

/// How a workload ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Closed,
    Killed,
    PowerCut,
}

/// Plays the workloads of a seed, each with one fault.
///
/// # Errors
/// What does not hold, with the seed.
pub fn run(seed: u64, tally: &mut Tally) -> Result<(), String> {
    let rng = &mut Rng::of_part(seed, 5);
    for number in 0..RUNS {
        let count = 4 + rng.below(OPERATIONS_MAX);
        let operations: Vec<_> = (0..count).map(|_| Operation::random(rng)).collect();
        let steps = 30 + count * 4;
        let fault = match rng.below(3) {
            0 => {
                let kinds = [ReadFault::Misdirected, ReadFault::BitFlip];
                Astray::Read(1 + rng.below(steps) as u64, kinds[rng.below(2)])
            }
            _ => Astray::Write(1 + rng.below(steps) as u64),
        };
        let end = [End::Closed, End::Killed, End::PowerCut][rng.below(3)];
        tally.astray += 1;
        let played = panics::caught(|| play(seed, &operations, fault, end));
        played.map_err(|what| {
            let lines: String = operations.iter().map(|o| format!("  {o};\n")).collect();
            format!("violation: seed {seed}, run {number}, {fault:?}, {end:?}: {what}\n{lines}")
        })?;
    }
    Ok(())
}

/// What the database holds, as far as that is known.
struct Known {
    history: BTreeMap<u64, State>,
    /// Everything up to here was acknowledged.
    acknowledged: u64,
    /// It has met the fault: what it did last may have come to nothing.
    stopped: bool,
}

fn play(seed: u64, operations: &[Operation], fault: Astray, end: End) -> Result<(), String> {
    let disk = SimulatedVfs::new(MemoryVfs::new());
    match fault {
        Astray::Write(step) => disk.plan(step, Fault::Misdirected),
        Astray::Read(read, fault) => disk.plan_read(read, fault),
    }
    let mut known = Known {
        history: BTreeMap::from([(0, State::default())]),
        acknowledged: 0,
        stopped: false,
    };
    let db = match open(Arc::new(disk.clone()), seed, &Stepped::default()) {
        Ok(db) => db,
        // Nothing was promised yet.
        Err(error) => return refusal(&error),
    };
    let schema = [
        Operation::CreateTable { table: 0 },
        Operation::CreateIndex { table: 0 },
        Operation::CreateView(View::Groups(0)),
        Operation::CreateView(View::Big(0)),
    ];
    for operation in schema.iter().chain(operations) {
        known.step(&db, operation)?;
        if known.stopped {
            break;
        }
    }
    if !known.stopped {
        shows(&db, known.state()).map_err(|what| format!("before the end, {what}"))?;
    }
    let left = match end {
        End::Closed => {
            if let Err(error) = db.close() {
                refusal(&error)?;
            }
            disk.clear_faults();
            disk
        }
        End::Killed => {
            drop(db);
            disk.clear_faults();
            disk
        }
        End::PowerCut => {
            let left = disk.crash_with(&mut |_| Fate::Lost);
            drop(db);
            left
        }
    };
    known.look(left, seed)
}

impl Known {
    fn state(&self) -> &State {
        // What was acknowledged is known.
        &self.history[&self.acknowledged]
    }

    fn step(&mut self, db: &Database, operation: &Operation) -> Result<(), String> {
        let done = match (operation, operation.sql()) {
            (Operation::Checkpoint, _) => db.checkpoint().map(|_| None),
            // A view that joins keeps the index it uses; which one that is depends on which was there first.
            (Operation::DropIndex { .. }, _) if self.state().views.contains_key(&View::Joined) => {
                return Ok(());
            }
            (_, Some(sql)) => db.exec(&sql, ()).map(|done| done.lsn),
            (_, None) => return Ok(()),
        };
        let mut next = self.state().clone();
        let expected = match operation {
            Operation::Checkpoint => Expected::Nothing,
            operation => next.apply(operation),
        };
        match (expected, done) {
            (Expected::Commit, Ok(Some(lsn))) if lsn.0 == self.acknowledged + 1 => {
                self.acknowledged = lsn.0;
                self.history.insert(lsn.0, next);
                Ok(())
            }
            (Expected::Nothing, Ok(_)) => Ok(()),
            (Expected::Error(code), Err(error)) if error.sqlstate() == code => Ok(()),
            (_, Err(error)) if error.kind() == ErrorKind::CommitOutcomeUnknown => {
                self.stop(expected, next)
            }
            (_, Err(error)) => {
                refusal(&error).map_err(|what| format!("{operation}: {what}"))?;
                self.stop(expected, next)
            }
            (expected, Ok(lsn)) => Err(format!(
                "{operation}: {expected:?} was expected, it answers {lsn:?}"
            )),
        }
    }

    fn stop(&mut self, expected: Expected, next: State) -> Result<(), String> {
        self.stopped = true;
        if expected == Expected::Commit {
            self.history.insert(self.acknowledged + 1, next);
        }
        Ok(())
    }

    /// Opens what is left.
    fn look(&self, disk: SimulatedVfs, seed: u64) -> Result<(), String> {
        let db = match open(Arc::new(disk), seed, &Stepped::default()) {
            Ok(db) => db,
            Err(error) => return refusal(&error),
        };
        let found = db.recovery();
        let lsn = found.last_lsn.0;
        // Only the newest group has no later witness, and then it says so.
        if lsn < self.acknowledged && (found.tail_cut.is_none() || lsn + 1 < self.acknowledged) {
            return Err(format!(
                "it opens at {lsn}, {} was acknowledged, tail cut: {:?}",
                self.acknowledged, found.tail_cut
            ));
        }
        let Some(state) = self.history.get(&lsn) else {
            return Err(format!("it opens at {lsn}, where nothing was committed"));
        };
        shows(&db, state).map_err(|what| format!("opened again at {lsn}, {what}"))
    }
}
