//! Definitions to objects, as text.

use std::fmt::Write;

use expect_test::{Expect, expect};

use crate::fixture::{TABLES, define};
use tailwater::internals::catalog::{Catalog, Object};
use tailwater::internals::explain::expr_text;

fn describe(catalog: &Catalog, skip: usize) -> String {
    let mut out = String::new();
    for object in catalog.objects().skip(skip) {
        let _ = writeln!(out, "{} {}", object.kind_name(), object.name());
        match object {
            Object::Relation(relation) => {
                let names: Vec<String> = relation
                    .columns
                    .iter()
                    .map(|column| column.name.to_string())
                    .collect();
                for column in &relation.columns {
                    let _ = write!(out, "  {} {} {}", column.id.0, column.name, column.ty);
                    if column.not_null {
                        out.push_str(" not null");
                    }
                    if column.hidden {
                        out.push_str(" hidden");
                    }
                    if let Some(default) = &column.default {
                        let _ = write!(out, " default {}", expr_text(default, &[]));
                    }
                    if column.sequence.is_some() {
                        out.push_str(" from a sequence");
                    }
                    out.push('\n');
                    for field in &column.nested {
                        let null = if field.not_null { " not null" } else { "" };
                        let open = if field.open { " open" } else { "" };
                        let _ = writeln!(out, "    {} {}{null}{open}", field.path, field.ty);
                    }
                }
                for part in &relation.primary_key {
                    let down = if part.descending { " desc" } else { "" };
                    let _ = writeln!(
                        out,
                        "  key {} = {}{down}",
                        part.text,
                        expr_text(&part.expr, &names)
                    );
                }
                for check in &relation.checks {
                    let _ = writeln!(
                        out,
                        "  check {}: {}",
                        check.name,
                        expr_text(&check.expr, &names)
                    );
                }
            }
            Object::Index(index) => {
                for part in &index.parts {
                    let down = if part.descending { " desc" } else { "" };
                    let unique = if index.unique { " unique" } else { "" };
                    let _ = writeln!(out, "  {}{down}{unique}", part.text);
                }
            }
            Object::Module(module) => {
                let _ = writeln!(out, "  {}", module.sql);
            }
            Object::Sequence(sequence) => {
                let _ = writeln!(
                    out,
                    "  from {} by {} in {}..={}",
                    sequence.start, sequence.increment, sequence.min, sequence.max
                );
            }
        }
    }
    out
}

fn check(cases: &str, expected: Expect) {
    let mut out = String::new();
    for sql in cases.trim().lines().map(str::trim) {
        let mut catalog = Catalog::default();
        define(&mut catalog, TABLES).unwrap();
        let skip = catalog.objects().count();
        let text = match define(&mut catalog, sql) {
            Ok(()) => describe(&catalog, skip),
            Err(error) => error.to_string(),
        };
        let _ = writeln!(out, "-- {sql}\n{}", text.trim_end());
    }
    expected.assert_eq(&out);
}

