//! Operators: comparison, logic, arithmetic, concatenation, IS. PostgreSQL's types for
//! declared operands, dynamic ones left to the evaluator. Long chains are bound in a loop, not by recursion.

use sqlparser::ast::{BinaryOperator as Op, Expr as Sql, Spanned, UnaryOperator};
use sqlparser::tokenizer::Span;
use tailwater_proto::{SqlType, sqlstate};
use tailwater_views::Expr;
use tailwater_views::coerce::common_type;
use tailwater_views::expr::{ArithmeticOp, CastMode, CompareOp, TruthTest};

use super::expr::Env;
use super::literal::number;
use super::typed::cast;
use super::{Binder, Typed};
use crate::sql::{SqlError, SqlResult};

impl Binder<'_> {
    /// A chain of binary operators, leftmost operand first.
    pub(super) fn binary_chain(&mut self, env: &mut Env<'_>, sql: &Sql) -> SqlResult<Typed> {
        if let Sql::BinaryOp {
            op: op @ (Op::And | Op::Or),
            ..
        } = sql
        {
            return self.logic(env, sql, op);
        }
        let mut spine = Vec::new();
        let mut place = sql;
        while let Sql::BinaryOp { left, op, right } = place {
            if matches!(op, Op::And | Op::Or) {
                break;
            }
            spine.push((op, &**right));
            place = left;
        }
        let mut left_sql = place;
        let mut left = match (spine.last(), rows(place)) {
            (Some((op, right)), Some(row)) => {
                let compared = self.rows_compared(env, row, op, right, place.span())?;
                spine.pop();
                compared
            }
            _ => self.expr(env, place)?,
        };
        for (op, right) in spine.into_iter().rev() {
            left = self.binary(env, left, op, right, left_sql.span())?;
            left_sql = right;
        }
        Ok(left)
    }

    /// AND and OR, flat.
    fn logic(&mut self, env: &mut Env<'_>, sql: &Sql, op: &Op) -> SqlResult<Typed> {
        let loose = env.loose && *op == Op::And;
        let mut operands = Vec::new();
        let mut todo = vec![sql];
        while let Some(place) = todo.pop() {
            match place {
                Sql::BinaryOp {
                    left,
                    op: inner,
                    right,
                } if inner == op => {
                    todo.push(right);
                    todo.push(left);
                }
                other => {
                    env.loose = loose;
                    let typed = self.expr(env, other)?;
                    let word = if *op == Op::And { "AND" } else { "OR" };
                    operands.push(self.truth(typed, word, other.span())?);
                }
            }
        }
        Ok(Typed::truth(if *op == Op::And {
            Expr::And(operands)
        } else {
            Expr::Or(operands)
        }))
    }

    fn binary(
        &mut self,
        env: &mut Env<'_>,
        left: Typed,
        op: &Op,
        right_sql: &Sql,
        span: Span,
    ) -> SqlResult<Typed> {
        match op {
            Op::Arrow => return self.arrow(env, left, right_sql),
            Op::LongArrow => {
                return self.long_arrow(env, left, right_sql);
            }
            _ => {}
        }
        let right = self.expr(env, right_sql)?;
        if let Some(op) = comparison(op) {
            return self.compare(left, op, right, span);
        }
        if matches!((op, &left.ty), (Op::Minus, SqlType::Json)) {
            return self.call("jsonb_delete", vec![left, right], span);
        }
        if let Some(op) = arithmetic(op) {
            return self.arithmetic(left, op, right, span);
        }
        match op {
            Op::StringConcat => self.concat(left, right, span),
            Op::PGRegexMatch => self.call("regexp_like", vec![left, right], span),
            Op::PGRegexIMatch => {
                let flag = Typed::constant("i", SqlType::Text);
                self.call("regexp_like", vec![left, right, flag], span)
            }
            Op::PGRegexNotMatch => {
                let like = self.call("regexp_like", vec![left, right], span)?;
                Ok(negate(like.expr))
            }
            Op::PGRegexNotIMatch => {
                let flag = Typed::constant("i", SqlType::Text);
                let like = self.call("regexp_like", vec![left, right, flag], span)?;
                Ok(negate(like.expr))
            }
            Op::PGLikeMatch => self.like_typed(left, right, None, false, false, span),
            Op::PGILikeMatch => self.like_typed(left, right, None, true, false, span),
            Op::PGNotLikeMatch => self.like_typed(left, right, None, false, true, span),
            Op::PGNotILikeMatch => self.like_typed(left, right, None, true, true, span),
            Op::HashArrow => self.call("json_at", vec![left, right], span),
            Op::HashMinus => self.call("jsonb_delete_path", vec![left, right], span),
            Op::HashLongArrow => self.call("json_at_text", vec![left, right], span),
            Op::AtArrow => self.containment(left, right, span),
            Op::ArrowAt => self.containment(right, left, span),
            Op::PGOverlap => self.call("arrayoverlap", vec![left, right], span),
            Op::PGStartsWith => self.call("starts_with", vec![left, right], span),
            other => Err(self.unsupported(format!("the operator {other}"), span)),
        }
    }

    /// `whole @> part`, of arrays or of JSON.
    fn containment(&mut self, whole: Typed, part: Typed, span: Span) -> SqlResult<Typed> {
        let of_arrays = [&whole.ty, &part.ty]
            .iter()
            .any(|ty| matches!(ty, SqlType::Array(_)));
        let name = if of_arrays {
            "arraycontains"
        } else {
            "jsonb_contains"
        };
        self.call(name, vec![whole, part], span)
    }

    /// A comparison; both sides are brought to one type where PostgreSQL would.
    pub(super) fn compare(
        &mut self,
        left: Typed,
        op: CompareOp,
        right: Typed,
        span: Span,
    ) -> SqlResult<Typed> {
        match self.comparable(left, right) {
            Ok((left, right)) => Ok(Typed::truth(Expr::Compare {
                op,
                left: Box::new(left.expr),
                right: Box::new(right.expr),
            })),
            Err((left, right)) => Err(self.no_operator(&left, symbol(op), &right, span)),
        }
    }

    /// Both sides ready to be compared, or their types if nothing compares them.
    fn comparable(
        &mut self,
        left: Typed,
        right: Typed,
    ) -> Result<(Typed, Typed), (SqlType, SqlType)> {
        let Some(common) = common_type(&[left.ty.clone(), right.ty.clone()]) else {
            return Err((left.ty, right.ty));
        };
        let floats = matches!(common, SqlType::Real | SqlType::Double);
        let mut bring = |side: Typed| match &side.ty {
            // numbers of all widths compare exactly; a decimal meets a double as a double
            SqlType::Numeric(_) if floats => cast(side, &SqlType::Double, CastMode::Implicit),
            ty if ty.is_numeric() && common.is_numeric() => side,
            _ => self.coerce(side, &common),
        };
        Ok((bring(left), bring(right)))
    }

    pub(super) fn no_operator(
        &self,
        left: &SqlType,
        op: &str,
        right: &SqlType,
        span: Span,
    ) -> SqlError {
        self.error(
            sqlstate::UNDEFINED_FUNCTION,
            format!("operator does not exist: {left} {op} {right}"),
            span,
        )
        .hint("no operator matches these types; you might need to add explicit type casts")
    }

    /// `(a, b) = (c, d)` and its kin.
    pub(super) fn rows_compared(
        &mut self,
        env: &mut Env<'_>,
        left: &[Sql],
        op: &Op,
        right: &Sql,
        span: Span,
    ) -> SqlResult<Typed> {
        let (Some(op), Some(right)) = (comparison(op), rows(right)) else {
            return Err(self.unsupported("this operator between rows", span));
        };
        if left.len() != right.len() {
            return Err(self.error(
                sqlstate::SYNTAX_ERROR,
                "unequal number of entries in row expressions",
                span,
            ));
        }
        let mut pairs = Vec::with_capacity(left.len());
        for (left, right) in left.iter().zip(right) {
            pairs.push((self.expr(env, left)?, self.expr(env, right)?));
        }
        self.row_comparison(pairs, op, span)
    }

    fn row_comparison(
        &mut self,
        pairs: Vec<(Typed, Typed)>,
        op: CompareOp,
        span: Span,
    ) -> SqlResult<Typed> {
        if let CompareOp::Equal | CompareOp::NotEqual = op {
            let parts: SqlResult<Vec<Expr>> = pairs
                .into_iter()
                .map(|(left, right)| Ok(self.compare(left, op, right, span)?.expr))
                .collect();
            let parts = parts?;
            return Ok(Typed::truth(match op {
                CompareOp::Equal => Expr::And(parts),
                _ => Expr::Or(parts),
            }));
        }
        let strict = match op {
            CompareOp::LessEqual => CompareOp::Less,
            CompareOp::GreaterEqual => CompareOp::Greater,
            other => other,
        };
        // the first pair that differs decides: (a < c) OR (a = c AND rest)
        let mut decided: Option<Expr> = None;
        let last = pairs.len().saturating_sub(1);
        for (n, (left, right)) in pairs.into_iter().enumerate().rev() {
            let this = if n == last { op } else { strict };
            let less = self.compare(left.clone(), this, right.clone(), span)?.expr;
            decided = Some(match decided {
                None => less,
                Some(rest) => {
                    let equal = self.compare(left, CompareOp::Equal, right, span)?.expr;
                    Expr::Or(vec![less, Expr::And(vec![equal, rest])])
                }
            });
        }
        Ok(Typed::truth(decided.unwrap_or(Expr::literal(true))))
    }

    /// IS [NOT] DISTINCT FROM.
    pub(super) fn distinct(
        &mut self,
        env: &mut Env<'_>,
        left: &Sql,
        right: &Sql,
        negated: bool,
    ) -> SqlResult<Typed> {
        let span = left.span();
        let (left, right) = (self.expr(env, left)?, self.expr(env, right)?);
        let compared = self.compare(left, CompareOp::Equal, right, span)?;
        Ok(match compared.expr {
            Expr::Compare { left, right, .. } => Typed::truth(Expr::Distinct {
                negated,
                left,
                right,
            }),
            other => Typed::truth(other),
        })
    }

    /// IS NULL, IS TRUE and their kin.
    pub(super) fn is(
        &mut self,
        env: &mut Env<'_>,
        expr: &Sql,
        test: TruthTest,
    ) -> SqlResult<Typed> {
        let typed = self.expr(env, expr)?;
        let expr = match test {
            TruthTest::Null | TruthTest::NotNull => typed.expr,
            _ => self.truth(typed, "IS", expr.span())?,
        };
        Ok(Typed::truth(Expr::Is {
            test,
            expr: Box::new(expr),
        }))
    }

    /// NOT, -, +, ~ and the other prefixes.
    pub(super) fn unary(
        &mut self,
        env: &mut Env<'_>,
        op: &UnaryOperator,
        expr: &Sql,
    ) -> SqlResult<Typed> {
        let span = expr.span();
        if let (UnaryOperator::Minus, Sql::Value(value)) = (op, expr)
            && let sqlparser::ast::Value::Number(digits, _) = &value.value
        {
            let number = number(&format!("-{digits}")).map_err(|error| self.place(error, span))?;
            return Ok(if env.dynamic { number.soften() } else { number });
        }
        let typed = self.expr(env, expr)?;
        match op {
            UnaryOperator::Not => Ok(negate(self.truth(typed, "NOT", span)?)),
            UnaryOperator::Minus | UnaryOperator::Plus => {
                let typed = match typed.ty {
                    SqlType::Unknown if is_parameter(&typed) => self.coerce(typed, &SqlType::Any),
                    SqlType::Unknown => self.coerce(typed, &SqlType::Double),
                    _ => typed,
                };
                if !typed.ty.is_numeric() && !matches!(typed.ty, SqlType::Any | SqlType::Interval) {
                    return Err(self.error(
                        sqlstate::UNDEFINED_FUNCTION,
                        format!("operator does not exist: {op} {}", typed.ty),
                        span,
                    ));
                }
                Ok(match op {
                    UnaryOperator::Plus => typed,
                    _ => Typed::new(
                        Expr::Negate {
                            expr: Box::new(typed.expr),
                            result: typed.ty.clone(),
                        },
                        typed.ty,
                    ),
                })
            }
            UnaryOperator::BitwiseNot if typed.ty.is_integer() || typed.ty == SqlType::Any => {
                Ok(Typed::new(Expr::BitNot(Box::new(typed.expr)), typed.ty))
            }
            UnaryOperator::PGAbs => self.call("abs", vec![typed], span),
            UnaryOperator::PGSquareRoot => self.call("sqrt", vec![typed], span),
            UnaryOperator::PGCubeRoot => self.call("cbrt", vec![typed], span),
            other => Err(self.unsupported(format!("{other} before {}", typed.ty), span)),
        }
    }

    fn arithmetic(
        &mut self,
        left: Typed,
        op: ArithmeticOp,
        right: Typed,
        span: Span,
    ) -> SqlResult<Typed> {
        let (left, right) = self.operands(left, op, right);
        let Some(result) = arithmetic_type(&left.ty, op, &right.ty) else {
            return Err(self.no_operator(&left.ty, op_symbol(op), &right.ty, span));
        };
        let (left, right) = match result {
            SqlType::Any => (left.soften(), right.soften()),
            _ => (left, right),
        };
        let expr = Expr::Arithmetic {
            op,
            left: Box::new(left.expr),
            right: Box::new(right.expr),
            result: result.clone(),
        };
        Ok(Typed::new(expr, result))
    }

    /// Gives untyped operands their type from the other side.
    fn operands(&mut self, left: Typed, op: ArithmeticOp, right: Typed) -> (Typed, Typed) {
        let other = |ty: &SqlType| match (ty, op) {
            (
                SqlType::Date | SqlType::Timestamp | SqlType::TimestampTz | SqlType::Time,
                ArithmeticOp::Add,
            ) => SqlType::Interval,
            (SqlType::Interval, ArithmeticOp::Multiply | ArithmeticOp::Divide) => SqlType::Double,
            (SqlType::Unknown, _) => SqlType::Double,
            (ty, _) => ty.clone(),
        };
        match (&left.ty, &right.ty) {
            // What is bound tells: integers stay integers.
            (SqlType::Unknown, SqlType::Unknown) if is_parameter(&left) && is_parameter(&right) => {
                (
                    self.coerce(left, &SqlType::Any),
                    self.coerce(right, &SqlType::Any),
                )
            }
            (SqlType::Unknown, SqlType::Unknown) => (
                self.coerce(left, &SqlType::Double),
                self.coerce(right, &SqlType::Double),
            ),
            (SqlType::Unknown, ty) => {
                let to = other(ty);
                (self.coerce(left, &to), right)
            }
            (ty, SqlType::Unknown) => {
                let to = other(ty);
                let right = self.coerce(right, &to);
                (left, right)
            }
            _ => (left, right),
        }
    }

    fn concat(&mut self, left: Typed, right: Typed, span: Span) -> SqlResult<Typed> {
        use SqlType::{Any, Array, Bytea, Document, Json, Text, Unknown};
        let result = match (&left.ty, &right.ty) {
            (Array(_), Array(_) | Unknown | Any) => left.ty.clone(),
            (Unknown | Any, Array(_)) => right.ty.clone(),
            (Array(element), other) | (other, Array(element)) => {
                match common_type(&[(**element).clone(), other.clone()]) {
                    Some(common) => Array(Box::new(common)),
                    None => return Err(self.no_operator(&left.ty, "||", &right.ty, span)),
                }
            }
            (Any, _) | (_, Any) => Any,
            (Bytea, Bytea | Unknown) | (Unknown, Bytea) => Bytea,
            (Document, Document | Unknown) | (Unknown, Document) => Document,
            (Json, Json | Unknown | Document) | (Unknown | Document, Json) => Json,
            (left, right) if is_textual(left) || is_textual(right) => Text,
            _ => return Err(self.no_operator(&left.ty, "||", &right.ty, span)),
        };
        let bring = |binder: &mut Self, side: Typed| match (&side.ty, &result) {
            (Unknown, result) => binder.coerce(side, result),
            (ty, Text) if !ty.is_text() => cast(side, &Text, CastMode::Implicit),
            _ => side,
        };
        let left = bring(self, left);
        let right = bring(self, right);
        Ok(Typed::new(
            Expr::Concat(Box::new(left.expr), Box::new(right.expr)),
            result,
        ))
    }
}

