//! Tests of the optimizer: golden plans (`golden`), and random plans against a slow evaluator (`twin`).

mod evaluate;
mod golden;
mod operators;
mod twin;

use std::sync::Arc;

use tailwater_proto::{ColumnId, Direction, EcoString, SqlType, StorageId};
use tailwater_views::expr::CompareOp;
use tailwater_views::plan::{Access, Field, Join, JoinKind, JoinStrategy, Scan, SortKey};
use tailwater_views::{Expr, Plan};

use super::Statistics;
use crate::catalog::{
    Catalog, Column, Index, IndexPart, KeyPart, Object, ObjectId, ObjectName, Relation,
    RelationKind,
};

/// Row counts by storage.
struct Rows(Vec<(StorageId, u64)>);

impl Statistics for Rows {
    fn rows(&self, storage: StorageId) -> u64 {
        self.0
            .iter()
            .find(|(of, _)| *of == storage)
            .map_or(0, |(_, rows)| *rows)
    }
}

/// A part of a key: an expression over the row layout, and whether it is descending.
type Part = (Expr, &'static str, bool);

fn asc(column: usize, text: &'static str) -> Part {
    (Expr::Column(column), text, false)
}

fn desc(column: usize, text: &'static str) -> Part {
    (Expr::Column(column), text, true)
}

/// Adds a table: columns are (name, type, NOT NULL).
fn add_table(
    catalog: &mut Catalog,
    id: u32,
    name: &str,
    columns: &[(&str, SqlType, bool)],
    key: &[Part],
) {
    let columns: Vec<Column> = columns
        .iter()
        .zip(1..)
        .map(|((name, ty, not_null), id)| Column {
            id: ColumnId(id),
            name: EcoString::from(*name),
            ty: ty.clone(),
            not_null: *not_null,
            default: None,
            default_sql: None,
            sequence: None,
            identity: None,
            hidden: false,
            nested: Vec::new(),
        })
        .collect();
    catalog.put(Object::Relation(Arc::new(Relation {
        id: ObjectId(id),
        name: ObjectName::new(name),
        kind: RelationKind::Table,
        storage: StorageId(id),
        schema_version: 1,
        next_column: u32::try_from(columns.len()).unwrap() + 1,
        columns,
        primary_key: key
            .iter()
            .map(|(expr, text, descending)| KeyPart {
                expr: expr.clone(),
                text: (*text).to_owned(),
                descending: *descending,
            })
            .collect(),
        checks: Vec::new(),
        view: None,
        sql: String::new(),
    })));
}

fn add_index(catalog: &mut Catalog, id: u32, of: u32, name: &str, unique: bool, parts: &[Part]) {
    catalog.put(Object::Index(Arc::new(Index {
        id: ObjectId(id),
        name: ObjectName::new(name),
        relation: ObjectId(of),
        storage: StorageId(id),
        unique,
        for_maintenance: false,
        parts: parts
            .iter()
            .map(|(expr, text, descending)| IndexPart {
                expr: expr.clone(),
                text: (*text).to_owned(),
                descending: *descending,
            })
            .collect(),
        sql: String::new(),
    })));
}

/// The scan of a table as the binder writes it.
fn scan(catalog: &Catalog, name: &str) -> Plan {
    let relation = catalog.relation(&ObjectName::new(name)).unwrap();
    Plan::Scan(Scan {
        name: EcoString::from(name),
        storage: relation.storage,
        columns: relation.layout(),
        fields: relation
            .columns
            .iter()
            .map(|column| field(&column.name, column.ty.clone()))
            .collect(),
        access: Access::All(Direction::Forward),
    })
}

fn field(name: &str, ty: SqlType) -> Field {
    Field {
        name: EcoString::from(name),
        ty,
        spread: false,
    }
}

fn col(position: usize) -> Expr {
    Expr::Column(position)
}

fn compare(left: Expr, op: CompareOp, right: Expr) -> Expr {
    Expr::Compare {
        op,
        left: Box::new(left),
        right: Box::new(right),
    }
}

fn eq(left: Expr, right: Expr) -> Expr {
    compare(left, CompareOp::Equal, right)
}

fn filter(input: Plan, predicate: Expr) -> Plan {
    Plan::Filter {
        input: Box::new(input),
        predicate,
    }
}

fn project(input: Plan, exprs: Vec<Expr>) -> Plan {
    let of_input = input.fields();
    let fields = exprs
        .iter()
        .enumerate()
        .map(|(place, expr)| {
            field(
                &format!("c{place}"),
                super::predicate::type_of(expr, &of_input),
            )
        })
        .collect();
    Plan::Project {
        input: Box::new(input),
        exprs,
        fields,
    }
}

fn join(kind: JoinKind, left: Plan, right: Plan, on: Option<Expr>) -> Plan {
    Plan::Join(Box::new(Join {
        kind,
        left,
        right,
        equal: Vec::new(),
        residual: on,
        strategy: JoinStrategy::Hash,
    }))
}

fn sort(input: Plan, keys: Vec<SortKey>) -> Plan {
    Plan::Sort {
        input: Box::new(input),
        keys,
    }
}

fn by(column: usize) -> SortKey {
    SortKey {
        expr: col(column),
        descending: false,
        nulls_first: false,
    }
}

fn by_desc(column: usize) -> SortKey {
    SortKey {
        expr: col(column),
        descending: true,
        nulls_first: true,
    }
}

fn limit(input: Plan, count: i64) -> Plan {
    Plan::Limit {
        input: Box::new(input),
        limit: Some(Expr::literal(count)),
        offset: None,
    }
}
