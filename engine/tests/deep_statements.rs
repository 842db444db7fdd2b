//! Deep statements against a stack of 2 MiB: they run or are refused, and never overflow it.
#![allow(clippy::unwrap_used)]

use tailwater::Database;

/// Runs on a stack as small as a spawned thread's.
fn in_small_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    std::thread::Builder::new()
        .stack_size(2 << 20)
        .spawn(work)
        .unwrap()
        .join()
        .unwrap()
}

#[test]
fn deep_statements_do_not_overflow_the_stack() {
    in_small_thread(|| {
        let db = Database::memory().unwrap();
        db.exec("CREATE TABLE t (a INT PRIMARY KEY, b TEXT)", ())
            .unwrap();
        let nest = |open: &str, middle: &str, close: &str, depth: usize| {
            format!(
                "SELECT {}{middle}{} FROM t",
                open.repeat(depth),
                close.repeat(depth)
            )
        };
        for (sql, must_run) in [
            (nest("(", "a", ")", 40), true),
            (nest("abs(", "a", ")", 40), true),
            (nest("(SELECT ", "1", ")", 18), true),
            (nest("CASE WHEN a = 1 THEN ", "1", " END", 40), true),
            (nest("[", "a", "]", 40), true),
            (nest("{x: ", "a", "}", 40), true),
            (nest("- ", "a", "", 100), true),
            (format!("SELECT a{} FROM t", " + a".repeat(290)), true),
            (format!("SELECT b{} FROM t", " || b".repeat(290)), true),
            (
                format!("SELECT a FROM t WHERE a = 1{}", " OR a = 2".repeat(10_000)),
                true,
            ),
            (
                format!("SELECT a FROM t WHERE b IS NULL{}", " IS NULL".repeat(290)),
                true,
            ),
            (
                format!("SELECT a{} FROM t", "::BIGINT::INT".repeat(140)),
                true,
            ),
            (
                format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(490)),
                true,
            ),
            (format!("SELECT 1{}", " EXCEPT SELECT 1".repeat(20)), true),
            (format!("SELECT 1{}", " EXCEPT SELECT 1".repeat(400)), false),
            (
                format!(
                    "SELECT 1 FROM t WHERE {}1 = 1{}",
                    "a IN (SELECT a FROM t WHERE ".repeat(12),
                    ")".repeat(12)
                ),
                true,
            ),
            (format!("SELECT * FROM t t0{}", tables(60)), false),
        ] {
            let head: String = sql.chars().take(60).collect();
            let ran = db.query(&sql, ()).and_then(|rows| rows.collect_rows());
            match ran {
                Ok(_) => {}
                Err(error) => assert!(!must_run, "{head}: {error}"),
            }
        }
    });
}

fn tables(count: usize) -> String {
    (1..=count)
        .map(|n| format!(" JOIN t t{n} ON t{n}.a = t0.a"))
        .collect()
}
