//! Finds the rows of a join's side by join key, as they were before or are after the commit: in the source itself,
//! through an index of it, or in a copy kept for the join. A fetched row goes through the filters and projections
//! between the source and the join; one that fails there is no row of the side (its error is reported there).

use std::collections::HashMap;
use std::rc::Rc;

use tailwater_proto::key_codec::encode_key_in;
use tailwater_proto::{ColumnId, Key, KeyRange, Row, StorageId, Value};

use super::join_key;
use crate::context::ExecContext;
use crate::dataflow::{Arrangement, JoinSide, KeyPart, Pipeline, PipelineStep};
use crate::error::Result;
use crate::operator::bounds::order_of;
use crate::operator::project::project;
use crate::operator::scan::{dangling_entry, decode_columns, entry_primary_key};
use crate::step::{Stepping, encode_output};
use crate::store::{Image, StateStore};

/// Rows found under one join key: with their keys.
pub(crate) type Found = Rc<[(Key, Row)]>;

/// A side of a join in one image, remembering what it found in this step.
pub(crate) struct Arranged<'d> {
    side: &'d JoinSide,
    /// The other side's key expressions: they make the keys that are asked for.
    other: &'d JoinSide,
    image: Image,
    /// Whether the storage's key says less than the join key.
    partial: bool,
    /// Whether the storage's key begins with the join key as it is encoded.
    straight: bool,
    remembered: Option<HashMap<Key, Found>>,
}

/// A row of the other side and its join key.
pub(crate) struct Asked<'r> {
    pub(crate) key: &'r Key,
    pub(crate) row: &'r Row,
}

impl<'d> Arranged<'d> {
    /// `questions`: how many rows will be asked for; one is not worth remembering.
    pub(crate) fn new(
        side: &'d JoinSide,
        other: &'d JoinSide,
        image: Image,
        questions: usize,
    ) -> Self {
        let (partial, straight) = match &side.arrangement {
            Arrangement::State { .. } => (false, true),
            Arrangement::Primary { prefix, .. } | Arrangement::Index { prefix, .. } => {
                let straight = prefix
                    .iter()
                    .enumerate()
                    .all(|(place, part)| part.key == place && !part.descending);
                let partial = prefix.len() < side.keys.len();
                (partial, straight && !partial)
            }
        };
        Self {
            side,
            other,
            image,
            partial,
            straight,
            remembered: (questions > 1).then(HashMap::new),
        }
    }

    /// The rows that join with the asked one.
    pub(crate) fn find(&mut self, asked: Asked<'_>, step: &Stepping<'_>) -> Result<Found> {
        if let Some(found) = self
            .remembered
            .as_ref()
            .and_then(|remembered| remembered.get(&**asked.key))
        {
            return Ok(Rc::clone(found));
        }
        let found: Found = self.read(&asked, step)?.into();
        if let Some(remembered) = &mut self.remembered {
            remembered.insert(asked.key.clone(), Rc::clone(&found));
        }
        Ok(found)
    }

    fn read(&self, asked: &Asked<'_>, step: &Stepping<'_>) -> Result<Vec<(Key, Row)>> {
        match &self.side.arrangement {
            Arrangement::State { storage } => self.read_state(*storage, asked.key, step),
            Arrangement::Primary { prefix, source } => {
                let Some(probe) = self.probe(asked, prefix, step.cx)? else {
                    return Ok(Vec::new());
                };
                let mut rows = Vec::new();
                let mut pass = Pass::new(source, self, asked);
                step.store.scan(
                    self.image,
                    source.storage,
                    range_of(probe),
                    &mut |key, bytes| {
                        let key = Key::from(key);
                        if let Some(row) = pass.through(&key, bytes, step)? {
                            rows.push((key, row));
                        }
                        Ok(true)
                    },
                )?;
                Ok(rows)
            }
            Arrangement::Index {
                index,
                descending,
                prefix,
                source,
            } => {
                let Some(probe) = self.probe(asked, prefix, step.cx)? else {
                    return Ok(Vec::new());
                };
                let store: &dyn StateStore = &*step.store;
                let mut rows = Vec::new();
                let mut pass = Pass::new(source, self, asked);
                store.scan(
                    self.image,
                    index.storage,
                    range_of(probe),
                    &mut |entry, _| {
                        let key = Key::from(entry_primary_key(*index, descending, entry)?);
                        let Some(bytes) = store.get(self.image, source.storage, &key)? else {
                            return Err(dangling_entry(index.storage, &Key::from(entry)));
                        };
                        if let Some(row) = pass.through(&key, &bytes, step)? {
                            rows.push((key, row));
                        }
                        Ok(true)
                    },
                )?;
                Ok(rows)
            }
        }
    }

