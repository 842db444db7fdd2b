//! What is found by one whole primary key: reads, in transactions that staged the row too, and subscriptions.
#![allow(clippy::unwrap_used)]

use tailwater::{Database, FeedEvent, FeedRequest, params};

fn table() -> Database {
    let db = Database::memory().unwrap();
    db.exec(
        "CREATE TABLE t (a TEXT, b INT, v INT, PRIMARY KEY (a, b DESC));
         INSERT INTO t VALUES ('x', 1, 10), ('x', 2, 20), ('y', 1, 30), ('xy', 1, 40)",
        (),
    )
    .unwrap();
    db
}

#[test]
fn a_row_is_read_by_its_key_and_by_parts_of_it() {
    let db = table();
    let sum = |condition: &str| -> Option<i64> {
        let sql = format!("SELECT sum(v) FROM t WHERE {condition}");
        db.query(&sql, ()).unwrap().scalar().unwrap()
    };
    for round in 0..2 {
        assert_eq!(sum("a = 'x' AND b = 2"), Some(20), "round {round}");
        assert_eq!(sum("b = 1 AND 'y' = a"), Some(30));
        assert_eq!(sum("a = 'x' AND b = 3"), None);
        assert_eq!(sum("a = 'x' AND b = NULL"), None);
        assert_eq!(sum("a = 'x'"), Some(30));
        assert_eq!(sum("a = 'x' AND b IN (1, 2)"), Some(30));
        assert_eq!(sum("a = 'x' AND b = 2 AND v > 20"), None);
        db.checkpoint().unwrap();
    }
}

#[test]
fn a_transaction_reads_the_row_it_staged_and_not_the_one_it_deleted() {
    let db = table();
    db.update(|tx| {
        let sql = "SELECT v FROM t WHERE a = ? AND b = ?";
        let read = |tx: &mut tailwater::Tx<'_>, a: &str, b: i64| -> tailwater::Result<Vec<i64>> {
            tx.query(sql, params![a, b])?
                .map(|row| row?.get(0))
                .collect()
        };
        tx.exec("INSERT INTO t VALUES ('z', 1, 50)", ())?;
        assert_eq!(read(tx, "z", 1)?, [50]);
        tx.exec("UPDATE t SET v = 11 WHERE a = 'x' AND b = 1", ())?;
        assert_eq!(read(tx, "x", 1)?, [11]);
        tx.exec("DELETE FROM t WHERE a = 'x' AND b = 1", ())?;
        assert!(read(tx, "x", 1)?.is_empty());
        assert_eq!(read(tx, "x", 2)?, [20]);
        Ok(())
    })
    .unwrap();
}

/// A read of a key notes that key: a commit that wrote another one is no conflict, one that wrote it is.
#[test]
fn a_read_by_key_conflicts_with_writes_of_that_key_alone() {
    for (written, conflicts) in [("a = 'x' AND b = 2", true), ("a = 'x' AND b = 1", false)] {
        let db = table();
        let mut session = db.session();
        session.execute("BEGIN", ()).unwrap();
        session
            .execute("SELECT v FROM t WHERE a = 'x' AND b = 2", ())
            .map(|outcome| match outcome {
                tailwater::Outcome::Rows(rows) => rows.count(),
                _ => 0,
            })
            .unwrap();
        session
            .execute("INSERT INTO t VALUES ('w', 1, 1)", ())
            .unwrap();
        db.exec(&format!("UPDATE t SET v = 0 WHERE {written}"), ())
            .unwrap();
        assert_eq!(
            session.execute("COMMIT", ()).is_err(),
            conflicts,
            "{written}"
        );
    }
}

/// Changes as `op old new` of column `v`, until a commit that everyone selects says that this is all.
fn followed(db: &Database, filter: &str, work: &[&str]) -> Vec<String> {
    let mut feed = db.subscribe(FeedRequest::of("t").filter(filter)).unwrap();
    for sql in work {
        db.exec(sql, ()).unwrap();
    }
    let end = db.visible_lsn();
    let value = |row: Option<&tailwater::Document>| match row.and_then(|row| row.get("v")) {
        Some(value) => value.to_string(),
        None => "-".to_owned(),
    };
    let mut seen = Vec::new();
    // A subscription that is not concerned by the last commits is told of them by nothing.
    while let Some(event) = feed
        .recv_timeout(std::time::Duration::from_millis(200))
        .unwrap()
    {
        match event {
            FeedEvent::Snapshot { rows } => {
                seen.extend(
                    rows.iter()
                        .map(|row| format!("snapshot {}", value(Some(&row.row)))),
                );
            }
            FeedEvent::Frame(frame) => {
                for change in &frame.changes {
                    let (before, after) = (change.before.as_ref(), change.after.as_ref());
                    seen.push(format!(
                        "{} {} {}",
                        change.op.name(),
                        value(before),
                        value(after)
                    ));
                }
                if frame.lsn == end {
                    break;
                }
            }
            _ => {}
        }
    }
    seen
}

/// The slow twin of a subscription that is found by its key is one whose condition hides the key from the router.
#[test]
fn a_subscription_to_a_key_sees_what_one_with_a_condition_sees() {
    let work = [
        "UPDATE t SET v = v + 1",
        "UPDATE t SET b = 7 WHERE a = 'x' AND b = 2",
        "UPDATE t SET b = 2 WHERE a = 'x' AND b = 1",
        "INSERT INTO t VALUES ('xx', 2, 60)",
        "DELETE FROM t WHERE a = 'x'",
        "INSERT INTO t VALUES ('x', 2, 70)",
    ];
    for (keyed, hidden) in [
        ("a = 'x' AND b = 2", "a || '' = 'x' AND b + 0 = 2"),
        (
            "2 = b AND a = 'x' AND v > 15",
            "a || '' = 'x' AND b + 0 = 2 AND v > 15",
        ),
        ("a = 'x'", "a || '' = 'x'"),
    ] {
        let seen = followed(&table(), keyed, &work);
        assert!(seen.len() > 3, "{keyed}: {seen:?}");
        assert_eq!(seen, followed(&table(), hidden, &work), "{keyed}");
    }
}
