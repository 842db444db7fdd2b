//! `Ring`: the newest records, by number, bounded in bytes and in count.
//!
//! Holds the very bytes that went to the log, and of a record that was never in memory that it is in the log. What was not published yet, or what the log cannot give back yet, is
//! never let go, whatever the bounds. It knows no subscriber. Next door: `feed`, which guards it by a lock.

use std::collections::VecDeque;
use std::sync::Arc;

use smallvec::SmallVec;
use tailwater_proto::{Lsn, StorageId};

/// Preallocated slots, at most; the system gives memory only for those that are used.
const SLOTS_PREALLOCATED: usize = 65_536;

/// What the ring knows of a record.
#[derive(Clone, Debug)]
pub(crate) enum Entry {
    /// Its bytes.
    Here(Arc<[u8]>),
    /// It is in the log alone; tables and views of these storages changed.
    Logged(Arc<[StorageId]>),
}

impl Entry {
    fn len(&self) -> usize {
        match self {
            Self::Here(record) => record.len(),
            Self::Logged(_) => 0,
        }
    }
}

/// Records that a feed holds no more. They are freed with it: best where nobody waits for a lock.
///
/// ```
/// use tailwater_capture::Released;
///
/// drop(Released::default()); // nothing: the ring of the feed has room
/// ```
#[derive(Debug, Default)]
pub struct Released(SmallVec<[Entry; 1]>);

pub(crate) struct Ring {
    /// The number of the first record kept, or of the next to come.
    first: u64,
    records: VecDeque<Entry>,
    bytes: usize,
    bytes_max: usize,
    records_max: usize,
}

impl Ring {
    /// An empty ring whose next record is the one after `last`.
    pub(crate) fn new(last: Lsn, bytes_max: usize, records_max: usize) -> Self {
        Self {
            first: last.0 + 1,
            records: VecDeque::with_capacity(records_max.min(SLOTS_PREALLOCATED)),
            bytes: 0,
            bytes_max,
            records_max,
        }
    }

    /// Bytes of the records it holds.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Appends the next record and lets go of the oldest ones beyond the bounds, none of them after `releasable`.
    ///
    /// # Panics
    /// If `lsn` is not the number after the last one: the sequencer numbers commits without gaps.
    pub(crate) fn push(&mut self, lsn: Lsn, record: Entry, releasable: Lsn) -> Released {
        assert_eq!(
            lsn,
            self.last().next(),
            "records are pushed in order and without gaps"
        );
        self.bytes += record.len();
        self.records.push_back(record);
        let mut released = Released::default();
        while (self.bytes > self.bytes_max || self.records.len() > self.records_max)
            && self.first <= releasable.0
        {
            let Some(oldest) = self.records.pop_front() else {
                break;
            };
            self.bytes -= oldest.len();
            self.first += 1;
            released.0.push(oldest);
        }
        released
    }

    /// The last record pushed, ever.
    pub(crate) fn last(&self) -> Lsn {
        Lsn(self.first + self.records.len() as u64 - 1)
    }

    /// A record still kept.
    pub(crate) fn get(&self, lsn: Lsn) -> Option<&Entry> {
        let at = lsn.0.checked_sub(self.first)?;
        self.records.get(usize::try_from(at).ok()?)
    }

    /// A record that is not about to be let go: one beyond the oldest quarter. A reader coming from the log changes
    /// over here, so that it does not drop out again at once.
    pub(crate) fn get_settled(&self, lsn: Lsn) -> Option<&Entry> {
        let settled = self.first + self.records.len() as u64 / 4;
        if lsn.0 < settled { None } else { self.get(lsn) }
    }

    /// Copies the records in (`after`, `upto`] to `out`, as far as they are kept.
    pub(crate) fn copy(&self, after: Lsn, upto: Lsn, out: &mut Vec<(Lsn, Entry)>) {
        let mut lsn = Lsn(self.first.max(after.0 + 1));
        while lsn <= upto {
            let Some(record) = self.get(lsn) else { break };
            out.push((lsn, record.clone()));
            lsn = lsn.next();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(len: usize) -> Entry {
        Entry::Here(vec![7; len].into())
    }

    #[test]
    fn old_records_leave_by_count_and_by_bytes() {
        let mut ring = Ring::new(Lsn(10), 100, 3);
        for lsn in 11..=15 {
            ring.push(Lsn(lsn), record(10), Lsn::MAX);
        }
        assert!(ring.get(Lsn(12)).is_none());
        assert!(ring.get(Lsn(13)).is_some());
        ring.push(Lsn(16), record(95), Lsn::MAX);
        assert!(ring.get(Lsn(15)).is_none());
        assert!(ring.get(Lsn(16)).is_some());
        assert!(ring.get(Lsn(17)).is_none());
        assert_eq!(ring.last(), Lsn(16));
        ring.push(Lsn(17), record(1_000), Lsn::MAX); // larger than the ring: gone at once, and the ring goes on
        assert!(ring.get(Lsn(17)).is_none());
        assert_eq!(ring.last(), Lsn(17));
        ring.push(Lsn(18), record(1), Lsn::MAX);
        assert!(ring.get(Lsn(18)).is_some());
    }

    #[test]
    fn what_may_not_be_released_stays() {
        let mut ring = Ring::new(Lsn::ZERO, 10, 2);
        for lsn in 1..=6 {
            ring.push(Lsn(lsn), record(10), Lsn(1));
        }
        assert!(ring.get(Lsn(1)).is_none());
        assert!((2..=6).all(|lsn| ring.get(Lsn(lsn)).is_some()));
        ring.push(Lsn(7), record(10), Lsn(6));
        assert!(ring.get(Lsn(6)).is_none());
        assert!(ring.get(Lsn(7)).is_some());
    }

    #[test]
    fn a_copy_is_cut_to_what_is_kept() {
        let mut ring = Ring::new(Lsn::ZERO, 1_000, 4);
        for lsn in 1..=8 {
            ring.push(Lsn(lsn), record(1), Lsn::MAX);
        }
        let mut out = Vec::new();
        ring.copy(Lsn(2), Lsn(7), &mut out);
        assert_eq!(
            out.iter().map(|(lsn, _)| lsn.0).collect::<Vec<_>>(),
            [5, 6, 7]
        );
    }

    #[test]
    #[should_panic(expected = "without gaps")]
    fn a_gap_is_the_programmers_error() {
        Ring::new(Lsn(1), 10, 10).push(Lsn(3), record(1), Lsn::ZERO);
    }
}
