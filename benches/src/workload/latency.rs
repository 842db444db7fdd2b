//! How long a durable one-row commit takes, one by one, by so many writers at a time: alone, and while 256 MiB are
//! checkpointed. Beside it the bare twin, and the bare twin while a plain thread writes as much to another file and
//! syncs it. What is checkpointed is put into memory before; what counts begins with the checkpoint and ends with it.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use tailwater::{Database, Settings, StoreSettings, SyncMode, params};
use tempfile::TempDir;

use super::group::RECORD;
use super::ours::{Ours, View, make_tables};
use super::row::Rows;
use super::twin::BareGroup;
use crate::latency::Latencies;
use crate::measure::{Figure, Sampler, Unit};
use crate::{Error, Place, Result};

/// Bytes of one filling row's text.
const TEXT_BYTES: u64 = 1_024;
/// Bytes that are checkpointed, of these texts alone.
const CHECKPOINT_BYTES: u64 = 256 << 20;
const FILLING_ROWS: u64 = CHECKPOINT_BYTES / TEXT_BYTES;
const ROWS_PER_COMMIT: u64 = 8_192;
/// No limit of memory makes a checkpoint begin before it is asked for, nor hurry.
const MEMTABLE_BYTES: usize = 4 << 30;

/// So many writers: ours, the bare twin.
///
/// # Errors
/// When the disk fails.
pub fn field<const WRITERS: usize>(place: &Place) -> Result<Vec<Sampler>> {
    let own_place = place.clone();
    let bare = BareBeside::open(place)?;
    Ok(vec![
        // A new database each time, so that all rounds find the same: redb makes its file longer by its own length.
        Sampler::new(Ours::name(SyncMode::Commit), move |n| {
            Filled::open(&own_place)?.sample(WRITERS, n)
        }),
        Sampler::new(
            "bare twin: group, fdatasync; a plain thread writes 256 MiB and syncs them once",
            move |n| bare.sample(WRITERS, n),
        ),
    ])
}

/// What one contender is found to do in one round.
struct Sampled {
    quiet: Latencies,
    beside: Latencies,
    /// How long the checkpoint took.
    took: Duration,
}

impl Sampled {
    fn figures(self) -> Vec<Figure> {
        let count = self.beside.count() as f64;
        let (quiet, beside) = (self.quiet.percentiles(), self.beside.percentiles());
        let mut figures = Vec::from(quiet.figures(""));
        figures.extend(beside.figures(", while 256 MiB are checkpointed"));
        figures.extend([
            Figure::new(
                ", p99 while 256 MiB are checkpointed / p99 without",
                Unit::Times,
                beside.p99 / quiet.p99,
            ),
            Figure::new(
                ", commits while 256 MiB are checkpointed",
                Unit::Count,
                count,
            ),
            Figure::new(
                ", 256 MiB are checkpointed in",
                Unit::Seconds,
                self.took.as_secs_f64(),
            ),
        ]);
        figures
    }
}

/// A database that is filled before its checkpoint.
struct Filled {
    ours: Ours,
    rows: Arc<Rows>,
}

impl Filled {
    fn open(place: &Place) -> Result<Self> {
        let settings = Settings {
            store: StoreSettings {
                memtable_soft_bytes: MEMTABLE_BYTES / 2,
                memtable_hard_bytes: MEMTABLE_BYTES,
                ..StoreSettings::default()
            },
            checkpoint_interval: Duration::from_secs(3_600),
            ..Settings::default()
        };
        let ours = Ours::in_folder(place, |path| {
            Database::builder().settings(settings).open(path)
        })?;
        make_tables(&ours.database, View::None)?;
        ours.database.exec(
            "CREATE TABLE filling (id BIGINT PRIMARY KEY, text TEXT)",
            (),
        )?;
        Ok(Self {
            ours,
            rows: Arc::default(),
        })
    }

    fn sample(&self, writers: usize, operations: u64) -> Result<Vec<Figure>> {
        self.fill()?;
        let commit = || {
            let (ours, rows) = (self.ours.clone(), Arc::clone(&self.rows));
            move || ours.insert_one(rows.one())
        };
        let (quiet, _) = Until::Count(operations).sample(writers, commit)?;
        let database = &self.ours.database;
        let (beside, took) =
            Until::Done(&mut || Ok(database.checkpoint()?)).sample(writers, commit)?;
        if database.stats().memory_bytes > CHECKPOINT_BYTES / 2 {
            return Err("the checkpoint has not written what it was for".into());
        }
        let sampled = Sampled {
            quiet,
            beside,
            took,
        };
        Ok(sampled.figures())
    }

