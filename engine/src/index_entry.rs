//! Entries of secondary indexes: which bytes a row has in an index. Nothing is staged or read here.
//!
//! Tables (`execute`) and views (`maintenance`) keep their indexes by it alike.

use tailwater_proto::key_codec::{encode_key, encode_key_desc};
use tailwater_proto::{Key, Value};
use tailwater_views::ExecContext;

use crate::catalog::Index;
use crate::txn::{Section, Target};

/// Where entries of an index go.
pub(crate) fn index_target(index: &Index) -> Target {
    Target {
        storage: index.storage,
        section: Section::State,
        schema_version: 0,
    }
}

/// The encoded parts of a row's entry, and whether one of them is NULL.
pub(crate) fn index_prefix(
    index: &Index,
    row: &[Value],
    cx: &ExecContext,
) -> tailwater_views::Result<(Key, bool)> {
    let mut prefix = Key::new();
    let mut has_null = false;
    for part in &index.parts {
        let value = part.expr.eval(row, cx)?;
        has_null |= value.is_null();
        if part.descending {
            encode_key_desc(&mut prefix, &value);
        } else {
            encode_key(&mut prefix, &value);
        }
    }
    Ok((prefix, has_null))
}

/// A row's entry: its encoded parts, then its key.
pub(crate) fn index_entry(
    index: &Index,
    row: &[Value],
    key: &Key,
    cx: &ExecContext,
) -> tailwater_views::Result<Key> {
    let (mut entry, _) = index_prefix(index, row, cx)?;
    entry.extend(key);
    Ok(entry)
}
