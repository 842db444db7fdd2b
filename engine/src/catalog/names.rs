//! `ObjectName`: schema and name of an object.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The schema of objects named without one.
const DEFAULT_SCHEMA: &str = "public";

/// Schema and name, folded as SQL folds them (lower case unless quoted).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectName {
    /// Schema; `public` unless named.
    pub schema: String,
    /// Name within the schema.
    pub name: String,
}

impl ObjectName {
    /// A name in the default schema.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            schema: DEFAULT_SCHEMA.to_owned(),
            name: name.into(),
        }
    }

    /// A name in a schema.
    #[must_use]
    pub fn in_schema(schema: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            schema: schema.into(),
            name: name.into(),
        }
    }

    /// Whether the schema is the default one.
    #[must_use]
    pub fn is_default_schema(&self) -> bool {
        self.schema == DEFAULT_SCHEMA
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.is_default_schema() {
            write!(f, "{}.", self.schema)?;
        }
        f.write_str(&self.name)
    }
}
