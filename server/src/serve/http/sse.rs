//! Server-sent events: the answers of a method one after the other, each with its resume token as `id`, which browsers send
//! back as `Last-Event-ID` when they come again.
//!
//! A stream that ends says so in an event `end`, one that is ended in an event `error`: without one the connection broke.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use prost_reflect::MessageDescriptor;

use super::{Asked, demand_caller, demand_json, json, refuse, transcode};
use crate::serve::fault::Fault;
use crate::serve::method::Message;
use crate::serve::metrics::Front;

/// How long browsers wait before they come again.
const RETRY: Duration = Duration::from_secs(1);
/// How often an idle stream shows that it is alive.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Answers with events. The request is the body, or without one the query string.
pub(super) async fn answer(asked: Asked, body: Option<Body>) -> Response {
    match events(&asked, body).await {
        Ok(response) => response,
        Err(fault) => refuse(&fault),
    }
}

async fn events(asked: &Asked, body: Option<Body>) -> Result<Response, Fault> {
    if asked.method.handler.streams_requests() {
        return Err(Fault::wrong_kind("this method takes a stream of requests")
            .with_hint("open a WebSocket at the same path"));
    }
    demand_caller(asked)?;
    let request = match body {
        Some(body) => {
            demand_json(&asked.headers)?;
            let body = json::read(asked, body).await?;
            transcode::from_json(&asked.method.input, &body)?
        }
        None => transcode::from_query(&asked.method.input, &asked.query)?,
    };
    let call = asked.call(Front::Sse);
    let requests = Box::pin(stream::iter([Ok(request)]));
    let answers = asked.web.calls.begin(&asked.method, call, requests).await?;
    let output = asked.method.output.clone();
    let first = stream::iter([Event::default().retry(RETRY)]);
    // What comes after an error is not sent: there is only one end.
    let told = answers.map(Some).chain(stream::iter([None]));
    let told = told.scan(false, move |has_failed, answer| {
        let event = match answer {
            Some(answer) => {
                *has_failed = answer.is_err();
                Some(
                    answer
                        .and_then(|message| event(&output, message))
                        .unwrap_or_else(|fault| failed(&fault)),
                )
            }
            None if *has_failed => None,
            None => Some(Event::default().event("end").data("{}")),
        };
        std::future::ready(event)
    });
    let events = first.chain(told).map(Ok::<_, Infallible>);
    let events = Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    Ok(events.into_response())
}

fn event(output: &MessageDescriptor, message: Message) -> Result<Event, Fault> {
    let data = transcode::shown(output, &message)?;
    Ok(with_id(
        Event::default().data(data),
        message.token.as_deref(),
    ))
}

fn failed(fault: &Fault) -> Event {
    let event = Event::default()
        .event("error")
        .data(fault.to_json().to_string());
    with_id(event, fault.token())
}

/// An event with a token, if that can be one line.
fn with_id(event: Event, token: Option<&str>) -> Event {
    match token {
        Some(token) if !token.contains(|c: char| c.is_control()) => event.id(token),
        _ => event,
    }
}
