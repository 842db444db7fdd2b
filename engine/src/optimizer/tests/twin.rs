//! Random plans over small random data: the optimized plan yields what the plan as written yields, in order where
//! it sorts. A plan that fails as written may succeed when optimized, never the other way round.

use std::collections::BTreeMap;
use std::sync::Arc;

use tailwater_proto::{SqlType, StorageId, Value};
use tailwater_views::aggregate::{AggregateCall, AggregateFunction};
use tailwater_views::expr::{ArithmeticOp, CastMode, CompareOp, TruthTest};
use tailwater_views::plan::{JoinKind, SortKey};
use tailwater_views::{ExecContext, Expr, Plan};

use super::evaluate::{Data, Rows, compare_by};
use super::operators::{Bytes, run};
use super::{add_index, add_table, asc, col, compare, desc, field, filter, join, limit, project};
use super::{scan, sort};
use crate::catalog::Catalog;
use crate::explain::explain;
use crate::optimizer::{optimize, optimize_view};

/// splitmix64: the seed is the whole run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }

    fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }
}

fn catalog() -> Catalog {
    let mut catalog = Catalog::default();
    let columns = [
        ("a", SqlType::Int8, true),
        ("b", SqlType::Int4, false),
        ("c", SqlType::Any, false),
        ("d", SqlType::Text, false),
        ("e", SqlType::Bool, false),
    ];
    add_table(&mut catalog, 100, "t", &columns, &[asc(0, "a")]);
    add_index(&mut catalog, 101, 100, "t_b", false, &[asc(1, "b")]);
    add_index(&mut catalog, 102, 100, "t_c", false, &[asc(2, "c")]);
    add_index(
        &mut catalog,
        103,
        100,
        "t_bd",
        false,
        &[asc(1, "b"), desc(3, "d")],
    );
    add_index(
        &mut catalog,
        104,
        100,
        "t_da",
        true,
        &[desc(3, "d"), asc(0, "a")],
    );
    add_index(&mut catalog, 105, 100, "t_e", false, &[asc(4, "e")]);
    let columns = [
        ("k", SqlType::Int4, true),
        ("x", SqlType::Int8, true),
        ("y", SqlType::Text, false),
    ];
    add_table(
        &mut catalog,
        110,
        "s",
        &columns,
        &[desc(0, "k"), asc(1, "x")],
    );
    add_index(&mut catalog, 111, 110, "s_y", false, &[asc(2, "y")]);
    let columns = [("p", SqlType::Int8, true), ("q", SqlType::Any, false)];
    add_table(&mut catalog, 120, "u", &columns, &[asc(0, "p")]);
    catalog
}

fn tables(random: &mut Random) -> BTreeMap<StorageId, Rows> {
    let mut tables = BTreeMap::new();
    let rows = (0..random.below(14))
        .map(|a| {
            vec![
                Value::from(i64::try_from(a).unwrap()),
                number(random),
                dynamic(random),
                word(random),
                match random.below(3) {
                    0 => Value::Null,
                    truth => Value::from(truth == 1),
                },
            ]
        })
        .collect();
    tables.insert(StorageId(100), rows);
    let rows = (0..random.below(10))
        .map(|x| {
            let x = i64::try_from(x).unwrap();
            vec![Value::from(x % 3), Value::from(x), word(random)]
        })
        .collect();
    tables.insert(StorageId(110), rows);
    let rows = (0..random.below(6))
        .map(|p| vec![Value::from(i64::try_from(p).unwrap()), dynamic(random)])
        .collect();
    tables.insert(StorageId(120), rows);
    tables
}

fn number(random: &mut Random) -> Value {
    match random.below(6) {
        0 => Value::Null,
        n => Value::from(i64::try_from(n).unwrap() - 1),
    }
}

fn word(random: &mut Random) -> Value {
    match random.below(5) {
        0 => Value::Null,
        n => Value::text(["", "a", "ab", "b"][n - 1]),
    }
}

/// Any kind; no two that are equal and yet differ, so that which one a group shows does not matter.
fn dynamic(random: &mut Random) -> Value {
    match random.below(6) {
        0 | 1 => number(random),
        2 => Value::from(2.5),
        3 => word(random),
        4 => Value::from(true),
        _ => Value::Null,
    }
}

fn constant(random: &mut Random, ty: &SqlType) -> Expr {
    if random.one_in(5) {
        // Parameters: a number, a word, NULL.
        return Expr::Parameter(random.below(3));
    }
    Expr::literal(match ty {
        SqlType::Int4 | SqlType::Int8 => number(random),
        SqlType::Text => word(random),
        SqlType::Bool => Value::from(random.one_in(2)),
        _ => dynamic(random),
    })
}

fn operator(random: &mut Random) -> CompareOp {
    [
        CompareOp::Equal,
        CompareOp::Equal,
        CompareOp::NotEqual,
        CompareOp::Less,
        CompareOp::LessEqual,
        CompareOp::Greater,
        CompareOp::GreaterEqual,
    ][random.below(7)]
}

