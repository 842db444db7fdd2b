//! Steps a dataflow: from the changes of its sources to the change of its content, in one topological pass.
//!
//! Everything is written to the overlay of the given `StateStore` and to the output only, so a failed step leaves
//! nothing. A row on which an expression fails is no failure: the row is left out downstream and its error is
//! part of the output, as a change from what was said of the row before to what is said after.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use smallvec::SmallVec;
use tailwater_proto::row_codec::encode_row;
use tailwater_proto::{ColumnId, Key, KeyRange, StorageId, Value};

use crate::aggregate::codec::too_large;
use crate::context::ExecContext;
use crate::dataflow::{Dataflow, NodeOperator};
use crate::error::{Error, Result};
use crate::operator::{
    aggregate, distinct, filter, join, project, scan, union, values, version_of,
};
use crate::store::{Image, StateStore};
use crate::zset::ZSet;

/// Rows of a source stepped at once while a dataflow without joins is filled.
const LOAD_ROWS: usize = 4096;

/// A change of one stored row, as bytes. Never both absent.
#[derive(Clone, Debug)]
pub struct RawDelta {
    /// The row's key.
    pub key: Key,
    /// Its bytes before the commit.
    pub before: Option<Arc<[u8]>>,
    /// Its bytes after the commit.
    pub after: Option<Arc<[u8]>>,
}

/// The changes of tables and views in one commit.
pub trait Changes {
    /// The changes of one storage, each key at most once, in any order.
    fn of(&self, storage: StorageId) -> &[RawDelta];
}

impl Changes for BTreeMap<StorageId, Vec<RawDelta>> {
    fn of(&self, storage: StorageId) -> &[RawDelta] {
        self.get(&storage).map_or(&[], Vec::as_slice)
    }
}

impl Changes for HashMap<StorageId, Vec<RawDelta>> {
    fn of(&self, storage: StorageId) -> &[RawDelta] {
        self.get(&storage).map_or(&[], Vec::as_slice)
    }
}

/// No changes.
impl Changes for () {
    fn of(&self, _: StorageId) -> &[RawDelta] {
        &[]
    }
}

/// What an expression said of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowError {
    /// PostgreSQL's code.
    pub sqlstate: &'static str,
    /// What failed, on which value.
    pub message: String,
}

/// A change of the errors of a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorDelta {
    /// Position of the operator in the dataflow.
    pub node: u32,
    /// Which row. Filter, project, values: the row's key. Join and aggregate: one byte ([`ErrorSubject`]) before it.
    pub key: Key,
    /// The error the row had.
    pub before: Option<RowError>,
    /// The error the row has.
    pub after: Option<RowError>,
}

/// What the key of an error of a join or an aggregate names: its first byte. Persisted, never renumber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ErrorSubject {
    /// A row of the aggregate's input, or of the join's left input.
    Input = 0,
    /// A row of the join's right input.
    RightInput = 1,
    /// A pair of joined rows, or a group.
    Output = 2,
}

/// What one step did beside the operator state it staged.
#[derive(Clone, Debug, Default)]
pub struct StepOutput {
    /// The change of the view's content: of the last node.
    pub output: ZSet,
    /// The change of the view's errors.
    pub errors: Vec<ErrorDelta>,
}

/// A step under way.
pub(crate) struct Stepping<'s> {
    pub(crate) store: &'s mut dyn StateStore,
    pub(crate) cx: &'s ExecContext,
    /// Nothing was there before, not even the rows that always are.
    pub(crate) filling: bool,
    node: u32,
    errors: Vec<ErrorDelta>,
}

impl Stepping<'_> {
    /// Tells a row's error, which is data, from all others, which end the step.
    pub(crate) fn attempt<T>(&self, result: Result<T>) -> Result<Result<T, RowError>> {
        match result {
            Ok(value) => Ok(Ok(value)),
            Err(Error::Row {
                sqlstate, message, ..
            }) => Ok(Err(RowError { sqlstate, message })),
            Err(other) => Err(other),
        }
    }

    /// Notes a change of what is said of a row.
    pub(crate) fn record(&mut self, key: &Key, before: Option<RowError>, after: Option<RowError>) {
        if before != after {
            self.errors.push(ErrorDelta {
                node: self.node,
                key: key.clone(),
                before,
                after,
            });
        }
    }

    /// Notes a change of what a join or an aggregate says of one of its subjects.
    pub(crate) fn record_of(
        &mut self,
        subject: ErrorSubject,
        key: &Key,
        before: Option<RowError>,
        after: Option<RowError>,
    ) {
        if before != after {
            let mut tagged = Key::new();
            tagged.push(subject as u8);
            tagged.extend(key);
            self.record(&tagged, before, after);
        }
    }
}

