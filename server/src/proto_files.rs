//! `tailwater proto export`: the .proto files of the messages, for other languages' compilers.

use std::path::Path;

use tailwater_proto::v1::PROTO_FILES;

use crate::failure::Failure;

/// Writes the files below `dir`, under the paths they are imported by.
///
/// # Errors
/// When the system refuses it.
pub(crate) fn export(dir: &Path) -> Result<u8, Failure> {
    for (name, text) in PROTO_FILES {
        let path = dir.join(name);
        let parent = path.parent().unwrap_or(dir);
        std::fs::create_dir_all(parent)
            .and_then(|()| std::fs::write(&path, text))
            .map_err(Failure::io(format!("writing {}", path.display())))?;
        println!("{}", path.display());
    }
    Ok(0)
}
