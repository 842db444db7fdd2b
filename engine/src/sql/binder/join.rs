//! Joins: INNER, LEFT, RIGHT, FULL and CROSS with ON, USING and NATURAL. A RIGHT join is a LEFT one with its sides
//! swapped; a FULL join is a LEFT one and the right rows without a match. Conditions stay residual.

use sqlparser::ast::{Join as SqlJoin, JoinConstraint, JoinOperator, Spanned};
use sqlparser::tokenizer::Span;
use tailwater_proto::{EcoString, SqlType, Value, sqlstate};
use tailwater_views::Expr;
use tailwater_views::expr::{CompareOp, TruthTest};
use tailwater_views::plan::{Field, Join, JoinKind, JoinStrategy, Plan};

use super::expr::Env;
use super::from::Source;
use super::names::fold_parts;
use super::scope::{Column, Scope, Table};
use super::{Binder, Typed};
use crate::sql::SqlResult;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Inner,
    Left,
    Right,
    Full,
}

impl Binder<'_> {
    /// A join of what stands to the left with one more table.
    pub(super) fn join(&mut self, left: Source, join: &SqlJoin) -> SqlResult<Source> {
        let (kind, constraint) = match &join.join_operator {
            JoinOperator::Join(constraint) | JoinOperator::Inner(constraint) => {
                (Kind::Inner, constraint)
            }
            JoinOperator::CrossJoin(constraint) => (Kind::Inner, constraint),
            JoinOperator::Left(constraint) | JoinOperator::LeftOuter(constraint) => {
                (Kind::Left, constraint)
            }
            JoinOperator::Right(constraint) | JoinOperator::RightOuter(constraint) => {
                (Kind::Right, constraint)
            }
            JoinOperator::FullOuter(constraint) => (Kind::Full, constraint),
            _ => return Err(self.unsupported("this kind of join", join.span())),
        };
        let right = self.factor(&join.relation)?;
        let span = join.relation.span();
        self.check_names(&left.scope, &right.scope, span)?;
        let widths = (left.scope.width, right.scope.width);
        let names = match constraint {
            JoinConstraint::Using(names) => Some(
                names
                    .iter()
                    .map(|name| fold_parts(name).pop().unwrap_or_default())
                    .collect::<Vec<_>>(),
            ),
            JoinConstraint::Natural => Some(common_names(&left.scope, &right.scope)),
            JoinConstraint::On(_) | JoinConstraint::None => None,
        };
        let pairs = match &names {
            Some(names) => self.using(&left.scope, &right.scope, names, span)?,
            None => Vec::new(),
        };
        let mut scope = left.scope.beside(right.scope);
        let residual = match constraint {
            JoinConstraint::On(condition) => {
                let mut env = Env::new(&scope, "JOIN/ON");
                Some(self.condition(&mut env, condition)?)
            }
            JoinConstraint::None if kind != Kind::Inner => {
                return Err(self
                    .error(
                        sqlstate::SYNTAX_ERROR,
                        "an outer join needs a condition",
                        span,
                    )
                    .hint("add ON or USING after the table"));
            }
            _ => self.pairs_equal(&scope, &pairs, span)?,
        };
        let plan = match kind {
            Kind::Inner => plain(JoinKind::Inner, left.plan, right.plan, residual),
            Kind::Left => plain(JoinKind::Left, left.plan, right.plan, residual),
            Kind::Right => swapped(left.plan, right.plan, residual, widths),
            Kind::Full => {
                self.spend(&left.plan)?;
                self.spend(&right.plan)?;
                full(left.plan, right.plan, residual, widths)
            }
        };
        let plan = merge(plan, &mut scope, &pairs, kind);
        Ok(Source { plan, scope })
    }

    /// For each name its place left and right; places of the right count from the left's tables on.
    fn using(
        &self,
        left: &Scope,
        right: &Scope,
        names: &[EcoString],
        span: Span,
    ) -> SqlResult<Vec<Pair>> {
        let mut pairs = Vec::with_capacity(names.len());
        for name in names {
            let find = |scope: &Scope, side: &str| {
                match scope.find(name).as_slice() {
                [place] => Ok(*place),
                [] => Err(self.error(
                    sqlstate::UNDEFINED_COLUMN,
                    format!(
                        "column \"{name}\" specified in USING clause does not exist in {side} table"
                    ),
                    span,
                ).on(name)),
                _ => Err(self.error(
                    sqlstate::AMBIGUOUS_COLUMN,
                    format!("common column name \"{name}\" appears more than once in {side} table"),
                    span,
                ).on(name)),
            }
            };
            let place = find(left, "left")?;
            let (table, column) = find(right, "right")?;
            pairs.push(Pair {
                name: name.clone(),
                left: place,
                right: (table + left.tables.len(), column),
            });
        }
        Ok(pairs)
    }

    fn pairs_equal(
        &mut self,
        scope: &Scope,
        pairs: &[Pair],
        span: Span,
    ) -> SqlResult<Option<Expr>> {
        let mut equal = Vec::with_capacity(pairs.len());
        for pair in pairs {
            if let (Some(left), Some(right)) = (scope.at(pair.left), scope.at(pair.right)) {
                let side =
                    |column: &Column| Typed::new(Expr::Column(column.position), column.ty.clone());
                let (left, right) = (side(left), side(right));
                equal.push(self.compare(left, CompareOp::Equal, right, span)?.expr);
            }
        }
        Ok(match equal.len() {
            0 => None,
            1 => equal.pop(),
            _ => Some(Expr::And(equal)),
        })
    }
}

