//! The slow twin: every node of a dataflow computed anew from its inputs' whole content, collecting row errors.
//! Loops inside loops, no state, no deltas; groups are found by comparing values.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use tailwater_proto::row_codec::RowView;
use tailwater_proto::{Key, Row, Value, encode_value, key_of};
use tailwater_views::aggregate::{Accumulator, AggregateCall};
use tailwater_views::dataflow::{Node, NodeOperator};
use tailwater_views::step::{ErrorSubject, RowError};
use tailwater_views::{Dataflow, Error, ExecContext, Expr};

use crate::memory::Storages;

pub(crate) type Content = BTreeMap<Key, Row>;
pub(crate) type Errors = BTreeMap<(u32, Key), RowError>;

pub(crate) fn evaluate(dataflow: &Dataflow, storages: &Storages) -> (Content, Errors) {
    let mut contents: Vec<Content> = Vec::new();
    let mut errors = Errors::new();
    for (number, node) in (0_u32..).zip(&dataflow.nodes) {
        let mut note = |key: Key, error: Error| {
            let Error::Row {
                sqlstate, message, ..
            } = error
            else {
                panic!("{error}");
            };
            errors.insert((number, key), RowError { sqlstate, message });
        };
        let content = evaluate_node(node, &contents, storages, &mut note);
        contents.push(content);
    }
    (contents.pop().unwrap(), errors)
}

fn tagged(subject: ErrorSubject, key: &Key) -> Key {
    let mut tagged = Key::new();
    tagged.push(subject as u8);
    tagged.extend(key);
    tagged
}

fn joined(left: &Key, right: &Key) -> Key {
    let mut key = left.clone();
    key.extend(right);
    key
}

fn evaluate_node(
    node: &Node,
    contents: &[Content],
    storages: &Storages,
    note: &mut dyn FnMut(Key, Error),
) -> Content {
    let cx = ExecContext::default();
    let all = |exprs: &[Expr], row: &[Value]| -> Result<Vec<Value>, Error> {
        exprs.iter().map(|expr| expr.eval(row, &cx)).collect()
    };
    let mut content = Content::new();
    match &node.operator {
        NodeOperator::Source { storage, columns } => {
            for (key, bytes) in storages.rows(*storage) {
                let mut row = Vec::new();
                RowView::new(bytes)
                    .unwrap()
                    .project(columns, &mut row)
                    .unwrap();
                content.insert(key.clone(), row.into());
            }
        }
        NodeOperator::Values { rows } => {
            for (number, exprs) in (0_i64..).zip(rows) {
                let key = key_of([&Value::Int(number)]);
                match all(exprs, &[]) {
                    Ok(row) => drop(content.insert(key, row.into())),
                    Err(error) => note(key, error),
                }
            }
        }
        NodeOperator::Filter { input, predicate } => {
            for (key, row) in &contents[*input] {
                match predicate.test(row, &cx) {
                    Ok(true) => drop(content.insert(key.clone(), row.clone())),
                    Ok(false) => {}
                    Err(error) => note(key.clone(), error),
                }
            }
        }
        NodeOperator::Project { input, exprs } => {
            for (key, row) in &contents[*input] {
                match all(exprs, row) {
                    Ok(row) => drop(content.insert(key.clone(), row.into())),
                    Err(error) => note(key.clone(), error),
                }
            }
        }
        NodeOperator::Join {
            left,
            right,
            residual,
        } => {
            let mut keyed = |input: usize, keys: &[Expr], subject: ErrorSubject| {
                let mut rows = Vec::new();
                for (key, row) in &contents[input] {
                    match all(keys, row) {
                        Ok(values) => rows.push((key.clone(), values, row.clone())),
                        Err(error) => note(tagged(subject, key), error),
                    }
                }
                rows
            };
            let lefts = keyed(left.input, &left.keys, ErrorSubject::Input);
            let rights = keyed(right.input, &right.keys, ErrorSubject::RightInput);
            for (left_key, left_values, left_row) in &lefts {
                for (right_key, right_values, right_row) in &rights {
                    let equal = left_values
                        .iter()
                        .zip(right_values)
                        .all(|(a, b)| a.cmp_sql(b) == Some(Ordering::Equal));
                    if !equal {
                        continue;
                    }
                    let key = joined(left_key, right_key);
                    let row: Row = left_row.iter().chain(right_row.iter()).cloned().collect();
                    match residual.as_ref().map_or(Ok(true), |r| r.test(&row, &cx)) {
                        Ok(true) => drop(content.insert(key, row)),
                        Ok(false) => {}
                        Err(error) => note(tagged(ErrorSubject::Output, &key), error),
                    }
                }
            }
        }
        NodeOperator::Aggregate {
            input,
            group,
            calls,
            ..
        } => {
            let always = group.is_empty();
            content = groups(&contents[*input], group, calls, always, &cx, note);
        }
        NodeOperator::Distinct { input, .. } => {
            let columns = contents[*input].values().next().map_or(0, |row| row.len());
            let group: Vec<Expr> = (0..columns).map(Expr::Column).collect();
            content = groups(&contents[*input], &group, &[], false, &cx, note);
        }
        NodeOperator::UnionAll { inputs } => {
            for (branch, input) in (0_u8..).zip(inputs) {
                for (key, row) in &contents[*input] {
                    content.insert(joined(&Key::from(&[branch][..]), key), row.clone());
                }
            }
        }
    }
    content
}

