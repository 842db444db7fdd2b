//! The step of an aggregate: each group touched is read, changed and written once, however many rows it gains or loses.
//!
//! A row on which a group expression fails is left out; one on which an argument fails hides its group until it
//! leaves; a sum that does not fit its type hides it until it fits. Ordered values are settled in `values`.

use std::collections::BTreeMap;
use std::sync::Arc;

use smallvec::SmallVec;
use tailwater_proto::key_codec::encode_key;
use tailwater_proto::{Key, Row, StorageId, Value};

use super::argument_of;
use super::state::{GroupState, locate};
use super::values::{Net, settle};
use crate::aggregate::representation::represent;
use crate::aggregate::{AggregateCall, Representation};
use crate::error::Result;
use crate::expr::Expr;
use crate::identity::rows_identical;
use crate::step::{ErrorSubject, RowError, Stepping};
use crate::store::Image;
use crate::zset::{Delta, ZSet};

/// Up to so many groups are found by looking through them.
const GROUPS_UNINDEXED: usize = 8;

/// What an aggregate does, and where it keeps its state.
#[derive(Clone, Copy)]
pub(crate) struct Spec<'d> {
    pub(crate) group: &'d [Expr],
    pub(crate) calls: &'d [AggregateCall],
    pub(crate) state: StorageId,
    pub(crate) values: Option<StorageId>,
    /// There is one row even of no input: an aggregate without groups.
    pub(crate) always_one: bool,
}

/// A group touched by this step.
struct Touched {
    key: Key,
    stored: Option<Arc<[u8]>>,
    row_before: Option<Row>,
    shown_before: Option<Representation>,
    error_before: Option<RowError>,
    state: GroupState,
    nets: Vec<Net>,
}

impl Touched {
    /// The group's row as it is now; its values are those of the row before where the same ones are shown.
    fn row(&self, spec: Spec<'_>, scratch: &mut Vec<Value>) -> Result<Option<Row>> {
        let known = self
            .row_before
            .as_ref()
            .filter(|_| self.shown_before.as_ref() == self.state.shown())
            .and_then(|row| row.get(..spec.group.len()));
        self.state
            .row(&self.key, known, spec.calls, spec.always_one, scratch)
    }
}

/// The groups touched by this step.
struct Groups<'d> {
    spec: Spec<'d>,
    touched: Vec<Touched>,
    /// Where each group stands, once there are many; also the order in which they are written.
    places: BTreeMap<Key, usize>,
    scratch: Vec<Value>,
}

/// What one row gives to its group. Reused from row to row.
#[derive(Default)]
struct Contribution {
    group: Key,
    values: SmallVec<[Value; 4]>,
    representation: Representation,
    /// `None` where FILTER or NULL leaves the row out.
    arguments: SmallVec<[Option<Value>; 4]>,
}

/// Whether a row gives anything.
enum Outcome {
    /// It has no group: there is no such row, or its group fails.
    Nothing,
    /// It is in its group, whose arguments fail on it.
    Failing,
    /// It is in its group.
    Counted,
}

/// The change of the groups.
pub(crate) fn step(input: ZSet, spec: Spec<'_>, step: &mut Stepping<'_>) -> Result<ZSet> {
    let mut groups = Groups {
        spec,
        touched: Vec::with_capacity(input.len().min(GROUPS_UNINDEXED)),
        places: BTreeMap::new(),
        scratch: Vec::new(),
    };
    if step.filling && spec.always_one {
        groups.place_of(&Key::new(), step)?;
    }
    let mut contribution = Contribution::default();
    for Delta { key, before, after } in input {
        let mut errors = [None, None];
        for ((row, weight), error) in [(before, -1), (after, 1)].into_iter().zip(&mut errors) {
            let Some(row) = row else {
                continue;
            };
            let outcome = contribution.eval(spec, &row, error, step)?;
            groups.apply(&mut contribution, outcome, weight, step)?;
        }
        let [error_before, error_after] = errors;
        step.record_of(ErrorSubject::Input, &key, error_before, error_after);
    }
    groups.finish(step)
}

impl Contribution {
    /// Evaluates one row, replacing what the last one gave.
    fn eval(
        &mut self,
        spec: Spec<'_>,
        row: &[Value],
        error: &mut Option<RowError>,
        step: &Stepping<'_>,
    ) -> Result<Outcome> {
        if let Err(failed) = step.attempt(self.eval_group(spec.group, row, step))? {
            *error = Some(failed);
            return Ok(Outcome::Nothing);
        }
        self.arguments.clear();
        for call in spec.calls {
            match step.attempt(argument_of(call, row, step.cx))? {
                Ok(value) => self.arguments.push(value),
                Err(failed) => {
                    *error = Some(failed);
                    return Ok(Outcome::Failing);
                }
            }
        }
        Ok(Outcome::Counted)
    }

    fn eval_group(&mut self, group: &[Expr], row: &[Value], step: &Stepping<'_>) -> Result<()> {
        self.group.truncate(0);
        self.values.clear();
        for expr in group {
            let value = expr.eval(row, step.cx)?;
            encode_key(&mut self.group, &value);
            self.values.push(value);
        }
        represent(&mut self.representation, &self.values)
    }
}

