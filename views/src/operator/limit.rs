//! Limit: a stretch of the rows. Its two numbers are evaluated when it opens; a view cannot hold one yet.

use tailwater_proto::{Row, Value, sqlstate};

use super::RowSource;
use crate::context::ExecContext;
use crate::error::{Error, Result};
use crate::expr::Expr;

pub(crate) struct LimitSource {
    pub(crate) input: Box<dyn RowSource>,
    pub(crate) stretch: Stretch,
}

/// How many rows to leave out, and how many to return then.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stretch {
    pub(crate) skip: u64,
    pub(crate) take: Option<u64>,
}

impl Stretch {
    pub(crate) fn eval(
        limit: Option<&Expr>,
        offset: Option<&Expr>,
        cx: &ExecContext,
    ) -> Result<Self> {
        Ok(Self {
            skip: count(offset, "OFFSET", sqlstate::INVALID_ROW_COUNT_IN_OFFSET, cx)?.unwrap_or(0),
            take: count(limit, "LIMIT", sqlstate::INVALID_ROW_COUNT_IN_LIMIT, cx)?,
        })
    }

    /// How many rows of the input matter; `None`: all.
    pub(crate) fn reach(self) -> Option<u64> {
        self.take.map(|take| take.saturating_add(self.skip))
    }
}

/// The number an expression gives; NULL is none.
fn count(
    expr: Option<&Expr>,
    clause: &str,
    negative: &'static str,
    cx: &ExecContext,
) -> Result<Option<u64>> {
    let Some(expr) = expr else {
        return Ok(None);
    };
    let number = match expr.eval(&[], cx)? {
        Value::Null => return Ok(None),
        Value::Int(number) => number,
        Value::Real(number) => whole(f64::from(number), clause)?,
        Value::Double(number) => whole(number, clause)?,
        Value::Numeric(number) => {
            let rounded = number.with_scale_round(0, bigdecimal::RoundingMode::HalfUp);
            let (digits, _) = rounded.into_bigint_and_exponent();
            i64::try_from(digits).map_err(|_| out_of_range())?
        }
        other => {
            return Err(Error::row(
                sqlstate::DATATYPE_MISMATCH,
                format!(
                    "argument of {clause} must be a number, not {}",
                    other.kind_name()
                ),
            ));
        }
    };
    u64::try_from(number)
        .map(Some)
        .map_err(|_| Error::row(negative, format!("{clause} must not be negative")))
}

fn whole(number: f64, clause: &str) -> Result<i64> {
    let rounded = number.round_ties_even();
    if rounded.is_nan() {
        return Err(Error::row(
            sqlstate::DATATYPE_MISMATCH,
            format!("argument of {clause} must be a number"),
        ));
    }
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "the bounds are powers of two and checked here"
    )]
    if (i64::MIN as f64..-(i64::MIN as f64)).contains(&rounded) {
        Ok(rounded as i64)
    } else {
        Err(out_of_range())
    }
}

fn out_of_range() -> Error {
    Error::row(sqlstate::NUMERIC_VALUE_OUT_OF_RANGE, "bigint out of range")
}

impl RowSource for LimitSource {
    fn next(&mut self, cx: &ExecContext) -> Result<Option<Row>> {
        if let Some(left) = &mut self.stretch.take {
            if *left == 0 {
                return Ok(None);
            }
            *left -= 1;
        }
        while self.stretch.skip > 0 {
            self.stretch.skip -= 1;
            if self.input.next(cx)?.is_none() {
                return Ok(None);
            }
        }
        self.input.next(cx)
    }
}
