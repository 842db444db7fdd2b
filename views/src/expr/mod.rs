//! `Expr`: a scalar expression over one row, the only one there is: SELECT, views, checks, defaults and index keys
//! all evaluate it. Bound by the engine (columns by position, functions by number), evaluated in `eval`.
//!
//! Stored in plans by variant and field name: names here are never changed or reused with another meaning.

use serde::{Deserialize, Serialize};
use tailwater_proto::{EcoString, Path, SqlType};

pub use self::literal::Literal;
pub use crate::function::FunctionId;

pub use self::arithmetic::Typing;
pub(crate) use self::arithmetic::{
    binary as arithmetic, division_by_zero, out_of_range, overflow, to_decimal, to_double,
    underflow,
};
pub(crate) use self::concat::joined;

mod arithmetic;
mod concat;

mod eval;
mod fold;
mod like;
mod literal;
mod temporal;

/// A bound scalar expression. Chains of AND and OR are flat, so depth stays small.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Expr {
    /// A constant.
    Literal(Literal),
    /// A column of the input row, by position.
    Column(usize),
    /// A statement parameter, counted from 0.
    Parameter(usize),
    /// A nested value; NULL where the path leads nowhere.
    Path {
        /// The document or array.
        base: Box<Expr>,
        /// The way into it.
        path: Path,
    },
    /// An element at a computed subscript (`a[i]`, counted from 0) or field (`a['name']`); NULL where there is none.
    Subscript {
        /// The array or document.
        base: Box<Expr>,
        /// The subscript.
        index: Box<Expr>,
    },
    /// Three-valued NOT.
    Not(Box<Expr>),
    /// Three-valued AND. FALSE wins over an error of another operand, whatever their order.
    And(Vec<Expr>),
    /// Three-valued OR. TRUE wins over an error of another operand, whatever their order.
    Or(Vec<Expr>),
    /// A comparison: NULL if an operand is NULL, and for kinds that do not compare.
    Compare {
        /// Which.
        op: CompareOp,
        /// Left operand.
        left: Box<Expr>,
        /// Right operand.
        right: Box<Expr>,
    },
    /// `IS [NOT] DISTINCT FROM`: never NULL.
    Distinct {
        /// `IS NOT DISTINCT FROM`.
        negated: bool,
        /// Left operand.
        left: Box<Expr>,
        /// Right operand.
        right: Box<Expr>,
    },
    /// `IS NULL`, `IS TRUE`, `IS FALSE`, `IS UNKNOWN`: never NULL.
    Is {
        /// What is asked.
        test: TruthTest,
        /// Operand.
        expr: Box<Expr>,
    },
    /// Arithmetic on numbers, dates and intervals.
    Arithmetic {
        /// Which.
        op: ArithmeticOp,
        /// Left operand.
        left: Box<Expr>,
        /// Right operand.
        right: Box<Expr>,
        /// Type of the result: bounds integers (22003). `Any`: an operand's type is known only now, so what
        /// cannot be computed is NULL, as in Genji (integers overflow into doubles there).
        result: SqlType,
    },
    /// Unary minus.
    Negate {
        /// Operand.
        expr: Box<Expr>,
        /// Type of the result, as in `Arithmetic`.
        result: SqlType,
    },
    /// Bitwise complement `~`.
    BitNot(Box<Expr>),
    /// `||`: texts, byte strings, arrays, an array and an element, documents.
    Concat(Box<Expr>, Box<Expr>),
    /// Searched CASE (a simple CASE is bound into one). Branches not taken are not evaluated.
    Case {
        /// Conditions with their results.
        branches: Vec<(Expr, Expr)>,
        /// ELSE; NULL if absent.
        otherwise: Option<Box<Expr>>,
    },
    /// A conversion.
    Cast {
        /// Operand.
        expr: Box<Expr>,
        /// Target type.
        to: SqlType,
        /// By whom it was asked for.
        mode: CastMode,
    },
    /// `expr IN (list)`.
    InList {
        /// Operand.
        expr: Box<Expr>,
        /// Candidates.
        list: Vec<Expr>,
    },
    /// `expr IN array`, `expr = ANY(array)`.
    InArray {
        /// Operand.
        expr: Box<Expr>,
        /// The array.
        array: Box<Expr>,
    },
    /// `LIKE` and `ILIKE`.
    Like {
        /// Operand.
        expr: Box<Expr>,
        /// Pattern with `%` and `_`.
        pattern: Box<Expr>,
        /// Escape character; `\` if absent, none if empty.
        escape: Option<Box<Expr>>,
        /// ILIKE.
        case_insensitive: bool,
    },
    /// A function of the table in `function`.
    Call {
        /// Which.
        function: FunctionId,
        /// Arguments.
        args: Vec<Expr>,
    },
    /// An array literal.
    Array(Vec<Expr>),
    /// A document literal. A later field may refer to an earlier one only after the binder has put it in place.
    Document(Vec<(EcoString, Expr)>),
}

