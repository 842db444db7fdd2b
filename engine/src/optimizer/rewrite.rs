//! Walking plans: what every rule does to inputs it has no business with.

use tailwater_proto::EcoString;
use tailwater_views::plan::{Field, Plan};
use tailwater_views::{Expr, plan::SortKey};

/// The plan with each direct input replaced through `map`.
pub(super) fn map_inputs(plan: Plan, map: &mut dyn FnMut(Plan) -> Plan) -> Plan {
    match plan {
        Plan::Values { .. } | Plan::Series(_) | Plan::Scan(_) => plan,
        Plan::Filter { input, predicate } => Plan::Filter {
            input: Box::new(map(*input)),
            predicate,
        },
        Plan::Project {
            input,
            exprs,
            fields,
        } => Plan::Project {
            input: Box::new(map(*input)),
            exprs,
            fields,
        },
        Plan::Join(mut join) => {
            join.left = map(join.left);
            join.right = map(join.right);
            Plan::Join(join)
        }
        Plan::Aggregate {
            input,
            group,
            calls,
            fields,
        } => Plan::Aggregate {
            input: Box::new(map(*input)),
            group,
            calls,
            fields,
        },
        Plan::Distinct { input } => Plan::Distinct {
            input: Box::new(map(*input)),
        },
        Plan::UnionAll { inputs, fields } => Plan::UnionAll {
            inputs: inputs.into_iter().map(map).collect(),
            fields,
        },
        Plan::Sort { input, keys } => Plan::Sort {
            input: Box::new(map(*input)),
            keys,
        },
        Plan::Limit {
            input,
            limit,
            offset,
        } => Plan::Limit {
            input: Box::new(map(*input)),
            limit,
            offset,
        },
    }
}

/// Calls `visit` on each expression that stands in the plan's root itself.
pub(super) fn for_each_expr_mut(plan: &mut Plan, visit: &mut dyn FnMut(&mut Expr)) {
    match plan {
        Plan::Scan(_) | Plan::Distinct { .. } | Plan::UnionAll { .. } => {}
        Plan::Values { rows, .. } => rows.iter_mut().flatten().for_each(visit),
        Plan::Series(series) => {
            visit(&mut series.start);
            visit(&mut series.stop);
            visit(&mut series.step);
        }
        Plan::Filter { predicate, .. } => visit(predicate),
        Plan::Project { exprs, .. } => exprs.iter_mut().for_each(visit),
        Plan::Join(join) => {
            for (left, right) in &mut join.equal {
                visit(left);
                visit(right);
            }
            join.residual.iter_mut().for_each(visit);
        }
        Plan::Aggregate { group, calls, .. } => {
            group.iter_mut().for_each(&mut *visit);
            for call in calls {
                call.argument.iter_mut().for_each(&mut *visit);
                call.filter.iter_mut().for_each(&mut *visit);
            }
        }
        Plan::Sort { keys, .. } => keys.iter_mut().for_each(|key| visit(&mut key.expr)),
        Plan::Limit { limit, offset, .. } => {
            limit.iter_mut().for_each(&mut *visit);
            offset.iter_mut().for_each(visit);
        }
    }
}

/// How many columns the plan yields.
pub(super) fn width(plan: &Plan) -> usize {
    match plan {
        Plan::Values { fields, .. }
        | Plan::Project { fields, .. }
        | Plan::Aggregate { fields, .. }
        | Plan::UnionAll { fields, .. } => fields.len(),
        Plan::Series(series) => series.fields.len(),
        Plan::Scan(scan) => scan.columns.len(),
        Plan::Filter { input, .. }
        | Plan::Distinct { input }
        | Plan::Sort { input, .. }
        | Plan::Limit { input, .. } => width(input),
        Plan::Join(join) => width(&join.left) + width(&join.right),
    }
}

/// Gives the output columns these names and types, without another operator.
pub(super) fn rename(plan: &mut Plan, to: &[Field]) {
    match plan {
        Plan::Values { fields, .. }
        | Plan::Project { fields, .. }
        | Plan::Aggregate { fields, .. }
        | Plan::UnionAll { fields, .. } => fields.clone_from_slice(to),
        Plan::Series(series) => series.fields.clone_from_slice(to),
        Plan::Scan(scan) => scan.fields.clone_from_slice(to),
        Plan::Filter { input, .. }
        | Plan::Distinct { input }
        | Plan::Sort { input, .. }
        | Plan::Limit { input, .. } => rename(input, to),
        Plan::Join(join) => {
            let (left, right) = to.split_at(width(&join.left));
            rename(&mut join.left, left);
            rename(&mut join.right, right);
        }
    }
}

/// No rows under these columns.
pub(super) fn empty(fields: Vec<Field>) -> Plan {
    Plan::Values {
        rows: Vec::new(),
        fields,
    }
}

/// Whether it is known that there are no rows.
pub(super) fn is_empty(plan: &Plan) -> bool {
    matches!(plan, Plan::Values { rows, .. } if rows.is_empty())
}

/// The input under a filter, or the input itself without a predicate.
pub(super) fn filter(input: Plan, predicate: Option<Expr>) -> Plan {
    match predicate {
        None => input,
        Some(predicate) => Plan::Filter {
            input: Box::new(input),
            predicate,
        },
    }
}

/// A projection that picks the input's columns at `positions`.
pub(super) fn pick(input: Plan, positions: &[usize]) -> Plan {
    let of_input = input.fields();
    let fields = positions
        .iter()
        .map(|position| {
            of_input.get(*position).cloned().unwrap_or(Field {
                name: EcoString::new(),
                ty: tailwater_proto::SqlType::Any,
                spread: false,
            })
        })
        .collect();
    Plan::Project {
        input: Box::new(input),
        exprs: positions.iter().copied().map(Expr::Column).collect(),
        fields,
    }
}

/// The sort keys with each expression replaced through `map`, or `None` if one cannot be.
pub(super) fn map_keys(
    keys: &[SortKey],
    map: &dyn Fn(&Expr) -> Option<Expr>,
) -> Option<Vec<SortKey>> {
    keys.iter()
        .map(|key| {
            Some(SortKey {
                expr: map(&key.expr)?,
                ..key.clone()
            })
        })
        .collect()
}
