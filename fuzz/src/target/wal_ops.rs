//! Operations on the log against a model in memory: what was acknowledged is there, whatever happens next.
//!
//! Appends of all lengths, tickets, flushes, releases, readers, epochs, long records, clean reopenings, failing disks and
//! crashes after which any unsynced sector may be there or not. Payloads stay opaque. Next door: `wal_recover`.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tailwater_wal::vfs::MemoryVfs;
use tailwater_wal::{Background, Error, Lsn, RecoveryReport, Settings, SyncMode, Wal};

use crate::choices::Choices;
use crate::memory;
use crate::rng::Rng;

const DIR: &str = "/log";
const DATABASE: [u8; 16] = [7; 16];
/// Operations of one input.
const OPERATIONS_MAX: usize = 60;

/// Plays the input.
///
/// # Panics
/// If the log gives something else than the model.
pub fn run(input: &[u8]) {
    let choices = &mut Choices::new(input);
    let mut line = Line::new(choices);
    for _ in 0..OPERATIONS_MAX {
        if choices.is_empty() {
            break;
        }
        memory::bounded(|| line.step(choices));
    }
    line.reopen(choices, End::Close);
    line.reopen(choices, End::Crash);
}

type Records = Vec<(Lsn, Vec<u8>)>;

/// How a log ends before it is opened again.
#[derive(Clone, Copy)]
enum End {
    Close,
    Crash,
}

/// A log and what must be in it.
struct Line {
    vfs: MemoryVfs,
    settings: Settings,
    wal: Arc<Wal>,
    /// Record `n` is the n-th; those that were lost by right are cut off.
    payloads: Vec<Vec<u8>>,
    /// Records up to here survive everything.
    durable: Lsn,
    /// What the storage has said to hold.
    applied: Lsn,
    epoch: u32,
    /// The disk was told to fail, so that errors are right answers until the next opening.
    fails: bool,
}

impl Line {
    fn new(choices: &mut Choices<'_>) -> Self {
        let settings = Settings {
            segment_bytes: 16 << 10,
            sync: choices.pick(&[
                SyncMode::Commit,
                SyncMode::Off,
                SyncMode::Interval(Duration::from_secs(60)),
            ]),
            retain_bytes_max: choices.pick(&[0, 20 << 10, 1 << 30]),
            retain_age: Duration::from_secs(3600),
            group_bytes_max: choices.pick(&[8 << 20, 1 << 10]),
            chunk_bytes: choices.pick(&[256 << 10, 4 << 10]),
            seed: Some(1),
            background: Background::Caller,
            ..Settings::default()
        };
        let vfs = MemoryVfs::new();
        let hook = Box::new(|_| ());
        let shared = Arc::new(vfs.clone());
        let wal = Wal::create(shared, Path::new(DIR), DATABASE, settings.clone(), hook);
        let wal = wal.expect("memory takes it");
        Self {
            vfs,
            settings,
            epoch: wal.epoch(),
            wal,
            payloads: Vec::new(),
            durable: Lsn::ZERO,
            applied: Lsn::ZERO,
            fails: false,
        }
    }

    fn last(&self) -> Lsn {
        Lsn(self.payloads.len() as u64)
    }

    fn step(&mut self, choices: &mut Choices<'_>) {
        match choices.below(16) {
            0..=4 => self.append(choices),
            5 => self.append_large(choices),
            6 => self.wait(),
            7 => {
                let flushed = self.wal.flush();
                if self.expected(flushed) {
                    assert!(self.wal.durable_lsn() >= self.last(), "flushed");
                }
            }
            8 => {
                self.applied = self.applied.max(self.wal.durable_lsn());
                let released = self.wal.release(self.applied);
                self.expected(released);
            }
            9 | 10 => self.read(choices),
            11 => {
                let begun = self.wal.begin_epoch();
                if self.expected(begun) {
                    assert!(self.wal.epoch() > self.epoch);
                    self.epoch = self.wal.epoch();
                }
            }
            12 => {
                let prepared = self.wal.prepare();
                self.expected(prepared);
                let yielded = self.wal.yield_spares();
                self.expected(yielded);
            }
            13 => self.reopen(choices, End::Close),
            14 => self.reopen(choices, End::Crash),
            _ => {
                self.fails = true;
                match choices.below(2) {
                    0 => self.vfs.fail_sync_after(choices.below(6) as u32),
                    _ => self.vfs.fail_write_after(choices.below(6) as u32),
                }
            }
        }
        let durable = self.wal.durable_lsn();
        assert!(durable >= self.durable && durable <= self.last());
        self.durable = durable;
    }

    /// Whether it worked; an error is none of the log's business only where the disk was told to fail.
    fn expected<T>(&self, outcome: Result<T, Error>) -> bool {
        match outcome {
            Ok(_) => true,
            Err(error) => {
                assert!(self.fails, "{error}");
                false
            }
        }
    }

    fn payload(choices: &mut Choices<'_>) -> Vec<u8> {
        let times = choices.pick(&[1, 1, 8, 100]);
        choices.bytes(200).repeat(times)
    }

