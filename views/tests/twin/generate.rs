//! Random rows, expressions and plans. The seed is the whole run.

use tailwater_proto::{ColumnId, Direction, EcoString, SqlType, StorageId, Value};
use tailwater_views::aggregate::{AggregateCall, AggregateFunction};
use tailwater_views::expr::{ArithmeticOp, CompareOp, TruthTest};
use tailwater_views::plan::{Access, Join, JoinKind, JoinStrategy, Scan};
use tailwater_views::{Expr, Field, Plan};

pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }

    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn small(&mut self) -> i64 {
        i64::try_from(self.below(5)).unwrap() - 1
    }

    fn pick<'t, T>(&mut self, items: &'t [T]) -> &'t T {
        &items[self.below(items.len())]
    }
}

/// What a column of a table holds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Domain {
    Int,
    IntOrNull,
    Number,
    Double,
    Text,
    Mixed,
}

pub(crate) fn value(rng: &mut Rng, domain: Domain) -> Value {
    let number = rng.small();
    match domain {
        Domain::Int => Value::Int(number),
        Domain::IntOrNull if rng.one_in(5) => Value::Null,
        Domain::IntOrNull => Value::Int(number),
        Domain::Number => match rng.below(5) {
            0 => Value::Null,
            1 => Value::Double(number as f64 + 0.5 * rng.below(2) as f64),
            2 => Value::numeric(
                format!("{number}.{}", "0".repeat(rng.below(3)))
                    .parse()
                    .unwrap(),
            ),
            3 => Value::Real(number as f32),
            _ => Value::Int(number),
        },
        Domain::Double => Value::Double(
            *rng.pick(&[
                0.1,
                -0.1,
                1e300,
                -1e300,
                1.7e308,
                5e-324,
                1e16,
                1.0,
                -0.0,
                0.3,
                f64::NAN,
                f64::INFINITY,
            ]) * if rng.one_in(2) { 1.0 } else { 3.0 },
        ),
        Domain::Text if rng.one_in(6) => Value::Null,
        Domain::Text => {
            let texts: [&str; 6] = ["", "a", "b", "ab", "\0", "a longer text than inline"];
            Value::text(texts[rng.below(texts.len())])
        }
        Domain::Mixed => match rng.below(7) {
            0 => Value::Null,
            1 => Value::Bool(number > 0),
            2 => Value::text("a"),
            3 => Value::Date(i32::try_from(number).unwrap()),
            4 => Value::Timestamp(number * 86_400_000_000),
            5 => Value::Double(number as f64),
            _ => Value::Int(number),
        },
    }
}

/// A table or view plans may read.
#[derive(Clone, Debug)]
pub(crate) struct Readable {
    pub(crate) storage: StorageId,
    pub(crate) columns: usize,
}

fn fields(count: usize) -> Vec<Field> {
    (0..count)
        .map(|_| Field {
            name: EcoString::new(),
            ty: SqlType::Any,
            spread: false,
        })
        .collect()
}

pub(crate) fn scan(source: &Readable) -> Plan {
    let columns = u32::try_from(source.columns).unwrap();
    Plan::Scan(Scan {
        name: EcoString::from("t"),
        storage: source.storage,
        columns: (1..=columns).map(ColumnId).collect(),
        fields: fields(source.columns),
        access: Access::All(Direction::Forward),
    })
}

fn literal(rng: &mut Rng) -> Expr {
    let domain = *rng.pick(&[Domain::Int, Domain::Int, Domain::Number, Domain::Text]);
    Expr::literal(value(rng, domain))
}

fn column(rng: &mut Rng, columns: usize) -> Expr {
    Expr::Column(rng.below(columns))
}

pub(crate) fn scalar(rng: &mut Rng, columns: usize) -> Expr {
    match rng.below(6) {
        0 => literal(rng),
        1 => Expr::Arithmetic {
            op: *rng.pick(&[
                ArithmeticOp::Add,
                ArithmeticOp::Subtract,
                ArithmeticOp::Multiply,
            ]),
            left: Box::new(column(rng, columns)),
            right: Box::new(column(rng, columns)),
            result: SqlType::Any,
        },
        // Fails where the column is zero.
        2 if rng.one_in(2) => Expr::Arithmetic {
            op: ArithmeticOp::Divide,
            left: Box::new(Expr::literal(6)),
            right: Box::new(column(rng, columns)),
            result: SqlType::Int4,
        },
        _ => column(rng, columns),
    }
}

