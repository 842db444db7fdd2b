//! The step of an aggregate: each group touched is read, changed and written once, however many rows it gains or loses.
//!
//! A row on which a group expression fails is left out; one on which an argument fails hides its group until it
//! leaves; a sum that does not fit its type hides it until it fits. Ordered values are settled in `values`.

use std::collections::HashMap;
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
    error_before: Option<RowError>,
    state: GroupState,
    nets: Vec<Net>,
}

/// The groups touched by this step.
struct Groups<'d> {
    spec: Spec<'d>,
    touched: Vec<Touched>,
    places: HashMap<Key, usize>,
}

/// What one row gives to its group.
struct Contribution {
    group: Key,
    representation: Representation,
    /// `None` where FILTER or NULL leaves the row out.
    arguments: SmallVec<[Option<Value>; 4]>,
    failing: Option<RowError>,
}

/// The change of the groups.
pub(crate) fn step(input: ZSet, spec: Spec<'_>, step: &mut Stepping<'_>) -> Result<ZSet> {
    let mut groups = Groups {
        spec,
        touched: Vec::new(),
        places: HashMap::new(),
    };
    if step.filling && spec.always_one {
        groups.place_of(&Key::new(), step)?;
    }
    for Delta { key, before, after } in input {
        let (before, error_before) = contribution(spec, before, step)?;
        let (after, error_after) = contribution(spec, after, step)?;
        step.record_of(ErrorSubject::Input, &key, error_before, error_after);
        for (contribution, weight) in [(before, -1), (after, 1)] {
            if let Some(contribution) = contribution {
                groups.apply(contribution, weight, step)?;
            }
        }
    }
    groups.finish(step)
}

/// Evaluates one row: what it gives, and the error it has.
fn contribution(
    spec: Spec<'_>,
    row: Option<Row>,
    step: &Stepping<'_>,
) -> Result<(Option<Contribution>, Option<RowError>)> {
    let Some(row) = row else {
        return Ok((None, None));
    };
    let mut contribution = Contribution {
        group: Key::new(),
        representation: Representation::new(),
        arguments: SmallVec::new(),
        failing: None,
    };
    if let Err(error) = step.attempt(group_of(spec.group, &row, &mut contribution, step))? {
        return Ok((None, Some(error)));
    }
    for call in spec.calls {
        match step.attempt(argument_of(call, &row, step.cx))? {
            Ok(value) => contribution.arguments.push(value),
            Err(error) => {
                contribution.failing = Some(error.clone());
                return Ok((Some(contribution), Some(error)));
            }
        }
    }
    Ok((Some(contribution), None))
}

fn group_of(
    group: &[Expr],
    row: &[Value],
    contribution: &mut Contribution,
    step: &Stepping<'_>,
) -> Result<()> {
    let mut values: SmallVec<[Value; 4]> = SmallVec::new();
    for expr in group {
        let value = expr.eval(row, step.cx)?;
        encode_key(&mut contribution.group, &value);
        values.push(value);
    }
    represent(&mut contribution.representation, &values)
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
            self.places.get(&**key).copied()
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

    fn read(&self, key: &Key, step: &Stepping<'_>) -> Result<Touched> {
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
            match step.attempt(state.row(key, calls, always_one))? {
                Ok(row) => (row, None),
                Err(error) => (None, Some(error)),
            }
        };
        Ok(Touched {
            key: key.clone(),
            stored,
            row_before,
            error_before,
            state,
            nets: Vec::new(),
        })
    }

    fn apply(
        &mut self,
        contribution: Contribution,
        weight: i64,
        step: &Stepping<'_>,
    ) -> Result<()> {
        let place = self.place_of(&contribution.group, step)?;
        let Some(touched) = self.touched.get_mut(place) else {
            return Ok(());
        };
        if contribution.failing.is_some() {
            touched.state.failing += weight;
            return Ok(());
        }
        touched.state.count(&contribution.representation, weight);
        let accumulators = touched.state.accumulators.iter_mut();
        let arguments = contribution.arguments.into_iter();
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
            always_one,
            ..
        } = self.spec;
        self.touched.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        let mut output = ZSet::with_capacity(self.touched.len());
        let mut scratch = Vec::new();
        for mut touched in self.touched {
            if let Some(values) = values
                && !touched.nets.is_empty()
            {
                let nets = std::mem::take(&mut touched.nets);
                settle(values, &touched.key, calls, nets, &mut touched.state, step)
                    .map_err(|error| locate(error, values, &touched.key))?;
            }
            let stored = touched.state.encode(&mut scratch)?;
            if stored != touched.stored {
                step.store
                    .put(storage, touched.key.clone(), touched.stored, stored);
            }
            let row = touched.state.row(&touched.key, calls, always_one);
            let (after, error_after) = match step.attempt(row)? {
                Ok(row) => (row, None),
                Err(error) => (None, Some(error)),
            };
            step.record_of(
                ErrorSubject::Output,
                &touched.key,
                touched.error_before,
                error_after,
            );
            let before = touched.row_before;
            let changed = match (&before, &after) {
                (None, None) => false,
                (Some(before), Some(after)) => !rows_identical(before, after),
                _ => true,
            };
            if changed {
                output.push(Delta {
                    key: touched.key,
                    before,
                    after,
                });
            }
        }
        Ok(output)
    }
}
