//! Views while a new version of a module is installed: those that cannot stay while what they read changes go and come
//! back, and one of the module that means what it meant stays, whatever its text.
//!
//! Next door: `install`, which tells when; `crate::execute::rename`, which compares what texts mean.

use super::install::{carry_out, run_script};
use crate::catalog::{Catalog, ObjectName};
use crate::error::Result;
use crate::execute::definition::name_sql;
use crate::execute::rename::{means_the_same, put_query};
use crate::execute::run::Surroundings;
use crate::module::TablePlan;
use crate::sql::parse_script;
use crate::sql::statement::Statement;
use crate::txn::Transaction;

/// A view that is out of the way.
#[derive(Clone, Debug)]
pub(super) struct Dependent {
    name: ObjectName,
    /// `VIEW` or `MATERIALIZED VIEW`.
    kind: String,
    /// What makes it.
    sql: String,
    /// What makes its indexes.
    indexes: Vec<String>,
    /// Objects that were made later have greater ones.
    number: u32,
}

/// Takes views of these names, and those that read relations of these names, out of the way.
pub(super) fn set_aside(
    around: &Surroundings<'_>,
    txn: &mut Transaction,
    names: &[String],
) -> Result<Vec<Dependent>> {
    let mut aside: Vec<Dependent> = Vec::new();
    for name in names {
        for dependent in dependents_of(&txn.catalog, name) {
            if !aside.iter().any(|other| other.name == dependent.name) {
                aside.push(dependent);
            }
        }
    }
    aside.sort_by_key(|view| view.number);
    for view in aside.iter().rev() {
        let sql = format!("DROP {} {};\n", view.kind, name_sql(&view.name));
        run_script(around, txn, &sql)?;
    }
    Ok(aside)
}

/// Makes views again in the order they were made, those of the module as its new version has them.
pub(super) fn bring_back(
    around: &Surroundings<'_>,
    txn: &mut Transaction,
    aside: Vec<Dependent>,
    own: &[TablePlan],
    former: &[String],
) -> Result<()> {
    for view in aside {
        let is_of = |name: &str| view.name == ObjectName::new(name);
        let now = own.iter().find(|own| is_of(&own.name));
        match now {
            Some(own) => make(around, txn, own)?,
            // It has another name now, under which it is made later.
            None if former.iter().any(|name| is_of(name)) => {}
            None => {
                for sql in std::iter::once(&view.sql).chain(&view.indexes) {
                    let sql = sql.trim_end_matches([';', ' ', '\n']);
                    run_script(around, txn, &format!("{sql};\n"))?;
                }
            }
        }
    }
    Ok(())
}

fn make(around: &Surroundings<'_>, txn: &mut Transaction, view: &TablePlan) -> Result<()> {
    let mut steps = view.creation().into_iter();
    steps.try_for_each(|step| carry_out(around, txn, &step))
}

/// Gives a view of the module the query of its new version: by its text alone if that means what the view is.
pub(super) fn renew(
    around: &Surroundings<'_>,
    txn: &mut Transaction,
    view: &TablePlan,
    own: &[TablePlan],
) -> Result<()> {
    let name = ObjectName::new(view.name.as_str());
    let sql = view.create_sql();
    let script = parse_script(&sql)?;
    let wanted = script.first();
    let (Some(found), Some(Statement::CreateView(create))) = (
        txn.catalog.relation(&name).cloned(),
        wanted.map(|parsed| &parsed.statement),
    ) else {
        return make(around, txn, view);
    };
    let query = create.query.to_string();
    let text = wanted.and_then(|parsed| parsed.source.get(parsed.text_range.clone()));
    let is_said = found.view.as_ref().is_some_and(|view| view.query == query);
    if is_said && text == Some(found.sql.as_str()) {
        return Ok(());
    }
    if is_said || means_the_same(around, &txn.catalog, &found, &query) {
        return put_query(txn, &found, query, text);
    }
    let aside = set_aside(around, txn, std::slice::from_ref(&view.name))?;
    bring_back(around, txn, aside, own, &[])
}

/// Views that read a table or view, directly or by way of others, itself included if it is one.
fn dependents_of(catalog: &Catalog, table: &str) -> Vec<Dependent> {
    let Some(relation) = catalog.relation(&ObjectName::new(table)) else {
        return Vec::new();
    };
    let mut read = vec![relation.id];
    let mut found = Vec::new();
    for other in catalog.relations() {
        let Some(view) = &other.view else {
            continue;
        };
        let is_read = view.depends_on.iter().any(|id| read.contains(id));
        if is_read || other.id == relation.id {
            read.push(other.id);
            found.push(Dependent {
                name: other.name.clone(),
                kind: other.kind.name().to_uppercase(),
                sql: other.sql.clone(),
                indexes: catalog
                    .indexes_of(other.id)
                    .filter(|index| !index.sql.is_empty())
                    .map(|index| index.sql.clone())
                    .collect(),
                number: other.id.0,
            });
        }
    }
    found
}
