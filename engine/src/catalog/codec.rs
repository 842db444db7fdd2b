//! Objects as catalog rows: key = the object's number, row = (number, kind, name, definition as JSON).
//!
//! Persisted: field names of the definitions keep their meaning; readers ignore none and refuse what they do not know.

use std::sync::Arc;

use tailwater_proto::key_codec::encode_key;
use tailwater_proto::row_codec::{RowView, encode_row};
use tailwater_proto::{ColumnId, Key, Value};

use super::{Object, ObjectId};

const ID: ColumnId = ColumnId(1);
const KIND: ColumnId = ColumnId(2);
const NAME: ColumnId = ColumnId(3);
const DEFINITION: ColumnId = ColumnId(4);

/// The key of an object's row.
#[must_use]
pub fn object_key(id: ObjectId) -> Key {
    let mut key = Key::new();
    encode_key(&mut key, &Value::Int(id.0.into()));
    key
}

/// An object's row.
///
/// # Errors
/// When the definition cannot be written as JSON, saying why.
pub fn encode_object(object: &Object) -> Result<Arc<[u8]>, String> {
    let definition = serde_json::to_string(object).map_err(|error| error.to_string())?;
    let values = [
        (ID, Value::Int(object.id().0.into())),
        (KIND, Value::text(object.kind_name())),
        (NAME, Value::text(&object.name().to_string())),
        (DEFINITION, Value::text(&definition)),
    ];
    encode_row(0, values.iter().map(|(id, value)| (*id, value))).map_err(|error| error.to_string())
}

/// The object of a row.
///
/// # Errors
/// When the row is damaged or of a newer version, saying why.
pub fn decode_object(row: &[u8]) -> Result<Object, String> {
    let view = RowView::new(row).map_err(|error| error.to_string())?;
    match view.get(DEFINITION).map_err(|error| error.to_string())? {
        Some(Value::Text(definition)) => {
            serde_json::from_str(&definition).map_err(|error| error.to_string())
        }
        other => Err(format!("definition expected, found {other:?}")),
    }
}
