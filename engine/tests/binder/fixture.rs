//! For tests: a catalog made by a script of definitions, and statements bound against it, as text.

use std::fmt::Write;

use expect_test::Expect;

use tailwater::internals::catalog::{Catalog, Object};
use tailwater::internals::explain::{explain, expr_text};
use tailwater::internals::sql::binder::{NoSystemRelations, bind};
use tailwater::internals::sql::bound::{BoundStatement, InsertSource, OnConflict};
use tailwater::internals::sql::ddl;
use tailwater::internals::sql::statement::Statement;
use tailwater::internals::sql::{SqlError, SqlResult, parse_one, parse_script};

/// The mission's tables as they stand, and some of every kind.
pub(crate) const TABLES: &str = "
    CREATE TABLE user (user_id CHAR(32), user_login VARCHAR(255), user_password CHAR(64), user_email VARCHAR(400), PRIMARY KEY (user_id));
    CREATE TABLE chat_message (chat_message_id CHAR(32), chat_message_datetime DATETIME, chat_message_text TEXT,
        chat_message_chat_id CHAR(32), chat_message_user_id CHAR(32), PRIMARY KEY (chat_message_id));
    CREATE TABLE user_chat (user_chat_chat_id CHAR(32), user_chat_user_id CHAR(32), PRIMARY KEY (user_chat_chat_id, user_chat_user_id));
    CREATE TABLE chat (chat_id CHAR(32), chat_topic VARCHAR(32), chat_password CHAR(64), user_chat_user_id CHAR(32), PRIMARY KEY (chat_id));
    CREATE TABLE t (a INT PRIMARY KEY, b TEXT, c NUMERIC(10,2), d DATE, e DOUBLE PRECISION, f BIGINT);
    CREATE TABLE u (a INT, b TEXT UNIQUE, g BOOL DEFAULT true, CHECK (a > 0));
    CREATE TABLE docs;
    CREATE TABLE part (id INT PRIMARY KEY, owner (name TEXT NOT NULL, tags INT[], ...), user TEXT, ...);
    CREATE INDEX part_name ON part (owner.name);
    CREATE VIEW v AS SELECT a, b AS name FROM t WHERE a > 1;
";

/// Puts the objects of definitions into a catalog.
pub(crate) fn define(catalog: &mut Catalog, script: &str) -> SqlResult<()> {
    let system = NoSystemRelations;
    for parsed in parse_script(script)? {
        let located = |error: SqlError| error.located(&parsed.source);
        match &parsed.statement {
            Statement::CreateTable(create) => {
                for object in ddl::create_table(catalog, create, &system).map_err(located)? {
                    catalog.put(object);
                }
            }
            Statement::CreateIndex(create) => {
                let index = ddl::create_index(catalog, create, &system).map_err(located)?;
                catalog.put(Object::Index(index.into()));
            }
            Statement::CreateSequence(create) => {
                let sequence = ddl::create_sequence(catalog, create).map_err(located)?;
                catalog.put(Object::Sequence(sequence.into()));
            }
            Statement::CreateView(create) => {
                let bound = ddl::bind_view(catalog, create, &system).map_err(located)?;
                let text = create.query.to_string();
                let view = ddl::view_relation(catalog, create, &bound, &text).map_err(located)?;
                catalog.put(Object::Relation(view.into()));
            }
            other => panic!("{other:?} is no definition"),
        }
    }
    Ok(())
}

/// A catalog with [`TABLES`].
pub(crate) fn catalog() -> Catalog {
    let mut catalog = Catalog::default();
    define(&mut catalog, TABLES).unwrap();
    catalog
}

/// A bound statement as text, or its error.
pub(crate) fn bound_text(catalog: &Catalog, sql: &str) -> String {
    let bound = parse_one(sql).and_then(|parsed| bind(catalog, &parsed, &NoSystemRelations));
    match bound {
        Ok(bound) => describe(catalog, &bound),
        Err(error) => error.to_string(),
    }
}

