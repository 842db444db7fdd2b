//! What is known of an expression without evaluating it: its type, whether it can fail, whether it depends on a row,
//! whether NULLs make it NULL; and taking conditions apart and together.

use tailwater_proto::{SqlType, Value};
use tailwater_views::Expr;
use tailwater_views::expr::{ArithmeticOp, CastMode, FunctionId, Literal};
use tailwater_views::function::{self, Volatility};
use tailwater_views::plan::Field;

/// Appends the operands of a condition's AND, at any depth, to `conjuncts`.
pub(super) fn split(condition: Expr, conjuncts: &mut Vec<Expr>) {
    match condition {
        Expr::And(operands) => operands
            .into_iter()
            .for_each(|operand| split(operand, conjuncts)),
        other => conjuncts.push(other),
    }
}

/// The condition's conjuncts.
pub(super) fn conjuncts_of(condition: Option<Expr>) -> Vec<Expr> {
    let mut conjuncts = Vec::new();
    if let Some(condition) = condition {
        split(condition, &mut conjuncts);
    }
    conjuncts
}

/// The conjuncts in one condition; `None` if there are none.
pub(super) fn conjunction(mut conjuncts: Vec<Expr>) -> Option<Expr> {
    match conjuncts.len() {
        0 | 1 => conjuncts.pop(),
        _ => Some(Expr::And(conjuncts)),
    }
}

/// The expression with `with[i]` in the place of column `i`.
pub(super) fn substitute(expr: &Expr, with: &[Expr]) -> Expr {
    let mut result = expr.clone();
    result.replace_columns(with);
    result
}

/// The expression with each column position raised by `by`.
pub(super) fn raised(mut expr: Expr, by: usize) -> Expr {
    expr.map_columns(&|position| position + by);
    expr
}

/// The expression with each column position lowered by `by`; positions are at least `by`.
pub(super) fn lowered(mut expr: Expr, by: usize) -> Expr {
    expr.map_columns(&|position| position.saturating_sub(by));
    expr
}

/// The type of an expression's values, `Any` where only evaluation tells.
pub(super) fn type_of(expr: &Expr, fields: &[Field]) -> SqlType {
    match expr {
        Expr::Column(position) => fields
            .get(*position)
            .map_or(SqlType::Any, |field| field.ty.clone()),
        Expr::Literal(Literal(value)) => type_of_value(value),
        Expr::Cast { to, .. } => to.clone(),
        Expr::Arithmetic { result, .. } | Expr::Negate { result, .. } => result.clone(),
        Expr::Not(_)
        | Expr::And(_)
        | Expr::Or(_)
        | Expr::Compare { .. }
        | Expr::Distinct { .. }
        | Expr::Is { .. }
        | Expr::InList { .. }
        | Expr::InArray { .. }
        | Expr::Like { .. } => SqlType::Bool,
        Expr::Parameter(_)
        | Expr::Path { .. }
        | Expr::Subscript { .. }
        | Expr::BitNot(_)
        | Expr::Concat(..)
        | Expr::Case { .. }
        | Expr::Call { .. }
        | Expr::Array(_)
        | Expr::Document(_) => SqlType::Any,
    }
}

fn type_of_value(value: &Value) -> SqlType {
    match value {
        Value::Bool(_) => SqlType::Bool,
        Value::Int(_) => SqlType::Int8,
        Value::Real(_) => SqlType::Real,
        Value::Double(_) => SqlType::Double,
        Value::Numeric(_) => SqlType::Numeric(None),
        Value::Text(_) => SqlType::Text,
        Value::Uuid(_) => SqlType::Uuid,
        Value::Bytes(_) => SqlType::Bytea,
        Value::Date(_) => SqlType::Date,
        Value::Time(_) => SqlType::Time,
        Value::Timestamp(_) => SqlType::Timestamp,
        Value::TimestampTz(_) => SqlType::TimestampTz,
        Value::Interval(_) => SqlType::Interval,
        Value::Null | Value::Json(_) | Value::Array(_) | Value::Document(_) => SqlType::Any,
    }
}

/// Whether a conversion keeps every value as it compares: equal ones equal, the others in order. Such a conversion
/// cannot fail, and an index on the operand serves comparisons of the result.
pub(super) fn keeps_order(from: &SqlType, to: &SqlType) -> bool {
    use SqlType::{Any, Double, Int2, Int4, Int8, Numeric, Real, Text, Varchar};
    if from == to && !matches!(from, SqlType::Unknown) {
        return true;
    }
    match (from, to) {
        (_, Any)
        | (Int2, Int4 | Int8 | Real | Double | Numeric(None))
        | (Int4, Int8 | Double | Numeric(None))
        | (Int8 | Numeric(_), Numeric(None))
        | (Real, Double) => true,
        (from, Text | Varchar(None)) => from.is_text(),
        _ => false,
    }
}

