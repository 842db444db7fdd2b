//! Runs a piece of the real code under many schedules, each chosen by a seed; and proves that a schedule would show a bug.
//!
//! Every access to a lock or an atomic is a place where another thread may go on. Two ways to choose: at random, and by
//! priorities that change a few times (PCT, Burckhardt et al. 2010), which finds rare orders of few events. A deadlock is
//! a failure, and so is a run without an end. Memory orderings are not modelled: all is sequentially consistent.
//! Next door: `modelled`, the locks.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use shuttle::rand::Rng as _;
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::sync::atomic::{AtomicBool, Ordering};
use shuttle::{Config, FailurePersistence, MaxSteps, Runner};

pub use shuttle::future::block_on;
pub use shuttle::thread::{JoinHandle, spawn, yield_now};

/// Steps of one run before it counts as one without an end.
const STEPS_MAX: usize = 100_000;
/// How often a schedule by priorities changes its mind.
const PRIORITY_CHANGES: usize = 3;
/// Steps that others get at most while one pauses.
const PAUSE_STEPS_MAX: usize = 400;
/// How many seeds a wrong thing has to show itself in.
const ROUNDS_MAX: u64 = 20;
/// As a spawned thread's.
const STACK_BYTES: usize = 2 << 20;

std::thread_local! {
    /// What is done wrong in the model that this thread runs: a whole model is one thread to the system.
    static WEAKENED: Cell<Option<&'static str>> = const { Cell::new(None) };
}

/// Whether the code around it is to do the named thing wrong. There it is slow, too, so that what it leaves open stays
/// open for a while.
#[must_use]
pub fn is_weakened(name: &str) -> bool {
    let is_weakened = WEAKENED.with(|weakened| weakened.get() == Some(name));
    if is_weakened {
        pause();
    }
    is_weakened
}

/// Runs `body` under so many schedules of each kind.
///
/// # Panics
/// As the body does, or when it cannot go on; the text on the error output replays the schedule.
pub fn explore(seed: u64, schedules: usize, body: impl Fn() + Send + Sync + 'static) {
    explore_shared(seed, schedules, &Arc::new(body));
}

fn explore_shared(seed: u64, schedules: usize, body: &Arc<impl Fn() + Send + Sync + 'static>) {
    run(RandomScheduler::new_from_seed(seed, schedules), body);
    let by_priority = PctScheduler::new_from_seed(seed, PRIORITY_CHANGES, schedules);
    run(by_priority, body);
}

/// What `look` sees, if the named thing is to be done wrong: it is used later, when it may not be true any more.
#[must_use]
pub fn too_early<T>(name: &str, look: impl FnOnce() -> T) -> Option<T> {
    let seen = is_weakened(name).then(look);
    if seen.is_some() {
        pause();
    }
    seen
}

/// Gives others the chance to run, sometimes so often that they get far. (Yielding would count as being woken.)
pub fn pause() {
    let mut chance = shuttle::rand::thread_rng();
    let length = if chance.gen_bool(0.25) {
        chance.gen_range(0..PAUSE_STEPS_MAX)
    } else {
        1
    };
    let looked_at = AtomicBool::new(false);
    for _ in 0..length {
        _ = looked_at.load(Ordering::SeqCst);
    }
}

/// Insists that `body` fails when the named thing is done wrong: under one of so many schedules of each kind, or of as many
/// more, `ROUNDS_MAX` times over. What is rare is not missed because of one unlucky seed, and what is common ends at once.
///
/// # Panics
/// If nothing is noticed.
pub fn must_notice(
    weakened: &'static str,
    seed: u64,
    schedules: usize,
    body: impl Fn() + Send + Sync + 'static,
) {
    let body = Arc::new(body);
    // On a thread of its own: what a failed run leaves behind there goes with it.
    let explored = std::thread::spawn(move || {
        WEAKENED.with(|cell| cell.set(Some(weakened)));
        let rounds = || {
            for round in 0..ROUNDS_MAX {
                explore_shared(seed.wrapping_add(round), schedules, &body);
            }
        };
        catch_unwind(AssertUnwindSafe(rounds)).is_err()
    });
    assert!(
        explored.join().unwrap_or(true),
        "{weakened}: {ROUNDS_MAX} times {schedules} schedules of seed {seed} and those after it went well"
    );
}

fn run(scheduler: impl Scheduler + 'static, body: &Arc<impl Fn() + Send + Sync + 'static>) {
    let mut config = Config::new();
    config.stack_size = STACK_BYTES;
    config.failure_persistence = FailurePersistence::Print;
    config.max_steps = MaxSteps::FailAfter(STEPS_MAX);
    let body = Arc::clone(body);
    Runner::new(scheduler, config).run(move || body());
}
