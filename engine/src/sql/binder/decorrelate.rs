//! Subqueries that read the query around them, made free of it: equalities with outer columns are taken out of
//! their filters and become keys, by which the result is joined to the outer rows; other conditions are joined to
//! the outer rows' different values (Neumann and Kemper's way). What stands elsewhere is the caller's to refuse. Changes plans; knows no names.

use tailwater_proto::{ColumnId, Direction, StorageId, Value};
use tailwater_views::Expr;
use tailwater_views::aggregate::AggregateFunction;
use tailwater_views::expr::CompareOp;
use tailwater_views::plan::{Access, Field, Join, JoinKind, JoinStrategy, Plan, Scan};

use super::expr::OUTER;

/// One equality between the outer row and the subquery's.
#[derive(Clone, Debug)]
pub(super) struct Key {
    /// Over the outer row.
    pub(super) outer: Expr,
    /// The plan's column.
    pub(super) column: usize,
    /// NULL equals NULL: the column holds values of the outer rows themselves.
    pub(super) same: bool,
}

/// The storage of the leaf that stands for all outer rows, until they are at hand.
const OUTER_ROWS: StorageId = StorageId(u32::MAX);

/// A subquery's plan without outer columns.
#[derive(Clone, Debug)]
pub(super) struct Pulled {
    /// Columns the subquery has, then columns of keys.
    pub(super) plan: Plan,
    /// What must be equal.
    pub(super) keys: Vec<Key>,
    /// Over the outer row: the columns of the leaf that stands for all outer rows.
    pub(super) domain: Vec<Expr>,
    /// What the subquery's columns are where no row has the outer row's keys: values of aggregates over nothing.
    pub(super) empty: Option<Vec<Expr>>,
    /// Whether no two rows have the same keys.
    pub(super) one_per_key: bool,
    /// A condition has been put on aggregates, so that what they are over nothing is not known.
    conditional: bool,
}

impl Pulled {
    fn plain(plan: Plan) -> Self {
        Pulled {
            one_per_key: at_most_one_row(&plan),
            plan,
            keys: Vec::new(),
            domain: Vec::new(),
            empty: None,
            conditional: false,
        }
    }
}

/// Takes outer columns out of a plan; `None` if they stand elsewhere than in equalities of filters. With
/// `existence` only whether there is a row counts.
pub(super) fn pull(plan: Plan, existence: bool) -> Option<Pulled> {
    if !reads_outer(&plan) {
        return Some(Pulled::plain(plan));
    }
    match plan {
        Plan::Filter { input, predicate } => pull_filter(*input, predicate, existence),
        Plan::Project {
            input,
            exprs,
            fields,
        } => pull_project(*input, exprs, fields, existence),
        Plan::Aggregate { .. } => pull_aggregate(plan),
        Plan::Distinct { input } => {
            let inner = pull(*input, existence)?;
            let plan = Plan::Distinct {
                input: Box::new(inner.plan),
            };
            Some(Pulled { plan, ..inner })
        }
        Plan::Sort { input, .. } => pull(*input, existence),
        Plan::Limit {
            input,
            limit: Some(Expr::Literal(limit)),
            offset: None,
        } if existence && limit.0.as_int().is_some_and(|limit| limit > 0) => {
            pull(*input, existence)
        }
        Plan::Join(join) => pull_join(*join, existence),
        Plan::Values { .. }
        | Plan::Series(_)
        | Plan::Scan(_)
        | Plan::Limit { .. }
        | Plan::UnionAll { .. } => None,
    }
}

fn pull_filter(input: Plan, predicate: Expr, existence: bool) -> Option<Pulled> {
    let mut inner = pull(input, existence)?;
    let conjuncts = match predicate {
        Expr::And(conjuncts) => conjuncts,
        other => vec![other],
    };
    let (outer, own): (Vec<Expr>, Vec<Expr>) = conjuncts.into_iter().partition(has_outer);
    if !own.is_empty() || !outer.is_empty() {
        inner.conditional |= inner.empty.is_some();
    }
    let mut computed = Vec::new();
    let mut others = Vec::new();
    let width = inner.plan.fields().len();
    for conjunct in outer {
        let (outside, inside) = match equality(conjunct) {
            Ok(sides) => sides,
            Err(other) => {
                others.push(other);
                continue;
            }
        };
        let column = match inside {
            Expr::Column(column) => column,
            other => {
                computed.push(other);
                width + computed.len() - 1
            }
        };
        inner.keys.push(Key {
            outer: to_outer(outside),
            column,
            same: false,
        });
    }
    if !own.is_empty() {
        inner.plan = Plan::Filter {
            input: Box::new(inner.plan),
            predicate: if own.len() == 1 {
                own.into_iter().next()?
            } else {
                Expr::And(own)
            },
        };
    }
    if !computed.is_empty() {
        let mut fields = inner.plan.fields();
        let mut exprs: Vec<Expr> = (0..width).map(Expr::Column).collect();
        fields.extend(computed.iter().map(|_| key_field()));
        exprs.append(&mut computed);
        inner.plan = Plan::Project {
            input: Box::new(inner.plan),
            exprs,
            fields,
        };
    }
    if !others.is_empty() {
        if inner.empty.is_some() {
            return None;
        }
        with_outer_rows(&mut inner, others);
    }
    // rows of one key were one row of all before, or are still
    inner.one_per_key &= inner.keys.is_empty() || inner.empty.is_some();
    Some(inner)
}

