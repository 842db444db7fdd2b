//! Installing a module: its migration is run, its tables are looked at, and its row goes into the catalog.
//!
//! Next door: `check`, which refuses what could never work; `views`, which stay or go and come back; `crate::module`, which tells what is to be done.

use std::sync::Arc;

use sqlparser::ast::Spanned as _;
use tailwater_proto::sqlstate;

use super::check::{check_bindings, refuse_others};
use super::{is_wanted, views};
use crate::catalog::{Catalog, Module, ModuleRelation, Object, ObjectId, ObjectName, Relation};
use crate::error::{Error, Result};
use crate::execute::alter::retell;
use crate::execute::run::{Ran, Surroundings, run};
use crate::module::evolve::{self, Run, Step};
use crate::module::{ModulePlan, ModuleSource, TablePlan, adopt};
use crate::params::Parameters;
use crate::sql::binder::names::module_name;
use crate::sql::statement::{CreateModule, Parsed, Statement};
use crate::sql::{ddl, parse_script};
use crate::system::SystemTables;
use crate::txn::Transaction;

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
    if let (Some(before), Some(old)) = (&before, &old) {
        refuse_another(before, old, source, &plan)?;
    }
    if let Some(module) = &before {
        // Nothing stands in the way of its own tables' changes any more.
        txn.put_object(module.id, None)?;
    }
    let steps = evolve::steps(old.as_ref(), &plan, &create.dropping)?;
    let no_parameters = Parameters::default();
    let around = Surroundings {
        parameters: &no_parameters,
        ..*around
    };
    let mut aside = Vec::new();
    let mut own_views: &[TablePlan] = &[];
    for step in &steps {
        match step {
            Step::Run(run) => carry_out(&around, txn, run)?,
            Step::Aside(names) => aside = views::set_aside(&around, txn, names)?,
            Step::Back { own, former } => {
                own_views = own;
                views::bring_back(&around, txn, std::mem::take(&mut aside), own, former)?;
            }
            Step::View(view) => views::renew(&around, txn, view, own_views)?,
        }
    }
    annotate(&around, txn, &plan, old.as_ref())?;
    let relations = plan
        .tables
        .iter()
        .map(|table| relation_of(&around, txn, table))
        .collect::<Result<_>>()?;
    check_bindings(&around, txn, &source.compile()?, &plan)?;
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
pub(super) fn carry_out(
    around: &Surroundings<'_>,
    txn: &mut Transaction,
    step: &Run,
) -> Result<()> {
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

pub(super) fn run_script(
    around: &Surroundings<'_>,
    txn: &mut Transaction,
    sql: &str,
) -> Result<()> {
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
    serde_json::from_str(&module.plan)
        .map_err(|error| Error::corrupted(format!("the plan of module {}: {error}", module.name)))
}

/// Two files of one package are two modules: the second is no new version of the first.
fn refuse_another(
    module: &Module,
    old: &ModulePlan,
    source: &ModuleSource,
    new: &ModulePlan,
) -> Result<()> {
    let old_names = names_of(old);
    let shares_one = names_of(new).iter().any(|name| old_names.contains(name));
    if shares_one || old_names.is_empty() || module.root == source.name() {
        return Ok(());
    }
    Err(Error::statement(
        sqlstate::DUPLICATE_OBJECT,
        format!(
            "module \"{}\" was installed from {}, and {} has none of its messages and services",
            module.name,
            module.root,
            source.name()
        ),
    )
    .on(module.name.to_string())
    .with_hint(
        "give it a name of its own: CREATE MODULE name .., or tailwater module install --name",
    ))
}

/// Full names of messages and services.
fn names_of(plan: &ModulePlan) -> Vec<&str> {
    let rows = plan.tables.iter().map(|table| table.message.as_str());
    let values = plan.values.iter().map(|value| value.message.as_str());
    let paths = plan.methods.iter().map(|method| method.path.as_str());
    let services = paths.filter_map(|path| path.get(1..)?.split('/').next());
    rows.chain(values).chain(services).collect()
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

/// What a statement of the migration failed with: its position is in a text that nobody wrote.
pub(super) fn of_step(error: &Error, sql: &str) -> Error {
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
    refuse_others(around, txn, table, found)?;
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
    let Some(Statement::CreateTable(create)) = script.first().map(|first| &first.statement) else {
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
