//! A whole torture: all modes at once, on every core, for as long as was asked.
//!
//! One thread kills processes, the others share exhaustive and random workloads and damage. The first violation ends it.
//! Next door: the modes.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use super::kill::Kills;
use super::{Tally, astray, damage, exhaustive, faulty, random, slow_reader};

/// Runs with a fault that are played at once.
const FAULTS_AT_ONCE: usize = 8;
/// How often progress is shown.
const PROGRESS_EVERY: Duration = Duration::from_secs(10);

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// How long it takes; what is under way is ended.
    pub time: Duration,
    /// The first seed.
    pub seed: u64,
    /// Whether all workloads of the exhaustive mode are played, however long that takes.
    pub exhaustive: bool,
    /// Seeds whose random workloads are played, however long that takes.
    pub seeds_min: u64,
    /// Processes that are killed, however long that takes.
    pub kills_min: u64,
    /// The only mode on the simulated disk that is played.
    pub only: Option<Mode>,
}

/// A way to spoil a simulated disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Random workloads, crashed.
    Random,
    /// Small workloads, crashed at every step.
    Exhaustive,
    /// The n-th call fails.
    Faults,
    /// Bytes rot at rest.
    Damage,
    /// Bytes go wrong on their way.
    Astray,
    /// A follower reads from segments that go.
    SlowReader,
}

impl Mode {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Random,
        Self::Exhaustive,
        Self::Faults,
        Self::Damage,
        Self::Astray,
        Self::SlowReader,
    ];

    /// Its share of the time, relative to the others'.
    const fn share(self) -> u64 {
        match self {
            Self::Random => 4,
            Self::Exhaustive | Self::Faults => 2,
            Self::Damage | Self::Astray | Self::SlowReader => 1,
        }
    }

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Random => "random",
            Self::Exhaustive => "exhaustive",
            Self::Faults => "faults",
            Self::Damage => "damage",
            Self::Astray => "astray",
            Self::SlowReader => "slow-reader",
        }
    }
}

/// A run's progress, shown as it goes.
pub type OnProgress<'a> = &'a (dyn Fn(Duration, &Tally) + Sync);

struct Torture<'w> {
    wanted: &'w Wanted,
    started: Instant,
    workloads: Vec<Vec<super::operation::Operation>>,
    next_workload: AtomicUsize,
    next_fault: AtomicUsize,
    /// Seeds played, by mode.
    seeds: [AtomicU64; Mode::ALL.len()],
    /// Microseconds that went to each mode.
    spent_us: [AtomicU64; Mode::ALL.len()],
    kills: AtomicU64,
    found: Mutex<Option<String>>,
    over: AtomicBool,
    tally: Mutex<Tally>,
}

/// Tortures. Returns the counts, and the violation if there was one.
pub fn run(wanted: &Wanted, show: OnProgress<'_>) -> (Tally, Option<String>) {
    let torture = Torture {
        wanted,
        started: Instant::now(),
        workloads: exhaustive::workloads(),
        next_workload: AtomicUsize::new(0),
        next_fault: AtomicUsize::new(0),
        seeds: Default::default(),
        spent_us: Default::default(),
        kills: AtomicU64::new(0),
        found: Mutex::default(),
        over: AtomicBool::new(false),
        tally: Mutex::default(),
    };
    let cores = thread::available_parallelism().map_or(2, usize::from);
    let (at_work, ended) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let torture = &torture;
        for worker in 0..=cores {
            // Dropped when the worker ends; the watcher ends with the last of them.
            let at_work = at_work.clone();
            scope.spawn(move || {
                match worker {
                    0 => torture.until_done(|| torture.kill()),
                    _ => torture.until_done(|| torture.simulate()),
                }
                drop(at_work);
            });
        }
        drop(at_work);
        torture.watch(&ended, show);
    });
    let found = torture.found.into_inner().unwrap_or_default();
    (torture.tally.into_inner().unwrap_or_default(), found)
}

