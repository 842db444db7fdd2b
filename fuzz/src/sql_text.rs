//! SQL scripts from decisions: pieces of the grammar over a few known names, so that many statements bind and run.
//!
//! Depth is bounded; nothing here promises that a statement makes sense. Next door: the targets `sql_parse` and
//! `sql_execute`.

use crate::choices::Choices;

/// Words for mutations to put into scripts.
pub(crate) const WORDS: &[&str] = &[
    "SELECT ",
    " FROM t",
    " WHERE ",
    " GROUP BY ",
    " ORDER BY ",
    " LIMIT 1",
    " UNION ",
    " JOIN u ON ",
    "(",
    ")",
    ",",
    ";",
    "'",
    "\"",
    "--",
    "/*",
    "*/",
    "$1",
    "?",
    "NULL",
    " IS NOT ",
    "::",
    "CAST(",
    " AS ",
    "[",
    "]",
    "{",
    "}",
    ":",
    ".",
    "*",
    "-9223372036854775808",
    "1e999",
    "0x",
    "$$",
    "E'\\",
    "CREATE ",
    "DROP ",
    "ALTER TABLE t ",
    "MATERIALIZED VIEW ",
    "BEGIN;",
    "COMMIT;",
    "ROLLBACK;",
    "SAVEPOINT s;",
    "INSERT INTO t ",
    "VALUES (",
    " ON CONFLICT ",
    " RETURNING *",
    "WITH RECURSIVE ",
    "EXPLAIN ",
    "CHECK VIEW mv;",
    "interval '",
    "\u{10FFFF}",
    "\0",
];

const EXPRESSION_DEPTH_MAX: u32 = 4;
const LITERALS: &[&str] = &[
    "1",
    "0",
    "NULL",
    "-1",
    "'a'",
    "''",
    "2.5",
    "true",
    "9223372036854775807",
    "1e308",
    "'2024-02-30'",
    "'NaN'::double precision",
    "interval '1 month'",
    "date '2024-02-29'",
    "timestamp '2024-01-01 00:00:00'",
    "'{\"k\": [1, 2]}'::json",
    "{k: 1, l: [1, 2]}",
    "[1, 'a', null]",
    "32767::smallint",
    "1e-200::numeric",
    "'\\x00ff'::bytea",
    "x",
    "y",
    "z",
    "a",
    "b",
    "c",
    "d",
    "e",
    "f",
    "z.k",
    "z.l[0]",
    "t.a",
    "u.x",
    "k",
];
const BINARY: &[&str] = &[
    "+",
    "-",
    "*",
    "/",
    "%",
    "=",
    "<>",
    "<",
    ">=",
    "AND",
    "OR",
    "||",
    "LIKE",
    "IS DISTINCT FROM",
    "&",
    "|",
    "#",
    "<<",
    ">>",
    "^",
    "->",
    "->>",
    "~",
    "!~*",
    "SIMILAR TO",
    "AT TIME ZONE",
    "@>",
];
const FUNCTIONS: &[&str] = &[
    "abs",
    "round",
    "coalesce",
    "length",
    "lower",
    "substr",
    "lpad",
    "repeat",
    "to_char",
    "date_trunc",
    "now",
    "concat",
    "greatest",
    "nullif",
    "sqrt",
    "power",
    "exp",
    "ln",
    "mod",
    "split_part",
    "regexp_replace",
    "translate",
    "format",
    "age",
    "make_date",
    "extract",
    "typeof",
    "json_build_object",
    "array_length",
    "trim",
    "replace",
    "to_timestamp",
    "to_date",
    "to_number",
    "md5",
    "chr",
    "ascii",
    "overlay",
    "factorial",
    "gcd",
    "width_bucket",
    "generate_series",
    "random",
    "gen_random_uuid",
    "left",
    "right",
    "reverse",
    "strpos",
    "div",
    "justify_interval",
];
const AGGREGATES: &[&str] = &[
    "count",
    "sum",
    "min",
    "max",
    "avg",
    "bool_and",
    "string_agg",
    "array_agg",
    "stddev",
    "count(DISTINCT a), sum",
];
const TYPES: &[&str] = &[
    "int",
    "text",
    "numeric",
    "numeric(5,2)",
    "double precision",
    "bool",
    "date",
    "timestamp",
    "timestamptz",
    "time",
    "interval",
    "uuid",
    "json",
    "bytea",
    "smallint",
    "real",
    "char(3)",
    "varchar(2)",
    "document",
    "int[]",
];
const TABLES: &[&str] = &[
    "t",
    "u",
    "docs",
    "mv",
    "pv",
    "nowhere",
    "(SELECT 1 AS a, 'k' AS k) q",
    "(VALUES (1, 2), (3, NULL)) v(a, x)",
    "generate_series(1, 5) g(a)",
    "tailwater.objects",
    "tailwater.view_errors",
];
const STATEMENTS: &[&str] = &[
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "SAVEPOINT s",
    "ROLLBACK TO s",
    "RELEASE s",
    "CHECK VIEW mv",
    "SHOW TABLES",
    "DROP TABLE u",
    "DROP VIEW pv",
    "DROP MATERIALIZED VIEW mv",
    "DROP TABLE t CASCADE",
    "TRUNCATE u",
    "CREATE INDEX ON t (b, c DESC)",
    "CREATE UNIQUE INDEX i ON docs (k.l)",
    "CREATE SEQUENCE s1",
    "SELECT nextval('s1')",
    "ALTER TABLE t ADD COLUMN g INT DEFAULT 7",
    "ALTER TABLE t DROP COLUMN b",
    "ALTER TABLE u RENAME TO w",
    "ALTER TABLE u ALTER COLUMN y TYPE TEXT",
    "CREATE TABLE n (id INT PRIMARY KEY, v TEXT NOT NULL CHECK (v <> ''))",
    "DECLARE c CURSOR FOR TAIL t",
    "DECLARE c CURSOR FOR SELECT * FROM t",
    "FETCH ALL c",
    "FETCH 2 FROM c",
    "CLOSE c",
    "TAIL mv",
    "REFRESH MATERIALIZED VIEW mv",
    "EXPLAIN ANALYZE SELECT * FROM t JOIN u ON a = x",
    "SET x = 1",
    "CREATE TABLE t2 AS SELECT * FROM t",
    "COMMENT ON TABLE t IS 'x'",
    "CREATE TABLE flexible (k INT, ...)",
];