    /// Puts what is to be checkpointed into memory, in few commits.
    fn fill(&self) -> Result<()> {
        let text = "x".repeat(usize::try_from(TEXT_BYTES)?);
        let filling = Rows::default();
        let mut rows = filling.some(FILLING_ROWS);
        for _ in 0..FILLING_ROWS / ROWS_PER_COMMIT {
            let rows: Vec<_> = rows
                .by_ref()
                .take(usize::try_from(ROWS_PER_COMMIT)?)
                .collect();
            self.ours.database.update(|tx| {
                for row in &rows {
                    tx.exec(
                        "INSERT INTO filling VALUES (?, ?)",
                        params![row.id, text.as_str()],
                    )?;
                }
                Ok(())
            })?;
        }
        Ok(())
    }
}

/// The bare twin, with another file beside its own.
struct BareBeside {
    bare: Arc<BareGroup>,
    other: File,
    written: std::cell::Cell<u64>,
    _folder: TempDir,
}

impl BareBeside {
    fn open(place: &Place) -> Result<Self> {
        let folder = place.folder()?;
        Ok(Self {
            bare: Arc::new(BareGroup::open(place)?),
            other: File::create_new(folder.path().join("other"))?,
            written: std::cell::Cell::default(),
            _folder: folder,
        })
    }

    fn sample(&self, writers: usize, operations: u64) -> Result<Vec<Figure>> {
        let commit = || {
            let bare = Arc::clone(&self.bare);
            move || bare.wait(bare.append(&RECORD))
        };
        let (quiet, _) = Until::Count(operations).sample(writers, commit)?;
        let (beside, took) = Until::Done(&mut || self.write_beside()).sample(writers, commit)?;
        let sampled = Sampled {
            quiet,
            beside,
            took,
        };
        Ok(sampled.figures())
    }

    /// Makes the other file longer by what is checkpointed, and syncs it.
    fn write_beside(&self) -> Result<()> {
        let piece = vec![0x5a; 1 << 20];
        let end = self.written.get() + CHECKPOINT_BYTES;
        while self.written.get() < end {
            self.other.write_all_at(&piece, self.written.get())?;
            self.written.set(self.written.get() + piece.len() as u64);
        }
        Ok(self.other.sync_data()?)
    }
}

/// How long the writers go on.
enum Until<'a> {
    /// So many commits in total.
    Count(u64),
    /// Until this, done by the thread that asks, is over.
    Done(&'a mut dyn FnMut() -> Result<()>),
}

impl Until<'_> {
    /// Has each writer commit again and again; returns how long each commit took, and how long all of it.
    fn sample<C>(self, writers: usize, commit: impl Fn() -> C) -> Result<(Latencies, Duration)>
    where
        C: Fn() -> Result<()> + Send + 'static,
    {
        let over = Arc::new(AtomicBool::new(false));
        let start = Arc::new(Barrier::new(writers + 1));
        let share = match &self {
            Self::Count(count) => count.div_ceil(writers as u64),
            Self::Done(_) => u64::MAX,
        };
        let running: Vec<_> = (0..writers)
            .map(|_| {
                let (over, start, commit) = (Arc::clone(&over), Arc::clone(&start), commit());
                std::thread::spawn(move || {
                    let mut latencies = Latencies::default();
                    start.wait();
                    for _ in 0..share {
                        if over.load(Ordering::Relaxed) {
                            break;
                        }
                        let begun = Instant::now();
                        commit()?;
                        latencies.push(begun.elapsed());
                    }
                    Ok::<_, Error>(latencies)
                })
            })
            .collect();
        start.wait();
        let begun = Instant::now();
        let done = match self {
            Self::Count(_) => Ok(()),
            Self::Done(work) => {
                let done = work();
                over.store(true, Ordering::Relaxed);
                done
            }
        };
        let took = begun.elapsed();
        let mut all = Latencies::default();
        for thread in running {
            all.extend(thread.join().map_err(|_| "a writer panicked")??);
        }
        done?;
        Ok((all, took))
    }
}
