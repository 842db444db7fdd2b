//! The services every server has, each a list of methods over engine work: queries, statements, feeds, administration,
//! modules, health and reflection. They know no protocol. Next door: `modules`, whose methods stand beside them.

mod admin;
mod exec;
mod health;
mod module;
mod query;
mod reflection;
mod rows;
mod session;
mod subscribe;

use std::sync::Arc;
use std::time::Instant;

use prost_reflect::DescriptorPool;
use tailwater_proto::{sqlstate, v1};
use tokio::sync::watch;

use super::context::Context;
use super::fault::Fault;
use super::hub::Hubs;
use super::method::{Handler, Method, Reply, Source};
use super::metrics::Metrics;
use super::registry::{Live, Registry};
use super::scope::Scopes;
use super::token::Tokens;

/// What the built-in services work with, besides the database a call brings.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) tokens: Arc<Tokens>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) registry: Arc<Live>,
    pub(crate) statements: Arc<Statements>,
    pub(crate) hubs: Arc<Hubs>,
    pub(crate) shutdown: watch::Receiver<bool>,
    /// Bytes an answer may have.
    pub(crate) message_bytes_max: usize,
    pub(crate) began: Instant,
}

pub(crate) use self::query::Statements;

/// The registry of a server without modules.
///
/// # Errors
/// When a descriptor set of our own does not decode: never, once a test has run.
pub(crate) fn registry(shared: &Shared) -> Result<Registry, Fault> {
    let mut registry = Registry::default();
    let mut service = Service::open(v1::FILE_DESCRIPTOR_SET)?;
    query::add(&mut service, shared)?;
    exec::add(&mut service, shared)?;
    subscribe::add(&mut service, shared)?;
    module::add(&mut service, shared)?;
    admin::add(&mut service, shared)?;
    registry.add(service.pool, service.methods);
    let mut service = Service::open(tonic_health::pb::FILE_DESCRIPTOR_SET)?;
    health::add(&mut service, shared)?;
    registry.add(service.pool, service.methods);
    reflection::add(&mut registry, shared)?;
    Ok(registry)
}

/// Methods that are being collected, with the descriptors they come with.
struct Service {
    pool: DescriptorPool,
    methods: Vec<Method>,
}

impl Service {
    fn open(descriptors: &'static [u8]) -> Result<Self, Fault> {
        let internal = |error| Fault::new(sqlstate::INTERNAL_ERROR, format!("{error}"));
        Ok(Self {
            pool: DescriptorPool::decode(descriptors).map_err(internal)?,
            methods: Vec::new(),
        })
    }

    /// Adds a method that its descriptor names.
    fn add(&mut self, path: &str, needs: Option<Scopes>, handler: Handler) -> Result<(), Fault> {
        let unknown = || Fault::new(sqlstate::INTERNAL_ERROR, format!("{path} is not described"));
        let (service, name) = path
            .trim_start_matches('/')
            .split_once('/')
            .ok_or_else(unknown)?;
        let service = self.pool.get_service_by_name(service).ok_or_else(unknown)?;
        let method = service.methods().find(|method| method.name() == name);
        let method = method.ok_or_else(unknown)?;
        let kind = (handler.streams_requests(), handler.streams_answers());
        if kind != (method.is_client_streaming(), method.is_server_streaming()) {
            return Err(unknown());
        }
        self.methods.push(Method {
            path: path.to_owned(),
            input: method.input(),
            output: method.output(),
            needs,
            handler,
        });
        Ok(())
    }
}

/// A method of one request and one answer, over decoded messages.
fn unary<I, O>(answer: impl Fn(&Context, I) -> Result<O, Fault> + Send + Sync + 'static) -> Handler
where
    I: prost::Message + Default,
    O: prost::Message,
{
    Handler::Unary(Box::new(move |context, request| {
        let answer = answer(context, I::decode(request)?)?;
        Ok(Reply::Now(answer.encode_to_vec()))
    }))
}

/// A method of one request and many answers, over a decoded request.
fn streaming<I>(
    open: impl Fn(&Context, I) -> Result<Source, Fault> + Send + Sync + 'static,
) -> Handler
where
    I: prost::Message + Default,
{
    Handler::ServerStreaming(Box::new(move |context, request| {
        open(context, I::decode(request)?)
    }))
}