/// The sides of an equality of outer columns with own ones, or the condition as it was.
fn equality(condition: Expr) -> Result<(Expr, Expr), Expr> {
    match condition {
        Expr::Compare {
            op: CompareOp::Equal,
            left,
            right,
        } => {
            if only_outer(&left) && !has_outer(&right) && !right.columns().is_empty() {
                Ok((*left, *right))
            } else if only_outer(&right) && !has_outer(&left) && !left.columns().is_empty() {
                Ok((*right, *left))
            } else {
                Err(Expr::Compare {
                    op: CompareOp::Equal,
                    left,
                    right,
                })
            }
        }
        other => Err(other),
    }
}

/// Joins the outer rows' values to a plan, on conditions that read both.
fn with_outer_rows(inner: &mut Pulled, conditions: Vec<Expr>) {
    let width = inner.plan.fields().len();
    let mut read: Vec<usize> = conditions.iter().flat_map(Expr::columns).collect();
    read.retain(|column| *column >= OUTER);
    read.sort_unstable();
    read.dedup();
    let mut columns = Vec::with_capacity(read.len());
    for (number, column) in read.iter().enumerate() {
        let outer = Expr::Column(column - OUTER);
        let at = inner
            .domain
            .iter()
            .position(|known| *known == outer)
            .unwrap_or_else(|| {
                inner.domain.push(outer.clone());
                inner.domain.len() - 1
            });
        columns.push(ColumnId(u32::try_from(at).unwrap_or(u32::MAX)));
        inner.keys.push(Key {
            outer,
            column: width + number,
            same: true,
        });
    }
    let place = |column: usize| match read.binary_search(&column) {
        Ok(number) => width + number,
        Err(_) => column,
    };
    let mut conditions = conditions;
    conditions
        .iter_mut()
        .for_each(|condition| condition.map_columns(&place));
    let input = std::mem::replace(
        &mut inner.plan,
        Plan::Values {
            rows: Vec::new(),
            fields: Vec::new(),
        },
    );
    inner.plan = Plan::Join(Box::new(Join {
        kind: JoinKind::Inner,
        left: input,
        right: Plan::Scan(Scan {
            name: "outer rows".into(),
            storage: OUTER_ROWS,
            fields: columns.iter().map(|_| key_field()).collect(),
            columns,
            access: Access::All(Direction::Forward),
        }),
        equal: Vec::new(),
        residual: Some(Expr::And(conditions)),
        strategy: JoinStrategy::Hash,
    }));
}

/// Puts the outer rows, each different one once, where a leaf stands for them.
pub(super) fn put_outer_rows(plan: &mut Plan, outer: &Plan, domain: &[Expr]) {
    match plan {
        Plan::Scan(scan) if scan.storage == OUTER_ROWS => {
            let column = |id: &ColumnId| {
                let at = usize::try_from(id.0).ok()?;
                domain.get(at).cloned()
            };
            let exprs = scan
                .columns
                .iter()
                .map(|id| column(id).unwrap_or_else(null))
                .collect();
            let fields = std::mem::take(&mut scan.fields);
            *plan = Plan::Distinct {
                input: Box::new(Plan::Project {
                    input: Box::new(outer.clone()),
                    exprs,
                    fields,
                }),
            };
        }
        Plan::Scan(_) | Plan::Values { .. } | Plan::Series(_) => {}
        Plan::Filter { input, .. }
        | Plan::Project { input, .. }
        | Plan::Aggregate { input, .. }
        | Plan::Distinct { input }
        | Plan::Sort { input, .. }
        | Plan::Limit { input, .. } => put_outer_rows(input, outer, domain),
        Plan::Join(join) => {
            put_outer_rows(&mut join.left, outer, domain);
            put_outer_rows(&mut join.right, outer, domain);
        }
        Plan::UnionAll { inputs, .. } => {
            inputs
                .iter_mut()
                .for_each(|input| put_outer_rows(input, outer, domain));
        }
    }
}

