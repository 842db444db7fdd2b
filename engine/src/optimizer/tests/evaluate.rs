//! A slow evaluator of plans over rows in memory: what a plan means, with nothing clever in it.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use tailwater_proto::{Direction, StorageId, Value};
use tailwater_views::aggregate::{AggregateCall, AggregateFunction};
use tailwater_views::plan::{Access, Join, JoinKind, JoinStrategy, KeyBounds, Scan, SortKey};
use tailwater_views::{Error, ExecContext, Expr, Plan};

use crate::catalog::Catalog;

pub(super) type Rows = Vec<Vec<Value>>;

/// Rows of each table in its row layout, whose columns are numbered from 1.
pub(super) struct Data<'c> {
    pub(super) catalog: &'c Catalog,
    pub(super) tables: BTreeMap<StorageId, Rows>,
    pub(super) cx: ExecContext,
}

impl Data<'_> {
    pub(super) fn evaluate(&self, plan: &Plan) -> Result<Rows, Error> {
        self.run(plan, &[])
    }

    fn run(&self, plan: &Plan, outer: &[Value]) -> Result<Rows, Error> {
        let cx = &self.cx;
        let all = |exprs: &[Expr], row: &[Value]| -> Result<Vec<Value>, Error> {
            exprs.iter().map(|expr| expr.eval(row, cx)).collect()
        };
        match plan {
            Plan::Values { rows, .. } => rows.iter().map(|row| all(row, &[])).collect(),
            // Of whole numbers, which is all that the tests count.
            Plan::Series(series) => {
                let whole = |expr: &Expr| Ok::<_, Error>(expr.eval(&[], cx)?.as_int().unwrap());
                let step = whole(&series.step)?;
                let (mut next, stop) = (whole(&series.start)?, whole(&series.stop)?);
                let mut rows = Vec::new();
                while (stop - next) * step.signum() >= 0 {
                    rows.push(vec![Value::Int(next)]);
                    next += step;
                }
                Ok(rows)
            }
            Plan::Scan(scan) => self.scan(scan, outer),
            Plan::Filter { input, predicate } => self.keep(self.run(input, outer)?, predicate),
            Plan::Project { input, exprs, .. } => self
                .run(input, outer)?
                .iter()
                .map(|row| all(exprs, row))
                .collect(),
            Plan::Join(join) => self.join(join, outer),
            Plan::Aggregate {
                input,
                group,
                calls,
                ..
            } => {
                let mut groups: Vec<(Vec<Value>, Rows)> = Vec::new();
                if group.is_empty() {
                    groups.push((Vec::new(), Vec::new()));
                }
                for row in self.run(input, outer)? {
                    let key = all(group, &row)?;
                    match groups.iter_mut().find(|(other, _)| *other == key) {
                        Some((_, rows)) => rows.push(row),
                        None => groups.push((key, vec![row])),
                    }
                }
                groups
                    .into_iter()
                    .map(|(mut key, rows)| {
                        for call in calls {
                            key.push(self.aggregate(call, &rows)?);
                        }
                        Ok(key)
                    })
                    .collect()
            }
            Plan::Distinct { input } => {
                let mut seen: Rows = Vec::new();
                for row in self.run(input, outer)? {
                    if !seen.contains(&row) {
                        seen.push(row);
                    }
                }
                Ok(seen)
            }
            Plan::UnionAll { inputs, .. } => {
                let mut rows = Vec::new();
                for input in inputs {
                    rows.extend(self.run(input, outer)?);
                }
                Ok(rows)
            }
            Plan::Sort { input, keys } => {
                let mut rows = self
                    .run(input, outer)?
                    .into_iter()
                    .map(|row| {
                        let by: Result<Vec<Value>, Error> =
                            keys.iter().map(|key| key.expr.eval(&row, cx)).collect();
                        Ok((by?, row))
                    })
                    .collect::<Result<Vec<_>, Error>>()?;
                rows.sort_by(|(a, _), (b, _)| compare_by(keys, a, b));
                Ok(rows.into_iter().map(|(_, row)| row).collect())
            }
            Plan::Limit {
                input,
                limit,
                offset,
            } => {
                let count = |expr: &Option<Expr>| -> Result<Option<usize>, Error> {
                    Ok(expr
                        .as_ref()
                        .map(|expr| expr.eval(&[], cx))
                        .transpose()?
                        .and_then(|value| value.as_int())
                        .map(|count| usize::try_from(count).unwrap()))
                };
                let rows = self.run(input, outer)?.into_iter();
                let rows = rows.skip(count(offset)?.unwrap_or(0));
                Ok(rows.take(count(limit)?.unwrap_or(usize::MAX)).collect())
            }
        }
    }

    fn keep(&self, rows: Rows, predicate: &Expr) -> Result<Rows, Error> {
        let mut kept = Vec::new();
        for row in rows {
            if predicate.eval(&row, &self.cx)?.as_bool() == Some(true) {
                kept.push(row);
            }
        }
        Ok(kept)
    }

    fn join(&self, join: &Join, outer: &[Value]) -> Result<Rows, Error> {
        let right_width = join.right.fields().len();
        let all_right = match join.strategy {
            JoinStrategy::Hash => self.run(&join.right, outer)?,
            JoinStrategy::Lookup => Vec::new(),
        };
        let mut pairs = Vec::new();
        for left in self.run(&join.left, outer)? {
            let found;
            let right_rows = match join.strategy {
                JoinStrategy::Hash => &all_right,
                JoinStrategy::Lookup => {
                    found = self.run(&join.right, &left)?;
                    &found
                }
            };
            let mut is_matched = false;
            for right in right_rows {
                let mut agree = true;
                for (of_left, of_right) in &join.equal {
                    let (a, b) = (
                        of_left.eval(&left, &self.cx)?,
                        of_right.eval(right, &self.cx)?,
                    );
                    agree &= a.cmp_sql(&b) == Some(Ordering::Equal);
                }
                let pair: Vec<Value> = left.iter().chain(right).cloned().collect();
                let holds = agree
                    && match &join.residual {
                        None => true,
                        Some(residual) => residual.eval(&pair, &self.cx)?.as_bool() == Some(true),
                    };
                if holds {
                    is_matched = true;
                    pairs.push(pair);
                }
            }
            if join.kind == JoinKind::Left && !is_matched {
                let mut pair = left;
                pair.resize(pair.len() + right_width, Value::Null);
                pairs.push(pair);
            }
        }
        Ok(pairs)
    }

    fn aggregate(&self, call: &AggregateCall, rows: &Rows) -> Result<Value, Error> {
        let mut values = Vec::new();
        for row in rows {
            if let Some(filter) = &call.filter
                && filter.eval(row, &self.cx)?.as_bool() != Some(true)
            {
                continue;
            }
            values.push(match &call.argument {
                None => Value::Bool(true),
                Some(argument) => argument.eval(row, &self.cx)?,
            });
        }
        values.retain(|value| !value.is_null());
        Ok(match call.function {
            AggregateFunction::Count => Value::Int(i64::try_from(values.len()).unwrap()),
            AggregateFunction::Min => values.into_iter().min_by(Value::cmp_total).into(),
            AggregateFunction::Max => values.into_iter().max_by(Value::cmp_total).into(),
            AggregateFunction::Sum | AggregateFunction::Avg => {
                panic!("the generator makes no {:?}", call.function)
            }
        })
    }

    fn scan(&self, scan: &Scan, outer: &[Value]) -> Result<Rows, Error> {
        let relation = self.catalog.relation_of_storage(scan.storage).unwrap();
        let mut rows = self.tables.get(&scan.storage).unwrap().clone();
        let primary = || {
            relation
                .primary_key
                .iter()
                .map(|part| (part.expr.clone(), part.descending))
        };
        let (own, ranges, direction): (Vec<_>, Option<_>, _) = match &scan.access {
            Access::All(direction) => (Vec::new(), None, *direction),
            Access::Ranges {
                index,
                ranges,
                direction,
                descending,
                ..
            } => {
                let own: Vec<_> = match index {
                    None => primary().collect(),
                    Some(access) => self
                        .catalog
                        .indexes_of(relation.id)
                        .find(|index| index.storage == access.storage)
                        .unwrap()
                        .parts
                        .iter()
                        .map(|part| (part.expr.clone(), part.descending))
                        .collect(),
                };
                let stated: Vec<bool> = own.iter().map(|(_, descending)| *descending).collect();
                assert_eq!(*descending, stated);
                (own, Some(ranges), *direction)
            }
        };
        let parts: Vec<(Expr, bool)> = own.iter().cloned().chain(primary()).collect();
        let key = |row: &[Value]| -> Vec<Value> {
            parts
                .iter()
                .map(|(expr, _)| expr.eval(row, &self.cx).unwrap())
                .collect()
        };
        rows.sort_by(|a, b| {
            key(a)
                .iter()
                .zip(&key(b))
                .zip(&parts)
                .map(|((a, b), (_, descending))| turned(a.cmp_total(b), *descending))
                .find(|order| order.is_ne())
                .unwrap_or(Ordering::Equal)
        });
        if let Some(ranges) = ranges {
            let mut inside = Vec::new();
            for row in rows {
                let key = key(&row);
                let mut found = 0;
                for range in ranges {
                    found += usize::from(self.is_inside(&key, range, outer)?);
                }
                if found > 0 {
                    inside.push(row);
                }
            }
            rows = inside;
        }
        if direction == Direction::Reverse {
            rows.reverse();
        }
        Ok(rows
            .into_iter()
            .map(|row| {
                let place = |id: u32| row[usize::try_from(id).unwrap() - 1].clone();
                scan.columns.iter().map(|id| place(id.0)).collect()
            })
            .collect())
    }

    fn is_inside(&self, key: &[Value], range: &KeyBounds, outer: &[Value]) -> Result<bool, Error> {
        let mut inside = true;
        for (place, bound) in range.equal.iter().enumerate() {
            let bound = bound.eval(outer, &self.cx)?;
            inside &= key[place].cmp_sql(&bound) == Some(Ordering::Equal);
        }
        let ends = [
            (&range.lower, Ordering::Greater),
            (&range.upper, Ordering::Less),
        ];
        for (end, wanted) in ends {
            if let Some((bound, included)) = end {
                let order = key[range.equal.len()].cmp_sql(&bound.eval(outer, &self.cx)?);
                inside &= order == Some(wanted) || (*included && order == Some(Ordering::Equal));
            }
        }
        Ok(inside)
    }
}

fn turned(order: Ordering, descending: bool) -> Ordering {
    if descending { order.reverse() } else { order }
}

/// How two rows of sort key values stand.
pub(super) fn compare_by(keys: &[SortKey], a: &[Value], b: &[Value]) -> Ordering {
    for ((key, a), b) in keys.iter().zip(a).zip(b) {
        let order = match (a.is_null(), b.is_null()) {
            (false, false) => turned(a.cmp_total(b), key.descending),
            (true, true) => Ordering::Equal,
            (true, false) => turned(Ordering::Greater, key.nulls_first),
            (false, true) => turned(Ordering::Less, key.nulls_first),
        };
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}
