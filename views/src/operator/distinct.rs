//! Distinct: different rows, each once: an aggregate by all columns without calls, in both gears.
//! Of equal rows the one with the least representation is shown.

use tailwater_proto::StorageId;

use super::RowSource;
use super::aggregate::AggregateSource;
use super::aggregate::step::{Spec, step as step_groups};
use crate::context::ExecContext;
use crate::error::Result;
use crate::expr::Expr;
use crate::step::Stepping;
use crate::zset::ZSet;

/// The group expressions of a distinct over so many columns.
fn group_of(columns: usize) -> Vec<Expr> {
    (0..columns).map(Expr::Column).collect()
}

/// Different rows of `input`, which has so many columns.
pub(crate) fn open(
    input: Box<dyn RowSource>,
    columns: usize,
    cx: &ExecContext,
) -> Box<dyn RowSource> {
    Box::new(AggregateSource::new(
        input,
        group_of(columns),
        Vec::new(),
        cx,
    ))
}

/// The change of the different rows.
pub(crate) fn step(input: ZSet, state: StorageId, step: &mut Stepping<'_>) -> Result<ZSet> {
    let columns = input
        .first()
        .and_then(|delta| delta.before.as_ref().or(delta.after.as_ref()))
        .map_or(0, |row| row.len());
    let spec = Spec {
        group: &group_of(columns),
        calls: &[],
        state,
        values: None,
        always_one: false,
    };
    step_groups(input, spec, step)
}
