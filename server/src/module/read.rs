//! The text of a module and of the files it imports, from the disk.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use tailwater::module::ModuleSource;

use crate::failure::Failure;

/// Files that a module may have, those it imports included.
const FILES_MAX: usize = 1_000;

/// A module's text, with the files it imports from the folders given, its own folder first.
///
/// # Errors
/// When a file cannot be read.
pub(super) fn read(file: &Path, include: &[PathBuf]) -> Result<ModuleSource, Failure> {
    let folder = file.parent().map_or_else(PathBuf::new, Path::to_path_buf);
    let folders: Vec<&Path> = std::iter::once(folder.as_path())
        .chain(include.iter().map(PathBuf::as_path))
        .collect();
    let name = file
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let text = text_of(file)?;
    let mut wanted = imports(&text);
    let mut source = ModuleSource::new(name.clone(), text);
    let mut known = BTreeSet::from([name]);
    while let Some(name) = wanted.pop() {
        // As protoc has it: names are relative to the folders, and stay within them.
        let mut parts = Path::new(&name).components();
        let is_within = parts.all(|part| matches!(part, Component::Normal(_)));
        if !is_within || !known.insert(name.clone()) {
            continue;
        }
        if known.len() > FILES_MAX {
            return Err(Failure::usage(
                format!("the module has more than {FILES_MAX} files"),
                "name folders that hold what it imports, and no more",
            ));
        }
        // What is in none of the folders may be one of those that are always there; else the compiler says where it is
        // imported.
        let found = folders
            .iter()
            .map(|folder| folder.join(&name))
            .find(|path| path.is_file());
        if let Some(path) = found {
            let text = text_of(&path)?;
            wanted.extend(imports(&text));
            source = source.with_import(name, text);
        }
    }
    Ok(source)
}

fn text_of(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(Failure::io(format!("reading {}", path.display())))
}

/// The names in a text that look like imports: at worst a file is read that nobody needs.
fn imports(text: &str) -> Vec<String> {
    let names = text.split("import").skip(1).filter_map(|rest| {
        let rest = rest.trim_start();
        let rest = ["public", "weak"]
            .iter()
            .find_map(|word| rest.strip_prefix(word))
            .unwrap_or(rest);
        let rest = rest.trim_start();
        let quote = rest
            .chars()
            .next()
            .filter(|first| matches!(first, '"' | '\''))?;
        rest.get(1..)?
            .split_once(quote)
            .map(|(name, _)| name.to_owned())
    });
    names.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_are_found() {
        let text =
            "import \"a.proto\";\nimport public 'b/c.proto';\n// important\nmessage importer {}";
        assert_eq!(imports(text), ["a.proto", "b/c.proto"]);
    }
}
