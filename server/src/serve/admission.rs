//! `Admission`: how much may go on at once, and how often somebody may call. Everything here says no at once rather than
//! letting a queue grow; only work for the engine waits, bounded by the calls there may be.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::fault::{Fault, TOO_MANY};

/// The bounds.
#[derive(Clone, Debug)]
pub(crate) struct Bounds {
    /// Calls under way, streams included.
    pub(crate) calls_max: usize,
    /// Threads on which the engine works.
    pub(crate) workers_max: usize,
    /// Calls a second of one caller; `None`: as many as they like.
    pub(crate) calls_per_second: Option<u32>,
}

/// Lets calls in.
pub(crate) struct Admission {
    calls_max: u32,
    calls: Arc<Semaphore>,
    workers: Arc<Semaphore>,
    conversations: Arc<Semaphore>,
    rate: Option<Rate>,
}

impl Admission {
    pub(crate) fn new(bounds: &Bounds) -> Self {
        let calls_max = bounds.calls_max.clamp(1, CALLS_MAX);
        Self {
            calls_max: u32::try_from(calls_max).unwrap_or(u32::MAX),
            calls: Arc::new(Semaphore::new(calls_max)),
            workers: Arc::new(Semaphore::new(bounds.workers_max)),
            conversations: Arc::new(Semaphore::new(CALLS_MAX)),
            rate: bounds.calls_per_second.map(Rate::new),
        }
    }

    /// A place among the calls under way, for one caller.
    pub(crate) fn call(&self, caller: &str) -> Result<OwnedSemaphorePermit, Fault> {
        if let Some(rate) = &self.rate
            && !rate.take(caller, Instant::now())
        {
            return Err(Fault::new(TOO_MANY, "too many calls a second")
                .with_hint("wait a moment; --calls-per-second is the bound"));
        }
        Arc::clone(&self.calls).try_acquire_owned().map_err(|_| {
            Fault::new(TOO_MANY, "too many calls and streams are under way")
                .with_hint("try again later; --calls-max is the bound")
        })
    }

    /// A connection that no protocol closes when its call has ended: it goes on until it has said so.
    pub(crate) fn conversation(&self) -> Option<OwnedSemaphorePermit> {
        // There are more than connections.
        Arc::clone(&self.conversations).try_acquire_owned().ok()
    }

    /// Waits until no call is under way, and every conversation has come to its end.
    pub(crate) async fn wait_idle(&self) {
        // They are never closed.
        let _ = self.calls.acquire_many(self.calls_max).await;
        let _ = self.conversations.acquire_many(CALLS_MAX as u32).await;
    }

    /// A thread for work of the engine; waits for it.
    pub(crate) async fn worker(&self) -> Result<OwnedSemaphorePermit, Fault> {
        let worker = Arc::clone(&self.workers).acquire_owned().await;
        worker.map_err(|_| Fault::shutting_down())
    }
}

/// More calls than a server can have.
const CALLS_MAX: usize = 1 << 24;
/// Callers that are remembered. Beyond that the ones who could call at full rate are forgotten, which changes nothing for them.
const CALLERS_MAX: usize = 4_096;

/// So many calls a second of each caller, and as many at once after a second of silence.
struct Rate {
    per_second: f64,
    callers: Mutex<HashMap<String, Bucket>>,
}

struct Bucket {
    calls: f64,
    at: Instant,
}

impl Rate {
    fn new(per_second: u32) -> Self {
        Self {
            per_second: f64::from(per_second),
            callers: Mutex::default(),
        }
    }

    /// Whether a caller may call now.
    fn take(&self, caller: &str, now: Instant) -> bool {
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        if callers.len() >= CALLERS_MAX && !callers.contains_key(caller) {
            callers.retain(|_, bucket| now.duration_since(bucket.at) < Duration::from_secs(1));
            if callers.len() >= CALLERS_MAX {
                return false;
            }
        }
        let bucket = callers.entry(caller.to_owned()).or_insert(Bucket {
            calls: self.per_second,
            at: now,
        });
        let elapsed = now.duration_since(bucket.at).as_secs_f64();
        bucket.calls = (bucket.calls + elapsed * self.per_second).min(self.per_second);
        bucket.at = now;
        let may = bucket.calls >= 1.0;
        bucket.calls -= f64::from(u8::from(may));
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_calls_so_often_and_others_are_not_concerned() {
        let rate = Rate::new(2);
        let now = Instant::now();
        assert!(rate.take("ada", now) && rate.take("ada", now) && !rate.take("ada", now));
        assert!(rate.take("bob", now));
        let later = now + Duration::from_millis(600);
        assert!(rate.take("ada", later) && !rate.take("ada", later));
        for n in 0..CALLERS_MAX * 2 {
            rate.take(&n.to_string(), later);
        }
        assert!(rate.callers.lock().unwrap().len() <= CALLERS_MAX);
        assert!(rate.take("carol", later + Duration::from_secs(2)));
    }

    #[test]
    fn there_are_so_many_calls_at_once() {
        let bounds = Bounds {
            calls_max: 1,
            workers_max: 1,
            calls_per_second: None,
        };
        let admission = Admission::new(&bounds);
        let one = admission.call("").unwrap();
        assert_eq!(admission.call("").unwrap_err().sqlstate(), "53300");
        drop(one);
        assert!(admission.call("").is_ok());
    }
}
