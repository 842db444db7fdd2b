//! CREATE MODULE: the tables a module needs, made or found fit, and its row in the catalog, all in one transaction.
//!
//! What the text means is told by `crate::module`; here it is done. Next door: `ddl`, which drops modules.

use std::sync::Arc;

use tailwater_proto::sqlstate;

use crate::catalog::{Module, ObjectId, ObjectName, Relation};
use crate::error::{Error, Result};
use crate::sql::binder::names::fold;
use crate::sql::statement::{AlterAction, CreateModule};
use crate::txn::Transaction;

/// A module that stands on a relation.
pub(super) fn standing_on(txn: &Transaction, relation: ObjectId) -> Option<Arc<Module>> {
    let mut modules = txn.catalog.modules();
    modules
        .find(|module| module.stands_on(relation).is_some())
        .cloned()
}

/// The refusal to do something to what a module needs as it is.
pub(super) fn needs(
    module: &Module,
    what: &str,
    kind: &str,
    name: &dyn std::fmt::Display,
) -> Error {
    Error::statement(
        sqlstate::DEPENDENT_OBJECTS_STILL_EXIST,
        format!(
            "cannot {what} {kind} \"{name}\" because module \"{}\" depends on it",
            module.name
        ),
    )
    .on(name.to_string())
    .with_hint(
        "DROP MODULE first, or DROP … CASCADE; its fields change with CREATE OR REPLACE MODULE",
    )
}

/// Refuses an ALTER TABLE of what a module knows by its name or type.
pub(super) fn refuse_alter(
    txn: &Transaction,
    table: &Relation,
    action: &AlterAction,
) -> Result<()> {
    let (what, column) = match action {
        AlterAction::RenameTable(_) => ("rename", None),
        AlterAction::RenameColumn(name, _) => ("rename", Some(name)),
        AlterAction::DropColumn { name, .. } => ("drop", Some(name)),
        AlterAction::SetType { name, .. } => ("change", Some(name)),
        _ => return Ok(()),
    };
    for module in txn.catalog.modules() {
        let Some(used) = module.stands_on(table.id) else {
            continue;
        };
        let Some(column) = column else {
            return Err(needs(module, what, "table", &table.name));
        };
        let name = fold(column);
        let id = table.column(&name).map(|(_, column)| column.id);
        if id.is_some_and(|id| used.columns.contains(&id)) {
            let full = format!("{}.{name}", table.name);
            return Err(needs(module, what, "column", &full));
        }
    }
    Ok(())
}

/// Whether the statement has anything to do: no if the name is taken and that is fine.
fn is_wanted(txn: &Transaction, create: &CreateModule, name: &ObjectName) -> Result<bool> {
    match txn.catalog.module(name) {
        Some(_) if create.if_not_exists => Ok(false),
        Some(_) if !create.or_replace => Err(Error::statement(
            sqlstate::DUPLICATE_OBJECT,
            format!("module \"{name}\" already exists"),
        )
        .on(name.to_string())
        .with_hint("CREATE OR REPLACE MODULE installs a new version of it")),
        _ => Ok(true),
    }
}

#[cfg(not(feature = "modules"))]
pub(super) fn create(
    _: &super::run::Surroundings<'_>,
    txn: &mut Transaction,
    parsed: &crate::sql::statement::Parsed,
    create: &CreateModule,
) -> Result<super::run::Ran> {
    let name = crate::sql::binder::names::module_name(&create.name);
    if !is_wanted(txn, create, &name)? {
        return Ok(super::run::Ran::Count("CREATE MODULE", 0));
    }
    Err(Error::statement(
        sqlstate::FEATURE_NOT_SUPPORTED,
        "this build has no compiler for Protobuf",
    )
    .at(parsed.text_range.start)
    .with_hint("build the crate tailwater with its feature \"modules\""))
}

#[cfg(feature = "modules")]
mod check;
#[cfg(feature = "modules")]
mod install;
#[cfg(feature = "modules")]
mod views;

#[cfg(feature = "modules")]
pub(super) use self::install::create;
