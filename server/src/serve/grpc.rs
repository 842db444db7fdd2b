//! gRPC and gRPC-Web: framing around messages that stay bytes. One path for all methods and all four kinds of call.
//! It decodes nothing; next door: `call`.

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Request, Response, header};
use futures_util::StreamExt;
use http_body::Frame;
use prost::bytes::{Buf, Bytes, BytesMut};
use tokio::time::Instant;
use tonic::body::Body;
use tonic::codec::{DecodeBuf, Decoder};
use tonic::{Status, Streaming};

use super::call::{Call, Calls, Requests};
use super::fault::Fault;
use super::method::Batch;
use super::metrics::Front;
use super::stream::Answers;

/// How messages are compressed.
const ENCODING: &str = "grpc-encoding";

/// Where a stream goes on, in a request's metadata; also what the last message of a stream is told by, in trailers.
pub(crate) const TOKEN: &str = "tailwater-token";

/// Answers a gRPC request.
pub(crate) async fn answer(
    calls: Arc<Calls>,
    peer: Option<IpAddr>,
    message_bytes_max: usize,
    request: Request<Body>,
) -> Result<Response<Body>, Infallible> {
    let (head, body) = request.into_parts();
    let encoding = text(&head.headers, ENCODING);
    if let Some(encoding) = encoding.filter(|encoding| encoding != "identity") {
        let refused = Status::unimplemented(format!("messages compressed by {encoding}"));
        let mut response = refused.into_http();
        let none = HeaderValue::from_static("identity");
        response.headers_mut().insert("grpc-accept-encoding", none);
        return Ok(response);
    }
    let requests = Streaming::new_request(Raw, body, None, Some(message_bytes_max));
    let requests = Box::pin(requests.map(|request| request.map_err(of_status)));
    Ok(match begin(&calls, peer, head, requests).await {
        Ok(answers) => {
            let mut response = Response::new(Body::new(Framed::new(answers)));
            response.headers_mut().insert(
                header::CONTENT_TYPE,
                HeaderValue::from_static("application/grpc"),
            );
            response
        }
        Err(fault) => fault.to_status().into_http(),
    })
}

async fn begin(
    calls: &Arc<Calls>,
    peer: Option<IpAddr>,
    head: Parts,
    requests: Requests,
) -> Result<Answers, Fault> {
    let method = calls
        .registry()
        .method(head.uri.path())
        .inspect_err(|fault| {
            calls.metrics.refused(Front::Grpc, fault.code());
        })?;
    let headers = head.headers;
    let call = Call {
        front: Front::Grpc,
        peer,
        resume: text(&headers, TOKEN),
        deadline: text(&headers, "grpc-timeout").and_then(|timeout| deadline(&timeout)),
        headers,
    };
    calls.begin(&method, call, requests).await
}

/// Answers as gRPC has them: what is there goes together, and what many get is not copied. The status is the end.
struct Framed {
    answers: Answers,
    /// Messages that go before anything else.
    ready: BytesMut,
    /// What goes after them.
    next: Option<Frame<Bytes>>,
    has_ended: bool,
}

/// Bytes that are enough for one frame.
const READY_BYTES: usize = 32 << 10;

impl Framed {
    fn new(answers: Answers) -> Self {
        Self {
            answers,
            ready: BytesMut::new(),
            next: None,
            has_ended: false,
        }
    }

    fn end(&mut self, status: &Status) -> Frame<Bytes> {
        self.has_ended = true;
        let mut trailers = HeaderMap::new();
        if status.add_header(&mut trailers).is_err() {
            // Its metadata cannot be said; that something is wrong can.
            let _ = Status::internal("a status").add_header(&mut trailers);
        }
        Frame::trailers(trailers)
    }
}

impl http_body::Body for Framed {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        while this.next.is_none() && !this.has_ended && this.ready.len() < READY_BYTES {
            this.next = match this.answers.poll_batch(context) {
                Poll::Pending => break,
                Poll::Ready(Some(Ok(Batch::One(message)))) => {
                    this.ready.reserve(message.framed_len());
                    message.frame(&mut this.ready);
                    None
                }
                Poll::Ready(Some(Ok(Batch::Shared(chunk)))) => {
                    Some(Frame::data(chunk.framed.clone()))
                }
                Poll::Ready(Some(Err(fault))) => Some(this.end(&fault.to_status())),
                Poll::Ready(None) => Some(this.end(&Status::ok(""))),
            };
        }
        if !this.ready.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(this.ready.split().freeze()))));
        }
        match this.next.take() {
            Some(frame) => Poll::Ready(Some(Ok(frame))),
            None if this.has_ended => Poll::Ready(None),
            None => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.has_ended && self.ready.is_empty() && self.next.is_none()
    }
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// When a call with this `grpc-timeout` is given up: at most eight digits and a unit.
pub(crate) fn deadline(timeout: &str) -> Option<Instant> {
    let unit = timeout.chars().next_back()?;
    let count = timeout.get(..timeout.len() - unit.len_utf8())?;
    if count.len() > 8 {
        return None;
    }
    let count: u64 = count.parse().ok()?;
    let timeout = match unit {
        'H' => Duration::from_secs(count * 3_600),
        'M' => Duration::from_secs(count * 60),
        'S' => Duration::from_secs(count),
        'm' => Duration::from_millis(count),
        'u' => Duration::from_micros(count),
        'n' => Duration::from_nanos(count),
        _ => return None,
    };
    Instant::now().checked_add(timeout)
}

/// What tonic refuses a request with.
fn of_status(status: Status) -> Fault {
    let sqlstate = match status.code() {
        // tonic: a message longer than the limit.
        tonic::Code::OutOfRange | tonic::Code::ResourceExhausted => {
            tailwater_proto::sqlstate::PROGRAM_LIMIT_EXCEEDED
        }
        tonic::Code::Cancelled => tailwater_proto::sqlstate::QUERY_CANCELED,
        _ => super::fault::MALFORMED,
    };
    Fault::new(sqlstate, status.message())
}

/// Messages as they are.
#[derive(Clone, Copy, Default)]
struct Raw;

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_digits_and_a_unit() {
        for good in ["1H", "5M", "10S", "250m", "99999999u", "1n"] {
            assert!(deadline(good).is_some(), "{good}");
        }
        for wrong in ["", "S", "1", "1x", "-1S", "123456789S", "1é"] {
            assert!(deadline(wrong).is_none(), "{wrong}");
        }
    }
}
