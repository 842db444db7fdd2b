//! A new version of a module against the one that is installed: the statements that bring its tables along.
//!
//! A field is its number: what has another name is renamed, what has another type is widened where every value stays what it
//! was. What would lose data is refused with all its reasons at once, and the way to say that it is meant. Next door:
//! `widen`, which knows the types.

use super::name::quoted;
use super::plan::{CheckPlan, ColumnPlan, IndexPlan, ModulePlan, TablePlan};
use super::source::ModuleSource;
use super::widen::{self, Change};
use crate::error::{Error, Result};

impl ModuleSource {
    /// The statements that bring the tables of a version before along to this one, as installing it would run them, those
    /// for views of users left out. A view whose query is written otherwise is made anew in them; installing leaves it
    /// in place if it means the same.
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
        let (before, after) = (before.plan()?, self.plan()?);
        let steps = steps(Some(&before), &after, self.may_drop())?;
        let aside = steps.iter().find_map(|step| match step {
            Step::Aside(names) => Some(names.as_slice()),
            _ => None,
        });
        // What views read is not known here: one of the same query stays.
        let is_anew = |view: &TablePlan| {
            aside.unwrap_or_default().contains(&view.name)
                || earlier(&before, view).is_none_or(|before| before.view != view.view)
        };
        let mut sql = String::new();
        for step in &steps {
            match step {
                Step::Run(run) => sql.push_str(&run.sql),
                Step::Aside(_) => {
                    let views = after.tables.iter().filter(|table| table.view.is_some());
                    let old = views.filter(|view| earlier(&before, view).is_some());
                    for view in old.rev().filter(|view| is_anew(view)) {
                        sql.push_str(&format!("DROP MATERIALIZED VIEW {};\n", quoted(&view.name)));
                    }
                }
                Step::Back { .. } => {}
                Step::View(view) if is_anew(view) => {
                    sql.extend(view.creation().into_iter().map(|made| made.sql));
                }
                Step::View(_) => {}
            }
        }
        Ok(sql)
    }
}

/// A part of a migration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Statements.
    Run(Run),
    /// Views of these names, and those that read a relation of such a name, go out of the way of what comes next.
    Aside(Vec<String>),
    /// They come back in the order they were made.
    Back {
        /// Those of the module as its new version has them.
        own: Vec<TablePlan>,
        /// Names that views of the module had.
        former: Vec<String>,
    },
    /// A view that the version before had, too: as it is, with another text that means the same, or made anew.
    View(TablePlan),
}

/// One statement or several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) sql: String,
    /// The table, view or index that they make, unless it is there already.
    pub(crate) creates: Option<String>,
}

impl TablePlan {
    /// A table or view, then its indexes.
    pub(crate) fn creation(&self) -> Vec<Run> {
        let made = Run {
            sql: self.create_sql(),
            creates: Some(self.name.clone()),
        };
        let indexes = self.indexes.iter().map(|index| Run {
            sql: index.sql(&self.name),
            creates: Some(index.name.clone()),
        });
        std::iter::once(made).chain(indexes).collect()
    }
}

/// The steps that make what a module needs of what its earlier version left. `dropping` names columns (`table.column`)
/// whose data may go.
///
/// # Errors
/// `0A000` with every reason why it would lose data.
pub(crate) fn steps(
    old: Option<&ModulePlan>,
    new: &ModulePlan,
    dropping: &[String],
) -> Result<Vec<Step>> {
    let mut migration = Migration {
        old,
        dropping,
        refused: Vec::new(),
        renames: Vec::new(),
        aside: Vec::new(),
        alters: Vec::new(),
    };
    let (views, tables): (Vec<&TablePlan>, Vec<&TablePlan>) =
        new.tables.iter().partition(|table| table.view.is_some());
    let earlier = |table: &TablePlan| old.and_then(|old| earlier(old, table));
    let mut creates = Vec::new();
    for table in tables {
        match earlier(table) {
            Some(before) => migration.table(before, table),
            None => creates.extend(table.creation()),
        }
    }
    let mut former = Vec::new();
    let mut own = Vec::new();
    let mut made = Vec::new();
    for view in views {
        match earlier(view) {
            Some(before) => {
                migration.view(before, view);
                former.push(before.name.clone());
                own.push(view.clone());
                made.push(Step::View(view.clone()));
            }
            None => made.extend(view.creation().into_iter().map(Step::Run)),
        }
    }
    if !migration.refused.is_empty() {
        return Err(refusal(&migration.refused));
    }
    // Names change under views that stay; then those go that cannot, and come back behind all else.
    let of = |sql| Step::Run(Run { sql, creates: None });
    let mut steps: Vec<Step> = migration.renames.into_iter().map(of).collect();
    steps.extend(old.is_some().then_some(Step::Aside(migration.aside)));
    steps.extend(migration.alters.into_iter().map(of));
    steps.extend(creates.into_iter().map(Step::Run));
    steps.extend(old.is_some().then_some(Step::Back { own, former }));
    steps.extend(made);
    Ok(steps)
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
    old: Option<&'m ModulePlan>,
    dropping: &'m [String],
    refused: Vec<String>,
    /// What views may stand in the way of no more than their text.
    renames: Vec<String>,
    /// Names of views that go and come back, and of tables whose views do.
    aside: Vec<String>,
    alters: Vec<String>,
}

