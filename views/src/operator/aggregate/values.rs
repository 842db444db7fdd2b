//! The values of MIN, MAX and DISTINCT calls in order, each with how often it is there.
//!
//! An entry's key: group, call (one byte), value (descending for MAX, so the best one is always first), then what the
//! key bytes lose of it (`aggregate::representation`). Its bytes: the count. Read only where a best or an only value
//! may have left.

use std::sync::Arc;

use tailwater_proto::key_codec::{KeyOrder, encode_key_in, key_part_len};
use tailwater_proto::{Key, KeyRange, StorageId, Value};

use super::state::GroupState;
use crate::aggregate::codec::{Reader, Writer, damaged};
use crate::aggregate::representation::{represent_value, value_of};
use crate::aggregate::{Accumulator, AggregateCall, AggregateFunction};
use crate::error::Result;
use crate::identity::values_identical;
use crate::step::Stepping;
use crate::store::Image;

/// A value that comes (weight 1) or goes (-1) for one call of a group.
pub(super) struct Net {
    pub(super) call: u8,
    pub(super) value: Value,
    pub(super) weight: i64,
}

/// A value's entry and how its count changes in this step.
struct Change {
    call: u8,
    /// Length of group, call and value in the entry: what equal values share.
    equal_len: usize,
    entry: Key,
    value: Value,
    weight: i64,
}

const fn order_of(function: AggregateFunction) -> KeyOrder {
    match function {
        AggregateFunction::Max => KeyOrder::Descending,
        AggregateFunction::Count
        | AggregateFunction::Sum
        | AggregateFunction::Avg
        | AggregateFunction::Min => KeyOrder::Ascending,
    }
}

/// Stages the new counts, and brings the accumulators of the calls up to date.
pub(super) fn settle(
    storage: StorageId,
    group: &Key,
    calls: &[AggregateCall],
    nets: Vec<Net>,
    state: &mut GroupState,
    step: &mut Stepping<'_>,
) -> Result<()> {
    let mut changes = Vec::with_capacity(nets.len());
    for net in nets {
        if let Some(call) = calls.get(usize::from(net.call)) {
            changes.push(change_of(group, call.function, net)?);
        }
    }
    changes.sort_by(|a, b| a.entry.cmp(&b.entry));
    changes.dedup_by(|next, kept| {
        let same = next.entry == kept.entry;
        if same {
            kept.weight += next.weight;
        }
        same
    });
    changes.retain(|change| change.weight != 0);
    for changes in changes.chunk_by(|a, b| a.call == b.call) {
        let Some(number) = changes.first().map(|change| usize::from(change.call)) else {
            continue;
        };
        let (Some(call), Some(accumulator)) =
            (calls.get(number), state.accumulators.get_mut(number))
        else {
            continue;
        };
        match accumulator {
            Accumulator::Least(best) | Accumulator::Greatest(best) => {
                settle_best(storage, group, call.function, changes, best, step)?;
            }
            Accumulator::Count(_) | Accumulator::Sum(_) | Accumulator::Mean(_) => {
                for equal in changes.chunk_by(|a, b| equal_part(a) == equal_part(b)) {
                    settle_distinct(storage, call.function, equal, accumulator, step)?;
                }
            }
        }
    }
    Ok(())
}

fn equal_part(change: &Change) -> Option<&[u8]> {
    change.entry.get(..change.equal_len)
}

fn change_of(group: &Key, function: AggregateFunction, net: Net) -> Result<Change> {
    let mut entry = group.clone();
    entry.push(net.call);
    encode_key_in(&mut entry, &net.value, order_of(function));
    let equal_len = entry.len();
    let mut representation = Vec::new();
    represent_value(&mut representation, &net.value)?;
    entry.extend(&representation);
    Ok(Change {
        call: net.call,
        equal_len,
        entry,
        value: net.value,
        weight: net.weight,
    })
}

