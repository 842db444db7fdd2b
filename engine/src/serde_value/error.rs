//! `SerdeError`: why a Rust value and an SQL value do not fit, and at which field.

use std::fmt;

use tailwater_proto::{EcoString, Path, PathStep};

/// What serde could not read or write, with the way to the field that is to blame.
///
/// ```
/// use std::error::Error;
/// use tailwater::{Database, SerdeError};
///
/// # fn main() -> tailwater::Result<()> {
/// #[derive(serde::Deserialize, Debug)]
/// struct Order { #[allow(dead_code)] items: Vec<i64> }
///
/// let db = Database::memory()?;
/// let error = db.query("SELECT [1, 2, 'three'] AS items", ())?.rows_as::<Order>().unwrap_err();
/// let cause: &SerdeError = error.source().unwrap().downcast_ref().unwrap();
/// assert_eq!(cause.path.to_string(), "items[2]");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SerdeError {
    /// What does not fit, in serde's words.
    pub message: String,
    /// Where: empty for the value itself, `items[2].price` inside it.
    pub path: Path,
}

/// The result of reading or writing through serde.
pub(crate) type Result<T, E = SerdeError> = std::result::Result<T, E>;

impl SerdeError {
    pub(super) fn new(message: impl fmt::Display) -> Self {
        Self {
            message: message.to_string(),
            path: Path::default(),
        }
    }

    pub(super) fn too_deep() -> Self {
        Self::new(format_args!(
            "value is nested more than {} deep; store its inner parts as rows",
            tailwater_proto::value_codec::DEPTH_MAX
        ))
    }

    /// The same error, seen from the document that holds the field.
    pub(super) fn in_field(mut self, name: &str) -> Self {
        self.path
            .0
            .insert(0, PathStep::Field(EcoString::from(name)));
        self
    }

    /// The same error, seen from the array that holds the element.
    pub(super) fn in_element(mut self, index: usize) -> Self {
        let index = i64::try_from(index).unwrap_or(i64::MAX);
        self.path.0.insert(0, PathStep::Index(index));
        self
    }
}

impl fmt::Display for SerdeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.0.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for SerdeError {}

impl serde::ser::Error for SerdeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message)
    }
}

impl serde::de::Error for SerdeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message)
    }
}
