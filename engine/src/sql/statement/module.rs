//! What CREATE MODULE says.

use super::ObjectName;

/// CREATE MODULE name \[FILE 'name'\] \[DROPPING (table.column, …)\] AS 'text' \[IMPORT 'name' AS 'text' …\].
#[derive(Debug, Clone, PartialEq)]
pub struct CreateModule {
    /// Its name; of several words with dots between them, like a package.
    pub name: ObjectName,
    /// OR REPLACE: a new version takes the place of the one there is.
    pub or_replace: bool,
    /// IF NOT EXISTS.
    pub if_not_exists: bool,
    /// The name of its file.
    pub file: Option<String>,
    /// The text of its file.
    pub text: String,
    /// DROPPING: columns, with their tables (`message.note`), whose data may go.
    pub dropping: Vec<String>,
    /// Files that it imports: name and text.
    pub imports: Vec<(String, String)>,
}
