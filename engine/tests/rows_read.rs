//! Indexes are used: a statement reads exactly the rows it needs, and says how many.
#![allow(clippy::unwrap_used)]

use tailwater::{Database, params};

const ROWS: i64 = 100_000;

/// The numbers that EXPLAIN ANALYZE counted: rows that came out, rows that were read.
fn counted(db: &Database, sql: &str) -> (u64, u64) {
    let plan: Vec<String> = db
        .query(&format!("EXPLAIN ANALYZE {sql}"), ())
        .unwrap()
        .map(|line| line.unwrap().get(0).unwrap())
        .collect();
    let number = |name: &str| -> u64 {
        let line = plan.iter().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("no {name} in {plan:?}"))
            .trim()
            .parse()
            .unwrap()
    };
    (number("rows:"), number("rows_read:"))
}

/// `rows` rows made of one another: each statement doubles them.
fn doubled(db: &Database, table: &str, rest: &str) {
    let mut rows = 1;
    while rows < ROWS {
        let more = rows.min(ROWS - rows);
        let sql = format!("INSERT INTO {table} SELECT id + ?1, {rest} FROM {table} WHERE id <= ?2");
        db.exec(&sql, params![rows, more]).unwrap();
        rows += more;
    }
    let all: i64 = db
        .query(&format!("SELECT count(*) FROM {table}"), ())
        .unwrap()
        .scalar()
        .unwrap();
    assert_eq!(all, ROWS);
}

#[test]
fn a_unique_key_reads_one_row_of_a_hundred_thousand() {
    let db = Database::memory().unwrap();
    db.exec(
        "CREATE TABLE t (id INT PRIMARY KEY, code TEXT, v INT);
         CREATE UNIQUE INDEX t_code ON t (code);
         INSERT INTO t VALUES (1, 'c1', 0)",
        (),
    )
    .unwrap();
    doubled(&db, "t", "'c' || (id + ?1)::TEXT, id % 7");
    assert_eq!(counted(&db, "SELECT v FROM t WHERE id = 77777"), (1, 1));
    assert_eq!(
        counted(&db, "SELECT v FROM t WHERE code = 'c77777'"),
        (1, 1)
    );
    assert_eq!(
        counted(&db, "SELECT v FROM t WHERE code = 'c77777' AND v = 100"),
        (0, 1)
    );
    assert_eq!(counted(&db, "SELECT v FROM t WHERE id = 200000").0, 0);
    assert_eq!(
        counted(&db, "SELECT v FROM t WHERE id BETWEEN 500 AND 509"),
        (10, 10)
    );
    // The slow twin, without an index, reads everything and finds the same.
    assert_eq!(
        counted(&db, "SELECT v FROM t WHERE code || '' = 'c77777'"),
        (1, ROWS.unsigned_abs())
    );
}

#[test]
fn an_index_on_a_path_reads_exactly_the_matches() {
    let db = Database::memory().unwrap();
    db.exec(
        "CREATE TABLE d (id INT PRIMARY KEY, ...);
         CREATE INDEX d_first ON d (a.b[0]);
         INSERT INTO d VALUES {id: 0, a: {b: [0, 'x']}}",
        (),
    )
    .unwrap();
    let rows = 5_000;
    for id in 1..rows {
        let first = id % 100;
        let sql =
            format!("INSERT INTO d VALUES {{id: {id}, a: {{b: [{first}, 'x', {{c: {id}}}]}}}}");
        db.exec(&sql, ()).unwrap();
    }
    assert_eq!(counted(&db, "SELECT id FROM d WHERE a.b[0] = 42"), (50, 50));
    assert_eq!(
        counted(&db, "SELECT id FROM d WHERE a.b[0] >= 98"),
        (100, 100)
    );
    assert_eq!(counted(&db, "SELECT id FROM d WHERE a.b[0] = 1000"), (0, 0));
    assert_eq!(
        counted(&db, "SELECT id FROM d WHERE a.b[2].c = 42"),
        (1, rows)
    );
}
