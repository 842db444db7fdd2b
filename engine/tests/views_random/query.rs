//! Random queries of the kinds that can be maintained: filters, projections, inner joins (self-joins too), GROUP BY,
//! DISTINCT, UNION ALL and its kin, nested queries, views on views.

use super::common::Rng;

/// What is known of an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Int,
    /// NUMERIC whose scale may differ between equal values: never a key or an extreme.
    Number,
    Double,
    Text,
    /// A value of an undeclared kind.
    Any,
}

#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) expr: String,
    pub(crate) kind: Kind,
}

/// A table or view in FROM.
#[derive(Clone, Debug)]
pub(crate) struct Relation {
    pub(crate) name: String,
    pub(crate) columns: Vec<Column>,
}

impl Relation {
    fn under(&self, alias: &str) -> Vec<Column> {
        self.columns
            .iter()
            .map(|column| Column {
                expr: format!("{alias}.{}", column.expr),
                kind: column.kind,
            })
            .collect()
    }
}

/// A view's query and its output columns, by name.
pub(crate) fn view_query(rng: &mut Rng, relations: &[Relation]) -> (String, Vec<Column>) {
    let (sql, kinds) = match rng.below(12) {
        0 | 1 => simple(rng, relations),
        2..5 => join(rng, relations),
        5..8 => group(rng, relations),
        8 => total(rng, relations),
        9 => distinct(rng, relations),
        10 => union(rng, relations),
        _ => nested(rng, relations),
    };
    let columns = kinds
        .into_iter()
        .enumerate()
        .map(|(place, kind)| Column {
            expr: format!("c{place}"),
            kind,
        })
        .collect();
    (sql, columns)
}

fn select_list(outputs: &[Column]) -> (String, Vec<Kind>) {
    let list: Vec<String> = outputs
        .iter()
        .enumerate()
        .map(|(place, column)| format!("{} AS c{place}", column.expr))
        .collect();
    (list.join(", "), outputs.iter().map(|c| c.kind).collect())
}

fn outputs(rng: &mut Rng, columns: &[Column]) -> Vec<Column> {
    (0..rng.between(1, 4))
        .map(|_| expression(rng, columns))
        .collect()
}

fn simple(rng: &mut Rng, relations: &[Relation]) -> (String, Vec<Kind>) {
    let from = rng.pick(relations);
    let columns = from.under("x");
    let (list, kinds) = select_list(&outputs(rng, &columns));
    let filter = filter(rng, &columns);
    (format!("SELECT {list} FROM {} x{filter}", from.name), kinds)
}

/// FROM of two or three relations and all their columns.
fn joined(rng: &mut Rng, relations: &[Relation]) -> (String, Vec<Column>) {
    let first = rng.pick(relations);
    let mut columns = first.under("x");
    let mut from = format!("{} x", first.name);
    for alias in ["y", "z"].iter().take(1 + usize::from(rng.percent(25))) {
        let next = rng.pick(relations);
        let new = next.under(alias);
        let mut on = equality(rng, &columns, &new);
        if rng.percent(25) {
            let both: Vec<Column> = columns.iter().chain(&new).cloned().collect();
            on = format!("{on} AND {}", predicate(rng, &both, 1));
        }
        from = format!("{from} JOIN {} {alias} ON {on}", next.name);
        columns.extend(new);
    }
    (from, columns)
}

fn equality(rng: &mut Rng, left: &[Column], right: &[Column]) -> String {
    let mut pairs = Vec::new();
    for a in left {
        for b in right {
            if a.kind == b.kind && a.kind != Kind::Number {
                pairs.push(format!("{} = {}", a.expr, b.expr));
            }
        }
    }
    if pairs.is_empty() {
        return format!("{} IS NULL", left[0].expr);
    }
    rng.pick(&pairs).clone()
}

fn join(rng: &mut Rng, relations: &[Relation]) -> (String, Vec<Kind>) {
    let (from, columns) = joined(rng, relations);
    let (list, kinds) = select_list(&outputs(rng, &columns));
    let filter = filter(rng, &columns);
    (format!("SELECT {list} FROM {from}{filter}"), kinds)
}

