//! The commit of a transaction larger than memory, while the sequencer is held and readers go on.
//!
//! In order: everything before it goes into the storage file, its rows into that file's next transaction, its record part
//! by part into the log; once the log is durable the file's transaction is committed, shown with its LSN at one moment, and
//! fed from the log. An error before the record's last part leaves nothing of it; after that the log has it, and an engine
//! that cannot show it is poisoned: opening again replays it. Next door: `commit`, for all others; `replay`.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tailwater_proto::record_codec::{ChangeRef, Section as RecordSection, put_change};
use tailwater_proto::record_parts::{SectionTotals, put_head, put_section};
use tailwater_proto::{EncodeError, Key, KeyRange, Lsn, StorageId, sqlstate};
use tailwater_wal::LargeRecord;

use crate::catalog::Catalog;
use crate::commit::{Sequencer, log_refused};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::recovery::new_meta;
use crate::storage::Direct;
use crate::txn::{Section, Staged, Target, WriteSet};

/// Bytes of the record that are encoded before they go to the log.
const PIECE_BYTES: usize = 64 << 10;

/// What of a transaction is committed.
pub(crate) struct Large {
    pub(crate) writes: WriteSet,
    /// The catalog it leaves, if it changed it.
    pub(crate) catalog: Option<Arc<Catalog>>,
    pub(crate) dropped: Vec<StorageId>,
    pub(crate) principal: Arc<str>,
    pub(crate) commit_time_us: i64,
}

/// The sections of a record with what they will hold.
type Totals = Vec<(Section, SectionTotals)>;

impl Engine {
    /// Sequences a transaction whose rows have spilled, its views being stepped. When this returns it is durable and
    /// visible.
    ///
    /// # Errors
    /// `53100` on a full disk and `54000` for a record beyond what the log takes: nothing of it is left then.
    /// `CommitOutcomeUnknown` if the log fails, or the storage file once the log has it.
    pub(crate) fn sequence_large(&self, sequencer: &mut Sequencer, large: Large) -> Result<Lsn> {
        let lsn = sequencer.tip.next();
        // Writers wait for it.
        let _hurry = self.store.hurry();
        self.drain(sequencer)?;
        let (rows, bytes) = large.writes.spilled_size();
        self.ensure_room_of(self.store.direct_bytes(rows, bytes))?;
        let mut direct = self.store.begin_direct(lsn)?;
        let totals = put_rows(&large.writes, &mut direct)?;

        let mut record = self
            .wal
            .begin_large(lsn)
            .map_err(|error| self.poison(&error))?;
        put_record(&large, &totals, &mut record)?;
        let catalog = large.catalog.as_ref().unwrap_or(&sequencer.catalog);
        let meta = new_meta(self.database_id, catalog.next_id(), large.commit_time_us);
        self.note_sequenced(catalog, large.commit_time_us);
        // The log may say at once that it is durable; it is shown by us.
        self.withheld.store(lsn.0, Ordering::SeqCst);
        let logged = match record.commit() {
            Ok(_ticket) => self.wal.flush(),
            Err(error @ tailwater_wal::Error::Io(_)) => {
                self.withheld.store(u64::MAX, Ordering::SeqCst);
                return Err(log_refused(&error));
            }
            Err(error) => Err(error),
        };
        logged.map_err(|error| self.poison(&error))?;

        sequencer.tip = lsn;
        sequencer.commit_time_us = large.commit_time_us;
        if let Some(catalog) = large.catalog {
            sequencer.catalog = Arc::clone(&catalog);
            self.visible.sequence(lsn, catalog, large.dropped.clone());
        }
        for storage in &large.dropped {
            self.store.drop_storage(*storage, lsn);
        }
        let mut dropped = Vec::new();
        let show = || dropped = self.visible.publish(lsn, &self.store);
        direct
            .commit(&meta, show)
            .map_err(|error| self.poison_after_log(lsn, &error))?;
        self.feed.push_logged(lsn, fed_storages(&large.writes));
        self.withheld.store(u64::MAX, Ordering::SeqCst);
        self.publish_to_feed(lsn, &dropped);
        self.commits.fetch_add(1, Ordering::Relaxed);
        Ok(lsn)
    }

