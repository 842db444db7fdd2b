//! Work nobody waits for, cut into steps: threads take them, or a scheduler that a test holds.
//!
//! A [`Task`] never blocks between two steps and never looks at a clock: it says when it wants to be called again. So
//! the same work runs on threads, and step by step on the one thread of a simulator, where a seed decides what happens
//! when. Next door: `log`, whose segments are prepared and flushed so, and the engine, whose checkpoints are.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::sync::thread::{self, JoinHandle};
use crate::sync::{Condvar, Mutex, is_weakened};

/// When a task wants its next step.
///
/// ```
/// use std::time::Duration;
/// use tailwater_wal::spawn::{Call, Next, Spawn, Stepped, Task};
///
/// struct Idle;
/// impl Task for Idle {
///     fn step(&mut self, _: Call) -> Next {
///         Next::WhenWoken
///     }
/// }
/// let scheduler = Stepped::default();
/// let worker = scheduler.spawn("idle", Next::After(Duration::from_secs(60)), Box::new(Idle)).unwrap();
/// assert!(scheduler.run(0)); // a minute passes as soon as the scheduler says so
/// assert!(!scheduler.run(0)); // now it waits to be woken
/// worker.wake();
/// assert!(scheduler.run(0));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// At once: there is more to do.
    Now,
    /// When it is woken, at the latest after this long.
    After(Duration),
    /// When it is woken.
    WhenWoken,
    /// Never: it is over.
    Never,
}

/// Why a task is called.
///
/// ```
/// use tailwater_wal::spawn::{Call, Next, Task};
///
/// struct Alarm { rung: bool }
/// impl Task for Alarm {
///     fn step(&mut self, call: Call) -> Next {
///         self.rung |= call == Call::Elapsed;
///         if self.rung { Next::Never } else { Next::After(std::time::Duration::from_secs(1)) }
///     }
/// }
/// let mut alarm = Alarm { rung: false };
/// assert_ne!(alarm.step(Call::Woken), Next::Never); // too early
/// assert_eq!(alarm.step(Call::Elapsed), Next::Never);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Someone woke it, or it asked for a step at once.
    Woken,
    /// The time it asked for has passed.
    Elapsed,
}

/// A piece of background work.
///
/// ```
/// use tailwater_wal::spawn::{Call, Next, Task};
///
/// /// Adds up numbers, a thousand at a time.
/// struct Sum { numbers: Vec<u64>, sum: u64 }
/// impl Task for Sum {
///     fn step(&mut self, _: Call) -> Next {
///         let rest = self.numbers.len().saturating_sub(1_000);
///         self.sum += self.numbers.drain(rest..).sum::<u64>();
///         if rest > 0 { Next::Now } else { Next::Never }
///     }
/// }
/// let mut task = Sum { numbers: (1..=1_500).collect(), sum: 0 };
/// assert_eq!((task.step(Call::Woken), task.step(Call::Woken)), (Next::Now, Next::Never));
/// assert_eq!(task.sum, 1_500 * 1_501 / 2);
/// ```
pub trait Task: Send {
    /// Does a bounded part of it.
    ///
    /// ```
    /// use tailwater_wal::spawn::{Call, Next, Task};
    ///
    /// struct Once;
    /// impl Task for Once {
    ///     fn step(&mut self, _: Call) -> Next {
    ///         Next::Never
    ///     }
    /// }
    /// assert_eq!(Once.step(Call::Woken), Next::Never);
    /// ```
    fn step(&mut self, call: Call) -> Next;
}

/// Runs tasks.
///
/// ```
/// use tailwater_wal::spawn::{Spawn, Stepped, Threads};
///
/// let in_production: &dyn Spawn = &Threads;
/// let in_a_test: &dyn Spawn = &Stepped::default();
/// assert_ne!(format!("{in_production:?}"), format!("{in_a_test:?}"));
/// ```
pub trait Spawn: Send + Sync + fmt::Debug {
    /// Takes a task over, which wants its first step when `first` says.
    ///
    /// # Errors
    /// When the system has no thread for it.
    ///
    /// ```
    /// use tailwater_wal::spawn::{Call, Next, Spawn, Stepped, Task};
    ///
    /// struct Once;
    /// impl Task for Once {
    ///     fn step(&mut self, _: Call) -> Next {
    ///         Next::WhenWoken
    ///     }
    /// }
    /// let scheduler = Stepped::default();
    /// scheduler.spawn("once", Next::Now, Box::new(Once)).unwrap();
    /// assert_eq!(scheduler.runnable(), 1);
    /// ```
    fn spawn(&self, name: &str, first: Next, task: Box<dyn Task>) -> io::Result<Arc<dyn Worker>>;
}

