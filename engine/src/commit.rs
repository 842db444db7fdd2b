//! The sequencer: one short critical section that turns a transaction into one record with one number.
//!
//! In order: check what was read, step the views, take the next LSN, encode the record once, merge it into the store,
//! hand it to the feed and to the log. Where no view has a part in it the record is encoded before. An error up to the
//! encoding leaves no trace; after it nothing can fail but the log, and a log that failed poisons the engine. Becoming
//! durable and visible is the log's next step (`engine`).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tailwater_capture::Released;
use tailwater_proto::record_codec::{self, ChangeRef, RecordEncoder, Section as RecordSection};
use tailwater_proto::{EncodeError, Lsn, sqlstate};
use tailwater_views::ExecContext;
use tailwater_wal::mutant;
use tailwater_wal::sync::brief;

use crate::catalog::Catalog;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::large::Large;
use crate::maintenance;
use crate::txn::{Mode, Section, Transaction, WriteSet};

/// The longest record that counts as one that drops something.
const DROP_BYTES_MAX: usize = 64 << 10;

/// What the sequencer guards.
pub(crate) struct Sequencer {
    /// The last LSN given out.
    pub(crate) tip: Lsn,
    /// Commit time of the last record, microseconds since 1970-01-01 UTC.
    pub(crate) commit_time_us: i64,
    /// The catalog at the tip.
    pub(crate) catalog: Arc<Catalog>,
}

/// What a commit brings along when it takes its place in the order.
struct Ready {
    writes: WriteSet,
    commit_time_us: i64,
    /// Its bytes; `None` where more follows from what it changes: views, or parts in a file.
    record: Option<Arc<[u8]>>,
}

impl Engine {
    /// Sequences a transaction. When this returns its changes are in order and in memory, but neither durable nor
    /// visible yet: wait for the LSN's ticket.
    ///
    /// # Errors
    /// `40001` if what it read has changed since; what a view with `on_error = 'reject'` fails with;
    /// `CommitOutcomeUnknown` if the log fails.
    pub(crate) fn sequence(&self, mut txn: Transaction) -> Result<Lsn> {
        if txn.writes.is_empty() {
            return Ok(match txn.mode {
                Mode::ReadOnly => Lsn::ZERO,
                Mode::ReadWrite => txn.lsn(),
            });
        }
        self.admit()?;
        let ready = self.make_ready(&mut txn)?;
        let mut txn = Some(txn);
        let mut sequencer = brief::lock(&self.sequencer);
        let taken = self.take_place(&mut sequencer, &mut txn, ready);
        drop(sequencer);
        // What is left of it all goes now that others have the sequencer again.
        taken.map(|(lsn, _released)| lsn)
    }

    /// Does for a commit what can be done before its place in the order is known.
    fn make_ready(&self, txn: &mut Transaction) -> Result<Ready> {
        let mut writes = std::mem::take(Arc::make_mut(&mut txn.writes));
        writes.forget_marks();
        writes.check()?;
        let commit_time_us = self.clock.now_us();
        // If this is another catalog than the one at the tip by then, the commit is refused.
        let is_whole = !writes.has_spilled()
            && !maintenance::are_views_due(&txn.catalog, &txn.created, &writes);
        let record = match is_whole {
            true => Some(encode(&writes, commit_time_us, &txn.principal)?),
            false => None,
        };
        Ok(Ready {
            writes,
            commit_time_us,
            record,
        })
    }

