//! Columns and relations get other names, and the views that read them stay: rows, column names, feeds; their texts tell
//! the new names, and make the same views.
//!
//! Every view of the table below, plain and materialised where it can be, goes through every change of names; a twin
//! whose names never change has the right rows. Next door: `rename_random.rs`, where the queries are random.
#![allow(clippy::unwrap_used)]

mod common;
#[path = "rename/queries.rs"]
mod queries;

use common::text;
use queries::{MORE, QUERIES, RENAMES, ROWS, TABLES, TEXTS};
use tailwater::{Database, FeedEvent, FeedRequest, Subscription};

struct World {
    db: Database,
    views: Vec<String>,
}

impl World {
    fn new(db: Database) -> Self {
        Self::of(db, QUERIES)
    }

    fn of(db: Database, queries: &[&str]) -> Self {
        db.exec(TABLES, ()).unwrap();
        insert(&db, ROWS, &[]);
        let mut views = vec!["tm".to_owned()];
        for (number, query) in queries.iter().enumerate() {
            db.exec(&format!("CREATE VIEW v{number} AS {query}"), ())
                .unwrap_or_else(|error| panic!("{query}: {error}"));
            views.push(format!("v{number}"));
            let made = db.exec(
                &format!("CREATE MATERIALIZED VIEW m{number} AS {query}"),
                (),
            );
            match made {
                Ok(_) => views.push(format!("m{number}")),
                Err(error) => assert_eq!(error.sqlstate(), "0A000", "{query}: {error}"),
            }
        }
        Self { db, views }
    }

    /// Names of columns, then rows.
    fn shown(&self) -> Vec<String> {
        let views = self.views.iter().filter(|view| *view != "tm");
        views.map(|view| shown(&self.db, view)).collect()
    }

    fn feeds(&self) -> Vec<Subscription> {
        let views = self.views.iter().filter(|view| view.starts_with('m'));
        let feed = |view: &String| {
            let request = FeedRequest::of(view.as_str()).without_snapshot();
            self.db.subscribe(request).unwrap()
        };
        views.map(feed).collect()
    }

    fn check(&self, what: &str) {
        for view in self.views.iter().filter(|view| view.starts_with('m')) {
            let found = text(&mut self.db.session(), &format!("CHECK VIEW {view}"));
            assert!(found.contains("|0|"), "{what}: {view}: {found}");
        }
        let damages = self.db.check().unwrap().damages;
        assert!(damages.is_empty(), "{what}: {damages:?}");
    }
}