/// What runs one task.
///
/// ```
/// use tailwater_wal::spawn::{Call, Next, Spawn, Stepped, Task};
///
/// struct Once;
/// impl Task for Once {
///     fn step(&mut self, _: Call) -> Next {
///         Next::WhenWoken
///     }
/// }
/// let worker = Stepped::default().spawn("once", Next::WhenWoken, Box::new(Once)).unwrap();
/// assert!(!worker.assist()); // it waits
/// worker.wake();
/// assert!(worker.assist());
/// ```
pub trait Worker: Send + Sync + fmt::Debug {
    /// Asks for a step soon.
    ///
    /// ```
    /// use tailwater_wal::spawn::{Call, Next, Spawn, Stepped, Task};
    ///
    /// struct Once;
    /// impl Task for Once {
    ///     fn step(&mut self, _: Call) -> Next {
    ///         Next::WhenWoken
    ///     }
    /// }
    /// let scheduler = Stepped::default();
    /// let worker = scheduler.spawn("once", Next::WhenWoken, Box::new(Once)).unwrap();
    /// worker.wake();
    /// assert!(scheduler.run(0));
    /// ```
    fn wake(&self);

    /// Takes a step on the calling thread, if this worker has no thread of its own, and says whether it did. Whoever
    /// waits for what the task brings about calls this first.
    ///
    /// ```
    /// use tailwater_wal::spawn::{Call, Next, Spawn, Stepped, Task};
    ///
    /// struct Once;
    /// impl Task for Once {
    ///     fn step(&mut self, _: Call) -> Next {
    ///         Next::WhenWoken
    ///     }
    /// }
    /// let worker = Stepped::default().spawn("once", Next::Now, Box::new(Once)).unwrap();
    /// assert!(worker.assist()); // nobody else would
    /// ```
    fn assist(&self) -> bool;

    /// Ends it: when this returns no step is under way and none will be. Called from within a step it does not wait.
    ///
    /// ```
    /// use tailwater_wal::spawn::{Call, Next, Spawn, Stepped, Task};
    ///
    /// struct Once;
    /// impl Task for Once {
    ///     fn step(&mut self, _: Call) -> Next {
    ///         Next::WhenWoken
    ///     }
    /// }
    /// let scheduler = Stepped::default();
    /// let worker = scheduler.spawn("once", Next::Now, Box::new(Once)).unwrap();
    /// worker.stop();
    /// assert!(!scheduler.run(0));
    /// ```
    fn stop(&self);
}

/// Runs every task on a thread of its own.
///
/// ```
/// use tailwater_wal::spawn::{Call, Next, Spawn, Threads, Task};
///
/// struct Once;
/// impl Task for Once {
///     fn step(&mut self, _: Call) -> Next {
///         Next::WhenWoken
///     }
/// }
/// let worker = Threads.spawn("once", Next::Now, Box::new(Once)).unwrap();
/// worker.stop(); // its thread is gone
/// assert!(!worker.assist());
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Threads;

impl Spawn for Threads {
    fn spawn(
        &self,
        name: &str,
        first: Next,
        mut task: Box<dyn Task>,
    ) -> io::Result<Arc<dyn Worker>> {
        let worker = Arc::new(ThreadWorker::default());
        let shared = Arc::clone(&worker);
        let thread = thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || shared.run(first, &mut *task))?;
        worker.state.lock().thread = Some(thread);
        Ok(worker)
    }
}

#[derive(Debug, Default)]
struct ThreadWorker {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    woken: bool,
    stopping: bool,
    thread: Option<JoinHandle<()>>,
}

impl ThreadWorker {
    fn run(&self, first: Next, task: &mut dyn Task) {
        let mut next = first;
        while let Some(call) = self.wait(next) {
            next = task.step(call);
        }
    }

