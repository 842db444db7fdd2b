//! Random views over random tables: after every statement each view equals its query, through transactions,
//! savepoints, failing statements, checkpoints, reopenings and crashes.
//!
//! A seed is a whole run; `TAILWATER_SEEDS=n` runs n of them, `TAILWATER_SEED=s` begins elsewhere. Where the query
//! fails on a row (division by zero) the view must hold the others and name that row in `tailwater.view_errors`;
//! CHECK VIEW, which evaluates collecting errors, is the oracle then. Nothing here is compared by representation
//! where SQL leaves it open: keys and extremes are taken of values that are equal only if they are the same.
//! Next door: `views_random/query.rs` (queries), `views_random/data.rs` (tables, rows, statements).
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod common;
#[path = "views_random/data.rs"]
mod data;
#[path = "views_random/query.rs"]
mod query;

use std::collections::BTreeMap;
use std::sync::Arc;

use common::{Rng, multiset, number_from_env, text};
use data::{TABLES, insert, schema, statement};
use query::{Relation, view_query};
use tailwater::{Database, Session};
use tailwater_wal::vfs::MemoryVfs;

const SEEDS: u64 = 32;
const STEPS: usize = 60;
const VIEWS: usize = 6;

#[derive(Debug, Default)]
struct Tally {
    statements: usize,
    failed: usize,
    comparisons: usize,
    filled: usize,
    with_row_errors: usize,
    views: usize,
    refused: BTreeMap<String, usize>,
    reopened: usize,
    crashed: usize,
}

/// A view with its query and what can be read from it.
struct View {
    relation: Relation,
    query: String,
    /// It stands on another view, whose row errors are its own.
    stacked: bool,
}

/// How an opening of the database ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Closed,
    Crashed,
}

struct World {
    seed: u64,
    vfs: MemoryVfs,
    db: Database,
    session: Session,
    views: Vec<View>,
    /// The tables as they were last committed.
    committed: Vec<Vec<Vec<u8>>>,
    log: Vec<String>,
}

fn open(vfs: &MemoryVfs) -> Database {
    Database::builder()
        .vfs(Arc::new(vfs.clone()))
        .open("db")
        .unwrap()
}

impl World {
    fn new(seed: u64) -> Self {
        let vfs = MemoryVfs::new();
        let db = open(&vfs);
        let session = db.session();
        Self {
            seed,
            vfs,
            db,
            session,
            views: Vec::new(),
            committed: Vec::new(),
            log: Vec::new(),
        }
    }

    /// What happened, for the one who reads the failure.
    fn story(&self) -> String {
        let mut story = self.log.join(";\n");
        story.push_str(&format!("\n-- seed {}", self.seed));
        story
    }

    fn exec(&mut self, sql: &str) -> Result<(), tailwater::Error> {
        let outcome = self.session.execute(sql, ()).map(drop);
        let mark = if outcome.is_ok() { "" } else { "-- failed: " };
        self.log.push(format!("{mark}{sql}"));
        outcome
    }

    fn must(&mut self, sql: &str) {
        if let Err(error) = self.exec(sql) {
            panic!("{error}\n{}", self.story());
        }
    }

    fn tables(&mut self) -> Vec<Vec<Vec<u8>>> {
        TABLES
            .iter()
            .map(|table| multiset(&mut self.session, &format!("SELECT * FROM {table}")).unwrap())
            .collect()
    }

    fn note_committed(&mut self) {
        self.committed = self.tables();
    }

    /// The tables are what was last committed.
    fn must_be_as_committed(&mut self, why: &str) {
        let now = self.tables();
        assert!(
            now == self.committed,
            "{why}: rows differ\n{}",
            self.story()
        );
    }

