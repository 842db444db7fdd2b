//! The model: what tables and views hold after each commit, without a log, a file or an index.
//!
//! It predicts for every operation whether it commits, changes nothing or fails, and keeps the state at each LSN. It is
//! the slow twin of the whole database. Next door: `operation`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::operation::{Operation, View, large_text};

/// A row but for its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Column `grp`.
    pub group: i64,
    /// Column `n`.
    pub n: i64,
    /// Column `body`.
    pub body: String,
}

/// A table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// Its rows by key.
    pub rows: BTreeMap<i64, Row>,
    /// Whether it has its index.
    pub indexed: bool,
    /// Which one of that name it is; another one after TRUNCATE.
    pub incarnation: u64,
}

/// All there is at one LSN.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Tables by number.
    pub tables: BTreeMap<u8, Arc<Table>>,
    /// Views, with which one of that name each is.
    pub views: BTreeMap<View, u64>,
    made: u64,
}

/// What the model says of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// One commit.
    Commit,
    /// No commit, no error.
    Nothing,
    /// An error of this SQLSTATE.
    Error(&'static str),
}

const NO_TABLE: Expected = Expected::Error("42P01");

impl State {
    /// Applies an operation that is a statement.
    pub fn apply(&mut self, operation: &Operation) -> Expected {
        match operation {
            Operation::Insert {
                table,
                id,
                group,
                n,
            }
            | Operation::Submit {
                table,
                id,
                group,
                n,
            } => self.insert(*table, *id, *group, *n, format!("row {id}")),
            Operation::Large { table, id, bytes } => {
                self.insert(*table, *id, 0, 60, large_text(*id, *bytes))
            }
            Operation::Update { table, id, add } => self.change(*table, |rows| {
                let row = rows.get_mut(id)?;
                row.n += add;
                Some(())
            }),
            Operation::Move { table, from, to } => {
                let taken = self.tables.get(table).is_some_and(|table| {
                    table.rows.contains_key(from) && table.rows.contains_key(to)
                });
                if taken && from != to {
                    return Expected::Error("23505");
                }
                self.change(*table, |rows| {
                    let row = rows.remove(from)?;
                    rows.insert(*to, row);
                    Some(())
                })
            }
            Operation::Delete { table, id } => {
                self.change(*table, |rows| rows.remove(id).map(drop))
            }
            Operation::MultiRow {
                table,
                first,
                count,
                group,
            } => self.change(*table, |rows| {
                let before = rows.len();
                for id in *first..first + count {
                    rows.entry(id).or_insert_with(|| Row {
                        group: *group,
                        n: id,
                        body: format!("row {id}"),
                    });
                }
                (rows.len() > before).then_some(())
            }),
            Operation::UpdateMany { table, group, add } => self.change(*table, |rows| {
                let of_group = rows.values_mut().filter(|row| row.group == *group);
                (of_group.map(|row| row.n += add).count() > 0).then_some(())
            }),
            Operation::DeleteMany { table, group } => self.change(*table, |rows| {
                let before = rows.len();
                rows.retain(|_, row| row.group != *group);
                (rows.len() < before).then_some(())
            }),
            Operation::CreateTable { table } => {
                if self.tables.contains_key(table) {
                    return Expected::Nothing;
                }
                let incarnation = self.next();
                let new = Table {
                    incarnation,
                    ..Table::default()
                };
                self.tables.insert(*table, Arc::new(new));
                Expected::Commit
            }
            Operation::DropTable { table } => {
                if self.views.keys().any(|view| view.reads(*table)) {
                    return Expected::Error("2BP01");
                }
                when(self.tables.remove(table).is_some())
            }
            Operation::CreateIndex { table } => self.index(*table, true),
            Operation::DropIndex { table } => match self.tables.contains_key(table) {
                true => self.index(*table, false),
                false => Expected::Nothing,
            },
            Operation::Truncate { table } => {
                let incarnation = self.next();
                let Some(found) = self.tables.get_mut(table) else {
                    return NO_TABLE;
                };
                if found.rows.is_empty() {
                    return Expected::Nothing;
                }
                let found = Arc::make_mut(found);
                found.rows.clear();
                found.incarnation = incarnation;
                for (view, made) in &mut self.views {
                    if view.reads(*table) {
                        *made = incarnation;
                    }
                }
                Expected::Commit
            }
            Operation::CreateView(view) => {
                if self.views.contains_key(view) {
                    return Expected::Nothing;
                }
                let reads: BTreeSet<u8> = (0..super::operation::TABLES)
                    .filter(|t| view.reads(*t))
                    .collect();
                if !reads.iter().all(|table| self.tables.contains_key(table)) {
                    return NO_TABLE;
                }
                let made = self.next();
                self.views.insert(*view, made);
                Expected::Commit
            }
            Operation::DropView(view) => when(self.views.remove(view).is_some()),
            Operation::Wait
            | Operation::Conflict { .. }
            | Operation::Checkpoint
            | Operation::Background { .. }
            | Operation::Ack
            | Operation::Restart
            | Operation::DiskFull { .. }
            | Operation::DiskFree => Expected::Nothing,
        }
    }

    /// Adds to `n` of a row: what one transaction of a conflict does.
    pub fn add(&mut self, table: u8, id: i64, add: i64) -> Expected {
        self.apply(&Operation::Update { table, id, add })
    }

    /// What the groups of a table are: rows and the sum of `n`.
    #[must_use]
    pub fn groups(&self, table: u8) -> BTreeMap<i64, (i64, i64)> {
        let mut groups = BTreeMap::new();
        for row in self
            .tables
            .get(&table)
            .into_iter()
            .flat_map(|table| table.rows.values())
        {
            let group: &mut (i64, i64) = groups.entry(row.group).or_default();
            group.0 += 1;
            group.1 += row.n;
        }
        groups
    }

    fn next(&mut self) -> u64 {
        self.made += 1;
        self.made
    }

    fn insert(&mut self, table: u8, id: i64, group: i64, n: i64, body: String) -> Expected {
        let Some(found) = self.tables.get_mut(&table) else {
            return NO_TABLE;
        };
        if found.rows.contains_key(&id) {
            return Expected::Error("23505");
        }
        Arc::make_mut(found).rows.insert(id, Row { group, n, body });
        Expected::Commit
    }

    fn change(
        &mut self,
        table: u8,
        change: impl FnOnce(&mut BTreeMap<i64, Row>) -> Option<()>,
    ) -> Expected {
        let Some(found) = self.tables.get_mut(&table) else {
            return NO_TABLE;
        };
        when(change(&mut Arc::make_mut(found).rows).is_some())
    }

    fn index(&mut self, table: u8, indexed: bool) -> Expected {
        let Some(found) = self.tables.get_mut(&table) else {
            return NO_TABLE;
        };
        if found.indexed == indexed {
            return Expected::Nothing;
        }
        Arc::make_mut(found).indexed = indexed;
        Expected::Commit
    }
}

fn when(changed: bool) -> Expected {
    match changed {
        true => Expected::Commit,
        false => Expected::Nothing,
    }
}
