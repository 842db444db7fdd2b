//! Transactions are serializable: nothing is lost, skewed or half done, and readers see one commit.
//!
//! Conflicts are errors of SQLSTATE 40001 and are told at COMMIT; the loser leaves no trace.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod common;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use common::{Rng, multiset, number_from_env, text};
use tailwater::{Database, Outcome, Session, params};

fn database(sql: &str) -> Database {
    let db = Database::memory().unwrap();
    db.exec(sql, ()).unwrap();
    db
}

fn run(session: &mut Session, sql: &str) {
    session
        .execute(sql, ())
        .map(drop)
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
}

/// The SQLSTATE a statement fails with.
fn refused(session: &mut Session, sql: &str) -> &'static str {
    match session.execute(sql, ()) {
        Ok(outcome) => panic!("{sql} worked: {outcome:?}"),
        Err(error) => error.sqlstate(),
    }
}

/// Two sessions run a statement each inside BEGIN, having read something first; the first one to commit wins.
fn second_is_refused(schema: &str, read: &str, first: &str, second: &str) {
    let db = database(schema);
    let (mut one, mut two) = (db.session(), db.session());
    run(&mut one, "BEGIN");
    run(&mut two, "BEGIN");
    text(&mut one, read);
    text(&mut two, read);
    run(&mut one, first);
    run(&mut two, second);
    run(&mut one, "COMMIT");
    let after = text(&mut one, read);
    assert_eq!(refused(&mut two, "COMMIT"), "40001");
    assert!(!two.in_transaction());
    assert_eq!(text(&mut two, read), after, "the loser left a trace");
    run(&mut two, "BEGIN");
    run(&mut two, second);
    run(&mut two, "COMMIT");
}

#[test]
fn concurrent_transfers_keep_the_sum_in_table_and_view() {
    const ACCOUNTS: i64 = 10;
    let seed = number_from_env("TAILWATER_SEED", 5);
    println!("seed {seed}");
    let db = database(
        "CREATE TABLE account (id INT PRIMARY KEY, branch INT, cents BIGINT);
         CREATE MATERIALIZED VIEW total AS SELECT count(*) AS n, sum(cents) AS s FROM account;
         CREATE MATERIALIZED VIEW by_branch AS SELECT branch, sum(cents) AS s FROM account GROUP BY branch",
    );
    for id in 0..ACCOUNTS {
        db.exec(
            "INSERT INTO account VALUES (?, ?, 1000)",
            params![id, id % 3],
        )
        .unwrap();
    }
    let done = AtomicBool::new(false);
    let reads = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..3)
            .map(|thread| {
                let db = db.clone();
                scope.spawn(move || {
                    let mut rng = Rng(seed + thread);
                    for _ in 0..60 {
                        let (from, to) =
                            (rng.between(0, ACCOUNTS - 1), rng.between(0, ACCOUNTS - 1));
                        let cents = rng.between(1, 50);
                        db.update(|tx| {
                            let has: i64 = tx
                                .query("SELECT cents FROM account WHERE id = ?", params![from])?
                                .scalar()?;
                            // Computed here and not by SQL: a lost update would change the sum.
                            tx.exec(
                                "UPDATE account SET cents = ? WHERE id = ?",
                                params![has - cents, from],
                            )?;
                            let has: i64 = tx
                                .query("SELECT cents FROM account WHERE id = ?", params![to])?
                                .scalar()?;
                            tx.exec(
                                "UPDATE account SET cents = ? WHERE id = ?",
                                params![has + cents, to],
                            )
                        })
                        .unwrap();
                    }
                })
            })
            .collect();
        let reader = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                db.view(|snap| {
                    for sql in [
                        "SELECT sum(cents)::BIGINT FROM account",
                        "SELECT s::BIGINT FROM total",
                        "SELECT sum(s)::BIGINT FROM by_branch",
                    ] {
                        let sum: i64 = snap.query(sql, ())?.scalar()?;
                        assert_eq!(sum, ACCOUNTS * 1000, "{sql}");
                    }
                    Ok(())
                })
                .unwrap();
                reads.fetch_add(1, Ordering::Relaxed);
            }
        });
        for writer in writers {
            writer.join().unwrap();
        }
        done.store(true, Ordering::Relaxed);
        reader.join().unwrap();
    });
    println!(
        "180 transfers, {} conflicts, {} consistent reads",
        db.stats().conflicts,
        reads.load(Ordering::Relaxed)
    );
    let mut session = db.session();
    assert_eq!(text(&mut session, "SELECT n, s FROM total"), "10|10000");
    assert!(text(&mut session, "CHECK VIEW by_branch").contains("|0|"));
}

