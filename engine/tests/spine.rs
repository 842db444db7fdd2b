//! The line from SQL text to view and feed, end to end, on a database in memory and over reopenings.
#![allow(clippy::unwrap_used)]

use tailwater::{Database, FeedEvent, FeedRequest, params};

fn text(db: &Database, sql: &str) -> String {
    let rows = db.query(sql, ()).unwrap().collect_rows().unwrap();
    let lines: Vec<String> = rows
        .iter()
        .map(|row| {
            row.values()
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("|")
        })
        .collect();
    lines.join("\n")
}

#[test]
fn a_view_equals_its_query_after_every_statement() {
    let db = Database::memory().unwrap();
    db.exec("CREATE TABLE t (id INT PRIMARY KEY, g TEXT, v BIGINT); CREATE TABLE u (g TEXT PRIMARY KEY, name TEXT)", ()).unwrap();
    let views = [
        (
            "v1",
            "SELECT g, count(*) AS n, sum(v) AS s, min(v) AS lo, max(v) AS hi, avg(v) AS a FROM t GROUP BY g",
        ),
        (
            "v2",
            "SELECT t.id, u.name, t.v FROM t JOIN u ON u.g = t.g WHERE t.v > 2",
        ),
        ("v3", "SELECT DISTINCT g FROM t UNION ALL SELECT g FROM u"),
        ("v4", "SELECT n, count(*) AS groups FROM v1 GROUP BY n"),
        (
            "v5",
            "SELECT a.id AS x, b.id AS y FROM t a JOIN t b ON a.g = b.g AND a.id < b.id",
        ),
    ];
    for (name, query) in views {
        db.exec(&format!("CREATE MATERIALIZED VIEW {name} AS {query}"), ())
            .unwrap();
    }
    for sql in [
        "INSERT INTO t VALUES (1, 'a', 1), (2, 'a', 5), (3, 'b', 7)",
        "INSERT INTO u VALUES ('a', 'Ada'), ('b', 'Bea')",
        "UPDATE t SET v = v + 1",
        "UPDATE t SET g = 'b' WHERE id = 1",
        "DELETE FROM t WHERE id = 3",
        "BEGIN; DELETE FROM u; INSERT INTO t VALUES (9, NULL, NULL); COMMIT",
        "BEGIN; DELETE FROM t; ROLLBACK",
        "INSERT INTO u VALUES ('b', 'Bob')",
        "UPDATE t SET id = id + 1",
        "DELETE FROM t",
    ] {
        db.exec(sql, ()).unwrap();
        for (name, query) in views {
            let order = if name == "v4" || name == "v5" {
                "1, 2"
            } else {
                "1"
            };
            let view = text(&db, &format!("SELECT * FROM {name} ORDER BY {order}"));
            let fresh = text(&db, &format!("SELECT * FROM ({query}) q ORDER BY {order}"));
            assert_eq!(view, fresh, "{name} after {sql}");
            assert!(
                text(&db, &format!("CHECK VIEW {name}")).contains("|0|"),
                "{name} after {sql}"
            );
        }
    }
}

#[test]
fn what_was_acknowledged_is_there_after_reopening_and_nothing_is_evaluated() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    for round in 0..3 {
        let db = Database::open(&path).unwrap();
        if round == 0 {
            db.exec("CREATE TABLE t (id INT PRIMARY KEY, g INT, a DOCUMENT)", ())
                .unwrap();
            db.exec(
                "CREATE MATERIALIZED VIEW v AS SELECT g, count(*) AS n FROM t GROUP BY g",
                (),
            )
            .unwrap();
            db.exec("CREATE INDEX ON t (a.b[0])", ()).unwrap();
        }
        assert_eq!(
            text(&db, "SELECT rows_evaluated FROM tailwater.recovery"),
            "0"
        );
        for i in 0..50 {
            db.exec(
                "INSERT INTO t VALUES (?, ?, {b: [?]})",
                params![round * 100 + i, i % 3, i],
            )
            .unwrap();
        }
        if round == 1 {
            db.checkpoint().unwrap();
        }
        let n = (round + 1) * 50;
        assert_eq!(text(&db, "SELECT sum(n) FROM v"), n.to_string());
        assert_eq!(
            text(&db, "SELECT count(*) FROM t WHERE a.b[0] = 7"),
            (round + 1).to_string()
        );
        assert!(
            text(&db, "EXPLAIN ANALYZE SELECT * FROM t WHERE a.b[0] = 7")
                .contains(&format!("rows_read: {}", round + 1))
        );
    }
}

#[test]
fn a_feed_is_a_snapshot_and_then_each_commit_once() {
    let db = Database::memory().unwrap();
    db.exec("CREATE TABLE t (id INT PRIMARY KEY, v INT)", ())
        .unwrap();
    db.exec("INSERT INTO t VALUES (1, 10)", ()).unwrap();
    let mut feed = db.subscribe(FeedRequest::of("t")).unwrap();
    db.exec("INSERT INTO t VALUES (2, 20)", ()).unwrap();
    db.exec("UPDATE t SET v = 11 WHERE id = 1", ()).unwrap();
    db.exec("DELETE FROM t WHERE id = 2", ()).unwrap();
    let mut seen = Vec::new();
    while seen.len() < 4 {
        match feed.recv().unwrap() {
            FeedEvent::Snapshot { rows } => {
                for row in rows {
                    seen.push(format!("snapshot {}", row.row));
                }
            }
            FeedEvent::Frame(frame) => {
                for change in &frame.changes {
                    let shown = change.after.as_ref().or(change.before.as_ref()).unwrap();
                    seen.push(format!("{} {shown}", change.op.name()));
                }
            }
            _ => {}
        }
    }
    let expected = [
        "snapshot {\"id\":1,\"v\":10}",
        "insert {\"id\":2,\"v\":20}",
        "update {\"id\":1,\"v\":11}",
        "delete {\"id\":2,\"v\":20}",
    ];
    let squeezed: Vec<String> = seen
        .iter()
        .map(|s| s.replace("\": ", "\":").replace(", \"", ",\""))
        .collect();
    assert_eq!(squeezed, expected);
}
