//! Subqueries inside expressions, as joins: while an expression is bound a subquery is a column to come, then the
//! plans are joined to the plan beneath. Only what does not read the query around it; never more than one row.

use sqlparser::ast::{Expr as Sql, Query, Spanned};
use tailwater_proto::{SqlType, sqlstate};
use tailwater_views::Expr;
use tailwater_views::aggregate::{AggregateCall, AggregateFunction};
use tailwater_views::expr::{CompareOp, TruthTest};
use tailwater_views::plan::{Field, Join, JoinKind, JoinStrategy, Plan};

use super::expr::{Env, SUBQUERY};
use super::operator::negate;
use super::{Binder, Bound, Typed};
use crate::sql::SqlResult;

/// A subquery that waits to be joined.
#[derive(Clone, Debug)]
pub(super) enum Pending {
    /// One value, or NULL without a row.
    Scalar(Plan),
    /// Whether there is a row.
    Exists(Plan),
    /// Whether the value is among the rows.
    In {
        /// Over the plan beneath, as the expression around.
        value: Expr,
        /// One column.
        plan: Plan,
    },
}

impl Binder<'_> {
    /// A query inside an expression.
    fn inner_query(&mut self, env: &Env<'_>, query: &Query, columns: usize) -> SqlResult<Bound> {
        if env.pending.is_none() {
            return Err(self.unsupported(format!("a subquery in {}", env.clause), query.span()));
        }
        self.outer.push(env.scope.clone());
        let bound = self.query(query);
        self.outer.pop();
        let bound = bound?;
        if columns > 0 && bound.fields.len() != columns {
            return Err(self.error(
                sqlstate::SYNTAX_ERROR,
                if columns == 1 {
                    "subquery must return only one column".to_owned()
                } else {
                    format!("subquery must return {columns} columns")
                },
                query.span(),
            ));
        }
        Ok(bound)
    }

    fn wait(&mut self, env: &mut Env<'_>, pending: Pending, ty: SqlType) -> Typed {
        let number = env.pending.as_deref_mut().map_or(0, |waiting| {
            waiting.push(pending);
            waiting.len() - 1
        });
        Typed::new(Expr::Column(SUBQUERY + number), ty)
    }

    /// `(SELECT …)` as a value.
    pub(super) fn scalar_subquery(&mut self, env: &mut Env<'_>, query: &Query) -> SqlResult<Typed> {
        let bound = self.inner_query(env, query, 1)?;
        if !at_most_one_row(&bound.plan) {
            return Err(self
                .unsupported(
                    "a subquery that may have several rows, as a value",
                    query.span(),
                )
                .hint("add LIMIT 1, or aggregate with min or max"));
        }
        let ty = bound
            .fields
            .first()
            .map_or(SqlType::Any, |field| field.ty.clone());
        Ok(self.wait(env, Pending::Scalar(bound.plan), ty))
    }

    /// EXISTS.
    pub(super) fn exists(
        &mut self,
        env: &mut Env<'_>,
        query: &Query,
        negated: bool,
    ) -> SqlResult<Typed> {
        let bound = self.inner_query(env, query, 0)?;
        let exists = self.wait(env, Pending::Exists(bound.plan), SqlType::Bool);
        Ok(if negated { negate(exists.expr) } else { exists })
    }

    /// `x IN (SELECT …)`.
    pub(super) fn in_subquery(
        &mut self,
        env: &mut Env<'_>,
        expr: &Sql,
        query: &Query,
        negated: bool,
    ) -> SqlResult<Typed> {
        let span = expr.span();
        if matches!(expr, Sql::Tuple(_)) {
            return Err(self.unsupported("IN with rows and a subquery", span));
        }
        let value = self.expr(env, expr)?;
        let bound = self.inner_query(env, query, 1)?;
        let ty = bound
            .fields
            .first()
            .map_or(SqlType::Any, |field| field.ty.clone());
        // the comparison brings both to one type; its sides are what is joined
        let column = Typed::new(Expr::Column(0), ty);
        let compared = self.compare(value, CompareOp::Equal, column, span)?;
        let Expr::Compare { left, right, .. } = compared.expr else {
            return Err(self.unsupported("this IN", span));
        };
        let field = Field {
            name: "value".into(),
            ty: SqlType::Any,
            spread: false,
        };
        let plan = Plan::Project {
            input: Box::new(bound.plan),
            exprs: vec![*right],
            fields: vec![field],
        };
        self.spend(&plan)?;
        self.spend(&plan)?;
        let found = self.wait(env, Pending::In { value: *left, plan }, SqlType::Bool);
        Ok(if negated { negate(found.expr) } else { found })
    }
}

