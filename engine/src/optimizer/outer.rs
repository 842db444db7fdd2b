//! When a condition is not TRUE for the rows an outer join adds: their right columns are all NULL.

use tailwater_views::Expr;
use tailwater_views::expr::TruthTest;

/// Whether the condition is TRUE for no row whose columns from `boundary` on are all NULL.
pub(super) fn drops_missing_rows(condition: &Expr, boundary: usize) -> bool {
    match condition {
        Expr::And(operands) => operands
            .iter()
            .any(|operand| drops_missing_rows(operand, boundary)),
        Expr::Or(operands) => {
            !operands.is_empty()
                && operands
                    .iter()
                    .all(|operand| drops_missing_rows(operand, boundary))
        }
        Expr::Is { test, expr } => match test {
            TruthTest::NotNull | TruthTest::False | TruthTest::NotUnknown => {
                is_null(expr, boundary)
            }
            TruthTest::True => drops_missing_rows(expr, boundary),
            TruthTest::Null | TruthTest::NotTrue | TruthTest::NotFalse | TruthTest::Unknown => {
                false
            }
        },
        Expr::InList { expr, .. } | Expr::InArray { expr, .. } => is_null(expr, boundary),
        other => is_null(other, boundary),
    }
}

/// Whether the expression is NULL where the columns from `boundary` on are all NULL.
fn is_null(expr: &Expr, boundary: usize) -> bool {
    match expr {
        Expr::Column(position) => *position >= boundary,
        Expr::Path { base, .. } | Expr::Subscript { base, .. } => is_null(base, boundary),
        Expr::Not(operand)
        | Expr::BitNot(operand)
        | Expr::Negate { expr: operand, .. }
        | Expr::Cast { expr: operand, .. } => is_null(operand, boundary),
        Expr::Compare { left, right, .. } | Expr::Arithmetic { left, right, .. } => {
            is_null(left, boundary) || is_null(right, boundary)
        }
        Expr::Like { expr, pattern, .. } => is_null(expr, boundary) || is_null(pattern, boundary),
        Expr::And(operands) | Expr::Or(operands) => {
            !operands.is_empty() && operands.iter().all(|operand| is_null(operand, boundary))
        }
        Expr::Literal(_)
        | Expr::Parameter(_)
        | Expr::Distinct { .. }
        | Expr::Is { .. }
        | Expr::Concat(..)
        | Expr::Case { .. }
        | Expr::InList { .. }
        | Expr::InArray { .. }
        | Expr::Call { .. }
        | Expr::Array(_)
        | Expr::Document(_) => false,
    }
}
