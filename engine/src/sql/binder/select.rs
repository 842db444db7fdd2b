//! SELECT: FROM, WHERE, GROUP BY, HAVING, the list, DISTINCT and the terms of ORDER BY, in the order they take
//! effect. Expressions are bound over FROM's row first and rewritten to groups and subqueries after.

use sqlparser::ast::{Distinct, Expr as Sql, GroupByExpr, Select, Spanned};
use tailwater_proto::sqlstate;
use tailwater_views::Expr;
use tailwater_views::plan::{Field, Plan, SortKey};

use super::aggregate::{Calls, Groups, ungrouped};
use super::expr::Env;
use super::from::Source;
use super::names::fold;
use super::naming::output_name;
use super::order::{Named, Order};
use super::query::Parts;
use super::returning::Item;
use super::scope::Scope;
use super::subquery::{Pending, attach, replace};
use super::{Binder, Typed};
use crate::sql::SqlResult;

/// What a SELECT computes over FROM's row.
struct Draft {
    items: Vec<Item>,
    having: Option<Expr>,
    /// Terms of ORDER BY: an output column, or an expression beside.
    order: Vec<Term>,
}

enum Term {
    Output(usize),
    Extra(Typed),
}

impl Binder<'_> {
    /// One SELECT.
    pub(super) fn select(&mut self, select: &Select, order: &Order<'_>) -> SqlResult<Parts> {
        self.refuse_others(select)?;
        let Source { mut plan, scope } = self.from(&select.from)?;
        if let Some(selection) = &select.selection {
            plan = self.filter(plan, &scope, selection)?;
        }
        let mut calls = Calls::default();
        let mut waiting = Vec::new();
        let mut env = Env::new(&scope, "SELECT");
        env.aggregates = Some(&mut calls);
        env.pending = Some(&mut waiting);
        let mut draft = self.draft(&mut env, select, order)?;
        let seen = std::mem::take(&mut env.seen);
        let group_by = self.group_by(select, &scope, &draft.items)?;
        let grouped =
            !group_by.exprs.is_empty() || select.having.is_some() || !calls.calls.is_empty();
        if grouped {
            plan = grouped_plan(plan, group_by, calls, &mut draft, &mut waiting, &scope)
                .map_err(|position| ungrouped(self, position, &scope, &seen))?;
        } else if order.terms.is_empty()
            && select.distinct.is_none()
            && let [table] = scope.tables.as_slice()
            && self.view_depth == 0
            && self.outer.is_empty()
            && !table.order.is_empty()
        {
            plan = Plan::Sort {
                input: Box::new(plan),
                keys: table.order.clone(),
            };
        }
        let (mut plan, replacements) = attach(plan, waiting);
        draft.for_each(&mut |expr| replace(expr, &replacements));
        if let Some(having) = draft.having.take() {
            plan = Plan::Filter {
                input: Box::new(plan),
                predicate: having,
            };
        }
        self.project(plan, select, draft, order)
    }

    fn refuse_others(&self, select: &Select) -> SqlResult<()> {
        let span = select.span();
        let refused = [
            (select.into.is_some(), "SELECT INTO"),
            (select.top.is_some(), "TOP"),
            (select.qualify.is_some(), "QUALIFY"),
            (!select.named_window.is_empty(), "WINDOW"),
            (!select.lateral_views.is_empty(), "LATERAL VIEW"),
            (!select.connect_by.is_empty(), "CONNECT BY"),
            (select.prewhere.is_some(), "PREWHERE"),
            (!select.cluster_by.is_empty(), "CLUSTER BY"),
            (!select.distribute_by.is_empty(), "DISTRIBUTE BY"),
            (!select.sort_by.is_empty(), "SORT BY"),
            (select.value_table_mode.is_some(), "SELECT AS STRUCT"),
            (select.exclude.is_some(), "EXCLUDE"),
            (
                matches!(select.distinct, Some(Distinct::On(_))),
                "DISTINCT ON",
            ),
        ];
        match refused.iter().find(|(stands, _)| *stands) {
            Some((_, what)) => Err(self.unsupported(what, span)),
            None => Ok(()),
        }
    }

    /// WHERE.
    pub(super) fn filter(&mut self, plan: Plan, scope: &Scope, condition: &Sql) -> SqlResult<Plan> {
        let mut waiting: Vec<Pending> = Vec::new();
        let mut env = Env::new(scope, "WHERE");
        env.pending = Some(&mut waiting);
        env.loose = true;
        let mut predicate = self.condition(&mut env, condition)?;
        let (plan, replacements) = attach(plan, waiting);
        replace(&mut predicate, &replacements);
        Ok(Plan::Filter {
            input: Box::new(plan),
            predicate,
        })
    }

    fn draft(&mut self, env: &mut Env<'_>, select: &Select, order: &Order<'_>) -> SqlResult<Draft> {
        let items = self.items(env, &select.projection)?;
        self.trace_items(env.scope, select)?;
        env.clause = "HAVING";
        let having = match &select.having {
            Some(having) => Some(self.condition(env, having)?),
            None => None,
        };
        env.clause = "ORDER BY";
        let fields: Vec<Field> = items.iter().map(|item| item.field.clone()).collect();
        let mut terms = Vec::with_capacity(order.terms.len());
        for term in order.terms {
            terms.push(match self.named_output(&term.expr, &fields, "ORDER BY")? {
                Named::Output(place) => Term::Output(place),
                Named::Expression => {
                    let typed = self.expr(env, &term.expr)?;
                    match items.iter().position(|item| item.expr == typed.expr) {
                        Some(place) => Term::Output(place),
                        None => Term::Extra(self.settled(typed)),
                    }
                }
            });
        }
        Ok(Draft {
            items,
            having,
            order: terms,
        })
    }

    /// GROUP BY: expressions, numbers of output columns, names of output columns that are no input columns.
    fn group_by(&mut self, select: &Select, scope: &Scope, items: &[Item]) -> SqlResult<Groups> {
        let terms: &[Sql] = match &select.group_by {
            GroupByExpr::Expressions(terms, modifiers) if modifiers.is_empty() => terms,
            other => return Err(self.unsupported("GROUP BY ALL or WITH ROLLUP", other.span())),
        };
        let fields: Vec<Field> = items.iter().map(|item| item.field.clone()).collect();
        let mut groups = Groups {
            exprs: Vec::new(),
            fields: Vec::new(),
        };
        for term in terms {
            let (expr, field) = match self.group_output(term, scope, &fields, items)? {
                Some(found) => found,
                None => {
                    let mut env = Env::new(scope, "GROUP BY");
                    let typed = self.expr(&mut env, term)?;
                    let typed = self.settled(typed);
                    let field = Field {
                        name: output_name(term, scope),
                        ty: typed.ty.clone(),
                        spread: false,
                    };
                    (typed.expr, field)
                }
            };
            if matches!(&expr, Expr::Literal(_)) || groups.exprs.contains(&expr) {
                // one group more or less by a constant is the same groups, but there must be one
                if groups.exprs.is_empty() {
                    groups.exprs.push(expr);
                    groups.fields.push(field);
                }
                continue;
            }
            groups.exprs.push(expr);
            groups.fields.push(field);
        }
        Ok(groups)
    }

    fn group_output(
        &mut self,
        term: &Sql,
        scope: &Scope,
        fields: &[Field],
        items: &[Item],
    ) -> SqlResult<Option<(Expr, Field)>> {
        if let Sql::Identifier(name) = term
            && (!scope.find(&fold(name)).is_empty()
                || !fields.iter().any(|field| field.name == fold(name)))
        {
            return Ok(None);
        }
        let Named::Output(place) = self.named_output(term, fields, "GROUP BY")? else {
            return Ok(None);
        };
        let Some(item) = items.get(place) else {
            return Ok(None);
        };
        if let (Some(trace), Sql::Identifier(name)) = (&mut self.trace, term) {
            trace.group(name, place);
        }
        let mut aggregated = false;
        item.expr.walk(&mut |expr| {
            aggregated |= matches!(expr, Expr::Column(at) if *at >= super::expr::AGGREGATE);
        });
        if aggregated {
            return Err(self.error(
                sqlstate::GROUPING_ERROR,
                "aggregate functions are not allowed in GROUP BY",
                term.span(),
            ));
        }
        Ok(Some((item.expr.clone(), item.field.clone())))
    }

    /// The list, DISTINCT, and columns that only the order needs.
    fn project(
        &mut self,
        plan: Plan,
        select: &Select,
        draft: Draft,
        order: &Order<'_>,
    ) -> SqlResult<Parts> {
        let distinct = matches!(select.distinct, Some(Distinct::Distinct));
        let fields: Vec<Field> = draft.items.iter().map(|item| item.field.clone()).collect();
        let mut exprs: Vec<Expr> = draft.items.into_iter().map(|item| item.expr).collect();
        let mut all = fields.clone();
        let mut sort: Vec<SortKey> = Vec::with_capacity(draft.order.len());
        for (term, sql) in draft.order.into_iter().zip(order.terms) {
            let place = match term {
                Term::Output(place) => place,
                Term::Extra(typed) => match exprs.iter().position(|expr| *expr == typed.expr) {
                    Some(place) => place,
                    None if distinct => {
                        return Err(self.error(
                            sqlstate::INVALID_COLUMN_REFERENCE,
                            "for SELECT DISTINCT, ORDER BY expressions must appear in select list",
                            sql.span(),
                        ));
                    }
                    None => {
                        exprs.push(typed.expr);
                        all.push(Field {
                            name: "?order?".into(),
                            ty: typed.ty,
                            spread: false,
                        });
                        exprs.len() - 1
                    }
                },
            };
            sort.push(self.sort_key(Expr::Column(place), sql)?);
        }
        let mut plan = Plan::Project {
            input: Box::new(plan),
            exprs,
            fields: all,
        };
        if distinct {
            plan = Plan::Distinct {
                input: Box::new(plan),
            };
        }
        Ok(Parts { plan, fields, sort })
    }
}