/// Comparison operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "named by their SQL operators")]
pub enum CompareOp {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

/// Arithmetic operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "named by their SQL operators")]
pub enum ArithmeticOp {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Power,
    BitAnd,
    BitOr,
    BitXor,
    ShiftLeft,
    ShiftRight,
}

/// What `IS` asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "named by their SQL words")]
pub enum TruthTest {
    Null,
    NotNull,
    True,
    NotTrue,
    False,
    NotFalse,
    Unknown,
    NotUnknown,
}

/// Who asked for a conversion; decides what is refused and what is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CastMode {
    /// Written as CAST or `::`: text longer than CHAR(n) or VARCHAR(n) is cut.
    Explicit,
    /// A value stored into a column: text that is too long is 22001, unless only blanks are lost.
    Assignment,
    /// Put in by the binder to bring operands to one type.
    Implicit,
}

/// Defines the visit of the direct operands, once for reading and once for changing: one list of what there is.
macro_rules! visit_children {
    ($(#[$doc:meta])* $name:ident, $iter:ident $(, $mutable:tt)?) => {
        $(#[$doc])*
        pub fn $name(&$($mutable)? self, visit: &mut dyn FnMut(&$($mutable)? Self)) {
            match self {
                Self::Literal(_) | Self::Column(_) | Self::Parameter(_) => {}
                Self::Path { base, .. } => visit(base),
                Self::Subscript { base, index } => [base, index].into_iter().for_each(|e| visit(e)),
                Self::Not(expr)
                | Self::BitNot(expr)
                | Self::Is { expr, .. }
                | Self::Negate { expr, .. }
                | Self::Cast { expr, .. } => visit(expr),
                Self::And(operands) | Self::Or(operands) | Self::Array(operands) => {
                    operands.$iter().for_each(visit);
                }
                Self::Call { args, .. } => args.$iter().for_each(visit),
                Self::Compare { left, right, .. }
                | Self::Distinct { left, right, .. }
                | Self::Arithmetic { left, right, .. }
                | Self::Concat(left, right) => [left, right].into_iter().for_each(|e| visit(e)),
                Self::Case {
                    branches,
                    otherwise,
                } => {
                    for (condition, result) in branches {
                        visit(condition);
                        visit(result);
                    }
                    otherwise.$iter().for_each(|e| visit(e));
                }
                Self::InList { expr, list } => {
                    visit(expr);
                    list.$iter().for_each(visit);
                }
                Self::InArray { expr, array } => [expr, array].into_iter().for_each(|e| visit(e)),
                Self::Like {
                    expr,
                    pattern,
                    escape,
                    ..
                } => {
                    visit(expr);
                    visit(pattern);
                    escape.$iter().for_each(|e| visit(e));
                }
                Self::Document(fields) => fields.$iter().for_each(|(_, e)| visit(e)),
            }
        }
    };
}

impl Expr {
    visit_children! {
        /// Calls `visit` on each direct operand.
        for_each_child, iter
    }

    visit_children! {
        /// Calls `visit` on each direct operand, to be changed.
        for_each_child_mut, iter_mut, mut
    }
}

impl Expr {
    /// A constant.
    #[must_use]
    pub fn literal(value: impl Into<tailwater_proto::Value>) -> Self {
        Self::Literal(Literal(value.into()))
    }

    /// Calls `visit` on this expression and on each below it, parents first.
    pub fn walk(&self, visit: &mut dyn FnMut(&Self)) {
        visit(self);
        self.for_each_child(&mut |child| child.walk(visit));
    }

    /// Replaces each column position through `map`, in place.
    pub fn map_columns(&mut self, map: &dyn Fn(usize) -> usize) {
        if let Self::Column(position) = self {
            *position = map(*position);
        }
        self.for_each_child_mut(&mut |child| child.map_columns(map));
    }

    /// Puts `with[i]` in the place of column `i`, in place.
    pub fn replace_columns(&mut self, with: &[Self]) {
        if let Self::Column(position) = self {
            if let Some(replacement) = with.get(*position) {
                *self = replacement.clone();
            }
            return;
        }
        self.for_each_child_mut(&mut |child| child.replace_columns(with));
    }

    /// The positions of all columns read, ascending, each once.
    #[must_use]
    pub fn columns(&self) -> Vec<usize> {
        let mut positions = Vec::new();
        self.walk(&mut |expr| {
            if let Self::Column(position) = expr {
                positions.push(*position);
            }
        });
        positions.sort_unstable();
        positions.dedup();
        positions
    }
}
