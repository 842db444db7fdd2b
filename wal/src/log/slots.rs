//! Named slots: how far readers have come that may be away for a while, so that the log keeps what follows.
//!
//! They lie in one small file, written anew and renamed whenever that must be: when a slot is made or dropped, and before
//! segments go on the strength of a position. A crash may set a position back, never forward, and never loses a slot. A slot
//! whose next record is gone is lost; that is not kept anywhere, it shows. Next door: `retention`, which asks.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tailwater_proto::Lsn;

use super::pool::now_unix_ms;
use super::writer::Log;
use crate::error::{Error, Result};
use crate::settings::SyncMode;
use crate::sync::Mutex;
use crate::vfs::{OpenMode, Vfs};

const FILE: &str = "slots";
/// The file before it is renamed.
const NEW_FILE: &str = "slots.new";
const MAGIC: [u8; 8] = *b"TWSLOT\r\n";
const VERSION: u32 = 1;
const NAME_BYTES_MAX: usize = 63;

/// A slot as it stands.
///
/// ```
/// use std::{path::Path, sync::Arc};
/// use tailwater_wal::{Lsn, Settings, Slot, SlotState, Wal, vfs::MemoryVfs};
///
/// let hook = Box::new(|_| ());
/// let wal = Wal::create(Arc::new(MemoryVfs::new()), Path::new("log"), [7; 16], Settings::default(), hook)?;
/// wal.slot("search")?;
/// wal.append(Lsn(1), b"hello".as_slice().into())?;
/// wal.flush()?;
/// let Slot { name, lsn, state, .. } = &wal.slots()[0];
/// assert_eq!((name.as_str(), *lsn, *state), ("search", Lsn(0), SlotState::Active));
/// let mut reader = wal.reader(*lsn)?; // whenever that is
/// assert_eq!(reader.next()?.unwrap().0, Lsn(1));
/// assert_eq!(wal.advance_slot("search", Lsn(1))?.lsn, Lsn(1));
/// # Ok::<(), tailwater_wal::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Its name.
    pub name: String,
    /// Records up to this one are not needed any more.
    pub lsn: Lsn,
    /// Whether the records after it can still be read.
    pub state: SlotState,
    /// When it was made or moved last, in ms since 1970.
    pub advanced_unix_ms: u64,
    /// Bytes of the segments with records after it.
    pub held_bytes: u64,
}

/// Whether a slot still is one.
///
/// ```
/// use tailwater_wal::SlotState;
///
/// assert_eq!(SlotState::Lost.name(), "lost");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotState {
    /// The records after it are kept.
    Active,
    /// It held back more than the settings allow, and records after it are gone: its reader starts from a snapshot, and
    /// advances it to there.
    Lost,
}

impl SlotState {
    /// Its name.
    ///
    /// ```
    /// assert_eq!(tailwater_wal::SlotState::Active.name(), "active");
    /// ```
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Lost => "lost",
        }
    }
}

/// The slots of a log.
#[derive(Debug)]
pub(crate) struct Slots {
    vfs: Arc<dyn Vfs>,
    dir: PathBuf,
    table: Mutex<Table>,
}

#[derive(Clone, Debug, Default)]
struct Table {
    positions: BTreeMap<String, Position>,
    /// The file does not say this yet.
    is_dirty: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Position {
    lsn: Lsn,
    /// What the file says.
    saved: Lsn,
    advanced_unix_ms: u64,
}

impl Slots {
    /// Reads the slots of a log that ends at `last`.
    pub(crate) fn load(vfs: Arc<dyn Vfs>, dir: &Path) -> Result<Self> {
        let path = dir.join(FILE);
        let bytes = read(vfs.as_ref(), &path).map_err(|e| Error::io("read", &path, e))?;
        let positions = match bytes {
            Some(bytes) => decode(&bytes).ok_or(Error::DamagedSlots { file: path })?,
            None => BTreeMap::new(),
        };
        Ok(Self {
            vfs,
            dir: dir.to_owned(),
            table: Mutex::new(Table {
                positions,
                is_dirty: false,
            }),
        })
    }

    /// Takes back positions behind the end of the log: what was there is gone, and its numbers will be used again.
    pub(crate) fn clamp(&self, last: Lsn) {
        let mut table = self.table.lock();
        let mut is_dirty = table.is_dirty;
        for position in table.positions.values_mut() {
            is_dirty |= position.lsn > last;
            position.lsn = position.lsn.min(last);
            position.saved = position.saved.min(last);
        }
        table.is_dirty = is_dirty;
    }

