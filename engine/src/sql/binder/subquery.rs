//! Subqueries inside expressions, as joins: while an expression is bound a subquery is a column to come, then the
//! plans are joined to the plan beneath, on keys if they read the query around them. Never more than one row for
//! an outer row.

use sqlparser::ast::{Expr as Sql, Query, Spanned};
use sqlparser::tokenizer::Span;
use tailwater_proto::{SqlType, Value, sqlstate};
use tailwater_views::Expr;
use tailwater_views::aggregate::{AggregateCall, AggregateFunction};
use tailwater_views::expr::{CompareOp, TruthTest};
use tailwater_views::function::resolve;
use tailwater_views::plan::{Field, Join, JoinKind, JoinStrategy, Plan};

use super::decorrelate::{Key, Pulled, exactly_one_row, pull, put_outer_rows};
use super::expr::{Env, SUBQUERY};
use super::operator::negate;
use super::{Binder, Bound, Typed};
use crate::sql::SqlResult;

/// A subquery that waits to be joined.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    ask: Ask,
    /// Its columns, then columns of keys.
    plan: Plan,
    /// What must be equal between the plan beneath and the subquery.
    keys: Vec<Key>,
    /// Over the plan beneath: what the subquery reads of all its rows.
    domain: Vec<Expr>,
}

/// What is asked of a subquery.
#[derive(Clone, Debug)]
enum Ask {
    /// Its value, NULL without a row.
    Scalar {
        /// What it is where no row has the keys, if not NULL.
        empty: Option<Expr>,
        /// Whether no two rows have the same keys.
        single: bool,
    },
    /// Whether there is a row.
    Exists,
    /// Whether the value is in its first column.
    In {
        /// Over the plan beneath.
        value: Expr,
        /// FALSE will do for NULL.
        loose: bool,
    },
}

impl Pending {
    /// Calls `visit` on each expression over the plan beneath.
    pub(super) fn for_each_outer(&mut self, visit: &mut dyn FnMut(&mut Expr)) {
        self.keys.iter_mut().for_each(|key| visit(&mut key.outer));
        self.domain.iter_mut().for_each(&mut *visit);
        if let Ask::In { value, .. } = &mut self.ask {
            visit(value);
        }
    }
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
        for key in &pending.keys {
            for position in key.outer.columns() {
                let columns = env.scope.tables.iter().flat_map(|table| &table.columns);
                let mut named = columns.filter(|column| column.position == position);
                let name = named
                    .next()
                    .map(|column| column.name.clone())
                    .unwrap_or_default();
                env.seen.push((position, name, Span::empty()));
            }
        }
        let number = env.pending.as_deref_mut().map_or(0, |waiting| {
            waiting.push(pending);
            waiting.len() - 1
        });
        Typed::new(Expr::Column(SUBQUERY + number), ty)
    }

    /// The plan without columns of the query around it.
    fn pulled(&mut self, plan: Plan, existence: bool, span: Span) -> SqlResult<Pulled> {
        pull(plan, existence).ok_or_else(|| {
            self.unsupported(
                "a subquery that reads the query around it in this way",
                span,
            )
            .hint("compare with = in its WHERE, or join the tables instead")
        })
    }

    /// `(SELECT …)` as a value.
    pub(super) fn scalar_subquery(&mut self, env: &mut Env<'_>, query: &Query) -> SqlResult<Typed> {
        let span = query.span();
        let bound = self.inner_query(env, query, 1)?;
        let ty = bound
            .fields
            .first()
            .map_or(SqlType::Any, |field| field.ty.clone());
        let pulled = self.pulled(bound.plan, false, span)?;
        let Some(empty) = pulled.over_nothing(0) else {
            let what = "HAVING in a subquery that reads the query around it";
            return Err(self.unsupported(what, span));
        };
        let ask = Ask::Scalar {
            empty,
            single: pulled.one_per_key,
        };
        let pending = Pending {
            ask,
            plan: pulled.plan,
            keys: pulled.keys,
            domain: pulled.domain,
        };
        Ok(self.wait(env, pending, ty))
    }

    /// EXISTS.
    pub(super) fn exists(
        &mut self,
        env: &mut Env<'_>,
        query: &Query,
        negated: bool,
    ) -> SqlResult<Typed> {
        let span = query.span();
        let bound = self.inner_query(env, query, 0)?;
        let pulled = self.pulled(bound.plan, true, span)?;
        if pulled.empty.is_some() && !pulled.keys.is_empty() {
            let what = "EXISTS of an aggregate that reads the query around it";
            return Err(self.unsupported(what, span));
        }
        let pending = Pending {
            ask: Ask::Exists,
            plan: pulled.plan,
            keys: pulled.keys,
            domain: pulled.domain,
        };
        let exists = self.wait(env, pending, SqlType::Bool);
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
        let loose = std::mem::take(&mut env.loose) && !negated;
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
        let pulled = self.pulled(bound.plan, false, span)?;
        if pulled.empty.is_some() && !pulled.keys.is_empty() {
            let what = "IN of an aggregate that reads the query around it";
            return Err(self.unsupported(what, span));
        }
        // the comparison brings both to one type; its sides are what is joined
        let column = Typed::new(Expr::Column(0), ty);
        let compared = self.compare(value, CompareOp::Equal, column, span)?;
        let Expr::Compare { left, right, .. } = compared.expr else {
            return Err(self.unsupported("this IN", span));
        };
        let mut exprs = vec![*right];
        exprs.extend(pulled.keys.iter().map(|key| Expr::Column(key.column)));
        let keys = pulled.keys.into_iter().enumerate();
        let keys = keys
            .map(|(number, key)| Key {
                column: number + 1,
                ..key
            })
            .collect();
        let plan = project(pulled.plan, exprs);
        self.spend(&plan)?;
        self.spend(&plan)?;
        let ask = Ask::In {
            value: *left,
            loose,
        };
        let pending = Pending {
            ask,
            plan,
            keys,
            domain: pulled.domain,
        };
        let found = self.wait(env, pending, SqlType::Bool);
        Ok(if negated { negate(found.expr) } else { found })
    }
}

