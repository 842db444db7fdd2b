//! Maintenance: the views that depend on what a commit changes are stepped, in one pass, before the record is encoded.
//!
//! Each dataflow is stepped once, after everything it reads. What comes out is staged beside the rows that caused it:
//! view rows and view errors as derived changes, operator state as state. An error drops the whole commit.

mod beneath;
mod compile;
mod errors;
mod slices;
mod staged_store;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tailwater_proto::row_codec::encode_row;
use tailwater_proto::{ColumnId, Direction, Key, KeyRange, Row, StorageId};
use tailwater_views::step::{RawDelta, StepOutput};
use tailwater_views::{ExecContext, StateStore};

pub(crate) use self::beneath::Beneath;
pub(crate) use self::compile::{Compiled, compile};
pub(crate) use self::errors::{error_key_prefix, error_target};
pub(crate) use self::slices::step_spilled;
use self::staged_store::StagedStore;
use crate::catalog::{Catalog, Index, Object, ObjectId, Relation, ViewDefinition};
use crate::error::{Error, Result};
use crate::index_entry::index_entry;
use crate::storage::Snapshot;
use crate::txn::WriteSet;

/// Stages what follows for materialised views from the rows staged in `writes`, between the image `before` and that
/// image under `writes`. Views in `created` are filled instead of stepped.
///
/// # Errors
/// A row error under `on_error = 'reject'`; limits; failures of the storage.
pub(crate) fn step_views(
    catalog: &Catalog,
    created: &BTreeSet<ObjectId>,
    before: &Snapshot,
    writes: &mut WriteSet,
    cx: &ExecContext,
) -> Result<()> {
    let mut due: BTreeSet<ObjectId> = created.clone();
    for (storage, _) in writes.storages() {
        due.extend(catalog.views_reading(storage));
    }
    if due.is_empty() {
        return Ok(());
    }
    let before = Beneath::snapshot(before);
    step_due(catalog, due, New::Fill(created), before, writes, cx)
}

/// Whether anything follows for materialised views from the rows staged in memory, or views are created.
pub(crate) fn are_views_due(
    catalog: &Catalog,
    created: &BTreeSet<ObjectId>,
    writes: &WriteSet,
) -> bool {
    let mut storages = writes.storages();
    !created.is_empty() || storages.any(|(storage, _)| !catalog.views_reading(storage).is_empty())
}

/// What becomes of the views that the commit creates.
#[derive(Clone, Copy)]
enum New<'c> {
    /// They are filled, each in its turn.
    Fill(&'c BTreeSet<ObjectId>),
    /// They are left for later.
    Later(&'c BTreeSet<ObjectId>),
}

/// Steps the views in `due`, and those that read them, over the rows in `writes`.
fn step_due(
    catalog: &Catalog,
    mut due: BTreeSet<ObjectId>,
    new: New<'_>,
    before: Beneath<'_>,
    writes: &mut WriteSet,
    cx: &ExecContext,
) -> Result<()> {
    let mut changes: BTreeMap<StorageId, Vec<RawDelta>> = BTreeMap::new();
    // A view is created after what it reads, so the least number is always ready.
    while let Some(id) = due.pop_first() {
        let Some(Object::Relation(relation)) = catalog.get(id) else {
            continue;
        };
        let Some(view) = &relation.view else { continue };
        let is_left = matches!(new, New::Later(created) if created.contains(&id));
        if is_left {
            continue;
        }
        let step = ViewStep::new(catalog, relation, view, before, writes);
        if matches!(new, New::Fill(created) if created.contains(&id)) {
            step.fill(cx)?;
        } else {
            for source in &view.sources {
                if !changes.contains_key(source) {
                    changes.insert(*source, raw_deltas(step.store.writes, *source));
                }
            }
            step.step(&changes, cx)?;
        }
        if writes.touches(relation.storage) {
            due.extend(catalog.views_reading(relation.storage));
        }
    }
    Ok(())
}

/// The staged changes of one storage, without rows that end as they began.
fn raw_deltas(writes: &WriteSet, storage: StorageId) -> Vec<RawDelta> {
    writes
        .storage(storage)
        .into_iter()
        .flat_map(|staged| staged.rows.iter())
        .filter(|(_, row)| row.is_changed())
        .map(|(key, row)| RawDelta {
            key: key.clone(),
            before: row.before.clone(),
            after: row.after.clone(),
        })
        .collect()
}

/// One view in one commit.
struct ViewStep<'c> {
    relation: &'c Arc<Relation>,
    view: &'c ViewDefinition,
    indexes: Vec<Arc<Index>>,
    /// Where each is in a row, in the order in which rows are stored.
    columns: Vec<(ColumnId, usize)>,
    store: StagedStore<'c>,
}

