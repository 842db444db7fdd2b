//! `ModuleSource`: the text of a module and of what it imports, compiled at run time.
//!
//! Google's well-known types and `tailwater/v1/*.proto` are always there to import. A text is bounded before it is compiled:
//! it may come from anybody. Next door: `table`, which reads the descriptors.

use std::collections::BTreeMap;

use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, FileDescriptor, Value};
use protox::Compiler;
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver};
use tailwater_proto::v1::PROTO_FILES;

use super::default;
use super::name::quoted_path;
use crate::error::{Error, Result};

/// Bytes of all texts of a module together.
const SOURCE_BYTES_MAX: usize = 4 << 20;
/// Braces within braces, in a text: messages and options within each other.
const DEPTH_MAX: usize = 64;
/// The folder of our own files.
const OWN: &str = "tailwater/v1/";

/// A module's `.proto`, and the files it imports by the names it imports them by.
///
/// ```
/// use tailwater::module::ModuleSource;
///
/// # fn main() -> tailwater::Result<()> {
/// let source = ModuleSource::new("note.proto", r#"
///     syntax = "proto3";
///     message Note { string id = 1; string text = 2; }
/// "#);
/// assert_eq!(source.plan()?.tables[0].name, "note");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ModuleSource {
    root: String,
    dropping: Vec<String>,
    files: BTreeMap<String, String>,
}

