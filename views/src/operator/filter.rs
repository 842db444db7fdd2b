//! Filter: rows for which a predicate is TRUE. Linear: a change of the input is a change of the output or nothing.
//! A row on which the predicate fails is left out by a step, with its error; see `step`.

use tailwater_proto::Row;

use super::RowSource;
use crate::context::ExecContext;
use crate::error::Result;
use crate::expr::Expr;
use crate::step::Stepping;
use crate::zset::{Delta, ZSet};

pub(crate) struct FilterSource {
    pub(crate) input: Box<dyn RowSource>,
    pub(crate) predicate: Expr,
}

impl RowSource for FilterSource {
    fn next(&mut self, cx: &ExecContext) -> Result<Option<Row>> {
        while let Some(row) = self.input.next(cx)? {
            if self.predicate.test(&row, cx)? {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }
}

/// The change of the rows for which the predicate is TRUE.
pub(crate) fn step(mut input: ZSet, predicate: &Expr, step: &mut Stepping<'_>) -> Result<ZSet> {
    let mut kept = 0;
    for place in 0..input.len() {
        let Some(Delta { key, before, after }) = input.get_mut(place) else {
            break;
        };
        let error_before = keep(predicate, before, step)?;
        let error_after = keep(predicate, after, step)?;
        let any = before.is_some() || after.is_some();
        step.record(key, error_before, error_after);
        if any {
            input.swap(kept, place);
            kept += 1;
        }
    }
    input.truncate(kept);
    Ok(input)
}

/// Takes the row out unless the predicate is TRUE on it.
fn keep(
    predicate: &Expr,
    row: &mut Option<Row>,
    step: &Stepping<'_>,
) -> Result<Option<crate::step::RowError>> {
    let Some(values) = row else {
        return Ok(None);
    };
    match step.attempt(predicate.test(values, step.cx))? {
        Ok(true) => Ok(None),
        Ok(false) => {
            *row = None;
            Ok(None)
        }
        Err(error) => {
            *row = None;
            Ok(Some(error))
        }
    }
}
