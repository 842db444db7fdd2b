//! Field plans: bytes of Protobuf's wire into rows and parameters, and rows into bytes, without a dynamic message between.
//!
//! `plan` is what descriptors say, compiled once when a module is installed; `decode` fills slots, `finish` makes values of
//! them; `encode` writes. What types become is in MODULES.md; prost-reflect's dynamic message is the slow twin in `tests`.
//! Nothing here knows tables or sockets. First door: `row`.

mod ack;
mod decode;
mod encode;
mod fields;
mod finish;
mod known;
mod parameters;
mod plan;
mod reader;
mod row;
mod scalar;
mod shape;
#[cfg(test)]
mod tests;

pub(crate) use self::ack::AckEncoder;
pub(crate) use self::parameters::ParameterDecoder;
pub(crate) use self::row::{Absent, FieldColumn, RowDecoder, RowEncoder};