impl Torture<'_> {
    fn until_done(&self, work: impl FnOnce() -> Result<(), String>) {
        if let Err(violation) = work() {
            self.over.store(true, Ordering::SeqCst);
            if let Ok(mut found) = self.found.lock() {
                found.get_or_insert(violation);
            }
        }
    }

    fn add(&self, tally: &mut Tally) {
        if let Ok(mut all) = self.tally.lock() {
            all.add(tally);
        }
        *tally = Tally::default();
    }

    fn has_time(&self) -> bool {
        self.started.elapsed() < self.wanted.time
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// What a worker plays next: what has had the least of its share. `None`: nothing any more.
    fn next_mode(&self) -> Option<Mode> {
        if self.is_over() {
            return None;
        }
        let wanted = |mode: &Mode| self.wanted.only.is_none_or(|only| only == *mode);
        let may_play = |mode: &Mode| wanted(mode) && (self.has_time() || self.owes(*mode));
        let had =
            |mode: &Mode| self.spent_us[*mode as usize].load(Ordering::Relaxed) / mode.share();
        Mode::ALL.into_iter().filter(may_play).min_by_key(had)
    }

    /// Whether more of a mode was asked for than has been played, however long it takes.
    fn owes(&self, mode: Mode) -> bool {
        match mode {
            Mode::Random => self.played(mode).load(Ordering::SeqCst) < self.wanted.seeds_min,
            Mode::Exhaustive => {
                let next = self.next_workload.load(Ordering::SeqCst);
                self.wanted.exhaustive && next < self.workloads.len()
            }
            Mode::Faults => {
                self.wanted.exhaustive && self.next_fault.load(Ordering::SeqCst) < faulty::count()
            }
            Mode::Damage | Mode::Astray | Mode::SlowReader => false,
        }
    }

    fn played(&self, mode: Mode) -> &AtomicU64 {
        &self.seeds[mode as usize]
    }

    fn kill(&self) -> Result<(), String> {
        let mut tally = Tally::default();
        let mut seed = self.wanted.seed;
        let mut kills = Kills::new(seed)?;
        let wants_kills = self.wanted.only.is_none();
        while !self.is_over()
            && (wants_kills && self.has_time()
                || self.kills.load(Ordering::SeqCst) < self.wanted.kills_min)
        {
            if self.kills.fetch_add(1, Ordering::SeqCst) % 40 == 39 {
                // Another database, so that young ones are killed, too.
                seed = seed.wrapping_add(1);
                kills = Kills::new(seed)?;
            }
            let round = kills.round(&mut tally);
            self.add(&mut tally);
            round?;
        }
        Ok(())
    }

    fn simulate(&self) -> Result<(), String> {
        let mut tally = Tally::default();
        while let Some(mode) = self.next_mode() {
            let begun = Instant::now();
            let played = match mode {
                Mode::Exhaustive => self.workload(&mut tally),
                Mode::Faults => self.fault(&mut tally),
                Mode::Damage => damage::run(self.seed(mode), &mut tally),
                Mode::Astray => astray::run(self.seed(mode), &mut tally),
                Mode::SlowReader => slow_reader::run(self.seed(mode), &mut tally),
                Mode::Random => random::run(self.seed(mode), &mut tally),
            };
            let took = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
            self.spent_us[mode as usize].fetch_add(took, Ordering::Relaxed);
            self.add(&mut tally);
            played?;
        }
        Ok(())
    }

    /// The next seed of a mode.
    fn seed(&self, mode: Mode) -> u64 {
        let number = self.played(mode).fetch_add(1, Ordering::SeqCst);
        self.wanted.seed.wrapping_add(number)
    }

    /// The next workload of the exhaustive mode, or a seed when there is none left.
    fn workload(&self, tally: &mut Tally) -> Result<(), String> {
        let number = self.next_workload.fetch_add(1, Ordering::SeqCst);
        match self.workloads.get(number) {
            Some(workload) => exhaustive::run(workload, number, tally),
            None => random::run(self.seed(Mode::Random), tally),
        }
    }

    /// Some of the runs in which the n-th call fails, or a seed when there is none left.
    fn fault(&self, tally: &mut Tally) -> Result<(), String> {
        let first = self.next_fault.fetch_add(FAULTS_AT_ONCE, Ordering::SeqCst);
        // In an order that comes to every part of the workload early; the factor has nothing in common with the count.
        let numbers = (first..first + FAULTS_AT_ONCE).filter(|number| *number < faulty::count());
        for number in numbers {
            faulty::run(number * 769 % faulty::count(), tally)?;
        }
        match first < faulty::count() {
            true => Ok(()),
            false => random::run(self.seed(Mode::Random), tally),
        }
    }

    fn watch(&self, ended: &mpsc::Receiver<()>, show: OnProgress<'_>) {
        while ended.recv_timeout(PROGRESS_EVERY) == Err(mpsc::RecvTimeoutError::Timeout) {
            if let Ok(tally) = self.tally.lock() {
                show(self.started.elapsed(), &tally);
            }
        }
    }
}
