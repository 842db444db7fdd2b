//! `tailwater-proto`: the vocabulary that crosses disk or wire.
//!
//! Values, their comparison, rows, keys, changes, records and the codecs of all of them. It does no I/O,
//! knows no clock and imports no other room. Bytes are described in FORMAT.md and never renumbered.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod change;
pub mod compare;
pub mod datetime;
pub mod datetime_input;
pub mod document;
pub mod error;
pub mod interval;
pub mod json;
pub mod key;
pub mod key_codec;
pub mod lsn;
mod number;
pub mod record_codec;
pub mod record_parts;
pub mod row;
pub mod row_codec;
pub mod sql_type;
pub mod sqlstate;
pub mod text;
pub mod text_input;
pub mod v1;
pub mod value;
pub mod value_codec;

pub use bigdecimal::BigDecimal;
pub use change::{Change, Record};
pub use document::{Document, Path, PathStep};
pub use ecow::EcoString;
pub use error::{DecodeError, EncodeError, TextError};
pub use json::{JsonStyle, parse_json, to_json, value_from_json, write_json};
pub use key::{Direction, Key, KeyRange};
pub use key_codec::{
    KeyOrder, decode_key, decode_key_part, encode_key, encode_key_desc, encode_key_in, key_of,
    key_part_len,
};
pub use lsn::{Lsn, StorageId};
pub use record_codec::{
    ChangeRef, RecordEncoder, RecordRef, RecordView, Section, SectionView, encode_record,
};
pub use row::{ColumnId, Row};
pub use row_codec::{RowEncoder, RowView, encode_row};
pub use sql_type::SqlType;
pub use text::to_text;
pub use text_input::parse_text;
pub use value::{Interval, Value};
pub use value_codec::{decode_value, encode_value};
