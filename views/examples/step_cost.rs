//! What a step of `SELECT k, count(*), sum(v) FROM t GROUP BY k` costs beside its storage: `cargo run --release
//! --example step_cost`. Storages are ordered maps in memory; the time the bare maps take is shown beside.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use tailwater_proto::{ColumnId, Direction, Key, KeyRange, SqlType, StorageId, Value};
use tailwater_proto::{EcoString, encode_row, key_of};
use tailwater_views::aggregate::{AggregateCall, AggregateFunction};
use tailwater_views::compile::{ArrangementFound, StorageAllocator, compile};
use tailwater_views::plan::{Access, Scan};
use tailwater_views::step::RawDelta;
use tailwater_views::store::Visit;
use tailwater_views::{ExecContext, Expr, Field, Image, Plan, Result, StateStore};

const TABLE: StorageId = StorageId(1);
const GROUPS: i64 = 1000;

#[derive(Default)]
struct State(BTreeMap<Key, Arc<[u8]>>);

impl StateStore for State {
    fn get(&self, _: Image, _: StorageId, key: &Key) -> Result<Option<Arc<[u8]>>> {
        Ok(self.0.get(key).cloned())
    }

    fn scan(&self, _: Image, _: StorageId, _: KeyRange, _: Visit<'_>) -> Result<()> {
        Ok(())
    }

    fn put(&mut self, _: StorageId, key: Key, _: Option<Arc<[u8]>>, after: Option<Arc<[u8]>>) {
        match after {
            Some(after) => self.0.insert(key, after),
            None => self.0.remove(&key),
        };
    }
}

struct Ids(u32);

impl StorageAllocator for Ids {
    fn allocate(&mut self) -> StorageId {
        self.0 += 1;
        StorageId(self.0)
    }

    fn arrangement(&mut self, _: StorageId, _: &[ColumnId]) -> Option<ArrangementFound> {
        None
    }
}

fn plan() -> Plan {
    let field = |ty: SqlType| Field {
        name: EcoString::from("x"),
        ty,
        spread: false,
    };
    let call = |function, argument| AggregateCall {
        function,
        argument,
        argument_type: SqlType::Int8,
        distinct: false,
        filter: None,
    };
    Plan::Aggregate {
        input: Box::new(Plan::Scan(Scan {
            name: EcoString::from("t"),
            storage: TABLE,
            columns: vec![ColumnId(2), ColumnId(3)],
            fields: vec![field(SqlType::Int8), field(SqlType::Int8)],
            access: Access::All(Direction::Forward),
        })),
        group: vec![Expr::Column(0)],
        calls: vec![
            call(AggregateFunction::Count, None),
            call(AggregateFunction::Sum, Some(Expr::Column(1))),
        ],
        fields: vec![field(SqlType::Int8); 3],
    }
}

fn delta(number: i64) -> RawDelta {
    let group = (number * 7919) % GROUPS;
    let row = [
        Value::Int(number),
        Value::Int(group),
        Value::Int(number % 100),
    ];
    RawDelta {
        key: key_of([&row[0]]),
        before: None,
        after: Some(encode_row(1, (1_u32..).map(ColumnId).zip(&row)).unwrap()),
    }
}

fn main() {
    let dataflow = compile(&plan(), &mut Ids(10)).unwrap();
    let cx = ExecContext::default();
    for batch in [1_i64, 10, 1000, 40_000] {
        let mut state = State::default();
        let rounds = 400_000 / batch;
        let batches: Vec<BTreeMap<StorageId, Vec<RawDelta>>> = (0..rounds)
            .map(|round| {
                let rows = (round * batch..(round + 1) * batch).map(delta).collect();
                BTreeMap::from([(TABLE, rows)])
            })
            .collect();
        let start = Instant::now();
        let mut outputs = 0;
        for changes in &batches {
            outputs += dataflow
                .step(changes, &mut state, &cx)
                .unwrap()
                .output
                .len();
        }
        let step = start.elapsed();
        let start = Instant::now();
        for key in (0..outputs).map(|n| key_of([&Value::Int(n as i64 % GROUPS)])) {
            let held = state.get(Image::After, TABLE, &key).unwrap();
            state.put(TABLE, key, None, held);
        }
        let bare = start.elapsed();
        let rows = (rounds * batch) as f64;
        println!(
            "{batch:>6} rows a step: {:>7.1} ns a row, of which bare maps {:>6.1} ns",
            step.as_nanos() as f64 / rows,
            bare.as_nanos() as f64 / rows,
        );
    }
}