impl ModuleSource {
    /// A module of one file.
    ///
    /// ```
    /// use tailwater::module::ModuleSource;
    ///
    /// let source = ModuleSource::new("a.proto", "syntax = \"proto3\"; message A { string id = 1; }");
    /// assert!(source.plan().is_ok());
    /// ```
    #[must_use]
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        let root = name.into();
        Self {
            files: BTreeMap::from([(root.clone(), text.into())]),
            dropping: Vec::new(),
            root,
        }
    }

    /// A file that it imports, by the name it is imported by.
    ///
    /// ```
    /// use tailwater::module::ModuleSource;
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// let source = ModuleSource::new("a.proto", r#"
    ///         syntax = "proto3";
    ///         import "b.proto";
    ///         message A { string id = 1; B b = 2; }"#)
    ///     .with_import("b.proto", "syntax = \"proto3\"; message B { int64 n = 1; }");
    /// assert_eq!(source.plan()?.tables.len(), 1);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_import(mut self, name: impl Into<String>, text: impl Into<String>) -> Self {
        self.files.insert(name.into(), text.into());
        self
    }

    /// A column (`table.column`) that a new version may drop with its data.
    ///
    /// ```
    /// use tailwater::Database;
    /// use tailwater::module::ModuleSource;
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// let db = Database::memory()?;
    /// let before = "syntax = \"proto3\"; message Item { string id = 1; string note = 2; }";
    /// db.install_module(&ModuleSource::new("shop.proto", before))?;
    /// let after = ModuleSource::new("shop.proto", "syntax = \"proto3\"; message Item { string id = 1; }");
    /// assert!(db.install_module(&after).unwrap_err().message().contains("not reserved"));
    /// db.install_module(&after.dropping("item.note"))?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn dropping(mut self, column: impl Into<String>) -> Self {
        self.dropping.push(column.into());
        self
    }

    /// The name of the module's file.
    ///
    /// ```
    /// use tailwater::module::ModuleSource;
    ///
    /// assert_eq!(ModuleSource::new("chat.proto", "").name(), "chat.proto");
    /// ```
    #[must_use]
    pub fn name(&self) -> &str {
        &self.root
    }

    /// What the module is called unless it is told otherwise: its package, or its file's name without `.proto`.
    ///
    /// # Errors
    /// As [`descriptor_set`](Self::descriptor_set).
    ///
    /// ```
    /// use tailwater::module::ModuleSource;
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// assert_eq!(ModuleSource::new("a/chat.proto", "syntax = \"proto3\";").module_name()?, "chat");
    /// assert_eq!(ModuleSource::new("chat.proto", "syntax = \"proto3\"; package talk.v1;").module_name()?, "talk.v1");
    /// # Ok(())
    /// # }
    /// ```
    pub fn module_name(&self) -> Result<String> {
        let file = self.compile()?;
        Ok(match file.package_name() {
            "" => {
                let name = self.root.rsplit('/').next().unwrap_or_default();
                name.strip_suffix(".proto").unwrap_or(name).to_owned()
            }
            package => package.to_owned(),
        })
    }

    /// The statement that installs it under a name, in place of the one there is.
    ///
    /// ```
    /// use tailwater::module::ModuleSource;
    ///
    /// let source = ModuleSource::new("a.proto", "syntax = \"proto3\";");
    /// assert_eq!(source.sql("a"), "CREATE OR REPLACE MODULE a FILE 'a.proto' AS $proto$syntax = \"proto3\";$proto$");
    /// ```
    #[must_use]
    pub fn sql(&self, name: &str) -> String {
        let text = |name: &str| self.files.get(name).map_or("", String::as_str);
        let dropping: Vec<String> = self.dropping.iter().map(|path| quoted_path(path)).collect();
        let dropping = match dropping.is_empty() {
            true => String::new(),
            false => format!(" DROPPING ({})", dropping.join(", ")),
        };
        let mut sql = format!(
            "CREATE OR REPLACE MODULE {} FILE {}{dropping} AS {}",
            quoted_path(name),
            literal(&self.root),
            between_dollars(text(&self.root))
        );
        for (name, text) in self.files.iter().filter(|(name, _)| **name != self.root) {
            let (name, text) = (literal(name), between_dollars(text));
            sql.push_str(&format!("\nIMPORT {name} AS {text}"));
        }
        sql
    }

    /// Columns that may go.
    pub(super) fn may_drop(&self) -> &[String] {
        &self.dropping
    }

    /// Its files, by the names they are imported by.
    pub(crate) const fn files(&self) -> &BTreeMap<String, String> {
        &self.files
    }

    /// The descriptors of the file and of all it imports, as a serialized `google.protobuf.FileDescriptorSet`.
    ///
    /// # Errors
    /// `42601` with file, line and column for a text that is no Protobuf, `54000` for one that is too long or nested too
    /// deep.
    ///
    /// ```
    /// use tailwater::module::ModuleSource;
    ///
    /// let error = ModuleSource::new("a.proto", "syntax = \"proto3\";\nmessage {}").descriptor_set().unwrap_err();
    /// assert_eq!(error.sqlstate(), "42601");
    /// assert!(error.to_string().contains("a.proto:2:9"));
    /// ```
    pub fn descriptor_set(&self) -> Result<Vec<u8>> {
        let set = self.compiler()?.encode_file_descriptor_set();
        as_protoc_writes_it(&set).map_err(|error| wrong(&error))
    }

    /// The module's own file, in a pool with all it imports.
    pub(crate) fn compile(&self) -> Result<FileDescriptor> {
        // By way of bytes: those keep the options that extensions say.
        let set = self.descriptor_set()?;
        let pool = DescriptorPool::decode(set.as_slice()).map_err(|error| wrong(&error))?;
        pool.get_file_by_name(&self.root)
            .ok_or_else(|| Error::statement("42601", format!("{} is not there", self.root)))
    }

    fn compiler(&self) -> Result<Compiler> {
        self.check_bounds()?;
        let mut resolver = ChainFileResolver::new();
        resolver.add(self.clone());
        resolver.add(GoogleFileResolver::new());
        let mut compiler = Compiler::with_file_resolver(resolver);
        compiler.include_imports(true);
        compiler
            .open_file(&self.root)
            .map_err(|error| not_compiled(&error))?;
        Ok(compiler)
    }

    fn check_bounds(&self) -> Result<()> {
        let bytes: usize = self.files.values().map(String::len).sum();
        if bytes > SOURCE_BYTES_MAX {
            return Err(Error::statement(
                "54000",
                format!("the module has {bytes} bytes of text; {SOURCE_BYTES_MAX} are the most"),
            ));
        }
        for (name, text) in &self.files {
            let deepest = depth(text);
            if deepest > DEPTH_MAX {
                return Err(Error::statement(
                    "54001",
                    format!("{name} is nested {deepest} deep; {DEPTH_MAX} is the most"),
                ));
            }
        }
        Ok(())
    }
}

