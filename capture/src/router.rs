//! `Router`: brings each published commit to the mailboxes it concerns, and to no other.
//!
//! It reads storages and keys of a record, never a row, and asks no subscription anything. Whoever joins learns the
//! seam: the last commit it was not offered. Next door: `routes` (one storage's), `mailbox`.

use std::collections::HashMap;
use std::sync::Arc;

use tailwater_proto::{DecodeError, Lsn, RecordView, Section, StorageId};

use crate::event::ResetReason;
use crate::mailbox::{End, Mailbox, Offer};
use crate::ring::Entry;
use crate::routes::{Narrowing, Routes};
use crate::selection::{Filter, Selection};

pub(crate) struct Router {
    /// Every commit up to this one has been offered to those it concerned.
    routed: Lsn,
    members: HashMap<u64, Member>,
    storages: HashMap<StorageId, Routes>,
    next_number: u64,
    closed: bool,
    frames_max: usize,
    /// Kept between calls for its memory.
    pub(crate) batch: Vec<(Lsn, Entry)>,
    pub(crate) work: RoutingWork,
}

struct Member {
    mailbox: Arc<Mailbox>,
    selection: Arc<Selection>,
}

/// What routing did since the feed was opened: counts, not times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RoutingWork {
    /// Commits that were routed because there were subscriptions.
    pub commits: u64,
    /// Places looked at to find out whom a change concerns.
    pub lookups: u64,
    /// Commits put into some subscription's queue.
    pub queued: u64,
    /// Times a subscription was found too slow for its queue.
    pub overflows: u64,
}

impl Router {
    pub(crate) fn new(routed: Lsn, frames_max: usize) -> Self {
        Self {
            routed,
            members: HashMap::new(),
            storages: HashMap::new(),
            next_number: 0,
            closed: false,
            frames_max,
            batch: Vec::new(),
            work: RoutingWork::default(),
        }
    }

    pub(crate) const fn routed(&self) -> Lsn {
        self.routed
    }

    pub(crate) fn set_routed(&mut self, lsn: Lsn) {
        self.routed = lsn;
    }

    pub(crate) const fn is_closed(&self) -> bool {
        self.closed
    }

    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    /// Adds a subscription; everything after `routed` will be offered to it. Returns its number.
    pub(crate) fn join(&mut self, selection: &Arc<Selection>, mailbox: &Arc<Mailbox>) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        for storage in &selection.storages {
            let routes = self.storages.entry(*storage).or_default();
            routes.insert(narrowing(selection, *storage), number, mailbox);
        }
        let member = Member {
            mailbox: Arc::clone(mailbox),
            selection: Arc::clone(selection),
        };
        self.members.insert(number, member);
        number
    }

    /// Takes a subscription out; afterwards it costs nothing.
    pub(crate) fn leave(&mut self, number: u64) {
        let Some(Member { selection, .. }) = self.members.remove(&number) else {
            return;
        };
        for storage in &selection.storages {
            if let Some(routes) = self.storages.get_mut(storage) {
                routes.remove(narrowing(&selection, *storage), number);
                if routes.is_empty() {
                    self.storages.remove(storage);
                }
            }
        }
    }

    /// Offers a commit to those it concerns; one of which only the storages are known to all who have selected of them.
    pub(crate) fn route_entry(&mut self, lsn: Lsn, entry: &Entry) {
        let storages = match entry {
            Entry::Here(record) => return self.route(lsn, record),
            Entry::Logged(storages) => storages,
        };
        self.work.commits += 1;
        for member in self.members.values() {
            let selects = |storage: &StorageId| member.selection.has_storage(*storage);
            if storages.iter().any(selects) {
                offer(&mut self.work, &member.mailbox, lsn, self.frames_max);
            }
        }
    }

    /// Offers a commit to those it concerns. A record that cannot be read concerns everyone: they will say so.
    pub(crate) fn route(&mut self, lsn: Lsn, record: &[u8]) {
        self.work.commits += 1;
        if self.route_changes(lsn, record).is_err() {
            for member in self.members.values() {
                offer(&mut self.work, &member.mailbox, lsn, self.frames_max);
            }
        }
    }

    fn route_changes(&mut self, lsn: Lsn, record: &[u8]) -> Result<(), DecodeError> {
        let Self {
            storages,
            work,
            frames_max,
            ..
        } = self;
        let view = RecordView::decode(record)?;
        for section in [Section::Base, Section::Derived] {
            // Changes come ordered by storage: one lookup for each run of the same.
            let mut run: Option<(StorageId, Option<&Routes>)> = None;
            for change in view.changes(section) {
                let change = change?;
                let routes = match run {
                    Some((storage, routes)) if storage == change.storage => routes,
                    Some(_) | None => {
                        work.lookups += 1;
                        let routes = storages.get(&change.storage);
                        for mailbox in routes.into_iter().flat_map(Routes::whole) {
                            offer(work, mailbox, lsn, *frames_max);
                        }
                        let routes = routes.filter(|routes| routes.has_keyed());
                        run = Some((change.storage, routes));
                        routes
                    }
                };
                if let Some(routes) = routes {
                    let mut found = RoutingWork::default();
                    let looked_at = routes.keyed(change.key, |mailbox| {
                        offer(&mut found, mailbox, lsn, *frames_max)
                    });
                    work.lookups += looked_at;
                    work.queued += found.queued;
                    work.overflows += found.overflows;
                }
            }
        }
        Ok(())
    }

    /// Ends the subscriptions to any of these storages.
    pub(crate) fn reset(&mut self, storages: &[StorageId], reason: ResetReason) {
        for member in self.members.values() {
            if storages
                .iter()
                .any(|storage| member.selection.has_storage(*storage))
            {
                member.mailbox.end(End::Reset(reason));
            }
        }
    }

    /// Ends every subscription, those to come included.
    pub(crate) fn close(&mut self) {
        self.closed = true;
        for member in self.members.values() {
            member.mailbox.end(End::Closed);
        }
    }
}

fn offer(work: &mut RoutingWork, mailbox: &Mailbox, lsn: Lsn, frames_max: usize) {
    match mailbox.offer(lsn, frames_max) {
        Offer::Queued => work.queued += 1,
        Offer::Overflowed => work.overflows += 1,
        Offer::Ignored | Offer::Repeated => {}
    }
}

fn narrowing(selection: &Selection, storage: StorageId) -> Narrowing<'_> {
    match &selection.filter {
        Filter::KeyEquals(filtered, key) if *filtered == storage => Narrowing::Key(key),
        Filter::KeyRange(filtered, range) if *filtered == storage => Narrowing::Range(range),
        Filter::All | Filter::KeyEquals(..) | Filter::KeyRange(..) => Narrowing::Whole,
    }
}
