//! The back door: SQL text, catalog and plans for the rooms that stand around the database.
//!
//! The shell asks where a statement ends and which words are reserved, the fuzzer feeds the parser, and the
//! tests of the binder compare plans with golden text: none of that is what a program with an embedded database
//! needs, so it is hidden from the documentation and may change with every version. Nothing else goes through here.

/// Objects as the binder sees them.
pub mod catalog {
    pub use crate::catalog::*;
}

/// Plans as text.
pub mod explain {
    pub use crate::explain::*;
}

/// Text into statements.
pub mod sql {
    pub use crate::sql::*;
}

pub mod storage;

#[cfg(feature = "modules")]
pub mod wire;
