//! Expressions as SQL text, columns by name.

use std::fmt::Write;

use tailwater_proto::{Path, PathStep, Value};
use tailwater_views::Expr;
use tailwater_views::expr::{CompareOp, Literal, TruthTest};
use tailwater_views::function::{self, Function};

/// The expression as SQL, with `columns[i]` for column `i`.
#[must_use]
pub fn expr_text(expr: &Expr, columns: &[String]) -> String {
    let mut text = String::new();
    write_expr(&mut text, expr, columns);
    text
}

/// Expressions, separated by commas.
pub(super) fn list_text<'e>(
    exprs: impl IntoIterator<Item = &'e Expr>,
    columns: &[String],
) -> String {
    let texts: Vec<String> = exprs
        .into_iter()
        .map(|expr| expr_text(expr, columns))
        .collect();
    texts.join(", ")
}

/// A comparison operator as SQL writes it.
pub(super) const fn compare_symbol(op: CompareOp) -> &'static str {
    match op {
        CompareOp::Equal => "=",
        CompareOp::NotEqual => "<>",
        CompareOp::Less => "<",
        CompareOp::LessEqual => "<=",
        CompareOp::Greater => ">",
        CompareOp::GreaterEqual => ">=",
    }
}

const fn test_words(test: TruthTest) -> &'static str {
    match test {
        TruthTest::Null => "IS NULL",
        TruthTest::NotNull => "IS NOT NULL",
        TruthTest::True => "IS TRUE",
        TruthTest::NotTrue => "IS NOT TRUE",
        TruthTest::False => "IS FALSE",
        TruthTest::NotFalse => "IS NOT FALSE",
        TruthTest::Unknown => "IS UNKNOWN",
        TruthTest::NotUnknown => "IS NOT UNKNOWN",
    }
}

/// A path below something: each field with its dot.
fn path_text(path: &Path) -> String {
    let mut text = String::new();
    for step in &path.0 {
        // Writing to a string cannot fail.
        let _ = match step {
            PathStep::Field(name) => write!(text, ".{name}"),
            PathStep::Index(index) => write!(text, "[{index}]"),
        };
    }
    text
}

/// An operand: in parentheses unless it cannot be misread.
fn write_operand(text: &mut String, expr: &Expr, columns: &[String]) {
    let is_plain = matches!(
        expr,
        Expr::Literal(_)
            | Expr::Column(_)
            | Expr::Parameter(_)
            | Expr::Path { .. }
            | Expr::Subscript { .. }
            | Expr::Call { .. }
            | Expr::Cast { .. }
            | Expr::Case { .. }
            | Expr::Array(_)
            | Expr::Document(_)
    );
    if is_plain {
        write_expr(text, expr, columns);
    } else {
        text.push('(');
        write_expr(text, expr, columns);
        text.push(')');
    }
}

fn write_infix(text: &mut String, left: &Expr, symbol: &str, right: &Expr, columns: &[String]) {
    write_operand(text, left, columns);
    text.push(' ');
    text.push_str(symbol);
    text.push(' ');
    write_operand(text, right, columns);
}

fn write_chain(text: &mut String, operands: &[Expr], word: &str, columns: &[String]) {
    for (place, operand) in operands.iter().enumerate() {
        if place > 0 {
            text.push_str(word);
        }
        write_operand(text, operand, columns);
    }
}

