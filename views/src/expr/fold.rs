//! `Expr::fold`: what can be computed without a row is computed once.
//!
//! Only literals and immutable functions are folded. What fails stays as it is, so the error comes, if at all, with
//! the row that needs the value. Operands that cannot matter are dropped from AND, OR and CASE.

use tailwater_proto::Value;

use super::{Expr, Literal};
use crate::context::ExecContext;
use crate::function::{self, Volatility};

impl Expr {
    /// An expression of the same value whose constant parts are literals.
    #[must_use]
    pub fn fold(mut self) -> Self {
        self.for_each_child_mut(&mut |child| {
            let taken = std::mem::replace(child, Self::literal(Value::Null));
            *child = taken.fold();
        });
        match self {
            Self::And(operands) => junction(operands, false),
            Self::Or(operands) => junction(operands, true),
            Self::Case {
                branches,
                otherwise,
            } => case(branches, otherwise),
            other => computed(other),
        }
    }

    /// Whether the value is TRUE, FALSE or NULL whatever the row.
    const fn is_condition(&self) -> bool {
        matches!(
            self,
            Self::Not(_)
                | Self::And(_)
                | Self::Or(_)
                | Self::Compare { .. }
                | Self::Distinct { .. }
                | Self::Is { .. }
                | Self::InList { .. }
                | Self::InArray { .. }
                | Self::Like { .. }
        )
    }
}

/// The literal `expr` computes to, if all its operands are literals and it does not fail.
fn computed(expr: Expr) -> Expr {
    let constant = match &expr {
        Expr::Literal(_) | Expr::Column(_) | Expr::Parameter(_) => false,
        Expr::Call { function, .. } => function::by_id(*function)
            .is_some_and(|function| function.volatility == Volatility::Immutable),
        _ => true,
    };
    let mut literals = constant;
    expr.for_each_child(&mut |child| literals &= matches!(child, Expr::Literal(_)));
    if !literals {
        return expr;
    }
    match expr.eval(&[], &ExecContext::default()) {
        Ok(value) => Expr::Literal(Literal(value)),
        Err(_) => expr,
    }
}

/// AND (`winner` FALSE) or OR (`winner` TRUE) without operands that cannot decide.
fn junction(operands: Vec<Expr>, winner: bool) -> Expr {
    let truth = |expr: &Expr| match expr {
        Expr::Literal(Literal(Value::Bool(truth))) => Some(*truth),
        _ => None,
    };
    if operands
        .iter()
        .any(|operand| truth(operand) == Some(winner))
    {
        return Expr::literal(winner);
    }
    let mut left: Vec<Expr> = operands
        .into_iter()
        .filter(|operand| truth(operand).is_none())
        .collect();
    match left.pop() {
        None => Expr::literal(!winner),
        Some(only) if left.is_empty() && only.is_condition() => only,
        Some(last) => {
            left.push(last);
            computed(if winner {
                Expr::Or(left)
            } else {
                Expr::And(left)
            })
        }
    }
}

/// CASE without branches that are never taken.
fn case(branches: Vec<(Expr, Expr)>, otherwise: Option<Box<Expr>>) -> Expr {
    let mut kept = Vec::with_capacity(branches.len());
    let mut otherwise = otherwise;
    for (condition, result) in branches {
        match &condition {
            Expr::Literal(Literal(Value::Bool(true))) => {
                otherwise = Some(Box::new(result));
                break;
            }
            Expr::Literal(_) => {}
            _ => kept.push((condition, result)),
        }
    }
    if kept.is_empty() {
        return otherwise.map_or_else(|| Expr::literal(Value::Null), |expr| *expr);
    }
    Expr::Case {
        branches: kept,
        otherwise,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ArithmeticOp, CompareOp};
    use super::*;
    use tailwater_proto::SqlType;

    fn divide(left: Expr, right: Expr) -> Expr {
        Expr::Arithmetic {
            op: ArithmeticOp::Divide,
            left: Box::new(left),
            right: Box::new(right),
            result: SqlType::Int8,
        }
    }

    fn is_one(left: Expr) -> Expr {
        Expr::Compare {
            op: CompareOp::Equal,
            left: Box::new(left),
            right: Box::new(Expr::literal(1_i64)),
        }
    }

    #[test]
    fn constants_are_computed_and_errors_stay() {
        let six = divide(Expr::literal(12_i64), Expr::literal(2_i64));
        assert_eq!(six.fold(), Expr::literal(6_i64));
        let fails = divide(Expr::literal(1_i64), Expr::literal(0_i64));
        assert_eq!(fails.clone().fold(), fails);
        let by_row = divide(Expr::Column(0), Expr::literal(2_i64));
        assert_eq!(by_row.clone().fold(), by_row);
    }

    #[test]
    fn junctions_lose_what_cannot_decide() {
        let open = is_one(Expr::Column(0));
        assert_eq!(
            Expr::And(vec![open.clone(), is_one(Expr::literal(2_i64))]).fold(),
            Expr::literal(false)
        );
        assert_eq!(
            Expr::And(vec![is_one(Expr::literal(1_i64)), open.clone()]).fold(),
            open
        );
        assert_eq!(Expr::Or(vec![]).fold(), Expr::literal(false));
        // A column alone may be no condition, and TRUE AND 5 is NULL, not 5.
        let column = Expr::And(vec![Expr::literal(true), Expr::Column(0)]).fold();
        assert_eq!(column, Expr::And(vec![Expr::Column(0)]));
    }

    #[test]
    fn dead_branches_go() {
        let case = Expr::Case {
            branches: vec![
                (Expr::literal(false), Expr::Column(1)),
                (is_one(Expr::Column(0)), Expr::Column(2)),
                (Expr::literal(true), Expr::Column(3)),
                (is_one(Expr::Column(4)), Expr::Column(5)),
            ],
            otherwise: None,
        };
        let Expr::Case {
            branches,
            otherwise,
        } = case.fold()
        else {
            panic!("one condition is open");
        };
        assert_eq!(branches.len(), 1);
        assert_eq!(otherwise.as_deref(), Some(&Expr::Column(3)));
    }
}
