//! Plans evaluated over a snapshot, each access path and join strategy against the plain one: the same rows, in
//! order where order is asked for. Seeds are printed on failure.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tailwater_proto::key_codec::{KeyOrder, encode_key_in};
use tailwater_proto::{ColumnId, Direction, EcoString, Key, SqlType, StorageId, Value, encode_row};
use tailwater_views::expr::CompareOp;
use tailwater_views::plan::{
    Access, IndexAccess, Join, JoinKind, JoinStrategy, KeyBounds, Scan, SortKey,
};
use tailwater_views::plan_eval::open;
use tailwater_views::{Error, ExecContext, Expr, Field, Plan};

use self::generate::Rng;
use self::memory::Storages;

#[path = "twin/generate.rs"]
#[allow(dead_code, reason = "made for the twin test")]
mod generate;
#[path = "twin/memory.rs"]
#[allow(dead_code, reason = "made for the twin test")]
mod memory;

const TABLE: StorageId = StorageId(1);
const INDEX: StorageId = StorageId(2);

/// `t(a, b, c)` with primary key (a, b DESC) and an index on (c DESC).
fn database(rng: &mut Rng, rows: usize) -> Arc<Storages> {
    let mut storages = Storages::default();
    for _ in 0..rows {
        let row = [
            Value::Int(rng.small()),
            generate::value(rng, generate::Domain::Number),
            generate::value(rng, generate::Domain::Mixed),
        ];
        let mut key = Key::new();
        encode_key_in(&mut key, &row[0], KeyOrder::Ascending);
        encode_key_in(&mut key, &row[1], KeyOrder::Descending);
        if tailwater_views::Reader::get(&storages, TABLE, &key)
            .unwrap()
            .is_some()
        {
            continue;
        }
        let bytes = encode_row(0, (1_u32..).map(ColumnId).zip(&row)).unwrap();
        storages.set(TABLE, key.clone(), Some(bytes));
        let mut entry = Key::new();
        encode_key_in(&mut entry, &row[2], KeyOrder::Descending);
        entry.extend(&key);
        storages.set(INDEX, entry, Some(Arc::from([])));
    }
    Arc::new(storages)
}

fn fields(count: usize) -> Vec<Field> {
    vec![
        Field {
            name: EcoString::from("x"),
            ty: SqlType::Any,
            spread: false,
        };
        count
    ]
}

fn scan(access: Access) -> Plan {
    Plan::Scan(Scan {
        name: EcoString::from("t"),
        storage: TABLE,
        columns: (1..=3).map(ColumnId).collect(),
        fields: fields(3),
        access,
    })
}

fn ranges(index: Option<IndexAccess>, descending: &[bool], ranges: Vec<KeyBounds>) -> Access {
    Access::Ranges {
        index,
        name: EcoString::from("key"),
        descending: descending.to_vec(),
        ranges,
        direction: Direction::Forward,
    }
}

fn rows(plan: &Plan, storages: &Arc<Storages>, cx: &ExecContext) -> Vec<Arc<[u8]>> {
    let mut source = open(plan, Arc::clone(storages) as _, cx).unwrap();
    let mut rows = Vec::new();
    while let Some(row) = source.next(cx).unwrap() {
        rows.push(encode_row(0, (1_u32..).map(ColumnId).zip(row.iter())).unwrap());
    }
    rows
}

fn sorted(mut rows: Vec<Arc<[u8]>>) -> Vec<Arc<[u8]>> {
    rows.sort();
    rows
}

fn compare(op: CompareOp, position: usize, value: &Value) -> Expr {
    Expr::Compare {
        op,
        left: Box::new(Expr::Column(position)),
        right: Box::new(Expr::literal(value.clone())),
    }
}

#[test]
fn ranges_return_what_a_filter_returns() {
    for seed in 0..300 {
        let mut rng = Rng(seed);
        let storages = database(&mut rng, 40);
        let a = Value::Int(rng.small());
        let bound = generate::value(&mut rng, generate::Domain::Mixed);
        let included = rng.one_in(2);
        let op = if included {
            CompareOp::GreaterEqual
        } else {
            CompareOp::Greater
        };
        let literal = |value: &Value| Expr::literal(value.clone());
        let (access, predicate) = match rng.below(3) {
            0 => (
                ranges(
                    None,
                    &[false, true],
                    vec![KeyBounds {
                        equal: vec![literal(&a)],
                        lower: Some((literal(&bound), included)),
                        upper: None,
                    }],
                ),
                Expr::And(vec![
                    compare(CompareOp::Equal, 0, &a),
                    compare(op, 1, &bound),
                ]),
            ),
            1 => {
                let index = IndexAccess {
                    storage: INDEX,
                    parts: 1,
                };
                let bounds = KeyBounds {
                    lower: Some((literal(&bound), included)),
                    ..KeyBounds::default()
                };
                (
                    ranges(Some(index), &[true], vec![bounds]),
                    compare(op, 2, &bound),
                )
            }
            _ => {
                let point = |value: &Value| KeyBounds {
                    equal: vec![literal(value)],
                    ..KeyBounds::default()
                };
                (
                    ranges(
                        None,
                        &[false, true],
                        vec![point(&a), point(&a), point(&Value::Null)],
                    ),
                    compare(CompareOp::Equal, 0, &a),
                )
            }
        };
        let cx = ExecContext::default();
        let found = sorted(rows(&scan(access), &storages, &cx));
        let filtered = Plan::Filter {
            input: Box::new(scan(Access::All(Direction::Forward))),
            predicate,
        };
        let read = cx.counters.rows_read.load(Ordering::Relaxed);
        assert_eq!(
            read,
            found.len() as u64,
            "seed {seed}: only rows in range are read"
        );
        assert_eq!(
            found,
            sorted(rows(&filtered, &storages, &cx)),
            "seed {seed}"
        );
    }
}

