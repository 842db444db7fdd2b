//! Project: one output column an expression. Linear, and a change that leaves the output as it was ends here.
//! A row on which an expression fails is left out by a step, with its error; see `step`.

use tailwater_proto::{Row, Value};

use super::RowSource;
use crate::context::ExecContext;
use crate::error::Result;
use crate::expr::Expr;
use crate::identity::rows_identical;
use crate::step::{RowError, Stepping};
use crate::zset::{Delta, ZSet};

pub(crate) struct ProjectSource {
    pub(crate) input: Box<dyn RowSource>,
    pub(crate) exprs: Vec<Expr>,
    pub(crate) scratch: Vec<Value>,
}

impl RowSource for ProjectSource {
    fn next(&mut self, cx: &ExecContext) -> Result<Option<Row>> {
        let Some(row) = self.input.next(cx)? else {
            return Ok(None);
        };
        project(&self.exprs, &row, &mut self.scratch, cx)?;
        Ok(Some(self.scratch.drain(..).collect()))
    }
}

/// Evaluates all expressions into `output`, replacing what it holds.
pub(crate) fn project(
    exprs: &[Expr],
    row: &[Value],
    output: &mut Vec<Value>,
    cx: &ExecContext,
) -> Result<()> {
    output.clear();
    for expr in exprs {
        output.push(expr.eval(row, cx)?);
    }
    Ok(())
}

/// The change of the projected rows.
pub(crate) fn step(input: ZSet, exprs: &[Expr], step: &mut Stepping<'_>) -> Result<ZSet> {
    let mut output = ZSet::with_capacity(input.len());
    let mut scratch = Vec::with_capacity(exprs.len());
    for Delta { key, before, after } in input {
        let (before, error_before) = project_row(exprs, before, &mut scratch, step)?;
        let (after, error_after) = project_row(exprs, after, &mut scratch, step)?;
        step.record(&key, error_before, error_after);
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

fn project_row(
    exprs: &[Expr],
    row: Option<Row>,
    scratch: &mut Vec<Value>,
    step: &Stepping<'_>,
) -> Result<(Option<Row>, Option<RowError>)> {
    let Some(row) = row else {
        return Ok((None, None));
    };
    match step.attempt(project(exprs, &row, scratch, step.cx))? {
        Ok(()) => Ok((Some(scratch.drain(..).collect()), None)),
        Err(error) => Ok((None, Some(error))),
    }
}
