//! Decodes a record of the log and each change in it, piece by piece: no more of a long one is in memory than a change.
//!
//! It says what is in the record and whether it is one; what that means is for `log` here and in `salvage` to say.

use tailwater_proto::DecodeError;
use tailwater_proto::record_codec::{ChangeRef, RecordView, Section};
use tailwater_proto::record_parts::RecordParts;

/// The record that is being read.
#[derive(Debug, Default)]
pub(crate) struct RecordDecoder {
    parts: RecordParts,
    /// What was wrong with what came.
    error: Option<DecodeError>,
}

impl RecordDecoder {
    /// Takes the bytes of a record from its byte `at` on, and visits the changes that are whole by now; with the last
    /// bytes it says when the record was committed, if all of it was one. A new one begins at byte 0.
    pub(crate) fn take(
        &mut self,
        at: u64,
        bytes: &[u8],
        is_last: bool,
        visit: &mut dyn FnMut(ChangeRef<'_>),
    ) -> Option<Result<i64, DecodeError>> {
        if at == 0 {
            *self = Self::default();
            if is_last {
                return Some(whole(bytes, visit));
            }
        }
        if self.error.is_none()
            && let Err(error) = self.take_part(bytes, is_last, visit)
        {
            // What was kept of it is of no use any more.
            self.parts = RecordParts::new();
            self.error = Some(error);
        }
        if !is_last {
            return None;
        }
        let time_us = self.parts.commit_time_us().unwrap_or_default();
        Some(self.error.take().map_or(Ok(time_us), Err))
    }

    fn take_part(
        &mut self,
        bytes: &[u8],
        is_last: bool,
        visit: &mut dyn FnMut(ChangeRef<'_>),
    ) -> Result<(), DecodeError> {
        self.parts.push(bytes);
        while let Some((_, change)) = self.parts.next()? {
            visit(change);
        }
        match is_last {
            true => self.parts.finish(),
            false => Ok(()),
        }
    }
}

fn whole(bytes: &[u8], visit: &mut dyn FnMut(ChangeRef<'_>)) -> Result<i64, DecodeError> {
    let record = RecordView::decode(bytes)?;
    for section in Section::ALL {
        for change in record.changes(section) {
            visit(change?);
        }
    }
    Ok(record.commit_time_us())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tailwater_proto::{Change, Key, Record, StorageId, encode_record};

    use super::*;

    fn decoded(pieces: &[&[u8]]) -> (Result<i64, DecodeError>, Vec<Change>) {
        let (mut decoder, mut at, mut changes) = (RecordDecoder::default(), 0, Vec::new());
        for (number, piece) in pieces.iter().enumerate() {
            let is_last = number + 1 == pieces.len();
            let taken = decoder.take(at, piece, is_last, &mut |change| {
                changes.push(change.to_change());
            });
            at += piece.len() as u64;
            if let Some(taken) = taken {
                return (taken, changes);
            }
        }
        panic!("the last piece ends it");
    }

    #[test]
    fn pieces_say_what_the_whole_record_says() {
        let change = |id: u8| Change {
            storage: StorageId(70),
            schema_version: 1,
            key: Key::from(&[id][..]),
            before: None,
            after: Some(Arc::from(vec![id; 300])),
        };
        let record = Record {
            commit_time_us: 7,
            base: vec![change(1), change(2)],
            state: vec![change(3)],
            ..Record::default()
        };
        let bytes = encode_record((&record).into()).unwrap();
        let all = vec![change(1), change(2), change(3)];
        for len in [1, 7, 250, bytes.len()] {
            let pieces: Vec<&[u8]> = bytes.chunks(len).collect();
            assert_eq!(decoded(&pieces), (Ok(7), all.clone()), "pieces of {len}");
            let mut cut = pieces.clone();
            if cut.len() > 1 {
                cut.pop();
                assert!(decoded(&cut).0.is_err(), "pieces of {len}");
            }
        }
        let mut damaged = bytes.to_vec();
        damaged[1] = 0xFF;
        for len in [7, bytes.len()] {
            let pieces: Vec<&[u8]> = damaged.chunks(len).collect();
            assert!(decoded(&pieces).0.is_err(), "pieces of {len}");
        }
    }
}