impl Dataflow {
    /// Every storage whose changes it is stepped by, each once.
    #[must_use]
    pub fn sources(&self) -> Vec<StorageId> {
        let mut sources: Vec<StorageId> = self
            .nodes
            .iter()
            .filter_map(|node| match &node.operator {
                NodeOperator::Source { storage, .. } => Some(*storage),
                _ => None,
            })
            .collect();
        sources.sort_unstable();
        sources.dedup();
        sources
    }

    /// The first operator whose meaning has changed since the dataflow was compiled: its view must be rebuilt.
    #[must_use]
    pub fn outdated_operator(&self) -> Option<&'static str> {
        self.nodes
            .iter()
            .find(|node| node.version != version_of(node.operator.name()))
            .map(|node| node.operator.name())
    }

    /// One commit: stages the new operator state and returns the change of the content.
    ///
    /// # Errors
    /// Of the storage, of limits, and of bytes that do not decode. Errors of rows are in the output.
    pub fn step(
        &self,
        changes: &dyn Changes,
        store: &mut dyn StateStore,
        cx: &ExecContext,
    ) -> Result<StepOutput> {
        self.run(changes, store, cx, false)
    }

    /// The content of a new view over empty sources: literal rows, and the one row of an aggregate without groups.
    ///
    /// # Errors
    /// As [`step`](Self::step).
    pub fn initial(&self, store: &mut dyn StateStore, cx: &ExecContext) -> Result<StepOutput> {
        self.run(&(), store, cx, true)
    }

    /// Fills a new view. `store` shows the sources' rows in `After` and nothing of them in `Before`; `emit` gets the
    /// content in parts. With joins everything is one part, so that each pair is found exactly once. It includes
    /// what [`initial`](Self::initial) returns.
    ///
    /// # Errors
    /// As [`step`](Self::step), and what `emit` returns.
    pub fn load(
        &self,
        store: &mut dyn StateStore,
        cx: &ExecContext,
        emit: &mut dyn FnMut(&mut dyn StateStore, StepOutput) -> Result<()>,
    ) -> Result<()> {
        let joins = self
            .nodes
            .iter()
            .any(|node| matches!(node.operator, NodeOperator::Join { .. }));
        let mut changes: BTreeMap<StorageId, Vec<RawDelta>> = BTreeMap::new();
        if joins {
            for source in self.sources() {
                let (rows, _) = read_rows(store, source, KeyRange::all(), usize::MAX, cx)?;
                changes.insert(source, rows);
            }
            let output = self.run(&changes, store, cx, true)?;
            return emit(store, output);
        }
        let output = self.run(&changes, store, cx, true)?;
        emit(store, output)?;
        for source in self.sources() {
            let mut range = Some(KeyRange::all());
            while let Some(part) = range {
                let (rows, rest) = read_rows(store, source, part, LOAD_ROWS, cx)?;
                changes.insert(source, rows);
                let output = self.run(&changes, store, cx, false)?;
                emit(store, output)?;
                range = rest;
            }
            changes.clear();
        }
        Ok(())
    }

    fn run(
        &self,
        changes: &dyn Changes,
        store: &mut dyn StateStore,
        cx: &ExecContext,
        filling: bool,
    ) -> Result<StepOutput> {
        let mut step = Stepping {
            store,
            cx,
            filling,
            node: 0,
            errors: Vec::new(),
        };
        let mut outputs = Outputs::new(self)?;
        for (number, node) in (0_u32..).zip(&self.nodes) {
            step.node = number;
            let output = step_node(&node.operator, changes, &mut outputs, &mut step)?;
            outputs.push(output);
        }
        Ok(StepOutput {
            output: outputs.into_last(),
            errors: step.errors,
        })
    }
}

