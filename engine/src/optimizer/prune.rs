//! Rule `prune_columns`: no operator yields a column that nothing above it reads, down to the columns a scan decodes.
//!
//! In views the inputs of a join are narrowed too, since what they yield may be kept as state.

use std::collections::BTreeSet;

use tailwater_views::plan::{Access, Join, Scan};
use tailwater_views::{Expr, Plan};

use super::rewrite::{pick, width};
use super::{Context, Target};

pub(super) fn run(plan: Plan, cx: &Context<'_>) -> Plan {
    let all = (0..width(&plan)).collect();
    prune(plan, &all, cx).plan
}

/// A pruned plan: its columns are those needed, in their order, and perhaps some others.
struct Pruned {
    plan: Plan,
    /// For each old column its new place, where it is still there.
    places: Vec<Option<usize>>,
}

impl Pruned {
    fn map(&self, expr: &mut Expr) {
        expr.map_columns(&|column| self.place(column));
    }

    /// The new place of a column that was needed.
    fn place(&self, column: usize) -> usize {
        self.places.get(column).copied().flatten().unwrap_or(column)
    }

    /// The plan with exactly the needed columns.
    fn narrowed(self, needed: &BTreeSet<usize>) -> Self {
        let positions: Vec<usize> = needed.iter().map(|column| self.place(*column)).collect();
        if positions.iter().copied().eq(0..width(&self.plan)) {
            return self;
        }
        Self {
            plan: pick(self.plan, &positions),
            places: places_of(needed, self.places.len()),
        }
    }
}

/// For each of `width` columns its place among the kept ones.
fn places_of(kept: &BTreeSet<usize>, width: usize) -> Vec<Option<usize>> {
    let mut places = vec![None; width];
    for (new, old) in kept.iter().enumerate() {
        if let Some(place) = places.get_mut(*old) {
            *place = Some(new);
        }
    }
    places
}

/// The elements whose positions are kept.
fn keep<T>(items: Vec<T>, kept: &BTreeSet<usize>) -> Vec<T> {
    items
        .into_iter()
        .enumerate()
        .filter(|(place, _)| kept.contains(place))
        .map(|(_, item)| item)
        .collect()
}

fn columns_of<'e>(exprs: impl IntoIterator<Item = &'e Expr>) -> BTreeSet<usize> {
    exprs.into_iter().flat_map(Expr::columns).collect()
}

fn prune(plan: Plan, needed: &BTreeSet<usize>, cx: &Context<'_>) -> Pruned {
    match plan {
        Plan::Values { rows, fields } => {
            let places = places_of(needed, fields.len());
            let rows = rows.into_iter().map(|row| keep(row, needed)).collect();
            let fields = keep(fields, needed);
            Pruned {
                plan: Plan::Values { rows, fields },
                places,
            }
        }
        // Its one column costs nothing.
        plan @ Plan::Series(_) => Pruned {
            plan,
            places: vec![Some(0)],
        },
        Plan::Scan(scan) => {
            let places = places_of(needed, scan.columns.len());
            let plan = Plan::Scan(Scan {
                columns: keep(scan.columns, needed),
                fields: keep(scan.fields, needed),
                ..scan
            });
            Pruned { plan, places }
        }
        Plan::Filter {
            input,
            mut predicate,
        } => {
            let mut wanted = needed.clone();
            wanted.extend(predicate.columns());
            let mut below = prune(*input, &wanted, cx);
            below.map(&mut predicate);
            below.plan = Plan::Filter {
                input: Box::new(below.plan),
                predicate,
            };
            below
        }
        Plan::Project {
            input,
            exprs,
            fields,
        } => {
            let places = places_of(needed, exprs.len());
            let mut exprs = keep(exprs, needed);
            let fields = keep(fields, needed);
            let below = prune(*input, &columns_of(&exprs), cx);
            exprs.iter_mut().for_each(|expr| below.map(expr));
            let plan = Plan::Project {
                input: Box::new(below.plan),
                exprs,
                fields,
            };
            Pruned { plan, places }
        }
        Plan::Join(join) => prune_join(*join, needed, cx),
        Plan::Aggregate {
            input,
            mut group,
            calls,
            fields,
        } => {
            let mut kept = needed.clone();
            kept.extend(0..group.len());
            let places = places_of(&kept, fields.len());
            let of_calls = kept
                .iter()
                .filter_map(|place| place.checked_sub(group.len()))
                .collect();
            let mut calls = keep(calls, &of_calls);
            let fields = keep(fields, &kept);
            let of_calls = calls
                .iter()
                .flat_map(|call| call.argument.iter().chain(&call.filter));
            let below = prune(*input, &columns_of(group.iter().chain(of_calls)), cx);
            group.iter_mut().for_each(|expr| below.map(expr));
            for call in &mut calls {
                call.argument.iter_mut().for_each(|expr| below.map(expr));
                call.filter.iter_mut().for_each(|expr| below.map(expr));
            }
            let plan = Plan::Aggregate {
                input: Box::new(below.plan),
                group,
                calls,
                fields,
            };
            Pruned { plan, places }
        }
        Plan::Distinct { input } => {
            let all = (0..width(&input)).collect();
            let mut below = prune(*input, &all, cx);
            below.plan = Plan::Distinct {
                input: Box::new(below.plan),
            };
            below
        }
        Plan::UnionAll { inputs, fields } => {
            let places = places_of(needed, fields.len());
            let inputs = inputs
                .into_iter()
                .map(|input| prune(input, needed, cx).narrowed(needed).plan)
                .collect();
            let fields = keep(fields, needed);
            Pruned {
                plan: Plan::UnionAll { inputs, fields },
                places,
            }
        }
        Plan::Sort { input, mut keys } => {
            let mut wanted = needed.clone();
            wanted.extend(columns_of(keys.iter().map(|key| &key.expr)));
            let mut below = prune(*input, &wanted, cx);
            keys.iter_mut().for_each(|key| below.map(&mut key.expr));
            below.plan = Plan::Sort {
                input: Box::new(below.plan),
                keys,
            };
            below
        }
        Plan::Limit {
            input,
            limit,
            offset,
        } => {
            let mut below = prune(*input, needed, cx);
            below.plan = Plan::Limit {
                input: Box::new(below.plan),
                limit,
                offset,
            };
            below
        }
    }
}

