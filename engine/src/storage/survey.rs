//! A survey: every row of the storage file that can be read, one storage at a time, past whatever is damaged.
//!
//! redb goes no further behind a page that is not what it was. Then the rows are read from the other end, and from
//! places in between, until what is lost lies between two keys. It reads one checkpoint's state and mends nothing.
//! Next door: `scrub`, which stops at the first damage.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use tailwater_proto::{Key, StorageId};

use super::base::{Base, Table, decode_row};
use super::error::{Result, StorageError};
use super::memtable::bound;
use super::snapshot::Snapshot;

/// Places between keys that are tried in one storage, at most.
const PROBES_MAX: u32 = 4096;
/// How often a stretch is halved without finding a row.
const BARREN_MAX: u32 = 6;
const DEPTH_MAX: u32 = 64;

/// What a survey meets. Rows come in order as long as nothing is damaged.
#[derive(Debug)]
pub(crate) enum Surveyed {
    /// A row whose checksum is right.
    Row(Key, Arc<[u8]>),
    /// A row whose checksum is wrong.
    BadRow(Key),
    /// No row between these keys can be read; `None`: from the beginning, to the end.
    Lost {
        after: Option<Key>,
        before: Option<Key>,
        detail: String,
    },
}

impl Snapshot {
    /// The storages that have rows in the storage file.
    ///
    /// # Errors
    /// Damage or I/O.
    pub(crate) fn stored_storages(&self) -> Result<BTreeSet<StorageId>> {
        self.base()?.storages()
    }

    /// Reads what the storage file has of one storage; later changes are not in it.
    ///
    /// # Errors
    /// When the file is no longer the one the snapshot is of, or the system refuses a read. Damage is no error.
    pub(crate) fn survey(&self, id: StorageId, visit: &mut dyn FnMut(Surveyed)) -> Result<()> {
        let base = self.base()?;
        let opened = base.raw_table(id);
        let table = match opened {
            Ok(None) => return Ok(()),
            Ok(Some(table)) => table,
            Err(error) => {
                let detail = damage(error)?;
                visit(Surveyed::Lost {
                    after: None,
                    before: None,
                    detail,
                });
                return Ok(());
            }
        };
        let mut survey = Survey {
            base: &base,
            table,
            id,
            probes: 0,
            found: 0,
            lost: Vec::new(),
            visit,
        };
        survey.explore((None, None), true, 0, 0)?;
        survey.finish()
    }
}

/// What damage says of itself; anything else is an error here too.
fn damage(error: StorageError) -> Result<String> {
    match error {
        StorageError::Corrupted { detail, .. } => Ok(detail),
        StorageError::Redb(error) => Ok(error.to_string()),
        other => Err(other),
    }
}

/// An open stretch between two keys.
type Stretch = (Option<Key>, Option<Key>);

struct Survey<'s> {
    base: &'s Base,
    table: Table,
    id: StorageId,
    probes: u32,
    found: u64,
    lost: Vec<(Stretch, String)>,
    visit: &'s mut dyn FnMut(Surveyed),
}

/// How far one run through a stretch came.
struct Run {
    /// The last key read.
    last: Option<Key>,
    /// Why it did not come to the end.
    stopped: Option<String>,
}

