//! Replay: records of the log go into the store as they are found, the long ones part by part.
//!
//! A record in parts is kept in memory as long as it is short; beyond that what came before it is checkpointed, and its rows
//! go into one transaction of the storage file, which is committed with the record's last part. A crash in between leaves
//! nothing of it but the log, from which it is replayed again. Nothing is evaluated. Next door: `recovery`.

use std::sync::Arc;

use tailwater_proto::record_codec::{ChangeRef, RecordView, Section};
use tailwater_proto::record_parts::RecordParts;
use tailwater_proto::{Key, Lsn};
use tailwater_wal::{Refusal, Replay, mutant};

use crate::catalog::{Catalog, decode_object, system_storage};
use crate::recovery::{Meta, RecoveryReport, new_meta};
use crate::storage::{Direct, Store};

/// What replays a log into a store.
pub(crate) struct Replayed<'s> {
    store: &'s Store,
    pub(crate) meta: Meta,
    pub(crate) report: RecoveryReport,
    /// Bytes of a record in parts that are kept in memory.
    bytes_max: usize,
    /// A record in parts, as far as it came.
    parts: Parts<'s>,
}

enum Parts<'s> {
    None,
    /// All of it.
    Kept(Vec<u8>),
    /// What of it is on its way into the file.
    Direct(Box<Long<'s>>),
}

struct Long<'s> {
    record: RecordParts,
    direct: Direct<'s>,
    rows: u64,
    bytes: u64,
}

impl<'s> Replayed<'s> {
    /// Goes on from what the store holds, which `meta` belongs to.
    pub(crate) fn new(
        store: &'s Store,
        meta: Meta,
        report: RecoveryReport,
        bytes_max: usize,
    ) -> Self {
        Self {
            store,
            meta,
            report,
            bytes_max,
            parts: Parts::None,
        }
    }

    /// What stands beside the rows now, and what was done. What is left of a record that never was whole is dropped.
    pub(crate) fn into_found(self) -> (Meta, RecoveryReport) {
        (self.meta, self.report)
    }

    fn apply(&mut self, lsn: Lsn, payload: &[u8]) -> Result<(), Refusal> {
        let record = RecordView::decode(payload)?;
        let mut writes = Vec::new();
        for section in Section::ALL {
            for change in record.changes(section) {
                let change = change?;
                if takes(&mut self.meta, section, change)? {
                    let after = change.after.map(Arc::from);
                    writes.push((change.storage, Key::from(change.key), after));
                }
            }
        }
        self.count(writes.len() as u64, payload.len() as u64);
        if self.report.records == 1 && mutant::is("skip_first_record_in_replay") {
            writes.clear();
        }
        self.store.apply(lsn, writes);
        self.store.set_visible(lsn);
        self.meta.commit_time_us = record.commit_time_us();
        if self.store.needs_checkpoint() {
            self.checkpoint(lsn)?;
        }
        Ok(())
    }

    fn count(&mut self, rows: u64, bytes: u64) {
        self.report.records += 1;
        self.report.rows += rows;
        self.report.bytes += bytes;
    }

    fn beside(&self) -> Vec<(&'static str, Vec<u8>)> {
        let meta = &self.meta;
        new_meta(meta.database_id, meta.next_id, meta.commit_time_us)
    }

    fn checkpoint(&self, upto: Lsn) -> Result<(), Refusal> {
        self.store.checkpoint(upto, &self.beside())?;
        Ok(())
    }

    fn begin_direct(&self, lsn: Lsn) -> Result<Long<'s>, Refusal> {
        self.checkpoint(Lsn(lsn.0.saturating_sub(1)))?;
        Ok(Long {
            record: RecordParts::new(),
            direct: self.store.begin_direct(lsn)?,
            rows: 0,
            bytes: 0,
        })
    }
}

impl Long<'_> {
    fn take(&mut self, part: &[u8], meta: &mut Meta) -> Result<(), Refusal> {
        self.bytes += part.len() as u64;
        self.record.push(part);
        while let Some((section, change)) = self.record.next()? {
            if takes(meta, section, change)? {
                self.rows += 1;
                let after = change.after.map(Arc::from);
                self.direct
                    .put(change.storage, Key::from(change.key), after)?;
            }
        }
        Ok(())
    }
}

impl Replay for Replayed<'_> {
    fn record(&mut self, lsn: Lsn, payload: &[u8]) -> Result<(), Refusal> {
        self.parts = Parts::None;
        self.apply(lsn, payload)
    }

    fn part(&mut self, lsn: Lsn, at: u64, bytes: &[u8]) -> Result<(), Refusal> {
        let parts = match at {
            0 => {
                // One that was given up lets go of the file first.
                self.parts = Parts::None;
                Parts::Kept(Vec::new())
            }
            _ => std::mem::replace(&mut self.parts, Parts::None),
        };
        self.parts = match parts {
            Parts::Kept(mut kept) if kept.len() + bytes.len() <= self.bytes_max => {
                kept.extend_from_slice(bytes);
                Parts::Kept(kept)
            }
            Parts::Kept(kept) => {
                let mut long = self.begin_direct(lsn)?;
                long.take(&kept, &mut self.meta)?;
                drop(kept);
                long.take(bytes, &mut self.meta)?;
                Parts::Direct(Box::new(long))
            }
            Parts::Direct(mut long) => {
                long.take(bytes, &mut self.meta)?;
                Parts::Direct(long)
            }
            Parts::None => return Err("a record in parts has no beginning".into()),
        };
        Ok(())
    }

    fn complete(&mut self, lsn: Lsn) -> Result<(), Refusal> {
        let mut long = match std::mem::replace(&mut self.parts, Parts::None) {
            Parts::Kept(kept) => return self.apply(lsn, &kept),
            Parts::Direct(long) => long,
            Parts::None => return Err("a record in parts has no beginning".into()),
        };
        long.record.finish()?;
        self.meta.commit_time_us = long.record.commit_time_us().unwrap_or_default();
        self.count(long.rows, long.bytes);
        long.direct.commit(&self.beside(), || ())?;
        Ok(())
    }
}

/// Whether a change is to be applied. Carries on the numbers given out: objects that are gone by the end of the log count
/// too, for their rows are still in it.
fn takes(meta: &mut Meta, section: Section, change: ChangeRef<'_>) -> Result<bool, Refusal> {
    if section == Section::Derived && mutant::is("forget_derived_section")
        || section == Section::State && mutant::is("forget_state_section")
        || change.after.is_none() && mutant::is("forget_deletions_in_replay")
    {
        return Ok(false);
    }
    meta.next_id = meta.next_id.max(change.storage.0.saturating_add(1));
    if change.storage == system_storage::OBJECTS
        && let Some(row) = change.after
    {
        let mut numbers = Catalog::default();
        numbers.put(decode_object(row)?);
        meta.next_id = meta.next_id.max(numbers.next_id());
    }
    Ok(true)
}
