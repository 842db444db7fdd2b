//! `FeedSettings`: how much a feed may hold, as plain data with documented defaults.
//!
//! Every queue and loop of the room is bounded by a number that stands here.
//! Next door: `feed`, which they belong to.

use std::time::Duration;

/// The bounds of one feed.
///
/// ```
/// use tailwater_capture::FeedSettings;
///
/// let small = FeedSettings { ring_bytes_max: 1 << 20, ..FeedSettings::default() };
/// assert_eq!(small.queue_frames_max, 1_024); // then a subscriber reads on from ring and log by itself
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedSettings {
    /// Bytes of records kept in memory for readers that are a little behind. Records the log cannot give back yet
    /// stay whatever their size. Default 64 MiB.
    pub ring_bytes_max: usize,
    /// Records kept in memory, likewise. Default 65,536.
    pub ring_records_max: usize,
    /// Bytes of a record beyond which its commit comes in several frames, each of about so many bytes, and is read from
    /// the log in parts. Default 16 MiB.
    pub frame_bytes_max: usize,
    /// Commits that may wait in the queue of one subscription before it is marked as behind and has to read on
    /// by itself. Default 1,024.
    pub queue_frames_max: usize,
    /// Rows in one [`Event::SnapshotRows`](crate::Event::SnapshotRows). Default 256.
    pub snapshot_rows_max: usize,
    /// Bytes of keys and rows after which such an event is handed out before it is full. Default 256 KiB.
    pub snapshot_bytes_max: usize,
    /// Records read without finding anything selected, after which a catching-up subscription hands out a
    /// [`Event::Progress`](crate::Event::Progress). Default 4,096.
    pub scan_records_max: usize,
    /// How long a blocking receive waits before it hands out a `Progress`, if there is any. Default 1 s.
    pub progress_after: Duration,
}

impl Default for FeedSettings {
    fn default() -> Self {
        Self {
            ring_bytes_max: 64 << 20,
            ring_records_max: 65_536,
            frame_bytes_max: 16 << 20,
            queue_frames_max: 1_024,
            snapshot_rows_max: 256,
            snapshot_bytes_max: 256 << 10,
            scan_records_max: 4_096,
            progress_after: Duration::from_secs(1),
        }
    }
}
