//! CREATE MODULE: the tables a module needs, made or found fit, and its row in the catalog, all in one transaction.
//!
//! What the text means is told by `crate::module`; here it is done. Next door: `ddl`, which drops modules.

use std::sync::Arc;

use tailwater_proto::sqlstate;

use super::run::{Ran, Surroundings};
use crate::catalog::{Module, ObjectId, ObjectName, Relation};
use crate::error::{Error, Result};
use crate::sql::binder::names::fold;
use crate::sql::statement::{AlterAction, CreateModule, Parsed};
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
    let Some(module) = standing_on(txn, table.id) else {
        return Ok(());
    };
    let Some(column) = column else {
        return Err(needs(&module, what, "table", &table.name));
    };
    let name = fold(column);
    let id = table.column(&name).map(|(_, column)| column.id);
    let used = module.stands_on(table.id).map(|used| &used.columns);
    match (id, used) {
        (Some(id), Some(used)) if used.contains(&id) => Err(needs(
            &module,
            what,
            "column",
            &format!("{}.{name}", table.name),
        )),
        _ => Ok(()),
    }
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
    _: &Surroundings<'_>,
    txn: &mut Transaction,
    parsed: &Parsed,
    create: &CreateModule,
) -> Result<Ran> {
    let name = crate::sql::binder::names::module_name(&create.name);
    if !is_wanted(txn, create, &name)? {
        return Ok(Ran::Count("CREATE MODULE", 0));
    }
    Err(Error::statement(
        sqlstate::FEATURE_NOT_SUPPORTED,
        "this build has no compiler for Protobuf",
    )
    .at(parsed.text_range.start)
    .with_hint("build the crate tailwater with its feature \"modules\""))
}

#[cfg(feature = "modules")]
pub(super) use self::install::create;

#[cfg(feature = "modules")]
mod install {
    use sqlparser::ast::Spanned as _;

    use super::{
        Arc, CreateModule, Error, Module, ObjectId, ObjectName, Parsed, Ran, Relation, Result,
        Surroundings, Transaction, is_wanted, sqlstate,
    };
    use crate::catalog::{Catalog, ModuleRelation, Object};
    use crate::execute::alter::retell;
    use crate::execute::run::{prepare, run};
    use crate::module::{
        Binding, BoundStatement, Dependent, ModulePlan, ModuleSource, Step, TablePlan, adopt,
        evolve,
    };
    use crate::params::Parameters;
    use crate::sql::binder::names::module_name;
    use crate::sql::statement::Statement;
    use crate::sql::{ddl, parse_one, parse_script};
    use crate::system::SystemTables;

    /// Installs a module, or a new version of it.
    pub(in crate::execute) fn create(
        around: &Surroundings<'_>,
        txn: &mut Transaction,
        parsed: &Parsed,
        create: &CreateModule,
    ) -> Result<Ran> {
        let name = module_name(&create.name);
        let position = parsed.offset_of(create.name.span());
        if !is_wanted(txn, create, &name).map_err(|error| error.at(position))? {
            return Ok(Ran::Count("CREATE MODULE", 0));
        }
        let file = create.file.clone();
        let root = file.unwrap_or_else(|| format!("{}.proto", name.name));
        let mut source = ModuleSource::new(root, create.text.as_str());
        for (name, text) in &create.imports {
            source = source.with_import(name.as_str(), text.as_str());
        }
        install(around, txn, &name, &source, create).map_err(|error| error.at(position))?;
        Ok(Ran::Count("CREATE MODULE", 0))
    }