impl Survey<'_> {
    /// Reads a stretch from both ends and, where they do not meet, from its middle.
    /// `after_open`: the lower key itself is not part of it.
    fn explore(
        &mut self,
        stretch: Stretch,
        after_open: bool,
        depth: u32,
        barren: u32,
    ) -> Result<()> {
        let (after, before) = stretch;
        let lo = match (&after, after_open) {
            (None, _) => Bound::Unbounded,
            (Some(key), true) => Bound::Excluded(key.clone()),
            (Some(key), false) => Bound::Included(key.clone()),
        };
        let hi = before.clone().map_or(Bound::Unbounded, Bound::Excluded);
        let forward = self.run(&lo, &hi, false)?;
        let Some(detail) = forward.stopped else {
            return Ok(());
        };
        let gained = forward.last.is_some();
        let after_open = after_open || gained;
        let after = forward.last.or(after);
        let lo = match (&after, after_open) {
            (None, _) => Bound::Unbounded,
            (Some(key), true) => Bound::Excluded(key.clone()),
            (Some(key), false) => Bound::Included(key.clone()),
        };
        let backward = self.run(&lo, &hi, true)?;
        if backward.stopped.is_none() {
            return Ok(());
        }
        let barren = match gained || backward.last.is_some() {
            true => 0,
            false => barren + 1,
        };
        let before = backward.last.or(before);
        self.probes += 1;
        let middle = (barren < BARREN_MAX && depth < DEPTH_MAX && self.probes < PROBES_MAX)
            .then(|| middle(after.as_ref(), before.as_ref()))
            .flatten();
        let Some(middle) = middle else {
            self.lost.push(((after, before), detail));
            return Ok(());
        };
        self.explore((after, Some(middle.clone())), after_open, depth + 1, barren)?;
        self.explore((Some(middle), before), false, depth + 1, barren)
    }

    /// Reads a stretch from one end until it ends or damage is met.
    fn run(&mut self, lo: &Bound<Key>, hi: &Bound<Key>, reverse: bool) -> Result<Run> {
        let mut run = Run {
            last: None,
            stopped: None,
        };
        let range = (bound(lo), bound(hi));
        let opened = self.base.guarded(|| self.table.range_owned::<&[u8]>(range));
        let mut rows = match opened {
            Ok(rows) => rows,
            Err(error) => {
                run.stopped = Some(damage(error)?);
                return Ok(run);
            }
        };
        loop {
            let read = self.base.guarded(|| {
                let row = if reverse {
                    rows.next_back()
                } else {
                    rows.next()
                };
                let row = row.transpose()?;
                Ok::<_, redb::StorageError>(
                    row.map(|(key, row)| (Key::from(key.value()), Arc::<[u8]>::from(row.value()))),
                )
            });
            let (key, row) = match read {
                Ok(None) => return Ok(run),
                Ok(Some(row)) => row,
                Err(error) => {
                    // The iterator of a damaged tree is not asked again, and not dropped through redb's own checks.
                    run.stopped = Some(damage(error)?);
                    return Ok(run);
                }
            };
            let within = range_holds(&range, &key);
            let ascends = run.last.as_ref().is_none_or(|last| match reverse {
                true => key < *last,
                false => key > *last,
            });
            if !within || !ascends {
                run.stopped = Some("keys are out of order".to_owned());
                return Ok(run);
            }
            self.found += 1;
            run.last = Some(key.clone());
            (self.visit)(match decode_row(self.id, &key, &row) {
                Ok(value) => Surveyed::Row(key, value),
                Err(_) => Surveyed::BadRow(key),
            });
        }
    }

    /// Tells what is lost, neighbouring stretches as one, and whether the table counts what was found.
    fn finish(mut self) -> Result<()> {
        let mut lost: Vec<(Stretch, String)> = Vec::new();
        for ((after, before), detail) in std::mem::take(&mut self.lost) {
            match lost.last_mut() {
                Some(((_, end), _)) if end.is_some() && *end == after => *end = before,
                _ => lost.push(((after, before), detail)),
            }
        }
        if lost.is_empty() {
            let counted = match self
                .base
                .guarded(|| redb::ReadableTableMetadata::len(&self.table))
            {
                Ok(counted) => counted,
                Err(error) => {
                    damage(error)?;
                    self.found
                }
            };
            if counted != self.found {
                let detail = format!("the table counts {counted} rows and has {}", self.found);
                lost.push(((None, None), detail));
            }
        }
        for ((after, before), detail) in lost {
            (self.visit)(Surveyed::Lost {
                after,
                before,
                detail,
            });
        }
        Ok(())
    }
}

fn range_holds((lo, hi): &(Bound<&[u8]>, Bound<&[u8]>), key: &Key) -> bool {
    let key: &[u8] = key;
    let above = match lo {
        Bound::Unbounded => true,
        Bound::Included(lo) => key >= *lo,
        Bound::Excluded(lo) => key > *lo,
    };
    above
        && match hi {
            Bound::Unbounded => true,
            Bound::Included(hi) => key <= *hi,
            Bound::Excluded(hi) => key < *hi,
        }
}

/// A key about half way between two, if there is one: bytes as digits of a fraction.
fn middle(after: Option<&Key>, before: Option<&Key>) -> Option<Key> {
    let digits = after
        .map_or(0, |key| key.len())
        .max(before.map_or(0, |key| key.len()))
        + 1;
    let low = |at: usize| after.and_then(|key| key.get(at).copied()).unwrap_or(0);
    let high = |at: usize| match before {
        None => u8::MAX,
        Some(key) => key.get(at).copied().unwrap_or(0),
    };
    let mut sum = vec![0_u16; digits + 1];
    let mut carry = 0;
    for at in (0..digits).rev() {
        let digit = u16::from(low(at)) + u16::from(high(at)) + carry;
        carry = digit >> 8;
        *sum.get_mut(at + 1)? = digit & 0xff;
    }
    *sum.get_mut(0)? = carry;
    let mut rest = 0;
    let mut half = Vec::with_capacity(digits);
    for (at, digit) in sum.iter().enumerate() {
        let value = (rest << 8) | digit;
        rest = value & 1;
        if at > 0 {
            half.push(u8::try_from(value >> 1).ok()?);
        }
    }
    // No longer than it must be, so that halving again stays cheap.
    while half.len() > 1 && half.last() == Some(&0) {
        half.pop();
    }
    let half = Key::from(half.as_slice());
    let inside = after.is_none_or(|key| half > *key) && before.is_none_or(|key| half < *key);
    inside.then_some(half)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_lies_between() {
        let key = |bytes: &[u8]| Key::from(bytes);
        for (a, b) in [
            (None, None),
            (Some(key(b"a")), None),
            (None, Some(key(b"a"))),
            (Some(key(b"a")), Some(key(b"b"))),
            (Some(key(b"abc")), Some(key(b"abd"))),
            (Some(key(&[1, 255, 255])), Some(key(&[2]))),
            (Some(key(&[])), Some(key(&[0, 0, 1]))),
        ] {
            let half = middle(a.as_ref(), b.as_ref()).unwrap();
            assert!(
                a.is_none_or(|a| a < half) && b.is_none_or(|b| half < b),
                "{half:?}"
            );
        }
        assert_eq!(middle(Some(&key(&[5])), Some(&key(&[5, 0]))), None);
    }
}