/// NOT.
pub(super) fn negate(expr: Expr) -> Typed {
    Typed::truth(Expr::Not(Box::new(expr)))
}

/// The parts of a row written in brackets.
pub(super) fn rows(sql: &Sql) -> Option<&[Sql]> {
    match sql {
        Sql::Tuple(parts) => Some(parts),
        Sql::Nested(inner) => rows(inner),
        _ => None,
    }
}

pub(super) fn is_textual(ty: &SqlType) -> bool {
    ty.is_text() || *ty == SqlType::Unknown
}

fn is_parameter(typed: &Typed) -> bool {
    matches!(typed.expr, Expr::Parameter(_))
}

fn comparison(op: &Op) -> Option<CompareOp> {
    Some(match op {
        Op::Eq => CompareOp::Equal,
        Op::NotEq => CompareOp::NotEqual,
        Op::Lt => CompareOp::Less,
        Op::LtEq => CompareOp::LessEqual,
        Op::Gt => CompareOp::Greater,
        Op::GtEq => CompareOp::GreaterEqual,
        _ => return None,
    })
}

fn symbol(op: CompareOp) -> &'static str {
    match op {
        CompareOp::Equal => "=",
        CompareOp::NotEqual => "<>",
        CompareOp::Less => "<",
        CompareOp::LessEqual => "<=",
        CompareOp::Greater => ">",
        CompareOp::GreaterEqual => ">=",
    }
}

