//! Rule `push_down_predicates`: each condition stands as near to its table as it may, equalities of two sides become
//! join keys, and an outer join whose missing rows are dropped anyway becomes an inner one (`outer`).
//!
//! Conditions that cannot fail are *safe* and move freely. Those that can keep their order (*levels*, each a filter
//! of its own, so that a NULL below does not meet an error above) and pass only what neither drops nor joins rows.

use tailwater_views::expr::CompareOp;
use tailwater_views::plan::{Field, Join, JoinKind, JoinStrategy};
use tailwater_views::{Expr, Plan};

use super::Context;
use super::outer::drops_missing_rows;
use super::predicate::{
    conjunction, conjuncts_of, is_infallible, is_volatile, lowered, substitute,
};
use super::rewrite::{filter, map_inputs, width};

pub(super) fn run(plan: Plan, _: &Context<'_>) -> Plan {
    push(plan, Pending::default())
}

/// Conditions on their way down, over the columns of the plan they have reached.
#[derive(Default)]
struct Pending {
    /// Cannot fail; below all levels.
    safe: Vec<Expr>,
    /// Can fail: one filter each, the lowest first.
    levels: Vec<Vec<Expr>>,
}

impl Pending {
    fn safe(safe: Vec<Expr>) -> Self {
        Self {
            safe,
            levels: Vec::new(),
        }
    }

    /// The conditions as filters on top of `plan`.
    fn apply(self, plan: Plan) -> Plan {
        let plan = filter(plan, conjunction(self.safe));
        self.levels
            .into_iter()
            .fold(plan, |plan, level| filter(plan, conjunction(level)))
    }
}

/// The plan with the conditions applied, as deep as they may go.
fn push(plan: Plan, mut pending: Pending) -> Plan {
    match plan {
        Plan::Filter { input, predicate } => {
            let fields = input.fields();
            let (mut safe, level) = divide(conjuncts_of(Some(predicate)), &fields);
            safe.append(&mut pending.safe);
            if !level.is_empty() {
                pending.levels.insert(0, level);
            }
            pending.safe = safe;
            push(*input, pending)
        }
        Plan::Project {
            input,
            exprs,
            fields,
        } => {
            let (down, stay) = through_project(pending, &exprs, &input.fields());
            stay.apply(Plan::Project {
                input: Box::new(push(*input, down)),
                exprs,
                fields,
            })
        }
        Plan::Join(join) if join.strategy == JoinStrategy::Hash => push_join(*join, pending),
        Plan::Aggregate {
            input,
            group,
            calls,
            fields,
        } => {
            let of_input = input.fields();
            let movable: Vec<bool> = group
                .iter()
                .map(|expr| is_infallible(expr, &of_input) && !is_volatile(expr))
                .collect();
            let (down, stay): (Vec<_>, Vec<_>) = pending.safe.into_iter().partition(|conjunct| {
                !group.is_empty()
                    && conjunct
                        .columns()
                        .iter()
                        .all(|place| movable.get(*place).copied().unwrap_or(false))
            });
            let down = down
                .iter()
                .map(|conjunct| substitute(conjunct, &group))
                .collect();
            let plan = Plan::Aggregate {
                input: Box::new(push(*input, Pending::safe(down))),
                group,
                calls,
                fields,
            };
            Pending {
                safe: stay,
                levels: pending.levels,
            }
            .apply(plan)
        }
        Plan::Distinct { input } => {
            let input = push(*input, Pending::safe(std::mem::take(&mut pending.safe)));
            pending.apply(Plan::Distinct {
                input: Box::new(input),
            })
        }
        Plan::UnionAll { inputs, fields } => Plan::UnionAll {
            inputs: inputs
                .into_iter()
                .map(|input| {
                    let each = Pending {
                        safe: pending.safe.clone(),
                        levels: pending.levels.clone(),
                    };
                    push(input, each)
                })
                .collect(),
            fields,
        },
        Plan::Sort { input, keys } => Plan::Sort {
            input: Box::new(push(*input, pending)),
            keys,
        },
        other @ (Plan::Values { .. }
        | Plan::Series(_)
        | Plan::Scan(_)
        | Plan::Limit { .. }
        | Plan::Join(_)) => pending.apply(map_inputs(other, &mut |input| {
            push(input, Pending::default())
        })),
    }
}

/// Conditions that cannot fail, and those that can.
fn divide(conjuncts: Vec<Expr>, fields: &[Field]) -> (Vec<Expr>, Vec<Expr>) {
    conjuncts
        .into_iter()
        .partition(|conjunct| is_infallible(conjunct, fields))
}