fn insert(db: &Database, rows: &[(&'static str, &str)], names: &[(&str, &str)]) {
    let now = |name: &'static str| {
        let now = names.iter().find(|(old, _)| *old == name);
        now.map_or(name.to_lowercase(), |(_, now)| (*now).to_owned())
    };
    let (k, a) = (now("K"), now("A"));
    for (table, values) in rows {
        let table = now(table);
        let values = values.replace("K:", &format!("{k}:"));
        let values = values.replace("A:", &format!("{a}:"));
        db.exec(&format!("INSERT INTO {table} VALUES {values}"), ())
            .unwrap();
    }
}

fn shown(db: &Database, view: &str) -> String {
    let rows = db
        .query(&format!("SELECT * FROM {view}"), ())
        .unwrap_or_else(|error| panic!("{view}: {error}"));
    let mut names: Vec<String> = rows.columns().iter().map(|c| c.name.clone()).collect();
    let mut all = Vec::new();
    for row in rows {
        let row = row.unwrap();
        if names.len() < row.columns().len() {
            names = Vec::new();
        }
        all.push(row.to_document().to_string());
    }
    all.sort();
    format!("{names:?} {}", all.join(" "))
}

fn objects(db: &Database) -> Vec<(String, Option<String>)> {
    let sql = "SELECT name, sql FROM tailwater.objects WHERE sql IS NOT NULL ORDER BY id";
    db.query(sql, ()).unwrap().rows_as().unwrap()
}

/// What the catalog tells, run in a new database.
fn told_again(db: &Database) -> Database {
    let again = Database::memory().unwrap();
    for (name, sql) in objects(db) {
        again
            .exec(&sql.unwrap(), ())
            .unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    again
}

#[test]
fn views_stay_what_they_are_when_names_change() {
    let twin = World::new(Database::memory().unwrap());
    let before = twin.shown();
    insert(&twin.db, MORE, &[]);
    let after = twin.shown();
    for (there, back, names) in RENAMES {
        let world = World::new(Database::memory().unwrap());
        let mut feeds = world.feeds();
        world
            .db
            .exec(there, ())
            .unwrap_or_else(|error| panic!("{there}: {error}"));
        assert_same(&world, &world.shown(), &before, there);
        insert(&world.db, MORE, names);
        assert_same(&world, &world.shown(), &after, there);
        let mut again = World {
            db: told_again(&world.db),
            views: world.views.clone(),
        };
        insert(&again.db, ROWS, names);
        insert(&again.db, MORE, names);
        assert_same(&again, &again.shown(), &after, there);
        again.views.retain(|view| view != "tm");
        again.check(there);
        world
            .db
            .exec(back, ())
            .unwrap_or_else(|error| panic!("{back}: {error}"));
        assert_same(&world, &world.shown(), &after, back);
        world.check(back);
        let mut frames = 0;
        for feed in &mut feeds {
            while let Some(event) = feed.try_recv().unwrap() {
                match event {
                    FeedEvent::Frame(_) => frames += 1,
                    FeedEvent::Progress { .. } => {}
                    other => panic!("{there}: {other:?}"),
                }
            }
        }
        assert!(frames > feeds.len() / 2, "{there}");
    }
}

fn assert_same(world: &World, found: &[String], expected: &[String], what: &str) {
    let views = world.views.iter().filter(|view| *view != "tm");
    let all = views.zip(found.iter().zip(expected));
    let others = all.filter(|(_, (found, expected))| found != expected);
    let others: Vec<String> = others
        .map(|(view, (found, expected))| {
            let object = objects(&world.db);
            let object = object.iter().find(|(name, _)| name == view);
            format!("{object:?}\n  has {found}\n  not {expected}")
        })
        .collect();
    assert!(others.is_empty(), "{what}:\n{}", others.join("\n"));
}

/// A table gets a column more, of a name that may be there already elsewhere: views mean what they meant, or it is refused.
#[test]
fn views_stay_what_they_are_when_a_column_comes() {
    let (mut kept, mut refused) = (0, Vec::new());
    for query in QUERIES {
        let twin = World::of(Database::memory().unwrap(), &[query]);
        let before = twin.shown();
        insert(&twin.db, MORE, &[]);
        let after = twin.shown();
        for (table, name) in ["t", "u", "p", "w"]
            .into_iter()
            .flat_map(|table| ["x", "k", "n", "b"].map(|name| (table, name)))
        {
            let world = World::of(Database::memory().unwrap(), &[query]);
            let told = objects(&world.db);
            let sql = format!("ALTER TABLE {table} ADD COLUMN {name} INT DEFAULT 99");
            let what = format!("{query}, {sql}");
            match world.db.exec(&sql, ()) {
                Ok(_) => kept += 1,
                Err(error) if error.sqlstate() == "0A000" => {
                    assert_eq!(objects(&world.db), told, "{what}");
                    refused.push(what.clone());
                }
                // There is such a column.
                Err(error) => assert_eq!(error.sqlstate(), "42701", "{what}: {error}"),
            }
            assert_same(&world, &world.shown(), &before, &what);
            insert(&world.db, MORE, &[]);
            assert_same(&world, &world.shown(), &after, &what);
            let again = World {
                db: told_again(&world.db),
                views: world.views.clone(),
            };
            insert(&again.db, ROWS, &[]);
            insert(&again.db, MORE, &[]);
            assert_same(&again, &again.shown(), &after, &what);
        }
    }
    // Joins by whatever names are the same, all of what is not declared, and a query that has no place for names.
    let is_another = |what: &&String| {
        let known = ["NATURAL", "USING", "TABLE p ADD", "TABLE w, "];
        !known.iter().any(|known| what.contains(known))
    };
    let others: Vec<&String> = refused.iter().filter(is_another).collect();
    assert!(others.is_empty(), "{others:#?}");
    assert!(kept > 20 * refused.len(), "{kept} {refused:#?}");
}

/// What stands in a system relation is of the moment: a view that reads one is compared without.
#[test]
fn a_column_that_would_be_meant_in_a_subquery_is_kept_out() {
    let db = Database::memory().unwrap();
    db.exec(
        "CREATE TABLE t (id INT PRIMARY KEY);
         INSERT INTO t VALUES (1);
         CREATE VIEW v AS SELECT o.name FROM tailwater.objects o WHERE EXISTS (SELECT 1 FROM t WHERE kind = 'table')",
        (),
    )
    .unwrap();
    let names = || -> Vec<String> {
        let rows = db.query("SELECT name FROM v WHERE name = 't'", ());
        rows.unwrap().rows_as().unwrap()
    };
    assert_eq!(names(), ["t"]);
    db.exec("ALTER TABLE t ADD COLUMN kind TEXT", ()).unwrap();
    assert_eq!(names(), ["t"]);
}

#[test]
fn texts_tell_the_new_names() {
    for (query, rename, told) in TEXTS {
        let db = Database::memory().unwrap();
        db.exec(TABLES, ()).unwrap();
        db.exec(&format!("CREATE VIEW v AS {query}"), ()).unwrap();
        db.exec(rename, ())
            .unwrap_or_else(|error| panic!("{query}: {error}"));
        let objects = objects(&db);
        let (_, sql) = objects.iter().find(|(name, _)| name == "v").unwrap();
        let (_, kept) = sql.as_ref().unwrap().split_once(" AS ").unwrap();
        assert_eq!(kept, *told, "{rename}");
    }
}

/// The names are in the catalog's rows: the log and the storage file bring them back.
#[test]
fn new_names_are_there_after_opening_again() {
    for checkpoint in ["", "CHECKPOINT"] {
        let folder = tempfile::tempdir().unwrap();
        let open = || Database::open(folder.path()).unwrap();
        let world = World::new(open());
        let (there, back, _) = RENAMES.first().unwrap();
        let view = "m0";
        let token = {
            let mut feed = world.db.subscribe(FeedRequest::of(view)).unwrap();
            loop {
                if let FeedEvent::SnapshotEnd { token, .. } = feed.recv().unwrap() {
                    break token;
                }
            }
        };
        world.db.exec(there, ()).unwrap();
        world.db.exec(checkpoint, ()).unwrap();
        let (shown, told) = (world.shown(), objects(&world.db));
        let views = world.views;
        drop(world.db);
        let world = World { db: open(), views };
        assert_same(&world, &world.shown(), &shown, checkpoint);
        assert_eq!(objects(&world.db), told);
        insert(&world.db, MORE, &[]);
        world.check(checkpoint);
        let mut feed = world
            .db
            .subscribe(FeedRequest::of(view).since(token))
            .unwrap();
        let mut changes = 0;
        while let Some(event) = feed.try_recv().unwrap() {
            match event {
                FeedEvent::Frame(frame) => changes += frame.changes.len(),
                FeedEvent::Progress { .. } => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(changes, 2);
        world.db.exec(back, ()).unwrap();
        world.check(back);
    }
}

#[test]
fn a_name_that_cannot_be_told_is_refused_and_changes_nothing() {
    for (query, rename) in [
        // USING takes an alias, which has no schema.
        (
            "SELECT public.t.id FROM public.t JOIN u USING (a)",
            "ALTER TABLE t RENAME COLUMN a TO b",
        ),
        // TABLE has no alias, and its name no place of its own.
        ("TABLE w", "ALTER TABLE w RENAME TO w2"),
    ] {
        let db = Database::memory().unwrap();
        db.exec(TABLES, ()).unwrap();
        insert(&db, ROWS, &[]);
        db.exec(
            &format!("CREATE VIEW b AS SELECT a FROM p; CREATE VIEW c AS SELECT a FROM w; CREATE MATERIALIZED VIEW v AS {query}"),
            (),
        )
        .unwrap();
        let before = (objects(&db), shown(&db, "v"));
        let error = db.exec(rename, ()).unwrap_err();
        assert_eq!(
            (
                error.sqlstate(),
                error.message(),
                error.object(),
                error.hint()
            ),
            (
                "0A000",
                "the new name cannot be told in materialized view \"v\"",
                Some("v"),
                Some("drop the view first and create it again after")
            )
        );
        assert_eq!((objects(&db), shown(&db, "v")), before, "{rename}");
    }
}

#[test]
fn sessions_see_one_name_or_the_other() {
    let db = Database::memory().unwrap();
    db.exec(TABLES, ()).unwrap();
    insert(&db, ROWS, &[]);
    db.exec("CREATE VIEW v AS SELECT a, id FROM t", ()).unwrap();
    let (mut one, mut other) = (db.session(), db.session());
    let read = "SELECT sum(a), max(id) FROM v";
    let before = text(&mut one, read);
    one.execute("BEGIN", ()).unwrap();
    one.execute("ALTER TABLE t RENAME COLUMN a TO b", ())
        .unwrap();
    assert_eq!(text(&mut one, read), before);
    assert_eq!(text(&mut other, read), before);
    assert_eq!(text(&mut other, "SELECT sum(a) FROM t"), "40");
    one.execute("ROLLBACK", ()).unwrap();
    assert_eq!(text(&mut one, "SELECT sum(a) FROM t"), "40");
    // A view that was bound to the old name is not made behind the new one's back.
    one.execute("BEGIN", ()).unwrap();
    one.execute("CREATE VIEW late AS SELECT a FROM t", ())
        .unwrap();
    other
        .execute("ALTER TABLE t RENAME COLUMN a TO b", ())
        .unwrap();
    let error = one.execute("COMMIT", ()).unwrap_err();
    assert!(error.is_retryable(), "{error}");
    assert_eq!(text(&mut one, read), before);
    assert_eq!(text(&mut other, "SELECT sum(b) FROM t"), "40");
    assert_eq!(
        other
            .execute("SELECT sum(a) FROM t", ())
            .unwrap_err()
            .sqlstate(),
        "42703"
    );
}
