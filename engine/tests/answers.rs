//! Answers that were not PostgreSQL's once, found by the public suites, and what PostgreSQL 15 answers.
#![allow(clippy::unwrap_used)]

mod common;

use common::text;
use tailwater::Database;

/// Each query's rows as text, or its SQLSTATE.
fn hold(setup: &str, answers: &[(&str, &str)]) {
    let db = Database::memory().unwrap();
    db.exec(setup, ()).unwrap();
    let mut session = db.session();
    for (sql, expected) in answers {
        let found = match db.query(sql, ()).and_then(|rows| rows.collect_rows()) {
            Ok(_) => text(&mut session, sql),
            Err(error) => error.sqlstate().to_owned(),
        };
        assert_eq!(&found, expected, "{sql}");
    }
}

#[test]
fn a_sign_binds_more_tightly_than_a_power() {
    hold(
        "CREATE TABLE t (a INT); INSERT INTO t VALUES (3)",
        &[
            ("SELECT -3 ^ 2", "9"),
            ("SELECT -a ^ 2 FROM t", "9"),
            ("SELECT 2 - -3 ^ 2", "-7"),
            ("SELECT - 2 * 3, -2 + 5, - -2, 7 - 2", "-6|3|2|5"),
            ("SELECT -2::INT, -(2) % 3, NOT -1 = 1", "-2|-2|t"),
        ],
    );
}

#[test]
fn json_arrows_bring_json() {
    let doc = r#"'{"a": {"b": [10, "x", null]}, "n": null, "s": "t"}'::jsonb"#;
    hold(
        "CREATE TABLE t (j JSONB); INSERT INTO t VALUES ('{\"k\": [1, 2], \"n\": null}')",
        &[
            (&format!("SELECT {doc} -> 's', {doc} ->> 's'"), "\"t\"|t"),
            (&format!("SELECT {doc} -> 'a' -> 'b' -> -2"), "\"x\""),
            (&format!("SELECT {doc} -> 'a' -> 'b' ->> 0"), "10"),
            (
                &format!("SELECT {doc} -> 'n' IS NULL, {doc} ->> 'n' IS NULL"),
                "f|t",
            ),
            (
                &format!("SELECT {doc} -> 'none' IS NULL, {doc} -> 0 IS NULL"),
                "t|t",
            ),
            (
                &format!("SELECT {doc} #> '{{a,b,1}}', {doc} #>> '{{a,b,1}}'"),
                "\"x\"|x",
            ),
            (
                &format!("SELECT {doc} @> '{{\"s\": \"t\"}}', '{{\"s\": \"u\"}}' <@ {doc}"),
                "t|f",
            ),
            ("SELECT 'null'::jsonb #>> '{}' IS NULL", "t"),
            (
                "SELECT j -> 'k', (j -> 'k' -> 1)::INT + 1, pg_typeof(j -> 'k') FROM t",
                "[1, 2]|3|json",
            ),
            (
                "SELECT '[1, [2]]'::jsonb @> '[[2]]', '[1]'::jsonb @> '1', '[1]'::jsonb @> '2'",
                "t|t|f",
            ),
            (
                "SELECT '3'::jsonb || '4', '\"a\"'::jsonb || '{\"b\": 1}', '[1]'::jsonb || '[2]'",
                "[3, 4]|[\"a\", {\"b\": 1}]|[1, 2]",
            ),
        ],
    );
}

