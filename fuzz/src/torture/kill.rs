//! Real processes on a real disk, killed: a child commits and says so, its parent kills it and looks.
//!
//! Each writer of the child has rows of its own and a row that says how many transactions it has done, changed in the same
//! transaction: so what must be there follows from that number, whatever the kill has interrupted. The parent keeps what
//! the child said, and a follower of the feed across all kills. Next door: `recovered`, the same on a simulated disk.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};

use tailwater::{Database, params};

use super::consumer::{Consumer, Taken};
use super::tally::Tally;
use crate::rng::Rng;

/// Writers of a child.
const WRITERS: i64 = 4;
/// How long a child may live before it is killed, at most.
const LIFE_MS_MAX: usize = 120;
/// How long a child may take to say anything.
const PATIENCE: Duration = Duration::from_secs(30);

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS progress (writer INT PRIMARY KEY, done BIGINT);
    CREATE TABLE IF NOT EXISTS t (writer INT, k BIGINT, grp INT, n BIGINT, PRIMARY KEY (writer, k));
    CREATE INDEX IF NOT EXISTS t_grp ON t (grp);
    CREATE MATERIALIZED VIEW IF NOT EXISTS groups AS
        SELECT grp, count(*) AS rows, sum(n) AS total FROM t GROUP BY grp;
    CREATE MATERIALIZED VIEW IF NOT EXISTS writers AS SELECT writer, count(*) AS rows FROM t GROUP BY writer";

fn builder(checkpoints: bool) -> tailwater::Builder {
    let mut settings = tailwater::Settings::default();
    settings.wal.segment_bytes = 256 << 10;
    settings.wal.retain_bytes_max = 64 << 20;
    settings.store.cache_bytes = 4 << 20;
    settings.store.memtable_soft_bytes = 64 << 10;
    if checkpoints {
        settings.checkpoint_interval = Duration::from_millis(7);
    }
    Database::builder().settings(settings)
}

/// Rows of a writer after so many transactions: each inserts one, every third changes one, every fourth deletes one.
fn rows_after(done: i64) -> BTreeMap<i64, (i64, i64)> {
    let mut rows = BTreeMap::new();
    for k in 1..=done {
        rows.insert(k, (k % 7, k));
        if k % 3 == 0
            && let Some((_, n)) = rows.get_mut(&(k - 2))
        {
            *n += 1_000;
        }
        if k % 4 == 0 {
            rows.remove(&(k - 3));
        }
    }
    rows
}

fn transaction(db: &Database, writer: i64, k: i64) -> tailwater::Result<u64> {
    let committed = db.update(|tx| {
        tx.exec("INSERT INTO t VALUES (?, ?, ?, ?)", params![writer, k, k % 7, k])?;
        if k % 3 == 0 {
            tx.exec("UPDATE t SET n = n + 1000 WHERE writer = ? AND k = ?", params![writer, k - 2])?;
        }
        if k % 4 == 0 {
            tx.exec("DELETE FROM t WHERE writer = ? AND k = ?", params![writer, k - 3])?;
        }
        tx.exec(
            "INSERT INTO progress VALUES (?, ?) ON CONFLICT (writer) DO UPDATE SET done = excluded.done",
            params![writer, k],
        )
    })?;
    Ok(committed.lsn.0)
}

/// The child: opens the database and commits until it is killed. Says `writer k lsn` after each commit.
///
/// # Errors
/// What the database answers.
pub fn child(dir: &Path) -> tailwater::Result<()> {
    let db = builder(true).open(dir)?;
    db.exec(SCHEMA, ())?;
    let said = Mutex::new(std::io::stdout());
    std::thread::scope(|scope| {
        let writers = (0..WRITERS).map(|writer| {
            let (db, said) = (&db, &said);
            scope.spawn(move || -> tailwater::Result<()> {
                let mut k = done(db, writer)?;
                loop {
                    k += 1;
                    let lsn = transaction(db, writer, k)?;
                    let line = format!("{writer} {k} {lsn}\n");
                    let Ok(mut said) = said.lock() else {
                        return Ok(());
                    };
                    if said
                        .write_all(line.as_bytes())
                        .and_then(|()| said.flush())
                        .is_err()
                    {
                        return Ok(());
                    }
                }
            })
        });
        let writers: Vec<_> = writers.collect();
        writers
            .into_iter()
            .try_for_each(|writer| writer.join().unwrap_or(Ok(())))
    })
}

fn done(db: &Database, writer: i64) -> tailwater::Result<i64> {
    let row = db
        .query(
            "SELECT done FROM progress WHERE writer = ?",
            params![writer],
        )?
        .first()?;
    row.map_or(Ok(0), |row| row.get(0))
}

/// The parent: one database, killed again and again.
pub struct Kills {
    dir: tempfile::TempDir,
    rng: Rng,
    seed: u64,
    round: u64,
    /// What children said: transactions by writer, and the newest LSN.
    told: BTreeMap<i64, i64>,
    lsn: u64,
    consumer: Consumer,
}

