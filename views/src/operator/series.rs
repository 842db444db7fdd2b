//! Series: values in equal steps. As literal rows they never change.

use std::cmp::Ordering;

use tailwater_proto::{Interval, Row, SqlType, Value, sqlstate};

use super::RowSource;
use crate::context::ExecContext;
use crate::error::{Error, Result};
use crate::expr::{ArithmeticOp, arithmetic};
use crate::plan::Series;

/// Rows between two looks at the deadline.
const ROWS_UNCHECKED: u32 = 256;

pub(crate) struct SeriesSource {
    next: Option<Value>,
    stop: Value,
    step: Value,
    ty: SqlType,
    /// What the step has as zero's place: `Greater` goes up.
    direction: Ordering,
    rows: u32,
}

impl SeriesSource {
    /// # Errors
    /// When an expression fails, or the step is zero.
    pub(crate) fn open(series: &Series, cx: &ExecContext) -> Result<Self> {
        let start = series.start.eval(&[], cx)?;
        let stop = series.stop.eval(&[], cx)?;
        let step = series.step.eval(&[], cx)?;
        let zero = match &step {
            Value::Interval(_) => Value::Interval(Interval::default()),
            _ => Value::Int(0),
        };
        let direction = step.cmp_total(&zero);
        if direction.is_eq() {
            return Err(Error::row(
                sqlstate::INVALID_PARAMETER_VALUE,
                "step size cannot equal zero",
            ));
        }
        let missing = start.is_null() || stop.is_null() || step.is_null();
        Ok(Self {
            next: (!missing).then_some(start),
            stop,
            step,
            ty: series
                .fields
                .first()
                .map_or(SqlType::Any, |field| field.ty.clone()),
            direction,
            rows: 0,
        })
    }
}

impl RowSource for SeriesSource {
    fn next(&mut self, cx: &ExecContext) -> Result<Option<Row>> {
        let Some(value) = self.next.take() else {
            return Ok(None);
        };
        if value.cmp_total(&self.stop) == self.direction {
            return Ok(None);
        }
        self.rows = self.rows.wrapping_add(1);
        if self.rows.is_multiple_of(ROWS_UNCHECKED) {
            cx.check()?;
        }
        // A value that does not exist is beyond the last one.
        self.next = arithmetic(ArithmeticOp::Add, &value, &self.step, &self.ty).ok();
        Ok(Some([value].into_iter().collect()))
    }
}