/// Joins waiting subqueries to a plan; returns for each the expression it stands for.
pub(super) fn attach(mut plan: Plan, waiting: Vec<Pending>) -> (Plan, Vec<Expr>) {
    let mut replacements: Vec<Expr> = Vec::with_capacity(waiting.len());
    for mut pending in waiting {
        pending.for_each_outer(&mut |expr| replace(expr, &replacements));
        let (joined, value) = attach_one(plan, pending);
        plan = joined;
        replacements.push(value);
    }
    (plan, replacements)
}

fn attach_one(plan: Plan, pending: Pending) -> (Plan, Expr) {
    let width = plan.fields().len();
    let Pending {
        ask,
        plan: mut inner,
        keys,
        domain,
    } = pending;
    if !domain.is_empty() {
        put_outer_rows(&mut inner, &plan, &domain);
    }
    let columns: Vec<Expr> = keys.iter().map(|key| Expr::Column(key.column)).collect();
    let count = keys.len();
    let value_at = |place: usize| Expr::Column(width + count + place);
    match ask {
        Ask::Scalar {
            empty,
            single: true,
        } => {
            // a value that is always there needs no outer join, which views maintain less readily
            let kind = if count == 0 && exactly_one_row(&inner) {
                JoinKind::Inner
            } else {
                JoinKind::Left
            };
            let mut exprs = columns;
            exprs.extend([Expr::Column(0), Expr::literal(true)]);
            let plan = join(kind, plan, project(inner, exprs), on_first(keys));
            let value = match empty {
                Some(empty) if count > 0 => Expr::Case {
                    branches: vec![(test(TruthTest::Null, value_at(1)), empty)],
                    otherwise: Some(Box::new(value_at(0))),
                },
                _ => value_at(0),
            };
            (plan, value)
        }
        Ask::Scalar { single: false, .. } => {
            let value = Some(Expr::Column(0));
            let calls = vec![
                call(AggregateFunction::Count, None),
                call(AggregateFunction::Min, value),
            ];
            let inner = aggregate(inner, columns, calls);
            let plan = join(JoinKind::Left, plan, inner, on_first(keys));
            (plan, single_value(value_at(0), value_at(1)))
        }
        Ask::Exists => {
            let mut exprs = columns;
            exprs.push(Expr::literal(true));
            let once = Plan::Distinct {
                input: Box::new(project(inner, exprs)),
            };
            let plan = join(JoinKind::Left, plan, once, on_first(keys));
            (plan, test(TruthTest::NotNull, value_at(0)))
        }
        Ask::In { value, loose } => attach_in(plan, inner, value, keys, loose),
    }
}

