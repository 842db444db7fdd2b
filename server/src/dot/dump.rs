//! `.dump`: SQL that makes everything again: tables, their rows, indexes and views, each after what it needs.
//! All of it is read from one snapshot. What the engine keeps for itself (view rows, operator state) is not dumped:
//! it follows from the rest.

use tailwater::internals::sql::statement::{ColumnOption, Statement, TableBody};
use tailwater::{Outcome, ResultRow};

use super::inspect::{Object, objects};
use super::misused;
use crate::failure::Failure;
use crate::interrupt;
use crate::literal::{push_document, push_literal};
use crate::names::quoted;
use crate::shell::Shell;

/// Rows and bytes one INSERT holds at most.
const INSERT_ROWS_MAX: usize = 500;
const INSERT_BYTES_MAX: usize = 256 << 10;

pub(super) fn dump(shell: &mut Shell, arguments: &[String]) -> Result<(), Failure> {
    let wanted = match arguments {
        [] => None,
        [name] => Some(name),
        _ => return Err(misused("dump")),
    };
    let own_transaction = !shell.session.in_transaction();
    if own_transaction {
        shell.session.execute("BEGIN TRANSACTION READ ONLY", ())?;
    }
    let ended = dump_objects(shell, wanted);
    if own_transaction {
        shell.session.execute("ROLLBACK", ())?;
    }
    ended
}

fn dump_objects(shell: &mut Shell, wanted: Option<&String>) -> Result<(), Failure> {
    let mut all = objects(shell)?;
    if let Some(name) = wanted {
        let plain = all
            .iter()
            .find(|object| object.is_named(name))
            .map(|o| o.plain_name.clone());
        let Some(plain) = plain else {
            return Err(Failure::usage(
                format!("there is nothing called {name}"),
                ".tables and .views list what there is",
            ));
        };
        all.retain(|object| {
            object.plain_name == plain || object.relation.as_deref() == Some(&*plain)
        });
    }
    shell
        .printer
        .line(&format!("-- Tailwater {}", env!("CARGO_PKG_VERSION")))?;
    for object in all.iter().filter(|object| object.kind == "sequence") {
        statement(shell, object)?;
    }
    for object in all.iter().filter(|object| object.kind == "table") {
        create_table(shell, object)?;
    }
    for object in all.iter().filter(|object| object.kind == "table") {
        rows(shell, object)?;
    }
    positions(shell, &all)?;
    for object in all.iter().filter(|object| object.kind.ends_with("view")) {
        statement(shell, object)?;
    }
    for object in all.iter().filter(|object| object.kind == "index") {
        statement(shell, object)?;
    }
    // Last: they find their tables there.
    for object in all.iter().filter(|object| object.kind == "module") {
        statement(shell, object)?;
    }
    Ok(())
}

fn statement(shell: &mut Shell, object: &Object) -> Result<(), Failure> {
    match &object.sql {
        Some(sql) => shell
            .printer
            .line(&format!("{};", sql.trim_end_matches([';', ' ', '\n']))),
        None => Ok(()),
    }
}

/// Where sequences go on: rows that carry their numbers draw none, and the next row must not collide with them.
fn positions(shell: &mut Shell, all: &[Object]) -> Result<(), Failure> {
    for row in shell.query("SHOW SEQUENCES")? {
        let name: String = row.get("name")?;
        let relation: Option<String> = row.get("relation")?;
        let column: Option<String> = row.get("column")?;
        let (last, next): (Option<i64>, Option<i64>) =
            (row.get("last_value")?, row.get("next_value")?);
        let start: i64 = row.get("start")?;
        // At its end a sequence gives no more numbers; its last one again is refused where it matters, by the key.
        let Some(next) = next.or(last).filter(|next| *next != start) else {
            continue;
        };
        let named = |plain: &str| all.iter().find(|object| object.plain_name == plain);
        let restarted = match (relation, column) {
            (Some(table), Some(column)) => named(&table)
                .map(|table| format!("TABLE {} ALTER COLUMN {}", table.name, quoted(&column))),
            (None, _) => named(&name).map(|sequence| format!("SEQUENCE {}", sequence.name)),
            // Its column has another default by now, and nothing else can draw from it.
            (Some(_), None) => None,
        };
        if let Some(restarted) = restarted {
            let line = format!("ALTER {restarted} RESTART WITH {next};");
            shell.printer.line(&line)?;
        }
    }
    Ok(())
}

