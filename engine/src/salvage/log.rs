//! The log of a damaged database: which of its records can be read, and which of those may be applied.
//!
//! Records are applied in one run without gaps, so that what they make is a state there was. If the storage file is
//! damaged the run begins as early as it can: applying a record again changes nothing, and brings back what the file
//! has lost. It is read piece by piece: no record need fit into memory.

use std::path::Path;

use tailwater_proto::Lsn;
use tailwater_proto::record_codec::ChangeRef;
use tailwater_wal::vfs::Vfs;

use super::report::{SalvageOptions, SalvageReport};
use crate::check::{CheckPart, Damage, RecordDecoder};
use crate::error::{Error, Result};

/// Runs of records that can be read and decoded, each without gaps, ascending.
pub(super) struct LogRuns {
    runs: Vec<(Lsn, Lsn)>,
    /// Where records are gone behind the last run, and why.
    end: Option<(Lsn, &'static str)>,
}

/// Which records are applied.
#[derive(Clone, Debug)]
pub(super) struct LogPlan {
    /// First and last; nothing if the first is greater.
    first: Lsn,
    last: Lsn,
    /// Of those, the ones that decode, as runs.
    runs: Vec<(Lsn, Lsn)>,
}

impl LogRuns {
    /// Reads all of the log.
    pub(super) fn read(vfs: &dyn Vfs, dir: &Path, report: &mut SalvageReport) -> Result<Self> {
        let mut runs: Vec<(Lsn, Lsn)> = Vec::new();
        if !vfs.exists(dir).unwrap_or(false) {
            return Ok(Self { runs, end: None });
        }
        let mut decoder = RecordDecoder::default();
        let survey = tailwater_wal::survey(vfs, dir, &mut |piece| {
            let decoded = decoder.take(piece.at, piece.bytes, piece.is_last, &mut |_| ());
            if decoded.is_none_or(|decoded| decoded.is_err()) {
                return;
            }
            match runs.last_mut() {
                Some((_, last)) if last.next() == piece.lsn => *last = piece.lsn,
                _ => runs.push((piece.lsn, piece.lsn)),
            }
        })
        .map_err(Error::of_log)?;
        let newest = runs.last().map_or(Lsn::ZERO, |(_, last)| *last);
        let mut end = None;
        for fault in survey.faults {
            if fault.lsn > newest {
                end.get_or_insert((fault.lsn, fault.reason));
            }
            report.notes.push(format!(
                "the log is damaged in {} at byte {}: {}",
                fault.file.display(),
                fault.offset,
                fault.reason
            ));
        }
        if let Some(tail) = survey.tail {
            end.get_or_insert((tail.lsn, "they were never confirmed and cannot be read"));
        }
        Ok(Self { runs, end })
    }

    /// Chooses what is applied to a storage file that holds everything up to `applied`; `None`: there is no such file.
    pub(super) fn plan(
        &self,
        applied: Option<Lsn>,
        is_whole: bool,
        options: &SalvageOptions,
        report: &mut SalvageReport,
    ) -> LogPlan {
        let run_of = |lsn: Lsn| {
            let found = self
                .runs
                .iter()
                .position(|(first, last)| *first <= lsn && lsn <= *last);
            found.and_then(|at| self.runs.get(at))
        };
        report.applied_lsn = applied.unwrap_or(Lsn::ZERO);
        let first = match applied {
            None => self.runs.first().map_or(Lsn(1), |(first, _)| *first),
            Some(applied) if is_whole => applied.next(),
            Some(applied) => run_of(applied).map_or(applied.next(), |(first, _)| *first),
        };
        let newest = self.runs.last().map_or(Lsn::ZERO, |(_, last)| *last);
        let last = match run_of(first) {
            _ if options.past_holes => newest,
            Some((_, last)) => *last,
            None => Lsn(first.0 - 1),
        };
        if applied.is_none() && first > Lsn(1) {
            lose(
                report,
                Lsn(1),
                Lsn(first.0 - 1),
                "they are not in the log any more",
            );
        }
        let mut next = first;
        for (run_first, run_last) in &self.runs {
            if *run_last < next {
                continue;
            }
            if *run_first > next {
                lose(report, next, Lsn(run_first.0 - 1), "they cannot be read");
            }
            if *run_first > last {
                lose(
                    report,
                    *run_first,
                    newest,
                    "they follow records that cannot be read: --past-holes applies them all the same",
                );
                break;
            }
            next = run_last.next();
        }
        if let Some((from, why)) = self.end
            && from >= first
        {
            let message = format!("records from {from} on: {why}");
            report.lost.push(Damage {
                lsn: Some(from),
                ..Damage::new(CheckPart::Log, message)
            });
        }
        report.lsn = last.max(report.applied_lsn);
        LogPlan {
            first,
            last,
            runs: self.runs.clone(),
        }
    }
}

fn lose(report: &mut SalvageReport, first: Lsn, last: Lsn, why: &str) {
    report.lost.push(Damage {
        lsn: Some(first),
        ..Damage::new(CheckPart::Log, format!("records {first} to {last}: {why}"))
    });
}

impl LogPlan {
    fn applies(&self, lsn: Lsn) -> bool {
        let at = self.runs.partition_point(|(_, last)| *last < lsn);
        let run = self.runs.get(at);
        self.first <= lsn && lsn <= self.last && run.is_some_and(|(first, _)| *first <= lsn)
    }

    /// Calls `work` with each change of every record that is applied, in order; says when the last of them was committed.
    pub(super) fn each_change(
        &self,
        vfs: &dyn Vfs,
        dir: &Path,
        work: &mut dyn FnMut(ChangeRef<'_>),
    ) -> Result<Option<i64>> {
        let mut newest_us = None;
        if self.first > self.last {
            return Ok(newest_us);
        }
        let mut decoder = RecordDecoder::default();
        tailwater_wal::survey(vfs, dir, &mut |piece| {
            // Their changes are worked with as they come: all of them are known to be right.
            if !self.applies(piece.lsn) {
                return;
            }
            if let Some(Ok(time_us)) = decoder.take(piece.at, piece.bytes, piece.is_last, work) {
                newest_us = newest_us.max(Some(time_us));
            }
        })
        .map_err(Error::of_log)?;
        Ok(newest_us)
    }
}
