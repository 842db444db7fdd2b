//! The embedded API as a program uses it: threads, tickets, conflicts, closures, limits, and what is left of failures.
#![allow(clippy::unwrap_used)]

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tailwater::{Clock, ManualClock};
use tailwater::{
    Database, ErrorKind, FeedEvent, FeedRequest, Outcome, Session, SyncMode, Value, params, ser,
};

fn database() -> Database {
    Database::memory().unwrap()
}

fn with_numbers(db: &Database, count: i64) {
    db.exec("CREATE TABLE n (id INT PRIMARY KEY, x INT)", ())
        .unwrap();
    db.update(|tx| {
        for id in 0..count {
            tx.exec("INSERT INTO n VALUES (?, ?)", params![id, id % 7])?;
        }
        Ok(())
    })
    .unwrap();
}

fn count(db: &Database, sql: &str) -> i64 {
    db.query(sql, ()).unwrap().scalar().unwrap()
}

/// Far more rows than any machine reads in a minute.
const ENDLESS: &str =
    "SELECT count(*) FROM n a, n b, n c, n d, n e WHERE a.x + b.x + c.x + d.x + e.x < 0";

#[test]
fn handles_go_between_threads() {
    const fn shared<T: Clone + Send + Sync + 'static>() {}
    const fn sent<T: Send + 'static>() {}
    shared::<Database>();
    sent::<Session>();
    sent::<tailwater::Ticket>();
    sent::<tailwater::Subscription>();
    sent::<tailwater::Rows>();
    shared::<tailwater::ResultRow>();
    shared::<tailwater::CancelToken>();
    sent::<tailwater::Error>();
}

#[test]
fn threads_write_and_every_row_and_the_view_are_there() {
    let db = database();
    db.exec("CREATE TABLE t (id INT PRIMARY KEY, thread INT)", ())
        .unwrap();
    db.exec(
        "CREATE MATERIALIZED VIEW v AS SELECT thread, count(*) AS n FROM t GROUP BY thread",
        (),
    )
    .unwrap();
    thread::scope(|scope| {
        for number in 0..4 {
            let db = db.clone();
            scope.spawn(move || {
                for id in 0..50 {
                    db.exec(
                        "INSERT INTO t VALUES (?, ?)",
                        params![number * 1000 + id, number],
                    )
                    .unwrap();
                }
            });
        }
    });
    let counts: Vec<(i64, i64)> = db
        .query("SELECT thread, n FROM v ORDER BY thread", ())
        .unwrap()
        .rows_as()
        .unwrap();
    assert_eq!(counts, [(0, 50), (1, 50), (2, 50), (3, 50)]);
}

#[test]
fn tickets_are_numbered_in_order_and_all_become_durable() {
    let db = database();
    db.exec("CREATE TABLE t (id INT PRIMARY KEY)", ()).unwrap();
    let tickets: Vec<_> = (0..200)
        .map(|id| db.submit("INSERT INTO t VALUES (?)", params![id]).unwrap())
        .collect();
    assert!(tickets.windows(2).all(|pair| pair[0].lsn() < pair[1].lsn()));
    let last = tickets.last().unwrap().lsn();
    for ticket in tickets {
        ticket.wait().unwrap();
    }
    assert!(db.visible_lsn() >= last);
    assert_eq!(count(&db, "SELECT count(*) FROM t"), 200);
}

#[test]
fn tickets_can_be_awaited_and_dropped() {
    struct Unpark(thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let db = database();
    db.exec("CREATE TABLE t (id INT PRIMARY KEY)", ()).unwrap();
    drop(db.submit("INSERT INTO t VALUES (1)", ()).unwrap());
    let (_, ticket) = db
        .submit_update(|tx| tx.exec("INSERT INTO t VALUES (2)", ()))
        .unwrap();
    let lsn = ticket.lsn();
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(ticket);
    let done = loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(done) => break done.unwrap(),
            Poll::Pending => thread::park(),
        }
    };
    assert_eq!(done, lsn);
    assert_eq!(count(&db, "SELECT count(*) FROM t"), 2);
}