#[test]
fn a_lookup_join_returns_what_a_hash_join_returns() {
    for seed in 0..200 {
        let mut rng = Rng(seed);
        let storages = database(&mut rng, 30);
        let kind = if rng.one_in(2) {
            JoinKind::Inner
        } else {
            JoinKind::Left
        };
        let bounds = KeyBounds {
            equal: vec![Expr::Column(1)],
            ..KeyBounds::default()
        };
        let above = |access: Access, rng: &mut Rng| Plan::Filter {
            input: Box::new(Plan::Project {
                input: Box::new(scan(access)),
                exprs: vec![Expr::Column(2), Expr::Column(0)],
                fields: fields(2),
            }),
            predicate: generate::predicate(rng, 1),
        };
        let filter_seed = rng.next();
        let residual = rng.one_in(2).then(|| generate::predicate(&mut rng, 1));
        let join = |right: Plan, strategy: JoinStrategy| {
            Plan::Join(Box::new(Join {
                kind,
                left: scan(Access::All(Direction::Reverse)),
                right,
                equal: vec![(Expr::Column(1), Expr::Column(1))],
                residual: residual.clone(),
                strategy,
            }))
        };
        let lookup = ranges(None, &[false, true], vec![bounds]);
        let lookup = join(above(lookup, &mut Rng(filter_seed)), JoinStrategy::Lookup);
        let all = Access::All(Direction::Forward);
        let hash = join(above(all, &mut Rng(filter_seed)), JoinStrategy::Hash);
        let cx = ExecContext::default();
        let outcome = |plan: &Plan| -> Result<Vec<Arc<[u8]>>, Error> {
            let mut source = open(plan, Arc::clone(&storages) as _, &cx)?;
            let mut rows = Vec::new();
            while let Some(row) = source.next(&cx)? {
                rows.push(encode_row(0, (1_u32..).map(ColumnId).zip(row.iter())).unwrap());
            }
            Ok(sorted(rows))
        };
        // A hash join evaluates its whole right side: it may fail where a lookup does not.
        if let Ok(expected) = outcome(&hash) {
            assert_eq!(outcome(&lookup).unwrap(), expected, "seed {seed}");
        }
        assert_eq!(cx.counters.memory_bytes.load(Ordering::Relaxed), 0);
    }
}

#[test]
fn a_limited_sort_returns_the_start_of_the_whole_sort() {
    for seed in 0..200 {
        let mut rng = Rng(seed);
        let storages = database(&mut rng, 40);
        let keys: Vec<SortKey> = (0..1 + rng.below(3))
            .map(|_| SortKey {
                expr: Expr::Column(rng.below(3)),
                descending: rng.one_in(2),
                nulls_first: rng.one_in(2),
            })
            .collect();
        let sort = Plan::Sort {
            input: Box::new(scan(Access::All(Direction::Forward))),
            keys: keys.clone(),
        };
        let (limit, offset) = (rng.below(50), rng.below(10));
        let number = |n: usize| Some(Expr::literal(i64::try_from(n).unwrap()));
        let limited = Plan::Limit {
            input: Box::new(sort.clone()),
            limit: number(limit),
            offset: number(offset),
        };
        let cx = ExecContext::default();
        let whole = rows(&sort, &storages, &cx);
        let end = whole.len().min(offset + limit);
        let expected = whole.get(offset..end).unwrap_or_default();
        assert_eq!(rows(&limited, &storages, &cx), expected, "seed {seed}");
    }
}

#[test]
fn limits_of_the_context_stop_a_statement() {
    let mut rng = Rng(7);
    let storages = database(&mut rng, 40);
    let all = || Box::new(scan(Access::All(Direction::Forward)));
    let sort = Plan::Sort {
        input: all(),
        keys: vec![],
    };
    let run = |plan: &Plan, cx: &ExecContext| {
        let mut source = open(plan, Arc::clone(&storages) as _, cx)?;
        while source.next(cx)?.is_some() {}
        Ok::<(), Error>(())
    };
    let memory = ExecContext {
        memory_bytes_max: 1000,
        ..ExecContext::default()
    };
    assert_eq!(run(&sort, &memory).unwrap_err().sqlstate(), "53200");
    assert_eq!(memory.counters.memory_bytes.load(Ordering::Relaxed), 0);
    let few = ExecContext {
        rows_max: 3,
        ..ExecContext::default()
    };
    assert_eq!(run(&sort, &few).unwrap_err().sqlstate(), "54000");
    for (limit, code) in [(-1, "2201W"), (0, "")] {
        let plan = Plan::Limit {
            input: all(),
            limit: Some(Expr::literal(limit)),
            offset: None,
        };
        let outcome = run(&plan, &ExecContext::default());
        assert_eq!(outcome.err().map_or("", |e| e.sqlstate()), code);
    }
}
