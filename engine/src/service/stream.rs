//! `MessageStream`: the answers of a call that streams, one by one, and from where each goes on.
//!
//! It holds the rows there are, then one commit's messages at a time; who does not take them holds nobody up. Next door: `follow` and `query`.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use tailwater_capture::{Event, FeedChange, FrameStream, Op};
use tailwater_proto::{Lsn, sqlstate};

use super::follow::{Follow, Told};
use super::method::Action;
use super::options::CallOptions;
use super::query::RowMessages;
use crate::database::Database;
use crate::error::{Error, ErrorKind, Result};
use crate::feed;

/// The number of the field, a string, in which a message carries its token for who asked for it. The greatest there is: nobody
/// has it, and who does not know it passes over it.
///
/// ```
/// assert_eq!(tailwater::service::TOKEN_FIELD, 536_870_911);
/// ```
pub const TOKEN_FIELD: u32 = (1 << 29) - 1;

/// A message, or a step forward without one.
///
/// ```
/// let item = tailwater::service::StreamItem::default();
/// assert!(item.message.is_none() && item.token.is_none());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamItem {
    /// The bytes of the message. Without one, nothing was told but the token.
    pub message: Option<Vec<u8>>,
    /// From where a call goes on behind this message; `None` within the rows there are, or within a commit.
    pub token: Option<String>,
    /// The commit that the message tells of, or up to which all is told; of the rows there are, the one they are read at.
    pub lsn: Lsn,
}

/// The answers of a call that streams.
///
/// Of a row that is deleted nothing is told, and one whose message changes is told again: a plain message has no place for
/// more. Who needs it subscribes to the table.
///
/// ```
/// use tailwater::Database;
/// use tailwater::module::ModuleSource;
/// use tailwater::service::{CallOptions, Services};
///
/// # fn main() -> tailwater::Result<()> {
/// let db = Database::memory()?;
/// db.install_module(&ModuleSource::new("s.proto", r#"syntax = "proto3";
///     service S { rpc All(Of) returns (stream Item); } message Of {} message Item { string id = 1; }"#))?;
/// db.exec("INSERT INTO item VALUES ('salt'), ('tea')", ())?;
/// let services = Services::new(&db).current()?;
/// let all = services.method("/S/All").unwrap();
/// let mut stream = all.open_stream(&db, b"", &CallOptions { limit: Some(1), ..Default::default() })?;
/// let newest = stream.recv()?.unwrap();
/// assert_eq!(newest.message.as_deref(), Some(&b"\x0a\x03tea"[..]));
///
/// let since = CallOptions { since: newest.token, ..Default::default() };
/// drop(stream);
/// db.exec("INSERT INTO item VALUES ('oil')", ())?; // while nobody listens
/// let mut stream = all.open_stream(&db, b"", &since)?;
/// assert_eq!(stream.recv()?.unwrap().message.as_deref(), Some(&b"\x0a\x03oil"[..]));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct MessageStream {
    source: Source,
    ready: VecDeque<StreamItem>,
    with_tokens: bool,
    has_ended: bool,
}

enum Source {
    Rows(RowMessages),
    Changes(Box<Changes>),
}

/// What comes and changes, and how it is told.
struct Changes {
    frames: FrameStream,
    told: Told,
    /// What is told from a commit on, or from the first row of its version.
    next: Option<(Lsn, Told)>,
    /// What was told before, while the commit lasts in which that changed.
    before: Option<(Lsn, Told)>,
    selection: u64,
    /// The version of the catalog that was looked at last.
    version: u64,
    request: Vec<u8>,
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Rows(_) => "Rows",
            Self::Changes(_) => "Changes",
        })
    }
}

impl MessageStream {
    pub(super) const fn reading(rows: RowMessages) -> Self {
        Self {
            source: Source::Rows(rows),
            ready: VecDeque::new(),
            with_tokens: false,
            has_ended: false,
        }
    }

    pub(super) fn following(
        db: &Database,
        follow: &Arc<Follow>,
        request: &[u8],
        options: &CallOptions,
    ) -> Result<Self> {
        let followed = follow.open(db, request, options)?;
        let mut stream = Self {
            source: Source::Changes(Box::new(Changes {
                frames: followed.changes,
                told: followed.told,
                next: None,
                before: None,
                selection: followed.selection,
                version: followed.version,
                request: request.to_vec(),
            })),
            ready: VecDeque::new(),
            with_tokens: options.with_tokens,
            has_ended: false,
        };
        if options.since.is_none() {
            stream.push(followed.first.into(), Some(followed.token), followed.lsn);
        }
        Ok(stream)
    }