/// A column of USING.
struct Pair {
    name: EcoString,
    left: (usize, usize),
    right: (usize, usize),
}

fn common_names(left: &Scope, right: &Scope) -> Vec<EcoString> {
    left.star_columns()
        .filter(|column| !column.rest)
        .filter(|column| {
            right
                .star_columns()
                .any(|other| other.name == column.name && !other.rest)
        })
        .map(|column| column.name.clone())
        .collect()
}

/// USING's columns stand first and once.
fn merge(plan: Plan, scope: &mut Scope, pairs: &[Pair], kind: Kind) -> Plan {
    if pairs.is_empty() {
        return plan;
    }
    let mut first = Vec::with_capacity(pairs.len());
    let mut plan = plan;
    if kind == Kind::Full {
        // neither side has all values: a column of its own holds them
        let mut fields = plan.fields();
        let mut exprs: Vec<Expr> = (0..fields.len()).map(Expr::Column).collect();
        let mut merged = Table::of_fields(EcoString::new(), &[]);
        for pair in pairs {
            let (Some(left), Some(right)) = (scope.at(pair.left), scope.at(pair.right)) else {
                continue;
            };
            let (left_at, right_at) = (left.position, right.position);
            let field = Field {
                name: pair.name.clone(),
                ty: left.ty.clone(),
                spread: false,
            };
            exprs.push(Expr::Case {
                branches: vec![(
                    Expr::Is {
                        test: TruthTest::NotNull,
                        expr: Box::new(Expr::Column(left_at)),
                    },
                    Expr::Column(left_at),
                )],
                otherwise: Some(Box::new(Expr::Column(right_at))),
            });
            first.push((scope.tables.len(), merged.columns.len()));
            merged.columns.push(Column::plain(&field, scope.width));
            scope.width += 1;
            fields.push(field);
        }
        scope.tables.push(merged);
        plan = Plan::Project {
            input: Box::new(plan),
            exprs,
            fields,
        };
    }
    for pair in pairs {
        let hidden: &[(usize, usize)] = match kind {
            Kind::Inner | Kind::Left => {
                first.push(pair.left);
                &[pair.right]
            }
            Kind::Right => {
                first.push(pair.right);
                &[pair.left]
            }
            Kind::Full => &[pair.left, pair.right],
        };
        for place in hidden {
            if let Some(column) = scope.at_mut(*place) {
                column.merged = true;
            }
        }
        scope
            .star
            .retain(|place| *place != pair.left && *place != pair.right);
    }
    first.append(&mut scope.star);
    scope.star = first;
    plan
}

fn plain(kind: JoinKind, left: Plan, right: Plan, residual: Option<Expr>) -> Plan {
    Plan::Join(Box::new(Join {
        kind,
        left,
        right,
        equal: Vec::new(),
        residual,
        strategy: JoinStrategy::Hash,
    }))
}

/// Right rows first, then put back into order.
fn swapped(
    left: Plan,
    right: Plan,
    mut residual: Option<Expr>,
    (left_width, right_width): (usize, usize),
) -> Plan {
    if let Some(residual) = &mut residual {
        residual.map_columns(&|at| {
            if at < left_width {
                at + right_width
            } else {
                at - left_width
            }
        });
    }
    let mut fields = left.fields();
    fields.extend(right.fields());
    let exprs = (right_width..right_width + left_width).chain(0..right_width);
    Plan::Project {
        exprs: exprs.map(Expr::Column).collect(),
        fields,
        input: Box::new(plain(JoinKind::Left, right, left, residual)),
    }
}

/// The LEFT join, and the right rows without a match under NULLs.
fn full(
    left: Plan,
    right: Plan,
    residual: Option<Expr>,
    (left_width, right_width): (usize, usize),
) -> Plan {
    let mut fields = left.fields();
    let mut marked_fields = fields.clone();
    fields.extend(right.fields());
    marked_fields.push(Field {
        name: "matched".into(),
        ty: SqlType::Bool,
        spread: false,
    });
    let mut marks: Vec<Expr> = (0..left_width).map(Expr::Column).collect();
    marks.push(Expr::literal(true));
    let marked = Plan::Project {
        input: Box::new(left.clone()),
        exprs: marks,
        fields: marked_fields,
    };
    let mut other = residual.clone();
    if let Some(other) = &mut other {
        other.map_columns(&|at| {
            if at < left_width {
                at + right_width
            } else {
                at - left_width
            }
        });
    }
    let unmatched = Plan::Filter {
        input: Box::new(plain(JoinKind::Left, right.clone(), marked, other)),
        predicate: Expr::Is {
            test: TruthTest::Null,
            expr: Box::new(Expr::Column(right_width + left_width)),
        },
    };
    let nulls = (0..left_width).map(|_| Expr::literal(Value::Null));
    let rest = Plan::Project {
        input: Box::new(unmatched),
        exprs: nulls.chain((0..right_width).map(Expr::Column)).collect(),
        fields: fields.clone(),
    };
    Plan::UnionAll {
        inputs: vec![plain(JoinKind::Left, left, right, residual), rest],
        fields,
    }
}
