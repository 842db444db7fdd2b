//! Rule `order_joins`: a chain of inner joins is joined in an order in which each next input is connected to those
//! before it by an equality where there is one, the smallest first. Output columns keep their places.
//!
//! For views every input counts alike, so the order as written is kept where it is connected.

use tailwater_views::plan::{Join, JoinKind, JoinStrategy};
use tailwater_views::{Expr, Plan};

use super::cardinality::estimate;
use super::paths::{Wanted, plan_paths};
use super::predicate::{conjunction, conjuncts_of, is_infallible, raised};
use super::pushdown::equality;
use super::rewrite::{filter, map_inputs, pick, width};
use super::{Context, Target};

/// Inputs beyond this many stay as they are written: the search is quadratic.
const INPUTS_MAX: usize = 64;

/// One input of a chain.
struct Leaf {
    plan: Plan,
    /// Its columns among those of the chain as written.
    columns: std::ops::Range<usize>,
    /// About how many rows it yields.
    rows: f64,
}

pub(super) fn run(plan: Plan, cx: &Context<'_>) -> Plan {
    if !is_chain(&plan) {
        return map_inputs(plan, &mut |input| run(input, cx));
    }
    if count_leaves(&plan) < 3 || count_leaves(&plan) > INPUTS_MAX {
        return map_inputs(plan, &mut |input| run(input, cx));
    }
    let fields = plan.fields();
    let mut leaves = Vec::new();
    let mut conditions = Vec::new();
    flatten(plan, 0, &mut leaves, &mut conditions, cx);
    let (safe, fallible): (Vec<_>, Vec<_>) = conditions
        .into_iter()
        .partition(|condition| is_infallible(condition, &fields));
    let order = choose_order(&leaves, &safe);
    let (joined, places) = build(leaves, &order, safe);
    let restored = if places.iter().enumerate().all(|(old, new)| old == *new) {
        joined
    } else {
        pick(joined, &places)
    };
    filter(restored, conjunction(fallible))
}

fn is_chain(plan: &Plan) -> bool {
    matches!(plan, Plan::Join(join)
        if join.kind == JoinKind::Inner && join.strategy == JoinStrategy::Hash)
}

fn count_leaves(plan: &Plan) -> usize {
    match plan {
        Plan::Join(join) if is_chain(plan) => count_leaves(&join.left) + count_leaves(&join.right),
        _ => 1,
    }
}

/// Takes a chain apart: inputs in order, and all conditions over the columns of the whole chain.
fn flatten(
    plan: Plan,
    offset: usize,
    leaves: &mut Vec<Leaf>,
    conditions: &mut Vec<Expr>,
    cx: &Context<'_>,
) {
    match plan {
        Plan::Join(join) if join.kind == JoinKind::Inner && join.strategy == JoinStrategy::Hash => {
            let boundary = offset + width(&join.left);
            for (left, right) in join.equal {
                conditions.push(Expr::Compare {
                    op: tailwater_views::expr::CompareOp::Equal,
                    left: Box::new(raised(left, offset)),
                    right: Box::new(raised(right, boundary)),
                });
            }
            for conjunct in conjuncts_of(join.residual) {
                conditions.push(raised(conjunct, offset));
            }
            flatten(join.left, offset, leaves, conditions, cx);
            flatten(join.right, boundary, leaves, conditions, cx);
        }
        leaf => {
            let plan = run(leaf, cx);
            let rows = match cx.target {
                Target::View => 1.0,
                Target::Query => {
                    estimate(&plan_paths(plan.clone(), &Wanted::default(), cx).plan, cx).rows
                }
            };
            leaves.push(Leaf {
                columns: offset..offset + width(&plan),
                plan,
                rows,
            });
        }
    }
}

/// Positions in `leaves`, in joining order: the smallest, then always the smallest connected one.
fn choose_order(leaves: &[Leaf], conditions: &[Expr]) -> Vec<usize> {
    // For each equality: which inputs it reads.
    let links: Vec<Vec<usize>> = conditions
        .iter()
        .filter(|condition| {
            matches!(
                condition,
                Expr::Compare {
                    op: tailwater_views::expr::CompareOp::Equal,
                    ..
                }
            )
        })
        .map(|condition| {
            let columns = condition.columns();
            let reads = |leaf: &Leaf| columns.iter().any(|column| leaf.columns.contains(column));
            (0..leaves.len())
                .filter(|place| leaves.get(*place).is_some_and(reads))
                .collect()
        })
        .collect();
    let mut order: Vec<usize> = Vec::with_capacity(leaves.len());
    while order.len() < leaves.len() {
        let is_connected = |place: usize| {
            links.iter().any(|link| {
                link.len() > 1
                    && link.contains(&place)
                    && link
                        .iter()
                        .all(|other| *other == place || order.contains(other))
            })
        };
        let next = leaves
            .iter()
            .enumerate()
            .filter(|(place, _)| !order.contains(place))
            .min_by(|(a, leaf_a), (b, leaf_b)| {
                is_connected(*b)
                    .cmp(&is_connected(*a))
                    .then(leaf_a.rows.total_cmp(&leaf_b.rows))
                    .then(a.cmp(b))
            });
        match next {
            Some((place, _)) => order.push(place),
            None => break,
        }
    }
    order
}

/// Joins in that order, each condition as early as its columns are there; and for each column of the chain as
/// written its place in the result.
fn build(leaves: Vec<Leaf>, order: &[usize], conditions: Vec<Expr>) -> (Plan, Vec<usize>) {
    let total = leaves.iter().map(|leaf| leaf.columns.len()).sum();
    let mut places: Vec<Option<usize>> = vec![None; total];
    let mut leaves: Vec<Option<Leaf>> = leaves.into_iter().map(Some).collect();
    let mut open = conditions;
    let mut joined: Option<Plan> = None;
    let mut taken = 0;
    for place in order {
        let Some(leaf) = leaves.get_mut(*place).and_then(Option::take) else {
            continue;
        };
        let boundary = taken;
        for column in leaf.columns {
            if let Some(slot) = places.get_mut(column) {
                *slot = Some(taken);
            }
            taken += 1;
        }
        let Some(left) = joined.take() else {
            joined = Some(leaf.plan);
            continue;
        };
        let is_ready = |condition: &Expr| {
            let columns = condition.columns();
            columns
                .iter()
                .all(|column| places.get(*column).is_some_and(Option::is_some))
        };
        let (ready, rest): (Vec<_>, Vec<_>) = open.into_iter().partition(is_ready);
        open = rest;
        let (mut equal, mut residual) = (Vec::new(), Vec::new());
        for mut condition in ready {
            condition
                .map_columns(&|column| places.get(column).copied().flatten().unwrap_or(column));
            match equality(condition, boundary) {
                Ok(pair) => equal.push(pair),
                Err(condition) => residual.push(condition),
            }
        }
        joined = Some(Plan::Join(Box::new(Join {
            kind: JoinKind::Inner,
            left,
            right: leaf.plan,
            equal,
            residual: conjunction(residual),
            strategy: JoinStrategy::Hash,
        })));
    }
    let places = places.into_iter().flatten().collect();
    let joined = joined.unwrap_or_else(|| super::rewrite::empty(Vec::new()));
    (joined, places)
}
