//! A new version of a module against the one that is installed: the statements that bring its tables along.
//!
//! A field is its number: what has another name is renamed, what has another type is widened where every value stays what it
//! was. What would lose data is refused with all its reasons at once, and the way to say that it is meant. Next door:
//! `widen`, which knows the types.

use std::collections::BTreeSet;

use super::name::quoted;
use super::plan::{CheckPlan, ColumnPlan, IndexPlan, ModulePlan, TablePlan};
use super::source::ModuleSource;
use super::widen::{self, Change};
use crate::error::{Error, Result};

impl ModuleSource {
    /// The statements that bring the tables of a version before along to this one, as installing it would run them, those
    /// for views of users left out.
    ///
    /// # Errors
    /// As [`Database::install_module`](crate::Database::install_module).
    ///
    /// ```
    /// use tailwater::module::ModuleSource;
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// let item = |fields| {
    ///     ModuleSource::new("shop.proto", format!("syntax = \"proto3\"; message Item {{ string id = 1; {fields} }}"))
    /// };
    /// let sql = item("int64 price = 2;").changes_since(&item("int32 cents = 2;"))?;
    /// assert_eq!(sql.lines().next(), Some("ALTER TABLE item RENAME COLUMN cents TO price;"));
    /// assert_eq!(item("").changes_since(&item("int32 cents = 2;")).unwrap_err().sqlstate(), "0A000");
    /// # Ok(())
    /// # }
    /// ```
    pub fn changes_since(&self, before: &Self) -> Result<String> {
        let before = before.plan()?;
        let steps = steps(Some(&before), &self.plan()?, self.may_drop(), &|name| {
            let own = before
                .tables
                .iter()
                .zip(0..)
                .filter(|(table, _)| table.view.is_some() && table.name == name);
            own.map(|(view, number)| Dependent {
                name: view.name.clone(),
                name_sql: quoted(&view.name),
                kind: "MATERIALIZED VIEW".to_owned(),
                sql: String::new(),
                indexes: Vec::new(),
                number,
                is_own: true,
            })
            .collect()
        })?;
        Ok(steps.into_iter().map(|step| step.sql).collect())
    }
}

/// A part of a migration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// One statement or several.
    pub(crate) sql: String,
    /// The table, view or index that it makes, unless that is there already.
    pub(crate) creates: Option<String>,
}

impl Step {
    fn of(sql: String) -> Self {
        Self { sql, creates: None }
    }

    /// A table or view, then its indexes.
    fn create(table: &TablePlan) -> Vec<Self> {
        let made = Self {
            sql: table.create_sql(),
            creates: Some(table.name.clone()),
        };
        let indexes = table.indexes.iter().map(|index| Self {
            sql: index.sql(&table.name),
            creates: Some(index.name.clone()),
        });
        std::iter::once(made).chain(indexes).collect()
    }
}

/// A view that reads a table of the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dependent {
    /// Its name.
    pub(crate) name: String,
    /// Its name as it stands in a statement.
    pub(crate) name_sql: String,
    /// `VIEW` or `MATERIALIZED VIEW`.
    pub(crate) kind: String,
    /// What made it.
    pub(crate) sql: String,
    /// What made its indexes.
    pub(crate) indexes: Vec<String>,
    /// Objects that were made later have greater ones.
    pub(crate) number: u32,
    /// Whether it is of the module: its new version makes it, if it still has it.
    pub(crate) is_own: bool,
}

impl Dependent {
    fn create_sql(&self) -> String {
        let ended = |sql: &String| format!("{};\n", sql.trim_end_matches([';', ' ', '\n']));
        let all = std::iter::once(&self.sql).chain(&self.indexes);
        all.map(ended).collect()
    }
}

/// A view of that name, and the views that read a relation of that name.
pub(crate) type Dependents<'d> = dyn Fn(&str) -> Vec<Dependent> + 'd;

/// The statements that make what a module needs of what its earlier version left. `dropping` names columns
/// (`table.column`) whose data may go.
///
/// # Errors
/// `0A000` with every reason why it would lose data.
pub(crate) fn steps(
    old: Option<&ModulePlan>,
    new: &ModulePlan,
    dropping: &[String],
    dependents: &Dependents<'_>,
) -> Result<Vec<Step>> {
    let of_views = |table: &&TablePlan| {
        table.view.is_some() && new.tables.iter().any(|new| new.message == table.message)
    };
    let mut migration = Migration {
        own_views: old.map_or_else(Vec::new, |old| old.tables.iter().filter(of_views).collect()),
        dropping,
        dependents,
        refused: Vec::new(),
        dropped_views: Vec::new(),
        alters: Vec::new(),
        creates: Vec::new(),
    };
    let (views, tables): (Vec<&TablePlan>, Vec<&TablePlan>) =
        new.tables.iter().partition(|table| table.view.is_some());
    for table in tables {
        match old.and_then(|old| earlier(old, table)) {
            Some(before) => migration.table(before, table),
            None => migration.creates.extend(Step::create(table)),
        }
    }
    let earlier_view = |view: &TablePlan| old.and_then(|old| earlier(old, view));
    for view in &views {
        if let Some(before) = earlier_view(view) {
            migration.view(before, view);
        }
    }
    // What one of them sets aside may be another.
    let mut views_after = Vec::new();
    for view in &views {
        match earlier_view(view) {
            Some(before) if !migration.is_set_aside(&before.name) => {}
            _ => views_after.extend(Step::create(view)),
        }
    }
    if !migration.refused.is_empty() {
        return Err(refusal(&migration.refused));
    }
    Ok(migration.in_order(views_after))
}