/// What goes below a projection, in the input's columns, and what stays above it. A level goes only if everything
/// that was below it goes too.
fn through_project(pending: Pending, exprs: &[Expr], input: &[Field]) -> (Pending, Pending) {
    let movable: Vec<bool> = exprs
        .iter()
        .map(|expr| is_infallible(expr, input) && !is_volatile(expr))
        .collect();
    let may_go = |conjunct: &Expr| {
        conjunct
            .columns()
            .iter()
            .all(|place| movable.get(*place).copied().unwrap_or(false))
    };
    let (mut down, mut stay) = (Pending::default(), Pending::default());
    for conjunct in pending.safe {
        if may_go(&conjunct) {
            down.safe.push(substitute(&conjunct, exprs));
        } else {
            stay.safe.push(conjunct);
        }
    }
    let mut blocked = !stay.safe.is_empty();
    for level in pending.levels {
        blocked = blocked || !level.iter().all(may_go);
        if blocked {
            stay.levels.push(level);
        } else {
            let level = level.iter().map(|conjunct| substitute(conjunct, exprs));
            down.levels.push(level.collect());
        }
    }
    (down, stay)
}

/// Where the conditions of a join belong.
#[derive(Default)]
struct Sides {
    left: Vec<Expr>,
    right: Vec<Expr>,
    equal: Vec<(Expr, Expr)>,
    both: Vec<Expr>,
}

impl Sides {
    /// Finds the place of one condition of an inner join; `boundary`: the left's width.
    fn place(&mut self, conjunct: Expr, boundary: usize) {
        let columns = conjunct.columns();
        if columns.iter().all(|column| *column < boundary) {
            self.left.push(conjunct);
        } else if columns.iter().all(|column| *column >= boundary) {
            self.right.push(lowered(conjunct, boundary));
        } else {
            self.place_between(conjunct, boundary);
        }
    }

    /// Finds the place of a condition on both sides.
    fn place_between(&mut self, conjunct: Expr, boundary: usize) {
        match equality(conjunct, boundary) {
            Ok(pair) => {
                if !self.equal.contains(&pair) {
                    self.equal.push(pair);
                }
            }
            Err(conjunct) => self.both.push(conjunct),
        }
    }
}

/// An equality of the two sides: an expression over each, else the condition as it was.
pub(super) fn equality(conjunct: Expr, boundary: usize) -> Result<(Expr, Expr), Expr> {
    let Expr::Compare {
        op: CompareOp::Equal,
        left,
        right,
    } = conjunct
    else {
        return Err(conjunct);
    };
    let (of_left, of_right) = (left.columns(), right.columns());
    let before = |columns: &[usize]| columns.last().is_some_and(|last| *last < boundary);
    let after = |columns: &[usize]| columns.first().is_some_and(|first| *first >= boundary);
    if before(&of_left) && after(&of_right) {
        Ok((*left, lowered(*right, boundary)))
    } else if before(&of_right) && after(&of_left) {
        Ok((*right, lowered(*left, boundary)))
    } else {
        Err(Expr::Compare {
            op: CompareOp::Equal,
            left,
            right,
        })
    }
}

fn push_join(mut join: Join, pending: Pending) -> Plan {
    let boundary = width(&join.left);
    let mut fields = join.left.fields();
    fields.extend(join.right.fields());
    let conditions = || pending.safe.iter().chain(pending.levels.iter().flatten());
    if join.kind == JoinKind::Left
        && conditions().any(|conjunct| drops_missing_rows(conjunct, boundary))
    {
        join.kind = JoinKind::Inner;
    }
    let (on, fallible) = divide(conjuncts_of(join.residual.take()), &fields);
    let mut sides = Sides {
        equal: std::mem::take(&mut join.equal),
        ..Sides::default()
    };
    let mut stay = Vec::new();
    match join.kind {
        JoinKind::Inner => {
            for conjunct in on.into_iter().chain(pending.safe) {
                sides.place(conjunct, boundary);
            }
        }
        JoinKind::Left => {
            for conjunct in on {
                let columns = conjunct.columns();
                if columns.iter().all(|column| *column >= boundary) {
                    sides.right.push(lowered(conjunct, boundary));
                } else if columns.iter().all(|column| *column < boundary) {
                    sides.both.push(conjunct);
                } else {
                    sides.place_between(conjunct, boundary);
                }
            }
            for conjunct in pending.safe {
                if conjunct.columns().iter().all(|column| *column < boundary) {
                    sides.left.push(conjunct);
                } else {
                    stay.push(conjunct);
                }
            }
        }
    }
    sides.both.extend(fallible);
    join.left = push(join.left, Pending::safe(sides.left));
    join.right = push(join.right, Pending::safe(sides.right));
    join.equal = sides.equal;
    join.residual = conjunction(sides.both);
    Pending {
        safe: stay,
        levels: pending.levels,
    }
    .apply(Plan::Join(Box::new(join)))
}
