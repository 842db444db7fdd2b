//! Cuts what a selection shows out of a long record, into frames of a bounded size, without ever having it whole.
//!
//! A frame is handed out when the first change of the next one is found, so the last one knows that it is the last, and
//! none is empty. Next door: `frame`, which cuts records that are not long; `subscription`, which brings the parts.

use std::sync::Arc;

use tailwater_proto::record_parts::RecordParts;
use tailwater_proto::{DecodeError, EcoString, Lsn, Section};

use crate::event::FeedChange;
use crate::frame::{Cut, select};
use crate::selection::Selection;

/// Bytes of a record in memory that are looked at in one go.
const PART_BYTES: usize = 256 << 10;
/// What a change takes beside its bytes.
const CHANGE_BYTES: usize = size_of::<FeedChange>();

/// A long record on its way into frames.
pub(crate) struct LongRecord {
    pub(crate) lsn: Lsn,
    parts: RecordParts,
    /// What of it is in memory and not looked at yet.
    rest: Option<(Arc<[u8]>, usize)>,
    /// Its last part was given.
    is_whole: bool,
    /// The frame that fills.
    changes: Vec<FeedChange>,
    bytes: usize,
    bytes_max: usize,
}

/// What came of reading on.
pub(crate) enum Progress {
    /// A frame, and more of the commit follows.
    Frame(Cut),
    /// The end of the commit, with its last frame if it shows anything.
    End(Option<Cut>),
    /// It is to be given its next part.
    Wanting,
}

impl LongRecord {
    /// A record of which parts will be given, for frames of about `bytes_max` bytes.
    pub(crate) fn new(lsn: Lsn, bytes_max: usize) -> Self {
        Self {
            lsn,
            parts: RecordParts::new(),
            rest: None,
            is_whole: false,
            changes: Vec::new(),
            bytes: 0,
            bytes_max,
        }
    }

    /// A record that is in memory.
    pub(crate) fn in_memory(lsn: Lsn, record: Arc<[u8]>, bytes_max: usize) -> Self {
        Self {
            rest: Some((record, 0)),
            ..Self::new(lsn, bytes_max)
        }
    }

    /// Takes the next part.
    pub(crate) fn push(&mut self, part: &[u8], is_last: bool) {
        self.parts.push(part);
        self.is_whole = is_last;
    }

    /// Reads on to the end of a frame, or of what was given.
    pub(crate) fn advance(&mut self, selection: &Selection) -> Result<Progress, DecodeError> {
        loop {
            while let Some((section, change)) = self.parts.next()? {
                if section == Section::State {
                    continue;
                }
                let Some(change) = select(change, selection) else {
                    continue;
                };
                let is_full = self.bytes >= self.bytes_max;
                let full = is_full.then(|| self.take_frame());
                self.bytes += CHANGE_BYTES + len(&change);
                self.changes.push(change);
                if let Some(full) = full {
                    return Ok(Progress::Frame(full));
                }
            }
            if let Some((record, at)) = self.rest.take() {
                let end = record.len().min(at + PART_BYTES);
                self.push(record.get(at..end).unwrap_or_default(), end == record.len());
                self.rest = (end < record.len()).then_some((record, end));
            } else if self.is_whole {
                self.parts.finish()?;
                let shows = !self.changes.is_empty();
                return Ok(Progress::End(shows.then(|| self.take_frame())));
            } else {
                return Ok(Progress::Wanting);
            }
        }
    }

    fn take_frame(&mut self) -> Cut {
        self.bytes = 0;
        Cut {
            commit_time_us: self.parts.commit_time_us().unwrap_or_default(),
            principal: EcoString::from(self.parts.principal()),
            changes: std::mem::take(&mut self.changes),
        }
    }
}

fn len(change: &FeedChange) -> usize {
    let image = |image: &Option<Arc<[u8]>>| image.as_ref().map_or(0, |bytes| bytes.len());
    change.key.len() + image(&change.before) + image(&change.after)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::cut;
    use crate::testing::{Rng, change, record, seeds};
    use tailwater_proto::StorageId;

    #[test]
    fn frames_in_parts_are_the_frame_of_the_whole() {
        for seed in seeds(60) {
            let mut rng = Rng(seed);
            let count = rng.below(40);
            let changes: Vec<_> = (0..count)
                .map(|at| {
                    let storage = 1 + rng.below(2) as u32;
                    let row = vec![at as u8; rng.below(300)];
                    change(storage, &[at as u8], None, Some(&row))
                })
                .collect();
            let bytes = record(&changes);
            let selection = Selection::whole(StorageId(1));
            let whole = cut(&bytes, &selection).unwrap();
            let frame_bytes = 1 + rng.below(2_000);

            let mut long = match rng.below(2) {
                0 => LongRecord::in_memory(Lsn(9), Arc::clone(&bytes), frame_bytes),
                _ => LongRecord::new(Lsn(9), frame_bytes),
            };
            let is_given = long.rest.is_none();
            let (mut frames, mut rest) = (Vec::new(), &*bytes);
            let last = loop {
                match long.advance(&selection).unwrap() {
                    Progress::Frame(cut) => frames.push(cut),
                    Progress::End(cut) => break cut,
                    Progress::Wanting => {
                        assert!(is_given, "seed {seed}");
                        let (part, others) = rest.split_at(rest.len().min(1 + rng.below(500)));
                        rest = others;
                        long.push(part, rest.is_empty());
                    }
                }
            };
            assert_eq!(last.is_some(), whole.is_some(), "seed {seed}");
            assert!(frames.iter().all(|frame| !frame.changes.is_empty()));
            frames.extend(last);
            let parts: Vec<_> = frames.into_iter().flat_map(|cut| cut.changes).collect();
            assert_eq!(
                parts,
                whole.map_or_else(Vec::new, |cut| cut.changes),
                "seed {seed}"
            );
        }
    }
}
