//! The binder: statements and a catalog to bound statements. Settles what names mean and which types things
//! have, inserts conversions, refuses what cannot be. Leaves plans naive; does no I/O, evaluates nothing.
//! Doors: `scope` (names), `expr` and its neighbours (scalars), `from`, `select`, `query` (relations),
//! `insert`, `change` (writes).

mod access;
mod aggregate;
mod change;
mod cte;
mod decorrelate;
mod expr;
mod from;
mod function;
mod insert;
mod join;
mod literal;
mod membership;
pub mod names;
mod naming;
mod operator;
mod order;
mod query;
mod returning;
mod scope;
mod select;
mod set_operation;
mod subquery;
mod table_function;
mod trace;
mod typed;
pub mod types;

use std::collections::BTreeSet;

use sqlparser::ast::{Query, Spanned};
use sqlparser::tokenizer::{Location, Span};
use tailwater_proto::{EcoString, SqlType, Value, sqlstate};
use tailwater_views::Expr;
use tailwater_views::plan::{Field, Plan};

use self::scope::Scope;
use crate::catalog::{Catalog, ObjectId, Relation};
use crate::sql::bound::{
    BoundDelete, BoundInsert, BoundQuery, BoundStatement, BoundUpdate, BoundView, Parameter,
};
use crate::sql::lexer::byte_offset;
use crate::sql::statement::{Delete, Insert, KeyPart, Parsed, Statement, Update};
use crate::sql::{SqlError, SqlResult};

#[cfg(feature = "modules")]
pub(crate) use self::from::scan;
pub(crate) use self::trace::{Mark, Named, Output, Trace};
pub(crate) use self::typed::Typed;

/// Relations that are computed, not stored: `tailwater.*`, `__genji_catalog`.
pub trait SystemRelations {
    /// Columns and rows of the relation, if there is one of that name; `public` is the schema of bare names.
    fn relation(&self, schema: &str, name: &str) -> Option<(Vec<Field>, Vec<Vec<Value>>)>;
}

/// No system relations.
#[derive(Clone, Copy, Debug)]
pub struct NoSystemRelations;

impl SystemRelations for NoSystemRelations {
    fn relation(&self, _schema: &str, _name: &str) -> Option<(Vec<Field>, Vec<Vec<Value>>)> {
        None
    }
}

/// What a statement is bound in besides the catalog.
#[derive(Clone, Copy)]
pub struct BindContext<'a> {
    /// The script that locations in the statement belong to.
    pub source: &'a str,
    /// Where its `?` stand: the n-th is parameter n.
    pub question_marks: &'a [Location],
    /// Computed relations.
    pub system: &'a dyn SystemRelations,
}

impl<'a> BindContext<'a> {
    /// The context of a parsed statement.
    #[must_use]
    pub fn of(parsed: &'a Parsed, system: &'a dyn SystemRelations) -> Self {
        Self {
            source: &parsed.source,
            question_marks: &parsed.question_marks,
            system,
        }
    }
}

/// Binds a SELECT, INSERT, UPDATE or DELETE.
///
/// # Errors
/// What PostgreSQL would say: 42P01, 42703, 42883, 42804, 42803 and their kin, with position and hint; 0A000 names
/// the construct that is not built; also for statements that are none of the four.
pub fn bind(
    catalog: &Catalog,
    parsed: &Parsed,
    system: &dyn SystemRelations,
) -> SqlResult<BoundStatement> {
    let cx = BindContext::of(parsed, system);
    Ok(match &parsed.statement {
        Statement::Query(query) => BoundStatement::Query(bind_query(catalog, query, &cx)?),
        Statement::Insert(insert) => BoundStatement::Insert(bind_insert(catalog, insert, &cx)?),
        Statement::Update(update) => BoundStatement::Update(bind_update(catalog, update, &cx)?),
        Statement::Delete(delete) => BoundStatement::Delete(bind_delete(catalog, delete, &cx)?),
        _ => {
            return Err(SqlError::new(
                sqlstate::FEATURE_NOT_SUPPORTED,
                "this statement has no plan",
            )
            .at(parsed.text_range.start));
        }
    })
}

/// Binds a SELECT.
///
/// # Errors
/// See [`bind`].
pub fn bind_query(catalog: &Catalog, query: &Query, cx: &BindContext<'_>) -> SqlResult<BoundQuery> {
    let mut binder = Binder::new(catalog, *cx);
    let bound = binder.query(query)?;
    check_depth(&bound.plan)?;
    let fields: Vec<Field> = bound.fields.into_iter().map(settle_field).collect();
    let (reads, parameters, cacheable) = binder.finish();
    Ok(BoundQuery {
        plan: bound.plan,
        fields: fields.into(),
        reads,
        parameters,
        cacheable,
    })
}