#[test]
fn json_is_edited() {
    let doc = r#"'{"a": {"b": [1, 2]}, "n": null}'::jsonb"#;
    hold(
        "CREATE TABLE t (a INT)",
        &[
            (
                &format!("SELECT jsonb_set({doc}, '{{a,b,0}}', '9')"),
                r#"{"a": {"b": [9, 2]}, "n": null}"#,
            ),
            (
                &format!("SELECT jsonb_set({doc}, '{{a,c}}', '9')"),
                r#"{"a": {"b": [1, 2], "c": 9}, "n": null}"#,
            ),
            (
                &format!("SELECT jsonb_set({doc}, '{{a,c}}', '9', false) = {doc}"),
                "t",
            ),
            (
                &format!("SELECT jsonb_set({doc}, '{{x,c}}', '9') = {doc}"),
                "t",
            ),
            (
                &format!("SELECT jsonb_set({doc}, '{{a,b,x}}', '9')"),
                "22P02",
            ),
            ("SELECT jsonb_set('1', '{a}', '2')", "22023"),
            (
                "SELECT jsonb_set('[1, 2]', '{-9}', '0'), jsonb_set('[1, 2]', '{9}', '3')",
                "[0, 1, 2]|[1, 2, 3]",
            ),
            (
                "SELECT jsonb_insert('[1, 2]', '{0}', '0', true)",
                "[1, 0, 2]",
            ),
            ("SELECT jsonb_insert('{\"a\": 1}', '{a}', '0')", "22023"),
            (
                &format!("SELECT {doc} #- '{{a,b,-1}}'"),
                r#"{"a": {"b": [1]}, "n": null}"#,
            ),
            (
                &format!("SELECT {doc} - 'a', {doc} - ARRAY['a', 'n']"),
                r#"{"n": null}|{}"#,
            ),
            (
                "SELECT '[\"a\", 1]'::jsonb - 'a', '[1, 2, 3]'::jsonb - 1, '[1]'::jsonb - 5",
                "[1]|[1, 3]|[1]",
            ),
            ("SELECT '{}'::jsonb - 1", "22023"),
            (
                &format!("SELECT jsonb_strip_nulls({doc})"),
                r#"{"a": {"b": [1, 2]}}"#,
            ),
            (
                &format!(
                    "SELECT jsonb_exists({doc}, 'n'), jsonb_exists_all({doc}, ARRAY['a', 'z'])"
                ),
                "t|f",
            ),
        ],
    );
}

#[test]
fn arrays_join_by_their_dimensions() {
    hold(
        "CREATE TABLE t (a INT)",
        &[
            ("SELECT ARRAY[ARRAY[1, 2]] || ARRAY[3, 4]", "{{1,2},{3,4}}"),
            ("SELECT ARRAY[1, 2] || ARRAY[ARRAY[3, 4]]", "{{1,2},{3,4}}"),
            ("SELECT array_cat(ARRAY[2], ARRAY[ARRAY[1]])", "{{2},{1}}"),
            (
                "SELECT ARRAY[1, 2] || ARRAY[3], ARRAY[1] || 2",
                "{1,2,3}|{1,2}",
            ),
            (
                "SELECT ARRAY[1, 2] @> ARRAY[2], ARRAY[1] <@ ARRAY[2], ARRAY[1] && ARRAY[1, 3]",
                "t|f|t",
            ),
        ],
    );
}

#[test]
fn types_are_told_as_declared() {
    hold(
        "CREATE TABLE t (s SMALLINT, v VARCHAR(3), n NUMERIC(4, 1), a INT[]); INSERT INTO t VALUES (1, 'a', 2, ARRAY[1])",
        &[
            (
                "SELECT pg_typeof(s), pg_typeof(v), pg_typeof(n), pg_typeof(a), pg_typeof(1), pg_typeof(NULL::BOOL) FROM t",
                "smallint|character varying|numeric|integer[]|integer|boolean",
            ),
            (
                "SELECT pg_typeof('a'), pg_typeof(2147483648)",
                "unknown|bigint",
            ),
        ],
    );
}

