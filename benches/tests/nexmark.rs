//! Nexmark, right before it is fast: 5,000 events go in by transactions of 100, and every query whose golden result is
//! known must give it, read as SELECT and kept as a materialised view. Both lists can only grow; what is refused is
//! printed with its reason.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tailwater::{Database, Result, Rows};
use tailwater_benches::workload::nexmark::{QUERIES, SCHEMA, Stream, insert_all};
use tailwater_proto::text::to_text;

const EVENTS: usize = 5_000;
const EVENTS_PER_COMMIT: usize = 100;
const SELECTED_MIN: usize = 15;
const MAINTAINED_MIN: usize = 15;

fn suite() -> PathBuf {
    let suites = std::env::var_os("TAILWATER_SUITES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/suites"),
        PathBuf::from,
    );
    let folder = suites.join("nexmark");
    assert!(
        folder.is_dir(),
        "{} is missing: set TAILWATER_SUITES to the folder of public suites",
        folder.display()
    );
    folder
}

/// `(name, text)` of each query.
fn suite_queries() -> Vec<(String, String)> {
    let text = std::fs::read_to_string(suite().join("queries.sql")).unwrap();
    let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    lines
        .windows(2)
        .filter_map(|pair| {
            let name = pair[0].strip_prefix("-- ")?;
            (!pair[1].starts_with("--")).then(|| (name.to_owned(), pair[1].to_owned()))
        })
        .collect()
}

/// A query, and whether it is a view too.
struct Query {
    view: String,
    /// Whose golden result it must give.
    golden: String,
    sql: String,
    created: Result<()>,
}

impl Query {
    fn create(db: &Database, view: String, golden: String, sql: String) -> Self {
        let created = db
            .exec(&format!("CREATE MATERIALIZED VIEW {view} AS {sql}"), ())
            .map(drop);
        Self {
            view,
            golden,
            sql,
            created,
        }
    }
}

/// How many rows, and the hash of their sorted lines.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Digest(usize, String);

fn golden() -> BTreeMap<String, Digest> {
    let text = std::fs::read(suite().join("golden-index.json")).unwrap();
    let index: BTreeMap<String, BTreeMap<String, (usize, String)>> =
        serde_json::from_slice(&text).unwrap();
    index
        .into_iter()
        .map(|(name, mut by_events)| {
            let (rows, hash) = by_events.remove(&EVENTS.to_string()).unwrap();
            (name, Digest(rows, hash))
        })
        .collect()
}

fn digest(rows: Rows) -> Result<Digest> {
    let mut lines: Vec<String> = rows
        .collect_rows()?
        .iter()
        .map(|row| {
            let cells: Vec<String> = row
                .values()
                .iter()
                .zip(row.columns())
                .map(|(value, column)| to_text(value, &column.ty).unwrap_or_default())
                .collect();
            cells.join("|")
        })
        .collect();
    lines.sort_unstable();
    let hash = format!("{:x}", md5::compute(lines.join("\n")));
    Ok(Digest(lines.len(), hash))
}

/// Subscripts of arrays count from 0 here, as in paths of documents, and from 1 in PostgreSQL.
fn in_our_dialect(sql: &str) -> String {
    sql.replace("*)'))[2]", "*)'))[1]")
}

#[test]
fn every_result_is_the_golden_one() {
    let db = Database::memory().unwrap();
    for statement in SCHEMA {
        db.exec(statement, ()).unwrap();
    }
    let golden = golden();
    let mut queries: Vec<Query> = suite_queries()
        .into_iter()
        .map(|(name, sql)| Query::create(&db, name.clone(), name, in_our_dialect(&sql)))
        .collect();
    assert_eq!(queries.len(), golden.len(), "queries and golden results");
    // As `compare` has them: what is measured must be right, too.
    queries.extend(QUERIES.iter().map(|measured| {
        let name = format!("q{}", measured.number);
        Query::create(
            &db,
            format!("measured_{name}"),
            name,
            measured.sql.to_owned(),
        )
    }));

    let mut stream = Stream::default();
    for _ in 0..EVENTS / EVENTS_PER_COMMIT {
        insert_all(&db, &stream.batch(EVENTS_PER_COMMIT)).unwrap();
    }

    let (mut selected, mut maintained, mut wrong) = (0, 0, Vec::new());
    for query in queries {
        let (name, expected) = (&query.view, &golden[&query.golden]);
        let ways = [
            (
                "SELECT",
                &mut selected,
                db.query(&query.sql, ()).and_then(digest),
            ),
            (
                "view",
                &mut maintained,
                query
                    .created
                    .and_then(|()| db.query(&format!("SELECT * FROM {name}"), ()))
                    .and_then(digest),
            ),
        ];
        for (way, count, outcome) in ways {
            match outcome {
                Ok(found) if found == *expected => *count += 1,
                Ok(found) => wrong.push(format!("{name} {way}: {found:?}, not {expected:?}")),
                Err(error) => println!("{name} {way} refused: {error}"),
            }
        }
    }
    let (of, measured) = (golden.len(), QUERIES.len());
    println!(
        "nexmark: {} selected and {} maintained of {of}, and {measured} as they are measured",
        selected - measured,
        maintained - measured
    );
    assert_eq!(wrong, Vec::<String>::new());
    assert!(selected >= SELECTED_MIN + measured, "{selected} selected");
    assert!(
        maintained >= MAINTAINED_MIN + measured,
        "{maintained} maintained"
    );
}

/// A peer's figure counts only if it did the work.
#[cfg(feature = "peers")]
#[test]
fn triggers_of_sqlite_keep_as_many_rows() {
    use tailwater_benches::Place;
    use tailwater_benches::peer::sqlite_nexmark::SqliteNexmark;
    let (golden, place) = (golden(), Place::new(std::env::temp_dir()));
    let events = Stream::default().batch(EVENTS);
    for query in QUERIES {
        let Some(triggers) = query.sqlite else {
            continue;
        };
        let name = format!("q{}", query.number);
        let mut sqlite = SqliteNexmark::open(&place, triggers).unwrap();
        for events in events.chunks(EVENTS_PER_COMMIT) {
            sqlite.insert(events).unwrap();
        }
        assert_eq!(
            sqlite.rows_of(&name).unwrap(),
            golden[&name].0 as u64,
            "{name}"
        );
    }
}
