//! Salvage: what can be read of a damaged database, as a new one.
//!
//! The log is read first and says which of its records follow each other; then the catalog, from the storage file and
//! the log; then the rows of tables, likewise. Indexes and views are not copied but made anew. The damaged folder is
//! only read. Next door: `check`, which names damage and makes nothing of it.

mod log;
mod report;
mod storage;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use tailwater_proto::{Lsn, StorageId, sqlstate};
use tailwater_wal::vfs::{LockOutcome, OsVfs, Vfs};
use tailwater_wal::{Epoch, Wal};

use self::log::{LogPlan, LogRuns};
pub use self::report::{SalvageOptions, SalvageReport, SalvagedTable};
use self::storage::Damaged;
use crate::backup::refuse_full;
use crate::builder::Builder;
use crate::catalog::{Catalog, Object, Relation, RelationKind, system_storage};
use crate::check::{CheckPart, Damage, no_database};
use crate::clock::SystemClock;
use crate::database::Database;
use crate::error::{Error, ErrorKind, Result};
use crate::execute::add_object;
use crate::open::{file_name, new_database_id};
use crate::recovery;
use crate::storage::{Store, Write, rename_page_sums};

/// Rows of one commit into the new database.
const COMMIT_ROWS: usize = 1000;

impl Builder {
    /// Extracts what is readable from the database in the folder `damaged`, which is not changed, into a new database in
    /// the folder `new`, which must be empty or not there: rows whose checksums are right, and what the log says of
    /// them; indexes and views are made anew. It is another database, with another id: feeds begin anew.
    ///
    /// Records of the log are applied up to the first one that is missing; with [`SalvageOptions::past_holes`] those
    /// behind it too. What could not be read is in the report.
    ///
    /// # Errors
    /// When there is no database, another process has it open, `new` is not empty, or the system refuses something.
    ///
    /// ```
    /// # fn main() -> tailwater::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let (path, new) = (dir.path().join("app.db"), dir.path().join("new.db"));
    /// use tailwater::{Database, SalvageOptions};
    ///
    /// let db = Database::open(&path)?;
    /// db.exec("CREATE TABLE t (id INT PRIMARY KEY, n INT); CREATE INDEX ON t (n); INSERT INTO t VALUES (1, 10)", ())?;
    /// db.close()?;
    /// std::fs::remove_file(path.join("data.redb")).unwrap();
    /// assert!(Database::open(&path).is_err());
    ///
    /// let report = Database::builder().salvage(&path, &new, &SalvageOptions::default())?; // from the log alone
    /// assert_eq!((report.tables[0].name.as_str(), report.tables[0].rows), ("t", 1));
    /// let db = Database::open(&new)?;
    /// assert_eq!(db.query("SELECT id FROM t WHERE n = 10", ())?.scalar::<i64>()?, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn salvage(
        self,
        damaged: impl AsRef<Path>,
        new: impl AsRef<Path>,
        options: &SalvageOptions,
    ) -> Result<SalvageReport> {
        let (damaged, new) = (damaged.as_ref(), new.as_ref());
        let vfs = self.vfs.clone().unwrap_or_else(|| Arc::new(OsVfs::new()));
        let log_dir = damaged.join(file_name::LOG);
        let storage_path = damaged.join(file_name::STORAGE);
        if ![&log_dir, &storage_path]
            .iter()
            .any(|path| vfs.exists(path).unwrap_or(false))
        {
            return Err(no_database(damaged));
        }
        refuse_full(&*vfs, new)?;
        let lock = vfs.lock(&damaged.join(file_name::LOCK));
        if let Ok(LockOutcome::Busy { owner }) = &lock {
            return Err(Error::new(
                ErrorKind::Unavailable,
                sqlstate::OBJECT_IN_USE,
                format!("the database is open in another process: {owner}"),
            )
            .on(damaged.display().to_string())
            .with_hint("close it there"));
        }
        let mut report = SalvageReport::default();
        let source = Damaged::open(&vfs, &storage_path, &self.settings.store, &mut report)?;
        let runs = LogRuns::read(&*vfs, &log_dir, &mut report)?;
        let plan = runs.plan(source.applied(), source.is_whole(), options, &mut report);
        let mut salvage = Salvage {
            builder: self,
            vfs,
            source,
            log_dir,
            plan,
            report,
        };
        salvage.run(new)?;
        Ok(salvage.report)
    }
}

