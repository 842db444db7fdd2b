//! `.tables`, `.views`, `.indexes`, `.schema`, `.check`: what is in the database, and whether its views are right.

use tailwater::{ResultRow, Value};

use super::misused;
use crate::failure::Failure;
use crate::names::qualified;
use crate::shell::Shell;

/// An object of the catalog.
pub(super) struct Object {
    pub(super) id: i64,
    /// As it can stand in a statement.
    pub(super) name: String,
    /// As `tailwater.columns` and indexes name it.
    pub(super) plain_name: String,
    pub(super) kind: String,
    /// Of an index: the plain name of what it belongs to.
    pub(super) relation: Option<String>,
    /// The statement that made it; none for what the engine made by itself.
    pub(super) sql: Option<String>,
}

impl Object {
    fn of(row: &ResultRow) -> Result<Self, Failure> {
        let schema: String = row.get("schema")?;
        let name: String = row.get("name")?;
        Ok(Self {
            id: row.get("id")?,
            plain_name: match &*schema {
                "public" => name.clone(),
                schema => format!("{schema}.{name}"),
            },
            name: qualified(&schema, &name),
            kind: row.get("kind")?,
            relation: text(row, "relation"),
            sql: text(row, "sql"),
        })
    }

    /// Whether a word of the command line names it.
    pub(super) fn is_named(&self, word: &str) -> bool {
        self.plain_name == word || self.name == word || self.plain_name == word.to_lowercase()
    }
}

fn text(row: &ResultRow, column: &str) -> Option<String> {
    let place = row.columns().iter().position(|own| own.name == column)?;
    row.values()
        .get(place)
        .and_then(Value::as_text)
        .map(str::to_owned)
}

/// All objects of users, in the order they were made.
pub(super) fn objects(shell: &mut Shell) -> Result<Vec<Object>, Failure> {
    let rows =
        shell.query("SELECT id, schema, name, kind, relation, sql FROM tailwater.objects WHERE schema <> 'tailwater'")?;
    let mut objects: Vec<Object> = rows.iter().map(Object::of).collect::<Result<_, _>>()?;
    objects.sort_unstable_by_key(|object| object.id);
    Ok(objects)
}

fn list(shell: &mut Shell, keep: impl Fn(&Object) -> bool) -> Result<(), Failure> {
    let mut names: Vec<String> = objects(shell)?
        .into_iter()
        .filter(|object| keep(object))
        .map(|object| object.plain_name)
        .collect();
    names.sort_unstable();
    for name in names {
        shell.printer.line(&name)?;
    }
    Ok(())
}

pub(super) fn tables(shell: &mut Shell, arguments: &[String]) -> Result<(), Failure> {
    match arguments {
        [] => list(shell, |object| object.kind == "table"),
        _ => Err(misused("tables")),
    }
}

pub(super) fn views(shell: &mut Shell, arguments: &[String]) -> Result<(), Failure> {
    match arguments {
        [] => list(shell, |object| object.kind.ends_with("view")),
        _ => Err(misused("views")),
    }
}

pub(super) fn indexes(shell: &mut Shell, arguments: &[String]) -> Result<(), Failure> {
    match arguments {
        [] => list(shell, |object| object.kind == "index"),
        [table] => list(shell, |object| {
            object.kind == "index" && object.relation.as_deref() == Some(&**table)
        }),
        _ => Err(misused("indexes")),
    }
}

pub(super) fn schema(shell: &mut Shell, arguments: &[String]) -> Result<(), Failure> {
    let wanted = match arguments {
        [] => None,
        [name] => Some(name),
        _ => return Err(misused("schema")),
    };
    let mut found = false;
    for object in objects(shell)? {
        let is_wanted = wanted.is_none_or(|name| {
            object.is_named(name) || object.relation.as_deref() == Some(&**name)
        });
        if is_wanted && let Some(sql) = &object.sql {
            found = true;
            shell
                .printer
                .line(&format!("{};", sql.trim_end_matches([';', ' ', '\n'])))?;
        }
    }
    match wanted {
        Some(name) if !found => Err(Failure::usage(
            format!("there is nothing called {name}"),
            ".tables, .views and .indexes list what there is",
        )),
        _ => Ok(()),
    }
}

pub(super) fn check(shell: &mut Shell, arguments: &[String]) -> Result<(), Failure> {
    let wanted = match arguments {
        [] => None,
        [name] => Some(name),
        _ => return Err(misused("check")),
    };
    let mut found = false;
    let mut wrong = Vec::new();
    for object in objects(shell)? {
        if object.kind != "materialized view" || wanted.is_some_and(|name| !object.is_named(name)) {
            continue;
        }
        found = true;
        for row in shell.query(&format!("CHECK VIEW {}", object.name))? {
            let differences: i64 = row.get("differences")?;
            let rows: i64 = row.get("rows")?;
            shell.printer.line(&format!(
                "{}: {rows} rows, {differences} differences",
                object.plain_name
            ))?;
            if differences > 0 {
                let first = text(&row, "first_difference").unwrap_or_default();
                wrong.push(format!("{} ({first})", object.plain_name));
            }
        }
    }
    match wanted {
        Some(name) if !found => Err(Failure::usage(
            format!("there is no materialized view {name}"),
            ".views lists the views there are",
        )),
        _ if !wrong.is_empty() => Err(Failure::usage(
            format!(
                "views are not what their queries give: {}",
                wrong.join(", ")
            ),
            "REFRESH MATERIALIZED VIEW mends a view; please report how it came about",
        )),
        _ => Ok(()),
    }
}
