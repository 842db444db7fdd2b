//! `Spill`: the staged rows of a write set that went to a scratch file, and the way back to marks from before they went.
//!
//! What is in memory hides what is here. A row here is as it was when it was staged first and as it is now; one that is as
//! if it never had been staged is taken out. Next door: `write_set`, which owns it; `storage::scratch`, the file.

use std::sync::Arc;

use tailwater_proto::{Direction, Key, KeyRange, StorageId};

use super::write_set::{Staged, StagedStorage, Undo};
use crate::storage::{Result, Scratch, ScratchCursor, ScratchRoom, ScratchView, StorageError};

/// Notes that are taken back at a time.
const NOTES_AT_A_TIME: u64 = 4096;

/// Staged rows in a scratch file. A clone sees what there is now.
#[derive(Clone, Debug)]
pub(super) struct Spill {
    // Before the file, so that it goes first.
    view: Arc<ScratchView>,
    scratch: Arc<Scratch>,
    /// Steps back that are in the file.
    notes: u64,
    /// Rows and bytes that went there, at least.
    rows: u64,
    bytes: u64,
}

impl Spill {
    /// Nothing yet.
    pub(super) fn new(room: &ScratchRoom) -> Result<Self> {
        let scratch = room.make()?;
        let view = scratch.write(|_| Ok(()))?;
        Ok(Self {
            view: Arc::new(view),
            scratch: Arc::new(scratch),
            notes: 0,
            rows: 0,
            bytes: 0,
        })
    }

    /// Takes in all rows and steps back. After an error it is as it was.
    pub(super) fn take_in(
        &mut self,
        storages: &mut [(StorageId, StagedStorage)],
        undo: Option<&mut Vec<Undo>>,
    ) -> Result<()> {
        let mut bytes = 0;
        let steps: &[Undo] = undo.as_deref().map_or(&[], Vec::as_slice);
        let view = self.scratch.write(|writer| {
            for (id, staged) in &*storages {
                if staged.rows.is_empty() {
                    continue;
                }
                let rows = staged.rows.iter().map(|(key, row)| {
                    let image = (!row.is_absent()).then(|| encode(row));
                    bytes += (key.len() + image.as_ref().map_or(0, Vec::len)) as u64;
                    (key, image)
                });
                writer.rows(*id, rows)?;
            }
            if !steps.is_empty() {
                writer.push_notes(self.notes, steps.iter().map(encode_step))?;
            }
            Ok(())
        })?;
        self.view = Arc::new(view);
        self.bytes += bytes;
        if let Some(undo) = undo {
            self.notes += undo.len() as u64;
            *undo = Vec::new();
        }
        for (_, staged) in storages {
            self.rows += staged.rows.len() as u64;
            staged.rows.clear();
        }
        Ok(())
    }

    /// The row of a key, if it is here.
    pub(super) fn get(&self, storage: StorageId, key: &Key) -> Result<Option<Staged>> {
        self.view.get(storage, key, decode)?.transpose()
    }

    pub(super) fn touches(&self, storage: StorageId) -> bool {
        self.view.touches(storage)
    }

    pub(super) fn range(
        &self,
        storage: StorageId,
        range: &KeyRange,
        direction: Direction,
    ) -> Result<SpillCursor> {
        Ok(SpillCursor(self.view.range(storage, range, direction)?))
    }

    /// Rows and bytes that went there, those that went several times too.
    pub(super) fn size(&self) -> (u64, u64) {
        (self.rows, self.bytes)
    }

    /// How many steps back there are.
    pub(super) fn notes(&self) -> u64 {
        self.notes
    }

    /// Nobody goes back any more.
    pub(super) fn forget_notes(&mut self) {
        self.notes = 0;
    }

    /// The last steps back, the last first, as many as go at a time, those before number `from` left out.
    pub(super) fn pop_notes(&mut self, from: u64) -> Result<Vec<Undo>> {
        let from = from.max(self.notes.saturating_sub(NOTES_AT_A_TIME));
        let steps = self.view.notes(from, self.notes, decode_step)?;
        self.notes = from;
        steps.into_iter().collect()
    }
}

/// Reads a range of spilled rows.
pub(super) struct SpillCursor(ScratchCursor);

impl SpillCursor {
    pub(super) fn next(&mut self) -> Result<Option<(Key, Staged)>> {
        let next = self.0.next(decode)?;
        next.map(|(key, row)| Ok((key, row?))).transpose()
    }
}

/// Bits of the first byte of a row.
const HAS_BEFORE: u8 = 1;
const HAS_AFTER: u8 = 2;

fn encode(row: &Staged) -> Vec<u8> {
    let mut out = Vec::new();
    put_row(&mut out, row);
    out
}

fn put_row(out: &mut Vec<u8>, row: &Staged) {
    let Staged { before, after } = row;
    let flag = |image: &Option<Arc<[u8]>>, flag| if image.is_some() { flag } else { 0 };
    out.push(flag(before, HAS_BEFORE) | flag(after, HAS_AFTER));
    if let Some(before) = before {
        out.extend_from_slice(&(before.len() as u64).to_le_bytes());
        out.extend_from_slice(before);
    }
    if let Some(after) = after {
        out.extend_from_slice(after);
    }
}

fn decode(bytes: &[u8]) -> Result<Staged> {
    read_row(bytes).ok_or_else(damaged)
}

fn read_row(bytes: &[u8]) -> Option<Staged> {
    let (flags, rest) = bytes.split_first()?;
    let (before, rest) = match flags & HAS_BEFORE {
        0 => (None, rest),
        _ => {
            let (before, rest) = split_counted(rest)?;
            (Some(Arc::from(before)), rest)
        }
    };
    let after = (flags & HAS_AFTER != 0).then(|| Arc::from(rest));
    Some(Staged { before, after })
}

fn split_counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk::<8>()?;
    rest.split_at_checked(usize::try_from(u64::from_le_bytes(*len)).ok()?)
}

/// Storage, key, and the row there was, if there was one.
fn encode_step(step: &Undo) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend_from_slice(&step.storage.0.to_le_bytes());
    out.extend_from_slice(&(step.key.len() as u64).to_le_bytes());
    out.extend_from_slice(&step.key);
    if let Some(previous) = &step.previous {
        put_row(&mut out, previous);
    }
    out
}

fn decode_step(bytes: &[u8]) -> Result<Undo> {
    let read = || {
        let (storage, rest) = bytes.split_first_chunk::<4>()?;
        let (key, rest) = split_counted(rest)?;
        let previous = match rest {
            [] => None,
            row => Some(read_row(row)?),
        };
        Some(Undo {
            storage: StorageId(u32::from_le_bytes(*storage)),
            key: Key::from(key),
            previous,
        })
    };
    read().ok_or_else(damaged)
}

fn damaged() -> StorageError {
    StorageError::Corrupted {
        storage: None,
        key: None,
        detail: "a row in a scratch file is not what was written".to_owned(),
    }
}