fn pull_project(
    input: Plan,
    mut exprs: Vec<Expr>,
    mut fields: Vec<Field>,
    existence: bool,
) -> Option<Pulled> {
    if exprs.iter().any(has_outer) {
        if !existence {
            return None;
        }
        // whether there is a row does not depend on what it shows
        exprs
            .iter_mut()
            .filter(|expr| has_outer(expr))
            .for_each(|expr| *expr = null());
    }
    let mut inner = pull(input, existence)?;
    if let Some(empty) = &inner.empty {
        let mut over_nothing = exprs.clone();
        over_nothing
            .iter_mut()
            .for_each(|expr| expr.replace_columns(empty));
        inner.empty = Some(over_nothing);
    }
    for key in &mut inner.keys {
        exprs.push(Expr::Column(key.column));
        fields.push(key_field());
        key.column = exprs.len() - 1;
    }
    let plan = Plan::Project {
        input: Box::new(inner.plan),
        exprs,
        fields,
    };
    Some(Pulled { plan, ..inner })
}

fn pull_aggregate(plan: Plan) -> Option<Pulled> {
    let Plan::Aggregate {
        input,
        mut group,
        calls,
        fields,
    } = plan
    else {
        return None;
    };
    let outer_call = calls
        .iter()
        .any(|call| call.argument.iter().chain(&call.filter).any(has_outer));
    if outer_call || group.iter().any(has_outer) {
        return None;
    }
    let inner = pull(*input, false)?;
    if inner.empty.is_some() {
        return None;
    }
    let groups = group.len();
    let over_nothing = calls
        .iter()
        .map(|call| match call.function {
            AggregateFunction::Count => Expr::literal(0),
            _ => null(),
        })
        .collect();
    let mut grouped = fields.clone();
    for (number, key) in inner.keys.iter().enumerate() {
        group.push(Expr::Column(key.column));
        grouped.insert(groups + number, key_field());
    }
    let keys = inner.keys.len();
    let order = (0..groups)
        .chain(groups + keys..grouped.len())
        .chain(groups..groups + keys);
    let exprs: Vec<Expr> = order.map(Expr::Column).collect();
    let mut all = fields;
    all.extend((0..keys).map(|_| key_field()));
    let width = all.len();
    let plan = Plan::Project {
        input: Box::new(Plan::Aggregate {
            input: Box::new(inner.plan),
            group,
            calls,
            fields: grouped,
        }),
        exprs,
        fields: all,
    };
    let pulled = Pulled {
        plan,
        keys: inner.keys,
        domain: inner.domain,
        empty: (groups == 0).then_some(over_nothing),
        one_per_key: groups == 0,
        conditional: false,
    };
    Some(pulled.with_key_columns(width))
}

impl Pulled {
    /// Keys are the last columns, in order.
    fn with_key_columns(mut self, width: usize) -> Self {
        let first = width - self.keys.len();
        for (number, key) in self.keys.iter_mut().enumerate() {
            key.column = first + number;
        }
        self
    }

    /// The value of a column over no rows, if that is known.
    pub(super) fn over_nothing(&self, column: usize) -> Option<Option<Expr>> {
        if self.conditional {
            return None;
        }
        Some(
            self.empty
                .as_ref()
                .and_then(|empty| empty.get(column))
                .cloned(),
        )
    }
}

fn pull_join(join: Join, existence: bool) -> Option<Pulled> {
    let conditions = join.equal.iter().flat_map(|(left, right)| [left, right]);
    if conditions.chain(&join.residual).any(has_outer) {
        return None;
    }
    if join.kind == JoinKind::Left && reads_outer(&join.right) {
        return None;
    }
    let (left_width, right_width) = (join.left.fields().len(), join.right.fields().len());
    let left = pull(join.left, existence)?;
    let right = pull(join.right, existence)?;
    if left.empty.is_some() || right.empty.is_some() {
        return None;
    }
    let widened = left.plan.fields().len();
    let shift = move |column: usize| {
        if column < left_width {
            column
        } else {
            column - left_width + widened
        }
    };
    let mut residual = join.residual;
    if let Some(residual) = &mut residual {
        residual.map_columns(&shift);
    }
    if !left.domain.is_empty() && !right.domain.is_empty() {
        return None;
    }
    let mut domain = left.domain;
    domain.extend(right.domain);
    let mut keys = left.keys;
    keys.extend(right.keys.into_iter().map(|key| Key {
        column: key.column + widened,
        ..key
    }));
    let plan = Plan::Join(Box::new(Join {
        kind: join.kind,
        left: left.plan,
        right: right.plan,
        equal: join.equal,
        residual,
        strategy: join.strategy,
    }));
    let all = plan.fields();
    let visible = (0..left_width).chain(widened..widened + right_width);
    let mut exprs: Vec<Expr> = visible.map(Expr::Column).collect();
    exprs.extend(keys.iter().map(|key| Expr::Column(key.column)));
    let fields: Vec<Field> = exprs
        .iter()
        .filter_map(|expr| match expr {
            Expr::Column(column) => all.get(*column).cloned(),
            _ => None,
        })
        .collect();
    let width = exprs.len();
    let plan = Plan::Project {
        input: Box::new(plan),
        exprs,
        fields,
    };
    let pulled = Pulled {
        plan,
        keys,
        domain,
        empty: None,
        one_per_key: false,
        conditional: false,
    };
    Some(pulled.with_key_columns(width))
}