    fn install(
        around: &Surroundings<'_>,
        txn: &mut Transaction,
        name: &ObjectName,
        source: &ModuleSource,
        create: &CreateModule,
    ) -> Result<()> {
        let plan = source.plan()?;
        let before = txn.catalog.module(name).cloned();
        refuse_taken_methods(txn, name, &plan)?;
        let old = before.as_deref().map(plan_of).transpose()?;
        if let Some(module) = &before {
            // Nothing stands in the way of its own tables' changes any more.
            txn.put_object(module.id, None)?;
        }
        let dependents = |table: &str| dependents_of(&txn.catalog, table);
        let steps = evolve::steps(old.as_ref(), &plan, &create.dropping, &dependents)?;
        let no_parameters = Parameters::default();
        let around = Surroundings {
            parameters: &no_parameters,
            ..*around
        };
        for step in &steps {
            carry_out(&around, txn, step)?;
        }
        annotate(&around, txn, &plan, old.as_ref())?;
        let relations = plan
            .tables
            .iter()
            .map(|table| relation_of(&around, txn, table))
            .collect::<Result<_>>()?;
        check_bindings(&around, txn, &plan)?;
        let id = before.map_or_else(
            || ObjectId(Catalog::clone(&txn.catalog).allocate()),
            |module| module.id,
        );
        let plan = serde_json::to_string(&plan)
            .map_err(|error| Error::corrupted(format!("the plan of {name}: {error}")))?;
        let module = Module {
            id,
            name: name.clone(),
            root: source.name().to_owned(),
            files: source.files().clone(),
            plan,
            relations,
            sql: source.sql(&name.name),
        };
        txn.put_object(id, Some(Object::Module(module.into())))
    }

    /// Runs a part of the migration, unless what it makes is there: whether that will do is looked at behind.
    fn carry_out(around: &Surroundings<'_>, txn: &mut Transaction, step: &Step) -> Result<()> {
        let made = step.creates.as_deref().map(ObjectName::new);
        if (made.as_ref()).is_some_and(|name| txn.catalog.find(name).is_some()) {
            return Ok(());
        }
        run_script(around, txn, &step.sql)?;
        match made {
            // Told as ALTER TABLE would tell it: a table is the same whatever versions it went through.
            Some(name) if (txn.catalog.relation(&name)).is_some_and(|made| made.is_table()) => {
                retell(txn, &name)
            }
            _ => Ok(()),
        }
    }

    fn run_script(around: &Surroundings<'_>, txn: &mut Transaction, sql: &str) -> Result<()> {
        for statement in parse_script(sql)? {
            let text = statement.source.get(statement.text_range.clone());
            run(around, txn, text.unwrap_or_default(), &statement)
                .map_err(|error| of_step(&error, sql))?;
        }
        Ok(())
    }

    /// Gives tables that were there before the module what its options say of them.
    fn annotate(
        around: &Surroundings<'_>,
        txn: &mut Transaction,
        plan: &ModulePlan,
        old: Option<&ModulePlan>,
    ) -> Result<()> {
        let is_old = |table: &&TablePlan| {
            let mut tables = old.into_iter().flat_map(|old| &old.tables);
            tables.any(|old| old.message == table.message)
        };
        for table in plan
            .tables
            .iter()
            .filter(|table| table.view.is_none() && !is_old(table))
        {
            let name = ObjectName::new(table.name.as_str());
            if let Some(found) = txn.catalog.relation(&name).cloned() {
                let wanted = wanted(around, txn, table)?;
                adopt::check(table, wanted.as_deref(), &found)?;
                for sql in adopt::statements(table, &found) {
                    run_script(around, txn, &sql)?;
                }
            }
        }
        Ok(())
    }

    /// The plan that a module was installed with.
    fn plan_of(module: &Module) -> Result<ModulePlan> {
        serde_json::from_str(&module.plan).map_err(|error| {
            Error::corrupted(format!("the plan of module {}: {error}", module.name))
        })
    }

