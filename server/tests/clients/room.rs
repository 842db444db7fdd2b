//! `Room`: what the readers have seen and the senders have had acknowledged, as they tell it from their threads, and the test
//! that waits for it.
//!
//! It never asks a client anything. Next door: `people`, who tell, and `site`, to which pages do.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What is known.
#[derive(Default)]
pub(crate) struct Told {
    /// The lines of each reader, in the order it read them.
    pub(crate) seen: BTreeMap<String, Vec<String>>,
    /// How many messages of each sender are acknowledged.
    pub(crate) sent: BTreeMap<String, usize>,
    /// Senders that have heard that it is enough.
    pub(crate) quiet: Vec<String>,
    failed: Vec<String>,
}

/// Where everybody tells.
#[derive(Default)]
pub(crate) struct Room {
    told: Mutex<Told>,
    news: Condvar,
    enough: AtomicBool,
}

impl Room {
    fn tell(&self, change: impl FnOnce(&mut Told)) {
        // Who waited may have given up meanwhile.
        change(&mut self.told.lock().unwrap_or_else(PoisonError::into_inner));
        self.news.notify_all();
    }

    /// A reader has read another line.
    pub(crate) fn saw(&self, who: &str, line: String) {
        self.tell(|told| told.seen.entry(who.to_owned()).or_default().push(line));
    }

    /// A reader says what it has read from a place on; saying it twice changes nothing, leaving something out is a failure.
    pub(crate) fn saw_from(&self, who: &str, at: usize, lines: Vec<String>) {
        self.tell(|told| {
            let seen = told.seen.entry(who.to_owned()).or_default();
            if seen.len() < at || !lines.starts_with(&seen[at..]) {
                let has = seen.len();
                told.failed
                    .push(format!("{who} told of line {at}, of {has} told before"));
            } else {
                seen.truncate(at);
                seen.extend(lines);
            }
        });
    }

    /// A sender has had so many acknowledged. Whether it shall go on.
    pub(crate) fn sent(&self, who: &str, count: usize) -> bool {
        let goes_on = !self.enough.load(Ordering::SeqCst);
        self.tell(|told| {
            told.sent.insert(who.to_owned(), count);
            if !goes_on {
                told.quiet.push(who.to_owned());
            }
        });
        goes_on
    }

    /// Something cannot go on.
    pub(crate) fn failed(&self, who: &str, why: &str) {
        self.tell(|told| told.failed.push(format!("{who}: {why}")));
    }

    /// Nobody shall send any more.
    pub(crate) fn enough(&self) {
        self.enough.store(true, Ordering::SeqCst);
    }

    /// Waits until something is so, and returns what is read out of it.
    #[track_caller]
    pub(crate) fn wait<T>(
        &self,
        what: &str,
        patience: Duration,
        mut read: impl FnMut(&Told) -> Option<T>,
    ) -> T {
        let began = Instant::now();
        let mut told = self.told.lock().unwrap();
        loop {
            assert!(told.failed.is_empty(), "{what}: {:#?}", told.failed);
            if let Some(value) = read(&told) {
                return value;
            }
            let left = patience.saturating_sub(began.elapsed());
            assert!(!left.is_zero(), "{what} did not come about: {}", told.say());
            told = self.news.wait_timeout(told, left).unwrap().0;
        }
    }
}

impl Told {
    /// How far everybody is, for who has to find out.
    fn say(&self) -> String {
        let seen = self.seen.iter().map(|(who, lines)| {
            let last = lines.last().map_or("", String::as_str);
            format!("{who} saw {}, last {last:?}", lines.len())
        });
        let sent = self
            .sent
            .iter()
            .map(|(who, count)| format!("{who} sent {count}"));
        seen.chain(sent).collect::<Vec<_>>().join("; ")
    }
}
