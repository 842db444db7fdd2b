//! Definitions to catalog objects: CREATE TABLE, CREATE INDEX, views, sequences. Pure: numbers come from the
//! catalog handed in, objects go back to the caller, who puts them in and fills them. Does no I/O.
//!
//! Errors have a location instead of a position: see [`SqlError::located`](super::SqlError::located).

mod column;
mod index;
mod sequence;
mod table;
mod view;

pub use column::column;
pub use index::{create_index, index_parts, new_index};
pub use sequence::create_sequence;
pub use table::{create_table, drawn_sequence};
pub use view::{bind_view, view_relation};

use sqlparser::tokenizer::Span;

use super::SqlError;

/// An error at a place.
fn error(state: &'static str, message: impl Into<String>, span: Span) -> SqlError {
    let mut error = SqlError::new(state, message);
    if span.start.line > 0 {
        error.location = Some(span.start);
    }
    error
}

/// SQL that is not built.
fn unsupported(what: impl std::fmt::Display, span: Span) -> SqlError {
    let state = super::error::sqlstate::FEATURE_NOT_SUPPORTED;
    error(state, format!("{what} is not supported"), span)
}