#[test]
fn conflicting_updates_run_again_until_each_has_counted() {
    let db = database();
    db.exec("CREATE TABLE counter (id INT PRIMARY KEY, n INT)", ())
        .unwrap();
    db.exec("INSERT INTO counter VALUES (1, 0)", ()).unwrap();
    let runs = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..25 {
                    db.update(|tx| {
                        runs.fetch_add(1, Ordering::Relaxed);
                        let n: i64 = tx
                            .query("SELECT n FROM counter WHERE id = 1", ())?
                            .scalar()?;
                        tx.exec("UPDATE counter SET n = ? WHERE id = 1", params![n + 1])
                    })
                    .unwrap();
                }
            });
        }
    });
    assert_eq!(count(&db, "SELECT n FROM counter"), 100);
    assert!(runs.load(Ordering::Relaxed) >= 100);
}

#[test]
fn of_two_transactions_that_cannot_both_be_right_the_later_one_is_told_to_retry() {
    let db = database();
    db.exec(
        "CREATE TABLE duty (doctor TEXT PRIMARY KEY, on_call BOOL)",
        (),
    )
    .unwrap();
    db.exec("INSERT INTO duty VALUES ('ada', true), ('grace', true)", ())
        .unwrap();
    let (mut ada, mut grace) = (db.session(), db.session());
    for (session, name) in [(&mut ada, "ada"), (&mut grace, "grace")] {
        session.execute("BEGIN", ()).unwrap();
        let Outcome::Rows(rows) = session
            .execute("SELECT count(*) FROM duty WHERE on_call", ())
            .unwrap()
        else {
            panic!("a query has rows")
        };
        assert_eq!(rows.scalar::<i64>().unwrap(), 2);
        session
            .execute(
                "UPDATE duty SET on_call = false WHERE doctor = ?",
                params![name],
            )
            .unwrap();
    }
    ada.execute("COMMIT", ()).unwrap();
    let error = grace.execute("COMMIT", ()).unwrap_err();
    assert!(error.is_retryable(), "{error}");
    assert_eq!(
        (error.kind(), error.sqlstate()),
        (ErrorKind::Conflict, "40001")
    );
    assert!(!grace.in_transaction());
    assert_eq!(count(&db, "SELECT count(*) FROM duty WHERE on_call"), 1);
}

#[test]
fn an_error_from_the_closure_takes_everything_back() {
    let db = database();
    with_numbers(&db, 3);
    let before = db.visible_lsn();
    let error = db
        .update(|tx| {
            tx.exec("DELETE FROM n", ())?;
            assert_eq!(tx.query("SELECT count(*) FROM n", ())?.scalar::<i64>()?, 0);
            tx.exec("CREATE TABLE other (id INT)", ())?;
            tx.exec("INSERT INTO nowhere VALUES (1)", ())
        })
        .unwrap_err();
    assert_eq!(error.sqlstate(), "42P01");
    assert_eq!(count(&db, "SELECT count(*) FROM n"), 3);
    assert_eq!(
        db.query("SELECT * FROM other", ()).unwrap_err().sqlstate(),
        "42P01"
    );
    assert_eq!(db.visible_lsn(), before);
}