#[test]
fn the_missions_tables() {
    let mut catalog = Catalog::default();
    let skip = catalog.objects().count();
    define(&mut catalog, TABLES).unwrap();
    expect![[r#"
        table user
          1 user_id character(32) not null
          2 user_login character varying(255)
          3 user_password character(64)
          4 user_email character varying(400)
          key user_id = user_id
        table chat_message
          1 chat_message_id character(32) not null
          2 chat_message_datetime timestamp without time zone
          3 chat_message_text text
          4 chat_message_chat_id character(32)
          5 chat_message_user_id character(32)
          key chat_message_id = chat_message_id
        table user_chat
          1 user_chat_chat_id character(32) not null
          2 user_chat_user_id character(32) not null
          key user_chat_chat_id = user_chat_chat_id
          key user_chat_user_id = user_chat_user_id
        table chat
          1 chat_id character(32) not null
          2 chat_topic character varying(32)
          3 chat_password character(64)
          4 user_chat_user_id character(32)
          key chat_id = chat_id
        table t
          1 a integer not null
          2 b text
          3 c numeric(10,2)
          4 d date
          5 e double precision
          6 f bigint
          key a = a
        table u
          4294967295 rowid bigint not null hidden
          1 a integer
          2 b text
          3 g boolean default TRUE
          key rowid = rowid
          check u_check: a > 0
        index u_b_key
          b unique
        table docs
          4294967295 rowid bigint not null hidden
          0 doc document not null
          key rowid = rowid
        table part
          1 id integer not null
          2 owner document
            name text not null open
            tags integer[] open
          3 user text
          0 doc document not null
          key id = id
        index part_name
          owner.name
        view v
          1 a integer
          2 name text
    "#]]
    .assert_eq(&describe(&catalog, skip));
}

#[test]
fn tables() {
    check(
        "
CREATE TABLE x (a SERIAL, b INT GENERATED ALWAYS AS IDENTITY (START 5), c TIMESTAMPTZ DEFAULT now(), d VARCHAR(3) DEFAULT 'abc' NOT NULL)
CREATE SEQUENCE s INCREMENT -1; CREATE TABLE x (a INT DEFAULT NEXT VALUE FOR s, b INT DEFAULT (nextval('s')))
CREATE TABLE x (a (b (c INT NOT NULL, ...), d TEXT UNIQUE), PRIMARY KEY (a.b.c DESC), CHECK (a.d <> 'x'), ...)
CREATE TABLE x (a INT CHECK (a > 1) CHECK (a < 5), CONSTRAINT big CHECK (a <> 3))
CREATE TABLE x AS SELECT a, b AS n, 1.5 AS z FROM t
CREATE TABLE x AS SELECT * FROM part
CREATE TABLE x (a INT, a TEXT)
CREATE TABLE x (a INT PRIMARY KEY, b INT PRIMARY KEY)
CREATE TABLE x (a INT, PRIMARY KEY (b))
CREATE TABLE x (a INT DEFAULT 'x' || 1)
CREATE TABLE x (a INT DEFAULT b)
CREATE TABLE x (a INT DEFAULT true)
CREATE TABLE x (a INT CHECK (b > 1))
CREATE TABLE x (a INT CHECK (a + 1))
CREATE TABLE x (a NUMERIC(2000))
CREATE TABLE x (a FOO)
CREATE TABLE x (a INT REFERENCES t (a))
CREATE TABLE x (a INT NOT NULL NULL)
CREATE TABLE x (a INT, UNIQUE (a, a))
CREATE TEMP TABLE x (a INT)
        ",
        expect![[r#"
            -- CREATE TABLE x (a SERIAL, b INT GENERATED ALWAYS AS IDENTITY (START 5), c TIMESTAMPTZ DEFAULT now(), d VARCHAR(3) DEFAULT 'abc' NOT NULL)
            table x
              4294967295 rowid bigint not null hidden
              1 a integer not null from a sequence
              2 b integer not null from a sequence
              3 c timestamp with time zone default now()
              4 d character varying(3) not null default 'abc'::character varying(3)
              key rowid = rowid
            sequence x_a_seq
              from 1 by 1 in 1..=2147483647
            sequence x_b_seq
              from 5 by 1 in 1..=2147483647
            -- CREATE SEQUENCE s INCREMENT -1; CREATE TABLE x (a INT DEFAULT NEXT VALUE FOR s, b INT DEFAULT (nextval('s')))
            sequence s
              from -1 by -1 in -9223372036854775808..=-1
            table x
              4294967295 rowid bigint not null hidden
              1 a integer from a sequence
              2 b integer from a sequence
              key rowid = rowid
            -- CREATE TABLE x (a (b (c INT NOT NULL, ...), d TEXT UNIQUE), PRIMARY KEY (a.b.c DESC), CHECK (a.d <> 'x'), ...)
            table x
              1 a document
                b document
                b.c integer not null open
                d text
              0 doc document not null
              key a.b.c = a.b.c desc
              check x_check: a.d <> 'x'
            index x_a_d_key
              a.d unique
            -- CREATE TABLE x (a INT CHECK (a > 1) CHECK (a < 5), CONSTRAINT big CHECK (a <> 3))
            table x
              4294967295 rowid bigint not null hidden
              1 a integer
              key rowid = rowid
              check x_a_check: a > 1
              check x_a_check1: a < 5
              check big: a <> 3
            -- CREATE TABLE x AS SELECT a, b AS n, 1.5 AS z FROM t
            table x
              4294967295 rowid bigint not null hidden
              1 a integer
              2 n text
              3 z numeric
              key rowid = rowid
            -- CREATE TABLE x AS SELECT * FROM part
            table x
              4294967295 rowid bigint not null hidden
              1 id integer
              2 owner document
              3 user text
              0 doc document not null
              key rowid = rowid
            -- CREATE TABLE x (a INT, a TEXT)
            column "a" specified more than once (42701) at byte 23
            -- CREATE TABLE x (a INT PRIMARY KEY, b INT PRIMARY KEY)
            multiple primary keys for table "x" are not allowed (42P16) at byte 35
            -- CREATE TABLE x (a INT, PRIMARY KEY (b))
            column "b" does not exist (42703) at byte 36; hint: did you mean x.a?
            -- CREATE TABLE x (a INT DEFAULT 'x' || 1)
            the column is of type integer but the expression is of type text (42804) at byte 30; hint: you will need to rewrite or cast the expression
            -- CREATE TABLE x (a INT DEFAULT b)
            column "b" does not exist (42703) at byte 30
            -- CREATE TABLE x (a INT DEFAULT true)
            the column is of type integer but the expression is of type boolean (42804) at byte 30; hint: you will need to rewrite or cast the expression
            -- CREATE TABLE x (a INT CHECK (b > 1))
            column "b" does not exist (42703) at byte 29; hint: did you mean x.a?
            -- CREATE TABLE x (a INT CHECK (a + 1))
            argument of CHECK must be type boolean, not type integer (42804) at byte 29
            -- CREATE TABLE x (a NUMERIC(2000))
            NUMERIC precision 2000 must be between 1 and 1000 (22023) at byte 16
            -- CREATE TABLE x (a FOO)
            type "foo" does not exist (42704) at byte 16
            -- CREATE TABLE x (a INT REFERENCES t (a))
            a foreign key is not supported (0A000) at byte 16; hint: leave REFERENCES out: it would not be checked, and what is not checked is not accepted
            -- CREATE TABLE x (a INT NOT NULL NULL)
            conflicting NULL/NOT NULL declarations for column "a" (42601) at byte 16
            -- CREATE TABLE x (a INT, UNIQUE (a, a))
            column "a" appears twice in a key (42701) at byte 34
            -- CREATE TEMP TABLE x (a INT)
            a temporary table is not supported (0A000) at byte 18; hint: use an ordinary table and DROP it, or a common table expression
        "#]],
    );
}

#[test]
fn indexes_and_views() {
    check(
        "
CREATE INDEX ON part (owner.name DESC, extra[0])
CREATE UNIQUE INDEX i ON t (b)
CREATE INDEX ON v (a)
CREATE INDEX ON t (lower(b))
CREATE INDEX ON t (nosuch)
CREATE INDEX ON tt (a)
CREATE MATERIALISED VIEW w (x) WITH (on_error = 'reject') AS SELECT a, count(*) AS n FROM t GROUP BY a ORDER BY n DESC
CREATE VIEW w AS SELECT *, 1 FROM docs
CREATE VIEW w AS SELECT a, a FROM t
CREATE MATERIALIZED VIEW w AS SELECT now() AS n FROM t
CREATE MATERIALIZED VIEW w AS SELECT a FROM t WHERE a = $1
CREATE MATERIALIZED VIEW w AS SELECT b FROM t ORDER BY a
CREATE MATERIALIZED VIEW w WITH (nosuch = 1) AS SELECT b FROM t
CREATE MATERIALISED VIEW chat AS SELECT * FROM chat WHERE blah GROUP BY chat_topic='x' ORDER BY chat_message_datetime
CREATE MATERIALISED VIEW chats AS SELECT * FROM chat GROUP BY chat_topic='x' ORDER BY chat_topic
        ",
        expect![[r#"
            -- CREATE INDEX ON part (owner.name DESC, extra[0])
            index part_owner_name_extra_0_idx
              owner.name desc
              extra[0]
            -- CREATE UNIQUE INDEX i ON t (b)
            index i
              b unique
            -- CREATE INDEX ON v (a)
            cannot create index on view "v" (42809) at byte 16; hint: index its tables, or make it a MATERIALIZED VIEW
            -- CREATE INDEX ON t (lower(b))
            an index on an expression is not supported (0A000) at byte 19; hint: index a column or a path into one, such as a.b[0]
            -- CREATE INDEX ON t (nosuch)
            column "nosuch" does not exist (42703) at byte 19
            -- CREATE INDEX ON tt (a)
            relation "tt" does not exist (42P01) at byte 16; hint: did you mean t?
            -- CREATE MATERIALISED VIEW w (x) WITH (on_error = 'reject') AS SELECT a, count(*) AS n FROM t GROUP BY a ORDER BY n DESC
            materialized view w
              1 x integer
              2 n bigint
            -- CREATE VIEW w AS SELECT *, 1 FROM docs
            * of an open table before other columns, in a view is not supported (0A000) at byte 24; hint: put it last, or name the columns
            -- CREATE VIEW w AS SELECT a, a FROM t
            column "a" specified more than once (42701) at byte 27; hint: give one of them another name: a AS a_2
            -- CREATE MATERIALIZED VIEW w AS SELECT now() AS n FROM t
            materialized view w
              1 n timestamp with time zone
            -- CREATE MATERIALIZED VIEW w AS SELECT a FROM t WHERE a = $1
            a view cannot have parameters (42P02); hint: write the value, or select the column and filter when reading the view
            -- CREATE MATERIALIZED VIEW w AS SELECT b FROM t ORDER BY a
            a view is ordered by columns it shows (42P10) at byte 55; hint: add the expression to the SELECT list, or order when reading the view
            -- CREATE MATERIALIZED VIEW w WITH (nosuch = 1) AS SELECT b FROM t
            unrecognized option nosuch = 1 (22023) at byte 25; hint: known: on_error = 'keep' or 'reject', placement = 'in commit'
            -- CREATE MATERIALISED VIEW chat AS SELECT * FROM chat WHERE blah GROUP BY chat_topic='x' ORDER BY chat_message_datetime
            column "blah" does not exist (42703) at byte 58
            -- CREATE MATERIALISED VIEW chats AS SELECT * FROM chat GROUP BY chat_topic='x' ORDER BY chat_topic
            column "chat.chat_id" must appear in the GROUP BY clause or be used in an aggregate function (42803) at byte 41; hint: name the columns you want, each grouped or inside count, sum, min, max or avg; to choose rows rather than to group them, use WHERE
        "#]],
    );
}