fn step_node(
    operator: &NodeOperator,
    changes: &dyn Changes,
    outputs: &mut Outputs,
    step: &mut Stepping<'_>,
) -> Result<ZSet> {
    match operator {
        NodeOperator::Source { storage, columns } => {
            scan::step(*storage, columns, changes.of(*storage))
        }
        NodeOperator::Values { rows } => {
            if step.filling {
                values::fill(rows, step)
            } else {
                Ok(ZSet::new())
            }
        }
        NodeOperator::Filter { input, predicate } => {
            filter::step(outputs.take(*input)?, predicate, step)
        }
        NodeOperator::Project { input, exprs } => project::step(outputs.take(*input)?, exprs, step),
        NodeOperator::Join {
            left,
            right,
            residual,
        } => {
            let left_changes = outputs.take(left.input)?;
            let right_changes = outputs.take(right.input)?;
            join::step::step(
                (left, left_changes),
                (right, right_changes),
                residual.as_ref(),
                step,
            )
        }
        NodeOperator::Aggregate {
            input,
            group,
            calls,
            state,
            values,
        } => aggregate::step::step(
            outputs.take(*input)?,
            aggregate::step::Spec {
                group,
                calls,
                state: *state,
                values: *values,
                always_one: group.is_empty(),
            },
            step,
        ),
        NodeOperator::Distinct { input, state } => {
            distinct::step(outputs.take(*input)?, *state, step)
        }
        NodeOperator::UnionAll { inputs } => {
            let mut output = ZSet::new();
            for (branch, input) in (0_u8..=u8::MAX).zip(inputs) {
                union::step(&mut output, branch, outputs.take(*input)?);
            }
            Ok(output)
        }
    }
}

/// What each node has put out, until its last reader takes it.
struct Outputs {
    outputs: SmallVec<[ZSet; 8]>,
    readers: SmallVec<[u32; 8]>,
}

impl Outputs {
    fn new(dataflow: &Dataflow) -> Result<Self> {
        let mut readers = SmallVec::from_elem(0_u32, dataflow.nodes.len());
        for (place, node) in dataflow.nodes.iter().enumerate() {
            for input in node.operator.inputs() {
                match readers.get_mut(input) {
                    Some(count) if input < place => *count += 1,
                    _ => return Err(malformed(place)),
                }
            }
        }
        Ok(Self {
            outputs: SmallVec::with_capacity(readers.len()),
            readers,
        })
    }

    fn push(&mut self, output: ZSet) {
        self.outputs.push(output);
    }

    fn take(&mut self, input: usize) -> Result<ZSet> {
        match (self.outputs.get_mut(input), self.readers.get_mut(input)) {
            (Some(output), Some(readers)) => {
                *readers = readers.saturating_sub(1);
                Ok(if *readers == 0 {
                    std::mem::take(output)
                } else {
                    output.clone()
                })
            }
            _ => Err(malformed(input)),
        }
    }

    fn into_last(mut self) -> ZSet {
        self.outputs.pop().unwrap_or_default()
    }
}

fn malformed(node: usize) -> Error {
    Error::Corrupted {
        message: format!("maintenance plan: node {node} reads a node that does not precede it"),
    }
}

/// Up to `most` rows of a source as appearing ones, and the range of what is left.
fn read_rows(
    store: &dyn StateStore,
    source: StorageId,
    range: KeyRange,
    most: usize,
    cx: &ExecContext,
) -> Result<(Vec<RawDelta>, Option<KeyRange>)> {
    let mut rows = Vec::new();
    let hi = range.hi.clone();
    store.scan(Image::After, source, range, &mut |key, bytes| {
        cx.count_row_read()?;
        rows.push(RawDelta {
            key: Key::from(key),
            before: None,
            after: Some(Arc::clone(bytes)),
        });
        Ok(rows.len() < most)
    })?;
    let rest = rows
        .last()
        .filter(|_| rows.len() >= most)
        .map(|last| KeyRange {
            lo: std::ops::Bound::Excluded(last.key.clone()),
            hi,
        });
    Ok((rows, rest))
}

/// The stored bytes of a row of a view: its columns are numbered from 1.
///
/// # Errors
/// `54000` when a value is nested too deep to be stored.
pub fn encode_output(schema_version: u32, row: &[Value]) -> Result<Arc<[u8]>> {
    encode_row(schema_version, (1_u32..).map(ColumnId).zip(row)).map_err(too_large)
}
