//! Subqueries that read the query around them, against their slow twin: for each outer row the subquery is run
//! alone, with the row's values written into its text. Random rows with NULLs; the seed is the whole run.
#![allow(clippy::unwrap_used)]

use tailwater::{Database, Value};

/// splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A small number or NULL.
    fn cell(&mut self) -> String {
        match self.next() % 7 {
            0 => "NULL".to_owned(),
            n => n.to_string(),
        }
    }
}

/// Expressions over the outer row `{a}`, `{b}`; all of them must be a truth value or a number.
const EXPRESSIONS: &[&str] = &[
    "EXISTS (SELECT 1 FROM u WHERE u.x = {a})",
    "EXISTS (SELECT 1 FROM u WHERE u.x = {a} AND u.y = {b})",
    "EXISTS (SELECT 1 FROM u WHERE u.x > {a})",
    "EXISTS (SELECT 1 FROM u WHERE u.x = {a} AND u.y <> {b})",
    "EXISTS (SELECT 1 FROM u WHERE u.x IS NOT DISTINCT FROM {a})",
    "NOT EXISTS (SELECT 1 FROM u WHERE u.x + 1 = {a} OR {b} IS NULL)",
    "EXISTS (SELECT {a} FROM u, v WHERE u.x = v.z AND u.y = {b} AND v.z < 5 LIMIT 1)",
    "{a} IN (SELECT x FROM u)",
    "{a} NOT IN (SELECT x FROM u)",
    "{a} IN (SELECT x FROM u WHERE u.y = {b})",
    "{a} NOT IN (SELECT x FROM u WHERE u.y = {b})",
    "{a} NOT IN (SELECT x FROM u WHERE u.y > {b})",
    "{a} + 1 IN (SELECT x + y FROM u WHERE y = {b} AND x > 1)",
    "(SELECT max(x) FROM u)",
    "(SELECT max(x) FROM u WHERE u.y = {b})",
    "(SELECT count(*) FROM u WHERE u.y = {b})",
    "(SELECT count(*) + 10 FROM u WHERE u.y < {b})",
    "(SELECT coalesce(sum(x), -1) FROM u WHERE u.y = {b} AND u.x > {a})",
    "(SELECT sum(x) FROM (SELECT DISTINCT x, y FROM u) d WHERE d.y = {b})",
    "(SELECT x FROM u WHERE y = 100 AND x = {a})",
    "(SELECT z FROM v WHERE z = {a})",
    "(SELECT count(*) FROM u JOIN v ON u.x = v.z WHERE v.z = {a})",
    "(SELECT count(*) FROM u LEFT JOIN v ON u.x = v.z WHERE u.y >= {b})",
    "(SELECT min(x) FROM u WHERE EXISTS (SELECT 1 FROM v WHERE v.z = u.x) AND u.y = {b})",
    "(SELECT count(*) FROM u WHERE u.x IN (SELECT z FROM v WHERE v.z = u.y) AND u.y = {b})",
    "{a} = ANY (SELECT x FROM u WHERE u.y = {b})",
    "{a} <> ALL (SELECT x FROM u WHERE u.y = {b})",
];

fn filled(random: &mut Random) -> (Database, Vec<(String, String)>) {
    let db = Database::memory().unwrap();
    db.exec("CREATE TABLE t (id INT PRIMARY KEY, a INT, b INT)", ())
        .unwrap();
    db.exec("CREATE TABLE u (x INT, y INT)", ()).unwrap();
    db.exec("CREATE TABLE v (z INT PRIMARY KEY)", ()).unwrap();
    let mut outer = Vec::new();
    for id in 0..8 {
        let (a, b) = (random.cell(), random.cell());
        db.exec(&format!("INSERT INTO t VALUES ({id}, {a}, {b})"), ())
            .unwrap();
        outer.push((a, b));
    }
    for _ in 0..random.next() % 10 {
        let (x, y) = (random.cell(), random.cell());
        db.exec(&format!("INSERT INTO u VALUES ({x}, {y})"), ())
            .unwrap();
    }
    for z in [1, 3, 4] {
        db.exec(&format!("INSERT INTO v VALUES ({z})"), ()).unwrap();
    }
    (db, outer)
}

fn values(db: &Database, sql: &str) -> Vec<Value> {
    let rows = db.query(sql, ()).and_then(|rows| rows.collect_rows());
    let rows = rows.unwrap_or_else(|error| panic!("{sql}: {error}"));
    rows.into_iter()
        .map(|row| row.values().first().cloned().unwrap())
        .collect()
}

#[test]
fn correlated_is_the_same_as_row_by_row() {
    for seed in 0..12 {
        let mut random = Random(seed);
        let (db, outer) = filled(&mut random);
        for expression in EXPRESSIONS {
            let fast = expression.replace("{a}", "t.a").replace("{b}", "t.b");
            let fast = values(&db, &format!("SELECT {fast} FROM t ORDER BY id"));
            let slow: Vec<Value> = outer
                .iter()
                .flat_map(|(a, b)| {
                    let cast = |cell: &str| format!("CAST({cell} AS INT)");
                    let alone = expression.replace("{a}", &cast(a)).replace("{b}", &cast(b));
                    values(&db, &format!("SELECT {alone}"))
                })
                .collect();
            assert_eq!(fast, slow, "seed {seed}: {expression}");
        }
    }
}

