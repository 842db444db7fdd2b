//! Opens a plan over a snapshot: a tree of row sources in the shape of the plan. What SELECT runs.
//!
//! Nothing is read before the first row is asked for, except the numbers of LIMIT and the bounds of scans.

use std::sync::Arc;

use crate::context::ExecContext;
use crate::error::Result;
use crate::operator::RowSource;
use crate::operator::aggregate::AggregateSource;
use crate::operator::distinct;
use crate::operator::filter::FilterSource;
use crate::operator::join::hash::HashJoin;
use crate::operator::join::lookup::LookupJoin;
use crate::operator::limit::{LimitSource, Stretch};
use crate::operator::project::ProjectSource;
use crate::operator::scan::ScanSource;
use crate::operator::series::SeriesSource;
use crate::operator::sort::SortSource;
use crate::operator::union::UnionSource;
use crate::operator::values::ValuesSource;
use crate::plan::{JoinStrategy, Plan};
use crate::store::Reader;

/// The rows of `plan` over the image `reader` shows.
///
/// # Errors
/// When a bound or a LIMIT fails to evaluate, or a plan is not well formed.
pub fn open(plan: &Plan, reader: Arc<dyn Reader>, cx: &ExecContext) -> Result<Box<dyn RowSource>> {
    open_reaching(plan, &reader, cx, None)
}

/// As [`open`], when only the first `reach` rows are asked for.
fn open_reaching(
    plan: &Plan,
    reader: &Arc<dyn Reader>,
    cx: &ExecContext,
    reach: Option<u64>,
) -> Result<Box<dyn RowSource>> {
    Ok(match plan {
        Plan::Values { rows, .. } => Box::new(ValuesSource {
            rows: rows.clone().into_iter(),
        }),
        Plan::Series(series) => Box::new(SeriesSource::open(series, cx)?),
        Plan::Scan(scan) => Box::new(ScanSource::open(scan, Arc::clone(reader), cx)?),
        Plan::Filter { input, predicate } => Box::new(FilterSource {
            input: open_reaching(input, reader, cx, None)?,
            predicate: predicate.clone(),
        }),
        Plan::Project { input, exprs, .. } => Box::new(ProjectSource {
            input: open_reaching(input, reader, cx, reach)?,
            exprs: exprs.clone(),
            scratch: Vec::new(),
        }),
        Plan::Join(join) => {
            let left = open_reaching(&join.left, reader, cx, None)?;
            match join.strategy {
                JoinStrategy::Hash => Box::new(HashJoin::new(
                    left,
                    open_reaching(&join.right, reader, cx, None)?,
                    join.right.fields().len(),
                    join.kind,
                    join.equal.clone(),
                    join.residual.clone(),
                    cx,
                )),
                JoinStrategy::Lookup => Box::new(LookupJoin::new(left, join, Arc::clone(reader))?),
            }
        }
        Plan::Aggregate {
            input,
            group,
            calls,
            ..
        } => Box::new(AggregateSource::new(
            open_reaching(input, reader, cx, None)?,
            group.clone(),
            calls.clone(),
            cx,
        )),
        Plan::Distinct { input } => {
            let columns = input.fields().len();
            distinct::open(open_reaching(input, reader, cx, None)?, columns, cx)
        }
        Plan::UnionAll { inputs, .. } => Box::new(UnionSource {
            inputs: inputs
                .iter()
                .rev()
                .map(|input| open_reaching(input, reader, cx, None))
                .collect::<Result<_>>()?,
        }),
        Plan::Sort { input, keys } => Box::new(SortSource::new(
            open_reaching(input, reader, cx, None)?,
            keys.clone(),
            reach,
            cx,
        )),
        Plan::Limit {
            input,
            limit,
            offset,
        } => {
            let stretch = Stretch::eval(limit.as_ref(), offset.as_ref(), cx)?;
            let reach = match (stretch.reach(), reach) {
                (Some(own), Some(outer)) => Some(own.min(outer.saturating_add(stretch.skip))),
                (own, None) => own,
                (None, Some(outer)) => Some(outer.saturating_add(stretch.skip)),
            };
            Box::new(LimitSource {
                input: open_reaching(input, reader, cx, reach)?,
                stretch,
            })
        }
    })
}
