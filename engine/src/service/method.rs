//! `Method`: one method of a service, ready to be called.

use std::sync::Arc;

use prost_reflect::{FileDescriptor, MessageDescriptor};

use super::answer_ticket::AnswerTicket;
use super::follow::Follow;
use super::options::CallOptions;
use super::query::Query;
use super::sink::MessageSink;
use super::stream::MessageStream;
use super::versions::Home;
use super::write::Write;
use crate::database::Database;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::module::{Binding, CallKind, MethodPlan, ModulePlan, path_of};
use crate::txn::Transaction;

/// A method.
///
/// ```
/// use tailwater::module::{CallKind, ModuleSource};
///
/// # fn main() -> tailwater::Result<()> {
/// let db = tailwater::Database::memory()?;
/// let text = "syntax = \"proto3\"; message Item { string id = 1; } service S { rpc GetItem(Item) returns (Item); }";
/// db.install_module(&ModuleSource::new("s.proto", text))?;
/// let services = tailwater::service::Services::new(&db).current()?;
/// let method = services.method("/S/GetItem").unwrap();
/// assert_eq!((method.kind(), method.input().full_name()), (CallKind::Unary, "Item"));
/// let nothing = method.call(&db, b"\x0a\x03tea", &Default::default()).unwrap_err();
/// assert_eq!(nothing.sqlstate(), "P0002");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Method {
    path: String,
    kind: CallKind,
    input: MessageDescriptor,
    output: MessageDescriptor,
    action: Action,
}

/// What a method does.
#[derive(Debug)]
pub(super) enum Action {
    Follow(Arc<Follow>),
    Query(Arc<Query>),
    Write(Arc<Write>),
    Unbound { why: String, option: Option<String> },
}

impl Method {
    /// The methods of a module.
    pub(super) fn all(
        engine: &Arc<Engine>,
        txn: &Transaction,
        file: &FileDescriptor,
        plan: &ModulePlan,
        home: &dyn Fn(&str, CallKind) -> Arc<Home>,
    ) -> Result<Vec<Self>> {
        let methods = file
            .services()
            .flat_map(|service| service.methods().collect::<Vec<_>>());
        let mut all = Vec::new();
        for descriptor in methods {
            let path = path_of(&descriptor);
            let mut planned = plan.methods.iter();
            let Some(planned) = planned.find(|planned| planned.path == path) else {
                continue;
            };
            let (input, output) = (descriptor.input(), descriptor.output());
            let form = Form {
                method: planned,
                plan,
                input: &input,
                output: &output,
                home: &home(&path, planned.kind),
            };
            let action = match action(engine, txn, &form) {
                Err(error) if error.kind() == ErrorKind::Statement => unbound_by(&error),
                other => other?,
            };
            all.push(Self {
                action,
                kind: planned.kind,
                path,
                input,
                output,
            });
        }
        Ok(all)
    }