/// A column, sometimes below a conversion or in an expression that can fail.
fn operand(random: &mut Random, types: &[SqlType]) -> (Expr, SqlType) {
    let place = random.below(types.len());
    let ty = types[place].clone();
    match (random.below(8), &ty) {
        (0, SqlType::Int4) => {
            let cast = Expr::Cast {
                expr: Box::new(col(place)),
                to: SqlType::Int8,
                mode: CastMode::Implicit,
            };
            (cast, SqlType::Int8)
        }
        (1, SqlType::Int4 | SqlType::Int8) => {
            let quotient = Expr::Arithmetic {
                op: ArithmeticOp::Divide,
                left: Box::new(Expr::literal(6)),
                right: Box::new(col(place)),
                result: SqlType::Int8,
            };
            (quotient, SqlType::Int8)
        }
        _ => (col(place), ty),
    }
}

fn condition(random: &mut Random, types: &[SqlType], depth: usize) -> Expr {
    if types.is_empty() {
        return compare(Expr::Parameter(0), operator(random), Expr::literal(1));
    }
    let (left, ty) = operand(random, types);
    let boxed = Box::new(left.clone());
    match random.below(if depth == 0 { 9 } else { 14 }) {
        0..=2 => compare(left, operator(random), constant(random, &ty)),
        3 => compare(constant(random, &ty), operator(random), left),
        4 => compare(left, operator(random), operand(random, types).0),
        5 => Expr::InList {
            expr: boxed,
            list: (0..=random.below(3))
                .map(|_| constant(random, &ty))
                .collect(),
        },
        6 => Expr::Is {
            test: [
                TruthTest::Null,
                TruthTest::NotNull,
                TruthTest::True,
                TruthTest::NotTrue,
                TruthTest::False,
            ][random.below(5)],
            expr: boxed,
        },
        7 if ty == SqlType::Text => Expr::Like {
            expr: boxed,
            pattern: Box::new(Expr::literal(["a%", "ab", "%b", "a_"][random.below(4)])),
            escape: None,
            case_insensitive: false,
        },
        7 if ty == SqlType::Bool => left,
        7 | 8 => Expr::Distinct {
            negated: random.one_in(2),
            left: boxed,
            right: Box::new(constant(random, &ty)),
        },
        9 => Expr::Not(Box::new(condition(random, types, depth - 1))),
        10 => Expr::Or(conditions(random, types, depth)),
        _ => Expr::And(conditions(random, types, depth)),
    }
}

fn conditions(random: &mut Random, types: &[SqlType], depth: usize) -> Vec<Expr> {
    (0..2 + random.below(2))
        .map(|_| condition(random, types, depth - 1))
        .collect()
}

fn types(plan: &Plan) -> Vec<SqlType> {
    plan.fields().into_iter().map(|field| field.ty).collect()
}

fn sort_keys(random: &mut Random, width: usize) -> Vec<SortKey> {
    (0..1 + random.below(3))
        .map(|_| {
            let descending = random.one_in(2);
            SortKey {
                expr: col(random.below(width)),
                descending,
                nulls_first: descending != random.one_in(5),
            }
        })
        .collect()
}

/// Keys that leave nothing open.
fn total_keys(random: &mut Random, width: usize) -> Vec<SortKey> {
    let mut keys = sort_keys(random, width);
    let descending = random.one_in(2);
    keys.extend((0..width).map(|column| SortKey {
        expr: col(column),
        descending,
        nulls_first: descending,
    }));
    keys
}

