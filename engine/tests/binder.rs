//! The binder and the makers of definitions, against golden text.
#![allow(clippy::unwrap_used)]

#[path = "binder/definitions.rs"]
mod definitions;
#[path = "binder/fixture.rs"]
mod fixture;
#[path = "binder/queries.rs"]
mod queries;
#[path = "binder/writes.rs"]
mod writes;
