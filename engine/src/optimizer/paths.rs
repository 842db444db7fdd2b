//! Rule `choose_paths`: how each scan finds its rows, how each join finds its matches, and which sorts are not needed
//! because rows come in that order already.
//!
//! Of the keys that answer something of a filter wins, in this order: one that finds a single row; the longest run of
//! equalities; a range; the asked order; the primary key before an index. Orders come down from sorts (`Wanted`).

use tailwater_proto::Direction;
use tailwater_views::plan::{Access, Join, JoinKind, JoinStrategy, Scan, SortKey};
use tailwater_views::{Expr, Plan};

use super::Context;
use super::cardinality::estimate;
use super::lookup::lookup;
use super::order::direction_for;
use super::path::{KeyPath, Match, access, keys_of, match_key};
use super::predicate::{conjunction, conjuncts_of, is_volatile, substitute};
use super::rewrite::{filter, map_inputs, map_keys, pick, width};
use super::sarg::{Sarg, sargs_of};

pub(super) fn run(plan: Plan, cx: &Context<'_>) -> Plan {
    plan_paths(plan, &Wanted::default(), cx).plan
}

/// What is asked of a plan beside its rows.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    /// The order, over the plan's columns; empty: any.
    keys: Vec<SortKey>,
    /// Whether reading may stop early, so that coming in order is worth going through an index.
    limited: bool,
}

/// A plan with its paths chosen.
pub(super) struct Planned {
    pub(super) plan: Plan,
    /// Whether its rows come in the wanted order.
    pub(super) ordered: bool,
}

impl Planned {
    fn map(self, map: impl FnOnce(Plan) -> Plan) -> Self {
        Self {
            plan: map(self.plan),
            ordered: self.ordered,
        }
    }
}

/// The plan with its paths chosen.
pub(super) fn plan_paths(plan: Plan, wanted: &Wanted, cx: &Context<'_>) -> Planned {
    match plan {
        Plan::Scan(scan) => plan_scan(scan, Vec::new(), wanted, cx),
        Plan::Filter { input, predicate } => match *input {
            Plan::Scan(scan) => plan_scan(scan, conjuncts_of(Some(predicate)), wanted, cx),
            input => plan_paths(input, wanted, cx).map(|input| filter(input, Some(predicate))),
        },
        Plan::Project {
            input,
            exprs,
            fields,
        } => {
            let keys = map_keys(&wanted.keys, &|key| {
                let key = substitute(key, &exprs);
                (!is_volatile(&key)).then_some(key)
            });
            let below = Wanted {
                keys: keys.unwrap_or_default(),
                limited: wanted.limited,
            };
            plan_paths(*input, &below, cx).map(|input| Plan::Project {
                input: Box::new(input),
                exprs,
                fields,
            })
        }
        Plan::Sort { input, keys } => {
            let below = Wanted {
                keys,
                limited: wanted.limited,
            };
            let Planned { plan, ordered } = plan_paths(*input, &below, cx);
            let is_wanted = below.keys.starts_with(&wanted.keys);
            Planned {
                plan: if ordered {
                    plan
                } else {
                    Plan::Sort {
                        input: Box::new(plan),
                        keys: below.keys,
                    }
                },
                ordered: is_wanted && !wanted.keys.is_empty(),
            }
        }
        Plan::Limit {
            input,
            limit,
            offset,
        } => {
            let below = Wanted {
                keys: Vec::new(),
                limited: limit.is_some(),
            };
            let input = Box::new(plan_paths(*input, &below, cx).plan);
            Planned {
                plan: Plan::Limit {
                    input,
                    limit,
                    offset,
                },
                ordered: false,
            }
        }
        Plan::Join(join) if join.strategy == JoinStrategy::Hash => plan_join(*join, wanted, cx),
        other @ (Plan::Values { .. }
        | Plan::Series(_)
        | Plan::Join(_)
        | Plan::Aggregate { .. }
        | Plan::Distinct { .. }
        | Plan::UnionAll { .. }) => Planned {
            plan: map_inputs(other, &mut |input| run(input, cx)),
            ordered: false,
        },
    }
}

/// A key, what it answers, and the direction that yields the wanted order, if one does.
struct Candidate<'k> {
    key: &'k KeyPath,
    found: Match,
    direction: Option<Direction>,
}

impl Candidate<'_> {
    /// The greatest wins.
    fn rank(&self) -> (bool, usize, usize, bool, bool) {
        (
            self.found.is_unique(self.key),
            self.found.constant.len(),
            self.found.ends,
            self.direction.is_some(),
            self.key.index.is_none(),
        )
    }
}

fn plan_scan(scan: Scan, conjuncts: Vec<Expr>, wanted: &Wanted, cx: &Context<'_>) -> Planned {
    if scan.access != Access::All(Direction::Forward) {
        return Planned {
            plan: filter(Plan::Scan(scan), conjunction(conjuncts)),
            ordered: false,
        };
    }
    let sargs = sargs_of(&conjuncts, &scan.fields);
    let Some((scan, replaced, ordered)) = choose(&scan, &sargs, wanted, cx, false) else {
        return Planned {
            plan: filter(Plan::Scan(scan), conjunction(conjuncts)),
            ordered: false,
        };
    };
    Planned {
        plan: filter(Plan::Scan(scan), conjunction(without(conjuncts, &replaced))),
        ordered,
    }
}

