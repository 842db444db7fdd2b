//! Lookups: the right input of a join read for each left row, through a key whose leading parts are join keys.

use tailwater_proto::Direction;
use tailwater_views::plan::{Access, Scan};
use tailwater_views::{Expr, Plan};

use super::Context;
use super::paths::{Wanted, choose, without};
use super::predicate::{conjunction, conjuncts_of, peeled, substitute};
use super::rewrite::filter;
use super::sarg::{Sarg, Test, sargs_of};

/// The right input with bounds over the left row, if a key of its scan is led by `equal`'s right expressions.
///
/// A right expression below conversions that keep order finds the same rows; the join checks its equalities anyway.
pub(super) fn lookup(right: &Plan, equal: &[(Expr, Expr)], cx: &Context<'_>) -> Option<Plan> {
    match right {
        Plan::Project {
            input,
            exprs,
            fields,
        } => {
            let equal: Vec<_> = equal
                .iter()
                .map(|(left, right)| (left.clone(), substitute(right, exprs)))
                .collect();
            Some(Plan::Project {
                input: Box::new(lookup(input, &equal, cx)?),
                exprs: exprs.clone(),
                fields: fields.clone(),
            })
        }
        Plan::Filter { input, predicate } => {
            if let Plan::Scan(scan) = &**input {
                return lookup_scan(scan, conjuncts_of(Some(predicate.clone())), equal, cx);
            }
            let input = lookup(input, equal, cx)?;
            Some(filter(input, Some(predicate.clone())))
        }
        Plan::Scan(scan) => lookup_scan(scan, Vec::new(), equal, cx),
        Plan::Values { .. }
        | Plan::Series(_)
        | Plan::Join(_)
        | Plan::Aggregate { .. }
        | Plan::Distinct { .. }
        | Plan::UnionAll { .. }
        | Plan::Sort { .. }
        | Plan::Limit { .. } => None,
    }
}

fn lookup_scan(
    scan: &Scan,
    conjuncts: Vec<Expr>,
    equal: &[(Expr, Expr)],
    cx: &Context<'_>,
) -> Option<Plan> {
    if scan.access != Access::All(Direction::Forward) {
        return None;
    }
    let mut sargs = sargs_of(&conjuncts, &scan.fields);
    // Join keys first: a constant on the same part is then checked by the filter.
    let of_join = equal.iter().map(|(left, right)| Sarg {
        place: peeled(right, &scan.fields).clone(),
        test: Test::Equal(left.clone()),
        replaces: None,
        of_left: true,
    });
    sargs.splice(0..0, of_join);
    let (scan, replaced, _) = choose(scan, &sargs, &Wanted::default(), cx, true)?;
    let rest = without(conjuncts, &replaced);
    Some(filter(Plan::Scan(scan), conjunction(rest)))
}
