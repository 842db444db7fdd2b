//! Views when a new version of a module gives fields and tables other names: they stay, rows and feeds too, whoever made
//! them; what a view of the module means, not how it is written, decides whether it is made anew.
#![cfg(feature = "modules")]
#![allow(clippy::unwrap_used)]

mod common;

use common::text;
use tailwater::module::ModuleSource;
use tailwater::{Database, FeedEvent, FeedRequest, Subscription};

fn module(body: &str) -> ModuleSource {
    ModuleSource::new(
        "m.proto",
        format!("syntax = \"proto3\"; package m; import \"tailwater/v1/options.proto\";\n{body}"),
    )
}

/// A table, and a view of the module over it.
fn with_view(item: &str, query: &str) -> ModuleSource {
    module(&format!(
        "message Item {{ string id = 1; {item} }}
         message Count {{ option (tailwater.v1.table) = {{ view: \"{query}\" index: {{ columns: [\"n\"] }} }}; int32 n = 1; int64 items = 2; }}"
    ))
}

fn follow(db: &Database, view: &str) -> Subscription {
    let request = FeedRequest::of(view).without_snapshot();
    db.subscribe(request).unwrap()
}

/// Changes since it was last asked, or why the feed begins again.
fn told(feed: &mut Subscription) -> Result<usize, String> {
    let mut changes = 0;
    while let Some(event) = feed.try_recv().unwrap() {
        match event {
            FeedEvent::Frame(frame) => changes += frame.changes.len(),
            FeedEvent::Progress { .. } => {}
            other => return Err(format!("{other:?}")),
        }
    }
    Ok(changes)
}

fn rows(db: &Database, sql: &str) -> String {
    text(&mut db.session(), sql)
}

fn query_of(db: &Database, name: &str) -> String {
    rows(
        db,
        &format!("SELECT sql FROM tailwater.objects WHERE name = '{name}'"),
    )
}

/// The versions of a table with a view, and whether the view is made anew.
const VERSIONS: &[(&str, &str, &str, bool)] = &[
    (
        "renamed",
        "int32 k = 2; int32 m = 3;",
        "SELECT k AS n, count(*) AS items FROM item GROUP BY k",
        false,
    ),
    (
        "renamed, and said otherwise",
        "int32 k = 2; int32 m = 3;",
        "SELECT i.k AS n, count(*) AS items FROM item AS i GROUP BY 1",
        false,
    ),
    (
        "names exchanged, and the view follows",
        "int32 m = 2; int32 n = 3;",
        "SELECT m AS n, count(*) AS items FROM item GROUP BY m",
        false,
    ),
    (
        "names exchanged, and the view means the other",
        "int32 m = 2; int32 n = 3;",
        "SELECT n, count(*) AS items FROM item GROUP BY n",
        true,
    ),
    (
        "a table of another name",
        "option (tailwater.v1.table) = { name: \"things\" }; int32 n = 2; int32 m = 3;",
        "SELECT n, count(*) AS items FROM things GROUP BY n",
        false,
    ),
    (
        "an index and a check over what has another name",
        "option (tailwater.v1.table) = { index: { columns: [\"k\"] } check: \"k < 100\" }; int32 k = 2; int32 m = 3; int32 more = 4;",
        "SELECT k AS n, count(*) AS items FROM item GROUP BY k",
        false,
    ),
    (
        "another query",
        "int32 k = 2; int32 m = 3;",
        "SELECT k + 1 AS n, count(*) AS items FROM item GROUP BY k + 1",
        true,
    ),
    (
        "another type",
        "int64 k = 2; int32 m = 3;",
        "SELECT k AS n, count(*) AS items FROM item GROUP BY k",
        true,
    ),
    (
        "another name, and a field gone whose name it takes",
        "int32 m = 2; reserved 3;",
        "SELECT m AS n, count(*) AS items FROM item GROUP BY m",
        true,
    ),
];

#[test]
fn views_stay_when_fields_have_other_names() {
    for (what, item, query, is_anew) in VERSIONS {
        let db = Database::memory().unwrap();
        let first = with_view(
            "int32 n = 2; int32 m = 3;",
            "SELECT n, count(*) AS items FROM item GROUP BY n",
        );
        db.install_module(&first).unwrap();
        db.exec(
            "CREATE MATERIALIZED VIEW total AS SELECT sum(items) AS items FROM count;
             CREATE MATERIALIZED VIEW \"Big\" AS SELECT id, n FROM item WHERE item.n > 0;
             CREATE VIEW plain AS SELECT i.n, \"Big\".id FROM item i JOIN \"Big\" USING (id);
             CREATE TABLE other (o INT PRIMARY KEY, n INT);
             CREATE MATERIALIZED VIEW joined AS SELECT o, id FROM other JOIN item USING (n);
             INSERT INTO item VALUES ('a', 1, 2), ('b', 1, 3), ('c', 0, 4);
             INSERT INTO other VALUES (1, 0), (2, 1)",
            (),
        )
        .unwrap();
        let users = ["\"Big\"", "joined", "plain"];
        let before: Vec<String> = users
            .iter()
            .map(|view| rows(&db, &format!("SELECT * FROM {view} ORDER BY 1, 2")))
            .collect();
        let mut own = [follow(&db, "count"), follow(&db, "total")];
        let mut of_users = [follow(&db, "\"Big\""), follow(&db, "joined")];
        let new = with_view(item, query).dropping("item.m");
        db.install_module(&new)
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        let after: Vec<String> = users
            .iter()
            .map(|view| rows(&db, &format!("SELECT * FROM {view} ORDER BY 1, 2")))
            .collect();
        assert_eq!(after, before, "{what}");
        let table = if item.contains("things") {
            "things"
        } else {
            "item"
        };
        db.exec(&format!("INSERT INTO {table} (id) VALUES ('d')"), ())
            .unwrap();
        for feed in &mut own {
            assert_eq!(told(feed).is_err(), *is_anew, "{what}: {:?}", told(feed));
        }
        let is_moved = item.contains("int64") || item.contains("reserved");
        let told: Vec<_> = of_users.iter_mut().map(told).collect();
        assert_eq!(
            told.iter().any(Result::is_err),
            is_moved,
            "{what}: {told:?}"
        );
        for view in ["count", "total", "\"Big\"", "joined"] {
            let found = rows(&db, &format!("CHECK VIEW {view}"));
            assert!(found.contains("|0|"), "{what}: {view}: {found}");
        }
        // The module's objects are those of a database that never knew the version before.
        let fresh = Database::memory().unwrap();
        fresh.install_module(&new).unwrap();
        for object in ["item", "things", "count"] {
            assert_eq!(query_of(&db, object), query_of(&fresh, object), "{what}");
        }
        let indexes = "SELECT name, sql FROM tailwater.objects WHERE kind = 'index' AND sql IS NOT NULL AND name LIKE 'item%' ORDER BY name";
        assert_eq!(rows(&db, indexes), rows(&fresh, indexes), "{what}");
        assert!(db.check().unwrap().damages.is_empty(), "{what}");
        // And back: nothing is in the way.
        if !is_moved && !item.contains("more") {
            db.install_module(&first)
                .unwrap_or_else(|error| panic!("{what}, back: {error}"));
            assert_eq!(query_of(&db, "count"), {
                let fresh = Database::memory().unwrap();
                fresh.install_module(&first).unwrap();
                query_of(&fresh, "count")
            });
        }
    }
}

#[test]
fn a_view_of_the_module_gets_another_name_and_stays() {
    let version = |name: &str, field: &str| {
        module(&format!(
            "message Item {{ string id = 1; int32 {field} = 2; }}
             message Count {{ option (tailwater.v1.table) = {{ name: \"{name}\" view: \"SELECT {field} AS n, count(*) AS items FROM item GROUP BY {field}\" }}; int32 n = 1; int64 items = 2; }}"
        ))
    };
    let db = Database::memory().unwrap();
    db.install_module(&version("count", "n")).unwrap();
    db.exec(
        "CREATE MATERIALIZED VIEW total AS SELECT sum(count.items) AS items FROM count",
        (),
    )
    .unwrap();
    let mut feeds = [follow(&db, "count"), follow(&db, "total")];
    db.install_module(&version("Counts per n", "k")).unwrap();
    db.exec("INSERT INTO item VALUES ('a', 1)", ()).unwrap();
    for feed in &mut feeds {
        assert!(told(feed).unwrap() > 0);
    }
    assert_eq!(
        query_of(&db, "total"),
        "CREATE MATERIALIZED VIEW total (items) AS SELECT sum(\"Counts per n\".items) AS items FROM \"Counts per n\""
    );
    assert_eq!(rows(&db, "SELECT * FROM \"Counts per n\""), "1|1");
}

/// A view may go through an index, which could not be dropped then.
#[test]
fn indexes_that_views_use_are_renamed_with_their_fields() {
    let version = |fields: &str| {
        module(&format!(
            "message Item {{ option (tailwater.v1.table) = {{ index: {{ columns: [\"n\"] }} index: {{ columns: [\"m\"] unique: true }} }};
             string id = 1; {fields} }}"
        ))
    };
    let indexes = "SELECT name, sql FROM tailwater.objects WHERE kind = 'index' AND sql IS NOT NULL ORDER BY name";
    // Exchanged, the unique index is over what was not unique.
    let (first, crossed) = (
        version("int32 n = 2; int32 m = 3;"),
        version("int32 m = 2; int32 n = 3;"),
    );
    let other = module(
        "message Item { option (tailwater.v1.table) = { index: { columns: [\"k\"] } index: { columns: [\"l\"] unique: true } };
         string id = 1; int32 k = 2; int32 l = 3; }",
    );
    let db = Database::memory().unwrap();
    db.install_module(&first).unwrap();
    db.exec(
        "CREATE TABLE other (o INT PRIMARY KEY, n INT);
         CREATE MATERIALIZED VIEW joined AS SELECT o, id, item.m FROM other JOIN item USING (n);
         INSERT INTO item VALUES ('a', 1, 3), ('b', 2, 4);
         INSERT INTO other VALUES (1, 1)",
        (),
    )
    .unwrap();
    let mut feed = follow(&db, "joined");
    let shown = rows(&db, "SELECT * FROM joined ORDER BY id");
    for new in [&other, &first] {
        db.install_module(new).unwrap();
        let fresh = Database::memory().unwrap();
        fresh.install_module(new).unwrap();
        assert_eq!(rows(&db, indexes), rows(&fresh, indexes));
        assert_eq!(rows(&db, "SELECT * FROM joined ORDER BY id"), shown);
        assert!(rows(&db, "CHECK VIEW joined").contains("|0|"));
    }
    assert_eq!(told(&mut feed), Ok(0));
    // The view is made anew, over another index.
    db.install_module(&crossed).unwrap();
    assert_eq!(rows(&db, "SELECT * FROM joined ORDER BY id"), shown);
    assert!(told(&mut feed).is_err());
    assert!(db.check().unwrap().damages.is_empty());
}
