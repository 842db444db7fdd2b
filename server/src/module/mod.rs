//! `tailwater module`: what a `.proto` would be here, before anything is done; and doing it.
//!
//! Next door: `tailwater::module`, which knows the rules.

mod diff;
mod read;

use tailwater::module::{Binding, ModulePlan};
use tailwater::{Outcome, SyncMode};

use self::read::read;
use crate::args::{
    ModuleCheckArgs, ModuleCommand, ModuleDropArgs, ModuleInstallArgs, ModuleListArgs, TargetArgs,
};
use crate::failure::Failure;
use crate::names;
use crate::open::{Access, open};
use crate::remote;

/// Does what the command says.
///
/// # Errors
/// When a file cannot be read, is no Protobuf, or the database refuses.
pub(crate) fn run(command: &ModuleCommand) -> Result<u8, Failure> {
    match command {
        ModuleCommand::Check(args) => check(args),
        ModuleCommand::Install(args) => install(args),
        ModuleCommand::Diff(args) => diff::run(args),
        ModuleCommand::List(args) => list(args),
        ModuleCommand::Drop(args) => drop_module(args),
    }
}

/// Prints the plan. Exit code 0: every method is bound; 3: some are not.
fn check(args: &ModuleCheckArgs) -> Result<u8, Failure> {
    let plan = read(&args.file, &args.imports.include)?.plan()?;
    print!("{plan}");
    Ok(if unbound(&plan) == 0 { 0 } else { 3 })
}

fn unbound(plan: &ModulePlan) -> usize {
    let bindings = plan.methods.iter().map(|method| &method.binding);
    bindings
        .filter(|binding| matches!(binding, Binding::Unbound { .. }))
        .count()
}

/// Runs a statement where the command says; the texts in the first column of its rows.
fn ask(target: &TargetArgs, access: Access, sql: &str) -> Result<Vec<String>, Failure> {
    if let Some(server) = &target.server {
        return remote::ask(server, sql);
    }
    let db = open(target.db.as_deref(), access, SyncMode::Commit, None)?;
    let mut texts = Vec::new();
    if let Outcome::Rows(rows) = db.session().execute(sql, ())? {
        for row in rows {
            texts.push(row?.get(0_usize)?);
        }
    }
    db.close()?;
    Ok(texts)
}

/// Installs it, and says what of it answers calls now.
fn install(args: &ModuleInstallArgs) -> Result<u8, Failure> {
    let source = read(&args.file, &args.imports.include)?;
    let columns = args.drop.iter();
    let source = columns.fold(source, |source, column| source.dropping(column));
    let plan = source.plan()?;
    let name = match &args.name {
        Some(name) => name.clone(),
        None => source.module_name()?,
    };
    ask(&args.target, Access::Write, &source.sql(&name))?;
    println!("module {name} installed");
    for table in &plan.tables {
        let kind = if table.view.is_some() {
            "view"
        } else {
            "table"
        };
        println!("{kind} {} of {}", table.name, table.message);
    }
    for method in &plan.methods {
        println!("rpc {} {}", method.path, method.binding);
    }
    Ok(0)
}

fn list(args: &ModuleListArgs) -> Result<u8, Failure> {
    for name in ask(&args.target, Access::Read, names::LIST_MODULES)? {
        println!("{name}");
    }
    Ok(0)
}

fn drop_module(args: &ModuleDropArgs) -> Result<u8, Failure> {
    let sql = format!("DROP MODULE {}", names::module(&args.name));
    ask(&args.target, Access::Write, &sql)?;
    println!("module {} dropped; its tables stay", args.name);
    Ok(0)
}
