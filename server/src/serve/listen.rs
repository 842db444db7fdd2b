//! Sockets: two addresses, one loop for both: accept, serve HTTP/1 and HTTP/2 on the connection, let go of it.
//!
//! The `grpc` address takes gRPC and gRPC-Web only; the `http` address takes those and everything else. A connection that
//! takes no bytes for too long is closed. Next door: `grpc`, `http`, and `patient`, which watches the bytes.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Version, header};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tailwater_proto::sqlstate;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

use super::call::Calls;
use super::fault::Fault;
use super::patient::Patient;
use super::{grpc, http};

/// The other end of a connection, beside each of its requests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// What is taken on an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// gRPC and gRPC-Web.
    Grpc,
    /// Everything.
    Http,
}

/// Bounds of connections.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    pub(crate) connections_max: usize,
    pub(crate) streams_per_connection_max: u32,
    pub(crate) message_bytes_max: usize,
    /// A connection that takes no bytes for so long is closed. Longer than a stream waits: it is to be told first.
    pub(crate) stuck_connection: Duration,
}

/// How long a client may take for the head of a request, and between signs of life.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// Bytes that wait in a connection or stream for the socket to take them.
const SEND_BYTES_MAX: usize = 64 << 10;

/// Everything behind the sockets.
#[derive(Clone)]
pub(crate) struct House {
    calls: Arc<Calls>,
    router: Router,
    limits: Arc<Limits>,
    connections: Arc<Semaphore>,
    cors: Option<CorsLayer>,
    tls: Option<TlsAcceptor>,
    /// Whether browsers are asked by which name they came here.
    checks_host: bool,
}

impl House {
    pub(crate) fn new(
        calls: Arc<Calls>,
        limits: Limits,
        origins: Vec<String>,
        tls: Option<TlsAcceptor>,
        checks_host: bool,
    ) -> Self {
        let web = http::Web {
            calls: Arc::clone(&calls),
            message_bytes_max: limits.message_bytes_max,
            origins: Arc::from(origins.as_slice()),
        };
        Self {
            calls,
            router: web.router(),
            connections: Arc::new(Semaphore::new(limits.connections_max)),
            limits: Arc::new(limits),
            cors: cors(&origins),
            tls,
            checks_host,
        }
    }

    /// Serves an address until the server goes down.
    pub(crate) async fn serve(
        self,
        door: Door,
        listener: TcpListener,
        connections: Arc<GracefulShutdown>,
        mut shutdown: watch::Receiver<bool>,
    ) {
        loop {
            let accepted = tokio::select! {
                _ = shutdown.wait_for(|is_down| *is_down) => return,
                accepted = listener.accept() => accepted,
            };
            let (socket, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Too many open files, mostly: connections that end make room.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            let Ok(place) = Arc::clone(&self.connections).try_acquire_owned() else {
                tracing::warn!(%peer, "too many connections");
                continue;
            };
            // Small messages go at once.
            let _ = socket.set_nodelay(true);
            let open = self.calls.metrics.connection();
            let socket = Patient::new(socket, self.limits.stuck_connection);
            let (house, watcher) = (self.clone(), connections.watcher());
            tokio::spawn(async move {
                let _kept = (place, open);
                match house.tls.clone() {
                    None => house.keep(door, peer, socket, watcher).await,
                    Some(tls) => match timeout(HEAD_TIMEOUT, tls.accept(socket)).await {
                        Ok(Ok(socket)) => house.keep(door, peer, socket, watcher).await,
                        Ok(Err(error)) => tracing::debug!(%peer, %error, "no TLS"),
                        Err(_) => tracing::debug!(%peer, "TLS took too long"),
                    },
                }
            });
        }
    }

    /// Serves a connection until it ends.
    async fn keep<S>(self, door: Door, peer: SocketAddr, socket: S, watcher: Watcher)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let builder = self.builder();
        let service = service_fn(move |request| self.clone().answer(door, peer, request));
        let service = TowerToHyperService::new(service);
        let connection = builder.serve_connection_with_upgrades(TokioIo::new(socket), service);
        if let Err(error) = watcher.watch(connection.into_owned()).await {
            tracing::debug!(%peer, %error, "a connection broke");
        }
    }

