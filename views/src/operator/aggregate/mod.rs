//! Aggregate: one row a group. Evaluated by hashing; stepped in `step` over the state kept in `state`.
//!
//! Groups are equal by value, not by kind; which row's values are shown is decided by `aggregate::representation`, and
//! groups come out in the order of their keys, as the rows of a view do. Without group columns there is always one.

use std::collections::HashMap;

use smallvec::SmallVec;
use tailwater_proto::key_codec::encode_key;
use tailwater_proto::{Key, Row, Value};

use super::RowSource;
use crate::aggregate::representation::{represent, represent_value};
use crate::aggregate::{Accumulator, AggregateCall, Representation};
use crate::context::ExecContext;
use crate::error::Result;
use crate::expr::Expr;
use crate::memory::{Reserved, value_bytes};

mod state;
pub(crate) mod step;
mod values;

/// Estimated bytes of a call's running value.
const ACCUMULATOR_BYTES: u64 = 64;

pub(crate) struct AggregateSource {
    input: Box<dyn RowSource>,
    group: Vec<Expr>,
    calls: Vec<AggregateCall>,
    groups: Option<std::vec::IntoIter<(Key, Group)>>,
    memory: Reserved,
}

/// One group while its rows are read.
struct Group {
    values: Box<[Value]>,
    representation: Representation,
    accumulators: SmallVec<[Accumulator; 4]>,
    /// For each DISTINCT call its values seen, the least representation of each.
    seen: Vec<HashMap<Key, (Representation, Value)>>,
}

impl Group {
    fn new(values: Box<[Value]>, calls: &[AggregateCall]) -> Self {
        Self {
            values,
            representation: Representation::new(),
            accumulators: calls
                .iter()
                .map(|call| Accumulator::new(call.function))
                .collect(),
            seen: Vec::new(),
        }
    }
}

impl AggregateSource {
    pub(crate) fn new(
        input: Box<dyn RowSource>,
        group: Vec<Expr>,
        calls: Vec<AggregateCall>,
        cx: &ExecContext,
    ) -> Self {
        Self {
            input,
            group,
            calls,
            groups: None,
            memory: Reserved::new(cx),
        }
    }

    fn read_input(&mut self, cx: &ExecContext) -> Result<Vec<(Key, Group)>> {
        let mut groups: HashMap<Key, Group> = HashMap::new();
        if self.group.is_empty() {
            groups.insert(Key::new(), Group::new(Box::default(), &self.calls));
        }
        let mut key = Key::new();
        let mut values = Vec::with_capacity(self.group.len());
        let mut representation = Representation::new();
        while let Some(row) = self.input.next(cx)? {
            key.truncate(0);
            values.clear();
            for expr in &self.group {
                let value = expr.eval(&row, cx)?;
                encode_key(&mut key, &value);
                values.push(value);
            }
            represent(&mut representation, &values)?;
            let group = match groups.get_mut(&*key) {
                Some(group) => {
                    if representation < group.representation {
                        group.values = values.as_slice().into();
                        group.representation.clone_from(&representation);
                    }
                    group
                }
                None => {
                    self.memory.grow_row(cx, key.len(), &values)?;
                    self.memory
                        .grow(cx, ACCUMULATOR_BYTES * self.calls.len() as u64)?;
                    let mut group = Group::new(values.as_slice().into(), &self.calls);
                    group.representation.clone_from(&representation);
                    groups.entry(key.clone()).or_insert(group)
                }
            };
            accumulate(group, &self.calls, &row, &mut self.memory, cx)?;
        }
        let mut groups: Vec<(Key, Group)> = groups.into_iter().collect();
        groups.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        Ok(groups)
    }
}

/// What a call sees of a row: `None` if FILTER or NULL leaves the row out.
pub(crate) fn argument_of(
    call: &AggregateCall,
    row: &[Value],
    cx: &ExecContext,
) -> Result<Option<Value>> {
    if let Some(filter) = &call.filter
        && !filter.test(row, cx)?
    {
        return Ok(None);
    }
    match &call.argument {
        None => Ok(Some(Value::Null)),
        Some(argument) => Ok(Some(argument.eval(row, cx)?).filter(|value| !value.is_null())),
    }
}

fn accumulate(
    group: &mut Group,
    calls: &[AggregateCall],
    row: &[Value],
    memory: &mut Reserved,
    cx: &ExecContext,
) -> Result<()> {
    let mut distinct = 0;
    for (call, accumulator) in calls.iter().zip(&mut group.accumulators) {
        let place = distinct;
        distinct += usize::from(call.counts_values_once());
        let Some(value) = argument_of(call, row, cx)? else {
            continue;
        };
        if !call.counts_values_once() {
            accumulator.add(&value)?;
            continue;
        }
        if group.seen.len() <= place {
            group.seen.resize_with(place + 1, HashMap::new);
        }
        let Some(seen) = group.seen.get_mut(place) else {
            continue;
        };
        let mut key = Key::new();
        encode_key(&mut key, &value);
        let mut representation = Representation::new();
        represent_value(&mut representation, &value)?;
        match seen.get_mut(&*key) {
            Some(held) => {
                if representation < held.0 {
                    *held = (representation, value);
                }
            }
            None => {
                memory.grow(cx, value_bytes(&value) + ACCUMULATOR_BYTES)?;
                seen.insert(key, (representation, value));
            }
        }
    }
    Ok(())
}

/// Adds the values of DISTINCT calls, then finishes every call.
fn finish(mut group: Group, calls: &[AggregateCall]) -> Result<Row> {
    let mut seen = group.seen.iter();
    for (call, accumulator) in calls.iter().zip(&mut group.accumulators) {
        if call.counts_values_once()
            && let Some(values) = seen.next()
        {
            for (_, value) in values.values() {
                accumulator.add(value)?;
            }
        }
    }
    let mut row = group.values.into_vec();
    for (call, accumulator) in calls.iter().zip(&group.accumulators) {
        row.push(accumulator.finish(call)?);
    }
    Ok(row.into())
}

impl RowSource for AggregateSource {
    fn next(&mut self, cx: &ExecContext) -> Result<Option<Row>> {
        let groups = match &mut self.groups {
            Some(groups) => groups,
            None => {
                let groups = self.read_input(cx)?.into_iter();
                self.groups.insert(groups)
            }
        };
        groups
            .next()
            .map(|(_, group)| finish(group, &self.calls))
            .transpose()
    }
}
