//! Values: literal rows. They never change: a dataflow sees them once, when it is filled, keyed by their number.

use tailwater_proto::key_codec::key_of;
use tailwater_proto::{Row, Value};

use super::RowSource;
use crate::context::ExecContext;
use crate::error::Result;
use crate::expr::Expr;
use crate::step::Stepping;
use crate::zset::{Delta, ZSet};

pub(crate) struct ValuesSource {
    pub(crate) rows: std::vec::IntoIter<Vec<Expr>>,
}

impl RowSource for ValuesSource {
    fn next(&mut self, cx: &ExecContext) -> Result<Option<Row>> {
        self.rows.next().map(|row| eval_row(&row, cx)).transpose()
    }
}

fn eval_row(exprs: &[Expr], cx: &ExecContext) -> Result<Row> {
    let values: Vec<Value> = exprs
        .iter()
        .map(|expr| expr.eval(&[], cx))
        .collect::<Result<_>>()?;
    Ok(values.into())
}

/// All rows, appearing.
pub(crate) fn fill(rows: &[Vec<Expr>], step: &mut Stepping<'_>) -> Result<ZSet> {
    let mut output = ZSet::with_capacity(rows.len());
    for (number, exprs) in (0_i64..).zip(rows) {
        let key = key_of([&Value::Int(number)]);
        match step.attempt(eval_row(exprs, step.cx))? {
            Ok(row) => output.push(Delta {
                key,
                before: None,
                after: Some(row),
            }),
            Err(error) => step.record(&key, None, Some(error)),
        }
    }
    Ok(output)
}