impl<'c> ViewStep<'c> {
    fn new(
        catalog: &Catalog,
        relation: &'c Arc<Relation>,
        view: &'c ViewDefinition,
        before: Beneath<'c>,
        writes: &'c mut WriteSet,
    ) -> Self {
        Self {
            relation,
            view,
            indexes: catalog.indexes_of(relation.id).cloned().collect(),
            columns: stored_order(relation),
            store: StagedStore {
                before,
                writes,
                empty_before: BTreeSet::new(),
                view: (relation.storage, relation.schema_version),
            },
        }
    }

    fn step(
        mut self,
        changes: &BTreeMap<StorageId, Vec<RawDelta>>,
        cx: &ExecContext,
    ) -> Result<()> {
        let Some(dataflow) = &self.view.dataflow else {
            return Ok(());
        };
        let output = dataflow.step(changes, &mut self.store, cx)?;
        let Self {
            relation,
            view,
            indexes,
            columns,
            store,
        } = &mut self;
        stage(relation, view, indexes, columns, store, output, cx)?;
        Ok(())
    }

    /// Stages that nothing of the view is there: rows it will have again end as they began.
    fn clear(&mut self) -> Result<()> {
        let indexes = self.indexes.iter().map(|index| index.storage);
        let own = std::iter::once(self.relation.storage).chain(self.view.state.iter().copied());
        for storage in own.chain(indexes) {
            let mut rows = self.store.before.scan(storage, KeyRange::all())?;
            while let Some((key, image)) = rows.next()? {
                self.store.put(storage, key, Some(image), None);
            }
        }
        Ok(())
    }

    fn fill(mut self, cx: &ExecContext) -> Result<()> {
        let Some(dataflow) = &self.view.dataflow else {
            return Ok(());
        };
        self.clear()?;
        self.store
            .empty_before
            .extend(self.view.sources.iter().copied());
        let Self {
            relation,
            view,
            indexes,
            columns,
            mut store,
        } = self;
        dataflow.load(&mut store, cx, &mut |store, output| {
            stage(relation, view, &indexes, &columns, store, output, cx)
        })?;
        Ok(())
    }
}

/// The columns of a view by ascending number: that of undeclared fields has the least, and stands last in a row.
fn stored_order(relation: &Relation) -> Vec<(ColumnId, usize)> {
    let mut columns: Vec<_> = relation.layout().into_iter().zip(0..).collect();
    columns.sort_unstable();
    columns
}

