//! Random queries over three tables whose columns share names, and random changes of those names: every view has the
//! rows and column names of a twin whose names never change.
//!
//! A seed is a whole run; `TAILWATER_SEEDS=n` runs n of them, `TAILWATER_SEED=s` begins elsewhere. A new name may be
//! refused, with the view that stands in its way, and changes nothing then; the tally says how often. Next door:
//! `rename.rs`, where the queries are chosen.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod common;

use std::collections::BTreeMap;

use common::{Rng, number_from_env, text};
use tailwater::{Database, FeedEvent, FeedRequest};

const SEEDS: u64 = 24;
const STEPS: usize = 25;
const TABLES: [&str; 3] = ["t", "u", "w"];
const COLUMNS: [&[&str]; 3] = [&["id", "a", "b"], &["id", "a", "c"], &["id", "c", "d"]];
/// Names to be given; some must be quoted, some are taken.
const NAMES: [&str; 9] = ["a", "b", "c", "x", "t", "u", "S q", "user", "order"];

fn quoted(name: &str) -> String {
    format!("\"{name}\"")
}

/// A column of one of the tables in FROM, said in one of the ways there are.
fn column(rng: &mut Rng, from: &[(usize, String)]) -> String {
    let (table, alias) = rng.pick(from);
    let name = *rng.pick(COLUMNS[*table]);
    let is_alone = from
        .iter()
        .filter(|(other, _)| COLUMNS[*other].contains(&name))
        .count()
        == 1;
    match rng.below(3) {
        0 if is_alone => name.to_owned(),
        1 if is_alone => quoted(name),
        _ => format!("{alias}.{name}"),
    }
}

fn condition(rng: &mut Rng, from: &[(usize, String)]) -> String {
    let left = column(rng, from);
    match rng.below(7) {
        0 => {
            let table = rng.below(3);
            let inner = [(table, "s".to_owned())];
            let (one, two) = (column(rng, &inner), column(rng, &inner));
            format!(
                "{left} IN (SELECT {one} FROM {} AS s WHERE {two} > 0)",
                TABLES[table]
            )
        }
        1 => {
            let table = rng.below(3);
            let name = *rng.pick(COLUMNS[table]);
            format!(
                "EXISTS (SELECT 1 FROM {} WHERE {}.{name} = {left})",
                TABLES[table], TABLES[table]
            )
        }
        2 => format!("{left} BETWEEN 1 AND 3"),
        3 => format!("{left} IS NOT NULL OR {} = 2", column(rng, from)),
        _ => format!("{left} < {}", rng.between(0, 5)),
    }
}

/// FROM of one table or two, and what they are called.
fn from(rng: &mut Rng) -> (String, Vec<(usize, String)>) {
    let first = rng.below(3);
    let (mut sql, name) = match rng.below(4) {
        0 => (format!("{} AS x", TABLES[first]), "x".to_owned()),
        1 => (
            format!("public.{}", TABLES[first]),
            TABLES[first].to_owned(),
        ),
        _ => (TABLES[first].to_owned(), TABLES[first].to_owned()),
    };
    let mut all = vec![(first, name.clone())];
    if rng.percent(55) {
        let second = rng.below(3);
        let is_bare = second != first && rng.percent(60);
        let alias = if is_bare { TABLES[second] } else { "y" };
        let table = match is_bare {
            true => TABLES[second].to_owned(),
            false => format!("{} {alias}", TABLES[second]),
        };
        let common: Vec<&str> = COLUMNS[first]
            .iter()
            .filter(|column| COLUMNS[second].contains(column))
            .copied()
            .collect();
        all.push((second, alias.to_owned()));
        let joined = match rng.below(4) {
            0 if second != first => format!("JOIN {table} USING ({})", rng.pick(&common)),
            1 => format!("NATURAL JOIN {table}"),
            2 => format!("LEFT JOIN {table} ON {name}.id = {alias}.id"),
            _ => {
                let (left, right) = (rng.pick(COLUMNS[first]), rng.pick(COLUMNS[second]));
                format!("JOIN {table} ON {name}.{left} = {alias}.{right}")
            }
        };
        sql = format!("{sql} {joined}");
    }
    (sql, all)
}

