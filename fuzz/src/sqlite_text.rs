//! Statements that mean the same to PostgreSQL's dialect and to SQLite's, made from decisions.
//!
//! Expressions are made by type, so that nothing is compared with what it is not, and numbers stay small. Each query says
//! whether it decides its order wholly. Next door: `target::sql_sqlite`, which asks both.

use crate::choices::Choices;

/// Operators within operators.
const DEPTH_MAX: u32 = 3;

/// One query.
pub(crate) struct Query {
    pub(crate) text: String,
    /// All columns are in its ORDER BY.
    pub(crate) is_ordered: bool,
}

/// The type of an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Int,
    Real,
    Text,
    Bool,
}

const COLUMN_TYPES: [Type; 3] = [Type::Int, Type::Text, Type::Real];

/// Two tables with some rows.
pub(crate) fn setup(choices: &mut Choices<'_>) -> String {
    let mut text = "CREATE TABLE t (id INTEGER PRIMARY KEY, a BIGINT, s TEXT, r DOUBLE PRECISION);
        CREATE TABLE u (id INTEGER PRIMARY KEY, a BIGINT, s TEXT, r DOUBLE PRECISION)"
        .to_owned();
    for index in ["t (a)", "u (s)", "t (s, a)", "u (a DESC)"] {
        if choices.below(4) == 3 {
            let name = format!("i{}", text.len());
            text.push_str(&format!("; CREATE INDEX {name} ON {index}"));
        }
    }
    for table in ["t", "u"] {
        for id in 0..choices.below(7) {
            let a = choices.pick(&["NULL", "0", "1", "2", "-1", "3"]);
            let s = choices.pick(&["NULL", "'a'", "'b'", "'A'", "''", "'ab'"]);
            let r = choices.pick(&["NULL", "0.5", "-1.5", "1.0", "2.25"]);
            text.push_str(&format!(
                "; INSERT INTO {table} VALUES ({id}, {a}, {s}, {r})"
            ));
        }
    }
    text
}

/// A query over both tables.
pub(crate) fn query(choices: &mut Choices<'_>) -> Query {
    let (types, mut text) = match choices.below(5) {
        0 => grouped(choices),
        1 => combined(choices),
        2 => aggregated(choices),
        _ => plain(choices),
    };
    let is_ordered = choices.below(2) == 1;
    if is_ordered {
        let keys = (1..=types).map(|column| {
            let direction = choices.pick(&["", " DESC"]);
            let nulls = choices.pick(&["FIRST", "LAST"]);
            format!("{column}{direction} NULLS {nulls}")
        });
        let keys: Vec<String> = keys.collect();
        text.push_str(&format!(" ORDER BY {}", keys.join(", ")));
        text.push_str(choices.pick(&["", "", " LIMIT 3", " LIMIT 2 OFFSET 1"]));
    }
    Query { text, is_ordered }
}

/// FROM and WHERE; says whether `u` is there.
fn source(choices: &mut Choices<'_>) -> (bool, String) {
    let kind = choices.below(7);
    let mut text = match kind {
        0 | 1 => " FROM t".to_owned(),
        2 => " FROM t, u".to_owned(),
        3 => " FROM t CROSS JOIN u".to_owned(),
        _ => {
            let join = choices.pick(&["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"]);
            // FULL JOIN of PostgreSQL wants conditions it can merge or hash.
            let on = match choices.below(4) {
                0 if join != "FULL JOIN" => expression(choices, Type::Bool, true, 1),
                1 => "t.s = u.s".to_owned(),
                2 => "t.id = u.a".to_owned(),
                _ => "t.a = u.a".to_owned(),
            };
            format!(" FROM t {join} u ON {on}")
        }
    };
    let both = kind > 1;
    if choices.below(3) > 0 {
        let condition = expression(choices, Type::Bool, both, 0);
        text.push_str(&format!(" WHERE {condition}"));
    }
    (both, text)
}

fn plain(choices: &mut Choices<'_>) -> (usize, String) {
    let (both, source) = source(choices);
    let columns: Vec<String> = (0..=choices.below(3))
        .map(|_| {
            let of = choices.pick(&[Type::Int, Type::Text, Type::Real, Type::Bool]);
            expression(choices, of, both, 0)
        })
        .collect();
    let distinct = choices.pick(&["", "", "DISTINCT "]);
    (
        columns.len(),
        format!("SELECT {distinct}{}{source}", columns.join(", ")),
    )
}

