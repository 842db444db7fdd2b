//! The optimizer: a bound plan becomes an equal one that reads less and holds less.
//!
//! One rule a file, one table of rules, run once in order. A rule may remove errors that the plan as written would
//! have met on rows it would drop anyway; it never adds one: what can fail is not moved below what drops rows. It
//! reads the catalog and row counts, no rows. The result is evaluated by `tailwater_views`, shown by `explain`.

mod cardinality;
mod fold;
mod join_order;
mod lookup;
mod merge;
mod order;
mod outer;
mod path;
mod paths;
mod predicate;
mod prune;
mod pushdown;
mod rewrite;
mod sarg;
#[cfg(test)]
mod tests;

use tailwater_proto::StorageId;
use tailwater_views::Plan;

use crate::catalog::Catalog;

/// What is known of the data.
pub(crate) trait Statistics {
    /// About how many rows a table or view has.
    fn rows(&self, storage: StorageId) -> u64;
}

/// What the plan is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    /// Evaluated once over a snapshot.
    Query,
    /// Compiled into a dataflow, which has its own ways to rows: no access paths, no join strategies, and only what
    /// does not depend on how much data there is now.
    View,
}

/// What rules may look at.
struct Context<'a> {
    catalog: &'a Catalog,
    stats: &'a dyn Statistics,
    target: Target,
}

/// One rewriting of a plan into an equal one.
struct Rule {
    /// As the tests of plans list it.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "only tests ask which rules applied")
    )]
    name: &'static str,
    /// Whether it is for evaluated plans only.
    query_only: bool,
    run: fn(Plan, &Context<'_>) -> Plan,
}

/// All rules in the order they run in.
const RULES: &[Rule] = &[
    Rule {
        name: "fold_constants",
        query_only: false,
        run: fold::run,
    },
    Rule {
        name: "merge_projections",
        query_only: false,
        run: merge::run,
    },
    Rule {
        name: "push_down_predicates",
        query_only: false,
        run: pushdown::run,
    },
    Rule {
        name: "order_joins",
        query_only: false,
        run: join_order::run,
    },
    Rule {
        name: "merge_projections",
        query_only: false,
        run: merge::run,
    },
    Rule {
        name: "prune_columns",
        query_only: false,
        run: prune::run,
    },
    Rule {
        name: "choose_paths",
        query_only: true,
        run: paths::run,
    },
    Rule {
        name: "prune_columns",
        query_only: true,
        run: prune::run,
    },
    Rule {
        name: "merge_projections",
        query_only: true,
        run: merge::run,
    },
];

/// The plan to be evaluated instead of `plan`: the same rows, in the same order where it sorts, under the same
/// output columns.
#[must_use]
pub(crate) fn optimize(plan: Plan, catalog: &Catalog, stats: &dyn Statistics) -> Plan {
    let cx = Context {
        catalog,
        stats,
        target: Target::Query,
    };
    run_rules(plan, &cx, &mut |_| ())
}

/// The very plan, but that no operator yields a column which nothing reads.
#[must_use]
pub(crate) fn without_unread(plan: Plan, catalog: &Catalog, stats: &dyn Statistics) -> Plan {
    let cx = Context {
        catalog,
        stats,
        target: Target::Query,
    };
    prune::run(plan, &cx)
}

/// The plan to be compiled into a view's dataflow instead of `plan`: joins have their equalities, predicates stand
/// at their sources, and no column is carried that nothing reads. Scans keep reading everything.
#[must_use]
pub(crate) fn optimize_view(plan: Plan, catalog: &Catalog) -> Plan {
    /// A view outlives what is counted when it is made.
    struct NoStatistics;
    impl Statistics for NoStatistics {
        fn rows(&self, _: StorageId) -> u64 {
            0
        }
    }
    let cx = Context {
        catalog,
        stats: &NoStatistics,
        target: Target::View,
    };
    run_rules(plan, &cx, &mut |_| ())
}

/// As `optimize`, with the names of the rules that changed something, in order, each once.
#[cfg(test)]
#[must_use]
pub(crate) fn optimize_traced(
    plan: Plan,
    catalog: &Catalog,
    stats: &dyn Statistics,
) -> (Plan, Vec<&'static str>) {
    let cx = Context {
        catalog,
        stats,
        target: Target::Query,
    };
    let mut before = plan.clone();
    let mut applied: Vec<&'static str> = Vec::new();
    let mut names = cx.rules().map(|rule| rule.name);
    let plan = run_rules(plan, &cx, &mut |after| {
        if let Some(name) = names.next()
            && *after != before
        {
            before = after.clone();
            if !applied.contains(&name) {
                applied.push(name);
            }
        }
    });
    (plan, applied)
}

impl Context<'_> {
    fn rules(&self) -> impl Iterator<Item = &'static Rule> {
        let target = self.target;
        RULES
            .iter()
            .filter(move |rule| target == Target::Query || !rule.query_only)
    }
}

fn run_rules(plan: Plan, cx: &Context<'_>, after_each: &mut dyn FnMut(&Plan)) -> Plan {
    let fields = plan.fields();
    let mut plan = plan;
    for rule in cx.rules() {
        plan = (rule.run)(plan, cx);
        after_each(&plan);
    }
    rewrite::rename(&mut plan, &fields);
    plan
}