fn create_table(shell: &mut Shell, table: &Object) -> Result<(), Failure> {
    let sql = table.sql.as_deref().unwrap_or_default();
    let is_from_query = tailwater::internals::sql::parse_one(sql).is_ok_and(|parsed| {
        matches!(parsed.statement, Statement::CreateTable(create) if create.query.is_some())
    });
    if !is_from_query {
        return statement(shell, table);
    }
    // Its rows are dumped: running the query again would give others.
    let sql = format!("SHOW COLUMNS FROM {}", table.name);
    let columns: Vec<String> = shell
        .query(&sql)?
        .iter()
        .map(|row| {
            let name: String = row.get("name")?;
            let ty: String = row.get("type")?;
            Ok(match (&*name, &*ty) {
                ("...", _) => name,
                (name, "any") => quoted(name),
                (name, ty) => format!("{} {ty}", quoted(name)),
            })
        })
        .collect::<Result<_, Failure>>()?;
    shell.printer.line(&format!(
        "CREATE TABLE {} ({});",
        table.name,
        columns.join(", ")
    ))
}

/// Whether rows of a table are written as documents: it takes fields that are not declared.
fn is_open(table: &Object) -> bool {
    let sql = table.sql.as_deref().unwrap_or_default();
    tailwater::internals::sql::parse_one(sql).is_ok_and(|parsed| match parsed.statement {
        Statement::CreateTable(create) => {
            create.query.is_none() && matches!(create.body, TableBody { open: true, .. })
        }
        _ => false,
    })
}

/// What makes INSERT take values for columns that are GENERATED ALWAYS.
fn overriding(table: &Object) -> &'static str {
    let sql = table.sql.as_deref().unwrap_or_default();
    let Ok(parsed) = tailwater::internals::sql::parse_one(sql) else {
        return "";
    };
    let Statement::CreateTable(create) = parsed.statement else {
        return "";
    };
    let mut options = create
        .body
        .columns
        .iter()
        .flat_map(|column| &column.options);
    let is_always =
        options.any(|option| matches!(option, ColumnOption::Identity { always: true, .. }));
    if is_always {
        " OVERRIDING SYSTEM VALUE"
    } else {
        ""
    }
}

fn rows(shell: &mut Shell, table: &Object) -> Result<(), Failure> {
    let is_open = is_open(table);
    let sql = format!("SELECT * FROM {}", table.name);
    let Outcome::Rows(mut rows) = shell.session.execute(&sql, ())? else {
        return Ok(());
    };
    let mut insert = Insert {
        head: String::new(),
        text: String::new(),
        rows: 0,
    };
    while let Some(row) = rows.next_row()? {
        if interrupt::is_set() {
            return Err(Failure::Interrupted);
        }
        if insert.head.is_empty() {
            insert.head = head(table, &row, is_open);
        }
        insert.push(shell, |text| match is_open {
            true => push_document(text, &row.to_document()),
            false => push_values(text, &row),
        })?;
    }
    insert.flush(shell)
}

fn head(table: &Object, row: &ResultRow, is_open: bool) -> String {
    if is_open {
        return format!("INSERT INTO {}{} VALUES\n", table.name, overriding(table));
    }
    let columns: Vec<String> = row
        .columns()
        .iter()
        .map(|column| quoted(&column.name))
        .collect();
    format!(
        "INSERT INTO {} ({}){} VALUES\n",
        table.name,
        columns.join(", "),
        overriding(table)
    )
}

fn push_values(text: &mut String, row: &ResultRow) {
    text.push('(');
    for (place, (column, value)) in row.columns().iter().zip(row.values()).enumerate() {
        text.push_str(if place > 0 { ", " } else { "" });
        push_literal(text, value, &column.ty);
    }
    text.push(')');
}

/// Rows on their way into one statement.
struct Insert {
    head: String,
    text: String,
    rows: usize,
}

impl Insert {
    fn push(&mut self, shell: &mut Shell, write: impl FnOnce(&mut String)) -> Result<(), Failure> {
        if self.rows >= INSERT_ROWS_MAX || self.text.len() >= INSERT_BYTES_MAX {
            self.flush(shell)?;
        }
        self.text
            .push_str(if self.rows == 0 { &self.head } else { ",\n" });
        write(&mut self.text);
        self.rows += 1;
        Ok(())
    }

    fn flush(&mut self, shell: &mut Shell) -> Result<(), Failure> {
        if self.rows > 0 {
            self.text.push_str(";\n");
            shell.printer.raw(&self.text)?;
        }
        self.text.clear();
        self.rows = 0;
        Ok(())
    }
}
