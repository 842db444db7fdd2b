//! WebSockets, for what browsers cannot do otherwise: many requests. A text frame is a message as JSON, a binary frame one as
//! Protobuf; answers come as the first request did, with tokens in JSON, too, for a caller that asks. An empty text frame says
//! that no more requests follow.
//!
//! The end is the close code: 1000, or 4000 and the number of the gRPC status, with SQLSTATE and words as the reason.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::extract::ws::{CloseFrame, Message as Frame, WebSocket, WebSocketUpgrade};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt, stream};
use prost::bytes::Bytes;
use tailwater_proto::sqlstate;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};

use super::{Asked, demand_caller, refuse, transcode};
use crate::serve::fault::{Fault, TOO_SLOW};
use crate::serve::method::Message;
use crate::serve::metrics::Front;
use crate::serve::modules;

/// Close codes of programs begin here; the number of the status is added.
const CLOSE_BASE: u16 = 4_000;
/// Bytes the protocol leaves for a reason.
const REASON_BYTES_MAX: usize = 123;
/// How often an idle conversation shows that it is alive.
const PING_EVERY: Duration = Duration::from_secs(20);
/// How long the answer to a close is waited for.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// Requests that wait for the engine.
const REQUESTS_MAX: usize = 16;

/// Opens a WebSocket, if the caller may.
pub(super) async fn answer(asked: Asked, parts: &mut Parts) -> Response {
    if !asked.web.allows_origin(&asked.headers) {
        let fault = Fault::new(
            sqlstate::INSUFFICIENT_PRIVILEGE,
            "pages of that origin may not call",
        )
        .with_hint("--allow-origin names those that may");
        return refuse(&fault);
    }
    if let Err(fault) = demand_caller(&asked) {
        return refuse(&fault);
    }
    let upgrade = match WebSocketUpgrade::from_request_parts(parts, &()).await {
        Ok(upgrade) => upgrade,
        Err(rejection) => return rejection.into_response(),
    };
    let bytes_max = asked.web.message_bytes_max;
    upgrade
        .max_message_size(bytes_max)
        .max_frame_size(bytes_max)
        .on_upgrade(move |socket| converse(asked, socket))
}

/// The conversation.
async fn converse(asked: Asked, socket: WebSocket) {
    let _goes_on = asked.web.calls.admission.conversation();
    let (mut sending, receiving) = socket.split();
    let (requests, received) = mpsc::channel(REQUESTS_MAX);
    let (left, mut has_left) = oneshot::channel();
    let asked = Arc::new(asked);
    let is_binary = Arc::new(AtomicBool::new(false));
    let reading = tokio::spawn(read(
        Arc::clone(&asked),
        receiving,
        requests,
        Arc::clone(&is_binary),
        left,
    ));
    let received = stream::unfold(received, |mut received| async {
        let request: Result<Bytes, Fault> = received.recv().await?;
        Some((request, received))
    });
    let call = asked.call(Front::WebSocket);
    let begun = asked
        .web
        .calls
        .begin(&asked.method, call, Box::pin(received));
    let begun = tokio::select! {
        begun = begun => Some(begun),
        _ = &mut has_left => None,
    };
    let ended = match begun {
        None => None,
        Some(Err(fault)) => Some(Err(fault)),
        Some(Ok(mut answers)) => loop {
            let answer = tokio::select! {
                answer = answers.next() => answer,
                _ = &mut has_left => break None,
                // Who does not take it is gone: the connection notices.
                () = sleep(PING_EVERY) => {
                    let _ = timeout(PING_EVERY, sending.send(Frame::Ping(Bytes::new()))).await;
                    continue;
                }
            };
            let message = match answer {
                None => break Some(Ok(())),
                Some(Err(fault)) => break Some(Err(fault)),
                Some(Ok(message)) => message,
            };
            if let Err(fault) = send(&asked, &mut sending, &is_binary, message).await {
                break Some(Err(fault));
            }
        },
    };
    if let Some(ended) = ended {
        let closing = sending.send(Frame::Close(Some(closing(ended.as_ref()))));
        // A client that does not take the close does without it; one that does answers it, and only then the connection goes:
        // else what is still on the way would be lost with it.
        if let Ok(Ok(())) = timeout(asked.web.calls.patience.slow_client, closing).await {
            let _ = timeout(CLOSE_TIMEOUT, has_left).await;
        }
    }
    reading.abort();
}

/// Reads requests until there are no more, and then whether the client leaves.
async fn read(
    asked: Arc<Asked>,
    mut receiving: SplitStream<WebSocket>,
    requests: mpsc::Sender<Result<Bytes, Fault>>,
    is_binary: Arc<AtomicBool>,
    left: oneshot::Sender<()>,
) {
    let mut requests = Some(requests);
    while let Some(Ok(frame)) = receiving.next().await {
        let request = match frame {
            Frame::Text(text) if text.is_empty() => None,
            Frame::Text(text) => Some(transcode::from_json(&asked.method.input, text.as_bytes())),
            Frame::Binary(bytes) => {
                is_binary.store(true, Ordering::Relaxed);
                Some(Ok(bytes))
            }
            Frame::Ping(_) | Frame::Pong(_) => continue,
            Frame::Close(_) => break,
        };
        if let (Some(request), Some(requests)) = (request, &requests) {
            // Nobody takes it: the call has ended and its close is on the way.
            let _ = requests.send(request).await;
            if asked.method.handler.streams_requests() {
                continue;
            }
        }
        requests = None;
    }
    let _ = left.send(());
}

async fn send(
    asked: &Asked,
    sending: &mut SplitSink<WebSocket, Frame>,
    is_binary: &AtomicBool,
    message: Message,
) -> Result<(), Fault> {
    let frame = if is_binary.load(Ordering::Relaxed) {
        Frame::Binary(message.bytes)
    } else {
        let json = transcode::shown(&asked.method.output, &message)?;
        Frame::Text(match message.token {
            Some(token) if modules::asks_for_tokens(&asked.headers) => {
                transcode::with_token(json.to_string(), &token).into()
            }
            _ => (&*json).into(),
        })
    };
    let slow = || Fault::new(TOO_SLOW, "the client did not read for too long");
    match timeout(asked.web.calls.patience.slow_client, sending.send(frame)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(slow()),
    }
}

/// The close frame of an ending.
fn closing(ended: Result<&(), &Fault>) -> CloseFrame {
    match ended {
        Ok(()) => CloseFrame {
            code: 1_000,
            reason: "".into(),
        },
        Err(fault) => {
            let mut reason = format!("{} {}", fault.sqlstate(), fault.message());
            while reason.len() > REASON_BYTES_MAX {
                reason.pop();
            }
            CloseFrame {
                code: CLOSE_BASE + u16::try_from(fault.code() as i32).unwrap_or_default(),
                reason: reason.into(),
            }
        }
    }
}