    fn compare(&mut self, tally: &mut Tally) {
        for place in 0..self.views.len() {
            let view = &self.views[place];
            let (name, query) = (view.relation.name.clone(), view.query.clone());
            tally.comparisons += 1;
            let found = match multiset(&mut self.session, &format!("SELECT * FROM {name}")) {
                Ok(found) => found,
                Err(error) => panic!("{name}: {error}\n{}", self.story()),
            };
            tally.filled += usize::from(!found.is_empty());
            // A query that fails fails its transaction.
            let guarded = self.session.in_transaction();
            if guarded {
                self.session.execute("SAVEPOINT compared", ()).unwrap();
            }
            match multiset(&mut self.session, &query) {
                Ok(fresh) => {
                    if found != fresh {
                        let view = text(&mut self.session, &format!("SELECT * FROM {name}"));
                        let fresh = text(&mut self.session, &query);
                        panic!(
                            "{}\n{name} = {query}\n--- view\n{view}\n--- query\n{fresh}",
                            self.story()
                        );
                    }
                }
                Err(error) => {
                    assert_eq!(
                        error.sqlstate(),
                        "22012",
                        "{error}\n{query}\n{}",
                        self.story()
                    );
                    tally.with_row_errors += 1;
                    if guarded {
                        self.session.execute("ROLLBACK TO compared", ()).unwrap();
                    }
                    if !self.session.in_transaction() {
                        let count = text(
                            &mut self.session,
                            &format!(
                                "SELECT count(*) FROM tailwater.view_errors WHERE view = '{name}'"
                            ),
                        );
                        assert!(
                            count != "0" || self.views[place].stacked,
                            "{name} = {query} fails ({error}) and no row is to blame\n{}",
                            self.story()
                        );
                    }
                }
            }
            if guarded {
                self.session.execute("RELEASE compared", ()).unwrap();
            } else {
                let line = text(&mut self.session, &format!("CHECK VIEW {name}"));
                assert!(
                    line.contains("|0|"),
                    "{line}\n{name} = {query}\n{}",
                    self.story()
                );
            }
        }
    }

    fn add_view(&mut self, rng: &mut Rng, tally: &mut Tally) {
        let mut relations: Vec<Relation> = data::relations();
        let tables = relations.len();
        relations.extend(self.views.iter().map(|view| view.relation.clone()));
        let name = format!("v{}", tally.views);
        let (sql, columns) = view_query(rng, &relations);
        let stacked = relations[tables..]
            .iter()
            .any(|relation| sql.contains(&format!(" {} ", relation.name)));
        match self.exec(&format!("CREATE MATERIALIZED VIEW {name} AS {sql}")) {
            Ok(()) => {
                tally.views += 1;
                self.views.push(View {
                    relation: Relation { name, columns },
                    query: sql,
                    stacked,
                });
            }
            Err(error) => {
                assert!(
                    matches!(error.sqlstate(), "0A000" | "42883" | "42804" | "42P18"),
                    "{error}\n{sql}\n{}",
                    self.story()
                );
                *tally
                    .refused
                    .entry(format!("{error} <- {sql}"))
                    .or_default() += 1;
            }
        }
    }

    /// Drops the database and opens it again, in the way it ended.
    fn reopen(&mut self, end: End) {
        if end == End::Crashed {
            self.log.push("-- crash".to_owned());
            self.vfs = self.vfs.crash();
        } else {
            self.log.push("-- reopen".to_owned());
            // The lock goes with the last handle.
            let elsewhere = Database::memory().unwrap();
            self.session = elsewhere.session();
            self.db = elsewhere;
        }
        self.db = open(&self.vfs);
        self.session = self.db.session();
        assert_eq!(self.db.recovery().rows_evaluated, 0);
    }

    /// One random statement; whether it worked.
    fn change(&mut self, rng: &mut Rng, tally: &mut Tally) -> bool {
        let sql = statement(rng);
        tally.statements += 1;
        match self.exec(&sql) {
            Ok(()) => true,
            Err(error) => {
                assert!(
                    matches!(error.sqlstate(), "23505" | "22012" | "23502"),
                    "{error}\n{}",
                    self.story()
                );
                tally.failed += 1;
                false
            }
        }
    }