/// Binds an INSERT.
///
/// # Errors
/// See [`bind`].
pub fn bind_insert(
    catalog: &Catalog,
    insert: &Insert,
    cx: &BindContext<'_>,
) -> SqlResult<BoundInsert> {
    Binder::new(catalog, *cx).insert(insert)
}

/// Binds an UPDATE.
///
/// # Errors
/// See [`bind`].
pub fn bind_update(
    catalog: &Catalog,
    update: &Update,
    cx: &BindContext<'_>,
) -> SqlResult<BoundUpdate> {
    Binder::new(catalog, *cx).update(update)
}

/// Binds a DELETE.
///
/// # Errors
/// See [`bind`].
pub fn bind_delete(
    catalog: &Catalog,
    delete: &Delete,
    cx: &BindContext<'_>,
) -> SqlResult<BoundDelete> {
    Binder::new(catalog, *cx).delete(delete)
}

/// Binds the query of a view: its outermost ORDER BY without LIMIT becomes the view's reading order.
///
/// # Errors
/// See [`bind`]; also 42P02 for parameters, and 42P10 for an ORDER BY over what the view does not show.
pub fn bind_view(catalog: &Catalog, query: &Query, cx: &BindContext<'_>) -> SqlResult<BoundView> {
    finish_view(Binder::new(catalog, *cx), query).map(|(bound, _)| bound)
}

/// Binds the query of a view, and tells what each name of its text was bound to.
///
/// # Errors
/// See [`bind_view`].
pub(crate) fn trace_view(
    catalog: &Catalog,
    query: &Query,
    cx: &BindContext<'_>,
) -> SqlResult<(BoundView, Trace)> {
    let mut binder = Binder::new(catalog, *cx);
    binder.trace = Some(Trace::default());
    finish_view(binder, query)
}

fn finish_view(mut binder: Binder<'_>, query: &Query) -> SqlResult<(BoundView, Trace)> {
    let (bound, order) = binder.view_query(query)?;
    check_depth(&bound.plan)?;
    let fields = bound.fields.into_iter().map(settle_field).collect();
    let trace = binder.trace.take().unwrap_or_default();
    let (reads, parameters, _) = binder.finish();
    if !parameters.is_empty() {
        return Err(SqlError::new(
            sqlstate::UNDEFINED_PARAMETER,
            "a view cannot have parameters",
        )
        .hint("write the value, or select the column and filter when reading the view"));
    }
    let bound = BoundView {
        plan: bound.plan,
        fields,
        order,
        reads,
    };
    Ok((bound, trace))
}

/// Binds a scalar expression over a relation's row layout, or over nothing: DEFAULT, CHECK, parts of keys. With a
/// type it is brought to it: BOOL as a condition, others as a value stored into a column.
///
/// # Errors
/// See [`bind`]; 42P02 for parameters. Errors have a location instead of a position: see [`SqlError::located`].
pub fn bind_expr(
    catalog: &Catalog,
    table: Option<&Relation>,
    sql: &sqlparser::ast::Expr,
    to: Option<&SqlType>,
    system: &dyn SystemRelations,
) -> SqlResult<(Expr, SqlType)> {
    let cx = BindContext {
        source: "",
        question_marks: &[],
        system,
    };
    let mut binder = Binder::new(catalog, cx);
    let scope = table.map_or_else(Scope::default, |table| {
        Scope::of(scope::Table::of_relation(table, None))
    });
    let clause = if table.is_some() { "CHECK" } else { "DEFAULT" };
    let mut env = expr::Env::new(&scope, clause);
    let typed = binder.expr(&mut env, sql)?;
    let span = sql.span();
    if !binder.parameters.is_empty() {
        let error = SqlError::new(
            sqlstate::UNDEFINED_PARAMETER,
            "a definition cannot have parameters",
        );
        return Err(binder.place(error, span));
    }
    let typed = match to {
        None => binder.settled(typed),
        Some(SqlType::Bool) if table.is_some() => {
            Typed::new(binder.truth(typed, clause, span)?, SqlType::Bool)
        }
        Some(to) => {
            let from = typed.ty.clone();
            binder.assign(typed, to).ok_or_else(|| {
                binder
                    .error(
                        sqlstate::DATATYPE_MISMATCH,
                        format!("the column is of type {to} but the expression is of type {from}"),
                        span,
                    )
                    .hint("you will need to rewrite or cast the expression")
            })?
        }
    };
    Ok((typed.expr, typed.ty))
}

/// A part of a key as an expression.
#[must_use]
pub fn key_part_expr(part: &KeyPart) -> sqlparser::ast::Expr {
    insert::key_part_sql(part)
}

