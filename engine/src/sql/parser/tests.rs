//! Table-driven: text in, compact debug text or error out. Suites and hostile texts are in
//! `tests/parser_suites.rs`.

use expect_test::{Expect, expect};

use super::{parse_one, parse_script};
use crate::sql::statement::Statement;

/// Debug text without spans: `Ident { value: "a", … }` is `a`.
fn compact(debug: &str) -> String {
    let mut out = String::new();
    let mut rest = debug;
    while let Some(at) = rest.find("Ident { value: \"") {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let from = &from["Ident { value: \"".len()..];
        let (value, from) = from.split_once("\", quote_style: ").unwrap();
        out.push_str(value);
        if from.starts_with("Some('\"')") {
            out.push('"');
        }
        rest = from.split_once(") }").map_or("", |(_, rest)| rest);
    }
    out.push_str(rest);
    let mut text = String::new();
    let mut rest = out.as_str();
    while let Some(at) = rest.find("ObjectName([Identifier(") {
        text.push_str(&rest[..at]);
        let (name, after) = rest[at + "ObjectName([Identifier(".len()..]
            .split_once(")])")
            .unwrap();
        text.push_str(&name.replace("), Identifier(", "."));
        rest = after;
    }
    text.push_str(rest);
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some(at) = rest.find("ValueWithSpan { value: ") {
        out.push_str(&rest[..at]);
        let after = &rest[at + "ValueWithSpan { value: ".len()..];
        let (value, after) = after.split_once(", span: Span(").unwrap();
        out.push_str(value);
        rest = after.split_once(") }").map_or("", |(_, rest)| rest);
    }
    out.push_str(rest);
    out
}

fn check(cases: &str, expected: Expect) {
    let mut out = String::new();
    for sql in cases.trim().lines().map(str::trim) {
        let line = match parse_one(sql) {
            Ok(parsed) => compact(&format!("{:?}", parsed.statement)),
            Err(error) => error.to_string(),
        };
        out.push_str(&format!("{sql}\n  {line}\n"));
    }
    expected.assert_eq(&out);
}

#[test]
fn the_mission_parses_as_it_stands() {
    let sql = "
CREATE TABLE user (user_id CHAR(32), user_login VARCHAR(255), user_password CHAR(64), user_email VARCHAR(400), PRIMARY KEY (user_id));
CREATE TABLE chat_message (chat_message_id CHAR(32), chat_message_datetime DATETIME, chat_message_text TEXT,
                           chat_message_chat_id CHAR(32), chat_message_user_id CHAR(32), PRIMARY KEY (chat_message_id));
CREATE TABLE user_chat (user_chat_chat_id CHAR(32), user_chat_user_id CHAR(32), PRIMARY KEY (user_chat_chat_id, user_chat_user_id));
CREATE TABLE chat (chat_id CHAR(32), chat_topic VARCHAR(32), chat_password CHAR(64), user_chat_user_id CHAR(32), PRIMARY KEY (chat_id));
BEGIN; DECLARE c CURSOR FOR TAIL t; FETCH ALL c;
INSERT INTO user VALUES ('1', 'ann', 'x', 'a@b');
SELECT user.user_id, user, u.user FROM user AS u JOIN user ON user.user_id = u.user_id WHERE user = 'x';
UPDATE user SET user_login = 'b' WHERE user.user_id = '1';
CREATE MATERIALISED VIEW v AS SELECT * FROM chat;
SUBSCRIBE TO v;";
    let parsed = parse_script(sql).unwrap();
    assert_eq!(parsed.len(), 12);
    assert_eq!(
        &sql[parsed[5].text_range.clone()],
        "DECLARE c CURSOR FOR TAIL t"
    );
    let Statement::CreateView(view) = &parsed[10].statement else {
        panic!()
    };
    assert_eq!(&sql[view.query_range.clone()], "SELECT * FROM chat");
}

