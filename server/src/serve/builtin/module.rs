//! `ModuleService`: modules of the database, installed while the server runs.

use std::collections::HashMap;

use tailwater::Database;
use tailwater::module::{Binding, ModulePlan, ModuleSource};
use tailwater::service::Services;
use tailwater_proto::{sqlstate, v1};

use super::{Service, Shared, unary};
use crate::names;
use crate::serve::fault::Fault;
use crate::serve::scope::Scopes;

pub(super) fn add(service: &mut Service, _: &Shared) -> Result<(), Fault> {
    let path = |name: &str| format!("/tailwater.v1.ModuleService/{name}");
    let installs = Scopes::DDL | Scopes::ADMIN;
    let check = unary(|_, request: v1::CheckModuleRequest| check(request));
    service.add(&path("Check"), Some(Scopes::READ), check)?;
    let install = unary(|context, request| install(&context.database, request));
    service.add(&path("Install"), Some(installs), install)?;
    let list = unary(|context, _: v1::ListModulesRequest| list(&context.database));
    service.add(&path("List"), Some(Scopes::READ), list)?;
    let get = unary(|context, request| get(&context.database, &request));
    service.add(&path("Get"), Some(Scopes::READ), get)?;
    let drop = unary(|context, request| drop_module(&context.database, &request));
    service.add(&path("Drop"), Some(installs), drop)
}

/// A module's text as it came.
fn source(text: Option<v1::ModuleText>) -> Result<ModuleSource, Fault> {
    let missing = |what: String| {
        Fault::new(sqlstate::INVALID_PARAMETER_VALUE, what)
            .with_hint("text: {file: \"chat.proto\", texts: {\"chat.proto\": \"syntax = ..\"}}")
    };
    let mut text = text.ok_or_else(|| missing("the request has no text".to_owned()))?;
    let own = text.texts.remove(&text.file);
    let own = own.ok_or_else(|| missing(format!("there is no text of {:?}", text.file)))?;
    let source = ModuleSource::new(text.file, own);
    let imports = text.texts.into_iter();
    Ok(imports.fold(source, |source, (name, text)| {
        source.with_import(name, text)
    }))
}

/// Methods that do nothing, and why.
fn unbound(plan: &ModulePlan) -> Vec<String> {
    let methods = plan.methods.iter();
    let unbound = methods.filter(|method| matches!(method.binding, Binding::Unbound { .. }));
    unbound
        .map(|method| format!("{} {}", method.path, method.binding))
        .collect()
}

fn check(request: v1::CheckModuleRequest) -> Result<v1::CheckModuleResponse, Fault> {
    let source = source(request.text)?;
    let plan = source.plan()?;
    Ok(v1::CheckModuleResponse {
        name: source.module_name()?,
        unbound: unbound(&plan),
        plan: plan.to_string(),
    })
}

fn install(
    database: &Database,
    request: v1::InstallModuleRequest,
) -> Result<v1::InstallModuleResponse, Fault> {
    let mut columns = request.dropping.into_iter();
    let source = columns.try_fold(source(request.text)?, |source, column| {
        Ok::<_, Fault>(source.dropping(column))
    })?;
    let plan = source.plan()?;
    let name = match request.name.is_empty() {
        true => source.module_name()?,
        false => request.name,
    };
    let done = database.exec(&source.sql(&name), ())?;
    Ok(v1::InstallModuleResponse {
        name,
        lsn: done.lsn.map_or(0, |lsn| lsn.0),
        unbound: unbound(&plan),
    })
}

fn list(database: &Database) -> Result<v1::ListModulesResponse, Fault> {
    Ok(v1::ListModulesResponse {
        names: database.query(names::LIST_MODULES, ())?.rows_as()?,
    })
}

fn get(
    database: &Database,
    request: &v1::GetModuleRequest,
) -> Result<v1::GetModuleResponse, Fault> {
    let services = Services::new(database).current()?;
    let mut modules = services.modules().iter();
    let module = modules.find(|module| module.name == request.name);
    let module = module.ok_or_else(|| {
        let what = format!("module \"{}\" does not exist", request.name);
        Fault::new(sqlstate::UNDEFINED_OBJECT, what)
    })?;
    let texts: HashMap<String, String> = module.texts().clone().into_iter().collect();
    Ok(v1::GetModuleResponse {
        text: Some(v1::ModuleText {
            file: module.file.name().to_owned(),
            texts,
        }),
        descriptors: module.pool().encode_to_vec(),
    })
}

fn drop_module(
    database: &Database,
    request: &v1::DropModuleRequest,
) -> Result<v1::DropModuleResponse, Fault> {
    let sql = format!("DROP MODULE {}", names::module(&request.name));
    let done = database.exec(&sql, ())?;
    Ok(v1::DropModuleResponse {
        lsn: done.lsn.map_or(0, |lsn| lsn.0),
    })
}
