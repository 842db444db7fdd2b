//! 64 durable commits outstanding at any time: by 64 threads that each wait for theirs, and by 2 threads that hold 32
//! tickets each.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use tailwater::SyncMode;

use super::ours::{Ours, View};
use super::row::Rows;
use super::twin::BareGroup;
use crate::{Contender, Field, Place, Result};

/// Commits outstanding.
const OUTSTANDING: u64 = 64;
const TICKET_THREADS: u64 = 2;
/// As many bytes as our log's frame of such a row has, so that both write as many blocks: 32 of header and about 52 of
/// payload, to a multiple of 8.
pub(super) const RECORD: [u8; 88] = [0x5a; 88];

/// 64 threads, each waiting for its commit before the next.
///
/// # Errors
/// When the disk fails.
pub fn blocked(place: &Place) -> Result<Field> {
    let ours = Ours::open(place, SyncMode::Commit, View::None)?;
    let rows = Arc::new(Rows::default());
    let mut field = vec![Contender::new(Ours::name(SyncMode::Commit), move |n| {
        on_threads(OUTSTANDING, n, || {
            let (ours, rows) = (ours.clone(), Arc::clone(&rows));
            move |count| (0..count).try_for_each(|_| ours.insert_one(rows.one()))
        })
    })];

    let bare = Arc::new(BareGroup::open(place)?);
    field.push(Contender::new(
        "bare twin: group of 64 threads, fdatasync",
        move |n| {
            on_threads(OUTSTANDING, n, || {
                let bare = Arc::clone(&bare);
                move |count| (0..count).try_for_each(|_| bare.wait(bare.append(&RECORD)))
            })
        },
    ));
    add_sqlite(&mut field, place)?;
    add_fjall(&mut field, place)?;
    Ok(field)
}

/// 2 threads with 32 tickets each.
///
/// # Errors
/// When the disk fails.
pub fn tickets(place: &Place) -> Result<Field> {
    let ours = Ours::open(place, SyncMode::Commit, View::None)?;
    let rows = Arc::new(Rows::default());
    let mut field = vec![Contender::new(Ours::name(SyncMode::Commit), move |n| {
        on_threads(TICKET_THREADS, n, || {
            let (ours, rows) = (ours.clone(), Arc::clone(&rows));
            move |count| {
                keep_outstanding(
                    count,
                    || ours.submit_one(rows.one()),
                    |ticket| Ok(ticket.wait().map(drop)?),
                )
            }
        })
    })];

    let bare = Arc::new(BareGroup::open(place)?);
    field.push(Contender::new(
        "bare twin: group of 2 threads x 32 tickets, fdatasync",
        move |n| {
            on_threads(TICKET_THREADS, n, || {
                let bare = Arc::clone(&bare);
                move |count| {
                    keep_outstanding(
                        count,
                        || Ok(bare.append(&RECORD)),
                        |number| bare.wait(number),
                    )
                }
            })
        },
    ));
    add_sqlite(&mut field, place)?;
    add_fjall(&mut field, place)?;
    Ok(field)
}

/// SQLite has one writer at a time and no tickets: its best is one connection that the threads take in turn.
#[cfg(feature = "peers")]
fn add_sqlite(field: &mut Field, place: &Place) -> Result<()> {
    use crate::peer::sqlite::{Sqlite, Sync, View};
    let sqlite = Sqlite::open(place, Sync::Full, View::None)?;
    let name = sqlite.name();
    let shared = Arc::new((parking_lot::Mutex::new(sqlite), Rows::default()));
    field.push(Contender::new(name, move |n| {
        on_threads(OUTSTANDING, n, || {
            let shared = Arc::clone(&shared);
            move |count| {
                let (sqlite, rows) = &*shared;
                (0..count).try_for_each(|_| sqlite.lock().insert_one(rows.one()))
            }
        })
    }));
    Ok(())
}

#[cfg(not(feature = "peers"))]
fn add_sqlite(_: &mut Field, _: &Place) -> Result<()> {
    Ok(())
}

/// fjall lets its threads write one after the other, too, and has no tickets; it is asked by all of them.
#[cfg(feature = "peers")]
fn add_fjall(field: &mut Field, place: &Place) -> Result<()> {
    use crate::peer::fjall::Fjall;
    let fjall = Fjall::open(place, fjall::PersistMode::SyncData)?;
    let name = fjall.name();
    let shared = Arc::new((fjall, Rows::default()));
    field.push(Contender::new(name, move |n| {
        on_threads(OUTSTANDING, n, || {
            let shared = Arc::clone(&shared);
            move |count| {
                let (fjall, rows) = &*shared;
                (0..count).try_for_each(|_| fjall.insert(std::iter::once(rows.one())))
            }
        })
    }));
    Ok(())
}

#[cfg(not(feature = "peers"))]
fn add_fjall(_: &mut Field, _: &Place) -> Result<()> {
    Ok(())
}

/// Submits so many, waiting for the oldest whenever a thread's share is outstanding.
fn keep_outstanding<T>(
    count: u64,
    submit: impl Fn() -> Result<T>,
    wait: impl Fn(T) -> Result<()>,
) -> Result<()> {
    let share = usize::try_from(OUTSTANDING / TICKET_THREADS)?;
    let mut outstanding = VecDeque::with_capacity(share);
    for _ in 0..count {
        if outstanding.len() == share
            && let Some(oldest) = outstanding.pop_front()
        {
            wait(oldest)?;
        }
        outstanding.push_back(submit()?);
    }
    outstanding.into_iter().try_for_each(wait)
}

/// Shares `total` pieces of work out to threads and returns the seconds until the last is done.
fn on_threads<W>(threads: u64, total: u64, work: impl Fn() -> W) -> Result<f64>
where
    W: FnOnce(u64) -> Result<()> + Send + 'static,
{
    let begun = Instant::now();
    let running: Vec<_> = (0..threads)
        .map(|thread| {
            let share = total / threads + u64::from(thread < total % threads);
            let work = work();
            std::thread::spawn(move || work(share))
        })
        .collect();
    for thread in running {
        thread.join().map_err(|_| "a thread panicked")??;
    }
    Ok(begun.elapsed().as_secs_f64())
}