    /// `/package.Service/Method`.
    ///
    /// ```
    /// # use tailwater::module::ModuleSource;
    /// # fn main() -> tailwater::Result<()> {
    /// # let db = tailwater::Database::memory()?;
    /// let text = "syntax = \"proto3\"; message Item { string id = 1; } service S { rpc GetItem(Item) returns (Item); }";
    /// db.install_module(&ModuleSource::new("s.proto", text))?;
    /// let services = tailwater::service::Services::new(&db).current()?;
    /// assert_eq!(services.methods().next().unwrap().path(), "/S/GetItem");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// How it is called.
    ///
    /// ```
    /// # use tailwater::module::{CallKind, ModuleSource};
    /// # fn main() -> tailwater::Result<()> {
    /// # let db = tailwater::Database::memory()?;
    /// let text = "syntax = \"proto3\"; message Item { string id = 1; } service S { rpc All(stream Item) returns (Done); } message Done {}";
    /// db.install_module(&ModuleSource::new("s.proto", text))?;
    /// let services = tailwater::service::Services::new(&db).current()?;
    /// assert_eq!(services.methods().next().unwrap().kind(), CallKind::ClientStreaming);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn kind(&self) -> CallKind {
        self.kind
    }

    /// The message, or messages, it is called with.
    ///
    /// ```
    /// # use tailwater::module::ModuleSource;
    /// # fn main() -> tailwater::Result<()> {
    /// # let db = tailwater::Database::memory()?;
    /// let text = "syntax = \"proto3\"; message Item { string id = 1; } service S { rpc All(stream Item) returns (Done); } message Done {}";
    /// db.install_module(&ModuleSource::new("s.proto", text))?;
    /// let services = tailwater::service::Services::new(&db).current()?;
    /// assert_eq!(services.methods().next().unwrap().input().full_name(), "Item");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn input(&self) -> &MessageDescriptor {
        &self.input
    }

    /// The message, or messages, it answers with.
    ///
    /// ```
    /// # use tailwater::module::ModuleSource;
    /// # fn main() -> tailwater::Result<()> {
    /// # let db = tailwater::Database::memory()?;
    /// let text = "syntax = \"proto3\"; message Item { string id = 1; } service S { rpc All(stream Item) returns (Done); } message Done {}";
    /// db.install_module(&ModuleSource::new("s.proto", text))?;
    /// let services = tailwater::service::Services::new(&db).current()?;
    /// assert_eq!(services.methods().next().unwrap().output().full_name(), "Done");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn output(&self) -> &MessageDescriptor {
        &self.output
    }

    /// Whether it changes something.
    ///
    /// ```
    /// # use tailwater::module::ModuleSource;
    /// # fn main() -> tailwater::Result<()> {
    /// # let db = tailwater::Database::memory()?;
    /// let text = "syntax = \"proto3\"; message Item { string id = 1; } service S { rpc GetItem(Item) returns (Item); rpc CreateItem(Item) returns (Item); }";
    /// db.install_module(&ModuleSource::new("s.proto", text))?;
    /// let services = tailwater::service::Services::new(&db).current()?;
    /// assert!(services.method("/S/CreateItem").unwrap().writes() && !services.method("/S/GetItem").unwrap().writes());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn writes(&self) -> bool {
        matches!(self.action, Action::Write(_))
    }

    /// Whether it shows rows that the caller did not send.
    ///
    /// ```
    /// # use tailwater::module::ModuleSource;
    /// # fn main() -> tailwater::Result<()> {
    /// # let db = tailwater::Database::memory()?;
    /// let text = "syntax = \"proto3\"; message Item { string id = 1; } service S { rpc GetItem(Item) returns (Item); rpc CreateItem(Item) returns (Item); }";
    /// db.install_module(&ModuleSource::new("s.proto", text))?;
    /// let services = tailwater::service::Services::new(&db).current()?;
    /// assert!(services.method("/S/GetItem").unwrap().reads() && !services.method("/S/CreateItem").unwrap().reads());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn reads(&self) -> bool {
        match &self.action {
            Action::Query(_) => true,
            Action::Write(write) => write.shows_rows(),
            Action::Follow(_) | Action::Unbound { .. } => false,
        }
    }

    /// Whether it follows what changes, instead of ending with the rows there are.
    ///
    /// ```
    /// # use tailwater::module::ModuleSource;
    /// # fn main() -> tailwater::Result<()> {
    /// # let db = tailwater::Database::memory()?;
    /// let text = "syntax = \"proto3\"; message Item { string id = 1; } service S { rpc All(Of) returns (stream Item); } message Of {}";
    /// db.install_module(&ModuleSource::new("s.proto", text))?;
    /// let services = tailwater::service::Services::new(&db).current()?;
    /// assert!(services.method("/S/All").unwrap().follows());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn follows(&self) -> bool {
        matches!(self.action, Action::Follow(_))
    }

    /// Calls it with one message, and waits until what it did is durable.
    ///
    /// # Errors
    /// `0A000` for a method that does nothing, or is not called so; `22P03` for bytes that are no such message; `P0002` if there
    /// is no row to answer with; and what the statement fails with.
    ///
    /// ```
    /// use tailwater::module::ModuleSource;
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// let db = tailwater::Database::memory()?;
    /// let text = "syntax = \"proto3\"; message Item { string id = 1; } service S { rpc CreateItem(Item) returns (Item); }";
    /// db.install_module(&ModuleSource::new("s.proto", text))?;
    /// let services = tailwater::service::Services::new(&db).current()?;
    /// let create = services.method("/S/CreateItem").unwrap();
    /// let request = b"\x0a\x03tea";
    /// assert_eq!(create.call(&db, request, &Default::default())?, request);
    /// assert_eq!(create.call(&db, request, &Default::default()).unwrap_err().sqlstate(), "23505");
    /// # Ok(())
    /// # }
    /// ```
    pub fn call(&self, db: &Database, request: &[u8], options: &CallOptions) -> Result<Vec<u8>> {
        self.submit(db, request, options)?.wait()
    }

    /// Calls it with one message, and returns as soon as the place of what it did in the order of commits is fixed.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    ///
    /// ```
    /// use tailwater::module::ModuleSource;
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// let db = tailwater::Database::memory()?;
    /// let text = "syntax = \"proto3\"; message Item { string id = 1; } service S { rpc CreateItem(Item) returns (Item); }";
    /// db.install_module(&ModuleSource::new("s.proto", text))?;
    /// let services = tailwater::service::Services::new(&db).current()?;
    /// let create = services.method("/S/CreateItem").unwrap();
    /// let tea = create.submit(&db, b"\x0a\x03tea", &Default::default())?;
    /// let oil = create.submit(&db, b"\x0a\x03oil", &Default::default())?; // on their way together
    /// assert_eq!((tea.wait()?, oil.wait()?), (b"\x0a\x03tea".to_vec(), b"\x0a\x03oil".to_vec()));
    /// # Ok(())
    /// # }
    /// ```
    pub fn submit(
        &self,
        db: &Database,
        request: &[u8],
        options: &CallOptions,
    ) -> Result<AnswerTicket> {
        match (&self.action, self.kind) {
            (Action::Query(query), CallKind::Unary) => {
                query.answer(db, request).map(AnswerTicket::ready)
            }
            (Action::Write(write), CallKind::Unary) => {
                let key = options.idempotency_key.as_deref();
                write.submit(db, request, key).map(AnswerTicket::written)
            }
            _ => Err(self.refusal("one message, one answer")),
        }
    }

    /// Begins to take messages, of which each is a commit.
    ///
    /// # Errors
    /// `0A000` for a method that does nothing, or is not called so.
    ///
    /// ```
    /// use tailwater::module::ModuleSource;
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// let db = tailwater::Database::memory()?;
    /// let text = "syntax = \"proto3\"; message Item { string id = 1; } service S { rpc GetItem(Item) returns (Item); }";
    /// db.install_module(&ModuleSource::new("s.proto", text))?;
    /// let services = tailwater::service::Services::new(&db).current()?;
    /// let get = services.method("/S/GetItem").unwrap();
    /// assert_eq!(get.open_sink(&db, &Default::default()).unwrap_err().sqlstate(), "0A000");
    /// # Ok(())
    /// # }
    /// ```
    pub fn open_sink(&self, db: &Database, options: &CallOptions) -> Result<MessageSink> {
        match (&self.action, self.kind) {
            (Action::Write(write), CallKind::ClientStreaming) => {
                Ok(MessageSink::new(db, Arc::clone(write), options))
            }
            _ => Err(self.refusal("a stream of messages, one answer")),
        }
    }

    /// Begins to answer a message with a stream of them.
    ///
    /// # Errors
    /// `0A000` for a method that does nothing, or is not called so; `22P03` for bytes that are no such message; `22023` for a
    /// token that does not fit.
    ///
    /// ```
    /// use tailwater::module::ModuleSource;
    /// use tailwater::service::CallOptions;
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// let db = tailwater::Database::memory()?;
    /// let text = "syntax = \"proto3\"; message Item { string id = 1; } service S { rpc All(Of) returns (stream Item); } message Of {}";
    /// db.install_module(&ModuleSource::new("s.proto", text))?;
    /// let services = tailwater::service::Services::new(&db).current()?;
    /// let all = services.method("/S/All").unwrap();
    /// let unfit = CallOptions { since: Some("no token".into()), ..Default::default() };
    /// assert_eq!(all.open_stream(&db, b"", &unfit).unwrap_err().sqlstate(), "22023");
    /// # Ok(())
    /// # }
    /// ```
    pub fn open_stream(
        &self,
        db: &Database,
        request: &[u8],
        options: &CallOptions,
    ) -> Result<MessageStream> {
        match (&self.action, self.kind) {
            (Action::Follow(follow), CallKind::ServerStreaming) => {
                MessageStream::following(db, follow, request, options)
            }
            (Action::Query(query), CallKind::ServerStreaming) => {
                query.rows(db, request).map(MessageStream::reading)
            }
            _ => Err(self.refusal("one message, a stream of answers")),
        }
    }

    pub(super) const fn action(&self) -> &Action {
        &self.action
    }

    fn refusal(&self, form: &str) -> Error {
        match &self.action {
            Action::Unbound { why, option } => {
                let error = Error::statement("0A000", format!("{} is not bound: {why}", self.path));
                match option {
                    Some(option) => error.with_hint(format!("say {option}")),
                    None => error,
                }
            }
            _ => Error::statement("0A000", format!("{} is not called with {form}", self.path)),
        }
    }
}

