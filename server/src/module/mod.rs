//! `tailwater module`: what a `.proto` would be here, before anything is done; and doing it.
//!
//! Next door: `tailwater::module`, which knows the rules.

mod diff;
mod read;

use tailwater::module::{Binding, ModulePlan};
use tailwater::{Database, SyncMode};

use self::read::read;
use crate::args::{
    ModuleCheckArgs, ModuleCommand, ModuleDropArgs, ModuleInstallArgs, ModuleListArgs,
};
use crate::failure::Failure;
use crate::names::quoted;
use crate::open::{Access, open};

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

fn writable(path: &std::path::Path) -> Result<Database, Failure> {
    open(Some(path), Access::Write, SyncMode::Commit, None)
}

/// Installs it, and says what of it answers calls now.
fn install(args: &ModuleInstallArgs) -> Result<u8, Failure> {
    let source = read(&args.file, &args.imports.include)?;
    let source = args
        .drop
        .iter()
        .fold(source, |source, column| source.dropping(column));
    let (name, plan) = (source.module_name()?, source.plan()?);
    let db = writable(&args.db)?;
    db.install_module(&source)?;
    db.close()?;
    println!("module {name} installed");
    for table in &plan.tables {
        println!(
            "{} {} of {}",
            if table.view.is_some() {
                "view"
            } else {
                "table"
            },
            table.name,
            table.message
        );
    }
    for method in &plan.methods {
        println!("rpc {} {}", method.path, method.binding);
    }
    Ok(0)
}

fn list(args: &ModuleListArgs) -> Result<u8, Failure> {
    let db = open(Some(&args.db), Access::Read, SyncMode::Commit, None)?;
    let sql = "SELECT name FROM tailwater.objects WHERE kind = 'module' ORDER BY name";
    for row in db.query(sql, ())? {
        println!("{}", row?.get::<String>("name")?);
    }
    Ok(0)
}

fn drop_module(args: &ModuleDropArgs) -> Result<u8, Failure> {
    let db = writable(&args.db)?;
    let words: Vec<String> = args.name.split('.').map(quoted).collect();
    db.exec(&format!("DROP MODULE {}", words.join(".")), ())?;
    db.close()?;
    println!("module {} dropped; its tables stay", args.name);
    Ok(0)
}
