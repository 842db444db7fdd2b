//! What each rule makes of a plan, as EXPLAIN shows it.

use expect_test::{Expect, expect};
use tailwater_proto::{Path, PathStep, SqlType, StorageId, Value};
use tailwater_views::aggregate::{AggregateCall, AggregateFunction};
use tailwater_views::expr::{ArithmeticOp, CastMode, CompareOp, TruthTest};
use tailwater_views::plan::{JoinKind, SortKey};
use tailwater_views::{Expr, Plan};

use super::{
    Rows, add_index, add_table, asc, by, by_desc, col, compare, desc, eq, field, filter, join,
    limit, project, scan, sort,
};
use crate::catalog::Catalog;
use crate::explain::explain;
use crate::optimizer::{optimize, optimize_traced, optimize_view};

/// users(id, name, age), chats(id, topic), messages(id, chat, author, sent, text), docs(id, body).
fn catalog() -> Catalog {
    let mut catalog = Catalog::default();
    let columns = [
        ("id", SqlType::Int8, true),
        ("name", SqlType::Text, false),
        ("age", SqlType::Int4, false),
    ];
    add_table(&mut catalog, 100, "users", &columns, &[asc(0, "id")]);
    add_index(
        &mut catalog,
        101,
        100,
        "users_name",
        true,
        &[asc(1, "name")],
    );
    let columns = [("id", SqlType::Int8, true), ("topic", SqlType::Text, false)];
    add_table(&mut catalog, 110, "chats", &columns, &[asc(0, "id")]);
    let columns = [
        ("id", SqlType::Int8, true),
        ("chat", SqlType::Int8, false),
        ("author", SqlType::Int8, false),
        ("sent", SqlType::Timestamp, false),
        ("text", SqlType::Text, false),
    ];
    add_table(&mut catalog, 120, "messages", &columns, &[asc(0, "id")]);
    add_index(
        &mut catalog,
        121,
        120,
        "messages_chat",
        false,
        &[asc(1, "chat")],
    );
    let parts = [asc(1, "chat"), desc(3, "sent")];
    add_index(&mut catalog, 122, 120, "messages_chat_sent", false, &parts);
    let columns = [
        ("id", SqlType::Int8, true),
        ("body", SqlType::Document, false),
    ];
    add_table(&mut catalog, 130, "docs", &columns, &[asc(0, "id")]);
    add_index(
        &mut catalog,
        131,
        130,
        "docs_kind",
        false,
        &[(kind(1), "body.kind", false)],
    );
    catalog
}

fn kind(column: usize) -> Expr {
    Expr::Path {
        base: Box::new(col(column)),
        path: Path(vec![PathStep::Field("kind".into())]),
    }
}

fn rows() -> Rows {
    Rows(vec![
        (StorageId(100), 10_000),
        (StorageId(110), 100),
        (StorageId(120), 1_000_000),
        (StorageId(130), 1_000),
    ])
}

fn check(make: impl Fn(&dyn Fn(&str) -> Plan) -> Plan, expected: &Expect) {
    let catalog = catalog();
    let plan = make(&|name| scan(&catalog, name));
    let fields = plan.fields();
    let optimized = optimize(plan, &catalog, &rows());
    assert_eq!(optimized.fields(), fields);
    expected.assert_eq(&explain(&optimized, &catalog));
}

fn check_view(make: impl Fn(&dyn Fn(&str) -> Plan) -> Plan, expected: &Expect) {
    let catalog = catalog();
    let plan = make(&|name| scan(&catalog, name));
    let fields = plan.fields();
    let optimized = optimize_view(plan, &catalog);
    assert_eq!(optimized.fields(), fields);
    expected.assert_eq(&explain(&optimized, &catalog));
}

fn lit(value: impl Into<Value>) -> Expr {
    Expr::literal(value)
}

fn and(operands: impl IntoIterator<Item = Expr>) -> Expr {
    Expr::And(operands.into_iter().collect())
}

fn list(expr: Expr, values: &[i64]) -> Expr {
    Expr::InList {
        expr: Box::new(expr),
        list: values.iter().map(|value| lit(*value)).collect(),
    }
}

fn like(expr: Expr, pattern: &str) -> Expr {
    Expr::Like {
        expr: Box::new(expr),
        pattern: Box::new(lit(pattern)),
        escape: None,
        case_insensitive: false,
    }
}

