//! `Tally`: what a run has done, counted, so that a run that did nothing cannot pass for one that found nothing.

use std::collections::BTreeSet;

use super::operation::{KINDS, Operation};

/// Counts of one run.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Workloads played, by a hash of their operations and faults.
    pub workloads: BTreeSet<u64>,
    /// Seeds played.
    pub seeds: u64,
    /// Crashes recovered from, each another disk.
    pub crash_points: u64,
    /// Of those, crashes in the middle of a recovery.
    pub second_crashes: u64,
    /// Processes killed.
    pub kills: u64,
    /// Commits that killed processes had been told of.
    pub acknowledged: u64,
    /// Views compared with their queries.
    pub view_comparisons: u64,
    /// Feeds resumed and folded.
    pub feeds: u64,
    /// Faults of the disk played, other than losing its power.
    pub faults: u64,
    /// Damaged disks opened.
    pub damaged: u64,
    /// Runs in which a write or a read went astray.
    pub astray: u64,
    /// Operations played, by kind.
    pub operations: [u64; KINDS.len()],
}

impl Tally {
    /// Counts an operation.
    pub fn note(&mut self, operation: &Operation) {
        if let Some(count) = self.operations.get_mut(operation.kind()) {
            *count += 1;
        }
    }

    /// Adds another run's counts.
    pub fn add(&mut self, other: &Self) {
        self.workloads.extend(&other.workloads);
        self.seeds += other.seeds;
        self.crash_points += other.crash_points;
        self.second_crashes += other.second_crashes;
        self.kills += other.kills;
        self.acknowledged += other.acknowledged;
        self.view_comparisons += other.view_comparisons;
        self.feeds += other.feeds;
        self.faults += other.faults;
        self.damaged += other.damaged;
        self.astray += other.astray;
        for (count, more) in self.operations.iter_mut().zip(other.operations) {
            *count += more;
        }
    }

    /// The operations as text.
    #[must_use]
    pub fn operations_text(&self) -> String {
        let kinds = KINDS.iter().zip(self.operations);
        let texts: Vec<String> = kinds
            .map(|(name, count)| format!("{name} {count}"))
            .collect();
        texts.join(", ")
    }
}