#[test]
fn a_failing_statement_leaves_no_trace_and_the_transaction_goes_on() {
    let db = database();
    with_numbers(&db, 3);
    db.update(|tx| {
        tx.exec("INSERT INTO n VALUES (10, 0)", ())?;
        let error = tx
            .exec("INSERT INTO n VALUES (11, 0), (12, 0), (1, 0)", ())
            .unwrap_err();
        assert_eq!(error.sqlstate(), "23505");
        let error = tx.exec("UPDATE n SET x = 1 / (id - 10)", ()).unwrap_err();
        assert_eq!(error.sqlstate(), "22012");
        tx.exec("INSERT INTO n VALUES (13, 0)", ())
    })
    .unwrap();
    let ids: Vec<i64> = db
        .query("SELECT id FROM n ORDER BY id", ())
        .unwrap()
        .rows_as()
        .unwrap();
    assert_eq!(ids, [0, 1, 2, 10, 13]);
    assert_eq!(count(&db, "SELECT sum(x) FROM n"), 3);

    let error = db
        .exec(
            "INSERT INTO n VALUES (20, 0); INSERT INTO n VALUES (20, 1)",
            (),
        )
        .unwrap_err();
    assert_eq!((error.sqlstate(), error.position()), ("23505", Some(30)));
    assert_eq!(
        count(&db, "SELECT count(*) FROM n"),
        6,
        "statements before the failing one stay"
    );
}

#[test]
fn a_view_closure_sees_one_commit_and_cannot_write() {
    let db = database();
    with_numbers(&db, 5);
    db.exec(
        "CREATE MATERIALIZED VIEW v AS SELECT count(*) AS n FROM n",
        (),
    )
    .unwrap();
    db.view(|snapshot| {
        let first: i64 = snapshot.query("SELECT count(*) FROM n", ())?.scalar()?;
        db.exec("INSERT INTO n VALUES (100, 1)", ())?;
        let again: i64 = snapshot.query("SELECT count(*) FROM n", ())?.scalar()?;
        let in_view: i64 = snapshot.query("SELECT n FROM v", ())?.scalar()?;
        assert_eq!((first, again, in_view), (5, 5, 5));
        let error = snapshot.exec("DELETE FROM n", ()).unwrap_err();
        assert_eq!(error.sqlstate(), "25006");
        for control in ["COMMIT", "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"] {
            let error = snapshot.exec(control, ()).unwrap_err();
            assert_eq!(error.sqlstate(), "25001", "{control}");
        }
        Ok(())
    })
    .unwrap();
    assert_eq!(count(&db, "SELECT n FROM v"), 6);
}

#[test]
fn a_transaction_reads_its_own_writes_in_views() {
    let db = database();
    with_numbers(&db, 4);
    db.exec(
        "CREATE MATERIALIZED VIEW v AS SELECT sum(x) AS s FROM n",
        (),
    )
    .unwrap();
    let committed = db
        .update(|tx| {
            tx.exec("UPDATE n SET x = 10", ())?;
            tx.query("SELECT s FROM v", ())?.scalar::<i64>()
        })
        .unwrap();
    assert_eq!(committed.value, 40);
    assert!(db.visible_lsn() >= committed.lsn);
    assert_eq!(count(&db, "SELECT s FROM v"), 40);
}

#[test]
fn rows_may_be_dropped_early_and_outlive_the_table() {
    let db = database();
    with_numbers(&db, 1000);
    let mut rows = db.query("SELECT id FROM n ORDER BY id", ()).unwrap();
    assert_eq!(rows.next_row().unwrap().unwrap().get::<i64>(0).unwrap(), 0);
    drop(rows);
    let mut rows = db.query("SELECT id FROM n", ()).unwrap();
    rows.next_row().unwrap();
    db.exec("DROP TABLE n", ()).unwrap();
    db.checkpoint().unwrap();
    assert_eq!(rows.collect_rows().unwrap().len(), 999);
}

#[test]
fn a_statement_is_cancelled_from_another_thread() {
    let db = database();
    with_numbers(&db, 2000);
    let mut session = db.session();
    let cancel = session.cancel_token();
    let stopped = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            // Again and again: it may come before the statement has begun.
            while !stopped.load(Ordering::Relaxed) {
                cancel.cancel();
                thread::yield_now();
            }
        });
        let error = match session.execute(ENDLESS, ()) {
            Ok(Outcome::Rows(rows)) => rows.scalar::<i64>().unwrap_err(),
            Ok(other) => panic!("{other:?}"),
            Err(error) => error,
        };
        stopped.store(true, Ordering::Relaxed);
        assert_eq!(
            (error.kind(), error.sqlstate()),
            (ErrorKind::Stopped, "57014")
        );
    });
    assert_eq!(count(&db, "SELECT count(*) FROM n"), 2000);
}