#[test]
fn quotes_in_formats_can_be_quoted() {
    hold(
        "CREATE TABLE t (a INT)",
        &[
            (r#"SELECT to_char(12, '"a\"b" 99')"#, "a\"b  12"),
            (r#"SELECT to_char(12, 'f\"oo99')"#, "f\"oo 12"),
            (
                r#"SELECT to_char(TIMESTAMP '2024-05-06 07:08:09', '"\\is" HH24 "\"MI"')"#,
                "\\is 07 \"MI",
            ),
        ],
    );
}

/// Two rows of one INSERT, or one row twice, may not change the same row.
#[test]
fn on_conflict_does_not_change_a_row_twice() {
    let db = Database::memory().unwrap();
    db.exec(
        "CREATE TABLE t (a INT PRIMARY KEY, b INT); INSERT INTO t VALUES (1, 1)",
        (),
    )
    .unwrap();
    for rows in ["(2, 1), (2, 2)", "(1, 5), (1, 6)", "(3, 0), (4, 0), (3, 1)"] {
        let sql =
            format!("INSERT INTO t VALUES {rows} ON CONFLICT (a) DO UPDATE SET b = excluded.b");
        assert_eq!(db.exec(&sql, ()).unwrap_err().sqlstate(), "21000", "{sql}");
    }
    let moved = "INSERT INTO t VALUES (1, 0), (7, 0) ON CONFLICT (a) DO UPDATE SET a = 7";
    assert_eq!(db.exec(moved, ()).unwrap_err().sqlstate(), "21000");
    db.exec(
        "INSERT INTO t VALUES (1, 5), (2, 6) ON CONFLICT (a) DO UPDATE SET b = excluded.b",
        (),
    )
    .unwrap();
    assert_eq!(
        text(&mut db.session(), "SELECT * FROM t ORDER BY a"),
        "1|5\n2|6"
    );
}

#[test]
fn a_series_counts_in_both_directions() {
    hold(
        "CREATE TABLE t (a INT); INSERT INTO t SELECT n * 2 FROM generate_series(1, 1000) n",
        &[
            ("SELECT count(*), sum(a) FROM t", "1000|1001000"),
            ("SELECT * FROM generate_series(1, 3)", "1\n2\n3"),
            ("SELECT n FROM generate_series(5, 1, -2) AS n", "5\n3\n1"),
            ("SELECT g.n + 1 FROM generate_series(1, 2) AS g(n)", "2\n3"),
            ("SELECT count(*) FROM generate_series(1, 0)", "0"),
            ("SELECT count(*) FROM generate_series(1, NULL)", "0"),
            (
                "SELECT * FROM generate_series(1.5, 3, 0.5)",
                "1.5\n2.0\n2.5\n3.0",
            ),
            (
                "SELECT * FROM generate_series(9223372036854775806, 9223372036854775807)",
                "9223372036854775806\n9223372036854775807",
            ),
            (
                "SELECT d FROM generate_series(TIMESTAMP '2024-01-31', '2024-03-31', '1 month') d",
                "2024-01-31 00:00:00\n2024-02-29 00:00:00\n2024-03-29 00:00:00",
            ),
            (
                "SELECT a.n, b.n FROM generate_series(1, 2) a(n) JOIN generate_series(2, 3) b(n) ON a.n = b.n",
                "2|2",
            ),
            ("SELECT 1 FROM generate_series(1, 2) LIMIT 1", "1"),
            (
                "SELECT count(*) FROM generate_series(1, 2000000000) LIMIT 0",
                "",
            ),
            (
                "SELECT n FROM generate_series(1, 9) n WHERE n IN (SELECT a FROM t) ORDER BY n DESC LIMIT 2",
                "8\n6",
            ),
            ("SELECT * FROM generate_series(1, 2, 0)", "22023"),
            ("SELECT * FROM generate_series(1)", "42883"),
            ("SELECT * FROM generate_series('a', TRUE)", "42883"),
            (
                "SELECT pg_typeof(n) FROM generate_series(1, 1) n",
                "integer",
            ),
        ],
    );
}

#[test]
fn a_series_without_end_keeps_the_deadline() {
    let settings = tailwater::Settings {
        statement_timeout: Some(std::time::Duration::from_millis(50)),
        ..tailwater::Settings::default()
    };
    let db = Database::builder().settings(settings).memory().unwrap();
    let sql = "SELECT count(*) FROM generate_series(1, 9000000000000000000)";
    let error = db
        .query(sql, ())
        .and_then(|rows| rows.collect_rows())
        .unwrap_err();
    assert_eq!(error.sqlstate(), "57014");
    let error = db
        .exec(
            "CREATE MATERIALIZED VIEW v AS SELECT * FROM generate_series(1, 3)",
            (),
        )
        .unwrap_err();
    assert_eq!(error.sqlstate(), "0A000");
    assert!(error.message().contains("generate_series"), "{error}");
}
