//! What of a module could never work: bindings that do not fit their messages, and objects of another kind in its way.
//!
//! It changes nothing. Next door: `install`.

use prost_reflect::{FileDescriptor, MethodDescriptor};
use tailwater_proto::sqlstate;
use tailwater_views::Expr;

use super::install::of_step;
use crate::catalog::{Catalog, Index, Object, ObjectName, Relation};
use crate::error::{Error, Result};
use crate::execute::rename::means_the_same;
use crate::execute::run::{Surroundings, prepare};
use crate::module::wire::ParameterDecoder;
use crate::module::{Answer, Binding, BoundStatement, ModulePlan, Parts, TablePlan, path_of};
use crate::sql::binder;
use crate::sql::bound::BoundStatement as Bound;
use crate::sql::statement::Statement;
use crate::sql::{ddl, parse_one, parse_script};
use crate::system::SystemTables;
use crate::txn::Transaction;

/// Refuses bindings that could never do what they say.
pub(super) fn check_bindings(
    around: &Surroundings<'_>,
    txn: &Transaction,
    file: &FileDescriptor,
    plan: &ModulePlan,
) -> Result<()> {
    let methods = file
        .services()
        .flat_map(|service| service.methods().collect::<Vec<_>>());
    for method in methods {
        let path = path_of(&method);
        let planned = plan.methods.iter().find(|planned| planned.path == path);
        let Some(planned) = planned else {
            continue;
        };
        check_binding(around, txn, &method, &planned.binding, plan).map_err(|error| {
            let told = Error::statement(error.sqlstate(), format!("{path}: {}", error.message()));
            match error.hint() {
                Some(hint) => told.with_hint(hint),
                None => told,
            }
        })?;
    }
    Ok(())
}

fn check_binding(
    around: &Surroundings<'_>,
    txn: &Transaction,
    method: &MethodDescriptor,
    binding: &Binding,
    plan: &ModulePlan,
) -> Result<()> {
    let sql = match binding {
        Binding::Subscribe { sql } | Binding::Query { sql } | Binding::Exec { sql } => sql,
        Binding::Insert { .. } | Binding::Unbound { .. } => return Ok(()),
    };
    let named = BoundStatement::new(sql)?;
    let prepared = parse_one(&named.sql)
        .map_err(Error::from)
        .and_then(|parsed| prepare(around.engine, txn, &named.sql, &parsed))
        .map_err(|error| of_step(&error, sql))?;
    ParameterDecoder::new(&method.input(), &named.fields)?;
    if matches!(binding, Binding::Exec { .. }) {
        return Ok(());
    }
    if !prepared.is_query() {
        return Err(Error::statement(
            sqlstate::FEATURE_NOT_SUPPORTED,
            format!("it is to read and does not, in {sql}"),
        )
        .with_hint("use exec for a statement that writes"));
    }
    let columns = prepared.columns().unwrap_or_default();
    Answer::new(&method.output(), &columns, plan)?;
    if matches!(binding, Binding::Subscribe { .. }) {
        let parsed = parse_one(&named.sql)?;
        let system = SystemTables::new(around.engine, &txn.catalog);
        if let Bound::Query(bound) = binder::bind(&txn.catalog, &parsed, &system)? {
            Parts::of(&bound.plan)?;
        }
    }
    Ok(())
}

/// Refuses what was there already under the name of an index, a view or a check, and is another one.
pub(super) fn refuse_others(
    around: &Surroundings<'_>,
    txn: &Transaction,
    table: &TablePlan,
    found: &Relation,
) -> Result<()> {
    let refuse = |what: String| {
        Err(Error::statement(sqlstate::DUPLICATE_TABLE, what)
            .on(found.name.to_string())
            .with_hint("drop it, or give the module's another name"))
    };
    for index in &table.indexes {
        let parsed = parse_script(&index.sql(&table.name))?;
        let Some(Statement::CreateIndex(wanted)) = parsed.first().map(|p| &p.statement) else {
            continue;
        };
        let system = SystemTables::new(around.engine, &txn.catalog);
        let wanted = ddl::create_index(&mut Catalog::clone(&txn.catalog), wanted, &system)
            .map_err(|error| error.located(&index.name))?;
        let here = txn.catalog.find(&ObjectName::new(index.name.as_str()));
        let is_same = matches!(here, Some(Object::Index(here)) if here.relation == found.id
            && here.unique == wanted.unique && keys(here).eq(keys(&wanted)));
        if !is_same {
            return refuse(format!(
                "\"{}\" is there already, and is another index",
                index.name
            ));
        }
    }
    if table.view.is_some() {
        let parsed = parse_script(&table.create_sql())?;
        let Some(Statement::CreateView(wanted)) = parsed.first().map(|p| &p.statement) else {
            return Ok(());
        };
        let query = found.view.as_ref().map(|view| view.query.as_str());
        let wanted = wanted.query.to_string();
        if query != Some(wanted.as_str()) && !means_the_same(around, &txn.catalog, found, &wanted) {
            let name = &found.name;
            return refuse(format!(
                "\"{name}\" is there already, and has another query"
            ));
        }
    }
    Ok(())
}

/// What an index is over, however its parts are written.
fn keys(index: &Index) -> impl Iterator<Item = (&Expr, bool)> {
    let parts = index.parts.iter();
    parts.map(|part| (&part.expr, part.descending))
}