impl Migration<'_> {
    fn alter(&mut self, table: &str, action: &str) {
        let sql = format!("ALTER TABLE {} {action};\n", quoted(table));
        self.alters.push(sql);
    }

    fn rename(&mut self, table: &str, action: &str) {
        let sql = format!("ALTER TABLE {} {action};\n", quoted(table));
        self.renames.push(sql);
    }

    fn view(&mut self, before: &TablePlan, view: &TablePlan) {
        if before.view.is_none() {
            let what = format!("{} was a table and would be a view", view.message);
            return self.refused.push(what);
        }
        let mut others = self.old.into_iter().flat_map(|old| &old.tables);
        if before.name != view.name && others.any(|other| other.name == view.name) {
            return self.aside.push(before.name.clone());
        }
        if before.name != view.name {
            self.renames.push(format!(
                "ALTER MATERIALIZED VIEW {} RENAME TO {};\n",
                quoted(&before.name),
                quoted(&view.name)
            ));
        }
        if before.indexes != view.indexes {
            self.aside.push(view.name.clone());
        }
    }

    fn table(&mut self, before: &TablePlan, table: &TablePlan) {
        if before.view.is_some() {
            let what = format!("{} was a view and would be a table", table.message);
            return self.refused.push(what);
        }
        if before.name != table.name {
            self.rename(&before.name, &format!("RENAME TO {}", quoted(&table.name)));
        }
        self.primary_key(before, table);
        let changes_before = self.refused.len();
        let goes = self.gone(before, table);
        let kept = self.kept(before, table);
        if self.refused.len() > changes_before {
            return;
        }
        // Which columns a condition names is not told: it is made again if any of them is another.
        let is_other = |pair: &(&ColumnPlan, &ColumnPlan)| {
            pair.0.name != pair.1.name || has_other_values(pair)
        };
        let is_touched = !goes.is_empty() || kept.iter().any(is_other);
        let differs = |one: &CheckPlan, others: &[CheckPlan]| is_touched || !others.contains(one);
        for check in before.checks.iter().filter(|c| differs(c, &table.checks)) {
            let action = format!("DROP CONSTRAINT IF EXISTS {}", quoted(&check.name));
            self.rename(&table.name, &action);
        }
        let goes = self.rename_columns(table, &goes, &kept);
        let is_moved = |(old, new): &(&ColumnPlan, &ColumnPlan)| {
            widen::change(old, new).is_some_and(|change| change != Change::None)
        };
        if !goes.is_empty() || kept.iter().any(is_moved) {
            self.aside.push(table.name.clone());
        }
        let steps = self.alters.len();
        let indexes = self.indexes(before, table, &kept);
        if self.alters.len() > steps && is_touched {
            // A view may go through an index whose columns changed names with another's.
            self.aside.push(table.name.clone());
        }
        for name in goes {
            self.alter(&table.name, &format!("DROP COLUMN {}", quoted(&name)));
        }
        for (old, new) in kept {
            self.column(table, old, new);
        }
        for column in &table.columns {
            let mut old = before.columns.iter();
            if !old.any(|old| old.field_number == column.field_number) {
                self.alter(&table.name, &format!("ADD COLUMN {}", column.sql()));
            }
        }
        for check in table.checks.iter().filter(|c| differs(c, &before.checks)) {
            self.alter(&table.name, &format!("ADD {}", check.sql()));
        }
        self.alters.extend(indexes);
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

    /// Names that others still have are taken by way of names that nobody has. Returns what the columns that go are called.
    fn rename_columns(
        &mut self,
        table: &TablePlan,
        goes: &[&ColumnPlan],
        kept: &[(&ColumnPlan, &ColumnPlan)],
    ) -> Vec<String> {
        let between = |column: &ColumnPlan| format!("tailwater_{}", column.field_number);
        let renames = kept.iter().filter(|(old, new)| old.name != new.name);
        let mut pairs: Vec<(String, String)> = Vec::new();
        let mut gone = Vec::new();
        for column in goes {
            let is_taken = renames.clone().any(|(_, new)| new.name == column.name);
            if is_taken {
                pairs.push((column.name.clone(), between(column)));
            }
            gone.push(match is_taken {
                true => between(column),
                false => column.name.clone(),
            });
        }
        let names = renames.map(|(old, new)| [old.name.clone(), new.name.clone(), between(new)]);
        pairs.extend(in_turn(names.collect()));
        for (from, to) in pairs {
            let action = format!("RENAME COLUMN {} TO {}", quoted(&from), quoted(&to));
            self.rename(&table.name, &action);
        }
        gone
    }

    /// Type, default and NULL of a column that has its new name.
    fn column(&mut self, table: &TablePlan, old: &ColumnPlan, new: &ColumnPlan) {
        let name = quoted(&new.name);
        match widen::change(old, new) {
            Some(Change::Wrap) => {
                for sql in widen::wrapped(&table.name, old, new) {
                    self.alters.push(sql);
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
                    self.alters.push(sql);
                }
                self.alter(&table.name, &format!("ALTER COLUMN {name} SET NOT NULL"));
            }
            _ => {}
        }
    }

    /// Indexes that go, go now; those that come are returned. One over columns that only have other names stays.
    fn indexes(
        &mut self,
        before: &TablePlan,
        table: &TablePlan,
        kept: &[(&ColumnPlan, &ColumnPlan)],
    ) -> Vec<String> {
        let stays = |old: &IndexPlan| -> Option<&IndexPlan> {
            let columns: Option<Vec<String>> = old
                .columns
                .iter()
                .map(|path| path_now(path, kept))
                .collect();
            let columns = columns?;
            let mut indexes = table.indexes.iter();
            indexes.find(|new| new.columns == columns && new.is_unique == old.is_unique)
        };
        let pairs = before.indexes.iter().map(|old| (old, stays(old)));
        let pairs: Vec<(&IndexPlan, Option<&IndexPlan>)> = pairs.collect();
        let mut there: Vec<&IndexPlan> = Vec::new();
        let mut renames = Vec::new();
        for (old, new) in &pairs {
            let is_free = |name: &String| {
                let mut taken = pairs.iter().filter(|(old, _)| old.name == *name);
                taken.all(|(_, new)| new.is_some())
            };
            match new {
                Some(new) if !there.contains(new) && is_free(&new.name) => {
                    there.push(new);
                    if old.name != new.name {
                        let between = format!("tailwater_{}_{}", table.name, there.len());
                        renames.push([old.name.clone(), new.name.clone(), between]);
                    }
                }
                _ => {
                    let sql = format!("DROP INDEX IF EXISTS {};\n", quoted(&old.name));
                    self.alters.push(sql);
                }
            }
        }
        for (from, to) in in_turn(renames) {
            let (from, to) = (quoted(&from), quoted(&to));
            let sql = format!("ALTER INDEX IF EXISTS {from} RENAME TO {to};\n");
            self.renames.push(sql);
        }
        let comes = table.indexes.iter().filter(|new| !there.contains(new));
        comes.map(|index| index.sql(&table.name)).collect()
    }
}

