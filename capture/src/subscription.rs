//! `Subscription`: one subscriber's line of events: snapshot, what it missed, then what is queued for it.
//!
//! All of its work, reading, cutting and predicates, is done on the subscriber's thread. It owes the feed nothing:
//! asleep it costs nothing, slow it reads on by itself. Next door: `catch_up`, `stream`; PROTOCOL.md has the rules.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tailwater_proto::Lsn;
use tailwater_wal::mutant;

use crate::catch_up::{CatchUp, Fetched};
use crate::error::{Error, Result};
use crate::event::{Event, Frame, ResetReason};
use crate::feed::Feed;
use crate::frame::{Cut, cut};
use crate::long_record::{LongRecord, Progress};
use crate::mailbox::{End, Mailbox, Taken};
use crate::request::{LagPolicy, Start};
use crate::ring::Entry;
use crate::selection::Selection;
use crate::snapshot::SnapshotPhase;
use crate::stream::FrameStream;
use crate::token::Token;

/// The part of a subscription's tokens that does not move.
pub(crate) struct Identity {
    pub(crate) selection: u64,
    pub(crate) schema_version: u32,
    pub(crate) principal: Arc<str>,
    pub(crate) policy_version: u64,
}

/// One subscriber's line of events. Dropping it ends it.
pub struct Subscription {
    feed: Arc<Feed>,
    mailbox: Arc<Mailbox>,
    number: u64,
    selection: Arc<Selection>,
    identity: Identity,
    lag: LagPolicy,
    phase: Phase,
    /// A long record that is being handed out, frame by frame.
    long: Option<Box<LongRecord>>,
    /// Everything selected up to here was handed out.
    position: Lsn,
    /// The last position a token was handed out for.
    told: Lsn,
    /// Records read since the last event.
    scanned: usize,
}

/// Whether a commit goes on after a frame.
#[derive(Clone, Copy, PartialEq, Eq)]
enum More {
    Follows,
    No,
}

enum Phase {
    Snapshot(SnapshotPhase, CatchUp),
    CatchUp(CatchUp),
    Following,
    Ended,
}

impl Subscription {
    #[expect(clippy::too_many_arguments, reason = "called once, by the feed")]
    pub(crate) fn new(
        feed: Arc<Feed>,
        mailbox: Arc<Mailbox>,
        number: u64,
        selection: Arc<Selection>,
        identity: Identity,
        lag: LagPolicy,
        start: Start,
        seam: Lsn,
    ) -> Self {
        let catch_up = CatchUp::new(seam);
        let (position, phase) = match start {
            Start::After(lsn) if mutant::is("resume_one_too_late") => {
                (lsn.next().min(seam), Phase::CatchUp(catch_up))
            }
            Start::After(lsn) if mutant::is("resume_one_too_early") => {
                (Lsn(lsn.0.saturating_sub(1)), Phase::CatchUp(catch_up))
            }
            Start::After(lsn) => (lsn, Phase::CatchUp(catch_up)),
            Start::SnapshotThenDeltas { lsn, rows } => (
                lsn,
                Phase::Snapshot(SnapshotPhase::new(lsn, rows), catch_up),
            ),
        };
        Self {
            feed,
            mailbox,
            number,
            selection,
            identity,
            lag,
            phase,
            long: None,
            position,
            told: position,
            scanned: 0,
        }
    }

    /// The next event; sleeps until there is one, or until there is progress to tell of.
    ///
    /// # Errors
    /// Any error ends the subscription; [`Error::Closed`] is the usual one.
    pub fn recv(&mut self) -> Result<Event> {
        loop {
            if let Some(event) = self.recv_until(None)? {
                return Ok(event);
            }
        }
    }

