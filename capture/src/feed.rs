//! `Feed`: the hub of one database, between the commit line and its subscribers.
//!
//! In the order it happens: the sequencer `push`es a record, the log makes it durable and `publish`es it, the router
//! fills queues, subscribers cut frames on their own threads. Neither call ever waits for a subscriber.
//! Next door: `ring`, `router`, `subscription`.

use std::sync::Arc;

use tailwater_proto::{Lsn, StorageId};
use tailwater_wal::sync::atomic::{AtomicU64, Ordering};
use tailwater_wal::sync::{Mutex, RwLock, is_weakened, too_early};

use crate::catch_up::CatchUp;
use crate::epoch::EpochHistory;
use crate::error::{Error, Result};
use crate::event::ResetReason;
use crate::log_tail::LogTail;
use crate::mailbox::Mailbox;
use crate::request::SubscribeRequest;
use crate::ring::{Entry, Released, Ring};
use crate::router::{Router, RoutingWork};
use crate::settings::FeedSettings;
use crate::subscription::Subscription;

/// The hub of one database's changes; used as `Arc<Feed>`.
///
/// A log's durable hook that calls [`publish`](Self::publish) should hold it weakly: the feed holds the log.
pub struct Feed {
    settings: FeedSettings,
    database_id: [u8; 16],
    log: Arc<dyn LogTail>,
    epochs: RwLock<EpochHistory>,
    /// Taken for a moment by the sequencer, the publisher and readers; never while another lock is waited for.
    ring: Mutex<Ring>,
    /// Taken before the ring or a mailbox, never after.
    router: Mutex<Router>,
    /// `router.routed`, stored after everything up to it was offered.
    published: AtomicU64,
    durable: AtomicU64,
    log_reads: AtomicU64,
}

/// What a feed did since it was opened: counts, not times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Subscriptions there are now.
    pub subscriptions: usize,
    /// What routing did.
    pub routing: RoutingWork,
    /// Records subscribers read from the log, being too slow for the ring.
    pub log_reads: u64,
}

impl Feed {
    /// A feed that goes on where the log ends: everything in the log counts as published and durable.
    #[must_use]
    pub fn new(settings: FeedSettings, database_id: [u8; 16], log: Arc<dyn LogTail>) -> Arc<Self> {
        let newest = log.newest();
        Arc::new(Self {
            epochs: RwLock::new(EpochHistory::new(log.epoch_history())),
            ring: Mutex::new(Ring::new(
                newest,
                settings.ring_bytes_max,
                settings.ring_records_max,
            )),
            router: Mutex::new(Router::new(newest, settings.queue_frames_max)),
            published: AtomicU64::new(newest.0),
            durable: AtomicU64::new(newest.0),
            log_reads: AtomicU64::new(0),
            settings,
            database_id,
            log,
        })
    }

    /// Bytes of the records that are kept in memory.
    pub fn ring_bytes(&self) -> usize {
        self.ring.lock().bytes()
    }

    /// Takes in the record of the next commit, which nobody gets to see before it is published. Called by the
    /// sequencer, in order; costs a short lock and no copy. Returns what the feed lets go of for it.
    ///
    /// # Panics
    /// If `lsn` is not the number after the last one pushed.
    pub fn push(&self, lsn: Lsn, record: Arc<[u8]>) -> Released {
        self.push_entry(lsn, Entry::Here(record))
    }

    /// As [`push`](Self::push), for a record that is too long for memory, and in the log already. `storages`: of the
    /// tables and views it changes.
    ///
    /// # Panics
    /// If `lsn` is not the number after the last one pushed.
    pub fn push_logged(&self, lsn: Lsn, storages: Arc<[StorageId]>) -> Released {
        self.push_entry(lsn, Entry::Logged(storages))
    }

    fn push_entry(&self, lsn: Lsn, record: Entry) -> Released {
        let published = Lsn(self.published.load(Ordering::Acquire));
        let releasable = if is_weakened("let go of what nobody has seen") {
            Lsn::MAX
        } else {
            published.min(self.log.newest())
        };
        self.ring.lock().push(lsn, record, releasable)
    }

    /// Lets subscribers see the commits up to `upto`, and wakes those concerned. Called by the log's durable hook, in
    /// order; `durable` says whether a crash can still take them back. Calling it again for commits that were
    /// published before they were durable only marks them as durable.
    ///
    /// # Panics
    /// If a commit up to `upto` was not pushed.
    pub fn publish(&self, upto: Lsn, durable: bool) {
        if durable {
            self.durable.fetch_max(upto.0, Ordering::AcqRel);
        }
        let mut router = self.router.lock();
        let routed = router.routed();
        if upto <= routed {
            return;
        }
        _ = too_early("publish before routing", || {
            self.published.store(upto.0, Ordering::Release);
        });
        if router.len() > 0 {
            let mut batch = std::mem::take(&mut router.batch);
            self.ring.lock().copy(routed, upto, &mut batch);
            assert_eq!(
                batch.len() as u64,
                upto.0 - routed.0,
                "commits are pushed before they are published"
            );
            for (lsn, record) in batch.drain(..) {
                router.route_entry(lsn, &record);
            }
            router.batch = batch;
        }
        router.set_routed(upto);
        self.published.store(upto.0, Ordering::Release);
    }