    fn read_state(
        &self,
        storage: StorageId,
        key: &Key,
        step: &Stepping<'_>,
    ) -> Result<Vec<(Key, Row)>> {
        let mut rows = Vec::new();
        let mut values: Vec<Value> = Vec::new();
        let mut columns: Vec<ColumnId> = Vec::new();
        step.store.scan(
            self.image,
            storage,
            range_of(key.clone()),
            &mut |entry, bytes| {
                let full = Key::from(entry);
                if columns.is_empty() {
                    columns = stored_columns(bytes)?;
                }
                decode_columns(storage, &full, bytes, &columns, &mut values)?;
                let own = Key::from(entry.get(key.len()..).unwrap_or_default());
                rows.push((own, values.drain(..).collect()));
                Ok(true)
            },
        )?;
        Ok(rows)
    }

    /// The beginning of the storage's keys under which the asked row's matches are.
    fn probe(
        &self,
        asked: &Asked<'_>,
        prefix: &[KeyPart],
        cx: &ExecContext,
    ) -> Result<Option<Key>> {
        if self.straight {
            return Ok(Some(asked.key.clone()));
        }
        let mut probe = Key::new();
        for part in prefix {
            let Some(expr) = self.other.keys.get(part.key) else {
                return Ok(None);
            };
            let value = expr.eval(asked.row, cx)?;
            encode_key_in(&mut probe, &value, order_of(&[part.descending], 0));
        }
        Ok(Some(probe))
    }
}

fn stored_columns(bytes: &[u8]) -> Result<Vec<ColumnId>> {
    let view = tailwater_proto::row_codec::RowView::new(bytes)
        .map_err(|_| crate::aggregate::codec::damaged())?;
    Ok((1_u32..).take(view.len()).map(ColumnId).collect())
}

fn range_of(prefix: Key) -> KeyRange {
    if prefix.is_empty() {
        KeyRange::all()
    } else {
        KeyRange::prefix(prefix)
    }
}

/// The way of fetched rows to the join.
struct Pass<'a, 'd> {
    source: &'d Pipeline,
    arranged: &'a Arranged<'d>,
    asked: &'a Asked<'a>,
    values: Vec<Value>,
    scratch: Vec<Value>,
    key: Key,
}

impl<'a, 'd> Pass<'a, 'd> {
    fn new(source: &'d Pipeline, arranged: &'a Arranged<'d>, asked: &'a Asked<'a>) -> Self {
        Self {
            source,
            arranged,
            asked,
            values: Vec::new(),
            scratch: Vec::new(),
            key: Key::new(),
        }
    }

    fn through(&mut self, key: &Key, bytes: &[u8], step: &Stepping<'_>) -> Result<Option<Row>> {
        step.cx.count_row_read()?;
        let Pipeline {
            storage,
            columns,
            steps,
        } = self.source;
        decode_columns(*storage, key, bytes, columns, &mut self.values)?;
        for pipeline_step in steps {
            match pipeline_step {
                PipelineStep::Filter(predicate) => {
                    if !matches!(
                        step.attempt(predicate.test(&self.values, step.cx))?,
                        Ok(true)
                    ) {
                        return Ok(None);
                    }
                }
                PipelineStep::Project(exprs) => {
                    let projected = project(exprs, &self.values, &mut self.scratch, step.cx);
                    if step.attempt(projected)?.is_err() {
                        return Ok(None);
                    }
                    std::mem::swap(&mut self.values, &mut self.scratch);
                }
            }
        }
        if self.arranged.partial {
            let keys = &self.arranged.side.keys;
            let keyed = join_key(keys, &self.values, &mut self.key, step.cx);
            if !matches!(step.attempt(keyed)?, Ok(true)) || self.key != *self.asked.key {
                return Ok(None);
            }
        }
        Ok(Some(self.values.drain(..).collect()))
    }
}

/// Stages a change of the copy kept for a join.
pub(crate) fn stage(
    storage: StorageId,
    key: &Key,
    before: Option<&(Key, Row)>,
    after: Option<&(Key, Row)>,
    step: &mut Stepping<'_>,
) -> Result<()> {
    let entry = |join_key: &Key| {
        let mut entry = join_key.clone();
        entry.extend(key);
        entry
    };
    let bytes =
        |image: Option<&(Key, Row)>| image.map(|(_, row)| encode_output(0, row)).transpose();
    let (old, new) = (bytes(before)?, bytes(after)?);
    match (before, after) {
        (Some((was, _)), Some((is, _))) if was == is => {
            step.store.put(storage, entry(is), old, new);
        }
        (was, is) => {
            if let Some((was, _)) = was {
                step.store.put(storage, entry(was), old, None);
            }
            if let Some((is, _)) = is {
                step.store.put(storage, entry(is), None, new);
            }
        }
    }
    Ok(())
}