fn arithmetic(op: &Op) -> Option<ArithmeticOp> {
    Some(match op {
        Op::Plus => ArithmeticOp::Add,
        Op::Minus => ArithmeticOp::Subtract,
        Op::Multiply => ArithmeticOp::Multiply,
        Op::Divide => ArithmeticOp::Divide,
        Op::Modulo => ArithmeticOp::Modulo,
        Op::PGExp => ArithmeticOp::Power,
        Op::BitwiseAnd => ArithmeticOp::BitAnd,
        Op::BitwiseOr => ArithmeticOp::BitOr,
        Op::BitwiseXor | Op::PGBitwiseXor => ArithmeticOp::BitXor,
        Op::PGBitwiseShiftLeft => ArithmeticOp::ShiftLeft,
        Op::PGBitwiseShiftRight => ArithmeticOp::ShiftRight,
        _ => return None,
    })
}

fn op_symbol(op: ArithmeticOp) -> &'static str {
    match op {
        ArithmeticOp::Add => "+",
        ArithmeticOp::Subtract => "-",
        ArithmeticOp::Multiply => "*",
        ArithmeticOp::Divide => "/",
        ArithmeticOp::Modulo => "%",
        ArithmeticOp::Power => "^",
        ArithmeticOp::BitAnd => "&",
        ArithmeticOp::BitOr => "|",
        ArithmeticOp::BitXor => "#",
        ArithmeticOp::ShiftLeft => "<<",
        ArithmeticOp::ShiftRight => ">>",
    }
}

