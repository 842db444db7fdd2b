//! The storage file of a damaged database, read as far as it can be.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use tailwater_proto::{Key, Lsn, StorageId};
use tailwater_wal::vfs::Vfs;

use super::report::SalvageReport;
use crate::catalog::system_storage;
use crate::check::{CheckPart, Damage, describe_key};
use crate::error::{ErrorKind, Result};
use crate::overlay::Overlay;
use crate::recovery;
use crate::storage::{Pages, Snapshot, Store, StoreSettings, Surveyed, verify_pages};

/// See the module.
pub(super) struct Damaged {
    /// `None`: it cannot be opened.
    opened: Option<Opened>,
    /// Every page of it is what was written.
    is_whole: bool,
}

struct Opened {
    snapshot: Snapshot,
    meta: Option<recovery::Meta>,
    /// Kept open for the snapshot's sake.
    _store: Store,
}

impl Damaged {
    /// Opens the file at `path` over a file system that forgets.
    ///
    /// # Errors
    /// When the system refuses a read.
    pub(super) fn open(
        vfs: &Arc<dyn Vfs>,
        path: &Path,
        settings: &StoreSettings,
        report: &mut SalvageReport,
    ) -> Result<Self> {
        let overlay = || -> Arc<dyn Vfs> { Arc::new(Overlay::new(Arc::clone(vfs))) };
        let lost = |message: String| Damage {
            file: Some(path.to_owned()),
            ..Damage::new(CheckPart::StorageFile, message)
        };
        if !vfs.exists(path).unwrap_or(false) {
            report.lost.push(lost("it is not there".to_owned()));
            return Ok(Self {
                opened: None,
                is_whole: false,
            });
        }
        let wrong = verify_pages(&*overlay(), path, settings.cache_bytes)?;
        // As the last checkpoint left it; else as redb mends it, in memory.
        let opened = Store::open_read_only(overlay(), path, Pages::AsTheyAre, settings.clone())
            .or_else(|_| Store::open(overlay(), path, settings.clone()));
        let opened = match opened {
            Ok(store) => Some(Opened {
                snapshot: store.snapshot_visible(),
                meta: recovery::read_meta(&store).ok().flatten(),
                _store: store,
            }),
            Err(error) => {
                let error = crate::error::Error::from(error);
                let is_system = error.kind() == ErrorKind::Io
                    && error.sqlstate() != tailwater_proto::sqlstate::DATA_CORRUPTED;
                if is_system && wrong.is_none() {
                    return Err(error);
                }
                report.lost.push(lost(error.message().to_owned()));
                None
            }
        };
        let is_whole = wrong.is_none() && opened.is_some();
        if let (Some(wrong), Some(_)) = (wrong, &opened) {
            report.notes.push(format!("{}: {wrong}", path.display()));
        }
        Ok(Self { opened, is_whole })
    }

    /// The commit as of which it is; `None` if it cannot be opened.
    pub(super) fn applied(&self) -> Option<Lsn> {
        self.opened.as_ref().map(|opened| opened.snapshot.lsn())
    }

    pub(super) fn is_whole(&self) -> bool {
        self.is_whole
    }

    pub(super) fn next_id(&self) -> u32 {
        let meta = self.opened.as_ref().and_then(|opened| opened.meta.as_ref());
        meta.map_or(0, |meta| meta.next_id)
    }

    pub(super) fn commit_time_us(&self) -> i64 {
        let meta = self.opened.as_ref().and_then(|opened| opened.meta.as_ref());
        meta.map_or(0, |meta| meta.commit_time_us)
    }

    /// The storages that have rows, where that can be read.
    pub(super) fn storages(&self) -> BTreeSet<StorageId> {
        let stored = |opened: &Opened| opened.snapshot.stored_storages().ok();
        self.opened.as_ref().and_then(stored).unwrap_or_default()
    }

    /// The rows of the catalog.
    pub(super) fn objects(&self, report: &mut SalvageReport) -> Result<BTreeMap<Key, Arc<[u8]>>> {
        let mut rows = BTreeMap::new();
        let id = system_storage::OBJECTS;
        self.rows(id, "the catalog", report, &mut |key, row| {
            rows.insert(key, row);
        })?;
        Ok(rows)
    }

    /// Gives every row of a storage that can be read.
    pub(super) fn rows(
        &self,
        id: StorageId,
        name: &str,
        report: &mut SalvageReport,
        give: &mut dyn FnMut(Key, Arc<[u8]>),
    ) -> Result<()> {
        let Some(opened) = &self.opened else {
            return Ok(());
        };
        opened.snapshot.survey(id, &mut |found| match found {
            Surveyed::Row(key, row) => give(key, row),
            Surveyed::BadRow(key) => report.lost.push(
                Damage::new(CheckPart::Rows, "the row's checksum does not match")
                    .of(name)
                    .at_key(describe_key(&key)),
            ),
            Surveyed::Lost {
                after,
                before,
                detail,
            } => {
                let end = |key: Option<Key>, open: &str| {
                    key.map_or_else(|| open.to_owned(), |key| describe_key(&key))
                };
                let (after, before) = (end(after, "the beginning"), end(before, "the end"));
                let message = format!("rows between {after} and {before}: {detail}");
                report
                    .lost
                    .push(Damage::new(CheckPart::StorageFile, message).of(name));
            }
        })?;
        Ok(())
    }
}
