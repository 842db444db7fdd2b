//! ORDER BY: what each term means (an output column by name or number, or an expression) and which way it sorts.

use sqlparser::ast::{
    Expr as Sql, Ident, OrderBy, OrderByExpr, OrderByKind, OrderBySort, Spanned, Value as SqlValue,
};
use sqlparser::tokenizer::Span;
use tailwater_proto::sqlstate;
use tailwater_views::Expr;
use tailwater_views::plan::{Field, SortKey};

use super::names::{fold, nearest};
use super::{Binder, Bound};
use crate::sql::SqlResult;

/// The terms of an ORDER BY.
pub(super) struct Order<'q> {
    pub(super) terms: &'q [OrderByExpr],
    /// ORDER BY ALL.
    pub(super) is_all: bool,
}

impl<'q> Order<'q> {
    pub(super) fn of(order: Option<&'q OrderBy>) -> Self {
        match order.map(|order| &order.kind) {
            None => Order::none(),
            Some(OrderByKind::Expressions(terms)) => Order {
                terms,
                is_all: false,
            },
            Some(OrderByKind::All(_)) => Order {
                terms: &[],
                is_all: true,
            },
        }
    }

    pub(super) fn none() -> Self {
        Order {
            terms: &[],
            is_all: false,
        }
    }
}

/// Which output column a term names.
pub(super) enum Named {
    /// This one.
    Output(usize),
    /// None: it is an expression.
    Expression,
}

impl Binder<'_> {
    /// Whether a term is an output column's number or name.
    pub(super) fn named_output(
        &self,
        sql: &Sql,
        fields: &[Field],
        clause: &str,
    ) -> SqlResult<Named> {
        if let Sql::Value(value) = sql
            && let SqlValue::Number(digits, _) = &value.value
        {
            return match digits.parse::<usize>() {
                Ok(number) if (1..=fields.len()).contains(&number) => Ok(Named::Output(number - 1)),
                Ok(_) => Err(self.error(
                    sqlstate::INVALID_COLUMN_REFERENCE,
                    format!("{clause} position {digits} is not in select list"),
                    value.span,
                )),
                Err(_) => Err(self.error(
                    sqlstate::SYNTAX_ERROR,
                    format!("non-integer constant in {clause}"),
                    value.span,
                )),
            };
        }
        let Sql::Identifier(name) = sql else {
            return Ok(Named::Expression);
        };
        let name = fold(name);
        let mut named = fields
            .iter()
            .enumerate()
            .filter(|(_, field)| field.name == name && !field.spread);
        match (named.next(), named.next()) {
            (Some((place, _)), None) => Ok(Named::Output(place)),
            (Some((place, _)), Some(_)) if clause == "ORDER BY" => {
                // the same column twice is no ambiguity; the caller compares expressions
                Ok(Named::Output(place))
            }
            _ => Ok(Named::Expression),
        }
    }

    /// Which way a term sorts.
    pub(super) fn sort_key(&self, expr: Expr, term: &OrderByExpr) -> SqlResult<SortKey> {
        let descending = match &term.options.sort {
            None | Some(OrderBySort::Asc) => false,
            Some(OrderBySort::Desc) => true,
            Some(OrderBySort::Using(operator)) => match operator.to_string().as_str() {
                "<" => false,
                ">" => true,
                other => {
                    return Err(self.unsupported(format!("ORDER BY USING {other}"), term.span()));
                }
            },
        };
        if term.with_fill.is_some() {
            return Err(self.unsupported("WITH FILL", term.span()));
        }
        Ok(SortKey {
            expr,
            descending,
            nulls_first: term.options.nulls_first.unwrap_or(descending),
        })
    }

    /// ORDER BY over a body that is no SELECT: output columns only.
    pub(super) fn order_output(
        &mut self,
        bound: &Bound,
        order: &Order<'_>,
    ) -> SqlResult<Vec<SortKey>> {
        let mut keys = Vec::with_capacity(order.terms.len());
        for term in order.terms {
            let Named::Output(place) = self.named_output(&term.expr, &bound.fields, "ORDER BY")?
            else {
                return Err(self.no_output(&term.expr, &bound.fields));
            };
            keys.push(self.sort_key(Expr::Column(place), term)?);
        }
        Ok(keys)
    }

    fn no_output(&self, sql: &Sql, fields: &[Field]) -> crate::sql::SqlError {
        let span: Span = sql.span();
        if let Sql::Identifier(name) = sql {
            let name: &Ident = name;
            let folded = fold(name);
            let error = self
                .error(
                    sqlstate::UNDEFINED_COLUMN,
                    format!("column \"{folded}\" does not exist"),
                    span,
                )
                .on(&folded);
            return match nearest(&folded, fields.iter().map(|field| field.name.as_str())) {
                Some(near) => error.hint(format!("did you mean {near}?")),
                None => error,
            };
        }
        self.error(
            sqlstate::FEATURE_NOT_SUPPORTED,
            "invalid UNION/INTERSECT/EXCEPT ORDER BY clause",
            span,
        )
        .hint("only result column names and numbers can be used, not expressions; select from the union in brackets")
    }
}