impl Groups<'_> {
    /// Where the group stands among those touched, after reading it if it is not there yet.
    fn place_of(&mut self, key: &Key, step: &Stepping<'_>) -> Result<usize> {
        let known = if self.touched.len() <= GROUPS_UNINDEXED {
            self.touched.iter().rposition(|touched| touched.key == *key)
        } else {
            if self.places.is_empty() {
                let keys = self.touched.iter().map(|touched| touched.key.clone());
                self.places = keys.zip(0..).collect();
            }
            self.places.get(key).copied()
        };
        if let Some(place) = known {
            return Ok(place);
        }
        let touched = self.read(key, step)?;
        self.touched.push(touched);
        let place = self.touched.len() - 1;
        if !self.places.is_empty() {
            self.places.insert(key.clone(), place);
        }
        Ok(place)
    }

    fn read(&mut self, key: &Key, step: &Stepping<'_>) -> Result<Touched> {
        let Spec {
            calls,
            state: storage,
            always_one,
            ..
        } = self.spec;
        let stored = step.store.get(Image::After, storage, key)?;
        let state = match &stored {
            None => GroupState::new(calls),
            Some(bytes) => {
                GroupState::decode(bytes, calls).map_err(|error| locate(error, storage, key))?
            }
        };
        let (row_before, error_before) = if step.filling {
            (None, None)
        } else {
            let row = state.row(key, None, calls, always_one, &mut self.scratch);
            match step.attempt(row)? {
                Ok(row) => (row, None),
                Err(error) => (None, Some(error)),
            }
        };
        Ok(Touched {
            key: key.clone(),
            stored,
            row_before,
            shown_before: state.shown().cloned(),
            error_before,
            state,
            nets: Vec::new(),
        })
    }

    fn apply(
        &mut self,
        contribution: &mut Contribution,
        outcome: Outcome,
        weight: i64,
        step: &Stepping<'_>,
    ) -> Result<()> {
        if matches!(outcome, Outcome::Nothing) {
            return Ok(());
        }
        let place = self.place_of(&contribution.group, step)?;
        let Some(touched) = self.touched.get_mut(place) else {
            return Ok(());
        };
        if matches!(outcome, Outcome::Failing) {
            touched.state.failing += weight;
            return Ok(());
        }
        touched.state.count(&contribution.representation, weight);
        let accumulators = touched.state.accumulators.iter_mut();
        let arguments = contribution.arguments.drain(..);
        for (number, ((call, accumulator), argument)) in
            (0_u8..).zip(self.spec.calls.iter().zip(accumulators).zip(arguments))
        {
            let Some(value) = argument else {
                continue;
            };
            if call.needs_values() {
                touched.nets.push(Net {
                    call: number,
                    value,
                    weight,
                });
            } else {
                accumulator.add_weighted(&value, weight);
            }
        }
        Ok(())
    }

    /// Writes every group touched, and tells how its row has changed.
    fn finish(mut self, step: &mut Stepping<'_>) -> Result<ZSet> {
        let Spec {
            calls,
            state: storage,
            values,
            ..
        } = self.spec;
        let mut output = ZSet::with_capacity(self.touched.len());
        let mut scratch = Vec::with_capacity(64);
        // In the order of keys.
        let mut places: SmallVec<[usize; GROUPS_UNINDEXED]> = SmallVec::new();
        if self.places.is_empty() {
            places.extend(0..self.touched.len());
            let key_at = |place: &usize| self.touched.get(*place).map(|touched| &touched.key);
            places.sort_unstable_by(|a, b| key_at(a).cmp(&key_at(b)));
        } else {
            places.extend(self.places.values().copied());
        }
        for place in places {
            let Some(touched) = self.touched.get_mut(place) else {
                continue;
            };
            if let Some(values) = values
                && !touched.nets.is_empty()
            {
                let nets = std::mem::take(&mut touched.nets);
                settle(values, &touched.key, calls, nets, &mut touched.state, step)
                    .map_err(|error| locate(error, values, &touched.key))?;
            }
            let stored = touched.state.encode(&mut scratch)?;
            if stored != touched.stored {
                let before = touched.stored.take();
                step.store.put(storage, touched.key.clone(), before, stored);
            }
            let row = touched.row(self.spec, &mut self.scratch);
            let (after, error_after) = match step.attempt(row)? {
                Ok(row) => (row, None),
                Err(error) => (None, Some(error)),
            };
            step.record_of(
                ErrorSubject::Output,
                &touched.key,
                touched.error_before.take(),
                error_after,
            );
            let before = touched.row_before.take();
            let changed = match (&before, &after) {
                (None, None) => false,
                (Some(before), Some(after)) => !rows_identical(before, after),
                _ => true,
            };
            if changed {
                output.push(Delta {
                    key: std::mem::take(&mut touched.key),
                    before,
                    after,
                });
            }
        }
        Ok(output)
    }
}