fn aggregate(choices: &mut Choices<'_>, both: bool) -> String {
    let of = choices.pick(&COLUMN_TYPES);
    let distinct = choices.pick(&["", "", "DISTINCT "]);
    match choices.below(6) {
        0 => "count(*)".to_owned(),
        1 => format!("count({distinct}{})", expression(choices, of, both, 1)),
        2 => format!("min({})", expression(choices, of, both, 1)),
        3 => format!("max({})", expression(choices, of, both, 1)),
        4 => format!("sum({distinct}{})", expression(choices, Type::Int, both, 1)),
        _ => format!("sum({})", expression(choices, Type::Real, both, 1)),
    }
}

fn aggregated(choices: &mut Choices<'_>) -> (usize, String) {
    let (both, source) = source(choices);
    let columns: Vec<String> = (0..=choices.below(3))
        .map(|_| aggregate(choices, both))
        .collect();
    (
        columns.len(),
        format!("SELECT {}{source}", columns.join(", ")),
    )
}

fn grouped(choices: &mut Choices<'_>) -> (usize, String) {
    let (both, source) = source(choices);
    let of = choices.pick(&COLUMN_TYPES);
    let key = match choices.below(3) {
        0 => expression(choices, of, both, 1),
        _ => column(choices, of, both),
    };
    // A constant there would be a position.
    let key = format!("coalesce({key}, {key})");
    let mut columns = vec![key.clone()];
    columns.extend((0..=choices.below(2)).map(|_| aggregate(choices, both)));
    let mut text = format!("SELECT {}{source} GROUP BY {key}", columns.join(", "));
    if choices.below(3) == 2 {
        let least = choices.below(3);
        text.push_str(&format!(" HAVING count(*) > {least}"));
    }
    (columns.len(), text)
}

fn combined(choices: &mut Choices<'_>) -> (usize, String) {
    let operator = choices.pick(&["UNION", "UNION ALL", "EXCEPT", "INTERSECT"]);
    let types: Vec<Type> = (0..=choices.below(2))
        .map(|_| choices.pick(&COLUMN_TYPES))
        .collect();
    let mut side = || {
        let (both, source) = source(choices);
        let columns: Vec<String> = types
            .iter()
            .map(|of| expression(choices, *of, both, 1))
            .collect();
        format!("SELECT {}{source}", columns.join(", "))
    };
    let (left, right) = (side(), side());
    (types.len(), format!("{left} {operator} {right}"))
}

fn column(choices: &mut Choices<'_>, of: Type, both: bool) -> String {
    let table = if both { choices.pick(&["t", "u"]) } else { "t" };
    let name = match of {
        Type::Int => choices.pick(&["a", "a", "id"]),
        Type::Real => "r",
        Type::Text => "s",
        Type::Bool => return format!("({table}.a > 0)"),
    };
    format!("{table}.{name}")
}

fn literal(choices: &mut Choices<'_>, of: Type) -> &'static str {
    match of {
        Type::Int => choices.pick(&["1", "0", "2", "(-1)"]),
        Type::Real => choices.pick(&[
            "CAST(0.5 AS DOUBLE PRECISION)",
            "CAST(1.0 AS DOUBLE PRECISION)",
        ]),
        Type::Text => choices.pick(&["'a'", "'b'", "''", "'A'"]),
        Type::Bool => choices.pick(&["(1 = 1)", "(1 = 2)"]),
    }
}

fn expression(choices: &mut Choices<'_>, of: Type, both: bool, depth: u32) -> String {
    if depth >= DEPTH_MAX || choices.below(3) == 0 {
        return match choices.below(4) {
            0 => literal(choices, of).to_owned(),
            _ => column(choices, of, both),
        };
    }
    let inner = |choices: &mut Choices<'_>, of| expression(choices, of, both, depth + 1);
    match choices.below(6) {
        0 => {
            let condition = inner(choices, Type::Bool);
            let (yes, no) = (inner(choices, of), inner(choices, of));
            let no = choices
                .pick(&[format!(" ELSE {no}").as_str(), ""])
                .to_owned();
            format!("CASE WHEN {condition} THEN {yes}{no} END")
        }
        1 => format!("coalesce({}, {})", inner(choices, of), inner(choices, of)),
        2 if of != Type::Bool => format!("nullif({}, {})", inner(choices, of), inner(choices, of)),
        _ => match of {
            Type::Int => integer(choices, &inner),
            Type::Real => real(choices, &inner),
            Type::Text => text(choices, &inner),
            Type::Bool => truth(choices, &inner, both),
        },
    }
}

fn integer(choices: &mut Choices<'_>, inner: &dyn Fn(&mut Choices<'_>, Type) -> String) -> String {
    match choices.below(7) {
        0..=2 => {
            let operator = choices.pick(&["+", "-", "*"]);
            format!(
                "({} {operator} {})",
                inner(choices, Type::Int),
                inner(choices, Type::Int)
            )
        }
        3 => {
            let operator = choices.pick(&["/ 2", "% 3", "/ (-2)"]);
            format!("({} {operator})", inner(choices, Type::Int))
        }
        4 => format!("abs({})", inner(choices, Type::Int)),
        5 => format!("length({})", inner(choices, Type::Text)),
        _ => {
            let aggregate = choices.pick(&[
                "max(w.a)",
                "min(w.id)",
                "count(*)",
                "CAST(sum(w.a) AS BIGINT)",
            ]);
            format!(
                "(SELECT {aggregate} FROM u w WHERE w.a > {})",
                inner(choices, Type::Int)
            )
        }
    }
}