/// The type of `left op right`; `None` if there is no such operator.
fn arithmetic_type(left: &SqlType, op: ArithmeticOp, right: &SqlType) -> Option<SqlType> {
    use ArithmeticOp as A;
    use SqlType::{Any, Date, Double, Int4, Interval, Numeric, Time, Timestamp, TimestampTz};
    if *left == Any || *right == Any {
        return Some(Any);
    }
    if left.is_numeric() && right.is_numeric() {
        let floats =
            matches!(left, SqlType::Real | Double) || matches!(right, SqlType::Real | Double);
        let exact = matches!(left, Numeric(_)) || matches!(right, Numeric(_));
        return match op {
            A::Power if exact && !floats => Some(Numeric(None)),
            A::Power => Some(Double),
            A::BitAnd | A::BitOr | A::BitXor if left.is_integer() && right.is_integer() => {
                common_type(&[left.clone(), right.clone()])
            }
            A::ShiftLeft | A::ShiftRight if left.is_integer() && right.is_integer() => {
                Some(left.clone())
            }
            A::BitAnd | A::BitOr | A::BitXor | A::ShiftLeft | A::ShiftRight => None,
            A::Modulo if floats => None,
            // REAL with anything but REAL is DOUBLE
            _ if floats && left != right => Some(Double),
            _ => common_type(&[left.clone(), right.clone()]),
        };
    }
    Some(match (left, op, right) {
        (Date, A::Add | A::Subtract, ty) if ty.is_integer() => Date,
        (ty, A::Add, Date) if ty.is_integer() => Date,
        (Date, A::Subtract, Date) => Int4,
        (Date, A::Add | A::Subtract, Interval) | (Interval, A::Add, Date) => Timestamp,
        (Date, A::Add, Time) | (Time, A::Add, Date) => Timestamp,
        (Timestamp, A::Add | A::Subtract, Interval) | (Interval, A::Add, Timestamp) => Timestamp,
        (TimestampTz, A::Add | A::Subtract, Interval) | (Interval, A::Add, TimestampTz) => {
            TimestampTz
        }
        (Time, A::Add | A::Subtract, Interval) | (Interval, A::Add, Time) => Time,
        (Time, A::Subtract, Time) => Interval,
        (Date | Timestamp | TimestampTz, A::Subtract, Date | Timestamp | TimestampTz) => Interval,
        (Interval, A::Add | A::Subtract, Interval) => Interval,
        (Interval, A::Multiply | A::Divide, ty) if ty.is_numeric() => Interval,
        (ty, A::Multiply, Interval) if ty.is_numeric() => Interval,
        _ => return None,
    })
}
