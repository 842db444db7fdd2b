//! UNION, INTERSECT and EXCEPT. UNION is what is different in all rows; INTERSECT and EXCEPT count in which
//! inputs a row stands. Long chains to the left are bound in a loop.

use sqlparser::ast::{SetExpr, SetOperator, SetQuantifier, Spanned};
use sqlparser::tokenizer::Span;
use tailwater_proto::{SqlType, sqlstate};
use tailwater_views::Expr;
use tailwater_views::aggregate::{AggregateCall, AggregateFunction};
use tailwater_views::coerce::common_type;
use tailwater_views::expr::CompareOp;
use tailwater_views::plan::{Field, Plan};

use super::{Binder, Bound, Typed};
use crate::sql::SqlResult;

/// An operator and what stands to its right.
struct Step<'q> {
    op: SetOperator,
    all: bool,
    right: &'q SetExpr,
}

impl Binder<'_> {
    /// A chain of set operations.
    pub(super) fn set_operation(&mut self, body: &SetExpr) -> SqlResult<Bound> {
        let mut steps = Vec::new();
        let mut place = body;
        while let SetExpr::SetOperation {
            left,
            op,
            set_quantifier,
            right,
        } = place
        {
            let all = match set_quantifier {
                SetQuantifier::All => true,
                SetQuantifier::Distinct | SetQuantifier::None => false,
                other => return Err(self.unsupported(format!("{op} {other}"), right.span())),
            };
            steps.push(Step {
                op: *op,
                all,
                right,
            });
            place = left;
        }
        let mut left = self.body(place)?;
        let mut steps = steps.into_iter().rev().peekable();
        while let Some(step) = steps.next() {
            let span = step.right.span();
            let right = self.body(step.right)?;
            if step.op == SetOperator::Union {
                // a run of the same UNION is one node
                let mut inputs = vec![left, right];
                while let Some(next) =
                    steps.next_if(|next| next.op == SetOperator::Union && next.all == step.all)
                {
                    inputs.push(self.body(next.right)?);
                }
                let union = self.union_all(inputs, "UNION", span)?;
                left = if step.all { union } else { distinct(union) };
                continue;
            }
            let word = match step.op {
                SetOperator::Intersect => "INTERSECT",
                _ => "EXCEPT",
            };
            if step.all {
                return Err(self.unsupported(format!("{word} ALL"), span));
            }
            left = self.counted(left, right, word, span)?;
        }
        Ok(left)
    }

    /// All rows of all inputs, their columns brought to common types.
    fn union_all(&mut self, inputs: Vec<Bound>, word: &str, span: Span) -> SqlResult<Bound> {
        let width = inputs.first().map_or(0, |input| input.fields.len());
        if inputs.iter().any(|input| input.fields.len() != width) {
            return Err(self.error(
                sqlstate::SYNTAX_ERROR,
                format!("each {word} query must have the same number of columns"),
                span,
            ));
        }
        let mut fields = Vec::with_capacity(width);
        for place in 0..width {
            let columns: Vec<&Field> = inputs
                .iter()
                .filter_map(|input| input.fields.get(place))
                .collect();
            let types: Vec<SqlType> = columns.iter().map(|field| field.ty.clone()).collect();
            let Some(ty) = common_type(&types) else {
                let types = types.iter().map(ToString::to_string).collect();
                return Err(self.error(
                    sqlstate::DATATYPE_MISMATCH,
                    format!(
                        "{word} types {} cannot be matched",
                        super::query::distinct(types).join(" and ")
                    ),
                    span,
                ));
            };
            let name = columns
                .first()
                .map(|field| field.name.clone())
                .unwrap_or_default();
            let spread = !columns.is_empty() && columns.iter().all(|field| field.spread);
            fields.push(Field { name, ty, spread });
        }
        let inputs = inputs
            .into_iter()
            .map(|input| self.convert(input, &fields))
            .collect();
        Ok(Bound {
            plan: Plan::UnionAll {
                inputs,
                fields: fields.clone(),
            },
            fields,
        })
    }

    /// A plan whose columns have these types.
    fn convert(&mut self, input: Bound, fields: &[Field]) -> Plan {
        let mut changed = false;
        let exprs: Vec<Expr> = input
            .fields
            .iter()
            .zip(fields)
            .enumerate()
            .map(|(place, (from, to))| {
                let column = Typed::new(Expr::Column(place), from.ty.clone());
                let converted = match (&from.ty, &to.ty) {
                    // numbers of different kinds stay apart unless they are cast
                    (from, to) if from != to && *from != SqlType::Any && *to != SqlType::Any => {
                        super::typed::cast(column, to, tailwater_views::expr::CastMode::Implicit)
                            .expr
                    }
                    _ => column.expr,
                };
                changed |= converted != Expr::Column(place);
                converted
            })
            .collect();
        if !changed {
            return input.plan;
        }
        Plan::Project {
            input: Box::new(input.plan),
            exprs,
            fields: fields.to_vec(),
        }
    }

    /// INTERSECT and EXCEPT: groups of equal rows, told by whether the sides have them.
    fn counted(&mut self, left: Bound, right: Bound, word: &str, span: Span) -> SqlResult<Bound> {
        let mark = |mut bound: Bound, on_left: bool| {
            let mut exprs: Vec<Expr> = (0..bound.fields.len()).map(Expr::Column).collect();
            exprs.push(Expr::literal(i64::from(on_left)));
            bound.fields.push(Field {
                name: "side".into(),
                ty: SqlType::Int4,
                spread: false,
            });
            Bound {
                plan: Plan::Project {
                    input: Box::new(bound.plan),
                    exprs,
                    fields: bound.fields.clone(),
                },
                fields: bound.fields,
            }
        };
        let union = self.union_all(vec![mark(left, true), mark(right, false)], word, span)?;
        let mut fields = union.fields;
        let width = fields.len().saturating_sub(1);
        fields.truncate(width);
        let call = |function| AggregateCall {
            function,
            argument: Some(Expr::Column(width)),
            argument_type: SqlType::Int4,
            distinct: false,
            filter: None,
        };
        let side = |name: &str| Field {
            name: name.into(),
            ty: SqlType::Int4,
            spread: false,
        };
        let mut grouped = fields.clone();
        grouped.extend([side("least"), side("greatest")]);
        let groups = Plan::Aggregate {
            input: Box::new(union.plan),
            group: (0..width).map(Expr::Column).collect(),
            calls: vec![call(AggregateFunction::Min), call(AggregateFunction::Max)],
            fields: grouped,
        };
        let is = |column: usize, value: i64| Expr::Compare {
            op: CompareOp::Equal,
            left: Box::new(Expr::Column(column)),
            right: Box::new(Expr::literal(value)),
        };
        let least = if word == "INTERSECT" {
            is(width, 0)
        } else {
            is(width, 1)
        };
        let kept = Plan::Filter {
            input: Box::new(groups),
            predicate: Expr::And(vec![least, is(width + 1, 1)]),
        };
        let plan = Plan::Project {
            input: Box::new(kept),
            exprs: (0..width).map(Expr::Column).collect(),
            fields: fields.clone(),
        };
        Ok(Bound { plan, fields })
    }
}

fn distinct(bound: Bound) -> Bound {
    Bound {
        plan: Plan::Distinct {
            input: Box::new(bound.plan),
        },
        fields: bound.fields,
    }
}
