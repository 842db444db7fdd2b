//! Guesses: how many rows a plan yields and how many it touches on the way, from row counts and the shape of
//! conditions alone. Good for telling thousands from one, not for more.

use tailwater_proto::Value;
use tailwater_views::expr::{CompareOp, Literal};
use tailwater_views::plan::{Access, JoinKind, JoinStrategy, KeyBounds, Scan, Series};
use tailwater_views::{Expr, Plan};

use super::Context;
use super::path::keys_of;

/// Share of rows an equality keeps.
const EQUALITY: f64 = 0.05;
/// Share of rows one end of a range keeps.
const HALF_RANGE: f64 = 0.33;
/// Rows touched for positioning one range of a key.
const SEEK: f64 = 3.0;
/// What it costs to go from an index entry to its row, beside the entry.
const FETCH: f64 = 1.0;
/// What it costs to put a row into a hash table, beside reading it.
const BUILD: f64 = 1.0;

/// A guess.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Estimate {
    /// Rows yielded.
    pub(super) rows: f64,
    /// Rows touched, hashed and looked up.
    pub(super) work: f64,
}

#[expect(clippy::cast_precision_loss, reason = "guesses need no last digit")]
fn number(count: usize) -> f64 {
    count as f64
}

/// Literal numbers tell how many rows there are; anything else is taken for a thousand.
fn of_series(series: &Series) -> Estimate {
    let literal = |expr: &Expr| match expr {
        Expr::Literal(literal) => literal.0.as_int(),
        _ => None,
    };
    let rows = match (
        literal(&series.start),
        literal(&series.stop),
        literal(&series.step),
    ) {
        (Some(start), Some(stop), Some(step)) if step != 0 => {
            ((stop as f64 - start as f64) / step as f64 + 1.0).max(0.0)
        }
        _ => 1_000.0,
    };
    Estimate { rows, work: 0.0 }
}

/// A guess at the plan as it stands.
pub(super) fn estimate(plan: &Plan, cx: &Context<'_>) -> Estimate {
    match plan {
        Plan::Values { rows, .. } => Estimate {
            rows: number(rows.len()),
            work: 0.0,
        },
        Plan::Series(series) => of_series(series),
        Plan::Scan(scan) => of_scan(scan, cx),
        Plan::Filter { input, predicate } => {
            let input = estimate(input, cx);
            Estimate {
                rows: input.rows * selectivity(predicate),
                ..input
            }
        }
        Plan::Project { input, .. } => estimate(input, cx),
        Plan::Join(join) => {
            let (left, right) = (estimate(&join.left, cx), estimate(&join.right, cx));
            match join.strategy {
                JoinStrategy::Lookup => Estimate {
                    rows: left.rows * right.rows.max(at_least_one(join.kind)),
                    work: left.work + left.rows * right.work,
                },
                JoinStrategy::Hash => {
                    let pairs = if join.equal.is_empty() {
                        left.rows * right.rows
                    } else {
                        left.rows.max(right.rows).min(left.rows * right.rows)
                    };
                    let kept = join.residual.as_ref().map_or(1.0, selectivity);
                    Estimate {
                        rows: (pairs * kept).max(left.rows * at_least_one(join.kind)),
                        work: left.work + right.work + right.rows * BUILD + pairs,
                    }
                }
            }
        }
        Plan::Aggregate { input, group, .. } => {
            let input = estimate(input, cx);
            let rows = if group.is_empty() {
                1.0
            } else {
                input.rows / 10.0
            };
            Estimate { rows, ..input }
        }
        Plan::Distinct { input } | Plan::Sort { input, .. } => estimate(input, cx),
        Plan::UnionAll { inputs, .. } => inputs.iter().map(|input| estimate(input, cx)).fold(
            Estimate::default(),
            |sum, input| Estimate {
                rows: sum.rows + input.rows,
                work: sum.work + input.work,
            },
        ),
        Plan::Limit { input, limit, .. } => {
            let input = estimate(input, cx);
            match limit {
                Some(Expr::Literal(Literal(Value::Int(most)))) => {
                    let most = usize::try_from(*most).map_or(0.0, number);
                    Estimate {
                        rows: input.rows.min(most),
                        ..input
                    }
                }
                _ => input,
            }
        }
    }
}

/// An outer join yields each left row at least once.
const fn at_least_one(kind: JoinKind) -> f64 {
    match kind {
        JoinKind::Inner => 0.0,
        JoinKind::Left => 1.0,
    }
}

fn of_scan(scan: &Scan, cx: &Context<'_>) -> Estimate {
    #[expect(clippy::cast_precision_loss, reason = "guesses need no last digit")]
    let all = cx.stats.rows(scan.storage) as f64;
    match &scan.access {
        Access::All(_) => Estimate {
            rows: all,
            work: all,
        },
        Access::Ranges { index, ranges, .. } => {
            let storage = index.map(|index| index.storage);
            let keys = keys_of(scan, cx.catalog);
            let unique_parts = keys
                .iter()
                .find(|key| key.index.map(|index| index.storage) == storage)
                .filter(|key| key.unique)
                .map(|key| key.own_parts);
            let rows: f64 = ranges
                .iter()
                .map(|range| of_range(range, all, unique_parts))
                .sum();
            let fetch = if index.is_some() { 1.0 + FETCH } else { 1.0 };
            Estimate {
                rows,
                work: rows * fetch + number(ranges.len()) * SEEK,
            }
        }
    }
}

fn of_range(range: &KeyBounds, all: f64, unique_parts: Option<usize>) -> f64 {
    if unique_parts.is_some_and(|parts| range.equal.len() >= parts) {
        return all.min(1.0);
    }
    let mut rows = all;
    for _ in &range.equal {
        // Who makes an index on it has many different values in it.
        rows = rows.sqrt();
    }
    for _ in range.lower.iter().chain(&range.upper) {
        rows *= HALF_RANGE;
    }
    rows.max(all.min(1.0))
}

fn selectivity(predicate: &Expr) -> f64 {
    match predicate {
        Expr::And(operands) => operands.iter().map(selectivity).product(),
        Expr::Or(operands) => operands.iter().map(selectivity).sum::<f64>().min(1.0),
        Expr::Compare {
            op: CompareOp::Equal,
            ..
        } => EQUALITY,
        Expr::InList { list, .. } => (EQUALITY * number(list.len())).min(1.0),
        Expr::Compare {
            op: CompareOp::NotEqual,
            ..
        } => 0.9,
        _ => HALF_RANGE,
    }
}
