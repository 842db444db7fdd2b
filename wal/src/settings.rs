//! What can be set about the log: plain data with documented defaults.
//!
//! Nothing here reads the environment or opens a file. Next door: `log`, which is built from it.

use std::sync::Arc;
use std::time::Duration;

use crate::spawn::{Spawn, Threads};

/// When a commit is told that it is done.
///
/// ```
/// use std::time::Duration;
/// use tailwater_wal::{Settings, SyncMode};
///
/// assert_eq!(Settings::default().sync, SyncMode::Commit);
/// let may_lose_the_last_second = SyncMode::Interval(Duration::from_secs(1));
/// assert_ne!(may_lose_the_last_second, SyncMode::Off); // which may lose what the system has not written yet
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SyncMode {
    /// Once its record is written and synced. Nothing acknowledged is ever lost.
    #[default]
    Commit,
    /// At once; records are written and synced this often. A crash may take the last ones back.
    Interval(Duration),
    /// At once; records are written soon and synced when the system likes (and when a segment is full).
    Off,
}

/// Who does the work that no caller waits for.
///
/// ```
/// use std::sync::Arc;
/// use tailwater_wal::spawn::Stepped;
/// use tailwater_wal::{Background, Settings};
///
/// let scheduler = Stepped::default();
/// let background = Background::Spawn(Arc::new(scheduler.clone()));
/// let simulated = Settings { background, seed: Some(7), ..Settings::default() };
/// assert_ne!(simulated.background, Background::default()); // no thread that a seed does not govern
/// ```
#[derive(Clone, Debug, Default)]
pub enum Background {
    /// Two threads of the log: one prepares segments, one flushes for futures, intervals and idle moments.
    #[default]
    Threads,
    /// Nobody: segments are prepared when they are needed, a polled [`Ticket`](crate::Ticket) flushes by
    /// itself, an interval needs calls of [`Wal::flush`](crate::Wal::flush). For deterministic tests.
    Caller,
    /// The same two tasks, run by this.
    Spawn(Arc<dyn Spawn>),
}

impl Background {
    /// What runs tasks; `None` if nobody does.
    ///
    /// ```
    /// use tailwater_wal::Background;
    ///
    /// assert!(Background::Threads.spawn().is_some() && Background::Caller.spawn().is_none());
    /// ```
    #[must_use]
    pub fn spawn(&self) -> Option<&dyn Spawn> {
        match self {
            Self::Threads => Some(&Threads),
            Self::Caller => None,
            Self::Spawn(spawn) => Some(&**spawn),
        }
    }
}

impl PartialEq for Background {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Threads, Self::Threads) | (Self::Caller, Self::Caller) => true,
            (Self::Spawn(this), Self::Spawn(other)) => Arc::ptr_eq(this, other),
            (Self::Threads | Self::Caller | Self::Spawn(_), _) => false,
        }
    }
}

impl Eq for Background {}

/// Settings of the log.
///
/// ```
/// use std::time::Duration;
/// use tailwater_wal::Settings;
///
/// let week = Settings {
///     retain_bytes_max: 10 << 30,
///     retain_bytes_min: 10 << 30,
///     retain_age: Duration::from_secs(7 * 24 * 3600),
///     ..Settings::default()
/// };
/// assert_eq!(week.segment_bytes % 4096, 0); // for subscribers that come back only after days
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Bytes of a segment file, header included; a multiple of 4 KiB. A larger group gets a larger file. Where segments
    /// are prepared in the background, those of a log that is written little are smaller, from 1 MiB on.
    /// Default 16 MiB.
    pub segment_bytes: u64,
    /// When a commit is told that it is done. Default `Commit`.
    pub sync: SyncMode,
    /// Released segments are kept for the feed up to this many bytes of files, and not more of them than an eighth of the
    /// [database's size](crate::Wal::note_size). Default 256 MiB.
    pub retain_bytes_max: u64,
    /// So many bytes are kept for the feed however small the database is, as far as `retain_bytes_max` allows. Both at
    /// once: exactly so many. Default 16 MiB.
    pub retain_bytes_min: u64,
    /// Released segments are kept for the feed up to this age. Default 24 h.
    pub retain_age: Duration,
    /// A [slot](crate::Slot) holds segments back until there are so many bytes of them. Default 1 GiB.
    pub slot_bytes_max: u64,
    /// A [slot](crate::Slot) holds a segment back up to this age. Default 24 h.
    pub slot_age: Duration,
    /// Bytes of a file that is given up on a full disk, for commits that delete, a checkpoint or an opening. It is made
    /// once the log grows and the disk has plenty of room; 0 for none. Default 16 MiB.
    pub reserve_bytes: u64,
    /// Prepared files that are held beside the next segment. Default 1.
    pub spare_segments: usize,
    /// Bytes that may wait in the buffer before an append writes them out itself. Default 8 MiB.
    pub group_bytes_max: usize,
    /// A longer payload is written in parts of so many bytes, each with a checksum of its own, for one of 32 bits is weak
    /// over megabytes, and so that the log holds no second copy of it. At least 4 KiB. Default 256 KiB.
    pub chunk_bytes: usize,
    /// Quiet time after which a NOOP confirms the newest records. Default 1 s.
    pub confirm_after: Duration,
    /// Name of the payloads' encoding, written into each frame; frames with a higher one are refused.
    /// Default 1.
    pub payload_codec: u8,
    /// Seed of the segments' salts; `None` takes randomness from the system. Default `None`.
    pub seed: Option<u64>,
    /// Who does the work that no caller waits for. Default `Threads`.
    pub background: Background,
    /// How sealed segments are read. Default `Mapped`.
    pub sealed_reads: SealedReads,
    /// Bytes that a reader of the log copies at once. Default 64 KiB.
    pub read_window_bytes: usize,
}

/// How sealed segments are read.
///
/// ```
/// use tailwater_wal::{SealedReads, Settings};
///
/// let without_maps = Settings { sealed_reads: SealedReads::Positioned, ..Settings::default() };
/// assert_ne!(without_maps, Settings::default());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SealedReads {
    /// Through a memory map where the file system has one.
    #[default]
    Mapped,
    /// With positioned reads.
    Positioned,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            segment_bytes: 16 << 20,
            sync: SyncMode::Commit,
            retain_bytes_max: 256 << 20,
            retain_bytes_min: 16 << 20,
            retain_age: Duration::from_secs(24 * 60 * 60),
            slot_bytes_max: 1 << 30,
            slot_age: Duration::from_secs(24 * 60 * 60),
            reserve_bytes: 16 << 20,
            spare_segments: 1,
            group_bytes_max: 8 << 20,
            chunk_bytes: 256 << 10,
            confirm_after: Duration::from_secs(1),
            payload_codec: 1,
            seed: None,
            background: Background::Threads,
            sealed_reads: SealedReads::Mapped,
            read_window_bytes: 64 << 10,
        }
    }
}
