//! `SnapshotPhase`: the first part of a subscription, its rows in batches.
//! Reads lazily and holds no more than one batch; rows the selection leaves out are dropped. Next door: `subscription`.

use tailwater_proto::Lsn;

use crate::error::{Error, Result};
use crate::event::Event;
use crate::request::SnapshotRows;
use crate::selection::Selection;
use crate::settings::FeedSettings;

pub(crate) struct SnapshotPhase {
    lsn: Lsn,
    rows: Box<dyn SnapshotRows>,
    begun: bool,
}

impl SnapshotPhase {
    pub(crate) const fn new(lsn: Lsn, rows: Box<dyn SnapshotRows>) -> Self {
        Self {
            lsn,
            rows,
            begun: false,
        }
    }

    /// The beginning, then batches of rows, then `None`.
    pub(crate) fn next(
        &mut self,
        selection: &Selection,
        settings: &FeedSettings,
    ) -> Result<Option<Event>> {
        if !self.begun {
            self.begun = true;
            return Ok(Some(Event::SnapshotBegin { lsn: self.lsn }));
        }
        let mut batch = Vec::new();
        let mut bytes = 0;
        while batch.len() < settings.snapshot_rows_max.max(1)
            && bytes < settings.snapshot_bytes_max.max(1)
        {
            let row = self.rows.next();
            let Some((storage, key, row)) = row.map_err(|source| Error::Snapshot {
                lsn: self.lsn,
                source,
            })?
            else {
                break;
            };
            if selection.has_storage(storage)
                && selection.has_key(storage, &key)
                && selection.shows(storage, &key, &row)
            {
                bytes += key.len() + row.len();
                batch.push((storage, key, row));
            }
        }
        Ok((!batch.is_empty()).then_some(Event::SnapshotRows { rows: batch }))
    }
}
