//! The step of a join: ΔA⋈B_before + A_after⋈ΔB, put together by pair.
//!
//! A pair both of whose rows change is met in both terms: first with the new left row and the old right one, then with
//! both new; it goes from what the first term found before to what the second finds after. So an update stays one entry,
//! and nothing is said of a pair that only passed through. The terms are exact only over true images: see `store`.

use std::collections::HashMap;

use tailwater_proto::{Key, Row};

use super::arrangement::{Arranged, Asked, stage};
use super::{join_key, paired};
use crate::dataflow::{Arrangement, JoinSide};
use crate::error::Result;
use crate::expr::Expr;
use crate::identity::rows_identical;
use crate::step::{ErrorSubject, RowError, Stepping};
use crate::store::Image;
use crate::zset::{Delta, ZSet};

/// A changed row of a side, where it has a join key.
struct Keyed {
    key: Key,
    before: Option<(Key, Row)>,
    after: Option<(Key, Row)>,
}

/// A pair of rows before and after.
struct Pair {
    key: Key,
    before: Option<(Row, Row)>,
    after: Option<(Row, Row)>,
}

/// The change of the matching pairs.
pub(crate) fn step(
    (left, left_changes): (&JoinSide, ZSet),
    (right, right_changes): (&JoinSide, ZSet),
    residual: Option<&Expr>,
    step: &mut Stepping<'_>,
) -> Result<ZSet> {
    let left_changes = keyed(left, left_changes, ErrorSubject::Input, step)?;
    let right_changes = keyed(right, right_changes, ErrorSubject::RightInput, step)?;
    let mut pairs = Vec::new();
    if !step.filling {
        // Filling, there was nothing before.
        let mut others = Arranged::new(right, left, Image::Before, left_changes.len());
        pair_up(Changed::Left, &left_changes, &mut others, &mut pairs, step)?;
    }
    let first_term = pairs.len();
    let mut others = Arranged::new(left, right, Image::After, right_changes.len());
    pair_up(
        Changed::Right,
        &right_changes,
        &mut others,
        &mut pairs,
        step,
    )?;
    consolidate(&mut pairs, first_term);
    finish(pairs, residual, step)
}

/// Brings the changes under their join keys, and stages them where the side is a copy.
fn keyed(
    side: &JoinSide,
    changes: ZSet,
    subject: ErrorSubject,
    step: &mut Stepping<'_>,
) -> Result<Vec<Keyed>> {
    let mut output = Vec::with_capacity(changes.len());
    for Delta { key, before, after } in changes {
        let (before, error_before) = keyed_row(side, before, step)?;
        let (after, error_after) = keyed_row(side, after, step)?;
        step.record_of(subject, &key, error_before, error_after);
        if before.is_none() && after.is_none() {
            continue;
        }
        if let Arrangement::State { storage } = side.arrangement {
            stage(storage, &key, before.as_ref(), after.as_ref(), step)?;
        }
        output.push(Keyed { key, before, after });
    }
    Ok(output)
}

type KeyedRow = (Option<(Key, Row)>, Option<RowError>);

fn keyed_row(side: &JoinSide, row: Option<Row>, step: &Stepping<'_>) -> Result<KeyedRow> {
    let Some(row) = row else {
        return Ok((None, None));
    };
    let mut key = Key::new();
    match step.attempt(join_key(&side.keys, &row, &mut key, step.cx))? {
        Ok(true) => Ok((Some((key, row)), None)),
        Ok(false) => Ok((None, None)),
        Err(error) => Ok((None, Some(error))),
    }
}

/// Which side's changes a term is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Changed {
    Left,
    Right,
}

/// Joins changed rows of one side with the rows of the other.
fn pair_up(
    changed: Changed,
    changes: &[Keyed],
    others: &mut Arranged<'_>,
    pairs: &mut Vec<Pair>,
    step: &Stepping<'_>,
) -> Result<()> {
    let rows = |own: &Row, other: &Row| match changed {
        Changed::Left => (own.clone(), other.clone()),
        Changed::Right => (other.clone(), own.clone()),
    };
    let pair_key = |own: &Key, other: &Key| {
        let (left, right) = match changed {
            Changed::Left => (own, other),
            Changed::Right => (other, own),
        };
        let mut key = left.clone();
        key.extend(right);
        key
    };
    for change in changes {
        let same_key = match (&change.before, &change.after) {
            (Some((before, _)), Some((after, _))) => before == after,
            _ => false,
        };
        if let Some((key, row)) = &change.before {
            for (other_key, other) in others.find(Asked { key, row }, step)?.iter() {
                let after = change.after.as_ref().filter(|_| same_key);
                pairs.push(Pair {
                    key: pair_key(&change.key, other_key),
                    before: Some(rows(row, other)),
                    after: after.map(|(_, row)| rows(row, other)),
                });
            }
        }
        if let Some((key, row)) = &change.after
            && !same_key
        {
            for (other_key, other) in others.find(Asked { key, row }, step)?.iter() {
                pairs.push(Pair {
                    key: pair_key(&change.key, other_key),
                    before: None,
                    after: Some(rows(row, other)),
                });
            }
        }
        step.cx.check()?;
    }
    Ok(())
}

/// Joins what both terms say of one pair.
fn consolidate(pairs: &mut Vec<Pair>, first_term: usize) {
    if first_term == 0 || first_term == pairs.len() {
        return;
    }
    let second_term = pairs.split_off(first_term);
    let places: HashMap<Key, usize> = pairs
        .iter()
        .enumerate()
        .map(|(place, pair)| (pair.key.clone(), place))
        .collect();
    for pair in second_term {
        match places
            .get(&*pair.key)
            .and_then(|place| pairs.get_mut(*place))
        {
            Some(first) => first.after = pair.after,
            None => pairs.push(pair),
        }
    }
}

/// Makes rows of the pairs that pass the residual condition.
fn finish(pairs: Vec<Pair>, residual: Option<&Expr>, step: &mut Stepping<'_>) -> Result<ZSet> {
    let mut output = ZSet::with_capacity(pairs.len());
    for Pair { key, before, after } in pairs {
        let (before, error_before) = joined(before, residual, step)?;
        let (after, error_after) = joined(after, residual, step)?;
        step.record_of(ErrorSubject::Output, &key, error_before, error_after);
        let changed = match (&before, &after) {
            (None, None) => false,
            (Some(before), Some(after)) => !rows_identical(before, after),
            _ => true,
        };
        if changed {
            output.push(Delta { key, before, after });
        }
    }
    Ok(output)
}

fn joined(
    rows: Option<(Row, Row)>,
    residual: Option<&Expr>,
    step: &Stepping<'_>,
) -> Result<(Option<Row>, Option<RowError>)> {
    let Some((left, right)) = rows else {
        return Ok((None, None));
    };
    let row = paired(&left, &right);
    let Some(residual) = residual else {
        return Ok((Some(row), None));
    };
    match step.attempt(residual.test(&row, step.cx))? {
        Ok(true) => Ok((Some(row), None)),
        Ok(false) => Ok((None, None)),
        Err(error) => Ok((None, Some(error))),
    }
}