#[test]
fn conditions_keep_the_rows_for_which_they_are_true() {
    for seed in 100..112 {
        let mut random = Random(seed);
        let (db, _) = filled(&mut random);
        for expression in EXPRESSIONS
            .iter()
            .filter(|expression| !expression.starts_with('('))
        {
            let condition = expression.replace("{a}", "t.a").replace("{b}", "t.b");
            let kept = values(
                &db,
                &format!("SELECT id FROM t WHERE {condition} ORDER BY id"),
            );
            let both = format!("SELECT id FROM t WHERE b > 2 AND {condition} ORDER BY id");
            let shown = format!("SELECT CASE WHEN {condition} THEN id END FROM t ORDER BY id");
            let mut slow = values(&db, &shown);
            slow.retain(|id| !id.is_null());
            assert_eq!(kept, slow, "seed {seed}: {expression}");
            let fewer = values(&db, &both);
            assert!(
                fewer.iter().all(|id| kept.contains(id)),
                "seed {seed}: {expression}"
            );
        }
    }
}

#[test]
fn a_second_row_of_a_value_is_an_error() {
    let db = Database::memory().unwrap();
    db.exec("CREATE TABLE u (x INT, y INT)", ()).unwrap();
    db.exec("INSERT INTO u VALUES (1, 1), (2, 1)", ()).unwrap();
    let error = db
        .query("SELECT (SELECT x FROM u)", ())
        .and_then(|rows| rows.collect_rows())
        .unwrap_err();
    assert_eq!(error.sqlstate(), "21000", "{error}");
}

#[test]
fn views_hold_conditions_on_other_tables() {
    let db = Database::memory().unwrap();
    db.exec("CREATE TABLE t (id INT PRIMARY KEY, a INT)", ())
        .unwrap();
    db.exec("CREATE TABLE u (x INT PRIMARY KEY, y INT)", ())
        .unwrap();
    for (view, condition) in [
        ("v_in", "a IN (SELECT x FROM u)"),
        (
            "v_exists",
            "EXISTS (SELECT 1 FROM u WHERE u.x = t.a AND u.y > 1)",
        ),
        ("v_value", "a = (SELECT max(x) FROM u)"),
    ] {
        let sql = format!("CREATE MATERIALIZED VIEW {view} AS SELECT id FROM t WHERE {condition}");
        db.exec(&sql, ())
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
    let check = || {
        for (view, condition) in [
            ("v_in", "a IN (SELECT x FROM u)"),
            (
                "v_exists",
                "EXISTS (SELECT 1 FROM u WHERE u.x = t.a AND u.y > 1)",
            ),
            ("v_value", "a = (SELECT max(x) FROM u)"),
        ] {
            let kept = values(&db, &format!("SELECT id FROM {view} ORDER BY id"));
            let query = format!("SELECT id FROM t WHERE {condition} ORDER BY id");
            assert_eq!(kept, values(&db, &query), "{view}");
        }
    };
    for sql in [
        "INSERT INTO t VALUES (1, 1), (2, 2), (3, NULL), (4, 2)",
        "INSERT INTO u VALUES (2, 1), (5, 5)",
        "UPDATE u SET y = 2 WHERE x = 2",
        "UPDATE t SET a = 5 WHERE id = 1",
        "DELETE FROM u WHERE x = 5",
        "DELETE FROM u",
    ] {
        db.exec(sql, ()).unwrap();
        check();
    }
}

#[test]
fn updates_read_other_tables() {
    let db = Database::memory().unwrap();
    db.exec("CREATE TABLE t (id INT PRIMARY KEY, a INT)", ())
        .unwrap();
    db.exec("CREATE TABLE u (x INT, y INT)", ()).unwrap();
    db.exec("INSERT INTO t VALUES (1, 1), (2, 2), (3, NULL)", ())
        .unwrap();
    db.exec(
        "INSERT INTO u VALUES (1, 10), (1, 10), (2, 20), (3, 30)",
        (),
    )
    .unwrap();
    let done = db
        .exec("UPDATE t SET a = a + u.y FROM u WHERE u.x = t.a", ())
        .unwrap();
    assert_eq!(done.rows, 2, "a row that matches twice is changed once");
    let ints = |numbers: &[i64]| numbers.iter().map(|n| Value::Int(*n)).collect::<Vec<_>>();
    let all = "SELECT coalesce(a, -1) FROM t ORDER BY id";
    assert_eq!(values(&db, all), ints(&[11, 22, -1]));
    db.exec(
        "UPDATE t SET a = (SELECT sum(y) FROM u WHERE u.x = t.id)",
        (),
    )
    .unwrap();
    assert_eq!(values(&db, all), ints(&[20, 20, 30]));
    assert_eq!(db.exec("UPDATE t SET a = a FROM u", ()).unwrap().rows, 3);
    db.exec("DELETE FROM t USING u WHERE u.x = t.id AND u.y = 10", ())
        .unwrap();
    assert_eq!(values(&db, all), ints(&[20, 30]));
}
