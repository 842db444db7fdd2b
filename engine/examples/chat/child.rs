//! The process that is killed: it opens the database, lets its writers play and its subscribers follow, and reports
//! as JSON lines what was acknowledged and what was delivered. It judges nothing. Next door: `oracle`.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use tailwater::{Database, FeedEvent, FeedRequest, Frame, Lsn, Ticket};

use super::Outcome;
use super::script::{Script, WRITERS};
use super::tables::{self, VIEWS};

/// Commits that the writers but the first have in flight. The first waits for each.
const IN_FLIGHT: usize = 16;
/// Frames after which a subscriber is dropped and resumed.
const RESUME_AFTER: usize = 997;

/// What the parent tells a child.
#[derive(Serialize, Deserialize)]
pub(crate) struct Life {
    pub(crate) path: PathBuf,
    pub(crate) seed: u64,
    pub(crate) number: u64,
    /// The last commit to make.
    pub(crate) until: u64,
    /// Where each follower goes on: lsn and token, stored together with the last frame the parent has.
    pub(crate) since: Vec<(u64, String)>,
}

/// One life of the process.
pub(crate) fn run(life: &str) -> Outcome<()> {
    let life: Life = serde_json::from_str(life)?;
    let (db, number) = (tables::open(&life.path)?, life.number);
    let (opened_at, until) = (db.visible_lsn(), Lsn(life.until));
    let left = AtomicU64::new(life.until.saturating_sub(opened_at.0));
    let (out, lines) = sync_channel(1_024);
    let (found, us) = (db.recovery(), db.recovery().duration.as_micros());
    out.send(format!(
        r#"{{"kind":"open","life":{number},"lsn":{opened_at},"replayed":{},"evaluated":{},"us":{us}}}"#,
        found.records, found.rows_evaluated
    ))?;
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let script = Script::new(life.seed, number, writer);
            let (db, left, out) = (&db, &left, out.clone());
            scope.spawn(move || or_exit(|| write(db, script, left, &out)));
        }
        for ((view, _), since) in VIEWS.iter().zip(&life.since) {
            let (db, since, out) = (&db, since.clone(), out.clone());
            scope.spawn(move || or_exit(|| follow(db, view, since, opened_at, until, &out)));
        }
        drop(out);
        print(lines)
    })?;
    Ok(db.close()?)
}

/// A failed thread ends the process, so that the parent sees it.
fn or_exit(work: impl FnOnce() -> Outcome<()>) {
    let ended = catch_unwind(AssertUnwindSafe(work));
    if let Ok(Err(error)) = &ended {
        eprintln!("child: {error}");
    }
    if !matches!(ended, Ok(Ok(()))) {
        std::process::exit(1);
    }
}

/// Plays a script while there are commits left to make.
fn write(db: &Database, script: Script, left: &AtomicU64, out: &SyncSender<String>) -> Outcome<()> {
    let (life, writer) = (script.life, script.writer);
    let window = if writer == 0 { 1 } else { IN_FLIGHT };
    let mut flying: VecDeque<(usize, Instant, Ticket)> = VecDeque::new();
    let one_less = |left: u64| left.checked_sub(1);
    for (number, op) in script.enumerate() {
        let ends = left.fetch_update(Relaxed, Relaxed, one_less).is_err();
        if !ends {
            let began = Instant::now();
            let ((), ticket) = db.submit_update(|tx| op.perform(tx))?;
            flying.push_back((number, began, ticket));
        }
        while (ends || flying.len() >= window || flying.front().is_some_and(|f| f.2.is_done()))
            && let Some((number, began, ticket)) = flying.pop_front()
        {
            let lsn = ticket.wait()?;
            let us = began.elapsed().as_micros();
            out.send(format!(
                r#"{{"kind":"ack","life":{life},"writer":{writer},"number":{number},"lsn":{lsn},"us":{us}}}"#
            ))?;
        }
        if ends {
            break;
        }
    }
    Ok(())
}

/// Follows a view; now and then drops the subscription and resumes it by token.
fn follow(
    db: &Database,
    view: &str,
    (at, mut token): (u64, String),
    opened_at: Lsn,
    until: Lsn,
    out: &SyncSender<String>,
) -> Outcome<()> {
    let mut at = Lsn(at);
    while at < until {
        let mut feed = db.subscribe(FeedRequest::of(view).since(&*token))?;
        for _ in 0..RESUME_AFTER {
            (at, token) = match feed.recv()? {
                FeedEvent::Frame(frame) => {
                    let us = (frame.lsn > opened_at).then(|| now_us() - frame.commit_time_us);
                    out.send(line(view, &frame, us)?)?;
                    (frame.lsn, frame.token)
                }
                FeedEvent::Progress { lsn, token } => (lsn, token),
                other => return Err(format!("{view}: {other:?} after a token").into()),
            };
            if at >= until {
                break;
            }
        }
    }
    Ok(())
}

fn now_us() -> i64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(now.as_micros()).unwrap_or(i64::MAX)
}

fn line(view: &str, frame: &Frame, us: Option<i64>) -> Result<String, std::fmt::Error> {
    let (lsn, token) = (frame.lsn, &frame.token);
    let us = us.map_or("null".to_owned(), |us| us.to_string());
    let mut line = format!(
        r#"{{"kind":"frame","view":"{view}","lsn":{lsn},"token":"{token}","us":{us},"changes":["#
    );
    for (place, change) in frame.changes.iter().enumerate() {
        let (comma, op) = (if place == 0 { "" } else { "," }, change.op.name());
        write!(line, r#"{comma}{{"op":"{op}","key":""#)?;
        change
            .key
            .iter()
            .try_for_each(|byte| write!(line, "{byte:02x}"))?;
        line.push('"');
        for (name, row) in [("before", &change.before), ("after", &change.after)] {
            if let Some(row) = row {
                write!(line, r#","{name}":{row}"#)?;
            }
        }
        line.push('}');
    }
    line.push_str("]}");
    Ok(line)
}

/// Writes lines as they come, and flushes when there are no more at the moment.
fn print(lines: Receiver<String>) -> std::io::Result<()> {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    while let Ok(line) = lines.recv() {
        writeln!(out, "{line}")?;
        for line in lines.try_iter() {
            writeln!(out, "{line}")?;
        }
        out.flush()?;
    }
    Ok(())
}