/// A script of one to six statements.
pub(crate) fn script(choices: &mut Choices<'_>) -> String {
    let statements = (0..=choices.below(6)).map(|_| statement(choices));
    statements.collect::<Vec<_>>().join(";\n")
}

fn statement(choices: &mut Choices<'_>) -> String {
    match choices.below(12) {
        0..=3 => query(choices, 2),
        4 | 5 => insert(choices),
        6 => format!(
            "UPDATE {} SET {} = {} WHERE {}",
            choices.pick(TABLES),
            choices.pick(&["b", "a", "c", "d", "y", "z", "z.k", "k", "f", "x"]),
            expression(choices, 0),
            expression(choices, 1)
        ),
        7 => format!(
            "DELETE FROM {} WHERE {}",
            choices.pick(TABLES),
            expression(choices, 0)
        ),
        8 => format!(
            "CREATE {} {} AS {}",
            choices.pick(&["MATERIALIZED VIEW", "VIEW", "TABLE"]),
            choices.pick(&["v1", "v2", "mv", "t"]),
            query(choices, 1)
        ),
        9 => format!("EXPLAIN {}", query(choices, 1)),
        _ => choices.pick(STATEMENTS).to_owned(),
    }
}

fn insert(choices: &mut Choices<'_>) -> String {
    let end = choices.pick(&[
        "",
        "",
        "",
        " ON CONFLICT DO NOTHING",
        " RETURNING *",
        " ON CONFLICT (a) DO UPDATE SET b = 'again'",
        " ON CONFLICT DO REPLACE",
    ]);
    let key = choices.byte();
    let values = match choices.below(6) {
        0 => format!(
            "docs VALUES {{k: {key}, l: {{m: {}}}}}",
            expression(choices, 2)
        ),
        1 => format!(
            "u (x, y, z) VALUES ({key}, {}, {{k: {key}, l: [1]}})",
            expression(choices, 2)
        ),
        2 => format!("u SELECT {}", expressions(choices)),
        3 => format!("t VALUES ({key})"),
        4 => format!("t (a, b, c) {}", query(choices, 1)),
        _ => format!(
            "t (a, b, c, d) VALUES ({key}, {}, {key} / 3, 1.25)",
            expression(choices, 2)
        ),
    };
    format!("INSERT INTO {values}{end}")
}

