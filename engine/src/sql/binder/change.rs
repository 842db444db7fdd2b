//! UPDATE and DELETE: a plan that yields the table's rows as they are, and what becomes of each.

use std::sync::Arc;

use sqlparser::ast::{AccessExpr, Expr as Sql, Ident, Spanned, Subscript, Value as SqlValue};
use sqlparser::tokenizer::Span;
use tailwater_proto::{Path, PathStep, SqlType, Value, sqlstate};
use tailwater_views::Expr;
use tailwater_views::plan::{JoinKind, Plan};

use super::expr::Env;
use super::from::scan;
use super::names::fold;
use super::scope::{Scope, Table, nested_type};
use super::subquery::{Pending, attach, join, replace};
use super::{Binder, check_depth};
use crate::catalog::{Identity, Relation};
use crate::sql::SqlResult;
use crate::sql::bound::{Assignment, BoundDelete, BoundUpdate};
use crate::sql::statement::{
    Assignment as SqlAssignment, Delete, Path as SqlPath, PathStep as SqlStep, Update,
};

impl Binder<'_> {
    /// UPDATE.
    pub(super) fn update(mut self, update: &Update) -> SqlResult<BoundUpdate> {
        let table = self.written(&update.table, "update")?;
        let (scan, assignments) = self.with_ctes(update.with.as_ref(), |binder| {
            binder.updated(update, &table)
        })?;
        check_depth(&scan)?;
        let returning =
            self.returning(update.returning.as_deref(), &table, update.alias.as_ref())?;
        let (reads, parameters, cacheable) = self.finish();
        Ok(BoundUpdate {
            table,
            scan,
            assignments,
            returning,
            reads,
            parameters,
            cacheable,
        })
    }

    /// The rows to change, and what becomes of each.
    fn updated(
        &mut self,
        update: &Update,
        table: &Arc<Relation>,
    ) -> SqlResult<(Plan, Vec<Assignment>)> {
        let mut scope = Scope::of(Table::of_relation(table, update.alias.as_ref().map(fold)));
        let mut plan = scan(table);
        if !update.from.is_empty() {
            let other = self.from(&update.from)?;
            let span = update.from.first().map_or(Span::empty(), Spanned::span);
            self.check_names(&scope, &other.scope, span)?;
            plan = join(JoinKind::Inner, plan, other.plan, Vec::new());
            scope = scope.beside(other.scope);
        }
        if let Some(filter) = &update.filter {
            plan = self.filter(plan, &scope, filter)?;
        }
        let mut waiting = Vec::new();
        let mut assignments = self.assignments(
            &update.assignments,
            &update.unset,
            table,
            &scope,
            Some(&mut waiting),
        )?;
        let (plan, replacements) = attach(plan, waiting);
        assignments
            .iter_mut()
            .for_each(|set| replace(&mut set.value, &replacements));
        let width = table.columns.len();
        let mut reads = assignments.iter().flat_map(|set| set.value.columns());
        // columns of other tables stay, also unread: they tell execution that rows may repeat
        if !update.from.is_empty() || reads.any(|column| column >= width) {
            return Ok((plan, assignments));
        }
        Ok((layout_only(plan, table), assignments))
    }

    /// DELETE.
    pub(super) fn delete(mut self, delete: &Delete) -> SqlResult<BoundDelete> {
        let table = self.written(&delete.table, "delete from")?;
        let scan = self.with_ctes(delete.with.as_ref(), |binder| {
            binder.deleted(delete, &table)
        })?;
        check_depth(&scan)?;
        let returning =
            self.returning(delete.returning.as_deref(), &table, delete.alias.as_ref())?;
        let (reads, parameters, cacheable) = self.finish();
        Ok(BoundDelete {
            table,
            scan,
            returning,
            reads,
            parameters,
            cacheable,
        })
    }

    fn deleted(&mut self, delete: &Delete, table: &Arc<Relation>) -> SqlResult<Plan> {
        let mut scope = Scope::of(Table::of_relation(table, delete.alias.as_ref().map(fold)));
        let mut plan = scan(table);
        if !delete.using.is_empty() {
            let other = self.from(&delete.using)?;
            let span = delete.using.first().map_or(Span::empty(), Spanned::span);
            self.check_names(&scope, &other.scope, span)?;
            plan = join(JoinKind::Inner, plan, other.plan, Vec::new());
            scope = scope.beside(other.scope);
        }
        if let Some(filter) = &delete.filter {
            plan = self.filter(plan, &scope, filter)?;
        }
        if !delete.order_by.is_empty() {
            let mut keys = Vec::with_capacity(delete.order_by.len());
            for term in &delete.order_by {
                let mut env = Env::new(&scope, "ORDER BY");
                let typed = self.expr(&mut env, &term.expr)?;
                keys.push(self.sort_key(typed.expr, term)?);
            }
            plan = Plan::Sort {
                input: Box::new(plan),
                keys,
            };
        }
        let count = |binder: &mut Self, sql: &Option<Sql>, clause| match sql {
            Some(sql) => binder.row_count(sql, clause).map(Some),
            None => Ok(None),
        };
        let limit = count(self, &delete.limit, "LIMIT")?;
        let offset = count(self, &delete.offset, "OFFSET")?;
        if limit.is_some() || offset.is_some() {
            plan = Plan::Limit {
                input: Box::new(plan),
                limit,
                offset,
            };
        }
        let mut plan = layout_only(plan, table);
        if !delete.using.is_empty() {
            // a row that matches several others is deleted once
            plan = Plan::Distinct {
                input: Box::new(plan),
            };
        }
        Ok(plan)
    }

    /// SET and UNSET, over a scope whose first columns are the table's layout.
    pub(super) fn assignments(
        &mut self,
        set: &[SqlAssignment],
        unset: &[SqlPath],
        table: &Relation,
        scope: &Scope,
        mut waiting: Option<&mut Vec<Pending>>,
    ) -> SqlResult<Vec<Assignment>> {
        let mut all: Vec<Assignment> = Vec::with_capacity(set.len() + unset.len());
        for assignment in set {
            match assignment {
                SqlAssignment::Path(path, value) => {
                    let next = self.assignment(
                        path,
                        value.as_ref(),
                        table,
                        scope,
                        waiting.as_deref_mut(),
                    )?;
                    self.push_assignment(&mut all, next, path)?;
                }
                SqlAssignment::Row(paths, values) => {
                    for (path, value) in paths.iter().zip(values) {
                        let next = self.assignment(
                            path,
                            value.as_ref(),
                            table,
                            scope,
                            waiting.as_deref_mut(),
                        )?;
                        self.push_assignment(&mut all, next, path)?;
                    }
                }
                SqlAssignment::Query(_, query) => {
                    return Err(self.unsupported("SET (…) = (SELECT …)", query.span()));
                }
            }
        }
        for path in unset {
            let (column, below, _) = self.place_of(path, table)?;
            let next = Assignment {
                column,
                path: below,
                value: Expr::literal(Value::Null),
                unset: true,
            };
            self.push_assignment(&mut all, next, path)?;
        }
        Ok(all)
    }

    fn push_assignment(
        &self,
        all: &mut Vec<Assignment>,
        next: Assignment,
        path: &SqlPath,
    ) -> SqlResult<()> {
        if all
            .iter()
            .any(|known| known.column == next.column && known.path == next.path)
        {
            return Err(self
                .error(
                    sqlstate::SYNTAX_ERROR,
                    format!("multiple assignments to same column \"{}\"", path_sql(path)),
                    path.root.span,
                )
                .on(path_sql(path)));
        }
        all.push(next);
        Ok(())
    }

    fn assignment(
        &mut self,
        path: &SqlPath,
        value: Option<&Sql>,
        table: &Relation,
        scope: &Scope,
        waiting: Option<&mut Vec<Pending>>,
    ) -> SqlResult<Assignment> {
        let (column, below, ty) = self.place_of(path, table)?;
        let value = match value {
            Some(_) if is_generated(table, column) => {
                return Err(self
                    .error(
                        sqlstate::GENERATED_ALWAYS,
                        format!(
                            "column \"{}\" can only be updated to DEFAULT",
                            path_sql(path)
                        ),
                        path.root.span,
                    )
                    .on(&table.name)
                    .hint("it is GENERATED ALWAYS AS IDENTITY"));
            }
            Some(sql) => {
                let mut env = Env::new(scope, "SET");
                env.dynamic = ty == SqlType::Any;
                env.pending = waiting;
                let typed = self.expr(&mut env, sql)?;
                let from = typed.ty.clone();
                match self.assign(typed, &ty) {
                    Some(stored) => stored.expr,
                    None => {
                        return Err(self
                            .error(
                                sqlstate::DATATYPE_MISMATCH,
                                format!(
                                    "column \"{}\" is of type {ty} but expression is of type {from}",
                                    path_sql(path)
                                ),
                                sql.span(),
                            ).on(path_sql(path))
                            .hint("you will need to rewrite or cast the expression"));
                    }
                }
            }
            None => self.column_default(column, &below, table, path)?,
        };
        Ok(Assignment {
            column,
            path: below,
            value,
            unset: false,
        })
    }

    fn column_default(
        &self,
        column: usize,
        below: &Path,
        table: &Relation,
        path: &SqlPath,
    ) -> SqlResult<Expr> {
        let column = table.columns.get(column).filter(|_| below.0.is_empty());
        if column.is_some_and(|column| column.sequence.is_some()) {
            return Err(self.unsupported("SET … = DEFAULT from a sequence", path.root.span));
        }
        Ok(column
            .and_then(|column| column.default.clone())
            .unwrap_or_else(|| Expr::literal(Value::Null)))
    }

    /// The column of a path, the way below it, and the type there.
    fn place_of(&self, path: &SqlPath, table: &Relation) -> SqlResult<(usize, Path, SqlType)> {
        let root = fold(&path.root);
        let steps = path.steps.iter().map(|step| match step {
            SqlStep::Field(name) => PathStep::Field(fold(name)),
            SqlStep::Index(index) => PathStep::Index(*index),
        });
        match (table.column(&root), table.rest()) {
            (Some((place, column)), _) => {
                let below = Path(steps.collect());
                if below.0.is_empty() {
                    return Ok((place, below, column.ty.clone()));
                }
                let ty =
                    match &column.ty {
                        SqlType::Any | SqlType::Document | SqlType::Json => {
                            nested_type(&column.nested, &below)
                        }
                        SqlType::Array(element) if below.0.len() == 1 => (**element).clone(),
                        SqlType::Array(_) => SqlType::Any,
                        other => {
                            return Err(self.error(
                            sqlstate::DATATYPE_MISMATCH,
                            format!(
                                "cannot assign to \"{}\": column \"{root}\" is of type {other}",
                                path_sql(path)
                            ),
                            path.root.span,
                        ).on(path_sql(path)));
                        }
                    };
                Ok((place, below, ty))
            }
            (None, Some(rest)) => {
                let mut all: Vec<PathStep> = vec![PathStep::Field(root)];
                all.extend(steps);
                Ok((rest, Path(all), SqlType::Any))
            }
            (None, None) => Err(self.no_column(&root, table, path.root.span)),
        }
    }
}

fn is_generated(table: &Relation, column: usize) -> bool {
    let column = table.columns.get(column);
    column.is_some_and(|column| column.identity == Some(Identity::Always))
}

/// A path as an expression.
pub(super) fn path_sql(path: &SqlPath) -> Sql {
    if path.steps.is_empty() {
        return Sql::Identifier(path.root.clone());
    }
    let access_chain = path
        .steps
        .iter()
        .map(|step| match step {
            SqlStep::Field(name) => AccessExpr::Dot(Sql::Identifier(Ident::clone(name))),
            SqlStep::Index(index) => AccessExpr::Subscript(Subscript::Index {
                index: Sql::Value(SqlValue::Number(index.to_string(), false).into()),
            }),
        })
        .collect();
    Sql::CompoundFieldAccess {
        root: Box::new(Sql::Identifier(path.root.clone())),
        access_chain,
    }
}

/// The first columns of a plan: the table's.
fn layout_only(plan: Plan, table: &Relation) -> Plan {
    let mut fields = plan.fields();
    let width = table.columns.len();
    if fields.len() == width {
        return plan;
    }
    fields.truncate(width);
    Plan::Project {
        input: Box::new(plan),
        exprs: (0..width).map(Expr::Column).collect(),
        fields,
    }
}
