//! `EpochHistory`: which epoch each commit belongs to, and where epochs forked.
//!
//! A log that lost its unconfirmed tail, or a spare that took over, goes on under a new epoch. A position of an
//! older epoch is still good iff it lies before the fork that ended it. Next door: `token`.

use std::sync::Arc;

use tailwater_proto::Lsn;

/// The epochs of a log, ascending, each with the first commit that belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EpochHistory(Arc<[(u32, Lsn)]>);

/// What an epoch says about a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lineage {
    /// The position is one of ours.
    Ours,
    /// The epoch went another way from this commit on, or was never ours.
    Forked { at: Lsn },
    /// The epoch is newer than all we know.
    Unknown,
}

impl EpochHistory {
    pub(crate) fn new(history: Vec<(u32, Lsn)>) -> Self {
        debug_assert!(
            history.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1),
            "{history:?}"
        );
        Self(history.into())
    }

    /// The epoch a commit was written in; of positions before all of them, the oldest.
    pub(crate) fn epoch_of(&self, lsn: Lsn) -> u32 {
        let at = self
            .0
            .iter()
            .rposition(|(_, first)| *first <= lsn)
            .unwrap_or(0);
        self.0.get(at).map_or(0, |(epoch, _)| *epoch)
    }

    /// Whether position `lsn` of `epoch` lies on our line.
    pub(crate) fn lineage(&self, epoch: u32, lsn: Lsn) -> Lineage {
        match self.0.binary_search_by_key(&epoch, |(epoch, _)| *epoch) {
            Ok(at) => match self.0.get(at + 1) {
                Some((_, fork)) if lsn >= *fork => Lineage::Forked { at: *fork },
                _ => Lineage::Ours,
            },
            Err(at) => match self.0.get(at) {
                Some((_, first)) => Lineage::Forked { at: *first },
                None if self.0.is_empty() && epoch == 0 => Lineage::Ours,
                None => Lineage::Unknown,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_ours_iff_it_precedes_the_fork_that_ended_its_epoch() {
        let history = EpochHistory::new(vec![(1, Lsn(1)), (2, Lsn(101)), (4, Lsn(151))]);
        for (lsn, epoch) in [
            (0, 1),
            (1, 1),
            (100, 1),
            (101, 2),
            (150, 2),
            (151, 4),
            (900, 4),
        ] {
            assert_eq!(history.epoch_of(Lsn(lsn)), epoch, "lsn {lsn}");
        }
        for (epoch, lsn, lineage) in [
            (1, 100, Lineage::Ours),
            (1, 101, Lineage::Forked { at: Lsn(101) }),
            (2, 150, Lineage::Ours),
            (2, 151, Lineage::Forked { at: Lsn(151) }),
            (3, 1, Lineage::Forked { at: Lsn(151) }), // somebody else's epoch
            (4, 900, Lineage::Ours),
            (5, 1, Lineage::Unknown),
        ] {
            assert_eq!(
                history.lineage(epoch, Lsn(lsn)),
                lineage,
                "({epoch}, {lsn})"
            );
        }
    }
}