impl Action {
    pub(super) const fn follow(&self) -> Option<&Arc<Follow>> {
        match self {
            Self::Follow(follow) => Some(follow),
            _ => None,
        }
    }

    pub(super) const fn query(&self) -> Option<&Arc<Query>> {
        match self {
            Self::Query(query) => Some(query),
            _ => None,
        }
    }

    pub(super) const fn write(&self) -> Option<&Arc<Write>> {
        match self {
            Self::Write(write) => Some(write),
            _ => None,
        }
    }
}

/// A method as it was planned, with its messages.
pub(super) struct Form<'p> {
    pub(super) method: &'p MethodPlan,
    pub(super) plan: &'p ModulePlan,
    pub(super) input: &'p MessageDescriptor,
    pub(super) output: &'p MessageDescriptor,
    pub(super) home: &'p Arc<Home>,
}

fn action(engine: &Arc<Engine>, txn: &Transaction, form: &Form<'_>) -> Result<Action> {
    Ok(match &form.method.binding {
        Binding::Subscribe { sql } => Action::Follow(Follow::new(engine, txn, sql, form)?.into()),
        Binding::Query { sql } => Action::Query(Query::new(engine, txn, sql, form)?.into()),
        Binding::Exec { sql } => Action::Write(Write::statement(engine, txn, sql, form)?.into()),
        Binding::Insert { table, field } => {
            Action::Write(Write::insert(table, field.as_deref(), form)?.into())
        }
        Binding::Unbound { why, option } => Action::Unbound {
            why: why.clone(),
            option: option.clone(),
        },
    })
}

/// What a method has become that fitted when it was installed: a view or a table it reads has changed.
fn unbound_by(error: &Error) -> Action {
    Action::Unbound {
        why: error.message().to_owned(),
        option: None,
    }
}