/// Joins waiting subqueries to a plan; returns for each the expression it stands for.
pub(super) fn attach(mut plan: Plan, waiting: Vec<Pending>) -> (Plan, Vec<Expr>) {
    let mut replacements: Vec<Expr> = Vec::with_capacity(waiting.len());
    for pending in waiting {
        let width = plan.fields().len();
        let value = match pending {
            Pending::Scalar(inner) => {
                plan = join(JoinKind::Left, plan, inner, Vec::new());
                Expr::Column(width)
            }
            Pending::Exists(inner) => {
                let counted = count(limit_one(inner), None);
                plan = join(JoinKind::Inner, plan, counted, Vec::new());
                compare(CompareOp::Greater, Expr::Column(width), Expr::literal(0))
            }
            Pending::In {
                mut value,
                plan: inner,
            } => {
                replace(&mut value, &replacements);
                let column = Expr::Column(0);
                let totals = count(inner.clone(), Some(column.clone()));
                let known = Plan::Filter {
                    predicate: test(TruthTest::NotNull, column.clone()),
                    input: Box::new(inner),
                };
                let once = Plan::Distinct {
                    input: Box::new(known),
                };
                plan = join(JoinKind::Left, plan, once, vec![(value.clone(), column)]);
                plan = join(JoinKind::Inner, plan, totals, Vec::new());
                is_member(value, width)
            }
        };
        replacements.push(value);
    }
    (plan, replacements)
}

/// Membership from what was joined at `width`: the match, how many rows there are, how many of them not NULL.
fn is_member(value: Expr, width: usize) -> Expr {
    let (found, rows, known) = (
        Expr::Column(width),
        Expr::Column(width + 1),
        Expr::Column(width + 2),
    );
    Expr::Case {
        branches: vec![
            (
                compare(CompareOp::Equal, rows.clone(), Expr::literal(0)),
                Expr::literal(false),
            ),
            (test(TruthTest::NotNull, found), Expr::literal(true)),
            (
                test(TruthTest::Null, value),
                Expr::literal(tailwater_proto::Value::Null),
            ),
            (
                compare(CompareOp::Less, known, rows),
                Expr::literal(tailwater_proto::Value::Null),
            ),
        ],
        otherwise: Some(Box::new(Expr::literal(false))),
    }
}

/// Puts what subqueries stand for into an expression.
pub(super) fn replace(expr: &mut Expr, replacements: &[Expr]) {
    if let Expr::Column(position) = expr {
        if let Some(number) = position.checked_sub(SUBQUERY)
            && let Some(value) = replacements.get(number)
        {
            *expr = value.clone();
        }
        return;
    }
    expr.for_each_child_mut(&mut |child| replace(child, replacements));
}

/// A join on equalities.
pub(super) fn join(kind: JoinKind, left: Plan, right: Plan, equal: Vec<(Expr, Expr)>) -> Plan {
    Plan::Join(Box::new(Join {
        kind,
        left,
        right,
        equal,
        residual: None,
        strategy: JoinStrategy::Hash,
    }))
}

fn compare(op: CompareOp, left: Expr, right: Expr) -> Expr {
    Expr::Compare {
        op,
        left: Box::new(left),
        right: Box::new(right),
    }
}

fn test(test: TruthTest, expr: Expr) -> Expr {
    Expr::Is {
        test,
        expr: Box::new(expr),
    }
}

fn limit_one(plan: Plan) -> Plan {
    Plan::Limit {
        input: Box::new(plan),
        limit: Some(Expr::literal(1)),
        offset: None,
    }
}

/// How many rows, and how many of them have a value.
fn count(plan: Plan, value: Option<Expr>) -> Plan {
    let call = |argument: Option<Expr>| AggregateCall {
        function: AggregateFunction::Count,
        argument,
        argument_type: SqlType::Any,
        distinct: false,
        filter: None,
    };
    let field = |name: &str| Field {
        name: name.into(),
        ty: SqlType::Int8,
        spread: false,
    };
    let mut calls = vec![call(None)];
    let mut fields = vec![field("rows")];
    if value.is_some() {
        calls.push(call(value));
        fields.push(field("known"));
    }
    Plan::Aggregate {
        input: Box::new(plan),
        group: Vec::new(),
        calls,
        fields,
    }
}

/// Whether a plan cannot have a second row.
fn at_most_one_row(plan: &Plan) -> bool {
    match plan {
        Plan::Values { rows, .. } => rows.len() <= 1,
        Plan::Aggregate { group, .. } => group.is_empty(),
        Plan::Limit {
            limit: Some(Expr::Literal(limit)),
            input,
            ..
        } => limit.0.as_int().is_some_and(|limit| limit <= 1) || at_most_one_row(input),
        Plan::Filter { input, .. }
        | Plan::Project { input, .. }
        | Plan::Distinct { input }
        | Plan::Sort { input, .. }
        | Plan::Limit { input, .. } => at_most_one_row(input),
        Plan::Join(join) => at_most_one_row(&join.left) && at_most_one_row(&join.right),
        Plan::Scan(_) | Plan::UnionAll { .. } => false,
    }
}
