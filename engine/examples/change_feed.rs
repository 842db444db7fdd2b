//! A tail that any program can use: the snapshot of a view, then its changes, resumed after a stop.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::fmt;

use serde::Deserialize;
use tailwater::{Database, FeedEvent, FeedRequest, Subscription, params};

#[derive(Deserialize)]
struct Total {
    cust: String,
    total: i64,
}

impl fmt::Display for Total {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} has {}", self.cust, self.total)
    }
}

fn shown(total: Option<Total>) -> String {
    total.map_or_else(|| "nothing".to_owned(), |total| total.to_string())
}

/// Prints events until one commit has come and returns the token to go on with.
fn follow(feed: &mut Subscription) -> tailwater::Result<String> {
    loop {
        match feed.recv()? {
            FeedEvent::Snapshot { rows } => {
                for row in &rows {
                    println!("  there is: {}", row.to::<Total>()?);
                }
            }
            FeedEvent::Frame(frame) => {
                for change in &frame.changes {
                    println!(
                        "  commit {}, {}: {} -> {}",
                        frame.lsn,
                        change.op.name(),
                        shown(change.before_as()?),
                        shown(change.after_as()?)
                    );
                }
                return Ok(frame.token);
            }
            FeedEvent::Reset { reason, .. } => {
                println!("  start again with a snapshot: {reason}");
            }
            _ => {}
        }
    }
}

fn main() -> tailwater::Result<()> {
    let db = Database::memory()?;
    db.exec(
        "CREATE TABLE orders (id INT PRIMARY KEY, cust TEXT, cents INT);
         CREATE MATERIALIZED VIEW totals AS
           SELECT cust, sum(cents) AS total FROM orders GROUP BY cust;
         INSERT INTO orders VALUES (1, 'ada', 450)",
        (),
    )?;
    let insert = "INSERT INTO orders VALUES (?, ?, ?)";

    println!("a first listener:");
    let mut feed = db.subscribe(FeedRequest::of("totals"))?;
    db.exec(insert, params![2, "ada", 50])?;
    let token = follow(&mut feed)?;
    drop(feed);

    // Nobody listens, and nothing is missed.
    db.exec(insert, params![3, "grace", 900])?;

    println!("a second one, where the first one stopped:");
    let mut feed = db.subscribe(FeedRequest::of("totals").since(token))?;
    follow(&mut feed)?;
    db.exec("DELETE FROM orders WHERE id = 3", ())?;
    follow(&mut feed)?;

    println!("only the large ones:");
    let mut feed = db.subscribe(FeedRequest::of("totals").filter("total > 1000"))?;
    db.exec(insert, params![4, "ada", 600])?;
    follow(&mut feed)?;
    Ok(())
}