    /// Gives a commit its place in the order. What is left of the transaction stays with the caller, who is also given what
    /// the feed lets go of: nothing need be freed while others wait.
    fn take_place(
        &self,
        sequencer: &mut Sequencer,
        left: &mut Option<Transaction>,
        ready: Ready,
    ) -> Result<(Lsn, Released)> {
        self.check_poisoned()?;
        let Some(txn) = left.as_mut() else {
            unreachable!("a transaction commits once");
        };
        self.check_overtaken(sequencer, txn)?;
        let has_ddl = txn.catalog.version() != txn.catalog_version;
        let commit_time_us = ready.commit_time_us.max(sequencer.commit_time_us);
        let mut writes = ready.writes;
        let record = match ready.record {
            Some(record) if commit_time_us == ready.commit_time_us => record,
            Some(record) => at_time(record, &writes, commit_time_us, &txn.principal)?,
            None => {
                self.step_views(sequencer, txn, &mut writes)?;
                if writes.has_spilled() {
                    let large = Large {
                        writes,
                        catalog: has_ddl.then(|| Arc::clone(&txn.catalog)),
                        dropped: std::mem::take(&mut txn.dropped),
                        principal: Arc::clone(&txn.principal),
                        commit_time_us,
                    };
                    // Nothing of it is read any more: what its snapshot keeps goes first.
                    *left = None;
                    let lsn = self.sequence_large(sequencer, large)?;
                    return Ok((lsn, Released::default()));
                }
                encode(&writes, commit_time_us, &txn.principal)?
            }
        };
        // The last thing that can go wrong: after it the log has what it needs.
        if !mutant::is("no_room_is_made_sure_of") {
            let drops = !txn.dropped.is_empty();
            let frees = |error| match frees_space(&writes, drops, record.len()) {
                true => self.wal.ensure_room_to_free(record.len()),
                false => Err(error),
            };
            self.wal
                .ensure_room(record.len())
                .or_else(frees)
                .map_err(|error| log_refused(&error))?;
        }

        let lsn = sequencer.tip.next();
        let mut apply = self.store.begin_apply(lsn);
        for (storage, rows) in writes.into_images() {
            apply.rows(storage, rows);
        }
        apply.finish();
        for storage in &txn.dropped {
            self.store.drop_storage(*storage, lsn);
        }
        if has_ddl {
            let catalog = Arc::clone(&txn.catalog);
            sequencer.catalog = Arc::clone(&catalog);
            self.note_sequenced(&catalog, commit_time_us);
            let dropped = std::mem::take(&mut txn.dropped);
            self.visible.sequence(lsn, catalog, dropped);
        }
        sequencer.tip = lsn;
        sequencer.commit_time_us = commit_time_us;
        self.note_commit_time(commit_time_us);
        let released = self.feed.push(lsn, Arc::clone(&record));
        self.wal
            .append(lsn, record)
            .map_err(|error| self.poison(&error))?;
        self.store.note_logged(lsn);
        self.commits.fetch_add(1, Ordering::Relaxed);
        Ok((lsn, released))
    }

    /// Stages what follows for the views.
    fn step_views(
        &self,
        sequencer: &Sequencer,
        txn: &Transaction,
        writes: &mut WriteSet,
    ) -> Result<()> {
        if mutant::is("forget_views_now_and_then")
            && sequencer.tip.0 % 4 == 3
            && txn.created.is_empty()
        {
            return Ok(());
        }
        // What the views are stepped over does not grow too old on the way.
        let before = if txn.snapshot.lsn() == sequencer.tip && txn.snapshot.keep() {
            txn.snapshot.clone()
        } else {
            self.store.snapshot_tip()
        };
        let cx = ExecContext {
            now_us: txn.now_us,
            principal: Arc::clone(&txn.principal),
            ..self.maintenance_context.clone()
        };
        let (catalog, created) = (&txn.catalog, &txn.created);
        if !writes.has_spilled() {
            maintenance::step_views(catalog, created, &before, writes, &cx)?;
        } else if let Some(stepped) =
            maintenance::step_spilled(catalog, created, &before, writes, &cx)?
        {
            *writes = stepped;
        }
        Ok(writes.check()?)
    }

    /// Runs work in a transaction and sequences it; after conflicts again, at last holding the sequencer, so that
    /// nobody can be first any more.
    ///
    /// # Errors
    /// What the work or its commit fails with.
    pub(crate) fn retry<T>(
        &self,
        principal: &Arc<str>,
        mut work: impl FnMut(&mut Transaction) -> Result<T>,
    ) -> Result<(T, Lsn)> {
        for _ in 0..self.settings.conflict_retries {
            let mut txn = self.begin(Mode::ReadWrite, principal)?;
            let mut changes_schema = false;
            let done = work(&mut txn).and_then(|value| {
                changes_schema = txn.plan_version().is_none();
                Ok((value, self.sequence(txn)?))
            });
            match done {
                Err(error) if error.is_retryable() => {
                    self.conflicts.fetch_add(1, Ordering::Relaxed);
                    // It may have read a whole table, which others write: they would be first every time.
                    if changes_schema {
                        break;
                    }
                }
                done => return done,
            }
        }
        self.admit()?;
        let mut sequencer = self.sequencer.lock();
        // A commit that the log refused is at the tip, and nobody may read it.
        self.check_poisoned()?;
        let mut txn = self.begin_locked(&sequencer, principal);
        let value = work(&mut txn)?;
        if txn.writes.is_empty() {
            return Ok((value, txn.lsn()));
        }
        let ready = self.make_ready(&mut txn)?;
        let mut txn = Some(txn);
        let taken = self.take_place(&mut sequencer, &mut txn, ready);
        drop(sequencer);
        taken.map(|(lsn, _released)| (value, lsn))
    }