fn plan(random: &mut Random, catalog: &Catalog, depth: usize) -> Plan {
    if depth == 0 {
        return scan(catalog, ["t", "t", "s", "u"][random.below(4)]);
    }
    let input = plan(random, catalog, depth - 1);
    let of_input = types(&input);
    let width = of_input.len();
    match random.below(12) {
        0..=3 => filter(input, condition(random, &of_input, 2)),
        4 if width > 0 => {
            let exprs = (0..1 + random.below(4))
                .map(|_| match random.below(6) {
                    0 => constant(random, &SqlType::Int8),
                    1 => condition(random, &of_input, 1),
                    _ => operand(random, &of_input).0,
                })
                .collect();
            project(input, exprs)
        }
        5..=7 if width < 12 => {
            let depth = random.below(depth.min(2));
            let right = plan(random, catalog, depth);
            let kind = if random.one_in(3) {
                JoinKind::Left
            } else {
                JoinKind::Inner
            };
            let both: Vec<SqlType> = of_input.iter().cloned().chain(types(&right)).collect();
            let right_place = width + random.below(both.len() - width);
            let mut on = vec![super::eq(col(random.below(width.max(1))), col(right_place))];
            if random.one_in(2) {
                on.push(condition(random, &both, 1));
            }
            if random.one_in(4) {
                on.remove(0);
            }
            // A comma join has its conditions above it.
            let on = (!on.is_empty()).then(|| Expr::And(on));
            match on {
                Some(on) if random.one_in(3) => filter(join(kind, input, right, None), on),
                on => join(kind, input, right, on),
            }
        }
        8 => {
            let group: Vec<Expr> = (0..random.below(3))
                .map(|_| operand(random, &of_input).0)
                .collect();
            let calls: Vec<AggregateCall> = (0..random.below(3))
                .map(|_| AggregateCall {
                    function: [
                        AggregateFunction::Count,
                        AggregateFunction::Min,
                        AggregateFunction::Max,
                    ][random.below(3)],
                    argument: Some(operand(random, &of_input).0),
                    argument_type: SqlType::Any,
                    distinct: false,
                    filter: random.one_in(3).then(|| condition(random, &of_input, 1)),
                })
                .collect();
            let mut fields: Vec<_> = group
                .iter()
                .map(|expr| field("g", super::super::predicate::type_of(expr, &input.fields())))
                .collect();
            fields.extend(calls.iter().map(|_| field("f", SqlType::Any)));
            if fields.is_empty() {
                return Plan::Distinct {
                    input: Box::new(input),
                };
            }
            Plan::Aggregate {
                input: Box::new(input),
                group,
                calls,
                fields,
            }
        }
        9 => {
            let other = filter(input.clone(), condition(random, &of_input, 1));
            Plan::UnionAll {
                fields: input.fields(),
                inputs: vec![input, other],
            }
        }
        10 => {
            let keys = total_keys(random, width);
            limit(sort(input, keys), i64::try_from(random.below(5)).unwrap())
        }
        _ => {
            let keys = sort_keys(random, width);
            sort(input, keys)
        }
    }
}

fn sorted(mut rows: Rows) -> Rows {
    let order = |a: &Vec<Value>, b: &Vec<Value>| {
        a.iter()
            .zip(b)
            .map(|(a, b)| a.cmp_total(b))
            .find(|order| order.is_ne())
            .unwrap_or(std::cmp::Ordering::Equal)
    };
    rows.sort_by(order);
    rows
}

/// Runs a plan.
type Evaluate<'e> = &'e dyn Fn(&Plan) -> Result<Rows, tailwater_views::Error>;

fn check(seed: u64) {
    let mut random = Random(seed);
    let catalog = catalog();
    let tables = tables(&mut random);
    let rows = tables
        .iter()
        .map(|(storage, rows)| {
            // Counts lie at times: they may change plans, never results.
            let scale = [1, 0, 1_000][random.below(3)];
            (*storage, u64::try_from(rows.len()).unwrap() * scale)
        })
        .collect();
    let data = Data {
        catalog: &catalog,
        tables,
        cx: ExecContext {
            parameters: vec![Value::from(2), Value::text("a"), Value::Null].into(),
            ..ExecContext::default()
        },
    };
    let depth = 1 + random.below(5);
    let mut written = plan(&mut random, &catalog, depth);
    if random.one_in(2) && !written.fields().is_empty() {
        let keys = sort_keys(&mut random, written.fields().len());
        written = sort(written, keys);
    }
    let plans = [
        (
            "query",
            optimize(written.clone(), &catalog, &super::Rows(rows)),
        ),
        ("view", optimize_view(written.clone(), &catalog)),
    ];
    let Ok(expected) = data.evaluate(&written) else {
        return;
    };
    let bytes = Arc::new(Bytes::of(&data));
    let slow = |plan: &Plan| data.evaluate(plan);
    let real = |plan: &Plan| run(plan, &bytes, &data.cx);
    let evaluators: [(&str, Evaluate<'_>); 2] = [("slowly", &slow), ("by operators", &real)];
    for ((what, plan), (how, evaluate)) in plans
        .iter()
        .flat_map(|plan| evaluators.iter().map(move |evaluator| (plan, evaluator)))
    {
        let context = || {
            format!(
                "seed {seed} ({what}, {how})\n--- written\n{}\n--- optimized\n{}",
                explain(&written, &catalog),
                explain(plan, &catalog)
            )
        };
        assert_eq!(plan.fields(), written.fields(), "{}", context());
        let found = match evaluate(plan) {
            Ok(found) => found,
            Err(error) => panic!("{error}: {}", context()),
        };
        if let Plan::Sort { keys, .. } = &written {
            let by = |row: &Vec<Value>| -> Vec<Value> {
                keys.iter()
                    .map(|key| key.expr.eval(row, &data.cx).unwrap())
                    .collect()
            };
            let in_order = found
                .windows(2)
                .all(|pair| compare_by(keys, &by(&pair[0]), &by(&pair[1])).is_le());
            assert!(in_order, "not in order: {}", context());
        }
        let (found, expected) = (sorted(found), sorted(expected.clone()));
        assert!(
            format!("{found:?}") == format!("{expected:?}"),
            "{} rows instead of {}: {}",
            found.len(),
            expected.len(),
            context()
        );
    }
}

#[test]
fn optimized_plans_yield_what_plans_as_written_yield() {
    for seed in 0..SEEDS {
        check(seed);
    }
}

/// How many plans are tried.
const SEEDS: u64 = 3_000;