    fn append(&mut self, choices: &mut Choices<'_>) {
        let payload = Self::payload(choices);
        let room = self.wal.ensure_room(payload.len());
        if !self.expected(room) {
            return;
        }
        let appended = self
            .wal
            .append(self.last().next(), payload.as_slice().into());
        if self.expected(appended) {
            self.payloads.push(payload);
        }
    }

    fn append_large(&mut self, choices: &mut Choices<'_>) {
        let begun = self.wal.begin_large(self.last().next());
        let Ok(mut record) = begun else {
            self.expected(begun);
            return;
        };
        let mut payload = Vec::new();
        for _ in 0..choices.below(4) {
            let part = Self::payload(choices);
            let written = record.write(&part);
            if !self.expected(written) {
                return;
            }
            payload.extend(part);
        }
        if choices.below(4) == 3 {
            record.abort();
            return;
        }
        let committed = record.commit();
        let Ok(ticket) = committed else {
            self.expected(committed);
            return;
        };
        self.payloads.push(payload);
        let waited = ticket.wait();
        self.expected(waited);
    }

    fn wait(&mut self) {
        if self.payloads.is_empty() {
            return;
        }
        let waited = self.wal.ticket(self.last()).wait();
        if self.expected(waited) && self.settings.sync == SyncMode::Commit {
            assert!(self.wal.durable_lsn() >= self.last(), "acknowledged");
        }
    }

    /// Reads from somewhere to the end of what may be read.
    fn read(&self, choices: &mut Choices<'_>) {
        let after = Lsn(choices.below(self.payloads.len() + 1) as u64);
        let oldest = self.wal.first_retained_lsn();
        let mut reader = match self.wal.reader(after) {
            Err(Error::Released { oldest: told }) => {
                assert!(after.next() < oldest && told == oldest);
                assert!(oldest.0 <= self.applied.0 + 1, "needed, and let go of");
                return;
            }
            opened => opened.expect("it is retained"),
        };
        assert!(after.next() >= oldest);
        loop {
            match reader.next() {
                Ok(Some((lsn, payload))) => self.assert_is(lsn, &payload),
                Ok(None) => break,
                // In the lazy modes reading writes.
                Err(error) => {
                    assert!(self.fails, "{error}");
                    return;
                }
            }
        }
        let readable = self.wal.readable_lsn();
        assert!(reader.position() >= readable.max(after), "short of the end");
    }

    fn assert_is(&self, lsn: Lsn, payload: &[u8]) {
        let written = self.payloads.get(lsn.0 as usize - 1);
        let written = written.expect("it was appended");
        assert!(written == payload, "record {lsn} is another");
    }

    /// From now on the disk works.
    fn mend(&mut self) {
        self.vfs.fail_sync_after(u32::MAX);
        self.vfs.fail_write_after(u32::MAX);
        self.fails = false;
    }

    fn recover(&mut self) -> Result<(Records, RecoveryReport), Error> {
        let mut records = Vec::new();
        let (wal, report) = Wal::recover(
            Arc::new(self.vfs.clone()),
            Path::new(DIR),
            self.settings.clone(),
            DATABASE,
            self.applied,
            &mut |lsn, payload| {
                records.push((lsn, payload.to_vec()));
                Ok(())
            },
            Box::new(|_| ()),
        )?;
        self.wal = wal;
        Ok((records, report))
    }

    /// Ends the log and opens it again; after a crash any unsynced sector, length or name may have reached the disk.
    fn reopen(&mut self, choices: &mut Choices<'_>, end: End) {
        match end {
            End::Close => {
                let closed = self.wal.close();
                if self.expected(closed) {
                    self.durable = self.last();
                }
                self.vfs = self.vfs.crash();
            }
            End::Crash => {
                let kept = choices.byte();
                let mut bits = u64::from(kept).wrapping_mul(0x0101_0101_0101_0101);
                let mut word = choices.word();
                self.vfs = self.vfs.crash_keeping(&mut |_| {
                    bits = bits.rotate_left(1);
                    word = word.rotate_left(7).wrapping_mul(0x9E37_79B9_7F4A_7C15);
                    match kept {
                        0 => false,
                        0xFF => true,
                        _ => (bits ^ word) & 1 == 1,
                    }
                });
            }
        }
        let applied = self.applied;
        let (records, report) = match self.recover() {
            // The disk failed again: one more crash, one more opening.
            Err(error) if self.fails => {
                drop(error);
                self.vfs = self.vfs.crash();
                self.mend();
                self.recover()
            }
            recovered => recovered,
        }
        .expect("a crash is no damage");
        self.mend();
        assert!(report.last_lsn >= self.durable, "acknowledged and gone");
        assert!(report.last_lsn <= self.last(), "never written");
        let mut expected = applied.next();
        for (lsn, payload) in &records {
            assert_eq!(*lsn, expected, "without gaps");
            self.assert_is(*lsn, payload);
            expected = lsn.next();
        }
        assert_eq!(expected, report.last_lsn.next());
        self.payloads.truncate(report.last_lsn.0 as usize);
        self.durable = report.last_lsn;
        assert_eq!(self.wal.durable_lsn(), report.last_lsn);
        assert!(self.wal.epoch() >= self.epoch.min(1));
        self.epoch = self.wal.epoch();
    }
}

/// Decisions.
pub fn generate(rng: &mut Rng) -> Vec<u8> {
    rng.bytes(600)
}