/// The conjuncts that are still to be checked.
pub(super) fn without(conjuncts: Vec<Expr>, replaced: &[usize]) -> Vec<Expr> {
    conjuncts
        .into_iter()
        .enumerate()
        .filter(|(number, _)| !replaced.contains(number))
        .map(|(_, conjunct)| conjunct)
        .collect()
}

/// The scan through its best key, the conjuncts that key answers, and whether rows come in the wanted order; `None`
/// if no key is better than reading everything. `for_lookup`: only keys with a bound of the left row count.
pub(super) fn choose(
    scan: &Scan,
    sargs: &[Sarg],
    wanted: &Wanted,
    cx: &Context<'_>,
    for_lookup: bool,
) -> Option<(Scan, Vec<usize>, bool)> {
    let keys = keys_of(scan, cx.catalog);
    let best = keys
        .iter()
        .map(|key| {
            let found = match_key(key, sargs);
            let direction = (!wanted.keys.is_empty())
                .then(|| direction_for(key, &found, &wanted.keys, &scan.fields))
                .flatten();
            Candidate {
                key,
                found,
                direction,
            }
        })
        .filter(|candidate| {
            let gives_order =
                candidate.direction.is_some() && (candidate.key.index.is_none() || wanted.limited);
            if for_lookup {
                candidate.found.of_left
            } else {
                candidate.found.narrows() || gives_order
            }
        })
        // The first of equals wins.
        .reduce(|best, next| {
            if next.rank() > best.rank() {
                next
            } else {
                best
            }
        })?;
    let direction = best.direction.unwrap_or(Direction::Forward);
    let ordered = best.direction.is_some();
    let mut scan = scan.clone();
    scan.access = access(best.key, best.found.ranges, direction);
    Some((scan, best.found.replaced, ordered))
}

fn plan_join(join: Join, wanted: &Wanted, cx: &Context<'_>) -> Planned {
    let boundary = width(&join.left);
    let of_left = wanted
        .keys
        .iter()
        .all(|key| key.expr.columns().iter().all(|column| *column < boundary));
    let left_wanted = Wanted {
        keys: if of_left {
            wanted.keys.clone()
        } else {
            Vec::new()
        },
        limited: wanted.limited,
    };
    let left = plan_paths(join.left.clone(), &left_wanted, cx);
    let ordered = left.ordered;
    let right = run(join.right.clone(), cx);
    let (of_left, of_right) = (estimate(&left.plan, cx), estimate(&right, cx));

    let (planned_left, planned_right) = (left.plan.clone(), right.clone());
    let mut best = Join {
        left: left.plan,
        right,
        strategy: JoinStrategy::Hash,
        ..join.clone()
    };
    let mut least = estimate(&Plan::Join(Box::new(best.clone())), cx).work;
    let mut is_turned = false;
    if let Some(right) = lookup(&join.right, &join.equal, cx) {
        let candidate = Join {
            right,
            strategy: JoinStrategy::Lookup,
            ..best.clone()
        };
        let work = estimate(&Plan::Join(Box::new(candidate.clone())), cx).work;
        // With nothing known a lookup is the choice that does not get worse when tables grow.
        if work <= least || of_right.rows == 0.0 {
            (best, least) = (candidate, work);
        }
    }
    if join.kind == JoinKind::Inner && !ordered {
        let turned = turn(&join);
        // The sides as planned above: planning them anew would double the work with each join below.
        let base = Join {
            left: planned_right,
            right: planned_left,
            strategy: JoinStrategy::Hash,
            ..turned.clone()
        };
        let by_lookup = lookup(&turned.right, &turned.equal, cx).map(|right| Join {
            right,
            strategy: JoinStrategy::Lookup,
            ..base.clone()
        });
        // Turning costs a projection of each row: it has to be clearly better.
        let hash = (of_left.rows * 2.0 < of_right.rows && !join.equal.is_empty()).then_some(base);
        for candidate in by_lookup.into_iter().chain(hash) {
            let work = estimate(&Plan::Join(Box::new(candidate.clone())), cx).work;
            if work * 1.2 < least {
                (best, least) = (candidate, work);
                is_turned = true;
            }
        }
    }
    let plan = Plan::Join(Box::new(best));
    if !is_turned {
        return Planned { plan, ordered };
    }
    let total = width(&plan);
    let right_width = total - boundary;
    let places: Vec<usize> = (right_width..total).chain(0..right_width).collect();
    Planned {
        plan: pick(plan, &places),
        ordered: false,
    }
}

/// The inner join with its sides exchanged.
fn turn(join: &Join) -> Join {
    let (boundary, right_width) = (width(&join.left), width(&join.right));
    Join {
        kind: join.kind,
        left: join.right.clone(),
        right: join.left.clone(),
        equal: join
            .equal
            .iter()
            .map(|(left, right)| (right.clone(), left.clone()))
            .collect(),
        residual: join.residual.clone().map(|mut residual| {
            residual.map_columns(&|column| {
                if column < boundary {
                    column + right_width
                } else {
                    column - boundary
                }
            });
            residual
        }),
        strategy: join.strategy.clone(),
    }
}