/// Whether a plan cannot have a second row.
pub(super) fn at_most_one_row(plan: &Plan) -> bool {
    match plan {
        Plan::Values { rows, .. } => rows.len() <= 1,
        Plan::Aggregate { group, .. } => group.is_empty(),
        Plan::Limit {
            limit: Some(Expr::Literal(limit)),
            input,
            ..
        } => limit.0.as_int().is_some_and(|limit| limit <= 1) || at_most_one_row(input),
        Plan::Filter { input, .. }
        | Plan::Project { input, .. }
        | Plan::Distinct { input }
        | Plan::Sort { input, .. }
        | Plan::Limit { input, .. } => at_most_one_row(input),
        Plan::Join(join) => at_most_one_row(&join.left) && at_most_one_row(&join.right),
        Plan::Series(_) | Plan::Scan(_) | Plan::UnionAll { .. } => false,
    }
}

/// Whether a plan has one row, whatever its inputs hold.
pub(super) fn exactly_one_row(plan: &Plan) -> bool {
    match plan {
        Plan::Values { rows, .. } => rows.len() == 1,
        Plan::Aggregate { group, .. } => group.is_empty(),
        Plan::Project { input, .. } | Plan::Distinct { input } | Plan::Sort { input, .. } => {
            exactly_one_row(input)
        }
        Plan::Filter { .. }
        | Plan::Limit { .. }
        | Plan::Join(_)
        | Plan::Scan(_)
        | Plan::Series(_)
        | Plan::UnionAll { .. } => false,
    }
}

/// Whether an expression reads the outer row.
fn has_outer(expr: &Expr) -> bool {
    let mut found = false;
    expr.walk(&mut |expr| found |= matches!(expr, Expr::Column(column) if *column >= OUTER));
    found
}

/// Whether an expression reads the outer row and nothing else.
fn only_outer(expr: &Expr) -> bool {
    let columns = expr.columns();
    !columns.is_empty() && columns.iter().all(|column| *column >= OUTER)
}

/// The expression over the outer row.
fn to_outer(mut expr: Expr) -> Expr {
    expr.map_columns(&|column| column - OUTER);
    expr
}

/// Whether any expression of a plan reads the outer row.
pub(super) fn reads_outer(plan: &Plan) -> bool {
    let own = match plan {
        Plan::Values { rows, .. } => rows.iter().flatten().any(has_outer),
        Plan::Series(series) => [&series.start, &series.stop, &series.step]
            .into_iter()
            .any(has_outer),
        Plan::Scan(_) | Plan::Distinct { .. } | Plan::UnionAll { .. } => false,
        Plan::Filter { predicate, .. } => has_outer(predicate),
        Plan::Project { exprs, .. } => exprs.iter().any(has_outer),
        Plan::Join(join) => {
            let sides = join.equal.iter().flat_map(|(left, right)| [left, right]);
            sides.chain(&join.residual).any(has_outer)
        }
        Plan::Aggregate { group, calls, .. } => {
            let calls = calls
                .iter()
                .flat_map(|call| call.argument.iter().chain(&call.filter));
            group.iter().chain(calls).any(has_outer)
        }
        Plan::Sort { keys, .. } => keys.iter().any(|key| has_outer(&key.expr)),
        Plan::Limit { limit, offset, .. } => limit.iter().chain(offset).any(has_outer),
    };
    own || plan.inputs().into_iter().any(reads_outer)
}

fn key_field() -> Field {
    Field {
        name: "key".into(),
        ty: tailwater_proto::SqlType::Any,
        spread: false,
    }
}

fn null() -> Expr {
    Expr::literal(Value::Null)
}
