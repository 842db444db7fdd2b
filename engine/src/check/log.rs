//! The log: of an open database what its reader gives, of one that is closed all that lies in its files.

use std::path::Path;

use tailwater_proto::Lsn;
use tailwater_proto::record_codec::{RecordView, Section};
use tailwater_wal::vfs::Vfs;

use super::report::{CheckPart, Damage, Findings};
use crate::engine::Engine;
use crate::error::{Error, Result};

const STEP: &str = "the log";

/// Reads all retained records of an open log up to now.
pub(super) fn check(engine: &Engine, findings: &mut Findings<'_>) -> Result<()> {
    let until = engine.wal.readable_lsn();
    let mut after = Lsn(engine.wal.first_retained_lsn().0.saturating_sub(1));
    let mut last_place = None;
    'reader: while after < until {
        let mut reader = match engine.wal.reader(after) {
            Ok(reader) => reader,
            // Retention has gone on.
            Err(tailwater_wal::Error::Released { oldest }) if oldest > after.next() => {
                after = Lsn(oldest.0 - 1);
                continue;
            }
            Err(error) => return Err(Error::of_log(error)),
        };
        while after < until {
            match reader.next() {
                Ok(Some((lsn, payload))) => {
                    after = lsn;
                    check_record(lsn, &payload, findings);
                }
                Ok(None) => return Ok(()),
                Err(tailwater_wal::Error::Released { oldest }) if oldest > after.next() => {
                    after = Lsn(oldest.0 - 1);
                    continue 'reader;
                }
                Err(tailwater_wal::Error::Damaged {
                    file,
                    offset,
                    lsn,
                    reason,
                }) => {
                    let place = Some((file.clone(), offset));
                    if place == last_place {
                        findings.note(format!(
                            "the log was not read further than {}, byte {offset}: check it while it is closed",
                            file.display()
                        ));
                        return Ok(());
                    }
                    last_place = place;
                    findings.damage(Damage {
                        lsn: Some(lsn),
                        file: Some(file),
                        offset: Some(offset),
                        ..Damage::new(CheckPart::Log, reason)
                    });
                    after = lsn;
                    continue 'reader;
                }
                Err(error) => return Err(Error::of_log(error)),
            }
        }
    }
    Ok(())
}

/// Reads all records that lie in the files of a log that nobody has open.
pub(super) fn survey(vfs: &dyn Vfs, dir: &Path, findings: &mut Findings<'_>) -> Result<()> {
    let survey = tailwater_wal::survey(vfs, dir, &mut |record| {
        if let Some(damage) = check_record(record.lsn, record.payload, findings) {
            damage.file = Some(record.file.to_owned());
            damage.offset = Some(record.offset);
        }
    })
    .map_err(Error::of_log)?;
    for fault in survey.faults {
        let message = match fault.missing {
            Some((first, last)) if first < last => {
                format!("{}: lsn {first} to {last}", fault.reason)
            }
            _ => fault.reason.to_owned(),
        };
        findings.damage(Damage {
            lsn: Some(fault.lsn),
            file: Some(fault.file),
            offset: Some(fault.offset),
            ..Damage::new(CheckPart::Log, message)
        });
    }
    if let Some(tail) = survey.tail {
        findings.note(format!(
            "the log ends with records that were never acknowledged, from lsn {} at {}, byte {}: opening cuts them off",
            tail.lsn,
            tail.file.display(),
            tail.offset
        ));
    }
    Ok(())
}

/// Decodes a record and each change in it; returns the damage, if it is listed.
fn check_record<'f>(
    lsn: Lsn,
    payload: &[u8],
    findings: &'f mut Findings<'_>,
) -> Option<&'f mut Damage> {
    findings.report.records += 1;
    findings.progress(STEP, findings.report.records);
    let decoded = RecordView::decode(payload).and_then(|record| {
        for section in [Section::Base, Section::Derived, Section::State] {
            record
                .changes(section)
                .try_for_each(|change| change.map(drop))?;
        }
        Ok(())
    });
    let error = decoded.err()?;
    let listed = findings.report.damages.len();
    findings.damage(Damage {
        lsn: Some(lsn),
        ..Damage::new(
            CheckPart::Log,
            format!("the record does not decode: {error}"),
        )
    });
    findings.report.damages.get_mut(listed)
}
