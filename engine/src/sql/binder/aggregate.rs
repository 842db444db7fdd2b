//! Aggregates: their calls are collected while a SELECT's expressions are bound, then the expressions are
//! rewritten to read the groups. What is neither grouped nor aggregated is refused (42803).

use sqlparser::ast::{
    DuplicateTreatment, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause,
    FunctionArguments, Spanned,
};
use sqlparser::tokenizer::Span;
use tailwater_proto::{EcoString, SqlType, sqlstate};
use tailwater_views::Expr;
use tailwater_views::aggregate::{AggregateCall, AggregateFunction};
use tailwater_views::aggregate_type::result_type;
use tailwater_views::plan::Field;

use super::expr::{AGGREGATE, Env, SUBQUERY};
use super::scope::Scope;
use super::{Binder, Typed};
use crate::sql::{SqlError, SqlResult};

/// The aggregates of one SELECT, each once.
#[derive(Debug, Default)]
pub(super) struct Calls {
    pub(super) calls: Vec<AggregateCall>,
    pub(super) fields: Vec<Field>,
}

impl Calls {
    fn add(&mut self, call: AggregateCall, name: &str, ty: SqlType) -> usize {
        if let Some(known) = self.calls.iter().position(|other| *other == call) {
            return known;
        }
        self.calls.push(call);
        self.fields.push(Field {
            name: name.into(),
            ty,
            spread: false,
        });
        self.calls.len() - 1
    }
}

/// The aggregate of a name.
pub(super) fn by_name(name: &str) -> Option<AggregateFunction> {
    Some(match name {
        "count" => AggregateFunction::Count,
        "sum" => AggregateFunction::Sum,
        "avg" => AggregateFunction::Avg,
        "min" => AggregateFunction::Min,
        "max" => AggregateFunction::Max,
        _ => return None,
    })
}

/// Aggregates PostgreSQL has and we do not, for an honest error.
pub(super) const MISSING: &[&str] = &[
    "any_value",
    "array_agg",
    "bit_and",
    "bit_or",
    "bit_xor",
    "bool_and",
    "bool_or",
    "corr",
    "covar_pop",
    "covar_samp",
    "every",
    "group_concat",
    "json_agg",
    "json_object_agg",
    "jsonb_agg",
    "jsonb_object_agg",
    "mode",
    "percentile_cont",
    "percentile_disc",
    "regr_slope",
    "stddev",
    "stddev_pop",
    "stddev_samp",
    "string_agg",
    "var_pop",
    "var_samp",
    "variance",
    "xmlagg",
];

impl Binder<'_> {
    /// A call of an aggregate: a column to come.
    pub(super) fn aggregate(
        &mut self,
        env: &mut Env<'_>,
        function: &Function,
        which: AggregateFunction,
        name: &str,
    ) -> SqlResult<Typed> {
        let span = function.name.span();
        if env.aggregates.is_none() {
            let message = if env.clause == "an aggregate" {
                "aggregate function calls cannot be nested".to_owned()
            } else {
                format!("aggregate functions are not allowed in {}", env.clause)
            };
            let error = self.error(sqlstate::GROUPING_ERROR, message, span);
            return Err(match env.clause {
                "WHERE" => error.hint("conditions on groups go into HAVING"),
                _ => error,
            });
        }
        let FunctionArguments::List(list) = &function.args else {
            return Err(self.no_arguments(name, span));
        };
        if let Some(clause) = list
            .clauses
            .iter()
            .find(|clause| !matches!(clause, FunctionArgumentClause::OrderBy(_)))
        {
            return Err(self.unsupported(format!("{clause} in {name}"), span));
        }
        if !function.within_group.is_empty() || function.null_treatment.is_some() {
            return Err(self.unsupported(format!("WITHIN GROUP or IGNORE NULLS in {name}"), span));
        }
        let distinct = list.duplicate_treatment == Some(DuplicateTreatment::Distinct);
        let mut inner = Env::new(env.scope, "an aggregate");
        let argument = match list.args.as_slice() {
            [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)]
                if which == AggregateFunction::Count && !distinct =>
            {
                None
            }
            [FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))] => {
                let typed = self.expr(&mut inner, argument)?;
                Some(self.settled(typed))
            }
            _ => return Err(self.no_arguments(name, span)),
        };
        let filter = match &function.filter {
            Some(filter) => {
                let mut inner = Env::new(env.scope, "FILTER");
                Some(self.condition(&mut inner, filter)?)
            }
            None => None,
        };
        let argument_type = argument
            .as_ref()
            .map_or(SqlType::Any, |typed| typed.ty.clone());
        let Some(ty) = result_type(which, &argument_type) else {
            return Err(self
                .error(
                    sqlstate::UNDEFINED_FUNCTION,
                    format!("function {name}({argument_type}) does not exist"),
                    span,
                )
                .on(name)
                .hint("you might need to add an explicit type cast"));
        };
        let call = AggregateCall {
            function: which,
            argument: argument.map(|typed| typed.expr),
            argument_type,
            distinct,
            filter,
        };
        let Some(calls) = env.aggregates.as_deref_mut() else {
            return Err(SqlError::new(
                sqlstate::INTERNAL_ERROR,
                "aggregates lost their place",
            ));
        };
        let number = calls.add(call, name, ty.clone());
        Ok(Typed::new(Expr::Column(AGGREGATE + number), ty))
    }

    fn no_arguments(&self, name: &str, span: Span) -> SqlError {
        self.error(
            sqlstate::UNDEFINED_FUNCTION,
            format!(
                "{name} takes one argument{}",
                if name == "count" { ", or *" } else { "" }
            ),
            span,
        )
        .on(name)
    }
}