struct Salvage {
    builder: Builder,
    vfs: Arc<dyn Vfs>,
    source: Damaged,
    log_dir: std::path::PathBuf,
    plan: LogPlan,
    report: SalvageReport,
}

/// What the new database begins with.
struct Begun {
    catalog: Catalog,
    next_id: u32,
}

impl Salvage {
    fn run(&mut self, new: &Path) -> Result<()> {
        let begun = self.catalog()?;
        let folder_error = |error| Error::io(new, error);
        self.vfs.create_dir_all(new).map_err(folder_error)?;
        let lock_path = new.join(file_name::LOCK);
        let lock = self.vfs.lock(&lock_path).map_err(folder_error)?;
        // A folder that shows this file opens as nothing.
        let partial = new.join(file_name::PARTIAL);
        let database_id = new_database_id(&SystemClock::default());
        let settings = self.builder.settings.store.clone();
        let store = Store::open(Arc::clone(&self.vfs), &partial, settings)?;
        let (tip, commit_time_us) = self.copy_rows(&store, database_id, &begun)?;
        store.checkpoint(
            tip,
            &recovery::new_meta(database_id, begun.next_id, commit_time_us),
        )?;
        drop(store);
        let history = vec![Epoch {
            number: 1,
            first_lsn: Lsn(1),
        }];
        let log_dir = new.join(file_name::LOG);
        Wal::begin_at(Arc::clone(&self.vfs), &log_dir, database_id, tip, history)
            .map_err(Error::of_log)?;
        let storage = new.join(file_name::STORAGE);
        rename_page_sums(&*self.vfs, &partial, &storage).map_err(folder_error)?;
        self.vfs
            .sync_dir(new)
            .and_then(|()| self.vfs.rename(&partial, &storage))
            .and_then(|()| self.vfs.sync_dir(new))
            .map_err(folder_error)?;
        drop(lock);
        self.make_anew(new, &begun.catalog)
    }

    /// The catalog as the storage file and the log have it.
    fn catalog(&mut self) -> Result<Begun> {
        let mut rows = self.source.objects(&mut self.report)?;
        let mut next_id = self.source.next_id();
        let mut strangers: BTreeSet<StorageId> = self.source.storages();
        self.plan
            .each_change(&*self.vfs, &self.log_dir, &mut |change| {
                next_id = next_id.max(change.storage.0.saturating_add(1));
                if change.storage == system_storage::OBJECTS {
                    match change.after {
                        Some(row) => rows.insert(change.key.into(), row.into()),
                        None => rows.remove(change.key),
                    };
                } else {
                    strangers.insert(change.storage);
                }
            })?;
        let mut catalog = Catalog::default();
        for row in rows.values() {
            match crate::catalog::decode_object(row) {
                Ok(object) => catalog.put(object),
                Err(why) => self.report.lost.push(Damage::new(
                    CheckPart::Catalog,
                    format!("an object does not decode: {why}"),
                )),
            }
        }
        let known = catalog.storages();
        for id in strangers.difference(&known) {
            if self.source.is_whole() {
                break;
            }
            let message = format!("rows of storage {id} are of no table that is known");
            self.report.notes.push(message);
        }
        next_id = next_id.max(catalog.next_id());
        Ok(Begun { catalog, next_id })
    }

