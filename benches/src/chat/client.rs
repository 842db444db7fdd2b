//! `Clients`: callers that send messages, each on a connection of its own, by tonic's client as anybody would use it.
//! Next door: `receivers`, who listen.

use std::time::{Duration, Instant};

use futures_util::stream::iter;
use tokio::runtime::Runtime;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};
use tonic_prost::ProstCodec;

use super::{CREATE, MessageAck, SEND, message};
use crate::latency::Latencies;
use crate::{Error, Result};

/// A runtime for clients, who leave most of a machine to the server.
///
/// # Errors
/// When there is no thread.
pub fn runtime() -> Result<Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?)
}

/// Callers, each with a connection.
#[derive(Debug)]
pub struct Clients {
    channels: Vec<Channel>,
}

/// How long each call took, and all of it.
#[derive(Debug)]
pub struct Called {
    /// Each call.
    pub calls: Latencies,
    /// All.
    pub took: Duration,
}

impl Clients {
    /// Connects so many.
    ///
    /// # Errors
    /// When nobody listens there.
    pub async fn connect(address: &str, count: usize) -> Result<Self> {
        let endpoint = Endpoint::from_shared(format!("http://{address}"))?.tcp_nodelay(true);
        let mut channels = Vec::with_capacity(count);
        for _ in 0..count {
            channels.push(endpoint.connect().await?);
        }
        Ok(Self { channels })
    }

    /// Each sends its share one by one, and waits for each answer.
    ///
    /// # Errors
    /// The first call that fails.
    pub async fn create(&self, to: &str, messages: u64) -> Result<Called> {
        let share = messages.div_ceil(self.channels.len() as u64);
        self.all(|channel| {
            let to = to.to_owned();
            async move {
                let mut calls = Latencies::default();
                for _ in 0..share {
                    let begun = Instant::now();
                    create(channel.clone(), &to).await?;
                    calls.push(begun.elapsed());
                }
                Ok(calls)
            }
        })
        .await
    }

    /// Each sends its share as one stream, and waits for the answer.
    ///
    /// # Errors
    /// The first call that fails.
    pub async fn send(&self, to: &str, messages: u64) -> Result<Called> {
        let share = messages.div_ceil(self.channels.len() as u64);
        self.all(|channel| {
            let to = to.to_owned();
            async move {
                let begun = Instant::now();
                let mut grpc = Grpc::new(channel);
                grpc.ready().await?;
                let mut left = share;
                let stream = iter(std::iter::from_fn(move || {
                    left = left.checked_sub(1)?;
                    Some(message(&to))
                }));
                let path = PathAndQuery::from_static(SEND);
                let codec = ProstCodec::<_, MessageAck>::default();
                let answer = grpc.client_streaming(Request::new(stream), path, codec);
                demand(&answer.await?.into_inner(), share)?;
                let mut calls = Latencies::default();
                calls.push(begun.elapsed());
                Ok(calls)
            }
        })
        .await
    }

    async fn all<W>(&self, work: impl Fn(Channel) -> W) -> Result<Called>
    where
        W: Future<Output = Result<Latencies>> + Send + 'static,
    {
        let begun = Instant::now();
        let works = self
            .channels
            .iter()
            .map(|channel| tokio::spawn(work(channel.clone())));
        let works: Vec<_> = works.collect();
        let mut calls = Latencies::default();
        for work in works {
            calls.extend(work.await??);
        }
        let took = begun.elapsed();
        Ok(Called { calls, took })
    }
}

async fn create(channel: Channel, to: &str) -> Result<()> {
    let mut grpc = Grpc::new(channel);
    grpc.ready().await?;
    let path = PathAndQuery::from_static(CREATE);
    let codec = ProstCodec::<_, MessageAck>::default();
    let answer: Result<_, Status> = grpc.unary(Request::new(message(to)), path, codec).await;
    demand(&answer?.into_inner(), 1)
}

/// An answer that does not say how many were stored would be one to another question.
fn demand(answer: &MessageAck, count: u64) -> Result<()> {
    match answer.status.starts_with(&format!("stored {count},")) {
        true => Ok(()),
        false => Err(Error::from(format!(
            "stored {count}? \"{}\"",
            answer.status
        ))),
    }
}