fn keys(rng: &mut Rng, columns: &[Column]) -> Vec<Column> {
    let candidates: Vec<Column> = columns
        .iter()
        .filter(|column| column.kind != Kind::Number)
        .cloned()
        .collect();
    if candidates.is_empty() {
        return vec![Column {
            expr: format!("{} IS NULL", columns[0].expr),
            kind: Kind::Any,
        }];
    }
    let mut keys: Vec<Column> = Vec::new();
    for _ in 0..rng.between(1, 2) {
        let mut key = rng.pick(&candidates).clone();
        if key.kind == Kind::Int && rng.percent(40) {
            key.expr = format!("{} % 2", key.expr);
        }
        if keys.iter().all(|other| other.expr != key.expr) {
            keys.push(key);
        }
    }
    keys
}

fn source(rng: &mut Rng, relations: &[Relation]) -> (String, Vec<Column>) {
    if rng.percent(40) {
        return joined(rng, relations);
    }
    let from = rng.pick(relations);
    (format!("{} x", from.name), from.under("x"))
}

fn group(rng: &mut Rng, relations: &[Relation]) -> (String, Vec<Kind>) {
    let (from, columns) = source(rng, relations);
    let keys = keys(rng, &columns);
    let by: Vec<String> = keys.iter().map(|key| key.expr.clone()).collect();
    let mut outputs = keys;
    for _ in 0..rng.between(1, 3) {
        outputs.push(aggregate(rng, &columns));
    }
    let (list, kinds) = select_list(&outputs);
    let filter = filter(rng, &columns);
    let having = if rng.percent(20) {
        " HAVING count(*) > 1"
    } else {
        ""
    };
    (
        format!(
            "SELECT {list} FROM {from}{filter} GROUP BY {}{having}",
            by.join(", ")
        ),
        kinds,
    )
}

fn total(rng: &mut Rng, relations: &[Relation]) -> (String, Vec<Kind>) {
    let (from, columns) = source(rng, relations);
    let outputs: Vec<Column> = (0..rng.between(1, 4))
        .map(|_| aggregate(rng, &columns))
        .collect();
    let (list, kinds) = select_list(&outputs);
    let filter = filter(rng, &columns);
    (format!("SELECT {list} FROM {from}{filter}"), kinds)
}

fn distinct(rng: &mut Rng, relations: &[Relation]) -> (String, Vec<Kind>) {
    let (from, columns) = source(rng, relations);
    let (list, kinds) = select_list(&keys(rng, &columns));
    let filter = filter(rng, &columns);
    (format!("SELECT DISTINCT {list} FROM {from}{filter}"), kinds)
}

fn union(rng: &mut Rng, relations: &[Relation]) -> (String, Vec<Kind>) {
    let mut branches = Vec::new();
    let mut kind = None;
    for _ in 0..rng.between(2, 3) {
        let from = rng.pick(relations);
        let columns = from.under("x");
        let candidates: Vec<&Column> = columns
            .iter()
            .filter(|column| match kind {
                None => column.kind != Kind::Number,
                Some(kind) => column.kind == kind,
            })
            .collect();
        if candidates.is_empty() {
            continue;
        }
        let chosen = (*rng.pick(&candidates)).clone();
        kind = Some(chosen.kind);
        let filter = filter(rng, &columns);
        branches.push(format!(
            "SELECT {} AS c0 FROM {} x{filter}",
            chosen.expr, from.name
        ));
    }
    let between = rng.pick::<&'static str>(&[
        " UNION ALL ",
        " UNION ALL ",
        " UNION ",
        " EXCEPT ",
        " INTERSECT ",
    ]);
    (branches.join(between), vec![kind.unwrap_or(Kind::Any)])
}

fn nested(rng: &mut Rng, relations: &[Relation]) -> (String, Vec<Kind>) {
    let (inner, kinds) = group(rng, relations);
    let columns: Vec<Column> = kinds
        .iter()
        .enumerate()
        .map(|(place, kind)| Column {
            expr: format!("q.c{place}"),
            kind: *kind,
        })
        .collect();
    let (list, kinds) = select_list(&outputs(rng, &columns));
    let filter = filter(rng, &columns);
    (format!("SELECT {list} FROM ({inner}) q{filter}"), kinds)
}

