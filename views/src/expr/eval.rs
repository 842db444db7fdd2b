//! Evaluation of expressions over one row, by reference where nothing new is made.
//!
//! Conditions are computed in three values without making `Value`s; AND, OR and IN give the same answer in whatever
//! order their operands stand, errors included. What each operator does with its operands is next door: `arithmetic`,
//! `temporal`, `like`, `cast` and the function table.

use std::borrow::Cow;
use std::cmp::Ordering;

use tailwater_proto::{Document, Value, sqlstate};

use super::{CompareOp, Expr, TruthTest, arithmetic, concat, like};
use crate::cast::cast;
use crate::context::ExecContext;
use crate::error::{Error, Result};
use crate::function;

/// TRUE, FALSE or unknown.
type Truth = Option<bool>;

impl Expr {
    /// The value over `row`.
    ///
    /// # Errors
    /// What the row makes fail ([`Error::is_row_error`]), with PostgreSQL's code and words; `XX001` if the
    /// expression reads a column or calls a function that does not exist, which only a damaged plan does.
    pub fn eval(&self, row: &[Value], cx: &ExecContext) -> Result<Value> {
        match self {
            Self::Arithmetic {
                op,
                left,
                right,
                result,
            } => match (left.at_hand(row), right.at_hand(row)) {
                (Some(left), Some(right)) => arithmetic::binary(*op, left, right, result),
                _ => {
                    let left = left.eval_ref(row, cx)?;
                    let right = right.eval_ref(row, cx)?;
                    arithmetic::binary(*op, &left, &right, result)
                }
            },
            Self::Column(position) => match row.get(*position) {
                Some(value) => Ok(value.clone()),
                None => Err(damaged_column(*position, row.len())),
            },
            _ => self.eval_ref(row, cx).map(Cow::into_owned),
        }
    }

    /// Whether the value over `row` is TRUE: what WHERE, HAVING and join conditions ask.
    ///
    /// # Errors
    /// As [`Expr::eval`].
    pub fn test(&self, row: &[Value], cx: &ExecContext) -> Result<bool> {
        Ok(self.truth(row, cx)? == Some(true))
    }

