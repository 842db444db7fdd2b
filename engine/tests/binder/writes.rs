//! Writes and errors against the fixture's tables: bound plans as EXPLAIN shows them, and errors with code, place and
//! advice.

use expect_test::expect;

use crate::fixture::check;

#[test]
fn writes() {
    check(
        r#"
INSERT INTO t VALUES (1, 'x', 1.5, '2024-01-01', 2, 3), (2, DEFAULT, NULL, DEFAULT, 1.5, 4)
INSERT INTO t (b, a) VALUES (?, ?) ON CONFLICT (a) DO UPDATE SET b = excluded.b, c = t.c + 1 WHERE t.b IS NULL RETURNING a, b AS x
INSERT INTO u (b) VALUES ('x') ON CONFLICT (b) DO NOTHING
INSERT INTO u SELECT a, b FROM t
INSERT INTO u DEFAULT VALUES
INSERT INTO docs VALUES {a: 400, b: a * 4, c: {d: a}}, ?
INSERT INTO part (id, extra) VALUES (1, 2.5) RETURNING *
INSERT INTO u VALUES ((SELECT max(a) FROM t), 'x')
UPDATE t SET b = upper(b), c = DEFAULT, (d, e) = ('2024-01-01', a) WHERE a = 1 RETURNING *
UPDATE part SET owner.name = 'x', owner.tags[0] = 5, extra.more = 1.5 WHERE id IN (SELECT a FROM u)
UPDATE part UNSET extra, owner.tags
DELETE FROM t AS x WHERE x.a > 1 ORDER BY b LIMIT 2 RETURNING x.a
DELETE FROM t USING u WHERE t.a = u.a
INSERT INTO t VALUES (1, 2, 3, 4, 5, 6, 7)
INSERT INTO t (a, b) VALUES (1)
INSERT INTO t (a, nosuch) VALUES (1, 2)
INSERT INTO t (a) VALUES (true)
INSERT INTO docs VALUES (1)
INSERT INTO v VALUES (1)
INSERT INTO nosuch VALUES (1)
INSERT INTO t (a) VALUES (1) ON CONFLICT (b) DO NOTHING
UPDATE t SET a = 1, a = 2
UPDATE t SET b.c = 1
UPDATE t SET b = u.b, a = t.a + 1 FROM u WHERE u.a = t.a AND u.g RETURNING a
UPDATE t SET c = (SELECT max(a) FROM u WHERE u.b = t.b), e = 1 WHERE a > 1
UPDATE t SET a = 'x' FROM u
        "#,
        expect![[r#"
            -- INSERT INTO t VALUES (1, 'x', 1.5, '2024-01-01', 2, 3), (2, DEFAULT, NULL, DEFAULT, 1.5, 4)
            insert into t
              a = a
              b = b
              c = c
              d = d
              e = e
              f = f
            Values  (2 rows)
            -- INSERT INTO t (b, a) VALUES (?, ?) ON CONFLICT (a) DO UPDATE SET b = excluded.b, c = t.c + 1 WHERE t.b IS NULL RETURNING a, b AS x
            insert into t
              a = a
              b = b
              c = default
              d = default
              e = default
              f = default
            Result  (1 row)on conflict Some([])
              b := excluded.b
              c := (c + 1)::numeric(10,2)
              if b IS NULL
            returning a = a, x = b
            parameters: ? text, ? integer
            -- INSERT INTO u (b) VALUES ('x') ON CONFLICT (b) DO NOTHING
            insert into u
              rowid = default
              a = default
              b = b
              g = default
            Result  (1 row)
            on conflict DoNothing { target: Some([ObjectId(76)]) }
            -- INSERT INTO u SELECT a, b FROM t
            insert into u
              rowid = default
              a = a
              b = b
              g = default
            Project  (a, b)
              Project  (a, b)
                Seq Scan on t
            -- INSERT INTO u DEFAULT VALUES
            insert into u
              rowid = default
              a = default
              b = default
              g = default
            Result  (1 row)
            -- INSERT INTO docs VALUES {a: 400, b: a * 4, c: {d: a}}, ?
            insert into docs
              {a: 400, b: 400 * 4, c: {d: 400}}
              $1
            parameters: ? document
            -- INSERT INTO part (id, extra) VALUES (1, 2.5) RETURNING *
            insert into part
              id = id
              owner = default
              user = default
              doc = {extra: extra}
            Result  (1 row)
            returning id = id, owner = owner, user = user, doc = doc
            -- INSERT INTO u VALUES ((SELECT max(a) FROM t), 'x')
            insert into u
              rowid = default
              a = a
              b = b
              g = default
            Append
              Project  (max(a), 'x')
                Nested Loop
                  Result  (1 row)
                  Project  (max(a), TRUE)
                    Project  (max(a))
                      Aggregate  (max(a))
                        Seq Scan on t
            -- UPDATE t SET b = upper(b), c = DEFAULT, (d, e) = ('2024-01-01', a) WHERE a = 1 RETURNING *
              b := upper(b)
              c := NULL
              d := '2024-01-01'::date
              e := a::double precision
            Filter  (a = 1)
              Seq Scan on t
            returning a = a, b = b, c = c, d = d, e = e, f = f
            -- UPDATE part SET owner.name = 'x', owner.tags[0] = 5, extra.more = 1.5 WHERE id IN (SELECT a FROM u)
              owner.name := 'x'
              owner.tags[0] := 5
              doc.extra.more := 1.5
            Project  (part.id, part.owner, part.user, part.doc)
              Filter  (u.a IS NOT NULL)
                Hash Left Join  (part.id = u.a)
                  Seq Scan on part
                  Distinct
                    Filter  (u.a IS NOT NULL)
                      Project  (u.a)
                        Project  (u.a)
                          Seq Scan on u
            -- UPDATE part UNSET extra, owner.tags
              unset doc.extra
              unset owner.tags
            Seq Scan on part
            -- DELETE FROM t AS x WHERE x.a > 1 ORDER BY b LIMIT 2 RETURNING x.a
            Limit  (2)
              Sort  (b)
                Filter  (a > 1)
                  Seq Scan on t
            returning a = a
            -- DELETE FROM t USING u WHERE t.a = u.a
            Distinct
              Project  (t.a, t.b, t.c, t.d, t.e, t.f)
                Filter  (t.a = u.a)
                  Nested Loop
                    Seq Scan on t
                    Seq Scan on u
            -- INSERT INTO t VALUES (1, 2, 3, 4, 5, 6, 7)
            INSERT has more expressions than target columns (42601) at byte 22
            -- INSERT INTO t (a, b) VALUES (1)
            INSERT has more target columns than expressions (42601) at byte 29
            -- INSERT INTO t (a, nosuch) VALUES (1, 2)
            column "nosuch" of relation "t" does not exist (42703) at byte 18
            -- INSERT INTO t (a) VALUES (true)
            column "a" is of type integer but expression is of type boolean (42804) at byte 26; hint: you will need to rewrite or cast the expression
            -- INSERT INTO docs VALUES (1)
            INSERT has more expressions than target columns (42601) at byte 25; hint: the table declares no columns: name them, or insert documents: VALUES {a: 1}
            -- INSERT INTO v VALUES (1)
            cannot insert into view "v" (42809) at byte 12; hint: views are read-only: write the tables they are made of
            -- INSERT INTO nosuch VALUES (1)
            relation "nosuch" does not exist (42P01) at byte 12
            -- INSERT INTO t (a) VALUES (1) ON CONFLICT (b) DO NOTHING
            there is no unique or exclusion constraint matching the ON CONFLICT specification (42P10) at byte 42; hint: name the columns of the primary key or of a UNIQUE constraint
            -- UPDATE t SET a = 1, a = 2
            multiple assignments to same column "a" (42601) at byte 20
            -- UPDATE t SET b.c = 1
            cannot assign to "b.c": column "b" is of type text (42804) at byte 13
            -- UPDATE t SET b = u.b, a = t.a + 1 FROM u WHERE u.a = t.a AND u.g RETURNING a
              b := column 8
              a := a + 1
            Filter  ((u.a = t.a) AND u.g)
              Nested Loop
                Seq Scan on t
                Seq Scan on u
            returning a = a
            -- UPDATE t SET c = (SELECT max(a) FROM u WHERE u.b = t.b), e = 1 WHERE a > 1
              c := CASE WHEN column 8 IS NULL THEN NULL ELSE column 7 END::numeric(10,2)
              e := 1::double precision
            Hash Left Join  (t.b = u.b)
              Filter  (t.a > 1)
                Seq Scan on t
              Project  (u.b, max(u.a), TRUE)
                Project  (max(u.a), u.b)
                  Project  (max(u.a), u.b)
                    Aggregate  (max(u.a))  group by (u.b)
                      Seq Scan on u
            -- UPDATE t SET a = 'x' FROM u
              a := 'x'::integer
            Nested Loop
              Seq Scan on t
              Seq Scan on u
        "#]],
    );
}

#[test]
fn errors_help() {
    check(
        "
SELECT * FROM usr
SELECT usr_id FROM user
SELECT u.user_idd FROM user u
SELECT nosuch.a FROM t
SELECT \"x\" FROM t
SELECT * FROM t_pkey
SELECT *
SELECT a FROM t LIMIT a
SELECT a FROM t ORDER BY 2
SELECT DISTINCT a FROM t ORDER BY b
SELECT * FROM json_each('{}')
SELECT a FROM t WHERE a IN (SELECT a, b FROM u)
        ",
        expect![[r#"
            -- SELECT * FROM usr
            relation "usr" does not exist (42P01) at byte 14; hint: did you mean user?
            -- SELECT usr_id FROM user
            column "usr_id" does not exist (42703) at byte 7; hint: did you mean user.user_id?
            -- SELECT u.user_idd FROM user u
            column u.user_idd does not exist (42703) at byte 7; hint: did you mean u.user_id?
            -- SELECT nosuch.a FROM t
            missing FROM-clause entry for table "nosuch" (42P01) at byte 7; hint: name the table in FROM, or check its alias
            -- SELECT "x" FROM t
            column "x" does not exist (42703) at byte 7; hint: did you mean t.a?
            -- SELECT * FROM t_pkey
            relation "t_pkey" does not exist (42P01) at byte 14
            -- SELECT *
            SELECT * with no tables specified is not valid (42601) at byte 7
            -- SELECT a FROM t LIMIT a
            argument of LIMIT must not contain variables (42P10) at byte 22
            -- SELECT a FROM t ORDER BY 2
            ORDER BY position 2 is not in select list (42P10) at byte 25
            -- SELECT DISTINCT a FROM t ORDER BY b
            for SELECT DISTINCT, ORDER BY expressions must appear in select list (42P10) at byte 34
            -- SELECT * FROM json_each('{}')
            the table function json_each is not supported (0A000) at byte 14
            -- SELECT a FROM t WHERE a IN (SELECT a, b FROM u)
            subquery must return only one column (42601) at byte 28
        "#]],
    );
}
