//! Placeholder sign, replaced by the first commit of the room.

pub mod catalog;