fn describe(catalog: &Catalog, bound: &BoundStatement) -> String {
    let mut text = String::new();
    let fields = |fields: &[tailwater_views::Field]| {
        let all: Vec<String> = fields
            .iter()
            .map(|field| {
                let spread = if field.spread { "*" } else { "" };
                format!("{}{spread} {}", field.name, field.ty)
            })
            .collect();
        all.join(", ")
    };
    match bound {
        BoundStatement::Query(query) => {
            let _ = writeln!(text, "→ {}", fields(&query.fields));
            text.push_str(&explain(&query.plan, catalog));
        }
        BoundStatement::Insert(insert) => {
            let _ = writeln!(text, "insert into {}", insert.table.name);
            match &insert.source {
                InsertSource::Rows { plan, columns, .. } => {
                    for (column, value) in insert.table.columns.iter().zip(columns) {
                        let value = value.as_ref().map_or("default".to_owned(), |value| {
                            expr_text(value, &names(&plan.fields()))
                        });
                        let _ = writeln!(text, "  {} = {value}", column.name);
                    }
                    text.push_str(&explain(plan, catalog));
                }
                InsertSource::Values(rows) => {
                    let _ = writeln!(text, "  {} rows inlined", rows.len());
                }
                InsertSource::Documents(documents) => {
                    for document in documents {
                        let _ = writeln!(text, "  {}", expr_text(document, &[]));
                    }
                }
            }
            match &insert.conflict {
                OnConflict::Error => {}
                OnConflict::DoUpdate {
                    target,
                    assignments,
                    filter,
                } => {
                    let mut both = layout(&insert.table);
                    both.extend(
                        layout(&insert.table)
                            .iter()
                            .map(|name| format!("excluded.{name}")),
                    );
                    let _ = writeln!(text, "on conflict {target:?}");
                    for set in assignments {
                        let _ = writeln!(text, "  {}", assignment(set, &both));
                    }
                    if let Some(filter) = filter {
                        let _ = writeln!(text, "  if {}", expr_text(filter, &both));
                    }
                }
                other => {
                    let line = if text.ends_with('\n') { "" } else { "\n" };
                    let _ = writeln!(text, "{line}on conflict {other:?}");
                }
            }
            returning(&mut text, insert.returning.as_ref(), &layout(&insert.table));
        }
        BoundStatement::Update(update) => {
            for set in &update.assignments {
                let _ = writeln!(text, "  {}", assignment(set, &layout(&update.table)));
            }
            text.push_str(&explain(&update.scan, catalog));
            returning(&mut text, update.returning.as_ref(), &layout(&update.table));
        }
        BoundStatement::Delete(delete) => {
            text.push_str(&explain(&delete.scan, catalog));
            returning(&mut text, delete.returning.as_ref(), &layout(&delete.table));
        }
    }
    if !text.ends_with('\n') {
        text.push('\n');
    }
    let parameters: Vec<String> = bound
        .parameters()
        .iter()
        .map(|parameter| format!("{} {}", parameter.name().unwrap_or("?"), parameter.ty))
        .collect();
    if !parameters.is_empty() {
        let _ = writeln!(text, "parameters: {}", parameters.join(", "));
    }
    text
}

fn names(fields: &[tailwater_views::Field]) -> Vec<String> {
    fields.iter().map(|field| field.name.to_string()).collect()
}

fn layout(table: &tailwater::internals::catalog::Relation) -> Vec<String> {
    table
        .columns
        .iter()
        .map(|column| column.name.to_string())
        .collect()
}

fn assignment(set: &tailwater::internals::sql::bound::Assignment, columns: &[String]) -> String {
    let below = set.path.to_string();
    let dot = if below.is_empty() || below.starts_with('[') {
        ""
    } else {
        "."
    };
    let column = columns.get(set.column).map_or("?", String::as_str);
    if set.unset {
        return format!("unset {column}{dot}{below}");
    }
    format!("{column}{dot}{below} := {}", expr_text(&set.value, columns))
}

fn returning(
    text: &mut String,
    returning: Option<&tailwater::internals::sql::bound::Returning>,
    columns: &[String],
) {
    if let Some(returning) = returning {
        let all: Vec<String> = returning
            .exprs
            .iter()
            .zip(returning.fields.iter())
            .map(|(expr, field)| format!("{} = {}", field.name, expr_text(expr, columns)))
            .collect();
        let line = if text.ends_with('\n') { "" } else { "\n" };
        let _ = writeln!(text, "{line}returning {}", all.join(", "));
    }
}

/// Binds each line and compares.
pub(crate) fn check(cases: &str, expected: Expect) {
    let catalog = catalog();
    let mut out = String::new();
    for sql in cases
        .trim()
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
    {
        out.push_str(&format!(
            "-- {sql}\n{}\n",
            bound_text(&catalog, sql).trim_end()
        ));
    }
    expected.assert_eq(&out);
}