    /// Waits as the task asked; `None` when it is to end.
    fn wait(&self, next: Next) -> Option<Call> {
        let mut state = self.state.lock();
        loop {
            if state.stopping || next == Next::Never {
                return None;
            }
            if std::mem::take(&mut state.woken) || next == Next::Now {
                return Some(Call::Woken);
            }
            match next {
                Next::After(period) => {
                    let timed_out = self.changed.wait_for(&mut state, period).timed_out();
                    if timed_out && !state.woken && !state.stopping {
                        return Some(Call::Elapsed);
                    }
                }
                _ => self.changed.wait(&mut state),
            }
        }
    }
}

impl Worker for ThreadWorker {
    fn wake(&self) {
        let mut state = self.state.lock();
        if !state.woken {
            state.woken = !is_weakened("forget who was woken");
            self.changed.notify_one();
        }
    }

    fn assist(&self) -> bool {
        false
    }

    fn stop(&self) {
        let thread = {
            let mut state = self.state.lock();
            state.stopping = true;
            self.changed.notify_all();
            state.thread.take()
        };
        if let Some(thread) = thread
            && thread.thread().id() != thread::current().id()
        {
            // A panic there has been printed by the runtime; what it was about is poisoned or latched where it happened.
            _ = thread.join();
        }
    }
}

/// Runs tasks on the thread of whoever calls [`run`](Self::run): one step of one task at a time, as the caller chooses.
///
/// ```
/// use tailwater_wal::spawn::{Call, Next, Spawn, Stepped, Task};
///
/// struct Count(u32);
/// impl Task for Count {
///     fn step(&mut self, _: Call) -> Next {
///         self.0 -= 1;
///         if self.0 == 0 { Next::Never } else { Next::Now }
///     }
/// }
/// let scheduler = Stepped::default();
/// scheduler.spawn("count", Next::Now, Box::new(Count(3))).unwrap();
/// let mut steps = 0;
/// while scheduler.run(0) {
///     steps += 1;
/// }
/// assert_eq!(steps, 3);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Stepped {
    workers: Arc<Mutex<Vec<Arc<SteppedWorker>>>>,
}

impl Stepped {
    /// Takes one step of the task that `choice` points at among those that could take one, counted around; a wait for
    /// time is over whenever it is chosen. Says whether there was one.
    ///
    /// ```
    /// use tailwater_wal::spawn::{Call, Next, Spawn, Stepped, Task};
    ///
    /// struct Once;
    /// impl Task for Once {
    ///     fn step(&mut self, _: Call) -> Next {
    ///         Next::WhenWoken
    ///     }
    /// }
    /// let scheduler = Stepped::default();
    /// assert!(!scheduler.run(0)); // nothing to do
    /// scheduler.spawn("once", Next::Now, Box::new(Once)).unwrap();
    /// assert!(scheduler.run(12_345));
    /// ```
    pub fn run(&self, choice: usize) -> bool {
        let workers: Vec<_> = {
            let mut workers = self.workers.lock();
            workers.retain(|worker| !worker.is_over());
            workers
                .iter()
                .filter(|worker| worker.may_run())
                .cloned()
                .collect()
        };
        let Some(worker) = choice
            .checked_rem(workers.len())
            .and_then(|at| workers.get(at))
        else {
            return false;
        };
        worker.step()
    }

    /// How many tasks could take a step.
    ///
    /// ```
    /// use tailwater_wal::spawn::{Call, Next, Spawn, Stepped, Task};
    ///
    /// struct Once;
    /// impl Task for Once {
    ///     fn step(&mut self, _: Call) -> Next {
    ///         Next::WhenWoken
    ///     }
    /// }
    /// let scheduler = Stepped::default();
    /// scheduler.spawn("once", Next::Now, Box::new(Once)).unwrap();
    /// assert_eq!(scheduler.runnable(), 1);
    /// scheduler.run(0);
    /// assert_eq!(scheduler.runnable(), 0); // it waits to be woken
    /// ```
    #[must_use]
    pub fn runnable(&self) -> usize {
        let workers = self.workers.lock();
        workers.iter().filter(|worker| worker.may_run()).count()
    }
}

impl Spawn for Stepped {
    fn spawn(&self, name: &str, first: Next, task: Box<dyn Task>) -> io::Result<Arc<dyn Worker>> {
        let worker = Arc::new(SteppedWorker {
            name: name.to_owned(),
            state: Mutex::new(SteppedState {
                next: first,
                woken: false,
                task: Some(task),
            }),
        });
        self.workers.lock().push(Arc::clone(&worker));
        Ok(worker)
    }
}

struct SteppedWorker {
    name: String,
    state: Mutex<SteppedState>,
}

