//! The parser alone against public and hostile texts: nothing may panic, overflow a 2 MiB stack or take long. Suites with
//! results are run as a whole in `suites.rs`.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod common;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tailwater::internals::sql::{complete_prefix, parse_script};

/// Runs on a stack as small as a spawned thread's.
fn in_small_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    std::thread::Builder::new()
        .stack_size(2 << 20)
        .spawn(work)
        .unwrap()
        .join()
        .unwrap()
}

/// Parses, walks (by comparing and printing) and drops.
fn survive(sql: &str) -> bool {
    let _ = complete_prefix(sql);
    match parse_script(sql) {
        Ok(parsed) => {
            #[expect(clippy::eq_op, reason = "walks the tree")]
            let same = parsed == parsed;
            assert!(same);
            let _ = format!("{parsed:?}").len();
            true
        }
        Err(error) => {
            assert!(
                error.position.is_some_and(|at| at <= sql.len()),
                "{error} in {sql}"
            );
            false
        }
    }
}

fn files(folder: &Path, out: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files(&path, out)
        } else {
            out.push(path)
        }
    }
}

#[test]
fn fuzz_seeds_do_not_crash() {
    let suites = common::suites();
    let text = std::fs::read_to_string(suites.join("sql-fuzz/sqlite_seeds_2000.jsonl")).unwrap();
    in_small_thread(move || {
        let mut parsed = 0;
        for line in text.lines() {
            let seed: serde_json::Value = serde_json::from_str(line).unwrap();
            let sql = seed
                .get("sql")
                .or_else(|| seed.get("latin1"))
                .unwrap()
                .as_str()
                .unwrap();
            let start = Instant::now();
            parsed += usize::from(survive(sql));
            assert!(start.elapsed() < Duration::from_secs(5), "too slow: {sql}");
        }
        println!(
            "sql-fuzz: {parsed} of {} scripts parse",
            text.lines().count()
        );
    });
}

#[test]
fn tpch_chinook_and_nexmark_parse() {
    let suites = common::suites();
    let mut paths = Vec::new();
    files(&suites.join("tpch/queries"), &mut paths);
    paths.push(suites.join("nexmark/queries.sql"));
    paths.push(suites.join("nexmark/schema.sql"));
    for path in paths {
        let text = std::fs::read_to_string(&path).unwrap();
        // queries under headings `-- q0` have no semicolons
        let text = text.replace("\n-- q", "\n;-- q");
        if let Err(error) = parse_script(&text) {
            panic!("{}: {error}: {text}", path.display());
        }
    }
    let text = std::fs::read_to_string(suites.join("chinook/Chinook_PostgreSql.sql")).unwrap();
    let start = Instant::now();
    if let Err(error) = parse_script(&text) {
        println!("chinook: {error}");
    }
    println!("chinook: {} bytes in {:?}", text.len(), start.elapsed());
}

#[test]
fn ten_thousand_terms_are_a_shallow_tree() {
    in_small_thread(|| {
        for (first, more) in [
            ("a = 1", " OR a = 1"),
            ("a = 1", " AND b"),
            ("a", " AND b OR c"),
        ] {
            let sql = format!("SELECT * FROM t WHERE {first}{}", more.repeat(10_000));
            assert!(survive(&sql));
            assert!(!survive(&format!("{sql} +")));
        }
        let rows = format!("INSERT INTO t VALUES (1, 2){}", ", (1, 2)".repeat(50_000));
        assert!(survive(&rows));
        assert!(survive(&format!("SELECT 1{}", " + 1".repeat(300))));
        assert!(parse_script(&format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(500))).is_ok());
        let inner = " UNION ALL SELECT 1".repeat(64);
        assert!(survive(&format!(
            "SELECT 1 WHERE EXISTS (SELECT 1{inner}) AND a"
        )));
        assert!(survive(&format!(
            "SELECT {}1{}",
            "(".repeat(40),
            ")".repeat(40)
        )));
        assert!(survive(&format!(
            "SELECT {}1{}",
            "(SELECT ".repeat(19),
            ")".repeat(19)
        )));
    });
}

#[test]
fn hostile_repetition_is_refused_quickly() {
    let heads = [
        "",
        "SELECT ",
        "SELECT 1 FROM t WHERE a ",
        "SELECT * FROM ",
        "CREATE TABLE t (",
        "INSERT INTO t VALUES ",
    ];
    let parts = [
        "(",
        "[",
        "{",
        "{a: ",
        "((",
        "NOT ",
        "- ",
        "+ ",
        "~ ",
        "CASE WHEN ",
        "CASE ",
        "a JOIN ",
        "a LEFT JOIN ",
        "SELECT ",
        "(SELECT ",
        "WITH x AS (",
        "a.",
        "a[",
        "a(",
        "a::int ",
        "::int",
        "IS NULL ",
        "IS NOT NULL ",
        "INTERVAL ",
        "ARRAY[",
        "ARRAY<",
        "EXISTS (",
        "UNION SELECT 1 ",
        "UNION (",
        "= ANY (",
        "BETWEEN 1 AND ",
        "BETWEEN SYMMETRIC 1 AND ",
        "IN (",
        "NOT IN ",
        "IN b ",
        "LIKE ",
        "a + ",
        "|| a ",
        "AND ",
        "OR ",
        "AND NOT ",
        "COLLATE x ",
        "AT TIME ZONE 'x' ",
        "CAST(",
        "EXTRACT(",
        "f(",
        "f(a, ",
        "OVER (",
        "FILTER (WHERE ",
        "LATERAL (",
        "a INT ",
        "a (",
        "a (b (",
        "DEFAULT ",
        "CHECK (",
        "?",
        "$1 ",
        ":a ",
        "'a' ",
        "\"a\" ",
        "`",
        "$$",
        "/*",
        "--",
        "a, ",
        "a AS b ",
        ", ",
        ". ",
        "...",
        "; ",
        "VALUES (",
        "ROW(",
        "EXPLAIN ",
        "IF(",
        "a -> ",
        "a ? ",
        "! ",
        "@ ",
        "# ",
        "% ",
        "OPERATOR(",
        "TABLE ",
        "USER ",
        "user.",
        "NEXT VALUE FOR ",
        "GROUP BY ",
        "ROLLUP (",
        "current_time(",
        "case-",
        "trim(",
        "position(",
        "substring(",
        "TIMESTAMP ",
        "DATE ",
        "DOUBLE ",
        "XMLELEMENT(",
    ];
    in_small_thread(move || {
        for head in heads {
            for part in parts {
                for count in [10, 30, 200, 5_000] {
                    let sql = format!("{head}{}", part.repeat(count));
                    let start = Instant::now();
                    survive(&sql);
                    let took = start.elapsed();
                    assert!(
                        took < Duration::from_secs(10),
                        "{head}{part} x {count}: {took:?}"
                    );
                }
            }
        }
    });
}
