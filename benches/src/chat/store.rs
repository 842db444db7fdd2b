//! `Store`: the peer's database: SQLite in WAL mode, `synchronous=FULL`, one thread that writes and a connection that reads.
//!
//! Each message is a transaction of its own, as it is with us; with [`Batching::Waiting`] those that wait for the thread
//! meanwhile share one, which is what somebody would do who has measured. Next door: `service`.

use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};

use parking_lot::Mutex;
use rusqlite::{Connection, params};
use tokio::sync::oneshot;

use super::{Channel, ChatMessage};
use crate::Result;
use crate::peer::sqlite::{Sync, connect};

/// Which messages share a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Batching {
    /// None: each has its own.
    None,
    /// Those that wait for the writer.
    Waiting,
}

/// Messages that share a transaction at most.
const BATCH_MAX: usize = 256;
const INSERT: &str =
    "INSERT INTO message (sender, channel, channel_sender, text) VALUES (?1, ?2, ?3, ?4)";
const NEWEST: &str = "SELECT id, sender, channel, channel_sender, text FROM message
     WHERE channel = ?1 ORDER BY id DESC LIMIT 100";

/// A message to be stored, and who is told its number.
struct Job {
    message: ChatMessage,
    done: oneshot::Sender<Result<i64, String>>,
}

/// The peer's database.
pub struct Store {
    jobs: Sender<Job>,
    reading: Mutex<Connection>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

impl Store {
    /// Opens a new one in a file. `stored` is told every message that is durable, in order.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn open(
        path: &Path,
        batching: Batching,
        stored: impl Fn(i64, &ChatMessage) + Send + 'static,
    ) -> Result<Self> {
        let writing = connect(path, Sync::Full)?;
        writing.execute_batch(
            "CREATE TABLE message (id INTEGER PRIMARY KEY, sender TEXT NOT NULL, channel TEXT NOT NULL,
                 channel_sender TEXT NOT NULL, text TEXT NOT NULL);
             CREATE INDEX message_of_channel ON message (channel, id)",
        )?;
        let reading = Mutex::new(connect(path, Sync::Full)?);
        let (jobs, waiting) = channel();
        std::thread::spawn(move || write(writing, &waiting, batching, stored));
        Ok(Self { jobs, reading })
    }

    /// Stores a message; returns its number once it is durable.
    ///
    /// # Errors
    /// When the disk fails.
    pub async fn insert(&self, message: ChatMessage) -> Result<i64, String> {
        let (done, told) = oneshot::channel();
        let gone = |_| "the writer is gone".to_owned();
        self.jobs
            .send(Job { message, done })
            .map_err(|_| "the writer is gone".to_owned())?;
        told.await.map_err(gone)?
    }

    /// The newest messages of a channel, the oldest first, with their numbers.
    ///
    /// # Errors
    /// When the file is damaged.
    pub fn newest(&self, channel: &str) -> Result<Vec<(i64, ChatMessage)>> {
        let reading = self.reading.lock();
        let mut statement = reading.prepare_cached(NEWEST)?;
        let rows = statement.query_map([channel], |row| {
            let message = ChatMessage {
                sender: row.get(1)?,
                channel: Some(Channel {
                    name: row.get(2)?,
                    senders_name: row.get(3)?,
                }),
                message: row.get(4)?,
            };
            Ok((row.get(0)?, message))
        })?;
        let mut newest = rows.collect::<Result<Vec<_>, _>>()?;
        newest.reverse();
        Ok(newest)
    }
}

/// Writes until nobody can ask for it any more.
fn write(
    mut connection: Connection,
    waiting: &Receiver<Job>,
    batching: Batching,
    stored: impl Fn(i64, &ChatMessage),
) {
    while let Ok(first) = waiting.recv() {
        let mut jobs = vec![first];
        if batching == Batching::Waiting {
            jobs.extend(waiting.try_iter().take(BATCH_MAX - 1));
        }
        let inserted = insert_all(&mut connection, &jobs).map_err(|error| error.to_string());
        for (at, job) in jobs.into_iter().enumerate() {
            let told = match &inserted {
                Ok(ids) => ids.get(at).copied().ok_or_else(String::new),
                Err(error) => Err(error.clone()),
            };
            if let Ok(id) = told {
                stored(id, &job.message);
            }
            // Whoever asked may have gone away.
            let _ = job.done.send(told);
        }
    }
}

fn insert_all(connection: &mut Connection, jobs: &[Job]) -> rusqlite::Result<Vec<i64>> {
    let txn = connection.transaction()?;
    let mut ids = Vec::with_capacity(jobs.len());
    {
        let mut insert = txn.prepare_cached(INSERT)?;
        for Job { message, .. } in jobs {
            let channel = message.channel.as_ref();
            let name = channel.map_or("", |channel| &channel.name);
            let channel_sender = channel.map_or("", |channel| &channel.senders_name);
            insert.execute(params![
                message.sender,
                name,
                channel_sender,
                message.message
            ])?;
            ids.push(txn.last_insert_rowid());
        }
    }
    txn.commit()?;
    Ok(ids)
}
