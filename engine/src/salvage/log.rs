//! The log of a damaged database: which of its records can be read, and which of those may be applied.
//!
//! Records are applied in one run without gaps, so that what they make is a state there was. If the storage file is
//! damaged the run begins as early as it can: applying a record again changes nothing, and brings back what the file
//! has lost.

use std::path::Path;

use tailwater_proto::Lsn;
use tailwater_proto::record_codec::{ChangeRef, RecordView, Section};
use tailwater_wal::vfs::Vfs;

use super::report::{SalvageOptions, SalvageReport};
use crate::check::{CheckPart, Damage};
use crate::error::{Error, Result};

const SECTIONS: [Section; 3] = [Section::Base, Section::Derived, Section::State];

/// Runs of records that can be read and decoded, each without gaps, ascending.
pub(super) struct LogRuns {
    runs: Vec<(Lsn, Lsn)>,
    /// Where records are gone behind the last run, and why.
    end: Option<(Lsn, &'static str)>,
}

/// Which records are applied.
#[derive(Clone, Copy, Debug)]
pub(super) struct LogPlan {
    /// First and last; nothing if the first is greater.
    first: Lsn,
    last: Lsn,
}

fn decodes(payload: &[u8]) -> bool {
    RecordView::decode(payload).is_ok_and(|record| {
        SECTIONS
            .iter()
            .all(|section| record.changes(*section).all(|change| change.is_ok()))
    })
}

impl LogRuns {
    /// Reads all of the log.
    pub(super) fn read(vfs: &dyn Vfs, dir: &Path, report: &mut SalvageReport) -> Result<Self> {
        let mut runs: Vec<(Lsn, Lsn)> = Vec::new();
        if !vfs.exists(dir).unwrap_or(false) {
            return Ok(Self { runs, end: None });
        }
        let survey = tailwater_wal::survey(vfs, dir, &mut |record| {
            if !decodes(record.payload) {
                return;
            }
            match runs.last_mut() {
                Some((_, last)) if last.next() == record.lsn => *last = record.lsn,
                _ => runs.push((record.lsn, record.lsn)),
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
        LogPlan { first, last }
    }
}

fn lose(report: &mut SalvageReport, first: Lsn, last: Lsn, why: &str) {
    report.lost.push(Damage {
        lsn: Some(first),
        ..Damage::new(CheckPart::Log, format!("records {first} to {last}: {why}"))
    });
}

impl LogPlan {
    /// Calls `work` with the commit time and each change of every record that is applied, in order.
    pub(super) fn each_change(
        &self,
        vfs: &dyn Vfs,
        dir: &Path,
        work: &mut dyn FnMut(i64, ChangeRef<'_>),
    ) -> Result<()> {
        if self.first > self.last {
            return Ok(());
        }
        tailwater_wal::survey(vfs, dir, &mut |record| {
            if record.lsn < self.first || record.lsn > self.last || !decodes(record.payload) {
                return;
            }
            let Ok(record) = RecordView::decode(record.payload) else {
                return;
            };
            for section in SECTIONS {
                for change in record.changes(section).flatten() {
                    work(record.commit_time_us(), change);
                }
            }
        })
        .map_err(Error::of_log)?;
        Ok(())
    }
}