#[test]
fn a_session_goes_on_after_a_cancel() {
    let db = database();
    with_numbers(&db, 2000);
    let mut session = db.session();
    let Outcome::Rows(mut rows) = session.execute("SELECT a.id FROM n a, n b", ()).unwrap() else {
        panic!("a query has rows")
    };
    rows.next_row().unwrap();
    session.cancel_token().cancel();
    let error = rows.collect_rows().unwrap_err();
    assert_eq!(error.sqlstate(), "57014");
    let Outcome::Rows(rows) = session.execute("SELECT count(*) FROM n", ()).unwrap() else {
        panic!("a query has rows")
    };
    assert_eq!(rows.scalar::<i64>().unwrap(), 2000);
}

#[test]
fn a_statement_ends_at_its_deadline() {
    /// Time that goes on by itself each time it is asked for.
    #[derive(Default)]
    struct Running(ManualClock);
    impl Clock for Running {
        fn now_us(&self) -> i64 {
            self.0.now_us()
        }
        fn monotonic(&self) -> Duration {
            self.0.advance(Duration::from_millis(1));
            self.0.monotonic()
        }
    }
    let db = Database::builder()
        .clock(Arc::new(Running::default()))
        .statement_timeout(Duration::from_millis(50))
        .memory()
        .unwrap();
    with_numbers(&db, 1000);
    let error = db
        .query(ENDLESS, ())
        .and_then(|rows| rows.scalar::<i64>())
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.sqlstate()),
        (ErrorKind::Stopped, "57014")
    );
    assert!(error.message().contains("timeout"), "{error}");
    assert_eq!(count(&db, "SELECT count(*) FROM n"), 1000);
}

#[test]
fn memory_and_rows_of_a_statement_are_limited() {
    let db = Database::builder()
        .statement_memory(16 << 10)
        .memory()
        .unwrap();
    with_numbers(&db, 2000);
    for sql in [
        "SELECT id, x FROM n ORDER BY x, id",
        "SELECT id, count(*) FROM n GROUP BY id",
        "SELECT DISTINCT id FROM n",
        "SELECT count(*) FROM n a JOIN n b ON a.x + 1 = b.x",
    ] {
        let result = db.query(sql, ()).and_then(tailwater::Rows::collect_rows);
        let error = result.expect_err(sql);
        assert_eq!(
            (error.kind(), error.sqlstate()),
            (ErrorKind::Stopped, "53200"),
            "{sql}"
        );
    }
    assert_eq!(count(&db, "SELECT count(*) FROM n"), 2000);

    let db = Database::builder().statement_rows(100).memory().unwrap();
    with_numbers(&db, 200);
    let error = db
        .query("SELECT count(*) FROM n", ())
        .and_then(|r| r.scalar::<i64>())
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.sqlstate()),
        (ErrorKind::Stopped, "54000")
    );
    let error = db.exec("UPDATE n SET x = 9", ()).unwrap_err();
    assert_eq!(error.sqlstate(), "54000");
    assert_eq!(count(&db, "SELECT x FROM n WHERE id = 1"), 1);
}

/// Transactions that roll back use catalog versions that others use after them: a plan made in one must not be run in
/// another, where the same version is another schema.
#[test]
fn plans_made_in_a_transaction_end_with_it() {
    let db = database();
    let mut session = db.session();
    session
        .execute(
            "BEGIN; CREATE TABLE t (a INT); INSERT INTO t VALUES (1)",
            (),
        )
        .unwrap();
    session.execute("SELECT * FROM t", ()).unwrap();
    session.execute("ROLLBACK", ()).unwrap();
    db.exec("CREATE TABLE t (b TEXT, c INT)", ()).unwrap();
    db.exec("INSERT INTO t VALUES ('x', 2)", ()).unwrap();
    let rows = db.query("SELECT * FROM t", ()).unwrap();
    let names: Vec<&str> = rows
        .columns()
        .iter()
        .map(|column| column.name.as_str())
        .collect();
    assert_eq!(names, ["b", "c"]);
    assert_eq!(
        rows.rows_as::<(String, i64)>().unwrap(),
        [("x".to_owned(), 2)]
    );
}

