//! Messages as JSON, one line each. A consumer folds them: `snapshot_begin` and `reset` forget all rows, rows of a
//! snapshot and `after` images are put under their key, deletes take theirs away.

use tailwater::{Column, FeedChange, FeedEvent, FeedOp, Frame, Lsn, SqlType, Value};
use tailwater_proto::{Document, Key};

use crate::output::push_json;

/// Writes events as lines; remembers which snapshot rows belong to.
#[derive(Debug, Default)]
pub(crate) struct LinePrinter {
    snapshot_lsn: u64,
}

impl LinePrinter {
    /// The line of an event, without its end; `None` for kinds of events that are new to this program.
    pub(crate) fn line(&mut self, event: FeedEvent) -> Option<String> {
        Some(match event {
            FeedEvent::SnapshotBegin { lsn } => {
                self.snapshot_lsn = lsn.0;
                format!("{{\"snapshot_begin\":true,\"lsn\":{}}}", lsn.0)
            }
            FeedEvent::Snapshot { rows } => {
                let mut line = format!(
                    "{{\"snapshot\":true,\"lsn\":{},\"rows\":[",
                    self.snapshot_lsn
                );
                for (place, row) in rows.into_iter().enumerate() {
                    line.push_str(if place > 0 { "," } else { "" });
                    push_key(&mut line, &row.key);
                    line.push_str(",\"row\":");
                    push_json(&mut line, &Value::document(row.row));
                    line.push('}');
                }
                line.push_str("]}");
                line
            }
            FeedEvent::SnapshotEnd { lsn, token } => {
                format!(
                    "{{\"snapshot_end\":true,\"lsn\":{}{}",
                    lsn.0,
                    token_end(&token)
                )
            }
            FeedEvent::Frame(frame) => frame_line(frame),
            FeedEvent::Progress { lsn, token } => {
                format!("{{\"progress\":true,\"lsn\":{}{}", lsn.0, token_end(&token))
            }
            FeedEvent::Reset { reason, oldest } => {
                let mut line = String::from("{\"reset\":{\"reason\":");
                push_json(&mut line, &Value::text(&reason));
                line.push_str(&format!(",\"oldest\":{}}}}}", oldest.0));
                line
            }
            _ => return None,
        })
    }
}

fn frame_line(frame: Frame) -> String {
    let mut line = format!("{{\"lsn\":{},\"time\":", frame.lsn.0);
    push_json(&mut line, &Value::TimestampTz(frame.commit_time_us));
    line.push_str(&format!(",\"durable\":{},\"changes\":[", frame.durable));
    for (place, change) in frame.changes.into_iter().enumerate() {
        line.push_str(if place > 0 { "," } else { "" });
        push_change(&mut line, change);
    }
    line.push(']');
    line.push_str(if frame.more { ",\"more\":true" } else { "" });
    line.push_str(&token_end(&frame.token));
    line
}

fn push_change(line: &mut String, change: FeedChange) {
    push_key(line, &change.key);
    line.push_str(&format!(",\"op\":\"{}\"", change.op.name()));
    for (name, image) in [("before", change.before), ("after", change.after)] {
        if let Some(image) = image {
            line.push_str(&format!(",\"{name}\":"));
            push_json(line, &Value::document(image));
        }
    }
    line.push('}');
}

/// The beginning of an object, with the row's key in hexadecimal.
fn push_key(line: &mut String, key: &Key) {
    line.push_str("{\"key\":\"");
    for byte in key.iter() {
        line.push_str(&format!("{byte:02x}"));
    }
    line.push('"');
}

/// The end of an object, with its token.
fn token_end(token: &str) -> String {
    let mut text = String::from(",\"token\":");
    push_json(&mut text, &Value::text(token));
    text.push('}');
    text
}

/// Columns of a feed that is shown as rows: commit and operation first.
pub(crate) fn row_columns(columns: &[Column]) -> Vec<Column> {
    let own = [("lsn", SqlType::Int8), ("op", SqlType::Text)].map(|(name, ty)| Column {
        name: name.to_owned(),
        ty,
    });
    own.into_iter().chain(columns.iter().cloned()).collect()
}

/// The name of the column for fields without a column of their own.
const REST: &str = "...";

/// A row's values in the order of the columns; fields without a column are one document, where a column takes them.
pub(crate) fn fields_of(columns: &[Column], document: &Document) -> Vec<Value> {
    let is_declared = |name: &str| columns.iter().any(|column| column.name == name);
    let value = |column: &Column| match &*column.name {
        REST => {
            let rest = document.iter().filter(|(name, _)| !is_declared(name));
            Value::document(
                rest.map(|(name, value)| (name.clone(), value.clone()))
                    .collect(),
            )
        }
        name => document.get(name).cloned().unwrap_or_default(),
    };
    columns.iter().map(value).collect()
}

/// An event as rows: an update shows the row after it, a delete the row that was.
pub(crate) fn rows_of(columns: &[Column], event: FeedEvent) -> Vec<Vec<Value>> {
    let row = |lsn: Option<Lsn>, op: &str, document: &Document| -> Vec<Value> {
        let lsn = lsn.map_or(Value::Null, |lsn| {
            Value::Int(i64::try_from(lsn.0).unwrap_or(i64::MAX))
        });
        let own = [lsn, Value::text(op)];
        let fields = fields_of(columns, document);
        own.into_iter().chain(fields).collect()
    };
    match event {
        FeedEvent::Snapshot { rows } => rows
            .iter()
            .map(|stored| row(None, "snapshot", &stored.row))
            .collect(),
        FeedEvent::Frame(frame) => frame
            .changes
            .iter()
            .filter_map(|change| {
                let shown = match change.op {
                    FeedOp::Delete => change.before.as_ref(),
                    FeedOp::Insert | FeedOp::Update => change.after.as_ref(),
                };
                shown.map(|document| row(Some(frame.lsn), change.op.name(), document))
            })
            .collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_one_line() {
        let mut key = Key::new();
        key.extend(&[0, 171]);
        let row = |n| Document::from_iter([("n".into(), Value::Int(n))]);
        let frame = Frame {
            lsn: Lsn(7),
            commit_time_us: 0,
            durable: true,
            changes: vec![FeedChange {
                object: "v".into(),
                op: FeedOp::Update,
                key,
                before: Some(row(1)),
                after: Some(row(2)),
            }],
            more: false,
            token: "t\"".into(),
        };
        let line = LinePrinter::default()
            .line(FeedEvent::Frame(frame))
            .unwrap();
        assert_eq!(
            line,
            r#"{"lsn":7,"time":"1970-01-01T00:00:00+00:00","durable":true,"changes":[{"key":"00ab","op":"update","before":{"n":1},"after":{"n":2}}],"token":"t\""}"#
        );
    }
}
