//! Statements against the fixture's tables: bound plans as EXPLAIN shows them, and errors with code, place and
//! advice.

use expect_test::expect;

use crate::fixture::check;

#[test]
fn plain_queries() {
    check(
        "
SELECT 1
SELECT * FROM t
SELECT a, t.b, public.t.c AS x, a + 1, upper(b), count FROM t, (SELECT 1 AS count) s WHERE a > 1 AND b = 'x' OR NOT e < 2
SELECT DISTINCT b FROM t ORDER BY b DESC LIMIT 10 OFFSET $1
SELECT b AS x FROM t ORDER BY x, a + 1 NULLS FIRST
SELECT a FROM t ORDER BY 1 FETCH FIRST 2 ROWS ONLY
VALUES (1, 'a'), (2.5, NULL)
TABLE t
SELECT * FROM v WHERE name LIKE 'a%'
SELECT user FROM user AS u
SELECT user.user_id, user FROM user
SELECT user FROM part
        ",
        expect![[r#"
            -- SELECT 1
            → ?column? integer
            Project  (1)
              Result  (1 row)
            -- SELECT * FROM t
            → a integer, b text, c numeric(10,2), d date, e double precision, f bigint
            Project  (a, b, c, d, e, f)
              Seq Scan on t
            -- SELECT a, t.b, public.t.c AS x, a + 1, upper(b), count FROM t, (SELECT 1 AS count) s WHERE a > 1 AND b = 'x' OR NOT e < 2
            → a integer, b text, x numeric(10,2), ?column? integer, upper text, count integer
            Project  (a, b, c, a + 1, upper(b), 1)
              Filter  (((a > 1) AND (b = 'x')) OR (NOT (e < 2)))
                Nested Loop
                  Seq Scan on t
                  Project  (1)
                    Result  (1 row)
            -- SELECT DISTINCT b FROM t ORDER BY b DESC LIMIT 10 OFFSET $1
            → b text
            Limit  (10, offset $1)
              Sort  (b DESC)
                Distinct
                  Project  (b)
                    Seq Scan on t
            parameters: ? bigint
            -- SELECT b AS x FROM t ORDER BY x, a + 1 NULLS FIRST
            → x text
            Project  (b)
              Sort  (b, a + 1 NULLS FIRST)
                Project  (b, a + 1)
                  Seq Scan on t
            -- SELECT a FROM t ORDER BY 1 FETCH FIRST 2 ROWS ONLY
            → a integer
            Limit  (2)
              Sort  (a)
                Project  (a)
                  Seq Scan on t
            -- VALUES (1, 'a'), (2.5, NULL)
            → column1 numeric, column2 text
            Values  (2 rows)
            -- TABLE t
            → a integer, b text, c numeric(10,2), d date, e double precision, f bigint
            Project  (a, b, c, d, e, f)
              Seq Scan on t
            -- SELECT * FROM v WHERE name LIKE 'a%'
            → a integer, name text
            Project  (a, b)
              Filter  (b LIKE 'a%')
                Project  (a, b)
                  Filter  (a > 1)
                    Seq Scan on t
            -- SELECT user FROM user AS u
            → user text
            Project  (current_user())
              Seq Scan on user
            -- SELECT user.user_id, user FROM user
            → user_id character(32), user text
            Project  (user_id, current_user())
              Seq Scan on user
            -- SELECT user FROM part
            → user text
            Project  (user)
              Seq Scan on part
        "#]],
    );
}

#[test]
fn the_view_they_meant() {
    check(
        "
SELECT chat.chat_topic, m.chat_message_text, u.user_login FROM chat JOIN chat_message m ON m.chat_message_chat_id = chat.chat_id JOIN user u ON u.user_id = m.chat_message_user_id WHERE chat_topic = 'general' ORDER BY chat_message_datetime
SELECT * FROM chat WHERE blah GROUP BY chat_topic='x' ORDER BY chat_message_datetime
SELECT * FROM chat GROUP BY chat_topic='x'
        ",
        expect![[r#"
            -- SELECT chat.chat_topic, m.chat_message_text, u.user_login FROM chat JOIN chat_message m ON m.chat_message_chat_id = chat.chat_id JOIN user u ON u.user_id = m.chat_message_user_id WHERE chat_topic = 'general' ORDER BY chat_message_datetime
            → chat_topic character varying(32), chat_message_text text, user_login character varying(255)
            Project  (chat.chat_topic, chat_message.chat_message_text, user.user_login)
              Sort  (chat_message.chat_message_datetime)
                Project  (chat.chat_topic, chat_message.chat_message_text, user.user_login, chat_message.chat_message_datetime)
                  Filter  (chat.chat_topic = 'general')
                    Nested Loop  (user.user_id = chat_message.chat_message_user_id)
                      Nested Loop  (chat_message.chat_message_chat_id = chat.chat_id)
                        Seq Scan on chat
                        Seq Scan on chat_message
                      Seq Scan on user
            -- SELECT * FROM chat WHERE blah GROUP BY chat_topic='x' ORDER BY chat_message_datetime
            column "blah" does not exist (42703) at byte 25
            -- SELECT * FROM chat GROUP BY chat_topic='x'
            column "chat.chat_id" must appear in the GROUP BY clause or be used in an aggregate function (42803) at byte 7; hint: name the columns you want, each grouped or inside count, sum, min, max or avg; to choose rows rather than to group them, use WHERE
        "#]],
    );
}

#[test]
fn joins() {
    check(
        "
SELECT * FROM t JOIN u USING (a)
SELECT * FROM t LEFT JOIN u ON t.a = u.a AND g
SELECT t.a, u.a FROM t RIGHT JOIN u ON t.a = u.a
SELECT * FROM t FULL JOIN u USING (a, b)
SELECT * FROM t NATURAL JOIN u
SELECT * FROM (t CROSS JOIN u) AS j (x) WHERE j.x = 1
SELECT * FROM t JOIN t ON true
SELECT a FROM t, u
SELECT * FROM t LEFT JOIN u
        ",
        expect![[r#"
            -- SELECT * FROM t JOIN u USING (a)
            → a integer, b text, c numeric(10,2), d date, e double precision, f bigint, b text, g boolean
            Project  (t.a, t.b, t.c, t.d, t.e, t.f, u.b, u.g)
              Nested Loop  (t.a = u.a)
                Seq Scan on t
                Seq Scan on u
            -- SELECT * FROM t LEFT JOIN u ON t.a = u.a AND g
            → a integer, b text, c numeric(10,2), d date, e double precision, f bigint, a integer, b text, g boolean
            Project  (t.a, t.b, t.c, t.d, t.e, t.f, u.a, u.b, u.g)
              Nested Loop Left Join  ((t.a = u.a) AND u.g)
                Seq Scan on t
                Seq Scan on u
            -- SELECT t.a, u.a FROM t RIGHT JOIN u ON t.a = u.a
            → a integer, a integer
            Project  (t.a, u.a)
              Project  (t.a, t.b, t.c, t.d, t.e, t.f, u.rowid, u.a, u.b, u.g)
                Nested Loop Left Join  (t.a = u.a)
                  Seq Scan on u
                  Seq Scan on t
            -- SELECT * FROM t FULL JOIN u USING (a, b)
            → a integer, b text, c numeric(10,2), d date, e double precision, f bigint, g boolean
            Project  (CASE WHEN a IS NOT NULL THEN a ELSE a END, CASE WHEN b IS NOT NULL THEN b ELSE b END, c, d, e, f, g)
              Project  (a, b, c, d, e, f, rowid, a, b, g, CASE WHEN a IS NOT NULL THEN a ELSE a END, CASE WHEN b IS NOT NULL THEN b ELSE b END)
                Append
                  Nested Loop Left Join  ((t.a = u.a) AND (t.b = u.b))
                    Seq Scan on t
                    Seq Scan on u
                  Project  (NULL, NULL, NULL, NULL, NULL, NULL, u.rowid, u.a, u.b, u.g)
                    Filter  (TRUE IS NULL)
                      Nested Loop Left Join  ((t.a = u.a) AND (t.b = u.b))
                        Seq Scan on u
                        Project  (t.a, t.b, t.c, t.d, t.e, t.f, TRUE)
                          Seq Scan on t
            -- SELECT * FROM t NATURAL JOIN u
            → a integer, b text, c numeric(10,2), d date, e double precision, f bigint, g boolean
            Project  (t.a, t.b, t.c, t.d, t.e, t.f, u.g)
              Nested Loop  ((t.a = u.a) AND (t.b = u.b))
                Seq Scan on t
                Seq Scan on u
            -- SELECT * FROM (t CROSS JOIN u) AS j (x) WHERE j.x = 1
            → x integer, b text, c numeric(10,2), d date, e double precision, f bigint, a integer, b text, g boolean
            Project  (t.a, t.b, t.c, t.d, t.e, t.f, u.a, u.b, u.g)
              Filter  (t.a = 1)
                Project  (t.a, t.b, t.c, t.d, t.e, t.f, u.a, u.b, u.g)
                  Nested Loop
                    Seq Scan on t
                    Seq Scan on u
            -- SELECT * FROM t JOIN t ON true
            table name "t" specified more than once (42712) at byte 21; hint: give one of them another name: t AS t_2
            -- SELECT a FROM t, u
            column reference "a" is ambiguous (42702) at byte 7; hint: write the table before it: table.a
            -- SELECT * FROM t LEFT JOIN u
            an outer join needs a condition (42601) at byte 26; hint: add ON or USING after the table
        "#]],
    );
}

#[test]
fn groups() {
    check(
        "
SELECT b, count(*), sum(a), avg(DISTINCT c) FILTER (WHERE a > 1) AS m FROM t GROUP BY b HAVING count(*) > 1 ORDER BY sum(a) DESC, b
SELECT count(*), max(a) + 1 FROM t
SELECT a + 1 AS x, count(*) FROM t GROUP BY x
SELECT upper(b), count(*) FROM t GROUP BY 1
SELECT t.*, count(u.a) FROM t LEFT JOIN u ON u.a = t.a GROUP BY t.a
SELECT a, count(*) FROM u GROUP BY b
SELECT a FROM t WHERE count(*) > 1
SELECT sum(count(*)) FROM t
SELECT sum(b) FROM t
SELECT b FROM t GROUP BY 3
SELECT 1 FROM t HAVING true
        ",
        expect![[r#"
            -- SELECT b, count(*), sum(a), avg(DISTINCT c) FILTER (WHERE a > 1) AS m FROM t GROUP BY b HAVING count(*) > 1 ORDER BY sum(a) DESC, b
            → b text, count bigint, sum bigint, m numeric
            Sort  (sum(a) DESC, b)
              Project  (b, count(*), sum(a), avg(DISTINCT c) FILTER (WHERE a > 1))
                Filter  (count(*) > 1)
                  Aggregate  (count(*), sum(a), avg(DISTINCT c) FILTER (WHERE a > 1))  group by (b)
                    Seq Scan on t
            -- SELECT count(*), max(a) + 1 FROM t
            → count bigint, ?column? integer
            Project  (count(*), max(a) + 1)
              Aggregate  (count(*), max(a))
                Seq Scan on t
            -- SELECT a + 1 AS x, count(*) FROM t GROUP BY x
            → x integer, count bigint
            Project  (a + 1, count(*))
              Aggregate  (count(*))  group by (a + 1)
                Seq Scan on t
            -- SELECT upper(b), count(*) FROM t GROUP BY 1
            → upper text, count bigint
            Project  (upper(b), count(*))
              Aggregate  (count(*))  group by (upper(b))
                Seq Scan on t
            -- SELECT t.*, count(u.a) FROM t LEFT JOIN u ON u.a = t.a GROUP BY t.a
            → a integer, b text, c numeric(10,2), d date, e double precision, f bigint, count bigint
            Project  (t.a, t.b, t.c, t.d, t.e, t.f, count(u.a))
              Aggregate  (count(u.a))  group by (t.a, t.b, t.c, t.d, t.e, t.f)
                Nested Loop Left Join  (u.a = t.a)
                  Seq Scan on t
                  Seq Scan on u
            -- SELECT a, count(*) FROM u GROUP BY b
            column "u.a" must appear in the GROUP BY clause or be used in an aggregate function (42803) at byte 7; hint: name the columns you want, each grouped or inside count, sum, min, max or avg; to choose rows rather than to group them, use WHERE
            -- SELECT a FROM t WHERE count(*) > 1
            aggregate functions are not allowed in WHERE (42803) at byte 22; hint: conditions on groups go into HAVING
            -- SELECT sum(count(*)) FROM t
            aggregate function calls cannot be nested (42803) at byte 11
            -- SELECT sum(b) FROM t
            function sum(text) does not exist (42883) at byte 7; hint: you might need to add an explicit type cast
            -- SELECT b FROM t GROUP BY 3
            GROUP BY position 3 is not in select list (42P10) at byte 25
            -- SELECT 1 FROM t HAVING true
            → ?column? integer
            Project  (1)
              Filter  (TRUE)
                Aggregate  ()
                  Seq Scan on t
        "#]],
    );
}

#[test]
fn documents() {
    check(
        r#"
SELECT a.b[0].c, x, docs.x, "X", a['k'] FROM docs
SELECT owner.name, owner.tags[1], owner.other, extra, part.extra.more FROM part
SELECT *, pk() FROM part
SELECT * FROM docs
SELECT {a: 1.5, "b c": [1, 'x']}, [1, 2], ARRAY[1, 2.5] || 3
SELECT a FROM docs WHERE a > 1.5 AND b IN [1, 2] AND c = 'x'
SELECT id.x FROM part
SELECT x FROM docs d1, docs d2
SELECT owner -> 'tags' ->> 0 FROM part
        "#,
        expect![[r#"
            -- SELECT a.b[0].c, x, docs.x, "X", a['k'] FROM docs
            → a.b[0].c any, x any, x any, X any, a['k'] any
            Project  (doc.a.b[0].c, doc.x, doc.x, doc.X, doc.a.k)
              Seq Scan on docs
            -- SELECT owner.name, owner.tags[1], owner.other, extra, part.extra.more FROM part
            → owner.name text, owner.tags[1] integer, owner.other any, extra any, extra.more any
            Project  (owner.name, owner.tags[1], owner.other, doc.extra, doc.extra.more)
              Seq Scan on part
            -- SELECT *, pk() FROM part
            → id integer, owner document, user text, doc* document, pk any[]
            Project  (id, owner, user, doc, ARRAY[id])
              Seq Scan on part
            -- SELECT * FROM docs
            → doc* document
            Project  (doc)
              Seq Scan on docs
            -- SELECT {a: 1.5, "b c": [1, 'x']}, [1, 2], ARRAY[1, 2.5] || 3
            → ?column? document, ?column? integer[], ?column? numeric[]
            Project  ({a: 1.5, b c: ARRAY[1, 'x']}, ARRAY[1, 2], ARRAY[1::numeric, 2.5] || 3)
              Result  (1 row)
            -- SELECT a FROM docs WHERE a > 1.5 AND b IN [1, 2] AND c = 'x'
            → a any
            Project  (doc.a)
              Filter  ((doc.a > 1.5) AND (doc.b = ANY (ARRAY[1, 2])) AND (doc.c = 'x'))
                Seq Scan on docs
            -- SELECT id.x FROM part
            column "id" is of type integer and has no field "x" (42809) at byte 7
            -- SELECT x FROM docs d1, docs d2
            column reference "x" is ambiguous (42702) at byte 7; hint: write the table before it: table.x
            -- SELECT owner -> 'tags' ->> 0 FROM part
            → ?column? text
            Project  (owner.tags[0]::text)
              Seq Scan on part
        "#]],
    );
}

#[test]
fn types_and_operators() {
    check(
        "
SELECT a + f, a + c, a + e, c * 2, a / 2, a % 2, e ^ 2, a & 1, - a, + 'x' FROM t
SELECT d + 1, d - d, d + INTERVAL '1 day', d - '2020-01-01', now() - INTERVAL '1' HOUR FROM t
SELECT a = '1', d > '2024-01-01', c = e, a = 1.5, b || a, 'x' || NULL FROM t
SELECT a BETWEEN 1 AND 2, a NOT BETWEEN SYMMETRIC 3 AND 1, a IN (1, 2, NULL), b NOT IN ('x'), (a, b) IN ((1, 'x')), (a, b) < (1, 'y') FROM t
SELECT CASE WHEN a > 1 THEN 1 ELSE 2.5 END, CASE b WHEN 'x' THEN true END, coalesce(a, 1.5), nullif(b, 'x') FROM t
SELECT CAST(a AS TEXT), b::INT, '12'::INT, DATE '2024-01-01', a::VARCHAR(3), 1::BOOL FROM t
SELECT a = ANY($1), b = ANY(ARRAY['x']), a <> ALL('{1,2}'), b ~ '^x', b ILIKE '%y' ESCAPE '!' FROM t
SELECT a IS DISTINCT FROM NULL, (a > 1) IS NOT TRUE, b IS NULL FROM t
SELECT extract(year FROM d), position('x' IN b), substring(b FROM 2 FOR 3), trim(LEADING 'x' FROM b), ceil(e) FROM t
SELECT 2147483648, 9223372036854775808, -2147483648, 1e3, 0.5, X'0aff'
SELECT a = b FROM t
SELECT a + b FROM t
SELECT a AND true FROM t
SELECT a FROM t WHERE b
SELECT nosuch(a) FROM t
SELECT lower(a, b) FROM t
SELECT CASE WHEN true THEN 1 ELSE 'x' END
SELECT CASE WHEN true THEN 1 ELSE b END FROM t
SELECT ARRAY[1, true]
SELECT a::DATE FROM t
SELECT a::nosuch FROM t
SELECT $1 + 1, $2 || 'x' FROM t WHERE a = $1
SELECT $name, :name = 5 FROM t
SELECT ? FROM t WHERE a = ? OR b = ?2
SELECT string_agg(b, ',') FROM t
SELECT sum(a) OVER () FROM t
        ",
        expect![[r#"
            -- SELECT a + f, a + c, a + e, c * 2, a / 2, a % 2, e ^ 2, a & 1, - a, + 'x' FROM t
            → ?column? bigint, ?column? numeric, ?column? double precision, ?column? numeric, ?column? integer, ?column? integer, ?column? double precision, ?column? integer, ?column? integer, ?column? double precision
            Project  (a + f, a + c, a + e, c * 2, a / 2, a % 2, e ^ 2, a & 1, -a, 'x'::double precision)
              Seq Scan on t
            -- SELECT d + 1, d - d, d + INTERVAL '1 day', d - '2020-01-01', now() - INTERVAL '1' HOUR FROM t
            → ?column? date, ?column? integer, ?column? timestamp without time zone, ?column? integer, ?column? timestamp with time zone
            Project  (d + 1, d - d, d + '1 day'::interval, d - '2020-01-01'::date, now() - '1 hour'::interval)
              Seq Scan on t
            -- SELECT a = '1', d > '2024-01-01', c = e, a = 1.5, b || a, 'x' || NULL FROM t
            → ?column? boolean, ?column? boolean, ?column? boolean, ?column? boolean, ?column? text, ?column? text
            Project  (a = '1'::integer, d > '2024-01-01'::date, c::double precision = e, a = 1.5, b || a::text, 'x' || NULL)
              Seq Scan on t
            -- SELECT a BETWEEN 1 AND 2, a NOT BETWEEN SYMMETRIC 3 AND 1, a IN (1, 2, NULL), b NOT IN ('x'), (a, b) IN ((1, 'x')), (a, b) < (1, 'y') FROM t
            → ?column? boolean, ?column? boolean, ?column? boolean, ?column? boolean, ?column? boolean, ?column? boolean
            Project  ((a >= 1) AND (a <= 2), NOT (((a >= 3) AND (a <= 1)) OR ((a >= 1) AND (a <= 3))), a IN (1, 2, NULL), NOT (b IN ('x')), ((a = 1) AND (b = 'x')), (a < 1) OR ((a = 1) AND (b < 'y')))
              Seq Scan on t
            -- SELECT CASE WHEN a > 1 THEN 1 ELSE 2.5 END, CASE b WHEN 'x' THEN true END, coalesce(a, 1.5), nullif(b, 'x') FROM t
            → case numeric, case boolean, coalesce numeric, nullif text
            Project  (CASE WHEN a > 1 THEN 1::numeric ELSE 2.5 END, CASE WHEN b = 'x' THEN TRUE END, coalesce(a::numeric, 1.5), nullif(b, 'x'))
              Seq Scan on t
            -- SELECT CAST(a AS TEXT), b::INT, '12'::INT, DATE '2024-01-01', a::VARCHAR(3), 1::BOOL FROM t
            → a text, b integer, int4 integer, date date, a character varying(3), bool boolean
            Project  (a::text, b::integer, '12'::integer, '2024-01-01'::date, a::character varying(3), 1::boolean)
              Seq Scan on t
            -- SELECT a = ANY($1), b = ANY(ARRAY['x']), a <> ALL('{1,2}'), b ~ '^x', b ILIKE '%y' ESCAPE '!' FROM t
            → ?column? boolean, ?column? boolean, ?column? boolean, ?column? boolean, ?column? boolean
            Project  (a = ANY ($1), b = ANY (ARRAY['x']), NOT (a = ANY ('{1,2}'::integer[])), regexp_like(b, '^x'), b ILIKE '%y' ESCAPE '!')
              Seq Scan on t
            parameters: ? integer[]
            -- SELECT a IS DISTINCT FROM NULL, (a > 1) IS NOT TRUE, b IS NULL FROM t
            → ?column? boolean, ?column? boolean, ?column? boolean
            Project  (a IS DISTINCT FROM NULL, (a > 1) IS NOT TRUE, b IS NULL)
              Seq Scan on t
            -- SELECT extract(year FROM d), position('x' IN b), substring(b FROM 2 FOR 3), trim(LEADING 'x' FROM b), ceil(e) FROM t
            → extract numeric, position integer, substring text, ltrim text, ceil double precision
            Project  (extract('year', d), strpos(b, 'x'), substr(b, 2, 3), ltrim(b, 'x'), ceil(e))
              Seq Scan on t
            -- SELECT 2147483648, 9223372036854775808, -2147483648, 1e3, 0.5, X'0aff'
            → ?column? bigint, ?column? numeric, ?column? integer, ?column? numeric, ?column? numeric, ?column? bytea
            Project  (2147483648, 9223372036854775808, -2147483648, 1000, 0.5, '\x0aff')
              Result  (1 row)
            -- SELECT a = b FROM t
            operator does not exist: integer = text (42883) at byte 7; hint: no operator matches these types; you might need to add explicit type casts
            -- SELECT a + b FROM t
            operator does not exist: integer + text (42883) at byte 7; hint: no operator matches these types; you might need to add explicit type casts
            -- SELECT a AND true FROM t
            argument of AND must be type boolean, not type integer (42804) at byte 7
            -- SELECT a FROM t WHERE b
            argument of WHERE must be type boolean, not type text (42804) at byte 22
            -- SELECT nosuch(a) FROM t
            function nosuch(integer) does not exist (42883) at byte 7; hint: No function of this name is known; SHOW FUNCTIONS lists all.
            -- SELECT lower(a, b) FROM t
            function lower(integer, text) does not exist (42883) at byte 7; hint: Known: lower(text). You might need to add explicit type casts.
            -- SELECT CASE WHEN true THEN 1 ELSE 'x' END
            → case integer
            Project  (CASE WHEN TRUE THEN 1 ELSE 'x'::integer END)
              Result  (1 row)
            -- SELECT CASE WHEN true THEN 1 ELSE b END FROM t
            CASE types integer and text cannot be matched (42804) at byte 27
            -- SELECT ARRAY[1, true]
            ARRAY types integer and boolean cannot be matched (42804) at byte 13
            -- SELECT a::DATE FROM t
            cannot cast type integer to date (42846) at byte 7
            -- SELECT a::nosuch FROM t
            type "nosuch" does not exist (42704) at byte 7
            -- SELECT $1 + 1, $2 || 'x' FROM t WHERE a = $1
            → ?column? integer, ?column? text
            Project  ($1 + 1, $2 || 'x')
              Filter  (a = $1)
                Seq Scan on t
            parameters: ? integer, ? text
            -- SELECT $name, :name = 5 FROM t
            → ?column? text, ?column? boolean
            Project  ($1, $1 = 5)
              Seq Scan on t
            parameters: name integer
            -- SELECT ? FROM t WHERE a = ? OR b = ?2
            parameters written as ? and as $1 cannot be mixed (42P02) at byte 35
            -- SELECT string_agg(b, ',') FROM t
            the aggregate string_agg is not supported (0A000) at byte 7
            -- SELECT sum(a) OVER () FROM t
            the window function sum is not supported (0A000) at byte 7
        "#]],
    );
}

#[test]
fn subqueries() {
    check(
        "
SELECT (SELECT max(a) FROM t), a FROM u
SELECT a FROM t WHERE a IN (SELECT a FROM u)
SELECT a FROM t WHERE a NOT IN (SELECT a FROM u) AND EXISTS (SELECT 1 FROM u WHERE g)
SELECT b, count(*) FROM t GROUP BY b HAVING count(*) > (SELECT min(a) FROM u)
SELECT a, a > ANY (SELECT a FROM u) FROM t
SELECT (SELECT a FROM u)
SELECT (SELECT a FROM u WHERE u.a = t.a LIMIT 1) FROM t
SELECT (SELECT 1, 2)
SELECT a, (SELECT g FROM u WHERE u.a = t.a) FROM t
SELECT a, (SELECT count(*) + 1 FROM u WHERE u.a = t.a AND g) AS n FROM t
SELECT a FROM t WHERE EXISTS (SELECT t.b FROM u JOIN user ON user_id = u.b WHERE u.a = t.a + 1 LIMIT 1)
SELECT a FROM t WHERE b NOT IN (SELECT b FROM u WHERE u.a = t.a)
SELECT b, sum(a) FROM t GROUP BY b HAVING EXISTS (SELECT 1 FROM u WHERE u.b = t.b)
SELECT b FROM t GROUP BY b HAVING EXISTS (SELECT 1 FROM u WHERE u.a = t.a)
SELECT a FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.a > t.a)
SELECT a FROM t WHERE EXISTS (SELECT 1 FROM u WHERE EXISTS (SELECT 1 FROM user WHERE user_login = t.b))
        ",
        expect![[r#"
            -- SELECT (SELECT max(a) FROM t), a FROM u
            → max integer, a integer
            Project  (max(t.a), u.a)
              Nested Loop
                Seq Scan on u
                Project  (max(t.a), TRUE)
                  Project  (max(t.a))
                    Aggregate  (max(t.a))
                      Seq Scan on t
            -- SELECT a FROM t WHERE a IN (SELECT a FROM u)
            → a integer
            Project  (t.a)
              Filter  (u.a IS NOT NULL)
                Hash Left Join  (t.a = u.a)
                  Seq Scan on t
                  Distinct
                    Filter  (u.a IS NOT NULL)
                      Project  (u.a)
                        Project  (u.a)
                          Seq Scan on u
            -- SELECT a FROM t WHERE a NOT IN (SELECT a FROM u) AND EXISTS (SELECT 1 FROM u WHERE g)
            → a integer
            Project  (t.a)
              Filter  ((NOT CASE WHEN (count(*) IS NULL) OR (count(*) = 0) THEN FALSE WHEN u.a IS NOT NULL THEN TRUE WHEN t.a IS NULL THEN NULL WHEN count(u.a) < count(*) THEN NULL ELSE FALSE END) AND (TRUE IS NOT NULL))
                Nested Loop Left Join
                  Nested Loop Left Join
                    Hash Left Join  (t.a = u.a)
                      Seq Scan on t
                      Distinct
                        Filter  (u.a IS NOT NULL)
                          Project  (u.a)
                            Project  (u.a)
                              Seq Scan on u
                    Aggregate  (count(*), count(u.a))
                      Project  (u.a)
                        Project  (u.a)
                          Seq Scan on u
                  Distinct
                    Project  (TRUE)
                      Project  (1)
                        Filter  (u.g)
                          Seq Scan on u
            -- SELECT b, count(*) FROM t GROUP BY b HAVING count(*) > (SELECT min(a) FROM u)
            → b text, count bigint
            Project  (t.b, count(*))
              Filter  (count(*) > min(u.a))
                Nested Loop
                  Aggregate  (count(*))  group by (t.b)
                    Seq Scan on t
                  Project  (min(u.a), TRUE)
                    Project  (min(u.a))
                      Aggregate  (min(u.a))
                        Seq Scan on u
            -- SELECT a, a > ANY (SELECT a FROM u) FROM t
            > ANY or ALL of a subquery is not supported (0A000) at byte 10
            -- SELECT (SELECT a FROM u)
            → a integer
            Project  (single_value(count(*), min(a)))
              Nested Loop Left Join
                Result  (1 row)
                Aggregate  (count(*), min(a))
                  Project  (a)
                    Seq Scan on u
            -- SELECT (SELECT a FROM u WHERE u.a = t.a LIMIT 1) FROM t
            a subquery that reads the query around it in this way is not supported (0A000) at byte 8; hint: compare with = in its WHERE, or join the tables instead
            -- SELECT (SELECT 1, 2)
            subquery must return only one column (42601) at byte 8
            -- SELECT a, (SELECT g FROM u WHERE u.a = t.a) FROM t
            → a integer, g boolean
            Project  (t.a, single_value(count(*), min(u.g)))
              Hash Left Join  (t.a = u.a)
                Seq Scan on t
                Aggregate  (count(*), min(u.g))  group by (u.a)
                  Project  (u.g, u.a)
                    Seq Scan on u
            -- SELECT a, (SELECT count(*) + 1 FROM u WHERE u.a = t.a AND g) AS n FROM t
            → a integer, n bigint
            Project  (t.a, CASE WHEN TRUE IS NULL THEN 0 + 1 ELSE count(*) + 1 END)
              Hash Left Join  (t.a = u.a)
                Seq Scan on t
                Project  (u.a, count(*) + 1, TRUE)
                  Project  (count(*) + 1, u.a)
                    Project  (count(*), u.a)
                      Aggregate  (count(*))  group by (u.a)
                        Filter  (u.g)
                          Seq Scan on u
            -- SELECT a FROM t WHERE EXISTS (SELECT t.b FROM u JOIN user ON user_id = u.b WHERE u.a = t.a + 1 LIMIT 1)
            → a integer
            Project  (t.a)
              Filter  (TRUE IS NOT NULL)
                Hash Left Join  (t.a + 1 = u.a)
                  Seq Scan on t
                  Distinct
                    Project  (u.a, TRUE)
                      Project  (NULL, u.a)
                        Nested Loop  (user.user_id = u.b)
                          Seq Scan on u
                          Seq Scan on user
            -- SELECT a FROM t WHERE b NOT IN (SELECT b FROM u WHERE u.a = t.a)
            → a integer
            Project  (t.a)
              Filter  (NOT CASE WHEN (count(*) IS NULL) OR (count(*) = 0) THEN FALSE WHEN u.b IS NOT NULL THEN TRUE WHEN t.b IS NULL THEN NULL WHEN count(u.b) < count(*) THEN NULL ELSE FALSE END)
                Hash Left Join  (t.a = u.a)
                  Hash Left Join  (t.b = u.b AND t.a = u.a)
                    Seq Scan on t
                    Distinct
                      Filter  (u.b IS NOT NULL)
                        Project  (u.b, u.a)
                          Project  (u.b, u.a)
                            Seq Scan on u
                  Aggregate  (count(*), count(u.b))  group by (u.a)
                    Project  (u.b, u.a)
                      Project  (u.b, u.a)
                        Seq Scan on u
            -- SELECT b, sum(a) FROM t GROUP BY b HAVING EXISTS (SELECT 1 FROM u WHERE u.b = t.b)
            → b text, sum bigint
            Project  (t.b, sum(t.a))
              Filter  (TRUE IS NOT NULL)
                Hash Left Join  (t.b = u.b)
                  Aggregate  (sum(t.a))  group by (t.b)
                    Seq Scan on t
                  Distinct
                    Project  (u.b, TRUE)
                      Project  (1, u.b)
                        Seq Scan on u
            -- SELECT b FROM t GROUP BY b HAVING EXISTS (SELECT 1 FROM u WHERE u.a = t.a)
            column "t.a" must appear in the GROUP BY clause or be used in an aggregate function (42803); hint: name the columns you want, each grouped or inside count, sum, min, max or avg; to choose rows rather than to group them, use WHERE
            -- SELECT a FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.a > t.a)
            → a integer
            Project  (t.a)
              Filter  (TRUE IS NOT NULL)
                Hash Left Join  (ARRAY[t.a] = ARRAY[t.a])
                  Seq Scan on t
                  Distinct
                    Project  (t.a, TRUE)
                      Project  (1, t.a)
                        Nested Loop  ((u.a > t.a))
                          Seq Scan on u
                          Distinct
                            Project  (t.a)
                              Seq Scan on t
            -- SELECT a FROM t WHERE EXISTS (SELECT 1 FROM u WHERE EXISTS (SELECT 1 FROM user WHERE user_login = t.b))
            a subquery that reads t.b of the query around it there is not supported (0A000) at byte 98; hint: read it in WHERE of the subquery, or join the tables instead
        "#]],
    );
}

#[test]
fn set_operations_and_ctes() {
    check(
        "
SELECT a FROM t UNION SELECT a FROM u ORDER BY a
SELECT a, 'x' FROM t UNION ALL SELECT f, b FROM t UNION ALL SELECT 1.5, NULL
SELECT a FROM t EXCEPT SELECT a FROM u
SELECT a FROM t INTERSECT SELECT a FROM u
SELECT a FROM t UNION SELECT a, b FROM t
SELECT a FROM t UNION SELECT b FROM t
SELECT a FROM t UNION SELECT a FROM u ORDER BY a + 1
WITH x AS (SELECT a FROM t), y (z) AS (SELECT a + 1 FROM x) SELECT * FROM x, y WHERE z > 1
WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT * FROM r
SELECT a FROM t INTERSECT ALL SELECT a FROM u
        ",
        expect![[r#"
            -- SELECT a FROM t UNION SELECT a FROM u ORDER BY a
            → a integer
            Sort  (a)
              Distinct
                Append
                  Project  (t.a)
                    Seq Scan on t
                  Project  (u.a)
                    Seq Scan on u
            -- SELECT a, 'x' FROM t UNION ALL SELECT f, b FROM t UNION ALL SELECT 1.5, NULL
            → a numeric, ?column? text
            Append
              Project  (t.a::numeric, 'x'::text)
                Project  (t.a, 'x')
                  Seq Scan on t
              Project  (t.f::numeric, t.b)
                Project  (t.f, t.b)
                  Seq Scan on t
              Project  (1.5, NULL::text)
                Project  (1.5, NULL)
                  Result  (1 row)
            -- SELECT a FROM t EXCEPT SELECT a FROM u
            → a integer
            Project  (a)
              Filter  ((min(side) = 1) AND (max(side) = 1))
                Aggregate  (min(side), max(side))  group by (a)
                  Append
                    Project  (t.a, 1)
                      Project  (t.a)
                        Seq Scan on t
                    Project  (u.a, 0)
                      Project  (u.a)
                        Seq Scan on u
            -- SELECT a FROM t INTERSECT SELECT a FROM u
            → a integer
            Project  (a)
              Filter  ((min(side) = 0) AND (max(side) = 1))
                Aggregate  (min(side), max(side))  group by (a)
                  Append
                    Project  (t.a, 1)
                      Project  (t.a)
                        Seq Scan on t
                    Project  (u.a, 0)
                      Project  (u.a)
                        Seq Scan on u
            -- SELECT a FROM t UNION SELECT a, b FROM t
            each UNION query must have the same number of columns (42601) at byte 22
            -- SELECT a FROM t UNION SELECT b FROM t
            UNION types integer and text cannot be matched (42804) at byte 22
            -- SELECT a FROM t UNION SELECT a FROM u ORDER BY a + 1
            invalid UNION/INTERSECT/EXCEPT ORDER BY clause (0A000) at byte 47; hint: only result column names and numbers can be used, not expressions; select from the union in brackets
            -- WITH x AS (SELECT a FROM t), y (z) AS (SELECT a + 1 FROM x) SELECT * FROM x, y WHERE z > 1
            → a integer, z integer
            Project  (t.a, t.a + 1)
              Filter  (t.a + 1 > 1)
                Nested Loop
                  Project  (t.a)
                    Seq Scan on t
                  Project  (t.a + 1)
                    Project  (t.a)
                      Seq Scan on t
            -- WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT * FROM r
            WITH RECURSIVE that refers to itself is not supported (0A000) at byte 63
            -- SELECT a FROM t INTERSECT ALL SELECT a FROM u
            INTERSECT ALL is not supported (0A000) at byte 30
        "#]],
    );
}
