//! `Sarg`: a condition a key can answer: a column or path of a scan, compared with what does not depend on the row.

use tailwater_proto::{SqlType, Value};
use tailwater_views::Expr;
use tailwater_views::expr::{CompareOp, Literal, TruthTest};
use tailwater_views::plan::Field;

use super::predicate::{is_infallible, is_row_independent, peeled, type_of};

/// What is asked of a column or path.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Test {
    /// `= bound`.
    Equal(Expr),
    /// `IN (bounds)`.
    In(Vec<Expr>),
    /// `> bound`, or `>=` if included.
    Lower(Expr, bool),
    /// `< bound`, or `<=` if included.
    Upper(Expr, bool),
}

/// A condition a key can answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sarg {
    /// A column or path, over the scan's columns.
    pub(super) place: Expr,
    /// What is asked of it.
    pub(super) test: Test,
    /// Which conjunct it stands for entirely; `None` if that must be checked still (or is a join's equality).
    pub(super) replaces: Option<usize>,
    /// Whether bounds refer to the left row of a lookup.
    pub(super) of_left: bool,
}

/// What a key can answer of the conjuncts of a filter right above a scan with these columns.
///
/// Bounds mean what the comparison means, NULLs and values of other kinds included: that is the contract of
/// `KeyBounds`, so a conjunct that became bounds need not be checked again.
pub(super) fn sargs_of(conjuncts: &[Expr], fields: &[Field]) -> Vec<Sarg> {
    let mut sargs = Vec::new();
    for (number, conjunct) in conjuncts.iter().enumerate() {
        let exact = |place: &Expr, test: Test| Sarg {
            place: place.clone(),
            test,
            replaces: Some(number),
            of_left: false,
        };
        match conjunct {
            Expr::Compare { op, left, right } => {
                if let Some((place, test)) = compared(*op, left, right, fields) {
                    sargs.push(exact(place, test));
                } else if let Some((place, test)) = compared(swapped(*op), right, left, fields) {
                    sargs.push(exact(place, test));
                }
            }
            Expr::InList { expr, list } => {
                let place = peeled(expr, fields);
                if is_place(place) && list.iter().all(is_bound) {
                    sargs.push(exact(place, Test::In(list.clone())));
                }
            }
            Expr::Is {
                test: test @ (TruthTest::True | TruthTest::False),
                expr,
            } if is_flag(expr, fields) => {
                let truth = *test == TruthTest::True;
                sargs.push(exact(expr, Test::Equal(Expr::literal(truth))));
            }
            Expr::Not(expr) if is_flag(expr, fields) => {
                sargs.push(exact(expr, Test::Equal(Expr::literal(false))));
            }
            Expr::Like {
                expr,
                pattern,
                escape: None,
                case_insensitive: false,
            } => {
                let place = peeled(expr, fields);
                if let Some((from, to)) = prefix_of(pattern).filter(|_| is_place(place)) {
                    let checked = |test| Sarg {
                        place: place.clone(),
                        test,
                        replaces: None,
                        of_left: false,
                    };
                    sargs.push(checked(Test::Lower(Expr::literal(from), true)));
                    if let Some(to) = to {
                        sargs.push(checked(Test::Upper(Expr::literal(to), false)));
                    }
                }
            }
            flag if is_flag(flag, fields) => {
                sargs.push(exact(flag, Test::Equal(Expr::literal(true))));
            }
            _ => {}
        }
    }
    // What must be checked again serves only where nothing better does.
    sargs.sort_by_key(|sarg| sarg.replaces.is_none());
    sargs
}

/// The comparison as a question put to `left`, if a key can answer it.
fn compared<'e>(
    op: CompareOp,
    left: &'e Expr,
    right: &Expr,
    fields: &[Field],
) -> Option<(&'e Expr, Test)> {
    let place = peeled(left, fields);
    if !is_place(place) || !is_bound(right) {
        return None;
    }
    let bound = right.clone();
    let test = match op {
        CompareOp::Equal => Test::Equal(bound),
        CompareOp::Less => Test::Upper(bound, false),
        CompareOp::LessEqual => Test::Upper(bound, true),
        CompareOp::Greater => Test::Lower(bound, false),
        CompareOp::GreaterEqual => Test::Lower(bound, true),
        CompareOp::NotEqual => return None,
    };
    Some((place, test))
}

const fn swapped(op: CompareOp) -> CompareOp {
    match op {
        CompareOp::Equal => CompareOp::Equal,
        CompareOp::NotEqual => CompareOp::NotEqual,
        CompareOp::Less => CompareOp::Greater,
        CompareOp::LessEqual => CompareOp::GreaterEqual,
        CompareOp::Greater => CompareOp::Less,
        CompareOp::GreaterEqual => CompareOp::LessEqual,
    }
}

/// Whether keys are made of such expressions: a column, or a path into one.
fn is_place(expr: &Expr) -> bool {
    match expr {
        Expr::Column(_) => true,
        Expr::Path { base, .. } => matches!(**base, Expr::Column(_)),
        _ => false,
    }
}

/// Whether an expression may be evaluated before any row is read.
fn is_bound(expr: &Expr) -> bool {
    is_row_independent(expr) && is_infallible(expr, &[])
}

/// Whether the expression is a place of type BOOL.
fn is_flag(expr: &Expr, fields: &[Field]) -> bool {
    is_place(expr) && type_of(expr, fields) == SqlType::Bool
}

/// The texts that may start with a pattern's literal beginning: from (included) and to (excluded).
fn prefix_of(pattern: &Expr) -> Option<(String, Option<String>)> {
    let Expr::Literal(Literal(Value::Text(text))) = pattern else {
        return None;
    };
    let wildcard = text.find(['%', '_', '\\']).unwrap_or(text.len());
    let prefix = text.get(..wildcard).filter(|prefix| !prefix.is_empty())?;
    let mut end = prefix.to_owned();
    while let Some(last) = end.pop() {
        // The next character in the order of code points, which is the order of UTF-8 bytes.
        let next = (u32::from(last) + 1..=u32::from(char::MAX)).find_map(char::from_u32);
        if let Some(next) = next {
            end.push(next);
            return Some((prefix.to_owned(), Some(end)));
        }
    }
    Some((prefix.to_owned(), None))
}