/// Whether a conversion of a value of the declared type `from` always succeeds.
fn always_casts(from: &SqlType, to: &SqlType) -> bool {
    use SqlType::{Bool, Double, Int8, Real, Text, Uuid, Varchar};
    keeps_order(from, to)
        || match (from, to) {
            (Int8, Double | Real) | (SqlType::Int4, Real) => true,
            (from, Text | Varchar(None)) => {
                from.is_integer() || matches!(from, Bool | Uuid | SqlType::Numeric(_))
            }
            _ => false,
        }
}

/// The operand below conversions that keep order: what an index may be asked for instead.
pub(super) fn peeled<'e>(expr: &'e Expr, fields: &[Field]) -> &'e Expr {
    let mut place = expr;
    while let Expr::Cast {
        expr: operand,
        to,
        mode,
    } = place
    {
        let from = type_of(operand, fields);
        if *mode == CastMode::Assignment || from == SqlType::Any || !keeps_order(&from, to) {
            break;
        }
        place = operand;
    }
    place
}

/// Whether no row can make the expression fail. A parameter that does not convert fails the whole statement, rows
/// or no rows, so its conversion counts as safe.
pub(super) fn is_infallible(expr: &Expr, fields: &[Field]) -> bool {
    let itself = match expr {
        Expr::Literal(_)
        | Expr::Column(_)
        | Expr::Parameter(_)
        | Expr::Path { .. }
        | Expr::Not(_)
        | Expr::And(_)
        | Expr::Or(_)
        | Expr::Compare { .. }
        | Expr::Distinct { .. }
        | Expr::Is { .. }
        | Expr::InList { .. }
        | Expr::Case { .. }
        | Expr::Array(_)
        | Expr::Document(_) => true,
        Expr::Like {
            pattern, escape, ..
        } => escape.is_none() && is_whole_pattern(pattern),
        Expr::Cast {
            expr: operand,
            to,
            mode,
        } => {
            matches!(**operand, Expr::Parameter(_))
                || (*mode != CastMode::Assignment && {
                    let from = type_of(operand, fields);
                    from != SqlType::Any && always_casts(&from, to)
                })
        }
        Expr::Concat(left, right) => {
            type_of(left, fields).is_text() && type_of(right, fields).is_text()
        }
        Expr::Arithmetic {
            op: ArithmeticOp::Add | ArithmeticOp::Subtract,
            left,
            right,
            ..
        } => is_moment(left) && matches!(**right, Expr::Literal(Literal(Value::Interval(_)))),
        Expr::Call { function, args } => {
            (args.is_empty() && !is_volatile_function(*function)) || never_fails(*function)
        }
        Expr::Arithmetic { .. }
        | Expr::Subscript { .. }
        | Expr::Negate { .. }
        | Expr::BitNot(_)
        | Expr::InArray { .. } => false,
    };
    let mut safe = itself;
    expr.for_each_child(&mut |child| safe = safe && is_infallible(child, fields));
    safe
}

/// Whether the expression is the transaction's time: a call without arguments.
fn is_moment(expr: &Expr) -> bool {
    matches!(expr, Expr::Call { args, .. } if args.is_empty())
}

/// Whether a pattern is a constant that does not end in the middle of an escape.
fn is_whole_pattern(pattern: &Expr) -> bool {
    match pattern {
        Expr::Literal(Literal(Value::Null)) => true,
        Expr::Literal(Literal(Value::Text(text))) => {
            text.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 0
        }
        _ => false,
    }
}

/// Whether two evaluations on one row may differ.
pub(super) fn is_volatile(expr: &Expr) -> bool {
    let mut found = false;
    expr.walk(&mut |part| {
        if let Expr::Call { function, .. } = part {
            found = found || is_volatile_function(*function);
        }
    });
    found
}

/// Whether two calls with the same arguments may differ within a statement.
fn is_volatile_function(function: FunctionId) -> bool {
    function::by_id(function).is_none_or(|row| row.volatility == Volatility::Volatile)
}

/// Functions that succeed on every argument: the wrong kind gives NULL, and no value is out of their domain.
const NEVER_FAIL: &[&str] = &[
    "coalesce",
    "nullif",
    "greatest",
    "least",
    "lower",
    "upper",
    "length",
    "octet_length",
    "trim",
    "ltrim",
    "rtrim",
    "btrim",
    "reverse",
    "starts_with",
    "strpos",
    "typeof",
    "array_length",
    "cardinality",
];

/// Whether a call succeeds on arguments of every kind.
fn never_fails(function: FunctionId) -> bool {
    function::by_id(function).is_some_and(|row| {
        row.volatility != Volatility::Volatile
            && row.names.iter().any(|name| NEVER_FAIL.contains(name))
    })
}

/// Whether the expression has the same value for every row of the statement.
pub(super) fn is_row_independent(expr: &Expr) -> bool {
    expr.columns().is_empty() && !is_volatile(expr)
}

/// Whether evaluating the expression twice costs next to nothing.
pub(super) fn is_cheap(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(_) | Expr::Column(_) | Expr::Parameter(_) => true,
        Expr::Path { base, .. } => is_cheap(base),
        _ => false,
    }
}
