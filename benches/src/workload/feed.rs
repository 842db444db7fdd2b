//! From commit to subscriber in the same process, beside one hop through a channel; and what a commit costs among
//! many subscriptions that it does not concern. Nothing is synced: what is left is what comes on top of a sync.

use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, bounded};
use tailwater::{FeedEvent, FeedRequest, SyncMode};

use super::commit::timed;
use super::ours::{Ours, View};
use super::row::{Row, Rows};
use crate::{Contender, Field, Place, Result};

/// Lets a receiver fall asleep before the next hop, as between commits that wait for a disk.
const PAUSE: Duration = Duration::from_micros(150);

/// Of 100 hops, 50 are shorter.
///
/// # Errors
/// When the disk fails.
pub fn hop_p50(place: &Place) -> Result<Field> {
    hops(place, 50)
}

/// Of 100 hops, 99 are shorter.
///
/// # Errors
/// When the disk fails.
pub fn hop_p99(place: &Place) -> Result<Field> {
    hops(place, 99)
}

/// The commit of one row, from before it is handed over until a subscriber has its frame, decoded.
fn hops(place: &Place, percent: usize) -> Result<Field> {
    let ours = Ours::open(place, SyncMode::Off, View::None)?;
    let received = follow(&ours)?;
    let rows = Rows::default();
    let mut field = vec![Contender::new(Ours::name(SyncMode::Off), move |n| {
        percentile(n, percent, &received, || ours.insert_one(rows.one()))
    })];

    let (sender, receiver) = bounded::<Row>(1_024);
    let (seen, received) = bounded(1_024);
    std::thread::spawn(move || {
        for row in receiver {
            if seen.send((row.id, Instant::now())).is_err() {
                break;
            }
        }
    });
    let rows = Rows::default();
    field.push(Contender::new("bare twin: crossbeam channel", move |n| {
        percentile(n, percent, &received, || Ok(sender.send(rows.one())?))
    }));
    Ok(field)
}

/// Follows the table on a thread of its own, which says when it had which row.
fn follow(ours: &Ours) -> Result<Receiver<(i64, Instant)>> {
    let mut feed = ours
        .database
        .subscribe(FeedRequest::of("t").without_snapshot())?;
    let (seen, received) = bounded(1_024);
    std::thread::spawn(move || {
        // The feed ends with the database.
        while let Ok(event) = feed.recv() {
            let now = Instant::now();
            let FeedEvent::Frame(frame) = event else {
                continue;
            };
            for change in frame.changes {
                let id = change
                    .after
                    .and_then(|row| row.get("id").and_then(tailwater::Value::as_int));
                if seen.send((id.unwrap_or(-1), now)).is_err() {
                    return;
                }
            }
        }
    });
    Ok(received)
}

/// The time below which so many of 100 hops were, taken for each of them.
fn percentile(
    count: u64,
    percent: usize,
    received: &Receiver<(i64, Instant)>,
    mut send: impl FnMut() -> Result<()>,
) -> Result<f64> {
    let mut hops = Vec::new();
    for _ in 0..count {
        std::thread::sleep(PAUSE);
        let sent = Instant::now();
        send()?;
        let (_, seen) = received.recv_timeout(Duration::from_secs(10))?;
        hops.push(seen.saturating_duration_since(sent).as_secs_f64());
    }
    hops.sort_unstable_by(f64::total_cmp);
    let place = (hops.len() * percent / 100).min(hops.len().saturating_sub(1));
    Ok(hops.get(place).copied().unwrap_or(f64::NAN) * count as f64)
}

/// The commit of one row among 100,000 subscriptions to other keys, beside the same among 10.
///
/// # Errors
/// When the disk fails.
pub fn crowd(place: &Place) -> Result<Field> {
    let among = |subscriptions: i64, note: &str| -> Result<Contender> {
        let ours = Ours::open(place, SyncMode::Off, View::None)?;
        let waiting: Vec<_> = (0..subscriptions)
            .map(|number| {
                let key = i64::MAX - number;
                let request = FeedRequest::of("t")
                    .filter(format!("id = {key}"))
                    .without_snapshot();
                ours.database.subscribe(request)
            })
            .collect::<Result<_, _>>()?;
        let rows = Rows::default();
        let name = format!("{}{note}", Ours::name(SyncMode::Off));
        Ok(Contender::new(name, move |n| {
            let seconds = timed(n, || ours.insert_one(rows.one()))?;
            // They are there until the work is done.
            if waiting.is_empty() {
                return Err("nobody subscribed".into());
            }
            Ok(seconds)
        }))
    };
    Ok(vec![among(100_000, "")?, among(10, ", 10 subscriptions")?])
}