struct Group {
    values: Vec<Value>,
    rows: Vec<Vec<Option<Value>>>,
    failing: bool,
}

fn same(a: &[Value], b: &[Value]) -> bool {
    a.iter().zip(b).all(|(a, b)| a.cmp_total(b).is_eq())
}

fn groups(
    input: &Content,
    group: &[Expr],
    calls: &[AggregateCall],
    always: bool,
    cx: &ExecContext,
    note: &mut dyn FnMut(Key, Error),
) -> Content {
    let mut found: Vec<Group> = Vec::new();
    if always {
        found.push(Group {
            values: Vec::new(),
            rows: Vec::new(),
            failing: false,
        });
    }
    for (key, row) in input {
        let values: Result<Vec<Value>, Error> = group.iter().map(|e| e.eval(row, cx)).collect();
        let values = match values {
            Ok(values) => values,
            Err(error) => {
                note(tagged(ErrorSubject::Input, key), error);
                continue;
            }
        };
        let arguments: Result<Vec<Option<Value>>, Error> = calls
            .iter()
            .map(|call| {
                if let Some(filter) = &call.filter
                    && !filter.test(row, cx)?
                {
                    return Ok(None);
                }
                match &call.argument {
                    None => Ok(Some(Value::Null)),
                    Some(argument) => Ok(Some(argument.eval(row, cx)?).filter(|v| !v.is_null())),
                }
            })
            .collect();
        let place = found.iter().position(|g| same(&g.values, &values));
        let group = match place {
            Some(place) => &mut found[place],
            None => {
                found.push(Group {
                    values: values.clone(),
                    rows: Vec::new(),
                    failing: false,
                });
                found.last_mut().unwrap()
            }
        };
        match arguments {
            Ok(arguments) => {
                if group.rows.is_empty() || bytes_of(&values) < bytes_of(&group.values) {
                    group.values = values;
                }
                group.rows.push(arguments);
            }
            Err(error) => {
                group.failing = true;
                note(tagged(ErrorSubject::Input, key), error);
            }
        }
    }
    let mut content = Content::new();
    for group in found {
        if group.failing {
            continue;
        }
        let key = key_of(&group.values);
        let results: Result<Vec<Value>, Error> = calls
            .iter()
            .enumerate()
            .map(|(number, call)| {
                let mut values: Vec<Value> = group
                    .rows
                    .iter()
                    .filter_map(|row| row[number].clone())
                    .collect();
                values.reverse();
                aggregate(call, values)
            })
            .collect();
        match results {
            Ok(results) => {
                let row = group.values.into_iter().chain(results).collect();
                content.insert(key, row);
            }
            Err(error) => note(tagged(ErrorSubject::Output, &key), error),
        }
    }
    content
}

fn aggregate(call: &AggregateCall, mut values: Vec<Value>) -> Result<Value, Error> {
    if call.distinct && call.argument.is_some() {
        values.sort_by(|a, b| {
            a.cmp_total(b)
                .then_with(|| codec_bytes(a).cmp(&codec_bytes(b)))
        });
        values.dedup_by(|next, kept| next.cmp_total(kept).is_eq());
    }
    let mut accumulator = Accumulator::new(call.function);
    for value in &values {
        accumulator.add(value)?;
    }
    accumulator.finish(call)
}

/// Whether key bytes keep the kind of a value.
fn is_kept(value: &Value) -> bool {
    matches!(
        value,
        Value::Null
            | Value::Bool(_)
            | Value::Int(_)
            | Value::Time(_)
            | Value::Uuid(_)
            | Value::Text(_)
            | Value::Bytes(_)
    )
}

/// The order of equal values: a kind that key bytes keep comes first, then value codec bytes.
fn codec_bytes(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    if !is_kept(value) {
        encode_value(&mut bytes, value).unwrap();
    }
    bytes
}

/// The order of equal rows: all kept first, then value by value.
fn bytes_of(row: &[Value]) -> Vec<u8> {
    if row.iter().all(is_kept) {
        return Vec::new();
    }
    let mut bytes = Vec::new();
    for value in row {
        bytes.push(u8::from(!is_kept(value)));
        if !is_kept(value) {
            let encoded = codec_bytes(value);
            bytes.push(encoded.len().try_into().unwrap());
            bytes.extend(encoded);
        }
    }
    bytes
}