#[test]
fn structs_go_in_as_documents_and_come_out_of_queries_and_feeds() {
    #[derive(Serialize, Deserialize, Debug, PartialEq, Clone)]
    struct Order {
        id: i64,
        status: Status,
        items: Vec<(String, f64)>,
        note: Option<String>,
    }
    #[derive(Serialize, Deserialize, Debug, PartialEq, Clone)]
    enum Status {
        Open,
        Paid { cents: i64 },
    }
    let db = database();
    db.exec("CREATE TABLE orders (id INT PRIMARY KEY, ...)", ())
        .unwrap();
    let mut feed = db
        .subscribe(FeedRequest::of("orders").without_snapshot())
        .unwrap();
    let open = Order {
        id: 1,
        status: Status::Open,
        items: vec![("tea".into(), 4.5)],
        note: None,
    };
    let paid = Order {
        id: 2,
        status: Status::Paid { cents: 450 },
        ..open.clone()
    };
    for order in [&open, &paid] {
        db.exec("INSERT INTO orders VALUES ?", params![ser(order)])
            .unwrap();
    }
    let orders: Vec<Order> = db
        .query("SELECT * FROM orders ORDER BY id", ())
        .unwrap()
        .rows_as()
        .unwrap();
    assert_eq!(orders, [open.clone(), paid.clone()]);
    assert_eq!(
        count(&db, "SELECT status.\"Paid\".cents FROM orders WHERE id = 2"),
        450
    );
    let first: Option<Order> = db
        .query("SELECT * FROM orders WHERE id = ?", params![9])
        .unwrap()
        .first_as()
        .unwrap();
    assert_eq!(first, None);

    let mut fed = Vec::new();
    while fed.len() < 2 {
        if let FeedEvent::Frame(frame) = feed.recv().unwrap() {
            for change in &frame.changes {
                assert_eq!(change.before_as::<Order>().unwrap(), None);
                fed.push(change.after_as::<Order>().unwrap().unwrap());
            }
        }
    }
    assert_eq!(fed, [open, paid]);
}

#[test]
fn a_feed_shows_only_what_its_condition_selects() {
    let db = database();
    with_numbers(&db, 10);
    let request = FeedRequest::of("n").filter("x > 3 -- and no more");
    let mut feed = db.subscribe(request).unwrap();
    db.exec("UPDATE n SET x = 5 WHERE id IN (1, 4)", ())
        .unwrap();
    let mut snapshot = Vec::new();
    let frame = loop {
        match feed.recv().unwrap() {
            FeedEvent::Snapshot { rows } => {
                snapshot.extend(rows.iter().map(|row| row.to::<(i64, i64)>().unwrap()));
            }
            FeedEvent::Frame(frame) => break frame,
            _ => {}
        }
    };
    assert_eq!(snapshot, [(4, 4), (5, 5), (6, 6)]);
    let changes: Vec<_> = frame
        .changes
        .iter()
        .map(|c| (c.op.name(), c.after_as::<(i64, i64)>().unwrap()))
        .collect();
    assert_eq!(
        changes,
        [("insert", Some((1, 5))), ("update", Some((4, 5)))]
    );
    for wrong in ["x > 3 LIMIT 1", "x >", "y = 1", "x > 3) OR (", ""] {
        assert!(
            db.subscribe(FeedRequest::of("n").filter(wrong)).is_err(),
            "{wrong}"
        );
    }
}