fn prune_join(mut join: Join, needed: &BTreeSet<usize>, cx: &Context<'_>) -> Pruned {
    let boundary = width(&join.left);
    let mut wanted = needed.clone();
    wanted.extend(columns_of(&join.residual));
    let mut left: BTreeSet<usize> = wanted.range(..boundary).copied().collect();
    let mut right: BTreeSet<usize> = wanted.range(boundary..).map(|c| c - boundary).collect();
    left.extend(columns_of(join.equal.iter().map(|(left, _)| left)));
    right.extend(columns_of(join.equal.iter().map(|(_, right)| right)));
    for_each_bound(&mut join.right, &mut |bound| left.extend(bound.columns()));

    let (mut left_below, mut right_below) =
        (prune(join.left, &left, cx), prune(join.right, &right, cx));
    if cx.target == Target::View {
        left_below = left_below.narrowed(&left);
        right_below = right_below.narrowed(&right);
    }
    let new_boundary = width(&left_below.plan);
    let places = left_below
        .places
        .iter()
        .copied()
        .chain(
            right_below
                .places
                .iter()
                .map(|place| place.map(|place| place + new_boundary)),
        )
        .collect();
    for (left, right) in &mut join.equal {
        left_below.map(left);
        right_below.map(right);
    }
    for_each_bound(&mut right_below.plan, &mut |bound| left_below.map(bound));
    join.left = left_below.plan;
    join.right = right_below.plan;
    let mut pruned = Pruned {
        plan: Plan::Values {
            rows: Vec::new(),
            fields: Vec::new(),
        },
        places,
    };
    join.residual.iter_mut().for_each(|expr| pruned.map(expr));
    pruned.plan = Plan::Join(Box::new(join));
    pruned
}

/// Calls `visit` on the bounds of the scan under filters and projections: over a left row, or over no columns.
fn for_each_bound(plan: &mut Plan, visit: &mut dyn FnMut(&mut Expr)) {
    match plan {
        Plan::Filter { input, .. } | Plan::Project { input, .. } => for_each_bound(input, visit),
        Plan::Scan(Scan {
            access: Access::Ranges { ranges, .. },
            ..
        }) => {
            for range in ranges {
                range.equal.iter_mut().for_each(&mut *visit);
                let interval = range.lower.iter_mut().chain(&mut range.upper);
                interval.for_each(|(bound, _)| visit(bound));
            }
        }
        _ => {}
    }
}