    fn builder(&self) -> Builder<TokioExecutor> {
        let mut builder = Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(SEND_BYTES_MAX);
        builder
            .http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_TIMEOUT)
            .max_concurrent_streams(self.limits.streams_per_connection_max)
            .max_send_buf_size(SEND_BYTES_MAX);
        builder
    }

    async fn answer(
        self,
        door: Door,
        peer: SocketAddr,
        mut request: Request<Incoming>,
    ) -> Result<Response<Body>, Infallible> {
        request.extensions_mut().insert(Peer(peer.ip()));
        if self.checks_host && !may_be_asked_as(&request) {
            return Ok(refuse_host());
        }
        let cors = self.cors.clone();
        let inner = service_fn(move |request| self.clone().route(door, peer, request));
        match cors {
            Some(cors) => cors.layer(inner).oneshot(request).await,
            None => inner.oneshot(request).await,
        }
    }

    async fn route(
        self,
        door: Door,
        peer: SocketAddr,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, Infallible> {
        if door == Door::Http && !is_grpc(request.headers()) {
            let mut router = self.router;
            return Service::call(&mut router, request.map(Body::new)).await;
        }
        let (calls, bytes_max) = (self.calls, self.limits.message_bytes_max);
        let plain = service_fn(move |request| {
            grpc::answer(Arc::clone(&calls), Some(peer.ip()), bytes_max, request)
        });
        let web = tonic_web::GrpcWebLayer::new().layer(plain);
        let answered = web.oneshot(request).await;
        answered.map(|response| response.map(Body::new))
    }
}

fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

/// Whether a browser could not have been lured here: it came by an address or by the name of this machine, not by a name
/// that somebody else's name server made point here. Browsers speak HTTP/1 where there is no TLS.
fn may_be_asked_as(request: &Request<Incoming>) -> bool {
    if request.version() == Version::HTTP_2 {
        return true;
    }
    let host = request.headers().get(header::HOST);
    let Some(host) = host.and_then(|host| host.to_str().ok()) else {
        return true;
    };
    is_own_name(host)
}

fn is_own_name(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.parse::<IpAddr>().is_ok() || name == "localhost" || name.ends_with(".localhost")
}

fn refuse_host() -> Response<Body> {
    let fault = Fault::new(
        sqlstate::INSUFFICIENT_PRIVILEGE,
        "without access tokens this server is asked by address, or as localhost",
    )
    .with_hint("make a token with tailwater token create");
    http::refuse(&fault)
}

/// Pages of these origins may read answers.
fn cors(origins: &[String]) -> Option<CorsLayer> {
    const SHOWN: [&str; 7] = [
        "grpc-status",
        "grpc-message",
        "grpc-encoding",
        "tailwater-sqlstate",
        "tailwater-hint",
        "tailwater-position",
        grpc::TOKEN,
    ];
    if origins.is_empty() {
        return None;
    }
    let allowed = match origins.iter().any(|origin| origin == "*") {
        true => AllowOrigin::any(),
        false => AllowOrigin::list(
            origins
                .iter()
                .filter_map(|origin| HeaderValue::from_str(origin).ok()),
        ),
    };
    Some(
        CorsLayer::new()
            .allow_origin(allowed)
            .allow_methods([axum::http::Method::GET, axum::http::Method::POST])
            .allow_headers(AllowHeaders::mirror_request())
            .expose_headers(SHOWN.map(HeaderName::from_static))
            .max_age(Duration::from_secs(3_600)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_somebody_else_is_not_ours() {
        for own in [
            "localhost",
            "localhost:8080",
            "127.0.0.1:1",
            "[::1]:8080",
            "app.localhost",
        ] {
            assert!(is_own_name(own), "{own}");
        }
        for other in ["example.com:8080", "localhost.example.com", "", "[x]"] {
            assert!(!is_own_name(other), "{other}");
        }
    }
}