/// A result column of no type is text, as in PostgreSQL.
fn settle_field(mut field: Field) -> Field {
    if field.ty == SqlType::Unknown {
        field.ty = SqlType::Text;
    }
    field
}

/// A plan and what its columns are called and typed.
#[derive(Clone, Debug)]
struct Bound {
    plan: Plan,
    fields: Vec<Field>,
}

/// A parameter while its type is being found out.
#[derive(Clone, Debug)]
struct Slot {
    ty: SqlType,
    name: Option<EcoString>,
}

/// Most nodes that inlining CTEs, views and subqueries may make of one statement.
const PLAN_NODES_MAX: usize = 20_000;

/// The state of binding one statement.
struct Binder<'a> {
    catalog: &'a Catalog,
    cx: BindContext<'a>,
    parameters: Vec<Slot>,
    /// How parameters are written: `?`, `$1` or `$name`.
    parameter_style: Option<&'static str>,
    reads: BTreeSet<ObjectId>,
    cacheable: bool,
    /// How many views stand around: their text has no position in the statement.
    view_depth: usize,
    ctes: Vec<cte::Frame>,
    /// Scopes of the queries around a subquery, outermost first.
    outer: Vec<Scope>,
    plan_nodes: usize,
    /// What names were bound to, if somebody asks.
    trace: Option<Trace>,
}

impl<'a> Binder<'a> {
    fn new(catalog: &'a Catalog, cx: BindContext<'a>) -> Self {
        let slot = |_| Slot {
            ty: SqlType::Unknown,
            name: None,
        };
        Binder {
            catalog,
            cx,
            parameters: cx.question_marks.iter().map(slot).collect(),
            parameter_style: None,
            reads: BTreeSet::new(),
            cacheable: true,
            view_depth: 0,
            ctes: Vec::new(),
            outer: Vec::new(),
            plan_nodes: 0,
            trace: None,
        }
    }

    fn finish(self) -> (Vec<ObjectId>, Vec<Parameter>, bool) {
        let parameters = self
            .parameters
            .into_iter()
            .map(|slot| Parameter {
                ty: match slot.ty {
                    SqlType::Unknown => SqlType::Any,
                    known => known,
                },
                name: slot.name,
            })
            .collect();
        (self.reads.into_iter().collect(), parameters, self.cacheable)
    }

    /// An error at a place of the statement; none while inside a view's text.
    fn error(&self, state: &'static str, message: impl Into<String>, span: Span) -> SqlError {
        self.place(SqlError::new(state, message), span)
    }

    /// The construct is SQL, but not built.
    fn unsupported(&self, what: impl std::fmt::Display, span: Span) -> SqlError {
        self.error(
            sqlstate::FEATURE_NOT_SUPPORTED,
            format!("{what} is not supported"),
            span,
        )
    }

    /// Gives an error a position, if it has none and the place has one.
    fn place(&self, error: SqlError, span: Span) -> SqlError {
        if error.position.is_some() || self.view_depth > 0 || span.start.line == 0 {
            return error;
        }
        if self.cx.source.is_empty() {
            let location = error.location.or(Some(span.start));
            return SqlError { location, ..error };
        }
        error.at(byte_offset(self.cx.source, span.start))
    }

    /// Counts a plan that is put into another one, so that inlining stays bounded.
    fn spend(&mut self, plan: &Plan) -> SqlResult<()> {
        self.plan_nodes += plan_size(plan);
        if self.plan_nodes > PLAN_NODES_MAX {
            return Err(SqlError::new(
                sqlstate::STATEMENT_TOO_COMPLEX,
                format!("the statement unfolds into more than {PLAN_NODES_MAX} plan nodes"),
            )
            .hint("use views and common table expressions fewer times in one statement"));
        }
        Ok(())
    }
}

/// How deep a plan may be: it is walked by recursion all its life.
const PLAN_DEPTH_MAX: usize = 120;

/// Refuses a plan that is deeper than stacks allow.
fn check_depth(plan: &Plan) -> SqlResult<()> {
    if plan_depth(plan) <= PLAN_DEPTH_MAX {
        return Ok(());
    }
    Err(SqlError::new(
        sqlstate::STATEMENT_TOO_COMPLEX,
        format!("the statement makes a plan more than {PLAN_DEPTH_MAX} steps deep"),
    )
    .hint("put intermediate results into tables or materialized views"))
}

fn plan_depth(plan: &Plan) -> usize {
    1 + plan
        .inputs()
        .into_iter()
        .map(plan_depth)
        .max()
        .unwrap_or_default()
}

fn plan_size(plan: &Plan) -> usize {
    1 + plan.inputs().into_iter().map(plan_size).sum::<usize>()
}