/// Stages an entry's new count; returns it and the old one.
fn stage(storage: StorageId, change: &Change, step: &mut Stepping<'_>) -> Result<(i64, i64)> {
    let stored = step.store.get(Image::After, storage, &change.entry)?;
    let old = match &stored {
        None => 0,
        Some(bytes) => Reader::new(bytes).int()?,
    };
    let new = old + change.weight;
    if new < 0 {
        return Err(damaged());
    }
    let bytes: Option<Arc<[u8]>> = (new > 0).then(|| {
        let mut bytes = Vec::with_capacity(2);
        Writer::new(&mut bytes).int(new);
        bytes.into()
    });
    step.store.put(storage, change.entry.clone(), stored, bytes);
    Ok((old, new))
}

/// The first entry that starts with `prefix`.
fn first(storage: StorageId, prefix: &[u8], step: &Stepping<'_>) -> Result<Option<Key>> {
    let mut found = None;
    let range = KeyRange::prefix(Key::from(prefix));
    step.store
        .scan(Image::After, storage, range, &mut |key, _| {
            found = Some(Key::from(key));
            Ok(false)
        })?;
    Ok(found)
}

/// The value of an entry whose value part begins at `start`.
fn value_at(entry: &[u8], start: usize, function: AggregateFunction) -> Result<Value> {
    let order = order_of(function);
    let rest = entry.get(start..).ok_or_else(damaged)?;
    let len = key_part_len(rest, order).map_err(|_| damaged())?;
    let (part, representation) = rest.split_at_checked(len).ok_or_else(damaged)?;
    value_of(part, order, representation)
}

/// MIN and MAX: the first entry is the best value.
fn settle_best(
    storage: StorageId,
    group: &Key,
    function: AggregateFunction,
    changes: &[Change],
    best: &mut Option<Value>,
    step: &mut Stepping<'_>,
) -> Result<()> {
    let call = changes.first().map_or(0, |change| change.call);
    let held = match best {
        None => None,
        Some(value) => {
            let value = value.clone();
            let weight = 0;
            Some(
                change_of(
                    group,
                    function,
                    Net {
                        call,
                        value,
                        weight,
                    },
                )?
                .entry,
            )
        }
    };
    let mut lost = false;
    let mut better: Option<&Change> = None;
    for change in changes {
        let (old, new) = stage(storage, change, step)?;
        if new == 0 {
            lost |= held.as_ref() == Some(&change.entry);
        } else if old == 0 && better.is_none() && held.as_ref().is_none_or(|h| change.entry < *h) {
            // Changes ascend: the first is the best.
            better = Some(change);
        }
    }
    if let Some(change) = better {
        *best = Some(change.value.clone());
    } else if lost {
        let mut prefix = group.clone();
        prefix.push(call);
        *best = first(storage, &prefix, step)?
            .map(|entry| value_at(&entry, prefix.len(), function))
            .transpose()?;
    }
    Ok(())
}

/// DISTINCT: of equal values the first entry counts, once.
fn settle_distinct(
    storage: StorageId,
    function: AggregateFunction,
    changes: &[Change],
    accumulator: &mut Accumulator,
    step: &mut Stepping<'_>,
) -> Result<()> {
    let Some(change) = changes.first() else {
        return Ok(());
    };
    let prefix = equal_part(change).ok_or_else(damaged)?;
    // The value's start: the end of group and call. Values are read back from their whole entries.
    let start = value_start(change)?;
    let shown = |step: &Stepping<'_>| -> Result<Option<Value>> {
        first(storage, prefix, step)?
            .map(|entry| value_at(&entry, start, function))
            .transpose()
    };
    let before = shown(step)?;
    for change in changes {
        stage(storage, change, step)?;
    }
    let after = shown(step)?;
    let same = match (&before, &after) {
        (Some(before), Some(after)) => values_identical(before, after),
        (None, None) => true,
        _ => false,
    };
    if !same {
        if let Some(value) = before {
            accumulator.add_weighted(&value, -1);
        }
        if let Some(value) = after {
            accumulator.add_weighted(&value, 1);
        }
    }
    Ok(())
}

/// Where the value part of a change's entry begins.
fn value_start(change: &Change) -> Result<usize> {
    let mut part = Key::new();
    encode_key_in(&mut part, &change.value, KeyOrder::Ascending);
    change.equal_len.checked_sub(part.len()).ok_or_else(damaged)
}
