//! The log: of an open database what its reader gives, of one that is closed all that lies in its files. A long record is
//! never in memory as a whole.

use std::path::Path;

use tailwater_proto::{DecodeError, Lsn};
use tailwater_wal::Piece;
use tailwater_wal::vfs::Vfs;

use super::record::RecordDecoder;
use super::report::{CheckPart, Damage, Findings};
use crate::engine::Engine;
use crate::error::{Error, Result};

const STEP: &str = "the log";
/// A record in parts that is longer is checked part by part.
const WHOLE_BYTES_MAX: usize = 1 << 20;

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
        let (mut decoder, mut at) = (RecordDecoder::default(), 0);
        while after < until {
            match reader.next_piece(WHOLE_BYTES_MAX) {
                Ok(Some((lsn, piece))) => {
                    let (bytes, is_last) = match &piece {
                        Piece::Record(record) => (&**record, true),
                        Piece::Part { bytes, is_last } => (&**bytes, *is_last),
                    };
                    let decoded = decoder.take(at, bytes, is_last, &mut |_| ());
                    at += bytes.len() as u64;
                    if let Some(decoded) = decoded {
                        (after, at) = (lsn, 0);
                        note_record(lsn, decoded, findings);
                    }
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

/// A record, and how long it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct LongRecord {
    pub(super) lsn: Lsn,
    pub(super) bytes: u64,
}

/// Reads all records that lie in the files of a log that nobody has open; returns the last one that is longer than
/// `bytes_max`.
pub(super) fn survey(
    vfs: &dyn Vfs,
    dir: &Path,
    bytes_max: u64,
    findings: &mut Findings<'_>,
) -> Result<Option<LongRecord>> {
    let mut decoder = RecordDecoder::default();
    let mut long = None;
    let survey = tailwater_wal::survey(vfs, dir, &mut |piece| {
        let decoded = decoder.take(piece.at, piece.bytes, piece.is_last, &mut |_| ());
        let bytes = piece.at + piece.bytes.len() as u64;
        if decoded.is_some() && bytes > bytes_max {
            let lsn = piece.lsn;
            long = Some(LongRecord { lsn, bytes });
        }
        if let Some(decoded) = decoded
            && let Some(damage) = note_record(piece.lsn, decoded, findings)
        {
            damage.file = Some(piece.file.to_owned());
            damage.offset = Some(piece.offset);
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
    Ok(long)
}

/// Counts a record that was decoded; returns the damage, if it is listed.
fn note_record<'f>(
    lsn: Lsn,
    decoded: std::result::Result<i64, DecodeError>,
    findings: &'f mut Findings<'_>,
) -> Option<&'f mut Damage> {
    findings.report.records += 1;
    findings.progress(STEP, findings.report.records);
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