    /// The value over `row`, borrowed from the row, the parameters or the expression itself where it stands there.
    ///
    /// # Errors
    /// As [`Expr::eval`].
    pub fn eval_ref<'v>(&'v self, row: &'v [Value], cx: &'v ExecContext) -> Result<Cow<'v, Value>> {
        let made = match self {
            Self::Literal(literal) => return Ok(Cow::Borrowed(&literal.0)),
            Self::Column(position) => {
                return row
                    .get(*position)
                    .map(Cow::Borrowed)
                    .ok_or_else(|| damaged_column(*position, row.len()));
            }
            Self::Parameter(position) => {
                return cx
                    .parameters
                    .get(*position)
                    .map(Cow::Borrowed)
                    .ok_or_else(|| missing_parameter(*position));
            }
            Self::Path { base, path } => {
                return Ok(match base.eval_ref(row, cx)? {
                    Cow::Borrowed(root) => path.find(root).map_or(NULL, Cow::Borrowed),
                    Cow::Owned(root) => path.find(&root).cloned().map_or(NULL, Cow::Owned),
                });
            }
            Self::Subscript { base, index } => {
                let index = index.eval_ref(row, cx)?;
                return Ok(match base.eval_ref(row, cx)? {
                    Cow::Borrowed(root) => subscript(root, &index).map_or(NULL, Cow::Borrowed),
                    Cow::Owned(root) => subscript(&root, &index).cloned().map_or(NULL, Cow::Owned),
                });
            }
            Self::Case {
                branches,
                otherwise,
            } => {
                for (condition, result) in branches {
                    if condition.test(row, cx)? {
                        return result.eval_ref(row, cx);
                    }
                }
                return match otherwise {
                    Some(otherwise) => otherwise.eval_ref(row, cx),
                    None => Ok(NULL),
                };
            }
            Self::Cast { expr, to, mode } => {
                let value = expr.eval_ref(row, cx)?;
                cast(&value, to, *mode)?
            }
            Self::Arithmetic { .. } => self.eval(row, cx)?,
            Self::Negate { expr, result } => arithmetic::negate(&*expr.eval_ref(row, cx)?, result)?,
            Self::BitNot(expr) => match &*expr.eval_ref(row, cx)? {
                Value::Int(bits) => Value::Int(!bits),
                _ => Value::Null,
            },
            Self::Concat(left, right) => {
                let left = left.eval_ref(row, cx)?;
                let right = right.eval_ref(row, cx)?;
                concat::concat(&left, &right)?
            }
            Self::Call { function, args } => call(*function, args, row, cx)?,
            Self::Array(elements) => Value::Array(
                elements
                    .iter()
                    .map(|element| element.eval(row, cx))
                    .collect::<Result<_>>()?,
            ),
            Self::Document(fields) => Value::document(
                fields
                    .iter()
                    .map(|(name, field)| Ok((name.clone(), field.eval(row, cx)?)))
                    .collect::<Result<Document>>()?,
            ),
            Self::Not(_)
            | Self::And(_)
            | Self::Or(_)
            | Self::Compare { .. }
            | Self::Distinct { .. }
            | Self::Is { .. }
            | Self::InList { .. }
            | Self::InArray { .. }
            | Self::Like { .. } => self.truth(row, cx)?.map_or(Value::Null, Value::Bool),
        };
        Ok(Cow::Owned(made))
    }

    /// The value of a column or a literal: most operands are one, and need no `Result`.
    #[inline]
    fn at_hand<'v>(&'v self, row: &'v [Value]) -> Option<&'v Value> {
        match self {
            Self::Column(position) => row.get(*position),
            Self::Literal(literal) => Some(&literal.0),
            _ => None,
        }
    }

    /// The value over `row` as a condition. Kinds other than BOOL are unknown.
    fn truth(&self, row: &[Value], cx: &ExecContext) -> Result<Truth> {
        match self {
            Self::Compare { op, left, right } => {
                if let (Some(left), Some(right)) = (left.at_hand(row), right.at_hand(row)) {
                    return Ok(left.cmp_sql(right).map(|order| op.holds(order)));
                }
                let left = left.eval_ref(row, cx)?;
                let right = right.eval_ref(row, cx)?;
                Ok(left.cmp_sql(&right).map(|order| op.holds(order)))
            }
            Self::And(operands) => any_decides(operands, false, row, cx),
            Self::Or(operands) => any_decides(operands, true, row, cx),
            Self::Not(expr) => Ok(expr.truth(row, cx)?.map(|truth| !truth)),
            Self::Is { test, expr } => match test {
                TruthTest::Null => Ok(Some(expr.eval_ref(row, cx)?.is_null())),
                TruthTest::NotNull => Ok(Some(!expr.eval_ref(row, cx)?.is_null())),
                _ => Ok(Some(test.holds(expr.truth(row, cx)?))),
            },
            Self::Distinct {
                negated,
                left,
                right,
            } => {
                let left = left.eval_ref(row, cx)?;
                let right = right.eval_ref(row, cx)?;
                Ok(Some(left.cmp_total(&right).is_eq() == *negated))
            }
            Self::InList { expr, list } => in_list(expr, list, row, cx),
            Self::InArray { expr, array } => {
                let value = expr.eval_ref(row, cx)?;
                let array = array.eval_ref(row, cx)?;
                let Value::Array(elements) = array.unwrap_json() else {
                    return Ok(None);
                };
                let mut found = Some(false);
                for element in elements.iter() {
                    match value.cmp_sql(element) {
                        Some(Ordering::Equal) => return Ok(Some(true)),
                        Some(_) => {}
                        None => found = None,
                    }
                }
                Ok(found)
            }
            Self::Like {
                expr,
                pattern,
                escape,
                case_insensitive,
            } => {
                let value = expr.eval_ref(row, cx)?;
                let pattern = pattern.eval_ref(row, cx)?;
                let escape = match escape {
                    None => None,
                    Some(escape) => Some(escape.eval_ref(row, cx)?),
                };
                like::like(&value, &pattern, escape.as_deref(), *case_insensitive)
            }
            _ => Ok(self.eval_ref(row, cx)?.as_bool()),
        }
    }
}

const NULL: Cow<'static, Value> = Cow::Borrowed(&Value::Null);

impl CompareOp {
    /// Whether the operator holds for operands in this order.
    #[must_use]
    pub const fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::LessEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterEqual => order.is_ge(),
        }
    }
}