/// The groups of a SELECT: its GROUP BY, and columns that depend on a grouped primary key.
#[derive(Debug)]
pub(super) struct Groups {
    pub(super) exprs: Vec<Expr>,
    pub(super) fields: Vec<Field>,
}

impl Groups {
    /// Makes sure the expression reads only groups and aggregates; adds columns that depend on the groups.
    /// `Err` is the position of a column that is neither.
    pub(super) fn admit(&mut self, expr: &Expr, scope: &Scope) -> Result<(), usize> {
        if self.exprs.contains(expr) {
            return Ok(());
        }
        if let Expr::Column(position) = expr {
            if *position >= AGGREGATE {
                return Ok(());
            }
            let Some(field) = self.dependent(*position, scope) else {
                return Err(*position);
            };
            self.exprs.push(expr.clone());
            self.fields.push(field);
            return Ok(());
        }
        let mut result = Ok(());
        expr.for_each_child(&mut |child| {
            if result.is_ok() {
                result = self.admit(child, scope);
            }
        });
        result
    }

    /// The column at a position, if its table's primary key is grouped.
    fn dependent(&self, position: usize, scope: &Scope) -> Option<Field> {
        let (table, column) = scope.column_at(position)?;
        let grouped = |key: &usize| self.exprs.contains(&Expr::Column(*key));
        (!table.key.is_empty() && table.key.iter().all(grouped)).then(|| column.field())
    }

    /// The expression over the aggregate's output.
    pub(super) fn rewrite(&self, expr: &mut Expr) {
        if let Some(group) = self.exprs.iter().position(|group| group == expr) {
            *expr = Expr::Column(group);
            return;
        }
        if let Expr::Column(position) = expr {
            if (AGGREGATE..SUBQUERY).contains(position) {
                *position = *position - AGGREGATE + self.exprs.len();
            }
            return;
        }
        expr.for_each_child_mut(&mut |child| self.rewrite(child));
    }
}

/// "must appear in the GROUP BY clause".
pub(super) fn ungrouped(
    binder: &Binder<'_>,
    position: usize,
    scope: &Scope,
    seen: &[(usize, EcoString, Span)],
) -> SqlError {
    let found = seen.iter().find(|(column, _, _)| *column == position);
    let span = found.map_or(Span::empty(), |(_, _, span)| *span);
    let table = scope.tables.iter().find(|table| {
        table
            .columns
            .iter()
            .any(|column| column.position == position)
    });
    let name = found.map_or("?", |(_, name, _)| name.as_str());
    let name = match table {
        Some(table) if !table.name.is_empty() => format!("{}.{name}", table.name),
        _ => name.to_owned(),
    };
    binder
        .error(
            sqlstate::GROUPING_ERROR,
            format!(
                "column \"{name}\" must appear in the GROUP BY clause or be used in an aggregate \
                 function"
            ),
            span,
        ).on(&name)
        .hint(
            "name the columns you want, each grouped or inside count, sum, min, max or avg; to choose \
             rows rather than to group them, use WHERE",
        )
}
