//! Lets go of segments that neither recovery nor the feed needs.
//!
//! A segment goes when the storage has applied all of it and it is older or further back than what is retained
//! for the feed, and no slot holds it, or the slot has held too much for too long. What is retained is little where the
//! database is little. The active segment never goes, nor the one before it until the active one shows by itself where the
//! log stands: else a crash could leave files that do not know. Oldest first, and each name is gone for good before the
//! next one, so a crash leaves no hole. Next door: `pool`, which reuses the files.

use std::collections::VecDeque;
use std::sync::Arc;

use tailwater_proto::Lsn;

use super::pool::now_unix_ms;
use super::segment::Segment;
use super::writer::Log;
use crate::error::Result;
use crate::mutant;
use crate::sync::atomic::Ordering;

/// The part of the database's size that is retained for the feed, at most.
const RETAINED_PER_DATABASE: u64 = 8;

impl Log {
    /// Takes back segments whose records are all up to `applied` and out of retention.
    pub(crate) fn release(&self, applied: Lsn) -> Result<()> {
        let now = now_unix_ms();
        // A full disk is no reason to give nothing back: then the positions count that are written down.
        _ = self.slots.save();
        self.pool.finish_recycling()?;
        while let Some(segment) = self.pop_released(applied, now) {
            self.pool.recycle(segment)?;
        }
        if self.pool.note_position(self.position()) {
            self.signals.prepare();
        }
        Ok(())
    }

    /// Bytes of frames that were ever written since the log was opened, about.
    fn position(&self) -> u64 {
        let active = self.segments.read().back().map_or(0, |last| last.end());
        self.pool.used_bytes() + active
    }

    /// Bytes of files that are retained for the feed.
    fn retain_bytes(&self) -> u64 {
        let share = self.database_bytes.load(Ordering::Relaxed) / RETAINED_PER_DATABASE;
        let kept = share.max(self.settings.retain_bytes_min);
        kept.min(self.settings.retain_bytes_max)
    }

    fn pop_released(&self, applied: Lsn, now_unix_ms: u64) -> Option<Arc<Segment>> {
        let mut segments = self.segments.write();
        let sealed = segments.len().checked_sub(1)?;
        let oldest = segments.front().filter(|_| sealed > 0)?;
        let last = oldest.last_lsn().unwrap_or(Lsn::ZERO);
        let applied = if mutant::is("release_what_is_not_applied") {
            Lsn::MAX
        } else {
            applied
        };
        if last > applied || !segments.get(1)?.shows_its_place(last, self.durable_lsn()) {
            return None;
        }
        let age_ms = now_unix_ms.saturating_sub(oldest.sealed_unix_ms());
        let is_old = u128::from(age_ms) >= self.settings.retain_age.as_millis();
        let bytes: u64 = segments
            .iter()
            .take(sealed)
            .map(|segment| segment.capacity.max(segment.end()))
            .sum();
        if !is_old && bytes <= self.retain_bytes() {
            return None;
        }
        let is_past_cap = u128::from(age_ms) >= self.settings.slot_age.as_millis()
            || bytes > self.settings.slot_bytes_max;
        let floor = self.slots.floor(self.oldest_of(&segments));
        if floor.is_some_and(|floor| last > floor) && !is_past_cap {
            return None;
        }
        segments.pop_front()
    }

    /// The oldest record that can be read; the next one to come when none is left.
    pub(crate) fn first_retained_lsn(&self) -> Lsn {
        self.oldest_of(&self.segments.read())
    }

    fn oldest_of(&self, segments: &VecDeque<Arc<Segment>>) -> Lsn {
        // In this order: a first record that is published between the two looks is the one still to come at the first,
        // and not one that is gone already.
        let to_come = self.written_lsn().next();
        let first = segments.iter().find_map(|segment| segment.first_lsn());
        first.unwrap_or(to_come)
    }
}