impl Kills {
    /// A new database to kill.
    ///
    /// # Errors
    /// When there is no folder for it.
    pub fn new(seed: u64) -> Result<Self, String> {
        Ok(Self {
            dir: tempfile::tempdir().map_err(|error| error.to_string())?,
            rng: Rng::new(seed),
            seed,
            round: 0,
            told: BTreeMap::new(),
            lsn: 0,
            consumer: Consumer::new("groups".to_owned(), 0),
        })
    }

    /// Starts a child, kills it, and looks at what is left.
    ///
    /// # Errors
    /// What does not hold, with seed and round.
    pub fn round(&mut self, tally: &mut Tally) -> Result<(), String> {
        self.round += 1;
        self.kill(tally)
            .and_then(|()| self.look(tally))
            .map_err(|what| {
                format!(
                    "violation: after kill {} of seed {}, {what}\n",
                    self.round, self.seed
                )
            })
    }

    fn path(&self) -> std::path::PathBuf {
        self.dir.path().join("db")
    }

    fn kill(&mut self, tally: &mut Tally) -> Result<(), String> {
        let text = |error: std::io::Error| error.to_string();
        let program = std::env::current_exe().map_err(text)?;
        let mut child = Command::new(program)
            .arg("--child")
            .arg(self.path())
            .args(
                super::mutant::active()
                    .into_iter()
                    .flat_map(|name| ["--mutant", name]),
            )
            .stdout(Stdio::piped())
            .spawn()
            .map_err(text)?;
        let out = child.stdout.take().ok_or("the child has no output")?;
        let life = Duration::from_micros(self.rng.below(LIFE_MS_MAX * 1_000) as u64);
        let (say, heard) = mpsc::channel();
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                // The parent listens until the end of the output.
                let _ = say.send(line);
            }
        });
        let mut lines = Vec::new();
        // Now and then it is killed while it opens.
        if self.rng.below(5) > 0
            && let Ok(line) = heard.recv_timeout(PATIENCE)
        {
            lines.push(line);
        }
        let killed_at = Instant::now() + life;
        loop {
            let left = killed_at.saturating_duration_since(Instant::now());
            match heard.recv_timeout(left) {
                Ok(line) if !left.is_zero() => lines.push(line),
                Ok(line) => {
                    lines.push(line);
                    break;
                }
                // Its time is over, or it has ended by itself.
                Err(_) => break,
            }
        }
        let ended = child.try_wait().map_err(text)?;
        child.kill().map_err(text)?;
        child.wait().map_err(text)?;
        lines.extend(heard.iter());
        reader
            .join()
            .map_err(|_| "the reader of its output panicked")?;
        if let Some(status) = ended {
            return Err(format!("the child ended by itself: {status}"));
        }
        for line in &lines {
            let mut numbers = line.split(' ').map(str::parse::<i64>);
            // The last line may be cut off.
            let (Some(Ok(writer)), Some(Ok(k)), Some(Ok(lsn))) =
                (numbers.next(), numbers.next(), numbers.next())
            else {
                continue;
            };
            self.told.insert(writer, k);
            self.lsn = self.lsn.max(lsn.unsigned_abs());
            tally.acknowledged += 1;
        }
        tally.kills += 1;
        Ok(())
    }

    fn look(&mut self, tally: &mut Tally) -> Result<(), String> {
        let db = builder(false).without_background().open(self.path());
        let db = db.map_err(|error| format!("it does not open: {error}"))?;
        db.exec(SCHEMA, ()).map_err(|error| error.to_string())?;
        let found = db.recovery().last_lsn.0;
        if found < self.lsn {
            return Err(format!("it is at {found}, {} was acknowledged", self.lsn));
        }
        for writer in 0..WRITERS {
            let done = done(&db, writer).map_err(|error| error.to_string())?;
            let told = self.told.get(&writer).copied().unwrap_or(0);
            if done < told {
                return Err(format!(
                    "writer {writer} has done {done}, {told} were acknowledged"
                ));
            }
            let sql = "SELECT k, grp, n FROM t WHERE writer = ? ORDER BY k";
            let rows = db
                .query(sql, params![writer])
                .and_then(tailwater::Rows::collect_rows);
            let rows = rows.map_err(|error| error.to_string())?;
            let rows = rows
                .iter()
                .filter_map(|row| Some((row.get(0).ok()?, (row.get(1).ok()?, row.get(2).ok()?))));
            let rows: BTreeMap<i64, (i64, i64)> = rows.collect();
            if rows != rows_after(done) {
                return Err(format!(
                    "writer {writer} has done {done}, but its {} rows are not those",
                    rows.len()
                ));
            }
        }
        for view in ["groups", "writers"] {
            tally.view_comparisons += 1;
            let row = db
                .query(&format!("CHECK VIEW {view}"), ())
                .and_then(tailwater::Rows::first);
            let row = row.map_err(|error| format!("{view}: {error}"))?;
            if row.and_then(|row| row.get::<i64>("differences").ok()) != Some(0) {
                return Err(format!("{view} is not its query"));
            }
        }
        tally.feeds += 1;
        if self.consumer.take(&db)? == Taken::Reset {
            return Err(format!("the feed cannot go on after {}", self.consumer.lsn));
        }
        self.consumer.compare(&db)
    }
}