    /// Makes everything sequenced so far durable, visible, and part of the storage file.
    fn drain(&self, sequencer: &Sequencer) -> Result<()> {
        self.wal.flush().map_err(|error| self.poison(&error))?;
        self.ensure_room()?;
        let meta = new_meta(
            self.database_id,
            sequencer.catalog.next_id(),
            sequencer.commit_time_us,
        );
        self.store.checkpoint(self.wal.durable_lsn(), &meta)?;
        Ok(())
    }
}

/// Visits what the set changes in one section of the record, in its order.
fn for_each_change(
    writes: &WriteSet,
    section: Section,
    mut visit: impl FnMut(Target, Key, Staged) -> Result<()>,
) -> Result<()> {
    for target in writes.targets().filter(|target| target.section == section) {
        let mut rows = writes.all_in(target.storage, &KeyRange::all())?;
        while let Some((key, row)) = rows.next()? {
            if row.is_changed() {
                visit(target, key, row)?;
            }
        }
    }
    Ok(())
}

fn change<'b>(target: Target, key: &'b Key, row: &'b Staged) -> ChangeRef<'b> {
    ChangeRef {
        storage: target.storage,
        schema_version: target.schema_version,
        key,
        before: row.before.as_deref(),
        after: row.after.as_deref(),
    }
}

/// Puts all rows into the file's transaction, and counts what the record will hold.
fn put_rows(writes: &WriteSet, direct: &mut Direct<'_>) -> Result<Totals> {
    let mut all = Vec::new();
    for section in [Section::Base, Section::Derived, Section::State] {
        let mut totals = SectionTotals::default();
        for_each_change(writes, section, |target, key, row| {
            totals.add(change(target, &key, &row)).map_err(too_large)?;
            Ok(direct.put(target.storage, key, row.after)?)
        })?;
        if totals.changes() > 0 {
            all.push((section, totals));
        }
    }
    Ok(all)
}

/// Writes all of the record but its last part.
fn put_record(large: &Large, totals: &Totals, record: &mut LargeRecord) -> Result<()> {
    let mut piece = Vec::new();
    let mut send = |piece: &mut Vec<u8>, from: usize| {
        if piece.len() < from {
            return Ok(());
        }
        let sent = record.write(piece).map_err(|error| log_refused(&error));
        piece.clear();
        sent
    };
    let sections: Vec<RecordSection> = totals
        .iter()
        .map(|(section, _)| in_record(*section))
        .collect();
    put_head(
        &mut piece,
        large.commit_time_us,
        &large.principal,
        &sections,
    )
    .map_err(too_large)?;
    for (section, totals) in totals {
        put_section(&mut piece, *totals);
        for_each_change(&large.writes, *section, |target, key, row| {
            put_change(&mut piece, change(target, &key, &row));
            send(&mut piece, PIECE_BYTES)
        })?;
    }
    send(&mut piece, 0)
}

const fn in_record(section: Section) -> RecordSection {
    match section {
        Section::Base => RecordSection::Base,
        Section::Derived => RecordSection::Derived,
        Section::State => RecordSection::State,
    }
}

/// The tables and views whose subscribers are concerned.
fn fed_storages(writes: &WriteSet) -> Arc<[StorageId]> {
    let fed = writes
        .targets()
        .filter(|target| target.section != Section::State);
    fed.map(|target| target.storage).collect()
}

fn too_large(error: EncodeError) -> Error {
    Error::data(sqlstate::PROGRAM_LIMIT_EXCEEDED, error.to_string())
        .with_hint("split the transaction into smaller ones")
}