#[test]
fn parameters_are_bound_by_place_and_by_name() {
    let db = database();
    with_numbers(&db, 10);
    let by_place: Vec<i64> = db
        .query(
            "SELECT id FROM n WHERE id > $1 AND id < $2 ORDER BY id",
            params![2, 5],
        )
        .unwrap()
        .rows_as()
        .unwrap();
    let by_name: Vec<i64> = db
        .query(
            "SELECT id FROM n WHERE id > :low AND id < $high ORDER BY id",
            params! {"low": 2, "high": 5},
        )
        .unwrap()
        .rows_as()
        .unwrap();
    assert_eq!(by_place, [3, 4]);
    assert_eq!(by_place, by_name);
    let nothing: Value = db
        .query("SELECT ?", params![None::<i64>])
        .unwrap()
        .scalar()
        .unwrap();
    assert!(nothing.is_null());
    let error = db.query("SELECT * FROM n WHERE id = ?", ()).unwrap_err();
    assert_eq!(error.sqlstate(), "42P02", "{error}");
}

#[test]
fn commits_and_checkpoints_and_readers_run_side_by_side() {
    let db = Database::builder().sync(SyncMode::Off).memory().unwrap();
    db.exec("CREATE TABLE pair (id INT PRIMARY KEY, x INT)", ())
        .unwrap();
    db.exec("INSERT INTO pair VALUES (1, 0), (2, 0)", ())
        .unwrap();
    let done = AtomicBool::new(false);
    let start = Barrier::new(3);
    thread::scope(|scope| {
        scope.spawn(|| {
            start.wait();
            for _ in 0..100 {
                db.exec("UPDATE pair SET x = x + 1", ()).unwrap();
            }
            done.store(true, Ordering::Relaxed);
        });
        scope.spawn(|| {
            start.wait();
            while !done.load(Ordering::Relaxed) {
                db.checkpoint().unwrap();
            }
        });
        start.wait();
        while !done.load(Ordering::Relaxed) {
            let both: Vec<i64> = db
                .query("SELECT x FROM pair", ())
                .unwrap()
                .rows_as()
                .unwrap();
            assert_eq!(both.len(), 2);
            assert_eq!(both[0], both[1], "a statement is seen whole or not at all");
        }
    });
    assert_eq!(count(&db, "SELECT sum(x) FROM pair"), 200);
}

#[test]
fn a_closed_database_says_so() {
    let db = database();
    with_numbers(&db, 1);
    let other = db.clone();
    db.close().unwrap();
    let error = other.exec("INSERT INTO n VALUES (5, 5)", ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    let error = other.query("SELECT * FROM n", ()).unwrap_err();
    assert_eq!(
        (error.kind(), error.sqlstate()),
        (ErrorKind::Unavailable, "55000")
    );
}

/// `Database::memory()?.session()` was a session on a database that had just been closed.
#[test]
fn a_session_keeps_its_database_open() {
    let mut session = Database::memory().unwrap().session();
    session
        .execute(
            "CREATE TABLE t (id INT PRIMARY KEY); BEGIN; INSERT INTO t VALUES (1)",
            (),
        )
        .unwrap();
    session.execute("COMMIT", ()).unwrap();
    let Outcome::Rows(rows) = session.execute("SELECT count(*) FROM t", ()).unwrap() else {
        panic!("a query has rows");
    };
    assert_eq!(rows.scalar::<i64>().unwrap(), 1);
}

/// Arithmetic between parameters took them for doubles: `$2 - $1` of two integers was a double.
#[test]
fn integers_bound_stay_integers() {
    let db = database();
    let one = |sql: &str, values| db.query(sql, values).unwrap().scalar::<Value>().unwrap();
    assert_eq!(one("SELECT $2 - $1", params![3, 45]), Value::Int(42));
    assert_eq!(one("SELECT ? / ?", params![7, 2]), Value::Int(3));
    assert_eq!(one("SELECT -?", params![7]), Value::Int(-7));
    assert_eq!(one("SELECT $1 + $2", params![1, 0.5]), Value::Double(1.5));
    let big = i64::MAX - 1;
    assert_eq!(one("SELECT $1 + $2", params![big, 1]), Value::Int(i64::MAX));
}
