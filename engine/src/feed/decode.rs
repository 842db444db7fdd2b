//! `Decoder`: bytes of rows into documents, by the names columns have now.

use std::sync::{Arc, Weak};

use tailwater_capture::Event;
use tailwater_proto::row_codec::RowView;
use tailwater_proto::{Document, StorageId, Value};

use super::event::{FeedChange, FeedEvent, FeedOp, FeedRow, Frame};
use crate::catalog::Relation;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::rows::Column;

/// Turns events of `capture` into events with documents.
#[derive(Debug)]
pub(crate) struct Decoder {
    engine: Weak<Engine>,
    storage: StorageId,
    relation: Arc<Relation>,
    object: Arc<str>,
}

impl Decoder {
    pub(crate) fn new(engine: &Arc<Engine>, relation: &Arc<Relation>) -> Self {
        Self {
            engine: Arc::downgrade(engine),
            storage: relation.storage,
            object: Arc::from(relation.name.to_string()),
            relation: Arc::clone(relation),
        }
    }

    pub(crate) fn object(&self) -> &str {
        &self.object
    }

    pub(crate) fn columns(&self) -> Vec<Column> {
        self.relation
            .columns
            .iter()
            .filter(|column| !column.hidden)
            .map(|column| Column {
                name: column.name.to_string(),
                ty: column.ty.clone(),
            })
            .collect()
    }

    pub(crate) fn event(&mut self, event: Event) -> Result<FeedEvent> {
        Ok(match event {
            Event::SnapshotBegin { lsn } => FeedEvent::SnapshotBegin { lsn },
            Event::SnapshotRows { rows } => FeedEvent::Snapshot {
                rows: rows
                    .into_iter()
                    .map(|(_, key, image)| {
                        Ok(FeedRow {
                            key,
                            row: self.document(&image)?,
                        })
                    })
                    .collect::<Result<_>>()?,
            },
            Event::SnapshotEnd { lsn, token } => FeedEvent::SnapshotEnd {
                lsn,
                token: token.to_string(),
            },
            Event::Frame(frame) => FeedEvent::Frame(self.frame(frame)?),
            Event::Progress { lsn, token } => FeedEvent::Progress {
                lsn,
                token: token.to_string(),
            },
            Event::Reset { reason, oldest } => FeedEvent::Reset {
                reason: reason.to_string(),
                oldest,
            },
        })
    }

    fn frame(&mut self, frame: tailwater_capture::Frame) -> Result<Frame> {
        let changes = frame.changes.into_iter().map(|change| {
            if change.schema_version > self.relation.schema_version {
                self.renew();
            }
            Ok(FeedChange {
                object: Arc::clone(&self.object),
                op: match change.op {
                    tailwater_capture::Op::Insert => FeedOp::Insert,
                    tailwater_capture::Op::Update => FeedOp::Update,
                    tailwater_capture::Op::Delete => FeedOp::Delete,
                },
                before: change
                    .before
                    .map(|image| self.document(&image))
                    .transpose()?,
                after: change
                    .after
                    .map(|image| self.document(&image))
                    .transpose()?,
                key: change.key,
            })
        });
        Ok(Frame {
            lsn: frame.lsn,
            commit_time_us: frame.commit_time_us,
            durable: frame.durable,
            changes: changes.collect::<Result<_>>()?,
            more: frame.more,
            token: frame.token.to_string(),
        })
    }

    /// Takes the names from the catalog as it is now.
    fn renew(&mut self) {
        if let Some(engine) = self.engine.upgrade()
            && let Some(relation) = engine.visible_catalog().relation_of_storage(self.storage)
        {
            self.relation = Arc::clone(relation);
            self.object = Arc::from(relation.name.to_string());
        }
    }

    /// A row's fields by name: columns in order, then the fields without a column.
    fn document(&self, image: &[u8]) -> Result<Document> {
        let damaged = |error: tailwater_proto::DecodeError| {
            Error::corrupted(error.to_string()).on(&*self.object)
        };
        let view = RowView::new(image).map_err(damaged)?;
        let mut document = Document::new();
        for column in self.relation.columns.iter().filter(|column| !column.hidden) {
            let value = view.get(column.id).map_err(damaged)?;
            match value {
                Some(Value::Document(rest)) if column.is_rest() => {
                    for (name, value) in rest.iter() {
                        document.push(name.clone(), value.clone());
                    }
                }
                _ if column.is_rest() => {}
                value => document.push(column.name.clone(), value.unwrap_or_default()),
            }
        }
        Ok(document)
    }
}