#[test]
fn an_update_is_not_lost() {
    second_is_refused(
        "CREATE TABLE counter (id INT PRIMARY KEY, n INT); INSERT INTO counter VALUES (1, 10)",
        "SELECT n FROM counter WHERE id = 1",
        "UPDATE counter SET n = 11 WHERE id = 1",
        "UPDATE counter SET n = 12 WHERE id = 1",
    );
}

#[test]
fn write_skew_is_refused() {
    // Each of two doctors goes home because the other one is on call.
    second_is_refused(
        "CREATE TABLE doctor (id INT PRIMARY KEY, on_call BOOL); INSERT INTO doctor VALUES (1, true), (2, true)",
        "SELECT count(*) FROM doctor WHERE on_call",
        "UPDATE doctor SET on_call = false WHERE id = 1",
        "UPDATE doctor SET on_call = false WHERE id = 2",
    );
}

#[test]
fn write_skew_between_tables_is_refused() {
    second_is_refused(
        "CREATE TABLE a (id INT PRIMARY KEY); CREATE TABLE b (id INT PRIMARY KEY)",
        "SELECT (SELECT count(*) FROM a) + (SELECT count(*) FROM b)",
        "INSERT INTO a VALUES (1)",
        "INSERT INTO b VALUES (1)",
    );
}

#[test]
fn a_phantom_in_a_range_is_refused() {
    second_is_refused(
        "CREATE TABLE t (id INT PRIMARY KEY, v INT); INSERT INTO t VALUES (1, 1), (50, 1)",
        "SELECT count(*) FROM t WHERE id BETWEEN 10 AND 20",
        "INSERT INTO t VALUES (15, 1)",
        "INSERT INTO t VALUES (16, 1)",
    );
}

#[test]
fn a_phantom_in_a_range_of_an_index_is_refused() {
    second_is_refused(
        "CREATE TABLE booking (id INT PRIMARY KEY, room TEXT); CREATE INDEX ON booking (room);
         INSERT INTO booking VALUES (1, 'attic')",
        "SELECT count(*) FROM booking WHERE room = 'cellar'",
        "INSERT INTO booking VALUES (2, 'cellar')",
        "INSERT INTO booking VALUES (3, 'cellar')",
    );
}

#[test]
fn what_is_read_of_a_view_is_validated_like_a_table() {
    second_is_refused(
        "CREATE TABLE sale (id INT PRIMARY KEY, shop INT, cents INT);
         CREATE MATERIALIZED VIEW by_shop AS SELECT shop, count(*) AS n FROM sale GROUP BY shop;
         INSERT INTO sale VALUES (1, 7, 10)",
        "SELECT n FROM by_shop WHERE shop = 7",
        "INSERT INTO sale VALUES (2, 7, 10)",
        "INSERT INTO sale VALUES (3, 7, 10)",
    );
}

#[test]
fn transactions_that_touch_different_rows_both_commit() {
    let db = database(
        "CREATE TABLE t (id INT PRIMARY KEY, g INT, v INT); INSERT INTO t VALUES (1, 1, 0), (2, 2, 0);
         CREATE MATERIALIZED VIEW s AS SELECT sum(v) AS s FROM t",
    );
    let (mut one, mut two) = (db.session(), db.session());
    for (session, id) in [(&mut one, 1), (&mut two, 2)] {
        run(session, "BEGIN");
        run(session, &format!("UPDATE t SET v = v + 5 WHERE id = {id}"));
    }
    run(&mut one, "COMMIT");
    run(&mut two, "COMMIT");
    assert_eq!(text(&mut one, "SELECT s FROM s"), "10");
}