    /// Makes a subscription. It hears every selected commit after its start, each once, in order.
    ///
    /// # Errors
    /// [`Error::Closed`], or a selection that is not possible.
    pub fn subscribe(self: &Arc<Self>, request: SubscribeRequest) -> Result<Subscription> {
        let SubscribeRequest {
            selection,
            start,
            principal,
            policy_version,
            schema_version,
            lag,
        } = request;
        let selection = Arc::new(selection.checked()?);
        let mailbox = Arc::new(Mailbox::new());
        let early = too_early("learn the seam before joining", || self.published());
        let (number, seam) = {
            let mut router = self.router.lock();
            if router.is_closed() {
                return Err(Error::Closed);
            }
            let number = router.join(&selection, &mailbox);
            (number, early.unwrap_or(router.routed()))
        };
        let identity = crate::subscription::Identity {
            selection: selection.fingerprint(),
            schema_version,
            principal,
            policy_version,
        };
        let feed = Arc::clone(self);
        Ok(Subscription::new(
            feed, mailbox, number, selection, identity, lag, start, seam,
        ))
    }

    /// Ends the subscriptions to these storages with a `Reset`: they were dropped, rewritten or rebuilt, or what may
    /// be seen of them has changed. With [`ResetReason::PolicyChanged`] nothing more is handed out before it.
    pub fn reset(&self, storages: &[StorageId], reason: ResetReason) {
        self.router.lock().reset(storages, reason);
    }

    /// Ends all subscriptions, each after what was published for it, and takes no new ones.
    pub fn close(&self) {
        self.router.lock().close();
    }

    /// Reads the log's epochs anew: to be called when a new one began, before its first commit is published.
    pub fn renew_epochs(&self) {
        let epochs = EpochHistory::new(self.log.epoch_history());
        *self.epochs.write() = epochs;
    }

    /// The last commit subscribers may see.
    #[must_use]
    pub fn published(&self) -> Lsn {
        self.router.lock().routed()
    }

    /// The least position from which deltas can be had; also what [`Event::Reset`](crate::Event::Reset) names.
    #[must_use]
    pub fn oldest(&self) -> Lsn {
        self.log.oldest()
    }

    /// Which database.
    #[must_use]
    pub const fn database_id(&self) -> [u8; 16] {
        self.database_id
    }

    /// What it did so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let router = self.router.lock();
        Counters {
            subscriptions: router.len(),
            routing: router.work,
            log_reads: self.log_reads.load(Ordering::Relaxed),
        }
    }

    pub(crate) const fn settings(&self) -> &FeedSettings {
        &self.settings
    }

    pub(crate) fn log(&self) -> &dyn LogTail {
        &*self.log
    }

    pub(crate) fn with_epochs<T>(&self, ask: impl FnOnce(&EpochHistory) -> T) -> T {
        ask(&self.epochs.read())
    }

    /// Everything up to here was offered; what concerned a subscription is in its queue or it is marked as behind.
    pub(crate) fn offered(&self) -> Lsn {
        Lsn(self.published.load(Ordering::Acquire))
    }

    pub(crate) fn is_durable(&self, lsn: Lsn) -> bool {
        lsn.0 <= self.durable.load(Ordering::Acquire)
    }

    pub(crate) fn recent(&self, lsn: Lsn) -> Option<Entry> {
        self.ring.lock().get(lsn).cloned()
    }

    pub(crate) fn recent_settled(&self, lsn: Lsn) -> Option<Entry> {
        self.ring.lock().get_settled(lsn).cloned()
    }

    pub(crate) fn count_log_read(&self) {
        self.log_reads.fetch_add(1, Ordering::Relaxed);
    }

    /// Empties a subscription's queue and lets it fill again; the owner reads up to the seam by itself.
    pub(crate) fn rejoin(&self, mailbox: &Mailbox) -> CatchUp {
        let early = too_early("rejoin behind the router's back", || self.published());
        let router = self.router.lock();
        mailbox.rejoin();
        CatchUp::new(early.unwrap_or(router.routed()))
    }

    pub(crate) fn leave(&self, number: u64) {
        self.router.lock().leave(number);
    }
}

impl std::fmt::Debug for Feed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Feed")
            .field("published", &self.offered())
            .finish_non_exhaustive()
    }
}