    /// Copies the rows of tables and the places of sequences; what is made of them follows later.
    fn copy_rows(
        &mut self,
        store: &Store,
        database_id: [u8; 16],
        begun: &Begun,
    ) -> Result<(Lsn, i64)> {
        let mut commit_time_us = self.source.commit_time_us();
        let mut target = Target {
            store,
            database_id,
            next_id: begun.next_id,
            lsn: Lsn::ZERO,
            batch: Vec::new(),
            failed: None,
        };
        let tables = || {
            begun
                .catalog
                .relations()
                .filter(|relation| is_copied(relation))
        };
        for relation in tables() {
            let object = Object::Relation(Arc::clone(relation));
            let row = crate::catalog::encode_object(&object).map_err(Error::corrupted)?;
            let key = crate::catalog::object_key(relation.id);
            target.put(system_storage::OBJECTS, key, Some(row));
        }
        let mut wanted: BTreeSet<StorageId> = tables().map(|relation| relation.storage).collect();
        wanted.insert(system_storage::SEQUENCES);
        wanted.insert(system_storage::REQUESTS);
        for id in &wanted {
            let name = crate::check::storage_name(&begun.catalog, *id);
            self.source
                .rows(*id, &name, &mut self.report, &mut |key, row| {
                    target.put(*id, key, Some(row));
                })?;
        }
        let newest_us = self
            .plan
            .each_change(&*self.vfs, &self.log_dir, &mut |change| {
                if wanted.contains(&change.storage) {
                    target.put(
                        change.storage,
                        change.key.into(),
                        change.after.map(Arc::from),
                    );
                }
            })?;
        commit_time_us = commit_time_us.max(newest_us.unwrap_or(i64::MIN));
        target.flush();
        if let Some(error) = target.failed {
            return Err(error);
        }
        Ok((target.lsn, commit_time_us))
    }

    /// Makes sequences, indexes and views anew, in the order they were first made, and counts.
    fn make_anew(&mut self, new: &Path, catalog: &Catalog) -> Result<()> {
        let mut builder = self
            .builder
            .clone()
            .vfs(Arc::clone(&self.vfs))
            .without_background();
        builder.settings.transaction_memory_bytes_max = u64::MAX;
        builder.settings.read_only = false;
        let database = builder.open(new)?;
        for object in catalog.objects() {
            let is_made = match object {
                Object::Relation(relation) => is_copied(relation) || relation.is_builtin(),
                Object::Index(_) | Object::Sequence(_) | Object::Module(_) => false,
            };
            if is_made {
                continue;
            }
            let made = database
                .engine()
                .retry(&Arc::from(""), |txn| add_object(txn, object.clone()));
            match made {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Io => return Err(error),
                Err(error) => self.report.lost.push(
                    Damage::new(
                        CheckPart::Catalog,
                        format!("it could not be made again: {}", error.message()),
                    )
                    .of(format!("{} {}", object.kind_name(), object.name())),
                ),
            }
            if database.engine().store.needs_checkpoint() {
                database.checkpoint()?;
            }
        }
        self.count(&database, catalog)?;
        database.close()
    }

    fn count(&mut self, database: &Database, catalog: &Catalog) -> Result<()> {
        let txn = database
            .engine()
            .begin(crate::txn::Mode::ReadOnly, &Arc::from(""))?;
        for relation in catalog.relations().filter(|relation| is_copied(relation)) {
            let range = tailwater_proto::KeyRange::all();
            let forward = tailwater_proto::Direction::Forward;
            let mut rows = txn.snapshot.scan(relation.storage, range, forward);
            let mut count = 0;
            while rows.next()?.is_some() {
                count += 1;
            }
            self.report.tables.push(SalvagedTable {
                name: relation.name.to_string(),
                rows: count,
            });
        }
        Ok(())
    }
}

fn is_copied(relation: &Relation) -> bool {
    relation.kind == RelationKind::Table && !relation.is_builtin()
}

/// The storage file of the new database while it is filled.
struct Target<'s> {
    store: &'s Store,
    database_id: [u8; 16],
    next_id: u32,
    lsn: Lsn,
    batch: Vec<Write>,
    failed: Option<Error>,
}

impl Target<'_> {
    fn put(&mut self, storage: StorageId, key: tailwater_proto::Key, row: Option<Arc<[u8]>>) {
        self.batch.push((storage, key, row));
        if self.batch.len() >= COMMIT_ROWS {
            self.flush();
        }
    }

    fn flush(&mut self) {
        if self.batch.is_empty() || self.failed.is_some() {
            return;
        }
        self.lsn = self.lsn.next();
        self.store.apply(self.lsn, self.batch.drain(..));
        self.store.set_visible(self.lsn);
        if self.store.needs_checkpoint() {
            let meta = recovery::new_meta(self.database_id, self.next_id, 0);
            let written = self.store.checkpoint(self.lsn, &meta);
            self.failed = written.err().map(Error::from);
        }
    }
}
