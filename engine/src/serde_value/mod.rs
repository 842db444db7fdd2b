//! Rust types into SQL values and back, through serde: structs become documents, rows become structs.
//!
//! `ser` writes values, `de` reads values, `row` reads the columns of a row, `key` the names of a map's fields.
//! Nothing is rounded into an integer and nothing is parsed out of text that was not asked for; nothing here knows
//! tables or statements. Next door: `to_value`, which binds single values without serde.

mod de;
mod error;
mod key;
mod number;
mod row;
mod ser;

pub use de::from_value;
pub use error::SerdeError;
pub(crate) use row::{from_document, from_row};
pub(crate) use ser::to_value;
pub use ser::{Ser, ser};

#[cfg(test)]
mod tests;