    /// Writes the positions down. Those of the file count for [`floor`](Self::floor) if that fails.
    pub(crate) fn save(&self) -> Result<()> {
        let mut table = self.table.lock();
        if table.is_dirty {
            self.write(&mut table)?;
        }
        Ok(())
    }

    /// The lowest position of a slot that is not lost, as far as a crash would find it. `oldest` can still be read.
    pub(crate) fn floor(&self, oldest: Lsn) -> Option<Lsn> {
        let table = self.table.lock();
        let saved = table.positions.values().map(|position| position.saved);
        saved.filter(|lsn| lsn.next() >= oldest).min()
    }

    fn write(&self, table: &mut Table) -> Result<()> {
        let (new, path) = (self.dir.join(NEW_FILE), self.dir.join(FILE));
        let bytes = encode(&table.positions);
        let written = self.vfs.open(&new, OpenMode::Create).and_then(|file| {
            file.set_len(bytes.len() as u64)?;
            file.write_all_at(&bytes, 0)?;
            file.sync_data()?;
            self.vfs.rename(&new, &path)?;
            self.vfs.sync_dir(&self.dir)
        });
        written.map_err(|e| Error::io("write", &path, e))?;
        table.is_dirty = false;
        for position in table.positions.values_mut() {
            position.saved = position.lsn;
        }
        Ok(())
    }

    /// Changes the table and the file, or neither.
    fn change(&self, table: &mut Table, change: impl FnOnce(&mut Table)) -> Result<()> {
        let mut changed = table.clone();
        change(&mut changed);
        self.write(&mut changed)?;
        *table = changed;
        Ok(())
    }
}

impl Log {
    /// The slot of that name, made at what is durable now if there is none.
    pub(crate) fn slot(&self, name: &str) -> Result<Slot> {
        self.lock_queue().check()?;
        if !is_name(name) {
            return Err(Error::SlotName {
                name: name.to_owned(),
            });
        }
        let mut table = self.slots.table.lock();
        if !table.positions.contains_key(name) {
            // Under the lock: nothing after it is released before the slot is there. Acknowledged, so that a snapshot
            // taken afterwards is not of an earlier state.
            let lsn = match self.settings.sync {
                SyncMode::Commit => self.acknowledged(),
                SyncMode::Interval(_) | SyncMode::Off => self.durable_lsn(),
            };
            let position = Position {
                lsn,
                saved: lsn,
                advanced_unix_ms: now_unix_ms(),
            };
            self.slots.change(&mut table, |table| {
                table.positions.insert(name.to_owned(), position);
            })?;
        }
        drop(table);
        self.find_slot(name)
    }

    /// Moves a slot onwards, at most to what is durable.
    pub(crate) fn advance_slot(&self, name: &str, lsn: Lsn) -> Result<Slot> {
        self.lock_queue().check()?;
        let oldest = self.first_retained_lsn();
        let mut table = self.slots.table.lock();
        let Some(position) = table.positions.get_mut(name) else {
            return Err(Error::UnknownSlot {
                name: name.to_owned(),
            });
        };
        let was_lost = position.saved.next() < oldest;
        let lsn = lsn.min(self.durable_lsn());
        if lsn > position.lsn {
            position.lsn = lsn;
            position.advanced_unix_ms = now_unix_ms();
            table.is_dirty = true;
            if was_lost {
                self.slots.write(&mut table)?;
            }
        }
        drop(table);
        self.find_slot(name)
    }

    /// Removes a slot; says whether there was one.
    pub(crate) fn drop_slot(&self, name: &str) -> Result<bool> {
        self.lock_queue().check()?;
        let mut table = self.slots.table.lock();
        if !table.positions.contains_key(name) {
            return Ok(false);
        }
        self.slots.change(&mut table, |table| {
            table.positions.remove(name);
        })?;
        Ok(true)
    }

    pub(crate) fn list_slots(&self) -> Vec<Slot> {
        let table = self.slots.table.lock().positions.clone();
        let oldest = self.first_retained_lsn();
        let segments: Vec<_> = self.segments.read().iter().map(Arc::clone).collect();
        let held = |lsn| {
            let holds = |last: Option<Lsn>| last.is_some_and(|last| last > lsn);
            let held = segments.iter().filter(|segment| holds(segment.last_lsn()));
            held.map(|segment| segment.end()).sum()
        };
        table
            .into_iter()
            .map(|(name, position)| Slot {
                name,
                lsn: position.lsn,
                state: if position.lsn.next() >= oldest {
                    SlotState::Active
                } else {
                    SlotState::Lost
                },
                advanced_unix_ms: position.advanced_unix_ms,
                held_bytes: held(position.lsn),
            })
            .collect()
    }

