//! Rows as bytes: any bytes are a row or refused; `iter`, `get` and `project` agree; any row comes back.
//!
//! Next door: `proto::row_codec`.

use tailwater_proto::{ColumnId, EncodeError, RowView, Value, encode_row};

use super::assert_same;
use crate::choices::Choices;
use crate::rng::Rng;
use crate::{memory, value};

/// Reads the input, then encodes the row it describes.
///
/// # Panics
/// If two ways of reading differ, a row does not come back, or memory was taken on the word of a count.
pub fn run(input: &[u8]) {
    if let Ok(view) = memory::bounded(|| RowView::new(input)) {
        let ascending = readings_agree(&view);
        let columns: Result<Vec<_>, _> = view.iter().collect();
        if let (true, Ok(columns)) = (ascending, columns) {
            comes_back(view.schema_version(), &columns);
        }
    }
    let choices = &mut Choices::new(input);
    let version = choices.word() as u32;
    comes_back(version, &value::columns(choices));
}

/// Whether the ids ascend, without which a column cannot be looked up.
fn readings_agree(view: &RowView<'_>) -> bool {
    let mut ids = Vec::new();
    let mut whole = true;
    for column in view.iter() {
        match column {
            Ok((id, _)) => ids.push(id),
            Err(_) => whole = false,
        }
    }
    assert!(ids.len() <= view.len());
    let ascending = ids.is_sorted_by(|a, b| a < b);
    let mut projected = Vec::new();
    if view.project(&ids, &mut projected).is_err() || !whole || !ascending {
        return false;
    }
    assert_eq!(projected.len(), ids.len());
    for (column, projected) in view.iter().zip(&projected) {
        let (id, value) = column.expect("it could be read before");
        assert_same(&value, projected);
        let looked_up = view.get(id).expect("it could be read before");
        assert_same(&looked_up, &Some(&value));
    }
    true
}

fn comes_back(version: u32, columns: &[(ColumnId, Value)]) {
    let row = match encode_row(version, columns.iter().map(|(id, value)| (*id, value))) {
        Ok(row) => row,
        Err(EncodeError::NumericScale) => return,
        Err(error) => panic!("{error}: {columns:?}"),
    };
    let view = RowView::new(&row).expect("what was encoded can be read");
    assert_eq!(
        (view.schema_version(), view.len()),
        (version, columns.len())
    );
    let back: Vec<_> = view
        .iter()
        .collect::<Result<_, _>>()
        .expect("what was encoded can be read");
    assert_same(&back.as_slice(), &columns);
    assert!(readings_agree(&view));
    let again = encode_row(version, back.iter().map(|(id, value)| (*id, value)));
    assert_eq!(again.as_ref(), Ok(&row));
}

/// The bytes of a row.
pub fn generate(rng: &mut Rng) -> Vec<u8> {
    let bytes = rng.bytes(250);
    let choices = &mut Choices::new(&bytes);
    let columns = value::columns(choices);
    let row = encode_row(
        rng.next_u64() as u32,
        columns.iter().map(|(id, value)| (*id, value)),
    );
    row.map_or(bytes, |row| row.to_vec())
}