fn select(rng: &mut Rng, list: &[&str]) -> String {
    let (sql, all) = from(rng);
    let filter = match rng.percent(60) {
        true => format!(" WHERE {}", condition(rng, &all)),
        false => String::new(),
    };
    let items: Vec<String> = list
        .iter()
        .map(|name| match rng.below(3) {
            0 => format!("{} + 1 AS {name}", column(rng, &all)),
            _ => format!("{} AS {name}", column(rng, &all)),
        })
        .collect();
    match rng.below(5) {
        0 if all.len() == 1 => format!("SELECT * FROM {sql}{filter}"),
        1 => {
            let key = column(rng, &all);
            let value = column(rng, &all);
            format!(
                "SELECT {key} AS k, sum({value}), count(*) AS n FROM {sql}{filter} GROUP BY {key}"
            )
        }
        2 => format!("SELECT {} FROM {sql}{filter}", column(rng, &all)),
        3 if all.len() == 1 => format!("SELECT {}.*, 1 AS one FROM {sql}{filter}", all[0].1),
        _ => format!("SELECT {} FROM {sql}{filter}", items.join(", ")),
    }
}

fn query(rng: &mut Rng) -> String {
    match rng.below(8) {
        0 => format!("SELECT q.* FROM ({}) AS q", select(rng, &["a", "k"])),
        1 => {
            let name = *rng.pick(&["q", "t", "u", "x"]);
            let (inner, outer) = (select(rng, &["b", "c"]), rng.below(3));
            format!(
                "WITH {name} AS ({inner}) SELECT z.a AS za, {name}.* FROM {name}, (SELECT id AS a FROM public.{}) z",
                TABLES[outer]
            )
        }
        2 => {
            let one = |rng: &mut Rng| {
                let (sql, all) = from(rng);
                format!("SELECT {} FROM {sql}", column(rng, &all))
            };
            let op = *rng.pick(&["UNION ALL", "UNION", "EXCEPT"]);
            format!("{} {op} {}", one(rng), one(rng))
        }
        _ => select(rng, &["a", "x", "n"]),
    }
}