fn real(choices: &mut Choices<'_>, inner: &dyn Fn(&mut Choices<'_>, Type) -> String) -> String {
    match choices.below(3) {
        0 => {
            let operator = choices.pick(&["+", "-", "*"]);
            format!(
                "({} {operator} {})",
                inner(choices, Type::Real),
                inner(choices, Type::Real)
            )
        }
        1 => format!("abs({})", inner(choices, Type::Real)),
        _ => format!("CAST({} AS DOUBLE PRECISION)", inner(choices, Type::Int)),
    }
}

fn text(choices: &mut Choices<'_>, inner: &dyn Fn(&mut Choices<'_>, Type) -> String) -> String {
    match choices.below(6) {
        0 | 1 => format!(
            "({} || {})",
            inner(choices, Type::Text),
            inner(choices, Type::Text)
        ),
        2 => format!("upper({})", inner(choices, Type::Text)),
        3 => format!("lower({})", inner(choices, Type::Text)),
        4 => format!("substr({}, 1, 1)", inner(choices, Type::Text)),
        _ => format!("replace({}, 'a', 'b')", inner(choices, Type::Text)),
    }
}

fn truth(
    choices: &mut Choices<'_>,
    inner: &dyn Fn(&mut Choices<'_>, Type) -> String,
    both: bool,
) -> String {
    let of = choices.pick(&COLUMN_TYPES);
    match choices.below(10) {
        0..=2 => {
            let operator = choices.pick(&["=", "<>", "<", "<=", ">", ">=", "IS DISTINCT FROM"]);
            format!("({} {operator} {})", inner(choices, of), inner(choices, of))
        }
        3 => {
            let operator = choices.pick(&["AND", "OR"]);
            format!(
                "({} {operator} {})",
                inner(choices, Type::Bool),
                inner(choices, Type::Bool)
            )
        }
        4 => format!("(NOT {})", inner(choices, Type::Bool)),
        5 => {
            let is = choices.pick(&["IS NULL", "IS NOT NULL"]);
            format!("({} {is})", inner(choices, of))
        }
        6 => {
            let not = choices.pick(&["", "NOT "]);
            // First a literal: a list that begins with a subquery in parentheses is refused (42601) by our grammar.
            let first = literal(choices, of).to_owned();
            let list = [first, inner(choices, of), inner(choices, of)].join(", ");
            format!("({} {not}IN ({list}))", inner(choices, of))
        }
        7 => {
            let (lo, hi) = (inner(choices, of), inner(choices, of));
            format!("({} BETWEEN {lo} AND {hi})", inner(choices, of))
        }
        8 => {
            let not = choices.pick(&["", "NOT "]);
            let outer = column(choices, Type::Int, both);
            let correlated = choices
                .pick(&[format!(" WHERE w.id >= {outer}").as_str(), ""])
                .to_owned();
            format!(
                "({} {not}IN (SELECT w.a FROM u w{correlated}))",
                inner(choices, Type::Int)
            )
        }
        _ => {
            let not = choices.pick(&["", "NOT "]);
            let outer = column(choices, Type::Int, both);
            let operator = choices.pick(&["=", "<"]);
            format!("({not}EXISTS (SELECT 1 FROM u w WHERE w.a {operator} {outer}))")
        }
    }
}
