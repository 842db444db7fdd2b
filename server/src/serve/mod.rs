//! `tailwater serve`: a database behind gRPC, gRPC-Web, JSON, server-sent events and WebSockets.
//!
//! One straight line: a front end (`grpc`, `http`) finds a `Method` in the `registry` and lets `call` run it; methods are
//! engine work over raw messages (`builtin`, `modules`). Front ends know no work, methods know no protocol.

mod admission;
mod builtin;
mod call;
mod context;
mod fault;
mod following;
mod grpc;
mod handles;
mod http;
mod hub;
mod listen;
mod method;
mod metrics;
mod modules;
mod patient;
mod registry;
mod scope;
pub(crate) mod settings;
mod status;
mod stream;
mod tls;
pub(crate) mod token;
pub(crate) mod token_command;
mod watched;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use hyper_util::server::graceful::GracefulShutdown;
use tailwater::{Database, FeedSettings};
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use self::admission::{Admission, Bounds};
use self::builtin::{Shared, Statements};
use self::call::{Calls, Patience};
use self::fault::Fault;
use self::handles::Handles;
use self::listen::{Door, House, Limits};
use self::metrics::Metrics;
use self::modules::Modules;
use self::registry::{Live, Registry};
use self::settings::{LogFormat, ServeArgs, Settings};
use self::token::Tokens;
use crate::failure::Failure;

/// Bytes of a commit after which it comes in several frames: what most gRPC clients take is 4 MiB a message.
const FRAME_BYTES_MAX: usize = 1 << 20;

/// Bytes of a connection that wait in the system, which may make it twice as many. Left to itself it takes megabytes.
const SOCKET_BYTES_MAX: u32 = 128 << 10;
/// Connections that wait to be accepted.
const BACKLOG: u32 = 1_024;

/// Serves a database until it is told to stop, and returns the exit code.
///
/// # Errors
/// When the database or an address cannot be had, or listening there would not be safe.
pub(crate) fn main(args: &ServeArgs) -> Result<u8, Failure> {
    let settings = Settings::of(args)?;
    log(&settings);
    let database = open(&settings)?;
    let tokens = Tokens::of(&database).map_err(Failure::from)?;
    refuse_open_door(&settings, &tokens)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .max_blocking_threads(settings.workers + 8)
        .enable_all()
        .build()
        .map_err(Failure::io("starting threads"))?;
    let served = serve(&runtime, &settings, &database, tokens);
    runtime.shutdown_timeout(settings.drain);
    served?;
    database.close()?;
    Ok(0)
}