fn write_expr(text: &mut String, expr: &Expr, columns: &[String]) {
    match expr {
        Expr::Literal(Literal(value)) => write_value(text, value),
        Expr::Column(position) => match columns.get(*position) {
            Some(name) => text.push_str(name),
            None => text.push_str(&format!("column {position}")),
        },
        Expr::Parameter(number) => text.push_str(&format!("${}", number + 1)),
        Expr::Path { base, path } => {
            write_operand(text, base, columns);
            text.push_str(&path_text(path));
        }
        Expr::Subscript { base, index } => {
            write_operand(text, base, columns);
            text.push('[');
            write_expr(text, index, columns);
            text.push(']');
        }
        Expr::Not(operand) => {
            text.push_str("NOT ");
            write_operand(text, operand, columns);
        }
        Expr::And(operands) => write_chain(text, operands, " AND ", columns),
        Expr::Or(operands) => write_chain(text, operands, " OR ", columns),
        Expr::Compare { op, left, right } => {
            write_infix(text, left, compare_symbol(*op), right, columns);
        }
        Expr::Distinct {
            negated,
            left,
            right,
        } => {
            let words = if *negated {
                "IS NOT DISTINCT FROM"
            } else {
                "IS DISTINCT FROM"
            };
            write_infix(text, left, words, right, columns);
        }
        Expr::Is { test, expr } => {
            write_operand(text, expr, columns);
            text.push(' ');
            text.push_str(test_words(*test));
        }
        Expr::Arithmetic {
            op, left, right, ..
        } => write_infix(text, left, op.symbol(), right, columns),
        Expr::Negate { expr, .. } => {
            text.push('-');
            write_operand(text, expr, columns);
        }
        Expr::BitNot(operand) => {
            text.push('~');
            write_operand(text, operand, columns);
        }
        Expr::Concat(left, right) => write_infix(text, left, "||", right, columns),
        Expr::Case {
            branches,
            otherwise,
        } => {
            text.push_str("CASE");
            for (condition, result) in branches {
                text.push_str(" WHEN ");
                write_expr(text, condition, columns);
                text.push_str(" THEN ");
                write_expr(text, result, columns);
            }
            if let Some(otherwise) = otherwise {
                text.push_str(" ELSE ");
                write_expr(text, otherwise, columns);
            }
            text.push_str(" END");
        }
        Expr::Cast { expr, to, .. } => {
            write_operand(text, expr, columns);
            text.push_str("::");
            text.push_str(&to.to_string());
        }
        Expr::InList { expr, list } => {
            write_operand(text, expr, columns);
            text.push_str(&format!(" IN ({})", list_text(list, columns)));
        }
        Expr::InArray { expr, array } => {
            write_operand(text, expr, columns);
            text.push_str(&format!(" = ANY ({})", expr_text(array, columns)));
        }
        Expr::Like {
            expr,
            pattern,
            escape,
            case_insensitive,
        } => {
            let word = if *case_insensitive { "ILIKE" } else { "LIKE" };
            write_infix(text, expr, word, pattern, columns);
            if let Some(escape) = escape {
                text.push_str(" ESCAPE ");
                write_operand(text, escape, columns);
            }
        }
        Expr::Call { function, args } => {
            let name = function::by_id(*function).map_or("?", Function::name);
            text.push_str(name);
            text.push_str(&format!("({})", list_text(args, columns)));
        }
        Expr::Array(elements) => {
            text.push_str(&format!("ARRAY[{}]", list_text(elements, columns)));
        }
        Expr::Document(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|(name, value)| format!("{name}: {}", expr_text(value, columns)))
                .collect();
            text.push_str(&format!("{{{}}}", fields.join(", ")));
        }
    }
}

/// A constant as SQL would write it.
fn write_value(text: &mut String, value: &Value) {
    match value {
        Value::Null => text.push_str("NULL"),
        Value::Bool(truth) => text.push_str(if *truth { "TRUE" } else { "FALSE" }),
        Value::Int(number) => text.push_str(&number.to_string()),
        Value::Text(string) => text.push_str(&format!("'{}'", string.as_str().replace('\'', "''"))),
        Value::Real(_) | Value::Double(_) | Value::Numeric(_) => text.push_str(&value.to_string()),
        Value::Bytes(_)
        | Value::Date(_)
        | Value::Time(_)
        | Value::Timestamp(_)
        | Value::TimestampTz(_)
        | Value::Interval(_)
        | Value::Uuid(_)
        | Value::Json(_)
        | Value::Array(_)
        | Value::Document(_) => {
            text.push_str(&format!("'{}'", value.to_string().replace('\'', "''")));
        }
    }
}
