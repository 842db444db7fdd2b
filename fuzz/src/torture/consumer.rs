//! `Consumer`: somebody who follows a table or view, and stores its rows together with the token.
//!
//! What it stores after each event is a state of the object at one LSN. It checks what it is told: LSNs rise, what
//! is inserted was not there, what is deleted was. Next door: `simulation`, which crashes it.

use std::collections::BTreeMap;

use tailwater::{Database, Document, FeedEvent, FeedOp, FeedRequest, Key, Lsn, Subscription};

/// A follower's storage.
#[derive(Clone, Debug)]
pub struct Consumer {
    /// What it follows.
    pub object: String,
    /// Rows by key.
    pub rows: BTreeMap<Key, Document>,
    /// How far it is; `None` before its first snapshot.
    pub token: Option<String>,
    /// The commit it has seen last.
    pub lsn: Lsn,
    /// Which one of that name it follows.
    pub incarnation: u64,
}

/// How a round of taking ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// There is nothing more for now.
    All,
    /// As much as was asked for.
    Some,
    /// The feed says that it must begin anew.
    Reset,
}

impl Consumer {
    /// One that has seen nothing.
    #[must_use]
    pub fn new(object: String, incarnation: u64) -> Self {
        Self {
            object,
            rows: BTreeMap::new(),
            token: None,
            lsn: Lsn::ZERO,
            incarnation,
        }
    }

    /// Subscribes from where it is, and takes all there is.
    ///
    /// # Errors
    /// What is wrong with the feed.
    pub fn take(&mut self, db: &Database) -> Result<Taken, String> {
        let mut request = FeedRequest::of(self.object.as_str());
        if let Some(token) = &self.token {
            request = request.since(token.as_str());
        }
        let mut feed = match db.subscribe(request) {
            Ok(feed) => feed,
            // A token of an object that is no more.
            Err(error) if ["22023", "42P01"].contains(&error.sqlstate()) => {
                return Ok(Taken::Reset);
            }
            Err(error) => return Err(format!("subscribing to {}: {error}", self.object)),
        };
        self.take_from(&mut feed, usize::MAX)
    }

    /// Takes what there is, or so many events of it.
    ///
    /// # Errors
    /// What is wrong with the feed.
    pub fn take_from(
        &mut self,
        feed: &mut Subscription,
        events_max: usize,
    ) -> Result<Taken, String> {
        for _ in 0..events_max {
            let event = feed.try_recv();
            match event.map_err(|error| format!("the feed of {}: {error}", self.object))? {
                None => return Ok(Taken::All),
                Some(FeedEvent::SnapshotBegin { .. }) if self.token.is_some() => {
                    return Err(format!("{}: a snapshot after a token", self.object));
                }
                Some(FeedEvent::SnapshotBegin { .. }) => self.rows.clear(),
                Some(FeedEvent::Snapshot { rows }) => {
                    self.rows
                        .extend(rows.into_iter().map(|row| (row.key, row.row)));
                }
                Some(FeedEvent::SnapshotEnd { lsn, token }) => self.advance(lsn, token),
                Some(FeedEvent::Progress { lsn, token }) => {
                    if lsn < self.lsn {
                        return Err(format!(
                            "{}: progress {lsn} after {}",
                            self.object, self.lsn
                        ));
                    }
                    self.advance(lsn, token);
                }
                Some(FeedEvent::Frame(frame)) => {
                    if frame.lsn <= self.lsn {
                        return Err(format!(
                            "{}: frame {} after {}",
                            self.object, frame.lsn, self.lsn
                        ));
                    }
                    if !frame.durable {
                        return Err(format!(
                            "{}: frame {} is not durable",
                            self.object, frame.lsn
                        ));
                    }
                    for change in frame.changes {
                        let was = match change.after {
                            Some(row) => self.rows.insert(change.key, row),
                            None => self.rows.remove(&change.key),
                        };
                        if was.is_some() == (change.op == FeedOp::Insert) {
                            return Err(format!(
                                "{}: {} at {} of what was {was:?}",
                                self.object,
                                change.op.name(),
                                frame.lsn
                            ));
                        }
                    }
                    self.advance(frame.lsn, frame.token);
                }
                Some(FeedEvent::Reset { .. }) => return Ok(Taken::Reset),
                Some(other) => return Err(format!("{}: {other:?}", self.object)),
            }
        }
        Ok(Taken::Some)
    }

    /// Compares what it holds with what the object holds.
    ///
    /// # Errors
    /// How they differ.
    pub fn compare(&self, db: &Database) -> Result<(), String> {
        let sql = format!("SELECT * FROM {}", self.object);
        let rows = db.query(&sql, ()).and_then(|rows| rows.collect_rows());
        let rows = rows.map_err(|error| format!("{sql}: {error}"))?;
        let mut stored: Vec<String> = rows
            .iter()
            .map(|row| row.to_document().to_string())
            .collect();
        let mut folded: Vec<String> = self.rows.values().map(ToString::to_string).collect();
        stored.sort_unstable();
        folded.sort_unstable();
        if stored != folded {
            return Err(format!(
                "the feed of {} folds to {folded:?} at {}, it holds {stored:?}",
                self.object, self.lsn
            ));
        }
        Ok(())
    }

    fn advance(&mut self, lsn: Lsn, token: String) {
        self.lsn = lsn;
        self.token = Some(token);
    }
}
