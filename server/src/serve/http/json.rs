//! JSON in, JSON out: a unary method by POST.

use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use tailwater_proto::sqlstate;
use tokio::time::timeout;

use super::{Asked, demand_caller, demand_json, refuse, transcode};
use crate::serve::fault::Fault;
use crate::serve::metrics::Front;

/// Answers a POST of JSON.
pub(super) async fn answer(asked: Asked, body: Body) -> Response {
    match run(&asked, body).await {
        Ok(json) => ([(header::CONTENT_TYPE, "application/json")], json).into_response(),
        Err(fault) => refuse(&fault),
    }
}

async fn run(asked: &Asked, body: Body) -> Result<String, Fault> {
    let handler = &asked.method.handler;
    if handler.streams_requests() {
        return Err(Fault::wrong_kind("this method takes a stream of requests")
            .with_hint("open a WebSocket at the same path"));
    }
    if handler.streams_answers() {
        return Err(
            Fault::wrong_kind("this method answers by a stream").with_hint(
                "ask with accept: text/event-stream, or open a WebSocket at the same path",
            ),
        );
    }
    demand_json(&asked.headers)?;
    demand_caller(asked)?;
    let request = read(asked, body).await?;
    let request = transcode::from_json(&asked.method.input, &request)?;
    let call = asked.call(Front::Http);
    let requests = Box::pin(stream::iter([Ok(request)]));
    let mut answers = asked.web.calls.begin(&asked.method, call, requests).await?;
    match answers.next().await {
        Some(answer) => transcode::to_json(&asked.method.output, answer?.bytes),
        None => Err(Fault::new(
            sqlstate::INTERNAL_ERROR,
            "the method did not answer",
        )),
    }
}

/// A body, if it is not too long.
pub(super) async fn read(asked: &Asked, body: Body) -> Result<Vec<u8>, Fault> {
    let bytes_max = asked.web.message_bytes_max;
    let mut bytes = Vec::new();
    let mut parts = body.into_data_stream();
    let patience = asked.web.calls.patience.slow_client;
    loop {
        let part = timeout(patience, parts.next()).await;
        let Some(part) = part.map_err(|_| Fault::late_request())? else {
            break;
        };
        let part = part.map_err(|error| Fault::malformed(&error))?;
        if bytes.len().saturating_add(part.len()) > bytes_max {
            return Err(Fault::new(
                sqlstate::PROGRAM_LIMIT_EXCEEDED,
                format!("the request has more than {bytes_max} bytes"),
            )
            .with_hint("--message-bytes-max is the bound"));
        }
        bytes.extend_from_slice(&part);
    }
    Ok(bytes)
}
