//! Messages as `tailwater.v1.FeedFrame`, each after its length as Protobuf's delimited streams have it.
//! Rows are values in the order of the columns, which the first frame that needs them carries.

use prost::Message;
use tailwater::{Column, FeedChange, FeedEvent, FeedOp, Value};
use tailwater_proto::key_codec::{KeyOrder, decode_key_part};
use tailwater_proto::{Document, v1};

/// Writes events as messages.
pub(crate) struct FrameEncoder {
    columns: Vec<Column>,
    is_delimited: bool,
    are_columns_told: bool,
    snapshot_lsn: u64,
    snapshot_rows: u64,
}

impl FrameEncoder {
    /// For a feed with these columns; delimited: each message after its length.
    pub(crate) fn new(columns: &[Column], is_delimited: bool) -> Self {
        Self {
            columns: columns.to_vec(),
            is_delimited,
            are_columns_told: false,
            snapshot_lsn: 0,
            snapshot_rows: 0,
        }
    }

    /// Whether whoever had all frames knows the columns.
    pub(crate) const fn are_columns_told(&self) -> bool {
        self.are_columns_told
    }

    /// The bytes of an event; `None` for kinds of events that are new to this program.
    pub(crate) fn encode(&mut self, event: FeedEvent) -> Option<Vec<u8>> {
        let frame = self.frame(event)?;
        Some(match self.is_delimited {
            true => frame.encode_length_delimited_to_vec(),
            false => frame.encode_to_vec(),
        })
    }

    /// The message of an event; `None` for kinds of events that are new to this program.
    pub(crate) fn frame(&mut self, event: FeedEvent) -> Option<v1::FeedFrame> {
        use v1::feed_frame::Control;
        let mut frame = v1::FeedFrame {
            durable: true,
            ..v1::FeedFrame::default()
        };
        match event {
            FeedEvent::SnapshotBegin { lsn } => {
                self.snapshot_lsn = lsn.0;
                self.snapshot_rows = 0;
                self.are_columns_told = true;
                frame.lsn = lsn.0;
                frame.control = Some(Control::SnapshotBegin(v1::SnapshotBegin {
                    columns: Some(self.columns()),
                }));
            }
            FeedEvent::Snapshot { rows } => {
                self.snapshot_rows += rows.len() as u64;
                frame.lsn = self.snapshot_lsn;
                frame.changes = rows
                    .iter()
                    .map(|stored| v1::RowChange {
                        operation: v1::Operation::Insert.into(),
                        key: Some(key(&stored.key)),
                        before: None,
                        after: Some(self.row(&stored.row)),
                    })
                    .collect();
            }
            FeedEvent::SnapshotEnd { lsn, token } => {
                frame.lsn = lsn.0;
                frame.token = token.into_bytes();
                frame.control = Some(Control::SnapshotEnd(v1::SnapshotEnd {
                    rows: self.snapshot_rows,
                }));
            }
            FeedEvent::Frame(told) => {
                frame.lsn = told.lsn.0;
                frame.commit_time_us = told.commit_time_us;
                frame.durable = told.durable;
                frame.more = told.more;
                frame.token = told.token.into_bytes();
                frame.changes = told
                    .changes
                    .iter()
                    .map(|change| self.change(change))
                    .collect();
                if !std::mem::replace(&mut self.are_columns_told, true) {
                    frame.control = Some(Control::Columns(self.columns()));
                }
            }
            FeedEvent::Progress { lsn, token } => {
                frame.lsn = lsn.0;
                frame.token = token.into_bytes();
                frame.control = Some(Control::Progress(v1::Progress {}));
            }
            FeedEvent::Reset { reason, oldest } => {
                use v1::reset::Reason;
                let kind = match &*reason {
                    "released" => Reason::OutOfRetention,
                    "replaced" => Reason::ObjectChanged,
                    "policy_changed" => Reason::PolicyChanged,
                    _ => Reason::Unspecified,
                };
                frame.lsn = oldest.0;
                frame.control = Some(Control::Reset(v1::Reset {
                    reason: kind.into(),
                    message: reason,
                }));
            }
            _ => return None,
        }
        Some(frame)
    }

    fn columns(&self) -> v1::Columns {
        let column = |column: &Column| v1::Column {
            name: column.name.clone(),
            r#type: column.ty.to_string(),
            type_oid: column.ty.oid(),
            key: false,
        };
        v1::Columns {
            columns: self.columns.iter().map(column).collect(),
            schema_version: 0,
        }
    }

    fn row(&self, document: &Document) -> v1::Row {
        v1::Row::of(&super::json::fields_of(&self.columns, document))
    }

    fn change(&self, change: &FeedChange) -> v1::RowChange {
        let operation = match change.op {
            FeedOp::Insert => v1::Operation::Insert,
            FeedOp::Update => v1::Operation::Update,
            FeedOp::Delete => v1::Operation::Delete,
        };
        v1::RowChange {
            operation: operation.into(),
            key: Some(key(&change.key)),
            before: change.before.as_ref().map(|image| self.row(image)),
            after: change.after.as_ref().map(|image| self.row(image)),
        }
    }
}

/// The values of a key; of one that holds descending parts, its bytes.
fn key(bytes: &[u8]) -> v1::Row {
    let mut values = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        match decode_key_part(rest, KeyOrder::Ascending) {
            Ok((value, len)) if len > 0 => {
                values.push(value);
                rest = rest.get(len..).unwrap_or_default();
            }
            _ => return v1::Row::of(&[Value::from(bytes.to_vec())]),
        }
    }
    v1::Row::of(&values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tailwater::{Lsn, SqlType};

    #[test]
    fn a_snapshot_tells_the_columns_and_counts_its_rows() {
        let columns = [Column {
            name: "n".into(),
            ty: SqlType::Int4,
        }];
        let mut encoder = FrameEncoder::new(&columns, false);
        let begin = encoder
            .encode(FeedEvent::SnapshotBegin { lsn: Lsn(3) })
            .unwrap();
        let begin = v1::FeedFrame::decode(&*begin).unwrap();
        let Some(v1::feed_frame::Control::SnapshotBegin(told)) = begin.control else {
            panic!()
        };
        assert_eq!(told.columns.unwrap().columns[0].name, "n");
        let stored = tailwater::FeedRow {
            key: tailwater_proto::key_of([&Value::Int(1), &Value::text("x")]),
            row: Document::from_iter([("n".into(), Value::Int(5))]),
        };
        let rows = encoder
            .encode(FeedEvent::Snapshot { rows: vec![stored] })
            .unwrap();
        let rows = v1::FeedFrame::decode(&*rows).unwrap();
        assert_eq!(rows.lsn, 3);
        assert_eq!(rows.changes[0].key.as_ref().unwrap().values.len(), 2);
        let end = encoder
            .frame(FeedEvent::SnapshotEnd {
                lsn: Lsn(3),
                token: "t".into(),
            })
            .unwrap();
        let Some(v1::feed_frame::Control::SnapshotEnd(end)) = end.control else {
            panic!()
        };
        assert_eq!(end.rows, 1);
    }
}