#[test]
fn the_authors_view_gets_an_error_that_helps() {
    check(
        "
CREATE MATERIALISED VIEW chat AS SELECT * FROM chat WHERE blah GROUP BY chat_topic=<some uuid> ORDER BY chat_message_datetime;
CREATE MATERIALISED VIEW chat AS SELECT * FROM chat WHERE blah GROUP BY chat_topic = <some uuid> ORDER BY ...
        ",
        expect![[r#"
            CREATE MATERIALISED VIEW chat AS SELECT * FROM chat WHERE blah GROUP BY chat_topic=<some uuid> ORDER BY chat_message_datetime;
              expected an expression, found < (42601) at byte 83; hint: <some uuid> stands for a value: write it in quotes, as in chat_topic = 'general', or use a parameter such as $1
            CREATE MATERIALISED VIEW chat AS SELECT * FROM chat WHERE blah GROUP BY chat_topic = <some uuid> ORDER BY ...
              expected an expression, found < (42601) at byte 85; hint: <some uuid> stands for a value: write it in quotes, as in chat_topic = 'general', or use a parameter such as $1
        "#]],
    );
}

#[test]
fn tables() {
    check(
        "
CREATE TABLE t
CREATE TABLE IF NOT EXISTS t (...)
CREATE TABLE t (a, b DEFAULT 10 NOT NULL, c INT UNIQUE, ...)
CREATE TABLE t (id INT PRIMARY KEY DESC, a (b INT NOT NULL, ...), d DOCUMENT (e TEXT), f DOCUMENT)
CREATE TABLE t (a INT CHECK (a > 1), CONSTRAINT k PRIMARY KEY (a DESC, b.c[0]), UNIQUE (a), CHECK (a < 9))
CREATE TABLE t (a INT GENERATED ALWAYS AS IDENTITY, b INT REFERENCES u (x) ON DELETE CASCADE)
CREATE TABLE t AS SELECT 1 AS a
CREATE UNIQUE INDEX IF NOT EXISTS i ON t (a.b[0] DESC, lower(c)) WHERE d
CREATE INDEX ON t(a)
CREATE TABLE t (..., a INT)
CREATE TABLE t (a INT,)
CREATE TABLE t (a INT
CREATE TABLE select (a INT)
CREATE TABLE t (a INT, PRIMARY KEY (a), b INT)
        ",
        expect![[r#"
            CREATE TABLE t
              CreateTable(CreateTable { name: t, if_not_exists: false, temporary: false, body: TableBody { columns: [], open: true }, constraints: [], options: [], query: None, with_data: true })
            CREATE TABLE IF NOT EXISTS t (...)
              CreateTable(CreateTable { name: t, if_not_exists: true, temporary: false, body: TableBody { columns: [], open: true }, constraints: [], options: [], query: None, with_data: true })
            CREATE TABLE t (a, b DEFAULT 10 NOT NULL, c INT UNIQUE, ...)
              CreateTable(CreateTable { name: t, if_not_exists: false, temporary: false, body: TableBody { columns: [ColumnDef { name: a, data_type: None, fields: None, options: [] }, ColumnDef { name: b, data_type: None, fields: None, options: [Default(Value(Number("10", false))), NotNull] }, ColumnDef { name: c, data_type: Some(Int(None)), fields: None, options: [Unique { name: None }] }], open: true }, constraints: [], options: [], query: None, with_data: true })
            CREATE TABLE t (id INT PRIMARY KEY DESC, a (b INT NOT NULL, ...), d DOCUMENT (e TEXT), f DOCUMENT)
              CreateTable(CreateTable { name: t, if_not_exists: false, temporary: false, body: TableBody { columns: [ColumnDef { name: id, data_type: Some(Int(None)), fields: None, options: [PrimaryKey { name: None, descending: true }] }, ColumnDef { name: a, data_type: None, fields: Some(TableBody { columns: [ColumnDef { name: b, data_type: Some(Int(None)), fields: None, options: [NotNull] }], open: true }), options: [] }, ColumnDef { name: d, data_type: None, fields: Some(TableBody { columns: [ColumnDef { name: e, data_type: Some(Text), fields: None, options: [] }], open: false }), options: [] }, ColumnDef { name: f, data_type: Some(Custom(DOCUMENT, [])), fields: None, options: [] }], open: false }, constraints: [], options: [], query: None, with_data: true })
            CREATE TABLE t (a INT CHECK (a > 1), CONSTRAINT k PRIMARY KEY (a DESC, b.c[0]), UNIQUE (a), CHECK (a < 9))
              CreateTable(CreateTable { name: t, if_not_exists: false, temporary: false, body: TableBody { columns: [ColumnDef { name: a, data_type: Some(Int(None)), fields: None, options: [Check { name: None, expr: BinaryOp { left: Identifier(a), op: Gt, right: Value(Number("1", false)) } }] }], open: false }, constraints: [PrimaryKey { name: Some(k), columns: [KeyPart { on: Path(Path { root: a, steps: [] }), descending: true, nulls_first: None }, KeyPart { on: Path(Path { root: b, steps: [Field(c), Index(0)] }), descending: false, nulls_first: None }] }, Unique { name: None, columns: [KeyPart { on: Path(Path { root: a, steps: [] }), descending: false, nulls_first: None }], nulls_equal: false }, Check { name: None, expr: BinaryOp { left: Identifier(a), op: Lt, right: Value(Number("9", false)) } }], options: [], query: None, with_data: true })
            CREATE TABLE t (a INT GENERATED ALWAYS AS IDENTITY, b INT REFERENCES u (x) ON DELETE CASCADE)
              CreateTable(CreateTable { name: t, if_not_exists: false, temporary: false, body: TableBody { columns: [ColumnDef { name: a, data_type: Some(Int(None)), fields: None, options: [Identity { always: true, options: SequenceOptions { data_type: None, increment: None, min: None, max: None, start: None, restart: None, cache: None, cycle: None, owned_by: None } }] }, ColumnDef { name: b, data_type: Some(Int(None)), fields: None, options: [References { name: None, target: ForeignTarget { table: u, columns: [x], on_delete: Cascade, on_update: NoAction } }] }], open: false }, constraints: [], options: [], query: None, with_data: true })
            CREATE TABLE t AS SELECT 1 AS a
              CreateTable(CreateTable { name: t, if_not_exists: false, temporary: false, body: TableBody { columns: [], open: true }, constraints: [], options: [], query: Some(Query { with: None, body: Select(Select { select_token: TokenWithSpan { token: Word(Word { value: "SELECT", quote_style: None, keyword: SELECT }), span: Span(Location(1,19)..Location(1,25)) }, optimizer_hints: [], distinct: None, select_modifiers: None, top: None, top_before_distinct: false, projection: [ExprWithAlias { expr: Value(Number("1", false)), alias: a }], exclude: None, into: None, from: [], lateral_views: [], prewhere: None, selection: None, connect_by: [], group_by: Expressions([], []), cluster_by: [], distribute_by: [], sort_by: [], having: None, named_window: [], qualify: None, window_before_qualify: false, value_table_mode: None, flavor: Standard }), order_by: None, limit_clause: None, fetch: None, locks: [], for_clause: None, settings: None, format_clause: None, pipe_operators: [] }), with_data: true })
            CREATE UNIQUE INDEX IF NOT EXISTS i ON t (a.b[0] DESC, lower(c)) WHERE d
              CreateIndex(CreateIndex { name: Some(i), table: t, unique: true, if_not_exists: true, columns: [KeyPart { on: Path(Path { root: a, steps: [Field(b), Index(0)] }), descending: true, nulls_first: None }, KeyPart { on: Expr(Function(Function { name: lower, uses_odbc_syntax: false, parameters: None, args: List(FunctionArgumentList { duplicate_treatment: None, args: [Unnamed(Expr(Identifier(c)))], clauses: [] }), within_group: [], filter: None, null_treatment: None, over: None })), descending: false, nulls_first: None }], include: [], filter: Some(Identifier(d)), nulls_equal: false })
            CREATE INDEX ON t(a)
              CreateIndex(CreateIndex { name: None, table: t, unique: false, if_not_exists: false, columns: [KeyPart { on: Path(Path { root: a, steps: [] }), descending: false, nulls_first: None }], include: [], filter: None, nulls_equal: false })
            CREATE TABLE t (..., a INT)
              ... stands at the end of the list (42601) at byte 19; hint: declare columns and constraints before ...
            CREATE TABLE t (a INT,)
              expected a name, found ) (42601) at byte 22
            CREATE TABLE t (a INT
              expected ',' or ')' in the list of columns, but the statement ends (42601) at byte 21
            CREATE TABLE select (a INT)
              expected a name, found the reserved word select (42601) at byte 13; hint: a reserved word in double quotes can be a name
            CREATE TABLE t (a INT, PRIMARY KEY (a), b INT)
              a column after a table constraint (42601) at byte 40; hint: declare all columns first, then the constraints
        "#]],
    );
}

#[test]
fn writes() {
    check(
        r#"
INSERT INTO t VALUES {a: 1, "b c": [1, 2], d: {e: NULL}}, {}
INSERT INTO t VALUES ?
INSERT INTO t (a, b) VALUES (1, DEFAULT), (?, $name) ON CONFLICT DO REPLACE RETURNING *, a.b[0] AS x
INSERT INTO t VALUES (:x) ON CONFLICT IGNORE
INSERT INTO t VALUES (1) ON CONFLICT (a, b.c) WHERE d DO UPDATE SET e = excluded.e, (f, g) = (1, DEFAULT) WHERE t.e < 9
INSERT INTO t SELECT * FROM u
INSERT INTO t (SELECT 1)
INSERT INTO t DEFAULT VALUES
INSERT INTO t VALUES (1) UNION VALUES (2)
WITH x AS (SELECT 1 AS a) INSERT INTO t SELECT a FROM x
UPDATE t SET a.b[0] = 1, `c d`["e f"][-1] = DEFAULT WHERE g = 1 RETURNING a
UPDATE t AS x UNSET a, b.c WHERE x.d
UPDATE t SET a = u.a FROM u WHERE u.b = t.b
DELETE FROM t AS x WHERE a ORDER BY b DESC LIMIT 1 OFFSET 2
DELETE FROM t USING u WHERE t.a = u.a RETURNING t.*
UPDATE t a = 1
INSERT INTO t 1
        "#,
        expect![[r#"
            INSERT INTO t VALUES {a: 1, "b c": [1, 2], d: {e: NULL}}, {}
              Insert(Insert { with: None, table: t, alias: None, columns: [], overriding_system: None, source: Rows([Document(Dictionary([DictionaryField { key: a, value: Value(Number("1", false)) }, DictionaryField { key: b c", value: Array(Array { elem: [Value(Number("1", false)), Value(Number("2", false))], named: false }) }, DictionaryField { key: d, value: Dictionary([DictionaryField { key: e, value: Value(Null) }]) }])), Document(Dictionary([]))]), on_conflict: None, returning: None })
            INSERT INTO t VALUES ?
              Insert(Insert { with: None, table: t, alias: None, columns: [], overriding_system: None, source: Rows([Document(Value(Placeholder("?")))]), on_conflict: None, returning: None })
            INSERT INTO t (a, b) VALUES (1, DEFAULT), (?, $name) ON CONFLICT DO REPLACE RETURNING *, a.b[0] AS x
              Insert(Insert { with: None, table: t, alias: None, columns: [a, b], overriding_system: None, source: Rows([Tuple([Some(Value(Number("1", false))), None]), Tuple([Some(Value(Placeholder("?"))), Some(Value(Placeholder("$name")))])]), on_conflict: Some(OnConflict { target: None, action: Replace }), returning: Some([Wildcard(WildcardAdditionalOptions { wildcard_token: TokenWithSpan { token: Mul, span: Span(Location(1,87)..Location(1,88)) }, opt_ilike: None, opt_exclude: None, opt_except: None, opt_replace: None, opt_rename: None, opt_alias: None }), ExprWithAlias { expr: CompoundFieldAccess { root: Identifier(a), access_chain: [Dot(Identifier(b)), Subscript(Index { index: Value(Number("0", false)) })] }, alias: x }]) })
            INSERT INTO t VALUES (:x) ON CONFLICT IGNORE
              Insert(Insert { with: None, table: t, alias: None, columns: [], overriding_system: None, source: Rows([Tuple([Some(Value(Placeholder(":x")))])]), on_conflict: Some(OnConflict { target: None, action: Nothing }), returning: None })
            INSERT INTO t VALUES (1) ON CONFLICT (a, b.c) WHERE d DO UPDATE SET e = excluded.e, (f, g) = (1, DEFAULT) WHERE t.e < 9
              Insert(Insert { with: None, table: t, alias: None, columns: [], overriding_system: None, source: Rows([Tuple([Some(Value(Number("1", false)))])]), on_conflict: Some(OnConflict { target: Some(Columns([KeyPart { on: Path(Path { root: a, steps: [] }), descending: false, nulls_first: None }, KeyPart { on: Path(Path { root: b, steps: [Field(c)] }), descending: false, nulls_first: None }], Some(Identifier(d)))), action: Update { assignments: [Path(Path { root: e, steps: [] }, Some(CompoundIdentifier([excluded, e]))), Row([Path { root: f, steps: [] }, Path { root: g, steps: [] }], [Some(Value(Number("1", false))), None])], filter: Some(BinaryOp { left: CompoundIdentifier([t, e]), op: Lt, right: Value(Number("9", false)) }) } }), returning: None })
            INSERT INTO t SELECT * FROM u
              Insert(Insert { with: None, table: t, alias: None, columns: [], overriding_system: None, source: Query(Query { with: None, body: Select(Select { select_token: TokenWithSpan { token: Word(Word { value: "SELECT", quote_style: None, keyword: SELECT }), span: Span(Location(1,15)..Location(1,21)) }, optimizer_hints: [], distinct: None, select_modifiers: None, top: None, top_before_distinct: false, projection: [Wildcard(WildcardAdditionalOptions { wildcard_token: TokenWithSpan { token: Mul, span: Span(Location(1,22)..Location(1,23)) }, opt_ilike: None, opt_exclude: None, opt_except: None, opt_replace: None, opt_rename: None, opt_alias: None })], exclude: None, into: None, from: [TableWithJoins { relation: Table { name: u, alias: None, args: None, with_hints: [], version: None, with_ordinality: false, partitions: [], json_path: None, sample: None, index_hints: [] }, joins: [] }], lateral_views: [], prewhere: None, selection: None, connect_by: [], group_by: Expressions([], []), cluster_by: [], distribute_by: [], sort_by: [], having: None, named_window: [], qualify: None, window_before_qualify: false, value_table_mode: None, flavor: Standard }), order_by: None, limit_clause: None, fetch: None, locks: [], for_clause: None, settings: None, format_clause: None, pipe_operators: [] }), on_conflict: None, returning: None })
            INSERT INTO t (SELECT 1)
              Insert(Insert { with: None, table: t, alias: None, columns: [], overriding_system: None, source: Query(Query { with: None, body: Query(Query { with: None, body: Select(Select { select_token: TokenWithSpan { token: Word(Word { value: "SELECT", quote_style: None, keyword: SELECT }), span: Span(Location(1,16)..Location(1,22)) }, optimizer_hints: [], distinct: None, select_modifiers: None, top: None, top_before_distinct: false, projection: [UnnamedExpr(Value(Number("1", false)))], exclude: None, into: None, from: [], lateral_views: [], prewhere: None, selection: None, connect_by: [], group_by: Expressions([], []), cluster_by: [], distribute_by: [], sort_by: [], having: None, named_window: [], qualify: None, window_before_qualify: false, value_table_mode: None, flavor: Standard }), order_by: None, limit_clause: None, fetch: None, locks: [], for_clause: None, settings: None, format_clause: None, pipe_operators: [] }), order_by: None, limit_clause: None, fetch: None, locks: [], for_clause: None, settings: None, format_clause: None, pipe_operators: [] }), on_conflict: None, returning: None })
            INSERT INTO t DEFAULT VALUES
              Insert(Insert { with: None, table: t, alias: None, columns: [], overriding_system: None, source: Defaults, on_conflict: None, returning: None })
            INSERT INTO t VALUES (1) UNION VALUES (2)
              Insert(Insert { with: None, table: t, alias: None, columns: [], overriding_system: None, source: Query(Query { with: None, body: SetOperation { left: Values(Values { explicit_row: false, value_keyword: false, rows: [Parens { opening_token: TokenWithSpan { token: LParen, span: Span(Location(1,22)..Location(1,23)) }, content: [Value(Number("1", false))], closing_token: TokenWithSpan { token: RParen, span: Span(Location(1,24)..Location(1,25)) } }] }), op: Union, set_quantifier: None, right: Values(Values { explicit_row: false, value_keyword: false, rows: [Parens { opening_token: TokenWithSpan { token: LParen, span: Span(Location(1,39)..Location(1,40)) }, content: [Value(Number("2", false))], closing_token: TokenWithSpan { token: RParen, span: Span(Location(1,41)..Location(1,42)) } }] }) }, order_by: None, limit_clause: None, fetch: None, locks: [], for_clause: None, settings: None, format_clause: None, pipe_operators: [] }), on_conflict: None, returning: None })
            WITH x AS (SELECT 1 AS a) INSERT INTO t SELECT a FROM x
              Insert(Insert { with: Some(With { with_token: TokenWithSpan { token: Word(Word { value: "WITH", quote_style: None, keyword: WITH }), span: Span(Location(1,1)..Location(1,5)) }, recursive: false, cte_tables: [Cte { alias: TableAlias { explicit: false, name: x, columns: [], at: None }, query: Query { with: None, body: Select(Select { select_token: TokenWithSpan { token: Word(Word { value: "SELECT", quote_style: None, keyword: SELECT }), span: Span(Location(1,12)..Location(1,18)) }, optimizer_hints: [], distinct: None, select_modifiers: None, top: None, top_before_distinct: false, projection: [ExprWithAlias { expr: Value(Number("1", false)), alias: a }], exclude: None, into: None, from: [], lateral_views: [], prewhere: None, selection: None, connect_by: [], group_by: Expressions([], []), cluster_by: [], distribute_by: [], sort_by: [], having: None, named_window: [], qualify: None, window_before_qualify: false, value_table_mode: None, flavor: Standard }), order_by: None, limit_clause: None, fetch: None, locks: [], for_clause: None, settings: None, format_clause: None, pipe_operators: [] }, from: None, materialized: None, closing_paren_token: TokenWithSpan { token: RParen, span: Span(Location(1,25)..Location(1,26)) } }] }), table: t, alias: None, columns: [], overriding_system: None, source: Query(Query { with: None, body: Select(Select { select_token: TokenWithSpan { token: Word(Word { value: "SELECT", quote_style: None, keyword: SELECT }), span: Span(Location(1,41)..Location(1,47)) }, optimizer_hints: [], distinct: None, select_modifiers: None, top: None, top_before_distinct: false, projection: [UnnamedExpr(Identifier(a))], exclude: None, into: None, from: [TableWithJoins { relation: Table { name: x, alias: None, args: None, with_hints: [], version: None, with_ordinality: false, partitions: [], json_path: None, sample: None, index_hints: [] }, joins: [] }], lateral_views: [], prewhere: None, selection: None, connect_by: [], group_by: Expressions([], []), cluster_by: [], distribute_by: [], sort_by: [], having: None, named_window: [], qualify: None, window_before_qualify: false, value_table_mode: None, flavor: Standard }), order_by: None, limit_clause: None, fetch: None, locks: [], for_clause: None, settings: None, format_clause: None, pipe_operators: [] }), on_conflict: None, returning: None })
            UPDATE t SET a.b[0] = 1, `c d`["e f"][-1] = DEFAULT WHERE g = 1 RETURNING a
              Update(Update { with: None, table: t, alias: None, assignments: [Path(Path { root: a, steps: [Field(b), Index(0)] }, Some(Value(Number("1", false)))), Path(Path { root: c d, steps: [Field(e f"), Index(-1)] }, None)], unset: [], from: [], filter: Some(BinaryOp { left: Identifier(g), op: Eq, right: Value(Number("1", false)) }), returning: Some([UnnamedExpr(Identifier(a))]) })
            UPDATE t AS x UNSET a, b.c WHERE x.d
              Update(Update { with: None, table: t, alias: Some(x), assignments: [], unset: [Path { root: a, steps: [] }, Path { root: b, steps: [Field(c)] }], from: [], filter: Some(CompoundIdentifier([x, d])), returning: None })
            UPDATE t SET a = u.a FROM u WHERE u.b = t.b
              Update(Update { with: None, table: t, alias: None, assignments: [Path(Path { root: a, steps: [] }, Some(CompoundIdentifier([u, a])))], unset: [], from: [TableWithJoins { relation: Table { name: u, alias: None, args: None, with_hints: [], version: None, with_ordinality: false, partitions: [], json_path: None, sample: None, index_hints: [] }, joins: [] }], filter: Some(BinaryOp { left: CompoundIdentifier([u, b]), op: Eq, right: CompoundIdentifier([t, b]) }), returning: None })
            DELETE FROM t AS x WHERE a ORDER BY b DESC LIMIT 1 OFFSET 2
              Delete(Delete { with: None, table: t, alias: Some(x), using: [], filter: Some(Identifier(a)), order_by: [OrderByExpr { expr: Identifier(b), options: OrderByOptions { sort: Some(Desc), nulls_first: None }, with_fill: None }], limit: Some(Value(Number("1", false))), offset: Some(Value(Number("2", false))), returning: None })
            DELETE FROM t USING u WHERE t.a = u.a RETURNING t.*
              Delete(Delete { with: None, table: t, alias: None, using: [TableWithJoins { relation: Table { name: u, alias: None, args: None, with_hints: [], version: None, with_ordinality: false, partitions: [], json_path: None, sample: None, index_hints: [] }, joins: [] }], filter: Some(BinaryOp { left: CompoundIdentifier([t, a]), op: Eq, right: CompoundIdentifier([u, a]) }), order_by: [], limit: None, offset: None, returning: Some([QualifiedWildcard(ObjectName(t), WildcardAdditionalOptions { wildcard_token: TokenWithSpan { token: Mul, span: Span(Location(1,51)..Location(1,52)) }, opt_ilike: None, opt_exclude: None, opt_except: None, opt_replace: None, opt_rename: None, opt_alias: None })]) })
            UPDATE t a = 1
              expected SET or UNSET, found = (42601) at byte 11
            INSERT INTO t 1
              expected VALUES or SELECT, found 1 (42601) at byte 14
        "#]],
    );
}

#[test]
fn expressions_of_our_own() {
    check(
        r#"
SELECT a IN b, a NOT IN [1, 2], a IN (1, 2), a IN ?
SELECT a BETWEEN SYMMETRIC 3 AND 1 AND b, a NOT BETWEEN SYMMETRIC 1 AND 2, a BETWEEN ASYMMETRIC 1 AND 2
SELECT NEXT VALUE FOR s.q, next
SELECT `a b`.c[0].d, "x y"['k'], a=`b`, a=?
SELECT user, user.user, user()
SELECT {a: b, 'c': {"d e": 1,}}.a
SELECT doc ? 'key', ?, ?2
SELECT 'a'::INT, {a: 1}::DOCUMENT
SELECT 1 WHERE a AND b AND c AND d OR e
SELECT {a 1}
SELECT {1: 2}
        "#,
        expect![[r#"
            SELECT a IN b, a NOT IN [1, 2], a IN (1, 2), a IN ?
              Query(Query { with: None, body: Select(Select { select_token: TokenWithSpan { token: Word(Word { value: "SELECT", quote_style: None, keyword: SELECT }), span: Span(Location(1,1)..Location(1,7)) }, optimizer_hints: [], distinct: None, select_modifiers: None, top: None, top_before_distinct: false, projection: [UnnamedExpr(AnyOp { left: Identifier(a), compare_op: Eq, right: Identifier(b), is_some: false }), UnnamedExpr(AllOp { left: Identifier(a), compare_op: NotEq, right: Array(Array { elem: [Value(Number("1", false)), Value(Number("2", false))], named: false }) }), UnnamedExpr(InList { expr: Identifier(a), list: [Value(Number("1", false)), Value(Number("2", false))], negated: false }), UnnamedExpr(AnyOp { left: Identifier(a), compare_op: Eq, right: Value(Placeholder("?")), is_some: false })], exclude: None, into: None, from: [], lateral_views: [], prewhere: None, selection: None, connect_by: [], group_by: Expressions([], []), cluster_by: [], distribute_by: [], sort_by: [], having: None, named_window: [], qualify: None, window_before_qualify: false, value_table_mode: None, flavor: Standard }), order_by: None, limit_clause: None, fetch: None, locks: [], for_clause: None, settings: None, format_clause: None, pipe_operators: [] })
            SELECT a BETWEEN SYMMETRIC 3 AND 1 AND b, a NOT BETWEEN SYMMETRIC 1 AND 2, a BETWEEN ASYMMETRIC 1 AND 2
              Query(Query { with: None, body: Select(Select { select_token: TokenWithSpan { token: Word(Word { value: "SELECT", quote_style: None, keyword: SELECT }), span: Span(Location(1,1)..Location(1,7)) }, optimizer_hints: [], distinct: None, select_modifiers: None, top: None, top_before_distinct: false, projection: [UnnamedExpr(BinaryOp { left: Function(Function { name: between_symmetric, uses_odbc_syntax: false, parameters: None, args: List(FunctionArgumentList { duplicate_treatment: None, args: [Unnamed(Expr(Identifier(a))), Unnamed(Expr(Value(Number("3", false)))), Unnamed(Expr(Value(Number("1", false))))], clauses: [] }), within_group: [], filter: None, null_treatment: None, over: None }), op: And, right: Identifier(b) }), UnnamedExpr(UnaryOp { op: Not, expr: Function(Function { name: between_symmetric, uses_odbc_syntax: false, parameters: None, args: List(FunctionArgumentList { duplicate_treatment: None, args: [Unnamed(Expr(Identifier(a))), Unnamed(Expr(Value(Number("1", false)))), Unnamed(Expr(Value(Number("2", false))))], clauses: [] }), within_group: [], filter: None, null_treatment: None, over: None }) }), UnnamedExpr(Between { expr: Identifier(a), negated: false, low: Value(Number("1", false)), high: Value(Number("2", false)) })], exclude: None, into: None, from: [], lateral_views: [], prewhere: None, selection: None, connect_by: [], group_by: Expressions([], []), cluster_by: [], distribute_by: [], sort_by: [], having: None, named_window: [], qualify: None, window_before_qualify: false, value_table_mode: None, flavor: Standard }), order_by: None, limit_clause: None, fetch: None, locks: [], for_clause: None, settings: None, format_clause: None, pipe_operators: [] })
            SELECT NEXT VALUE FOR s.q, next
              Query(Query { with: None, body: Select(Select { select_token: TokenWithSpan { token: Word(Word { value: "SELECT", quote_style: None, keyword: SELECT }), span: Span(Location(1,1)..Location(1,7)) }, optimizer_hints: [], distinct: None, select_modifiers: None, top: None, top_before_distinct: false, projection: [UnnamedExpr(Function(Function { name: nextval, uses_odbc_syntax: false, parameters: None, args: List(FunctionArgumentList { duplicate_treatment: None, args: [Unnamed(Expr(Value(SingleQuotedString("s.q"))))], clauses: [] }), within_group: [], filter: None, null_treatment: None, over: None })), UnnamedExpr(Identifier(next))], exclude: None, into: None, from: [], lateral_views: [], prewhere: None, selection: None, connect_by: [], group_by: Expressions([], []), cluster_by: [], distribute_by: [], sort_by: [], having: None, named_window: [], qualify: None, window_before_qualify: false, value_table_mode: None, flavor: Standard }), order_by: None, limit_clause: None, fetch: None, locks: [], for_clause: None, settings: None, format_clause: None, pipe_operators: [] })
            SELECT `a b`.c[0].d, "x y"['k'], a=`b`, a=?
              Query(Query { with: None, body: Select(Select { select_token: TokenWithSpan { token: Word(Word { value: "SELECT", quote_style: None, keyword: SELECT }), span: Span(Location(1,1)..Location(1,7)) }, optimizer_hints: [], distinct: None, select_modifiers: None, top: None, top_before_distinct: false, projection: [UnnamedExpr(CompoundFieldAccess { root: Identifier(a b), access_chain: [Dot(Identifier(c)), Subscript(Index { index: Value(Number("0", false)) }), Dot(Identifier(d))] }), UnnamedExpr(CompoundFieldAccess { root: Identifier(x y"), access_chain: [Subscript(Index { index: Value(SingleQuotedString("k")) })] }), UnnamedExpr(BinaryOp { left: Identifier(a), op: Eq, right: Identifier(b) }), UnnamedExpr(BinaryOp { left: Identifier(a), op: Eq, right: Value(Placeholder("?")) })], exclude: None, into: None, from: [], lateral_views: [], prewhere: None, selection: None, connect_by: [], group_by: Expressions([], []), cluster_by: [], distribute_by: [], sort_by: [], having: None, named_window: [], qualify: None, window_before_qualify: false, value_table_mode: None, flavor: Standard }), order_by: None, limit_clause: None, fetch: None, locks: [], for_clause: None, settings: None, format_clause: None, pipe_operators: [] })
            SELECT user, user.user, user()
              expected the end of the statement, found ( (42601) at byte 28
            SELECT {a: b, 'c': {"d e": 1,}}.a
              Query(Query { with: None, body: Select(Select { select_token: TokenWithSpan { token: Word(Word { value: "SELECT", quote_style: None, keyword: SELECT }), span: Span(Location(1,1)..Location(1,7)) }, optimizer_hints: [], distinct: None, select_modifiers: None, top: None, top_before_distinct: false, projection: [UnnamedExpr(CompoundFieldAccess { root: Dictionary([DictionaryField { key: a, value: Identifier(b) }, DictionaryField { key: c", value: Dictionary([DictionaryField { key: d e", value: Value(Number("1", false)) }]) }]), access_chain: [Dot(Identifier(a))] })], exclude: None, into: None, from: [], lateral_views: [], prewhere: None, selection: None, connect_by: [], group_by: Expressions([], []), cluster_by: [], distribute_by: [], sort_by: [], having: None, named_window: [], qualify: None, window_before_qualify: false, value_table_mode: None, flavor: Standard }), order_by: None, limit_clause: None, fetch: None, locks: [], for_clause: None, settings: None, format_clause: None, pipe_operators: [] })
            SELECT doc ? 'key', ?, ?2
              Query(Query { with: None, body: Select(Select { select_token: TokenWithSpan { token: Word(Word { value: "SELECT", quote_style: None, keyword: SELECT }), span: Span(Location(1,1)..Location(1,7)) }, optimizer_hints: [], distinct: None, select_modifiers: None, top: None, top_before_distinct: false, projection: [UnnamedExpr(BinaryOp { left: Identifier(doc), op: Question, right: Value(SingleQuotedString("key")) }), UnnamedExpr(Value(Placeholder("?"))), UnnamedExpr(Value(Placeholder("?2")))], exclude: None, into: None, from: [], lateral_views: [], prewhere: None, selection: None, connect_by: [], group_by: Expressions([], []), cluster_by: [], distribute_by: [], sort_by: [], having: None, named_window: [], qualify: None, window_before_qualify: false, value_table_mode: None, flavor: Standard }), order_by: None, limit_clause: None, fetch: None, locks: [], for_clause: None, settings: None, format_clause: None, pipe_operators: [] })
            SELECT 'a'::INT, {a: 1}::DOCUMENT
              Query(Query { with: None, body: Select(Select { select_token: TokenWithSpan { token: Word(Word { value: "SELECT", quote_style: None, keyword: SELECT }), span: Span(Location(1,1)..Location(1,7)) }, optimizer_hints: [], distinct: None, select_modifiers: None, top: None, top_before_distinct: false, projection: [UnnamedExpr(Cast { kind: DoubleColon, expr: Value(SingleQuotedString("a")), data_type: Int(None), format: None }), UnnamedExpr(Cast { kind: DoubleColon, expr: Dictionary([DictionaryField { key: a, value: Value(Number("1", false)) }]), data_type: Custom(DOCUMENT, []), format: None })], exclude: None, into: None, from: [], lateral_views: [], prewhere: None, selection: None, connect_by: [], group_by: Expressions([], []), cluster_by: [], distribute_by: [], sort_by: [], having: None, named_window: [], qualify: None, window_before_qualify: false, value_table_mode: None, flavor: Standard }), order_by: None, limit_clause: None, fetch: None, locks: [], for_clause: None, settings: None, format_clause: None, pipe_operators: [] })
            SELECT 1 WHERE a AND b AND c AND d OR e
              Query(Query { with: None, body: Select(Select { select_token: TokenWithSpan { token: Word(Word { value: "SELECT", quote_style: None, keyword: SELECT }), span: Span(Location(1,1)..Location(1,7)) }, optimizer_hints: [], distinct: None, select_modifiers: None, top: None, top_before_distinct: false, projection: [UnnamedExpr(Value(Number("1", false)))], exclude: None, into: None, from: [], lateral_views: [], prewhere: None, selection: Some(BinaryOp { left: BinaryOp { left: BinaryOp { left: Identifier(a), op: And, right: Identifier(b) }, op: And, right: BinaryOp { left: Identifier(c), op: And, right: Identifier(d) } }, op: Or, right: Identifier(e) }), connect_by: [], group_by: Expressions([], []), cluster_by: [], distribute_by: [], sort_by: [], having: None, named_window: [], qualify: None, window_before_qualify: false, value_table_mode: None, flavor: Standard }), order_by: None, limit_clause: None, fetch: None, locks: [], for_clause: None, settings: None, format_clause: None, pipe_operators: [] })
            SELECT {a 1}
              expected ':' after the field name, found 1 (42601) at byte 10
            SELECT {1: 2}
              expected a field name, found 1 (42601) at byte 8
        "#]],
    );
}

#[test]
fn definitions_and_sessions() {
    check(
        "
CREATE OR REPLACE MATERIALIZED VIEW IF NOT EXISTS v (a, b) WITH (on_error = 'reject', placement = follower) AS SELECT 1, 2 WITH NO DATA
CREATE VIEW v AS TABLE t
CREATE SEQUENCE s AS INT INCREMENT BY -2 NO MINVALUE MAXVALUE 9 START 3 CACHE 5 CYCLE
CREATE SEQUENCE s CYCLE NO CYCLE
ALTER TABLE t ADD COLUMN b INT DEFAULT 0, DROP COLUMN c CASCADE, ALTER d TYPE TEXT USING d::TEXT
ALTER TABLE t RENAME a TO b
ALTER TABLE t RENAME TO u
ALTER MATERIALIZED VIEW v SET (placement = 'in commit')
DROP MATERIALISED VIEW IF EXISTS v, w CASCADE
TRUNCATE t, u RESTART IDENTITY
BEGIN TRANSACTION READ ONLY, ISOLATION LEVEL SERIALIZABLE
COMMIT WORK AND CHAIN
ROLLBACK TO SAVEPOINT s
EXPLAIN (ANALYZE, FORMAT json) SELECT 1
EXPLAIN ANALYZE VERBOSE DELETE FROM t
SHOW FUNCTIONS
SHOW CREATE TABLE t
SHOW TIME ZONE
SET LOCAL a.b TO 'x', y
SET search_path = DEFAULT
CHECK VIEW v
REFRESH MATERIALIZED VIEW v
REINDEX t
GRANT ALL ON t TO u
CREATE TRIGGER x
FROB
SELECT 1 1
        ",
        expect![[r#"
            CREATE OR REPLACE MATERIALIZED VIEW IF NOT EXISTS v (a, b) WITH (on_error = 'reject', placement = follower) AS SELECT 1, 2 WITH NO DATA
              CreateView(CreateView { name: v, materialized: true, temporary: false, or_replace: true, if_not_exists: true, columns: [a, b], options: [("on_error", Some(Value(SingleQuotedString("reject")))), ("placement", Some(Identifier(follower)))], query: Query { with: None, body: Select(Select { select_token: TokenWithSpan { token: Word(Word { value: "SELECT", quote_style: None, keyword: SELECT }), span: Span(Location(1,112)..Location(1,118)) }, optimizer_hints: [], distinct: None, select_modifiers: None, top: None, top_before_distinct: false, projection: [UnnamedExpr(Value(Number("1", false))), UnnamedExpr(Value(Number("2", false)))], exclude: None, into: None, from: [], lateral_views: [], prewhere: None, selection: None, connect_by: [], group_by: Expressions([], []), cluster_by: [], distribute_by: [], sort_by: [], having: None, named_window: [], qualify: None, window_before_qualify: false, value_table_mode: None, flavor: Standard }), order_by: None, limit_clause: None, fetch: None, locks: [], for_clause: None, settings: None, format_clause: None, pipe_operators: [] }, query_range: 111..123, with_data: false })
            CREATE VIEW v AS TABLE t
              CreateView(CreateView { name: v, materialized: false, temporary: false, or_replace: false, if_not_exists: false, columns: [], options: [], query: Query { with: None, body: Table(Table { table_name: Some("t"), schema_name: None }), order_by: None, limit_clause: None, fetch: None, locks: [], for_clause: None, settings: None, format_clause: None, pipe_operators: [] }, query_range: 17..24, with_data: true })
            CREATE SEQUENCE s AS INT INCREMENT BY -2 NO MINVALUE MAXVALUE 9 START 3 CACHE 5 CYCLE
              CreateSequence(CreateSequence { name: s, if_not_exists: false, options: SequenceOptions { data_type: Some(Int(None)), increment: Some(-2), min: Some(None), max: Some(Some(9)), start: Some(3), restart: None, cache: Some(5), cycle: Some(true), owned_by: None } })
            CREATE SEQUENCE s CYCLE NO CYCLE
              an option of the sequence is given twice (42601) at byte 32; hint: say it once
            ALTER TABLE t ADD COLUMN b INT DEFAULT 0, DROP COLUMN c CASCADE, ALTER d TYPE TEXT USING d::TEXT
              AlterTable(AlterTable { name: t, if_exists: false, actions: [AddColumn { if_not_exists: false, column: ColumnDef { name: b, data_type: Some(Int(None)), fields: None, options: [Default(Value(Number("0", false)))] } }, DropColumn { name: c, if_exists: false, cascade: true }, SetType { name: d, data_type: Text, using: Some(Cast { kind: DoubleColon, expr: Identifier(d), data_type: Text, format: None }) }] })
            ALTER TABLE t RENAME a TO b
              AlterTable(AlterTable { name: t, if_exists: false, actions: [RenameColumn(a, b)] })
            ALTER TABLE t RENAME TO u
              AlterTable(AlterTable { name: t, if_exists: false, actions: [RenameTable(u)] })
            ALTER MATERIALIZED VIEW v SET (placement = 'in commit')
              AlterViewOptions(AlterViewOptions { materialized: true, name: v, options: [("placement", Some(Value(SingleQuotedString("in commit"))))] })
            DROP MATERIALISED VIEW IF EXISTS v, w CASCADE
              Drop(Drop { kind: MaterializedView, names: [v, w], if_exists: true, cascade: true })
            TRUNCATE t, u RESTART IDENTITY
              Truncate(Truncate { names: [t, u], restart_identity: true, cascade: false })
            BEGIN TRANSACTION READ ONLY, ISOLATION LEVEL SERIALIZABLE
              Begin(TransactionModes { read_only: Some(true), isolation: Some(Serializable), deferrable: None })
            COMMIT WORK AND CHAIN
              Commit { chain: true }
            ROLLBACK TO SAVEPOINT s
              RollbackTo(s)
            EXPLAIN (ANALYZE, FORMAT json) SELECT 1
              Explain(Explain { analyze: true, verbose: false, options: [("format", Some(Identifier(json)))], statement: Query(Query { with: None, body: Select(Select { select_token: TokenWithSpan { token: Word(Word { value: "SELECT", quote_style: None, keyword: SELECT }), span: Span(Location(1,32)..Location(1,38)) }, optimizer_hints: [], distinct: None, select_modifiers: None, top: None, top_before_distinct: false, projection: [UnnamedExpr(Value(Number("1", false)))], exclude: None, into: None, from: [], lateral_views: [], prewhere: None, selection: None, connect_by: [], group_by: Expressions([], []), cluster_by: [], distribute_by: [], sort_by: [], having: None, named_window: [], qualify: None, window_before_qualify: false, value_table_mode: None, flavor: Standard }), order_by: None, limit_clause: None, fetch: None, locks: [], for_clause: None, settings: None, format_clause: None, pipe_operators: [] }) })
            EXPLAIN ANALYZE VERBOSE DELETE FROM t
              Explain(Explain { analyze: true, verbose: true, options: [], statement: Delete(Delete { with: None, table: t, alias: None, using: [], filter: None, order_by: [], limit: None, offset: None, returning: None }) })
            SHOW FUNCTIONS
              Show(Functions)
            SHOW CREATE TABLE t
              Show(Create(Table, t))
            SHOW TIME ZONE
              Show(Setting("timezone"))
            SET LOCAL a.b TO 'x', y
              Set(Set { local: true, name: "a.b", values: [Value(SingleQuotedString("x")), Identifier(y)] })
            SET search_path = DEFAULT
              Set(Set { local: false, name: "search_path", values: [] })
            CHECK VIEW v
              CheckView(v)
            REFRESH MATERIALIZED VIEW v
              Refresh(v)
            REINDEX t
              Reindex(Some(t))
            GRANT ALL ON t TO u
              GRANT is not supported (0A000) at byte 0
            CREATE TRIGGER x
              CREATE TRIGGER is not supported (0A000) at byte 7
            FROB
              expected a statement, found FROB (42601) at byte 0
            SELECT 1 1
              expected the end of the statement, found 1 (42601) at byte 9
        "#]],
    );
}

#[test]
fn feeds() {
    check(
        "
TAIL v WHERE a = 1 SINCE $token WITH (progress, timeout = '1s')
SUBSCRIBE TO (SELECT * FROM t WHERE a = 1) SINCE '12'
DECLARE c NO SCROLL CURSOR WITH HOLD FOR SELECT 1
FETCH c
FETCH 10 FROM c WITH (timeout = '1s')
FETCH BACKWARD ALL IN c
FETCH ABSOLUTE -1 c
MOVE FORWARD 2 c
CLOSE ALL
FETCH 99999999999999999999 c
        ",
        expect![[r#"
            TAIL v WHERE a = 1 SINCE $token WITH (progress, timeout = '1s')
              Tail(Tail { source: Object(v), filter: Some(BinaryOp { left: Identifier(a), op: Eq, right: Value(Number("1", false)) }), since: Some(Value(Placeholder("$token"))), options: [("progress", None), ("timeout", Some(Value(SingleQuotedString("1s"))))] })
            SUBSCRIBE TO (SELECT * FROM t WHERE a = 1) SINCE '12'
              Tail(Tail { source: Query(Query { with: None, body: Select(Select { select_token: TokenWithSpan { token: Word(Word { value: "SELECT", quote_style: None, keyword: SELECT }), span: Span(Location(1,15)..Location(1,21)) }, optimizer_hints: [], distinct: None, select_modifiers: None, top: None, top_before_distinct: false, projection: [Wildcard(WildcardAdditionalOptions { wildcard_token: TokenWithSpan { token: Mul, span: Span(Location(1,22)..Location(1,23)) }, opt_ilike: None, opt_exclude: None, opt_except: None, opt_replace: None, opt_rename: None, opt_alias: None })], exclude: None, into: None, from: [TableWithJoins { relation: Table { name: t, alias: None, args: None, with_hints: [], version: None, with_ordinality: false, partitions: [], json_path: None, sample: None, index_hints: [] }, joins: [] }], lateral_views: [], prewhere: None, selection: Some(BinaryOp { left: Identifier(a), op: Eq, right: Value(Number("1", false)) }), connect_by: [], group_by: Expressions([], []), cluster_by: [], distribute_by: [], sort_by: [], having: None, named_window: [], qualify: None, window_before_qualify: false, value_table_mode: None, flavor: Standard }), order_by: None, limit_clause: None, fetch: None, locks: [], for_clause: None, settings: None, format_clause: None, pipe_operators: [] }), filter: None, since: Some(Value(SingleQuotedString("12"))), options: [] })
            DECLARE c NO SCROLL CURSOR WITH HOLD FOR SELECT 1
              DeclareCursor(DeclareCursor { name: c, hold: true, scroll: Some(false), source: Query(Query { with: None, body: Select(Select { select_token: TokenWithSpan { token: Word(Word { value: "SELECT", quote_style: None, keyword: SELECT }), span: Span(Location(1,42)..Location(1,48)) }, optimizer_hints: [], distinct: None, select_modifiers: None, top: None, top_before_distinct: false, projection: [UnnamedExpr(Value(Number("1", false)))], exclude: None, into: None, from: [], lateral_views: [], prewhere: None, selection: None, connect_by: [], group_by: Expressions([], []), cluster_by: [], distribute_by: [], sort_by: [], having: None, named_window: [], qualify: None, window_before_qualify: false, value_table_mode: None, flavor: Standard }), order_by: None, limit_clause: None, fetch: None, locks: [], for_clause: None, settings: None, format_clause: None, pipe_operators: [] }) })
            FETCH c
              Fetch(Fetch { cursor: c, direction: Forward(1), move_only: false, options: [] })
            FETCH 10 FROM c WITH (timeout = '1s')
              Fetch(Fetch { cursor: c, direction: Forward(10), move_only: false, options: [("timeout", Some(Value(SingleQuotedString("1s"))))] })
            FETCH BACKWARD ALL IN c
              Fetch(Fetch { cursor: c, direction: BackwardAll, move_only: false, options: [] })
            FETCH ABSOLUTE -1 c
              Fetch(Fetch { cursor: c, direction: Absolute(-1), move_only: false, options: [] })
            MOVE FORWARD 2 c
              Fetch(Fetch { cursor: c, direction: Forward(2), move_only: true, options: [] })
            CLOSE ALL
              CloseCursor(None)
            FETCH 99999999999999999999 c
              99999999999999999999 is not a whole number of 64 bits (22003) at byte 6
        "#]],
    );
}

#[test]
fn question_marks_are_numbered_by_place() {
    let parsed = parse_one("SELECT d ? 'k', (?), ? IN (?) FROM t WHERE a = ANY(?)").unwrap();
    let columns: Vec<u64> = parsed.question_marks.iter().map(|at| at.column).collect();
    assert_eq!(columns, [18, 22, 28, 52]);
}

#[test]
fn errors_point_into_the_script() {
    let sql = "SELECT 1;\nSELECT 'ü' FROM 5 t;";
    let error = parse_script(sql).unwrap_err();
    assert_eq!(error.position, Some(sql.rfind("5 t").unwrap()));
    let error = parse_script("SELECT 1;  SELECT (1").unwrap_err();
    assert_eq!(error.position, Some(20));
    let error = parse_script("SELECT 'abc").unwrap_err();
    assert_eq!((error.sqlstate, error.position), ("42601", Some(7)));
    assert_eq!(parse_one("; -- x").unwrap_err().sqlstate, "42601");
    assert_eq!(
        parse_one("SELECT 1; SELECT 2").unwrap_err().position,
        Some(10)
    );
}