/// Old names, new names and names between, as single renames: by way of the latter if one has the name another will have.
fn in_turn(names: Vec<[String; 3]>) -> Vec<(String, String)> {
    let is_crossed = names
        .iter()
        .any(|[_, new, _]| names.iter().any(|[old, ..]| old == new));
    if !is_crossed {
        return names.into_iter().map(|[old, new, _]| (old, new)).collect();
    }
    let first = names
        .iter()
        .map(|[old, _, between]| (old.clone(), between.clone()));
    let then = names
        .iter()
        .map(|[_, new, between]| (between.clone(), new.clone()));
    first.chain(then).collect()
}

/// A path below a column as it is called now; `None` if the column is gone or its values are others.
fn path_now(path: &str, kept: &[(&ColumnPlan, &ColumnPlan)]) -> Option<String> {
    let (column, below) = match path.split_once('.') {
        Some((column, below)) => (column, Some(below)),
        None => (path, None),
    };
    let (_, new) = kept
        .iter()
        .find(|pair| pair.0.name == column && !has_other_values(pair))?;
    Some(match below {
        Some(below) => format!("{}.{below}", new.name),
        None => new.name.clone(),
    })
}

fn has_other_values((old, new): &(&ColumnPlan, &ColumnPlan)) -> bool {
    !matches!(widen::change(old, new), Some(Change::None | Change::Widen))
}