    fn find_slot(&self, name: &str) -> Result<Slot> {
        let mut slots = self.list_slots().into_iter();
        slots
            .find(|slot| slot.name == name)
            .ok_or_else(|| Error::UnknownSlot {
                name: name.to_owned(),
            })
    }
}

fn read(vfs: &dyn Vfs, path: &Path) -> io::Result<Option<Vec<u8>>> {
    if !vfs.exists(path)? {
        return Ok(None);
    }
    let file = vfs.open(path, OpenMode::Read)?;
    let len = usize::try_from(file.len()?).map_err(io::Error::other)?;
    let mut bytes = vec![0; len];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(Some(bytes))
}

fn encode(positions: &BTreeMap<String, Position>) -> Vec<u8> {
    let mut out = Vec::from(MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&(positions.len() as u32).to_le_bytes());
    for (name, position) in positions {
        out.extend_from_slice(&position.lsn.0.to_le_bytes());
        out.extend_from_slice(&position.advanced_unix_ms.to_le_bytes());
        out.extend_from_slice(&(name.len() as u16).to_le_bytes());
        out.extend_from_slice(name.as_bytes());
    }
    let crc = crate::checksum(&out);
    out.extend_from_slice(&crc.to_le_bytes());
    out
}

fn is_name(name: &str) -> bool {
    let is_part = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'_' | b'-');
    (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(is_part)
}

/// The slots of a directory as its file has them.
pub(crate) enum Listed {
    /// There is no such file.
    None,
    /// The file is none.
    Unreadable {
        /// Bytes of it.
        bytes: u64,
    },
    /// By name: up to which record each needs nothing, and since when, in ms since 1970.
    Slots(Vec<(String, Lsn, u64)>),
}

/// Reads the file of slots without opening the log.
pub(crate) fn listed(vfs: &dyn Vfs, dir: &Path) -> Result<Listed> {
    let path = dir.join(FILE);
    let Some(bytes) = read(vfs, &path).map_err(|e| Error::io("read", &path, e))? else {
        return Ok(Listed::None);
    };
    let names = |positions: &BTreeMap<String, Position>| positions.keys().all(|name| is_name(name));
    let Some(positions) = decode(&bytes).filter(names) else {
        let bytes = bytes.len() as u64;
        return Ok(Listed::Unreadable { bytes });
    };
    let slot =
        |(name, position): (String, Position)| (name, position.lsn, position.advanced_unix_ms);
    Ok(Listed::Slots(positions.into_iter().map(slot).collect()))
}

fn decode(bytes: &[u8]) -> Option<BTreeMap<String, Position>> {
    let (body, crc) = bytes.split_last_chunk()?;
    let body = body.strip_prefix(&MAGIC)?;
    let (version, body) = body.split_first_chunk()?;
    let (count, mut rest) = body.split_first_chunk()?;
    let whole = bytes.get(..bytes.len() - 4)?;
    if crate::checksum(whole) != u32::from_le_bytes(*crc) || *version != VERSION.to_le_bytes() {
        return None;
    }
    let mut positions: BTreeMap<String, Position> = BTreeMap::new();
    for _ in 0..u32::from_le_bytes(*count) {
        let (lsn, tail) = rest.split_first_chunk()?;
        let (time, tail) = tail.split_first_chunk()?;
        let (len, tail) = tail.split_first_chunk()?;
        let (name, tail) = tail.split_at_checked(u16::from_le_bytes(*len).into())?;
        let lsn = Lsn(u64::from_le_bytes(*lsn));
        let position = Position {
            lsn,
            saved: lsn,
            advanced_unix_ms: u64::from_le_bytes(*time),
        };
        // Numbers count on from it.
        let is_possible = lsn < Lsn::MAX;
        is_possible.then_some(())?;
        let ascends = positions
            .last_key_value()
            .is_none_or(|(before, _)| before.as_bytes() < name);
        ascends.then_some(())?;
        positions.insert(std::str::from_utf8(name).ok()?.to_owned(), position);
        rest = tail;
    }
    rest.is_empty().then_some(positions)
}
