//! `tailwater feed`: the feed of a table or view on standard output, a message at a time, so that any program can
//! follow it: keep the token of the last message that was taken in, and start again with `--since` after it.
//!
//! A message is flushed before the next is waited for. `json` and `proto` are its two shapes, `writer` runs the
//! statements of `--with-sql` meanwhile.

pub(crate) mod json;
pub(crate) mod proto;
mod writer;

use std::io::{BufWriter, Write};
use std::time::Duration;

use tailwater::{Database, FeedEvent, FeedRequest, Subscription};

use self::writer::Writer;
use crate::args::{FeedArgs, FeedFormat};
use crate::failure::Failure;
use crate::open::{self, Access};

/// How often it is looked whether the writer has ended.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Follows a table or view as the command line says, and returns the exit code.
///
/// # Errors
/// When the database cannot be opened, there is no such object, the token is not good, or a statement fails.
pub(crate) fn main(args: &FeedArgs) -> Result<u8, Failure> {
    if !args.database.exists() {
        return Err(Failure::usage(
            format!("there is no database {}", args.database.display()),
            "name the folder of one that is there: tailwater feed app.db v",
        ));
    }
    let database = open::open(Some(&args.database), Access::Write, args.sync.into(), None)?;
    let feed = subscribe(&database, args, args.since.as_deref())?;
    let writer = args
        .with_sql
        .as_deref()
        .map(|file| Writer::start(&database, file))
        .transpose()?;
    follow(&database, args, feed, writer.as_ref())?;
    match writer {
        // A reader that has its messages does not wait for the rest of the statements.
        Some(writer) if writer.is_done() => writer.join()?,
        _ => {}
    }
    database.close()?;
    Ok(0)
}

fn subscribe(
    database: &Database,
    args: &FeedArgs,
    since: Option<&str>,
) -> Result<Subscription, Failure> {
    let mut request = FeedRequest::of(args.object.as_str());
    if let Some(filter) = &args.filter {
        request = request.filter(filter.as_str());
    }
    if let Some(token) = since {
        request = request.since(token);
    } else if args.no_snapshot {
        request = request.without_snapshot();
    }
    Ok(database.subscribe(request)?)
}

fn follow(
    database: &Database,
    args: &FeedArgs,
    mut feed: Subscription,
    writer: Option<&Writer>,
) -> Result<(), Failure> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    let mut json = json::LinePrinter::default();
    let mut proto = proto::FrameEncoder::new(&feed.columns(), args.count != Some(1));
    let mut left = args.count.unwrap_or(u64::MAX);
    while left > 0 {
        // Asked before the feed is: what the writer did by then is in the feed by then.
        let is_last_look = args.no_follow && writer.is_none_or(Writer::is_done);
        let event = match feed.try_recv()? {
            Some(event) => event,
            None => {
                out.flush()?;
                if is_last_look {
                    break;
                }
                match feed.recv_timeout(LOOK_EVERY)? {
                    Some(event) => event,
                    None => continue,
                }
            }
        };
        if matches!(event, FeedEvent::Progress { .. }) && !args.progress {
            continue;
        }
        let starts_over = matches!(event, FeedEvent::Reset { .. });
        let is_written = match args.format {
            FeedFormat::Json => match json.line(event) {
                Some(line) => writeln!(out, "{line}").map(|()| true)?,
                None => false,
            },
            FeedFormat::Proto => match proto.encode(event) {
                Some(message) => out.write_all(&message).map(|()| true)?,
                None => false,
            },
        };
        left -= u64::from(is_written);
        if starts_over {
            feed = subscribe(database, args, None)?;
        }
    }
    out.flush()?;
    Ok(())
}
