//! A simulated run: a workload on a simulated disk, and a crash at every step of it.
//!
//! The run itself never crashes: after each step of its disk an image is taken, and each image is crashed in several
//! ways and opened again, also in the middle of that. One thread does everything, so a seed is a whole run.
//! Next door: `recovered`, what must hold then; `random` and `exhaustive`, which choose the workloads.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::Mutex;

use tailwater::spawn::Stepped;
use tailwater::{Database, ErrorKind, FeedRequest, Lsn, Subscription, Ticket};
use tailwater_wal::vfs::{Fate, Fault, MemoryVfs, Pending, ReadFault, SimulatedVfs};

use super::consumer::{Consumer, Taken};
use super::model::{Expected, State};
use super::operation::{Operation, View};
use super::recovered::{
    self, History, Promise, check, check_again, incarnation, open, retains_little,
};
use super::tally::Tally;
use crate::rng::Rng;

/// Objects that are followed.
const FOLLOWED: [&str; 2] = ["t0", "groups_0"];

/// How much is crashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Depth {
    /// One of so many steps is crashed after.
    pub points: usize,
    /// In so many ways, beside losing all and keeping all that was not synced.
    pub ways: usize,
    /// One of so many recoveries is crashed at its steps; 0: none.
    pub second: usize,
    /// After one of so many steps only the process ends: another one goes on with what is in the machine's caches, and
    /// the power goes at steps of that; 0: none.
    pub restart: usize,
    /// Of a recovery that is crashed at its steps, no more steps than these.
    pub recovery_steps_max: usize,
}

/// A run that has ended well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Played {
    /// Steps of its disk that may be crashed after.
    pub steps: u64,
    /// A hash of them, to tell whether two runs are the same.
    pub trace: u64,
}

/// A whole run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Salts, settings and fates come from it.
    pub seed: u64,
    /// Operations before any crash.
    pub before: Vec<Operation>,
    /// Operations with crashes.
    pub operations: Vec<Operation>,
    /// Faults of the disk, by steps counted from the first operation.
    pub faults: Vec<(u64, Fault)>,
    /// Faults of reads, likewise.
    pub read_faults: Vec<(u64, ReadFault)>,
    /// How much is crashed.
    pub depth: Depth,
}

impl Plan {
    /// A number that tells workloads apart.
    #[must_use]
    pub fn identity(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        format!(
            "{:?}{:?}{:?}{:?}",
            self.before, self.operations, self.faults, self.read_faults
        )
        .hash(&mut hasher);
        hasher.finish()
    }
}

/// The disk after a step, and what a crash there may leave.
struct Point {
    step: u64,
    image: MemoryVfs,
    promise: Promise,
}

/// What the watcher knows of the run.
struct Shared {
    promise: Promise,
    points: Vec<Point>,
    /// What is visible counts as shown. `None` while no database is open.
    db: Option<Database>,
    rng: Rng,
    one_of: usize,
}

struct Run<'p> {
    plan: &'p Plan,
    disk: SimulatedVfs,
    scheduler: Stepped,
    db: Option<Database>,
    state: State,
    tip: u64,
    history: History,
    shared: Arc<Mutex<Shared>>,
    consumers: Vec<Consumer>,
    /// A follower of `t0` that reads a little now and then, and so from the log.
    lagging: Option<(Consumer, Subscription)>,
    tickets: Vec<Ticket>,
    rng: Rng,
    /// Crashed disks that were checked already.
    seen: BTreeSet<u64>,
    /// Steps before the first operation that is crashed.
    first_step: u64,
    /// The disk has failed: commits may be unknown from here on.
    failed: bool,
    squeezed: bool,
}

/// Plays a plan.
///
/// # Errors
/// What does not hold.
pub fn play(plan: &Plan, tally: &mut Tally) -> Result<Played, String> {
    let disk = SimulatedVfs::new(MemoryVfs::new());
    let shared = Shared {
        promise: Promise {
            acknowledged: 0,
            submitted: 0,
            consumers: Arc::default(),
            may_release: retains_little(plan.seed),
        },
        points: Vec::new(),
        db: None,
        rng: Rng::of_part(plan.seed, 1),
        one_of: plan.depth.points,
    };
    let mut run = Run {
        plan,
        disk,
        scheduler: Stepped::default(),
        db: None,
        state: State::default(),
        tip: 0,
        history: History::from([(0, State::default())]),
        shared: Arc::new(Mutex::new(shared)),
        consumers: Vec::new(),
        lagging: None,
        tickets: Vec::new(),
        rng: Rng::of_part(plan.seed, 2),
        seen: BTreeSet::new(),
        first_step: 0,
        failed: false,
        squeezed: false,
    };
    let played = run.all(tally);
    // The watcher holds the database, which holds the disk, which holds the watcher.
    run.disk.unwatch();
    run.shared().db = None;
    played.map(|()| Played {
        steps: run.disk.steps() - run.first_step,
        trace: run.disk.trace(),
    })
}