pub(crate) fn predicate(rng: &mut Rng, columns: usize) -> Expr {
    match rng.below(8) {
        0 => Expr::Is {
            test: *rng.pick(&[TruthTest::Null, TruthTest::NotNull]),
            expr: Box::new(column(rng, columns)),
        },
        1 => Expr::Or(vec![predicate(rng, columns), predicate(rng, columns)]),
        2 => Expr::And(vec![predicate(rng, columns), predicate(rng, columns)]),
        _ => Expr::Compare {
            op: *rng.pick(&[
                CompareOp::Equal,
                CompareOp::NotEqual,
                CompareOp::Less,
                CompareOp::GreaterEqual,
            ]),
            left: Box::new(scalar(rng, columns)),
            right: Box::new(if rng.one_in(2) {
                literal(rng)
            } else {
                column(rng, columns)
            }),
        },
    }
}

fn call(rng: &mut Rng, columns: usize) -> AggregateCall {
    let function = *rng.pick(&[
        AggregateFunction::Count,
        AggregateFunction::Sum,
        AggregateFunction::Avg,
        AggregateFunction::Min,
        AggregateFunction::Max,
    ]);
    let star = function == AggregateFunction::Count && rng.one_in(2);
    AggregateCall {
        function,
        argument: (!star).then(|| scalar(rng, columns)),
        argument_type: rng
            .pick(&[
                SqlType::Any,
                SqlType::Int4,
                SqlType::Int8,
                SqlType::Double,
                SqlType::Real,
            ])
            .clone(),
        distinct: !star && rng.one_in(3),
        filter: rng.one_in(4).then(|| predicate(rng, columns)),
    }
}

/// A plan of at most `depth` operators in a row, and how many columns it has.
pub(crate) fn plan(rng: &mut Rng, sources: &[Readable], depth: usize) -> (Plan, usize) {
    if depth == 0 {
        if rng.one_in(12) {
            let rows = (0..rng.below(3))
                .map(|_| vec![literal(rng), literal(rng)])
                .collect();
            let fields = fields(2);
            return (Plan::Values { rows, fields }, 2);
        }
        let source = rng.pick(sources);
        return (scan(source), source.columns);
    }
    match rng.below(8) {
        0 => {
            let (input, columns) = plan(rng, sources, depth - 1);
            let predicate = predicate(rng, columns);
            let input = Box::new(input);
            (Plan::Filter { input, predicate }, columns)
        }
        1 => {
            let (input, columns) = plan(rng, sources, depth - 1);
            let count = 1 + rng.below(3);
            (project(rng, input, columns, count), count)
        }
        2..=4 => join(rng, sources, depth),
        5 | 6 => {
            let (input, columns) = plan(rng, sources, depth - 1);
            let group: Vec<Expr> = (0..rng.below(3)).map(|_| scalar(rng, columns)).collect();
            let calls: Vec<AggregateCall> =
                (0..1 + rng.below(3)).map(|_| call(rng, columns)).collect();
            let count = group.len() + calls.len();
            let plan = Plan::Aggregate {
                input: Box::new(input),
                group,
                calls,
                fields: fields(count),
            };
            (plan, count)
        }
        _ => {
            let inputs: Vec<Plan> = (0..1 + rng.below(3))
                .map(|_| {
                    let (input, columns) = plan(rng, sources, depth - 1);
                    project(rng, input, columns, 2)
                })
                .collect();
            let fields = fields(2);
            let union = Plan::UnionAll { inputs, fields };
            if rng.one_in(2) {
                let input = Box::new(union);
                (Plan::Distinct { input }, 2)
            } else {
                (union, 2)
            }
        }
    }
}

fn project(rng: &mut Rng, input: Plan, columns: usize, count: usize) -> Plan {
    Plan::Project {
        input: Box::new(input),
        exprs: (0..count).map(|_| scalar(rng, columns)).collect(),
        fields: fields(count),
    }
}

fn join(rng: &mut Rng, sources: &[Readable], depth: usize) -> (Plan, usize) {
    let (left, left_columns) = plan(rng, sources, depth - 1);
    let right_depth = rng.below(depth);
    let (right, right_columns) = if rng.one_in(3) {
        (left.clone(), left_columns)
    } else {
        plan(rng, sources, right_depth)
    };
    let key = |rng: &mut Rng, columns: usize| {
        if rng.one_in(8) {
            scalar(rng, columns)
        } else {
            column(rng, columns)
        }
    };
    let equal = (0..*rng.pick(&[0, 1, 1, 1, 2, 2]))
        .map(|_| (key(rng, left_columns), key(rng, right_columns)))
        .collect();
    let columns = left_columns + right_columns;
    let join = Join {
        kind: JoinKind::Inner,
        left,
        right,
        equal,
        residual: rng.one_in(3).then(|| predicate(rng, columns)),
        strategy: JoinStrategy::Hash,
    };
    // A join of joins grows fast: keep a few columns.
    let kept = columns.min(3);
    (
        project(rng, Plan::Join(Box::new(join)), columns, kept),
        kept,
    )
}