impl Draft {
    fn for_each(&mut self, visit: &mut dyn FnMut(&mut Expr)) {
        self.items.iter_mut().for_each(|item| visit(&mut item.expr));
        self.having.iter_mut().for_each(&mut *visit);
        for term in &mut self.order {
            if let Term::Extra(typed) = term {
                visit(&mut typed.expr);
            }
        }
    }
}

/// The aggregate below, and everything above it rewritten to read groups.
fn grouped_plan(
    plan: Plan,
    mut groups: Groups,
    calls: Calls,
    draft: &mut Draft,
    waiting: &mut [Pending],
    scope: &Scope,
) -> Result<Plan, usize> {
    let mut failed = None;
    let mut admit = |expr: &mut Expr| {
        if failed.is_none() {
            failed = groups.admit(expr, scope).err();
        }
    };
    draft.for_each(&mut admit);
    for pending in waiting.iter_mut() {
        pending.for_each_outer(&mut admit);
    }
    if let Some(position) = failed {
        return Err(position);
    }
    draft.for_each(&mut |expr| groups.rewrite(expr));
    for pending in waiting {
        pending.for_each_outer(&mut |expr| groups.rewrite(expr));
    }
    let mut fields = groups.fields;
    fields.extend(calls.fields);
    Ok(Plan::Aggregate {
        input: Box::new(plan),
        group: groups.exprs,
        calls: calls.calls,
        fields,
    })
}