#[test]
fn a_unique_key_is_kept_under_concurrency() {
    let db = database(
        "CREATE TABLE person (id INT PRIMARY KEY, mail TEXT UNIQUE);
         CREATE MATERIALIZED VIEW mails AS SELECT mail, count(*) AS n FROM person GROUP BY mail",
    );
    let won = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (db, won) = (db.clone(), &won);
            scope.spawn(move || {
                for round in 0..20 {
                    let mail = format!("m{round}@x");
                    let id = round * 10 + thread;
                    match db.exec("INSERT INTO person VALUES (?, ?)", params![id, mail]) {
                        Ok(done) => {
                            assert_eq!(done.rows, 1);
                            won.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(error) => assert_eq!(error.sqlstate(), "23505", "{error}"),
                    }
                }
            });
        }
    });
    assert_eq!(won.load(Ordering::Relaxed), 20, "one winner for each mail");
    let mut session = db.session();
    assert_eq!(
        text(&mut session, "SELECT count(*), max(n) FROM mails"),
        "20|1"
    );
    // The same inside transactions that do not see each other.
    let mut other = db.session();
    run(
        &mut session,
        "BEGIN; INSERT INTO person VALUES (900, 'new@x')",
    );
    run(
        &mut other,
        "BEGIN; INSERT INTO person VALUES (901, 'new@x')",
    );
    run(&mut session, "COMMIT");
    let state = refused(&mut other, "COMMIT");
    assert!(matches!(state, "23505" | "40001"), "{state}");
    assert_eq!(
        text(&mut other, "SELECT id FROM person WHERE mail = 'new@x'"),
        "900"
    );
}

#[test]
fn a_failed_statement_leaves_no_trace() {
    let db = database(
        "CREATE TABLE t (id INT PRIMARY KEY, v INT CHECK (v < 100)); INSERT INTO t VALUES (1, 1), (2, 2), (3, 0);
         CREATE INDEX ON t (v);
         CREATE MATERIALIZED VIEW s AS SELECT v % 2 AS odd, count(*) AS n, sum(v) AS s FROM t GROUP BY v % 2",
    );
    let mut session = db.session();
    let before = multiset(&mut session, "SELECT * FROM t").unwrap();
    let view = multiset(&mut session, "SELECT * FROM s").unwrap();
    let lsn = db.visible_lsn();
    for (sql, state) in [
        ("INSERT INTO t VALUES (10, 1), (11, 1), (2, 1)", "23505"),
        ("UPDATE t SET v = 10 / v", "22012"),
        ("UPDATE t SET v = v + 98", "23514"),
        ("INSERT INTO t SELECT id + 10, v / (id - 2) FROM t", "22012"),
    ] {
        assert_eq!(refused(&mut session, sql), state, "{sql}");
        assert_eq!(multiset(&mut session, "SELECT * FROM t").unwrap(), before);
        assert_eq!(multiset(&mut session, "SELECT * FROM s").unwrap(), view);
        assert_eq!(text(&mut session, "SELECT id FROM t WHERE v = 1"), "1");
        assert_eq!(db.visible_lsn(), lsn, "{sql}");
        // In a transaction what went before stays, after going back to a savepoint.
        run(
            &mut session,
            "BEGIN; INSERT INTO t VALUES (20, 50); SAVEPOINT a",
        );
        assert_eq!(refused(&mut session, sql), state, "{sql}");
        run(&mut session, "ROLLBACK TO a");
        assert_eq!(text(&mut session, "SELECT count(*) FROM t"), "4");
        assert_eq!(text(&mut session, "SELECT sum(n) FROM s"), "4");
        run(&mut session, "ROLLBACK");
    }
    assert!(text(&mut session, "CHECK VIEW s").contains("|0|"));
}