impl TruthTest {
    /// The answer for a truth value (`None`: NULL).
    #[must_use]
    pub const fn holds(self, truth: Option<bool>) -> bool {
        match self {
            Self::Null | Self::Unknown => truth.is_none(),
            Self::NotNull | Self::NotUnknown => truth.is_some(),
            Self::True => matches!(truth, Some(true)),
            Self::NotTrue => !matches!(truth, Some(true)),
            Self::False => matches!(truth, Some(false)),
            Self::NotFalse => !matches!(truth, Some(false)),
        }
    }
}

/// AND (`winner` FALSE) and OR (`winner` TRUE): an operand of the winning truth decides, before errors and NULLs,
/// errors decide before NULLs, and the first error is reported.
fn any_decides(operands: &[Expr], winner: bool, row: &[Value], cx: &ExecContext) -> Result<Truth> {
    let mut outcome = Ok(Some(!winner));
    for operand in operands {
        match operand.truth(row, cx) {
            Ok(Some(truth)) if truth == winner => return Ok(Some(winner)),
            Ok(Some(_)) => {}
            Ok(None) => {
                if outcome.is_ok() {
                    outcome = Ok(None);
                }
            }
            Err(error) => keep_first(&mut outcome, error)?,
        }
    }
    outcome
}

/// `expr IN (list)` is `expr = a OR expr = b …` with `expr` evaluated once.
fn in_list(expr: &Expr, list: &[Expr], row: &[Value], cx: &ExecContext) -> Result<Truth> {
    let value = expr.eval_ref(row, cx)?;
    let mut outcome = Ok(Some(false));
    for candidate in list {
        match candidate.eval_ref(row, cx) {
            Ok(candidate) => match value.cmp_sql(&candidate) {
                Some(Ordering::Equal) => return Ok(Some(true)),
                Some(_) => {}
                None => {
                    if outcome.is_ok() {
                        outcome = Ok(None);
                    }
                }
            },
            Err(error) => keep_first(&mut outcome, error)?,
        }
    }
    outcome
}

/// Keeps a row error for later if it is the first; every other error ends the evaluation at once.
fn keep_first(outcome: &mut Result<Truth>, error: Error) -> Result<()> {
    if !error.is_row_error() {
        return Err(error);
    }
    if outcome.is_ok() {
        *outcome = Err(error);
    }
    Ok(())
}

fn subscript<'v>(root: &'v Value, index: &Value) -> Option<&'v Value> {
    match (root.unwrap_json(), index.unwrap_json()) {
        (Value::Array(elements), Value::Int(place)) => elements.get(usize::try_from(*place).ok()?),
        (Value::Document(document), Value::Text(name)) => document.get(name),
        _ => None,
    }
}

/// Arguments of a call that need no heap.
const ARGUMENTS_INLINE: usize = 4;

fn call(id: function::FunctionId, args: &[Expr], row: &[Value], cx: &ExecContext) -> Result<Value> {
    let function = function::by_id(id).ok_or_else(|| Error::Corrupted {
        message: format!("plan calls function {}, which does not exist", id.0),
    })?;
    if let Some(lazy) = function.lazy {
        return lazy(&mut args.iter().map(|arg| arg.eval(row, cx)));
    }
    let mut values = smallvec::SmallVec::<[Value; ARGUMENTS_INLINE]>::new();
    let mut null = false;
    for arg in args {
        let value = arg.eval(row, cx)?;
        null |= value.is_null();
        values.push(value);
    }
    if null && function.strict {
        return Ok(Value::Null);
    }
    (function.eval)(&values, cx)
}

#[cold]
fn damaged_column(position: usize, columns: usize) -> Error {
    Error::Corrupted {
        message: format!("plan reads column {position} of a row of {columns} columns"),
    }
}

