//! `tailwater module diff`: what a new version does to the tables of an old one, to read or as a pair of migration files.
//!
//! A file holds the one statement that does it, and says in comments what that comes to. Next door: `tailwater::migrate`,
//! which runs such files.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use tailwater::module::ModuleSource;

use super::read;
use crate::args::ModuleDiffArgs;
use crate::failure::Failure;

pub(super) fn run(args: &ModuleDiffArgs) -> Result<u8, Failure> {
    let include = &args.imports.include;
    let (old, new) = (read(&args.old, include)?, read(&args.new, include)?);
    let changes = new.changes_since(&old)?;
    let Some(dir) = &args.dir else {
        print!("{changes}");
        return Ok(0);
    };
    let name = new.module_name()?;
    let undone = without_what_came(&old, &new)?;
    let files = next_files(dir, &name)?;
    let down = match undone.changes_since(&new) {
        Ok(changes) => file(&changes, &undone.sql(&name)),
        // It says so rather than fail halfway. No statement: undoing it changes nothing.
        Err(error) => format!("-- It cannot be undone: {}.\n", error.message()),
    };
    let texts = [file(&changes, &new.sql(&name)), down];
    for (path, text) in files.iter().zip(texts) {
        std::fs::write(path, text).map_err(Failure::io(format!("writing {}", path.display())))?;
        println!("{}", path.display());
    }
    Ok(0)
}

/// The old version, to be installed in place of the new one: what only that has may go.
fn without_what_came(old: &ModuleSource, new: &ModuleSource) -> Result<ModuleSource, Failure> {
    let (before, after) = (old.plan()?, new.plan()?);
    let mut undone = old.clone();
    for table in &after.tables {
        let was = before
            .tables
            .iter()
            .find(|was| was.message == table.message);
        let Some(was) = was else {
            continue;
        };
        for column in &table.columns {
            let mut columns = was.columns.iter();
            if !columns.any(|was| was.field_number == column.field_number) {
                undone = undone.dropping(format!("{}.{}", table.name, column.name));
            }
        }
    }
    Ok(undone)
}

fn file(changes: &str, statement: &str) -> String {
    let mut text = match changes.is_empty() {
        true => "-- No table changes.\n".to_owned(),
        false => "-- What it does to the tables:\n".to_owned(),
    };
    for line in changes.lines() {
        _ = writeln!(text, "--   {line}");
    }
    text.push_str(statement);
    text.push_str(";\n");
    text
}

/// The pair of files behind those there are: `0007_chat.up.sql`, `0007_chat.down.sql`.
fn next_files(dir: &Path, name: &str) -> Result<[PathBuf; 2], Failure> {
    let failed = |what: &str| Failure::io(format!("{what} {}", dir.display()));
    std::fs::create_dir_all(dir).map_err(failed("making"))?;
    let mut last = 0_u64;
    for entry in std::fs::read_dir(dir).map_err(failed("reading"))? {
        let file = entry.map_err(failed("reading"))?.file_name();
        let file = file.to_string_lossy();
        let digits = file
            .split('_')
            .next()
            .and_then(|digits| digits.parse().ok());
        last = last.max(digits.unwrap_or(0));
    }
    let number = last + 1;
    let name = name.replace('.', "_");
    Ok(["up", "down"].map(|way| dir.join(format!("{number:04}_{name}.{way}.sql"))))
}
