//! gRPC and gRPC-Web: tonic's framing around messages that stay bytes. One path for all methods and all four kinds of call.
//! It decodes nothing; next door: `call`.

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, Request, Response};
use futures_util::{Stream, StreamExt};
use prost::bytes::{Buf, BufMut, Bytes};
use tokio::time::Instant;
use tonic::body::Body;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::server::{Grpc, StreamingService};
use tonic::{Status, Streaming};

use super::call::{Call, Calls};
use super::fault::Fault;
use super::metrics::Front;

/// Where a stream goes on, in a request's metadata; also what the last message of a stream is told by, in trailers.
pub(crate) const TOKEN: &str = "tailwater-token";

/// Answers a gRPC request.
pub(crate) async fn answer(
    calls: Arc<Calls>,
    peer: Option<IpAddr>,
    message_bytes_max: usize,
    request: Request<Body>,
) -> Result<Response<Body>, Infallible> {
    let service = Adapter {
        path: request.uri().path().to_owned(),
        headers: request.headers().clone(),
        peer,
        calls,
    };
    let mut grpc = Grpc::new(Raw).apply_max_message_size_config(Some(message_bytes_max), None);
    Ok(grpc.streaming(service, request).await)
}

/// One request as tonic sees it.
struct Adapter {
    path: String,
    headers: HeaderMap,
    peer: Option<IpAddr>,
    calls: Arc<Calls>,
}

type Sent = Pin<Box<dyn Stream<Item = Result<Bytes, Status>> + Send>>;
type Answered = Result<tonic::Response<Sent>, Status>;

impl StreamingService<Bytes> for Adapter {
    type Response = Bytes;
    type ResponseStream = Sent;
    type Future = Pin<Box<dyn Future<Output = Answered> + Send>>;

    fn call(&mut self, request: tonic::Request<Streaming<Bytes>>) -> Self::Future {
        let calls = Arc::clone(&self.calls);
        let call = Call {
            front: Front::Grpc,
            peer: self.peer,
            resume: text(&self.headers, TOKEN),
            deadline: text(&self.headers, "grpc-timeout").and_then(|timeout| deadline(&timeout)),
            headers: std::mem::take(&mut self.headers),
        };
        let path = std::mem::take(&mut self.path);
        Box::pin(async move {
            let method = calls.registry().method(&path).map_err(|fault| {
                calls.metrics.refused(Front::Grpc, fault.code());
                fault.to_status()
            })?;
            let requests = request.into_inner();
            let requests = Box::pin(requests.map(|request| request.map_err(of_status)));
            let answers = calls.begin(&method, call, requests).await;
            let answers = answers.map_err(|fault| fault.to_status())?;
            let sent = answers.map(|answer| match answer {
                Ok(message) => Ok(message.bytes),
                Err(fault) => Err(fault.to_status()),
            });
            Ok(tonic::Response::new(Box::pin(sent) as Sent))
        })
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
pub(crate) struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put(message);
        Ok(())
    }
}

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
