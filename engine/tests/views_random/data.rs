//! Tables of four kinds (strict, without a key, schemaless, partly open), and random rows and statements over them.

use super::common::Rng;
use super::query::{Column, Kind, Relation};

pub(crate) const TABLES: [&str; 4] = ["strict", "bag", "loose", "partly"];

/// CREATE TABLE and, of some seeds, indexes.
pub(crate) fn schema(rng: &mut Rng) -> Vec<String> {
    let mut sql = vec![
        "CREATE TABLE strict (id INT PRIMARY KEY, g TEXT, v INT, n NUMERIC(10,2), d DOUBLE PRECISION, o DOCUMENT)"
            .to_owned(),
        "CREATE TABLE bag (g TEXT, v INT, d DOUBLE PRECISION)".to_owned(),
        "CREATE TABLE loose (...)".to_owned(),
        "CREATE TABLE partly (g TEXT, k INT, PRIMARY KEY (g, k), ...)".to_owned(),
    ];
    for index in [
        "CREATE INDEX ON strict (g)",
        "CREATE INDEX ON strict (o.k, v)",
        "CREATE INDEX ON bag (v)",
        "CREATE INDEX ON loose (g)",
        "CREATE INDEX ON loose (o.k)",
        "CREATE INDEX ON partly (k)",
    ] {
        if rng.percent(40) {
            sql.push(index.to_owned());
        }
    }
    sql
}

/// What queries may read of the tables.
pub(crate) fn relations() -> Vec<Relation> {
    let column = |expr: &str, kind| Column {
        expr: expr.to_owned(),
        kind,
    };
    vec![
        Relation {
            name: "strict".to_owned(),
            columns: vec![
                column("id", Kind::Int),
                column("g", Kind::Text),
                column("v", Kind::Int),
                column("n", Kind::Number),
                column("d", Kind::Double),
                column("o.k", Kind::Any),
                column("o.list[0]", Kind::Any),
            ],
        },
        Relation {
            name: "bag".to_owned(),
            columns: vec![
                column("g", Kind::Text),
                column("v", Kind::Int),
                column("d", Kind::Double),
            ],
        },
        Relation {
            name: "loose".to_owned(),
            columns: vec![
                column("g", Kind::Any),
                column("v", Kind::Any),
                column("o.k", Kind::Any),
                column("o.list[1]", Kind::Any),
            ],
        },
        Relation {
            name: "partly".to_owned(),
            columns: vec![
                column("g", Kind::Text),
                column("k", Kind::Int),
                column("v", Kind::Any),
            ],
        },
    ]
}

fn word(rng: &mut Rng) -> &'static str {
    rng.pick::<&'static str>(&["'a'", "'b'", "'c'", "''", "'ß'", "'ab'"])
}

fn or_null(rng: &mut Rng, text: String) -> String {
    if rng.percent(15) {
        "NULL".to_owned()
    } else {
        text
    }
}

fn int(rng: &mut Rng) -> String {
    rng.between(-2, 4).to_string()
}

fn number(rng: &mut Rng) -> String {
    format!("{}.{:02}", rng.between(0, 5), rng.below(4) * 25)
}

fn double(rng: &mut Rng) -> &'static str {
    rng.pick::<&'static str>(&["0.5", "-1.5", "0.1", "0.3", "1e15", "2.25", "1e-7"])
}

fn special_double(rng: &mut Rng) -> String {
    match rng.below(30) {
        0 => "'NaN'".to_owned(),
        1 => "'Infinity'".to_owned(),
        2 => "'-Infinity'".to_owned(),
        _ => double(rng).to_owned(),
    }
}

/// A value of any kind; no two of them are equal without being the same.
fn any(rng: &mut Rng) -> String {
    match rng.below(8) {
        0 => "NULL".to_owned(),
        1 => format!("{}.5", rng.between(1, 3)),
        2 | 3 => word(rng).to_owned(),
        4 => "true".to_owned(),
        _ => int(rng),
    }
}

