//! Rule `fold_constants`: what is known before any row is read is computed once, conditions that are always true go,
//! and what can have no rows becomes a list of no rows.

use tailwater_proto::Value;
use tailwater_views::expr::{CompareOp, Literal};
use tailwater_views::plan::JoinKind;
use tailwater_views::{Expr, Plan};

use super::Context;
use super::predicate::{conjunction, conjuncts_of, is_volatile};
use super::rewrite::{empty, for_each_expr_mut, is_empty, map_inputs};

pub(super) fn run(plan: Plan, _: &Context<'_>) -> Plan {
    fold(plan)
}

fn fold(plan: Plan) -> Plan {
    let mut plan = map_inputs(plan, &mut fold);
    for_each_expr_mut(&mut plan, &mut |expr| {
        *expr = std::mem::replace(expr, Expr::And(Vec::new())).fold();
    });
    simplify(plan)
}

/// The condition as far as it is not decided; `Err` if it is TRUE for no row.
fn condition(condition: Expr) -> Result<Option<Expr>, Never> {
    let mut open = Vec::new();
    for conjunct in conjuncts_of(Some(condition)) {
        match conjunct {
            Expr::Literal(Literal(Value::Bool(true))) => {}
            Expr::Literal(_) => return Err(Never),
            Expr::Compare { left, right, .. } if is_null(&left) || is_null(&right) => {
                return Err(Never);
            }
            other => {
                let other = as_list(other);
                if is_volatile(&other) || !open.contains(&other) {
                    open.push(other);
                }
            }
        }
    }
    Ok(conjunction(open))
}

/// The condition is TRUE for no row.
struct Never;

fn is_null(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(Literal(Value::Null)))
}

/// `a = 1 OR a = 2` as `a IN (1, 2)`, which an index can answer.
fn as_list(expr: Expr) -> Expr {
    let Expr::Or(operands) = &expr else {
        return expr;
    };
    let mut asked: Option<&Expr> = None;
    let mut list = Vec::with_capacity(operands.len());
    for operand in operands {
        let (place, candidates) = match operand {
            Expr::Compare {
                op: CompareOp::Equal,
                left,
                right,
            } if right.columns().is_empty() => (&**left, std::slice::from_ref(&**right)),
            Expr::Compare {
                op: CompareOp::Equal,
                left,
                right,
            } if left.columns().is_empty() => (&**right, std::slice::from_ref(&**left)),
            Expr::InList { expr, list } => (&**expr, list.as_slice()),
            _ => return expr,
        };
        if asked.is_some_and(|other| other != place)
            || !matches!(place, Expr::Column(_) | Expr::Path { .. })
            || !candidates
                .iter()
                .all(|candidate| matches!(candidate, Expr::Literal(_) | Expr::Parameter(_)))
        {
            return expr;
        }
        asked = Some(place);
        list.extend_from_slice(candidates);
    }
    match asked {
        Some(place) => Expr::InList {
            expr: Box::new(place.clone()),
            list,
        },
        None => expr,
    }
}

fn simplify(plan: Plan) -> Plan {
    match plan {
        Plan::Filter { input, predicate } => match condition(predicate) {
            Ok(None) => *input,
            Ok(Some(_)) if is_empty(&input) => *input,
            Ok(Some(predicate)) => Plan::Filter { input, predicate },
            Err(Never) => empty(input.fields()),
        },
        Plan::Project { input, fields, .. } if is_empty(&input) => empty(fields),
        Plan::Distinct { input } | Plan::Sort { input, .. } | Plan::Limit { input, .. }
            if is_empty(&input) =>
        {
            *input
        }
        Plan::Limit {
            input,
            limit: Some(Expr::Literal(Literal(Value::Int(0)))),
            ..
        } => empty(input.fields()),
        Plan::Limit {
            input,
            limit: None,
            offset: None,
        } => *input,
        Plan::Aggregate {
            input,
            group,
            fields,
            ..
        } if is_empty(&input) && !group.is_empty() => empty(fields),
        Plan::Join(mut join) => {
            let nothing =
                is_empty(&join.left) || (join.kind == JoinKind::Inner && is_empty(&join.right));
            if nothing {
                return empty(Plan::Join(join).fields());
            }
            if let Some(residual) = join.residual.take() {
                match condition(residual) {
                    Ok(residual) => join.residual = residual,
                    Err(Never) if join.kind == JoinKind::Inner => {
                        return empty(Plan::Join(join).fields());
                    }
                    Err(Never) => {
                        join.residual = None;
                        join.right = empty(join.right.fields());
                    }
                }
            }
            Plan::Join(join)
        }
        Plan::UnionAll { mut inputs, fields } => {
            inputs.retain(|input| !is_empty(input));
            match inputs.len() {
                0 => empty(fields),
                1 => inputs.pop().unwrap_or_else(|| empty(fields)),
                _ => Plan::UnionAll { inputs, fields },
            }
        }
        other => other,
    }
}