    /// One path is one method's.
    fn refuse_taken_methods(txn: &Transaction, name: &ObjectName, plan: &ModulePlan) -> Result<()> {
        for other in txn.catalog.modules().filter(|other| other.name != *name) {
            let others = plan_of(other)?;
            let taken = plan.methods.iter().find(|method| {
                let mut others = others.methods.iter();
                others.any(|theirs| theirs.path == method.path)
            });
            if let Some(method) = taken {
                return Err(Error::statement(
                    sqlstate::DUPLICATE_OBJECT,
                    format!(
                        "method {} is module \"{}\"'s already",
                        method.path, other.name
                    ),
                )
                .on(other.name.to_string())
                .with_hint("give the module a package of its own, or DROP the other MODULE"));
            }
        }
        Ok(())
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
                    name: other.name.to_string(),
                    kind: other.kind.name().to_uppercase(),
                    sql: other.sql.clone(),
                    indexes: catalog
                        .indexes_of(other.id)
                        .filter(|index| !index.sql.is_empty())
                        .map(|index| index.sql.clone())
                        .collect(),
                    number: other.id.0,
                    is_own: false,
                });
            }
        }
        found
    }

    /// What a statement of the migration failed with: its position is in a text that nobody wrote.
    fn of_step(error: &Error, sql: &str) -> Error {
        let statement = sql.lines().next().unwrap_or_default();
        let told = Error::new(
            error.kind(),
            error.sqlstate(),
            format!("{}, in {statement}", error.message()),
        );
        let told = match error.object() {
            Some(object) => told.on(object),
            None => told,
        };
        match error.hint() {
            Some(hint) => told.with_hint(hint),
            None => told,
        }
    }

    /// The relation of a message, which is there by now.
    fn relation_of(
        around: &Surroundings<'_>,
        txn: &Transaction,
        table: &TablePlan,
    ) -> Result<ModuleRelation> {
        let name = ObjectName::new(table.name.as_str());
        let found = txn.catalog.relation(&name).ok_or_else(|| {
            Error::statement(
                sqlstate::UNDEFINED_TABLE,
                format!("relation \"{name}\" does not exist"),
            )
        })?;
        let wanted = wanted(around, txn, table)?;
        adopt::check(table, wanted.as_deref(), found)?;
        let columns = table.columns.iter();
        Ok(ModuleRelation {
            relation: found.id,
            columns: columns
                .filter_map(|column| found.column(&column.name))
                .map(|(_, column)| column.id)
                .collect(),
        })
    }

    /// The table of a message, as it would be made.
    fn wanted(
        around: &Surroundings<'_>,
        txn: &Transaction,
        table: &TablePlan,
    ) -> Result<Option<Arc<Relation>>> {
        if table.view.is_some() {
            return Ok(None);
        }
        let sql = table.create_sql();
        let script = parse_script(&sql)?;
        let Some(Statement::CreateTable(create)) = script.first().map(|first| &first.statement)
        else {
            return Ok(None);
        };
        let system = SystemTables::new(around.engine, &txn.catalog);
        let objects = ddl::create_table(&mut Catalog::default(), create, &system)
            .map_err(|error| error.located(&sql))?;
        Ok(objects.into_iter().find_map(|object| match object {
            Object::Relation(relation) => Some(relation),
            _ => None,
        }))
    }

    /// Refuses statements of bindings that could never run.
    fn check_bindings(
        around: &Surroundings<'_>,
        txn: &Transaction,
        plan: &ModulePlan,
    ) -> Result<()> {
        for method in &plan.methods {
            let sql = match &method.binding {
                Binding::Subscribe { sql } | Binding::Query { sql } | Binding::Exec { sql } => sql,
                Binding::Insert { .. } | Binding::Unbound { .. } => continue,
            };
            let checked = BoundStatement::new(sql).and_then(|bound| {
                let parsed = parse_one(&bound.sql)?;
                prepare(around.engine, txn, &bound.sql, &parsed)
            });
            checked.map_err(|error| {
                let told = Error::statement(
                    error.sqlstate(),
                    format!("{}: {}, in {sql}", method.path, error.message()),
                );
                match error.hint() {
                    Some(hint) => told.with_hint(hint),
                    None => told,
                }
            })?;
        }
        Ok(())
    }
}