/// What a message was in the version before.
fn earlier<'p>(old: &'p ModulePlan, table: &TablePlan) -> Option<&'p TablePlan> {
    let mut tables = old.tables.iter();
    tables.find(|before| before.message == table.message)
}

fn refusal(refused: &[String]) -> Error {
    Error::statement(
        "0A000",
        format!(
            "the new version does not follow from the one that is installed: {}",
            refused.join("; ")
        ),
    )
    .with_hint("keep the number of each field, reserve what goes: reserved 3; reserved \"note\"; or say DROPPING (table.column)")
}

struct Migration<'m> {
    /// Views that the new version still has, perhaps under another name.
    own_views: Vec<&'m TablePlan>,
    dropping: &'m [String],
    dependents: &'m Dependents<'m>,
    refused: Vec<String>,
    dropped_views: Vec<Dependent>,
    alters: Vec<Step>,
    creates: Vec<Step>,
}

impl Migration<'_> {
    /// Views go before what they read changes, and come back behind it in the order they were made, those of the module as
    /// its new version has them.
    fn in_order(mut self, mut views_after: Vec<Step>) -> Vec<Step> {
        let mut views = std::mem::take(&mut self.dropped_views);
        views.sort_by_key(|view| view.number);
        let mut steps: Vec<Step> = Vec::new();
        for view in views.iter().rev() {
            steps.push(Step::of(format!("DROP {} {};\n", view.kind, view.name_sql)));
        }
        steps.extend(self.alters);
        steps.extend(self.creates);
        for view in &views {
            let own = views_after
                .iter()
                .position(|step| step.creates.as_ref() == Some(&view.name));
            match own {
                Some(own) => steps.push(views_after.remove(own)),
                None if view.is_own => {}
                None => steps.push(Step::of(view.create_sql())),
            }
        }
        steps.extend(views_after);
        steps
    }

    fn alter(&mut self, table: &str, action: &str) {
        let sql = format!("ALTER TABLE {} {action};\n", quoted(table));
        self.alters.push(Step::of(sql));
    }

    /// The view of that name, and those that read it, are out of the way while what they read changes.
    fn set_views_aside(&mut self, table: &str) {
        for mut dependent in (self.dependents)(table) {
            let mut own = self.own_views.iter();
            dependent.is_own = own.any(|view| view.name == dependent.name);
            if !self.dropped_views.contains(&dependent) {
                self.dropped_views.push(dependent);
            }
        }
    }

    fn is_set_aside(&self, view: &str) -> bool {
        let mut dropped = self.dropped_views.iter();
        dropped.any(|dropped| dropped.name == view)
    }

    fn view(&mut self, before: &TablePlan, view: &TablePlan) {
        let Some(query) = &before.view else {
            let what = format!("{} was a table and would be a view", view.message);
            return self.refused.push(what);
        };
        let is_same = Some(query) == view.view.as_ref()
            && before.name == view.name
            && before.indexes == view.indexes;
        if !is_same && !self.is_set_aside(&before.name) {
            self.set_views_aside(&before.name);
        }
    }

    fn table(&mut self, before: &TablePlan, table: &TablePlan) {
        if before.view.is_some() {
            let what = format!("{} was a view and would be a table", table.message);
            return self.refused.push(what);
        }
        if before.name != table.name {
            self.set_views_aside(&before.name);
            self.alter(&before.name, &format!("RENAME TO {}", quoted(&table.name)));
        }
        self.primary_key(before, table);
        let changes_before = self.refused.len();
        let goes = self.gone(before, table);
        let kept = self.kept(before, table);
        if self.refused.len() > changes_before {
            return;
        }
        let touched = touched(&goes, &kept);
        self.indexes(before, table, Index::Gone, &touched);
        self.checks(before, table, Index::Gone, &touched);
        let renames: Vec<(&ColumnPlan, &ColumnPlan)> = kept
            .iter()
            .filter(|(old, new)| old.name != new.name)
            .copied()
            .collect();
        let is_moved = !goes.is_empty()
            || !renames.is_empty()
            || kept
                .iter()
                .any(|(old, new)| widen::change(old, new).is_some_and(|c| c != Change::None));
        if is_moved {
            self.set_views_aside(&before.name);
        }
        for column in goes {
            self.alter(
                &table.name,
                &format!("DROP COLUMN {}", quoted(&column.name)),
            );
        }
        self.rename(table, &renames);
        for (old, new) in kept {
            self.column(table, old, new);
        }
        for column in &table.columns {
            if !before
                .columns
                .iter()
                .any(|old| old.field_number == column.field_number)
            {
                self.alter(&table.name, &format!("ADD COLUMN {}", column.sql()));
            }
        }
        self.checks(before, table, Index::New, &touched);
        self.indexes(before, table, Index::New, &touched);
    }

    fn primary_key(&mut self, before: &TablePlan, table: &TablePlan) {
        // By numbers: a column of the key may have another name now.
        let numbers = |plan: &TablePlan| -> Vec<Result<u32, String>> {
            let names = plan.primary_key.columns().iter();
            names
                .map(|name| {
                    let mut columns = plan.columns.iter();
                    let column = columns.find(|column| column.name == *name);
                    column.map_or_else(|| Err(name.clone()), |column| Ok(column.field_number))
                })
                .collect()
        };
        if numbers(before) != numbers(table) {
            self.refused.push(format!(
                "the primary key of {} would be ({}) and was ({}): make a new message for it, and copy its rows",
                table.name,
                table.primary_key.columns().join(", "),
                before.primary_key.columns().join(", ")
            ));
        }
    }

    /// Columns whose field is not there any more.
    fn gone<'p>(&mut self, before: &'p TablePlan, table: &TablePlan) -> Vec<&'p ColumnPlan> {
        let mut goes = Vec::new();
        for old in &before.columns {
            let mut columns = table.columns.iter();
            if columns.any(|column| column.field_number == old.field_number) {
                continue;
            }
            let full = format!("{}.{}", before.name, old.name);
            let is_reserved = table.reserved.has_number(old.field_number)
                && table.reserved.names.contains(&old.field);
            let is_meant = self.dropping.contains(&full);
            match table
                .columns
                .iter()
                .find(|column| column.field == old.field)
            {
                Some(column) if !is_meant => self.refused.push(format!(
                    "{}.{} had the number {} and would have {}",
                    table.message, old.field, old.field_number, column.field_number
                )),
                None if !is_meant && !is_reserved => self.refused.push(format!(
                    "{}.{} is gone, and its number {} and name are not reserved",
                    table.message, old.field, old.field_number
                )),
                _ => goes.push(old),
            }
        }
        goes
    }

    /// Columns whose field is still there, with what it is now.
    fn kept<'p>(
        &mut self,
        before: &'p TablePlan,
        table: &'p TablePlan,
    ) -> Vec<(&'p ColumnPlan, &'p ColumnPlan)> {
        let mut kept = Vec::new();
        for new in &table.columns {
            let mut columns = before.columns.iter();
            let Some(old) = columns.find(|old| old.field_number == new.field_number) else {
                if before.reserved.has_number(new.field_number) {
                    self.refused.push(format!(
                        "{}.{} has the number {}, which was reserved",
                        table.message, new.field, new.field_number
                    ));
                }
                continue;
            };
            let in_key = before.primary_key.columns().contains(&old.name);
            let is_indexed = in_key
                || before.indexes.iter().any(|index| {
                    let mut paths = index.columns.iter();
                    paths.any(|path| path.split('.').next() == Some(old.name.as_str()))
                });
            match widen::change(old, new) {
                None => self.refused.push(format!(
                    "{}.{} was {} and would be {}: on the wire that is another value",
                    table.message, new.field, old.kind, new.kind
                )),
                Some(Change::Cast | Change::Wrap) if is_indexed => self.refused.push(format!(
                    "{}.{} was {} and would be {}: it is indexed, drop the index first",
                    table.message, new.field, old.kind, new.kind
                )),
                Some(_) => kept.push((old, new)),
            }
        }
        kept
    }

    /// Names that others still have are taken by way of names that nobody has.
    fn rename(&mut self, table: &TablePlan, renames: &[(&ColumnPlan, &ColumnPlan)]) {
        let is_crossed = renames
            .iter()
            .any(|(_, new)| renames.iter().any(|(old, _)| old.name == new.name));
        let between = |column: &ColumnPlan| format!("tailwater_{}", column.field_number);
        for (old, new) in renames {
            let to = match is_crossed {
                true => between(new),
                false => new.name.clone(),
            };
            let action = format!("RENAME COLUMN {} TO {}", quoted(&old.name), quoted(&to));
            self.alter(&table.name, &action);
        }
        for (_, new) in renames.iter().filter(|_| is_crossed) {
            let action = format!("RENAME COLUMN {} TO {}", between(new), quoted(&new.name));
            self.alter(&table.name, &action);
        }
    }

    /// Type, default and NULL of a column that has its new name.
    fn column(&mut self, table: &TablePlan, old: &ColumnPlan, new: &ColumnPlan) {
        let name = quoted(&new.name);
        match widen::change(old, new) {
            Some(Change::Wrap) => {
                for sql in widen::wrapped(&table.name, old, new) {
                    self.alters.push(Step::of(sql));
                }
                return;
            }
            Some(Change::Cast | Change::Widen) => {
                if old.default.is_some() {
                    self.alter(&table.name, &format!("ALTER COLUMN {name} DROP DEFAULT"));
                }
                let action = format!("ALTER COLUMN {name} TYPE {}", new.sql_type);
                self.alter(&table.name, &action);
                if let Some(default) = &new.default {
                    let action = format!("ALTER COLUMN {name} SET DEFAULT {default}");
                    self.alter(&table.name, &action);
                }
            }
            _ if old.default != new.default => {
                let action = match &new.default {
                    Some(default) => format!("ALTER COLUMN {name} SET DEFAULT {default}"),
                    None => format!("ALTER COLUMN {name} DROP DEFAULT"),
                };
                self.alter(&table.name, &action);
            }
            _ => {}
        }
        match (old.is_nullable, new.is_nullable) {
            (false, true) => self.alter(&table.name, &format!("ALTER COLUMN {name} DROP NOT NULL")),
            (true, false) => {
                // What was not set is Protobuf's zero from now on, as it is on the wire.
                if let Some(default) = &new.default {
                    let table = quoted(&table.name);
                    let sql =
                        format!("UPDATE {table} SET {name} = {default} WHERE {name} IS NULL;\n");
                    self.alters.push(Step::of(sql));
                }
                self.alter(&table.name, &format!("ALTER COLUMN {name} SET NOT NULL"));
            }
            _ => {}
        }
    }

    fn checks(
        &mut self,
        before: &TablePlan,
        table: &TablePlan,
        index: Index,
        touched: &Touched<'_>,
    ) {
        // Which columns a condition names is not told: it is made again if any of them is another.
        let differs =
            |one: &CheckPlan, others: &[CheckPlan]| !touched.is_empty() || !others.contains(one);
        match index {
            Index::Gone => {
                for check in before.checks.iter().filter(|c| differs(c, &table.checks)) {
                    let action = format!("DROP CONSTRAINT IF EXISTS {}", quoted(&check.name));
                    self.alter(&table.name, &action);
                }
            }
            Index::New => {
                for check in table.checks.iter().filter(|c| differs(c, &before.checks)) {
                    self.alter(&table.name, &format!("ADD {}", check.sql()));
                }
            }
        }
    }

    fn indexes(
        &mut self,
        before: &TablePlan,
        table: &TablePlan,
        index: Index,
        touched: &Touched<'_>,
    ) {
        let differs = |one: &IndexPlan, others: &[IndexPlan]| {
            let mut columns = one.columns.iter();
            let is_touched = |path: &String| {
                let column = path.split('.').next().unwrap_or_default();
                touched.contains(column)
            };
            columns.any(is_touched) || !others.contains(one)
        };
        match index {
            Index::Gone => {
                for index in before.indexes.iter().filter(|i| differs(i, &table.indexes)) {
                    let sql = format!("DROP INDEX IF EXISTS {};\n", quoted(&index.name));
                    self.alters.push(Step::of(sql));
                }
            }
            Index::New => {
                for index in table.indexes.iter().filter(|i| differs(i, &before.indexes)) {
                    self.alters.push(Step::of(index.sql(&table.name)));
                }
            }
        }
    }
}

/// Names of columns, before and after, that do not mean what they meant: gone, renamed, or with other values.
type Touched<'p> = BTreeSet<&'p str>;

fn touched<'p>(goes: &[&'p ColumnPlan], kept: &[(&'p ColumnPlan, &'p ColumnPlan)]) -> Touched<'p> {
    let is_other = |(old, new): &&(&ColumnPlan, &ColumnPlan)| {
        let keeps = matches!(widen::change(old, new), Some(Change::None | Change::Widen));
        old.name != new.name || !keeps
    };
    let others = kept.iter().filter(is_other);
    let names = others.flat_map(|(old, new)| [old.name.as_str(), new.name.as_str()]);
    let gone = goes.iter().map(|column| column.name.as_str());
    names.chain(gone).collect()
}

/// Which of the indexes or checks of a table: those that go come off before its columns change.
#[derive(Clone, Copy)]
enum Index {
    Gone,
    New,
}
