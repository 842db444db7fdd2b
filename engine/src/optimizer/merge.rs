//! Rule `merge_projections`: a projection of a projection is one, and one that changes nothing is none.
//!
//! Nothing is evaluated more often than before: an expression that costs something is taken over only where the
//! outer projection uses it once.

use tailwater_views::{Expr, Plan};

use super::Context;
use super::predicate::{is_cheap, is_volatile, substitute};
use super::rewrite::{map_inputs, width};

pub(super) fn run(plan: Plan, _: &Context<'_>) -> Plan {
    merge(plan)
}

fn merge(plan: Plan) -> Plan {
    match map_inputs(plan, &mut merge) {
        Plan::Project {
            input,
            exprs,
            fields,
        } => {
            let (input, exprs) = match *input {
                Plan::Project {
                    input: inner,
                    exprs: below,
                    ..
                } if may_merge(&exprs, &below) => {
                    let exprs = exprs.iter().map(|expr| substitute(expr, &below)).collect();
                    (inner, exprs)
                }
                other => (Box::new(other), exprs),
            };
            if is_identity(&exprs, width(&input)) {
                *input
            } else {
                Plan::Project {
                    input,
                    exprs,
                    fields,
                }
            }
        }
        other => other,
    }
}

fn is_identity(exprs: &[Expr], input_width: usize) -> bool {
    exprs.len() == input_width
        && exprs
            .iter()
            .enumerate()
            .all(|(place, expr)| *expr == Expr::Column(place))
}

fn may_merge(above: &[Expr], below: &[Expr]) -> bool {
    let mut uses = vec![0_usize; below.len()];
    for expr in above {
        expr.walk(&mut |part| {
            if let Expr::Column(position) = part
                && let Some(count) = uses.get_mut(*position)
            {
                *count += 1;
            }
        });
    }
    below
        .iter()
        .zip(uses)
        .all(|(expr, uses)| is_cheap(expr) || (uses <= 1 && !is_volatile(expr)))
}