    /// The next answer; waits for it. `None` behind the last one, or once the database is closed.
    ///
    /// # Errors
    /// `72000` if the changes cannot be given without a gap: call again without a token.
    ///
    /// ```
    /// # use tailwater::module::ModuleSource;
    /// # fn main() -> tailwater::Result<()> {
    /// # let db = tailwater::Database::memory()?;
    /// # db.install_module(&ModuleSource::new("s.proto", "syntax = \"proto3\"; service S { rpc All(Of) returns (stream Item); } message Of {} message Item { string id = 1; }"))?;
    /// let services = tailwater::service::Services::new(&db).current()?;
    /// let mut stream = services.method("/S/All").unwrap().open_stream(&db, b"", &Default::default())?;
    /// let first = stream.recv()?.unwrap();
    /// assert!(first.message.is_none() && first.token.is_some()); // there are no rows: from here on
    /// # Ok(())
    /// # }
    /// ```
    pub fn recv(&mut self) -> Result<Option<StreamItem>> {
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        let mut context = Context::from_waker(&waker);
        loop {
            if let Poll::Ready(item) = self.poll_next(&mut context) {
                return item.transpose();
            }
            std::thread::park();
        }
    }

    /// The next answer if there is one now; `None` also if the stream is at its end.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    ///
    /// ```
    /// # use tailwater::module::ModuleSource;
    /// # fn main() -> tailwater::Result<()> {
    /// # let db = tailwater::Database::memory()?;
    /// # db.install_module(&ModuleSource::new("s.proto", "syntax = \"proto3\"; service S { rpc All(Of) returns (stream Item); } message Of {} message Item { string id = 1; }"))?;
    /// let services = tailwater::service::Services::new(&db).current()?;
    /// let mut stream = services.method("/S/All").unwrap().open_stream(&db, b"", &Default::default())?;
    /// assert!(stream.try_recv()?.is_some() && stream.try_recv()?.is_none());
    /// # Ok(())
    /// # }
    /// ```
    pub fn try_recv(&mut self) -> Result<Option<StreamItem>> {
        match self.poll_next(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(item) => item.transpose(),
            Poll::Pending => Ok(None),
        }
    }

    /// The next answer, or `Pending` until the waker is called; `None` as [`recv`](Self::recv).
    ///
    /// ```
    /// use std::task::{Context, Poll, Waker};
    /// # use tailwater::module::ModuleSource;
    /// # fn main() -> tailwater::Result<()> {
    /// # let db = tailwater::Database::memory()?;
    /// # db.install_module(&ModuleSource::new("s.proto", "syntax = \"proto3\"; service S { rpc All(Of) returns (stream Item); } message Of {} message Item { string id = 1; }"))?;
    /// let services = tailwater::service::Services::new(&db).current()?;
    /// let mut stream = services.method("/S/All").unwrap().open_stream(&db, b"", &Default::default())?;
    /// let mut context = Context::from_waker(Waker::noop()); // an executor brings its own
    /// assert!(matches!(stream.poll_next(&mut context), Poll::Ready(Some(Ok(_)))));
    /// assert!(stream.poll_next(&mut context).is_pending());
    /// # Ok(())
    /// # }
    /// ```
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<StreamItem>>> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Poll::Ready(Some(Ok(item)));
            }
            if self.has_ended {
                return Poll::Ready(None); // Behind an error there would be a gap.
            }
            let event = match &mut self.source {
                Source::Rows(rows) => {
                    let item = |message| StreamItem {
                        message: Some(message),
                        ..StreamItem::default()
                    };
                    return Poll::Ready(rows.next().map(|next| next.map(item)).transpose());
                }
                Source::Changes(changes) => {
                    match Pin::new(&mut changes.frames).poll_next(context) {
                        Poll::Pending => return Poll::Pending,
                        Poll::Ready(None) => return Poll::Ready(None),
                        Poll::Ready(Some(event)) => event.map_err(feed::feed_error),
                    }
                }
            };
            if let Err(error) = event.and_then(|event| self.take(event)) {
                self.has_ended = true;
                return Poll::Ready(Some(Err(error)));
            }
        }
    }

    /// A number that differs where streams of one method follow other rows; `None` for rows that are only read. Two streams of
    /// the same are told the same of each commit.
    ///
    /// ```
    /// # use tailwater::module::ModuleSource;
    /// # fn main() -> tailwater::Result<()> {
    /// # let db = tailwater::Database::memory()?;
    /// # db.install_module(&ModuleSource::new("s.proto", "syntax = \"proto3\"; service S { rpc Of(Place) returns (stream Item); } message Place { string place_id = 1; } message Item { string id = 1; string place_id = 2; }"))?;
    /// let services = tailwater::service::Services::new(&db).current()?;
    /// let of = services.method("/S/Of").unwrap();
    /// let open = |place: &[u8]| of.open_stream(&db, place, &Default::default());
    /// let ulm = open(b"\x0a\x03Ulm")?.selection();
    /// assert_eq!(ulm, open(b"\x0a\x03Ulm")?.selection());
    /// assert_ne!(ulm, open(b"\x0a\x04Bonn")?.selection());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn selection(&self) -> Option<u64> {
        match &self.source {
            Source::Rows(_) => None,
            Source::Changes(changes) => Some(changes.selection),
        }
    }

    /// How far the stream has come without a word, if that is further than what it told last: an item without a message. To be
    /// asked when it is idle.
    ///
    /// ```
    /// # use tailwater::module::ModuleSource;
    /// # fn main() -> tailwater::Result<()> {
    /// # let db = tailwater::Database::memory()?;
    /// # db.install_module(&ModuleSource::new("s.proto", "syntax = \"proto3\"; service S { rpc All(Of) returns (stream Item); } message Of {} message Item { string id = 1; }"))?;
    /// let services = tailwater::service::Services::new(&db).current()?;
    /// let mut stream = services.method("/S/All").unwrap().open_stream(&db, b"", &Default::default())?;
    /// while stream.try_recv()?.is_some() {}
    /// db.exec("CREATE TABLE other (id INT PRIMARY KEY)", ())?;
    /// assert!(stream.try_recv()?.is_none());
    /// assert_eq!(stream.progress().unwrap().lsn, db.visible_lsn());
    /// # Ok(())
    /// # }
    /// ```
    pub fn progress(&mut self) -> Option<StreamItem> {
        let Source::Changes(changes) = &mut self.source else {
            return None;
        };
        if !self.ready.is_empty() {
            return None;
        }
        match changes.frames.progress()? {
            Event::Progress { lsn, token } => Some(StreamItem {
                message: None,
                token: Some(token.to_string()),
                lsn,
            }),
            _ => None,
        }
    }

    fn take(&mut self, event: Event) -> Result<()> {
        let Source::Changes(changes) = &mut self.source else {
            return Ok(());
        };
        match event {
            Event::Frame(frame) => {
                changes.look_for_newer();
                let mut messages = Vec::with_capacity(frame.changes.len());
                for change in &frame.changes {
                    messages.extend(changes.message(frame.lsn, change)?);
                }
                let token = (!frame.more).then(|| frame.token.to_string());
                self.push(messages, token, frame.lsn);
                Ok(())
            }
            Event::Progress { token, lsn } | Event::SnapshotEnd { token, lsn } => {
                self.push(Vec::new(), Some(token.to_string()), lsn);
                Ok(())
            }
            Event::SnapshotBegin { .. } | Event::SnapshotRows { .. } => Ok(()),
            Event::Reset { reason, .. } => Err(Error::new(
                ErrorKind::Stopped,
                sqlstate::SNAPSHOT_TOO_OLD,
                format!("the stream cannot go on without a gap: {reason}"),
            )
            .with_hint("call again without a token: the rows there are come first")),
        }
    }

    /// Messages of which the last is the one that the token stands behind.
    fn push(&mut self, messages: Vec<Vec<u8>>, token: Option<String>, lsn: Lsn) {
        let last = messages.len().checked_sub(1);
        if last.is_none() && token.is_some() {
            self.ready.push_back(StreamItem {
                message: None,
                token: token.clone(),
                lsn,
            });
        }
        for (at, mut message) in messages.into_iter().enumerate() {
            let token = (Some(at) == last).then(|| token.clone()).flatten();
            if let (true, Some(token)) = (self.with_tokens, &token) {
                prost::encoding::string::encode(TOKEN_FIELD, token, &mut message);
            }
            self.ready.push_back(StreamItem {
                message: Some(message),
                token,
                lsn,
            });
        }
    }
}