fn document(rng: &mut Rng) -> String {
    match rng.below(4) {
        0 => "NULL".to_owned(),
        1 => format!("{{k: {}}}", any(rng)),
        _ => format!("{{k: {}, list: [{}, {}]}}", any(rng), any(rng), int(rng)),
    }
}

fn row(rng: &mut Rng, table: &str) -> String {
    match table {
        "strict" => {
            let cells = [
                rng.between(1, 25).to_string(),
                {
                    let g = word(rng).to_owned();
                    or_null(rng, g)
                },
                {
                    let v = int(rng);
                    or_null(rng, v)
                },
                {
                    let n = number(rng);
                    or_null(rng, n)
                },
                {
                    let d = special_double(rng);
                    or_null(rng, d)
                },
                document(rng),
            ];
            format!("({})", cells.join(", "))
        }
        "bag" => {
            let g = word(rng).to_owned();
            let v = int(rng);
            format!(
                "({}, {}, {})",
                or_null(rng, g),
                or_null(rng, v),
                double(rng)
            )
        }
        "loose" => {
            let mut fields = Vec::new();
            if rng.percent(80) {
                fields.push(format!("g: {}", any(rng)));
            }
            if rng.percent(80) {
                fields.push(format!("v: {}", any(rng)));
            }
            fields.push(format!("o: {}", document(rng)));
            format!("{{{}}}", fields.join(", "))
        }
        _ => {
            let extra = if rng.percent(70) {
                format!(", v: {}", any(rng))
            } else {
                String::new()
            };
            format!("{{g: {}, k: {}{extra}}}", word(rng), rng.between(0, 9))
        }
    }
}

/// A random INSERT.
pub(crate) fn insert(rng: &mut Rng, table: &str) -> String {
    let count = rng.between(1, 3);
    let rows: Vec<String> = (0..count).map(|_| row(rng, table)).collect();
    let tail = match (table, rng.below(3)) {
        ("strict", 0) => " ON CONFLICT (id) DO UPDATE SET v = excluded.v, g = excluded.g",
        ("strict" | "partly", 1) => " ON CONFLICT DO NOTHING",
        _ => "",
    };
    let rows = if tail.contains("DO UPDATE") {
        &rows[..1]
    } else {
        &rows[..]
    };
    format!("INSERT INTO {table} VALUES {}{tail}", rows.join(", "))
}

fn condition(rng: &mut Rng, table: &str) -> String {
    match (table, rng.below(6)) {
        (_, 0) => "v > 1".to_owned(),
        (_, 1) => format!("g = {}", word(rng)),
        (_, 2) => "v IS NULL".to_owned(),
        ("strict", _) => format!("id = {}", rng.between(1, 25)),
        ("bag", _) => format!("v = {}", int(rng)),
        ("loose", _) => format!("o.k = {}", int(rng)),
        (_, _) => format!("k = {}", rng.between(0, 9)),
    }
}

fn update(rng: &mut Rng, table: &str) -> String {
    let change = match (table, rng.below(8)) {
        ("strict", 0) => format!("id = id + {}", rng.between(1, 30)),
        ("strict", 1) => "v = 12 / v".to_owned(),
        ("strict", 2) => format!("n = {}", number(rng)),
        ("strict" | "bag", 3) => format!("d = {}", double(rng)),
        ("strict" | "loose", 4) => format!("o = {}", document(rng)),
        ("partly", 5) => format!("k = {}", rng.between(0, 9)),
        ("loose" | "partly", 6) => format!("v = {}", any(rng)),
        (_, 7) => format!("g = {}", word(rng)),
        (_, _) => format!("v = {}", int(rng)),
    };
    format!(
        "UPDATE {table} SET {change} WHERE {}",
        condition(rng, table)
    )
}

/// A random INSERT, UPDATE or DELETE. Some fail: a key that is there, a division by zero.
pub(crate) fn statement(rng: &mut Rng) -> String {
    let table = *rng.pick(&TABLES);
    match rng.below(100) {
        0..52 => insert(rng, table),
        52..80 => update(rng, table),
        80..99 => format!("DELETE FROM {table} WHERE {}", condition(rng, table)),
        _ => format!("DELETE FROM {table}"),
    }
}
