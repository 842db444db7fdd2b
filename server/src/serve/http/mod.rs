//! The HTTP front end: JSON for unary methods, server-sent events for streams, WebSockets for everything else, all at
//! `/package.Service/Method`; and `/healthz` and `/metrics`.
//!
//! `transcode` turns JSON into messages and back; what a method does it does not know. Next door: `call`.

mod json;
mod sse;
mod transcode;
mod websocket;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method as Verb, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::call::{Call, Calls};
use super::fault::Fault;
use super::grpc;
use super::listen::Peer;
use super::method::Method;
use super::metrics::Front;
use super::modules;
use super::scope::Scopes;

/// What the front end knows.
#[derive(Clone)]
pub(crate) struct Web {
    pub(crate) calls: Arc<Calls>,
    /// Bytes a request may have.
    pub(crate) message_bytes_max: usize,
    /// Pages of these origins may call; `*`: of any.
    pub(crate) origins: Arc<[String]>,
}

impl Web {
    /// The routes there are.
    pub(crate) fn router(self) -> Router {
        Router::new()
            .route("/healthz", get(healthz))
            .route("/metrics", get(metrics))
            .fallback(dispatch)
            .with_state(self)
    }

    /// Whether a page of this origin may open a WebSocket here.
    fn allows_origin(&self, headers: &HeaderMap) -> bool {
        let Some(origin) = headers.get(header::ORIGIN) else {
            return true;
        };
        let Ok(origin) = origin.to_str() else {
            return false;
        };
        let host = headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok());
        let is_own = origin.split_once("://").map(|(_, host)| host) == host;
        is_own
            || self
                .origins
                .iter()
                .any(|allowed| allowed == "*" || allowed == origin)
    }
}

async fn healthz(State(web): State<Web>) -> Response {
    match *web.calls.shutdown.borrow() {
        true => (StatusCode::SERVICE_UNAVAILABLE, "shutting down\n").into_response(),
        false => "ok\n".into_response(),
    }
}

async fn metrics(State(web): State<Web>, headers: HeaderMap) -> Response {
    if let Err(fault) = web.calls.tokens.caller(&headers) {
        return refuse(&fault);
    }
    let text = web.calls.metrics.text(&web.calls.database);
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

/// A request for a method.
struct Asked {
    web: Web,
    method: Arc<Method>,
    headers: HeaderMap,
    peer: Option<Peer>,
    query: String,
}

impl Asked {
    /// The call it is.
    fn call(&self, front: Front) -> Call {
        let text = |name: &str| {
            let value = self.headers.get(name)?;
            value.to_str().ok().map(str::to_owned)
        };
        Call {
            front,
            peer: self.peer.map(|Peer(address)| address),
            resume: text("last-event-id").or_else(|| text(grpc::TOKEN)),
            deadline: text("grpc-timeout").and_then(|timeout| grpc::deadline(&timeout)),
            headers: self.headers.clone(),
        }
    }
}

async fn dispatch(State(web): State<Web>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let is_read = parts.method == Verb::GET;
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let method = match web.calls.registry().method(parts.uri.path()) {
        Ok(method) => method,
        Err(fault) => {
            web.calls.metrics.refused(Front::Http, fault.code());
            return refuse(&fault);
        }
    };
    let mut headers = parts.headers.clone();
    if is_read {
        take_access_token(&mut headers, &query);
        take_options(&mut headers, &query);
    }
    let asked = Asked {
        peer: parts.extensions.get::<Peer>().copied(),
        web,
        method,
        headers,
        query,
    };
    let accepts_events = asked
        .headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/event-stream"));
    if parts.headers.contains_key(header::UPGRADE) {
        websocket::answer(asked, &mut parts).await
    } else if accepts_events && is_read {
        sse::answer(asked, None).await
    } else if parts.method != Verb::POST {
        let message =
            "a method is called by POST, a stream also by GET with accept: text/event-stream";
        let mut response = refuse(&Fault::wrong_kind(message));
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        let allowed = HeaderValue::from_static("POST, GET");
        response.headers_mut().insert(header::ALLOW, allowed);
        response
    } else if accepts_events {
        sse::answer(asked, Some(body)).await
    } else {
        json::answer(asked, body).await
    }
}

/// What a call of a module's method is told beside its message: from the query, where headers cannot be set.
const OPTIONS: [&str; 4] = [
    grpc::TOKEN,
    modules::TOKENS,
    modules::LIMIT,
    modules::IDEMPOTENCY_KEY,
];

/// Whether a name in the query belongs to the call, and not to its message.
fn is_of_call(name: &str) -> bool {
    name == "access_token" || OPTIONS.contains(&name)
}

/// Takes what the query says for the call, unless a header says it.
fn take_options(headers: &mut HeaderMap, query: &str) {
    for (name, value) in transcode::pairs(query) {
        let name = OPTIONS.iter().find(|known| **known == name);
        if let (Some(name), Ok(value)) = (name, HeaderValue::from_str(&value)) {
            headers.entry(*name).or_insert(value);
        }
    }
}

/// Browsers cannot set headers of an `EventSource` or a `WebSocket`: there the token may stand in the query.
fn take_access_token(headers: &mut HeaderMap, query: &str) {
    let token = transcode::pairs(query).find(|(name, _)| name == "access_token");
    if let Some((_, token)) = token
        && !headers.contains_key(header::AUTHORIZATION)
        && let Ok(value) = HeaderValue::from_str(&format!("Bearer {token}"))
    {
        headers.insert(header::AUTHORIZATION, value);
    }
}

/// An error as an answer.
pub(crate) fn refuse(fault: &Fault) -> Response {
    let status = StatusCode::from_u16(fault.http()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = Response::new(Body::from(fault.to_json().to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

/// Refuses what is not asked for as JSON: it is also what keeps pages of strangers from posting here unasked.
fn demand_json(headers: &HeaderMap) -> Result<(), Fault> {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let kind = kind
        .and_then(|kind| kind.split(';').next())
        .unwrap_or_default();
    match kind.trim().eq_ignore_ascii_case("application/json") {
        true => Ok(()),
        false => Err(
            Fault::malformed(&"the content type is not application/json")
                .with_hint("send the request as JSON, with content-type: application/json"),
        ),
    }
}

/// Refuses callers without a token before their body is read.
fn demand_caller(asked: &Asked) -> Result<(), Fault> {
    let needed: Option<Scopes> = asked.method.needs;
    let calls = &asked.web.calls;
    match needed.map(|_| calls.tokens.caller(&asked.headers)) {
        Some(Err(fault)) => {
            let observed = calls.metrics.begin(&asked.method.path, Front::Http);
            observed.end(fault.code());
            Err(fault)
        }
        _ => Ok(()),
    }
}