/// `100 / expr > 1`: fails on zero.
fn risky(expr: Expr) -> Expr {
    let quotient = Expr::Arithmetic {
        op: ArithmeticOp::Divide,
        left: Box::new(lit(100)),
        right: Box::new(expr),
        result: SqlType::Int4,
    };
    compare(quotient, CompareOp::Greater, lit(1))
}

fn count_by(input: Plan, group: Vec<Expr>) -> Plan {
    let mut fields: Vec<_> = group.iter().map(|_| field("g", SqlType::Int8)).collect();
    fields.push(field("count", SqlType::Int8));
    Plan::Aggregate {
        input: Box::new(input),
        group,
        calls: vec![AggregateCall {
            function: AggregateFunction::Count,
            argument: None,
            argument_type: SqlType::Any,
            distinct: false,
            filter: None,
        }],
        fields,
    }
}

#[test]
fn conditions_that_are_always_true_go() {
    let sum = Expr::Arithmetic {
        op: ArithmeticOp::Add,
        left: Box::new(lit(1)),
        right: Box::new(lit(1)),
        result: SqlType::Int4,
    };
    check(
        |scan| {
            filter(
                scan("users"),
                and([eq(sum.clone(), lit(2)), eq(col(2), sum.clone())]),
            )
        },
        &expect![[r#"
            Filter  (age = 2)
              Seq Scan on users"#]],
    );
}

#[test]
fn conditions_that_are_never_true_leave_no_rows() {
    check(
        |scan| {
            let none = filter(scan("users"), eq(col(0), lit(Value::Null)));
            join(JoinKind::Inner, scan("chats"), none, None)
        },
        &expect!["Result  (no rows)"],
    );
    check(
        |scan| {
            let none = filter(scan("users"), lit(false));
            count_by(none, vec![])
        },
        &expect![[r#"
            Aggregate  (count(*))
              Result  (no rows)"#]],
    );
}

#[test]
fn a_primary_key_is_found_at_once() {
    check(
        |scan| {
            filter(
                scan("users"),
                and([eq(Expr::Parameter(0), col(0)), eq(col(2), lit(3))]),
            )
        },
        &expect![[r#"
            Filter  (age = 3)
              Index Scan using users_pkey on users  (id = $1)"#]],
    );
}

#[test]
fn a_conversion_that_keeps_order_does_not_hide_a_key() {
    let wide = |to| Expr::Cast {
        expr: Box::new(col(0)),
        to,
        mode: CastMode::Implicit,
    };
    check(
        |scan| filter(scan("users"), eq(wide(SqlType::Numeric(None)), lit(2))),
        &expect!["Index Scan using users_pkey on users  (id = 2)"],
    );
    check(
        |scan| filter(scan("users"), eq(wide(SqlType::Double), lit(2.0))),
        &expect![[r#"
            Filter  (id::double precision = 2)
              Seq Scan on users"#]],
    );
}

#[test]
fn lists_and_alternatives_become_points() {
    check(
        |scan| filter(scan("users"), list(col(0), &[3, 1, 3])),
        &expect!["Index Scan using users_pkey on users  (id = 1 OR id = 3)"],
    );
    check(
        |scan| {
            let either = Expr::Or(vec![eq(col(1), lit("b")), eq(col(1), lit("a"))]);
            filter(scan("users"), either)
        },
        &expect!["Index Scan using users_name on users  (name = 'a' OR name = 'b')"],
    );
}

#[test]
fn ranges_and_prefixes_become_bounds() {
    check(
        |scan| {
            let above = compare(col(0), CompareOp::Greater, lit(5));
            let up_to = compare(lit(9), CompareOp::GreaterEqual, col(0));
            filter(scan("users"), and([above, up_to, like(col(1), "x%")]))
        },
        &expect![[r#"
            Filter  (name LIKE 'x%')
              Index Scan using users_pkey on users  (id > 5 AND id <= 9)"#]],
    );
    check(
        |scan| filter(scan("users"), like(col(1), "ab%c")),
        &expect![[r#"
            Filter  (name LIKE 'ab%c')
              Index Scan using users_name on users  (name >= 'ab' AND name < 'ac')"#]],
    );
}

#[test]
fn a_path_has_an_index() {
    check(
        |scan| filter(scan("docs"), eq(kind(1), lit("note"))),
        &expect!["Index Scan using docs_kind on docs  (body.kind = 'note')"],
    );
}

#[test]
fn the_index_that_gives_the_order_wins_and_the_sort_goes() {
    check(
        |scan| {
            let of_chat = filter(scan("messages"), eq(col(1), lit(7)));
            limit(
                sort(project(of_chat, vec![col(4), col(3)]), vec![by_desc(1)]),
                20,
            )
        },
        &expect![[r#"
            Limit  (20)
              Project  (text, sent)
                Index Scan using messages_chat_sent on messages  (chat = 7)"#]],
    );
    check(
        |scan| {
            sort(
                filter(scan("messages"), eq(col(1), lit(7))),
                vec![by(3), by_desc(0)],
            )
        },
        &expect!["Index Scan Backward using messages_chat_sent on messages  (chat = 7)"],
    );
    let nulls_first = SortKey {
        nulls_first: true,
        ..by(3)
    };
    check(
        |scan| {
            sort(
                filter(scan("messages"), eq(col(1), lit(7))),
                vec![nulls_first.clone()],
            )
        },
        &expect![[r#"
            Sort  (sent NULLS FIRST)
              Index Scan using messages_chat on messages  (chat = 7)"#]],
    );
}

#[test]
fn the_primary_key_gives_its_order_and_an_index_where_reading_stops_early() {
    check(
        |scan| sort(scan("users"), vec![by_desc(0), by(1)]),
        &expect!["Seq Scan Backward on users"],
    );
    check(
        |scan| sort(scan("users"), vec![by(1)]),
        &expect![[r#"
        Sort  (name)
          Seq Scan on users"#]],
    );
    check(
        |scan| limit(sort(scan("users"), vec![by(1)]), 5),
        &expect![[r#"
            Limit  (5)
              Index Scan using users_name on users"#]],
    );
}

#[test]
fn equalities_of_a_comma_join_become_lookups() {
    check(
        |scan| {
            let all = join(JoinKind::Inner, scan("messages"), scan("users"), None);
            let on = and([eq(col(2), col(5)), eq(col(1), lit(7))]);
            project(filter(all, on), vec![col(6), col(4)])
        },
        &expect![[r#"
            Project  (users.name, messages.text)
              Nested Loop (lookup users_pkey)  (messages.author = users.id)
                Index Scan using messages_chat on messages  (chat = 7)
                Index Scan using users_pkey on users  (id = messages.author)"#]],
    );
}

#[test]
fn a_small_table_leads_a_join() {
    check(
        |scan| {
            let on = eq(col(1), col(5));
            let all = join(JoinKind::Inner, scan("messages"), scan("chats"), Some(on));
            filter(all, eq(col(5), lit(1)))
        },
        &expect![[r#"
            Project  (messages.id, messages.chat, messages.author, messages.sent, messages.text, chats.id, chats.topic)
              Nested Loop (lookup messages_chat)  (chats.id = messages.chat)
                Index Scan using chats_pkey on chats  (id = 1)
                Index Scan using messages_chat on messages  (chat = chats.id)"#]],
    );
    check(
        |scan| {
            let on = eq(col(1), col(3));
            join(
                JoinKind::Inner,
                scan("chats"),
                project(scan("users"), vec![col(2), col(1)]),
                Some(on),
            )
        },
        &expect![[r#"
            Nested Loop (lookup users_name)  (chats.topic = users.name)
              Seq Scan on chats
              Project  (users.age, users.name)
                Index Scan using users_name on users  (name = chats.topic)"#]],
    );
}

#[test]
fn joined_pairs_are_connected() {
    // FROM users, chats, messages: the first two have nothing in common.
    let make = |scan: &dyn Fn(&str) -> Plan| {
        let pair = join(JoinKind::Inner, scan("users"), scan("chats"), None);
        let all = join(JoinKind::Inner, pair, scan("messages"), None);
        let on = and([
            eq(col(0), col(7)),
            eq(col(6), col(3)),
            eq(col(1), lit("ann")),
        ]);
        project(filter(all, on), vec![col(4), col(9)])
    };
    check(
        make,
        &expect![[r#"
        Project  (chats.topic, messages.text)
          Hash Join  (messages.chat = chats.id)
            Project  (messages.chat, messages.text)
              Hash Join  (messages.author = users.id)
                Seq Scan on messages
                Index Scan using users_name on users  (name = 'ann')
            Seq Scan on chats"#]],
    );
    check_view(
        make,
        &expect![[r#"
        Project  (chats.topic, messages.text)
          Hash Join  (messages.chat = chats.id)
            Project  (messages.chat, messages.text)
              Hash Join  (users.id = messages.author)
                Project  (users.id)
                  Filter  (users.name = 'ann')
                    Seq Scan on users
                Seq Scan on messages
            Seq Scan on chats"#]],
    );
}

#[test]
fn an_outer_join_whose_missing_rows_are_dropped_is_an_inner_one() {
    let on = eq(col(2), col(5));
    check(
        |scan| {
            let all = join(
                JoinKind::Left,
                scan("messages"),
                scan("users"),
                Some(on.clone()),
            );
            filter(all, compare(col(7), CompareOp::Greater, lit(30)))
        },
        &expect![[r#"
            Hash Join  (messages.author = users.id)
              Seq Scan on messages
              Filter  (users.age > 30)
                Seq Scan on users"#]],
    );
    check(
        |scan| {
            let all = join(
                JoinKind::Left,
                scan("messages"),
                scan("users"),
                Some(on.clone()),
            );
            let missing = Expr::Is {
                test: TruthTest::Null,
                expr: Box::new(col(5)),
            };
            filter(all, and([missing, eq(col(1), lit(7))]))
        },
        &expect![[r#"
            Filter  (users.id IS NULL)
              Nested Loop Left Join (lookup users_pkey)  (messages.author = users.id)
                Index Scan using messages_chat on messages  (chat = 7)
                Index Scan using users_pkey on users  (id = messages.author)"#]],
    );
}

#[test]
fn what_can_fail_stays_above_what_drops_rows() {
    check(
        |scan| {
            let on = eq(col(2), col(5));
            let all = join(JoinKind::Inner, scan("messages"), scan("users"), Some(on));
            filter(all, and([risky(col(7)), eq(col(1), lit(7))]))
        },
        &expect![[r#"
            Filter  ((100 / users.age) > 1)
              Nested Loop (lookup users_pkey)  (messages.author = users.id)
                Index Scan using messages_chat on messages  (chat = 7)
                Index Scan using users_pkey on users  (id = messages.author)"#]],
    );
    check(
        |scan| filter(filter(scan("users"), risky(col(2))), eq(col(1), lit("ann"))),
        &expect![[r#"
            Filter  ((100 / age) > 1)
              Index Scan using users_name on users  (name = 'ann')"#]],
    );
}

#[test]
fn conditions_on_groups_reach_the_rows() {
    check(
        |scan| {
            let counts = count_by(scan("messages"), vec![col(1)]);
            let many = compare(col(1), CompareOp::Greater, lit(10));
            filter(counts, and([eq(col(0), lit(7)), many]))
        },
        &expect![[r#"
            Filter  (count(*) > 10)
              Aggregate  (count(*))  group by (chat)
                Index Scan using messages_chat on messages  (chat = 7)"#]],
    );
}

#[test]
fn every_branch_of_a_union_gets_the_condition() {
    check(
        |scan| {
            let branch = |name: &str| project(scan(name), vec![col(0), col(1)]);
            let inputs = vec![branch("users"), branch("chats")];
            let all = Plan::UnionAll {
                fields: inputs[0].fields(),
                inputs,
            };
            filter(
                Plan::Distinct {
                    input: Box::new(all),
                },
                eq(col(0), lit(1)),
            )
        },
        &expect![[r#"
            Distinct
              Append
                Index Scan using users_pkey on users  (id = 1)
                Index Scan using chats_pkey on chats  (id = 1)"#]],
    );
}

#[test]
fn a_view_carries_only_what_is_read() {
    check_view(
        |scan| {
            let young = filter(scan("users"), compare(col(2), CompareOp::Less, lit(30)));
            let on = eq(col(2), col(5));
            let all = join(JoinKind::Inner, scan("messages"), young, Some(on));
            count_by(all, vec![col(6)])
        },
        &expect![[r#"
            Aggregate  (count(*))  group by (users.name)
              Hash Join  (messages.author = users.id)
                Seq Scan on messages
                Project  (users.id, users.name)
                  Filter  (users.age < 30)
                    Seq Scan on users"#]],
    );
}

#[test]
fn rules_that_changed_something_are_named() {
    let catalog = catalog();
    let plan = filter(scan(&catalog, "users"), eq(col(0), lit(1)));
    let (plan, applied) = optimize_traced(plan, &catalog, &rows());
    assert_eq!(applied, ["choose_paths"]);
    assert_eq!(plan.fields().len(), 3);
}