struct SteppedState {
    next: Next,
    woken: bool,
    /// Out while it takes a step.
    task: Option<Box<dyn Task>>,
}

impl SteppedWorker {
    fn is_over(&self) -> bool {
        self.state.lock().next == Next::Never
    }

    fn may_run(&self) -> bool {
        let state = self.state.lock();
        let waits = state.next == Next::WhenWoken && !state.woken;
        state.task.is_some() && state.next != Next::Never && !waits
    }

    fn step(&self) -> bool {
        let (mut task, call) = {
            let mut state = self.state.lock();
            let waits = state.next == Next::WhenWoken && !state.woken;
            if waits || state.next == Next::Never {
                return false;
            }
            let Some(task) = state.task.take() else {
                return false;
            };
            let woken = std::mem::take(&mut state.woken) || state.next == Next::Now;
            (task, if woken { Call::Woken } else { Call::Elapsed })
        };
        let next = task.step(call);
        let mut state = self.state.lock();
        // It may have been stopped meanwhile.
        if state.next != Next::Never {
            state.next = next;
            state.task = Some(task);
        }
        true
    }
}

impl Worker for SteppedWorker {
    fn wake(&self) {
        self.state.lock().woken = true;
    }

    fn assist(&self) -> bool {
        self.step()
    }

    fn stop(&self) {
        let mut state = self.state.lock();
        state.next = Next::Never;
        let task = state.task.take();
        drop(state);
        drop(task);
    }
}

impl fmt::Debug for SteppedWorker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SteppedWorker")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// Counts its calls; waits to be woken after each.
    struct Counter {
        woken: Arc<AtomicU32>,
        elapsed: Arc<AtomicU32>,
        next: Next,
    }

    impl Task for Counter {
        fn step(&mut self, call: Call) -> Next {
            match call {
                Call::Woken => self.woken.fetch_add(1, Ordering::SeqCst),
                Call::Elapsed => self.elapsed.fetch_add(1, Ordering::SeqCst),
            };
            self.next
        }
    }

    fn counter(next: Next) -> (Counter, Arc<AtomicU32>, Arc<AtomicU32>) {
        let (woken, elapsed) = (Arc::default(), Arc::default());
        let task = Counter {
            woken: Arc::clone(&woken),
            elapsed: Arc::clone(&elapsed),
            next,
        };
        (task, woken, elapsed)
    }

    #[test]
    fn a_thread_steps_when_woken_and_ends_when_stopped() {
        let (task, woken, _) = counter(Next::WhenWoken);
        let worker = Threads.spawn("test", Next::Now, Box::new(task)).unwrap();
        for wanted in 1..20 {
            while woken.load(Ordering::SeqCst) < wanted {
                thread::yield_now();
            }
            worker.wake();
        }
        worker.stop();
        let steps = woken.load(Ordering::SeqCst);
        worker.wake();
        assert!(!worker.assist());
        assert_eq!(woken.load(Ordering::SeqCst), steps);
    }

    #[test]
    fn a_thread_steps_when_its_time_has_passed() {
        let (task, _, elapsed) = counter(Next::After(Duration::from_micros(100)));
        let worker = Threads.spawn("test", Next::Now, Box::new(task)).unwrap();
        while elapsed.load(Ordering::SeqCst) < 3 {
            thread::yield_now();
        }
        worker.stop();
    }

    #[test]
    fn steps_are_taken_one_by_one_in_the_order_chosen() {
        let scheduler = Stepped::default();
        let (first, first_woken, _) = counter(Next::WhenWoken);
        let (second, second_woken, second_elapsed) = counter(Next::After(Duration::MAX));
        let first = scheduler
            .spawn("first", Next::Now, Box::new(first))
            .unwrap();
        let second = scheduler
            .spawn("second", Next::Now, Box::new(second))
            .unwrap();
        assert_eq!(scheduler.runnable(), 2);
        assert!(scheduler.run(0) && !first.assist());
        // Only the second is left to run, and for it time passes when it is chosen.
        assert!(scheduler.run(0) && scheduler.run(7) && second.assist());
        let counts =
            [&first_woken, &second_woken, &second_elapsed].map(|n| n.load(Ordering::SeqCst));
        assert_eq!(counts, [1, 1, 2]);
        first.wake();
        assert!(first.assist());
        second.stop();
        assert!(!scheduler.run(0) && !second.assist());
    }
}