impl Changes {
    /// Notes what the method says since a new version of its module is there. Where that means other rows, or is no such method
    /// any more, the stream goes on with what it began with.
    fn look_for_newer(&mut self) {
        let told = self.next.as_ref().map_or(&self.told, |(_, told)| told);
        let newer = told.home().newer(&mut self.version, Action::follow);
        if let Ok(Some((lsn, newer))) = newer
            && let Ok(Some(next)) = told.renewed(newer, &self.request)
        {
            self.next = Some((lsn, next));
        }
    }

    /// What is told of a change: the row as it is, unless that is what was told before. So a table that gets a column more, and
    /// with it all its rows, is not told anew to who did not know the column.
    fn message(&mut self, lsn: Lsn, change: &FeedChange) -> Result<Option<Vec<u8>>> {
        // After several changes at once it is not known which of them came with the new version: rows of a schema that what
        // is told so far does not know are told by what it has become.
        let is_another = change.schema_version > self.told.schema_version();
        let is_reached = |(from, _): &mut (Lsn, Told)| lsn >= *from || is_another;
        if let Some((_, next)) = self.next.take_if(is_reached) {
            self.before = Some((lsn, std::mem::replace(&mut self.told, next)));
        }
        if self.before.as_ref().is_some_and(|(at, _)| *at != lsn) {
            self.before = None;
        }
        let (Op::Insert | Op::Update, Some(after)) = (change.op, &change.after) else {
            return Ok(None);
        };
        let message = self.told.message(after)?;
        let Some(row_before) = &change.before else {
            return Ok(Some(message));
        };
        let is_as_before = match &self.before {
            Some((_, told)) => {
                let before = told.message(row_before)?;
                message == before || told.message(after).is_ok_and(|after| after == before)
            }
            None => self.told.message(row_before)? == message,
        };
        Ok((!is_as_before).then_some(message))
    }
}

/// Wakes the thread that waits for a stream.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