    /// A transaction of a few statements, with savepoints, ended one way or another.
    fn transaction(&mut self, rng: &mut Rng, tally: &mut Tally) {
        self.must("BEGIN");
        let mut marked = false;
        for _ in 0..rng.between(1, 5) {
            if rng.percent(30) {
                self.must("SAVEPOINT mark");
                marked = true;
            }
            let then = self.tables();
            let guarded = rng.percent(80);
            if guarded {
                self.must("SAVEPOINT guard");
            }
            if self.change(rng, tally) {
                if guarded && rng.percent(50) {
                    self.must("RELEASE guard");
                }
            } else if guarded {
                self.must("ROLLBACK TO guard");
                let now = self.tables();
                assert!(
                    then == now,
                    "a failed statement left a trace\n{}",
                    self.story()
                );
            } else {
                let refused = self.exec("SELECT 1").unwrap_err();
                assert_eq!(refused.sqlstate(), "25P02");
                self.must("ROLLBACK");
                self.must_be_as_committed("after a failed transaction");
                return;
            }
            self.compare(tally);
            if marked && rng.percent(25) {
                self.must("ROLLBACK TO mark");
                self.compare(tally);
            }
        }
        match rng.below(10) {
            0..3 => {
                self.must("ROLLBACK");
                self.must_be_as_committed("after ROLLBACK");
            }
            3 => {
                tally.crashed += 1;
                self.reopen(End::Crashed);
                self.must_be_as_committed("after a crash inside a transaction");
            }
            _ => {
                self.must("COMMIT");
                self.note_committed();
            }
        }
    }
}

fn run(seed: u64, tally: &mut Tally) {
    let mut rng = Rng(seed);
    let mut world = World::new(seed);
    for sql in schema(&mut rng) {
        world.must(&sql);
    }
    while world.views.len() < VIEWS / 2 {
        world.add_view(&mut rng, tally);
    }
    for _ in 0..6 {
        for table in TABLES {
            // A key that is there already is fine here.
            let _ = world.exec(&insert(&mut rng, table));
        }
    }
    world.note_committed();
    for _ in 0..STEPS {
        match rng.below(20) {
            0 => {
                world.log.push("-- checkpoint".to_owned());
                world.db.checkpoint().unwrap();
            }
            1 => {
                tally.reopened += 1;
                world.reopen(End::Closed);
                world.must_be_as_committed("after reopening");
            }
            2 => {
                tally.crashed += 1;
                world.reopen(End::Crashed);
                world.must_be_as_committed("after a crash");
            }
            3 if world.views.len() >= VIEWS => {
                let last = world.views.pop().unwrap();
                world.must(&format!("DROP MATERIALIZED VIEW {}", last.relation.name));
            }
            3 | 4 if world.views.len() < VIEWS => world.add_view(&mut rng, tally),
            5..12 => world.transaction(&mut rng, tally),
            _ => {
                if world.change(&mut rng, tally) {
                    world.note_committed();
                } else {
                    world.must_be_as_committed("after a failed statement");
                }
            }
        }
        world.compare(tally);
    }
}

#[test]
fn every_view_equals_its_query_after_every_statement() {
    let first = number_from_env("TAILWATER_SEED", 1);
    let seeds = number_from_env("TAILWATER_SEEDS", SEEDS);
    let mut tally = Tally::default();
    for seed in first..first + seeds {
        println!("seed {seed}");
        run(seed, &mut tally);
    }
    let refused: usize = tally.refused.values().sum();
    for (why, count) in &tally.refused {
        println!("refused {count}: {why}");
    }
    println!(
        "{} views ({refused} refused), {} statements ({} failed), {} comparisons ({} of views with rows, {} with row \
         errors), {} reopenings, {} crashes, seeds {first} to {}",
        tally.views,
        tally.statements,
        tally.failed,
        tally.comparisons,
        tally.filled,
        tally.with_row_errors,
        tally.reopened,
        tally.crashed,
        first + seeds - 1
    );
    assert!(refused * 3 <= tally.views, "too many views are refused");
    assert!(tally.filled * 2 > tally.comparisons, "views run empty");
    if seeds >= SEEDS {
        assert!(tally.with_row_errors > 0 && tally.failed > 0);
        assert!(tally.reopened > 0 && tally.crashed > 0);
    }
}
