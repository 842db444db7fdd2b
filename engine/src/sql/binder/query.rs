//! Queries: WITH, the body, ORDER BY, LIMIT. The body's doors are `select` and `set_operation`.

use sqlparser::ast::{
    Expr as Sql, LimitClause, Query, SetExpr, Spanned, Table as SqlTable, Values,
};
use tailwater_proto::{SqlType, sqlstate};
use tailwater_views::Expr;
use tailwater_views::plan::{Field, Plan, SortKey};

use super::expr::Env;
use super::from::unit;
use super::order::Order;
use super::scope::Scope;
use super::subquery::attach;
use super::{Binder, Bound, Typed};
use crate::sql::{SqlError, SqlResult};

/// A query before its order and limit are put on.
pub(super) struct Parts {
    /// Visible columns, then those only the order needs.
    pub(super) plan: Plan,
    /// The visible columns.
    pub(super) fields: Vec<Field>,
    /// Over the plan's columns.
    pub(super) sort: Vec<SortKey>,
}

impl Binder<'_> {
    /// A query.
    pub(super) fn query(&mut self, query: &Query) -> SqlResult<Bound> {
        self.with_ctes(query.with.as_ref(), |binder| {
            let parts = binder.parts(query)?;
            let (limit, offset) = binder.limit(query)?;
            let mut plan = parts.plan;
            let width = plan.fields().len();
            if !parts.sort.is_empty() {
                plan = Plan::Sort {
                    input: Box::new(plan),
                    keys: parts.sort,
                };
            }
            if limit.is_some() || offset.is_some() {
                plan = Plan::Limit {
                    input: Box::new(plan),
                    limit,
                    offset,
                };
            }
            if width > parts.fields.len() {
                plan = Plan::Project {
                    input: Box::new(plan),
                    exprs: (0..parts.fields.len()).map(Expr::Column).collect(),
                    fields: parts.fields.clone(),
                };
            }
            Ok(Bound {
                plan,
                fields: parts.fields,
            })
        })
    }

    /// The query of a view, and its reading order.
    pub(super) fn view_query(&mut self, query: &Query) -> SqlResult<(Bound, Vec<SortKey>)> {
        if query.limit_clause.is_some() || query.fetch.is_some() {
            return Ok((self.query(query)?, Vec::new()));
        }
        self.with_ctes(query.with.as_ref(), |binder| {
            let parts = binder.parts(query)?;
            if parts.plan.fields().len() > parts.fields.len() {
                let span = query.order_by.as_ref().map_or(query.span(), Spanned::span);
                return Err(binder
                    .error(
                        sqlstate::INVALID_COLUMN_REFERENCE,
                        "a view is ordered by columns it shows",
                        span,
                    )
                    .hint(
                        "add the expression to the SELECT list, or order when reading the view",
                    ));
            }
            Ok((
                Bound {
                    plan: parts.plan,
                    fields: parts.fields,
                },
                parts.sort,
            ))
        })
    }

    fn parts(&mut self, query: &Query) -> SqlResult<Parts> {
        if query.for_clause.is_some() || query.settings.is_some() || query.format_clause.is_some() {
            return Err(self.unsupported("FOR XML, SETTINGS or FORMAT", query.span()));
        }
        if !query.pipe_operators.is_empty() {
            return Err(self.unsupported("a pipe operator", query.span()));
        }
        let order = Order::of(query.order_by.as_ref());
        if order.is_all {
            return Err(self.unsupported("ORDER BY ALL", query.span()));
        }
        match &*query.body {
            SetExpr::Select(select) => self.select(select, &order),
            body => {
                let bound = self.body(body)?;
                let sort = self.order_output(&bound, &order)?;
                Ok(Parts {
                    plan: bound.plan,
                    fields: bound.fields,
                    sort,
                })
            }
        }
    }

    /// A body without order: a SELECT, VALUES, TABLE, a query in brackets or a set operation.
    pub(super) fn body(&mut self, body: &SetExpr) -> SqlResult<Bound> {
        match body {
            SetExpr::Select(select) => {
                let parts = self.select(select, &Order::none())?;
                Ok(Bound {
                    plan: parts.plan,
                    fields: parts.fields,
                })
            }
            SetExpr::Query(query) => self.query(query),
            SetExpr::Values(values) => self.values(values),
            SetExpr::Table(table) => self.table(table),
            SetExpr::SetOperation { .. } => self.set_operation(body),
            SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
                Err(self.unsupported("a statement that writes, inside a query", body.span()))
            }
        }
    }

    /// `TABLE name`.
    fn table(&mut self, table: &SqlTable) -> SqlResult<Bound> {
        let part = |name: &String| sqlparser::ast::Ident::new(name.clone());
        let parts: Vec<_> = table
            .schema_name
            .iter()
            .chain(&table.table_name)
            .map(part)
            .collect();
        let source = self.factor(&sqlparser::ast::TableFactor::Table {
            name: parts.into(),
            alias: None,
            args: None,
            with_hints: Vec::new(),
            version: None,
            with_ordinality: false,
            partitions: Vec::new(),
            json_path: None,
            sample: None,
            index_hints: Vec::new(),
        })?;
        let columns: Vec<_> = source.scope.star_columns().cloned().collect();
        let fields: Vec<Field> = columns.iter().map(super::scope::Column::field).collect();
        Ok(Bound {
            plan: Plan::Project {
                input: Box::new(source.plan),
                exprs: columns
                    .iter()
                    .map(|column| Expr::Column(column.position))
                    .collect(),
                fields: fields.clone(),
            },
            fields,
        })
    }

    /// VALUES: `column1`, `column2`, ….
    fn values(&mut self, values: &Values) -> SqlResult<Bound> {
        let scope = Scope::default();
        let mut columns: Vec<Vec<Typed>> = Vec::new();
        let mut waiting = Vec::new();
        for (number, row) in values.rows.iter().enumerate() {
            let row = &row.content;
            if number == 0 {
                columns.resize_with(row.len(), Vec::new);
            }
            if row.len() != columns.len() {
                let span = row.first().map_or(values_span(values), Spanned::span);
                return Err(self.error(
                    sqlstate::SYNTAX_ERROR,
                    "VALUES lists must all be the same length",
                    span,
                ));
            }
            for (cell, column) in row.iter().zip(&mut columns) {
                let mut env = Env::new(&scope, "VALUES");
                if values.rows.len() == 1 {
                    env.pending = Some(&mut waiting);
                }
                column.push(self.expr(&mut env, cell)?);
            }
        }
        let mut rows = vec![Vec::with_capacity(columns.len()); values.rows.len()];
        let mut fields = Vec::with_capacity(columns.len());
        for (number, column) in columns.into_iter().enumerate() {
            let types: Vec<String> = column.iter().map(|cell| cell.ty.to_string()).collect();
            let Some((cells, ty)) = self.unify(column) else {
                return Err(self.error(
                    sqlstate::DATATYPE_MISMATCH,
                    format!(
                        "VALUES types {} cannot be matched",
                        distinct(types).join(" and ")
                    ),
                    values_span(values),
                ));
            };
            fields.push(Field {
                name: format!("column{}", number + 1).into(),
                ty,
                spread: false,
            });
            for (cell, row) in cells.into_iter().zip(&mut rows) {
                row.push(cell.expr);
            }
        }
        if waiting.is_empty() {
            return Ok(Bound {
                plan: Plan::Values {
                    rows,
                    fields: fields.clone(),
                },
                fields,
            });
        }
        let (input, replacements) = attach(unit(), waiting);
        let mut exprs = rows.pop().unwrap_or_default();
        exprs
            .iter_mut()
            .for_each(|expr| super::subquery::replace(expr, &replacements));
        let plan = Plan::Project {
            input: Box::new(input),
            exprs,
            fields: fields.clone(),
        };
        Ok(Bound { plan, fields })
    }

    /// LIMIT, OFFSET and FETCH FIRST.
    fn limit(&mut self, query: &Query) -> SqlResult<(Option<Expr>, Option<Expr>)> {
        let (mut limit, mut offset) = (None, None);
        match &query.limit_clause {
            None => {}
            Some(LimitClause::LimitOffset {
                limit: n,
                offset: skip,
                limit_by,
            }) => {
                if let Some(by) = limit_by.first() {
                    return Err(self.unsupported("LIMIT BY", by.span()));
                }
                if let Some(n) = n {
                    limit = Some(self.row_count(n, "LIMIT")?);
                }
                if let Some(skip) = skip {
                    offset = Some(self.row_count(&skip.value, "OFFSET")?);
                }
            }
            Some(LimitClause::OffsetCommaLimit {
                offset: skip,
                limit: n,
            }) => {
                limit = Some(self.row_count(n, "LIMIT")?);
                offset = Some(self.row_count(skip, "OFFSET")?);
            }
        }
        if let Some(fetch) = &query.fetch {
            if fetch.with_ties || fetch.percent {
                return Err(self.unsupported("FETCH FIRST … WITH TIES or PERCENT", query.span()));
            }
            limit = Some(match &fetch.quantity {
                Some(quantity) => self.row_count(quantity, "FETCH")?,
                None => Expr::literal(1),
            });
        }
        Ok((limit, offset))
    }

    /// A number of rows: whole, over no columns.
    pub(super) fn row_count(&mut self, sql: &Sql, clause: &'static str) -> SqlResult<Expr> {
        let scope = Scope::default();
        let mut env = Env::new(&scope, clause);
        let typed = self
            .expr(&mut env, sql)
            .map_err(|error| match error.sqlstate {
                sqlstate::UNDEFINED_COLUMN | sqlstate::UNDEFINED_TABLE => SqlError {
                    sqlstate: sqlstate::INVALID_COLUMN_REFERENCE,
                    message: format!("argument of {clause} must not contain variables"),
                    hint: None,
                    ..error
                },
                _ => error,
            })?;
        match &typed.ty {
            ty if ty.is_integer() => Ok(typed.expr),
            SqlType::Any => Ok(typed.expr),
            SqlType::Unknown => Ok(self.coerce(typed, &SqlType::Int8).expr),
            ty if ty.is_numeric() => Ok(super::typed::cast(
                typed,
                &SqlType::Int8,
                tailwater_views::expr::CastMode::Implicit,
            )
            .expr),
            other => Err(self.error(
                sqlstate::DATATYPE_MISMATCH,
                format!("argument of {clause} must be type bigint, not type {other}"),
                sql.span(),
            )),
        }
    }
}

fn values_span(values: &Values) -> sqlparser::tokenizer::Span {
    values
        .rows
        .iter()
        .find_map(|row| row.content.first())
        .map_or(sqlparser::tokenizer::Span::empty(), Spanned::span)
}

/// Each once.
pub(super) fn distinct(mut types: Vec<String>) -> Vec<String> {
    types.sort();
    types.dedup();
    types
}