impl Run<'_> {
    fn all(&mut self, tally: &mut Tally) -> Result<(), String> {
        self.open()?;
        for operation in &self.plan.before {
            self.operation(operation, tally)?;
        }
        let (first, first_read) = (self.disk.steps(), self.disk.reads());
        self.first_step = first;
        for (step, fault) in &self.plan.faults {
            self.disk.plan(first + step, *fault);
        }
        for (read, fault) in &self.plan.read_faults {
            self.disk.plan_read(first_read + read, *fault);
        }
        self.watch();
        for (number, operation) in self.plan.operations.iter().enumerate() {
            tally.note(operation);
            self.operation(operation, tally)
                .and_then(|()| self.crash_points(tally))
                .map_err(|what| format!("operation {number}, {operation}: {what}"))?;
            if self.failed {
                break;
            }
        }
        if !self.failed {
            self.wait()?;
        }
        if let Some(db) = self.db.clone()
            && !self.failed
        {
            if !self.plan.read_faults.is_empty() {
                // One that has not come by now would only spoil the comparison.
                self.disk.clear_faults();
            }
            recovered::assert_state(&db, &self.state, tally)?;
            if self.lagging.is_some() {
                self.lag(&db, usize::MAX)?;
            }
        }
        self.end(tally)
    }

    /// The end of the process, whatever state it is in; then of the machine.
    fn end(&mut self, tally: &mut Tally) -> Result<(), String> {
        self.close(false)?;
        self.crash_points(tally)?;
        if self.failed {
            // The process is restarted on the running machine: what its caches hold is there, whether it is on the disk
            // or not. What is shown then must survive the power going off.
            self.disk.unwatch();
            self.disk.clear_faults();
            self.disk.memory().set_capacity_bytes(u64::MAX);
            let promise = self.shared().promise.clone();
            if !self.disk.has_power() {
                return self.after_power_cut(&promise, tally);
            }
            self.restart(&self.disk.clone(), &promise, tally)
                .map_err(|what| format!("restarted after a fault of the disk, {what}"))?;
        }
        Ok(())
    }

    /// The power went at some step: what is left is there, in whatever way it was lost.
    fn after_power_cut(&mut self, promise: &Promise, tally: &mut Tally) -> Result<(), String> {
        let seed = self.plan.seed;
        for way in 0..4 {
            let image = self.disk.memory().image();
            let crashed = crash(&image, way, self.rng.next_u64(), &mut 0);
            tally.crash_points += 1;
            check(
                &SimulatedVfs::new(crashed),
                seed,
                promise,
                &self.history,
                tally,
            )
            .and_then(|(lsn, disk)| check_again(&disk, seed, lsn))
            .map_err(|what| format!("after the power went (way {way}), {what}"))?;
        }
        Ok(())
    }

    /// Another process opens what this one has left, on the same machine; the power goes at steps of that, and after.
    fn restart(
        &mut self,
        disk: &SimulatedVfs,
        promise: &Promise,
        tally: &mut Tally,
    ) -> Result<(), String> {
        let seed = self.plan.seed;
        let images = Arc::new(Mutex::new(Vec::new()));
        let taken = Arc::clone(&images);
        disk.watch(Box::new(move |step, memory| {
            if let Ok(mut taken) = taken.lock() {
                taken.push((step.number, memory.image()));
            }
        }));
        tally.crash_points += 1;
        let checked = check(disk, seed, promise, &self.history, tally);
        disk.unwatch();
        let (next, after) = checked?;
        check_again(&after, seed, next)?;
        let images = images
            .lock()
            .map(|mut images| std::mem::take(&mut *images))
            .unwrap_or_default();
        for (step, image) in some_of(images, self.plan.depth.recovery_steps_max, &mut self.rng) {
            let crashed = image.crash();
            let crashed = SimulatedVfs::new(crashed);
            let opened = open(Arc::new(crashed.clone()), seed, &Stepped::default());
            let db = opened.map_err(|error| {
                format!("after a power cut at step {step} it does not open: {error}")
            })?;
            let found = db.recovery().last_lsn.0;
            let _ = crashed.crash_with(&mut |_| Fate::Lost);
            tally.crash_points += 1;
            if found < promise.acknowledged || found > next {
                return Err(format!(
                    "after a power cut at step {step} it is at {found}, {promise:?}"
                ));
            }
        }
        Ok(())
    }

    fn shared(&self) -> std::sync::MutexGuard<'_, Shared> {
        self.shared
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn watch(&self) {
        let shared = Arc::clone(&self.shared);
        self.shared().db = self.db.clone();
        self.disk.watch(Box::new(move |step, memory| {
            let mut shared = shared
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            let visible = shared.db.as_ref().map_or(0, |db| db.visible_lsn().0);
            shared.promise.acknowledged = shared.promise.acknowledged.max(visible);
            let one_of = shared.one_of;
            if shared.rng.below(one_of) == 0 {
                let point = Point {
                    step: step.number,
                    image: memory.image(),
                    promise: shared.promise.clone(),
                };
                shared.points.push(point);
            }
        }));
    }

    fn open(&mut self) -> Result<(), String> {
        let opened = open(Arc::new(self.disk.clone()), self.plan.seed, &self.scheduler);
        match opened {
            Ok(db) => {
                let lsn = db.recovery().last_lsn.0;
                if lsn != self.tip {
                    return Err(format!("opened again after {} it is at {lsn}", self.tip));
                }
                self.shared().db = Some(db.clone());
                self.db = Some(db);
                Ok(())
            }
            Err(error) => self.fault(&error),
        }
    }

    fn close(&mut self, clean: bool) -> Result<(), String> {
        self.tickets.clear();
        self.lagging = None;
        self.shared().db = None;
        match self.db.take() {
            Some(db) if clean => match db.close() {
                Ok(()) => Ok(()),
                Err(error) => self.fault(&error),
            },
            _ => Ok(()),
        }
    }

    /// An error that only a fault of the disk explains.
    fn fault(&mut self, error: &tailwater::Error) -> Result<(), String> {
        let is_healthy = self.plan.faults.is_empty() && self.plan.read_faults.is_empty();
        if is_healthy && !(self.squeezed && error.sqlstate() == "53100") {
            return Err(format!(
                "without any fault of the disk: {error} ({})",
                error.sqlstate()
            ));
        }
        let honest = [
            ErrorKind::Io,
            ErrorKind::Unavailable,
            ErrorKind::CommitOutcomeUnknown,
            ErrorKind::Corrupted,
            ErrorKind::Conflict,
        ];
        if !honest.contains(&error.kind()) {
            return Err(format!(
                "after a fault of the disk: {error} ({})",
                error.sqlstate()
            ));
        }
        self.failed = true;
        Ok(())
    }

    fn operation(&mut self, operation: &Operation, tally: &mut Tally) -> Result<(), String> {
        let Some(db) = self.db.clone() else {
            return Ok(());
        };
        match operation {
            Operation::Wait => self.wait(),
            Operation::Checkpoint => match db.checkpoint() {
                Ok(()) => Ok(()),
                Err(error) if self.squeezed && error.sqlstate() == "53100" => Ok(()),
                Err(error) => self.fault(&error),
            },
            Operation::Background { choice } => {
                self.scheduler.run(*choice);
                Ok(())
            }
            Operation::Ack => self.ack(&db, tally),
            Operation::Restart => {
                self.wait()?;
                drop(db);
                self.close(!self.squeezed)?;
                match self.failed || self.squeezed {
                    true => {
                        self.failed = true;
                        Ok(())
                    }
                    false => self.open(),
                }
            }
            Operation::DiskFull { left } => {
                let memory = self.disk.memory();
                memory.set_capacity_bytes(memory.used_bytes() + left);
                self.squeezed = true;
                tally.faults += 1;
                Ok(())
            }
            Operation::DiskFree => {
                self.disk.memory().set_capacity_bytes(u64::MAX);
                self.squeezed = false;
                Ok(())
            }
            Operation::Conflict { table, id } => self.conflict(&db, *table, *id),
            // A view that joins keeps the index it uses; which one that is depends on which was there first.
            Operation::DropIndex { .. } if self.state.views.contains_key(&View::Joined) => Ok(()),
            Operation::Submit { .. } => {
                let sql = operation.sql().unwrap_or_default();
                let submit = |db: &Database| {
                    db.submit(&sql, ())
                        .map(|ticket| (ticket.lsn(), Some(ticket)))
                };
                self.statement(operation, &db, submit)
            }
            statement => {
                let sql = statement.sql().unwrap_or_default();
                let exec = |db: &Database| {
                    db.exec(&sql, ())
                        .map(|done| (done.lsn.unwrap_or(Lsn::ZERO), None))
                };
                self.statement(operation, &db, exec)
            }
        }
    }

    /// Runs a statement and holds it against what the model expects.
    fn statement(
        &mut self,
        operation: &Operation,
        db: &Database,
        run: impl FnOnce(&Database) -> tailwater::Result<(Lsn, Option<Ticket>)>,
    ) -> Result<(), String> {
        let mut next = self.state.clone();
        let expected = next.apply(operation);
        if expected == Expected::Commit {
            self.submitted(next);
        }
        match (expected, run(db)) {
            (Expected::Commit, Ok((lsn, ticket))) if lsn.0 == self.tip => {
                match ticket {
                    Some(ticket) => self.tickets.push(ticket),
                    None => self.acknowledged(),
                }
                Ok(())
            }
            (Expected::Nothing, Ok(_)) => Ok(()),
            (Expected::Error(code), Err(error)) if error.sqlstate() == code => Ok(()),
            (_, Err(error)) if self.squeezed && error.sqlstate() == "53100" => {
                // Nothing of it is left.
                if expected == Expected::Commit {
                    self.withdraw();
                }
                Ok(())
            }
            (_, Err(error)) => self
                .fault(&error)
                .map_err(|what| format!("{expected:?} was expected, {what}")),
            (expected, Ok((lsn, _))) => Err(format!(
                "{expected:?} was expected, it committed {lsn} when {} was next",
                self.tip
            )),
        }
    }

    /// From now on a crash may leave the next commit.
    fn submitted(&mut self, state: State) {
        self.tip += 1;
        self.history.insert(self.tip, state.clone());
        self.state = state;
        self.shared().promise.submitted = self.tip;
    }

    /// The commit submitted last was refused.
    fn withdraw(&mut self) {
        self.history.remove(&self.tip);
        self.tip -= 1;
        self.state = self.history.get(&self.tip).cloned().unwrap_or_default();
        self.shared().promise.submitted = self.tip;
    }

    /// Everything submitted so far is acknowledged.
    fn acknowledged(&mut self) {
        let tip = self.tip;
        let mut shared = self.shared();
        shared.promise.acknowledged = shared.promise.acknowledged.max(tip);
    }

    fn wait(&mut self) -> Result<(), String> {
        for ticket in std::mem::take(&mut self.tickets) {
            let lsn = ticket.lsn().0;
            match ticket.wait() {
                Ok(_) => {
                    let mut shared = self.shared();
                    shared.promise.acknowledged = shared.promise.acknowledged.max(lsn);
                }
                Err(error) => return self.fault(&error),
            }
        }
        Ok(())
    }

    /// Two transactions change a row that both have read: the second one must be told.
    fn conflict(&mut self, db: &Database, table: u8, id: i64) -> Result<(), String> {
        let mut next = self.state.clone();
        let expected = next.add(table, id, 1);
        if expected == Expected::Commit {
            self.submitted(next);
        }
        let (mut first, mut second) = (db.session(), db.session());
        // A statement that failed makes its session's COMMIT a ROLLBACK: what counts is the first error of each.
        let (mut first_done, mut second_done) = (Ok(()), Ok(()));
        for (session, sql) in [
            (0, "BEGIN"),
            (1, "BEGIN"),
            (0, "UPDATE"),
            (1, "UPDATE"),
            (0, "COMMIT"),
            (1, "COMMIT"),
        ] {
            let sql = match sql {
                "UPDATE" => format!("UPDATE t{table} SET n = n + 1 WHERE id = {id}"),
                other => other.to_owned(),
            };
            let (session, done) = match session {
                0 => (&mut first, &mut first_done),
                _ => (&mut second, &mut second_done),
            };
            *done = std::mem::replace(done, Ok(())).and(session.execute(&sql, ()).map(drop));
        }
        match (expected, first_done, second_done) {
            (Expected::Commit, Ok(()), Err(error))
                if error.sqlstate() == "40001" || self.squeezed && error.sqlstate() == "53100" =>
            {
                self.acknowledged();
                Ok(())
            }
            (Expected::Nothing, Ok(()), Ok(())) => Ok(()),
            (Expected::Error(code), Err(first), Err(second))
                if [first.sqlstate(), second.sqlstate()] == [code; 2] =>
            {
                Ok(())
            }
            (Expected::Commit, Err(error), _) if self.squeezed && error.sqlstate() == "53100" => {
                // What the first could not do the second may have done.
                self.failed = true;
                Ok(())
            }
            (_, Err(error), _) | (Expected::Commit | Expected::Nothing, Ok(()), Err(error)) => {
                self.fault(&error)
            }
            (expected, first, second) => Err(format!(
                "{expected:?} was expected; two transactions that changed one row ended with {first:?} and {second:?}"
            )),
        }
    }

    /// The lagging follower reads so many events.
    fn lag(&mut self, db: &Database, events_max: usize) -> Result<(), String> {
        let Some(now) = incarnation("t0", &self.state) else {
            self.lagging = None;
            return Ok(());
        };
        if !self.plan.read_faults.is_empty() {
            return Ok(());
        }
        if self.lagging.is_none() {
            let feed = db
                .subscribe(FeedRequest::of("t0"))
                .map_err(|error| error.to_string())?;
            self.lagging = Some((Consumer::new("t0".to_owned(), now), feed));
        }
        let Some((consumer, feed)) = &mut self.lagging else {
            return Ok(());
        };
        let taken = consumer.take_from(feed, events_max)?;
        if taken == Taken::Reset {
            if consumer.incarnation == now && !retains_little(self.plan.seed) {
                return Err(format!(
                    "the feed of a slow follower was reset at {}",
                    consumer.lsn
                ));
            }
            self.lagging = None;
            return Ok(());
        }
        match taken == Taken::All && consumer.incarnation == now {
            true => consumer.compare(db),
            false => Ok(()),
        }
    }

    /// Followers take what there is and store it with their token.
    fn ack(&mut self, db: &Database, tally: &mut Tally) -> Result<(), String> {
        // What is not visible yet is not fed: let it be.
        self.wait()?;
        if self.failed {
            return Ok(());
        }
        self.lag(db, 2)?;
        for object in FOLLOWED {
            let now = incarnation(object, &self.state);
            let known = self
                .consumers
                .iter()
                .position(|consumer| consumer.object == object);
            let mut consumer = match known {
                Some(at) => self.consumers.swap_remove(at),
                None => Consumer::new(object.to_owned(), now.unwrap_or(0)),
            };
            let Some(now) = now else {
                continue;
            };
            let mut taken = match consumer.take(db) {
                Ok(taken) => taken,
                Err(_) if !self.plan.read_faults.is_empty() => return Ok(()),
                Err(what) => return Err(what),
            };
            if taken == Taken::Reset {
                if consumer.incarnation == now && !retains_little(self.plan.seed) {
                    return Err(format!(
                        "the feed of {object} was reset at {}",
                        consumer.lsn
                    ));
                }
                consumer = Consumer::new(object.to_owned(), now);
                taken = consumer.take(db)?;
            }
            consumer.incarnation = now;
            if taken == Taken::All && self.plan.read_faults.is_empty() {
                tally.feeds += 1;
                consumer.compare(db)?;
            }
            self.consumers.push(consumer);
        }
        let stored = Arc::new(self.consumers.clone());
        self.shared().promise.consumers = stored;
        Ok(())
    }

    /// Crashes every image taken since the last call.
    fn crash_points(&mut self, tally: &mut Tally) -> Result<(), String> {
        let points = std::mem::take(&mut self.shared().points);
        for point in points {
            let one_of = self.plan.depth.restart;
            if one_of > 0 && self.rng.below(one_of) == 0 {
                let image = point.image.image();
                image.set_capacity_bytes(u64::MAX);
                self.restart(&SimulatedVfs::new(image), &point.promise, tally)
                    .map_err(|what| {
                        format!(
                            "after step {} and a restart of the process, {what}",
                            point.step
                        )
                    })?;
            }
            let ways = 2 + self.plan.depth.ways;
            for way in 0..ways {
                let seed = self.rng.next_u64();
                let image = point.image.image();
                // The next boot finds room, so that opening is tried and not the disk.
                image.set_capacity_bytes(u64::MAX);
                let mut pending = 0_usize;
                let crashed = crash(&image, way, seed, &mut pending);
                if way > 0 && pending == 0 {
                    break;
                }
                let identity = (
                    &point.promise.acknowledged,
                    &point.promise.submitted,
                    crashed.content_hash(),
                );
                let mut hasher = DefaultHasher::new();
                identity.hash(&mut hasher);
                if !self.seen.insert(hasher.finish()) {
                    continue;
                }
                self.recover(&point, crashed, tally).map_err(|what| {
                    format!("after step {} and a crash of way {way}, {what}", point.step)
                })?;
            }
        }
        Ok(())
    }

    /// Opens a crashed disk, and now and then crashes that at every step as well.
    fn recover(
        &mut self,
        point: &Point,
        crashed: MemoryVfs,
        tally: &mut Tally,
    ) -> Result<(), String> {
        let second = self.plan.depth.second;
        let again = second > 0 && self.rng.below(second) == 0;
        let seed = self.plan.seed;
        tally.crash_points += 1;
        if !again {
            let disk = SimulatedVfs::new(crashed);
            let (lsn, after) = check(&disk, seed, &point.promise, &self.history, tally)?;
            return match self.rng.below(8) {
                0 => check_again(&after, seed, lsn),
                _ => Ok(()),
            };
        }
        let images = Arc::new(Mutex::new(Vec::new()));
        let taken = Arc::clone(&images);
        let disk = SimulatedVfs::new(crashed.image());
        disk.watch(Box::new(move |step, memory| {
            if let Ok(mut taken) = taken.lock() {
                taken.push((step.number, memory.image()));
            }
        }));
        let opened = open(Arc::new(disk.clone()), seed, &Stepped::default()).map(drop);
        disk.unwatch();
        opened.map_err(|error| format!("it does not open: {error}"))?;
        let (next, _) = check(
            &SimulatedVfs::new(crashed),
            seed,
            &point.promise,
            &self.history,
            tally,
        )?;
        let lsn = next - 1;
        let promise = Promise {
            acknowledged: lsn,
            submitted: lsn,
            ..point.promise.clone()
        };
        let images = images
            .lock()
            .map(|mut images| std::mem::take(&mut *images))
            .unwrap_or_default();
        for (step, image) in some_of(images, self.plan.depth.recovery_steps_max, &mut self.rng) {
            let way = self.rng.below(3);
            let crashed = crash(&image, way, self.rng.next_u64(), &mut 0);
            let mut hasher = DefaultHasher::new();
            (lsn, crashed.content_hash()).hash(&mut hasher);
            if !self.seen.insert(hasher.finish()) {
                continue;
            }
            tally.crash_points += 1;
            tally.second_crashes += 1;
            check(
                &SimulatedVfs::new(crashed),
                seed,
                &promise,
                &self.history,
                tally,
            )
            .map_err(|what| {
                format!("and another one after step {step} of recovery (way {way}), {what}")
            })?;
        }
        Ok(())
    }
}

/// So many of them at most, in their order.
fn some_of<T>(mut all: Vec<T>, max: usize, rng: &mut Rng) -> Vec<T> {
    while all.len() > max {
        all.remove(rng.below(all.len()));
    }
    all
}

/// Crashes a disk: way 0 loses all that was not synced, 1 keeps all, others let each sector meet its own fate.
fn crash(image: &MemoryVfs, way: usize, seed: u64, pending: &mut usize) -> MemoryVfs {
    let rng = &mut Rng::new(seed);
    image.crash_with(&mut |what| {
        *pending += 1;
        match way {
            0 => Fate::Lost,
            1 => Fate::Kept,
            _ => fate(rng, what),
        }
    })
}

fn fate(rng: &mut Rng, what: Pending<'_>) -> Fate {
    match (rng.below(12), what) {
        (0..=4, _) => Fate::Kept,
        (9, Pending::Sector { .. }) => Fate::Old,
        (10, Pending::Sector { .. }) => Fate::Zero,
        (11, Pending::Sector { .. }) => Fate::Garbage(rng.next_u64()),
        _ => Fate::Lost,
    }
}