fn log(settings: &Settings) {
    let lines = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(settings.log_level);
    // A second server in one process keeps the first one's log.
    let _ = match settings.log_format {
        LogFormat::Text => lines.with_ansi(false).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
}

fn open(settings: &Settings) -> Result<Database, Failure> {
    let feed = FeedSettings {
        frame_bytes_max: FRAME_BYTES_MAX,
        ..FeedSettings::default()
    };
    let mut builder = Database::builder().sync(settings.sync.into());
    if let Some(bytes) = settings.memory {
        builder = builder.memory_budget(bytes);
    }
    if let Some(timeout) = settings.statement_timeout {
        builder = builder.statement_timeout(timeout);
    }
    Ok(builder.feed(feed).open(&settings.database)?)
}

/// Other machines are not listened to in the clear, nor without tokens, unless somebody says that this is meant.
fn refuse_open_door(settings: &Settings, tokens: &Tokens) -> Result<(), Failure> {
    let mut addresses = settings.grpc.iter().chain(&settings.http);
    let Some(open) = addresses.find(|address| !address.ip().is_loopback()) else {
        return Ok(());
    };
    if settings.is_insecure {
        if !tokens.is_required() {
            tracing::warn!(%open, "everybody who reaches this address may do everything");
        }
        return Ok(());
    }
    let lacks = match (settings.tls.is_some(), tokens.is_required()) {
        (true, true) => return Ok(()),
        (false, true) => "without encryption",
        (true, false) => "without access tokens",
        (false, false) => "without encryption and without access tokens",
    };
    Err(Failure::usage(
        format!("listening on {open}, which other machines can reach, {lacks} is refused"),
        "give --tls-cert and --tls-key, make tokens with tailwater token create, or say --insecure",
    ))
}

fn serve(
    runtime: &Runtime,
    settings: &Settings,
    database: &Database,
    tokens: Tokens,
) -> Result<(), Failure> {
    let (stop, shutdown) = watch::channel(false);
    let files = settings.tls.as_ref();
    let tls = files
        .map(|(certificates, key)| tls::acceptor(certificates, key))
        .transpose()?;
    let checks_host = !tokens.is_required() && !settings.is_insecure;
    let calls = calls(settings, database, tokens, shutdown.clone())?;
    let limits = Limits {
        connections_max: settings.connections_max,
        streams_per_connection_max: settings.streams_per_connection_max,
        message_bytes_max: settings.message_bytes_max,
        stuck_connection: settings.slow_client.saturating_mul(2),
    };
    let house = House::new(
        Arc::clone(&calls),
        limits,
        settings.origins.clone(),
        tls,
        checks_host,
    );
    runtime.block_on(async {
        // Before anybody is told that it listens: who knows it may stop it.
        let mut signals = Signals::catch().map_err(Failure::io("listening to signals"))?;
        let connections = Arc::new(GracefulShutdown::new());
        let mut doors = Vec::new();
        for (door, name, addresses) in [
            (Door::Grpc, "grpc", &settings.grpc),
            (Door::Http, "http", &settings.http),
        ] {
            for address in addresses {
                let listener = listen(name, *address)?;
                let (house, connections) = (house.clone(), Arc::clone(&connections));
                doors.push(tokio::spawn(house.serve(
                    door,
                    listener,
                    connections,
                    shutdown.clone(),
                )));
            }
        }
        signals.wait().await;
        tracing::info!("going down");
        stop.send_replace(true);
        for door in doors {
            // It ends at once: it waits for nothing but the signal.
            let _ = door.await;
        }
        drain(settings, &calls, connections).await;
        Ok(())
    })
}

/// What runs methods.
fn calls(
    settings: &Settings,
    database: &Database,
    tokens: Tokens,
    shutdown: watch::Receiver<bool>,
) -> Result<Arc<Calls>, Failure> {
    let shared = Shared {
        tokens: Arc::new(tokens),
        metrics: Arc::new(Metrics::new()),
        registry: Arc::new(Live::new(Arc::new(Registry::default()))),
        statements: Arc::new(Statements::default()),
        hubs: Arc::default(),
        shutdown: shutdown.clone(),
        message_bytes_max: settings.message_bytes_max,
        began: Instant::now(),
    };
    let modules = Modules::new(database, &shared);
    modules.refresh()?;
    let bounds = Bounds {
        calls_max: settings.calls_max,
        workers_max: settings.workers,
        calls_per_second: settings.calls_per_second,
    };
    Ok(Arc::new(Calls {
        database: database.clone(),
        handles: Handles::new(database.clone()),
        registry: shared.registry,
        modules,
        tokens: shared.tokens,
        metrics: shared.metrics,
        admission: Admission::new(&bounds),
        patience: Patience {
            slow_client: settings.slow_client,
            progress_after: settings.progress_after,
        },
        shutdown,
    }))
}

fn listen(name: &str, address: SocketAddr) -> Result<TcpListener, Failure> {
    let what = || format!("listening on {address}");
    let listener = socket(address).map_err(Failure::io(what()))?;
    let address = listener.local_addr().map_err(Failure::io(what()))?;
    println!("{name} listening on {address}");
    tracing::info!(%address, "{name} listening");
    Ok(listener)
}

/// A socket that listens, whose connections keep little in the system's memory for clients that do not read.
fn socket(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // A restart does not wait for the last connections of the one before.
    socket.set_reuseaddr(true)?;
    socket.set_send_buffer_size(SOCKET_BYTES_MAX)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// What tells the server to stop.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn catch() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for SIGTERM or SIGINT.
    async fn wait(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Waits until every call has ended and every connection is closed, but not for ever.
async fn drain(settings: &Settings, calls: &Calls, connections: Arc<GracefulShutdown>) {
    let Some(connections) = Arc::into_inner(connections) else {
        return;
    };
    let ended = async {
        connections.shutdown().await;
        // WebSockets are connections of their own by now.
        calls.admission.wait_idle().await;
    };
    if tokio::time::timeout(settings.drain, ended).await.is_err() {
        let streams = calls.metrics.streams();
        tracing::warn!(streams, "some calls did not end in time");
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::usage(
            fault.to_string(),
            fault
                .hint()
                .unwrap_or("look at the database with tailwater check"),
        )
    }
}
