//! Tables and their rows, queries that name them in all the ways there are, and what gets another name.

/// Pairs of a name before and a name now.
pub(crate) type Names = &'static [(&'static str, &'static str)];

pub(crate) const TABLES: &str = "
CREATE TABLE t (id INT PRIMARY KEY, a INT, c TEXT, d DOCUMENT);
CREATE TABLE u (k INT PRIMARY KEY, a INT, x INT, \"X y\" INT);
CREATE TABLE p (k INT PRIMARY KEY, a INT, ...);
CREATE TABLE w (a INT PRIMARY KEY, c TEXT);
CREATE INDEX t_a ON t (a);
CREATE VIEW tv AS SELECT id, a, c FROM t;
CREATE MATERIALIZED VIEW tm AS SELECT a, count(*) AS n FROM t GROUP BY a";

/// Rows by place: the words before VALUES change with the names.
pub(crate) const ROWS: &[(&str, &str)] = &[
    (
        "t",
        "(1, 10, 'x', {a: 1, b: {a: 5}}), (2, 20, 'y', {a: 2}), (3, 10, NULL, {n: [1, 2]})",
    ),
    ("u", "(1, 10, 1, 7), (2, 20, 2, 8), (3, NULL, 3, 9)"),
    ("p", "{K: 1, A: 10, e: 'e', b: 4}, {K: 2, A: 20, x: true}"),
    ("w", "(10, 'w'), (30, 'v')"),
];
pub(crate) const MORE: &[(&str, &str)] = &[
    ("t", "(4, 20, 'y', {b: {a: 6}}), (5, NULL, 'z', {a: 3})"),
    ("u", "(4, 20, 4, 6), (5, 5, 5, 5)"),
    ("p", "{K: 3, A: 30, e: 'f'}"),
    ("w", "(20, 'u')"),
];

pub(crate) const QUERIES: &[&str] = &[
    "SELECT a FROM t",
    "SELECT a + 1, -a AS neg, sum FROM (SELECT a, a AS sum FROM t) s",
    "SELECT T.A, \"a\" AS other FROM t",
    "SELECT public.t.a, t.id FROM public.t",
    "SELECT * FROM t",
    "SELECT t.*, 1 AS one FROM t",
    "SELECT * FROM t, (SELECT a AS wa, c AS wc FROM w) s WHERE t.a = wa",
    "SELECT x.*, y.n FROM tv x JOIN tm y ON x.a = y.a",
    "SELECT t.id, u.* FROM t JOIN u ON t.a = u.a",
    "SELECT a, x FROM t JOIN u USING (a)",
    "SELECT * FROM u JOIN (SELECT id, a FROM t) s USING (a)",
    "SELECT t.id, u.k, a FROM t NATURAL JOIN u",
    "SELECT t.id, u.k FROM t LEFT JOIN u USING (a)",
    "SELECT a, t.id, u.k FROM t FULL JOIN u USING (a)",
    "SELECT a, t.id FROM u RIGHT JOIN t USING (a)",
    "SELECT a FROM t ORDER BY a",
    "SELECT a AS z FROM t ORDER BY z, t.a",
    "SELECT id AS b, a FROM t ORDER BY a, b",
    "SELECT a AS b, count(*) AS n FROM t GROUP BY b",
    "SELECT id % 2 AS b, count(*) AS n FROM t GROUP BY b",
    "SELECT a, count(*) AS n FROM t GROUP BY a HAVING max(a) > 5 ORDER BY a",
    "SELECT id AS x, a AS b FROM t GROUP BY id, a",
    "SELECT sum(a), max(a), count(a) FILTER (WHERE a > 10) AS big FROM t",
    "SELECT DISTINCT a FROM t",
    "SELECT DISTINCT * FROM (SELECT a, c FROM t) s",
    "SELECT a FROM t UNION ALL SELECT a FROM u",
    "SELECT a, c FROM t UNION SELECT a, c FROM w",
    "SELECT a FROM t EXCEPT SELECT a FROM w ORDER BY a",
    "SELECT CASE WHEN a IS DISTINCT FROM 10 THEN c ELSE c END FROM t",
    "SELECT CAST(a AS TEXT), id, (c) FROM t",
    "SELECT id, a::TEXT FROM t WHERE a BETWEEN 5 AND 15 OR a IN (20, 30)",
    "SELECT id, d.a, d.b.a AS below, d.n[0] FROM t",
    "SELECT id, t.d.b FROM t WHERE t.d.a > 0",
    "SELECT id, {a: a, b: t.a, c: c} AS doc FROM t",
    "SELECT x.a FROM t AS x JOIN t AS y ON x.a = y.a AND x.id <> y.id",
    "SELECT x.id, b FROM t AS x (id, b)",
    "SELECT q.b FROM (SELECT a FROM t) AS q (b)",
    "SELECT q.a FROM (SELECT * FROM t) q",
    "SELECT q.id FROM (SELECT * FROM t, (SELECT 1 AS one) o) q WHERE q.a > 0",
    "WITH q AS (SELECT a, id FROM t) SELECT a, id FROM q",
    "WITH q (a) AS (SELECT id FROM t) SELECT q.a, t.a AS ta FROM q JOIN t ON q.a = t.id",
    "WITH u AS (SELECT a, id FROM t) SELECT u.a FROM u",
    "WITH s AS (SELECT a FROM t), r AS (SELECT a FROM s WHERE a > 5) SELECT r.a FROM r JOIN u ON u.a = r.a",
    "SELECT id FROM t WHERE a IN (SELECT a FROM u)",
    "SELECT id FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.a = t.a)",
    "SELECT id, (SELECT max(x) FROM u WHERE u.a = t.a) AS m FROM t",
    "SELECT k, (SELECT count(*) FROM t WHERE t.a = x) AS m FROM u",
    "SELECT (SELECT max(a) FROM t)",
    "SELECT id FROM t WHERE a = (SELECT max(a) FROM t)",
    "SELECT id FROM t WHERE EXISTS (SELECT 1 FROM t AS t2 WHERE t2.a = t.a AND t2.id <> t.id)",
    "SELECT \"X y\", u.\"X y\" + 1 AS more FROM u WHERE \"X y\" > 6",
    "SELECT * FROM p",
    "SELECT k, a, e FROM p",
    "SELECT p.a, p.e.f, p.x FROM p",
    "SELECT q.* FROM (SELECT * FROM p) q WHERE q.a > 10",
    "SELECT p.k, s.a FROM p JOIN (SELECT a FROM p) s ON s.a = p.a",
    "SELECT a, n FROM tm",
    "SELECT * FROM tv",
    "SELECT tv.a, tm.n FROM tv, tm WHERE tv.a = tm.a AND id > 1",
    "SELECT a FROM tv WHERE id IN (SELECT n FROM tm)",
    "TABLE w",
    "SELECT o.name, w.c FROM tailwater.objects o JOIN w ON w.c = o.name WHERE w.a < 0",
    "SELECT w.a, g FROM w, generate_series(1, 2) AS g",
    "(SELECT a FROM t) UNION ALL (SELECT a FROM w LIMIT 0)",
    "SELECT a FROM t ORDER BY id LIMIT 2",
    "SELECT 'a' AS b, a AS \"from\", \"c\" FROM (SELECT c, a FROM t /* a */) \"t\" -- a",
];

/// Changes of names, the way back, and the names that tables, and columns of `p`, have between.
pub(crate) const RENAMES: &[(&str, &str, Names)] = &[
    (
        "ALTER TABLE t RENAME COLUMN a TO b",
        "ALTER TABLE t RENAME COLUMN b TO a",
        &[],
    ),
    (
        "ALTER TABLE t RENAME COLUMN a TO x",
        "ALTER TABLE t RENAME COLUMN x TO a",
        &[],
    ),
    (
        "ALTER TABLE t RENAME COLUMN id TO k",
        "ALTER TABLE t RENAME COLUMN k TO id",
        &[],
    ),
    (
        "ALTER TABLE t RENAME COLUMN a TO \"select\"; ALTER TABLE t RENAME COLUMN c TO \"Ä \"\"c\"",
        "ALTER TABLE t RENAME COLUMN \"select\" TO a; ALTER TABLE t RENAME COLUMN \"Ä \"\"c\" TO c",
        &[],
    ),
    (
        "ALTER TABLE t RENAME COLUMN a TO tmp; ALTER TABLE t RENAME COLUMN id TO a; ALTER TABLE t RENAME COLUMN tmp TO id",
        "ALTER TABLE t RENAME COLUMN a TO tmp; ALTER TABLE t RENAME COLUMN id TO a; ALTER TABLE t RENAME COLUMN tmp TO id",
        &[],
    ),
    (
        "ALTER TABLE t RENAME COLUMN d TO t",
        "ALTER TABLE t RENAME COLUMN t TO d",
        &[],
    ),
    (
        "ALTER TABLE u RENAME COLUMN a TO b; ALTER TABLE u RENAME COLUMN x TO id; ALTER TABLE u RENAME COLUMN \"X y\" TO xy",
        "ALTER TABLE u RENAME COLUMN b TO a; ALTER TABLE u RENAME COLUMN id TO x; ALTER TABLE u RENAME COLUMN xy TO \"X y\"",
        &[],
    ),
    (
        "ALTER TABLE p RENAME COLUMN a TO z; ALTER TABLE w RENAME COLUMN a TO id; ALTER TABLE p RENAME COLUMN k TO a",
        "ALTER TABLE p RENAME COLUMN a TO k; ALTER TABLE p RENAME COLUMN z TO a; ALTER TABLE w RENAME COLUMN id TO a",
        &[("K", "a"), ("A", "z")],
    ),
    (
        "ALTER TABLE t RENAME TO \"T 2\"",
        "ALTER TABLE \"T 2\" RENAME TO t",
        &[("t", "\"T 2\"")],
    ),
    (
        "ALTER TABLE t RENAME TO x; ALTER TABLE u RENAME TO q",
        "ALTER TABLE x RENAME TO t; ALTER TABLE q RENAME TO u",
        &[("t", "x"), ("u", "q")],
    ),
    (
        "ALTER TABLE t RENAME TO tmp; ALTER TABLE u RENAME TO t; ALTER TABLE tmp RENAME TO u; ALTER TABLE u RENAME COLUMN a TO id_2",
        "ALTER TABLE u RENAME COLUMN id_2 TO a; ALTER TABLE t RENAME TO tmp; ALTER TABLE u RENAME TO t; ALTER TABLE tmp RENAME TO u",
        &[("t", "u"), ("u", "t")],
    ),
    (
        "ALTER VIEW tv RENAME TO \"Tv\"; ALTER MATERIALIZED VIEW tm RENAME TO q; ALTER TABLE t RENAME COLUMN a TO n",
        "ALTER VIEW \"Tv\" RENAME TO tv; ALTER MATERIALIZED VIEW q RENAME TO tm; ALTER TABLE t RENAME COLUMN n TO a",
        &[],
    ),
];

/// Queries, changes of names, and the text that is kept then.
pub(crate) const TEXTS: &[(&str, &str, &str)] = &[
    // An undeclared field has no other name than the one that the column takes.
    (
        "SELECT k, a, p.b FROM p",
        "ALTER TABLE p RENAME COLUMN a TO b",
        "SELECT k, a, p.b FROM p AS p (k, a)",
    ),
    (
        "SELECT a, sum(x) FROM t JOIN u USING (a) GROUP BY a",
        "ALTER TABLE t RENAME COLUMN c TO \"C c\"",
        "SELECT a, sum(x) FROM t JOIN u USING (a) GROUP BY a",
    ),
    (
        "SELECT a, T.A + 1 AS more FROM t ORDER BY a",
        "ALTER TABLE t RENAME COLUMN a TO \"order\"",
        "SELECT \"order\" AS a, T.\"order\" + 1 AS more FROM t ORDER BY a",
    ),
    (
        "SELECT * FROM t",
        "ALTER TABLE t RENAME COLUMN a TO b",
        "SELECT id, b AS a, c, d FROM t",
    ),
    (
        "SELECT a FROM t, (SELECT x FROM u) s WHERE x = t.id",
        "ALTER TABLE t RENAME COLUMN a TO x",
        "SELECT t.x AS a FROM t, (SELECT u.x FROM u) s WHERE s.x = t.id",
    ),
    (
        "SELECT t.id, u.k FROM t JOIN u USING (a)",
        "ALTER TABLE t RENAME COLUMN a TO b",
        "SELECT t.id, u.k FROM t AS t (id, a) JOIN u USING(a)",
    ),
    (
        "SELECT id % 2 AS b, max(a) AS m FROM t GROUP BY b",
        "ALTER TABLE t RENAME COLUMN a TO b",
        "SELECT id % 2 AS b, max(b) AS m FROM t GROUP BY 1",
    ),
    (
        "SELECT t.a, x.c FROM t JOIN w AS x ON x.a = t.a",
        "ALTER TABLE t RENAME TO \"T\"; ALTER TABLE w RENAME TO w2",
        "SELECT \"T\".a, x.c FROM \"T\" JOIN w2 AS x ON x.a = \"T\".a",
    ),
    (
        "SELECT t.id FROM t JOIN w AS x ON x.a = t.a",
        "ALTER TABLE t RENAME TO x",
        "SELECT t.id FROM public.x AS t JOIN w AS x ON x.a = t.a",
    ),
    (
        "WITH x AS (SELECT 1 AS one) SELECT t.id, one FROM t, x",
        "ALTER TABLE t RENAME TO x",
        "WITH x AS (SELECT 1 AS one) SELECT t.id, one FROM public.x AS t, x",
    ),
];