#[test]
fn savepoints_nest_and_are_taken_back_and_released() {
    let db = database(
        "CREATE TABLE t (id INT PRIMARY KEY); CREATE MATERIALIZED VIEW n AS SELECT count(*) AS n FROM t",
    );
    let mut session = db.session();
    run(&mut session, "BEGIN; INSERT INTO t VALUES (1); SAVEPOINT a");
    run(
        &mut session,
        "INSERT INTO t VALUES (2); SAVEPOINT b; INSERT INTO t VALUES (3)",
    );
    assert_eq!(text(&mut session, "SELECT n FROM n"), "3");
    run(&mut session, "ROLLBACK TO b");
    assert_eq!(text(&mut session, "SELECT n FROM n"), "2");
    run(&mut session, "INSERT INTO t VALUES (4); RELEASE b");
    assert_eq!(text(&mut session, "SELECT n FROM n"), "3");
    assert_eq!(refused(&mut session, "ROLLBACK TO b"), "3B001");
    // A savepoint that fails to be found makes the transaction unusable, until an older one is gone back to.
    run(&mut session, "ROLLBACK TO a");
    assert_eq!(text(&mut session, "SELECT n FROM n"), "1");
    run(&mut session, "ROLLBACK TO a; INSERT INTO t VALUES (5)");
    assert_eq!(refused(&mut session, "INSERT INTO t VALUES (5)"), "23505");
    assert_eq!(refused(&mut session, "SELECT 1"), "25P02");
    assert_eq!(refused(&mut session, "SAVEPOINT c"), "25P02");
    run(
        &mut session,
        "ROLLBACK TO a; INSERT INTO t VALUES (6); COMMIT",
    );
    assert_eq!(text(&mut session, "SELECT id FROM t ORDER BY id"), "1\n6");
    assert_eq!(text(&mut session, "SELECT n FROM n"), "2");
    assert_eq!(refused(&mut session, "SAVEPOINT a"), "25P01");
}

#[test]
fn a_transaction_reads_its_own_rows_in_views_and_nobody_else_does() {
    let db = database(
        "CREATE TABLE t (id INT PRIMARY KEY, g INT, v INT); INSERT INTO t VALUES (1, 1, 10);
         CREATE MATERIALIZED VIEW by_g AS SELECT g, sum(v) AS s FROM t GROUP BY g;
         CREATE MATERIALIZED VIEW big AS SELECT g FROM by_g WHERE s > 15",
    );
    let (mut writer, mut reader) = (db.session(), db.session());
    run(
        &mut writer,
        "BEGIN; INSERT INTO t VALUES (2, 1, 10), (3, 2, 5)",
    );
    assert_eq!(
        text(&mut writer, "SELECT g, s FROM by_g ORDER BY g"),
        "1|20\n2|5"
    );
    assert_eq!(text(&mut writer, "SELECT g FROM big"), "1");
    assert_eq!(
        text(&mut reader, "SELECT g, s FROM by_g ORDER BY g"),
        "1|10"
    );
    assert_eq!(text(&mut reader, "SELECT count(*) FROM big"), "0");
    run(&mut writer, "DELETE FROM t WHERE id = 1");
    assert_eq!(
        text(&mut writer, "SELECT g, s FROM by_g ORDER BY g"),
        "1|10\n2|5"
    );
    assert_eq!(text(&mut writer, "SELECT count(*) FROM big"), "0");
    run(&mut writer, "COMMIT");
    assert_eq!(
        text(&mut reader, "SELECT g, s FROM by_g ORDER BY g"),
        "1|10\n2|5"
    );
}

#[test]
fn a_read_only_snapshot_is_stable() {
    let db = database(
        "CREATE TABLE t (id INT PRIMARY KEY, v INT); INSERT INTO t VALUES (1, 1);
         CREATE MATERIALIZED VIEW s AS SELECT count(*) AS n, sum(v) AS s FROM t",
    );
    let mut reader = db.session();
    run(&mut reader, "BEGIN READ ONLY");
    let both = |session: &mut Session| {
        text(session, "SELECT n, s FROM s") + " " + &text(session, "SELECT count(*), sum(v) FROM t")
    };
    assert_eq!(both(&mut reader), "1|1 1|1");
    for id in 2..40 {
        db.exec("INSERT INTO t VALUES (?, 1)", params![id]).unwrap();
        if id % 10 == 0 {
            db.checkpoint().unwrap();
            db.exec("DELETE FROM t WHERE id = 1", ()).unwrap();
        }
        assert_eq!(both(&mut reader), "1|1 1|1");
    }
    db.exec("CREATE TABLE later (id INT)", ()).unwrap();
    db.exec("DROP MATERIALIZED VIEW s", ()).unwrap();
    db.checkpoint().unwrap();
    assert_eq!(both(&mut reader), "1|1 1|1");
    assert_eq!(
        refused(&mut reader, "INSERT INTO t VALUES (99, 1)"),
        "25006"
    );
    run(&mut reader, "ROLLBACK");
    assert_eq!(text(&mut reader, "SELECT count(*) FROM t"), "38");
    assert_eq!(refused(&mut reader, "SELECT n FROM s"), "42P01");
}