fn aggregate(rng: &mut Rng, columns: &[Column]) -> Column {
    let column = rng.pick(columns);
    let expr = &column.expr;
    let numeric = !matches!(column.kind, Kind::Text);
    let (mut call, kind) = match rng.below(8) {
        0 => ("count(*)".to_owned(), Kind::Int),
        1 => (format!("count({expr})"), Kind::Int),
        2 if column.kind != Kind::Number => (format!("count(DISTINCT {expr})"), Kind::Int),
        3 if column.kind != Kind::Number => (format!("min({expr})"), column.kind),
        4 if column.kind != Kind::Number => (format!("max({expr})"), column.kind),
        5 if numeric => (format!("avg({expr})"), Kind::Number),
        _ if numeric => (format!("sum({expr})"), Kind::Number),
        _ => (format!("count({expr})"), Kind::Int),
    };
    if column.kind == Kind::Int && rng.percent(10) {
        return Column {
            expr: format!("sum(12 / {expr})"),
            kind: Kind::Number,
        };
    }
    if rng.percent(20) {
        call = format!("{call} FILTER (WHERE {})", predicate(rng, columns, 1));
    }
    Column { expr: call, kind }
}

/// An expression over the columns.
fn expression(rng: &mut Rng, columns: &[Column]) -> Column {
    let column = rng.pick(columns).clone();
    let expr = &column.expr;
    let (expr, kind) = match (column.kind, rng.below(8)) {
        (Kind::Int, 0) => (format!("{expr} + {}", rng.between(0, 3)), Kind::Int),
        (Kind::Int, 1) => (format!("12 / {expr}"), Kind::Int),
        (Kind::Int, 2) => (format!("coalesce({expr}, 0) * 2"), Kind::Int),
        (Kind::Int, 3) => (
            format!(
                "CASE WHEN {} THEN {expr} ELSE -1 END",
                predicate(rng, columns, 1)
            ),
            Kind::Int,
        ),
        (Kind::Number, 0) => (format!("{expr} * 2"), Kind::Number),
        (Kind::Double, 0) => (format!("{expr} / 2"), Kind::Double),
        (Kind::Text, 0) => (format!("upper({expr})"), Kind::Text),
        (Kind::Text, 1) => (format!("{expr} || 'z'"), Kind::Text),
        (Kind::Text, 2) => (format!("length({expr})"), Kind::Int),
        (kind, _) => (expr.clone(), kind),
    };
    Column { expr, kind }
}

fn filter(rng: &mut Rng, columns: &[Column]) -> String {
    if rng.percent(50) {
        format!(" WHERE {}", predicate(rng, columns, 2))
    } else {
        String::new()
    }
}

fn predicate(rng: &mut Rng, columns: &[Column], depth: usize) -> String {
    if depth > 0 && rng.percent(40) {
        let left = predicate(rng, columns, depth - 1);
        let right = predicate(rng, columns, depth - 1);
        return match rng.below(3) {
            0 => format!("({left} AND {right})"),
            1 => format!("({left} OR {right})"),
            _ => format!("NOT ({left})"),
        };
    }
    let column = rng.pick(columns);
    let expr = &column.expr;
    match (column.kind, rng.below(6)) {
        (_, 0) => format!("{expr} IS NULL"),
        (_, 1) => format!("{expr} IS NOT NULL"),
        (Kind::Int, 2) => format!("12 / {expr} > 3"),
        (Kind::Int, 3) => format!("{expr} IN (1, 2, 3)"),
        (Kind::Int, _) => format!("{expr} > {}", rng.between(-1, 2)),
        (Kind::Text, 2) => format!("{expr} LIKE 'a%'"),
        (Kind::Text, 3) => format!("{expr} BETWEEN 'a' AND 'b'"),
        (Kind::Text, _) => format!("{expr} <> 'c'"),
        (Kind::Any, 2) => format!("{expr} = 'a'"),
        (Kind::Any, 3) => format!("{expr} IS DISTINCT FROM 1"),
        (_, _) => format!("{expr} >= {}", rng.between(-1, 2)),
    }
}