/// A text in quotes.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A text between dollars and a word that it does not have.
fn between_dollars(text: &str) -> String {
    if text.ends_with('$') {
        return literal(text); // Behind a dollar no word begins.
    }
    let words = std::iter::once("$proto$".to_owned())
        .chain((1_u32..).map(|number| format!("$proto{number}$")));
    // A text cannot have them all. A dollar at its end would belong to the word.
    let word = words
        .into_iter()
        .find(|word| !text.contains(word.trim_end_matches('$')))
        .unwrap_or_default();
    format!("{word}{text}{word}")
}

/// How deep brackets stand within each other, comments and strings left out.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut bytes = text.bytes().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' | b'\'' => {
                while let Some(inner) = bytes.next() {
                    match inner {
                        b'\\' => _ = bytes.next(),
                        // A string ends with its line at the latest.
                        inner if inner == byte || inner == b'\n' => break,
                        _ => {}
                    }
                }
            }
            b'/' if bytes.peek() == Some(&b'/') => {
                bytes.by_ref().find(|inner| *inner == b'\n');
            }
            b'/' if bytes.peek() == Some(&b'*') => {
                let mut last = 0;
                bytes.next();
                bytes.by_ref().find(|inner| {
                    let ends = last == b'*' && *inner == b'/';
                    last = *inner;
                    ends
                });
            }
            b'#' => {
                bytes.by_ref().find(|inner| *inner == b'\n');
            }
            b'{' | b'[' | b'(' | b'<' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' | b')' | b'>' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// The compiler's complaint. Its debug form is the one that begins with file, line and column.
fn not_compiled(error: &protox::Error) -> Error {
    let text = format!("{error:?}");
    let hint = if error.is_file_not_found() {
        Some("files are imported by their names relative to the folders given")
    } else if text.ends_with("but found 'edition'") {
        Some("editions are not supported: begin with syntax = \"proto3\";")
    } else {
        None
    };
    let wrong = Error::statement("42601", text);
    match hint {
        Some(hint) => wrong.with_hint(hint),
        None => wrong,
    }
}

/// The set, read as a message that keeps options it does not know.
fn as_protoc_writes_it(set: &[u8]) -> std::result::Result<Vec<u8>, prost::DecodeError> {
    let google = DescriptorPool::global();
    let Some(kind) = google.get_message_by_name("google.protobuf.FileDescriptorSet") else {
        return Ok(set.to_vec());
    };
    let mut message = DynamicMessage::decode(kind, set)?;
    let files = message
        .get_field_by_name_mut("file")
        .and_then(Value::as_list_mut);
    for file in files
        .into_iter()
        .flatten()
        .filter_map(Value::as_message_mut)
    {
        default::as_protoc_writes_them(file);
    }
    Ok(message.encode_to_vec())
}

/// Descriptors that do not fit together.
fn wrong(error: &dyn std::fmt::Display) -> Error {
    Error::statement("42601", error.to_string())
}

impl FileResolver for ModuleSource {
    fn open_file(&self, name: &str) -> std::result::Result<File, protox::Error> {
        let own = PROTO_FILES
            .iter()
            .find(|(own, _)| name.starts_with(OWN) && *own == name);
        let text = match (self.files.get(name), own) {
            (Some(text), _) => text.as_str(),
            (None, Some((_, text))) => text,
            (None, None) => return Err(protox::Error::file_not_found(name)),
        };
        File::from_source(name, text)
    }
}

#[cfg(test)]
mod tests {
    use super::depth;

    #[test]
    fn comments_and_strings_are_not_nested() {
        assert_eq!(depth("message A { map<string, int32> m = 1; }"), 2);
        assert_eq!(depth(&"// must be < 100\n".repeat(100)), 0);
        assert_eq!(depth("/* {{{ */ { # {{\n s: \"}\\\"}\" r { s: '}' } }"), 2);
    }
}