#[test]
fn schema_changes_are_part_of_their_transaction() {
    let db = database("CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1)");
    let (mut one, mut two) = (db.session(), db.session());
    run(
        &mut one,
        "BEGIN; CREATE TABLE u (id INT PRIMARY KEY); INSERT INTO u VALUES (5);
         CREATE MATERIALIZED VIEW v AS SELECT t.id + u.id AS s FROM t CROSS JOIN u; INSERT INTO t VALUES (2)",
    );
    assert_eq!(text(&mut one, "SELECT s FROM v ORDER BY s"), "6\n7");
    assert_eq!(refused(&mut two, "SELECT * FROM u"), "42P01");
    run(&mut one, "ROLLBACK");
    assert_eq!(refused(&mut one, "SELECT * FROM v"), "42P01");
    assert_eq!(text(&mut one, "SELECT count(*) FROM t"), "1");
    // Of two schema changes at once that get in each other's way one is refused.
    run(&mut one, "BEGIN; CREATE TABLE w (id INT)");
    run(&mut two, "BEGIN; CREATE TABLE w (name TEXT)");
    run(&mut one, "COMMIT");
    let state = refused(&mut two, "COMMIT");
    assert!(matches!(state, "40001" | "42P07"), "{state}");
    // A row written to a table that is dropped meanwhile does not come back.
    run(&mut two, "BEGIN; INSERT INTO w VALUES (1)");
    run(&mut one, "DROP TABLE w");
    assert_eq!(refused(&mut two, "COMMIT"), "40001");
}

/// `SELECT 1/0` in a transaction failed only when its rows were read, and left the transaction usable; in a script it
/// was passed over when nobody read its rows.
#[test]
fn a_query_that_fails_fails_its_transaction_and_its_script() {
    let db = database("CREATE TABLE t (id INT PRIMARY KEY, n INT)");
    let mut session = db.session();
    for failing in ["SELECT 1/0", "SELEC 1", "FETCH ALL nothing", "SELECT nope"] {
        run(&mut session, "BEGIN; INSERT INTO t VALUES (1, 0)");
        refused(&mut session, failing);
        assert_eq!(refused(&mut session, "SELECT 1"), "25P02", "{failing}");
        let ended = session.execute("COMMIT", ()).unwrap();
        assert!(
            matches!(
                ended,
                Outcome::Done {
                    tag: "ROLLBACK",
                    ..
                }
            ),
            "{failing}"
        );
        assert_eq!(
            text(&mut session, "SELECT count(*) FROM t"),
            "0",
            "{failing}"
        );
    }
    // Rows that fail later fail the transaction then, unless it was taken back to before them.
    run(&mut session, "INSERT INTO t VALUES (1, 1), (2, 0)");
    let read = |outcome| match outcome {
        Outcome::Rows(rows) => rows.collect_rows().map(|rows| rows.len()),
        other => panic!("{other:?}"),
    };
    run(&mut session, "BEGIN");
    let rows = session.execute("SELECT 1/n FROM t ORDER BY id LIMIT 2", ());
    if let Ok(rows) = rows {
        assert_eq!(read(rows).unwrap_err().sqlstate(), "22012");
    }
    assert_eq!(refused(&mut session, "SELECT 1"), "25P02");
    run(&mut session, "ROLLBACK");
    // A second BEGIN is refused, and the transaction goes on.
    run(&mut session, "BEGIN");
    assert_eq!(refused(&mut session, "BEGIN"), "25001");
    assert_eq!(text(&mut session, "SHOW TABLES"), "t");
    run(&mut session, "ROLLBACK");
    // What a query in a script fails with ends the script, though nobody reads its rows.
    let script = "SELECT 1/n FROM t; INSERT INTO t VALUES (3, 3)";
    assert_eq!(db.exec(script, ()).unwrap_err().sqlstate(), "22012");
    assert_eq!(text(&mut session, "SELECT count(*) FROM t"), "2");
}
