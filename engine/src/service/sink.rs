//! `MessageSink`: many messages, of which each is a commit, and one answer when all of them are durable.
//!
//! Commits are on their way together: a message waits only for room. Next door: `write`, which does one.

use std::collections::VecDeque;
use std::sync::Arc;

use tailwater_proto::Lsn;

use super::options::CallOptions;
use super::versions::Current;
use super::write::Write;
use crate::database::Database;
use crate::error::{Error, Result};
use crate::ticket::Ticket;

/// Commits of one sink that are not known to be durable.
const OUTSTANDING_MAX: usize = 256;

/// Takes the messages of one call.
///
/// A message that fails is not stored, and neither is any after it; those before it are. What [`stored`](Self::stored) says
/// then is what to tell the caller with the error: with an idempotency key he can send all of them again.
///
/// ```
/// use tailwater::Database;
/// use tailwater::module::ModuleSource;
/// use tailwater::service::{CallOptions, Services};
///
/// # fn main() -> tailwater::Result<()> {
/// let db = Database::memory()?;
/// db.install_module(&ModuleSource::new("s.proto", r#"syntax = "proto3";
///     service S { rpc Add(stream Item) returns (Done); }
///     message Item { string id = 1; } message Done { string status = 1; int64 count = 2; }"#))?;
/// let services = Services::new(&db).current()?;
/// let add = services.method("/S/Add").unwrap();
/// let mut sink = add.open_sink(&db, &CallOptions::default())?;
/// sink.push(b"\x0a\x01a")?;
/// assert_eq!(sink.push(b"\x0a\x01a").unwrap_err().sqlstate(), "23505");
/// assert_eq!(sink.stored()?.count, 1); // and durable
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct MessageSink {
    db: Database,
    /// What the last message did, which the next one does, too, unless a new version of the module comes.
    write: Current<Write>,
    key: Option<String>,
    messages: u64,
    rows: u64,
    lsn: Lsn,
    outstanding: VecDeque<Ticket>,
    /// A message was not stored.
    has_failed: bool,
}

/// What is durable of a call that sends many messages.
///
/// ```
/// let nothing = tailwater::service::Stored::default();
/// assert_eq!((nothing.count, nothing.lsn.0), (0, 0));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// How many messages, from the first on.
    pub count: u64,
    /// The commit of the last of them, or one after it.
    pub lsn: Lsn,
}

impl MessageSink {
    pub(super) fn new(db: &Database, write: Arc<Write>, options: &CallOptions) -> Self {
        Self {
            db: db.clone(),
            write: Current {
                does: write,
                set: None,
            },
            key: options.idempotency_key.clone(),
            messages: 0,
            rows: 0,
            lsn: Lsn::ZERO,
            outstanding: VecDeque::new(),
            has_failed: false,
        }
    }

    /// Takes the next message. Its commit is on its way then; others see it when it is durable.
    ///
    /// # Errors
    /// `22P03` for bytes that are no such message, and what the statement fails with.
    ///
    /// ```
    /// # use tailwater::module::ModuleSource;
    /// # fn main() -> tailwater::Result<()> {
    /// # let db = tailwater::Database::memory()?;
    /// # db.install_module(&ModuleSource::new("s.proto", "syntax = \"proto3\"; service S { rpc Add(stream Item) returns (Done); } message Item { string id = 1; } message Done {}"))?;
    /// let services = tailwater::service::Services::new(&db).current()?;
    /// let mut sink = services.method("/S/Add").unwrap().open_sink(&db, &Default::default())?;
    /// assert_eq!(sink.push(b"\x0a\xff").unwrap_err().sqlstate(), "22P03");
    /// # Ok(())
    /// # }
    /// ```
    pub fn push(&mut self, message: &[u8]) -> Result<()> {
        if self.has_failed {
            return Err(Error::statement(
                "25P02",
                "a message before failed: nothing after it is stored",
            ));
        }
        self.has_failed = true;
        // Of a stream that is sent again under its key, each message is known by its place.
        let key = (self.key.as_ref()).map(|key| format!("{key}#{}", self.messages));
        let submitted = self.write.does.submit(&self.db, message, key.as_deref())?;
        self.messages += 1;
        self.rows += submitted.done.rows;
        let mut ticket = submitted.ticket;
        // Whoever sends may rest now, and nobody waits: it becomes durable, and others see it, all the same.
        ticket.press();
        self.outstanding.push_back(ticket);
        if submitted.by.set.is_some() {
            self.write = submitted.by;
        }
        if self.outstanding.len() >= OUTSTANDING_MAX {
            self.wait_for_first()?;
        }
        self.has_failed = false;
        Ok(())
    }

    /// What is stored, once all that was taken is durable.
    ///
    /// # Errors
    /// `40003` if the log fails meanwhile.
    ///
    /// ```
    /// # use tailwater::module::ModuleSource;
    /// # fn main() -> tailwater::Result<()> {
    /// # let db = tailwater::Database::memory()?;
    /// # db.install_module(&ModuleSource::new("s.proto", "syntax = \"proto3\"; service S { rpc Add(stream Item) returns (Done); } message Item { string id = 1; } message Done {}"))?;
    /// let services = tailwater::service::Services::new(&db).current()?;
    /// let mut sink = services.method("/S/Add").unwrap().open_sink(&db, &Default::default())?;
    /// sink.push(b"\x0a\x03tea")?;
    /// assert_eq!(sink.stored()?.lsn, db.visible_lsn());
    /// # Ok(())
    /// # }
    /// ```
    pub fn stored(&mut self) -> Result<Stored> {
        while !self.outstanding.is_empty() {
            self.wait_for_first()?;
        }
        Ok(Stored {
            count: self.messages,
            lsn: self.lsn,
        })
    }

    /// Ends the call: waits until all is durable, and answers.
    ///
    /// # Errors
    /// As [`stored`](Self::stored).
    ///
    /// ```
    /// # use tailwater::module::ModuleSource;
    /// # fn main() -> tailwater::Result<()> {
    /// # let db = tailwater::Database::memory()?;
    /// # db.install_module(&ModuleSource::new("s.proto", "syntax = \"proto3\"; service S { rpc Add(stream Item) returns (Done); } message Item { string id = 1; } message Done { string status = 1; }"))?;
    /// let services = tailwater::service::Services::new(&db).current()?;
    /// let sink = services.method("/S/Add").unwrap().open_sink(&db, &Default::default())?;
    /// assert!(sink.finish()?.ends_with(b"stored 0, lsn 0"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn finish(mut self) -> Result<Vec<u8>> {
        let stored = self.stored()?;
        Ok(self.write.does.acknowledge(self.rows, stored.lsn))
    }

    fn wait_for_first(&mut self) -> Result<()> {
        if let Some(ticket) = self.outstanding.pop_front() {
            self.lsn = self.lsn.max(ticket.wait()?);
        }
        Ok(())
    }
}