#[cold]
fn missing_parameter(position: usize) -> Error {
    Error::row(
        sqlstate::UNDEFINED_PARAMETER,
        format!("there is no value for parameter ${}", position + 1),
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::Ordering::Relaxed;

    use tailwater_proto::SqlType;

    use super::super::ArithmeticOp;
    use super::*;

    fn divide(left: i64, right: i64) -> Expr {
        Expr::Arithmetic {
            op: ArithmeticOp::Divide,
            left: Box::new(Expr::literal(left)),
            right: Box::new(Expr::literal(right)),
            result: SqlType::Int8,
        }
    }

    fn is_true(left: Expr) -> Expr {
        Expr::Compare {
            op: CompareOp::Equal,
            left: Box::new(left),
            right: Box::new(Expr::literal(1_i64)),
        }
    }

    /// A condition of each outcome: TRUE, FALSE, NULL, an error.
    fn outcomes() -> [(Expr, &'static str); 4] {
        [
            (is_true(divide(1, 1)), "true"),
            (is_true(divide(2, 1)), "false"),
            (is_true(Expr::literal(Value::Null)), "null"),
            (is_true(divide(1, 0)), "error"),
        ]
    }

    fn outcome(expr: &Expr) -> &'static str {
        match expr.eval(&[], &ExecContext::default()) {
            Ok(Value::Bool(true)) => "true",
            Ok(Value::Bool(false)) => "false",
            Ok(Value::Null) => "null",
            Ok(_) => "other",
            Err(_) => "error",
        }
    }

    #[test]
    fn junctions_do_not_depend_on_the_order_of_operands() {
        let strength = |winner: &'static str, outcome: &str| match outcome {
            _ if outcome == winner => 3,
            "error" => 2,
            "null" => 1,
            _ => 0,
        };
        for (a, a_is) in outcomes() {
            for (b, b_is) in outcomes() {
                for (c, c_is) in outcomes() {
                    let operands = vec![a.clone(), b.clone(), c.clone()];
                    for (expr, winner) in [
                        (Expr::And(operands.clone()), "false"),
                        (Expr::Or(operands.clone()), "true"),
                    ] {
                        let expected = [a_is, b_is, c_is]
                            .into_iter()
                            .max_by_key(|outcome| strength(winner, outcome))
                            .unwrap();
                        assert_eq!(outcome(&expr), expected, "{expr:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_stopped_statement_is_not_absorbed() {
        let mut outcome = Ok(Some(true));
        let stopped = Error::Stopped {
            sqlstate: sqlstate::QUERY_CANCELED,
            message: "stop".to_owned(),
        };
        assert!(keep_first(&mut outcome, stopped).is_err());
    }

    #[test]
    fn in_lists_are_chains_of_or() {
        let in_list = |list: Vec<Expr>| Expr::InList {
            expr: Box::new(Expr::literal(1_i64)),
            list,
        };
        let null = || Expr::literal(Value::Null);
        for (list, expected) in [
            (vec![Expr::literal(2_i64), Expr::literal(1.0)], "true"),
            (vec![null(), Expr::literal(1_i64)], "true"),
            (vec![null(), Expr::literal(2_i64)], "null"),
            (vec![divide(1, 0), Expr::literal(1_i64)], "true"),
            (vec![divide(1, 0), null()], "error"),
            (vec![], "false"),
        ] {
            assert_eq!(outcome(&in_list(list.clone())), expected, "{list:?}");
        }
    }

    #[test]
    fn branches_not_taken_are_not_evaluated() {
        let case = Expr::Case {
            branches: vec![(is_true(Expr::Column(0)), Expr::literal("one"))],
            otherwise: Some(Box::new(divide(1, 0))),
        };
        let cx = ExecContext::default();
        assert_eq!(case.eval(&[Value::Int(1)], &cx), Ok("one".into()));
        assert!(case.eval(&[Value::Int(2)], &cx).is_err());
        let coalesce = Expr::Call {
            function: function::FunctionId(400),
            args: vec![Expr::Column(0), divide(1, 0)],
        };
        assert_eq!(coalesce.eval(&[Value::Int(1)], &cx), Ok(Value::Int(1)));
        assert!(coalesce.eval(&[Value::Null], &cx).is_err());
    }

    #[test]
    fn columns_and_parameters_are_borrowed() {
        let cx = ExecContext {
            parameters: Arc::from([Value::text("a")]),
            ..ExecContext::default()
        };
        let row = [Value::text("b")];
        for expr in [Expr::Column(0), Expr::Parameter(0)] {
            assert!(matches!(expr.eval_ref(&row, &cx), Ok(Cow::Borrowed(_))));
        }
        assert!(!Expr::Column(1).eval(&row, &cx).unwrap_err().is_row_error());
        let missing = Expr::Parameter(1).eval(&row, &cx).unwrap_err();
        assert_eq!(missing.message(), "there is no value for parameter $2");
        assert_eq!(cx.counters.rows_evaluated.load(Relaxed), 0);
    }
}