fn query(choices: &mut Choices<'_>, depth: u32) -> String {
    let mut text = String::new();
    if choices.below(10) == 9 {
        text.push_str(choices.pick(&[
            "WITH q AS (SELECT * FROM t) ",
            "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 9) ",
            "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) ",
        ]));
    }
    text.push_str(choices.pick(&["SELECT ", "SELECT ", "SELECT ", "SELECT DISTINCT "]));
    let grouped = choices.below(4) == 3;
    if grouped {
        let argument = expression(choices, 2);
        text.push_str(&format!(
            "count(*), {}({argument})",
            choices.pick(AGGREGATES)
        ));
    } else if choices.below(3) == 0 {
        text.push('*');
    } else {
        text.push_str(&expressions(choices));
    }
    let from = choices.pick(TABLES);
    text.push_str(&format!(" FROM {from}"));
    match choices.below(6) {
        4 => {
            let kind = choices.pick(&["JOIN", "LEFT JOIN", "FULL JOIN", "CROSS JOIN"]);
            text.push_str(&format!(" {kind} u ON {}", expression(choices, 2)));
        }
        5 => text.push_str(&format!(", {}", choices.pick(TABLES))),
        _ => {}
    }
    if choices.below(2) == 1 {
        text.push_str(&format!(" WHERE {}", expression(choices, 1)));
    }
    if grouped && choices.below(2) == 1 {
        text.push_str(&format!(" GROUP BY {}", expression(choices, 3)));
        if choices.below(3) == 2 {
            text.push_str(" HAVING count(*) > 0");
        }
    }
    if depth > 0 && choices.below(6) == 5 {
        let operator = choices.pick(&["UNION", "UNION ALL", "EXCEPT", "INTERSECT"]);
        text.push_str(&format!(" {operator} {}", query(choices, depth - 1)));
    }
    text.push_str(choices.pick(&[
        "",
        "",
        "",
        " ORDER BY 1",
        " ORDER BY a DESC NULLS LAST",
        " LIMIT 3",
        " LIMIT 1 OFFSET 1",
    ]));
    text
}

fn expressions(choices: &mut Choices<'_>) -> String {
    let items = (0..=choices.below(3)).map(|_| expression(choices, 0));
    items.collect::<Vec<_>>().join(", ")
}

fn expression(choices: &mut Choices<'_>, depth: u32) -> String {
    if depth >= EXPRESSION_DEPTH_MAX {
        return choices.pick(LITERALS).to_owned();
    }
    let inner = |choices: &mut Choices<'_>| expression(choices, depth + 1);
    match choices.below(16) {
        0..=5 => choices.pick(LITERALS).to_owned(),
        6..=8 => format!(
            "({} {} {})",
            inner(choices),
            choices.pick(BINARY),
            inner(choices)
        ),
        9 => format!("{}({})", choices.pick(FUNCTIONS), inner(choices)),
        10 => format!(
            "{}({}, {})",
            choices.pick(FUNCTIONS),
            inner(choices),
            inner(choices)
        ),
        11 => format!("CAST({} AS {})", inner(choices), choices.pick(TYPES)),
        12 => format!(
            "CASE WHEN {} THEN {} ELSE {} END",
            inner(choices),
            inner(choices),
            inner(choices)
        ),
        13 => format!("({} IS NULL)", inner(choices)),
        14 => format!(
            "({} BETWEEN {} AND {})",
            inner(choices),
            inner(choices),
            inner(choices)
        ),
        _ => match choices.below(4) {
            0 => format!("({} IN (1, NULL, {}))", inner(choices), inner(choices)),
            1 => format!("EXISTS (SELECT 1 FROM u WHERE {})", inner(choices)),
            2 => "(SELECT max(x) FROM u)".to_owned(),
            _ => format!("(a IN (SELECT y FROM u WHERE {}))", inner(choices)),
        },
    }
}
