//! Materialised views over tables with undeclared fields: `*` brings those along, and they are kept like declared ones.
#![allow(clippy::unwrap_used)]

use tailwater::Database;

fn rows(db: &Database, sql: &str) -> Vec<String> {
    let rows = db
        .query(sql, ())
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
    let mut rows: Vec<String> = rows
        .map(|row| row.unwrap().to_document().to_string())
        .collect();
    rows.sort();
    rows
}

#[test]
fn undeclared_fields_are_kept_like_declared_ones() {
    let folder = tempfile::tempdir().unwrap();
    let mut db = Database::open(folder.path()).unwrap();
    db.exec(
        "CREATE TABLE t (a INT PRIMARY KEY, ...);
         CREATE TABLE u (a INT, b TEXT, ...);
         INSERT INTO t VALUES {a: 1, b: 2};
         INSERT INTO u VALUES {a: 1, b: 'x', z: 2}",
        (),
    )
    .unwrap();
    let queries = [
        "SELECT * FROM t",
        "SELECT * FROM t WHERE a > 1",
        "SELECT *, a + 1 AS n FROM u",
        "SELECT a + 1 AS n, * FROM u",
        "SELECT u.*, t.a AS other FROM u JOIN t ON t.a = u.a",
        "SELECT DISTINCT * FROM u",
        "SELECT * FROM t UNION ALL SELECT * FROM t",
        "SELECT * FROM (SELECT * FROM u WHERE a < 9) AS s",
    ];
    let mut kept = Vec::new();
    for (number, query) in queries.into_iter().enumerate() {
        let name = format!("v{number}");
        let sql = format!("CREATE MATERIALIZED VIEW {name} AS {query}");
        match db.exec(&sql, ()) {
            Ok(_) => kept.push((name, query)),
            // Where they cannot be told apart from columns that are computed it says so.
            Err(error) => assert_eq!(error.sqlstate(), "0A000", "{sql}: {error}"),
        }
    }
    assert!(kept.len() >= 4, "{kept:?}");
    for change in [
        "INSERT INTO t VALUES {a: 2, c: {d: 3}}, {a: 3}",
        "INSERT INTO u VALUES {a: 2, z: [1]}, {b: 'y', y: 1}, {a: 2, z: [1]}",
        "UPDATE t SET c = 5 WHERE a = 2",
        "UPDATE u SET z = 'new' WHERE a = 1",
        "DELETE FROM u WHERE a = 2",
    ] {
        db.exec(change, ())
            .unwrap_or_else(|error| panic!("{change}: {error}"));
        for (name, query) in &kept {
            let found = rows(&db, &format!("SELECT * FROM {name}"));
            assert_eq!(found, rows(&db, query), "{query} after {change}");
        }
        db = {
            drop(db);
            Database::open(folder.path()).unwrap()
        };
        assert!(db.check().unwrap().damages.is_empty());
    }
}
