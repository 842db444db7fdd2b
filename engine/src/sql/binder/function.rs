//! Function calls: aggregates, the few functions only the binder knows, and the function table of `views`.

use sqlparser::ast::{Function, FunctionArg, FunctionArgExpr, FunctionArguments, Spanned};
use sqlparser::tokenizer::Span;
use tailwater_proto::{SqlType, sqlstate};
use tailwater_views::Expr;

use super::expr::Env;
use super::names::fold_parts;
use super::{Binder, Typed, aggregate};
use crate::sql::{SqlError, SqlResult};

impl Binder<'_> {
    /// A call.
    pub(super) fn function(&mut self, env: &mut Env<'_>, function: &Function) -> SqlResult<Typed> {
        let span = function.name.span();
        let parts = fold_parts(&function.name);
        let name = match parts.as_slice() {
            [schema, name] if schema == "pg_catalog" || schema == "public" => name.to_string(),
            parts => parts.join("."),
        };
        if function.over.is_some() {
            return Err(self.unsupported(format!("the window function {name}"), span));
        }
        if let Some(which) = aggregate::by_name(&name) {
            return self.aggregate(env, function, which, &name);
        }
        if aggregate::MISSING.contains(&name.as_str()) {
            return Err(self.unsupported(format!("the aggregate {name}"), span));
        }
        if function.filter.is_some() {
            return Err(self
                .error(
                    sqlstate::WRONG_OBJECT_TYPE,
                    format!("FILTER specified, but {name} is not an aggregate function"),
                    span,
                )
                .on(name.clone()));
        }
        let args = self.arguments(env, function, &name)?;
        match (name.as_str(), args.as_slice()) {
            ("pk", []) => self.primary_key(env, span),
            ("between_symmetric", [value, a, b]) => {
                let (value, a, b) = (value.clone(), a.clone(), b.clone());
                let up = self.between_typed(value.clone(), a.clone(), b.clone(), span)?;
                let down = self.between_typed(value, b, a, span)?;
                let both = Expr::Or(vec![up, down]);
                self.check_size(&both, span)?;
                Ok(Typed::truth(both))
            }
            // The declared type, where there is one: a value of INT2 does not tell that it is one.
            ("pg_typeof", [arg]) if !matches!(arg.ty, SqlType::Any | SqlType::Document) => {
                let whole = arg.ty.to_string();
                let name = match (whole.split_once('('), &arg.ty) {
                    (
                        Some((name, _)),
                        SqlType::Varchar(_) | SqlType::Char(_) | SqlType::Numeric(_),
                    ) => name,
                    _ => &whole,
                };
                Ok(Typed::constant(name, SqlType::Text))
            }
            ("nextval" | "currval" | "setval" | "lastval", _) => Err(self
                .unsupported(format!("{name} in an expression"), span)
                .hint("a sequence is drawn from in DEFAULT: a INT DEFAULT NEXT VALUE FOR s")),
            _ => self.call(&name, args, span),
        }
    }

    fn arguments(
        &mut self,
        env: &mut Env<'_>,
        function: &Function,
        name: &str,
    ) -> SqlResult<Vec<Typed>> {
        let span = function.name.span();
        let list = match &function.args {
            FunctionArguments::None => return Ok(Vec::new()),
            FunctionArguments::Subquery(_) => {
                return Err(self.unsupported(format!("{name} of a subquery"), span));
            }
            FunctionArguments::List(list) => list,
        };
        if list.duplicate_treatment.is_some() || !list.clauses.is_empty() {
            return Err(self
                .error(
                    sqlstate::WRONG_OBJECT_TYPE,
                    format!(
                        "DISTINCT or ORDER BY specified, but {name} is not an aggregate function"
                    ),
                    span,
                )
                .on(name));
        }
        let mut args = Vec::with_capacity(list.args.len());
        for arg in &list.args {
            args.push(match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => self.expr(env, expr)?,
                FunctionArg::Unnamed(_) => {
                    return Err(self
                        .error(
                            sqlstate::SYNTAX_ERROR,
                            format!("{name}(*) specified, but {name} is not an aggregate function"),
                            span,
                        )
                        .on(name));
                }
                FunctionArg::Named { .. } | FunctionArg::ExprNamed { .. } => {
                    return Err(self.unsupported(format!("a named argument of {name}"), span));
                }
            });
        }
        Ok(args)
    }

    /// `pk()`: the values of the primary key, in an array.
    fn primary_key(&mut self, env: &mut Env<'_>, span: Span) -> SqlResult<Typed> {
        let mut keyed = env
            .scope
            .tables
            .iter()
            .filter(|table| !table.key_exprs.is_empty());
        let (Some(table), None) = (keyed.next(), keyed.next()) else {
            return Err(self.error(
                sqlstate::AMBIGUOUS_COLUMN,
                "pk() needs exactly one table in FROM",
                span,
            ));
        };
        for expr in &table.key_exprs {
            for position in expr.columns() {
                env.seen.push((position, "pk()".into(), span));
            }
        }
        Ok(Typed::new(
            Expr::Array(table.key_exprs.clone()),
            SqlType::Array(Box::new(SqlType::Any)),
        ))
    }

    /// Refuses an expression that copying operands has blown up.
    fn check_size(&self, expr: &Expr, span: Span) -> SqlResult<()> {
        let mut nodes = 0_usize;
        expr.walk(&mut |_| nodes += 1);
        if nodes <= 10_000 {
            return Ok(());
        }
        Err(self.place(
            SqlError::new(
                sqlstate::STATEMENT_TOO_COMPLEX,
                "BETWEEN SYMMETRIC inside itself grows too large",
            ),
            span,
        ))
    }
}
