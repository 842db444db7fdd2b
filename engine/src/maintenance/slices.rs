//! Steps the views over a commit that is not in memory as a whole: in slices, as consecutive small commits would be.
//!
//! A slice is some rows of one table as they are before and after, with their index entries, which follow from them; its
//! image beneath is the snapshot under all slices before. Views that the commit creates are filled at the end. What comes
//! out is the write set with the views' changes in it. Next door: `mod`, which steps a slice.

use std::collections::BTreeSet;
use std::sync::Arc;

use tailwater_proto::row_codec::RowView;
use tailwater_proto::{ColumnId, Key, KeyRange, Value};
use tailwater_views::ExecContext;

use super::{Beneath, New, ViewStep, step_due};
use crate::catalog::{Catalog, Index, Object, ObjectId, Relation};
use crate::error::{Error, Result};
use crate::index_entry::{index_entry, index_target};
use crate::storage::Snapshot;
use crate::txn::{Section, Staged, Target, WriteSet};

/// Rows of a slice at most, and about how many bytes.
const SLICE_ROWS: usize = 2048;
const SLICE_BYTES: usize = 1 << 20;

/// As `step_views`, for a write set that has spilled. `None`: no view is concerned, the set is to be taken as it is.
///
/// # Errors
/// As those of `step_views`. A view with `on_error = 'reject'` refuses errors that a later slice would have mended, too.
pub(crate) fn step_spilled(
    catalog: &Catalog,
    created: &BTreeSet<ObjectId>,
    before: &Snapshot,
    writes: &WriteSet,
    cx: &ExecContext,
) -> Result<Option<WriteSet>> {
    let is_read = |target: &Target| {
        let mut views = catalog.views_reading(target.storage).iter();
        views.any(|view| !created.contains(view))
    };
    let sliced: Vec<(Target, Arc<Relation>)> = writes
        .targets()
        .filter(is_read)
        .filter_map(|target| {
            let relation = catalog.relation_of_storage(target.storage)?;
            relation.is_table().then(|| (target, Arc::clone(relation)))
        })
        .collect();
    if sliced.is_empty() && created.is_empty() {
        return Ok(None);
    }
    let mut progress = writes.like();
    for (target, relation) in &sliced {
        let table = Table::new(catalog, relation, *target);
        let mut rows = writes.all_in(target.storage, &KeyRange::all())?;
        let mut slice = WriteSet::default();
        let (mut count, mut bytes) = (0, 0);
        loop {
            let next = rows.next()?;
            if count >= SLICE_ROWS || bytes >= SLICE_BYTES || next.is_none() {
                let beneath = Beneath {
                    snapshot: before,
                    earlier: Some(&progress),
                };
                let mut due = BTreeSet::new();
                due.extend(catalog.views_reading(target.storage));
                let mut stepped = std::mem::take(&mut slice);
                step_due(catalog, due, New::Later(created), beneath, &mut stepped, cx)?;
                progress.absorb(stepped);
                progress.check()?;
                (count, bytes) = (0, 0);
            }
            let Some((key, row)) = next else { break };
            if row.is_changed() {
                count += 1;
                bytes += table.stage(&mut slice, key, row, cx)?;
            }
        }
    }
    take_over(&mut progress, writes)?;
    for id in created {
        let Some(Object::Relation(relation)) = catalog.get(*id) else {
            continue;
        };
        if let Some(view) = &relation.view {
            let beneath = Beneath::snapshot(before);
            ViewStep::new(catalog, relation, view, beneath, &mut progress).fill(cx)?;
            progress.check()?;
        }
    }
    Ok(Some(progress))
}

/// Everything staged that was in no slice.
fn take_over(progress: &mut WriteSet, writes: &WriteSet) -> Result<()> {
    for target in writes.targets() {
        let mut rows = writes.all_in(target.storage, &KeyRange::all())?;
        while let Some((key, row)) = rows.next()? {
            progress.put(target, key, row.before, row.after);
        }
        progress.check()?;
    }
    Ok(())
}

/// A table whose rows are sliced.
struct Table<'c> {
    relation: &'c Relation,
    target: Target,
    indexes: Vec<Arc<Index>>,
    layout: Vec<ColumnId>,
}

impl<'c> Table<'c> {
    fn new(catalog: &Catalog, relation: &'c Relation, target: Target) -> Self {
        debug_assert_eq!(target.section, Section::Base);
        Self {
            indexes: catalog.indexes_of(relation.id).cloned().collect(),
            layout: relation.layout(),
            relation,
            target,
        }
    }

    /// Stages a row with its index entries; says how many bytes that were.
    fn stage(
        &self,
        slice: &mut WriteSet,
        key: Key,
        row: Staged,
        cx: &ExecContext,
    ) -> Result<usize> {
        let present = || Some(Arc::<[u8]>::from([]));
        for index in &self.indexes {
            let entry = |image: &Option<Arc<[u8]>>| match image {
                None => Ok(None),
                Some(image) => self.entry(index, &key, image, cx).map(Some),
            };
            let (old, new) = (entry(&row.before)?, entry(&row.after)?);
            if old != new {
                let target = index_target(index);
                if let Some(old) = old {
                    slice.put(target, old, present(), None);
                }
                if let Some(new) = new {
                    slice.put(target, new, None, present());
                }
            }
        }
        let len = |image: &Option<Arc<[u8]>>| image.as_ref().map_or(0, |bytes| bytes.len());
        let bytes = key.len() + len(&row.before) + len(&row.after);
        slice.put(self.target, key, row.before, row.after);
        Ok(bytes)
    }

    fn entry(&self, index: &Index, key: &Key, image: &[u8], cx: &ExecContext) -> Result<Key> {
        let mut values: Vec<Value> = Vec::with_capacity(self.layout.len());
        RowView::new(image)
            .and_then(|view| view.project(&self.layout, &mut values))
            .map_err(|error| {
                Error::corrupted(error.to_string()).on(self.relation.name.to_string())
            })?;
        Ok(index_entry(index, &values, key, cx)?)
    }
}
