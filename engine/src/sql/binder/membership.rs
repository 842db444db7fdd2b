//! Membership and choice: LIKE, BETWEEN, IN, ANY, ALL and CASE. Operands are brought to one type as comparisons
//! do it next door, in `operator`.

use sqlparser::ast::{BinaryOperator as Op, CaseWhen, Expr as Sql, Spanned};
use sqlparser::tokenizer::Span;
use tailwater_proto::{SqlType, sqlstate};
use tailwater_views::Expr;
use tailwater_views::coerce::common_type;
use tailwater_views::expr::CompareOp;

use super::expr::Env;
use super::operator::{is_textual, negate, rows};
use super::{Binder, Typed};
use crate::sql::{SqlError, SqlResult};

impl Binder<'_> {
    /// LIKE and ILIKE.
    pub(super) fn like(
        &mut self,
        env: &mut Env<'_>,
        expr: &Sql,
        pattern: &Sql,
        escape: Option<&Sql>,
        case_insensitive: bool,
        negated: bool,
    ) -> SqlResult<Typed> {
        let span = expr.span();
        let text = self.expr(env, expr)?;
        let pattern = self.expr(env, pattern)?;
        let escape = match escape {
            Some(escape) => Some(self.expr(env, escape)?),
            None => None,
        };
        self.like_typed(text, pattern, escape, case_insensitive, negated, span)
    }

    pub(super) fn like_typed(
        &mut self,
        text: Typed,
        pattern: Typed,
        escape: Option<Typed>,
        case_insensitive: bool,
        negated: bool,
        span: Span,
    ) -> SqlResult<Typed> {
        let word = if case_insensitive { "~~*" } else { "~~" };
        for side in [&text, &pattern].into_iter().chain(&escape) {
            if !is_textual(&side.ty) && side.ty != SqlType::Any {
                return Err(self.no_operator(&text.ty, word, &pattern.ty, span));
            }
        }
        let text = self.coerce(text, &SqlType::Text);
        let pattern = self.coerce(pattern, &SqlType::Text);
        let escape = escape.map(|escape| Box::new(self.coerce(escape, &SqlType::Text).expr));
        let like = Expr::Like {
            expr: Box::new(text.expr),
            pattern: Box::new(pattern.expr),
            escape,
            case_insensitive,
        };
        Ok(if negated {
            negate(like)
        } else {
            Typed::truth(like)
        })
    }

    /// BETWEEN.
    pub(super) fn between(
        &mut self,
        env: &mut Env<'_>,
        expr: &Sql,
        negated: bool,
        low: &Sql,
        high: &Sql,
    ) -> SqlResult<Typed> {
        let span = expr.span();
        let (low, high) = (self.expr(env, low)?, self.expr(env, high)?);
        let value = self.expr(env, expr)?;
        let between = self.between_typed(value, low, high, span)?;
        Ok(if negated {
            negate(between)
        } else {
            Typed::truth(between)
        })
    }

    pub(super) fn between_typed(
        &mut self,
        value: Typed,
        low: Typed,
        high: Typed,
        span: Span,
    ) -> SqlResult<Expr> {
        let above = self.compare(value.clone(), CompareOp::GreaterEqual, low, span)?;
        let below = self.compare(value, CompareOp::LessEqual, high, span)?;
        Ok(Expr::And(vec![above.expr, below.expr]))
    }

    /// `x IN (a, b)`.
    pub(super) fn in_list(
        &mut self,
        env: &mut Env<'_>,
        expr: &Sql,
        list: &[Sql],
        negated: bool,
    ) -> SqlResult<Typed> {
        let span = expr.span();
        let found = match rows(expr) {
            Some(row) => self.row_in_list(env, row, list, span)?,
            None => {
                let mut all = vec![self.expr(env, expr)?];
                for candidate in list {
                    all.push(self.expr(env, candidate)?);
                }
                self.member(all, span)?
            }
        };
        Ok(if negated {
            negate(found)
        } else {
            Typed::truth(found)
        })
    }

    fn member(&mut self, all: Vec<Typed>, span: Span) -> SqlResult<Expr> {
        let types: Vec<SqlType> = all.iter().map(|typed| typed.ty.clone()).collect();
        if let (2, Some(SqlType::Array(element))) = (all.len(), types.get(1))
            && let Some(first) = types.first()
            && !matches!(first, SqlType::Array(_))
            && common_type(&[first.clone(), (**element).clone()]).is_some()
        {
            // Genji's `x IN (array)`
            let mut sides = all.into_iter();
            if let (Some(value), Some(array)) = (sides.next(), sides.next()) {
                return Ok(Expr::InArray {
                    expr: Box::new(value.expr),
                    array: Box::new(array.expr),
                });
            }
            return Err(SqlError::new(
                sqlstate::INTERNAL_ERROR,
                "IN lost its operands",
            ));
        }
        let numbers = types.iter().all(|ty| ty.is_numeric());
        let floats = types
            .iter()
            .any(|ty| matches!(ty, SqlType::Real | SqlType::Double));
        let mut all = if numbers && !floats {
            all.into_iter()
        } else {
            match self.unify(all) {
                Some((all, _)) => all.into_iter(),
                None => {
                    let first = types.first().cloned().unwrap_or(SqlType::Any);
                    let other = types
                        .iter()
                        .find(|ty| common_type(&[first.clone(), (*ty).clone()]).is_none())
                        .or(types.last())
                        .cloned()
                        .unwrap_or(SqlType::Any);
                    return Err(self.no_operator(&first, "=", &other, span));
                }
            }
        };
        let expr = all.next().map(|typed| Box::new(typed.expr));
        let expr = expr.unwrap_or_else(|| Box::new(Expr::literal(false)));
        Ok(Expr::InList {
            expr,
            list: all.map(|typed| typed.expr).collect(),
        })
    }

    fn row_in_list(
        &mut self,
        env: &mut Env<'_>,
        row: &[Sql],
        list: &[Sql],
        span: Span,
    ) -> SqlResult<Expr> {
        let mut any = Vec::with_capacity(list.len());
        for candidate in list {
            any.push(self.rows_compared(env, row, &Op::Eq, candidate, span)?.expr);
        }
        Ok(Expr::Or(any))
    }

    /// `x = ANY (array)`, `x <> ALL (array)`, and Genji's `x IN array`.
    pub(super) fn quantified(
        &mut self,
        env: &mut Env<'_>,
        left: &Sql,
        op: &Op,
        right: &Sql,
        all: bool,
    ) -> SqlResult<Typed> {
        let span = left.span();
        if let Sql::Subquery(query) = right {
            return match (op, all) {
                (Op::Eq, false) => self.in_subquery(env, left, query, false),
                (Op::NotEq, true) => self.in_subquery(env, left, query, true),
                _ => Err(self.unsupported(format!("{op} ANY or ALL of a subquery"), span)),
            };
        }
        let negated = match (op, all) {
            (Op::Eq, false) => false,
            (Op::NotEq, true) => true,
            _ => return Err(self.unsupported(format!("{op} ANY or ALL of an array"), span)),
        };
        let value = self.expr(env, left)?;
        let array = self.expr(env, right)?;
        let (value, array) = match (&value.ty, &array.ty) {
            (SqlType::Unknown, SqlType::Array(element)) => {
                let element = (**element).clone();
                (self.coerce(value, &element), array)
            }
            (ty, SqlType::Unknown) => {
                let of = match ty {
                    SqlType::Unknown => SqlType::Text,
                    other => tailwater_views::coerce::base(other),
                };
                let array = self.coerce(array, &SqlType::Array(Box::new(of)));
                (value, array)
            }
            (ty, SqlType::Array(element)) => {
                if common_type(&[ty.clone(), (**element).clone()]).is_none() {
                    return Err(self.no_operator(ty, "=", element, span));
                }
                (value, array)
            }
            (_, SqlType::Any) => (value.soften(), array),
            (_, other) => {
                return Err(self.error(
                    sqlstate::WRONG_OBJECT_TYPE,
                    format!("op ANY/ALL requires array on right side, not {other}"),
                    right.span(),
                ));
            }
        };
        let value = self.settled(value);
        let found = Expr::InArray {
            expr: Box::new(value.expr),
            array: Box::new(array.expr),
        };
        Ok(if negated {
            negate(found)
        } else {
            Typed::truth(found)
        })
    }

    /// CASE, simple and searched.
    pub(super) fn case(
        &mut self,
        env: &mut Env<'_>,
        operand: Option<&Sql>,
        conditions: &[CaseWhen],
        otherwise: Option<&Sql>,
    ) -> SqlResult<Typed> {
        let operand = match operand {
            Some(operand) => Some((self.expr(env, operand)?, operand.span())),
            None => None,
        };
        let mut tests = Vec::with_capacity(conditions.len());
        let mut results = Vec::with_capacity(conditions.len() + 1);
        for when in conditions {
            let condition = self.expr(env, &when.condition)?;
            tests.push(match &operand {
                Some((operand, span)) => {
                    self.compare(operand.clone(), CompareOp::Equal, condition, *span)?
                        .expr
                }
                None => self.truth(condition, "CASE/WHEN", when.condition.span())?,
            });
            results.push(self.expr(env, &when.result)?);
        }
        let has_else = otherwise.is_some();
        if let Some(otherwise) = otherwise {
            results.push(self.expr(env, otherwise)?);
        }
        let types: Vec<String> = results.iter().map(|typed| typed.ty.to_string()).collect();
        let Some((mut results, ty)) = self.unify(results) else {
            let span = conditions
                .first()
                .map_or(Span::empty(), |when| when.result.span());
            return Err(self.error(
                sqlstate::DATATYPE_MISMATCH,
                format!("CASE types {} cannot be matched", types.join(" and ")),
                span,
            ));
        };
        let otherwise = if has_else {
            results.pop().map(|typed| Box::new(typed.expr))
        } else {
            None
        };
        let branches = tests
            .into_iter()
            .zip(results.into_iter().map(|typed| typed.expr))
            .collect();
        Ok(Typed::new(
            Expr::Case {
                branches,
                otherwise,
            },
            ty,
        ))
    }
}