    /// The next event, or `None` if there is none within `timeout`.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<Option<Event>> {
        self.recv_until(Instant::now().checked_add(timeout))
    }

    /// The next event if there is one now. Reads a bounded number of records: over a long stretch without anything
    /// selected it hands out `Progress` from time to time.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    pub fn try_recv(&mut self) -> Result<Option<Event>> {
        self.step()
    }

    /// How far the subscription has come, if that is further than the last token it handed out. To be asked when it
    /// is idle: nothing selected up to there is still to come.
    pub fn progress(&mut self) -> Option<Event> {
        if matches!(self.phase, Phase::Following) {
            // Read before the queue: what concerned us up to here was in it by then.
            let offered = self.feed.offered();
            if self.mailbox.is_empty() {
                self.position = self.position.max(offered);
            }
        }
        match self.phase {
            _ if self.long.is_some() => None,
            Phase::CatchUp(_) | Phase::Following if self.position > self.told => {
                Some(self.progress_event())
            }
            _ => None,
        }
    }

    /// The token that continues after what was handed out. During a snapshot it continues after the snapshot.
    #[must_use]
    pub fn token(&self) -> Token {
        self.token_at(self.position)
    }

    /// The same events as a stream without a runtime of its own.
    #[must_use]
    pub fn into_stream(self) -> FrameStream {
        FrameStream::new(self)
    }

    pub(crate) fn mailbox(&self) -> &Mailbox {
        &self.mailbox
    }

    fn recv_until(&mut self, deadline: Option<Instant>) -> Result<Option<Event>> {
        loop {
            if let Some(event) = self.step()? {
                return Ok(Some(event));
            }
            let now = Instant::now();
            let idle = now.checked_add(self.feed.settings().progress_after);
            let wake_at = match (deadline, idle) {
                (Some(deadline), Some(idle)) => Some(deadline.min(idle)),
                (deadline, idle) => deadline.or(idle),
            };
            if self.mailbox.wait(wake_at) {
                continue;
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Ok(None);
            }
            if let Some(event) = self.progress() {
                return Ok(Some(event));
            }
        }
    }

    /// The next event without sleeping; `None` if there is nothing to be done now.
    pub(crate) fn step(&mut self) -> Result<Option<Event>> {
        let stepped = self.step_unguarded();
        if stepped.is_err() {
            self.end();
        }
        stepped
    }

    fn step_unguarded(&mut self) -> Result<Option<Event>> {
        if let Some(end) = self.mailbox.revoked()
            && !matches!(self.phase, Phase::Ended)
        {
            return self.finish(end).map(Some);
        }
        loop {
            let stepped = match &self.phase {
                _ if self.long.is_some() => self.step_long()?,
                Phase::Snapshot(..) => self.step_snapshot()?,
                Phase::CatchUp(_) => self.step_catch_up()?,
                Phase::Following => match self.mailbox.take() {
                    Taken::Lsn(lsn) => self.step_queued(lsn)?,
                    Taken::Behind => {
                        self.fall_behind()?;
                        None
                    }
                    Taken::End(end) => Some(self.finish(end)?),
                    Taken::Empty => return Ok(None),
                },
                Phase::Ended => return Err(Error::Closed),
            };
            if stepped.is_some() {
                self.scanned = 0;
                return Ok(stepped);
            }
            if self.scanned >= self.feed.settings().scan_records_max {
                self.scanned = 0;
                return Ok(Some(self.progress_event()));
            }
        }
    }

    fn step_snapshot(&mut self) -> Result<Option<Event>> {
        if let Some(end) = self.mailbox.ended() {
            return self.finish(end).map(Some);
        }
        let Phase::Snapshot(snapshot, _) = &mut self.phase else {
            return Ok(None);
        };
        let event = snapshot.next(&self.selection, self.feed.settings())?;
        if event.is_none() {
            let Phase::Snapshot(_, catch_up) = std::mem::replace(&mut self.phase, Phase::Ended)
            else {
                return Ok(None);
            };
            self.phase = Phase::CatchUp(catch_up);
            let (lsn, token) = (self.position, self.token());
            return Ok(Some(Event::SnapshotEnd { lsn, token }));
        }
        Ok(event)
    }

    fn step_catch_up(&mut self) -> Result<Option<Event>> {
        let Phase::CatchUp(catch_up) = &mut self.phase else {
            return Ok(None);
        };
        if self.position >= catch_up.upto {
            self.phase = Phase::Following;
            return Ok(None);
        }
        match catch_up.fetch(&self.feed, self.position)? {
            Fetched::Record(record) => self.take_record(self.position.next(), &record),
            Fetched::Part { bytes, is_last } => {
                let bytes_max = self.feed.settings().frame_bytes_max;
                let mut long = LongRecord::new(self.position.next(), bytes_max);
                long.push(&bytes, is_last);
                self.long = Some(Box::new(long));
                Ok(None)
            }
            Fetched::Released { oldest } => Ok(Some(self.released(oldest))),
        }
    }

    fn released(&mut self, oldest: Lsn) -> Event {
        self.end();
        Event::Reset {
            reason: ResetReason::Released,
            oldest,
        }
    }

    /// Goes on with a long record to its next frame, or to its end, which is where the position moves.
    fn step_long(&mut self) -> Result<Option<Event>> {
        let Some(mut long) = self.long.take() else {
            return Ok(None);
        };
        let lsn = long.lsn;
        loop {
            let progress = long.advance(&self.selection);
            match progress.map_err(|source| Error::Record { lsn, source })? {
                Progress::Frame(cut) => {
                    self.long = Some(long);
                    return Ok(Some(self.frame(lsn, cut, More::Follows)));
                }
                Progress::End(cut) => return Ok(self.end_of_record(lsn, cut)),
                Progress::Wanting => {}
            }
            let Phase::CatchUp(catch_up) = &mut self.phase else {
                return Err(Error::Gap { lsn });
            };
            match catch_up.fetch_part(&self.feed, self.position)? {
                Fetched::Part { bytes, is_last } => long.push(&bytes, is_last),
                Fetched::Record(_) => return Err(Error::Gap { lsn }),
                Fetched::Released { oldest } => return Ok(Some(self.released(oldest))),
            }
        }
    }

    fn step_queued(&mut self, lsn: Lsn) -> Result<Option<Event>> {
        if lsn <= self.position {
            return Ok(None);
        }
        match self.feed.recent(lsn) {
            Some(Entry::Here(record)) => self.take_record(lsn, &record),
            // Nobody can be quick enough for what never was in memory.
            Some(Entry::Logged(_)) => {
                self.position = Lsn(lsn.0 - 1);
                self.phase = Phase::CatchUp(self.feed.rejoin(&self.mailbox));
                Ok(None)
            }
            None => {
                // Nothing before it concerned us, or it would have been queued.
                self.position = Lsn(lsn.0 - 1);
                self.fall_behind()?;
                Ok(None)
            }
        }
    }

    /// Moves to `lsn`; the frame, if the record shows anything.
    fn take_record(&mut self, lsn: Lsn, record: &Arc<[u8]>) -> Result<Option<Event>> {
        let bytes_max = self.feed.settings().frame_bytes_max;
        if record.len() > bytes_max {
            self.position = Lsn(lsn.0 - 1);
            let long = LongRecord::in_memory(lsn, Arc::clone(record), bytes_max);
            self.long = Some(Box::new(long));
            return Ok(None);
        }
        let cut = cut(record, &self.selection).map_err(|source| Error::Record { lsn, source })?;
        Ok(self.end_of_record(lsn, cut))
    }

    /// Moves past a record; its frame, or its last one, if it shows anything.
    fn end_of_record(&mut self, lsn: Lsn, cut: Option<Cut>) -> Option<Event> {
        self.position = lsn;
        self.scanned += 1;
        let cut = cut?;
        self.told = lsn;
        Some(self.frame(lsn, cut, More::No))
    }

    fn frame(&self, lsn: Lsn, cut: Cut, more: More) -> Event {
        Event::Frame(Frame {
            lsn,
            commit_time_us: cut.commit_time_us,
            durable: self.feed.is_durable(lsn),
            principal: cut.principal,
            changes: cut.changes,
            more: more == More::Follows,
            token: self.token(),
        })
    }

    fn fall_behind(&mut self) -> Result<()> {
        match self.lag {
            LagPolicy::CatchUp => {
                self.phase = Phase::CatchUp(self.feed.rejoin(&self.mailbox));
                Ok(())
            }
            LagPolicy::Disconnect => Err(Error::Lagged {
                token: self.token(),
            }),
        }
    }

    fn finish(&mut self, end: End) -> Result<Event> {
        self.end();
        match end {
            End::Closed => Err(Error::Closed),
            End::Reset(reason) => Ok(Event::Reset {
                reason,
                oldest: self.feed.oldest(),
            }),
        }
    }

    /// Lets go of everything; afterwards there is only [`Error::Closed`].
    fn end(&mut self) {
        if !matches!(self.phase, Phase::Ended) {
            self.phase = Phase::Ended;
            self.feed.leave(self.number);
        }
    }

    fn progress_event(&mut self) -> Event {
        self.told = self.position;
        Event::Progress {
            lsn: self.position,
            token: self.token(),
        }
    }

    fn token_at(&self, lsn: Lsn) -> Token {
        Token {
            database_id: self.feed.database_id(),
            epoch: self.feed.with_epochs(|epochs| epochs.epoch_of(lsn)),
            lsn,
            selection: self.identity.selection,
            schema_version: self.identity.schema_version,
            principal: Arc::clone(&self.identity.principal),
            policy_version: self.identity.policy_version,
        }
    }
}

/// Ends after the first error; [`Error::Closed`] is not given out but ends it quietly.
impl Iterator for Subscription {
    type Item = Result<Event>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.recv() {
            Err(Error::Closed) => None,
            received => Some(received),
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.end();
    }
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subscription")
            .field("selection", &self.selection)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}
