//! The parent: starts the process, kills it at random points, starts it again, and keeps the book of what it said.
//! Its tokens are stored with the effect of the frames they came with. Next doors: `child`, `oracle`.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value as Json;
use tailwater::FeedRequest;

use super::child::Life;
use super::oracle::Oracle;
use super::script::Dice;
use super::tables::{self, VIEWS};
use super::{Options, Outcome, audit};

/// How often the process is killed.
const KILLS: usize = 5;

pub(crate) struct Parent {
    commits: u64,
    path: PathBuf,
    /// The life that goes on, and what the next one is told.
    life: Life,
    pub(crate) oracle: Oracle,
    /// Acks, frames and final rows as JSON lines, for other tools.
    books: Option<[BufWriter<File>; 3]>,
    /// Microseconds: commits awaited one by one, commits in flight together, frames.
    latencies: [Vec<u64>; 3],
    sabotage: bool,
    told: Instant,
}

impl Parent {
    /// Makes the database.
    pub(crate) fn new(options: Options, path: PathBuf) -> Outcome<Self> {
        let books = match options.out {
            None => None,
            Some(dir) => {
                std::fs::create_dir_all(&dir)?;
                let book = |name| File::create(dir.join(name)).map(BufWriter::new);
                Some([
                    book("acks.jsonl")?,
                    book("frames.jsonl")?,
                    book("rows.jsonl")?,
                ])
            }
        };
        let db = tables::open(&path)?;
        tables::create(&db)?;
        let created_at = db.visible_lsn().0;
        let now = |(view, _)| FeedRequest::of(view).without_snapshot();
        let since = VIEWS.map(|view| Ok((created_at, db.subscribe(now(view))?.token())));
        let since = since.into_iter().collect::<tailwater::Result<_>>()?;
        db.close()?;
        Ok(Self {
            commits: options.commits,
            life: Life {
                path: path.clone(),
                seed: options.seed,
                number: 0,
                until: created_at + options.commits,
                since,
            },
            path,
            oracle: Oracle::new(created_at),
            books,
            latencies: Default::default(),
            sabotage: options.sabotage,
            told: Instant::now(),
        })
    }

    /// Plays the chat over several lives of the process, then compares everything.
    pub(crate) fn play(&mut self) -> Outcome<()> {
        let mut dice = Dice(self.life.seed);
        let mut kills = [0; KILLS].map(|_| Some(dice.below(self.commits.max(1))));
        kills.sort_unstable();
        for kill_at in kills.into_iter().chain([None]) {
            if self.live(kill_at)? {
                break;
            }
            self.life.number += 1;
        }
        let db = tables::open(&self.path)?;
        let found = db.visible_lsn();
        if found.0 != self.life.until {
            return Err(format!("the last commit is {found}, not {}", self.life.until).into());
        }
        let missing = self
            .commits
            .saturating_sub(self.oracle.delivered.len() as u64);
        if missing > 0 {
            self.oracle.lost += missing;
            return Err("not all that was committed was delivered".into());
        }
        for row in audit::audit(&mut self.oracle, &db)? {
            self.keep(2, &row)?;
        }
        Ok(self.books.iter_mut().flatten().try_for_each(Write::flush)?)
    }

    /// One life; true if the process came to its own end.
    fn live(&mut self, kill_at: Option<u64>) -> Outcome<bool> {
        self.oracle.begin_life(self.life.seed, self.life.number);
        let mut child = Command::new(std::env::current_exe()?)
            .args(["child", &serde_json::to_string(&self.life)?])
            .stdout(Stdio::piped())
            .spawn()?;
        let mut lines = BufReader::new(child.stdout.take().ok_or("the process has no output")?);
        let (mut line, mut heard, mut killed) = (String::new(), Ok(()), false);
        // The last line of a killed process may be cut.
        while heard.is_ok() && lines.read_line(&mut line)? > 0 && line.ends_with('\n') {
            heard = self.hear(line.trim_end());
            line.clear();
            let is_time = kill_at.is_some_and(|at| self.oracle.acknowledged.len() as u64 >= at);
            if !killed && (is_time || heard.is_err()) {
                child.kill()?;
                killed = true;
            }
        }
        let ended = child.wait()?;
        heard?;
        if !killed && !ended.success() {
            return Err(format!("the process failed by itself: {ended}").into());
        }
        Ok(ended.success())
    }

    /// A line of the process.
    fn hear(&mut self, text: &str) -> Outcome<()> {
        let mut line: Json = serde_json::from_str(text)?;
        let us = line["us"].as_u64();
        let view = VIEWS.iter().position(|(view, _)| line["view"] == *view);
        match (line["kind"].as_str(), view) {
            (Some("open"), _) => println!(
                "life {}: opened at lsn {} in {} us, {} records replayed, {} rows evaluated",
                self.life.number, line["lsn"], line["us"], line["replayed"], line["evaluated"]
            ),
            (Some("ack"), _) => {
                self.keep(0, text)?;
                self.oracle.ack(&line)?;
                self.latencies[usize::from(line["writer"] != 0)].extend(us);
            }
            (Some("frame"), Some(view)) => {
                let half = self.oracle.delivered.len() as u64 >= self.commits / 2;
                if self.sabotage && view == 0 && half {
                    self.sabotage = false;
                    let changes = line["changes"].as_array_mut().ok_or("no changes")?;
                    changes.pop();
                    if changes.is_empty() {
                        return Ok(());
                    }
                }
                self.keep(1, &line.to_string())?;
                self.oracle.frame(view, &line)?;
                let token = line["token"].as_str().ok_or("a frame has no token")?;
                let lsn = self.oracle.folds[view].0;
                self.life.since[view] = (lsn, token.to_owned());
                if view == 0 {
                    self.latencies[2].extend(us);
                }
            }
            _ => return Err(format!("unknown line {text}").into()),
        }
        if self.told.elapsed() > Duration::from_secs(1) {
            let (acks, frames) = (self.oracle.acknowledged.len(), self.oracle.delivered.len());
            let life = self.life.number;
            println!("life {life}: {acks} acknowledged, {frames} delivered");
            self.told = Instant::now();
        }
        Ok(())
    }

    fn keep(&mut self, book: usize, line: &str) -> std::io::Result<()> {
        self.books
            .as_mut()
            .map_or(Ok(()), |books| writeln!(books[book], "{line}"))
    }

    /// Prints percentiles.
    pub(crate) fn report(&mut self) {
        println!("in microseconds                   p50      p90      p99      max");
        let names = [
            "commit, one at a time",
            "commit, 16 in flight",
            "commit to subscriber",
        ];
        for (name, us) in names.iter().zip(&mut self.latencies) {
            us.sort_unstable();
            let last = us.len().saturating_sub(1);
            let at = |percent: usize| us.get(last * percent / 100).copied().unwrap_or_default();
            let (p50, p90, p99, max) = (at(50), at(90), at(99), at(100));
            println!("{name:<28}{p50:>9}{p90:>9}{p99:>9}{max:>9}");
        }
    }
}
