//! The parser against public suites and hostile texts: nothing may panic, overflow a 2 MiB stack or take
//! long, and the share of statements that parse is printed and may not fall.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tailwater::internals::sql::{complete_prefix, parse_script};

fn suites() -> Option<PathBuf> {
    let folder = std::env::var_os("TAILWATER_SUITES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/suites"),
        PathBuf::from,
    );
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(
        std::env::var_os("CI").is_none(),
        "CI needs the suites folder"
    );
    eprintln!("no suites folder, nothing compared");
    None
}

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

/// SQL of `statement ok` and `query` records.
fn slt_records(text: &str) -> Vec<String> {
    let mut records = Vec::new();
    let mut lines = text.lines().peekable();
    let mut skipped = false;
    while let Some(line) = lines.next() {
        let good = line.starts_with("statement ok")
            || line.starts_with("statement count")
            || (line.starts_with("query") && !line.starts_with("query error"));
        let bad = line.starts_with("statement error") || line.starts_with("query error");
        if !good && !bad || skipped {
            skipped = line.starts_with("onlyif") || line.starts_with("skipif postgresql");
            continue;
        }
        let mut sql = String::new();
        while let Some(line) = lines.next_if(|line| !line.is_empty() && !line.starts_with("----")) {
            sql.push_str(line);
            sql.push('\n');
        }
        if good {
            records.push(sql);
        }
    }
    records
}

#[test]
fn fuzz_seeds_do_not_crash() {
    let Some(suites) = suites() else { return };
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
fn slt_suites_parse() {
    let Some(suites) = suites() else { return };
    for (suite, at_least) in [
        ("sqlite", 98.0),
        ("postgres-regress", 88.0),
        ("risingwave", 95.0),
        ("risingwave-parts", 95.0),
        ("turso-matview", 95.0),
        ("turso-pg", 80.0),
    ] {
        let mut paths = Vec::new();
        files(&suites.join(suite), &mut paths);
        let (mut good, mut all) = (0_usize, 0_usize);
        let mut refused = Vec::new();
        for path in paths {
            let Ok(text) = std::fs::read_to_string(&path) else {
                continue;
            };
            for sql in slt_records(&text) {
                all += 1;
                match parse_script(&sql) {
                    Ok(_) => good += 1,
                    Err(error) => refused.push(format!("{error}\n    {}", sql.trim())),
                }
            }
        }
        let share = 100.0 * good as f64 / all as f64;
        println!("{suite}: {good} of {all} statements parse ({share:.1}%)");
        if std::env::var_os("TAILWATER_SHOW_REFUSED").is_some() {
            refused.iter().for_each(|line| println!("  {line}"));
        }
        assert!(
            share >= at_least,
            "{suite}: {share:.1}% is less than {at_least}%"
        );
    }
}

#[test]
fn chai_parses() {
    let Some(suites) = suites() else { return };
    let mut paths = Vec::new();
    files(&suites.join("chai/sqltests"), &mut paths);
    let (mut good, mut all, mut expr_good, mut expr_all) = (0, 0, 0, 0);
    for path in paths
        .iter()
        .filter(|path| path.extension().is_some_and(|ext| ext == "sql"))
    {
        let text = std::fs::read_to_string(path).unwrap();
        if path.components().any(|part| part.as_os_str() == "expr") {
            for line in text.lines().filter_map(|line| line.strip_prefix("> ")) {
                expr_all += 1;
                match parse_script(&format!("SELECT {line}")) {
                    Ok(_) => expr_good += 1,
                    Err(error) => println!("  {error}: {line}"),
                }
            }
            continue;
        }
        for block in text
            .split("\n-- test:")
            .flat_map(|part| part.split("\n-- suite:"))
        {
            if block.contains("-- error:") {
                continue;
            }
            let sql = block.split_once('\n').map_or("", |(_, sql)| sql);
            let sql = sql.split("/* ").next().unwrap_or_default();
            all += 1;
            match parse_script(sql) {
                Ok(_) => good += 1,
                Err(error) => println!("  {error}: {}", sql.trim()),
            }
        }
    }
    println!("chai: {good} of {all} tests parse, {expr_good} of {expr_all} expressions");
    assert!(good * 100 >= all * 95 && expr_good * 100 >= expr_all * 90);
}

#[test]
fn tpch_chinook_and_nexmark_parse() {
    let Some(suites) = suites() else { return };
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