/// What the tables and their columns are called now, by what they were called first.
type Names = BTreeMap<(usize, Option<&'static str>), String>;

fn row(rng: &mut Rng) -> String {
    let mut value = || match rng.below(6) {
        0 => "NULL".to_owned(),
        _ => rng.between(0, 4).to_string(),
    };
    format!("{}, {}", value(), value())
}

fn shown(db: &Database, view: &str) -> String {
    let rows = db
        .query(&format!("SELECT * FROM {view}"), ())
        .unwrap_or_else(|error| panic!("{view}: {error}"));
    let names: Vec<String> = rows.columns().iter().map(|c| c.name.clone()).collect();
    let mut all: Vec<String> = rows
        .map(|row| row.unwrap().to_document().to_string())
        .collect();
    all.sort();
    format!("{names:?} {}", all.join(" "))
}

fn told(db: &Database) -> String {
    text(
        &mut db.session(),
        "SELECT name, sql FROM tailwater.objects WHERE sql IS NOT NULL ORDER BY id",
    )
}

struct Tally {
    views: usize,
    renamed: usize,
    refused: usize,
}

fn run(seed: u64, tally: &mut Tally) {
    let mut rng = Rng(seed);
    let (db, twin) = (Database::memory().unwrap(), Database::memory().unwrap());
    let both = |sql: &str| -> Result<(), tailwater::Error> {
        let (one, other) = (db.exec(sql, ()), twin.exec(sql, ()));
        assert_eq!(one.is_ok(), other.is_ok(), "seed {seed}: {sql}");
        one.map(drop)
    };
    let mut names = Names::new();
    for (table, columns) in COLUMNS.iter().enumerate() {
        let [id, one, two] = columns else { panic!() };
        let name = TABLES[table];
        both(&format!(
            "CREATE TABLE {name} ({id} INT PRIMARY KEY, {one} INT, {two} INT)"
        ))
        .unwrap();
        names.insert((table, None), name.to_owned());
        for column in *columns {
            names.insert((table, Some(column)), (*column).to_owned());
        }
    }
    let mut views: Vec<String> = Vec::new();
    let mut feeds = Vec::new();
    for number in 0..14 {
        let query = query(&mut rng);
        let name = format!("v{number}");
        let is_kept = rng.percent(70);
        let kind = if is_kept { "MATERIALIZED VIEW" } else { "VIEW" };
        if both(&format!("CREATE {kind} {name} AS {query}")).is_ok() {
            if is_kept {
                let request = FeedRequest::of(name.as_str()).without_snapshot();
                feeds.push(db.subscribe(request).unwrap());
            }
            views.push(name);
        }
    }
    tally.views += views.len();
    let mut key = 0;
    for step in 0..STEPS {
        let new = *rng.pick(&NAMES);
        let table = rng.below(3);
        let here = quoted(&names[&(table, None)]);
        let sql = match rng.below(4) {
            0 => {
                let sql = format!("ALTER TABLE {here} RENAME TO {}", quoted(new));
                rename(&db, &sql, (table, None), new, &mut names, tally);
                sql
            }
            1 | 2 => {
                let column = *rng.pick(COLUMNS[table]);
                let old = quoted(&names[&(table, Some(column))]);
                let sql = format!("ALTER TABLE {here} RENAME COLUMN {old} TO {}", quoted(new));
                rename(&db, &sql, (table, Some(column)), new, &mut names, tally);
                sql
            }
            _ => {
                key += 1;
                let values = row(&mut rng);
                let insert = |table: &str| format!("INSERT INTO {table} VALUES ({key}, {values})");
                db.exec(&insert(&here), ()).unwrap();
                twin.exec(&insert(TABLES[table]), ()).unwrap();
                insert(&here)
            }
        };
        for view in &views {
            assert_eq!(
                shown(&db, view),
                shown(&twin, view),
                "seed {seed}, step {step}: {sql}: {view}\n{}",
                told(&db)
            );
        }
    }
    // What is told makes the same.
    let again = Database::memory().unwrap();
    for sql in told(&db).lines().filter_map(|line| line.split_once('|')) {
        again
            .exec(sql.1, ())
            .unwrap_or_else(|error| panic!("seed {seed}: {}: {error}", sql.1));
    }
    for table in 0..3 {
        let here = quoted(&names[&(table, None)]);
        let rows = text(&mut db.session(), &format!("SELECT * FROM {here}"));
        for row in rows.lines() {
            let values = row.replace('|', ", ");
            again
                .exec(&format!("INSERT INTO {here} VALUES ({values})"), ())
                .unwrap();
        }
    }
    for view in &views {
        assert_eq!(
            shown(&again, view),
            shown(&twin, view),
            "seed {seed}: {view}"
        );
    }
    assert!(db.check().unwrap().damages.is_empty(), "seed {seed}");
    for feed in &mut feeds {
        while let Some(event) = feed.try_recv().unwrap() {
            let goes_on = matches!(event, FeedEvent::Frame(_) | FeedEvent::Progress { .. });
            assert!(goes_on, "seed {seed}: {event:?}");
        }
    }
}

fn rename(
    db: &Database,
    sql: &str,
    place: (usize, Option<&'static str>),
    new: &str,
    names: &mut Names,
    tally: &mut Tally,
) {
    let before = told(db);
    match db.exec(sql, ()) {
        Ok(_) => {
            tally.renamed += 1;
            names.insert(place, new.to_owned());
        }
        Err(error) => {
            let is_taken = ["42P07", "42701"].contains(&error.sqlstate());
            assert!(is_taken || error.sqlstate() == "0A000", "{sql}: {error}");
            tally.refused += usize::from(!is_taken);
            if !is_taken {
                println!("{sql}: {error}\n{before}");
            }
            assert_eq!(told(db), before, "{sql}");
        }
    }
}

#[test]
fn random_views_stay_when_names_change() {
    let first = number_from_env("TAILWATER_SEED", 1);
    let mut tally = Tally {
        views: 0,
        renamed: 0,
        refused: 0,
    };
    for seed in first..first + number_from_env("TAILWATER_SEEDS", SEEDS) {
        println!("seed {seed}");
        run(seed, &mut tally);
    }
    println!(
        "{} views, {} names told, {} refused",
        tally.views, tally.renamed, tally.refused
    );
    assert!(tally.views > 0 && tally.renamed > 10 * tally.refused);
}