/// Equalities with the first columns of a plan.
fn on_first(keys: Vec<Key>) -> Vec<(Expr, Expr)> {
    let keys = keys.into_iter().enumerate();
    equalities(keys.map(|(column, key)| Key { column, ..key }).collect())
}

/// Keys as equalities of a join. Those where NULL equals NULL are compared as arrays, whose elements may be NULL.
fn equalities(keys: Vec<Key>) -> Vec<(Expr, Expr)> {
    let (same, equal): (Vec<Key>, Vec<Key>) = keys.into_iter().partition(|key| key.same);
    let mut all: Vec<(Expr, Expr)> = equal
        .into_iter()
        .map(|key| (key.outer, Expr::Column(key.column)))
        .collect();
    if !same.is_empty() {
        let columns = same.iter().map(|key| Expr::Column(key.column)).collect();
        let outer = same.into_iter().map(|key| key.outer).collect();
        all.push((Expr::Array(outer), Expr::Array(columns)));
    }
    all
}

fn attach_in(plan: Plan, inner: Plan, value: Expr, keys: Vec<Key>, loose: bool) -> (Plan, Expr) {
    let width = plan.fields().len();
    let count = keys.len();
    let known = Plan::Filter {
        predicate: test(TruthTest::NotNull, Expr::Column(0)),
        input: Box::new(inner.clone()),
    };
    let once = Plan::Distinct {
        input: Box::new(known),
    };
    let mut equal = vec![(value.clone(), Expr::Column(0))];
    equal.extend(equalities(keys.clone()));
    let plan = join(JoinKind::Left, plan, once, equal);
    let found = test(TruthTest::NotNull, Expr::Column(width));
    if loose {
        return (plan, found);
    }
    let columns = keys.iter().map(|key| Expr::Column(key.column)).collect();
    let calls = vec![
        call(AggregateFunction::Count, None),
        call(AggregateFunction::Count, Some(Expr::Column(0))),
    ];
    let totals = aggregate(inner, columns, calls);
    let at = plan.fields().len() + count;
    let plan = join(JoinKind::Left, plan, totals, on_first(keys));
    (
        plan,
        is_member(value, found, Expr::Column(at), Expr::Column(at + 1)),
    )
}

/// Membership, from whether there is a match, how many rows there are, and how many of them not NULL.
fn is_member(value: Expr, found: Expr, rows: Expr, known: Expr) -> Expr {
    let none = Expr::Or(vec![
        test(TruthTest::Null, rows.clone()),
        compare(CompareOp::Equal, rows.clone(), Expr::literal(0)),
    ]);
    Expr::Case {
        branches: vec![
            (none, Expr::literal(false)),
            (found, Expr::literal(true)),
            (test(TruthTest::Null, value), Expr::literal(Value::Null)),
            (
                compare(CompareOp::Less, known, rows),
                Expr::literal(Value::Null),
            ),
        ],
        otherwise: Some(Box::new(Expr::literal(false))),
    }
}

/// The value of so many rows: an error if there are several.
fn single_value(rows: Expr, value: Expr) -> Expr {
    match resolve("single_value", &[SqlType::Int8, SqlType::Any]) {
        Ok(resolved) => Expr::Call {
            function: resolved.function.id,
            args: vec![rows, value],
        },
        Err(_) => value,
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

fn call(function: AggregateFunction, argument: Option<Expr>) -> AggregateCall {
    AggregateCall {
        function,
        argument,
        argument_type: SqlType::Any,
        distinct: false,
        filter: None,
    }
}

fn field(name: &str) -> Field {
    Field {
        name: name.into(),
        ty: SqlType::Any,
        spread: false,
    }
}

fn project(input: Plan, exprs: Vec<Expr>) -> Plan {
    let fields = exprs.iter().map(|_| field("value")).collect();
    Plan::Project {
        input: Box::new(input),
        exprs,
        fields,
    }
}

fn aggregate(input: Plan, group: Vec<Expr>, calls: Vec<AggregateCall>) -> Plan {
    let mut fields: Vec<Field> = group.iter().map(|_| field("key")).collect();
    fields.extend(calls.iter().map(|_| field("value")));
    Plan::Aggregate {
        input: Box::new(input),
        group,
        calls,
        fields,
    }
}