/// Stages the content, the indexes and the errors of a view.
fn stage(
    relation: &Relation,
    view: &ViewDefinition,
    indexes: &[Arc<Index>],
    columns: &[(ColumnId, usize)],
    store: &mut dyn StateStore,
    output: StepOutput,
    cx: &ExecContext,
) -> tailwater_views::Result<()> {
    if view.reject_errors
        && let Some(error) = output.errors.iter().find_map(|error| error.after.as_ref())
    {
        return Err(tailwater_views::Error::Row {
            sqlstate: error.sqlstate,
            message: format!(
                "materialized view \"{}\" refuses the write: {}",
                relation.name, error.message
            ),
            hint: Some("the view was created WITH (on_error = 'reject')"),
        });
    }
    errors::stage(relation, store, output.errors)?;
    let image = |row: &Row| -> tailwater_views::Result<Arc<[u8]>> {
        let stored = columns.iter();
        let stored = stored.filter_map(|(id, place)| Some((*id, row.get(*place)?)));
        encode_row(relation.schema_version, stored).map_err(|error| {
            tailwater_views::Error::row(
                tailwater_proto::sqlstate::PROGRAM_LIMIT_EXCEEDED,
                format!("a row of \"{}\" cannot be stored: {error}", relation.name),
            )
        })
    };
    for delta in output.output {
        for index in indexes {
            let entry = |row: Option<&Row>| {
                row.map(|row| index_entry(index, row, &delta.key, cx))
                    .transpose()
            };
            let (old, new) = (entry(delta.before.as_ref())?, entry(delta.after.as_ref())?);
            if old != new {
                let present = || Some(Arc::<[u8]>::from([]));
                if let Some(old) = old {
                    store.put(index.storage, old, present(), None);
                }
                if let Some(new) = new {
                    store.put(index.storage, new, None, present());
                }
            }
        }
        let before = delta.before.as_ref().map(image).transpose()?;
        let after = delta.after.as_ref().map(image).transpose()?;
        store.put(relation.storage, delta.key, before, after);
    }
    Ok(())
}

/// What a view would hold if it were filled now.
///
/// # Errors
/// Limits; failures of the storage.
fn recompute(
    catalog: &Catalog,
    relation: &Arc<Relation>,
    snapshot: &Snapshot,
    cx: &ExecContext,
) -> Result<BTreeMap<Key, Arc<[u8]>>> {
    let mut writes = WriteSet::default();
    let Some(view) = &relation.view else {
        return Ok(BTreeMap::new());
    };
    let before = Beneath::snapshot(snapshot);
    let mut step = ViewStep::new(catalog, relation, view, before, &mut writes);
    step.indexes.clear();
    step.fill(cx)?;
    Ok(writes
        .storage(relation.storage)
        .into_iter()
        .flat_map(|staged| staged.rows.iter())
        .filter_map(|(key, row)| Some((key.clone(), Arc::clone(row.after.as_ref()?))))
        .collect())
}

/// A materialised view beside its query.
pub(crate) struct Comparison {
    /// Rows the view has.
    pub(crate) rows: u64,
    /// Where they are not what the query gives.
    pub(crate) differences: Vec<(Key, Difference)>,
}

/// How a row of a view is not what its query gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Difference {
    Differs,
    Surplus,
    Missing,
}

impl Difference {
    /// What the row does, in words.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Differs => "differs",
            Self::Surplus => "should not be there",
            Self::Missing => "is missing",
        }
    }
}

/// Fills a view anew from what it reads, in memory, and compares each row with what is stored.
///
/// # Errors
/// Limits; failures of the storage.
pub(crate) fn compare(
    catalog: &Catalog,
    relation: &Arc<Relation>,
    snapshot: &Snapshot,
    cx: &ExecContext,
) -> Result<Comparison> {
    let mut expected = recompute(catalog, relation, snapshot, cx)?;
    let mut found = Comparison {
        rows: 0,
        differences: Vec::new(),
    };
    let mut stored = snapshot.scan(relation.storage, KeyRange::all(), Direction::Forward);
    while let Some((key, image)) = stored.next()? {
        found.rows += 1;
        match expected.remove(&key) {
            Some(recomputed) if recomputed == image => {}
            Some(_) => found.differences.push((key, Difference::Differs)),
            None => found.differences.push((key, Difference::Surplus)),
        }
    }
    let missing = expected.into_keys().map(|key| (key, Difference::Missing));
    found.differences.extend(missing);
    Ok(found)
}

/// Refuses a write into a view, saying what to do instead.
pub(crate) fn read_only(relation: &Relation) -> Error {
    Error::statement(
        tailwater_proto::sqlstate::WRONG_OBJECT_TYPE,
        format!(
            "cannot change {} \"{}\"",
            relation.kind.name(),
            relation.name
        ),
    )
    .on(relation.name.to_string())
    .with_hint("views are read-only: change the tables they read")
}