    /// Refuses a transaction that would not read the same again.
    fn check_overtaken(&self, sequencer: &Sequencer, txn: &Transaction) -> Result<()> {
        if txn.lsn() == sequencer.tip || mutant::is("skip_conflict_check") {
            return Ok(());
        }
        if txn.catalog_version != sequencer.catalog.version() {
            return Err(Error::conflict(
                "a concurrent transaction changed the schema",
            ));
        }
        match txn.reads.overtaken(&self.store, txn.lsn()) {
            None => Ok(()),
            Some(storage) => {
                let error = Error::conflict(
                    "could not serialize access: a concurrent transaction changed what this one read",
                );
                Err(match sequencer.catalog.relation_of_storage(storage) {
                    Some(relation) => error.on(relation.name.to_string()),
                    None => error,
                })
            }
        }
    }

    /// Waits, before the sequencer is taken, until there is memory for another transaction.
    fn admit(&self) -> Result<()> {
        if !self.store.is_full() {
            return Ok(());
        }
        // Records that nobody waits for are in nobody's group: unless they become durable, no checkpoint takes them.
        self.wal.flush().map_err(|error| self.poison(&error))?;
        self.checkpointer.request();
        let _hurry = self.store.hurry();
        let (store, checkpointer) = (&self.store, &self.checkpointer);
        let waited = checkpointer.wait_until(|| !store.is_full() || checkpointer.is_starved());
        self.admission_waits.fetch_add(1, Ordering::Relaxed);
        if !store.is_full() {
            Ok(())
        } else if waited {
            Err(Error::new(
                ErrorKind::Io,
                sqlstate::DISK_FULL,
                "the disk has no room for a checkpoint, and memory none for more changes without one",
            )
            .with_hint("free some space and run it again; reads go on, and nothing needs to be reopened"))
        } else {
            Err(Error::new(
                ErrorKind::Stopped,
                sqlstate::OUT_OF_MEMORY,
                "the memory for changes that no checkpoint has written yet is full",
            )
            .with_hint(
                "the disk is slower than the writers: try again, or raise memtable_hard_bytes",
            ))
        }
    }
}

/// Whether a commit lets rows go and adds none, or drops more than it adds: on a full disk it may have the reserve.
fn frees_space(writes: &WriteSet, drops: bool, len: usize) -> bool {
    let added = |change: ChangeRef<'_>| change.after.map_or(Ok(()), |_| Err(()));
    (drops && len <= DROP_BYTES_MAX) || writes.for_each_change(Section::Base, added).is_ok()
}

/// The log could not make room for a commit, of which nothing is left then.
pub(crate) fn log_refused(error: &tailwater_wal::Error) -> Error {
    let full = match error {
        tailwater_wal::Error::Io(failure) => is_disk_full(failure.source.kind()),
        _ => false,
    };
    if full {
        return Error::new(
            ErrorKind::Io,
            sqlstate::DISK_FULL,
            format!("the disk is full, nothing of the commit was written: {error}"),
        )
        .with_hint(
            "free some space and run it again; reads go on, and nothing needs to be reopened",
        );
    }
    Error::new(
        ErrorKind::Io,
        sqlstate::IO_ERROR,
        format!("the log could not be made longer, nothing of the commit was written: {error}"),
    )
    .with_hint("look at the disk and run it again; reads go on")
}

/// Whether the system says that there is no room.
pub(crate) fn is_disk_full(kind: std::io::ErrorKind) -> bool {
    matches!(
        kind,
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded
    )
}

/// A record as of this time, which may be later than the one it was made for.
fn at_time(
    mut record: Arc<[u8]>,
    writes: &WriteSet,
    commit_time_us: i64,
    principal: &str,
) -> Result<Arc<[u8]>> {
    let is_set = Arc::get_mut(&mut record)
        .is_some_and(|bytes| record_codec::set_commit_time(bytes, commit_time_us));
    if is_set {
        Ok(record)
    } else {
        encode(writes, commit_time_us, principal)
    }
}

/// The bytes of a commit: log record, feed frame, unit of replication.
fn encode(writes: &WriteSet, commit_time_us: i64, principal: &str) -> Result<Arc<[u8]>> {
    let encoded = || {
        let mut encoder = RecordEncoder::new(commit_time_us, principal)?;
        for section in [Section::Base, Section::Derived, Section::State] {
            let mut opened = false;
            writes.for_each_change(section, |change| {
                if !opened {
                    opened = true;
                    encoder.section(match section {
                        Section::Base => RecordSection::Base,
                        Section::Derived => RecordSection::Derived,
                        Section::State => RecordSection::State,
                    });
                }
                encoder.change(change)
            })?;
        }
        encoder.finish().map(Arc::from)
    };
    encoded().map_err(|error: EncodeError| {
        Error::data(sqlstate::PROGRAM_LIMIT_EXCEEDED, error.to_string())
            .with_hint("split the transaction into smaller ones")
    })
}
